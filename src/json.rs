//! Cuts values out of JSON files of any size, with their places.
//!
//! A dump may be one object of hundreds of megabytes. [`Scanner`] walks it from
//! start to end, holds one value at a time, and says at which byte and line each
//! stands, so that it can be read again later by position. What a value means is
//! left to `serde_json`, which reads slices three times as fast as streams.
//!
//! Promises:
//!
//! - Memory is bounded by the limit that the caller names, not by the file.
//! - Nothing in a file causes a panic or deep recursion; nesting over [`MAX_DEPTH`] is a [`Fault`].
//! - Every call moves forward or says why not.
//!
//! [`parse`] forgives what real exports get wrong inside strings: half of a
//! surrogate pair, raw control characters, bytes that are not UTF-8.

use std::borrow::Cow;
use std::io::{self, Read, Seek, SeekFrom};

use serde_json::Value;

pub mod elements;
mod sketch;

pub use sketch::{Sketch, sketch};

/// How deep a value may be nested. Real dumps stay under 20; `serde_json` stops at 128.
pub const MAX_DEPTH: u32 = 120;

/// How many bytes are read at once.
const CHUNK: usize = 256 * 1024;

/// Where a value stands in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// The first byte, counted from 0.
    pub offset: u64,
    /// The length in bytes.
    pub length: u64,
    /// The line, counted from 1.
    pub line: u64,
}

/// Why a value could not be cut out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The file (or the line, in JSON lines) ends inside the value.
    #[error("ends in the middle of a value")]
    Truncated {
        /// What could be read of it.
        span: Span,
    },
    /// Brackets do not match, or something stands where no value can.
    #[error("byte {at} cannot stand there")]
    Broken {
        /// The value so far.
        span: Span,
        /// The offending byte, counted from the start of the file.
        at: u64,
    },
    /// The value is longer than the limit; the scanner stands behind it.
    #[error("longer than {limit} bytes")]
    TooLong {
        /// The whole value.
        span: Span,
        /// The limit in bytes.
        limit: u64,
    },
    /// The value is nested deeper than [`MAX_DEPTH`]; the scanner stands behind it.
    #[error("nested deeper than {MAX_DEPTH}")]
    TooDeep {
        /// The whole value.
        span: Span,
    },
    /// The file could not be read.
    #[error("cannot be read")]
    Io(#[from] io::Error),
}

/// Walks a JSON file from value to value.
///
/// The caller drives it: [`peek`](Scanner::peek) at what comes,
/// [`enter`](Scanner::enter) an object or array, take [`key`](Scanner::key)s and
/// [`element`](Scanner::element)s, and cut a whole [`value`](Scanner::value) out where it is wanted.
pub struct Scanner<R> {
    input: R,
    window: Vec<u8>,
    /// The file's byte at which the window starts.
    base: u64,
    /// The next byte, as an index into the window.
    at: usize,
    is_at_end: bool,
    /// Newlines before `counted`.
    newlines: u64,
    /// Up to which byte of the file newlines are counted.
    counted: u64,
    /// Whether a newline ends whatever is being read.
    is_lines: bool,
    /// Bytes of the value that was cut out last, as an index into the window.
    last: std::ops::Range<usize>,
}

impl<R: Read + Seek> Scanner<R> {
    /// Starts at the first byte; a UTF-8 byte-order mark is skipped.
    pub fn new(input: R) -> io::Result<Self> {
        let mut scanner = Self {
            input,
            window: Vec::new(),
            base: 0,
            at: 0,
            is_at_end: false,
            newlines: 0,
            counted: 0,
            is_lines: false,
            last: 0..0,
        };
        if scanner.look(3)?.starts_with(b"\xEF\xBB\xBF") {
            scanner.at = 3;
        }
        Ok(scanner)
    }

    /// Says whether each value stands on a line of its own, so that a newline ends a value that is cut short.
    pub fn set_lines(&mut self, is_lines: bool) {
        self.is_lines = is_lines;
    }

    /// Whether the scanner reads JSON lines.
    pub fn is_lines(&self) -> bool {
        self.is_lines
    }

    /// The next byte's place in the file.
    pub fn offset(&self) -> u64 {
        self.base + self.at as u64
    }

