//! `foxferry inspect`: what an archive holds.

use std::fmt::Write as _;
use std::io::{self, BufWriter, Write as _};

use clap::Args;
use foxferry::content::Content;
use foxferry::pipeline;
use foxferry::record::{Person, Record};
use foxferry::report::tally::Tally;
use foxferry::report::{Event, Reporter};
use foxferry::source::{Facts, Order, Reader};
use indicatif::HumanBytes;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::cli::exit::{Exit, Failure};
use crate::cli::interrupt::{self, Interrupt};
use crate::cli::screen::{Screen, shortened};
use crate::cli::terminal::Terminal;
use crate::cli::{ArchiveArgs, archive, check};
use foxferry::distinct::{Distinct, Values};

pub const EXAMPLES: &str = "\
Examples:
  foxferry inspect samples/zendesk
  foxferry inspect support.mbox --json
  foxferry inspect samples/csv --records | my-filter | foxferry import - --format records --sandbox
  gunzip -c mail.mbox.gz | foxferry inspect -

`--records` prints what foxferry reads, before any rule of a mapping; docs/records.md describes it, `--schema` prints its
JSON Schema.";

/// How many values of a field are shown to people; JSON has up to 200.
const SHOWN_VALUES: usize = 8;

/// Arguments of `inspect`.
#[derive(Debug, Args)]
pub struct Inspect {
    #[command(flatten)]
    archive: ArchiveArgs,
    /// Print the records themselves as JSON lines, files and all
    #[arg(long, conflicts_with = "json")]
    records: bool,
    /// Print the JSON Schema of a record
    #[arg(long, exclusive = true)]
    schema: bool,
}

/// Reads everything and says what there is.
pub fn run(args: &Inspect, screen: &Screen) -> Result<Exit, Failure> {
    if args.schema {
        write!(screen.out(), "{}", foxferry::record::json::SCHEMA)?;
        return Ok(Exit::Done);
    }
    let runtime = interrupt::runtime()?;
    let interrupt = Interrupt::listen(&runtime, check::leave_at_the_second)?;
    let archive = archive::Archive::open(&args.archive, screen, &interrupt)?;
    let name = archive.source.name();
    let shape = archive.shape(&args.archive)?;
    let terminal = screen.terminal();
    let mut reader = archive.read(&shape, Order::Archive, None, &*terminal, &interrupt)?;
    let tally = Tally::default();
    for oddity in &reader.facts.oddities {
        tally.event(&Event::Finding(&pipeline::finding_of(oddity.clone(), None)));
    }
    if args.records {
        let printed = print_records(&mut reader, screen, &terminal, &interrupt);
        terminal.clear();
        if printed.is_ok() {
            screen.show_findings(&tally.counts());
        }
        return printed;
    }
    let mut holdings = Holdings::default();
    let mut unreadable = Vec::new();
    // Inspection is one loop: cutting records out costs more than counting them.
    for item in &mut reader {
        match item {
            Ok(record) => {
                for oddity in &record.oddities {
                    tally.event(&Event::Finding(&pipeline::finding_of(oddity.clone(), Some(&record.id))));
                }
                holdings.add(&record);
            }
            Err(error) => {
                holdings.unreadable += 1;
                if unreadable.len() < foxferry::report::tally::SAMPLES {
                    unreadable.push(crate::cli::exit::chain(&error));
                }
            }
        }
        if interrupt.is_asked() {
            terminal.clear();
            return Err(Failure::new(Exit::Interrupted, "interrupted"));
        }
    }
    terminal.clear();
    let counts = tally.counts();
    let facts = &reader.facts;
    let head = Head { format: name, files: archive.input.files().len(), bytes: archive.input.bytes() };
    if screen.is_json {
        let mut object = holdings.json(&head, facts);
        let oddities = counts.kinds.iter().map(|(code, kind)| ((*code).to_owned(), json!(kind.count))).collect();
        object.insert("oddities".to_owned(), Value::Object(oddities));
        writeln!(screen.out(), "{}", Value::Object(object))?;
    } else {
        write!(screen.out(), "{}", holdings.text(&head, facts))?;
        for error in &unreadable {
            screen.say(&format!("unreadable {}", shortened(error)));
        }
        screen.show_findings(&counts);
    }
    Ok(Exit::Done)
}

