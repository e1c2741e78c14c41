//! One file that is a table: its dialect, its header, and what its columns mean.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;

use encoding_rs::Encoding;
use jiff::tz::TimeZone;

use super::columns::{Layout, Role, normalised};
use super::dates::{DateStyle, DayOrder};
use super::dialect::{Charset, SAMPLE_BYTES, Sniffed, sniff};
use super::rows::{Rows, cell_bytes};
use super::{OpenTable, Pass, Window, build};
use crate::input::{InputFile, Place, Portion};
use crate::record::Origin;
use crate::source::{Reading, SourceError};

/// The mapping's `[shape]`, understood.
pub(super) struct Settings {
    pub delimiter: Option<u8>,
    pub quote: Option<Option<u8>>,
    pub charset: Option<&'static Encoding>,
    pub dates: DateStyle,
    pub zone: TimeZone,
    /// Whether an apostrophe at the beginning of a cell is no part of it.
    pub is_guarded: bool,
}

impl Settings {
    pub(super) fn of(reading: &Reading<'_>) -> Result<Self, SourceError> {
        let shape = &reading.shape.csv;
        let wrong = |what: &str, found: &str, right: &str| SourceError::Shape {
            origin: Origin::whole(&Arc::from("[shape]")),
            problem: format!("{what}: `{found}`"),
            hint: right.to_owned(),
        };
        let delimiter = match shape.delimiter.as_deref() {
            None | Some("") => None,
            Some("tab" | "\\t" | "\t") => Some(b'\t'),
            Some(one) if one.len() == 1 && !one.starts_with(['\n', '\r', '"']) => Some(one.as_bytes()[0]),
            Some(other) => {
                return Err(wrong("not a delimiter", other, "write one ASCII character such as `;`, or `tab`"));
            }
        };
        let quote = match shape.quote.as_deref() {
            None => None,
            Some("" | "none") => Some(None),
            Some(one) if one.len() == 1 => Some(Some(one.as_bytes()[0])),
            Some(other) => return Err(wrong("not a quote", other, "write one ASCII character, or `none`")),
        };
        let charset = match shape.charset.as_deref() {
            None => None,
            Some(label) => Some(Encoding::for_label(label.as_bytes()).ok_or_else(|| {
                wrong("not a charset", label, "write a label such as `utf-8`, `windows-1252` or `shift_jis`")
            })?),
        };
        let dates = match shape.dates.as_deref() {
            None => DateStyle::Detected,
            Some("iso" | "ymd") => DateStyle::Iso,
            Some("dmy") => DateStyle::Numbers(DayOrder::DayFirst),
            Some("mdy") => DateStyle::Numbers(DayOrder::MonthFirst),
            Some(pattern) if pattern.contains('%') => DateStyle::Pattern(pattern.to_owned()),
            Some(other) => {
                return Err(wrong(
                    "not a way to write dates",
                    other,
                    "write `iso`, `dmy`, `mdy`, or a pattern such as `%d.%m.%Y %H:%M`",
                ));
            }
        };
        let zone = match reading.shape.zone.as_deref() {
            None => TimeZone::UTC,
            Some(name) => TimeZone::get(name)
                .map_err(|_| wrong("not a time zone", name, "write an IANA name such as `Europe/Berlin`"))?,
        };
        Ok(Self { delimiter, quote, charset, dates, zone, is_guarded: shape.guarded })
    }
}

/// One file that is a table, before its dates are understood.
pub(super) struct Table {
    /// The file, as an index into the input.
    pub file: u32,
    pub shown: Arc<str>,
    /// Where the bytes are: the file itself, or its text in UTF-8.
    pub place: Place,
    pub spool: Option<tempfile::TempPath>,
    pub length: u64,
    pub charset: Charset,
    pub encoding: &'static str,
    pub sniffed: Sniffed,
    pub layout: Layout,
    /// Where the header row begins.
    pub start: u64,
}

