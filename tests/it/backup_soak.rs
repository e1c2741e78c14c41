//! A backup of a help desk that is written to all the while, killed at random instants, beside a record of every state that
//! each of its conversations ever had.
//!
//! `FOXFERRY_SOAK=20000` asks for a help desk of that size, `FOXFERRY_KILLS` for so many kills, `FOXFERRY_SEED` for the same
//! instants as before.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash as _, Hasher as _};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::place::{KEY, Place, Ran, Sandbox};

/// A help desk that a test on every change can afford; `FOXFERRY_SOAK` asks for a larger one.
const DESK: u64 = 1_200;

/// How many people write at a time.
const WRITERS: u64 = 3;

/// Clocks in answers have whole seconds, and an answer takes a while on a busy machine.
const LEEWAY: f64 = 8.0;

/// What was written to less than so long ago is read again by a backup.
const CALM: Duration = Duration::from_secs(4);

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

/// A connection that shares nothing with our client.
struct Line {
    stream: BufReader<TcpStream>,
}

impl Line {
    fn to(url: &str) -> Self {
        let stream = TcpStream::connect(url.trim_start_matches("http://")).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream: BufReader::new(stream) }
    }

    /// The answer's body; nothing for one without.
    fn ask(&mut self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request = format!(
            "{method} /api{path} HTTP/1.1\r\nHost: sandbox\r\nX-FreeScout-API-Key: {KEY}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.stream.get_mut().write_all(request.as_bytes()).unwrap();
        let mut head = String::new();
        self.stream.read_line(&mut head).unwrap();
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or_else(|| panic!("{head}"));
        let mut length = 0;
        loop {
            let mut header = String::new();
            self.stream.read_line(&mut header).unwrap();
            if let Some(value) = header.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if header.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).unwrap();
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }

    fn create(&mut self, n: u64) -> u64 {
        let (minute, second) = (n / 60 % 60, n % 60);
        let body = json!({
            "type": "email", "mailboxId": 1, "subject": format!("Order {n}"), "imported": true, "status": "closed",
            "customer": {"email": format!("ann{}@example.net", n % 97), "firstName": "Ann"},
            "createdAt": format!("2020-01-01T00:{minute:02}:{second:02}Z"), "closedAt": "2020-01-03T00:00:00Z",
            "threads": [
                {"type": "message", "user": 1, "text": format!("<p>Answer {n}</p>"), "createdAt": "2020-01-02T00:00:00Z"},
                {"type": "customer", "text": format!("<p>Question {n}</p>"),
                 "createdAt": format!("2020-01-01T00:{minute:02}:{second:02}Z")},
            ],
        });
        let (status, answer) = self.ask("POST", "/conversations", &body);
        assert_eq!(status, 201, "{answer}");
        answer["id"].as_u64().unwrap()
    }

    /// A conversation as it is now.
    fn state(&mut self, id: u64) -> u64 {
        let (status, mut row) =
            self.ask("GET", &format!("/conversations/{id}?embed=threads,timelogs,tags"), &Value::Null);
        assert_eq!(status, 200, "{row}");
        fingerprint(&mut row)
    }
}

/// Everything that a row says, but for what is ours and what changes by itself.
fn fingerprint(row: &mut Value) -> u64 {
    row.as_object_mut().unwrap().shift_remove("_backup");
    row["customerWaitingSince"]["friendly"] = Value::Null;
    let mut hash = DefaultHasher::new();
    row.to_string().hash(&mut hash);
    hash.finish()
}

/// One thing that was done to a conversation.
#[derive(Debug)]
struct Deed {
    begun: f64,
    answered: f64,
    /// What it became; nothing when it was deleted.
    state: Option<u64>,
    /// Whether it moves `updatedAt`: what does not shows in whole lists only, once a night.
    is_dated: bool,
}

impl Deed {
    fn made(begun: f64, state: u64) -> Self {
        Self { begun, answered: now(), state: Some(state), is_dated: true }
    }
}

/// All that became of a conversation, the first state first.
type Life = Vec<Deed>;

/// Conversations of one writer, who alone changes them.
struct Writer<'a> {
    line: Line,
    lives: BTreeMap<u64, Life>,
    random: fastrand::Rng,
    number: &'a AtomicU64,
}

