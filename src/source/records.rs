//! The `records` source: neutral records as JSON lines, from a file or a pipe.
//!
//! The format is that of [`record::json`](crate::record::json), so that a reader can be a program in any language.
//! Lines are the rule; a list of records, or several documents one after the other, are read too.
//!
//! Promises:
//!
//! - A record that stands several times comes once: the one that changed last, else the last.
//! - The source's name of a record is its own, so that records made of another archive stay what they were.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::catalog::{self, Catalog, Group, Piece};
use crate::content::Content;
use crate::finding::codes;
use crate::input::{Head, Input, InputFile};
use crate::json::elements::{Found, walk};
use crate::json::{self, Members, Scanner};
use crate::record::json::{Files, RECORD_KEYS, read};
use crate::record::{Oddity, Origin, Record};
use crate::source::lanes::{self, Answer, Maker};
use crate::source::problem::Bounds;
use crate::source::shelf::Shelf;
use crate::source::{Facts, ReadError, Reader, Reading, Source, SourceError, problem};

/// The source's name, and that of records which name none.
const RECORDS: &str = "records";

/// Changes whenever an index of an older program would be understood otherwise.
const INDEX_VERSION: u32 = 2;

/// How large one record may be, in bytes: files and all.
const RECORD_LIMIT: u64 = 256 * 1024 * 1024;

/// What a record may be.
const BOUNDS: &Bounds = &Bounds { what: "a record", nesting: "the nesting of a record", limit: RECORD_LIMIT };

/// How often the watcher is told, in bytes read.
const WATCH_EVERY: u64 = 4 * 1024 * 1024;

/// What a piece of the catalog is.
mod kind {
    pub(super) const RECORD: u8 = 0;
}

/// The `records` source.
pub struct Records;

impl Source for Records {
    fn name(&self) -> &'static str {
        RECORDS
    }

    fn recognises(&self, head: &Head) -> bool {
        head.files.iter().any(|file| is_record(file.text()))
    }

    fn open(&self, input: Input, reading: &Reading<'_>) -> Result<Reader, SourceError> {
        let stamp = input.stamp().map_err(|cause| {
            let path = input.files().first().map(|file| file.path.to_path_buf()).unwrap_or_default();
            SourceError::Io { path, cause }
        })?;
        let files = record_files(&input)?;
        let mut catalog = Catalog::open(reading.index, reading.scratch, &format!("{RECORDS} {INDEX_VERSION} {stamp}"))?;
        if !catalog.is_sealed() {
            let mut found = 0;
            let mut bytes_before = 0;
            for &index in &files {
                let file = &input.files()[index];
                found += index_file(&mut catalog, index, file, reading, bytes_before)?;
                bytes_before += file.length;
            }
            tell(reading, bytes_before)?;
            catalog.note("found", &found.to_string())?;
            catalog.seal()?;
        }
        let found: u64 = catalog.noted("found")?.and_then(|text| text.parse().ok()).unwrap_or_default();
        let records = catalog.group_count()?;
        let duplicates = found.saturating_sub(records);
        let facts = Facts { records, counts: vec![("duplicates", duplicates)], ..Facts::default() };
        let members = members_of(&input);
        let folders: Arc<[Files]> = input.files().iter().map(|file| files_beside(file, &members)).collect();
        let groups = catalog.into_groups(reading.order);
        let make = |_| Lines { shelf: Shelf::new(input.clone()), folders: Arc::clone(&folders) };
        lanes::reader(RECORDS, facts, &input, groups, make)
    }
}

/// The name of the source that an archive of records was made of, if its first record names one.
pub fn made_of(head: &Head) -> Option<String> {
    head.files.iter().find_map(|file| {
        let mut scanner = Scanner::new(std::io::Cursor::new(first_object(file.text()))).ok()?;
        scanner.peek().ok()?;
        scanner.enter();
        while let Ok(Some(key)) = scanner.key() {
            scanner.value(HEAD_LIMIT).ok()?;
            if key == "source" {
                return serde_json::from_slice(scanner.bytes()).ok();
            }
        }
        None
    })
}

/// What detection has of a file.
const HEAD_LIMIT: u64 = 64 * 1024;

