//! The `jira` source: issues of Jira's REST API, saved as they came.
//!
//! - Single issues, pages of searches, lists and JSON lines, of API version 2 (wiki markup) and 3 (documents).
//! - Comments and time logs inside issues or in pages of their own, those of Jira Service Management too; changelogs inside.
//! - Users from calls of their own.
//!
//! Files of all these kinds may lie in one folder. Bytes of attachments are found as `attachments/ID/…` or
//! `attachments/ID-…`.
//!
//! Promises:
//!
//! - The key that people see (`SUP-12`) is the id; copies of an issue are known by its number, so that one that was moved
//!   in between comes once.
//! - Texts are HTML: as Jira rendered them where the archive has that, else made of documents or of wiki markup.
//! - A comment is internal if Jira says so in any of its ways: `jsdPublic`, `public`, `visibility`, its properties.
//! - Comments and time logs that Jira counts and the archive lacks are told.
//!
//! `samples/README.md` names the oddities that the sample shows.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use crate::catalog::CatalogError;
use crate::content::Content;
use crate::finding::codes;
use crate::record::{Attachment, Body, Entry, Origin, Person, Record, RecordId};
use crate::source::dump::{self, Desk, Dump, Format, Owner, Part, Sort, TICKET, kind, objects, take_text, text};
use crate::source::joined::id_of;

mod adf;
mod wiki;

/// Time that was logged.
const WORKLOG: u8 = kind::OWN;

const USER: &str = "user";
const AGENT: &str = "agent";
const CUSTOMER: &str = "customer";

/// The `jira` source.
pub static SOURCE: Dump = Dump(&Jira);

struct Jira;

/// Whether an object with these keys is, beyond doubt, an issue or comment of Jira.
fn is_jira(keys: &[String], text: &[u8]) -> bool {
    let has = |key: &str| keys.iter().any(|it| it == key);
    let says = |word: &[u8]| memchr::memmem::find(text, word).is_some();
    let is_issue = has("key") && has("fields") && (has("self") || has("id"));
    let is_comment = has("author") && has("body") && says(b"/comment/");
    (is_issue && [&b"\"summary\""[..], b"\"issuetype\"", b"\"reporter\""].iter().any(|word| says(word)))
        || (is_comment && (says(b"/rest/api/") || says(b"/rest/servicedeskapi/")))
}

