//! Old snapshots go, and with them the attachments that nothing else names.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::path::Path;

use jiff::ToSpan as _;
use jiff::civil::DateTime;
use serde::Serialize;

use super::crypt;
use super::format::{self, Glance, Held, MANIFEST, SUMS};
use super::read::Snapshot;
use super::work::Work;
use super::{Backup, BackupError, seal};

/// How many snapshots stay: the newest of each of so many days, weeks and months that have any.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Keep {
    /// Days.
    pub daily: u32,
    /// Weeks, from Monday.
    pub weekly: u32,
    /// Months.
    pub monthly: u32,
}

impl Keep {
    /// Whether it says anything.
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }
}

/// What goes and what stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Pruned {
    /// Snapshots that stay, oldest first.
    pub kept: Vec<String>,
    /// Snapshots that go.
    pub removed: Vec<String>,
    /// Attachments that go, because no snapshot that stays names them.
    pub attachments: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Whether anything is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Only says what would go.
    List,
    /// Removes it.
    Remove,
}

/// Removes snapshots that `keep` does not ask for; the newest, and the newest whose manifest is sound, always stay.
///
/// Needs the backup's [lock](Backup::lock). Attachments go after snapshots, so that a run that is killed leaves too much and never
/// too little. If a file that stays cannot be read, no attachment is removed and the error names it.
pub fn prune(backup: &Backup, keep: Keep, mode: Mode) -> Result<Pruned, BackupError> {
    // Which attachments are needed stands in the lines.
    backup.unlocked()?;
    let names = backup.names()?;
    let stay = chosen(&names, keep, |name| is_sound(backup, name));
    let (kept, removed): (Vec<String>, Vec<String>) = names.into_iter().partition(|name| stay.contains(name));
    let needed = named_by(backup, &kept)?;
    if mode == Mode::Remove {
        let snapshots = backup.snapshots_dir();
        seal::remove_partials(&snapshots)?;
        for name in &removed {
            remove(&snapshots, name)?;
        }
    }
    let (mut attachments, mut bytes) = (0, 0);
    let folder = backup.dir().join(format::ATTACHMENTS);
    for entry in walkdir::WalkDir::new(&folder).min_depth(2).into_iter().filter_map(Result::ok) {
        let head = entry.path().parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
        let tail = entry.file_name().to_string_lossy();
        let tail = tail.strip_suffix(crypt::ENDING).unwrap_or(&tail);
        let hash = format!("{}{tail}", head.unwrap_or_default());
        // What is not ours is not ours to remove.
        let is_ours = format::attachment_path(backup.dir(), &hash)
            .is_some_and(|path| path == entry.path() || path.with_extension(&crypt::ENDING[1..]) == entry.path());
        if !entry.file_type().is_file() || !is_ours || needed.contains(&hash) {
            continue;
        }
        attachments += 1;
        bytes += entry.metadata().map(|found| found.len()).unwrap_or_default();
        if mode == Mode::Remove {
            fs::remove_file(entry.path()).map_err(BackupError::unwritable(entry.path()))?;
        }
    }
    Ok(Pruned { kept, removed, attachments, bytes })
}

/// Removes snapshots that were sealed while FreeScout was followed, but for all of the last hour, the newest of each of
/// the last 24 hours that have any, and the newest of each day. Attachments are left to [`prune`].
pub(super) fn thin(backup: &Backup) -> Result<(), BackupError> {
    let names = backup.names()?;
    let stay = thinned(&names);
    let snapshots = backup.snapshots_dir();
    for name in names.iter().filter(|name| !stay.contains(*name)) {
        // What cannot be read is not removed either.
        if Snapshot::open(backup, name).is_ok_and(|snapshot| snapshot.manifest().followed) {
            remove(&snapshots, name)?;
        }
    }
    Ok(())
}

/// In one step out of sight, then at leisure.
fn remove(snapshots: &Path, name: &str) -> Result<(), BackupError> {
    let aside = snapshots.join(format!(".{name}.removed"));
    let place = snapshots.join(name);
    fs::rename(&place, &aside).map_err(BackupError::unwritable(&place))?;
    fs::remove_dir_all(&aside).map_err(BackupError::unwritable(&aside))
}

/// When a snapshot was begun, by its name.
fn time_of(name: &str) -> Option<DateTime> {
    DateTime::strptime("%Y-%m-%dT%H-%M-%SZ", name).ok()
}

/// Of these names, those that stay though they were sealed between two whole runs.
fn thinned(names: &[String]) -> BTreeSet<String> {
    const HOURS: usize = 24;
    let mut stay = BTreeSet::new();
    let newest = names.iter().rev().find_map(|name| time_of(name));
    let (mut hours, mut days) = (BTreeSet::new(), BTreeSet::new());
    for name in names.iter().rev() {
        // Whoever renames a snapshot keeps it.
        let (Some(time), Some(newest)) = (time_of(name), newest) else {
            stay.insert(name.clone());
            continue;
        };
        let is_recent = newest.checked_sub(1.hour()).is_ok_and(|since| time > since);
        let is_of_hour = hours.len() < HOURS && hours.insert((time.date(), time.hour()));
        if days.insert(time.date()) || is_of_hour || is_recent {
            stay.insert(name.clone());
        }
    }
    stay
}

