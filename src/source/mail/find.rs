//! Finds messages: what a file of an archive of mail is, and what its name says about the mails in it.
//!
//! A file is an mbox, one mail (`.eml`, Apple's `.emlx`, a file of a Maildir, or any file that begins with a mail's
//! header), something that a mail program keeps for itself, or a stranger.

use std::collections::HashSet;
use std::io::{self, Read};

use jiff::Timestamp;

use super::split;
use crate::input::{Head, HeadFile, Input, InputFile};
use crate::mail::folder;
use crate::mail::header::Fields;
use crate::mail::labels::System;

/// How much of a mail is read for its header block at first; most are shorter.
const HEAD_BYTES: u64 = 64 * 1024;

/// A header block is looked at this far; no real one is longer.
const MOST_HEAD_BYTES: u64 = 512 * 1024;

/// The longest line before a mail that belongs to its container: an envelope line, or Apple's count of bytes.
const LINE: usize = 500;

/// Endings of files that other archives consist of.
const DATA_ENDINGS: &[&str] =
    &["json", "jsonl", "ndjson", "csv", "tsv", "tab", "xml", "xlsx", "xlsm", "xlsb", "xls", "ods", "sql"];

/// Endings of further files that are what they say, wherever they lie.
const OTHER_ENDINGS: &[&str] = &["html", "htm", "pdf", "zip", "msf"];

/// Whether files with this ending are no mails, whatever they begin with.
fn is_foreign(ending: &str) -> bool {
    DATA_ENDINGS.contains(&ending) || OTHER_ENDINGS.contains(&ending)
}

/// What a file is.
#[derive(Debug)]
pub enum Found {
    /// Many mails, for [`split`].
    Mbox,
    /// One mail.
    Mail(Single),
    /// Lists and settings of a mail program, and mails that were never delivered.
    Kept,
    /// None of these.
    Stranger(Stranger),
}

/// Why a file is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stranger {
    /// It begins with this.
    Starts(String),
    /// There is nothing in it.
    Empty,
}

/// One mail in a file of its own.
#[derive(Debug)]
pub struct Single {
    /// The first byte of the message.
    pub offset: u64,
    /// Its length in bytes.
    pub length: u64,
    /// The header block, at least.
    pub head: Vec<u8>,
    /// What stands for an envelope line; may be empty.
    pub envelope: Vec<u8>,
    /// In which form it is kept.
    pub form: Form,
}

/// How a mail of its own is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// In a Maildir.
    Maildir,
    /// As it is.
    Plain,
    /// Between a count of bytes and a property list.
    Emlx,
}

impl Form {
    /// Under the name that a report uses.
    pub fn named(self) -> &'static str {
        match self {
            Self::Maildir => "Maildir",
            Self::Plain => "one mail a file",
            Self::Emlx => "emlx",
        }
    }
}

/// Where a file of a Maildir lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seat<'a> {
    /// The folder that holds `cur`, `new` and `tmp`; empty at the top.
    root: &'a str,
    /// Whether it is in `tmp`, and so was never delivered.
    is_tmp: bool,
    /// The file's name.
    name: &'a str,
}

const SLASHES: [char; 2] = ['/', '\\'];

/// Where a file lies in a Maildir, if it lies in one by its name.
pub fn seat(shown: &str) -> Option<Seat<'_>> {
    let (folder, name) = shown.rsplit_once(SLASHES).unwrap_or(("", shown));
    let (root, part) = folder.rsplit_once(SLASHES).unwrap_or(("", folder));
    if !matches!(part, "cur" | "new" | "tmp") || is_named_otherwise(name) || is_kept(name) {
        return None;
    }
    Some(Seat { root, is_tmp: part == "tmp", name })
}

/// Whether the name's ending says that it is no file of a Maildir.
fn is_named_otherwise(name: &str) -> bool {
    let ending = ending(name);
    is_foreign(&ending) || matches!(&*ending, "eml" | "emlx" | "mbox" | "mbx")
}

fn ending(name: &str) -> String {
    let name = name.rsplit_once(SLASHES).map_or(name, |(_, name)| name);
    name.rsplit_once('.').map(|(_, ending)| ending.to_lowercase()).unwrap_or_default()
}

