//! A record as JSON, so that readers and converters can be programs in any language.
//!
//! Promises:
//!
//! - What [`write()`] writes, [`read`] reads back: the same record, but for files whose bytes are then in the text.
//! - A file that a record names lies in the folder of the records file, or is not read.
//! - A key that records do not have is kept among the fields, with an oddity; a wrong value is refused with its path.
//!
//! `docs/records.md` describes the format, and [`SCHEMA`] is its JSON Schema.

use std::collections::{HashMap, HashSet};
use std::io::{self, Read as _, Write};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{Attachment, Body, Entry, Oddity, Origin, Person, Place, Record, RecordId, unique_id};
use crate::content::Content;
use crate::finding::codes;
use crate::source::ReadError;

/// The JSON Schema (draft 2020-12) of one record.
pub const SCHEMA: &str = include_str!("../../docs/record.schema.json");

/// How many bytes of files one line holds at most; a line is read into memory as a whole.
pub const MAX_FILES: u64 = 128 * 1024 * 1024;

/// The keys of a record.
pub(crate) const RECORD_KEYS: &[&str] = &[
    "id",
    "source",
    "origin",
    "subject",
    "status",
    "channel",
    "requester",
    "assignee",
    "cc",
    "tags",
    "created_at",
    "updated_at",
    "closed_at",
    "url",
    "entries",
    "fields",
    "oddities",
];

/// The keys of an entry.
const ENTRY_KEYS: &[&str] = &[
    "id",
    "origin",
    "kind",
    "is_public",
    "author",
    "to",
    "cc",
    "bcc",
    "html",
    "text",
    "created_at",
    "attachments",
    "fields",
];

/// The keys of a person; `email` is short for a single one of `emails`.
const PERSON_KEYS: &[&str] = &["id", "name", "email", "emails", "phones", "role", "company", "fields"];

/// The keys of an attachment; one of `data`, `file`, `url` and `missing` says where the bytes are.
const ATTACHMENT_KEYS: &[&str] = &["name", "mime", "content_id", "is_inline", "size", "data", "file", "url", "missing"];

/// The keys of an oddity.
const ODDITY_KEYS: &[&str] = &["code", "origin", "message"];

/// Writes a record as one line.
///
/// Bytes of files go into the line as base64. What cannot be read, or does not fit ([`MAX_FILES`]), is written as
/// missing, with the reason. Fails only when `out` does.
pub fn write(record: &Record, out: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, &to_value(record))?;
    out.write_all(b"\n")
}

/// A record as a JSON object; see [`write()`].
pub fn to_value(record: &Record) -> Value {
    let mut room = MAX_FILES;
    let entries = record.entries.iter().map(|entry| entry_value(entry, &mut room)).collect();
    let mut object = Map::new();
    put(&mut object, "id", record.id.original.as_str());
    put(&mut object, "source", &*record.id.source);
    put(&mut object, "origin", record.origin.to_string());
    put_some(&mut object, "subject", record.subject.as_deref());
    put_some(&mut object, "status", record.status.as_deref());
    put_some(&mut object, "channel", record.channel.as_deref());
    put_some(&mut object, "requester", record.requester.as_ref().map(person_value));
    put_some(&mut object, "assignee", record.assignee.as_ref().map(person_value));
    put_list(&mut object, "cc", record.cc.iter().map(person_value).collect());
    put_list(&mut object, "tags", record.tags.iter().map(|tag| json!(tag)).collect());
    for (key, time) in
        [("created_at", record.created_at), ("updated_at", record.updated_at), ("closed_at", record.closed_at)]
    {
        put_some(&mut object, key, time.map(|time| time.to_string()));
    }
    put_some(&mut object, "url", record.url.as_deref());
    // Always there: it is what tells a record from other JSON.
    object.insert("entries".to_owned(), Value::Array(entries));
    put_fields(&mut object, &record.fields);
    let oddities = record
        .oddities
        .iter()
        .map(|oddity| json!({"code": oddity.code, "origin": oddity.origin.to_string(), "message": oddity.message}));
    put_list(&mut object, "oddities", oddities.collect());
    Value::Object(object)
}

