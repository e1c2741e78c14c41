//! What reading help desks' dumps costs: records/s of `foxferry inspect` and of `foxferry check` beside `jq -c .` on the same file, and
//! peak memory on a dump twenty times as long. osTicket's dump is SQL, which jq does not read: beside it stands a bare loop over lines in Python.
//!
//! Each figure comes by the clock and by processor time, user and system: another process on the machine spoils the first,
//! and hardly the second. jq has one OS thread, foxferry takes two cores.
//!
//! `FOXFERRY_BENCH_MB` asks for another length than 100 MB of the smaller dump, `FOXFERRY_BENCH_LARGE_MB` of the larger one
//! (2,000 MB; 0: none), `FOXFERRY_BENCH_SOURCES=zendesk,intercom` for some sources only, `FOXFERRY_BENCH_LARGE=check` for the
//! peak memory of another command than `inspect` on the larger dump.

#![allow(clippy::print_stdout, reason = "a bench prints its figures")]

mod support;

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::Command;

use fastrand::Rng;
use serde_json::{Value, json};
use support::{Cost, FOXFERRY, Taken, run, run_beside, say, sentence};

/// One help desk's dump in one file.
struct Dump {
    source: &'static str,
    /// What stands before, between and behind the elements.
    around: (&'static str, &'static str, &'static str),
    /// Elements of record number `n`.
    elements: fn(u64, &mut Rng) -> Vec<String>,
}

const LINES: (&str, &str, &str) = ("", "\n", "\n");
const ARRAY: (&str, &str, &str) = ("[\n", ",\n", "\n]\n");

const DUMPS: &[Dump] = &[
    Dump { source: "zendesk", around: LINES, elements: |n, words| json_of(&zendesk(n, words)) },
    Dump { source: "freshdesk", around: ARRAY, elements: |n, words| json_of(&freshdesk(n, words)) },
    Dump {
        source: "helpscout",
        around: ("{\"_embedded\": {\"conversations\": [\n", ",\n", "\n]}, \"page\": {\"number\": 1}}\n"),
        elements: |n, words| json_of(&helpscout(n, words)),
    },
    Dump { source: "zammad", around: ARRAY, elements: |n, words| json_of(&zammad(n, words)) },
    Dump { source: "intercom", around: LINES, elements: |n, words| json_of(&intercom(n, words)) },
    Dump { source: "jira", around: LINES, elements: |n, words| json_of(&jira(n, words)) },
    Dump { source: "records", around: LINES, elements: |n, words| json_of(&records(n, words)) },
    Dump { source: "json", around: LINES, elements: |n, words| json_of(&records(n, words)) },
    Dump { source: "osticket", around: (OSTICKET, "\n", "\n"), elements: osticket },
];

/// The mapping with which the dump of records is read by `json`.
const MAPPING: &str = r#"
version = 1
source = "json"
[shape.json]
tickets = "*"
messages = { inside = "entries" }
[shape.json.ticket]
id = "id"
subject = "subject"
status = "status"
requester = "requester.id"
requester_name = "requester.name"
requester_email = "requester.emails.*"
tags = "tags"
created_at = "created_at"
updated_at = "updated_at"
[shape.json.message]
id = "id"
author = "author.id"
author_name = "author.name"
author_email = "author.emails.*"
html = "html"
created_at = "created_at"
[ignore]
"*" = "a bench"
"entry.*" = "a bench"
"person.*" = "a bench"
"#;

/// Reads lines, and nothing else.
const LOOP: &str = "import sys\nn = 0\nfor line in open(sys.argv[1], 'rb'):\n    n += 1\n";

fn json_of(values: &[Value]) -> Vec<String> {
    values.iter().map(Value::to_string).collect()
}

fn main() -> Result<(), Box<dyn Error>> {
    let megabytes = |name: &str, usual: u64| {
        std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual) * 1_000_000
    };
    let (small, large) = (megabytes("FOXFERRY_BENCH_MB", 100), megabytes("FOXFERRY_BENCH_LARGE_MB", 2_000));
    let asked = std::env::var("FOXFERRY_BENCH_SOURCES").unwrap_or_default();
    let command_of_large = std::env::var("FOXFERRY_BENCH_LARGE").unwrap_or_else(|_| "inspect".to_owned());
    let folder = tempfile::tempdir()?;
    let mapping = folder.path().join("json.toml");
    fs::write(&mapping, MAPPING)?;
    for dump in DUMPS {
        if !asked.is_empty() && !asked.split(',').any(|name| name == dump.source) {
            continue;
        }
        let is_sql = dump.source == "osticket";
        let place = folder.path().join("dump");
        fs::create_dir_all(&place)?;
        let path = place.join(if is_sql { "dump.sql" } else { "dump.json" });
        let records = write(dump, &path, small)?;
        let bytes = path.metadata()?.len();
        println!("{}: {records} records, {:.0} MB", dump.source, bytes as f64 / 1e6);
        let foxferry = |name: &str| -> io::Result<Cost> {
            let mut command = Command::new(FOXFERRY);
            command.arg(name).arg(&path);
            match dump.source {
                "json" => command.arg("--mapping").arg(&mapping),
                source => command.args(["--format", source]),
            };
            run(&mut command)
        };
        let (mut beside, mut inspect, mut check) = (Taken::default(), Taken::default(), Taken::default());
        let mut peaks = (0, 0);
        for _ in 0..3 {
            // Taking turns, so that all see the same machine.
            let mut command = Command::new(if is_sql { "python3" } else { "jq" });
            command.args(if is_sql { ["-c", LOOP] } else { ["-c", "."] }).arg(&path);
            beside.extend(run_beside(&mut command)?.as_ref());
            let cost = foxferry("inspect")?;
            assert!(cost.is_success && cost.stdout.contains(&records.to_string()), "{}", cost.stdout);
            inspect.add(&cost);
            peaks.0 = peaks.0.max(cost.peak);
            let cost = foxferry("check")?;
            assert!(cost.stdout.contains(&format!("{records} read:")), "{}", cost.stdout);
            check.add(&cost);
            peaks.1 = peaks.1.max(cost.peak);
        }
        inspect.say("  inspect", records, bytes);
        check.say("  check", records, bytes);
        let what = if is_sql { "  lines in Python" } else { "  jq -c ." };
        if beside.is_empty() {
            println!("{what} is not installed; nothing to compare with");
        } else {
            beside.say(what, records, bytes);
            inspect.say_beside("  inspect", &beside);
            check.say_beside("  check", &beside);
        }
        say("  peak memory of inspect and check, MB", format!("{} {}", peaks.0 / 1_000_000, peaks.1 / 1_000_000));
        if large > small {
            let records = write(dump, &path, large)?;
            let cost = foxferry(&command_of_large)?;
            assert!(!cost.stdout.is_empty(), "{command_of_large} says nothing");
            println!("  the same with {records} records, {:.0} MB", path.metadata()?.len() as f64 / 1e6);
            say(&format!("    peak memory of {command_of_large}, MB"), cost.peak / 1_000_000);
            say(
                "    seconds by the clock, of processor",
                format!("{:.1} {:.1}", cost.wall.as_secs_f64(), cost.cpu.as_secs_f64()),
            );
        }
        fs::remove_dir_all(&place)?;
    }
    Ok(())
}

