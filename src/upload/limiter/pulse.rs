//! Tells from the times of answers when the target has more to do than it can do at once.
//!
//! A server with a few workers answers everything, only later: each request waits for those before it, and so does
//! everybody else who uses that server. The sign is not an error but time. Like is compared with like: a
//! request with others of its kind, its number of threads and its size, since those differ by a hundred.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::journal::{Intent, StepKind};

/// Slow: answers take on average so many times the best that was seen of their like. A server whose workers are just all
/// busy is at 1 to 2, and texts of one size class differ by as much again.
const SLOW: f64 = 2.5;

/// No more seats are added from here on.
const FULL: f64 = 1.8;

/// Nobody suffers from less than this, and a loaded machine that runs both ends differs by as much.
const FELT: Duration = Duration::from_millis(100);

/// One answer counts for at most so many times the best: a single stall is not a queue.
const MOST: f64 = 8.0;

/// So many answers of a kind before the best of them means anything.
const LEARNING: u32 = 4;

/// An average is over so many answers.
const ANSWERS: u32 = 8;

/// How often the best is taken anew: servers get slower as they fill. Then it rises by at most a tenth.
const ANEW: Duration = Duration::from_secs(120);

/// What a request is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::upload) struct Like {
    kind: StepKind,
    /// Powers of two.
    threads: u32,
    /// Powers of two above a quarter of a megabyte; what is smaller takes no time for its size.
    bytes: u32,
}

impl Like {
    /// A create of one thread without files.
    #[cfg(test)]
    pub(super) fn plain() -> Self {
        Self { kind: StepKind::Create, threads: 1, bytes: 0 }
    }

    /// Of a request that is about to be sent; `None`: it is not known well enough to be compared.
    pub(in crate::upload) fn of(intent: &Intent) -> Option<Self> {
        let create = match (intent.kind, &intent.create) {
            (StepKind::Create, Some(create)) => create,
            // An append can hold anything, and a delete may have much to delete.
            (StepKind::Tags | StepKind::Fields | StepKind::Owner, _) => {
                return Some(Self { kind: intent.kind, threads: 0, bytes: 0 });
            }
            _ => return None,
        };
        let carried = &create.threads[..create.carried.min(create.threads.len())];
        let bytes: u64 = carried.iter().flat_map(|thread| &thread.attachments).map(|file| file.size).sum();
        Some(Self {
            kind: intent.kind,
            threads: usize::BITS - carried.len().leading_zeros(),
            bytes: u64::BITS - (bytes >> 18).leading_zeros(),
        })
    }
}

/// How the target feels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Feels {
    /// More might be sent at a time.
    Well,
    /// As many as it can do.
    Full,
    /// It has a queue.
    Slow,
}

/// The times of answers.
#[derive(Default)]
pub(super) struct Pulse {
    best: HashMap<Like, Best>,
    /// Answers in the averages since the number of seats was last lowered, up to [`ANSWERS`].
    answers: u32,
    times_best: f64,
    seconds_more: f64,
}

struct Best {
    took: Duration,
    answers: u32,
    /// The best since `since`.
    lately: Duration,
    since: Instant,
}

impl Pulse {
    /// An answer came after this time.
    pub(super) fn answered(&mut self, like: Like, took: Duration, now: Instant) -> Feels {
        let best = self.best.entry(like).or_insert(Best { took, answers: 0, lately: took, since: now });
        best.took = best.took.min(took);
        best.lately = best.lately.min(took);
        best.answers += 1;
        if now - best.since >= ANEW {
            best.took = best.lately.min(best.took.mul_f64(1.1));
            (best.lately, best.since) = (took, now);
        }
        if best.answers <= LEARNING {
            return self.feels();
        }
        let times = (took.as_secs_f64() / best.took.as_secs_f64().max(1e-6)).min(MOST);
        let more = took.saturating_sub(best.took).as_secs_f64();
        self.answers = (self.answers + 1).min(ANSWERS);
        let weight = 1.0 / f64::from(self.answers);
        self.times_best += (times - self.times_best) * weight;
        self.seconds_more += (more - self.seconds_more) * weight;
        self.feels()
    }

    /// The number of seats was lowered: what was measured before says nothing about now.
    pub(super) fn begin_anew(&mut self) {
        self.answers = 0;
        (self.times_best, self.seconds_more) = (0.0, 0.0);
    }

    fn feels(&self) -> Feels {
        if self.answers < ANSWERS || self.seconds_more < FELT.as_secs_f64() || self.times_best < FULL {
            Feels::Well
        } else if self.times_best < SLOW {
            Feels::Full
        } else {
            Feels::Slow
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Like = Like { kind: StepKind::Create, threads: 2, bytes: 0 };

    fn feel(pulse: &mut Pulse, like: Like, ms: impl IntoIterator<Item = u64>) -> Feels {
        let mut last = Feels::Well;
        for ms in ms {
            last = pulse.answered(like, Duration::from_millis(ms), Instant::now());
        }
        last
    }

    #[tokio::test(start_paused = true)]
    async fn answers_that_take_longer_than_their_like_did_are_a_queue() {
        let mut pulse = Pulse::default();
        assert_eq!(feel(&mut pulse, PLAIN, [90; 20]), Feels::Well);
        assert_eq!(feel(&mut pulse, PLAIN, [210; 20]), Feels::Full);
        assert_eq!(feel(&mut pulse, PLAIN, [400; 20]), Feels::Slow);
        pulse.begin_anew();
        assert_eq!(feel(&mut pulse, PLAIN, [400; 7]), Feels::Well, "too few to say");
        assert_eq!(feel(&mut pulse, PLAIN, [400]), Feels::Slow);
    }

    #[tokio::test(start_paused = true)]
    async fn big_requests_are_not_compared_with_small_ones() {
        let mut pulse = Pulse::default();
        let big = Like { kind: StepKind::Create, threads: 7, bytes: 5 };
        for _ in 0..200 {
            assert_eq!(feel(&mut pulse, PLAIN, [60]), Feels::Well);
            assert_eq!(feel(&mut pulse, big, [4_000]), Feels::Well);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_single_stall_and_quick_answers_are_no_queue() {
        let mut pulse = Pulse::default();
        assert_eq!(feel(&mut pulse, PLAIN, [60; 20]), Feels::Well);
        assert_ne!(feel(&mut pulse, PLAIN, [30_000]), Feels::Slow);
        let mut pulse = Pulse::default();
        feel(&mut pulse, PLAIN, [2; 20]);
        assert_eq!(feel(&mut pulse, PLAIN, [40; 20]), Feels::Well, "nobody feels 40 ms");
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_gets_slower_as_it_fills_is_not_held_to_its_youth() {
        let mut pulse = Pulse::default();
        feel(&mut pulse, PLAIN, [100; 20]);
        assert_eq!(feel(&mut pulse, PLAIN, [300; 20]), Feels::Slow);
        for _ in 0..20 {
            tokio::time::advance(ANEW).await;
            feel(&mut pulse, PLAIN, [300; 20]);
        }
        assert_eq!(feel(&mut pulse, PLAIN, [300; 20]), Feels::Well);
    }
}
