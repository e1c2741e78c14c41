//! Whether what was restored reads back as what the backup holds: the round-trip law.
//!
//! Promises:
//!
//! - Everything that FreeScout says about a conversation or customer is compared, keys that this program does not know
//!   included, but what is on the list of what the API cannot set (`docs/backup.md`, and the constants here).
//! - Neither the mapping of ids in the journal nor what was sent is believed: both sides are rows that FreeScout gave.
//!
//! People, mailboxes and fields have other ids in another FreeScout, so that they are compared by address and name.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::convert::{self, Restorer};
use super::diff::FieldDiff;
use super::format::Held;
use super::read::{Snapshot, Stored};
use super::restore::images;
use super::{BackupError, format};
use crate::conversation::{Thread, ThreadKind, UserRef, credit_line};
use crate::freescout::wire;

/// How many rows that are not alike are kept; the others are only counted.
const KEPT: usize = 200;

/// How many files of the newer snapshot are kept at hand.
const FILES: usize = 4;

/// What is said of a conversation that FreeScout works out by itself or the API cannot set, beside its id, and beside time logs.
pub const NOT_RESTORED: &[&str] = &[
    "number",
    "folderId",
    "updatedAt",
    "userUpdatedAt",
    "closedBy",
    "closedByUser",
    "customerWaitingSince",
    "source",
    "preview",
    "threadsCount",
    "createdBy",
    "cc",
    "bcc",
];

/// What is said of a thread that the API cannot set, beside its id.
pub const NOT_RESTORED_OF_THREADS: &[&str] =
    &["status", "state", "action", "source", "customer", "assignedTo", "to", "openedAt"];

/// What is said of a customer that the API cannot set, beside the id.
pub const NOT_RESTORED_OF_CUSTOMERS: &[&str] = &["photoUrl", "photoType", "createdAt", "updatedAt"];

/// What became of a conversation of the older snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is this one of the newer snapshot.
    Became(u64),
    /// It was left out by rule.
    LeftOut,
    /// It is not there.
    Lost,
}

/// A row that does not read back as it was.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Unlike {
    /// `conversation` or `customer`.
    pub what: &'static str,
    /// Its id in the older snapshot.
    pub id: u64,
    /// Its id in the newer one; `None`: it is not there.
    pub found: Option<u64>,
    /// Its subject, or the customer's name.
    pub name: String,
    /// What differs; empty if it is not there at all.
    pub fields: Vec<FieldDiff>,
}

/// What a comparison has found.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Compared {
    /// Conversations that are there, alike or not.
    pub conversations: u64,
    /// Conversations that were left out by rule.
    pub left_out: u64,
    /// Threads of them that were compared.
    pub threads: u64,
    /// Attachments of them that were compared.
    pub attachments: u64,
    /// Customers that are there.
    pub customers: u64,
    /// Conversations of the newer snapshot that none of the older one has become.
    pub surplus: u64,
    /// How many rows are not alike.
    pub unlike: u64,
    /// The first of them.
    pub samples: Vec<Unlike>,
}

impl Compared {
    /// Whether all is there, once, and reads back as it was.
    pub fn is_equal(&self) -> bool {
        self.unlike == 0 && self.surplus == 0
    }

    fn add(&mut self, unlike: Unlike) {
        self.unlike += 1;
        if self.samples.len() < KEPT {
            self.samples.push(unlike);
        }
    }
}

/// Compares every conversation of `older` with the one of `newer` that it has become, and the customers of those with whom
/// `has_all_customers`, else none.
///
/// Memory holds some files of each snapshot, and an address for each customer of the newer one.
///
/// # Errors
///
/// When a snapshot cannot be read.
pub fn compare(
    older: &Snapshot,
    newer: &Snapshot,
    fate: impl Fn(u64) -> Fate,
    has_all_customers: bool,
) -> Result<Compared, BackupError> {
    let (before, after) = (Restorer::of(older)?, Restorer::of(newer)?);
    let staff: HashSet<String> = after
        .users()
        .filter(|user| !user.is_deleted() && !user.is_robot())
        .map(|user| user.email.trim().to_lowercase())
        .collect();
    let mut compared = Compared::default();
    let mut shelf = Shelf { snapshot: newer.clone(), files: Vec::new() };
    for row in older.conversations()? {
        let row = row?;
        let name = row.raw["subject"].as_str().unwrap_or_default().to_owned();
        let unlike = |found, fields| Unlike { what: "conversation", id: row.id, found, name, fields };
        let there = match fate(row.id) {
            Fate::LeftOut => {
                compared.left_out += 1;
                continue;
            }
            Fate::Became(id) => shelf.row(id)?,
            Fate::Lost => None,
        };
        let Some(there) = there else {
            compared.add(unlike(None, Vec::new()));
            continue;
        };
        compared.conversations += 1;
        let (Ok(was), Ok(is)) =
            (Shape::of(&row, &before, Side::Before { staff: &staff }), Shape::of(&there, &after, Side::After))
        else {
            compared.add(unlike(Some(there.id), vec![field("", Value::from("a conversation"), Value::Null)]));
            continue;
        };
        compared.threads += was.threads.len() as u64;
        compared.attachments += was.attachments;
        let fields = differences(&was, &is);
        if !fields.is_empty() {
            compared.add(unlike(Some(there.id), fields));
        }
    }
    compared.surplus = newer.manifest().counts.conversations.saturating_sub(compared.conversations);
    if has_all_customers {
        compare_customers(older, newer, &after, &mut compared)?;
    }
    Ok(compared)
}

