//! The parts of a workbook: sheets as XML, and the archive that binds them (Office Open XML, ECMA-376 part 1, 18).

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Seek as _, Write};

use jiff::Timestamp;
use zip::write::{SimpleFileOptions, ZipWriter};

use super::super::table::Cell;

/// The style of headers, by its place in [`STYLES`].
const BOLD: u32 = 1;

/// The style of times.
const TIME: u32 = 2;

const STYLES: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n\
    <styleSheet xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\">\
    <numFmts count=\"1\"><numFmt numFmtId=\"164\" formatCode=\"yyyy\\-mm\\-dd\\ hh:mm:ss\"/></numFmts>\
    <fonts count=\"2\"><font><sz val=\"11\"/><name val=\"Calibri\"/></font><font><b/><sz val=\"11\"/><name val=\"Calibri\"/></font></fonts>\
    <fills count=\"2\"><fill><patternFill patternType=\"none\"/></fill><fill><patternFill patternType=\"gray125\"/></fill></fills>\
    <borders count=\"1\"><border><left/><right/><top/><bottom/><diagonal/></border></borders>\
    <cellStyleXfs count=\"1\"><xf numFmtId=\"0\" fontId=\"0\" fillId=\"0\" borderId=\"0\"/></cellStyleXfs>\
    <cellXfs count=\"3\"><xf numFmtId=\"0\" fontId=\"0\" fillId=\"0\" borderId=\"0\" xfId=\"0\"/>\
    <xf numFmtId=\"0\" fontId=\"1\" fillId=\"0\" borderId=\"0\" xfId=\"0\" applyFont=\"1\"/>\
    <xf numFmtId=\"164\" fontId=\"0\" fillId=\"0\" borderId=\"0\" xfId=\"0\" applyNumberFormat=\"1\"/></cellXfs>\
    <cellStyles count=\"1\"><cellStyle name=\"Normal\" xfId=\"0\" builtinId=\"0\"/></cellStyles></styleSheet>\n";

const ROOT: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n\
    <Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\"><Relationship Id=\"rId1\" \
    Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument\" Target=\"xl/workbook.xml\"/></Relationships>\n";

/// A sheet that is being written.
pub(super) struct Part {
    name: String,
    out: BufWriter<File>,
    /// The row that is being made.
    row: String,
}

impl Part {
    /// Begins a sheet with a header, which stays where it is when one scrolls.
    pub(super) fn begin(name: String, file: File, header: &[String]) -> io::Result<Self> {
        let mut part = Self { name, out: BufWriter::with_capacity(64 * 1024, file), row: String::new() };
        part.out.write_all(
            b"<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n\
              <worksheet xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\"><sheetViews><sheetView workbookViewId=\"0\">\
              <pane ySplit=\"1\" topLeftCell=\"A2\" activePane=\"bottomLeft\" state=\"frozen\"/></sheetView></sheetViews><cols>",
        )?;
        for (at, column) in header.iter().enumerate() {
            let (at, width) = (at + 1, width_of(column));
            write!(part.out, "<col min=\"{at}\" max=\"{at}\" width=\"{width}\" customWidth=\"1\"/>")?;
        }
        part.out.write_all(b"</cols><sheetData>\n")?;
        part.begin_row(0);
        for (at, column) in header.iter().enumerate() {
            part.text(0, at, Some(BOLD), column);
        }
        part.end_row()?;
        Ok(part)
    }

