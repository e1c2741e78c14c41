//! Where archives come in: one [`Source`] for each format, found by content.
//!
//! A source opens an [`Input`] and gives a [`Reader`], which yields records. A
//! record that cannot be read is an `Err` item with its place, and the reader
//! goes on with the next. Memory is bounded by the largest record, whatever the
//! archive's size: sources index first (`catalog`) and cut records out by position.

use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::catalog::{CatalogError, PassOver};
use crate::input::{Head, HeadFile, Input};
use crate::record::{Oddity, Origin, Record, RecordId};
use contacts::Contacts;

pub mod contacts;
pub mod csv;
mod dump;
pub mod freescout;
pub mod freshdesk;
pub mod helpscout;
pub mod intercom;
pub mod jira;
pub mod joined;
pub mod json;
mod lanes;
pub mod mail;
pub mod osticket;
mod problem;
pub mod records;
mod shelf;
mod xml;
pub mod zammad;
pub mod zendesk;

/// Every source, in the order in which they are asked.
pub static SOURCES: &[&dyn Source] = &[
    &zendesk::Zendesk,
    &freshdesk::SOURCE,
    &helpscout::SOURCE,
    &intercom::SOURCE,
    &zammad::SOURCE,
    &osticket::OsTicket,
    &jira::SOURCE,
    &mail::Mbox,
    &mail::Maildir,
    &mail::Eml,
    &csv::Csv,
    &freescout::FreeScout,
    &records::Records,
    &json::Json,
];

/// One archive format.
pub trait Source: Sync {
    /// The name that `--format` and a mapping's `source` use: lower case, one word.
    fn name(&self) -> &'static str;

    /// Whether the archive is in this format, by content first and names second.
    ///
    /// Must not say yes to another source's archive: detection refuses an
    /// archive that two sources recognise.
    fn recognises(&self, head: &Head) -> bool;

    /// Makes the pass that indexes the archive, and gives a reader of its records.
    ///
    /// May be called again for the same archive; two readers yield equal records.
    /// Fails only for what makes the archive as a whole unusable.
    fn open(&self, input: Input, reading: &Reading<'_>) -> Result<Reader, SourceError>;

    /// The source whose built-in mapping serves this one, too; sources of one family take each other's mappings.
    fn family(&self) -> &'static str {
        self.name()
    }

    /// The people whom the archive lists by themselves; `None`: archives of this format have no such list.
    ///
    /// Makes the same pass as [`Source::open`] where there is one, and uses the same index. An archive
    /// may hold people and no record at all. Fails only for what makes it as a whole unusable.
    fn people(&self, input: Input, reading: &Reading<'_>) -> Result<Option<Contacts>, SourceError> {
        let _ = (input, reading);
        Ok(None)
    }
}

/// How an archive is to be read.
#[derive(Clone, Copy)]
pub struct Reading<'a> {
    /// What the mapping says about the archive's shape.
    pub shape: &'a Shape,
    /// In which order records are wanted.
    pub order: Order,
    /// Where the index is kept between runs (`NAME.ferry.index`); `None`: a temporary one.
    pub index: Option<&'a Path>,
    /// A folder for temporary files.
    pub scratch: &'a Path,
    /// Told the bytes read so far by the indexing pass, some times a second; may ask to stop.
    pub watch: &'a (dyn Fn(u64) -> ControlFlow<()> + Sync),
}

/// In which order records are read, and so sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Order {
    /// By the time they were opened, so that FreeScout's numbers follow time.
    #[default]
    Oldest,
    /// The newest first, for agents who must start work at once.
    Newest,
    /// As they stand in the archive.
    Archive,
}

/// A mapping's `[shape]` section: what a reader must know before it reads.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Shape {
    /// The time zone of dates that name none: an IANA name such as `Europe/Berlin`.
    pub zone: Option<String>,
    /// Own addresses (`support@example.org`) and domains (`@example.org`): never customers.
    pub own: Vec<String>,
    /// For the `csv` source.
    pub csv: csv::CsvShape,
    /// For the `json` source.
    pub json: joined::shape::Joins,
    /// For the sources of mail: `mbox`, `maildir`, `eml`.
    pub mail: mail::MailShape,
}