/// Rows of a snapshot by id.
struct Shelf {
    snapshot: Snapshot,
    files: Vec<(u64, HashMap<u64, Stored>)>,
}

impl Shelf {
    fn row(&mut self, id: u64) -> Result<Option<Stored>, BackupError> {
        let shard = format::shard_of(id);
        if !self.files.iter().any(|(known, _)| *known == shard) {
            let rows = self.snapshot.shard("conversations", shard);
            let rows = rows.map(|row| row.map(|row| (row.id, row))).collect::<Result<_, _>>()?;
            self.files.truncate(FILES - 1);
            self.files.insert(0, (shard, rows));
        }
        let found = self.files.iter().find(|(known, _)| *known == shard);
        Ok(found.and_then(|(_, rows)| rows.get(&id)).cloned())
    }
}

/// Which side a row stands on.
#[derive(Clone, Copy)]
enum Side<'a> {
    /// What was to be restored, with what the API is known to make of it.
    Before { staff: &'a HashSet<String> },
    /// What reads back.
    After,
}

/// A conversation as it is compared.
struct Shape {
    head: Map<String, Value>,
    threads: Vec<Map<String, Value>>,
    attachments: u64,
}

impl Shape {
    fn of(row: &Stored, names: &Restorer, side: Side<'_>) -> serde_json::Result<Self> {
        let typed = row.conversation()?;
        let is_before = matches!(side, Side::Before { .. });
        let written = convert::written(&typed);
        let last = written.last().map(|(_, time)| *time);
        let is_deleted = is_before && typed.state == "deleted";
        let status = if is_deleted { "closed" } else { typed.status.as_str() };
        // Closed before the last thread was written, or not closed any more: the API knows neither.
        let closed_at = match typed.closed_at {
            _ if is_before && status != "closed" => None,
            closed if is_before && typed.status == "closed" => closed.max(last),
            _ if is_before => last,
            closed => closed,
        };
        let subject: String = typed.subject.trim().chars().take(998).collect();
        let tags: BTreeSet<String> =
            typed.embedded.tags.iter().flatten().map(|tag| tag.name.trim().to_lowercase()).collect();
        let fields: BTreeMap<String, String> = names.fields_of(&typed).into_iter().collect();
        let assignee = typed.assignee.as_ref().and_then(|person| names.user(person));
        let assignee = match (assignee, side) {
            (Some(UserRef::Address(address)), Side::Before { staff }) => Some(address).filter(|it| staff.contains(it)),
            (Some(UserRef::Address(address)), Side::After) => Some(address),
            _ => None,
        };
        let mailbox = typed.mailbox_id.and_then(|id| names.mailbox(id)).map(|mailbox| mailbox.email.to_lowercase());
        let mut head = rest_of(&row.raw, NOT_RESTORED);
        head.extend([
            ("mailbox".to_owned(), json!(mailbox)),
            ("status".to_owned(), json!(status)),
            ("state".to_owned(), json!(if is_before { "published" } else { typed.state.as_str() })),
            ("subject".to_owned(), json!(if subject.is_empty() { "(no subject)" } else { subject.as_str() })),
            ("customer".to_owned(), json!(address_of(typed.customer.as_ref(), row.id, names))),
            ("assignee".to_owned(), json!(assignee)),
            ("createdAt".to_owned(), json!(typed.created_at.or(written.first().map(|(_, time)| *time)))),
            ("closedAt".to_owned(), json!(closed_at)),
            ("tags".to_owned(), json!(tags)),
            ("customFields".to_owned(), json!(fields)),
        ]);
        head.remove("mailboxId");
        let mut shape = Self { head, threads: Vec::new(), attachments: 0 };
        for (thread, time) in written {
            let mut seen = shape.thread(row, thread, names, side);
            seen.insert("createdAt".to_owned(), json!(time));
            shape.threads.push(seen);
        }
        Ok(shape)
    }

