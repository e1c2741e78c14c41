//! What the benches share: generated mail, child processes with their peak memory, tables.

#![allow(dead_code, reason = "each bench uses a part")]

use std::fmt::Write as _;
use std::fs;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

pub mod sandbox;
pub mod server;

/// The program under test, as `cargo bench` built it.
pub const FOXFERRY: &str = env!("CARGO_BIN_EXE_foxferry");

/// What a finished process cost.
pub struct Cost {
    /// Wall time.
    pub wall: Duration,
    /// Processor time of all its threads, in steps of ten milliseconds. Linux only.
    pub cpu: Duration,
    /// The largest resident set seen, in bytes. Read from `/proc` a hundred times a second, so Linux only.
    pub peak: u64,
    /// Whether it exited with 0.
    pub is_success: bool,
    /// Its standard output.
    pub stdout: String,
}

/// Runs a command to its end, watching its memory.
pub fn run(command: &mut Command) -> io::Result<Cost> {
    let start = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let status_file = format!("/proc/{}/status", child.id());
    let mut stdout = child.stdout.take().expect("standard output is piped");
    let reader = thread::spawn(move || io::read_to_string(&mut stdout));
    let mut peak = 0;
    let mut cpu = Duration::ZERO;
    let status = loop {
        // What has ended can be asked until somebody waits for it.
        cpu = cpu.max(cpu_of(child.id()));
        if let Some(status) = child.try_wait()? {
            break status;
        }
        let seen = fs::read_to_string(&status_file).unwrap_or_default();
        let kib =
            seen.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix("kB")?.trim().parse().ok());
        peak = peak.max(kib.unwrap_or(0_u64) * 1024);
        thread::sleep(Duration::from_millis(10));
    };
    let wall = start.elapsed();
    let stdout = reader.join().expect("the reading thread does not panic")?;
    Ok(Cost { wall, cpu, peak, is_success: status.success(), stdout })
}

/// The same for a program to compare with, whose output is thrown away; `None` if it is not installed.
pub fn run_beside(command: &mut Command) -> io::Result<Option<Cost>> {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let start = Instant::now();
    let mut child = match quiet.spawn() {
        Ok(child) => child,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut cpu = Duration::ZERO;
    let status = loop {
        cpu = cpu.max(cpu_of(child.id()));
        if let Some(status) = child.try_wait()? {
            break status;
        }
        thread::sleep(Duration::from_millis(5));
    };
    if !status.success() {
        return Err(io::Error::other(format!("{command:?} ended with {status}")));
    }
    Ok(Some(Cost { wall: start.elapsed(), cpu, peak: 0, is_success: true, stdout: String::new() }))
}

/// Measurements of one command, in seconds.
#[derive(Default)]
pub struct Taken {
    wall: Vec<f64>,
    cpu: Vec<f64>,
}

impl Taken {
    /// One more.
    pub fn add(&mut self, cost: &Cost) {
        self.wall.push(cost.wall.as_secs_f64());
        self.cpu.push(cost.cpu.as_secs_f64());
    }

    /// One more, if there is one.
    pub fn extend(&mut self, cost: Option<&Cost>) {
        cost.into_iter().for_each(|cost| self.add(cost));
    }

    /// Whether nothing was measured.
    pub fn is_empty(&self) -> bool {
        self.wall.is_empty()
    }

    /// Says how fast that was by the clock, and how much processor time it took.
    pub fn say(&self, what: &str, records: u64, bytes: u64) {
        let wall = median(self.wall.clone());
        let cpu = median(self.cpu.clone());
        let speed = rate(bytes, Duration::from_secs_f64(wall));
        say(
            what,
            format!(
                "{:.0}/s, {speed:.0} MB/s, {wall:.2} s by the clock, {cpu:.2} s of processor",
                records as f64 / wall
            ),
        );
    }

    /// Says how many times as fast that was as something else, by the clock and by processor time.
    pub fn say_beside(&self, what: &str, other: &Self) {
        let wall = median(other.wall.clone()) / median(self.wall.clone());
        let cpu = median(other.cpu.clone()) / median(self.cpu.clone());
        say(&format!("{what}, times as fast by the clock, by processor"), format!("{wall:.2}, {cpu:.2}"));
    }
}

/// The processor time that a process has used so far; nothing where it cannot be read.
pub fn cpu_of(process: u32) -> Duration {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // Behind the name, which may hold anything: user and system time are the twelfth and thirteenth, in hundredths.
    let behind_name = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = behind_name.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok());
    Duration::from_millis(ticks.sum::<u64>() * 10)
}

