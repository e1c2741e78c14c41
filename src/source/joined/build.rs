//! Puts records together from the pieces that the pass has found.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::shape::{Joins, Path, Take, TextIs};
use super::values::{find, id_at, id_of, remove, scalar, switch, values};
use super::{join_word, kind, name_key, time_of};
use crate::catalog::{CatalogError, Group, Groups, Piece};
use crate::content::Content;
use crate::finding::codes;
use crate::json::Forgiven;
use crate::record::{Attachment, Body, Entry, Oddity, Origin, Person, Record, RecordId};
use crate::source::csv::{Dates, Objects, person};
use crate::source::shelf::Shelf;
use crate::source::{ReadError, problem};

/// How many people and names are remembered.
const REMEMBERED: usize = 4096;

/// The records of an indexed archive.
pub(super) struct Tickets {
    source: &'static str,
    joins: Arc<Joins>,
    dates: Dates,
    groups: Groups,
    shelf: Shelf,
    tables: BTreeMap<u32, Objects>,
    people: HashMap<String, Option<Person>>,
    names: HashMap<(String, String), Option<Value>>,
}

/// An object, and where it stands.
type Placed = (Map<String, Value>, Origin);

/// Why a record cannot be put together.
enum Stop {
    Index(CatalogError),
    Read(ReadError),
}

impl From<CatalogError> for Stop {
    fn from(error: CatalogError) -> Self {
        Self::Index(error)
    }
}

impl Tickets {
    pub(super) fn new(
        source: &'static str,
        joins: Joins,
        dates: Dates,
        groups: Groups,
        shelf: Shelf,
        tables: BTreeMap<u32, Objects>,
    ) -> Self {
        let joins = Arc::new(joins);
        Self { source, joins, dates, groups, shelf, tables, people: HashMap::new(), names: HashMap::new() }
    }

    /// The object that a piece is.
    fn object(&mut self, piece: &Piece) -> Result<(Map<String, Value>, Forgiven), ReadError> {
        match self.tables.get_mut(&piece.file) {
            None => self.shelf.object(piece, None),
            Some(table) => {
                let object = table.at(piece.offset, piece.length);
                let object = object.map_err(|cause| ReadError::Io { origin: self.shelf.origin(piece), cause })?;
                Ok((object, Forgiven::default()))
            }
        }
    }

    fn unreadable(&mut self, piece: &Piece) -> ReadError {
        let origin = self.shelf.origin(piece);
        let malformed = |origin, problem: String| ReadError::Malformed { origin, id: None, problem };
        match piece.kind {
            problem::NO_ID => {
                let paths: Vec<String> =
                    self.joins.ticket.id.from.iter().map(|path| format!("`{}`", path.text)).collect();
                malformed(origin, format!("the ticket has no id at {}", paths.join(", ")))
            }
            _ => problem::unreadable(&mut self.shelf, piece, problem::ELEMENT),
        }
    }
}

impl Iterator for Tickets {
    type Item = Result<Record, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let index_failed = |error: CatalogError| {
            let origin = Origin::whole(&Arc::from("the archive's index"));
            ReadError::Io { origin, cause: std::io::Error::other(error) }
        };
        let group = match self.groups.next()? {
            Ok(group) => group,
            Err(error) => return Some(Err(index_failed(error))),
        };
        if let Some(piece) = group.pieces.iter().find(|piece| piece.kind >= problem::FIRST) {
            return Some(Err(self.unreadable(piece)));
        }
        let joins = Arc::clone(&self.joins);
        let mut desk = Desk { it: self, joins: &joins, shown: HashSet::new(), oddities: Vec::new() };
        Some(desk.record(&group).map_err(|stop| match stop {
            Stop::Index(error) => index_failed(error),
            Stop::Read(error) => error,
        }))
    }
}

/// What is at hand while one record is made.
struct Desk<'a> {
    it: &'a mut Tickets,
    joins: &'a Joins,
    /// People whose further fields stand in the record already.
    shown: HashSet<String>,
    oddities: Vec<Oddity>,
}

