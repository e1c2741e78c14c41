//! What has changed between two snapshots, conversation by conversation.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Map, Value};

use super::format::{self, FileEntry};
use super::read::{Snapshot, Stored};
use super::{BackupError, digest};

/// A conversation that is not the same in both.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ConversationDiff {
    /// Its id.
    pub id: u64,
    /// Its number, as agents know it.
    pub number: Value,
    /// Its subject, the newer one.
    pub subject: String,
    /// How they differ.
    #[serde(flatten)]
    pub difference: Difference,
}

/// How two states of a conversation differ.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "change", rename_all = "lowercase")]
pub enum Difference {
    /// Only the newer snapshot has it.
    Added {
        /// How many threads it has.
        threads: u64,
    },
    /// Only the older snapshot has it: deleted, merged into another, or no longer in what was asked for.
    Removed {
        /// How many threads it had.
        threads: u64,
    },
    /// Both have it.
    Changed {
        /// Fields of the conversation, custom fields by their names.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        fields: Vec<FieldDiff>,
        /// Tags that were put on.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        tags_added: Vec<String>,
        /// Tags that were taken off.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        tags_removed: Vec<String>,
        /// Threads.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        threads: Vec<ThreadDiff>,
    },
}

/// A value that changed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FieldDiff {
    /// The API's name of it.
    pub field: String,
    /// The older value; people as name and address.
    pub before: Value,
    /// The newer one.
    pub after: Value,
}

/// A thread that is not the same in both.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ThreadDiff {
    /// Its id.
    pub id: u64,
    /// `added`, `removed` or `edited`.
    pub change: &'static str,
    /// `customer`, `message`, `note`, `lineitem`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Who wrote it.
    pub by: String,
    /// When.
    pub at: Value,
    /// For edited ones, what differs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldDiff>,
}

/// Goes over all conversations that differ, by id. Files that both snapshots share are passed over unread; memory holds two
/// files, a thousand conversations each.
pub fn diff(
    older: &Snapshot,
    newer: &Snapshot,
    mut each: impl FnMut(ConversationDiff) -> Result<(), BackupError>,
) -> Result<(), BackupError> {
    older.unlocked()?;
    newer.unlocked()?;
    let shards = |snapshot: &Snapshot| -> BTreeMap<u64, FileEntry> {
        let files = snapshot.manifest().files.iter();
        files.filter_map(|file| Some((format::shard_in("conversations", &file.path)?, file.clone()))).collect()
    };
    let (before, after) = (shards(older), shards(newer));
    let all: BTreeSet<u64> = before.keys().chain(after.keys()).copied().collect();
    for shard in all {
        if before.get(&shard).map(|file| &file.sha256) == after.get(&shard).map(|file| &file.sha256) {
            continue;
        }
        let rows = |snapshot: &Snapshot| -> Result<BTreeMap<u64, Stored>, BackupError> {
            snapshot.shard("conversations", shard).map(|row| row.map(|row| (row.id, row))).collect()
        };
        let (before, after) = (rows(older)?, rows(newer)?);
        let ids: BTreeSet<u64> = before.keys().chain(after.keys()).copied().collect();
        for id in ids {
            let difference = match (before.get(&id), after.get(&id)) {
                (Some(old), None) => Some(Difference::Removed { threads: threads_of(&old.raw).len() as u64 }),
                (None, Some(new)) => Some(Difference::Added { threads: threads_of(&new.raw).len() as u64 }),
                (Some(old), Some(new)) => changed(&old.raw, &new.raw),
                (None, None) => None,
            };
            let shown = after.get(&id).or_else(|| before.get(&id)).map_or(&Value::Null, |row| &row.raw);
            if let Some(difference) = difference {
                each(ConversationDiff {
                    id,
                    number: shown["number"].clone(),
                    subject: shown["subject"].as_str().unwrap_or_default().to_owned(),
                    difference,
                })?;
            }
        }
    }
    Ok(())
}

