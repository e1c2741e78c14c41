//! The account of an archive: what each field and each value of a table came to, over all records.
//!
//! Promises:
//!
//! - Bounded whatever the archive holds: so many fields, so many values of each, values cut short.
//! - Accounts of parts of an archive add up to the account of the whole, in any order.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::distinct::{Distinct, Values};
use crate::record::Origin;

/// How many fields are told apart; the others are counted together.
const MOST_FIELDS: usize = 1_000;

/// How many values of a rule are told apart.
const MOST_RULED: usize = 200;

/// Values are cut to so many characters: they are shown, not kept.
const VALUE_CHARS: usize = 60;

/// What became of a field or value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// A rule uses it.
    Used,
    /// It is left behind on purpose, for this reason.
    Ignored(Arc<str>),
    /// Neither: it is left behind, and nobody has said so.
    Lost,
}

/// A value as it stands in a record.
#[derive(Debug, Clone, Copy)]
pub(super) enum Seen<'r> {
    Text(&'r str),
    Value(&'r Value),
}

/// What is known about one field.
#[derive(Debug)]
pub struct Field {
    /// What became of it.
    pub fate: Fate,
    /// In how many records it says something.
    pub records: u64,
    /// Its values with how often each came, cut to 60 characters; of lists the items, objects not at all.
    pub values: Values,
    /// How many different values there are.
    pub distinct: Distinct,
    /// One of its values, cut short: the first that its part of the archive had.
    pub sample: String,
    /// Where that stands.
    pub origin: Option<Origin>,
    /// The last record that was counted, by its number.
    last: u64,
}

/// What a rule made of one value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Became {
    /// The word in FreeScout; `None`: no table knows the value.
    pub word: Option<String>,
    /// How often.
    pub count: u64,
}

/// The account.
#[derive(Debug, Default)]
pub struct Account {
    fields: BTreeMap<String, Field>,
    /// By rule and value.
    ruled: BTreeMap<Arc<str>, BTreeMap<String, Became>>,
    /// Records entered.
    records: u64,
    /// Values of fields beyond the limit.
    pub others: u64,
    origin: Option<Origin>,
}

impl Field {
    fn new(fate: Fate) -> Self {
        let (values, distinct) = (Values::default(), Distinct::limited(4 * MOST_RULED));
        Self { fate, records: 0, values, distinct, sample: String::new(), origin: None, last: 0 }
    }

    fn add(&mut self, seen: Seen<'_>) {
        match seen {
            Seen::Text(text) => self.value(text),
            Seen::Value(Value::String(text)) => self.value(text),
            Seen::Value(Value::Array(items)) => items.iter().for_each(|item| self.add(Seen::Value(item))),
            Seen::Value(Value::Null | Value::Object(_)) => {}
            Seen::Value(value) => self.value(&value.to_string()),
        }
    }

    fn value(&mut self, text: &str) {
        self.distinct.add(&text);
        self.values.add(shortened(text.trim()));
    }
}

fn shortened(text: &str) -> &str {
    text.char_indices().nth(VALUE_CHARS).map_or(text, |(end, _)| &text[..end])
}

impl Account {
    /// Begins with the next record, which stands there.
    pub(super) fn begin(&mut self, origin: &Origin) {
        self.records += 1;
        self.origin = Some(origin.clone());
    }

    /// Enters a field of the record.
    pub(super) fn field(&mut self, path: &str, seen: Seen<'_>, fate: Fate) {
        if !self.fields.contains_key(path) {
            if self.fields.len() >= MOST_FIELDS {
                self.others += 1;
                return;
            }
            self.fields.insert(path.to_owned(), Field::new(fate.clone()));
        }
        let (records, origin) = (self.records, &self.origin);
        let field = self.fields.get_mut(path).expect("it has just been put there");
        // One path can be ignored below one key and lost below another: what is worse is said.
        if fate > field.fate {
            field.fate = fate;
        }
        field.records += u64::from(field.last != records);
        field.last = records;
        field.add(seen);
        if field.origin.is_none() {
            field.sample = match seen {
                Seen::Text(text) => shortened(text.trim()).to_owned(),
                Seen::Value(Value::String(text)) => shortened(text.trim()).to_owned(),
                Seen::Value(value) => shortened(&value.to_string()).to_owned(),
            };
            field.origin.clone_from(origin);
        }
    }

    /// Enters what a rule made of a value.
    pub(super) fn ruled(&mut self, rule: &Arc<str>, value: &str, word: Option<String>) {
        let values = self.ruled.entry(Arc::clone(rule)).or_default();
        let value = shortened(value.trim());
        if let Some(known) = values.get_mut(value) {
            known.count += 1;
        } else if values.len() < MOST_RULED {
            values.insert(value.to_owned(), Became { word, count: 1 });
        }
    }

