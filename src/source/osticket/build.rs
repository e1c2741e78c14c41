//! Puts tickets together from the rows of their tables.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::desk::{Desk, Directory, Row};
use super::files::{Named, attachment, long_text};
use super::people::{AGENT, agent, failed, user};
use super::tables::{ENTRY, FIELD, FORM, Layout, OLD_ENTRY, STAFF, THREAD, TICKET, USER, kind, name_key};
use crate::catalog::{CatalogError, Group, Groups};
use crate::finding::codes;
use crate::input::Input;
use crate::record::{Body, Entry, Origin, Person, Record, RecordId, unique_id};
use crate::source::csv::{Dates, person};
use crate::source::dump::by_time;
use crate::source::shelf::Shelf;
use crate::source::{ReadError, problem};

/// Flags of an entry, by bit. `hidden`: another entry, an edited copy, stands in its place. See `ThreadEntry` in osTicket's
/// `include/class.thread.php`.
const FLAGS: &[&str] = &[
    "original",
    "edited",
    "hidden",
    "guarded",
    "resent",
    "collaborator",
    "balanced",
    "system",
    "reply-all",
    "reply-user",
    "child",
];

/// What osTicket stores where nothing was written.
const NOTHING: &str = "-";

/// Columns of tickets that become something else than a field of the same name.
const OF_TICKET: &[&str] = &[
    "ticket_id",
    "ticketID",
    "number",
    "user_id",
    "user_email_id",
    "status_id",
    "status",
    "dept_id",
    "sla_id",
    "topic_id",
    "priority_id",
    "staff_id",
    "team_id",
    "ticket_pid",
    "source",
    "closed",
    "created",
    "updated",
    "subject",
    "name",
    "email",
    "phone",
    "phone_ext",
    "helptopic",
    "lock_id",
];

/// Columns of entries, of all versions, that become something else than a field of the same name.
const OF_ENTRY: &[&str] = &[
    "id",
    "msg_id",
    "response_id",
    "note_id",
    "pid",
    "thread_id",
    "ticket_id",
    "staff_id",
    "staff_name",
    "user_id",
    "type",
    "thread_type",
    "flags",
    "poster",
    "title",
    "body",
    "message",
    "response",
    "note",
    "format",
    "recipients",
    "created",
    "updated",
    "headers",
    "messageId",
];

/// The records of an indexed dump, one by one.
pub(super) struct Tickets {
    groups: Groups,
    shelf: Shelf,
    dates: Dates,
    layouts: Vec<Arc<Layout>>,
    directory: Directory,
    /// The prefix of tables in front of ids, where one archive has several.
    has_several: bool,
}

impl Tickets {
    pub(super) fn new(groups: Groups, input: Input, dates: Dates, layouts: Vec<Arc<Layout>>) -> Self {
        let is_ticket = |layout: &&Arc<Layout>| {
            super::tables::table_of(&layout.table).is_some_and(|(table, _)| table.kind == kind::TICKET)
        };
        let prefixes: HashSet<_> = layouts.iter().filter(is_ticket).map(|it| it.prefix.to_ascii_lowercase()).collect();
        let has_several = prefixes.len() > 1;
        Self { groups, shelf: Shelf::new(input), dates, layouts, directory: Directory::default(), has_several }
    }

    fn unreadable(&mut self, group: &Group) -> Option<ReadError> {
        let piece = group.pieces.iter().find(|piece| piece.kind >= problem::FIRST)?;
        let origin = self.shelf.origin(piece);
        let layout = usize::try_from(piece.version).ok().and_then(|number| self.layouts.get(number.checked_sub(1)?));
        let table = layout.map_or("", |layout| &layout.table);
        let malformed = |what: &str| ReadError::Malformed {
            origin: origin.clone(),
            id: None,
            problem: format!("a row of `{table}` {what}"),
        };
        Some(match piece.kind {
            problem::TRUNCATED => ReadError::Truncated { origin },
            problem::TOO_LONG => ReadError::TooLarge { origin, what: "a row", limit: "64 MiB".to_owned() },
            problem::NO_ID => ReadError::MissingId { origin },
            kind::RAGGED => malformed("has not as many values as the table has columns"),
            _ => malformed(
                "is broken, and so is what follows up to the next whole row: quotes or commas are not where they should be",
            ),
        })
    }
}

