//! Conversations in which somebody writes before they are complete, and the conversation that goes first.

use serde_json::json;

use super::*;
use crate::journal::{Admission, Admitted, RecordRow};

const APPEND: &str = "POST /conversations/{id}/threads";

/// Ten threads of which a create carries two: messages of an agent and of the customer in turn.
fn long() -> Conversation {
    let mut one = conversation(1, "mark");
    one.threads = (0..10)
        .map(|n| {
            let author = if n % 2 == 0 { Author::Customer(person("mark")) } else { ada() };
            thread(n, author, 60 + n as i64, &format!("<p>{n}{}</p>", "x".repeat(30_000)))
        })
        .collect();
    one.closed_at = Some(at(100));
    one
}

/// What an agent or the server does meanwhile, as a request of somebody else's.
async fn other(rig: &Rig, method: &str, path: &str, body: Value) {
    let url = format!("{}/api{path}", rig.sandbox.url());
    let request = match method {
        "PUT" => reqwest::Client::new().put(url),
        _ => reqwest::Client::new().post(url),
    };
    let answer = request.header("X-FreeScout-API-Key", rig.sandbox.key()).json(&body).send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
}

/// A rig whose first run has ended after the create and some appends.
async fn begun() -> Rig {
    let mut rig = Rig::start().await;
    rig.options.request_budget = 70_000;
    rig.options.settle = Duration::from_secs(60);
    rig.fault(&[&format!("delay:0ms@{APPEND}*2"), &format!("reset-before@{APPEND}")]);
    let stop = Stop::new();
    let has_looked = async {
        while rig.requests("GET /conversations/{id}") < 1 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        stop.now();
    };
    let (summary, ()) = tokio::join!(rig.try_run(vec![ready(long())], &stop), has_looked);
    assert_eq!(summary.unwrap().unfinished, 1, "{}", rig.heard.all());
    assert_eq!(rig.state("conversations"), 1);
    rig.fault(&[]);
    rig.options.settle = Duration::from_millis(120);
    rig
}

/// The journal's row of a record that is done.
async fn record_of(rig: &Rig, one: &Conversation) -> RecordRow {
    let run = rig.journal.begin_run("look").await.unwrap();
    let (id, origin) = (one.id.clone(), one.origin.clone());
    let admission = Admission { id, origin, rules: Vec::new(), mapping: None, run, takes_up_dead: false };
    match rig.journal.admit(admission).await.unwrap() {
        Admitted::Settled(settled) => settled.record,
        other => panic!("it is not settled: {other:?}"),
    }
}

fn threads_of(rig: &Rig) -> Vec<Value> {
    rig.sandbox.conversations()[0]["_embedded"]["threads"].as_array().unwrap().clone()
}

#[tokio::test]
async fn the_rest_of_a_conversation_with_a_live_reply_goes_as_notes_and_mails_nobody() {
    let rig = begun().await;
    let before = threads_of(&rig).len();
    let live = json!({"type": "customer", "text": "<p>Still broken!</p>"});
    other(&rig, "POST", "/conversations/1/threads", live).await;
    let mails = rig.state("outbox");

    let summary = rig.run(vec![long()]).await;

    assert_eq!((summary.done, summary.dead), (1, 0), "{}", rig.heard.all());
    assert_eq!(rig.state("outbox"), mails, "nobody is mailed");
    let threads = threads_of(&rig);
    assert_eq!(threads.len(), 11, "each of ours once, and the live reply");
    let notes: Vec<_> = threads.iter().filter(|thread| thread["type"] == "note").collect();
    assert_eq!(notes.len(), 10 - before);
    for note in notes {
        let body = note["body"].as_str().unwrap();
        let n = body.split("</p><p>").nth(1).unwrap()[..1].parse::<i64>().unwrap();
        let (author, named) = if n % 2 == 0 {
            ("root@example.org", "<p><em>mark (mark@customers.example):</em></p>")
        } else {
            (ADA, "<p><em>Ada Agent:</em></p>")
        };
        assert!(body.starts_with(named), "{}", &body[..80]);
        assert_eq!(note["createdBy"]["email"], author);
        assert_eq!(note["createdAt"], at(60 + n).to_string());
    }
    let there = &rig.sandbox.conversations()[0];
    assert_eq!(there["status"], "active", "the live reply has opened it, and it stays open");
    assert_eq!(rig.heard.count("finding send-as-notes"), 1);
    let note = crate::upload::plan::digest("note");
    let record = record_of(&rig, &long()).await;
    let rows = rig.ask(move |view| view.threads(record)).await;
    let noted = rows.iter().filter(|(_, _, digests)| digests.kind == note).count();
    assert_eq!(noted, 10 - before, "the journal knows what went as a note");
    assert!(rows.iter().all(|(_, remote, _)| remote.is_some()));
    let again = rig.run(vec![long()]).await;
    assert_eq!((again.done_before, again.requests), (1, 0));
}

