//! Reads conversations back by position, on OS threads, and gives them out in order.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use jiff::tz::TimeZone;

use crate::catalog::{Group, Groups, Piece};
use crate::input::{Input, Portion};
use crate::mail::conversation::{self, Message, Own};
use crate::mail::header::Fields;
use crate::mail::labels::System;
use crate::mail::nature::Traits;
use crate::mail::threads::flags;
use crate::mail::{self, Mail, labels};
use crate::record::{Origin, Record};
use crate::source::lanes::{self, Answer, Lanes, Maker};
use crate::source::mail::{MESSAGE_BYTES, Original, find, read_at};
use crate::source::{ReadError, Shape};

/// How much of a copy is looked at for its labels.
const HEAD_BYTES: u64 = 64 * 1024;

/// How much before a message is looked at for its separator line.
const ENVELOPE_BYTES: u64 = 512;

/// Open files of the archive, the latest few.
pub struct Files {
    input: Input,
    open: VecDeque<(u32, Portion)>,
    bytes_read: u64,
}

impl Files {
    const MOST: usize = 16;

    /// Opens nothing yet.
    pub fn new(input: Input) -> Self {
        Self { input, open: VecDeque::new(), bytes_read: 0 }
    }

    /// Reads a stretch of a file; fewer bytes when the file ends before.
    pub fn read(&mut self, file: u32, offset: u64, length: u64) -> io::Result<Vec<u8>> {
        self.bytes_read += length;
        if let Some((_, open)) = self.open.iter_mut().find(|(number, _)| *number == file) {
            return read_at(open, offset, length);
        }
        let mut open = self.input.files()[file as usize].open()?;
        let bytes = read_at(&mut open, offset, length)?;
        if self.open.len() >= Self::MOST {
            self.open.pop_front();
        }
        self.open.push_back((file, open));
        Ok(bytes)
    }
}

/// What an OS thread needs to turn a group into a record.
pub struct Worker {
    source: &'static str,
    input: Input,
    files: Files,
    own: Arc<Own>,
    zone: TimeZone,
    original: Original,
}

/// Gives the records in the catalog's order, made on OS threads.
pub fn records(
    source: &'static str,
    input: &Input,
    groups: Groups,
    shape: &Shape,
    zone: &TimeZone,
    count: u64,
) -> impl Iterator<Item = Answer> + Send + use<> {
    let own = Arc::new(Own::new(&shape.own));
    let worker = |_| Worker {
        source,
        files: Files::new(input.clone()),
        input: input.clone(),
        own: Arc::clone(&own),
        zone: zone.clone(),
        original: shape.mail.original,
    };
    Lanes::new(source, input, groups, (0..lanes::useful(count)).map(worker).collect())
}

impl Maker for Worker {
    fn record(&mut self, group: &Group) -> Option<Answer> {
        self.record_of(group).transpose()
    }

    fn read(&self) -> u64 {
        self.files.bytes_read
    }
}

impl Worker {
    fn record_of(&mut self, group: &Group) -> Result<Option<Record>, ReadError> {
        let Some(first) = group.pieces.first() else { return Ok(None) };
        let mut messages: Vec<(i64, Message)> = Vec::with_capacity(group.pieces.len());
        for piece in &group.pieces {
            let origin = self.origin(piece);
            if piece.kind & flags::TOO_LARGE != 0 {
                let limit = format!("{} MiB", MESSAGE_BYTES >> 20);
                return Err(ReadError::TooLarge { origin, what: "a message", limit });
            }
            if piece.kind & flags::COPY != 0 {
                continue;
            }
            let failed = |cause| ReadError::Io { origin: origin.clone(), cause };
            // The separator line stands before the message, and one reading is enough for both.
            let before = piece.offset.min(ENVELOPE_BYTES);
            let bytes = self.files.read(piece.file, piece.offset - before, before + piece.length).map_err(failed)?;
            if (bytes.len() as u64) < before + piece.length {
                return Err(ReadError::Truncated { origin });
            }
            let (before, bytes) = bytes.split_at(before as usize);
            let is_repeated = messages.iter().any(|(same, _)| *same == piece.same);
            let message = self.message(piece, before, bytes, is_repeated, origin);
            messages.push((piece.same, message));
        }
        for piece in group.pieces.iter().filter(|piece| piece.kind & flags::COPY != 0) {
            let head = self.files.read(piece.file, piece.offset, piece.length.min(HEAD_BYTES));
            let head = head.map_err(|cause| ReadError::Io { origin: self.origin(piece), cause })?;
            let Some((_, message)) = messages.iter_mut().find(|(same, _)| *same == piece.same) else { continue };
            if message.traits.is_group || !add_labels(message, &head) {
                message.folders.extend(self.standing(piece));
            }
            if piece.kind & flags::NEARLY != 0 {
                message.near_copies.push(self.origin(piece));
            }
        }
        let shown = &self.input.files()[first.file as usize].shown;
        let folder = if is_alone(first) { find::folder(shown) } else { Some(shown.to_string()) };
        let messages = messages.into_iter().map(|(_, message)| message).collect();
        let mut record = conversation::record(self.source, messages, &self.own, folder);
        if let Some(record) = &mut record {
            record.origin.seat = Some(Box::new(group.seat));
        }
        Ok(record)
    }

