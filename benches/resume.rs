//! How long a run takes to its first writing request when nearly a million records are done, and how much memory.
//!
//! An archive of one ticket a line is written, indexed and read by the library; all tickets but the last thousand go
//! through the journal as an import does it, without a server. Then the program itself goes on: once until its
//! first request, where it is killed, and once, over what a killed run leaves behind, to the end.
//! `FOXFERRY_BENCH_RECORDS` says how many records there are (1,000,000).

#![allow(clippy::print_stdout, reason = "a bench prints its figures")]

mod support;

use std::error::Error;
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use foxferry::freescout::{Client, Target};
use foxferry::input::Input;
use foxferry::journal::{
    Admission, Admitted, ConversationDigests, CreateRows, Identity, Intent, Journal, Key, RunId, Settlement, StepKind,
    ThreadDigests, ThreadRow,
};
use foxferry::pipeline::passing;
use foxferry::record::Record;
use foxferry::source::{self, Order, Reading, Shape};
use support::server::{Proxy, Sandbox};
use support::{FOXFERRY, run, say};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Records that are left to do.
const LEFT: u64 = 1_000;

/// Records that go through the journal at once.
const TASKS: usize = 256;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Outcome<()> {
    // An error only says that a provider is there already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let records = std::env::var("FOXFERRY_BENCH_RECORDS").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    let folder = tempfile::tempdir()?;
    let archive = folder.path().join("tickets.json");
    let journal = folder.path().join("tickets.ferry");

    let begun = Instant::now();
    write_archive(&archive, records)?;
    let sandbox = Sandbox::start(0)?;
    let proxy = runtime.block_on(Proxy::start(&sandbox))?;
    let url = Client::new(Target::new(&proxy.url, sandbox.key.clone().into())?)?.shown_url().to_owned();
    let done = runtime.block_on(make_journal(&archive, &journal, &url, records.saturating_sub(LEFT)))?;
    let megabytes = |path: &Path| fs::metadata(path).map_or(0, |meta| meta.len() >> 20);
    println!(
        "{records} records ({} MiB), {done} of them done (journal {} MiB, index {} MiB), made in {:.0} s\n",
        megabytes(&archive),
        megabytes(&journal),
        megabytes(&folder.path().join("tickets.ferry.index")),
        begun.elapsed().as_secs_f64()
    );

    let mut command = Command::new(FOXFERRY);
    command.arg("import").arg(&archive).args(["--format", "zendesk"]).arg("--journal").arg(&journal);
    command.args(["--url", &proxy.url, "--no-progress", "--settle", "0.2", "--concurrency", "8"]);
    command.env("FREESCOUT_API_KEY", &sandbox.key).current_dir(folder.path());

    let started = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let first = loop {
        if let Some(sent) = proxy.kept().first() {
            break sent.at.duration_since(started);
        }
        if let Some(status) = child.try_wait()? {
            return Err(format!("the import ended without sending anything: {status}").into());
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("unknown").trim().to_owned();
    child.kill()?;
    child.wait()?;
    say("first request, journal closed in order (aim 2 s)", format!("{:.2} s", first.as_secs_f64()));
    say("  peak memory until then", peak);

    proxy.clear();
    let started = Instant::now();
    let cost = run(&mut command)?;
    let first = proxy.kept().first().map(|sent| sent.at.duration_since(started)).unwrap_or_default();
    say("first request, journal left by a kill (aim 2 s)", format!("{:.2} s", first.as_secs_f64()));
    say("  peak memory of that run", format!("{} MiB", cost.peak >> 20));
    say("  that run to its end", format!("{:.1} s", cost.wall.as_secs_f64()));
    println!("{}", cost.stdout.trim());
    let sums = format!("{records} read: {records} done, 0 skipped, 0 rejected, 0 dead letters");
    if cost.stdout.contains(&sums) { Ok(()) } else { Err(format!("the sums are not `{sums}`").into()) }
}

/// One ticket a line, with two comments.
fn write_archive(path: &Path, records: u64) -> Outcome<()> {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    for id in 1..=records {
        let clock = jiff::Timestamp::from_second(1_200_000_000 + id as i64 * 61)?;
        let comment = |number: u64, author: u64, words: &str| {
            format!(
                r#"{{"id":{number},"type":"Comment","author_id":{author},"body":"{words}","public":true,"created_at":"{clock}"}}"#
            )
        };
        let (person, asked) = (id % 50 + 10, comment(id * 2, id % 50 + 10, "My order has not arrived, where is it?"));
        let answered = comment(id * 2 + 1, person, "It came today, thank you all the same");
        writeln!(
            out,
            r#"{{"id":{id},"subject":"Order {id}","status":"closed","created_at":"{clock}","updated_at":"{clock}","requester":{{"id":{person},"name":"Person {person}","email":"person{person}@example.com"}},"comments":[{asked},{answered}]}}"#
        )?;
    }
    out.flush()?;
    Ok(())
}

/// Indexes and reads the archive, and takes its first `wanted` records through the journal.
async fn make_journal(archive: &Path, path: &Path, target: &str, wanted: u64) -> Outcome<u64> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let format = source::by_name("zendesk").ok_or("there is a zendesk source")?;
    let index = PathBuf::from(format!("{}.index", path.display()));
    let shape = Shape::default();
    let reading = Reading {
        shape: &shape,
        order: Order::Oldest,
        index: Some(&index),
        scratch: folder,
        watch: &|_| ControlFlow::Continue(()),
    };
    let reader = format.open(Input::open(&[archive.to_owned()], folder)?, &reading)?;
    let identity = Identity { target: target.to_owned(), source: format.name().to_owned() };
    let journal = Journal::open(path, &identity)?;
    let run = journal.begin_run("bench").await?;
    let (sender, receiver) = mpsc::channel::<Record>(TASKS);
    let receiver = Arc::new(tokio::sync::Mutex::new(receiver));
    let mut tasks = JoinSet::new();
    for _ in 0..TASKS {
        let (journal, receiver) = (journal.clone(), Arc::clone(&receiver));
        tasks.spawn(async move {
            loop {
                let next = receiver.lock().await.recv().await;
                let Some(record) = next else { return Outcome::Ok(()) };
                carry(&journal, run, record).await?;
            }
        });
    }
    drop(receiver);
    let feed = tokio::task::spawn_blocking(move || {
        let mut count = 0;
        for record in reader.take(usize::try_from(wanted).unwrap_or(usize::MAX)) {
            let mut record = record.map_err(|error| error.to_string())?;
            passing::note_time(&mut record);
            sender.blocking_send(record).map_err(|error| error.to_string())?;
            count += 1;
        }
        Ok::<u64, String>(count)
    });
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    let count = feed.await??;
    journal.end_run(run, "finished", "{}".to_owned()).await?;
    Ok(count)
}

/// What an import writes about a record with two threads that goes through at once.
async fn carry(journal: &Journal, run: RunId, record: Record) -> Outcome<()> {
    let id: u64 = record.id.original.parse()?;
    let admission = Admission {
        id: record.id,
        origin: record.origin,
        rules: vec![Arc::from("status"), Arc::from("mailbox")],
        mapping: None,
        run,
        takes_up_dead: false,
    };
    let Admitted::New(row) = journal.admit(admission).await? else { return Err("a new record is known".into()) };
    let threads = record.entries.iter().map(|entry| ThreadRow {
        entry: entry.id.clone(),
        kind: "customer",
        digests: ThreadDigests::default(),
        attachments: Vec::new(),
    });
    let create = CreateRows {
        key: Key { mailbox: 1, opened_at: 1_200_000_000 + id as i64 * 61, digest: [1; 16] },
        digests: ConversationDigests::default(),
        threads: threads.collect(),
        carried: 2,
    };
    let intent = Intent { kind: StepKind::Create, ordinal: 0, digest: [2; 16], create: Some(Box::new(create)) };
    let step = journal.start(row, intent).await?;
    // Beyond what the sandbox will give: an id has one record.
    let remote = 1_000_000_000 + id;
    let settlement = Settlement {
        remote: Some(remote),
        number: Some(remote),
        threads: vec![(0, 2 * remote, Vec::new()), (1, 2 * remote + 1, Vec::new())],
        ends_record: true,
    };
    journal.settle(step, settlement).await?;
    Ok(())
}
