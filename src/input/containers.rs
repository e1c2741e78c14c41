//! Zip, tar, gzip, zstd and spreadsheets: opened up, so that everybody behind sees files.
//!
//! Promises:
//!
//! - What can be sought (tar, stored members of a zip) is read where it lies; the rest is spooled once, into one
//!   file without a name of its own.
//! - A name inside a container is shown and compared, and never reaches the file system.
//! - Growth, nesting and numbers are bounded, whatever a container claims about itself.
//! - A member that cannot be read is set aside with its place; the others go on.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use crate::finding::codes;
use crate::input::portion::Place;
use crate::input::workbook::{Form, Workbook};
use crate::input::{InputError, InputFile, MAIL_FOLDER};
use crate::record::{Oddity, Origin};

/// Members of one container; the largest help desks' dumps have a file for each of a few million tickets.
const MOST_MEMBERS: usize = 4_000_000;

/// Containers within containers: `dump.zip` with `mail.tar.gz` needs three.
const MOST_DEPTH: usize = 4;

/// What a container may always grow to, in bytes.
const FREE_GROWTH: u64 = 1 << 30;

/// Beyond [`FREE_GROWTH`]: how many times its own size; text archives reach 60.
const MOST_GROWTH: u64 = 250;

/// Room that is left on the disk, in bytes.
pub(crate) const ROOM_TO_LEAVE: u64 = 256 << 20;

/// How often the watcher and the room are asked, in bytes.
const WATCH_EVERY: u64 = 16 << 20;

/// The endings of files that hold data when they are compressed one by one.
const DATA_ENDINGS: &[&str] =
    &["json", "jsonl", "ndjson", "csv", "tsv", "tab", "txt", "mbox", "mbx", "eml", "xml", "sql", "tar"];

const TABLE_ENDINGS: &[&str] = &["csv", "tsv", "tab"];

const WORKBOOK_ENDINGS: &[&str] = &["xlsx", "xlsm", "xlsb", "xls", "ods"];

/// What a file is, if it is a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Gzip,
    Zstd,
    Zip,
    Tar,
    /// An `.xls`.
    OldWorkbook,
    /// Something that other programs open.
    Foreign(&'static str),
}

impl Kind {
    fn of(start: &[u8]) -> Option<Self> {
        const MAGIC: &[(&[u8], Kind)] = &[
            (b"\x1F\x8B\x08", Kind::Gzip),
            (b"\x28\xB5\x2F\xFD", Kind::Zstd),
            (b"PK\x03\x04", Kind::Zip),
            (b"PK\x05\x06", Kind::Zip),
            (b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", Kind::OldWorkbook),
            (b"BZh", Kind::Foreign("bzip2")),
            (b"\xFD7zXZ\0", Kind::Foreign("xz")),
            (b"7z\xBC\xAF\x27\x1C", Kind::Foreign("7z")),
            (b"Rar!\x1A\x07", Kind::Foreign("rar")),
            (b"!BDN", Kind::Foreign("Outlook's PST")),
        ];
        let known = MAGIC.iter().find(|(magic, _)| start.starts_with(magic)).map(|(_, kind)| *kind);
        known.or_else(|| is_tar(start).then_some(Self::Tar))
    }
}

/// A tar file begins with a header whose sum is right; old ones have no magic.
fn is_tar(start: &[u8]) -> bool {
    let Some(header) = start.get(..512) else { return false };
    if header[0] == 0 {
        return false;
    }
    let claimed = std::str::from_utf8(&header[148..156]).ok();
    let claimed = claimed.and_then(|text| u32::from_str_radix(text.trim_matches([' ', '\0']), 8).ok());
    let sum: u32 = header
        .iter()
        .enumerate()
        .map(|(at, byte)| u32::from(if (148..156).contains(&at) { b' ' } else { *byte }))
        .sum();
    claimed == Some(sum)
}

/// How far opening up has come.
#[derive(Debug, Clone, Copy)]
pub struct Unpacking {
    /// Bytes spooled so far.
    pub bytes: u64,
}

/// What was found in the containers.
pub(super) struct Unpacked {
    pub files: Vec<InputFile>,
    pub spool: Option<Arc<tempfile::TempPath>>,
    pub spooled: u64,
    pub oddities: Vec<Oddity>,
    pub kinds: Vec<&'static str>,
}

/// Opens containers up, one ARCHIVE after the other.
pub(super) struct Unpacker<'a> {
    scratch: &'a Path,
    watch: &'a dyn Fn(Unpacking) -> ControlFlow<()>,
    files: Vec<InputFile>,
    spool: Option<Spool>,
    oddities: Vec<Oddity>,
    kinds: Vec<&'static str>,
}

