//! What a first backup costs beside a bare loop that fetches the same pages, in one run and from one sandbox: conversations
//! per second, peak memory, bytes on disk. The sandbox is a process of its own.
//!
//! `FOXFERRY_BENCH_CONVERSATIONS` asks for another number than 200,000 in the larger of the two runs.

#![allow(clippy::print_stdout, reason = "a bench prints its figures")]

mod support;

use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use foxferry::freescout::{Client, ConversationFilter, ConversationSort, Embed, Page, Rows, SortOrder, Target};
use futures_util::{StreamExt as _, stream};
use support::{FOXFERRY, median, run, say};

const KEY: &str = "k";
const IN_FLIGHT: usize = 4;
const PAGE: u64 = 50;

fn main() -> Result<(), Box<dyn Error>> {
    let large =
        std::env::var("FOXFERRY_BENCH_CONVERSATIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(200_000);
    let folder = tempfile::tempdir()?;
    for conversations in [1_000, large] {
        let sandbox = Sandbox::start()?;
        fill(&sandbox.url, conversations)?;
        let (mut bare, mut backup, mut peak) = (Vec::new(), Vec::new(), 0);
        let rounds = if conversations > 10_000 { 1 } else { 3 };
        for round in 0..rounds {
            // Taking turns, so that both see the same machine.
            bare.push(conversations as f64 / bare_loop(&sandbox.url, conversations)?.as_secs_f64());
            let dir = folder.path().join(format!("{conversations}-{round}"));
            let cost = run(&mut command(&dir, &sandbox.url))?;
            assert!(cost.is_success, "{}", cost.stdout);
            backup.push(conversations as f64 / cost.wall.as_secs_f64());
            peak = peak.max(cost.peak);
        }
        let (bare, backup) = (median(bare), median(backup));
        println!("{conversations} conversations of two threads, {IN_FLIGHT} in flight");
        say("  bare loop over the same pages, conversations/s", format!("{bare:.0}"));
        say("  first backup, start and seal included, conversations/s", format!("{backup:.0}"));
        say("  ratio", format!("{:.2}", backup / bare));
        say("  peak memory, MB", format!("{:.0}", peak as f64 / 1e6));
        let dir = folder.path().join(format!("{conversations}-0"));
        say("  bytes on disk per conversation", size(&dir.join("snapshots")) / conversations);
        let second = run(&mut command(&dir, &sandbox.url))?;
        say("  second night with nothing changed, s", format!("{:.1}", second.wall.as_secs_f64()));
        say("  its peak memory, MB", format!("{:.0}", second.peak as f64 / 1e6));
        let verified = run(Command::new(FOXFERRY).args(["backup", "verify"]).arg(&dir))?;
        assert!(verified.is_success, "{}", verified.stdout);
        say("  verify, s", format!("{:.1}", verified.wall.as_secs_f64()));
    }
    Ok(())
}

fn command(dir: &Path, url: &str) -> Command {
    let mut command = Command::new(FOXFERRY);
    command.arg("backup").arg(dir).args(["--url", url, "--concurrency", &IN_FLIGHT.to_string()]);
    command.env("FREESCOUT_API_KEY", KEY);
    command
}

/// The same pages through the same client, as many at a time, and nothing done with them.
fn bare_loop(url: &str, conversations: u64) -> Result<Duration, Box<dyn Error>> {
    let client = Client::new(Target { connections: IN_FLIGHT, ..Target::new(url, KEY.into())? })?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let begun = Instant::now();
    let pages = stream::iter(1..=conversations.div_ceil(PAGE)).map(|number| {
        let client = client.clone();
        tokio::spawn(async move {
            let filter = ConversationFilter {
                embed: Embed::ALL,
                sort: ConversationSort::Number,
                order: SortOrder::Ascending,
                ..ConversationFilter::default()
            };
            client.rows(&Rows::Conversations(filter), Page { number, size: PAGE }).await.map(|list| list.items.len())
        })
    });
    let read = runtime.block_on(async {
        let mut read = 0;
        let mut pages = std::pin::pin!(pages.buffered(IN_FLIGHT));
        while let Some(page) = pages.next().await {
            read += page??;
        }
        Ok::<_, Box<dyn Error>>(read)
    })?;
    assert_eq!(read as u64, conversations);
    Ok(begun.elapsed())
}

/// Blocks that a folder takes, shared ones once.
fn size(dir: &Path) -> u64 {
    let entries = walkdir::WalkDir::new(dir).into_iter().filter_map(Result::ok);
    entries.filter_map(|entry| entry.metadata().ok()).filter(std::fs::Metadata::is_file).map(|found| found.len()).sum()
}

struct Sandbox {
    process: Child,
    url: String,
}

impl Sandbox {
    fn start() -> Result<Self, Box<dyn Error>> {
        let mut process = Command::new(FOXFERRY)
            .args(["sandbox", "--listen", "127.0.0.1:0", "--key", KEY])
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(process.stdout.as_mut().ok_or("no output")?).read_line(&mut line)?;
        let url = line.trim().strip_prefix("listening on ").ok_or("no address")?.to_owned();
        Ok(Self { process, url })
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // Nothing is left to do when it is gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Conversations of two text threads, by four senders.
fn fill(url: &str, conversations: u64) -> Result<(), Box<dyn Error>> {
    let host = url.trim_start_matches("http://").to_owned();
    let text = "The ferry leaves at noon and our order has not arrived yet. ".repeat(6);
    let senders: Vec<_> = (0..4)
        .map(|sender| {
            let (host, text) = (host.clone(), text.clone());
            std::thread::spawn(move || -> std::io::Result<()> {
                let mut line = BufReader::new(TcpStream::connect(&host)?);
                let mut body = Vec::new();
                for at in (sender..conversations).step_by(4) {
                    let (customer, minute, second) = (at % 1000, at / 60 % 60, at % 60);
                    let json = format!(
                        r#"{{"type":"email","mailboxId":1,"subject":"Order {at} is late","imported":true,"status":"closed",
                        "customer":{{"email":"customer-{sender}-{customer}@example.org","firstName":"Customer {customer}"}},
                        "createdAt":"2020-01-01T00:{minute:02}:{second:02}Z","closedAt":"2020-01-02T00:00:00Z","threads":[
                        {{"type":"message","user":1,"text":"<p>{text}</p>","createdAt":"2020-01-02T00:00:00Z"}},
                        {{"type":"customer","text":"<p>{text}</p>","createdAt":"2020-01-01T00:{minute:02}:{second:02}Z"}}]}}"#
                    );
                    write!(
                        line.get_mut(),
                        "POST /api/conversations HTTP/1.1\r\nHost: sandbox\r\nX-FreeScout-API-Key: {KEY}\r\n\
                         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{json}",
                        json.len()
                    )?;
                    let mut length = 0;
                    loop {
                        let mut head = String::new();
                        line.read_line(&mut head)?;
                        if let Some(value) = head.to_ascii_lowercase().strip_prefix("content-length:") {
                            length = value.trim().parse().map_err(std::io::Error::other)?;
                        }
                        if head.trim().is_empty() {
                            break;
                        }
                    }
                    body.resize(length, 0);
                    line.read_exact(&mut body)?;
                }
                Ok(())
            })
        })
        .collect();
    for sender in senders {
        sender.join().map_err(|_| "a sender panicked")??;
    }
    Ok(())
}
