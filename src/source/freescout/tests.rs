use std::collections::HashSet;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::*;
use crate::content::Content;
use crate::export::tests::{export, hostile};
use crate::finding::codes;
use crate::record::{Body, Record};
use crate::source::{Order, SOURCES, Shape, detect};

fn try_open(archive: &Path, order: Order, index: Option<&Path>) -> Result<Reader, SourceError> {
    let scratch = tempfile::tempdir().unwrap();
    let shape = Shape::default();
    let reading =
        Reading { shape: &shape, order, index, scratch: scratch.path(), watch: &|_| ControlFlow::Continue(()) };
    FreeScout.open(Input::open(&[archive.to_owned()], scratch.path()).unwrap(), &reading)
}

fn open(archive: &Path, order: Order, index: Option<&Path>) -> Reader {
    try_open(archive, order, index).unwrap()
}

/// The export of hostile words, in this format.
fn exported(folder: &Path, format: &str) -> PathBuf {
    let path = folder.join(format!("out.{format}"));
    let options = crate::export::Options { has_files: true, ..crate::export::Options::default() };
    export(format, hostile(), &path, options).unwrap();
    path
}

/// Three lines, of which the last is the oldest.
const THREE: &str = concat!(
    r#"{"object":"export","version":1,"made_by":"foxferry 0.1.0","site":"https://help.example.org","taken_at":null}"#,
    "\n",
    r#"{"object":"conversation","id":2,"mailboxId":1,"createdAt":"2024-02-02T00:00:00Z","subject":"b","_embedded":{"threads":[]}}"#,
    "\n",
    r#"{"object":"conversation","id":3,"mailboxId":1,"createdAt":"2024-02-03T00:00:00Z","subject":"c","_embedded":{"threads":[]}}"#,
    "\n",
    r#"{"object":"conversation","id":1,"mailboxId":1,"createdAt":"2024-02-01T00:00:00Z","subject":"a","_embedded":{"threads":[]}}"#,
    "\n",
    r#"{"object":"customer","id":5,"firstName":"Ann"}"#,
    "\n",
);

fn written(folder: &Path, text: &[u8]) -> PathBuf {
    let path = folder.join("in.jsonl");
    std::fs::write(&path, text).unwrap();
    path
}

fn ids(reader: Reader) -> Vec<String> {
    reader.map(|record| record.map_or_else(|error| error.to_string(), |record| record.id.original)).collect()
}

#[test]
fn a_document_and_lines_give_everything_that_was_exported() {
    let folder = tempfile::tempdir().unwrap();
    for format in ["json", "jsonl"] {
        let path = exported(folder.path(), format);
        let head = Input::open(std::slice::from_ref(&path), folder.path()).unwrap().head().unwrap();
        assert_eq!(detect("out", &head).unwrap().name(), FREESCOUT, "{format}");
        let reader = open(&path, Order::Oldest, None);
        assert_eq!((reader.facts.records, &reader.facts.counts[..]), (1, &[("duplicates", 0), ("customers", 1)][..]));
        let records: Vec<Record> = reader.map(Result::unwrap).collect();
        let [record] = &records[..] else { panic!("{format}: {}", records.len()) };
        assert!(record.origin.seat.is_some(), "{format}");
        assert_eq!(record.id.to_string(), "freescout:7");
        assert_eq!(record.url.as_deref(), Some("https://help.example.org/conversation/7"));
        assert_eq!(record.status.as_deref(), Some("closed"));
        assert_eq!(record.tags, ["vip", "-minus"]);
        assert_eq!(record.fields["customFields"], serde_json::json!({"Priority": "High"}));
        assert_eq!(record.fields["mailbox"]["email"], "support@example.org");
        let requester = record.requester.as_ref().unwrap();
        assert_eq!(
            (requester.email(), &requester.phones[..]),
            (Some("ann@example.net"), &["+49 30 1234".to_owned()][..])
        );
        assert_eq!(record.assignee.as_ref().unwrap().role.as_deref(), Some("agent"));
        let kinds: Vec<_> = record.entries.iter().map(|entry| (&*entry.id, &*entry.kind, entry.is_public)).collect();
        assert_eq!(kinds, [("11", "customer", true), ("12", "note", false), ("13", "lineitem", false)]);
        assert!(
            matches!(&record.entries[0].body, Body::Html(text) if text.contains("Hello") && !text.contains("foxferry:"))
        );
        let files = &record.entries[0].attachments;
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut files[0].content.open().unwrap(), &mut bytes).unwrap();
        assert_eq!(bytes, b"bytes");
        let Content::Link { url, claimed_length } = &files[1].content else { panic!("{:?}", files[1]) };
        assert_eq!((url.as_str(), *claimed_length), ("https://x.example/storage/attachment/2/b", Some(9)));
    }
}

