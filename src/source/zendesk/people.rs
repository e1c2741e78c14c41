//! Persons, and the names of groups, companies and fields, looked up by id.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::index::name_key;
use super::shape::{Kind, id_of};
use crate::catalog::{Catalog, CatalogError, Piece};
use crate::record::Person;
use crate::source::shelf::{Shelf, weight};

/// How many bytes of looked-up objects one generation of the cache holds, by their [`weight`].
const GENERATION_BYTES: u64 = 2 * 1024 * 1024;

/// Looks things up by id, and remembers the latest.
///
/// Two generations: when the younger is full, the elder is forgotten. Whatever is used stays, and memory is bounded.
#[derive(Default)]
pub(super) struct Directory {
    young: Generation,
    elder: Generation,
    bytes: u64,
}

type Generation = HashMap<(What, String), Found>;

/// What is looked up: a person, or a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum What {
    Person,
    Name(u8),
}

#[derive(Debug, Clone)]
enum Found {
    Person(Option<Arc<Person>>),
    Name(Option<Arc<str>>),
}

impl Directory {
    fn remembered(&mut self, key: &(What, String)) -> Option<Found> {
        if let Some(found) = self.young.get(key) {
            return Some(found.clone());
        }
        let (key, found) = self.elder.remove_entry(key)?;
        self.young.insert(key, found.clone());
        Some(found)
    }

    fn remember(&mut self, key: (What, String), found: Found, bytes: u64) {
        self.bytes += weight(bytes);
        if self.bytes > GENERATION_BYTES {
            self.elder = std::mem::take(&mut self.young);
            self.bytes = weight(bytes);
        }
        self.young.insert(key, found);
    }

    /// The name of a group, organisation, brand, form, field or status; `None` if the archive does not hold it.
    pub(super) fn name(
        &mut self,
        catalog: &Catalog,
        shelf: &mut Shelf,
        kind: Kind,
        id: &str,
    ) -> Result<Option<Arc<str>>, CatalogError> {
        let key = (What::Name(kind as u8), id.to_owned());
        if let Some(Found::Name(name)) = self.remembered(&key) {
            return Ok(name);
        }
        let (object, bytes) = newest(catalog, shelf, kind, id)?;
        let name = object.and_then(|object| {
            let keys: &[&str] = match kind {
                Kind::Field => &["title", "raw_title"],
                Kind::CustomStatus => &["agent_label", "end_user_label"],
                _ => &["name", "display_name", "raw_name"],
            };
            keys.iter()
                .find_map(|key| object.get(*key).and_then(Value::as_str).filter(|name| !name.trim().is_empty()))
                .map(Arc::from)
        });
        self.remember(key, Found::Name(name.clone()), bytes);
        Ok(name)
    }

    /// A user with everything the archive knows; `None` if it does not hold that user.
    ///
    /// One without an address gets the one under which a ticket of theirs came by mail.
    pub(super) fn person(
        &mut self,
        catalog: &Catalog,
        shelf: &mut Shelf,
        id: &str,
    ) -> Result<Option<Arc<Person>>, CatalogError> {
        let key = (What::Person, id.to_owned());
        if let Some(Found::Person(person)) = self.remembered(&key) {
            return Ok(person);
        }
        let (object, bytes) = newest(catalog, shelf, Kind::User, id)?;
        let mut person = object.map(person_of);
        if let Some(person) = &mut person {
            for piece in catalog.named(name_key(Kind::Identity, id))? {
                if let Ok((identity, _)) = shelf.object(&piece, None) {
                    add_identity(person, &Value::Object(identity));
                }
            }
            if person.company.is_none()
                && let Some(organization) = person.fields.get("organization_id").and_then(id_of)
                && let Some(name) = self.name(catalog, shelf, Kind::Organization, &organization)?
            {
                person.company = Some(name.to_string());
            }
        }
        if person.as_ref().is_none_or(|person| person.emails.is_empty())
            && let Some(sender) = sender(catalog, shelf, id)?
        {
            let person = person.get_or_insert_with(|| Person { id: Some(id.to_owned()), ..Person::default() });
            person.emails = sender.emails;
            person.name = person.name.take().or(sender.name);
        }
        let person = person.map(Arc::new);
        self.remember(key, Found::Person(person.clone()), bytes);
        Ok(person)
    }
}

