//! Conversations in, outcomes out: ordered steps to FreeScout, journalled on both sides of each.
//!
//! Promises:
//!
//! - No request that changes something leaves before the journal says so on disk.
//! - Nothing is sent twice without asking FreeScout first, and nobody is mailed.
//! - Memory is bounded by the conversations in flight, and those that wait for an unknown outcome.
//! - A record that cannot be carried is an outcome; `Err` is for what ends the run.
//!
//! One task carries one record (`carry`), all of them over one `line`, which holds
//! the limiter. What is unknown is looked up (`reconcile`), what is answered is compared (`compare`).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::catalog::PassOver;
use crate::content::Content;
use crate::conversation::{Conversation, ThreadKind};
use crate::finding::Levels;
use crate::freescout::{Client, Directory};
use crate::journal::{Journal, JournalError};
use crate::mapping::Converted;
use crate::pipeline::Accounts;
use crate::report::{Reporter, Summary};
use crate::window::Window;

mod append;
mod budget;
mod carry;
mod compare;
mod crew;
mod customers;
mod delta;
pub(crate) mod facts;
mod late;
pub(crate) mod limiter;
mod line;
mod people;
mod plan;
pub(crate) mod readback;
mod reconcile;
pub(crate) mod retry;
mod staff;
mod stop;

#[cfg(test)]
mod tests;

pub use people::{PersonItem, Wanted, run_people};
pub(crate) use plan::bare;
pub use stop::Stop;

use carry::{Carrier, First};
use crew::Crew;
use line::{Failure, Halt, Line};

/// How many records are looked at for one that goes first.
const MOST_AHEAD: usize = 64;

/// How many bytes of them are held.
const MOST_AHEAD_BYTES: usize = 16 << 20;

/// How an upload behaves.
#[derive(Debug, Clone)]
pub struct Options {
    /// At most this many requests in flight, at least 1. With 1, records go strictly in order.
    pub concurrency: usize,
    /// At most this many requests in a second.
    pub rate: Option<f64>,
    /// Hours in which requests may begin; `None`: at any time. What is in flight at their end is finished.
    pub window: Option<Window>,
    /// How many records will come, for the forecast; `None`: nobody knows.
    pub total: Option<u64>,
    /// How long a look-up waits at least before it believes that something is absent or complete.
    pub settle: Duration,
    /// Whether the oldest thread carries a hidden mark by which a conversation is recognised.
    pub has_marker: bool,
    /// Bytes that a request should not exceed, as far as a conversation can be divided. Falls by itself, and rises again to this.
    pub request_budget: u64,
    /// How often something that FreeScout neither takes nor refuses is tried.
    pub max_attempts: u32,
    /// How long after something was sent again late copies are looked for.
    pub sweep_after: Duration,
    /// Whether late copies that carry our mark are deleted; else they are only named.
    pub deletes_surplus: bool,
    /// How long a target may be silent, or take nothing at all, before the run ends. Hours outside the window aside.
    pub patience: Duration,
    /// Whether dead letters are taken up again.
    pub takes_up_dead: bool,
    /// Whether what a conversation lacks is appended as messages even where somebody else has written in it since. A
    /// message below a live reply is **mailed** to the customer; else notes are made of it, which never are.
    pub appends_messages: bool,
    /// What of a conversation that is done is brought up to date when a newer archive has something else, beside new entries,
    /// which always are.
    pub updates: Updates,
    /// Whether each record that the journal does not know is looked for in FreeScout before it is sent: the journal that knew
    /// it is lost.
    pub adopts: bool,
    /// Whether users and mailboxes of the target may be customers too; else stand-ins are.
    pub staff_may_be_customers: bool,
    /// How findings are taken.
    pub levels: Levels,
    /// The hash of the mapping's text, for the journal.
    pub mapping: Option<blake3::Hash>,
    /// What was asked for, without secrets, for the journal.
    pub command: String,
    /// Records that the reader passes over because they are done: counted as done before.
    pub passed: PassOver,
    /// What became of the records' fields, told at the end.
    pub accounts: Accounts,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            concurrency: 4,
            rate: None,
            window: None,
            total: None,
            settle: Duration::from_secs(10),
            has_marker: true,
            // What nginx takes unless it is told otherwise.
            request_budget: 1_000_000,
            max_attempts: 5,
            sweep_after: Duration::from_secs(60),
            deletes_surplus: true,
            patience: Duration::from_secs(15 * 60),
            takes_up_dead: false,
            appends_messages: false,
            updates: Updates::default(),
            adopts: false,
            staff_may_be_customers: false,
            levels: Levels::default(),
            mapping: None,
            command: String::from("import"),
            passed: PassOver::default(),
            accounts: Accounts::default(),
        }
    }
}

