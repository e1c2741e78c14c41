//! A snapshot read back: rows as FreeScout gave them, one at a time.
//!
//! ```no_run
//! use foxferry::backup::{Backup, Restorer};
//!
//! # fn example(dir: &std::path::Path) -> Result<(), Box<dyn std::error::Error>> {
//! let snapshot = Backup::open(dir)?.snapshot("latest")?;
//! let restorer = Restorer::of(&snapshot)?;
//! for stored in snapshot.conversations()? {
//!     let stored = stored?;
//!     println!("{}: {}", stored.id, stored.raw["subject"]);
//!     let conversation = restorer.conversation(&stored);
//! }
//! # Ok(())
//! # }
//! ```

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::crypt::{self, Keys};
use super::format::{self, FileEntry, Held, Lines, MANIFEST, Manifest, OURS, Ours};
use super::{Backup, BackupError};
use crate::content::Content;
use crate::freescout::wire;
use crate::record::Origin;

/// One sealed snapshot.
#[derive(Debug, Clone)]
pub struct Snapshot {
    backup: PathBuf,
    keys: Arc<Keys>,
    dir: PathBuf,
    manifest: Arc<Manifest>,
}

/// One row of a snapshot.
#[derive(Debug, Clone)]
pub struct Stored {
    /// Its id in the FreeScout that was copied.
    pub id: u64,
    /// FreeScout's own JSON, unknown keys included, without what is ours.
    pub raw: Value,
    /// What this program knows about it.
    pub ours: Ours,
    /// Where it stands, for people: file and line.
    pub origin: Origin,
    backup: Arc<Path>,
    keys: Arc<Keys>,
}

impl Stored {
    /// Takes a line apart. `backup` is the folder in which the bytes of its files lie, and `keys` opens them.
    pub(crate) fn of(mut raw: Value, origin: Origin, backup: Arc<Path>, keys: Arc<Keys>) -> serde_json::Result<Self> {
        let ours = raw.as_object_mut().and_then(|row| row.shift_remove(OURS)).unwrap_or_default();
        let ours = serde_json::from_value::<Option<Ours>>(ours)?.unwrap_or_default();
        let id = raw.get("id").and_then(wire::as_id).unwrap_or_default();
        Ok(Self { id, raw, ours, origin, backup, keys })
    }

    /// The row with typed fields.
    pub fn typed<T: DeserializeOwned>(&self) -> serde_json::Result<T> {
        T::deserialize(&self.raw)
    }

    /// A conversation's typed form.
    pub fn conversation(&self) -> serde_json::Result<wire::Conversation> {
        self.typed()
    }

    /// A customer's typed form.
    pub fn customer(&self) -> serde_json::Result<wire::Customer> {
        self.typed()
    }

    /// The bytes of an attachment, by its id.
    pub fn attachment(&self, id: u64) -> Content {
        self.file(&id.to_string())
    }

    /// The bytes of an image in a text, or of a photo, by the address that stands there.
    pub fn file(&self, key: &str) -> Content {
        let missing = |reason: &str| Content::Missing { reason: reason.to_owned(), claimed_length: None };
        match self.ours.file(key) {
            Some(held @ Held::Here { .. }) => match (held.place(&self.backup), held) {
                (Some((path, _)), Held::Here { bytes: length, stored: Some(_), .. }) => {
                    Content::Encrypted { path: path.into(), length, keys: Arc::clone(&self.keys) }
                }
                (Some((path, length)), _) => Content::File { path: path.into(), length },
                (None, _) => missing("the backup names no file for it"),
            },
            Some(Held::Missing { missing: why }) => missing(&why),
            None => missing("attachments were left out of the backup"),
        }
    }
}

impl Snapshot {
    pub(super) fn open(backup: &Backup, name: &str) -> Result<Self, BackupError> {
        let dir = backup.snapshots_dir().join(name);
        let path = dir.join(MANIFEST);
        let bytes = fs::read(&path).map_err(BackupError::unreadable(&path))?;
        let manifest: Manifest = serde_json::from_slice(&bytes)
            .map_err(|cause| BackupError::Unreadable { path: path.clone(), cause: io::Error::other(cause) })?;
        if manifest.version > format::VERSION {
            return Err(BackupError::Newer { path, found: manifest.version });
        }
        Ok(Self {
            backup: backup.dir().to_path_buf(),
            keys: Arc::clone(backup.keys()),
            dir,
            manifest: Arc::new(manifest),
        })
    }

    /// Whether its lines can be read.
    pub(super) fn unlocked(&self) -> Result<(), BackupError> {
        if self.keys.can_read() { Ok(()) } else { Err(BackupError::Locked { path: self.backup.clone() }) }
    }