impl Format for Jira {
    fn name(&self) -> &'static str {
        "jira"
    }

    fn is_own(&self, keys: &[String], text: &[u8]) -> bool {
        is_jira(keys, text)
    }

    fn opens(&self, key: &str) -> bool {
        ["issues", "comments", "worklogs", "values", "users"].contains(&key)
    }

    fn is_of_element(&self, key: &str) -> bool {
        ["fields", "key", "body", "author", "accountId", "emailAddress", "displayName"].contains(&key)
    }

    fn tells_at_the_top(&self) -> bool {
        // Times stand in `fields`.
        false
    }

    fn sort(&self, object: &Map<String, Value>, _: &str, _: &str) -> Sort {
        let has = |key: &str| object.contains_key(key);
        if object.get("fields").is_some_and(Value::is_object) && (has("key") || has("id")) {
            return Sort::Ticket(["id", "key"].iter().find_map(|key| object.get(*key).and_then(id_of)));
        }
        let owner = || owner_of(object).map(|id| (TICKET, id));
        if has("timeSpent") || has("timeSpentSeconds") {
            return Sort::Part { kind: WORKLOG, owner: owner() };
        }
        if has("body") && has("author") {
            return Sort::Part { kind: kind::MESSAGE, owner: owner() };
        }
        match self.person_key(object) {
            Some((what, id)) => Sort::Named { kind: kind::PERSON, what, id: Some(id) },
            None => Sort::Nothing,
        }
    }

    fn take_messages(&self, ticket: &mut Map<String, Value>) -> Vec<Map<String, Value>> {
        let rendered = ticket.get_mut("renderedFields").and_then(|it| it.get_mut("comment")?.get_mut("comments"));
        let mut rendered = objects(rendered.map(Value::take));
        let Some(Value::Object(list)) = ticket.get_mut("fields").and_then(|it| it.get_mut("comment")) else {
            return Vec::new();
        };
        let mut comments = objects(list.get_mut("comments").map(Value::take));
        list.insert("found".to_owned(), comments.len().into());
        for comment in &mut comments {
            let same = rendered.iter_mut().find(|it| it.get("id").is_some() && it.get("id") == comment.get("id"));
            if let Some(body) = same.and_then(|it| it.shift_remove("body")) {
                comment.entry("renderedBody").or_insert(body);
            }
        }
        comments
    }

    fn fill(&self, ticket: &mut Map<String, Value>, older: Map<String, Value>) {
        for (key, value) in older {
            match (ticket.get_mut(&key), value) {
                // Searches give the fields that were asked for.
                (Some(Value::Object(fields)), Value::Object(older)) if key == "fields" => {
                    for (key, value) in older {
                        fields.entry(key).or_insert(value);
                    }
                }
                (None, value) => drop(ticket.insert(key, value)),
                _ => {}
            }
        }
    }

    fn person_key(&self, object: &Map<String, Value>) -> Option<Owner> {
        let is_person = ["displayName", "emailAddress"].iter().any(|key| object.contains_key(*key));
        let id = ["accountId", "name", "key"].iter().find_map(|key| object.get(*key).and_then(id_of));
        id.filter(|_| is_person).map(|id| (USER, id))
    }

    fn also_called(&self, person: &Map<String, Value>) -> Vec<String> {
        ["accountId", "name", "key"].iter().filter_map(|key| person.get(*key).and_then(id_of)).collect()
    }

    fn person(&self, _: &mut Desk<'_>, _: &'static str, object: Map<String, Value>) -> Result<Person, CatalogError> {
        Ok(plain_person(&object))
    }

    fn record(
        &self,
        desk: &mut Desk<'_>,
        mut ticket: Map<String, Value>,
        origin: &Origin,
        parts: Vec<Part>,
    ) -> Result<Record, CatalogError> {
        let mut fields = take_object(&mut ticket, "fields").unwrap_or_default();
        let names = take_object(&mut ticket, "names").unwrap_or_default();
        let schema = take_object(&mut ticket, "schema").unwrap_or_default();
        let rendered = take_object(&mut ticket, "renderedFields").unwrap_or_default();
        let number = ticket.get("id").and_then(id_of);
        let id = ticket.get("key").and_then(id_of).or_else(|| number.clone()).unwrap_or_default();
        let mut kept = Map::new();
        let mut put = |key: &str, value: Option<Value>| {
            if let Some(value) = value.filter(|it| !it.is_null()) {
                kept.insert(key.to_owned(), value);
            }
        };
        let name_of = |value: Option<Value>| value.as_ref().and_then(|it| it.get("name")).and_then(text);

        let status = fields.shift_remove("status");
        let category = status.as_ref().and_then(|it| it["statusCategory"]["key"].as_str()).map(str::to_owned);
        put("status_category", category.clone().map(Value::String));
        for key in ["resolution", "priority", "issuetype", "security"] {
            put(key, name_of(fields.shift_remove(key)).map(Value::String));
        }
        let project = fields.shift_remove("project");
        put("project", project.as_ref().and_then(|it| it.get("key").or_else(|| it.get("name"))).cloned());
        for key in ["components", "fixVersions", "versions"] {
            put(key, fields.shift_remove(key).map(|it| simple(&it)).filter(|it| *it != Value::Array(Vec::new())));
        }
        put("parent", fields.shift_remove("parent").and_then(|it| it.get("key").cloned()));
        let keys: Vec<Value> =
            objects(fields.shift_remove("subtasks")).iter().filter_map(|it| it.get("key").cloned()).collect();
        put("subtasks", Some(Value::Array(keys)).filter(|it| *it != Value::Array(Vec::new())));
        let links: Vec<Value> = objects(fields.shift_remove("issuelinks")).iter().filter_map(link).collect();
        put("links", Some(Value::Array(links)).filter(|it| *it != Value::Array(Vec::new())));

        let requester = party(desk, fields.shift_remove("reporter"), Some(CUSTOMER))?;
        let creator = party(desk, fields.shift_remove("creator"), None)?;
        let requester = requester.or(creator);
        let assignee = party(desk, fields.shift_remove("assignee"), Some(AGENT))?;
        let requester = requester.map(|it| desk.shown_once(it));
        let assignee = assignee.map(|it| desk.shown_once(it));
        let created_at = desk.time(&mut fields, "created", origin);
        let updated_at = desk.time(&mut fields, "updated", origin);
        let resolved_at = desk.time(&mut fields, "resolutiondate", origin);
        let is_open = category.as_deref().is_some_and(|it| it != "done");
        let labels = fields.shift_remove("labels");
        let tags = labels.as_ref().and_then(Value::as_array).into_iter().flatten().filter_map(text).collect();
        let subject = take_text(&mut fields, "summary");
        let description = body(fields.shift_remove("description"), rendered.get("description"));
        let comments = fields.shift_remove("comment");
        let files = objects(fields.shift_remove("attachment"));
        let logs = fields.shift_remove("worklog");

        let mut cc = Vec::new();
        let mut custom = Map::new();
        let mut figures = Map::new();
        for (key, value) in std::mem::take(&mut fields) {
            if !key.starts_with("customfield_") {
                let is_blank = value.is_null() || value == Value::Array(Vec::new());
                if !is_blank {
                    kept.insert(key, value);
                }
                continue;
            }
            let name = names.get(&key).and_then(text).unwrap_or_else(|| key.clone());
            let kind = schema.get(&key).and_then(|it| it["custom"].as_str()).unwrap_or_default();
            if kind.ends_with(":sd-request-participants") || name.eq_ignore_ascii_case("request participants") {
                for one in objects(Some(value)) {
                    cc.extend(party(desk, Some(Value::Object(one)), Some(CUSTOMER))?);
                }
            } else if let Some(request) = value.get("requestType").and_then(|it| it.get("name")) {
                kept.insert("request_type".to_owned(), request.clone());
            } else if value.get("completedCycles").is_some() || value.get("ongoingCycle").is_some() {
                figures.insert(name, value);
            } else {
                let value = simple(&value);
                let is_blank = value.is_null() || value == "" || value == Value::Array(Vec::new());
                if !is_blank {
                    custom.insert(name, value);
                }
            }
        }
        if !custom.is_empty() {
            kept.insert("custom".to_owned(), Value::Object(custom));
        }
        if !figures.is_empty() {
            kept.insert("sla".to_owned(), Value::Object(figures));
        }

        let mut entries = Vec::new();
        let of_messages = parts.iter().filter(|part| part.kind == kind::MESSAGE).count() as u64;
        entries.push(Entry {
            id: "description".to_owned(),
            origin: origin.clone(),
            kind: "description".to_owned(),
            is_public: true,
            author: requester.clone(),
            to: Vec::new(),
            cc: Vec::new(),
            bcc: Vec::new(),
            body: description,
            created_at,
            attachments: Vec::new(),
            fields: Map::new(),
        });
        let mut worklogs: Vec<Value> = Vec::new();
        let inside = logs.as_ref().and_then(|it| it.get("worklogs")).cloned();
        let mut log_ids = HashSet::new();
        for log in objects(inside) {
            worklogs.extend(worklog(log, &mut log_ids));
        }
        let customers: HashSet<String> = requester.iter().chain(&cc).filter_map(|person| person.id.clone()).collect();
        for part in parts {
            match part.kind {
                WORKLOG => worklogs.extend(worklog(part.object, &mut log_ids)),
                _ => entries.push(comment(desk, part, &customers)?),
            }
        }
        let count = |list: &Option<Value>| list.as_ref().and_then(|it| it["total"].as_u64()).unwrap_or(0);
        for (what, total, found) in
            [("comments", count(&comments), of_messages), ("time logs", count(&logs), worklogs.len() as u64)]
        {
            if total > found {
                let message =
                    format!("Jira counts {total} {what}, and the archive holds {found}; fetch them by themselves");
                desk.odd(codes::READ_MISSING_PART, origin, message);
            }
        }
        if comments.is_none() && of_messages == 0 {
            let message = "the archive does not say whether there are comments: searches leave them out unless they are \
                           asked for with `fields=*all`";
            desk.odd(codes::READ_MISSING_PART, origin, message.to_owned());
        }
        if !worklogs.is_empty() {
            kept.insert("worklogs".to_owned(), Value::Array(worklogs));
        }
        for history in take_object(&mut ticket, "changelog")
            .and_then(|mut it| it.shift_remove("histories"))
            .map(Some)
            .map(objects)
            .into_iter()
            .flatten()
        {
            entries.push(event(desk, history, origin)?);
        }
        // Jira leaves addresses out here and there.
        let mut addresses: HashMap<String, Vec<String>> = HashMap::new();
        let authors = entries.iter().filter_map(|entry| entry.author.as_ref());
        for person in requester.iter().chain(&assignee).chain(&cc).chain(authors) {
            if let (Some(id), false) = (&person.id, person.emails.is_empty()) {
                addresses.entry(id.clone()).or_insert_with(|| person.emails.clone());
            }
        }
        for author in entries.iter_mut().filter_map(|entry| entry.author.as_mut()).filter(|it| it.emails.is_empty()) {
            let known = author.id.as_ref().and_then(|id| addresses.get(id));
            author.emails = known.cloned().unwrap_or_default();
        }
        attach(desk, &mut entries, files)?;
        // An issue by itself may have nothing but a subject.
        if entries[0].body == Body::Empty && entries[0].attachments.is_empty() && of_messages > 0 {
            entries.remove(0);
        }
        kept.extend(
            ticket
                .into_iter()
                .filter(|(key, value)| !["id", "key", "self", "expand"].contains(&&**key) && !value.is_null()),
        );
        if let Some(number) = number {
            kept.insert("issue_id".to_owned(), Value::String(number));
        }
        Ok(Record {
            id: RecordId::new("jira", id),
            origin: origin.clone(),
            subject,
            status: name_of(status),
            channel: None,
            requester,
            assignee,
            cc,
            tags,
            created_at,
            updated_at,
            closed_at: if is_open { None } else { resolved_at },
            url: None,
            entries: dump::by_time(entries),
            fields: kept,
            oddities: Vec::new(),
        })
    }
}

