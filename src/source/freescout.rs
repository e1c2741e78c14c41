//! The `freescout` source: what `foxferry export` wrote as `json` or `jsonl`, and folders of `foxferry backup`.
//!
//! - A document or lines, with or without attachments inside (`content`); lines that a filter has left of an export, as
//!   long as they are whole conversations.
//! - The folder of a backup: its newest snapshot, compressed or not, with the bytes of attachments; or the folder of an older
//!   snapshot inside it.
//!
//! Promises:
//!
//! - A conversation that stands several times comes once: the copy that changed last, else the last.
//! - Everything that FreeScout says about a conversation and that has no place of its own in a record is among the
//!   fields, under FreeScout's names; custom fields are there by name.
//! - No name or hash in the archive chooses a path outside of the backup's attachments.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;
use tempfile::TempDir;

use crate::backup::format::MANIFEST;
use crate::backup::{Backup, Keys, MARKER};
use crate::catalog::{self, Catalog, Piece};
use crate::export::FREESCOUT;
use crate::finding::codes;
use crate::freescout::wire;
use crate::input::{Head, HeadFile, Input, InputFile};
use crate::json::elements::{Found, Step, walk};
use crate::json::{self, Members, Scanner};
use crate::record::{Oddity, Origin};
use crate::source::shelf::Shelf;
use crate::source::{Facts, Reader, Reading, Source, SourceError, problem};

mod build;

use build::Conversations;

/// Changes whenever an index of an older program would be understood otherwise.
const INDEX_VERSION: u32 = 2;

/// How large one conversation may be, in bytes: files and all.
const LINE_LIMIT: u64 = 256 * 1024 * 1024;

/// How often the watcher is told, in bytes read.
const WATCH_EVERY: u64 = 4 * 1024 * 1024;

/// What a piece of the catalog is.
mod kind {
    pub(super) const CONVERSATION: u8 = 0;
    /// Looked up by its id.
    pub(super) const CUSTOMER: u8 = 1;
}

/// The `freescout` source.
pub struct FreeScout;

impl Source for FreeScout {
    fn name(&self) -> &'static str {
        FREESCOUT
    }

    fn recognises(&self, head: &Head) -> bool {
        is_backup(head) || head.files.iter().any(|file| Form::of(file.text()).is_some())
    }

    fn open(&self, input: Input, reading: &Reading<'_>) -> Result<Reader, SourceError> {
        let archive = match input.files().iter().find(|file| is_marker(&file.shown)) {
            Some(marker) => of_backup(marker, input.keys(), reading.scratch)?,
            None => of_exports(input)?,
        };
        let key = format!("{FREESCOUT} {INDEX_VERSION} {}", archive.stamp);
        let mut catalog = Catalog::open(reading.index, reading.scratch, &key)?;
        if !catalog.is_sealed() {
            let mut pass = Pass { catalog: &mut catalog, reading, found: 0, lost_customers: 0, bytes: 0 };
            for part in &archive.parts {
                pass.part(part, &archive.input)?;
            }
            pass.tell(0)?;
            let (found, lost_customers) = (pass.found, pass.lost_customers);
            catalog.note("found", &found.to_string())?;
            catalog.note("lost_customers", &lost_customers.to_string())?;
            catalog.seal()?;
        }
        let noted = |name: &str| -> Result<u64, SourceError> {
            Ok(catalog.noted(name)?.and_then(|text| text.parse().ok()).unwrap_or_default())
        };
        let (found, lost_customers) = (noted("found")?, noted("lost_customers")?);
        let mut oddities = Vec::new();
        if lost_customers > 0 {
            let message = format!("{lost_customers} customers cannot be read; they come with names and addresses only");
            let origin = Origin::whole(&Arc::from("."));
            oddities.push(Oddity { code: codes::READ_MISSING_PART, origin, message });
        }
        let records = catalog.group_count()?;
        let facts = Facts {
            records,
            counts: vec![
                ("duplicates", found.saturating_sub(records)),
                ("customers", catalog.name_count(kind::CUSTOMER)?),
            ],
            variants: archive.variants,
            oddities,
        };
        let groups = catalog.into_groups(reading.order);
        let passing = groups.passing();
        let records = Conversations::new(groups, Shelf::new(archive.input), archive.about, archive.unpacked);
        Ok(Reader::new(facts, records).passing(passing))
    }
}

