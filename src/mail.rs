//! A lenient layer over MIME: what real mail needs beyond the standard.
//!
//! Promises:
//!
//! - [`Mail::parse`] never fails and never panics: what cannot be understood is text, or a file, and said so.
//! - Time and depth are bounded for any input; memory by a small multiple of the message.
//! - Files are not decoded before they are wanted; [`leaf`] finds them again by their number.
//!
//! Sources of mail (`mbox`, `maildir`, `eml`) cut messages out of their containers and leave
//! the rest to this module: one message is read here, [`threads`] says which belong together, and
//! [`conversation`] makes a record of them.
//!
//! Kept of the header, in an entry's `fields` and only where present: `message_id`, `in_reply_to`,
//! `references`, `reply_to`, `sender`, `labels`, `list_id`, `mailing_list`, `auto_submitted`, `precedence`,
//! `importance`, `return_path`, `x_spam_flag`, `x_priority`, `mail_flags`, and `x_freescout_…` of our own exports.

use std::borrow::Cow;
use std::io;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};

use crate::finding::codes;
use crate::record::Body;

pub mod address;
mod apple;
pub mod body;
pub mod charset;
#[cfg(test)]
mod compared;
pub mod conversation;
pub mod date;
pub mod folder;
pub mod header;
#[cfg(test)]
mod hostile;
pub mod inner;
pub mod labels;
pub mod mime;
mod names;
pub mod nature;
pub mod rtf;
pub mod smime;
mod text;
pub mod threads;
pub mod tnef;
pub mod uuencode;

use address::Address;
use header::Headers;
use mime::{Part, Tree};

/// Stands for the message as a whole where a leaf's number is asked for.
pub const WHOLE: usize = usize::MAX;

/// The `n`-th file inside a leaf (in `winmail.dat`, in the text) has the leaf's number and `n` times this, from 1 on.
pub const INNER: usize = 1 << 14;

/// Before this, a date is a program's mistake: nobody has mail of 1970.
const EARLIEST: i64 = 365 * 86_400;

/// From this on (2038-01-18) a date is a mistake, too, and FreeScout cannot hold it.
const LATEST: i64 = 2_147_385_600;

/// A sender's clock may be this wrong, in seconds, before the first server's clock is believed instead.
const CLOCK_ERROR: i64 = 30 * 86_400;

/// How much of a date is shown that is none.
const SHOWN_DATE_BYTES: usize = 120;

/// Header fields that are kept as they are: the name in the mail and the key in `fields`.
const KEPT_FIELDS: &[(&str, &str)] = &[
    ("List-Id", "list_id"),
    ("Mailing-List", "mailing_list"),
    ("Auto-Submitted", "auto_submitted"),
    ("Precedence", "precedence"),
    ("Importance", "importance"),
    ("Return-Path", "return_path"),
    ("X-Spam-Flag", "x_spam_flag"),
    ("X-Priority", "x_priority"),
    ("X-Mozilla-Keys", "mail_flags"),
];

/// What an export of ours says in `X-FreeScout-…` fields, as `x_freescout_…`; tags and custom fields as lists.
fn own_fields(headers: &Headers<'_>) -> Map<String, Value> {
    const PREFIX: &str = "x-freescout-";
    let mut fields = Map::new();
    for field in headers.fields() {
        let name = field.name.to_ascii_lowercase();
        let Some(name) = std::str::from_utf8(&name).ok().and_then(|name| name.strip_prefix(PREFIX)) else { continue };
        let key = format!("x_freescout_{}", name.replace('-', "_"));
        let value = Value::String(header::decode(field.value).trim().to_owned());
        if !matches!(name, "field" | "tag") {
            fields.entry(key).or_insert(value);
        } else if let Some(list) = fields.entry(key).or_insert_with(|| Value::Array(Vec::new())).as_array_mut() {
            list.push(value);
        }
    }
    fields
}

/// One message, read.
#[derive(Debug, Clone)]
pub struct Mail {
    /// Decoded, unfolded, not trimmed of prefixes.
    pub subject: Option<String>,
    /// Without angle brackets.
    pub message_id: Option<String>,
    /// Who wrote it.
    pub from: Vec<Address>,
    /// Who sent it on behalf of `from`.
    pub sender: Vec<Address>,
    /// To whom.
    pub to: Vec<Address>,
    /// Copied people.
    pub cc: Vec<Address>,
    /// Blind copies, as a sent folder has them.
    pub bcc: Vec<Address>,
    /// Where answers should go.
    pub reply_to: Vec<Address>,
    /// The text.
    pub body: Body,
    /// Everything that is not the text, in document order.
    pub files: Vec<File>,
    /// Labels of Gmail, decoded and split.
    pub labels: Vec<String>,
    /// The kept header fields.
    pub fields: Map<String, Value>,
    /// What was odd.
    pub problems: Vec<Problem>,
}

