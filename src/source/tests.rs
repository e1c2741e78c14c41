//! What every source promises of its samples, whatever the format.

use std::collections::{BTreeMap, HashSet};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use crate::finding::codes;
use crate::input::Input;
use crate::mapping::{Converted, Mapping};
use crate::record::Record;
use crate::source::{Facts, Order, ReadError, Reader, Reading, SOURCES, Shape, Source, SourceError, by_name, detect};

/// Sources with their samples; `json` is known by its mapping only, which lies there too.
const SAMPLES: &[(&str, &[&str])] = &[
    ("zendesk", &["zendesk"]),
    ("freshdesk", &["freshdesk"]),
    ("helpscout", &["helpscout"]),
    ("intercom", &["intercom"]),
    ("zammad", &["zammad"]),
    ("osticket", &["osticket"]),
    ("jira", &["jira"]),
    ("mbox", &["mbox"]),
    ("maildir", &["maildir"]),
    ("eml", &["eml"]),
    ("csv", &["csv", "csv-tickets"]),
    ("freescout", &["freescout"]),
    ("records", &["records"]),
    ("json", &["json"]),
];

/// A sample's folder.
pub(super) fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("samples").join(name)
}

/// The mapping with which a sample is read.
fn mapping_of(source: &str, folder: &str) -> Mapping {
    let name = match source {
        "json" => sample(folder).join("desk.toml").to_string_lossy().into_owned(),
        name => crate::source::family(name).to_owned(),
    };
    Mapping::load(&name).unwrap_or_else(|error| panic!("{}", error.report))
}

/// Every source with every sample of it, its mapping and files.
fn samples() -> impl Iterator<Item = (&'static dyn Source, &'static str, Mapping)> {
    SAMPLES.iter().flat_map(|(name, folders)| {
        let source = by_name(name).unwrap();
        folders.iter().map(move |folder| (source, *folder, mapping_of(name, folder)))
    })
}

pub(super) type Records = Vec<Result<Record, ReadError>>;

pub(super) fn open(
    source: &dyn Source,
    shape: &Shape,
    archive: &Path,
    order: Order,
    index: Option<&Path>,
) -> Result<Reader, SourceError> {
    let (scratch, watch) = (tempfile::tempdir().unwrap(), |_: u64| ControlFlow::Continue(()));
    let reading = Reading { shape, order, index, scratch: scratch.path(), watch: &watch };
    source.open(Input::open(&[archive.to_owned()], scratch.path()).unwrap(), &reading)
}

/// What is read of a folder; there are as many records as were announced.
pub(super) fn read(source: &str, archive: &Path) -> (Facts, Records) {
    let reader = open(by_name(source).unwrap(), &Shape::default(), archive, Order::Oldest, None).unwrap();
    let facts = reader.facts.clone();
    let records: Records = reader.collect();
    assert_eq!(facts.records, records.len() as u64, "as many records as were announced");
    (facts, records)
}

/// What is read of files made on the spot, and that nothing of it is unreadable.
pub(super) fn read_files(source: &str, files: &[(&str, &str)]) -> (Facts, Vec<Record>) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let (facts, records) = read(source, folder.path());
    (facts, records.into_iter().map(Result::unwrap).collect())
}

/// What an archive says about itself: `code place: message`.
pub(super) fn said(facts: &Facts) -> Vec<String> {
    facts.oddities.iter().map(|odd| format!("{} {}: {}", odd.code, odd.origin, odd.message)).collect()
}

fn ids<'a>(records: impl IntoIterator<Item = &'a Result<Record, ReadError>>) -> Vec<String> {
    records.into_iter().flatten().map(|record| record.id.to_string()).collect()
}

fn are_distinct(ids: &[String]) -> bool {
    ids.iter().collect::<HashSet<_>>().len() == ids.len()
}

#[test]
fn every_source_has_a_sample() {
    let known: Vec<&str> = SAMPLES.iter().map(|(name, _)| *name).collect();
    for source in SOURCES {
        assert!(known.contains(&source.name()), "{}", source.name());
    }
}

#[test]
fn every_sample_is_recognised_by_its_source_alone() {
    for (source, folder, _) in samples() {
        let scratch = tempfile::tempdir().unwrap();
        let head = Input::open(&[sample(folder)], scratch.path()).unwrap().head().unwrap();
        let found: Vec<&str> = SOURCES.iter().filter(|it| it.recognises(&head)).map(|it| it.name()).collect();
        if source.name() == "json" {
            assert!(found.is_empty(), "{found:?}");
        } else {
            assert_eq!(found, [source.name()], "{folder}");
            assert_eq!(detect(folder, &head).unwrap().name(), source.name());
        }
    }
}

