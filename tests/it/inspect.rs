//! What `inspect` says about the samples.

use crate::place::{Place, Ran, mbox_of, sample};

#[test]
fn the_samples_are_described_as_json() {
    let place = Place::new();
    for name in ["zendesk", "mbox", "maildir", "eml", "csv"] {
        let ran = Ran::of(place.command(["inspect", "--json"]).arg(sample(name))).exits(0);
        insta::assert_json_snapshot!(format!("inspect_{name}"), ran.json());
        assert_eq!(ran.stderr, "", "{name}");
    }
}

#[test]
fn the_promised_fields_are_there() {
    let place = Place::new();
    place.write("a.mbox", mbox_of(3));
    let object = place.run("inspect a.mbox --json").exits(0).json();
    for (field, expected) in [
        ("format", "\"mbox\""),
        ("files", "1"),
        ("records", "3"),
        ("entries", "6"),
        ("people", "4"),
        ("attachments", "0"),
        ("first", "\"2024-01-01T00:00:00Z\""),
        ("last", "\"2024-01-01T02:30:00Z\""),
        ("messages", "6"),
        ("distinct_message_ids", "6"),
    ] {
        assert_eq!(object[field].to_string(), expected, "{field} in {object}");
    }
    assert_eq!(object["bytes"], std::fs::metadata(place.path().join("a.mbox")).unwrap().len());
}

#[test]
fn people_read_a_table() {
    let place = Place::new();
    place.write("a.mbox", mbox_of(3));
    let ran = place.run("inspect a.mbox").exits(0);
    for line in ["records               3", "people                4"] {
        assert!(ran.stdout.lines().any(|found| found == line), "{}", ran.stdout);
    }
}

#[test]
fn standard_input_is_an_archive() {
    let place = Place::new();
    let file = std::fs::File::open(place.write("a.mbox", mbox_of(2))).unwrap();
    let ran = Ran::of(place.command(["inspect", "-", "--json"]).stdin(file)).exits(0);
    assert_eq!(ran.json()["records"], 2);
}