/// A file of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// The sender's name for it, else one made from its type.
    pub name: String,
    /// The media type it claims.
    pub mime: String,
    /// Without angle brackets.
    pub content_id: Option<String>,
    /// Whether it is shown inside the text.
    pub is_inline: bool,
    /// Which leaf it is, for one inside a leaf see [`INNER`], or [`WHOLE`].
    pub part: usize,
    /// The decoded length in bytes.
    pub length: u64,
}

/// Something odd about a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// From `finding::codes`.
    pub code: &'static str,
    /// One sentence without a full stop.
    pub message: String,
}

/// When a message was sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sent {
    /// The best that is known.
    pub at: Option<Timestamp>,
    /// Why the `Date` field was not used, if so.
    pub problem: Option<String>,
    /// Whether there is a `Date` field at all.
    pub has_date: bool,
}

impl Sent {
    /// Works out when a message was sent: by its `Date`, else the earliest `Received`, else the envelope line.
    ///
    /// `zone` is for dates that name none. The envelope's time is the last resort, since its zone is never known.
    pub fn of(headers: &Headers<'_>, envelope: &[u8], zone: &TimeZone) -> Self {
        let raw = headers.raw("Date");
        let date = raw.and_then(|raw| date::parse(raw, zone));
        let has_date = raw.is_some();
        // The last field was put on first, nearest to the sender.
        let received = || headers.all("Received").rev().find_map(|raw| date::parse_received(raw, zone)).filter(is_sane);
        let shown = || {
            let raw = raw.unwrap_or_default();
            header::decode(&raw[..raw.len().min(SHOWN_DATE_BYTES)])
        };
        if let Some(at) = date.filter(is_sane) {
            return match received() {
                Some(received) if (received.as_second() - at.as_second()).abs() > CLOCK_ERROR => Self {
                    at: Some(received),
                    problem: Some(format!("the date `{}` is far from when it was received, which was used", shown())),
                    has_date,
                },
                _ => Self { at: Some(at), problem: None, has_date },
            };
        }
        let (at, used) = match (received(), date::parse(envelope_date(envelope), zone).filter(is_sane)) {
            (Some(at), _) => (Some(at), "when it was received was used"),
            (None, Some(at)) if envelope.starts_with(MAILDIR) => (Some(at), "the one in the file's name was used"),
            (None, Some(at)) => (Some(at), "the envelope's was used"),
            (None, None) if date.is_some() => (date, "nothing better is known"),
            (None, None) => (None, "no other is known"),
        };
        let problem = match (raw, date) {
            (None, _) => format!("there is no date; {used}"),
            (Some(_), None) => format!("`{}` is not a date; {used}", shown()),
            (Some(_), Some(_)) => format!("the date `{}` is impossible; {used}", shown()),
        };
        Self { at, problem: Some(problem), has_date }
    }
}

fn is_sane(at: &Timestamp) -> bool {
    (EARLIEST..LATEST).contains(&at.as_second())
}

/// What stands for the envelope line of a file of a Maildir, which has its time in its name.
const MAILDIR: &[u8] = b"From maildir ";

/// What follows the sender in `From ann@example.org Mon Jan 15 10:30:00 2024`.
fn envelope_date(envelope: &[u8]) -> &[u8] {
    const DAYS: [&[u8]; 7] = [b" Mon ", b" Tue ", b" Wed ", b" Thu ", b" Fri ", b" Sat ", b" Sun "];
    let at = DAYS.iter().find_map(|day| memchr::memmem::rfind(envelope, day));
    at.map_or(&[], |at| &envelope[at..])
}

impl Mail {
    /// Reads a message, envelope line and `>From ` quoting already taken off.
    pub fn parse(message: &[u8]) -> Self {
        Self::of_tree(&Tree::parse(message))
    }

