//! The `helpscout` source: what Help Scout's Mailbox API gives, saved as it came or put together by scripts.
//!
//! - API 2.0: HAL pages (`_embedded`), single conversations, threads inside or in pages beside, customers, users, teams,
//!   mailboxes, ratings.
//! - API 1.0: `{"item": …}` and `{"items": […]}`, conversations with `threads` inside.
//!
//! Files of all these kinds may lie in one folder. Bytes of attachments are found as `attachments/ID/…` or
//! `attachments/ID-…`, as they are or in the JSON (`{"data": …}`, base64) in which the API gives them.
//!
//! Promises:
//!
//! - Threads come by time, whatever order the API gave them in.
//! - A page of threads that names no conversation is given to one only on firm ground: what its links, its file's name or a
//!   conversation beside it say, or that the archive holds one conversation only. Otherwise its threads are named as lost.
//! - A conversation of which Help Scout counts more threads than the archive holds says so.
//!
//! `samples/README.md` names the oddities that the sample shows.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use crate::catalog::CatalogError;
use crate::content::Content;
use crate::finding::codes;
use crate::record::{Attachment, Body, Entry, Origin, Person, Record, RecordId};
use crate::source::dump::{
    self, Desk, Dump, Format, Owner, Part, Sort, TICKET, addresses, kind, objects, take_text, text,
};
use crate::source::joined::{id_of, scalar};

/// Ratings of a conversation; addresses and numbers of a customer.
const RATING: u8 = kind::OWN;
const REACH: u8 = kind::OWN + 1;

const CUSTOMER: &str = "customer";
const USER: &str = "user";
const TEAM: &str = "team";

/// How large a file may be in which an attachment is wrapped; Help Scout takes attachments of 10 MB.
const WRAPPED_LIMIT: u64 = 64 * 1024 * 1024;

/// The `helpscout` source.
pub static SOURCE: Dump = Dump(&HelpScout);

struct HelpScout;

/// Whether an object's keys are, beyond doubt, those of a conversation, thread or customer of Help Scout.
///
/// FreeScout's API is made after Help Scout's: it has `threadsCount`, and neither links nor a `primaryCustomer`.
fn is_helpscout(keys: &[String], _: &[u8]) -> bool {
    let has = |key: &str| keys.iter().any(|it| it == key);
    if has("threadsCount") || has("entries") {
        return false;
    }
    let is_conversation = has("subject") && (has("mailboxId") || has("mailbox")) && (has("folderId") || has("number"));
    (is_conversation && (has("primaryCustomer") || has("_links") || has("threads") || has("threadCount")))
        || (has("createdBy")
            && has("_links")
            && (has("savedReplyId") || has("openedAt") || has("action"))
            && has("type"))
        || (has("firstName") && has("_links") && (has("photoType") || has("background") || has("mention")))
}

/// The members of pages that hold elements.
const OPENS: &[&str] = &[
    "_embedded",
    "item",
    "items",
    "conversation",
    "conversations",
    "threads",
    "thread",
    "customer",
    "customers",
    "users",
    "user",
    "teams",
    "mailboxes",
    "mailbox",
    "ratings",
    "emails",
    "phones",
];

