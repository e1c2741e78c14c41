use std::collections::HashSet;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::*;
use crate::mapping::Mapping;
use crate::record::Record;
use crate::source::{Order, ReadError, Shape, by_name};

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/json")
}

fn shape_of(mapping: &str) -> Shape {
    Mapping::parse("test.toml", mapping).unwrap_or_else(|error| panic!("{}", error.report)).shape().clone()
}

fn desk() -> Shape {
    shape_of(&std::fs::read_to_string(sample().join("desk.toml")).unwrap())
}

type Records = Vec<Result<Record, ReadError>>;

fn read(source: &str, shape: &Shape, archive: &Path, index: Option<&Path>) -> Result<(Facts, Records), SourceError> {
    let scratch = tempfile::tempdir().unwrap();
    let watch = |_: u64| ControlFlow::Continue(());
    let reading = Reading { shape, order: Order::Oldest, index, scratch: scratch.path(), watch: &watch };
    let input = Input::open(&[archive.to_owned()], scratch.path()).unwrap();
    let reader = by_name(source).unwrap().open(input, &reading)?;
    let facts = reader.facts.clone();
    let records: Records = reader.collect();
    assert_eq!(facts.records, records.len() as u64, "as many records as were announced");
    Ok((facts, records))
}

/// The records of files made on the spot.
fn read_files(source: &str, mapping: &str, files: &[(&str, &str)]) -> Result<(Facts, Records), SourceError> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    read(source, &shape_of(mapping), folder.path(), None)
}

/// `id: author says text | …` of each record, and `error: …` of what could not be read.
fn outline(records: &Records) -> Vec<String> {
    let line = |record: &Result<Record, ReadError>| match record {
        Err(error) => format!("error: {error}"),
        Ok(record) => {
            let said = record.entries.iter().map(|entry| {
                let author = entry.author.as_ref().and_then(|author| author.email()).unwrap_or("-");
                format!("{author} {:?}", entry.body)
            });
            format!("{}: {}", record.id.original, said.collect::<Vec<_>>().join(" | "))
        }
    };
    records.iter().map(line).collect()
}

#[test]
fn the_sample_is_put_together_from_its_four_files() {
    let (facts, records) = read("json", &desk(), &sample(), None).unwrap();
    assert_eq!(facts.counts[..4], [("tickets", 3), ("messages", 5), ("lost_messages", 1), ("persons", 3)]);
    let values: Vec<Value> = records.iter().map(|it| crate::record::json::to_value(it.as_ref().unwrap())).collect();
    insta::assert_json_snapshot!("desk", values);
}

#[test]
fn two_readings_are_equal_and_the_second_needs_no_pass() {
    let folder = tempfile::tempdir().unwrap();
    let index = folder.path().join("x.ferry.index");
    let once = read("json", &desk(), &sample(), Some(&index)).unwrap();
    let again = read("json", &desk(), &sample(), Some(&index)).unwrap();
    assert_eq!(format!("{once:?}"), format!("{again:?}"));
    let ids: HashSet<String> = once.1.iter().map(|record| record.as_ref().unwrap().id.to_string()).collect();
    assert_eq!(ids.len(), once.1.len(), "ids are unique");
    let never = |_: u64| panic!("the index is there already");
    let shape = desk();
    let reading =
        Reading { shape: &shape, order: Order::Newest, index: Some(&index), scratch: folder.path(), watch: &never };
    let input = Input::open(&[sample()], folder.path()).unwrap();
    assert_eq!(by_name("json").unwrap().open(input, &reading).unwrap().count(), 3);
}

#[test]
fn a_file_cut_at_any_byte_gives_errors_and_no_panic() {
    let shape = desk();
    let names = ["cases-1.json", "cases-2.json", "posts.jsonl", "directory.json", "words.json"];
    let whole: Vec<Vec<u8>> = names.iter().map(|name| std::fs::read(sample().join(name)).unwrap()).collect();
    let folder = tempfile::tempdir().unwrap();
    for (cut, bytes) in whole.iter().enumerate() {
        for (name, bytes) in names.iter().zip(&whole) {
            std::fs::write(folder.path().join(name), bytes).unwrap();
        }
        // Every byte would take minutes in a debug build; a prime step meets every kind of place.
        for end in (0..bytes.len()).step_by(7) {
            std::fs::write(folder.path().join(names[cut]), &bytes[..end]).unwrap();
            if let Ok((_, records)) = read("json", &shape, folder.path(), None) {
                let ids: HashSet<String> = records.iter().flatten().map(|record| record.id.to_string()).collect();
                assert_eq!(ids.len(), records.iter().flatten().count(), "{} cut at {end}", names[cut]);
            }
        }
    }
}

