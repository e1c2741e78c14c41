//! Messages that belong together, as one record.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::content::Content;
use crate::finding::codes;
use crate::mail::address::Address;
use crate::mail::labels::{self, System};
use crate::mail::nature::{self, Nature, Traits};
use crate::mail::{Mail, Sent};
use crate::record::{Attachment, Entry, Oddity, Origin, Person, Record, RecordId};

/// Who is on our side: `shape.own`.
#[derive(Debug, Clone, Default)]
pub struct Own {
    addresses: Vec<String>,
    /// With the `@`.
    domains: Vec<String>,
}

impl Own {
    /// Takes addresses (`support@example.org`) and domains (`@example.org`), in any case.
    pub fn new(own: &[String]) -> Self {
        let (domains, addresses) =
            own.iter().map(|entry| entry.trim().to_lowercase()).partition(|entry| entry.starts_with('@'));
        Self { addresses, domains }
    }

    /// Whether an address is ours.
    pub fn has(&self, email: &str) -> bool {
        let email = email.to_lowercase();
        self.addresses.contains(&email)
            || email.rfind('@').is_some_and(|at| self.domains.iter().any(|domain| *domain == email[at..]))
    }
}

/// One message of a conversation and where it stands.
#[derive(Debug, Clone)]
pub struct Message {
    /// What it says.
    pub mail: Mail,
    /// What its header says besides.
    pub traits: Traits,
    /// When it was sent.
    pub sent: Sent,
    /// Unique in the conversation: the Message-ID, or a hash.
    pub id: String,
    /// For people.
    pub origin: Origin,
    /// The file that holds it.
    pub path: Arc<Path>,
    /// Its first byte.
    pub offset: u64,
    /// Its length as it stands.
    pub length: u64,
    /// Whether `>From ` lines lose one `>` when it is read again.
    pub is_quoted: bool,
    /// Labels of other copies of it.
    pub more_labels: Vec<String>,
    /// What the folders say that it and its copies lie in, where labels say nothing.
    pub folders: Vec<System>,
    /// What a Maildir's flags say, in words.
    pub marks: Option<String>,
    /// Where other copies stand that differ in a few lines.
    pub near_copies: Vec<Origin>,
    /// Whether it hangs together with the others by subject and people only.
    pub is_joined: bool,
}

impl Message {
    fn labels(&self) -> impl Iterator<Item = &str> {
        self.mail.labels.iter().chain(&self.more_labels).map(String::as_str)
    }

    fn has(&self, system: System) -> bool {
        self.folders.contains(&system) || self.labels().any(|label| labels::system(label) == Some(system))
    }

    /// Spam, trash and drafts; a copy in the inbox says that it is none of them.
    fn standing(&self) -> Option<&'static str> {
        if self.has(System::Inbox) {
            return None;
        }
        [(System::Spam, "spam"), (System::Trash, "trash"), (System::Draft, "draft")]
            .into_iter()
            .find(|(system, _)| self.has(*system))
            .map(|(_, word)| word)
    }
}