impl Table {
    pub(super) fn open(
        index: usize,
        file: &InputFile,
        settings: &Settings,
        reading: &Reading<'_>,
    ) -> Result<Self, SourceError> {
        let origin = Origin::whole(&file.shown);
        let failed = |cause| SourceError::Io { path: file.path.to_path_buf(), cause };
        let mut open = file.open().map_err(failed)?;
        let mut start = Vec::new();
        Read::by_ref(&mut open).take(4096).read_to_end(&mut start).map_err(failed)?;
        let (mut charset, mark) = Charset::of(&start, settings.charset);
        let encoding = match charset {
            Charset::Detected => "UTF-8",
            Charset::Named(encoding) => encoding.name(),
        };
        let (mut place, mut spool, mut mark) = (file.place(), None, mark as u64);
        if let Charset::Named(named) = charset
            && !charset.is_cut_as_bytes()
        {
            open.seek(SeekFrom::Start(mark)).map_err(failed)?;
            let (text, bytes) = transcode(open, named, reading.scratch)
                .map_err(|cause| SourceError::Io { path: reading.scratch.to_path_buf(), cause })?;
            place = Place::whole(text.to_path_buf(), bytes);
            (spool, mark, charset) = (Some(text), 0, Charset::Named(encoding_rs::UTF_8));
        }
        let length = place.length;
        let mut open = place.open().map_err(failed)?;
        open.seek(SeekFrom::Start(mark)).map_err(failed)?;
        let mut sample = Vec::new();
        open.take(SAMPLE_BYTES as u64).read_to_end(&mut sample).map_err(failed)?;
        let is_whole = mark + sample.len() as u64 >= length;
        if sample.contains(&0) {
            return Err(SourceError::WrongFormat {
                origin,
                expected: "a table of text",
                found: "it holds NUL bytes, as programs do; save it as CSV".to_owned(),
            });
        }
        let sniffed = sniff(&sample, is_whole, charset, settings.delimiter, settings.quote).ok_or_else(|| {
            let first = sample.split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
            let first: String = String::from_utf8_lossy(first).chars().take(60).collect();
            SourceError::WrongFormat {
                origin: origin.clone(),
                expected: "a table with a header row and two columns or more",
                found: format!("its first line is `{first}`"),
            }
        })?;
        let header_place = Origin::line(&file.shown, sniffed.line);
        let shape = &reading.shape.csv;
        let layout = Layout::of(&sniffed.header, &shape.columns, shape.group_by.as_deref()).map_err(|missing| {
            let nearest = missing.nearest.map(|name| format!("did you mean `{name}`? ")).unwrap_or_default();
            SourceError::Shape {
                origin: header_place,
                problem: format!("the table has no column `{}`", missing.name),
                hint: format!("{nearest}the columns are {}", listed(&sniffed.header)),
            }
        })?;
        let start = mark + sniffed.start as u64;
        Ok(Self {
            file: index as u32,
            shown: Arc::clone(&file.shown),
            place,
            spool,
            length,
            charset,
            encoding,
            sniffed,
            layout,
            start,
        })
    }

    /// Without an id, and something to show, there is no ticket.
    pub(super) fn require_roles(&self) -> Result<(), SourceError> {
        let layout = &self.layout;
        if !layout.has(Role::Id) || !(layout.has(Role::Subject) || layout.has(Role::Body)) {
            let missing = if layout.has(Role::Id) { "the subject or the text" } else { "the ticket's id" };
            return Err(SourceError::Shape {
                origin: Origin::line(&self.shown, self.sniffed.line),
                problem: format!("no column is known to hold {missing}"),
                hint: format!(
                    "say which in the mapping: `[shape.csv.columns]` with `id = \"…\"`, `subject = \"…\"`, `body = \"…\"`; \
                     the columns are {}",
                    listed(&self.sniffed.header)
                ),
            });
        }
        Ok(())
    }

    /// The rows behind the header.
    pub(super) fn rows(&self) -> Result<Rows<Portion>, SourceError> {
        let failed = |cause| SourceError::Io { path: self.place.path.to_path_buf(), cause };
        let mut open = self.place.open().map_err(failed)?;
        open.seek(SeekFrom::Start(self.start)).map_err(failed)?;
        let mut rows = Rows::new(open, self.sniffed.dialect, self.sniffed.line);
        rows.width = self.layout.header.len();
        rows.next_row().map_err(failed)?;
        Ok(rows)
    }

