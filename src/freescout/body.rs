//! Request bodies whose length is known and whose attachments are never held in memory.
//!
//! A [`Payload`] is JSON text cut at the places where attachments stand. Its length is worked out
//! from the texts and the announced lengths, so that `Content-Length` can be sent; the attachments
//! are opened when their turn comes, read in pieces on a blocking thread and encoded as they go.
//!
//! Promises:
//!
//! - What is sent is exactly as long as [`Payload::length`] says, or the request is cut before its
//!   end: an attachment that turns out shorter, longer or unreadable stops the stream before the
//!   text that follows it, and a server that has not got all it was promised does nothing.
//! - At most two pieces of an attachment are in memory for one request.

use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::{Stream, stream};
use tokio::time::Instant;

use crate::content::Content;

use super::error::ErrorKind;

/// Bytes of an attachment read at a time. A multiple of three, so that only the last piece is
/// padded; small enough that a hundred requests in flight stay under 100 MB.
const PIECE: usize = 3 * 64 * 1024;

/// Text is handed over in slices of this size, so that progress can be told.
const SLICE: usize = 64 * 1024;

/// A body in the making: JSON text with attachments between.
#[derive(Debug)]
pub(super) struct Payload {
    segments: Vec<Segment>,
    length: u64,
}

#[derive(Debug, Clone)]
enum Segment {
    Text(Bytes),
    Base64 { file_name: String, content: Content, length: u64, hash: ContentHash },
}

/// Writes JSON by hand, so that keys stand in one fixed order and attachments need no memory.
#[derive(Debug, Default)]
pub(super) struct JsonWriter {
    segments: Vec<Segment>,
    text: Vec<u8>,
    length: u64,
    needs_comma: bool,
}

impl JsonWriter {
    pub(super) fn begin_object(&mut self) {
        self.value();
        self.text.push(b'{');
        self.needs_comma = false;
    }

    pub(super) fn end_object(&mut self) {
        self.text.push(b'}');
        self.needs_comma = true;
    }

    pub(super) fn begin_array(&mut self) {
        self.value();
        self.text.push(b'[');
        self.needs_comma = false;
    }

    pub(super) fn end_array(&mut self) {
        self.text.push(b']');
        self.needs_comma = true;
    }

    pub(super) fn key(&mut self, key: &'static str) {
        if self.needs_comma {
            self.text.push(b',');
        }
        self.json(key);
        self.text.push(b':');
        self.needs_comma = false;
    }

    pub(super) fn string(&mut self, value: &str) {
        self.value();
        self.json(value);
    }

    /// JSON that is put together elsewhere.
    pub(super) fn value_of(&mut self, value: &serde_json::Value) {
        self.value();
        self.json(value);
    }

    pub(super) fn number(&mut self, value: u64) {
        self.value();
        self.json(&value);
    }

    pub(super) fn bool(&mut self, value: bool) {
        self.value();
        self.json(&value);
    }

    pub(super) fn null(&mut self) {
        self.value();
        self.text.extend_from_slice(b"null");
    }

    /// A string that holds the content as base64. Its length must be known.
    /// When all of it was sent, `hash` knows what.
    pub(super) fn base64(&mut self, file_name: &str, content: &Content, length: u64, hash: &ContentHash) {
        self.value();
        self.text.push(b'"');
        self.flush();
        self.length += encoded_length(length);
        let (file_name, content, hash) = (file_name.into(), content.clone(), hash.clone());
        self.segments.push(Segment::Base64 { file_name, content, length, hash });
        self.text.push(b'"');
    }

    pub(super) fn strings(&mut self, key: &'static str, values: &[String]) {
        self.key(key);
        self.begin_array();
        for value in values {
            self.string(value);
        }
        self.end_array();
    }

    pub(super) fn text(&mut self, key: &'static str, value: &str) {
        self.key(key);
        self.string(value);
    }

