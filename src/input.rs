//! What the operator named as ARCHIVE: files, folders, containers of files, or standard input.
//!
//! Promises:
//!
//! - Files come in a stable order: as named, and inside a folder or container by path.
//! - Symbolic links inside a folder are not followed, hidden files are not read; folders of a Maildir++ are not hidden.
//! - Nothing inside an archive chooses a path on this machine.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use walkdir::WalkDir;

use crate::backup::Keys;
use crate::content::Content;
use crate::record::Oddity;
pub use containers::Unpacking;
pub(crate) use containers::{ROOM_TO_LEAVE, free_bytes};
pub use portion::{Place, Portion};

mod containers;
mod portion;
mod workbook;

/// How many bytes of each file detection may look at.
const HEAD_BYTES: u64 = 64 * 1024;

/// How many files detection looks into; an API dump may hold a hundred thousand.
const HEAD_FILES: usize = 256;

/// The files of an archive.
#[derive(Debug, Clone)]
pub struct Input {
    files: Vec<InputFile>,
    is_piped: bool,
    /// Keeps what was spooled alive for as long as anybody reads it.
    spool: Option<Arc<tempfile::TempPath>>,
    spooled: u64,
    oddities: Vec<Oddity>,
    containers: Vec<&'static str>,
    /// Who opens it, if it is an encrypted backup.
    keys: Arc<Keys>,
}

/// One file of an archive.
#[derive(Debug, Clone)]
pub struct InputFile {
    /// Where it is; what came out of a container lies in the container or in a spool.
    pub path: Arc<Path>,
    /// Its first byte there; a file of its own begins at 0.
    pub start: u64,
    /// How the operator would name it: as typed, or relative to the folder or container typed.
    pub shown: Arc<str>,
    /// Its length in bytes when the input was opened.
    pub length: u64,
    /// When it, or its container, was last changed, if the file system says so.
    pub modified: Option<SystemTime>,
    /// Of something out of a container: what it is called from one run to the next.
    part_of: Option<Arc<str>>,
}

/// An ARCHIVE that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// Nothing is there, or it may not be read.
    #[error("`{path}` cannot be read")]
    Unreadable {
        /// As typed.
        path: String,
        /// The system's reason.
        #[source]
        cause: io::Error,
    },
    /// A folder without a single file.
    #[error("the folder `{path}` holds no files")]
    EmptyFolder {
        /// As typed.
        path: String,
    },
    /// A container that cannot be opened up.
    #[error("`{path}` cannot be used: {problem}")]
    Container {
        /// As typed, or as it is called in its folder.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// What must be spooled would fill the disk.
    #[error("`{scratch}` has {free} MiB of room, and unpacking needs {wanted}; name another folder with `--scratch`")]
    NoRoom {
        /// The folder for temporary files.
        scratch: String,
        /// What is free, in MiB.
        free: u64,
        /// What is needed, in MiB.
        wanted: u64,
    },
    /// The operator asked to stop while something was unpacked.
    #[error("interrupted while unpacking")]
    Interrupted,
    /// What cannot be sought could not be kept for reading it out of order.
    #[error("nothing can be spooled to `{scratch}`")]
    Spool {
        /// The folder for temporary files.
        scratch: String,
        /// The system's reason.
        #[source]
        cause: io::Error,
    },
}

impl Input {
    /// With whoever opens it, if it should be an encrypted backup.
    pub fn opened_by(mut self, keys: Keys) -> Self {
        self.keys = Arc::new(keys);
        self
    }

    /// Who opens it, if it is an encrypted backup.
    pub(crate) fn keys(&self) -> &Arc<Keys> {
        &self.keys
    }

    /// Opens every ARCHIVE; `-` is standard input. What cannot be sought is spooled to `scratch`.
    pub fn open(archives: &[PathBuf], scratch: &Path) -> Result<Self, InputError> {
        Self::open_watched(archives, scratch, &|_| ControlFlow::Continue(()))
    }

    /// Opens every ARCHIVE, and tells now and then how much is spooled; the watcher may ask to stop.
    pub fn open_watched(
        archives: &[PathBuf],
        scratch: &Path,
        watch: &dyn Fn(Unpacking) -> ControlFlow<()>,
    ) -> Result<Self, InputError> {
        let mut unpacker = containers::Unpacker::new(scratch, watch);
        for archive in archives {
            if archive.as_os_str() == "-" {
                unpacker.take_stream(&mut io::stdin().lock())?;
            } else if archive.is_dir() {
                let mut files = Vec::new();
                collect_folder(archive, &mut files)?;
                if files.is_empty() {
                    return Err(InputError::EmptyFolder { path: archive.display().to_string() });
                }
                unpacker.take_folder(files, 0, "")?;
            } else {
                unpacker.take_named(InputFile::of_disk(archive, &archive.display().to_string())?, 0)?;
            }
        }
        let unpacked = unpacker.finish()?;
        Ok(Self {
            files: unpacked.files,
            is_piped: archives.iter().any(|archive| archive.as_os_str() == "-"),
            spool: unpacked.spool,
            spooled: unpacked.spooled,
            oddities: unpacked.oddities,
            containers: unpacked.kinds,
            keys: Arc::default(),
        })
    }

