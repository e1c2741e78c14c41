//! A stretch of a file on this disk, read as if it were a file of its own.
//!
//! A stored member of a zip or tar file, and everything that was spooled, is such a stretch.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

/// Where a stretch lies.
#[derive(Debug, Clone)]
pub struct Place {
    /// The file on this disk.
    pub path: Arc<Path>,
    /// Its first byte.
    pub start: u64,
    /// How many bytes.
    pub length: u64,
}

impl Place {
    /// A whole file of this length in bytes.
    pub fn whole(path: impl Into<Arc<Path>>, length: u64) -> Self {
        Self { path: path.into(), start: 0, length }
    }

    /// Opens it at its first byte.
    pub fn open(&self) -> io::Result<Portion> {
        let mut file = File::open(&self.path)?;
        if self.start > 0 {
            file.seek(SeekFrom::Start(self.start))?;
        }
        Ok(Portion { file, start: self.start, length: self.length, at: 0 })
    }
}

/// An open stretch: positions count from its first byte, and it ends where it ends.
#[derive(Debug)]
pub struct Portion {
    file: File,
    start: u64,
    length: u64,
    at: u64,
}

impl Read for Portion {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let left = self.length.saturating_sub(self.at);
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        let count = self.file.read(&mut bytes[..most])?;
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for Portion {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.length.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        let before = || io::Error::new(io::ErrorKind::InvalidInput, "before the first byte");
        self.at = at.ok_or_else(before)?;
        self.file.seek(SeekFrom::Start(self.start.checked_add(self.at).ok_or_else(before)?))?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_reads_and_seeks_like_a_file_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, "before|inside|after").unwrap();
        let mut open = Place { path: path.into(), start: 7, length: 6 }.open().unwrap();
        let mut text = String::new();
        open.read_to_string(&mut text).unwrap();
        assert_eq!(text, "inside");
        assert_eq!(open.seek(SeekFrom::End(-4)).unwrap(), 2);
        text.clear();
        open.read_to_string(&mut text).unwrap();
        assert_eq!(text, "side");
        assert_eq!(open.seek(SeekFrom::Start(90)).unwrap(), 90, "a file may be sought behind its end");
        assert_eq!(open.read(&mut [0; 4]).unwrap(), 0);
        assert!(open.seek(SeekFrom::Current(-91)).is_err());
    }
}