fn put(object: &mut Map<String, Value>, key: &str, value: impl Into<Value>) {
    object.insert(key.to_owned(), value.into());
}

fn put_some(object: &mut Map<String, Value>, key: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        put(object, key, value);
    }
}

fn put_list(object: &mut Map<String, Value>, key: &str, list: Vec<Value>) {
    if !list.is_empty() {
        object.insert(key.to_owned(), Value::Array(list));
    }
}

fn put_fields(object: &mut Map<String, Value>, fields: &Map<String, Value>) {
    if !fields.is_empty() {
        object.insert("fields".to_owned(), Value::Object(fields.clone()));
    }
}

fn person_value(person: &Person) -> Value {
    let mut object = Map::new();
    put_some(&mut object, "id", person.id.as_deref());
    put_some(&mut object, "name", person.name.as_deref());
    put_list(&mut object, "emails", person.emails.iter().map(|email| json!(email)).collect());
    put_list(&mut object, "phones", person.phones.iter().map(|phone| json!(phone)).collect());
    put_some(&mut object, "role", person.role.as_deref());
    put_some(&mut object, "company", person.company.as_deref());
    put_fields(&mut object, &person.fields);
    Value::Object(object)
}

fn entry_value(entry: &Entry, room: &mut u64) -> Value {
    let mut object = Map::new();
    put(&mut object, "id", entry.id.as_str());
    put(&mut object, "origin", entry.origin.to_string());
    put(&mut object, "kind", entry.kind.as_str());
    put(&mut object, "is_public", entry.is_public);
    put_some(&mut object, "author", entry.author.as_ref().map(person_value));
    for (key, people) in [("to", &entry.to), ("cc", &entry.cc), ("bcc", &entry.bcc)] {
        put_list(&mut object, key, people.iter().map(person_value).collect());
    }
    match &entry.body {
        Body::Html(html) => put(&mut object, "html", html.as_str()),
        Body::Text(text) => put(&mut object, "text", text.as_str()),
        Body::Empty => {}
    }
    put_some(&mut object, "created_at", entry.created_at.map(|time| time.to_string()));
    let attachments = entry.attachments.iter().map(|attachment| attachment_value(attachment, room)).collect();
    put_list(&mut object, "attachments", attachments);
    put_fields(&mut object, &entry.fields);
    Value::Object(object)
}

fn attachment_value(attachment: &Attachment, room: &mut u64) -> Value {
    let mut object = Map::new();
    put(&mut object, "name", attachment.name.as_str());
    put_some(&mut object, "mime", attachment.mime.as_deref());
    put_some(&mut object, "content_id", attachment.content_id.as_deref());
    if attachment.is_inline {
        put(&mut object, "is_inline", true);
    }
    match &attachment.content {
        Content::Link { url, claimed_length } => {
            put(&mut object, "url", url.as_str());
            put_some(&mut object, "size", *claimed_length);
        }
        Content::Missing { reason, claimed_length } => {
            put(&mut object, "missing", reason.as_str());
            put_some(&mut object, "size", *claimed_length);
        }
        content => match bytes_of(content, room) {
            Ok(bytes) => put(&mut object, "data", STANDARD.encode(bytes)),
            Err(reason) => {
                put(&mut object, "missing", reason);
                put_some(&mut object, "size", content.length());
            }
        },
    }
    Value::Object(object)
}

fn bytes_of(content: &Content, room: &mut u64) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = content.open().and_then(|open| open.take(*room + 1).read_to_end(&mut bytes));
    read.map_err(|cause| format!("its bytes could not be read: {cause}"))?;
    let length = bytes.len() as u64;
    if length > *room {
        return Err(format!("a record's files over {} MiB do not fit into its line", MAX_FILES / 1024 / 1024));
    }
    *room -= length;
    Ok(bytes)
}

/// The folder in which files that records name must lie.
#[derive(Debug, Clone, Default)]
pub struct Files {
    /// Resolved; `None`: no file is read.
    folder: Option<PathBuf>,
    /// What lies in the container of the records, by path, and the folder in it where the records lie.
    members: Option<(Arc<HashMap<String, Content>>, String)>,
}

