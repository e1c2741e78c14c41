//! What mappings do to records, rule by rule.

use std::path::Path;

use super::{Converted, Mapped, Mapping};
use crate::conversation::{Author, Kind, Status, ThreadKind, UserRef};
use crate::record::{Body, Entry, Origin, Person, Record, RecordId};

fn mapping(rules: &str) -> Mapping {
    let text = format!("source = \"zendesk\"\n{rules}");
    Mapping::parse("test.toml", &text).unwrap_or_else(|error| panic!("{}", error.report))
}

fn at(text: &str) -> Option<jiff::Timestamp> {
    Some(text.parse().unwrap())
}

fn origin() -> Origin {
    Origin::line(&"tickets.json".into(), 7)
}

fn ada() -> Person {
    Person {
        id: Some("1".to_owned()),
        role: Some("agent".to_owned()),
        ..Person::with_email("Ada@example.org", Some("Ada Lovelace".to_owned()))
    }
}

fn bob() -> Person {
    Person {
        id: Some("2".to_owned()),
        role: Some("end-user".to_owned()),
        ..Person::with_email("Bob@Customer.example", Some("Bob van Dyke".to_owned()))
    }
}

fn entry(id: &str, author: Person, time: &str, text: &str) -> Entry {
    Entry {
        id: id.to_owned(),
        origin: origin(),
        kind: "Comment".to_owned(),
        is_public: true,
        author: Some(author),
        to: Vec::new(),
        cc: Vec::new(),
        bcc: Vec::new(),
        body: Body::Text(text.to_owned()),
        created_at: at(time),
        attachments: Vec::new(),
        fields: serde_json::Map::new(),
    }
}

/// A question by Bob and an answer by Ada.
fn record() -> Record {
    Record {
        id: RecordId::new("zendesk", "4711"),
        origin: origin(),
        subject: Some("Printer on fire".to_owned()),
        status: Some("open".to_owned()),
        channel: Some("email".to_owned()),
        requester: Some(bob()),
        assignee: Some(ada()),
        cc: Vec::new(),
        tags: vec!["Urgent".to_owned(), "urgent".to_owned(), "closed_by_merge".to_owned()],
        created_at: at("2020-03-01T10:00:00Z"),
        updated_at: at("2020-03-02T10:00:00Z"),
        closed_at: None,
        url: Some("https://old.example.org/4711".to_owned()),
        entries: vec![
            entry("a", bob(), "2020-03-01T10:00:00Z", "It burns."),
            entry("b", ada(), "2020-03-01T11:00:00Z", "Use water."),
        ],
        fields: serde_json::Map::new(),
        oddities: Vec::new(),
    }
}

#[track_caller]
fn ready(mapping: &Mapping, record: Record) -> Mapped {
    match mapping.convert(record) {
        Converted::Ready(mapped) => *mapped,
        other => panic!("not ready: {other:?}"),
    }
}

fn user(address: &str) -> Author {
    Author::User(UserRef::Address(address.to_owned()))
}

#[test]
fn every_wrong_mapping_is_refused_with_its_golden_report() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mappings/wrong");
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .filter_map(|file| file.unwrap().file_name().to_str()?.strip_suffix(".toml").map(str::to_owned))
        .collect();
    names.sort();
    assert!(names.len() >= 25, "only {} wrong mappings", names.len());
    let mut differing = Vec::new();
    for name in names {
        let text = std::fs::read_to_string(folder.join(format!("{name}.toml"))).unwrap();
        let golden = folder.join(format!("{name}.txt"));
        let Err(error) = Mapping::parse(&format!("{name}.toml"), &text) else {
            panic!("`{name}.toml` is not refused");
        };
        if std::env::var_os("FOXFERRY_BLESS").is_some() {
            std::fs::write(&golden, &error.report).unwrap();
        }
        if std::fs::read_to_string(&golden).unwrap_or_default() != error.report {
            differing.push(format!("{name}:\n{}", error.report));
        }
    }
    assert!(differing.is_empty(), "these differ (FOXFERRY_BLESS=1 accepts them):\n{}", differing.join("\n"));
}

#[test]
fn built_in_mappings_load_and_are_for_their_source() {
    for (name, _) in Mapping::built_in() {
        let mapping = Mapping::load(name).unwrap_or_else(|error| panic!("{}", error.report));
        assert_eq!(mapping.source(), *name);
        assert_eq!(mapping.file(), *name);
    }
}

#[test]
fn a_plain_record_becomes_a_conversation_without_findings() {
    let mapped = ready(&mapping("[status]\nfrom = 'status'\ntable = { open = 'active' }"), record());
    let conversation = &mapped.conversation;
    assert!(mapped.findings.is_empty(), "{:?}", mapped.findings);
    assert_eq!(conversation.subject, "Printer on fire");
    assert_eq!(conversation.status, Status::Active);
    assert_eq!(conversation.kind, Kind::Email);
    assert_eq!(conversation.mailbox, None);
    assert_eq!(conversation.closed_at, None);
    assert_eq!(conversation.assignee, Some(UserRef::Address("ada@example.org".to_owned())));
    assert_eq!(conversation.customer.key, "bob@customer.example");
    assert_eq!(conversation.customer.first_name, "Bob");
    assert_eq!(conversation.customer.last_name, "van Dyke");
    assert_eq!(conversation.tags, ["urgent", "closed_by_merge"]);
    let [question, answer] = &conversation.threads[..] else { panic!("{:?}", conversation.threads) };
    assert_eq!(question.kind, ThreadKind::Customer);
    assert_eq!(question.author, Author::Customer(conversation.customer.clone()));
    assert!(question.body.contains("It burns."));
    assert_eq!(answer.kind, ThreadKind::Message);
    assert_eq!(answer.author, user("ada@example.org"));
    assert_eq!(answer.shown_name.as_deref(), Some("Ada Lovelace"));
}
