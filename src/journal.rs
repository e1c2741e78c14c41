//! Remembers what has happened to every record.
//!
//! Promises:
//!
//! - A row says *in flight* before the first byte of a request leaves.
//! - A row says *done* only after FreeScout has named what it created.
//! - Only this module contains SQL for the journal, only one OS thread writes, and one
//!   transaction serves every task that waits at that moment.
//! - No message text and no key is stored: of texts, only digests.
//! - After the first error nothing more is written, and every caller gets that error.
//!
//! The states and the crash table are in `docs/journal.md`.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, ErrorCode, OpenFlags, params};

use crate::finding::Finding;
use crate::record::{Origin, Place, RecordId, Seat};
use crate::report::Outcome;

mod carried;
mod grown;
mod rows;
mod view;
mod writer;

pub use carried::{AttachmentSeen, Carried, StepTold, ThreadSeen, Told};
pub use grown::Elsewhere;
pub use rows::{
    Admission, Admitted, AttachmentRow, ConversationDigests, CreateRows, Digest, Intent, Key, OpenRecord, OpenStep,
    PersonRow, RecordRow, RunId, Settled, Settlement, StepId, StepKind, StepState, Sweep, ThreadDigests, ThreadRow,
};
pub use view::{Attempt, Counts, FindingCount, LedgerRow, Letter, Run, View};

use writer::{When, Writer};

/// `ferr`: says that a SQLite file is a journal of ours.
const APPLICATION_ID: i32 = 0x6665_7272;

/// What brings a journal from each version to the next; the position is the version it starts from.
const MIGRATIONS: &[&str] = &[
    include_str!("journal/schema.sql"),
    include_str!("journal/seats.sql"),
    include_str!("journal/facts.sql"),
    include_str!("journal/grown.sql"),
];

/// Samples kept of each finding code and run.
const SAMPLES: i64 = 20;

/// For how long a journal is checked before it is used: a run must resume within two seconds. What is damaged
/// beyond that shows when it is read, and ends the run.
const CHECKED_FOR: Duration = Duration::from_millis(500);

/// Whose journal it is. Another target or source is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The target's normalised address, without credentials.
    pub target: String,
    /// The name of the source that the records come from (`zendesk`). Empty: whatever it is; a journal that is made so
    /// takes the first that comes.
    pub source: String,
}

/// The journal of one import, open for writing. Clones share it.
///
/// While one exists, no other process can open the same file for writing; reading is free.
#[derive(Clone)]
pub struct Journal {
    writer: Arc<Writer>,
    // Held for its lock: released when the last clone is gone, after the writer.
    _lock: Option<Arc<File>>,
}

/// A journal open for reading only, beside whoever writes it.
pub struct Reader {
    db: Connection,
    path: PathBuf,
}

/// A journal that cannot be used, or no longer.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// Somebody else writes to it.
    #[error("another run is writing to the journal `{path}`{}", .process.map(|id| format!(" (process {id})")).unwrap_or_default())]
    InUse {
        /// The journal.
        path: PathBuf,
        /// The other process, if it said so.
        process: Option<u32>,
    },
    /// It belongs to another target.
    #[error("the journal `{path}` belongs to the target `{found}`, not to `{wanted}`")]
    OtherTarget {
        /// The journal.
        path: PathBuf,
        /// The target it belongs to.
        found: String,
        /// The target of this run.
        wanted: String,
    },
    /// It belongs to another source.
    #[error("the journal `{path}` holds records of `{found}`, not of `{wanted}`")]
    OtherSource {
        /// The journal.
        path: PathBuf,
        /// The source it belongs to.
        found: String,
        /// The source of this run.
        wanted: String,
    },
    /// The file is something else.
    #[error("`{path}` is not a journal")]
    NotAJournal {
        /// The file.
        path: PathBuf,
    },
    /// There is no such file.
    #[error("there is no journal `{path}`")]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// A newer foxferry wrote it.
    #[error("the journal `{path}` has version {found}; this program knows versions up to {known}")]
    Newer {
        /// The journal.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest version known.
        known: usize,
    },
    /// The file is damaged.
    #[error("the journal `{path}` is damaged: {what}")]
    Damaged {
        /// The journal.
        path: PathBuf,
        /// What the database says.
        what: String,
    },
    /// No room is left.
    #[error("no room is left on the disk of the journal `{path}`")]
    DiskFull {
        /// The journal.
        path: PathBuf,
    },
    /// It cannot be written.
    #[error("the journal `{path}` cannot be written: it or its folder is read-only")]
    ReadOnly {
        /// The journal.
        path: PathBuf,
    },
    /// The file system failed.
    #[error("the journal `{path}` cannot be used")]
    Io {
        /// The journal.
        path: PathBuf,
        /// Why.
        #[source]
        cause: Arc<io::Error>,
    },
    /// The database failed.
    #[error("the journal `{path}` cannot be used")]
    Sqlite {
        /// The journal.
        path: PathBuf,
        /// Why.
        #[source]
        cause: Arc<rusqlite::Error>,
    },
    /// Its OS thread ended early.
    #[error("the journal `{path}` is closed")]
    Stopped {
        /// The journal.
        path: PathBuf,
    },
}