impl Files {
    /// Files of this folder and those below it.
    pub fn inside(folder: &Path) -> Self {
        Self { folder: folder.canonicalize().ok(), members: None }
    }

    /// Members of a container, by their paths in it; records that lie in `folder` of it name them from there.
    pub fn among(members: &Arc<HashMap<String, Content>>, folder: &str) -> Self {
        Self { folder: None, members: Some((Arc::clone(members), folder.to_owned())) }
    }

    /// No files at all, as for records that come through a pipe.
    pub fn none() -> Self {
        Self::default()
    }

    /// The content of a file, or why it is not read.
    fn content(&self, name: &str) -> Result<Content, String> {
        if let Some((members, folder)) = &self.members {
            let name = name.trim_start_matches("./");
            let path = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
            let found = members.get(&path).cloned();
            return found.ok_or_else(|| format!("`{name}` is not read: it is no file in the folder of the records"));
        }
        let Some(folder) = &self.folder else {
            return Err(format!("`{name}` cannot be found: what comes through a pipe has no folder; use `data`"));
        };
        let relative = Path::new(name);
        let is_plain = relative.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        if !is_plain || name.contains('\\') {
            return Err(format!("`{name}` is not read: a file must lie in the folder of the records"));
        }
        let path = folder.join(relative).canonicalize().map_err(|cause| format!("`{name}` cannot be read: {cause}"))?;
        // A symbolic link may lead out of the folder.
        let metadata = path.metadata().ok().filter(std::fs::Metadata::is_file);
        match metadata {
            Some(metadata) if path.starts_with(folder) => {
                Ok(Content::File { path: path.into(), length: metadata.len() })
            }
            _ => Err(format!("`{name}` is not read: it is no file in the folder of the records")),
        }
    }
}

/// Reads a record from its JSON.
///
/// `at` is where the JSON stands, for errors and for a record that names no `origin`; `source` is the name for one
/// that names no source. Fails with the path and what would have been right.
pub fn read(value: Value, at: &Origin, source: &str, files: &Files) -> Result<Record, ReadError> {
    let mut reader = Reader { at, files, id: None, oddities: Vec::new() };
    let record = reader.record(value, source);
    record.map_err(|Wrong(problem)| ReadError::Malformed { origin: at.clone(), id: reader.id.take(), problem })
}

/// What is wrong, with its path.
struct Wrong(String);

struct Reader<'a> {
    at: &'a Origin,
    files: &'a Files,
    id: Option<RecordId>,
    oddities: Vec<Oddity>,
}

/// An object whose keys are taken out one by one.
struct Taken<'p> {
    object: Map<String, Value>,
    /// `entries[2].author`; empty for the record itself.
    path: &'p str,
}

fn wrong(path: &str, found: &Value, expected: &str) -> Wrong {
    let mut shown: String = found.to_string().chars().take(60).collect();
    if shown.len() < found.to_string().len() {
        shown.push('…');
    }
    let place = if path.is_empty() { "it".to_owned() } else { format!("`{path}`") };
    Wrong(format!("{place} is {shown}, not {expected}"))
}

impl<'p> Taken<'p> {
    fn of(value: Value, path: &'p str, what: &str) -> Result<Self, Wrong> {
        match value {
            Value::Object(object) => Ok(Self { object, path }),
            other => Err(wrong(path, &other, what)),
        }
    }