#[test]
fn two_readings_are_equal_and_ids_are_unique() {
    for (source, folder, mapping) in samples() {
        let scratch = tempfile::tempdir().unwrap();
        let index = scratch.path().join("x.ferry.index");
        let read = |order| {
            let reader = open(source, mapping.shape(), &sample(folder), order, Some(&index)).unwrap();
            let facts = reader.facts.clone();
            let records: Records = reader.collect();
            assert_eq!(facts.records, records.len() as u64, "{folder}: as many as were announced");
            (format!("{facts:?} {records:?}"), ids(&records))
        };
        let (once, oldest) = read(Order::Oldest);
        let (again, _) = read(Order::Oldest);
        assert!(once == again, "{folder}:\n{once}\n{again}");
        assert!(are_distinct(&oldest) && !oldest.is_empty(), "{folder}: {oldest:?}");
        let (_, mut newest) = read(Order::Newest);
        newest.sort();
        let mut all = oldest.clone();
        all.sort();
        assert_eq!(newest, all, "{folder}: another order, the same records");
        let scratch = tempfile::tempdir().unwrap();
        let (shape, watch) = (mapping.shape(), |_: u64| ControlFlow::Continue(()));
        let reading = Reading { shape, order: Order::Oldest, index: None, scratch: scratch.path(), watch: &watch };
        let input = Input::open(&[sample(folder)], scratch.path()).unwrap();
        let people: Vec<String> = source
            .people(input, &reading)
            .unwrap()
            .into_iter()
            .flatten()
            .filter_map(|it| Some(it.ok()?.id.to_string()))
            .collect();
        assert!(are_distinct(&people) && !people.iter().any(|id| oldest.contains(id)), "{folder}: {people:?}");
    }
}

#[test]
fn the_built_in_mapping_accounts_for_everything_in_the_sample() {
    for (source, folder, mapping) in samples() {
        for record in open(source, mapping.shape(), &sample(folder), Order::Oldest, None).unwrap() {
            let findings = match mapping.convert(record.unwrap()) {
                Converted::Ready(mapped) => mapped.findings,
                Converted::Skipped(skipped) => skipped.findings,
                Converted::Rejected(rejected) => panic!("{folder}: {}: {}", rejected.id, rejected.reason),
            };
            // Columns of one's own are the operator's to map; that sample shows it.
            if folder == "csv-tickets" {
                continue;
            }
            let lost: Vec<_> = findings.iter().filter(|it| it.code == codes::MAP_LOST_FIELD).collect();
            assert!(lost.is_empty(), "{folder}: {lost:?}");
        }
    }
}

#[test]
fn a_sample_cut_or_changed_anywhere_gives_errors_and_no_panic() {
    for (source, folder, mapping) in samples() {
        let mut files: BTreeMap<PathBuf, Vec<u8>> = BTreeMap::new();
        let place = tempfile::tempdir().unwrap();
        for entry in walkdir::WalkDir::new(sample(folder)).into_iter().flatten().filter(|it| it.file_type().is_file()) {
            let path = place.path().join(entry.path().strip_prefix(sample(folder)).unwrap());
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            let bytes = std::fs::read(entry.path()).unwrap();
            std::fs::write(&path, &bytes).unwrap();
            files.insert(path, bytes);
        }
        for (path, whole) in &files {
            // Every byte would take an hour; an odd step meets every kind of place, and sources have tests of their own.
            let step = (whole.len() / 10).max(1) | 1;
            for at in (0..whole.len()).step_by(step) {
                let mut changed = whole.clone();
                changed[at] = b"{}[]\",\\\n\xff0"[at % 10];
                for bytes in [&whole[..at], &changed[..]] {
                    std::fs::write(path, bytes).unwrap();
                    let Ok(reader) = open(source, mapping.shape(), place.path(), Order::Oldest, None) else { continue };
                    let announced = reader.facts.records;
                    let records: Records = reader.collect();
                    let shown = path.display();
                    assert_eq!(announced, records.len() as u64, "{shown} damaged at {at}");
                    assert!(are_distinct(&ids(&records)), "{shown} damaged at {at}");
                }
            }
            std::fs::write(path, whole).unwrap();
        }
    }
}

#[test]
fn real_archives_are_recognised_by_their_source_alone() {
    let Some(archives) = std::env::var_os("FOXFERRY_ARCHIVES").map(PathBuf::from) else {
        println!("skipped: FOXFERRY_ARCHIVES is not set");
        return;
    };
    let scratch = tempfile::tempdir().unwrap();
    for (folder, expected) in [
        ("zendesk/go-zendesk", "zendesk"),
        ("freshdesk", "freshdesk"),
        ("helpscout", "helpscout"),
        ("intercom", "intercom"),
        ("zammad", "zammad"),
        ("mbox", "mbox"),
        ("eml", "eml"),
    ] {
        let folder = archives.join(folder);
        if !folder.is_dir() {
            continue;
        }
        let head = Input::open(std::slice::from_ref(&folder), scratch.path()).unwrap().head().unwrap();
        let found: Vec<&str> = SOURCES.iter().filter(|it| it.recognises(&head)).map(|it| it.name()).collect();
        assert_eq!(found, [expected], "{}", folder.display());
    }
}
