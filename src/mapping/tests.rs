//! What mappings do to records, rule by rule.

use std::path::Path;

use serde_json::json;

use super::{Converted, Mapped, Mapping, Skipped};
use crate::content::Content;
use crate::conversation::{Author, Kind, Status, Thread, ThreadKind, UserRef};
use crate::finding::codes;
use crate::record::{Attachment, Body, Entry, Origin, Person, Record, RecordId};

mod language;
mod lint;

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
        status: None,
        channel: None,
        requester: Some(bob()),
        assignee: Some(ada()),
        cc: Vec::new(),
        tags: vec!["Urgent".to_owned(), "urgent".to_owned(), "closed_by_merge".to_owned()],
        created_at: at("2020-03-01T10:00:00Z"),
        updated_at: at("2020-03-02T10:00:00Z"),
        closed_at: None,
        url: None,
        entries: vec![
            entry("a", bob(), "2020-03-01T10:00:00Z", "It burns."),
            entry("b", ada(), "2020-03-01T11:00:00Z", "Use water."),
        ],
        fields: serde_json::Map::new(),
        oddities: Vec::new(),
    }
}

/// The same with what needs rules: status, channel and address.
fn open() -> Record {
    Record { status: Some("open".to_owned()), ..record() }
}

#[track_caller]
fn ready(mapping: &Mapping, record: Record) -> Mapped {
    match mapping.convert(record) {
        Converted::Ready(mapped) => *mapped,
        other => panic!("not ready: {other:?}"),
    }
}

#[track_caller]
fn skipped(mapping: &Mapping, record: Record) -> Skipped {
    match mapping.convert(record) {
        Converted::Skipped(skipped) => skipped,
        other => panic!("not skipped: {other:?}"),
    }
}

fn has(mapped: &Mapped, code: &str) -> bool {
    mapped.findings.iter().any(|finding| finding.code == code)
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
        // What exports wrote is read by the source of its format, with a mapping of its own.
        assert_eq!(mapping.source(), name.strip_prefix("freescout-").unwrap_or(name));
        assert_eq!(mapping.file(), *name);
    }
}

