//! The tables as one workbook for spreadsheets: a sheet for each, with real dates and numbers.
//!
//! Texts are written as texts, so that nothing in them is a formula. A text that does not fit into a cell is cut and says so. Rows
//! beyond 1,048,575 go on in a further sheet. Rows wait in temporary files, not in memory.

use std::path::PathBuf;

use rust_xlsxwriter::{ExcelDateTime, Format, Workbook, Worksheet, XlsxError};

use super::csv::{LONGEST_CELL, cut, units};
use super::hub::{Exported, Site};
use super::output::Staged;
use super::table::{self, Cell, Columns, Kind};
use super::{ExportError, Exporter, Form, Notes, Options, Writer};
use crate::finding::codes;
use crate::freescout::wire;

/// Rows of a sheet, the header counted.
const MOST_ROWS: u32 = 1_048_576;

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
    workbook: Workbook,
    sheets: Vec<Sheet>,
    bold: Format,
    time: Format,
    path: PathBuf,
    out: Box<dyn std::io::Write + Send>,
    site: Site,
    options: Options,
    most_rows: u32,
}

/// The sheet that a table is being written into.
struct Sheet {
    kind: Kind,
    columns: Columns,
    /// Its place in the workbook.
    index: usize,
    next_row: u32,
    /// How many sheets the table has so far.
    count: usize,
}

impl Book {
    fn new(site: &Site, options: &Options, place: &Staged, most_rows: u32) -> Result<Self, ExportError> {
        let mut book = Self {
            workbook: Workbook::new(),
            sheets: Vec::new(),
            bold: Format::new().set_bold(),
            time: Format::new().set_num_format("yyyy-mm-dd hh:mm:ss"),
            path: place.shown(),
            out: place.stream()?,
            site: site.clone(),
            options: options.clone(),
            most_rows,
        };
        if let Some(folder) = book.path.parent().filter(|folder| folder.is_dir()) {
            // Where the workbook has room its rows have, too.
            let set = book.workbook.set_tempdir(folder).map(|_| ());
            set.map_err(|error| book.failed(&error))?;
        }
        for kind in Kind::ALL {
            if let Some(columns) = Columns::chosen(kind, site, options) {
                let index = book.add(kind, &columns, 1)?;
                book.sheets.push(Sheet { kind, columns, index, next_row: 1, count: 1 });
            }
        }
        for user in &site.users {
            book.row(Kind::Users, |columns| table::user_row(columns, user), None)?;
        }
        Ok(book)
    }

    fn failed(&self, error: &XlsxError) -> ExportError {
        ExportError::Format { path: self.path.clone(), format: "xlsx", problem: error.to_string() }
    }

    /// A new sheet with its header; gives its place.
    fn add(&mut self, kind: Kind, columns: &Columns, count: usize) -> Result<usize, ExportError> {
        let name = if count == 1 { kind.name().to_owned() } else { format!("{} {count}", kind.name()) };
        let index = self.workbook.worksheets().len();
        let bold = self.bold.clone();
        let made = self.workbook.add_worksheet_with_constant_memory().and_then(|sheet| {
            sheet.set_name(&name)?;
            sheet.set_freeze_panes(1, 0)?;
            for (at, column) in columns.names.iter().enumerate() {
                let at = at as u16;
                sheet.set_column_width(at, width_of(column))?;
                sheet.write_string_with_format(0, at, column, &bold)?;
            }
            Ok(())
        });
        made.map_err(|error| self.failed(&error))?;
        Ok(index)
    }