    fn message(&self, piece: &Piece, before: &[u8], bytes: &[u8], is_repeated: bool, origin: Origin) -> Message {
        let file = &self.input.files()[piece.file as usize];
        let envelope = match is_alone(piece) {
            true => Cow::Owned(find::envelope(&file.shown, before)),
            false => Cow::Borrowed(find::last_line(before)),
        };
        let envelope = &*envelope;
        let is_quoted = !is_alone(piece) && !is_mboxcl2(bytes);
        let content_id = (piece.kind & flags::NO_ID != 0).then(|| mail::content_id(bytes, envelope));
        let repeated = is_repeated.then(|| mail::body_hash(bytes));
        let bytes = if is_quoted { mail::unquote(bytes) } else { Cow::Borrowed(bytes) };
        let (mut mail, sent) = Mail::parse_sent(&bytes, envelope, &self.zone);
        let is_wanted = match self.original {
            Original::Never => false,
            Original::Odd => !mail.problems.is_empty() || sent.problem.is_some(),
            Original::Always => true,
        };
        if is_wanted {
            mail.attach_original(bytes.len() as u64);
        }
        let traits = Traits::of(&bytes, mail.from.first());
        if traits.is_group {
            // There they are the state of a topic, and stay with the entry.
            mail.labels.clear();
        }
        let mut id = mail.message_id.clone().or(content_id).unwrap_or_default();
        if let Some(hash) = repeated {
            // The same id on another text: another message.
            id = format!("{id}~{}", &hash.to_hex()[..8]);
        }
        let is_labelled = !mail.labels.is_empty();
        Message {
            sent,
            mail,
            traits,
            id,
            origin,
            path: Arc::clone(&file.path),
            offset: file.start + piece.offset,
            length: piece.length,
            is_quoted,
            more_labels: Vec::new(),
            near_copies: Vec::new(),
            // Labels say it of each mail; a folder does where there are none.
            folders: if is_labelled { Vec::new() } else { self.standing(piece) },
            marks: find::marks(&file.shown).filter(|_| is_alone(piece)),
            is_joined: piece.kind & flags::JOINED != 0,
        }
    }

    fn origin(&self, piece: &Piece) -> Origin {
        let shown = &self.input.files()[piece.file as usize].shown;
        if is_alone(piece) { Origin::whole(shown) } else { Origin::byte(shown, piece.offset) }
    }

    /// What the names of its folder and file say.
    fn standing(&self, piece: &Piece) -> Vec<System> {
        let files = self.input.files();
        // The only file was meant as it is, whatever it is called.
        if files.len() == 1 { Vec::new() } else { find::standing(&files[piece.file as usize].shown, !is_alone(piece)) }
    }
}

/// Whether the message has a file of its own.
fn is_alone(piece: &Piece) -> bool {
    piece.kind & flags::ALONE != 0
}

/// Whether the message stands unquoted: it was counted, and has a line that would have been quoted.
fn is_mboxcl2(message: &[u8]) -> bool {
    memchr::memmem::find(message, b"\nFrom ").is_some()
        && Fields::of_message(message).any(|field| field.name.eq_ignore_ascii_case(b"Content-Length"))
}

/// Gives a message the labels of its copy: Gmail labels each separately. Says whether there are any.
fn add_labels(message: &mut Message, copy: &[u8]) -> bool {
    let raw = Fields::of_message(copy).find(|field| field.name.eq_ignore_ascii_case(b"X-Gmail-Labels"));
    let is_labelled = raw.is_some();
    for label in raw.map(|field| labels::split(field.value)).unwrap_or_default() {
        if !message.mail.labels.contains(&label) && !message.more_labels.contains(&label) {
            message.more_labels.push(label);
        }
    }
    is_labelled
}
