//! Imports into the sandbox, as somebody does it who has just cloned the repository.

use std::process::Stdio;

use crate::place::{Place, Ran, Sandbox, mbox_of, sample};

#[test]
fn the_samples_move_into_a_sandbox_without_server_or_key() {
    let place = Place::new();
    for name in
        ["zendesk", "freshdesk", "helpscout", "intercom", "zammad", "osticket", "jira", "mbox", "maildir", "eml", "csv"]
    {
        let checked = Ran::of(place.command(["check"]).arg(sample(name))).sums();
        let ran = Ran::of(place.command(["import", "--sandbox"]).arg(sample(name)));
        let sums = ran.sums();
        assert_eq!(ran.code, if sums.rejected > 0 { 3 } else { 0 }, "{name}: {}", ran.stderr);
        assert_eq!((sums.read, sums.done, sums.dead), (checked.read, checked.done, 0), "{name}: {}", ran.stderr);
        assert!(sums.done > 0, "{name}");
        assert!(ran.stderr.contains(&format!("{} conversations", sums.done)), "{name}: {}", ran.stderr);
        assert!(ran.stderr.contains("0 mails queued"), "{name}: {}", ran.stderr);
    }
    let left: Vec<_> = std::fs::read_dir(place.path()).unwrap().collect();
    assert!(left.is_empty(), "a rehearsal leaves nothing behind: {left:?}");
}

#[test]
fn a_second_run_of_a_finished_import_sends_nothing() {
    let place = Place::new();
    let archive = place.write("a.mbox", mbox_of(20));
    let sandbox = Sandbox::start(&place, &["--strict"]);
    let first = Ran::of(&mut sandbox.import(&place, &archive, "")).exits(0);
    let before = sandbox.state();
    assert_eq!(before["conversations"], 20);
    assert_eq!(before["outbox"], 0);
    let second = Ran::of(&mut sandbox.import(&place, &archive, "")).exits(0);
    assert_eq!(second.last_line(), first.last_line());
    let after = sandbox.state();
    for (name, count) in after["requests"].as_object().unwrap() {
        if !name.starts_with("GET ") {
            assert_eq!(&before["requests"][name], count, "{name} was sent again");
        }
    }
}

#[test]
fn an_import_says_everything_as_json() {
    let place = Place::new();
    place.write("a.mbox", mbox_of(4));
    let ran = place.run("import a.mbox --sandbox --json").exits(0);
    let events = ran.events();
    let outcomes: Vec<_> = events.iter().filter(|event| event["event"] == "outcome").collect();
    assert_eq!(outcomes.len(), 4);
    assert!(outcomes.iter().all(|event| event["outcome"] == "done" && event["conversation"].is_u64()), "{outcomes:?}");
    let last = events.last().unwrap();
    assert_eq!((&last["event"], &last["read"], &last["done"]), (&"finished".into(), &4.into(), &4.into()));
    assert_eq!(last["threads"], 8);
    assert!(last["requests"].as_u64().unwrap() > 4);
}

#[test]
fn status_and_ledger_read_the_only_journal() {
    let place = Place::new();
    let archive = place.write("a.mbox", mbox_of(3));
    let sandbox = Sandbox::start(&place, &[]);
    let ran = Ran::of(&mut sandbox.import(&place, &archive, "")).exits(0);
    let status = place.run("status").exits(0);
    assert_eq!(status.last_line(), ran.last_line());
    let object = place.run("status --json").exits(0).json();
    assert_eq!((&object["done"], &object["source"]), (&3.into(), &"mbox".into()));
    let ledger = place.run("ledger").exits(0).stdout;
    assert_eq!(ledger.lines().next(), Some("source,old_id,conversation,number,url,state,origin"));
    assert_eq!(ledger.lines().count(), 4, "{ledger}");
    assert!(ledger.contains(&format!(",1,1,{}/conversation/1,done,", sandbox.url)), "{ledger}");
    let rows = place.run("ledger --format json").exits(0).events();
    assert!(rows.iter().all(|row| row["state"] == "done"), "{rows:?}");
    assert_eq!(place.run("letters").exits(0).stdout, "");
}

#[test]
fn only_what_is_selected_is_sent() {
    let place = Place::new();
    let archive = place.write("a.mbox", mbox_of(30));
    let sandbox = Sandbox::start(&place, &[]);
    Ran::of(&mut sandbox.import(&place, &archive, "--limit 10")).exits(0);
    assert_eq!(sandbox.count("conversations"), 10);
    let ran = Ran::of(&mut sandbox.import(&place, &archive, "")).exits(0);
    assert_eq!(ran.sums().done, 30);
    assert_eq!((sandbox.count("conversations"), sandbox.count("threads")), (30, 60));
}

#[test]
fn strict_sends_nothing_when_a_field_is_not_accounted_for() {
    let place = Place::new();
    place.write(
        "strange.csv",
        "id,subject,description,email,shoe size,created_at\n1,Hello,Hi there,ann@example.net,42,2024-01-31\n",
    );
    let sandbox = Sandbox::start(&place, &[]);
    let archive = place.path().join("strange.csv");
    // The built-in mapping shows columns that it does not know below the first message, so nothing is lost there.
    place.write("own.toml", "source = \"csv\"\n[status]\ndefault = \"active\"\n");
    let ran = Ran::of(&mut sandbox.import(&place, &archive, "--mapping own.toml --strict")).exits(3);
    assert!(ran.stderr.contains("shoe size"), "{}", ran.stderr);
    assert_eq!(sandbox.count("conversations"), 0);
    Ran::of(&mut sandbox.import(&place, &archive, "--mapping own.toml")).exits(0);
    assert_eq!(sandbox.count("conversations"), 1);
}

#[test]
fn a_second_journal_on_one_target_at_a_time_is_told_of() {
    let place = Place::new();
    let archive = place.write("a.mbox", mbox_of(20));
    let other = place.write("b.mbox", mbox_of(1).replace("@", "@b."));
    let sandbox = Sandbox::start(&place, &["--fault", "delay:300ms@POST /conversations"]);
    let mut first = sandbox.import(&place, &archive, "").stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    sandbox.wait_for_conversations(1);

    let second = Ran::of(&mut sandbox.import(&place, &other, "")).exits(0);
    let refused = Ran::of(&mut sandbox.import(&place, &archive, "")).exits(4);

    assert!(second.stderr.contains("target-shared"), "{}", second.stderr);
    assert!(refused.stderr.contains("another run is writing to the journal"), "{}", refused.stderr);
    assert!(first.wait().unwrap().success());
    let alone = Ran::of(&mut sandbox.import(&place, &other, "")).exits(0);
    assert!(!alone.stderr.contains("target-shared"), "{}", alone.stderr);
}
