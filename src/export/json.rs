//! JSON for programs: one document, or one object a line.
//!
//! Conversations are as FreeScout's API gives them, with lists always lists and times always `2024-01-31T12:00:00Z`, and with what the
//! API only has ids for: the mailbox, and old ids from a journal. Threads are oldest first. `docs/export.schema.json` is
//! the schema. Addresses of attachments have no token; with `--attachments` their bytes stand in `content` as base64.

use std::io::{Read as _, Write};
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::hub::{self, Exported, Site};
use super::output::Staged;
use super::{ExportError, Exporter, Form, Notes, Options, Writer};
use crate::content::Content;
use crate::finding::codes;
use crate::freescout::wire;

/// The version of the shape; it changes when a reader has to.
pub const VERSION: u64 = 1;

/// The `json` exporter: one document.
pub struct Json;

/// The `jsonl` exporter: one object a line, each with its kind as `object`.
pub struct JsonLines;

impl Exporter for Json {
    fn name(&self) -> &'static str {
        "json"
    }

    fn form(&self) -> Form {
        Form::Stream
    }

    fn wants_files(&self, options: &Options) -> bool {
        options.has_files
    }

    fn create(&self, site: &Site, options: &Options, place: &Staged) -> Result<Box<dyn Writer>, ExportError> {
        Lines::begin(Shape::Document, site, options, place)
    }
}

impl Exporter for JsonLines {
    fn name(&self) -> &'static str {
        "jsonl"
    }

    fn form(&self) -> Form {
        Form::Stream
    }

    fn wants_files(&self, options: &Options) -> bool {
        options.has_files
    }

    fn create(&self, site: &Site, options: &Options, place: &Staged) -> Result<Box<dyn Writer>, ExportError> {
        Lines::begin(Shape::Lines, site, options, place)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Document,
    Lines,
}

/// Which list of the document is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum List {
    Conversations,
    Customers,
}

struct Lines {
    shape: Shape,
    out: Box<dyn Write + Send>,
    shown: PathBuf,
    site: Site,
    has_files: bool,
    open: List,
    is_first: bool,
}

impl Lines {
    fn begin(shape: Shape, site: &Site, options: &Options, place: &Staged) -> Result<Box<dyn Writer>, ExportError> {
        let mut lines = Self {
            shape,
            out: place.stream()?,
            shown: place.shown(),
            site: site.clone(),
            has_files: options.has_files,
            open: List::Conversations,
            is_first: true,
        };
        let head = head(site);
        let mailboxes = site.mailboxes.iter().map(mailbox);
        let users = site.users.iter().map(|user| of_kind("user", plain(user)));
        match shape {
            Shape::Lines => {
                lines.line(&of_kind("export", head))?;
                for object in mailboxes.map(|mailbox| of_kind("mailbox", mailbox)).chain(users) {
                    lines.line(&object)?;
                }
            }
            Shape::Document => {
                let mut text = serde_json::to_string(&head).unwrap_or_default();
                text.pop();
                let users: Vec<_> = site.users.iter().map(plain).collect();
                let lists = [("mailboxes", mailboxes.collect::<Vec<_>>()), ("users", users)];
                for (name, list) in lists {
                    text.push_str(&format!(",\n\"{name}\":{}", Value::Array(list)));
                }
                text.push_str(",\n\"conversations\":[");
                lines.raw(text.as_bytes())?;
            }
        }
        Ok(Box::new(lines))
    }

    fn raw(&mut self, bytes: &[u8]) -> Result<(), ExportError> {
        self.out.write_all(bytes).map_err(|cause| ExportError::Io { path: self.shown.clone(), cause })
    }

    fn line(&mut self, value: &Value) -> Result<(), ExportError> {
        let written = serde_json::to_writer(&mut self.out, value).map_err(std::io::Error::from);
        let written = written.and_then(|()| self.out.write_all(b"\n"));
        written.map_err(|cause| ExportError::Io { path: self.shown.clone(), cause })
    }

    /// An element of a list; in lines, an object of its kind.
    fn element(&mut self, list: List, kind: &str, value: Value) -> Result<(), ExportError> {
        if self.shape == Shape::Lines {
            return self.line(&of_kind(kind, value));
        }
        if self.open != list {
            self.raw(b"\n],\n\"customers\":[")?;
            self.open = list;
            self.is_first = true;
        }
        self.raw(if self.is_first { b"\n" } else { b",\n" })?;
        self.is_first = false;
        let written = serde_json::to_writer(&mut self.out, &value).map_err(std::io::Error::from);
        written.map_err(|cause| ExportError::Io { path: self.shown.clone(), cause })
    }
}

