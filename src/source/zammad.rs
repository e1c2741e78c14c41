//! The `zammad` source: answers of Zammad's API, saved as they came.
//!
//! - Tickets from lists, searches and single calls; with names (`expand=true`), with ids only, or as a map of assets
//!   (`all=true`, `full=true`).
//! - Articles, tags, users, groups, organisations, states, priorities and roles from calls of their own.
//!
//! Files of all these kinds may lie in one folder. Bytes of attachments are found as `attachments/ID/…` or
//! `attachments/ID-…`.
//!
//! Promises:
//!
//! - A ticket that stands several times comes once, as its newest copy; names that only an older copy has are taken as
//!   long as they are those of the same ids.
//! - Nobody owns what user 1 (`-`) owns, and nobody wrote what user 1 wrote.
//! - Whoever an agent writes for (`origin_by_id`) is the author.
//! - Tags come from answers that name their ticket: in the object, in the page around it, or in the file's name.
//! - Articles and tags that are not in the archive are told.
//!
//! `samples/README.md` names the oddities that the sample shows.

use std::path::Path;

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

/// Tags of a ticket, and its links to others.
const TAGS: u8 = kind::OWN;
const LINKS: u8 = kind::OWN + 1;

const USER: &str = "user";

/// Names of states in a new installation; ids above differ from version to version.
const STATES: &[&str] = &["new", "open", "pending reminder", "closed", "merged"];

/// Names of priorities in a new installation.
const PRIORITIES: &[&str] = &["1 low", "2 normal", "3 high"];

/// Names of the kinds of articles in a new installation.
const TYPES: &[&str] = &[
    "email",
    "sms",
    "chat",
    "fax",
    "phone",
    "twitter status",
    "twitter direct-message",
    "facebook feed post",
    "facebook feed comment",
    "note",
    "web",
];

/// Who sends articles.
const SENDERS: &[&str] = &["Agent", "Customer", "System"];

/// Names of the roles in a new installation.
const ROLES: &[&str] = &["Admin", "Agent", "Customer"];

/// The `zammad` source.
pub static SOURCE: Dump = Dump(&Zammad);

struct Zammad;

/// Whether an object with these keys is Zammad's, beyond doubt: a ticket, an article or a user.
fn is_zammad(keys: &[String], _: &[u8]) -> bool {
    let has = |key: &str| keys.iter().any(|it| it == key);
    let all = |wanted: &[&str]| wanted.iter().all(|key| has(key));
    let any = |wanted: &[&str]| wanted.iter().any(|key| has(key));
    (all(&["number", "title"])
        && any(&["customer_id", "customer"])
        && any(&["state_id", "article_ids", "article_count", "create_article_type_id", "group_id"]))
        || (all(&["ticket_id", "internal"]) && any(&["sender_id", "sender"]) && any(&["type_id", "content_type"]))
        || (all(&["login", "firstname", "lastname"]) && any(&["role_ids", "out_of_office", "preferences"]))
}

/// The members of pages that hold elements, beside kinds of assets (`Ticket`) and their ids.
const OPENS: &[&str] = &[
    "assets",
    "tickets",
    "ticket",
    "articles",
    "ticket_articles",
    "users",
    "groups",
    "organizations",
    "roles",
    "states",
    "ticket_states",
    "priorities",
    "ticket_priorities",
    "records",
];

/// What a ticket of Zammad has by itself, beside what becomes part of the record.
///
/// From recorded answers of Zammad 6 and <https://docs.zammad.org/en/latest/api/ticket/index.html>.
const KNOWN: &[&str] = &[
    "article_count",
    "article_ids",
    "checklist_id",
    "close_at",
    "close_diff_in_min",
    "close_escalation_at",
    "close_in_min",
    "create_article_sender_id",
    "create_article_type_id",
    "created_by_id",
    "escalation_at",
    "first_response_at",
    "first_response_diff_in_min",
    "first_response_escalation_at",
    "first_response_in_min",
    "group_id",
    "last_close_at",
    "last_contact_agent_at",
    "last_contact_at",
    "last_contact_customer_at",
    "last_owner_update_at",
    "note",
    "number",
    "organization_id",
    "pending_time",
    "preferences",
    "priority_id",
    "referencing_checklist_ids",
    "ticket_time_accounting",
    "ticket_time_accounting_ids",
    "time_unit",
    "type",
    "update_diff_in_min",
    "update_escalation_at",
    "update_in_min",
    "updated_by_id",
];

