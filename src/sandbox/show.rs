//! Writes rows as the API answers with them.

use serde_json::{Map, Value, json};

use super::Server;
use super::dates::{self, Instant};
use super::store::{Action, Addresses, Conversation, Customer, Field, Store, Thread, User, code};

/// Which parts of a conversation are embedded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Embed {
    pub threads: bool,
    pub timelogs: bool,
    pub tags: bool,
}

impl Embed {
    pub const THREADS: Embed = Embed { threads: true, timelogs: false, tags: false };

    /// Exactly the listed parts; words nobody knows are ignored.
    pub fn listed(words: &str) -> Embed {
        let has = |word| words.split(',').any(|w| w == word);
        Embed { threads: has("threads"), timelogs: has("timelogs"), tags: has("tags") }
    }
}

pub(super) const TYPES: [&str; 4] = ["email", "phone", "chat", "custom"];
pub(super) const STATUSES: [&str; 4] = ["active", "pending", "closed", "spam"];
pub(super) const STATES: [&str; 3] = ["draft", "published", "deleted"];
pub(super) const THREAD_TYPES: [&str; 5] = ["customer", "message", "note", "lineitem", "chat"];
pub(super) const THREAD_STATES: [&str; 4] = ["draft", "published", "hidden", "review"];
pub(super) const EMAIL_TYPES: [&str; 3] = ["work", "home", "other"];
pub(super) const PHONE_TYPES: [&str; 6] = ["work", "home", "other", "mobile", "fax", "pager"];
pub(super) const SOCIAL_TYPES: [&str; 13] = [
    "other",
    "twitter",
    "facebook",
    "telegram",
    "linkedin",
    "aboutme",
    "google",
    "googleplus",
    "tungleme",
    "quora",
    "foursquare",
    "youtube",
    "flickr",
];

/// The word for a code that counts from 1; the first word for a code that has none.
pub(super) fn word<'a>(words: &[&'a str], code: u8) -> &'a str {
    words.get(usize::from(code).wrapping_sub(1)).copied().unwrap_or(words[0])
}

/// The code for a word, counted from 1.
pub(super) fn code_of(words: &[&str], word: &str) -> Option<u8> {
    words.iter().position(|w| *w == word).map(|at| at as u8 + 1)
}

fn date(instant: Option<Instant>) -> Value {
    instant.map_or(Value::Null, |i| dates::show(i).into())
}

/// A list, or an object when dropped addresses have left holes.
fn addresses(list: &Addresses) -> Value {
    let has_holes = list.iter().enumerate().any(|(i, (key, _))| i as u32 != *key);
    if has_holes {
        Value::Object(list.iter().map(|(key, address)| (key.to_string(), Value::from(&**address))).collect())
    } else {
        list.iter().map(|(_, address)| Value::from(&**address)).collect()
    }
}

fn person_user(store: &Store, id: Option<u64>) -> Value {
    let Some(user) = id.and_then(|id| store.users.get(&id)) else { return Value::Null };
    json!({
        "id": user.id, "type": "user", "firstName": user.first_name, "lastName": user.last_name, "photoUrl": "",
        "email": user.email,
    })
}

fn person_customer(store: &Store, id: Option<u64>) -> Value {
    let Some(customer) = id.and_then(|id| store.customers.get(&id)) else { return Value::Null };
    json!({
        "id": customer.id, "type": "customer", "firstName": customer.first_name, "lastName": customer.last_name,
        "photoUrl": "", "email": customer.main_email(),
    })
}

/// Whoever created it: a user before a customer.
fn creator(store: &Store, user: Option<u64>, customer: Option<u64>) -> Value {
    if user.is_some() { person_user(store, user) } else { person_customer(store, customer) }
}

fn via(code: u8) -> &'static str {
    match code {
        code::BY_CUSTOMER => "customer",
        code::BY_USER => "user",
        _ => "",
    }
}

/// The number that is shown for a conversation.
pub(super) fn number(server: &Server, row: &Conversation) -> u64 {
    if server.profile.has_custom_numbers { row.number } else { row.id }
}

