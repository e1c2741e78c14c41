//! Conversations of a backup in the shape that the uploader and the exporters take.
//!
//! What the API cannot set is left out here and named: line items, drafts of threads, folders, numbers, who closed it,
//! when somebody opened it. `docs/backup.md` has the whole list.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::format;
use super::read::{Snapshot, Stored};
use super::{BackupError, digest};
use crate::conversation::{Attachment, Author, Conversation, Customer, Kind, Status, Thread, ThreadKind, UserRef};
use crate::finding::{Finding, codes};
use crate::freescout::wire;
use crate::record::RecordId;
use crate::upload::without_mark;

/// How many files of customers are kept at hand: conversations that lie together are often about the same people.
const CUSTOMER_FILES: usize = 8;

/// Why a stored conversation cannot be one for the uploader.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotRestorable {
    /// The line does not have the shape of a conversation.
    #[error("{origin}: it is not a conversation")]
    NotAConversation {
        /// Where it stands.
        origin: crate::record::Origin,
        /// Why.
        #[source]
        cause: serde_json::Error,
    },
    /// It has neither texts nor anything else that could be sent.
    #[error("{origin}: it has no thread that the API can create")]
    NoThreads {
        /// Where it stands.
        origin: crate::record::Origin,
    },
}

/// A conversation that can be sent, and what goes with it.
#[derive(Debug, Clone)]
pub struct Restored {
    /// The conversation.
    pub conversation: Conversation,
    /// `published`, `draft` or `deleted` in the FreeScout that was copied.
    pub state: String,
    /// What is changed or left out.
    pub findings: Vec<Finding>,
}

/// Knows the people, mailboxes and fields of a snapshot, and makes conversations of its rows.
#[derive(Debug)]
pub struct Restorer {
    snapshot: Snapshot,
    mailboxes: HashMap<u64, wire::Mailbox>,
    users: HashMap<u64, wire::User>,
    fields: HashMap<u64, wire::CustomField>,
    customers: Mutex<VecDeque<(u64, HashMap<u64, wire::Customer>)>>,
}

impl Restorer {
    /// Reads the short lists of a snapshot.
    pub fn of(snapshot: &Snapshot) -> Result<Self, BackupError> {
        fn by_id<T: serde::de::DeserializeOwned>(rows: Vec<Stored>) -> HashMap<u64, T> {
            rows.into_iter().filter_map(|row| Some((row.id, row.typed().ok()?))).collect()
        }
        Ok(Self {
            mailboxes: by_id(snapshot.list("mailboxes")?),
            users: by_id(snapshot.list("users")?),
            fields: by_id(snapshot.list("custom_fields")?),
            customers: Mutex::default(),
            snapshot: snapshot.clone(),
        })
    }

    /// A mailbox of the snapshot.
    pub fn mailbox(&self, id: u64) -> Option<&wire::Mailbox> {
        self.mailboxes.get(&id)
    }

    /// The users of the snapshot, deleted ones and robots included.
    pub fn users(&self) -> impl Iterator<Item = &wire::User> {
        self.users.values()
    }

    /// A customer with everything that the backup holds about them.
    pub fn customer(&self, id: u64) -> Result<Option<wire::Customer>, BackupError> {
        let shard = format::shard_of(id);
        // A panic elsewhere leaves whole files or none in it.
        let mut files = self.customers.lock().unwrap_or_else(PoisonError::into_inner);
        if !files.iter().any(|(known, _)| *known == shard) {
            let mut rows = HashMap::new();
            for stored in self.snapshot.shard("customers", shard) {
                let stored = stored?;
                if let Ok(customer) = stored.typed() {
                    rows.insert(stored.id, customer);
                }
            }
            files.truncate(CUSTOMER_FILES - 1);
            files.push_front((shard, rows));
        }
        Ok(files.iter().find(|(known, _)| *known == shard).and_then(|(_, rows)| rows.get(&id)).cloned())
    }

