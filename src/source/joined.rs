//! Records put together from collections that refer to each other, as the mapping describes them.
//!
//! A collection is a list in JSON files, or a table in CSV files. One pass writes to the catalog where every ticket
//! stands and, under the ids by which they are looked up, every message, person, attachment and name. Records are then
//! put together from there: memory is bounded by the largest record, whatever the size of the files.
//!
//! Promises:
//!
//! - A ticket that stands several times comes once, as its newest copy.
//! - What no path of the mapping takes stays among the fields of the record, the entry or the person.
//! - A damaged ticket or message that nobody can place is an error with its place; a damaged part of another kind is
//!   an oddity.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use globset::{Glob, GlobMatcher};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::catalog::{self, Catalog, Piece};
use crate::finding::codes;
use crate::input::{Input, InputFile};
use crate::json::elements::{Found, walk};
use crate::json::{self, Scanner, Span};
use crate::record::{Oddity, Origin, Place as Spot};
use crate::source::csv::{Dates, Objects};
use crate::source::shelf::Shelf;
use crate::source::{Facts, Reader, Reading, SourceError, problem};

mod build;
pub mod shape;
mod values;

use build::Tickets;
use shape::{Joins, Path, Place};
use values::{find, id_at};
pub(in crate::source) use values::{id_of, scalar};

/// Changes whenever an index of an older program would be understood otherwise.
const INDEX_VERSION: u32 = 2;

/// How often the watcher is told, in bytes read.
const WATCH_EVERY: u64 = 1024 * 1024;

/// How many oddities of the archive are listed before they are only counted.
const MAX_ODDITIES: usize = 50;

/// What a piece of the catalog is.
mod kind {
    pub(super) const TICKET: u8 = 0;
    pub(super) const MESSAGE: u8 = 1;
    pub(super) const PERSON: u8 = 2;
    pub(super) const ATTACHMENT: u8 = 3;
    pub(super) const LISTED: u8 = 4;
    pub(super) const FILE: u8 = 5;
    /// A ticket under the field that messages name it by.
    pub(super) const ANCHOR: u8 = 6;
}

/// What a collection holds.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Holds {
    Tickets,
    /// The place's number among those of its kind.
    Messages(usize),
    People,
    Attachments(usize),
    /// Under this name; lists and lookups differ in their prefix.
    Listed(String),
}

/// One collection of the mapping.
struct Collection {
    holds: Holds,
    /// Which files; `None`: every JSON file.
    file: Option<(String, GlobMatcher)>,
    at: Path,
    /// By what its elements are looked up; a single `*` is the file's name.
    key: Vec<Path>,
}

impl Collection {
    fn matches(&self, file: &InputFile) -> bool {
        match &self.file {
            None => matches!(extension(file).as_str(), "json" | "jsonl" | "ndjson") || &*file.shown == "-",
            Some((_, glob)) => {
                let name = std::path::Path::new(&*file.shown).file_name();
                glob.is_match(&*file.shown) || name.is_some_and(|name| glob.is_match(name))
            }
        }
    }

    /// What the first `*` of the file's pattern stands for in its name.
    fn star(&self, file: &InputFile) -> Option<String> {
        let (pattern, _) = self.file.as_ref()?;
        let (before, after) = pattern.split_once('*')?;
        let shown = &*file.shown;
        let name = shown.rsplit(['/', '\\']).next().unwrap_or(shown);
        let cut = |text: &str| Some(text.strip_prefix(before)?.strip_suffix(after)?.to_owned());
        cut(shown).or_else(|| cut(name)).filter(|star| !star.is_empty())
    }

    /// The id of an element.
    fn id(&self, object: &Map<String, Value>, file: &InputFile) -> Option<String> {
        if let [only] = &self.key[..]
            && only.text == "*"
        {
            return self.star(file);
        }
        id_at(object, &self.key)
    }
}

/// The name of what belongs to a ticket or message, or is looked up.
fn name_key(what: &str, id: &str) -> i64 {
    catalog::key(what, id.as_bytes())
}

/// The word under which elements of a place that name their owner by a field of it lie.
fn join_word(what: &str, number: usize, place: &Place) -> String {
    match &place.to {
        // By the ticket's id: the name is that of the ticket's group, so that orphans are known.
        None if what == "message" => "ticket".to_owned(),
        _ => format!("{what} {number}"),
    }
}

