//! One limiter for all tasks: how many requests are in flight, how many start in a second, and when all must wait.
//!
//! Promises:
//!
//! - The number in flight stays under the operator's limit. It is halved when the target is overwhelmed, at most once
//!   in a round trip; lowered by a quarter when answers get slow (`pulse`); and one more after each round of answers
//!   that were fine.
//! - Outside the operator's [`Window`] no request begins, and that time counts for nobody's patience.
//! - An ill target is left alone but for one request now and then (`gate`).

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use jiff::Timestamp;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::Options;
use crate::record::RecordId;
use crate::report::{Event, Reporter};
use crate::window::Window;

mod gate;
mod pulse;

use gate::{Gate, Pass};
pub(super) use pulse::Like;
use pulse::{Feels, Pulse};

/// The longest sleep before the clock on the wall is looked at again: it can be set, and machines are suspended.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// The first try of an ill target comes after this, or after half of a look-up's wait, if that is shorter.
const FIRST_TRY: Duration = Duration::from_secs(5);

/// Shared by everything that sends.
pub(crate) struct Limiter {
    seats: Arc<Semaphore>,
    rate: Option<Rate>,
    window: Option<Window>,
    /// The clock on the wall.
    clock: fn() -> Timestamp,
    state: Mutex<State>,
    /// Something has changed for those who wait.
    changed: Notify,
    most: usize,
    reporter: Arc<dyn Reporter>,
}

/// Requests per second. One task waits for its turn at a time: many that wait at once starve each other.
pub(crate) struct Rate {
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
    /// No second lowering before this.
    lowered_at: Instant,
    /// Nobody sends before this.
    paused_until: Option<Instant>,
    /// The slowest create answered in this run.
    slowest_create: Duration,
    /// When the latest write that was answered with success had been sent.
    latest_write: Option<Instant>,
    /// Since when nothing has been answered at all.
    silent_since: Option<Instant>,
    begun: Instant,
    /// Since when requests wait for the window to open.
    asleep_since: Option<Instant>,
    /// When they did before, from and to: once a day.
    sleeps: Vec<(Instant, Instant)>,
    /// Requests of any kind.
    all: Gate,
    /// Those that change something.
    writes: Gate,
    pulse: Pulse,
}

/// The right to have one request in flight.
pub(crate) struct Permit {
    limiter: Arc<Limiter>,
    seat: Option<OwnedSemaphorePermit>,
    /// When the right was given.
    pub(super) since: Instant,
    asks: Asks,
    /// Which gates it is to try.
    tries: Tries,
    /// What it is compared with, and when it was really sent.
    timed: Option<(Like, Instant)>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Tries {
    all: bool,
    writes: bool,
}

/// What a permit is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asks {
    /// A request that changes nothing.
    Read,
    /// One that changes something.
    Write,
}

/// What became of a request, for the limiter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reply {
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

/// Why somebody has to wait.
enum Hold {
    Until(Instant),
    /// For the clock on the wall, or another task.
    Watch,
}

impl Rate {
    /// `None`: no rate that could be kept.
    pub(crate) fn new(per_second: f64) -> Option<Self> {
        if !per_second.is_finite() || per_second <= 0.0 {
            return None;
        }
        let quota = Quota::with_period(Duration::from_secs_f64((1.0 / per_second).clamp(1e-6, 86_400.0)))?;
        // A little more than one at a time: with a burst of 1 every late wake-up is a request lost.
        let burst = NonZeroU32::new((per_second / 10.0) as u32).unwrap_or(NonZeroU32::MIN);
        let bucket = RateLimiter::direct(quota.allow_burst(burst));
        Some(Self { turn: tokio::sync::Mutex::new(()), bucket, clock: DefaultClock::default() })
    }

    /// Returns when the next request may begin.
    pub(crate) async fn turn(&self) {
        let _turn = self.turn.lock().await;
        while let Err(early) = self.bucket.check() {
            tokio::time::sleep(early.wait_time_from(self.clock.now())).await;
        }
    }
}

impl Limiter {
    pub(crate) fn new(options: &Options, reporter: Arc<dyn Reporter>) -> Arc<Self> {
        Self::with_clock(options, reporter, Timestamp::now)
    }

