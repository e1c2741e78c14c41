//! Creating a thread, on its own or inside a conversation: the heart of the matter.
//!
//! The server works with a copy of the conversation that it read first and in the end writes back only what differs
//! from that copy; in between, saving the thread has changed the row behind its back. That is why a reply whose date
//! equals the stored one reads back as *now*.

use bytes::Bytes;
use serde_json::{Map, Value};

use super::customers::check_country;
use super::{Course, Depth, require};
use crate::sandbox::answer::{Answer, Stop};
use crate::sandbox::dates::{self, Instant};
use crate::sandbox::input::{id, int, is_array, is_empty, members, snake_map, text};
use crate::sandbox::outbox::{self, Event};
use crate::sandbox::store::{Addresses, Conversation, Store, Thread, code};
use crate::sandbox::text::{preview, sanitize_list};
use crate::sandbox::{Core, Server, files, show};

/// Whether a thread comes alone or inside a create, which settles folder and counters by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    Direct,
    Internal,
}

/// A thread that was created.
#[derive(Debug)]
pub(super) struct Created {
    pub id: u64,
    /// The conversation's customer afterwards.
    pub customer: Option<u64>,
    /// The date as it was given: an answer shows it before the column has changed it.
    pub given: Instant,
}

/// One attachment, decoded.
struct File {
    name: String,
    mime: String,
    bytes: Bytes,
}

impl Server {
    pub(in crate::sandbox) async fn create_thread(
        &self,
        conversation: u64,
        data: Map<String, Value>,
        course: &Course,
    ) -> Result<Answer, Stop> {
        if self.store().conversation(conversation).is_none() {
            return Err(Stop::not_found());
        }
        require(&data, &["text", "type"])?;
        let created = self.insert_thread(conversation, snake_map(data), Scope::Direct, course, 1).await?;
        let store = self.store();
        let row = store.conversation(conversation).ok_or_else(Stop::crash)?;
        let thread = row.threads.iter().find(|t| t.id == created.id).ok_or_else(Stop::crash)?;
        let mut shown = show::thread(self, &store, row, thread);
        shown["createdAt"] = dates::show(created.given).into();
        Ok(Answer::created(created.id, shown))
    }

