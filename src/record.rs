//! What a reader yields: one ticket as the archive has it.
//!
//! Promises:
//!
//! - Values are verbatim and text encodings are resolved; what a value *means*
//!   is decided by the mapping, never here.
//! - A [`RecordId`] is a record's identity everywhere. An [`Origin`] is only for
//!   telling people where to look.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::content::Content;

pub mod json;

/// Which record this is: the source's name and the id that the old system gave it.
///
/// Prints as `zendesk:4711`. The pair is unique within an archive and stable
/// between two readings of it, so that runs resume and repeat.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordId {
    /// The source's name, as in `SOURCES`.
    pub source: Arc<str>,
    /// The old system's own id, as text.
    pub original: String,
}

impl RecordId {
    /// Joins a source's name and an original id.
    pub fn new(source: &str, original: impl Into<String>) -> Self {
        Self { source: Arc::from(source), original: original.into() }
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.source, self.original)
    }
}

/// Where something stands in an archive, for people: `tickets.json:12`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The file as the operator would name it, relative to the archive when it is a folder.
    pub file: Arc<str>,
    /// The place inside the file.
    pub place: Place,
    /// Where the record stands in the archive's index; `None` for everything that is not a record as a whole.
    pub seat: Option<Box<Seat>>,
}

/// Where a record stands in one index of an archive, for programs: what a journal remembers so that a later run need
/// not read the record again.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Seat {
    /// Which index: a random number that it got when it was made.
    pub index: i64,
    /// Which place in it: the number of the record's first piece.
    pub number: i64,
    /// When the record was opened, as a selection sees it, in milliseconds since 1970, rounded down; `None`: unknown.
    pub opened: Option<i64>,
}

impl fmt::Debug for Seat {
    // Without the index: readings of one archive over two indexes show alike.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.number)
    }
}

/// A place inside a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// The file as a whole.
    Whole,
    /// A line, counted from 1.
    Line(u64),
    /// A byte, counted from 0.
    Byte(u64),
}

impl Origin {
    /// The file as a whole.
    pub fn whole(file: &Arc<str>) -> Self {
        Self { file: Arc::clone(file), place: Place::Whole, seat: None }
    }

    /// A line of the file, counted from 1.
    pub fn line(file: &Arc<str>, line: u64) -> Self {
        Self { file: Arc::clone(file), place: Place::Line(line), seat: None }
    }

    /// A byte of the file, counted from 0.
    pub fn byte(file: &Arc<str>, byte: u64) -> Self {
        Self { file: Arc::clone(file), place: Place::Byte(byte), seat: None }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Place::Whole => write!(f, "{}", self.file),
            Place::Line(line) => write!(f, "{}:{line}", self.file),
            Place::Byte(byte) => write!(f, "{}@{byte}", self.file),
        }
    }
}

/// One ticket as the archive has it.
///
/// The well-known parts have fields of their own; everything else the archive
/// says about the ticket stays in `fields` under the archive's own names, with
/// ids resolved to names where the archive holds both (`group`, `organization`).
#[derive(Debug, Clone)]
pub struct Record {
    /// Identity.
    pub id: RecordId,
    /// Where it stands.
    pub origin: Origin,
    /// The subject, without trimming; `None` when the archive has none.
    pub subject: Option<String>,
    /// The status word or code of the old system.
    pub status: Option<String>,
    /// How the ticket came in: `email`, `voice`, `chat`, …, in the old system's words.
    pub channel: Option<String>,
    /// Whom the ticket is about: the customer's side, if the archive says so.
    pub requester: Option<Person>,
    /// Who works on it.
    pub assignee: Option<Person>,
    /// Copied people of the ticket as a whole.
    pub cc: Vec<Person>,
    /// Tags or labels, decoded, in the archive's order.
    pub tags: Vec<String>,
    /// When it was opened.
    pub created_at: Option<Timestamp>,
    /// When it last changed.
    pub updated_at: Option<Timestamp>,
    /// When it was closed or solved, if the archive says so.
    pub closed_at: Option<Timestamp>,
    /// A link to it in the old system.
    pub url: Option<String>,
    /// What was written, oldest first where times are known, else in the archive's order.
    pub entries: Vec<Entry>,
    /// Everything else, under the archive's own names.
    pub fields: Map<String, Value>,
    /// What the reader had to decide or give up while reading this record.
    pub oddities: Vec<Oddity>,
}

/// One thing written in a ticket: a message, a reply, a note, an event.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The archive's own id (comment id, Message-ID, else a hash of the content); unique in the record.
    pub id: String,
    /// Where it stands.
    pub origin: Origin,
    /// The old system's word for it: `Comment`, `VoiceComment`, `message`, `description`, …
    pub kind: String,
    /// Whether customers could see it.
    pub is_public: bool,
    /// Who wrote it.
    pub author: Option<Person>,
    /// To whom, where the archive says so (mail).
    pub to: Vec<Person>,
    /// Copied people.
    pub cc: Vec<Person>,
    /// Blind copies.
    pub bcc: Vec<Person>,
    /// The text.
    pub body: Body,
    /// When it was written.
    pub created_at: Option<Timestamp>,
    /// Files, and images shown inside the body.
    pub attachments: Vec<Attachment>,
    /// Everything else, under the archive's own names.
    pub fields: Map<String, Value>,
}