#[test]
fn a_plain_record_becomes_a_conversation_without_findings() {
    let mapped = ready(&mapping("[status]\nfrom = 'status'\ntable = { open = 'active' }"), open());
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

#[test]
fn table_keys_are_compared_without_case_and_space() {
    let rules = mapping("[status]\nfrom = 'status'\ntable = { 'On Hold' = 'pending' }\ndefault = 'closed'");
    let mut waiting = record();
    waiting.status = Some(" ON hold ".to_owned());
    let mapped = ready(&rules, waiting);
    assert_eq!(mapped.conversation.status, Status::Pending);
    assert!(mapped.rules.iter().any(|rule| &**rule == "status"));
}

#[test]
fn a_value_in_no_table_takes_the_default_and_is_reported_with_the_value() {
    let rules = mapping("[status]\nfrom = 'status'\ntable = { new = 'active' }\ndefault = 'closed'");
    let mapped = ready(&rules, open());
    assert_eq!(mapped.conversation.status, Status::Closed);
    let finding = mapped.findings.iter().find(|finding| finding.code == codes::MAP_UNMAPPED_VALUE).unwrap();
    assert_eq!(finding.field.as_deref(), Some("status"));
    assert_eq!(finding.message, "`open` is in no table; `closed` was used");
    assert_eq!(finding.record, Some(RecordId::new("zendesk", "4711")));
    assert_eq!(finding.origin, Some(origin()));
}

#[test]
fn a_missing_value_takes_the_default_silently() {
    let rules = mapping("[status]\nfrom = 'status'\ntable = { new = 'active' }\ndefault = 'closed'");
    let mut silent = record();
    silent.status = None;
    let mapped = ready(&rules, silent);
    assert_eq!(mapped.conversation.status, Status::Closed);
    assert!(!has(&mapped, codes::MAP_UNMAPPED_VALUE));
}

#[test]
fn a_record_is_skipped_by_status_and_by_rule_with_the_reason() {
    let rules = mapping(
        "[status]\nfrom = 'status'\nskip = { Deleted = 'deleted there' }\n[[skip]]\nwhen = \"'spam' in tags and requester.role == 'end-user'\"\nreason = 'advertising'",
    );
    let mut deleted = record();
    deleted.status = Some("deleted".to_owned());
    let outcome = skipped(&rules, deleted);
    assert_eq!(outcome.reason, "deleted there");
    assert_eq!(outcome.id.original, "4711");
    let mut advertising = record();
    advertising.tags.push("spam".to_owned());
    assert_eq!(skipped(&rules, advertising).reason, "advertising");
    ready(&rules, record());
}

#[test]
fn mailbox_and_type_go_by_fields() {
    let rules = mapping(
        "type = { from = 'channel', table = { voice = 'phone' }, default = 'email' }\n[mailbox]\nfrom = 'group'\ntable = { Billing = 'Billing@example.org' }\ndefault = 'support@example.org'",
    );
    let mut billing = record();
    billing.fields.insert("group".to_owned(), json!("billing"));
    billing.channel = Some("voice".to_owned());
    let mapped = ready(&rules, billing);
    assert_eq!(mapped.conversation.mailbox.as_deref(), Some("billing@example.org"));
    assert_eq!(mapped.conversation.kind, Kind::Phone);
    assert_eq!(ready(&rules, record()).conversation.mailbox.as_deref(), Some("support@example.org"));
    assert_eq!(rules.names().mailboxes, ["billing@example.org", "support@example.org"]);
}

#[test]
fn a_mailbox_of_ours_is_never_a_customer() {
    let rules = mapping("mailbox = 'support@example.org'");
    let mut ours = record();
    ours.entries[0].cc = vec![Person::with_email("Support@example.org", None)];
    assert!(ready(&rules, ours).conversation.threads[0].cc.is_empty());
}

#[test]
fn subjects_are_one_trimmed_line_of_at_most_998_characters() {
    let cases: &[(&str, Option<String>, &str, Option<&str>)] = &[
        ("trimmed", Some("  Hello \n".into()), "Hello", None),
        ("folded", Some("Hello\r\n\tworld".into()), "Hello world", None),
        ("missing", None, "(no subject)", Some(codes::MAP_NO_SUBJECT)),
        ("blank", Some(" \u{a0} ".into()), "(no subject)", Some(codes::MAP_NO_SUBJECT)),
        ("long", Some("ä".repeat(999)), &"ä".repeat(998), Some(codes::SUBJECT_CUT)),
        ("just fits", Some("ä".repeat(998)), &"ä".repeat(998), None),
    ];
    for (name, subject, expected, code) in cases {
        let mut given = record();
        given.subject.clone_from(subject);
        let mapped = ready(&mapping(""), given);
        assert_eq!(mapped.conversation.subject, *expected, "{name}");
        assert_eq!(mapped.findings.iter().map(|finding| finding.code).next(), *code, "{name}");
    }
}

#[test]
fn a_subject_can_be_made_of_other_fields() {
    let rules = mapping("subject = '{{ subject }} [{{ id }}]'");
    assert_eq!(ready(&rules, record()).conversation.subject, "Printer on fire [4711]");
    let rules = mapping("subject = { from = 'raw_subject', default = 'Nothing' }");
    assert_eq!(ready(&rules, record()).conversation.subject, "Nothing");
}

#[test]
fn own_domains_roles_and_the_agents_table_make_staff() {
    for (name, rules) in [
        ("domain", "[people]\nroles = []\nown = ['@example.org']"),
        ("address", "[people]\nroles = []\nown = ['ada@EXAMPLE.org']"),
        ("role", "[people]\nroles = ['Agent']"),
        ("agents", "[people]\nroles = []\n[people.agents]\n'ada@example.org' = 'ada@example.org'"),
    ] {
        let mapped = ready(&mapping(rules), record());
        assert_eq!(mapped.conversation.threads[1].kind, ThreadKind::Message, "{name}");
        assert_eq!(mapped.conversation.threads[1].author, user("ada@example.org"), "{name}");
    }
    let mapped = ready(&mapping("[people]\nroles = []"), record());
    assert_eq!(mapped.conversation.threads[1].kind, ThreadKind::Customer);
}

#[test]
fn a_mapped_agent_becomes_the_user_of_the_table() {
    let rules = mapping("[people.agents]\n'ADA@example.org' = 'lovelace@example.net'");
    let mapped = ready(&rules, record());
    assert_eq!(mapped.conversation.threads[1].author, user("lovelace@example.net"));
    assert_eq!(mapped.conversation.assignee, Some(UserRef::Address("lovelace@example.net".to_owned())));
    assert_eq!(rules.names().users, ["lovelace@example.net"]);
}

#[test]
fn a_departed_agent_is_named_in_the_text_and_credited_to_the_default_user() {
    let rules = mapping(
        "[people]\ndefault = 'admin@example.org'\n[people.agents]\n'ada@example.org' = { departed = 'Ada <left>' }",
    );
    let mapped = ready(&rules, record());
    let answer = &mapped.conversation.threads[1];
    assert_eq!(answer.author, user("admin@example.org"));
    assert!(answer.body.starts_with("<p><em>Ada &lt;left&gt;:</em></p>"), "{}", answer.body);
    assert_eq!(answer.shown_name, None);
    assert_eq!(mapped.conversation.assignee, None);
    assert!(has(&mapped, codes::MAP_DEPARTED_AGENT));
}

#[test]
fn an_agent_without_an_address_is_named_in_the_text() {
    let rules = mapping("[people.agents]\ndefault = 'admin@example.org'");
    let mut nameless = record();
    nameless.entries[1].author = Some(Person { emails: Vec::new(), ..ada() });
    nameless.assignee = Some(Person { emails: Vec::new(), ..ada() });
    let mapped = ready(&rules, nameless);
    let answer = &mapped.conversation.threads[1];
    assert_eq!(answer.author, user("admin@example.org"));
    assert!(answer.body.starts_with("<p><em>Ada Lovelace:</em></p>"), "{}", answer.body);
    assert_eq!(mapped.conversation.assignee, None);
    assert_eq!(mapped.findings.iter().filter(|f| f.code == codes::MAP_UNKNOWN_AGENT).count(), 2);
}

#[test]
fn without_a_default_user_the_first_administrator_is_used_and_said_once() {
    let mut nameless = record();
    for entry in &mut nameless.entries {
        entry.author = None;
        entry.is_public = false;
    }
    let mapped = ready(&mapping(""), nameless);
    for thread in &mapped.conversation.threads {
        assert_eq!(thread.kind, ThreadKind::Note);
        assert_eq!(thread.author, Author::User(UserRef::FirstAdministrator));
    }
    assert_eq!(mapped.findings.iter().filter(|f| f.code == codes::MAP_DEFAULT_USER).count(), 1);
}

#[test]
fn what_customers_could_not_see_is_a_note_that_names_its_writer() {
    let mut private = record();
    private.entries[0].is_public = false;
    private.entries[1].is_public = false;
    let mapped = ready(&mapping("[people]\ndefault = 'admin@example.org'"), private);
    let [by_customer, by_agent] = &mapped.conversation.threads[..] else { panic!() };
    assert_eq!(by_customer.kind, ThreadKind::Note);
    assert_eq!(by_customer.author, user("admin@example.org"));
    assert!(by_customer.body.contains("<em>Bob van Dyke:</em>"));
    assert_eq!(by_agent.kind, ThreadKind::Note);
    assert_eq!(by_agent.author, user("ada@example.org"));
}

#[test]
fn a_public_entry_without_an_author_is_the_customers() {
    let mut anonymous = record();
    anonymous.entries[1].author = Some(Person::default());
    let mapped = ready(&mapping(""), anonymous);
    let thread = &mapped.conversation.threads[1];
    assert_eq!(thread.kind, ThreadKind::Customer);
    assert_eq!(thread.author, Author::Customer(mapped.conversation.customer.clone()));
}

#[test]
fn another_customer_keeps_what_they_wrote() {
    let mut three = record();
    three.entries.push(entry("c", Person::with_email("eve@customer.example", None), "2020-03-01T12:00:00Z", "Me too"));
    let mapped = ready(&mapping(""), three);
    let Author::Customer(eve) = &mapped.conversation.threads[2].author else { panic!() };
    assert_eq!(eve.key, "eve@customer.example");
    assert_eq!(mapped.conversation.customer.key, "bob@customer.example");
}

#[test]
fn several_addresses_are_one_person() {
    let mut two = record();
    two.requester.as_mut().unwrap().emails.push("bob@home.example".to_owned());
    two.entries[0].author = Some(Person::with_email("BOB@home.example", None));
    let mapped = ready(&mapping(""), two);
    assert_eq!(mapped.conversation.customer.emails, ["bob@customer.example", "bob@home.example"]);
    assert_eq!(mapped.conversation.threads[0].author, Author::Customer(mapped.conversation.customer.clone()));
}

#[test]
fn without_a_requester_the_first_writer_outside_is_the_customer() {
    let mut orphan = record();
    orphan.requester = None;
    orphan.entries.swap(0, 1);
    assert_eq!(ready(&mapping(""), orphan).conversation.customer.key, "bob@customer.example");
    let mut outgoing = record();
    outgoing.requester = None;
    outgoing.entries.remove(0);
    outgoing.entries[0].to = vec![ada(), Person::with_email("eve@customer.example", None)];
    assert_eq!(ready(&mapping(""), outgoing).conversation.customer.key, "eve@customer.example");
}

#[test]
fn a_requester_who_is_staff_gives_way_to_a_customer_or_a_stand_in() {
    let mut inside = record();
    inside.requester = Some(ada());
    assert_eq!(ready(&mapping(""), inside.clone()).conversation.customer.key, "bob@customer.example");
    inside.entries.remove(0);
    let mapped = ready(&mapping(""), inside.clone());
    assert_eq!(mapped.conversation.customer.key, "zendesk-record-4711@no-address.invalid");
    assert!(mapped.conversation.customer.is_stand_in);
    assert!(has(&mapped, codes::PERSON_IS_STAFF));
    assert_eq!(mapped.conversation.threads[0].kind, ThreadKind::Message);
    let mapped = ready(&mapping("[people]\nstaff_as_customers = true"), inside);
    assert_eq!(mapped.conversation.customer.key, "ada@example.org");
    assert_eq!(mapped.conversation.threads[0].kind, ThreadKind::Customer);
}

#[test]
fn a_person_without_an_address_gets_a_stable_stand_in() {
    let mut phone = record();
    let caller = Person { name: Some("Carl".to_owned()), phones: vec!["+49 30 1".to_owned()], ..Person::default() };
    phone.requester = Some(caller.clone());
    phone.entries[0].author = Some(caller);
    let mapped = ready(&mapping(""), phone.clone());
    let customer = &mapped.conversation.customer;
    assert!(customer.is_stand_in);
    assert!(customer.key.starts_with("zendesk-name-") && customer.key.ends_with("@no-address.invalid"));
    assert_eq!(customer.phones, ["+49 30 1"]);
    assert_eq!(mapped.findings.iter().filter(|f| f.code == codes::PERSON_STAND_IN).count(), 1);
    assert_eq!(mapped.conversation.threads[0].author, Author::Customer(customer.clone()));
    phone.id.original = "4712".to_owned();
    assert_eq!(ready(&mapping(""), phone).conversation.customer.key, customer.key);
}

#[test]
fn an_address_that_only_the_messages_know_saves_a_stand_in() {
    let mut split = record();
    split.requester = Some(Person { emails: Vec::new(), ..bob() });
    let mapped = ready(&mapping(""), split);
    assert_eq!(mapped.conversation.customer.key, "bob@customer.example");
    assert!(!has(&mapped, codes::PERSON_STAND_IN));
}

#[test]
fn copied_people_are_outside_distinct_and_not_the_customer() {
    let mut copied = record();
    let people = ["eve@x.example", "EVE@x.example", "bob@customer.example", "not an address", "colleague@example.org"];
    copied.entries[0].cc = people.iter().map(|email| Person::with_email(*email, None)).collect();
    copied.cc = vec![Person::with_email("dan@x.example", None), ada()];
    copied.entries[1].bcc = vec![Person::with_email("secret@x.example", None)];
    let mapped = ready(&mapping("[people]\nown = ['@example.org']"), copied.clone());
    assert_eq!(mapped.conversation.threads[0].cc, ["eve@x.example", "dan@x.example"]);
    assert_eq!(mapped.conversation.threads[1].bcc, ["secret@x.example"]);
    assert!(has(&mapped, codes::PERSON_BAD_ADDRESS));
    let mapped = ready(&mapping("[threads]\ncc = false"), copied);
    assert!(mapped.conversation.threads.iter().all(|thread| thread.cc.is_empty() && thread.bcc.is_empty()));
}

#[test]
fn those_whom_a_customer_wrote_to_are_copied_only_when_we_know_who_we_are() {
    let mut mail = record();
    mail.entries[0].to = ["support@example.org", "eve@x.example"].map(|a| Person::with_email(a, None)).to_vec();
    assert!(ready(&mapping(""), mail.clone()).conversation.threads[0].cc.is_empty());
    let mapped = ready(&mapping("[people]\nown = ['support@example.org']"), mail);
    assert_eq!(mapped.conversation.threads[0].cc, ["eve@x.example"]);
}

#[test]
fn tags_come_from_fields_and_are_lowered_dropped_and_added() {
    let rules = mapping(
        "[tags]\nfrom = ['tags', { from = 'priority', prefix = 'priority-', table = { normal = '' } }, 'labels']\nadd = ['From-Zendesk']\ndrop = ['closed_*']",
    );
    let mut tagged = record();
    tagged.fields.insert("priority".to_owned(), json!("High"));
    tagged.fields.insert("labels".to_owned(), json!(["Grün", 7, null, "x".repeat(200)]));
    let mapped = ready(&rules, tagged.clone());
    assert_eq!(mapped.conversation.tags, ["urgent", "priority-high", "grün", "7", &"x".repeat(191), "from-zendesk"]);
    assert!(has(&mapped, codes::NAME_CUT));
    tagged.fields.insert("priority".to_owned(), json!("normal"));
    assert!(!ready(&rules, tagged).conversation.tags.iter().any(|tag| tag.starts_with("priority")));
}

#[test]
fn custom_fields_come_from_templates_and_rules() {
    let rules = mapping(
        "[fields]\n'Old number' = '{{ id }}'\n'Order' = { from = 'custom_fields[\"Order number\"]' }\nPriority = { from = 'priority', table = { high = 'High' }, default = 'Medium' }\nLink = 'see {{ url }} {{ created_at | date(\"%d.%m.%Y %H:%M\", zone=\"Europe/Berlin\") }}'\nNone = '{{ nothing }}'",
    );
    let mut fields = Record { url: Some("https://old.example.org/4711".to_owned()), ..record() };
    fields.fields.insert("custom_fields".to_owned(), json!({"Order number": [12, "A"]}));
    fields.fields.insert("priority".to_owned(), json!("HIGH"));
    let mapped = ready(&rules, fields);
    let expected = [
        ("Link", "see https://old.example.org/4711 01.03.2020 11:00"),
        ("Old number", "4711"),
        ("Order", "12, A"),
        ("Priority", "High"),
    ];
    let found: Vec<(&str, &str)> = mapped.conversation.fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    assert_eq!(found, expected);
    let names = rules.names();
    assert!(names.fields.contains(&("Priority".to_owned(), vec!["High".to_owned(), "Medium".to_owned()])));
    assert!(names.fields.contains(&("Order".to_owned(), Vec::new())));
}

#[test]
fn the_customers_profile_comes_from_rules() {
    let rules = mapping(
        "[customer]\ncompany = '{{ organization }}'\nnotes = 'VIP: {{ requester.vip }}{{ requester.mobile }}'\n[customer.fields]\nTier = { from = 'requester.tier' }",
    );
    let mut profile = record();
    profile.fields.insert("organization".to_owned(), json!("Printers & Co"));
    let requester = profile.requester.as_mut().unwrap();
    requester.fields.insert("vip".to_owned(), json!(true));
    requester.fields.insert("mobile".to_owned(), json!(null));
    requester.fields.insert("tier".to_owned(), json!("gold"));
    let mapped = ready(&rules, profile);
    let customer = &mapped.conversation.customer;
    assert_eq!(customer.company.as_deref(), Some("Printers & Co"));
    assert_eq!(customer.notes.as_deref(), Some("VIP: true"));
    assert_eq!(customer.fields.get("Tier"), Some(&json!("gold")));
    assert_eq!(rules.names().customer_fields, ["Tier"]);
    assert!(!has(&mapped, codes::MAP_LOST_FIELD), "{:?}", mapped.findings);
}

#[test]
fn the_assignee_can_be_nobody_or_given_by_a_rule() {
    assert_eq!(ready(&mapping("assignee = 'nobody'"), record()).conversation.assignee, None);
    let rules = mapping("[assignee]\nfrom = 'group'\ntable = { Billing = 'ada@example.org', Old = 'nobody' }");
    let mut billing = record();
    billing.fields.insert("group".to_owned(), json!("Billing"));
    let expected = Some(UserRef::Address("ada@example.org".to_owned()));
    assert_eq!(ready(&rules, billing.clone()).conversation.assignee, expected);
    billing.fields.insert("group".to_owned(), json!("old"));
    assert_eq!(ready(&rules, billing).conversation.assignee, None);
}

#[test]
fn entries_are_left_out_and_retyped_by_rule() {
    let rules = mapping(
        "[threads]\nwhen = \"entry.kind != 'lineitem'\"\ntype = { from = 'entry.kind', table = { VoiceComment = 'note' } }",
    );
    let mut three = record();
    three.entries[0].kind = "lineitem".to_owned();
    three.entries[1].kind = "VoiceComment".to_owned();
    let mapped = ready(&rules, three.clone());
    let [only] = &mapped.conversation.threads[..] else { panic!() };
    assert_eq!((only.entry.as_str(), only.kind), ("b", ThreadKind::Note));
    assert!(has(&mapped, codes::MAP_DROPPED_ENTRY));
    three.entries.truncate(1);
    let mapped = ready(&rules, three);
    assert!(mapped.conversation.threads[0].body.contains("(no messages in the archive)"));
    assert!(has(&mapped, codes::READ_NO_ENTRIES));
}

#[test]
fn header_and_footer_escape_values_and_lead_nowhere_dangerous() {
    let rules = mapping(
        "[threads]\nheader = '{% if loop.last %}<p>last of {{ loop.length }}</p>{% endif %}'\nfooter = '{% if loop.first %}<p><a href=\"{{ url }}\">{{ subject }}</a></p>{% endif %}'",
    );
    let mut hostile = record();
    hostile.subject = Some("<script>alert(1)</script>".to_owned());
    hostile.url = Some("javascript:alert(1)".to_owned());
    let mapped = ready(&rules, hostile);
    let [first, last] = &mapped.conversation.threads[..] else { panic!() };
    assert!(first.body.contains("&lt;script&gt;") && !first.body.contains("javascript:"), "{}", first.body);
    assert!(last.body.starts_with("<p>last of 2</p>"), "{}", last.body);
    assert!(!last.body.contains("script"));
}

#[test]
fn a_text_without_anything_to_see_gets_a_visible_line() {
    for (name, body) in [
        ("nothing", Body::Empty),
        ("space", Body::Text(" \n\u{a0}".to_owned())),
        ("tags", Body::Html("<div><br>&nbsp;<p></p></div>".to_owned())),
        ("script", Body::Html("<script>x()</script>".to_owned())),
    ] {
        let mut blank = record();
        blank.entries[0].body = body;
        let mapped = ready(&mapping(""), blank);
        assert_eq!(mapped.conversation.threads[0].body, "<p><em>(no text)</em></p>", "{name}");
        assert!(has(&mapped, codes::MAP_EMPTY_BODY), "{name}");
    }
}

fn file(name: &str, content: Content) -> Attachment {
    Attachment { name: name.to_owned(), mime: None, content_id: None, is_inline: false, content }
}

#[track_caller]
fn first_with(body: Body, attachments: Vec<Attachment>, rules: &str) -> (Thread, Vec<&'static str>) {
    let mut given = record();
    given.entries[0].body = body;
    given.entries[0].attachments = attachments;
    let mapped = ready(&mapping(rules), given);
    let found = mapped.findings.iter().map(|finding| finding.code).collect();
    (mapped.conversation.threads.into_iter().next().unwrap(), found)
}

#[test]
fn files_without_bytes_become_visible_lines() {
    let link = Content::Link { url: "https://old.example.org/a?b&c".to_owned(), claimed_length: Some(1_234_567) };
    let unsafe_link = Content::Link { url: "javascript:x".to_owned(), claimed_length: None };
    let gone = Content::Missing { reason: "scrubbed".to_owned(), claimed_length: Some(12) };
    let attachments = vec![
        file("<plan>.pdf", link),
        file("x.txt", unsafe_link),
        file("gone.doc", gone),
        file("empty.txt", Content::bytes(Vec::new())),
    ];
    let (thread, found) = first_with(Body::Text("See files".to_owned()), attachments, "");
    assert!(thread.attachments.is_empty());
    let lines = thread.body.split_once("See files").unwrap().1;
    assert!(
        lines.contains(
            "<a href=\"https://old.example.org/a?b&amp;c\">&lt;plan&gt;.pdf</a> (1.2 MB), at https://old.example.org/a<"
        ),
        "{lines}"
    );
    assert!(lines.contains("x.txt</em>") && !lines.contains("javascript"), "{lines}");
    assert!(lines.contains("gone.doc (12 bytes)"), "{lines}");
    assert!(lines.contains("Empty file: empty.txt"), "{lines}");
    let missing = codes::ATTACHMENT_MISSING;
    assert_eq!(found, [missing, missing, missing, codes::ATTACHMENT_EMPTY]);
}

#[test]
fn files_with_bytes_get_a_name_and_a_type() {
    let bytes = || Content::bytes(*b"x");
    let attachments = vec![
        file("Scan.PDF", bytes()),
        file("noend", bytes()),
        file(" ", bytes()),
        Attachment { mime: Some("Image/PNG; name=x".to_owned()), ..file("", bytes()) },
    ];
    let (thread, found) = first_with(Body::Empty, attachments, "");
    let names: Vec<(&str, &str)> = thread.attachments.iter().map(|a| (a.name.as_str(), a.mime.as_str())).collect();
    let stream = "application/octet-stream";
    let expected = [
        ("Scan.PDF", "application/pdf"),
        ("noend", stream),
        ("attachment-3", stream),
        ("attachment-4.png", "image/png"),
    ];
    assert_eq!(names, expected);
    assert_eq!(thread.body, "<p><em>(no text)</em></p>");
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn images_inside_a_text_are_embedded_attached_or_named() {
    let image = |id: &str, length: usize| Attachment {
        mime: Some("image/png".to_owned()),
        content_id: Some(id.to_owned()),
        is_inline: true,
        ..file("pic.png", Content::bytes(vec![7; length]))
    };
    let html = |id: &str| Body::Html(format!("<p>Look <img alt=\"a > b\" src=\"cid:{id}\"> here</p>"));
    let (thread, found) = first_with(html("a%40x"), vec![image("a@x", 3)], "");
    assert!(thread.body.contains("src=\"data:image/png;base64,BwcH\""), "{}", thread.body);
    assert!(thread.attachments.is_empty() && found.is_empty(), "{found:?}");
    for (name, length, rules) in [("too big", 300 * 1024, ""), ("by rule", 3, "[html]\ninline_images = 'attach'")] {
        let (thread, found) = first_with(html("a@x"), vec![image("a@x", length)], rules);
        assert!(thread.body.contains("Look <em>[image: pic.png]</em> here"), "{name}: {}", thread.body);
        assert_eq!(thread.attachments.len(), 1, "{name}");
        assert!(found.is_empty(), "{name}: {found:?}");
    }
    let (thread, found) = first_with(html("b@x"), vec![image("a@x", 3)], "");
    assert!(thread.body.contains("[an image that is not in the archive]"), "{}", thread.body);
    assert_eq!((thread.attachments.len(), found), (1, vec![codes::ATTACHMENT_MISSING]));
}

#[test]
fn html_that_loses_something_is_reported() {
    let (thread, found) = first_with(Body::Html("<p onclick='x()'>Hi</p><script>x</script>".into()), Vec::new(), "");
    assert!(thread.body.contains("Hi") && !thread.body.contains("script"));
    assert_eq!(found, [codes::HTML_CLEANED]);
}

fn times(mapped: &Mapped) -> Vec<String> {
    mapped.conversation.threads.iter().map(|thread| format!("{} {}", thread.entry, thread.created_at)).collect()
}

#[test]
fn threads_are_sorted_by_time_and_made_distinct() {
    let mut equal = record();
    equal.entries = vec![
        entry("late", bob(), "2020-03-01T10:00:01.9Z", "3"),
        entry("first", bob(), "2020-03-01T10:00:00.7Z", "1"),
        entry("second", bob(), "2020-03-01T10:00:00.2Z", "2"),
    ];
    let mapped = ready(&mapping(""), equal);
    let expected = ["first 2020-03-01T10:00:00Z", "second 2020-03-01T10:00:01Z", "late 2020-03-01T10:00:02Z"];
    assert_eq!(times(&mapped), expected);
    assert_eq!(mapped.findings.iter().filter(|f| f.code == codes::TIME_SHIFTED).count(), 1);
}

#[test]
fn impossible_times_are_clamped_and_stay_distinct() {
    let mut extreme = record();
    extreme.created_at = at("0001-01-01T00:00:00Z");
    extreme.entries = vec![
        entry("a", bob(), "0001-01-01T00:00:00Z", "1"),
        entry("b", bob(), "2999-01-01T00:00:00Z", "2"),
        entry("c", bob(), "2999-01-02T00:00:00Z", "3"),
    ];
    let mapped = ready(&mapping("status = 'closed'"), extreme);
    let expected = ["a 1970-01-02T00:00:00Z", "b 2038-01-17T23:59:59Z", "c 2038-01-18T00:00:00Z"];
    assert_eq!(times(&mapped), expected);
    assert!(has(&mapped, codes::TIME_CLAMPED));
    assert_eq!(mapped.conversation.closed_at, at("2038-01-18T00:00:00Z"));
    assert_eq!(mapped.conversation.created_at, at("1970-01-02T00:00:00Z").unwrap());
}

#[test]
fn a_missing_time_is_taken_from_the_neighbours_and_never_from_the_clock() {
    let mut missing = record();
    missing.entries.push(entry("c", bob(), "2020-03-01T12:00:00Z", "x"));
    missing.entries[0].created_at = None;
    missing.entries[1].created_at = None;
    missing.created_at = at("2020-03-01T09:00:00Z");
    let mapped = ready(&mapping(""), missing.clone());
    let expected = ["a 2020-03-01T09:00:00Z", "b 2020-03-01T09:00:01Z", "c 2020-03-01T12:00:00Z"];
    assert_eq!(times(&mapped), expected);
    assert!(has(&mapped, codes::TIME_MISSING));
    missing.created_at = None;
    assert_eq!(times(&ready(&mapping(""), missing.clone()))[0], "a 2020-03-01T12:00:00Z");
    missing.entries.truncate(1);
    missing.updated_at = None;
    assert_eq!(times(&ready(&mapping(""), missing)), ["a 1970-01-02T00:00:00Z"]);
}

#[test]
fn closing_never_precedes_the_last_thread_and_opening_never_follows_the_first() {
    let rules = mapping("status = 'closed'");
    let mut given = record();
    given.closed_at = at("2020-03-05T00:00:00.5Z");
    assert_eq!(ready(&rules, given.clone()).conversation.closed_at, at("2020-03-05T00:00:00Z"));
    given.closed_at = at("2020-03-01T10:30:00Z");
    assert_eq!(ready(&rules, given.clone()).conversation.closed_at, at("2020-03-01T11:00:00Z"));
    given.closed_at = None;
    assert_eq!(ready(&rules, given.clone()).conversation.closed_at, at("2020-03-02T10:00:00Z"));
    given.created_at = at("2020-03-01T10:59:00Z");
    let mapped = ready(&rules, given);
    assert_eq!(mapped.conversation.created_at, at("2020-03-01T10:00:00Z").unwrap());
    assert!(has(&mapped, codes::READ_DATE));
}

#[test]
fn a_record_without_entries_shows_a_line_that_says_so() {
    let mut empty = record();
    empty.entries.clear();
    let mapped = ready(&mapping(""), empty);
    let [only] = &mapped.conversation.threads[..] else { panic!() };
    assert_eq!(only.body, "<p><em>(no messages in the archive)</em></p>");
    assert_eq!(only.author, Author::Customer(mapped.conversation.customer.clone()));
    assert_eq!(only.created_at, at("2020-03-01T10:00:00Z").unwrap());
    assert!(has(&mapped, codes::READ_NO_ENTRIES));
}

#[test]
fn somebody_known_by_an_id_alone_is_neither_customer_nor_agent() {
    let mut unknown = record();
    unknown.entries[1].author = Some(Person { id: Some("99".to_owned()), ..Person::default() });
    let mapped = ready(&mapping("[people]\ndefault = 'admin@example.org'"), unknown);
    let thread = &mapped.conversation.threads[1];
    assert_eq!((thread.kind, &thread.author), (ThreadKind::Note, &user("admin@example.org")));
    assert!(thread.body.starts_with("<p><em>user 99:</em></p>"), "{}", thread.body);
}

#[test]
fn the_zendesk_mapping_tells_the_old_number_and_keeps_what_has_no_place() {
    let mut full = record();
    let fields = json!({
        "group": "Billing", "priority": "high", "type": "problem", "url": "x", "group_id": 7, "via": {"channel": "web"},
        "satisfaction_rating": {"score": "good", "comment": "Thanks!"}, "metric_set": {"id": 3, "reopens": 1},
        "custom_fields": {"Order": 12, "Parts": ["a", "b"], "Empty": null, "Agreed": true, "Count": 0, "<b>": "<i>"},
    });
    full.fields = fields.as_object().unwrap().clone();
    full.fields.shift_remove("url");
    full.url = Some("https://old.zendesk.example/api/v2/tickets/4711.json".to_owned());
    full.entries[1].author =
        Some(Person { id: Some("-1".to_owned()), role: Some("system".to_owned()), ..Person::default() });
    let mapped = ready(&Mapping::load("zendesk").unwrap(), full);
    let [first, system] = &mapped.conversation.threads[..] else { panic!() };
    let footer = &first.body[first.body.find("<small>").unwrap()..];
    for part in [
        "href=\"https://old.zendesk.example/agent/tickets/4711\"",
        ">4711</a><br>Group: Billing<br>Rating: good Thanks!<br>",
        "<br>Order: 12",
        "<br>Parts: a, b",
        "<br>Agreed: true",
        "<br>Count: 0",
        "&lt;b&gt;: &lt;i&gt;",
    ] {
        assert!(footer.contains(part), "{part} in {footer}");
    }
    assert!(!footer.contains("Empty"), "{footer}");
    assert_eq!(system.kind, ThreadKind::Note);
    assert!(!system.body.contains("Zendesk ticket") && !system.body.contains("<em>"), "{}", system.body);
    assert!(mapped.conversation.tags.contains(&"priority-high".to_owned()));
    assert!(mapped.conversation.tags.contains(&"type-problem".to_owned()));
    let codes: Vec<&str> = mapped.findings.iter().map(|finding| finding.code).collect();
    assert_eq!(codes, [codes::MAP_DEFAULT_USER], "{:?}", mapped.findings);
}

#[test]
fn the_mbox_mapping_closes_keeps_spam_and_leaves_out_the_bin_and_drafts() {
    let rules = Mapping::load("mbox").unwrap();
    let with = |status: Option<&str>| Record { status: status.map(str::to_owned), ..record() };
    assert_eq!(ready(&rules, with(None)).conversation.status, Status::Closed);
    assert_eq!(ready(&rules, with(Some("spam"))).conversation.status, Status::Spam);
    assert_eq!(skipped(&rules, with(Some("trash"))).reason, "in the bin");
    let mut draft = with(None);
    draft.entries[1].kind = "draft".to_owned();
    assert_eq!(ready(&rules, draft).conversation.threads.len(), 1);
}

#[test]
fn the_csv_mapping_knows_the_usual_words() {
    let rules = Mapping::load("csv").unwrap();
    for (word, expected) in [
        ("Open", Status::Active),
        ("In Progress", Status::Active),
        ("Pending Customer Response", Status::Pending),
        ("RESOLVED", Status::Closed),
        ("Spam", Status::Spam),
    ] {
        let mapped = ready(&rules, Record { status: Some(word.to_owned()), ..record() });
        assert_eq!(mapped.conversation.status, expected, "{word}");
        assert!(mapped.findings.is_empty(), "{word}: {:?}", mapped.findings);
    }
}

#[test]
fn the_csv_mapping_shows_further_columns_below_the_first_message() {
    let mut table = record();
    table.fields.insert("Priority".to_owned(), json!("High"));
    table.fields.insert("Shoe <size>".to_owned(), json!("43"));
    let mapped = ready(&Mapping::load("csv").unwrap(), table);
    let [first, second] = &mapped.conversation.threads[..] else { panic!() };
    assert!(first.body.contains("Priority: High<br>Shoe &lt;size&gt;: 43</small>"), "{}", first.body);
    assert!(!second.body.contains("<small>"), "{}", second.body);
    assert!(mapped.conversation.tags.contains(&"priority-high".to_owned()));
    assert!(mapped.findings.is_empty(), "{:?}", mapped.findings);
}

fn lost(rules: &str, record: Record) -> Vec<String> {
    let mapped = ready(&mapping(rules), record);
    let lost = mapped.findings.into_iter().filter(|finding| finding.code == codes::MAP_LOST_FIELD);
    lost.filter_map(|finding| finding.field).collect()
}

#[test]
fn fields_that_no_rule_uses_and_no_pattern_ignores_are_lost() {
    let mut rich = Record { channel: Some("email".to_owned()), url: Some("x".to_owned()), ..open() };
    let fields = json!({
        "group": "Billing", "priority": "low", "via": {"source": {"rel": "web", "from": {"x": 1}}}, "nothing": null,
        "blank": [" ", {}], "metrics": {"360012345678": 5, "360012345679": 6}, "form": {"id": 7},
    });
    rich.fields = fields.as_object().unwrap().clone();
    rich.entries[0].fields.insert("via".to_owned(), json!({"channel": "api"}));
    rich.entries[1].fields.insert("via".to_owned(), json!({"channel": "web"}));
    rich.requester.as_mut().unwrap().fields.insert("locale".to_owned(), json!("de"));
    let own = ["status", "channel", "url"];
    let all = ["group", "priority", "via.source.rel", "via.source.from.x", "metrics.*", "form.id"];
    let below = ["person.locale", "entry.via.channel"];
    assert_eq!(lost("", rich.clone()), [&own[..], &all, &below].concat());
    let rules = "[mailbox]\nfrom = 'group'\n[tags]\nfrom = ['fields.priority', '\"x\" ~ requester.locale']\n[ignore]\n'via.source.*' = 'w'\nform = 'f'\nmetrics = 'm'\nentry.via = 'e'";
    // Other tags than the record's own: those are left behind.
    assert_eq!(lost(rules, rich.clone()), ["status", "channel", "url", "tags"]);
    let rules = format!("{rules}\ntags = 't'\nurl = 'u'\nchannel = 'c'\nstatus = 's'");
    assert_eq!(lost(&rules, rich), Vec::<String>::new());
}

#[test]
fn an_expression_that_fails_or_runs_away_is_a_finding_and_no_loss() {
    let rules = mapping(
        "status = { from = 'id | int / nothing', default = 'closed' }\n[threads]\nwhen = 'entry.kind - 1'\nfooter = '{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}'\n[fields]\nBig = '{% for a in range(3000) %}{{ subject * 100 }}{% endfor %}'",
    );
    let mapped = ready(&rules, record());
    assert_eq!(mapped.conversation.status, Status::Closed);
    assert_eq!(mapped.conversation.threads.len(), 2);
    let failed: Vec<&str> =
        mapped.findings.iter().filter(|f| f.code == codes::MAP_EXPRESSION).filter_map(|f| f.field.as_deref()).collect();
    for field in ["status", "threads.when", "threads.footer", "Big"] {
        assert!(failed.contains(&field), "{field} in {failed:?}");
    }
}

#[test]
fn the_same_record_converts_alike_and_the_hash_follows_the_text() {
    let rules = mapping("[tags]\nadd = ['x']");
    let (one, two) = (ready(&rules, record()), ready(&rules, record()));
    assert_eq!(format!("{one:?}"), format!("{two:?}"));
    assert_eq!(rules.hash(), mapping("[tags]\nadd = ['x']").hash());
    assert_ne!(rules.hash(), mapping("[tags]\nadd = ['y']").hash());
}

#[test]
fn a_mapping_that_is_not_there_names_the_built_in_ones() {
    let error = Mapping::load("zendesc").unwrap_err();
    assert!(error.report.contains("hint: did you mean `zendesk`?"), "{}", error.report);
    let error = Mapping::load("no/such/file.toml").unwrap_err();
    assert!(
        error.report.contains(
            "the built-in mappings are `zendesk`, `freshdesk`, `helpscout`, `intercom`, `zammad`, `osticket`, `jira`, `mbox`, `csv`"
        ),
        "{}",
        error.report
    );
}

#[test]
fn own_addresses_reach_the_reader_with_the_shape() {
    let rules = mapping(
        "[shape]\nzone = 'Europe/Berlin'\nown = ['a@example.org']\n[people]\nown = ['@example.org', 'a@example.org']",
    );
    assert_eq!(rules.shape().own, ["a@example.org", "@example.org"]);
    assert_eq!(rules.shape().zone.as_deref(), Some("Europe/Berlin"));
}

#[test]
fn every_example_in_the_docs_is_a_mapping_that_lints_clean() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/mapping.md");
    let docs = std::fs::read_to_string(docs).unwrap();
    let examples: Vec<&str> =
        docs.split("```toml\n").skip(1).filter_map(|rest| Some(rest.split_once("\n```")?.0)).collect();
    assert!(examples.len() >= 8, "only {} examples", examples.len());
    for example in &examples {
        let notices = super::Lint::parse("example.toml", example).notices();
        assert!(notices.is_empty(), "{}", notices.iter().map(|notice| notice.report.as_str()).collect::<String>());
    }
    let longest = examples.iter().max_by_key(|example| example.len()).unwrap();
    assert_eq!(ready(&Mapping::parse("example.toml", longest).unwrap(), record()).conversation.fields.len(), 2);
}

#[test]
fn the_zendesk_mapping_tells_of_calls_and_keeps_the_customers_profile() {
    let mut call = record();
    let data = json!({"call_duration": 61, "recording_url": "https://old.example.org/r", "transcription_text": "Hello <b>", "answered_by_name": "Ada", "answered_by_id": 1});
    call.entries[1].fields.insert("data".to_owned(), data);
    let profile = json!({"notes": "Likes tea", "details": "", "user_fields": {"tier": "gold", "vip": false}, "identities": [{"type": "twitter", "value": "bob"}]});
    call.requester.as_mut().unwrap().fields = profile.as_object().unwrap().clone();
    let mapped = ready(&Mapping::load("zendesk").unwrap(), call);
    assert_eq!(mapped.conversation.customer.notes.as_deref(), Some("Likes tea\ntier: gold\nvip: false\ntwitter: bob"));
    let body = &mapped.conversation.threads[1].body;
    assert!(body.contains("Call of 61 seconds, answered by Ada, <a href=\"https://old.example.org/r\""), "{body}");
    assert!(body.contains("<blockquote>Hello &lt;b&gt;</blockquote>"), "{body}");
    assert!(mapped.findings.is_empty(), "{:?}", mapped.findings);
}

#[test]
fn a_report_shows_the_first_hundred_faults_and_counts_the_others() {
    let lines: String = (0..1_000).map(|n| format!("key{n} = 1\n")).collect();
    let error = Mapping::parse("test.toml", &format!("source = 'zendesk'\n{lines}")).unwrap_err();
    assert_eq!(error.report.matches("error: could not read").count(), 100);
    assert!(error.report.ends_with("and 900 more faults\n"), "{}", &error.report[error.report.len() - 200..]);
}