    /// Creates one thread; `place` is which one of a create it is, counted from 1. Keys are in snake case.
    pub(super) async fn insert_thread(
        &self,
        conversation: u64,
        data: Map<String, Value>,
        scope: Scope,
        course: &Course,
        place: u32,
    ) -> Result<Created, Stop> {
        // The copy that everything later is compared with.
        let before = match self.store().conversation(conversation) {
            Some(row) => Before::of(row),
            None => return Err(Stop::not_found()),
        };
        require(&data, &["text", "type"])?;
        let kind = match &data["type"] {
            Value::String(word) => show::code_of(&show::THREAD_TYPES, word).unwrap_or(code::CUSTOMER),
            kind if is_array(kind) => return Err(Stop::crash()),
            _ => code::CUSTOMER,
        };
        let is_customer = kind == code::CUSTOMER;
        let status = data.get("status").map(thread_status).transpose()?;
        let state = match data.get("state") {
            Some(Value::String(word)) => show::code_of(&show::THREAD_STATES, word).unwrap_or(code::PUBLISHED),
            Some(state) if is_array(state) => return Err(Stop::crash()),
            _ => code::PUBLISHED,
        };

        let empty = Map::new();
        let customer = if is_empty(data.get("customer")) {
            before.customer
        } else {
            let given = data["customer"].as_object().unwrap_or(&empty);
            check_country(given)?;
            Some(self.resolve_customer(given).await?)
        };
        let user = match data.get("user") {
            given if is_customer || is_empty(given) => None,
            Some(given) if is_array(given) => return Err(Stop::crash()),
            Some(given) => id(given).filter(|id| self.store().users.contains_key(id)),
            None => None,
        };
        if is_customer && customer.is_none() {
            return Err(Stop::refuse("customer", "`customer` parameter is required"));
        }
        if matches!(kind, code::MESSAGE | code::NOTE) && user.is_none() {
            return Err(Stop::refuse("user", "`user` parameter is required"));
        }
        if !is_customer && (user.is_none() || customer.is_none()) {
            return Err(Stop::crash());
        }
        let body = text(data.get("text")).map_err(|_| Stop::crash())?;
        let cc = addresses(data.get("cc"))?;
        let bcc = addresses(data.get("bcc"))?;
        let is_imported = self.profile.takes_imports && int(data.get("imported")) != 0;
        let given = match data.get("created_at") {
            date if is_imported && !is_empty(date) => self.date(date)?,
            _ => dates::now(),
        };
        let files = self.decode(data.get("attachments")).await?;

        self.gate().await;
        let now = dates::now();
        let thread = {
            let mut store = self.store();
            let to = match customer.and_then(|c| store.customers.get(&c)) {
                Some(row) if !is_customer => sanitize_list(std::iter::once(row.main_email())),
                _ => Addresses::default(),
            };
            let thread = store.next_thread();
            let attachments: Vec<u64> =
                files.into_iter().map(|f| store.files.insert(f.name, f.mime, f.bytes)).collect();
            let row = Thread {
                id: thread,
                kind,
                state,
                status: code::ACTIVE,
                is_first: before.is_new,
                is_imported,
                has_attachments: false,
                body: body.map(Into::into),
                customer,
                created_by_customer: customer.filter(|_| is_customer),
                created_by_user: user,
                assignee: before.assignee,
                to,
                cc: cc.clone(),
                bcc: bcc.clone(),
                created: dates::stored(given),
                action: None,
                attachments,
            };
            let inside = course.dies_inside.filter(|(at, _)| *at == place).map(|(_, depth)| depth);
            if !self.save_thread(&mut store, conversation, row, now, inside) {
                store.orphan_threads += 1;
                return Err(Stop::crash());
            }
            thread
        };
        if course.dies_inside.is_some_and(|(at, _)| at == place) {
            return Err(Stop::killed());
        }

        let mut store = self.store();
        let main_email = customer.and_then(|c| store.customers.get(&c)).map_or("", |c| c.main_email()).to_owned();
        let mut updates_folder = false;
        let settled = store.change(conversation, |row| {
            if let Some(saved) = row.threads.iter_mut().rev().find(|t| t.id == thread) {
                saved.has_attachments = !saved.attachments.is_empty();
            }
            let mut copy = before.clone();
            if before.is_new {
                copy.via = if is_customer { code::BY_CUSTOMER } else { code::BY_USER };
                if is_customer {
                    row.created_by_customer = customer;
                } else {
                    row.created_by_user = user;
                }
            }
            if copy.cc != cc {
                row.cc = cc;
            }
            if !bcc.is_empty() {
                row.bcc = bcc;
            }
            if matches!(kind, code::CUSTOMER | code::MESSAGE) {
                copy.last_reply = Some(if self.profile.replies_keep_dates { dates::stored(given) } else { now });
                copy.last_reply_from = if is_customer { code::BY_CUSTOMER } else { code::BY_USER };
                let next = status.unwrap_or(if is_customer { code::ACTIVE } else { code::PENDING });
                updates_folder |= scope == Scope::Direct && copy.status != next;
                copy.status = next;
                if is_customer && copy.state == code::DELETED {
                    copy.state = code::PUBLISHED;
                    updates_folder |= scope == Scope::Direct;
                }
                if !is_customer {
                    copy.user_updated = copy.last_reply;
                }
            } else if let Some(next) = status.filter(|next| *next != copy.status) {
                copy.status = next;
                copy.user_updated = Some(dates::stored(given));
                updates_folder = true;
            }
            let changed = before.status != copy.status;
            if scope == Scope::Direct
                && kind == code::MESSAGE
                && status.is_some()
                && (changed || before.is_new)
                && copy.status == code::CLOSED
                && self.profile.closes_on_reply
            {
                row.closed_by = user;
                row.closed = Some(now);
            }
            copy.write_back(&before, row);
            row.customer = customer;
            if is_customer {
                row.customer_email = main_email.into();
            }
            row.updated = now;
        });
        if settled.is_none() {
            return Err(Stop::crash());
        }
        if updates_folder {
            refile(&mut store, conversation);
        }
        let event = match (before.is_new, is_customer, kind) {
            (true, true, _) => Some(Event::CustomerStarted),
            (true, false, _) => Some(Event::UserStarted),
            (false, true, _) | (false, false, code::NOTE) => None,
            (false, false, _) => Some(Event::UserReplied),
        };
        if let Some(event) = event {
            outbox::queue(&mut store, self.profile.core, conversation, thread, event);
        }
        let hook = match (before.is_new, is_customer, kind) {
            (true, ..) => "convo.created",
            (false, true, _) => "convo.customer.reply.created",
            (false, false, code::NOTE) => "convo.note.created",
            (false, false, _) => "convo.agent.reply.created",
        };
        self.hook(&store, hook, conversation);
        if scope == Scope::Direct
            && kind == code::MESSAGE
            && !before.is_new
            && before.status != status.unwrap_or(before.status)
        {
            self.hook(&store, "convo.status", conversation);
        }
        Ok(Created { id: thread, customer, given })
    }

