//! Cases files: what is wrong with them, and what they compare.

use std::path::Path;

use super::*;

fn mapping(rules: &str) -> Mapping {
    Mapping::parse("ours.toml", &format!("source = \"zendesk\"\n{rules}"))
        .unwrap_or_else(|error| panic!("{}", error.report))
}

fn verdicts(rules: &str, cases: &str) -> Vec<Verdict> {
    let cases = Cases::parse("ours.cases.toml", cases, "zendesk").unwrap_or_else(|error| panic!("{}", error.report));
    cases.run(&mapping(rules)).collect()
}

/// `field: expected / got` of each difference of a single case.
fn differences(rules: &str, case: &str) -> Vec<String> {
    let verdicts = verdicts(rules, &format!("[[case]]\nname = \"one\"\n{case}"));
    let shown = |one: &Difference| format!("{}: {} / {}", one.field, one.expected, one.got);
    verdicts.iter().flat_map(|verdict| &verdict.differences).map(shown).collect()
}

#[test]
fn every_wrong_cases_file_is_refused_with_its_golden_report() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mappings/cases");
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .filter_map(|file| file.unwrap().file_name().to_str()?.strip_suffix(".toml").map(str::to_owned))
        .collect();
    names.sort();
    assert!(names.len() >= 8, "only {} wrong cases files", names.len());
    let mut differing = Vec::new();
    for name in names {
        let text = std::fs::read_to_string(folder.join(format!("{name}.toml"))).unwrap();
        let golden = folder.join(format!("{name}.txt"));
        let Err(error) = Cases::parse(&format!("{name}.toml"), &text, "zendesk") else {
            panic!("`{name}.toml` is not refused");
        };
        if std::env::var_os("FOXFERRY_BLESS").is_some() {
            std::fs::write(&golden, &error.report).unwrap();
        }
        if std::fs::read_to_string(&golden).unwrap_or_default() != error.report {
            differing.push(format!("{name}:\n{}", error.report));
        }
    }
    assert!(differing.is_empty(), "these differ (FOXFERRY_BLESS=1 accepts them):\n{}", differing.join("\n"));
}

#[test]
fn only_what_is_named_is_compared() {
    let rules = "status = \"closed\"\n[tags]\nadd = [\"old\"]\n[fields]\nNumber = \"{{ id }}\"\n";
    let table: &[(&str, &[&str])] = &[
        ("expect.status = \"closed\"", &[]),
        ("expect.status = \"active\"", &["status: `active` / `closed`"]),
        ("expect.mailbox = false", &[]),
        ("expect.mailbox = \"a@example.org\"", &["mailbox: `a@example.org` / nothing"]),
        ("expect.tags = [\"old\"]", &[]),
        ("expect.tags = [\"new\"]", &["tags[0]: `new` / `old`"]),
        ("expect.tags = []", &["tags: nothing / `old`"]),
        ("expect.tags.contains = \"old\"", &[]),
        ("expect.tags.contains = [\"old\", \"new\"]", &["tags: contains `new` / `old`"]),
        ("expect.tags.length = 2", &["tags: length `2` / `old`"]),
        ("expect.subject.starts = \"A q\"", &[]),
        (
            "expect.subject = { ends = \"x\", lacks = \"A\" }",
            &["subject: ends `x` / `A question`", "subject: lacks `A` / `A question`"],
        ),
        ("expect.fields.Number = \"1\"", &[]),
        ("expect.fields.Number = 1", &[]),
        ("expect.fields.Other = \"1\"", &["fields.Other: `1` / nothing"]),
        ("expect.customer = { email = \"ann@example.net\", last_name = \"Lee\" }", &[]),
        ("expect.assignee = \"nobody\"", &[]),
        ("expect.created_at = 2024-01-01T13:00:00+01:00", &[]),
        ("expect.threads = [{ type = \"customer\" }]", &[]),
        ("expect.threads = [{}, {}]", &["threads: 2 of them / 1 of them"]),
        ("expect.threads.0.text = \"Text 1\"", &[]),
        ("expect.threads.1.text = \"Text 2\"", &["threads[1].text: `Text 2` / nothing"]),
        ("expect.skipped = true", &["outcome: skipped / a conversation"]),
        ("expect.findings = []", &[]),
        ("record.fields.a = 1\nexpect.findings = []", &["findings: nothing / `map-lost-field a`"]),
        ("record.fields.a = 1\nexpect.findings = [\"map-lost-field\"]", &[]),
        (
            "record.fields.a = 1\nexpect.findings = [\"map-lost-field b\"]",
            &["findings: `map-lost-field b` / nothing", "findings: nothing / `map-lost-field a`"],
        ),
        ("record.fields.a = 1\nexpect.findings.lacks = \"map-expression\"", &[]),
    ];
    for (case, expected) in table {
        assert_eq!(differences(rules, case), *expected, "{case}");
    }
}

#[test]
fn an_end_is_expected_with_its_reason_or_any() {
    let rules = "[[skip]]\nwhen = \"status == 'new'\"\nreason = \"too new\"\n[[reject]]\nwhen = \"not status\"\nreason = \"no status\"\n";
    let table: &[(&str, &[&str])] = &[
        ("record.status = \"new\"\nexpect.skipped = \"too new\"", &[]),
        ("record.status = \"new\"\nexpect.skipped = true", &[]),
        ("record.status = \"new\"\nexpect.skipped = \"old\"", &["skipped: `old` / `too new`"]),
        ("record.status = \"new\"\nexpect.rejected = true", &["outcome: rejected / skipped: too new"]),
        ("record.status = \"new\"\nexpect.type = \"email\"", &["outcome: a conversation / skipped: too new"]),
        ("expect.rejected.contains = \"status\"", &[]),
        ("record.status = \"open\"\nexpect.skipped = false\nexpect.rejected = false", &[]),
    ];
    for (case, expected) in table {
        assert_eq!(differences(rules, case), *expected, "{case}");
    }
}