/// What of a conversation may be altered after it was done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Updates {
    /// Its tags.
    pub tags: bool,
    /// Its custom fields.
    pub fields: bool,
    /// Its status, unless somebody has worked on it since.
    pub status: bool,
}

impl Updates {
    /// Whether anything may.
    pub fn any(self) -> bool {
        self.tags || self.fields || self.status
    }
}

/// What ends a run before its time. The journal is in order, and the next run goes on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UploadError {
    /// The journal cannot be written.
    #[error("the journal cannot be written")]
    Journal(#[source] JournalError),
    /// The target refuses everybody: key, host or address are wrong.
    #[error("the target turns requests away: {cause}")]
    TurnedAway {
        /// What it said.
        cause: String,
    },
    /// The target was silent for too long.
    #[error("the target has been away for {seconds} seconds: {cause}")]
    TargetGone {
        /// For how long.
        seconds: u64,
        /// The last error.
        cause: String,
    },
    /// The target answers questions and fails at everything that changes something.
    #[error("the target has taken nothing for {seconds} seconds, though it answers questions: {cause}")]
    TakesNothing {
        /// For how long.
        seconds: u64,
        /// The last error.
        cause: String,
    },
    /// FreeScout takes conversations, but not as imported ones: to go on would mail customers.
    #[error("FreeScout has not taken conversation {conversation} as imported: it shows other times than those sent")]
    NotImported {
        /// The conversation that was made.
        conversation: u64,
    },
    /// The doctor saw conversations arrive as new ones, and nothing has been sent.
    #[error(
        "FreeScout did not take the doctor's conversation as imported; nothing was sent, since customers would be mailed"
    )]
    LosesImported,
    /// A defect of this program.
    #[error("a task ended in a way it should not: {what}")]
    Bug {
        /// What is known of it.
        what: String,
    },
}

/// A text without the mark that an upload has put below it.
pub(crate) fn without_mark(text: &str) -> &str {
    plan::bare(text)
}

/// Carries every record of `items` to its outcome, or to the point where the run has to end.
///
/// Returns when the stream has ended and all is settled, or after a wish to [`Stop`]; then
/// [`Summary::is_interrupted`] is set. The journal must belong to `client`'s target.
pub async fn run(
    mut items: mpsc::Receiver<Converted>,
    client: &Client,
    directory: &Directory,
    journal: &Journal,
    options: &Options,
    reporter: Arc<dyn Reporter>,
    stop: &Stop,
) -> Result<Summary, UploadError> {
    let is_known = journal.has_done().await.map_err(UploadError::Journal)?;
    let line = Line::begin(client, directory, journal, options, reporter, stop).await?;
    let budget = match line.recall().await {
        Ok(budget) => budget,
        Err(error) => return line.end(Err(error), Summary::default()).await,
    };
    let carrier = Arc::new(Carrier::new(line, is_known, budget));
    let work = async {
        let mut result = carry_all(&carrier, &mut items).await;
        // The reader's OS threads end when nobody listens any more.
        drop(items);
        carrier.count_passed();
        if result.is_ok() && !stop.is_asked() {
            result = sweep(&carrier).await;
        }
        result
    };
    let result = tokio::select! {
        result = work => result,
        never = carrier.line.tell_progress(|| carrier.far()) => match never {},
    };
    let sums = carrier.summary.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
    carrier.line.end(result, sums).await
}

