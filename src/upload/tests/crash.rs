//! The instants of the crash table at which this process, its journal or a connection ends, each made to happen exactly.
//!
//! A trigger in the journal's file refuses one kind of write: to what follows, that is the process dying right before it.

use std::path::{Path, PathBuf};

use super::*;
use crate::journal::{Admission, Admitted, CreateRows, Intent, StepKind};
use crate::upload::plan::Plan;

/// A journal's file and what is needed to end runs over it.
struct Disk {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl Disk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("acme.ferry");
        drop(Journal::open(&path, &identity()).unwrap());
        Self { _folder: folder, path }
    }

    fn alter(&self, sql: &str) {
        rusqlite::Connection::open(&self.path).unwrap().execute_batch(sql).unwrap();
    }
}

/// A run that dies right before the write that `instant` names.
async fn dies(rig: &mut Rig, path: &Path, instant: &str, records: Vec<Conversation>) {
    rig.journal = faults::open_soon(path).await;
    let items = records.into_iter().map(ready).collect();
    let result = rig.try_run(items, &Stop::new()).await;
    assert!(matches!(result, Err(UploadError::Journal(_))), "{instant}: {result:?} {}", rig.heard.all());
    rig.journal = Journal::in_memory(&identity()).unwrap();
}

#[tokio::test]
async fn a_run_that_dies_before_any_write_of_its_journal_is_finished_by_the_next() {
    let done = |kind| format!("UPDATE ON steps WHEN NEW.state = 'done' AND NEW.kind = '{kind}'");
    let create = "POST /conversations*1";
    for (instant, write, fault, conversations) in [
        ("before the intent is durable", "INSERT ON steps".to_owned(), String::new(), 0..=0),
        ("create answered, not journalled", done("create"), String::new(), 1..=1),
        ("append answered, not journalled", done("append"), String::new(), 1..=2),
        ("tags answered, not journalled", done("tags"), String::new(), 1..=2),
        ("all done, not journalled", "UPDATE ON records WHEN NEW.state = 'done'".to_owned(), String::new(), 1..=2),
        ("customer made, not journalled", "INSERT ON people WHEN NEW.customer > 0".to_owned(), String::new(), 0..=0),
        (
            "no answer, not journalled",
            "UPDATE ON steps WHEN NEW.state = 'unknown'".to_owned(),
            format!("lose-answer@{create}"),
            1..=1,
        ),
        (
            "looked for and not found, not journalled",
            "UPDATE ON steps WHEN NEW.state = 'refused'".to_owned(),
            format!("502@{create}"),
            0..=1,
        ),
        ("to be swept, not journalled", "UPDATE OF sweep_after ON records".to_owned(), format!("502@{create}"), 0..=1),
        ("half deleted, not journalled", done("delete"), format!("die-after-thread:1@{create}"), 0..=1),
        (
            "half to be deleted, not journalled",
            "UPDATE OF number ON records WHEN NEW.number IS NULL AND NEW.conversation IS NULL".to_owned(),
            format!("die-after-thread:1@{create}"),
            1..=2,
        ),
    ] {
        let disk = Disk::new();
        let mut rig = Rig::start().await;
        rig.options.request_budget = 70_000;
        let mut long = conversation(1, "mark");
        long.threads = (0..4).map(|n| thread(n, ada(), 60 + n as i64, &format!("{n}{}", "x".repeat(30_000)))).collect();
        long.tags = vec!["vip".to_owned()];
        let records = vec![long, conversation(2, "eve")];
        disk.alter(&format!("CREATE TRIGGER dies BEFORE {write} BEGIN SELECT RAISE(FAIL, 'it died here'); END"));
        if !fault.is_empty() {
            rig.fault(&[&fault]);
        }

        dies(&mut rig, &disk.path, instant, records.clone()).await;

        assert!(conversations.contains(&rig.state("conversations")), "{instant}: {}", rig.sandbox.state());
        disk.alter("DROP TRIGGER dies");
        rig.fault(&[]);
        rig.journal = faults::open_soon(&disk.path).await;
        let summary = rig.run(records).await;
        assert_eq!((summary.done, summary.dead), (2, 0), "{instant}: {}", rig.heard.all());
        rig.is_sound(2);
        assert_eq!((rig.state("threads"), rig.state("customers")), (6, 2), "{instant}: {}", rig.heard.all());
        let counts = rig.journal.counts().await.unwrap();
        assert_eq!((counts.done, counts.unknown), (2, 0), "{instant}");
    }
}