impl JournalError {
    /// The error that a person can act on, from the database's own.
    fn of_sqlite(path: &Path, cause: rusqlite::Error) -> Self {
        let path = path.to_path_buf();
        match cause.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::DiskFull { path },
            Some(ErrorCode::ReadOnly) => Self::ReadOnly { path },
            Some(ErrorCode::DatabaseCorrupt) => Self::Damaged { path, what: cause.to_string() },
            Some(ErrorCode::NotADatabase) => Self::NotAJournal { path },
            _ => Self::Sqlite { path, cause: Arc::new(cause) },
        }
    }

    fn of_io(path: &Path, cause: io::Error) -> Self {
        let path = path.to_path_buf();
        match cause.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull { path },
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { path },
            _ => Self::Io { path, cause: Arc::new(cause) },
        }
    }
}

/// Milliseconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

impl Journal {
    /// Opens the journal at `path` for writing; makes it if there is none.
    ///
    /// Blocks while it reads the file. Refuses a journal of another target or source, one that another process writes,
    /// and anything that is not a journal. The lock is a file beside it, `NAME.ferry.lock`,
    /// which stays there: a lock file that is removed can be taken twice.
    pub fn open(path: &Path, identity: &Identity) -> Result<Self, JournalError> {
        let lock = lock(path)?;
        let is_new = std::fs::metadata(path).map(|meta| meta.len() == 0).unwrap_or(true);
        let mut db = Connection::open(path).map_err(|cause| JournalError::of_sqlite(path, cause))?;
        prepare(&mut db, path, is_new, identity)?;
        Ok(Self { writer: Arc::new(Writer::start(db, path.to_path_buf())?), _lock: Some(Arc::new(lock)) })
    }

    /// A journal without a file, gone when the last clone is: for tests and rehearsals.
    pub fn in_memory(identity: &Identity) -> Result<Self, JournalError> {
        let path = PathBuf::from(":memory:");
        let mut db = Connection::open_in_memory().map_err(|cause| JournalError::of_sqlite(&path, cause))?;
        prepare(&mut db, &path, true, identity)?;
        Ok(Self { writer: Arc::new(Writer::start(db, path)?), _lock: None })
    }

    /// Opens a journal for reading only; somebody else may be writing it.
    pub fn open_read_only(path: &Path) -> Result<Reader, JournalError> {
        if !path.exists() {
            return Err(JournalError::Missing { path: path.to_path_buf() });
        }
        let failed = |cause| JournalError::of_sqlite(path, cause);
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(path, flags).map_err(failed)?;
        db.busy_timeout(Duration::from_secs(5)).map_err(failed)?;
        let version = version(&db, path, false)?;
        if version == 0 {
            return Err(JournalError::Damaged {
                path: path.to_path_buf(),
                what: "its first run has not finished setting it up".to_owned(),
            });
        }
        Ok(Reader { db, path: path.to_path_buf() })
    }

    /// The journal's file.
    pub fn path(&self) -> &Path {
        self.writer.path()
    }

