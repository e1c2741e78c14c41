//! Times that a server in a zone with summer time gives back an hour late.
//!
//! FreeScout keeps wall time. In the hour before summer time ends, two instants have one wall time, and the later one is
//! read back: on a server in Europe/Berlin `2020-10-25T00:30:00Z` comes back as `01:30:00Z` (`freescout-behaviour.md`,
//! section 20). The API does not say which zone a server is in, so a time is taken for late only if some zone makes it so.

use std::sync::OnceLock;

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// By how many seconds summer time moves clocks: an hour, and half of one on Lord Howe Island.
const SHIFTS: [i64; 2] = [3600, 1800];

/// Whether `found` is what some server reads back for `sent`, being late by the end of its summer time.
pub(super) fn is_late(sent: Timestamp, found: Timestamp) -> bool {
    let shift = found.as_second() - sent.as_second();
    SHIFTS.contains(&shift) && shifts_of(sent).contains(&shift)
}

/// Whether `found` is what a server reads back for `sent`.
pub(super) fn reads_back(sent: Timestamp, found: Option<Timestamp>) -> bool {
    found.is_some_and(|found| found == sent || is_late(sent, found))
}

/// Every time that servers read back for `sent`: itself, and rarely a later one.
pub(super) fn times_of(sent: Timestamp) -> Vec<Timestamp> {
    let late = shifts_of(sent).into_iter().filter_map(|shift| Timestamp::from_second(sent.as_second() + shift).ok());
    std::iter::once(sent).chain(late).collect()
}

/// The shifts that any zone of the world has for this instant.
fn shifts_of(sent: Timestamp) -> Vec<i64> {
    static ZONES: OnceLock<Vec<TimeZone>> = OnceLock::new();
    let zones = ZONES.get_or_init(|| {
        let all = jiff::tz::db();
        all.available().filter_map(|name| all.get(name.as_str()).ok()).collect()
    });
    let mut shifts = Vec::new();
    for zone in zones {
        let wall = zone.to_datetime(sent);
        let Ok(later) = zone.to_ambiguous_zoned(wall).later() else { continue };
        let shift = later.timestamp().as_second() - sent.as_second();
        if SHIFTS.contains(&shift) && !shifts.contains(&shift) {
            shifts.push(shift);
        }
    }
    shifts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_hour_before_summer_time_ends_somewhere_is_late() {
        for (name, sent, found, expected) in [
            ("Berlin", "2020-10-25T00:30:00Z", "2020-10-25T01:30:00Z", true),
            ("its last second", "2020-10-25T00:59:59Z", "2020-10-25T01:59:59Z", true),
            ("the hour after", "2020-10-25T01:30:00Z", "2020-10-25T02:30:00Z", false),
            ("New York", "2020-11-01T05:30:00Z", "2020-11-01T06:30:00Z", true),
            ("Lord Howe Island", "2021-04-03T14:45:00Z", "2021-04-03T15:15:00Z", true),
            ("two hours", "2020-10-25T00:30:00Z", "2020-10-25T02:30:00Z", false),
            ("early", "2020-10-25T01:30:00Z", "2020-10-25T00:30:00Z", false),
            ("summer", "2020-07-01T00:30:00Z", "2020-07-01T01:30:00Z", false),
        ] {
            let (sent, found): (Timestamp, Timestamp) = (sent.parse().unwrap(), found.parse().unwrap());
            assert_eq!(is_late(sent, found), expected, "{name}");
            assert_eq!(reads_back(sent, Some(found)), expected, "{name}");
            assert_eq!(times_of(sent).contains(&found), expected, "{name}");
            assert!(reads_back(sent, Some(sent)) && !reads_back(sent, None), "{name}");
        }
    }

    #[test]
    fn an_ordinary_time_is_looked_for_once() {
        assert_eq!(times_of("2020-06-17T12:00:00Z".parse().unwrap()).len(), 1);
    }
}