    /// What it holds.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.manifest.name
    }

    /// Its folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The folder of the backup that it is a part of.
    pub fn backup_dir(&self) -> &Path {
        &self.backup
    }

    /// Conversations in the order of their ids, with threads, tags, time logs and fields. One is in memory at a time.
    pub fn conversations(&self) -> Result<Rows, BackupError> {
        self.rows("conversations")
    }

    /// Customers in the order of their ids.
    pub fn customers(&self) -> Result<Rows, BackupError> {
        self.rows("customers")
    }

    /// A short collection (`mailboxes`, `folders`, `users`, `custom_fields`, `customer_fields`, `tags`) as a whole; empty when
    /// the snapshot has none. What a folder or field belongs to is in [`Ours::mailbox`].
    pub fn list(&self, collection: &str) -> Result<Vec<Stored>, BackupError> {
        self.rows(collection)?.collect()
    }

    /// Rows of a collection.
    pub fn rows(&self, collection: &str) -> Result<Rows, BackupError> {
        self.unlocked()?;
        let mut files: Vec<&FileEntry> =
            self.manifest.files.iter().filter(|file| is_of(collection, &file.path)).collect();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Rows {
            dir: self.dir.clone(),
            backup: Arc::from(self.backup.as_path()),
            keys: Arc::clone(&self.keys),
            files: files.into_iter().map(|file| (file.path.clone(), file.lines)).collect(),
            current: None,
        })
    }

    /// The rows that lie in the same file as this id's would: for looking one up.
    pub(super) fn shard(&self, collection: &str, shard: u64) -> Rows {
        let fits = |file: &&FileEntry| format::shard_in(collection, &file.path) == Some(shard);
        let file = self.manifest.files.iter().find(fits);
        Rows {
            dir: self.dir.clone(),
            backup: Arc::from(self.backup.as_path()),
            keys: Arc::clone(&self.keys),
            files: file.into_iter().map(|file| (file.path.clone(), file.lines)).collect(),
            current: None,
        }
    }
}

/// Whether a path belongs to a collection: its one file or one of its shards.
fn is_of(collection: &str, path: &str) -> bool {
    let name = path.strip_suffix(crypt::ENDING).unwrap_or(path);
    let name = name.strip_suffix(".gz").unwrap_or(name);
    name.strip_suffix(".jsonl") == Some(collection) || format::shard_in(collection, path).is_some()
}

/// Rows of a collection, file after file. After an error in a file it goes on with the next line or file.
pub struct Rows {
    dir: PathBuf,
    backup: Arc<Path>,
    keys: Arc<Keys>,
    files: VecDeque<(String, u64)>,
    current: Option<Current>,
}

struct Current {
    name: Arc<str>,
    path: PathBuf,
    lines: Lines,
    /// How many lines the manifest promises.
    promised: u64,
}

impl Rows {
    fn next_line(&mut self) -> Option<Result<(String, Origin, PathBuf), BackupError>> {
        loop {
            if let Some(current) = &mut self.current {
                match current.lines.next() {
                    Some(Ok(line)) => {
                        let origin = Origin::line(&current.name, current.lines.number);
                        return Some(Ok((line, origin, current.path.clone())));
                    }
                    Some(Err(cause)) => {
                        let path = current.path.clone();
                        self.current = None;
                        return Some(Err(BackupError::Unreadable { path, cause }));
                    }
                    None => {
                        let (found, promised, path) = (current.lines.number, current.promised, current.path.clone());
                        self.current = None;
                        if found != promised {
                            let cause = io::Error::new(
                                io::ErrorKind::InvalidData,
                                format!("it has {found} lines, and the manifest says {promised}"),
                            );
                            return Some(Err(BackupError::Unreadable { path, cause }));
                        }
                    }
                }
            }
            let (name, promised) = self.files.pop_front()?;
            let path = self.dir.join(&name);
            match Lines::open(&path, &self.keys) {
                Ok(lines) => self.current = Some(Current { name: name.into(), path, lines, promised }),
                Err(cause) => return Some(Err(BackupError::Unreadable { path, cause })),
            }
        }
    }

    /// The lines as they stand in the files.
    pub(crate) fn into_lines(mut self) -> impl Iterator<Item = Result<String, BackupError>> {
        std::iter::from_fn(move || self.next_line().map(|line| line.map(|(line, ..)| line)))
    }
}

impl Iterator for Rows {
    type Item = Result<Stored, BackupError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (line, origin, path) = match self.next_line()? {
            Ok(found) => found,
            Err(error) => return Some(Err(error)),
        };
        let stored = serde_json::from_str::<Value>(&line)
            .and_then(|raw| Stored::of(raw, origin.clone(), Arc::clone(&self.backup), Arc::clone(&self.keys)));
        Some(stored.map_err(|cause| BackupError::Unreadable {
            path,
            cause: io::Error::new(io::ErrorKind::InvalidData, format!("{origin}: {cause}")),
        }))
    }
}
