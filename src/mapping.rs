//! Turns a record into a conversation, by the rules of a mapping file.
//!
//! Promises:
//!
//! - [`Mapping::convert`] is pure: the same record and mapping give the same result, and nothing else happens.
//! - Every record has an outcome: ready, skipped with a reason, or rejected with a reason.
//! - A mapping that cannot be used is refused as a whole, with all its faults and their places.
//! - Nothing that a rule computes is unbounded: expressions have fuel, output has a limit.
//!
//! The language is described in `docs/mapping.md`.

use std::sync::Arc;

use account::Account;

use crate::conversation::Conversation;
use crate::finding::{Finding, Levels, Severity};
use crate::record::{Origin, Record, RecordId};
use crate::source::Shape;
use file::{Loaded, Purpose, Reading};
use rules::Rules;

pub mod account;
mod ask;
mod bodies;
mod cases;
mod contacts;
mod convert;
mod coverage;
mod expression;
mod extend;
mod fault;
mod file;
mod keys;
mod levels;
mod lint;
mod mutate;
mod notes;
mod people;
mod probe;
mod roster;
mod rules;
mod schema;
mod structure;
mod threads;
mod view;
mod vocabulary;

pub use cases::{Cases, Difference, Verdict};
pub use lint::{Lint, Notice};
pub use mutate::{Mutated, Unnoticed, mutate};
pub use schema::schema;

type Value<'i> = toml::Spanned<toml::de::DeValue<'i>>;

pub use ask::{Ruled, record_names, stored_address};
pub use contacts::ConvertedContact;
pub(crate) use people::stand_in_for;

/// The mappings that come with the program, one for each source.
const BUILT_IN: &[(&str, &str)] = &[
    ("zendesk", include_str!("../mappings/zendesk.toml")),
    ("freshdesk", include_str!("../mappings/freshdesk.toml")),
    ("helpscout", include_str!("../mappings/helpscout.toml")),
    ("intercom", include_str!("../mappings/intercom.toml")),
    ("zammad", include_str!("../mappings/zammad.toml")),
    ("osticket", include_str!("../mappings/osticket.toml")),
    ("jira", include_str!("../mappings/jira.toml")),
    ("mbox", include_str!("../mappings/mbox.toml")),
    ("csv", include_str!("../mappings/csv.toml")),
    ("json", include_str!("../mappings/json.toml")),
    ("records", include_str!("../mappings/records.toml")),
    ("freescout", include_str!("../mappings/freescout.toml")),
    ("freescout-csv", include_str!("../mappings/freescout-csv.toml")),
    ("freescout-mbox", include_str!("../mappings/freescout-mbox.toml")),
];

/// A loaded mapping.
#[derive(Debug)]
pub struct Mapping {
    file: String,
    source: String,
    shape: Shape,
    hash: blake3::Hash,
    names: Names,
    rules: Rules,
    levels: Levels,
}

/// What became of a record.
#[derive(Debug)]
pub enum Converted {
    /// Ready to send.
    Ready(Box<Mapped>),
    /// Left out by a rule.
    Skipped(Skipped),
    /// Cannot be sent.
    Rejected(Rejected),
}

/// A conversation, with what was noticed on the way.
#[derive(Debug)]
pub struct Mapped {
    /// The conversation.
    pub conversation: Conversation,
    /// What was noticed.
    pub findings: Vec<Finding>,
    /// The rules that fired, as `status`, `people.agents`, …, for `explain`.
    pub rules: Vec<Arc<str>>,
    /// The values of tables, conditions and other lines of the mapping that were used, numbered in its order of loading.
    pub lines: Vec<u32>,
}

/// A record left out by a rule.
#[derive(Debug)]
pub struct Skipped {
    /// Which.
    pub id: RecordId,
    /// Where.
    pub origin: Origin,
    /// The rule's reason.
    pub reason: String,
    /// What was noticed.
    pub findings: Vec<Finding>,
}

