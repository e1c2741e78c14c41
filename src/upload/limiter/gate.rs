//! Tells an ill target from a record that it cannot take, and keeps everybody away from an ill one.
//!
//! Promises:
//!
//! - Several records that fail in a row, with nothing that works in between, are the target's illness; one that fails
//!   among others that work is its own.
//! - While the target is ill, one request at a time is let through, at growing distances; the first that works opens
//!   the gate for all.
//! - Failures of that time are nobody's: see [`Gate::excuses`].

use std::time::Duration;

use tokio::time::Instant;

use crate::record::RecordId;

/// So many different records in a row.
const RECORDS: usize = 3;

/// The longest time between two tries, in first ones: a minute, if the first comes after 5 s.
const LONGEST: u32 = 12;

/// One kind of requests (all, or those that change something), and whether they work at present.
pub(super) struct Gate {
    /// Records whose requests failed since one last worked, up to [`RECORDS`].
    failed: Vec<RecordId>,
    /// When the first of those was sent.
    first: Option<Instant>,
    ill: Option<Ill>,
    /// The latest illness that is over: from, to.
    over: Option<(Instant, Instant)>,
    /// The time before the first try; doubles.
    first_wait: Duration,
}

struct Ill {
    since: Instant,
    /// The time before the next try.
    wait: Duration,
    /// When it is due.
    due: Instant,
    is_trying: bool,
}

/// What a gate says to who wants to pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pass {
    /// Go.
    Free,
    /// Go, alone: tell what becomes of it.
    Try,
    /// Ask again then.
    Wait(Instant),
    /// Somebody is trying; ask again when something has changed.
    Watch,
}

impl Gate {
    pub(super) fn new(first_wait: Duration) -> Self {
        Self { failed: Vec::new(), first: None, ill: None, over: None, first_wait }
    }

    /// Whether a request may be sent.
    pub(super) fn ask(&self, now: Instant) -> Pass {
        match &self.ill {
            None => Pass::Free,
            Some(ill) if ill.is_trying => Pass::Watch,
            Some(ill) if ill.due > now => Pass::Wait(ill.due),
            Some(_) => Pass::Try,
        }
    }

    /// A try begins.
    pub(super) fn begin_try(&mut self) {
        if let Some(ill) = &mut self.ill {
            ill.is_trying = true;
        }
    }

    /// A try ended without showing anything.
    pub(super) fn end_try(&mut self) {
        if let Some(ill) = &mut self.ill {
            ill.is_trying = false;
        }
    }

    /// A request of a record, sent at `sent`, failed. Gives how long everybody waits now, when that is new.
    pub(super) fn failed(&mut self, who: &RecordId, sent: Instant, is_try: bool, now: Instant) -> Option<Duration> {
        if let Some(ill) = &mut self.ill {
            // What was on its way when it fell ill shows nothing new.
            if !is_try {
                return None;
            }
            ill.is_trying = false;
            ill.wait = (ill.wait * 2).min(self.first_wait * LONGEST);
            ill.due = now + ill.wait;
            return Some(ill.wait);
        }
        let first = *self.first.get_or_insert(sent);
        self.first = Some(first.min(sent));
        if self.failed.len() < RECORDS && !self.failed.contains(who) {
            self.failed.push(who.clone());
        }
        if self.failed.len() < RECORDS {
            return None;
        }
        let wait = self.first_wait;
        self.ill = Some(Ill { since: first.min(sent), wait, due: now + wait, is_trying: false });
        Some(wait)
    }

    /// A request worked. Gives how long it had been ill, if it was.
    pub(super) fn worked(&mut self, now: Instant) -> Option<Duration> {
        self.failed.clear();
        self.first = None;
        let ill = self.ill.take()?;
        self.over = Some((ill.since, now));
        Some(now - ill.since)
    }

    /// Since when it has been ill.
    pub(super) fn ill_since(&self) -> Option<Instant> {
        self.ill.as_ref().map(|ill| ill.since)
    }

    /// Whether what was sent then may have failed for the target's illness.
    pub(super) fn excuses(&self, sent: Instant) -> bool {
        let is_of_now = self.ill_since().is_some_and(|since| sent >= since);
        is_of_now || self.over.is_some_and(|(from, to)| (from..=to).contains(&sent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(n: u32) -> RecordId {
        RecordId::new("test", n.to_string())
    }

    const FIRST: Duration = Duration::from_secs(5);

    #[tokio::test(start_paused = true)]
    async fn different_records_in_a_row_are_an_illness_and_one_is_not() {
        let now = Instant::now();
        let mut gate = Gate::new(FIRST);
        for _ in 0..20 {
            assert_eq!(gate.failed(&record(1), now, false, now), None);
        }
        assert_eq!(gate.failed(&record(2), now, false, now), None);
        assert_eq!(gate.worked(now), None);
        assert_eq!(gate.failed(&record(3), now, false, now), None);
        assert_eq!(gate.failed(&record(1), now, false, now), None);
        assert_eq!((gate.ask(now), gate.excuses(now)), (Pass::Free, false));
        assert_eq!(gate.failed(&record(4), now, false, now), Some(FIRST));
        assert_eq!((gate.ask(now), gate.excuses(now)), (Pass::Wait(now + FIRST), true));
    }

    #[tokio::test(start_paused = true)]
    async fn one_at_a_time_is_tried_at_growing_distances_until_one_works() {
        let mut gate = Gate::new(FIRST);
        let begun = Instant::now();
        for n in 0..3 {
            gate.failed(&record(n), begun, false, begun);
        }
        let mut waits = Vec::new();
        for _ in 0..6 {
            let Pass::Wait(due) = gate.ask(Instant::now()) else { panic!("{:?}", gate.ask(Instant::now())) };
            tokio::time::sleep_until(due).await;
            assert_eq!(gate.ask(Instant::now()), Pass::Try);
            gate.begin_try();
            assert_eq!(gate.ask(Instant::now()), Pass::Watch);
            let now = Instant::now();
            assert_eq!(gate.failed(&record(9), now, false, now), None, "it was on its way before");
            waits.extend(gate.failed(&record(1), now, true, now).map(|wait| wait.as_secs()));
        }
        assert_eq!(waits, [10, 20, 40, 60, 60, 60]);
        tokio::time::advance(FIRST * LONGEST).await;
        gate.begin_try();
        gate.end_try();
        assert_eq!(gate.ask(Instant::now()), Pass::Try, "one that showed nothing is followed by the next");
        let in_between = Instant::now();
        tokio::time::advance(FIRST).await;
        assert_eq!(gate.worked(Instant::now()), Some(begun.elapsed()));
        assert_eq!(gate.ask(Instant::now()), Pass::Free);
        assert!(gate.excuses(begun) && gate.excuses(in_between));
        tokio::time::advance(FIRST).await;
        assert!(!gate.excuses(Instant::now()));
    }
}
