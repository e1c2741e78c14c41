//! What the language can say beyond one rule for one field.

use std::time::{Duration, Instant};

use serde_json::json;

use super::*;

fn converted(rules: &str, record: Record) -> Converted {
    mapping(rules).convert(record)
}

#[allow(clippy::needless_pass_by_value, reason = "`json!` makes values")]
fn with_fields(fields: serde_json::Value) -> Record {
    Record { fields: fields.as_object().unwrap().clone(), ..record() }
}

#[test]
fn conditions_decide_before_the_table_and_in_their_order() {
    let rules = mapping(
        "[status]\nfrom = 'status'\ntable = { open = 'active' }\n[status.when]\n\"'none' in tags\" = 'spam'\n\"group == 'b'\" = 'closed'\n\"group\" = 'pending'",
    );
    let status = |fields| ready(&rules, with_fields(fields)).conversation.status;
    assert_eq!(status(json!({})), Status::Active);
    assert_eq!(status(json!({"group": "a"})), Status::Pending);
    assert_eq!(status(json!({"group": "b"})), Status::Closed);
}

#[test]
fn keys_with_a_star_fit_what_no_key_names() {
    let rules = mapping(
        "[mailbox]\nfrom = 'group'\ndefault = 'c@example.org'\n[mailbox.table]\n'billing*' = 'a@example.org'\n'Billing EU' = 'b@example.org'\n'Why?' = 'd@example.org'",
    );
    for (group, expected) in
        [("Billing US", "a"), ("billing eu", "b"), ("BILLING", "a"), ("sales", "c"), ("why?", "d"), ("whys", "c")]
    {
        let mapped = ready(&rules, with_fields(json!({"group": group})));
        assert_eq!(mapped.conversation.mailbox.unwrap(), format!("{expected}@example.org"), "{group}");
    }
}

#[test]
fn a_record_is_rejected_by_rule_unless_it_is_skipped() {
    let rules = "[[skip]]\nwhen = \"group == 'a'\"\nreason = 'no'\n[[reject]]\nwhen = 'group'\nreason = 'unknown group: look at it'";
    let Converted::Rejected(rejected) = converted(rules, with_fields(json!({"group": "b"}))) else { panic!() };
    assert_eq!(rejected.reason, "unknown group: look at it");
    assert_eq!(rejected.id.original, "4711");
    assert!(matches!(converted(rules, with_fields(json!({"group": "a"}))), Converted::Skipped(_)));
    assert!(matches!(converted(rules, record()), Converted::Ready(_)));
}

#[test]
fn one_archive_is_split_by_brand_over_several_mappings() {
    let part = |brand: &str| {
        mapping(&format!(
            "mailbox = '{brand}@example.org'\n[[skip]]\nwhen = \"brand != '{brand}'\"\nreason = 'another brand'"
        ))
    };
    let taken = |rules: &Mapping| matches!(rules.convert(with_fields(json!({"brand": "a"}))), Converted::Ready(_));
    assert!(taken(&part("a")) && !taken(&part("b")));
}

#[test]
fn notes_are_made_of_fields_with_a_time_of_their_own_or_at_the_end() {
    let rules = mapping(
        "[people]\ndefault = 'admin@example.org'\n[notes.rating]\nwhen = \"rating.score in ['good', 'bad']\"\ntext = '<p>Rated {{ rating.score }}: {{ rating.comment }}</p>'\n[notes.work]\ntext = '{% for one in work %}<p>{{ one.minutes }} min</p>{% endfor %}'\nat = 'work[0].at'\n[notes.merged]\ntext = '{% if merged_into %}merged into {{ merged_into }}{% endif %}'",
    );
    let rated = with_fields(json!({
        "rating": {"score": "bad", "comment": "<script>x</script>slow"},
        "work": [{"minutes": 5, "at": "2020-03-01 10:30:00"}, {"minutes": 7}],
    }));
    let mapped = ready(&rules, rated);
    let threads = &mapped.conversation.threads;
    let ids: Vec<&str> = threads.iter().map(|thread| thread.entry.as_str()).collect();
    assert_eq!(ids, ["a", "notes.work", "b", "notes.rating"]);
    assert_eq!(threads[1].body, "<p>5 min</p><p>7 min</p>");
    assert_eq!(threads[3].body, "<p>Rated bad: &lt;script&gt;x&lt;/script&gt;slow</p>");
    assert_eq!(threads[3].kind, ThreadKind::Note);
    assert_eq!(threads[3].author, user("admin@example.org"));
    assert_eq!(threads[3].created_at, at("2020-03-01T11:00:01Z").unwrap());
    assert!(mapped.findings.is_empty(), "{:?}", mapped.findings);
    assert_eq!(ready(&rules, record()).conversation.threads.len(), 2);
}

#[test]
fn a_record_without_messages_says_so_before_its_notes() {
    let rules = mapping("[notes.all]\ntext = 'x'");
    let mapped = ready(&rules, Record { entries: Vec::new(), ..record() });
    let ids: Vec<&str> = mapped.conversation.threads.iter().map(|thread| thread.entry.as_str()).collect();
    assert_eq!(ids, ["no-messages", "notes.all"]);
}

