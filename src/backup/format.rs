//! The folder of a backup: names, manifest, lines.
//!
//! Promises:
//!
//! - A snapshot is a folder of JSON lines that needs no program but a JSON reader; `docs/backup.md` describes it.
//! - A line is FreeScout's own answer, unknown keys included; what this program adds stands under one key, `_backup`.
//! - Every file of a snapshot is in its manifest with hash, length and number of lines.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use ring::digest::{Context, SHA256};
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::crypt::{self, Keys, Sink};
use crate::freescout::wire;

/// The version of a folder whose files are encrypted, and the highest that is known; a reader refuses a higher one.
pub const VERSION: u32 = 2;

/// The version of a folder whose files are plain: programs that know no other read it too.
pub const PLAIN_VERSION: u32 = 1;

/// The word by which a folder and a manifest say that they are ours.
pub const FORMAT: &str = "foxferry backup";

/// The file that makes a folder a backup.
pub(crate) const MARKER: &str = "foxferry-backup.json";

/// What the marker of a plain folder holds, to the byte.
pub(super) const MARKER_TEXT: &str = "{\"format\":\"foxferry backup\",\"version\":1}\n";

/// The folder of snapshots.
pub(super) const SNAPSHOTS: &str = "snapshots";

/// The folder of attachments.
pub(super) const ATTACHMENTS: &str = "attachments";

/// The folder of what an unfinished run has gathered, and of what runs remember; no part of the copy.
pub(super) const WORK: &str = "work";

/// A snapshot's list of its files.
pub(crate) const MANIFEST: &str = "manifest.json";

/// The same hashes in the form that `sha256sum -c` reads, with the manifest's own.
pub(super) const SUMS: &str = "SHA256SUMS";

/// The key under which this program's own words stand in a line.
pub(super) const OURS: &str = "_backup";

/// How many ids share a file. A changed conversation costs the writing of one such file, an unchanged file is shared with
/// the snapshot before: a thousand conversations are some megabytes.
pub(super) const SHARD: u64 = 1000;

/// A line may be this long: far above any conversation, and a bound for a file that is not ours.
const LONGEST_LINE: u64 = 1 << 30;

/// What a snapshot holds, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Always [`FORMAT`].
    pub format: String,
    /// The format's version.
    pub version: u32,
    /// The snapshot's name: when it was begun, `2026-11-23T02-00-00Z`.
    pub name: String,
    /// The FreeScout, without credentials.
    pub url: String,
    /// The program that made it.
    pub program: String,
    /// When the run began, RFC 3339.
    pub started: String,
    /// When it was sealed.
    pub finished: String,
    /// The snapshot before it, which unchanged files are shared with.
    pub previous: Option<String>,
    /// What was asked for.
    pub selection: Selection,
    /// How much there is.
    pub counts: Counts,
    /// What differs from the snapshot before.
    pub changes: Changes,
    /// Whether it was sealed between two whole runs while FreeScout was followed; such snapshots are thinned with time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub followed: bool,
    /// Its files, by path.
    pub files: Vec<FileEntry>,
}

/// Which part of a FreeScout was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selection {
    /// Ids of mailboxes; empty: all.
    pub mailboxes: Vec<u64>,
    /// Only conversations begun then or later, RFC 3339.
    pub since: Option<String>,
    /// Whether attachments, inline images and photos were left out.
    pub without_attachments: bool,
}

/// How much a snapshot holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Conversations.
    pub conversations: u64,
    /// Their threads.
    pub threads: u64,
    /// Customers.
    pub customers: u64,
    /// Files named by lines (attachments, images, photos) whose bytes are here.
    pub files: u64,
    /// Files named by lines that FreeScout did not give.
    pub missing_files: u64,
    /// Conversations that changed each time they were read: what stands here may be a mixture of two moments.
    pub unsettled: u64,
}

/// What differs from the snapshot before, in conversations.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Changes {
    /// New ones.
    pub added: u64,
    /// Others that were read again and differ.
    pub changed: u64,
    /// Those that are gone.
    pub removed: u64,
}