/// A conversation as get, list and create answer with it.
pub(super) fn conversation(server: &Server, store: &Store, row: &Conversation, embed: Embed) -> Value {
    let is_closed = row.status == code::CLOSED;
    let mut out = Map::with_capacity(24);
    let mut put = |key: &str, value: Value| {
        out.insert(key.to_owned(), value);
    };
    put("id", row.id.into());
    put("number", number(server, row).into());
    put("threadsCount", row.threads_count.into());
    put("type", word(&TYPES, row.kind).into());
    put("folderId", row.folder.into());
    put("status", word(&STATUSES, row.status).into());
    put("state", word(&STATES, row.state).into());
    put("subject", (*row.subject).into());
    put("preview", (*row.preview).into());
    put("mailboxId", row.mailbox.into());
    put("assignee", person_user(store, row.assignee));
    // Both can be set when a customer writes after a note: then the one that wrote last as the first counts.
    let creator = if row.via == code::BY_USER {
        person_user(store, row.created_by_user)
    } else {
        person_customer(store, row.created_by_customer)
    };
    put("createdBy", creator);
    put("createdAt", dates::show(row.created).into());
    put("updatedAt", dates::show(row.updated).into());
    put("closedBy", row.closed_by.filter(|_| is_closed).map_or(Value::Null, Value::from));
    put("closedByUser", person_user(store, row.closed_by.filter(|_| is_closed)));
    put("closedAt", date(row.closed));
    put("userUpdatedAt", date(row.user_updated));
    put(
        "customerWaitingSince",
        json!({
            "time": date(row.last_reply), "friendly": row.last_reply.map_or_else(String::new, friendly),
            "latestReplyFrom": via(row.last_reply_from),
        }),
    );
    put("source", json!({"type": "api", "via": via(row.via)}));
    put("cc", addresses(&row.cc));
    put("bcc", addresses(&row.bcc));
    put("customer", person_customer(store, row.customer));
    let mut embedded = Map::new();
    let threads = if embed.threads { threads(server, store, row) } else { Vec::new() };
    embedded.insert("threads".to_owned(), threads.into());
    if embed.timelogs && server.profile.has_time_tracking {
        embedded.insert("timelogs".to_owned(), timelogs(store, row.id).into());
    }
    if embed.tags && server.profile.has_tags {
        let tags = row.tags.iter().filter_map(|id| store.tags.get(id)).map(|t| json!({"id": t.id, "name": t.name}));
        embedded.insert("tags".to_owned(), tags.collect());
    }
    put("_embedded", embedded.into());
    let fields = store.mailboxes.get(&row.mailbox).map_or(&[][..], |m| &m.fields);
    if server.profile.has_custom_fields && !fields.is_empty() {
        put("customFields", fields.iter().map(|f| field_value(f, value_of(&row.fields, f.id))).collect());
    }
    out.into()
}

pub(super) fn value_of<T: AsRef<str>>(values: &[(u64, T)], field: u64) -> &str {
    values.iter().find(|(id, _)| *id == field).map_or("", |(_, value)| value.as_ref())
}

fn field_value(field: &Field, value: &str) -> Value {
    let text = if field.kind == "dropdown" { field_text(field, value) } else { "" };
    json!({"id": field.id, "name": field.name, "value": value, "text": text})
}

/// A field's value as agents see it: the label of a choice, else the value itself.
pub(super) fn field_text<'a>(field: &'a Field, value: &'a str) -> &'a str {
    match field.kind.as_str() {
        "dropdown" => field.options.get(value).and_then(Value::as_str).unwrap_or(""),
        _ => value,
    }
}

fn threads(server: &Server, store: &Store, row: &Conversation) -> Vec<Value> {
    published(row).into_iter().map(|t| thread(server, store, row, t)).collect()
}