#[tokio::test]
async fn an_operator_can_have_messages_appended_all_the_same() {
    let mut rig = begun().await;
    let live = json!({"type": "customer", "text": "<p>Still broken!</p>"});
    other(&rig, "POST", "/conversations/1/threads", live).await;
    rig.options.appends_messages = true;

    let summary = rig.run(vec![long()]).await;

    assert_eq!(summary.done, 1, "{}", rig.heard.all());
    assert_eq!(rig.heard.count("finding send-as-notes"), 0);
    let threads = threads_of(&rig);
    assert_eq!((threads.len(), threads.iter().filter(|thread| thread["type"] == "note").count()), (11, 0));
    assert!(rig.state("outbox") > 0, "the sandbox shows what the default spares the customer");
}

#[tokio::test]
async fn the_rest_of_a_conversation_with_a_line_item_goes_as_notes_and_mails_nobody() {
    let rig = begun().await;
    let before = threads_of(&rig).len();
    other(&rig, "PUT", "/conversations/1", json!({"byUser": 1, "status": "active"})).await;

    let summary = rig.run(vec![long()]).await;

    assert_eq!((summary.done, summary.dead), (1, 0), "{}", rig.heard.all());
    assert_eq!(rig.state("outbox"), 0, "nobody is mailed");
    let notes = threads_of(&rig).iter().filter(|thread| thread["type"] == "note").count();
    assert_eq!(notes, 10 - before);
    assert_eq!(rig.sandbox.conversations()[0]["status"], "active");
    assert!(rig.heard.all().contains("the status differs"), "what others changed is told: {}", rig.heard.all());
}

#[tokio::test]
async fn notes_that_were_begun_are_gone_on_with_after_a_kill() {
    let rig = begun().await;
    let before = threads_of(&rig).len();
    other(&rig, "PUT", "/conversations/1", json!({"byUser": 1, "status": "active"})).await;
    rig.fault(&[&format!("lose-answer@{APPEND}*1"), &format!("reset-before@{APPEND}")]);
    let stop = Stop::new();
    let has_appended = async {
        let sent = rig.requests(APPEND);
        while rig.requests(APPEND) < sent + 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        stop.now();
    };
    let (summary, ()) = tokio::join!(rig.try_run(vec![ready(long())], &stop), has_appended);
    assert_eq!(summary.unwrap().unfinished, 1, "{}", rig.heard.all());
    rig.fault(&[]);

    let summary = rig.run(vec![long()]).await;

    assert_eq!((summary.done, summary.dead), (1, 0), "{}", rig.heard.all());
    let threads = threads_of(&rig);
    let notes = threads.iter().filter(|thread| thread["type"] == "note").count();
    assert_eq!((notes, rig.state("outbox")), (10 - before, 0));
    assert_eq!(threads.len(), 11, "ten of ours and the line item");
}

#[tokio::test]
async fn a_half_in_which_somebody_has_written_is_completed_and_not_deleted() {
    let rig = Rig::start().await;
    let one = conversation(1, "mark");
    rig.fault(&["die-after-thread:1@POST /conversations*1"]);
    let writes_in_it = async {
        while rig.state("threads") < 1 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let note = json!({"type": "note", "user": 1, "text": "<p>I am on it</p>"});
        other(&rig, "POST", "/conversations/1/threads", note).await;
    };

    let (summary, ()) = tokio::join!(rig.run(vec![one]), writes_in_it);

    assert_eq!((summary.done, rig.state("conversations")), (1, 1), "{}", rig.heard.all());
    let bodies = format!("{:?}", threads_of(&rig));
    assert!(bodies.contains("I am on it") && bodies.contains("Now it does"), "{bodies}");
    assert_eq!((threads_of(&rig).len(), rig.state("outbox")), (3, 0));
}