    /// A row's text cell, as far as the pass needs it.
    pub(super) fn cell(&self, rows: &Rows<Portion>, column: usize) -> String {
        let Some(cell) = rows.cells.get(column) else { return String::new() };
        self.charset.decode(&cell_bytes(rows.bytes(), cell, self.sniffed.dialect)).0.into_owned()
    }

    pub(super) fn date_columns(&self) -> Vec<usize> {
        const DATES: &[Role] = &[Role::EntryAt, Role::CreatedAt, Role::UpdatedAt, Role::ClosedAt, Role::ReplyAt];
        DATES.iter().flat_map(|role| self.layout.columns(*role)).copied().collect()
    }

    pub(super) fn finish(self, settings: &Settings, pass: &Pass, header: &[String]) -> OpenTable {
        let is_mixed = pass.utf8_rows > 0;
        let own: Vec<String> = self.layout.header.iter().map(|name| normalised(name)).collect();
        let places: Vec<usize> = header
            .iter()
            .enumerate()
            .map(|(at, name)| own.iter().position(|own| *own == normalised(name)).unwrap_or(at))
            .collect();
        let is_in_order = places.iter().enumerate().all(|(at, place)| at == *place);
        // Opened at once, so that a text in UTF-8 outlives whoever clears the folder for temporary files.
        let window = Window { file: self.place.open().ok(), ..Window::default() };
        OpenTable {
            reading: build::Reading {
                layout: self.layout,
                dialect: self.sniffed.dialect,
                charset: self.charset,
                dates: settings.dates.clone(),
                order: pass.order(),
                zone: settings.zone.clone(),
                tag_separator: pass.tag_separator.clone(),
                is_guarded: settings.is_guarded,
                is_html: pass.is_html,
                is_mixed,
            },
            index: self.file,
            shown: self.shown,
            place: self.place,
            window,
            places: (!is_in_order).then_some(places),
            _spool: self.spool,
        }
    }
}

/// The text of a file in UTF-8, for charsets whose bytes cannot be cut at delimiters.
pub(super) fn transcode(
    mut from: impl Read,
    encoding: &'static Encoding,
    scratch: &Path,
) -> io::Result<(tempfile::TempPath, u64)> {
    let mut to = tempfile::NamedTempFile::new_in(scratch)?;
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let mut bytes = vec![0; 256 * 1024];
    let mut length = 0;
    loop {
        let count = from.read(&mut bytes)?;
        let mut text = String::with_capacity(decoder.max_utf8_buffer_length(count).unwrap_or(count * 3 + 16));
        let _ = decoder.decode_to_string(&bytes[..count], &mut text, count == 0);
        to.write_all(text.as_bytes())?;
        length += text.len() as u64;
        if count == 0 {
            break;
        }
    }
    to.flush()?;
    Ok((to.into_temp_path(), length))
}

pub(super) fn listed(header: &[String]) -> String {
    header.iter().map(|name| format!("`{}`", name.trim())).collect::<Vec<_>>().join(", ")
}

/// Several files are one table if they have the same columns, in whatever order.
pub(super) fn require_one_shape(tables: &[Table]) -> Result<(), SourceError> {
    let Some((first, others)) = tables.split_first() else { return Ok(()) };
    let columns = |table: &Table| {
        let mut names: Vec<String> = table.layout.header.iter().map(|name| normalised(name)).collect();
        names.sort_unstable();
        names
    };
    let wanted = columns(first);
    match others.iter().find(|table| columns(table) != wanted) {
        None => Ok(()),
        Some(other) => Err(SourceError::Shape {
            origin: Origin::line(&other.shown, other.sniffed.line),
            problem: format!("`{}` and `{}` are tables with different columns", first.shown, other.shown),
            hint: format!(
                "name the file that holds the tickets, for example `{}`, as the archive, or say in the mapping how the \
                 tables belong together: `[shape.csv]` with `tickets`, `messages` and `people`",
                first.shown
            ),
        }),
    }
}