    /// The same with the time it was sent, for which see [`Sent::of`].
    pub fn parse_sent(message: &[u8], envelope: &[u8], zone: &TimeZone) -> (Self, Sent) {
        let tree = Tree::parse(message);
        (Self::of_tree(&tree), Sent::of(&tree.root.headers, envelope, zone))
    }

    fn of_tree(tree: &Tree<'_>) -> Self {
        let headers = &tree.root.headers;
        let people = |name: &str| headers.all(name).flat_map(address::parse).collect::<Vec<_>>();
        let mut problems: Vec<Problem> = tree
            .problems
            .iter()
            .map(|problem| Problem { code: codes::READ_BROKEN_MIME, message: (*problem).to_owned() })
            .collect();
        let text::Chosen { body, files } = text::choose(&tree.root, &mut problems, 0);
        let reply_to = people("Reply-To");
        let sender = people("Sender");
        let labels = headers.raw("X-Gmail-Labels").map(labels::split).unwrap_or_default();
        let mut mail = Self {
            subject: headers.text("Subject"),
            message_id: message_id(headers),
            from: people("From"),
            to: people("To"),
            cc: people("Cc"),
            bcc: people("Bcc"),
            body,
            files,
            fields: Map::new(),
            problems,
            reply_to,
            sender,
            labels,
        };
        mail.fields = mail.kept_fields(headers);
        mail
    }

    /// Puts the message itself, of this length in bytes, at the end of its files.
    pub fn attach_original(&mut self, length: u64) {
        let name = names::of_mail(self.subject.as_deref().unwrap_or_default(), self.files.len() + 1);
        let mime = "message/rfc822".to_owned();
        self.files.push(File { name, mime, content_id: None, is_inline: false, part: WHOLE, length });
    }

    fn kept_fields(&self, headers: &Headers<'_>) -> Map<String, Value> {
        let mut fields = Map::new();
        let mut keep = |key: &str, value: Value| {
            fields.insert(key.to_owned(), value);
        };
        let ids = |name: &str| -> Vec<Value> {
            let all = headers.raw(name).map(header::message_ids).unwrap_or_default();
            all.into_iter().map(|id| Value::String(charset::guess(id).into_owned())).collect()
        };
        let addresses = |people: &[Address]| -> Vec<Value> {
            people.iter().filter_map(|person| person.email.clone()).map(Value::String).collect()
        };
        for (key, value) in own_fields(headers) {
            keep(&key, value);
        }
        if let Some(id) = &self.message_id {
            keep("message_id", Value::String(id.clone()));
        }
        let lists = [
            ("in_reply_to", ids("In-Reply-To")),
            ("references", ids("References")),
            ("reply_to", addresses(&self.reply_to)),
            ("sender", addresses(&self.sender)),
            ("labels", self.labels.iter().cloned().map(Value::String).collect()),
        ];
        for (key, list) in lists {
            if !list.is_empty() {
                keep(key, Value::Array(list));
            }
        }
        for (name, key) in KEPT_FIELDS {
            if let Some(text) = headers.text(name) {
                keep(key, Value::String(text));
            }
        }
        fields
    }
}

/// The message's own id without angle brackets, if it has one that can be told from others.
pub fn message_id(headers: &Headers<'_>) -> Option<String> {
    raw_message_id(headers).map(|id| charset::guess(id).into_owned())
}

/// [`message_id`] as bytes, for indexing.
pub fn raw_message_id<'a>(headers: &Headers<'a>) -> Option<&'a [u8]> {
    let raw = headers.raw("Message-ID")?;
    let id = header::message_ids(raw).first().copied();
    // Without an `@` and without brackets it is still an id: `Message-ID: 12345`.
    id.or_else(|| {
        Some(raw.trim_ascii()).filter(|raw| !raw.is_empty() && raw.iter().all(u8::is_ascii_graphic) && *raw != b"<>")
    })
}

/// A hash of what makes a message the same message: the body without white space at its ends.
///
/// Copies of one message differ in the fields that servers and mail programs put on; mbox files
/// differ in line ends and in blank lines at the end.
pub fn body_hash(message: &[u8]) -> blake3::Hash {
    let mut fields = header::Fields::of_message(message);
    while fields.next().is_some() {}
    hash_text(&message[fields.body_start()..])
}

fn hash_text(text: &[u8]) -> blake3::Hash {
    let text = text.trim_ascii();
    if memchr::memchr(b'\r', text).is_none() {
        return blake3::hash(text);
    }
    let mut hasher = blake3::Hasher::new();
    for (n, line) in text.split(|&byte| byte == b'\n').enumerate() {
        hasher.update(if n > 0 { b"\n" } else { b"" });
        hasher.update(line.strip_suffix(b"\r").unwrap_or(line));
    }
    hasher.finalize()
}

