//! The folder of fetched files: each stored once under the hash of its bytes, and an index from address to hash.
//!
//! Promises:
//!
//! - What the index calls here is whole and on the disk: it says so after the bytes do.
//! - No name and no address out of an archive becomes a path: hashes do.
//! - One run at a time changes a cache; any number read it.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, params};

use super::FetchError;
use crate::backup::format::{Hashing, attachment_path, place};

/// The file that makes a folder a cache.
pub(crate) const INDEX: &str = "foxferry-files.db";

/// Files that are not whole yet.
const WORK: &str = "work";

/// `FXFI`: an SQLite file that is ours.
const APPLICATION: i32 = 0x4658_4649;

/// The version of the index; a reader refuses a higher one.
const VERSION: i32 = 1;

const SCHEMA: &str = "
    CREATE TABLE links (
        key TEXT PRIMARY KEY,       -- the address without what only permits the download
        sha256 TEXT,                -- of the bytes, if they are here
        bytes INTEGER,
        mime TEXT,                  -- as the server says
        at TEXT NOT NULL,           -- when it was fetched, or last failed
        failure TEXT,               -- why it is not here
        attempts INTEGER NOT NULL   -- in how many runs it was asked for
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE parts (
        key TEXT PRIMARY KEY,
        validator TEXT NOT NULL     -- what the server calls these bytes: ETag or Last-Modified
    ) STRICT, WITHOUT ROWID;";

/// A folder of fetched files.
#[derive(Debug)]
pub struct Cache {
    dir: PathBuf,
    // A standard mutex: no await happens while it is held, and every use of it is one short transaction.
    db: Mutex<Connection>,
}

/// The right to change a cache, held until it is dropped or the process ends, however it ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// What is known of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// Its bytes are here.
    Here {
        /// The file.
        path: PathBuf,
        /// SHA-256 of the bytes, in hexadecimal.
        sha256: String,
        /// Its length.
        bytes: u64,
        /// The media type, as the server said.
        mime: Option<String>,
    },
    /// It was asked for in vain.
    Failed {
        /// Why.
        reason: String,
        /// When, RFC 3339.
        at: String,
    },
}

/// A file that has begun to come.
#[derive(Debug)]
pub(super) struct Part {
    pub path: PathBuf,
    /// How many bytes there are; 0 without a validator.
    pub length: u64,
    /// What the server calls them.
    pub validator: Option<String>,
}

impl Cache {
    /// Whether a folder is a cache.
    pub fn is_one(dir: &Path) -> bool {
        dir.join(INDEX).is_file()
    }

    /// Opens a cache that is there, for reading.
    pub fn open(dir: &Path) -> Result<Self, FetchError> {
        let path = dir.join(INDEX);
        if !path.is_file() {
            return Err(FetchError::NotACache { path: dir.to_path_buf() });
        }
        // Written to only to repair what a killed run has left half done, where that is allowed.
        let read_write = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let read_only = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(&path, read_write)
            .or_else(|_| Connection::open_with_flags(&path, read_only))
            .map_err(FetchError::index(&path))?;
        Self::checked(dir, &path, db)
    }

    /// Opens a cache, and makes it if there is none. A folder that holds something else is refused.
    pub fn open_or_create(dir: &Path) -> Result<Self, FetchError> {
        if Self::is_one(dir) {
            return Self::open(dir);
        }
        fs::create_dir_all(dir).map_err(FetchError::unwritable(dir))?;
        let mut entries = fs::read_dir(dir).map_err(FetchError::unwritable(dir))?;
        if entries.any(|entry| entry.is_ok_and(|entry| entry.file_name() != "lock")) {
            return Err(FetchError::NotACache { path: dir.to_path_buf() });
        }
        let path = dir.join(INDEX);
        let failed = FetchError::index(&path);
        // Under another name until it is whole: a file with our name and no tables would be refused for ever.
        let new = dir.join(format!("{INDEX}.new-{}", std::process::id()));
        let db = Connection::open(&new).map_err(&failed)?;
        db.execute_batch(SCHEMA).map_err(&failed)?;
        db.pragma_update(None, "application_id", APPLICATION).map_err(&failed)?;
        db.pragma_update(None, "user_version", VERSION).map_err(&failed)?;
        db.close().map_err(|(_, cause)| failed(cause))?;
        fs::rename(&new, &path).map_err(FetchError::unwritable(&path))?;
        Self::open(dir)
    }

