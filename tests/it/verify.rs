//! `foxferry verify`, as it is typed.

use std::process::Command;

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::place::{KEY, Place, Ran, Sandbox};

/// A mail archive of so many conversations: a question with a file, and an answer.
fn mbox(conversations: usize) -> String {
    (0..conversations)
        .map(|n| {
            let (day, hour) = (1 + n / 24, n % 24);
            format!(
                "From a@example.net Mon Jan {day:2} {hour:02}:00:00 2024\nFrom: Ann {n} <ann{n}@example.net>\nTo: support@example.org\n\
                 Cc: copy{n}@example.net\nSubject: Question {n}\nDate: {day} Jan 2024 {hour:02}:00:00 +0000\nMessage-ID: <q{n}@example.net>\n\
                 MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"b\"\n\n--b\nContent-Type: text/plain\n\nWhat about {n}?\n\
                 --b\nContent-Type: text/csv; name=\"list.csv\"\nContent-Disposition: attachment; filename=\"list.csv\"\n\na,{n}\n--b--\n\n\
                 From s@example.org Mon Jan {day:2} {hour:02}:30:00 2024\nFrom: Support <support@example.org>\nTo: ann{n}@example.net\n\
                 Subject: Re: Question {n}\nDate: {day} Jan 2024 {hour:02}:30:00 +0000\nMessage-ID: <a{n}@example.org>\n\
                 In-Reply-To: <q{n}@example.net>\n\nThe answer to {n}.\n\n"
            )
        })
        .collect()
}

fn verify(place: &Place, sandbox: &Sandbox, options: &str) -> Command {
    let mut command = place.command(["verify", "--url", &sandbox.url]);
    command.args(options.split_whitespace()).env("FREESCOUT_API_KEY", KEY);
    command
}

fn imported(place: &Place, conversations: usize) -> Sandbox {
    let sandbox = Sandbox::start(place, &[]);
    let archive = place.write("mail.mbox", mbox(conversations));
    let sums = Ran::of(&mut sandbox.import(place, &archive, "")).exits(0).sums();
    assert_eq!(sums.done, conversations as u64);
    sandbox
}

/// The compared records that are not equal: mark, and what differs.
fn differing(ran: &Ran) -> Vec<(u64, String, String)> {
    let events = ran.events();
    let compared = events.iter().filter(|event| event["event"] == "compared" && event["mark"] != "=");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    compared
        .map(|event| {
            let what: Vec<_> = event["differences"].as_array().unwrap().iter().map(|one| text(&one["what"])).collect();
            (event["conversation"].as_u64().unwrap(), text(&event["mark"]), what.join("; "))
        })
        .collect()
}