/// The number of the issue that a comment or log says it belongs to: by itself, or in its address.
fn owner_of(object: &Map<String, Value>) -> Option<String> {
    if let Some(id) = object.get("issueId").and_then(id_of) {
        return Some(id);
    }
    let inner = object.get("_links").and_then(|links| links.get("self"));
    let address = object.get("self").or(inner)?.as_str()?;
    let rest = address.split_once("/issue/").or_else(|| address.split_once("/request/"))?.1;
    rest.split(['/', '?']).next().filter(|id| !id.is_empty()).map(str::to_owned)
}

fn take_object(object: &mut Map<String, Value>, key: &str) -> Option<Map<String, Value>> {
    match object.shift_remove(key) {
        Some(Value::Object(inner)) => Some(inner),
        _ => None,
    }
}

/// HTML of a text in one of three forms.
fn body(written: Option<Value>, rendered: Option<&Value>) -> Body {
    let rendered = rendered.and_then(text);
    match (rendered, written) {
        (Some(html), _) => Body::Html(html),
        (None, Some(value)) if adf::is_document(&value) => {
            let html = adf::html(&value);
            if html.is_empty() { Body::Empty } else { Body::Html(html) }
        }
        (None, Some(Value::String(markup))) if !markup.trim().is_empty() => Body::Html(wiki::html(&markup)),
        _ => Body::Empty,
    }
}

