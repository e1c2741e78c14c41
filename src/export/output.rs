//! Where an export is written: beside its place first, and put there in one step when it is complete.
//!
//! Promises:
//!
//! - A file or folder with the final name is complete; whatever happens before leaves at most `NAME.partial`.
//! - Nothing of somebody else's is overwritten: what is there already stays, unless the operator says `--replace`; and a
//!   folder is replaced only if it is empty or an export of ours.
//! - Two exports to one place do not write into each other.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::ExportError;

/// The file by which a folder is known as an export of ours.
pub const MARK: &str = "about-this-export.txt";

/// The lock inside a folder that is being written.
const LOCK: &str = ".writing";

/// Where an export goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// A file or folder.
    Path(PathBuf),
    /// Standard output, for formats that are one stream.
    Stdout,
}

/// What an exporter makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One file, which can go to standard output.
    Stream,
    /// One file that cannot be streamed.
    File,
    /// A folder of files.
    Folder,
}

/// What happens to an older export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Older {
    /// It stays, and the new one is refused.
    #[default]
    Keep,
    /// It goes when the new one is complete.
    Replace,
}

/// A place that is being written. Dropped without [`publish`](Self::publish) it takes away what was written.
#[derive(Debug)]
pub struct Staged {
    place: Option<Place>,
}

#[derive(Debug)]
struct Place {
    last: PathBuf,
    partial: PathBuf,
    form: Form,
    older: Older,
    is_published: bool,
    /// Held while it is written.
    lock: File,
}

fn io_error(path: &Path, cause: io::Error) -> ExportError {
    ExportError::Io { path: path.to_owned(), cause }
}

impl Staged {
    /// Makes room. Fails before anything is written if the place is taken.
    pub fn open(destination: &Destination, form: Form, older: Older) -> Result<Self, ExportError> {
        let Destination::Path(last) = destination else {
            return Ok(Self { place: None });
        };
        let last = trimmed(last);
        if last.file_name().is_none() {
            return Err(ExportError::NoName { path: last });
        }
        refuse_what_is_there(&last, form, older)?;
        let mut partial = last.clone().into_os_string();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        if let Some(folder) = last.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder).map_err(|cause| io_error(folder, cause))?;
        }
        let lock = match form {
            Form::Folder => {
                let is_ours = !partial.exists() || partial.join(LOCK).exists() || is_empty(&partial);
                if !is_ours {
                    return Err(ExportError::Taken { path: partial });
                }
                fs::create_dir_all(&partial).map_err(|cause| io_error(&partial, cause))?;
                let lock = locked(&partial.join(LOCK))?;
                // What an export that was killed has left.
                empty(&partial).map_err(|cause| io_error(&partial, cause))?;
                lock
            }
            Form::File | Form::Stream => locked(&partial)?,
        };
        Ok(Self { place: Some(Place { last, partial, form, older, is_published: false, lock }) })
    }

    /// The folder to write into, for [`Form::Folder`].
    pub fn folder(&self) -> Option<&Path> {
        self.place.as_ref().filter(|place| place.form == Form::Folder).map(|place| &*place.partial)
    }

    /// What is being written, for errors.
    pub fn shown(&self) -> PathBuf {
        self.place.as_ref().map_or_else(|| PathBuf::from("-"), |place| place.last.clone())
    }

    /// The file to write into, or standard output.
    pub fn stream(&self) -> Result<Box<dyn Write + Send>, ExportError> {
        match &self.place {
            None => Ok(Box::new(BufWriter::with_capacity(64 * 1024, io::stdout()))),
            Some(place) => {
                let file = place.lock.try_clone().map_err(|cause| io_error(&place.partial, cause))?;
                file.set_len(0).map_err(|cause| io_error(&place.partial, cause))?;
                Ok(Box::new(BufWriter::with_capacity(256 * 1024, file)))
            }
        }
    }

    /// Puts it in its place. What was written must have been flushed.
    pub fn publish(mut self) -> Result<(), ExportError> {
        let Some(place) = &mut self.place else { return Ok(()) };
        let Place { last, partial, form, older, .. } = &*place;
        refuse_what_is_there(last, *form, *older)?;
        match form {
            Form::Folder => {
                fs::remove_file(partial.join(LOCK)).map_err(|cause| io_error(partial, cause))?;
                let mut old = last.clone().into_os_string();
                old.push(".old");
                let old = PathBuf::from(old);
                let has_older = last.exists();
                if has_older {
                    if old.exists() && (is_ours(&old) || is_empty(&old)) {
                        fs::remove_dir_all(&old).map_err(|cause| io_error(&old, cause))?;
                    }
                    fs::rename(last, &old).map_err(|cause| io_error(last, cause))?;
                }
                if let Err(cause) = fs::rename(partial, last) {
                    if has_older {
                        // The older one is better than none.
                        let _ = fs::rename(&old, last);
                    }
                    return Err(io_error(last, cause));
                }
                if has_older {
                    fs::remove_dir_all(&old).map_err(|cause| io_error(&old, cause))?;
                }
            }
            Form::File | Form::Stream => {
                place.lock.sync_all().map_err(|cause| io_error(partial, cause))?;
                fs::rename(partial, last).map_err(|cause| io_error(last, cause))?;
            }
        }
        place.is_published = true;
        Ok(())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        let Some(place) = self.place.as_ref().filter(|place| !place.is_published) else { return };
        // What cannot be taken away bears the name `.partial`, and the next export tries again.
        let _ = match place.form {
            Form::Folder => fs::remove_dir_all(&place.partial),
            Form::File | Form::Stream => fs::remove_file(&place.partial),
        };
    }
}

