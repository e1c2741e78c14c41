//! The one pass over a dump: where every row stands, and what it belongs to.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::ControlFlow;
use std::sync::Arc;

use super::scan::{Event, Fault, Row, Scanner};
use super::tables::{self, ENTRY, Layout, OLD_ENTRY, THREAD, TICKET, Table, kind, name_key, table_of};
use super::values::value;
use crate::catalog::{Catalog, CatalogError, Piece};
use crate::finding::codes;
use crate::input::{Input, InputFile};
use crate::record::{Oddity, Origin};
use crate::source::csv::Dates;
use crate::source::{SourceError, problem};

/// How often the watcher is told, in bytes read.
const WATCH_EVERY: u64 = 4 * 1024 * 1024;

/// How many oddities of one kind are listed before they are only counted.
const MAX_ODDITIES: usize = 50;

/// How many different tables or lists of columns a dump may have.
const MAX_LAYOUTS: usize = 10_000;

/// The state of the pass.
pub(super) struct Pass<'a> {
    input: &'a Input,
    dates: &'a Dates,
    catalog: &'a mut Catalog,
    watch: &'a (dyn Fn(u64) -> ControlFlow<()> + Sync),
    pub layouts: Vec<Layout>,
    numbers: HashMap<Layout, usize>,
    pub counts: BTreeMap<&'static str, u64>,
    pub variants: BTreeSet<&'static str>,
    pub oddities: Vec<Oddity>,
    odd: BTreeMap<&'static str, usize>,
    /// A ticket and when it was opened, as it stands in the dump.
    pub example: Option<(String, String)>,
    bytes_before: u64,
    told: u64,
}

/// The list of rows that is being read.
struct Rows {
    table: &'static Table,
    /// The layout's number, counted from 1.
    layout: usize,
}

impl<'a> Pass<'a> {
    pub(super) fn new(
        input: &'a Input,
        dates: &'a Dates,
        catalog: &'a mut Catalog,
        watch: &'a (dyn Fn(u64) -> ControlFlow<()> + Sync),
    ) -> Self {
        Self {
            input,
            dates,
            catalog,
            watch,
            layouts: Vec::new(),
            numbers: HashMap::new(),
            counts: BTreeMap::new(),
            variants: BTreeSet::new(),
            oddities: Vec::new(),
            odd: BTreeMap::new(),
            example: None,
            bytes_before: 0,
            told: 0,
        }
    }

    /// Reads every file.
    pub(super) fn run(&mut self) -> Result<(), SourceError> {
        let input = self.input;
        for (index, file) in input.files().iter().enumerate() {
            let failed = |cause| SourceError::Io { path: file.path.to_path_buf(), cause };
            if super::is_sql(&file.head().map_err(failed)?) {
                if let Err(error) = self.dump(index as u32, file) {
                    match error {
                        Stop::Fatal(error) => return Err(error),
                        Stop::Io(error) => {
                            let origin = Origin::whole(&file.shown);
                            let message = format!("the dump cannot be read to its end: {error}");
                            self.odd(codes::READ_BROKEN_PART, origin, message);
                        }
                    }
                }
            } else if file.length > 0 {
                let name = file.shown.rsplit(['/', '\\']).next().unwrap_or(&file.shown);
                let piece = Piece { kind: kind::STORED, file: index as u32, length: file.length, ..Piece::default() };
                self.catalog.put_named(name_key("", tables::STORED, name), piece)?;
                *self.counts.entry("stored_files").or_default() += 1;
                if !file.shown.contains(['/', '\\']) {
                    let message = "no SQL; it is looked at only if the dump names it as the key of an attachment";
                    self.odd(codes::READ_IGNORED, Origin::whole(&file.shown), message.to_owned());
                }
            }
            self.bytes_before += file.length;
        }
        for (code, count) in std::mem::take(&mut self.odd) {
            if count > MAX_ODDITIES {
                let message = format!("and {} more", count - MAX_ODDITIES);
                let shown = input.files().first().map_or_else(|| Arc::from("."), |file| Arc::clone(&file.shown));
                self.oddities.push(Oddity { code, origin: Origin::whole(&shown), message });
            }
        }
        Ok(())
    }

    fn odd(&mut self, code: &'static str, origin: Origin, message: String) {
        let count = self.odd.entry(code).or_default();
        *count += 1;
        if *count <= MAX_ODDITIES {
            self.oddities.push(Oddity { code, origin, message });
        }
    }