/// One file of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Its path inside the snapshot.
    pub path: String,
    /// SHA-256, in hexadecimal.
    pub sha256: String,
    /// Its length.
    pub bytes: u64,
    /// Its lines.
    pub lines: u64,
    /// Threads in them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub threads: u64,
    /// Files named by them whose bytes are here.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub files: u64,
    /// Files named by them that FreeScout did not give.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub missing_files: u64,
    /// Conversations in them that did not hold still.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unsettled: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Manifest {
    /// The bytes of the file `manifest.json`.
    pub(super) fn text(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("a manifest holds nothing that JSON cannot");
        text.push('\n');
        text
    }

    /// The bytes of the file `SHA256SUMS`, beside a manifest of these bytes.
    pub(super) fn sums(&self, manifest: &[u8]) -> String {
        let mut text = format!("{}  {MANIFEST}\n", sha256(manifest));
        for file in &self.files {
            text.push_str(&format!("{}  {}\n", file.sha256, file.path));
        }
        text
    }
}

/// What this program adds to a line.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ours {
    /// When it was read, by FreeScout's clock, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read: Option<String>,
    /// What a list shows of it, as a digest; whoever finds another in a list reads it again.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub digest: String,
    /// Everything that FreeScout says about it, as a digest: equal when nobody has changed anything.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub content: String,
    /// Attachments by their ids, and images and photos by the address that the line has: where their bytes are.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub files: Map<String, Value>,
    /// Something is missing that another try may bring; the next run tries.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub incomplete: bool,
    /// It changed each time it was read.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unsettled: bool,
    /// The mailbox that a folder or field was listed for.
    #[serde(rename = "mailboxId", skip_serializing_if = "Option::is_none")]
    pub mailbox: Option<u64>,
}

/// Where the bytes of a file are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Held {
    /// Here.
    Here {
        /// SHA-256 of the file, in hexadecimal; its name in the folder of attachments.
        sha256: String,
        /// How many there are once they are opened.
        bytes: u64,
        /// Of an encrypted file: SHA-256 of what is inside. `sha256` is then that of the file as it lies there.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        content: Option<String>,
        /// Of an encrypted file: its length as it lies there.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stored: Option<u64>,
    },
    /// Nowhere: FreeScout did not give them.
    Missing {
        /// Why.
        missing: String,
    },
}

impl Held {
    /// Where it lies in a backup's folder, and its length there. `None`: nowhere.
    pub(super) fn place(&self, dir: &Path) -> Option<(PathBuf, u64)> {
        let Self::Here { sha256, bytes, stored, .. } = self else { return None };
        let mut path = attachment_path(dir, sha256)?;
        if stored.is_some() {
            path.as_mut_os_string().push(crypt::ENDING);
        }
        Some((path, stored.unwrap_or(*bytes)))
    }
}

impl Ours {
    /// Where the bytes are of an attachment's id or an image's address.
    pub fn file(&self, key: &str) -> Option<Held> {
        self.files.get(key).and_then(|value| Held::deserialize(value).ok())
    }

    /// Every file that the line names.
    pub fn held(&self) -> impl Iterator<Item = Held> {
        self.files.values().filter_map(|value| Held::deserialize(value).ok())
    }
}

/// The id of a line and what is ours in it; the rest is passed over without being built.
#[derive(Debug, Deserialize)]
pub(super) struct Glance {
    #[serde(default)]
    id: Value,
    #[serde(rename = "_backup", default)]
    pub ours: Ours,
    #[serde(rename = "_embedded", default)]
    embedded: Option<GlanceParts>,
}

#[derive(Debug, Deserialize)]
struct GlanceParts {
    #[serde(default)]
    threads: Members,
}

/// How many members a list has, or an object that was one.
#[derive(Debug, Default)]
struct Members(u64);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Count;
        impl<'de> Visitor<'de> for Count {
            type Value = Members;

            fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
                to.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Members, A::Error> {
                let mut count = 0;
                while list.next_element::<IgnoredAny>()?.is_some() {
                    count += 1;
                }
                Ok(Members(count))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Members, A::Error> {
                let mut count = 0;
                while fields.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
                    count += 1;
                }
                Ok(Members(count))
            }

            fn visit_unit<E: serde::de::Error>(self) -> Result<Members, E> {
                Ok(Members(0))
            }
        }
        from.deserialize_any(Count)
    }
}