    fn checked(dir: &Path, path: &Path, db: Connection) -> Result<Self, FetchError> {
        let failed = FetchError::index(path);
        db.busy_timeout(Duration::from_secs(30)).map_err(&failed)?;
        let number = |name: &str| db.pragma_query_value(None, name, |row| row.get::<_, i32>(0)).map_err(&failed);
        if number("application_id")? != APPLICATION {
            return Err(FetchError::NotACache { path: dir.to_path_buf() });
        }
        if number("user_version")? > VERSION {
            return Err(FetchError::Newer { path: dir.to_path_buf() });
        }
        Ok(Self { dir: std::path::absolute(dir).map_err(FetchError::unwritable(dir))?, db: Mutex::new(db) })
    }

    /// Takes the right to change it.
    pub fn lock(&self) -> Result<Lock, FetchError> {
        let path = self.dir.join("lock");
        let unwritable = FetchError::unwritable(&path);
        let file =
            File::options().read(true).write(true).create(true).truncate(false).open(&path).map_err(&unwritable)?;
        match file.try_lock() {
            Ok(()) => Ok(Lock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(FetchError::InUse { path: self.dir.clone() }),
            Err(TryLockError::Error(cause)) => Err(unwritable(cause)),
        }
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    fn db(&self) -> MutexGuard<'_, Connection> {
        self.db.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self) -> impl Fn(rusqlite::Error) -> FetchError {
        FetchError::index(&self.dir.join(INDEX))
    }

    /// What is known of a link. One whose file is gone or has another length is as unknown.
    pub fn find(&self, key: &str) -> Result<Option<Held>, FetchError> {
        type Row = (Option<String>, Option<i64>, Option<String>, String, Option<String>);
        let row: Option<Row> = self
            .db()
            .prepare_cached("SELECT sha256, bytes, mime, at, failure FROM links WHERE key = ?1")
            .and_then(|mut select| {
                let columns =
                    |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?));
                select.query_row([key], columns).optional()
            })
            .map_err(self.failed())?;
        Ok(match row {
            Some((Some(sha256), Some(bytes), mime, _, _)) => {
                let bytes = bytes.unsigned_abs();
                let path = attachment_path(&self.dir, &sha256);
                let path =
                    path.filter(|path| fs::metadata(path).is_ok_and(|found| found.is_file() && found.len() == bytes));
                path.map(|path| Held::Here { path, sha256, bytes, mime })
            }
            Some((.., at, Some(reason))) => Some(Held::Failed { reason, at }),
            _ => None,
        })
    }

    /// Where the beginning of a file is or will be.
    pub(super) fn part(&self, key: &str) -> Result<Part, FetchError> {
        let path = self.dir.join(WORK).join(format!("{}.part", &blake3::hash(key.as_bytes()).to_hex()[..32]));
        let validator: Option<String> = self
            .db()
            .prepare_cached("SELECT validator FROM parts WHERE key = ?1")
            .and_then(|mut select| select.query_row([key], |row| row.get(0)).optional())
            .map_err(self.failed())?;
        let length = fs::metadata(&path).map_or(0, |found| found.len());
        Ok(match validator.filter(|_| length > 0) {
            Some(validator) => Part { path, length, validator: Some(validator) },
            None => Part { path, length: 0, validator: None },
        })
    }

    /// Begins a file anew; with a validator its beginning is of use to a later run.
    pub(super) fn begin(&self, key: &str, part: &Part, validator: Option<&str>) -> Result<File, FetchError> {
        let folder = self.dir.join(WORK);
        fs::create_dir_all(&folder).map_err(FetchError::unwritable(&folder))?;
        // The old bytes go before the new name stands beside them.
        let file = File::create(&part.path).map_err(FetchError::unwritable(&part.path))?;
        let db = self.db();
        let written = match validator {
            Some(validator) => db
                .prepare_cached(
                    "INSERT INTO parts (key, validator) VALUES (?1, ?2)
                     ON CONFLICT (key) DO UPDATE SET validator = excluded.validator",
                )
                .and_then(|mut insert| insert.execute(params![key, validator])),
            None => db.prepare_cached("DELETE FROM parts WHERE key = ?1").and_then(|mut delete| delete.execute([key])),
        };
        written.map_err(self.failed())?;
        Ok(file)
    }

    /// Throws away what has come of a file.
    pub(super) fn forget(&self, key: &str, part: &Part) -> Result<(), FetchError> {
        let gone = fs::remove_file(&part.path);
        if let Err(cause) = gone
            && cause.kind() != io::ErrorKind::NotFound
        {
            return Err(FetchError::Unwritable { path: part.path.clone(), cause });
        }
        let db = self.db();
        db.prepare_cached("DELETE FROM parts WHERE key = ?1")
            .and_then(|mut delete| delete.execute([key]))
            .map_err(self.failed())?;
        Ok(())
    }

    /// Takes a whole file in: its bytes first, then the word that they are here. Gives its length.
    pub(super) fn keep(&self, key: &str, file: &Path, mime: Option<&str>) -> Result<u64, FetchError> {
        let unwritable = FetchError::unwritable(file);
        let mut hashing = Hashing::new(File::open(file).map_err(&unwritable)?);
        io::copy(&mut hashing.by_ref(), &mut io::sink()).map_err(&unwritable)?;
        let (sha256, bytes, _) = hashing.finish();
        let path = attachment_path(&self.dir, &sha256).expect("a hash is one");
        let open = File::options().read(true).write(true).open(file).map_err(&unwritable)?;
        let named = tempfile::TempPath::try_from_path(file).map_err(&unwritable)?;
        let whole = tempfile::NamedTempFile::from_parts(open, named);
        place(whole, &path, bytes).map_err(FetchError::unwritable(&path))?;
        let at = now();
        let mut db = self.db();
        let failed = self.failed();
        let change = db.transaction().map_err(&failed)?;
        change
            .prepare_cached(
                "INSERT INTO links (key, sha256, bytes, mime, at, attempts) VALUES (?1, ?2, ?3, ?4, ?5, 1)
                 ON CONFLICT (key) DO UPDATE SET sha256 = excluded.sha256, bytes = excluded.bytes, mime = excluded.mime,
                     at = excluded.at, failure = NULL, attempts = attempts + 1",
            )
            .and_then(|mut insert| {
                insert.execute(params![key, sha256, i64::try_from(bytes).unwrap_or(i64::MAX), mime, at])
            })
            .map_err(&failed)?;
        change
            .prepare_cached("DELETE FROM parts WHERE key = ?1")
            .and_then(|mut delete| delete.execute([key]))
            .map_err(&failed)?;
        change.commit().map_err(&failed)?;
        Ok(bytes)
    }

    /// Writes down that a link was asked for in vain.
    pub(super) fn fail(&self, key: &str, reason: &str) -> Result<(), FetchError> {
        self.db()
            .prepare_cached(
                "INSERT INTO links (key, at, failure, attempts) VALUES (?1, ?2, ?3, 1)
                 ON CONFLICT (key) DO UPDATE SET sha256 = NULL, bytes = NULL, mime = NULL,
                     at = excluded.at, failure = excluded.failure, attempts = attempts + 1",
            )
            .and_then(|mut insert| insert.execute(params![key, now(), reason]))
            .map_err(self.failed())?;
        Ok(())
    }
}

