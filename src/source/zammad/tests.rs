//! Tests of the `zammad` source as a whole: files in, records out.

use std::path::PathBuf;
use std::sync::Arc;

use super::*;
use crate::input::{Head, HeadFile};
use crate::source::Source as _;
use crate::source::tests::{read, read_files, said, sample};

#[test]
fn the_sample_is_read_with_everything_it_holds() {
    let (facts, records) = read("zammad", &sample("zammad"));
    let values: Vec<Value> = records.iter().map(|it| crate::record::json::to_value(it.as_ref().unwrap())).collect();
    insta::assert_json_snapshot!("sample", values);
    assert_eq!(
        said(&facts),
        [
            "read-ignored macros.json:2: objects that begin with `id` in `macros.json` belong to no ticket and are not read (1 element)"
        ]
    );
}

const TICKET: &str = r#"{"id":7,"number":"67007","title":"x","group_id":1,"state_id":2,"customer_id":5,"owner_id":1,
    "article_ids":[70],"created_at":"2024-01-01T00:00:00.123Z","updated_at":"2024-01-02T00:00:00.000Z"}"#;
const ARTICLE: &str = r#"{"id":70,"ticket_id":7,"type_id":1,"sender_id":2,"internal":false,"content_type":"text/plain",
    "from":"Pat Field <pat@example.org>","body":"hello","created_by_id":5,"created_at":"2024-01-01T00:00:00.500Z"}"#;

#[test]
fn a_dump_without_tags_and_names_says_so() {
    let (facts, records) = read_files("zammad", &[("t.json", TICKET), ("a.json", &format!("[{ARTICLE}]"))]);
    assert_eq!(records[0].entries.len(), 1);
    let said = said(&facts);
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].contains("holds no tags") && said[1].contains("states as numbers"), "{said:?}");
    let record = records.into_iter().next().unwrap();
    assert_eq!(record.status.as_deref(), Some("open"));
    assert!(record.assignee.is_none(), "user 1 is nobody");
    assert_eq!(record.entries[0].author.as_ref().unwrap().email(), Some("pat@example.org"));
}

#[test]
fn tags_find_their_ticket_by_the_file_or_by_what_they_say() {
    let tags = r#"{"tags":["a","b"]}"#;
    for (name, text) in [
        ("tags_7.json", tags),
        ("tickets_7_tags.json", tags),
        ("7/tags.json", tags),
        ("tickets/7/tags.json", tags),
        ("GET_api_v1_tags_object_Ticket_o_id_7.json", tags),
        ("x.json", r#"{"o_id":7,"tags":["a","b"]}"#),
    ] {
        let (facts, records) = read_files("zammad", &[("t.json", TICKET), (name, text)]);
        assert_eq!(records[0].tags, ["a", "b"], "{name}: {:?}", said(&facts));
    }
    let (facts, records) = read_files(
        "zammad",
        &[("t.json", TICKET), ("u.json", &TICKET.replace("\"id\":7", "\"id\":8")), ("tags.json", tags)],
    );
    assert!(records[0].tags.is_empty());
    assert!(said(&facts).iter().any(|said| said.contains("1 lists of tags belong")), "{:?}", said(&facts));
}

#[test]
fn names_of_an_older_copy_count_as_long_as_they_are_those_of_the_same_ids() {
    let named = TICKET
        .replace("\"id\":7", "\"id\":7,\"state\":\"waiting\",\"group\":\"Sales\",\"customer\":\"pat@example.org\"");
    let newer = TICKET.replace("2024-01-02", "2024-01-03");
    let (facts, records) = read_files("zammad", &[("1.json", &named), ("2.json", &newer)]);
    assert_eq!(records[0].status.as_deref(), Some("waiting"));
    assert_eq!(records[0].fields["group"], "Sales");
    assert_eq!(records[0].requester.as_ref().unwrap().email(), Some("pat@example.org"));
    assert!(facts.counts.contains(&("duplicates", 1)));
    let closed = newer.replace("\"state_id\":2", "\"state_id\":4");
    let (_, records) = read_files("zammad", &[("1.json", &named), ("2.json", &closed)]);
    assert_eq!(records[0].status.as_deref(), Some("closed"));
    assert_eq!(records[0].fields["group"], "Sales");
}

#[test]
fn a_page_of_assets_has_its_tickets_tags_and_links() {
    let page = format!(
        r#"{{"ticket_id":7,"ticket_article_ids":[70],"assets":{{"Ticket":{{"7":{TICKET}}},"TicketArticle":{{"70":{ARTICLE}}}}},
            "tags":["a","b"],"links":[{{"link_type":"normal","link_object":"Ticket","link_object_value":9}}],"mentions":[]}}"#
    );
    // Beside another ticket nothing is told by being alone.
    let other = TICKET.replace("\"id\":7", "\"id\":8");
    let (facts, records) = read_files("zammad", &[("7.json", &page), ("8.json", &other)]);
    let record = records.iter().find(|record| record.id.original == "7").unwrap();
    assert_eq!(record.tags, ["a", "b"], "{:?}", said(&facts));
    assert_eq!(record.fields["linked"], serde_json::json!([9]));
    assert_eq!(record.entries.len(), 1);
}

