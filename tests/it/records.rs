//! Neutral records: printed from any archive, and read back from a file or a pipe.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::Value;

use crate::place::{Place, Ran, Sandbox, mbox_of, sample};

/// Everything that a sandbox holds, but for what is different in every run.
fn holdings(sandbox: &Sandbox) -> Value {
    let list = |path: &str| -> Value {
        let answer = sandbox.request("GET", path, "");
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let host = sandbox.url.trim_start_matches("http://").split('/').next().unwrap();
        let body = without_markers(&body.replace(host, "HOST"));
        let mut value = serde_json::from_str(&body).unwrap_or_else(|_| panic!("{answer}"));
        settle(&mut value);
        value
    };
    let conversations = list("/api/conversations?pageSize=100&sortField=number&sortOrder=asc&embed=threads,tags");
    assert_eq!(conversations["page"]["totalPages"], 1, "all are on one page");
    Value::Array(vec![conversations, list("/api/customers?pageSize=100")])
}

/// The marker and a stand-in's address name the source, by whatever name it was read.
fn without_markers(body: &str) -> String {
    let mut parts = body.split("foxferry:");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text.push_str(part.trim_start_matches(|c: char| c.is_ascii_hexdigit()));
    }
    text.replace("\"json-", "\"zendesk-")
}

/// Fails with the first difference.
pub fn require_equal(expected: &Sandbox, found: &Sandbox, name: &str) {
    let (expected, found) = (holdings(expected), holdings(found));
    let (expected, found) =
        (serde_json::to_string_pretty(&expected).unwrap(), serde_json::to_string_pretty(&found).unwrap());
    assert!(expected.contains("\"threads\""), "{name}");
    for (n, (expected, found)) in expected.lines().zip(found.lines()).enumerate() {
        assert_eq!(found, expected, "{name}, line {n}");
    }
    assert_eq!(found.lines().count(), expected.lines().count(), "{name}");
}

/// Takes out times of this run, and the tokens of links.
fn settle(value: &mut Value) {
    match value {
        Value::Object(object) => {
            for key in ["updatedAt", "userUpdatedAt", "customerWaitingSince"] {
                object.shift_remove(key);
            }
            // Customers have no time of their own.
            if object.contains_key("jobTitle") {
                object.shift_remove("createdAt");
            }
            if let Some(Value::String(url)) = object.get_mut("fileUrl") {
                url.truncate(url.find('?').unwrap_or(url.len()));
            }
            object.values_mut().for_each(settle);
        }
        Value::Array(list) => list.iter_mut().for_each(settle),
        _ => {}
    }
}

#[test]
fn records_that_come_through_a_pipe_give_the_same_as_the_archive_itself() {
    for name in ["zendesk", "mbox", "maildir", "eml", "csv", "csv-tickets"] {
        let place = Place::new();
        let direct = Sandbox::start(&place, &[]);
        let ran = Ran::of(&mut direct.import(&place, &sample(name), "--concurrency 1 --journal a.ferry"));

        let printed = Ran::of(place.command(["inspect", "--records"]).arg(sample(name))).exits(0);
        let records = place.write("records.jsonl", &printed.stdout);
        let piped = Sandbox::start(&place, &[]);
        let pipe = std::fs::File::open(records).unwrap();
        let again = Ran::of(
            piped.import(&place, "-".as_ref(), "--format records --concurrency 1 --journal b.ferry").stdin(pipe),
        );
        assert_eq!((again.code, again.last_line()), (ran.code, ran.last_line()), "{name}: {}", again.stderr);
        assert!(again.sums().done > 0);
        require_equal(&direct, &piped, name);
    }
}

#[test]
fn printed_records_are_recognised_and_print_as_they_are() {
    let place = Place::new();
    let printed = Ran::of(place.command(["inspect", "--records"]).arg(sample("zendesk"))).exits(0).stdout;
    place.write("records.jsonl", &printed);
    assert_eq!(place.run("inspect records.jsonl --json").exits(0).json()["format"], "records");
    assert_eq!(place.run("inspect --records records.jsonl").exits(0).stdout, printed);
    // Where the record is one of Zendesk's, Zendesk's rules fit it.
    let ran = place.run("check records.jsonl -m zendesk --json").exits(3);
    assert!(ran.events().iter().any(|event| event["record"] == "zendesk:101"));
}

#[test]
fn a_record_that_is_wrong_is_set_aside_with_its_line_and_path() {
    let place = Place::new();
    place.write(
        "mine.jsonl",
        "{\"id\": 1, \"entries\": [{\"text\": \"Hello\", \"author\": \"ann@example.net\"}], \"created_at\": \"2024-01-31T12:00:00Z\"}\n\
         {\"id\": 2, \"entries\": [{\"created_at\": \"yesterday\"}]}\n\
         {\"id\": 3, \"entries\": [\n\
         {\"id\": 4, \"entries\": [], \"subjet\": \"x\"}\n",
    );
    let ran = place.run("check mine.jsonl -vv").exits(3);
    assert_eq!((ran.sums().read, ran.sums().rejected), (4, 2), "{}", ran.stderr);
    for expected in
        ["mine.jsonl:2", "`entries[0].created_at` is \"yesterday\"", "mine.jsonl:3", "did you mean `subject`?"]
    {
        assert!(ran.stderr.contains(expected), "{expected}: {}", ran.stderr);
    }
    place.write("not.jsonl", "Exporting…\n{\"id\": 1}\n");
    let ran = place.run("check not.jsonl --format records").exits(5);
    assert!(ran.stderr.contains("not.jsonl: not records, one JSON object on each line"), "{}", ran.stderr);
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let place = Place::new();
    let archive = place.write("a.mbox", mbox_of(3000));
    let mut command = place.command(["inspect", "--records"]);
    let mut process = command.arg(archive).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::with_capacity(64, process.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("{\"id\":"), "{line}");
    let ended = process.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&ended.stderr), "");
    assert!(ended.status.success());
}

#[test]
fn the_schema_is_printed_without_an_archive() {
    let place = Place::new();
    assert_eq!(place.run("inspect --schema").exits(0).json()["required"][0], "id");
}