fn now() -> String {
    let now = Timestamp::now();
    Timestamp::from_second(now.as_second()).unwrap_or(now).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "https://desk.example.org/../../etc/passwd";

    fn put(cache: &Cache, key: &str, bytes: &[u8]) -> u64 {
        let part = cache.part(key).unwrap();
        drop(cache.begin(key, &part, Some("\"v1\"")).unwrap());
        fs::write(&part.path, bytes).unwrap();
        cache.keep(key, &part.path, Some("text/plain")).unwrap()
    }

    #[test]
    fn a_kept_file_is_found_by_another_process_and_lies_under_its_hash() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("a.files");
        let cache = Cache::open_or_create(&dir).unwrap();
        assert_eq!(put(&cache, KEY, b"abc"), 3);
        put(&cache, "https://other.example/same", b"abc");
        let again = Cache::open(&dir).unwrap();
        let Some(Held::Here { path, sha256, bytes: 3, mime }) = again.find(KEY).unwrap() else { panic!("not here") };
        assert_eq!(sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert!(path.ends_with("attachments/ba/7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
        assert_eq!(mime.as_deref(), Some("text/plain"));
        assert_eq!(fs::read_dir(dir.join("attachments/ba")).unwrap().count(), 1);
        assert_eq!(fs::read_dir(dir.join(WORK)).unwrap().count(), 0);
        fs::write(&path, "ab").unwrap();
        assert_eq!(again.find(KEY).unwrap(), None, "a damaged file is not here");
        put(&cache, KEY, b"abc");
        assert!(matches!(again.find(KEY).unwrap(), Some(Held::Here { bytes: 3, .. })), "and is put right");
    }

    #[test]
    fn a_failure_is_known_with_its_time_until_it_is_mended() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open_or_create(folder.path()).unwrap();
        cache.fail(KEY, "404").unwrap();
        let Some(Held::Failed { reason, at }) = cache.find(KEY).unwrap() else { panic!("not failed") };
        assert!(reason == "404" && at.parse::<Timestamp>().is_ok(), "{reason} {at}");
        put(&cache, KEY, b"x");
        assert!(matches!(cache.find(KEY).unwrap(), Some(Held::Here { .. })));
    }

    #[test]
    fn a_part_counts_only_with_its_validator() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open_or_create(folder.path()).unwrap();
        let part = cache.part(KEY).unwrap();
        assert!(part.path.parent().is_some_and(|parent| parent == cache.dir().join(WORK)));
        drop(cache.begin(KEY, &part, Some("\"v1\"")).unwrap());
        fs::write(&part.path, "12345").unwrap();
        let found = cache.part(KEY).unwrap();
        assert_eq!((found.length, found.validator.as_deref()), (5, Some("\"v1\"")));
        drop(cache.begin(KEY, &part, None).unwrap());
        fs::write(&part.path, "12345").unwrap();
        assert_eq!(cache.part(KEY).unwrap().length, 0);
        cache.forget(KEY, &part).unwrap();
        cache.forget(KEY, &part).unwrap();
        assert!(!part.path.exists());
    }

    #[test]
    fn folders_that_are_something_else_are_refused_and_one_run_changes_a_cache() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("mine.txt"), "x").unwrap();
        assert!(matches!(Cache::open_or_create(folder.path()), Err(FetchError::NotACache { .. })));
        fs::write(folder.path().join(INDEX), "x").unwrap();
        assert!(Cache::open(folder.path()).is_err());

        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(Cache::open(folder.path()), Err(FetchError::NotACache { .. })));
        let cache = Cache::open_or_create(folder.path()).unwrap();
        let lock = cache.lock().unwrap();
        let other = Cache::open_or_create(folder.path()).unwrap();
        assert!(matches!(other.lock(), Err(FetchError::InUse { .. })));
        drop(lock);
        other.lock().unwrap();
    }
}