    /// Adds the account of other records.
    pub fn merge(&mut self, other: Self) {
        self.records += other.records;
        self.others += other.others;
        for (path, field) in other.fields {
            if let Some(known) = self.fields.get_mut(&path) {
                if field.fate > known.fate {
                    known.fate = field.fate;
                }
                known.records += field.records;
                known.values.merge(field.values);
                known.distinct.merge(&field.distinct);
            } else if self.fields.len() < MOST_FIELDS {
                self.fields.insert(path, field);
            } else {
                self.others += field.records;
            }
        }
        for (rule, values) in other.ruled {
            let known = self.ruled.entry(rule).or_default();
            for (value, ruled) in values {
                if let Some(known) = known.get_mut(&value) {
                    known.count += ruled.count;
                } else if known.len() < MOST_RULED {
                    known.insert(value, ruled);
                }
            }
        }
    }

    /// How many records are in it.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// The fields by path: those of a record bare, of entries below `entry.`, of people below `person.`.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &Field)> {
        self.fields.iter().map(|(path, field)| (path.as_str(), field))
    }

    /// What rules made of values: rule, value, and what became of it.
    pub fn values(&self) -> impl Iterator<Item = (&str, &str, &Became)> {
        self.ruled
            .iter()
            .flat_map(|(rule, values)| values.iter().map(|(value, ruled)| (&**rule, value.as_str(), ruled)))
    }

    /// How many fields are used, ignored on purpose, and lost.
    pub fn counts(&self) -> [usize; 3] {
        let mut counts = [0; 3];
        for field in self.fields.values() {
            counts[match field.fate {
                Fate::Used => 0,
                Fate::Ignored(_) => 1,
                Fate::Lost => 2,
            }] += 1;
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn origin(line: u64) -> Origin {
        Origin::line(&Arc::from("t.json"), line)
    }

    fn account(records: &[(u64, &str, Value, Fate)]) -> Account {
        let mut account = Account::default();
        for (line, path, value, fate) in records {
            account.begin(&origin(*line));
            account.field(path, Seen::Value(value), fate.clone());
        }
        account
    }

    #[test]
    fn a_field_is_counted_by_records_with_its_values_and_its_first_place() {
        let mut account = account(&[(3, "a", json!(["x", "y"]), Fate::Lost), (4, "a", json!("x"), Fate::Lost)]);
        account.field("a", Seen::Value(&json!("z")), Fate::Lost);
        let (path, field) = account.fields().next().unwrap();
        assert_eq!((path, field.records, field.distinct.count()), ("a", 2, 3));
        assert_eq!(field.values.most_frequent(), [("x", 2), ("y", 1), ("z", 1)]);
        assert_eq!((field.sample.as_str(), field.origin.clone()), ("[\"x\",\"y\"]", Some(origin(3))));
        assert_eq!(account.counts(), [0, 0, 1]);
    }

    #[test]
    fn accounts_of_parts_add_up_to_that_of_the_whole() {
        let ignored = || Fate::Ignored(Arc::from("old"));
        let rows = [
            (1, "a", json!("x"), Fate::Used),
            (2, "b", json!(1), ignored()),
            (3, "a", json!("y"), Fate::Used),
            (4, "b", json!(1), Fate::Lost),
        ];
        let whole = account(&rows);
        let mut parts = account(&rows[..2]);
        parts.merge(account(&rows[2..]));
        let shown = |account: &Account| -> Vec<_> {
            let row = |(path, field): (&str, &Field)| {
                let values: Vec<_> = field.values.most_frequent().into_iter().map(|(v, n)| (v.to_owned(), n)).collect();
                (path.to_owned(), field.fate.clone(), field.records, values, field.distinct.count())
            };
            account.fields().map(row).collect()
        };
        assert_eq!(shown(&whole), shown(&parts));
        assert_eq!(whole.counts(), [1, 0, 1]);
    }

    #[test]
    fn an_archive_of_nothing_but_names_stays_small() {
        let mut account = Account::default();
        for n in 0..MOST_FIELDS as u64 + 7 {
            account.begin(&origin(n));
            account.field(&format!("f{n}"), Seen::Text(&"v".repeat(1_000)), Fate::Lost);
        }
        assert_eq!((account.fields().count(), account.others), (MOST_FIELDS, 7));
        assert!(account.fields().all(|(_, field)| field.sample.len() == VALUE_CHARS));
    }
}