/// The plain text of a value that may be a document.
fn plain(value: &Value) -> Option<String> {
    let html = match body(Some(value.clone()), None) {
        Body::Html(html) => html,
        _ => return None,
    };
    let mut text = String::new();
    let mut is_tag = false;
    for char in html.chars() {
        match char {
            '<' => is_tag = true,
            '>' => is_tag = false,
            _ if !is_tag => text.push(char),
            _ => {}
        }
    }
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&");
    Some(text).filter(|text| !text.trim().is_empty())
}

/// Text as it may stand in HTML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A value without Jira's wrapping: options, users, versions and documents become texts.
fn simple(value: &Value) -> Value {
    match value {
        Value::Array(list) => Value::Array(list.iter().map(simple).collect()),
        Value::Object(object) => {
            if adf::is_document(value) {
                return plain(value).map_or(Value::Null, Value::String);
            }
            let name = ["value", "displayName", "name", "title", "key"].iter().find_map(|key| object.get(*key));
            match (name, object.get("child").and_then(|it| it.get("value"))) {
                (Some(Value::String(name)), Some(Value::String(child))) => Value::String(format!("{name} - {child}")),
                (Some(name @ (Value::String(_) | Value::Number(_))), _) => name.clone(),
                _ => value.clone(),
            }
        }
        other => other.clone(),
    }
}

