//! Cuts an mbox file into messages, whatever dialect it is in.
//!
//! A separator is a line that begins `From `, looks like an envelope, and is followed by a header field (or
//! by `>From `). A blank line before it is usual and not needed where the envelope is
//! unmistakable: it has a date, or is Netscape's `From -` or Gmail's `From <digits>@xxx`. An envelope
//! with no more than an address needs the blank line. Everything else is text that begins with "From".
//!
//! `Content-Length` is obeyed only if a separator or the end of the file stands exactly there.
//! Measured on the files of `MBOX-TRUTH.tsv`; `docs/decisions/0001-own-mbox-splitter.md` has the reasons.

use std::io::{self, Read, Seek, SeekFrom};

use memchr::{memchr, memmem};

use crate::mail::header::{Field, Fields, field_name};

/// How much is read at once.
const CHUNK: usize = 1 << 20;

/// No envelope and no first header line that decides is longer.
const LINE: usize = 2_000;

/// A header block is looked at this far; no real one is longer.
const HEAD: usize = 512 * 1024;

/// Where one message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message {
    /// The first byte after the separator line.
    pub offset: u64,
    /// Its length, without the blank line that belongs to the container.
    pub length: u64,
}

/// What a file turned out to be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Dialect {
    /// A byte-order mark stands first.
    pub has_bom: bool,
    /// Lines end with CR LF.
    pub is_crlf: bool,
    /// `Content-Length` was obeyed.
    pub is_counted: bool,
    /// `From -`.
    pub is_netscape: bool,
    /// `From <digits>@xxx`.
    pub is_takeout: bool,
    /// `From user at host`.
    pub is_pipermail: bool,
    /// Separators stand without a blank line before them.
    pub lacks_blank_lines: bool,
}

/// The messages of one file, one after the other.
pub struct Messages<R> {
    input: R,
    buffer: Vec<u8>,
    /// The file's offset of the buffer's first byte.
    base: u64,
    /// What was looked at, in the buffer.
    at: usize,
    is_at_end: bool,
    /// Whether a separator line stands at `at`.
    is_open: bool,
    /// `git format-patch` lines separate only in a file that starts with one.
    takes_patches: bool,
    envelope: Vec<u8>,
    head: Vec<u8>,
    separator: memmem::Finder<'static>,
    /// What is known of the file so far.
    pub dialect: Dialect,
}

/// The file is no mbox: its first line, to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotMbox {
    /// What stands where the first separator should.
    pub first_line: String,
}

impl<R: Read + Seek> Messages<R> {
    /// Starts at the beginning of a file. An empty file has no messages; a file that does not start
    /// with a separator is no mbox.
    pub fn open(input: R) -> io::Result<Result<Self, NotMbox>> {
        let mut messages = Self {
            input,
            buffer: Vec::with_capacity(CHUNK + 2 * LINE),
            base: 0,
            at: 0,
            is_at_end: false,
            is_open: false,
            takes_patches: false,
            envelope: Vec::new(),
            head: Vec::new(),
            separator: memmem::Finder::new(b"\nFrom "),
            dialect: Dialect::default(),
        };
        messages.fill()?;
        if messages.buffer.starts_with(b"\xEF\xBB\xBF") {
            messages.dialect.has_bom = true;
            messages.at = 3;
        }
        loop {
            while messages.at < messages.buffer.len() && messages.buffer[messages.at].is_ascii_whitespace() {
                messages.at += 1;
            }
            if messages.at < messages.buffer.len() || messages.is_at_end {
                break;
            }
            messages.fill()?;
        }
        messages.ensure(2 * LINE)?;
        let rest = &messages.buffer[messages.at..];
        if rest.is_empty() {
            return Ok(Ok(messages));
        }
        messages.takes_patches = is_patch(first_line(rest));
        if !is_separator(rest, Before::Nothing, messages.takes_patches) {
            let line = first_line(rest);
            let first_line = String::from_utf8_lossy(&line[..line.len().min(60)]).into_owned();
            return Ok(Err(NotMbox { first_line }));
        }
        messages.is_open = true;
        Ok(Ok(messages))
    }

    /// The envelope line of the message found last, without its line end.
    pub fn envelope(&self) -> &[u8] {
        &self.envelope
    }

