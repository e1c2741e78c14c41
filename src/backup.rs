//! A FreeScout in a folder: copied every night, checkable, comparable, and readable without this program.
//!
//! Promises:
//!
//! - A snapshot is complete, sealed in one step, and never touched again. Before it is sealed nothing of it is seen.
//! - A conversation that exists throughout a run is in its snapshot, once, with all its threads, also while others work.
//! - A run that was killed at any instant goes on where it stopped.
//! - A second run asks for lists and for what differs, and unchanged files are shared with the snapshot before.
//! - Nothing is ever written to FreeScout.
//!
//! The folder's format and how a run reads a help desk that does not hold still are in `docs/backup.md`.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) mod ask;
mod calls;
pub mod compare;
mod convert;
pub(crate) mod crypt;
mod diff;
mod digest;
mod drill;
mod files;
pub mod format;
mod prune;
pub mod read;
pub mod restore;
mod row;
mod run;
mod seal;
#[cfg(test)]
mod tests;
mod tree;
mod verify;
pub(crate) mod walk;
mod webhook;
mod work;

pub use calls::Tally;
pub use compare::{Compared, Fate, Unlike, compare};
pub use convert::{NotRestorable, Restorer};
pub use crypt::{KeyError, Keys};
pub use diff::{ConversationDiff, Difference, FieldDiff, ThreadDiff, diff};
pub use drill::{Drilled, drill};
pub use prune::{Keep, Mode, Pruned, prune};
pub use restore::{Restoration, RestoreError, Wanted};
pub use run::{Ended, Followed, Following, Options, Outcome, Progress, follow, run};
pub use verify::{Fault, Sample, Verified, verify};
pub use webhook::remove_left;

use crate::freescout::ApiError;
pub(crate) use format::MARKER;
use format::{MARKER_TEXT, SNAPSHOTS, WORK};

/// A backup cannot be made, read or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The folder is not one.
    #[error("`{}` is not a backup: it has no `{MARKER}`", path.display())]
    NotABackup {
        /// The folder.
        path: PathBuf,
    },
    /// The folder holds other things.
    #[error("`{}` is not empty and not a backup", path.display())]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// A newer program made it.
    #[error("`{}` has format {found}, and this program knows up to {}", path.display(), format::VERSION)]
    Newer {
        /// The folder or file.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// Its files are encrypted.
    #[error("`{}` is encrypted, and there is no identity to open it with", path.display())]
    Locked {
        /// The folder.
        path: PathBuf,
    },
    /// Its files are encrypted to others.
    #[error("`{}` is encrypted to others: none of the identities opens it", path.display())]
    WrongIdentity {
        /// The folder.
        path: PathBuf,
    },
    /// It is plain, or encrypted to others, from its first night.
    #[error("`{}` is {found}, and encryption does not change in a folder", path.display())]
    OtherRecipients {
        /// The folder.
        path: PathBuf,
        /// What it is.
        found: String,
    },
    /// Another run is busy with it.
    #[error("another run is working in `{}`{}", path.display(), process.map(|id| format!(" (process {id})")).unwrap_or_default())]
    InUse {
        /// The folder.
        path: PathBuf,
        /// That run's process.
        process: Option<u32>,
    },
    /// It belongs to another FreeScout.
    #[error("`{}` is a backup of {found}, not of {asked}", path.display())]
    OtherTarget {
        /// The folder.
        path: PathBuf,
        /// Whose it is.
        found: String,
        /// Who was to be copied.
        asked: String,
    },
    /// There is no such snapshot.
    #[error("there is no snapshot `{name}`")]
    NoSnapshot {
        /// The name asked for.
        name: String,
    },
    /// The beginning of a name that several snapshots have.
    #[error("`{name}` is the beginning of {} snapshots: {}", fitting.len(), shown(fitting))]
    ManySnapshots {
        /// What was asked for.
        name: String,
        /// Names that begin with it, oldest first.
        fitting: Vec<String>,
    },
    /// The target has no such mailbox.
    #[error("no mailbox `{name}` at the target")]
    NoMailbox {
        /// The name asked for.
        name: String,
    },
    /// There is no snapshot at all.
    #[error("`{}` holds no snapshot yet", path.display())]
    Empty {
        /// The folder.
        path: PathBuf,
    },
    /// A file cannot be read, or is not what it should be.
    #[error("`{}` cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// A file or folder cannot be written.
    #[error("`{}` cannot be written", path.display())]
    Unwritable {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// What the unfinished run has gathered cannot be used.
    #[error("the state of the run in `{}` cannot be used; it can be deleted, and the next run begins anew", path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: rusqlite::Error,
    },
    /// FreeScout does not answer as it should.
    #[error("FreeScout cannot be read")]
    Target {
        /// What it said.
        #[source]
        cause: Box<ApiError>,
    },
    /// A worker panicked.
    #[error("a part of the run has failed unexpectedly: {what}")]
    Bug {
        /// Which.
        what: String,
    },
}

