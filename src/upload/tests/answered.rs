//! The comparison, one altered field after the other, in an answer of the sandbox.

use serde_json::json;

use super::*;
use crate::freescout::wire;
use crate::upload::compare::{Differences, compare};
use crate::upload::plan::Plan;

/// A conversation with everything that is compared, its plan, and the answer to it.
async fn carried() -> (Plan, Value) {
    let rig = Rig::start().await;
    let mut one = conversation(1, "mark");
    one.fields = vec![("Number".to_owned(), "4711".to_owned()), ("Priority".to_owned(), "high".to_owned())];
    one.threads[0].cc = vec!["boss@customers.example".to_owned()];
    one.threads[1].bcc = vec!["archive@customers.example".to_owned()];
    let drawing = Attachment {
        mime: "image/svg+xml".to_owned(),
        ..file("d.svg", b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>")
    };
    one.threads[1].attachments = vec![file("a b.txt", b"abc"), file("b.txt", b"defgh"), drawing];
    let mut note = thread(2, ada(), 75, "<p>Only for us</p>");
    note.kind = ThreadKind::Note;
    one.threads.push(note);
    one.closed_at = Some(at(90));
    assert_eq!(rig.run(vec![one.clone()]).await.done, 1, "{}", rig.heard.all());
    let directory = Directory::fetch(&rig.client).await.unwrap();
    let there = rig.sandbox.conversations()[0].clone();
    let customers = [("mark@customers.example".to_owned(), there["customer"]["id"].as_u64().unwrap())].into();
    (Plan::make(one, 1, &customers, &directory, true, &mut Vec::new()).unwrap(), there)
}

fn told(plan: &Plan, answer: &Value) -> Differences {
    compare(&plan.new, &serde_json::from_value::<wire::Conversation>(answer.clone()).unwrap())
}

#[tokio::test]
async fn every_altered_field_of_an_answer_is_named() {
    let (plan, answer) = carried().await;
    let clean = told(&plan, &answer);
    assert!(clean.is_none(), "{clean:?}");
    // Newest first: 0 is the note, 1 the reply, 2 the customer's.
    for (pointer, value, kind, expected) in [
        ("/mailboxId", json!(99), "altered", "the mailbox differs"),
        ("/subject", json!("Other"), "altered", "the subject differs"),
        ("/createdAt", json!("2008-01-10T21:21:01Z"), "altered", "the time of opening differs"),
        ("/closedAt", json!("2008-01-10T21:21:01Z"), "altered", "the time of closing differs"),
        ("/closedAt", Value::Null, "altered", "the time of closing differs"),
        ("/status", json!("active"), "altered", "the status differs"),
        ("/type", json!("phone"), "altered", "the kind differs"),
        ("/assignee/id", json!(99), "altered", "the assignee differs"),
        ("/assignee", Value::Null, "altered", "the assignee differs"),
        ("/customer/id", json!(99), "customer", ""),
        ("/customer", Value::Null, "customer", ""),
        ("/createdBy", Value::Null, "missing", "FreeScout does not say who began it"),
        ("/createdBy/id", json!(99), "altered", "it was begun by somebody else"),
        ("/createdBy/type", json!("user"), "altered", "it was begun by somebody else"),
        ("/threadsCount", json!(3), "missing", "FreeScout has not counted its threads"),
        ("/customFields/0/value", json!("4712"), "fields", ""),
        ("/customFields/1/value", json!(""), "fields", ""),
        ("/customFields", json!([]), "fields", ""),
        ("/_embedded/threads", json!([]), "missing", "0 of 3 threads are there"),
        ("/_embedded/threads/0/type", json!("message"), "altered", "thread 3 is a message instead of a note"),
        (
            "/_embedded/threads/1/createdAt",
            json!("2008-01-10T21:21:11Z"),
            "altered",
            "thread 2 has 2008-01-10T21:21:11Z",
        ),
        ("/_embedded/threads/1/createdBy", Value::Null, "missing", "the author of thread 2 is missing"),
        ("/_embedded/threads/1/createdBy/id", json!(99), "altered", "thread 2 is credited to somebody else"),
        ("/_embedded/threads/2/createdBy/type", json!("user"), "altered", "thread 1 is credited to somebody else"),
        ("/_embedded/threads/2/body", json!("<p>Other</p>"), "altered", "the text of thread 1 differs"),
        ("/_embedded/threads/2/body", Value::Null, "altered", "the text of thread 1 differs"),
        ("/_embedded/threads/2/cc", json!([]), "known", "cc of thread 1 is not as sent"),
        ("/_embedded/threads/1/bcc", json!({"1": "x@customers.example"}), "known", "bcc of thread 2 is not as sent"),
        (
            "/_embedded/threads/1/_embedded/attachments",
            json!([]),
            "missing",
            "0 of 3 attachments of thread 2 are there",
        ),
        (
            "/_embedded/threads/1/_embedded/attachments/1/size",
            json!(4),
            "altered",
            "the attachment `b.txt` of thread 2 has another size",
        ),
        (
            "/_embedded/threads/1/_embedded/attachments/2/size",
            json!(4),
            "known",
            "the drawing `d.svg` of thread 2 was rewritten",
        ),
        (
            "/_embedded/threads/1/_embedded/attachments/1/fileName",
            json!("c.txt"),
            "known",
            "the attachment `b.txt` of thread 2 is called `c.txt`",
        ),
    ] {
        let mut altered = answer.clone();
        *altered.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer} is in the answer: {answer}")) = value.clone();
        let differences = told(&plan, &altered);
        let found = match kind {
            "altered" => differences.altered.iter().any(|what| what.starts_with(expected)),
            "missing" => differences.missing.iter().any(|what| what == expected),
            "known" => differences.is_none() && differences.known.iter().any(|what| what == expected),
            "customer" => differences.customer,
            _ => differences.fields,
        };
        assert!(found, "{pointer} = {value}: {differences:?}");
        assert_eq!(differences.is_none(), kind == "known", "{pointer} = {value}: {differences:?}");
    }
}

