//! Records made of FreeScout's own JSON.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use super::{About, LINE_LIMIT, customer_key, kind};
use crate::backup::read::Stored;
use crate::catalog::{CatalogError, Group, Groups, Piece};
use crate::content::Content;
use crate::export::{FREESCOUT, hub};
use crate::finding::codes;
use crate::freescout::wire;
use crate::json::Forgiven;
use crate::record::{Attachment, Body, Entry, Oddity, Origin, Person, Record, RecordId, unique_id};
use crate::source::problem::Bounds;
use crate::source::shelf::Shelf;
use crate::source::{ReadError, problem};

/// Keys of a conversation that have a place in the record, or are ours.
const TAKEN: &[&str] =
    &["object", "id", "subject", "status", "type", "customer", "assignee", "createdAt", "updatedAt", "closedAt"];

/// Keys of a thread that have a place in the entry.
const TAKEN_OF_THREADS: &[&str] = &["id", "type", "body", "createdBy", "createdAt", "to", "cc", "bcc"];

/// The records of an indexed archive.
pub(super) struct Conversations {
    groups: Groups,
    shelf: Shelf,
    about: About,
    /// There as long as its files are read.
    _unpacked: Option<TempDir>,
}

impl Conversations {
    pub(super) fn new(groups: Groups, shelf: Shelf, about: About, unpacked: Option<TempDir>) -> Self {
        Self { groups, shelf, about, _unpacked: unpacked }
    }
}

impl Iterator for Conversations {
    type Item = Result<Record, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let group = match self.groups.next()? {
            Ok(group) => group,
            Err(error) => return Some(Err(index_failed(error))),
        };
        Some(self.record(&group).map(|mut record| {
            record.origin.seat = Some(Box::new(group.seat));
            record
        }))
    }
}

fn index_failed(error: CatalogError) -> ReadError {
    let origin = Origin::whole(&Arc::from("the archive's index"));
    ReadError::Io { origin, cause: std::io::Error::other(error) }
}

/// What a conversation may be.
const BOUNDS: &Bounds = &Bounds { what: "a conversation", nesting: "the nesting of a conversation", limit: LINE_LIMIT };

impl Conversations {
    fn record(&mut self, group: &Group) -> Result<Record, ReadError> {
        let newest = group.pieces.iter().max_by_key(|piece| (piece.version, piece.file, piece.offset));
        let piece = newest.expect("a group has at least one piece");
        let origin = self.shelf.origin(piece);
        if piece.kind != kind::CONVERSATION {
            return Err(problem::unreadable(&mut self.shelf, piece, BOUNDS));
        }
        let (object, forgiven) = self.shelf.object(piece, None)?;
        let malformed = |problem: String| ReadError::Malformed { origin: origin.clone(), id: None, problem };
        // A backup's line has a key of its own, which says where bytes are.
        let backup: Arc<Path> = self.about.backup.clone().unwrap_or_else(|| Arc::from(Path::new("")));
        let stored = Stored::of(Value::Object(object), origin.clone(), backup, Arc::clone(&self.about.keys))
            .map_err(|error| malformed(format!("not a conversation: {error}")))?;
        if stored.raw.get("id").and_then(wire::as_id).is_none() {
            return Err(ReadError::MissingId { origin });
        }
        let it: wire::Conversation =
            stored.typed().map_err(|error| malformed(format!("not a conversation: {error}")))?;
        let mut oddities = Vec::new();
        if forgiven != Forgiven::default() {
            let message = "the text has characters that JSON or UTF-8 forbids; they were replaced".to_owned();
            oddities.push(Oddity { code: codes::READ_CHARSET, origin: origin.clone(), message });
        }
        if group.pieces.len() > 1 {
            let message =
                format!("the conversation stands {} times in the archive; the newest counts", group.pieces.len());
            oddities.push(Oddity { code: codes::READ_DUPLICATE, origin: origin.clone(), message });
        }
        let mut people = People { it: self, known: HashMap::new(), is_shown: HashSet::new() };
        let requester = it.customer.as_ref().map(|one| people.person(one)).transpose()?;
        let assignee = it.assignee.as_ref().map(|one| people.person(one)).transpose()?;
        let mut entries = Vec::new();
        let mut ids = HashSet::new();
        let raw_threads = stored.raw.pointer("/_embedded/threads");
        for thread in it.threads() {
            let raw = threads_of(raw_threads).find(|raw| raw.get("id").and_then(wire::as_id) == Some(thread.id));
            let author = thread.created_by.as_ref().map(|one| people.person(one)).transpose()?;
            let id = unique_id(&mut ids, &thread.id.to_string());
            entries.push((thread.id, entry(&stored, thread, raw, id, author, &mut oddities)));
        }
        entries.sort_by_key(|(id, entry)| (entry.created_at, *id));
        let url = self.about.page(piece.file, it.id);
        Ok(Record {
            id: RecordId::new(FREESCOUT, it.id.to_string()),
            origin,
            subject: Some(it.subject.clone()).filter(|subject| !subject.is_empty()),
            status: Some(it.status.clone()).filter(|status| !status.is_empty()),
            channel: Some(it.kind.clone()).filter(|kind| !kind.is_empty()),
            requester,
            assignee,
            // Copied people stand at the threads that they were copied on.
            cc: Vec::new(),
            tags: it.embedded.tags.iter().flatten().map(|tag| tag.name.clone()).collect(),
            created_at: it.created_at,
            updated_at: it.updated_at,
            closed_at: it.closed_at,
            url,
            entries: entries.into_iter().map(|(_, entry)| entry).collect(),
            fields: self.fields(&it, &stored.raw),
            oddities,
        })
    }

