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

use std::io;
use std::sync::Arc;

use crate::conversation::Conversation;
use crate::finding::Finding;
use crate::record::{Origin, Record, RecordId};
use crate::source::Shape;
use rules::Rules;

mod bodies;
mod convert;
mod coverage;
mod expression;
mod fault;
mod file;
mod people;
mod rules;
mod threads;
mod view;

pub(crate) use people::stand_in_for;

/// The mappings that come with the program, one for each source.
const BUILT_IN: &[(&str, &str)] = &[
    ("zendesk", include_str!("../mappings/zendesk.toml")),
    ("mbox", include_str!("../mappings/mbox.toml")),
    ("csv", include_str!("../mappings/csv.toml")),
    ("records", include_str!("../mappings/records.toml")),
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
        if let Some((name, text)) = BUILT_IN.iter().find(|(name, _)| *name == file_or_name) {
            return Self::parse(name, text);
        }
        let bytes = match std::fs::read(file_or_name) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let names: Vec<String> = BUILT_IN.iter().map(|(name, _)| format!("`{name}`")).collect();
                let near = expression::nearest(file_or_name, BUILT_IN.iter().map(|(name, _)| *name));
                let hint = match near {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("the built-in mappings are {}", names.join(", ")),
                };
                let problem = "there is no such file, and no built-in mapping of this name";
                return Err(fault::without_place(file_or_name, problem, Some(&hint)));
            }
            Err(error) => return Err(fault::without_place(file_or_name, &error.to_string(), None)),
        };
        let text = match std::str::from_utf8(&bytes) {
            Ok(text) => text,
            Err(error) => {
                let problem = format!("it is not UTF-8 text, from byte {} on", error.valid_up_to());
                return Err(fault::without_place(file_or_name, &problem, None));
            }
        };
        Self::parse(file_or_name, text)
    }

    /// Parses a mapping from text; `file` is only for messages.
    pub fn parse(file: &str, text: &str) -> Result<Self, MappingError> {
        // Editors on Windows put a mark there, and TOML has no place for it.
        let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
        let file::Loaded { source, shape, names, rules } = file::load(file, text)?;
        Ok(Self { file: file.to_owned(), hash: blake3::hash(text.as_bytes()), source, shape, names, rules })
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

    /// A hash of the mapping's text: unchanged while the rules are.
    pub fn hash(&self) -> blake3::Hash {
        self.hash
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
}

#[cfg(test)]
mod tests;
