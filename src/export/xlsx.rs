//! The tables as one workbook for spreadsheets: a sheet for each, with real dates and numbers.
//!
//! Texts are written as texts, so that nothing in them is a formula. A text that does not fit into a cell is cut, and stands as a
//! whole, in parts that fit, in the sheet `long texts`. Rows beyond 1,048,575 go on in a further sheet. Rows wait in
//! temporary files, not in memory.
//!
//! The XML is written here (`xlsx::part`): what these sheets need of the format is little, and a full disk must be an error.

use std::fs::File;
use std::io::{self, Seek as _, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::csv::{LONGEST_CELL, cut, is_long, split, with_bare_line_ends};
use super::hub::{Exported, Site};
use super::output::Staged;
use super::table::{self, About, Cell, Columns, Kind};
use super::{ExportError, Exporter, Form, Notes, Options, Writer};
use crate::finding::codes;
use crate::freescout::wire;

mod part;

use part::Part;

/// Rows of a sheet, the header counted.
const MOST_ROWS: u32 = 1_048_576;

/// The sheet with the whole of texts that do not fit into a cell.
const LONG: &str = "long texts";

/// Its columns. All parts of a text, one after the other, are the text.
const LONG_COLUMNS: &[&str] = &["table", "id", "column", "part", "text"];

/// The `xlsx` exporter.
pub struct Xlsx;

impl Exporter for Xlsx {
    fn name(&self) -> &'static str {
        "xlsx"
    }

    fn form(&self) -> Form {
        Form::File
    }

    fn wants_files(&self, _: &Options) -> bool {
        false
    }

    fn create(&self, site: &Site, options: &Options, place: &Staged) -> Result<Box<dyn Writer>, ExportError> {
        Ok(Box::new(Book::new(site, options, place, MOST_ROWS)?))
    }
}

struct Book {
    /// Every sheet that was begun, in the workbook's order.
    parts: Vec<Part>,
    sheets: Vec<Sheet>,
    /// There once a text is too long.
    long: Option<Sheet>,
    path: PathBuf,
    /// Where rows wait: where the workbook has room they have, too.
    folder: Option<PathBuf>,
    out: Box<dyn Write + Send>,
    site: Arc<Site>,
    options: Arc<Options>,
    most_rows: u32,
}

/// The sheet that a table is being written into.
struct Sheet {
    name: &'static str,
    columns: Columns,
    /// Its place in the workbook.
    index: usize,
    next_row: u32,
    /// How many sheets the table has so far.
    count: usize,
}

impl Book {
    fn new(site: &Site, options: &Options, place: &Staged, most_rows: u32) -> Result<Self, ExportError> {
        let path = place.shown();
        let mut book = Self {
            parts: Vec::new(),
            sheets: Vec::new(),
            long: None,
            folder: path.parent().filter(|folder| folder.is_dir()).map(Path::to_owned),
            path,
            out: place.stream()?,
            site: Arc::new(site.clone()),
            options: Arc::new(options.clone()),
            most_rows,
        };
        for kind in Kind::ALL {
            if let Some(columns) = Columns::chosen(kind, site, options) {
                let sheet = book.add(kind.name(), columns, 1)?;
                book.sheets.push(sheet);
            }
        }
        for user in &site.users {
            book.row(Kind::Users, |columns| table::user_row(columns, user), About::person(user.id, None))?;
        }
        Ok(book)
    }

    fn failed(&self, cause: io::Error) -> ExportError {
        ExportError::Io { path: self.path.clone(), cause }
    }

    /// A file that is gone when it is closed.
    fn temporary(&self) -> io::Result<File> {
        self.folder.as_ref().map_or_else(tempfile::tempfile, tempfile::tempfile_in)
    }

    /// A new sheet with its header, the `count`th of this name.
    fn add(&mut self, name: &'static str, columns: Columns, count: usize) -> Result<Sheet, ExportError> {
        let shown = if count == 1 { name.to_owned() } else { format!("{name} {count}") };
        let index = self.parts.len();
        let begun = self.temporary().and_then(|file| Part::begin(shown, file, &columns.names));
        self.parts.push(begun.map_err(|cause| self.failed(cause))?);
        Ok(Sheet { name, columns, index, next_row: 1, count })
    }

    fn row(
        &mut self,
        kind: Kind,
        make: impl FnOnce(&Columns) -> Vec<Cell>,
        mut about: About<'_>,
    ) -> Result<(), ExportError> {
        let Some(at) = self.sheets.iter().position(|sheet| sheet.name == kind.name()) else { return Ok(()) };
        let mut cells = make(&self.sheets[at].columns);
        for (column, cell) in cells.iter_mut().enumerate() {
            let Cell::Text(text) = cell else { continue };
            *text = with_bare_line_ends(std::mem::take(text));
            if is_long(text) {
                let column = self.sheets[at].columns.names[column].clone();
                *text = self.put_long(kind, &column, text, &mut about)?;
            }
        }
        let sheet = self.sheets.swap_remove(at);
        let sheet = self.put(sheet, &cells)?;
        self.sheets.push(sheet);
        Ok(())
    }

