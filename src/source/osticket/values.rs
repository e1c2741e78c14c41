//! Values as SQL writes them, and the text in them.

use std::borrow::Cow;
use std::ops::Range;

use encoding_rs::WINDOWS_1252;

/// How the bytes of a value are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Writing {
    /// Between quotes, with escapes.
    Quoted,
    /// Two hexadecimal digits for each byte.
    Hex,
    /// As they stand.
    Plain,
}

/// Where the bytes of a value stand in its text, quotes left out; `None`: it is `NULL`.
pub(super) fn written(value: &[u8]) -> Option<(Range<usize>, Writing)> {
    let start = value.iter().position(|it| !it.is_ascii_whitespace()).unwrap_or(value.len());
    let end = start + value[start..].trim_ascii_end().len();
    let text = &value[start..end];
    if text.eq_ignore_ascii_case(b"NULL") {
        return None;
    }
    if text.get(..2).is_some_and(|it| it.eq_ignore_ascii_case(b"0x")) {
        return Some((start + 2..end, Writing::Hex));
    }
    let quote = text.iter().position(|it| matches!(it, b'\'' | b'"'));
    match (quote, text.last()) {
        (Some(quote), Some(&last)) if text.len() >= quote + 2 && last == text[quote] => {
            let is_hex = text[..quote].eq_ignore_ascii_case(b"x");
            let inside = start + quote + 1..end - 1;
            Some((inside, if is_hex { Writing::Hex } else { Writing::Quoted }))
        }
        _ => Some((start..end, Writing::Plain)),
    }
}

/// The bytes of a value; `None`: it is `NULL`.
pub(super) fn value(text: &[u8]) -> Option<Cow<'_, [u8]>> {
    let (inside, writing) = written(text)?;
    Some(decoded(&text[inside], writing))
}

/// The bytes that are written so.
pub(crate) fn decoded(text: &[u8], writing: Writing) -> Cow<'_, [u8]> {
    match writing {
        Writing::Plain => Cow::Borrowed(text),
        Writing::Quoted if memchr::memchr3(b'\\', b'\'', b'"', text).is_none() => Cow::Borrowed(text),
        Writing::Quoted => Cow::Owned(unescaped(text)),
        Writing::Hex => {
            let digit = |it: u8| (it as char).to_digit(16).unwrap_or(0) as u8;
            // An odd number of digits has a zero before it.
            let mut bytes = Vec::with_capacity(text.len() / 2 + 1);
            let (first, pairs) = text.split_at(text.len() % 2);
            bytes.extend(first.iter().map(|it| digit(*it)));
            bytes.extend(pairs.chunks_exact(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])));
            Cow::Owned(bytes)
        }
    }
}

/// See <https://dev.mysql.com/doc/refman/8.4/en/string-literals.html>, "Special Character Escape Sequences".
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(found) = memchr::memchr3(b'\\', b'\'', b'"', rest) {
        bytes.extend_from_slice(&rest[..found]);
        let (this, next) = (rest[found], rest.get(found + 1).copied());
        let mut used = 2;
        match (this, next) {
            (b'\\', Some(b'0')) => bytes.push(0),
            (b'\\', Some(b'n')) => bytes.push(b'\n'),
            (b'\\', Some(b'r')) => bytes.push(b'\r'),
            (b'\\', Some(b't')) => bytes.push(b'\t'),
            (b'\\', Some(b'b')) => bytes.push(8),
            (b'\\', Some(b'Z')) => bytes.push(26),
            // For patterns; elsewhere the backslash stays.
            (b'\\', Some(wild @ (b'%' | b'_'))) => bytes.extend_from_slice(&[b'\\', wild]),
            (b'\\', Some(other)) => bytes.push(other),
            (quote, Some(same)) if quote == same => bytes.push(quote),
            // `'a' 'b'` is one text.
            (b'\'', Some(b' ')) if rest[found + 1..].trim_ascii_start().starts_with(b"'") => {
                used = rest.len() - found - rest[found + 1..].trim_ascii_start().len() + 1;
            }
            (other, _) => {
                bytes.push(other);
                used = 1;
            }
        }
        rest = &rest[(found + used).min(rest.len())..];
    }
    bytes.extend_from_slice(rest);
    bytes
}

