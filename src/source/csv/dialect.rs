//! Tells charset, delimiter and quoting of a table from its beginning.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

use super::rows::{Cell, Dialect, cell_bytes, split_row};

/// How much of a file is looked at, in bytes.
pub(super) const SAMPLE_BYTES: usize = 512 * 1024;

/// How many rows are looked at.
const SAMPLE_ROWS: usize = 300;

/// How the bytes of a table become text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Charset {
    /// UTF-8, and windows-1252 where the bytes are not.
    Detected,
    /// What a byte-order mark or the mapping says.
    Named(&'static Encoding),
}

impl Charset {
    /// The charset of a file by its first bytes, and how long its byte-order mark is.
    pub(super) fn of(start: &[u8], named: Option<&'static Encoding>) -> (Self, usize) {
        if let Some((encoding, length)) = Encoding::for_bom(start) {
            // UTF-8 with a mark is still mixed with windows-1252 by careless tools.
            let charset = if encoding == UTF_8 { Self::Detected } else { Self::Named(encoding) };
            return (charset, length);
        }
        if let Some(encoding) = named {
            return (Self::Named(encoding), 0);
        }
        let sample = &start[..start.len().min(4096) & !1];
        let zeros = |at: usize| sample.iter().skip(at).step_by(2).filter(|byte| **byte == 0).count() * 5;
        match sample.len() {
            0 => (Self::Detected, 0),
            length if zeros(1) > length => (Self::Named(UTF_16LE), 0),
            length if zeros(0) > length => (Self::Named(UTF_16BE), 0),
            _ => (Self::Detected, 0),
        }
    }

    /// Whether delimiters and quotes are single bytes that are never part of another character.
    pub(super) fn is_cut_as_bytes(self) -> bool {
        match self {
            Self::Detected => true,
            Self::Named(encoding) => encoding == UTF_8 || encoding.is_single_byte(),
        }
    }

    /// The text, and whether windows-1252 had to be taken for UTF-8.
    pub(super) fn decode(self, bytes: &[u8]) -> (Cow<'_, str>, bool) {
        match self {
            Self::Detected => match std::str::from_utf8(bytes) {
                Ok(text) => (Cow::Borrowed(text), false),
                Err(_) => (WINDOWS_1252.decode_without_bom_handling(bytes).0, true),
            },
            Self::Named(encoding) => (encoding.decode_without_bom_handling(bytes).0, false),
        }
    }
}

/// How a table is written, found by trying.
#[derive(Debug, Clone)]
pub(super) struct Sniffed {
    /// Delimiter and quoting.
    pub dialect: Dialect,
    /// Where the header row begins, in bytes.
    pub start: usize,
    /// On which line that is.
    pub line: u64,
    /// The header's cells.
    pub header: Vec<String>,
    /// Which share of them has as many cells as the header.
    pub consistency: f64,
}

/// Tries delimiters and quotings on the beginning of a table, behind its byte-order mark.
///
/// `None`: no delimiter gives two columns.
pub(super) fn sniff(
    sample: &[u8],
    is_whole: bool,
    charset: Charset,
    delimiter: Option<u8>,
    quote: Option<Option<u8>>,
) -> Option<Sniffed> {
    let mut start = 0;
    let mut line = 1;
    let mut said = None;
    // Excel reads `sep=;` as a statement about the delimiter.
    if sample.len() > 5 && sample[..4].eq_ignore_ascii_case(b"sep=") {
        said = Some(sample[4]);
        start = memchr::memchr(b'\n', sample).map_or(sample.len(), |end| end + 1);
        line = 2;
    }
    while matches!(sample.get(start), Some(b'\n' | b'\r')) {
        line += u64::from(sample[start] == b'\n' || sample.get(start + 1) != Some(&b'\n'));
        start += 1;
    }
    let candidates: &[u8] = match delimiter.or(said) {
        Some(ref one) => &[*one],
        None => b",;\t|",
    };
    let mut best: Option<(f64, Sniffed)> = None;
    for &delimiter in candidates {
        for is_backslashed in [false, true] {
            let dialect = Dialect { delimiter, quote: quote.unwrap_or(Some(b'"')), is_backslashed };
            let Some(found) = trial(&sample[start..], is_whole, dialect, charset) else { continue };
            // Of two that fit alike the plain quoting and then more columns are likelier.
            let score = found.consistency + found.header.len().min(50) as f64 / 1000.0
                - if is_backslashed { 0.01 } else { 0.0 };
            if best.as_ref().is_none_or(|(other, _)| score > *other) {
                best = Some((score, Sniffed { start, line, ..found }));
            }
        }
    }
    best.map(|(_, found)| found)
}