/// The text from the first object on; a list may stand around the records.
fn first_object(text: &[u8]) -> &[u8] {
    let text = text.trim_ascii_start();
    text.strip_prefix(b"[").unwrap_or(text).trim_ascii_start()
}

/// Whether the first object has an id, entries, and no key that records lack.
fn is_record(text: &[u8]) -> bool {
    let mut keys = Vec::new();
    keys.extend(&mut Members::new(first_object(text)));
    let has = |key: &str| keys.iter().any(|known| known == key);
    has("id") && has("entries") && keys.iter().all(|key| RECORD_KEYS.contains(&&**key))
}

/// The files that hold records: the only one, else those that look so. The others are files of their entries.
fn record_files(input: &Input) -> Result<Vec<usize>, SourceError> {
    if let [only] = input.files() {
        let head = only.head().map_err(|cause| SourceError::Io { path: only.path.to_path_buf(), cause })?;
        let text = head.text().trim_ascii_start();
        if !text.is_empty() && !text.starts_with(b"{") && !text.starts_with(b"[") {
            let first = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
            let first: String = String::from_utf8_lossy(first).chars().take(60).collect();
            return Err(SourceError::WrongFormat {
                origin: Origin::whole(&only.shown),
                expected: "records, one JSON object on each line",
                found: format!("it begins with `{}`", first.trim_end()),
            });
        }
        return Ok(vec![0]);
    }
    let failed = |cause| SourceError::Io { path: input.files()[0].path.to_path_buf(), cause };
    let mut files = Vec::new();
    for (index, file) in input.files().iter().enumerate() {
        if file.length > 0 && is_record(file.head().map_err(failed)?.text()) {
            files.push(index);
        }
    }
    if files.is_empty() && input.bytes() > 0 {
        return Err(SourceError::WrongFormat {
            origin: Origin::whole(&Arc::from(".")),
            expected: "a folder with records, one JSON object on each line",
            found: "no file of it begins with an object that has `id` and `entries`".to_owned(),
        });
    }
    Ok(files)
}

/// What lies in containers, by path.
fn members_of(input: &Input) -> Arc<HashMap<String, Content>> {
    let members = input.files().iter().filter(|file| !file.is_in_folder());
    Arc::new(members.map(|file| (file.shown.to_string(), file.content())).collect())
}

fn files_beside(file: &InputFile, members: &Arc<HashMap<String, Content>>) -> Files {
    if !file.is_in_folder() && file.shown.as_ref() != "-" {
        return Files::among(members, file.shown.rsplit_once('/').map_or("", |(folder, _)| folder));
    }
    match file.path.parent() {
        Some(folder) if &*file.shown != "-" => Files::inside(folder),
        _ => Files::none(),
    }
}

/// What the pass needs of a record.
#[derive(Deserialize)]
struct RecordHead {
    id: Option<Value>,
    source: Option<String>,
    created_at: Option<Timestamp>,
    updated_at: Option<Timestamp>,
    entries: Option<Vec<EntryHead>>,
}

#[derive(Deserialize)]
struct EntryHead {
    created_at: Option<Timestamp>,
}

fn tell(reading: &Reading<'_>, bytes: u64) -> Result<(), SourceError> {
    match (reading.watch)(bytes) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(SourceError::Interrupted),
    }
}

