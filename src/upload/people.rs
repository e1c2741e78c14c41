//! People without any conversation: customers found or made, each once.
//!
//! Promises:
//!
//! - A customer who is there is used as it is, and counts as done.
//! - What is done is in the journal's table of people: a second run asks FreeScout nothing about it.
//! - A person whom FreeScout refuses is an outcome; `Err` is for what ends the run.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::customers::Customers;
use super::line::{Failure, Halt, Line, Who};
use super::staff::Staff;
use super::{Options, Stop, UploadError};
use crate::conversation::Customer;
use crate::finding::{Finding, codes};
use crate::freescout::{Client, Directory, NewCustomer};
use crate::journal::Journal;
use crate::record::{Origin, RecordId};
use crate::report::{Event, Outcome, Reporter, Summary};

/// Keys of people remembered, so that one who stands in the archive twice counts once: 64 MB.
const MOST_REMEMBERED: usize = 4_000_000;

/// A person on the way.
#[derive(Debug)]
pub struct PersonItem {
    /// Which: `zendesk:person-4711`.
    pub id: RecordId,
    /// Where in the archive.
    pub origin: Origin,
    /// What was noticed before.
    pub findings: Vec<Finding>,
    /// What becomes of the person.
    pub wanted: Wanted,
}

/// What becomes of a person.
#[derive(Debug)]
pub enum Wanted {
    /// A customer.
    Customer(Box<Customer>),
    /// A customer of whom more is known than conversations say; somebody who is not there is made with this profile.
    Whole(Box<Customer>, Box<NewCustomer>),
    /// Left out, and why.
    Skipped(String),
    /// Cannot be read or sent, and why.
    Rejected(String),
}

/// Carries every person to an outcome; the sums are in people.
///
/// Returns when the stream has ended, or after a wish to [`Stop`]. The journal must belong to `client`'s target.
pub async fn run_people(
    mut items: mpsc::Receiver<PersonItem>,
    client: &Client,
    directory: &Directory,
    journal: &Journal,
    options: &Options,
    reporter: Arc<dyn Reporter>,
    stop: &Stop,
) -> Result<Summary, UploadError> {
    let begun = Instant::now();
    let requests_before = client.requests_sent();
    let run = journal.begin_run(&options.command).await.map_err(UploadError::Journal)?;
    let line = Line::new(
        client.clone(),
        directory.clone(),
        journal.clone(),
        options.clone(),
        Arc::clone(&reporter),
        stop.clone(),
        run,
    );
    let porter = Arc::new(Porter {
        staff: Staff::of(&line.directory),
        line,
        customers: Customers::new(),
        sums: Mutex::default(),
        seen: Mutex::default(),
    });
    let result = carry_all(&porter, &mut items).await;
    // The reader's OS thread ends when nobody listens any more.
    drop(items);
    let mut summary = porter.sums.lock().unwrap_or_else(PoisonError::into_inner).clone();
    summary.findings = porter.line.findings();
    summary.requests = client.requests_sent() - requests_before;
    summary.is_interrupted = stop.is_asked();
    summary.seconds = begun.elapsed().as_secs_f64();
    let ending = match &result {
        Err(error) => error.to_string(),
        Ok(()) if summary.is_interrupted => "interrupted".to_owned(),
        Ok(()) => "finished".to_owned(),
    };
    let sums = serde_json::to_string(&summary).unwrap_or_default();
    let ended = journal.end_run(run, &ending, sums).await.map_err(UploadError::Journal);
    result?;
    ended?;
    reporter.event(&Event::Finished(&summary));
    Ok(summary)
}

/// What all tasks share.
struct Porter {
    line: Line,
    customers: Customers,
    staff: Staff,
    sums: Mutex<Summary>,
    seen: Mutex<HashSet<u64>>,
}

