//! Every exit code, with the error and the advice that go with it.

use crate::place::{KEY, Place, Ran, Sandbox, mbox_of, sample};

#[test]
fn a_wrong_command_line_is_2() {
    let place = Place::new();
    place.write("a.mbox", mbox_of(1));
    for (words, expected) in [
        ("import", "ARCHIVE"),
        ("import a.mbox", "hint: name a FreeScout with `--url` (or FREESCOUT_URL), or rehearse with `--sandbox`"),
        ("import a.mbox --url http://127.0.0.1:9", "hint: set FREESCOUT_API_KEY or name a file with `--key-file`"),
        ("import a.mbox --url http://127.0.0.1:9 --key-file nokey", "`--key-file nokey` cannot be read"),
        ("import a.mbox --url http://x.example --sandbox", "cannot be used with"),
        ("import a.mbox --sandbox --rate 0", "requests per second"),
        ("import a.mbox --sandbox --since yesterday", "expected a date"),
        ("inspect a.mbox --format nonesuch", "not a format that foxferry knows"),
        ("check a.mbox --scratch nowhere", "is not a folder"),
        ("sandbox --fault nonesuch", "--fault"),
        ("status", "there is no *.ferry journal in the current folder"),
        ("status --journal gone.ferry", "there is no journal `gone.ferry`"),
        ("nonesuch", "unrecognized subcommand"),
    ] {
        let ran = place.run(words).exits(2);
        assert!(ran.stderr.starts_with("error: "), "{words}: {}", ran.stderr);
        assert!(ran.stderr.contains(expected), "{words}: {}", ran.stderr);
        assert_eq!(ran.stdout, "", "{words}");
    }
}

#[test]
fn several_journals_and_no_choice_is_2_with_a_list() {
    let place = Place::new();
    place.write("a.ferry", "");
    place.write("b.ferry", "");
    for command in ["status", "ledger", "letters"] {
        let ran = place.run(command).exits(2);
        assert!(ran.stderr.contains("`a.ferry`, `b.ferry`"), "{}", ran.stderr);
    }
}

#[test]
fn an_empty_archive_is_0_read_and_0() {
    let place = Place::new();
    for name in ["empty.mbox", "empty.csv", "empty.json"] {
        place.write(name, "");
        for command in ["check", "import --sandbox"] {
            let ran = place.run(&format!("{command} {name}")).exits(0);
            assert_eq!(ran.last_line(), "0 read: 0 done, 0 skipped, 0 rejected, 0 dead letters", "{command} {name}");
        }
        let ran = place.run(&format!("inspect {name} --json")).exits(0);
        assert_eq!(ran.json()["records"], 0);
    }
}

#[test]
fn what_cannot_be_used_is_5() {
    let place = Place::new();
    place.write("a.mbox", mbox_of(1));
    place.write("noise.bin", [0_u8, 159, 146, 150, 7, 0, 1, 2]);
    place.write("broken.toml", "source = \"mbox\"\n[status]\ndefault = \"close\"\n");
    place.write("wrong.toml", place.run("mapping show csv").stdout);
    for command in ["check", "import --sandbox"] {
        for (words, expected) in [
            ("noise.bin", "is not in a format that foxferry knows"),
            ("gone.mbox", "`gone.mbox` cannot be read"),
            ("a.mbox --mapping broken.toml", "broken.toml:3"),
            ("a.mbox --mapping gone.toml", "gone.toml"),
            ("a.mbox --mapping wrong.toml", "is for `csv` archives"),
        ] {
            let ran = place.run(&format!("{command} {words}")).exits(5);
            assert!(ran.stderr.contains("error"), "{words}: {}", ran.stderr);
            assert!(ran.stderr.contains(expected), "{words}: {}", ran.stderr);
            assert_eq!(ran.stdout, "", "{words}");
        }
    }
}

#[test]
fn a_target_that_does_not_answer_or_takes_no_key_is_4() {
    let place = Place::new();
    place.write("a.mbox", mbox_of(1));
    // Bound and closed again, so that nobody listens there.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let sandbox = Sandbox::start(&place, &[]);
    for (url, key) in [(format!("http://{free}"), KEY), (sandbox.url.clone(), "wrong-key")] {
        let mut command = place.command(["import", "a.mbox", "--url", &url]);
        let ran = Ran::of(command.env("FREESCOUT_API_KEY", key)).exits(4);
        assert!(ran.stderr.contains("error: "), "{}", ran.stderr);
        assert!(!ran.stderr.contains(key), "the key is shown: {}", ran.stderr);
    }
    assert_eq!(sandbox.count("conversations"), 0);
}

#[test]
fn a_journal_of_another_target_is_4() {
    let place = Place::new();
    let archive = place.write("a.mbox", mbox_of(1));
    let (one, other) = (Sandbox::start(&place, &[]), Sandbox::start(&place, &[]));
    Ran::of(&mut one.import(&place, &archive, "")).exits(0);
    let ran = Ran::of(&mut other.import(&place, &archive, "")).exits(4);
    assert!(ran.stderr.contains("belongs to the target"), "{}", ran.stderr);
    assert_eq!(other.count("conversations"), 0);
}

#[test]
fn several_mailboxes_and_no_rule_is_5_with_the_list() {
    let place = Place::new();
    let archive = place.write("a.mbox", mbox_of(1));
    place.write(
        "fixture.json",
        r#"{"users":[{"firstName":"Ada","lastName":"Admin","email":"ada@example.org","role":"admin"}],
            "mailboxes":[{"name":"Sales","email":"sales@example.org"},{"name":"Help","email":"help@example.org"}]}"#,
    );
    let sandbox = Sandbox::start(&place, &["--fixture", "fixture.json"]);
    let ran = Ran::of(&mut sandbox.import(&place, &archive, "")).exits(5);
    for name in ["Sales", "sales@example.org", "Help", "help@example.org"] {
        assert!(ran.stderr.contains(name), "{}", ran.stderr);
    }
    assert_eq!(sandbox.requests("POST /conversations") + sandbox.requests("POST /customers"), 0);
}

#[test]
fn output_that_nobody_reads_any_more_is_no_error() {
    let place = Place::new();
    let mut command = place.command(["inspect", "--json"]);
    let mut process = command.arg(sample("zendesk")).stdout(std::process::Stdio::piped()).spawn().unwrap();
    drop(process.stdout.take());
    assert_eq!(process.wait().unwrap().code(), Some(0));
}
