//! The rules of a mapping, compiled and ready to be applied.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use globset::GlobSet;
use minijinja::Environment;

use super::coverage::Coverage;
use super::expression::{Expression, Template};
use crate::conversation::{Kind, Status, ThreadKind};

/// Everything that a mapping says about records.
#[derive(Debug)]
pub(super) struct Rules {
    pub engine: Environment<'static>,
    pub skip: Vec<(Expression, String)>,
    pub mailbox: Rule<String>,
    pub kind: Rule<Kind>,
    pub status: Rule<Status>,
    /// Folded status words of records that are left out, with reasons.
    pub status_skip: HashMap<String, String>,
    pub subject: Subject,
    pub people: People,
    pub assignee: Assignee,
    pub customer: CustomerRules,
    pub tags: Tags,
    pub fields: Vec<FieldRule>,
    pub threads: Threads,
    pub coverage: Coverage,
}

/// A value taken from a field, through a table if there is one.
#[derive(Debug)]
pub(super) struct Rule<T> {
    /// `status`, `fields.Priority`: for findings, and for saying which rules fired.
    pub name: Arc<str>,
    pub from: Option<Expression>,
    /// By folded key.
    pub table: Option<HashMap<String, T>>,
    pub default: Option<T>,
}

/// How a word is compared with a table's keys: in any case, without space around it.
pub(super) fn fold(word: &str) -> String {
    word.trim().to_lowercase()
}

#[derive(Debug)]
pub(super) struct Subject {
    pub template: Option<Template>,
    pub from: Option<Expression>,
    pub default: String,
}

#[derive(Debug, Default)]
pub(super) struct People {
    /// Own addresses in lower case.
    pub own: HashSet<String>,
    /// Own domains in lower case, without `@`.
    pub own_domains: HashSet<String>,
    /// Folded role words of staff.
    pub roles: HashSet<String>,
    /// By folded address, name or id.
    pub agents: HashMap<String, Agent>,
    /// The user who stands in for agents that are not known.
    pub default: Option<String>,
    pub staff_as_customers: bool,
}

/// What an agent of the old system becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Agent {
    /// A user, by address in lower case.
    User(String),
    /// Gone: named in the text.
    Departed(String),
}

#[derive(Debug)]
pub(super) enum Assignee {
    /// Whoever the record names.
    OfRecord,
    /// Nobody at all.
    Nobody,
    /// By a rule that gives a user's address; an empty one is nobody.
    Rule(Box<Rule<String>>),
}

#[derive(Debug, Default)]
pub(super) struct CustomerRules {
    pub company: Option<Template>,
    pub job_title: Option<Template>,
    pub notes: Option<Template>,
    pub website: Option<Template>,
    pub phone: Option<Template>,
    pub fields: Vec<FieldRule>,
}

impl CustomerRules {
    pub(super) fn is_empty(&self) -> bool {
        self.company.is_none()
            && self.job_title.is_none()
            && self.notes.is_none()
            && self.website.is_none()
            && self.phone.is_none()
            && self.fields.is_empty()
    }
}

#[derive(Debug)]
pub(super) struct Tags {
    pub from: Vec<TagRule>,
    pub add: Vec<String>,
    pub drop: GlobSet,
}

#[derive(Debug)]
pub(super) struct TagRule {
    pub from: Expression,
    pub prefix: String,
    /// By folded value; what is not in it is kept as it is, and an empty text drops it.
    pub table: HashMap<String, String>,
}

/// A custom field or customer field.
#[derive(Debug)]
pub(super) struct FieldRule {
    pub field: String,
    pub value: FieldValue,
}

#[derive(Debug)]
pub(super) enum FieldValue {
    Template(Template),
    Rule(Rule<String>),
}

#[derive(Debug)]
pub(super) struct Threads {
    /// Entries for which this does not hold are left out.
    pub when: Option<Expression>,
    /// Overrides the kind; what is not in its table goes by author and visibility.
    pub kind: Option<Rule<ThreadKind>>,
    pub header: Option<Template>,
    pub footer: Option<Template>,
    pub keeps_cc: bool,
    pub inline_images: InlineImages,
}

/// What becomes of images that HTML shows by `cid:`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InlineImages {
    /// Small ones become part of the text, others are attached.
    Embed,
    /// All are attached.
    Attach,
}