/// The middle of an odd number of measurements.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Megabytes (10⁶) per second.
pub fn rate(bytes: u64, wall: Duration) -> f64 {
    bytes as f64 / 1e6 / wall.as_secs_f64()
}

/// Says one figure on a line of its own, aligned.
#[allow(clippy::print_stdout, reason = "a bench prints its figures")]
pub fn say(what: &str, figure: impl std::fmt::Display) {
    println!("{what:<58} {figure:>14}");
}

const WORDS: &[&str] = &[
    "the",
    "ferry",
    "leaves",
    "at",
    "noon",
    "and",
    "our",
    "order",
    "has",
    "not",
    "arrived",
    "please",
    "tell",
    "us",
    "when",
    "invoice",
    "would",
    "be",
    "sent",
    "again",
    "since",
    "printer",
    "shows",
    "an",
    "error",
    "after",
    "update",
    "thank",
    "you",
    "kind",
    "regards",
    "customer",
    "number",
    "password",
    "reset",
    "link",
    "expired",
    "yesterday",
];

const PEOPLE: &[(&str, &str)] = &[
    ("Aino Aalto", "aino@example.com"),
    ("Bela Barta", "bela@example.net"),
    ("Chidi Chukwu", "chidi@example.com"),
    ("Dewi Darma", "dewi@example.net"),
    ("Support", "support@example.org"),
];

/// Writes an mbox of small text mails of about `bytes` bytes; the same `seed` gives the same file.
///
/// Conversations have one to six messages that refer to each other; every tenth body is quoted-printable, every
/// eighth subject an encoded word. Returns the number of messages.
pub fn write_text_mbox(path: &Path, bytes: u64, seed: u64) -> io::Result<u64> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut out = BufWriter::new(fs::File::create(path)?);
    let (mut written, mut count, mut clock) = (0, 0, 1_200_000_000_i64);
    while written < bytes {
        let mut references: Vec<String> = Vec::new();
        let subject = sentence(&mut random, 5);
        let customer = PEOPLE[random.usize(..4)];
        for turn in 0..random.usize(1..=6) {
            clock += random.i64(60..4000);
            count += 1;
            let id = format!("<{seed:x}.{count:08x}@mail.example.org>");
            let (from, to) = if turn % 2 == 0 { (customer, PEOPLE[4]) } else { (PEOPLE[4], customer) };
            let message = message(&mut random, &id, &references, from, to, &subject, clock);
            out.write_all(message.as_bytes())?;
            written += message.len() as u64;
            references.push(id);
        }
    }
    out.flush()?;
    Ok(count)
}

fn message(
    random: &mut fastrand::Rng,
    id: &str,
    references: &[String],
    from: (&str, &str),
    to: (&str, &str),
    subject: &str,
    clock: i64,
) -> String {
    let time = jiff::Timestamp::from_second(clock).expect("in range").to_zoned(jiff::tz::TimeZone::UTC);
    let mut text = String::new();
    let (re, count) = (if references.is_empty() { "" } else { "Re: " }, random.usize(10..60));
    let _ = writeln!(text, "From {} {}", from.1, time.strftime("%a %b %e %H:%M:%S %Y"));
    let _ =
        writeln!(text, "Received: from mx.example.org by mail.example.org; {}", time.strftime("%a, %d %b %Y %T +0000"));
    let _ = writeln!(text, "Message-ID: {id}");
    if let Some(last) = references.last() {
        let _ = writeln!(text, "In-Reply-To: {last}\nReferences: {}", references.join("\n "));
    }
    let _ = writeln!(text, "From: {} <{}>\nTo: {} <{}>", from.0, from.1, to.0, to.1);
    let _ = writeln!(text, "Date: {}", time.strftime("%a, %d %b %Y %T +0000"));
    if random.u8(..8) == 0 {
        let _ = writeln!(text, "Subject: {re}=?UTF-8?Q?=C3=84rger:_{}?=", subject.replace(' ', "_"));
    } else {
        let _ = writeln!(text, "Subject: {re}{subject}");
    }
    let is_quoted = random.u8(..10) == 0;
    let encoding = if is_quoted { "quoted-printable" } else { "8bit" };
    let _ = writeln!(
        text,
        "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: {encoding}\n"
    );
    for _ in 0..count {
        let words = random.usize(4..12);
        let line = sentence(random, words);
        let _ = if is_quoted { writeln!(text, "{line} f=C3=BCr =\n{line}") } else { writeln!(text, "{line}") };
    }
    text.push('\n');
    text
}

/// So many words.
pub fn sentence(random: &mut fastrand::Rng, words: usize) -> String {
    (0..words).map(|_| WORDS[random.usize(..WORDS.len())]).collect::<Vec<_>>().join(" ")
}