/// Published threads only, newest first. The database promises nothing about equal times; recorded were the higher id
/// first, but line items in the order of their making.
pub(super) fn published(row: &Conversation) -> Vec<&Thread> {
    let mut shown: Vec<&Thread> = row.threads.iter().filter(|t| t.state == code::PUBLISHED).collect();
    shown.sort_by(|a, b| {
        let tie = match (a.kind, b.kind) {
            (code::LINE_ITEM, code::LINE_ITEM) => a.id.cmp(&b.id),
            _ => b.id.cmp(&a.id),
        };
        b.created.cmp(&a.created).then(tie)
    });
    shown
}

/// A thread as create answers with it and as conversations embed it.
pub(super) fn thread(server: &Server, store: &Store, conversation: &Conversation, row: &Thread) -> Value {
    let by_customer = row.created_by_user.is_none() && row.created_by_customer.is_some();
    let source = if row.action.is_some() { "web" } else { "api" };
    let status = match row.status {
        code::NO_CHANGE => "nochange",
        other => word(&STATUSES, other),
    };
    let files: Vec<Value> = if row.has_attachments {
        row.attachments.iter().filter_map(|id| attachment(server, store, *id)).collect()
    } else {
        Vec::new()
    };
    let mut out = Map::with_capacity(17);
    let mut put = |key: &str, value: Value| {
        out.insert(key.to_owned(), value);
    };
    put("id", row.id.into());
    put("type", word(&THREAD_TYPES, row.kind).into());
    put("status", status.into());
    put("state", word(&THREAD_STATES, row.state).into());
    put("action", action(server, store, conversation, row));
    put("body", row.body.as_deref().map_or(Value::Null, Value::from));
    put("source", json!({"type": source, "via": if by_customer { "customer" } else { "user" }}));
    put("customer", person_customer(store, row.customer));
    put("createdBy", creator(store, row.created_by_user, row.created_by_customer));
    put("assignedTo", person_user(store, row.assignee));
    put("to", addresses(&row.to));
    put("cc", addresses(&row.cc));
    put("bcc", addresses(&row.bcc));
    put("createdAt", dates::show(row.created).into());
    put("openedAt", Value::Null);
    put("_embedded", json!({"attachments": files}));
    out.into()
}

pub(super) fn action(server: &Server, store: &Store, conversation: &Conversation, row: &Thread) -> Value {
    let person = match (row.created_by_user.and_then(|id| store.users.get(&id)), row.created_by_customer) {
        (Some(user), _) => user.shown_name(),
        (None, Some(id)) => store.customers.get(&id).map(Customer::shown_name).unwrap_or_default(),
        (None, None) => String::new(),
    };
    let number = number(server, conversation);
    let (kind, text) = match row.action.as_deref() {
        Some(Action::Status) => {
            let mut status = word(&STATUSES, row.status).to_owned();
            status[..1].make_ascii_uppercase();
            ("changed-ticket-status", format!("{person} marked as {status} conversation #{number}"))
        }
        Some(Action::Assignee(to)) => {
            let whom = to.and_then(|id| store.users.get(&id)).map_or_else(|| "Unassigned".to_owned(), User::shown_name);
            ("changed-ticket-assignee", format!("{person} assigned {whom} conversation #{number}"))
        }
        Some(Action::Moved) => ("moved-from-mailbox", format!("{person} moved conversation from another mailbox")),
        Some(Action::Customer(name)) => {
            ("changed-ticket-customer", format!("{person} changed the customer to {name} in conversation #{number}"))
        }
        Some(Action::UserDeleted) => {
            ("changed-ticket-assignee", format!("{person} assigned Unassigned conversation #{number}"))
        }
        None if row.state == code::DRAFT => ("", format!("{person} created a draft")),
        None if row.is_first => ("", format!("{person} started a new conversation #{number}")),
        None if row.kind == code::NOTE => ("", format!("{person} added a note to conversation #{number}")),
        None => ("", format!("{person} replied to conversation #{number}")),
    };
    json!({"type": kind, "text": text, "associatedEntities": []})
}

