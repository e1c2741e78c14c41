//! Tables: one row per ticket, or one row per message.
//!
//! Promises:
//!
//! - Rows with the same id are one record, wherever they stand; memory is bounded by the largest record.
//! - Delimiter, quoting, charset, the order of day and month and the meaning of columns are found out, and each can be
//!   said instead in the mapping's `[shape.csv]`. A date that can be read in two ways is never guessed.
//! - Every cell is kept: as a part of the record, or in its fields under its header.
//! - A row that cannot be read costs no other row.
//!
//! The format's varieties are in `docs/sources.md`. What a hand-made table with columns of its own needs:
//!
//! ```toml
//! [shape]
//! zone = "Europe/Berlin"             # of dates that name none
//!
//! [shape.csv]
//! dates = "dmy"                      # or "mdy", "iso", "%d.%m.%Y %H:%M"; only if it cannot be found out
//!
//! [shape.csv.columns]
//! id = "Ticket ID"
//! subject = "Ticket Subject"
//! body = "Ticket Description"
//! created_at = ["First Response Time", "Date of Purchase"]   # the first that holds something
//! reply = "Resolution"
//! reply_at = "Time to Resolution"
//! ```

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::catalog::{Catalog, CatalogError, Group, Groups, Piece, key};
use crate::finding::codes;
use crate::input::{self, Head, HeadFile, Input, InputFile, Portion};
use crate::record::{Oddity, Origin, Record};
use crate::source::contacts::Contacts;
use crate::source::joined::shape::{AttachmentNames, Joins, Listed, Message, PersonNames, Place, Several, Ticket};
use crate::source::{Facts, ReadError, Reader, Reading, Source, SourceError, joined};

mod build;
mod columns;
mod contacts;
mod dates;
mod dialect;
mod guess;
mod objects;
mod people;
mod rows;
mod table;

pub use columns::{Headers, Role};
pub use guess::{ColumnGuess, columns as guess_columns};
pub(in crate::source) use objects::{Dates, Objects, person, persons};

use columns::{Layout, normalised};
use dates::{DateStyle, DayOrder, Read as DateRead};
use dialect::{Charset, sniff};
use rows::{MAX_ROW_BYTES, Row, Rows};
use table::{Settings, Table, require_one_shape};

/// The source's name.
const CSV: &str = "csv";

/// Changes whenever an index made by an older program must not be used again.
const INDEX_VERSION: u32 = 1;

/// How many rows are searched for a date that proves the order of day and month, before any date was met.
const DATE_SAMPLE_ROWS: u64 = 1_000;

/// How often the pass reports, in bytes.
const REPORT_BYTES: u64 = 1024 * 1024;

/// What a piece of the catalog is.
mod kind {
    pub(super) const ROW: u8 = 0;
    pub(super) const BROKEN: u8 = 1;
    pub(super) const WITHOUT_ID: u8 = 2;
}

/// The `csv` source.
pub struct Csv;

/// A mapping's `[shape.csv]` section; everything that it leaves out is found out.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CsvShape {
    /// The names of the files that are tables, where others lie beside them.
    pub tables: Vec<String>,
    /// What parts cells: `,`, `;`, `|`, `tab`, or any other ASCII character.
    pub delimiter: Option<String>,
    /// What stands around cells: `"`, `'`, or `none`.
    pub quote: Option<String>,
    /// The charset, by any of its usual labels; a byte-order mark wins.
    pub charset: Option<String>,
    /// How dates are written: `iso`, `dmy`, `mdy`, or a pattern such as `%d.%m.%Y %H:%M`.
    pub dates: Option<String>,
    /// Whether texts are HTML; left out: told cell by cell.
    pub html: Option<bool>,
    /// What parts tags.
    pub tag_separator: Option<String>,
    /// Whether an apostrophe at the beginning of a cell is a guard against formulas, as exports write it, and no part of it.
    pub guarded: bool,
    /// One row per message: the column that says which rows belong together.
    pub group_by: Option<String>,
    /// What columns mean; a header's name, or several of which the first that holds something counts. `""` is none.
    pub columns: BTreeMap<Role, Headers>,
    /// Several tables that refer to each other: where the tickets are. The keys from here on are those of `[shape.json]`.
    pub tickets: Several<Place>,
    /// Where messages are.
    pub messages: Several<Place>,
    /// Where people are.
    pub people: Several<Place>,
    /// Where attachments are.
    pub attachments: Several<Place>,
    /// Tables whose values become a list of the ticket.
    pub lists: BTreeMap<String, Listed>,
    /// Tables of ids and names.
    pub lookups: BTreeMap<String, Listed>,
    /// What a ticket's columns are called.
    pub ticket: Ticket,
    /// What a message's columns are called.
    pub message: Message,
    /// What a person's columns are called.
    pub person: PersonNames,
    /// What an attachment's columns are called.
    pub attachment: AttachmentNames,
}

