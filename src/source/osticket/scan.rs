//! Cuts an SQL dump into tables and rows, without a database.
//!
//! Promises:
//!
//! - Memory is bounded by the largest row, and a row by [`ROW_LIMIT`].
//! - Bytes are bytes: what a blob holds need not be text.
//! - A row that is broken is named with its place, and scanning goes on with the next row or statement that makes sense.
//!
//! What it understands is what mysqldump, MariaDB's dump, phpMyAdmin and their like write: `CREATE TABLE`, `INSERT` and
//! `REPLACE` with any number of rows, with and without columns, version comments, `LOCK TABLES`, `DELIMITER`. All other
//! statements are passed over.

use std::io::{self, Read};
use std::ops::Range;

use memchr::{memchr, memchr_iter, memchr2, memchr3};

/// How long a row may be, in bytes. Chunks of files have half a megabyte, and texts are at most 16 MiB before escaping.
pub(super) const ROW_LIMIT: usize = 64 * 1024 * 1024;

/// How much is read at once, in bytes.
const READ: usize = 256 * 1024;

/// How long a name may be, in bytes; MySQL allows 64 characters.
const NAME_LIMIT: usize = 512;

/// How many columns a table may have; MySQL allows 4096.
const COLUMN_LIMIT: usize = 4_096;

/// How far behind damage one candidate for a row is looked at, in bytes, and how much is spent on all of them in one file.
const CANDIDATE_LIMIT: usize = 4 * 1024 * 1024;
const SALVAGE_LIMIT: usize = 256 * 1024 * 1024;

/// What a dump says next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A table and its columns, in their order.
    Table { name: String, columns: Vec<String> },
    /// Rows of a table follow, unless they are [skipped](Scanner::skip_statement).
    Insert { table: String, columns: Option<Vec<String>>, line: u64 },
    /// A row; its bytes are there until the next event is asked for.
    Row(Row),
    /// A row that cannot be read.
    Bad { offset: u64, line: u64, fault: Fault },
    /// Something is put into a table, and it is not written down as rows.
    Unread { table: String, line: u64 },
}

/// Where a row stands, parentheses included.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub offset: u64,
    pub length: usize,
    pub line: u64,
    /// The values as written, counted from the row's first byte.
    pub fields: Vec<Range<usize>>,
}

/// What is wrong with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The file ends inside.
    Truncated,
    /// Quotes or commas are not where they should be.
    Broken,
    /// It has more or fewer values than the table has columns.
    Ragged,
    /// Longer than [`ROW_LIMIT`].
    TooLong,
}

/// What a text that begins with a parenthesis is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    /// A row of this length, with its values.
    Row(usize, Vec<Range<usize>>),
    /// The beginning of one.
    More,
    /// No row.
    Bad(Fault),
}

/// Parses a row that begins with `bytes`; `is_strict` tells that no value has a raw line end.
pub(super) fn parse_row(bytes: &[u8], is_strict: bool) -> Parsed {
    let (mut at, mut from, mut depth) = (1, 1, 0_u32);
    let mut fields = Vec::new();
    loop {
        let Some(&byte) = bytes.get(at) else { return Parsed::More };
        match byte {
            b'\'' | b'"' => {
                let before = bytes[from..at].trim_ascii();
                let is_prefix = before.iter().all(|it| it.is_ascii_alphanumeric() || *it == b'_');
                let is_joined = before.last().is_some_and(|it| *it == byte);
                if depth == 0 && !is_prefix && !is_joined {
                    return Parsed::Bad(Fault::Broken);
                }
                match behind_quote(bytes, at, is_strict) {
                    Quoted::To(end) => at = end,
                    Quoted::More => return Parsed::More,
                    Quoted::Broken => return Parsed::Bad(Fault::Broken),
                }
                let Some(next) = bytes[at..].iter().position(|it| !it.is_ascii_whitespace()) else {
                    return Parsed::More;
                };
                if !matches!(bytes[at + next], b',' | b')' | b'\'' | b'"') {
                    return Parsed::Bad(Fault::Broken);
                }
                continue;
            }
            b'(' => depth += 1,
            b')' if depth > 0 => depth -= 1,
            b')' => {
                fields.push(from..at);
                return Parsed::Row(at + 1, fields);
            }
            b',' if depth == 0 => {
                if fields.len() == COLUMN_LIMIT {
                    return Parsed::Bad(Fault::Broken);
                }
                fields.push(from..at);
                from = at + 1;
            }
            b';' | b'\\' => return Parsed::Bad(Fault::Broken),
            _ => {}
        }
        at += 1;
    }
}

