//! Every instant of the crash table in `docs/journal.md` that a server can bring about.

use super::*;
use crate::upload::line::most_ahead;

/// Runs twelve records against these faults, and expects all of them to be there once.
async fn comes_through(faults: &[&str]) -> (Rig, Summary) {
    let rig = Rig::start().await;
    rig.fault(faults);
    let summary = rig.run(many(12)).await;
    assert_eq!((summary.done, summary.dead), (12, 0), "{}", rig.heard.all());
    rig.is_sound(12);
    assert_eq!(rig.state("threads"), 24);
    let counts = rig.journal.counts().await.unwrap();
    assert_eq!((counts.done, counts.unknown), (12, 0));
    (rig, summary)
}

#[tokio::test]
async fn lost_answers_do_not_double() {
    let (rig, _) = comes_through(&["lose-answer@POST /conversations*3"]).await;
    assert_eq!(rig.heard.count("finding send-adopted"), 3);
    assert_eq!(rig.requests("POST /conversations"), 12);
}

#[tokio::test]
async fn cut_and_blank_answers_do_not_double() {
    comes_through(&["cut-answer@POST /conversations*2", "blank-200@POST /conversations*2"]).await;
}

#[tokio::test]
async fn a_fault_after_the_full_effect_is_adopted() {
    let (rig, _) = comes_through(&["500-after@POST /conversations*2"]).await;
    assert_eq!(rig.heard.count("finding send-adopted"), 2);
}

#[tokio::test]
async fn what_had_no_effect_is_sent_again_after_two_empty_looks() {
    for fault in ["500-before", "reset-before", "502"] {
        let (rig, _) = comes_through(&[&format!("{fault}@POST /conversations*1")]).await;
        assert_eq!(rig.requests("POST /conversations"), 13, "{fault}");
    }
}

#[tokio::test]
async fn halves_are_replaced() {
    for fault in ["die-after-thread:0", "die-after-thread:1", "die-inside-thread:1", "die-inside-thread:2"] {
        let rig = Rig::start().await;
        rig.fault(&[&format!("{fault}@POST /conversations*1")]);
        let mut records = many(6);
        for record in &mut records {
            record.threads[0].attachments = vec![file("a.txt", b"abc")];
            record.threads[1].attachments = vec![file("b.txt", b"abcd")];
        }
        let summary = rig.run(records).await;
        assert_eq!(summary.done, 6, "{fault}: {}", rig.heard.all());
        rig.is_sound(6);
        assert_eq!((rig.state("threads"), rig.state("attachments")), (12, 12), "{fault}: {}", rig.heard.all());
    }
}

#[tokio::test]
async fn a_half_that_grows_is_awaited_and_adopted() {
    let rig = Rig::start().await;
    rig.fault(&["grow:150ms@POST /conversations*1"]);
    let mut one = conversation(1, "mark");
    one.threads = (0..6).map(|n| thread(n, ada(), 60 + n as i64, &format!("<p>{n}</p>"))).collect();

    let summary = rig.run(vec![one, conversation(2, "eve")]).await;

    assert_eq!(summary.done, 2, "{}", rig.heard.all());
    assert_eq!(rig.state("threads"), 8);
    rig.is_sound(2);
}

#[tokio::test]
async fn a_late_effect_is_found_at_the_end_and_its_copy_taken_away() {
    let rig = Rig::start().await;
    // Later than two looks, sooner than the sweep.
    rig.fault(&["late:450ms@POST /conversations*1"]);
    let mut rig = rig;
    rig.options.sweep_after = Duration::from_millis(1500);

    let summary = rig.run(many(12)).await;

    assert_eq!(summary.done, 12, "{}", rig.heard.all());
    rig.is_sound(12);
}

#[tokio::test]
async fn a_late_effect_of_a_run_that_was_stopped_is_taken_away_by_the_next() {
    let mut rig = Rig::start().await;
    rig.fault(&["late:450ms@POST /conversations*1"]);
    rig.options.sweep_after = Duration::from_secs(2);
    let stop = Stop::new();
    let copy_came = async {
        while rig.state("conversations") < 13 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        stop.ask();
    };
    let items = many(12).into_iter().map(ready).collect();
    let (summary, ()) = tokio::join!(rig.try_run(items, &stop), copy_came);
    assert!(summary.unwrap().is_interrupted);

    // What the next run makes has higher ids than the copy.
    let summary = rig.run(many(15)).await;

    assert_eq!(summary.done, 15, "{}", rig.heard.all());
    rig.is_sound(15);
}

#[tokio::test]
async fn a_gateway_that_gives_up_does_not_double() {
    comes_through(&["504:300ms@POST /conversations*2"]).await;
}

#[tokio::test]
async fn a_database_locked_against_writing_does_not_double() {
    comes_through(&["write-lock:1500ms@POST /conversations*1", "late:0ms@POST /conversations*1"]).await;
}