    /// The header block of the message found last, up to and with the blank line.
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// How far the file has been read, in bytes.
    pub fn position(&self) -> u64 {
        self.base + self.at as u64
    }

    /// Finds the next message.
    pub fn next_message(&mut self) -> io::Result<Option<Message>> {
        if !self.is_open {
            return Ok(None);
        }
        self.is_open = false;
        self.ensure(2 * LINE)?;
        self.take_envelope();
        let offset = self.position();
        if let Some(end) = self.take_head(offset)? {
            return Ok(Some(Message { offset, length: end - offset }));
        }
        let body = offset + self.head.len() as u64;
        if let Some(end) = self.counted_end(body)? {
            return Ok(Some(Message { offset, length: end - offset }));
        }
        let end = self.find_end(body)?;
        Ok(Some(Message { offset, length: end.max(offset) - offset }))
    }

    fn take_envelope(&mut self) {
        let rest = &self.buffer[self.at..];
        let line = first_line(rest);
        self.envelope.clear();
        self.envelope.extend_from_slice(line.trim_ascii_end());
        self.dialect.is_crlf |= line.ends_with(b"\r");
        let after = line.get(5..).unwrap_or_default();
        self.dialect.is_netscape |= after.starts_with(b"-");
        self.dialect.is_takeout |= is_takeout(after);
        self.dialect.is_pipermail |= is_pipermail(after);
        self.at += (line.len() + 1).min(rest.len());
    }

    /// Copies the header block. Gives the message's end when the next separator comes before any body.
    fn take_head(&mut self, offset: u64) -> io::Result<Option<u64>> {
        self.head.clear();
        let mut is_first = true;
        loop {
            self.ensure(2 * LINE)?;
            let rest = &self.buffer[self.at..];
            if rest.is_empty() {
                return Ok(Some(self.base + self.buffer.len() as u64));
            }
            let length = memchr(b'\n', rest).map_or(rest.len(), |n| n + 1);
            let line = &rest[..length];
            if !is_first && line.starts_with(b"From ") && is_separator(rest, Before::Text, self.takes_patches) {
                self.is_open = true;
                self.dialect.lacks_blank_lines = true;
                return Ok(Some(self.position()));
            }
            is_first = false;
            self.head.extend_from_slice(line);
            self.at += length;
            if matches!(line, b"\n" | b"\r\n") && self.head.len() > line.len() {
                break;
            }
            if self.head.len() > HEAD {
                break;
            }
        }
        debug_assert_eq!(offset + self.head.len() as u64, self.position());
        Ok(None)
    }

    /// The message's end by `Content-Length`, if it leads to a separator or to the end of the file.
    fn counted_end(&mut self, body: u64) -> io::Result<Option<u64>> {
        let Some(length) = content_length(&self.head) else { return Ok(None) };
        let Some(target) = body.checked_add(length) else { return Ok(None) };
        let in_buffer = usize::try_from(target - self.base).ok().filter(|&at| at <= self.buffer.len());
        let is_in_buffer = in_buffer.is_some_and(|at| self.buffer.len() - at >= 2 * LINE || self.is_at_end);
        if !is_in_buffer {
            let back = self.base + self.buffer.len() as u64;
            let mut probe = Vec::with_capacity(2 * LINE);
            self.input.seek(SeekFrom::Start(target))?;
            Read::by_ref(&mut self.input).take(2 * LINE as u64).read_to_end(&mut probe)?;
            let file_end = self.input.seek(SeekFrom::End(0))?;
            if target > file_end || separator_after_blanks(&probe, self.takes_patches).is_none() {
                self.input.seek(SeekFrom::Start(back))?;
                return Ok(None);
            }
            self.input.seek(SeekFrom::Start(target))?;
            self.buffer.clear();
            self.base = target;
            self.at = 0;
            self.is_at_end = false;
            self.ensure(2 * LINE)?;
        } else {
            let at = in_buffer.unwrap_or_default();
            if separator_after_blanks(&self.buffer[at..], self.takes_patches).is_none() {
                return Ok(None);
            }
            self.at = at;
        }
        let blanks = separator_after_blanks(&self.buffer[self.at..], self.takes_patches).unwrap_or_default();
        self.at += blanks;
        self.is_open = self.at < self.buffer.len();
        self.dialect.is_counted = true;
        Ok(Some(target))
    }

