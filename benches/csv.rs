//! What checking a table costs: `foxferry check` beside Python's `csv` module reading the same file, and peak memory on a
//! table twenty times as long.
//!
//! Python only cuts the cells; `check` also indexes, maps, makes HTML and looks for findings. Each figure comes by the clock
//! and by processor time. `FOXFERRY_BENCH_MB` asks for another length than 100 MB of the smaller table,
//! `FOXFERRY_BENCH_LARGE_MB` of the larger one (2,000 MB; 0: none).

#![allow(clippy::print_stdout, reason = "a bench prints its figures")]

mod support;

use std::error::Error;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::Command;

use fastrand::Rng;
use support::{Cost, FOXFERRY, Taken, run, run_beside, say, sentence};

/// Reads every row, and counts them.
const PYTHON: &str =
    "import csv, sys\nprint(sum(1 for _ in csv.reader(open(sys.argv[1], newline='', encoding='utf-8'))))\n";

fn main() -> Result<(), Box<dyn Error>> {
    let megabytes = |name: &str, usual: u64| {
        std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual) * 1_000_000
    };
    let (small, large) = (megabytes("FOXFERRY_BENCH_MB", 100), megabytes("FOXFERRY_BENCH_LARGE_MB", 2_000));
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("tickets.csv");
    let rows = write(&path, small)?;
    let bytes = path.metadata()?.len();
    println!("csv: {rows} rows, {:.0} MB", bytes as f64 / 1e6);
    let check =
        || -> io::Result<Cost> { run(Command::new(FOXFERRY).arg("check").arg(&path).args(["--format", "csv"])) };
    let (mut python, mut foxferry) = (Taken::default(), Taken::default());
    let mut peak = 0;
    for _ in 0..3 {
        // Taking turns, so that both see the same machine.
        python.extend(run_beside(Command::new("python3").args(["-c", PYTHON]).arg(&path))?.as_ref());
        let cost = check()?;
        assert!(cost.stdout.contains(&format!("{rows} read:")), "{}", cost.stdout);
        foxferry.add(&cost);
        peak = peak.max(cost.peak);
    }
    foxferry.say("  check", rows, bytes);
    if python.is_empty() {
        println!("  Python is not installed; nothing to compare with");
    } else {
        python.say("  Python", rows, bytes);
        foxferry.say_beside("  check", &python);
    }
    say("  peak memory of check, MB", peak / 1_000_000);
    if large > small {
        let rows = write(&path, large)?;
        let cost = check()?;
        assert!(cost.stdout.contains(&format!("{rows} read:")), "{}", cost.stdout);
        println!("  the same with {rows} rows, {:.0} MB", path.metadata()?.len() as f64 / 1e6);
        say("    peak memory of check, MB", cost.peak / 1_000_000);
        say(
            "    seconds by the clock, of processor",
            format!("{:.1} {:.1}", cost.wall.as_secs_f64(), cost.cpu.as_secs_f64()),
        );
    }
    Ok(())
}

/// Writes a table of about so many bytes; gives the number of its rows, the header left out.
fn write(path: &Path, bytes: u64) -> io::Result<u64> {
    let mut words = Rng::with_seed(11);
    let mut to = BufWriter::with_capacity(1 << 20, File::create(path)?);
    to.write_all(b"Ticket ID,Subject,Status,Requester,Requester Email,Created,Updated,Tags,Description\r\n")?;
    let (mut rows, mut written) = (0_u64, 0);
    while written < bytes {
        rows += 1;
        let person = rows % 5_000;
        let time = |minutes: u64| {
            let at = jiff::Timestamp::from_second(1_500_000_000 + (rows * 7 + minutes) as i64 * 60);
            at.map(|at| at.to_string()).unwrap_or_default()
        };
        let row = format!(
            "{rows},{},closed,Customer {person},customer{person}@example.com,{},{},lamp,\"{}\n\"\"{}\"\"\"\r\n",
            sentence(&mut words, 5),
            time(0),
            time(9),
            sentence(&mut words, 50),
            sentence(&mut words, 10),
        );
        to.write_all(row.as_bytes())?;
        written += row.len() as u64;
    }
    to.flush()?;
    Ok(rows)
}
