//! The rules of a mapping, compiled and ready to be applied.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use globset::{GlobBuilder, GlobMatcher, GlobSet};
use minijinja::Environment;

use super::coverage::Coverage;
use super::expression::{Expression, Template};
use super::lint::Mark;
use crate::conversation::{Kind, Status, ThreadKind};

/// Everything that a mapping says about records.
#[derive(Debug)]
pub(super) struct Rules {
    pub engine: Environment<'static>,
    pub skip: Vec<Decision<String>>,
    pub reject: Vec<Decision<String>>,
    pub mailbox: Rule<String>,
    pub kind: Rule<Kind>,
    pub status: Rule<Status>,
    /// Status words of records that are left out, with reasons.
    pub status_skip: Values<String>,
    pub subject: Subject,
    pub people: People,
    pub assignee: Assignee,
    pub customer: CustomerRules,
    pub tags: Tags,
    pub fields: Vec<FieldRule>,
    pub threads: Threads,
    pub notes: Vec<NoteRule>,
    pub coverage: Coverage,
}

/// A value taken from a field, through a table if there is one.
#[derive(Debug)]
pub(super) struct Rule<T> {
    /// `status`, `fields.Priority`: for findings, and for saying which rules fired.
    pub name: Arc<str>,
    /// Asked in this order, before `from`.
    pub when: Vec<Decision<T>>,
    pub from: Option<Expression>,
    pub table: Option<Values<T>>,
    pub default: Option<T>,
}

/// A condition and what it gives.
#[derive(Debug)]
pub(super) struct Decision<T> {
    pub when: Expression,
    pub value: T,
    pub mark: Mark,
}

/// Values of the old system and what they become.
#[derive(Debug)]
pub(super) struct Values<T> {
    /// By folded key.
    exact: HashMap<String, (T, Mark)>,
    /// Keys with `*`, in the order of the file.
    patterns: Vec<(GlobMatcher, String, T, Mark)>,
}

impl<T> Default for Values<T> {
    fn default() -> Self {
        Self { exact: HashMap::new(), patterns: Vec::new() }
    }
}

impl<T> Values<T> {
    pub(super) fn insert(&mut self, key: &str, value: T, mark: Mark) {
        let folded = fold(key);
        match pattern(&folded) {
            Some(pattern) => self.patterns.push((pattern, key.to_owned(), value, mark)),
            None => {
                self.exact.insert(folded, (value, mark));
            }
        }
    }

    /// What a value becomes: by its own key, else by the first pattern that fits.
    pub(super) fn find(&self, value: &str) -> Option<(&T, Mark)> {
        let folded = fold(value);
        if let Some((found, mark)) = self.exact.get(&folded) {
            return Some((found, *mark));
        }
        let found = self.patterns.iter().find(|(pattern, ..)| pattern.is_match(&folded));
        found.map(|(_, _, value, mark)| (value, *mark))
    }

    /// The pattern so far that leaves nothing to a further key with `*`.
    pub(super) fn pattern_before(&self, key: &str) -> Option<&str> {
        let folded = fold(key);
        pattern(&folded)?;
        // A pattern that fits another's text, `*` and all, fits whatever that one fits.
        let found = self.patterns.iter().find(|(known, ..)| known.is_match(&folded));
        found.map(|(_, written, ..)| written.as_str())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.patterns.is_empty()
    }
}

/// Only `*` is special: `?` and brackets are common in words of help desks.
fn pattern(folded: &str) -> Option<GlobMatcher> {
    if !folded.contains('*') {
        return None;
    }
    let parts: Vec<String> = folded.split('*').map(globset::escape).collect();
    GlobBuilder::new(&parts.join("*")).build().ok().map(|glob| glob.compile_matcher())
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
    /// Addresses that are customers whatever else speaks against it.
    pub customers: HashSet<String>,
    /// For lint, by the same keys.
    pub agent_marks: HashMap<String, Mark>,
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
    /// What is not in it is kept as it is, and an empty text drops it.
    pub table: Values<String>,
    pub mark: Mark,
}

/// A custom field or customer field.
#[derive(Debug)]
pub(super) struct FieldRule {
    pub field: String,
    pub value: FieldValue,
    pub mark: Mark,
}

#[derive(Debug)]
pub(super) enum FieldValue {
    Template(Template),
    Rule(Box<Rule<String>>),
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
    /// Whether the quoted mail at the end of a text stays.
    pub keeps_quoted: bool,
    /// Whether the signature at the end of a text stays.
    pub keeps_signature: bool,
    pub inline_images: InlineImages,
    /// Whether HTML becomes plain text.
    pub is_plain: bool,
}

/// A note that is made of a record's own fields.
#[derive(Debug)]
pub(super) struct NoteRule {
    /// `notes.rating`.
    pub name: Arc<str>,
    pub when: Option<Expression>,
    pub text: Template,
    pub at: Option<Expression>,
    pub mark: Mark,
}

/// What becomes of images that HTML shows by `cid:`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InlineImages {
    /// Small ones become part of the text, others are attached.
    Embed,
    /// All are attached.
    Attach,
    /// A line names them, and they go.
    Drop,
}
