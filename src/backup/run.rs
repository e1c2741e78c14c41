//! One run: what a FreeScout holds, into a snapshot.
//!
//! 1. The short lists: mailboxes, users, tags, and of each mailbox folders and custom fields.
//! 2. Conversations. The first run reads pages with threads. Later ones list without threads, compare digests with the
//!    snapshot before, and ask for what differs, for what the list no longer shows, and for a share of what was not read
//!    for longest.
//! 3. What has changed meanwhile: lists of what was written since the run began, until nothing differs any more.
//! 4. Customers, after conversations, so that everybody named is there.
//! 5. The snapshot is written and sealed.
//!
//! A conversation is read with its threads in one answer, but not at one instant. One that was written to in the seconds
//! before its answer is asked for again when it has been left alone for two seconds: `updatedAt` has whole seconds,
//! and a change within the same second could not be seen in it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::{SignedDuration, Timestamp};

use super::ask::Asker;
use super::files::{OwnHosts, Store};
use super::format::{Changes, Counts, FORMAT, Manifest, Selection};
use super::read::Snapshot;
use super::seal::{self, Packing, Short};
use super::work::Work;
use super::{Backup, BackupError};
use crate::freescout::Client;
use crate::upload::Stop;
use crate::window::Window;

mod follow;
mod gather;

pub use follow::{Followed, Following, follow};

/// How a run behaves.
#[derive(Debug, Clone)]
pub struct Options {
    /// At most this many requests in flight.
    pub concurrency: usize,
    /// At most this many requests in a second.
    pub rate: Option<f64>,
    /// Only within these hours; outside them the run waits.
    pub window: Option<Window>,
    /// Only these mailboxes, by address or name; empty: all.
    pub mailboxes: Vec<String>,
    /// Only conversations begun then or later.
    pub since: Option<Timestamp>,
    /// Whether attachments, images in texts and photos are left out.
    pub without_attachments: bool,
    /// Which share of the conversations, those longest unread, is read again though no list shows a change: 0 to 1.
    /// What was read less than twenty hours ago is left alone.
    pub refresh: f64,
    /// Whether the files of the snapshot are compressed with gzip. Files shared with the snapshot before stay as they are.
    pub is_compressed: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            concurrency: 4,
            rate: None,
            window: None,
            mailboxes: Vec::new(),
            since: None,
            without_attachments: false,
            refresh: 0.02,
            is_compressed: false,
        }
    }
}

/// What a run tells while it goes on.
#[derive(Debug)]
#[non_exhaustive]
pub enum Progress<'a> {
    /// The target answered.
    Target {
        /// Its address without credentials.
        url: &'a str,
        /// How many mailboxes are copied.
        mailboxes: usize,
    },
    /// An earlier run did not finish, and this one goes on where it stopped.
    Resumed {
        /// Conversations that it has gathered.
        conversations: u64,
    },
    /// The list of conversations is read.
    Listed {
        /// Rows so far.
        done: u64,
        /// Rows in all.
        of: u64,
    },
    /// Conversations are read one by one.
    Read {
        /// So far.
        done: u64,
        /// How many are still to be read.
        left: u64,
    },
    /// Customers are listed.
    Customers {
        /// Rows so far.
        done: u64,
        /// Rows in all.
        of: u64,
    },
    /// The snapshot is written.
    Sealing,
    /// FreeScout calls this address from now on whenever something happens.
    Listening {
        /// The address.
        url: &'a str,
    },
    /// A snapshot is sealed, and FreeScout is followed further.
    Sealed(&'a Outcome),
    /// Something that the operator should know.
    Warning(&'a str),
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The snapshot is sealed.
    Sealed,
    /// It was told to stop; what it has gathered is kept, and the next run goes on.
    Stopped,
}

/// What a run did.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// How it ended.
    pub ended: Ended,
    /// The snapshot's name; before it is sealed the name that it would have had.
    pub name: String,
    /// What the snapshot holds; empty if it was not sealed.
    pub counts: Counts,
    /// What differs from the snapshot before.
    pub changes: Changes,
    /// Whether there is a snapshot before it with the same selection, so that `changes` say something.
    pub is_incremental: bool,
    /// Conversations that were read with their threads in this run.
    pub read: u64,
    /// Files fetched in this run.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Conversations and files that could not be had now and may be had another time. The snapshot has their former state,
    /// or names them without bytes.
    pub failed: u64,
    /// Requests sent in this run.
    pub requests: u64,
    /// How long it took, in seconds.
    pub seconds: f64,
}

/// What tasks count together.
#[derive(Debug, Default)]
struct Sums {
    read: AtomicU64,
    files: AtomicU64,
    bytes: AtomicU64,
    failed: AtomicU64,
}

impl Sums {
    fn add(to: &AtomicU64, count: u64) {
        to.fetch_add(count, Ordering::Relaxed);
    }
}

/// Whether a snapshot is one of the many that are sealed between two whole runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum IsFollowed {
    Yes,
    No,
}

/// What all parts of a run share.
struct Run<'a> {
    backup: &'a Backup,
    options: &'a Options,
    asker: Asker,
    store: Option<Store>,
    own: OwnHosts,
    work: Work,
    base: Option<Snapshot>,
    selection: Selection,
    sums: Arc<Sums>,
    tell: &'a dyn Fn(Progress<'_>),
    /// FreeScout's clock less this machine's.
    skew: SignedDuration,
    name: String,
    started: Timestamp,
}

