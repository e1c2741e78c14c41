//! Apple's wrapping of files in mail (AppleSingle and AppleDouble, RFC 1740).

use std::borrow::Cow;

use crate::mail::charset;
use crate::mail::inner::{InnerFile, Opened};

/// Begin a file in one piece, and the part beside a file.
const SINGLE: [u8; 4] = [0x00, 0x05, 0x16, 0x00];
const DOUBLE: [u8; 4] = [0x00, 0x05, 0x16, 0x07];

/// Entries, by their number.
const DATA: u32 = 1;
const RESOURCES: u32 = 2;
const NAME: u32 = 3;

/// More entries than the standard knows.
const MOST_ENTRIES: u16 = 64;

/// Opens the wrapping; `None` when it is none.
///
/// Of a file in one piece the content comes out. The part beside a file holds what only a Macintosh makes use of: where that is
/// more than an icon's place, it is kept as well.
pub fn open(bytes: &[u8]) -> Option<Opened<'_>> {
    let is_single = bytes.starts_with(&SINGLE);
    if !is_single && !bytes.starts_with(&DOUBLE) {
        return None;
    }
    let count = u16::from_be_bytes(bytes.get(24..26)?.try_into().ok()?);
    let mut opened = Opened::default();
    let (mut data, mut name) = (None, None);
    for entry in 0..usize::from(count.min(MOST_ENTRIES)) {
        let word = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        let at = 26 + entry * 12;
        let (Some(kind), Some(start), Some(length)) = (word(at), word(at + 4), word(at + 8)) else {
            opened.rest = Some("it is damaged or cut off");
            break;
        };
        let start = start as usize;
        let Some(content) = bytes.get(start..start.saturating_add(length as usize)) else {
            opened.rest = Some("it is damaged or cut off");
            continue;
        };
        match kind {
            DATA => data = Some(content),
            NAME => name = Some(charset::decode(content, Some("macintosh")).text),
            RESOURCES if !content.is_empty() => opened.rest = Some("it holds what only a Macintosh can use"),
            _ => {}
        }
    }
    match data {
        Some(data) => opened.files.push(InnerFile {
            name: name.filter(|name| !name.trim().is_empty()),
            mime: "application/octet-stream".to_owned(),
            content_id: None,
            bytes: Cow::Borrowed(data),
        }),
        None if is_single => opened.rest = Some("it holds no file"),
        None => {}
    }
    Some(opened)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrapped(kind: [u8; 4], entries: &[(u32, &[u8])]) -> Vec<u8> {
        let mut out = kind.to_vec();
        out.extend([0, 2, 0, 0]);
        out.extend([0; 16]);
        out.extend((entries.len() as u16).to_be_bytes());
        let mut start = 26 + 12 * entries.len();
        for (number, content) in entries {
            for word in [*number, start as u32, content.len() as u32] {
                out.extend(word.to_be_bytes());
            }
            start += content.len();
        }
        entries.iter().for_each(|(_, content)| out.extend(*content));
        out
    }

    #[test]
    fn a_file_is_taken_out_of_its_wrapping() {
        let whole = wrapped(SINGLE, &[(NAME, b"Na\x95ve"), (DATA, b"hello"), (9, b"finder")]);
        let opened = open(&whole).unwrap();
        let [file] = &opened.files[..] else { panic!("one file") };
        assert_eq!((file.name.as_deref(), &*file.bytes, opened.rest), (Some("Naïve"), &b"hello"[..], None));
        let beside = wrapped(DOUBLE, &[(9, b"finder")]);
        assert_eq!(open(&beside), Some(Opened::default()));
        let resources = wrapped(DOUBLE, &[(RESOURCES, b"icons")]);
        assert!(open(&resources).unwrap().rest.is_some());
        assert_eq!(open(b"hello"), None);
        for end in 26..whole.len() {
            assert!(open(&whole[..end]).unwrap().rest.is_some(), "cut at {end}");
        }
    }
}
