//! Dates as mailers wrote them, the obsolete and the impossible included.
//!
//! A zone that is named or numbered is obeyed; a date without one is read in the archive's own
//! zone (`shape.zone`). Nothing is invented: text that is not clearly a date is `None`.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use crate::mail::header;

/// A date field longer than this is not a date.
const TEXT_BYTES: usize = 256;

/// Reads a date; `zone` is for those that name none.
pub fn parse(text: &[u8], zone: &TimeZone) -> Option<Timestamp> {
    let is_plain = text.len() > TEXT_BYTES || text.is_ascii() && memchr::memmem::find(text, b"=?").is_none();
    let found = if is_plain { scan(text)? } else { scan(plain(&header::decode(text)).as_bytes())? };
    if let Some(offset) = found.offset {
        return Timestamp::from_second(seconds(found.civil) - i64::from(offset)).ok();
    }
    zone.to_ambiguous_timestamp(found.civil).compatible().ok()
}

/// The date at the end of a `Received` field, after its last semicolon.
pub fn parse_received(value: &[u8], zone: &TimeZone) -> Option<Timestamp> {
    let after = memchr::memrchr(b';', value)?;
    parse(&value[after + 1..], zone)
}

/// Chinese and Japanese dates with the marks that others have; everything in lower case.
fn plain(text: &str) -> String {
    const MARKS: &[(&str, &str)] = &[
        ("年", "-"),
        ("月", "-"),
        ("日", " "),
        ("時", ":"),
        ("时", ":"),
        ("点", ":"),
        ("分", ":"),
        ("秒", " "),
        ("上午", " am "),
        ("下午", " pm "),
        ("午前", " am "),
        ("午後", " pm "),
    ];
    let mut text = text.to_lowercase();
    for (mark, plain) in MARKS {
        text = text.replace(mark, plain);
    }
    text
}

fn seconds(civil: DateTime) -> i64 {
    civil.duration_since(DateTime::constant(1970, 1, 1, 0, 0, 0, 0)).as_secs()
}

/// What stands in the text, before the zone is applied.
struct Found {
    civil: DateTime,
    /// Seconds east of UTC, if the text says so.
    offset: Option<i32>,
}

#[derive(Default)]
struct Parts {
    year: Option<i16>,
    month: Option<i8>,
    day: Option<i8>,
    time: Option<(i8, i8, i8)>,
    is_afternoon: Option<bool>,
    offset: Option<i32>,
    /// A zone's name is obeyed only where no number stands.
    named_offset: Option<i32>,
    /// Whether a word was passed over: in most languages a day of the week begins a date.
    has_passed_over: bool,
}

fn scan(text: &[u8]) -> Option<Found> {
    if text.len() > TEXT_BYTES {
        return None;
    }
    let mut parts = Parts::default();
    let mut comment_depth = 0_u32;
    let is_space = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b',' | b'"');
    for token in text.split(is_space).filter(|token| !token.is_empty()) {
        let opens = token.iter().filter(|&&byte| byte == b'(').count() as u32;
        let closes = token.iter().filter(|&&byte| byte == b')').count() as u32;
        let is_comment = comment_depth > 0 || token.starts_with(b"(");
        comment_depth = (comment_depth + opens).saturating_sub(closes);
        if is_comment {
            // `(CEST)` says what the number before it says, or stands alone.
            let name = token.trim_with(|byte| matches!(byte, b'(' | b')'));
            parts.named_offset = parts.named_offset.or_else(|| zone_name(name));
            continue;
        }
        let token = memchr::memchr(b'(', token).map_or(token, |cut| &token[..cut]);
        parts.take(token)?;
    }
    parts.finish()
}

/// `trim` for byte strings with a choice of bytes.
trait TrimWith {
    fn trim_with(&self, is_junk: impl Fn(u8) -> bool) -> &[u8];
}

impl TrimWith for [u8] {
    fn trim_with(&self, is_junk: impl Fn(u8) -> bool) -> &[u8] {
        let mut trimmed = self;
        while let [first, rest @ ..] = trimmed
            && is_junk(*first)
        {
            trimmed = rest;
        }
        while let [rest @ .., last] = trimmed
            && is_junk(*last)
        {
            trimmed = rest;
        }
        trimmed
    }
}

