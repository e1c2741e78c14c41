//! `foxferry backup` as an operator and as cron run it.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::place::{KEY, Place, Ran, Sandbox, mbox_of, sample, signal};

/// A sandbox with so many conversations of two messages.
fn filled(place: &Place, conversations: usize, options: &[&str]) -> Sandbox {
    let sandbox = Sandbox::start(place, options);
    let archive = place.write("mail.mbox", mbox_of(conversations));
    Ran::of(&mut sandbox.import(place, &archive, "-q --no-progress --concurrency 8")).exits(0);
    sandbox
}

fn backup(place: &Place, sandbox: &Sandbox, words: &str) -> Command {
    let mut command = place.command(["backup"]);
    command.args(words.split_whitespace()).args(["--url", &sandbox.url]).env("FREESCOUT_API_KEY", KEY);
    command
}

/// Every line of a snapshot's conversations, without what differs between two readings.
fn conversations(dir: &Path) -> Vec<Value> {
    let mut snapshots: Vec<_> =
        std::fs::read_dir(dir.join("snapshots")).unwrap().map(|entry| entry.unwrap().path()).collect();
    snapshots.sort();
    let folder = snapshots.pop().unwrap().join("conversations");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut rows = Vec::new();
    for file in files {
        for line in std::fs::read_to_string(file).unwrap().lines() {
            let mut row: Value = serde_json::from_str(line).unwrap();
            row["_backup"]["read"] = json!(null);
            row["customerWaitingSince"]["friendly"] = json!(null);
            rows.push(row);
        }
    }
    rows
}

#[test]
fn a_night_is_one_line_and_a_second_asks_for_what_differs() {
    let place = Place::new();
    let sandbox = filled(&place, 30, &[]);
    let first = Ran::of(&mut backup(&place, &sandbox, "copy")).exits(0);
    assert_eq!((first.stdout.lines().count(), first.stderr.as_str()), (1, ""), "{}", first.stdout);
    let line = first.last_line();
    assert!(line.contains(": 30 conversations, 60 threads, ") && line.contains("; 30 read, "), "{line}");

    sandbox.request("PUT", "/api/conversations/3/tags", r#"{"tags":["vip"]}"#);
    let before = sandbox.requests("GET /conversations/{id}");
    let quiet = Ran::of(&mut backup(&place, &sandbox, "copy -q")).exits(0);
    assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("", ""));
    assert_eq!(sandbox.requests("GET /conversations/{id}"), before + 1);

    let third = Ran::of(&mut backup(&place, &sandbox, "copy --json")).exits(0).events();
    let last = third.last().unwrap();
    assert_eq!((&last["event"], &last["read"], &last["done"]), (&json!("finished"), &json!(30), &json!(30)));
    assert_eq!((&last["sealed"], &last["changes"]["changed"]), (&json!(true), &json!(0)));

    let list = place.run("backup list copy").exits(0);
    assert_eq!(list.stdout.lines().count(), 4, "{}", list.stdout);
    assert!(list.stdout.contains("0 added, 1 changed, 0 removed"), "{}", list.stdout);
    let snapshots = place.run("backup list copy --json").exits(0).events();
    let older = snapshots[0]["snapshot"].as_str().unwrap();
    let diff = place.run(&format!("backup diff copy {older} latest")).exits(0);
    assert!(
        diff.stdout.contains("tag +vip") && diff.last_line().ends_with("0 added, 1 changed, 0 removed"),
        "{}",
        diff.stdout
    );
    let pruned = place.run("backup prune copy --keep-daily 1").exits(0);
    assert!(pruned.last_line().starts_with("2 snapshots would go, 1 stay"), "{}", pruned.stdout);
    let pruned = place.run("backup prune copy --keep-daily 1 --yes").exits(0);
    assert!(pruned.last_line().starts_with("2 snapshots removed, 1 stay"), "{}", pruned.stdout);
    assert!(place.run("backup verify copy").exits(0).last_line().ends_with(": sound"));
}

