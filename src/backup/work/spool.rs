//! Lines that a run has gathered, one behind the other in a file that only grows.
//!
//! Whoever appends a line remembers where it lies. A line that was replaced stays until all are thrown away.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

/// How much is read at a time: lines are as a rule asked for in the order in which they lie.
const AHEAD: usize = 1 << 18;

/// The file.
pub(super) struct Spool {
    file: File,
    /// What has not been written yet.
    waiting: Vec<u8>,
    /// How much has been.
    written: u64,
    /// A part of the file that was read, and where it begins.
    window: Vec<u8>,
    window_start: u64,
}

impl Spool {
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        let written = file.metadata()?.len();
        Ok(Self { file, waiting: Vec::new(), written, window: Vec::new(), window_start: 0 })
    }

    /// How long it is, with what has not been written yet.
    pub fn length(&self) -> u64 {
        self.written + self.waiting.len() as u64
    }

    /// Appends a line, and says where it will lie once [flushed](Self::flush).
    pub fn push(&mut self, line: &str) -> u64 {
        let place = self.length();
        self.waiting.extend_from_slice(line.as_bytes());
        // For people who look into it.
        self.waiting.push(b'\n');
        place
    }

    /// Hands everything to the system: it is there when this process is killed.
    pub fn flush(&mut self) -> io::Result<()> {
        if !self.waiting.is_empty() {
            self.file.seek(SeekFrom::Start(self.written))?;
            self.file.write_all(&self.waiting)?;
            self.written += self.waiting.len() as u64;
            self.waiting.clear();
            self.waiting.shrink_to(AHEAD);
        }
        Ok(())
    }

    /// Writes everything to the disk: it is there when the power is lost.
    pub fn sync(&mut self) -> io::Result<()> {
        self.flush()?;
        self.file.sync_data()
    }

    /// Throws everything away.
    pub fn clear(&mut self) -> io::Result<()> {
        self.waiting.clear();
        self.window = Vec::new();
        self.written = 0;
        self.file.set_len(0)
    }

    /// The line that lies here and is so long.
    pub fn read(&mut self, place: u64, length: usize) -> io::Result<&str> {
        self.flush()?;
        let is_inside =
            place >= self.window_start && place + length as u64 <= self.window_start + self.window.len() as u64;
        if !is_inside {
            if place + length as u64 > self.written {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let wanted = length.max(AHEAD).min((self.written - place) as usize);
            self.window.clear();
            self.window.resize(wanted, 0);
            self.window.shrink_to(wanted);
            self.window_start = place;
            self.file.seek(SeekFrom::Start(place))?;
            if let Err(cause) = self.file.read_exact(&mut self.window) {
                self.window.clear();
                return Err(cause);
            }
        }
        let start = (place - self.window_start) as usize;
        std::str::from_utf8(&self.window[start..start + length])
            .map_err(|cause| io::Error::new(io::ErrorKind::InvalidData, cause))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_from_where_they_were_put_in_any_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines");
        let mut spool = Spool::open(&path).unwrap();
        let lines: Vec<String> = (0..300).map(|n| format!("{n}é").repeat(n * 7)).collect();
        let mut places = Vec::new();
        for (at, line) in lines.iter().enumerate() {
            places.push(spool.push(line));
            if at % 50 == 0 {
                spool.flush().unwrap();
            }
            assert_eq!(spool.read(places[at / 2], lines[at / 2].len()).unwrap(), lines[at / 2]);
        }
        let end = spool.length();
        spool.flush().unwrap();
        let mut spool = Spool::open(&path).unwrap();
        assert_eq!(spool.length(), end);
        for at in (0..300).rev() {
            assert_eq!(spool.read(places[at], lines[at].len()).unwrap(), lines[at]);
        }
        assert!(spool.read(end, 1).is_err() && spool.read(end - 1, 2).is_err());
        spool.clear().unwrap();
        assert!(spool.read(0, 1).is_err());
        assert_eq!(spool.push("x"), 0);
        assert_eq!(spool.read(0, 1).unwrap(), "x");
    }
}