    /// Writes a whole text into the sheet for long ones; gives what stands in its place.
    fn put_long(&mut self, kind: Kind, column: &str, text: &str, about: &mut About<'_>) -> Result<String, ExportError> {
        let mut sheet = match self.long.take() {
            Some(sheet) => sheet,
            None => {
                let columns = Columns { names: LONG_COLUMNS.iter().map(|name| (*name).to_owned()).collect() };
                self.add(LONG, columns, 1)?
            }
        };
        let mut rest = text;
        let mut part = 0;
        while !rest.is_empty() {
            let (piece, after) = split(rest, LONGEST_CELL);
            rest = after;
            part += 1;
            let place = [Cell::Text(kind.name().to_owned()), Cell::Number(about.own), Cell::Text(column.to_owned())];
            let cells = place.into_iter().chain([Cell::Number(part), Cell::Text(piece.to_owned())]);
            sheet = self.put(sheet, &cells.collect::<Vec<_>>())?;
        }
        self.long = Some(sheet);
        let (length, table, own) = (text.chars().count(), kind.name(), about.own);
        about.tell(
            codes::EXPORT_CELL_CUT,
            format!("{table} {own}: `{column}` has {length} characters, all of which are in the sheet `{LONG}`"),
        );
        Ok(cut(text, &format!("… [cut; all {length} characters are in the sheet \"{LONG}\"]")))
    }

    /// Writes a row into a sheet, or into a new one when it is full; gives the one that is written now.
    fn put(&mut self, mut sheet: Sheet, cells: &[Cell]) -> Result<Sheet, ExportError> {
        if sheet.next_row >= self.most_rows {
            sheet = self.add(sheet.name, sheet.columns, sheet.count + 1)?;
        }
        let written = self.parts[sheet.index].row(sheet.next_row, cells);
        written.map_err(|cause| self.failed(cause))?;
        sheet.next_row += 1;
        Ok(sheet)
    }
}

impl Writer for Book {
    fn write(&mut self, exported: &Exported, notes: &mut Notes) -> Result<(), ExportError> {
        let (site, options) = (Arc::clone(&self.site), Arc::clone(&self.options));
        let id = exported.conversation.id;
        let row = |columns: &Columns| table::conversation_row(columns, &site, exported);
        self.row(Kind::Conversations, row, About::part(id, id, notes))?;
        for it in &exported.threads {
            let row = |columns: &Columns| table::thread_row(columns, &site, exported, it, &options, &[]);
            self.row(Kind::Threads, row, About::part(id, it.thread.id, notes))?;
        }
        Ok(())
    }

    fn customer(&mut self, customer: &wire::Customer, notes: &mut Notes) -> Result<(), ExportError> {
        let about = About::person(customer.id, Some(notes));
        self.row(Kind::Customers, |columns| table::customer_row(columns, customer), about)
    }

    fn finish(mut self: Box<Self>, _: &mut Notes) -> Result<(), ExportError> {
        let parts = std::mem::take(&mut self.parts);
        // Archives are sought in while they are written, and the place may be one that cannot be.
        let written = self.temporary().and_then(|file| part::bind(parts, file)).and_then(|mut file| {
            file.rewind()?;
            io::copy(&mut file, &mut self.out)?;
            self.out.flush()
        });
        written.map_err(|cause| self.failed(cause))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::hostile;
    use super::super::{Destination, Older};
    use super::*;

    #[test]
    fn rows_beyond_a_sheet_go_on_in_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.xlsx");
        let given = hostile();
        let staged = Staged::open(&Destination::Path(path.clone()), Form::File, Older::Keep).unwrap();
        let mut book = Box::new(Book::new(&given.site, &Options::default(), &staged, 3).unwrap());
        let mut notes = Notes::new(std::sync::Arc::new(crate::report::Silence));
        book.write(&given.conversations[0], &mut notes).unwrap();
        let names: Vec<&str> = book.parts.iter().map(Part::name).collect();
        assert_eq!(names, ["conversations", "threads", "customers", "users", "threads 2"]);
        book.finish(&mut notes).unwrap();
        staged.publish().unwrap();
        assert!(std::fs::read(path).unwrap().starts_with(b"PK"));
    }

    #[test]
    fn a_text_too_long_for_a_cell_stands_whole_in_a_sheet_of_its_own() {
        use calamine::{DataType as _, Reader as _};

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.xlsx");
        let mut given = hostile();
        let whole = "🦊ä".repeat(30_000);
        given.conversations[0].threads[0].thread.body = Some(whole.clone());
        given.customers[0].notes = Some("n".repeat(40_000));
        let sums = super::super::tests::export("xlsx", given, &path, Options::default()).unwrap();
        assert_eq!(sums.findings[1], 2);
        let mut book: calamine::Xlsx<_> = calamine::open_workbook(&path).unwrap();
        let rows = book.worksheet_range(LONG).unwrap();
        let text = |table: &str| -> String {
            let parts = rows.rows().skip(1).filter(|row| row[0].get_string() == Some(table));
            parts.map(|row| row[4].get_string().unwrap()).collect()
        };
        assert_eq!(text("threads"), whole);
        assert_eq!(text("customers"), "n".repeat(40_000));
        let threads = book.worksheet_range("threads").unwrap();
        let cell = threads.rows().flatten().filter_map(|cell| cell.get_string()).find(|text| text.starts_with('🦊'));
        assert!(cell.unwrap().ends_with("[cut; all 60000 characters are in the sheet \"long texts\"]"));
    }
}