impl CsvShape {
    /// How several tables belong together, if the mapping says that there are several.
    pub fn joins(&self) -> Option<Joins> {
        let joins = Joins {
            tickets: self.tickets.clone(),
            messages: self.messages.clone(),
            people: self.people.clone(),
            attachments: self.attachments.clone(),
            lists: self.lists.clone(),
            lookups: self.lookups.clone(),
            ticket: self.ticket.clone(),
            message: self.message.clone(),
            person: self.person.clone(),
            attachment: self.attachment.clone(),
            dates: self.dates.clone(),
        };
        (!joins.is_blank()).then_some(joins)
    }
}

impl Source for Csv {
    fn name(&self) -> &'static str {
        CSV
    }

    fn recognises(&self, head: &Head) -> bool {
        let is_single = head.files.len() == 1;
        let mut found = false;
        for file in head.files.iter().filter(|file| file.length > 0) {
            let is_named = matches!(&*file.extension(), "csv" | "tsv" | "tab");
            if is_named || is_single || file.extension() == "txt" {
                found |= is_table(file, is_named);
            } else if !file.shown.contains(['/', '\\']) && is_other_archive(file) {
                return false;
            }
        }
        found
    }

    fn open(&self, input: Input, reading: &Reading<'_>) -> Result<Reader, SourceError> {
        if let Some(joins) = reading.shape.csv.joins() {
            return joined::open(CSV, &joins, input, reading);
        }
        let settings = Settings::of(reading)?;
        let mut tables = Vec::new();
        for (index, file) in table_files(&input, &reading.shape.csv.tables) {
            tables.push(Table::open(index, file, &settings, reading)?);
        }
        require_one_shape(&tables)?;
        tables.iter().try_for_each(Table::require_roles)?;
        let stamp = input.stamp().map_err(|cause| io_error(&input, cause))?;
        let key = format!("{CSV} {INDEX_VERSION} {stamp} {:?} {:?}", reading.shape.csv, reading.shape.zone);
        let mut catalog = Catalog::open(reading.index, reading.scratch, &key)?;
        let pass = match catalog.noted("pass")?.and_then(|text| serde_json::from_str(&text).ok()) {
            Some(pass) if catalog.is_sealed() => pass,
            _ => {
                let mut order = survey_dates(&tables, &settings, Some(DATE_SAMPLE_ROWS), reading)?;
                let pass = match index(&tables, &settings, order, &mut catalog, reading) {
                    // The first doubtful date came late: everything is searched for proof, then indexed anew.
                    Err(Stop::NeedsOrder(doubtful)) => {
                        order = survey_dates(&tables, &settings, None, reading)?;
                        if order.is_none() {
                            return Err(doubtful.into_error(&tables));
                        }
                        drop(catalog);
                        catalog = Catalog::open(reading.index, reading.scratch, &key)?;
                        index(&tables, &settings, order, &mut catalog, reading)
                    }
                    other => other,
                };
                let pass = pass.map_err(|stop| match stop {
                    Stop::NeedsOrder(doubtful) => doubtful.into_error(&tables),
                    Stop::Failed(error) => error,
                })?;
                catalog.note("pass", &serde_json::to_string(&pass).expect("plain counts always serialise"))?;
                catalog.seal()?;
                pass
            }
        };
        let facts = facts(&tables, &pass, catalog.group_count()?, reading);
        let files = input.files().to_vec();
        let header = tables.first().map(|table| table.layout.header.clone()).unwrap_or_default();
        let tables = tables.into_iter().map(|table| table.finish(&settings, &pass, &header)).collect();
        let groups = catalog.into_groups(reading.order);
        let passing = groups.passing();
        let records = Records { groups, tables, files, is_over: false, _input: input };
        Ok(Reader::new(facts, records).passing(passing))
    }

    fn people(&self, input: Input, reading: &Reading<'_>) -> Result<Option<Contacts>, SourceError> {
        contacts::contacts(input, reading).map(Some)
    }
}