    fn path(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn take(&mut self, key: &str) -> Option<Value> {
        self.object.shift_remove(key).filter(|value| !value.is_null())
    }

    /// A text; numbers and words are taken as they are written.
    fn text(&mut self, key: &str) -> Result<Option<String>, Wrong> {
        self.take(key).map(|value| text_of(value, &self.path(key))).transpose()
    }

    fn texts(&mut self, key: &str) -> Result<Vec<String>, Wrong> {
        self.list(key)?.into_iter().map(|(value, path)| text_of(value, &path)).collect()
    }

    fn time(&mut self, key: &str) -> Result<Option<Timestamp>, Wrong> {
        let Some(value) = self.take(key) else { return Ok(None) };
        let time = value.as_str().and_then(|text| text.trim().parse::<Timestamp>().ok());
        let expected = "a time with a zone: `2024-01-31T12:00:00Z` or `2024-01-31T12:00:00+02:00`";
        time.map(Some).ok_or_else(|| wrong(&self.path(key), &value, expected))
    }

    fn boolean(&mut self, key: &str, default: bool) -> Result<bool, Wrong> {
        match self.take(key) {
            None => Ok(default),
            Some(Value::Bool(value)) => Ok(value),
            Some(other) => Err(wrong(&self.path(key), &other, "`true` or `false`")),
        }
    }

    /// The elements, each with its path.
    fn list(&mut self, key: &str) -> Result<Vec<(Value, String)>, Wrong> {
        let path = self.path(key);
        match self.take(key) {
            None => Ok(Vec::new()),
            Some(Value::Array(list)) => {
                Ok(list.into_iter().enumerate().map(|(n, value)| (value, format!("{path}[{n}]"))).collect())
            }
            Some(other) => Err(wrong(&path, &other, "a list")),
        }
    }

    fn fields(&mut self) -> Result<Map<String, Value>, Wrong> {
        match self.take("fields") {
            None => Ok(Map::new()),
            Some(Value::Object(fields)) => Ok(fields),
            Some(other) => Err(wrong(&self.path("fields"), &other, "an object")),
        }
    }
}

fn text_of(value: Value, path: &str) -> Result<String, Wrong> {
    match value {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(word) => Ok(word.to_string()),
        other => Err(wrong(path, &other, "a text")),
    }
}

impl Reader<'_> {
    fn odd(&mut self, code: &'static str, message: String) {
        self.oddities.push(Oddity { code, origin: self.at.clone(), message });
    }

    /// Keeps keys that are not known among the fields.
    fn keep_unknown(&mut self, taken: Taken<'_>, known: &[&str], fields: &mut Map<String, Value>) -> Result<(), Wrong> {
        for (key, value) in taken.object {
            let path = if taken.path.is_empty() { key.clone() } else { format!("{}.{key}", taken.path) };
            if known.contains(&key.as_str()) {
                // Only a null is left of a known key.
                continue;
            }
            if fields.contains_key(&key) {
                return Err(Wrong(format!("`{path}` is no key that records have, and stands in `fields` as well")));
            }
            let near = known
                .iter()
                .map(|known| (strsim::jaro_winkler(known, &key), known))
                .filter(|(score, _)| *score > 0.8)
                .max_by(|a, b| a.0.total_cmp(&b.0));
            let near = near.map(|(_, near)| format!(" (did you mean `{near}`?)")).unwrap_or_default();
            self.odd(
                codes::READ_UNKNOWN_KEY,
                format!("`{path}` is no key that records have{near}; it is kept among the fields"),
            );
            fields.insert(key, value);
        }
        Ok(())
    }

    fn record(&mut self, value: Value, source: &str) -> Result<Record, Wrong> {
        let mut taken = Taken::of(value, "", "a record, which is a JSON object")?;
        let source = match taken.text("source")? {
            None => source.to_owned(),
            Some(name) if is_source_name(&name) => name,
            Some(name) => {
                return Err(wrong("source", &json!(name), "a name: one word of small letters, digits, `-` and `_`"));
            }
        };
        let Some(original) = taken.text("id")?.map(|id| id.trim().to_owned()).filter(|id| !id.is_empty()) else {
            return Err(Wrong("the record has no `id`".to_owned()));
        };
        let id = RecordId::new(&source, original);
        self.id = Some(id.clone());
        let origin = taken.text("origin")?.map_or_else(|| self.at.clone(), |text| origin_of(&text));
        let subject = taken.text("subject")?;
        let status = taken.text("status")?;
        let channel = taken.text("channel")?;
        let requester = self.optional_person(&mut taken, "requester")?;
        let assignee = self.optional_person(&mut taken, "assignee")?;
        let cc = self.people(&mut taken, "cc")?;
        let tags = taken.texts("tags")?;
        let (created_at, updated_at, closed_at) =
            (taken.time("created_at")?, taken.time("updated_at")?, taken.time("closed_at")?);
        let url = taken.text("url")?;
        let mut ids = HashSet::new();
        let mut entries = Vec::new();
        for (value, path) in taken.list("entries")? {
            entries.push(self.entry(value, &path, &origin, &mut ids)?);
        }
        let mut fields = taken.fields()?;
        for (value, path) in taken.list("oddities")? {
            self.oddity(value, &path)?;
        }
        self.keep_unknown(taken, RECORD_KEYS, &mut fields)?;
        Ok(Record {
            id,
            origin,
            subject,
            status,
            channel,
            requester,
            assignee,
            cc,
            tags,
            created_at,
            updated_at,
            closed_at,
            url,
            entries,
            fields,
            oddities: std::mem::take(&mut self.oddities),
        })
    }