impl Format for HelpScout {
    fn name(&self) -> &'static str {
        "helpscout"
    }

    fn is_own(&self, keys: &[String], text: &[u8]) -> bool {
        is_helpscout(keys, text)
    }

    fn parts(&self) -> &'static [(u8, &'static str)] {
        &[(kind::MESSAGE, "messages"), (RATING, "ratings"), (REACH, "addresses and numbers")]
    }

    fn opens(&self, key: &str) -> bool {
        OPENS.contains(&key)
    }

    fn is_of_element(&self, key: &str) -> bool {
        ["id", "number", "subject", "type", "createdAt", "body", "firstName", "email"].contains(&key)
    }

    fn sort(&self, object: &Map<String, Value>, key: &str, _: &str) -> Sort {
        let has = |key: &str| object.contains_key(key);
        let id = |key: &str| object.get(key).and_then(id_of);
        let named = |what| Sort::Named { kind: kind::NAMED, what, id: id("id") };
        let of_conversation = || id("conversationId").map(|id| (TICKET, id));
        if has("rating") && (has("threadId") || has("conversationId")) {
            return Sort::Part { kind: RATING, owner: of_conversation() };
        }
        let is_conversation = has("primaryCustomer")
            || ((has("mailboxId") || has("mailbox")) && (has("number") || has("threads") || has("folderId")));
        if is_conversation {
            return Sort::Ticket(id("id"));
        }
        if key == "threads" || key == "thread" || (has("createdBy") && (has("body") || has("action") || has("state"))) {
            return Sort::Part { kind: kind::MESSAGE, owner: of_conversation() };
        }
        if let Some((what, id)) = self.person_key(object) {
            return Sort::Named { kind: kind::PERSON, what, id: Some(id) };
        }
        match key {
            "emails" | "phones" => Sort::Part { kind: REACH, owner: None },
            "teams" => named(TEAM),
            _ if has("slug") && has("email") => named("mailbox"),
            _ => Sort::Nothing,
        }
    }

    fn owner_in_path(&self, path: &str) -> Option<Owner> {
        let of_conversation = dump::number_beside(path, &["thread", "rating"], "conv").map(|id| (TICKET, id));
        of_conversation.or_else(|| dump::number_beside(path, &["email", "phone"], "cust").map(|id| (CUSTOMER, id)))
    }

    fn owner_in_page(&self, key: &str, value: &Value) -> Option<Owner> {
        match key {
            "conversationId" => id_of(value).map(|id| (TICKET, id)),
            "_links" => owner_in_link(value["self"]["href"].as_str()?),
            _ => None,
        }
    }

    fn take_messages(&self, conversation: &mut Map<String, Value>) -> Vec<Map<String, Value>> {
        let mut threads = Vec::new();
        if conversation.get("threads").is_some_and(Value::is_array) {
            threads = objects(conversation.shift_remove("threads"));
            let count = Value::from(threads.len());
            conversation.insert("threadCount".to_owned(), count);
        }
        if let Some(Value::Object(embedded)) = conversation.get_mut("_embedded") {
            threads.extend(objects(embedded.shift_remove("threads")));
        }
        threads
    }

    fn person_key(&self, object: &Map<String, Value>) -> Option<Owner> {
        let inner = if object.len() == 1 { object.values().next()?.as_object().unwrap_or(object) } else { object };
        let has = |key: &str| inner.contains_key(key);
        if !has("firstName") && !has("lastName") {
            return None;
        }
        let is_user =
            has("role") || has("mention") || has("timezone") || inner.get("type").is_some_and(|it| it == "user");
        inner.get("id").and_then(id_of).map(|id| (if is_user { USER } else { CUSTOMER }, id))
    }

    fn person(
        &self,
        desk: &mut Desk<'_>,
        what: &'static str,
        mut object: Map<String, Value>,
    ) -> Result<Person, CatalogError> {
        let mut person = described(&mut object, what);
        if what == CUSTOMER
            && let Some(id) = &person.id
        {
            for reach in desk.parts_of(CUSTOMER, id, REACH)? {
                add_reach(&mut person, &Value::Object(reach));
            }
        }
        person.fields = object;
        Ok(person)
    }

    fn record(
        &self,
        desk: &mut Desk<'_>,
        mut ticket: Map<String, Value>,
        origin: &Origin,
        parts: Vec<Part>,
    ) -> Result<Record, CatalogError> {
        let id = ticket.shift_remove("id").as_ref().and_then(id_of).unwrap_or_default();
        let mut requester = None;
        for key in ["primaryCustomer", "customer"] {
            requester = match (requester, ticket.shift_remove(key)) {
                (None, Some(value)) => party(desk, value, CUSTOMER)?,
                (requester, _) => requester,
            };
        }
        let mut assignee = None;
        for key in ["assignee", "owner"] {
            let Some(value) = ticket.shift_remove(key) else { continue };
            if value["type"] == TEAM {
                let name = ["first", "name", "firstName"].iter().find_map(|key| value.get(*key).and_then(text));
                ticket.insert("team".to_owned(), name.map_or(value, Value::String));
            } else if assignee.is_none() {
                assignee = party(desk, value, USER)?;
            }
        }
        let creator = match ticket.shift_remove("createdBy") {
            Some(value) => party(desk, value, CUSTOMER)?,
            None => None,
        };
        if let Some(creator) = creator.filter(|it| it.role.as_deref() == Some(CUSTOMER)) {
            match &mut requester {
                None => requester = Some(creator),
                Some(requester) if requester.id == creator.id => add(requester, creator),
                Some(_) => {}
            }
        }
        let mut entries = Vec::new();
        for part in parts {
            match part.kind {
                RATING => {
                    let mut object = part.object;
                    object.shift_remove("_links");
                    match ticket.entry("ratings").or_insert_with(|| Value::Array(Vec::new())) {
                        Value::Array(list) => list.push(Value::Object(object)),
                        other => *other = Value::Array(vec![Value::Object(object)]),
                    }
                }
                kind::MESSAGE => entries.push(entry(desk, part)?),
                _ => {}
            }
        }
        // By time, then by number: the newest come first, and some share a second.
        entries.sort_by_key(|entry: &Entry| (entry.created_at, entry.id.parse::<u64>().unwrap_or(u64::MAX)));
        if let Some(requester) = &mut requester
            && requester.emails.is_empty()
        {
            // The customer's own list is often empty where the threads have an address.
            let own = entries.iter().filter_map(|entry| entry.author.as_ref());
            if let Some(found) = own.clone().find(|it| it.id == requester.id && !it.emails.is_empty()) {
                requester.emails = found.emails.clone();
            }
        }
        let counted = ["threads", "threadCount"].iter().find_map(|key| ticket.get(*key).and_then(Value::as_u64));
        if let Some(counted) = counted
            && counted > entries.len() as u64
        {
            let message = format!(
                "Help Scout counts {counted} threads, and the archive holds {}: fetch `/v2/conversations/{id}/threads` of it",
                entries.len()
            );
            desk.odd(codes::READ_MISSING_PART, origin, message);
        } else if entries.is_empty() {
            desk.odd(codes::READ_NO_ENTRIES, origin, "the archive holds no threads of this conversation".to_owned());
        }
        let cc = ticket.shift_remove("cc").map(|list| addresses(&list)).unwrap_or_default();
        let created_at = desk.time(&mut ticket, "createdAt", origin);
        let closed_at = desk.time(&mut ticket, "closedAt", origin);
        let mut updated_at = None;
        for key in ["userUpdatedAt", "userModifiedAt", "modifiedAt"] {
            updated_at = updated_at.or(desk.time(&mut ticket, key, origin));
        }
        mailbox(desk, &mut ticket)?;
        let url = ticket.get("_links").and_then(|links| links["web"]["href"].as_str());
        let url = url.filter(|url| url.starts_with("http")).map(str::to_owned);
        ticket.shift_remove("_links");
        if let Some(Value::Object(embedded)) = ticket.get("_embedded")
            && embedded.is_empty()
        {
            ticket.shift_remove("_embedded");
        }
        let tags = match ticket.shift_remove("tags") {
            Some(Value::Array(tags)) => {
                let name = |tag: &Value| ["tag", "name"].iter().find_map(|key| tag.get(*key).and_then(text));
                tags.iter().filter_map(|tag| text(tag).or_else(|| name(tag))).collect()
            }
            _ => Vec::new(),
        };
        custom_fields(&mut ticket);
        let requester = requester.map(|it| desk.shown_once(it));
        let assignee = assignee.map(|it| desk.shown_once(it));
        let subject = take_text(&mut ticket, "subject");
        let status = take_text(&mut ticket, "status");
        let channel = take_text(&mut ticket, "type");
        ticket.retain(|_, value| !value.is_null());
        Ok(Record {
            id: RecordId::new("helpscout", id),
            origin: origin.clone(),
            subject,
            status,
            channel,
            requester,
            assignee,
            cc,
            tags,
            created_at,
            updated_at,
            closed_at,
            url,
            entries: dump::by_time(entries),
            fields: ticket,
            oddities: Vec::new(),
        })
    }
}