impl Desk<'_> {
    fn odd(&mut self, code: &'static str, origin: &Origin, message: String) {
        self.oddities.push(Oddity { code, origin: origin.clone(), message });
    }

    fn forgive(&mut self, forgiven: Forgiven, origin: &Origin) {
        if forgiven != Forgiven::default() {
            let message =
                "the text has characters that JSON or UTF-8 forbids; they were replaced or read as windows-1252";
            self.odd(codes::READ_CHARSET, origin, message.to_owned());
        }
    }

    fn record(&mut self, group: &Group) -> Result<Record, Stop> {
        let joins = self.joins;
        let newest = group.pieces.iter().max_by_key(|piece| (piece.version, piece.file, piece.offset));
        let piece = newest.expect("a group has at least one piece");
        let origin = self.it.shelf.origin(piece);
        let (mut ticket, forgiven) = self.it.object(piece).map_err(Stop::Read)?;
        self.forgive(forgiven, &origin);
        if group.pieces.len() > 1 {
            let message =
                format!("the ticket stands {} times in the archive; the newest copy counts", group.pieces.len());
            self.odd(codes::READ_DUPLICATE, &origin, message);
        }
        let own = id_at(&ticket, &joins.ticket.id.from);
        let Some(id) = own else { return Err(Stop::Read(ReadError::MissingId { origin })) };
        for (name, listed) in &joins.lists {
            let mut list = Vec::new();
            for piece in self.named(&format!("list {name}"), &id)? {
                if let Ok((object, _)) = self.it.object(&piece) {
                    list.extend(find(&object, &listed.value).into_iter().cloned());
                }
            }
            ticket.insert(name.clone(), Value::Array(list));
        }
        let messages = self.messages(&mut ticket, &id, &origin)?;
        let names = &joins.ticket;
        let requester = self.party(
            &ticket,
            [&names.requester, &names.requester_name, &names.requester_email],
            &origin,
            "the requester",
        )?;
        let assignee = self.party(
            &ticket,
            [&names.assignee, &names.assignee_name, &names.assignee_email],
            &origin,
            "the assignee",
        )?;
        let cc = self.people(&ticket, &names.cc, &origin, "a copied person")?;
        let (requester, assignee) = (requester.map(|it| self.shown_once(it)), assignee.map(|it| self.shown_once(it)));
        let cc = cc.into_iter().map(|it| self.shown_once(it)).collect();
        let mut kept = Vec::new();
        let created_at = self.time(&ticket, &names.created_at, &origin, &mut kept);
        let updated_at = self.time(&ticket, &names.updated_at, &origin, &mut kept);
        let closed_at = self.time(&ticket, &names.closed_at, &origin, &mut kept);
        let mut entries = Vec::new();
        let mut ids = HashSet::new();
        let opening = self.body(&ticket, &names.html, &names.text);
        let is_opened = opening != Body::Empty && (names.text_is == TextIs::First || messages.is_empty());
        if is_opened {
            ids.insert("description".to_owned());
            let mut attachments = Vec::new();
            self.inner_attachments(&mut ticket, &origin, &mut attachments);
            entries.push(Entry {
                id: "description".to_owned(),
                origin: origin.clone(),
                kind: "description".to_owned(),
                is_public: true,
                author: requester.clone().map(|it| self.shown_once(it)),
                to: Vec::new(),
                cc: Vec::new(),
                bcc: Vec::new(),
                body: opening,
                created_at,
                attachments,
                fields: Map::new(),
            });
        } else if messages.is_empty() {
            self.odd(codes::READ_NO_ENTRIES, &origin, "the archive holds no messages of this ticket".to_owned());
        }
        for (message, origin) in messages {
            let entry = self.entry(message, origin)?;
            if ids.insert(entry.id.clone()) {
                entries.push(entry);
            }
        }
        // Those without a time stay behind the one that they follow in the archive.
        let mut last = Timestamp::MIN;
        let mut timed: Vec<(Timestamp, Entry)> = entries
            .into_iter()
            .map(|entry| {
                last = entry.created_at.unwrap_or(last);
                (last, entry)
            })
            .collect();
        timed.sort_by_key(|(time, _)| *time);
        let mut entries: Vec<Entry> = timed.into_iter().map(|(_, entry)| entry).collect();
        for entry in &mut entries {
            if let Some(author) = entry.author.take() {
                entry.author = Some(self.shown_once(author));
            }
        }
        let subject = self.text(&ticket, &names.subject)?;
        let status = self.text(&ticket, &names.status)?;
        let channel = self.text(&ticket, &names.channel)?;
        let url = self.text(&ticket, &names.url)?;
        let mut tags = Vec::new();
        for tag in self.texts(&ticket, &names.tags)? {
            // One text with several tags.
            for tag in tag.split([',', ';', '|']).map(str::trim).filter(|tag| !tag.is_empty()) {
                if !tags.iter().any(|known| known == tag) {
                    tags.push(tag.to_owned());
                }
            }
        }
        let mut fields = Map::new();
        for (name, take) in &names.fields {
            let all: Vec<Value> = self.resolved(&ticket, take)?;
            match all.len() {
                0 => {}
                1 => drop(fields.insert(name.clone(), all.into_iter().next().unwrap_or_default())),
                _ => drop(fields.insert(name.clone(), Value::Array(all))),
            }
        }
        if let Some(custom) = &names.custom {
            let named = self.custom(&ticket, custom)?;
            remove(&mut ticket, &custom.inside);
            if !named.is_empty() {
                fields.insert("custom_fields".to_owned(), Value::Object(named));
            }
        }
        left_over(&mut ticket, &joins.ticket_takes(), &kept);
        for (name, value) in ticket {
            fields.entry(name).or_insert(value);
        }
        Ok(Record {
            id: RecordId::new(self.it.source, id),
            origin,
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
            entries,
            fields,
            oddities: std::mem::take(&mut self.oddities),
        })
    }

    fn named(&self, word: &str, id: &str) -> Result<Vec<Piece>, Stop> {
        let mut pieces = self.it.groups.catalog().named(name_key(word, id))?;
        pieces.retain(|piece| piece.kind != kind::ANCHOR);
        pieces.sort_by_key(|piece| (piece.file, piece.offset));
        Ok(pieces)
    }

    /// Everything written in a ticket, with its place; each message once, as its latest copy.
    fn messages(&mut self, ticket: &mut Map<String, Value>, id: &str, origin: &Origin) -> Result<Vec<Placed>, Stop> {
        let joins = self.joins;
        let mut messages: Vec<Placed> = Vec::new();
        let mut places: HashMap<String, usize> = HashMap::new();
        for (n, place) in joins.messages.0.iter().enumerate() {
            let mut found = Vec::new();
            if let Some(inside) = &place.inside {
                for object in objects(find(ticket, inside)) {
                    found.push((object, origin.clone()));
                }
                remove(ticket, inside);
            } else {
                let key = match &place.to {
                    None => Some(id.to_owned()),
                    Some(to) => id_at(ticket, std::slice::from_ref(to)),
                };
                let Some(key) = key else { continue };
                for piece in self.named(&join_word("message", n, place), &key)? {
                    let origin = self.it.shelf.origin(&piece);
                    match self.it.object(&piece) {
                        Ok((mut object, forgiven)) => {
                            self.forgive(forgiven, &origin);
                            // `*` is the file's name, not a field.
                            if let Some(key) = place.key.as_ref().filter(|key| key.text != "*") {
                                remove(&mut object, key);
                            }
                            found.push((object, origin));
                        }
                        Err(error) => {
                            let message = format!("a message of the ticket is left out: {error}");
                            self.odd(codes::READ_BROKEN_PART, &origin, message);
                        }
                    }
                }
            }
            for (object, origin) in found {
                match id_at(&object, &joins.message.id.from) {
                    Some(id) => match places.get(&id) {
                        Some(&place) => messages[place] = (object, origin),
                        None => {
                            places.insert(id, messages.len());
                            messages.push((object, origin));
                        }
                    },
                    None => messages.push((object, origin)),
                }
            }
        }
        Ok(messages)
    }

    fn entry(&mut self, mut object: Map<String, Value>, origin: Origin) -> Result<Entry, Stop> {
        let names = &self.joins.message;
        let id = id_at(&object, &names.id.from).unwrap_or_else(|| {
            let hash = blake3::hash(Value::Object(object.clone()).to_string().as_bytes());
            format!("content-{}", &hash.to_hex()[..24])
        });
        let mut kept = Vec::new();
        let created_at = self.time(&object, &names.created_at, &origin, &mut kept);
        let mut author =
            self.party(&object, [&names.author, &names.author_name, &names.author_email], &origin, "the author")?;
        if let Some(role) = self.text(&object, &names.author_role)? {
            author.get_or_insert_default().role = Some(role);
        }
        let to = self.people(&object, &names.to, &origin, "a recipient")?;
        let cc = self.people(&object, &names.cc, &origin, "a copied person")?;
        let bcc = self.people(&object, &names.bcc, &origin, "a copied person")?;
        let without_fields =
            |people: Vec<Person>| people.into_iter().map(|it| Person { fields: Map::new(), ..it }).collect();
        let body = self.body(&object, &names.html, &names.text);
        let kind = self.text(&object, &names.kind)?.unwrap_or_else(|| "message".to_owned());
        let is_public = match (switch(&object, &names.public), switch(&object, &names.private)) {
            (Some(is_public), _) => is_public,
            (None, Some(is_private)) => !is_private,
            (None, None) => true,
        };
        let mut attachments = Vec::new();
        for (n, place) in self.joins.attachments.0.iter().enumerate().filter(|(_, place)| place.inside.is_none()) {
            let key = match &place.to {
                None => Some(id.clone()),
                Some(to) => id_at(&object, std::slice::from_ref(to)),
            };
            for piece in self.named(&join_word("attachment", n, place), &key.unwrap_or_default())? {
                if let Ok((object, _)) = self.it.object(&piece) {
                    let origin = self.it.shelf.origin(&piece);
                    attachments.push(self.attachment(&object, &origin)?);
                }
            }
        }
        self.inner_attachments(&mut object, &origin, &mut attachments);
        left_over(&mut object, &self.joins.message_takes(), &kept);
        Ok(Entry {
            id,
            origin,
            kind,
            is_public,
            author,
            to: without_fields(to),
            cc: without_fields(cc),
            bcc: without_fields(bcc),
            body,
            created_at,
            attachments,
            fields: object,
        })
    }

    /// HTML where there is some, else text.
    fn body(&mut self, object: &Map<String, Value>, html: &Take, text: &Take) -> Body {
        let first = |take: &Take| values(object, take).into_iter().find_map(scalar);
        match (first(html), first(text)) {
            (Some(html), _) => Body::Html(html),
            (None, Some(text)) => Body::Text(text),
            (None, None) => Body::Empty,
        }
    }

    /// A time; what is none stays a field and is noted.
    fn time(
        &mut self,
        object: &Map<String, Value>,
        take: &Take,
        origin: &Origin,
        kept: &mut Vec<Path>,
    ) -> Option<Timestamp> {
        for path in &take.from {
            for value in find(object, path) {
                let is_blank = value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty());
                if is_blank {
                    continue;
                }
                match time_of(value, &self.it.dates) {
                    Ok(time) => return Some(time),
                    Err(problem) => {
                        let shown: String = value.to_string().chars().take(60).collect();
                        kept.push(path.clone());
                        self.odd(codes::READ_DATE, origin, format!("`{}` {problem}: {shown}", path.text));
                    }
                }
            }
        }
        None
    }

    /// Values, gone through their lookup and table.
    fn resolved(&mut self, object: &Map<String, Value>, take: &Take) -> Result<Vec<Value>, Stop> {
        let found: Vec<Value> = values(object, take).into_iter().cloned().collect();
        let mut all = Vec::with_capacity(found.len());
        for value in found {
            let value = match (&take.lookup, id_of(&value)) {
                (Some(lookup), Some(id)) => self.name(lookup.get_ref(), &id)?.unwrap_or(value),
                _ => value,
            };
            let meant = scalar(&value).and_then(|text| {
                take.table
                    .iter()
                    .find(|(word, _)| word.trim().eq_ignore_ascii_case(text.trim()))
                    .map(|(_, to)| to.clone())
            });
            all.push(meant.map_or(value, Value::String));
        }
        Ok(match &take.join {
            Some(between) => {
                let texts: Vec<String> = all.iter().filter_map(scalar).collect();
                if texts.is_empty() { Vec::new() } else { vec![Value::String(texts.join(between))] }
            }
            None => all,
        })
    }

    fn texts(&mut self, object: &Map<String, Value>, take: &Take) -> Result<Vec<String>, Stop> {
        Ok(self.resolved(object, take)?.iter().filter_map(scalar).collect())
    }

    fn text(&mut self, object: &Map<String, Value>, take: &Take) -> Result<Option<String>, Stop> {
        Ok(self.texts(object, take)?.into_iter().next())
    }

    /// What a lookup table has under an id.
    fn name(&mut self, lookup: &str, id: &str) -> Result<Option<Value>, Stop> {
        let key = (lookup.to_owned(), id.to_owned());
        if let Some(known) = self.it.names.get(&key) {
            return Ok(known.clone());
        }
        let mut name = None;
        if let Some(listed) = self.joins.lookups.get(lookup) {
            for piece in self.named(&format!("lookup {lookup}"), id)?.iter().rev() {
                if let Ok((object, _)) = self.it.object(piece) {
                    name = find(&object, &listed.value).into_iter().find(|value| scalar(value).is_some()).cloned();
                    break;
                }
            }
        }
        if self.it.names.len() >= REMEMBERED {
            self.it.names.clear();
        }
        self.it.names.insert(key, name.clone());
        Ok(name)
    }

    fn custom(
        &mut self,
        ticket: &Map<String, Value>,
        custom: &super::shape::Custom,
    ) -> Result<Map<String, Value>, Stop> {
        let mut named = Map::new();
        for object in objects(find(ticket, &custom.inside)) {
            let Some(id) = id_at(&object, std::slice::from_ref(&custom.key)) else { continue };
            let value = find(&object, &custom.value).into_iter().find(|value| !value.is_null()).cloned();
            let Some(value) = value else { continue };
            let title = match &custom.lookup {
                Some(lookup) => self.name(lookup.get_ref(), &id)?.as_ref().and_then(scalar),
                None => None,
            };
            let title = title.unwrap_or_else(|| id.clone());
            // Two fields may have one title.
            let title = if named.contains_key(&title) { format!("{title} ({id})") } else { title };
            named.insert(title, value);
        }
        Ok(named)
    }

    /// A person by reference or description, with what else is said about name and address.
    fn party(
        &mut self,
        object: &Map<String, Value>,
        [who, name, email]: [&Take; 3],
        origin: &Origin,
        what: &str,
    ) -> Result<Option<Person>, Stop> {
        let mut found = self.people(object, who, origin, what)?.into_iter().next();
        if let Some(email) = self.text(object, email)? {
            let said = person(&email).unwrap_or_default();
            let found = found.get_or_insert_default();
            if !found.emails.iter().any(|known| said.emails.iter().any(|said| said.eq_ignore_ascii_case(known))) {
                found.emails.extend(said.emails);
            }
            found.name = found.name.take().or(said.name);
        }
        if let Some(name) = self.text(object, name)? {
            let found = found.get_or_insert_default();
            found.name = found.name.take().or(Some(name));
        }
        Ok(found)
    }

    fn people(
        &mut self,
        object: &Map<String, Value>,
        take: &Take,
        origin: &Origin,
        what: &str,
    ) -> Result<Vec<Person>, Stop> {
        let mut people = Vec::new();
        for value in self.resolved(object, take)? {
            match value {
                Value::Object(described) => {
                    let person = self.person_of(described)?;
                    // The list of people may know more.
                    let known = match &person.id {
                        Some(id) => self.known(id)?,
                        None => None,
                    };
                    people.push(known.unwrap_or(person));
                }
                other => {
                    let Some(id) = id_of(&other) else { continue };
                    if let Some(known) = self.known(&id)? {
                        people.push(known);
                    } else if id.contains('@') || self.joins.people.0.is_empty() {
                        people.extend(person(&id));
                    } else {
                        let message = format!("{what} is `{id}`, whom the archive does not hold");
                        if !self.oddities.iter().any(|oddity| oddity.message.ends_with(&message[what.len()..])) {
                            self.odd(codes::READ_MISSING_PERSON, origin, message);
                        }
                        people.push(Person { id: Some(id), ..Person::default() });
                    }
                }
            }
        }
        Ok(people)
    }

    /// A person whom the archive's people hold.
    fn known(&mut self, id: &str) -> Result<Option<Person>, Stop> {
        if self.joins.people.0.is_empty() {
            return Ok(None);
        }
        if let Some(known) = self.it.people.get(id) {
            return Ok(known.clone());
        }
        let mut person = None;
        for piece in self.named("person", id)?.iter().rev() {
            if let Ok((object, _)) = self.it.object(piece) {
                let mut found = self.person_of(object)?;
                found.id = Some(id.to_owned());
                for key in
                    self.joins.people.0.iter().filter_map(|place| place.key.as_ref()).filter(|key| key.text != "*")
                {
                    remove(&mut found.fields, key);
                }
                person = Some(found);
                break;
            }
        }
        if self.it.people.len() >= REMEMBERED {
            self.it.people.clear();
        }
        self.it.people.insert(id.to_owned(), person.clone());
        Ok(person)
    }

    fn person_of(&mut self, mut object: Map<String, Value>) -> Result<Person, Stop> {
        let names = &self.joins.person;
        let all = |it: &Take| Take { join: None, ..it.clone() };
        let mut emails: Vec<String> = Vec::new();
        for path in &names.email.from {
            let take = Take { from: vec![path.clone()], ..all(&names.email) };
            for email in self.texts(&object, &take)? {
                if !emails.iter().any(|known| known.eq_ignore_ascii_case(&email)) {
                    emails.push(email);
                }
            }
        }
        let mut phones: Vec<String> = Vec::new();
        for path in &names.phone.from {
            let take = Take { from: vec![path.clone()], ..all(&names.phone) };
            for phone in self.texts(&object, &take)? {
                if !phones.contains(&phone) {
                    phones.push(phone);
                }
            }
        }
        let mut person = Person {
            id: id_at(&object, &names.id.from),
            name: self.text(&object, &names.name)?,
            emails,
            phones,
            role: self.text(&object, &names.role)?,
            company: self.text(&object, &names.company)?,
            fields: Map::new(),
        };
        left_over(&mut object, &self.joins.person_takes(), &[]);
        person.fields = object;
        Ok(person)
    }

    /// A person with all fields at the first place in the record, without the further ones later.
    fn shown_once(&mut self, mut person: Person) -> Person {
        let is_first = person.id.as_ref().is_none_or(|id| self.shown.insert(id.clone()));
        if !is_first {
            person.fields = Map::new();
        }
        person
    }

    /// Attachments that lie inside of what they belong to.
    fn inner_attachments(&mut self, object: &mut Map<String, Value>, origin: &Origin, all: &mut Vec<Attachment>) {
        for inside in self.joins.attachments.0.iter().filter_map(|place| place.inside.as_ref()) {
            let found: Vec<Value> = find(object, inside).into_iter().cloned().collect();
            for value in found {
                let list = match value {
                    Value::Array(list) => list,
                    other => vec![other],
                };
                for value in list {
                    let made = match value {
                        Value::Object(attachment) => self.attachment(&attachment, origin).ok(),
                        // A name or address alone.
                        other => scalar(&other).and_then(|text| self.named_file(&text, None, origin).ok()),
                    };
                    all.extend(made);
                }
            }
            remove(object, inside);
        }
    }

    fn named_file(&mut self, text: &str, size: Option<u64>, origin: &Origin) -> Result<Attachment, Stop> {
        let is_address = text.starts_with("http://") || text.starts_with("https://");
        let content = if is_address {
            Content::Link { url: text.to_owned(), claimed_length: size }
        } else {
            self.file(text, size, origin)?
        };
        let name = text.split(['?', '#']).next().unwrap_or(text).rsplit(['/', '\\']).next().unwrap_or(text);
        let name = if name.is_empty() { "attachment" } else { name };
        Ok(Attachment { name: name.to_owned(), mime: None, content_id: None, is_inline: false, content })
    }

    /// A file of the archive, which is asked for by its name in the folder; no name reaches the file system.
    fn file(&mut self, name: &str, size: Option<u64>, origin: &Origin) -> Result<Content, Stop> {
        let wanted = name.trim().trim_start_matches("./").replace('\\', "/");
        let pieces = self.named("file", &wanted)?;
        Ok(match pieces.first() {
            Some(piece) => {
                let file = &self.it.shelf.input.files()[piece.file as usize];
                file.content()
            }
            None => {
                let reason = format!("the archive holds no file `{wanted}`");
                self.odd(codes::READ_MISSING_PART, origin, reason.clone());
                Content::Missing { reason, claimed_length: size }
            }
        })
    }

    fn attachment(&mut self, object: &Map<String, Value>, origin: &Origin) -> Result<Attachment, Stop> {
        let names = &self.joins.attachment;
        let name = self.text(object, &names.name)?;
        let mime = self.text(object, &names.mime)?;
        let content_id = self.text(object, &names.content_id)?;
        let size = self.text(object, &names.size)?.and_then(|size| size.trim().parse::<u64>().ok());
        let (data, file, url) =
            (self.text(object, &names.data)?, self.text(object, &names.file)?, self.text(object, &names.url)?);
        let bytes = data.and_then(|data| {
            let compact: Vec<u8> = data.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
            STANDARD.decode(compact).ok()
        });
        let short = url.as_deref().or(file.as_deref()).unwrap_or("attachment").to_owned();
        let content = match (bytes, &file, url) {
            (Some(bytes), ..) => Content::bytes(bytes),
            (None, Some(file), None) => self.file(file, size, origin)?,
            (None, Some(file), Some(url)) => {
                let noted = self.oddities.len();
                match self.file(file, size, origin)? {
                    Content::Missing { .. } => {
                        // The address is better than nothing.
                        self.oddities.truncate(noted);
                        Content::Link { url, claimed_length: size }
                    }
                    found => found,
                }
            }
            (None, None, Some(url)) => Content::Link { url, claimed_length: size },
            (None, None, None) => Content::Missing {
                reason: "the archive names neither bytes nor an address".to_owned(),
                claimed_length: size,
            },
        };
        let name = name.unwrap_or_else(|| short.rsplit(['/', '\\']).next().unwrap_or("attachment").to_owned());
        let is_inline = switch(object, &names.inline).unwrap_or(false);
        Ok(Attachment { name, mime, content_id, is_inline, content })
    }
}

/// Takes out what the paths have taken, but for what could not be understood.
fn left_over(object: &mut Map<String, Value>, takes: &[&Take], kept: &[Path]) {
    for path in takes.iter().flat_map(|take| &take.from).filter(|path| !kept.contains(path)) {
        remove(object, path);
    }
    object.retain(|_, value| !value.is_null());
}

/// The objects of lists; an object alone is one.
fn objects(found: Vec<&Value>) -> Vec<Map<String, Value>> {
    let mut all = Vec::new();
    for value in found {
        match value {
            Value::Object(object) => all.push(object.clone()),
            Value::Array(list) => all.extend(list.iter().filter_map(Value::as_object).cloned()),
            _ => {}
        }
    }
    all
}