struct Spool {
    file: tempfile::NamedTempFile,
    path: Arc<Path>,
    length: u64,
}

/// Why a stream into the spool has ended early.
enum Ended {
    /// Nothing can go on.
    All(InputError),
    /// What it is read from is broken; that much was kept.
    Source { cause: io::Error, kept: Place },
}

impl From<InputError> for Ended {
    fn from(error: InputError) -> Self {
        Self::All(error)
    }
}

impl<'a> Unpacker<'a> {
    pub(super) fn new(scratch: &'a Path, watch: &'a dyn Fn(Unpacking) -> ControlFlow<()>) -> Self {
        Self { scratch, watch, files: Vec::new(), spool: None, oddities: Vec::new(), kinds: Vec::new() }
    }

    pub(super) fn finish(self) -> Result<Unpacked, InputError> {
        let (spool, spooled) = match self.spool {
            Some(mut spool) => {
                spool.file.flush().map_err(|cause| unspooled(self.scratch, cause))?;
                (Some(Arc::new(spool.file.into_temp_path())), spool.length)
            }
            None => (None, 0),
        };
        Ok(Unpacked { files: self.files, spool, spooled, oddities: self.oddities, kinds: self.kinds })
    }

    /// Standard input, which cannot be read twice where it is.
    pub(super) fn take_stream(&mut self, from: &mut dyn Read) -> Result<(), InputError> {
        let place = match self.keep("-", from, u64::MAX) {
            Ok(place) => place,
            Err(Ended::All(error)) => return Err(error),
            Err(Ended::Source { cause, .. }) => return Err(unspooled(self.scratch, cause)),
        };
        self.take_named(InputFile::part("-", place, None, "-"), 0)
    }

    /// A file that the operator named: opened up if it is a container.
    pub(super) fn take_named(&mut self, file: InputFile, depth: usize) -> Result<(), InputError> {
        let start = file.start_bytes(512).map_err(|cause| unreadable(&file, cause))?;
        match Kind::of(&start) {
            Some(kind) => self.open_up(&file, kind, depth, ""),
            None => {
                self.files.push(file);
                Ok(())
            }
        }
    }

    /// The files of a folder, or the members of a container; all are shown with the prefix.
    ///
    /// Attachments may be containers themselves and stay as they are: only at the top are any opened, and zip and tar
    /// files only where nothing but containers lies.
    pub(super) fn take_folder(&mut self, files: Vec<InputFile>, depth: usize, prefix: &str) -> Result<(), InputError> {
        let is_top = |file: &InputFile| !file.shown[prefix.len()..].contains(['/', '\\']);
        let is_container = |file: &InputFile| {
            is_any(file, &["zip", "tar", "tgz"]) || is_any(file, WORKBOOK_ENDINGS) || is_packed(file)
        };
        let top = || files.iter().filter(|file| is_top(file));
        let are_all = top().all(is_container);
        let are_tables =
            top().all(|file| is_any(file, TABLE_ENDINGS) || is_any(file, WORKBOOK_ENDINGS) || is_packed(file));
        for file in files {
            let is_meant = is_top(&file)
                && (is_packed(&file)
                    || are_all && is_container(&file)
                    || are_tables && is_any(&file, WORKBOOK_ENDINGS));
            let kind = match is_meant {
                true => Kind::of(&file.start_bytes(512).map_err(|cause| unreadable(&file, cause))?),
                false => None,
            };
            match kind {
                Some(Kind::Foreign(_)) | None => self.files.push(file),
                Some(kind) => {
                    let prefix = format!("{}/", file.shown);
                    self.open_up(&file, kind, depth, &prefix)?;
                }
            }
        }
        Ok(())
    }