    /// Its name, as a person sees it.
    #[cfg(test)]
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Writes the row of this number; the header is 0.
    pub(super) fn row(&mut self, number: u32, cells: &[Cell]) -> io::Result<()> {
        self.begin_row(number);
        for (at, cell) in cells.iter().enumerate() {
            match cell {
                Cell::Empty => {}
                Cell::Text(text) => self.text(number, at, None, text),
                // Numbers of spreadsheets are exact to 2^53.
                Cell::Number(count) if *count < 1 << 53 => {
                    self.open(number, at, None, None);
                    let _ = write!(self.row, "<v>{count}</v></c>");
                }
                Cell::Number(count) => self.text(number, at, None, &count.to_string()),
                Cell::Time(time) => match days(*time) {
                    Some(days) => {
                        self.open(number, at, Some(TIME), None);
                        let _ = write!(self.row, "<v>{days}</v></c>");
                    }
                    None => self.text(number, at, None, &time.to_string()),
                },
            }
        }
        self.end_row()
    }

    fn begin_row(&mut self, number: u32) {
        self.row.clear();
        let _ = write!(self.row, "<row r=\"{}\">", number + 1);
    }

    fn end_row(&mut self) -> io::Result<()> {
        self.row.push_str("</row>\n");
        self.out.write_all(self.row.as_bytes())
    }

    fn open(&mut self, row: u32, column: usize, style: Option<u32>, kind: Option<&str>) {
        self.row.push_str("<c r=\"");
        push_column(&mut self.row, column);
        let _ = write!(self.row, "{}\"", row + 1);
        if let Some(style) = style {
            let _ = write!(self.row, " s=\"{style}\"");
        }
        if let Some(kind) = kind {
            let _ = write!(self.row, " t=\"{kind}\"");
        }
        self.row.push('>');
    }

    fn text(&mut self, row: u32, column: usize, style: Option<u32>, text: &str) {
        self.open(row, column, style, Some("inlineStr"));
        self.row.push_str("<is><t xml:space=\"preserve\">");
        push_escaped(&mut self.row, text);
        self.row.push_str("</t></is></c>");
    }

    /// The whole sheet, from its beginning.
    fn close(mut self) -> io::Result<(String, File)> {
        self.out.write_all(b"</sheetData></worksheet>\n")?;
        let mut file = self.out.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        Ok((self.name, file))
    }
}

/// Binds sheets into a workbook; gives the file.
pub(super) fn bind(parts: Vec<Part>, file: File) -> io::Result<File> {
    let mut zip = ZipWriter::new(BufWriter::with_capacity(256 * 1024, file));
    let put = |zip: &mut ZipWriter<BufWriter<File>>, name: &str, text: &str| {
        zip.start_file(name, SimpleFileOptions::default()).map_err(io::Error::other)?;
        zip.write_all(text.as_bytes())
    };
    let (mut types, mut sheets, mut relations) = (String::new(), String::new(), String::new());
    for (at, part) in parts.iter().enumerate() {
        let at = at + 1;
        let _ = write!(
            types,
            "<Override PartName=\"/xl/worksheets/sheet{at}.xml\" ContentType=\"application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml\"/>"
        );
        let _ = write!(sheets, "<sheet name=\"{}\" sheetId=\"{at}\" r:id=\"rId{at}\"/>", part.name);
        let _ = write!(
            relations,
            "<Relationship Id=\"rId{at}\" Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet\" Target=\"worksheets/sheet{at}.xml\"/>"
        );
    }
    let head = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n";
    let types = format!(
        "{head}<Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\">\
         <Default Extension=\"rels\" ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/>\
         <Default Extension=\"xml\" ContentType=\"application/xml\"/>\
         <Override PartName=\"/xl/workbook.xml\" ContentType=\"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml\"/>\
         <Override PartName=\"/xl/styles.xml\" ContentType=\"application/vnd.openxmlformats-officedocument.spreadsheetml.styles+xml\"/>{types}</Types>\n"
    );
    let workbook = format!(
        "{head}<workbook xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\" \
         xmlns:r=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships\"><sheets>{sheets}</sheets></workbook>\n"
    );
    let relations = format!(
        "{head}<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\">{relations}\
         <Relationship Id=\"rId{}\" Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/styles\" Target=\"styles.xml\"/></Relationships>\n",
        parts.len() + 1
    );
    put(&mut zip, "[Content_Types].xml", &types)?;
    put(&mut zip, "_rels/.rels", ROOT)?;
    put(&mut zip, "xl/workbook.xml", &workbook)?;
    put(&mut zip, "xl/_rels/workbook.xml.rels", &relations)?;
    put(&mut zip, "xl/styles.xml", STYLES)?;
    for (at, part) in parts.into_iter().enumerate() {
        let (_, sheet) = part.close()?;
        // A sheet of a million rows can be larger than 4 GiB; where none is, old LibreOffices do not open what is marked so.
        let options = SimpleFileOptions::default().large_file(sheet.metadata()?.len() >= u64::from(u32::MAX));
        zip.start_file(format!("xl/worksheets/sheet{}.xml", at + 1), options).map_err(io::Error::other)?;
        io::copy(&mut BufReader::with_capacity(256 * 1024, sheet), &mut zip)?;
    }
    let out = zip.finish().map_err(io::Error::other)?;
    out.into_inner().map_err(io::IntoInnerError::into_error)
}