impl Iterator for Tickets {
    type Item = Result<Record, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let group = match self.groups.next()? {
            Ok(group) => group,
            Err(error) => return Some(Err(failed(&Origin::whole(&Arc::from("the archive's index")), error))),
        };
        if let Some(error) = self.unreadable(&group) {
            return Some(Err(error));
        }
        let catalog = self.groups.catalog();
        let mut desk = Desk::new(catalog, &mut self.shelf, &self.layouts, &self.dates, &mut self.directory);
        Some(record(&mut desk, &group, self.has_several).map(|mut record| {
            record.oddities = desk.noticed();
            record.origin.seat = Some(Box::new(group.seat));
            record
        }))
    }
}

fn record(desk: &mut Desk<'_>, group: &Group, has_several: bool) -> Result<Record, ReadError> {
    // Of equal rows the last counts: later dumps are named later, mostly.
    let mut pieces: Vec<_> = group.pieces.iter().collect();
    pieces.sort_by_key(|piece| (piece.file, piece.offset));
    let mut row = None;
    let mut broken = None;
    for piece in pieces.iter().rev() {
        match desk.row(piece) {
            Ok(found) => {
                row = Some(found);
                break;
            }
            Err(error) => broken = broken.or(Some(error)),
        }
    }
    let Some(row) = row else { return Err(broken.expect("a group has at least one piece, and it could not be read")) };
    let origin = row.origin.clone();
    if pieces.len() > 1 {
        let message = format!("the ticket stands {} times in the archive; the last copy counts", pieces.len());
        desk.odd(codes::READ_DUPLICATE, &origin, message);
    }
    let Some(id) = row.id("ticket_id") else { return Err(ReadError::MissingId { origin }) };
    ticket(desk, &row, &id, has_several).map_err(|error| failed(&origin, error))
}

