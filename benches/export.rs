//! Exports of a backup in every format, beside a bare copy of its JSON lines; and how memory grows with their number.
//!
//! The backups are written directly, in their own format: 1,000 and 100,000 conversations (`FOXFERRY_CONVERSATIONS` sets the larger
//! number), each with four threads of some 500 characters, in words as unevenly spread as those of a language. Each export
//! runs in a process of its own, so that its peak memory is its own.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints, and fails by panicking")]

use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use foxferry::backup::Backup;
use foxferry::export::snapshot::OfBackup;
use foxferry::export::{self, Destination, Job, Older, Options, Selection};
use foxferry::freescout::wire;
use foxferry::report::{Reporter, Silence};
use foxferry::upload::Stop;
use serde_json::{Value, json};

/// The words `FORMAT BACKUP OUT` by which a process of this program knows that it is to make one export.
const ONE: &str = "FOXFERRY_BENCH_EXPORT";

/// How many ids share a file of a backup.
const SHARD: u64 = 1000;

const WORDS: &[&str] = &[
    "invoice", "lamp", "delivery", "the", "please", "tomorrow", "flicker", "warranty", "thanks", "order", "return",
    "parcel", "dimmer", "missing", "answer", "window", "colour", "battery", "switch", "address",
];

/// A text; the rarer a word, the more of its kind there are.
fn text(random: &mut fastrand::Rng) -> String {
    let mut words = String::from("<p>");
    for _ in 0..70 {
        match random.u8(..10) {
            0..7 => words.push_str(WORDS[random.usize(..WORDS.len())]),
            7..9 => words.push_str(&format!("{}{}", WORDS[random.usize(..WORDS.len())], random.u16(..1000))),
            _ => words.push_str(&format!("{:x}", random.u32(..1 << 20))),
        }
        words.push(' ');
    }
    words.push_str("</p>");
    words
}

fn conversation(id: u64) -> Value {
    let mut random = fastrand::Rng::with_seed(id);
    let person = json!({"id": id / 3 + 1, "type": "customer", "firstName": "Ann", "lastName": format!("Number {}", id / 3), "email": format!("ann{}@example.net", id / 3)});
    let agent = json!({"id": 1, "type": "user", "firstName": "Ada", "lastName": "Admin", "email": "ada@example.org"});
    let at = |minute: u64| {
        wire::show_time(jiff::Timestamp::from_second((1_600_000_000 + id * 300 + minute * 60) as i64).unwrap())
    };
    let mut threads = Vec::new();
    for n in 0..4 {
        let (by, kind) = if n % 2 == 0 { (&person, "customer") } else { (&agent, "message") };
        threads.push(
            json!({"id": id * 4 + n, "type": kind, "state": "published", "body": text(&mut random), "createdBy": by,
            "customer": person, "to": [], "cc": [], "bcc": [], "createdAt": at(n), "_embedded": {"attachments": []}}),
        );
    }
    json!({
        "id": id, "number": id, "type": "email", "status": "closed", "state": "published", "subject": format!("Question {id}"), "mailboxId": 1,
        "customer": person, "createdBy": person, "createdAt": at(0), "closedAt": at(9), "cc": [], "bcc": [], "customFields": [],
        "_embedded": {"threads": threads, "tags": [{"id": 1, "name": "vip"}], "timelogs": []},
    })
}

fn customer(id: u64) -> Value {
    json!({"id": id, "firstName": "Ann", "lastName": format!("Number {}", id - 1), "_embedded": {
        "emails": [{"id": id, "value": format!("ann{}@example.net", id - 1), "type": "home"}], "phones": [], "socialProfiles": [], "websites": []}})
}

/// Writes the rows with ids up to `last` as a backup does; gives what the manifest says of the files.
fn write_rows(folder: &Path, collection: &str, last: u64, make: fn(u64) -> Value) -> Vec<Value> {
    fs::create_dir_all(folder.join(collection)).unwrap();
    let mut files = Vec::new();
    for shard in 0..=last / SHARD {
        let path = format!("{collection}/{shard:08}.jsonl");
        let mut out = BufWriter::new(File::create(folder.join(&path)).unwrap());
        let (mut lines, mut bytes) = (0_u64, 0);
        for id in (shard * SHARD).max(1)..((shard + 1) * SHARD).min(last + 1) {
            let line = format!("{}\n", make(id));
            bytes += line.len();
            lines += 1;
            out.write_all(line.as_bytes()).unwrap();
        }
        out.flush().unwrap();
        files.push(json!({"path": path, "sha256": "", "bytes": bytes, "lines": lines}));
    }
    files
}

/// A backup of so many conversations.
fn write_backup(folder: &Path, count: u64) {
    let name = "2026-01-01T00-00-00Z";
    let snapshot = folder.join("snapshots").join(name);
    fs::create_dir_all(&snapshot).unwrap();
    for part in ["attachments", "work"] {
        fs::create_dir_all(folder.join(part)).unwrap();
    }
    fs::write(folder.join("foxferry-backup.json"), "{\"format\":\"foxferry backup\",\"version\":1}\n").unwrap();
    let mut files = write_rows(&snapshot, "conversations", count, conversation);
    files.extend(write_rows(&snapshot, "customers", count / 3 + 1, customer));
    fs::write(snapshot.join("mailboxes.jsonl"), "{\"id\":1,\"name\":\"Support\",\"email\":\"support@example.org\"}\n")
        .unwrap();
    files.push(json!({"path": "mailboxes.jsonl", "sha256": "", "bytes": 0, "lines": 1}));
    let manifest = json!({
        "format": "foxferry backup", "version": 1, "name": name, "url": "https://help.example.org", "program": "bench",
        "started": "2026-01-01T00:00:00Z", "finished": "2026-01-01T00:00:00Z", "previous": null,
        "selection": {"mailboxes": [], "since": null, "without_attachments": false},
        "counts": {"conversations": count, "threads": count * 4, "customers": count / 3 + 1, "files": 0, "missing_files": 0, "unsettled": 0},
        "changes": {"added": 0, "changed": 0, "removed": 0}, "files": files,
    });
    fs::write(snapshot.join("manifest.json"), manifest.to_string()).unwrap();
}