/// Opens an archive by the mapping's description of it.
///
/// `source` is the name for records and the index.
pub(in crate::source) fn open(
    source: &'static str,
    joins: &Joins,
    input: Input,
    reading: &Reading<'_>,
) -> Result<Reader, SourceError> {
    let failed = |input: &Input, cause| {
        let path = input.files().first().map(|file| file.path.to_path_buf()).unwrap_or_default();
        SourceError::Io { path, cause }
    };
    let stamp = input.stamp().map_err(|cause| failed(&input, cause))?;
    let key =
        format!("{source} joined {INDEX_VERSION} {stamp} {joins:?} {:?} {:?}", reading.shape.zone, reading.shape.csv);
    let dates = Dates::of(joins.dates.as_deref(), reading)?;
    let mut catalog = Catalog::open(reading.index, reading.scratch, &key)?;
    if !catalog.is_sealed() {
        let mut pass = Pass {
            joins,
            input: &input,
            reading,
            dates: &dates,
            catalog: &mut catalog,
            counts: BTreeMap::new(),
            oddities: Vec::new(),
            unlisted: 0,
            bytes: 0,
        };
        pass.run()?;
        let notes = pass.notes();
        catalog.note("pass", &notes)?;
        catalog.seal()?;
    }
    let notes = catalog.noted("pass")?.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    let facts = facts(&catalog, joins, &input, &notes)?;
    let mut tables = BTreeMap::new();
    for (index, file) in input.files().iter().enumerate() {
        if is_table(file) && collections(joins)?.iter().any(|collection| collection.matches(file)) {
            tables.insert(index as u32, Objects::open(index, file, reading)?);
        }
    }
    let tickets =
        Tickets::new(source, joins.clone(), dates, catalog.into_groups(reading.order), Shelf::new(input), tables);
    Ok(Reader::new(facts, tickets))
}

fn is_table(file: &InputFile) -> bool {
    matches!(extension(file).as_str(), "csv" | "tsv" | "tab")
}

fn extension(file: &InputFile) -> String {
    let name = std::path::Path::new(&*file.shown);
    name.extension().map(|ending| ending.to_string_lossy().to_lowercase()).unwrap_or_default()
}

/// Every collection that lies in files.
fn collections(joins: &Joins) -> Result<Vec<Collection>, SourceError> {
    let make = |holds: Holds, file: Option<&str>, at: &Path, key: Vec<Path>| -> Result<Collection, SourceError> {
        let glob = file.map(|pattern| Glob::new(pattern).map(|glob| (pattern.to_owned(), glob.compile_matcher())));
        let file = glob.transpose().map_err(|error| SourceError::Shape {
            origin: Origin::whole(&Arc::from("[shape]")),
            problem: format!("not a pattern for files: {}", error.kind()),
            hint: "write a file's name, with `*` for any part of it".to_owned(),
        })?;
        Ok(Collection { holds, file, at: at.clone(), key })
    };
    let pattern = |place: &Place| place.file.as_ref().map(|file| file.get_ref().clone());
    let key_or = |place: &Place, paths: &[Path]| place.key.clone().map_or_else(|| paths.to_vec(), |key| vec![key]);
    let mut all = Vec::new();
    for place in &joins.tickets.0 {
        let key = key_or(place, &joins.ticket.id.from);
        all.push(make(Holds::Tickets, pattern(place).as_deref(), &place.at, key)?);
    }
    for place in joins.people.0.iter().filter(|place| place.inside.is_none()) {
        let key = key_or(place, &joins.person.id.from);
        all.push(make(Holds::People, pattern(place).as_deref(), &place.at, key)?);
    }
    for (n, place) in joins.messages.0.iter().enumerate().filter(|(_, place)| place.inside.is_none()) {
        all.push(make(Holds::Messages(n), pattern(place).as_deref(), &place.at, key_or(place, &[]))?);
    }
    for (n, place) in joins.attachments.0.iter().enumerate().filter(|(_, place)| place.inside.is_none()) {
        all.push(make(Holds::Attachments(n), pattern(place).as_deref(), &place.at, key_or(place, &[]))?);
    }
    for (prefix, listed) in [("list", &joins.lists), ("lookup", &joins.lookups)] {
        for (name, listed) in listed {
            let holds = Holds::Listed(format!("{prefix} {name}"));
            all.push(make(holds, Some(listed.file.get_ref()), &listed.at, vec![listed.key.clone()])?);
        }
    }
    Ok(all)
}

