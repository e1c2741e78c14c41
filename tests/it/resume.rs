//! Interrupted imports end with the same conversations as undisturbed ones.

use std::process::Stdio;

use serde_json::Value;

use crate::place::{Place, Ran, Sandbox, mbox_of, signal};

const CONVERSATIONS: u64 = 60;

/// What must not differ between two sandboxes; requests may.
fn holdings(state: &Value) -> Vec<(&'static str, Value)> {
    ["conversations", "threads", "customers", "customers_without_email", "attachments", "outbox", "orphans"]
        .map(|name| (name, state[name].clone()))
        .to_vec()
}

fn undisturbed() -> Value {
    let place = Place::new();
    let archive = place.write("a.mbox", mbox_of(CONVERSATIONS as usize));
    let sandbox = Sandbox::start(&place, &[]);
    Ran::of(&mut sandbox.import(&place, &archive, "")).exits(0);
    sandbox.state()
}

#[test]
fn killed_in_the_middle_and_started_again_it_ends_as_if_nothing_had_happened() {
    let place = Place::new();
    let archive = place.write("a.mbox", mbox_of(CONVERSATIONS as usize));
    let sandbox = Sandbox::start(&place, &["--fault", "delay:20ms@POST /conversations"]);
    for stage in [10, 30] {
        let mut process =
            sandbox.import(&place, &archive, "").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        sandbox.wait_for_conversations(stage);
        process.kill().unwrap();
        process.wait().unwrap();
        assert!(sandbox.count("conversations") < CONVERSATIONS, "it was not killed in the middle");
    }
    sandbox.clear_faults();
    let ran = Ran::of(&mut sandbox.import(&place, &archive, "")).exits(0);
    assert_eq!(ran.sums().done, CONVERSATIONS);
    assert_eq!(holdings(&sandbox.state()), holdings(&undisturbed()));
}

#[test]
fn ctrl_c_finishes_what_is_in_flight_and_the_next_run_goes_on() {
    let place = Place::new();
    let archive = place.write("a.mbox", mbox_of(CONVERSATIONS as usize));
    for name in ["INT", "TERM"] {
        let _ = std::fs::remove_file(place.path().join("a.ferry"));
        let sandbox = Sandbox::start(&place, &["--fault", "delay:20ms@POST /conversations"]);
        let mut import = sandbox.import(&place, &archive, "");
        let process = import.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        sandbox.wait_for_conversations(10);
        signal(&process, name);
        let output = process.wait_with_output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(130), "{stderr}");
        assert!(stderr.contains("the same command goes on"), "{stderr}");
        let open = place.run("status --json").exits(0).json();
        assert_eq!(open["unknown"], 0, "what was in flight was finished: {open}");
        let between = sandbox.count("conversations");
        assert!(between < CONVERSATIONS, "it was not interrupted");
        sandbox.clear_faults();
        let ran = Ran::of(&mut sandbox.import(&place, &archive, "")).exits(0);
        assert_eq!(ran.sums().done, CONVERSATIONS);
        assert_eq!(sandbox.count("conversations"), CONVERSATIONS);
        assert_eq!(sandbox.requests("POST /conversations"), CONVERSATIONS, "nothing was sent twice");
    }
}

#[test]
fn two_imports_at_once_into_one_journal_are_refused() {
    let place = Place::new();
    let archive = place.write("a.mbox", mbox_of(CONVERSATIONS as usize));
    let sandbox = Sandbox::start(&place, &["--fault", "delay:50ms@POST /conversations"]);
    let mut first = sandbox.import(&place, &archive, "").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    sandbox.wait_for_conversations(1);
    let second = Ran::of(&mut sandbox.import(&place, &archive, "")).exits(4);
    assert!(second.stderr.contains("another run is writing"), "{}", second.stderr);
    sandbox.clear_faults();
    assert!(first.wait().unwrap().success());
    assert_eq!(sandbox.count("conversations"), CONVERSATIONS);
}