fn ticket(desk: &mut Desk<'_>, row: &Row, id: &str, has_several: bool) -> Result<Record, CatalogError> {
    let layout = Arc::clone(&row.layout);
    let prefix = &*layout.prefix;
    let origin = &row.origin;
    let mut fields = Map::new();
    let mut put = |key: &str, value: Option<String>| {
        if let Some(value) = value {
            fields.insert(key.to_owned(), Value::String(value));
        }
    };
    let number = ["number", "ticketID"].iter().find_map(|column| desk.text(row, column));
    put("number", number);
    let (status, status_name) = status(desk, prefix, row)?;
    put(
        "status_name",
        status_name.filter(|name| !status.as_ref().is_some_and(|state| state.eq_ignore_ascii_case(name))),
    );
    for (key, what, column, names) in [
        ("department", "department", "dept_id", &["name", "dept_name"][..]),
        ("topic", "help_topic", "topic_id", &["topic"]),
        ("sla", "sla", "sla_id", &["name"]),
        ("team", "team", "team_id", &["name"]),
    ] {
        if let Some(id) = row.id(column) {
            let name = desk.name(prefix, what, &id, names)?;
            if name.is_none() {
                let message = format!("`{column}` is {id}, which the dump does not hold");
                desk.odd(codes::READ_MISSING_PART, origin, message);
            }
            put(key, Some(name.unwrap_or(id)));
        }
    }
    if !row.has("topic_id") || row.id("topic_id").is_none() {
        put("topic", desk.text(row, "helptopic"));
    }
    // A ticket that was merged into another, or is linked to it.
    if let Some(parent) = row.id("ticket_pid") {
        let pieces = desk.catalog.pieces(name_key(prefix, TICKET, &parent))?;
        let row = pieces.last().and_then(|piece| desk.row(piece).ok());
        let number = row.and_then(|row| desk.text(&row, "number"));
        put("parent_ticket", Some(number.unwrap_or(parent)));
    }
    let cdata = desk.rows(prefix, TICKET, id, &[kind::CDATA])?.pop();
    let answers = answers(desk, prefix, TICKET, id)?;
    let answer = |name: &str| answers.iter().find(|it| it.name == name).map(|it| it.text.clone());
    let of_cdata = |desk: &mut Desk<'_>, column: &str| cdata.as_ref().and_then(|row| desk.text(row, column));
    // The table of the two is derived from the answers, and lacks tickets.
    let subject = desk.text(row, "subject").or(answer("subject")).or_else(|| of_cdata(desk, "subject"));
    let priority = row.id("priority_id").or_else(|| of_cdata(desk, "priority")).or(answer("priority"));
    if let Some(priority) = priority {
        let is_id = priority.bytes().all(|it| it.is_ascii_digit());
        let named = if is_id { desk.name(prefix, "ticket_priority", &priority, &["priority"])? } else { None };
        put("priority", Some(named.unwrap_or(priority)));
    }
    fields.extend(desk.further(row, OF_TICKET));
    let mut custom = Map::new();
    if let Some(cdata) = &cdata {
        let known: Vec<&str> = answers.iter().map(|it| &*it.name).chain(["ticket_id", "subject", "priority"]).collect();
        custom.extend(desk.further(cdata, &known));
    }
    for answer in answers.iter().filter(|it| it.name != "subject" && it.name != "priority") {
        custom.insert(answer.label.clone(), Value::String(answer.text.clone()));
    }
    if !custom.is_empty() {
        fields.insert("custom".to_owned(), Value::Object(custom));
    }

    let mut people = People { prefix, shown: HashSet::new() };
    let requester = requester(desk, &mut people, row)?;
    let assignee = match row.id("staff_id") {
        Some(id) => Some(people.agent(desk, &id, origin, "the agent")?),
        None => None,
    };
    let mut cc = Vec::new();
    let mut entries = Vec::new();
    let mut ids = HashSet::new();
    let kinds = [
        kind::THREAD,
        kind::OLD_ENTRY,
        kind::OLD_MESSAGE,
        kind::OLD_RESPONSE,
        kind::OLD_NOTE,
        kind::EVENT,
        kind::COLLABORATOR,
    ];
    let mut rows = desk.rows(prefix, TICKET, id, &kinds)?;
    let mut threads = HashSet::new();
    for thread in rows.iter().filter(|row| row.piece.kind == kind::THREAD).map(|row| row.id("id")).collect::<Vec<_>>() {
        let Some(thread) = thread.filter(|thread| threads.insert(thread.clone())) else { continue };
        rows.extend(desk.rows(prefix, THREAD, &thread, &[kind::ENTRY, kind::EVENT, kind::COLLABORATOR])?);
    }
    for row in newest(&rows) {
        match row.piece.kind {
            kind::THREAD => {}
            kind::COLLABORATOR => {
                if let Some(id) = row.id("user_id") {
                    cc.push(people.user(desk, &id, &row.origin, "a collaborator")?);
                }
            }
            kind::EVENT => entries.push(event(desk, prefix, row)?),
            _ => entries.push(entry(desk, &mut people, row, requester.as_ref(), subject.as_deref())?),
        }
    }
    let is_empty = !entries.iter().any(|entry| entry.kind != "event");
    if is_empty {
        desk.odd(codes::READ_NO_ENTRIES, origin, "the dump holds no text of this ticket".to_owned());
    }
    entries.sort_by_cached_key(|entry| (entry.id.starts_with("event-"), entry.id.len(), entry.id.clone()));
    let mut entries = by_time(entries);
    for entry in &mut entries {
        entry.id = unique_id(&mut ids, &entry.id);
    }
    let created_at = desk.time(row, "created");
    let updated_at = desk.time(row, "lastupdate").or_else(|| desk.time(row, "updated"));
    fields.shift_remove("lastupdate");
    // An open ticket keeps the time when it was closed before.
    let closed_at = if status.as_deref() == Some("open") { None } else { desk.time(row, "closed") };
    Ok(Record {
        id: RecordId::new("osticket", if has_several { format!("{prefix}{id}") } else { id.to_owned() }),
        origin: origin.clone(),
        subject,
        status,
        channel: desk.text(row, "source"),
        requester,
        assignee,
        cc,
        tags: Vec::new(),
        created_at,
        updated_at,
        closed_at,
        url: None,
        entries,
        fields,
        oddities: Vec::new(),
    })
}