fn changed(old: &Value, new: &Value) -> Option<Difference> {
    if digest::whole(old) == digest::whole(new) {
        return None;
    }
    let mut fields = fields_of(old, new, &["_embedded", "customFields"]);
    let custom = |row: &Value| -> BTreeMap<String, Value> {
        let fields = row["customFields"].as_array().map(Vec::as_slice).unwrap_or_default();
        fields.iter().filter_map(|field| Some((field["name"].as_str()?.to_owned(), shown_field(field)))).collect()
    };
    let (was, is) = (custom(old), custom(new));
    for name in was.keys().chain(is.keys()).collect::<BTreeSet<_>>() {
        let (before, after) = (was.get(name).cloned().unwrap_or_default(), is.get(name).cloned().unwrap_or_default());
        if before != after {
            fields.push(FieldDiff { field: format!("customFields.{name}"), before, after });
        }
    }
    let tags = |row: &Value| -> BTreeSet<String> {
        let tags = row.pointer("/_embedded/tags").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        tags.iter().filter_map(|tag| tag["name"].as_str().map(str::to_owned)).collect()
    };
    let (had, has) = (tags(old), tags(new));
    let timelogs = |row: &Value| row.pointer("/_embedded/timelogs").cloned().unwrap_or_default();
    if timelogs(old) != timelogs(new) {
        fields.push(FieldDiff { field: "timelogs".to_owned(), before: timelogs(old), after: timelogs(new) });
    }
    let (was, is) = (threads_of(old), threads_of(new));
    let mut threads = Vec::new();
    for id in was.keys().chain(is.keys()).collect::<BTreeSet<_>>() {
        let (change, thread, fields) = match (was.get(id), is.get(id)) {
            (None, Some(new)) => ("added", *new, Vec::new()),
            (Some(old), None) => ("removed", *old, Vec::new()),
            (Some(old), Some(new)) if digest::whole(old) != digest::whole(new) => {
                ("edited", *new, fields_of(old, new, &[]))
            }
            _ => continue,
        };
        threads.push(ThreadDiff {
            id: *id,
            change,
            kind: thread["type"].as_str().unwrap_or_default().to_owned(),
            by: shown(&thread["createdBy"]).as_str().unwrap_or_default().to_owned(),
            at: thread["createdAt"].clone(),
            fields,
        });
    }
    Some(Difference::Changed {
        fields,
        tags_added: has.difference(&had).cloned().collect(),
        tags_removed: had.difference(&has).cloned().collect(),
        threads,
    })
}

/// Values that differ, but those with these names.
fn fields_of(old: &Value, new: &Value, but: &[&str]) -> Vec<FieldDiff> {
    let empty = Map::new();
    let (old, new) = (old.as_object().unwrap_or(&empty), new.as_object().unwrap_or(&empty));
    let keys: BTreeSet<&String> = old.keys().chain(new.keys()).filter(|key| !but.contains(&key.as_str())).collect();
    let mut fields = Vec::new();
    for key in keys {
        let none = Value::Null;
        let (before, after) = (old.get(key).unwrap_or(&none), new.get(key).unwrap_or(&none));
        // One key each, so that what does not count inside does not count here.
        let only = |value: &Value| digest::whole(&Value::Object(Map::from_iter([(key.clone(), value.clone())])));
        if only(before) != only(after) {
            fields.push(FieldDiff { field: key.clone(), before: shown(before), after: shown(after) });
        }
    }
    fields
}

/// A person as name and address; anything else as it is.
fn shown(value: &Value) -> Value {
    let Some(fields) = value.as_object().filter(|fields| fields.contains_key("firstName")) else {
        return value.clone();
    };
    let text = |key: &str| fields.get(key).and_then(Value::as_str).unwrap_or_default().trim().to_owned();
    let (first, last, email) = (text("firstName"), text("lastName"), text("email"));
    let name = [first, last].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
    Value::from(match (name.is_empty(), email.is_empty()) {
        (false, false) => format!("{name} <{email}>"),
        (false, true) => name,
        (true, _) => email,
    })
}

/// A dropdown's label, else the value.
fn shown_field(field: &Value) -> Value {
    let label = field["text"].as_str().filter(|label| !label.is_empty());
    label.map_or_else(|| field["value"].clone(), Value::from)
}

fn threads_of(row: &Value) -> BTreeMap<u64, &Value> {
    let threads = row.pointer("/_embedded/threads").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    threads.iter().filter_map(|thread| Some((crate::freescout::wire::as_id(thread.get("id")?)?, thread))).collect()
}
