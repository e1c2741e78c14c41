use super::*;
use crate::source::tests::{read, read_files, said, sample};

#[test]
fn the_sample_is_read_with_everything_it_holds() {
    let (facts, records) = read("jira", &sample("jira"));
    let values: Vec<Value> = records.iter().map(|it| crate::record::json::to_value(it.as_ref().unwrap())).collect();
    insta::assert_json_snapshot!("sample", values);
    assert!(said(&facts).is_empty(), "{:?}", said(&facts));
}

#[test]
fn a_comment_is_internal_in_any_of_four_ways() {
    let ways = [
        (r#""jsdPublic":true"#, true),
        (r#""jsdPublic":false"#, false),
        (r#""public":false"#, false),
        (r#""visibility":{"type":"role","value":"Staff"}"#, false),
        (r#""properties":[{"key":"sd.public.comment","value":{"internal":true}}]"#, false),
        (r#""properties":[{"key":"sd.public.comment","value":{"internal":false}}]"#, true),
    ];
    for (way, expected) in ways {
        let issue = format!(
            r#"{{"id":"1","key":"A-1","self":"x","fields":{{"summary":"s","comment":{{"total":1,"comments":[
            {{"id":"2","author":{{"name":"x","displayName":"X"}},"body":"hello","created":"2024-01-01T00:00:00.000+0000",{way}}}]}}}}}}"#
        );
        let (_, records) = read_files("jira", &[("1.json", &issue)]);
        assert_eq!(records[0].entries[0].is_public, expected, "{way}");
    }
}

#[test]
fn copies_of_a_moved_issue_are_one_and_what_only_one_holds_is_kept() {
    let issue = |key: &str, updated: &str, more: &str| {
        format!(
            r#"{{"id":"1","key":"{key}","self":"x","fields":{{"summary":"s","updated":"{updated}T00:00:00.000+0000"{more}}}}}"#
        )
    };
    let old = issue("OLD-1", "2024-01-01", r#","description":"text","comment":{"total":0,"comments":[]}"#);
    let new = issue("NEW-7", "2024-02-01", "");
    let (facts, records) = read_files("jira", &[("1.json", &new), ("2.json", &old)]);
    assert!(facts.counts.contains(&("duplicates", 1)));
    assert_eq!(records[0].id.original, "NEW-7");
    assert_eq!(records[0].entries[0].body, Body::Html("<p>text</p>".to_owned()));
}

#[test]
fn what_jira_counts_and_the_archive_lacks_is_told() {
    let (_, records) = read("jira", &sample("jira"));
    let record = records.into_iter().flatten().find(|it| it.id.original == "SUP-3").unwrap();
    assert_eq!(record.oddities.len(), 1);
    assert!(record.oddities[0].message.starts_with("Jira counts 2 comments, and the archive holds 0"));
}

#[test]
fn an_address_that_stands_once_in_an_issue_is_known_throughout() {
    let (_, records) = read("jira", &sample("jira"));
    let records: Vec<Record> = records.into_iter().map(Result::unwrap).collect();
    let email = |issue: &str, entry: &str| {
        let record = records.iter().find(|it| it.id.original == issue).unwrap();
        let entry = record.entries.iter().find(|it| it.id == entry).unwrap();
        entry.author.as_ref().unwrap().email().map(str::to_owned)
    };
    assert_eq!(email("SUP-1", "10403").as_deref(), Some("cal@example.com"));
    assert_eq!(email("SUP-1", "event-10601").as_deref(), Some("sam@example.org"));
    assert_eq!(email("SUP-2", "10412").as_deref(), Some("gil@example.org"));
    assert_eq!(email("HELP-9", "20103"), None);
}
