//! The dry run.

use crate::place::{Place, Ran, mbox_of, sample};

#[test]
fn a_sound_archive_is_0_and_everything_would_be_done() {
    let place = Place::new();
    place.write("a.mbox", mbox_of(5));
    let ran = place.run("check a.mbox").exits(0);
    assert_eq!(ran.last_line(), "5 read: 5 done, 0 skipped, 0 rejected, 0 dead letters");
}

#[test]
fn an_unreadable_record_is_3_and_the_rest_is_checked() {
    let place = Place::new();
    let ran = Ran::of(place.command(["check"]).arg(sample("broken/zendesk-garbled-line"))).exits(3);
    assert_eq!(ran.last_line(), "3 read: 2 done, 0 skipped, 1 rejected, 0 dead letters");
    assert!(ran.stderr.contains("rejected zendesk:unreadable@tickets.json:2 (tickets.json:2): "), "{}", ran.stderr);
}

#[test]
fn every_finding_is_a_json_line_in_the_file() {
    let place = Place::new();
    let ran = Ran::of(place.command(["check", "--json", "--findings", "f.jsonl"]).arg(sample("zendesk")));
    let events = ran.events();
    let told = events.iter().filter(|event| event["event"] == "finding").count();
    let text = std::fs::read_to_string(place.path().join("f.jsonl")).unwrap();
    assert_eq!(text.lines().count(), told);
    assert!(told > 0, "the sample is rich in oddities");
    for line in text.lines() {
        let finding: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(finding["code"].is_string() && finding["message"].is_string(), "{line}");
    }
}

#[test]
fn events_end_with_the_sums() {
    let place = Place::new();
    place.write("a.mbox", mbox_of(5));
    let ran = place.run("check a.mbox --json --limit 3").exits(0);
    let events = ran.events();
    let last = events.last().unwrap();
    assert_eq!(last["event"], "finished");
    for (field, expected) in [("read", 3), ("done", 3), ("skipped", 0), ("rejected", 0), ("dead", 0)] {
        assert_eq!(last[field], expected, "{field}");
    }
    assert_eq!(events.iter().filter(|event| event["event"] == "outcome").count(), 3);
}

#[test]
fn selection_takes_the_records_that_are_asked_for() {
    let place = Place::new();
    // One conversation an hour, from midnight of the first of January.
    place.write("a.mbox", mbox_of(48));
    for (words, expected) in [
        ("--limit 7", 7),
        ("--since 2024-01-02", 24),
        ("--until 2024-01-02", 24),
        ("--since 2024-01-01T12:00:00Z --until 2024-01-01T18:00:00Z", 6),
        ("--since 2024-01-02 --limit 5", 5),
        ("--order newest --limit 5 --until 2024-01-01T04:00:00Z", 4),
    ] {
        let sums = place.run(&format!("check a.mbox {words}")).exits(0).sums();
        assert_eq!(sums.read, expected, "{words}");
    }
}