    pub(super) fn finish(mut self) -> Payload {
        self.flush();
        Payload { segments: self.segments, length: self.length }
    }

    fn value(&mut self) {
        if self.needs_comma {
            self.text.push(b',');
        }
        self.needs_comma = true;
    }

    fn json(&mut self, value: &(impl serde::Serialize + ?Sized)) {
        serde_json::to_writer(&mut self.text, value).expect("text, numbers and flags always become JSON");
    }

    fn flush(&mut self) {
        if !self.text.is_empty() {
            self.length += self.text.len() as u64;
            self.segments.push(Segment::Text(std::mem::take(&mut self.text).into()));
        }
    }
}

/// How many bytes base64 makes of `length` bytes.
fn encoded_length(length: u64) -> u64 {
    length.div_ceil(3).saturating_mul(4)
}

/// What the bytes of an attachment were when they were last sent to their end, shared by its copies.
#[derive(Debug, Clone, Default)]
pub struct ContentHash(Arc<Mutex<Option<[u8; 16]>>>);

impl ContentHash {
    /// The first 16 bytes of the BLAKE3 hash; `None`: never sent whole.
    pub fn get(&self) -> Option<[u8; 16]> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, hash: &blake3::Hash) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = hash.as_bytes().first_chunk().copied();
    }
}

/// What is known about a request on its way, shared between its stream and its sender.
#[derive(Debug)]
pub(super) struct Sending {
    sent: AtomicU64,
    is_complete: AtomicBool,
    last_progress: Mutex<Instant>,
    fault: Mutex<Option<(ErrorKind, Option<io::Error>)>>,
}

impl Sending {
    pub(super) fn new() -> Self {
        Self {
            sent: AtomicU64::new(0),
            is_complete: AtomicBool::new(false),
            last_progress: Mutex::new(Instant::now()),
            fault: Mutex::new(None),
        }
    }

    /// Bytes handed to the connection.
    pub(super) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Acquire)
    }

    /// Whether the last byte was handed over.
    pub(super) fn is_complete(&self) -> bool {
        self.is_complete.load(Ordering::Acquire)
    }

    pub(super) fn complete(&self) {
        self.is_complete.store(true, Ordering::Release);
    }

    /// When something last moved.
    pub(super) fn last_progress(&self) -> Instant {
        *self.last_progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was wrong with an attachment, if that is why the request was cut.
    pub(super) fn take_fault(&self) -> Option<(ErrorKind, Option<io::Error>)> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn advance(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::AcqRel);
        *self.last_progress.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn fail(&self, kind: ErrorKind, cause: Option<io::Error>) -> io::Error {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some((kind, cause));
        io::Error::other("an attachment is not what was announced")
    }
}

impl Payload {
    /// Its length on the wire, in bytes.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// All of it, for tests that look at the bytes.
    #[cfg(test)]
    pub(super) async fn into_bytes(self) -> Vec<u8> {
        use futures_util::TryStreamExt as _;
        let bytes: Vec<Bytes> = pieces(self.segments, Arc::new(Sending::new())).try_collect().await.unwrap();
        bytes.concat()
    }

    /// The body for one sending of it. `sending` hears of every piece.
    pub(super) fn into_body(self, sending: &Arc<Sending>) -> reqwest::Body {
        match <[Segment; 1]>::try_from(self.segments) {
            // A small body goes out in the same packet as the head.
            Ok([Segment::Text(text)]) if text.len() <= SLICE => {
                sending.advance(text.len());
                sending.complete();
                text.into()
            }
            Ok(segments) => stream_of(segments.into(), sending),
            Err(segments) => stream_of(segments, sending),
        }
    }
}

fn stream_of(segments: Vec<Segment>, sending: &Arc<Sending>) -> reqwest::Body {
    reqwest::Body::wrap_stream(pieces(segments, Arc::clone(sending)))
}

/// What the stream is in the middle of.
enum Doing {
    Nothing,
    Text(Bytes),
    Base64(Encoder),
}

