//! Every byte of a backup against what was said about it when it was written.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::crypt;
use super::format::{self, FileEntry, Glance, Hashing, Held, Lines, MANIFEST, MARKER, Manifest, SUMS};
use super::{Backup, BackupError};

/// How much is checked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sample {
    /// Everything.
    All,
    /// This share of the bytes, from where the last sample ended: after 1/share of them everything was checked once.
    Share(f64),
}

/// Something that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Which file, relative to the backup's folder.
    pub path: String,
    /// What is wrong with it, as the rest of a sentence.
    pub what: String,
}

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// Snapshots whose manifests were checked.
    pub snapshots: u64,
    /// Files that were read, attachments included.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes that there are.
    pub of_bytes: u64,
    /// Encrypted files whose bytes were checked, and whose lines could not be: there is no identity.
    pub unopened: u64,
    /// What is wrong.
    pub faults: Vec<Fault>,
    /// Whether it was left before its end.
    pub is_interrupted: bool,
}

/// One file to be read.
struct Unit {
    hash: String,
    path: PathBuf,
    bytes: u64,
    /// Its place in a manifest; attachments have none.
    entry: Option<FileEntry>,
}

/// Where the last sample ended.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Memory {
    after: String,
}

/// Checks a backup. `tell` hears bytes read and bytes in all, and can end it.
///
/// Manifests, and that every file is there with its length, are checked in any case; a sample is of contents.
pub fn verify(
    backup: &Backup,
    sample: Sample,
    mut tell: impl FnMut(u64, u64) -> ControlFlow<()>,
) -> Result<Verified, BackupError> {
    let mut check = Check { backup, verified: Verified::default(), named: HashMap::new() };
    check.marker();
    let mut units: HashMap<(String, u64), Unit> = HashMap::new();
    for name in backup.names()? {
        check.snapshot(&name, &mut units)?;
    }
    let mut units: Vec<Unit> = units.into_values().collect();
    check.attachments(&mut units)?;
    units.sort_by(|a, b| (&a.hash, &a.path).cmp(&(&b.hash, &b.path)));
    let total: u64 = units.iter().map(|unit| unit.bytes).sum();
    check.verified.of_bytes = total;

    let memory = backup.work().join("verify.json");
    let budget = match sample {
        Sample::All => u64::MAX,
        Sample::Share(share) => {
            let last: Memory =
                fs::read(&memory).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
            let start = units.partition_point(|unit| unit.hash <= last.after);
            let count = units.len();
            units.rotate_left(if start == count { 0 } else { start });
            (total as f64 * share.clamp(0.0, 1.0)).ceil() as u64
        }
    };
    let mut last = None;
    for unit in &units {
        if check.verified.bytes >= budget {
            break;
        }
        if tell(check.verified.bytes, total.min(budget)).is_break() {
            check.verified.is_interrupted = true;
            break;
        }
        check.unit(unit);
        last = Some(&unit.hash);
    }
    // Whether attachments that lines name are there can be said only when every line was read.
    if !check.verified.is_interrupted && check.verified.unopened == 0 {
        check.absent();
    }
    if let (Sample::Share(_), Some(last)) = (sample, last) {
        fs::create_dir_all(backup.work()).map_err(BackupError::unwritable(&memory))?;
        let text = serde_json::to_vec(&Memory { after: last.clone() }).unwrap_or_default();
        format::write_whole(&memory, &text).map_err(BackupError::unwritable(&memory))?;
    }
    check.verified.faults.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(check.verified)
}

struct Check<'a> {
    backup: &'a Backup,
    verified: Verified,
    /// Attachments that lines name, with their length and one file that names each.
    named: HashMap<String, (Option<(PathBuf, u64)>, String)>,
}