/// Gives every item a task, in order, as places become free.
async fn carry_all(carrier: &Arc<Carrier>, items: &mut mpsc::Receiver<Converted>) -> Result<(), UploadError> {
    let line = &carrier.line;
    // More records than requests, so that the journal and the people of the next are ready when a request may be
    // sent: each waits for the disk about as often as for FreeScout. But one at a time when strict order is wanted.
    let places = if line.options.concurrency <= 1 { 1 } else { line.options.concurrency * 4 };
    let mut crew = Crew::new(line, places);
    let mut ahead = line.unless_asked(look_ahead(carrier, items)).await.unwrap_or_default();
    loop {
        let next = async {
            match ahead.items.pop_front() {
                Some(item) => Some(item),
                None => items.recv().await,
            }
        };
        let Some((item, slot)) = crew.next(next).await else { break };
        carrier.count_passed();
        let carrier = Arc::clone(carrier);
        let first = ahead.first.take();
        crew.take_on(async move { carrier.carry(item, slot, first).await });
    }
    crew.finish().await
}

/// Records that were taken from the stream before any was sent.
#[derive(Default)]
struct Ahead {
    items: VecDeque<Converted>,
    /// For the first of them: no other is sent before FreeScout has answered it.
    first: Option<First>,
}

/// The first records of a run over a target that has not yet shown that it takes imported conversations as such, the
/// first of them being one by which nobody could be mailed if it does not: without a message of an agent. All others keep
/// their order; with one request at a time the order is strict, and nothing is put before anything.
async fn look_ahead(carrier: &Carrier, items: &mut mpsc::Receiver<Converted>) -> Ahead {
    if carrier.line.options.concurrency <= 1 {
        return Ahead::default();
    }
    let Some(first) = carrier.first().await else { return Ahead::default() };
    let mut ahead = Ahead { items: VecDeque::new(), first: Some(first) };
    let mut length = 0;
    while ahead.items.len() < MOST_AHEAD && length < MOST_AHEAD_BYTES {
        let Some(item) = items.recv().await else { break };
        let is_harmless = match &item {
            Converted::Ready(mapped) => {
                length += length_of(&mapped.conversation);
                is_harmless(&mapped.conversation)
            }
            _ => false,
        };
        if is_harmless {
            ahead.items.push_front(item);
            break;
        }
        ahead.items.push_back(item);
    }
    ahead
}

/// Whether a conversation mails nobody even if FreeScout takes it for a live one.
fn is_harmless(conversation: &Conversation) -> bool {
    conversation.threads.iter().all(|thread| thread.kind != ThreadKind::Message)
        && conversation.threads.first().is_some_and(|oldest| oldest.kind == ThreadKind::Customer)
}

/// Bytes that a conversation holds in memory, about.
fn length_of(conversation: &Conversation) -> usize {
    let files = conversation.threads.iter().flat_map(|thread| &thread.attachments);
    let held = files.map(|file| match &file.content {
        Content::Bytes(bytes) => bytes.len(),
        _ => 0,
    });
    conversation.threads.iter().map(|thread| thread.body.len()).sum::<usize>() + held.sum::<usize>()
}

/// Looks for late copies of what was sent again, in this run or an earlier one.
async fn sweep(carrier: &Carrier) -> Result<(), UploadError> {
    let line = &carrier.line;
    let sweeps = line.journal.view(|view| view.sweeps()).await.map_err(UploadError::Journal)?;
    match reconcile::sweep(line, sweeps).await {
        Ok(()) => Ok(()),
        Err(Failure::Halt(Halt::Fatal(error))) => Err(error),
        // What is left is in the journal, and the next run looks.
        Err(_) => Ok(()),
    }
}
