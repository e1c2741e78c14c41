//! How many bytes a request may have: learnt from what is turned away or cut off, and tried anew when all goes well.
//!
//! Promises:
//!
//! - It is never more than the operator's limit, and never less than [`SMALLEST`].
//! - What was refused for its size (413) stays the limit, for all runs of a journal. What was only cut off may have been the
//!   connection's fault: the budget rises again while big requests succeed.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::facts;

/// A request is never cut below this many bytes: a server that takes less takes nothing.
pub(super) const SMALLEST: u64 = 64 * 1024;

/// So many big requests in a row succeed before more is tried.
const GOOD: u32 = 16;

/// What is known of the size of requests.
pub(super) struct Budget {
    known: Mutex<Known>,
    /// The operator's limit.
    most: u64,
}

struct Known {
    bytes: u64,
    /// The smallest that was refused for its size.
    refused: u64,
    /// Big requests in a row that succeeded.
    good: u32,
}

/// What the journal keeps: `BYTES`, or `BYTES below REFUSED`.
fn read(fact: &str) -> Option<(u64, u64)> {
    match fact.split_once(" below ") {
        Some((bytes, refused)) => Some((bytes.parse().ok()?, refused.parse().ok()?)),
        None => Some((fact.parse().ok()?, u64::MAX)),
    }
}

impl Budget {
    /// From the operator's limit and what [`Budget::fact`] gave in an earlier run.
    pub(super) fn new(most: u64, fact: Option<&str>) -> Self {
        let most = most.max(SMALLEST);
        let (bytes, refused) = fact.and_then(read).unwrap_or((most, u64::MAX));
        Self { known: Mutex::new(Known { bytes: bytes.clamp(SMALLEST, most), refused, good: 0 }), most }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // A panic while it was held left plain numbers behind, each of them valid.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// At most so many bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.known().bytes
    }

    /// For the journal.
    pub(super) fn fact(&self) -> String {
        let known = self.known();
        facts::budget(known.bytes, Some(known.refused).filter(|refused| *refused != u64::MAX))
    }

    /// A request of this length was refused for its size.
    pub(super) fn refused(&self, length: u64) {
        let mut known = self.known();
        known.refused = known.refused.min(length);
        known.lower(length);
    }

    /// A request of this length was cut off while it was being sent. A small one tells of the connection, not of a limit.
    pub(super) fn cut(&self, length: u64) {
        if length > SMALLEST {
            self.known().lower(length);
        }
    }

    /// A request of this length succeeded. Says whether the budget has risen, so that the journal should know.
    pub(super) fn worked(&self, length: u64) -> bool {
        let mut known = self.known();
        if length <= known.bytes / 2 {
            return false;
        }
        known.good += 1;
        // Below what was refused: a hundredth, since lengths that are that near mean the same limit.
        let most = self.most.min(known.refused - known.refused / 100);
        let wanted = (known.bytes + known.bytes / 4).min(most);
        if known.good < GOOD || wanted <= known.bytes {
            return false;
        }
        (known.bytes, known.good) = (wanted, 0);
        true
    }
}

impl Known {
    fn lower(&mut self, length: u64) {
        self.bytes = self.bytes.min((length / 2).max(SMALLEST));
        self.good = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn succeed(budget: &Budget, times: u32) {
        for _ in 0..times {
            budget.worked(budget.bytes());
        }
    }

    #[test]
    fn what_was_cut_off_is_tried_again_when_big_requests_succeed() {
        let budget = Budget::new(1_000_000, None);
        budget.cut(800_000);
        assert_eq!(budget.bytes(), 400_000);
        succeed(&budget, GOOD - 1);
        assert_eq!(budget.bytes(), 400_000);
        assert!(budget.worked(390_000));
        assert_eq!(budget.bytes(), 500_000);
        succeed(&budget, 10 * GOOD);
        assert_eq!(budget.bytes(), 1_000_000, "never more than the operator's");
    }

    #[test]
    fn small_requests_show_nothing() {
        let budget = Budget::new(1_000_000, Some("100000"));
        for _ in 0..1000 {
            assert!(!budget.worked(50_000));
        }
        budget.cut(SMALLEST);
        assert_eq!(budget.bytes(), 100_000);
    }

    #[test]
    fn what_was_refused_for_its_size_is_never_tried_again() {
        let budget = Budget::new(1_000_000, None);
        budget.refused(300_000);
        succeed(&budget, 10 * GOOD);
        assert_eq!(budget.bytes(), 297_000);
        let next = Budget::new(1_000_000, Some(&budget.fact()));
        succeed(&next, 10 * GOOD);
        assert_eq!((next.bytes(), next.fact()), (297_000, "297000 below 300000".to_owned()));
        next.refused(200);
        assert_eq!(next.bytes(), SMALLEST);
        succeed(&next, 10 * GOOD);
        assert_eq!(next.bytes(), SMALLEST);
    }

    #[test]
    fn a_fact_that_says_nothing_is_passed_over() {
        for (fact, expected) in
            [("", 1_000_000), ("many", 1_000_000), ("5", SMALLEST), ("400000", 400_000), ("9000000", 1_000_000)]
        {
            assert_eq!(Budget::new(1_000_000, Some(fact)).bytes(), expected, "{fact}");
        }
    }
}
