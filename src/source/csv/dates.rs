//! Reads dates as spreadsheets and help desks write them.
//!
//! A date that could be read in two ways (`03/04/2023`) is never guessed: it needs
//! a [`DayOrder`] that the whole column, or the mapping, has settled.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::{Offset, TimeZone};

use crate::source::zendesk::plain_seconds;

/// What comes first where both are numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DayOrder {
    /// The day: 31/12/2023.
    DayFirst,
    /// The month: 12/31/2023.
    MonthFirst,
}

/// How a mapping says that dates are written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum DateStyle {
    /// As found.
    #[default]
    Detected,
    /// Year, month, day; anything else is no date.
    Iso,
    /// Numbers in this order.
    Numbers(DayOrder),
    /// A pattern in the manner of `strptime`.
    Pattern(String),
}

/// What a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Read {
    /// An instant; `is_naive` when the text names no zone.
    Time { at: Timestamp, is_naive: bool },
    /// A date, once it is known what comes first.
    NeedsOrder,
    /// No date.
    No,
}

/// Which order a text proves; `None` when it proves none.
pub(super) fn evidence(text: &str) -> Option<DayOrder> {
    let (a, b, c, separator, _) = triple(text.trim())?;
    if a.len() == 4 || separator == b'.' || c.len() == 1 || c.len() == 3 {
        return None;
    }
    match (number(a)?, number(b)?) {
        (13..=31, 1..=12) => Some(DayOrder::DayFirst),
        (1..=12, 13..=31) => Some(DayOrder::MonthFirst),
        _ => None,
    }
}

/// Reads a text as a date.
pub(super) fn read(text: &str, style: &DateStyle, order: Option<DayOrder>, zone: &TimeZone) -> Read {
    let text = text.trim_matches(|c: char| c.is_whitespace() || matches!(c, '\'' | '\u{FEFF}'));
    if matches!(style, DateStyle::Detected | DateStyle::Iso)
        && matches!(text.as_bytes(), [b'1', b'9', ..] | [b'2', b'0', ..])
        && let Some(at) = plain_seconds(text.as_bytes()).and_then(|seconds| Timestamp::from_second(seconds).ok())
    {
        return Read::Time { at, is_naive: false };
    }
    let found = match style {
        DateStyle::Pattern(pattern) => return pattern_time(text, pattern, zone),
        DateStyle::Iso => year_first(text),
        DateStyle::Numbers(order) => numbers(text, Some(*order)).or_else(|| words(text)),
        DateStyle::Detected => numbers(text, order).or_else(|| words(text)).or_else(|| epoch(text)),
    };
    match found {
        None => Read::No,
        Some(Found::NeedsOrder) => Read::NeedsOrder,
        Some(Found::Epoch(at)) => Read::Time { at, is_naive: false },
        Some(Found::Civil(at, Some(offset))) => match offset.to_timestamp(at) {
            Ok(at) => Read::Time { at, is_naive: false },
            Err(_) => Read::No,
        },
        Some(Found::Civil(at, None)) => match zone.to_timestamp(at) {
            Ok(at) => Read::Time { at, is_naive: true },
            Err(_) => Read::No,
        },
    }
}

enum Found {
    Civil(DateTime, Option<Offset>),
    Epoch(Timestamp),
    NeedsOrder,
}

fn pattern_time(text: &str, pattern: &str, zone: &TimeZone) -> Read {
    let Ok(broken) = jiff::fmt::strtime::parse(pattern, text) else { return Read::No };
    if let Ok(at) = broken.to_timestamp() {
        return Read::Time { at, is_naive: false };
    }
    let civil = broken.to_datetime().or_else(|_| broken.to_date().map(|date| date.at(0, 0, 0, 0)));
    match civil.ok().and_then(|civil| zone.to_timestamp(civil).ok()) {
        Some(at) => Read::Time { at, is_naive: true },
        None => Read::No,
    }
}

/// Three groups parted by one of `-/.`, and what follows them.
fn triple(text: &str) -> Option<(&str, &str, &str, u8, &str)> {
    let bytes = text.as_bytes();
    let group = |from: usize| {
        let end = from + bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        (end > from && end - from <= 4).then_some(end)
    };
    let first = group(0)?;
    let separator = *bytes.get(first)?;
    if !matches!(separator, b'-' | b'/' | b'.') {
        return None;
    }
    // `31. 12. 2023` is common in central Europe.
    let skip = |from: usize| from + bytes[from..].iter().take_while(|byte| **byte == b' ').count().min(1);
    let from = skip(first + 1);
    let second = group(from)?;
    if bytes.get(second) != Some(&separator) || second - from > 2 {
        return None;
    }
    let last = skip(second + 1);
    let third = group(last)?;
    Some((&text[..first], &text[from..second], &text[last..third], separator, &text[third..]))
}