    fn dump(&mut self, index: u32, file: &InputFile) -> Result<(), Stop> {
        let mut scanner = Scanner::new(file.open()?)?;
        let mut columns: HashMap<String, Vec<String>> = HashMap::new();
        let mut rows = None;
        while let Some(event) = scanner.next()? {
            self.tell(scanner.offset())?;
            match event {
                Event::Table { name, columns: of_table } => {
                    columns.insert(name.to_ascii_lowercase(), of_table);
                }
                Event::Insert { table, columns: listed, line } => {
                    rows = None;
                    let Some((known, prefix)) = table_of(&table) else {
                        scanner.skip_statement()?;
                        continue;
                    };
                    let of_table = || columns.get(&table.to_ascii_lowercase()).cloned();
                    let Some(of_rows) = listed.or_else(of_table) else {
                        let message = format!(
                            "the columns of `{table}` are not known, and its rows are not read; dump it with `CREATE TABLE`"
                        );
                        self.odd(codes::READ_BROKEN_PART, Origin::line(&file.shown, line), message);
                        scanner.skip_statement()?;
                        continue;
                    };
                    let prefix = prefix.to_owned();
                    scanner.expect(of_rows.len());
                    match self.layout(Layout { table, prefix, columns: of_rows }) {
                        Some(layout) => rows = Some(Rows { table: known, layout }),
                        None => scanner.skip_statement()?,
                    }
                }
                Event::Row(row) => {
                    if let Some(rows) = &rows {
                        self.row(index, rows, &row, scanner.bytes())?;
                    }
                }
                Event::Bad { offset, line, fault } => {
                    if let Some(rows) = &rows {
                        self.bad(index, file, rows, (offset, line), fault)?;
                    }
                }
                Event::Unread { table, line } => {
                    scanner.skip_statement()?;
                    if table_of(&table).is_some() {
                        let message =
                            format!("what is put into `{table}` here is not written as rows, and is not read");
                        self.odd(codes::READ_BROKEN_PART, Origin::line(&file.shown, line), message);
                    }
                }
            }
        }
        let end = self.end(file)?;
        if let Some(line) = scanner.cut().or(end) {
            let message = "the dump ends too early; what would have followed is not there".to_owned();
            self.odd(codes::READ_TRUNCATED, Origin::line(&file.shown, line), message);
        }
        Ok(())
    }

    fn tell(&mut self, offset: u64) -> Result<(), Stop> {
        let read = self.bytes_before + offset;
        if read >= self.told + WATCH_EVERY {
            self.told = read;
            if (self.watch)(read).is_break() {
                return Err(Stop::Fatal(SourceError::Interrupted));
            }
        }
        Ok(())
    }

    /// Notes what wrote the dump; a line if it is one that says when it is complete, and did not.
    fn end(&mut self, file: &InputFile) -> io::Result<Option<u64>> {
        const END_BYTES: u64 = 4096;
        let head = file.head()?;
        let text = &head.text()[..head.text().len().min(1024)];
        let begins = |word: &[u8]| memchr::memmem::find(text, word).is_some();
        if begins(b"-- phpMyAdmin SQL Dump") {
            self.variants.insert("phpMyAdmin");
        }
        if !begins(b"-- MySQL dump") && !begins(b"-- MariaDB dump") {
            return Ok(None);
        }
        self.variants.insert("mysqldump");
        let mut open = file.open()?;
        open.seek(SeekFrom::Start(file.length.saturating_sub(END_BYTES)))?;
        let mut end = Vec::new();
        open.take(END_BYTES).read_to_end(&mut end)?;
        // Nothing else tells a dump that was cut between two tables from a whole one.
        Ok(memchr::memmem::find(&end, b"-- Dump completed").is_none().then_some(1))
    }

    /// The layout's number, counted from 1; `None`: there are too many.
    fn layout(&mut self, layout: Layout) -> Option<usize> {
        if let Some(number) = self.numbers.get(&layout) {
            return Some(*number);
        }
        if self.layouts.len() == MAX_LAYOUTS {
            return None;
        }
        self.layouts.push(layout.clone());
        self.numbers.insert(layout, self.layouts.len());
        Some(self.layouts.len())
    }