    fn with_clock(options: &Options, reporter: Arc<dyn Reporter>, clock: fn() -> Timestamp) -> Arc<Self> {
        let most = options.concurrency.max(1);
        let rate = options.rate.and_then(Rate::new);
        let now = Instant::now();
        let first_try = FIRST_TRY.min(options.settle / 2);
        let state = State {
            seats: most,
            owed: 0,
            good: 0,
            lowered_at: now,
            paused_until: None,
            slowest_create: Duration::ZERO,
            latest_write: None,
            silent_since: None,
            begun: now,
            asleep_since: None,
            sleeps: Vec::new(),
            all: Gate::new(first_try),
            writes: Gate::new(first_try),
            pulse: Pulse::default(),
        };
        Arc::new(Self {
            seats: Arc::new(Semaphore::new(most)),
            rate,
            window: options.window.clone(),
            clock,
            state: Mutex::new(state),
            changed: Notify::new(),
            most,
            reporter,
        })
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // A panic while it was held left plain numbers behind, each of them valid.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the right to send one request. First come, first served.
    pub(crate) async fn permit(self: &Arc<Self>, asks: Asks) -> Permit {
        loop {
            // Before a seat is taken: those who wait for an ill target to take something leave the seats to those who ask.
            self.wait_while_held(asks).await;
            let seat = Arc::clone(&self.seats).acquire_owned().await.expect("the seats are never closed");
            let mut permit = Permit {
                limiter: Arc::clone(self),
                seat: Some(seat),
                since: Instant::now(),
                asks,
                tries: Tries::default(),
                timed: None,
            };
            if let Some(rate) = &self.rate {
                rate.turn().await;
            }
            if self.is_closed() {
                continue;
            }
            let now = Instant::now();
            let mut state = self.state();
            if state.hold(asks, now).is_some() {
                continue;
            }
            permit.tries = state.begin_tries(asks, now);
            drop(state);
            permit.since = now;
            return permit;
        }
    }

    /// Returns when a request of this kind may be sent, as far as hours and the target's health go.
    pub(super) async fn wait_while_held(&self, asks: Asks) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if let Some(wait) = self.sleeps() {
                tokio::time::sleep(wait.min(LONGEST_SLEEP)).await;
                continue;
            }
            let hold = self.state().hold(asks, Instant::now());
            match hold {
                None => return,
                Some(Hold::Until(until)) => {
                    tokio::select! {
                        () = tokio::time::sleep_until(until) => {}
                        () = changed => {}
                    }
                }
                Some(Hold::Watch) => changed.await,
            }
        }
    }

    /// Whether it is an hour in which nothing is sent.
    fn is_closed(&self) -> bool {
        self.window.as_ref().is_some_and(|window| !window.is_open((self.clock)()))
    }

    /// How long to sleep, outside the window. Writes down when sleep begins and ends, and tells.
    fn sleeps(&self) -> Option<Duration> {
        let window = self.window.as_ref()?;
        let time = (self.clock)();
        let until = window.opens(time);
        let now = Instant::now();
        let mut state = self.state();
        let was_asleep = state.asleep_since.is_some();
        if until <= time {
            if let Some(since) = state.asleep_since.take() {
                state.sleeps.push((since, now));
                drop(state);
                let reason = "the window is open";
                self.reporter.event(&Event::Resumed { after: now - since, reason });
                self.changed.notify_waiters();
            }
            return None;
        }
        state.asleep_since.get_or_insert(now);
        drop(state);
        if !was_asleep {
            self.reporter.event(&Event::Asleep { until, wait: window.wait(time) });
            self.changed.notify_waiters();
        }
        Some(window.wait(time).max(Duration::from_millis(1)))
    }

    /// Returns when nothing is sent for long: outside the window, or while the target is ill.
    pub(super) async fn held_for_long(&self, asks: Asks) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let is_held = {
                let state = self.state();
                let is_ill =
                    state.all.ill_since().is_some() || (asks == Asks::Write && state.writes.ill_since().is_some());
                state.asleep_since.is_some() || is_ill
            };
            if is_held {
                return;
            }
            changed.await;
        }
    }

    /// Makes everybody wait. A shorter wait than the present one changes nothing; says whether this one does.
    pub(crate) fn pause(&self, wait: Duration) -> bool {
        let until = Instant::now() + wait;
        let mut state = self.state();
        // Who may be tried, and when, is the gate's to say.
        let is_longer = state.all.ill_since().is_none() && state.paused_until.is_none_or(|present| present < until);
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

    /// For how long nothing has been answered at all, hours outside the window aside.
    pub(crate) fn silent_for(&self) -> Duration {
        let state = self.state();
        state.silent_since.map_or(Duration::ZERO, |since| state.awake_since(since))
    }

    /// For how long nothing has been written although it was tried, hours outside the window aside.
    pub(super) fn unwritten_for(&self) -> Duration {
        let state = self.state();
        state.writes.ill_since().map_or(Duration::ZERO, |since| state.awake_since(since))
    }

    /// How long requests could be sent since then: hours outside the window aside.
    pub(super) fn awake_since(&self, since: Instant) -> Duration {
        self.state().awake_since(since)
    }

    /// How long requests could be sent since the beginning: hours outside the window aside.
    pub(super) fn awake_for(&self) -> Duration {
        let state = self.state();
        state.awake_since(state.begun)
    }

    /// Whether what was sent then may have failed because the target was ill, and not for its own fault.
    pub(super) fn excuses(&self, sent: Instant) -> bool {
        let state = self.state();
        state.all.excuses(sent) || state.writes.excuses(sent)
    }

    /// A write that was never answered was found to have taken effect: the target takes writes.
    pub(super) fn took_effect(&self) {
        let now = Instant::now();
        let ended = self.state().writes.worked(now);
        self.tell_recovery(ended);
    }

    fn tell_recovery(&self, ended: Option<Duration>) {
        if let Some(after) = ended {
            self.changed.notify_waiters();
            self.reporter.event(&Event::Resumed { after, reason: "the target works again" });
        }
    }

    fn heard(&self, reply: Reply, permit: &Permit) {
        let (now, since) = (Instant::now(), permit.since);
        let mut state = self.state();
        let mut ended = None;
        match reply {
            Reply::Written { is_create } => {
                state.latest_write = state.latest_write.max(Some(since));
                if is_create {
                    state.slowest_create = state.slowest_create.max(since.elapsed());
                }
                // What was sent while there were more seats says nothing about now.
                let timed = permit.timed.filter(|_| since >= state.lowered_at);
                let feels = timed.map_or(Feels::Well, |(like, sent)| state.pulse.answered(like, now - sent, now));
                self.was_good(&mut state, feels);
                ended = state.all.worked(now);
                ended = state.writes.worked(now).or(ended);
            }
            Reply::Fine => {
                self.was_good(&mut state, Feels::Well);
                ended = state.all.worked(now);
            }
            Reply::Strained => {
                state.silent_since = None;
                state.was_bad(since);
            }
            Reply::Failing | Reply::Unreachable => {
                state.silent_since.get_or_insert(since);
                state.was_bad(since);
            }
        }
        drop(state);
        self.tell_recovery(ended);
    }

    /// A request of this record failed: if others' did too, everybody keeps away for a while.
    fn failed(&self, permit: &mut Permit, who: &RecordId) -> Option<Duration> {
        let now = Instant::now();
        let tries = std::mem::take(&mut permit.tries);
        let mut state = self.state();
        let mut wait = state.all.failed(who, permit.since, tries.all, now);
        if permit.asks == Asks::Write {
            wait = state.writes.failed(who, permit.since, tries.writes, now).or(wait);
        }
        drop(state);
        if wait.is_some() || tries != Tries::default() {
            self.changed.notify_waiters();
        }
        wait
    }

    fn was_good(&self, state: &mut State, feels: Feels) {
        state.silent_since = None;
        if feels == Feels::Slow {
            let fewer = (state.seats * 3 / 4).clamp(1, state.seats);
            state.lower_to(fewer);
            state.pulse.begin_anew();
            return;
        }
        state.good += 1;
        if feels == Feels::Well && state.seats < self.most && state.good >= state.seats {
            state.good = 0;
            state.seats += 1;
            if state.owed > 0 {
                state.owed -= 1;
            } else {
                self.seats.add_permits(1);
            }
        }
    }
}