/// Whose page it is by its address: `…/conversations/17/threads`, `…/customers/4/emails`.
fn owner_in_link(address: &str) -> Option<Owner> {
    let parts: Vec<&str> = address.split(['/', '?']).collect();
    let after = |word: &str| {
        let at = parts.iter().position(|part| *part == word)?;
        let id = parts.get(at + 1).filter(|id| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()))?;
        parts.get(at + 2).filter(|next| !next.is_empty()).map(|_| (*id).to_owned())
    };
    after("conversations").map(|id| (TICKET, id)).or_else(|| after("customers").map(|id| (CUSTOMER, id)))
}

/// Takes the well-known parts of a person out: names have two spellings, addresses three places.
fn described(object: &mut Map<String, Value>, what: &'static str) -> Person {
    let id = object.shift_remove("id").as_ref().and_then(id_of);
    let mut parts = Vec::new();
    for keys in [["first", "firstName"], ["last", "lastName"]] {
        let found: Vec<_> = keys.iter().filter_map(|key| take_text(object, key)).collect();
        parts.extend(found.into_iter().next());
    }
    let name = if parts.is_empty() { take_text(object, "name") } else { Some(parts.join(" ")) };
    // What AI writes is `system_user` in API 3, and a user in 2.
    let role = match take_text(object, "type").as_deref() {
        Some(USER | "system_user") => USER,
        Some(CUSTOMER) => CUSTOMER,
        Some(TEAM) => TEAM,
        _ => what,
    };
    let mut person = Person { id, name, role: Some(role.to_owned()), ..Person::default() };
    person.emails.extend(take_text(object, "email").filter(|email| email.contains('@')));
    person.phones.extend(take_text(object, "phone"));
    for key in ["emails", "phones", "alternateEmails"] {
        for one in object.shift_remove(key).as_ref().and_then(Value::as_array).into_iter().flatten() {
            add_reach(&mut person, one);
        }
    }
    if let Some(Value::Object(mut embedded)) = object.shift_remove("_embedded") {
        for key in ["emails", "phones"] {
            for one in embedded.shift_remove(key).as_ref().and_then(Value::as_array).into_iter().flatten() {
                add_reach(&mut person, one);
            }
        }
        embedded.retain(|_, value| value.as_array().is_none_or(|list| !list.is_empty()));
        object.extend(embedded);
    }
    person.company = take_text(object, "organization");
    object.shift_remove("_links");
    object.retain(|_, value| !value.is_null());
    person
}

