//! Dates as the server reads, keeps and writes them.
//!
//! Kept at whole seconds as instants; what a column cannot hold is the zero date, which reads back as a day before
//! year one (recorded: `createdAt` of 2040 comes back as `-0001-11-30T00:00:00Z`).

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, ToSpan};

/// An instant in whole seconds since 1970, or [`ZERO`].
pub(super) type Instant = i64;

/// What the database keeps for a date that its column cannot hold. It sorts before every other.
pub(super) const ZERO: Instant = i64::MIN;

/// The last second that a `TIMESTAMP` column holds.
const LAST: Instant = 2_147_483_647;

/// The current second.
pub(super) fn now() -> Instant {
    Timestamp::now().as_second()
}

/// Writes an instant as every answer does.
pub(super) fn show(instant: Instant) -> String {
    if instant == ZERO {
        return "-0001-11-30T00:00:00Z".to_owned();
    }
    match Timestamp::from_second(instant) {
        Ok(t) => {
            let t = Offset::UTC.to_datetime(t);
            format!(
                "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
                t.year(),
                t.month(),
                t.day(),
                t.hour(),
                t.minute(),
                t.second()
            )
        }
        Err(_) => "-0001-11-30T00:00:00Z".to_owned(),
    }
}

/// What a column makes of an instant.
pub(super) fn stored(instant: Instant) -> Instant {
    if (1..=LAST).contains(&instant) { instant } else { ZERO }
}

/// Reads a date as the server's parser does: ISO 8601 with or without zone, days that roll over, a few relative
/// words. None is what the server answers with 500.
pub(super) fn parse(text: &str, zone: &TimeZone) -> Option<Instant> {
    let text = text.trim();
    if let Some(seconds) = text.strip_prefix('@') {
        return seconds.parse().ok();
    }
    let today = || Timestamp::now().to_zoned(zone.clone()).start_of_day().ok();
    match text.to_ascii_lowercase().as_str() {
        "now" => return Some(now()),
        "today" => return Some(today()?.timestamp().as_second()),
        "yesterday" => return Some(today()?.checked_sub(1.day()).ok()?.timestamp().as_second()),
        "tomorrow" => return Some(today()?.checked_add(1.day()).ok()?.timestamp().as_second()),
        _ => {}
    }
    let (date, rest) = split_date(text)?;
    let rest = rest.strip_prefix(['T', 't', ' ']).unwrap_or(rest).trim_start();
    let (seconds_of_day, rest) =
        if rest.starts_with(|c: char| c.is_ascii_digit()) { split_time(rest)? } else { (0, rest) };
    let offset = split_zone(rest.trim())?;
    let civil = date.checked_add(i64::from(seconds_of_day).seconds()).ok()?;
    // Kept as local wall time: in the hour that happens twice the later instant is read back.
    let wall = match offset {
        Some(seconds) => {
            let instant = Offset::UTC.to_timestamp(civil).ok()?.as_second() - i64::from(seconds);
            Timestamp::from_second(instant).ok()?.to_zoned(zone.clone()).datetime()
        }
        None => civil,
    };
    Some(zone.to_ambiguous_zoned(wall).later().ok()?.timestamp().as_second())
}

/// `2020-02-30` rolls over to 1 March; `20200316` is a date too.
fn split_date(text: &str) -> Option<(DateTime, &str)> {
    let (year, month, day, rest) = if text.len() >= 10 && text.as_bytes()[4] == b'-' && text.as_bytes()[7] == b'-' {
        (text.get(..4)?, text.get(5..7)?, text.get(8..10)?, text.get(10..)?)
    } else if text.len() >= 8
        && text.as_bytes()[..8].iter().all(u8::is_ascii_digit)
        && !text.get(8..9).is_some_and(|c| c.as_bytes()[0].is_ascii_digit())
    {
        (text.get(..4)?, text.get(4..6)?, text.get(6..8)?, text.get(8..)?)
    } else {
        return None;
    };
    let (year, month, day): (i16, i8, i64) = (number(year)?, number(month)?, number(day)?);
    if !(1..=12).contains(&month) || !(0..=31).contains(&day) {
        return None;
    }
    let first = jiff::civil::Date::new(year, month, 1).ok()?.at(0, 0, 0, 0);
    Some((first.checked_add((day - 1).days()).ok()?, rest))
}