    fn open_up(&mut self, file: &InputFile, kind: Kind, depth: usize, prefix: &str) -> Result<(), InputError> {
        if depth >= MOST_DEPTH {
            return Err(unusable(file, format!("it lies in more than {MOST_DEPTH} containers, one within the other")));
        }
        match kind {
            Kind::Gzip => {
                self.unpack(file, "gzip", depth, |packed| Ok(Box::new(flate2::bufread::MultiGzDecoder::new(packed))))
            }
            Kind::Zstd => {
                self.unpack(file, "zstd", depth, |packed| Ok(Box::new(Frames { packed: Some(packed), frame: None })))
            }
            Kind::Tar => self.tar(file, depth, prefix),
            Kind::Zip => self.zip(file, depth, prefix),
            Kind::OldWorkbook => self.workbook(file, Form::Xls, prefix),
            Kind::Foreign(name) => {
                let advice = match name {
                    "Outlook's PST" => "export the folders as mbox or .eml first, with `readpst` for example",
                    _ => "unpack it first",
                };
                Err(unusable(file, format!("{name} files are not read; {advice}")))
            }
        }
    }

    /// One compressed file.
    fn unpack(
        &mut self,
        file: &InputFile,
        kind: &'static str,
        depth: usize,
        decoder: impl FnOnce(BufReader<super::Portion>) -> io::Result<Box<dyn Read>>,
    ) -> Result<(), InputError> {
        self.note_kind(kind);
        let packed = file.open().map_err(|cause| unreadable(file, cause))?;
        let mut plain =
            decoder(BufReader::with_capacity(256 * 1024, packed)).map_err(|cause| unreadable(file, cause))?;
        let shown = unpacked_name(&file.shown);
        let place = match self.keep(&file.shown, &mut *plain, growth(file.length)) {
            Ok(place) => place,
            Err(Ended::All(error)) => return Err(error),
            Err(Ended::Source { cause, kept }) if kept.length > 0 => {
                let message =
                    format!("the {kind} file is cut off or damaged ({cause}); what comes before that was read");
                self.oddities.push(Oddity { code: codes::READ_TRUNCATED, origin: Origin::whole(&file.shown), message });
                kept
            }
            Err(Ended::Source { cause, .. }) => {
                return Err(unusable(file, format!("the {kind} file is damaged: {cause}")));
            }
        };
        self.take_named(InputFile::part(&shown, place, file.modified, &file.identity()), depth + 1)
    }

    fn tar(&mut self, file: &InputFile, depth: usize, prefix: &str) -> Result<(), InputError> {
        self.note_kind("tar");
        let mut archive = tar::Archive::new(file.open().map_err(|cause| unreadable(file, cause))?);
        let mut members = Members::new(file, prefix);
        let entries = archive.entries_with_seek().map_err(|cause| unreadable(file, cause))?;
        for entry in entries {
            let entry = match entry {
                Ok(entry) => entry,
                Err(cause) => {
                    let message =
                        format!("the tar file is cut off or damaged ({cause}); what comes before that was read");
                    self.oddities.push(Oddity {
                        code: codes::READ_TRUNCATED,
                        origin: Origin::whole(&file.shown),
                        message,
                    });
                    break;
                }
            };
            let kind = entry.header().entry_type();
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            if kind.is_gnu_sparse() {
                self.set_aside(file, &name, "it is stored with holes (a sparse file)");
            }
            if !(kind.is_file() || kind.is_contiguous()) {
                continue;
            }
            let (start, length) = (entry.raw_file_position(), entry.size());
            if start.saturating_add(length) > file.length {
                self.oddities.push(Oddity {
                    code: codes::READ_TRUNCATED,
                    origin: Origin::whole(&file.shown),
                    message: format!("the tar file ends in the middle of `{}`", plain(&name)),
                });
            }
            let length = length.min(file.length.saturating_sub(start));
            members.add(&name, Place { path: Arc::clone(&file.path), start: file.start + start, length })?;
        }
        self.take_folder(members.sorted(), depth + 1, prefix)
    }