    /// The files in their stable order.
    pub fn files(&self) -> &[InputFile] {
        &self.files
    }

    /// Whether anything of it came through standard input: its bytes are here only as long as this lives.
    pub fn is_piped(&self) -> bool {
        self.is_piped
    }

    /// How many bytes were copied to the folder for temporary files, if any had to be.
    pub fn spooled(&self) -> Option<u64> {
        self.spool.as_ref().map(|_| self.spooled)
    }

    /// What is odd about the containers: members that cannot be read, ends that are missing.
    pub fn oddities(&self) -> &[Oddity] {
        &self.oddities
    }

    /// The kinds of containers that were opened: `zip`, `gzip`, `tar`, `zstd`, `spreadsheet`.
    pub fn containers(&self) -> &[&'static str] {
        &self.containers
    }

    /// The sum of all lengths in bytes.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.length).sum()
    }

    /// The beginnings of the files, for telling formats apart.
    pub fn head(&self) -> io::Result<Head> {
        // Shallow files first: a dump may have thousands of attachments in a folder that sorts before its tickets.
        let mut chosen: Vec<&InputFile> = self.files.iter().collect();
        chosen.sort_by_key(|file| file.shown.matches(['/', '\\']).count());
        let mut files = Vec::new();
        for file in chosen.into_iter().take(HEAD_FILES) {
            files.push(file.head()?);
        }
        Ok(Head { files })
    }

    /// A hash over every file's path, size, time and both ends: unchanged while the archive is.
    pub fn stamp(&self) -> io::Result<blake3::Hash> {
        const END_BYTES: u64 = 4096;
        let mut hasher = blake3::Hasher::new();
        for file in &self.files {
            hasher.update(file.identity().as_bytes());
            hasher.update(&file.length.to_le_bytes());
            let modified = file.modified.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
            hasher.update(&modified.unwrap_or_default().as_nanos().to_le_bytes());
            let mut open = file.open()?;
            let mut end = Vec::new();
            Read::by_ref(&mut open).take(END_BYTES).read_to_end(&mut end)?;
            open.seek(SeekFrom::Start(file.length.saturating_sub(END_BYTES)))?;
            open.take(END_BYTES).read_to_end(&mut end)?;
            hasher.update(&end);
        }
        Ok(hasher.finalize())
    }
}

impl InputFile {
    /// The beginning of the file, for telling formats apart.
    pub fn head(&self) -> io::Result<HeadFile> {
        let start = self.start_bytes(HEAD_BYTES)?;
        Ok(HeadFile { shown: Arc::clone(&self.shown), length: self.length, start })
    }

    /// Opens it for reading and seeking, from its first byte to its last.
    pub fn open(&self) -> io::Result<Portion> {
        self.place().open()
    }

    /// Where its bytes lie.
    pub fn place(&self) -> Place {
        Place { path: Arc::clone(&self.path), start: self.start, length: self.length }
    }

    /// Its bytes as an attachment's.
    pub fn content(&self) -> Content {
        if self.part_of.is_some() {
            Content::Section { path: Arc::clone(&self.path), start: self.start, length: self.length }
        } else {
            Content::File { path: Arc::clone(&self.path), length: self.length }
        }
    }

    /// Whether it is a file of its own, with others beside it in a folder.
    pub fn is_in_folder(&self) -> bool {
        self.part_of.is_none()
    }

    fn start_bytes(&self, most: u64) -> io::Result<Vec<u8>> {
        let mut start = Vec::new();
        self.open()?.take(most).read_to_end(&mut start)?;
        Ok(start)
    }

    /// What it is called from one run to the next, whatever it was spooled to.
    fn identity(&self) -> String {
        match &self.part_of {
            Some(name) => name.to_string(),
            None => self.path.display().to_string(),
        }
    }

    /// Something out of a container.
    fn part(shown: &str, place: Place, modified: Option<SystemTime>, identity: &str) -> Self {
        let Place { path, start, length } = place;
        Self { path, start, shown: Arc::from(shown), length, modified, part_of: Some(Arc::from(identity)) }
    }

