//! The `intercom` source: conversations of Intercom's API, saved as they came.
//!
//! - Conversations as single objects, on lines or in arrays, each with its `conversation_parts`; API 1.x and 2.x.
//! - List and search pages, which hold headers only: no replies, and the archive's findings say so.
//! - Contacts, users, leads, admins, teams and companies from calls of their own.
//!
//! Files of all these kinds may lie in one folder. Bytes of attachments are found by nothing: Intercom gives no ids to them.
//!
//! Promises:
//!
//! - The opening message (`source`, or `conversation_message` in 1.x) is the first entry, at the conversation's own time.
//! - A conversation that stands several times comes once, as its newest copy, with the parts of all copies: a header never
//!   hides what was written, and a copy without attachments never hides those of another.
//! - Every part is an entry of its `part_type`, with or without text.
//! - More parts than are in the archive, and conversations that are headers only, are told.
//!
//! `samples/README.md` names the oddities that the sample shows.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use crate::catalog::CatalogError;
use crate::content::Content;
use crate::finding::codes;
use crate::json::Members;
use crate::record::{Attachment, Body, Entry, Origin, Person, Record, RecordId};
use crate::source::dump::{self, Desk, Dump, Format, Owner, Part, Sort, TICKET, kind, objects, take_text, text};
use crate::source::joined::{id_of, scalar};

/// Users, leads and admins: their ids are never equal.
const PERSON: &str = "person";

/// The part that the opening message becomes. A conversation has one, whatever copies of it call it.
const OPENING: &str = "source";

/// How many parts the API gives at most.
const MOST_PARTS: u64 = 500;

/// The `intercom` source.
pub static SOURCE: Dump = Dump(&Intercom);

struct Intercom;

/// Whether an object is Intercom's, beyond doubt: it says that it is a conversation or a part of one.
fn is_intercom(keys: &[String], text: &[u8]) -> bool {
    let has = |key: &str| keys.iter().any(|it| it == key);
    let is_conversation =
        has("id") && ["source", "conversation_message", "conversation_parts"].iter().any(|key| has(key));
    if !has("type") || !(is_conversation || has("part_type")) {
        return false;
    }
    let mut members = Members::new(text);
    while let Some(key) = members.next() {
        if key == "type" {
            let kind = members.value().trim_ascii_start();
            return (is_conversation && kind.starts_with(b"\"conversation\""))
                || (has("part_type") && kind.starts_with(b"\"conversation_part\""));
        }
    }
    false
}

/// The members of pages that hold elements.
const OPENS: &[&str] = &[
    "conversation",
    "conversations",
    "conversation_parts",
    "data",
    "item",
    "contacts",
    "users",
    "leads",
    "admins",
    "teams",
    "companies",
];

