//! Numbers, sizes, times and errors as people read them.

use std::error::Error;
use std::fmt::Write as _;

/// `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 snapshot`, `2 snapshots`.
pub fn counted(count: u64, one: &str) -> String {
    format!("{count} {one}{}", if count == 1 { "" } else { "s" })
}

/// An error and what is underneath it, in one line; nothing is said twice.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let said = inner.to_string();
        if !text.contains(&said) {
            let _ = write!(text, ": {said}");
        }
        cause = inner.source();
    }
    text
}

/// Bytes in the largest unit that leaves a whole number before the point: `312 B`, `14 KiB`, `2.5 MiB`.
pub fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{:.0} KiB", bytes as f64 / 1024.0),
        1_048_576..1_073_741_824 => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
        _ => format!("{:.1} GiB", bytes as f64 / 1_073_741_824.0),
    }
}

/// A length of time, rounded.
pub fn span(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds.div_ceil(60)),
        172_800.. => format!("{} days", seconds.div_ceil(86_400)),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// One line of a bearable length, without control characters: archives may hold terminal sequences.
pub fn shortened(text: &str) -> String {
    const LONGEST: usize = 300;
    let mut line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST).collect();
    if text.chars().nth(LONGEST).is_some() {
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("`a.json` cannot be read")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn an_error_names_what_is_underneath_it() {
        let error = Outer(std::io::Error::other("no such disk"));
        assert_eq!(chain(&error), "`a.json` cannot be read: no such disk");
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(shortened("a\u{1b}[31mb\nc"), "a [31mb c");
    }

    #[test]
    fn spans_table() {
        for (seconds, expected) in
            [(0.2, "0 s"), (59.0, "59 s"), (61.0, "2 min"), (7265.0, "2 h 1 min"), (200_000.0, "3 days")]
        {
            assert_eq!(span(seconds), expected);
        }
    }

    #[test]
    fn numbers_table() {
        for (number, expected) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), expected);
        }
        for (bytes, expected) in
            [(0, "0 B"), (1023, "1023 B"), (14_400, "14 KiB"), (2_621_440, "2.5 MiB"), (3 << 30, "3.0 GiB")]
        {
            assert_eq!(size(bytes), expected);
        }
        assert_eq!((counted(1, "case"), counted(2, "case")), ("1 case".to_owned(), "2 cases".to_owned()));
    }
}