#[tokio::test]
async fn what_says_nothing_about_the_content_is_not_compared() {
    let (plan, answer) = carried().await;
    let clean = told(&plan, &answer);
    for (pointer, value) in [
        ("/number", json!(99)),
        ("/updatedAt", json!("2020-01-01T00:00:00Z")),
        ("/folderId", json!(99)),
        ("/preview", json!("Other")),
        ("/userUpdatedAt", Value::Null),
        ("/customerWaitingSince", Value::Null),
        ("/source", Value::Null),
        ("/customer/email", json!("other@customers.example")),
        ("/customer/firstName", json!("Other")),
        ("/assignee/photoUrl", json!("http://example.org/a.png")),
        ("/_embedded/threads/0/status", json!("closed")),
        ("/_embedded/threads/0/assignedTo", Value::Null),
        ("/_embedded/threads/0/openedAt", json!("2020-01-01T00:00:00Z")),
        ("/_embedded/threads/1/_embedded/attachments/0/fileUrl", json!("http://example.org/a")),
    ] {
        let mut altered = answer.clone();
        *altered.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer} is in the answer: {answer}")) = value;
        assert_eq!(told(&plan, &altered), clean, "{pointer}");
    }
}

#[tokio::test]
async fn requests_grow_with_what_is_carried_and_with_nothing_else() {
    let mut fixed = Vec::new();
    for count in [50_usize, 500] {
        let mut rig = Rig::start().await;
        rig.options.concurrency = 8;
        let people = count / 5;
        let mut records: Vec<_> = (0..count).map(|n| conversation(n, &format!("customer{}", n % people))).collect();
        for record in records.iter_mut().step_by(2) {
            record.tags = vec!["vip".to_owned()];
        }

        let summary = rig.run(records).await;

        assert_eq!(summary.done, count as u64, "{}", rig.heard.all());
        rig.is_sound(count);
        let (creates, tags) = (rig.requests("POST /conversations"), rig.requests("PUT /conversations/{id}/tags"));
        let customers = rig.requests("POST /customers");
        assert_eq!((creates, tags, customers), (count as u64, count as u64 / 2, people as u64));
        fixed.push(rig.all_requests() - creates - tags - customers);
    }
    assert_eq!(fixed[0], fixed[1], "what is asked at the start does not grow");
    assert!(fixed[0] <= 8, "{fixed:?}");
}