impl State {
    /// Why a request may not be sent now.
    fn hold(&self, asks: Asks, now: Instant) -> Option<Hold> {
        if let Some(until) = self.paused_until.filter(|until| *until > now) {
            return Some(Hold::Until(until));
        }
        let gates = [Some(&self.all), (asks == Asks::Write).then_some(&self.writes)];
        gates.into_iter().flatten().find_map(|gate| match gate.ask(now) {
            Pass::Free | Pass::Try => None,
            Pass::Wait(until) => Some(Hold::Until(until)),
            Pass::Watch => Some(Hold::Watch),
        })
    }

    fn begin_tries(&mut self, asks: Asks, now: Instant) -> Tries {
        let tries = Tries {
            all: self.all.ask(now) == Pass::Try,
            writes: asks == Asks::Write && self.writes.ask(now) == Pass::Try,
        };
        if tries.all {
            self.all.begin_try();
        }
        if tries.writes {
            self.writes.begin_try();
        }
        tries
    }

    /// How much of the time since then was inside the window.
    fn awake_since(&self, since: Instant) -> Duration {
        let now = Instant::now();
        let asleep = self.asleep_since.map(|begun| (begun, now));
        let slept: Duration = self
            .sleeps
            .iter()
            .copied()
            .chain(asleep)
            .map(|(from, to)| to.saturating_duration_since(from.max(since)))
            .sum();
        (now - since).saturating_sub(slept)
    }

