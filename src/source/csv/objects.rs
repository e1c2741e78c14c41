//! Rows of a table as objects, for archives whose tables refer to each other.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::build::{self, trim};
use super::dates::{self, DateStyle, DayOrder, Read};
use super::table::{Settings, Table};
use super::{Window, next_row};
use crate::input::InputFile;
use crate::json::Span;
use crate::record::{Origin, Person};
use crate::source::{Reading, SourceError};

/// One table, whose rows are read as objects: headers are keys, blank cells are not there.
pub(in crate::source) struct Objects {
    table: Table,
    reading: build::Reading,
    window: Window,
}

impl Objects {
    pub(in crate::source) fn open(index: usize, file: &InputFile, reading: &Reading<'_>) -> Result<Self, SourceError> {
        let settings = Settings::of(reading)?;
        let table = Table::open(index, file, &settings, reading)?;
        let reading = build::Reading {
            layout: table.layout.clone(),
            dialect: table.sniffed.dialect,
            charset: table.charset,
            dates: settings.dates,
            order: None,
            zone: settings.zone,
            tag_separator: None,
            is_guarded: settings.is_guarded,
            is_html: None,
            is_mixed: false,
        };
        // Opened at once, so that a text in UTF-8 outlives whoever clears the folder for temporary files.
        let window = Window { file: table.place.open().ok(), ..Window::default() };
        Ok(Self { table, reading, window })
    }

    /// Every row that is not blank; `None` is one whose quotes do not match.
    pub(in crate::source) fn each(
        &self,
        mut visit: impl FnMut(Span, Option<Map<String, Value>>) -> Result<(), SourceError>,
    ) -> Result<(), SourceError> {
        let mut rows = self.table.rows()?;
        while let Some(row) = next_row(&mut rows, &self.table)? {
            let span = Span { offset: self.table.start + row.offset, length: row.length as u64, line: row.line };
            if !row.is_sound {
                visit(span, None)?;
                continue;
            }
            let object = self.object(rows.bytes().to_vec());
            if object.as_ref().is_none_or(|object| !object.is_empty()) {
                visit(span, object)?;
            }
        }
        Ok(())
    }

    /// The row that stands at a place.
    pub(in crate::source) fn at(&mut self, offset: u64, length: u64) -> std::io::Result<Map<String, Value>> {
        let bytes = self.window.read(&self.table.place, offset, usize::try_from(length).unwrap_or(0))?;
        self.object(bytes).ok_or_else(|| std::io::Error::other("the row is no longer what was indexed"))
    }

    fn object(&self, bytes: Vec<u8>) -> Option<Map<String, Value>> {
        let row = self.reading.text_row(bytes, Origin::whole(&Arc::clone(&self.table.shown)))?;
        let header = &self.reading.layout.header;
        let cells = row.cells.into_iter().enumerate().filter(|(_, text)| !trim(text).is_empty());
        Some(
            cells
                .map(|(at, text)| {
                    let name = header.get(at).cloned().unwrap_or_else(|| format!("column {}", at + 1));
                    (name, Value::String(text))
                })
                .collect(),
        )
    }
}

/// How dates are read, by a mapping's words for it.
#[derive(Debug, Clone)]
pub(in crate::source) struct Dates {
    style: DateStyle,
    order: Option<DayOrder>,
    zone: jiff::tz::TimeZone,
}

impl Dates {
    /// Understands `iso`, `dmy`, `mdy` and patterns; and a zone's name.
    pub(in crate::source) fn of(dates: Option<&str>, reading: &Reading<'_>) -> Result<Self, SourceError> {
        let mut shape = reading.shape.clone();
        shape.csv = super::CsvShape { dates: dates.map(str::to_owned), ..super::CsvShape::default() };
        let Settings { dates: style, zone, .. } = Settings::of(&Reading { shape: &shape, ..*reading })?;
        Ok(Self { style, order: None, zone })
    }

    /// A time, or what is wrong with the text.
    pub(in crate::source) fn read(&self, text: &str) -> Result<Timestamp, &'static str> {
        match dates::read(text, &self.style, self.order, &self.zone) {
            Read::Time { at, .. } => Ok(at),
            Read::NeedsOrder => Err("can be read in two ways: say which with `dates = \"dmy\"` or `\"mdy\"`"),
            Read::No => Err("is not a time"),
        }
    }
}

/// Several people in a text, parted by commas and the like.
pub(in crate::source) fn persons(text: &str) -> Vec<Person> {
    super::people::list(text)
}

/// A person in a text: `Ada Lovelace <ada@example.org>`, `ada@example.org`, or a name.
pub(in crate::source) fn person(text: &str) -> Option<Person> {
    super::people::one(text)
}