/// Whether the beginning of a file looks like a table.
///
/// Named as one, it only has to be consistent; any other must also have headers that we know.
fn is_table(file: &HeadFile, is_named: bool) -> bool {
    let (charset, mark) = Charset::of(&file.start, None);
    let bytes = &file.start[mark.min(file.start.len())..];
    let bytes = match charset {
        Charset::Named(encoding) => encoding.decode_without_bom_handling(bytes).0.into_owned().into_bytes(),
        Charset::Detected => bytes.to_vec(),
    };
    let first = bytes.trim_ascii_start().first().copied().unwrap_or(b'{');
    if matches!(first, b'{' | b'[' | b'<') || bytes.starts_with(b"From ") || bytes.contains(&0) {
        return false;
    }
    let is_whole = file.length <= file.start.len() as u64;
    let Some(found) = sniff(&bytes, is_whole, Charset::Detected, None, None) else { return false };
    let has_good_header = found.header.iter().all(|name| name.len() <= 120)
        && found.header.iter().filter(|name| !name.trim().is_empty()).count() * 2 > found.header.len();
    if is_named {
        return has_good_header && found.consistency > 0.3;
    }
    let layout = Layout::of(&found.header, &BTreeMap::new(), None);
    let is_known =
        layout.is_ok_and(|layout| layout.has(Role::Id) && (layout.has(Role::Subject) || layout.has(Role::Body)));
    has_good_header && is_known && found.consistency > 0.6
}

/// Whether a file beside the tables says that the folder is another kind of archive.
fn is_other_archive(file: &HeadFile) -> bool {
    matches!(&*file.extension(), "json" | "jsonl" | "ndjson" | "mbox" | "eml" | "xml")
        || file.text().starts_with(b"From ")
}

/// The files that are tables: those that the mapping names, else those named so, else the only one.
fn table_files<'a>(input: &'a Input, tables: &[String]) -> Vec<(usize, &'a InputFile)> {
    let filled = || input.files().iter().enumerate().filter(|(_, file)| file.length > 0);
    if !tables.is_empty() {
        let is_meant = |file: &InputFile| tables.iter().any(|name| *file.shown == **name);
        let named: Vec<_> = filled().filter(|(_, file)| is_meant(file)).collect();
        if !named.is_empty() {
            return named;
        }
    }
    let ending = |file: &InputFile| {
        Path::new(&*file.shown).extension().map(|ending| ending.to_string_lossy().to_lowercase()).unwrap_or_default()
    };
    let named: Vec<_> = filled().filter(|(_, file)| matches!(&*ending(file), "csv" | "tsv" | "tab")).collect();
    if named.is_empty() { filled().collect() } else { named }
}

fn io_error(input: &Input, cause: io::Error) -> SourceError {
    let path = input.files().first().map(|file| file.path.to_path_buf()).unwrap_or_default();
    SourceError::Io { path, cause }
}

