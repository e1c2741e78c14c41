//! What an archive holds: counted record by record, in bounded memory, before any rule of a mapping.

use std::collections::HashMap;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::content::Content;
use crate::distinct::{Distinct, Frequent, Largest, Months, Values};
use crate::record::{Attachment, Body, Person, Record};
use crate::report::figures::shortened;
use crate::source::Facts;

pub mod text;

/// How many of the largest records and files, and of the most frequent people, are kept.
pub const MOST: usize = 10;

/// How many media types of attachments are told apart.
const TYPES: usize = 200;

/// How many records that cannot be read are named.
const UNREADABLE: usize = 10;

/// The archive as a whole.
#[derive(Debug, Clone)]
pub struct Head {
    /// The source's name.
    pub format: &'static str,
    /// How many files it has.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
}

/// A record among the largest.
#[derive(Debug)]
pub struct BigRecord {
    /// `zendesk:4711`.
    pub record: String,
    /// Where it stands.
    pub origin: String,
    /// Its subject, shortened.
    pub subject: String,
    /// How many entries it has.
    pub entries: u64,
    /// Bytes of its texts and files.
    pub bytes: u64,
}

/// A file among the largest.
#[derive(Debug)]
pub struct BigFile {
    /// The record that it belongs to.
    pub record: String,
    /// Its name, shortened.
    pub name: String,
}

/// Attachments of one media type.
#[derive(Debug, Clone, Copy, Default)]
pub struct FileType {
    /// How many.
    pub count: u64,
    /// Their bytes, where the archive has them.
    pub bytes: u64,
}

/// What has been counted so far.
#[derive(Debug)]
pub struct Holdings {
    /// Records that could be read.
    pub records: u64,
    /// Records that could not.
    pub unreadable: u64,
    /// The first of those, with their places and reasons.
    pub unreadable_samples: Vec<String>,
    /// Messages, replies, notes, events.
    pub entries: u64,
    /// Those of them that customers could not see.
    pub notes: u64,
    /// Files of entries.
    pub attachments: u64,
    /// Their bytes, as far as the archive has them.
    pub attachment_bytes: u64,
    /// Files that are only named or linked to.
    pub without_bytes: u64,
    /// Different people, by address where there is one.
    pub people: Distinct,
    /// The earliest time of all.
    pub first: Option<Timestamp>,
    /// The latest time of all.
    pub last: Option<Timestamp>,
    /// Records by the month in which they were opened.
    pub months: Months,
    /// Statuses in the old system's words.
    pub statuses: Values,
    /// How records came in.
    pub channels: Values,
    /// Kinds of entry.
    pub kinds: Values,
    /// Tags.
    pub tags: Values,
    /// Further fields: how many records have each.
    pub fields: Values,
    /// On the customer's side of most records.
    pub requesters: Frequent,
    /// Assigned to most records.
    pub assignees: Frequent,
    /// Addresses to which most was written (for mail: candidates for the own ones).
    pub recipients: Frequent,
    /// The records with most entries.
    pub longest: Largest<BigRecord>,
    /// The records with most bytes.
    pub biggest: Largest<BigRecord>,
    /// The largest files.
    pub biggest_files: Largest<BigFile>,
    types: HashMap<String, FileType>,
}

impl Default for Holdings {
    fn default() -> Self {
        Self {
            records: 0,
            unreadable: 0,
            unreadable_samples: Vec::new(),
            entries: 0,
            notes: 0,
            attachments: 0,
            attachment_bytes: 0,
            without_bytes: 0,
            people: Distinct::default(),
            first: None,
            last: None,
            months: Months::default(),
            statuses: Values::default(),
            channels: Values::default(),
            kinds: Values::default(),
            tags: Values::default(),
            fields: Values::default(),
            requesters: Frequent::default(),
            assignees: Frequent::default(),
            recipients: Frequent::default(),
            longest: Largest::new(MOST),
            biggest: Largest::new(MOST),
            biggest_files: Largest::new(MOST),
            types: HashMap::new(),
        }
    }
}