impl Writer<'_> {
    fn create(&mut self) {
        let begun = now();
        let id = self.line.create(self.number.fetch_add(1, Ordering::Relaxed));
        let state = self.line.state(id);
        self.lives.insert(id, vec![Deed::made(begun, state)]);
    }

    /// Does something to one of them.
    fn work(&mut self) {
        let ids: Vec<u64> =
            self.lives.iter().filter(|(_, life)| life.last().unwrap().state.is_some()).map(|(id, _)| *id).collect();
        let id = ids[self.random.usize(..ids.len())];
        let n = self.number.fetch_add(1, Ordering::Relaxed);
        let begun = now();
        let (method, path, body) = match self.random.u8(..20) {
            0..2 => return self.create(),
            2..4 => ("DELETE", format!("/conversations/{id}"), Value::Null),
            4..7 => ("PUT", format!("/conversations/{id}/tags"), json!({"tags": [format!("t{}", n % 5)]})),
            7..11 => {
                let status = ["active", "pending", "closed"][self.random.usize(..3)];
                ("PUT", format!("/conversations/{id}"), json!({"byUser": 1, "status": status}))
            }
            11..13 => {
                ("PUT", format!("/conversations/{id}"), json!({"byUser": 1, "subject": format!("Order {n}, again")}))
            }
            _ => {
                let text = format!("<p>Reply {n}</p>").repeat(self.random.usize(1..40));
                (
                    "POST",
                    format!("/conversations/{id}/threads"),
                    json!({"type": "customer", "text": text, "imported": true}),
                )
            }
        };
        let (status, answer) = self.line.ask(method, &path, &body);
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        let state = (method != "DELETE").then(|| self.line.state(id));
        let is_dated = !path.ends_with("/tags");
        let life = self.lives.get_mut(&id).unwrap();
        // A status that it had already changes nothing, and nobody has to notice.
        if life.last().unwrap().state != state {
            life.push(Deed { begun, answered: now(), state, is_dated });
        }
    }
}

/// A sandbox with so many conversations, and what each of them is.
fn desk(place: &Place, conversations: u64, options: &[&str]) -> (Sandbox, Vec<BTreeMap<u64, Life>>) {
    let sandbox = Sandbox::start(place, options);
    let lives = std::thread::scope(|scope| {
        let shares: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let url = &sandbox.url;
                scope.spawn(move || {
                    let mut line = Line::to(url);
                    let mut lives = BTreeMap::new();
                    for n in (writer..conversations).step_by(WRITERS as usize) {
                        let begun = now();
                        let id = line.create(n);
                        let state = line.state(id);
                        lives.insert(id, vec![Deed::made(begun, state)]);
                    }
                    lives
                })
            })
            .collect();
        shares.into_iter().map(|share| share.join().unwrap()).collect()
    });
    (sandbox, lives)
}

fn backup(place: &Place, sandbox: &Sandbox, words: &str) -> Command {
    let mut command = place.command(["backup", "copy"]);
    command.args(words.split_whitespace()).args(["--url", &sandbox.url]).env("FREESCOUT_API_KEY", KEY);
    command
}

/// What the newest snapshot says of a conversation.
struct Held {
    state: u64,
    read: f64,
    is_unsettled: bool,
}

/// The newest snapshot's conversations; none may be there twice.
fn newest(place: &Place) -> BTreeMap<u64, Held> {
    let snapshots = std::fs::read_dir(place.path().join("copy/snapshots")).unwrap();
    let newest = snapshots.map(|entry| entry.unwrap().path()).max().unwrap();
    let mut rows = BTreeMap::new();
    for file in std::fs::read_dir(newest.join("conversations")).unwrap() {
        for line in std::fs::read_to_string(file.unwrap().path()).unwrap().lines() {
            let mut row: Value = serde_json::from_str(line).unwrap();
            let id = row["id"].as_u64().unwrap();
            let read: jiff::Timestamp = row["_backup"]["read"].as_str().unwrap().parse().unwrap();
            let is_unsettled = row["_backup"]["unsettled"] == true;
            let held = Held { read: read.as_second() as f64, is_unsettled, state: fingerprint(&mut row) };
            assert!(rows.insert(id, held).is_none(), "conversation {id} is there twice");
        }
    }
    rows
}

