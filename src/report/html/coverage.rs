//! What became of the archive's fields and values, as far as the report is told.

use crate::mapping::account::{self, Account};

/// How many values of a field the report is told: more than it shows, so that it can say how many there are.
const MOST_VALUES: usize = 40;

/// The account of a run: a row for each field.
#[derive(Debug, Clone, Default)]
pub struct Coverage {
    /// In any order; the report sorts them, lost ones first.
    pub fields: Vec<FieldAccount>,
}

/// What became of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// Neither used by a rule nor ignored with a reason.
    Lost,
    /// A rule uses it, and some of its values are in no table.
    Partly,
    /// Ignored on purpose.
    Ignored,
    /// A rule uses it.
    Used,
}

impl Fate {
    /// For people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Partly => "values in no table",
            Self::Ignored => "ignored",
            Self::Used => "used",
        }
    }
}

/// One field, or one rule whose values are in no table.
#[derive(Debug, Clone)]
pub struct FieldAccount {
    /// Its path, ids as `*`.
    pub field: String,
    /// What became of it.
    pub fate: Fate,
    /// Records (or values, for [`Fate::Partly`]) that this is about; `None`: not counted.
    pub count: Option<u64>,
    /// How many different values it has; `None`: not counted.
    pub distinct: Option<u64>,
    /// The most frequent values with their counts.
    pub values: Vec<(String, u64)>,
    /// Why it is ignored.
    pub reason: Option<String>,
    /// A place where it can be seen.
    pub place: Option<String>,
}

impl FieldAccount {
    /// A field of which nothing more is known.
    pub fn new(field: impl Into<String>, fate: Fate) -> Self {
        Self { field: field.into(), fate, count: None, distinct: None, values: Vec::new(), reason: None, place: None }
    }
}

impl Coverage {
    /// Of the account that converters kept: its fields, and rules some of whose values are in no table.
    pub fn of(account: &Account) -> Self {
        let mut fields: Vec<FieldAccount> = account.fields().map(|(path, field)| field_of(path, field)).collect();
        let mut partly: Vec<FieldAccount> = Vec::new();
        for (rule, value, became) in account.values().filter(|(_, _, became)| became.word.is_none()) {
            if partly.last().is_none_or(|last| last.field != rule) {
                partly.push(FieldAccount::new(rule, Fate::Partly));
            }
            if let Some(last) = partly.last_mut() {
                last.count = Some(last.count.unwrap_or(0) + became.count);
                last.distinct = Some(last.distinct.unwrap_or(0) + 1);
                last.values.push((value.to_owned(), became.count));
            }
        }
        fields.extend(partly);
        Self { fields }
    }
}

fn field_of(path: &str, field: &account::Field) -> FieldAccount {
    let (fate, reason) = match &field.fate {
        account::Fate::Used => (Fate::Used, None),
        account::Fate::Ignored(reason) => (Fate::Ignored, Some(reason.to_string())),
        account::Fate::Lost => (Fate::Lost, None),
    };
    let values = field.values.most_frequent().into_iter().take(MOST_VALUES);
    FieldAccount {
        count: Some(field.records),
        distinct: Some(field.distinct.count()),
        values: values.map(|(value, count)| (value.to_owned(), count)).collect(),
        reason,
        place: field.origin.as_ref().map(ToString::to_string),
        ..FieldAccount::new(path, fate)
    }
}