    /// What has no place of its own.
    fn fields(&self, it: &wire::Conversation, raw: &Value) -> Map<String, Value> {
        let mut fields = rest(raw, TAKEN);
        let named = named(it.custom_fields.as_deref());
        fields.remove("customFields");
        if !named.is_empty() {
            fields.insert("customFields".to_owned(), Value::Object(named));
        }
        if let Some(Value::Object(parts)) = fields.get_mut("_embedded") {
            parts.remove("threads");
            parts.remove("tags");
        }
        if !fields.contains_key("mailbox")
            && let Some(mailbox) = it.mailbox_id.and_then(|id| self.about.mailboxes.get(&id))
        {
            let mailbox = json!({"id": mailbox.id, "name": mailbox.name, "email": mailbox.email});
            fields.insert("mailbox".to_owned(), mailbox);
        }
        fields
    }

    fn typed<T: DeserializeOwned>(&mut self, piece: &Piece) -> Option<T> {
        let (object, _) = self.shelf.object(piece, None).ok()?;
        T::deserialize(Value::Object(object)).ok()
    }
}

/// A list, however FreeScout writes it.
fn threads_of(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    let list = value.and_then(Value::as_array).into_iter().flatten();
    let object = value.and_then(Value::as_object).into_iter().flat_map(Map::values);
    list.chain(object)
}

/// An object without the keys that are told elsewhere.
fn rest(raw: &Value, taken: &[&str]) -> Map<String, Value> {
    let members = raw.as_object().into_iter().flatten();
    members.filter(|(key, _)| !taken.contains(&key.as_str())).map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// Fields that have a value, by name; of a dropdown the label.
fn named(fields: Option<&[wire::FieldValue]>) -> Map<String, Value> {
    let texts = fields.into_iter().flatten().map(|field| (field.name.clone(), hub::field_text(field)));
    texts.filter(|(_, text)| !text.is_empty()).map(|(name, text)| (name, Value::from(text))).collect()
}

/// The people of one record.
struct People<'a> {
    it: &'a mut Conversations,
    /// Profiles by the customer's id.
    known: HashMap<u64, Option<wire::Customer>>,
    /// Whose further fields stand in the record already.
    is_shown: HashSet<u64>,
}

impl People<'_> {
    fn person(&mut self, one: &wire::Person) -> Result<Person, ReadError> {
        let text = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let is_user = one.kind == "user";
        let mut person = Person {
            // Users and customers are numbered apart.
            id: one.id.map(|id| if is_user { format!("user-{id}") } else { id.to_string() }),
            name: text(&hub::name_of(one)),
            emails: text(&one.email).into_iter().collect(),
            role: Some(if is_user { "agent" } else { "customer" }.to_owned()),
            ..Person::default()
        };
        if is_user {
            return Ok(person);
        }
        let Some(id) = one.id else { return Ok(person) };
        if !self.known.contains_key(&id) {
            let pieces = self.it.groups.catalog().named(customer_key(id)).map_err(index_failed)?;
            let profile = pieces.last().and_then(|piece| self.it.typed::<wire::Customer>(piece));
            self.known.insert(id, profile);
        }
        let Some(Some(profile)) = self.known.get(&id) else { return Ok(person) };
        for email in profile.emails().filter_map(text) {
            if !person.emails.iter().any(|known| known.eq_ignore_ascii_case(&email)) {
                person.emails.push(email);
            }
        }
        let values = |entries: &[wire::Entry]| -> Vec<String> {
            entries.iter().map(|entry| entry.value.clone()).filter(|value| !value.is_empty()).collect()
        };
        person.phones = values(&profile.embedded.phones);
        person.company = profile.company.as_deref().and_then(text);
        if self.is_shown.insert(id) {
            person.fields = further(profile, &values(&profile.embedded.websites));
        }
        Ok(person)
    }
}

