//! Which messages make up a conversation: the index that every source of mail shares.
//!
//! In this order: the server's own thread (`X-GM-THRID`), `References` and `In-Reply-To`, and at last the
//! subject: a message with a reply's prefix that hangs together with nothing joins the newest earlier one of the same
//! subject, written within the window, between the same two people.
//!
//! A message that stands in the archive twice counts once: same Message-ID and same text, or same Message-ID,
//! sender, date and subject and half of the lines (archives rewrite links and lose letters).
//! The same id on another text is another message.

use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::json;

use crate::catalog::{Catalog, CatalogError, Piece, Turn, key};
use crate::mail::header::{self, Fields, Headers};
use crate::mail::labels::{self, System};
use crate::mail::{self, Sent, address};

/// Bits of `Piece::kind`.
pub mod flags {
    /// No Message-ID; the identity is a hash of the content.
    pub const NO_ID: u8 = 1;
    /// The subject has a reply's prefix.
    pub const REPLY: u8 = 1 << 1;
    /// A copy of an earlier message.
    pub const COPY: u8 = 1 << 2;
    /// Over the size limit; not to be read.
    pub const TOO_LARGE: u8 = 1 << 3;
    /// Joined by subject and people only.
    pub const JOINED: u8 = 1 << 4;
    /// The server says which thread it is in.
    pub const THREADED: u8 = 1 << 5;
    /// With [`COPY`]: the copy differs in a few lines.
    pub const NEARLY: u8 = 1 << 6;
    /// The message has a file of its own.
    pub const ALONE: u8 = 1 << 7;
}

/// How many earlier messages of one subject are looked at.
const LOOK_BACK: usize = 200;

/// How many references count; loops of forwarding programs make thousands.
const REFERENCES: usize = 200;

const DAY: i64 = 86_400;

/// What the pass over an archive of mail counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages as they stand, copies and deleted ones included.
    pub messages: u64,
    /// Different Message-IDs.
    pub distinct_message_ids: u64,
    /// Copies of messages.
    pub duplicates: u64,
    /// Marked as deleted by the mail program, and left out.
    pub deleted: u64,
    /// Gmail's chats, which are no mail, and left out.
    pub chats: u64,
    /// Messages without a Message-ID.
    pub without_message_id: u64,
    /// Messages without a `Date` field.
    pub without_date: u64,
    /// Messages joined by subject and people only.
    pub joined_by_subject: u64,
    /// Messages over the size limit.
    pub too_large: u64,
}

impl Counts {
    /// Under the names that a report uses.
    pub fn named(&self) -> Vec<(&'static str, u64)> {
        vec![
            ("messages", self.messages),
            ("distinct_message_ids", self.distinct_message_ids),
            ("duplicates", self.duplicates),
            ("deleted", self.deleted),
            ("chats", self.chats),
            ("without_message_id", self.without_message_id),
            ("without_date", self.without_date),
            ("joined_by_subject", self.joined_by_subject),
            ("too_large", self.too_large),
        ]
    }

    /// For keeping beside an index.
    pub fn to_note(self) -> String {
        json!(self.named().into_iter().collect::<std::collections::BTreeMap<_, _>>()).to_string()
    }

    /// What [`Counts::to_note`] made.
    pub fn from_note(note: &str) -> Option<Self> {
        let counts: std::collections::BTreeMap<String, u64> = serde_json::from_str(note).ok()?;
        let get = |name: &str| counts.get(name).copied();
        Some(Self {
            messages: get("messages")?,
            distinct_message_ids: get("distinct_message_ids")?,
            duplicates: get("duplicates")?,
            deleted: get("deleted")?,
            chats: get("chats")?,
            without_message_id: get("without_message_id")?,
            without_date: get("without_date")?,
            joined_by_subject: get("joined_by_subject")?,
            too_large: get("too_large")?,
        })
    }
}

