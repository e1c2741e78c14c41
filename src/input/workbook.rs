//! Spreadsheets as tables of text: one CSV for each sheet that holds anything.
//!
//! Promises:
//!
//! - A row stands on the line of its number, as long as no cell holds a line break.
//! - Dates and times are written as ISO 8601 without a zone, whole numbers without a decimal point.
//! - Cells of an `.xlsx` stream; its texts, and sheets of the other formats, are held in memory up to a bound.

use std::io::{self, BufReader, Read, Seek, Write};

use calamine::{Data, DataRef, ExcelDateTime, Ods, Reader as _, SheetType, Sheets, Xls, Xlsb, Xlsx};

use crate::input::portion::{Place, Portion};

/// The parts of a workbook may come to this many bytes when unpacked.
const MOST_BYTES: u64 = 2 << 30;

/// A workbook that cannot be read, in words.
#[derive(Debug)]
pub(super) struct NotAWorkbook(pub(super) String);

/// How a workbook is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Xlsx,
    Xlsb,
    Xls,
    Ods,
}

impl Form {
    /// The member of a zip that only a workbook of this form has.
    pub(super) const MEMBERS: &[(&str, Form)] =
        &[("xl/workbook.xml", Form::Xlsx), ("xl/workbook.bin", Form::Xlsb), ("content.xml", Form::Ods)];
}

/// One workbook, whose sheets are asked for one after the other.
pub(super) struct Workbook {
    sheets: Sheets<BufReader<Portion>>,
}

impl Workbook {
    /// Opens it.
    pub(super) fn open(place: &Place, form: Form) -> Result<Self, NotAWorkbook> {
        let failed = |cause: &dyn std::fmt::Display| NotAWorkbook(cause.to_string());
        let open = || place.open().map(BufReader::new).map_err(|cause| failed(&cause));
        let bytes = if form == Form::Xls { place.length } else { unpacked(open()?)? };
        if bytes > MOST_BYTES {
            return Err(NotAWorkbook("its sheets come to more than 2 GiB; save them as CSV".to_owned()));
        }
        let opened = match form {
            Form::Xlsx => Xlsx::new(open()?).map(Sheets::Xlsx).map_err(calamine::Error::from),
            Form::Xlsb => Xlsb::new(open()?).map(Sheets::Xlsb).map_err(calamine::Error::from),
            Form::Xls => Xls::new(open()?).map(Sheets::Xls).map_err(calamine::Error::from),
            Form::Ods => Ods::new(open()?).map(Sheets::Ods).map_err(calamine::Error::from),
        };
        let sheets = opened.map_err(|cause| failed(&cause))?;
        Ok(Self { sheets })
    }

    /// The names of the sheets with cells, in their order.
    pub(super) fn names(&self) -> Vec<String> {
        let sheets = self.sheets.sheets_metadata().iter();
        sheets.filter(|sheet| sheet.typ == SheetType::WorkSheet).map(|sheet| sheet.name.clone()).collect()
    }

    /// Writes a sheet as CSV; gives the number of rows that hold anything.
    ///
    /// The outer error is the writer's, the inner one the sheet's.
    pub(super) fn write(&mut self, name: &str, to: &mut dyn Write) -> io::Result<Result<u64, NotAWorkbook>> {
        let mut rows = Rows::new(to);
        let failed = |cause: &dyn std::fmt::Display| Ok(Err(NotAWorkbook(cause.to_string())));
        if let Sheets::Xlsx(book) = &mut self.sheets {
            let mut cells = match book.worksheet_cells_reader(name) {
                Ok(cells) => cells,
                Err(cause) => return failed(&cause),
            };
            loop {
                match cells.next_cell() {
                    Ok(Some(cell)) => rows.put(cell.get_position(), written(cell.get_value()))?,
                    Ok(None) => break,
                    Err(cause) => return failed(&cause),
                }
            }
        } else {
            let range = match self.sheets.worksheet_range(name) {
                Ok(range) => range,
                Err(cause) => return failed(&cause),
            };
            let (first_row, first_column) = range.start().unwrap_or_default();
            for (row, column, cell) in range.used_cells() {
                let at = (first_row + row as u32, first_column + column as u32);
                rows.put(at, written_data(cell))?;
            }
        }
        rows.finish().map(Ok)
    }
}

