//! Tests of the `intercom` source as a whole: files in, records out.

use std::path::PathBuf;
use std::sync::Arc;

use super::*;
use crate::input::{Head, HeadFile};
use crate::source::Source as _;
use crate::source::tests::{read, read_files, said, sample};

#[test]
fn the_sample_is_read_with_everything_it_holds() {
    let (facts, records) = read("intercom", &sample("intercom"));
    let values: Vec<Value> = records.iter().map(|it| crate::record::json::to_value(it.as_ref().unwrap())).collect();
    insta::assert_json_snapshot!("sample", values);
    let said = said(&facts);
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].contains("in `segments.json`"), "{said:?}");
    assert!(said[1].contains("hold headers of conversations and no replies: 2"), "{said:?}");
}

/// `id: texts of its entries` of each record.
fn outline(records: &[Record]) -> Vec<String> {
    let text = |entry: &Entry| match &entry.body {
        Body::Html(text) | Body::Text(text) => text.clone(),
        Body::Empty => String::new(),
    };
    let line = |record: &Record| record.entries.iter().map(text).collect::<Vec<_>>().join(" | ");
    records.iter().map(|record| format!("{}: {}", record.id.original, line(record))).collect()
}

const PART: &str = r#"{"type":"conversation_part","id":"1","part_type":"comment","body":"answer","created_at":1600000100,
    "author":{"type":"admin","id":"9","name":"Ada","email":"ada@example.org"}}"#;

fn conversation(updated: u32, parts: &str) -> String {
    format!(
        r#"{{"type":"conversation","id":"7","created_at":1600000000,"updated_at":{updated},"state":"open",
        "source":{{"type":"email","id":"3","subject":"","body":"question","author":{{"type":"user","id":"5","name":"Pat"}}}}{parts}}}"#
    )
}

#[test]
fn a_header_never_hides_what_was_written() {
    let whole = conversation(
        1_600_000_200,
        &format!(",\"conversation_parts\":{{\"conversation_parts\":[{PART}],\"total_count\":1}}"),
    );
    let header = conversation(1_600_000_900, "");
    let emptied = conversation(1_600_000_900, ",\"conversation_parts\":{\"conversation_parts\":[],\"total_count\":0}");
    let page = format!("{{\"type\":\"conversation.list\",\"conversations\":[{header}]}}");
    for (other, name) in [(&header, "a"), (&emptied, "a"), (&page, "z")] {
        let (_, records) = read_files("intercom", &[("m.json", &whole), (&format!("{name}.json"), other)]);
        assert_eq!(outline(&records), ["7: question | answer"], "{other}");
    }
    let (facts, records) = read_files("intercom", &[("a.json", &page)]);
    assert_eq!(outline(&records), ["7: question"]);
    assert!(said(&facts)[0].contains("and no replies: 1"), "{:?}", said(&facts));
    assert!(records[0].oddities.iter().any(|odd| odd.message.contains("no replies")));
}

#[test]
fn an_opening_keeps_the_files_that_only_an_older_copy_has() {
    let with = conversation(1_600_000_100, "").replace(
        "\"body\":\"question\"",
        "\"body\":\"question\",\"attachments\":[{\"name\":\"a.txt\",\"url\":\"https://x.example.org/a\"}]",
    );
    let without =
        conversation(1_600_000_900, "").replace("\"body\":\"question\"", "\"body\":\"better\",\"attachments\":[]");
    for files in [[("1.json", &with), ("2.json", &without)], [("1.json", &without), ("2.json", &with)]] {
        let (_, records) = read_files("intercom", &files.map(|(name, text)| (name, text.as_str())));
        assert_eq!(outline(&records), ["7: better"]);
        assert_eq!(records[0].entries[0].attachments.len(), 1);
    }
}

#[test]
fn parts_that_intercom_held_back_are_told() {
    let cut = conversation(
        1_600_000_200,
        &format!(",\"conversation_parts\":{{\"conversation_parts\":[{PART}],\"total_count\":501}}"),
    );
    let (_, records) = read_files("intercom", &[("a.json", &cut)]);
    let odd = &records[0].oddities[0];
    assert_eq!(odd.code, "read-missing-part");
    assert!(odd.message.contains("500 of 501 parts are not in the archive"), "{}", odd.message);
}

#[test]
fn a_subject_loses_its_tags_and_nothing_else() {
    let table = [
        ("<p>Lamp <b>dark</b></p>", "Lamp dark"),
        ("a < b", "a < b"),
        ("a <3 b> c", "a <3 b> c"),
        ("R&amp;D &lt;x&gt;", "R&D <x>"),
        ("<p></p>", ""),
        ("<p", "<p"),
    ];
    for (text, expected) in table {
        assert_eq!(plain(text), expected, "{text}");
    }
}

#[test]
fn intercom_is_recognised_by_its_types_and_others_are_not() {
    let whole = conversation(1, "");
    let cases = [
        (whole.as_str(), true),
        (PART, true),
        (r#"{"type":"conversation.list","conversations":[{"type":"conversation","id":"1","source":{}}]}"#, true),
        (r#"{"type":"conversation","id":"1","subject":"x","_embedded":{}}"#, false),
        (r#"{"id":1,"type":"Comment","author_id":2,"body":"x"}"#, false),
        (r#"{"id":1,"requester_id":2,"type":"question","source":2}"#, false),
        (r#"{"type":"#, false),
        ("type,id,source\nconversation,1,x\n", false),
    ];
    for (text, expected) in cases {
        let start = text.as_bytes().to_vec();
        let file = HeadFile { shown: Arc::from("x"), length: text.len() as u64, start };
        assert_eq!(SOURCE.recognises(&Head { files: vec![file] }), expected, "{text}");
    }
}

#[test]
fn the_recorded_answers_are_told_apart_and_read() {
    let Some(archives) = std::env::var_os("FOXFERRY_ARCHIVES") else {
        println!("skipped: FOXFERRY_ARCHIVES is not set");
        return;
    };
    let (_, records) = read("intercom", &PathBuf::from(archives).join("intercom/intercom-java-1x"));
    let records: Vec<Record> = records.into_iter().map(Result::unwrap).collect();
    let whole = records.iter().find(|record| record.id.original == "5143511111").unwrap();
    assert_eq!(whole.entries.len(), 3, "the opening message and two parts");
    // Of equally new copies the last counts, `older/conversation.9.json`, and those before have what it lacks.
    assert_eq!(whole.entries[0].attachments.len(), 2);
}