    /// Asks the journal something, beside whatever is being written.
    pub async fn view<T: Send + 'static>(
        &self,
        ask: impl FnOnce(View<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, JournalError> {
        self.writer.run(When::AtOnce, move |db| ask(View::of(db))).await
    }

    /// How many records stand where.
    pub async fn counts(&self) -> Result<Counts, JournalError> {
        self.view(|view| view.counts()).await
    }

    /// Whether any record is done.
    pub async fn has_done(&self) -> Result<bool, JournalError> {
        self.view(|view| view.has_done()).await
    }

    /// Begins a run; `command` is what was asked for, without secrets.
    pub async fn begin_run(&self, command: &str) -> Result<RunId, JournalError> {
        let command = command.to_owned();
        self.writer.run(When::Durable, move |db| rows::begin_run(db, &command, now())).await
    }

    /// Ends a run: how (`finished`, `interrupted`, or the error), and its sums as JSON.
    pub async fn end_run(&self, run: RunId, ending: &str, summary: String) -> Result<(), JournalError> {
        let ending = ending.to_owned();
        self.writer.run(When::Durable, move |db| rows::end_run(db, run, &ending, &summary, now())).await
    }

    /// Takes a record up, or says what became of it before.
    ///
    /// Answers before the row is on disk: losing it loses nothing, since [`Journal::start`] comes after it.
    /// A record that was skipped or rejected earlier is taken up anew.
    pub async fn admit(&self, admission: Admission) -> Result<Admitted, JournalError> {
        self.writer.run(When::AtOnce, move |db| rows::admit(db, &admission, now())).await
    }

    /// Writes down that a record is skipped or rejected; a record that an earlier run carried stays what it is.
    ///
    /// Gives what the journal says about it now.
    pub async fn set_aside(
        &self,
        admission: Admission,
        outcome: Outcome,
        reason: &str,
    ) -> Result<Settled, JournalError> {
        let reason = reason.to_owned();
        self.writer.run(When::Durable, move |db| rows::set_aside(db, &admission, outcome, &reason, now())).await
    }

    /// Writes down that a request is about to be sent. Not one byte may leave before this returns.
    pub async fn start(&self, record: RecordRow, intent: Intent) -> Result<StepId, JournalError> {
        self.writer.run(When::Durable, move |db| rows::start(db, record, &intent, now())).await
    }

    /// Writes down that a thread goes as something else than was planned: a note instead of a message. Before its append.
    pub async fn alter_thread(&self, record: RecordRow, ordinal: u32, thread: ThreadRow) -> Result<(), JournalError> {
        self.writer.run(When::Durable, move |db| rows::alter_thread(db, record, ordinal, &thread)).await
    }

    /// Writes down the hashes of attachments that were read only while they were sent: ordinal of the thread, place in it,
    /// hash.
    pub async fn hash_attachments(
        &self,
        record: RecordRow,
        hashes: Vec<(u32, u32, [u8; 16])>,
    ) -> Result<(), JournalError> {
        self.writer.run(When::AtOnce, move |db| rows::hash_attachments(db, record, &hashes)).await
    }

    /// Writes down that a request was answered, and with what.
    pub async fn settle(&self, step: StepId, settlement: Settlement) -> Result<(), JournalError> {
        self.writer.run(When::Durable, move |db| rows::settle(db, step, &settlement, now())).await
    }

    /// Writes down that nobody knows whether a request took effect.
    pub async fn unknown(&self, step: StepId, why: &str) -> Result<(), JournalError> {
        let why = why.to_owned();
        self.writer
            .run(When::Durable, move |db| rows::step_state(db, step, StepState::Unknown, Some(&why), now()))
            .await
    }

    /// Writes down that a request certainly had no effect: refused, or found absent.
    pub async fn refused(&self, step: StepId, why: &str) -> Result<(), JournalError> {
        let why = why.to_owned();
        self.writer
            .run(When::Durable, move |db| rows::step_state(db, step, StepState::Refused, Some(&why), now()))
            .await
    }

    /// Writes down that every step of a record is done.
    pub async fn finish(&self, record: RecordRow) -> Result<(), JournalError> {
        self.writer.run(When::Durable, move |db| rows::finish(db, record, now())).await
    }

    /// Makes a dead letter of a record. A conversation that it has keeps its place here.
    pub async fn bury(&self, record: RecordRow, reason: &str) -> Result<(), JournalError> {
        let reason = reason.to_owned();
        self.writer.run(When::Durable, move |db| rows::bury(db, record, &reason, now())).await
    }

    /// Writes down that late copies of a record must be looked for, not before `after` (milliseconds since 1970);
    /// `None`: no longer.
    pub async fn sweep(&self, record: RecordRow, after: Option<i64>) -> Result<(), JournalError> {
        self.writer.run(When::Durable, move |db| rows::sweep(db, record, after)).await
    }

    /// Forgets the conversation that a record had: it is being deleted. Durable before the request leaves.
    pub async fn disown(&self, record: RecordRow) -> Result<(), JournalError> {
        self.writer.run(When::Durable, move |db| rows::disown(db, record)).await
    }

    /// Takes a record that is done up again, since its conversation gets more threads: these, behind those it has. Durable
    /// before the first of them is sent. Once more with the same threads changes nothing.
    pub async fn grow(&self, record: RecordRow, from: usize, threads: Vec<ThreadRow>) -> Result<(), JournalError> {
        self.writer.run(When::Durable, move |db| grown::grow(db, record, from, &threads)).await
    }

    /// Writes down what a conversation's own fields are now.
    pub async fn redigest(&self, record: RecordRow, digests: ConversationDigests) -> Result<(), JournalError> {
        self.writer.run(When::Durable, move |db| grown::redigest(db, record, &digests)).await
    }

    /// Writes down where a record that is done stands in this archive's index: from now on it is passed over there.
    pub async fn seat(&self, record: RecordRow, seat: Seat) -> Result<(), JournalError> {
        self.writer.run(When::AtOnce, move |db| grown::seat(db, record, &seat)).await
    }

    /// Which of these entries other records of the same source have in FreeScout. For sources whose entries have ids
    /// that are their own everywhere (mail).
    pub async fn elsewhere(&self, id: &RecordId, entries: Vec<String>) -> Result<Vec<Elsewhere>, JournalError> {
        let id = id.clone();
        self.writer.run(When::AtOnce, move |db| grown::elsewhere(db, &id, &entries)).await
    }

    /// Writes down that a record's conversation has been removed again. Nothing of it counts as sent any more: it is
    /// `skipped`, and a later import may carry it anew.
    pub async fn withdraw(&self, record: RecordRow, reason: &str) -> Result<(), JournalError> {
        let reason = reason.to_owned();
        self.writer.run(When::Durable, move |db| carried::withdraw(db, record, &reason, now())).await
    }

    /// What a run has learnt about the target under this name.
    pub async fn fact(&self, key: &'static str) -> Result<Option<String>, JournalError> {
        self.writer.run(When::AtOnce, move |db| rows::fact(db, key)).await
    }

    /// Keeps what was learnt about the target, for this run and the next. Its loss costs learning it again.
    pub async fn set_fact(&self, key: &'static str, value: &str) -> Result<(), JournalError> {
        let value = value.to_owned();
        self.writer.run(When::AtOnce, move |db| rows::set_fact(db, key, &value)).await
    }

    /// What is known of a person.
    pub async fn person(&self, key: &str) -> Result<Option<PersonRow>, JournalError> {
        let key = key.to_owned();
        self.writer.run(When::AtOnce, move |db| rows::person(db, &key)).await
    }

    /// Writes down that a customer is about to be made for this person.
    pub async fn ask_person(&self, key: &str) -> Result<(), JournalError> {
        let key = key.to_owned();
        self.writer.run(When::Durable, move |db| rows::ask_person(db, &key, now())).await
    }

    /// Writes down which customer a person is, and whether this run made it.
    pub async fn settle_person(&self, key: &str, customer: u64, is_ours: bool) -> Result<(), JournalError> {
        let key = key.to_owned();
        self.writer.run(When::Durable, move |db| rows::settle_person(db, &key, customer, is_ours, now())).await
    }

    /// Whether any record has this conversation.
    pub async fn is_claimed(&self, conversation: u64) -> Result<bool, JournalError> {
        self.view(move |view| view.is_claimed(conversation)).await
    }

    /// Counts findings and keeps a few samples of each code.
    pub async fn note(&self, run: RunId, findings: Vec<Finding>) -> Result<(), JournalError> {
        if findings.is_empty() {
            return Ok(());
        }
        self.writer.run(When::AtOnce, move |db| rows::note(db, run, &findings, SAMPLES)).await
    }
}

impl Reader {
    /// What the journal holds.
    pub fn view(&self) -> View<'_> {
        View::of(&self.db)
    }

