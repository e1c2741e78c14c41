//! Which journal a command means, and what it says when it cannot be used.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use foxferry::journal::{Journal, JournalError, Reader};

use crate::cli::JournalArgs;
use crate::cli::exit::{Exit, Failure};

/// The ending of journals' names.
const ENDING: &str = "ferry";

/// Opens the journal that is meant, for reading.
pub fn open(args: &JournalArgs) -> Result<Reader, Failure> {
    let path = match &args.journal {
        Some(path) => path.clone(),
        None => only_one(Path::new("."))?,
    };
    Journal::open_read_only(&path).map_err(|error| failure_of(&error))
}

/// The journal of an import: NAME.ferry in the current folder, NAME from the first ARCHIVE.
pub fn path_for(archive: &Path) -> PathBuf {
    let stem = |path: &Path| {
        let name = if path.is_dir() { path.file_name() } else { path.file_stem() };
        name.map(|name| name.to_string_lossy().into_owned())
    };
    let name = if archive.as_os_str() == "-" {
        "stdin".to_owned()
    } else {
        // `.` and `..` have no name of their own.
        stem(archive).or_else(|| stem(&archive.canonicalize().ok()?)).unwrap_or_else(|| "archive".to_owned())
    };
    PathBuf::from(format!("{name}.{ENDING}"))
}

/// Where the files are kept that an archive only links to: beside its journal.
pub fn files_for(archive: &Path) -> PathBuf {
    path_for(archive).with_extension("files")
}

/// Where the index of an archive is kept: beside the journal.
pub fn index_of(journal: &Path) -> PathBuf {
    let mut name = journal.as_os_str().to_owned();
    name.push(".index");
    PathBuf::from(name)
}

/// The only journal in the current folder, if it belongs to this target.
pub fn only_one_of(target: &str) -> Option<PathBuf> {
    let path = only_one(Path::new(".")).ok()?;
    let identity = Journal::open_read_only(&path).ok()?.identity().ok()?;
    (identity.target == target).then_some(path)
}

fn only_one(folder: &Path) -> Result<PathBuf, Failure> {
    let entries = fs::read_dir(folder)
        .map_err(|cause| Failure::new(Exit::Usage, format_args!("the current folder cannot be read: {cause}")))?;
    let mut found: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| PathBuf::from(entry.file_name()))
        .filter(|path| path.extension().is_some_and(|ending| ending == ENDING))
        .collect();
    found.sort();
    match &found[..] {
        [path] => Ok(path.clone()),
        [] => Err(Failure::new(Exit::Usage, "there is no *.ferry journal in the current folder")
            .hint("name one with `--journal`, or go to the folder where `foxferry import` ran")),
        several => {
            let names: Vec<_> = several.iter().map(|path| format!("`{}`", path.display())).collect();
            Err(Failure::new(
                Exit::Usage,
                format_args!("several journals are in the current folder: {}", names.join(", ")),
            )
            .hint("name one with `--journal`"))
        }
    }
}

/// Says that this machine is writing to a target, for as long as the file lives; `Err`: another process says so too.
///
/// Only a hint for people, so whatever goes wrong with it is nothing: two journals of one target are allowed, and what keeps
/// a journal from being written twice is its own lock.
pub fn announce_target(target: &str) -> Result<Option<File>, ()> {
    let name = format!("foxferry-{}.lock", &blake3::hash(target.as_bytes()).to_hex()[..16]);
    let path = std::env::temp_dir().join(name);
    if fs::symlink_metadata(&path).is_ok_and(|meta| !meta.is_file()) {
        return Ok(None);
    }
    // A lock needs no right to write: the file may be another user's.
    let file = File::open(&path).or_else(|_| File::options().read(true).write(true).create_new(true).open(&path));
    match file {
        Ok(file) => match file.try_lock() {
            Err(TryLockError::WouldBlock) => Err(()),
            _ => Ok(Some(file)),
        },
        Err(_) => Ok(None),
    }
}

/// Why a journal cannot be used, with advice.
pub fn failure_of(error: &JournalError) -> Failure {
    let failure = Failure::of(Exit::Stopped, error);
    match error {
        JournalError::Missing { .. } => {
            Failure::of(Exit::Usage, error).hint("an import makes one; name another with `--journal`")
        }
        JournalError::OtherTarget { .. } | JournalError::OtherSource { .. } => {
            failure.hint("a journal belongs to one target and one source; name another file with `--journal`")
        }
        JournalError::InUse { .. } => failure.hint("wait for the other run, or stop it with Ctrl-C in its terminal"),
        JournalError::NotAJournal { .. } => failure.hint("name another file with `--journal`"),
        JournalError::DiskFull { .. } => {
            failure.hint("make room and run the same command again; it goes on where it stopped")
        }
        JournalError::Newer { .. } => failure.hint("use the foxferry that wrote it, or a newer one"),
        _ => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_is_named_after_its_archive() {
        let folder = tempfile::tempdir().unwrap();
        let export = folder.path().join("export.v2");
        fs::create_dir(&export).unwrap();
        for (archive, expected) in [
            (Path::new("mail/2005-May.txt"), "2005-May.ferry"),
            (Path::new("export.json"), "export.ferry"),
            (&*export, "export.v2.ferry"),
            (Path::new("-"), "stdin.ferry"),
        ] {
            assert_eq!(path_for(archive), Path::new(expected));
        }
        assert_eq!(files_for(Path::new("mail/a.b.mbox")), Path::new("a.b.files"));
        assert_eq!(index_of(Path::new("a/b.ferry")), Path::new("a/b.ferry.index"));
    }

    #[test]
    fn the_only_journal_of_a_folder_is_found() {
        let folder = tempfile::tempdir().unwrap();
        assert!(only_one(folder.path()).is_err());
        for other in ["a.ferry.index", "a.ferry.lock", "a.ferry-wal"] {
            fs::write(folder.path().join(other), "").unwrap();
        }
        fs::write(folder.path().join("a.ferry"), "").unwrap();
        assert_eq!(only_one(folder.path()).unwrap(), Path::new("a.ferry"));
        fs::write(folder.path().join("b.ferry"), "").unwrap();
        assert_eq!(only_one(folder.path()).unwrap_err().exit, Exit::Usage);
    }
}
