//! When a run will be finished: a rate of late, what is left, and the hours in which nothing is sent.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;

use crate::window::Window;

/// The rate is taken over at least this much time, …
const RECENT: Duration = Duration::from_secs(120);

/// … and over at least this many records, so that a slow run does not show a rate of nothing, …
const RECENT_RECORDS: u64 = 20;

/// … but never over more than this much time.
const NOT_RECENT: Duration = Duration::from_secs(1800);

/// Sooner than this a rate is a guess.
const TOO_SOON: Duration = Duration::from_millis(500);

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Records with an outcome.
    pub done: u64,
    /// Records in all; `None`: nobody knows.
    pub total: Option<u64>,
    /// Records per second of late, without those that an earlier run had settled, and without hours of rest.
    pub rate: Option<f64>,
    /// Time left, hours of rest included.
    pub left: Option<Duration>,
    /// When it will be finished.
    pub ends: Option<Timestamp>,
}

/// Remembers how it went lately.
#[derive(Debug)]
pub struct Forecast {
    total: Option<u64>,
    /// At most this many requests a second are sent, and each record needs one.
    limit: Option<f64>,
    window: Option<Window>,
    /// How many records had been sent after how much working time, oldest first.
    marks: VecDeque<(Duration, u64)>,
}

impl Forecast {
    /// For a run of so many records, under the operator's limits.
    pub fn new(total: Option<u64>, limit: Option<f64>, window: Option<Window>) -> Self {
        Self { total, limit, window, marks: VecDeque::from([(Duration::ZERO, 0)]) }
    }

    /// How far the run is after `worked` (without the hours of rest): `done` records have an outcome, of which an
    /// earlier run had settled `before`.
    pub fn progress(&mut self, worked: Duration, done: u64, before: u64, now: Timestamp) -> Progress {
        let sent = done.saturating_sub(before);
        // While it rests, time stands still.
        if self.marks.back().is_none_or(|(last, _)| *last < worked) {
            self.marks.push_back((worked, sent));
        }
        while let Some((second, sent_then)) = self.marks.get(1) {
            let age = worked.saturating_sub(*second);
            let is_enough = age >= RECENT && sent.saturating_sub(*sent_then) >= RECENT_RECORDS;
            if !is_enough && age < NOT_RECENT {
                break;
            }
            self.marks.pop_front();
        }
        let (since, sent_then) = self.marks.front().copied().unwrap_or_default();
        let span = worked.saturating_sub(since);
        let measured = (span >= TOO_SOON).then(|| sent.saturating_sub(sent_then) as f64 / span.as_secs_f64());
        let rate = measured.map(|rate| self.limit.map_or(rate, |limit| rate.min(limit)));
        let missing = self.total.map(|total| total.saturating_sub(done));
        // Before anything was sent, the limit is what there is to go by.
        let expected = rate.filter(|rate| *rate > 0.0).or(self.limit.filter(|_| sent == 0));
        let work = match (missing, expected) {
            (Some(0), _) => Some(Duration::ZERO),
            (Some(missing), Some(rate)) => Duration::try_from_secs_f64(missing as f64 / rate).ok(),
            _ => None,
        };
        let ends = work.and_then(|work| match &self.window {
            Some(window) if !work.is_zero() => window.finishes(now, work),
            _ => now.checked_add(work).ok(),
        });
        let left = ends.and_then(|ends| Duration::try_from(ends.duration_since(now)).ok());
        Progress { done, total: self.total, rate, left, ends }
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    const NOON: &str = "2026-03-02T12:00:00Z";

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_rate_is_that_of_late() {
        let mut forecast = Forecast::new(Some(10_000), None, None);
        for step in 1..=60 {
            forecast.progress(seconds(5 * step), 50 * step, 0, at(NOON));
        }
        // Ten a second for five minutes, then one.
        let mut last = None;
        for step in 1..=60 {
            last = Some(forecast.progress(seconds(300 + 5 * step), 3_000 + 5 * step, 0, at(NOON)));
        }
        let last = last.unwrap();
        assert_eq!((last.done, last.total, last.rate), (3_300, Some(10_000), Some(1.0)));
        assert_eq!((last.left, last.ends), (Some(seconds(6_700)), Some(at("2026-03-02T13:51:40Z"))));
    }

    #[test]
    fn what_an_earlier_run_did_is_no_rate() {
        let mut forecast = Forecast::new(Some(1_000), None, None);
        let progress = forecast.progress(seconds(10), 920, 900, at(NOON));
        assert_eq!((progress.rate, progress.left), (Some(2.0), Some(seconds(40))));
    }

    #[test]
    fn hours_of_rest_are_part_of_what_is_left() {
        let window = Window::parse("08:00-13:00", || TimeZone::UTC).unwrap();
        let mut forecast = Forecast::new(Some(14_500), None, Some(window));
        let progress = forecast.progress(seconds(100), 100, 0, at(NOON));
        // Four hours of work: one today, three tomorrow.
        assert_eq!(progress.ends, Some(at("2026-03-03T11:00:00Z")));
        assert_eq!(progress.left, Some(seconds(23 * 3600)));
        // Asleep: no time has passed for the rate.
        let progress = forecast.progress(seconds(100), 100, 0, at("2026-03-02T20:00:00Z"));
        assert_eq!((progress.rate, progress.ends), (Some(1.0), Some(at("2026-03-03T12:00:00Z"))));
    }

    #[test]
    fn nothing_is_said_that_nobody_knows() {
        let mut unknown = Forecast::new(None, None, None);
        let progress = unknown.progress(seconds(10), 50, 0, at(NOON));
        assert_eq!(progress, Progress { done: 50, total: None, rate: Some(5.0), left: None, ends: None });
        let mut stuck = Forecast::new(Some(100), None, None);
        stuck.progress(seconds(10), 50, 0, at(NOON));
        let progress = stuck.progress(seconds(4_000), 50, 0, at(NOON));
        assert_eq!((progress.rate, progress.left), (Some(0.0), None));
        let mut new = Forecast::new(Some(100), None, None);
        assert_eq!(new.progress(Duration::ZERO, 0, 0, at(NOON)).left, None);
        let mut finished = Forecast::new(Some(0), None, None);
        assert_eq!(finished.progress(Duration::ZERO, 0, 0, at(NOON)).left, Some(Duration::ZERO));
    }

    #[test]
    fn before_anything_is_sent_the_operators_rate_is_what_there_is() {
        let mut forecast = Forecast::new(Some(3_600), Some(2.0), None);
        let progress = forecast.progress(Duration::ZERO, 0, 0, at(NOON));
        assert_eq!((progress.rate, progress.left), (None, Some(seconds(1_800))));
        // A burst at the beginning is not how it goes on.
        let progress = forecast.progress(seconds(1), 10, 0, at(NOON));
        assert_eq!((progress.rate, progress.left), (Some(2.0), Some(seconds(1_795))));
    }

    #[test]
    fn memory_does_not_grow_with_the_run() {
        let mut forecast = Forecast::new(None, None, None);
        for step in 1..100_000 {
            forecast.progress(seconds(5 * step), step, 0, at(NOON));
        }
        assert!(forecast.marks.len() < 400, "{}", forecast.marks.len());
    }
}
