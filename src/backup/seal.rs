//! Turns what a run has gathered into a snapshot, in one step.
//!
//! Everything is written into a folder whose name begins with a dot, made durable, and then renamed. A file in which nothing
//! differs from the snapshot before is a hard link to it, or a copy where the file system knows no links.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::Path;

use super::format::{self, FileEntry, LineFile, MANIFEST, Manifest, SUMS};
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

    let mut files = Vec::new();
    for collection in [Collection::Conversations, Collection::Customers] {
        shards(work, collection, base, &partial, packing, &mut files)?;
    }
    for short in shorts {
        let ending = if packing == Packing::Gzip { ".gz" } else { "" };
        let mut file = create(&partial, format!("{}.jsonl{ending}", short.name))?;
        for line in &short.lines {
            file.push(line).map_err(BackupError::unwritable(&partial))?;
        }
        files.push(file.finish().map_err(BackupError::unwritable(&partial))?.0);
    }
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

fn create(folder: &Path, path: String) -> Result<LineFile, BackupError> {
    let place = folder.join(&path);
    LineFile::create(folder, path).map_err(BackupError::unwritable(&place))
}

fn shards(
    work: &Work,
    collection: Collection,
    base: Option<&Snapshot>,
    partial: &Path,
    packing: Packing,
    files: &mut Vec<FileEntry>,
) -> Result<(), BackupError> {
    let name = collection.name();
    let folder = partial.join(name);
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
            link(&base.dir().join(&entry.path), &partial.join(&entry.path))?;
            files.push((*entry).clone());
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
                held.insert(glance.id(), line);
            }
        }
        let path = format::shard_path(name, state.shard, packing == Packing::Gzip);
        let place = partial.join(&path);
        let mut file = create(partial, path)?;
        work.rows_of(collection, state.shard, |id, line| {
            let line = match line {
                Some(line) => line,
                None => held.get(&id).map(String::as_str).ok_or_else(|| BackupError::Bug {
                    what: format!("{name} {id} should be in the snapshot before and is not"),
                })?,
            };
            file.push(line).map_err(BackupError::unwritable(&place))
        })?;
        files.push(file.finish().map_err(BackupError::unwritable(&place))?.0);
    }
    Ok(())
}

fn link(from: &Path, to: &Path) -> Result<(), BackupError> {
    if fs::hard_link(from, to).is_ok() {
        return Ok(());
    }
    fs::copy(from, to).and_then(|_| File::open(to)?.sync_all()).map_err(BackupError::unwritable(to))
}
