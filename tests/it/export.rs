//! What a person gets who exports.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::place::{KEY, Place, Ran, Sandbox, sample};

/// A sandbox that holds the samples.
fn filled(place: &Place) -> Sandbox {
    let sandbox = Sandbox::start(place, &[]);
    for (archive, code) in [("zendesk", 0), ("csv", 0), ("mbox", 0)] {
        Ran::of(&mut sandbox.import(place, &sample(archive), "")).exits(code);
    }
    sandbox
}

fn export(place: &Place, sandbox: &Sandbox, words: &str) -> Command {
    let mut command = place.command(["export"]);
    command.args(words.split_whitespace()).args(["--url", &sandbox.url]).env("FREESCOUT_API_KEY", KEY);
    command
}

fn rows(path: &Path) -> Vec<std::collections::HashMap<String, String>> {
    let bytes = std::fs::read(path).unwrap();
    let text = bytes.strip_prefix("\u{FEFF}".as_bytes()).unwrap_or_else(|| panic!("{} has no mark", path.display()));
    csv::Reader::from_reader(text).deserialize().map(Result::unwrap).collect()
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

#[test]
fn tables_hold_everything_that_freescout_holds() {
    let place = Place::new();
    let sandbox = filled(&place);
    let sums = Ran::of(&mut export(&place, &sandbox, "--format csv -o tables --attachments")).exits(0).sums();
    let tables = place.path().join("tables");
    let conversations = rows(&tables.join("conversations.csv"));
    assert_eq!(conversations.len() as u64, sandbox.count("conversations"));
    assert_eq!(sums.done, sandbox.count("conversations"));
    let threads = rows(&tables.join("threads.csv"));
    assert_eq!(threads.len() as u64, sandbox.count("threads"));
    assert_eq!(rows(&tables.join("customers.csv")).len() as u64, sandbox.count("customers"));
    let files: Vec<&str> =
        threads.iter().flat_map(|row| row["attachments"].split("; ")).filter(|it| !it.is_empty()).collect();
    assert_eq!(files.len() as u64, sandbox.count("attachments"));
    for file in files {
        assert!(tables.join(file).metadata().unwrap().len() > 0, "{file}");
    }
    assert!(threads.iter().all(|row| !row["body"].contains("foxferry:")), "our marks are not part of the texts");
    assert!(threads.iter().any(|row| row["thread_type"] == "note"));
}

#[test]
fn json_lines_go_to_standard_output_and_filters_choose() {
    let place = Place::new();
    let sandbox = filled(&place);
    let all = Ran::of(&mut export(&place, &sandbox, "--format jsonl -o -")).exits(0);
    let all = lines(&all.stdout);
    let of = |kind: &str| all.iter().filter(|line| line["object"] == kind).count() as u64;
    assert_eq!(of("conversation"), sandbox.count("conversations"));
    assert_eq!(of("customer"), sandbox.count("customers"));
    assert_eq!(all[0]["object"], "export");
    let count = |filter: &str, keep: &dyn Fn(&Value) -> bool| {
        let ran = Ran::of(&mut export(&place, &sandbox, &format!("--format jsonl -o - {filter}"))).exits(0);
        let found: Vec<Value> = lines(&ran.stdout).into_iter().filter(|it| it["object"] == "conversation").collect();
        let wanted: Vec<&Value> = all.iter().filter(|it| it["object"] == "conversation" && keep(it)).collect();
        assert_eq!(
            found.iter().map(|it| &it["id"]).collect::<Vec<_>>(),
            wanted.iter().map(|it| &it["id"]).collect::<Vec<_>>(),
            "{filter}"
        );
        found.len()
    };
    assert!(count("--status closed", &|it| it["status"] == "closed") > 0);
    assert!(count("--status closed --status spam", &|it| it["status"] == "closed" || it["status"] == "spam") > 0);
    assert!(
        count("--since 2024-03-01 --until 2024-05-01", &|it| {
            ("2024-03-01".."2024-05-01").contains(&it["createdAt"].as_str().unwrap())
        }) > 0
    );
    assert_eq!(count("--only 3,1", &|it| it["id"] == 3 || it["id"] == 1), 2);
    assert_eq!(count("--tag nonesuch", &|_| false), 0);
    let ran = Ran::of(&mut export(&place, &sandbox, "--format jsonl -o - --limit 3")).exits(0);
    assert_eq!(lines(&ran.stdout).iter().filter(|it| it["object"] == "conversation").count(), 3);
    Ran::of(&mut export(&place, &sandbox, "--format jsonl -o - --mailbox nonesuch")).exits(2);
}

#[test]
fn one_customers_data_is_theirs_and_nobody_elses() {
    let place = Place::new();
    let sandbox = filled(&place);
    let ran = Ran::of(&mut export(&place, &sandbox, "--format json -o - --customer SAM.REED@example.org")).exits(0);
    let found: Value = serde_json::from_str(&ran.stdout).unwrap();
    let conversations = found["conversations"].as_array().unwrap();
    assert!(!conversations.is_empty());
    for conversation in conversations {
        assert!(conversation.to_string().contains("sam.reed@example.org"));
    }
    let customers = found["customers"].as_array().unwrap();
    assert_eq!(customers.len(), 1, "nobody else's profile");
    assert!(customers[0].to_string().contains("sam.reed@example.org"));

    let theirs = |words: &str| {
        let words = format!("--format jsonl -o - --customer sam.reed@example.org {words}");
        let ran = Ran::of(&mut export(&place, &sandbox, &words)).exits(0);
        let found: Vec<Value> = lines(&ran.stdout).into_iter().filter(|it| it["object"] == "conversation").collect();
        found.into_iter().map(|it| it["id"].clone()).collect::<Vec<_>>()
    };
    let listed = sandbox.requests("GET /conversations");
    let own = theirs("--own");
    let of_all: Vec<_> = conversations.iter().filter(|it| it["customer"]["email"] == "sam.reed@example.org").collect();
    assert_eq!(own, of_all.iter().map(|it| it["id"].clone()).collect::<Vec<_>>());
    assert!(sandbox.requests("GET /conversations") > listed);
    let ran = Ran::of(&mut export(&place, &sandbox, "--format jsonl -o - --customer nobody@example.org")).exits(0);
    assert!(ran.stderr.contains("nobody here has the address `nobody@example.org`"), "{}", ran.stderr);
    Ran::of(&mut export(&place, &sandbox, "--format jsonl -o - --own")).exits(2);
}

#[test]
fn a_journal_gives_what_it_brought_with_old_and_new_ids() {
    let place = Place::new();
    let sandbox = filled(&place);
    let ran = Ran::of(&mut export(&place, &sandbox, "zendesk.ferry --format csv -o migrated")).exits(0);
    assert_eq!(ran.sums().done, 12);
    let rows = rows(&place.path().join("migrated/conversations.csv"));
    assert!(rows.iter().all(|row| row["old_source"] == "zendesk" && !row["old_id"].is_empty()));
    let ran = Ran::of(&mut export(&place, &sandbox, "zendesk.ferry --format jsonl -o - --only 111")).exits(0);
    let found = lines(&ran.stdout);
    let conversation = found.iter().find(|it| it["object"] == "conversation").unwrap();
    assert_eq!(conversation["old"]["id"], "111");
    assert!(conversation["_embedded"]["threads"][0]["old"]["id"].is_string());
}

#[test]
fn what_is_there_stays_and_wrong_words_are_answered_with_advice() {
    let place = Place::new();
    let sandbox = filled(&place);
    place.write("tables", "mine");
    let ran = Ran::of(&mut export(&place, &sandbox, "--format csv -o tables")).exits(2);
    assert!(ran.stderr.contains("is not an export of foxferry's"), "{}", ran.stderr);
    Ran::of(&mut export(&place, &sandbox, "--format jsonl -o tables")).exits(2);
    Ran::of(&mut export(&place, &sandbox, "--format jsonl -o tables --replace")).exits(0);
    let ran = Ran::of(&mut export(&place, &sandbox, "--format csv -o other --columns subjekt")).exits(2);
    assert!(ran.stderr.contains("did you mean `subject`?"), "{}", ran.stderr);
    Ran::of(&mut export(&place, &sandbox, "--format csv -o -")).exits(2);
    Ran::of(&mut export(&place, &sandbox, "--format cvs -o x")).exits(2);
    let ran = place.run("export --format csv -o x").exits(2);
    assert!(ran.stderr.contains("--url"), "{}", ran.stderr);
    let mut wrong_key = export(&place, &sandbox, "--format csv -o x");
    Ran::of(wrong_key.env("FREESCOUT_API_KEY", "wrong")).exits(4);
    assert!(!place.path().join("x").exists() && !place.path().join("x.partial").exists());
}

#[test]
fn a_conversation_that_is_not_there_is_said_and_the_rest_is_written() {
    let place = Place::new();
    let sandbox = filled(&place);
    let ran = Ran::of(&mut export(&place, &sandbox, "--format csv -o tables --only 1,999")).exits(3);
    assert_eq!((ran.sums().done, ran.sums().rejected), (1, 1));
    assert_eq!(rows(&place.path().join("tables/conversations.csv")).len(), 1);
}

/// A text with one of the two ways to write each quote and blank that HTML has.
fn letters(text: &Value) -> String {
    let text = text.as_str().unwrap_or_default();
    text.replace("&quot;", "\"").replace("&#39;", "'").replace("&nbsp;", "\u{a0}")
}

/// What counts of a conversation, whatever its ids; line items are FreeScout's own.
fn essence(place: &Place, sandbox: &Sandbox) -> Vec<Value> {
    let ran = Ran::of(&mut export(place, sandbox, "--format jsonl -o - --attachments")).exits(0);
    let email = |person: &Value| person["email"].clone();
    let mut found: Vec<Value> = lines(&ran.stdout)
        .into_iter()
        .filter(|it| it["object"] == "conversation")
        .map(|it| {
            let threads: Vec<Value> = it["_embedded"]["threads"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|thread| thread["type"] != "lineitem")
                .map(|thread| {
                    let files: Vec<Value> = thread["_embedded"]["attachments"]
                        .as_array()
                        .unwrap()
                        .iter()
                        .map(|file| serde_json::json!([file["fileName"], file["content"]]))
                        .collect();
                    serde_json::json!({
                        "type": thread["type"], "body": letters(&thread["body"]), "at": thread["createdAt"], "cc": thread["cc"],
                        "by": email(&thread["createdBy"]), "files": files,
                    })
                })
                .collect();
            let tags: Vec<&Value> =
                it["_embedded"]["tags"].as_array().unwrap().iter().map(|tag| &tag["name"]).collect();
            serde_json::json!({
                "subject": it["subject"], "status": it["status"], "type": it["type"], "at": it["createdAt"],
                "closed": it["closedAt"], "customer": email(&it["customer"]), "assignee": email(&it["assignee"]),
                "mailbox": it["mailbox"]["email"], "tags": tags, "threads": threads,
            })
        })
        .collect();
    found.sort_by_key(Value::to_string);
    found
}

#[track_caller]
fn assert_equal(before: &[Value], after: &[Value]) {
    assert_eq!(before.len(), after.len());
    let differing: Vec<_> = before.iter().zip(after).filter(|(before, after)| before != after).collect();
    assert!(differing.is_empty(), "{} of {} differ: {differing:#?}", differing.len(), before.len());
}

#[test]
fn tables_come_back_equal() {
    let place = Place::new();
    let sandbox = filled(&place);
    Ran::of(&mut export(&place, &sandbox, "--format csv -o tables --bodies html --long-cells keep --attachments"))
        .exits(0);
    let second = Sandbox::start(&place, &[]);
    let options = "--mapping freescout-csv --journal back.ferry";
    let ran = Ran::of(&mut second.import(&place, &place.path().join("tables"), options)).exits(0);
    assert_eq!(ran.sums().done, sandbox.count("conversations"), "{}", ran.stderr);
    assert_equal(&essence(&place, &sandbox), &essence(&place, &second));
}

#[test]
fn mails_come_back_equal() {
    let place = Place::new();
    let sandbox = filled(&place);
    for (format, out) in [("mbox", "mail.mbox"), ("maildir", "mail")] {
        Ran::of(&mut export(&place, &sandbox, &format!("--format {format} -o {out}"))).exits(0);
        let second = Sandbox::start(&place, &[]);
        let options = format!("--mapping freescout-mbox --journal back-{format}.ferry");
        let ran = Ran::of(&mut second.import(&place, &place.path().join(out), &options)).exits(0);
        assert_eq!(ran.sums().done, sandbox.count("conversations"), "{format}: {}", ran.stderr);
        assert_equal(&essence(&place, &sandbox), &essence(&place, &second));
    }
}

fn backup(place: &Place, sandbox: &Sandbox, words: &str) -> Command {
    let mut command = place.command(["backup"]);
    command.args(words.split_whitespace()).args(["--url", &sandbox.url]).env("FREESCOUT_API_KEY", KEY);
    command
}

#[test]
fn json_and_backups_come_back_equal() {
    let place = Place::new();
    let sandbox = filled(&place);
    Ran::of(&mut export(&place, &sandbox, "--format json -o all.json --attachments")).exits(0);
    Ran::of(&mut export(&place, &sandbox, "--format jsonl -o all.jsonl --attachments")).exits(0);
    Ran::of(&mut backup(&place, &sandbox, "copy")).exits(0);
    Ran::of(&mut backup(&place, &sandbox, "packed --compress")).exits(0);
    let before = essence(&place, &sandbox);
    for archive in ["all.json", "all.jsonl", "copy", "packed"] {
        let second = Sandbox::start(&place, &[]);
        let journal = format!("--journal {archive}.ferry");
        let ran = Ran::of(&mut second.import(&place, &place.path().join(archive), &journal)).exits(0);
        assert_eq!(ran.sums().done, sandbox.count("conversations"), "{archive}: {}", ran.stderr);
        assert_equal(&before, &essence(&place, &second));
        Ran::of(&mut second.import(&place, &place.path().join(archive), &journal)).exits(0);
        assert_eq!(second.count("conversations"), sandbox.count("conversations"), "{archive} once more");
    }
}

#[test]
fn a_backup_gives_what_the_living_freescout_gives() {
    let place = Place::new();
    let sandbox = filled(&place);
    Ran::of(&mut export(&place, &sandbox, "--format jsonl -o live.jsonl --attachments")).exits(0);
    place.write("taken", "mine");
    let ran = Ran::of(&mut backup(&place, &sandbox, "copy --also csv=taken")).exits(2);
    assert!(ran.stderr.contains("is not an export of foxferry's"), "{}", ran.stderr);
    for _ in 0..2 {
        let ran = Ran::of(&mut backup(&place, &sandbox, "copy --also csv=tables --also jsonl=also.jsonl")).exits(0);
        assert_eq!(ran.stdout.lines().count(), 1, "{}", ran.stdout);
    }
    Ran::of(&mut backup(&place, &sandbox, "copy --also csv")).exits(2);
    drop(sandbox);
    assert_eq!(rows(&place.path().join("tables/conversations.csv")).len(), 30);
    let ran = place.run("export copy --format jsonl -o stored.jsonl --attachments").exits(0);
    assert_eq!(ran.sums().done, 30);
    let read = |name: &str| -> Vec<Value> {
        let mut found = lines(&std::fs::read_to_string(place.path().join(name)).unwrap());
        found[0]["taken_at"] = Value::Null;
        found
    };
    let (live, stored) = (read("live.jsonl"), read("stored.jsonl"));
    assert_eq!(live.len(), stored.len());
    assert_equal(&live, &stored);
    assert_eq!(read("also.jsonl").len(), live.len());
    let ran = place.run("export copy --format jsonl -o - --customer SAM.REED@example.org").exits(0);
    assert!(lines(&ran.stdout).iter().any(|it| it["object"] == "conversation"));
    assert_eq!(lines(&ran.stdout).iter().filter(|it| it["object"] == "customer").count(), 1);
    place.run("export copy --format jsonl -o - --snapshot 1999").exits(2);
    place.run("export copy --format jsonl -o - --url https://help.example.org").exits(2);
    std::fs::create_dir(place.path().join("empty")).unwrap();
    place.run("export empty --format jsonl -o -").exits(5);
    place.run("export zendesk.ferry --snapshot latest --format jsonl -o -").exits(2);
}

/// Runs a Python script that asserts; says so where there is no Python or no module for it.
fn python(place: &Place, script: &str, needs: &str) {
    let has = Command::new("python3").args(["-c", &format!("import {needs}")]).output();
    if !has.is_ok_and(|output| output.status.success()) {
        println!("skipped: no python3 with {needs}");
        return;
    }
    let output = Command::new("python3").current_dir(place.path()).args(["-c", script]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn python_reads_tables_mails_and_workbooks() {
    let place = Place::new();
    let sandbox = filled(&place);
    for (format, out) in [("csv", "tables"), ("mbox", "mail.mbox"), ("maildir", "maildir"), ("xlsx", "a.xlsx")] {
        Ran::of(&mut export(&place, &sandbox, &format!("--format {format} -o {out}"))).exits(0);
    }
    let (conversations, threads) = (sandbox.count("conversations"), sandbox.count("threads"));
    let files = sandbox.count("attachments");
    let csv = format!(
        "import csv\nrows = list(csv.DictReader(open('tables/threads.csv', encoding='utf-8-sig', newline='')))\n\
         assert len(rows) == {threads}, len(rows)\nassert all(None not in row for row in rows)\n\
         assert len({{row['conversation_id'] for row in rows}}) == {conversations}"
    );
    python(&place, &csv, "csv");
    let mail = format!(
        "import mailbox\nfor box in (mailbox.mbox('mail.mbox'), mailbox.Maildir('maildir', create=False)):\n\
        \x20   mails = list(box)\n    assert len(mails) == {threads}, len(mails)\n\
        \x20   ids = {{mail['Message-ID'] for mail in mails}}\n    assert len(ids) == {threads}\n\
        \x20   assert all(mail['In-Reply-To'] in ids for mail in mails if mail['In-Reply-To'])\n\
        \x20   files = [part for mail in mails for part in mail.walk() if part.get_content_disposition() == 'attachment']\n\
        \x20   assert len(files) == {files}, len(files)\n    assert all(part.get_payload(decode=True) for part in files)"
    );
    python(&place, &mail, "mailbox");
    let book = format!(
        "import openpyxl\nbook = openpyxl.load_workbook('a.xlsx')\nassert book['threads'].max_row == {threads} + 1\n\
         assert book['conversations'].max_row == {conversations} + 1\n\
         assert all(cell.data_type != 'f' for sheet in book for row in sheet for cell in row)"
    );
    python(&place, &book, "openpyxl");
}