/// Adds an address or a number.
fn add_reach(person: &mut Person, one: &Value) {
    let Some(value) = text(one).or_else(|| one.get("value").and_then(text)) else { return };
    let list = if value.contains('@') { &mut person.emails } else { &mut person.phones };
    if !list.iter().any(|known| known.eq_ignore_ascii_case(&value)) {
        list.push(value);
    }
}

/// What one description has and the other lacks.
fn add(person: &mut Person, other: Person) {
    person.name = person.name.take().or(other.name);
    person.company = person.company.take().or(other.company);
    for (list, more) in [(&mut person.emails, other.emails), (&mut person.phones, other.phones)] {
        for one in more {
            if !list.iter().any(|known| known.eq_ignore_ascii_case(&one)) {
                list.push(one);
            }
        }
    }
}

/// Somebody as an object of the conversation, with what the archive's lists say.
fn party(desk: &mut Desk<'_>, value: Value, what: &'static str) -> Result<Option<Person>, CatalogError> {
    let Value::Object(mut object) = value else { return Ok(None) };
    let mut found = described(&mut object, what);
    object.shift_remove("photoUrl");
    found.fields = object;
    let kind = if found.role.as_deref() == Some(CUSTOMER) { CUSTOMER } else { USER };
    if let Some(id) = found.id.clone()
        && let Some(known) = desk.known(kind, &id)?
    {
        let fields = known.fields.clone();
        add(&mut found, known);
        for (key, value) in fields {
            found.fields.entry(key).or_insert(value);
        }
    }
    // Help Scout writes 0 or blank where nobody is meant.
    if found.id.as_deref() == Some("0") {
        found.id = None;
    }
    Ok((found.id.is_some() || found.name.is_some() || !found.emails.is_empty()).then_some(found))
}

