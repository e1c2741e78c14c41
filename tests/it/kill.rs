//! Imports that are killed at random instants, while FreeScout misbehaves, end as undisturbed ones do.
//!
//! The short form is a test like any other; `just kill-loop` runs the long one. Both print their seed, and
//! `FOXFERRY_SEED` gives it back to them: instants depend on the machine, but not what is tried.
//!
//! Every kill is followed by a run under other faults: one of the list in its turn, and others beside it by chance.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use crate::place::{Place, Ran, Sandbox};

/// Kills in the short form. `FOXFERRY_KILLS` asks for another number.
const KILLS: u32 = 24;

/// Enough for every kill of one voyage to find an import that is not through.
const CONVERSATIONS: usize = 160;

/// Kills in one voyage, which is one archive into one sandbox.
const KILLS_IN_VOYAGE: u32 = 12;

/// How long a look-up waits, in seconds: longer than what the faults below delay, but for those that are meant to be late.
const SETTLE: f64 = 0.25;

const CREATE: &str = "POST /conversations";
const APPEND: &str = "POST /conversations/{id}/threads";
const TAGS: &str = "PUT /conversations/{id}/tags";
const OWNER: &str = "PUT /conversations/{id}";
const DELETE: &str = "DELETE /conversations/{id}";
const PERSON: &str = "POST /customers";

/// What can go wrong: kind, request, and the chance in percent when it is its turn. Each also comes by chance, at half of it.
const FAULTS: &[(&str, &str, u32)] = &[
    ("lose-answer", CREATE, 20),
    ("500-after", CREATE, 15),
    ("500-before", CREATE, 10),
    ("502", CREATE, 10),
    ("504:120ms", CREATE, 15),
    ("refuse", CREATE, 10),
    ("reset-before", CREATE, 10),
    ("cut-answer", CREATE, 20),
    ("blank-200", CREATE, 20),
    ("no-body", CREATE, 30),
    ("cut-body:100k", CREATE, 8),
    ("413:100k", CREATE, 100),
    ("fail-above:110k", CREATE, 100),
    ("die-after-thread:0", CREATE, 12),
    ("die-after-thread:1", CREATE, 12),
    ("die-after-thread:3", CREATE, 30),
    ("die-inside-thread:1", CREATE, 12),
    ("die-inside-thread:2", CREATE, 20),
    ("late:100ms", CREATE, 12),
    ("grow:30ms", CREATE, 12),
    ("429", CREATE, 4),
    ("429:1", CREATE, 2),
    ("429:0", CREATE, 10),
    ("maintenance", CREATE, 4),
    ("write-lock:300ms", CREATE, 1),
    ("queue:2", "* /", 100),
    ("delay:60ms", "* /", 30),
    ("refuse", "* /", 2),
    ("maintenance", "* /", 1),
    ("500-before", "GET /conversations", 8),
    ("cut-answer", "GET /conversations", 8),
    ("blank-200", "GET /conversations/{id}", 8),
    ("502", "GET /conversations/{id}", 8),
    ("delay:400ms", "GET /conversations", 10),
    ("lose-answer", PERSON, 30),
    ("no-body", PERSON, 30),
    ("500-after", PERSON, 15),
    ("504:100ms", PERSON, 15),
    ("lose-answer", APPEND, 30),
    ("late:100ms", APPEND, 15),
    ("cut-answer", APPEND, 20),
    ("502", APPEND, 10),
    ("cut-body:10k", APPEND, 10),
    ("lose-answer", TAGS, 30),
    ("500-before", TAGS, 10),
    ("maintenance", TAGS, 5),
    ("lose-answer", OWNER, 30),
    ("lose-answer", DELETE, 40),
    ("500-before", DELETE, 10),
];

/// Always there, so that an import takes long enough to be killed, and long conversations do not fit into one request.
const ALWAYS: &[&str] =
    &["delay:15ms@POST /conversations", "delay:10ms@POST /customers", "delay:10ms@POST /conversations/{id}/threads"];

/// Comes later than two looks and is taken away at the end of the run: by its mark, so that there has to be one.
const VERY_LATE: &str = "late:600ms@POST /conversations%3";