    /// Saves the thread's row and tells the conversation, as the database layer does on every save of a thread.
    /// Returns false when the conversation is gone.
    pub(super) fn save_thread(
        &self,
        store: &mut Store,
        conversation: u64,
        thread: Thread,
        now: Instant,
        dies: Option<Depth>,
    ) -> bool {
        let is_newer = self.profile.core == Core::V1_8_235;
        let Some(row) = store.conversation_mut(conversation) else { return false };
        if dies != Some(Depth::Row) {
            let is_published = thread.state == code::PUBLISHED;
            let is_reply = matches!(thread.kind, code::CUSTOMER | code::MESSAGE);
            if is_published && !matches!(thread.kind, code::LINE_ITEM | code::NOTE) {
                row.threads_count += 1;
            }
            if thread.kind != code::CUSTOMER {
                row.user_updated = Some(now);
            }
            // Newer cores take a note for a reply while there is nothing else, and in phone conversations.
            let counts = is_reply
                || (is_newer && thread.kind == code::NOTE && (row.kind == code::PHONE || row.threads_count == 0));
            if counts && is_published {
                row.last_reply = Some(now);
                row.last_reply_from = if thread.kind == code::CUSTOMER { code::BY_CUSTOMER } else { code::BY_USER };
            }
            if is_published && matches!(thread.kind, code::CUSTOMER | code::MESSAGE | code::NOTE) {
                let first = || row.threads.iter().min_by_key(|t| t.id).and_then(|t| t.body.as_deref());
                let text = thread.body.as_deref().or_else(first).unwrap_or("");
                row.preview = preview(text).into();
            }
            row.updated = now;
        }
        row.threads.push(thread);
        store.threads += 1;
        true
    }

    /// A date that is given: 500 for what the parser does not know.
    pub(super) fn date(&self, value: Option<&Value>) -> Result<Instant, Stop> {
        let text = text(value).map_err(|_| Stop::crash())?.unwrap_or_default();
        dates::parse(&text, &self.profile.zone).ok_or_else(Stop::crash)
    }

    /// The attachments that are kept: whoever lacks name, type or content is dropped without a word.
    async fn decode(&self, list: Option<&Value>) -> Result<Vec<File>, Stop> {
        let Some(list) = list.filter(|l| !is_empty(Some(l))) else { return Ok(Vec::new()) };
        if !is_array(list) {
            return Err(Stop::crash());
        }
        let mut kept = Vec::new();
        for entry in members(list) {
            let part = |key: &str| entry.get(key).filter(|v| !is_empty(Some(v)));
            let (Some(name), Some(mime)) = (part("file_name"), part("mime_type")) else { continue };
            let bytes = match (part("data"), part("file_url")) {
                (Some(data), _) => files::decode_base64(data.as_str().ok_or_else(Stop::crash)?),
                (None, Some(url)) => match self.download(url.as_str().unwrap_or("")).await {
                    Some(bytes) => bytes,
                    None => continue,
                },
                (None, None) => continue,
            };
            if bytes.is_empty() || bytes == b"0" {
                continue;
            }
            let name = text(Some(name)).map_err(|_| Stop::crash())?.unwrap_or_default();
            let mime = text(Some(mime)).map_err(|_| Stop::crash())?.unwrap_or_default();
            let name = files::name(&name, &bytes, self.profile.core);
            let is_svg = mime.contains("svg") || name.to_ascii_lowercase().ends_with(".svg");
            let bytes = if is_svg { files::clean_svg(&bytes) } else { bytes };
            let mime = crate::sandbox::input::cut(&mime, 127).to_owned();
            kept.push(File { name, mime, bytes: bytes.into() });
        }
        Ok(kept)
    }
}