#[test]
fn every_planted_difference_is_found_and_nothing_else() {
    let place = Place::new();
    let sandbox = imported(&place, 45);
    let ran = Ran::of(&mut verify(&place, &sandbox, "")).exits(0);
    assert_eq!(ran.last_line(), "45 compared: 45 equal, 0 missing, 0 altered, 0 extra, 0 unreadable");

    // What an agent or an accident does in FreeScout.
    let conversation = |id: u64, what: &str| format!("/api/conversations/{id}{what}");
    let user = json!(1);
    let eighth = sandbox.request("GET", &conversation(8, ""), "");
    let eighth: Value = serde_json::from_str(eighth.split_once("\r\n\r\n").unwrap().1).unwrap();
    let customer = &eighth["customer"]["id"];
    let calls: [(u64, &str, &str, Value, &str, &str); 12] = [
        (1, "DELETE", "", json!({}), "-", "conversation 1 is gone"),
        (2, "PUT", "", json!({"byUser": user, "subject": "Other"}), "*", "the subject"),
        (3, "PUT", "", json!({"byUser": user, "status": "spam"}), "*", "the status"),
        (4, "PUT", "", json!({"byUser": user, "assignTo": user}), "*", "the assignee"),
        (5, "PUT", "", json!({"customerId": 1}), "*", "the customer"),
        (6, "PUT", "/tags", json!({"tags": ["late"]}), "*", "the tags"),
        (7, "POST", "/threads", json!({"type": "note", "text": "n", "user": user}), "+", "a note thread"),
        (
            8,
            "POST",
            "/threads",
            json!({"type": "customer", "text": "c", "customer": {"id": customer}}),
            "+",
            "a customer",
        ),
        (
            9,
            "POST",
            "/threads",
            json!({"type": "message", "text": "m", "user": user, "imported": true}),
            "+",
            "a message",
        ),
        (10, "PUT", "", json!({"byUser": user, "status": "active"}), "*", "the status"),
        (11, "PUT", "", json!({"byUser": user, "status": "pending"}), "*", "the status"),
        (12, "DELETE", "", json!({}), "-", "conversation 12 is gone"),
    ];
    let mut expected: Vec<(u64, String, String)> = Vec::new();
    for (id, method, what, body, mark, phrase) in &calls {
        let answer = sandbox.request(method, &conversation(*id, what), &body.to_string());
        assert!(answer.starts_with("HTTP/1.1 20"), "{id}: {answer}");
        expected.push((*id, (*mark).to_owned(), (*phrase).to_owned()));
    }
    // What nobody can do over the API is planted on the other side: as if something else had been sent.
    let journal = Connection::open(place.path().join("mail.ferry")).unwrap();
    let flip = |column: usize| {
        let (before, behind) = (column * 8, column * 8 + 9);
        format!("digests = CAST(substr(digests, 1, {before}) || zeroblob(8) || substr(digests, {behind}) AS BLOB)")
    };
    let head = [
        "mailbox",
        "kind",
        "status",
        "subject",
        "customer",
        "assignee",
        "time of opening",
        "time of closing",
        "tags",
        "custom fields",
    ];
    let mut next = 13;
    let mut plant = |sql: String, mark: &str, phrase: String| {
        let changed =
            journal.execute(&sql.replace("?1", &format!("(SELECT id FROM records WHERE conversation = {next})")), []);
        assert!(changed.unwrap() > 0, "{sql}");
        expected.push((next, mark.to_owned(), phrase));
        next += 1;
    };
    for (column, name) in head.iter().enumerate() {
        plant(format!("UPDATE records SET {} WHERE id = ?1", flip(column)), "*", format!("the {name}"));
    }
    for (column, name) in ["kind", "author", "time", "text", "cc", "bcc"].iter().enumerate() {
        let sql = format!("UPDATE threads SET {} WHERE record = ?1 AND ordinal = 1", flip(column));
        plant(sql, "*", format!("the {name} of thread 2"));
    }
    plant(
        "UPDATE attachments SET hash = zeroblob(16) WHERE record = ?1".to_owned(),
        "*",
        "the bytes of the attachment `list.csv`".to_owned(),
    );
    plant(
        "UPDATE attachments SET size = size + 1 WHERE record = ?1".to_owned(),
        "*",
        "the size of the attachment `list.csv`".to_owned(),
    );
    plant(
        "UPDATE attachments SET remote = 999999 WHERE record = ?1".to_owned(),
        "-",
        "the attachment `list.csv` of thread 1".to_owned(),
    );
    plant(
        "UPDATE threads SET remote = 999999 WHERE record = ?1 AND ordinal = 1".to_owned(),
        "-",
        "thread 2 is gone".to_owned(),
    );
    plant(
        "DELETE FROM attachments WHERE record = ?1".to_owned(),
        "+",
        "the attachment `list.csv` of thread 1".to_owned(),
    );
    plant("DELETE FROM threads WHERE record = ?1 AND ordinal = 1".to_owned(), "+", "a customer thread".to_owned());
    assert!(expected.len() >= 30, "{}", expected.len());
    drop(journal);

    let ran = Ran::of(&mut verify(&place, &sandbox, "--json")).exits(3);
    let found = differing(&ran);
    let ids = |all: &[(u64, String, String)]| all.iter().map(|one| one.0).collect::<Vec<_>>();
    let mut sorted = found.clone();
    sorted.sort();
    assert_eq!(ids(&sorted), ids(&expected));
    for ((id, mark, what), (_, wanted, phrase)) in sorted.iter().zip(&expected) {
        // An event that FreeScout writes for a change is more than was sent; the worst mark counts.
        assert_eq!(mark, wanted, "{id}: {what}");
        assert!(what.contains(phrase.as_str()), "{id}: {what} does not say `{phrase}`");
    }
    let last = ran.events().pop().unwrap();
    assert_eq!(last["equal"], json!(45 - expected.len()));
}

