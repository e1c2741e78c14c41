//! The parts of a message: where they are, which is the text, which are files.

use std::borrow::Cow;

use memchr::memmem;

use crate::mail::body::{self, Ends};
use crate::mail::charset::{self, Decoded};
use crate::mail::header::{Fields, Headers, Parameters};

/// Deeper nesting than any mailer makes; what lies deeper stays one raw part.
const DEPTH: usize = 40;

/// More parts than any mailer makes; the rest of the message stays one raw part.
///
/// Leaves are fewer than `mail::INNER`.
const PARTS: usize = 5_000;

/// A part of a message, or the message itself.
#[derive(Debug, Clone, Default)]
pub struct Part<'a> {
    /// Its own header fields.
    pub headers: Headers<'a>,
    /// `Content-Type` in lower case, always with a slash: `text/plain` where nothing sensible stands.
    pub mime: String,
    /// The parameters of `Content-Type`.
    pub kind: Parameters,
    /// `Content-Disposition`.
    pub disposition: Parameters,
    /// What stands after the header, as it stands.
    pub body: &'a [u8],
    /// The parts inside, when it is a `multipart/…` whose boundary occurs.
    pub children: Vec<Part<'a>>,
    /// Which leaf it is, counted from 0 in document order; of no meaning with children.
    pub leaf: usize,
}

/// A message taken apart.
#[derive(Debug, Clone, Default)]
pub struct Tree<'a> {
    /// The message.
    pub root: Part<'a>,
    /// What is not as it should be; one sentence each, without a full stop.
    pub problems: Vec<&'static str>,
}

impl<'a> Tree<'a> {
    /// Takes a message apart. Never fails: what cannot be understood is one part of text.
    pub fn parse(message: &'a [u8]) -> Self {
        let mut builder = Builder::default();
        let root = builder.part(message, Fields::of_message(message), 0, "text/plain");
        Self { root, problems: builder.problems }
    }

    /// The leaves in document order.
    pub fn leaves(&self) -> Vec<&Part<'a>> {
        fn collect<'t, 'a>(part: &'t Part<'a>, leaves: &mut Vec<&'t Part<'a>>) {
            if part.children.is_empty() {
                leaves.push(part);
            }
            for child in &part.children {
                collect(child, leaves);
            }
        }
        let mut leaves = Vec::new();
        collect(&self.root, &mut leaves);
        leaves
    }
}

#[derive(Default)]
struct Builder {
    leaves: usize,
    parts: usize,
    problems: Vec<&'static str>,
}

impl Builder {
    fn part<'a>(&mut self, data: &'a [u8], mut fields: Fields<'a>, depth: usize, default_mime: &str) -> Part<'a> {
        let headers = Headers::new(fields.by_ref().collect());
        if fields.is_broken {
            self.problem("a header line is no field");
        }
        self.parts += 1;
        let kind = headers.raw("Content-Type").map(Parameters::parse).unwrap_or_default();
        let mut part = Part {
            mime: media_type(&kind.value, default_mime),
            disposition: headers.raw("Content-Disposition").map(Parameters::parse).unwrap_or_default(),
            body: &data[fields.body_start()..],
            kind,
            headers,
            ..Part::default()
        };
        if part.mime.starts_with("multipart/") {
            self.children(&mut part, depth);
        }
        if part.children.is_empty() {
            part.leaf = self.leaves;
            self.leaves += 1;
        }
        part
    }

    fn children(&mut self, part: &mut Part<'_>, depth: usize) {
        if depth >= DEPTH {
            return self.problem("parts are nested too deep; the innermost are kept as they stand");
        }
        let Some(boundary) = part.kind.joined("boundary").filter(|boundary| !boundary.is_empty()) else {
            return self.problem("a multipart message names no boundary; it is shown as text");
        };
        let Some(cuts) = cut(part.body, &boundary, PARTS.saturating_sub(self.parts)) else {
            return self.problem("the boundary of a multipart message does not occur; it is shown as text");
        };
        if !cuts.is_ended {
            self.problem("the end of a multipart message is missing");
        }
        let default_mime = if part.mime == "multipart/digest" { "message/rfc822" } else { "text/plain" };
        for data in cuts.parts {
            let child = self.part(data, Fields::of_part(data), depth + 1, default_mime);
            part.children.push(child);
        }
    }

    fn problem(&mut self, problem: &'static str) {
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }
}

/// `text` and other things without a slash are text, as every mail program has it.
fn media_type(value: &str, default_mime: &str) -> String {
    match value.split_once('/') {
        Some((kind, name)) if !kind.is_empty() && !name.is_empty() => value.to_owned(),
        _ if value.is_empty() => default_mime.to_owned(),
        _ if value == "html" => "text/html".to_owned(),
        // `application-x-gzip`
        _ if ["application", "image", "audio", "video"].iter().any(|kind| value.starts_with(kind)) => {
            "application/octet-stream".to_owned()
        }
        _ => "text/plain".to_owned(),
    }
}

