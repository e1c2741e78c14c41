//! A snapshot put into a FreeScout, through the journal and the uploader of an import.
//!
//! Promises:
//!
//! - All that an import promises: nothing twice, nobody mailed, a run that was stopped goes on.
//! - Nothing is sent before every mailbox has its counterpart.
//! - Every conversation of the snapshot has an outcome, and what the API cannot set is a finding.
//! - Users and mailboxes are matched by address, then mailboxes by name; what is there is never altered.
//!
//! What cannot be restored is listed in `docs/backup.md`; [`super::compare()`] knows the same list.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use jiff::Timestamp;
use tokio::sync::mpsc;

use super::BackupError;
use super::compare::Fate;
use super::convert::{NotRestorable, Restorer};
use super::read::{Snapshot, Stored};
use crate::check;
use crate::conversation::{Conversation, Status};
use crate::finding::{Finding, codes};
use crate::freescout::{ApiError, Client, Directory, wire};
use crate::journal::{Journal, JournalError};
use crate::mapping::{Converted, Mapped, Rejected, Skipped};
use crate::pipeline::Selection;
use crate::record::{Origin, RecordId};
use crate::report::figures::chain;
use crate::report::{Event, Reporter, Summary};
use crate::sandbox::Fixture;
use crate::upload::{self, Stop, UploadError};

mod fixture;
pub(super) mod images;
mod people;

/// The source that restored conversations are records of.
pub const SOURCE: &str = "backup";

/// How many conversations or customers may wait for the uploader.
const WAITING: usize = 64;

/// The journal's fact that holds whose backup it has restored.
const WHOSE: &str = "backup-of";

/// What is to be restored, and how.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Which conversations, by their old ids and the times of their opening.
    pub records: Selection,
    /// Only those of these mailboxes, by address or name; empty: all.
    pub mailboxes: Vec<String>,
    /// Mailboxes that are called otherwise in the target: old and new, each by address or name.
    pub renamed: Vec<(String, String)>,
    /// Whether conversations that were deleted, and lay in their folder still, are restored as closed ones.
    pub with_deleted: bool,
    /// Whether the newest come first.
    pub is_newest_first: bool,
}

impl Wanted {
    /// Whether customers are restored who have none of the conversations.
    fn is_everything(&self) -> bool {
        let Selection { limit, since, until, only } = &self.records;
        limit.is_none() && since.is_none() && until.is_none() && only.is_empty() && self.mailboxes.is_empty()
    }
}

