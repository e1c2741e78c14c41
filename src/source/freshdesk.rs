//! The `freshdesk` source: what Freshdesk's API and its account export give, as JSON or XML.
//!
//! - API v2: lists of tickets, search results, tickets by themselves with what `include=` puts inside; lists of the
//!   conversations of each ticket; contacts, agents, companies, groups, products, time entries and ratings.
//! - API v1 and the account export: objects wrapped as `helpdesk_ticket`, with `notes` inside; also as XML
//!   (`<helpdesk-tickets type="array">`), told by its elements.
//!
//! Files of all these kinds may lie in one folder. Bytes of attachments are found as `attachments/ID/…` or
//! `attachments/ID-…`.
//!
//! Promises:
//!
//! - The number that people see is the id: `display_id` where there is one, else `id`. The two are never mixed up.
//! - The ticket's own text is its first entry: `description`, or `outbound` where an agent wrote it to a customer.
//! - Codes of status, priority, source and conversations stay codes.
//!
//! `samples/README.md` names the oddities that the sample shows.

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::catalog::CatalogError;
use crate::content::Content;
use crate::finding::codes;
use crate::record::{Attachment, Body, Entry, Origin, Person, Record, RecordId};
use crate::source::csv::person;
use crate::source::dump::{
    self, Desk, Dump, Format, Owner, Part, Sort, TICKET, addresses, kind, objects, take_text, text,
};
use crate::source::joined::{id_of, scalar};

/// Time entries and ratings.
const TIME_ENTRY: u8 = kind::OWN;
const RATING: u8 = kind::OWN + 1;

/// How many conversations the API puts into a ticket at most.
const EMBEDDED: usize = 10;

const AGENT: &str = "agent";
const CONTACT: &str = "contact";

/// The `freshdesk` source.
pub static SOURCE: Dump = Dump(&Freshdesk);

struct Freshdesk;

/// Whether an object's keys are, beyond doubt, those of a ticket, conversation or agent of Freshdesk.
fn is_freshdesk(keys: &[String], _: &[u8]) -> bool {
    let has = |key: &str| keys.iter().any(|it| it == key);
    let any = |all: &[&str]| all.iter().any(|key| has(key));
    if has("entries") {
        return false;
    }
    let own =
        ["responder_id", "fr_due_by", "frDueBy", "fr_escalated", "reply_cc_emails", "cc_email", "email_config_id"];
    (has("requester_id") && any(&own))
        || (has("ticket_id") && has("incoming") && has("private"))
        || (has("ticket_scope") && has("occasional"))
}

/// The members of pages that hold elements; wrappers of single ones among them.
const OPENS: &[&str] = &[
    "helpdesk_ticket",
    "helpdesk_tickets",
    "ticket",
    "tickets",
    "results",
    "conversation",
    "conversations",
    "note",
    "notes",
    "helpdesk_note",
    "contact",
    "contacts",
    "user",
    "users",
    "agent",
    "agents",
    "company",
    "companies",
    "customer",
    "customers",
    "group",
    "groups",
    "product",
    "products",
    "time_entry",
    "time_entries",
    "satisfaction_ratings",
];

