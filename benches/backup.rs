//! What a first backup costs beside a bare loop that asks for the same pages, in one run and from one sandbox, with answers that
//! take 0, 10 and 50 milliseconds; and whether its memory grows with the help desk. The sandbox is a process of its own.
//!
//! `FOXFERRY_BENCH_CONVERSATIONS` asks for another number than 200,000 in the largest help desk, `FOXFERRY_BENCH_ROUNDS` for
//! other than three rounds.

#![allow(clippy::print_stdout, reason = "a bench prints its figures")]

mod support;

use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use foxferry::freescout::{
    Client, ConversationFilter, ConversationSort, CustomerFilter, CustomerSort, Embed, Page, Rows, SortOrder, Target,
};
use futures_util::{StreamExt as _, stream};
use serde_json::value::RawValue;
use support::sandbox::{KEY, Sandbox};
use support::{Cost, FOXFERRY, median, run, say};

const IN_FLIGHT: usize = 4;

/// Conversations and customers on a page.
const PAGES: (u64, u64) = (50, 200);

/// How many conversations speed is measured with: some seconds' work.
const DESK: u64 = 20_000;

/// What was written to less than so long ago is read twice by a backup: not in a bench.
const CALM: Duration = Duration::from_secs(4);

fn main() -> Result<(), Box<dyn Error>> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let large = number("FOXFERRY_BENCH_CONVERSATIONS").unwrap_or(200_000);
    let rounds = number("FOXFERRY_BENCH_ROUNDS").unwrap_or(3);
    let folder = tempfile::tempdir()?;
    speed(folder.path(), rounds)?;
    for conversations in [1_000, large] {
        memory(folder.path(), conversations)?;
    }
    Ok(())
}

