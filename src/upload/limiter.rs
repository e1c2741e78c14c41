//! One limiter for all tasks: how many requests are in flight, how many start in a second, and when all must wait.
//!
//! The number in flight adapts under the operator's limit: halved when the
//! target is overwhelmed, at most once in a round trip, and one more after each
//! round of answers that were fine.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// Shared by everything that sends.
pub(super) struct Limiter {
    seats: Arc<Semaphore>,
    rate: Option<Rate>,
    state: Mutex<State>,
    most: usize,
}

/// Requests per second. One task waits for its turn at a time: many that wait at once starve each other.
struct Rate {
    turn: tokio::sync::Mutex<()>,
    bucket: DefaultDirectRateLimiter,
    clock: DefaultClock,
}

struct State {
    /// Seats that exist now, from 1 to the operator's limit.
    seats: usize,
    /// Seats to be taken away when their holders return.
    owed: usize,
    /// Good answers since the number of seats last changed.
    good: usize,
    /// No second halving before this.
    halved_until: Instant,
    /// Nobody sends before this.
    paused_until: Option<Instant>,
    /// The slowest create answered in this run.
    slowest_create: Duration,
    /// When the latest write that was answered with success had been sent.
    latest_write: Option<Instant>,
    /// Since when nothing has been answered at all.
    silent_since: Option<Instant>,
}

/// The right to have one request in flight.
pub(super) struct Permit {
    limiter: Arc<Limiter>,
    seat: Option<OwnedSemaphorePermit>,
    /// When the right was given, and so the request sent.
    pub(super) since: Instant,
}

/// What became of a request, for the limiter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reply {
    /// A create or another write was answered with success.
    Written {
        /// Whether it was a create of a conversation, whose time sets the waits of look-ups.
        is_create: bool,
    },
    /// Any other answer that the target meant: a read, a refusal.
    Fine,
    /// The target throttles: it is there, and wants fewer requests.
    Strained,
    /// The target fails: it is there, and does not work.
    Failing,
    /// There was no connection, or no answer.
    Unreachable,
}