impl Shape {
    /// What does not fit together for this source, beyond wrong keys and types, with its place in the mapping.
    pub fn faults(&self, source: &str) -> Vec<joined::shape::ShapeFault> {
        match source {
            "json" => self.json.faults("shape.json"),
            "csv" => self.csv.joins().map(|joins| joins.faults("shape.csv")).unwrap_or_default(),
            _ => Vec::new(),
        }
    }
}

/// The records of an opened archive.
pub struct Reader {
    /// What the indexing pass found out about the archive as a whole.
    pub facts: Facts,
    /// What it need not read; without an index it reads everything.
    pub passing: PassOver,
    records: Box<dyn Iterator<Item = Result<Record, ReadError>> + Send>,
}

impl Reader {
    /// Puts facts and records together.
    pub fn new(facts: Facts, records: impl Iterator<Item = Result<Record, ReadError>> + Send + 'static) -> Self {
        Self { facts, passing: PassOver::default(), records: Box::new(records) }
    }

    /// The same records, each changed on its way; what is known about them stays.
    pub fn changing(self, mut change: impl FnMut(&mut Record) + Send + 'static) -> Self {
        let Self { facts, passing, records } = self;
        let changed = records.map(move |item| {
            item.map(|mut record| {
                change(&mut record);
                record
            })
        });
        Self { facts, passing, records: Box::new(changed) }
    }

    /// Ties the reader to what its groups may pass over (`Groups::passing`).
    ///
    /// Every record must carry the seat of its group in its origin, and no group may give more than one record.
    pub fn passing(self, passing: PassOver) -> Self {
        Self { passing, ..self }
    }
}

impl Iterator for Reader {
    type Item = Result<Record, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.records.next()
    }
}

/// What is known about an archive once it is indexed.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// How many records the reader will yield, unreadable ones included.
    pub records: u64,
    /// Further counts under stable names: `messages`, `distinct_message_ids`, `duplicates`, …
    pub counts: Vec<(&'static str, u64)>,
    /// The variants found: `mboxrd`, `json lines`, `windows-1252`, …
    pub variants: Vec<String>,
    /// What is odd about the archive as a whole.
    pub oddities: Vec<Oddity>,
}

/// The archive as a whole cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// No source recognises it.
    #[error("`{archive}` is not in a format that foxferry knows ({known})")]
    Unrecognised {
        /// The archive as typed.
        archive: String,
        /// The names of all sources.
        known: String,
    },
    /// Several sources recognise it.
    #[error("`{archive}` could be {candidates}")]
    Ambiguous {
        /// The archive as typed.
        archive: String,
        /// The names of the sources, each with the files that it recognises.
        candidates: String,
    },
    /// It was said to be in a format that it is not in.
    #[error("{origin}: not {expected}: {found}")]
    WrongFormat {
        /// Where.
        origin: Origin,
        /// What it should have been.
        expected: &'static str,
        /// What it is instead.
        found: String,
    },
    /// The mapping's `[shape]` does not fit the archive.
    #[error("{origin}: {problem}")]
    Shape {
        /// Where in the archive.
        origin: Origin,
        /// What does not fit.
        problem: String,
        /// What the operator can do.
        hint: String,
    },
    /// A file could not be read.
    #[error("`{path}` cannot be read")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        cause: io::Error,
    },
    /// The index could not be written or read.
    #[error("the archive's index failed")]
    Catalog(#[from] CatalogError),
    /// The operator asked to stop during the indexing pass.
    #[error("interrupted while indexing")]
    Interrupted,
}

/// One record could not be read. The reader goes on with the next.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The record has no id.
    #[error("{origin}: the record has no id")]
    MissingId {
        /// Where.
        origin: Origin,
    },
    /// The text is not in the format.
    #[error("{origin}: {problem}")]
    Malformed {
        /// Where.
        origin: Origin,
        /// Which record, if that much could be read.
        id: Option<RecordId>,
        /// What is wrong, and what would have been right.
        problem: String,
    },
    /// A value is not a time.
    #[error("{origin}: `{field}` is not a time: `{found}`")]
    BadTime {
        /// Where.
        origin: Origin,
        /// Which record, if that much could be read.
        id: Option<RecordId>,
        /// The field's name in the archive.
        field: String,
        /// What stands there.
        found: Box<str>,
    },
    /// The archive ends too early.
    #[error("{origin}: the archive ends in the middle of a record")]
    Truncated {
        /// Where.
        origin: Origin,
    },
    /// A record is larger or deeper than any real one.
    #[error("{origin}: {what} is over the limit of {limit}")]
    TooLarge {
        /// Where.
        origin: Origin,
        /// What is too large.
        what: &'static str,
        /// The limit, with its unit.
        limit: String,
    },
    /// A file failed in the middle.
    #[error("{origin}: cannot be read")]
    Io {
        /// Where.
        origin: Origin,
        /// The system's reason.
        #[source]
        cause: io::Error,
    },
}

