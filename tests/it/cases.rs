//! Cases of mappings: run, changed rule by rule, and made of real records.

use crate::place::{Place, Ran, sample};

const MAPPING: &str = "source = \"zendesk\"\n\n[status]\nfrom = \"status\"\ntable = { open = \"active\", solved = \"closed\" }\ndefault = \"pending\"\n";

const CASES: &str = "[[case]]\nname = \"status words\"\n\
    each = { from = \"status\", to = \"status\", table = { open = \"active\", solved = \"closed\" } }\n";

fn test(place: &Place, more: &[&str]) -> Ran {
    Ran::of(place.command(["mapping", "test"]).args(more))
}

#[test]
fn cases_pass_or_show_what_differs() {
    let place = Place::new();
    place.write("ours.toml", MAPPING);
    place.write("ours.cases.toml", CASES);
    let ran = test(&place, &["ours.toml"]).exits(0);
    assert_eq!(ran.stdout, "2 cases: 2 passed, 0 failed\n");

    place.write("ours.cases.toml", CASES.replace("solved = \"closed\"", "solved = \"spam\""));
    let ran = test(&place, &["ours.toml"]).exits(3);
    assert_eq!(
        ran.stdout,
        "failed status words: solved ours.cases.toml:3\n  status\n  expected `spam`\n       got `closed`\n\n\
         2 cases: 1 passed, 1 failed\n"
    );
    let ran = test(&place, &["ours.cases.toml", "--json"]).exits(3);
    let lines: Vec<serde_json::Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[1]["differences"][0]["field"], "status");
    assert_eq!(lines[2]["event"], "finished");
    assert_eq!((&lines[2]["passed"], &lines[2]["failed"]), (&1.into(), &1.into()));
}

#[test]
fn a_rule_that_no_case_looks_at_is_named() {
    let place = Place::new();
    place.write("ours.toml", MAPPING);
    place.write("ours.cases.toml", CASES);
    let ran = test(&place, &["ours.toml", "--mutate"]).exits(3);
    assert!(ran.stdout.contains("ours.toml:6:11\n"), "{}", ran.stdout);
    assert!(ran.stdout.contains("changed to `active`"), "{}", ran.stdout);
    assert_eq!(ran.last_line(), "6 changes: 5 noticed, 1 not noticed");

    place.write("ours.cases.toml", CASES.replace("open =", "odd = \"pending\", open ="));
    test(&place, &["ours.toml", "--mutate"]).exits(0);
}

#[test]
fn what_cannot_be_run_says_why() {
    let place = Place::new();
    place.write("ours.toml", MAPPING);
    let ran = test(&place, &["ours.toml"]).exits(5);
    assert!(ran.stderr.contains("could not read the cases `ours.cases.toml`: there is no such file"), "{}", ran.stderr);
    place.write("ours.cases.toml", "[[case]]\nname = \"x\"\nexpect.status = \"close\"\n");
    let ran = test(&place, &["ours.toml"]).exits(5);
    assert!(
        ran.stderr.contains("ours.cases.toml:3:17") && ran.stderr.contains("did you mean `closed`?"),
        "{}",
        ran.stderr
    );
    test(&place, &["nothing.toml"]).exits(5);
    test(&place, &[]).exits(2);
}

#[test]
fn a_real_record_becomes_a_case_that_passes_and_names_nobody() {
    for (name, mapping) in [("zendesk", "zendesk"), ("mbox", "mbox"), ("csv", "csv"), ("csv-tickets", "csv")] {
        let place = Place::new();
        let printed = Ran::of(place.command(["inspect", "--records"]).arg(sample(name))).exits(0);
        let records: Vec<serde_json::Value> =
            printed.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let ids: Vec<&str> = records.iter().map(|record| record["id"].as_str().unwrap()).collect();
        let mut command = place.command(["mapping", "case"]);
        let ran = Ran::of(command.arg(sample(name)).arg("--only").args(&ids)).exits(0);
        assert_eq!(ran.stdout.matches("[[case]]").count(), ids.len(), "{name}");
        assert!(!ran.stderr.contains("does not pass"), "{name}: {}", ran.stderr);
        for record in &records {
            for email in record["requester"]["emails"].as_array().into_iter().flatten() {
                let email = email.as_str().unwrap();
                assert!(!ran.stdout.contains(email), "{name}: {email}");
            }
            if let Some(subject) = record["subject"].as_str().filter(|subject| subject.len() > 12) {
                assert!(!ran.stdout.contains(subject), "{name}: {subject}");
            }
        }
        place.write("ours.toml", format!("extends = \"{mapping}\"\n"));
        place.write("ours.cases.toml", &ran.stdout);
        let ran = test(&place, &["ours.toml"]).exits(0);
        assert_eq!(
            ran.stdout,
            format!("{0} case{1}: {0} passed, 0 failed\n", ids.len(), if ids.len() == 1 { "" } else { "s" })
        );
    }
}

#[test]
fn an_id_that_is_not_there_is_named() {
    let place = Place::new();
    let ran = Ran::of(place.command(["mapping", "case"]).arg(sample("zendesk")).args(["--only", "nobody's"])).exits(3);
    assert!(ran.stderr.contains("has no record `nobody's`"), "{}", ran.stderr);
}
