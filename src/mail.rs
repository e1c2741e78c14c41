//! A lenient layer over MIME: what real mail needs beyond the standard.
//!
//! Promises:
//!
//! - [`Mail::parse`] never fails and never panics: what cannot be understood is text, or a file, and said so.
//! - Time and depth are bounded for any input; memory by a small multiple of the message.
//! - Files are not decoded before they are wanted; [`leaf`] finds them again by their number.
//!
//! Sources of mail (`mbox`, later `maildir` and `eml`) cut messages out of their containers and leave
//! the rest to this module: one message is read here, [`threads`] says which belong together, and
//! [`conversation`] makes a record of them.
//!
//! Kept of the header, in an entry's `fields` and only where present: `message_id`, `in_reply_to`,
//! `references`, `reply_to`, `sender`, `labels`, `list_id`, `mailing_list`, `auto_submitted`, `precedence`,
//! `importance`, `return_path`, `x_spam_flag`, `x_priority`, `mail_flags`.

use std::io;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};

use crate::finding::codes;
use crate::record::Body;

pub mod address;
pub mod body;
pub mod charset;
pub mod conversation;
pub mod date;
pub mod header;
pub mod labels;
pub mod mime;
mod text;
pub mod threads;

use address::Address;
use header::Headers;
use mime::{Part, Tree};

/// Stands for the message as a whole where a leaf's number is asked for.
pub const WHOLE: usize = usize::MAX;

/// Before this, a date is a program's mistake: nobody has mail of 1970.
const EARLIEST: i64 = 365 * 86_400;

/// From this on (2038-01-18) a date is a mistake, too, and FreeScout cannot hold it.
const LATEST: i64 = 2_147_385_600;

/// A sender's clock may be this wrong, in seconds, before the first server's clock is believed instead.
const CLOCK_ERROR: i64 = 30 * 86_400;

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
    /// Which leaf it is, or [`WHOLE`].
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
        let shown = || header::decode(raw.unwrap_or_default());
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

/// What follows the sender in `From ann@example.org Mon Jan 15 10:30:00 2024`.
fn envelope_date(envelope: &[u8]) -> &[u8] {
    const DAYS: [&[u8]; 7] = [b" Mon ", b" Tue ", b" Wed ", b" Thu ", b" Fri ", b" Sat ", b" Sun "];
    let at = DAYS.iter().find_map(|day| memchr::memmem::rfind(envelope, day));
    at.map_or(&[], |at| &envelope[at..])
}

impl Mail {
    /// Reads a message, envelope line and `>From ` quoting already taken off.
    pub fn parse(message: &[u8]) -> Self {
        let tree = Tree::parse(message);
        let headers = &tree.root.headers;
        let people = |name: &str| headers.all(name).flat_map(address::parse).collect::<Vec<_>>();
        let mut problems: Vec<Problem> = tree
            .problems
            .iter()
            .map(|problem| Problem { code: codes::READ_BROKEN_MIME, message: (*problem).to_owned() })
            .collect();
        let text::Chosen { body, files } = text::choose(&tree.root, &mut problems);
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
    for line in text.split(|&byte| byte == b'\n') {
        hasher.update(line.strip_suffix(b"\r").unwrap_or(line));
        hasher.update(b"\n");
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
pub fn unquote(message: Vec<u8>) -> Vec<u8> {
    let is_quoted = |at: usize| {
        let before = message[..at].iter().rev().take_while(|&&byte| byte == b'>').count();
        let start = at - before;
        before > 0 && (start == 0 || message[start - 1] == b'\n')
    };
    let places: Vec<usize> = memchr::memmem::find_iter(&message, b"From ").filter(|&at| is_quoted(at)).collect();
    if places.is_empty() {
        return message;
    }
    let mut out = Vec::with_capacity(message.len());
    let mut from = 0;
    for at in places {
        out.extend_from_slice(&message[from..at - 1]);
        from = at;
    }
    out.extend_from_slice(&message[from..]);
    out
}

/// The decoded bytes of the `part`-th leaf of a message, counted from 0 in document order.
///
/// [`WHOLE`] is the message itself. Fails with `NotFound` when there are fewer leaves, which means that
/// the file changed since it was indexed.
pub fn leaf(message: Vec<u8>, is_mbox: bool, part: usize) -> io::Result<Vec<u8>> {
    let message = if is_mbox { unquote(message) } else { message };
    if part == WHOLE {
        return Ok(message);
    }
    let tree = Tree::parse(&message);
    let leaves = tree.leaves();
    let leaf: Option<&&Part<'_>> = leaves.get(part);
    leaf.map(|leaf| leaf.decoded().into_owned()).ok_or_else(|| {
        io::Error::new(io::ErrorKind::NotFound, format!("the message has {} parts and not {}", leaves.len(), part + 1))
    })
}