#[test]
fn records_have_defaults_that_false_leaves_out() {
    let table: &[(&str, &[&str])] = &[
        ("expect.threads = [{ author = \"ann@example.net\", created_at = 2024-01-01T12:00:00Z }]", &[]),
        (
            "record.entries = [{}, {}]\nexpect.threads = [{}, { text = \"Text 2\", created_at = 2024-01-01T12:01:00Z }]",
            &[],
        ),
        ("record.entries = []\nexpect.threads = [{ text.contains = \"no messages\" }]", &[]),
        ("record.subject = false\nexpect.subject = \"(no subject)\"", &[]),
        ("record.requester = false\nexpect.customer.is_stand_in = true", &[]),
        ("record.requester = { email = \"bo@example.net\" }\nexpect.threads.0.author = \"bo@example.net\"", &[]),
        ("record.entries = [{ text = false }]\nexpect.findings = [\"map-empty-body\"]", &[]),
        ("record.created_at = 2020-01-01T00:00:00Z\nexpect.threads.0.created_at = 2020-01-01T00:00:00Z", &[]),
        (
            "record.entries = [{ attachments = [{ name = \"a.pdf\", size = 1000 }, { name = \"b.pdf\" }] }]\n\
             expect.threads.0.attachments = [{ name = \"a.pdf\", size = 1000 }, { name = \"b.pdf\", size = 4 }]",
            &[],
        ),
    ];
    for (case, expected) in table {
        assert_eq!(differences("", case), *expected, "{case}");
    }
}

#[test]
fn a_record_of_all_cases_lies_below_that_of_each() {
    let cases = "[record]\nstatus = \"new\"\nfields = { a = \"1\", b = \"2\" }\n\
                 [[case]]\nname = \"one\"\nrecord.fields.b = \"3\"\nexpect.subject = \"new 1 3\"\n\
                 [[case]]\nname = \"two\"\nrecord.status = \"old\"\nexpect.subject = \"old 1 2\"\n";
    for verdict in verdicts("subject = \"{{ status }} {{ a }} {{ b }}\"\n", cases) {
        assert!(verdict.has_passed(), "{verdict:?}");
    }
}

#[test]
fn each_row_of_a_table_is_a_case_with_its_own_line() {
    let cases = "[[case]]\nname = \"words\"\n[case.each]\nfrom = \"entries[1].fields['a b']\"\nto = \"threads[1].text\"\n\
                 [case.each.table]\nx = \"x!\"\ny = \"z!\"\n";
    let rules = "[threads]\nfooter = \"<p>{{ entry['a b'] }}!</p>\"\n";
    let verdicts =
        verdicts(rules, &cases.replace("\"x!\"", "{ ends = \"x!\" }").replace("\"z!\"", "{ ends = \"z!\" }"));
    let shown: Vec<_> = verdicts.iter().map(|one| (one.name.as_str(), one.line, one.has_passed())).collect();
    assert_eq!(shown, [("words: x", 7, true), ("words: y", 8, false)]);
}

#[test]
fn cases_files_are_found_by_the_mappings_name() {
    assert_eq!(Cases::file_beside("a/b.toml"), "a/b.cases.toml");
    assert_eq!(Cases::file_beside("a/b"), "a/b.cases.toml");
    assert_eq!(Cases::mapping_of("a/b.cases.toml").as_deref(), Some("a/b.toml"));
    assert_eq!(Cases::mapping_of("a/b.toml"), None);
    assert_eq!(Cases::mapping_of("a/.cases.toml"), None);
}

#[test]
fn an_anonymised_record_takes_the_ways_of_the_original() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ours.toml");
    // What a mapping says is read from its file.
    std::fs::write(
        &file,
        "source = \"zendesk\"\n[people]\nown = [\"@example.org\"]\n[people.agents]\n\"ada@old.example.com\" = \"ada@example.org\"\n\
         [mailbox]\nfrom = \"group\"\ntable = { Billing = \"billing@example.org\" }\n\
         [mailbox.when]\n\"'refund' in subject\" = \"money@example.org\"\n\
         [threads]\nfooter = \"<p>{{ url | replace('/api/v2/', '/agent/') }}</p>\"\n",
    )
    .unwrap();
    let mapping = Mapping::load(file.to_str().unwrap()).unwrap();
    let mut anonymiser = mapping.anonymiser([3; 32]);
    for kept in ["ada@old.example.com", "Billing", "billing@example.org"] {
        assert_eq!(anonymiser.value(kept), kept);
    }
    assert!(anonymiser.text("My refund, Bob").contains("refund"));
    assert!(!anonymiser.text("My refund, Bob").contains("Bob"));
    assert!(anonymiser.value("https://acme.example.com/api/v2/tickets").contains("/api/v2/"));
    assert!(anonymiser.text("sam@example.org").ends_with("@example.org"));
    assert_ne!(anonymiser.text("sam@example.org"), "sam@example.org");
}