/// What an archive became.
#[derive(Debug, PartialEq)]
struct Holdings {
    counts: Vec<(&'static str, Value)>,
    /// Conversations with threads, tags and fields; customers; files. One line for each.
    rows: Vec<String>,
}

impl Holdings {
    fn of(sandbox: &Sandbox) -> Self {
        let state = state(sandbox);
        let counts =
            ["conversations", "threads", "customers", "customers_without_email", "attachments", "outbox", "orphans"]
                .map(|name| (name, state[name].clone()))
                .to_vec();
        let mut rows = Vec::new();
        for (path, name) in [("conversations?embed=threads,tags", "conversations"), ("customers?", "customers")] {
            for page in 1.. {
                let body = body(sandbox, "GET", &format!("/api/{path}&pageSize=50&page={page}"), "");
                let mut list: Value = serde_json::from_str(&body).unwrap_or_else(|_| panic!("{body}"));
                let items = list["_embedded"][name].as_array_mut().unwrap_or_else(|| panic!("{body}"));
                rows.extend(items.iter_mut().map(|item| {
                    settle(item);
                    format!("{name}: {item}")
                }));
                if page >= list["page"]["totalPages"].as_u64().unwrap() {
                    break;
                }
            }
        }
        let files = state["files"].as_array().unwrap();
        rows.extend(files.iter().map(|file| format!("file: {} {} {}", file["fileName"], file["size"], file["blake3"])));
        rows.sort();
        Self { counts, rows }
    }

    /// Without the hidden marks, for imports that make none.
    fn unmarked(&self) -> Self {
        let bare = |row: &String| {
            let mut row = row.clone();
            while let Some(begin) = row.find("<!-- foxferry:") {
                let end = begin + row[begin..].find("-->").unwrap() + "-->".len();
                row.replace_range(begin..end, "");
            }
            row
        };
        let mut rows: Vec<String> = self.rows.iter().map(bare).collect();
        rows.sort();
        Self { counts: self.counts.clone(), rows }
    }