    /// The bytes from here on, `wanted` of them unless the file ends before.
    pub fn look(&mut self, wanted: usize) -> io::Result<&[u8]> {
        while self.window.len() - self.at < wanted && !self.is_at_end {
            self.fill(self.at)?;
        }
        let end = self.window.len().min(self.at + wanted);
        Ok(&self.window[self.at..end])
    }

    /// Goes to the start of a span; what follows is read from there.
    pub fn seek(&mut self, to: Span) -> io::Result<()> {
        if (self.base..=self.base + self.window.len() as u64).contains(&to.offset) {
            self.at = (to.offset - self.base) as usize;
        } else {
            self.input.seek(SeekFrom::Start(to.offset))?;
            self.window.clear();
            self.base = to.offset;
            self.at = 0;
            self.is_at_end = false;
        }
        (self.newlines, self.counted) = (to.line.saturating_sub(1), to.offset);
        self.last = 0..0;
        Ok(())
    }

    /// Where the next byte stands, as a span of no length.
    pub fn here(&mut self) -> Span {
        let offset = self.offset();
        self.count_to(offset);
        Span { offset, length: 0, line: self.newlines + 1 }
    }

    /// The next byte that is not white space, without taking it; `None` at the end.
    ///
    /// Newlines are white space here, in JSON lines too; inside of a value call [`Scanner::ahead`] instead.
    pub fn peek(&mut self) -> io::Result<Option<u8>> {
        loop {
            let rest = &self.window[self.at..];
            match rest.iter().position(|byte| !byte.is_ascii_whitespace()) {
                Some(skipped) => {
                    self.at += skipped;
                    return Ok(Some(self.window[self.at]));
                }
                None => {
                    self.at = self.window.len();
                    if self.is_at_end {
                        return Ok(None);
                    }
                    self.fill(self.at)?;
                }
            }
        }
    }

    /// The next byte that is not white space, without taking it; `None` at the end of the file, or of the line in
    /// JSON lines.
    pub fn ahead(&mut self) -> io::Result<Option<u8>> {
        self.next_byte(false)
    }

    /// Takes the bracket that opens an object or array. The caller has peeked at it.
    pub fn enter(&mut self) {
        self.at += 1;
    }

    /// The next key of the object that was entered, up to its colon; `None` once the object is closed.
    pub fn key(&mut self) -> Result<Option<String>, Fault> {
        let from = self.here();
        match self.next_byte(true)? {
            Some(b'}') => {
                self.at += 1;
                Ok(None)
            }
            Some(b'"') => {
                self.value(MAX_KEY)?;
                let key = match serde_json::from_slice(self.bytes()) {
                    Ok(key) => key,
                    Err(_) => String::from_utf8_lossy(self.bytes()).trim_matches('"').to_owned(),
                };
                match self.next_byte(true)? {
                    Some(b':') => {
                        self.at += 1;
                        Ok(Some(key))
                    }
                    Some(_) => Err(self.broken(from)),
                    None => Err(self.truncated(from)),
                }
            }
            Some(_) => Err(self.broken(from)),
            None => Err(Fault::Truncated { span: from }),
        }
    }

    /// The first byte of the next element of the array that was entered; `None` once the array is closed.
    pub fn element(&mut self) -> Result<Option<u8>, Fault> {
        let from = self.here();
        match self.next_byte(true)? {
            Some(b']') => {
                self.at += 1;
                Ok(None)
            }
            Some(b'}' | b':') => Err(self.broken(from)),
            Some(byte) => Ok(Some(byte)),
            None => Err(Fault::Truncated { span: from }),
        }
    }

    /// Cuts out the value that comes next; [`Scanner::bytes`] has it until the next call.
    ///
    /// Only its brackets and strings are looked at; whether it is JSON, a parser must say.
    pub fn value(&mut self, limit: u64) -> Result<Span, Fault> {
        self.ahead()?;
        let from = self.here();
        let mut start = self.at;
        let mut shape = Shape::default();
        let mut is_kept = true;
        let mut seen = 0_u64;
        loop {
            let fresh = &self.window[self.at..];
            match shape.advance(fresh, self.is_lines) {
                Step::More => {
                    seen += fresh.len() as u64;
                    self.at = self.window.len();
                    // Only what may still be wanted is kept in memory.
                    is_kept &= seen <= limit;
                    let keep = if is_kept { start } else { self.at };
                    if self.is_at_end {
                        return if shape.is_scalar && seen > 0 {
                            self.cut(from, start)
                        } else {
                            Err(self.truncated(from))
                        };
                    }
                    let before = self.base;
                    self.fill(keep)?;
                    start = start.saturating_sub((self.base - before) as usize);
                }
                Step::End(length) => {
                    self.at += length;
                    seen += length as u64;
                    let span = self.since(from);
                    if shape.deepest > MAX_DEPTH {
                        return Err(Fault::TooDeep { span });
                    }
                    if !is_kept || seen > limit {
                        return Err(Fault::TooLong { span, limit });
                    }
                    return self.cut(from, start);
                }
                Step::Newline(length) => {
                    self.at += length;
                    return Err(self.truncated(from));
                }
                Step::Broken(length) => {
                    self.at += length;
                    return Err(self.broken(from));
                }
            }
        }
    }