/// Writes a dump of about so many bytes; gives the number of its records.
fn write(dump: &Dump, path: &Path, bytes: u64) -> io::Result<u64> {
    let mut words = Rng::with_seed(11);
    let mut to = BufWriter::with_capacity(1 << 20, File::create(path)?);
    let (before, between, behind) = dump.around;
    to.write_all(before.as_bytes())?;
    let (mut records, mut written) = (0, 0);
    while written < bytes {
        records += 1;
        for text in (dump.elements)(records, &mut words) {
            if written > 0 {
                to.write_all(between.as_bytes())?;
            }
            to.write_all(text.as_bytes())?;
            written += text.len() as u64;
        }
    }
    to.write_all(behind.as_bytes())?;
    to.flush()?;
    Ok(records)
}

/// `2021-03-02T09:15:00Z` and some minutes for each record.
fn time(n: u64, minutes: u64) -> String {
    let at = jiff::Timestamp::from_second(1_500_000_000 + (n * 7 + minutes) as i64 * 60);
    at.map(|at| at.to_string()).unwrap_or_default()
}

fn customer(n: u64) -> (u64, String, String) {
    let number = n % 5_000;
    (900_000 + number, format!("Customer {number}"), format!("customer{number}@example.com"))
}

fn zendesk(n: u64, words: &mut Rng) -> Vec<Value> {
    let id = 100_000 + n;
    let (person, name, address) = customer(n);
    let comments: Vec<Value> = (0..3)
        .map(|at| {
            let text = sentence(words, 60);
            json!({
                "id": id * 10 + at, "type": "Comment", "author_id": if at == 1 { 7 } else { person }, "body": text,
                "html_body": format!("<div class=\"zd-comment\"><p>{text}</p></div>"), "plain_body": text, "public": at < 2,
                "attachments": [], "audit_id": id * 100 + at, "created_at": time(n, at), "metadata": { "system": {} },
                "via": { "channel": "email", "source": { "from": { "address": address, "name": name }, "to": {}, "rel": null } },
            })
        })
        .collect();
    vec![json!({
        "url": format!("https://lamps.zendesk.com/api/v2/tickets/{id}.json"), "id": id, "external_id": null,
        "via": { "channel": "email", "source": { "from": { "address": address, "name": name }, "to": {}, "rel": null } },
        "created_at": time(n, 0), "updated_at": time(n, 9), "type": "question", "subject": sentence(words, 5), "description": sentence(words, 60),
        "priority": "normal", "status": "closed", "recipient": "support@example.org", "requester_id": person, "submitter_id": person,
        "assignee_id": 7, "organization_id": null, "group_id": 5, "collaborator_ids": [], "follower_ids": [], "has_incidents": false,
        "tags": ["lamp", "order"], "custom_fields": [{ "id": 30, "value": "A-1" }, { "id": 31, "value": null }], "brand_id": 1,
        "requester": { "id": person, "name": name, "email": address, "role": "end-user" },
        "assignee": { "id": 7, "name": "Ada Okoye", "email": "ada@example.org", "role": "agent" }, "comments": comments,
    })]
}

