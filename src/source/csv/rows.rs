//! Cuts rows and cells out of CSV, whatever is broken in it.
//!
//! Follows RFC 4180, and beyond it: rows end with LF, CRLF or CR, mixed as they like; a quote inside a
//! quoted cell that neither is doubled nor ends the cell is text; `\"` is a quote where the file writes it so.
//! A quote that is never closed costs its own row and no other: the next line that reads as a whole row
//! goes on. The `csv` crate does the well-formed part faster, but gives no way back after such a quote, and its
//! `\` option swallows every other backslash.

use std::borrow::Cow;
use std::io::{self, Read};

/// Longest row that is read, in bytes; a spreadsheet's cell holds 32,767 characters, a text export's a mail thread.
pub(super) const MAX_ROW_BYTES: usize = 64 * 1024 * 1024;

/// How much is read at once, in bytes.
const CHUNK_BYTES: usize = 256 * 1024;

/// How many bytes may be looked at while searching for the row after an unclosed quote.
const RESYNC_BYTES: usize = 16 * 1024 * 1024;

/// How cells are parted and quoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dialect {
    /// The byte between cells.
    pub delimiter: u8,
    /// The byte around cells; `None`: cells are never quoted.
    pub quote: Option<u8>,
    /// Whether `\"` is a quote and `\\` a backslash inside quoted cells.
    pub is_backslashed: bool,
}

/// A cell's place in its row, without its quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cell {
    start: usize,
    end: usize,
    has_escapes: bool,
}

/// What stands at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Split {
    Row {
        /// With the line end.
        length: usize,
        /// A quote stood where none may.
        is_broken: bool,
        /// Such a quote looked like the opening one of another row's cell.
        looks_unclosed: bool,
    },
    /// More bytes are needed.
    Incomplete,
    /// The bytes end inside quotes.
    Unclosed,
}

/// One row's place in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Row {
    /// The first byte, counted from where reading began.
    pub offset: u64,
    /// In bytes, with the line end.
    pub length: usize,
    /// The first line, counted from 1.
    pub line: u64,
    /// Whether it can be read; a row with an unclosed quote cannot.
    pub is_sound: bool,
}

/// The bytes of a cell with its escapes resolved.
pub(super) fn cell_bytes<'a>(row: &'a [u8], cell: &Cell, dialect: Dialect) -> Cow<'a, [u8]> {
    let bytes = &row[cell.start..cell.end];
    let Some(quote) = dialect.quote.filter(|_| cell.has_escapes) else { return Cow::Borrowed(bytes) };
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let next = bytes.get(at + 1);
        let is_escape = bytes[at] == quote && next == Some(&quote)
            || dialect.is_backslashed && bytes[at] == b'\\' && matches!(next, Some(n) if *n == quote || *n == b'\\');
        at += usize::from(is_escape);
        out.push(bytes[at]);
        at += 1;
    }
    Cow::Owned(out)
}

/// Splits the row at the beginning of `bytes`; false: it is not a row that can be read.
pub(super) fn split_row(bytes: &[u8], dialect: Dialect, cells: &mut Vec<Cell>) -> bool {
    matches!(split(bytes, true, dialect, cells), Split::Row { .. })
}