/// The state that a status means, and what this help desk calls it.
fn status(desk: &mut Desk<'_>, prefix: &str, row: &Row) -> Result<(Option<String>, Option<String>), CatalogError> {
    let Some(id) = row.id("status_id") else { return Ok((desk.text(row, "status"), None)) };
    let Some(listed) = desk.listed(prefix, "ticket_status", &id)? else {
        let message = format!("`status_id` is {id}, which the dump does not hold");
        desk.odd(codes::READ_MISSING_PART, &row.origin, message);
        return Ok((None, None));
    };
    let name = desk.text(&listed, "name");
    Ok((desk.text(&listed, "state").or_else(|| name.clone()), name))
}

/// Each row once, as its last copy has it.
fn newest(rows: &[Row]) -> Vec<&Row> {
    let mut seen = HashSet::new();
    let id = |row: &Row| row.any_id(&["id", "msg_id", "response_id", "note_id"]);
    let mut kept: Vec<&Row> =
        rows.iter().rev().filter(|row| id(row).is_none_or(|id| seen.insert((row.piece.kind, id)))).collect();
    kept.reverse();
    kept
}

/// The people of one ticket.
struct People<'a> {
    prefix: &'a str,
    /// Whose further fields stand in the record already.
    shown: HashSet<String>,
}

impl People<'_> {
    fn user(&mut self, desk: &mut Desk<'_>, id: &str, origin: &Origin, who: &str) -> Result<Person, CatalogError> {
        let found = user(desk, self.prefix, id)?;
        Ok(self.known(desk, found, id, USER, origin, who))
    }

    fn agent(&mut self, desk: &mut Desk<'_>, id: &str, origin: &Origin, who: &str) -> Result<Person, CatalogError> {
        let found = agent(desk, self.prefix, id)?;
        Ok(self.known(desk, found, id, STAFF, origin, who))
    }

    fn known(
        &mut self,
        desk: &mut Desk<'_>,
        found: Option<Person>,
        id: &str,
        what: &str,
        origin: &Origin,
        who: &str,
    ) -> Person {
        let is_first = self.shown.insert(format!("{what} {id}"));
        match found {
            Some(found) if is_first => found,
            Some(found) => Person { fields: Map::new(), ..found },
            None => {
                if is_first {
                    let message = format!("{who} is {what} {id}, whom the dump does not hold");
                    desk.odd(codes::READ_MISSING_PERSON, origin, message);
                }
                let (id, role) = if what == STAFF { (format!("staff-{id}"), AGENT) } else { (id.to_owned(), USER) };
                Person { id: Some(id), role: Some(role.to_owned()), ..Person::default() }
            }
        }
    }
}

/// Whose ticket it is: a user, or up to 1.7 what the ticket itself says.
fn requester(desk: &mut Desk<'_>, people: &mut People<'_>, row: &Row) -> Result<Option<Person>, CatalogError> {
    if let Some(id) = row.id("user_id") {
        return people.user(desk, &id, &row.origin, "the customer").map(Some);
    }
    let name = desk.text(row, "name");
    let emails: Vec<String> = desk.text(row, "email").into_iter().collect();
    let phone = desk.text(row, "phone").map(|phone| match desk.text(row, "phone_ext") {
        Some(extension) => format!("{phone} x{extension}"),
        None => phone,
    });
    let phones: Vec<String> = phone.into_iter().collect();
    if name.is_none() && emails.is_empty() && phones.is_empty() {
        return Ok(None);
    }
    Ok(Some(Person { name, emails, phones, role: Some(USER.to_owned()), ..Person::default() }))
}