    /// The value that was cut out last.
    pub fn bytes(&self) -> &[u8] {
        &self.window[self.last.clone()]
    }

    /// Goes behind the end of this line.
    pub fn skip_line(&mut self) -> io::Result<()> {
        loop {
            match memchr::memchr(b'\n', &self.window[self.at..]) {
                Some(found) => {
                    self.at += found + 1;
                    return Ok(());
                }
                None => {
                    self.at = self.window.len();
                    if self.is_at_end {
                        return Ok(());
                    }
                    self.fill(self.at)?;
                }
            }
        }
    }

    /// Goes to the next `{` that can begin an element: behind a comma, an opening bracket or at the start of a line.
    ///
    /// For finding a foothold behind damage. Gives the place, or `None` at the end.
    pub fn foothold(&mut self) -> io::Result<Option<Span>> {
        let mut before = b'\n';
        loop {
            for (index, &byte) in self.window[self.at..].iter().enumerate() {
                if byte == b'{' && matches!(before, b',' | b'[' | b'\n') {
                    self.at += index;
                    return Ok(Some(self.here()));
                }
                let is_blank = match byte {
                    b'\n' => matches!(before, b',' | b'['),
                    _ => matches!(byte, b' ' | b'\t' | b'\r'),
                };
                if !is_blank {
                    before = byte;
                }
            }
            self.at = self.window.len();
            if self.is_at_end {
                return Ok(None);
            }
            self.fill(self.at)?;
        }
    }

    /// The next byte that is neither white space nor, if told so, a comma; `None` at the end of the file or line.
    fn next_byte(&mut self, skips_commas: bool) -> io::Result<Option<u8>> {
        loop {
            while let Some(&byte) = self.window.get(self.at) {
                if byte == b'\n' && self.is_lines {
                    return Ok(None);
                }
                let is_skipped = byte.is_ascii_whitespace() || (skips_commas && byte == b',');
                if !is_skipped {
                    return Ok(Some(byte));
                }
                self.at += 1;
            }
            if self.is_at_end {
                return Ok(None);
            }
            self.fill(self.at)?;
        }
    }