fn number(digits: &str) -> Option<i16> {
    digits.parse().ok()
}

fn year_first(text: &str) -> Option<Found> {
    let (year, month, day, _, rest) = triple(text)?;
    if year.len() != 4 || day.len() > 2 {
        return None;
    }
    finish(number(year)?, number(month)?, number(day)?, rest)
}

fn numbers(text: &str, order: Option<DayOrder>) -> Option<Found> {
    let (a, b, year, separator, rest) = triple(text)?;
    if a.len() == 4 {
        return year_first(text);
    }
    if a.len() > 2 || year.len() == 1 || year.len() == 3 {
        return None;
    }
    let (a, b, year) = (number(a)?, number(b)?, full_year(year)?);
    // With dots the day always comes first; an order that a date disproves is not forced on it.
    let order = match (separator, order) {
        (b'.', _) => Some(DayOrder::DayFirst),
        (_, _) if a == b => Some(DayOrder::DayFirst),
        (_, None) if a > 12 => Some(DayOrder::DayFirst),
        (_, None) if b > 12 => Some(DayOrder::MonthFirst),
        (_, order) => order,
    };
    match order {
        None => {
            finish(year, a, b, rest)?;
            Some(Found::NeedsOrder)
        }
        Some(DayOrder::DayFirst) => finish(year, b, a, rest),
        Some(DayOrder::MonthFirst) => finish(year, a, b, rest),
    }
}

/// Two digits mean 1970 to 2069.
fn full_year(digits: &str) -> Option<i16> {
    let year = number(digits)?;
    Some(match digits.len() {
        2 if year < 70 => 2000 + year,
        2 => 1900 + year,
        _ => year,
    })
}

/// `5 Jan 2023`, `Jan 5, 2023`, `Thu, 05-Jan-23`, with a time behind.
fn words(text: &str) -> Option<Found> {
    let mut month = None;
    let mut found: [Option<&str>; 2] = [None, None];
    let mut rest = text;
    while found[1].is_none() || month.is_none() {
        rest = rest.trim_start_matches([' ', ',', '.', '-', '/', '\u{A0}']);
        let end = rest.find(|c: char| !c.is_alphanumeric()).or_else(|| (!rest.is_empty()).then_some(rest.len()))?;
        let token = &rest[..end];
        if token.bytes().all(|byte| byte.is_ascii_digit()) {
            *found.iter_mut().find(|slot| slot.is_none())? = Some(token);
        } else if let Some(number) = month_of(token) {
            month = Some(number);
        } else if !is_filler(token) {
            return None;
        }
        rest = &rest[end..];
    }
    let (first, second) = (found[0]?, found[1]?);
    let (day, year) = if first.len() == 4 { (second, first) } else { (first, second) };
    if day.len() > 2 || !matches!(year.len(), 2 | 4) {
        return None;
    }
    finish(full_year(year)?, month?, number(day)?, rest)
}

/// Weekdays and small words in a date.
fn is_filler(token: &str) -> bool {
    const FILLERS: &[&str] = &["de", "of", "the", "den", "le", "el"];
    const DAYS: &[&str] = &[
        "mon", "tue", "wed", "thu", "fri", "sat", "sun", "mo", "di", "mi", "do", "fr", "sa", "so", "lun", "mar", "mer",
        "jeu", "ven", "sam", "dim", "mié", "jue", "vie", "sáb", "dom",
    ];
    let lower = token.to_lowercase();
    FILLERS.contains(&&*lower)
        || DAYS.contains(&&*lower)
        || (lower.len() > 4 && (lower.ends_with("day") || lower.ends_with("tag") || lower.ends_with("di")))
        || lower == "mittwoch"
}

/// The month that a word begins to name, in English, German, French, Spanish, Italian, Dutch or Portuguese.
fn month_of(token: &str) -> Option<i16> {
    const MONTHS: [&[&str]; 12] = [
        &["jan", "jän", "ene", "gen"],
        &["feb", "fév", "fev"],
        &["mar", "mär", "mrz", "maa", "mrt"],
        &["apr", "avr", "abr"],
        &["may", "mai", "mei", "mag"],
        &["jun", "juin", "giu"],
        &["jul", "juil", "lug"],
        &["aug", "aoû", "aou", "ago"],
        &["sep", "set"],
        &["oct", "okt", "out", "ott"],
        &["nov"],
        &["dec", "dez", "déc", "dic"],
    ];
    let lower = token.to_lowercase();
    if lower.chars().count() < 3 {
        return None;
    }
    // `juin` before `juil`, and both before a plain prefix, need no care: their own prefixes differ.
    let at = MONTHS.iter().position(|names| names.iter().any(|name| lower.starts_with(name)))?;
    Some(at as i16 + 1)
}