#[test]
fn quoted_mails_and_signatures_go_if_the_mapping_says_so() {
    let text = "Yes.\n-- \nAda\n\nOn Monday, Bob wrote:\n> Is it?";
    for (rules, expected) in [
        ("", &["Yes.", "Ada", "Is it?"][..]),
        ("[threads]\nquoted = 'drop'", &["Yes.", "Ada"]),
        ("[threads]\nquoted = 'drop'\nsignature = 'drop'", &["Yes."]),
    ] {
        let mut quoting = record();
        quoting.entries[1].body = Body::Text(text.to_owned());
        let mapped = ready(&mapping(rules), quoting);
        let body = &mapped.conversation.threads[1].body;
        for part in ["Yes.", "Ada", "Is it?"] {
            assert_eq!(body.contains(part), expected.contains(&part), "{part} with {rules}: {body}");
        }
        assert_eq!(has(&mapped, codes::MAP_DROPPED_PART), !rules.is_empty(), "{rules}");
    }
}

#[test]
fn html_becomes_plain_text_if_the_mapping_says_so() {
    let mut rich = record();
    rich.entries[0].body = Body::Html("<h1>It</h1><p><b>burns</b> &amp; glows</p>".to_owned());
    let body = ready(&mapping("html = { texts = 'plain' }"), rich).conversation.threads[0].body.clone();
    assert!(body.contains("burns &amp; glows") && !body.contains("<b>") && !body.contains("<h1>"), "{body}");
}

#[test]
fn images_of_a_text_are_left_out_if_the_mapping_says_so() {
    let mut shown = record();
    shown.entries[0].body = Body::Html("See <img src=\"cid:a\">".to_owned());
    shown.entries[0].attachments = vec![Attachment {
        name: "a.png".to_owned(),
        mime: Some("image/png".to_owned()),
        content_id: Some("a".to_owned()),
        is_inline: true,
        content: Content::Bytes(vec![1, 2, 3].into()),
    }];
    let mapped = ready(&mapping("html = { inline_images = 'drop' }"), shown);
    let thread = &mapped.conversation.threads[0];
    assert!(thread.attachments.is_empty());
    assert!(thread.body.contains("[image: a.png]"), "{}", thread.body);
    assert!(has(&mapped, codes::MAP_DROPPED_PART));
}

#[test]
fn dates_are_written_as_wanted_whatever_way_the_archive_writes_them() {
    for (template, expected) in [
        ("{{ created_at | date('%d.%m.%Y %H:%M', zone='Europe/Berlin') }}", Some("01.03.2020 11:00")),
        ("{{ due | date('%Y-%m-%d', from='%d/%m/%Y') }}", Some("2024-02-13")),
        ("{{ day | date('%d.%m.%Y') }}", Some("31.12.2024")),
        ("{{ nothing | date('%Y') }}", None),
    ] {
        let rules = mapping(&format!("[fields]\nDate = \"{template}\""));
        let mapped = ready(&rules, with_fields(json!({"due": "13/02/2024", "day": "2024-12-31 10:00:00"})));
        let found = mapped.conversation.fields.first().map(|(_, value)| value.as_str());
        assert_eq!(
            found,
            expected,
            "{template}: {:?}",
            mapped.findings.iter().find(|f| f.code == codes::MAP_EXPRESSION)
        );
    }
}

/// Work and memory stay bounded, so that a mapping cannot stop an import; far above what the slowest test machine needs.
#[test]
fn expressions_that_ask_for_too_much_fail_at_once() {
    for expression in [
        "'x' * 100000000",
        "'x' * 99999999999999999",
        "range(99999999999)",
        "range(100000) | join(range(100000) | join)",
        "[1] * 100000000",
        "[[1] * 100000000]",
        "('x' * 100000) | replace('x', 'y' * 100000)",
        "'%0100000000d' | format(1)",
        "'x' | indent(100000000)",
        "2 ** 99999999",
        "range(90000) | map('string') | map('length') | sum",
    ] {
        let rules = mapping(&format!("[fields]\nBig = {{ from = \"{expression}\" }}"));
        let begun = Instant::now();
        let mapped = ready(&rules, record());
        assert!(begun.elapsed() < Duration::from_secs(10), "{expression}");
        assert!(has(&mapped, codes::MAP_EXPRESSION), "{expression}: {:?}", mapped.conversation.fields);
    }
    let doubling = "{% set x = subject %}".to_owned() + &"{% set x = x ~ x %}".repeat(60) + "{{ x }}";
    let mapped = ready(&mapping(&format!("[fields]\nBig = \"{doubling}\"")), record());
    assert!(has(&mapped, codes::MAP_EXPRESSION));
}

mod extending {
    use super::*;

