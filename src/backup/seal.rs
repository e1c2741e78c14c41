//! Turns what a run has gathered into a snapshot, in one step.
//!
//! Everything is written into a folder whose name begins with a dot, made durable, and then renamed. A file in which nothing
//! differs from the snapshot before is a hard link to it, or a copy where the file system knows no links. A few files
//! are written at a time, each on a thread of its own: hashing, packing and waiting for the disk take longer than reading.

use std::collections::{HashMap, VecDeque};
use std::fs::{self, File};
use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, Scope, ScopedJoinHandle};

use super::crypt::Keys;
use super::format::{self, FileEntry, LineFile, MANIFEST, Manifest, SUMS, Tally};
use super::read::Snapshot;
use super::work::{Collection, Work};
use super::{Backup, BackupError};

/// A short list, as lines.
pub(super) struct Short {
    pub name: &'static str,
    pub lines: Vec<String>,
}

/// Whether files are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    Plain,
    Gzip,
}

/// How many files are written at a time.
const AT_ONCE: usize = 4;

/// How many bytes of lines are handed over at a time, and how many such pieces may wait.
const PIECE: usize = 1 << 17;
const WAITING: usize = 4;

/// Writes the snapshot, and completes the manifest with what is in it.
pub(super) fn seal(
    backup: &Backup,
    work: &Work,
    base: Option<&Snapshot>,
    shorts: &[Short],
    mut manifest: Manifest,
    packing: Packing,
) -> Result<Manifest, BackupError> {
    let snapshots = backup.snapshots_dir();
    let partial = snapshots.join(format!(".{}.partial", manifest.name));
    // What a killed run left half written.
    remove_partials(&snapshots)?;
    fs::create_dir_all(&partial).map_err(BackupError::unwritable(&partial))?;

    let keys: &Keys = backup.keys();
    let mut files = Vec::new();
    thread::scope(|scope| {
        let mut desk = Desk { scope, partial: &partial, keys, busy: VecDeque::new(), files: &mut files };
        for collection in [Collection::Conversations, Collection::Customers] {
            shards(work, collection, base, packing, &mut desk)?;
        }
        for short in shorts {
            let ending = if packing == Packing::Gzip { ".gz" } else { "" };
            let mut sheet = desk.sheet(format!("{}.jsonl{ending}", short.name))?;
            for line in &short.lines {
                let tally = format::Glance::of(line).map(|glance| glance.tally());
                let tally = tally.map_err(|cause| BackupError::Bug { what: cause.to_string() })?;
                if sheet.push(line, tally).is_break() {
                    break;
                }
            }
            sheet.finish();
        }
        desk.finish()
    })?;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    for file in &files {
        let counts = &mut manifest.counts;
        if format::shard_in("conversations", &file.path).is_some() {
            counts.conversations += file.lines;
            counts.threads += file.threads;
        } else if format::shard_in("customers", &file.path).is_some() {
            counts.customers += file.lines;
        }
        counts.files += file.files;
        counts.missing_files += file.missing_files;
        counts.unsettled += file.unsettled;
    }
    manifest.files = files;

    let text = manifest.text();
    let sums = manifest.sums(text.as_bytes());
    for (name, text) in [(MANIFEST, text), (SUMS, sums)] {
        let path = partial.join(name);
        fs::write(&path, text).and_then(|()| File::open(&path)?.sync_all()).map_err(BackupError::unwritable(&path))?;
    }
    for entry in walkdir::WalkDir::new(&partial).into_iter().filter_map(Result::ok) {
        if entry.file_type().is_dir() {
            format::sync_folder(entry.path()).map_err(BackupError::unwritable(entry.path()))?;
        }
    }
    let sealed = snapshots.join(&manifest.name);
    fs::rename(&partial, &sealed)
        .and_then(|()| format::sync_folder(&snapshots))
        .map_err(BackupError::unwritable(&sealed))?;
    Ok(manifest)
}

/// Removes what killed runs left half written or half removed.
pub(super) fn remove_partials(snapshots: &Path) -> Result<(), BackupError> {
    fs::create_dir_all(snapshots).map_err(BackupError::unwritable(snapshots))?;
    for entry in fs::read_dir(snapshots).map_err(BackupError::unreadable(snapshots))? {
        let entry = entry.map_err(BackupError::unreadable(snapshots))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') && (name.ends_with(".partial") || name.ends_with(".removed")) {
            fs::remove_dir_all(entry.path()).map_err(BackupError::unwritable(&entry.path()))?;
        }
    }
    Ok(())
}

/// Lines on their way to a file.
#[derive(Default)]
struct Piece {
    text: String,
    /// Where each line ends, and what it adds.
    lines: Vec<(usize, Tally)>,
}

/// Files that are being written.
struct Desk<'scope, 'env> {
    scope: &'scope Scope<'scope, 'env>,
    partial: &'env Path,
    keys: &'env Keys,
    busy: VecDeque<ScopedJoinHandle<'scope, Result<FileEntry, BackupError>>>,
    files: &'env mut Vec<FileEntry>,
}

