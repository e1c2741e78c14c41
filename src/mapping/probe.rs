//! Expressions tried out on made-up records, before any real one is read.

use std::sync::Arc;

use serde_json::{Map, Value as Json, json};

use super::expression::{Code, Context, Expression, Template, Wrong, paths, wrong};
use super::view::{ENTRY_NAMES, EntryPlace, PERSON_NAMES, RECORD_NAMES};
use crate::record::{Body, Entry, Origin, Person, Record, RecordId};

/// Values that a field of an archive may hold; the first is the most usual.
fn kinds() -> [Json; 8] {
    [
        json!("12"),
        json!("word"),
        json!("2024-03-01T10:00:00Z"),
        json!(12),
        json!(["word", "other"]),
        json!([{ "id": 1, "name": "word", "value": "word" }]),
        json!({ "word": "other" }),
        Json::Null,
    ]
}

/// With more unknown fields than this all of them get values of one kind.
const MOST_FREE: usize = 2;

/// What is wrong with code that fails with every value that was tried.
pub(super) fn try_out(code: &Code<'_>, text: &str) -> Option<Wrong> {
    let is_template = matches!(code, Code::Template(..));
    match code {
        Code::Expression(Expression::Path(_)) | Code::Template(Template::Constant(_) | Template::Path(_), _) => {
            return None;
        }
        _ => {}
    }
    let mut unknown: Vec<Vec<String>> = paths(text, is_template).into_iter().filter(|path| !is_known(path)).collect();
    unknown.sort();
    unknown.dedup();
    let kinds = kinds();
    let mut first = None;
    let rounds = if unknown.is_empty() { 1 } else { kinds.len().pow(unknown.len().min(MOST_FREE) as u32) };
    for round in 0..rounds {
        let values: Vec<&Json> = (0..unknown.len())
            .map(|index| {
                let digit = if unknown.len() <= MOST_FREE { kinds.len().pow(index as u32) } else { 1 };
                &kinds[round / digit % kinds.len()]
            })
            .collect();
        let record = Arc::new(record(&unknown, &values));
        let place = EntryPlace { index: 0, position: 0, length: 1 };
        let context = Context::new(&record, Some(place));
        let tried = match code {
            Code::Expression(code) => code.find(&context).map(drop),
            Code::Template(code, engine) => code.render(engine, &context).map(drop),
        };
        match tried {
            Ok(()) => return None,
            Err(error) => first = first.or_else(|| Some(wrong(&error, text))),
        }
    }
    first
}

/// Whether a condition that reads nothing holds; `None` if it fails.
pub(super) fn constant(code: &Expression) -> Option<bool> {
    let record = Arc::new(record(&[], &[]));
    code.holds(&Context::new(&record, Some(EntryPlace { index: 0, position: 0, length: 1 }))).ok()
}

fn is_known(path: &[String]) -> bool {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match path[..] {
        [_, "fields", ..] | ["fields", ..] => false,
        ["entry", "author"] | ["entry" | "requester" | "assignee" | "loop", ..] if path.len() == 1 => true,
        ["entry", "author", name, ..] | ["requester" | "assignee", name, ..] => PERSON_NAMES.contains(&name),
        ["entry", name, ..] => ENTRY_NAMES.contains(&name),
        ["loop", ..] => true,
        [name, ..] => RECORD_NAMES.contains(&name),
        [] => true,
    }
}

fn person() -> Person {
    Person {
        id: Some("12".to_owned()),
        role: Some("word".to_owned()),
        company: Some("word".to_owned()),
        phones: vec!["+49 30 12".to_owned()],
        ..Person::with_email("ada@example.org", Some("Ada Lovelace".to_owned()))
    }
}

/// A record that has everything, with the unknown fields as they are wanted.
fn record(unknown: &[Vec<String>], values: &[&Json]) -> Record {
    let time = jiff::Timestamp::from_second(1_700_000_000).ok();
    let origin = Origin::whole(&"probe".into());
    let (mut fields, mut of_entry, mut of_person) = (Map::new(), Map::new(), Map::new());
    for (path, value) in unknown.iter().zip(values) {
        let steps: Vec<&str> = path.iter().map(String::as_str).collect();
        let (map, rest) = match &steps[..] {
            ["entry", "author", rest @ ..] | ["requester" | "assignee", rest @ ..] => (&mut of_person, rest),
            ["entry", rest @ ..] => (&mut of_entry, rest),
            rest => (&mut fields, rest),
        };
        let rest = if let ["fields", rest @ ..] = rest { rest } else { rest };
        put(map, rest, value);
    }
    let person = Person { fields: of_person, ..person() };
    Record {
        id: RecordId::new("probe", "12"),
        origin: origin.clone(),
        subject: Some("word".to_owned()),
        status: Some("word".to_owned()),
        channel: Some("word".to_owned()),
        requester: Some(person.clone()),
        assignee: Some(person.clone()),
        cc: vec![person.clone()],
        tags: vec!["word".to_owned()],
        created_at: time,
        updated_at: time,
        closed_at: time,
        url: Some("https://example.org/12".to_owned()),
        entries: vec![Entry {
            id: "12".to_owned(),
            origin,
            kind: "word".to_owned(),
            is_public: true,
            author: Some(person.clone()),
            to: vec![person.clone()],
            cc: vec![person],
            bcc: Vec::new(),
            body: Body::Text("word".to_owned()),
            created_at: time,
            attachments: Vec::new(),
            fields: of_entry,
        }],
        fields,
        oddities: Vec::new(),
    }
}

/// Puts a value at the end of a path. A shorter path that is a value already stays one.
fn put(map: &mut Map<String, Json>, path: &[&str], value: &Json) {
    match path {
        [] => {}
        [last] => {
            map.entry((*last).to_owned()).or_insert_with(|| value.clone());
        }
        [first, rest @ ..] => {
            let below = map.entry((*first).to_owned()).or_insert_with(|| Json::Object(Map::new()));
            if !below.is_object() {
                *below = Json::Object(Map::new());
            }
            if let Json::Object(below) = below {
                put(below, rest, value);
            }
        }
    }
}