    /// A conversation of the snapshot as one that can be sent.
    pub fn conversation(&self, stored: &Stored) -> Result<Restored, NotRestorable> {
        let row: wire::Conversation =
            stored.typed().map_err(|cause| NotRestorable::NotAConversation { origin: stored.origin.clone(), cause })?;
        let id = RecordId::new("freescout", row.id.to_string());
        let mut findings = Vec::new();
        let mut find = |code, message: String| findings.push(Finding::new(code, message).about(&id, &stored.origin));

        let customer = self.person(row.customer.as_ref(), row.id);
        let mut made = Vec::new();
        for (thread, time) in written(&row) {
            if thread.created_at.is_some_and(|own| own != time) {
                find(codes::TIME_SHIFTED, format!("thread {} has the time of another and goes to `{time}`", thread.id));
            }
            made.push(self.thread(stored, thread, time, &customer, &mut find));
        }
        let line_items = row.threads().iter().filter(|thread| thread.kind == "lineitem").count();
        if line_items > 0 {
            find(codes::BACKUP_LINE_ITEM, format!("{line_items} line items stay in the backup only"));
        }
        let Some(last) = made.last().map(|thread: &Thread| thread.created_at) else {
            return Err(NotRestorable::NoThreads { origin: stored.origin.clone() });
        };
        let status = Status::from_word(&row.status).unwrap_or(Status::Closed);
        let subject: String = row.subject.trim().chars().take(998).collect();
        let tags = row.embedded.tags.iter().flatten().map(|tag| tag.name.trim().to_lowercase());
        let mut tags: Vec<String> = tags.filter(|tag| !tag.is_empty()).collect();
        let mut seen = HashSet::new();
        tags.retain(|tag| seen.insert(tag.clone()));
        let conversation = Conversation {
            mailbox: row.mailbox_id.map(|id| {
                self.mailboxes.get(&id).map_or_else(|| format!("mailbox {id}"), |mailbox| mailbox.email.clone())
            }),
            kind: Kind::from_word(&row.kind).unwrap_or(Kind::Email),
            status,
            subject: if subject.is_empty() { "(no subject)".to_owned() } else { subject },
            assignee: row.assignee.as_ref().and_then(|person| self.user(person)),
            created_at: row.created_at.or_else(|| made.first().map(|thread| thread.created_at)).unwrap_or(last),
            closed_at: (status == Status::Closed).then(|| row.closed_at.map_or(last, |closed| closed.max(last))),
            threads: made,
            tags,
            fields: self.fields_of(&row),
            customer,
            origin: stored.origin.clone(),
            id,
        };
        Ok(Restored { conversation, state: row.state, findings })
    }

