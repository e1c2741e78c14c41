//! Real archives, found through `FOXFERRY_ARCHIVES`; without it these tests skip and say so.

use std::collections::HashSet;
use std::path::Path;

use crate::place::{Place, Ran, archive};

/// No rule decides where messages begin in these.
const UNDECIDED: [&str; 2] = ["unmunged.mbox", "test-attached.mbox"];

/// Not mbox archives at all.
const NOT_MBOX: [&str; 1] = ["test-not-an.mbox"];

#[test]
fn every_mbox_has_as_many_messages_as_independent_tools_count() {
    let Some(truth) = archive("MBOX-TRUTH.tsv") else { return };
    let place = Place::new();
    let mut seen = 0;
    for line in std::fs::read_to_string(truth).unwrap().lines().skip(1) {
        let cells: Vec<&str> = line.split('\t').collect();
        let [path, _, messages, distinct, ..] = cells[..] else { panic!("not a row: {line}") };
        if UNDECIDED.iter().any(|name| path.ends_with(name)) {
            continue;
        }
        let ran = Ran::of(place.command(["inspect", "--json"]).arg(archive(path).unwrap()));
        if NOT_MBOX.iter().any(|name| path.ends_with(name)) {
            ran.exits(5);
            continue;
        }
        let object = ran.exits(0).json();
        assert_eq!(object["messages"].to_string(), messages, "{path}");
        assert_eq!(object["distinct_message_ids"].to_string(), distinct, "{path}");
        seen += 1;
    }
    assert!(seen > 20, "only {seen} archives were counted");
}

#[test]
fn every_message_of_a_mailing_list_is_in_exactly_one_conversation() {
    let Some(list) = archive("mbox/pipermail-twisted-python/2005-May.txt") else { return };
    let place = Place::new();
    let object = Ran::of(place.command(["inspect", "--json"]).arg(&list)).exits(0).json();
    assert_eq!((&object["messages"], &object["distinct_message_ids"]), (&714.into(), &357.into()));
    assert_eq!(object["entries"], 357, "each message counts once");

    let ran = Ran::of(place.command(["import", "--sandbox", "--json"]).arg(&list)).exits(0);
    let last = ran.events().pop().unwrap();
    assert_eq!(last["done"], object["records"]);
    assert_eq!(last["threads"], 357);
}

#[test]
fn a_zendesk_api_dump_moves_into_a_sandbox() {
    let Some(dump) = archive("zendesk/go-zendesk") else { return };
    moves(&dump, &[]);
}

#[test]
fn dumps_of_other_help_desks_move_into_a_sandbox() {
    for (folder, records) in [("freshdesk", 1), ("helpscout", 2), ("intercom", 3), ("zammad", 7)] {
        let Some(dump) = archive(folder) else { return };
        assert_eq!(moves(&dump, &[]).sums().done, records, "{folder}");
    }
}

#[test]
fn a_csv_with_a_mapping_for_its_columns_moves_into_a_sandbox() {
    let Some(table) = archive("csv/customer_support_tickets.csv") else { return };
    let mapping = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mappings/customer_support_tickets.toml");
    let ran = moves(&table, &["--mapping", mapping.to_str().unwrap()]);
    assert_eq!(ran.sums().read, 8469);
}

/// Imports it, and makes sure that the sums add up and that nobody is mailed.
fn moves(archive: &Path, options: &[&str]) -> Ran {
    let place = Place::new();
    let ran = Ran::of(place.command(["import", "--sandbox"]).arg(archive).args(options));
    let sums = ran.sums();
    assert!(sums.done > 0 && sums.dead == 0, "{}", ran.stderr);
    assert!(ran.code == 0 || (ran.code == 3 && sums.rejected > 0), "{}: {}", ran.code, ran.stderr);
    assert!(ran.stderr.contains("0 mails queued"), "{}", ran.stderr);
    ran
}

#[test]
fn ids_are_distinct_in_every_real_archive() {
    let Some(list) = archive("mbox/pipermail-twisted-python/2008-April.txt") else { return };
    let place = Place::new();
    let ran = Ran::of(place.command(["check", "--json"]).arg(list));
    let events = ran.events();
    let ids: Vec<&str> =
        events.iter().filter(|e| e["event"] == "outcome").map(|e| e["record"].as_str().unwrap()).collect();
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
}