/// Whether the manifest and the sums beside it belong together.
fn is_sound(backup: &Backup, name: &str) -> bool {
    let dir = backup.snapshots_dir().join(name);
    let (Ok(snapshot), Ok(bytes), Ok(sums)) =
        (Snapshot::open(backup, name), fs::read(dir.join(MANIFEST)), fs::read(dir.join(SUMS)))
    else {
        return false;
    };
    snapshot.manifest().sums(&bytes).as_bytes() == sums
}

/// The names that stay.
fn chosen(names: &[String], keep: Keep, is_sound: impl Fn(&str) -> bool) -> BTreeSet<String> {
    let mut stay = BTreeSet::new();
    stay.extend(names.last().cloned());
    stay.extend(names.iter().rev().find(|name| is_sound(name)).cloned());
    let (mut days, mut weeks, mut months) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for name in names.iter().rev() {
        // `2026-11-23T02-00-00Z`; whoever renames a snapshot keeps it.
        let Some(time) = time_of(name) else {
            stay.insert(name.clone());
            continue;
        };
        let week = time.date().iso_week_date();
        let is_first = [
            days.len() < keep.daily as usize && days.insert(time.date()),
            weeks.len() < keep.weekly as usize && weeks.insert((week.year(), week.week())),
            months.len() < keep.monthly as usize && months.insert((time.year(), time.month())),
        ];
        if is_first.contains(&true) {
            stay.insert(name.clone());
        }
    }
    stay
}

/// Hashes of all attachments that these snapshots and an unfinished run name.
fn named_by(backup: &Backup, names: &[String]) -> Result<HashSet<String>, BackupError> {
    let mut needed = HashSet::new();
    let mut note = |line: &str, path: &Path| {
        let glance = Glance::of(line).map_err(|cause| BackupError::Unreadable {
            path: path.to_path_buf(),
            cause: std::io::Error::other(cause),
        })?;
        for held in glance.ours.held() {
            if let Held::Here { sha256, .. } = held {
                needed.insert(sha256);
            }
        }
        Ok::<_, BackupError>(())
    };
    let mut seen = HashSet::new();
    for name in names {
        let snapshot = Snapshot::open(backup, name)?;
        for file in &snapshot.manifest().files {
            if !seen.insert(file.sha256.clone()) {
                continue;
            }
            let path = snapshot.dir().join(&file.path);
            for line in format::Lines::open(&path, backup.keys()).map_err(BackupError::unreadable(&path))? {
                note(&line.map_err(BackupError::unreadable(&path))?, &path)?;
            }
        }
    }
    let state = backup.work().join("run.sqlite");
    if state.exists() {
        Work::open(&state)?.each_line(|line| note(line, &state))?;
    }
    Ok(needed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stays(names: &[&str], keep: Keep) -> Vec<String> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        chosen(&names, keep, |_| true).into_iter().collect()
    }

    #[test]
    fn the_newest_of_each_day_week_and_month_stays() {
        let names = [
            "2026-09-30T02-00-00Z",
            "2026-10-31T02-00-00Z",
            "2026-11-15T02-00-00Z",
            "2026-11-21T02-00-00Z",
            "2026-11-22T02-00-00Z",
            "2026-11-22T14-00-00Z",
            "2026-11-23T02-00-00Z",
        ];
        let keep = |daily, weekly, monthly| Keep { daily, weekly, monthly };
        assert_eq!(stays(&names, keep(2, 0, 0)), [names[5], names[6]]);
        assert_eq!(stays(&names, keep(0, 2, 0)), [names[5], names[6]]);
        assert_eq!(stays(&names, keep(0, 0, 3)), [names[0], names[1], names[6]]);
        assert_eq!(stays(&names, keep(1, 3, 2)), [names[1], names[2], names[5], names[6]]);
    }

    #[test]
    fn a_followed_day_is_thinned_to_an_hour_of_all_a_day_of_hours_and_days() {
        let mut names: Vec<String> = Vec::new();
        for (day, last) in [(20, 23), (21, 23), (22, 9)] {
            for hour in 0..=last {
                names.extend((0..60).step_by(5).map(|minute| format!("2026-11-{day}T{hour:02}-{minute:02}-00Z")));
            }
        }
        names.push("mine".to_owned());
        let stay: Vec<String> = thinned(&names).into_iter().collect();
        // 1 of the first day, 14 hours of the second, 9 hours and 12 of the last hour of the third; and the stranger.
        assert_eq!(stay.len(), 1 + 14 + 9 + 12 + 1, "{stay:?}");
        assert_eq!((&*stay[0], &*stay[1]), ("2026-11-20T23-55-00Z", "2026-11-21T10-55-00Z"));
        assert_eq!(thinned(&stay).len(), stay.len(), "thinning twice is thinning once");
    }

    #[test]
    fn the_last_one_and_the_last_good_one_always_stay() {
        let names = ["2026-11-21T02-00-00Z", "2026-11-22T02-00-00Z", "mine", "2026-11-23T02-00-00Z"].map(str::to_owned);
        let stay = chosen(&names, Keep::default(), |name| name.starts_with("2026-11-21"));
        assert_eq!(stay.into_iter().collect::<Vec<_>>(), [names[0].as_str(), &names[3], "mine"]);
    }
}