    fn thread(
        &self,
        stored: &Stored,
        thread: &wire::Thread,
        created_at: Timestamp,
        customer: &Customer,
        find: &mut impl FnMut(&'static str, String),
    ) -> Thread {
        let by_user = thread.created_by.as_ref().filter(|person| person.kind == "user");
        let kind = kind_of(thread);
        let author = match kind {
            ThreadKind::Customer => {
                let whose = thread.created_by.as_ref().filter(|person| person.kind == "customer");
                let whose = whose.or(thread.customer.as_ref());
                Author::Customer(whose.map_or_else(|| customer.clone(), |person| self.person(Some(person), stored.id)))
            }
            _ => Author::User(by_user.and_then(|person| self.user(person)).unwrap_or(UserRef::FirstAdministrator)),
        };
        let shown_name = by_user.map(|person| {
            let names = [person.first_name.as_deref(), person.last_name.as_deref()];
            names.into_iter().flatten().collect::<Vec<_>>().join(" ")
        });
        let mut attachments = Vec::new();
        for attachment in thread.attachments() {
            let content = stored.attachment(attachment.id.unwrap_or_default());
            if content.length().is_none_or(|length| length == 0) {
                find(codes::ATTACHMENT_MISSING, format!("the backup does not hold `{}`", attachment.file_name));
                continue;
            }
            let mime = Some(&attachment.mime_type).filter(|mime| !mime.is_empty());
            attachments.push(Attachment {
                name: attachment.file_name.clone(),
                mime: mime.map_or_else(|| "application/octet-stream".to_owned(), Clone::clone),
                content,
            });
        }
        let body = unmarked(thread.body.as_deref().unwrap_or_default());
        Thread {
            entry: thread.id.to_string(),
            kind,
            author,
            shown_name: shown_name.filter(|name| !name.is_empty()),
            body,
            cc: addresses(&thread.cc),
            bcc: addresses(&thread.bcc),
            created_at,
            attachments,
        }
    }

    /// A user by address; nobody for those without one.
    pub(super) fn user(&self, person: &wire::Person) -> Option<UserRef> {
        let known = person.id.and_then(|id| self.users.get(&id));
        let address = known.map_or(person.email.as_str(), |user| user.email.as_str()).trim().to_lowercase();
        address.contains('@').then_some(UserRef::Address(address))
    }

    /// A customer with all addresses; somebody without any gets a stand-in that is the same each time.
    fn person(&self, person: Option<&wire::Person>, conversation: u64) -> Customer {
        // A customer file that cannot be read costs the particulars, not the conversation: verify names the file.
        let known = person.and_then(|person| person.id).and_then(|id| self.customer(id).ok().flatten());
        if let Some(known) = known {
            return customer_of(&known);
        }
        let mut emails = addresses(&person.map(|person| person.email.clone()).into_iter().collect::<Vec<_>>());
        let is_stand_in = emails.is_empty();
        if is_stand_in {
            let whose = person.and_then(|person| person.id);
            emails.push(stand_in(&whose.map_or_else(|| format!("of-{conversation}"), |id| id.to_string())));
        }
        let text = |value: Option<&String>| value.cloned().unwrap_or_default();
        Customer {
            key: emails[0].clone(),
            first_name: text(person.and_then(|person| person.first_name.as_ref())),
            last_name: text(person.and_then(|person| person.last_name.as_ref())),
            emails,
            is_stand_in,
            ..Customer::default()
        }
    }

    /// Fields that have a value, by their present names.
    pub(super) fn fields_of(&self, row: &wire::Conversation) -> Vec<(String, String)> {
        let set = row.custom_fields.iter().flatten().filter(|field| !field.value.is_empty());
        set.map(|field| {
            let name = self.fields.get(&field.id).map_or(&field.name, |known| &known.name);
            (name.clone(), shown(field))
        })
        .collect()
    }

    /// What distinguishes two readings of a conversation: equal digests mean that nobody has changed anything.
    pub fn digest(stored: &Stored) -> String {
        digest::whole(&stored.raw)
    }
}

/// A customer of a backup as a person: one without any address gets a stand-in that is the same each time.
pub(super) fn customer_of(known: &wire::Customer) -> Customer {
    let mut emails = addresses(&known.emails().map(str::to_owned).collect::<Vec<_>>());
    let is_stand_in = emails.is_empty();
    if is_stand_in {
        emails.push(stand_in(&known.id.to_string()));
    }
    let text = |value: Option<&String>| value.cloned().unwrap_or_default();
    let values = |entries: &[wire::Entry]| entries.iter().map(|entry| entry.value.clone()).collect();
    let fields = known.customer_fields.iter().flatten().filter(|field| !field.value.is_empty());
    Customer {
        key: emails[0].clone(),
        first_name: text(known.first_name.as_ref()),
        last_name: text(known.last_name.as_ref()),
        emails,
        is_stand_in,
        phones: values(&known.embedded.phones),
        company: known.company.clone(),
        job_title: known.job_title.clone(),
        notes: known.notes.clone(),
        websites: values(&known.embedded.websites),
        fields: fields.map(|field| (field.name.clone(), Value::from(shown(field)))).collect(),
    }
}

/// The address of somebody who has none.
pub(super) fn stand_in(whose: &str) -> String {
    format!("freescout-{whose}@no-address.invalid")
}

/// The threads that the API can create, oldest first, each with its time: those of one second go to the seconds after it.
pub(super) fn written(row: &wire::Conversation) -> Vec<(&wire::Thread, Timestamp)> {
    let mut threads: Vec<&wire::Thread> = row.threads().iter().filter(|thread| thread.kind != "lineitem").collect();
    threads.sort_by_key(|thread| (thread.created_at, thread.id));
    let mut taken = HashSet::new();
    let mut timed = Vec::with_capacity(threads.len());
    for thread in threads {
        let mut time = thread.created_at.or(row.created_at).unwrap_or(Timestamp::UNIX_EPOCH);
        while !taken.insert(time.as_second()) {
            time = time.saturating_add(SignedDuration::from_secs(1)).unwrap_or(Timestamp::MAX);
        }
        timed.push((thread, time));
    }
    timed
}

/// A text without the mark of the import that made it: a restore puts its own there.
pub(super) fn unmarked(text: &str) -> String {
    let text = without_mark(text);
    // A line break shows nothing, as an empty text does, and is not blank.
    if text.is_empty() { "<br>".to_owned() } else { text.to_owned() }
}

/// What a thread is: a chat's is its writer's.
pub(super) fn kind_of(thread: &wire::Thread) -> ThreadKind {
    let is_by_user = thread.created_by.as_ref().is_some_and(|person| person.kind == "user");
    match thread.kind.as_str() {
        "message" => ThreadKind::Message,
        "note" => ThreadKind::Note,
        "customer" => ThreadKind::Customer,
        _ if is_by_user => ThreadKind::Message,
        _ => ThreadKind::Customer,
    }
}

/// A dropdown's label, else the value.
pub(super) fn shown(field: &wire::FieldValue) -> String {
    if field.text.is_empty() { field.value.clone() } else { field.text.clone() }
}

/// Bare addresses in lower case, each once.
pub(super) fn addresses(list: &[String]) -> Vec<String> {
    let mut seen = HashSet::new();
    let lower = list.iter().map(|address| address.trim().to_lowercase());
    lower.filter(|address| address.contains('@') && seen.insert(address.clone())).collect()
}
