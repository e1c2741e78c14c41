//! Turns a record into a conversation, by the rules of a mapping file.
//!
//! Promises:
//!
//! - [`Mapping::convert`] is pure: the same record and mapping give the same result, and nothing else happens.
//! - Every record has an outcome: ready, skipped with a reason, or rejected with a reason.

use std::sync::Arc;

use crate::conversation::Conversation;
use crate::finding::Finding;
use crate::record::{Origin, Record, RecordId};
use crate::source::Shape;

/// A loaded mapping.
#[derive(Debug)]
pub struct Mapping {}

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
    pub fn load(_file_or_name: &str) -> Result<Self, MappingError> {
        todo!("mapping")
    }

    /// Parses a mapping from text; `file` is only for messages.
    pub fn parse(_file: &str, _text: &str) -> Result<Self, MappingError> {
        todo!("mapping")
    }

    /// The built-in mappings: name and text.
    pub fn built_in() -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// The name or path it was loaded from.
    pub fn file(&self) -> &str {
        todo!("mapping")
    }

    /// The source it is for.
    pub fn source(&self) -> &str {
        todo!("mapping")
    }

    /// What the reader must know.
    pub fn shape(&self) -> &Shape {
        todo!("mapping")
    }

    /// A hash of the mapping's text: unchanged while the rules are.
    pub fn hash(&self) -> blake3::Hash {
        todo!("mapping")
    }

    /// The names it uses.
    pub fn names(&self) -> Names {
        todo!("mapping")
    }

    /// Turns a record into a conversation, or says why not.
    pub fn convert(&self, _record: Record) -> Converted {
        todo!("mapping")
    }
}