fn freshdesk(n: u64, words: &mut Rng) -> Vec<Value> {
    let id = 1_000 + n;
    let (person, name, address) = customer(n);
    let conversations: Vec<Value> = (1..3)
        .map(|at| {
            let text = sentence(words, 60);
            json!({
                "body": format!("<div>{text}</div>"), "body_text": text, "id": id * 10 + at, "incoming": at == 2, "private": false,
                "user_id": if at == 2 { person } else { 801 }, "source": 0, "ticket_id": id, "to_emails": [], "from_email": address,
                "cc_emails": [], "bcc_emails": null, "created_at": time(n, at), "updated_at": time(n, at), "attachments": [],
            })
        })
        .collect();
    let text = sentence(words, 60);
    vec![json!({
        "cc_emails": [], "fwd_emails": [], "reply_cc_emails": [], "fr_escalated": false, "spam": false, "group_id": 31, "priority": 1,
        "requester_id": person, "responder_id": 801, "source": 1, "company_id": null, "status": 5, "subject": sentence(words, 5),
        "to_emails": ["support@example.org"], "product_id": null, "id": id, "type": "Question", "due_by": time(n, 90), "is_escalated": false,
        "custom_fields": { "cf_serial": "A-1" }, "created_at": time(n, 0), "updated_at": time(n, 9), "tags": ["lamp"],
        "description": format!("<div>{text}</div>"), "description_text": text, "attachments": [],
        "requester": { "id": person, "name": name, "email": address, "mobile": null, "phone": null }, "conversations": conversations,
    })]
}