/// Whether the archive is the folder of a backup: it says so itself, whatever its attachments look like.
pub(super) fn is_backup(head: &Head) -> bool {
    head.files.iter().any(|file| is_marker(&file.shown) && has_format(file))
}

/// Whether this file says of the folder that it lies in that it is a backup, or a snapshot of one.
fn is_marker(shown: &str) -> bool {
    shown == MARKER || shown == MANIFEST
}

fn has_format(file: &HeadFile) -> bool {
    let mut members = Members::new(file.text());
    while let Some(key) = members.next() {
        if key == "format" && members.value().trim_ascii_start().starts_with(b"\"foxferry backup\"") {
            return true;
        }
    }
    false
}

/// How a file holds conversations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Objects with their kind in `object`.
    Lines,
    /// One object with lists.
    Document,
    /// Conversations of a backup, one a line.
    Conversations,
    /// Customers of a backup.
    Customers,
}

impl Form {
    /// Of an export, by its beginning.
    fn of(text: &[u8]) -> Option<Self> {
        let mut members = Members::new(text);
        let mut object = None;
        let mut is_ours = false;
        let mut is_conversation = false;
        while let Some(key) = members.next() {
            let value = members.value().trim_ascii_start();
            match &*key {
                "object" if object.is_none() => object = Some(value),
                "made_by" => is_ours |= value.starts_with(b"\"foxferry "),
                "mailboxId" => is_conversation = true,
                _ => {}
            }
        }
        match object {
            Some(object) if is_ours && object.starts_with(b"\"export\"") => Some(Self::Lines),
            Some(object) if is_conversation && object.starts_with(b"\"conversation\"") => Some(Self::Lines),
            None if is_ours => Some(Self::Document),
            _ => None,
        }
    }

    /// Where the elements stand, and what they are if they do not say so.
    fn places(self) -> &'static [(&'static str, Option<u8>)] {
        match self {
            Self::Lines => &[("", None)],
            Self::Document => &[("conversations", Some(kind::CONVERSATION)), ("customers", Some(kind::CUSTOMER))],
            Self::Conversations => &[("", Some(kind::CONVERSATION))],
            Self::Customers => &[("", Some(kind::CUSTOMER))],
        }
    }
}

/// What records need beyond their own line.
#[derive(Debug, Default)]
struct About {
    /// FreeScout's address, by the file's number; empty if it is not known.
    sites: HashMap<u32, String>,
    /// Name and address of mailboxes, where conversations only have an id.
    mailboxes: HashMap<u64, wire::Mailbox>,
    /// The folder of the backup, if it is one.
    backup: Option<Arc<Path>>,
    /// Who opens its attachments.
    keys: Arc<Keys>,
}

impl About {
    /// A conversation's page.
    fn page(&self, file: u32, id: u64) -> Option<String> {
        let site = self.sites.get(&file)?.trim_end_matches('/').trim_end_matches("/api");
        (!site.is_empty()).then(|| format!("{site}/conversation/{id}"))
    }
}

/// What there is to read.
struct Archive {
    input: Input,
    parts: Vec<Part>,
    about: About,
    variants: Vec<String>,
    /// Unchanged while the archive is.
    stamp: String,
    /// Holds what had to be unpacked.
    unpacked: Option<TempDir>,
}

/// One file that is read.
struct Part {
    file: usize,
    form: Form,
}

fn of_exports(input: Input) -> Result<Archive, SourceError> {
    let mut parts = Vec::new();
    let mut about = About::default();
    let mut variants = Vec::new();
    for (index, file) in input.files().iter().enumerate() {
        let head = file.head().map_err(|cause| io_error(&file.path, cause))?;
        let Some(form) = Form::of(head.text()) else { continue };
        if let Some(site) = site(head.text()) {
            about.sites.insert(number(index), site);
        }
        let variant = if form == Form::Lines { "json lines" } else { "json" };
        if !variants.iter().any(|known| known == variant) {
            variants.push(variant.to_owned());
        }
        parts.push(Part { file: index, form });
    }
    if parts.is_empty() && input.bytes() > 0 {
        return Err(SourceError::WrongFormat {
            origin: Origin::whole(&input.files()[0].shown),
            expected: "an export of foxferry's (`json`, `jsonl`) or the folder of a backup",
            found: "its beginning does not say so".to_owned(),
        });
    }
    let stamp = input.stamp().map_err(|cause| match input.files().first() {
        Some(file) => io_error(&file.path, cause),
        None => io_error(Path::new(""), cause),
    })?;
    Ok(Archive { input, parts, about, variants, stamp: stamp.to_string(), unpacked: None })
}