#[test]
fn what_cannot_be_read_is_said_and_the_rest_goes_on() {
    let place = Place::new();
    let sandbox = imported(&place, 6);
    // As often as one conversation is tried.
    sandbox.script(&["500-before@GET /conversations/{id}*3"]);
    let ran = Ran::of(&mut verify(&place, &sandbox, "--json --concurrency 1")).exits(3);
    let marks = differing(&ran);
    assert!(marks.len() == 1 && marks[0].1 == "!", "{marks:?}");
    let last = ran.events().pop().unwrap();
    assert_eq!((&last["compared"], &last["equal"]), (&json!(6), &json!(5)));
    sandbox.clear_faults();
    Ran::of(&mut verify(&place, &sandbox, "")).exits(0);
}

#[test]
fn a_sample_and_single_records_can_be_compared() {
    let place = Place::new();
    let sandbox = imported(&place, 10);
    for (options, compared) in
        [("--sample 3", 3), ("--sample 50%", 5), ("--sample 99", 10), ("--only q4@example.net", 1)]
    {
        let ran = Ran::of(&mut verify(&place, &sandbox, options)).exits(0);
        assert!(
            ran.last_line().starts_with(&format!("{compared} compared: {compared} equal")),
            "{options}: {}",
            ran.stdout
        );
    }
    // As after an interruption, behind the fourth of ten.
    let all = Ran::of(&mut verify(&place, &sandbox, "--json")).exits(0).events();
    let fourth = all[3]["record"].as_str().unwrap().to_owned();
    let ran = Ran::of(&mut verify(&place, &sandbox, &format!("--after {fourth}"))).exits(0);
    assert!(ran.last_line().starts_with("6 compared: 6 equal"), "{}", ran.stdout);
    Ran::of(&mut verify(&place, &sandbox, "--after nobody@example.net")).exits(2);
    let ran = Ran::of(&mut verify(&place, &sandbox, "--only nobody@example.net")).exits(0);
    assert!(ran.stderr.contains("1 of the ids"), "{}", ran.stderr);
    Ran::of(&mut verify(&place, &sandbox, "--sample 0")).exits(2);
    let other = Sandbox::start(&place, &[]);
    let ran = Ran::of(&mut verify(&place, &other, "")).exits(4);
    assert!(ran.stderr.contains("belongs to"), "{}", ran.stderr);
}

#[test]
fn a_manifest_can_be_checked_by_others() {
    let place = Place::new();
    let sandbox = imported(&place, 4);
    Ran::of(&mut verify(&place, &sandbox, "--manifest proof.jsonl")).exits(0);
    let text = std::fs::read_to_string(place.path().join("proof.jsonl")).unwrap();
    let (lines, last) = text.trim_end().rsplit_once('\n').unwrap();
    let sum = ring::digest::digest(&ring::digest::SHA256, format!("{lines}\n").as_bytes());
    let hex: String = sum.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(serde_json::from_str::<Value>(last).unwrap()["sha256"], json!(hex));
    assert_eq!(lines.lines().count(), 5);
    assert!(lines.lines().skip(1).all(|line| line.contains("\"mark\":\"=\"")), "{lines}");
    // The same again gives the same lines, but for the time.
    Ran::of(&mut verify(&place, &sandbox, "--manifest again.jsonl")).exits(0);
    let again = std::fs::read_to_string(place.path().join("again.jsonl")).unwrap();
    assert!(lines.lines().skip(1).eq(again.lines().skip(1).take(4)));
}