fn helpscout(n: u64, words: &mut Rng) -> Vec<Value> {
    let id = 10_000 + n;
    let (person, name, address) = customer(n);
    let customer = json!({ "id": person, "type": "customer", "first": name, "last": "Fox", "email": address });
    let user = json!({ "id": 41, "type": "user", "first": "Ada", "last": "Okoye", "email": "ada@example.org" });
    let threads: Vec<Value> = (0..3)
        .map(|at| {
            json!({
                "id": id * 10 + at, "type": if at == 1 { "message" } else { "customer" }, "status": "active", "state": "published",
                "action": { "type": "default", "associatedEntities": {} }, "body": format!("<p>{}</p>", sentence(words, 60)),
                "source": { "type": "email", "via": "customer" }, "customer": customer,
                "createdBy": if at == 1 { &user } else { &customer }, "savedReplyId": 0, "to": [], "cc": [], "bcc": [],
                "createdAt": time(n, at), "openedAt": null, "_embedded": { "attachments": [] }, "_links": {},
            })
        })
        .collect();
    vec![json!({
        "id": id, "number": n, "threads": 3, "type": "email", "folderId": 5, "status": "closed", "state": "published",
        "subject": sentence(words, 5), "preview": sentence(words, 12), "mailboxId": 21, "createdAt": time(n, 0), "closedBy": 41,
        "userUpdatedAt": time(n, 9), "source": { "type": "email", "via": "customer" }, "tags": [{ "id": 1, "color": "#fff", "tag": "lamp" }],
        "cc": [], "bcc": [], "customFields": [], "primaryCustomer": customer, "createdBy": customer, "assignee": user,
        "_embedded": { "threads": threads }, "_links": { "web": { "href": format!("https://secure.example.net/conversation/{id}/{n}") } },
    })]
}

fn zammad(n: u64, words: &mut Rng) -> Vec<Value> {
    let (_, name, address) = customer(n);
    let ticket = json!({
        "id": n, "group_id": 1, "priority_id": 2, "state_id": 4, "organization_id": null, "number": (68_000 + n).to_string(),
        "title": sentence(words, 5), "owner_id": 3, "customer_id": 11, "note": null, "close_at": time(n, 9), "last_contact_at": time(n, 2),
        "article_count": 3, "pending_time": null, "type": null, "preferences": {}, "created_at": time(n, 0), "updated_at": time(n, 9),
        "article_ids": [n * 10, n * 10 + 1, n * 10 + 2], "group": "Support", "state": "closed", "priority": "2 normal",
        "owner": "ada@example.org", "customer": address, "created_by": address, "updated_by": "ada@example.org",
        "create_article_type": "email", "create_article_sender": "Customer",
    });
    let mut all = vec![ticket];
    all.extend((0..3).map(|at| {
        json!({
            "id": n * 10 + at, "ticket_id": n, "type_id": 1, "sender_id": if at == 1 { 1 } else { 2 }, "from": format!("{name} <{address}>"),
            "to": "support@example.org", "cc": null, "subject": null, "reply_to": null, "message_id": null, "in_reply_to": null,
            "content_type": "text/html", "references": null, "body": format!("<p>{}</p>", sentence(words, 60)), "internal": false,
            "preferences": {}, "created_at": time(n, at), "updated_at": time(n, at), "attachments": [], "type": "email",
            "sender": if at == 1 { "Agent" } else { "Customer" }, "created_by": if at == 1 { "ada@example.org" } else { &address },
        })
    }));
    all
}