#[test]
fn a_help_desk_that_is_written_to_all_the_while_is_copied_whole_however_often_the_backup_is_killed() {
    let conversations = number("FOXFERRY_SOAK").unwrap_or(DESK);
    let kills = number("FOXFERRY_KILLS").unwrap_or(if conversations > DESK { 30 } else { 5 });
    let seed = number("FOXFERRY_SEED").unwrap_or_else(|| fastrand::u64(..100_000));
    println!("seed {seed}, {conversations} conversations, {kills} kills");
    let mut random = fastrand::Rng::with_seed(seed);
    let place = Place::new();
    let (sandbox, shares) = desk(&place, conversations, &[]);
    let (is_over, count) = (AtomicBool::new(false), AtomicU64::new(1_000_000));

    let (lives, last_begun, killed) = std::thread::scope(|scope| {
        let writers: Vec<_> = shares
            .into_iter()
            .map(|lives| {
                let (line, random) = (Line::to(&sandbox.url), random.fork());
                let mut writer = Writer { line, lives, random, number: &count };
                let is_over = &is_over;
                scope.spawn(move || {
                    while !is_over.load(Ordering::Relaxed) {
                        writer.work();
                        std::thread::sleep(Duration::from_millis(writer.random.u64(20..120)));
                    }
                    writer.lives
                })
            })
            .collect();

        let mut killed = 0;
        for _ in 0..kills {
            let mut process =
                backup(&place, &sandbox, "-q").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            // Some while it begins, some later than it takes to read everything: then it waits for what was just written to.
            let longest = 300 + conversations / 4;
            std::thread::sleep(Duration::from_millis(random.u64(1..longest)));
            if process.try_wait().unwrap().is_none() {
                process.kill().unwrap();
                killed += 1;
            }
            process.wait().unwrap();
        }
        let last_begun = now();
        let ran = Ran::of(&mut backup(&place, &sandbox, ""));
        is_over.store(true, Ordering::Relaxed);
        let mut lives = BTreeMap::new();
        for writer in writers {
            lives.extend(writer.join().unwrap());
        }
        println!("{killed} killed; the last ran {:.1} s: {}", now() - last_begun, ran.stdout.trim_end());
        assert_eq!(ran.code, 0, "seed {seed}: {}", ran.stderr);
        (lives, last_begun, killed)
    });
    assert!(killed > 0, "seed {seed}: every run came through before it could be killed");

    let held = newest(&place);
    let (mut deeds, mut unsettled, mut gone) = (0, 0, 0);
    for (id, life) in &lives {
        deeds += life.len();
        let is_deleted = life.last().unwrap().state.is_none();
        let Some(held) = held.get(id) else {
            let is_new = life[0].answered > last_begun;
            assert!(is_deleted || is_new, "seed {seed}: conversation {id} existed throughout and is missing");
            continue;
        };
        gone += usize::from(is_deleted);
        if held.is_unsettled {
            unsettled += 1;
            continue;
        }
        // Whatever was answered long before it was read is in it, and nothing that was done long after; and what had been
        // done before the last run began was compared by it.
        let earliest = life.iter().rposition(|deed| {
            let is_compared = deed.is_dated && deed.answered < last_begun;
            deed.state.is_some() && (deed.answered < held.read - LEEWAY || is_compared)
        });
        let latest = life.iter().rposition(|deed| deed.begun < held.read + LEEWAY).unwrap_or_default();
        let was = life[earliest.unwrap_or_default()..=latest].iter().any(|deed| deed.state == Some(held.state));
        assert!(
            was,
            "seed {seed}: conversation {id} as read at {} is none of what it was from {earliest:?} to {latest}; ever: {:?}\n{life:?}",
            held.read,
            life.iter().position(|deed| deed.state == Some(held.state)),
        );
    }
    let foreign = held.keys().filter(|id| !lives.contains_key(id)).count();
    assert_eq!(foreign, 0, "seed {seed}: conversations that nobody made");
    println!(
        "{deeds} states of {} conversations, {} held, {unsettled} unsettled, {gone} deleted after they were read",
        lives.len(),
        held.len()
    );
    assert!(unsettled * 50 <= held.len(), "seed {seed}: {unsettled} did not hold still");
    assert!(place.run("backup verify copy").exits(0).last_line().ends_with(": sound"));

    // With nobody writing, one more night makes it equal.
    std::thread::sleep(CALM);
    Ran::of(&mut backup(&place, &sandbox, "")).exits(0);
    let held = newest(&place);
    let states: BTreeMap<u64, u64> = held.iter().map(|(id, held)| (*id, held.state)).collect();
    let last: BTreeMap<u64, u64> =
        lives.iter().filter_map(|(id, life)| Some((*id, life.last().unwrap().state?))).collect();
    let unlike: BTreeSet<u64> =
        last.keys().chain(states.keys()).filter(|id| last.get(id) != states.get(id)).copied().collect();
    assert!(unlike.is_empty(), "seed {seed}: {unlike:?} are not as they are in FreeScout");
}

