//! A reader for a format of your own: `cargo run --example own_source`.
//!
//! The format is a text file with one ticket a line: id, address, time, subject and text, divided by `|`. What the reader yields are
//! records; the mapping, the checks and the upload are those of every other archive.

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::io::{BufRead as _, BufReader};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use foxferry::input::{Head, Input};
use foxferry::mapping::{Converted, Mapping};
use foxferry::record::{Body, Entry, Origin, Person, Place, Record, RecordId};
use foxferry::source::{Facts, Order, ReadError, Reader, Reading, Source, SourceError};

/// Tickets of the workshop.
struct Workshop;

impl Source for Workshop {
    fn name(&self) -> &'static str {
        "workshop"
    }

    // By content: a line has five parts. Another source's archive must not look like this.
    fn recognises(&self, head: &Head) -> bool {
        head.files.iter().any(|file| {
            let text = String::from_utf8_lossy(file.text());
            text.lines().next().is_some_and(|line| line.split('|').count() == 5)
        })
    }

    fn open(&self, input: Input, _reading: &Reading<'_>) -> Result<Reader, SourceError> {
        let file = input.files().first().expect("an input has a file");
        let name = Arc::clone(&file.shown);
        let opened = file.open().map_err(|cause| SourceError::Io { path: file.path.to_path_buf(), cause })?;
        // A line at a time: memory does not grow with the archive.
        let lines = BufReader::new(opened).lines().zip(1..);
        let records = lines.map(move |(line, number)| {
            let origin = Origin { file: Arc::clone(&name), place: Place::Line(number), seat: None };
            let line = line.map_err(|cause| ReadError::Io { origin: origin.clone(), cause })?;
            record(&line, origin)
        });
        Ok(Reader::new(Facts::default(), records))
    }
}

/// A record, or what is wrong with the line: the reader goes on with the next.
fn record(line: &str, origin: Origin) -> Result<Record, ReadError> {
    let malformed =
        |problem: &str| ReadError::Malformed { origin: origin.clone(), id: None, problem: problem.to_owned() };
    let parts: Vec<&str> = line.split('|').map(str::trim).collect();
    let [id, address, time, subject, text] = parts[..] else {
        return Err(malformed("expected id|address|time|subject|text"));
    };
    let time = time.parse().map_err(|_| malformed("the third part is not a time such as 2024-01-31T08:00:00Z"))?;
    let person = Person::with_email(address, None);
    let entry = Entry {
        id: "text".to_owned(),
        origin: origin.clone(),
        kind: "message".to_owned(),
        is_public: true,
        author: Some(person.clone()),
        to: Vec::new(),
        cc: Vec::new(),
        bcc: Vec::new(),
        body: Body::Text(text.to_owned()),
        created_at: Some(time),
        attachments: Vec::new(),
        fields: Default::default(),
    };
    Ok(Record {
        id: RecordId::new("workshop", id),
        origin,
        subject: Some(subject.to_owned()),
        status: Some("open".to_owned()),
        channel: None,
        requester: Some(person),
        assignee: None,
        cc: Vec::new(),
        tags: Vec::new(),
        created_at: Some(time),
        updated_at: None,
        closed_at: None,
        url: None,
        entries: vec![entry],
        fields: Default::default(),
        oddities: Vec::new(),
    })
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("tickets.txt");
    std::fs::write(
        &path,
        "W1|mia@example.org|2024-01-31T08:00:00Z|Drill|It smokes.\nno ticket\nW2|tom@example.org|2024-02-01T09:30:00Z|Saw|It is blunt.\n",
    )?;
    // The rules for neutral records serve as well as any.
    let mapping = Mapping::load("records")?;
    for item in open(&path, folder.path(), &mapping)? {
        match item {
            Ok(record) => match mapping.convert(record) {
                Converted::Ready(mapped) => println!("{}: {}", mapped.conversation.id, mapped.conversation.subject),
                Converted::Skipped(item) => println!("{}: skipped, {}", item.id, item.reason),
                Converted::Rejected(item) => println!("{}: rejected, {}", item.id, item.reason),
            },
            Err(error) => println!("unreadable: {error}"),
        }
    }
    Ok(())
}

fn open(path: &Path, scratch: &Path, mapping: &Mapping) -> Result<Reader, Box<dyn std::error::Error>> {
    let input = Input::open(&[path.to_path_buf()], scratch)?;
    assert!(Workshop.recognises(&input.head()?));
    let watch = |_bytes: u64| ControlFlow::Continue(());
    let reading = Reading { shape: mapping.shape(), order: Order::Archive, index: None, scratch, watch: &watch };
    Ok(Workshop.open(input, &reading)?)
}