fn attachment(server: &Server, store: &Store, id: u64) -> Option<Value> {
    let file = store.files.get(id)?;
    // Three digits made from the id stand for the folders that a real server spreads its files over.
    let path = format!("{}/{}/{}", id / 100 % 10, id / 10 % 10, id % 10);
    let name = file.name.replace('%', "%25");
    let url = format!("{}/storage/attachment/{path}/{name}?id={id}&token={}", server.url, server.token(id, file));
    Some(json!({"id": id, "fileName": file.name, "fileUrl": url, "mimeType": file.mime, "size": file.size}))
}

/// The time logs of a conversation, newest first.
pub(super) fn timelogs(store: &Store, conversation: u64) -> Vec<Value> {
    let logs = store.timelogs.iter().rev().filter(|log| log.conversation == conversation);
    logs.map(|log| {
        json!({
            "id": log.id, "conversationStatus": log.status, "userId": log.user, "timeSpent": log.time_spent,
            "paused": log.is_paused, "finished": log.is_finished, "createdAt": log.created, "updatedAt": log.updated,
        })
    })
    .collect()
}

/// A customer as get, list and create answer with it.
pub(super) fn customer(server: &Server, store: &Store, row: &Customer) -> Value {
    let typed = |list: &[(String, u8)], words: &[&str]| -> Vec<Value> {
        list.iter().map(|(value, kind)| json!({"id": 0, "value": value, "type": word(words, *kind)})).collect()
    };
    let emails: Vec<Value> =
        row.emails.iter().map(|e| json!({"id": e.id, "value": e.value, "type": word(&EMAIL_TYPES, e.kind)})).collect();
    let websites: Vec<Value> = row.websites.iter().map(|w| json!({"id": 0, "value": w})).collect();
    let mut out = json!({
        "id": row.id, "firstName": row.first_name, "lastName": row.last_name, "jobTitle": row.job_title,
        "company": row.company, "photoType": "unknown", "photoUrl": "", "createdAt": dates::show(row.created),
        "updatedAt": dates::show(row.updated), "notes": row.notes,
        "_embedded": {
            "emails": emails, "phones": typed(&row.phones, &PHONE_TYPES),
            "social_profiles": typed(&row.social_profiles, &SOCIAL_TYPES), "websites": websites,
            "address": {
                "city": row.city, "state": row.state, "zip": row.zip, "country": row.country, "address": row.address,
            },
        },
    });
    if server.profile.has_crm && !store.customer_fields.is_empty() {
        out["customerFields"] =
            store.customer_fields.iter().map(|f| field_value(f, value_of(&row.fields, f.id))).collect();
    }
    out
}

/// A user as get and list answer with it.
pub(super) fn user(row: &User) -> Value {
    json!({
        "id": row.id, "firstName": row.first_name, "lastName": row.last_name, "email": row.email,
        "role": if row.is_admin { "admin" } else { "user" }, "alternateEmails": row.alternate_emails,
        "jobTitle": row.job_title, "phone": row.phone, "timezone": row.timezone, "photoUrl": "",
        "language": Value::Null, "createdAt": dates::show(row.created), "updatedAt": dates::show(row.updated),
    })
}

/// A custom field's definition.
pub(super) fn field(row: &Field) -> Value {
    json!({
        "id": row.id, "name": row.name, "type": row.kind, "options": row.options, "required": row.is_required,
        "sortOrder": row.sort_order,
    })
}

/// How long ago, in words. No two servers need agree: a real one answers in its own language.
fn friendly(instant: Instant) -> String {
    let seconds = dates::now().saturating_sub(instant).max(0);
    let (count, unit) = match seconds {
        0..60 => return "just now".to_owned(),
        60..3_600 => (seconds / 60, "minute"),
        3_600..86_400 => (seconds / 3_600, "hour"),
        86_400..2_592_000 => (seconds / 86_400, "day"),
        2_592_000..31_536_000 => (seconds / 2_592_000, "month"),
        _ => (seconds / 31_536_000, "year"),
    };
    format!("{count} {unit}{} ago", if count == 1 { "" } else { "s" })
}
