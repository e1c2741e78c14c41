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
            return Err(bomb(file));
        }
        self.look_for_room(claimed)?;
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

    fn look_for_room(&self, bytes: u64) -> Result<(), InputError> {
        room_for(self.scratch, bytes)
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

fn bomb(file: &InputFile) -> InputError {
    too_large(&file.shown)
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
mod tests {
    use std::io::{Cursor, Seek as _};
    use std::path::PathBuf;

    use zip::write::SimpleFileOptions;

    use super::*;
    use crate::input::Input;

    fn zipped(members: &[(&str, &[u8])], method: zip::CompressionMethod) -> Vec<u8> {
        let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in members {
            archive.start_file(*name, SimpleFileOptions::default().compression_method(method)).unwrap();
            archive.write_all(bytes).unwrap();
        }
        archive.finish().unwrap().into_inner()
    }

    fn deflated(members: &[(&str, &[u8])]) -> Vec<u8> {
        zipped(members, zip::CompressionMethod::Deflated)
    }

    fn tarred(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut archive = tar::Builder::new(Vec::new());
        for (name, bytes) in members {
            let mut header = tar::Header::new_gnu();
            // The library refuses to write what it should be tried on.
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            header.set_cksum();
            archive.append(&header, *bytes).unwrap();
        }
        archive.into_inner().unwrap()
    }

    fn gzipped(bytes: &[u8]) -> Vec<u8> {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(bytes).unwrap();
        packed.finish().unwrap()
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
    }

    struct Bench {
        folder: tempfile::TempDir,
        scratch: tempfile::TempDir,
    }

    impl Bench {
        fn new() -> Self {
            Self { folder: tempfile::tempdir().unwrap(), scratch: tempfile::tempdir().unwrap() }
        }

        fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
            let path = self.folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, bytes).unwrap();
            path
        }

        fn open(&self, path: &Path) -> Result<Input, InputError> {
            Input::open(&[path.to_owned()], self.scratch.path())
        }

        /// Every file of an archive as `name=content`.
        fn seen(&self, name: &str, bytes: &[u8]) -> Vec<String> {
            listed(&self.open(&self.file(name, bytes)).unwrap())
        }

        fn refused(&self, name: &str, bytes: &[u8]) -> String {
            self.open(&self.file(name, bytes)).unwrap_err().to_string()
        }
    }

    fn listed(input: &Input) -> Vec<String> {
        let text = |file: &InputFile| {
            let mut text = String::new();
            file.content().open().unwrap().read_to_string(&mut text).unwrap();
            assert_eq!(text.len() as u64, file.length);
            text
        };
        input.files().iter().map(|file| format!("{}={}", file.shown, text(file))).collect()
    }

    const MEMBERS: &[(&str, &[u8])] = &[
        ("export/tickets.json", b"[]"),
        ("export/.hidden", b"x"),
        ("__MACOSX/export/._tickets.json", b"x"),
        ("export/files/b.txt", b"bytes of b"),
        ("export/files/a.zip", b"PK\x03\x04 of a customer"),
    ];

    #[test]
    fn containers_of_every_kind_show_the_files_of_a_folder() {
        let expected = ["files/a.zip=PK\u{3}\u{4} of a customer", "files/b.txt=bytes of b", "tickets.json=[]"];
        let tar = tarred(MEMBERS);
        for (name, bytes) in [
            ("a.zip", deflated(MEMBERS)),
            ("b.zip", zipped(MEMBERS, zip::CompressionMethod::Stored)),
            ("c.tar", tar.clone()),
            ("d.tar.gz", gzipped(&tar)),
            ("e.tgz", gzipped(&tar)),
            ("f.tar.zst", zstd(&tar)),
            ("no ending", deflated(MEMBERS)),
        ] {
            assert_eq!(Bench::new().seen(name, &bytes), expected, "{name}");
        }
    }

    #[test]
    fn what_can_be_sought_is_not_copied() {
        let bench = Bench::new();
        for (name, bytes) in [("a.zip", zipped(MEMBERS, zip::CompressionMethod::Stored)), ("a.tar", tarred(MEMBERS))] {
            let input = bench.open(&bench.file(name, &bytes)).unwrap();
            assert_eq!(input.spooled(), None, "{name}");
        }
        let input = bench.open(&bench.file("b.zip", &deflated(MEMBERS))).unwrap();
        assert!(input.spooled().is_some());
        assert_eq!(std::fs::read_dir(bench.scratch.path()).unwrap().count(), 1, "one spool for all members");
        drop(input);
        assert_eq!(std::fs::read_dir(bench.scratch.path()).unwrap().count(), 0, "and nothing afterwards");
    }

    #[test]
    fn compressed_files_are_read_frame_after_frame() {
        let two = [gzipped(b"From one\n"), gzipped(b"From two\n")].concat();
        assert_eq!(Bench::new().seen("list.mbox.gz", &two)[0].split_once('=').unwrap().1, "From one\nFrom two\n");
        let skippable = [&[0x50, 0x2A, 0x4D, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
        let two = [zstd(b"From one\n"), skippable, zstd(b"From two\n")].concat();
        assert_eq!(Bench::new().seen("list.mbox.zst", &two)[0].split_once('=').unwrap().1, "From one\nFrom two\n");
    }

    #[test]
    fn names_inside_containers_are_only_shown() {
        let names: &[(&str, &[u8])] =
            &[("../../up.txt", b"1"), ("/root.txt", b"2"), ("a\\..\\back.txt", b"3"), ("bell\u{7}.txt", b"4")];
        let expected = ["a/back.txt=3", "bell\u{FFFD}.txt=4", "root.txt=2", "up.txt=1"];
        for (name, bytes) in [("a.zip", deflated(names)), ("b.tar", tarred(names))] {
            let bench = Bench::new();
            assert_eq!(bench.seen(name, &bytes), expected, "{name}");
            assert_eq!(std::fs::read_dir(bench.folder.path()).unwrap().count(), 1, "nothing but the archive");
        }
    }

    #[test]
    fn a_bomb_is_refused_in_words() {
        let bench = Bench::new();
        let mut nested = deflated(&[("tickets.json", b"[]")]);
        for _ in 0..MOST_DEPTH {
            nested = deflated(&[("inner.zip", &nested)]);
        }
        assert!(bench.refused("nested.zip", &nested).contains("more than 4 containers"), "nested");
        let mut quine = gzipped(b"x");
        for _ in 0..=MOST_DEPTH {
            quine = gzipped(&quine);
        }
        assert!(bench.refused("quine.gz", &quine).contains("more than 4 containers"), "packed again and again");

        // A member that claims to be empty and is not, one that claims a terabyte.
        let mut liar = deflated(&[("a.json", &[b'0'; 100_000])]);
        let at = liar.windows(4).rposition(|window| window == b"PK\x01\x02").unwrap();
        liar[at + 24..at + 28].copy_from_slice(&u32::MAX.to_le_bytes()[..]);
        assert!(bench.refused("liar.zip", &liar).contains("250 times its size"), "by its claim");

        let watch = |_: Unpacking| ControlFlow::Continue(());
        let mut unpacker = Unpacker::new(bench.scratch.path(), &watch);
        let kept = unpacker.keep("zeros.gz", &mut io::repeat(0), 1 << 20);
        assert!(matches!(kept, Err(Ended::All(InputError::Container { .. }))), "by its bytes");
    }

    #[test]
    fn unpacking_can_be_stopped() {
        let bench = Bench::new();
        let watch = |_: Unpacking| ControlFlow::Break(());
        let mut unpacker = Unpacker::new(bench.scratch.path(), &watch);
        let kept = unpacker.keep("zeros.gz", &mut io::repeat(0), u64::MAX);
        assert!(matches!(kept, Err(Ended::All(InputError::Interrupted))));
    }

    #[test]
    fn what_cannot_be_opened_is_explained() {
        let bench = Bench::new();
        let mut locked = deflated(&[("a.json", b"[1, 2, 3]")]);
        for magic in [b"PK\x03\x04", b"PK\x01\x02"] {
            let at = locked.windows(4).position(|window| window == magic).unwrap();
            locked[at + if magic[2] == 3 { 6 } else { 8 }] |= 1;
        }
        assert!(bench.refused("locked.zip", &locked).contains("password"));
        let cut = deflated(MEMBERS);
        assert!(bench.refused("cut.zip", &cut[..cut.len() - 30]).contains("cut off or damaged"));
        assert!(bench.refused("mail.pst", b"!BDN........").contains("PST files are not read"));
        assert!(bench.refused("a.7z", b"7z\xBC\xAF\x27\x1C....").contains("7z files are not read"));
        assert!(bench.refused("a.gz", b"\x1F\x8B\x08....").contains("damaged"));
        assert!(bench.refused("a.xls", b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1....").contains("spreadsheet cannot be read"));
    }

    #[test]
    fn what_is_cut_off_is_read_as_far_as_it_goes() {
        let bench = Bench::new();
        let mut text = String::new();
        for n in 0..20_000 {
            text.push_str(&format!("line {n} of many\n"));
        }
        let packed = gzipped(text.as_bytes());
        let input = bench.open(&bench.file("a.txt.gz", &packed[..packed.len() / 2])).unwrap();
        assert!(input.files()[0].length > 0);
        assert_eq!(input.oddities()[0].code, codes::READ_TRUNCATED);

        let whole = tarred(&[("a.txt", &[b'a'; 600]), ("b.txt", &[b'b'; 600])]);
        let input = bench.open(&bench.file("cut.tar", &whole[..512 + 1024 + 512 + 100])).unwrap();
        assert_eq!(input.files().iter().map(|file| file.length).collect::<Vec<_>>(), [600, 100]);
        assert_eq!(input.oddities()[0].code, codes::READ_TRUNCATED);

        let mut broken = deflated(&[("a.json", &[b'a'; 5000]), ("b.json", b"[]")]);
        broken[30 + "a.json".len() + 2] ^= 0xFF;
        let input = bench.open(&bench.file("broken.zip", &broken)).unwrap();
        assert_eq!(listed(&input), ["b.json=[]"], "the others go on");
        assert_eq!(input.oddities()[0].code, codes::READ_BROKEN_PART);
        assert!(input.oddities()[0].message.contains("`a.json`"));
    }

    #[test]
    fn attachments_stay_closed() {
        let bench = Bench::new();
        let inner = deflated(&[("x.json", b"{}")]);
        bench.file("f/tickets.json", b"[]");
        bench.file("f/report.zip", &inner);
        bench.file("f/attachments/1/logs.zip", &inner);
        bench.file("f/attachments/1/log.txt.gz", &gzipped(b"x"));
        let input = bench.open(&bench.folder.path().join("f")).unwrap();
        let shown: Vec<_> = input.files().iter().map(|file| &*file.shown).collect();
        assert_eq!(shown, ["attachments/1/log.txt.gz", "attachments/1/logs.zip", "report.zip", "tickets.json"]);

        bench.file("t/takeout-1.zip", &deflated(&[("Mail/a.mbox", b"From a")]));
        bench.file("t/takeout-2.zip", &deflated(&[("Mail/b.mbox", b"From b")]));
        bench.file("t/2005-May.txt.gz", &gzipped(b"From c"));
        let input = bench.open(&bench.folder.path().join("t")).unwrap();
        assert_eq!(
            listed(&input),
            ["2005-May.txt=From c", "takeout-1.zip/a.mbox=From a", "takeout-2.zip/b.mbox=From b"]
        );
    }

    #[test]
    fn an_archive_keeps_its_stamp_whatever_it_was_spooled_to() {
        let bench = Bench::new();
        let path = bench.file("a.zip", &deflated(MEMBERS));
        let stamp = |bench: &Bench| bench.open(&path).unwrap().stamp().unwrap();
        let first = stamp(&bench);
        assert_eq!(stamp(&Bench::new()), first);
        bench.file("a.zip", &deflated(&[("export/tickets.json", b"[1]")]));
        assert_ne!(stamp(&bench), first);
    }

    #[test]
    fn sheets_are_tables() {
        use rust_xlsxwriter::{ExcelDateTime, Format, Workbook};

        let mut book = Workbook::new();
        let sheet = book.add_worksheet().set_name("Tickets").unwrap();
        for (column, name) in ["id", "subject", "opened", "day", "open?", "last"].iter().enumerate() {
            sheet.write(0, column as u16, *name).unwrap();
        }
        let time = Format::new().set_num_format("yyyy-mm-dd hh:mm:ss");
        let day = Format::new().set_num_format("dd.mm.yyyy");
        sheet.write(2, 0, 4_503_599_627_370_497_u64 as f64).unwrap();
        sheet.write(2, 1, "Ünïcode, \"quoted\"").unwrap();
        let at = ExcelDateTime::parse_from_str("2021-03-04 05:06:07").unwrap();
        sheet.write_with_format(2, 2, &at, &time).unwrap();
        sheet.write_with_format(2, 3, ExcelDateTime::parse_from_str("2021-03-04").unwrap(), &day).unwrap();
        sheet.write(2, 4, true).unwrap();
        book.add_worksheet().set_name("Empty").unwrap();
        let bytes = book.save_to_buffer().unwrap();

        let bench = Bench::new();
        assert_eq!(
            bench.seen("book.xlsx", &bytes),
            ["Tickets.csv=id,subject,opened,day,open?,last\n\"\"\n\
              4503599627370497,\"Ünïcode, \"\"quoted\"\"\",2021-03-04 05:06:07,2021-03-04,true,\n"]
        );
        assert_eq!(bench.open(&bench.folder.path().join("book.xlsx")).unwrap().containers(), ["spreadsheet"]);
    }

    #[test]
    fn damage_anywhere_gives_an_error_or_a_finding_and_no_panic() {
        let tar = tarred(MEMBERS);
        let wholes = [deflated(MEMBERS), tar.clone(), gzipped(&tar), zstd(&tar)];
        let mut random = fastrand::Rng::with_seed(8);
        for (kind, whole) in wholes.iter().enumerate() {
            for _ in 0..120 {
                let mut bytes = whole.clone();
                for _ in 0..random.usize(1..4) {
                    let at = random.usize(..bytes.len());
                    bytes[at] = random.u8(..);
                }
                bytes.truncate(random.usize(1..=bytes.len()));
                let bench = Bench::new();
                if let Ok(input) = bench.open(&bench.file("a", &bytes)) {
                    for file in input.files() {
                        let mut open = file.open().unwrap();
                        open.seek(io::SeekFrom::End(0)).unwrap();
                        let _ = file.head().unwrap_or_else(|error| panic!("kind {kind}: {error}"));
                    }
                }
            }
        }
    }
}
