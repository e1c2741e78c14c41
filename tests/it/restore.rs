//! `foxferry restore` and `foxferry backup drill` as an operator runs them.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::place::{KEY, Place, Ran, Sandbox, mbox_of, sample, signal};

fn at(place: &Place, sandbox: &Sandbox, words: &str) -> Command {
    let mut command = place.command(words.split_whitespace());
    command.args(["--url", &sandbox.url]).env("FREESCOUT_API_KEY", KEY);
    command
}

/// A help desk with what an import makes and what only people make, and a backup of it.
fn lived_in(place: &Place) -> Sandbox {
    let fixture = json!({
        "users": [
            {"firstName": "Ada", "lastName": "Admin", "email": "admin@sandbox.example", "role": "admin"},
            {"firstName": "Grace", "lastName": "Hopper", "email": "grace@sandbox.example", "role": "user"},
        ],
        "mailboxes": [
            {"name": "Support", "email": "support@sandbox.example", "customFields": [
                {"name": "Priority", "type": "dropdown", "options": {"1": "Low", "7": "High"}},
                {"name": "Order", "type": "singleline"},
            ]},
            {"name": "Sales", "email": "sales@sandbox.example"},
        ],
        "customerFields": [{"name": "Plan", "type": "singleline"}],
    });
    let fixture = place.write("fixture.json", fixture.to_string());
    let sandbox = Sandbox::start(place, &["--fixture", fixture.to_str().unwrap()]);
    let post = |path: &str, body: Value| sandbox.request("POST", path, &body.to_string());
    post(
        "/api/customers",
        json!({
            "firstName": "Ann", "lastName": "Lee", "company": "Lee & Sons", "jobTitle": "Captain", "notes": "Calls late",
            "emails": [{"value": "ann@example.net", "type": "home"}, {"value": "lee@example.net", "type": "work"}],
            "phones": [{"value": "0123", "type": "mobile"}], "websites": [{"value": "http://lee.example"}],
            "socialProfiles": [{"value": "@ann", "type": "telegram"}],
            "address": {"address": "1 Road", "city": "Ulm", "state": "", "zip": "89073", "country": "DE"},
        }),
    );
    post("/api/customers", json!({"firstName": "Nobody"}));
    sandbox.request("PUT", "/api/customers/1/customer_fields", r#"{"customerFields":[{"id":1,"value":"gold"}]}"#);
    post(
        "/api/conversations",
        json!({
            "type": "email", "mailboxId": 1, "subject": "Order 71", "imported": true, "status": "closed", "assignTo": 2,
            "customer": {"id": 1}, "createdAt": "2020-01-01T00:00:00Z", "closedAt": "2020-01-04T00:00:00Z",
            "customFields": [{"id": 1, "value": "7"}, {"id": 2, "value": "A-71"}],
            "threads": [
                {"type": "note", "user": 2, "text": "<p>Called</p>", "createdAt": "2020-01-03T00:00:00Z"},
                {"type": "message", "user": 2, "text": "<p>Answer</p>", "createdAt": "2020-01-02T00:00:00Z",
                 "cc": ["boss@example.net"], "bcc": ["file@example.org"]},
                {"type": "customer", "text": "<p>Question <b>1</b></p>", "createdAt": "2020-01-01T00:00:00Z",
                 "attachments": [{"fileName": "a b.txt", "mimeType": "text/plain", "data": "aGVsbG8="}]},
            ],
        }),
    );
    sandbox.request("PUT", "/api/conversations/1/tags", r#"{"tags":["vip","urgent"]}"#);
    post(
        "/api/conversations",
        json!({
            "type": "phone", "mailboxId": 2, "subject": "Offer", "imported": true, "status": "active",
            "customer": {"id": 2}, "createdAt": "2020-02-01T00:00:00Z",
            "threads": [{"type": "note", "user": 1, "text": "<p>Rang</p>", "createdAt": "2020-02-01T00:00:00Z"}],
        }),
    );
    // What nobody imports: a live reply, a line item, a time log.
    post(
        "/api/conversations/2/threads",
        json!({"type": "message", "user": 1, "text": "<p>Live</p>", "imported": true}),
    );
    sandbox.request("PUT", "/api/conversations/1", r#"{"byUser":1,"status":"pending"}"#);
    post("/__sandbox/load", json!({"timelogs": [{"conversationId": 1, "userId": 1, "timeSpent": 60}]}));
    Ran::of(&mut at(place, &sandbox, "backup copy -q")).exits(0);
    sandbox
}

#[test]
fn a_restored_help_desk_reads_back_as_the_backup_holds_it() {
    let place = Place::new();
    let _desk = lived_in(&place);
    let drilled = place.run("backup drill copy --no-progress").exits(0);
    let line = drilled.last_line();
    assert!(line.contains("2 conversations, 5 threads, 1 attachments and 2 customers compared: equal"), "{line}");
    for code in ["backup-line-item", "backup-time-log"] {
        assert!(drilled.stderr.contains(code), "{}", drilled.stderr);
    }
    let events = place.run("backup drill copy --json").exits(0).events();
    let last = events.last().unwrap();
    assert_eq!((&last["is_equal"], &last["mails"], &last["compared"]), (&json!(true), &json!(0), &json!(2)));
}

#[test]
fn a_restore_needs_its_mailboxes_and_makes_its_users_and_is_done_once() {
    let place = Place::new();
    let _desk = lived_in(&place);
    let target = Sandbox::start(&place, &[]);
    let refused = Ran::of(&mut at(&place, &target, "restore copy --no-progress")).exits(5);
    assert!(refused.stderr.contains("`sales@sandbox.example` (Sales)"), "{}", refused.stderr);
    assert!(refused.stderr.contains("--mailbox-map"), "{}", refused.stderr);
    assert_eq!((target.count("conversations"), target.count("customers")), (0, 0));

    let words = "restore copy --no-progress --create-users --mailbox-map sales@sandbox.example=support@sandbox.example";
    let ran = Ran::of(&mut at(&place, &target, words)).exits(0);
    assert_eq!(ran.last_line(), "2 read: 2 done, 0 skipped, 0 rejected, 0 dead letters");
    assert!(ran.stderr.contains("customers: 2 made, 0 there already"), "{}", ran.stderr);
    assert_eq!((target.count("conversations"), target.count("customers"), target.count("outbox")), (2, 2, 0));
    assert_eq!(target.requests("POST /users"), 1);
    let writes = |sandbox: &Sandbox| sandbox.requests("POST /conversations") + sandbox.requests("POST /customers");
    let before = writes(&target);
    Ran::of(&mut at(&place, &target, words)).exits(0);
    assert_eq!(writes(&target), before, "a second run sends nothing");

    // Ids of another FreeScout mean other conversations.
    let other = Sandbox::start(&place, &[]);
    Ran::of(&mut other.import(&place, &sample("mbox"), "-q --no-progress"));
    Ran::of(&mut at(&place, &other, "backup other -q")).exits(0);
    let ran = Ran::of(&mut at(&place, &target, "restore other --journal copy.ferry --no-progress")).exits(4);
    assert!(ran.stderr.contains("belongs to a backup of"), "{}", ran.stderr);
}

#[test]
fn a_part_is_restored_alone_and_what_was_deleted_only_if_asked() {
    let place = Place::new();
    let desk = lived_in(&place);
    let deleted = json!({
        "type": "email", "mailboxId": 1, "subject": "Gone", "imported": true, "state": "deleted", "status": "active",
        "customer": {"id": 1}, "createdAt": "2020-03-01T00:00:00Z",
        "threads": [{"type": "note", "user": 1, "text": "<p>x</p>", "createdAt": "2020-03-01T00:00:00Z"}],
    });
    desk.request("POST", "/api/conversations", &deleted.to_string());
    Ran::of(&mut at(&place, &desk, "backup copy -q")).exits(0);
    let ran = place.run("restore copy --sandbox --no-progress").exits(0);
    assert_eq!(ran.last_line(), "3 read: 2 done, 1 skipped, 0 rejected, 0 dead letters");
    let ran = place.run("restore copy --sandbox --no-progress --deleted --mailbox Support").exits(0);
    assert_eq!(ran.last_line(), "2 read: 2 done, 0 skipped, 0 rejected, 0 dead letters");
    assert!(ran.stderr.contains("backup-state") && ran.stderr.contains("customers: 1 made"), "{}", ran.stderr);
    let ran = place.run("restore copy --sandbox --no-progress --only 2").exits(0);
    assert_eq!(ran.last_line(), "1 read: 1 done, 0 skipped, 0 rejected, 0 dead letters");
    place.run("backup drill copy --no-progress").exits(0);
    place.run("backup drill copy --no-progress --deleted").exits(0);
    place.run("backup drill copy --no-progress --limit 1 --order newest").exits(0);
    place.run("restore copy --sandbox --mailbox nobody@example.org").exits(2);
    place.run("restore copy --sandbox --snapshot 1999").exits(2);
    place.run("restore nowhere --sandbox").exits(5);
    place.run("backup drill nowhere").exits(5);
    place.run("restore copy").exits(2);
}

#[test]
fn every_sample_survives_a_drill() {
    let entries = std::fs::read_dir(sample("")).unwrap().map(|entry| entry.unwrap());
    let folders = entries.filter(|entry| entry.path().is_dir() && entry.file_name() != "broken");
    let names: Vec<String> = folders.map(|entry| entry.file_name().into_string().unwrap()).collect();
    // Most of it is waiting: a backup reads again what was written a moment ago.
    for some in names.chunks(4) {
        std::thread::scope(|scope| some.iter().for_each(|name| drop(scope.spawn(|| survives_a_drill(name)))));
    }
}

fn survives_a_drill(name: &str) {
    let described = sample("json").join("desk.toml");
    let extended = match name {
        "json" => described.to_str().unwrap(),
        // Mail has one mapping, whatever it lies in.
        "maildir" | "eml" => "mbox",
        _ => name.split('-').next().unwrap(),
    };
    let place = Place::new();
    // The sandbox of a rehearsal ends with it, so that the fixture is what the sample names.
    let sandbox = Sandbox::start(&place, &[]);
    let mapping =
        place.write("m.toml", format!("extends = \"{extended}\"\n[mailbox]\ndefault = \"support@sandbox.example\"\n"));
    let options = format!("-q --no-progress --mapping {}", mapping.display());
    let imported = Ran::of(&mut sandbox.import(&place, &sample(name), &options));
    assert!(matches!(imported.code, 0 | 3), "{name}: {}", imported.stderr);
    assert!(sandbox.count("conversations") > 0, "{name}: {}", imported.stderr);
    Ran::of(&mut at(&place, &sandbox, "backup copy -q")).exits(0);
    let drilled = place.run("backup drill copy --no-progress").exits(0);
    assert!(drilled.last_line().ends_with(": equal"), "{name}: {}", drilled.stdout);
}

#[test]
fn a_restore_that_is_interrupted_goes_on_and_doubles_nothing() {
    let place = Place::new();
    let desk = Sandbox::start(&place, &[]);
    let archive = place.write("mail.mbox", mbox_of(40));
    Ran::of(&mut desk.import(&place, &archive, "-q --no-progress")).exits(0);
    Ran::of(&mut at(&place, &desk, "backup copy -q")).exits(0);
    let target = Sandbox::start(&place, &["--fault", "delay:30ms@POST /conversations"]);
    let process = at(&place, &target, "restore copy --no-progress --settle 0.1")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    target.wait_for_conversations(5);
    signal(&process, "KILL");
    process.wait_with_output().unwrap();
    target.clear_faults();
    let ran = Ran::of(&mut at(&place, &target, "restore copy --no-progress --settle 0.1")).exits(0);
    assert_eq!(ran.sums().done, 40);
    assert_eq!((target.count("conversations"), target.count("outbox"), target.count("orphans")), (40, 0, 0));
}

#[test]
fn images_in_texts_are_put_back_and_other_files_attached() {
    let place = Place::new();
    let desk = Sandbox::start(&place, &[]);
    let create = |text: &str, attachments: Value| {
        let body = json!({
            "type": "email", "mailboxId": 1, "subject": "Picture", "imported": true, "status": "active",
            "customer": {"email": "ann@example.net"}, "createdAt": "2020-01-01T00:00:00Z",
            "threads": [{"type": "customer", "text": text, "createdAt": "2020-01-01T00:00:00Z", "attachments": attachments}],
        });
        body_of(&desk.request("POST", "/api/conversations", &body.to_string()))
    };
    let png = json!({"fileName": "cat.png", "mimeType": "image/png", "data": "iVBORw0KGgoAAAA="});
    let log = json!({"fileName": "log.txt", "mimeType": "text/plain", "data": "aGVsbG8="});
    let first = create("<p>Files</p>", json!([png, log]));
    let url = |at: usize| {
        let files = &first["_embedded"]["threads"][0]["_embedded"]["attachments"];
        files[at]["fileUrl"].as_str().unwrap_or_else(|| panic!("no file in {first}")).to_owned()
    };
    let second = create(&format!("<p><img src=\"{}\"> and <a href=\"{}\">log</a></p>", url(0), url(1)), json!([]));
    assert_eq!(second["id"], 2, "{second}");
    Ran::of(&mut at(&place, &desk, "backup copy -q")).exits(0);

    let target = Sandbox::start(&place, &[]);
    let ran = Ran::of(&mut at(&place, &target, "restore copy --no-progress")).exits(0);
    assert!(ran.stderr.contains("1 backup-image"), "{}", ran.stderr);
    let restored = body_of(&target.request("GET", "/api/conversations/2?embed=threads", ""));
    let thread = &restored["_embedded"]["threads"][0];
    let body = thread["body"].as_str().unwrap();
    assert!(body.starts_with("<p><img src=\"data:image/png;base64,iVBORw0KGgoAAAA=\"> and <a href="), "{body}");
    assert_eq!(thread["_embedded"]["attachments"][0]["fileName"], "log.txt", "{restored}");
    assert!(place.run("backup drill copy --no-progress").exits(0).last_line().ends_with(": equal"));

    // Of what was restored a copy can be restored again, and nothing grows.
    Ran::of(&mut at(&place, &target, "backup again -q")).exits(0);
    assert!(place.run("backup drill again --no-progress").exits(0).last_line().ends_with(": equal"));
}

/// The JSON of an answer.
fn body_of(answer: &str) -> Value {
    let (_, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer}"));
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
}