async fn carry_all(porter: &Arc<Porter>, items: &mut mpsc::Receiver<PersonItem>) -> Result<(), UploadError> {
    let line = &porter.line;
    let slots = Arc::new(Semaphore::new(line.options.concurrency.max(1)));
    let mut tasks: JoinSet<Result<(), Halt>> = JoinSet::new();
    let mut fatal = None;
    let mut take = |ended: Result<Result<(), Halt>, tokio::task::JoinError>| {
        let error = match ended {
            Ok(Ok(()) | Err(Halt::Interrupted)) => return,
            Ok(Err(Halt::Fatal(error))) => error,
            Err(panic) => UploadError::Bug { what: panic.to_string() },
        };
        line.halt.cancel();
        fatal.get_or_insert(error);
    };
    loop {
        while let Some(ended) = tasks.try_join_next() {
            take(ended);
        }
        let next = async {
            let slot = Arc::clone(&slots).acquire_owned().await.expect("the places are never closed");
            items.recv().await.map(|item| (item, slot))
        };
        match line.unless_asked(next).await {
            Ok(Some((item, slot))) => {
                let porter = Arc::clone(porter);
                tasks.spawn(async move {
                    let _slot = slot;
                    porter.carry(item).await
                });
            }
            // The stream is at its end, or nothing new is to be begun.
            Ok(None) | Err(_) => break,
        }
    }
    if line.stop.is_asked() {
        line.reporter.event(&Event::Stopping { in_flight: line.limiter.in_flight() });
    }
    while let Some(ended) = tasks.join_next().await {
        take(ended);
    }
    fatal.map_or(Ok(()), Err)
}

impl Porter {
    async fn carry(&self, item: PersonItem) -> Result<(), Halt> {
        let PersonItem { id, origin, findings, wanted } = item;
        self.line.note(findings).await?;
        let who = Who { id, origin };
        let (customer, profile) = match wanted {
            Wanted::Skipped(reason) => {
                self.settle(&who, Outcome::Skipped, Some(&reason), false);
                return Ok(());
            }
            Wanted::Rejected(reason) => {
                self.settle(&who, Outcome::Rejected, Some(&reason), false);
                return Ok(());
            }
            Wanted::Customer(customer) => (customer, None),
            Wanted::Whole(customer, profile) => (customer, Some(profile)),
        };
        if !self.line.options.staff_may_be_customers && self.staff.has(&customer) {
            self.settle(&who, Outcome::Skipped, Some("the address is a user's or a mailbox's in FreeScout"), false);
        } else if self.was_seen(&customer.key) {
            self.settle(&who, Outcome::Skipped, Some("the same person stands in the archive before"), false);
        } else {
            self.make(&who, &customer, profile.as_deref()).await?;
        }
        Ok(())
    }

    async fn make(&self, who: &Who, customer: &Customer, profile: Option<&NewCustomer>) -> Result<(), Halt> {
        let is_from_before = self.line.journal.person(&customer.key).await?.is_some_and(|row| row.customer.is_some());
        match self.customers.resolve_as(&self.line, who, customer, profile).await {
            Ok(resolved) => {
                if resolved.is_new {
                    self.sums.lock().unwrap_or_else(PoisonError::into_inner).customers += 1;
                }
                self.settle(who, Outcome::Done, None, is_from_before);
                Ok(())
            }
            Err(Failure::Refused(error) | Failure::Unknown(_, _, error)) => {
                let message = format!("FreeScout would not make a customer of `{}`: {error}", customer.key);
                self.line.note_one(who, codes::SEND_REFUSED, message).await?;
                self.settle(who, Outcome::Dead, Some("FreeScout would not make the customer"), false);
                Ok(())
            }
            Err(Failure::Halt(halt)) => Err(halt),
        }
    }

    fn was_seen(&self, key: &str) -> bool {
        let hash = blake3::hash(key.as_bytes());
        let mut short = [0; 8];
        short.copy_from_slice(&hash.as_bytes()[..8]);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let short = u64::from_le_bytes(short);
        if seen.len() >= MOST_REMEMBERED { seen.contains(&short) } else { !seen.insert(short) }
    }

    fn settle(&self, who: &Who, outcome: Outcome, reason: Option<&str>, is_from_before: bool) {
        let mut sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        sums.count(outcome);
        sums.done_before += u64::from(is_from_before && outcome == Outcome::Done);
        drop(sums);
        self.line.reporter.event(&Event::Outcome {
            record: &who.id,
            origin: &who.origin,
            outcome,
            conversation: None,
            reason,
            is_from_before,
        });
    }
}
