//! What a run tells the outside: events, and the sums at its end.
//!
//! Work calls [`Reporter::event`]; progress bars, JSON lines and the summary are listeners.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use crate::finding::Finding;
use crate::mapping::Converted;
use crate::mapping::account::Account;
use crate::record::{Origin, RecordId};

pub mod chorus;
pub mod figures;
pub mod findings;
pub mod forecast;
pub mod html;
pub mod json;
pub mod tally;

use forecast::Progress;

/// Hears what happens. Never blocks, never fails; called from any OS thread.
pub trait Reporter: Send + Sync {
    /// Something happened.
    fn event(&self, event: &Event<'_>);
}

/// A reporter that hears nothing.
pub struct Silence;

impl Reporter for Silence {
    fn event(&self, _event: &Event<'_>) {}
}

/// Something that happened during a run.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A container is being unpacked.
    Unpacking {
        /// Bytes written so far.
        bytes: u64,
    },
    /// Parts of the archive could not be read where they lie and were copied.
    Unpacked {
        /// Bytes written.
        bytes: u64,
        /// The folder for temporary files.
        folder: &'a std::path::Path,
    },
    /// The archive's bytes read so far by the indexing pass.
    Indexing {
        /// Bytes read.
        bytes: u64,
        /// Bytes in all.
        of: u64,
    },
    /// The archive is indexed and records begin to flow.
    Opened {
        /// The source's name.
        format: &'a str,
        /// How many records there are.
        records: u64,
    },
    /// The target answered and is known.
    Target {
        /// Its address without credentials.
        url: &'a str,
        /// Mailboxes found.
        mailboxes: usize,
        /// Users found.
        users: usize,
    },
    /// A record was read and converted. Its findings and its outcome follow.
    Converted(&'a Converted),
    /// Something was noticed.
    Finding(&'a Finding),
    /// A record has its outcome.
    Outcome {
        /// Which record.
        record: &'a RecordId,
        /// Where it stands.
        origin: &'a Origin,
        /// What became of it.
        outcome: Outcome,
        /// FreeScout's conversation id, if there is one.
        conversation: Option<u64>,
        /// Why, unless it is done.
        reason: Option<&'a str>,
        /// Whether an earlier run had settled it, so that nothing was sent now.
        is_from_before: bool,
    },
    /// Records that an earlier run had done were not read again.
    PassedOver {
        /// How many.
        records: u64,
    },
    /// A request will be tried again.
    Retry {
        /// Which record.
        record: &'a RecordId,
        /// After how long.
        after: Duration,
        /// Why.
        reason: &'a str,
    },
    /// All sending waits (`Retry-After`, target away or ill).
    Paused {
        /// For how long.
        wait: Duration,
        /// Why.
        reason: &'a str,
    },
    /// All sending waits for the operator's hours.
    Asleep {
        /// When it goes on.
        until: Timestamp,
        /// How long that is.
        wait: Duration,
    },
    /// Sending goes on after it was asleep, or after the target was away or ill.
    Resumed {
        /// After how long.
        after: Duration,
        /// Why.
        reason: &'a str,
    },
    /// How far the run is, every few seconds.
    Progress(&'a Progress),
    /// The first Ctrl-C: what is in flight is finished.
    Stopping {
        /// Requests in flight.
        in_flight: usize,
    },
    /// What became of the archive's fields and values, near the end of a run.
    Accounted(&'a Account),
    /// The run is over.
    Finished(&'a Summary),
}

/// How a record ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// In FreeScout, complete and compared.
    Done,
    /// Left out by a rule.
    Skipped,
    /// Not sendable; found by us before sending.
    Rejected,
    /// Refused by FreeScout, or given up after trying.
    Dead,
}

/// The sums of a run; the four outcomes add up to `read`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Summary {
    /// Records with an outcome.
    pub read: u64,
    /// In FreeScout.
    pub done: u64,
    /// Left out by rule.
    pub skipped: u64,
    /// Not sendable.
    pub rejected: u64,
    /// Refused or given up.
    pub dead: u64,
    /// Of those done, how many an earlier run had done.
    pub done_before: u64,
    /// Records taken up and not finished, because the run was interrupted.
    pub unfinished: u64,
    /// Threads made in this run.
    pub threads: u64,
    /// Attachments sent in this run.
    pub attachments: u64,
    /// Customers made in this run.
    pub customers: u64,
    /// Requests sent in this run.
    pub requests: u64,
    /// Findings by severity: info, warning, error.
    pub findings: [u64; 3],
    /// Whether the operator interrupted it.
    pub is_interrupted: bool,
    /// How long it took, in seconds.
    pub seconds: f64,
}

impl Summary {
    /// Counts one outcome.
    pub fn count(&mut self, outcome: Outcome) {
        self.read += 1;
        match outcome {
            Outcome::Done => self.done += 1,
            Outcome::Skipped => self.skipped += 1,
            Outcome::Rejected => self.rejected += 1,
            Outcome::Dead => self.dead += 1,
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letters = if self.dead == 1 { "dead letter" } else { "dead letters" };
        write!(
            f,
            "{} read: {} done, {} skipped, {} rejected, {} {letters}",
            self.read, self.done, self.skipped, self.rejected, self.dead
        )
    }
}
