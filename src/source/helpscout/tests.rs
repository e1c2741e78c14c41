use super::*;
use crate::source::tests::{read, read_files, sample};

#[test]
fn the_sample_is_read_with_everything_it_holds() {
    let (facts, records) = read("helpscout", &sample("helpscout"));
    let expected = [
        ("tickets", 5),
        ("messages", 7),
        ("lost_messages", 0),
        ("persons", 3),
        ("attachment_files", 1),
        ("duplicates", 0),
    ];
    assert_eq!(facts.counts[..6], expected);
    assert!(facts.oddities.is_empty(), "{:?}", facts.oddities);
    let records: Vec<Record> = records.into_iter().map(Result::unwrap).collect();
    let values: Vec<Value> = records.iter().map(crate::record::json::to_value).collect();
    insta::assert_json_snapshot!("sample", values);
}

#[test]
fn bytes_come_out_of_their_wrapping() {
    let (_, records) = read("helpscout", &sample("helpscout"));
    let lamp = records.into_iter().flatten().find(|record| record.id.original == "1001").unwrap();
    let first = &lamp.entries[0];
    assert_eq!(first.attachments[0].content.length(), Some(18));
    assert!(matches!(&first.attachments[1].content, Content::Link { .. }));
}

#[test]
fn threads_find_their_conversation_or_are_named_as_lost() {
    let conversation = |id: u32| {
        format!(
            r#"{{"id":{id},"number":{id},"threads":1,"mailboxId":1,"folderId":1,"subject":"s","createdAt":"2023-01-01T00:00:00Z","primaryCustomer":{{"id":1,"type":"customer","email":"a@example.net"}},"_embedded":{{"threads":[]}},"_links":{{}}}}"#
        )
    };
    let thread = r#"{"id":7,"type":"customer","state":"published","body":"hello","createdBy":{"id":1,"type":"customer","email":"a@example.net"},"createdAt":"2023-01-01T00:00:00Z"}"#;
    let page = |link: &str| {
        format!(
            r#"{{"_embedded":{{"threads":[{thread}]}},"_links":{{"self":{{"href":"{link}"}}}},"page":{{"number":1}}}}"#
        )
    };
    let two = format!("[{},{}]", conversation(12), conversation(13));
    let one = conversation(13);
    let linked = page("https://api.example.net/v2/conversations/13/threads?page=1");
    let bare = page("...");
    let beside = format!(r#"{{"conversation":{one},"threads":[{thread}]}}"#);
    type Files<'a> = Vec<(&'a str, &'a str)>;
    let cases: [(&str, Files<'_>, bool); 6] = [
        ("the page's link", vec![("c.json", &two), ("t.json", &linked)], true),
        ("the file's name", vec![("c.json", &two), ("conversation_13_threads.json", &bare)], true),
        ("the folder's name", vec![("c.json", &two), ("13/threads.json", &bare)], true),
        ("the only one", vec![("c.json", &one), ("t.json", &bare)], true),
        ("beside", vec![("c.json", &beside)], true),
        ("nothing", vec![("c.json", &two), ("t.json", &bare)], false),
    ];
    for (name, files, is_found) in cases {
        let (facts, records) = read_files("helpscout", &files);
        let record = records.iter().find(|record| record.id.original == "13").unwrap();
        assert_eq!(record.entries.len(), usize::from(is_found), "{name}");
        assert_eq!(facts.counts[2], ("lost_messages", u64::from(!is_found)), "{name}");
        let codes: Vec<_> = record.oddities.iter().map(|it| it.code).collect();
        assert_eq!(codes.contains(&codes::READ_MISSING_PART), !is_found, "{name}: {codes:?}");
    }
}
