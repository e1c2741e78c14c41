//! A newer archive over the same journal, and a journal that is lost.

use std::process::Stdio;

use serde_json::{Value, json};

use crate::place::{KEY, Place, Ran, Sandbox, mbox_of};

const MAPPING: &str = r#"
version = 1
source = "records"

[status]
from = "status"
table = { open = "active", pending = "pending", closed = "closed" }

[people]
roles = ["agent"]

[tags]
from = ["tags"]

[fields]
Branch = { from = "fields.Branch" }
"#;

const FIXTURE: &str = r#"{
    "users": [{ "firstName": "Ada", "lastName": "Admin", "email": "ada@example.org", "role": "admin" }],
    "mailboxes": [{ "name": "Support", "email": "support@example.org",
        "customFields": [{ "name": "Branch", "type": "singleline" }] }]
}"#;

/// A help desk as it stands after so many weeks: older tickets go on, new ones come.
fn desk(week: usize) -> String {
    let mut lines = String::new();
    for ticket in 0..3 + 3 * week {
        let begun = (ticket / 3).saturating_sub(1).max(1);
        let entries = 1 + ticket % 2 + 2 * (week.max(begun) - begun);
        let entries: Vec<Value> = (0..entries).map(|entry| entry_of(ticket, entry)).collect();
        let status = if week > begun && ticket % 3 == 0 { "closed" } else { "open" };
        let branch = if week > 1 && ticket % 4 == 1 { format!("Town {week}") } else { "Town".to_owned() };
        let mut tags = vec!["drill".to_owned()];
        tags.extend((2..=week).filter(|_| ticket % 2 == 0).map(|week| format!("week-{week}")));
        let record = json!({
            "id": format!("T{ticket}"), "source": "acme", "subject": format!("Ticket {ticket}"), "status": status,
            "requester": { "name": format!("Customer {ticket}"), "emails": [format!("c{ticket}@example.com")] },
            "tags": tags, "fields": { "Branch": branch },
            "created_at": "2024-01-01T08:00:00Z", "entries": entries,
        });
        lines.push_str(&format!("{record}\n"));
    }
    lines
}

fn entry_of(ticket: usize, entry: usize) -> Value {
    let is_agent = entry % 2 == 1;
    let author = match is_agent {
        true => json!({ "name": "Ada Admin", "emails": ["ada@example.org"], "role": "agent" }),
        // Somebody else joins in.
        false if entry == 4 => json!({ "name": "Colleague", "emails": [format!("other{ticket}@example.com")] }),
        false => json!({ "name": format!("Customer {ticket}"), "emails": [format!("c{ticket}@example.com")] }),
    };
    let kind = if is_agent && ticket.is_multiple_of(5) {
        "note"
    } else if is_agent {
        "reply"
    } else {
        "comment"
    };
    let mut value = json!({
        "id": format!("E{ticket}-{entry}"), "kind": kind, "is_public": kind != "note", "author": author,
        "text": format!("Entry {entry} of ticket {ticket}"), "created_at": format!("2024-01-{:02}T08:{:02}:00Z", 1 + entry, ticket),
    });
    if entry == 2 {
        value["attachments"] =
            json!([{ "name": format!("file{ticket}.txt"), "mime": "text/plain", "data": "aGVsbG8=" }]);
    }
    value
}

fn answer(sandbox: &Sandbox, path: &str) -> Value {
    let answer = sandbox.request("GET", path, "");
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
}

/// What an archive makes of a FreeScout, without ids, times of work, and what a delta cannot set.
fn everything(sandbox: &Sandbox) -> Vec<Value> {
    let list = answer(sandbox, "/api/conversations?pageSize=200");
    let ids = list["_embedded"]["conversations"].as_array().unwrap().iter().map(|one| one["id"].as_u64().unwrap());
    let mut all: Vec<Value> = ids
        .map(|id| {
            let one = answer(sandbox, &format!("/api/conversations/{id}?embed=threads,tags"));
            let mut threads: Vec<Value> = one["_embedded"]["threads"].as_array().unwrap().clone();
            threads.retain(|thread| thread["type"] != "lineitem");
            threads.sort_by_key(|thread| thread["createdAt"].to_string());
            let threads: Vec<Value> = threads
                .iter()
                .map(|thread| {
                    let body = thread["body"].as_str().unwrap_or_default();
                    let files = thread["_embedded"]["attachments"].as_array().into_iter().flatten();
                    json!({
                        "type": thread["type"], "at": thread["createdAt"], "body": body,
                        "by": thread["createdBy"]["email"], "customer": thread["customer"]["email"],
                        "files": files.map(|file| json!([file["fileName"], file["size"]])).collect::<Vec<_>>(),
                    })
                })
                .collect();
            let mut tags: Vec<String> =
                one["_embedded"]["tags"].as_array().unwrap().iter().map(|tag| tag["name"].to_string()).collect();
            tags.sort();
            json!({
                "subject": one["subject"], "status": one["status"], "customer": one["customer"]["email"],
                "at": one["createdAt"], "count": one["threadsCount"], "mailbox": one["mailboxId"],
                "fields": one["customFields"].as_array().unwrap().iter().map(|field| field["value"].clone()).collect::<Vec<_>>(),
                "tags": tags, "threads": threads,
            })
        })
        .collect();
    all.sort_by_key(|one| one["subject"].to_string());
    all
}