fn pieces(segments: Vec<Segment>, sending: Arc<Sending>) -> impl Stream<Item = io::Result<Bytes>> + Send {
    let state = (segments.into_iter(), Doing::Nothing, sending);
    stream::try_unfold(state, |(mut rest, mut doing, sending)| async move {
        loop {
            match doing {
                Doing::Nothing => match rest.next() {
                    None => {
                        sending.complete();
                        return Ok(None);
                    }
                    Some(Segment::Text(text)) => doing = Doing::Text(text),
                    Some(Segment::Base64 { file_name, content, length, hash }) => {
                        let hasher = Box::new(blake3::Hasher::new());
                        let from = Opened::Not(content);
                        doing = Doing::Base64(Encoder { file_name, length, read: 0, from, hasher, hash });
                    }
                },
                Doing::Text(mut text) => {
                    if text.is_empty() {
                        doing = Doing::Nothing;
                        continue;
                    }
                    let piece = text.split_to(text.len().min(SLICE));
                    sending.advance(piece.len());
                    if text.is_empty() && rest.len() == 0 {
                        sending.complete();
                    }
                    return Ok(Some((piece, (rest, Doing::Text(text), sending))));
                }
                Doing::Base64(encoder) => match encoder.next_piece().await {
                    Ok((encoder, piece)) if piece.is_empty() => {
                        encoder.finish();
                        doing = Doing::Nothing;
                    }
                    Ok((encoder, piece)) => {
                        sending.advance(piece.len());
                        return Ok(Some((piece, (rest, Doing::Base64(encoder), sending))));
                    }
                    Err((kind, cause)) => return Err(sending.fail(kind, cause)),
                },
            }
        }
    })
}

/// Turns one attachment into base64, piece by piece.
struct Encoder {
    file_name: String,
    length: u64,
    read: u64,
    from: Opened,
    hasher: Box<blake3::Hasher>,
    hash: ContentHash,
}

enum Opened {
    Not(Content),
    Reader(Box<dyn Read + Send>),
}

type Fault = (ErrorKind, Option<io::Error>);

impl Encoder {
    fn finish(self) {
        self.hash.set(&self.hasher.finalize());
    }

    /// The next piece, empty at the end.
    ///
    /// Every piece is read in a blocking task of its own: a slow server must not hold a thread of the
    /// blocking pool between two pieces.
    async fn next_piece(self) -> Result<(Self, Bytes), Fault> {
        if matches!(&self.from, Opened::Not(Content::Bytes(_))) && self.length <= PIECE as u64 {
            return self.read_piece();
        }
        let file_name = self.file_name.clone();
        match tokio::task::spawn_blocking(move || self.read_piece()).await {
            Ok(piece) => piece,
            // A reader that panics is a fault of ours; the request is cut, and the run goes on.
            Err(cause) => Err((ErrorKind::ContentUnreadable { file_name }, Some(io::Error::other(cause)))),
        }
    }