/// What the members of a zipped workbook come to, counted rather than believed.
fn unpacked(from: impl Read + Seek) -> Result<u64, NotAWorkbook> {
    let failed = |cause: zip::result::ZipError| NotAWorkbook(cause.to_string());
    let mut archive = zip::ZipArchive::new(from).map_err(failed)?;
    let mut bytes = 0;
    for index in 0..archive.len() {
        let member = archive.by_index(index).map_err(failed)?;
        let left = MOST_BYTES.saturating_sub(bytes) + 1;
        bytes += io::copy(&mut member.take(left), &mut io::sink()).map_err(|cause| NotAWorkbook(cause.to_string()))?;
    }
    Ok(bytes)
}

/// Rows in the making: cells come in the order of their places.
struct Rows<'a> {
    to: csv::Writer<&'a mut dyn Write>,
    row: Vec<String>,
    /// Which row of the sheet it is, from 0.
    at: u32,
    /// Rows with a cell.
    rows: u64,
}

impl<'a> Rows<'a> {
    fn new(to: &'a mut dyn Write) -> Self {
        Self { to: csv::WriterBuilder::new().flexible(true).from_writer(to), row: Vec::new(), at: 0, rows: 0 }
    }

    fn put(&mut self, (row, column): (u32, u32), text: String) -> io::Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        while self.at < row {
            self.end_row()?;
        }
        let column = column as usize;
        if self.row.len() <= column {
            self.row.resize(column + 1, String::new());
        }
        self.row[column] = text;
        Ok(())
    }

    /// A row is as wide as the widest before it: sheets leave out empty cells at the end.
    fn end_row(&mut self) -> io::Result<()> {
        let is_blank = self.row.iter().all(String::is_empty);
        if is_blank {
            self.to.write_record([""]).map_err(io::Error::other)?;
        } else {
            self.to.write_record(&self.row).map_err(io::Error::other)?;
            self.rows += 1;
        }
        self.row.iter_mut().for_each(String::clear);
        self.at += 1;
        Ok(())
    }

    fn finish(mut self) -> io::Result<u64> {
        if self.row.iter().any(|cell| !cell.is_empty()) {
            self.end_row()?;
        }
        self.to.flush()?;
        Ok(self.rows)
    }
}

fn written(cell: &DataRef<'_>) -> String {
    match cell {
        DataRef::SharedString(text) => (*text).to_owned(),
        other => written_data(&Data::from(other.clone())),
    }
}

fn written_data(cell: &Data) -> String {
    match cell {
        Data::Int(number) => number.to_string(),
        // Ids and phone numbers are numbers to a spreadsheet.
        Data::Float(number) => number.to_string(),
        Data::String(text) | Data::DateTimeIso(text) | Data::DurationIso(text) => text.clone(),
        Data::Bool(is) => is.to_string(),
        Data::DateTime(time) => time_of(*time),
        Data::Error(error) => error.to_string(),
        _ => String::new(),
    }
}

fn time_of(time: ExcelDateTime) -> String {
    if time.is_duration() {
        let seconds = (time.as_f64() * 86_400.0).round() as i64;
        let (sign, seconds) = (if seconds < 0 { "-" } else { "" }, seconds.unsigned_abs());
        return format!("{sign}{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    }
    let (year, month, day, hour, minute, second, milli) = time.to_ymd_hms_milli();
    // A value under one is a time of day and no date.
    if (0.0..1.0).contains(&time.as_f64()) {
        return format!("{hour:02}:{minute:02}:{second:02}");
    }
    let date = format!("{year:04}-{month:02}-{day:02}");
    match (hour, minute, second, milli) {
        (0, 0, 0, 0) => date,
        (_, _, _, 0) => format!("{date} {hour:02}:{minute:02}:{second:02}"),
        _ => format!("{date} {hour:02}:{minute:02}:{second:02}.{milli:03}"),
    }
}