impl Check<'_> {
    fn fault(&mut self, path: &Path, what: impl Into<String>) {
        let shown = path.strip_prefix(self.backup.dir()).unwrap_or(path);
        self.verified.faults.push(Fault { path: shown.display().to_string(), what: what.into() });
    }

    fn marker(&mut self) {
        let path = self.backup.dir().join(MARKER);
        match fs::read(&path) {
            Ok(text) if text == self.backup.marker_text().as_bytes() => {}
            Ok(_) => self.fault(&path, "is not as it was written"),
            Err(cause) => self.fault(&path, format!("cannot be read: {cause}")),
        }
    }

    fn snapshot(&mut self, name: &str, units: &mut HashMap<(String, u64), Unit>) -> Result<(), BackupError> {
        self.verified.snapshots += 1;
        let dir = self.backup.snapshots_dir().join(name);
        let path = dir.join(MANIFEST);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(cause) => {
                self.fault(&path, format!("cannot be read: {cause}"));
                return Ok(());
            }
        };
        let sums = fs::read(dir.join(SUMS)).unwrap_or_default();
        let manifest: Option<Manifest> = serde_json::from_slice(&bytes).ok();
        let Some(manifest) = manifest.filter(|manifest| manifest.sums(&bytes).as_bytes() == sums) else {
            self.fault(&path, format!("and `{SUMS}` beside it do not belong together: one of them has changed"));
            return Ok(());
        };
        if manifest.name != name {
            self.fault(&dir, format!("holds the snapshot `{}`", manifest.name));
        }
        for file in &manifest.files {
            let path = dir.join(&file.path);
            match fs::metadata(&path) {
                Ok(found) if found.len() == file.bytes => {
                    // A file that several snapshots share is one file on the disk, and is read once.
                    let identity = match identity(&found) {
                        0 => u64::MAX - units.len() as u64,
                        known => known,
                    };
                    let hash = file.sha256.clone();
                    let unit = || Unit { hash: hash.clone(), path, bytes: file.bytes, entry: Some(file.clone()) };
                    units.entry((file.sha256.clone(), identity)).or_insert_with(unit);
                }
                Ok(found) => self.fault(&path, format!("has {} bytes instead of {}", found.len(), file.bytes)),
                Err(cause) => self.fault(&path, format!("cannot be read: {cause}")),
            }
        }
        for entry in walkdir::WalkDir::new(&dir).into_iter().filter_map(Result::ok) {
            let path = entry.path().strip_prefix(&dir).unwrap_or(entry.path()).display().to_string();
            let is_known =
                matches!(path.as_str(), MANIFEST | SUMS) || manifest.files.iter().any(|file| file.path == path);
            if !entry.file_type().is_dir() && !is_known {
                self.fault(entry.path(), "is not in the manifest");
            }
        }
        Ok(())
    }

    /// Every attachment that is there, whether or not a line names it.
    fn attachments(&mut self, units: &mut Vec<Unit>) -> Result<(), BackupError> {
        let folder = self.backup.dir().join(format::ATTACHMENTS);
        for entry in walkdir::WalkDir::new(&folder).min_depth(1) {
            let entry = entry.map_err(|cause| BackupError::Unreadable { path: folder.clone(), cause: cause.into() })?;
            if entry.file_type().is_dir() {
                continue;
            }
            let tail = entry.file_name().to_string_lossy().into_owned();
            let head = entry.path().parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
            let is_sealed = tail.ends_with(crypt::ENDING);
            let tail = tail.strip_suffix(crypt::ENDING).unwrap_or(&tail);
            let hash = format!("{}{tail}", head.unwrap_or_default());
            let place = format::attachment_path(self.backup.dir(), &hash)
                .map(|path| if is_sealed { path.with_extension(&crypt::ENDING[1..]) } else { path });
            if place.as_deref() != Some(entry.path()) {
                self.fault(entry.path(), "is no attachment");
                continue;
            }
            let bytes = entry.metadata().map(|found| found.len()).unwrap_or_default();
            units.push(Unit { hash, path: entry.into_path(), bytes, entry: None });
        }
        Ok(())
    }

    fn unit(&mut self, unit: &Unit) {
        self.verified.files += 1;
        self.verified.bytes += unit.bytes;
        let found = match &unit.entry {
            None => hash_of(&unit.path)
                .map(|hash| (hash != unit.hash).then(|| "has changed: its bytes do not have its name".to_owned())),
            Some(entry) => self.lines(unit, entry),
        };
        match found {
            Ok(None) => {}
            Ok(Some(what)) => self.fault(&unit.path, what),
            Err(cause) => self.fault(&unit.path, format!("cannot be read: {cause}")),
        }
    }

    /// Hash and lines of a file of a snapshot; which attachments it names is noted.
    fn lines(&mut self, unit: &Unit, entry: &FileEntry) -> io::Result<Option<String>> {
        if hash_of(&unit.path)? != unit.hash {
            return Ok(Some("has changed: its hash is not the manifest's".to_owned()));
        }
        if entry.path.ends_with(crypt::ENDING) && !self.backup.keys().can_read() {
            self.verified.unopened += 1;
            return Ok(None);
        }
        let shown = unit.path.strip_prefix(self.backup.dir()).unwrap_or(&unit.path).display().to_string();
        let mut count = 0;
        for line in Lines::open(&unit.path, self.backup.keys())? {
            let line = line?;
            count += 1;
            let Ok(glance) = Glance::of(&line) else { return Ok(Some(format!("is not JSON in line {count}"))) };
            for held in glance.ours.held() {
                if matches!(held, Held::Here { .. }) {
                    let place = held.place(self.backup.dir());
                    let Held::Here { sha256, .. } = held else { continue };
                    self.named.entry(sha256).or_insert_with(|| (place, format!("{shown}:{count}")));
                }
            }
        }
        Ok((count != entry.lines).then(|| format!("has {count} lines instead of {}", entry.lines)))
    }

    /// Attachments that lines name and that are not there.
    fn absent(&mut self) {
        for (hash, (place, by)) in std::mem::take(&mut self.named) {
            let Some((path, bytes)) = place else {
                self.fault(Path::new(&by), format!("names `{hash}`, which is no hash"));
                continue;
            };
            match fs::metadata(&path) {
                Ok(found) if found.len() == bytes => {}
                Ok(found) => self.fault(&path, format!("has {} bytes instead of {bytes} ({by} names it)", found.len())),
                Err(_) => self.fault(&path, format!("is missing ({by} names it)")),
            }
        }
    }
}

/// What is wrong with a file of a snapshot, as the rest of a sentence.
pub(super) fn file_fault(path: &Path, entry: &FileEntry) -> Result<(), String> {
    match hash_of(path) {
        Ok(hash) if hash == entry.sha256 => Ok(()),
        Ok(_) => Err("has changed since it was written".to_owned()),
        Err(cause) => Err(format!("cannot be read ({cause})")),
    }
}

fn hash_of(path: &Path) -> io::Result<String> {
    let mut file = Hashing::new(File::open(path)?);
    let mut buffer = vec![0; 1 << 17];
    while file.read(&mut buffer)? > 0 {}
    Ok(file.finish().0)
}

/// What two names of one file have in common; 0 where that cannot be known.
#[cfg(unix)]
fn identity(found: &fs::Metadata) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    found.ino()
}

#[cfg(not(unix))]
fn identity(_: &fs::Metadata) -> u64 {
    0
}