/// A snapshot cannot be restored. The journal is in order.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// The backup cannot be read.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// A mailbox that was asked for is not in the snapshot.
    #[error("the backup has no mailbox `{name}`; it has {known}")]
    NotInBackup {
        /// The name asked for.
        name: String,
        /// Those that there are.
        known: String,
    },
    /// The target lacks mailboxes.
    #[error("the target lacks {} that conversations of the backup lie in: {}; it has {known}",
        if missing.len() == 1 { "a mailbox" } else { "mailboxes" }, missing.join(", "))]
    NoMailboxes {
        /// Those of the backup.
        missing: Vec<String>,
        /// Those of the target.
        known: String,
    },
    /// The journal has restored a backup of another FreeScout, whose ids mean other conversations.
    #[error("the journal belongs to a backup of {found}, not of {asked}")]
    OtherBackup {
        /// Whose backup the journal has restored.
        found: String,
        /// Whose this is.
        asked: String,
    },
    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// FreeScout does not answer as it should.
    #[error("FreeScout cannot be asked")]
    Target(#[source] Box<ApiError>),
    /// The run had to end.
    #[error(transparent)]
    Upload(#[from] UploadError),
    /// The operator has stopped it.
    #[error("interrupted; nothing was sent")]
    Interrupted,
    /// A sandbox or a folder for a rehearsal cannot be had.
    #[error("the rehearsal cannot begin: {what}")]
    Rehearsal {
        /// Why.
        what: String,
    },
    /// A defect of this program.
    #[error("a part of the restore has failed unexpectedly: {what}")]
    Bug {
        /// Which.
        what: String,
    },
}

/// A snapshot that was looked over and can be restored.
#[derive(Debug)]
pub struct Restoration {
    snapshot: Snapshot,
    restorer: Arc<Restorer>,
    wanted: Wanted,
    /// Conversations that will be sent or set aside.
    conversations: u64,
    /// Old ids of the mailboxes that they lie in.
    mailboxes: BTreeSet<u64>,
    /// Old ids of the customers in them; `None`: all are restored.
    customers: Option<HashSet<u64>>,
}

impl Restoration {
    /// Goes over the snapshot once without sending anything. `flow` is asked now and then whether to go on.
    ///
    /// # Errors
    ///
    /// [`RestoreError::Backup`], [`RestoreError::NotInBackup`], [`RestoreError::Interrupted`].
    pub fn prepare(
        snapshot: &Snapshot,
        mut wanted: Wanted,
        mut flow: impl FnMut() -> ControlFlow<()>,
    ) -> Result<Self, RestoreError> {
        let restorer = Arc::new(Restorer::of(snapshot)?);
        wanted.mailboxes = wanted
            .mailboxes
            .iter()
            .map(|name| Ok(mailbox_named(snapshot, name)?.id.to_string()))
            .collect::<Result<_, RestoreError>>()?;
        for (old, _) in &mut wanted.renamed {
            *old = mailbox_named(snapshot, old)?.id.to_string();
        }
        let mut restoration = Self {
            restorer,
            conversations: 0,
            mailboxes: BTreeSet::new(),
            customers: (!wanted.is_everything()).then(HashSet::new),
            snapshot: snapshot.clone(),
            wanted,
        };
        for row in rows(&restoration.snapshot, restoration.wanted.is_newest_first) {
            if flow().is_break() {
                return Err(RestoreError::Interrupted);
            }
            if restoration.wanted.records.limit.is_some_and(|limit| restoration.conversations >= limit) {
                break;
            }
            // What cannot be read is a rejected record later on.
            let Ok(row) = row else {
                restoration.conversations += 1;
                continue;
            };
            if wants(&restoration.wanted, &row) {
                restoration.look_at(&row);
            }
        }
        Ok(restoration)
    }

    fn look_at(&mut self, row: &Stored) {
        self.conversations += 1;
        let Ok(conversation) = row.conversation() else { return };
        if set_aside(&conversation, &self.wanted).is_none() {
            self.mailboxes.extend(conversation.mailbox_id);
        }
        let Some(customers) = &mut self.customers else { return };
        let of_threads = conversation.threads().iter().flat_map(|thread| [&thread.created_by, &thread.customer]);
        let people = of_threads.chain([&conversation.customer]).flatten();
        customers.extend(people.filter(|person| person.kind != "user").filter_map(|person| person.id));
    }

    /// The snapshot.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// How many conversations will have an outcome.
    pub fn conversations(&self) -> u64 {
        self.conversations
    }

    /// How many customers go before them.
    pub fn customers(&self) -> u64 {
        self.customers.as_ref().map_or(self.snapshot.manifest().counts.customers, |some| some.len() as u64)
    }

    /// Whether all conversations are wanted, and so all customers.
    pub fn is_everything(&self) -> bool {
        self.customers.is_none()
    }

    /// What is said of conversations that were not taken up: left out if only some are wanted.
    pub(super) fn others(&self) -> Fate {
        if self.is_everything() { Fate::Lost } else { Fate::LeftOut }
    }

    /// What a sandbox must hold for a rehearsal: the mailboxes, users and fields of the snapshot.
    ///
    /// # Errors
    ///
    /// When the snapshot cannot be read.
    pub fn fixture(&self) -> Result<Fixture, RestoreError> {
        let fixture = fixture::of(&self.snapshot)?;
        let renamed = self.wanted.renamed.iter();
        Ok(renamed.fold(fixture, |fixture, (_, new)| fixture.with_mailbox(new, new)))
    }

    /// Users of the snapshot whom the target lacks, by address; deleted ones and robots are not asked for.
    pub fn missing_users(&self, directory: &Directory) -> Vec<&wire::User> {
        let is_missing =
            |user: &&wire::User| !user.is_deleted() && !user.is_robot() && directory.user_by(&user.email).is_none();
        let mut missing: Vec<_> = self.restorer.users().filter(is_missing).collect();
        missing.sort_by_key(|user| user.id);
        missing
    }

    /// For each mailbox of the snapshot, the address of the target's that takes its place.
    ///
    /// # Errors
    ///
    /// [`RestoreError::NoMailboxes`] names all that have none.
    pub fn mailboxes(&self, directory: &Directory) -> Result<HashMap<u64, String>, RestoreError> {
        let mut found = HashMap::new();
        let mut missing = Vec::new();
        for id in &self.mailboxes {
            let old = self.restorer.mailbox(*id);
            let new_name = self.wanted.renamed.iter().find(|(old, _)| *old == id.to_string()).map(|(_, new)| new);
            let there = match (new_name, old) {
                (Some(name), _) => directory.mailbox_by(name),
                (None, Some(old)) => directory.mailbox_by(&old.email).or_else(|| directory.mailbox_by(&old.name)),
                (None, None) => None,
            };
            match there {
                Some(entry) => {
                    found.insert(*id, entry.mailbox.email.clone());
                }
                None => missing.push(match (old, new_name) {
                    (_, Some(name)) => format!("`{name}`"),
                    (Some(old), None) => format!("`{}` ({})", old.email, old.name),
                    (None, None) => format!("number {id}, of which the backup holds nothing else"),
                }),
            }
        }
        if missing.is_empty() {
            return Ok(found);
        }
        let known: Vec<_> = directory.mailboxes.iter().map(|entry| format!("`{}`", entry.mailbox.email)).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        Err(RestoreError::NoMailboxes { missing, known })
    }

    /// Says whose conversations the journal's ids mean, once; afterwards no other backup may use it.
    async fn claim(&self, journal: &Journal) -> Result<(), RestoreError> {
        let url = &self.snapshot.manifest().url;
        match journal.fact(WHOSE).await? {
            Some(found) if found != *url => Err(RestoreError::OtherBackup { found, asked: url.clone() }),
            Some(_) => Ok(()),
            None => Ok(journal.set_fact(WHOSE, url).await?),
        }
    }

    /// Restores the customers: all of them, or those who take part in what is wanted. `told` hears how many are through;
    /// the sums are in customers, and `reporter` hears what is noticed, but no outcomes and no end.
    ///
    /// # Errors
    ///
    /// Before anything is sent: [`RestoreError::NoMailboxes`], [`RestoreError::OtherBackup`]. Later what ends an upload.
    #[allow(clippy::too_many_arguments, reason = "what an upload takes, and who hears how far it is")]
    pub async fn send_customers(
        &self,
        client: &Client,
        directory: &Directory,
        journal: &Journal,
        options: &upload::Options,
        reporter: Arc<dyn Reporter>,
        stop: &Stop,
        told: Arc<dyn Fn(u64) + Send + Sync>,
    ) -> Result<Summary, RestoreError> {
        self.mailboxes(directory)?;
        self.claim(journal).await?;
        let options = upload::Options {
            staff_may_be_customers: true,
            command: format!("{}: customers", options.command),
            ..options.clone()
        };
        let (sender, receiver) = mpsc::channel(WAITING);
        let (snapshot, ids) = (self.snapshot.clone(), self.customers.clone());
        let feeder = start(move || people::feed(&snapshot, ids.as_ref(), &sender))?;
        let reporter = Arc::new(Counting { reporter, done: AtomicU64::new(0), told });
        let sent = upload::run_people(receiver, client, directory, journal, &options, reporter, stop).await;
        let fed = end(feeder);
        let sums = sent?;
        fed??;
        Ok(sums)
    }

    /// Restores the conversations.
    ///
    /// # Errors
    ///
    /// Before anything is sent: [`RestoreError::NoMailboxes`], [`RestoreError::OtherBackup`]. Later what ends an upload.
    pub async fn send_conversations(
        &self,
        client: &Client,
        directory: &Directory,
        journal: &Journal,
        options: &upload::Options,
        reporter: Arc<dyn Reporter>,
        stop: &Stop,
    ) -> Result<Summary, RestoreError> {
        let mailboxes = self.mailboxes(directory)?;
        self.claim(journal).await?;
        let options = upload::Options {
            total: Some(self.conversations),
            // They were customers in the FreeScout that was copied.
            staff_may_be_customers: true,
            ..options.clone()
        };
        let (sender, receiver) = mpsc::channel(WAITING);
        let feed = Feed {
            snapshot: self.snapshot.clone(),
            restorer: Arc::clone(&self.restorer),
            wanted: self.wanted.clone(),
            mailboxes,
        };
        let feeder = start(move || feed.run(&sender))?;
        let sent = upload::run(receiver, client, directory, journal, &options, reporter, stop).await;
        // One that ended early has made the stream end early, which must not pass for its end.
        let fed = end(feeder);
        let summary = sent?;
        fed?;
        Ok(summary)
    }
}

/// Counts the outcomes of customers, and passes everything else on that is no end of a run.
struct Counting {
    reporter: Arc<dyn Reporter>,
    done: AtomicU64,
    told: Arc<dyn Fn(u64) + Send + Sync>,
}

impl Reporter for Counting {
    fn event(&self, event: &Event<'_>) {
        match event {
            Event::Outcome { .. } => (self.told)(self.done.fetch_add(1, Ordering::Relaxed) + 1),
            Event::Finished(_) => {}
            other => self.reporter.event(other),
        }
    }
}

fn start<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> Result<JoinHandle<T>, RestoreError> {
    let bug = |cause: std::io::Error| RestoreError::Bug { what: format!("no OS thread can be started: {cause}") };
    thread::Builder::new().name("foxferry-restore".to_owned()).spawn(run).map_err(bug)
}

fn end<T>(feeder: JoinHandle<T>) -> Result<T, RestoreError> {
    feeder.join().map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let what = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic".to_owned());
        RestoreError::Bug { what }
    })
}