/// The newest readable copy of a named object, and its length.
fn newest(
    catalog: &Catalog,
    shelf: &mut Shelf,
    kind: Kind,
    id: &str,
) -> Result<(Option<Map<String, Value>>, u64), CatalogError> {
    for piece in catalog.named(name_key(kind, id))?.iter().rev() {
        if let Ok((object, _)) = shelf.object(piece, None) {
            return Ok((Some(object), piece.length));
        }
    }
    Ok((None, 0))
}

/// The address from which a user wrote one of the tickets that they opened themselves by mail.
fn sender(catalog: &Catalog, shelf: &mut Shelf, id: &str) -> Result<Option<Person>, CatalogError> {
    // Where one ticket does not tell, hundreds more will not either.
    const TICKETS: usize = 8;
    for piece in catalog.named(name_key(Kind::Sender, id))?.iter().take(TICKETS) {
        if let Some(via) = via_of(shelf, piece)
            && let Some(sender) = sender_of(&via)
        {
            return Ok(Some(sender));
        }
    }
    Ok(None)
}

/// The `via` of a ticket, without reading the rest of it.
fn via_of(shelf: &mut Shelf, piece: &Piece) -> Option<Value> {
    #[derive(Deserialize)]
    struct Ticket {
        #[serde(default)]
        via: Value,
    }
    let bytes = shelf.bytes(piece).ok()?;
    match serde_json::from_slice::<Ticket>(&bytes) {
        Ok(ticket) => Some(ticket.via),
        // It may need mending.
        Err(_) => shelf.object(piece, None).ok()?.0.shift_remove("via"),
    }
}

/// The sender that a `via` of a mail names.
pub(super) fn sender_of(via: &Value) -> Option<Person> {
    let is_mail = match &via["channel"] {
        Value::String(channel) => matches!(channel.as_str(), "email" | "mail"),
        Value::Number(number) => number.as_i64() == Some(4),
        _ => false,
    };
    if is_mail { party_of(&via["source"]["from"]) } else { None }
}

/// One party of a `via`'s source: address and name.
pub(super) fn party_of(party: &Value) -> Option<Person> {
    let address = text(&party["address"])?;
    Some(Person::with_email(address, text(&party["name"])))
}

/// A user object as a person.
pub(super) fn person_of(mut user: Map<String, Value>) -> Person {
    let mut person = Person {
        id: user.shift_remove("id").as_ref().and_then(id_of),
        name: take_text(&mut user, "name"),
        role: take_text(&mut user, "role"),
        ..Person::default()
    };
    person.emails.extend(take_text(&mut user, "email"));
    person.phones.extend(take_text(&mut user, "phone"));
    match user.get("organization") {
        Some(Value::Object(organization)) => person.company = organization.get("name").and_then(text),
        Some(Value::String(name)) => person.company = Some(name.clone()),
        _ => {}
    }
    if let Some(identities) = user.shift_remove("identities") {
        for identity in identities.as_array().into_iter().flatten() {
            add_identity(&mut person, identity);
        }
    }
    for key in ["result_type", "email", "name", "phone", "role"] {
        user.shift_remove(key);
    }
    let others = std::mem::take(&mut person.fields);
    person.fields = user;
    person.fields.extend(others);
    person
}

/// Adds a user's identity: an address, a number, or something else that is only kept.
fn add_identity(person: &mut Person, identity: &Value) {
    let Some(value) = text(&identity["value"]) else { return };
    match identity["type"].as_str() {
        Some("email") => {
            if !person.emails.iter().any(|known| known.eq_ignore_ascii_case(&value)) {
                person.emails.push(value);
            }
        }
        Some("phone_number" | "phone") => {
            if !person.phones.contains(&value) {
                person.phones.push(value);
            }
        }
        _ => {
            let others = person.fields.entry("identities").or_insert_with(|| Value::Array(Vec::new()));
            if let Value::Array(others) = others {
                others.push(identity.clone());
            }
        }
    }
}

/// A text that is not blank.
pub(super) fn text(value: &Value) -> Option<String> {
    value.as_str().filter(|text| !text.trim().is_empty()).map(str::to_owned)
}

fn take_text(object: &mut Map<String, Value>, key: &str) -> Option<String> {
    match object.shift_remove(key) {
        Some(Value::String(text)) if !text.trim().is_empty() => Some(text),
        _ => None,
    }
}