impl Holdings {
    /// Counts one record.
    pub fn add(&mut self, record: &Record) {
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
        // The sources of mail name nobody; there it is whoever wrote first.
        let first = record.entries.first();
        if let Some(name) =
            record.requester.as_ref().or(first.and_then(|entry| entry.author.as_ref())).and_then(name_of)
        {
            self.requesters.add(&name);
        }
        if let Some(name) = record.assignee.as_ref().and_then(name_of) {
            self.assignees.add(&name);
        }
        self.months.add(record.created_at.or(first.and_then(|entry| entry.created_at)));
        let mut bytes = 0;
        for entry in &record.entries {
            self.entries += 1;
            self.notes += u64::from(!entry.is_public);
            self.kinds.add(&entry.kind);
            for person in entry.author.iter().chain(&entry.to).chain(&entry.cc).chain(&entry.bcc) {
                self.person(person);
            }
            for email in entry.to.iter().filter_map(Person::email) {
                self.recipients.add(&email.to_lowercase());
            }
            entry.created_at.into_iter().for_each(|at| self.time(at));
            bytes += match &entry.body {
                Body::Html(text) | Body::Text(text) => text.len() as u64,
                Body::Empty => 0,
            };
            for attachment in &entry.attachments {
                bytes += self.file(attachment, record);
            }
        }
        let entries = record.entries.len() as u64;
        let big = || BigRecord {
            record: shortened(&record.id.to_string()),
            origin: shortened(&record.origin.to_string()),
            subject: shortened(record.subject.as_deref().unwrap_or_default().trim()),
            entries,
            bytes,
        };
        self.longest.offer(entries, big);
        self.biggest.offer(bytes, big);
    }

    /// Counts a record that cannot be read, for this reason.
    pub fn add_unreadable(&mut self, reason: &str) {
        self.unreadable += 1;
        if self.unreadable_samples.len() < UNREADABLE {
            self.unreadable_samples.push(shortened(reason));
        }
    }