fn split_time(text: &str) -> Option<(i32, &str)> {
    let (hour, rest): (i32, _) = (number(text.get(..2)?)?, text.get(2..)?);
    let rest = rest.strip_prefix(':')?;
    let (minute, rest): (i32, _) = (number(rest.get(..2)?)?, rest.get(2..)?);
    let (second, mut rest) = match rest.strip_prefix(':') {
        Some(rest) => (number(rest.get(..2)?)?, rest.get(2..)?),
        None => (0, rest),
    };
    if hour > 24 || minute > 59 || second > 59 {
        return None;
    }
    if let Some(fraction) = rest.strip_prefix(['.', ',']) {
        rest = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
    }
    Some((hour * 3600 + minute * 60 + second, rest))
}

/// Seconds east of UTC; `Some(None)` when no zone is written.
#[allow(clippy::option_option, reason = "unreadable, absent and given are three answers")]
fn split_zone(text: &str) -> Option<Option<i32>> {
    if text.is_empty() {
        return Some(None);
    }
    if matches!(text, "Z" | "z" | "UTC" | "GMT" | "utc" | "gmt") {
        return Some(Some(0));
    }
    let sign = match text.as_bytes()[0] {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let digits: String = text[1..].chars().filter(|c| *c != ':').collect();
    if !matches!(digits.len(), 2 | 4) || !digits.is_ascii() || text[1..].len() > 5 {
        return None;
    }
    let hours: i32 = number(&digits[..2])?;
    let minutes: i32 = if digits.len() == 4 { number(&digits[2..])? } else { 0 };
    Some(Some(sign * (hours * 3600 + minutes * 60)))
}

fn number<T: std::str::FromStr>(digits: &str) -> Option<T> {
    digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_as_the_server_reads_them() {
        for (text, want) in [
            ("2020-03-16T14:07:23Z", Some("2020-03-16T14:07:23Z")),
            ("2020-03-16T14:07:23+02:00", Some("2020-03-16T12:07:23Z")),
            ("2020-03-16T14:07:23.987Z", Some("2020-03-16T14:07:23Z")),
            ("2020-03-16T14:07:23", Some("2020-03-16T14:07:23Z")),
            ("2020-03-16 14:07", Some("2020-03-16T14:07:00Z")),
            ("2020-03-16", Some("2020-03-16T00:00:00Z")),
            ("20200316", Some("2020-03-16T00:00:00Z")),
            ("2020-02-30T00:00:00Z", Some("2020-03-01T00:00:00Z")),
            ("@1584367643", Some("2020-03-16T14:07:23Z")),
            ("1584367643", None),
            ("1584367643000", None),
            ("16/03/2020", None),
            ("2020-13-45", None),
            ("2021-04-21T13-24-01Z", None),
            ("garbage", None),
            ("2020-03-1é", None),
            ("2020-03-16T14:07:23+aéb", None),
        ] {
            assert_eq!(parse(text, &TimeZone::UTC).map(show).as_deref(), want, "{text}");
        }
    }

    #[test]
    fn what_a_column_cannot_hold_is_the_zero_date() {
        for text in ["2040-01-01T00:00:00Z", "1969-01-01T00:00:00Z"] {
            let kept = stored(parse(text, &TimeZone::UTC).expect("it is a date"));
            assert_eq!(show(kept), "-0001-11-30T00:00:00Z");
        }
    }

    #[test]
    fn an_hour_that_happens_twice_reads_back_late() {
        let berlin = TimeZone::get("Europe/Berlin").expect("the zone is bundled");
        for text in ["2020-10-25T02:30:00", "2020-10-25T00:30:00Z"] {
            assert_eq!(parse(text, &berlin).map(show).as_deref(), Some("2020-10-25T01:30:00Z"), "{text}");
        }
    }
}
