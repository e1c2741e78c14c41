//! Questions about a mapping, for whoever writes one.

use super::Mapping;
use super::people;
use crate::conversation::{Kind, Status};
use crate::record::{Person, Record};

/// What a mapping does with a word of the old system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ruled<T> {
    /// It has a place in the table.
    Value(T),
    /// Its records are left out, with this reason.
    Skipped(String),
    /// No table knows it.
    Unknown,
}

impl Mapping {
    /// What `[status]` does with a word.
    pub fn status_of(&self, word: &str) -> Ruled<Status> {
        let rules = &self.rules;
        if let Some((reason, _)) = rules.status_skip.find(word) {
            return Ruled::Skipped(reason.clone());
        }
        let known = rules.status.table.as_ref().and_then(|table| table.find(word).map(|(value, _)| *value));
        known
            .or_else(|| Status::from_word(word).filter(|_| rules.status.table.is_none()))
            .map_or(Ruled::Unknown, Ruled::Value)
    }

    /// What `[type]` does with a word.
    pub fn kind_of(&self, word: &str) -> Ruled<Kind> {
        let known = self.rules.kind.table.as_ref().and_then(|table| table.find(word).map(|(value, _)| *value));
        known
            .or_else(|| Kind::from_word(word).filter(|_| self.rules.kind.table.is_none()))
            .map_or(Ruled::Unknown, Ruled::Value)
    }

    /// Whether `[type]` and `[status]` look at anything at all.
    pub fn has_status_rule(&self) -> bool {
        self.rules.status.from.is_some()
    }

    /// Whether `[type]` looks at anything at all.
    pub fn has_type_rule(&self) -> bool {
        self.rules.kind.from.is_some()
    }

    /// Whether somebody is staff by the mapping's rules.
    pub fn is_staff(&self, person: &Person) -> bool {
        self.rules.people.is_staff(person)
    }

    /// The paths of a record's values that no rule uses and no pattern ignores.
    pub fn lost_fields(&self, record: &Record) -> Vec<String> {
        self.rules.coverage.lost(record)
    }
}

/// The address as FreeScout keeps it, in lower case; `None` for what is not one.
pub fn stored_address(text: &str) -> Option<String> {
    people::stored_address(text)
}

/// The names that a record has by itself; a field that is called so is read as `fields['NAME']`.
pub fn record_names() -> &'static [&'static str] {
    super::view::RECORD_NAMES
}