    fn of_disk(path: &Path, shown: &str) -> Result<Self, InputError> {
        let unreadable = |cause| InputError::Unreadable { path: shown.to_owned(), cause };
        // Opened, not only asked about: a file without read permission is better refused now.
        let metadata = File::open(path).and_then(|file| file.metadata()).map_err(unreadable)?;
        let path = std::path::absolute(path).map_err(unreadable)?;
        Ok(Self {
            path: Arc::from(path),
            start: 0,
            shown: Arc::from(shown),
            length: metadata.len(),
            modified: metadata.modified().ok(),
            part_of: None,
        })
    }
}

fn collect_folder(folder: &Path, files: &mut Vec<InputFile>) -> Result<(), InputError> {
    let is_visible = |entry: &walkdir::DirEntry| {
        entry.depth() == 0 || !entry.file_name().to_string_lossy().starts_with('.') || is_mail_folder(entry.path())
    };
    // What `fetch-attachments` got for an archive is no part of it, wherever it lies.
    let is_theirs = |entry: &walkdir::DirEntry| {
        is_visible(entry) && !(entry.file_type().is_dir() && entry.path().join(crate::fetch::INDEX).is_file())
    };
    for entry in WalkDir::new(folder).sort_by_file_name().into_iter().filter_entry(is_theirs) {
        let entry = entry
            .map_err(|cause| InputError::Unreadable { path: folder.display().to_string(), cause: cause.into() })?;
        if entry.file_type().is_file() {
            let shown = entry.path().strip_prefix(folder).unwrap_or(entry.path());
            files.push(InputFile::of_disk(entry.path(), &shown.display().to_string())?);
        }
    }
    Ok(())
}

/// What a mail folder holds; those of a Maildir++ begin with a dot, and are not hidden.
const MAIL_FOLDER: [&str; 3] = ["cur", "new", "tmp"];

fn is_mail_folder(folder: &Path) -> bool {
    MAIL_FOLDER[..2].iter().any(|part| folder.join(part).is_dir())
}

/// The beginnings of an archive's files, all that detection may look at.
#[derive(Debug)]
pub struct Head {
    /// In the input's order.
    pub files: Vec<HeadFile>,
}

/// The beginning of one file.
#[derive(Debug)]
pub struct HeadFile {
    /// The file as the operator would name it.
    pub shown: Arc<str>,
    /// The whole file's length in bytes.
    pub length: u64,
    /// Its first bytes, 64 KiB at most.
    pub start: Vec<u8>,
}

impl Head {
    /// Whether every file is empty.
    pub fn is_empty(&self) -> bool {
        self.files.iter().all(|file| file.length == 0)
    }

    /// Whether a file of this name (without folders, in any case) is there.
    pub fn has_file(&self, name: &str) -> bool {
        self.files
            .iter()
            .any(|file| Path::new(&*file.shown).file_name().is_some_and(|found| found.eq_ignore_ascii_case(name)))
    }
}

impl HeadFile {
    /// The ending of the name, in lower case, without the dot.
    pub fn extension(&self) -> String {
        Path::new(&*self.shown).extension().map(|ext| ext.to_string_lossy().to_lowercase()).unwrap_or_default()
    }

    /// The first bytes without a UTF-8 byte-order mark.
    pub fn text(&self) -> &[u8] {
        self.start.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&self.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_many_attachments_does_not_hide_what_stands_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("attachments")).unwrap();
        for n in 0..HEAD_FILES + 5 {
            std::fs::write(folder.path().join(format!("attachments/{n}.png")), "x").unwrap();
        }
        std::fs::write(folder.path().join("tickets.json"), "{}").unwrap();
        std::fs::write(folder.path().join(".hidden"), "x").unwrap();

        let input = Input::open(&[folder.path().to_owned()], folder.path()).unwrap();

        assert_eq!(input.files().len(), HEAD_FILES + 6, "hidden files are not read");
        let head = input.head().unwrap();
        assert_eq!(head.files.len(), HEAD_FILES);
        assert!(head.has_file("TICKETS.json"));
    }

    #[test]
    fn the_stamp_changes_with_either_end_of_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mbox");
        let stamp = |text: &str| {
            std::fs::write(&path, text).unwrap();
            let mut input = Input::open(std::slice::from_ref(&path), folder.path()).unwrap();
            // Only the content is asked about here.
            input.files[0].modified = None;
            input.stamp().unwrap()
        };
        let (first, same, start, end) = (stamp("abc"), stamp("abc"), stamp("xbc"), stamp("abx"));
        assert_eq!(first, same);
        assert_ne!(first, start);
        assert_ne!(first, end);
    }

    #[test]
    fn what_is_not_there_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let open = |path: PathBuf| Input::open(&[path], folder.path()).map_err(|error| error.to_string());
        assert!(open(folder.path().join("nothing")).unwrap_err().contains("nothing` cannot be read"));
        assert!(open(folder.path().to_owned()).unwrap_err().contains("holds no files"));
    }
}
