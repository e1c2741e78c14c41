//! Import into a sandbox that takes 10, 20 and 50 ms for every answer, beside a bare loop that posts the same payloads
//! with the same number in flight, in the same run. `FOXFERRY_BENCH_DELAYS=10` measures with these delays only.
//!
//! The payloads are those of a first import, recorded by a proxy. The bare loop posts them and waits for each answer;
//! it looks nothing up, compares nothing and remembers nothing.

#![allow(clippy::print_stdout, reason = "a bench prints its figures")]

mod support;

use std::io;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;

use support::server::{Proxy, Sandbox, Sent, client};
use support::{FOXFERRY, median, run, say, write_text_mbox};

const MEGABYTES: u64 = 12;
const IN_FLIGHT: usize = 8;
/// Delays in milliseconds, with the ratio aimed for, if there is one, and rounds: slow ones are long enough by themselves.
const DELAYS: [(u64, &str, usize); 3] = [(10, " (aim 0.9)", 5), (20, "", 3), (50, " (aim 0.95)", 1)];

fn main() -> io::Result<()> {
    // An error only says that a provider is there already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("text.mbox");
    write_text_mbox(&file, MEGABYTES * 1_000_000, 11)?;

    let (recorded, conversations) = runtime.block_on(record(&file))?;
    println!("{conversations} conversations, {} writing requests, {IN_FLIGHT} in flight; medians\n", recorded.len());
    let wanted = std::env::var("FOXFERRY_BENCH_DELAYS").unwrap_or_default();
    let is_wanted = |delay: u64| wanted.is_empty() || wanted.split(',').any(|text| text.trim() == delay.to_string());
    for (delay, aim, rounds) in DELAYS.into_iter().filter(|(delay, ..)| is_wanted(*delay)) {
        let (mut imports, mut bares) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            let sandbox = Sandbox::start(delay)?;
            imports.push(conversations as f64 / import(&file, &sandbox.url, &sandbox.key)?.as_secs_f64());
            drop(sandbox);
            let sandbox = Sandbox::start(delay)?;
            bares.push(conversations as f64 / runtime.block_on(bare_loop(&recorded, &sandbox))?.as_secs_f64());
        }
        let (import, bare) = (median(imports), median(bares));
        say(&format!("{delay} ms: foxferry import, {rounds} rounds"), format!("{import:.0} conv/s"));
        say(&format!("{delay} ms: bare request loop, same payloads"), format!("{bare:.0} conv/s"));
        say(&format!("  import beside the bare loop{aim}"), format!("{:.2}", import / bare));
    }
    Ok(())
}

/// Imports the file once, through a proxy that keeps every writing request.
async fn record(file: &Path) -> io::Result<(Vec<Sent>, u64)> {
    let sandbox = Sandbox::start(0)?;
    let proxy = Proxy::start(&sandbox).await?;
    let (owned, url, key) = (file.to_owned(), proxy.url.clone(), sandbox.key.clone());
    tokio::task::spawn_blocking(move || import(&owned, &url, &key)).await.map_err(io::Error::other)??;
    let recorded = proxy.kept();
    let conversations = recorded.iter().filter(|sent| sent.path == "/api/conversations").count() as u64;
    Ok((recorded, conversations))
}

fn import(file: &Path, url: &str, key: &str) -> io::Result<Duration> {
    let folder = tempfile::tempdir()?;
    let mut command = Command::new(FOXFERRY);
    command.arg("import").arg(file).args(["--url", url, "--quiet", "--no-progress"]);
    command.args(["--concurrency", &IN_FLIGHT.to_string()]);
    command.env("FREESCOUT_API_KEY", key).current_dir(folder.path());
    let cost = run(&mut command)?;
    assert!(cost.is_success, "the import failed: {}", cost.stdout);
    Ok(cost.wall)
}

/// Customers first, then conversations, then what belongs to them: the ids in the payloads are there by then.
async fn bare_loop(recorded: &[Sent], sandbox: &Sandbox) -> io::Result<Duration> {
    let client = client();
    let start = Instant::now();
    let phase = |sent: &Sent| match sent.path.as_str() {
        "/api/customers" => 0,
        "/api/conversations" => 1,
        _ => 2,
    };
    for wanted in 0..3 {
        let requests = recorded.iter().filter(|sent| phase(sent) == wanted).map(|sent| {
            let request = client
                .request(sent.method.clone(), format!("{}{}", sandbox.url, sent.path))
                .header("accept", "application/json")
                .header("content-type", "application/json")
                .header("x-freescout-api-key", &sandbox.key)
                .body(sent.body.clone());
            async move {
                let answer = request.send().await.map_err(io::Error::other)?;
                let status = answer.status();
                answer.bytes().await.map_err(io::Error::other)?;
                if status.is_success() { Ok(()) } else { Err(io::Error::other(format!("{} {status}", sent.path))) }
            }
        });
        let mut answers = futures_util::stream::iter(requests).buffer_unordered(IN_FLIGHT);
        while let Some(answer) = answers.next().await {
            answer?;
        }
    }
    Ok(start.elapsed())
}