/// Every record as a line on stdout. What cannot be read is named on stderr, and the exit code tells.
fn print_records(
    reader: &mut Reader,
    screen: &Screen,
    terminal: &Terminal,
    interrupt: &Interrupt,
) -> Result<Exit, Failure> {
    // Locked and plain: nothing in JSON needs to be kept from a terminal.
    let mut out = BufWriter::with_capacity(64 * 1024, io::stdout().lock());
    let mut unreadable = 0_u64;
    for item in reader {
        match item {
            Ok(record) => {
                foxferry::record::json::write(&record, &mut out)?;
                for attachment in record.entries.iter().flat_map(|entry| &entry.attachments) {
                    if attachment.content.length().is_some_and(|length| length > foxferry::record::json::MAX_FILES) {
                        terminal.clear();
                        let name = shortened(&attachment.name);
                        screen.say(&format!("{}: `{name}` is too large for a line and left out", record.id));
                        unreadable += 1;
                    }
                }
            }
            Err(error) => {
                unreadable += 1;
                terminal.clear();
                screen.say(&format!("unreadable {}", shortened(&crate::cli::exit::chain(&error))));
            }
        }
        if interrupt.is_asked() {
            out.flush()?;
            return Err(Failure::new(Exit::Interrupted, "interrupted"));
        }
    }
    out.flush()?;
    Ok(if unreadable > 0 { Exit::Incomplete } else { Exit::Done })
}

struct Head {
    format: &'static str,
    files: usize,
    bytes: u64,
}

/// What has been counted so far.
#[derive(Default)]
struct Holdings {
    records: u64,
    unreadable: u64,
    entries: u64,
    notes: u64,
    attachments: u64,
    attachment_bytes: u64,
    without_bytes: u64,
    people: Distinct,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    statuses: Values,
    channels: Values,
    kinds: Values,
    tags: Values,
    fields: Values,
}

impl Holdings {
    fn add(&mut self, record: &Record) {
        self.records += 1;
        for (values, value) in
            [(&mut self.statuses, record.status.as_deref()), (&mut self.channels, record.channel.as_deref())]
        {
            if let Some(value) = value {
                values.add(value);
            }
        }
        record.tags.iter().for_each(|tag| self.tags.add(tag));
        record.fields.iter().filter(|(_, value)| !is_nothing(value)).for_each(|(name, _)| self.fields.add(name));
        for person in record.requester.iter().chain(&record.assignee).chain(&record.cc) {
            self.person(person);
        }
        for at in [record.created_at, record.updated_at, record.closed_at].into_iter().flatten() {
            self.time(at);
        }
        for entry in &record.entries {
            self.entries += 1;
            self.notes += u64::from(!entry.is_public);
            self.kinds.add(&entry.kind);
            for person in entry.author.iter().chain(&entry.to).chain(&entry.cc).chain(&entry.bcc) {
                self.person(person);
            }
            entry.created_at.into_iter().for_each(|at| self.time(at));
            for attachment in &entry.attachments {
                self.attachments += 1;
                match &attachment.content {
                    Content::Link { .. } | Content::Missing { .. } => self.without_bytes += 1,
                    content => self.attachment_bytes += content.length().unwrap_or_default(),
                }
            }
        }
    }

    fn person(&mut self, person: &Person) {
        // By address where there is one: the same person has several ids in a joined archive.
        if let Some(email) = person.email() {
            self.people.add(&("email", email.to_lowercase()));
        } else if let Some(id) = &person.id {
            self.people.add(&("id", id));
        } else if let Some(name) = &person.name {
            self.people.add(&("name", name));
        }
    }