    /// Looks for the next separator in the body that starts at `body`.
    fn find_end(&mut self, body: u64) -> io::Result<u64> {
        // The blank line that ended the header can be the one before a separator.
        self.at = self.at.saturating_sub(1);
        loop {
            let Some(found) = self.separator.find(&self.buffer[self.at..]) else {
                if self.is_at_end {
                    self.at = self.buffer.len();
                    let end = self.position();
                    let blank = blank_before(&self.buffer, self.buffer.len());
                    return Ok(end.saturating_sub(blank as u64).max(body));
                }
                // Six bytes may be the beginning of a separator, and four before them a blank line.
                let keep = self.buffer.len().saturating_sub(6).max(self.at);
                self.at = keep;
                self.fill()?;
                continue;
            };
            let line = self.at + found + 1;
            self.at = line - 1;
            self.ensure(2 * LINE + 1)?;
            let line = self.at + 1;
            let blank = blank_before(&self.buffer, line);
            let before = if blank > 0 || self.base + line as u64 == body { Before::Blank } else { Before::Text };
            self.at = line;
            if is_separator(&self.buffer[line..], before, self.takes_patches) {
                self.is_open = true;
                self.dialect.lacks_blank_lines |= before == Before::Text;
                return Ok((self.base + line as u64).saturating_sub(blank as u64).max(body));
            }
        }
    }

    /// Makes sure that this many bytes lie behind `at`, unless the file ends before.
    fn ensure(&mut self, bytes: usize) -> io::Result<()> {
        while self.buffer.len() - self.at < bytes && !self.is_at_end {
            self.fill()?;
        }
        Ok(())
    }

    /// Reads on, dropping what lies well before `at`.
    fn fill(&mut self) -> io::Result<()> {
        // A blank line before `at` must stay visible.
        const BEHIND: usize = 8;
        let drop = self.at.saturating_sub(BEHIND);
        self.buffer.drain(..drop);
        self.base += drop as u64;
        self.at -= drop;
        let wanted = CHUNK.saturating_sub(self.buffer.len()).max(CHUNK / 4);
        let read = Read::by_ref(&mut self.input).take(wanted as u64).read_to_end(&mut self.buffer)?;
        self.is_at_end = read < wanted;
        Ok(())
    }
}

/// Whether these first bytes of a file are those of an mbox that is not empty.
pub fn starts_mbox(start: &[u8]) -> bool {
    let start = start.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(start).trim_ascii_start();
    is_separator(start, Before::Nothing, true)
}

/// What stands before a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    /// The line is the first.
    Nothing,
    /// A blank line.
    Blank,
    /// Another line.
    Text,
}

fn first_line(text: &[u8]) -> &[u8] {
    let line = &text[..memchr(b'\n', text).unwrap_or(text.len())];
    &line[..line.len().min(LINE)]
}

/// Whether the text starts with a separator line and a header field after it.
fn is_separator(text: &[u8], before: Before, takes_patches: bool) -> bool {
    if !text.starts_with(b"From ") {
        return false;
    }
    let Some(end) = memchr(b'\n', &text[..text.len().min(LINE)]) else { return false };
    let line = text[..end].trim_ascii_end();
    let next = &text[end + 1..];
    let next = &next[..memchr(b'\n', next).unwrap_or(next.len()).min(LINE)];
    if !is_header(next) {
        return false;
    }
    if is_patch(line) && !takes_patches {
        return false;
    }
    let sender = line.get(5..).unwrap_or_default();
    if sender == b"-" || sender.starts_with(b"- ") || is_takeout(sender) || is_dated(sender) {
        return true;
    }
    before != Before::Text && is_bare_sender(sender) && is_known_header(next)
}

/// How many bytes of blank lines stand before a separator or the end; `None` when something else does.
fn separator_after_blanks(text: &[u8], takes_patches: bool) -> Option<usize> {
    const BLANKS: usize = 6;
    let blanks = text.iter().take(BLANKS).take_while(|byte| matches!(byte, b'\n' | b'\r')).count();
    let rest = &text[blanks..];
    (rest.is_empty() || is_separator(rest, Before::Blank, takes_patches)).then_some(blanks)
}