impl Limiter {
    pub(super) fn new(concurrency: usize, rate: Option<f64>) -> Arc<Self> {
        let most = concurrency.max(1);
        let rate = rate.filter(|rate| rate.is_finite() && *rate > 0.0).map(|rate| {
            let quota = Quota::with_period(Duration::from_secs_f64((1.0 / rate).clamp(1e-6, 86_400.0)))
                .expect("a period of at least a microsecond is not zero");
            // A little more than one at a time: with a burst of 1 every late wake-up is a request lost.
            let burst = NonZeroU32::new((rate / 10.0) as u32).unwrap_or(NonZeroU32::MIN);
            let bucket = RateLimiter::direct(quota.allow_burst(burst));
            Rate { turn: tokio::sync::Mutex::new(()), bucket, clock: DefaultClock::default() }
        });
        let state = State {
            seats: most,
            owed: 0,
            good: 0,
            halved_until: Instant::now(),
            paused_until: None,
            slowest_create: Duration::ZERO,
            latest_write: None,
            silent_since: None,
        };
        Arc::new(Self { seats: Arc::new(Semaphore::new(most)), rate, state: Mutex::new(state), most })
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // A panic while it was held left plain numbers behind, each of them valid.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the right to send one request. First come, first served.
    pub(super) async fn permit(self: &Arc<Self>) -> Permit {
        let seat = Arc::clone(&self.seats).acquire_owned().await.expect("the seats are never closed");
        loop {
            self.wait_for_pause().await;
            let Some(rate) = &self.rate else { break };
            let _turn = rate.turn.lock().await;
            if let Err(early) = rate.bucket.check() {
                tokio::time::sleep(early.wait_time_from(rate.clock.now())).await;
                continue;
            }
            if self.state().paused_until.is_none_or(|until| until <= Instant::now()) {
                break;
            }
        }
        Permit { limiter: Arc::clone(self), seat: Some(seat), since: Instant::now() }
    }

    async fn wait_for_pause(&self) {
        loop {
            let until = self.state().paused_until;
            match until {
                Some(until) if until > Instant::now() => tokio::time::sleep_until(until).await,
                _ => return,
            }
        }
    }

    /// Makes everybody wait. A shorter wait than the present one changes nothing; says whether this one does.
    pub(super) fn pause(&self, wait: Duration) -> bool {
        let until = Instant::now() + wait;
        let mut state = self.state();
        let is_longer = state.paused_until.is_none_or(|present| present < until);
        if is_longer {
            state.paused_until = Some(until);
        }
        is_longer
    }

    /// How many requests are in flight.
    pub(super) fn in_flight(&self) -> usize {
        let state = self.state();
        (state.seats + state.owed).saturating_sub(self.seats.available_permits())
    }

    /// The slowest create answered in this run.
    pub(super) fn slowest_create(&self) -> Duration {
        self.state().slowest_create
    }

    /// Whether a write that was sent after `since` has been answered with success.
    pub(super) fn has_written_since(&self, since: Option<Instant>) -> bool {
        let latest = self.state().latest_write;
        latest.is_some_and(|latest| since.is_none_or(|since| latest > since))
    }

    /// When the first request was sent of those that were not answered since the last good answer.
    pub(super) fn silent_since(&self) -> Option<Instant> {
        self.state().silent_since
    }

    /// For how long nothing has been answered at all.
    pub(super) fn silent_for(&self) -> Duration {
        self.state().silent_since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    fn heard(&self, reply: Reply, since: Instant) {
        let mut state = self.state();
        match reply {
            Reply::Written { is_create } => {
                state.latest_write = state.latest_write.max(Some(since));
                if is_create {
                    state.slowest_create = state.slowest_create.max(since.elapsed());
                }
                self.was_good(&mut state);
            }
            Reply::Fine => self.was_good(&mut state),
            Reply::Strained => {
                state.silent_since = None;
                self.was_bad(&mut state, since);
            }
            Reply::Failing | Reply::Unreachable => {
                state.silent_since.get_or_insert(since);
                self.was_bad(&mut state, since);
            }
        }
    }

    fn was_good(&self, state: &mut State) {
        state.silent_since = None;
        state.good += 1;
        if state.seats < self.most && state.good >= state.seats {
            state.good = 0;
            state.seats += 1;
            if state.owed > 0 {
                state.owed -= 1;
            } else {
                self.seats.add_permits(1);
            }
        }
    }

    fn was_bad(&self, state: &mut State, since: Instant) {
        state.good = 0;
        // Requests that were in flight together fail together; that is one event, not many.
        if state.halved_until > since {
            return;
        }
        state.halved_until = Instant::now();
        let fewer = (state.seats / 2).max(1);
        state.owed += state.seats - fewer;
        state.seats = fewer;
    }
}

impl Permit {
    /// Gives the right back, with what became of the request.
    pub(super) fn give_back(self, reply: Reply) {
        self.limiter.heard(reply, self.since);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let Some(seat) = self.seat.take() else { return };
        let mut state = self.limiter.state();
        if state.owed > 0 {
            state.owed -= 1;
            seat.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITTEN: Reply = Reply::Written { is_create: true };

    #[tokio::test(start_paused = true)]
    async fn no_more_than_the_operator_allows_are_in_flight() {
        let limiter = Limiter::new(2, None);
        let first = limiter.permit().await;
        let _second = limiter.permit().await;
        assert_eq!(limiter.in_flight(), 2);
        assert!(tokio::time::timeout(Duration::from_secs(9), limiter.permit()).await.is_err());
        first.give_back(WRITTEN);
        assert!(tokio::time::timeout(Duration::from_secs(9), limiter.permit()).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn failures_that_happen_together_halve_once_and_good_answers_bring_the_seats_back() {
        let limiter = Limiter::new(8, None);
        let mut permits = Vec::new();
        for _ in 0..8 {
            permits.push(limiter.permit().await);
        }
        tokio::time::advance(Duration::from_millis(20)).await;
        for permit in permits {
            permit.give_back(Reply::Strained);
        }
        assert_eq!((limiter.state().seats, limiter.seats.available_permits()), (4, 4));
        for _ in 0..4 + 5 + 6 + 7 {
            limiter.permit().await.give_back(Reply::Fine);
        }
        assert_eq!((limiter.state().seats, limiter.seats.available_permits()), (8, 8));
        for _ in 0..50 {
            limiter.permit().await.give_back(Reply::Fine);
        }
        assert_eq!(limiter.seats.available_permits(), 8);
    }

    #[tokio::test(start_paused = true)]
    async fn at_least_one_seat_remains() {
        let limiter = Limiter::new(4, None);
        for _ in 0..10 {
            tokio::time::advance(Duration::from_millis(20)).await;
            limiter.permit().await.give_back(Reply::Strained);
        }
        let seats = limiter.state().seats;
        assert_eq!((seats, limiter.in_flight()), (1, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_holds_everybody_and_a_shorter_one_changes_nothing() {
        let limiter = Limiter::new(2, None);
        assert!(limiter.pause(Duration::from_secs(30)));
        assert!(!limiter.pause(Duration::from_secs(3)));
        let begun = Instant::now();
        limiter.permit().await.give_back(Reply::Fine);
        assert_eq!(begun.elapsed().as_secs(), 30);
    }

    #[tokio::test]
    async fn a_rate_is_kept() {
        let limiter = Limiter::new(50, Some(200.0));
        let begun = std::time::Instant::now();
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..60 {
            let limiter = Arc::clone(&limiter);
            tasks.spawn(async move { limiter.permit().await.give_back(Reply::Fine) });
        }
        tasks.join_all().await;
        // 60 at 200 a second, less a burst of 20: never sooner than 0.2 s, whatever the machine does.
        assert!(begun.elapsed() >= Duration::from_millis(195), "{:?}", begun.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_counts_only_if_it_was_sent_after() {
        let limiter = Limiter::new(2, None);
        let early = limiter.permit().await;
        tokio::time::advance(Duration::from_secs(1)).await;
        let unknown_since = Instant::now();
        tokio::time::advance(Duration::from_secs(1)).await;
        early.give_back(WRITTEN);
        assert!(!limiter.has_written_since(Some(unknown_since)));
        assert!(limiter.has_written_since(None));
        limiter.permit().await.give_back(WRITTEN);
        assert!(limiter.has_written_since(Some(unknown_since)));
        assert_eq!(limiter.slowest_create(), Duration::from_secs(2));
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_measured_from_the_first_unanswered_call_to_the_next_answer() {
        let limiter = Limiter::new(1, None);
        limiter.permit().await.give_back(Reply::Unreachable);
        tokio::time::advance(Duration::from_secs(90)).await;
        assert_eq!(limiter.silent_for().as_secs(), 90);
        limiter.permit().await.give_back(Reply::Fine);
        assert_eq!(limiter.silent_for(), Duration::ZERO);
    }
}
