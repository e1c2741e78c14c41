//! The one OS thread that writes a journal: many callers, one transaction at a time.
//!
//! Jobs that arrive while a transaction is being synced to disk share the next
//! one (group commit), so that durability costs each caller one wait and the
//! disk one sync for all of them.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::JournalError;

/// Jobs that may wait before senders are slowed down.
const QUEUE: usize = 1024;

/// Jobs in one transaction: enough to share a sync among all tasks, few enough that nobody waits long.
const BATCH: usize = 256;

/// What to do after the transaction: told whether it is durable.
type After = Box<dyn FnOnce(Result<(), JournalError>) + Send>;

/// One piece of work inside a transaction. Failed means that the reason is already in `ended_by`.
type Job = Box<dyn FnOnce(&Connection) -> Result<After, Failed> + Send>;

/// The journal is at its end.
struct Failed;

/// When a caller gets its answer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// After the transaction is on disk.
    Durable,
    /// As soon as the statement has run: for reads, and for rows whose loss costs nothing.
    AtOnce,
}

/// A handle on the writing OS thread; dropping it writes what is queued and closes the file.
pub(super) struct Writer {
    jobs: Option<mpsc::Sender<Job>>,
    os_thread: Option<JoinHandle<()>>,
    path: Arc<Path>,
    /// The error that ended the OS thread; every later call gets it again.
    ended_by: Arc<OnceLock<JournalError>>,
}

impl Writer {
    /// Starts the OS thread, which owns the connection from now on.
    pub(super) fn start(db: Connection, path: PathBuf) -> Result<Self, JournalError> {
        let path: Arc<Path> = Arc::from(path);
        let (jobs, queue) = mpsc::channel(QUEUE);
        let ended_by = Arc::new(OnceLock::new());
        let (name, end) = (Arc::clone(&path), Arc::clone(&ended_by));
        let os_thread = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || write(&db, queue, &name, &end))
            .map_err(|cause| JournalError::Io { path: path.to_path_buf(), cause: Arc::new(cause) })?;
        Ok(Self { jobs: Some(jobs), os_thread: Some(os_thread), path, ended_by })
    }

    /// Runs `work` in a transaction and gives its answer at the time asked for.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        when: When,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, JournalError> {
        let (answer, answered) = oneshot::channel();
        let (ended_by, path) = (Arc::clone(&self.ended_by), Arc::clone(&self.path));
        let job: Job = Box::new(move |db| {
            let value = work(db).map_err(|cause| {
                // Known before the caller learns that its answer is not coming.
                let _ = ended_by.set(JournalError::of_sqlite(&path, cause));
                Failed
            })?;
            if when == When::AtOnce {
                let _ = answer.send(Ok(value));
                return Ok(Box::new(|_| ()));
            }
            Ok(Box::new(move |end| {
                let _ = answer.send(end.map(|()| value));
            }))
        });
        let jobs = self.jobs.as_ref().expect("the queue is closed only when the writer is dropped");
        jobs.send(job).await.map_err(|_| self.closed())?;
        // A job that fails, and every job after it, drops its sender: nothing is written any more.
        answered.await.map_err(|_| self.closed())?
    }

    fn closed(&self) -> JournalError {
        self.ended_by.get().cloned().unwrap_or_else(|| JournalError::Stopped { path: self.path.to_path_buf() })
    }

    /// The journal's file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs.take();
        if let Some(os_thread) = self.os_thread.take() {
            let _ = os_thread.join();
        }
    }
}

/// The OS thread's life: until every handle is gone, or until the first error.
///
/// After an error nothing more is written: a journal with a hole would make a
/// later run send something twice.
fn write(db: &Connection, mut queue: mpsc::Receiver<Job>, path: &Path, ended_by: &OnceLock<JournalError>) {
    while let Some(first) = queue.blocking_recv() {
        let mut jobs = Vec::with_capacity(8);
        jobs.push(first);
        while jobs.len() < BATCH
            && let Ok(next) = queue.try_recv()
        {
            jobs.push(next);
        }
        if transact(db, jobs, path, ended_by).is_err() {
            return;
        }
    }
    // A clean end leaves one file behind, not three.
    let _ = db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
}

/// One transaction for all jobs: all of them hold, or none does.
fn transact(db: &Connection, jobs: Vec<Job>, path: &Path, ended_by: &OnceLock<JournalError>) -> Result<(), Failed> {
    let note = |cause| {
        let _ = ended_by.set(JournalError::of_sqlite(path, cause));
        Failed
    };
    let mut waiting = Vec::with_capacity(jobs.len());
    let result = (|| {
        db.execute_batch("BEGIN IMMEDIATE").map_err(note)?;
        for job in jobs {
            waiting.push(job(db)?);
        }
        db.execute_batch("COMMIT").map_err(note)
    })();
    if result.is_err() {
        let _ = db.execute_batch("ROLLBACK");
    }
    for after in waiting {
        after(ended_by.get().cloned().map_or(Ok(()), Err));
    }
    result
}