impl Format for Freshdesk {
    fn name(&self) -> &'static str {
        "freshdesk"
    }

    fn is_own(&self, keys: &[String], text: &[u8]) -> bool {
        is_freshdesk(keys, text)
    }

    fn reads_xml(&self) -> bool {
        true
    }

    fn parts(&self) -> &'static [(u8, &'static str)] {
        &[(kind::MESSAGE, "messages"), (TIME_ENTRY, "time entries"), (RATING, "ratings")]
    }

    fn opens(&self, key: &str) -> bool {
        OPENS.contains(&key)
    }

    fn is_of_element(&self, key: &str) -> bool {
        ["id", "display_id", "subject", "requester_id", "created_at", "email", "body", "name"].contains(&key)
    }

    fn sort(&self, object: &Map<String, Value>, key: &str, file: &str) -> Sort {
        let has = |key: &str| object.contains_key(key);
        let id = |key: &str| object.get(key).and_then(id_of);
        let name = file.rsplit(['/', '\\']).next().unwrap_or_default().to_lowercase();
        let of_ticket = || id("ticket_id").map(|id| (TICKET, id));
        let named = |what| Sort::Named { kind: kind::NAMED, what, id: id("id") };
        if (has("requester_id") || has("requester")) && !has("ticket_id") {
            return Sort::Ticket(id("display_id").or_else(|| id("id")));
        }
        if has("time_spent") || has("timespent") {
            return Sort::Part { kind: TIME_ENTRY, owner: of_ticket() };
        }
        if has("survey_id") && (has("ratings") || has("rating")) {
            return Sort::Part { kind: RATING, owner: of_ticket() };
        }
        if (has("incoming") || has("private")) && (has("body") || has("body_text") || has("body_html")) {
            return Sort::Part { kind: kind::MESSAGE, owner: of_ticket() };
        }
        if let Some((what, id)) = self.person_key(object) {
            return Sort::Named { kind: kind::PERSON, what, id: Some(id) };
        }
        // Roles, groups and parts of the knowledge base look alike; there names have to tell.
        if !has("name") || name.contains("solution") || name.contains("role") {
            Sort::Nothing
        } else if has("domains") || has("cust_identifier") || name.contains("compan") || key.starts_with("compan") {
            named("company")
        } else if has("primary_email") || name.contains("product") || key.starts_with("product") {
            named("product")
        } else if has("agent_ids") || has("escalate_to") || name.contains("group") || key.starts_with("group") {
            named("group")
        } else {
            Sort::Nothing
        }
    }

    fn owner_in_path(&self, path: &str) -> Option<Owner> {
        dump::number_beside(path, &["conversation", "note", "time_entr"], "ticket").map(|id| (TICKET, id))
    }

    fn owner_in_page(&self, key: &str, value: &Value) -> Option<Owner> {
        if key == "ticket_id" { id_of(value).map(|id| (TICKET, id)) } else { None }
    }

    fn take_messages(&self, ticket: &mut Map<String, Value>) -> Vec<Map<String, Value>> {
        ["conversations", "notes", "helpdesk_notes"].iter().flat_map(|key| objects(ticket.shift_remove(*key))).collect()
    }

    fn person_key(&self, object: &Map<String, Value>) -> Option<Owner> {
        let inner = if object.len() == 1 { object.values().next()?.as_object().unwrap_or(object) } else { object };
        let has = |key: &str| inner.contains_key(key);
        if has("ticket_scope") || has("occasional") {
            // Tickets name an agent by the number of the user; in v2 it is the agent's own.
            return ["user_id", "id"].iter().find_map(|key| inner.get(*key).and_then(id_of)).map(|id| (AGENT, id));
        }
        let keys = ["email", "mobile", "phone", "twitter_id", "fb_profile_id", "helpdesk_agent"];
        if has("name") && keys.iter().any(|key| has(key)) && !has("domains") && !has("primary_email") {
            return inner.get("id").and_then(id_of).map(|id| (CONTACT, id));
        }
        None
    }

    fn person(
        &self,
        desk: &mut Desk<'_>,
        what: &'static str,
        mut object: Map<String, Value>,
    ) -> Result<Person, CatalogError> {
        let own = ["user_id", "id"].iter().find_map(|key| object.get(*key).and_then(id_of));
        // An agent's name and address are those of the contact or user inside.
        for key in ["contact", "user"] {
            if let Some(Value::Object(inner)) = object.get(key) {
                let inner = inner.clone();
                object.shift_remove(key);
                object.extend(inner);
            }
        }
        let is_agent = what == AGENT
            || object.get("helpdesk_agent") == Some(&Value::Bool(true))
            || object.get("agent").is_some_and(Value::is_object);
        object.shift_remove("id");
        object.shift_remove("user_id");
        let mut emails: Vec<String> = take_text(&mut object, "email").into_iter().collect();
        for other in ["other_emails", "user_emails"] {
            for email in object.shift_remove(other).as_ref().and_then(Value::as_array).into_iter().flatten() {
                let email = text(email).or_else(|| email.get("email").and_then(text));
                emails.extend(email.filter(|email| !email.is_empty()));
            }
        }
        emails.dedup_by(|a, b| a.eq_ignore_ascii_case(b));
        let mut phones = Vec::new();
        for key in ["phone", "mobile"] {
            phones.extend(object.shift_remove(key).as_ref().and_then(scalar).filter(|it| !phones.contains(it)));
        }
        let company = match ["company_id", "customer_id"].iter().find_map(|key| object.get(*key).and_then(id_of)) {
            Some(id) => desk.name("company", &id)?,
            None => None,
        };
        let company = company.or_else(|| object.get("company")?.get("name").and_then(text));
        let role = if is_agent { AGENT } else { CONTACT };
        let name = take_text(&mut object, "name");
        object.retain(|_, value| !value.is_null());
        Ok(Person { id: own, name, emails, phones, role: Some(role.to_owned()), company, fields: object })
    }

    fn record(
        &self,
        desk: &mut Desk<'_>,
        mut ticket: Map<String, Value>,
        origin: &Origin,
        parts: Vec<Part>,
    ) -> Result<Record, CatalogError> {
        let internal = ticket.shift_remove("id");
        let id = match ticket.shift_remove("display_id").as_ref().and_then(id_of) {
            Some(id) => {
                if let Some(internal) = internal {
                    ticket.insert("internal_id".to_owned(), internal);
                }
                id
            }
            None => internal.as_ref().and_then(id_of).unwrap_or_default(),
        };
        let requester = party(desk, &mut ticket, "requester", [CONTACT, AGENT], origin)?;
        let assignee = party(desk, &mut ticket, "responder", [AGENT, CONTACT], origin)?;
        let assignee = assignee.map(|person| Person { role: Some(AGENT.to_owned()), ..person });
        let created_at = desk.time(&mut ticket, "created_at", origin);
        let updated_at = desk.time(&mut ticket, "updated_at", origin);
        let status = ticket.shift_remove("status").as_ref().and_then(scalar);
        let channel = ticket.shift_remove("source").as_ref().and_then(scalar);
        if ticket.get("deleted") == Some(&Value::Bool(true)) {
            desk.odd(codes::READ_DELETED, origin, "the ticket is deleted in Freshdesk".to_owned());
        }
        let closed_at = closed_at(desk, &ticket, status.as_deref());
        let mut copied = ticket.shift_remove("cc_emails").map(|list| addresses(&list)).unwrap_or_default();
        if let Some(Value::Object(lists)) = ticket.get("cc_email") {
            copied.extend(lists.get("cc_emails").map(addresses).unwrap_or_default());
        }
        let requester = requester.map(|it| desk.shown_once(it));
        let assignee = assignee.map(|it| desk.shown_once(it));
        let mut entries = Vec::new();
        let is_outbound = channel.as_deref() == Some("10");
        let author = if is_outbound { assignee.clone().or_else(unnamed_agent) } else { requester.clone() };
        let kind = if is_outbound { "outbound" } else { "description" };
        let has_text =
            ["description", "description_html", "description_text"].iter().any(|key| ticket.contains_key(*key));
        let body = description(&mut ticket);
        let attachments = attachments(desk, &mut ticket)?;
        let of_messages = parts.iter().filter(|part| part.kind == kind::MESSAGE).count();
        if body != Body::Empty || !attachments.is_empty() || (has_text && of_messages == 0) {
            entries.push(Entry {
                id: kind.to_owned(),
                origin: origin.clone(),
                kind: kind.to_owned(),
                is_public: true,
                author,
                to: ticket.shift_remove("to_emails").map(|list| addresses(&list)).unwrap_or_default(),
                cc: Vec::new(),
                bcc: Vec::new(),
                body,
                created_at,
                attachments,
                fields: Map::new(),
            });
        } else if of_messages == 0 {
            desk.odd(codes::READ_NO_ENTRIES, origin, "the archive holds no text of this ticket".to_owned());
        } else if !has_text {
            let message = "the ticket's first message is missing: lists of tickets leave descriptions out; fetch it by \
                           itself, or the list with `include=description`";
            desk.odd(codes::READ_MISSING_PART, origin, message.to_owned());
        }
        let inside = parts.iter().filter(|part| part.kind == kind::MESSAGE && part.origin == *origin).count();
        if inside == EMBEDDED && of_messages == EMBEDDED {
            let message = "the API puts no more than ten conversations into a ticket, and ten are there; fetch \
                           `/conversations` of it, too";
            desk.odd(codes::READ_MISSING_PART, origin, message.to_owned());
        }
        for part in parts {
            match part.kind {
                TIME_ENTRY => collect(&mut ticket, "time_entries", self.told(desk, part.object)?),
                RATING => collect(&mut ticket, "satisfaction_ratings", self.told(desk, part.object)?),
                _ => entries.push(entry(desk, part)?),
            }
        }
        for (what, key) in [("group", "group_id"), ("company", "company_id"), ("product", "product_id")] {
            if let Some(id) = ticket.get(key).and_then(id_of)
                && let Some(name) = desk.name(what, &id)?
            {
                ticket.insert(what.to_owned(), Value::String(name));
            }
        }
        let tags = match ticket.shift_remove("tags") {
            Some(Value::Array(tags)) => {
                tags.iter().filter_map(|tag| text(tag).or_else(|| tag.get("name").and_then(text))).collect()
            }
            _ => Vec::new(),
        };
        for key in ["custom_fields", "custom_field"] {
            if let Some(Value::Object(fields)) = ticket.get_mut(key) {
                fields.retain(|_, value| !value.is_null());
            }
        }
        let subject = take_text(&mut ticket, "subject");
        ticket.retain(|_, value| !value.is_null());
        Ok(Record {
            id: RecordId::new("freshdesk", id),
            origin: origin.clone(),
            subject,
            status,
            channel,
            requester,
            assignee,
            cc: copied,
            tags,
            created_at,
            updated_at,
            closed_at,
            url: None,
            entries: dump::by_time(entries),
            fields: ticket,
            oddities: Vec::new(),
        })
    }
}

