//! The users of an archive, whether or not they have tickets.

use std::collections::VecDeque;

use super::people::Directory;
use super::shape::{Kind, id_of};
use crate::catalog::{Catalog, CatalogError, Piece};
use crate::input::Input;
use crate::record::{Origin, Person};
use crate::source::ReadError;
use crate::source::contacts::{Contact, contact_id};
use crate::source::shelf::Shelf;

/// How many users are looked up in the index at a time.
const PAGE: usize = 1_000;

/// The users of an indexed archive, in its order, each once and as the newest copy has them.
pub(super) struct Users {
    catalog: Catalog,
    shelf: Shelf,
    directory: Directory,
    page: VecDeque<Piece>,
    after: i64,
    is_over: bool,
}

impl Users {
    pub(super) fn new(catalog: Catalog, input: Input) -> Self {
        Self {
            catalog,
            shelf: Shelf::new(input),
            directory: Directory::default(),
            page: VecDeque::new(),
            after: 0,
            is_over: false,
        }
    }

    fn next_piece(&mut self) -> Result<Option<Piece>, CatalogError> {
        if self.page.is_empty() {
            let found = self.catalog.named_of(Kind::User as u8, self.after, PAGE)?;
            self.after = found.last().map_or(self.after, |(place, _)| *place);
            self.page.extend(found.into_iter().map(|(_, piece)| piece));
        }
        Ok(self.page.pop_front())
    }

    fn user(&mut self, piece: &Piece) -> Result<Contact, ReadError> {
        let origin = self.shelf.origin(piece);
        let (object, _) = self.shelf.object(piece, None)?;
        let Some(id) = object.get("id").and_then(id_of) else { return Err(ReadError::MissingId { origin }) };
        let person = self
            .directory
            .person(&self.catalog, &mut self.shelf, &id)
            .map_err(|error| failed(&origin, error))?
            .map_or_else(|| Person { id: Some(id.clone()), ..Person::default() }, |person| Person::clone(&person));
        Ok(Contact { id: contact_id("zendesk", Some(&id), &origin), origin, person })
    }
}

impl Iterator for Users {
    type Item = Result<Contact, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        match self.next_piece() {
            Ok(piece) => piece.map(|piece| self.user(&piece)),
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
