//! What an archive holds: its words, groups, tags and fields, counted.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use crate::distinct::Values;
use crate::mapping::Mapping;
use crate::record::Record;

/// A hostile or strange archive may have any number of fields; more are not told apart.
const MOST_FIELDS: usize = 500;

/// Longer texts are no values of a list.
const LONGEST_VALUE: usize = 60;

/// Fields that often say which mailbox a record belongs to, best first.
const OF_MAILBOXES: &[&str] =
    &["mailbox", "inbox", "group", "brand", "department", "queue", "team", "recipient", "Group", "Department", "Brand"];

/// What has been counted so far.
#[derive(Debug, Default)]
pub struct Inventory {
    /// Records read.
    pub records: u64,
    /// Records that could not be read.
    pub unreadable: u64,
    /// Entries of all records.
    pub entries: u64,
    /// Words of `status`.
    pub statuses: Values,
    /// Words of `channel`.
    pub channels: Values,
    /// Tags.
    pub tags: Values,
    /// Fields by path: `["priority"]`, `["custom_fields", "Order number"]`.
    pub fields: BTreeMap<Vec<String>, Field>,
    /// Paths that the mapping neither uses nor ignores, as it shows them, with how many records have them.
    pub lost: BTreeMap<String, u64>,
    /// The earliest time of a record or entry.
    pub first: Option<Timestamp>,
    /// The latest.
    pub last: Option<Timestamp>,
}

/// One field.
#[derive(Debug, Default)]
pub struct Field {
    /// How many records have it.
    pub records: u64,
    /// Its short values.
    pub values: Values,
    /// How many values are too long for a list.
    pub texts: u64,
}

impl Field {
    /// Whether the values are those of a list: few, and used again and again.
    pub fn is_list(&self) -> bool {
        let distinct = self.values.most_frequent().len() as u64;
        self.texts == 0 && self.values.others == 0 && distinct <= 30 && (distinct <= 8 || distinct * 3 <= self.records)
    }
}

impl Inventory {
    /// Counts one record; `base` says which fields are accounted for.
    pub fn add(&mut self, record: &Record, base: &Mapping) {
        self.records += 1;
        self.entries += record.entries.len() as u64;
        for (values, word) in [(&mut self.statuses, &record.status), (&mut self.channels, &record.channel)] {
            if let Some(word) = word.as_deref().map(str::trim).filter(|word| !word.is_empty()) {
                values.add(word);
            }
        }
        record.tags.iter().for_each(|tag| self.tags.add(tag));
        let times = [record.created_at, record.updated_at, record.closed_at].into_iter().flatten();
        for at in times.chain(record.entries.iter().filter_map(|entry| entry.created_at)) {
            self.first = Some(self.first.map_or(at, |first| first.min(at)));
            self.last = Some(self.last.map_or(at, |last| last.max(at)));
        }
        for (name, value) in &record.fields {
            match value {
                Value::Object(inner) if name.ends_with("fields") => {
                    inner.iter().for_each(|(key, value)| self.field(vec![name.clone(), key.clone()], value));
                }
                value => self.field(vec![name.clone()], value),
            }
        }
        for path in base.lost_fields(record) {
            if let Some(count) = self.lost.get_mut(&path) {
                *count += 1;
            } else if self.lost.len() < MOST_FIELDS {
                self.lost.insert(path, 1);
            }
        }
    }

    fn field(&mut self, path: Vec<String>, value: &Value) {
        if !self.fields.contains_key(&path) && self.fields.len() >= MOST_FIELDS {
            return;
        }
        let items: Vec<String> = match value {
            Value::Null | Value::Object(_) => return,
            Value::Array(items) => items.iter().filter_map(word).collect(),
            value => word(value).into_iter().collect(),
        };
        if items.is_empty() {
            return;
        }
        let field = self.fields.entry(path).or_default();
        field.records += 1;
        for item in items {
            if item.chars().count() <= LONGEST_VALUE && !item.contains('\n') {
                field.values.add(&item);
            } else {
                field.texts += 1;
            }
        }
    }

    /// The field that says which mailbox a record belongs to, if one looks like it.
    pub fn mailbox_field(&self) -> Option<(&str, &Field)> {
        OF_MAILBOXES.iter().find_map(|name| {
            let field = self.fields.get(std::slice::from_ref(&(*name).to_owned()))?;
            (field.texts == 0 && field.values.others == 0).then_some((*name, field))
        })
    }
}

fn word(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => return None,
    };
    (!text.is_empty()).then_some(text)
}