    /// Reads on, and forgets what stands before `keep` when that makes room.
    fn fill(&mut self, keep: usize) -> io::Result<()> {
        if keep > 0 && (keep == self.window.len() || keep >= CHUNK) {
            self.count_to(self.base + keep as u64);
            self.window.drain(..keep);
            self.base += keep as u64;
            self.at -= keep;
            self.last = 0..0;
        }
        let filled = self.window.len();
        self.window.resize(filled + CHUNK, 0);
        let read = loop {
            match self.input.read(&mut self.window[filled..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        self.window.truncate(filled + *read.as_ref().unwrap_or(&0));
        self.is_at_end = read? == 0;
        Ok(())
    }

    /// Counts newlines up to a byte of the window, and keeps the count.
    fn count_to(&mut self, offset: u64) {
        if offset > self.counted && self.counted >= self.base {
            let from = (self.counted - self.base) as usize;
            let to = ((offset - self.base) as usize).min(self.window.len());
            if from < to {
                self.newlines += memchr::memchr_iter(b'\n', &self.window[from..to]).count() as u64;
                self.counted = self.base + to as u64;
            }
        }
    }

    fn since(&self, from: Span) -> Span {
        Span { length: self.offset().saturating_sub(from.offset), ..from }
    }

    fn cut(&mut self, from: Span, start: usize) -> Result<Span, Fault> {
        self.last = start..self.at;
        Ok(self.since(from))
    }

    fn truncated(&self, from: Span) -> Fault {
        Fault::Truncated { span: self.since(from) }
    }

    fn broken(&self, from: Span) -> Fault {
        Fault::Broken { span: self.since(from), at: self.offset() }
    }
}

/// How long a key may be.
const MAX_KEY: u64 = 64 * 1024;

/// The brackets and strings of a value that is being cut out.
#[derive(Default)]
struct Shape {
    depth: u32,
    deepest: u32,
    /// One bit for each open bracket, the innermost lowest: 1 is an object.
    kinds: u128,
    is_in_string: bool,
    is_escaped: bool,
    /// A number or word, which ends where something else begins.
    is_scalar: bool,
}

enum Step {
    /// The bytes end before the value does.
    More,
    /// The value ends behind this many bytes.
    End(usize),
    /// A newline stands here, inside the value.
    Newline(usize),
    /// This byte cannot stand here.
    Broken(usize),
}

impl Shape {
    fn advance(&mut self, bytes: &[u8], is_lines: bool) -> Step {
        let mut at = 0;
        while at < bytes.len() {
            if self.is_in_string {
                if self.is_escaped {
                    self.is_escaped = false;
                    at += 1;
                    continue;
                }
                let found = if is_lines {
                    memchr::memchr3(b'"', b'\\', b'\n', &bytes[at..])
                } else {
                    memchr::memchr2(b'"', b'\\', &bytes[at..])
                };
                let Some(found) = found else { return Step::More };
                at += found;
                match bytes[at] {
                    b'\\' => self.is_escaped = true,
                    b'\n' => return Step::Newline(at),
                    _ => {
                        self.is_in_string = false;
                        if self.depth == 0 {
                            return Step::End(at + 1);
                        }
                    }
                }
                at += 1;
                continue;
            }
            let byte = bytes[at];
            match CLASSES[byte as usize] {
                PLAIN => self.is_scalar |= self.depth == 0,
                QUOTE if self.is_scalar => return Step::End(at),
                QUOTE => self.is_in_string = true,
                OPEN => {
                    if self.is_scalar {
                        return Step::End(at);
                    }
                    self.depth += 1;
                    self.deepest = self.deepest.max(self.depth);
                    self.kinds = self.kinds << 1 | u128::from(byte == b'{');
                }
                CLOSE => {
                    if self.is_scalar {
                        return Step::End(at);
                    }
                    // Kinds of brackets are known for the innermost 128 only.
                    let is_known = self.deepest <= 128;
                    if self.depth == 0 || (is_known && (self.kinds & 1 == 1) != (byte == b'}')) {
                        return Step::Broken(at);
                    }
                    self.kinds >>= 1;
                    self.depth -= 1;
                    if self.depth == 0 {
                        return Step::End(at + 1);
                    }
                }
                BETWEEN if self.depth == 0 => {
                    return if self.is_scalar { Step::End(at) } else { Step::Broken(at) };
                }
                BETWEEN => {}
                NEWLINE | SPACE if self.is_scalar => return Step::End(at),
                NEWLINE if is_lines => return Step::Newline(at),
                NEWLINE | SPACE => {}
                _ => return Step::Broken(at),
            }
            at += 1;
        }
        Step::More
    }
}

const WRONG: u8 = 0;
const PLAIN: u8 = 1;
const QUOTE: u8 = 2;
const OPEN: u8 = 3;
const CLOSE: u8 = 4;
const BETWEEN: u8 = 5;
const NEWLINE: u8 = 6;
const SPACE: u8 = 7;

/// What each byte is outside of strings.
static CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut classes = [WRONG; 256];
    // Letters too: `NaN` and `None` are for the parser to refuse, in one value only.
    let mut byte = b'0';
    while byte <= b'z' {
        if byte.is_ascii_alphanumeric() {
            classes[byte as usize] = PLAIN;
        }
        byte += 1;
    }
    classes[b'+' as usize] = PLAIN;
    classes[b'-' as usize] = PLAIN;
    classes[b'.' as usize] = PLAIN;
    classes[b'"' as usize] = QUOTE;
    classes[b'{' as usize] = OPEN;
    classes[b'[' as usize] = OPEN;
    classes[b'}' as usize] = CLOSE;
    classes[b']' as usize] = CLOSE;
    classes[b',' as usize] = BETWEEN;
    classes[b':' as usize] = BETWEEN;
    classes[b'\n' as usize] = NEWLINE;
    classes[b'\r' as usize] = SPACE;
    classes[b'\t' as usize] = SPACE;
    classes[b' ' as usize] = SPACE;
    classes
}

/// What had to be forgiven in a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Forgiven {
    /// Bytes were not UTF-8 and were read as something else.
    pub charset: Option<&'static str>,
    /// Half surrogate pairs or raw control characters stood in strings.
    pub has_bad_characters: bool,
}

/// Parses a value, forgiving what real exports get wrong inside strings.
///
/// Fails with what is wrong with the text as it stands.
pub fn parse(bytes: &[u8]) -> Result<(Value, Forgiven), serde_json::Error> {
    let error = match serde_json::from_slice(bytes) {
        Ok(value) => return Ok((value, Forgiven::default())),
        Err(error) => error,
    };
    let (text, forgiven) = mend(bytes);
    match serde_json::from_str(&text) {
        Ok(value) => Ok((value, forgiven)),
        Err(_) => Err(error),
    }
}

/// Makes a text out of bytes that `serde_json` refuses, as well as that can be done.
pub fn mend(bytes: &[u8]) -> (String, Forgiven) {
    let mut forgiven = Forgiven::default();
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => {
            let lossy = String::from_utf8_lossy(bytes);
            let is_partly_utf8 = lossy.chars().any(|c| c > '\u{7f}' && c != char::REPLACEMENT_CHARACTER);
            if is_partly_utf8 {
                // One damaged character in a UTF-8 file: the rest must not become mojibake.
                forgiven.charset = Some("UTF-8 with damaged characters");
                lossy
            } else {
                forgiven.charset = Some("windows-1252");
                encoding_rs::WINDOWS_1252.decode_without_bom_handling(bytes).0
            }
        }
    };
    let mut mended = String::with_capacity(text.len() + 16);
    let mut is_in_string = false;
    let mut rest = &*text;
    while let Some(c) = rest.chars().next() {
        let mut length = c.len_utf8();
        match c {
            '"' => {
                is_in_string = !is_in_string;
                mended.push('"');
            }
            '\\' if is_in_string => match escape(rest) {
                Escape::Fine(taken) => {
                    length = taken;
                    mended.push_str(&rest[..taken]);
                }
                Escape::HalfPair(taken) => {
                    length = taken;
                    forgiven.has_bad_characters = true;
                    mended.push(char::REPLACEMENT_CHARACTER);
                }
            },
            c if is_in_string && (c as u32) < 0x20 => {
                forgiven.has_bad_characters = true;
                mended.push_str(&format!("\\u{:04x}", c as u32));
            }
            c => mended.push(c),
        }
        rest = &rest[length..];
    }
    (mended, forgiven)
}