/// A record that cannot be sent.
#[derive(Debug)]
pub struct Rejected {
    /// Which; for one that could not be read, `unreadable@ORIGIN`.
    pub id: RecordId,
    /// Where.
    pub origin: Origin,
    /// What is wrong and what would be right.
    pub reason: String,
    /// What was noticed.
    pub findings: Vec<Finding>,
}

/// The names that a mapping uses, for preparing a sandbox and for asking a target.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// Mailboxes, by address or name.
    pub mailboxes: Vec<String>,
    /// Users, by address.
    pub users: Vec<String>,
    /// Custom fields by name, each with the values that tables give it (empty: free text).
    pub fields: Vec<(String, Vec<String>)>,
    /// Customer fields by name.
    pub customer_fields: Vec<String>,
}

/// A mapping that cannot be used, with every place that is wrong.
#[derive(Debug, thiserror::Error)]
#[error("the mapping `{file}` cannot be used")]
pub struct MappingError {
    /// The file's name as typed, or the built-in's name.
    pub file: String,
    /// The complete, plain-text report of all faults: message, file:line:column, source line, caret, hint.
    pub report: String,
}

impl Mapping {
    /// Loads a mapping by path, or a built-in one by name.
    ///
    /// A built-in name wins over a file of the same name; `./zendesk` is always a file.
    pub fn load(file_or_name: &str) -> Result<Self, MappingError> {
        let (name, text) = extend::read(file_or_name, None)
            .map_err(|(problem, hint)| fault::without_place(file_or_name, &problem, hint.as_deref()))?;
        Self::parse(&name, &text)
    }

    /// Parses a mapping from text; `file` is its name, and what it extends is looked for beside it.
    pub fn parse(file: &str, text: &str) -> Result<Self, MappingError> {
        let Reading { texts, loaded, mut faults, .. } = file::read(file, text, Purpose::Use);
        faults.retain(|fault| fault.severity == Severity::Error);
        match loaded {
            Some(loaded) => Ok(Self::of(file, &texts, loaded)),
            None => Err(fault::report(&texts, faults)),
        }
    }

    fn of(file: &str, texts: &extend::Texts, loaded: Loaded) -> Self {
        let Loaded { source, shape, names, rules, roster, levels } = loaded;
        let hash = match roster {
            None => texts.hash(),
            Some(roster) => blake3::hash(&[*texts.hash().as_bytes(), *roster.as_bytes()].concat()),
        };
        Self { file: file.to_owned(), hash, source, shape, names, rules, levels }
    }

    /// The built-in mappings: name and text.
    pub fn built_in() -> &'static [(&'static str, &'static str)] {
        BUILT_IN
    }

    /// The name or path it was loaded from.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The source it is for.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// What the reader must know.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// A hash of the mapping's text and of those that it extends: unchanged while the rules are.
    pub fn hash(&self) -> blake3::Hash {
        self.hash
    }

    /// How it wants findings to be taken.
    pub fn levels(&self) -> &Levels {
        &self.levels
    }

    /// Takes findings as said here, whatever the file says.
    pub fn set_levels(&mut self, levels: &Levels) {
        self.levels.extend(levels);
    }

    /// Whether it lets staff be customers of what they asked for themselves.
    pub fn lets_staff_be_customers(&self) -> bool {
        self.rules.people.staff_as_customers
    }

    /// The names it uses.
    pub fn names(&self) -> Names {
        self.names.clone()
    }

    /// Turns a record into a conversation, or says why not.
    ///
    /// The bytes of small images that a text shows are read here; those of other files are not.
    pub fn convert(&self, record: Record) -> Converted {
        convert::convert(&self.rules, record)
    }

    /// The same, and what became of the record's fields and values goes into the account; of a record that is skipped or
    /// rejected nothing does.
    pub fn convert_accounting(&self, record: Record, account: &mut Account) -> Converted {
        let mut notes = convert::Notes { account: Some(std::mem::take(account)), ..convert::Notes::default() };
        let converted = convert::convert_noting(&self.rules, record, &mut notes);
        *account = notes.account.unwrap_or_default();
        converted
    }
}

#[cfg(test)]
mod tests;