fn sandbox_with_fields(place: &Place, options: &[&str]) -> Sandbox {
    place.write("fixture.json", FIXTURE);
    place.write("desk.toml", MAPPING);
    let mut words = vec!["--fixture", "fixture.json"];
    words.extend(options);
    Sandbox::start(place, &words)
}

fn verify(place: &Place, sandbox: &Sandbox, journal: &str) -> Ran {
    let mut command = place.command(["verify", "--journal", journal, "--url", &sandbox.url]);
    Ran::of(command.env("FREESCOUT_API_KEY", KEY))
}

#[test]
fn three_deltas_of_a_growing_archive_end_as_one_import_of_the_last() {
    let place = Place::new();
    let whole = sandbox_with_fields(&place, &[]);
    let archive = place.write("last.jsonl", desk(3));
    Ran::of(&mut whole.import(&place, &archive, "--mapping desk.toml --journal whole.ferry")).exits(0);

    let grown = sandbox_with_fields(&place, &[]);
    let mut done = 0;
    for week in 0..=3 {
        let archive = place.write("desk.jsonl", desk(week));
        let update = if week == 3 { "--update tags,fields,status" } else { "--update tags,fields" };
        let options = format!("--mapping desk.toml --journal desk.ferry --findings f.jsonl {update}");
        let sums = Ran::of(&mut grown.import(&place, &archive, &options)).exits(0).sums();
        assert!(sums.done > done, "week {week} brings new tickets");
        done = sums.done;
    }
    let (one, three) = (everything(&whole), everything(&grown));
    assert_eq!(one.len(), 12);
    let thread = &one[0]["threads"][0];
    assert!(thread["by"].is_string() && thread["customer"].is_string() && one[0]["tags"][0].is_string(), "{}", one[0]);
    for (one, three) in one.iter().zip(&three) {
        assert_eq!(one, three);
    }
    assert_eq!(one.len(), three.len());
    assert_eq!((grown.count("outbox"), grown.count("customers")), (0, whole.count("customers")));
    assert_eq!(grown.count("attachments"), whole.count("attachments"));
    // Once more, there is nothing to do; and all of it is as it was sent.
    let before = grown.count("threads");
    let archive = place.write("again.jsonl", desk(3));
    Ran::of(&mut grown.import(&place, &archive, "--mapping desk.toml --journal desk.ferry")).exits(0);
    assert_eq!(grown.count("threads"), before);
    verify(&place, &grown, "desk.ferry").exits(0);
}

#[test]
fn what_the_operator_does_not_ask_for_is_said_and_stays() {
    let place = Place::new();
    let sandbox = sandbox_with_fields(&place, &[]);
    let archive = place.write("desk.jsonl", desk(1));
    let options = "--mapping desk.toml --journal desk.ferry --findings f.jsonl";
    Ran::of(&mut sandbox.import(&place, &archive, options)).exits(0);
    let before = everything(&sandbox);
    let edited = desk(1).replacen("Entry 0 of ticket 2", "Edited", 1).replacen("\"closed\"", "\"pending\"", 1);
    let edited = edited.replacen("\"drill\"", "\"other\"", 1).replacen("Ticket 3", "Renamed", 1);
    let archive = place.write("desk.jsonl", edited);
    Ran::of(&mut sandbox.import(&place, &archive, options)).exits(0);
    assert_eq!(everything(&sandbox), before);
    let findings = std::fs::read_to_string(place.path().join("f.jsonl")).unwrap();
    let told: Vec<&str> = findings.lines().filter(|line| line.contains("delta-changed")).collect();
    for what in ["its tags", "its subject", "text of the entry `E2-0`"] {
        assert_eq!(told.iter().filter(|line| line.contains(what)).count(), 1, "{what}: {findings}");
    }
    verify(&place, &sandbox, "desk.ferry").exits(0);
}