/// What stands for the id of a message that has none: a hash of who, when, what and the text.
///
/// `envelope` counts only when the message has no date, since copies differ in it.
pub fn content_id(message: &[u8], envelope: &[u8]) -> String {
    let mut fields = header::Fields::of_message(message);
    let headers = Headers::new(fields.by_ref().collect());
    let mut hasher = blake3::Hasher::new();
    for name in ["From", "To", "Cc", "Date", "Subject"] {
        hasher.update(&header::unfold(headers.raw(name).unwrap_or_default()));
        hasher.update(&[0]);
    }
    if headers.raw("Date").is_none() {
        hasher.update(envelope.trim_ascii());
    }
    hasher.update(hash_text(&message[fields.body_start()..]).as_bytes());
    format!("hash-{}", &hasher.finalize().to_hex()[..32])
}

/// Takes one `>` off lines that start with `>From `, `>>From `, …, as mbox files put one on.
pub fn unquote(message: &[u8]) -> Cow<'_, [u8]> {
    let is_quoted = |at: usize| {
        let before = message[..at].iter().rev().take_while(|&&byte| byte == b'>').count();
        let start = at - before;
        before > 0 && (start == 0 || message[start - 1] == b'\n')
    };
    let places: Vec<usize> = memchr::memmem::find_iter(message, b"From ").filter(|&at| is_quoted(at)).collect();
    if places.is_empty() {
        return Cow::Borrowed(message);
    }
    let mut out = Vec::with_capacity(message.len());
    let mut from = 0;
    for at in places {
        out.extend_from_slice(&message[from..at - 1]);
        from = at;
    }
    out.extend_from_slice(&message[from..]);
    Cow::Owned(out)
}

/// The decoded bytes of the `part`-th leaf of a message, counted from 0 in document order.
///
/// [`WHOLE`] is the message itself, and [`INNER`] says how files inside of leaves are counted. Fails with `NotFound` when there are fewer leaves, which means that
/// the file changed since it was indexed.
pub fn leaf(message: Vec<u8>, is_mbox: bool, part: usize) -> io::Result<Vec<u8>> {
    let unquoted = if is_mbox { unquote(&message) } else { Cow::Borrowed(&[][..]) };
    let message = match unquoted {
        Cow::Owned(unquoted) => unquoted,
        Cow::Borrowed(_) => message,
    };
    if part == WHOLE {
        return Ok(message);
    }
    let tree = Tree::parse(&message);
    let leaves = tree.leaves();
    leaf_of(&leaves, part, 0).ok_or_else(|| {
        io::Error::new(io::ErrorKind::NotFound, format!("the message has {} parts and not {}", leaves.len(), part + 1))
    })
}