    /// Counts a file, and gives its bytes.
    fn file(&mut self, file: &Attachment, record: &Record) -> u64 {
        self.attachments += 1;
        let is_here = !matches!(file.content, Content::Link { .. } | Content::Missing { .. });
        let bytes = if is_here { file.content.length().unwrap_or_default() } else { 0 };
        self.without_bytes += u64::from(!is_here);
        self.attachment_bytes += bytes;
        let name = type_of(file);
        let has_room = self.types.len() < TYPES || self.types.contains_key(&name);
        let kind = self.types.entry(if has_room { name } else { "others".to_owned() }).or_default();
        kind.count += 1;
        kind.bytes += bytes;
        if bytes > 0 {
            let (record, name) = (&record.id, &file.name);
            self.biggest_files
                .offer(bytes, || BigFile { record: shortened(&record.to_string()), name: shortened(name) });
        }
        bytes
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

    /// Media types of attachments, the most frequent first.
    pub fn file_types(&self) -> Vec<(&str, FileType)> {
        let mut all: Vec<_> = self.types.iter().map(|(name, kind)| (name.as_str(), *kind)).collect();
        all.sort_unstable_by(|a, b| b.1.count.cmp(&a.1.count).then(a.0.cmp(b.0)));
        all
    }

    /// Everything as one object; `docs/output.md` promises the names.
    pub fn json(&self, head: &Head, facts: &Facts) -> Map<String, Value> {
        let values = |values: &Values| -> Value {
            values.most_frequent().into_iter().map(|(value, count)| (value.to_owned(), json!(count))).collect()
        };
        let people = |people: &Frequent| -> Value {
            people.top(MOST).into_iter().map(|(name, count)| json!({"person": name, "count": count})).collect()
        };
        let records = |records: &Largest<BigRecord>| -> Value {
            let object = |it: &BigRecord| json!({"record": it.record, "origin": it.origin, "subject": it.subject, "entries": it.entries, "bytes": it.bytes});
            records.iter().map(|(_, it)| object(it)).collect()
        };
        let months = self.months.all().into_iter().filter(|(.., count)| *count > 0);
        let types = self.file_types().into_iter();
        let files = self.biggest_files.iter();
        let Value::Object(mut object) = json!({
            "format": head.format,
            "variants": facts.variants,
            "files": head.files,
            "bytes": head.bytes,
            "records": self.records,
            "unreadable": self.unreadable,
            "unreadable_samples": self.unreadable_samples,
            "entries": self.entries,
            "notes": self.notes,
            "people": self.people.count(),
            "people_is_estimate": self.people.is_estimate(),
            "attachments": self.attachments,
            "attachment_bytes": self.attachment_bytes,
            "attachments_without_bytes": self.without_bytes,
            "first": self.first.map(|at| at.to_string()),
            "last": self.last.map(|at| at.to_string()),
            "months": months.map(|(year, month, count)| (format!("{year}-{month:02}"), json!(count))).collect::<Value>(),
            "statuses": values(&self.statuses),
            "channels": values(&self.channels),
            "kinds": values(&self.kinds),
            "tags": values(&self.tags),
            "fields": values(&self.fields),
            "requesters": people(&self.requesters),
            "assignees": people(&self.assignees),
            "recipients": people(&self.recipients),
            "attachment_types": types
                .map(|(name, it)| (name.to_owned(), json!({"count": it.count, "bytes": it.bytes})))
                .collect::<Value>(),
            "longest": records(&self.longest),
            "biggest": records(&self.biggest),
            "biggest_attachments": files
                .map(|(bytes, it)| json!({"record": it.record, "name": it.name, "bytes": bytes}))
                .collect::<Value>(),
        }) else {
            unreachable!("an object was written above")
        };
        for (name, count) in &facts.counts {
            object.entry(*name).or_insert_with(|| json!(count));
        }
        object
    }
}

/// By what a person is best known: the address, else the name.
fn name_of(person: &Person) -> Option<String> {
    person.email().map(str::to_lowercase).or_else(|| person.name.clone())
}

/// The media type that the archive claims, without parameters; else the ending of the name.
fn type_of(file: &Attachment) -> String {
    let claimed = file.mime.as_deref().and_then(|mime| mime.split(';').next()).unwrap_or_default().trim();
    let name = if claimed.is_empty() {
        match file.name.rsplit_once('.') {
            Some((_, ending)) if ending.len() <= 8 => format!(".{}", ending.to_lowercase()),
            _ => "unknown".to_owned(),
        }
    } else {
        claimed.to_lowercase()
    };
    shortened(&name)
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::record::{Entry, Origin, RecordId};

    /// A record of some entries, each with a text of four bytes and a file.
    fn record(id: &str, entries: usize, file: &Attachment) -> Record {
        let origin = Origin::line(&Arc::from("t.json"), 1);
        let entry = Entry {
            id: "1".to_owned(),
            origin: origin.clone(),
            kind: "Comment".to_owned(),
            is_public: true,
            author: Some(Person::with_email("Ann@Example.net", None)),
            to: vec![Person::with_email("help@example.org", None)],
            cc: Vec::new(),
            bcc: Vec::new(),
            body: Body::Text("text".to_owned()),
            created_at: "2024-02-03T00:00:00Z".parse().ok(),
            attachments: vec![file.clone()],
            fields: Map::new(),
        };
        Record {
            id: RecordId::new("test", id),
            origin,
            subject: Some(format!(" Subject\n{id} ")),
            status: None,
            channel: None,
            requester: None,
            assignee: None,
            cc: Vec::new(),
            tags: Vec::new(),
            created_at: None,
            updated_at: None,
            closed_at: None,
            url: None,
            entries: vec![entry; entries],
            fields: Map::new(),
            oddities: Vec::new(),
        }
    }

    fn file(name: &str, mime: Option<&str>, bytes: usize) -> Attachment {
        Attachment {
            name: name.to_owned(),
            mime: mime.map(ToOwned::to_owned),
            content_id: None,
            is_inline: false,
            content: Content::bytes(vec![b'x'; bytes]),
        }
    }

    #[test]
    fn the_longest_and_the_biggest_are_not_the_same() {
        let mut holdings = Holdings::default();
        holdings.add(&record("long", 3, &file("a.txt", Some("Text/Plain; charset=x"), 1)));
        holdings.add(&record("big", 1, &file("B.PDF", None, 5_000)));
        let longest: Vec<_> = holdings.longest.iter().map(|(_, it)| (it.record.as_str(), it.entries)).collect();
        assert_eq!(longest, [("test:long", 3), ("test:big", 1)]);
        let biggest: Vec<_> = holdings.biggest.iter().map(|(_, it)| (it.subject.as_str(), it.bytes)).collect();
        assert_eq!(biggest, [("Subject big", 5_004), ("Subject long", 15)]);
        let files: Vec<_> = holdings.biggest_files.iter().map(|(bytes, it)| (it.name.as_str(), bytes)).collect();
        assert_eq!(files[0], ("B.PDF", 5_000));
        let types: Vec<_> = holdings.file_types().into_iter().map(|(name, it)| (name, it.count, it.bytes)).collect();
        assert_eq!(types, [("text/plain", 3, 3), (".pdf", 1, 5_000)]);
    }

    #[test]
    fn where_nobody_is_named_it_is_whoever_wrote_first() {
        let mut holdings = Holdings::default();
        holdings.add(&record("1", 2, &file("a", None, 1)));
        assert_eq!(holdings.requesters.top(9), [("ann@example.net", 1)]);
        assert_eq!(holdings.recipients.top(9), [("help@example.org", 2)]);
        assert_eq!(holdings.months.all(), [(2024, 2, 1)]);
        assert!(holdings.assignees.top(9).is_empty());
    }
}
