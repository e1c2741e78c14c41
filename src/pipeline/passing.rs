//! Passes over records that an earlier run has done, without reading them again.
//!
//! Promises:
//!
//! - Only *done* records are passed over, and only while the archive's index is the very one over which they were read:
//!   a changed archive has a new index, and all of it is read.
//! - What a selection leaves out is not counted, whether it is passed over or read.
//! - Records of an archive that has no index (a pipe) are all read: it may be a newer one.
//! - With a limit nothing is passed over: the limit counts records that are done, in their order.
//!
//! Whoever wants to look at what is done once more does not call [`prepare`], and reads everything.

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

/// Writes down in a record's seat when it was opened, for later selections. In an index that does not last no record has
/// a seat.
pub fn note_time(record: &mut Record) {
    if record.origin.seat.as_ref().is_some_and(|seat| seat.index == 0) {
        record.origin.seat = None;
    }
    if record.origin.seat.is_some() {
        let opened = Selection::opened(record).map(milliseconds);
        if let Some(seat) = &mut record.origin.seat {
            seat.opened = opened;
        }
    }
}

/// Tells a reader (`passing` is the reader's) what it need not read: all that `journal` calls done.
pub async fn prepare(passing: &PassOver, journal: &Journal, selection: &Selection) -> Result<(), JournalError> {
    let index = passing.index();
    let is_whole = |time: Option<Timestamp>| time.is_none_or(|time| time.as_nanosecond() % 1_000_000 == 0);
    if selection.limit.is_some() || index == 0 {
        return Ok(());
    }
    if !is_whole(selection.since) || !is_whole(selection.until) {
        return Ok(());
    }
    let (since, until) = (selection.since.map(milliseconds), selection.until.map(milliseconds));
    let only = selection.only.clone();
    let seats = journal
        .view(move |view| {
            let mut named = HashSet::new();
            let sources = if only.is_empty() { Vec::new() } else { view.sources()? };
            for (source, id) in sources.iter().flat_map(|source| only.iter().map(move |id| (source, id))) {
                for id in ids_of(source, id) {
                    named.extend(view.done_seat_of(&id, index)?);
                }
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