/// The state of the pass.
struct Pass<'a> {
    joins: &'a Joins,
    input: &'a Input,
    reading: &'a Reading<'a>,
    dates: &'a Dates,
    catalog: &'a mut Catalog,
    counts: BTreeMap<&'static str, u64>,
    oddities: Vec<Oddity>,
    unlisted: usize,
    /// Bytes of the files read so far.
    bytes: u64,
}

impl Pass<'_> {
    fn run(&mut self) -> Result<(), SourceError> {
        let collections = collections(self.joins)?;
        let mut is_empty: Vec<bool> = collections.iter().map(|_| true).collect();
        let input = self.input;
        for (index, file) in input.files().iter().enumerate() {
            let piece = Piece { kind: kind::FILE, file: index as u32, length: file.length, ..Piece::default() };
            self.catalog.put_named(name_key("file", &file.shown.replace('\\', "/")), piece)?;
            let mut is_read = false;
            for (collection, is_empty) in collections.iter().zip(&mut is_empty) {
                if file.length > 0 && collection.matches(file) {
                    is_read = true;
                    *is_empty &= self.collection(collection, index, file)? == 0;
                }
            }
            let looks_like_data = matches!(extension(file).as_str(), "json" | "jsonl" | "ndjson" | "csv" | "tsv");
            if !is_read && looks_like_data && file.length > 0 {
                self.odd(
                    codes::READ_IGNORED,
                    Origin::whole(&file.shown),
                    "no collection of the mapping names it".to_owned(),
                );
            }
            self.bytes += file.length;
            self.tell(0)?;
        }
        for (collection, _) in collections.iter().zip(is_empty).filter(|(_, is_empty)| *is_empty) {
            let what = match &collection.holds {
                Holds::Tickets => "tickets".to_owned(),
                Holds::Messages(_) => "messages".to_owned(),
                Holds::People => "people".to_owned(),
                Holds::Attachments(_) => "attachments".to_owned(),
                Holds::Listed(name) => format!("the {}", name.replacen(' ', " `", 1) + "`"),
            };
            let pattern = collection.file.as_ref().map_or("any JSON file", |(pattern, _)| pattern);
            let at =
                if collection.at.text.is_empty() { String::new() } else { format!(" at `{}`", collection.at.text) };
            let message = format!("nothing was found where {what} should be: in `{pattern}`{at}");
            if collection.holds == Holds::Tickets
                && input.bytes() > 0
                && self.count("tickets") == 0
                && self.count("unreadable") == 0
            {
                let names: Vec<String> = input.files().iter().take(8).map(|file| format!("`{}`", file.shown)).collect();
                return Err(SourceError::Shape {
                    origin: Origin::whole(&Arc::from(".")),
                    problem: message,
                    hint: format!("correct `tickets` in the mapping's `[shape]`; the files are {}", names.join(", ")),
                });
            }
            self.odd(codes::READ_MISSING_PART, Origin::whole(&Arc::from(".")), message);
        }
        if self.unlisted > 0 {
            let message = format!("{} more oddities of the archive are not listed", self.unlisted);
            self.oddities.push(Oddity { code: codes::READ_IGNORED, origin: Origin::whole(&Arc::from(".")), message });
        }
        Ok(())
    }

    fn odd(&mut self, code: &'static str, origin: Origin, message: String) {
        if self.oddities.len() < MAX_ODDITIES {
            self.oddities.push(Oddity { code, origin, message });
        } else {
            self.unlisted += 1;
        }
    }

    fn count(&self, name: &str) -> u64 {
        self.counts.get(name).copied().unwrap_or_default()
    }

    fn tell(&self, offset: u64) -> Result<(), SourceError> {
        match (self.reading.watch)((self.bytes + offset).min(self.input.bytes())) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(SourceError::Interrupted),
        }
    }

    /// One collection in one file; how many elements there were.
    fn collection(&mut self, collection: &Collection, index: usize, file: &InputFile) -> Result<u64, SourceError> {
        let mut told = 0;
        let mut count = 0;
        if is_table(file) {
            let table = Objects::open(index, file, self.reading)?;
            table.each(|span, object| {
                count += 1;
                if span.offset >= told + WATCH_EVERY {
                    told = span.offset;
                    self.tell(told)?;
                }
                match object {
                    Some(object) => self.element(collection, index, file, span, &object),
                    None => self.problem(collection, index, file, span, problem::MALFORMED, 0),
                }
            })?;
            return Ok(count);
        }
        let failed = |cause| SourceError::Io { path: file.path.to_path_buf(), cause };
        let mut scanner = Scanner::new(file.open().map_err(failed)?).map_err(failed)?;
        let walked = walk(&mut scanner, &collection.at.steps(), problem::ELEMENT_LIMIT, |span, found| {
            if span.offset >= told + WATCH_EVERY {
                told = span.offset;
                self.tell(told)?;
            }
            let (problem, at) = match found {
                Found::Element(bytes) => match json::parse(bytes) {
                    Ok((Value::Object(object), _)) => return self.element(collection, index, file, span, &object),
                    _ => (problem::MALFORMED, 0),
                },
                Found::Fault(fault) => problem::of(&fault),
            };
            self.problem(collection, index, file, span, problem, at)
        })?;
        if walked.is_cut_short && !walked.is_lines {
            let message = "the file is damaged; what stands behind is not read".to_owned();
            self.odd(codes::READ_TRUNCATED, Origin::whole(&file.shown), message);
        }
        Ok(walked.elements)
    }

    /// What cannot be read: of tickets and messages an error that the reader yields, else an oddity.
    fn problem(
        &mut self,
        collection: &Collection,
        index: usize,
        file: &InputFile,
        span: Span,
        problem: u8,
        at: u64,
    ) -> Result<(), SourceError> {
        if !matches!(collection.holds, Holds::Tickets | Holds::Messages(_)) {
            let message = "a part of the archive cannot be read and is left out".to_owned();
            self.odd(codes::READ_BROKEN_PART, Origin::line(&file.shown, span.line), message);
            return Ok(());
        }
        *self.counts.entry("unreadable").or_default() += 1;
        let version = i64::try_from(at).unwrap_or(i64::MAX);
        let piece = Piece { kind: problem, at: i64::MAX, version, ..piece_at(index, span) };
        let name = format!("{index} {} {problem} {:?}", span.offset, collection.holds);
        Ok(self.catalog.put(name_key("problem", &name), piece)?)
    }

    fn element(
        &mut self,
        collection: &Collection,
        index: usize,
        file: &InputFile,
        span: Span,
        object: &Map<String, Value>,
    ) -> Result<(), SourceError> {
        let piece = piece_at(index, span);
        let id = collection.id(object, file);
        let (counted, named) = match (&collection.holds, id) {
            (Holds::Tickets, Some(id)) => return self.ticket(&id, piece, object),
            (Holds::Tickets, None) => return self.problem(collection, index, file, span, problem::NO_ID, 0),
            (Holds::Messages(n), Some(id)) => {
                ("messages", Some((join_word("message", *n, &self.joins.messages.0[*n]), id, kind::MESSAGE)))
            }
            (Holds::Attachments(n), Some(id)) => (
                "attachments",
                Some((join_word("attachment", *n, &self.joins.attachments.0[*n]), id, kind::ATTACHMENT)),
            ),
            (Holds::People, Some(id)) => ("people", Some(("person".to_owned(), id, kind::PERSON))),
            (Holds::Listed(name), Some(id)) => ("listed", Some((name.clone(), id, kind::LISTED))),
            (_, None) => ("unnamed", None),
        };
        *self.counts.entry(counted).or_default() += 1;
        match named {
            Some((word, id, kind)) => Ok(self.catalog.put_named(name_key(&word, &id), Piece { kind, ..piece })?),
            None => {
                let key: Vec<String> = collection.key.iter().map(|path| format!("`{}`", path.text)).collect();
                let message =
                    format!("nothing stands at {}, by which it would be found; it is left out", key.join(", "));
                self.odd(codes::READ_MISSING_PART, Origin::line(&file.shown, span.line), message);
                Ok(())
            }
        }
    }

    fn ticket(&mut self, id: &str, piece: Piece, object: &Map<String, Value>) -> Result<(), SourceError> {
        *self.counts.entry("tickets").or_default() += 1;
        let time = |take: &shape::Take| {
            let value = take.from.iter().flat_map(|path| find(object, path)).find(|value| !value.is_null())?;
            time_of(value, self.dates).ok()
        };
        let created = time(&self.joins.ticket.created_at).map_or(i64::MAX, Timestamp::as_second);
        let updated = time(&self.joins.ticket.updated_at).map_or(i64::MIN, Timestamp::as_second);
        let piece = Piece { kind: kind::TICKET, at: created, version: updated, ..piece };
        for (n, place) in self.joins.messages.0.iter().enumerate() {
            if let Some(to) = &place.to
                && let Some(id) = id_at(object, std::slice::from_ref(to))
            {
                let anchor = Piece { kind: kind::ANCHOR, ..piece };
                self.catalog.put_named(name_key(&join_word("message", n, place), &id), anchor)?;
            }
        }
        Ok(self.catalog.put(name_key("ticket", id), piece)?)
    }

    /// What the catalog cannot count, as text to keep beside the index.
    fn notes(&self) -> String {
        let oddities = noted(&self.oddities);
        json!({"counts": self.counts, "oddities": oddities}).to_string()
    }
}

