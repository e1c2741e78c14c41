//! Images and links in texts that name files of the FreeScout that was copied.
//!
//! The API stores a text as it comes and gives images no place of their own, so that a small image becomes part of the
//! text (`data:`, which FreeScout keeps and shows), and every other file an attachment of the same thread.

use std::io::Read as _;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::backup::files::places_in;
use crate::backup::read::Stored;
use crate::content::Content;
use crate::conversation::{Attachment, Thread};

/// A larger image is attached: FreeScout shows the whole text of every thread on one page.
const EMBEDDED_BYTES: u64 = 256 * 1024;

/// How many bytes of images one text may hold.
const EMBEDDED_BYTES_PER_TEXT: u64 = 1024 * 1024;

/// Images by the bytes that they begin with.
const MAGIC: &[(&[u8], &str)] = &[
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"BM", "image/bmp"),
];

/// Puts the files back that a text names; `told` hears a sentence about each that could not stay where it was. Gives the
/// addresses of those that were attached, in the order of the attachments.
pub(in crate::backup) fn put_back(thread: &mut Thread, row: &Stored, told: &mut impl FnMut(String)) -> Vec<String> {
    let places = places_in(&thread.body);
    let mut attached = Vec::new();
    if places.is_empty() {
        return attached;
    }
    let mut body = String::with_capacity(thread.body.len());
    let (mut after, mut embedded) = (0, 0);
    for place in places {
        let address = &thread.body[place.clone()];
        if !row.ours.files.contains_key(address) {
            // Somebody else's, and never copied.
            continue;
        }
        body.push_str(&thread.body[after..place.start]);
        after = place.end;
        let content = row.file(address);
        let is_source = thread.body[..place.start].trim_end_matches(['"', '\'']).ends_with("src=");
        match embed(&content, is_source, &mut embedded) {
            Some(data) => body.push_str(&data),
            None => {
                body.push_str(address);
                let name = name_of(address);
                if content.length().is_none_or(|length| length == 0) {
                    told(format!("the backup does not hold `{name}`, which the text names"));
                } else if !attached.iter().any(|known| known == address) {
                    attached.push(address.to_owned());
                    told(format!("`{name}`, which the text names, is attached"));
                    let mime = kind_of(&content).unwrap_or("application/octet-stream").to_owned();
                    thread.attachments.push(Attachment { name, mime, content });
                }
            }
        }
    }
    body.push_str(&thread.body[after..]);
    thread.body = body;
    attached
}

/// An image as a `data:` address, if it is one and small enough.
fn embed(content: &Content, is_source: bool, embedded: &mut u64) -> Option<String> {
    let length = content.length()?;
    if !is_source || length == 0 || length > EMBEDDED_BYTES || *embedded + length > EMBEDDED_BYTES_PER_TEXT {
        return None;
    }
    let mut bytes = Vec::new();
    // One that cannot be read now is attached, and its trouble is met and reported there.
    content.open().ok()?.take(EMBEDDED_BYTES + 1).read_to_end(&mut bytes).ok()?;
    let mime = magic(&bytes).filter(|_| bytes.len() as u64 == length)?;
    *embedded += length;
    Some(format!("data:{mime};base64,{}", STANDARD.encode(&bytes)))
}

fn kind_of(content: &Content) -> Option<&'static str> {
    let mut head = Vec::new();
    content.open().ok()?.take(16).read_to_end(&mut head).ok()?;
    magic(&head)
}

fn magic(bytes: &[u8]) -> Option<&'static str> {
    if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
        return Some("image/webp");
    }
    MAGIC.iter().find(|(head, _)| bytes.starts_with(head)).map(|(_, mime)| *mime)
}

/// The last part of an address's path.
fn name_of(address: &str) -> String {
    let path = address.split(['?', '#']).next().unwrap_or(address);
    let name = path.rsplit('/').next().unwrap_or_default();
    if name.is_empty() { "file".to_owned() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_known_by_their_first_bytes() {
        for (bytes, expected) in [
            (&b"\x89PNG\r\n\x1a\nrest"[..], Some("image/png")),
            (b"GIF89a", Some("image/gif")),
            (b"RIFF\0\0\0\0WEBPVP8 ", Some("image/webp")),
            (b"RIFF\0\0\0\0WAVE", None),
            (b"<svg xmlns", None),
            (b"", None),
        ] {
            assert_eq!(magic(bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn a_file_is_named_after_its_address() {
        for (address, expected) in
            [("https://x.example/storage/attachment/1/2/3/cat.png?id=7&amp;token=aa", "cat.png"), ("/storage/", "file")]
        {
            assert_eq!(name_of(address), expected);
        }
    }
}
