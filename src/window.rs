//! Hours in which requests may begin: `20:00-06:00`, in a time zone.
//!
//! Pure: given a time, it says how long to wait and when work of some length would be finished.

use std::fmt;
use std::time::Duration;

use jiff::civil::{Date, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp, ToSpan as _};

/// How many days ahead an opening or closing is looked for. Every time of day comes within two days, even where a
/// change of the clocks leaves it out once.
const DAYS_AHEAD: i32 = 3;

/// A forecast does not go over more openings and closings than this: some ten years.
const MOST_SPELLS: usize = 4_000;

/// Hours of the day, of every day, by the clocks of one time zone.
///
/// A time is inside if a clock on the wall shows one that is: when summer time begins or ends, a window is an hour
/// shorter or longer, and still begins and ends by the clock.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    /// From the first (inclusive) to the second (exclusive); over midnight if the second is not later.
    hours: Vec<(Time, Time)>,
    zone: TimeZone,
}

/// A text that is not a window.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum WindowError {
    /// Not of the form at all.
    #[error("`{found}` is not a window: expected hours such as `20:00-06:00`")]
    Form {
        /// What was found.
        found: String,
    },
    /// It begins when it ends.
    #[error("the window `{found}` begins when it ends; leave it out to send at any time")]
    Empty {
        /// What was found.
        found: String,
    },
    /// No such time zone.
    #[error("`{found}` is not a time zone: expected a name such as `Europe/Berlin`")]
    Zone {
        /// What was found.
        found: String,
    },
}

impl Window {
    /// Reads `20:00-06:00`, several separated by commas (`12:00-13:00,20:00-06:00`), and behind them, if it is not
    /// `local`, the time zone (`20:00-06:00 Europe/Berlin`). `24:00` is the end of a day.
    pub fn parse(text: &str, local: impl FnOnce() -> TimeZone) -> Result<Self, WindowError> {
        let text = text.trim();
        let is_name = |word: &&str| word.starts_with(|first: char| first.is_ascii_alphabetic());
        let (hours, zone) = match text.rsplit_once(char::is_whitespace).filter(|(_, last)| is_name(last)) {
            Some((hours, name)) => {
                (hours, TimeZone::get(name).map_err(|_| WindowError::Zone { found: name.to_owned() })?)
            }
            None => (text, local()),
        };
        let hours = hours.split(',').map(|part| spell(part.trim())).collect::<Result<_, _>>()?;
        Ok(Self { hours, zone })
    }

    /// Whether requests may begin at this time.
    pub fn is_open(&self, at: Timestamp) -> bool {
        let clock = at.to_zoned(self.zone.clone()).time();
        self.hours.iter().any(
            |(from, to)| {
                if from < to { (*from..*to).contains(&clock) } else { clock >= *from || clock < *to }
            },
        )
    }

    /// When requests may begin: `now`, or the next opening.
    pub fn opens(&self, now: Timestamp) -> Timestamp {
        self.next(now, true)
    }

    /// When they may no longer: `now`, or the next closing.
    pub fn closes(&self, now: Timestamp) -> Timestamp {
        self.next(now, false)
    }

    /// How long to wait before a request may begin: nothing while the window is open.
    pub fn wait(&self, now: Timestamp) -> Duration {
        Duration::try_from(self.opens(now).duration_since(now)).unwrap_or_default()
    }

    /// When work that takes this long is finished if it rests outside the window; `None`: not within ten years.
    pub fn finishes(&self, now: Timestamp, work: Duration) -> Option<Timestamp> {
        let mut left = SignedDuration::try_from(work).ok()?;
        let mut at = now;
        for _ in 0..MOST_SPELLS {
            at = self.opens(at);
            let closes = self.closes(at);
            let open = closes.duration_since(at);
            // A window that never closes, as `00:00-24:00`, is all one spell.
            if left <= open || closes == at {
                return at.checked_add(left).ok();
            }
            left -= open;
            at = closes;
        }
        None
    }

    /// The first time from `now` on at which the window is open, or is not.
    fn next(&self, now: Timestamp, is_open: bool) -> Timestamp {
        if self.is_open(now) == is_open {
            return now;
        }
        let today = now.to_zoned(self.zone.clone()).date();
        // It can only change when a clock shows one of its ends, or is set.
        let clocks = self.hours.iter().flat_map(|(from, to)| [*from, *to]);
        let mut changes: Vec<Timestamp> =
            clocks.flat_map(|clock| (0..=DAYS_AHEAD).flat_map(move |day| self.instants(today, day, clock))).collect();
        changes.extend(self.zone.following(now).next().map(|change| change.timestamp()));
        changes.retain(|change| *change > now && self.is_open(*change) == is_open);
        // All day, every day: as good as never.
        changes
            .into_iter()
            .min()
            .unwrap_or_else(|| now.checked_add(24.hours() * MOST_SPELLS as i64).unwrap_or(Timestamp::MAX))
    }