/// FreeScout's address, as the first object says.
fn site(text: &[u8]) -> Option<String> {
    let mut members = Members::new(text);
    while let Some(key) = members.next() {
        if key == "site" {
            let mut values = serde_json::Deserializer::from_slice(members.value()).into_iter::<String>();
            return values.next()?.ok();
        }
    }
    None
}

/// The newest snapshot of the backup that the marker is of, or the snapshot that it is of.
fn of_backup(marker: &InputFile, keys: &Arc<Keys>, scratch: &Path) -> Result<Archive, SourceError> {
    let failed = |cause| io_error(&marker.path, io::Error::other(cause));
    if !marker.is_in_folder() {
        return Err(SourceError::WrongFormat {
            origin: Origin::whole(&marker.shown),
            expected: "the folder of a backup",
            found: "a backup inside a container; unpack it first".to_owned(),
        });
    }
    // From `.` no way leads up by its name.
    let place = fs::canonicalize(&marker.path).map_err(|cause| io_error(&marker.path, cause))?;
    let folder = place.parent().unwrap_or(Path::new("/"));
    let snapshot_name =
        (*marker.shown == *MANIFEST).then(|| folder.file_name().and_then(|name| name.to_str())).flatten();
    let (folder, name) = match snapshot_name {
        Some(name) => (folder.ancestors().nth(2).unwrap_or(folder), name),
        None => (folder, "latest"),
    };
    let backup = Backup::open(folder).and_then(|backup| backup.with_identities(keys)).map_err(failed)?;
    let snapshot = backup.snapshot(name).map_err(failed)?;
    let manifest = snapshot.manifest();
    let is_packed = manifest.files.iter().any(|file| file.path.ends_with(".gz") || file.path.ends_with(".age"));
    let unpacked = if is_packed { Some(unpack(&snapshot, scratch)?) } else { None };
    let place = unpacked.as_ref().map_or(snapshot.dir(), TempDir::path).to_owned();
    let input = Input::open(&[place], scratch).map_err(|error| io_error(snapshot.dir(), io::Error::other(error)))?;
    let mut parts = Vec::new();
    for (index, file) in input.files().iter().enumerate() {
        let folder = Path::new(&*file.shown).parent().and_then(Path::to_str);
        match folder {
            Some("conversations") => parts.push(Part { file: index, form: Form::Conversations }),
            Some("customers") => parts.push(Part { file: index, form: Form::Customers }),
            _ => {}
        }
    }
    let mailboxes = snapshot.list("mailboxes").map_err(failed)?;
    let about = About {
        sites: parts.iter().map(|part| (number(part.file), manifest.url.clone())).collect(),
        mailboxes: mailboxes.iter().filter_map(|row| Some((row.id, row.typed().ok()?))).collect(),
        backup: Some(Arc::from(folder)),
        keys: Arc::clone(keys),
    };
    let sealed = serde_json::to_vec(manifest).unwrap_or_default();
    let stamp = format!("backup {}", blake3::hash(&sealed));
    Ok(Archive { input, parts, about, variants: vec!["backup".to_owned()], stamp, unpacked })
}

/// Files that are compressed or encrypted cannot be read by position: they are unpacked for as long as they are read.
fn unpack(snapshot: &crate::backup::read::Snapshot, scratch: &Path) -> Result<TempDir, SourceError> {
    let folder = tempfile::tempdir_in(scratch).map_err(|cause| io_error(scratch, cause))?;
    for collection in ["conversations", "customers"] {
        let place = folder.path().join(collection);
        fs::create_dir(&place).map_err(|cause| io_error(&place, cause))?;
        let to = place.join("all.jsonl");
        let written = || -> io::Result<()> {
            let mut out = io::BufWriter::new(File::create(&to)?);
            for line in snapshot.rows(collection).map_err(io::Error::other)?.into_lines() {
                io::Write::write_all(&mut out, line.map_err(io::Error::other)?.as_bytes())?;
                io::Write::write_all(&mut out, b"\n")?;
            }
            io::Write::flush(&mut out)
        };
        written().map_err(|cause| io_error(snapshot.dir(), cause))?;
    }
    Ok(folder)
}

fn io_error(path: &Path, cause: io::Error) -> SourceError {
    SourceError::Io { path: path.to_owned(), cause }
}

fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

/// The name under which a customer is looked up.
fn customer_key(id: u64) -> i64 {
    catalog::key("customer", id.to_string().as_bytes())
}

/// What the pass needs of an object.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Glance {
    object: Option<Value>,
    id: Option<Value>,
    created_at: Option<Value>,
    updated_at: Option<Value>,
}

impl Glance {
    fn of(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok().or_else(|| Self::deserialize(json::parse(bytes).ok()?.0).ok())
    }

    fn kind(&self) -> Option<u8> {
        match self.object.as_ref()?.as_str()? {
            "conversation" => Some(kind::CONVERSATION),
            "customer" => Some(kind::CUSTOMER),
            _ => None,
        }
    }
}

/// Seconds of a time as FreeScout writes it.
fn seconds(value: Option<&Value>) -> Option<i64> {
    Some(wire::parse_time(value?.as_str()?)?.as_second())
}

/// The state of the pass.
struct Pass<'a> {
    catalog: &'a mut Catalog,
    reading: &'a Reading<'a>,
    /// Conversations, and what may have been one.
    found: u64,
    /// Customers that could not be cut out.
    lost_customers: u64,
    /// Bytes of the files read so far.
    bytes: u64,
}

impl Pass<'_> {
    fn tell(&self, offset: u64) -> Result<(), SourceError> {
        match (self.reading.watch)(self.bytes + offset) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(SourceError::Interrupted),
        }
    }

    fn part(&mut self, part: &Part, input: &Input) -> Result<(), SourceError> {
        let file = &input.files()[part.file];
        for (at, kind) in part.form.places() {
            let path: Vec<Step> = (!at.is_empty()).then(|| Step::Key((*at).to_owned())).into_iter().collect();
            self.walk(part, file, &path, *kind)?;
        }
        self.bytes += file.length;
        Ok(())
    }

    fn walk(&mut self, part: &Part, file: &InputFile, path: &[Step], kind: Option<u8>) -> Result<(), SourceError> {
        let failed = |cause| io_error(&file.path, cause);
        let mut scanner = Scanner::new(file.open().map_err(failed)?).map_err(failed)?;
        let mut told = 0;
        walk::<_, SourceError>(&mut scanner, path, LINE_LIMIT, |span, found| {
            if span.offset >= told + WATCH_EVERY {
                told = span.offset;
                self.tell(told)?;
            }
            let mut piece = Piece {
                kind: kind::CONVERSATION,
                at: i64::MAX,
                version: i64::MIN,
                file: number(part.file),
                offset: span.offset,
                length: span.length,
                line: span.line,
                ..Piece::default()
            };
            let lost = format!("\0{} {}", part.file, span.offset);
            let glance = match found {
                Found::Element(bytes) => Glance::of(bytes),
                Found::Fault(fault) => {
                    if kind == Some(kind::CUSTOMER) {
                        self.lost_customers += 1;
                        return Ok(());
                    }
                    let (problem, at) = problem::of(&fault);
                    piece.kind = problem;
                    piece.version = i64::try_from(at).unwrap_or(i64::MAX);
                    self.found += 1;
                    return Ok(self.catalog.put(catalog::key("lost", lost.as_bytes()), piece)?);
                }
            };
            if let Some(glance) = &glance {
                piece.at = seconds(glance.created_at.as_ref()).unwrap_or(i64::MAX);
                piece.version = seconds(glance.updated_at.as_ref()).unwrap_or(i64::MIN);
            }
            let id = glance.as_ref().and_then(|glance| wire::as_id(glance.id.as_ref()?));
            let kind = match (kind, &glance) {
                (Some(kind), _) => Some(kind),
                (None, Some(glance)) => glance.kind(),
                // What is wrong with it is said when it is read.
                (None, None) => Some(kind::CONVERSATION),
            };
            match (kind, id) {
                (Some(kind::CUSTOMER), Some(id)) => {
                    piece.kind = kind::CUSTOMER;
                    self.catalog.put_named(customer_key(id), piece)?;
                }
                (Some(kind::CONVERSATION), id) => {
                    self.found += 1;
                    let group = match id {
                        Some(id) => catalog::key("conversation", id.to_string().as_bytes()),
                        None => catalog::key("lost", lost.as_bytes()),
                    };
                    self.catalog.put(group, piece)?;
                }
                _ => {}
            }
            Ok(())
        })?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