    /// Loads `own.toml` out of a folder with these files.
    fn load(files: &[(&str, &str)]) -> Result<Mapping, String> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let path = folder.path().join("own.toml");
        let shown = folder.path().display().to_string();
        Mapping::load(path.to_str().unwrap()).map_err(|error| error.report.replace(&format!("{shown}/"), ""))
    }

    #[test]
    fn a_mapping_changes_a_few_rules_of_a_built_in_one() {
        let rules = load(&[(
            "own.toml",
            "extends = 'zendesk'\n[status.table]\nHOLD = 'active'\n[tags]\nadd = ['moved']\n[ignore]\nnew_field = 'not needed'",
        )]);
        let rules = rules.unwrap_or_else(|report| panic!("{report}"));
        assert_eq!(rules.source(), "zendesk");
        let status = |word: &str| {
            let mapped =
                ready(&rules, Record { status: Some(word.to_owned()), ..with_fields(json!({"new_field": 1})) });
            assert!(mapped.findings.is_empty(), "{:?}", mapped.findings);
            mapped.conversation
        };
        assert_eq!(status("hold").status, Status::Active);
        assert_eq!(status("solved").status, Status::Closed);
        assert!(status("open").tags.contains(&"moved".to_owned()));
    }

    #[test]
    fn a_rule_with_its_own_from_replaces_the_inherited_one_whole() {
        let rules = load(&[(
            "own.toml",
            "extends = 'zendesk'\n[status]\nfrom = 'state'\ntable = { a = 'pending' }\ndefault = 'spam'",
        )]);
        let rules = rules.unwrap();
        let status = |state: &str| ready(&rules, with_fields(json!({"state": state}))).conversation.status;
        assert_eq!(status("a"), Status::Pending);
        assert_eq!(status("solved"), Status::Spam);
    }

    #[test]
    fn false_removes_an_inherited_rule_and_lists_are_replaced() {
        let below = "source = 'zendesk'\nsubject = 'x'\n[tags]\nadd = ['one', 'two']\n[threads]\nfooter = 'below'\n[fields]\nA = 'a'\nB = 'b'\n[[skip]]\nwhen = \"'a' in tags\"\nreason = 'below'";
        let own = "extends = 'below.toml'\nsubject = false\n[tags]\nadd = ['three']\n[threads]\nfooter = false\ncc = false\n[fields]\nA = false\n[[skip]]\nwhen = \"'b' in tags\"\nreason = 'own'";
        let rules = load(&[("below.toml", below), ("own.toml", own)]).unwrap();
        let mapped = ready(&rules, record());
        assert_eq!(mapped.conversation.subject, "Printer on fire");
        assert_eq!(mapped.conversation.fields, [("B".to_owned(), "b".to_owned())]);
        assert!(mapped.conversation.tags.contains(&"three".to_owned()));
        assert!(!mapped.conversation.tags.contains(&"one".to_owned()));
        assert!(!mapped.conversation.threads[0].body.contains("below"));
        for (tags, reason) in [(["a", "x"], "below"), (["b", "x"], "own"), (["a", "b"], "own")] {
            let tags = tags.map(str::to_owned).to_vec();
            assert_eq!(skipped(&rules, Record { tags, ..record() }).reason, reason);
        }
    }

    #[test]
    fn the_hash_follows_every_file() {
        let hash = |below: &str| load(&[("below.toml", below), ("own.toml", "extends = 'below.toml'")]).unwrap().hash();
        assert_eq!(hash("source = 'csv'"), hash("source = 'csv'"));
        assert_ne!(hash("source = 'csv'"), hash("source = 'csv'\nversion = 1"));
    }

    #[test]
    fn faults_point_into_the_file_that_has_them() {
        let report = load(&[
            ("below.toml", "source = 'csv'\n\n[status]\ndefault = 'open'"),
            ("own.toml", "extends = 'below.toml'\n[type]\ndefault = 'mail'"),
        ]);
        let report = report.unwrap_err();
        assert!(report.contains(" --> own.toml:3:11"), "{report}");
        assert!(report.contains(" --> below.toml:4:11"), "{report}");
        assert!(report.contains("error: could not read the mapping `below.toml`"), "{report}");
        let broken = load(&[("below.toml", "source = "), ("own.toml", "extends = 'below.toml'")]).unwrap_err();
        assert!(broken.contains("below.toml:1:"), "{broken}");
    }

    #[test]
    fn circles_and_endless_chains_are_refused() {
        let circle = load(&[("own.toml", "extends = 'b.toml'"), ("b.toml", "extends = './own.toml'")]).unwrap_err();
        assert!(circle.contains(" --> b.toml:1:11"), "{circle}");
        assert!(circle.contains("`./own.toml` is one of those that extend it"), "{circle}");
        let mut files = vec![("own.toml".to_owned(), "extends = '1.toml'".to_owned())];
        files.extend((1..20).map(|n| (format!("{n}.toml"), format!("extends = '{}.toml'", n + 1))));
        let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        let chain = load(&files).unwrap_err();
        assert!(chain.contains("more than 8 files extend each other"), "{chain}");
    }

    #[test]
    fn a_false_that_removes_nothing_says_so() {
        let report = load(&[("own.toml", "extends = 'zendesk'\n[fields]\nA = false")]).unwrap_err();
        assert!(report.contains("nothing of this name is inherited"), "{report}");
    }
}