/// The flags in a file's name: what follows `:2,`, or `;2,` and `!2,` where a colon cannot stand.
fn flags(shown: &str) -> &str {
    let at = [":2,", ";2,", "!2,"].iter().filter_map(|separator| shown.rfind(separator)).max();
    at.map_or("", |at| shown[at + 3..].split([',', '/', '\\']).next().unwrap_or_default())
}

/// What mail servers and mail programs keep beside the mails.
fn is_kept(name: &str) -> bool {
    let name = name.rsplit_once(SLASHES).map_or(name, |(_, name)| name).to_lowercase();
    const NAMES: [&str; 8] = [
        "maildirfolder",
        "maildirsize",
        "subscriptions",
        "courierimapsubscribed",
        "courierimapuiddb",
        "courierimapacl",
        "courierpop3dsizelist",
        ".mh_sequences",
    ];
    NAMES.contains(&&*name) || name.starts_with("dovecot") || name.ends_with(".msf")
}

/// What the names of all files together say.
pub struct Names<'i> {
    /// Folders that hold a `cur` or a `new`.
    maildirs: HashSet<&'i str>,
    /// Whether there is one file only, which the operator must have meant.
    is_single: bool,
}

impl<'i> Names<'i> {
    /// Looks through the names of an archive.
    pub fn of(input: &'i Input) -> Self {
        let seats = input.files().iter().filter_map(|file| seat(&file.shown)).filter(|seat| !seat.is_tmp);
        Self { maildirs: seats.map(|seat| seat.root).collect(), is_single: input.files().len() == 1 }
    }

    /// Says what a file is.
    pub fn examine(&self, file: &InputFile) -> io::Result<Found> {
        let seat = seat(&file.shown).filter(|seat| self.maildirs.contains(seat.root));
        // Keywords are a folder of Courier's, beside `cur`.
        let is_keyword = file.shown.split(SLASHES).any(|part| part == "courierimapkeywords");
        if seat.is_some_and(|seat| seat.is_tmp) || is_keyword || (is_kept(&file.shown) && !self.is_single) {
            return Ok(Found::Kept);
        }
        let ending = ending(&file.shown);
        let is_named = matches!(&*ending, "eml" | "emlx");
        let mut start = Vec::new();
        let mut open = file.open()?;
        Read::by_ref(&mut open).take(HEAD_BYTES).read_to_end(&mut start)?;
        let is_mail = seat.is_some() || is_named;
        if (!is_mail || self.is_single) && (split::starts_mbox(&start) || !is_mail && is_blank(&start)) {
            return Ok(Found::Mbox);
        }
        if is_blank(&start) {
            return Ok(Found::Stranger(Stranger::Empty));
        }
        if !is_mail && (ending == "mbox" || is_foreign(&ending) || !starts_mail(&start)) {
            return Ok(Found::Stranger(Stranger::Starts(first_line(&start))));
        }
        let form = match seat {
            Some(_) => Form::Maildir,
            None => Form::Plain,
        };
        let (offset, length, form) = match counted(&start, file.length).filter(|_| ending == "emlx") {
            Some((offset, length)) => (offset, length, Form::Emlx),
            None => {
                let offset = after_envelope(&start) as u64;
                (offset, file.length - offset, form)
            }
        };
        // A longer header block is rare, and wanted whole.
        if !has_header_end(&start) {
            open.take(MOST_HEAD_BYTES - HEAD_BYTES).read_to_end(&mut start)?;
        }
        let envelope = envelope(&file.shown, &start[..offset as usize]);
        let most = usize::try_from(offset + length).unwrap_or(usize::MAX).min(start.len());
        let head = start[offset as usize..most].to_vec();
        Ok(Found::Mail(Single { offset, length, head, envelope, form }))
    }
}

/// What stands for the envelope line of a mail of its own: the line before it, else the time in a Maildir's name.
pub fn envelope(shown: &str, before: &[u8]) -> Vec<u8> {
    let line = last_line(before);
    if line.starts_with(b"From ") {
        return line.to_vec();
    }
    seat(shown).and_then(|seat| delivered(seat.name)).map(String::into_bytes).unwrap_or_default()
}

