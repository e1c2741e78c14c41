//! Mutations of small mappings, and of the built-in ones.

use std::ops::ControlFlow;

use super::*;

fn unnoticed(rules: &str, cases: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ours.toml");
    std::fs::write(&file, format!("source = \"zendesk\"\n{rules}")).unwrap();
    let file = file.display().to_string();
    let cases = Cases::parse("ours.cases.toml", cases, "zendesk").unwrap_or_else(|error| panic!("{}", error.report));
    let mapping = Mapping::load(&file).unwrap_or_else(|error| panic!("{}", error.report));
    let differing: Vec<_> = cases.run(&mapping).filter(|verdict| !verdict.has_passed()).collect();
    assert!(differing.is_empty(), "{differing:?}");
    let found = mutate(&file, &cases, &mut |_, _| ControlFlow::Continue(())).unwrap();
    found.unnoticed.iter().map(|one| format!("{}:{} {}", one.line, one.column, one.change)).collect()
}

#[test]
fn a_rule_that_no_case_looks_at_is_named_with_its_place() {
    let rules =
        "[status]\nfrom = \"status\"\ntable = { open = \"active\", solved = \"closed\" }\ndefault = \"pending\"\n";
    let one = "[[case]]\nname = \"solved\"\nrecord.status = \"solved\"\nexpect.status = \"closed\"\n";
    assert_eq!(
        unnoticed(rules, one),
        ["4:11 removed", "4:18 changed to `pending`", "5:11 changed to `active`"].map(str::to_owned),
    );
    let all = format!(
        "{one}[[case]]\nname = \"others\"\neach = {{ from = \"status\", to = \"status\", table = {{ open = \"active\", odd = \"pending\" }} }}\n"
    );
    assert_eq!(unnoticed(rules, &all), [""; 0]);
}

#[test]
fn each_kind_of_rule_is_changed() {
    // Rules of which the only case sees nothing at all.
    let blind = "[[case]]\nname = \"blind\"\nexpect.customer.email = \"ann@example.net\"\n";
    let table: &[(&str, &[&str])] = &[
        ("mailbox = \"a@example.org\"", &["2:11 changed"]),
        (
            "[mailbox.when]\n\"'vip' in tags\" = \"a@example.org\"",
            &["3:1 removed", "3:1 turned into its opposite", "3:19 changed"],
        ),
        ("[tags]\nadd = [\"x\"]\ndrop = [\"y*\"]", &["3:8 removed", "4:9 removed"]),
        (
            "[tags]\nfrom = [\"tags\", { from = \"priority\", prefix = \"p-\" }]",
            &["3:9 removed", "3:17 removed", "3:26 reads nothing", "3:38 removed"],
        ),
        ("[fields]\nA = \"{{ id }}\"", &["3:1 removed", "3:6 shows nothing"]),
        ("[threads]\nwhen = \"entry.kind != 'x'\"", &["3:1 removed", "3:8 turned into its opposite"]),
        ("[[skip]]\nwhen = \"status == 'open'\"\nreason = \"so\"", &["2:1 removed"]),
        ("[ignore]\n\"{a,b}_c\" = \"so\"", &["3:3 removed", "3:5 removed"]),
        ("[people]\nown = [\"@example.org\"]\ndefault = \"a@example.org\"", &["3:8 removed", "4:11 changed"]),
        ("[people.agents]\n\"a@example.org\" = { departed = \"A\" }", &["3:32 changed"]),
        (
            "[threads]\nfooter = \"{% if group %}{{ group }}{% endif %}\"",
            &["3:1 removed", "3:11 turned into its opposite", "3:25 shows nothing"],
        ),
        (
            "[notes.a]\ntext = \"{% for x in xs %}{{ x }}{% endfor %}\"",
            &["3:9 goes through nothing", "3:26 shows nothing"],
        ),
    ];
    for (rules, expected) in table {
        assert_eq!(unnoticed(rules, blind), *expected, "{rules}");
    }
}

#[test]
fn written_out_a_mapping_is_what_it_was() {
    for (name, text) in Mapping::built_in() {
        let (root, _) = DeTable::parse_recoverable(text);
        let written = Node::table(root.get_ref(), text).document();
        assert_eq!(
            toml::from_str::<toml::Table>(&written).unwrap(),
            toml::from_str::<toml::Table>(text).unwrap(),
            "{name}"
        );
    }
}

#[test]
fn every_change_of_a_built_in_mapping_is_noticed_by_its_cases() {
    for (name, _) in Mapping::built_in() {
        let mapping = Mapping::load(name).unwrap();
        let cases = Cases::of(&mapping).unwrap_or_else(|error| panic!("{}", error.report));
        for verdict in cases.run(&mapping) {
            assert!(verdict.has_passed(), "{name}, line {}: {}: {:?}", verdict.line, verdict.name, verdict.differences);
        }
        let found = mutate(name, &cases, &mut |_, _| ControlFlow::Continue(())).unwrap();
        assert!(found.tried > 10, "{name}: {}", found.tried);
        let reports: Vec<&str> = found.unnoticed.iter().map(|one| one.report.as_str()).collect();
        assert!(reports.is_empty(), "{}", reports.join("\n"));
    }
}