#[tokio::test]
async fn customers_whose_answer_is_lost_are_made_once() {
    let (rig, _) = comes_through(&["lose-answer@POST /customers*3"]).await;
    assert_eq!(rig.state("customers"), 5);
}

#[tokio::test]
async fn tags_whose_answer_is_lost_are_set_again() {
    let rig = Rig::start().await;
    rig.fault(&["lose-answer@PUT /conversations/{id}/tags*2"]);
    let mut one = conversation(1, "mark");
    one.tags = vec!["vip".to_owned()];
    assert_eq!(rig.run(vec![one]).await.done, 1, "{}", rig.heard.all());
    assert_eq!(rig.sandbox.conversations()[0]["_embedded"]["tags"][0]["name"], "vip");
}

#[tokio::test]
async fn an_append_whose_answer_is_lost_is_not_repeated() {
    let mut rig = Rig::start().await;
    rig.options.request_budget = 70_000;
    rig.fault(&["lose-answer@POST /conversations/{id}/threads*2", "500-before@POST /conversations/{id}/threads*1"]);
    let mut one = conversation(1, "mark");
    one.threads = (0..6).map(|n| thread(n, ada(), 60 + n as i64, &format!("{n}{}", "x".repeat(30_000)))).collect();

    let summary = rig.run(vec![one]).await;

    assert_eq!(summary.done, 1, "{}", rig.heard.all());
    assert_eq!(rig.state("threads"), 6);
    rig.is_sound(1);
}

#[tokio::test]
async fn a_half_whose_delete_is_not_answered_is_replaced_once() {
    let (rig, _) = comes_through(&[
        "die-after-thread:1@POST /conversations*1",
        "lose-answer@DELETE /conversations/{id}*1",
        "500-before@DELETE /conversations/{id}*1",
    ])
    .await;
    assert_eq!(rig.heard.count("finding send-replaced"), 1);
}

#[tokio::test]
async fn a_conversation_that_lacks_appends_is_completed_by_the_next_run() {
    // The last append that the first run sends: without effect, and with one that comes after the second has begun.
    for last in ["reset-before", "late:300ms"] {
        let mut rig = Rig::start().await;
        rig.options.request_budget = 70_000;
        rig.options.settle = Duration::from_secs(60);
        let append = "POST /conversations/{id}/threads";
        rig.fault(&[&format!("lose-answer@{append}*2"), &format!("{last}@{append}")]);
        let mut one = conversation(1, "mark");
        one.threads = (0..10).map(|n| thread(n, ada(), 60 + n as i64, &format!("{n}{}", "x".repeat(30_000)))).collect();
        let stop = Stop::new();
        let looked_three_times = async {
            while rig.requests("GET /conversations/{id}") < 3 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            stop.now();
        };
        let (summary, ()) = tokio::join!(rig.try_run(vec![ready(one.clone())], &stop), looked_three_times);
        let summary = summary.unwrap();
        assert_eq!((summary.done, summary.unfinished), (0, 1), "{last}: {}", rig.heard.all());
        assert_eq!(rig.requests(append), 3);
        rig.fault(&[]);

        // With another budget: it goes on as it was begun.
        rig.options.request_budget = 1_000_000;
        rig.options.settle = Duration::from_millis(400);
        let summary = rig.run(vec![one]).await;

        assert_eq!(summary.done, 1, "{last}: {}", rig.heard.all());
        assert_eq!((rig.state("threads"), rig.requests("POST /conversations")), (10, 1), "{last}");
        assert_eq!(rig.journal.counts().await.unwrap().unknown, 0);
        rig.is_sound(1);
    }
}

#[tokio::test]
async fn appended_threads_that_say_the_same_in_the_same_second_are_all_there() {
    let mut rig = Rig::start().await;
    rig.options.request_budget = 70_000;
    rig.fault(&["lose-answer@POST /conversations/{id}/threads*2"]);
    let mut one = conversation(1, "mark");
    one.threads = (0..6).map(|n| thread(n, ada(), 60, &"x".repeat(30_000))).collect();

    let summary = rig.run(vec![one]).await;

    assert_eq!(summary.done, 1, "{}", rig.heard.all());
    assert_eq!(rig.state("threads"), 6);
}

#[tokio::test]
async fn twins_are_all_there_with_and_without_a_marker() {
    for has_marker in [true, false] {
        let mut rig = Rig::start().await;
        rig.options.has_marker = has_marker;
        rig.fault(&["lose-answer@POST /conversations%40", "502@POST /conversations%10"]);
        let twins: Vec<_> = (0..8)
            .map(|n| Conversation { id: RecordId::new("zendesk", format!("twin{n}")), ..conversation(1, "mark") })
            .collect();

        let summary = rig.run(twins).await;

        assert_eq!(summary.done, 8, "marker {has_marker}: {}", rig.heard.all());
        assert_eq!(rig.state("conversations"), 8, "marker {has_marker}: {}", rig.heard.all());
        let claimed = rig
            .ask(|view| {
                let mut ids = Vec::new();
                view.ledger(|row| ids.extend(row.conversation))?;
                Ok(ids)
            })
            .await;
        let mut distinct = claimed.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), 8, "each has its own: {claimed:?}");
    }
}