impl Freshdesk {
    /// A time entry or rating with the agent's name beside the number.
    fn told(&self, desk: &mut Desk<'_>, mut object: Map<String, Value>) -> Result<Value, CatalogError> {
        if let Some(id) = object.get("agent_id").and_then(id_of)
            && let Some(name) = desk.known(AGENT, &id)?.and_then(|agent| agent.name)
        {
            object.insert("agent".to_owned(), Value::String(name));
        }
        object.shift_remove("ticket_id");
        object.retain(|_, value| !value.is_null());
        Ok(Value::Object(object))
    }
}

fn collect(ticket: &mut Map<String, Value>, key: &str, value: Value) {
    if let Value::Array(list) = ticket.entry(key).or_insert_with(|| Value::Array(Vec::new())) {
        list.push(value);
    }
}

fn unnamed_agent() -> Option<Person> {
    Some(Person { role: Some(AGENT.to_owned()), ..Person::default() })
}

/// Somebody of a ticket: by number, as an object inside, or by name only.
fn party(
    desk: &mut Desk<'_>,
    ticket: &mut Map<String, Value>,
    who: &str,
    kinds: [&'static str; 2],
    origin: &Origin,
) -> Result<Option<Person>, CatalogError> {
    let id = ticket.shift_remove(&format!("{who}_id")).as_ref().and_then(id_of);
    let name = take_text(ticket, &format!("{who}_name")).filter(|name| name != "No Agent");
    let inner = match ticket.get(who) {
        Some(Value::Object(inner)) => {
            let inner = inner.clone();
            ticket.shift_remove(who);
            Some(Freshdesk.person(desk, kinds[0], inner)?)
        }
        _ => None,
    };
    let id = id.or_else(|| inner.as_ref()?.id.clone());
    let mut found = match &id {
        Some(id) => someone(desk, id, kinds)?,
        None => None,
    };
    if found.is_none() {
        found = inner;
    }
    if let Some(found) = &mut found {
        found.name = found.name.take().or(name);
        return Ok(Some(found.clone()));
    }
    if let Some(id) = &id {
        desk.miss(id, origin, if who == "requester" { "the requester" } else { "the agent" });
    }
    let role = (who == "responder").then(|| AGENT.to_owned());
    Ok((id.is_some() || name.is_some()).then(|| Person { id, name, role, ..Person::default() }))
}

/// The first of the two kinds that has this number; agents and contacts share one space only by luck.
fn someone(desk: &mut Desk<'_>, id: &str, kinds: [&'static str; 2]) -> Result<Option<Person>, CatalogError> {
    match desk.known(kinds[0], id)? {
        Some(found) => Ok(Some(found)),
        None => desk.known(kinds[1], id),
    }
}