const INSIDE: &str = r#"
source = "json"
[shape.json]
tickets = { file = "*.json", at = "data.tickets" }
messages = { inside = "conversation" }
[shape.json.ticket]
id = "key"
requester = "from"
text = "description"
created_at = "at"
[shape.json.message]
text = "say"
author = "by"
author_role = { from = "way", table = { out = "agent" } }
private = "hidden"
[shape.json.person]
email = "mail"
"#;

#[test]
fn arrays_lines_pages_and_one_file_for_each_ticket_give_the_same() {
    let one = r#"{"key":1,"from":"ann@example.net","description":"Hello","at":"2024-01-01T00:00:00Z","conversation":[{"say":"Hi","by":{"mail":"sam@example.org"},"way":"out"}]}"#;
    let two = r#"{"key":2,"from":{"mail":"bob@example.net"},"description":"Help","at":"2024-01-02T00:00:00Z","conversation":[]}"#;
    let bare = INSIDE.replace(", at = \"data.tickets\"", "");
    let page = |tickets: &str| format!("{{\"data\":{{\"tickets\":[{tickets}]}}}}");
    let expected =
        ["1: ann@example.net Text(\"Hello\") | sam@example.org Text(\"Hi\")", "2: bob@example.net Text(\"Help\")"];
    let layouts = [
        ("an array", &*bare, vec![("a.json", format!("[{one},\n{two}]"))]),
        ("lines", &bare, vec![("a.json", format!("{one}\n{two}\n"))]),
        ("files", &bare, vec![("1.json", one.to_owned()), ("2.json", two.to_owned())]),
        ("pages", INSIDE, vec![("1.json", page(one)), ("2.json", page(two))]),
        ("pages that overlap", INSIDE, vec![("1.json", page(&format!("{one},{two}"))), ("2.json", page(two))]),
        ("pages one after the other", INSIDE, vec![("a.json", format!("{}\n{}", page(one), page(two)))]),
    ];
    for (name, mapping, files) in layouts {
        let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
        let (_, records) = read_files("json", mapping, &files).unwrap();
        assert_eq!(outline(&records), expected, "{name}");
        let role = &records[0].as_ref().unwrap().entries[1].author.as_ref().unwrap().role;
        assert_eq!(role.as_deref(), Some("agent"), "{name}");
    }
}

#[test]
fn the_name_of_a_file_can_say_which_ticket_its_messages_belong_to() {
    let mapping = INSIDE.replace(
        "messages = { inside = \"conversation\" }",
        "messages = { file = \"messages_*.jsonl\", key = \"*\", to = \"number\" }",
    );
    let files = [
        (
            "t.json",
            r#"{"data":{"tickets":[{"key":"a","number":7,"description":"x"},{"key":"b","number":8,"description":"y"}]}}"#,
        ),
        ("messages_7.jsonl", "{\"say\":\"one\"}\n{\"say\":\"two\"}\n"),
        ("messages_9.jsonl", "{\"say\":\"lost\"}\n"),
    ];
    let (facts, records) = read_files("json", &mapping, &files).unwrap();
    assert_eq!(outline(&records), ["a: - Text(\"x\") | - Text(\"one\") | - Text(\"two\")", "b: - Text(\"y\")"]);
    assert!(facts.counts.contains(&("lost_messages", 1)), "{:?}", facts.counts);
}

#[test]
fn a_damaged_ticket_is_an_error_with_its_place_and_the_rest_goes_on() {
    let bare = INSIDE.replace(", at = \"data.tickets\"", "");
    let lines = "{\"key\":1,\"description\":\"x\",\"at\":\"soon\"}\n{\"key\":\n{\"no\":3}\n{\"key\":4,\"x\":nul}\n{\"key\":5,\"description\":\"y\"}\n";
    let (facts, records) = read_files("json", &bare, &[("a.json", lines)]).unwrap();
    let found = outline(&records);
    assert_eq!(found[0], "1: - Text(\"x\")");
    assert_eq!(found[1], "error: a.json:2: the archive ends in the middle of a record");
    assert_eq!(found[2], "error: a.json:3: the ticket has no id at `key`");
    assert!(found[3].starts_with("error: a.json:4: not JSON"), "{}", found[3]);
    assert_eq!(found[4], "5: - Text(\"y\")");
    assert!(facts.counts.contains(&("unreadable", 3)));
    let first = records[0].as_ref().unwrap();
    assert_eq!((first.oddities[0].code, &first.fields["at"]), (codes::READ_DATE, &json!("soon")));
}

