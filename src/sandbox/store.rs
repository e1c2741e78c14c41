//! The rows, their ids and their indexes: all that a reset forgets.
//!
//! Nothing here decides anything; the rules do. One lock guards the whole and is held for one step at a time, so that
//! others see what a database without transactions would show them in between.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::dates::Instant;
use super::files::Files;
use super::fixture::Fixture;
use super::outbox::Mail;

/// Addresses as the server keeps them: with the holes that dropped ones leave.
pub(super) type Addresses = Box<[(u32, Box<str>)]>;

/// Codes of enumerations, as the database holds them.
pub(super) mod code {
    pub const ACTIVE: u8 = 1;
    pub const PENDING: u8 = 2;
    pub const CLOSED: u8 = 3;
    pub const SPAM: u8 = 4;
    pub const NO_CHANGE: u8 = 6;

    pub const DRAFT: u8 = 1;
    pub const PUBLISHED: u8 = 2;
    pub const DELETED: u8 = 3;

    pub const CUSTOMER: u8 = 1;
    pub const MESSAGE: u8 = 2;
    pub const NOTE: u8 = 3;
    pub const LINE_ITEM: u8 = 4;

    pub const PHONE: u8 = 2;

    /// Who wrote: in `source.via` and `latestReplyFrom`.
    pub const BY_CUSTOMER: u8 = 1;
    pub const BY_USER: u8 = 2;
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Conversation {
    pub id: u64,
    pub number: u64,
    pub kind: u8,
    pub folder: u64,
    pub status: u8,
    pub state: u8,
    pub subject: Box<str>,
    pub preview: Box<str>,
    pub mailbox: u64,
    pub assignee: Option<u64>,
    pub created_by_user: Option<u64>,
    pub created_by_customer: Option<u64>,
    pub created: Instant,
    pub updated: Instant,
    pub closed_by: Option<u64>,
    pub closed: Option<Instant>,
    pub user_updated: Option<Instant>,
    pub last_reply: Option<Instant>,
    pub last_reply_from: u8,
    pub via: u8,
    pub cc: Addresses,
    pub bcc: Addresses,
    pub customer: Option<u64>,
    pub customer_email: Box<str>,
    pub threads_count: u32,
    pub is_imported: bool,
    pub threads: Vec<Thread>,
    pub fields: Vec<(u64, Box<str>)>,
    pub tags: Vec<u64>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Thread {
    pub id: u64,
    pub kind: u8,
    pub state: u8,
    pub status: u8,
    pub is_first: bool,
    pub is_imported: bool,
    pub has_attachments: bool,
    pub body: Option<Box<str>>,
    pub customer: Option<u64>,
    pub created_by_customer: Option<u64>,
    pub created_by_user: Option<u64>,
    pub assignee: Option<u64>,
    pub to: Addresses,
    pub cc: Addresses,
    pub bcc: Addresses,
    pub created: Instant,
    pub action: Option<Box<Action>>,
    pub attachments: Vec<u64>,
}

/// What a line item tells.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Action {
    Status,
    Assignee(Option<u64>),
    Moved,
    Customer(String),
    UserDeleted,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Customer {
    pub id: u64,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub job_title: Option<String>,
    pub company: Option<String>,
    pub notes: Option<String>,
    pub city: Option<String>,
    pub state: Option<String>,
    pub zip: Option<String>,
    pub country: Option<String>,
    pub address: Option<String>,
    pub emails: Vec<Email>,
    pub phones: Vec<(String, u8)>,
    pub social_profiles: Vec<(String, u8)>,
    pub websites: Vec<String>,
    pub fields: Vec<(u64, String)>,
    pub created: Instant,
    pub updated: Instant,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Email {
    pub id: u64,
    pub value: String,
    pub kind: u8,
}

impl Customer {
    /// The first address, or the empty text.
    pub fn main_email(&self) -> &str {
        self.emails.first().map_or("", |e| &e.value)
    }

    /// First and last name, else the main address.
    pub fn shown_name(&self) -> String {
        let name = [self.first_name.as_deref(), self.last_name.as_deref()];
        let name = name.into_iter().flatten().collect::<Vec<_>>().join(" ");
        if name.is_empty() { self.main_email().to_owned() } else { name }
    }
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct User {
    pub id: u64,
    pub first_name: String,
    pub last_name: String,
    pub email: String,
    pub is_admin: bool,
    pub is_deleted: bool,
    pub alternate_emails: Option<String>,
    pub job_title: Option<String>,
    pub phone: Option<String>,
    pub timezone: String,
    pub created: Instant,
    pub updated: Instant,
}

impl User {
    pub fn shown_name(&self) -> String {
        format!("{} {}", self.first_name, self.last_name).trim().to_owned()
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Mailbox {
    pub id: u64,
    pub name: String,
    pub email: String,
    pub users: Vec<u64>,
    pub has_auto_reply: bool,
    pub folders: Vec<Folder>,
    pub fields: Vec<Field>,
    pub created: Instant,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Folder {
    pub id: u64,
    pub kind: u8,
    pub user: Option<u64>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Field {
    pub id: u64,
    pub name: String,
    pub kind: String,
    pub options: Value,
    pub is_required: bool,
    pub sort_order: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Tag {
    pub id: u64,
    pub name: String,
    pub counter: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Timelog {
    pub id: u64,
    pub conversation: u64,
    pub status: String,
    pub user: u64,
    pub time_spent: i64,
    pub is_paused: bool,
    pub is_finished: bool,
    pub created: String,
    pub updated: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Webhook {
    pub id: u64,
    pub url: String,
    pub events: Vec<(u32, String)>,
}

/// Every row. Ids start at 1 and are never given twice.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Store {
    pub users: BTreeMap<u64, User>,
    pub mailboxes: BTreeMap<u64, Mailbox>,
    pub customer_fields: Vec<Field>,
    pub customers: BTreeMap<u64, Customer>,
    /// Address in lower case → the customer that has it.
    addresses: HashMap<String, u64>,
    conversations: Vec<Option<Box<Conversation>>>,
    #[serde(skip)]
    by_created: BTreeSet<(Instant, u64)>,
    #[serde(skip)]
    by_mailbox: HashMap<u64, BTreeSet<(Instant, u64)>>,
    #[serde(skip)]
    by_customer: HashMap<u64, BTreeSet<u64>>,
    pub files: Files,
    pub tags: BTreeMap<u64, Tag>,
    tag_names: HashMap<String, u64>,
    pub timelogs: Vec<Timelog>,
    pub webhooks: BTreeMap<u64, Webhook>,
    pub outbox: Vec<Mail>,
    pub orphan_threads: u64,
    /// Mailboxes whose folders have been counted since the last reset.
    counted: BTreeSet<u64>,
    /// What folders showed before the last reset, until they are counted again: a reset leaves the counters as they
    /// were, as the reset of the server did that the recordings come from.
    stale_counts: HashMap<u64, (usize, usize)>,
    pub threads: u64,
    last_thread: u64,
    last_customer: u64,
    last_email: u64,
    last_tag: u64,
    pub last_user: u64,
    pub last_webhook: u64,
    highest_number: u64,
}

impl Store {
    /// The rows of a fixture, all created now; folders go on showing the counts given.
    pub fn new(fixture: &Fixture, now: Instant, stale_counts: HashMap<u64, (usize, usize)>) -> Store {
        let mut store = Store::default();
        fixture.fill(&mut store, now);
        store.stale_counts = stale_counts;
        store.last_user = store.users.keys().next_back().copied().unwrap_or(0);
        store
    }

    /// Builds the indexes anew, after the rows have been read from a file.
    pub fn index_all(&mut self) {
        let conversations = std::mem::take(&mut self.conversations);
        for conversation in conversations.iter().flatten() {
            self.index(conversation);
        }
        self.conversations = conversations;
    }

    pub fn conversation(&self, id: u64) -> Option<&Conversation> {
        self.conversations.get(usize::try_from(id).ok()?.checked_sub(1)?)?.as_deref()
    }

    /// For changes that no index sees: not of the mailbox, the customer or the creation date.
    pub fn conversation_mut(&mut self, id: u64) -> Option<&mut Conversation> {
        self.conversations.get_mut(usize::try_from(id).ok()?.checked_sub(1)?)?.as_deref_mut()
    }

    /// Changes a conversation in any way and keeps the indexes right.
    pub fn change<T>(&mut self, id: u64, how: impl FnOnce(&mut Conversation) -> T) -> Option<T> {
        let slot = usize::try_from(id).ok()?.checked_sub(1)?;
        let conversation = self.conversations.get_mut(slot)?.as_deref_mut()?;
        let before = (conversation.mailbox, conversation.customer);
        let done = how(conversation);
        let (mailbox, customer, created) = (conversation.mailbox, conversation.customer, conversation.created);
        if before.0 != mailbox {
            self.by_mailbox.entry(before.0).or_default().remove(&(created, id));
            self.by_mailbox.entry(mailbox).or_default().insert((created, id));
        }
        if before.1 != customer {
            if let Some(old) = before.1.and_then(|c| self.by_customer.get_mut(&c)) {
                old.remove(&id);
            }
            if let Some(new) = customer {
                self.by_customer.entry(new).or_default().insert(id);
            }
        }
        Some(done)
    }

    /// The number that the next conversation gets: one more than the highest there is.
    pub fn next_number(&self) -> u64 {
        self.highest_number + 1
    }

    /// Adds a row and gives it its id.
    pub fn insert(&mut self, mut conversation: Conversation) -> u64 {
        let id = self.conversations.len() as u64 + 1;
        conversation.id = id;
        self.highest_number = self.highest_number.max(conversation.number);
        self.counted.insert(conversation.mailbox);
        self.index(&conversation);
        self.conversations.push(Some(Box::new(conversation)));
        id
    }

    fn index(&mut self, conversation: &Conversation) {
        let key = (conversation.created, conversation.id);
        self.by_created.insert(key);
        self.by_mailbox.entry(conversation.mailbox).or_default().insert(key);
        if let Some(customer) = conversation.customer {
            self.by_customer.entry(customer).or_default().insert(conversation.id);
        }
    }

    /// Takes a conversation out with its threads and files; its tags count one less each.
    pub fn remove(&mut self, id: u64) -> Option<Conversation> {
        let slot = usize::try_from(id).ok()?.checked_sub(1)?;
        let conversation = *self.conversations.get_mut(slot)?.take()?;
        let key = (conversation.created, id);
        self.by_created.remove(&key);
        self.counted.insert(conversation.mailbox);
        if let Some(all) = self.by_mailbox.get_mut(&conversation.mailbox) {
            all.remove(&key);
        }
        if let Some(all) = conversation.customer.and_then(|c| self.by_customer.get_mut(&c)) {
            all.remove(&id);
        }
        for attachment in conversation.threads.iter().flat_map(|t| &t.attachments) {
            self.files.remove(*attachment);
        }
        for tag in &conversation.tags {
            if let Some(tag) = self.tags.get_mut(tag) {
                tag.counter -= 1;
            }
        }
        self.threads -= conversation.threads.len() as u64;
        // Numbers are the highest plus one: that of the last conversation is given again.
        if conversation.number == self.highest_number {
            self.highest_number = self.conversations().map(|c| c.number).max().unwrap_or(0);
        }
        Some(conversation)
    }

    /// All conversations by id.
    pub fn conversations(&self) -> impl DoubleEndedIterator<Item = &Conversation> {
        self.conversations.iter().filter_map(Option::as_deref)
    }

    pub fn conversation_count(&self) -> usize {
        self.by_created.len()
    }

    /// Ids in the order of creation dates.
    pub fn created_order(&self, mailbox: Option<u64>) -> Option<&BTreeSet<(Instant, u64)>> {
        match mailbox {
            None => Some(&self.by_created),
            Some(id) => self.by_mailbox.get(&id),
        }
    }

    /// Ids of one customer's conversations.
    pub fn of_customer(&self, customer: u64) -> Option<&BTreeSet<u64>> {
        self.by_customer.get(&customer)
    }

    pub fn next_thread(&mut self) -> u64 {
        self.last_thread += 1;
        self.last_thread
    }

    /// The customer with this address, compared without case as the database does.
    pub fn customer_by_email(&self, address: &str) -> Option<u64> {
        self.addresses.get(&address.to_lowercase()).copied()
    }

    /// The first customer whose phone numbers contain these digits as one whole number.
    pub fn customer_by_phone(&self, phone: &str) -> Option<u64> {
        let wanted = digits(phone);
        self.customers.values().find(|c| c.phones.iter().any(|(value, _)| digits(value) == wanted)).map(|c| c.id)
    }

    /// Adds a customer's row, without addresses.
    pub fn insert_customer(&mut self, mut customer: Customer) -> u64 {
        self.last_customer += 1;
        customer.id = self.last_customer;
        self.customers.insert(customer.id, customer);
        self.last_customer
    }

    /// Adds an address to a customer unless anybody has it. An id is used up either way, as a failed insert does.
    pub fn insert_email(&mut self, customer: u64, value: &str, kind: u8) -> bool {
        self.last_email += 1;
        let key = value.to_lowercase();
        if self.addresses.contains_key(&key) {
            return false;
        }
        let Some(row) = self.customers.get_mut(&customer) else { return false };
        row.emails.push(Email { id: self.last_email, value: value.to_owned(), kind });
        self.addresses.insert(key, customer);
        true
    }

    /// Takes an address from whoever has it, and gives its row.
    pub fn take_email(&mut self, value: &str) -> Option<(u64, Email)> {
        let owner = self.addresses.remove(&value.to_lowercase())?;
        let emails = &mut self.customers.get_mut(&owner)?.emails;
        let at = emails.iter().position(|e| e.value.to_lowercase() == value.to_lowercase())?;
        Some((owner, emails.remove(at)))
    }

    /// Gives an address's row to a customer; rows stay in the order of their ids.
    pub fn give_email(&mut self, customer: u64, email: Email) {
        self.addresses.insert(email.value.to_lowercase(), customer);
        if let Some(row) = self.customers.get_mut(&customer) {
            row.emails.push(email);
            row.emails.sort_by_key(|e| e.id);
        }
    }

    pub fn tag_by_name(&self, name: &str) -> Option<u64> {
        self.tag_names.get(name).copied()
    }

    /// The tag of this name, made when there is none.
    pub fn tag(&mut self, name: &str) -> u64 {
        if let Some(id) = self.tag_by_name(name) {
            return id;
        }
        self.last_tag += 1;
        self.tags.insert(self.last_tag, Tag { id: self.last_tag, name: name.to_owned(), counter: 0 });
        self.tag_names.insert(name.to_owned(), self.last_tag);
        self.last_tag
    }

    pub fn remove_tag(&mut self, id: u64) {
        if let Some(tag) = self.tags.remove(&id) {
            self.tag_names.remove(&tag.name);
        }
    }

    /// The folder that a conversation belongs in by its state, status and assignee; 0 when the mailbox has none.
    pub fn folder_for(&self, mailbox: u64, state: u8, status: u8, assignee: Option<u64>) -> u64 {
        let kind = match (state, status) {
            (code::DRAFT, _) => 30,
            (code::DELETED, _) => 70,
            (_, code::SPAM) => 80,
            (_, code::CLOSED) => 60,
            _ if assignee.is_some() => 40,
            _ => 1,
        };
        let folders = self.mailboxes.get(&mailbox).map_or(&[][..], |m| &m.folders);
        folders.iter().find(|f| f.kind == kind).map_or(0, |f| f.id)
    }

    /// All and active conversations of each of a mailbox's folders. Counted when asked, since between two requests
    /// nobody can see the difference to counters that are kept.
    pub fn folder_counts(&self, mailbox: u64) -> HashMap<u64, (usize, usize)> {
        let folders = self.mailboxes.get(&mailbox).map_or(&[][..], |m| &m.folders);
        if !self.counted.contains(&mailbox) {
            return folders.iter().map(|f| (f.id, self.stale_counts.get(&f.id).copied().unwrap_or_default())).collect();
        }
        let mut counts: HashMap<u64, (usize, usize)> = folders.iter().map(|f| (f.id, (0, 0))).collect();
        let mine: HashMap<u64, u64> =
            folders.iter().filter(|f| f.kind == 20).filter_map(|f| Some((f.user?, f.id))).collect();
        let rows = self.by_mailbox.get(&mailbox).into_iter().flatten().filter_map(|(_, id)| self.conversation(*id));
        for row in rows {
            let is_active = row.status == code::ACTIVE && row.state == code::PUBLISHED;
            let is_open = matches!(row.status, code::ACTIVE | code::PENDING) && row.state == code::PUBLISHED;
            let own = row.assignee.filter(|_| is_open).and_then(|user| mine.get(&user)).copied();
            for folder in [Some(row.folder), own].into_iter().flatten() {
                if let Some((total, active)) = counts.get_mut(&folder) {
                    *total += 1;
                    *active += usize::from(is_active);
                }
            }
        }
        counts
    }

    /// Marks a mailbox's folders as counted.
    pub fn count_folders(&mut self, mailbox: u64) {
        self.counted.insert(mailbox);
    }

    /// The definition of a conversation field, whichever mailbox has it.
    pub fn field(&self, id: u64) -> Option<&Field> {
        self.mailboxes.values().flat_map(|m| &m.fields).find(|f| f.id == id)
    }
}

/// The digits of a phone number.
pub(super) fn digits(phone: &str) -> String {
    phone.chars().filter(char::is_ascii_digit).collect()
}
