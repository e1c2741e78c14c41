//! What every format that is read as a dump promises.

use std::collections::{BTreeMap, HashSet};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use crate::input::Input;
use crate::record::Record;
use crate::source::{Facts, Order, ReadError, Reading, Shape, SourceError, by_name, detect};

/// A sample's folder.
pub(in crate::source) fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("samples").join(name)
}

type Records = Vec<Result<Record, ReadError>>;

/// What is read of a folder, with its index in `index`.
pub(in crate::source) fn read(
    source: &str,
    archive: &Path,
    index: Option<&Path>,
) -> Result<(Facts, Records), SourceError> {
    let scratch = tempfile::tempdir().unwrap();
    let (shape, watch) = (Shape::default(), |_: u64| ControlFlow::Continue(()));
    let reading = Reading { shape: &shape, order: Order::Oldest, index, scratch: scratch.path(), watch: &watch };
    let input = Input::open(&[archive.to_owned()], scratch.path()).unwrap();
    let reader = by_name(source).unwrap().open(input, &reading)?;
    let facts = reader.facts.clone();
    let records: Records = reader.collect();
    assert_eq!(facts.records, records.len() as u64, "as many records as were announced");
    Ok((facts, records))
}

/// What is read of files made on the spot.
pub(in crate::source) fn read_files(source: &str, files: &[(&str, &str)]) -> (Facts, Vec<Record>) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let (facts, records) = read(source, folder.path(), None).unwrap();
    (facts, records.into_iter().map(Result::unwrap).collect())
}

fn ids(records: &Records) -> Vec<String> {
    records.iter().flatten().map(|record| record.id.to_string()).collect()
}

#[test]
fn samples_are_detected_alone_and_read_the_same_twice() {
    for name in ["freshdesk", "helpscout"] {
        let folder = tempfile::tempdir().unwrap();
        let head = Input::open(&[sample(name)], folder.path()).unwrap().head().unwrap();
        assert_eq!(detect("x", &head).unwrap().name(), name);
        let index = folder.path().join("x.ferry.index");
        let once = read(name, &sample(name), Some(&index)).unwrap();
        let again = read(name, &sample(name), Some(&index)).unwrap();
        assert_eq!(format!("{once:?}"), format!("{again:?}"));
        let distinct: HashSet<String> = ids(&once.1).into_iter().collect();
        assert_eq!(distinct.len(), once.1.len(), "{name}: ids are unique");
        assert!(once.1.iter().flatten().all(|record| record.origin.seat.is_some()), "{name}");
        let scratch = tempfile::tempdir().unwrap();
        let (shape, never) = (Shape::default(), |_: u64| panic!("the index is there already"));
        let reading = Reading {
            shape: &shape,
            order: Order::Newest,
            index: Some(&index),
            scratch: scratch.path(),
            watch: &never,
        };
        let input = Input::open(&[sample(name)], scratch.path()).unwrap();
        assert_eq!(by_name(name).unwrap().open(input, &reading).unwrap().count(), once.1.len());
    }
}

#[test]
fn samples_cut_at_any_byte_give_errors_and_no_panic() {
    for name in ["freshdesk", "helpscout"] {
        let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        for entry in walkdir::WalkDir::new(sample(name)).into_iter().flatten().filter(|it| it.file_type().is_file()) {
            let shown = entry.path().strip_prefix(sample(name)).unwrap().to_string_lossy().into_owned();
            files.insert(shown, std::fs::read(entry.path()).unwrap());
        }
        let folder = tempfile::tempdir().unwrap();
        for (shown, bytes) in &files {
            std::fs::create_dir_all(folder.path().join(shown).parent().unwrap()).unwrap();
            std::fs::write(folder.path().join(shown), bytes).unwrap();
        }
        for (shown, bytes) in &files {
            // Every byte would take minutes in a debug build; a prime step meets every kind of place.
            for end in (0..bytes.len()).step_by(131) {
                std::fs::write(folder.path().join(shown), &bytes[..end]).unwrap();
                let (_, records) = read(name, folder.path(), None).unwrap();
                let ids = ids(&records);
                let distinct: HashSet<&String> = ids.iter().collect();
                assert_eq!(distinct.len(), ids.len(), "{shown} cut at {end}");
            }
            std::fs::write(folder.path().join(shown), bytes).unwrap();
        }
    }
}