fn split(bytes: &[u8], is_last: bool, dialect: Dialect, cells: &mut Vec<Cell>) -> Split {
    cells.clear();
    let mut at = 0;
    let mut is_broken = false;
    let mut looks_unclosed = false;
    loop {
        let mut cell = Cell { start: at, end: at, has_escapes: false };
        match bytes.get(at) {
            None if is_last => {
                cells.push(cell);
                return Split::Row { length: at, is_broken, looks_unclosed };
            }
            None => return Split::Incomplete,
            Some(&first) if Some(first) == dialect.quote => match quoted(bytes, at + 1, is_last, dialect, first) {
                Err(split) => return split,
                Ok(inside) => {
                    cell = Cell { start: at + 1, end: inside.end, has_escapes: inside.has_escapes };
                    is_broken |= inside.is_broken;
                    looks_unclosed |= inside.looks_unclosed;
                    at = inside.after;
                }
            },
            Some(_) => {
                match memchr::memchr3(dialect.delimiter, b'\n', b'\r', &bytes[at..]) {
                    Some(found) => at += found,
                    None if is_last => at = bytes.len(),
                    None => return Split::Incomplete,
                }
                cell.end = at;
            }
        }
        cells.push(cell);
        match bytes.get(at) {
            Some(&byte) if byte == dialect.delimiter => at += 1,
            Some(b'\n') => return Split::Row { length: at + 1, is_broken, looks_unclosed },
            Some(b'\r') => match bytes.get(at + 1) {
                Some(b'\n') => return Split::Row { length: at + 2, is_broken, looks_unclosed },
                None if !is_last => return Split::Incomplete,
                _ => return Split::Row { length: at + 1, is_broken, looks_unclosed },
            },
            _ => return Split::Row { length: at, is_broken, looks_unclosed },
        }
    }
}

struct Quoted {
    end: usize,
    after: usize,
    has_escapes: bool,
    is_broken: bool,
    looks_unclosed: bool,
}

/// The inside of a quoted cell that begins at `start`.
fn quoted(bytes: &[u8], start: usize, is_last: bool, dialect: Dialect, quote: u8) -> Result<Quoted, Split> {
    let mut inside = Quoted { end: start, after: start, has_escapes: false, is_broken: false, looks_unclosed: false };
    let mut at = start;
    let ends_cell = |byte: u8| byte == dialect.delimiter || byte == b'\n' || byte == b'\r';
    loop {
        let found = if dialect.is_backslashed {
            memchr::memchr2(quote, b'\\', &bytes[at..])
        } else {
            memchr::memchr(quote, &bytes[at..])
        };
        let Some(found) = found else { return Err(if is_last { Split::Unclosed } else { Split::Incomplete }) };
        let place = at + found;
        let next = bytes.get(place + 1).copied();
        if next.is_none() && !is_last {
            return Err(Split::Incomplete);
        }
        if bytes[place] == b'\\' && quote != b'\\' {
            inside.has_escapes |= matches!(next, Some(n) if n == quote || n == b'\\');
            at = (place + 2).min(bytes.len());
            continue;
        }
        match next {
            Some(n) if n == quote => {
                inside.has_escapes = true;
                at = place + 2;
            }
            None => return Ok(Quoted { end: place, after: place + 1, ..inside }),
            Some(n) if ends_cell(n) => return Ok(Quoted { end: place, after: place + 1, ..inside }),
            Some(b' ') => {
                // Blanks between the closing quote and the delimiter are nobody's text.
                let blanks = bytes[place + 1..].iter().take_while(|byte| **byte == b' ').count();
                match bytes.get(place + 1 + blanks) {
                    Some(&n) if ends_cell(n) => return Ok(Quoted { end: place, after: place + 1 + blanks, ..inside }),
                    None if is_last => return Ok(Quoted { end: place, after: bytes.len(), ..inside }),
                    None => return Err(Split::Incomplete),
                    Some(_) => {
                        inside.is_broken = true;
                        at = place + 1;
                    }
                }
            }
            Some(_) => {
                inside.is_broken = true;
                inside.looks_unclosed |= place > start
                    && bytes[place - 1] == dialect.delimiter
                    && memchr::memchr2(b'\n', b'\r', &bytes[start..place]).is_some();
                at = place + 1;
            }
        }
    }
}

/// How many line ends the bytes hold.
fn line_ends(bytes: &[u8]) -> u64 {
    let mut lines = memchr::memchr_iter(b'\n', bytes).count() as u64;
    for at in memchr::memchr_iter(b'\r', bytes) {
        lines += u64::from(bytes.get(at + 1) != Some(&b'\n'));
    }
    lines
}

/// The place after the first line end.
fn after_line(bytes: &[u8]) -> usize {
    match memchr::memchr2(b'\n', b'\r', bytes) {
        Some(at) if bytes[at] == b'\r' && bytes.get(at + 1) == Some(&b'\n') => at + 2,
        Some(at) => at + 1,
        None => bytes.len(),
    }
}