    fn thread(&mut self, row: &Stored, thread: &wire::Thread, names: &Restorer, side: Side<'_>) -> Map<String, Value> {
        let kind = convert::kind_of(thread);
        let mut text = convert::unmarked(thread.body.as_deref().unwrap_or_default());
        let mut files = Vec::new();
        for file in thread.attachments() {
            match row.ours.file(&file.id.unwrap_or_default().to_string()) {
                Some(Held::Here { sha256, bytes, content, .. }) if bytes > 0 => {
                    files.push(attachment(&file.file_name, &file.mime_type, &content.unwrap_or(sha256)));
                }
                // What the backup does not hold cannot be put back.
                _ if matches!(side, Side::Before { .. }) => {}
                _ => files.push(json!({"name": file.file_name, "missing": true})),
            }
        }
        let author = thread.created_by.as_ref();
        let mut by = match kind {
            ThreadKind::Customer => {
                let whose = author.filter(|person| person.kind == "customer").or(thread.customer.as_ref());
                json!(whose.map(|person| address_of(Some(person), row.id, names)))
            }
            _ => match author.filter(|person| person.kind == "user").and_then(|person| names.user(person)) {
                Some(UserRef::Address(address)) => json!(address),
                _ => Value::Null,
            },
        };
        let mut is_stood_in_for = false;
        if let Side::Before { staff } = side {
            // As the restore does, so that a text is compared with its images.
            let mut made = Thread {
                entry: String::new(),
                kind,
                author: crate::conversation::Author::User(UserRef::FirstAdministrator),
                shown_name: None,
                body: text,
                cc: Vec::new(),
                bcc: Vec::new(),
                created_at: jiff::Timestamp::UNIX_EPOCH,
                attachments: Vec::new(),
            };
            let addresses = images::put_back(&mut made, row, &mut |_| {});
            text = made.body;
            for (file, address) in made.attachments.iter().zip(addresses) {
                if let Some(Held::Here { sha256, content, .. }) = row.ours.file(&address) {
                    files.push(attachment(&file.name, &file.mime, &content.unwrap_or(sha256)));
                }
            }
            if kind != ThreadKind::Customer && by.as_str().is_none_or(|address| !staff.contains(address)) {
                is_stood_in_for = true;
                if let Some(address) = by.as_str() {
                    let names = author.map(|person| [person.first_name.as_deref(), person.last_name.as_deref()]);
                    let name = names.into_iter().flatten().flatten().collect::<Vec<_>>().join(" ");
                    let name = if name.is_empty() { address } else { name.as_str() };
                    text = format!("{}{text}", credit_line(name));
                }
                by = Value::Null;
            }
        }
        self.attachments += files.len() as u64;
        files.sort_by_key(Value::to_string);
        let mut seen = thread.extra.clone();
        for key in NOT_RESTORED_OF_THREADS {
            seen.remove(*key);
        }
        seen.extend([
            ("type".to_owned(), json!(kind.word())),
            ("body".to_owned(), json!(text.trim())),
            ("cc".to_owned(), json!(convert::addresses(&thread.cc).into_iter().collect::<BTreeSet<_>>())),
            ("bcc".to_owned(), json!(convert::addresses(&thread.bcc).into_iter().collect::<BTreeSet<_>>())),
            ("attachments".to_owned(), Value::from(files)),
        ]);
        if !is_stood_in_for {
            seen.insert("by".to_owned(), by);
        }
        seen
    }
}

/// A file as it is compared: SVGs are rewritten by FreeScout, so that theirs are compared by name.
fn attachment(name: &str, mime: &str, sha256: &str) -> Value {
    let is_drawing = mime.to_lowercase().contains("svg") || name.to_lowercase().ends_with(".svg");
    json!({"name": crate::check::stored_file_name(name), "sha256": if is_drawing { "rewritten" } else { sha256 }})
}

/// The address that a person goes by.
fn address_of(person: Option<&wire::Person>, conversation: u64, names: &Restorer) -> String {
    let known = person.and_then(|person| person.id).and_then(|id| names.customer(id).ok().flatten());
    if let Some(known) = known {
        return convert::customer_of(&known).key;
    }
    let own = person.map(|person| person.email.trim().to_lowercase()).filter(|email| email.contains('@'));
    let whose = person.and_then(|person| person.id).map_or_else(|| format!("of-{conversation}"), |id| id.to_string());
    own.unwrap_or_else(|| convert::stand_in(&whose))
}