impl Format for Intercom {
    fn name(&self) -> &'static str {
        "intercom"
    }

    fn is_own(&self, keys: &[String], text: &[u8]) -> bool {
        is_intercom(keys, text)
    }

    fn opens(&self, key: &str) -> bool {
        OPENS.contains(&key)
    }

    fn is_of_element(&self, key: &str) -> bool {
        ["id", "part_type", "conversation_message"].contains(&key)
    }

    fn sort(&self, object: &Map<String, Value>, key: &str, _: &str) -> Sort {
        let has = |key: &str| object.contains_key(key);
        let id = || object.get("id").and_then(id_of);
        let kind = object.get("type").and_then(Value::as_str).unwrap_or_default();
        let is_conversation = has("conversation_parts") || has("source") || has("conversation_message");
        if (kind == "conversation" && (is_conversation || has("created_at"))) || (kind.is_empty() && is_conversation) {
            return Sort::Ticket(id());
        }
        if has("part_type") {
            let owner = object.get("conversation_id").and_then(id_of).map(|id| (TICKET, id));
            return Sort::Part { kind: kind::MESSAGE, owner };
        }
        if let Some((what, id)) = self.person_key(object) {
            return Sort::Named { kind: kind::PERSON, what, id: Some(id) };
        }
        match kind {
            "team" => Sort::Named { kind: kind::NAMED, what: "team", id: id() },
            "company" => Sort::Named { kind: kind::NAMED, what: "company", id: id() },
            "" if has("email") && matches!(key, "users" | "contacts" | "admins" | "leads") => {
                Sort::Named { kind: kind::PERSON, what: PERSON, id: id() }
            }
            _ => Sort::Nothing,
        }
    }

    fn owner_in_path(&self, path: &str) -> Option<Owner> {
        dump::number_beside(path, &["part"], "conv").map(|id| (TICKET, id))
    }

    fn owner_in_page(&self, key: &str, value: &Value) -> Option<Owner> {
        if key == "conversation_id" { id_of(value).map(|id| (TICKET, id)) } else { None }
    }

    fn take_messages(&self, conversation: &mut Map<String, Value>) -> Vec<Map<String, Value>> {
        let mut messages = Vec::from_iter(take_opening(conversation));
        let list = match conversation.shift_remove("conversation_parts") {
            Some(Value::Object(mut list)) => {
                let total = list.get("total_count").and_then(Value::as_u64);
                let parts = ["conversation_parts", "data"].iter().find_map(|key| list.shift_remove(*key));
                let parts = objects(parts);
                conversation.insert("part_count".to_owned(), json!(total.unwrap_or(parts.len() as u64)));
                parts
            }
            Some(list) => {
                let parts = objects(Some(list));
                conversation.insert("part_count".to_owned(), json!(parts.len()));
                parts
            }
            None => Vec::new(),
        };
        messages.extend(list);
        messages
    }

    fn tally(&self, conversation: &Map<String, Value>) -> Option<&'static str> {
        (!conversation.contains_key("conversation_parts")).then_some("headers")
    }

    fn say(&self, count: &dyn Fn(&str) -> u64) -> Vec<String> {
        match count("headers") {
            0 => Vec::new(),
            headers => vec![format!(
                "lists and searches hold headers of conversations and no replies: {headers} are here; save each \
                 conversation by its own call (`/conversations/ID`) to bring what was answered"
            )],
        }
    }

    fn person_key(&self, object: &Map<String, Value>) -> Option<Owner> {
        let kind = object.get("type").or_else(|| object.get("role")).and_then(Value::as_str)?;
        let is_person = matches!(kind, "user" | "lead" | "contact" | "admin" | "bot" | "visitor");
        if is_person { object.get("id").and_then(id_of).map(|id| (PERSON, id)) } else { None }
    }

    fn also_called(&self, person: &Map<String, Value>) -> Vec<String> {
        ["external_id", "user_id"].iter().filter_map(|key| person.get(*key).and_then(id_of)).collect()
    }

    fn person(
        &self,
        desk: &mut Desk<'_>,
        _: &'static str,
        mut object: Map<String, Value>,
    ) -> Result<Person, CatalogError> {
        let company = company(desk, &object)?;
        let id = object.shift_remove("id").as_ref().and_then(id_of);
        let name = ["name", "pseudonym"].iter().find_map(|key| take_text(&mut object, key));
        let emails = take_text(&mut object, "email").into_iter().collect();
        let phones = take_text(&mut object, "phone").into_iter().collect();
        // `type` is `contact` for all of them in 2.x.
        let role = ["role", "type"].iter().find_map(|key| object.get(*key).and_then(text));
        object.shift_remove("role");
        object.shift_remove("type");
        object.retain(|_, value| !value.is_null());
        Ok(Person { id, name, emails, phones, role, company, fields: object })
    }

    fn record(
        &self,
        desk: &mut Desk<'_>,
        mut ticket: Map<String, Value>,
        origin: &Origin,
        parts: Vec<Part>,
    ) -> Result<Record, CatalogError> {
        let id = ticket.shift_remove("id").as_ref().and_then(id_of).unwrap_or_default();
        let mut people = people(&mut ticket);
        // What is said about somebody anywhere is known everywhere in the conversation.
        let mut told = Told::default();
        parts.iter().filter_map(|part| part.object.get("author")?.as_object()).for_each(|author| told.add(author));
        people.iter().for_each(|person| told.add(person));
        // Who asked is a customer: the opener, unless staff or a bot wrote first.
        let opener = parts.iter().find(|part| is_opening(&part.object)).and_then(|part| part.object.get("author"));
        let is_customer = |who: &&Map<String, Value>| {
            matches!(who.get("type").and_then(Value::as_str), Some("user" | "lead" | "contact" | "visitor"))
        };
        let opener = opener.and_then(Value::as_object).filter(is_customer).cloned();
        let asker = opener.or_else(|| people.first().cloned());
        let mut requester = None;
        if let Some(asker) = asker {
            people.retain(|who| who.get("id") != asker.get("id"));
            requester = party(desk, asker, &told)?;
        }
        let mut cc = Vec::new();
        for other in people {
            cc.extend(party(desk, other, &told)?);
        }
        let assignee = match (ticket.shift_remove("assignee"), ticket.shift_remove("admin_assignee_id")) {
            (Some(Value::Object(admin)), _) if admin.get("type").is_some_and(|it| it == "admin") => Some(admin),
            (_, Some(id)) => id_of(&id)
                .filter(|id| id != "0")
                .map(|id| Map::from_iter([("id".to_owned(), Value::String(id)), ("type".to_owned(), json!("admin"))])),
            _ => None,
        };
        let assignee = match assignee {
            Some(admin) => party(desk, admin, &told)?,
            None => None,
        };
        if let Some(id) = ticket.shift_remove("team_assignee_id").as_ref().and_then(id_of).filter(|id| id != "0") {
            let name = desk.name("team", &id)?.unwrap_or(id);
            ticket.insert("team".to_owned(), Value::String(name));
        }
        let tags = ticket.shift_remove("tags").map(|tags| names(&tags)).unwrap_or_default();
        let created_at = desk.time(&mut ticket, "created_at", origin);
        let updated_at = desk.time(&mut ticket, "updated_at", origin);
        let closed_by_part =
            parts.iter().rev().find(|part| part.object.get("part_type").is_some_and(|kind| kind == "close"));
        let closed_by_part = closed_by_part.and_then(|part| part.object.get("created_at")).cloned();
        let last_close = ticket.get("statistics").and_then(|it| it.get("last_close_at")).cloned();
        let closed_at =
            last_close.and_then(|time| desk.time_of(&time)).or_else(|| desk.time_of(closed_by_part.as_ref()?));
        let given = parts.iter().filter(|part| !is_opening(&part.object)).count() as u64;
        match ticket.shift_remove("part_count").as_ref().and_then(Value::as_u64) {
            None if given == 0 => {
                let message = "the conversation stands in a list only, which holds no replies".to_owned();
                desk.odd(codes::READ_MISSING_PART, origin, message);
            }
            Some(counted) if counted > given => {
                let message = format!(
                    "{} of {counted} parts are not in the archive: Intercom gives at most {MOST_PARTS} of a conversation",
                    counted - given
                );
                desk.odd(codes::READ_MISSING_PART, origin, message);
            }
            _ => {}
        }
        let requester = requester.map(|it| desk.shown_once(it));
        let assignee = assignee.map(|it| desk.shown_once(it));
        let mut entries = Vec::new();
        for part in parts {
            entries.push(entry(desk, part, &told)?);
        }
        if entries.is_empty() {
            let message = "the archive holds neither an opening message nor parts of this conversation".to_owned();
            desk.odd(codes::READ_NO_ENTRIES, origin, message);
        }
        let state = ticket.shift_remove("state").as_ref().and_then(text);
        let open = ticket.shift_remove("open").and_then(|open| open.as_bool());
        let status = state.or_else(|| open.map(|is_open| if is_open { "open" } else { "closed" }.to_owned()));
        let title = take_text(&mut ticket, "title");
        let opening = take_text(&mut ticket, "opening_subject");
        let channel = take_text(&mut ticket, "opening_type");
        let url = ticket.get("links").and_then(|links| links.get("conversation_web")).and_then(text);
        for key in ["type", "links"] {
            ticket.shift_remove(key);
        }
        ticket.retain(|_, value| !value.is_null());
        Ok(Record {
            id: RecordId::new("intercom", id),
            origin: origin.clone(),
            subject: title.map(|title| plain(&title)).filter(|title| !title.is_empty()).or(opening),
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

/// Makes a part of the opening message; what it says of the conversation stays there.
fn take_opening(conversation: &mut Map<String, Value>) -> Option<Map<String, Value>> {
    let opening =
        ["source", "conversation_message"].iter().find_map(|key| conversation.shift_remove(*key)).unwrap_or_default();
    let Value::Object(mut opening) = opening else { return None };
    let subject = opening.shift_remove("subject").as_ref().and_then(Value::as_str).map(plain);
    if let Some(subject) = subject.filter(|subject| !subject.is_empty()) {
        conversation.insert("opening_subject".to_owned(), Value::String(subject));
    }
    let kind = opening.shift_remove("type").as_ref().and_then(text).filter(|kind| kind != "conversation_message");
    let kind = kind.unwrap_or_else(|| "conversation".to_owned());
    conversation.insert("opening_type".to_owned(), Value::String(kind));
    for key in ["delivered_as", "url"] {
        if let Some(value) = opening.shift_remove(key).filter(|value| !value.is_null()) {
            conversation.insert(format!("opening_{key}"), value);
        }
    }
    opening.insert("id".to_owned(), json!(OPENING));
    opening.insert("part_type".to_owned(), json!(OPENING));
    if let Some(at) = conversation.get("created_at") {
        opening.insert("created_at".to_owned(), at.clone());
    }
    Some(opening)
}

fn is_opening(part: &Map<String, Value>) -> bool {
    part.get("part_type").is_some_and(|kind| kind == OPENING)
}

/// Takes out everybody whom a conversation names as its customers, each once.
fn people(conversation: &mut Map<String, Value>) -> Vec<Map<String, Value>> {
    let mut people: Vec<Map<String, Value>> = Vec::new();
    for key in ["contacts", "customers", "user"] {
        let found = match conversation.shift_remove(key) {
            Some(Value::Object(mut list)) => {
                match list.shift_remove("contacts").or_else(|| list.shift_remove("data")) {
                    None if list.contains_key("id") => vec![list],
                    found => objects(found),
                }
            }
            found => objects(found),
        };
        for who in found {
            if !people.iter().any(|known| known.get("id") == who.get("id")) {
                people.push(who);
            }
        }
    }
    people
}

/// What a conversation says about people, by id.
#[derive(Default)]
struct Told(HashMap<String, Map<String, Value>>);

impl Told {
    fn add(&mut self, who: &Map<String, Value>) {
        if let Some(id) = who.get("id").and_then(id_of)
            && ["name", "email"].iter().any(|key| who.get(*key).and_then(text).is_some())
        {
            self.0.entry(id).or_insert_with(|| who.clone());
        }
    }
}

/// Somebody of a conversation, with what the rest of it and the archive's lists say.
fn party(desk: &mut Desk<'_>, who: Map<String, Value>, told: &Told) -> Result<Option<Person>, CatalogError> {
    let mut found = Intercom.person(desk, PERSON, who)?;
    let Some(id) = found.id.clone().filter(|id| id != "0") else {
        found.id = None;
        return Ok((found.name.is_some() || !found.emails.is_empty() || found.role.is_some()).then_some(found));
    };
    let told = told.0.get(&id).cloned();
    let told = told.map(|who| Intercom.person(desk, PERSON, who)).transpose()?;
    for other in [told, desk.known(PERSON, &id)?].into_iter().flatten() {
        found.name = found.name.or(other.name);
        found.role = found.role.or(other.role);
        found.company = found.company.or(other.company);
        for (list, more) in [(&mut found.emails, other.emails), (&mut found.phones, other.phones)] {
            if list.is_empty() {
                *list = more;
            }
        }
        for (key, value) in other.fields {
            found.fields.entry(key).or_insert(value);
        }
    }
    Ok(Some(found))
}

/// The company of a person, by name where somebody says it.
fn company(desk: &mut Desk<'_>, person: &Map<String, Value>) -> Result<Option<String>, CatalogError> {
    let Some(list) = person.get("companies") else { return Ok(None) };
    let list = list.get("companies").or_else(|| list.get("data")).unwrap_or(list);
    let Some(first) = list.as_array().and_then(|list| list.first()) else { return Ok(None) };
    if let Some(name) = first.get("name").and_then(text) {
        return Ok(Some(name));
    }
    match first.get("id").and_then(id_of) {
        Some(id) => desk.name("company", &id),
        None => Ok(None),
    }
}

/// The names in a list of objects or texts, in a list object or plain.
fn names(list: &Value) -> Vec<String> {
    let list = list.get("tags").or_else(|| list.get("data")).unwrap_or(list);
    list.as_array()
        .into_iter()
        .flatten()
        .filter_map(|tag| tag.get("name").and_then(text).or_else(|| text(tag)))
        .collect()
}

fn entry(desk: &mut Desk<'_>, part: Part, told: &Told) -> Result<Entry, CatalogError> {
    let Part { mut object, origin, .. } = part;
    let id = object.get("id").and_then(id_of).unwrap_or_else(|| dump::content_id(&object));
    object.shift_remove("id");
    let kind = take_text(&mut object, "part_type").unwrap_or_else(|| "comment".to_owned());
    let author = match object.shift_remove("author") {
        Some(Value::Object(author)) => party(desk, author, told)?,
        _ => None,
    };
    let created_at = desk.time(&mut object, "created_at", &origin);
    let is_public = !kind.contains("note");
    let body = take_text(&mut object, "body").map_or(Body::Empty, Body::Html);
    let mut attachments = Vec::new();
    for file in objects(object.shift_remove("attachments")) {
        let name = file.get("name").and_then(text).unwrap_or_else(|| "attachment".to_owned());
        let claimed_length = file.get("filesize").and_then(scalar).and_then(|size| size.parse().ok());
        let content = match file.get("url").and_then(text) {
            Some(url) => Content::Link { url, claimed_length },
            None => Content::Missing { reason: "without an address".to_owned(), claimed_length },
        };
        let mime = file.get("content_type").and_then(text);
        attachments.push(Attachment { name, mime, content_id: None, is_inline: false, content });
    }
    object.retain(|_, value| !value.is_null());
    let (to, cc, bcc) = (Vec::new(), Vec::new(), Vec::new());
    Ok(Entry { id, origin, kind, is_public, author, to, cc, bcc, body, created_at, attachments, fields: object })
}

/// A subject without its HTML: `<p>Hello</p>`.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find('<') {
        let Some(close) = rest[open..].find('>') else { break };
        plain.push_str(&rest[..open]);
        // `a < b` is no tag.
        let is_tag = rest[open + 1..].starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
        if is_tag {
            plain.push(' ');
            rest = &rest[open + close + 1..];
        } else {
            plain.push('<');
            rest = &rest[open + 1..];
        }
    }
    plain.push_str(rest);
    for (entity, c) in [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&nbsp;", " "), ("&amp;", "&")]
    {
        plain = plain.replace(entity, c);
    }
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
