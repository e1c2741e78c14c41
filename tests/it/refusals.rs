//! Archives that nobody should have to trust: too large, too deep, hostile, or several in one.

use std::io::Write as _;
use std::path::Path;

use crate::place::{Place, Ran, sample};

fn copy(from: &Path, to: &Path) {
    for entry in walkdir::WalkDir::new(from).into_iter().map(Result::unwrap) {
        let path = to.join(entry.path().strip_prefix(from).unwrap());
        if entry.file_type().is_dir() {
            std::fs::create_dir_all(&path).unwrap();
        } else {
            std::fs::copy(entry.path(), &path).unwrap();
        }
    }
}

fn zip_of(path: &Path, members: &[(&str, &[u8])]) {
    let mut archive = zip::ZipWriter::new(std::fs::File::create(path).unwrap());
    for (name, bytes) in members {
        archive.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap();
}

const TICKET: &str = r#"{"id":ID,"requester_id":5,"submitter_id":5,"status":"open","subject":"S","description":"D","created_at":"2024-01-01T00:00:00Z","updated_at":"2024-01-01T00:00:00Z","custom_fields":FIELDS,"via":{"channel":"email"}}"#;

fn ticket(id: u64, fields: &str) -> String {
    TICKET.replace("ID", &id.to_string()).replace("FIELDS", fields) + "\n"
}

#[test]
fn names_in_a_container_choose_no_path_and_are_shown() {
    let place = Place::new();
    let (work, scratch) = (place.path().join("a/b/work"), place.path().join("a/b/scratch"));
    std::fs::create_dir_all(&work).unwrap();
    std::fs::create_dir_all(&scratch).unwrap();
    let tickets = [ticket(1, "[]"), ticket(2, "[]")].concat();
    let outside = "/foxferry-outside.json";
    let names = ["../../up.json", "..\\back.json", outside];
    let members: Vec<(&str, &[u8])> = names.iter().map(|name| (*name, tickets.as_bytes())).collect();
    zip_of(&work.join("evil.zip"), &members);
    let mut command = place.command(["inspect", "evil.zip", "--json", "--scratch"]);
    let ran = Ran::of(command.arg(&scratch).current_dir(&work)).exits(0);
    assert_eq!((&ran.json()["records"], &ran.json()["files"]), (&2.into(), &3.into()));
    assert!(!Path::new(outside).exists());
    let left: Vec<String> = walkdir::WalkDir::new(place.path())
        .into_iter()
        .map(Result::unwrap)
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(left, ["evil.zip"], "nothing was written anywhere, and scratch is empty again");
}

#[test]
fn a_container_that_grows_without_end_is_refused_in_words() {
    let place = Place::new();
    // What it says of itself is enough: a member of 4 MiB that claims to be one of 3 GB.
    let zeros = vec![0; 4 << 20];
    zip_of(&place.path().join("bomb.zip"), &[("tickets.json", &zeros)]);
    let mut bytes = std::fs::read(place.path().join("bomb.zip")).unwrap();
    let (was, claims) = (u32::try_from(zeros.len()).unwrap().to_le_bytes(), 3_000_000_000_u32.to_le_bytes());
    let places: Vec<usize> = (0..bytes.len() - 4).filter(|at| bytes[*at..at + 4] == was).collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at..at + 4].copy_from_slice(&claims);
    }
    place.write("bomb.zip", bytes);
    let ran = place.run("inspect bomb.zip").exits(5);
    assert!(ran.stderr.contains("250 times its size") && ran.stderr.contains("unpack it first"), "{}", ran.stderr);
}

#[test]
fn a_thousand_nested_lists_are_one_record_that_cannot_be_read() {
    let place = Place::new();
    let deep = format!("{}{}", "[".repeat(1_000), "]".repeat(1_000));
    place.write("tickets.json", [ticket(1, "[]"), ticket(2, &deep), ticket(3, "[]")].concat());
    let ran = place.run("check tickets.json --format zendesk").exits(3);
    assert!(ran.last_line().starts_with("3 read:"), "{}", ran.stderr);
    assert!(ran.stderr.contains("tickets.json:2"), "{}", ran.stderr);
    assert!(ran.stderr.contains("over the limit of 120 levels"), "{}", ran.stderr);
    // Nothing but brackets is no archive at all.
    place.write("deep.json", "[".repeat(1_000_000));
    for format in ["zendesk", "freshdesk", "records"] {
        let ran = Ran::of(&mut place.command(["inspect", "deep.json", "--format", format]));
        assert!(matches!(ran.code, 0 | 3 | 5), "{format}: {} {}", ran.code, ran.stderr);
    }
}

#[test]
fn an_element_over_the_limit_is_set_aside_and_the_others_are_read() {
    let place = Place::new();
    let path = place.path().join("tickets.json");
    let mut file = std::io::BufWriter::new(std::fs::File::create(&path).unwrap());
    file.write_all(ticket(1, "[]").as_bytes()).unwrap();
    let huge = ticket(2, "[\"FILLING\"]");
    let (before, behind) = huge.split_once("FILLING").unwrap();
    file.write_all(before.as_bytes()).unwrap();
    let filling = vec![b'a'; 1 << 20];
    for _ in 0..257 {
        file.write_all(&filling).unwrap();
    }
    file.write_all(behind.as_bytes()).unwrap();
    file.write_all(ticket(3, "[]").as_bytes()).unwrap();
    file.into_inner().unwrap();
    let ran = place.run("inspect tickets.json --format zendesk").exits(0);
    assert!(ran.stdout.contains("3, 1 unreadable") || ran.stdout.contains("2, 1 unreadable"), "{}", ran.stdout);
    assert!(ran.stderr.contains("tickets.json:2: an element is over the limit of 256 MiB"), "{}", ran.stderr);
}

#[test]
fn archives_of_two_help_desks_in_one_folder_are_told_apart_by_name() {
    let place = Place::new();
    copy(&sample("zendesk"), &place.path().join("both/old"));
    copy(&sample("freshdesk"), &place.path().join("both/new"));
    let ran = place.run("check both").exits(5);
    for expected in ["`zendesk` (`old/", "`freshdesk` (`new/", "a folder of their own"] {
        assert!(ran.stderr.contains(expected), "{expected}: {}", ran.stderr);
    }
    // The advice works.
    for (folder, name) in [("both/old", "zendesk"), ("both/new", "freshdesk")] {
        let alone = place.run(&format!("inspect {folder} --json")).exits(0);
        assert_eq!(alone.json()["format"], name);
    }
}

#[test]
fn what_lies_beside_tickets_changes_nothing_but_what_is_said() {
    let place = Place::new();
    for name in ["zendesk", "freshdesk", "mbox", "csv"] {
        let folder = place.path().join(name);
        copy(&sample(name), &folder);
        let alone = place.run(&format!("check {name}"));
        std::fs::write(folder.join("README.md"), "# Our export\n\nMade in March; ask Ann.\n").unwrap();
        std::fs::write(folder.join("logo.png"), b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR").unwrap();
        let ran = place.run(&format!("check {name}"));
        assert_eq!((ran.code, ran.last_line()), (alone.code, alone.last_line()), "{name}: {}", ran.stderr);
    }
}