enum Quoted {
    /// The first byte behind the closing quote.
    To(usize),
    More,
    Broken,
}

/// Where a quoted text ends that begins at `at`.
fn behind_quote(bytes: &[u8], at: usize, is_strict: bool) -> Quoted {
    let quote = bytes[at];
    let mut at = at + 1;
    loop {
        // Only in a strict dump does a raw line end say anything.
        let found =
            if is_strict { memchr3(quote, b'\\', b'\n', &bytes[at..]) } else { memchr2(quote, b'\\', &bytes[at..]) };
        let Some(found) = found else { return Quoted::More };
        at += found;
        match bytes[at] {
            b'\n' => {
                if bytes.len() - at < MARKER_LENGTH + 1 {
                    // Perhaps at the very end of the file; the caller knows.
                    return if begins_statement(&bytes[at + 1..]) { Quoted::Broken } else { Quoted::More };
                }
                if begins_statement(&bytes[at + 1..]) {
                    return Quoted::Broken;
                }
                at += 1;
            }
            b'\\' => at += 2,
            _ => match bytes.get(at + 1) {
                Some(&next) if next == quote => at += 2,
                Some(_) => return Quoted::To(at + 1),
                None => return Quoted::More,
            },
        }
        if at > bytes.len() {
            return Quoted::More;
        }
    }
}

/// What statements of a dump begin with, at the beginning of a line.
const MARKERS: &[&[u8]] = &[
    b"INSERT INTO `",
    b"CREATE TABLE ",
    b"DROP TABLE IF",
    b"LOCK TABLES `",
    b"UNLOCK TABLES",
    b"ALTER TABLE `",
    b"/*!40000 ALTER",
    b"-- Dump comple",
    b"-- Table struc",
];

/// The longest of them.
const MARKER_LENGTH: usize = 14;

fn begins_statement(bytes: &[u8]) -> bool {
    MARKERS.iter().any(|marker| bytes.starts_with(marker))
}

/// A dump, read from its beginning to its end.
pub(super) struct Scanner<R> {
    source: R,
    buffer: Vec<u8>,
    /// Where scanning is in the buffer.
    at: usize,
    /// Where the buffer begins in the file.
    base: u64,
    /// The line of `at`, counted from 1.
    line: u64,
    /// Whether the buffer holds everything to the end of the file.
    is_whole: bool,
    /// Inside a list of rows, how many values each should have.
    rows: Option<usize>,
    /// How long the row is that was given last.
    pending: usize,
    /// Whether texts have no raw line ends: what wrote the dump escapes them.
    is_strict: bool,
    salvage: usize,
    /// The line of a list of rows that the file ends in.
    cut: Option<u64>,
}

impl<R: Read> Scanner<R> {
    /// Begins at the beginning of a file.
    pub(super) fn new(source: R) -> io::Result<Self> {
        let mut scanner = Self {
            source,
            buffer: Vec::new(),
            at: 0,
            base: 0,
            line: 1,
            is_whole: false,
            rows: None,
            pending: 0,
            is_strict: false,
            salvage: 0,
            cut: None,
        };
        scanner.more()?;
        if scanner.rest().starts_with(b"\xEF\xBB\xBF") {
            scanner.take(3);
        }
        let head = &scanner.rest()[..scanner.rest().len().min(1024)];
        let escapes = [&b"-- MySQL dump"[..], b"-- MariaDB dump", b"-- phpMyAdmin SQL Dump", b"/*M!999999"];
        scanner.is_strict = escapes.iter().any(|it| memchr::memmem::find(head, it).is_some());
        Ok(scanner)
    }

