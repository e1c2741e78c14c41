//! Cuts tickets and their parts out of a dump, and has what records are made of at hand.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{Format, LIST, TICKET, kind, name_key, unlinked_key};
use crate::catalog::{Catalog, CatalogError, Group, Piece};
use crate::content::Content;
use crate::finding::codes;
use crate::input::Input;
use crate::json::{self, Forgiven};
use crate::record::{Entry, Oddity, Origin, Person, Record};
use crate::source::csv::{Dates, person, persons};
use crate::source::joined::{id_of, time_of};
use crate::source::lanes::{Answer, Maker};
use crate::source::shelf::{Shelf, weight};
use crate::source::{ReadError, problem};

/// How many bytes of looked-up objects are remembered, by their [`weight`].
const REMEMBERED_BYTES: u64 = 4 * 1024 * 1024;

/// What a ticket or message is called its creation and its change by, in any help desk.
const CREATED: &[&str] = &["created_at", "createdAt", "created"];
const UPDATED: &[&str] = &["updated_at", "updatedAt", "modifiedAt", "userUpdatedAt", "userModifiedAt", "updated"];

/// When an element was made and last changed, as far as it says.
pub(super) fn created_at(object: &Map<String, Value>, dates: &Dates) -> (Option<Timestamp>, Option<Timestamp>) {
    // Issues of Jira have everything in their fields.
    let fields = object.get("fields").and_then(Value::as_object).unwrap_or(object);
    let time =
        |keys: &[&str]| keys.iter().find_map(|key| time_of(object.get(*key).or_else(|| fields.get(*key))?, dates).ok());
    (time(CREATED), time(UPDATED))
}

/// Makes records of an indexed archive.
pub(super) struct Tickets {
    format: &'static dyn Format,
    catalog: Catalog,
    shelf: Shelf,
    dates: Dates,
    directory: Directory,
    /// Whether parts that name no ticket belong to the only one.
    is_single: bool,
}

impl Tickets {
    pub(super) fn new(
        format: &'static dyn Format,
        catalog: Catalog,
        input: Input,
        dates: Dates,
        is_single: bool,
    ) -> Self {
        Self { format, catalog, shelf: Shelf::new(input), dates, directory: Directory::default(), is_single }
    }
}

impl Maker for Tickets {
    fn record(&mut self, group: &Group) -> Option<Answer> {
        if let Some(piece) = group.pieces.iter().find(|piece| piece.kind >= problem::FIRST) {
            return Some(Err(problem::unreadable(&mut self.shelf, piece, problem::ELEMENT)));
        }
        let mut desk = Desk::new(self.format, &self.catalog, &mut self.shelf, &self.dates, &mut self.directory);
        Some(desk.record(group, self.is_single).map(|mut record| {
            record.origin.seat = Some(Box::new(group.seat));
            record
        }))
    }

    fn read(&self) -> u64 {
        self.shelf.bytes_read
    }
}

fn index_failed(origin: &Origin, error: CatalogError) -> ReadError {
    ReadError::Io { origin: origin.clone(), cause: std::io::Error::other(error) }
}

/// An object of the archive, if it holds one.
type Found = Option<Arc<Map<String, Value>>>;

/// Objects that were looked up, remembered as long as there is room.
#[derive(Default)]
pub(super) struct Directory {
    objects: HashMap<(&'static str, String), Found>,
    bytes: u64,
}

/// Something that belongs to a ticket.
pub(in crate::source) struct Part {
    /// What it is, as the format numbers it.
    pub kind: u8,
    /// What stands there.
    pub object: Map<String, Value>,
    /// Where.
    pub origin: Origin,
}

/// What is at hand while one record is made.
pub(in crate::source) struct Desk<'a> {
    format: &'static dyn Format,
    catalog: &'a Catalog,
    shelf: &'a mut Shelf,
    dates: &'a Dates,
    directory: &'a mut Directory,
    /// People whose further fields stand in the record already.
    shown: HashSet<String>,
    oddities: Vec<Oddity>,
}

impl<'a> Desk<'a> {
    pub(super) fn new(
        format: &'static dyn Format,
        catalog: &'a Catalog,
        shelf: &'a mut Shelf,
        dates: &'a Dates,
        directory: &'a mut Directory,
    ) -> Self {
        Self { format, catalog, shelf, dates, directory, shown: HashSet::new(), oddities: Vec::new() }
    }

