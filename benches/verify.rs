//! What `verify` costs beside a bare loop that fetches the same conversations, in one run and from one sandbox, with answers that take 0
//! and 10 milliseconds. The sandbox is a process of its own.
//!
//! `FOXFERRY_BENCH_CONVERSATIONS` asks for another number than 10,000, `FOXFERRY_BENCH_ROUNDS` for other than three rounds.

#![allow(clippy::print_stdout, reason = "a bench prints its figures")]

mod support;

use std::error::Error;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use foxferry::freescout::{Client, Embed, Target};
use futures_util::{StreamExt as _, stream};
use support::sandbox::{KEY, Sandbox};
use support::{FOXFERRY, median, run, say};

const IN_FLIGHT: usize = 4;

fn main() -> Result<(), Box<dyn Error>> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let conversations = number("FOXFERRY_BENCH_CONVERSATIONS").unwrap_or(10_000);
    let rounds = number("FOXFERRY_BENCH_ROUNDS").unwrap_or(3);
    let folder = tempfile::tempdir()?;
    let sandbox = Sandbox::start()?;
    let archive = folder.path().join("mail.mbox");
    std::fs::write(&archive, mail(conversations)?)?;
    let foxferry = |words: &[&str]| {
        let mut command = Command::new(FOXFERRY);
        command.args(words).args(["--url", &sandbox.url]).current_dir(folder.path());
        command.env("FREESCOUT_API_KEY", KEY).stderr(Stdio::null());
        command
    };
    let cost = run(&mut foxferry(&["import", "mail.mbox", "--concurrency", "8"]))?;
    assert!(cost.is_success, "{}", cost.stdout);
    for delay in [0, 10] {
        let faults = if delay == 0 { "[]".to_owned() } else { format!(r#"["delay:{delay}ms@GET /"]"#) };
        sandbox.post("/__sandbox/faults", &faults)?;
        let (mut bare, mut verify) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            bare.push(per_second(conversations, bare_loop(&sandbox.url, conversations)?));
            let cost = run(&mut foxferry(&["verify"]))?;
            assert!(cost.stdout.contains(&format!("{conversations} equal")), "{}", cost.stdout);
            verify.push(per_second(conversations, cost.wall));
        }
        let (bare, verify) = (median(bare), median(verify));
        say(&format!("answers in {delay} ms, bare loop"), format!("{bare:.0} conversations/s"));
        say(&format!("answers in {delay} ms, verify"), format!("{verify:.0} conversations/s ({:.2})", verify / bare));
    }
    Ok(())
}

#[allow(clippy::cast_precision_loss, reason = "figures for people")]
fn per_second(conversations: u64, wall: Duration) -> f64 {
    conversations as f64 / wall.as_secs_f64()
}

/// Conversations of two mails each.
fn mail(conversations: u64) -> Result<Vec<u8>, std::io::Error> {
    let mut text = Vec::new();
    let body = "The ferry leaves at noon and our order has not arrived yet.\n".repeat(6);
    for n in 0..conversations {
        let (day, hour, minute) = (1 + n / 1440 % 28, n / 60 % 24, n % 60);
        for (id, from, to, reply) in [
            (
                format!("q{n}@example.net"),
                format!("c{}@example.net", n % 1000),
                "support@example.org".to_owned(),
                String::new(),
            ),
            (
                format!("a{n}@example.org"),
                "support@example.org".to_owned(),
                format!("c{}@example.net", n % 1000),
                format!("In-Reply-To: <q{n}@example.net>\n"),
            ),
        ] {
            write!(
                text,
                "From {from} Mon Jan {day:2} {hour:02}:{minute:02}:00 2024\nFrom: {from}\nTo: {to}\nSubject: Order {n}\n\
                 Date: {day} Jan 2024 {hour:02}:{minute:02}:{:02} +0000\nMessage-ID: <{id}>\n{reply}\n{body}\n",
                u8::from(!reply.is_empty()) * 30
            )?;
        }
    }
    Ok(text)
}

/// Every conversation with its threads, as many at once as `verify` has in flight.
fn bare_loop(url: &str, conversations: u64) -> Result<Duration, Box<dyn Error>> {
    let client = Client::new(Target { connections: IN_FLIGHT, ..Target::new(url, KEY.into())? })?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let begun = Instant::now();
    let read = runtime.block_on(async {
        let answers = stream::iter(1..=conversations).map(|id| {
            let client = client.clone();
            async move { client.conversation(id, Embed::ALL).await.map(|answer| answer.value.threads().len()) }
        });
        let mut answers = std::pin::pin!(answers.buffered(IN_FLIGHT));
        let mut read = 0;
        while let Some(threads) = answers.next().await {
            read += threads?;
        }
        Ok::<_, Box<dyn Error>>(read as u64)
    })?;
    assert_eq!(read, 2 * conversations);
    Ok(begun.elapsed())
}