struct Cuts<'a> {
    parts: Vec<&'a [u8]>,
    is_ended: bool,
}

/// Cuts a body at its boundary; `None` when the boundary does not occur.
///
/// A delimiter is a whole line: one boundary may be the beginning of another.
fn cut<'a>(body: &'a [u8], boundary: &[u8], most: usize) -> Option<Cuts<'a>> {
    let mut delimiter = b"--".to_vec();
    delimiter.extend_from_slice(boundary.trim_ascii_end());
    let mut cuts = Cuts { parts: Vec::new(), is_ended: false };
    let mut open: Option<usize> = None;
    for at in memmem::find_iter(body, &delimiter) {
        if at > 0 && body[at - 1] != b'\n' {
            continue;
        }
        let rest = &body[at + delimiter.len()..];
        let line = &rest[..memchr::memchr(b'\n', rest).unwrap_or(rest.len())];
        let is_end = line.starts_with(b"--");
        let after = if is_end { &line[2..] } else { line };
        if !after.trim_ascii().is_empty() {
            continue;
        }
        if let Some(start) = open.take() {
            cuts.parts.push(without_line_end(&body[start.min(at)..at]));
        }
        if is_end {
            // Some mailers end too early and go on with more parts: those are read, too.
            cuts.is_ended = true;
        } else {
            open = Some((at + delimiter.len() + line.len() + 1).min(body.len()));
            cuts.is_ended = false;
        }
        if cuts.parts.len() >= most {
            break;
        }
    }
    if let Some(start) = open {
        cuts.parts.push(&body[start..]);
    }
    (!cuts.parts.is_empty()).then_some(cuts)
}

/// The line end before a delimiter belongs to the delimiter.
fn without_line_end(data: &[u8]) -> &[u8] {
    match data {
        [rest @ .., b'\r', b'\n'] | [rest @ .., b'\n'] => rest,
        _ => data,
    }
}

/// How a part's bytes were made fit for the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Transfer {
    Base64,
    QuotedPrintable,
    Uuencode,
    None,
}

impl<'a> Part<'a> {
    fn transfer(&self) -> Transfer {
        let Some(raw) = self.headers.raw("Content-Transfer-Encoding") else { return Transfer::None };
        let word = raw.trim_ascii().split(|byte| matches!(byte, b';' | b' ' | b'\t')).next().unwrap_or_default();
        match word.to_ascii_lowercase().as_slice() {
            b"base64" | b"base-64" | b"\"base64\"" if !body::is_not_base64(self.body) => Transfer::Base64,
            b"quoted-printable" | b"quoted-printeable" | b"\"quoted-printable\"" | b"qp" => Transfer::QuotedPrintable,
            b"x-uuencode" | b"uuencode" | b"x-uue" | b"uue" => Transfer::Uuencode,
            _ => Transfer::None,
        }
    }

    /// The bytes as they were before they were sent.
    pub fn decoded(&self) -> Cow<'a, [u8]> {
        match self.transfer() {
            Transfer::Base64 => Cow::Owned(body::decode_base64(self.body)),
            Transfer::QuotedPrintable => Cow::Owned(body::decode_quoted_printable(self.body, Ends::Trimmed)),
            Transfer::Uuencode => match body::decode_uuencode(self.body) {
                Some(bytes) => Cow::Owned(bytes),
                None => Cow::Borrowed(self.body),
            },
            Transfer::None => Cow::Borrowed(self.body),
        }
    }

    /// How many bytes [`Part::decoded`] would give.
    pub fn decoded_length(&self) -> u64 {
        match self.transfer() {
            Transfer::Base64 => body::base64_length(self.body),
            Transfer::None => self.body.len() as u64,
            _ => self.decoded().len() as u64,
        }
    }

    /// The text of a text part, with `\n` line ends and flowed lines joined.
    pub fn text(&self) -> Decoded {
        self.text_of(&self.decoded())
    }

    /// The same of what is left of the part's bytes after files were cut out of them.
    pub fn text_of(&self, bytes: &[u8]) -> Decoded {
        let label = self.kind.text("charset");
        let mut decoded = charset::decode(bytes, label.as_deref());
        if memchr::memchr(b'\r', decoded.text.as_bytes()).is_some() {
            decoded.text = decoded.text.replace("\r\n", "\n");
        }
        let is_flowed = || self.kind.text("format").is_some_and(|format| format.eq_ignore_ascii_case("flowed"));
        if self.mime == "text/plain" && is_flowed() {
            let is_delsp = self.kind.text("delsp").is_some_and(|delsp| delsp.eq_ignore_ascii_case("yes"));
            decoded.text = body::unfold_flowed(&decoded.text, is_delsp);
        }
        decoded
    }

    /// The file's name as the sender gave it, if any.
    pub fn file_name(&self) -> Option<String> {
        let names = [self.disposition.text("filename"), self.kind.text("name")];
        names
            .into_iter()
            .flatten()
            .find_map(|name| Some(base_name(&name)).filter(|name| !name.is_empty()).map(str::to_owned))
    }

    /// The `Content-ID` without angle brackets.
    pub fn content_id(&self) -> Option<String> {
        let id = self.headers.text("Content-ID")?;
        let id = id.trim_matches(['<', '>', ' ']);
        (!id.is_empty()).then(|| id.to_owned())
    }

    /// Whether it can be shown as text, and is not sent as a file.
    pub fn is_text(&self) -> bool {
        let is_text = matches!(
            self.mime.as_str(),
            "text/plain"
                | "text/html"
                | "text/enriched"
                | "text/richtext"
                | "text/x-amp-html"
                | "text/watch-html"
                // What PGP was before it had parts of its own: text with its armour.
                | "application/pgp"
        );
        let is_unread_multipart = self.mime.starts_with("multipart/");
        (is_text || is_unread_multipart) && self.disposition.value != "attachment"
    }
}