    fn record(&mut self, group: &Group, is_single: bool) -> Result<Record, ReadError> {
        // The newest copy counts; of equal ones the last, since later pages were fetched later.
        let mut pieces: Vec<&Piece> = group.pieces.iter().collect();
        pieces.sort_by_key(|piece| std::cmp::Reverse((piece.version, piece.file, piece.offset)));
        let mut ticket: Option<(Map<String, Value>, Origin)> = None;
        let mut failed = None;
        let mut parts = Vec::new();
        for piece in &pieces {
            let origin = self.shelf.origin(piece);
            let (object, forgiven) = match self.shelf.object(piece, None) {
                Ok(found) => found,
                Err(error) => {
                    self.odd(codes::READ_BROKEN_PART, &origin, "a copy of the ticket cannot be read".to_owned());
                    failed = failed.or(Some(error));
                    continue;
                }
            };
            self.forgive(forgiven, &origin);
            let mut object = unwrapped(object);
            for object in self.format.take_messages(&mut object).into_iter().rev() {
                parts.push(Part { kind: kind::MESSAGE, object, origin: origin.clone() });
            }
            match &mut ticket {
                None => ticket = Some((object, origin)),
                Some((ticket, _)) => self.format.fill(ticket, object),
            }
        }
        // Of equally new copies the last counts, and they were read from the newest on.
        parts.reverse();
        let Some((ticket, origin)) = ticket else {
            return Err(failed.expect("a group has at least one piece, and it could not be read"));
        };
        if pieces.len() > 1 {
            let message = format!("the ticket stands {} times in the archive; the newest copy counts", pieces.len());
            self.odd(codes::READ_DUPLICATE, &origin, message);
        }
        let id = match self.format.sort(&ticket, "", &origin.file) {
            super::Sort::Ticket(Some(id)) => id,
            _ => return Err(ReadError::MissingId { origin }),
        };
        let made = self.gather(&id, is_single, &mut parts).and_then(|()| {
            let parts = self.distinct(parts);
            let format = self.format;
            format.record(self, ticket, &origin, parts)
        });
        let mut record = made.map_err(|error| index_failed(&origin, error))?;
        // Only now is known where a person stands first.
        for entry in &mut record.entries {
            if let Some(author) = entry.author.take() {
                entry.author = Some(self.shown_once(author));
            }
        }
        record.oddities = std::mem::take(&mut self.oddities);
        Ok(record)
    }

    /// Collects what other parts of the archive say about a ticket.
    fn gather(&mut self, id: &str, is_single: bool, parts: &mut Vec<Part>) -> Result<(), CatalogError> {
        let mut pieces = self.catalog.named(name_key(TICKET, id))?;
        if is_single {
            pieces.extend(self.catalog.named(unlinked_key())?);
        }
        pieces.sort_by_key(|piece| (piece.file, piece.offset));
        for piece in pieces {
            let origin = self.shelf.origin(&piece);
            match self.part(&piece) {
                Ok((object, forgiven)) => {
                    self.forgive(forgiven, &origin);
                    parts.push(Part { kind: piece.kind, object, origin });
                }
                Err(error) => {
                    self.odd(codes::READ_BROKEN_PART, &origin, format!("a part of the ticket is left out: {error}"));
                }
            }
        }
        Ok(())
    }

    /// An object, or a list that a page has for its ticket.
    fn part(&mut self, piece: &Piece) -> Result<(Map<String, Value>, Forgiven), ReadError> {
        match json::parse(&self.shelf.bytes(piece)?) {
            Ok((Value::Object(object), forgiven)) => Ok((unwrapped(object), forgiven)),
            Ok((list @ Value::Array(_), forgiven)) => Ok((Map::from_iter([(LIST.to_owned(), list)]), forgiven)),
            // It may be XML, or says what is wrong.
            _ => self.shelf.object(piece, None).map(|(object, forgiven)| (unwrapped(object), forgiven)),
        }
    }