/// A file that is filled here and written elsewhere.
struct Sheet {
    to: SyncSender<Piece>,
    piece: Piece,
}

impl<'scope> Desk<'scope, '_> {
    /// Begins a file, encrypted if the backup is. Errors are those of files begun before.
    fn sheet(&mut self, path: String) -> Result<Sheet, BackupError> {
        while self.busy.len() >= AT_ONCE {
            self.wait_for_one()?;
        }
        let (to, from) = sync_channel(WAITING);
        let (partial, keys) = (self.partial, self.keys);
        let path = path + keys.ending();
        self.busy.push_back(self.scope.spawn(move || write(partial, path, keys, &from)));
        Ok(Sheet { to, piece: Piece::default() })
    }

    fn wait_for_one(&mut self) -> Result<(), BackupError> {
        if let Some(file) = self.busy.pop_front() {
            let written = file.join().map_err(|_| BackupError::Bug { what: "writing a file".to_owned() })?;
            self.files.push(written?);
        }
        Ok(())
    }

    fn finish(mut self) -> Result<(), BackupError> {
        while !self.busy.is_empty() {
            self.wait_for_one()?;
        }
        Ok(())
    }
}

impl Sheet {
    /// Appends a line. Breaks when the file cannot be written; the desk knows why.
    fn push(&mut self, line: &str, tally: Tally) -> ControlFlow<()> {
        self.piece.text.push_str(line);
        self.piece.lines.push((self.piece.text.len(), tally));
        if self.piece.text.len() < PIECE { ControlFlow::Continue(()) } else { self.hand_over() }
    }

    fn hand_over(&mut self) -> ControlFlow<()> {
        match self.to.send(std::mem::take(&mut self.piece)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    }

    fn finish(mut self) {
        // Whoever cannot take it says so where the file ends.
        let _ = self.hand_over();
    }
}

/// Writes one file from what comes.
fn write(partial: &Path, path: String, keys: &Keys, pieces: &Receiver<Piece>) -> Result<FileEntry, BackupError> {
    let place = partial.join(&path);
    let written = || -> io::Result<FileEntry> {
        let mut file = LineFile::create(partial, path, keys)?;
        for piece in pieces {
            let mut start = 0;
            for (end, tally) in piece.lines {
                file.push(&piece.text[start..end], tally)?;
                start = end;
            }
        }
        Ok(file.finish()?.0)
    };
    written().map_err(BackupError::unwritable(&place))
}

fn shards(
    work: &Work,
    collection: Collection,
    base: Option<&Snapshot>,
    packing: Packing,
    desk: &mut Desk<'_, '_>,
) -> Result<(), BackupError> {
    let name = collection.name();
    let folder = desk.partial.join(name);
    fs::create_dir_all(&folder).map_err(BackupError::unwritable(&folder))?;
    let before: HashMap<u64, &FileEntry> = base
        .iter()
        .flat_map(|base| &base.manifest().files)
        .filter_map(|file| Some((format::shard_in(name, &file.path)?, file)))
        .collect();
    for state in work.shards(collection)? {
        let entry = before.get(&state.shard);
        if state.new == 0
            && let (Some(base), Some(entry)) = (base, entry)
            && entry.lines == state.rows
            && state.held == state.rows
        {
            link(&base.dir().join(&entry.path), &desk.partial.join(&entry.path))?;
            desk.files.push((*entry).clone());
            continue;
        }
        let mut held = HashMap::new();
        if state.new < state.rows
            && let Some(base) = base
        {
            for line in base.shard(name, state.shard).into_lines() {
                let line = line?;
                let glance = format::Glance::of(&line).map_err(|cause| BackupError::Unreadable {
                    path: base.dir().join(name),
                    cause: io::Error::other(cause),
                })?;
                held.insert(glance.id(), (glance.tally(), line));
            }
        }
        let mut sheet = desk.sheet(format::shard_path(name, state.shard, packing == Packing::Gzip))?;
        work.rows_of(collection, state.shard, |id, line| {
            let (tally, text) = match (line, held.get(&id)) {
                (Some(line), _) => (line.tally, line.text),
                (None, Some((tally, text))) => (*tally, text.as_str()),
                (None, None) => {
                    let what = format!("{name} {id} should be in the snapshot before and is not");
                    return Err(BackupError::Bug { what });
                }
            };
            // What cannot be written is told when the file is waited for; the rest is read in vain, once.
            let _ = sheet.push(text, tally);
            Ok(())
        })?;
        sheet.finish();
    }
    Ok(())
}

fn link(from: &Path, to: &Path) -> Result<(), BackupError> {
    if fs::hard_link(from, to).is_ok() {
        return Ok(());
    }
    fs::copy(from, to).and_then(|_| File::open(to)?.sync_all()).map_err(BackupError::unwritable(to))
}