/// What the indexing pass found; kept in the catalog.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Pass {
    rows: u64,
    blank_rows: u64,
    totals_rows: u64,
    ragged_rows: u64,
    broken_rows: u64,
    rows_without_id: u64,
    /// Rows that are UTF-8 and more than ASCII.
    utf8_rows: u64,
    /// Rows that are not UTF-8.
    other_rows: u64,
    /// Whether some date named no zone.
    has_naive_dates: bool,
    is_day_first: Option<bool>,
    has_no_texts: bool,
    is_of_messages: bool,
    tag_separator: Option<String>,
    is_html: Option<bool>,
}

impl Pass {
    fn order(&self) -> Option<DayOrder> {
        self.is_day_first.map(|is_day_first| if is_day_first { DayOrder::DayFirst } else { DayOrder::MonthFirst })
    }
}

/// Why indexing ended early.
enum Stop {
    Failed(SourceError),
    NeedsOrder(Doubtful),
}

impl From<SourceError> for Stop {
    fn from(error: SourceError) -> Self {
        Self::Failed(error)
    }
}

impl From<CatalogError> for Stop {
    fn from(error: CatalogError) -> Self {
        Self::Failed(error.into())
    }
}

/// A date that can be read in two ways.
struct Doubtful {
    table: usize,
    line: u64,
    column: usize,
    text: String,
}

impl Doubtful {
    fn into_error(self, tables: &[Table]) -> SourceError {
        let table = &tables[self.table];
        SourceError::Shape {
            origin: Origin::line(&table.shown, self.line),
            problem: format!(
                "`{}` in the column `{}` can be read in two ways, and no date of the table tells which",
                self.text, table.layout.header[self.column]
            ),
            hint: "say it in the mapping: `[shape.csv]` with `dates = \"dmy\"` (day first) or `dates = \"mdy\"` (month first)"
                .to_owned(),
        }
    }
}

/// Looks for a date that proves whether days or months come first; the first proof is enough.
///
/// Columns of one table are taken to be written alike. A date that contradicts the proof is
/// noted when it is read.
fn survey_dates(
    tables: &[Table],
    settings: &Settings,
    most_rows: Option<u64>,
    reading: &Reading<'_>,
) -> Result<Option<DayOrder>, SourceError> {
    if settings.dates != DateStyle::Detected {
        return Ok(None);
    }
    let mut bytes_before = 0;
    for table in tables {
        let columns = table.date_columns();
        let mut rows = table.rows()?;
        let mut count = 0;
        let mut told = 0;
        while let Some(row) = next_row(&mut rows, table)? {
            count += 1;
            if most_rows.is_some_and(|most| count > most) {
                break;
            }
            if rows.offset() - told > REPORT_BYTES {
                told = rows.offset();
                watch(reading, bytes_before + told)?;
            }
            if !row.is_sound {
                continue;
            }
            for &column in &columns {
                if let Some(order) = dates::evidence(&table.cell(&rows, column)) {
                    return Ok(Some(order));
                }
            }
        }
        bytes_before += table.length;
    }
    Ok(None)
}

fn next_row(rows: &mut Rows<Portion>, table: &Table) -> Result<Option<Row>, SourceError> {
    rows.next_row().map_err(|cause| SourceError::Io { path: table.place.path.to_path_buf(), cause })
}

fn watch(reading: &Reading<'_>, bytes: u64) -> Result<(), SourceError> {
    match (reading.watch)(bytes) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(SourceError::Interrupted),
    }
}

