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
        let mut process = sandbox
            .import(&place, &archive, "--settle 0.5")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        sandbox.wait_for_conversations(stage);
        process.kill().unwrap();
        process.wait().unwrap();
        assert!(sandbox.count("conversations") < CONVERSATIONS, "it was not killed in the middle");
    }
    sandbox.clear_faults();
    let ran = Ran::of(&mut sandbox.import(&place, &archive, "--settle 0.5")).exits(0);
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
    let mut first =
        sandbox.import(&place, &archive, "--settle 0.5").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    sandbox.wait_for_conversations(1);
    let second = Ran::of(&mut sandbox.import(&place, &archive, "")).exits(4);
    assert!(second.stderr.contains("another run is writing"), "{}", second.stderr);
    sandbox.clear_faults();
    assert!(first.wait().unwrap().success());
    assert_eq!(sandbox.count("conversations"), CONVERSATIONS);
}

/// The sum of `passed_over` and the number of `outcome` lines of an import with `--json`, and its sums.
fn passed_over(ran: &Ran) -> (u64, usize, Value) {
    let events = ran.events();
    let named = |name: &'static str| events.iter().filter(move |event| event["event"] == name);
    let passed = named("passed_over").map(|event| event["records"].as_u64().unwrap()).sum();
    (passed, named("outcome").count(), named("finished").next().unwrap().clone())
}

#[test]
fn what_is_done_is_not_read_again_and_counts_as_before() {
    let place = Place::new();
    let archive = place.write("a.mbox", mbox_of(CONVERSATIONS as usize));
    let sandbox = Sandbox::start(&place, &[]);
    let import = |options: &str| Ran::of(&mut sandbox.import(&place, &archive, &format!("--json {options}"))).exits(0);
    import("--limit 20");
    let ids: Vec<String> = {
        let ran = import("--limit 20");
        // A limit counts what is done, in its order.
        let (passed, outcomes, sums) = passed_over(&ran);
        assert_eq!((passed, outcomes, sums["done_before"].as_u64()), (0, 20, Some(20)));
        ran.events().iter().filter_map(|event| event["record"].as_str().map(str::to_owned)).collect()
    };
    let of = |options: &str, order: &str| {
        let (passed, outcomes, sums) = passed_over(&import(&format!("{options} {order}")));
        assert_eq!(passed + outcomes as u64, sums["read"].as_u64().unwrap(), "{options}");
        let number = |name: &str| sums[name].as_u64().unwrap();
        (number("read"), number("done_before"), outcomes)
    };
    // One that is done, and one that the archive does not hold.
    let only = format!("--only {} --only {} --only nobody", ids[0], ids[7].split_once(':').unwrap().1);
    let (read, before, _) = of(&only, "");
    assert_eq!((read, before), (2, 2));
    for order in ["", "--order newest", "--order archive"] {
        let (read, before, _) = of("--until 1990-01-01", order);
        assert_eq!((read, before), (0, 0), "{order}");
    }
    let (read, before, _) = of("--since 1990-01-01", "--order newest");
    assert_eq!((read, before), (CONVERSATIONS, 20));
    for order in ["", "--order newest", "--order archive"] {
        let (read, before, _) = of("", order);
        assert_eq!((read, before), (CONVERSATIONS, CONVERSATIONS), "{order}");
    }
    assert_eq!(sandbox.requests("POST /conversations"), CONVERSATIONS);
}

#[test]
fn what_comes_through_a_pipe_again_is_not_sent_again() {
    let place = Place::new();
    let archive = place.write("a.mbox", mbox_of(CONVERSATIONS as usize));
    let sandbox = Sandbox::start(&place, &[]);
    let printed = Ran::of(place.command(["inspect", "--records"]).arg(&archive)).exits(0).stdout;
    let import = |records: &str| {
        let pipe = std::fs::File::open(place.write("records", records)).unwrap();
        let mut command = sandbox.import(&place, "-".as_ref(), "--format records --journal a.ferry --json");
        passed_over(&Ran::of(command.stdin(pipe)).exits(0))
    };
    let half: String = printed.lines().take(20).map(|line| format!("{line}\n")).collect();
    import(&half);

    let (passed, outcomes, sums) = import(&printed);

    // A pipe has no index: all of it is looked at, since it may be a newer archive.
    assert_eq!((passed, outcomes), (0, CONVERSATIONS as usize));
    assert_eq!((&sums["done"], &sums["done_before"]), (&Value::from(CONVERSATIONS), &Value::from(20)));
    assert_eq!(sandbox.requests("POST /conversations"), CONVERSATIONS);
}

#[test]
fn an_archive_that_has_grown_is_read_anew_and_only_what_is_new_is_sent() {
    let place = Place::new();
    let archive = place.write("a.mbox", mbox_of(30));
    let sandbox = Sandbox::start(&place, &[]);
    Ran::of(&mut sandbox.import(&place, &archive, "")).exits(0);
    // The new ones stand first, so that places in the old index mean other records in the new one.
    let grown = mbox_of(40);
    let begins = grown.match_indices("\nFrom ").nth(59).map(|(at, _)| at + 1).unwrap();
    place.write("a.mbox", format!("{}{}", &grown[begins..], &grown[..begins]));

    let (_, _, sums) = passed_over(&Ran::of(&mut sandbox.import(&place, &archive, "--json")).exits(0));

    assert_eq!((&sums["read"], &sums["done_before"]), (&Value::from(40), &Value::from(30)));
    assert_eq!((sandbox.count("conversations"), sandbox.requests("POST /conversations")), (40, 40));
    // And from now on the new index is the one that counts.
    std::fs::remove_file(place.path().join("a.ferry.index")).unwrap();
    for _ in 0..2 {
        let (_, _, sums) = passed_over(&Ran::of(&mut sandbox.import(&place, &archive, "--json")).exits(0));
        assert_eq!((&sums["read"], &sums["done_before"]), (&Value::from(40), &Value::from(40)));
    }
    assert_eq!(sandbox.count("conversations"), 40);
}