/// Something written, in the tables of any version.
fn entry(
    desk: &mut Desk<'_>,
    people: &mut People<'_>,
    row: &Row,
    requester: Option<&Person>,
    subject: Option<&str>,
) -> Result<Entry, CatalogError> {
    let prefix = people.prefix;
    let origin = &row.origin;
    let (letter, texts): (_, &[&str]) = match row.piece.kind {
        kind::OLD_MESSAGE => ("M".to_owned(), &["message"]),
        kind::OLD_RESPONSE => ("R".to_owned(), &["response"]),
        kind::OLD_NOTE => ("N".to_owned(), &["note"]),
        _ => (row.any_id(&["type", "thread_type"]).unwrap_or_default(), &["body"]),
    };
    let kind = match &*letter {
        "M" => "message",
        "R" => "response",
        "N" => "note",
        other => other,
    };
    let number =
        row.any_id(&["id", "msg_id", "response_id", "note_id"]).unwrap_or_else(|| format!("at-{}", row.piece.offset));
    let id = match row.piece.kind {
        // Three tables count by themselves.
        kind::OLD_MESSAGE | kind::OLD_RESPONSE | kind::OLD_NOTE => format!("{kind}-{number}"),
        _ => number.clone(),
    };
    let poster = ["poster", "staff_name"].iter().find_map(|column| desk.text(row, column));
    let is_message = kind == "message";
    let author = match (row.id("staff_id"), row.id("user_id")) {
        (Some(id), _) if !is_message => Some(named(people.agent(desk, &id, origin, "the author")?, poster)),
        (_, Some(id)) => Some(named(people.user(desk, &id, origin, "the author")?, poster)),
        (Some(id), None) => Some(named(people.agent(desk, &id, origin, "the author")?, poster)),
        (None, None) if is_message => match poster {
            Some(poster) if requester.is_some_and(|it| it.name.as_ref() != Some(&poster)) => {
                Some(Person { name: Some(poster), ..Person::default() })
            }
            _ => requester.map(|it| Person { fields: Map::new(), ..it.clone() }),
        },
        // osTicket writes notes itself, and agents may be gone but for their names.
        (None, None) => Some(Person { name: poster, role: Some(AGENT.to_owned()), ..Person::default() }),
    };
    let body = texts.iter().find_map(|column| desk.text(row, column));
    let body = body_of(body, desk.text(row, "format").as_deref());
    let mut fields = desk.further(row, OF_ENTRY);
    let title = desk.text(row, "title").filter(|title| Some(title.trim()) != subject.map(str::trim));
    if let Some(title) = title {
        fields.insert("title".to_owned(), Value::String(title));
    }
    let flags: u64 = row.id("flags").and_then(|flags| flags.parse().ok()).unwrap_or(0);
    let flags: Vec<Value> = FLAGS
        .iter()
        .enumerate()
        .filter(|(bit, _)| flags & (1 << bit) != 0)
        .map(|(_, flag)| Value::String((*flag).to_owned()))
        .collect();
    if !flags.is_empty() {
        fields.insert("flags".to_owned(), Value::Array(flags));
    }
    let is_old = row.piece.kind != kind::ENTRY;
    let what = if is_old { OLD_ENTRY } else { ENTRY };
    // The oldest tables say of attachments and mails to which kind of entry they belong.
    let mut parts = Vec::new();
    let with_letter = format!("{letter}{number}");
    for id in [Some(&number), is_old.then_some(&with_letter)].into_iter().flatten() {
        parts.extend(desk.rows(prefix, what, id, &[kind::MAIL, kind::ATTACHMENT])?);
    }
    let message_id = desk.text(row, "messageId");
    let of_mail = parts.iter().find(|row| row.piece.kind == kind::MAIL);
    let message_id = message_id.or_else(|| ["mid", "email_mid"].iter().find_map(|column| desk.text(of_mail?, column)));
    if let Some(message_id) = message_id {
        fields.insert("message_id".to_owned(), Value::String(message_id));
    }
    let mut attachments = Vec::new();
    let mut files = HashSet::new();
    for part in parts.iter().filter(|row| row.piece.kind == kind::ATTACHMENT) {
        let name = ["name", "file_name"].iter().find_map(|column| desk.text(part, column));
        let is_inline = part.id("inline").is_some();
        // Up to 1.6 files lay on the server's disk.
        let file = part.id("file_id").or_else(|| part.id("file_key")).or_else(|| part.id("attach_id"));
        let Some(file) = file.filter(|file| files.insert(file.clone())) else { continue };
        attachments.push(attachment(desk, prefix, Named { file, name, is_inline }, &body, &part.origin)?);
    }
    let body = if body.is_blank() { long_text(&mut attachments).unwrap_or(body) } else { body };
    let mut to = Vec::new();
    let mut cc = Vec::new();
    let mut bcc = Vec::new();
    if let Some(recipients) = desk.text(row, "recipients")
        && let Ok(Value::Object(lists)) = serde_json::from_str(&recipients)
    {
        for (key, list) in [("to", &mut to), ("cc", &mut cc), ("bcc", &mut bcc)] {
            list.extend(lists.get(key).map(addresses).unwrap_or_default());
        }
    }
    Ok(Entry {
        id,
        origin: origin.clone(),
        kind: kind.to_owned(),
        is_public: kind != "note",
        author,
        to,
        cc,
        bcc,
        body,
        created_at: desk.time(row, "created"),
        attachments,
        fields,
    })
}