/// What stopped the pass.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// The index failed.
    #[error("the index failed")]
    Catalog(#[from] CatalogError),
    /// A message could not be read again.
    #[error("a file of the archive cannot be read")]
    Io(#[from] io::Error),
}

/// A message as the pass meets it.
#[derive(Debug, Clone, Copy)]
pub struct Met<'a> {
    /// The header block, at least.
    pub head: &'a [u8],
    /// The container's envelope line, if it has such a thing.
    pub envelope: &'a [u8],
    /// The file, as an index into `Input::files`.
    pub file: u32,
    /// The first byte of the message.
    pub offset: u64,
    /// Its length in bytes.
    pub length: u64,
    /// Whether it is over the size limit.
    pub is_too_large: bool,
    /// Whether it has a file of its own.
    pub is_alone: bool,
}

/// Reads a piece's bytes again, at most as many as said.
pub type ReadAgain<'a> = dyn FnMut(&Piece, u64) -> io::Result<Vec<u8>> + 'a;

/// How many messages travel together to the OS thread that writes the catalog.
const BATCH: usize = 256;

/// How many batches may wait for it.
const WAITING: usize = 4;

/// Messages on their way into the catalog, each with the end of its tokens.
#[derive(Default)]
struct Batch {
    pieces: Vec<(Piece, usize)>,
    tokens: Vec<i64>,
}

/// Takes messages in, for the catalog and for working out which belong together.
pub struct Threads {
    zone: TimeZone,
    counts: Counts,
    batch: Batch,
    writer: SyncSender<Batch>,
    tokens: Vec<i64>,
}