    /// Each part once: its newest copy, of equal ones the last, with what only an older one has.
    fn distinct(&self, parts: Vec<Part>) -> Vec<Part> {
        let mut places: HashMap<(u8, String), usize> = HashMap::new();
        let mut kept: Vec<Part> = Vec::with_capacity(parts.len());
        for part in parts {
            let Some(id) = part.object.get("id").and_then(id_of) else {
                if !kept.iter().any(|known| known.kind == part.kind && known.object == part.object) {
                    kept.push(part);
                }
                continue;
            };
            match places.get(&(part.kind, id.clone())) {
                None => {
                    places.insert((part.kind, id), kept.len());
                    kept.push(part);
                }
                Some(&place) => {
                    let version = |part: &Part| created_at(&part.object, self.dates).1;
                    let mut older = part;
                    if version(&older) >= version(&kept[place]) {
                        std::mem::swap(&mut older, &mut kept[place]);
                    }
                    fill_blanks(&mut kept[place].object, older.object);
                }
            }
        }
        kept
    }

    /// Notes something that had to be decided or given up.
    pub(in crate::source) fn odd(&mut self, code: &'static str, origin: &Origin, message: String) {
        self.oddities.push(Oddity { code, origin: origin.clone(), message });
    }

    fn forgive(&mut self, forgiven: Forgiven, origin: &Origin) {
        if let Some(charset) = forgiven.charset {
            self.odd(codes::READ_CHARSET, origin, format!("the text is not UTF-8; it was read as {charset}"));
        }
        if forgiven.has_bad_characters {
            let message = "characters that JSON forbids were replaced or kept as they are".to_owned();
            self.odd(codes::READ_CHARSET, origin, message);
        }
    }

    /// Takes a time out of an object; one that cannot be read stays, with an oddity.
    pub(in crate::source) fn time(
        &mut self,
        object: &mut Map<String, Value>,
        key: &str,
        origin: &Origin,
    ) -> Option<Timestamp> {
        let value = object.get(key)?;
        if value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty()) {
            object.shift_remove(key);
            return None;
        }
        match time_of(value, self.dates) {
            Ok(time) => {
                object.shift_remove(key);
                Some(time)
            }
            Err(problem) => {
                let found: String = value.to_string().chars().take(60).collect();
                self.odd(codes::READ_DATE, origin, format!("`{key}` {problem}: {found}"));
                None
            }
        }
    }

    /// A time that is only looked at.
    pub(in crate::source) fn time_of(&self, value: &Value) -> Option<Timestamp> {
        time_of(value, self.dates).ok()
    }

    /// The newest readable copy of a thing; `None` if the archive does not hold it.
    pub(in crate::source) fn named(&mut self, what: &'static str, id: &str) -> Result<Found, CatalogError> {
        let key = (what, id.to_owned());
        if let Some(known) = self.directory.objects.get(&key) {
            return Ok(known.clone());
        }
        let (mut found, mut bytes) = (None, weight(0));
        for piece in self.catalog.named(name_key(what, id))?.iter().rev() {
            if matches!(piece.kind, kind::PERSON | kind::ALIAS | kind::NAMED)
                && let Ok((object, _)) = self.shelf.object(piece, None)
            {
                bytes = weight(piece.length);
                found = Some(Arc::new(unwrapped(object)));
                break;
            }
        }
        self.directory.bytes += bytes;
        if self.directory.bytes > REMEMBERED_BYTES {
            self.directory.objects.clear();
            self.directory.bytes = bytes;
        }
        self.directory.objects.insert(key, found.clone());
        Ok(found)
    }

    /// What a thing is called.
    pub(in crate::source) fn name(&mut self, what: &'static str, id: &str) -> Result<Option<String>, CatalogError> {
        Ok(self.named(what, id)?.and_then(|object| object.get("name").and_then(text)))
    }

    /// The parts of somebody or something other than a ticket.
    pub(in crate::source) fn parts_of(
        &mut self,
        what: &'static str,
        id: &str,
        kind: u8,
    ) -> Result<Vec<Map<String, Value>>, CatalogError> {
        let mut pieces = self.catalog.named(name_key(what, id))?;
        pieces.retain(|piece| piece.kind == kind);
        Ok(pieces.iter().filter_map(|piece| Some(self.shelf.object(piece, None).ok()?.0)).collect())
    }

    /// A person whom the archive lists.
    pub(in crate::source) fn known(&mut self, what: &'static str, id: &str) -> Result<Option<Person>, CatalogError> {
        match self.named(what, id)? {
            None => Ok(None),
            Some(object) => {
                let format = self.format;
                format.person(self, what, Map::clone(&object)).map(Some)
            }
        }
    }

    /// Says once that the archive does not hold somebody.
    pub(in crate::source) fn miss(&mut self, id: &str, origin: &Origin, who: &str) {
        let message = format!("{who} is `{id}`, whom the archive does not hold");
        if !self.oddities.iter().any(|oddity| oddity.message.ends_with(&message[who.len()..])) {
            self.odd(codes::READ_MISSING_PERSON, origin, message);
        }
    }

    /// A person with all fields at the first place in the record, without the further ones later.
    pub(in crate::source) fn shown_once(&mut self, mut person: Person) -> Person {
        let key = |id: &String| format!("{} {id}", person.role.as_deref().unwrap_or_default());
        let is_first = person.id.as_ref().map(key).is_none_or(|key| self.shown.insert(key));
        if !is_first {
            person.fields = Map::new();
        }
        person
    }

    /// The file of the archive that holds an attachment's bytes, by the attachment's id.
    pub(in crate::source) fn file(&mut self, id: &str, name: &str) -> Result<Option<Content>, CatalogError> {
        let pieces = self.catalog.named(name_key("file", id))?;
        let files: Vec<_> = pieces.iter().map(|piece| &self.shelf.input.files()[piece.file as usize]).collect();
        // Thumbnails may lie beside the file itself.
        let best = files.iter().find(|file| file.shown.ends_with(name)).or(files.first());
        Ok(best.map(|file| file.content()))
    }
}

