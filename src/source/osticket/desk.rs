//! What is at hand while records are made of rows: rows by position, lists by name, texts and times as they are meant.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::scan::{Parsed, parse_row};
use super::tables::{Layout, kind, name_key};
use super::values::{self, Repair, value};
use crate::catalog::{Catalog, CatalogError, Piece};
use crate::finding::codes;
use crate::input::Input;
use crate::record::{Oddity, Origin};
use crate::source::ReadError;
use crate::source::csv::Dates;
use crate::source::shelf::Shelf;

/// How many bytes of rows that were looked up are remembered.
const REMEMBERED_BYTES: u64 = 4 * 1024 * 1024;

/// A row of the dump.
pub(super) struct Row {
    pub layout: Arc<Layout>,
    pub origin: Origin,
    pub piece: Piece,
    bytes: Vec<u8>,
    fields: Vec<Range<usize>>,
}

impl Row {
    /// The value as the dump has it, counted from the row's first byte, too.
    pub(super) fn written(&self, column: &str) -> Option<(Range<usize>, values::Writing)> {
        let field = self.fields.get(self.layout.column(column)?)?;
        let (inside, writing) = values::written(&self.bytes[field.clone()])?;
        Some((field.start + inside.start..field.start + inside.end, writing))
    }

    /// The row's bytes in this range.
    pub(super) fn slice(&self, range: Range<usize>) -> &[u8] {
        &self.bytes[range]
    }

    fn bytes(&self, column: usize) -> Option<Cow<'_, [u8]>> {
        value(&self.bytes[self.fields.get(column)?.clone()])
    }

    /// An id or a number; neither blank nor zero, which is osTicket's word for none.
    pub(super) fn id(&self, column: &str) -> Option<String> {
        let bytes = self.bytes(self.layout.column(column)?)?;
        let text = String::from_utf8_lossy(&bytes).trim().to_owned();
        (!text.is_empty() && text != "0").then_some(text)
    }

    /// The first of several columns that has an id.
    pub(super) fn any_id(&self, columns: &[&str]) -> Option<String> {
        columns.iter().find_map(|column| self.id(column))
    }

    pub(super) fn has(&self, column: &str) -> bool {
        self.layout.column(column).is_some()
    }
}

/// Rows that were looked up, remembered as long as there is room.
#[derive(Default)]
pub(super) struct Directory {
    rows: HashMap<i64, Option<Arc<Row>>>,
    bytes: u64,
}

/// What is at hand while one record is made.
pub(super) struct Desk<'a> {
    pub catalog: &'a Catalog,
    pub shelf: &'a mut Shelf,
    layouts: &'a [Arc<Layout>],
    dates: &'a Dates,
    directory: &'a mut Directory,
    pub oddities: Vec<Oddity>,
    /// Where texts had to be repaired first, by how.
    latin: Option<Origin>,
    twice: Option<Origin>,
}

impl<'a> Desk<'a> {
    pub(super) fn new(
        catalog: &'a Catalog,
        shelf: &'a mut Shelf,
        layouts: &'a [Arc<Layout>],
        dates: &'a Dates,
        directory: &'a mut Directory,
    ) -> Self {
        Self { catalog, shelf, layouts, dates, directory, oddities: Vec::new(), latin: None, twice: None }
    }

    pub(super) fn input(&self) -> &Input {
        &self.shelf.input
    }

    pub(super) fn odd(&mut self, code: &'static str, origin: &Origin, message: String) {
        self.oddities.push(Oddity { code, origin: origin.clone(), message });
    }

    /// Everything noticed since the desk was set up, repairs of texts once each.
    pub(super) fn noticed(&mut self) -> Vec<Oddity> {
        if let Some(origin) = self.latin.take() {
            self.odd(codes::READ_CHARSET, &origin, "the text is not UTF-8; it was read as windows-1252".to_owned());
        }
        if let Some(origin) = self.twice.take() {
            let message = "the text had been encoded twice (`Ã¼` for `ü`) and was repaired".to_owned();
            self.odd(codes::READ_CHARSET, &origin, message);
        }
        std::mem::take(&mut self.oddities)
    }