/// The line that these bytes end with, without its end.
pub fn last_line(before: &[u8]) -> &[u8] {
    let line = before.strip_suffix(b"\n").unwrap_or(before);
    let start = memchr::memrchr(b'\n', line).map_or(0, |at| at + 1);
    line[start..].trim_ascii_end()
}

/// `1700000000.M1P2.host:2,S` was delivered in the second that it begins with.
fn delivered(name: &str) -> Option<String> {
    let digits = name.split_once('.')?.0;
    if !(9..=10).contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let at = Timestamp::from_second(digits.parse().ok()?).ok()?;
    Some(at.strftime("From maildir %a %b %d %H:%M:%S +0000 %Y").to_string())
}

fn is_blank(start: &[u8]) -> bool {
    without_mark(start).iter().all(u8::is_ascii_whitespace)
}

fn without_mark(start: &[u8]) -> &[u8] {
    start.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(start)
}

fn first_line(start: &[u8]) -> String {
    let text = without_mark(start).trim_ascii_start();
    let line = &text[..memchr::memchr(b'\n', text).unwrap_or(text.len())];
    String::from_utf8_lossy(&line[..line.len().min(60)]).trim_end().to_owned()
}

fn has_header_end(start: &[u8]) -> bool {
    [&b"\n\n"[..], b"\r\n\r\n", b"\r\r"].iter().any(|end| memchr::memmem::find(start, end).is_some())
}

/// Whether a file begins with the header of a mail, beyond doubt.
pub fn starts_mail(start: &[u8]) -> bool {
    const TELLING: [&[u8]; 10] = [
        b"From",
        b"To",
        b"Date",
        b"Subject",
        b"Message-ID",
        b"Received",
        b"Return-Path",
        b"MIME-Version",
        b"Delivered-To",
        b"Content-Type",
    ];
    let text = &start[after_envelope(start)..];
    let is_telling = |name: &[u8]| TELLING.iter().any(|known| known.eq_ignore_ascii_case(name));
    let line = &text[..memchr::memchr(b'\n', text).unwrap_or(text.len())];
    if crate::mail::header::field_name(line).is_none() {
        return false;
    }
    let mut seen: Vec<&[u8]> = Vec::new();
    for field in Fields::of_message(text) {
        if is_telling(field.name) && !seen.iter().any(|name| name.eq_ignore_ascii_case(field.name)) {
            seen.push(field.name);
        }
    }
    seen.len() >= 2
}

/// Where the message begins behind a byte-order mark, blank lines and an envelope line.
fn after_envelope(start: &[u8]) -> usize {
    let text = without_mark(start).trim_ascii_start();
    let at = start.len() - text.len();
    if !text.starts_with(b"From ") {
        return at;
    }
    let line = memchr::memchr(b'\n', &text[..text.len().min(LINE)]);
    line.map_or(at, |end| at + end + 1)
}

/// Where an `.emlx` keeps its message: its first line says how many bytes, and what follows them is a property list.
fn counted(start: &[u8], file_length: u64) -> Option<(u64, u64)> {
    let end = memchr::memchr(b'\n', &start[..start.len().min(LINE)])?;
    let count: u64 = std::str::from_utf8(&start[..end]).ok()?.trim().parse().ok()?;
    let offset = end as u64 + 1;
    Some((offset, count.min(file_length - offset)))
}

/// The folder that a mail lies in, for people and for mappings; `None` for what lies at the top of no folder.
///
/// `.INBOX.Archive/cur/…` is `INBOX/Archive`, the top of a Maildir is `INBOX`.
pub fn folder(shown: &str) -> Option<String> {
    let names = folder_names(shown);
    match names.is_empty() {
        true => seat(shown).map(|_| "INBOX".to_owned()),
        false => Some(names.join("/")),
    }
}