    /// The instants at which the clock shows this time, `day` days after `date`: none where clocks jump over it,
    /// two where they are set back.
    fn instants(&self, date: Date, day: i32, clock: Time) -> Vec<Timestamp> {
        let Ok(date) = date.checked_add(day.days()) else { return Vec::new() };
        let there = date.to_datetime(clock);
        let offsets = match self.zone.to_ambiguous_timestamp(there).offset() {
            AmbiguousOffset::Unambiguous { offset } => vec![offset],
            AmbiguousOffset::Gap { .. } => Vec::new(),
            AmbiguousOffset::Fold { before, after } => vec![before, after],
        };
        offsets.into_iter().filter_map(|offset| offset.to_timestamp(there).ok()).collect()
    }

    /// The zone whose clocks count.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (from, to)) in self.hours.iter().enumerate() {
            let comma = if place > 0 { "," } else { "" };
            write!(f, "{comma}{:02}:{:02}-{:02}:{:02}", from.hour(), from.minute(), to.hour(), to.minute())?;
        }
        match self.zone.iana_name() {
            Some(name) => write!(f, " {name}"),
            None => Ok(()),
        }
    }
}

fn spell(text: &str) -> Result<(Time, Time), WindowError> {
    let form = || WindowError::Form { found: text.to_owned() };
    let (from, to) = text.split_once(['-', '–']).ok_or_else(form)?;
    let (from, to) = (clock(from.trim()).ok_or_else(form)?, clock(to.trim()).ok_or_else(form)?);
    let begins = from.1;
    if begins == 24 || from == to {
        return Err(WindowError::Empty { found: text.to_owned() });
    }
    Ok((from.0, to.0))
}