#[tokio::test]
async fn a_mixture_of_everything_ends_like_an_undisturbed_run() {
    let rig = Rig::start().await;
    rig.fault(&[
        "lose-answer@POST /conversations%10",
        "502@POST /conversations%5",
        "die-after-thread:1@POST /conversations%5",
        "blank-200@POST /conversations%5",
        "lose-answer@POST /customers%20",
        "500-before@GET /conversations%5",
        "429:0@POST /conversations%5",
    ]);
    let summary = rig.run(many(60)).await;
    assert_eq!(summary.done, 60, "{}", rig.heard.all());
    rig.is_sound(60);
    assert_eq!((rig.state("threads"), rig.state("customers")), (120, 5));
}

#[tokio::test]
async fn a_run_that_is_killed_at_any_instant_is_finished_by_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("acme.ferry");
    let mut rig = Rig::start().await;
    rig.options.concurrency = 6;
    rig.fault(&["delay:15ms@* /"]);
    for round in 0..8_u64 {
        rig.journal = open_soon(&path).await;
        let (sender, receiver) = mpsc::channel(64);
        let items = many(60);
        let feed = tokio::spawn(async move {
            for item in items {
                if sender.send(ready(item)).await.is_err() {
                    return;
                }
            }
        });
        let directory = Directory::fetch(&rig.client).await.unwrap();
        let heard: Arc<dyn Reporter> = Arc::clone(&rig.heard) as Arc<dyn Reporter>;
        let (client, journal, options) = (rig.client.clone(), rig.journal.clone(), rig.options.clone());
        // Dropped in mid-flight, the run writes nothing more: to the journal that is what a kill is.
        let work = tokio::spawn(async move {
            let _ = run(receiver, &client, &directory, &journal, &options, heard, &Stop::new()).await;
        });
        tokio::time::sleep(Duration::from_millis(30 + 23 * round)).await;
        work.abort();
        let _ = work.await;
        feed.await.unwrap();
        rig.journal = Journal::in_memory(&identity()).unwrap();
    }
    rig.journal = open_soon(&path).await;

    let summary = rig.run(many(60)).await;

    assert_eq!(summary.done, 60, "{}", rig.heard.all());
    rig.is_sound(60);
    assert_eq!((rig.state("threads"), rig.state("customers")), (120, 5));
}

#[tokio::test]
async fn a_killed_run_leaves_few_intents_behind_that_were_never_sent() {
    for concurrency in [1, 4, 8] {
        let mut rig = Rig::start().await;
        rig.options.concurrency = concurrency;
        // These are answered, and their customers are known; after them nothing comes back.
        rig.run(many(5)).await;
        let before = rig.requests("POST /conversations");
        rig.fault(&["delay:60s@POST /conversations"]);
        let directory = Directory::fetch(&rig.client).await.unwrap();
        let (client, journal, options) = (rig.client.clone(), rig.journal.clone(), rig.options.clone());
        let heard: Arc<dyn Reporter> = Arc::clone(&rig.heard) as Arc<dyn Reporter>;
        let (sender, receiver) = mpsc::channel(64);
        for item in many(40) {
            sender.send(ready(item)).await.unwrap();
        }
        let work = tokio::spawn(async move {
            let _ = run(receiver, &client, &directory, &journal, &options, heard, &Stop::new()).await;
        });
        let most = concurrency + most_ahead(concurrency);
        let expected = if concurrency == 1 { 1 } else { most };
        while rig.requests("POST /conversations") - before < concurrency as u64
            || rig.journal.counts().await.unwrap().unknown < expected as u64
        {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        // Long enough for more of them, if there were to be any.
        tokio::time::sleep(Duration::from_millis(50)).await;
        work.abort();
        let _ = work.await;

        assert_eq!(rig.requests("POST /conversations") - before, concurrency as u64);
        assert_eq!(rig.journal.counts().await.unwrap().unknown, expected as u64, "{concurrency} in flight");
        assert!(most_ahead(concurrency) <= 8);
    }
}

/// Opens a journal whose last tasks may still be letting go of it.
pub(super) async fn open_soon(path: &std::path::Path) -> Journal {
    for _ in 0..200 {
        match Journal::open(path, &identity()) {
            Ok(journal) => return journal,
            Err(crate::journal::JournalError::InUse { .. }) => tokio::time::sleep(Duration::from_millis(10)).await,
            Err(error) => panic!("{error}"),
        }
    }
    panic!("the journal is never let go");
}