fn folder_names(shown: &str) -> Vec<String> {
    let root = match seat(shown) {
        Some(seat) => seat.root,
        None => shown.rsplit_once(SLASHES).map_or("", |(folder, _)| folder),
    };
    let mut names = Vec::new();
    for part in root.split(SLASHES).filter(|part| !part.is_empty()) {
        match part.strip_prefix('.').filter(|name| !name.is_empty() && !name.starts_with('.')) {
            Some(levels) => names.extend(levels.split('.').map(folder::decode)),
            None => names.push(folder::decode(part)),
        }
    }
    names
}

/// What folder and file name say about a mail: in the inbox, sent, a draft, spam, thrown away.
pub fn standing(shown: &str, is_mbox: bool) -> Vec<System> {
    // What the operator named with its whole path was meant as it is, whatever the folders around it are called.
    let is_whole = shown.starts_with(SLASHES) || shown.starts_with("..") || shown.as_bytes().get(1) == Some(&b':');
    let mut names = if is_whole && seat(shown).is_none() { Vec::new() } else { folder_names(shown) };
    if is_mbox {
        names.push(shown.rsplit_once(SLASHES).map_or(shown, |(_, name)| name).to_owned());
    }
    let mut found: Vec<System> = folder::system(names.iter().map(String::as_str)).into_iter().collect();
    if seat(shown).is_some() {
        if names.is_empty() {
            found.push(System::Inbox);
        }
        let flags = flags(shown);
        for (flag, system) in [('T', System::Trash), ('D', System::Draft)] {
            if flags.contains(flag) {
                found.retain(|known| *known != System::Inbox);
                found.push(system);
            }
        }
    }
    found
}

/// The flags of a Maildir's file in words: `seen`, `replied`, `flagged`, `passed`, `trashed`, `draft`.
pub fn marks(shown: &str) -> Option<String> {
    const WORDS: [(char, &str); 6] =
        [('S', "seen"), ('R', "replied"), ('F', "flagged"), ('P', "passed"), ('T', "trashed"), ('D', "draft")];
    seat(shown)?;
    let flags = flags(shown);
    let words: Vec<&str> = WORDS.iter().filter(|(flag, _)| flags.contains(*flag)).map(|(_, word)| *word).collect();
    (!words.is_empty()).then(|| words.join(" "))
}

/// What an archive of mail is called by, if it is one.
pub fn kind_of(head: &Head) -> Option<Kind> {
    let is_single = head.files.len() == 1;
    // Single mails that were cut out of an mbox keep its separator; a folder of them is no mbox.
    let is_mbox = |file: &HeadFile| {
        (is_single || !matches!(&*file.extension(), "eml" | "emlx"))
            && seat(&file.shown).is_none()
            && split::starts_mbox(&file.start)
    };
    if head.files.iter().any(is_mbox) {
        return Some(Kind::Mbox);
    }
    let depth = |file: &HeadFile| file.shown.matches(SLASHES).count();
    // Attachments of another archive lie deeper than its data.
    let data = head.files.iter().filter(|file| DATA_ENDINGS.contains(&&*file.extension())).map(depth).min();
    let is_apart = |file: &&HeadFile| data.is_none_or(|data| depth(file) < data);
    let is_message = |file: &HeadFile| starts_mail(&file.start) || split::starts_mbox(&file.start);
    let in_maildir = |file: &&HeadFile| seat(&file.shown).is_some_and(|seat| !seat.is_tmp);
    if head.files.iter().filter(in_maildir).any(|file| is_message(file) && is_apart(&file)) {
        return Some(Kind::Maildir);
    }
    let is_mail = |file: &HeadFile| match &*file.extension() {
        "eml" => !is_blank(&file.start),
        "emlx" => counted(&file.start, file.length).is_some() || starts_mail(&file.start),
        "mbox" => false,
        ending => !is_foreign(ending) && seat(&file.shown).is_none() && starts_mail(&file.start),
    };
    head.files.iter().any(|file| is_mail(file) && is_apart(&file)).then_some(Kind::Eml)
}

/// The three ways to keep mail, one for each source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Many mails in a file.
    Mbox,
    /// A mail server's folders.
    Maildir,
    /// A mail in each file.
    Eml,
}