    fn time(&mut self, at: Timestamp) {
        self.first = Some(self.first.map_or(at, |first| first.min(at)));
        self.last = Some(self.last.map_or(at, |last| last.max(at)));
    }

    fn json(&self, head: &Head, facts: &Facts) -> Map<String, Value> {
        let values = |values: &Values| -> Value {
            values.most_frequent().into_iter().map(|(value, count)| (value.to_owned(), json!(count))).collect()
        };
        let Value::Object(mut object) = json!({
            "format": head.format,
            "variants": facts.variants,
            "files": head.files,
            "bytes": head.bytes,
            "records": self.records,
            "unreadable": self.unreadable,
            "entries": self.entries,
            "notes": self.notes,
            "people": self.people.count(),
            "people_is_estimate": self.people.is_estimate(),
            "attachments": self.attachments,
            "attachment_bytes": self.attachment_bytes,
            "attachments_without_bytes": self.without_bytes,
            "first": self.first.map(|at| at.to_string()),
            "last": self.last.map(|at| at.to_string()),
            "statuses": values(&self.statuses),
            "channels": values(&self.channels),
            "kinds": values(&self.kinds),
            "tags": values(&self.tags),
            "fields": values(&self.fields),
        }) else {
            unreachable!("an object was written above")
        };
        for (name, count) in &facts.counts {
            object.entry(*name).or_insert_with(|| json!(count));
        }
        object
    }

    fn text(&self, head: &Head, facts: &Facts) -> String {
        let mut rows: Vec<(String, String)> = Vec::new();
        let mut row = |name: &str, value: String| rows.push((name.replace('_', " "), value));
        let variants =
            if facts.variants.is_empty() { String::new() } else { format!(" ({})", facts.variants.join(", ")) };
        row("format", format!("{}{variants}", head.format));
        row("files", format!("{}, {}", head.files, HumanBytes(head.bytes)));
        for (name, count) in &facts.counts {
            row(name, count.to_string());
        }
        let unreadable = if self.unreadable > 0 { format!(", {} unreadable", self.unreadable) } else { String::new() };
        row("records", format!("{}{unreadable}", self.records));
        let notes = if self.notes > 0 { format!(", {} of them private", self.notes) } else { String::new() };
        row("entries", format!("{}{notes}", self.entries));
        let about = if self.people.is_estimate() { "about " } else { "" };
        row("people", format!("{about}{}", self.people.count()));
        let mut files = self.attachments.to_string();
        if self.attachment_bytes > 0 {
            let _ = write!(files, ", {}", HumanBytes(self.attachment_bytes));
        }
        if self.without_bytes > 0 {
            let _ = write!(files, ", {} without bytes in the archive", self.without_bytes);
        }
        row("attachments", files);
        if let (Some(first), Some(last)) = (self.first, self.last) {
            row("from", first.to_string());
            row("to", last.to_string());
        }
        for (name, values) in [
            ("statuses", &self.statuses),
            ("channels", &self.channels),
            ("kinds of entry", &self.kinds),
            ("tags", &self.tags),
            ("further fields", &self.fields),
        ] {
            if !values.is_empty() {
                row(name, most_frequent(values));
            }
        }
        let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
        rows.iter().fold(String::new(), |text, (name, value)| format!("{text}{name:width$}  {value}\n"))
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

fn most_frequent(values: &Values) -> String {
    let all = values.most_frequent();
    let mut shown: Vec<String> =
        all.iter().take(SHOWN_VALUES).map(|(value, count)| format!("{} {count}", shortened(value))).collect();
    let rest = all.iter().skip(SHOWN_VALUES).map(|(_, count)| count).sum::<u64>() + values.others;
    if rest > 0 {
        shown.push(format!("others {rest}"));
    }
    shown.join(", ")
}