#[test]
fn a_backup_that_is_killed_again_and_again_ends_as_an_undisturbed_one_does() {
    let place = Place::new();
    let sandbox = filled(&place, 260, &["--fault", "delay:60ms@GET /conversations"]);
    Ran::of(&mut backup(&place, &sandbox, "undisturbed --concurrency 1")).exits(0);
    let expected = conversations(&place.path().join("undisturbed"));
    assert_eq!(expected.len(), 260);

    let mut random = fastrand::Rng::new();
    let seed =
        std::env::var("FOXFERRY_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| random.u64(..100_000));
    random.seed(seed);
    println!("seed {seed}");
    let before = sandbox.requests("GET /conversations");
    let mut kills = 0;
    while kills < 12 {
        let mut process = backup(&place, &sandbox, "copy --concurrency 1")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        if kills == 0 {
            // The first is killed while an answer is under way, however fast this machine is.
            sandbox.wait_for_requests("GET /conversations", before + 1);
        } else {
            std::thread::sleep(Duration::from_millis(random.u64(1..400)));
        }
        if process.try_wait().unwrap().is_some() {
            break;
        }
        process.kill().unwrap();
        process.wait().unwrap();
        kills += 1;
    }
    assert!(kills > 0, "seed {seed}: it was through before it could be killed");
    let ran = Ran::of(&mut backup(&place, &sandbox, "copy")).exits(0);
    let found = conversations(&place.path().join("copy"));
    assert!(found == expected, "seed {seed}, {kills} kills: it differs\n{}", ran.stdout);
    assert!(place.run("backup verify copy").exits(0).last_line().ends_with(": sound"));
}

#[test]
fn a_backup_that_is_told_to_stop_says_so_and_goes_on_the_next_time() {
    let place = Place::new();
    let sandbox = filled(&place, 120, &[]);
    // An answer that does not come while anybody waits: what is stopped is in the middle of its work on any machine.
    sandbox.script(&["delay:30m@GET /conversations"]);
    let stopped = Ran::of(&mut backup(&place, &sandbox, "copy --concurrency 1 --max-duration 500ms")).exits(130);
    assert_eq!(stopped.stdout, "");
    assert!(stopped.stderr.contains("the same command goes on"), "{}", stopped.stderr);
    let before = sandbox.requests("GET /conversations");
    let process =
        backup(&place, &sandbox, "copy --concurrency 1").stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    sandbox.wait_for_requests("GET /conversations", before + 1);
    signal(&process, "INT");
    assert_eq!(process.wait_with_output().unwrap().status.code(), Some(130));
    sandbox.clear_faults();
    assert_eq!(place.run("backup list copy").exits(0).stdout.lines().count(), 1, "nothing is sealed yet");
    Ran::of(&mut backup(&place, &sandbox, "copy")).exits(0);
    assert_eq!(conversations(&place.path().join("copy")).len(), 120);
}

#[test]
fn exit_codes_and_advice_are_as_promised() {
    let place = Place::new();
    let sandbox = filled(&place, 2, &[]);
    place.write("thesis.txt", "x");
    let ran = place.run("backup copy").exits(2);
    assert!(ran.stderr.contains("there is nowhere to send to"), "{}", ran.stderr);
    place.run("backup").exits(2);
    place.run("backup copy --sandbox").exits(2);
    Ran::of(&mut backup(&place, &sandbox, "copy --mailbox nobody@example.org")).exits(2);
    Ran::of(&mut backup(&place, &sandbox, ".")).exits(2);
    Ran::of(backup(&place, &sandbox, "copy").env("FREESCOUT_API_KEY", "wrong")).exits(4);
    place.run("backup list nowhere").exits(5);
    place.run("backup verify copy").exits(5);
    Ran::of(&mut backup(&place, &sandbox, "copy")).exits(0);
    place.run("backup diff copy 1999 latest").exits(2);
    Ran::of(&mut backup(&place, &sandbox, "copy")).exits(0);
    let many = place.run("backup diff copy 2 latest").exits(2);
    assert!(many.stderr.contains("`2` is the beginning of 2 snapshots: `2"), "{}", many.stderr);
    assert!(!place.run("backup --help").exits(0).stdout.contains("--sandbox"), "it is refused");
    place.run("backup prune copy").exits(2);
    let attachments = Ran::of(&mut sandbox.import(&place, &sample("zendesk"), "-q --no-progress")).code;
    assert!(attachments == 0 || attachments == 3);
    Ran::of(&mut backup(&place, &sandbox, "copy")).exits(0);
    let shard = place.path().join("copy/attachments");
    let file = walk(&shard).into_iter().next();
    if let Some(file) = file {
        std::fs::write(&file, "changed").unwrap();
        let ran = place.run("backup verify copy").exits(3);
        assert!(ran.stdout.contains("attachments/") && ran.last_line().contains("fault"), "{}", ran.stdout);
    }
}

fn walk(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        if entry.path().is_dir() { files.extend(walk(&entry.path())) } else { files.push(entry.path()) }
    }
    files
}
