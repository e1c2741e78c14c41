//! What cannot be read of a JSON archive: the kind of a piece in the catalog while indexing, an error for its place while reading.

use crate::catalog::{CatalogError, Piece};
use crate::json::{Fault, MAX_DEPTH};
use crate::source::shelf::Shelf;
use crate::source::{ReadError, SourceError};

/// The first kind that stands for something unreadable; a source's own kinds lie below.
pub(super) const FIRST: u8 = TRUNCATED;

/// The file ends inside.
pub(super) const TRUNCATED: u8 = 64;
/// Brackets do not match; the piece's `version` is the offending byte.
pub(super) const BROKEN: u8 = 65;
/// Longer than the limit.
pub(super) const TOO_LONG: u8 = 66;
/// Nested too deeply.
pub(super) const TOO_DEEP: u8 = 67;
/// Not JSON.
pub(super) const MALFORMED: u8 = 68;
/// A ticket without an id.
pub(super) const NO_ID: u8 = 69;
/// The file cannot be read.
pub(super) const UNREADABLE: u8 = 70;

/// How many bytes of failed attempts are spent on finding a foothold behind damage in a file of so many bytes.
///
/// An attempt may fail only at the end of the file, and every line may look like a foothold: without a bound that
/// goes with the file's length, a megabyte of opening brackets would be read a hundred thousand times.
pub(super) fn salvage_bytes(length: u64) -> u64 {
    const MOST: u64 = 1024 * 1024 * 1024;
    const READINGS: u64 = 16;
    length.saturating_mul(READINGS).saturating_add(1024 * 1024).min(MOST)
}

/// Why a pass stopped walking over a file.
pub(super) enum Stop {
    /// The file is damaged here.
    Fault(Fault),
    /// The archive cannot be read at all.
    Fatal(SourceError),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<std::io::Error> for Stop {
    fn from(error: std::io::Error) -> Self {
        Self::Fault(Fault::Io(error))
    }
}

impl From<SourceError> for Stop {
    fn from(error: SourceError) -> Self {
        Self::Fatal(error)
    }
}

impl From<CatalogError> for Stop {
    fn from(error: CatalogError) -> Self {
        Self::Fatal(error.into())
    }
}

/// The kind of a fault, and the offending byte where one is known, else 0.
pub(super) fn of(fault: &Fault) -> (u8, u64) {
    match fault {
        Fault::Truncated { .. } => (TRUNCATED, 0),
        Fault::Broken { at, .. } => (BROKEN, *at),
        Fault::TooLong { .. } => (TOO_LONG, 0),
        Fault::TooDeep { .. } => (TOO_DEEP, 0),
        Fault::Io(_) => (UNREADABLE, 0),
    }
}

/// How large what a source reads may be, and how it is called.
pub(super) struct Bounds {
    /// With its article, as in "a record".
    pub(super) what: &'static str,
    /// As in "the nesting of a record".
    pub(super) nesting: &'static str,
    /// In bytes, whole MiB.
    pub(super) limit: u64,
}

/// How large one element may be, in bytes. A ticket with ten thousand long comments stays far below.
pub(super) const ELEMENT_LIMIT: u64 = 256 * 1024 * 1024;

/// What an element of a dump may be.
pub(super) const ELEMENT: &Bounds =
    &Bounds { what: "an element", nesting: "the nesting of an element", limit: ELEMENT_LIMIT };

/// The error that such a piece stands for.
pub(super) fn unreadable(shelf: &mut Shelf, piece: &Piece, bounds: &Bounds) -> ReadError {
    let Bounds { what, nesting, limit } = *bounds;
    let origin = shelf.origin(piece);
    match piece.kind {
        TRUNCATED => ReadError::Truncated { origin },
        TOO_LONG => ReadError::TooLarge { origin, what, limit: format!("{} MiB", limit / 1024 / 1024) },
        TOO_DEEP => ReadError::TooLarge { origin, what: nesting, limit: format!("{MAX_DEPTH} levels") },
        NO_ID => ReadError::MissingId { origin },
        BROKEN => {
            let problem = format!("brackets or quotes do not match at byte {} of the file", piece.version);
            ReadError::Malformed { origin, id: None, problem }
        }
        // The file may say by itself what is wrong.
        _ => match shelf.object(piece, None) {
            Err(error) => error,
            Ok(_) => {
                let problem = "could not be read when the archive was indexed".to_owned();
                ReadError::Malformed { origin, id: None, problem }
            }
        },
    }
}
