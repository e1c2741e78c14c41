//! Journal transitions per second at full durability (an admission is answered before it is on disk, as in an import), with one writer and with sixteen, beside bare SQLite rows
//! committed one at a time with the same settings in the same run.

#![allow(clippy::print_stdout, reason = "a bench prints its figures")]

mod support;

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use foxferry::journal::{
    Admission, Admitted, ConversationDigests, CreateRows, Identity, Intent, Journal, Key, RunId, Settlement, StepKind,
    ThreadDigests, ThreadRow,
};
use foxferry::record::{Origin, RecordId};
use support::{median, say};

const RECORDS: u64 = 4_000;
const ROUNDS: usize = 3;
/// Admitted, started, settled: what one record without tags goes through.
const TRANSITIONS: u64 = 3;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    println!(
        "{RECORDS} records of two threads, {TRANSITIONS} transitions each, the last two awaited on disk; median of {ROUNDS} rounds\n"
    );
    let (mut alone, mut many, mut bare) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        alone.push(runtime.block_on(journalled(1, RECORDS / 8))?);
        many.push(runtime.block_on(journalled(16, RECORDS))?);
        bare.push(bare_commits(RECORDS / 4)?);
    }
    let (alone, many, bare) = (median(alone), median(many), median(bare));
    say("journal, 1 task", format!("{alone:.0} /s"));
    say("journal, 16 tasks", format!("{many:.0} /s"));
    say("bare SQLite, one row per commit", format!("{bare:.0} /s"));
    say("  16 tasks beside bare commits", format!("{:.1}", many / bare));
    Ok(())
}

/// Takes records from admission to done with `tasks` at once; transitions per second.
async fn journalled(tasks: u64, records: u64) -> Outcome<f64> {
    let folder = tempfile::tempdir()?;
    let identity = Identity { target: "http://127.0.0.1/api".to_owned(), source: "bench".to_owned() };
    let journal = Journal::open(&folder.path().join("bench.ferry"), &identity)?;
    let run = journal.begin_run("bench").await?;
    let file: Arc<str> = Arc::from("bench.json");
    let start = Instant::now();
    let workers: Vec<_> = (0..tasks)
        .map(|task| {
            let (journal, file) = (journal.clone(), Arc::clone(&file));
            tokio::spawn(async move {
                for n in (task..records).step_by(tasks as usize) {
                    one_record(&journal, run, &file, n).await?;
                }
                Outcome::Ok(())
            })
        })
        .collect();
    for worker in workers {
        worker.await??;
    }
    Ok((records * TRANSITIONS) as f64 / start.elapsed().as_secs_f64())
}

async fn one_record(journal: &Journal, run: RunId, file: &Arc<str>, n: u64) -> Outcome<()> {
    let admission = Admission {
        id: RecordId::new("bench", n.to_string()),
        origin: Origin::line(file, n + 1),
        rules: vec![Arc::from("status"), Arc::from("mailbox")],
        mapping: None,
        run,
        takes_up_dead: false,
    };
    let Admitted::New(record) = journal.admit(admission).await? else {
        return Err("a new record is known already".into());
    };
    let thread = |entry: &str| ThreadRow {
        entry: entry.to_owned(),
        kind: "customer",
        digests: ThreadDigests::default(),
        attachments: Vec::new(),
    };
    let create = CreateRows {
        key: Key { mailbox: 1, opened_at: n as i64, digest: [1; 16] },
        digests: ConversationDigests::default(),
        threads: vec![thread("a"), thread("b")],
        carried: 2,
    };
    let intent = Intent { kind: StepKind::Create, ordinal: 0, digest: [2; 16], create: Some(Box::new(create)) };
    let step = journal.start(record, intent).await?;
    let settlement = Settlement {
        remote: Some(n + 1),
        number: Some(n + 1),
        threads: vec![(0, 2 * n + 1, Vec::new()), (1, 2 * n + 2, Vec::new())],
        ends_record: true,
    };
    journal.settle(step, settlement).await?;
    Ok(())
}

/// What the disk gives without group commit: one small row per durable commit.
fn bare_commits(rows: u64) -> Outcome<f64> {
    let folder = tempfile::tempdir()?;
    let db = bare_database(&folder.path().join("bare.db"))?;
    let start = Instant::now();
    let mut insert = db.prepare("INSERT INTO row (name, state) VALUES (?1, 'in flight')")?;
    for n in 0..rows {
        insert.execute([n.to_string()])?;
    }
    Ok(rows as f64 / start.elapsed().as_secs_f64())
}

fn bare_database(path: &Path) -> rusqlite::Result<rusqlite::Connection> {
    let db = rusqlite::Connection::open(path)?;
    db.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         CREATE TABLE row (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, state TEXT NOT NULL) STRICT;",
    )?;
    Ok(db)
}
