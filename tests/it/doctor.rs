//! `foxferry doctor`, as it is typed.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Command;

use crate::place::{KEY, Place, Ran, Sandbox, mbox_of};

fn doctor(place: &Place, url: &str, options: &str) -> Command {
    let mut command = place.command(["doctor", "--url", url, "--largest-request", "1"]);
    command.args(options.split_whitespace()).env("FREESCOUT_API_KEY", KEY);
    command
}

/// A server that gives every request this answer.
fn answering(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    url
}

#[test]
fn a_sound_target_is_fine_and_left_as_it_was() {
    let place = Place::new();
    let sandbox = Sandbox::start(&place, &[]);
    let ran = Ran::of(&mut doctor(&place, &sandbox.url, "--probe support@sandbox.example")).exits(0);
    assert!(ran.last_line().ends_with("0 warnings, 0 errors"), "{}", ran.stdout);
    assert!(ran.stdout.contains("nobody is mailed") && ran.stdout.contains("foxferry-doctor@probe.invalid stays"));
    assert!(ran.stderr.contains("is not kept"), "{}", ran.stderr);
    assert_eq!(["conversations", "outbox", "customers"].map(|name| sandbox.count(name)), [0, 0, 1]);

    let quiet = Ran::of(&mut doctor(&place, &sandbox.url, "-q")).exits(0);
    assert!(!quiet.stdout.contains("fine  "), "{}", quiet.stdout);
    let events = Ran::of(&mut doctor(&place, &sandbox.url, "--json")).exits(0).events();
    let last = events.last().unwrap();
    assert_eq!((&last["event"], &last["errors"]), (&"finished".into(), &0.into()));
    assert!(events.iter().any(|event| event["topic"] == "clock" && event["grade"] == "fine"));
}

#[test]
fn what_is_no_freescout_is_told_so() {
    let place = Place::new();
    let html =
        "HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nContent-Length: 27\r\n\r\n<title>Nothing here</title>";
    let module =
        "HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: 14\r\n\r\n{\"message\":\"\"}";
    let host = "HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\nContent-Length: 49\r\n\r\n\
                {\"message\":\"Untrusted Host: 127.0.0.1 [display]\"}";
    let moved = "HTTP/1.1 301 Moved\r\nLocation: https://new.example.org/api/mailboxes\r\nContent-Length: 0\r\n\r\n";
    for (answer, topic, advice) in [
        (html, "address", "start page"),
        (module, "module", "install and switch on"),
        (host, "host", "APP_URL"),
        (moved, "address", "new.example.org"),
    ] {
        let ran = Ran::of(&mut doctor(&place, &answering(answer), "--json")).exits(4);
        let told = &ran.events()[0];
        assert_eq!((&told["topic"], &told["grade"]), (&topic.into(), &"error".into()), "{told}");
        assert!(told["advice"].as_str().unwrap().contains(advice), "{told}");
    }
    let ran = Ran::of(&mut doctor(&place, "http://127.0.0.1:9", "")).exits(4);
    assert!(ran.stdout.contains("could not be reached"), "{}", ran.stdout);
    let sandbox = Sandbox::start(&place, &[]);
    let ran = Ran::of(doctor(&place, &sandbox.url, "").env("FREESCOUT_API_KEY", "wrong-key")).exits(4);
    assert!(ran.stdout.contains("error   key") && !ran.stdout.contains("wrong-key"), "{}", ran.stdout);
    place.run("doctor").exits(2);
    Ran::of(&mut doctor(&place, &sandbox.url, "--probe nowhere@example.org")).exits(2);
}

#[test]
fn what_is_learnt_is_kept_in_the_journal_and_obeyed() {
    let place = Place::new();
    let sandbox = Sandbox::start(&place, &["--profile", "ignores-imported"]);
    let mbox = place.write("mail.mbox", mbox_of(3));
    let ran =
        Ran::of(&mut doctor(&place, &sandbox.url, "--probe support@sandbox.example --journal mail.ferry")).exits(3);
    assert!(ran.stdout.contains("do not import"), "{}", ran.stdout);
    assert!(ran.stderr.contains("kept in `mail.ferry`"), "{}", ran.stderr);
    let ran = Ran::of(&mut sandbox.import(&place, &mbox, "")).exits(4);
    assert!(ran.stderr.contains("nothing was sent"), "{}", ran.stderr);
    assert_eq!(["conversations", "outbox"].map(|name| sandbox.count(name)), [0, 0]);

    // A journal of another target is nobody else's.
    let other = Sandbox::start(&place, &[]);
    Ran::of(&mut doctor(&place, &other.url, "--journal mail.ferry")).exits(4);
    // The same journal takes an archive, once the doctor has seen that all is well.
    let ran = Ran::of(&mut doctor(&place, &other.url, "--probe support@sandbox.example --journal b.ferry")).exits(0);
    assert!(ran.stderr.contains("kept in `b.ferry`"), "{}", ran.stderr);
    Ran::of(&mut other.import(&place, &mbox, "--journal b.ferry")).exits(0);
    assert_eq!(other.count("conversations"), 3);
}