/// `blocks SUP-3`.
fn link(link: &Map<String, Value>) -> Option<Value> {
    let kind = link.get("type");
    [("outwardIssue", "outward"), ("inwardIssue", "inward")].iter().find_map(|(side, word)| {
        let key = link.get(*side)?.get("key")?.as_str()?;
        let word = kind.and_then(|it| it.get(*word)).and_then(Value::as_str).unwrap_or("linked to");
        Some(Value::String(format!("{word} {key}")))
    })
}

/// A person without looking anything up.
fn plain_person(object: &Map<String, Value>) -> Person {
    let some = |key: &str| object.get(key).and_then(text);
    let role = match object.get("accountType").and_then(Value::as_str) {
        Some("customer") => Some(CUSTOMER),
        Some("app") => Some("app"),
        _ => None,
    };
    let mut fields = Map::new();
    for key in ["timeZone", "locale", "active"] {
        if let Some(value) = object.get(key).filter(|it| !it.is_null()) {
            fields.insert(key.to_owned(), value.clone());
        }
    }
    Person {
        id: ["accountId", "name", "key"].iter().find_map(|key| object.get(*key).and_then(id_of)),
        name: some("displayName"),
        // Jira shows addresses to few; blanks stand there for all others.
        emails: some("emailAddress").filter(|it| it.contains('@')).into_iter().collect(),
        phones: Vec::new(),
        role: role.map(str::to_owned),
        company: None,
        fields,
    }
}

/// Somebody of an issue, with what the list of users says. `role` is what they are here.
fn party(desk: &mut Desk<'_>, value: Option<Value>, role: Option<&str>) -> Result<Option<Person>, CatalogError> {
    let Some(Value::Object(object)) = value else { return Ok(None) };
    let mut person = plain_person(&object);
    if let Some(id) = &person.id
        && let Some(listed) = desk.known(USER, id)?
    {
        person.name = person.name.or(listed.name);
        if person.emails.is_empty() {
            person.emails = listed.emails;
        }
        person.role = person.role.or(listed.role);
    }
    if let Some(role) = role
        && person.role.as_deref() != Some("app")
    {
        person.role = Some(role.to_owned());
    }
    Ok(Some(person))
}

/// Whether customers could not see a comment.
fn is_internal(object: &mut Map<String, Value>) -> bool {
    let flags = ["jsdPublic", "public"].map(|key| object.shift_remove(key));
    let properties = objects(object.shift_remove("properties"));
    let has_property = properties.iter().any(|it| {
        it.get("key").is_some_and(|key| key == "sd.public.comment")
            && it.get("value").is_some_and(|value| value["internal"] == true || value["internal"] == "true")
    });
    flags.contains(&Some(Value::Bool(false))) || has_property || object.get("visibility").is_some_and(Value::is_object)
}

fn comment(desk: &mut Desk<'_>, part: Part, customers: &HashSet<String>) -> Result<Entry, CatalogError> {
    let Part { mut object, origin, .. } = part;
    let is_public = !is_internal(&mut object);
    let id = object.shift_remove("id").as_ref().and_then(id_of).unwrap_or_else(|| dump::content_id(&object));
    let author = party(desk, object.shift_remove("author"), None)?.map(|mut person| {
        let is_customer = person.id.as_ref().is_some_and(|id| customers.contains(id));
        person.role.get_or_insert_with(|| if is_customer { CUSTOMER } else { AGENT }.to_owned());
        if is_customer {
            person.role = Some(CUSTOMER.to_owned());
        }
        person
    });
    let rendered = object.shift_remove("renderedBody");
    let body = body(object.shift_remove("body"), rendered.as_ref());
    // Service Management gives a time in several forms.
    if let Some(inner) = object.get("created").and_then(|it| it.get("iso8601").or_else(|| it.get("epochMillis"))) {
        let inner = inner.clone();
        object.insert("created".to_owned(), inner);
    }
    let created_at = desk.time(&mut object, "created", &origin);
    object.retain(|key, value| !value.is_null() && !["self", "_links", "_expands"].contains(&&**key));
    Ok(Entry {
        id,
        origin,
        kind: "comment".to_owned(),
        is_public,
        author,
        to: Vec::new(),
        cc: Vec::new(),
        bcc: Vec::new(),
        body,
        created_at,
        attachments: Vec::new(),
        fields: object,
    })
}