/// A mailbox of a snapshot by address, else by name.
fn mailbox_named(snapshot: &Snapshot, name: &str) -> Result<wire::Mailbox, RestoreError> {
    let known: Vec<wire::Mailbox> =
        snapshot.list("mailboxes")?.iter().filter_map(|row| row.typed::<wire::Mailbox>().ok()).collect();
    let same = |known: &str| known.trim().to_lowercase() == name.trim().to_lowercase();
    let found = known.iter().find(|mailbox| same(&mailbox.email)).or_else(|| known.iter().find(|m| same(&m.name)));
    found.cloned().ok_or_else(|| {
        let known: Vec<_> = known.iter().map(|mailbox| format!("`{}`", mailbox.email)).collect();
        RestoreError::NotInBackup { name: name.to_owned(), known: known.join(", ") }
    })
}

/// Conversations by id: from the lowest, or from the highest with a file's rows in memory.
fn rows(snapshot: &Snapshot, is_newest_first: bool) -> Box<dyn Iterator<Item = Result<Stored, BackupError>>> {
    if !is_newest_first {
        return match snapshot.conversations() {
            Ok(rows) => Box::new(rows),
            Err(error) => Box::new(std::iter::once(Err(error))),
        };
    }
    let snapshot = snapshot.clone();
    let files = snapshot.manifest().files.iter();
    let shards: BTreeSet<u64> = files.filter_map(|file| super::format::shard_in("conversations", &file.path)).collect();
    Box::new(shards.into_iter().rev().flat_map(move |shard| {
        let mut rows: Vec<_> = snapshot.shard("conversations", shard).collect();
        rows.reverse();
        rows
    }))
}