/// Seconds or milliseconds since 1970.
fn epoch(text: &str) -> Option<Found> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let at = match text.len() {
        10 => Timestamp::from_second(text.parse().ok()?),
        13 => Timestamp::from_millisecond(text.parse().ok()?),
        _ => return None,
    };
    at.ok().map(Found::Epoch)
}

/// Puts a date together with the time and zone that follow it.
fn finish(year: i16, month: i16, day: i16, rest: &str) -> Option<Found> {
    if !(1900..=2200).contains(&year) {
        return None;
    }
    let date = Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
    let rest = rest.trim_start_matches([',', ' ', '\u{A0}', '\u{202F}', '\t']);
    let rest = rest
        .strip_prefix(['T', 't'])
        .or_else(|| rest.strip_prefix("at "))
        .or_else(|| rest.strip_prefix("um "))
        .or_else(|| rest.strip_prefix("- "))
        .unwrap_or(rest);
    if rest.is_empty() {
        return Some(Found::Civil(date.at(0, 0, 0, 0), None));
    }
    let (hour, rest) = leading(rest, 2)?;
    let mut rest = rest;
    let (mut minute, mut second, mut nanosecond) = (0, 0, 0);
    if let Some(after) = rest.strip_prefix([':', 'h', '.']) {
        (minute, rest) = leading(after, 2)?;
        if let Some(after) = rest.strip_prefix([':', '.']) {
            (second, rest) = leading(after, 2)?;
            if let Some(after) = rest.strip_prefix(['.', ',']) {
                let digits = after.bytes().take_while(u8::is_ascii_digit).count();
                nanosecond = format!("{:0<9.9}", &after[..digits]).parse().ok()?;
                rest = &after[digits..];
            }
        }
    }
    let mut hour = hour;
    let mut rest = rest.trim();
    let lower = rest.to_ascii_lowercase();
    let half = ["a.m.", "p.m.", "am", "pm"].into_iter().find(|half| lower.starts_with(half));
    if let Some(half) = half {
        if !(1..=12).contains(&hour) {
            return None;
        }
        hour = hour % 12 + if half.starts_with('p') { 12 } else { 0 };
        rest = rest[half.len()..].trim();
    }
    let at = DateTime::new(
        date.year(),
        date.month(),
        date.day(),
        i8::try_from(hour).ok()?,
        i8::try_from(minute).ok()?,
        // A leap second is the second before it.
        i8::try_from(second.min(59 + i32::from(second > 60))).ok()?,
        nanosecond,
    )
    .ok()?;
    let offset = match rest {
        "" | "Uhr" | "h" => None,
        rest => Some(offset_of(rest)?),
    };
    Some(Found::Civil(at, offset))
}

fn leading(text: &str, most: usize) -> Option<(i32, &str)> {
    let digits = text.bytes().take(most).take_while(u8::is_ascii_digit).count();
    Some((text.get(..digits)?.parse().ok()?, &text[digits..]))
}