enum Escape {
    /// As many bytes belong to a sound escape.
    Fine(usize),
    /// As many bytes are one half of a surrogate pair.
    HalfPair(usize),
}

/// Looks at an escape, which `rest` begins with.
fn escape(rest: &str) -> Escape {
    let unit = |text: &str| {
        let digits = text.strip_prefix("\\u")?.get(..4)?;
        u32::from_str_radix(digits, 16).ok()
    };
    match unit(rest) {
        Some(0xD800..=0xDBFF) => match unit(&rest[6..]) {
            Some(0xDC00..=0xDFFF) => Escape::Fine(12),
            _ => Escape::HalfPair(6),
        },
        Some(0xDC00..=0xDFFF) => Escape::HalfPair(6),
        Some(_) => Escape::Fine(6),
        None => Escape::Fine(1 + rest[1..].chars().next().map_or(0, char::len_utf8)),
    }
}

/// The keys of the object that a text begins with, as far as the text goes.
///
/// For telling formats apart by the beginning of a file: a text cut short gives what there is.
pub struct Members<'a> {
    text: &'a [u8],
    at: usize,
    /// Whether the value of the last key still has to be passed over.
    is_before_value: bool,
    is_closed: bool,
}

impl<'a> Members<'a> {
    /// Looks at a text that begins, but for white space, with `{`; any other has no keys.
    pub fn new(text: &'a [u8]) -> Self {
        let start = text.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(text.len());
        let at = if text.get(start) == Some(&b'{') { start + 1 } else { text.len() };
        Self { text, at, is_before_value: false, is_closed: false }
    }