/// Reads rows one after the other, with bounded memory.
pub(super) struct Rows<R> {
    reader: R,
    dialect: Dialect,
    /// How many cells a row has; rows after a broken one are recognised by it.
    pub width: usize,
    buffer: Vec<u8>,
    start: usize,
    is_at_end: bool,
    offset: u64,
    line: u64,
    /// The cells of the row read last.
    pub cells: Vec<Cell>,
    last: (usize, usize),
}

impl<R: Read> Rows<R> {
    /// Reads from a place that is the given line of the file.
    pub(super) fn new(reader: R, dialect: Dialect, line: u64) -> Self {
        Self {
            reader,
            dialect,
            width: 0,
            buffer: Vec::new(),
            start: 0,
            is_at_end: false,
            offset: 0,
            line,
            cells: Vec::new(),
            last: (0, 0),
        }
    }

    /// The bytes of the row read last.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer[self.last.0..self.last.1]
    }

    /// How far it has read, in bytes from where reading began.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// The next row; `None` at the end.
    pub(super) fn next_row(&mut self) -> io::Result<Option<Row>> {
        loop {
            let bytes = &self.buffer[self.start..];
            if bytes.is_empty() && self.is_at_end {
                return Ok(None);
            }
            let split = match split(bytes, self.is_at_end, self.dialect, &mut self.cells) {
                Split::Incomplete if bytes.len() > MAX_ROW_BYTES => Split::Unclosed,
                other => other,
            };
            match split {
                Split::Incomplete => self.fill()?,
                Split::Row { length, looks_unclosed: true, .. } => {
                    return Ok(Some(match self.resync(length) {
                        Some(skipped) => self.take(skipped, false),
                        None => self.take(length, true),
                    }));
                }
                Split::Row { length, .. } => return Ok(Some(self.take(length, true))),
                Split::Unclosed => {
                    let within = bytes.len();
                    let length = self.resync(within).unwrap_or(within);
                    return Ok(Some(self.take(length, false)));
                }
            }
        }
    }

    /// Where, within so many bytes, a line begins that reads as a whole and sound row.
    fn resync(&mut self, within: usize) -> Option<usize> {
        let bytes = &self.buffer[self.start..self.start + within];
        let (mut at, mut looked) = (after_line(bytes), 0);
        let mut cells = Vec::new();
        while at < bytes.len() && looked < RESYNC_BYTES {
            let rest = &bytes[at..];
            // The last row may be cut off by the buffer's end; then it is not one to go on with.
            if let Split::Row { length, is_broken: false, .. } = split(rest, true, self.dialect, &mut cells) {
                if cells.len() == self.width && self.width > 1 {
                    return Some(at);
                }
                looked += length;
            } else {
                looked += rest.len().min(1024 * 1024);
            }
            at += after_line(rest);
        }
        None
    }

    fn take(&mut self, length: usize, is_sound: bool) -> Row {
        self.last = (self.start, self.start + length);
        let row = Row { offset: self.offset, length, line: self.line, is_sound };
        self.line += line_ends(self.bytes());
        self.offset += length as u64;
        self.start += length;
        row
    }

    fn fill(&mut self) -> io::Result<()> {
        self.buffer.drain(..self.start);
        self.start = 0;
        self.last = (0, 0);
        // Doubling keeps a huge row from being looked at again for every chunk.
        let wanted = CHUNK_BYTES.max(self.buffer.len());
        let before = self.buffer.len();
        (&mut self.reader).take(wanted as u64).read_to_end(&mut self.buffer)?;
        self.is_at_end = self.buffer.len() - before < wanted;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMA: Dialect = Dialect { delimiter: b',', quote: Some(b'"'), is_backslashed: false };

    /// Gives out one byte at a time, so that every row is incomplete at every place.
    struct Drip<'a>(&'a [u8]);

    impl Read for Drip<'_> {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            let count = self.0.len().min(to.len()).min(1);
            to[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    fn rows(text: &str, dialect: Dialect, width: usize) -> Vec<(u64, Option<Vec<String>>)> {
        let mut rows = Rows::new(Drip(text.as_bytes()), dialect, 1);
        rows.width = width;
        let mut out = Vec::new();
        let mut end = 0;
        while let Some(row) = rows.next_row().unwrap() {
            assert_eq!(row.offset, end, "rows leave nothing out");
            end += row.length as u64;
            let texts = || {
                rows.cells
                    .iter()
                    .map(|cell| String::from_utf8(cell_bytes(rows.bytes(), cell, dialect).into_owned()).unwrap())
                    .collect()
            };
            out.push((row.line, row.is_sound.then(texts)));
        }
        assert_eq!(end, text.len() as u64);
        out
    }

    /// A name, a dialect, a text, and the rows expected with their lines.
    type Case<'a> = (&'a str, Dialect, &'a str, &'a [(u64, &'a [&'a str])]);

    #[test]
    fn rows_and_cells_are_cut_as_written() {
        let backslash = Dialect { is_backslashed: true, ..COMMA };
        let bare = Dialect { quote: None, ..COMMA };
        let table: [Case<'_>; 13] = [
            (
                "line ends",
                COMMA,
                "a,b\nc,d\r\ne,f\rg,h",
                &[(1, &["a", "b"]), (2, &["c", "d"]), (3, &["e", "f"]), (4, &["g", "h"])],
            ),
            ("quoted", COMMA, "\"a,1\",\"b\"\"c\"\n", &[(1, &["a,1", "b\"c"])]),
            ("line end inside", COMMA, "\"a\r\nb\",c\nd,e\n", &[(1, &["a\r\nb", "c"]), (3, &["d", "e"])]),
            ("empty cells", COMMA, ",\n\"\",\n", &[(1, &["", ""]), (2, &["", ""])]),
            ("blank line", COMMA, "a\n\nb", &[(1, &["a"]), (2, &[""]), (3, &["b"])]),
            ("delimiter at the end", COMMA, "a,", &[(1, &["a", ""])]),
            ("inner quote", COMMA, "\"say \"hi\" now\",b\n", &[(1, &["say \"hi\" now", "b"])]),
            ("quote in a bare cell", COMMA, "5\" disk,b\n", &[(1, &["5\" disk", "b"])]),
            ("blanks after a quote", COMMA, "\"a\"  ,\"b\" \n", &[(1, &["a", "b"])]),
            ("backslash", backslash, "\"a \\\"b\\\", c\",\"d\\\\\",\"\\n\"\n", &[(1, &["a \"b\", c", "d\\", "\\n"])]),
            ("backslash is text", COMMA, "\"c:\\\",b\n", &[(1, &["c:\\", "b"])]),
            ("no quotes", bare, "\"a,b\"\n", &[(1, &["\"a", "b\""])]),
            ("quoted at the end", COMMA, "a,\"b\"", &[(1, &["a", "b"])]),
        ];
        for (name, dialect, text, expected) in table {
            let expected: Vec<(u64, Option<Vec<String>>)> = expected
                .iter()
                .map(|(line, cells)| (*line, Some(cells.iter().map(ToString::to_string).collect())))
                .collect();
            assert_eq!(rows(text, dialect, 2), expected, "{name}");
        }
    }

    #[test]
    fn an_unclosed_quote_costs_its_own_row_only() {
        let cells = |a: &str, b: &str| Some(vec![a.to_owned(), b.to_owned()]);
        let found = rows("1,\"open\nmore text\n2,\"fine\"\n3,\"x\"\n", COMMA, 2);
        assert_eq!(found, [(1, None), (3, cells("2", "fine")), (4, cells("3", "x"))]);
        let found = rows("1,\"open\n2,bare\n3,bare\n", COMMA, 2);
        assert_eq!(found, [(1, None), (2, cells("2", "bare")), (3, cells("3", "bare"))]);
        // Cut off in the middle of a text: its lines are not rows.
        let found = rows("1,\"fine\"\n2,\"a text\nof lines\nand no en", COMMA, 2);
        assert_eq!(found, [(1, cells("1", "fine")), (2, None)]);
    }
}