#[test]
fn records_come_in_the_order_asked_for_and_copies_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path(), THREE.as_bytes());
    for (order, expected) in
        [(Order::Oldest, ["1", "2", "3"]), (Order::Newest, ["3", "2", "1"]), (Order::Archive, ["2", "3", "1"])]
    {
        assert_eq!(ids(open(&path, order, None)), expected);
    }
    let newer = THREE
        .lines()
        .nth(1)
        .unwrap()
        .replace("\"subject\":\"b\"", "\"subject\":\"new\",\"updatedAt\":\"2024-03-01T00:00:00Z\"");
    let path = written(folder.path(), format!("{newer}\n{THREE}").as_bytes());
    let reader = open(&path, Order::Archive, None);
    assert_eq!(reader.facts.counts[0], ("duplicates", 1));
    let records: Vec<Record> = reader.map(Result::unwrap).collect();
    let twice = records.iter().find(|record| record.id.original == "2").unwrap();
    assert_eq!((twice.subject.as_deref(), twice.oddities[0].code), (Some("new"), codes::READ_DUPLICATE));
}

#[test]
fn two_readings_are_equal_and_the_second_needs_no_pass() {
    let folder = tempfile::tempdir().unwrap();
    let path = exported(folder.path(), "json");
    let index = folder.path().join("x.ferry.index");
    let read =
        || -> Vec<String> { open(&path, Order::Oldest, Some(&index)).map(|record| format!("{record:?}")).collect() };
    assert_eq!(read(), read());
    let never = |_: u64| panic!("the index is there already");
    let shape = Shape::default();
    let reading =
        Reading { shape: &shape, order: Order::Oldest, index: Some(&index), scratch: folder.path(), watch: &never };
    assert_eq!(FreeScout.open(Input::open(&[path], folder.path()).unwrap(), &reading).unwrap().count(), 1);
}

#[test]
fn a_file_cut_at_any_byte_gives_errors_and_no_panic() {
    let folder = tempfile::tempdir().unwrap();
    for end in 0..THREE.len() {
        let path = written(folder.path(), &THREE.as_bytes()[..end]);
        let Ok(reader) = try_open(&path, Order::Archive, None) else {
            assert!(end < THREE.find('\n').unwrap(), "{end}");
            continue;
        };
        let found = ids(reader);
        let whole = [2, 3, 1].iter().filter(|id| THREE[..end].contains(&format!("\"id\":{id},"))).count();
        assert!(found.len() + 1 >= whole && found.len() <= 4, "{end}: {found:?}");
        assert_eq!(found.iter().collect::<HashSet<_>>().len(), found.len(), "{end}: {found:?}");
    }
    let path = exported(folder.path(), "json");
    let whole = std::fs::read(&path).unwrap();
    for end in (0..whole.len()).step_by(7) {
        std::fs::write(&path, &whole[..end]).unwrap();
        if let Ok(reader) = try_open(&path, Order::Archive, None) {
            assert!(ids(reader).len() <= 2, "{end}");
        }
    }
}

#[test]
fn a_damaged_conversation_costs_itself_only() {
    let folder = tempfile::tempdir().unwrap();
    let text = THREE.replace("\"subject\":\"c\"", "\"subject\":c").replace("\"id\":1,", "\"id\":{},");
    let found = ids(open(&written(folder.path(), text.as_bytes()), Order::Archive, None));
    assert_eq!(found.len(), 3, "{found:?}");
    assert_eq!(found[0], "2");
    assert!(found[1].starts_with("in.jsonl:3: ") || found[1].contains("in.jsonl:3"), "{found:?}");
    assert!(found[2].contains("no id"), "{found:?}");
}

#[test]
fn exports_are_told_from_other_json_and_other_archives_from_exports() {
    for (text, expected) in [
        (THREE, Some(Form::Lines)),
        (THREE.lines().nth(1).unwrap(), Some(Form::Lines)),
        (r#"{"version":1,"made_by":"foxferry 0.1.0","site":"x","mailb"#, Some(Form::Document)),
        (r#"{"id":1,"mailboxId":1,"subject":"x"}"#, None),
        (r#"{"object":"conversation","id":1}"#, None),
        (r#"{"object":"export","made_by":"somebody else"}"#, None),
        ("[]", None),
        ("", None),
    ] {
        assert_eq!(Form::of(text.as_bytes()), expected, "{text}");
    }
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples");
    for sample in ["zendesk", "csv", "csv-tickets", "mbox", "json"] {
        let head = Input::open(&[samples.join(sample)], &samples).unwrap().head().unwrap();
        assert!(!FreeScout.recognises(&head), "{sample}");
    }
    assert!(SOURCES.iter().any(|source| source.name() == FREESCOUT));
}