/// Time that somebody logged, once.
fn worklog(mut log: Map<String, Value>, seen: &mut HashSet<String>) -> Option<Value> {
    if let Some(id) = log.get("id").and_then(id_of)
        && !seen.insert(id)
    {
        return None;
    }
    let author = log.get("author").and_then(|it| it.get("displayName")).cloned();
    let comment = log.shift_remove("comment").as_ref().and_then(plain);
    let mut kept = Map::new();
    for (key, value) in [
        ("author", author),
        ("time", log.shift_remove("timeSpent").or_else(|| log.shift_remove("timeSpentSeconds"))),
        ("comment", comment.map(Value::String)),
        ("started", log.shift_remove("started")),
    ] {
        if let Some(value) = value {
            kept.insert(key.to_owned(), value);
        }
    }
    Some(Value::Object(kept))
}

/// What changed in an issue at one time.
fn event(desk: &mut Desk<'_>, mut history: Map<String, Value>, origin: &Origin) -> Result<Entry, CatalogError> {
    let id = history.get("id").and_then(id_of).unwrap_or_else(|| dump::content_id(&history));
    let author = party(desk, history.shift_remove("author"), None)?;
    let changes: Vec<String> = objects(history.shift_remove("items"))
        .iter()
        .map(|item| {
            let some = |key: &str| item.get(key).and_then(text).unwrap_or_else(|| "-".to_owned());
            format!("{}: {} → {}", some("field"), some("fromString"), some("toString"))
        })
        .collect();
    let created_at = desk.time(&mut history, "created", origin);
    Ok(Entry {
        id: format!("event-{id}"),
        origin: origin.clone(),
        kind: "event".to_owned(),
        is_public: false,
        author,
        to: Vec::new(),
        cc: Vec::new(),
        bcc: Vec::new(),
        body: Body::Text(changes.join("\n")),
        created_at,
        attachments: Vec::new(),
        fields: Map::new(),
    })
}

/// Gives files to what was written with them: a text that names the file, else what its author wrote at that time, else
/// the description.
fn attach(desk: &mut Desk<'_>, entries: &mut [Entry], files: Vec<Map<String, Value>>) -> Result<(), CatalogError> {
    /// Jira's form sends files just before the text that they belong to, in seconds.
    const NEAR: i64 = 60;
    for file in files {
        let some = |key: &str| file.get(key).and_then(text);
        let id = file.get("id").and_then(id_of);
        let name = some("filename").unwrap_or_else(|| format!("attachment-{}", id.as_deref().unwrap_or("unnamed")));
        let size = file.get("size").and_then(Value::as_u64);
        let author = file.get("author").and_then(Value::as_object).and_then(|it| plain_person(it).id);
        let created = file.get("created").and_then(|it| desk.time_of(it));
        let shown = format!("[{}]", escaped(&name));
        let in_source = format!("/{}", escaped(&name));
        let names = |entry: &Entry| matches!(&entry.body, Body::Html(html) if html.contains(&shown) || html.contains(&in_source));
        let is_near = |entry: &Entry| {
            let distance = created.zip(entry.created_at).map(|(a, b)| (b.as_second() - a.as_second()).abs());
            let is_same = entry.author.as_ref().is_some_and(|it| it.id == author);
            is_same && distance.is_some_and(|distance| distance <= NEAR)
        };
        let texts = |entry: &Entry| entry.kind != "event";
        let place = entries
            .iter()
            .position(|it| texts(it) && names(it))
            .or_else(|| entries.iter().position(|it| texts(it) && is_near(it)));
        let here = match &id {
            Some(id) => desk.file(id, &name)?,
            None => None,
        };
        let content = match (here, some("content")) {
            (Some(content), _) => content,
            (None, Some(url)) => Content::Link { url, claimed_length: size },
            (None, None) => Content::Missing { reason: "without an address".to_owned(), claimed_length: size },
        };
        let attachment = Attachment { name, mime: some("mimeType"), content_id: None, is_inline: false, content };
        entries[place.unwrap_or(0)].attachments.push(attachment);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