/// Adds to a part what only an older copy of it says: lists of messages leave out attachments, or even texts.
fn fill_blanks(part: &mut Map<String, Value>, older: Map<String, Value>) {
    if part.get("redacted") == Some(&Value::Bool(true)) {
        return;
    }
    for (key, value) in older {
        let is_blank = match part.get(&key) {
            None | Some(Value::Null) => true,
            Some(Value::String(text)) => text.is_empty(),
            Some(Value::Array(list)) => list.is_empty(),
            Some(_) => false,
        };
        if is_blank {
            part.insert(key, value);
        }
    }
}

/// Addresses in a list or a text, with or without names.
pub(in crate::source) fn addresses(list: &Value) -> Vec<Person> {
    match list {
        Value::Array(list) => list.iter().filter_map(|one| person(one.as_str()?)).collect(),
        Value::String(list) => persons(list),
        _ => Vec::new(),
    }
}

/// Entries by time; those without one stay behind the one that they follow.
pub(in crate::source) fn by_time(entries: Vec<Entry>) -> Vec<Entry> {
    let mut last = Timestamp::MIN;
    let mut timed: Vec<(Timestamp, Entry)> = entries
        .into_iter()
        .map(|entry| {
            last = entry.created_at.unwrap_or(last);
            (last, entry)
        })
        .collect();
    timed.sort_by_key(|(time, _)| *time);
    timed.into_iter().map(|(_, entry)| entry).collect()
}

/// An entry's id where the archive has none: the same whenever the same text is read.
pub(in crate::source) fn content_id(object: &Map<String, Value>) -> String {
    let hash = blake3::hash(Value::Object(object.clone()).to_string().as_bytes());
    format!("content-{}", &hash.to_hex()[..24])
}

/// A text that is not blank.
pub(in crate::source) fn text(value: &Value) -> Option<String> {
    value.as_str().filter(|text| !text.trim().is_empty()).map(str::to_owned)
}

/// Takes a text out; a blank one is none.
pub(in crate::source) fn take_text(object: &mut Map<String, Value>, key: &str) -> Option<String> {
    match object.get(key) {
        Some(Value::String(_) | Value::Null) => object.shift_remove(key).as_ref().and_then(text),
        _ => None,
    }
}

/// The objects of a list.
pub(in crate::source) fn objects(list: Option<Value>) -> Vec<Map<String, Value>> {
    let Some(Value::Array(list)) = list else { return Vec::new() };
    let object = |value| match value {
        Value::Object(object) => Some(unwrapped(object)),
        _ => None,
    };
    list.into_iter().filter_map(object).collect()
}

/// What lies in an object of one member: `{"note": {…}}` is the note.
pub(in crate::source) fn unwrapped(object: Map<String, Value>) -> Map<String, Value> {
    if object.len() != 1 {
        return object;
    }
    match object.into_iter().next() {
        Some((key, Value::Object(inner))) if key != "_embedded" && key != "_links" => inner,
        Some((key, value)) => Map::from_iter([(key, value)]),
        None => Map::new(),
    }
}