/// What a profile says beyond names, addresses and numbers.
fn further(profile: &wire::Customer, websites: &[String]) -> Map<String, Value> {
    let social: Vec<Value> = profile
        .embedded
        .social_profiles
        .iter()
        .map(|entry| json!({"type": entry.kind, "value": entry.value}))
        .collect();
    let address = serde_json::to_value(&profile.embedded.address).unwrap_or_default();
    let address = rest(&address, &[]).into_iter().filter(|(_, part)| part.as_str().is_some_and(|it| !it.is_empty()));
    let all = [
        ("jobTitle", json!(profile.job_title)),
        ("notes", json!(profile.notes)),
        ("websites", json!(websites)),
        ("socialProfiles", Value::Array(social)),
        ("address", Value::Object(address.collect())),
        ("customerFields", Value::Object(named(profile.customer_fields.as_deref()))),
    ];
    let has_any = |value: &Value| match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(object) => !object.is_empty(),
        _ => true,
    };
    all.into_iter().filter(|(_, value)| has_any(value)).map(|(key, value)| (key.to_owned(), value)).collect()
}

fn entry(
    stored: &Stored,
    thread: &wire::Thread,
    raw: Option<&Value>,
    id: String,
    author: Option<Person>,
    oddities: &mut Vec<Oddity>,
) -> Entry {
    let people = |list: &[String]| -> Vec<Person> {
        list.iter().filter(|it| !it.trim().is_empty()).map(|it| Person::with_email(it.trim(), None)).collect()
    };
    let mut attachments = Vec::new();
    for file in thread.attachments() {
        let mut odd = |message: String| {
            oddities.push(Oddity { code: codes::READ_MISSING_PART, origin: stored.origin.clone(), message });
        };
        attachments.push(Attachment {
            name: file.file_name.clone(),
            mime: Some(file.mime_type.clone()).filter(|mime| !mime.is_empty()),
            content_id: None,
            is_inline: false,
            content: content(stored, file, &mut odd),
        });
    }
    let mut body = crate::upload::bare(thread.body.as_deref().unwrap_or_default()).to_owned();
    // Images that the text shows from the old FreeScout's storage, where the backup has them.
    for key in stored.ours.files.keys().filter(|key| key.parse::<u64>().is_err()) {
        let content = stored.file(key);
        if content.length().is_some() && body.contains(key.as_str()) {
            let content_id = format!("image-{}", attachments.len());
            body = body.replace(key.as_str(), &format!("cid:{content_id}"));
            let name = hub::without_token(key);
            let name = name.rsplit('/').next().unwrap_or_default().to_owned();
            attachments.push(Attachment { name, mime: None, content_id: Some(content_id), is_inline: true, content });
        }
    }
    let mut fields = raw.map(|raw| rest(raw, TAKEN_OF_THREADS)).unwrap_or_default();
    if let Some(Value::Object(parts)) = fields.get_mut("_embedded") {
        parts.remove("attachments");
    }
    Entry {
        id,
        origin: stored.origin.clone(),
        kind: thread.kind.clone(),
        is_public: !matches!(&*thread.kind, "note" | "lineitem"),
        author,
        to: people(&thread.to),
        cc: people(&thread.cc),
        bcc: people(&thread.bcc),
        body: if body.is_empty() { Body::Empty } else { Body::Html(body) },
        created_at: thread.created_at,
        attachments,
        fields,
    }
}

/// The bytes of an attachment: beside the backup, in the line, or an address only.
fn content(stored: &Stored, file: &wire::Attachment, odd: &mut impl FnMut(String)) -> Content {
    let claimed_length = file.size;
    if let Some(text) = file.extra.get("content").and_then(Value::as_str) {
        return match STANDARD.decode(text) {
            Ok(bytes) => Content::bytes(bytes),
            Err(cause) => {
                let reason = format!("the bytes of `{}` are not base64: {cause}", file.file_name);
                odd(reason.clone());
                Content::Missing { reason, claimed_length }
            }
        };
    }
    if let Some(id) = file.id
        && stored.ours.file(&id.to_string()).is_some()
    {
        return stored.attachment(id);
    }
    match hub::without_token(&file.file_url) {
        url if url.is_empty() => Content::Missing { reason: "the archive does not hold it".to_owned(), claimed_length },
        url => Content::Link { url, claimed_length },
    }
}