    fn read_piece(mut self) -> Result<(Self, Bytes), Fault> {
        let mut reader = match self.from {
            Opened::Reader(reader) => reader,
            Opened::Not(ref content) => match content.open() {
                Ok(reader) => reader,
                Err(cause) => return Err((ErrorKind::ContentUnreadable { file_name: self.file_name }, Some(cause))),
            },
        };
        // One byte more than is left is asked for: an attachment that has grown must be noticed here.
        let left = self.length - self.read;
        let wanted = left.saturating_add(1).min(PIECE as u64);
        let mut piece = Vec::with_capacity(wanted as usize);
        if let Err(cause) = reader.by_ref().take(wanted).read_to_end(&mut piece) {
            return Err((ErrorKind::ContentUnreadable { file_name: self.file_name }, Some(cause)));
        }
        let found = self.read + piece.len() as u64;
        if found > self.length || (found < self.length && (piece.len() as u64) < wanted) {
            let kind = ErrorKind::ContentChanged { file_name: self.file_name, announced: self.length, found };
            return Err((kind, None));
        }
        self.hasher.update(&piece);
        self.read = found;
        self.from = Opened::Reader(reader);
        Ok((self, STANDARD.encode(&piece).into()))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::TryStreamExt as _;

    use super::*;

    async fn sent(payload: Payload) -> (Result<Vec<u8>, String>, Arc<Sending>) {
        let sending = Arc::new(Sending::new());
        let bytes: Result<Vec<Bytes>, _> = pieces(payload.segments, Arc::clone(&sending)).try_collect().await;
        (bytes.map(|pieces| pieces.concat()).map_err(|error| error.to_string()), sending)
    }

    fn with_attachment(content: &Content, announced: u64) -> Payload {
        let mut writer = JsonWriter::default();
        writer.begin_object();
        writer.key("data");
        writer.base64("a.bin", content, announced, &ContentHash::default());
        writer.text("after", "é\u{0}\"");
        writer.end_object();
        writer.finish()
    }

    #[tokio::test]
    async fn the_announced_length_is_what_is_sent_at_every_size() {
        for size in [0, 1, 2, 3, 4, 5, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 2 * PIECE + 2, 5 * PIECE + 7] {
            let bytes: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
            let payload = with_attachment(&Content::bytes(bytes.clone()), size as u64);
            let announced = payload.length();

            let (body, sending) = sent(payload).await;

            let body = body.unwrap();
            assert_eq!(body.len() as u64, announced, "size {size}");
            assert_eq!(sending.sent(), announced);
            assert!(sending.is_complete());
            let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(STANDARD.decode(json["data"].as_str().unwrap()).unwrap(), bytes, "size {size}");
            assert_eq!(json["after"], "é\u{0}\"");
        }
    }

    #[tokio::test]
    async fn what_was_sent_to_its_end_has_a_hash() {
        let bytes: Vec<u8> = (0..2 * PIECE + 7).map(|at| (at % 251) as u8).collect();
        let expected: [u8; 16] = blake3::hash(&bytes).as_bytes()[..16].try_into().unwrap();
        for (announced, is_known) in [(bytes.len() as u64, true), (bytes.len() as u64 + 1, false)] {
            let hash = ContentHash::default();
            let mut writer = JsonWriter::default();
            writer.base64("a.bin", &Content::bytes(bytes.clone()), announced, &hash);
            let _ = sent(writer.finish()).await;
            assert_eq!(hash.get(), is_known.then_some(expected));
        }
    }

    #[tokio::test]
    async fn a_file_that_changed_its_length_never_reaches_the_end_of_the_body() {
        for (held, announced) in
            [(10_usize, 11_u64), (11, 10), (0, 1), (1, 0), (PIECE, 2 * PIECE as u64), (PIECE + 1, PIECE as u64)]
        {
            let payload = with_attachment(&Content::bytes(vec![7; held]), announced);
            let promised = payload.length();

            let (body, sending) = sent(payload).await;

            assert!(body.is_err(), "{held} held, {announced} announced");
            assert!(sending.sent() < promised);
            assert!(!sending.is_complete());
            let (kind, _) = sending.take_fault().unwrap();
            assert!(matches!(kind, ErrorKind::ContentChanged { announced: said, .. } if said == announced));
        }
    }

    #[tokio::test]
    async fn a_file_that_is_gone_is_named() {
        let content = Content::File { path: std::path::Path::new("/nonexistent/a").into(), length: 4 };

        let (body, sending) = sent(with_attachment(&content, 4)).await;

        assert!(body.is_err());
        let (kind, cause) = sending.take_fault().unwrap();
        assert_eq!(kind, ErrorKind::ContentUnreadable { file_name: "a.bin".into() });
        assert_eq!(cause.unwrap().kind(), io::ErrorKind::NotFound);
    }
}