impl Glance {
    pub fn of(line: &str) -> serde_json::Result<Self> {
        serde_json::from_str(line)
    }

    pub fn id(&self) -> u64 {
        wire::as_id(&self.id).unwrap_or_default()
    }

    /// What the line adds to the sums of its file.
    pub fn tally(&self) -> Tally {
        Tally::of(&self.ours, self.embedded.as_ref().map_or(0, |parts| parts.threads.0))
    }
}

/// What a line adds to the sums of its file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub threads: u64,
    pub files: u64,
    pub missing_files: u64,
    pub unsettled: u64,
}

impl Tally {
    pub fn of(ours: &Ours, threads: u64) -> Self {
        let mut tally = Self { threads, unsettled: u64::from(ours.unsettled), ..Self::default() };
        for held in ours.held() {
            match held {
                Held::Here { .. } => tally.files += 1,
                Held::Missing { .. } => tally.missing_files += 1,
            }
        }
        tally
    }
}

/// The line without what is ours, as it was written.
pub(super) fn theirs(line: &str) -> serde_json::Result<Map<String, Value>> {
    let mut row: Map<String, Value> = serde_json::from_str(line)?;
    row.shift_remove(OURS);
    Ok(row)
}

/// Puts what is ours behind a row.
pub(super) fn line_of(mut row: Value, ours: &Ours) -> String {
    if let Value::Object(row) = &mut row {
        row.insert(OURS.to_owned(), serde_json::to_value(ours).expect("our words are plain JSON"));
    }
    row.to_string()
}

/// The file of a collection that an id belongs in, without folder and ending.
pub(super) fn shard_of(id: u64) -> u64 {
    id / SHARD
}

/// The path of a shard inside a snapshot.
pub(super) fn shard_path(collection: &str, shard: u64, is_compressed: bool) -> String {
    // Eight digits keep folders in order up to a hundred thousand million conversations.
    format!("{collection}/{shard:08}.jsonl{}", if is_compressed { ".gz" } else { "" })
}

/// Which shard a path is of.
pub(super) fn shard_in(collection: &str, path: &str) -> Option<u64> {
    let name = path.strip_prefix(collection)?.strip_prefix('/')?;
    let name = name.strip_suffix(crypt::ENDING).unwrap_or(name);
    name.strip_suffix(".gz").unwrap_or(name).strip_suffix(".jsonl")?.parse().ok()
}

/// Where the bytes of a hash lie in a backup's folder. `None`: not a hash.
pub(crate) fn attachment_path(dir: &Path, sha256: &str) -> Option<PathBuf> {
    // A hash comes out of a file that anybody may have written: it must not choose a path.
    let is_hash = sha256.len() == 64 && sha256.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    is_hash.then(|| dir.join(ATTACHMENTS).join(&sha256[..2]).join(&sha256[2..]))
}

/// SHA-256 in hexadecimal.
pub(super) fn sha256(bytes: &[u8]) -> String {
    hex(ring::digest::digest(&SHA256, bytes).as_ref())
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Hashes and counts what passes through.
pub(crate) struct Hashing<T> {
    inner: T,
    hash: Context,
    bytes: u64,
}

impl<T> Hashing<T> {
    pub fn new(inner: T) -> Self {
        Self { inner, hash: Context::new(&SHA256), bytes: 0 }
    }

    /// Hash, length, and what it was put around.
    pub fn finish(self) -> (String, u64, T) {
        (hex(self.hash.finish().as_ref()), self.bytes, self.inner)
    }

    fn saw(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
    }
}

impl<T: Write> Write for Hashing<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.saw(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<T: Read> Read for Hashing<T> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(to)?;
        self.saw(&to[..count]);
        Ok(count)
    }
}

/// Writes one file of a snapshot; its entry in the manifest is known at the end.
pub(super) struct LineFile {
    to: Packed,
    place: PathBuf,
    entry: FileEntry,
}

enum Packed {
    Plain(Box<Sink<BufWriter<File>>>),
    Gzip(Box<GzEncoder<Sink<BufWriter<File>>>>),
}