    /// Asks the journal something.
    pub fn ask<T>(&self, ask: impl FnOnce(View<'_>) -> rusqlite::Result<T>) -> Result<T, JournalError> {
        ask(self.view()).map_err(|cause| JournalError::of_sqlite(&self.path, cause))
    }

    /// Whose journal it is.
    pub fn identity(&self) -> Result<Identity, JournalError> {
        self.ask(|view| view.identity())
    }

    /// How many records stand where.
    pub fn counts(&self) -> Result<Counts, JournalError> {
        self.ask(|view| view.counts())
    }

    /// The journal's file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Takes the run lock: a file of its own, since closing a second handle on the
/// database would drop SQLite's own locks on it.
fn lock(path: &Path) -> Result<File, JournalError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let failed = |cause: io::Error| match cause.kind() {
        // A folder without write permission answers so.
        io::ErrorKind::PermissionDenied => JournalError::ReadOnly { path: path.to_path_buf() },
        _ => JournalError::of_io(path, cause),
    };
    let mut file = File::options().read(true).write(true).create(true).truncate(false).open(&name).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            let _ = file.read_to_string(&mut text);
            return Err(JournalError::InUse { path: path.to_path_buf(), process: text.trim().parse().ok() });
        }
        Err(TryLockError::Error(cause)) => return Err(failed(cause)),
    }
    file.set_len(0).map_err(failed)?;
    writeln!(file, "{}", std::process::id()).map_err(failed)?;
    Ok(file)
}