#[tokio::test]
async fn a_conversation_without_agent_messages_goes_first_and_alone() {
    let rig = Rig::start().await;
    rig.fault(&["delay:60ms@POST /conversations*1"]);
    let mut records = many(20);
    records[7].threads.truncate(1);
    let is_alone = async {
        while rig.requests("POST /conversations") == 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        tokio::time::sleep(Duration::from_millis(30)).await;
        rig.requests("POST /conversations")
    };

    let (summary, sent) = tokio::join!(rig.run(records), is_alone);

    assert_eq!((summary.done, sent), (20, 1), "{}", rig.heard.all());
    let conversations = rig.sandbox.conversations();
    assert_eq!(conversations[0]["subject"], "Ticket 7");
    rig.is_sound(20);
}

#[tokio::test]
async fn strict_order_is_kept_even_for_the_first() {
    let mut rig = Rig::start().await;
    rig.options.concurrency = 1;
    let mut records = many(9);
    records[7].threads.truncate(1);
    rig.run(records).await;
    let subjects: Vec<_> = rig.sandbox.conversations().iter().map(|c| c["subject"].clone()).collect();
    assert_eq!(subjects, (0..9).map(|n| format!("Ticket {n}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_server_that_takes_imports_for_live_mail_ends_the_run_at_the_first() {
    for faults in [&[][..], &["no-body@POST /conversations"], &["lose-answer@POST /conversations*1"]] {
        let profile = "ignores-imported".parse().unwrap();
        let options = sandbox::Options { fixture: fixture(), profile, ..sandbox::Options::default() };
        let rig = Rig::start_with(options).await;
        rig.fault(faults);
        let mut records = many(6);
        records[4].threads.truncate(1);

        let result = rig.try_run(records.into_iter().map(ready).collect(), &Stop::new()).await;

        assert!(matches!(result, Err(UploadError::NotImported { .. })), "{faults:?}: {result:?}");
        // A lost answer is looked for, and the next one goes alone then.
        let most = if faults.iter().any(|fault| fault.contains("lose")) { 2 } else { 1 };
        assert!(rig.state("conversations") <= most, "{faults:?}: {}", rig.heard.all());
    }
}

#[tokio::test]
async fn the_hour_that_comes_twice_is_looked_for_and_compared_an_hour_later() {
    let profile: sandbox::Profile = "zone:Europe/Berlin".parse().unwrap();
    let options = sandbox::Options { fixture: fixture(), is_strict: true, profile, ..sandbox::Options::default() };
    let rig = Rig::start_with(options).await;
    // 2020-10-25, from 00:40 to 01:10 UTC: the earlier threads read back later than the last ones.
    let begun: Timestamp = "2020-10-25T00:40:00Z".parse().unwrap();
    let mut records = many(4);
    for (n, record) in records.iter_mut().enumerate() {
        record.created_at = begun + jiff::SignedDuration::from_secs(n as i64);
        for (at, thread) in record.threads.iter_mut().enumerate() {
            thread.created_at = record.created_at + jiff::SignedDuration::from_mins(at as i64 * 30);
        }
        record.closed_at = Some(record.threads[1].created_at);
    }
    rig.fault(&["die-after-thread:1@POST /conversations*1", "lose-answer@POST /conversations*3"]);

    let summary = rig.run(records).await;

    assert_eq!((summary.done, summary.dead), (4, 0), "{}", rig.heard.all());
    rig.is_sound(4);
    assert_eq!(rig.heard.count("finding send-adopted"), 2);
    assert_eq!(rig.heard.count("finding send-replaced"), 1);
    assert!(rig.heard.count("finding send-altered") >= 4, "{}", rig.heard.all());
    assert!(rig.heard.all().contains("is in the hour that comes twice when summer time ends"));
}