/// Somebody with the name that stands beside the number, if there is no other.
fn named(person: Person, name: Option<String>) -> Person {
    Person { name: person.name.or(name), ..person }
}

/// Addresses with names, in a list or under ids.
fn addresses(list: &Value) -> Vec<Person> {
    let texts: Vec<&Value> = match list {
        Value::Array(list) => list.iter().collect(),
        Value::Object(list) => list.values().collect(),
        one => vec![one],
    };
    texts.into_iter().filter_map(|text| person(text.as_str()?)).collect()
}

/// The text in the form that it has, which is not always the one that it claims.
fn body_of(text: Option<String>, format: Option<&str>) -> Body {
    let Some(text) = text.filter(|text| text.trim() != NOTHING) else { return Body::Empty };
    let start = text.trim_start();
    let has_tags = start.starts_with('<') && (start.contains("</") || start.contains("/>") || start.contains("<br"));
    // Before there were formats texts were plain.
    let is_html = match format {
        Some("html") => text.contains('<') || text.contains('&') || !text.trim().contains('\n'),
        _ => has_tags,
    };
    if is_html { Body::Html(text) } else { Body::Text(text) }
}

/// Something that happened to the ticket.
fn event(desk: &mut Desk<'_>, prefix: &str, row: &Row) -> Result<Entry, CatalogError> {
    let state = match row.id("event_id") {
        Some(id) => desk.name(prefix, "event", &id, &["name"])?.unwrap_or(id),
        None => desk.text(row, "state").unwrap_or_default(),
    };
    let created_at = desk.time(row, "timestamp");
    let username = ["username", "staff"].iter().find_map(|column| desk.text(row, column));
    let author = match row.id("staff_id") {
        Some(id) => agent(desk, prefix, &id)?.map(|agent| Person { fields: Map::new(), ..agent }),
        None => None,
    };
    let text = match &username {
        Some(username) => format!("{state} ({username})"),
        None => state.clone(),
    };
    let mut fields = Map::new();
    fields.insert("event".to_owned(), Value::String(state));
    if let Some(username) = username {
        fields.insert("username".to_owned(), Value::String(username));
    }
    if let Some(data) = desk.text(row, "data") {
        fields.insert("data".to_owned(), serde_json::from_str(&data).unwrap_or(Value::String(data)));
    }
    let number = row.id("id").unwrap_or_else(|| format!("at-{}", row.piece.offset));
    Ok(Entry {
        id: format!("event-{number}"),
        origin: row.origin.clone(),
        kind: "event".to_owned(),
        is_public: false,
        author,
        to: Vec::new(),
        cc: Vec::new(),
        bcc: Vec::new(),
        body: Body::Text(text),
        created_at,
        attachments: Vec::new(),
        fields,
    })
}