/// The pass: every row goes into the catalog under its ticket's id.
fn index(
    tables: &[Table],
    settings: &Settings,
    order: Option<DayOrder>,
    catalog: &mut Catalog,
    reading: &Reading<'_>,
) -> Result<Pass, Stop> {
    let shape = &reading.shape.csv;
    let mut pass = Pass {
        is_day_first: order.map(|order| order == DayOrder::DayFirst),
        tag_separator: shape.tag_separator.clone(),
        is_html: shape.html,
        ..Pass::default()
    };
    let mut bytes_before = 0;
    for (number, table) in tables.iter().enumerate() {
        pass.has_no_texts |= !table.layout.has(Role::Body);
        pass.is_of_messages |= table.layout.is_of_messages;
        let mut rows = table.rows()?;
        let mut told = 0;
        while let Some(row) = next_row(&mut rows, table)? {
            if rows.offset() - told > REPORT_BYTES {
                told = rows.offset();
                watch(reading, bytes_before + told)?;
            }
            let mut piece = Piece {
                kind: kind::ROW,
                at: i64::MAX,
                file: table.file,
                offset: table.start + row.offset,
                length: row.length as u64,
                line: row.line,
                ..Piece::default()
            };
            let own_place = || key("place", format!("{} {}", piece.file, piece.offset).as_bytes());
            if !row.is_sound {
                pass.broken_rows += 1;
                let group = own_place();
                piece.kind = kind::BROKEN;
                catalog.put(group, piece)?;
                continue;
            }
            if is_blank(rows.bytes(), table.sniffed.dialect.delimiter) {
                pass.blank_rows += 1;
                continue;
            }
            if !rows.bytes().is_ascii() {
                match std::str::from_utf8(rows.bytes()) {
                    Ok(_) => pass.utf8_rows += 1,
                    Err(_) => pass.other_rows += 1,
                }
            }
            let id = first_filled(table, &rows, Role::Id).and_then(|(text, _)| clean_id(&text));
            if is_totals_row(table, &rows, id.as_deref()) {
                pass.totals_rows += 1;
                continue;
            }
            pass.rows += 1;
            pass.ragged_rows += u64::from(rows.cells.len() != table.layout.header.len());
            piece.at = order_key(table, &rows, settings, order, &mut pass)
                .map_err(|(column, text)| Stop::NeedsOrder(Doubtful { table: number, line: row.line, column, text }))?;
            let group = match &id {
                None => {
                    pass.rows_without_id += 1;
                    piece.kind = kind::WITHOUT_ID;
                    own_place()
                }
                // Two tickets may have been rounded to one number.
                Some(id) if is_rounded_number(id) && !table.layout.is_of_messages => own_place(),
                Some(id) => key("ticket", id.as_bytes()),
            };
            catalog.put(group, piece)?;
        }
        bytes_before += table.length;
    }
    watch(reading, bytes_before)?;
    Ok(pass)
}

/// When the row was written, in unix seconds; every date of the row is looked at, so that none stays doubtful.
fn order_key(
    table: &Table,
    rows: &Rows<Portion>,
    settings: &Settings,
    order: Option<DayOrder>,
    pass: &mut Pass,
) -> Result<i64, (usize, String)> {
    const BY_WORTH: &[Role] = &[Role::EntryAt, Role::CreatedAt, Role::ReplyAt, Role::ClosedAt, Role::UpdatedAt];
    let mut at = i64::MAX;
    for role in BY_WORTH {
        for &column in table.layout.columns(*role) {
            let text = table.cell(rows, column);
            if text.is_empty() {
                continue;
            }
            match dates::read(&text, &settings.dates, order, &settings.zone) {
                DateRead::Time { at: found, is_naive } => {
                    pass.has_naive_dates |= is_naive;
                    if at == i64::MAX {
                        at = found.as_second();
                    }
                }
                DateRead::NeedsOrder => return Err((column, text)),
                DateRead::No => {}
            }
        }
    }
    Ok(at)
}

fn first_filled(table: &Table, rows: &Rows<Portion>, role: Role) -> Option<(String, usize)> {
    table.layout.columns(role).iter().find_map(|&column| {
        let text = table.cell(rows, column);
        (!build::trim(&text).is_empty()).then_some((text, column))
    })
}

/// Nothing but white space, delimiters and quotes.
fn is_blank(row: &[u8], delimiter: u8) -> bool {
    row.iter().all(|byte| byte.is_ascii_whitespace() || *byte == delimiter || *byte == b'"')
}