fn trial(sample: &[u8], is_whole: bool, dialect: Dialect, charset: Charset) -> Option<Sniffed> {
    let mut cells: Vec<Cell> = Vec::new();
    let mut at = 0;
    let mut header: Option<Vec<String>> = None;
    let (mut rows, mut fitting) = (0, 0);
    let mut reader = super::rows::Rows::new(sample, dialect, 1);
    while let Ok(Some(row)) = reader.next_row() {
        let bytes = reader.bytes();
        at += row.length;
        // The sample's last row is most likely cut off.
        if at >= sample.len() && !is_whole && rows > 0 {
            break;
        }
        if bytes.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        if !row.is_sound || !split_row(bytes, dialect, &mut cells) {
            rows += 1;
        } else if let Some(header) = &header {
            rows += 1;
            fitting += usize::from(cells.len() == header.len());
        } else {
            if cells.len() < 2 {
                return None;
            }
            let decoded = cells.iter().map(|cell| charset.decode(&cell_bytes(bytes, cell, dialect)).0.into_owned());
            header = Some(decoded.collect());
            reader.width = cells.len();
            rows = 1;
            fitting = 1;
        }
        if rows >= SAMPLE_ROWS {
            break;
        }
    }
    let consistency = fitting as f64 / rows.max(1) as f64;
    header.map(|header| Sniffed { dialect, start: 0, line: 1, header, consistency })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<(char, bool, usize)> {
        let sniffed = sniff(text.as_bytes(), true, Charset::Detected, None, None)?;
        Some((sniffed.dialect.delimiter as char, sniffed.dialect.is_backslashed, sniffed.header.len()))
    }

    #[test]
    fn delimiters_and_quotings_are_told_by_consistency() {
        let table = [
            ("comma", "id,subject\n1,a\n2,b\n", Some((',', false, 2))),
            ("semicolon with commas", "id;subject;body\n1;a, b;c, d\n2;c;x, y\n", Some((';', false, 3))),
            ("tab", "id\tsubject\n1\ta, b\n", Some(('\t', false, 2))),
            ("pipe", "id|subject\n1|a;b\n2|c\n", Some(('|', false, 2))),
            ("said", "sep=|\r\nid|a,b\n1|c,d\n", Some(('|', false, 2))),
            ("quoted delimiters", "id;body\n1;\"a,b,c\"\n2;\"d,e,f\"\n", Some((';', false, 2))),
            (
                "backslashes",
                "id,body,x\n1,\"say \\\"hi\\\", he said\",2\n2,\"b \\\"c\\\", d\",3\n",
                Some((',', true, 3)),
            ),
            ("backslash at the end", "id,path\n1,\"c:\\\"\n2,\"d:\\\"\n", Some((',', false, 2))),
            ("header only", "id,subject\n", Some((',', false, 2))),
            ("one column", "id\n1\n2\n", None),
            ("empty", "", None),
        ];
        for (name, text, expected) in table {
            assert_eq!(found(text), expected, "{name}");
        }
    }

    #[test]
    fn charsets_are_told_by_marks_then_by_their_bytes() {
        let utf16: Vec<u8> = "id,subject\n1,ü\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let marked = [&[0xFF, 0xFE][..], &utf16].concat();
        assert_eq!(Charset::of(&marked, None), (Charset::Named(UTF_16LE), 2));
        assert_eq!(Charset::of(&utf16, None), (Charset::Named(UTF_16LE), 0));
        assert_eq!(Charset::of(b"\xEF\xBB\xBFid", None), (Charset::Detected, 3));
        assert_eq!(Charset::of(b"id", None), (Charset::Detected, 0));
        assert_eq!(Charset::of(b"", None), (Charset::Detected, 0));
        assert_eq!(Charset::Detected.decode("ü".as_bytes()), ("ü".into(), false));
        assert_eq!(Charset::Detected.decode(b"\xFC\x80"), ("ü€".into(), true));
    }
}
