//! What reading help desks' JSON costs: records/s of `foxferry inspect` and of `foxferry check` beside `jq -c .` on the same file, and
//! peak memory on a dump twenty times as long.
//!
//! `FOXFERRY_BENCH_MB` asks for another length than 100 MB of the smaller dump, `FOXFERRY_BENCH_LARGE_MB` of the larger one
//! (2,000 MB; 0: none), `FOXFERRY_BENCH_SOURCES=zendesk,intercom` for some sources only.

#![allow(clippy::print_stdout, reason = "a bench prints its figures")]

mod support;

use std::error::Error;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use fastrand::Rng;
use serde_json::{Value, json};
use support::{FOXFERRY, median, rate, run, say, sentence};

/// One help desk's dump in one file.
struct Dump {
    source: &'static str,
    /// What stands before, between and behind the elements.
    around: (&'static str, &'static str, &'static str),
    /// Elements of record number `n`.
    elements: fn(u64, &mut Rng) -> Vec<Value>,
}

const LINES: (&str, &str, &str) = ("", "\n", "\n");
const ARRAY: (&str, &str, &str) = ("[\n", ",\n", "\n]\n");

const DUMPS: &[Dump] = &[
    Dump { source: "zendesk", around: LINES, elements: zendesk },
    Dump { source: "freshdesk", around: ARRAY, elements: freshdesk },
    Dump {
        source: "helpscout",
        around: ("{\"_embedded\": {\"conversations\": [\n", ",\n", "\n]}, \"page\": {\"number\": 1}}\n"),
        elements: helpscout,
    },
    Dump { source: "zammad", around: ARRAY, elements: zammad },
    Dump { source: "intercom", around: LINES, elements: intercom },
    Dump { source: "records", around: LINES, elements: records },
];

fn main() -> Result<(), Box<dyn Error>> {
    let megabytes = |name: &str, usual: u64| {
        std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual) * 1_000_000
    };
    let (small, large) = (megabytes("FOXFERRY_BENCH_MB", 100), megabytes("FOXFERRY_BENCH_LARGE_MB", 2_000));
    let asked = std::env::var("FOXFERRY_BENCH_SOURCES").unwrap_or_default();
    let folder = tempfile::tempdir()?;
    for dump in DUMPS {
        if !asked.is_empty() && !asked.split(',').any(|name| name == dump.source) {
            continue;
        }
        let path = folder.path().join("dump.json");
        let records = write(dump, &path, small)?;
        let bytes = path.metadata()?.len();
        println!("{}: {records} records, {:.0} MB", dump.source, bytes as f64 / 1e6);
        let (mut jq, mut inspect, mut check) = (Vec::new(), Vec::new(), Vec::new());
        let mut peaks = (0, 0);
        for _ in 0..3 {
            // Taking turns, so that all see the same machine.
            jq.extend(through_jq(&path)?.map(|wall| wall.as_secs_f64()));
            let cost = run(Command::new(FOXFERRY).arg("inspect").arg(&path).args(["--format", dump.source]))?;
            assert!(cost.is_success && cost.stdout.contains(&records.to_string()), "{}", cost.stdout);
            inspect.push(cost.wall.as_secs_f64());
            peaks.0 = peaks.0.max(cost.peak);
            let cost = run(Command::new(FOXFERRY).arg("check").arg(&path).args(["--format", dump.source]))?;
            assert!(cost.stdout.contains(&format!("{records} read:")), "{}", cost.stdout);
            check.push(cost.wall.as_secs_f64());
            peaks.1 = peaks.1.max(cost.peak);
        }
        let figures = |seconds: f64| {
            format!("{:.0}/s, {:.0} MB/s", records as f64 / seconds, rate(bytes, Duration::from_secs_f64(seconds)))
        };
        let (inspect, check) = (median(inspect), median(check));
        say("  inspect", figures(inspect));
        say("  check", figures(check));
        if jq.is_empty() {
            println!("  jq is not installed; nothing to compare with");
        } else {
            let jq = median(jq);
            say("  jq -c .", figures(jq));
            say("  ratio of inspect", format!("{:.2}", jq / inspect));
            say("  ratio of check", format!("{:.2}", jq / check));
        }
        say("  peak memory of inspect and check, MB", format!("{} {}", peaks.0 / 1_000_000, peaks.1 / 1_000_000));
        if large > small {
            let records = write(dump, &path, large)?;
            let cost = run(Command::new(FOXFERRY).arg("inspect").arg(&path).args(["--format", dump.source]))?;
            assert!(cost.is_success, "{}", cost.stdout);
            println!("  the same with {records} records, {:.0} MB", path.metadata()?.len() as f64 / 1e6);
            say("    peak memory of inspect, MB", cost.peak / 1_000_000);
            say("    seconds", format!("{:.1}", cost.wall.as_secs_f64()));
        }
    }
    Ok(())
}

fn through_jq(path: &Path) -> io::Result<Option<Duration>> {
    let begun = Instant::now();
    match Command::new("jq").args(["-c", "."]).arg(path).stdout(Stdio::null()).status() {
        Ok(status) if status.success() => Ok(Some(begun.elapsed())),
        Ok(status) => Err(io::Error::other(format!("jq ended with {status}"))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
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
        for element in (dump.elements)(records, &mut words) {
            let text = element.to_string();
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
