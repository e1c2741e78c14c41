//! Tables as CSV: `conversations.csv`, `threads.csv`, `customers.csv` and `users.csv` in a folder.
//!
//! Made for Excel and LibreOffice first: UTF-8 with a byte-order mark, CRLF between rows and LF inside cells, times as
//! `2024-01-31 12:00:00` in UTC, and no cell that a program would run or cut without a word.
//!
//! - **Formulas.** A cell that begins with `=`, `+`, `-`, `@`, a tab or a line end gets an apostrophe before it, and one that begins
//!   with an apostrophe another one, so that taking one apostrophe away always gives the original
//!   (`[shape.csv] guarded = true` in a mapping).
//! - **Long cells.** Excel keeps 32,767 UTF-16 units of a cell. A longer text is cut and names a file under `long/`, which has all of it.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use super::files::{self, Names};
use super::hub::{Exported, Site};
use super::output::Staged;
use super::table::{self, About, Cell, Columns, Kind};
use super::{ExportError, Exporter, Form, LongCells, Notes, Options, Writer};
use crate::cell::{guarded, needs_guard};
use crate::finding::codes;
use crate::freescout::wire;

/// What Excel keeps of a cell, in UTF-16 units.
pub const LONGEST_CELL: usize = 32_767;

/// The `csv` exporter.
pub struct Csv;

impl Exporter for Csv {
    fn name(&self) -> &'static str {
        "csv"
    }

    fn form(&self) -> Form {
        Form::Folder
    }

    fn wants_files(&self, options: &Options) -> bool {
        options.has_files
    }

    fn create(&self, site: &Site, options: &Options, place: &Staged) -> Result<Box<dyn Writer>, ExportError> {
        let folder = place.folder().expect("a CSV export is a folder").to_owned();
        let open = |kind: Kind| {
            let columns = Columns::chosen(kind, site, options);
            columns.map(|columns| Sheet::create(&folder, kind, columns, options)).transpose()
        };
        let mut tables = Tables {
            conversations: open(Kind::Conversations)?,
            threads: open(Kind::Threads)?,
            customers: open(Kind::Customers)?,
            users: open(Kind::Users)?,
            names: Names::new(&folder, "attachments"),
            site: site.clone(),
            options: options.clone(),
        };
        if let Some(users) = &mut tables.users {
            for user in &site.users {
                users.write(table::user_row(&users.columns, user), About::person(user.id, None))?;
            }
        }
        Ok(Box::new(tables))
    }
}

struct Tables {
    conversations: Option<Sheet>,
    threads: Option<Sheet>,
    customers: Option<Sheet>,
    users: Option<Sheet>,
    names: Names,
    site: Site,
    options: Options,
}

impl Writer for Tables {
    fn write(&mut self, exported: &Exported, notes: &mut Notes) -> Result<(), ExportError> {
        let id = exported.conversation.id;
        if let Some(sheet) = &mut self.conversations {
            let row = table::conversation_row(&sheet.columns, &self.site, exported);
            sheet.write(row, About::part(id, id, notes))?;
        }
        for it in &exported.threads {
            let paths = if self.options.has_files { self.names.write_all(id, it, notes)? } else { Vec::new() };
            if let Some(sheet) = &mut self.threads {
                let row = table::thread_row(&sheet.columns, &self.site, exported, it, &self.options, &paths);
                sheet.write(row, About::part(id, it.thread.id, notes))?;
            }
        }
        Ok(())
    }

    fn customer(&mut self, customer: &wire::Customer, notes: &mut Notes) -> Result<(), ExportError> {
        let Some(sheet) = &mut self.customers else { return Ok(()) };
        sheet.write(table::customer_row(&sheet.columns, customer), About::person(customer.id, Some(notes)))
    }

    fn finish(self: Box<Self>, _: &mut Notes) -> Result<(), ExportError> {
        for sheet in [self.conversations, self.threads, self.customers, self.users].into_iter().flatten() {
            sheet.finish()?;
        }
        Ok(())
    }
}

/// One file.
struct Sheet {
    kind: Kind,
    columns: Columns,
    path: PathBuf,
    out: ::csv::Writer<BufWriter<File>>,
    folder: PathBuf,
    is_defused: bool,
    long_cells: LongCells,
}