    fn row(&mut self, index: u32, rows: &Rows, row: &Row, bytes: &[u8]) -> Result<(), Stop> {
        let layout = &self.layouts[rows.layout - 1];
        let get = |column: &str| {
            let field = row.fields.get(layout.column(column)?)?;
            let text = value(&bytes[field.clone()])?;
            Some(String::from_utf8_lossy(&text).trim().to_owned()).filter(|text| !text.is_empty())
        };
        let key = |what: &str, id: &str| name_key(&layout.prefix, what, id);
        let Table { kind, mut what, keys, .. } = *rows.table;
        let mut piece = Piece {
            kind,
            at: i64::MAX,
            version: rows.layout as i64,
            file: index,
            offset: row.offset,
            length: row.length as u64,
            line: row.line,
            same: 0,
        };
        let Some(mut id) = keys.iter().find_map(|column| get(column)) else {
            return self.lost(piece);
        };
        match kind {
            kind::TICKET => {
                let created = get("created");
                let at = created.as_deref().and_then(|text| self.dates.read(text).ok());
                piece.at = at.map_or(i64::MAX, jiff::Timestamp::as_second);
                if let (None, Some(created), Some(_)) = (&self.example, created, at) {
                    self.example = Some((get("number").or(get("ticketID")).unwrap_or(id.clone()), created));
                }
                let group = key(TICKET, &id);
                *self.counts.entry("tickets").or_default() += 1;
                return Ok(self.catalog.put(group, piece)?);
            }
            kind::THREAD => {
                let thread = get("id").unwrap_or_default();
                let entries = key(THREAD, &thread);
                // C: a ticket that was merged into another.
                let is_of_ticket = get("object_type").is_none_or(|it| it == "T" || it == "C");
                let owner = key(TICKET, &id);
                self.catalog.put_named(entries, Piece { kind: kind::KNOWN, ..piece })?;
                if !is_of_ticket {
                    *self.counts.entry("task_threads").or_default() += 1;
                    return Ok(());
                }
                self.catalog.put_named(entries, Piece { kind: kind::ANCHOR, ..piece })?;
                return Ok(self.catalog.put_named(owner, piece)?);
            }
            kind::ENTRY => *self.counts.entry("messages").or_default() += 1,
            kind::OLD_ENTRY | kind::OLD_MESSAGE | kind::OLD_RESPONSE | kind::OLD_NOTE => {
                *self.counts.entry("messages").or_default() += 1;
                *self.counts.entry("old_messages").or_default() += 1;
            }
            // Canned replies, articles and templates have files, too.
            kind::ATTACHMENT if what == ENTRY && get("type").is_some_and(|it| it != "H") => return Ok(()),
            kind::ATTACHMENT if what == OLD_ENTRY => id = format!("{}{id}", get("ref_type").unwrap_or_default()),
            kind::FORM => match get("object_type").as_deref() {
                None | Some("T") => {}
                Some("U") => what = tables::USER,
                Some(_) => return Ok(()),
            },
            _ => {}
        }
        let name = key(what, &id);
        Ok(self.catalog.put_named(name, piece)?)
    }

    /// A row that does not say to what it belongs.
    fn lost(&mut self, piece: Piece) -> Result<(), Stop> {
        let layout = &self.layouts[piece.version as usize - 1];
        if piece.kind == kind::TICKET {
            return self.unreadable(piece, problem::NO_ID);
        }
        let message = format!("a row of `{}` does not say to what it belongs, and is left out", layout.table);
        let shown = &self.input.files()[piece.file as usize].shown;
        let origin = Origin::line(shown, piece.line);
        self.odd(codes::READ_BROKEN_PART, origin, message);
        Ok(())
    }

    fn bad(
        &mut self,
        index: u32,
        file: &InputFile,
        rows: &Rows,
        (offset, line): (u64, u64),
        fault: Fault,
    ) -> Result<(), Stop> {
        let version = rows.layout as i64;
        if is_written(rows.table.kind) {
            let kind = match fault {
                Fault::Truncated => problem::TRUNCATED,
                Fault::Broken => problem::BROKEN,
                Fault::TooLong => problem::TOO_LONG,
                Fault::Ragged => kind::RAGGED,
            };
            return self
                .unreadable(Piece { version, file: index, offset, line, at: i64::MAX, ..Piece::default() }, kind);
        }
        let table = &self.layouts[rows.layout - 1].table;
        let (code, what) = match fault {
            Fault::Truncated => (codes::READ_TRUNCATED, "ends too early"),
            Fault::Broken => (codes::READ_BROKEN_PART, "is broken"),
            Fault::Ragged => (codes::READ_BROKEN_PART, "has not as many values as the table has columns"),
            Fault::TooLong => (codes::READ_BROKEN_PART, "is over 64 MiB"),
        };
        let message = format!("a row of `{table}` {what}, and is left out");
        self.odd(code, Origin::line(&file.shown, line), message);
        Ok(())
    }

    /// A row that may have been a ticket or something written in one.
    fn unreadable(&mut self, piece: Piece, kind: u8) -> Result<(), Stop> {
        *self.counts.entry("unreadable").or_default() += 1;
        let group = crate::catalog::key("unreadable row", format!("{} {}", piece.file, piece.offset).as_bytes());
        Ok(self.catalog.put(group, Piece { kind, ..piece })?)
    }
}

/// Whether rows are tickets or texts, which must not be lost in silence.
fn is_written(kind: u8) -> bool {
    matches!(
        kind,
        kind::TICKET | kind::ENTRY | kind::OLD_ENTRY | kind::OLD_MESSAGE | kind::OLD_RESPONSE | kind::OLD_NOTE
    )
}

/// Why reading a dump stopped.
enum Stop {
    /// The file cannot be read any further.
    Io(io::Error),
    /// The archive cannot be read at all.
    Fatal(SourceError),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<CatalogError> for Stop {
    fn from(error: CatalogError) -> Self {
        Self::Fatal(error.into())
    }
}
