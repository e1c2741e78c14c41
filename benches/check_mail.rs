//! `foxferry check` on a text mbox, beside the bare MIME parser and beside Python, on the same file in the same run;
//! and its peak memory for that mbox once and repeated twenty times.

#![allow(clippy::print_stdout, reason = "a bench prints its figures")]

mod support;

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use support::{FOXFERRY, median, rate, run, say, write_text_mbox};

const MEGABYTES: u64 = 64;
const ROUNDS: usize = 3;

/// What a script would do: split, parse, decode every part, read the subject.
const PYTHON: &str = "
import mailbox, sys
for message in mailbox.mbox(sys.argv[1]):
    str(message['subject'])
    for part in message.walk():
        if not part.is_multipart():
            part.get_payload(decode=True)
";

fn main() -> io::Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("text.mbox");
    let messages = write_text_mbox(&file, MEGABYTES * 1_000_000, 7)?;
    let bytes = fs::metadata(&file)?.len();
    println!("text mbox: {:.1} MB, {messages} messages; median of {ROUNDS} rounds\n", bytes as f64 / 1e6);

    let (mut check, mut bare, mut python) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        check.push(rate(bytes, checked(&file)?.wall));
        bare.push(rate(bytes, bare_parser(&file, messages)?));
        let cost = run(Command::new("python3").arg("-c").arg(PYTHON).arg(&file));
        if let Ok(cost) = cost
            && cost.is_success
        {
            python.push(rate(bytes, cost.wall));
        }
    }
    let (check, bare) = (median(check), median(bare));
    say("foxferry check", format!("{check:.1} MB/s"));
    say("bare mailparse loop", format!("{bare:.1} MB/s"));
    say("  check beside the bare parser (aim 0.5)", format!("{:.2}", check / bare));
    if python.is_empty() {
        println!("Python was not found: no comparison with it");
    } else {
        let python = median(python);
        say("Python mailbox + email", format!("{python:.1} MB/s"));
        say("  check beside Python (aim 50)", format!("{:.1}", check / python));
    }

    let twenty = folder.path().join("twenty.mbox");
    let once = fs::read(&file)?;
    let mut out = fs::File::create(&twenty)?;
    for _ in 0..20 {
        out.write_all(&once)?;
    }
    drop((out, once));
    let (one, many) = (checked(&file)?, checked(&twenty)?);
    say("peak memory, once", format!("{:.1} MB", one.peak as f64 / 1e6));
    say("peak memory, repeated 20 times (aim: equal, under 100)", format!("{:.1} MB", many.peak as f64 / 1e6));
    say("foxferry check, repeated 20 times", format!("{:.1} MB/s", rate(20 * bytes, many.wall)));
    Ok(())
}

fn checked(file: &Path) -> io::Result<support::Cost> {
    let cost = run(Command::new(FOXFERRY)
        .args(["check", "--quiet", "--no-progress"])
        .arg(file)
        .current_dir(file.parent().expect("a temporary file has a folder")))?;
    assert!(cost.stdout.contains(" read: "), "check did not finish: {}", cost.stdout);
    Ok(cost)
}

/// The parser crate in a loop, with the simplest splitting that is right for this file.
fn bare_parser(file: &Path, expected: u64) -> io::Result<Duration> {
    let start = Instant::now();
    let text = fs::read(file)?;
    let mut starts: Vec<usize> = memchr::memmem::find_iter(&text, b"\n\nFrom ").map(|at| at + 2).collect();
    starts.insert(0, 0);
    starts.push(text.len());
    assert_eq!(starts.len() as u64 - 1, expected);
    for pair in starts.windows(2) {
        let message = &text[pair[0]..pair[1]];
        let head = memchr::memchr(b'\n', message).expect("a separator has a line end") + 1;
        let mail = mailparse::parse_mail(&message[head..]).map_err(io::Error::other)?;
        std::hint::black_box(mailparse::MailHeaderMap::get_first_value(&mail.headers[..], "Subject"));
        for part in mail.parts() {
            if part.subparts.is_empty() {
                std::hint::black_box(part.get_body().map_err(io::Error::other)?);
            }
        }
    }
    Ok(start.elapsed())
}
