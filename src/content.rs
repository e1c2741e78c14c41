//! The bytes of attachments, opened on demand.
//!
//! A [`Content`] is a handle: cloning it copies no bytes, and nothing is read
//! before [`Content::open`]. Its length is known beforehand, so that a request
//! can be streamed with a `Content-Length`.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use crate::input::Place;
use crate::source::osticket::values::{Writing, decoded};

/// A handle on the bytes of one attachment.
#[derive(Debug, Clone)]
pub enum Content {
    /// Small bytes that were at hand anyway.
    Bytes(Arc<[u8]>),
    /// A whole file of the archive.
    File {
        /// Where the file is; chosen by the operator's archive, never by a name inside it.
        path: Arc<Path>,
        /// Its length in bytes.
        length: u64,
    },
    /// A stretch of a file: something that lies in a container, or was spooled out of one.
    Section {
        /// The container or the spool.
        path: Arc<Path>,
        /// The first byte.
        start: u64,
        /// Its length in bytes.
        length: u64,
    },
    /// A whole encrypted file of a backup.
    Encrypted {
        /// Where the file is; its name is a hash.
        path: Arc<Path>,
        /// How many bytes are inside.
        length: u64,
        /// What opens it.
        keys: Arc<crate::backup::Keys>,
    },
    /// A leaf part of an e-mail that stands somewhere in a file.
    MailPart {
        /// The file that holds the message.
        path: Arc<Path>,
        /// Where the message starts, in bytes.
        offset: u64,
        /// How long the message is as it stands, in bytes.
        message_length: u64,
        /// Whether `>From ` lines lose one `>` before parsing.
        is_mbox: bool,
        /// Which leaf of the message, counted from 0 in document order.
        part: usize,
        /// The decoded length in bytes.
        length: u64,
    },
    /// Values in an SQL dump that follow each other, each decoded when its turn comes.
    Chunks {
        /// In their order.
        chunks: Arc<[Chunk]>,
        /// The decoded length of all together in bytes.
        length: u64,
    },
    /// Only an address in the old system; the bytes are not in the archive.
    Link {
        /// The address.
        url: String,
        /// The size the archive claims, in bytes.
        claimed_length: Option<u64>,
    },
    /// Neither bytes nor address.
    Missing {
        /// Why, in a few words.
        reason: String,
        /// The size the archive claims, in bytes.
        claimed_length: Option<u64>,
    },
}

impl Content {
    /// Bytes that are already in memory.
    pub fn bytes(bytes: impl Into<Arc<[u8]>>) -> Self {
        Self::Bytes(bytes.into())
    }

    /// The length in bytes, if the bytes are in the archive.
    pub fn length(&self) -> Option<u64> {
        match self {
            Self::Bytes(bytes) => Some(bytes.len() as u64),
            Self::File { length, .. }
            | Self::Section { length, .. }
            | Self::Encrypted { length, .. }
            | Self::MailPart { length, .. }
            | Self::Chunks { length, .. } => Some(*length),
            Self::Link { .. } | Self::Missing { .. } => None,
        }
    }

    /// Opens the bytes for reading from the start.
    ///
    /// May be called any number of times. Fails with `NotFound` when the
    /// archive holds no bytes, and with the file's own error when it cannot be read.
    pub fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        match self {
            Self::Bytes(bytes) => Ok(Box::new(Cursor::new(Arc::clone(bytes)))),
            Self::File { path, .. } => Ok(Box::new(File::open(path)?)),
            Self::Section { path, start, length } => {
                Ok(Box::new(Place { path: Arc::clone(path), start: *start, length: *length }.open()?))
            }
            Self::Encrypted { path, keys, .. } => keys.open(path),
            Self::MailPart { path, offset, message_length, is_mbox, part, .. } => {
                let mut file = File::open(path)?;
                file.seek(SeekFrom::Start(*offset))?;
                let mut message = Vec::new();
                file.take(*message_length).read_to_end(&mut message)?;
                let bytes = crate::mail::leaf(message, *is_mbox, *part)?;
                Ok(Box::new(Cursor::new(bytes)))
            }
            Self::Chunks { chunks, .. } => {
                Ok(Box::new(ChunkReader { chunks: Arc::clone(chunks), next: 0, current: Cursor::default() }))
            }
            Self::Link { url, .. } => {
                Err(io::Error::new(io::ErrorKind::NotFound, format!("the archive only links to `{url}`")))
            }
            Self::Missing { reason, .. } => Err(io::Error::new(io::ErrorKind::NotFound, reason.clone())),
        }
    }
}

/// A value in an SQL dump that is a stretch of an attachment.
#[derive(Debug, Clone)]
pub struct Chunk {
    /// Where it is written.
    pub(crate) place: Place,
    /// How.
    pub(crate) writing: Writing,
    /// Its decoded length in bytes.
    pub(crate) length: u64,
}

/// Reads chunks one after the other; one is in memory at a time.
struct ChunkReader {
    chunks: Arc<[Chunk]>,
    next: usize,
    current: Cursor<Vec<u8>>,
}

impl Read for ChunkReader {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.current.read(to)?;
            let Some(chunk) = self.chunks.get(self.next).filter(|_| count == 0 && !to.is_empty()) else {
                return Ok(count);
            };
            self.next += 1;
            let mut written = Vec::new();
            chunk.place.open()?.read_to_end(&mut written)?;
            let bytes = decoded(&written, chunk.writing).into_owned();
            if bytes.len() as u64 != chunk.length {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "the dump has changed since it was read"));
            }
            self.current = Cursor::new(bytes);
        }
    }
}