fn intercom(n: u64, words: &mut Rng) -> Vec<Value> {
    let id = 215_000_000_000 + n;
    let (person, name, address) = customer(n);
    let at = 1_500_000_000 + n * 420;
    let admin = json!({ "type": "admin", "id": "814860", "name": "Ada Byron", "email": "ada@example.org" });
    let user = json!({ "type": "user", "id": person.to_string(), "name": name, "email": address });
    let parts: Vec<Value> = (1..3_u64)
        .map(|part| {
            json!({
                "type": "conversation_part", "id": (id * 10 + part).to_string(), "part_type": "comment",
                "body": format!("<p>{}</p>", sentence(words, 60)), "created_at": at + part * 60, "updated_at": at + part * 60,
                "notified_at": at + part * 60, "assigned_to": null, "author": if part == 1 { &admin } else { &user },
                "attachments": [], "external_id": null, "redacted": false,
            })
        })
        .collect();
    vec![json!({
        "type": "conversation", "id": id.to_string(), "title": sentence(words, 5), "created_at": at, "updated_at": at + 600,
        "waiting_since": null, "snoozed_until": null, "open": false, "state": "closed", "read": true, "priority": "not_priority",
        "admin_assignee_id": 814_860, "team_assignee_id": null, "tags": { "type": "tag.list", "tags": [] }, "custom_attributes": {},
        "source": {
            "type": "email", "id": id.to_string(), "delivered_as": "customer_initiated", "subject": sentence(words, 5),
            "body": format!("<p>{}</p>", sentence(words, 60)), "author": user, "attachments": [], "url": null, "redacted": false,
        },
        "contacts": { "type": "contact.list", "contacts": [{ "type": "contact", "id": person.to_string(), "external_id": null }] },
        "teammates": { "type": "admin.list", "admins": [{ "type": "admin", "id": "814860" }] },
        "conversation_parts": { "type": "conversation_part.list", "conversation_parts": parts, "total_count": 2 },
    })]
}

fn records(n: u64, words: &mut Rng) -> Vec<Value> {
    let (person, name, address) = customer(n);
    let author = json!({ "id": person.to_string(), "name": name, "emails": [address] });
    let entries: Vec<Value> = (0..3)
        .map(|at| {
            json!({
                "id": (n * 10 + at).to_string(), "kind": "message", "author": author, "created_at": time(n, at),
                "html": format!("<p>{}</p>", sentence(words, 60)),
            })
        })
        .collect();
    vec![json!({
        "id": n.to_string(), "subject": sentence(words, 5), "status": "closed", "requester": author, "tags": ["lamp"],
        "created_at": time(n, 0), "updated_at": time(n, 9), "entries": entries,
    })]
}

fn jira(n: u64, words: &mut Rng) -> Vec<Value> {
    let id = 10_000 + n;
    let (_, name, address) = customer(n);
    let at = |minutes: u64| time(n, minutes).replace('Z', ".000+0000");
    let user = json!({ "name": address, "key": address, "emailAddress": address, "displayName": name, "active": true, "timeZone": "Europe/London" });
    let agent = json!({ "name": "ada", "key": "ada", "emailAddress": "ada@example.org", "displayName": "Ada Okoye", "active": true });
    let comments: Vec<Value> = (1..3_u64)
        .map(|one| {
            json!({
                "self": format!("https://lamps.example.org/rest/api/2/issue/{id}/comment/{}", id * 10 + one), "id": (id * 10 + one).to_string(),
                "author": if one == 1 { &agent } else { &user }, "body": sentence(words, 60), "updateAuthor": agent,
                "created": at(one), "updated": at(one), "jsdPublic": true,
            })
        })
        .collect();
    vec![json!({
        "expand": "names", "id": id.to_string(), "self": format!("https://lamps.example.org/rest/api/2/issue/{id}"), "key": format!("SUP-{n}"),
        "fields": {
            "issuetype": { "id": "10001", "name": "Service Request", "subtask": false }, "project": { "id": "10000", "key": "SUP", "name": "Support" },
            "resolution": { "id": "10000", "name": "Done" }, "resolutiondate": at(9), "created": at(0), "updated": at(9),
            "priority": { "id": "2", "name": "High" }, "labels": ["lamp"], "components": [], "issuelinks": [], "subtasks": [],
            "status": { "name": "Resolved", "id": "5", "statusCategory": { "id": 3, "key": "done", "name": "Done" } },
            "summary": sentence(words, 5), "description": sentence(words, 60), "reporter": user, "creator": user, "assignee": agent,
            "attachment": [], "comment": { "comments": comments, "maxResults": 2, "total": 2, "startAt": 0 },
        },
    })]
}