/// Makes one record of the messages of a conversation, oldest first; `None` without messages.
///
/// `folder` is the file or folder that the first lay in, kept as a field. The record is `spam`, `trash` or
/// `draft` only if every message is.
pub fn record(source: &str, messages: Vec<Message>, own: &Own, folder: Option<String>) -> Option<Record> {
    let messages = questions_first(messages);
    let authors: Vec<Option<Address>> = messages.iter().map(|it| it.traits.author(&it.mail, own)).collect();
    let first = messages.first()?;
    let standing = first.standing();
    let mut record = Record {
        id: RecordId::new(source, first.id.clone()),
        origin: first.origin.clone(),
        subject: first.mail.subject.clone(),
        status: standing.filter(|_| messages.iter().all(|message| message.standing() == standing)).map(str::to_owned),
        channel: Some("email".to_owned()),
        requester: requester(&messages, &authors, own),
        assignee: None,
        cc: Vec::new(),
        tags: Vec::new(),
        created_at: messages.iter().find_map(|message| message.sent.at),
        updated_at: messages.iter().rev().find_map(|message| message.sent.at),
        closed_at: None,
        url: None,
        entries: Vec::with_capacity(messages.len()),
        fields: Map::new(),
        oddities: Vec::new(),
    };
    if let Some(folder) = folder {
        record.fields.insert("folder".to_owned(), Value::String(folder));
    }
    for key in ["list_id", "mailing_list", "auto_submitted", "precedence", "x_spam_flag"] {
        if let Some(value) = messages.iter().find_map(|message| message.mail.fields.get(key)) {
            record.fields.insert(key.to_owned(), value.clone());
        }
    }
    if let Some(list) = messages.iter().find_map(|message| message.traits.list.clone()) {
        record.fields.insert("list".to_owned(), Value::String(list));
    }
    let nature = first.traits.nature;
    if nature != Nature::Message && messages.iter().all(|message| message.traits.nature == nature) {
        record.fields.insert("kind".to_owned(), Value::String(nature.kind().to_owned()));
    }
    if record.requester.as_ref().and_then(Person::email).is_some_and(nature::is_nobody) {
        record.fields.insert("no_reply".to_owned(), Value::Bool(true));
    }
    take_back(&mut record, &messages);
    collect_labels(&mut record, &messages);
    collect_marks(&mut record, &messages);
    for (message, author) in messages.into_iter().zip(authors) {
        push(&mut record, message, author.as_ref(), own);
    }
    Some(record)
}

/// A clock may be this wrong, in seconds, for an answer to be moved below its question.
const CLOCK_ERROR: i64 = 86_400;

/// Moves what is dated a little before the message that it answers to the second after that.
///
/// Answers say what they answer, and clocks are wrong by minutes or a time zone. Over a day it is not
/// known which of the two is wrong, and the dates stay.
fn questions_first(mut messages: Vec<Message>) -> Vec<Message> {
    // A chain of answers takes one round for each that is moved; loops of references would go on for ever.
    const ROUNDS: usize = 8;
    if messages.len() < 2 {
        return messages;
    }
    let ids: HashMap<String, usize> =
        messages.iter().enumerate().map(|(index, message)| (message.id.clone(), index)).collect();
    let parents: Vec<Option<usize>> = messages
        .iter()
        .enumerate()
        .map(|(index, message)| {
            let named = |key: &str| message.mail.fields.get(key).and_then(Value::as_array);
            let all = [named("in_reply_to"), named("references")].into_iter().flatten();
            let mut newest_first = all.flat_map(|ids| ids.iter().rev()).filter_map(Value::as_str);
            newest_first.find_map(|id| ids.get(id).copied()).filter(|&parent| parent != index)
        })
        .collect();
    let mut is_moved = false;
    for _ in 0..ROUNDS {
        let mut is_settled = true;
        for (index, parent) in parents.iter().enumerate() {
            let Some(parent) = *parent else { continue };
            let (Some(asked), Some(answered)) = (messages[parent].sent.at, messages[index].sent.at) else { continue };
            let early = asked.as_second() - answered.as_second();
            if !(1..=CLOCK_ERROR).contains(&early) {
                continue;
            }
            let Ok(at) = Timestamp::from_second(asked.as_second() + 1) else { continue };
            let message = &mut messages[index];
            if message.sent.problem.is_none() {
                let problem =
                    format!("it is dated {early} s before the message that it answers; a second after that was used");
                message.sent.problem = Some(problem);
            }
            message.sent.at = Some(at);
            (is_settled, is_moved) = (false, true);
        }
        if is_settled {
            break;
        }
    }
    if is_moved {
        messages.sort_by_key(|message| message.sent.at.unwrap_or(Timestamp::MAX));
    }
    messages
}