/// Copies what FreeScout holds into a new snapshot of the backup.
///
/// Needs the backup's [lock](Backup::lock). When `stop` asks, the run ends at once with [`Ended::Stopped`], and the next one
/// goes on; a run that is killed leaves things as well in order. Errors are for what
/// ends the run: the target is gone or refuses the key, the disk is full. The next run goes on after those, too.
pub async fn run(
    backup: &Backup,
    client: &Client,
    options: &Options,
    stop: &Stop,
    tell: &dyn Fn(Progress<'_>),
) -> Result<Outcome, BackupError> {
    let begun = std::time::Instant::now();
    let sent_before = client.requests_sent();
    let mut run = Run::open(backup, client, options, tell)?;
    let gathered = tokio::select! {
        biased;
        () = stop.asked() => None,
        gathered = run.gather() => Some(gathered?),
    };
    let mut outcome = run.outcome();
    if let Some(shorts) = gathered {
        tell(Progress::Sealing);
        outcome.is_sealed_as(&run.seal(&shorts, IsFollowed::No)?);
        run.work.clear()?;
        run.work.shrink()?;
    }
    outcome.requests = client.requests_sent() - sent_before;
    outcome.seconds = begun.elapsed().as_secs_f64();
    Ok(outcome)
}

impl Outcome {
    fn is_sealed_as(&mut self, manifest: &Manifest) {
        self.ended = Ended::Sealed;
        self.name.clone_from(&manifest.name);
        self.counts = manifest.counts;
        self.changes = manifest.changes;
    }
}

impl<'a> Run<'a> {
    fn open(
        backup: &'a Backup,
        client: &Client,
        options: &'a Options,
        tell: &'a dyn Fn(Progress<'_>),
    ) -> Result<Self, BackupError> {
        backup.unlocked()?;
        remove_leftovers(backup)?;
        let asker = Asker::new(client.clone(), options);
        let base = backup.latest()?;
        if let Some(base) = &base
            && base.manifest().url != client.shown_url()
        {
            return Err(BackupError::OtherTarget {
                path: backup.dir().to_path_buf(),
                found: base.manifest().url.clone(),
                asked: client.shown_url().to_owned(),
            });
        }
        let store = (!options.without_attachments).then(|| backup.store(&asker));
        Ok(Run {
            backup,
            options,
            own: OwnHosts::of(client.shown_url()),
            work: Work::open(&backup.work().join("run.sqlite"))?,
            asker,
            store,
            base,
            selection: Selection::default(),
            sums: Arc::default(),
            tell,
            skew: SignedDuration::ZERO,
            name: String::new(),
            started: Timestamp::now(),
        })
    }
}

impl Run<'_> {
    /// Whether the snapshot before shows the same part of the help desk.
    fn is_incremental(&self) -> bool {
        self.base.as_ref().is_some_and(|base| base.manifest().selection == self.selection)
    }

    /// What was done so far.
    fn outcome(&self) -> Outcome {
        Outcome {
            ended: Ended::Stopped,
            name: self.name.clone(),
            counts: Counts::default(),
            changes: Changes::default(),
            is_incremental: self.is_incremental(),
            read: self.sums.read.load(Ordering::Relaxed),
            files: self.sums.files.load(Ordering::Relaxed),
            bytes: self.sums.bytes.load(Ordering::Relaxed),
            failed: self.sums.failed.load(Ordering::Relaxed),
            requests: 0,
            seconds: 0.0,
        }
    }

    fn seal(&self, shorts: &[Short], is_followed: IsFollowed) -> Result<Manifest, BackupError> {
        let (added, changed, removed) = self.work.changes()?;
        let manifest = Manifest {
            format: FORMAT.to_owned(),
            version: self.backup.version(),
            name: self.name.clone(),
            url: self.asker.client.shown_url().to_owned(),
            program: concat!("foxferry ", env!("CARGO_PKG_VERSION")).to_owned(),
            started: self.started.to_string(),
            finished: seconds(Timestamp::now()).to_string(),
            previous: self.base.as_ref().map(|base| base.name().to_owned()),
            selection: self.selection.clone(),
            counts: Counts::default(),
            changes: if self.is_incremental() { Changes { added, changed, removed } } else { Changes::default() },
            followed: is_followed == IsFollowed::Yes,
            files: Vec::new(),
        };
        let packing = if self.options.is_compressed { Packing::Gzip } else { Packing::Plain };
        seal::seal(self.backup, &self.work, self.base.as_ref(), shorts, manifest, packing)
    }
}

/// Files that a killed run was fetching.
fn remove_leftovers(backup: &Backup) -> Result<(), BackupError> {
    let work = backup.work();
    for entry in std::fs::read_dir(&work).map_err(BackupError::unreadable(&work))? {
        let path: PathBuf = entry.map_err(BackupError::unreadable(&work))?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("file-")) {
            std::fs::remove_file(&path).map_err(BackupError::unwritable(&path))?;
        }
    }
    Ok(())
}

/// Without fractions.
fn seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

/// A snapshot's name: when it was begun.
fn name_of(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H-%M-%SZ").to_string()
}