/// A row's keys that are compared as they stand.
fn rest_of(raw: &Value, but: &[&str]) -> Map<String, Value> {
    let mut rest = raw.as_object().cloned().unwrap_or_default();
    rest.retain(|key, _| !but.contains(&key.as_str()) && !matches!(key.as_str(), "id" | "_embedded"));
    rest
}

fn field(name: &str, before: Value, after: Value) -> FieldDiff {
    FieldDiff { field: name.to_owned(), before, after }
}

fn differences(was: &Shape, is: &Shape) -> Vec<FieldDiff> {
    let mut fields = differing(&was.head, &is.head, "");
    if was.threads.len() != is.threads.len() {
        fields.push(field("threads", json!(was.threads.len()), json!(is.threads.len())));
    }
    for (at, (was, is)) in was.threads.iter().zip(&is.threads).enumerate() {
        let mut is = is.clone();
        if !was.contains_key("by") {
            is.remove("by");
        }
        fields.extend(differing(was, &is, &format!("threads[{at}].")));
    }
    fields
}

fn differing(was: &Map<String, Value>, is: &Map<String, Value>, prefix: &str) -> Vec<FieldDiff> {
    let keys: BTreeSet<&String> = was.keys().chain(is.keys()).collect();
    let value = |of: &Map<String, Value>, key: &str| of.get(key).cloned().unwrap_or_default();
    keys.into_iter()
        .map(|key| field(&format!("{prefix}{key}"), value(was, key), value(is, key)))
        .filter(|field| field.before != field.after)
        .collect()
}

fn compare_customers(
    older: &Snapshot,
    newer: &Snapshot,
    after: &Restorer,
    compared: &mut Compared,
) -> Result<(), BackupError> {
    let mut by_address = HashMap::new();
    for row in newer.customers()? {
        let row = row?;
        let Ok(known) = row.customer() else { continue };
        for address in convert::customer_of(&known).emails {
            by_address.insert(address, row.id);
        }
    }
    for row in older.customers()? {
        let row = row?;
        let Ok(known) = row.customer() else { continue };
        let person = convert::customer_of(&known);
        let found = by_address.get(&person.key).copied();
        let there = found.map(|id| after.customer(id)).transpose()?.flatten();
        let unlike = |fields| Unlike { what: "customer", id: row.id, found, name: person.key.clone(), fields };
        let Some(there) = there else {
            compared.add(unlike(Vec::new()));
            continue;
        };
        compared.customers += 1;
        let fields = differing(&customer(&known), &customer(&there), "");
        if !fields.is_empty() {
            compared.add(unlike(fields));
        }
    }
    Ok(())
}

/// A customer as it is compared: blank and missing are one, and fields go by their values, since only those can be set.
fn customer(known: &wire::Customer) -> Map<String, Value> {
    let text = |value: &Option<String>| value.as_deref().unwrap_or_default().trim().to_owned();
    let typed = |entries: &[wire::Entry]| -> Vec<(String, String)> {
        entries.iter().map(|entry| (entry.value.trim().to_owned(), text(&entry.kind))).collect()
    };
    let person = convert::customer_of(known);
    let parts = &known.embedded;
    // FreeScout answers 500 to an address without a street, so that none is sent.
    let street = text(&parts.address.address);
    let address = (!street.is_empty()).then(|| {
        let rest = [&parts.address.city, &parts.address.state, &parts.address.zip, &parts.address.country];
        (street, rest.map(text))
    });
    let fields: BTreeMap<&str, &str> = known
        .customer_fields
        .iter()
        .flatten()
        .filter(|field| !field.value.is_empty())
        .map(|field| (field.name.as_str(), field.value.as_str()))
        .collect();
    let mut seen = known.extra.clone();
    for key in NOT_RESTORED_OF_CUSTOMERS {
        seen.remove(*key);
    }
    seen.extend([
        ("firstName".to_owned(), json!(text(&known.first_name))),
        ("lastName".to_owned(), json!(text(&known.last_name))),
        ("jobTitle".to_owned(), json!(text(&known.job_title))),
        ("company".to_owned(), json!(text(&known.company))),
        ("notes".to_owned(), json!(text(&known.notes))),
        ("emails".to_owned(), json!(person.emails)),
        ("phones".to_owned(), json!(typed(&parts.phones))),
        ("socialProfiles".to_owned(), json!(typed(&parts.social_profiles))),
        ("websites".to_owned(), json!(typed(&parts.websites))),
        ("address".to_owned(), json!(address)),
        ("customerFields".to_owned(), json!(fields)),
    ]);
    seen
}
