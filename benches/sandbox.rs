//! What the sandbox costs: creates and list pages per second of one core, and memory per conversation.
//!
//! The sandbox runs alone on one OS thread, and what is counted is that OS thread's own time on a processor (from
//! `/proc`, so Linux only): a busy machine or a slow sender changes nothing. The sender writes prepared bytes.

#![allow(clippy::print_stdout, reason = "a bench prints its figures")]

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;

use foxferry::sandbox::{self, Options};

const CONVERSATIONS: usize = 100_000;
const SENDERS: usize = 4;
const PAGES: usize = 200;

fn main() -> io::Result<()> {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let sandbox = sandbox::start(Options { key: Some("k".to_owned()), ..Options::default() }).await?;
            let address = sandbox.url().trim_start_matches("http://").to_owned();
            let task = fs::read_link("/proc/thread-self")?;
            tell.send((address, PathBuf::from("/proc").join(task).join("schedstat"))).map_err(io::Error::other)?;
            std::future::pending::<io::Result<()>>().await
        })
    });
    let (address, clock) = told.recv().map_err(io::Error::other)?;

    for at in 0..100 {
        let body = format!(r#"{{"email":"customer-{at}@example.org","firstName":"Customer {at}"}}"#);
        Sender::to(&address)?.send("POST", "/customers", &body)?;
    }
    let (memory, time) = (resident()?, seconds(&clock)?);
    let senders: Vec<_> = (0..SENDERS)
        .map(|sender| {
            let address = address.clone();
            thread::spawn(move || {
                let mut line = Sender::to(&address)?;
                for at in (sender..CONVERSATIONS).step_by(SENDERS) {
                    line.send("POST", "/conversations", &conversation(at))?;
                }
                io::Result::Ok(())
            })
        })
        .collect();
    for sender in senders {
        sender.join().map_err(|_| io::Error::other("a sender panicked"))??;
    }
    let busy = seconds(&clock)? - time;
    let each = (resident()? - memory) as f64 / CONVERSATIONS as f64;
    println!("creates with two text threads, per second of one core   {:>10.0}", CONVERSATIONS as f64 / busy);
    println!("memory per conversation, bytes                           {each:>10.0}");
    println!("\nlist pages of 50 at {CONVERSATIONS} conversations, per second of one core");
    for (what, query) in [
        ("newest first", "pageSize=50"),
        ("newest first, threads", "pageSize=50&embed=threads"),
        ("page 1000", "pageSize=50&page=1000"),
        ("by number, page 1000", "sortField=number&sortOrder=asc&page=1000"),
        (
            "look-up by mailbox and date",
            "mailboxId=1&createdSince=2020-01-01T00:59:00Z&sortField=createdAt&sortOrder=asc",
        ),
        ("of one customer", "customerId=7"),
        ("by update", "sortField=updatedAt"),
        ("of one status", "status=closed"),
    ] {
        let mut line = Sender::to(&address)?;
        let before = seconds(&clock)?;
        for _ in 0..PAGES {
            line.send("GET", &format!("/conversations?{query}"), "")?;
        }
        println!("  {what:<54} {:>10.0}", PAGES as f64 / (seconds(&clock)? - before));
    }
    Ok(())
}

fn conversation(at: usize) -> String {
    let (minute, second) = (at / 60 % 60, at % 60);
    let customer = at % 100 + 1;
    let text = "The ferry leaves at noon and our order has not arrived yet. ".repeat(6);
    format!(
        r#"{{"type":"email","mailboxId":1,"subject":"Order {at} is late","customer":{{"id":{customer}}},"imported":true,
        "status":"closed","createdAt":"2020-01-01T00:{minute:02}:{second:02}Z","closedAt":"2020-01-02T00:00:00Z","threads":[
        {{"type":"message","user":1,"text":"<p>{text}</p>","createdAt":"2020-01-02T00:00:00Z"}},
        {{"type":"customer","text":"<p>{text}</p>","createdAt":"2020-01-01T00:{minute:02}:{second:02}Z"}}]}}"#
    )
}

/// One kept-alive connection.
struct Sender {
    line: BufReader<TcpStream>,
    body: Vec<u8>,
}

impl Sender {
    fn to(address: &str) -> io::Result<Sender> {
        let line = TcpStream::connect(address)?;
        line.set_nodelay(true)?;
        Ok(Sender { line: BufReader::with_capacity(1 << 16, line), body: Vec::new() })
    }

    /// Sends a request and reads its answer, which has to be a success.
    fn send(&mut self, method: &str, path: &str, body: &str) -> io::Result<()> {
        let request = format!(
            "{method} /api{path} HTTP/1.1\r\nHost: sandbox\r\nAccept: application/json\r\nX-FreeScout-API-Key: k\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.line.get_mut().write_all(request.as_bytes())?;
        let (mut length, mut head, mut is_first) = (0, String::new(), true);
        loop {
            head.clear();
            self.line.read_line(&mut head)?;
            if is_first && !head.starts_with("HTTP/1.1 2") {
                return Err(io::Error::other(format!("{method} {path} answered {head}")));
            }
            is_first = false;
            if let Some(value) = head.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().map_err(io::Error::other)?;
            }
            if head.trim().is_empty() {
                break;
            }
        }
        self.body.resize(length, 0);
        self.line.read_exact(&mut self.body)
    }
}

/// How long an OS thread has been on a processor.
fn seconds(clock: &PathBuf) -> io::Result<f64> {
    let text = fs::read_to_string(clock)?;
    let nanoseconds: f64 = text.split_whitespace().next().unwrap_or("").parse().map_err(io::Error::other)?;
    Ok(nanoseconds / 1e9)
}

/// The process's resident memory in bytes.
fn resident() -> io::Result<u64> {
    let text = fs::read_to_string("/proc/self/statm")?;
    let pages: u64 = text.split_whitespace().nth(1).unwrap_or("").parse().map_err(io::Error::other)?;
    Ok(pages * 4096)
}