    fn zip(&mut self, file: &InputFile, depth: usize, prefix: &str) -> Result<(), InputError> {
        let open = BufReader::new(file.open().map_err(|cause| unreadable(file, cause))?);
        let damaged = |cause: &dyn std::fmt::Display| {
            unusable(file, format!("the zip file is cut off or damaged: {cause}; was the download complete?"))
        };
        let mut archive = zip::ZipArchive::new(open).map_err(|cause| damaged(&cause))?;
        if archive.len() > MOST_MEMBERS {
            return Err(too_many(file));
        }
        if let Some((_, form)) = Form::MEMBERS.iter().find(|(name, _)| archive.index_for_name(name).is_some()) {
            return self.workbook(file, *form, prefix);
        }
        self.note_kind("zip");
        // The sizes are claims; they only save a start that cannot end well.
        let claimed: u64 = (0..archive.len())
            .filter_map(|index| archive.by_index_data(index).ok().map(|member| member.size()))
            .fold(0, u64::saturating_add);
        let most = growth(file.length);
        if claimed > most {
            return Err(too_large(&file.shown));
        }
        room_for(self.scratch, claimed)?;
        let mut members = Members::new(file, prefix);
        let mut left = most;
        for index in 0..archive.len() {
            let called = archive.name_for_index(index).and_then(Result::ok).unwrap_or_default().into_owned();
            let mut member = match archive.by_index(index) {
                Ok(member) => member,
                Err(zip::result::ZipError::UnsupportedArchive(zip::result::ZipError::PASSWORD_REQUIRED)) => {
                    return Err(unusable(file, "it is protected by a password; unpack it first".to_owned()));
                }
                Err(cause) => {
                    self.set_aside(file, &called, &cause.to_string());
                    continue;
                }
            };
            let name = if called.is_empty() { String::from_utf8_lossy(member.name_raw()).into_owned() } else { called };
            if member.is_dir() || member.is_symlink() || is_hidden(&name) {
                continue;
            }
            let stored = match member.compression() {
                zip::CompressionMethod::Stored if member.size() == member.compressed_size() => member.data_start(),
                _ => None,
            };
            let place = match stored {
                Some(start) if start.saturating_add(member.size()) <= file.length => {
                    Place { path: Arc::clone(&file.path), start: file.start + start, length: member.size() }
                }
                _ => match self.keep(&file.shown, &mut member, left) {
                    Ok(place) => place,
                    Err(Ended::All(error)) => return Err(error),
                    Err(Ended::Source { cause, .. }) => {
                        self.set_aside(file, &name, &cause.to_string());
                        continue;
                    }
                },
            };
            left = left.saturating_sub(place.length);
            members.add(&name, place)?;
        }
        self.take_folder(members.sorted(), depth + 1, prefix)
    }

    fn workbook(&mut self, file: &InputFile, form: Form, prefix: &str) -> Result<(), InputError> {
        self.note_kind("spreadsheet");
        let broken = |problem: String| unusable(file, format!("the spreadsheet cannot be read: {problem}"));
        let mut book = Workbook::open(&file.place(), form).map_err(|not| broken(not.0))?;
        for name in book.names() {
            let spool = self.spool()?;
            let start = spool.length;
            let mut counted = Counted { to: &mut spool.file, bytes: 0 };
            let written = book.write(&name, &mut counted);
            let bytes = counted.bytes;
            spool.length += bytes;
            let rows = written.map_err(|cause| unspooled(self.scratch, cause))?;
            match rows {
                Ok(0) => {}
                Ok(_) => {
                    let path = Arc::clone(&self.spool()?.path);
                    let shown = format!("{prefix}{}.csv", plain(&name).replace('/', "_"));
                    let place = Place { path, start, length: bytes };
                    let identity = format!("{}\0{name}", file.identity());
                    self.files.push(InputFile::part(&shown, place, file.modified, &identity));
                }
                Err(not) => self.set_aside(file, &name, &not.0),
            }
        }
        Ok(())
    }

    fn note_kind(&mut self, kind: &'static str) {
        if !self.kinds.contains(&kind) {
            self.kinds.push(kind);
        }
    }

    fn set_aside(&mut self, file: &InputFile, name: &str, why: &str) {
        let message = format!("`{}` cannot be read: {why}", plain(name));
        self.oddities.push(Oddity { code: codes::READ_BROKEN_PART, origin: Origin::whole(&file.shown), message });
    }