    fn oddity(&mut self, value: Value, path: &str) -> Result<(), Wrong> {
        let mut taken = Taken::of(value, path, "an object")?;
        let code = taken.text("code")?.unwrap_or_default();
        let origin = taken.text("origin")?.map_or_else(|| self.at.clone(), |text| origin_of(&text));
        let message = taken.text("message")?.unwrap_or_default();
        let known = codes::ALL.iter().find(|(known, ..)| *known == code && known.starts_with("read-"));
        let (code, message) = match known {
            Some((known, ..)) => (*known, message),
            None => (codes::READ_BROKEN_PART, format!("{code}: {message}")),
        };
        self.oddities.push(Oddity { code, origin, message });
        self.keep_unknown(taken, ODDITY_KEYS, &mut Map::new())
    }

    fn optional_person(&mut self, taken: &mut Taken<'_>, key: &str) -> Result<Option<Person>, Wrong> {
        let path = taken.path(key);
        taken.take(key).map(|value| self.person(value, &path)).transpose()
    }

    fn people(&mut self, taken: &mut Taken<'_>, key: &str) -> Result<Vec<Person>, Wrong> {
        taken.list(key)?.into_iter().map(|(value, path)| self.person(value, &path)).collect()
    }

    fn person(&mut self, value: Value, path: &str) -> Result<Person, Wrong> {
        if let Value::String(address) = &value
            && address.contains('@')
            && !address.contains(char::is_whitespace)
        {
            return Ok(Person::with_email(address.as_str(), None));
        }
        let mut taken = Taken::of(value, path, "a person (an object, or an address)")?;
        let mut emails: Vec<String> = taken.text("email")?.into_iter().collect();
        for email in taken.texts("emails")? {
            if !emails.contains(&email) {
                emails.push(email);
            }
        }
        let mut person = Person {
            id: taken.text("id")?,
            name: taken.text("name")?,
            emails,
            phones: taken.texts("phones")?,
            role: taken.text("role")?,
            company: taken.text("company")?,
            fields: taken.fields()?,
        };
        self.keep_unknown(taken, PERSON_KEYS, &mut person.fields)?;
        Ok(person)
    }

    fn entry(&mut self, value: Value, path: &str, record: &Origin, ids: &mut HashSet<String>) -> Result<Entry, Wrong> {
        let mut taken = Taken::of(value, path, "an entry (an object)")?;
        let id = match taken.text("id")?.filter(|id| !id.trim().is_empty()) {
            Some(id) => id,
            None => content_id(&taken.object),
        };
        let id = unique_id(ids, &id);
        let origin = taken.text("origin")?.map_or_else(|| record.clone(), |text| origin_of(&text));
        let kind = taken.text("kind")?.unwrap_or_else(|| "message".to_owned());
        let is_public = taken.boolean("is_public", true)?;
        let author = self.optional_person(&mut taken, "author")?;
        let (to, cc, bcc) =
            (self.people(&mut taken, "to")?, self.people(&mut taken, "cc")?, self.people(&mut taken, "bcc")?);
        // Both are two forms of one text, as in mail.
        let body = match (taken.text("html")?, taken.text("text")?) {
            (Some(html), Some(text)) if html.trim().is_empty() => Body::Text(text),
            (Some(html), _) => Body::Html(html),
            (None, Some(text)) => Body::Text(text),
            (None, None) => Body::Empty,
        };
        let created_at = taken.time("created_at")?;
        let mut attachments = Vec::new();
        for (value, path) in taken.list("attachments")? {
            attachments.push(self.attachment(value, &path)?);
        }
        let mut fields = taken.fields()?;
        self.keep_unknown(taken, ENTRY_KEYS, &mut fields)?;
        Ok(Entry { id, origin, kind, is_public, author, to, cc, bcc, body, created_at, attachments, fields })
    }