/// A time of day, and its hour as written: `24:00` is midnight.
fn clock(text: &str) -> Option<(Time, i8)> {
    let (hour, minute) = text.split_once(':')?;
    let number = |digits: &str| {
        let is_fine = (1..=2).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit());
        is_fine.then(|| digits.parse::<i8>().ok()).flatten()
    };
    let (hour, minute) = (number(hour)?, number(minute).filter(|_| minute.len() == 2)?);
    if (hour, minute) == (24, 0) {
        return Some((Time::midnight(), 24));
    }
    Time::new(hour, minute, 0, 0).ok().map(|time| (time, hour))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(text: &str) -> Window {
        Window::parse(text, || TimeZone::UTC).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn waits_table() {
        for (name, text, now, opens) in [
            ("open", "20:00-06:00", "2026-03-02T23:00:00Z", "2026-03-02T23:00:00Z"),
            ("open after midnight", "20:00-06:00", "2026-03-02T05:59:59Z", "2026-03-02T05:59:59Z"),
            ("closed at its end", "20:00-06:00", "2026-03-02T06:00:00Z", "2026-03-02T20:00:00Z"),
            ("open at its beginning", "20:00-06:00", "2026-03-02T20:00:00Z", "2026-03-02T20:00:00Z"),
            ("tomorrow", "08:00-09:30", "2026-03-02T09:30:00Z", "2026-03-03T08:00:00Z"),
            ("the next of several", "08:00-09:00, 12:00-13:00", "2026-03-02T10:00:00Z", "2026-03-02T12:00:00Z"),
            ("to the end of the day", "22:00-24:00", "2026-03-02T00:00:00Z", "2026-03-02T22:00:00Z"),
            ("all day", "00:00-24:00", "2026-03-02T00:00:00Z", "2026-03-02T00:00:00Z"),
            ("by another clock", "20:00-06:00 Asia/Tokyo", "2026-03-02T10:00:00Z", "2026-03-02T11:00:00Z"),
            ("in winter", "20:00-06:00 Europe/Berlin", "2026-01-10T12:00:00Z", "2026-01-10T19:00:00Z"),
            ("in summer", "20:00-06:00 Europe/Berlin", "2026-07-10T12:00:00Z", "2026-07-10T18:00:00Z"),
            // Clocks jump from 02:00 to 03:00 at 01:00 UTC.
            (
                "a beginning that is left out",
                "02:30-05:00 Europe/Berlin",
                "2026-03-29T00:00:00Z",
                "2026-03-29T01:00:00Z",
            ),
            ("a window that is left out", "02:10-02:50 Europe/Berlin", "2026-03-29T00:00:00Z", "2026-03-30T00:10:00Z"),
            // And back from 03:00 to 02:00 at 01:00 UTC.
            ("the first of two", "02:30-05:00 Europe/Berlin", "2026-10-25T00:00:00Z", "2026-10-25T00:30:00Z"),
            ("between two", "02:30-02:45 Europe/Berlin", "2026-10-25T00:50:00Z", "2026-10-25T01:30:00Z"),
        ] {
            let window = window(text);
            assert_eq!(window.opens(at(now)), at(opens), "{name}");
            let wait = at(opens).duration_since(at(now)).unsigned_abs();
            assert_eq!(window.wait(at(now)), wait, "{name}");
        }
    }

    #[test]
    fn a_window_closes_by_the_clock_whatever_the_season() {
        for (text, now, closes) in [
            ("20:00-06:00 Europe/Berlin", "2026-03-28T20:00:00Z", "2026-03-29T04:00:00Z"),
            ("20:00-06:00 Europe/Berlin", "2026-10-24T20:00:00Z", "2026-10-25T05:00:00Z"),
            ("20:00-02:30 Europe/Berlin", "2026-03-28T20:00:00Z", "2026-03-29T01:00:00Z"),
            ("08:00-12:00,12:00-13:00", "2026-03-02T09:00:00Z", "2026-03-02T13:00:00Z"),
        ] {
            assert_eq!(window(text).closes(at(now)), at(closes), "{text} {now}");
        }
    }

    #[test]
    fn every_minute_of_two_years_waits_for_an_opening_and_no_longer() {
        for text in ["20:00-06:00 Europe/Berlin", "02:30-02:45 America/New_York", "23:30-00:30 Australia/Lord_Howe"] {
            let window = window(text);
            let mut now = at("2026-01-01T00:07:00Z");
            while now < at("2028-01-01T00:00:00Z") {
                let opens = window.opens(now);
                assert!(window.is_open(opens), "{text} {now}");
                let before = opens - SignedDuration::from_secs(1);
                assert!(opens == now || !window.is_open(before), "{text} {now}: {opens} is not the beginning");
                now += SignedDuration::from_mins(97);
            }
        }
    }

    #[test]
    fn work_rests_outside_the_window() {
        for (text, now, hours, end) in [
            ("20:00-06:00", "2026-03-02T12:00:00Z", 1, "2026-03-02T21:00:00Z"),
            ("20:00-06:00", "2026-03-02T12:00:00Z", 10, "2026-03-03T06:00:00Z"),
            ("20:00-06:00", "2026-03-02T12:00:00Z", 25, "2026-03-05T01:00:00Z"),
            ("20:00-06:00", "2026-03-02T05:00:00Z", 2, "2026-03-02T21:00:00Z"),
            ("00:00-24:00", "2026-03-02T12:00:00Z", 100, "2026-03-06T16:00:00Z"),
            // Ten hours are nine when clocks jump.
            ("20:00-06:00 Europe/Berlin", "2026-03-28T19:00:00Z", 10, "2026-03-29T19:00:00Z"),
        ] {
            let end_found = window(text).finishes(at(now), Duration::from_secs(hours * 3600));
            assert_eq!(end_found, Some(at(end)), "{text} {now} {hours}");
        }
        assert_eq!(window("20:00-20:01").finishes(at("2026-03-02T12:00:00Z"), Duration::from_secs(1 << 40)), None);
    }

    #[test]
    fn windows_table() {
        for (text, shown) in [
            ("20:00-06:00", "20:00-06:00 UTC"),
            (" 8:00 - 9:30 ", "08:00-09:30 UTC"),
            ("20:00-06:00 Europe/Berlin", "20:00-06:00 Europe/Berlin"),
            ("12:00-13:00,20:00-24:00 Asia/Tokyo", "12:00-13:00,20:00-00:00 Asia/Tokyo"),
        ] {
            assert_eq!(window(text).to_string(), shown, "{text}");
        }
        for (text, part) in [
            ("", "expected hours"),
            ("20:00", "expected hours"),
            ("20-06", "expected hours"),
            ("25:00-06:00", "expected hours"),
            ("20:60-06:00", "expected hours"),
            ("24:01-06:00", "expected hours"),
            ("20:00-06:00,", "expected hours"),
            ("20:00-20:00", "begins when it ends"),
            ("24:00-06:00", "begins when it ends"),
            ("20:00-06:00 Nowhere/Berlin", "`Nowhere/Berlin` is not a time zone"),
        ] {
            let error = Window::parse(text, || TimeZone::UTC).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
