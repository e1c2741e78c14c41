//! Files that were put into the text itself, as mails had them before MIME.
//!
//! `begin 644 name` … `end` and its base64 form are found. What is broken, and yEnc, stays text.

use std::borrow::Cow;

use crate::mail::body;
use crate::mail::charset;
use crate::mail::inner::InnerFile;

/// More files than anybody sends in one text; the rest stays text.
const MOST_FILES: usize = 500;

/// A text and the files that were in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// What is left.
    pub text: Vec<u8>,
    /// In their order.
    pub files: Vec<InnerFile<'static>>,
}

/// Takes the files out of a text; `None` when there are none.
pub fn cut(text: &[u8]) -> Option<Cut> {
    let mut cut = Cut { text: Vec::new(), files: Vec::new() };
    let mut kept = 0;
    for at in memchr::memmem::find_iter(text, b"begin") {
        // Within a file that was taken out, or not at the beginning of a line.
        if at < kept || at > 0 && text[at - 1] != b'\n' || cut.files.len() >= MOST_FILES {
            continue;
        }
        let Some((file, end)) = file(&text[at..]) else { continue };
        cut.text.extend_from_slice(&text[kept..at]);
        cut.files.push(file);
        kept = at + end;
    }
    if cut.files.is_empty() {
        return None;
    }
    cut.text.extend_from_slice(&text[kept..]);
    Some(cut)
}

/// The file that begins here, and where it ends.
fn file(text: &[u8]) -> Option<(InnerFile<'static>, usize)> {
    let mut lines = text.split_inclusive(|&byte| byte == b'\n');
    let first = lines.next()?;
    let mut end = first.len();
    let (is_base64, words) = match first {
        [b'b', b'e', b'g', b'i', b'n', b' ', rest @ ..] => (false, rest),
        _ => (true, first.strip_prefix(b"begin-base64 ")?),
    };
    let digits = words.iter().take_while(|byte| matches!(byte, b'0'..=b'7')).count();
    let name = words.get(digits..)?.strip_prefix(b" ")?.trim_ascii();
    if !(3..=4).contains(&digits) || name.is_empty() {
        return None;
    }
    let mut bytes = Vec::new();
    let mut is_over = false;
    for line in lines {
        end += line.len();
        let content = line.strip_suffix(b"\n").unwrap_or(line);
        let content = content.strip_suffix(b"\r").unwrap_or(content);
        let is_end = if is_base64 { content == b"====" } else { content.trim_ascii_end() == b"end" };
        if is_end && (is_over || is_base64 || bytes.is_empty()) {
            let name = Some(charset::guess(name).into_owned());
            let mime = "application/octet-stream".to_owned();
            return Some((InnerFile { name, mime, content_id: None, bytes: Cow::Owned(bytes) }, end));
        }
        if is_base64 {
            let is_pure = content.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='));
            if !is_pure {
                return None;
            }
            bytes.extend(body::decode_base64(content));
        } else if is_over {
            // Some programs put a blank line before the end.
            if !content.trim_ascii().is_empty() {
                return None;
            }
        } else {
            let count = line_of(content, &mut bytes)?;
            is_over = count == 0;
        }
    }
    None
}

/// Decodes one line; gives how many bytes it had, or `None` when it is none.
fn line_of(line: &[u8], out: &mut Vec<u8>) -> Option<usize> {
    let (&first, letters) = line.split_first()?;
    if !(32..=96).contains(&first) {
        return None;
    }
    let count = usize::from(first.wrapping_sub(32) & 63);
    let needed = count.div_ceil(3) * 4;
    // Some programs write a checksum behind, others take spaces off the end.
    let is_line = letters.len() <= needed + 2 && letters.iter().all(|letter| (32..=96).contains(letter));
    if !is_line || letters.len() < needed && !has_lost_spaces(letters, needed) {
        return None;
    }
    body::decode_uuencoded_line(count, letters, out);
    Some(count)
}

/// A line is shorter only by spaces, which stand for zeros, or by what its last bytes do not need.
fn has_lost_spaces(letters: &[u8], needed: usize) -> bool {
    needed - letters.len() <= 2 || letters.contains(&b' ') || letters.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_cut_out_of_text_and_broken_ones_stay() {
        const CAT: &str = "begin 644 cat.txt\n#0V%T\n`\nend\n";
        type Case<'a> = (&'a str, String, Option<(&'a str, Vec<(&'a str, &'a [u8])>)>);
        let cases: Vec<Case<'_>> = vec![
            ("none", "We begin 644 things\nend\n".into(), None),
            ("one", format!("Hello\n\n{CAT}Bye\n"), Some(("Hello\n\nBye\n", vec![("cat.txt", b"Cat")]))),
            (
                "two",
                format!("{CAT}and\n{}", CAT.replace("cat.txt", "a b.txt")),
                Some(("and\n", vec![("cat.txt", b"Cat"), ("a b.txt", b"Cat")])),
            ),
            ("CRLF", CAT.replace('\n', "\r\n"), Some(("", vec![("cat.txt", b"Cat")]))),
            ("a blank line before the end", CAT.replace("end", "\nend"), Some(("", vec![("cat.txt", b"Cat")]))),
            ("spaces for zeros", "begin 644 z\n#\n \nend\n".into(), Some(("", vec![("z", &[0, 0, 0])]))),
            ("base64", "begin-base64 644 c\nQ2F0\n====\n".into(), Some(("", vec![("c", b"Cat")]))),
            ("empty", "begin 644 e\nend\n".into(), Some(("", vec![("e", b"")]))),
            ("no end", "begin 644 a\n#0V%T\n`\n".into(), None),
            ("a broken line", "begin 644 a\n#0V%Tand more text\n`\nend\n".into(), None),
            ("prose", "begin 644 a\nThe file is below.\nend\n".into(), None),
            ("no name", "begin 644 \n`\nend\n".into(), None),
            (
                "a broken one before",
                format!("begin 644 a\nx\n{CAT}"),
                Some(("begin 644 a\nx\n", vec![("cat.txt", b"Cat")])),
            ),
            ("yEnc", "=ybegin line=128 size=3 name=a\nmnb\n=yend size=3\n".into(), None),
        ];
        for (name, text, expected) in cases {
            let found = cut(text.as_bytes());
            let expected = expected.map(|(text, files)| {
                let files: Vec<_> = files.into_iter().map(|(name, bytes)| (name.to_owned(), bytes.to_vec())).collect();
                (text.to_owned(), files)
            });
            let found = found.map(|cut| {
                let files = cut.files.into_iter().map(|file| (file.name.unwrap_or_default(), file.bytes.into_owned()));
                (String::from_utf8(cut.text).unwrap(), files.collect())
            });
            assert_eq!(found, expected, "{name}");
        }
    }
}