/// `Z`, `+02:00`, `+0200`, `UTC+2`, or one of the abbreviations that name one offset each.
fn offset_of(text: &str) -> Option<Offset> {
    // A name in brackets behind the offset only repeats it.
    let text = text.split('(').next().unwrap_or(text).trim();
    let zones: &[(&str, i8)] = &[
        ("Z", 0),
        ("UTC", 0),
        ("GMT", 0),
        ("WET", 0),
        ("WEST", 1),
        ("CET", 1),
        ("CEST", 2),
        ("MEZ", 1),
        ("MESZ", 2),
        ("EET", 2),
        ("EEST", 3),
        ("MSK", 3),
        ("EST", -5),
        ("EDT", -4),
        ("CST", -6),
        ("CDT", -5),
        ("MST", -7),
        ("MDT", -6),
        ("PST", -8),
        ("PDT", -7),
    ];
    if let Some((_, hours)) = zones.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)) {
        return Some(Offset::constant(*hours));
    }
    let text = text.strip_prefix("UTC").or_else(|| text.strip_prefix("GMT")).unwrap_or(text);
    let (sign, digits) = match text.as_bytes().first()? {
        b'+' => (1, &text[1..]),
        b'-' => (-1, &text[1..]),
        _ => (-1, text.strip_prefix('\u{2212}')?),
    };
    let (hours, rest) = leading(digits, 2)?;
    let rest = rest.strip_prefix(':').unwrap_or(rest);
    let minutes = if rest.is_empty() { 0 } else { leading(rest, 2).filter(|(_, rest)| rest.is_empty())?.0 };
    Offset::from_seconds(sign * (hours * 3600 + minutes * 60)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, order: Option<DayOrder>) -> String {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        match read(text, &DateStyle::Detected, order, &zone) {
            Read::Time { at, .. } => at.to_string(),
            Read::NeedsOrder => "?".to_owned(),
            Read::No => "-".to_owned(),
        }
    }

    #[test]
    fn dates_are_read_as_people_write_them() {
        // Without a zone: Berlin's, one hour ahead in winter, two in summer.
        let table = [
            ("2023-01-06 12:15:36", "2023-01-06T11:15:36Z"),
            ("2023-07-06T12:15:36.123Z", "2023-07-06T12:15:36.123Z"),
            ("2023-07-06 12:15:36 UTC", "2023-07-06T12:15:36Z"),
            ("2023-07-06T12:15:36+05:30", "2023-07-06T06:45:36Z"),
            ("2023-07-06 12:15:36 -0700", "2023-07-06T19:15:36Z"),
            ("2023/07/06", "2023-07-05T22:00:00Z"),
            ("31.12.2023 08:05", "2023-12-31T07:05:00Z"),
            ("1. 2. 2023", "2023-01-31T23:00:00Z"),
            ("03.04.2023, 10:00 Uhr", "2023-04-03T08:00:00Z"),
            ("31/12/2023", "2023-12-30T23:00:00Z"),
            ("12/31/2023 1:05 PM", "2023-12-31T12:05:00Z"),
            ("12/31/23 12:00 a.m.", "2023-12-30T23:00:00Z"),
            ("03/04/2023", "?"),
            ("03-04-23 10:00", "?"),
            ("05/05/2023", "2023-05-04T22:00:00Z"),
            ("Jan 5, 2023 3:04 PM", "2023-01-05T14:04:00Z"),
            ("5 January 2023", "2023-01-04T23:00:00Z"),
            ("Thu, 05 Jan 2023 10:00:00 +0000", "2023-01-05T10:00:00Z"),
            ("05-Jan-23", "2023-01-04T23:00:00Z"),
            ("5. März 2023 09:00", "2023-03-05T08:00:00Z"),
            ("12 août 2023 08h30", "2023-08-12T06:30:00Z"),
            ("2023-07-06 12:00 CEST", "2023-07-06T10:00:00Z"),
            ("1672531200", "2023-01-01T00:00:00Z"),
            ("1672531200000", "2023-01-01T00:00:00Z"),
            ("'2023-01-06", "2023-01-05T23:00:00Z"),
            ("2023-02-30", "-"),
            ("45000", "-"),
            ("yesterday", "-"),
            ("3.5", "-"),
            ("", "-"),
            ("2023-01-06 25:00", "-"),
            ("0001-01-01", "-"),
            ("12/31/2023 13:00 PM", "-"),
        ];
        for (text, expected) in table {
            assert_eq!(shown(text, None), expected, "{text}");
        }
        assert_eq!(shown("03/04/2023", Some(DayOrder::DayFirst)), "2023-04-02T22:00:00Z");
        assert_eq!(shown("03/04/2023", Some(DayOrder::MonthFirst)), "2023-03-03T23:00:00Z");
        assert_eq!(
            shown("31/12/2023", Some(DayOrder::MonthFirst)),
            "-",
            "a date that contradicts the order is no date"
        );
    }

    #[test]
    fn a_day_beyond_twelve_proves_the_order() {
        assert_eq!(evidence("31/12/2023"), Some(DayOrder::DayFirst));
        assert_eq!(evidence("12/31/2023 10:00"), Some(DayOrder::MonthFirst));
        for none in ["03/04/2023", "2023-12-31", "31.12.2023", "x", ""] {
            assert_eq!(evidence(none), None, "{none}");
        }
    }

    #[test]
    fn a_pattern_reads_what_nothing_else_does() {
        let style = DateStyle::Pattern("%Y%m%d-%H%M".to_owned());
        let found = read("20230106-1215", &style, None, &TimeZone::UTC);
        assert_eq!(found, Read::Time { at: "2023-01-06T12:15:00Z".parse().unwrap(), is_naive: true });
        assert_eq!(read("2023-01-06", &style, None, &TimeZone::UTC), Read::No);
    }
}
