//! Attachments as files of an export, under names that are safe everywhere.
//!
//! A name from outside never chooses a path: folders are made of ids, and what is left of the name holds no
//! separator, no control character, no trailing dot, nothing that Windows reserves, and is short.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::hub::ExportedThread;
use super::{ExportError, Notes};
use crate::content::Content;
use crate::finding::codes;

/// Longest name in bytes; file systems take 255, and something stands before it.
const LONGEST_NAME: usize = 120;

/// Where attachments are put: `FOLDER/THOUSAND/CONVERSATION/THREAD-N/NAME`.
#[derive(Debug)]
pub struct Names {
    root: PathBuf,
    folder: String,
}

impl Names {
    /// Into this folder of an export.
    pub fn new(root: &Path, folder: &str) -> Self {
        Self { root: root.to_owned(), folder: folder.to_owned() }
    }

    /// Writes the files of a thread; gives their places relative to the export, `None` for those without bytes.
    pub fn write_all(
        &self,
        conversation: u64,
        it: &ExportedThread,
        notes: &mut Notes,
    ) -> Result<Vec<Option<String>>, ExportError> {
        self.write_tame(conversation, it, |_| false, notes)
    }

    /// The same; files with names that are `wild` get `.txt` behind them, so that whoever opens them sees a text.
    pub fn write_tame(
        &self,
        conversation: u64,
        it: &ExportedThread,
        is_wild: impl Fn(&str) -> bool,
        notes: &mut Notes,
    ) -> Result<Vec<Option<String>>, ExportError> {
        let mut paths = Vec::with_capacity(it.files.len());
        for (at, (file, content)) in it.thread.attachments().iter().zip(&it.files).enumerate() {
            if matches!(content, Content::Link { .. } | Content::Missing { .. }) {
                paths.push(None);
                continue;
            }
            // No folder with more than a thousand entries: some file systems and most file managers suffer from them.
            // Each file has a folder of its own, so that it keeps its name.
            let folder =
                format!("{}/{:04}/{conversation}/{}-{}", self.folder, conversation / 1000, it.thread.id, at + 1);
            let tame = if is_wild(&file.file_name) { ".txt" } else { "" };
            let path = format!("{folder}/{}{tame}", safe_name(&file.file_name));
            let place = self.root.join(&path);
            match copy(content, &self.root.join(folder), &place) {
                Ok(()) => paths.push(Some(path)),
                Err(Fault::Reading(cause)) => {
                    let message = format!("thread {}: `{}` could not be read: {cause}", it.thread.id, file.file_name);
                    notes.tell(codes::EXPORT_FILE_MISSING, conversation, message);
                    // Half a file would look like a whole one.
                    let _ = fs::remove_file(&place);
                    paths.push(None);
                }
                Err(Fault::Writing(cause)) => return Err(ExportError::Io { path: place, cause }),
            }
        }
        Ok(paths)
    }
}

enum Fault {
    Reading(io::Error),
    Writing(io::Error),
}

fn copy(content: &Content, folder: &Path, place: &Path) -> Result<(), Fault> {
    let mut bytes = content.open().map_err(Fault::Reading)?;
    fs::create_dir_all(folder).map_err(Fault::Writing)?;
    let mut out = File::create(place).map_err(Fault::Writing)?;
    let mut piece = vec![0; 64 * 1024];
    loop {
        match io::Read::read(&mut bytes, &mut piece) {
            Ok(0) => return Ok(()),
            Ok(length) => io::Write::write_all(&mut out, &piece[..length]).map_err(Fault::Writing)?,
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            Err(cause) => return Err(Fault::Reading(cause)),
        }
    }
}

/// A file's name that is safe everywhere, and as like the given one as that allows.
pub fn safe_name(name: &str) -> String {
    let mut safe: String = name
        .chars()
        .map(|c| match c {
            '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' | '#' | '%' | ';' | ',' => '_',
            // Marks that turn the reading direction make `exe.pdf` of `fdp.exe`.
            '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{200E}' | '\u{200F}' | '\u{FEFF}' => '_',
            c if c.is_control() => '_',
            c if c.is_whitespace() => ' ',
            c => c,
        })
        .collect();
    safe = safe.trim_matches([' ', '.']).to_owned();
    if safe.len() > LONGEST_NAME {
        let ending = safe.rfind('.').filter(|at| safe.len() - at <= 12).map(|at| safe[at..].to_owned());
        let ending = ending.unwrap_or_default();
        let mut end = LONGEST_NAME - ending.len();
        while !safe.is_char_boundary(end) {
            end -= 1;
        }
        safe = format!("{}{ending}", safe[..end].trim_end_matches([' ', '.']));
    }
    if safe.is_empty() { "file".to_owned() } else { safe }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_from_outside_are_safe() {
        let long = format!("{}.pdf", "ä".repeat(300));
        let table = [
            ("report.pdf", "report.pdf"),
            ("../../etc/passwd", "_.._etc_passwd"),
            ("C:\\x.exe", "C__x.exe"),
            ("..", "file"),
            ("", "file"),
            (" . ", "file"),
            ("a\u{0}b\nc", "a_b_c"),
            ("<img src=x onerror=alert(1)>.png", "_img src=x onerror=alert(1)_.png"),
            ("cod\u{202E}fdp.exe", "cod_fdp.exe"),
            ("what?#%20.txt", "what___20.txt"),
            ("Müller 猫.txt", "Müller 猫.txt"),
        ];
        for (name, expected) in table {
            assert_eq!(safe_name(name), expected, "{name:?}");
        }
        let safe = safe_name(&long);
        assert!(safe.len() <= LONGEST_NAME && safe.ends_with("ä.pdf"), "{safe}");
    }
}