fn is_header(line: &[u8]) -> bool {
    if line.starts_with(b">From ") {
        return true;
    }
    let Some((name_end, value)) = field_name(line) else { return false };
    let is_name = line[0].is_ascii_alphabetic()
        && line[..name_end].iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    // `http://…` is no field.
    is_name && !line[value..].starts_with(b"//")
}

/// Fields that stand first in a real message; asked for where the envelope says little.
fn is_known_header(line: &[u8]) -> bool {
    const NAMES: [&str; 16] = [
        "from",
        "to",
        "date",
        "subject",
        "received",
        "return-path",
        "message-id",
        "mime-version",
        "delivered-to",
        "reply-to",
        "status",
        "sender",
        "cc",
        "references",
        "in-reply-to",
        "importance",
    ];
    let Some((name_end, _)) = field_name(line) else { return line.starts_with(b">From ") };
    let name = line[..name_end].to_ascii_lowercase();
    name.starts_with(b"x-") || name.starts_with(b"content-") || NAMES.iter().any(|known| known.as_bytes() == name)
}

/// Gmail: `1780000000000000000@xxx`.
fn is_takeout(sender: &[u8]) -> bool {
    let digits = sender.iter().take_while(|byte| byte.is_ascii_digit()).count();
    digits >= 8 && sender[digits..].starts_with(b"@xxx")
}

/// Pipermail: `user at host.org  Mon Jan …`.
fn is_pipermail(sender: &[u8]) -> bool {
    let mut words = sender.split(|&byte| byte == b' ');
    matches!((words.next(), words.next(), words.next()), (Some(_), Some(b"at"), Some(host)) if memchr(b'.', host).is_some())
}

/// `0123…cdef Mon Sep 17 00:00:00 2001`, the fixed envelope of `git format-patch`.
fn is_patch(line: &[u8]) -> bool {
    let Some(rest) = line.strip_prefix(b"From ") else { return false };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    matches!(digits, 40 | 64) && rest[digits..].starts_with(b" Mon Sep 17 00:00:00 2001")
}

/// Whether a time of day and a year stand somewhere behind the sender.
fn is_dated(sender: &[u8]) -> bool {
    let mut has_time = false;
    let mut has_year = false;
    for word in sender.split(|&byte| byte == b' ').skip(1) {
        let is_digit = |n: usize| word.get(n).is_some_and(u8::is_ascii_digit);
        has_time |= matches!(word, [_, b':', ..] if is_digit(0) && is_digit(2) && is_digit(3))
            || matches!(word, [_, _, b':', ..] if is_digit(0) && is_digit(1) && is_digit(3) && is_digit(4));
        has_year |= word.len() == 4
            && word.iter().all(u8::is_ascii_digit)
            && (word.starts_with(b"19") || word.starts_with(b"20"));
    }
    has_time && has_year
}

/// An address and nothing else, or nothing at all.
fn is_bare_sender(sender: &[u8]) -> bool {
    let sender = sender.trim_ascii();
    let is_address = memchr(b'@', sender).is_some() && memchr(b' ', sender).is_none();
    sender.is_empty() || is_address || is_pipermail(sender) || sender.eq_ignore_ascii_case(b"MAILER-DAEMON")
}

/// The length of the blank line that ends at `at`, which follows a line end.
fn blank_before(buffer: &[u8], at: usize) -> usize {
    match &buffer[..at] {
        [.., b'\n', b'\n'] => 1,
        [.., b'\n', b'\r', b'\n'] => 2,
        _ => 0,
    }
}

