//! Imports that are killed at random instants, while FreeScout misbehaves, end as undisturbed ones do.
//!
//! The short form is a test like any other; `just kill-loop` runs the long one. Both print their seed, and
//! `FOXFERRY_SEED` gives it back to them: instants depend on the machine, but not what is tried.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::place::{Place, Ran, Sandbox};

/// Kills in the short form. `FOXFERRY_KILLS` asks for another number.
const KILLS: u32 = 10;

/// Enough for every kill of one voyage to find an import that is not through.
const CONVERSATIONS: usize = 160;

/// Kills in one voyage, which is one archive into one sandbox.
const KILLS_IN_VOYAGE: u32 = 12;

/// What goes wrong besides. All of it together hits about one request in five.
const FAULTS: &[&str] = &[
    "delay:15ms@POST /conversations",
    "delay:10ms@POST /customers",
    "delay:10ms@POST /conversations/{id}/threads",
    "lose-answer@POST /conversations%4",
    "500-after@POST /conversations%3",
    "500-before@POST /conversations%2",
    "502@POST /conversations%2",
    "die-after-thread:1@POST /conversations%3",
    "die-inside-thread:1@POST /conversations%2",
    "grow:30ms@POST /conversations%2",
    "late:150ms@POST /conversations%2",
    "429:0@POST /conversations%2",
    "lose-answer@POST /customers%6",
    "lose-answer@POST /conversations/{id}/threads%10",
    "late:100ms@POST /conversations/{id}/threads%5",
    "500-before@GET /conversations%3",
];

/// What must not differ between two sandboxes; requests may.
fn holdings(state: &Value) -> Vec<(&'static str, Value)> {
    ["conversations", "threads", "customers", "customers_without_email", "attachments", "outbox", "orphans"]
        .map(|name| (name, state[name].clone()))
        .to_vec()
}

#[test]
fn killed_again_and_again_while_freescout_fails_it_ends_as_if_nothing_had_happened() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seed = number("FOXFERRY_SEED").unwrap_or_else(|| fastrand::u64(..100_000));
    let wanted = number("FOXFERRY_KILLS").and_then(|kills| u32::try_from(kills).ok()).unwrap_or(KILLS);
    println!("seed {seed}");

    let place = Place::new();
    let archive = place.write("a.mbox", archive());
    let undisturbed = {
        let sandbox = Sandbox::start(&place, &["--strict"]);
        Ran::of(&mut sandbox.import(&place, &archive, "--journal undisturbed.ferry")).exits(0);
        holdings(&sandbox.state())
    };
    assert_eq!(undisturbed[0].1, CONVERSATIONS);

    let mut random = fastrand::Rng::with_seed(seed);
    let mut kills = 0;
    while kills < wanted {
        let more = (wanted - kills).min(KILLS_IN_VOYAGE);
        let killed = voyage(&archive, more, &mut random, &undisturbed, seed);
        assert!(killed > 0, "seed {seed}: every import came through before it could be killed");
        kills += killed;
        println!("{kills} kills");
    }
}

/// One archive into one sandbox with so many kills, and then to the end; says how many kills there were.
fn voyage(
    archive: &Path,
    kills: u32,
    random: &mut fastrand::Rng,
    undisturbed: &[(&'static str, Value)],
    seed: u64,
) -> u32 {
    let place = Place::new();
    let faults: Vec<&str> = FAULTS.iter().flat_map(|fault| ["--fault", fault]).collect();
    let sandbox = Sandbox::start(&place, &[&["--strict"], &faults[..]].concat());
    let import = || sandbox.import(&place, archive, "--journal a.ferry --settle 0.25 --concurrency 6");
    let mut killed = 0;
    while killed < kills {
        let mut process = import().stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        wait_a_while(&sandbox, &mut process, random);
        if process.try_wait().unwrap().is_some() {
            break;
        }
        // SIGKILL, as the out-of-memory killer and the plug send it.
        process.kill().unwrap();
        process.wait().unwrap();
        killed += 1;
    }

    let last = Ran::of(&mut import()).exits(0);

    let story = || format!("seed {seed}, {killed} kills; {}\n{}", last.last_line(), last.stderr);
    assert_eq!(last.sums().done, CONVERSATIONS as u64, "{}", story());
    assert_eq!(holdings(&sandbox.state()), undisturbed, "{}", story());
    let status = place.run("status --json").exits(0).json();
    assert_eq!((&status["unknown"], &status["dead"]), (&0.into(), &0.into()), "{}", story());
    let rows = place.run("ledger --format json").exits(0).events();
    let conversations: HashSet<u64> = rows.iter().filter_map(|row| row["conversation"].as_u64()).collect();
    assert_eq!(conversations.len(), CONVERSATIONS, "each record has a conversation of its own: {}", story());
    killed
}

/// Until the import has sent some creates and a little time has gone by, or, now and then, for a time alone: then it
/// may still be reading, or asking what its predecessor left open.
fn wait_a_while(sandbox: &Sandbox, process: &mut Child, random: &mut fastrand::Rng) {
    let creates = || sandbox.requests("POST /conversations");
    let (wanted, extra) = (creates() + random.u64(1..=10), Duration::from_millis(random.u64(..40)));
    let alone = (random.u8(..4) == 0).then(|| Duration::from_millis(random.u64(..500)));
    let begun = Instant::now();
    while process.try_wait().unwrap().is_none() {
        let is_over = match alone {
            Some(time) => begun.elapsed() >= time,
            None => creates() >= wanted,
        };
        if is_over {
            break;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    std::thread::sleep(extra);
}

/// Conversations of one to four mails from thirty people, some with a file, and a few that do not fit into one request.
fn archive() -> String {
    let mut text = String::new();
    for n in 0..CONVERSATIONS {
        let (day, hour) = (1 + n / 24 % 28, n % 24);
        let customer = format!("ann{}@example.net", n % 30);
        let is_long = n % 40 == 7;
        let mails = if is_long { 5 } else { 1 + n % 4 };
        for turn in 0..mails {
            let (from, to) = match turn % 2 {
                0 => (customer.as_str(), "support@example.org"),
                _ => ("support@example.org", customer.as_str()),
            };
            let reply = if turn == 0 { String::new() } else { format!("In-Reply-To: <m{n}.0@example.net>\n") };
            let body = match is_long {
                true => format!("Mail {turn} of {n}\n{}", "every day the same long report\n".repeat(13_000)),
                false => format!("Mail {turn} of {n}\n"),
            };
            write!(
                text,
                "From {from} Mon Jan {day:2} {hour:02}:{turn:02}:00 2024\n\
                 From: <{from}>\nTo: <{to}>\nSubject: Question number {n}\n\
                 Date: Mon, {day} Jan 2024 {hour:02}:{turn:02}:00 +0000\nMessage-ID: <m{n}.{turn}@example.net>\n{reply}",
            )
            .unwrap();
            if n % 3 == 0 && turn == 0 {
                write!(
                    text,
                    "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\n{body}\n\
                     --b\nContent-Type: text/csv; name=\"{n}.csv\"\nContent-Disposition: attachment; filename=\"{n}.csv\"\n\n\
                     a,b\n{n},2\n--b--\n\n",
                )
                .unwrap();
            } else {
                write!(text, "\n{body}\n").unwrap();
            }
        }
    }
    text
}