#[tokio::test]
async fn an_intent_that_was_never_sent_is_looked_for_and_then_sent() {
    let rig = Rig::start().await;
    let directory = Directory::fetch(&rig.client).await.unwrap();
    let one = conversation(1, "mark");
    let (id, origin) = (one.id.clone(), one.origin.clone());
    let customers = [("mark@customers.example".to_owned(), 1)].into_iter().collect();
    let plan = Plan::make(one.clone(), 1, &customers, &directory, true, &mut Vec::new()).unwrap();
    let run = rig.journal.begin_run("import").await.unwrap();
    let admission = Admission { id, origin, rules: Vec::new(), mapping: None, run, takes_up_dead: false };
    let Admitted::New(record) = rig.journal.admit(admission).await.unwrap() else { panic!("it is new") };
    let rows = CreateRows { key: plan.key, digests: plan.digests, threads: plan.rows.clone(), carried: plan.carried };
    let create = Some(Box::new(rows));
    let intent = Intent { kind: StepKind::Create, ordinal: 0, digest: plan.key.digest, create };
    rig.journal.start(record, intent).await.unwrap();

    let summary = rig.run(vec![one]).await;

    assert_eq!(summary.done, 1, "{}", rig.heard.all());
    assert_eq!(rig.requests("POST /conversations"), 1);
    assert!(rig.requests("GET /conversations") >= 2, "two empty looks before it is sent");
    rig.is_sound(1);
}

#[tokio::test]
async fn a_body_that_is_cut_on_its_way_has_no_effect_and_is_sent_again() {
    let rig = Rig::start().await;
    rig.fault(&["cut-body:300k@POST /conversations*1"]);
    let mut one = conversation(1, "mark");
    one.threads[0].attachments = vec![file("big.bin", &vec![7; 4_000_000])];

    let summary = rig.run(vec![one, conversation(2, "eve")]).await;

    assert_eq!(summary.done, 2, "{}", rig.heard.all());
    rig.is_sound(2);
    assert_eq!((rig.requests("POST /conversations"), rig.state("attachments"), rig.state("threads")), (3, 1, 4));
}

/// Ends a run as soon as the sandbox has got one request of this kind.
async fn dies_after(rig: &Rig, request: &str, records: Vec<Conversation>) {
    let stop = Stop::new();
    let has_got_it = async {
        while rig.requests(request) == 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        stop.now();
    };
    let items = records.into_iter().map(ready).collect();
    let (summary, ()) = tokio::join!(rig.try_run(items, &stop), has_got_it);
    assert!(summary.unwrap().unfinished > 0, "{}", rig.heard.all());
}

#[tokio::test]
async fn a_create_that_takes_effect_after_the_client_has_died_is_adopted() {
    let rig = Rig::start().await;
    rig.fault(&["delay:150ms@POST /conversations*1"]);
    dies_after(&rig, "POST /conversations", vec![conversation(1, "mark")]).await;
    assert_eq!(rig.state("conversations"), 0, "not yet");

    let summary = rig.run(vec![conversation(1, "mark")]).await;

    assert_eq!((summary.done, rig.heard.count("finding send-adopted")), (1, 1), "{}", rig.heard.all());
    assert_eq!(rig.requests("POST /conversations"), 1);
    rig.is_sound(1);
}

#[tokio::test]
async fn a_create_that_was_queued_when_the_client_died_leaves_no_second_copy() {
    let mut rig = Rig::start().await;
    rig.options.sweep_after = Duration::from_secs(3);
    rig.fault(&["delay:2s@POST /conversations*1"]);
    dies_after(&rig, "POST /conversations", vec![conversation(1, "mark")]).await;
    rig.options.settle = Duration::from_millis(60);

    // The looks are over before it takes effect; the sweep comes after that.
    let summary = rig.run(vec![conversation(1, "mark")]).await;

    assert_eq!((summary.done, rig.heard.count("finding send-surplus")), (1, 1), "{}", rig.heard.all());
    rig.is_sound(1);
}

#[tokio::test]
async fn a_half_that_was_to_be_deleted_is_never_adopted_by_the_next_run() {
    let mut rig = Rig::start().await;
    rig.options.settle = Duration::from_millis(40);
    // Seen three times between two threads, so that it seems to stand still; the delete comes after it is whole.
    rig.fault(&["grow:500ms@POST /conversations*1", "late:3s@DELETE /conversations/{id}*1"]);
    let mut one = conversation(1, "mark");
    one.threads.push(thread(2, ada(), 75, "<p>Goodbye</p>"));
    one.closed_at = Some(at(80));
    dies_after(&rig, "DELETE /conversations/{id}", vec![one.clone()]).await;
    let died = tokio::time::Instant::now();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!((rig.state("conversations"), rig.state("threads")), (1, 3), "it is whole by now");

    let summary = rig.run(vec![one]).await;

    assert_eq!(summary.done, 1, "{}", rig.heard.all());
    tokio::time::sleep_until(died + Duration::from_secs(4)).await;
    rig.is_sound(1);
    assert_eq!(rig.state("threads"), 3, "the late delete took nothing away");
}
