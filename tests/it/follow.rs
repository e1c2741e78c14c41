//! `foxferry backup --follow` as an operator and as a service manager run it.

use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::place::{KEY, Place, Ran, Sandbox, mbox_of, signal};

fn follow(place: &Place, sandbox: &Sandbox, words: &str) -> Command {
    let mut command = place.command(["backup", "copy", "--follow", "--url", &sandbox.url, "--listen", "127.0.0.1:0"]);
    command.args(words.split_whitespace()).env("FREESCOUT_API_KEY", KEY).env("FREESCOUT_WEBHOOK_SECRET", KEY);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(120), "not in time: {what}");
        std::thread::sleep(Duration::from_millis(30));
    }
}

fn hooks(sandbox: &Sandbox) -> usize {
    sandbox.state()["webhooks"].as_array().unwrap().len()
}

fn has(place: &Place, text: &str) -> bool {
    let files = walkdir::WalkDir::new(place.path().join("copy/snapshots")).into_iter().filter_map(Result::ok);
    let mut lines = files.filter(|file| file.path().ends_with("conversations/00000000.jsonl"));
    lines.any(|file| std::fs::read_to_string(file.path()).is_ok_and(|found| found.contains(text)))
}

fn ended(child: Child) -> Ran {
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: status.code().unwrap_or(-1), stdout: text(stdout), stderr: text(stderr) }
}

#[test]
#[cfg(unix)]
fn a_follower_is_stopped_in_order_or_killed_and_leaves_no_webhook_in_the_end() {
    let place = Place::new();
    let sandbox = Sandbox::start(&place, &[]);
    let archive = place.write("mail.mbox", mbox_of(8));
    Ran::of(&mut sandbox.import(&place, &archive, "-q --no-progress")).exits(0);
    let reply = |text: &str| {
        let body = format!(r#"{{"type":"customer","text":"{text}","imported":true,"status":"active"}}"#);
        sandbox.request("POST", "/api/conversations/2/threads", &body);
    };

    let mut killed = follow(&place, &sandbox, "--every 1s").spawn().unwrap();
    until("the first snapshot", || has(&place, "What about 2?"));
    reply("Said while somebody listens");
    until("the reply", || has(&place, "Said while somebody listens"));
    let busy = place.run("backup prune copy --keep-daily 1").exits(4);
    assert!(busy.stderr.contains("another run is working in"), "{}", busy.stderr);
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert_eq!(hooks(&sandbox), 1);

    let second = follow(&place, &sandbox, "--every 1s --json --keep-daily 3").spawn().unwrap();
    reply("Said to the second");
    until("the reply", || has(&place, "Said to the second"));
    assert_eq!(hooks(&sandbox), 1, "the one before is gone");
    signal(&second, "TERM");
    let ran = ended(second).exits(130);
    assert_eq!(hooks(&sandbox), 0);
    let events = ran.events();
    let last = events.last().unwrap();
    assert!(last["event"] == "finished" && last["snapshots"].as_u64() > Some(0), "{last}");
    assert!(events.iter().any(|event| event["event"] == "sealed"), "{}", ran.stdout);
    assert!(!ran.stdout.contains(KEY) && !ran.stderr.contains(KEY));
    let timed = Ran::of(&mut follow(&place, &sandbox, "--max-duration 2s")).exits(130);
    assert!(timed.stderr.contains("stopped after "), "{}", timed.stderr);
    assert_eq!(hooks(&sandbox), 0);
    assert!(place.run("backup verify copy").exits(0).last_line().ends_with(": sound"));
}

#[test]
fn a_follower_without_a_secret_or_with_an_unusable_address_is_refused() {
    let place = Place::new();
    let sandbox = Sandbox::start(&place, &[]);
    for (words, secret, expected) in [
        ("", None, "FREESCOUT_WEBHOOK_SECRET"),
        ("", Some("  "), "FREESCOUT_WEBHOOK_SECRET"),
        ("--public-url backup.example.org", Some(KEY), "is no address"),
        ("--public-url https://ann:pass@backup.example.org/", Some(KEY), "holds a name or password"),
        ("--also csv=tables", Some(KEY), "cannot be used with"),
        ("--every soon", Some(KEY), "expected a time"),
    ] {
        let mut command = follow(&place, &sandbox, words);
        command.env_remove("FREESCOUT_WEBHOOK_SECRET");
        if let Some(secret) = secret {
            command.env("FREESCOUT_WEBHOOK_SECRET", secret);
        }
        let ran = Ran::of(&mut command).exits(2);
        assert!(ran.stderr.contains(expected) && !ran.stderr.contains("ann:pass"), "{words}: {}", ran.stderr);
    }
    let mut command = place.command(["backup", "copy", "--follow", "--url", &sandbox.url, "--listen", "0.0.0.0:0"]);
    let ran = Ran::of(command.env("FREESCOUT_API_KEY", KEY).env("FREESCOUT_WEBHOOK_SECRET", KEY)).exits(2);
    assert!(ran.stderr.contains("--public-url"), "{}", ran.stderr);
    assert_eq!(hooks(&sandbox), 0);
    place.run("backup copy --every 5m").exits(2);
}
