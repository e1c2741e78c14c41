//! Files that lie inside a part: in `winmail.dat`, in Apple's wrapping, under a signature, or uuencoded in the text.

use std::borrow::Cow;

use crate::mail::mime::{Part, Tree};
use crate::mail::{apple, leaf_of, smime, text, tnef, uuencode};
use crate::record::Body;

/// Signed mails inside of signed mails: deeper ones stay as they are.
const DEPTH: usize = 4;

/// More files than anybody signs; with more the signed mail stays as it is.
const MOST_SIGNED: usize = 200;

/// A file inside a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InnerFile<'a> {
    /// As it is called there, if it is.
    pub name: Option<String>,
    /// The media type in lower case.
    pub mime: String,
    /// Without angle brackets.
    pub content_id: Option<String>,
    /// What it holds.
    pub bytes: Cow<'a, [u8]>,
}

/// A part that was opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Opened<'a> {
    /// The text inside it.
    pub text: Option<Body>,
    /// The files inside it, in its order.
    pub files: Vec<InnerFile<'a>>,
    /// Why it has to be kept as well, if so; a clause about it.
    pub rest: Option<&'static str>,
}

/// Opens a part that only holds other things; `None` when it is not of that kind.
///
/// `depth` counts signed mails inside of signed mails.
pub fn open<'p>(part: &Part<'_>, bytes: &'p [u8], depth: usize) -> Option<Opened<'p>> {
    match () {
        () if is_tnef(part) => tnef::open(bytes),
        () if is_apple(part) => apple::open(bytes),
        () if is_signed(part) => signed(bytes, depth),
        () => None,
    }
}

/// A mail that was signed as a whole; the signature is left over.
fn signed(bytes: &[u8], depth: usize) -> Option<Opened<'static>> {
    let message = smime::signed(bytes).filter(|_| depth < DEPTH)?;
    let tree = Tree::parse(&message);
    let chosen = text::choose(&tree.root, &mut Vec::new(), depth + 1);
    if chosen.files.len() > MOST_SIGNED {
        return None;
    }
    let leaves = tree.leaves();
    let files = chosen.files.into_iter().map(|file| {
        let bytes = Cow::Owned(leaf_of(&leaves, file.part, depth + 1)?);
        Some(InnerFile { name: Some(file.name), mime: file.mime, content_id: file.content_id, bytes })
    });
    Some(Opened { text: Some(chosen.body), files: files.collect::<Option<_>>()?, rest: Some("its signature is in it") })
}

/// Whether a part claims to be one that [`open`] can open.
pub fn is_box(part: &Part<'_>) -> bool {
    is_tnef(part) || is_apple(part) || is_signed(part)
}

/// Whether a part claims to be `winmail.dat`.
pub fn is_tnef(part: &Part<'_>) -> bool {
    matches!(part.mime.as_str(), "application/ms-tnef" | "application/vnd.ms-tnef")
        || part.mime == "application/octet-stream"
            && part.file_name().is_some_and(|name| name.eq_ignore_ascii_case("winmail.dat"))
}

fn is_apple(part: &Part<'_>) -> bool {
    part.mime == "application/applefile"
}

/// An S/MIME mail that is one part; whether it is signed or encrypted only its bytes say for certain.
fn is_signed(part: &Part<'_>) -> bool {
    matches!(part.mime.as_str(), "application/pkcs7-mime" | "application/x-pkcs7-mime")
}

/// The bytes of the `index`-th file inside a part, found as [`open`] and [`uuencode::cut`] find them.
pub fn bytes(part: &Part<'_>, index: usize, depth: usize) -> Option<Vec<u8>> {
    let decoded = part.decoded();
    let files = if is_box(part) {
        open(part, &decoded, depth)?.files
    } else if part.is_text() {
        uuencode::cut(&decoded)?.files
    } else {
        return None;
    };
    files.into_iter().nth(index).map(|file| file.bytes.into_owned())
}
