//! Exports of many conversations, beside a bare copy of their JSON lines; and how memory grows with their number.
//!
//! Conversations are made as they are asked for, so that only writing is measured. `FOXFERRY_CONVERSATIONS` says how
//! many (default 100,000); each has four threads of some 500 characters.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints, and fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use foxferry::export::{
    self, Destination, ExportError, Exported, Files, Job, Older, Options, Produced, Producer, Selection, Site,
};
use foxferry::freescout::wire;
use foxferry::report::{Reporter, Silence};
use foxferry::upload::Stop;
use serde_json::json;

struct Made {
    site: Site,
    count: u64,
}

const WORDS: &[&str] = &[
    "invoice", "lamp", "delivery", "the", "please", "tomorrow", "flicker", "warranty", "thanks", "order", "return",
    "parcel", "dimmer", "missing", "answer", "window", "colour", "battery", "switch", "address",
];

fn made(id: u64) -> Exported {
    let mut random = fastrand::Rng::with_seed(id);
    let mut text = || -> String {
        let words: Vec<&str> = (0..70).map(|_| WORDS[random.usize(..WORDS.len())]).collect();
        format!("<p>{}</p>", words.join(" "))
    };
    let person = json!({"id": id / 3 + 1, "type": "customer", "firstName": "Ann", "lastName": format!("Number {}", id / 3), "email": format!("ann{}@example.net", id / 3)});
    let agent = json!({"id": 1, "type": "user", "firstName": "Ada", "lastName": "Admin", "email": "ada@example.org"});
    let at = |minute: u64| {
        wire::show_time(jiff::Timestamp::from_second((1_600_000_000 + id * 300 + minute * 60) as i64).unwrap())
    };
    let threads: Vec<_> = (0..4)
        .map(|n| {
            let by = if n % 2 == 0 { &person } else { &agent };
            json!({"id": id * 4 + n, "type": if n % 2 == 0 { "customer" } else { "message" }, "state": "published", "body": text(),
                   "createdBy": by, "customer": person, "createdAt": at(n)})
        })
        .collect();
    let conversation = json!({
        "id": id, "number": id, "type": "email", "status": "closed", "state": "published", "subject": format!("Question {id}"), "mailboxId": 1,
        "customer": person, "createdBy": person, "createdAt": at(0), "closedAt": at(9),
        "_embedded": {"threads": threads, "tags": [{"id": 1, "name": "vip"}]},
    });
    Exported::new(serde_json::from_value(conversation).unwrap())
}

impl Producer for Made {
    fn site(&self) -> &Site {
        &self.site
    }

    fn total(&self) -> Option<u64> {
        Some(self.count)
    }

    fn conversations<'a>(
        &'a mut self,
        _: &Selection,
        _: Files,
    ) -> Result<Box<dyn Iterator<Item = Result<Produced, ExportError>> + 'a>, ExportError> {
        Ok(Box::new((1..=self.count).map(|id| Ok(Produced::Conversation(made(id))))))
    }

    fn customers<'a>(
        &'a mut self,
        _: Option<&'a BTreeSet<u64>>,
    ) -> Result<Box<dyn Iterator<Item = Result<wire::Customer, ExportError>> + 'a>, ExportError> {
        Ok(Box::new(std::iter::empty()))
    }
}

/// The most memory that this process has held so far, and a way to begin anew, in MiB.
fn peak() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib / 1024)
}

fn forget_peak() {
    let _ = fs::write("/proc/self/clear_refs", "5");
}

fn size_of(path: &Path) -> u64 {
    let files = walkdir::WalkDir::new(path).into_iter().filter_map(Result::ok);
    files.filter_map(|entry| entry.metadata().ok()).filter(fs::Metadata::is_file).map(|found| found.len()).sum()
}

fn main() {
    let count = std::env::var("FOXFERRY_CONVERSATIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(100_000);
    let folder = tempfile::tempdir().unwrap();
    let silence: Arc<dyn Reporter> = Arc::new(Silence);
    println!("{count} conversations of 4 threads");
    let begun = Instant::now();
    for id in 1..=count {
        std::hint::black_box(made(id));
    }
    let making = begun.elapsed().as_secs_f64();
    println!("{:>10} {making:>8.1} s  (counted out below)", "making");
    let mut lines = None;
    for exporter in export::EXPORTERS.iter().copied() {
        for (share, is_told) in [(count / 10, false), (count, true)] {
            let path = folder.path().join(format!("{}-{share}", exporter.name()));
            let job = Job {
                exporter,
                destination: Destination::Path(path.clone()),
                older: Older::Keep,
                options: Options::default(),
            };
            forget_peak();
            let begun = Instant::now();
            let sums = export::run(
                &mut Made { site: Site::default(), count: share },
                &Selection::default(),
                &[job],
                &silence,
                &Stop::new(),
            )
            .unwrap();
            assert_eq!(sums.done, share);
            let taken = begun.elapsed().as_secs_f64() - making * share as f64 / count as f64;
            let bytes = size_of(&path);
            if is_told {
                println!(
                    "{:>10} {taken:>8.1} s  {:>8.0} conversations/s  {:>6.1} MB/s  {:>6.0} MB  peak {} MiB",
                    exporter.name(),
                    share as f64 / taken,
                    bytes as f64 / 1e6 / taken,
                    bytes as f64 / 1e6,
                    peak().map_or_else(|| "?".to_owned(), |peak| peak.to_string()),
                );
            } else {
                println!("{:>10} a tenth of it: peak {} MiB", exporter.name(), peak().unwrap_or_default());
            }
            if exporter.name() == "jsonl" && is_told {
                lines = Some(path);
            } else if path.is_dir() {
                fs::remove_dir_all(&path).unwrap();
            } else {
                fs::remove_file(&path).unwrap();
            }
        }
    }
    let from = lines.unwrap();
    let begun = Instant::now();
    let mut out = std::io::BufWriter::new(fs::File::create(folder.path().join("copy")).unwrap());
    let mut line = Vec::new();
    let mut reader = BufReader::new(fs::File::open(&from).unwrap());
    while reader.read_until(b'\n', &mut line).unwrap() > 0 {
        out.write_all(&line).unwrap();
        line.clear();
    }
    out.flush().unwrap();
    let taken = begun.elapsed().as_secs_f64();
    println!(
        "{:>10} {taken:>8.1} s  {:>8.0} conversations/s  {:>6.1} MB/s  (line by line)",
        "bare copy",
        count as f64 / taken,
        size_of(&from) as f64 / 1e6 / taken
    );
}