/// When it was closed; one that is open or pending has been reopened.
fn closed_at(desk: &Desk<'_>, ticket: &Map<String, Value>, status: Option<&str>) -> Option<Timestamp> {
    if matches!(status, Some("2" | "3")) {
        return None;
    }
    let states = ["stats", "ticket_states"].iter().find_map(|key| ticket.get(*key))?;
    ["closed_at", "resolved_at"].iter().find_map(|key| desk.time_of(&states[*key]))
}

/// The ticket's own text: in v2 `description` is HTML, in v1 the plain form of `description_html`.
fn description(ticket: &mut Map<String, Value>) -> Body {
    let is_old = ["custom_field", "cc_email", "ticket_type"].iter().any(|key| ticket.contains_key(*key));
    let html = take_text(ticket, "description_html");
    let plain = take_text(ticket, "description_text");
    match (html, take_text(ticket, "description"), plain) {
        (Some(html), ..) => Body::Html(html),
        (None, Some(text), None) if is_old => Body::Text(text),
        (None, Some(html), _) => Body::Html(html),
        (None, None, Some(text)) => Body::Text(text),
        (None, None, None) => Body::Empty,
    }
}

fn entry(desk: &mut Desk<'_>, part: Part) -> Result<Entry, CatalogError> {
    let Part { mut object, origin, .. } = part;
    let id = object.get("id").and_then(id_of).unwrap_or_else(|| dump::content_id(&object));
    object.shift_remove("id");
    object.shift_remove("ticket_id");
    let is_incoming = object.get("incoming") == Some(&Value::Bool(true));
    let is_public = object.shift_remove("private") != Some(Value::Bool(true));
    let kinds = if is_incoming { [CONTACT, AGENT] } else { [AGENT, CONTACT] };
    let user = object.shift_remove("user_id").as_ref().and_then(id_of);
    let mut author = match &user {
        Some(id) => match someone(desk, id, kinds)? {
            Some(found) => Some(found),
            None => {
                desk.miss(id, &origin, "the author");
                Some(Person { id: Some(id.clone()), ..Person::default() })
            }
        },
        None => None,
    };
    let from = object.get("from_email").and_then(text).as_deref().and_then(person);
    if is_incoming {
        // The address of a mailbox is nobody's of whom something came in.
        match (&mut author, from) {
            (Some(author), Some(from)) if author.emails.is_empty() => {
                author.emails = from.emails;
                author.name = author.name.take().or(from.name);
            }
            (None, Some(from)) => author = Some(from),
            _ => {}
        }
    } else {
        let author = author.get_or_insert_default();
        author.role.get_or_insert_with(|| AGENT.to_owned());
        author.name = author.name.take().or(from.and_then(|from| from.name));
    }
    let mut list = |key: &str| object.shift_remove(key).map(|list| addresses(&list)).unwrap_or_default();
    let (to, cc, bcc) = (list("to_emails"), list("cc_emails"), list("bcc_emails"));
    let html = take_text(&mut object, "body_html");
    let plain = take_text(&mut object, "body_text");
    let is_old = html.is_some() || object.contains_key("deleted");
    let body = match (html, take_text(&mut object, "body"), plain) {
        (Some(html), ..) => Body::Html(html),
        (None, Some(text), None) if is_old => Body::Text(text),
        (None, Some(html), _) => Body::Html(html),
        (None, None, Some(text)) => Body::Text(text),
        (None, None, None) => Body::Empty,
    };
    let created_at = desk.time(&mut object, "created_at", &origin);
    let attachments = attachments(desk, &mut object)?;
    object.retain(|_, value| !value.is_null());
    let kind = "conversation".to_owned();
    Ok(Entry { id, origin, kind, is_public, author, to, cc, bcc, body, created_at, attachments, fields: object })
}