/// The file's version, after making sure that it is a journal.
fn version(db: &Connection, path: &Path, is_new: bool) -> Result<usize, JournalError> {
    let failed = |cause| JournalError::of_sqlite(path, cause);
    let application: i32 = db.query_row("PRAGMA application_id", [], |row| row.get(0)).map_err(failed)?;
    let version: i64 = db.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(failed)?;
    if is_new {
        return Ok(0);
    }
    let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(failed)?;
    if application != APPLICATION_ID && tables > 0 {
        return Err(JournalError::NotAJournal { path: path.to_path_buf() });
    }
    match usize::try_from(version) {
        Ok(version) if version <= MIGRATIONS.len() => Ok(version),
        _ => Err(JournalError::Newer { path: path.to_path_buf(), found: version, known: MIGRATIONS.len() }),
    }
}

/// What is damaged, as far as it can be seen in a short time.
fn check(db: &mut Connection) -> rusqlite::Result<Option<String>> {
    let until = Instant::now() + CHECKED_FOR;
    db.progress_handler(1_000, Some(move || Instant::now() >= until))?;
    let checked = db.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
    db.progress_handler(0, None::<fn() -> bool>)?;
    match checked {
        Ok(what) => Ok((what != "ok").then_some(what)),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Sets an open database up for writing: settings, migrations, soundness, identity.
fn prepare(db: &mut Connection, path: &Path, is_new: bool, identity: &Identity) -> Result<(), JournalError> {
    let failed = |cause| JournalError::of_sqlite(path, cause);
    let version = version(db, path, is_new)?;
    db.busy_timeout(Duration::from_secs(10)).map_err(failed)?;
    db.pragma_update(None, "foreign_keys", true).map_err(failed)?;
    let _: String = db.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).map_err(failed)?;
    // FULL: what was said to be durable survives a power cut. With NORMAL the last
    // commits could be lost, and a lost *in flight* is a conversation sent twice.
    db.pragma_update(None, "synchronous", "FULL").map_err(failed)?;
    db.pragma_update(None, "cache_size", -16_384).map_err(failed)?;
    db.set_prepared_statement_cache_capacity(64);
    if version > 0 {
        check(db)
            .map_err(failed)?
            .map_or(Ok(()), |what| Err(JournalError::Damaged { path: path.to_path_buf(), what }))?;
    }
    let change = db.transaction().map_err(failed)?;
    for migration in &MIGRATIONS[version..] {
        change.execute_batch(migration).map_err(failed)?;
    }
    if version < MIGRATIONS.len() {
        change.pragma_update(None, "application_id", APPLICATION_ID).map_err(failed)?;
        change
            .pragma_update(None, "user_version", i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX))
            .map_err(failed)?;
    }
    change
        .execute(
            "INSERT INTO identity (only_row, target, source, created_at) VALUES (1, ?1, ?2, ?3) ON CONFLICT DO NOTHING",
            params![identity.target, identity.source, now()],
        )
        .map_err(failed)?;
    // A journal that was made before any archive was known takes the first that comes.
    change
        .execute(
            "UPDATE identity SET source = ?1 WHERE source = '' AND target = ?2",
            [&identity.source, &identity.target],
        )
        .map_err(failed)?;
    let found = View::of(&change).identity().map_err(failed)?;
    if found.target != identity.target {
        return Err(JournalError::OtherTarget {
            path: path.to_path_buf(),
            found: found.target,
            wanted: identity.target.clone(),
        });
    }
    if found.source != identity.source && !identity.source.is_empty() {
        return Err(JournalError::OtherSource {
            path: path.to_path_buf(),
            found: found.source,
            wanted: identity.source.clone(),
        });
    }
    change.commit().map_err(failed)
}

#[cfg(test)]
mod tests;