/// Whether a row is asked for, its place in the limit aside.
fn wants(wanted: &Wanted, row: &Stored) -> bool {
    let Selection { since, until, only, .. } = &wanted.records;
    if !only.is_empty() && !only.contains(&row.id.to_string()) && !only.contains(&id_of(row.id).to_string()) {
        return false;
    }
    let mailbox = row.raw.get("mailboxId").and_then(wire::as_id).unwrap_or_default().to_string();
    if !wanted.mailboxes.is_empty() && !wanted.mailboxes.contains(&mailbox) {
        return false;
    }
    let opened = || row.raw.get("createdAt")?.as_str()?.parse::<Timestamp>().ok();
    match (since.is_some() || until.is_some()).then(opened).flatten() {
        Some(opened) => since.is_none_or(|since| opened >= since) && until.is_none_or(|until| opened < until),
        None => true,
    }
}

/// Why a conversation is left out by rule.
fn set_aside(row: &wire::Conversation, wanted: &Wanted) -> Option<&'static str> {
    let has_text = row.threads().iter().any(|thread| thread.kind != "lineitem");
    match row.state.as_str() {
        "deleted" if !wanted.with_deleted => Some("deleted in FreeScout; `--deleted` restores it as a closed one"),
        "draft" if !has_text => Some("a draft, whose text FreeScout's API does not show"),
        _ => None,
    }
}

