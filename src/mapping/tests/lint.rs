//! What lint says about mappings, and what it leaves alone.

use std::path::Path;

use serde_json::json;

use super::super::{Lint, schema};
use super::*;
use crate::finding::Severity;

fn folder(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mappings").join(name)
}

#[test]
fn every_questionable_mapping_has_its_golden_notices() {
    let mut names: Vec<String> = std::fs::read_dir(folder("lint"))
        .unwrap()
        .filter_map(|file| file.unwrap().file_name().to_str()?.strip_suffix(".toml").map(str::to_owned))
        .collect();
    names.sort();
    assert!(names.len() >= 8, "only {}", names.len());
    let mut differing = Vec::new();
    for name in names {
        let text = std::fs::read_to_string(folder("lint").join(format!("{name}.toml"))).unwrap();
        let golden = folder("lint").join(format!("{name}.txt"));
        let notices = Lint::parse(&format!("{name}.toml"), &text).notices();
        assert!(!notices.is_empty(), "nothing is said about `{name}.toml`");
        let report = notices.iter().map(|notice| notice.report.as_str()).collect::<Vec<_>>().join("\n");
        if std::env::var_os("FOXFERRY_BLESS").is_some() {
            std::fs::write(&golden, &report).unwrap();
        }
        if std::fs::read_to_string(&golden).unwrap_or_default() != report {
            differing.push(format!("{name}:\n{report}"));
        }
    }
    assert!(differing.is_empty(), "these differ (FOXFERRY_BLESS=1 accepts them):\n{}", differing.join("\n"));
}

#[test]
fn built_in_mappings_lint_clean() {
    for (name, _) in Mapping::built_in() {
        let notices = Lint::load(name).unwrap().notices();
        assert!(
            notices.is_empty(),
            "{name}: {}",
            notices.iter().map(|notice| notice.report.as_str()).collect::<String>()
        );
    }
}

#[test]
fn a_mapping_that_only_looks_wrong_can_be_used() {
    let text = "source = 'zendesk'\n[[skip]]\nwhen = \"status == 'Open'\"\nreason = 'x'";
    let lint = Lint::parse("test.toml", text);
    let [notice] = &lint.notices()[..] else { panic!("{:?}", lint.notices()) };
    assert_eq!(notice.severity, Severity::Warning);
    assert_eq!((notice.line, notice.column, notice.code), (3, 20, "impossible"));
    assert_eq!(notice.hint.as_deref(), Some("did you mean `open`?"));
    assert!(lint.mapping().is_some());
    assert!(Mapping::parse("test.toml", text).is_ok());
}

#[test]
fn words_are_those_of_each_source_with_their_capitals() {
    let table = [
        // Tables are looked up without regard to case.
        ("osticket", "[type]\nfrom = 'channel'\ntable = { Web = 'email', email = 'email' }", None),
        ("osticket", "[type]\nfrom = 'channel'\ntable = { phoen = 'phone' }", Some("did you mean `Phone`?")),
        // Comparisons are not.
        ("osticket", "[[skip]]\nwhen = \"channel == 'API'\"\nreason = 'x'", None),
        ("osticket", "[[skip]]\nwhen = \"channel == 'api'\"\nreason = 'x'", Some("did you mean `API`?")),
        ("zammad", "[[skip]]\nwhen = \"status == 'our own'\"\nreason = 'x'", None),
        ("freshdesk", "[tags]\nfrom = [{ from = 'priority', table = { 4 = 'urgent' } }]", None),
        ("freshdesk", "[tags]\nfrom = [{ from = 'priority', table = { urgent = 'urgent' } }]", Some("remove it from")),
        ("helpscout", "[[skip]]\nwhen = \"state == 'delete'\"\nreason = 'x'", Some("did you mean `deleted`?")),
        ("helpscout", "[status]\nfrom = 'status'\ntable = { activ = 'active' }", Some("did you mean `active`?")),
        ("intercom", "[status]\nfrom = 'status'\ntable = { snooze = 'pending' }", Some("did you mean `snoozed`?")),
        ("jira", "[status.when]\n\"status_category == 'Done'\" = 'closed'", Some("did you mean `done`?")),
        ("jira", "[status]\nfrom = 'status'\ntable = { 'In review' = 'active' }", None),
    ];
    for (source, rule, hint) in table {
        let notices = Lint::parse("test.toml", &format!("source = '{source}'\n{rule}")).notices();
        let said = notices.iter().map(|notice| (notice.code, notice.hint.as_deref())).next();
        match hint {
            None => assert_eq!(said, None, "{source}: {rule}"),
            Some(hint) => {
                let (code, told) = said.unwrap_or_else(|| panic!("nothing is said of {source}: {rule}"));
                assert_eq!(code, "impossible", "{rule}: {notices:?}");
                assert!(told.is_some_and(|told| told.starts_with(hint)), "{source}: {rule}: {told:?}");
            }
        }
    }
}