#[test]
fn lost_answers_and_a_live_reply_double_nothing_and_mail_nobody() {
    let place = Place::new();
    let sandbox = sandbox_with_fields(&place, &[]);
    let archive = place.write("desk.jsonl", desk(1));
    let options = "--mapping desk.toml --journal desk.ferry --findings f.jsonl --settle 0.05";
    Ran::of(&mut sandbox.import(&place, &archive, options)).exits(0);
    // An agent answers the first ticket in FreeScout.
    let reply = r#"{"type":"message","text":"Live","user":1,"status":"pending"}"#;
    sandbox.request("POST", "/api/conversations/1/threads", reply);
    let mailed = sandbox.count("outbox");
    let threads = sandbox.count("threads");
    sandbox
        .script(&["lose-answer@POST /conversations/{id}/threads*4", "500-before@POST /conversations/{id}/threads*2"]);
    let archive = place.write("desk.jsonl", desk(3));
    let sums = Ran::of(&mut sandbox.import(&place, &archive, options)).exits(0).sums();
    assert_eq!(sums.dead, 0);
    let entries = |text: &str| text.matches("\"id\":\"E").count() as u64;
    let added = entries(&desk(3)) - entries(&desk(1));
    assert_eq!((sandbox.count("threads"), sandbox.count("outbox")), (threads + added, mailed));
    let findings = std::fs::read_to_string(place.path().join("f.jsonl")).unwrap();
    assert!(findings.contains("send-as-notes"), "{findings}");
    assert_eq!(findings.lines().filter(|line| line.contains("delta-appended")).count(), 6, "{findings}");
}

#[test]
fn a_delta_that_is_killed_again_and_again_appends_each_entry_once() {
    let place = Place::new();
    let sandbox = sandbox_with_fields(&place, &[]);
    let options = "--mapping desk.toml --journal desk.ferry --settle 0.05";
    let archive = place.write("desk.jsonl", desk(1));
    Ran::of(&mut sandbox.import(&place, &archive, options)).exits(0);
    let archive = place.write("desk.jsonl", desk(3));
    sandbox.script(&["delay:40ms@POST /conversations/{id}/threads"]);
    let mut wanted = sandbox.requests("POST /conversations/{id}/threads");
    for more in [1, 2, 3, 5] {
        wanted += more;
        let mut run =
            sandbox.import(&place, &archive, options).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        sandbox.wait_for_requests("POST /conversations/{id}/threads", wanted);
        run.kill().unwrap();
        run.wait().unwrap();
    }
    sandbox.clear_faults();
    Ran::of(&mut sandbox.import(&place, &archive, options)).exits(0);
    let entries = desk(3).matches("\"id\":\"E").count() as u64;
    assert_eq!((sandbox.count("threads"), sandbox.count("outbox")), (entries, 0));
    verify(&place, &sandbox, "desk.ferry").exits(0);
}

#[test]
fn what_cannot_be_appended_is_a_dead_letter_and_a_retry_goes_on() {
    let place = Place::new();
    let sandbox = sandbox_with_fields(&place, &[]);
    let options = "--mapping desk.toml --journal desk.ferry";
    let archive = place.write("desk.jsonl", desk(1));
    Ran::of(&mut sandbox.import(&place, &archive, options)).exits(0);
    sandbox.script(&["413:10@POST /conversations/{id}/threads"]);
    let archive = place.write("desk.jsonl", desk(2));
    let sums = Ran::of(&mut sandbox.import(&place, &archive, options)).exits(3).sums();
    assert!(sums.dead > 0);
    sandbox.clear_faults();
    let mut retry = place.command(["retry", "desk.jsonl", "--url", &sandbox.url]);
    retry.args(options.split_whitespace()).env("FREESCOUT_API_KEY", KEY);
    let again = Ran::of(&mut retry).exits(0).sums();
    assert_eq!((again.done, again.dead), (sums.dead, 0));
    let entries = desk(2).matches("\"id\":\"E").count() as u64;
    assert_eq!(sandbox.count("threads"), entries);
    verify(&place, &sandbox, "desk.ferry").exits(0);
}

fn mail(id: &str, at: &str, headers: &str, text: &str) -> String {
    format!(
        "From a@example.net Tue Jan 9 08:00:00 2024\nFrom: A <a@example.net>\nTo: support@example.org\n\
         Date: {at}\nMessage-ID: <{id}>\n{headers}\n\n{text}\n\n"
    )
}

