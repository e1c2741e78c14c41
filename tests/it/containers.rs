//! Archives as they come: packed.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::place::{Place, Ran, sample};

/// The files of a sample, by their paths in it.
fn files(folder: &Path) -> Vec<(String, PathBuf)> {
    let all = walkdir::WalkDir::new(folder).sort_by_file_name().into_iter().map(Result::unwrap);
    let files = all.filter(|entry| entry.file_type().is_file());
    files
        .map(|entry| {
            let name = entry.path().strip_prefix(folder).unwrap().to_string_lossy().replace('\\', "/");
            (name, entry.into_path())
        })
        .collect()
}

fn zip(from: &Path, to: &Path) {
    let mut archive = zip::ZipWriter::new(std::fs::File::create(to).unwrap());
    for (name, path) in files(from) {
        archive.start_file(format!("export/{name}"), zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(&std::fs::read(path).unwrap()).unwrap();
    }
    archive.finish().unwrap();
}

fn tar_gz(from: &Path, to: &Path) {
    let packed = flate2::write::GzEncoder::new(std::fs::File::create(to).unwrap(), flate2::Compression::fast());
    let mut archive = tar::Builder::new(packed);
    for (name, path) in files(from) {
        archive.append_path_with_name(path, name).unwrap();
    }
    archive.into_inner().unwrap().finish().unwrap();
}

/// What an import into the sandbox says of every record, and its sums.
fn told(ran: &Ran) -> Vec<String> {
    let events = ran.events();
    let kept = events.iter().filter(|event| matches!(event["event"].as_str(), Some("outcome" | "finished")));
    let mut told: Vec<String> = kept
        .map(|event| {
            let mut event = event.clone();
            for key in ["seconds", "requests", "conversation"] {
                event.as_object_mut().unwrap().remove(key);
            }
            event.to_string()
        })
        .collect();
    told.sort();
    told
}

#[test]
fn a_packed_sample_is_imported_as_its_folder_is() {
    for name in
        ["zendesk", "freshdesk", "helpscout", "intercom", "zammad", "osticket", "jira", "mbox", "maildir", "eml", "csv"]
    {
        let place = Place::new();
        zip(&sample(name), &place.path().join("packed.zip"));
        tar_gz(&sample(name), &place.path().join("packed.tar.gz"));
        let import = |archive: &Path| told(&Ran::of(place.command(["import", "--sandbox", "--json"]).arg(archive)));
        let expected = import(&sample(name));
        assert!(expected.len() > 2, "{name}: {expected:?}");
        assert_eq!(import(Path::new("packed.zip")), expected, "{name}");
        assert_eq!(import(Path::new("packed.tar.gz")), expected, "{name}");
    }
}

#[test]
fn records_find_their_files_in_their_own_folder_of_a_container() {
    let place = Place::new();
    let mut archive = zip::ZipWriter::new(std::fs::File::create(place.path().join("packed.zip")).unwrap());
    let record = r#"{"id": "1", "subject": "Dark", "created_at": "2024-01-31T12:00:00Z", "entries": [{"id": "1",
        "author": "ann@example.net", "created_at": "2024-01-31T12:00:00Z", "text": "See.", "attachments": [{"name": "a.txt", "file": "FILE"}]}]}"#;
    let record = record.replace('\n', " ");
    for (name, text) in [
        ("in/r.jsonl", record.replace("FILE", "files/a.txt")),
        ("in/files/a.txt", "mine".to_owned()),
        // Begins with the folder's name and is another.
        ("into/files/b.txt", "another's".to_owned()),
    ] {
        archive.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(text.as_bytes()).unwrap();
    }
    archive.finish().unwrap();
    let ran = place.run("inspect packed.zip --records").exits(0);
    let printed: serde_json::Value = serde_json::from_str(ran.stdout.trim()).unwrap();
    assert_eq!(printed["entries"][0]["attachments"][0]["data"], "bWluZQ==", "{}", ran.stdout);
}

#[test]
fn a_container_may_come_through_a_pipe() {
    let place = Place::new();
    zip(&sample("zendesk"), &place.path().join("packed.zip"));
    let ran =
        Ran::of(place.command(["check", "-"]).stdin(std::fs::File::open(place.path().join("packed.zip")).unwrap()));
    let folder = Ran::of(place.command(["check"]).arg(sample("zendesk")));
    assert_eq!(ran.last_line(), folder.last_line());
}

#[test]
fn a_spreadsheet_is_a_table() {
    let place = Place::new();
    let mut book = rust_xlsxwriter::Workbook::new();
    let sheet = book.add_worksheet().set_name("Tickets").unwrap();
    // The first line only names the delimiter.
    let text = std::fs::read_to_string(sample("csv-tickets").join("tickets.csv")).unwrap();
    let text = text.split_once('\n').unwrap().1;
    let mut rows = csv::ReaderBuilder::new();
    let mut rows = rows.delimiter(b';').has_headers(false).flexible(true).from_reader(text.as_bytes());
    for (row, record) in rows.records().enumerate() {
        for (column, cell) in record.unwrap().iter().enumerate() {
            sheet.write(row as u32, column as u16, cell).unwrap();
        }
    }
    book.save(place.path().join("tickets.xlsx")).unwrap();
    let of_csv = Ran::of(place.command(["check"]).arg(sample("csv-tickets")));
    let ran = place.run("check tickets.xlsx");
    assert_eq!(ran.last_line(), of_csv.last_line());
    let ran = place.run("inspect tickets.xlsx --json").exits(0);
    assert!(ran.stdout.contains("spreadsheet"), "{}", ran.stdout);
}

#[test]
fn a_container_that_cannot_be_used_is_5_and_says_what_to_do() {
    let place = Place::new();
    place.write("mail.pst", b"!BDN and more");
    let ran = place.run("check mail.pst").exits(5);
    assert!(ran.stderr.contains("PST files are not read"), "{}", ran.stderr);
    zip(&sample("zendesk"), &place.path().join("whole.zip"));
    let whole = std::fs::read(place.path().join("whole.zip")).unwrap();
    place.write("cut.zip", &whole[..whole.len() / 2]);
    let ran = place.run("check cut.zip").exits(5);
    assert!(ran.stderr.contains("was the download complete?"), "{}", ran.stderr);
}