/// A row that sums up the rows above: no id but such a word, and neither subject nor text.
fn is_totals_row(table: &Table, rows: &Rows<Portion>, id: Option<&str>) -> bool {
    const WORDS: &[&str] = &[
        "total",
        "totals",
        "grandtotal",
        "sum",
        "summe",
        "gesamt",
        "gesamtsumme",
        "totale",
        "somme",
        "suma",
        "totaal",
    ];
    let is_word = |text: &str| WORDS.contains(&&*normalised(text.trim_end_matches(|c: char| !c.is_alphabetic())));
    let is_sum =
        |text: &str| is_word(text) || text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b' ' | b'.' | b','));
    let is_told = match id {
        Some(id) => is_word(id),
        None => (0..rows.cells.len()).any(|column| is_word(&table.cell(rows, column))),
    };
    is_told
        && [Role::Subject, Role::Body]
            .iter()
            .all(|role| first_filled(table, rows, *role).is_none_or(|(text, _)| is_sum(&text)))
}

/// An id cell without what spreadsheets put around ids: `'4711`, `="4711"`, no-break spaces.
fn clean_id(text: &str) -> Option<String> {
    let text = build::trim(text);
    let text = text.strip_prefix('\'').unwrap_or(text);
    let text = text.strip_prefix("=\"").and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    let text = build::trim(text);
    (!text.is_empty()).then(|| text.to_owned())
}

/// `1.23457E+14`: a spreadsheet took a long id for a number.
fn is_rounded_number(id: &str) -> bool {
    let lower = id.to_ascii_lowercase();
    let Some((mantissa, exponent)) = lower.split_once("e+") else { return false };
    let is_number =
        |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b','));
    is_number(mantissa) && is_number(exponent)
}

fn facts(tables: &[Table], pass: &Pass, records: u64, reading: &Reading<'_>) -> Facts {
    let mut facts = Facts {
        records,
        counts: vec![
            ("rows", pass.rows + pass.broken_rows),
            ("blank_rows", pass.blank_rows),
            ("totals_rows", pass.totals_rows),
            ("ragged_rows", pass.ragged_rows),
            ("broken_rows", pass.broken_rows),
            ("rows_without_id", pass.rows_without_id),
        ],
        ..Facts::default()
    };
    let Some(first) = tables.first() else { return facts };
    let mut say = |variant: String| {
        if !facts.variants.contains(&variant) {
            facts.variants.push(variant);
        }
    };
    say(if pass.is_of_messages { "one row per message" } else { "one row per ticket" }.to_owned());
    for table in tables {
        say(match table.sniffed.dialect.delimiter {
            b'\t' => "tab-separated".to_owned(),
            byte => format!("delimiter `{}`", byte as char),
        });
        let is_other = table.charset == Charset::Detected && pass.other_rows > 0;
        match (is_other, pass.utf8_rows) {
            (true, 0) => say("windows-1252".to_owned()),
            (true, _) => say("UTF-8 and windows-1252 mixed".to_owned()),
            (false, _) => say(table.encoding.to_owned()),
        }
        if table.sniffed.dialect.is_backslashed {
            say("quotes written as \\\"".to_owned());
        }
    }
    match pass.order() {
        Some(DayOrder::DayFirst) => say("dates with the day first".to_owned()),
        Some(DayOrder::MonthFirst) => say("dates with the month first".to_owned()),
        None => {}
    }
    let origin = Origin::whole(&first.shown);
    let mut note = |code, message: &str| {
        facts.oddities.push(Oddity { code, origin: origin.clone(), message: message.to_owned() });
    };
    if pass.has_naive_dates && reading.shape.zone.is_none() {
        note(
            codes::READ_DATE,
            "dates name no time zone and were read as UTC; `zone` in the mapping's `[shape]` says otherwise",
        );
    }
    if pass.other_rows > 0 && pass.utf8_rows == 0 {
        note(
            codes::READ_CHARSET,
            "the text is not UTF-8 and was read as windows-1252; `charset` in the mapping's `[shape.csv]` says otherwise",
        );
    }
    if pass.has_no_texts {
        note(codes::READ_NO_ENTRIES, "no column holds what was written; every record has one message without text");
    }
    if pass.totals_rows > 0 {
        note(codes::READ_SKIPPED_ROW, &format!("{} rows of totals were left out", pass.totals_rows));
    }
    facts
}