impl Parts {
    /// Takes one token in; `None` when it has no place in a date.
    fn take(&mut self, token: &[u8]) -> Option<()> {
        let token = token.trim_with(|byte| matches!(byte, b'.' | b';' | b':'));
        let Some(first) = token.first() else { return Some(()) };
        match first {
            b'0'..=b'9' => self.take_number(token),
            b'+' | b'-' => {
                if self.time.is_some() {
                    self.offset = self.offset.or_else(|| zone_number(token));
                }
                Some(())
            }
            _ if first.is_ascii_alphabetic() || !first.is_ascii() => self.take_word(token),
            _ => Some(()),
        }
    }

    fn take_number(&mut self, token: &[u8]) -> Option<()> {
        // ISO 8601: `2024-01-15T10:30:00Z`.
        if token.len() > 10
            && matches!(token[10], b'T' | b't' | b'_')
            && let Some(()) = self.take_date(&token[..10])
        {
            return self.take_time(&token[11..]);
        }
        if memchr::memchr(b':', token).is_some() {
            return self.take_time(token);
        }
        if token.iter().any(|byte| matches!(byte, b'-' | b'/' | b'.')) {
            return self.take_date(token);
        }
        // `15th`, `1st`.
        let digits = token.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (number, rest) = token.split_at(digits);
        let is_time_word = matches!(rest.to_ascii_lowercase().as_slice(), b"am" | b"pm");
        if is_time_word {
            self.time = Some((small(number)?, 0, 0));
            self.is_afternoon = Some(rest[0].eq_ignore_ascii_case(&b'p'));
            return Some(());
        }
        match (digits, small::<i32>(number)?) {
            (1 | 2, day @ 1..=31) if self.day.is_none() => self.day = Some(day as i8),
            (8, _) if self.year.is_none() && self.day.is_none() => {
                self.year = small(&number[..4]);
                self.month = small(&number[4..6]);
                self.day = small(&number[6..]);
            }
            (2..=4, year) if self.year.is_none() => self.year = Some(full_year(year, digits)),
            (1, year) if self.year.is_none() && self.month.is_some() => self.year = Some(full_year(year, digits)),
            (4, _) => {}
            _ => return None,
        }
        Some(())
    }

    fn take_date(&mut self, token: &[u8]) -> Option<()> {
        let fields: Vec<&[u8]> = token.split(|byte| matches!(byte, b'-' | b'/' | b'.')).collect();
        let [a, b, c] = fields[..] else { return None };
        let has_slash = memchr::memchr(b'/', token).is_some();
        let (year, month, day) = if a.len() == 4 {
            (full_year(small(a)?, 4), month_name(b).or_else(|| foreign_month(b)).or_else(|| small(b))?, small(c)?)
        } else if let Some(month) = month_name(b).or_else(|| foreign_month(b)) {
            (full_year(small(c)?, c.len()), month, small(a)?)
        } else if has_slash {
            // 01/02/2024 is two different days to two different people; only one above 12 decides.
            let (first, second): (i8, i8) = (small(a)?, small(b)?);
            let (month, day) = match (first, second) {
                (13.., 1..=12) => (second, first),
                (1..=12, 13..) => (first, second),
                _ if first == second => (first, second),
                _ => return None,
            };
            (full_year(small(c)?, c.len()), month, day)
        } else {
            (full_year(small(c)?, c.len()), small(b)?, small(a)?)
        };
        (self.year, self.month, self.day) = (Some(year), Some(month), Some(day));
        Some(())
    }