/// A folder's name without a slash behind it.
fn trimmed(path: &Path) -> PathBuf {
    path.components().collect()
}

fn refuse_what_is_there(last: &Path, form: Form, older: Older) -> Result<(), ExportError> {
    let Ok(found) = fs::symlink_metadata(last) else { return Ok(()) };
    // A device or a pipe is no place that a file can be put into.
    if fs::metadata(last).is_ok_and(|behind| !behind.is_file() && !behind.is_dir()) {
        return Err(ExportError::Taken { path: last.to_owned() });
    }
    if found.is_dir() && form == Form::Folder {
        if is_empty(last) || (older == Older::Replace && is_ours(last)) {
            return Ok(());
        }
        return Err(if is_ours(last) {
            ExportError::Exists { path: last.to_owned() }
        } else {
            ExportError::Taken { path: last.to_owned() }
        });
    }
    match form {
        _ if found.is_dir() != (form == Form::Folder) => Err(ExportError::Taken { path: last.to_owned() }),
        _ if older == Older::Replace => Ok(()),
        _ => Err(ExportError::Exists { path: last.to_owned() }),
    }
}

fn is_ours(folder: &Path) -> bool {
    fs::read(folder.join(MARK)).is_ok_and(|bytes| memchr::memmem::find(&bytes, b"foxferry").is_some())
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none())
}

/// Opens and locks a file; a lock goes with its process, however that ends.
fn locked(path: &Path) -> Result<File, ExportError> {
    let file = OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(false)
        .open(path)
        .map_err(|cause| io_error(path, cause))?;
    file.try_lock().map_err(|error| match error {
        fs::TryLockError::WouldBlock => ExportError::InUse { path: path.to_owned() },
        fs::TryLockError::Error(cause) => io_error(path, cause),
    })?;
    Ok(file)
}

/// Takes everything out of a folder but the lock.
fn empty(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name() == LOCK {
            continue;
        }
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(path: &Path) -> Destination {
        Destination::Path(path.to_owned())
    }

    #[test]
    fn only_what_is_complete_bears_the_final_name() {
        let folder = tempfile::tempdir().unwrap();
        let (file, dir) = (folder.path().join("a.jsonl"), folder.path().join("sub/out"));
        let staged = Staged::open(&at(&file), Form::Stream, Older::Keep).unwrap();
        staged.stream().unwrap().write_all(b"half").unwrap();
        assert!(!file.exists());
        drop(staged);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);

        let staged = Staged::open(&at(&file), Form::Stream, Older::Keep).unwrap();
        staged.stream().unwrap().write_all(b"whole").unwrap();
        staged.publish().unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"whole");

        let staged = Staged::open(&at(&dir), Form::Folder, Older::Keep).unwrap();
        fs::write(staged.folder().unwrap().join("x"), "x").unwrap();
        staged.publish().unwrap();
        let names: Vec<_> = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["x"]);
    }

    #[test]
    fn what_is_there_stays_unless_it_is_ours_and_may_go() {
        let folder = tempfile::tempdir().unwrap();
        let (file, dir) = (folder.path().join("a.json"), folder.path().join("out"));
        fs::write(&file, "old").unwrap();
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join("thesis.txt"), "mine").unwrap();
        let open = |path: &Path, form, older| Staged::open(&at(path), form, older);
        assert!(matches!(open(&file, Form::File, Older::Keep), Err(ExportError::Exists { .. })));
        assert!(matches!(open(&file, Form::Folder, Older::Replace), Err(ExportError::Taken { .. })));
        #[cfg(unix)]
        assert!(matches!(open(Path::new("/dev/null"), Form::Stream, Older::Replace), Err(ExportError::Taken { .. })));
        assert!(matches!(open(&dir, Form::Folder, Older::Replace), Err(ExportError::Taken { .. })));
        assert!(matches!(open(&dir, Form::File, Older::Replace), Err(ExportError::Taken { .. })));
        fs::write(dir.join(MARK), "{\"made_by\":\"foxferry\"}").unwrap();
        assert!(matches!(open(&dir, Form::Folder, Older::Keep), Err(ExportError::Exists { .. })));
        let staged = open(&dir, Form::Folder, Older::Replace).unwrap();
        assert!(dir.join("thesis.txt").exists(), "the older one stays until the new one is complete");
        staged.publish().unwrap();
        assert!(!dir.join("thesis.txt").exists() && dir.exists());
        assert!(!folder.path().join("out.old").exists());
    }

    #[test]
    fn two_exports_to_one_place_do_not_mix_and_leftovers_go() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("out");
        let first = Staged::open(&at(&dir), Form::Folder, Older::Keep).unwrap();
        assert!(matches!(Staged::open(&at(&dir), Form::Folder, Older::Keep), Err(ExportError::InUse { .. })));
        fs::write(first.folder().unwrap().join("left"), "over").unwrap();
        // As after a kill: the lock is gone and the folder is not.
        let partial = first.folder().unwrap().to_owned();
        let mut first = first;
        first.place.take();
        let second = Staged::open(&at(&dir), Form::Folder, Older::Keep).unwrap();
        assert!(!partial.join("left").exists());
        drop(second);
        fs::create_dir(&partial).unwrap();
        fs::write(partial.join("thesis.txt"), "mine").unwrap();
        assert!(matches!(Staged::open(&at(&dir), Form::Folder, Older::Keep), Err(ExportError::Taken { .. })));
    }
}