#[test]
fn tickets_that_are_not_where_the_mapping_says_are_told() {
    let error = read_files("json", INSIDE, &[("a.json", "{\"tickets\":[]}")]).unwrap_err();
    assert_eq!(error.to_string(), ".: nothing was found where tickets should be: in `*.json` at `data.tickets`");
    let error = read_files("json", "source = 'json'", &[("a.json", "{}")]).unwrap_err();
    assert!(error.to_string().contains("nothing says where the tickets are"), "{error}");
}

#[test]
fn times_are_seconds_milliseconds_or_texts() {
    let shape = shape_of("source = 'json'\n[shape]\nzone = 'Europe/Berlin'");
    let scratch = tempfile::tempdir().unwrap();
    let watch = |_: u64| ControlFlow::Continue(());
    let reading = Reading { shape: &shape, order: Order::Oldest, index: None, scratch: scratch.path(), watch: &watch };
    let dates = Dates::of(None, &reading).unwrap();
    for (text, expected) in [
        ("1704099600", Some("2024-01-01T09:00:00Z")),
        ("1704099600.25", Some("2024-01-01T09:00:00.25Z")),
        ("1704099600000", Some("2024-01-01T09:00:00Z")),
        ("\"1704099600\"", Some("2024-01-01T09:00:00Z")),
        ("\"2024-01-01T10:00:00+01:00\"", Some("2024-01-01T09:00:00Z")),
        ("\"2024-01-01 10:00\"", Some("2024-01-01T09:00:00Z")),
        ("\"31.01.2024 10:00\"", Some("2024-01-31T09:00:00Z")),
        ("\"01/02/2024\"", None),
        ("\"soon\"", None),
        ("true", None),
        ("[]", None),
    ] {
        let found = time_of(&serde_json::from_str(text).unwrap(), &dates).ok().map(|time| time.to_string());
        assert_eq!(found.as_deref(), expected, "{text}");
    }
}

#[test]
fn tables_are_joined_by_their_ids() {
    let mapping = r#"
source = "csv"
[shape.csv]
tickets = "tickets.csv"
messages = { file = "messages.csv", key = "Ticket" }
people = { file = "users.csv", key = "Nr" }
lists.marks = { file = "tags.csv", key = "Ticket", value = "Tag" }
lookups.states = { file = "states.csv", key = "id", value = "name" }
[shape.csv.ticket]
id = "Nr"
subject = "Betreff"
status = { from = "Status", lookup = "states" }
requester = "Kunde"
tags = "marks"
created_at = "Erstellt am"
[shape.csv.message]
author = "Wer"
text = "Was"
created_at = "Wann"
private = "Intern"
[shape.csv.person]
name = "Name"
email = "E-Mail"
"#;
    let files = [
        (
            "tickets.csv",
            "Nr;Betreff;Status;Kunde;Erstellt am;Farbe\n001;Lampe;2;7;2024-01-01 10:00;rot\n002;Kessel;9;8;2024-01-02 10:00;\n",
        ),
        (
            "messages.csv",
            "Ticket,Wer,Was,Wann,Intern\n002,8,\"Hallo,\nes leckt\",2024-01-02 10:00,no\n001,7,Dunkel,2024-01-01 10:00,no\n001,7,Geheim,2024-01-01 11:00,yes\n",
        ),
        ("users.csv", "Nr,Name,E-Mail\n7,Ann Lee,ann@example.net\n8,Bob,bob@example.net\n"),
        ("tags.csv", "Ticket,Tag\n001,alt\n002,neu\n001,lampe\n"),
        ("states.csv", "id,name\n2,open\n3,closed\n"),
    ];
    let (facts, records) = read_files("csv", mapping, &files).unwrap();
    assert_eq!(
        outline(&records),
        [
            "001: ann@example.net Text(\"Dunkel\") | ann@example.net Text(\"Geheim\")",
            "002: bob@example.net Text(\"Hallo,\\nes leckt\")"
        ]
    );
    let first = records[0].as_ref().unwrap();
    assert_eq!(first.status.as_deref(), Some("open"));
    assert_eq!((&first.tags[..], first.entries[1].is_public), (&["alt".to_owned(), "lampe".to_owned()][..], false));
    assert_eq!(first.fields, json!({"Farbe": "rot"}).as_object().unwrap().clone());
    assert_eq!(records[1].as_ref().unwrap().status.as_deref(), Some("9"), "what is in no table stays as it is");
    assert!(facts.counts.contains(&("lost_messages", 0)));
}