    fn take_time(&mut self, token: &[u8]) -> Option<()> {
        if self.time.is_some() {
            return Some(());
        }
        let end =
            token.iter().position(|byte| !byte.is_ascii_digit() && !matches!(byte, b':' | b'.')).unwrap_or(token.len());
        let (clock, rest) = token.split_at(end);
        // A fraction of a second is dropped: mail has whole seconds.
        let clock = memchr::memchr(b'.', clock).map_or(clock, |cut| &clock[..cut]);
        let mut fields = clock.split(|&byte| byte == b':');
        let hour = small(fields.next()?)?;
        let minute = small(fields.next()?)?;
        let second = match fields.next() {
            Some(field) => small::<i8>(field)?.min(59),
            None => 0,
        };
        self.time = Some((hour, minute, second));
        match rest {
            [] => Some(()),
            [b'+' | b'-', ..] => {
                self.offset = zone_number(rest);
                Some(())
            }
            _ => self.take_word(rest),
        }
    }

    fn take_word(&mut self, token: &[u8]) -> Option<()> {
        if let Some(month) = month_name(token).or_else(|| foreign_month(token)) {
            self.month = self.month.or(Some(month));
            return Some(());
        }
        let lower = token.to_ascii_lowercase();
        match lower.as_slice() {
            b"am" | b"a.m" => self.is_afternoon = Some(false),
            b"pm" | b"p.m" => self.is_afternoon = Some(true),
            b"at" | b"of" | b"um" | b"dst" | b"time" | b"standard" | b"daylight" => {}
            b"de" | b"del" | b"den" | b"le" | b"uhr" | b"alle" | b"ore" | b"kl" | b"klo" | b"uur" | b"as" | b"las" => {}
            _ if is_weekday(&lower) => {}
            _ => {
                // `GMT+0100`, `UTC-5`.
                let letters = lower.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
                let (name, number) = lower.split_at(letters);
                if !number.is_empty() && matches!(name, b"gmt" | b"utc" | b"ut") {
                    self.offset = self.offset.or_else(|| zone_number(number));
                } else if let Some(offset) = zone_name(name) {
                    self.named_offset = self.named_offset.or(Some(offset));
                } else if self.time.is_none() && !token.is_ascii() {
                    // A day of the week in another script.
                } else if self.time.is_none() && self.day.is_none() && !self.has_passed_over {
                    self.has_passed_over = true;
                } else if self.time.is_none() {
                    // A word before the time that is neither day nor month: prose.
                    return None;
                }
            }
        }
        Some(())
    }

    fn finish(self) -> Option<Found> {
        let date = Date::new(self.year?, self.month?, self.day?).ok()?;
        let (mut hour, minute, second) = self.time.unwrap_or_default();
        match self.is_afternoon {
            Some(true) if hour < 12 => hour += 12,
            Some(false) if hour == 12 => hour = 0,
            _ => {}
        }
        let time = jiff::civil::Time::new(hour, minute, second, 0).ok()?;
        Some(Found { civil: date.to_datetime(time), offset: self.offset.or(self.named_offset) })
    }
}

fn small<T: TryFrom<i32>>(digits: &[u8]) -> Option<T> {
    if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = digits.iter().fold(0_i32, |sum, digit| sum * 10 + i32::from(digit - b'0'));
    T::try_from(number).ok()
}

/// RFC 5322, 4.3: two digits are 1950 to 2049, three are years since 1900.
fn full_year(year: i32, digits: usize) -> i16 {
    let year = match digits {
        0..=2 if year < 50 => year + 2000,
        0..=3 => year + 1900,
        _ => year,
    };
    i16::try_from(year).unwrap_or(i16::MAX)
}