    /// Whether the object ended inside the text; known once there are no more keys.
    pub fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// The text from the last key's value on.
    pub fn value(&self) -> &'a [u8] {
        &self.text[self.at..]
    }

    /// Passes over a value or key; `None` when the text ends before.
    fn skip(&mut self) -> Option<&'a [u8]> {
        let from = self.at;
        let mut shape = Shape::default();
        match shape.advance(&self.text[from..], false) {
            Step::End(length) => {
                self.at += length;
                Some(&self.text[from..self.at])
            }
            _ => {
                self.at = self.text.len();
                None
            }
        }
    }

    fn next_part(&mut self) -> Option<u8> {
        while self.text.get(self.at).is_some_and(|byte| byte.is_ascii_whitespace() || *byte == b',') {
            self.at += 1;
        }
        self.text.get(self.at).copied()
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = Cow<'a, str>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_before_value {
            self.is_before_value = false;
            self.skip()?;
        }
        match self.next_part()? {
            b'"' => {}
            byte => {
                self.is_closed = byte == b'}';
                self.at = self.text.len();
                return None;
            }
        }
        let quoted = self.skip()?;
        if self.next_part()? != b':' {
            self.at = self.text.len();
            return None;
        }
        self.at += 1;
        // Where the text ends behind the colon, the key counts all the same.
        self.next_part();
        self.is_before_value = true;
        Some(String::from_utf8_lossy(&quoted[1..quoted.len() - 1]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scanner(text: &str) -> Scanner<io::Cursor<Vec<u8>>> {
        Scanner::new(io::Cursor::new(text.as_bytes().to_vec())).unwrap()
    }

    #[test]
    fn values_are_cut_out_with_byte_and_line() {
        let text = "\u{feff}{\"tickets\": [\n {\"a\":\"]}\\\"\"},\n[1,[2]] , 3.5,\"x\" , true], \"n\":null}";
        let mut s = scanner(text);
        assert_eq!(s.peek().unwrap(), Some(b'{'));
        s.enter();
        assert_eq!(s.key().unwrap().as_deref(), Some("tickets"));
        assert_eq!(s.peek().unwrap(), Some(b'['));
        s.enter();
        let mut found = Vec::new();
        while s.element().unwrap().is_some() {
            let span = s.value(100).unwrap();
            let cut = std::str::from_utf8(s.bytes()).unwrap().to_owned();
            assert_eq!(&text[span.offset as usize..(span.offset + span.length) as usize], cut);
            found.push((cut, span.line));
        }
        let expected = [("{\"a\":\"]}\\\"\"}", 2), ("[1,[2]]", 3), ("3.5", 3), ("\"x\"", 3), ("true", 3)]
            .map(|(t, l)| (t.to_owned(), l));
        assert_eq!(found, expected);
        assert_eq!(s.key().unwrap().as_deref(), Some("n"));
        s.value(100).unwrap();
        assert_eq!(s.bytes(), b"null");
        assert_eq!(s.key().unwrap(), None);
        assert_eq!(s.peek().unwrap(), None);
    }

    #[test]
    fn faults_say_where_and_what() {
        let cases: &[(&str, &str)] = &[
            ("{\"a\":[1,2", "truncated 0+9"),
            ("{\"a\":\"x", "truncated 0+7"),
            ("{\"a\":[1}]", "broken 0+7 at 7"),
            ("}", "broken 0+0 at 0"),
            (";", "broken 0+0 at 0"),
            ("[1,2,3,4,5,6,7,8,9,10,11,12,13,14]", "long 0+34"),
            ("", "truncated 0+0"),
        ];
        for (text, expected) in cases {
            let found = match scanner(text).value(20).unwrap_err() {
                Fault::Truncated { span } => format!("truncated {}+{}", span.offset, span.length),
                Fault::Broken { span, at } => format!("broken {}+{} at {at}", span.offset, span.length),
                Fault::TooLong { span, .. } => format!("long {}+{}", span.offset, span.length),
                other => other.to_string(),
            };
            assert_eq!(found, *expected, "{text}");
        }
    }

    #[test]
    fn a_hundred_thousand_brackets_are_a_fault_and_what_follows_is_read() {
        let deep = format!("[{}{},7]", "[".repeat(100_000), "]".repeat(100_000));
        let mut s = scanner(&deep);
        s.peek().unwrap();
        s.enter();
        s.element().unwrap();
        assert!(matches!(s.value(1 << 20), Err(Fault::TooDeep { span }) if span.length == 200_000));
        assert_eq!(s.element().unwrap(), Some(b'7'));
    }

    #[test]
    fn a_long_value_is_passed_over_without_being_kept() {
        let text = format!("[\"{}\",7]", "x".repeat(4 * CHUNK));
        let mut s = scanner(&text);
        s.peek().unwrap();
        s.enter();
        s.element().unwrap();
        assert!(matches!(s.value(1000), Err(Fault::TooLong { .. })));
        assert!(s.window.len() <= 2 * CHUNK, "{}", s.window.len());
        assert_eq!(s.element().unwrap(), Some(b'7'));
        s.value(10).unwrap();
        assert_eq!(s.bytes(), b"7");
    }

    #[test]
    fn values_longer_than_a_chunk_are_whole() {
        let long = format!("{{\"a\":\"{}\"}}", "é\\\"".repeat(CHUNK));
        let text = format!("[{long},\n{long}]");
        let mut s = scanner(&text);
        s.peek().unwrap();
        s.enter();
        for line in [1, 2] {
            s.element().unwrap();
            let span = s.value(1 << 30).unwrap();
            assert_eq!((span.line, s.bytes()), (line, long.as_bytes()));
        }
    }

    #[test]
    fn a_newline_ends_a_cut_line_only_in_json_lines() {
        let text = "{\"a\":\"x\n{\"b\":1}\n";
        let mut s = scanner(text);
        s.set_lines(true);
        assert!(matches!(s.value(100), Err(Fault::Truncated { .. })));
        s.skip_line().unwrap();
        assert_eq!(s.value(100).unwrap().line, 2);
        assert_eq!(s.bytes(), b"{\"b\":1}");
    }

    #[test]
    fn strings_that_serde_refuses_are_mended() {
        let cases: &[(&[u8], &str)] = &[
            (b"{\"a\":\"x\\ud83d\"}", "x\u{fffd}"),
            (b"{\"a\":\"\\udc00x\"}", "\u{fffd}x"),
            (b"{\"a\":\"\\ud83d\\ude00\\ud83d\\n\"}", "😀\u{fffd}\n"),
            (b"{\"a\":\"x\ny\tz\"}", "x\ny\tz"),
            (b"{\"a\":\"caf\xe9 \x80\"}", "café €"),
            (b"{\"a\":\"caf\xc3\xa9 \xff\"}", "café \u{fffd}"),
            (b"{\"a\":\"\\\\ud83d\\\"\"}", "\\ud83d\""),
        ];
        for (bytes, expected) in cases {
            let (value, _) = parse(bytes).unwrap();
            assert_eq!(value["a"], *expected, "{}", String::from_utf8_lossy(bytes));
        }
        for wrong in ["{\"a\":NaN}", "{\"a\" 1}", "{\"a\":\"\\x\"}", ""] {
            assert!(parse(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn keys_are_found_in_a_text_cut_short() {
        let mut members = Members::new(b" {\"a\":1,\"b\": {\"c\":[]},\"d\":\"cut");
        assert_eq!(members.by_ref().collect::<Vec<_>>(), ["a", "b", "d"]);
        assert!(!members.is_closed());
        let mut members = Members::new(b"{\"a\":1}");
        assert_eq!(members.next().as_deref(), Some("a"));
        assert_eq!(members.value(), b"1}");
        assert_eq!(members.next(), None);
        assert!(members.is_closed());
        assert_eq!(Members::new(b"[1]").count(), 0);
        assert_eq!(Members::new(b"{\"a").count(), 0);
    }

    #[test]
    fn scanning_any_prefix_ends_without_a_panic() {
        let text = "{\"tickets\":[{\"id\":1,\"s\":\"é\\u00e9\"},{\"id\":2}],\"n\":[[1],null]}";
        for end in 0..text.len() {
            for is_lines in [false, true] {
                let mut s = Scanner::new(io::Cursor::new(text.as_bytes()[..end].to_vec())).unwrap();
                s.set_lines(is_lines);
                assert!(matches!(s.value(100), Err(Fault::Truncated { .. })), "{end}");
            }
        }
    }
}