/// Puts every record of a file into the catalog; gives their number.
fn index_file(
    catalog: &mut Catalog,
    index: usize,
    file: &InputFile,
    reading: &Reading<'_>,
    bytes_before: u64,
) -> Result<u64, SourceError> {
    let failed = |cause| SourceError::Io { path: file.path.to_path_buf(), cause };
    let mut scanner = Scanner::new(file.open().map_err(failed)?).map_err(failed)?;
    let mut told = 0;
    let walked = walk::<_, SourceError>(&mut scanner, &[], RECORD_LIMIT, |span, found| {
        if span.offset >= told + WATCH_EVERY {
            told = span.offset;
            tell(reading, bytes_before + told)?;
        }
        let mut piece = Piece {
            kind: kind::RECORD,
            at: i64::MAX,
            version: i64::MIN,
            file: u32::try_from(index).unwrap_or(u32::MAX),
            offset: span.offset,
            length: span.length,
            line: span.line,
            ..Piece::default()
        };
        let head = match found {
            Found::Element(bytes) => serde_json::from_slice::<RecordHead>(bytes).ok(),
            Found::Fault(fault) => {
                let (kind, at) = problem::of(&fault);
                piece.kind = kind;
                piece.version = i64::try_from(at).unwrap_or(i64::MAX);
                None
            }
        };
        let id = head.as_ref().and_then(|head| match head.id.as_ref()? {
            Value::String(id) => Some(id.trim().to_owned()).filter(|id| !id.is_empty()),
            Value::Number(id) => Some(id.to_string()),
            Value::Bool(id) => Some(id.to_string()),
            _ => None,
        });
        let group = match (head, id) {
            (Some(head), Some(id)) => {
                let written = head.entries.iter().flatten().filter_map(|entry| entry.created_at).min();
                piece.at = head.created_at.or(written).map_or(i64::MAX, Timestamp::as_second);
                piece.version = head.updated_at.map_or(i64::MIN, Timestamp::as_second);
                format!("{}\0{id}", head.source.as_deref().unwrap_or(RECORDS))
            }
            // What is wrong with it is said when it is read.
            _ => format!("\0{index} {}", span.offset),
        };
        Ok(catalog.put(catalog::key("record", group.as_bytes()), piece)?)
    })?;
    Ok(walked.elements)
}

/// Makes records of an indexed archive.
struct Lines {
    shelf: Shelf,
    /// Where the files of each file's records lie.
    folders: Arc<[Files]>,
}

impl Maker for Lines {
    fn record(&mut self, group: &Group) -> Option<Answer> {
        Some(self.record_of(group).map(|mut record| {
            record.origin.seat = Some(Box::new(group.seat));
            record
        }))
    }

    fn read(&self) -> u64 {
        self.shelf.bytes_read
    }
}

impl Lines {
    fn record_of(&mut self, group: &Group) -> Result<Record, ReadError> {
        let piece = group
            .pieces
            .iter()
            .max_by_key(|piece| (piece.version, piece.file, piece.offset))
            .expect("a group has at least one piece");
        let origin = self.shelf.origin(piece);
        if piece.kind != kind::RECORD {
            return Err(problem::unreadable(&mut self.shelf, piece, BOUNDS));
        }
        let bytes = self.shelf.bytes(piece)?;
        let (value, forgiven) = json::parse(&bytes).map_err(|error| ReadError::Malformed {
            origin: origin.clone(),
            id: None,
            problem: format!("not JSON: {error} of the record"),
        })?;
        let mut record = read(value, &origin, RECORDS, &self.folders[piece.file as usize])?;
        if forgiven != json::Forgiven::default() {
            let message = "the text has characters that JSON or UTF-8 forbids; they were replaced".to_owned();
            record.oddities.push(Oddity { code: codes::READ_CHARSET, origin: origin.clone(), message });
        }
        if group.pieces.len() > 1 {
            let message = format!("the record stands {} times in the archive; the newest counts", group.pieces.len());
            record.oddities.push(Oddity { code: codes::READ_DUPLICATE, origin, message });
        }
        Ok(record)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::source::{Order, Shape};

    fn open(archive: &Path, order: Order, index: Option<&Path>) -> Result<Reader, SourceError> {
        let scratch = tempfile::tempdir().unwrap();
        let shape = Shape::default();
        let watch = |_: u64| ControlFlow::Continue(());
        let reading = Reading { shape: &shape, order, index, scratch: scratch.path(), watch: &watch };
        Records.open(Input::open(&[archive.to_owned()], scratch.path()).unwrap(), &reading)
    }

    fn written(folder: &Path, text: &[u8]) -> PathBuf {
        let path = folder.join("r.jsonl");
        std::fs::write(&path, text).unwrap();
        path
    }

    const THREE: &str = "{\"id\":\"b\",\"created_at\":\"2024-01-02T00:00:00Z\",\"entries\":[{\"text\":\"ä\"}]}\n\
        {\"id\":\"a\",\"entries\":[{\"created_at\":\"2024-01-01T00:00:00Z\"}]}\n\
        {\"id\":\"c\",\"source\":\"zendesk\",\"created_at\":\"2024-01-03T00:00:00Z\",\"entries\":[]}\n";

    fn ids(reader: Reader) -> Vec<String> {
        reader.map(|record| record.map_or_else(|error| error.to_string(), |record| record.id.to_string())).collect()
    }

    #[test]
    fn records_come_in_the_order_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = written(folder.path(), THREE.as_bytes());
        for (order, expected) in [
            (Order::Oldest, ["records:a", "records:b", "zendesk:c"]),
            (Order::Newest, ["zendesk:c", "records:b", "records:a"]),
            (Order::Archive, ["records:b", "records:a", "zendesk:c"]),
        ] {
            assert_eq!(ids(open(&path, order, None).unwrap()), expected, "{order:?}");
        }
    }