impl ReadError {
    /// Where the record stands.
    pub fn origin(&self) -> &Origin {
        match self {
            Self::MissingId { origin }
            | Self::Malformed { origin, .. }
            | Self::BadTime { origin, .. }
            | Self::Truncated { origin }
            | Self::TooLarge { origin, .. }
            | Self::Io { origin, .. } => origin,
        }
    }

    /// Which record it was, if that much could be read.
    pub fn record_id(&self) -> Option<&RecordId> {
        match self {
            Self::Malformed { id, .. } | Self::BadTime { id, .. } => id.as_ref(),
            _ => None,
        }
    }
}

/// The source of this name.
pub fn by_name(name: &str) -> Option<&'static dyn Source> {
    SOURCES.iter().copied().find(|source| source.name() == name)
}

/// The source whose built-in mapping serves the source of this name.
pub fn family(name: &str) -> &str {
    match by_name(name) {
        Some(source) => source.family(),
        None => name,
    }
}

/// Finds the one source that recognises the archive.
///
/// An archive of nothing but empty files goes by its names, and to `mbox` when they say nothing.
pub fn detect(archive: &str, head: &Head) -> Result<&'static dyn Source, SourceError> {
    if head.is_empty() {
        let named = head.files.iter().find_map(|file| match file.extension().as_str() {
            "csv" | "tsv" => Some("csv"),
            "json" | "ndjson" | "jsonl" => Some("zendesk"),
            "eml" | "emlx" => Some("eml"),
            _ => None,
        });
        return Ok(by_name(named.unwrap_or("mbox")).expect("built-in sources are in the list"));
    }
    // A backup says what it is, whatever its attachments look like.
    if freescout::is_backup(head) {
        return Ok(&freescout::FreeScout);
    }
    let candidates: Vec<_> = SOURCES.iter().copied().filter(|source| source.recognises(head)).collect();
    match candidates[..] {
        [source] => Ok(source),
        [] => Err(SourceError::Unrecognised { archive: archive.to_owned(), known: names(SOURCES) }),
        _ => Err(SourceError::Ambiguous { archive: archive.to_owned(), candidates: told_apart(head, &candidates) }),
    }
}

/// How many files of each source are named.
const NAMED_FILES: usize = 3;

/// The candidates with the files that each recognises by themselves: `zendesk` (`tickets.json`) or `mbox` (`a.mbox`, and 3 more).
fn told_apart(head: &Head, candidates: &[&dyn Source]) -> String {
    let mut seen: Vec<(usize, Vec<String>)> = candidates.iter().map(|_| (0, Vec::new())).collect();
    for file in &head.files {
        let alone = HeadFile { shown: file.shown.clone(), length: file.length, start: file.start.clone() };
        let alone = Head { files: vec![alone] };
        for (source, (count, names)) in candidates.iter().zip(&mut seen) {
            if source.recognises(&alone) {
                *count += 1;
                if names.len() < NAMED_FILES {
                    names.push(format!("`{}`", file.shown));
                }
            }
        }
    }
    let told = candidates.iter().zip(seen).map(|(source, (count, mut names))| {
        if count > names.len() {
            names.push(format!("and {} more", count - names.len()));
        }
        match names.is_empty() {
            // Only all files together look so.
            true => format!("`{}`", source.name()),
            false => format!("`{}` ({})", source.name(), names.join(", ")),
        }
    });
    told.collect::<Vec<_>>().join(" or ")
}

fn names(sources: &[&dyn Source]) -> String {
    sources.iter().map(|source| format!("`{}`", source.name())).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