    /// How far it has come, in bytes.
    pub(super) fn offset(&self) -> u64 {
        self.base + self.at as u64
    }

    /// The line of the list of rows that the file ends in, if it ends so.
    pub(super) fn cut(&self) -> Option<u64> {
        self.cut
    }

    /// The bytes of the row given last.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.rest()[..self.pending]
    }

    /// Says how many values the rows that follow should have.
    pub(super) fn expect(&mut self, columns: usize) {
        self.rows = Some(columns);
    }

    fn rest(&self) -> &[u8] {
        &self.buffer[self.at..]
    }

    /// Reads more; `false` at the end.
    fn more(&mut self) -> io::Result<bool> {
        if self.is_whole {
            return Ok(false);
        }
        self.buffer.drain(..self.at);
        self.base += self.at as u64;
        self.at = 0;
        let before = self.buffer.len();
        // Twice as much each time: a long row is looked at again from its start.
        self.buffer.resize(before + before.max(READ), 0);
        let mut filled = before;
        while filled < self.buffer.len() {
            match self.source.read(&mut self.buffer[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.buffer.truncate(filled);
                    return Err(error);
                }
            }
        }
        self.is_whole = filled < self.buffer.len();
        self.buffer.truncate(filled);
        Ok(filled > before)
    }

    /// Makes sure that so many bytes are there, unless the file ends before.
    fn ensure(&mut self, count: usize) -> io::Result<()> {
        while self.rest().len() < count && self.more()? {}
        Ok(())
    }

    fn peek(&mut self) -> io::Result<Option<u8>> {
        self.ensure(1)?;
        Ok(self.rest().first().copied())
    }

    fn take(&mut self, count: usize) {
        let count = count.min(self.rest().len());
        self.line += memchr_iter(b'\n', &self.rest()[..count]).count() as u64;
        self.at += count;
    }

    /// Goes to the next of these bytes; `false` if there is none.
    fn find(&mut self, find: impl Fn(&[u8]) -> Option<usize>) -> io::Result<bool> {
        loop {
            if let Some(found) = find(self.rest()) {
                self.take(found);
                return Ok(true);
            }
            self.take(self.rest().len());
            if !self.more()? {
                return Ok(false);
            }
        }
    }

    fn skip_line(&mut self) -> io::Result<()> {
        if self.find(|bytes| memchr(b'\n', bytes))? {
            self.take(1);
        }
        Ok(())
    }

    /// Passes over white space and comments. What stands in a version comment is part of the dump.
    fn skip_blank(&mut self) -> io::Result<()> {
        loop {
            self.ensure(16)?;
            let rest = self.rest();
            let Some(&first) = rest.first() else { return Ok(()) };
            if first.is_ascii_whitespace() {
                let count = rest.iter().position(|it| !it.is_ascii_whitespace()).unwrap_or(rest.len());
                self.take(count);
            } else if first == b'#' || (rest.starts_with(b"--") && rest.get(2).is_none_or(u8::is_ascii_whitespace)) {
                self.skip_line()?;
            } else if rest.starts_with(b"/*!") {
                let digits = rest[3..].iter().take_while(|it| it.is_ascii_digit()).count();
                self.take(3 + digits);
            } else if rest.starts_with(b"/*") {
                self.take(2);
                // One byte is left so that the star of an end across two reads is found again.
                while self.find(|bytes| memchr(b'*', bytes))? {
                    self.ensure(2)?;
                    let is_end = self.rest().starts_with(b"*/");
                    self.take(if is_end { 2 } else { 1 });
                    if is_end {
                        break;
                    }
                }
            } else if rest.starts_with(b"*/") {
                self.take(2);
            } else {
                return Ok(());
            }
        }
    }

    /// A name or word, and whether it is quoted; blank if none stands there.
    fn word(&mut self) -> io::Result<(String, bool)> {
        self.skip_blank()?;
        self.ensure(NAME_LIMIT)?;
        let rest = &self.rest()[..self.rest().len().min(NAME_LIMIT)];
        let (text, length, is_quoted) = match rest.first() {
            Some(&quote @ (b'`' | b'"')) => match memchr(quote, &rest[1..]) {
                Some(end) => (&rest[1..=end], end + 2, true),
                None => (&rest[..0], 0, false),
            },
            _ => {
                let is_part = |it: &u8| it.is_ascii_alphanumeric() || matches!(it, b'_' | b'$') || *it >= 0x80;
                let end = rest.iter().position(|it| !is_part(it)).unwrap_or(rest.len());
                (&rest[..end], end, false)
            }
        };
        let text = String::from_utf8_lossy(text).into_owned();
        self.take(length);
        Ok((text, is_quoted))
    }

    /// The last part of a name that may begin with that of its database.
    fn name(&mut self, first: Option<String>) -> io::Result<String> {
        let mut name = match first {
            Some(name) => name,
            None => self.word()?.0,
        };
        while self.peek()? == Some(b'.') {
            self.take(1);
            name = self.word()?.0;
        }
        Ok(name)
    }

    /// Passes over the rest of a statement and its semicolon.
    pub(super) fn skip_statement(&mut self) -> io::Result<()> {
        self.rows = None;
        let pending = std::mem::take(&mut self.pending);
        self.take(pending);
        loop {
            let is_next = |bytes: &[u8]| match (memchr3(b';', b'\'', b'"', bytes), memchr2(b'`', b'\n', bytes)) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
            if !self.find(is_next)? {
                return Ok(());
            }
            match self.rest()[0] {
                b';' => {
                    self.take(1);
                    return Ok(());
                }
                b'\n' => {
                    self.take(1);
                    // Comments between the lines of a definition may hold quotes.
                    self.ensure(MARKER_LENGTH)?;
                    if self.is_strict && begins_statement(self.rest()) {
                        return Ok(());
                    }
                    self.skip_blank()?;
                }
                b'`' => {
                    self.take(1);
                    self.find(|bytes| memchr2(b'`', b'\n', bytes))?;
                    if self.rest().first() == Some(&b'`') {
                        self.take(1);
                    }
                }
                _ => {
                    if self.skip_quoted()? {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Passes over a quoted text of any length. `true`: another statement begins in it, so a quote is missing.
    fn skip_quoted(&mut self) -> io::Result<bool> {
        let quote = self.rest()[0];
        self.take(1);
        while self.find(|bytes| memchr3(quote, b'\\', b'\n', bytes))? {
            self.ensure(MARKER_LENGTH + 1)?;
            let rest = self.rest();
            match rest[0] {
                b'\\' => self.take(2),
                b'\n' => {
                    let is_lost = self.is_strict && begins_statement(&rest[1..]);
                    self.take(1);
                    if is_lost {
                        return Ok(true);
                    }
                }
                _ if rest.get(1) == Some(&quote) => self.take(2),
                _ => {
                    self.take(1);
                    return Ok(false);
                }
            }
        }
        Ok(false)
    }

    /// What comes next; `None` at the end of the file.
    pub(super) fn next(&mut self) -> io::Result<Option<Event>> {
        let pending = std::mem::take(&mut self.pending);
        self.take(pending);
        loop {
            if let Some(expected) = self.rows {
                if let Some(event) = self.row(expected)? {
                    return Ok(Some(event));
                }
                continue;
            }
            self.skip_blank()?;
            match self.peek()? {
                None => return Ok(None),
                Some(b';') => {
                    self.take(1);
                    continue;
                }
                Some(_) => {}
            }
            let line = self.line;
            let (word, is_quoted) = self.word()?;
            let event = match &*word.to_ascii_uppercase() {
                _ if is_quoted => None,
                "INSERT" | "REPLACE" => self.insert(line)?,
                "CREATE" => self.create()?,
                "DELIMITER" => {
                    self.skip_delimited()?;
                    continue;
                }
                _ => None,
            };
            match event {
                Some(event) => return Ok(Some(event)),
                None => self.skip_statement()?,
            }
        }
    }

    /// Passes over what stands between two `DELIMITER`s: triggers and procedures.
    fn skip_delimited(&mut self) -> io::Result<()> {
        self.skip_line()?;
        loop {
            self.ensure(NAME_LIMIT)?;
            let rest = self.rest();
            if rest.is_empty() {
                return Ok(());
            }
            let line = &rest[..memchr(b'\n', rest).unwrap_or(rest.len())];
            let is_end = line.get(..9).is_some_and(|word| word.eq_ignore_ascii_case(b"DELIMITER"))
                && line[9..].trim_ascii() == b";";
            self.skip_line()?;
            if is_end {
                return Ok(());
            }
        }
    }

    fn insert(&mut self, line: u64) -> io::Result<Option<Event>> {
        let table = loop {
            let (word, is_quoted) = self.word()?;
            let is_hint = ["INTO", "IGNORE", "LOW_PRIORITY", "HIGH_PRIORITY", "DELAYED"]
                .iter()
                .any(|it| it.eq_ignore_ascii_case(&word));
            match is_hint && !is_quoted {
                true => {}
                false if word.is_empty() => return Ok(None),
                false => break self.name(Some(word))?,
            }
        };
        self.skip_blank()?;
        let columns = if self.peek()? == Some(b'(') {
            self.take(1);
            let mut columns = Vec::new();
            loop {
                let (name, _) = self.word()?;
                self.skip_blank()?;
                let next = self.peek()?;
                if name.is_empty() || columns.len() == COLUMN_LIMIT {
                    return Ok(Some(Event::Unread { table, line }));
                }
                columns.push(name);
                self.take(1);
                match next {
                    Some(b',') => {}
                    Some(b')') => break Some(columns),
                    _ => return Ok(Some(Event::Unread { table, line })),
                }
            }
        } else {
            None
        };
        let (word, _) = self.word()?;
        if word.eq_ignore_ascii_case("VALUES") || word.eq_ignore_ascii_case("VALUE") {
            self.rows = Some(0);
            return Ok(Some(Event::Insert { table, columns, line }));
        }
        Ok(Some(Event::Unread { table, line }))
    }

    fn create(&mut self) -> io::Result<Option<Event>> {
        let mut word = self.word()?.0;
        if word.eq_ignore_ascii_case("TEMPORARY") {
            word = self.word()?.0;
        }
        if !word.eq_ignore_ascii_case("TABLE") {
            return Ok(None);
        }
        let (mut word, is_quoted) = self.word()?;
        if !is_quoted && word.eq_ignore_ascii_case("IF") {
            self.word()?;
            self.word()?;
            word = self.word()?.0;
        }
        let name = self.name(Some(word))?;
        self.skip_blank()?;
        if name.is_empty() || self.peek()? != Some(b'(') {
            return Ok(None);
        }
        self.take(1);
        let mut columns = Vec::new();
        loop {
            let (word, is_quoted) = self.word()?;
            let is_key = ["PRIMARY", "KEY", "UNIQUE", "INDEX", "CONSTRAINT", "FULLTEXT", "SPATIAL", "FOREIGN", "CHECK"]
                .iter()
                .any(|it| it.eq_ignore_ascii_case(&word));
            if !word.is_empty() && (is_quoted || !is_key) && columns.len() < COLUMN_LIMIT {
                columns.push(word);
            }
            if !self.skip_definition()? {
                break;
            }
        }
        self.skip_statement()?;
        Ok(Some(Event::Table { name, columns }))
    }

    /// Passes over the rest of a column's or key's definition; `false`: it was the last.
    fn skip_definition(&mut self) -> io::Result<bool> {
        let mut depth = 0_u32;
        loop {
            self.skip_blank()?;
            let Some(byte) = self.peek()? else { return Ok(false) };
            match byte {
                b'\'' | b'"' => {
                    if self.skip_quoted()? {
                        return Ok(false);
                    }
                    continue;
                }
                b'(' => depth += 1,
                b')' if depth == 0 => return Ok(false),
                b')' => depth -= 1,
                b',' if depth == 0 => {
                    self.take(1);
                    return Ok(true);
                }
                b';' => return Ok(false),
                _ => {}
            }
            self.take(1);
        }
    }

    /// The next row of a list; `None`: there was none at this place, or the list is over.
    fn row(&mut self, expected: usize) -> io::Result<Option<Event>> {
        self.skip_blank()?;
        let (offset, line) = (self.offset(), self.line);
        match self.peek()? {
            None => {
                (self.rows, self.cut) = (None, Some(line));
                return Ok(None);
            }
            Some(b',') => {
                self.take(1);
                return Ok(None);
            }
            Some(b';') => {
                self.take(1);
                self.rows = None;
                return Ok(None);
            }
            Some(b'(') => {}
            Some(_) => {
                self.ensure(MARKER_LENGTH)?;
                let rest = self.rest();
                if begins_statement(rest) {
                    self.rows = None;
                    return Ok(None);
                }
                // `ON DUPLICATE KEY UPDATE …`, and the alias before it.
                if rest.starts_with(b"ON ") || rest.starts_with(b"on ") || rest.starts_with(b"AS ") {
                    self.skip_statement()?;
                    return Ok(None);
                }
                self.resynchronise(expected)?;
                return Ok(Some(Event::Bad { offset, line, fault: Fault::Broken }));
            }
        }
        let fault = match self.parse(ROW_LIMIT)? {
            Parsed::Row(length, fields) if expected == 0 || fields.len() == expected => {
                self.pending = length;
                return Ok(Some(Event::Row(Row { offset, length, line, fields })));
            }
            Parsed::Row(..) => Fault::Ragged,
            Parsed::Bad(fault) => fault,
            Parsed::More => Fault::TooLong,
        };
        self.resynchronise(expected)?;
        Ok(Some(Event::Bad { offset, line, fault }))
    }

    /// Parses the row that begins here; [`Parsed::More`]: it is longer than `limit`.
    fn parse(&mut self, limit: usize) -> io::Result<Parsed> {
        loop {
            let most = self.rest().len().min(limit);
            match parse_row(&self.rest()[..most], self.is_strict) {
                Parsed::More if most == limit => return Ok(Parsed::More),
                Parsed::More if !self.more()? => return Ok(Parsed::Bad(Fault::Truncated)),
                Parsed::More => {}
                parsed => return Ok(parsed),
            }
        }
    }

    /// Goes to the next row with as many values as expected, or behind the statement.
    fn resynchronise(&mut self, expected: usize) -> io::Result<()> {
        self.take(1);
        while self.find(|bytes| memchr2(b')', b'\n', bytes))? {
            self.ensure(64)?;
            if self.rest()[0] == b'\n' {
                self.take(1);
                if begins_statement(self.rest()) {
                    self.rows = None;
                    return Ok(());
                }
                continue;
            }
            self.take(1);
            let blank = |bytes: &[u8]| bytes.iter().take(16).take_while(|it| it.is_ascii_whitespace()).count();
            let rest = self.rest();
            let separator = blank(rest);
            match rest.get(separator) {
                Some(b';') if matches!(rest.get(separator + 1), None | Some(b'\n' | b'\r')) => {
                    self.take(separator + 1);
                    self.rows = None;
                    return Ok(());
                }
                Some(b',') => {
                    let next = separator + 1 + blank(&rest[separator + 1..]);
                    if rest.get(next) != Some(&b'(') || self.salvage > SALVAGE_LIMIT {
                        continue;
                    }
                    self.take(next);
                    match self.parse(CANDIDATE_LIMIT)? {
                        Parsed::Row(_, fields) if expected == 0 || fields.len() == expected => return Ok(()),
                        Parsed::Row(length, _) => self.salvage += length,
                        _ => self.salvage += self.rest().len().min(CANDIDATE_LIMIT),
                    }
                }
                _ => {}
            }
        }
        self.rows = None;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reader that gives few bytes at a time.
    struct Slow<'a>(&'a [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            let count = self.0.len().min(to.len()).min(3);
            to[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    /// What a dump says, in one word for each event.
    fn told(dump: &[u8]) -> Vec<String> {
        let mut scanner = Scanner::new(Slow(dump)).unwrap();
        let mut told = Vec::new();
        while let Some(event) = scanner.next().unwrap() {
            told.push(match event {
                Event::Table { name, columns } => {
                    format!("table {name}: {}", columns.join(" "))
                }
                Event::Insert { table, columns, line } => {
                    let columns = columns.unwrap_or_default();
                    scanner.expect(columns.len());
                    format!("insert {table} at {line}: {}", columns.join(" "))
                }
                Event::Row(row) => {
                    assert_eq!(&dump[row.offset as usize..][..row.length], scanner.bytes());
                    let value = |it: &Range<usize>| String::from_utf8_lossy(&scanner.bytes()[it.clone()]).into_owned();
                    row.fields.iter().map(value).collect::<Vec<_>>().join("|")
                }
                Event::Bad { line, fault, .. } => format!("{fault:?} at {line}"),
                Event::Unread { table, line } => {
                    scanner.skip_statement().unwrap();
                    format!("unread {table} at {line}")
                }
            });
        }
        if let Some(line) = scanner.cut() {
            told.push(format!("cut at {line}"));
        }
        told
    }

    #[test]
    fn tables_and_rows_come_as_dumps_write_them() {
        let table: &[(&str, &[&str])] = &[
            (
                "CREATE TABLE IF NOT EXISTS `db`.`a` (\n `id` int(11) DEFAULT '0,1' COMMENT 'x (y',\n -- don't\n `x` enum('a','b'), b text, PRIMARY KEY (`id`,`x`), UNIQUE KEY k (x)\n) ENGINE=InnoDB;",
                &["table a: id x b"],
            ),
            ("INSERT INTO `a` VALUES (1,'x'),(2,NULL);", &["insert a at 1: ", "1|'x'", "2|NULL"]),
            (
                "insert ignore into a (`id`, x) values\n(1, 'it''s; \\'),(\\''),\n(2,0xFF);\n",
                &["insert a at 1: id x", "1| 'it''s; \\'),(\\''", "2|0xFF"],
            ),
            (
                "REPLACE INTO a VALUE (_binary 'a', x'00', -1.5e3, NOW(1,2));",
                &["insert a at 1: ", "_binary 'a'| x'00'| -1.5e3| NOW(1,2)"],
            ),
            (
                "/*!40000 ALTER TABLE `a` DISABLE KEYS */;\nLOCK TABLES `a` WRITE; # it's\nINSERT INTO `a` VALUES (1);\n/*!40000 ALTER TABLE `a` ENABLE KEYS */;",
                &["insert a at 3: ", "1"],
            ),
            (
                "/* it's; */ INSERT INTO a VALUES (1)\nON DUPLICATE KEY UPDATE x = 'a;b';INSERT INTO b VALUES (2);",
                &["insert a at 1: ", "1", "insert b at 2: ", "2"],
            ),
            (
                "DELIMITER ;;\nCREATE TRIGGER t BEGIN INSERT INTO a VALUES (NEW.x); END ;;\nDELIMITER ;\nINSERT INTO a VALUES (1);",
                &["insert a at 4: ", "1"],
            ),
            (
                "/*!50003 CREATE*/ /*!50017 DEFINER=`x`*/ TRIGGER `t` AFTER x; INSERT INTO a VALUES (1);",
                &["insert a at 1: ", "1"],
            ),
            ("/*M!999999\\- enable the sandbox mode */ \nINSERT INTO a VALUES (1);", &["insert a at 2: ", "1"]),
            ("INSERT INTO a SELECT * FROM b; INSERT INTO a VALUES (1);", &["unread a at 1", "insert a at 1: ", "1"]),
            ("\u{FEFF}INSERT INTO a VALUES (1);", &["insert a at 1: ", "1"]),
            ("", &[]),
            ("INSERT INTO a VALUES ('a' 'b');", &["insert a at 1: ", "'a' 'b'"]),
        ];
        for (dump, expected) in table {
            assert_eq!(told(dump.as_bytes()), *expected, "{dump}");
        }
    }

    #[test]
    fn behind_a_broken_row_the_next_one_is_found() {
        let table: &[(&str, &[&str])] = &[
            (
                "INSERT INTO a (x,y) VALUES (1,'a),(2,'b'),(3,'c');",
                &["insert a at 1: x y", "Broken at 1", "2|'b'", "3|'c'"],
            ),
            ("INSERT INTO a (x,y) VALUES (1,2,3),(4),(5,6);", &["insert a at 1: x y", "Ragged at 1", "5|6"]),
            ("INSERT INTO a (x,y) VALUES (1,a'b'c),\n(5,6);", &["insert a at 1: x y", "Broken at 1", "5|6"]),
            (
                "INSERT INTO a (x,y) VALUES (1,'a\nb');\nINSERT INTO b (x) VALUES (1);",
                &["insert a at 1: x y", "1|'a\nb'", "insert b at 3: x", "1"],
            ),
            (
                "-- MySQL dump\nINSERT INTO `a` (x,y) VALUES (1,'ab);\nUNLOCK TABLES;\nINSERT INTO `b` (x) VALUES ('1');",
                &["insert a at 2: x y", "Broken at 2", "insert b at 4: x", "'1'"],
            ),
            (
                "-- MySQL dump\nINSERT INTO c VALUES (1,'ab);\n-- Table structure for d\n\nINSERT INTO `b` (x) VALUES ('1');",
                &["insert c at 2: ", "Broken at 2", "insert b at 5: x", "'1'"],
            ),
            ("INSERT INTO a (x,y) VALUES (1,2),(3,'", &["insert a at 1: x y", "1|2", "Truncated at 1"]),
            ("INSERT INTO a (x,y) VALUES (1,2),", &["insert a at 1: x y", "1|2", "cut at 1"]),
            ("INSERT INTO a (x,y) VALUES (1,2), %% (3,4),(5,6);", &["insert a at 1: x y", "1|2", "Broken at 1", "5|6"]),
        ];
        for (dump, expected) in table {
            assert_eq!(told(dump.as_bytes()), *expected, "{dump}");
        }
    }

    #[test]
    fn a_dump_cut_or_damaged_anywhere_ends() {
        let dump = b"-- MySQL dump\nCREATE TABLE `a` (`x` int, `y` text);\nINSERT INTO `a` VALUES (1,'it\\'s'),(2,_binary '\\0\xFF''');\n/*!1 x */;\nDELIMITER ;;\n;;\nDELIMITER ;\nUNLOCK TABLES;\n-- Dump completed\n";
        for end in 0..dump.len() {
            told(&dump[..end]);
            for byte in [b'\'', b'(', b')', b';', b'\\', b'`', b'\n', 0] {
                let mut damaged = dump.to_vec();
                damaged[end] = byte;
                told(&damaged);
            }
        }
    }

    #[test]
    fn a_row_longer_than_any_is_named_and_passed_over() {
        let mut dump = b"INSERT INTO a (x) VALUES ('".to_vec();
        dump.resize(dump.len() + ROW_LIMIT, b'x');
        dump.extend_from_slice(b"'),(2);");
        let mut scanner = Scanner::new(&dump[..]).unwrap();
        let mut told = Vec::new();
        while let Some(event) = scanner.next().unwrap() {
            match event {
                Event::Insert { .. } => scanner.expect(1),
                Event::Row(row) => told.push(format!("row of {}", row.length)),
                Event::Bad { fault, .. } => told.push(format!("{fault:?}")),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(told, ["TooLong", "row of 3"]);
    }
}