    #[test]
    fn a_list_and_documents_over_several_lines_are_read_too() {
        let folder = tempfile::tempdir().unwrap();
        let list = format!("[\n{}\n]", THREE.trim_end().replace("}\n{", "},\n{"));
        let spread = THREE.replace(",\"", ",\n  \"");
        for text in [list, spread, format!("\u{feff}{THREE}")] {
            let path = written(folder.path(), text.as_bytes());
            assert_eq!(
                ids(open(&path, Order::Oldest, None).unwrap()),
                ["records:a", "records:b", "zendesk:c"],
                "{text}"
            );
        }
    }

    #[test]
    fn the_newest_of_several_copies_counts() {
        let folder = tempfile::tempdir().unwrap();
        let text = "{\"id\":1,\"subject\":\"new\",\"updated_at\":\"2024-01-02T00:00:00Z\",\"entries\":[]}\n\
                    {\"id\":\"1\",\"subject\":\"old\",\"updated_at\":\"2024-01-01T00:00:00Z\",\"entries\":[]}\n";
        let reader = open(&written(folder.path(), text.as_bytes()), Order::Oldest, None).unwrap();
        assert_eq!(reader.facts.counts, [("duplicates", 1)]);
        let records: Vec<Record> = reader.map(Result::unwrap).collect();
        assert_eq!((records.len(), records[0].subject.as_deref()), (1, Some("new")));
        assert_eq!(records[0].oddities[0].code, codes::READ_DUPLICATE);
    }

    #[test]
    fn two_readings_are_equal_and_the_second_needs_no_pass() {
        let folder = tempfile::tempdir().unwrap();
        let path = written(folder.path(), THREE.as_bytes());
        let index = folder.path().join("x.ferry.index");
        let read = || -> Vec<String> {
            open(&path, Order::Oldest, Some(&index)).unwrap().map(|record| format!("{record:?}")).collect()
        };
        assert_eq!(read(), read());
        let never = |_: u64| panic!("the index is there already");
        let shape = Shape::default();
        let reading =
            Reading { shape: &shape, order: Order::Oldest, index: Some(&index), scratch: folder.path(), watch: &never };
        assert_eq!(Records.open(Input::open(&[path], folder.path()).unwrap(), &reading).unwrap().count(), 3);
    }

    #[test]
    fn a_file_cut_at_any_byte_gives_errors_and_no_panic() {
        let folder = tempfile::tempdir().unwrap();
        for end in 0..THREE.len() {
            let path = written(folder.path(), &THREE.as_bytes()[..end]);
            let found = ids(open(&path, Order::Archive, None).unwrap());
            let lines = THREE.as_bytes()[..end].iter().filter(|byte| **byte == b'\n').count();
            assert!(found.len() >= lines && found.len() <= lines + 1, "{end}: {found:?}");
            assert_eq!(found.iter().collect::<HashSet<_>>().len(), found.len(), "{end}: {found:?}");
        }
    }

    #[test]
    fn records_are_told_from_other_json() {
        for (text, expected) in [
            (THREE, true),
            ("[{\"id\":1,\"entries\":[]}]", true),
            ("{\"id\":1,\"entries\":[{\"text\":\"cut", true),
            ("{\"id\":1,\"subject\":\"x\"}", false),
            ("{\"id\":1,\"entries\":[],\"requester_id\":5}", false),
            ("id,entries\n", false),
            ("", false),
        ] {
            assert_eq!(is_record(text.as_bytes()), expected, "{text}");
        }
    }
}
