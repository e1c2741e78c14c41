//! Users and agents: of tickets, and those who have none.

use std::collections::VecDeque;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::build::answers;
use super::desk::{Desk, Directory};
use super::tables::{Layout, STAFF, STAFF_COLUMNS, USER, kind};
use crate::catalog::{Catalog, CatalogError, Piece};
use crate::input::Input;
use crate::record::{Origin, Person};
use crate::source::ReadError;
use crate::source::contacts::{Contact, contact_id};
use crate::source::csv::Dates;
use crate::source::shelf::Shelf;

/// How many people are looked up in the index at a time.
const PAGE: usize = 1_000;

/// The role of agents; osTicket calls them staff.
pub(super) const AGENT: &str = "agent";

/// A user whom the dump holds, with all addresses, the default one first.
pub(super) fn user(desk: &mut Desk<'_>, prefix: &str, id: &str) -> Result<Option<Person>, CatalogError> {
    let rows = desk.rows(prefix, USER, id, &[kind::USER, kind::ADDRESS])?;
    // Under one number stand the newest copies last.
    let Some(row) = rows.iter().rfind(|row| row.piece.kind == kind::USER) else { return Ok(None) };
    let default = row.id("default_email_id");
    let mut emails: Vec<String> = Vec::new();
    for address in rows.iter().filter(|row| row.piece.kind == kind::ADDRESS) {
        let is_default = default.is_some() && address.id("id") == default;
        if let Some(address) = desk.text(address, "address")
            && !emails.iter().any(|known| known.eq_ignore_ascii_case(&address))
        {
            emails.insert(if is_default { 0 } else { emails.len() }, address);
        }
    }
    let company = match row.id("org_id") {
        Some(id) => desk.name(prefix, "organization", &id, &["name"])?,
        None => None,
    };
    let name = desk.text(row, "name");
    let mut phones = Vec::new();
    let mut custom = Map::new();
    for answer in answers(desk, prefix, USER, id)? {
        match (&*answer.name, answer.text) {
            ("name" | "email", _) => {}
            ("phone" | "mobile", text) => phones.push(text),
            (_, text) => drop(custom.insert(answer.label, Value::String(text))),
        }
    }
    let fields = if custom.is_empty() { Map::new() } else { Map::from_iter([("custom".to_owned(), custom.into())]) };
    Ok(Some(Person { id: Some(id.to_owned()), name, emails, phones, role: Some(USER.to_owned()), company, fields }))
}

/// An agent whom the dump holds.
pub(super) fn agent(desk: &mut Desk<'_>, prefix: &str, id: &str) -> Result<Option<Person>, CatalogError> {
    let Some(row) = desk.listed(prefix, STAFF, id)? else { return Ok(None) };
    let mut text = |column: &'static str| {
        debug_assert!(STAFF_COLUMNS.contains(&column));
        desk.text(&row, column)
    };
    let names: Vec<String> = ["firstname", "lastname"].iter().filter_map(|column| text(column)).collect();
    let name = if names.is_empty() { text("username") } else { Some(names.join(" ")) };
    let phone = text("phone").map(|phone| match text("phone_ext") {
        Some(extension) => format!("{phone} x{extension}"),
        None => phone,
    });
    let phones = phone.into_iter().chain(text("mobile")).collect();
    let emails = text("email").into_iter().collect();
    let mut fields = Map::new();
    if row.has("isactive") && row.id("isactive").is_none() {
        fields.insert("isactive".to_owned(), Value::String("0".to_owned()));
    }
    let role = Some(AGENT.to_owned());
    Ok(Some(Person { id: Some(format!("staff-{id}")), name, emails, phones, role, company: None, fields }))
}

/// The people of an indexed archive, users first, each once and as the newest copy has them.
pub(super) struct People {
    catalog: Catalog,
    shelf: Shelf,
    dates: Dates,
    layouts: Vec<Arc<Layout>>,
    directory: Directory,
    kind: u8,
    page: VecDeque<Piece>,
    after: i64,
    is_over: bool,
}

impl People {
    pub(super) fn new(catalog: Catalog, input: Input, dates: Dates, layouts: Vec<Arc<Layout>>) -> Self {
        let (shelf, directory, page) = (Shelf::new(input), Directory::default(), VecDeque::new());
        Self { catalog, shelf, dates, layouts, directory, kind: kind::USER, page, after: 0, is_over: false }
    }

    fn next_piece(&mut self) -> Result<Option<Piece>, CatalogError> {
        loop {
            if let Some(piece) = self.page.pop_front() {
                return Ok(Some(piece));
            }
            let found = self.catalog.named_of(self.kind, self.after, PAGE)?;
            match found.last() {
                Some((place, _)) => self.after = *place,
                None if self.kind == kind::USER => (self.kind, self.after) = (kind::STAFF, 0),
                None => return Ok(None),
            }
            self.page.extend(found.into_iter().map(|(_, piece)| piece));
        }
    }

    fn person(&mut self, piece: &Piece) -> Result<Contact, ReadError> {
        let origin = self.shelf.origin(piece);
        let mut desk = Desk::new(&self.catalog, &mut self.shelf, &self.layouts, &self.dates, &mut self.directory);
        let row = desk.row(piece)?;
        let is_user = piece.kind == kind::USER;
        let id = row.id(if is_user { "id" } else { "staff_id" });
        let Some(id) = id else { return Err(ReadError::MissingId { origin }) };
        let prefix = &row.layout.prefix;
        let found = if is_user { user(&mut desk, prefix, &id) } else { agent(&mut desk, prefix, &id) };
        let person = found.map_err(|error| failed(&origin, error))?.unwrap_or_default();
        let id = format!("{prefix}{}-{id}", if is_user { "user" } else { "staff" });
        Ok(Contact { id: contact_id("osticket", Some(&id), &origin), origin, person })
    }
}

impl Iterator for People {
    type Item = Result<Contact, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        match self.next_piece() {
            Ok(piece) => piece.map(|piece| self.person(&piece)),
            Err(error) => {
                self.is_over = true;
                Some(Err(failed(&Origin::whole(&Arc::from("the archive's index")), error)))
            }
        }
    }
}

pub(super) fn failed(origin: &Origin, error: CatalogError) -> ReadError {
    ReadError::Io { origin: origin.clone(), cause: std::io::Error::other(error) }
}