/// What had to be done to read a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repair {
    /// Nothing.
    None,
    /// It is not UTF-8 and was read as windows-1252, which MySQL calls latin1.
    Latin,
    /// It was UTF-8 that somebody had taken for latin1 and made UTF-8 of again.
    Twice,
}

/// The text of bytes.
pub(super) fn text(bytes: &[u8]) -> (String, Repair) {
    match std::str::from_utf8(bytes) {
        Ok(text) => match once(text) {
            Some(repaired) => (repaired, Repair::Twice),
            None => (text.to_owned(), Repair::None),
        },
        Err(_) => (WINDOWS_1252.decode_without_bom_handling(bytes).0.into_owned(), Repair::Latin),
    }
}

/// The text that was encoded twice, if that is what this is: every character is one of latin1, and together they are
/// UTF-8. A text that was meant so would consist of nothing but pairs such as `Ã¼` wherever it leaves ASCII.
fn once(text: &str) -> Option<String> {
    if text.is_ascii() {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len());
    for char in text.chars() {
        bytes.push(latin(char)?);
    }
    String::from_utf8(bytes).ok()
}

/// The byte of a character in MySQL's latin1: windows-1252, with control characters where that has none.
fn latin(char: char) -> Option<u8> {
    match u32::from(char) {
        code @ (0..=0x7F | 0xA0..=0xFF | 0x81 | 0x8D | 0x8F | 0x90 | 0x9D) => Some(code as u8),
        _ => {
            let mut buffer = [0; 4];
            let (bytes, _, is_lossy) = WINDOWS_1252.encode(char.encode_utf8(&mut buffer));
            if is_lossy { None } else { bytes.first().copied() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_mysql_does() {
        let table: &[(&[u8], Option<&[u8]>)] = &[
            (b"NULL", None),
            (b" null ", None),
            (b"'NULL'", Some(b"NULL")),
            (b"12", Some(b"12")),
            (b" -1.5", Some(b"-1.5")),
            (b"''", Some(b"")),
            (b"'it''s'", Some(b"it's")),
            (br"'it\'s \\ \n\r\t\0\Z\b\% \_ \q'", Some(b"it's \\ \n\r\t\0\x1A\x08\\% \\_ q")),
            (b"\"a\"\"b'\"", Some(b"a\"b'")),
            (b"_binary '\xFF\\0'", Some(b"\xFF\0")),
            (b"0xCAfe", Some(b"\xCA\xFE")),
            (b"0x", Some(b"")),
            (b"0x123", Some(b"\x01\x23")),
            (b"X'00ff'", Some(b"\x00\xFF")),
            (b"'a' 'b'", Some(b"ab")),
            (b"'", Some(b"'")),
            (b"", Some(b"")),
            (b"'\\'", Some(b"\\")),
        ];
        for (text, expected) in table {
            assert_eq!(value(text).as_deref(), *expected, "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn texts_that_were_encoded_twice_or_not_at_all_are_read() {
        let table: &[(&[u8], &str, Repair)] = &[
            (b"plain", "plain", Repair::None),
            ("Grüße, 日本".as_bytes(), "Grüße, 日本", Repair::None),
            (b"Gr\xFC\xDFe", "Grüße", Repair::Latin),
            ("GrÃ¼ÃŸe".as_bytes(), "Grüße", Repair::Twice),
            ("â‚¬ 5".as_bytes(), "€ 5", Repair::Twice),
            ("æ—¥æœ¬".as_bytes(), "日本", Repair::Twice),
            ("GrÃ¼ße".as_bytes(), "GrÃ¼ße", Repair::None),
            ("São Paulo".as_bytes(), "São Paulo", Repair::None),
            ("ÉTÉ".as_bytes(), "ÉTÉ", Repair::None),
        ];
        for (bytes, expected, repair) in table {
            assert_eq!(text(bytes), ((*expected).to_owned(), *repair));
        }
    }
}