#[test]
fn an_image_is_shown_from_its_attachment_wherever_it_stands_in_the_text() {
    let table = [
        ("<img src=\"/api/v1/ticket_attachment/7/70/9?view=inline\">", "<img src=\"cid:c\">", true),
        ("<img src='https://desk.example.org/api/v1/ticket_attachment/7/70/9'>é", "<img src='cid:c'>é", true),
        (
            "<a href=\"/api/v1/ticket_attachment/7/70/9\">x</a>",
            "<a href=\"/api/v1/ticket_attachment/7/70/9\">x</a>",
            false,
        ),
        ("<img src=\"/api/v1/ticket_attachment/7/70/91\">", "<img src=\"/api/v1/ticket_attachment/7/70/91\">", false),
        ("/api/v1/ticket_attachment/", "/api/v1/ticket_attachment/", false),
    ];
    for (text, expected, is_shown) in table {
        let mut body = text.to_owned();
        assert_eq!(show_inline(&mut body, "9", "c"), is_shown, "{text}");
        assert_eq!(body, expected);
    }
}

#[test]
fn zammad_is_recognised_by_its_keys_and_others_are_not() {
    let cases = [
        (TICKET, true),
        (ARTICLE, true),
        (
            "{\"tickets\":[366,352],\"tickets_count\":2,\"assets\":{\"Ticket\":{\"366\":{\"id\":366,\"number\":\"1\",\"title\":\"x\",\"customer_id\":2,\"state_id\":1}}}}",
            true,
        ),
        (r#"{"tickets":[{"id":1,"requester_id":2,"subject":"x","status":"open","via":{"channel":"web"}}]}"#, false),
        (r#"[{"id":1,"requester_id":2,"responder_id":3,"subject":"x","status":2}]"#, false),
        (r#"{"type":"conversation.list","conversations":[{"type":"conversation","id":"1"}]}"#, false),
        (r#"{"broken":"#, false),
        ("id,number,title,customer_id\n1,2,x,3\n", false),
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
    let (_, records) = read("zammad", &PathBuf::from(archives).join("zammad"));
    let mut found: Vec<_> = records
        .into_iter()
        .map(Result::unwrap)
        .map(|record| (record.id.original.clone(), record.status.clone().unwrap(), record.entries.len()))
        .collect();
    found.sort();
    let expected = [
        ("1", "open", 0),
        ("352", "merged", 0),
        ("355", "new", 0),
        ("366", "new", 0),
        ("373", "new", 0),
        ("374", "new", 0),
        ("375", "new", 0),
        ("424", "new", 1),
    ];
    assert_eq!(found, expected.map(|(id, status, entries)| (id.to_owned(), status.to_owned(), entries)));
}