fn content_length(head: &[u8]) -> Option<u64> {
    const NAME: &[u8] = b"Content-Length";
    memmem::find(head, b"ength:").or_else(|| memmem::find(head, b"ENGTH:"))?;
    let is_length = |field: &Field<'_>| field.name.eq_ignore_ascii_case(NAME);
    let field = Fields::of_message(head).find(is_length)?;
    std::str::from_utf8(field.value).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn split(text: &[u8]) -> Result<Vec<String>, NotMbox> {
        let mut messages = Messages::open(Cursor::new(text)).unwrap()?;
        let mut found = Vec::new();
        while let Some(message) = messages.next_message().unwrap() {
            let (from, to) = (message.offset as usize, (message.offset + message.length) as usize);
            assert!(text[from..to].starts_with(&messages.head()[..messages.head().len().min(to - from)]));
            found.push(String::from_utf8_lossy(&text[from..to]).into_owned());
        }
        Ok(found)
    }

    #[test]
    fn messages_are_cut_at_separators_only() {
        const E: &str = "From a@b.org Mon Jan 15 10:30:00 2024\n";
        let cases: Vec<(&str, String, Vec<&str>)> = vec![
            ("empty", String::new(), vec![]),
            ("blank", "\n\n".into(), vec![]),
            ("one", format!("{E}A: 1\n\nx\n"), vec!["A: 1\n\nx\n"]),
            ("two", format!("{E}A: 1\n\nx\n\n{E}A: 2\n\ny\n"), vec!["A: 1\n\nx\n", "A: 2\n\ny\n"]),
            ("no final line end", format!("{E}A: 1\n\nx"), vec!["A: 1\n\nx"]),
            ("no blank line before", format!("{E}A: 1\n\nx\n{E}A: 2\n\ny\n"), vec!["A: 1\n\nx\n", "A: 2\n\ny\n"]),
            ("no body", format!("{E}A: 1\n\n{E}A: 2\n\n"), vec!["A: 1\n\n", "A: 2\n\n"]),
            ("no blank line at all", format!("{E}A: 1\n{E}A: 2\n"), vec!["A: 1\n", "A: 2\n"]),
            ("prose", format!("{E}A: 1\n\nx\n\nFrom here on\ny\n"), vec!["A: 1\n\nx\n\nFrom here on\ny\n"]),
            (
                "prose, then something like a field",
                format!("{E}A: 1\n\n\nFrom Russia with love\nYear: 1963\n"),
                vec!["A: 1\n\n\nFrom Russia with love\nYear: 1963\n"],
            ),
            ("an envelope without a header", format!("{E}A: 1\n\nx\n\n{E}y\n"), vec!["A: 1\n\nx\n\nFrom a@b.org Mon Jan 15 10:30:00 2024\ny\n"]),
            (
                "an envelope before a link",
                format!("{E}A: 1\n\nx\n\n{E}http://x\n"),
                vec!["A: 1\n\nx\n\nFrom a@b.org Mon Jan 15 10:30:00 2024\nhttp://x\n"],
            ),
            (
                "a patch inside",
                format!("{E}A: 1\n\nx\n\nFrom {} Mon Sep 17 00:00:00 2001\nFrom: c\n", "0a".repeat(20)),
                vec!["A: 1\n\nx\n\nFrom 0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a Mon Sep 17 00:00:00 2001\nFrom: c\n"],
            ),
            ("Netscape", "From - \nA: 1\n\nx\nFrom - Mon Jan 15 10:30:00 2024\nA: 2\n\ny\n".into(), vec!["A: 1\n\nx\n", "A: 2\n\ny\n"]),
            ("Takeout", "From 1780000000000000000@xxx\nA: 1\n\nx\nFrom 1780000000000000001@xxx\nA: 2\n\n".into(), vec!["A: 1\n\nx\n", "A: 2\n\n"]),
            (
                "Pipermail",
                "From a at b.org  Mon Jan 15 10:30:00 2024\nA: 1\n\nx\n\nFrom a at b.org  Mon Jan 15 10:30:00 2024\nA: 2\n\ny\n".into(),
                vec!["A: 1\n\nx\n", "A: 2\n\ny\n"],
            ),
            ("daemon", "From MAILER-DAEMON\nDate: x\n\nx\n\nFrom MAILER-DAEMON\nDate: y\n\ny\n".into(), vec!["Date: x\n\nx\n", "Date: y\n\ny\n"]),
            ("address alone", "From a@b\nDate: x\n\nx\n\nFrom a@b\nDate: y\n\ny\n".into(), vec!["Date: x\n\nx\n", "Date: y\n\ny\n"]),
            (
                "spaces in the sender",
                "From Ann Lee Mon Jan 15 10:30:00 CET 2024\nA: 1\n\nx\n".into(),
                vec!["A: 1\n\nx\n"],
            ),
            ("CRLF", "From a@b Mon Jan 15 10:30:00 2024\r\nA: 1\r\n\r\nx\r\n\r\nFrom a@b Mon Jan 15 10:30:00 2024\r\nA: 2\r\n\r\ny\r\n".into(), vec!["A: 1\r\n\r\nx\r\n", "A: 2\r\n\r\ny\r\n"]),
            ("byte-order mark", format!("\u{FEFF}{E}A: 1\n\nx\n"), vec!["A: 1\n\nx\n"]),
            ("blank lines first", format!("\n\n{E}A: 1\n\nx\n"), vec!["A: 1\n\nx\n"]),
            ("quoted envelope first", format!("{E}>From c@d\nA: 1\n\nx\n"), vec![">From c@d\nA: 1\n\nx\n"]),
            (
                "counted",
                format!("{E}Content-Length: 44\n\n{E}A: 1\n\n\n{E}A: 2\n\ny\n"),
                vec!["Content-Length: 44\n\nFrom a@b.org Mon Jan 15 10:30:00 2024\nA: 1\n\n", "A: 2\n\ny\n"],
            ),
            (
                "counted wrongly",
                format!("{E}Content-Length: 4\n\nxyz uvw\n\n{E}A: 2\n\ny\n"),
                vec!["Content-Length: 4\n\nxyz uvw\n", "A: 2\n\ny\n"],
            ),
        ];
        for (name, text, expected) in cases {
            assert_eq!(
                split(text.as_bytes()).as_deref(),
                Ok(&expected.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>()[..]),
                "{name}"
            );
        }
        let latin = b"From \xE9@b Mon Jan 15 10:30:00 2024\nA: 1\n\nx\n";
        assert_eq!(split(latin).unwrap().len(), 1);
    }

    #[test]
    fn what_is_no_mbox_is_said_to_be_none() {
        for text in
            ["This isn't an mbox.\n", "id,subject\n1,x\n", "{\"id\":1}\n", "From here on\n\n", "From: a@b\n\nx\n"]
        {
            assert!(split(text.as_bytes()).is_err(), "{text}");
            assert!(!starts_mbox(text.as_bytes()), "{text}");
        }
        assert!(starts_mbox(b"\xEF\xBB\xBF\nFrom - \nSubject: x\n"));
    }

    #[test]
    fn messages_larger_than_the_buffer_are_cut_at_the_same_places() {
        for size in [CHUNK - 40, CHUNK - 7, CHUNK - 1, CHUNK, CHUNK + 3, 3 * CHUNK] {
            let mut text = Vec::new();
            let mut expected = Vec::new();
            for n in 0..3 {
                text.extend_from_slice(b"From a@b.org Mon Jan 15 10:30:00 2024\n");
                let start = text.len();
                text.extend_from_slice(format!("A: {n}\n\n").as_bytes());
                text.extend(std::iter::repeat_n(b"0123456789 From \n".iter().copied(), size / 17).flatten());
                text.extend(std::iter::repeat_n(b'x', size % 17));
                text.push(b'\n');
                expected.push(Message { offset: start as u64, length: (text.len() - start) as u64 });
                text.push(b'\n');
            }
            let mut messages = Messages::open(Cursor::new(&text)).unwrap().unwrap();
            let mut found = Vec::new();
            while let Some(message) = messages.next_message().unwrap() {
                found.push(message);
            }
            assert_eq!(found, expected, "{size}");
        }
    }

    #[test]
    fn a_count_far_beyond_the_buffer_is_followed() {
        let body = "From a@b.org Mon Jan 15 10:30:00 2024\nA: 1\n\n".repeat(CHUNK / 20);
        let text = format!("From - \nContent-Length: {}\n\n{body}\nFrom - \nA: 2\n\ny\n", body.len());
        let mut messages = Messages::open(Cursor::new(text.as_bytes())).unwrap().unwrap();
        assert!(messages.next_message().unwrap().unwrap().length > body.len() as u64);
        assert!(messages.next_message().unwrap().is_some());
        assert_eq!(messages.next_message().unwrap(), None);
        assert!(messages.dialect.is_counted);
    }
}