/// What was filled into a form.
pub(super) struct Answer {
    /// The field's name among programs; blank for most.
    pub name: String,
    /// Its name for people.
    pub label: String,
    pub text: String,
}

/// The answers in the forms of a ticket or user, in the archive's order.
pub(super) fn answers(desk: &mut Desk<'_>, prefix: &str, what: &str, id: &str) -> Result<Vec<Answer>, CatalogError> {
    let mut answers: Vec<Answer> = Vec::new();
    let mut forms = HashSet::new();
    for form in desk.rows(prefix, what, id, &[kind::FORM])? {
        let Some(form) = form.id("id").filter(|form| forms.insert(form.clone())) else { continue };
        let values = desk.rows(prefix, FORM, &form, &[kind::VALUE])?;
        let mut seen = HashSet::new();
        let mut of_form = Vec::new();
        for value in values.iter().rev() {
            let Some(field) = value.id("field_id").filter(|field| seen.insert(field.clone())) else { continue };
            let Some(text) = desk.text(value, "value") else { continue };
            let name = desk.name(prefix, FIELD, &field, &["name"])?.unwrap_or_default();
            let label = desk.name(prefix, FIELD, &field, &["label", "name"])?;
            let label = label.unwrap_or_else(|| format!("field {field}"));
            of_form.push(Answer { name, label, text: chosen(text) });
        }
        answers.extend(of_form.into_iter().rev());
    }
    Ok(answers)
}

/// What was chosen from a list, which is stored as `{"12":"Gold"}`; any other text as it is.
fn chosen(text: String) -> String {
    if !text.starts_with(['{', '[']) {
        return text;
    }
    let list = match serde_json::from_str(&text) {
        Ok(Value::Object(object)) => object.into_iter().map(|(_, value)| value).collect(),
        Ok(Value::Array(list)) => list,
        _ => return text,
    };
    let texts: Option<Vec<&str>> = list.iter().map(Value::as_str).collect();
    texts.map(|texts| texts.join(", ")).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_the_form_that_they_look_like() {
        let table = [
            ("hello", Some("text"), Body::Text("hello".to_owned())),
            ("hello", Some("html"), Body::Html("hello".to_owned())),
            ("a\nb", Some("html"), Body::Text("a\nb".to_owned())),
            ("a &amp;\nb", Some("html"), Body::Html("a &amp;\nb".to_owned())),
            ("<p>a</p>", Some("text"), Body::Html("<p>a</p>".to_owned())),
            ("<me@example.org> wrote", Some("text"), Body::Text("<me@example.org> wrote".to_owned())),
            ("1 < 2", None, Body::Text("1 < 2".to_owned())),
            ("-", Some("html"), Body::Empty),
        ];
        for (text, format, expected) in table {
            assert_eq!(body_of(Some(text.to_owned()), format), expected, "{text}");
        }
        assert_eq!(body_of(None, None), Body::Empty);
    }

    #[test]
    fn choices_lose_their_numbers() {
        let table = [
            (r#"{"12":"Gold"}"#, "Gold"),
            (r#"{"1":"A","2":"B"}"#, "A, B"),
            (r#"["x"]"#, "x"),
            (r#"{"a":1}"#, r#"{"a":1}"#),
            ("{not", "{not"),
            ("plain", "plain"),
        ];
        for (text, expected) in table {
            assert_eq!(chosen(text.to_owned()), expected);
        }
    }
}