/// The mailbox's name beside its number.
fn mailbox(desk: &mut Desk<'_>, ticket: &mut Map<String, Value>) -> Result<(), CatalogError> {
    let inner = match ticket.get("mailbox") {
        Some(Value::Object(mailbox)) => Some((mailbox.get("id").and_then(id_of), mailbox.get("name").and_then(text))),
        _ => None,
    };
    let id = ticket.get("mailboxId").and_then(id_of).or_else(|| inner.as_ref()?.0.clone());
    let mut name = inner.and_then(|(_, name)| name);
    if let Some(id) = &id
        && let Some(object) = desk.named("mailbox", id)?
    {
        name = name.or_else(|| object.get("name").and_then(text));
        if let Some(email) = object.get("email").and_then(text) {
            ticket.insert("mailbox_email".to_owned(), Value::String(email));
        }
    }
    if let Some(name) = name {
        ticket.insert("mailbox".to_owned(), Value::String(name));
    }
    Ok(())
}

/// Custom fields by name; of a list of options the label, not the number.
fn custom_fields(ticket: &mut Map<String, Value>) {
    if !ticket.get("customFields").is_some_and(Value::is_array) {
        return;
    }
    let mut named = Map::new();
    for field in objects(ticket.shift_remove("customFields")) {
        let some = |key: &str| field.get(key).filter(|it| scalar(it).is_some()).cloned();
        let id = field.get("id").and_then(id_of).unwrap_or_default();
        if let Some(value) = some("text").or_else(|| some("value")) {
            let name = field.get("name").and_then(text).unwrap_or_else(|| id.clone());
            let name = if named.contains_key(&name) { format!("{name} ({id})") } else { name };
            named.insert(name, value);
        }
    }
    if !named.is_empty() {
        ticket.insert("customFields".to_owned(), Value::Object(named));
    }
}

fn entry(desk: &mut Desk<'_>, part: Part) -> Result<Entry, CatalogError> {
    let Part { mut object, origin, .. } = part;
    let id = object.get("id").and_then(id_of).unwrap_or_else(|| dump::content_id(&object));
    object.shift_remove("id");
    let kind = take_text(&mut object, "type").unwrap_or_else(|| "message".to_owned());
    let what = if matches!(&*kind, "customer" | "beaconchat") { CUSTOMER } else { USER };
    let customer = object.shift_remove("customer");
    let mut author = match object.shift_remove("createdBy") {
        Some(value) => party(desk, value, what)?,
        None => None,
    };
    if author.is_none()
        && kind == CUSTOMER
        && let Some(customer) = customer
    {
        author = party(desk, customer, CUSTOMER)?;
    }
    let created_at = desk.time(&mut object, "createdAt", &origin);
    let mut list = |key: &str| object.shift_remove(key).map(|list| addresses(&list)).unwrap_or_default();
    let (to, cc, bcc) = (list("to"), list("cc"), list("bcc"));
    let mut body = take_text(&mut object, "body").map_or(Body::Empty, Body::Html);
    if body == Body::Empty
        && let Some(said) = object.get("action").and_then(|action| action.get("text")).and_then(text)
    {
        // A line item has no text but what happened.
        body = Body::Text(said);
    }
    let attachments = attachments(desk, &mut object, &origin)?;
    object.shift_remove("_links");
    object.retain(|_, value| !value.is_null());
    let is_public = matches!(&*kind, "customer" | "message" | "chat" | "beaconchat");
    Ok(Entry { id, origin, kind, is_public, author, to, cc, bcc, body, created_at, attachments, fields: object })
}