fn piece_at(index: usize, span: Span) -> Piece {
    Piece {
        at: i64::MAX,
        file: u32::try_from(index).unwrap_or(u32::MAX),
        offset: span.offset,
        length: span.length,
        line: span.line,
        ..Piece::default()
    }
}

/// A time: seconds or milliseconds since 1970, or a text.
pub(super) fn time_of(value: &Value, dates: &Dates) -> Result<Timestamp, &'static str> {
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text)
            if text.trim().len() >= 9 && !text.trim().contains(|c: char| !c.is_ascii_digit() && c != '.') =>
        {
            // `20240131…` is a date, and so is `31.01.2024`; seconds have no second dot.
            text.trim().parse::<f64>().ok().filter(|number| *number < 2.0e10 && *number > 1.0e8 || *number > 1.0e11)
        }
        _ => None,
    };
    match number {
        // Seconds reach this only in the year 5138.
        Some(number) if number.abs() < 1.0e11 => {
            Timestamp::from_millisecond((number * 1000.0).round() as i64).map_err(|_| "is not a time")
        }
        Some(number) => Timestamp::from_millisecond(number as i64).map_err(|_| "is not a time"),
        None => match scalar(value) {
            Some(text) => dates.read(text.trim()),
            None => Err("is not a time"),
        },
    }
}