    fn was_bad(&mut self, since: Instant) {
        self.good = 0;
        // Requests that were in flight together fail together; that is one event, not many.
        if self.lowered_at > since {
            return;
        }
        self.lower_to((self.seats / 2).max(1));
    }

    fn lower_to(&mut self, fewer: usize) {
        self.good = 0;
        self.lowered_at = Instant::now();
        self.owed += self.seats - fewer;
        self.seats = fewer;
    }
}

impl Permit {
    /// The request is sent now, and is compared with others like it.
    pub(super) fn sends(&mut self, like: Option<Like>) {
        self.timed = like.map(|like| (like, Instant::now()));
    }

    /// Gives the right back, with what became of the request.
    pub(crate) fn give_back(self, reply: Reply) {
        self.limiter.heard(reply, &self);
    }

    /// Gives the right back: the request of this record failed. Gives how long everybody waits for it now, when that is
    /// new.
    pub(super) fn fail(mut self, reply: Reply, who: &RecordId) -> Option<Duration> {
        let limiter = Arc::clone(&self.limiter);
        limiter.heard(reply, &self);
        limiter.failed(&mut self, who)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.limiter.state();
        if self.tries.all {
            state.all.end_try();
        }
        if self.tries.writes {
            state.writes.end_try();
        }
        if let Some(seat) = self.seat.take()
            && state.owed > 0
        {
            state.owed -= 1;
            seat.forget();
        }
        drop(state);
        if self.tries != Tries::default() {
            self.limiter.changed.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::report::Silence;

    const WRITTEN: Reply = Reply::Written { is_create: true };

    fn limiter(concurrency: usize, rate: Option<f64>) -> Arc<Limiter> {
        Limiter::new(&Options { concurrency, rate, ..Options::default() }, Arc::new(Silence))
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_than_the_operator_allows_are_in_flight() {
        let limiter = limiter(2, None);
        let first = limiter.permit(Asks::Write).await;
        let _second = limiter.permit(Asks::Write).await;
        assert_eq!(limiter.in_flight(), 2);
        assert!(tokio::time::timeout(Duration::from_secs(9), limiter.permit(Asks::Write)).await.is_err());
        first.give_back(WRITTEN);
        assert!(tokio::time::timeout(Duration::from_secs(9), limiter.permit(Asks::Write)).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn failures_that_happen_together_halve_once_and_good_answers_bring_the_seats_back() {
        let limiter = limiter(8, None);
        let mut permits = Vec::new();
        for _ in 0..8 {
            permits.push(limiter.permit(Asks::Write).await);
        }
        tokio::time::advance(Duration::from_millis(20)).await;
        for permit in permits {
            permit.give_back(Reply::Strained);
        }
        assert_eq!((limiter.state().seats, limiter.seats.available_permits()), (4, 4));
        for _ in 0..4 + 5 + 6 + 7 {
            limiter.permit(Asks::Write).await.give_back(Reply::Fine);
        }
        assert_eq!((limiter.state().seats, limiter.seats.available_permits()), (8, 8));
        for _ in 0..50 {
            limiter.permit(Asks::Write).await.give_back(Reply::Fine);
        }
        assert_eq!(limiter.seats.available_permits(), 8);
    }

    #[tokio::test(start_paused = true)]
    async fn at_least_one_seat_remains() {
        let limiter = limiter(4, None);
        for _ in 0..10 {
            tokio::time::advance(Duration::from_millis(20)).await;
            limiter.permit(Asks::Write).await.give_back(Reply::Strained);
        }
        let seats = limiter.state().seats;
        assert_eq!((seats, limiter.in_flight()), (1, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_holds_everybody_and_a_shorter_one_changes_nothing() {
        let limiter = limiter(2, None);
        assert!(limiter.pause(Duration::from_secs(30)));
        assert!(!limiter.pause(Duration::from_secs(3)));
        let begun = Instant::now();
        limiter.permit(Asks::Write).await.give_back(Reply::Fine);
        assert_eq!(begun.elapsed().as_secs(), 30);
    }

    #[tokio::test]
    async fn a_rate_is_kept() {
        let limiter = limiter(50, Some(200.0));
        let begun = std::time::Instant::now();
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..60 {
            let limiter = Arc::clone(&limiter);
            tasks.spawn(async move { limiter.permit(Asks::Write).await.give_back(Reply::Fine) });
        }
        tasks.join_all().await;
        // 60 at 200 a second, less a burst of 20: never sooner than 0.2 s, whatever the machine does.
        assert!(begun.elapsed() >= Duration::from_millis(195), "{:?}", begun.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_counts_only_if_it_was_sent_after() {
        let limiter = limiter(2, None);
        let early = limiter.permit(Asks::Write).await;
        tokio::time::advance(Duration::from_secs(1)).await;
        let unknown_since = Instant::now();
        tokio::time::advance(Duration::from_secs(1)).await;
        early.give_back(WRITTEN);
        assert!(!limiter.has_written_since(Some(unknown_since)));
        assert!(limiter.has_written_since(None));
        limiter.permit(Asks::Write).await.give_back(WRITTEN);
        assert!(limiter.has_written_since(Some(unknown_since)));
        assert_eq!(limiter.slowest_create(), Duration::from_secs(2));
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_measured_from_the_first_unanswered_call_to_the_next_answer() {
        let limiter = limiter(1, None);
        limiter.permit(Asks::Write).await.give_back(Reply::Unreachable);
        tokio::time::advance(Duration::from_secs(90)).await;
        assert_eq!(limiter.silent_for().as_secs(), 90);
        limiter.permit(Asks::Write).await.give_back(Reply::Fine);
        assert_eq!(limiter.silent_for(), Duration::ZERO);
    }

    /// What the clock on the wall shows in these tests: tokio's time since the first look, from 19:59 on.
    fn wall() -> Timestamp {
        thread_local!(static BEGUN: Instant = Instant::now());
        let passed = BEGUN.with(Instant::elapsed);
        "2026-03-02T19:59:00Z".parse::<Timestamp>().unwrap() + jiff::SignedDuration::try_from(passed).unwrap()
    }

    fn in_hours(window: &str, heard: Arc<dyn Reporter>) -> Arc<Limiter> {
        let window = Window::parse(window, || jiff::tz::TimeZone::UTC).ok();
        let options = Options { window, ..Options::default() };
        wall();
        Limiter::with_clock(&options, heard, wall)
    }

    #[derive(Default)]
    struct Heard(Mutex<Vec<String>>);

    impl Reporter for Heard {
        fn event(&self, event: &Event<'_>) {
            let line = match event {
                Event::Asleep { until, wait } => format!("asleep until {until} for {}", wait.as_secs()),
                Event::Resumed { after, reason } => format!("on after {}: {reason}", after.as_secs()),
                _ => return,
            };
            self.0.lock().unwrap().push(line);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn requests_begin_inside_the_window_and_those_in_flight_are_finished() {
        let heard = Arc::new(Heard::default());
        let limiter = in_hours("20:00-20:10", Arc::clone(&heard) as Arc<dyn Reporter>);
        let begun = Instant::now();
        let early = limiter.permit(Asks::Read).await;
        assert_eq!(begun.elapsed().as_secs(), 60);
        tokio::time::advance(Duration::from_secs(599)).await;
        let last = limiter.permit(Asks::Write).await;
        tokio::time::advance(Duration::from_secs(1)).await;
        let next = tokio::join!(limiter.permit(Asks::Read), limiter.permit(Asks::Write), async {
            tokio::time::sleep(Duration::from_secs(30)).await;
            early.give_back(Reply::Fine);
            last.give_back(WRITTEN);
        });
        assert_eq!(begun.elapsed().as_secs(), 86_400 + 60);
        drop(next);
        let said = heard.0.lock().unwrap().join("; ");
        assert_eq!(
            said,
            "asleep until 2026-03-02T20:00:00Z for 60; on after 60: the window is open; \
             asleep until 2026-03-03T20:00:00Z for 85800; on after 85800: the window is open"
        );
        assert_eq!(limiter.awake_for().as_secs(), 600);
    }

    #[tokio::test(start_paused = true)]
    async fn hours_outside_the_window_are_nobodys_silence() {
        let limiter = in_hours("00:00-20:00", Arc::new(Silence));
        limiter.permit(Asks::Read).await.give_back(Reply::Unreachable);
        tokio::time::advance(Duration::from_secs(60)).await;
        let again = Arc::clone(&limiter);
        let waiting = tokio::spawn(async move { again.permit(Asks::Read).await.give_back(Reply::Unreachable) });
        tokio::time::sleep(Duration::from_secs(3600)).await;
        assert_eq!(limiter.silent_for().as_secs(), 60, "asleep");
        waiting.await.unwrap();
        tokio::time::advance(Duration::from_secs(30)).await;
        assert_eq!(limiter.silent_for().as_secs(), 90, "awake again");
    }

    fn record(n: u32) -> RecordId {
        RecordId::new("test", n.to_string())
    }

    #[tokio::test(start_paused = true)]
    async fn while_writes_fail_reads_go_on_and_one_write_at_a_time_is_tried() {
        let limiter = limiter(4, None);
        for n in 0..3 {
            limiter.permit(Asks::Write).await.fail(Reply::Failing, &record(n));
            limiter.permit(Asks::Read).await.give_back(Reply::Fine);
        }
        let failed_at = Instant::now();
        let mut waiting = tokio::task::JoinSet::new();
        for n in 0..8 {
            let limiter = Arc::clone(&limiter);
            waiting.spawn(async move {
                let permit = limiter.permit(Asks::Write).await;
                let begun = Instant::now();
                tokio::time::sleep(Duration::from_secs(1)).await;
                if n < 2 {
                    permit.fail(Reply::Failing, &record(n));
                } else {
                    permit.give_back(WRITTEN);
                }
                (begun - failed_at).as_secs()
            });
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        for _ in 0..20 {
            limiter.permit(Asks::Read).await.give_back(Reply::Fine);
        }
        assert_eq!(failed_at.elapsed().as_secs(), 1, "nobody who asks waits");
        let mut begun = waiting.join_all().await;
        begun.sort_unstable();
        // After 5, then 10 and 20 more behind an answer each; then all at once, in fours.
        assert_eq!(begun[..4], [5, 16, 37, 38]);
        assert!(limiter.excuses(failed_at) && limiter.unwritten_for() == Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_try_that_is_dropped_is_followed_by_the_next() {
        let limiter = limiter(4, None);
        for n in 0..3 {
            limiter.permit(Asks::Write).await.fail(Reply::Unreachable, &record(n));
        }
        let dropped = limiter.permit(Asks::Write).await;
        let next = tokio::time::timeout(Duration::from_secs(100), limiter.permit(Asks::Read));
        let (next, ()) = tokio::join!(next, async {
            tokio::time::sleep(Duration::from_secs(10)).await;
            drop(dropped);
        });
        next.unwrap().give_back(Reply::Fine);
        assert!(tokio::time::timeout(Duration::from_secs(1), limiter.permit(Asks::Write)).await.is_ok());
    }

    /// Sends creates to a server with so many workers, each of which takes 200 ms, and gives the seats over time.
    async fn seats_before(workers: usize, concurrency: usize) -> Vec<usize> {
        let limiter = limiter(concurrency, None);
        let server = Arc::new(Semaphore::new(workers));
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..concurrency * 2 {
            let (limiter, server) = (Arc::clone(&limiter), Arc::clone(&server));
            tasks.spawn(async move {
                // Nobody sends everything at once.
                for round in 0..100_u64 {
                    let mut permit = limiter.permit(Asks::Write).await;
                    permit.sends(Some(Like::plain()));
                    let worker = server.acquire().await.unwrap();
                    tokio::time::sleep(Duration::from_millis(180 + round * 7 % 40)).await;
                    drop(worker);
                    permit.give_back(WRITTEN);
                }
            });
        }
        let mut seats = Vec::new();
        while !tasks.is_empty() {
            tokio::time::sleep(Duration::from_secs(1)).await;
            while tasks.try_join_next().is_some() {}
            seats.push(limiter.state().seats);
        }
        seats
    }

    #[tokio::test(start_paused = true)]
    async fn a_target_with_a_queue_gets_fewer_requests_and_one_without_gets_all() {
        let queued = seats_before(4, 32).await;
        let late = &queued[queued.len() / 2..];
        assert!(late.iter().all(|seats| (4..=12).contains(seats)), "{queued:?}");
        let free = seats_before(64, 32).await;
        assert!(free.iter().all(|seats| *seats == 32), "{free:?}");
    }
}