/// Puts a conversation into the folder that its state asks for.
pub(super) fn refile(store: &mut Store, conversation: u64) {
    let Some(row) = store.conversation(conversation) else { return };
    let (mailbox, folder) = (row.mailbox, store.folder_for(row.mailbox, row.state, row.status, row.assignee));
    store.count_folders(mailbox);
    if let Some(row) = store.conversation_mut(conversation) {
        row.folder = folder;
    }
}

/// Statuses of threads can be given as codes too; unknown words are active.
fn thread_status(given: &Value) -> Result<u8, Stop> {
    const CODES: [u8; 5] = [code::ACTIVE, code::PENDING, code::CLOSED, code::SPAM, code::NO_CHANGE];
    if is_array(given) {
        return Err(Stop::crash());
    }
    let number = text(Some(given)).ok().flatten().and_then(|t| t.parse::<u8>().ok()).filter(|n| CODES.contains(n));
    Ok(match (number, given.as_str()) {
        (Some(number), _) => number,
        (None, Some("nochange")) => code::NO_CHANGE,
        (None, Some(word)) => show::code_of(&show::STATUSES, word).unwrap_or(code::ACTIVE),
        (None, None) => code::ACTIVE,
    })
}

/// A list or a comma-separated text of addresses.
fn addresses(given: Option<&Value>) -> Result<Addresses, Stop> {
    match given {
        None | Some(Value::Null) => Ok(Addresses::default()),
        Some(list) if is_array(list) => {
            let members = members(list);
            if members.iter().any(|m| is_array(m)) {
                return Err(Stop::crash());
            }
            let texts: Vec<String> =
                members.into_iter().map(|m| text(Some(m)).ok().flatten().unwrap_or_default()).collect();
            Ok(sanitize_list(texts.iter().map(String::as_str)))
        }
        Some(one) => {
            let one = text(Some(one)).ok().flatten().unwrap_or_default();
            Ok(sanitize_list(one.split(',')))
        }
    }
}

/// The conversation as the server read it before it began.
#[derive(Debug, Clone)]
struct Before {
    is_new: bool,
    assignee: Option<u64>,
    customer: Option<u64>,
    status: u8,
    state: u8,
    via: u8,
    last_reply: Option<Instant>,
    last_reply_from: u8,
    user_updated: Option<Instant>,
    cc: Addresses,
}

impl Before {
    fn of(row: &Conversation) -> Before {
        Before {
            is_new: row.threads_count == 0,
            assignee: row.assignee,
            customer: row.customer,
            status: row.status,
            state: row.state,
            via: row.via,
            last_reply: row.last_reply,
            last_reply_from: row.last_reply_from,
            user_updated: row.user_updated,
            cc: row.cc.clone(),
        }
    }

    /// Writes what differs from the copy that was read; what equals it leaves the row as others have made it.
    fn write_back(&self, read: &Before, row: &mut Conversation) {
        if self.status != read.status {
            row.status = self.status;
        }
        if self.state != read.state {
            row.state = self.state;
        }
        if self.via != read.via {
            row.via = self.via;
        }
        if self.last_reply != read.last_reply {
            row.last_reply = self.last_reply;
        }
        if self.last_reply_from != read.last_reply_from {
            row.last_reply_from = self.last_reply_from;
        }
        if self.user_updated != read.user_updated {
            row.user_updated = self.user_updated;
        }
    }
}