/// Makes a pass over an archive: `take_all` gives every message to [`Threads::put`].
///
/// The catalog is written on another OS thread meanwhile. `zone` is for dates that name none. The counts
/// are complete after [`finish`].
pub fn pass<T>(
    catalog: &mut Catalog,
    zone: TimeZone,
    take_all: impl FnOnce(&mut Threads) -> T,
) -> Result<(T, Counts), IndexError> {
    let (writer, batches) = sync_channel(WAITING);
    let mut threads = Threads { zone, counts: Counts::default(), batch: Batch::default(), writer, tokens: Vec::new() };
    thread::scope(|scope| {
        let name = "mail-catalog".to_owned();
        let written = thread::Builder::new().name(name).spawn_scoped(scope, || write(catalog, batches))?;
        let taken = take_all(&mut threads);
        // Whoever does not listen any more says why below.
        let _ = threads.hand_on();
        let Threads { counts, writer, .. } = threads;
        drop(writer);
        match written.join() {
            Ok(outcome) => outcome.map(|()| (taken, counts)),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

fn write(catalog: &mut Catalog, batches: Receiver<Batch>) -> Result<(), IndexError> {
    for batch in batches {
        let mut start = 0;
        for (piece, end) in batch.pieces {
            catalog.put_linked(piece, &batch.tokens[start..end])?;
            start = end;
        }
    }
    Ok(())
}

impl Threads {
    fn push(&mut self, piece: Piece) -> Result<(), IndexError> {
        self.batch.tokens.append(&mut self.tokens);
        self.batch.pieces.push((piece, self.batch.tokens.len()));
        if self.batch.pieces.len() >= BATCH { self.hand_on() } else { Ok(()) }
    }

    fn hand_on(&mut self) -> Result<(), IndexError> {
        let sent = self.writer.send(std::mem::take(&mut self.batch));
        sent.map_err(|_| IndexError::Io(io::Error::other("the catalog is not written any more")))
    }

    /// Takes one message in.
    pub fn put(&mut self, met: Met<'_>, read: &mut ReadAgain<'_>) -> Result<(), IndexError> {
        self.counts.messages += 1;
        let headers = Headers::new(Fields::of_message(met.head).collect());
        if is_deleted(&headers) {
            self.counts.deleted += 1;
            return Ok(());
        }
        if is_chat(&headers) {
            self.counts.chats += 1;
            return Ok(());
        }
        let sent = Sent::of(&headers, met.envelope, &self.zone);
        self.counts.without_date += u64::from(!sent.has_date);
        let mut piece = Piece {
            at: sent.at.map_or(i64::MAX, Timestamp::as_second),
            file: met.file,
            offset: met.offset,
            length: met.length,
            kind: if met.is_alone { flags::ALONE } else { 0 },
            ..Piece::default()
        };
        self.tokens.clear();
        if met.is_too_large {
            // It cannot be read, so it must not bring down the conversation it may belong to.
            self.counts.too_large += 1;
            piece.kind |= flags::TOO_LARGE;
            return self.push(piece);
        }
        piece.same = match mail::raw_message_id(&headers) {
            Some(id) => key("id", id),
            None => {
                self.counts.without_message_id += 1;
                piece.kind |= flags::NO_ID;
                let message = read(&piece, met.length)?;
                key("content", mail::content_id(&message, met.envelope).as_bytes())
            }
        };
        self.tokens.push(piece.same);
        if let Some(thread) = headers.raw("X-GM-THRID").map(<[u8]>::trim_ascii).filter(|thread| !thread.is_empty()) {
            piece.kind |= flags::THREADED;
            self.tokens.push(key("thread", thread));
        } else {
            for name in ["References", "In-Reply-To"] {
                let raw = headers.raw(name).unwrap_or_default();
                let mut ids = header::message_ids(raw);
                if name == "In-Reply-To" {
                    ids.retain(|id| !is_person(id, raw));
                }
                // The newest ones matter: the chain's beginning is what its middle refers to, too.
                let skip = ids.len().saturating_sub(REFERENCES);
                self.tokens.extend(ids.into_iter().skip(skip).map(|id| key("id", id)));
            }
        }
        if piece.kind & flags::THREADED == 0
            && let Some(raw) = headers.raw("Subject")
        {
            let subject = Subject::of(&header::decode(raw));
            if subject.is_reply {
                piece.kind |= flags::REPLY;
            }
            if !subject.bare.is_empty() {
                piece.version = key("subject", subject.bare.as_bytes());
            }
        }
        self.tokens.sort_unstable();
        self.tokens.dedup();
        self.push(piece)
    }
}

/// After the [`pass`]: tells copies apart, and joins what only the subject holds together.
pub fn finish(
    catalog: &mut Catalog,
    counts: Counts,
    window_days: u32,
    read: &mut ReadAgain<'_>,
) -> Result<Counts, IndexError> {
    let mut counts = counts;
    let mut seen = Versions::default();
    let copies = catalog.mark_copies(flags::NO_ID, |piece, turn| -> Result<u8, IndexError> {
        if turn == Turn::First {
            seen = Versions::default();
        }
        Ok(seen.add(&read(piece, piece.length)?))
    })?;
    counts.distinct_message_ids = copies.distinct;
    counts.duplicates = copies.copies;
    if window_days > 0 {
        let mut joiner = Joiner::new(i64::from(window_days) * DAY);
        counts.joined_by_subject = catalog.join_alike(flags::JOINED, is_leftover, |node, piece, is_leftover| {
            joiner.choose(node, piece, is_leftover, read)
        })?;
    }
    catalog.note("mail", &counts.to_note())?;
    Ok(counts)
}

/// The different messages under one Message-ID.
#[derive(Default)]
struct Versions {
    hashes: HashSet<blake3::Hash>,
    versions: Vec<Version>,
}

struct Version {
    /// Sender, date and subject.
    who_when_what: blake3::Hash,
    /// The lines that are not blank.
    lines: HashSet<u64>,
}

impl Versions {
    /// More versions than this are only compared as a whole.
    const MOST: usize = 8;
    /// Lines beyond are not compared.
    const LINES: usize = 20_000;

    /// The flags of a message's copy; 0 for a message not seen before.
    fn add(&mut self, message: &[u8]) -> u8 {
        if !self.hashes.insert(mail::body_hash(message)) {
            return flags::COPY;
        }
        if self.versions.len() >= Self::MOST {
            return 0;
        }
        let version = Version::of(message);
        let is_near = |other: &Version| {
            let shared = other.lines.intersection(&version.lines).count();
            other.who_when_what == version.who_when_what
                && shared > 0
                && shared * 2 >= other.lines.len().max(version.lines.len())
        };
        if self.versions.iter().any(is_near) {
            return flags::COPY | flags::NEARLY;
        }
        self.versions.push(version);
        0
    }
}

impl Version {
    fn of(message: &[u8]) -> Self {
        let mut fields = Fields::of_message(message);
        let headers = Headers::new(fields.by_ref().collect());
        let mut hasher = blake3::Hasher::new();
        for name in ["From", "Date", "Subject"] {
            hasher.update(&header::unfold(headers.raw(name).unwrap_or_default()));
            hasher.update(&[0]);
        }
        let lines = message[fields.body_start()..].split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
        let lines = lines.filter(|line| !line.is_empty()).take(Versions::LINES);
        let hash = |line: &[u8]| {
            let mut hasher = DefaultHasher::new();
            line.hash(&mut hasher);
            hasher.finish()
        };
        Self { who_when_what: hasher.finalize(), lines: lines.map(hash).collect() }
    }
}

fn is_leftover(piece: &Piece) -> bool {
    piece.kind & flags::REPLY != 0 && piece.kind & (flags::THREADED | flags::COPY) == 0
}

/// Bit 3 of `X-Mozilla-Status`: deleted, and the file not compacted since.
pub fn is_deleted(headers: &Headers<'_>) -> bool {
    let Some(raw) = headers.raw("X-Mozilla-Status") else { return false };
    let text = std::str::from_utf8(raw).unwrap_or_default();
    u32::from_str_radix(text.trim(), 16).is_ok_and(|status| status & 0x0008 != 0)
}

/// Whether what stands in `In-Reply-To` is an address: `Message from Ann <ann@example.org> of Monday`, or the address
/// alone. It would join everything that answers her. An id has a digit, or stands in its brackets alone.
fn is_person(id: &[u8], raw: &[u8]) -> bool {
    let text = raw.trim_ascii();
    let is_alone = text.starts_with(b"<") && text.len() == id.len() + 2;
    !is_alone && memchr::memchr(b'@', id).is_some() && !id.iter().any(u8::is_ascii_digit)
}

/// Gmail exports chats among mails: without anything that a mail has, or labelled as such and without sender or date. The
/// label alone says nothing, since anybody may call a label of theirs so.
fn is_chat(headers: &Headers<'_>) -> bool {
    let lacks = |name: &&str| headers.raw(name).is_none();
    if ["X-GM-THRID", "X-Gmail-Labels"].iter().all(lacks) || !["From", "Date"].iter().any(lacks) {
        return false;
    }
    let labels = headers.raw("X-Gmail-Labels").map(labels::split).unwrap_or_default();
    labels.iter().any(|label| labels::system(label) == Some(System::Chat))
        || ["From", "Date", "Subject", "To", "Message-ID"].iter().all(lacks)
}

/// Finds the message that a leftover answers.
struct Joiner {
    window: i64,
    subject: i64,
    earlier: VecDeque<Earlier>,
}

struct Earlier {
    node: i64,
    at: i64,
    people: People,
    ticket: Option<String>,
}

/// Who wrote a message and who was written to, in lower case.
struct People {
    author: Option<String>,
    all: HashSet<String>,
}

impl People {
    fn of(head: &[u8]) -> Self {
        let headers = Headers::new(Fields::of_message(head).collect());
        let emails = |name: &str| {
            let addresses = headers.all(name).flat_map(address::parse).collect::<Vec<_>>();
            addresses.into_iter().filter_map(|address| address.email).map(|email| email.to_lowercase())
        };
        let author = emails("From").next();
        let all = ["From", "To", "Cc"].into_iter().flat_map(emails).collect();
        Self { author, all }
    }

    /// Whether each one's author takes part in the other: for two mails of one author, somebody else as well.
    fn know(&self, other: &Self) -> bool {
        let takes_part =
            |author: &Option<String>, all: &HashSet<String>| author.as_ref().is_some_and(|author| all.contains(author));
        if self.author == other.author {
            let is_else = |email: &&String| self.author.as_ref() != Some(email);
            let is_alone = |people: &Self| !people.all.iter().any(|email| is_else(&email));
            return is_alone(self) && is_alone(other) || self.all.intersection(&other.all).any(|email| is_else(&email));
        }
        takes_part(&self.author, &other.all) && takes_part(&other.author, &self.all)
    }
}

impl Joiner {
    fn new(window: i64) -> Self {
        Self { window, subject: 0, earlier: VecDeque::new() }
    }

    fn choose(
        &mut self,
        node: i64,
        piece: &Piece,
        is_leftover: bool,
        read: &mut ReadAgain<'_>,
    ) -> Result<Option<i64>, IndexError> {
        const HEAD: u64 = 64 * 1024;
        if piece.version != self.subject {
            self.subject = piece.version;
            self.earlier.clear();
        }
        if piece.at == i64::MAX || piece.kind & flags::COPY != 0 {
            return Ok(None);
        }
        while self.earlier.front().is_some_and(|first| piece.at - first.at > self.window)
            || self.earlier.len() >= LOOK_BACK
        {
            self.earlier.pop_front();
        }
        let head = read(piece, piece.length.min(HEAD))?;
        let people = People::of(&head);
        let subject = Fields::of_message(&head).find(|field| field.name.eq_ignore_ascii_case(b"Subject"));
        let ticket = subject.and_then(|field| Subject::of(&header::decode(field.value)).ticket);
        // Two numbers are two tickets; a number on one side only was put on by whoever answered.
        let is_other_ticket =
            |earlier: &Earlier| ticket.is_some() && earlier.ticket.is_some() && ticket != earlier.ticket;
        let is_answered = |earlier: &&Earlier| earlier.people.know(&people) && !is_other_ticket(earlier);
        let found = is_leftover.then(|| self.earlier.iter().rev().find(is_answered)).flatten();
        let found = found.map(|earlier| earlier.node);
        self.earlier.push_back(Earlier { node, at: piece.at, people, ticket });
        Ok(found)
    }
}

/// Words before a colon that mean an answer, in the languages of mail programs. Forwards are not answers.
const REPLY_WORDS: &[&str] = &[
    "re",
    "aw",
    "antw",
    "antwort",
    "sv",
    "vs",
    "ynt",
    "odp",
    "atb",
    "res",
    "rif",
    "réf",
    "ref",
    "r",
    "bls",
    "hv",
    "vá",
    "ang",
    "回复",
    "回覆",
    "答复",
    "答覆",
    "返信",
    "ответ",
    "отв",
    "σχετ",
    "השב",
    "رد",
];

/// A subject, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// Whether it had a reply's prefix, or the number of a ticket.
    pub is_reply: bool,
    /// What is left, in lower case.
    pub bare: String,
    /// The number that a help desk put in, without its brackets.
    pub ticket: Option<String>,
}

impl Subject {
    /// Takes off what mail programs, lists and help desks put on.
    ///
    /// `[list]` in front goes; so does the number of a ticket (`[#123]`, `[Ticket#2024-17]`, `(#123)` at the end), which
    /// is kept apart. Any other tag with a digit in it stays, since it may be all that tells two subjects apart.
    pub fn of(subject: &str) -> Self {
        let mut rest = subject.trim();
        let (mut is_reply, mut ticket) = (false, None);
        loop {
            let before = rest;
            if let Some(inside) = rest.strip_prefix('[')
                && let Some((tag, after)) = inside.split_once(']')
                && !after.trim().is_empty()
            {
                if is_ticket(tag) {
                    ticket.get_or_insert_with(|| tag.trim().to_lowercase());
                    rest = after.trim_start();
                } else if !tag.contains(|c: char| c.is_ascii_digit()) {
                    rest = after.trim_start();
                }
            }
            if let Some(after) = without_reply_word(rest) {
                rest = after.trim_start();
                is_reply = true;
            }
            for (open, close) in [('[', ']'), ('(', ')')] {
                if let Some(inside) = rest.strip_suffix(close)
                    && let Some((before_tag, tag)) = inside.rsplit_once(open)
                    && is_ticket(tag)
                    && !before_tag.trim().is_empty()
                {
                    ticket.get_or_insert_with(|| tag.trim().to_lowercase());
                    rest = before_tag.trim_end();
                }
            }
            if rest == before {
                break;
            }
        }
        let bare = rest.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
        Self { is_reply: is_reply || ticket.is_some(), bare, ticket }
    }
}

/// `#123`, `Ticket#2024-17`, `Case: 4711`: a number that somebody's help desk counts by.
fn is_ticket(tag: &str) -> bool {
    const WORDS: [&str; 12] = [
        "ticket", "case", "request", "issue", "incident", "ref", "id", "support", "anfrage", "vorgang", "fall",
        "demande",
    ];
    // No number with its word is longer.
    const TAG_BYTES: usize = 40;
    let tag = tag.trim();
    if tag.len() > TAG_BYTES || !tag.ends_with(|c: char| c.is_ascii_digit()) {
        return false;
    }
    let word = tag.trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, '-' | '.' | '/'));
    let word = word.trim_end_matches([' ', ':', '#']);
    let is_counted = tag[word.len()..].starts_with(['#', ' ', ':']);
    is_counted && (word.is_empty() && tag.starts_with('#') || WORDS.contains(&&*word.to_lowercase()))
        || !word.is_empty() && tag[word.len()..].starts_with('#') && !word.contains(' ')
}

fn without_reply_word(text: &str) -> Option<&str> {
    // No prefix is longer; a colon further on is part of the subject.
    const PREFIX_BYTES: usize = 24;
    let (colon, mark) =
        text.char_indices().take_while(|(at, _)| *at < PREFIX_BYTES).find(|(_, c)| matches!(c, ':' | '：'))?;
    let prefix = text[..colon].trim_end();
    // `Re[2]`, `RE(3)`, `Re^2`.
    let word =
        prefix.trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, '[' | ']' | '(' | ')' | '^')).trim_end();
    let word = word.to_lowercase();
    REPLY_WORDS.contains(&word.as_str()).then(|| &text[colon + mark.len_utf8()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_compared_without_what_mail_programs_add() {
        let cases = [
            ("Hello", false, "hello", None),
            ("Re: Hello", true, "hello", None),
            ("RE: AW: Sv: Hello  there", true, "hello there", None),
            ("Re[2]: Hello", true, "hello", None),
            ("RE(3): Hello", true, "hello", None),
            ("[List] Re: Hello", true, "hello", None),
            ("Re: [List] Hello", true, "hello", None),
            ("Re: [Ext] [List] Re: Hello", true, "hello", None),
            ("回复：你好", true, "你好", None),
            ("Antwort: Hallo", true, "hallo", None),
            ("Fwd: Hello", false, "fwd: hello", None),
            ("TR: Bonjour", false, "tr: bonjour", None),
            ("Re: Fwd: Hello", true, "fwd: hello", None),
            ("Re: [#123] Hello", true, "hello", Some("#123")),
            ("[#123] Re: Hello", true, "hello", Some("#123")),
            ("Re: Hello [Ticket#2024-17]", true, "hello", Some("ticket#2024-17")),
            ("[Case 4711] Hello", true, "hello", Some("case 4711")),
            ("[Shop and Co #99] Hello", false, "[shop and co #99] hello", None),
            ("[Shop#99] Hello", true, "hello", Some("shop#99")),
            ("Re: Hello (#123)", true, "hello", Some("#123")),
            ("[PATCH 1/5] Hello", false, "[patch 1/5] hello", None),
            ("[2024] Hello", false, "[2024] hello", None),
            ("Reminder: pay", false, "reminder: pay", None),
            ("[List]", false, "[list]", None),
            ("[#123]", false, "[#123]", None),
            ("Re:", true, "", None),
            ("", false, "", None),
        ];
        for (subject, is_reply, bare, ticket) in cases {
            let expected = Subject { is_reply, bare: bare.to_owned(), ticket: ticket.map(str::to_owned) };
            assert_eq!(Subject::of(subject), expected, "{subject}");
        }
    }

    #[test]
    fn two_mails_of_one_author_belong_together_only_with_somebody_else() {
        let people = |author: &str, all: &[&str]| People {
            author: Some(author.to_owned()),
            all: all.iter().chain(&[author]).map(|email| (*email).to_owned()).collect(),
        };
        let cases = [
            (people("us", &["ann"]), people("ann", &["us"]), true),
            (people("us", &["ann"]), people("us", &["ann"]), true),
            (people("us", &["ann"]), people("us", &["bob"]), false),
            (people("us", &["ann"]), people("bob", &["us"]), false),
            (people("ann", &[]), people("ann", &[]), true),
            (people("ann", &["us"]), people("bob", &["us"]), false),
        ];
        for (one, other, expected) in cases {
            assert_eq!(one.know(&other), expected, "{:?} {:?}", one.all, other.all);
        }
    }

    #[test]
    fn counts_survive_being_kept() {
        let counts = Counts { messages: 7, duplicates: 2, too_large: 1, ..Counts::default() };
        assert_eq!(Counts::from_note(&counts.to_note()), Some(counts));
        assert_eq!(Counts::from_note("{}"), None);
    }
}