impl Writer for Lines {
    fn write(&mut self, exported: &Exported, notes: &mut Notes) -> Result<(), ExportError> {
        let value = conversation(&self.site, exported, self.has_files, notes);
        self.element(List::Conversations, "conversation", value)
    }

    fn customer(&mut self, customer: &wire::Customer, _: &mut Notes) -> Result<(), ExportError> {
        self.element(List::Customers, "customer", plain(customer))
    }

    fn finish(mut self: Box<Self>, _: &mut Notes) -> Result<(), ExportError> {
        if self.shape == Shape::Document {
            if self.open == List::Conversations {
                self.raw(b"\n],\n\"customers\":[")?;
            }
            self.raw(b"\n]}\n")?;
        }
        self.out.flush().map_err(|cause| ExportError::Io { path: self.shown.clone(), cause })
    }
}

fn head(site: &Site) -> Value {
    json!({
        "version": VERSION,
        "made_by": concat!("foxferry ", env!("CARGO_PKG_VERSION")),
        "site": site.url,
        "taken_at": site.taken_at.map(wire::show_time),
    })
}

fn mailbox(entry: &crate::freescout::MailboxEntry) -> Value {
    let mut value = plain(&entry.mailbox);
    if let (Value::Object(object), Some(fields)) = (&mut value, &entry.fields) {
        object.insert("customFields".to_owned(), Value::Array(fields.iter().map(plain).collect()));
    }
    value
}

/// What the typed answers hold has no keys but texts, so that it always becomes JSON.
fn plain(value: &impl serde::Serialize) -> Value {
    let mut value = serde_json::to_value(value).unwrap_or_default();
    without_photo(&mut value);
    value
}

/// Addresses of photographs change from run to run and lead to the old server.
fn without_photo(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.remove("photoUrl");
            object.values_mut().for_each(without_photo);
        }
        Value::Array(items) => items.iter_mut().for_each(without_photo),
        _ => {}
    }
}

fn of_kind(kind: &str, value: Value) -> Value {
    let mut object = Map::new();
    object.insert("object".to_owned(), Value::String(kind.to_owned()));
    if let Value::Object(rest) = value {
        object.extend(rest);
    }
    Value::Object(object)
}

/// A conversation as JSON.
fn conversation(site: &Site, exported: &Exported, has_files: bool, notes: &mut Notes) -> Value {
    let it = &exported.conversation;
    let mut value = plain(it);
    let Value::Object(object) = &mut value else { return value };
    if let Some(mailbox) = site.mailbox(it.mailbox_id) {
        object.insert("mailbox".to_owned(), json!({"id": mailbox.id, "name": mailbox.name, "email": mailbox.email}));
    }
    if let Some(old) = &exported.old {
        object.insert("old".to_owned(), json!({"source": &*old.source, "id": old.original}));
    }
    if let Some(waiting) = object.get_mut("customerWaitingSince").and_then(Value::as_object_mut) {
        // Words such as `2 days ago` are true for a moment only.
        waiting.remove("friendly");
    }
    let threads = exported.threads.iter().map(|thread| {
        let mut value = plain(&thread.thread);
        if let Value::Object(object) = &mut value {
            if let Some(body) = &thread.thread.body {
                object.insert("body".to_owned(), Value::String(crate::upload::bare(body).to_owned()));
            }
            if let Some(old) = &thread.old {
                object.insert("old".to_owned(), json!({"id": old}));
            }
            let files = object.get_mut("_embedded").and_then(|parts| parts.get_mut("attachments"));
            for (file, content) in files.and_then(Value::as_array_mut).into_iter().flatten().zip(&thread.files) {
                attachment(file, content, has_files, it.id, notes);
            }
        }
        value
    });
    let threads = Value::Array(threads.collect());
    if let Some(parts) = object.get_mut("_embedded").and_then(Value::as_object_mut) {
        parts.insert("threads".to_owned(), threads);
    }
    value
}

fn attachment(file: &mut Value, content: &Content, has_files: bool, id: u64, notes: &mut Notes) {
    let Value::Object(file) = file else { return };
    if let Some(url) = file.get("fileUrl").and_then(Value::as_str) {
        let url = hub::without_token(url);
        file.insert("fileUrl".to_owned(), Value::String(url));
    }
    if !has_files || matches!(content, Content::Link { .. } | Content::Missing { .. }) {
        return;
    }
    let mut bytes = Vec::new();
    match content.open().and_then(|mut open| open.read_to_end(&mut bytes)) {
        Ok(_) => {
            file.insert("content".to_owned(), Value::String(STANDARD.encode(&bytes)));
        }
        Err(cause) => {
            let name = file.get("fileName").and_then(Value::as_str).unwrap_or_default();
            notes.tell(codes::EXPORT_FILE_MISSING, id, format!("`{name}` could not be read: {cause}"));
        }
    }
}
