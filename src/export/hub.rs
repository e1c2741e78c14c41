//! What is exported: a conversation in FreeScout's own words, and the site that it is part of.
//!
//! Threads are oldest first, and each attachment is beside the thread that it belongs to, with bytes that open on demand.

use std::collections::BTreeSet;

use jiff::Timestamp;
use tempfile::TempPath;

use crate::content::Content;
use crate::freescout::{MailboxEntry, wire};
use crate::record::RecordId;

/// What all conversations of an export share.
#[derive(Debug, Clone, Default)]
pub struct Site {
    /// FreeScout's address without `/api` and slash at the end; empty if it is not known.
    pub url: String,
    /// Every mailbox with its custom fields, by id.
    pub mailboxes: Vec<MailboxEntry>,
    /// Every user, deleted ones too.
    pub users: Vec<wire::User>,
    /// When it was as it is shown.
    pub taken_at: Option<Timestamp>,
}

impl Site {
    /// The mailbox of a conversation.
    pub fn mailbox(&self, id: Option<u64>) -> Option<&wire::Mailbox> {
        self.mailboxes.iter().map(|entry| &entry.mailbox).find(|mailbox| Some(mailbox.id) == id)
    }

    /// The names of all custom fields, each once, in the order of mailboxes.
    pub fn field_names(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for field in self.mailboxes.iter().filter_map(|entry| entry.fields.as_ref()).flatten() {
            if !names.contains(&field.name) {
                names.push(field.name.clone());
            }
        }
        names
    }

    /// The page of a conversation; FreeScout shows it under its id.
    pub fn page(&self, id: u64) -> Option<String> {
        (!self.url.is_empty()).then(|| format!("{}/conversation/{id}", self.url.trim_end_matches('/')))
    }
}

/// A conversation with everything that belongs to it.
#[derive(Debug)]
pub struct Exported {
    /// As FreeScout gives it, without its threads.
    pub conversation: wire::Conversation,
    /// Its threads, oldest first, line items too.
    pub threads: Vec<ExportedThread>,
    /// The record that it was made of, where a journal knows it.
    pub old: Option<RecordId>,
    /// Files that are there as long as this is.
    pub kept: Vec<TempPath>,
}

/// A thread with its files.
#[derive(Debug)]
pub struct ExportedThread {
    /// As FreeScout gives it.
    pub thread: wire::Thread,
    /// The bytes of each of its attachments, in the same order and number.
    pub files: Vec<Content>,
    /// The id that the old system gave it (for mail its Message-ID), where a journal knows it.
    pub old: Option<String>,
}

impl Exported {
    /// From a conversation with its threads in any order; attachments are links until somebody fetches them.
    pub fn new(mut conversation: wire::Conversation) -> Self {
        let mut threads = std::mem::take(&mut conversation.embedded.threads);
        threads.sort_by_key(|thread| (thread.created_at, thread.id));
        let threads = threads
            .into_iter()
            .map(|thread| {
                let files = thread
                    .attachments()
                    .iter()
                    .map(|file| Content::Link { url: without_token(&file.file_url), claimed_length: file.size })
                    .collect();
                ExportedThread { thread, files, old: None }
            })
            .collect();
        Self { conversation, threads, old: None, kept: Vec::new() }
    }

    /// The names of its tags.
    pub fn tags(&self) -> impl Iterator<Item = &str> {
        self.conversation.embedded.tags.iter().flatten().map(|tag| tag.name.as_str())
    }

    /// What a custom field says: a dropdown's label, else the value; `None` if it is empty.
    pub fn field(&self, name: &str) -> Option<&str> {
        let field = self.conversation.custom_fields.iter().flatten().find(|field| field.name == name)?;
        Some(field_text(field)).filter(|text| !text.is_empty())
    }

    /// The ids of all customers that it names.
    pub fn customers(&self) -> BTreeSet<u64> {
        let of_threads = self.threads.iter().flat_map(|it| [&it.thread.customer, &it.thread.created_by]);
        let all = [&self.conversation.customer, &self.conversation.created_by].into_iter().chain(of_threads);
        all.flatten().filter(|person| person.kind == "customer").filter_map(|person| person.id).collect()
    }
}

/// What a field says: a dropdown's label, else the value.
pub fn field_text(field: &wire::FieldValue) -> &str {
    if field.text.is_empty() { &field.value } else { &field.text }
}

/// First and last name.
pub fn full_name(first: Option<&str>, last: Option<&str>) -> String {
    let parts = [first, last].into_iter().flatten().map(str::trim).filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join(" ")
}

/// A person's name; empty if there is none.
pub fn name_of(person: &wire::Person) -> String {
    full_name(person.first_name.as_deref(), person.last_name.as_deref())
}

/// A person's name, else the address.
pub fn shown(person: &wire::Person) -> String {
    Some(name_of(person)).filter(|name| !name.is_empty()).unwrap_or_else(|| person.email.clone())
}

/// Whether an event and not a text: FreeScout's line items.
pub fn is_line_item(thread: &wire::Thread) -> bool {
    thread.kind == "lineitem"
}

/// An attachment's address without its query: the token in it opens the file to whoever has it.
pub fn without_token(url: &str) -> String {
    url.rsplit_once('?').map_or(url, |(place, _)| place).to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn threads_are_oldest_first_and_tokens_stay_behind() {
        let conversation = serde_json::from_value(json!({"id": 1, "_embedded": {"threads": [
            {"id": 3, "createdAt": "2024-01-02T00:00:00Z"},
            {"id": 2, "createdAt": "2024-01-01T00:00:00Z", "_embedded": {"attachments": [
                {"id": 9, "fileUrl": "https://x.example/storage/attachment/1/a?b.pdf?id=9&token=sesame", "size": 4}]}},
            {"id": 1, "createdAt": "2024-01-02T00:00:00Z"},
        ]}}));
        let exported = Exported::new(conversation.unwrap());
        assert_eq!(exported.threads.iter().map(|it| it.thread.id).collect::<Vec<_>>(), [2, 1, 3]);
        let Content::Link { url, claimed_length } = &exported.threads[0].files[0] else { panic!("not a link") };
        assert_eq!((url.as_str(), *claimed_length), ("https://x.example/storage/attachment/1/a?b.pdf", Some(4)));
    }
}