    fn spool(&mut self) -> Result<&mut Spool, InputError> {
        let spool = match self.spool.take() {
            Some(spool) => spool,
            None => {
                let file =
                    tempfile::NamedTempFile::new_in(self.scratch).map_err(|cause| unspooled(self.scratch, cause))?;
                Spool { path: Arc::from(file.path()), file, length: 0 }
            }
        };
        Ok(self.spool.insert(spool))
    }

    /// Spools a stream; `most` bytes of it, and a longer one is a bomb.
    fn keep(&mut self, shown: &str, from: &mut dyn Read, most: u64) -> Result<Place, Ended> {
        let (scratch, watch) = (self.scratch, self.watch);
        let spool = self.spool()?;
        let mut place = Place { path: Arc::clone(&spool.path), start: spool.length, length: 0 };
        let mut chunk = vec![0; 256 * 1024];
        let mut asked = 0;
        loop {
            let count = match from.read(&mut chunk) {
                Ok(0) => return Ok(place),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(cause) => return Err(Ended::Source { cause, kept: place }),
            };
            if place.length + count as u64 > most {
                return Err(Ended::All(too_large(shown)));
            }
            spool.file.write_all(&chunk[..count]).map_err(|cause| unspooled(scratch, cause))?;
            place.length += count as u64;
            spool.length += count as u64;
            if spool.length - asked >= WATCH_EVERY {
                asked = spool.length;
                if watch(Unpacking { bytes: spool.length }).is_break() {
                    return Err(Ended::All(InputError::Interrupted));
                }
                room_for(scratch, 0)?;
            }
        }
    }
}

/// The members of one container, under the names that they are shown by.
struct Members<'a> {
    container: &'a InputFile,
    prefix: &'a str,
    files: Vec<InputFile>,
}

impl<'a> Members<'a> {
    fn new(container: &'a InputFile, prefix: &'a str) -> Self {
        Self { container, prefix, files: Vec::new() }
    }

    fn add(&mut self, name: &str, place: Place) -> Result<(), InputError> {
        let shown = plain(name);
        if is_hidden(name) || shown.is_empty() {
            return Ok(());
        }
        if self.files.len() == MOST_MEMBERS {
            return Err(too_many(self.container));
        }
        let identity = format!("{}\0{shown}", self.container.identity());
        self.files.push(InputFile::part(&shown, place, self.container.modified, &identity));
        Ok(())
    }

    /// In the order of a folder's files, without the folder that all of them lie in.
    fn sorted(mut self) -> Vec<InputFile> {
        let common = |files: &[InputFile]| {
            let first = files.first()?.shown.split_once('/')?.0;
            // What says that it is a Maildir, or which of its folders, stays.
            if MAIL_FOLDER.contains(&first) || first.starts_with('.') {
                return None;
            }
            let first = first.to_owned() + "/";
            files.iter().all(|file| file.shown.starts_with(&first)).then_some(first.len())
        };
        while let Some(length) = common(&self.files) {
            for file in &mut self.files {
                file.shown = Arc::from(&file.shown[length..]);
            }
        }
        self.files.sort_by(|a, b| a.shown.split('/').cmp(b.shown.split('/')));
        if !self.prefix.is_empty() {
            for file in &mut self.files {
                file.shown = Arc::from(format!("{}{}", self.prefix, file.shown));
            }
        }
        self.files
    }
}

/// A member's name as it is shown: slashes only, no way up, nothing that moves a cursor.
fn plain(name: &str) -> String {
    let name: String = name.chars().map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect();
    let name = name.replace('\\', "/");
    let parts = name.split('/').filter(|part| !matches!(*part, "" | "." | ".."));
    parts.collect::<Vec<_>>().join("/")
}

/// Hidden files, as in folders, and what one system adds to every zip. A folder of a Maildir++ is not hidden.
fn is_hidden(name: &str) -> bool {
    let mut parts = name.split(['/', '\\']).peekable();
    while let Some(part) = parts.next() {
        let is_mail_folder = parts.peek().is_some_and(|next| MAIL_FOLDER.contains(next));
        if part == "__MACOSX" || part.starts_with('.') && !matches!(part, "." | "..") && !is_mail_folder {
            return true;
        }
    }
    false
}