/// `C:\TEMP\a.png` and `/tmp/a.png` are where the sender kept it, and not what it is called.
pub fn base_name(name: &str) -> &str {
    let name = name.trim();
    let is_windows = name.starts_with(r"\\") || name.as_bytes().get(1..3).is_some_and(|drive| drive == br":\");
    let cut = if is_windows { name.rfind(['\\', '/']) } else { name.strip_prefix('/').and_then(|_| name.rfind('/')) };
    let base = cut.map_or(name, |cut| &name[cut + 1..]);
    if base.is_empty() { name } else { base }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(message: &str) -> Vec<(String, String)> {
        let tree = Tree::parse(message.as_bytes());
        tree.leaves().iter().map(|leaf| (leaf.mime.clone(), leaf.text().text)).collect()
    }

    #[test]
    fn parts_are_found_in_untidy_messages() {
        let plain = |text: &str| ("text/plain".to_owned(), text.to_owned());
        let cases = [
            ("no header", "just text", vec![plain("just text")]),
            ("plain", "Subject: x\n\nhello\n", vec![plain("hello\n")]),
            ("bogus type", "Content-Type: text\n\nhello", vec![plain("hello")]),
            (
                "two parts",
                "Content-Type: multipart/mixed; boundary=b\n\npreamble\n--b\n\none\n--b\nX: y\n\ntwo\n--b--\nepilogue",
                vec![plain("one"), plain("two")],
            ),
            (
                "CRLF",
                "Content-Type: multipart/mixed; boundary=\"b\"\r\n\r\n--b\r\n\r\none\r\n--b--\r\n",
                vec![plain("one")],
            ),
            ("end missing", "Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n", vec![plain("one\n")]),
            (
                "one boundary begins another",
                "Content-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: multipart/mixed; boundary=xy\n\n\
                 --xy\n\ninner\n--xy--\n--x\n\nouter\n--x--\n",
                vec![plain("inner"), plain("outer")],
            ),
            (
                "boundary does not occur",
                "Content-Type: multipart/mixed; boundary=b\n\n--c\n\none\n",
                vec![("multipart/mixed".to_owned(), "--c\n\none\n".to_owned())],
            ),
            (
                "digest",
                "Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: x\n\n--b--\n",
                vec![("message/rfc822".to_owned(), "Subject: x\n".to_owned())],
            ),
            ("empty part", "Content-Type: multipart/mixed; boundary=b\n\n--b\n--b--\n", vec![plain("")]),
            ("encoded", "Content-Transfer-Encoding: BASE64\n\naGVsbG8=\n", vec![plain("hello")]),
            (
                "flowed",
                "Content-Type: text/plain; format=flowed; delsp=yes\r\n\r\none \r\ntwo\r\n",
                vec![plain("onetwo\n")],
            ),
        ];
        for (name, message, expected) in cases {
            assert_eq!(leaves(message), expected, "{name}");
        }
    }

    #[test]
    fn deep_nesting_ends() {
        let mut message = String::new();
        for n in 0..2_000 {
            message.push_str(&format!("Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n"));
        }
        let tree = Tree::parse(message.as_bytes());
        assert_eq!(tree.leaves().len(), 1);
        assert!(tree.problems.iter().any(|problem| problem.contains("too deep")));
    }

    #[test]
    fn a_part_knows_its_length_without_being_decoded() {
        for encoding in ["base64", "quoted-printable", "7bit", "x-uuencode"] {
            let message = format!("Content-Transfer-Encoding: {encoding}\n\nbegin 644 a\n#86)C\n`\nend\nYWJj=\nZGVm\n");
            let tree = Tree::parse(message.as_bytes());
            assert_eq!(tree.root.decoded_length(), tree.root.decoded().len() as u64, "{encoding}");
        }
    }
}