fn month_name(token: &[u8]) -> Option<i8> {
    const MONTHS: [&[u8; 3]; 12] =
        [b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec"];
    if token.len() < 3 || token.len() > 9 || !token.iter().all(u8::is_ascii_alphabetic) {
        return None;
    }
    let found = MONTHS.iter().position(|month| token[..3].eq_ignore_ascii_case(&month[..]))?;
    // `Mart` and `Marketing` begin alike; no month is longer than its English name.
    const FULL: [&str; 12] = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    let is_beginning =
        token.len() <= FULL[found].len() && FULL[found].as_bytes()[..token.len()].eq_ignore_ascii_case(token);
    (is_beginning || token.eq_ignore_ascii_case(b"sept")).then_some(found as i8 + 1)
}

/// Months of other languages than English, as far as they differ from it: their names and short forms.
const FOREIGN_MONTHS: [&[&str]; 12] = [
    &[
        "januar",
        "januari",
        "janvier",
        "janv",
        "enero",
        "ene",
        "gennaio",
        "gen",
        "janeiro",
        "stycznia",
        "sty",
        "января",
        "янв",
        "ocak",
        "oca",
        "ledna",
        "jänner",
    ],
    &[
        "februar",
        "februari",
        "février",
        "fevrier",
        "févr",
        "fevr",
        "fév",
        "febrero",
        "febbraio",
        "fevereiro",
        "fev",
        "lutego",
        "lut",
        "февраля",
        "фев",
        "şubat",
        "şub",
        "února",
    ],
    &[
        "märz",
        "maerz",
        "mär",
        "mrz",
        "mars",
        "marzo",
        "março",
        "marco",
        "maart",
        "mrt",
        "marts",
        "marca",
        "марта",
        "мар",
        "mart",
        "března",
    ],
    &["avril", "avr", "abril", "abr", "aprile", "kwietnia", "kwi", "апреля", "апр", "nisan", "nis", "dubna"],
    &["mai", "mayo", "maggio", "mag", "maio", "mei", "maj", "maja", "мая", "май", "mayıs", "května"],
    &["juni", "juin", "junio", "giugno", "giu", "junho", "czerwca", "cze", "июня", "июн", "haziran", "haz", "června"],
    &[
        "juli",
        "juillet",
        "juil",
        "julio",
        "luglio",
        "lug",
        "julho",
        "lipca",
        "lip",
        "июля",
        "июл",
        "temmuz",
        "tem",
        "července",
    ],
    &[
        "août",
        "aout",
        "agosto",
        "ago",
        "augustus",
        "augusti",
        "sierpnia",
        "sie",
        "августа",
        "авг",
        "ağustos",
        "ağu",
        "srpna",
    ],
    &[
        "septembre",
        "septiembre",
        "setiembre",
        "settembre",
        "set",
        "setembro",
        "września",
        "wrz",
        "сентября",
        "сен",
        "eylül",
        "eyl",
        "září",
    ],
    &[
        "oktober",
        "okt",
        "octobre",
        "octubre",
        "ottobre",
        "ott",
        "outubro",
        "out",
        "października",
        "paź",
        "октября",
        "окт",
        "ekim",
        "eki",
        "října",
    ],
    &["novembre", "noviembre", "novembro", "listopada", "lis", "ноября", "ноя", "kasım", "kas"],
    &[
        "dezember",
        "dez",
        "décembre",
        "decembre",
        "déc",
        "diciembre",
        "dic",
        "dicembre",
        "dezembro",
        "desember",
        "des",
        "grudnia",
        "gru",
        "декабря",
        "дек",
        "aralık",
        "ara",
        "prosince",
    ],
];

fn foreign_month(token: &[u8]) -> Option<i8> {
    let token = std::str::from_utf8(token).ok()?.to_lowercase();
    let found = FOREIGN_MONTHS.iter().position(|names| names.contains(&token.as_str()))?;
    i8::try_from(found + 1).ok()
}

fn is_weekday(lower: &[u8]) -> bool {
    const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    lower.len() >= 2 && DAYS.iter().any(|day| day.as_bytes().starts_with(lower) || lower == b"thur" || lower == b"tues")
}

/// `+0100`, `-05:30`, `+1` in seconds; `None` for numbers that no zone has.
fn zone_number(token: &[u8]) -> Option<i32> {
    let (sign, digits) = match token {
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    let digits: Vec<u8> = digits.iter().copied().filter(|&byte| byte != b':').collect();
    let end = digits.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(digits.len());
    let (hours, minutes): (i32, i32) = match digits[..end] {
        [..] if end == 0 || end > 4 => return None,
        ref short if end <= 2 => (small(short)?, 0),
        ref long => (small(&long[..end - 2])?, small(&long[end - 2..])?),
    };
    (hours <= 15 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

/// A zone's name in seconds east of UTC. Where a name has several meanings, the one mail uses most.
fn zone_name(name: &[u8]) -> Option<i32> {
    const MINUTES: &[(&str, i32)] = &[
        ("gmt", 0),
        ("utc", 0),
        ("ut", 0),
        ("z", 0),
        ("wet", 0),
        ("est", -300),
        ("edt", -240),
        ("cst", -360),
        ("cdt", -300),
        ("mst", -420),
        ("mdt", -360),
        ("pst", -480),
        ("pdt", -420),
        ("akst", -540),
        ("akdt", -480),
        ("hst", -600),
        ("ast", -240),
        ("adt", -180),
        ("nst", -210),
        ("ndt", -150),
        ("brt", -180),
        ("brst", -120),
        ("art", -180),
        ("clt", -240),
        ("bst", 60),
        ("west", 60),
        ("cet", 60),
        ("met", 60),
        ("mez", 60),
        ("cest", 120),
        ("mest", 120),
        ("mesz", 120),
        ("eet", 120),
        ("sast", 120),
        ("eest", 180),
        ("msk", 180),
        ("msd", 240),
        ("ist", 330),
        ("pkt", 300),
        ("ict", 420),
        ("wib", 420),
        ("hkt", 480),
        ("sgt", 480),
        ("awst", 480),
        ("jst", 540),
        ("kst", 540),
        ("acst", 570),
        ("aest", 600),
        ("aedt", 660),
        ("nzst", 720),
        ("nzdt", 780),
    ];
    let found = MINUTES.iter().find(|(known, _)| known.as_bytes().eq_ignore_ascii_case(name));
    // Military letters were defined the wrong way round once; RFC 5322 says to read them as UTC.
    let is_military = || name.len() == 1 && name[0].is_ascii_alphabetic() && !name[0].eq_ignore_ascii_case(&b'j');
    found.map(|(_, minutes)| minutes * 60).or_else(|| is_military().then_some(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_as_they_were_meant() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let cases = [
            ("Mon, 15 Jan 2024 10:30:00 +0000", Some("2024-01-15T10:30:00Z")),
            ("Mon, 15 Jan 2024 10:30:00 +0100", Some("2024-01-15T09:30:00Z")),
            ("15 Jan 2024 10:30 -0530", Some("2024-01-15T16:00:00Z")),
            ("Mon, 15 Jan 2024 10:30:00 +01:00", Some("2024-01-15T09:30:00Z")),
            ("Mon, 15 Jul 2024 10:30:00 CEST", Some("2024-07-15T08:30:00Z")),
            ("Mon, 15 Jul 2024 10:30:00 +0200 (CEST)", Some("2024-07-15T08:30:00Z")),
            ("Mon, 15 Jul 2024 10:30:00 (PDT)", Some("2024-07-15T17:30:00Z")),
            ("Mon, 15 Jul 2024 10:30:00 EDT", Some("2024-07-15T14:30:00Z")),
            ("Mon, 15 Jul 2024 10:30:00 -0000", Some("2024-07-15T10:30:00Z")),
            ("Fri, 23 Aug 2002 2:32:53 -0400", Some("2002-08-23T06:32:53Z")),
            ("21 Jul 96 17:02:55 GMT", Some("1996-07-21T17:02:55Z")),
            ("Sun, 21 Jul 05 17:02:55 GMT", Some("2005-07-21T17:02:55Z")),
            ("Sun, 21 Jul 104 17:02:55 GMT", Some("2004-07-21T17:02:55Z")),
            ("2024-01-15T10:30:00Z", Some("2024-01-15T10:30:00Z")),
            ("2024-01-15T10:30:00.123+01:00", Some("2024-01-15T09:30:00Z")),
            ("2024-01-15 10:30:00 +0100", Some("2024-01-15T09:30:00Z")),
            ("Mon Jan 15 10:30:00 2024", Some("2024-01-15T09:30:00Z")),
            ("Mon Jan 15 10:30:00 UTC 2024", Some("2024-01-15T10:30:00Z")),
            ("Mon Jan 15 10:30:00 +0000 2024", Some("2024-01-15T10:30:00Z")),
            ("Mon, 15 Jan 2024 10:30:00 GMT+0100", Some("2024-01-15T09:30:00Z")),
            ("Mon, 15-Jan-2024 10:30:00 GMT", Some("2024-01-15T10:30:00Z")),
            ("15-Jan-24 10:30:00 GMT", Some("2024-01-15T10:30:00Z")),
            ("Monday, January 15, 2024 10:30 PM UTC", Some("2024-01-15T22:30:00Z")),
            ("Montag, 15. Januar 2024 10:30:00 +0100", Some("2024-01-15T09:30:00Z")),
            ("Mi, 15 Mai 2024 10:30:00 +0200", Some("2024-05-15T08:30:00Z")),
            ("Fr, 15 Mär 2024 10:30:00 +0100", Some("2024-03-15T09:30:00Z")),
            ("Freitag, 15. März 2024 um 10:30 Uhr", Some("2024-03-15T09:30:00Z")),
            ("=?iso-8859-1?Q?15_M=E4rz_2024_10:30:00_+0100?=", Some("2024-03-15T09:30:00Z")),
            ("lundi 15 janvier 2024 10:30:00 +0100", Some("2024-01-15T09:30:00Z")),
            ("mer., 14 août 2024 10:30:00 +0200", Some("2024-08-14T08:30:00Z")),
            ("15 de enero de 2024 10:30:00 +0100", Some("2024-01-15T09:30:00Z")),
            ("lun, 15 gen 2024 10:30:00 +0100", Some("2024-01-15T09:30:00Z")),
            ("seg, 15 fev 2024 10:30:00 -0300", Some("2024-02-15T13:30:00Z")),
            ("Пн, 15 янв 2024 10:30:00 +0300", Some("2024-01-15T07:30:00Z")),
            ("2024年1月15日 10:30:00 +0900", Some("2024-01-15T01:30:00Z")),
            ("2024年1月15日 下午 10:30 +0800", Some("2024-01-15T14:30:00Z")),
            ("15-Okt-2024 10:30:00 +0200", Some("2024-10-15T08:30:00Z")),
            ("sometime in 2024", None),
            ("on or about 15 Jan 2024", None),
            ("Mon, 15 Jan 2024 12:05:00 AM +0000", Some("2024-01-15T00:05:00Z")),
            ("15.01.2024 10:30", Some("2024-01-15T09:30:00Z")),
            ("31/12/2023 10:30 UTC", Some("2023-12-31T10:30:00Z")),
            ("12/31/2023 10:30 UTC", Some("2023-12-31T10:30:00Z")),
            ("Thu, 31 Dec 1998 23:59:60 +0000", Some("1998-12-31T23:59:59Z")),
            ("Thu,\r\n 13 Feb 1969 23:32:54 -0330", Some("1969-02-14T03:02:54Z")),
            ("Fri, 21 Nov 1997 09(comment):   55  :  06 -0600", None),
            ("Mon, 30 Feb 2024 10:30:00 +0000", None),
            ("Mon, 15 Jan 2024 25:30:00 +0000", None),
            ("01/02/2024 10:30", None),
            ("sometime last tuesday", None),
            ("yesterday-ish", None),
            ("", None),
            ("Mon, 15 Jan 2024 10:30:00 +9900", Some("2024-01-15T09:30:00Z")),
            ("Mon, 15 Jan 2024 10:30:00 Mitteleuropäische Zeit", Some("2024-01-15T09:30:00Z")),
        ];
        for (text, expected) in cases {
            let expected: Option<Timestamp> = expected.map(|text| text.parse().unwrap());
            assert_eq!(parse(text.as_bytes(), &zone), expected, "{text}");
        }
    }

    #[test]
    fn a_received_field_is_dated_at_its_end() {
        let value = b" from a (b; c) by d with SMTP id e\n\tfor <f@g>; Mon, 15 Jan 2024 10:30:00 +0100 (CET)";
        assert_eq!(parse_received(value, &TimeZone::UTC), Some("2024-01-15T09:30:00Z".parse().unwrap()));
        assert_eq!(parse_received(b"from a by b", &TimeZone::UTC), None);
    }
}