fn ending(shown: &str) -> String {
    Path::new(shown).extension().map(|ending| ending.to_string_lossy().to_lowercase()).unwrap_or_default()
}

fn is_any(file: &InputFile, endings: &[&str]) -> bool {
    endings.contains(&&*ending(&file.shown))
}

/// Whether it is one compressed file of data.
fn is_packed(file: &InputFile) -> bool {
    match &*ending(&file.shown) {
        "tgz" => true,
        "gz" | "zst" => DATA_ENDINGS.contains(&&*ending(&unpacked_name(&file.shown))),
        _ => false,
    }
}

/// The name without the ending that says how it is compressed.
fn unpacked_name(shown: &str) -> String {
    match &*ending(shown) {
        "gz" | "zst" => shown[..shown.len() - ending(shown).len() - 1].to_owned(),
        "tgz" => format!("{}.tar", &shown[..shown.len() - 4]),
        _ => shown.to_owned(),
    }
}

fn growth(length: u64) -> u64 {
    length.saturating_mul(MOST_GROWTH).max(FREE_GROWTH)
}

fn unreadable(file: &InputFile, cause: io::Error) -> InputError {
    InputError::Unreadable { path: file.shown.to_string(), cause }
}

fn unusable(file: &InputFile, problem: String) -> InputError {
    InputError::Container { path: file.shown.to_string(), problem }
}

fn too_large(shown: &str) -> InputError {
    let problem = format!("it would grow to more than {MOST_GROWTH} times its size; if that is right, unpack it first");
    InputError::Container { path: shown.to_owned(), problem }
}

fn too_many(file: &InputFile) -> InputError {
    unusable(file, format!("it holds more than {MOST_MEMBERS} files; unpack it first"))
}

fn unspooled(scratch: &Path, cause: io::Error) -> InputError {
    InputError::Spool { scratch: scratch.display().to_string(), cause }
}

/// Whether so many bytes fit, and some are left.
fn room_for(scratch: &Path, bytes: u64) -> Result<(), InputError> {
    let Some(free) = free_bytes(scratch) else { return Ok(()) };
    if free >= bytes.saturating_add(ROOM_TO_LEAVE) {
        return Ok(());
    }
    Err(InputError::NoRoom {
        scratch: scratch.display().to_string(),
        free: free >> 20,
        wanted: bytes.saturating_add(ROOM_TO_LEAVE) >> 20,
    })
}

#[cfg(unix)]
pub(crate) fn free_bytes(folder: &Path) -> Option<u64> {
    let space = rustix::fs::statvfs(folder).ok()?;
    Some(space.f_bavail.saturating_mul(space.f_frsize))
}

#[cfg(not(unix))]
pub(crate) fn free_bytes(_folder: &Path) -> Option<u64> {
    None
}

/// Counts what it passes on.
struct Counted<W> {
    to: W,
    bytes: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.to.write(bytes)?;
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// The frames of a zstd file, one after the other; the library reads one.
struct Frames<R: BufRead> {
    packed: Option<R>,
    frame: Option<ruzstd::decoding::StreamingDecoder<R, ruzstd::decoding::FrameDecoder>>,
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(frame) = &mut self.frame {
                let count = frame.read(bytes)?;
                if count > 0 || bytes.is_empty() {
                    return Ok(count);
                }
                self.packed = self.frame.take().map(ruzstd::decoding::StreamingDecoder::into_inner);
            }
            let Some(mut packed) = self.packed.take() else { return Ok(0) };
            let next = packed.fill_buf()?;
            if next.is_empty() {
                return Ok(0);
            }
            // Frames for other programs say their length, and hold no data.
            if next.len() >= 8 && next[1..4] == [0x2A, 0x4D, 0x18] && next[0] & 0xF0 == 0x50 {
                let length = u32::from_le_bytes([next[4], next[5], next[6], next[7]]);
                let skipped = io::copy(&mut packed.by_ref().take(8 + u64::from(length)), &mut io::sink())?;
                if skipped < 8 + u64::from(length) {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                self.packed = Some(packed);
                continue;
            }
            let frame = ruzstd::decoding::StreamingDecoder::new(packed).map_err(io::Error::other)?;
            self.frame = Some(frame);
        }
    }
}

#[cfg(test)]
mod tests;