impl LineFile {
    /// Makes the file `path` below `folder`; an ending of `.gz` compresses it, and one of `.age` is for whoever has a key.
    pub fn create(folder: &Path, path: String, keys: &Keys) -> io::Result<Self> {
        let place = folder.join(&path);
        if let Some(parent) = place.parent() {
            fs::create_dir_all(parent)?;
        }
        let file = Sink::new(BufWriter::with_capacity(1 << 17, File::create(&place)?), keys)?;
        let to = if path.strip_suffix(crypt::ENDING).unwrap_or(&path).ends_with(".gz") {
            // Neither name nor time goes into the head, so that equal lines make equal files.
            Packed::Gzip(Box::new(GzEncoder::new(file, Compression::default())))
        } else {
            Packed::Plain(Box::new(file))
        };
        let entry = FileEntry {
            path,
            sha256: String::new(),
            bytes: 0,
            lines: 0,
            threads: 0,
            files: 0,
            missing_files: 0,
            unsettled: 0,
        };
        Ok(Self { to, place, entry })
    }

    /// Appends a line; what it adds to the file's sums is known.
    pub fn push(&mut self, line: &str, tally: Tally) -> io::Result<()> {
        self.entry.lines += 1;
        self.entry.threads += tally.threads;
        self.entry.files += tally.files;
        self.entry.missing_files += tally.missing_files;
        self.entry.unsettled += tally.unsettled;
        self.write(line.as_bytes())?;
        self.write(b"\n")
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.to {
            Packed::Plain(to) => to.write_all(bytes),
            Packed::Gzip(to) => to.write_all(bytes),
        }
    }

    /// Writes everything to the disk.
    pub fn finish(mut self) -> io::Result<(FileEntry, PathBuf)> {
        let file = match self.to {
            Packed::Plain(to) => *to,
            Packed::Gzip(to) => to.finish()?,
        };
        let sunk = file.finish()?;
        sunk.to.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        self.entry.sha256 = sunk.stored.sha256;
        self.entry.bytes = sunk.stored.bytes;
        Ok((self.entry, self.place))
    }
}

/// The lines of a file, one at a time.
pub(super) struct Lines {
    from: Box<dyn BufRead + Send>,
    /// How many were given.
    pub number: u64,
}

impl Lines {
    pub fn open(path: &Path, keys: &Keys) -> io::Result<Self> {
        let file = File::open(path)?;
        let name = path.to_string_lossy();
        match name.strip_suffix(crypt::ENDING) {
            Some(inner) => Ok(Self::of(keys.opened(file)?, inner.ends_with(".gz"))),
            None => Ok(Self::of(file, name.ends_with(".gz"))),
        }
    }

    fn of(from: impl Read + Send + 'static, is_packed: bool) -> Self {
        let from: Box<dyn BufRead + Send> = if is_packed {
            Box::new(BufReader::with_capacity(1 << 16, MultiGzDecoder::new(BufReader::new(from))))
        } else {
            Box::new(BufReader::with_capacity(1 << 17, from))
        };
        Self { from, number: 0 }
    }
}

impl Iterator for Lines {
    type Item = io::Result<String>;

    fn next(&mut self) -> Option<io::Result<String>> {
        let mut line = Vec::new();
        match (&mut self.from).take(LONGEST_LINE).read_until(b'\n', &mut line) {
            Ok(0) => None,
            Ok(_) => {
                self.number += 1;
                if line.last() != Some(&b'\n') {
                    return Some(Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the last line has no end")));
                }
                line.pop();
                Some(String::from_utf8(line).map_err(|cause| io::Error::new(io::ErrorKind::InvalidData, cause)))
            }
            Err(cause) => Some(Err(cause)),
        }
    }
}

/// Puts a whole file where the bytes of its hash lie.
pub(crate) fn place(file: tempfile::NamedTempFile, path: &Path, bytes: u64) -> io::Result<()> {
    // Whatever stands there was put there whole, unless something has happened to it since.
    if fs::metadata(path).is_ok_and(|found| found.len() == bytes) {
        return Ok(());
    }
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    sync_folder(folder)
}

/// Makes what was written to a folder's list of names durable.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    // Elsewhere folders cannot be opened; renaming is as durable there as it gets.
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// Writes a small file so that it is there whole or not at all.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    sync_folder(folder)
}
