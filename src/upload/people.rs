//! People without any conversation: customers found or made, each once.
//!
//! Promises:
//!
//! - A customer who is there is used as it is, and counts as done.
//! - What is done is in the journal's table of people: a second run asks FreeScout nothing about it.
//! - A person whom FreeScout refuses is an outcome; `Err` is for what ends the run.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;

use super::crew::Crew;
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
    let line = Line::begin(client, directory, journal, options, reporter, stop).await?;
    let porter = Arc::new(Porter {
        staff: Staff::of(&line.directory),
        line,
        customers: Customers::new(),
        sums: Mutex::default(),
        seen: Mutex::default(),
    });
    let result = tokio::select! {
        result = carry_all(&porter, &mut items) => result,
        never = porter.line.tell_progress(|| porter.far()) => match never {},
    };
    // The reader's OS thread ends when nobody listens any more.
    drop(items);
    let sums = porter.sums.lock().unwrap_or_else(PoisonError::into_inner).clone();
    porter.line.end(result, sums).await
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
    let mut crew = Crew::new(&porter.line, porter.line.options.concurrency.max(1));
    while let Some((item, slot)) = crew.next(items.recv()).await {
        let porter = Arc::clone(porter);
        crew.take_on(async move {
            let _slot = slot;
            porter.carry(item).await
        });
    }
    crew.finish().await
}

impl Porter {
    /// How many people have an outcome, and how many of them from earlier runs.
    fn far(&self) -> (u64, u64) {
        let sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        (sums.read, sums.done_before)
    }

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