fn attachments(
    desk: &mut Desk<'_>,
    object: &mut Map<String, Value>,
    origin: &Origin,
) -> Result<Vec<Attachment>, CatalogError> {
    let mut files = objects(object.shift_remove("attachments"));
    if let Some(Value::Object(mut embedded)) = object.shift_remove("_embedded") {
        files.extend(objects(embedded.shift_remove("attachments")));
        if !embedded.is_empty() {
            object.insert("_embedded".to_owned(), Value::Object(embedded));
        }
    }
    let mut found = Vec::new();
    for file in files {
        let some = |keys: &[&str]| keys.iter().find_map(|key| file.get(*key).and_then(text));
        let id = file.get("id").and_then(id_of);
        let name = some(&["filename", "fileName", "name"])
            .unwrap_or_else(|| format!("attachment-{}", id.as_deref().unwrap_or("unnamed")));
        let size = file.get("size").and_then(Value::as_u64);
        let links = file.get("_links").cloned().unwrap_or_default();
        let url = some(&["url"]).or_else(|| ["web", "data"].iter().find_map(|key| text(&links[*key]["href"])));
        let inside = some(&["data"]).and_then(|data| decoded(&data));
        let here = match (&id, inside) {
            (_, Some(bytes)) => Some(Content::bytes(bytes)),
            (Some(id), None) => desk.file(id, &name)?.map(|content| bare(desk, content, &name, origin)),
            (None, None) => None,
        };
        let content = match (here, url.filter(|url| url.starts_with("http"))) {
            (Some(content), _) => content,
            (None, Some(url)) => Content::Link { url, claimed_length: size },
            (None, None) => Content::Missing { reason: "without an address".to_owned(), claimed_length: size },
        };
        let mime = some(&["mimeType", "mimetype"]);
        found.push(Attachment { name, mime, content_id: None, is_inline: false, content });
    }
    Ok(found)
}

fn decoded(data: &str) -> Option<Vec<u8>> {
    let compact: Vec<u8> = data.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    STANDARD.decode(compact).ok()
}

/// The bytes of an attachment's file, out of the JSON in which the API gives them.
fn bare(desk: &mut Desk<'_>, content: Content, name: &str, origin: &Origin) -> Content {
    if content.length().is_none_or(|length| length > WRAPPED_LIMIT) {
        return content;
    }
    let begins_so = || -> std::io::Result<bool> {
        let mut start = Vec::new();
        std::io::Read::read_to_end(&mut std::io::Read::take(content.open()?, 64), &mut start)?;
        let start: Vec<u8> = start.into_iter().filter(|byte| !byte.is_ascii_whitespace()).collect();
        Ok(start.starts_with(b"{\"data\":\""))
    };
    if !begins_so().unwrap_or(false) {
        return content;
    }
    let mut bytes = Vec::new();
    let read = content.open().and_then(|mut open| std::io::Read::read_to_end(&mut open, &mut bytes));
    let wrapped = read.ok().and_then(|_| serde_json::from_slice::<Map<String, Value>>(&bytes).ok());
    let Some(data) = wrapped.filter(|it| it.len() == 1).and_then(|it| it.get("data").and_then(text)) else {
        return content;
    };
    match decoded(&data) {
        Some(bytes) => Content::bytes(bytes),
        None => {
            let message = format!("the file of the attachment `{name}` is damaged: not base64");
            desk.odd(codes::READ_BROKEN_PART, origin, message);
            Content::Missing { reason: "damaged in the archive".to_owned(), claimed_length: None }
        }
    }
}

#[cfg(test)]
mod tests;
