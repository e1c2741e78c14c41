//! People whom an archive lists by themselves: users, contacts, rows of an address book.
//!
//! Most are people of records too. Those who never wrote a ticket are found nowhere else.

use std::sync::Arc;

use crate::record::{Origin, Person, RecordId};
use crate::source::ReadError;

/// One person of such a list.
#[derive(Debug, Clone)]
pub struct Contact {
    /// `zendesk:person-4711`; for a row without an id its place. Never equal to the id of a ticket.
    pub id: RecordId,
    /// Where it stands.
    pub origin: Origin,
    /// The person, with everything that the archive says of them.
    pub person: Person,
}

/// The people of an archive in its order, one by one. A person who cannot be read is an `Err` with its place, and the
/// list goes on with the next.
pub type Contacts = Box<dyn Iterator<Item = Result<Contact, ReadError>> + Send>;

/// The id of a person in a list: that of the archive, else the place: the file's name, wherever it lies, and the line.
pub fn contact_id(source: &str, id: Option<&str>, origin: &Origin) -> RecordId {
    match id.map(str::trim).filter(|id| !id.is_empty()) {
        Some(id) => RecordId::new(source, format!("person-{id}")),
        None => {
            let name = origin.file.rsplit(['/', '\\']).next().unwrap_or(&origin.file);
            RecordId::new(source, format!("person@{}", Origin { file: Arc::from(name), ..origin.clone() }))
        }
    }
}