/// The keywords of all messages, as a list: Thunderbird's tags and what a Maildir's flags say.
fn collect_marks(record: &mut Record, messages: &[Message]) {
    let mut marks: Vec<Value> = Vec::new();
    for message in messages {
        let kept = message.mail.fields.get("mail_flags").and_then(Value::as_str);
        let words = [kept, message.marks.as_deref()].into_iter().flatten().flat_map(str::split_whitespace);
        for word in words {
            if !marks.iter().any(|known| known == word) {
                marks.push(Value::String(word.to_owned()));
            }
        }
    }
    if !marks.is_empty() {
        record.fields.insert("mail_flags".to_owned(), Value::Array(marks));
    }
}

/// What an export of ours says about the conversation as a whole.
fn take_back(record: &mut Record, messages: &[Message]) {
    for key in
        ["conversation", "number", "status", "state", "channel", "subject", "mailbox", "assignee", "field", "old_id"]
    {
        let key = format!("x_freescout_{key}");
        if let Some(value) = messages.iter().find_map(|message| message.mail.fields.get(&key)) {
            record.fields.insert(key, value.clone());
        }
    }
    let said = |key: &str| messages.iter().find_map(|message| message.mail.fields.get(key)).and_then(Value::as_str);
    let time = |key: &str| said(key).and_then(|text| text.parse().ok());
    record.closed_at = time("x_freescout_closed");
    record.created_at = time("x_freescout_created").or(record.created_at);
    if let Some(tags) = messages.iter().find_map(|it| it.mail.fields.get("x_freescout_tag")).and_then(Value::as_array) {
        record.tags = tags.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    }
    if let Some(email) = said("x_freescout_customer") {
        let all = messages.iter().flat_map(|it| it.mail.from.iter().chain(&it.mail.to));
        let named = all
            .filter(|address| address.email.as_ref().is_some_and(|known| known.eq_ignore_ascii_case(email)))
            .find_map(|address| address.name.clone());
        let role = Some("customer".to_owned());
        record.requester = Some(Person { role, ..Person::with_email(email, named) });
    }
}

fn collect_labels(record: &mut Record, messages: &[Message]) {
    let mut system_labels: Vec<Value> = Vec::new();
    for label in messages.iter().flat_map(Message::labels) {
        if labels::system(label).is_none() {
            if !record.tags.iter().any(|tag| tag == label) {
                record.tags.push(label.to_owned());
            }
        } else if !system_labels.iter().any(|known| known == label) {
            system_labels.push(Value::String(label.to_owned()));
        }
    }
    if !system_labels.is_empty() {
        record.fields.insert("labels".to_owned(), Value::Array(system_labels));
    }
}

/// The first author who is not us; if we wrote first, the first of those we wrote to.
///
/// Delivery reports have no author; one that stands alone is about somebody to whom we had written.
fn requester(messages: &[Message], authors: &[Option<Address>], own: &Own) -> Option<Person> {
    let is_theirs = |address: &&Address| address.email.as_ref().is_some_and(|email| !own.has(email));
    let written = || messages.iter().filter(|message| message.traits.nature != Nature::Bounce);
    let author = || authors.iter().flatten().find(is_theirs);
    let receiver = || written().flat_map(|message| message.mail.to.iter().chain(&message.mail.cc)).find(is_theirs);
    let failed = || messages.iter().filter_map(|message| message.traits.failed.as_ref()).find(is_theirs);
    let is_begun_by_us = authors.first().and_then(Option::as_ref).and_then(|author| author.email.as_ref());
    let found = match is_begun_by_us {
        Some(email) if own.has(email) => receiver().or_else(author),
        _ => author().or_else(receiver),
    };
    let anybody = || authors.iter().flatten().chain(messages.iter().flat_map(|message| &message.mail.from)).next();
    found.or_else(failed).or_else(anybody).map(|address| person(address, own))
}

