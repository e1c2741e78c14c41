use super::*;
use crate::source::tests::{read, read_files, sample};

#[test]
fn the_sample_is_read_with_everything_it_holds() {
    let (facts, records) = read("freshdesk", &sample("freshdesk"));
    let expected = [
        ("tickets", 8),
        ("messages", 7),
        ("lost_messages", 1),
        ("persons", 7),
        ("attachment_files", 1),
        ("duplicates", 0),
    ];
    assert_eq!(facts.counts[..6], expected);
    assert_eq!(facts.oddities.len(), 1, "{:?}", facts.oddities);
    let values: Vec<Value> = records.iter().map(|it| crate::record::json::to_value(it.as_ref().unwrap())).collect();
    insta::assert_json_snapshot!("sample", values);
}

const TICKET_1: &str = r#"{"id":1,"subject":"One","requester_id":5,"responder_id":null,"status":2,"source":1,"created_at":"2022-01-01T00:00:00Z","updated_at":"2022-01-01T00:00:00Z""#;

#[test]
fn a_list_without_descriptions_takes_them_from_the_ticket_by_itself() {
    let list = format!("[{TICKET_1}}}]");
    let alone = format!("{TICKET_1},\"description\":\"<p>hello</p>\",\"responder_name\":\"x\"}}");
    let (facts, records) = read_files("freshdesk", &[("1.json", &alone), ("list.json", &list)]);
    assert!(facts.counts.contains(&("duplicates", 1)));
    assert_eq!(records[0].entries[0].body, Body::Html("<p>hello</p>".to_owned()));
    let (_, records) = read_files("freshdesk", &[("list.json", &list)]);
    assert_eq!(records[0].oddities.last().unwrap().code, codes::READ_NO_ENTRIES);
}

#[test]
fn ten_embedded_conversations_are_told_to_be_cut() {
    let notes: Vec<String> = (0..10)
        .map(|n| format!(r#"{{"id":{n},"body":"n{n}","incoming":true,"private":false,"ticket_id":1}}"#))
        .collect();
    let ticket = format!("{TICKET_1},\"description\":\"x\",\"conversations\":[{}]}}", notes.join(","));
    let (_, records) = read_files("freshdesk", &[("1.json", &ticket)]);
    assert_eq!(records[0].entries.len(), 11);
    assert!(records[0].oddities.iter().any(|it| it.message.contains("no more than ten")));
}

#[test]
fn codes_decide_who_speaks_and_who_sees_it() {
    let (_, records) = read("freshdesk", &sample("freshdesk"));
    let ticket = records.into_iter().flatten().find(|record| record.id.original == "501").unwrap();
    let shown: Vec<_> = ticket
        .entries
        .iter()
        .map(|entry| (entry.id.as_str(), entry.author.as_ref().unwrap().role.as_deref().unwrap(), entry.is_public))
        .collect();
    let expected = [
        ("description", "contact", true),
        ("7001", "agent", true),
        ("7002", "agent", false),
        ("7003", "contact", true),
        ("7004", "agent", true),
    ];
    assert_eq!(shown, expected);
}
