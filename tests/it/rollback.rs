//! `foxferry rollback`, as it is typed.

use std::process::{Command, Stdio};

use serde_json::json;

use crate::place::{KEY, Place, Ran, Sandbox, mbox_of, signal};

fn rollback(place: &Place, sandbox: &Sandbox, options: &str) -> Command {
    let mut command = place.command(["rollback", "--url", &sandbox.url]);
    command.args(options.split_whitespace()).env("FREESCOUT_API_KEY", KEY);
    command
}

#[test]
fn what_somebody_has_worked_on_is_all_that_is_left() {
    let place = Place::new();
    let sandbox = Sandbox::start(&place, &[]);
    let archive = place.write("mail.mbox", mbox_of(8));
    Ran::of(&mut sandbox.import(&place, &archive, "")).exits(0);
    for (method, path, body) in [
        ("POST", "/api/conversations/2/threads", json!({"type": "note", "text": "I called", "user": 1})),
        ("POST", "/api/conversations/5/threads", json!({"type": "message", "text": "Yes", "user": 1})),
        ("PUT", "/api/conversations/7", json!({"byUser": 1, "subject": "Renamed"})),
    ] {
        let answer = sandbox.request(method, path, &body.to_string());
        assert!(answer.starts_with("HTTP/1.1 20"), "{answer}");
    }
    let mails = sandbox.count("outbox");

    let dry = Ran::of(&mut rollback(&place, &sandbox, "")).exits(3);
    assert_eq!(dry.last_line(), "8 carried: 5 would be removed, 3 kept");
    assert_eq!(sandbox.count("conversations"), 8);

    // Some deletes have no answer, and some take effect without one.
    sandbox.script(&["lose-answer@DELETE /conversations/{id}*2", "502@DELETE /conversations/{id}*1"]);
    let ran = Ran::of(&mut rollback(&place, &sandbox, "--yes")).exits(3);
    assert_eq!(ran.last_line(), "8 carried: 5 removed, 3 kept");
    for (conversation, reason) in [(2, "a note thread"), (5, "a message thread"), (7, "the subject")] {
        let line = ran.stdout.lines().find(|line| line.contains(&format!("conversation {conversation},"))).unwrap();
        assert!(line.starts_with("kept ") && line.contains(reason), "{line}");
    }
    assert!(ran.stderr.contains("6 customers that this journal made have no conversation now"), "{}", ran.stderr);
    assert_eq!((sandbox.count("conversations"), sandbox.count("outbox")), (3, mails));
    let again = Ran::of(&mut rollback(&place, &sandbox, "--yes")).exits(3);
    assert_eq!(again.last_line(), "3 carried: 0 removed, 3 kept");

    // What is gone can be imported again, and nothing is there twice.
    let sums = Ran::of(&mut sandbox.import(&place, &archive, "")).exits(0).sums();
    assert_eq!((sums.read, sums.done), (8, 8));
    assert_eq!((sandbox.count("conversations"), sandbox.count("outbox")), (8, mails));
    assert_eq!(sandbox.count("customers"), 9);
}

#[test]
fn a_killed_rollback_goes_on() {
    let place = Place::new();
    let sandbox = Sandbox::start(&place, &[]);
    let archive = place.write("mail.mbox", mbox_of(12));
    Ran::of(&mut sandbox.import(&place, &archive, "")).exits(0);
    for name in ["KILL", "INT"] {
        sandbox.script(&["delay:300ms@DELETE /conversations/{id}"]);
        let before = sandbox.requests("DELETE /conversations/{id}");
        let mut process = rollback(&place, &sandbox, "--yes --concurrency 1")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        sandbox.wait_for_requests("DELETE /conversations/{id}", before + 2);
        signal(&process, name);
        let code = process.wait().unwrap().code();
        assert!(name == "KILL" || code == Some(130), "{code:?}");
    }
    sandbox.clear_faults();
    let left = sandbox.count("conversations");
    assert!(left > 0 && left < 12, "{left}");
    let ran = Ran::of(&mut rollback(&place, &sandbox, "--yes")).exits(0);
    assert!(ran.last_line().ends_with(" removed, 0 kept"), "{}", ran.stdout);
    assert_eq!((sandbox.count("conversations"), sandbox.count("outbox")), (0, 0));
    assert_eq!(place.run("status").exits(0).last_line(), "12 read: 0 done, 12 skipped, 0 rejected, 0 dead letters");
}