#[test]
fn a_late_message_that_joins_conversations_is_sent_once_and_doubles_nothing() {
    let place = Place::new();
    let sandbox = Sandbox::start(&place, &[]);
    let one =
        mail("one@example.net", "2 Jan 2024 08:00:00 +0000", "Subject: Pump\nReferences: <root@example.net>", "One");
    let two =
        mail("two@example.net", "3 Jan 2024 08:00:00 +0000", "Subject: Valve\nIn-Reply-To: <lost@example.net>", "Two");
    let archive = place.write("mail.mbox", format!("{one}{two}"));
    Ran::of(&mut sandbox.import(&place, &archive, "")).exits(0);
    assert_eq!((sandbox.count("conversations"), sandbox.count("threads")), (2, 2));
    // The letter that both answer turns up, and it is the oldest.
    let late = mail("lost@example.net", "1 Jan 2024 08:00:00 +0000", "Subject: Plant", "Root")
        .replace("Subject: Plant", "Subject: Plant\nReferences: <root@example.net>");
    place.write("mail.mbox", format!("{late}{one}{two}{}", mbox_of(1)));
    let sums = Ran::of(&mut sandbox.import(&place, &archive, "--findings f.jsonl")).exits(0).sums();
    let findings = std::fs::read_to_string(place.path().join("f.jsonl")).unwrap();
    assert!(findings.contains("delta-joined"), "{findings}");
    assert_eq!((sandbox.count("conversations"), sandbox.count("threads")), (3, 5), "{findings}");
    assert_eq!((sums.dead, sums.rejected, sandbox.count("outbox")), (0, 0, 0));
    Ran::of(&mut sandbox.import(&place, &archive, "")).exits(0);
    assert_eq!((sandbox.count("conversations"), sandbox.count("threads")), (3, 5));
    verify(&place, &sandbox, "mail.ferry").exits(0);
}

#[test]
fn a_newer_archive_may_come_through_a_pipe() {
    let place = Place::new();
    let sandbox = sandbox_with_fields(&place, &[]);
    for week in [1, 2] {
        let archive = place.write("desk.jsonl", desk(week));
        let mut import =
            sandbox.import(&place, "-".as_ref(), "--mapping desk.toml --journal desk.ferry --format records");
        import.stdin(std::fs::File::open(archive).unwrap());
        Ran::of(&mut import).exits(0);
        assert_eq!(sandbox.count("threads"), desk(week).matches("\"id\":\"E").count() as u64);
    }
}

#[test]
fn a_lost_journal_is_rebuilt_without_a_second_copy() {
    for (marker, name) in [("", "with the mark"), ("--no-marker", "without it")] {
        let place = Place::new();
        let sandbox = sandbox_with_fields(&place, &[]);
        let archive = place.write("desk.jsonl", desk(3));
        let options = format!("--mapping desk.toml --settle 0.05 {marker}");
        Ran::of(&mut sandbox.import(&place, &archive, &format!("{options} --journal lost.ferry --limit 7"))).exits(0);
        assert_eq!(sandbox.count("conversations"), 7, "{name}");
        for file in std::fs::read_dir(place.path()).unwrap().flatten() {
            if file.file_name().to_string_lossy().starts_with("lost.ferry") {
                std::fs::remove_file(file.path()).unwrap();
            }
        }
        let adopt = format!("{options} --journal new.ferry --adopt --findings f.jsonl");
        let sums = Ran::of(&mut sandbox.import(&place, &archive, &adopt)).exits(0).sums();
        assert_eq!((sums.done, sandbox.count("conversations"), sandbox.count("outbox")), (12, 12, 0), "{name}");
        let findings = std::fs::read_to_string(place.path().join("f.jsonl")).unwrap();
        assert_eq!(findings.lines().filter(|line| line.contains("send-adopted")).count(), 7, "{name}: {findings}");
        assert_eq!(sandbox.count("threads"), desk(3).matches("\"id\":\"E").count() as u64, "{name}");
        verify(&place, &sandbox, "new.ferry").exits(0);
        // And the rebuilt journal takes the place of the lost one.
        let sums =
            Ran::of(&mut sandbox.import(&place, &archive, &format!("{options} --journal new.ferry"))).exits(0).sums();
        assert_eq!((sums.done, sandbox.count("conversations")), (12, 12), "{name}");
    }
}