/// A table that records are cut out of.
struct OpenTable {
    reading: build::Reading,
    index: u32,
    shown: Arc<str>,
    place: input::Place,
    window: Window,
    /// Where the first table's columns are in this one, if not in the same places.
    places: Option<Vec<usize>>,
    _spool: Option<tempfile::TempPath>,
}

/// A stretch of a file in memory: rows that follow each other cost one read together.
#[derive(Default)]
struct Window {
    file: Option<Portion>,
    start: u64,
    bytes: Vec<u8>,
}

impl Window {
    /// How much is read ahead when rows follow each other, in bytes.
    const AHEAD: usize = 256 * 1024;

    fn read(&mut self, place: &input::Place, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let end = self.start + self.bytes.len() as u64;
        if offset >= self.start && offset + length as u64 <= end {
            let from = (offset - self.start) as usize;
            return Ok(self.bytes[from..from + length].to_vec());
        }
        // Far from the last place, reading ahead would be for nothing.
        let is_near = offset >= self.start && offset <= end + 64 * 1024;
        let wanted = if is_near { length.max(Self::AHEAD) } else { length.max(4096) };
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(place.open()?),
        };
        file.seek(SeekFrom::Start(offset))?;
        self.bytes.clear();
        self.start = offset;
        file.take(wanted as u64).read_to_end(&mut self.bytes)?;
        match self.bytes.get(..length) {
            Some(bytes) => Ok(bytes.to_vec()),
            None => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file has become shorter")),
        }
    }
}

/// The records of the archive.
struct Records {
    groups: Groups,
    tables: Vec<OpenTable>,
    files: Vec<InputFile>,
    is_over: bool,
    /// Keeps a spooled standard input alive.
    _input: Input,
}

impl Iterator for Records {
    type Item = Result<Record, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        match self.groups.next()? {
            Ok(group) => Some(self.record(&group)),
            Err(error) => {
                self.is_over = true;
                let file = self.tables.first().map_or_else(|| Arc::from("index"), |table| Arc::clone(&table.shown));
                Some(Err(ReadError::Io { origin: Origin::whole(&file), cause: io::Error::other(error) }))
            }
        }
    }
}

impl Records {
    fn record(&mut self, group: &Group) -> Result<Record, ReadError> {
        let mut rows = Vec::with_capacity(group.pieces.len());
        let mut bytes_in_all = 0;
        for piece in &group.pieces {
            let at = self.tables.iter().position(|table| table.index == piece.file).unwrap_or(0);
            let table = &mut self.tables[at];
            let origin = Origin::line(&table.shown, piece.line);
            match piece.kind {
                kind::BROKEN => {
                    return Err(ReadError::Malformed {
                        origin,
                        id: None,
                        problem: "a quote is opened and never closed; the row was set aside".to_owned(),
                    });
                }
                kind::WITHOUT_ID => return Err(ReadError::MissingId { origin }),
                _ => {}
            }
            bytes_in_all += piece.length;
            if bytes_in_all > 4 * MAX_ROW_BYTES as u64 {
                return Err(ReadError::TooLarge { origin, what: "the ticket", limit: "256 MiB".to_owned() });
            }
            let bytes = table
                .window
                .read(&table.place, piece.offset, piece.length as usize)
                .map_err(|cause| ReadError::Io { origin: origin.clone(), cause })?;
            match table.reading.text_row(bytes, origin.clone()) {
                Some(mut row) => {
                    if let Some(places) = &table.places {
                        row.rearrange(places);
                    }
                    rows.push(row);
                }
                None => {
                    return Err(ReadError::Malformed {
                        origin,
                        id: None,
                        problem: "the row is no longer what was indexed".to_owned(),
                    });
                }
            }
        }
        let mut record = build::record(&self.tables[0].reading, rows, &self.files)?;
        record.origin.seat = Some(Box::new(group.seat));
        Ok(record)
    }
}

#[cfg(test)]
mod tests;