/// `Ann Lee <ann@example.com>`.
fn shown(address: &Address) -> Value {
    Value::String(match (&address.name, &address.email) {
        (Some(name), Some(email)) => format!("{name} <{email}>"),
        (Some(text), None) | (None, Some(text)) => text.clone(),
        (None, None) => String::new(),
    })
}

fn person(address: &Address, own: &Own) -> Person {
    let is_own = address.email.as_ref().is_some_and(|email| own.has(email));
    Person {
        name: address.name.clone(),
        emails: address.email.iter().cloned().collect(),
        role: Some(if is_own { "agent" } else { "customer" }.to_owned()),
        ..Person::default()
    }
}

fn push(record: &mut Record, mut message: Message, author: Option<&Address>, own: &Own) {
    let fields = &mut message.mail.fields;
    // Whoever stands in `From` stays known, if somebody else is the author.
    let from = message.mail.from.first();
    if from.is_some_and(|from| author.is_none_or(|author| author.email != from.email)) {
        let shown = message.mail.from.iter().map(shown).collect();
        fields.insert("from".to_owned(), Value::Array(shown));
    }
    if let Some(list) = message.traits.list.take() {
        fields.insert("list".to_owned(), Value::String(list));
    }
    if !message.traits.delivered_to.is_empty() {
        let all = std::mem::take(&mut message.traits.delivered_to);
        fields.insert("delivered_to".to_owned(), all.into_iter().map(Value::String).collect());
    }
    if author.and_then(|author| author.email.as_deref()).is_some_and(nature::is_nobody) {
        fields.insert("no_reply".to_owned(), Value::Bool(true));
    }
    if message.has(System::Sent) {
        message.mail.fields.insert("sent".to_owned(), Value::Bool(true));
    }
    if let Some(marks) = message.marks.take() {
        message.mail.fields.entry("mail_flags").or_insert(Value::String(marks));
    }
    let mut odd = |code: &'static str, text: String| {
        record.oddities.push(Oddity { code, origin: message.origin.clone(), message: text });
    };
    if let Some(problem) = &message.sent.problem {
        odd(codes::READ_DATE, problem.clone());
    }
    for problem in &message.mail.problems {
        odd(problem.code, problem.message.clone());
    }
    for copy in &message.near_copies {
        odd(codes::READ_DUPLICATE, format!("another copy of it at {copy} differs in a few lines; this one counts"));
    }
    if message.is_joined {
        odd(codes::READ_SPLIT_THREAD, "joined by subject and people; no reference leads to the rest".to_owned());
    }
    let is_draft = message.has(System::Draft) && !message.has(System::Inbox) && !message.has(System::Sent);
    // Somebody known by name only cannot be written to.
    let people = |addresses: &[Address]| -> Vec<Person> {
        addresses.iter().filter(|address| address.email.is_some()).map(|address| person(address, own)).collect()
    };
    let attachments = message
        .mail
        .files
        .iter()
        .map(|file| Attachment {
            name: file.name.clone(),
            mime: Some(file.mime.clone()),
            content_id: file.content_id.clone(),
            is_inline: file.is_inline,
            content: Content::MailPart {
                path: Arc::clone(&message.path),
                offset: message.offset,
                message_length: message.length,
                is_mbox: message.is_quoted,
                part: file.part,
                length: file.length,
            },
        })
        .collect();
    record.entries.push(Entry {
        kind: if is_draft { "draft" } else { message.traits.nature.kind() }.to_owned(),
        is_public: !is_draft,
        author: author.map(|address| match message.mail.fields.get("x_freescout_type").and_then(Value::as_str) {
            Some("message" | "note" | "lineitem") => Person { role: Some("agent".to_owned()), ..person(address, own) },
            _ => person(address, own),
        }),
        to: people(&message.mail.to),
        cc: people(&message.mail.cc),
        bcc: people(&message.mail.bcc),
        created_at: message.sent.at,
        attachments,
        body: message.mail.body,
        fields: message.mail.fields,
        id: message.id,
        origin: message.origin,
    });
}