    fn row(
        &mut self,
        kind: Kind,
        make: impl FnOnce(&Columns) -> Vec<Cell>,
        mut about: Option<(u64, u64, &mut Notes)>,
    ) -> Result<(), ExportError> {
        let Some(at) = self.sheets.iter().position(|sheet| sheet.kind == kind) else { return Ok(()) };
        if self.sheets[at].next_row >= self.most_rows {
            let (columns, count) = (self.sheets[at].columns.clone(), self.sheets[at].count + 1);
            let index = self.add(kind, &columns, count)?;
            self.sheets[at] = Sheet { kind, columns, index, next_row: 1, count };
        }
        let sheet = &mut self.sheets[at];
        let (index, row) = (sheet.index, sheet.next_row);
        sheet.next_row += 1;
        let names = &sheet.columns.names;
        let cells: Vec<Cell> = make(&sheet.columns)
            .into_iter()
            .enumerate()
            .map(|(column, cell)| match cell {
                Cell::Text(text) if text.len() > LONGEST_CELL && units(&text) > LONGEST_CELL => {
                    let length = text.chars().count();
                    if let Some((conversation, own, notes)) = &mut about {
                        let message = format!("{} {own}: `{}` has {length} characters", kind.name(), names[column]);
                        notes.tell(codes::EXPORT_CELL_CUT, *conversation, message);
                    }
                    Cell::Text(cut(&text, &format!("… [cut; it has {length} characters]")))
                }
                cell => cell,
            })
            .collect();
        let time = self.time.clone();
        let written = self.workbook.worksheet_from_index(index).and_then(|sheet| write_row(sheet, row, cells, &time));
        written.map_err(|error| self.failed(&error))
    }
}

fn write_row(sheet: &mut Worksheet, row: u32, cells: Vec<Cell>, time: &Format) -> Result<(), XlsxError> {
    for (at, cell) in cells.into_iter().enumerate() {
        let at = at as u16;
        match cell {
            Cell::Empty => {}
            Cell::Text(text) => {
                sheet.write_string(row, at, text.replace("\r\n", "\n"))?;
            }
            // Numbers of spreadsheets are exact to 2^53.
            Cell::Number(number) if number < 1 << 53 => {
                sheet.write_number(row, at, number as f64)?;
            }
            Cell::Number(number) => {
                sheet.write_string(row, at, number.to_string())?;
            }
            Cell::Time(when) => match ExcelDateTime::from_timestamp(when.as_second()) {
                Ok(date) => {
                    sheet.write_datetime_with_format(row, at, date, time)?;
                }
                Err(_) => {
                    sheet.write_string(row, at, when.to_string())?;
                }
            },
        }
    }
    Ok(())
}

fn width_of(column: &str) -> f64 {
    match column {
        "subject" | "body" | "preview" | "url" => 50.0,
        name if name.ends_with("_at") => 19.0,
        name if name.ends_with("email") || name.ends_with("name") => 26.0,
        _ => 14.0,
    }
}

impl Writer for Book {
    fn write(&mut self, exported: &Exported, notes: &mut Notes) -> Result<(), ExportError> {
        let (site, options) = (self.site.clone(), self.options.clone());
        let id = exported.conversation.id;
        let row = |columns: &Columns| table::conversation_row(columns, &site, exported);
        self.row(Kind::Conversations, row, Some((id, id, notes)))?;
        for it in &exported.threads {
            let row = |columns: &Columns| table::thread_row(columns, &site, exported, it, &options, &[]);
            self.row(Kind::Threads, row, Some((id, it.thread.id, notes)))?;
        }
        Ok(())
    }

    fn customer(&mut self, customer: &wire::Customer, _: &mut Notes) -> Result<(), ExportError> {
        self.row(Kind::Customers, |columns| table::customer_row(columns, customer), None)
    }

    fn finish(mut self: Box<Self>, _: &mut Notes) -> Result<(), ExportError> {
        // The library seeks in what it writes, and takes only what it can own; so it gives bytes to a file of its own.
        let mut file = tempfile::tempfile().map_err(|cause| ExportError::Io { path: self.path.clone(), cause })?;
        let Self { workbook, out, path, .. } = &mut *self;
        workbook.save_to_writer(&mut file).map_err(|error| ExportError::Format {
            path: path.clone(),
            format: "xlsx",
            problem: error.to_string(),
        })?;
        let copied = std::io::Seek::rewind(&mut file).and_then(|()| std::io::copy(&mut file, out));
        copied.and_then(|_| out.flush()).map_err(|cause| ExportError::Io { path: path.clone(), cause })
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
        let names: Vec<String> = book.workbook.worksheets().iter().map(Worksheet::name).collect();
        assert_eq!(names, ["conversations", "threads", "customers", "users", "threads 2"]);
        book.finish(&mut notes).unwrap();
        staged.publish().unwrap();
        assert!(std::fs::read(path).unwrap().starts_with(b"PK"));
    }
}