/// The same for leaves that are at hand; `depth` counts signed mails inside of signed mails.
fn leaf_of(leaves: &[&Part<'_>], part: usize, depth: usize) -> Option<Vec<u8>> {
    let leaf = leaves.get(part % INNER)?;
    match part / INNER {
        0 => Some(leaf.decoded().into_owned()),
        inside => inner::bytes(leaf, inside - 1, depth),
    }
}

#[cfg(test)]
mod tests {
    use super::compared::mails;
    use super::*;

    fn mail(text: &str) -> Mail {
        Mail::parse(text.as_bytes())
    }

    fn names(mail: &Mail) -> Vec<&str> {
        mail.files.iter().map(|file| file.name.as_str()).collect()
    }

    #[test]
    fn the_text_is_what_a_mail_program_shows() {
        let text = |text: &str| Body::Text(text.to_owned());
        let html = |html: &str| Body::Html(html.to_owned());
        let parts = |kind: &str, parts: &[&str]| {
            let parts: String = parts.iter().map(|part| format!("--b\n{part}\n")).collect();
            format!("Content-Type: multipart/{kind}; boundary=b\n\n{parts}--b--\n")
        };
        const PLAIN: &str = "Content-Type: text/plain\n\nplain";
        const HTML: &str = "Content-Type: text/html\n\n<p>html</p>";
        let cases: Vec<(&str, String, Body, Vec<&str>)> = vec![
            ("plain", PLAIN.into(), text("plain"), vec![]),
            ("empty", "Subject: x\n\n".into(), Body::Empty, vec![]),
            ("alternatives", parts("alternative", &[PLAIN, HTML]), html("<p>html</p>"), vec![]),
            ("alternatives the other way", parts("alternative", &[HTML, PLAIN]), html("<p>html</p>"), vec![]),
            ("empty HTML", parts("alternative", &[PLAIN, "Content-Type: text/html\n\n \n"]), text("plain"), vec![]),
            (
                "an invitation",
                parts("alternative", &[PLAIN, "Content-Type: text/calendar\n\nBEGIN:VCALENDAR"]),
                text("plain"),
                vec!["text-1.ics"],
            ),
            ("two texts", parts("mixed", &[PLAIN, "\nfooter"]), text("plain\n\nfooter"), vec![]),
            ("HTML and a footer", parts("mixed", &[HTML, "\na < b"]), html("<p>html</p><div>a &lt; b</div>\n"), vec![]),
            (
                "a named text is a file",
                parts("mixed", &[PLAIN, "Content-Type: text/plain; name=log.txt\n\nlines"]),
                text("plain"),
                vec!["log.txt"],
            ),
            (
                "a forwarded message",
                parts("mixed", &[PLAIN, "Content-Type: message/rfc822\n\nSubject: A/B: x\n\nhello"]),
                text("plain"),
                vec!["A B x.eml"],
            ),
            (
                "signed",
                parts("signed", &[PLAIN, "Content-Type: application/pgp-signature\n\n-----BEGIN"]),
                text("plain"),
                vec!["file-1.asc"],
            ),
            (
                "a bounce",
                parts(
                    "report",
                    &[
                        PLAIN,
                        "Content-Type: message/delivery-status\n\nAction: failed",
                        "Content-Type: text/rfc822-headers\n\nTo: x",
                    ],
                ),
                text("plain"),
                vec!["delivery-status.txt", "headers.txt"],
            ),
            (
                "winmail.dat",
                parts("mixed", &[PLAIN, "Content-Type: application/ms-tnef\n\nx"]),
                text("plain"),
                vec!["winmail.dat"],
            ),
            ("only a file", "Content-Type: application/pdf; name=a.pdf\n\n%PDF".into(), Body::Empty, vec!["a.pdf"]),
            ("no boundary", "Content-Type: multipart/mixed\n\nhello".into(), text("hello"), vec![]),
            ("not a header at all", "hello\nthere".into(), text("hello\nthere"), vec![]),
        ];
        for (name, message, body, files) in cases {
            let mail = mail(&message);
            assert_eq!(mail.body, body, "{name}");
            assert_eq!(names(&mail), files, "{name}");
        }
    }

    #[test]
    fn an_image_of_the_html_is_inline_and_known_by_its_id() {
        let message = "Content-Type: multipart/related; boundary=b\n\n--b\nContent-Type: text/html\n\n<img src=\"cid:logo@x\">\n\
                       --b\nContent-Type: image/png; name=logo.png\nContent-ID: <logo@x>\nContent-Transfer-Encoding: base64\n\n\
                       aGVsbG8=\n--b--\n";
        let mail = mail(message);
        let [file] = &mail.files[..] else { panic!("one file") };
        assert_eq!(
            (file.name.as_str(), file.content_id.as_deref(), file.is_inline),
            ("logo.png", Some("logo@x"), true)
        );
        assert_eq!((file.part, file.length), (1, 5));
        assert_eq!(leaf(message.as_bytes().to_vec(), false, file.part).unwrap(), b"hello");
        assert_eq!(leaf(message.as_bytes().to_vec(), false, WHOLE).unwrap(), message.as_bytes());
        assert!(leaf(message.as_bytes().to_vec(), false, 7).is_err());
    }

    #[test]
    fn a_message_is_dated_by_the_best_that_it_has() {
        const SENT: &str = "2024-01-15T10:30:00Z";
        const RECEIVED: &str =
            "Received: by a; Tue, 16 Jan 2024 11:00:00 +0000\nReceived: by b; Mon, 15 Jan 2024 10:31:00 +0000\n";
        const ENVELOPE: &str = "From a@b Wed Jan 17 12:00:00 2024";
        let cases = [
            ("a date", "Date: Mon, 15 Jan 2024 10:30:00 +0000\n".to_owned(), Some(SENT), false),
            ("a date and servers", format!("{RECEIVED}Date: Mon, 15 Jan 2024 10:30:00 +0000\n"), Some(SENT), false),
            ("no date", RECEIVED.to_owned(), Some("2024-01-15T10:31:00Z"), true),
            (
                "a wrong clock",
                format!("{RECEIVED}Date: Mon, 15 Jan 2007 10:30:00 +0000\n"),
                Some("2024-01-15T10:31:00Z"),
                true,
            ),
            (
                "an impossible date",
                format!("{RECEIVED}Date: Thu, 1 Jan 1970 00:00:00 +0000\n"),
                Some("2024-01-15T10:31:00Z"),
                true,
            ),
            ("words", "Date: sometime last tuesday\n".to_owned(), Some("2024-01-17T12:00:00Z"), true),
            ("nothing", String::new(), Some("2024-01-17T12:00:00Z"), true),
        ];
        for (name, text, expected, has_problem) in cases {
            let headers = Headers::new(header::Fields::of_message(text.as_bytes()).collect());
            let sent = Sent::of(&headers, ENVELOPE.as_bytes(), &TimeZone::UTC);
            assert_eq!(sent.at.map(|at| at.to_string()).as_deref(), expected, "{name}");
            assert_eq!(sent.problem.is_some(), has_problem, "{name}: {:?}", sent.problem);
        }
        let none = Sent::of(&Headers::default(), b"", &TimeZone::UTC);
        assert_eq!((none.at, none.has_date), (None, false));
    }

    #[test]
    fn quoting_is_undone_once_and_only_at_line_starts() {
        let cases = [
            (">From a", "From a"),
            (">>From a\n>From b", ">From a\nFrom b"),
            ("x >From a\n> From b\n>from c", "x >From a\n> From b\n>from c"),
            ("From a", "From a"),
            ("", ""),
        ];
        for (text, expected) in cases {
            assert_eq!(*unquote(text.as_bytes()), *expected.as_bytes(), "{text:?}");
        }
    }

    #[test]
    fn copies_have_one_hash_whatever_the_way_did_to_them() {
        let original = body_hash(b"A: 1\n\none\ntwo\n");
        assert_eq!(original, body_hash(b"Received: x\r\nA: 1\r\n\r\none\r\ntwo\r\n\r\n"));
        assert_ne!(original, body_hash(b"A: 1\n\none\nthree\n"));
        assert_ne!(content_id(b"Subject: a\n\nx", b""), content_id(b"Subject: b\n\nx", b""));
        assert_ne!(content_id(b"\n\nx", b"From a"), content_id(b"\n\nx", b"From b"));
        assert_eq!(content_id(b"Date: 1\n\nx", b"From a"), content_id(b"Date: 1\n\nx", b"From b"));
    }

    #[test]
    fn nothing_of_a_real_mail_is_lost() {
        for path in mails() {
            let bytes = std::fs::read(&path).unwrap();
            let mail = Mail::parse(&bytes);
            for file in &mail.files {
                let found = leaf(bytes.clone(), false, file.part).unwrap();
                assert_eq!(found.len() as u64, file.length, "{}: {}", path.display(), file.name);
                assert!(!file.name.is_empty());
            }
            let tree = Tree::parse(&bytes);
            for leaf in tree.leaves() {
                let is_file = mail.files.iter().any(|file| file.part % INNER == leaf.leaf);
                let is_empty = leaf.decoded_length() == 0;
                assert!(is_file || is_empty || leaf.is_text(), "{}: part {}", path.display(), leaf.leaf);
            }
        }
    }

    #[test]
    fn real_mails_cut_and_damaged_are_read_without_panic() {
        let mut random = fastrand::Rng::with_seed(11);
        for path in mails() {
            let bytes = std::fs::read(&path).unwrap();
            let bytes = &bytes[..bytes.len().min(20_000)];
            for _ in 0..6 {
                let mut damaged = bytes[..random.usize(..=bytes.len())].to_vec();
                for _ in 0..random.usize(0..20) {
                    if !damaged.is_empty() {
                        let at = random.usize(..damaged.len());
                        damaged[at] = *random.choice(b"\n\r:;=\"<>()[]?-, \x00\xFFa1").unwrap();
                    }
                }
                let mail = Mail::parse(&damaged);
                for file in mail.files {
                    assert_eq!(leaf(damaged.clone(), false, file.part).unwrap().len() as u64, file.length);
                }
            }
        }
    }
}