    fn attachment(&mut self, value: Value, path: &str) -> Result<Attachment, Wrong> {
        let mut taken = Taken::of(value, path, "an attachment (an object)")?;
        let name = taken.text("name")?;
        let mime = taken.text("mime")?;
        let content_id = taken.text("content_id")?;
        let is_inline = taken.boolean("is_inline", false)?;
        let claimed_length = match taken.take("size") {
            None => None,
            Some(size) => Some(size.as_u64().ok_or_else(|| wrong(&taken.path("size"), &size, "a number of bytes"))?),
        };
        let file = taken.text("file")?;
        let content = if let Some(data) = taken.text("data")? {
            let compact: Vec<u8> = data.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
            let bytes = STANDARD.decode(compact);
            Content::bytes(bytes.map_err(|cause| Wrong(format!("`{}` is not base64: {cause}", taken.path("data"))))?)
        } else if let Some(file) = &file {
            self.files.content(file).unwrap_or_else(|reason| {
                self.odd(codes::READ_MISSING_PART, reason.clone());
                Content::Missing { reason, claimed_length }
            })
        } else if let Some(url) = taken.text("url")? {
            Content::Link { url, claimed_length }
        } else {
            let reason = taken.text("missing")?.unwrap_or_else(|| "the archive does not hold it".to_owned());
            Content::Missing { reason, claimed_length }
        };
        let name = name.or_else(|| {
            let path = Path::new(file.as_deref()?);
            path.file_name().map(|name| name.to_string_lossy().into_owned())
        });
        let name = name.unwrap_or_else(|| "attachment".to_owned());
        // What stands beside the bytes, such as the address they came from, is no field of a record.
        for key in taken.object.keys().filter(|key| !ATTACHMENT_KEYS.contains(&key.as_str())) {
            let message = format!("`{path}.{key}` is no key that attachments have; it is left out");
            self.oddities.push(Oddity { code: codes::READ_UNKNOWN_KEY, origin: self.at.clone(), message });
        }
        Ok(Attachment { name, mime, content_id, is_inline, content })
    }
}

/// A name that can be part of a stand-in's address.
fn is_source_name(name: &str) -> bool {
    let is_fit = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    (1..=32).contains(&name.len()) && name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(is_fit)
}

/// A place as [`Origin`] prints it.
fn origin_of(text: &str) -> Origin {
    let number = |mark: char| {
        let (file, digits) = text.rsplit_once(mark)?;
        Some((file, digits.parse::<u64>().ok()?))
    };
    let (file, place) = match (number(':'), number('@')) {
        (Some((file, line)), _) => (file, Place::Line(line)),
        (None, Some((file, byte))) => (file, Place::Byte(byte)),
        (None, None) => (text, Place::Whole),
    };
    Origin { file: file.into(), place, seat: None }
}

/// A name for an entry that has none: the same whenever the same is read.
fn content_id(entry: &Map<String, Value>) -> String {
    let mut hasher = blake3::Hasher::new();
    for key in ["created_at", "author", "html", "text", "attachments"] {
        hasher.update(entry.get(key).unwrap_or(&Value::Null).to_string().as_bytes());
        hasher.update(&[0]);
    }
    format!("content-{}", &hasher.finalize().to_hex()[..24])
}

#[cfg(test)]
#[path = "json/tests.rs"]
mod tests;
