//! Passes over records that an earlier run has done, without reading them again.
//!
//! Promises:
//!
//! - Only *done* records are passed over, and only while the archive's index is the very one over which they were read:
//!   a changed archive has a new index, and all of it is read.
//! - What a selection leaves out is not counted, whether it is passed over or read.
//! - With a limit nothing is passed over: the limit counts records that are done, in their order.
//!
//! Whoever wants to see what has changed since (a delta) does not call [`prepare`], and reads everything.

use std::collections::HashSet;

use jiff::Timestamp;

use crate::catalog::{PassOver, SeatSet};
use crate::journal::{Journal, JournalError};
use crate::pipeline::Selection;
use crate::record::{Record, RecordId};

/// Milliseconds since 1970, rounded down.
fn milliseconds(time: Timestamp) -> i64 {
    i64::try_from(time.as_nanosecond().div_euclid(1_000_000)).expect("a timestamp in milliseconds fits")
}

/// Writes down in a record's seat when it was opened, for later selections.
pub fn note_time(record: &mut Record) {
    if record.origin.seat.is_some() {
        let opened = Selection::opened(record).map(milliseconds);
        if let Some(seat) = &mut record.origin.seat {
            seat.opened = opened;
        }
    }
}

/// Tells a reader (`passing` is the reader's) what it need not read: all that `journal` calls done.
pub async fn prepare(
    passing: &PassOver,
    source: &str,
    journal: &Journal,
    selection: &Selection,
) -> Result<(), JournalError> {
    let index = passing.index();
    let is_whole = |time: Option<Timestamp>| time.is_none_or(|time| time.as_nanosecond() % 1_000_000 == 0);
    if index == 0 || selection.limit.is_some() || !is_whole(selection.since) || !is_whole(selection.until) {
        return Ok(());
    }
    let (since, until) = (selection.since.map(milliseconds), selection.until.map(milliseconds));
    let only: Vec<RecordId> = selection.only.iter().flat_map(|id| ids_of(source, id)).collect();
    let seats = journal
        .view(move |view| {
            let mut named = HashSet::new();
            for id in &only {
                named.extend(view.done_seat_of(id, index)?);
            }
            let is_named = |number| only.is_empty() || named.contains(&number);
            let is_in_time = |opened: Option<i64>| {
                opened.is_none_or(|opened| {
                    since.is_none_or(|since| opened >= since) && until.is_none_or(|until| opened < until)
                })
            };
            let mut seats = SeatSet::default();
            view.done_seats(index, |number, opened| seats.insert(number, is_named(number) && is_in_time(opened)))?;
            Ok(seats)
        })
        .await?;
    passing.set(seats);
    Ok(())
}

/// The records that an id on the command line may mean: `4711`, or `zendesk:4711`.
fn ids_of(source: &str, id: &str) -> Vec<RecordId> {
    let full = id.strip_prefix(source).and_then(|rest| rest.strip_prefix(':'));
    [Some(id), full].into_iter().flatten().map(|original| RecordId::new(source, original)).collect()
}