/// Whether a ticket's key is one of Zammad's own, or the name that `expand=true` adds to an id.
fn is_known(key: &str) -> bool {
    KNOWN.contains(&key) || KNOWN.iter().any(|it| it.strip_suffix("_id") == Some(key))
}

impl Format for Zammad {
    fn name(&self) -> &'static str {
        "zammad"
    }

    fn is_own(&self, keys: &[String], text: &[u8]) -> bool {
        is_zammad(keys, text)
    }

    fn parts(&self) -> &'static [(u8, &'static str)] {
        &[(kind::MESSAGE, "messages"), (TAGS, "lists of tags"), (LINKS, "lists of links")]
    }

    fn opens(&self, key: &str) -> bool {
        // Assets are maps of maps: `Ticket`, then ids.
        OPENS.contains(&key) || key.starts_with(|c: char| c.is_ascii_uppercase()) || dump::is_number(key)
    }

    fn is_of_element(&self, key: &str) -> bool {
        key == "id"
    }

    fn list_in_page(&self, key: &str) -> Option<u8> {
        match key {
            "tags" => Some(TAGS),
            "links" => Some(LINKS),
            _ => None,
        }
    }

    fn sort(&self, object: &Map<String, Value>, key: &str, file: &str) -> Sort {
        let has = |key: &str| object.contains_key(key);
        let any = |keys: &[&str]| keys.iter().any(|key| has(key));
        let id = |key: &str| object.get(key).and_then(id_of);
        if has("ticket_id") && any(&["sender_id", "sender"]) && any(&["internal", "body", "content_type"]) {
            return Sort::Part { kind: kind::MESSAGE, owner: id("ticket_id").map(|id| (TICKET, id)) };
        }
        let is_ticket = any(&["customer_id", "customer"])
            && any(&["number", "title"])
            && any(&["state_id", "state", "group_id", "group"]);
        if is_ticket {
            return Sort::Ticket(id("id"));
        }
        if has("tags") && !has("id") {
            let owner = id("o_id").or_else(|| id("ticket_id")).map(|id| (TICKET, id));
            return Sort::Part { kind: TAGS, owner };
        }
        if let Some((what, id)) = self.person_key(object) {
            return Sort::Named { kind: kind::PERSON, what, id: Some(id) };
        }
        if !has("name") || !has("id") {
            return Sort::Nothing;
        }
        // Without the member of a page that it stands under, the file's name tells.
        let place = if key.is_empty() { file.rsplit(['/', '\\']).next().unwrap_or_default() } else { key };
        let place = place.to_lowercase();
        let is = |word: &str| place.contains(word);
        let what = if any(&["state_type_id", "ignore_escalation"]) || is("state") {
            "state"
        } else if any(&["ui_icon", "ui_color"]) || is("priorit") {
            "priority"
        } else if any(&["permission_ids", "default_at_signup"]) || is("role") {
            "role"
        } else if any(&["domain_assignment", "member_ids"]) || is("organi") {
            "organization"
        } else if any(&["follow_up_possible", "email_address_id", "signature_id"]) || is("group") {
            "group"
        } else if has("communication") || is("article_type") {
            "type"
        } else {
            return Sort::Nothing;
        };
        Sort::Named { kind: kind::NAMED, what, id: id("id") }
    }

    fn owner_in_path(&self, path: &str) -> Option<Owner> {
        // `tags?object=Ticket&o_id=12` as it is saved by name.
        let stem = Path::new(path).file_stem()?.to_str()?.to_lowercase();
        let words: Vec<&str> = stem.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
        let named = words.windows(3).find(|it| it[..2] == ["o", "id"] && dump::is_number(it[2]));
        let named = named.map(|it| it[2].to_owned());
        named.or_else(|| dump::number_beside(path, &["tag", "link"], "ticket")).map(|id| (TICKET, id))
    }

    fn owner_in_page(&self, key: &str, value: &Value) -> Option<Owner> {
        if key == "ticket_id" || key == "o_id" { id_of(value).map(|id| (TICKET, id)) } else { None }
    }

    fn fill(&self, ticket: &mut Map<String, Value>, older: Map<String, Value>) {
        let of_other_id = |ticket: &Map<String, Value>, key: &str| {
            let key = format!("{key}_id");
            ticket.get(&key).is_some_and(|id| older.get(&key) != Some(id))
        };
        for (key, value) in &older {
            if !ticket.contains_key(key) && !of_other_id(ticket, key) {
                ticket.insert(key.clone(), value.clone());
            }
        }
    }

    fn take_messages(&self, ticket: &mut Map<String, Value>) -> Vec<Map<String, Value>> {
        ["articles", "ticket_articles"].iter().flat_map(|key| objects(ticket.shift_remove(*key))).collect()
    }

    fn tally(&self, ticket: &Map<String, Value>) -> Option<&'static str> {
        (!ticket.get("state").is_some_and(Value::is_string)).then_some("nameless")
    }

    fn say(&self, count: &dyn Fn(&str) -> u64) -> Vec<String> {
        let mut said = Vec::new();
        if count("tickets") > 0 && count("lists of tags") == 0 {
            said.push(
                "the archive holds no tags: Zammad gives them by a call for each ticket \
                 (`/api/v1/tags?object=Ticket&o_id=ID`); save the answers as `tags_ID.json` to bring them"
                    .to_owned(),
            );
        }
        if count("nameless") > 0 && count("state") == 0 {
            said.push(format!(
                "{} tickets have their states as numbers, and the archive holds no list of states \
                 (`/api/v1/ticket_states`); those from 1 to 5 are taken for the ones that Zammad begins with",
                count("nameless")
            ));
        }
        said
    }

    fn person_key(&self, object: &Map<String, Value>) -> Option<Owner> {
        let is_user = object.contains_key("login")
            && ["firstname", "lastname", "email"].iter().any(|key| object.contains_key(*key));
        if is_user { object.get("id").and_then(id_of).map(|id| (USER, id)) } else { None }
    }

    fn also_called(&self, user: &Map<String, Value>) -> Vec<String> {
        // With `expand=true` people are named by login, which mostly is the address.
        let names = ["login", "email"].iter().filter_map(|key| user.get(*key).and_then(text));
        names.map(|name| name.to_lowercase()).filter(|name| name != "-").collect()
    }

    fn person(
        &self,
        desk: &mut Desk<'_>,
        _: &'static str,
        mut user: Map<String, Value>,
    ) -> Result<Person, CatalogError> {
        let id = user.shift_remove("id").as_ref().and_then(id_of);
        let names: Vec<String> = ["firstname", "lastname"].iter().filter_map(|key| take_text(&mut user, key)).collect();
        let mut phones = Vec::new();
        for key in ["phone", "mobile"] {
            phones.extend(take_text(&mut user, key).filter(|it| !phones.contains(it)));
        }
        let company = named(desk, &user, "organization", &[])?;
        let role = match user.get("roles").and_then(Value::as_array).and_then(|roles| roles.first()?.as_str()) {
            Some(role) => Some(role.to_owned()),
            None => match user.get("role_ids").and_then(Value::as_array).and_then(|ids| id_of(ids.first()?)) {
                Some(id) => name_of(desk, "role", &id, ROLES)?,
                None => None,
            },
        };
        let emails = take_text(&mut user, "email").into_iter().collect();
        let name = (!names.is_empty()).then(|| names.join(" "));
        user.retain(|_, value| !value.is_null());
        Ok(Person { id, name, emails, phones, role, company, fields: user })
    }

    fn record(
        &self,
        desk: &mut Desk<'_>,
        mut ticket: Map<String, Value>,
        origin: &Origin,
        parts: Vec<Part>,
    ) -> Result<Record, CatalogError> {
        let id = ticket.shift_remove("id").as_ref().and_then(id_of).unwrap_or_default();
        let mut requester = party(desk, &mut ticket, "customer", origin)?;
        let assignee = party(desk, &mut ticket, "owner", origin)?;
        let status = named(desk, &ticket, "state", STATES)?;
        let channel = named(desk, &ticket, "create_article_type", TYPES)?;
        for key in ["state", "state_id", "create_article_type", "create_article_type_id"] {
            ticket.shift_remove(key);
        }
        for (key, names) in [("group", &[][..]), ("priority", PRIORITIES), ("organization", &[])] {
            let name = named(desk, &ticket, key, names)?;
            ticket.shift_remove(&format!("{key}_id"));
            ticket.shift_remove(key);
            ticket.extend(name.map(|name| (key.to_owned(), Value::String(name))));
        }
        let created_at = desk.time(&mut ticket, "created_at", origin);
        let updated_at = desk.time(&mut ticket, "updated_at", origin);
        let mut closed_at = None;
        for key in ["last_close_at", "close_at"] {
            closed_at = closed_at.or(desk.time(&mut ticket, key, origin));
        }
        let mut tags = Vec::new();
        let mut add = |value: Option<&Value>| {
            let found: Vec<String> = match value {
                Some(Value::Array(list)) => list.iter().filter_map(text).collect(),
                Some(Value::String(list)) => list.split(',').map(|tag| tag.trim().to_owned()).collect(),
                _ => Vec::new(),
            };
            for tag in found {
                if !tag.is_empty() && !tags.contains(&tag) {
                    tags.push(tag);
                }
            }
        };
        add(ticket.shift_remove("tags").as_ref());
        let mut entries = Vec::new();
        for part in parts {
            match part.kind {
                TAGS => add(part.object.get("tags").or_else(|| part.object.get(dump::LIST))),
                LINKS => {
                    let links = part.object.get(dump::LIST).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
                    let links: Vec<Value> =
                        links.iter().filter_map(|link| link.get("link_object_value").cloned()).collect();
                    ticket.insert("linked".to_owned(), Value::Array(links));
                }
                _ => entries.push(entry(desk, part)?),
            }
        }
        if let Some(requester) = requester.as_mut().filter(|person| person.emails.is_empty())
            && let Some(author) = entries
                .iter()
                .filter_map(|entry: &Entry| entry.author.as_ref())
                .find(|author| author.id == requester.id && !author.emails.is_empty())
        {
            requester.emails.clone_from(&author.emails);
            requester.name = requester.name.take().or_else(|| author.name.clone());
        }
        let ids = ticket.get("article_ids").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let missing = ids.iter().filter_map(id_of).filter(|id| !entries.iter().any(|entry| entry.id == *id)).count();
        if entries.is_empty() {
            let message = "the archive holds no articles of this ticket: fetch `/api/v1/ticket_articles/by_ticket/ID`";
            desk.odd(codes::READ_NO_ENTRIES, origin, message.to_owned());
        } else if missing > 0 {
            let message = format!("{missing} of the ticket's {} articles are not in the archive", ids.len());
            desk.odd(codes::READ_MISSING_PART, origin, message);
        }
        let requester = requester.map(|it| desk.shown_once(it));
        let assignee = assignee.map(|it| desk.shown_once(it));
        let subject = take_text(&mut ticket, "title");
        ticket.retain(|_, value| !value.is_null());
        // Attributes that the operator has added in Zammad stand beside its own.
        let custom: Vec<String> = ticket.keys().filter(|key| !is_known(key) && *key != "linked").cloned().collect();
        let custom: Map<String, Value> = custom.into_iter().filter_map(|key| ticket.shift_remove_entry(&key)).collect();
        if !custom.is_empty() {
            ticket.insert("custom_fields".to_owned(), Value::Object(custom));
        }
        Ok(Record {
            id: RecordId::new("zammad", id),
            origin: origin.clone(),
            subject,
            status,
            channel,
            requester,
            assignee,
            cc: Vec::new(),
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

/// The name of what stands as `KEY` or, without `expand=true`, as `KEY_id`.
fn named(
    desk: &mut Desk<'_>,
    object: &Map<String, Value>,
    key: &str,
    names: &[&str],
) -> Result<Option<String>, CatalogError> {
    if let Some(name) = object.get(key).and_then(text) {
        return Ok(Some(name));
    }
    let Some(id) = object.get(&format!("{key}_id")).and_then(id_of) else { return Ok(None) };
    let what = match key {
        "state" => "state",
        "group" => "group",
        "priority" => "priority",
        "organization" => "organization",
        "sender" => "sender",
        _ => "type",
    };
    name_of(desk, what, &id, names)
}

/// What an id stands for: in the archive's list, else in a new installation, else nothing but itself.
fn name_of(desk: &mut Desk<'_>, what: &'static str, id: &str, names: &[&str]) -> Result<Option<String>, CatalogError> {
    if let Some(name) = desk.name(what, id)? {
        return Ok(Some(name));
    }
    let number = id.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
    let name = number.and_then(|number| names.get(number)).map_or(id, |name| name);
    Ok(Some(name.to_owned()))
}

/// Takes somebody of a ticket out: `customer` (a login, mostly an address) and `customer_id`. User 1 is nobody.
fn party(
    desk: &mut Desk<'_>,
    ticket: &mut Map<String, Value>,
    who: &str,
    origin: &Origin,
) -> Result<Option<Person>, CatalogError> {
    let id = ticket.shift_remove(&format!("{who}_id")).as_ref().and_then(id_of).filter(|id| id != "1");
    let login = take_text(ticket, who).filter(|login| login != "-");
    someone(desk, id, login, if who == "owner" { "the owner" } else { "the customer" }, origin)
}

/// Somebody by id, else by login.
fn someone(
    desk: &mut Desk<'_>,
    id: Option<String>,
    login: Option<String>,
    who: &str,
    origin: &Origin,
) -> Result<Option<Person>, CatalogError> {
    let mut found = match &id {
        Some(id) => desk.known(USER, id)?,
        None => None,
    };
    if found.is_none()
        && let Some(login) = &login
    {
        found = desk.known(USER, &login.to_lowercase())?;
    }
    let is_known = found.is_some();
    let address = login.filter(|login| login.contains('@'));
    if id.is_none() && !is_known && address.is_none() {
        return Ok(None);
    }
    let mut person = found.unwrap_or_default();
    if let Some(id) = id {
        if !is_known && address.is_none() {
            desk.miss(&id, origin, who);
        }
        person.id.get_or_insert(id);
    }
    if person.emails.is_empty() {
        person.emails.extend(address);
    }
    Ok(Some(person))
}

fn entry(desk: &mut Desk<'_>, part: Part) -> Result<Entry, CatalogError> {
    let Part { object: mut article, origin, .. } = part;
    let id = article.get("id").and_then(id_of).unwrap_or_else(|| dump::content_id(&article));
    article.shift_remove("id");
    article.shift_remove("ticket_id");
    let kind = named(desk, &article, "type", TYPES)?.unwrap_or_else(|| "article".to_owned());
    let sender = named(desk, &article, "sender", SENDERS)?;
    let is_customer = sender.as_deref() == Some("Customer");
    let mut author = None;
    // Who is written for, then who wrote.
    for who in ["origin_by", "created_by"] {
        let id = article.shift_remove(&format!("{who}_id")).as_ref().and_then(id_of).filter(|id| id != "1");
        let login = take_text(&mut article, who).filter(|login| login != "-");
        if author.is_none() {
            author = someone(desk, id, login, "the author", &origin)?;
        }
    }
    if let Some(from) = article.get("from").and_then(text).as_deref().and_then(person) {
        // What agents send comes from the group's address, in their name or the group's.
        if is_customer && author.as_ref().is_none_or(|author| author.emails.is_empty()) {
            author.get_or_insert_default().emails.clone_from(&from.emails);
        }
        if let Some(author) = &mut author
            && author.name.is_none()
            && (is_customer || from.emails.is_empty())
        {
            author.name = from.name;
        }
    }
    if let Some(sender) = sender {
        author.get_or_insert_default().role = Some(sender);
    }
    let mut list = |key: &str| article.shift_remove(key).map(|list| addresses(&list)).unwrap_or_default();
    let (to, cc) = (list("to"), list("cc"));
    let created_at = desk.time(&mut article, "created_at", &origin);
    let is_public = article.shift_remove("internal") != Some(Value::Bool(true));
    let is_html = article.get("content_type").and_then(Value::as_str).is_some_and(|it| it.contains("html"));
    let mut body = take_text(&mut article, "body").unwrap_or_default();
    let mut attachments = Vec::new();
    for file in objects(article.shift_remove("attachments")) {
        let id = file.get("id").and_then(id_of);
        let name = file.get("filename").and_then(text);
        let name = name.unwrap_or_else(|| format!("attachment-{}", id.as_deref().unwrap_or("unnamed")));
        // A number in quotes.
        let claimed_length = file.get("size").and_then(scalar).and_then(|size| size.trim().parse().ok());
        let here = match &id {
            Some(id) => desk.file(id, &name)?,
            None => None,
        };
        let content = here.unwrap_or_else(|| {
            let reason = "Zammad gives bytes by a call for each attachment only".to_owned();
            Content::Missing { reason, claimed_length }
        });
        let says = |key: &str| file.get("preferences").and_then(|it| it.get(key)).and_then(text);
        let mime = says("Content-Type").or_else(|| says("Mime-Type"));
        let content_id = id.map(|id| (format!("attachment-{id}@zammad"), id));
        let content_id = content_id.filter(|(name, id)| is_html && show_inline(&mut body, id, name));
        let is_inline = content_id.is_some();
        attachments.push(Attachment { name, mime, content_id: content_id.map(|it| it.0), is_inline, content });
    }
    let body = match body {
        body if body.is_empty() => Body::Empty,
        body if is_html => Body::Html(body),
        body => Body::Text(body),
    };
    article.retain(|_, value| !value.is_null());
    Ok(Entry {
        id,
        origin,
        kind,
        is_public,
        author,
        to,
        cc,
        bcc: Vec::new(),
        body,
        created_at,
        attachments,
        fields: article,
    })
}

/// Points the images that a text shows from `/api/v1/ticket_attachment/TICKET/ARTICLE/ID` to the attachment itself.
fn show_inline(body: &mut String, id: &str, content_id: &str) -> bool {
    const WHERE: &str = "/api/v1/ticket_attachment/";
    let mut text = String::with_capacity(body.len());
    let mut rest = body.as_str();
    let mut is_shown = false;
    while let Some(at) = rest.find(WHERE) {
        let from = rest[..at].rfind(['"', '\'']).map_or(0, |quote| quote + 1);
        let to = at + rest[at..].find(['"', '\'']).unwrap_or(rest.len() - at);
        let path = rest[at + WHERE.len()..to].split(['?', '#']).next().unwrap_or_default();
        let is_it = from > 0 && rest[..from - 1].ends_with("src=") && path.split('/').nth(2) == Some(id);
        if is_it {
            text.push_str(&rest[..from]);
            text.push_str("cid:");
            text.push_str(content_id);
            is_shown = true;
        } else {
            text.push_str(&rest[..to]);
        }
        rest = &rest[to..];
    }
    text.push_str(rest);
    *body = text;
    is_shown
}

#[cfg(test)]
mod tests;