fn speed(folder: &Path, rounds: u64) -> Result<(), Box<dyn Error>> {
    let sandbox = Sandbox::start()?;
    let customers = fill(&sandbox.url, DESK)?;
    std::thread::sleep(CALM);
    for delay in [0, 10, 50] {
        let faults = if delay == 0 { "[]".to_owned() } else { format!(r#"["delay:{delay}ms@GET /"]"#) };
        sandbox.post("/__sandbox/faults", &faults)?;
        let (mut bare, mut backup) = (Figures::default(), Figures::default());
        for round in 0..rounds {
            // Taking turns, so that both see the same machine.
            bare.measure(&sandbox, || bare_loop(&sandbox.url, DESK, customers))?;
            let dir = folder.join(format!("speed-{delay}-{round}"));
            backup.measure(&sandbox, || {
                let cost = run(&mut command(&dir, &sandbox.url))?;
                assert!(cost.is_success, "{}", cost.stdout);
                Ok(cost)
            })?;
        }
        println!("{DESK} conversations of two threads, {IN_FLIGHT} in flight, {delay} ms an answer");
        let (bare_rate, backup_rate) = (bare.rate(), backup.rate());
        say("  bare loop over the same pages, conversations/s", format!("{bare_rate:.0}"));
        say("  first backup, start and seal included, conversations/s", format!("{backup_rate:.0}"));
        say("  ratio", format!("{:.2}", backup_rate / bare_rate));
        say("  bare loop, CPU seconds", format!("{:.2}", median(bare.own)));
        say("  first backup, CPU seconds", format!("{:.2}", median(backup.own)));
        say(
            "  the sandbox meanwhile, CPU seconds",
            format!("{:.2} / {:.2}", median(bare.sandbox), median(backup.sandbox)),
        );
    }
    Ok(())
}

fn memory(folder: &Path, conversations: u64) -> Result<(), Box<dyn Error>> {
    let sandbox = Sandbox::start()?;
    fill(&sandbox.url, conversations)?;
    std::thread::sleep(CALM);
    let dir = folder.join(format!("memory-{conversations}"));
    println!("{conversations} conversations of two threads, {IN_FLIGHT} in flight");
    let first = run(&mut command(&dir, &sandbox.url))?;
    assert!(first.is_success, "{}", first.stdout);
    let tell = |cost: &Cost| {
        say("    s", format!("{:.1}", cost.wall.as_secs_f64()));
        say("    CPU seconds", format!("{:.2}", cost.cpu.as_secs_f64()));
        say("    peak memory, MB", format!("{:.0}", cost.peak as f64 / 1e6));
    };
    println!("  first backup");
    tell(&first);
    say("  bytes on disk per conversation", size(&dir.join("snapshots")) / conversations);
    println!("  second night with nothing changed");
    let second = run(&mut command(&dir, &sandbox.url))?;
    assert!(second.is_success, "{}", second.stdout);
    tell(&second);
    println!("  verify");
    let verified = run(Command::new(FOXFERRY).args(["backup", "verify"]).arg(&dir))?;
    assert!(verified.is_success, "{}", verified.stdout);
    tell(&verified);
    Ok(())
}

/// What several rounds of one thing took.
#[derive(Default)]
struct Figures {
    wall: Vec<f64>,
    own: Vec<f64>,
    sandbox: Vec<f64>,
}

impl Figures {
    fn measure(
        &mut self,
        sandbox: &Sandbox,
        what: impl FnOnce() -> Result<Cost, Box<dyn Error>>,
    ) -> Result<(), Box<dyn Error>> {
        let before = support::cpu_of(sandbox.process.id());
        let cost = what()?;
        self.wall.push(cost.wall.as_secs_f64());
        self.own.push(cost.cpu.as_secs_f64());
        self.sandbox.push((support::cpu_of(sandbox.process.id()) - before).as_secs_f64());
        Ok(())
    }

    fn rate(&self) -> f64 {
        DESK as f64 / median(self.wall.clone())
    }
}

fn command(dir: &Path, url: &str) -> Command {
    let mut command = Command::new(FOXFERRY);
    command.arg("backup").arg(dir).args(["--url", url, "--concurrency", &IN_FLIGHT.to_string()]);
    command.env("FREESCOUT_API_KEY", KEY);
    command
}

/// The same pages through the same client, as many at a time, cut into rows and nothing done with them.
fn bare_loop(url: &str, conversations: u64, customers: u64) -> Result<Cost, Box<dyn Error>> {
    let client = Client::new(Target { connections: IN_FLIGHT, ..Target::new(url, KEY.into())? })?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (begun, cpu) = (Instant::now(), support::cpu_of(std::process::id()));
    let pages = |count: u64, size: u64| (1..=count.div_ceil(size)).map(move |number| Page { number, size });
    let conversation_pages = pages(conversations, PAGES.0).map(|page| (true, page));
    let customer_pages = pages(customers, PAGES.1).map(|page| (false, page));
    let answers = stream::iter(conversation_pages.chain(customer_pages)).map(|(is_conversations, page)| {
        let client = client.clone();
        let rows = if is_conversations {
            Rows::Conversations(ConversationFilter {
                embed: Embed::ALL,
                sort: ConversationSort::Number,
                order: SortOrder::Ascending,
                ..ConversationFilter::default()
            })
        } else {
            Rows::Customers(CustomerFilter {
                sort: CustomerSort::CreatedAt,
                order: SortOrder::Ascending,
                ..CustomerFilter::default()
            })
        };
        tokio::spawn(async move { client.rows::<Box<RawValue>>(&rows, page).await.map(|list| list.items.len()) })
    });
    let read = runtime.block_on(async {
        let mut read = 0;
        let mut answers = std::pin::pin!(answers.buffer_unordered(IN_FLIGHT));
        while let Some(page) = answers.next().await {
            read += page??;
        }
        Ok::<_, Box<dyn Error>>(read)
    })?;
    assert_eq!(read as u64, conversations + customers);
    let cpu = support::cpu_of(std::process::id()) - cpu;
    Ok(Cost { wall: begun.elapsed(), cpu, peak: 0, is_success: true, stdout: String::new() })
}

/// Blocks that a folder takes, shared ones once.
fn size(dir: &Path) -> u64 {
    let entries = walkdir::WalkDir::new(dir).into_iter().filter_map(Result::ok);
    entries.filter_map(|entry| entry.metadata().ok()).filter(std::fs::Metadata::is_file).map(|found| found.len()).sum()
}

/// Conversations of two text threads, by four senders; says how many customers they are of.
fn fill(url: &str, conversations: u64) -> Result<u64, Box<dyn Error>> {
    let host = url.trim_start_matches("http://").to_owned();
    let text = "The ferry leaves at noon and our order has not arrived yet. ".repeat(6);
    let senders: Vec<_> = (0..4)
        .map(|sender| {
            let (host, text) = (host.clone(), text.clone());
            std::thread::spawn(move || -> std::io::Result<()> {
                let line = TcpStream::connect(&host)?;
                // Else every small piece waits for the answer to the one before.
                line.set_nodelay(true)?;
                let mut line = BufReader::new(line);
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
                    let request = format!(
                        "POST /api/conversations HTTP/1.1\r\nHost: sandbox\r\nX-FreeScout-API-Key: {KEY}\r\n\
                         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{json}",
                        json.len()
                    );
                    line.get_mut().write_all(request.as_bytes())?;
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
    // Each sender's numbers are four apart, and a thousand is a multiple of four.
    Ok(conversations.min(1000))
}
