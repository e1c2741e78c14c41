//! The people of a dump, whether or not they have tickets.

use std::collections::VecDeque;

use super::desk::{Desk, Directory};
use super::{Format, kind};
use crate::catalog::{Catalog, CatalogError, Piece};
use crate::input::Input;
use crate::record::Origin;
use crate::source::ReadError;
use crate::source::contacts::{Contact, contact_id};
use crate::source::csv::Dates;
use crate::source::shelf::Shelf;

/// How many people are looked up in the index at a time.
const PAGE: usize = 1_000;

/// The people of an indexed archive, in its order, each once and as the newest copy has them.
pub(super) struct People {
    format: &'static dyn Format,
    catalog: Catalog,
    shelf: Shelf,
    dates: Dates,
    directory: Directory,
    page: VecDeque<Piece>,
    after: i64,
    is_over: bool,
}

impl People {
    pub(super) fn new(format: &'static dyn Format, catalog: Catalog, input: Input, dates: Dates) -> Self {
        let (shelf, directory, page) = (Shelf::new(input), Directory::default(), VecDeque::new());
        Self { format, catalog, shelf, dates, directory, page, after: 0, is_over: false }
    }

    fn next_piece(&mut self) -> Result<Option<Piece>, CatalogError> {
        if self.page.is_empty() {
            let found = self.catalog.named_of(kind::PERSON, self.after, PAGE)?;
            self.after = found.last().map_or(self.after, |(place, _)| *place);
            self.page.extend(found.into_iter().map(|(_, piece)| piece));
        }
        Ok(self.page.pop_front())
    }

    fn person(&mut self, piece: &Piece) -> Result<Contact, ReadError> {
        let origin = self.shelf.origin(piece);
        let (object, _) = self.shelf.object(piece, None)?;
        let Some((what, id)) = self.format.person_key(&object) else { return Err(ReadError::MissingId { origin }) };
        let mut desk = Desk::new(self.format, &self.catalog, &mut self.shelf, &self.dates, &mut self.directory);
        let person = desk.known(what, &id).map_err(|error| failed(&origin, error))?.unwrap_or_default();
        // One number may be a customer's and an agent's.
        Ok(Contact { id: contact_id(self.format.name(), Some(&format!("{what}-{id}")), &origin), origin, person })
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
                let file = self.shelf.input.files().first().map_or_else(|| "index".into(), |file| file.shown.clone());
                Some(Err(failed(&Origin::whole(&file), error)))
            }
        }
    }
}

fn failed(origin: &Origin, error: CatalogError) -> ReadError {
    ReadError::Io { origin: origin.clone(), cause: std::io::Error::other(error) }
}