/// Attachments and files of other services. Links are signed and end after a day.
fn attachments(desk: &mut Desk<'_>, object: &mut Map<String, Value>) -> Result<Vec<Attachment>, CatalogError> {
    let mut found = Vec::new();
    for key in ["attachments", "cloud_files"] {
        for file in objects(object.shift_remove(key)) {
            let some = |keys: &[&str]| keys.iter().find_map(|key| file.get(*key).and_then(text));
            let id = file.get("id").and_then(id_of);
            let name = some(&["name", "content_file_name", "file_name", "filename"])
                .unwrap_or_else(|| format!("attachment-{}", id.as_deref().unwrap_or("unnamed")));
            let size = ["size", "file_size", "content_file_size"].iter().find_map(|key| file.get(*key)?.as_u64());
            let here = match &id {
                Some(id) => desk.file(id, &name)?,
                None => None,
            };
            let content = match (here, some(&["attachment_url", "url", "content_url", "link_url"])) {
                (Some(content), _) => content,
                (None, Some(url)) => Content::Link { url, claimed_length: size },
                (None, None) => Content::Missing { reason: "without an address".to_owned(), claimed_length: size },
            };
            let mime = some(&["content_type", "content_content_type"]);
            found.push(Attachment { name, mime, content_id: None, is_inline: false, content });
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