#[test]
fn expressions_that_work_for_some_record_are_left_alone() {
    for expression in [
        "group - 1",
        "requester.email is endingwith '@example.org'",
        "amounts | sum / count",
        "(custom_fields['Order number'] | split('-'))[0]",
        "tags | select('startingwith', 'x') | list",
        "(due_at or created_at) | date('%Y')",
        "requester.fields.vip or group in ['a', 'b']",
    ] {
        let text = format!("source = 'zendesk'\n[fields]\nF = {{ from = \"{expression}\" }}");
        let notices = Lint::parse("test.toml", &text).notices();
        assert!(notices.is_empty(), "{expression}: {}", notices[0].report);
    }
}

#[test]
fn rules_that_no_record_of_an_archive_uses_are_named() {
    let text = "source = 'zendesk'\n[status]\nfrom = 'status'\ntable = { open = 'active', solved = 'closed' }\n[people.agents]\n'ada@example.org' = 'ada@example.org'\n'eve@example.org' = 'ada@example.org'\n[fields]\nGroup = '{{ group }}'\nPriority = '{{ priority }}'\n[[skip]]\nwhen = \"'no' in tags\"\nreason = 'x'\n[ignore]\nused = 'x'\n'via.*' = 'x'\nunused = 'x'";
    let mut lint = Lint::parse("test.toml", text);
    let fields = json!({"priority": "low", "used": 1, "via": {"source": 1}});
    lint.see(Record { fields: fields.as_object().unwrap().clone(), ..open() });
    lint.tell_unused();
    let lines: Vec<usize> = lint.notices().iter().map(|notice| notice.line).collect();
    assert_eq!(lines, [4, 7, 9, 12, 17], "{:?}", lint.notices());
    assert_eq!(lint.notices()[0].message, "this value of `[status]` is that of no record of the archive");
}

/// Mappings that are wrong in form; the others have wrong words inside texts, which only the loader reads.
const WRONG_IN_FORM: &[&str] = &[
    "images",
    "many",
    "missing-source",
    "source",
    "status",
    "status-synonym",
    "thread-type",
    "type",
    "unknown-key",
    "unknown-section",
    "version",
    "wrong-type",
    "ignore-without-reason",
    "agent-misspelt",
];

#[test]
fn the_schema_agrees_with_the_loader() {
    let mut schemas = boon::Schemas::new();
    let mut compiler = boon::Compiler::new();
    compiler.add_resource("mapping.json", schema()).unwrap();
    let compiled = compiler.compile("mapping.json", &mut schemas).unwrap();
    let is_valid = |text: &str| {
        let value = serde_json::to_value(toml::from_str::<toml::Table>(text).unwrap()).unwrap();
        schemas.validate(&value, compiled).map_err(|error| error.to_string())
    };
    for (name, text) in Mapping::built_in() {
        is_valid(text).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    let sample = std::fs::read_to_string(folder("customer_support_tickets.toml")).unwrap();
    is_valid(&sample).unwrap();
    for name in WRONG_IN_FORM {
        let text = std::fs::read_to_string(folder("wrong").join(format!("{name}.toml"))).unwrap();
        assert!(is_valid(&text).is_err(), "the schema does not refuse `{name}.toml`");
    }
    // What only looks wrong has the right form.
    for file in std::fs::read_dir(folder("lint")).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "toml") {
            let text = std::fs::read_to_string(&path).unwrap();
            is_valid(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
    }
}
