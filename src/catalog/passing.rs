//! Passes over records that need not be read: their places, one bit each, and how many were passed.
//!
//! A reader is opened before anybody knows which records are done, and may read ahead on an OS thread of its own. So
//! the places are handed to it later, and every group either comes or is counted, never both.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// A place beyond this is never passed over: the bits would take more than 512 MiB. Its record is read instead.
const MOST: i64 = 1 << 32;

/// A set of places in an index. Takes a bit for each piece of the archive.
#[derive(Debug, Default)]
pub struct SeatSet {
    bits: Vec<u64>,
    /// Places in `bits` that are not counted when they are passed.
    uncounted: Vec<u64>,
}

impl SeatSet {
    /// Adds a place; `is_counted`: whether the run that passes it speaks of its record at all.
    pub fn insert(&mut self, number: i64, is_counted: bool) {
        if !(0..MOST).contains(&number) {
            return;
        }
        set(&mut self.bits, number as usize);
        if !is_counted {
            set(&mut self.uncounted, number as usize);
        }
    }

    /// Whether the place is in the set.
    pub fn has(&self, number: i64) -> bool {
        usize::try_from(number).is_ok_and(|number| get(&self.bits, number))
    }

    /// Whether the place is counted.
    pub fn counts(&self, number: i64) -> bool {
        usize::try_from(number).is_ok_and(|number| !get(&self.uncounted, number))
    }
}

fn set(bits: &mut Vec<u64>, number: usize) {
    let word = number / 64;
    if word >= bits.len() {
        bits.resize(word + 1, 0);
    }
    bits[word] |= 1 << (number % 64);
}

fn get(bits: &[u64], number: usize) -> bool {
    bits.get(number / 64).is_some_and(|word| word >> (number % 64) & 1 == 1)
}

/// Says to a reader what it need not read, and hears from it how much that was. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct PassOver {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    index: i64,
    seats: OnceLock<SeatSet>,
    passed: AtomicU64,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PassOver").field("index", &self.index).field("passed", &self.passed).finish_non_exhaustive()
    }
}

impl PassOver {
    pub(super) fn of(index: i64) -> Self {
        Self { inner: Arc::new(Inner { index, ..Inner::default() }) }
    }

    /// The index that places are meant in; 0: none, and nothing is passed over.
    pub fn index(&self) -> i64 {
        self.inner.index
    }

    /// Says what is to be passed over from now on. Only the first call counts.
    pub fn set(&self, seats: SeatSet) {
        let _ = self.inner.seats.set(seats);
    }

    /// How many records have been passed over so far, uncounted ones left out.
    pub fn passed(&self) -> u64 {
        self.inner.passed.load(Ordering::Relaxed)
    }

    pub(super) fn seats(&self) -> Option<&SeatSet> {
        self.inner.seats.get()
    }

    pub(super) fn add(&self, passed: u64) {
        self.inner.passed.fetch_add(passed, Ordering::Relaxed);
    }
}