/// The first names of a list, in a sentence.
fn shown(names: &[String]) -> String {
    const MOST: usize = 4;
    let first = names.iter().take(MOST).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    if names.len() > MOST { format!("{first}, …") } else { first }
}

impl BackupError {
    fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |cause| Self::Unreadable { path, cause }
    }

    fn unwritable(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |cause| Self::Unwritable { path, cause }
    }

    fn of_api(cause: ApiError) -> Self {
        Self::Target { cause: Box::new(cause) }
    }
}

/// The folder of a backup.
#[derive(Debug, Clone)]
pub struct Backup {
    dir: PathBuf,
    keys: Arc<Keys>,
}

/// What stands in the marker.
#[derive(Debug, serde::Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Marker {
    version: u64,
    recipients: Vec<String>,
}

impl Backup {
    /// An existing one.
    pub fn open(dir: &Path) -> Result<Self, BackupError> {
        let marker = dir.join(MARKER);
        let text = match fs::read_to_string(&marker) {
            Ok(text) => text,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                return Err(BackupError::NotABackup { path: dir.to_path_buf() });
            }
            Err(cause) => return Err(BackupError::Unreadable { path: marker, cause }),
        };
        let Marker { version, recipients } = serde_json::from_str(&text).unwrap_or_default();
        if version > u64::from(format::VERSION) {
            return Err(BackupError::Newer {
                path: dir.to_path_buf(),
                found: u32::try_from(version).unwrap_or(u32::MAX),
            });
        }
        let keys = Keys::of_recipients(&recipients, &[])
            .map_err(|cause| BackupError::Unreadable { path: marker, cause: io::Error::other(cause) })?;
        Ok(Self { dir: dir.to_path_buf(), keys: Arc::new(keys) })
    }

    /// With whoever can open it. Of a folder that is not encrypted they are not asked for anything.
    pub fn with_identities(mut self, identities: &Keys) -> Result<Self, BackupError> {
        if self.keys.is_encrypted() && identities.has_identities() {
            let keys = Keys::clone(&self.keys).identities_of(identities);
            if !keys.fits() {
                return Err(BackupError::WrongIdentity { path: self.dir });
            }
            self.keys = Arc::new(keys);
        }
        Ok(self)
    }

    /// Whether its files are encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.keys.is_encrypted()
    }

    fn keys(&self) -> &Arc<Keys> {
        &self.keys
    }

    /// Whether its lines can be read.
    ///
    /// # Errors
    ///
    /// [`BackupError::Locked`]: it is encrypted, and nobody is here who opens it.
    pub fn unlocked(&self) -> Result<(), BackupError> {
        if self.keys.can_read() { Ok(()) } else { Err(BackupError::Locked { path: self.dir.clone() }) }
    }

    fn version(&self) -> u32 {
        if self.is_encrypted() { format::VERSION } else { format::PLAIN_VERSION }
    }

    fn marker_text(&self) -> String {
        if !self.is_encrypted() {
            return MARKER_TEXT.to_owned();
        }
        let recipients = serde_json::json!(self.keys.shown());
        let (name, version) = (format::FORMAT, format::VERSION);
        format!("{{\"format\":\"{name}\",\"version\":{version},\"encryption\":\"age\",\"recipients\":{recipients}}}\n")
    }

    fn store(&self, asker: &ask::Asker) -> files::Store {
        files::Store {
            asker: asker.clone(),
            dir: self.dir.clone(),
            keys: Arc::clone(&self.keys),
            known: Arc::default(),
        }
    }

    /// An existing one, or a new one in a folder that is empty or not there yet.
    pub fn open_or_create(dir: &Path) -> Result<Self, BackupError> {
        Self::open_or_create_for(dir, &Keys::default())
    }

    /// An existing one, or a new one that is encrypted to these recipients; to nobody: a plain one. If it exists, and
    /// recipients are given, they have to be its own. One of the identities has to be theirs: a run reads back what it shares
    /// with the snapshot before.
    pub fn open_or_create_for(dir: &Path, recipients: &Keys) -> Result<Self, BackupError> {
        if dir.join(MARKER).exists() {
            let found = Self::open(dir)?;
            if recipients.is_encrypted() && found.keys.shown() != recipients.shown() {
                let found = match found.is_encrypted() {
                    true => format!("encrypted to {}", found.keys.shown().join(", ")),
                    false => "not encrypted".to_owned(),
                };
                return Err(BackupError::OtherRecipients { path: dir.to_path_buf(), found });
            }
            return found.with_identities(recipients);
        }
        // Not one that nobody here could ever read back.
        if recipients.is_encrypted() && !recipients.fits() {
            let path = dir.to_path_buf();
            let is_nobody = !recipients.has_identities();
            return Err(if is_nobody { BackupError::Locked { path } } else { BackupError::WrongIdentity { path } });
        }
        fs::create_dir_all(dir).map_err(BackupError::unwritable(dir))?;
        // A run that was killed at its very beginning may have left its lock and the folders.
        let is_ours = |name: &std::ffi::OsStr| name == WORK || name == SNAPSHOTS || name == format::ATTACHMENTS;
        let mut entries = fs::read_dir(dir).map_err(BackupError::unreadable(dir))?;
        let is_foreign = |entry: io::Result<fs::DirEntry>| {
            entry.is_ok_and(|entry| {
                !is_ours(&entry.file_name()) && !entry.file_name().to_string_lossy().starts_with(".tmp")
            })
        };
        if entries.any(is_foreign) {
            return Err(BackupError::NotEmpty { path: dir.to_path_buf() });
        }
        for name in [WORK, SNAPSHOTS, format::ATTACHMENTS] {
            fs::create_dir_all(dir.join(name)).map_err(BackupError::unwritable(dir))?;
        }
        let marker = dir.join(MARKER);
        let made = Self { dir: dir.to_path_buf(), keys: Arc::new(recipients.clone()) };
        format::write_whole(&marker, made.marker_text().as_bytes()).map_err(BackupError::unwritable(&marker))?;
        Ok(made)
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    fn work(&self) -> PathBuf {
        self.dir.join(WORK)
    }

    fn snapshots_dir(&self) -> PathBuf {
        self.dir.join(SNAPSHOTS)
    }

    /// Names of the sealed snapshots, oldest first.
    pub fn names(&self) -> Result<Vec<String>, BackupError> {
        let dir = self.snapshots_dir();
        let entries = match fs::read_dir(&dir) {
            Ok(entries) => entries,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(cause) => return Err(BackupError::Unreadable { path: dir, cause }),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(BackupError::unreadable(&dir))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            // What is not sealed yet, or being removed, begins with a dot.
            if !name.starts_with('.') && entry.path().is_dir() {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    /// A snapshot by its name, by the beginning of it that no other has, or as `latest`.
    pub fn snapshot(&self, name: &str) -> Result<read::Snapshot, BackupError> {
        let names = self.names()?;
        let found = match name {
            "latest" => names.last().cloned().ok_or_else(|| BackupError::Empty { path: self.dir.clone() })?,
            _ if names.iter().any(|known| known == name) => name.to_owned(),
            _ => {
                let mut fitting: Vec<String> = names.into_iter().filter(|known| known.starts_with(name)).collect();
                match fitting.len() {
                    0 => return Err(BackupError::NoSnapshot { name: name.to_owned() }),
                    1 => fitting.remove(0),
                    _ => return Err(BackupError::ManySnapshots { name: name.to_owned(), fitting }),
                }
            }
        };
        read::Snapshot::open(self, &found)
    }

    /// The newest snapshot whose manifest can be read.
    pub fn latest(&self) -> Result<Option<read::Snapshot>, BackupError> {
        match self.names()?.last() {
            Some(name) => read::Snapshot::open(self, name).map(Some),
            None => Ok(None),
        }
    }

    /// Keeps every other run out until the answer is dropped.
    pub fn lock(&self) -> Result<Lock, BackupError> {
        let work = self.work();
        fs::create_dir_all(&work).map_err(BackupError::unwritable(&work))?;
        let path = work.join("lock");
        let failed = |cause| BackupError::Unwritable { path: path.clone(), cause };
        let mut file =
            File::options().read(true).write(true).create(true).truncate(false).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                // Only told: without it the message is shorter.
                let _ = file.read_to_string(&mut text);
                return Err(BackupError::InUse { path: self.dir.clone(), process: text.trim().parse().ok() });
            }
            Err(TryLockError::Error(cause)) => return Err(failed(cause)),
        }
        file.set_len(0).map_err(failed)?;
        writeln!(file, "{}", std::process::id()).map_err(failed)?;
        Ok(Lock { _file: file })
    }
}

/// The right to change a backup, held until it is dropped or the process ends, however it ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}