impl Sheet {
    fn create(folder: &Path, kind: Kind, columns: Columns, options: &Options) -> Result<Self, ExportError> {
        let path = folder.join(format!("{}.csv", kind.name()));
        let failed = |cause| ExportError::Io { path: path.clone(), cause };
        let mut file = BufWriter::with_capacity(128 * 1024, File::create(&path).map_err(failed)?);
        if options.has_mark {
            file.write_all("\u{FEFF}".as_bytes()).map_err(failed)?;
        }
        let mut out = ::csv::WriterBuilder::new().terminator(::csv::Terminator::CRLF).from_writer(file);
        let header =
            columns.names.iter().map(|name| if options.is_defused { guarded(name).into_owned() } else { name.clone() });
        out.write_record(header).map_err(|cause| failed(cause.into()))?;
        Ok(Self {
            kind,
            columns,
            path,
            out,
            folder: folder.to_owned(),
            is_defused: options.is_defused,
            long_cells: options.long_cells,
        })
    }

    fn write(&mut self, row: Vec<Cell>, mut about: About<'_>) -> Result<(), ExportError> {
        for (at, cell) in row.into_iter().enumerate() {
            let written = match cell {
                Cell::Empty => self.out.write_field(""),
                Cell::Number(number) => self.out.write_field(number.to_string()),
                Cell::Time(time) => self.out.write_field(time.strftime("%Y-%m-%d %H:%M:%S").to_string()),
                Cell::Text(text) => {
                    let text = self.fit(with_bare_line_ends(text), at, &mut about)?;
                    self.out.write_field(&text)
                }
            };
            written.map_err(|cause| self.failed(cause))?;
        }
        self.out.write_record(None::<&[u8]>).map_err(|cause| self.failed(cause))
    }

    /// A text that no spreadsheet runs or cuts.
    fn fit(&self, mut text: String, column: usize, about: &mut About<'_>) -> Result<String, ExportError> {
        let (table, own, name) = (self.kind.name(), about.own, &self.columns.names[column]);
        let is_guarded = self.is_defused && needs_guard(&text);
        if is_guarded {
            text.insert(0, '\'');
        }
        if is_guarded && !text.starts_with("''") {
            about.tell(codes::EXPORT_CELL_GUARDED, format!("{table} {own}: `{name}`"));
        }
        if self.long_cells == LongCells::Keep || !is_long(&text) {
            return Ok(text);
        }
        let file = format!("long/{table}-{own}-{}.txt", files::safe_name(name));
        let path = self.folder.join(&file);
        let whole = if is_guarded { &text[1..] } else { &text };
        fs::create_dir_all(self.folder.join("long"))
            .and_then(|()| fs::write(&path, whole))
            .map_err(|cause| ExportError::Io { path, cause })?;
        let length = whole.chars().count();
        about.tell(
            codes::EXPORT_CELL_CUT,
            format!("{table} {own}: `{name}` has {length} characters, all of which are in `{file}`"),
        );
        Ok(cut(&text, &format!("… [cut; all {length} characters are in {file}]")))
    }

    fn failed(&self, cause: ::csv::Error) -> ExportError {
        ExportError::Io { path: self.path.clone(), cause: cause.into() }
    }

    fn finish(mut self) -> Result<(), ExportError> {
        let failed = |cause| ExportError::Io { path: self.path.clone(), cause };
        self.out.flush().map_err(failed)?;
        let file = self.out.into_inner().map_err(|error| ExportError::Io {
            path: self.path.clone(),
            cause: std::io::Error::other(error.to_string()),
        })?;
        let file = file.into_inner().map_err(|error| failed(error.into_error()))?;
        file.sync_all().map_err(failed)
    }
}

/// Lines of one cell end in LF only.
pub(super) fn with_bare_line_ends(text: String) -> String {
    if memchr::memchr(b'\r', text.as_bytes()).is_none() {
        return text;
    }
    text.replace("\r\n", "\n").replace('\r', "\n")
}

/// Whether a text is too long for a cell.
pub(super) fn is_long(text: &str) -> bool {
    text.len() > LONGEST_CELL && units(text) > LONGEST_CELL
}

/// The length as Excel counts it.
fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

/// The beginning of a text that, with `ending`, just fits into a cell.
pub(super) fn cut(text: &str, ending: &str) -> String {
    let (beginning, _) = split(text, LONGEST_CELL - units(ending));
    format!("{beginning}{ending}")
}

/// Takes a text apart after at most so many UTF-16 units.
pub(super) fn split(text: &str, room: usize) -> (&str, &str) {
    let mut used = 0;
    let end = text.char_indices().find(|(_, c)| {
        used += c.len_utf16();
        used > room
    });
    text.split_at(end.map_or(text.len(), |(at, _)| at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_cell_just_fits_whatever_it_holds() {
        for text in ["x".repeat(40_000), "é".repeat(40_000), "🦊".repeat(20_000)] {
            let cell = cut(&text, "… [cut]");
            assert!((LONGEST_CELL - 1..=LONGEST_CELL).contains(&units(&cell)), "{}", units(&cell));
            assert!(cell.ends_with("… [cut]"));
        }
    }
}