#[test]
fn a_second_night_asks_for_lists_and_one_conversation_for_each_that_differs() {
    let conversations = number("FOXFERRY_SOAK").unwrap_or(2_000);
    let place = Place::new();
    let (sandbox, shares) = desk(&place, conversations, &[]);
    let customers = 97.min(conversations);
    std::thread::sleep(CALM);
    Ran::of(&mut backup(&place, &sandbox, "")).exits(0);
    // One in a thousand: half of them get a reply, half a tag, which does not move `updatedAt`.
    let changed: Vec<u64> = (1..=conversations).step_by(1000).collect();
    let mut line = Line::to(&sandbox.url);
    let mut states: BTreeMap<u64, u64> =
        shares.iter().flatten().map(|(id, life)| (*id, life[0].state.unwrap())).collect();
    for (at, id) in changed.iter().enumerate() {
        let (status, _) = match at % 2 {
            0 => {
                let reply = json!({"type": "customer", "text": "<p>And now?</p>", "imported": true});
                line.ask("POST", &format!("/conversations/{id}/threads"), &reply)
            }
            _ => line.ask("PUT", &format!("/conversations/{id}/tags"), &json!({"tags": ["vip"]})),
        };
        assert!((200..300).contains(&status));
        states.insert(*id, line.state(*id));
    }
    std::thread::sleep(CALM);
    let before = sandbox.state();
    let ran = Ran::of(&mut backup(&place, &sandbox, "")).exits(0);
    let after = sandbox.state();
    let asked =
        |what: &str| after["requests"][what].as_u64().unwrap_or(0) - before["requests"][what].as_u64().unwrap_or(0);
    println!(
        "{}: {} lists, {} conversations",
        ran.last_line(),
        asked("GET /conversations"),
        asked("GET /conversations/{id}")
    );
    // Pages of two hundred rows, a little more or less, so that each overlaps the one before by one or a few.
    let pages = |rows: u64| rows.div_ceil(210)..=rows.div_ceil(190) + 1;
    let lists = asked("GET /conversations");
    // One more for what was changed meanwhile, one for the total.
    assert!(pages(conversations).contains(&(lists - 2)), "{lists} lists of {conversations} conversations");
    assert_eq!(asked("GET /conversations/{id}"), changed.len() as u64);
    assert!(pages(customers).contains(&asked("GET /customers")));
    for once in ["GET /mailboxes", "GET /users", "GET /tags"] {
        assert_eq!(asked(once), 1, "{once}");
    }
    let mailboxes = after["mailboxes"].as_u64().unwrap_or(1).max(1);
    for of_mailbox in ["GET /mailboxes/{id}/folders", "GET /mailboxes/{id}/custom_fields"] {
        assert!(asked(of_mailbox) <= mailboxes, "{of_mailbox}");
    }
    let known = [
        "GET /conversations",
        "GET /conversations/{id}",
        "GET /customers",
        "GET /mailboxes",
        "GET /users",
        "GET /tags",
        "GET /mailboxes/{id}/folders",
        "GET /mailboxes/{id}/custom_fields",
    ];
    for what in after["requests"].as_object().unwrap().keys() {
        assert!(known.contains(&what.as_str()) || asked(what) == 0, "nobody should ask `{what}`");
    }
    let held: BTreeMap<u64, u64> = newest(&place).iter().map(|(id, held)| (*id, held.state)).collect();
    assert!(held == states, "it is not what FreeScout has");
}