    /// The row at a place.
    pub(super) fn row(&mut self, piece: &Piece) -> Result<Row, ReadError> {
        let origin = self.shelf.origin(piece);
        let layout = usize::try_from(piece.version).ok().and_then(|number| self.layouts.get(number.checked_sub(1)?));
        let bytes = self.shelf.bytes(piece)?;
        match (parse_row(&bytes, false), layout) {
            (Parsed::Row(_, fields), Some(layout)) if bytes.first() == Some(&b'(') => {
                Ok(Row { layout: Arc::clone(layout), origin, piece: *piece, bytes, fields })
            }
            _ => {
                let problem = "not the row that was there when the archive was indexed".to_owned();
                Err(ReadError::Malformed { origin, id: None, problem })
            }
        }
    }

    /// The rows of some kinds under a name, in the archive's order; those that cannot be read are left out, and told.
    pub(super) fn rows(&mut self, prefix: &str, what: &str, id: &str, kinds: &[u8]) -> Result<Vec<Row>, CatalogError> {
        let mut pieces = self.catalog.named(name_key(prefix, what, id))?;
        pieces.retain(|piece| kinds.contains(&piece.kind));
        let mut rows = Vec::with_capacity(pieces.len());
        for piece in pieces {
            match self.row(&piece) {
                Ok(row) => rows.push(row),
                Err(error) => {
                    let message = format!("something of the ticket is left out: {error}");
                    self.odd(codes::READ_BROKEN_PART, &self.shelf.origin(&piece), message);
                }
            }
        }
        Ok(rows)
    }

    /// The newest row of a list.
    pub(super) fn listed(&mut self, prefix: &str, what: &str, id: &str) -> Result<Option<Arc<Row>>, CatalogError> {
        let key = name_key(prefix, what, id);
        if let Some(known) = self.directory.rows.get(&key) {
            return Ok(known.clone());
        }
        let found = self.rows(prefix, what, id, &[kind::NAMED, kind::STAFF])?.pop().map(Arc::new);
        self.directory.bytes += found.as_ref().map_or(128, |row| 256 + row.piece.length);
        if self.directory.bytes > REMEMBERED_BYTES {
            self.directory.rows.clear();
            self.directory.bytes = 0;
        }
        self.directory.rows.insert(key, found.clone());
        Ok(found)
    }

    /// A text of a list's row: the first of several columns that has one.
    pub(super) fn name(
        &mut self,
        prefix: &str,
        what: &str,
        id: &str,
        columns: &[&str],
    ) -> Result<Option<String>, CatalogError> {
        let Some(row) = self.listed(prefix, what, id)? else { return Ok(None) };
        Ok(columns.iter().find_map(|column| self.text(&row, column)))
    }

    /// A text that is not blank.
    pub(super) fn text(&mut self, row: &Row, column: &str) -> Option<String> {
        let bytes = row.bytes(row.layout.column(column)?)?;
        let (text, repair) = values::text(&bytes);
        let place = match repair {
            Repair::None => None,
            Repair::Latin => Some(&mut self.latin),
            Repair::Twice => Some(&mut self.twice),
        };
        if let Some(place) = place {
            place.get_or_insert_with(|| row.origin.clone());
        }
        (!text.trim().is_empty()).then_some(text)
    }

    /// A time. Zero is never; one that cannot be read is told.
    pub(super) fn time(&mut self, row: &Row, column: &str) -> Option<Timestamp> {
        let text = self.text(row, column)?;
        if is_never(&text) {
            return None;
        }
        match self.dates.read(&text) {
            Ok(time) => Some(time),
            Err(problem) => {
                let found: String = text.chars().take(40).collect();
                self.odd(codes::READ_DATE, &row.origin, format!("`{column}` {problem}: `{found}`"));
                None
            }
        }
    }

    /// Everything in a row that says something, but for these columns: no blank texts, no zeros, no times that are never.
    pub(super) fn further(&mut self, row: &Row, known: &[&str]) -> Map<String, Value> {
        let mut fields = Map::new();
        let layout = Arc::clone(&row.layout);
        for column in layout.columns.iter().filter(|column| !known.iter().any(|it| it.eq_ignore_ascii_case(column))) {
            if let Some(text) = self.text(row, column)
                && text != "0"
                && !is_never(&text)
            {
                fields.insert(column.clone(), Value::String(text));
            }
        }
        fields
    }
}

/// MySQL's date for none.
fn is_never(text: &str) -> bool {
    text.starts_with("0000-00-00")
}