/// The text of an entry, in the form the archive has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// HTML from strangers; cleaned by the mapping.
    Html(String),
    /// Plain text with its own line ends; `format=flowed` already unfolded.
    Text(String),
    /// Nothing was written.
    Empty,
}

impl Body {
    /// Whether there is no text but white space.
    pub fn is_blank(&self) -> bool {
        match self {
            Self::Html(text) | Self::Text(text) => text.trim().is_empty(),
            Self::Empty => true,
        }
    }
}

/// A file that belongs to an entry.
#[derive(Debug, Clone)]
pub struct Attachment {
    /// The file's name as the archive has it; never used as a path.
    pub name: String,
    /// The media type the archive claims.
    pub mime: Option<String>,
    /// The `Content-ID` without angle brackets, for images inside HTML (`cid:`).
    pub content_id: Option<String>,
    /// Whether the archive shows it inside the body.
    pub is_inline: bool,
    /// The bytes, opened on demand.
    pub content: Content,
}

/// A person as the archive names them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Person {
    /// The archive's own id.
    pub id: Option<String>,
    /// The display name.
    pub name: Option<String>,
    /// Addresses that the archive ties to this person, main one first, as written (bare, no display name).
    pub emails: Vec<String>,
    /// Telephone numbers.
    pub phones: Vec<String>,
    /// The old system's word: `agent`, `admin`, `end-user`, …
    pub role: Option<String>,
    /// The company or organisation.
    pub company: Option<String>,
    /// Everything else, under the archive's own names.
    pub fields: Map<String, Value>,
}

impl Person {
    /// A person known by an address, and perhaps a name.
    pub fn with_email(email: impl Into<String>, name: Option<String>) -> Self {
        Self { emails: vec![email.into()], name, ..Self::default() }
    }

    /// The main address.
    pub fn email(&self) -> Option<&str> {
        self.emails.first().map(String::as_str)
    }
}

/// An entry's id that no other of the record has: a number is added to one that is taken.
pub(crate) fn unique_id(ids: &mut HashSet<String>, id: &str) -> String {
    let unique = first_free(id.to_owned(), |id| ids.contains(id), |count| format!("{id}-{count}"));
    ids.insert(unique.clone());
    unique
}

/// A name that is not taken: this one, else a numbered one, counted from 2.
///
/// An archive may hold a hundred thousand of one name. So only the first numbers are asked for one by one; of the others
/// the first free one is found by halving, which is the very first where all numbers were given by this function.
pub(crate) fn first_free(name: String, is_taken: impl Fn(&str) -> bool, numbered: impl Fn(u64) -> String) -> String {
    const ONE_BY_ONE: u64 = 16;
    if !is_taken(&name) {
        return name;
    }
    if let Some(free) = (2..=ONE_BY_ONE).map(&numbered).find(|name| !is_taken(name)) {
        return free;
    }
    let (mut taken, mut free) = (ONE_BY_ONE, 2 * ONE_BY_ONE);
    while is_taken(&numbered(free)) {
        (taken, free) = (free, free * 2);
    }
    while free - taken > 1 {
        let middle = taken + (free - taken) / 2;
        if is_taken(&numbered(middle)) {
            taken = middle;
        } else {
            free = middle;
        }
    }
    numbered(free)
}

/// Something a reader noticed and went on from; becomes a finding with the record's place.
#[derive(Debug, Clone)]
pub struct Oddity {
    /// A finding code of the family `read-…`, from `finding::codes`.
    pub code: &'static str,
    /// Where.
    pub origin: Origin,
    /// What, in one sentence without a full stop.
    pub message: String,
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn an_id_that_is_taken_gets_the_first_free_number() {
        let mut ids = HashSet::new();
        let given: Vec<String> = (0..6).map(|_| unique_id(&mut ids, "a")).collect();
        assert_eq!(given, ["a", "a-2", "a-3", "a-4", "a-5", "a-6"]);
        assert_eq!(unique_id(&mut ids, "b"), "b");
        // The archive's own may look like one of ours.
        let mut ids = HashSet::from(["a".to_owned(), "a-2".to_owned(), "a-4".to_owned()]);
        assert_eq!(unique_id(&mut ids, "a"), "a-3");
        assert!(ids.contains("a-3"));
    }

    #[test]
    fn a_hundred_thousand_of_one_name_are_not_compared_with_each_other() {
        const MANY: u64 = 100_000;
        let asked = Cell::new(0);
        let mut last = 0;
        for given in 0..MANY {
            // `a` and the numbers up to `given` are taken.
            let is_taken = |name: &str| {
                asked.set(asked.get() + 1);
                name.strip_prefix("a-").map_or(given > 0, |number| number.parse::<u64>().unwrap() <= given)
            };
            let name = first_free("a".to_owned(), is_taken, |count| format!("a-{count}"));
            last = name.strip_prefix("a-").map_or(1, |number| number.parse().unwrap());
        }
        assert_eq!(last, MANY);
        assert!(asked.get() < 60 * MANY, "{}", asked.get());
    }
}