/// The identity of a conversation: the same in every snapshot.
pub(super) fn id_of(conversation: u64) -> RecordId {
    RecordId::new(SOURCE, conversation.to_string())
}

/// What an OS thread needs to make conversations of rows.
struct Feed {
    snapshot: Snapshot,
    restorer: Arc<Restorer>,
    wanted: Wanted,
    mailboxes: HashMap<u64, String>,
}

impl Feed {
    fn run(&self, out: &mpsc::Sender<Converted>) {
        let mut taken = 0;
        let mut unreadable = BTreeMap::<String, u64>::new();
        for row in rows(&self.snapshot, self.wanted.is_newest_first) {
            if self.wanted.records.limit.is_some_and(|limit| taken >= limit) {
                break;
            }
            let converted = match row {
                Ok(row) if !wants(&self.wanted, &row) => continue,
                Ok(row) => self.convert(&row),
                Err(error) => {
                    let path = match &error {
                        BackupError::Unreadable { path, .. } => path.clone(),
                        _ => self.snapshot.dir().to_path_buf(),
                    };
                    let path = path.strip_prefix(self.snapshot.dir()).unwrap_or(&path).display().to_string();
                    let times = unreadable.entry(path.clone()).or_default();
                    *times += 1;
                    Converted::Rejected(Rejected {
                        id: RecordId::new(SOURCE, format!("unreadable@{path}#{times}")),
                        origin: Origin::whole(&Arc::from(path.as_str())),
                        reason: chain(&error),
                        findings: Vec::new(),
                    })
                }
            };
            taken += 1;
            if out.blocking_send(converted).is_err() {
                return;
            }
        }
    }

    fn convert(&self, row: &Stored) -> Converted {
        let id = id_of(row.id);
        let rejected = |error: &NotRestorable| {
            Converted::Rejected(Rejected {
                id: id.clone(),
                origin: row.origin.clone(),
                reason: chain(error),
                findings: Vec::new(),
            })
        };
        let typed = match row.conversation() {
            Ok(typed) => typed,
            Err(cause) => return rejected(&NotRestorable::NotAConversation { origin: row.origin.clone(), cause }),
        };
        if let Some(reason) = set_aside(&typed, &self.wanted) {
            let (origin, reason) = (row.origin.clone(), reason.to_owned());
            return Converted::Skipped(Skipped { id, origin, reason, findings: Vec::new() });
        }
        let restored = match self.restorer.conversation(row) {
            Ok(restored) => restored,
            Err(error) => return rejected(&error),
        };
        let (mut conversation, mut findings) = (restored.conversation, restored.findings);
        let mut find = |code, message: String| findings.push(Finding::new(code, message));
        conversation.id = id.clone();
        if let Some(mailbox) = typed.mailbox_id.and_then(|id| self.mailboxes.get(&id)) {
            conversation.mailbox = Some(mailbox.clone());
        }
        if typed.state == "deleted" {
            close(&mut conversation);
            find(codes::BACKUP_STATE, "it was deleted, and is restored as a closed one".to_owned());
        }
        let logs = typed.embedded.timelogs.as_ref().map_or(0, Vec::len);
        if logs > 0 {
            find(codes::BACKUP_TIME_LOG, format!("{logs} time logs stay in the backup only"));
        }
        for thread in &mut conversation.threads {
            let place = format!("thread {}", thread.entry);
            images::put_back(thread, row, &mut |message| find(codes::BACKUP_IMAGE, format!("{place}: {message}")));
        }
        findings.extend(check::check(&conversation));
        for finding in &mut findings {
            finding.record = Some(id.clone());
            finding.origin = Some(row.origin.clone());
        }
        Converted::Ready(Box::new(Mapped { conversation, findings, rules: Vec::new(), lines: Vec::new() }))
    }
}

/// Makes a closed conversation of it.
fn close(conversation: &mut Conversation) {
    conversation.status = Status::Closed;
    let last = conversation.threads.last().map(|thread| thread.created_at);
    conversation.closed_at = conversation.closed_at.or(last);
}
