//! What the beginning of a file and its name say.

use std::borrow::Cow;
use std::io::Cursor;
use std::path::Path;

use super::Format;
use super::pass::is_page;
use crate::input::HeadFile;
use crate::json::{Members, Scanner};
use crate::source::xml;

/// How many objects of a file are looked at.
const OBJECTS: usize = 20;

/// Whether one of the objects with which a file begins is of this help desk.
pub(super) fn any_object(format: &dyn Format, file: &HeadFile) -> bool {
    in_value(format, file.text(), 0)
}

fn in_value(format: &dyn Format, text: &[u8], nesting: u32) -> bool {
    if nesting == 0 && format.reads_xml() && text.trim_ascii_start().starts_with(b"<") {
        return format.is_own(&xml::keys(text), b"");
    }
    if nesting > 4 || !matches!(text.trim_ascii_start().first(), Some(b'{' | b'[')) {
        return false;
    }
    let Ok(mut scanner) = Scanner::new(Cursor::new(text)) else { return false };
    let is_list = matches!(scanner.peek(), Ok(Some(b'[')));
    if is_list {
        scanner.enter();
    }
    for _ in 0..OBJECTS {
        let first = if is_list { scanner.element().ok().flatten() } else { scanner.peek().ok().flatten() };
        let Some(first) = first else { return false };
        let rest = &text[usize::try_from(scanner.offset()).unwrap_or(usize::MAX).min(text.len())..];
        let found = match first {
            b'{' => in_object(format, rest, nesting),
            b'[' => in_value(format, rest, nesting + 1),
            _ => false,
        };
        if found {
            return true;
        }
        // In JSON lines one damaged line says nothing about the next.
        if scanner.value(u64::MAX).is_err() && (is_list || scanner.skip_line().is_err()) {
            return false;
        }
    }
    false
}

fn in_object(format: &dyn Format, text: &[u8], nesting: u32) -> bool {
    let mut members = Members::new(text);
    if !is_page(format, text) {
        return format.is_own(&members.map(Cow::into_owned).collect::<Vec<_>>(), text);
    }
    while let Some(key) = members.next() {
        if format.opens(&key) && in_value(format, members.value(), nesting + 1) {
            return true;
        }
    }
    false
}

/// Whether a word is nothing but digits.
pub(in crate::source) fn is_number(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit())
}

/// The number of the ticket that a file of its parts names: `ticket_17_conversations`, `17/conversations`,
/// `conversations-17`. A number with leading zeros counts pages.
///
/// `parts` are beginnings of the words for parts, `owner` that of the word for a ticket; all in lower case.
pub(in crate::source) fn number_beside(path: &str, parts: &[&str], owner: &str) -> Option<String> {
    let path = Path::new(path);
    let stem = path.file_stem()?.to_str()?.to_lowercase();
    let words: Vec<&str> = stem.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let number = |word: &str| {
        let digits = word.trim_start_matches(|c: char| c.is_ascii_alphabetic());
        let before = &word[..word.len() - digits.len()];
        (is_number(digits) && !digits.starts_with('0') && (before.is_empty() || before.starts_with(owner)))
            .then(|| digits.to_owned())
    };
    let what = words.iter().rposition(|word| parts.iter().any(|part| word.starts_with(part)))?;
    if let Some(found) = words[..what].last().and_then(|word| number(word)) {
        return Some(found);
    }
    let folder = path.parent().and_then(|folder| folder.file_name()).and_then(|name| name.to_str());
    let of_folder = folder.and_then(|name| {
        let name = name.to_lowercase();
        number(&name.replace(['-', '_', ' ', '#'], ""))
    });
    of_folder.or_else(|| words.get(what + 1).and_then(|word| number(word)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_parts_name_their_ticket() {
        let table = [
            ("ticket_17_conversations.json", Some("17")),
            ("tickets/17/conversations.json", Some("17")),
            ("x/ticket-17/conversations_2.json", Some("17")),
            ("conversations_17.json", Some("17")),
            ("17-conversations.json", Some("17")),
            ("conversations_001.json", None),
            ("conversations.json", None),
            ("17.json", None),
        ];
        for (path, expected) in table {
            assert_eq!(number_beside(path, &["conversation"], "ticket").as_deref(), expected, "{path}");
        }
    }
}
