//! The files of an archive, read by the places that a catalog names.

use std::io::{self, Read, Seek, SeekFrom};

use serde_json::{Map, Value};

use crate::catalog::Piece;
use crate::input::{Input, Portion};
use crate::json::{self, Forgiven};
use crate::record::{Origin, RecordId};
use crate::source::{ReadError, xml};

/// How many files are kept open at once; an API dump may have a hundred thousand.
const OPEN_FILES: usize = 16;

/// About how much memory something takes that is remembered under its id, by its length in the archive: as a tree of values an
/// object takes ten times the bytes of its text, and what was not found takes a place, too.
pub(crate) fn weight(length: u64) -> u64 {
    300 + 10 * length
}

/// The files of the archive, read by position.
pub(crate) struct Shelf {
    pub input: Input,
    open: Vec<(u32, Portion)>,
    /// How many bytes were read.
    pub bytes_read: u64,
}

impl Shelf {
    pub(crate) fn new(input: Input) -> Self {
        Self { input, open: Vec::new(), bytes_read: 0 }
    }

    /// Where a piece stands.
    pub(crate) fn origin(&self, piece: &Piece) -> Origin {
        let shown = &self.input.files()[piece.file as usize].shown;
        if piece.line > 0 { Origin::line(shown, piece.line) } else { Origin::byte(shown, piece.offset) }
    }

    /// The bytes of a piece.
    pub(crate) fn bytes(&mut self, piece: &Piece) -> Result<Vec<u8>, ReadError> {
        self.read(piece).map_err(|cause| ReadError::Io { origin: self.origin(piece), cause })
    }

    fn read(&mut self, piece: &Piece) -> io::Result<Vec<u8>> {
        let index = match self.open.iter().position(|(file, _)| *file == piece.file) {
            Some(index) => index,
            None => {
                if self.open.len() == OPEN_FILES {
                    self.open.remove(0);
                }
                self.open.push((piece.file, self.input.files()[piece.file as usize].open()?));
                self.open.len() - 1
            }
        };
        let file = &mut self.open[index].1;
        file.seek(SeekFrom::Start(piece.offset))?;
        let mut bytes = Vec::with_capacity(usize::try_from(piece.length).unwrap_or(0));
        file.take(piece.length).read_to_end(&mut bytes)?;
        self.bytes_read += bytes.len() as u64;
        Ok(bytes)
    }

    /// The object that a piece is; `id` only tells people which record it would have been.
    pub(crate) fn object(
        &mut self,
        piece: &Piece,
        id: Option<&RecordId>,
    ) -> Result<(Map<String, Value>, Forgiven), ReadError> {
        let bytes = self.bytes(piece)?;
        let is_xml = bytes.trim_ascii_start().starts_with(b"<");
        let malformed = |problem| ReadError::Malformed { origin: self.origin(piece), id: id.cloned(), problem };
        if is_xml {
            let object = xml::object(&bytes).ok_or_else(|| malformed("not a whole XML element".to_owned()))?;
            return Ok((object, Forgiven::default()));
        }
        match json::parse(&bytes) {
            Ok((Value::Object(object), forgiven)) => Ok((object, forgiven)),
            Ok(_) => Err(malformed("not a JSON object".to_owned())),
            Err(error) => Err(malformed(format!("not JSON: {error} of the element"))),
        }
    }
}