/// The tables, and the people: one helper and 5,000 customers share one address each.
const OSTICKET: &str = "\
CREATE TABLE `ost_ticket` (\n  `ticket_id` int(11) unsigned NOT NULL AUTO_INCREMENT,\n  `number` varchar(20) DEFAULT NULL,\n  \
`user_id` int(11) unsigned NOT NULL DEFAULT '0',\n  `user_email_id` int(11) unsigned NOT NULL DEFAULT '0',\n  \
`status_id` int(11) unsigned NOT NULL DEFAULT '0',\n  `dept_id` int(11) unsigned NOT NULL DEFAULT '0',\n  \
`staff_id` int(11) unsigned NOT NULL DEFAULT '0',\n  `source` varchar(20) NOT NULL DEFAULT 'Other',\n  \
`created` datetime NOT NULL,\n  `updated` datetime NOT NULL\n) ENGINE=InnoDB;\n\
CREATE TABLE `ost_thread` (\n  `id` int(11) unsigned NOT NULL AUTO_INCREMENT,\n  `object_id` int(11) unsigned NOT NULL,\n  \
`object_type` char(1) NOT NULL,\n  `created` datetime NOT NULL\n) ENGINE=InnoDB;\n\
CREATE TABLE `ost_thread_entry` (\n  `id` int(11) unsigned NOT NULL AUTO_INCREMENT,\n  `thread_id` int(11) unsigned NOT NULL,\n  \
`staff_id` int(11) unsigned NOT NULL,\n  `user_id` int(11) unsigned NOT NULL,\n  `type` char(1) NOT NULL,\n  `poster` varchar(128) NOT NULL,\n  \
`title` varchar(255) DEFAULT NULL,\n  `body` text NOT NULL,\n  `format` varchar(16) NOT NULL DEFAULT 'html',\n  \
`created` datetime NOT NULL\n) ENGINE=InnoDB;\n\
CREATE TABLE `ost_user` (\n  `id` int(10) unsigned NOT NULL AUTO_INCREMENT,\n  `default_email_id` int(10) NOT NULL,\n  `name` varchar(128) NOT NULL\n) ENGINE=InnoDB;\n\
CREATE TABLE `ost_user_email` (\n  `id` int(10) unsigned NOT NULL AUTO_INCREMENT,\n  `user_id` int(10) unsigned NOT NULL,\n  `address` varchar(255) NOT NULL\n) ENGINE=InnoDB;\n";

fn osticket(n: u64, words: &mut Rng) -> Vec<String> {
    let (_, name, address) = customer(n);
    let person = n % 5_000 + 1;
    let at = |minutes: u64| time(n, minutes).replace('T', " ").replace('Z', "");
    let mut all = Vec::new();
    if n < 5_000 {
        all.push(format!("INSERT INTO `ost_user` VALUES ({person},{person},'{name}');"));
        all.push(format!("INSERT INTO `ost_user_email` VALUES ({person},{person},'{address}');"));
    }
    all.push(format!(
        "INSERT INTO `ost_ticket` VALUES ({n},'{}',{person},{person},3,1,0,'Email','{}','{}');",
        100_000 + n,
        at(0),
        at(9)
    ));
    all.push(format!("INSERT INTO `ost_thread` VALUES ({n},{n},'T','{}');", at(0)));
    for one in 0..3 {
        let (kind, user) = if one == 1 { ("R", 0) } else { ("M", person) };
        all.push(format!(
            "INSERT INTO `ost_thread_entry` VALUES ({},{n},0,{user},'{kind}','{name}','{}','<p>{}</p>','html','{}');",
            n * 10 + one,
            sentence(words, 5),
            sentence(words, 60),
            at(one)
        ));
    }
    all
}