/// The most memory that this process has held, in MiB.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or_default().to_owned();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or_default() / 1024
}

/// How long this process has used processors, in seconds: on a busy machine the one figure that says something.
fn processor() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().skip(11);
    // In hundredths on every Linux there is.
    fields.take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// Makes one export and prints how many seconds, seconds of a processor and MiB it took.
fn one(format: &str, backup: &Path, out: &Path) {
    let silence: Arc<dyn Reporter> = Arc::new(Silence);
    let begun = Instant::now();
    let snapshot = Backup::open(backup).unwrap().snapshot("latest").unwrap();
    let mut stored = OfBackup::open(snapshot).unwrap();
    let job = Job {
        exporter: export::by_name(format).unwrap(),
        destination: Destination::Path(out.to_owned()),
        older: Older::Keep,
        options: Options::default(),
    };
    let sums = export::run(&mut stored, &Selection::default(), &[job], &silence, &Stop::new()).unwrap();
    assert!(sums.done > 0 && sums.rejected == 0);
    println!("{} {} {}", begun.elapsed().as_secs_f64(), processor(), peak());
}

/// What one export took, in a process of its own.
struct Took {
    seconds: f64,
    processor: f64,
    peak: u64,
}

fn measured(format: &str, backup: &Path, out: &Path) -> Took {
    let words = format!("{format}\n{}\n{}", backup.display(), out.display());
    let ran = Command::new(std::env::current_exe().unwrap()).env(ONE, words).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let said = String::from_utf8(ran.stdout).unwrap();
    let figures: Vec<f64> = said.split_whitespace().map(|figure| figure.parse().unwrap()).collect();
    Took { seconds: figures[0], processor: figures[1], peak: figures[2] as u64 }
}

fn files_in(path: &Path) -> impl Iterator<Item = walkdir::DirEntry> {
    walkdir::WalkDir::new(path).into_iter().filter_map(Result::ok).filter(|entry| entry.file_type().is_file())
}

fn size_of(path: &Path) -> u64 {
    files_in(path).filter_map(|entry| entry.metadata().ok()).map(|found| found.len()).sum()
}

/// Copies all conversations of a backup line by line; gives the seconds that it took.
fn bare_copy(backup: &Path, to: &Path) -> f64 {
    let begun = Instant::now();
    let mut out = BufWriter::new(File::create(to).unwrap());
    let mut line = Vec::new();
    for entry in
        files_in(&backup.join("snapshots")).filter(|entry| entry.path().parent().unwrap().ends_with("conversations"))
    {
        let mut reader = BufReader::new(File::open(entry.path()).unwrap());
        while reader.read_until(b'\n', &mut line).unwrap() > 0 {
            out.write_all(&line).unwrap();
            line.clear();
        }
    }
    out.flush().unwrap();
    begun.elapsed().as_secs_f64()
}

fn main() {
    if let Ok(words) = std::env::var(ONE) {
        let words: Vec<&str> = words.split('\n').collect();
        return one(words[0], Path::new(words[1]), Path::new(words[2]));
    }
    let count = std::env::var("FOXFERRY_CONVERSATIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(100_000);
    let folder = tempfile::tempdir().unwrap();
    let (small, large, out) = (folder.path().join("small"), folder.path().join("large"), folder.path().join("out"));
    write_backup(&small, 1000);
    write_backup(&large, count);
    let lines = size_of(&large) as f64 / 1e6;
    println!("a backup of {count} conversations of 4 threads, {lines:.0} MB of JSON lines");
    let before = processor();
    let copied = bare_copy(&large, &out);
    let processor = processor() - before;
    println!(
        "{:>10} {copied:>7.2} s, {processor:>6.2} s of a processor: {:>8.0} conversations/s {:>7.1} MB/s of them",
        "bare copy",
        count as f64 / copied,
        lines / copied
    );
    fs::remove_file(&out).unwrap();
    for exporter in export::EXPORTERS {
        let format = exporter.name();
        let few = measured(format, &small, &out);
        remove(&out);
        let took = measured(format, &large, &out);
        println!(
            "{format:>10} {:>7.2} s, {:>6.2} s of a processor: {:>8.0} conversations/s {:>7.1} MB/s of them, {:>4.1} % of a copy; {:.0} MB in {} files; peak {} MiB, of 1,000: {} MiB",
            took.seconds,
            took.processor,
            count as f64 / took.seconds,
            lines / took.seconds,
            copied / took.seconds * 100.0,
            size_of(&out) as f64 / 1e6,
            files_in(&out).count(),
            took.peak,
            few.peak,
        );
        remove(&out);
    }
}

fn remove(out: &Path) {
    if out.is_dir() {
        fs::remove_dir_all(out).unwrap();
    } else {
        fs::remove_file(out).unwrap();
    }
}