fn facts(catalog: &Catalog, joins: &Joins, input: &Input, notes: &Value) -> Result<Facts, SourceError> {
    let number = |key: &str| notes["counts"][key].as_u64().unwrap_or(0);
    let mut oddities: Vec<Oddity> = notes["oddities"].as_array().into_iter().flatten().filter_map(oddity_of).collect();
    let records = catalog.group_count()?;
    let tickets = records - number("unreadable").min(records);
    let mut lost = 0;
    if !joins.messages.0.is_empty() {
        let (count, first) = catalog.orphans(kind::MESSAGE, kind::ANCHOR)?;
        lost = count;
        if let Some(first) = first {
            let origin = Origin::line(&input.files()[first.file as usize].shown, first.line);
            let message =
                format!("{count} messages belong to tickets that the archive does not hold; they are left out");
            oddities.push(Oddity { code: codes::READ_MISSING_PART, origin, message });
        }
    }
    let counts = vec![
        ("tickets", tickets),
        ("messages", number("messages")),
        ("lost_messages", lost),
        ("persons", catalog.name_count(kind::PERSON)?),
        ("duplicates", number("tickets").saturating_sub(tickets)),
        ("unreadable", number("unreadable")),
    ];
    Ok(Facts { records, counts, variants: Vec::new(), oddities })
}

/// Oddities of a pass as they are kept beside the index.
pub(super) fn noted(oddities: &[Oddity]) -> Vec<Value> {
    let note = |oddity: &Oddity| {
        let line = match oddity.origin.place {
            Spot::Line(line) => line,
            _ => 0,
        };
        json!([oddity.code, &*oddity.origin.file, line, oddity.message])
    };
    oddities.iter().map(note).collect()
}

/// An oddity out of the notes.
pub(super) fn oddity_of(note: &Value) -> Option<Oddity> {
    let code = codes::ALL.iter().find(|(code, ..)| note[0] == *code)?.0;
    let file = Arc::from(note[1].as_str()?);
    let origin = match note[2].as_u64() {
        Some(line) if line > 0 => Origin::line(&file, line),
        _ => Origin::whole(&file),
    };
    Some(Oddity { code, origin, message: note[3].as_str()?.to_owned() })
}

#[cfg(test)]
mod tests;
