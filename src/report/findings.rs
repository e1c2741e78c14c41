//! Every finding as a JSON line in a file (`--findings FILE`).

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use crate::report::{Event, Reporter};

/// Writes findings to a file; a failure is kept until [`FindingsFile::finish`].
pub struct FindingsFile {
    state: Mutex<io::Result<BufWriter<File>>>,
}

impl FindingsFile {
    /// Creates the file, or empties it.
    pub fn create(path: &Path) -> io::Result<Self> {
        Ok(Self { state: Mutex::new(Ok(BufWriter::new(File::create(path)?))) })
    }

    /// Writes out what is buffered, and gives the first failure if there was one; as often as it is asked.
    pub fn finish(&self) -> io::Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *state {
            Ok(file) => file.flush(),
            Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
        }
    }
}

impl Reporter for FindingsFile {
    fn event(&self, event: &Event<'_>) {
        let Event::Finding(finding) = event else { return };
        let mut line = serde_json::to_vec(finding).expect("a finding holds nothing that JSON cannot");
        line.push(b'\n');
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(file) = state.as_mut()
            && let Err(error) = file.write_all(&line)
        {
            *state = Err(error);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::{Finding, codes};

    #[test]
    fn each_finding_is_a_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("findings.jsonl");
        let file = FindingsFile::create(&path).unwrap();
        file.event(&Event::Finding(&Finding::new(codes::READ_DATE, "none")));
        file.event(&Event::Stopping { in_flight: 1 });
        file.event(&Event::Finding(&Finding::new(codes::READ_DELETED, "gone")));
        file.finish().unwrap();
        file.finish().unwrap();
        assert_eq!(
            std::fs::read_to_string(path).unwrap(),
            "{\"code\":\"read-date\",\"severity\":\"warning\",\"message\":\"none\"}\n\
             {\"code\":\"read-deleted\",\"severity\":\"info\",\"message\":\"gone\"}\n"
        );
    }
}