    /// What is in one and not in the other.
    fn differences(&self, found: &Self) -> String {
        let count = |rows: &[String], row: &String| rows.iter().filter(|other| *other == row).count();
        let all: BTreeSet<_> = self.rows.iter().chain(&found.rows).collect();
        let unequal = all.into_iter().filter_map(|row| {
            let (wanted, there) = (count(&self.rows, row), count(&found.rows, row));
            (wanted != there).then(|| format!("{there} instead of {wanted}: {row}\n"))
        });
        let short = |row: String| row.chars().take(700).chain(['\n']).collect::<String>();
        let rows: String = unequal.take(20).map(short).collect();
        format!("expected {:?}\nfound    {:?}\n{rows}", self.counts, found.counts)
    }
}

/// Takes out what is different in every run: ids and what names them, times of writing, tokens.
fn settle(value: &mut Value) {
    match value {
        Value::Object(object) => {
            for key in
                ["id", "number", "updatedAt", "userUpdatedAt", "customerWaitingSince", "fileUrl", "_links", "action"]
            {
                object.shift_remove(key);
            }
            // Customers have no time of their own.
            if object.contains_key("jobTitle") {
                object.shift_remove("createdAt");
            }
            object.values_mut().for_each(settle);
        }
        Value::Array(list) => list.iter_mut().for_each(settle),
        _ => {}
    }
}

/// The body of an answer: asked for again when a fault breaks the connection.
fn body(sandbox: &Sandbox, method: &str, path: &str, sent: &str) -> String {
    let begun = Instant::now();
    loop {
        let answer = sandbox.request(method, path, sent);
        match answer.split_once("\r\n\r\n") {
            Some((head, body)) if head.starts_with("HTTP/1.1 2") => return body.to_owned(),
            _ => assert!(begun.elapsed() < Duration::from_secs(60), "no answer to {method} {path}: {answer}"),
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn state(sandbox: &Sandbox) -> Value {
    serde_json::from_str(&body(sandbox, "GET", "/__sandbox/state", "")).unwrap()
}

fn creates(sandbox: &Sandbox) -> u64 {
    state(sandbox)["requests"]["POST /conversations"].as_u64().unwrap_or_default()
}

fn set_faults(sandbox: &Sandbox, faults: &[String]) {
    body(sandbox, "POST", "/__sandbox/faults", &json!(faults).to_string());
}

#[test]
fn killed_again_and_again_while_freescout_fails_it_ends_as_if_nothing_had_happened() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seed = number("FOXFERRY_SEED").unwrap_or_else(|| fastrand::u64(..100_000));
    let wanted = number("FOXFERRY_KILLS").and_then(|kills| u32::try_from(kills).ok()).unwrap_or(KILLS);
    println!("seed {seed}");

    let place = Place::new();
    let archive = place.write("a.jsonl", archive());
    place.write("a.toml", MAPPING);
    place.write("fixture.json", fixture().to_string());
    let undisturbed = {
        let sandbox = Sandbox::start(&place, &["--strict", "--fixture", "fixture.json"]);
        let ran = Ran::of(&mut sandbox.import(&place, &archive, "-m a.toml --journal undisturbed.ferry")).exits(0);
        assert_eq!(ran.sums().done, CONVERSATIONS as u64);
        assert_eq!(state(&sandbox)["requests"].get(APPEND), None, "every conversation fits into one request");
        Holdings::of(&sandbox)
    };
    assert_eq!(undisturbed.counts[0].1, CONVERSATIONS);
    assert_eq!(undisturbed.counts[3..].iter().filter(|(name, count)| *name != "attachments" && *count != 0).count(), 0);

    let mut random = fastrand::Rng::with_seed(seed);
    let begun = Instant::now();
    // Which fault's turn it is: another one first for every seed.
    let mut turn = random.usize(..FAULTS.len());
    let mut kills = 0;
    while kills < wanted {
        let more = (wanted - kills).min(KILLS_IN_VOYAGE);
        let killed = Voyage { place: &place, archive: &archive, seed }.run(more, &mut turn, &mut random, &undisturbed);
        assert!(killed > 0, "seed {seed}: every import came through before it could be killed");
        kills += killed;
        println!("{kills} kills in {:.0} s", begun.elapsed().as_secs_f64());
    }
}

#[test]
fn eight_at_a_time_with_shared_customers_each_conversation_costs_what_it_must() {
    let place = Place::new();
    let archive = place.write("a.jsonl", archive());
    place.write("a.toml", MAPPING);
    place.write("fixture.json", fixture().to_string());
    let sandbox = Sandbox::start(&place, &["--strict", "--fixture", "fixture.json", "--fault", "delay:4ms@* /"]);

    let ran = Ran::of(&mut sandbox.import(&place, &archive, "-m a.toml --concurrency 8")).exits(0);

    assert_eq!(ran.sums().done, CONVERSATIONS as u64);
    let state = state(&sandbox);
    let records = || (0..CONVERSATIONS).map(record);
    let tagged = records().filter(|record| record.get("tags").is_some()).count();
    // Thirty people, of whom ten have two addresses: those are asked for before anybody is made. And a fixed number of questions
    // at the beginning, however big the archive is; one of them is about customer fields.
    for (request, expected) in [
        ("POST /conversations", CONVERSATIONS),
        ("PUT /conversations/{id}/tags", tagged),
        ("POST /customers", 30),
        ("GET /customers", 20 + 1),
        ("GET /users", 1),
        ("GET /mailboxes", 1),
        ("GET /mailboxes/{id}/custom_fields", 2),
        ("GET /tags", 1),
    ] {
        assert_eq!(state["requests"][request], expected, "{request}: {state}");
    }
    assert_eq!(state["requests"].as_object().unwrap().len(), 8, "nothing else is asked: {state}");
    for (name, expected) in [("customers", 30), ("customers_without_email", 0), ("orphans", 0), ("outbox", 0)] {
        assert_eq!(state[name], expected, "{name}");
    }
}

/// One archive into one sandbox.
struct Voyage<'a> {
    place: &'a Place,
    archive: &'a Path,
    seed: u64,
}

impl Voyage<'_> {
    /// With so many kills, and then to the end; says how many kills there were.
    fn run(&self, kills: u32, turn: &mut usize, random: &mut fastrand::Rng, undisturbed: &Holdings) -> u32 {
        let place = Place::new();
        let sandbox = Sandbox::start(self.place, &["--strict", "--fixture", "fixture.json"]);
        let has_marker = random.u8(..4) > 0;
        let mapping = self.place.path().join("a.toml");
        let concurrency = [1, 2, 6, 8, 8][random.usize(..5)];
        let marker = if has_marker { "" } else { "--no-marker" };
        let options = format!(
            "-m {} --journal a.ferry --settle {SETTLE} --concurrency {concurrency} {marker}",
            mapping.to_str().unwrap()
        );
        let import = || sandbox.import(&place, self.archive, &options);
        let mut killed = 0;
        let mut story = format!("seed {}: {options}\n", self.seed);
        let mut runs = 0;
        while killed < kills && runs < 2 * kills {
            runs += 1;
            let faults = faults(*turn, has_marker, random);
            *turn += 1;
            set_faults(&sandbox, &faults);
            story.push_str(&format!("{}\n", faults.join(" ")));
            let mut process = import().stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            wait_a_while(&sandbox, &mut process, random);
            if let Some(status) = process.try_wait().unwrap() {
                // It may have found nobody there to begin with.
                if status.success() {
                    break;
                }
                continue;
            }
            // SIGKILL, as the out-of-memory killer and the plug send it.
            process.kill().unwrap();
            process.wait().unwrap();
            killed += 1;
        }

        let mut last = Ran::of(&mut import());
        for _ in 0..5 {
            if last.code == 4 {
                last = Ran::of(&mut import());
            }
        }

        set_faults(&sandbox, &[]);
        let found = Holdings::of(&sandbox);
        let expected = if has_marker { undisturbed } else { &undisturbed.unmarked() };
        let status = place.run("status --json").exits(0).json();
        let rows = place.run("ledger --format json").exits(0).events();
        let conversations: HashSet<u64> = rows.iter().filter_map(|row| row["conversation"].as_u64()).collect();
        let is_right = last.code == 0
            && last.sums().done == CONVERSATIONS as u64
            && found == *expected
            && (&status["unknown"], &status["dead"]) == (&0.into(), &0.into())
            // Each record has a conversation of its own.
            && conversations.len() == CONVERSATIONS;
        if !is_right {
            let path = place.path().to_owned();
            // Left for whoever looks into it.
            std::mem::forget(place);
            panic!(
                "{story}{killed} kills; the journal is in {}\nexit {}, {} conversations in the ledger, {status}\n{}\n{}\n{}",
                path.display(),
                last.code,
                conversations.len(),
                expected.differences(&found),
                last.stdout,
                last.stderr,
            );
        }
        killed
    }
}

/// The fault whose turn it is, and others beside it.
fn faults(turn: usize, has_marker: bool, random: &mut fastrand::Rng) -> Vec<String> {
    let mut faults: Vec<String> = ALWAYS.iter().map(|fault| (*fault).to_owned()).collect();
    let spec = |(kind, request, chance): (&str, &str, u32)| format!("{kind}@{request}%{chance}");
    faults.push(spec(FAULTS[turn % FAULTS.len()]));
    let wanted = random.usize(..5);
    for _ in 0..wanted {
        let (kind, request, chance) = FAULTS[random.usize(..FAULTS.len())];
        // What hits everything of its size is none of chance.
        let chance = if chance == 100 { 100 } else { chance.div_ceil(2) };
        faults.push(spec((kind, request, chance)));
    }
    let is_very_late = random.u8(..3) == 0;
    if has_marker && is_very_late {
        faults.push(VERY_LATE.to_owned());
    }
    faults
}

/// Until the import has sent some creates and a little time has gone by, or, now and then, for a time alone: then it
/// may still be reading, or asking what its predecessor left open.
fn wait_a_while(sandbox: &Sandbox, process: &mut Child, random: &mut fastrand::Rng) {
    let (wanted, extra) = (creates(sandbox) + random.u64(1..=12), Duration::from_millis(random.u64(..40)));
    let alone = (random.u8(..4) == 0).then(|| Duration::from_millis(random.u64(..1200)));
    let begun = Instant::now();
    while process.try_wait().unwrap().is_none() {
        let is_over = match alone {
            Some(time) => begun.elapsed() >= time,
            None => creates(sandbox) >= wanted || begun.elapsed() > Duration::from_secs(5),
        };
        if is_over {
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(extra);
}

const MAPPING: &str = r#"source = "records"
[mailbox]
from = "queue"
table = { billing = "billing@example.org" }
default = "support@example.org"
[status]
from = "status"
table = { open = "active", solved = "closed" }
default = "closed"
[people]
roles = ["agent"]
default = "root@example.org"
[tags]
from = ["tags"]
[fields]
Number = { from = "old" }
Priority = { from = "priority", table = { low = "Low", high = "High" } }
"#;

fn fixture() -> Value {
    let fields = json!([
        {"name": "Number", "type": "singleline"},
        {"name": "Priority", "type": "dropdown", "options": {"1": "Low", "2": "High"}},
    ]);
    json!({
        "users": [
            {"firstName": "Root", "lastName": "Admin", "email": "root@example.org", "role": "admin"},
            {"firstName": "Ada", "lastName": "Agent", "email": "ada@example.org", "role": "user"},
        ],
        "mailboxes": [
            {"name": "Support", "email": "support@example.org", "customFields": fields},
            {"name": "Billing", "email": "billing@example.org", "customFields": fields},
        ],
    })
}

/// Conversations of one to five entries from thirty people who write again and again, with people in copy, files, tags, fields
/// and notes; a few that do not fit into the smaller requests, and ten that differ in nothing but their ids.
fn archive() -> String {
    (0..CONVERSATIONS).map(|n| format!("{}\n", record(n))).collect()
}

fn record(n: usize) -> Value {
    let is_twin = (100..110).contains(&n);
    // What its content is made of.
    let m = if is_twin { 100 } else { n };
    let is_long = m % 40 == 7;
    let time = |turn: usize| format!("2024-01-{:02}T{:02}:{:02}:00Z", 1 + m / 24, m % 24, 5 * turn);
    let customer = |n: usize| match n % 3 {
        // Two addresses: both are asked for.
        0 => {
            json!({"name": format!("Ann {n}"), "email": format!("ann{n}@example.net"), "emails": [format!("ann{n}@example.com")], "phones": [format!("+49 30 {n}")]})
        }
        _ => json!({"name": format!("Ann {n}"), "email": format!("ann{n}@example.net")}),
    };
    let entries: Vec<Value> = (0..if is_long { 5 } else { 1 + m % 4 })
        .map(|turn| {
            let long = if is_long { "every day the same long report\n".repeat(1300) } else { String::new() };
            let mut entry = json!({
                "id": format!("{n}.{turn}"),
                "created_at": time(turn),
                "text": format!("Entry {turn} of {m}\n{long}"),
                "author": customer(m % 30),
            });
            if turn % 2 == 1 {
                entry["author"] = json!({"email": "ada@example.org", "role": "agent"});
                entry["is_public"] = (m % 5 != 0).into();
            }
            // Somebody else has the last word.
            if turn == 4 {
                entry["author"] = customer((m + 1) % 30);
            }
            if turn == 0 && m % 4 == 1 {
                entry["cc"] = json!([format!("boss{}@example.net", m % 7)]);
            }
            if (m + turn) % 3 == 0 {
                let text = format!("a,b\n{m},{turn}\n").repeat(1 + m);
                entry["attachments"] = json!([
                    {"name": format!("{m}.csv"), "mime": "text/csv", "data": BASE64.encode(text.as_bytes())},
                    {"name": "note.txt", "mime": "text/plain", "data": BASE64.encode(&text.as_bytes()[4..])},
                ]);
            }
            entry
        })
        .collect();
    let mut record = json!({
        "id": n.to_string(),
        "subject": format!("Question number {m}"),
        "status": if m % 3 == 0 { "open" } else { "solved" },
        "requester": customer(m % 30),
        "created_at": time(0),
        "entries": entries,
        "fields": {"old": m, "priority": if m % 2 == 0 { "low" } else { "high" }, "queue": if m % 6 == 0 { "billing" } else { "help" }},
    });
    if m % 3 == 1 {
        record["tags"] = json!(["moved", format!("tag{}", m % 9)]);
    }
    if m % 2 == 0 {
        record["assignee"] = json!({"email": "ada@example.org", "role": "agent"});
    }
    record
}