/// Days since the end of 1899, as spreadsheets count; `None` before March 1900, where they count a day that never was, and
/// after 9999.
fn days(time: Timestamp) -> Option<f64> {
    let days = time.as_second() as f64 / 86_400.0 + 25_569.0;
    (61.0..2_958_466.0).contains(&days).then_some(days)
}

/// The letters of a column: A, …, Z, AA, ….
fn push_column(out: &mut String, column: usize) {
    if column >= 26 {
        push_column(out, column / 26 - 1);
    }
    out.push(char::from(b'A' + (column % 26) as u8));
}

/// A text in XML. What XML cannot hold is written as `_xHHHH_` (18.18, `ST_Xstring`), and so is the beginning of a text that only looks so.
fn push_escaped(out: &mut String, text: &str) {
    for (at, c) in text.char_indices() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '_' if looks_escaped(&text.as_bytes()[at..]) => out.push_str("_x005F_"),
            '\t' | '\n' => out.push(c),
            '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => {
                let _ = write!(out, "_x{:04X}_", u32::from(c));
            }
            c => out.push(c),
        }
    }
}

fn looks_escaped(bytes: &[u8]) -> bool {
    matches!(bytes, [b'_', b'x', a, b, c, d, b'_', ..] if [a, b, c, d].into_iter().all(u8::is_ascii_hexdigit))
}

fn width_of(column: &str) -> u32 {
    match column {
        "subject" | "body" | "preview" | "url" | "text" => 50,
        name if name.ends_with("_at") => 19,
        name if name.ends_with("email") || name.ends_with("name") => 26,
        _ => 14,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_have_letters() {
        for (column, letters) in [(0, "A"), (25, "Z"), (26, "AA"), (51, "AZ"), (52, "BA"), (701, "ZZ"), (702, "AAA")] {
            let mut out = String::new();
            push_column(&mut out, column);
            assert_eq!(out, letters);
        }
    }

    #[test]
    fn texts_hold_what_xml_cannot() {
        for (text, expected) in [
            ("a<b>&\"c\"", "a&lt;b&gt;&amp;\"c\""),
            ("bell\u{7} and line\n", "bell_x0007_ and line\n"),
            ("_x0041_", "_x005F_x0041_"),
            ("_x_ _xyz1_ _x12", "_x_ _xyz1_ _x12"),
            ("\u{ffff}🦊", "_xFFFF_🦊"),
        ] {
            let mut out = String::new();
            push_escaped(&mut out, text);
            assert_eq!(out, expected);
        }
    }

    #[test]
    fn times_are_days() {
        let days_of = |text: &str| days(text.parse().unwrap());
        assert_eq!(days_of("2024-01-31T12:00:00Z"), Some(45_322.5));
        assert_eq!(days_of("1900-01-31T00:00:00Z"), None);
    }
}
