//! Every method against the sandbox, which was written by the same facts and shares no types with this client.

use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _};
use serde_json::{Value, json};

use super::*;
use crate::content::Content;
use crate::conversation::{Kind, Status, ThreadKind};
use crate::sandbox::{self, Fault, Fixture, Options, Profile, Sandbox};

fn fixture() -> Fixture {
    let mut fixture = Fixture::empty()
        .with_user("ada@helpdesk.example", "Ada", "Admin", true)
        .with_user("uma@helpdesk.example", "Uma", "User", false)
        .with_mailbox("Support", "support@helpdesk.example")
        .with_mailbox("Billing", "billing@helpdesk.example")
        .with_field("Support", "Priority", &["Low", "High"])
        .with_field("Support", "Vendor", &[]);
    let field = json!({"id": 1, "name": "Age", "type": "number", "options": null, "required": false, "sortOrder": 1});
    fixture.customer_fields = vec![serde_json::from_value(field).unwrap()];
    fixture
}

async fn start(options: Options) -> (Sandbox, Client) {
    let sandbox = sandbox::start(Options { fixture: fixture(), is_strict: true, ..options }).await.unwrap();
    let client = Client::new(Target::new(sandbox.url(), sandbox.key().into()).unwrap()).unwrap();
    (sandbox, client)
}

async fn rig() -> (Sandbox, Client) {
    start(Options::default()).await
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn thread(kind: ThreadKind, text: &str, at: &str) -> NewThread {
    NewThread {
        kind,
        text: text.into(),
        user: (kind != ThreadKind::Customer).then_some(2),
        customer_id: Some(1),
        cc: Vec::new(),
        bcc: Vec::new(),
        created_at: time(at),
        status: None,
        attachments: Vec::new(),
    }
}

fn conversation(subject: &str) -> NewConversation {
    NewConversation {
        subject: subject.into(),
        kind: Kind::Email,
        mailbox_id: 1,
        customer_id: 1,
        status: Status::Closed,
        assign_to: Some(2),
        created_at: time("2019-05-01T10:00:00Z"),
        closed_at: Some(time("2019-05-04T10:00:00Z")),
        custom_fields: vec![(1, "2".into()), (2, "Kettles Ltd".into())],
        threads: vec![
            thread(ThreadKind::Customer, "It whistles.", "2019-05-01T10:00:00Z"),
            thread(ThreadKind::Message, "Descale it.", "2019-05-02T10:00:00Z"),
            thread(ThreadKind::Note, "Third time.", "2019-05-03T10:00:00Z"),
        ],
    }
}

async fn customer(client: &Client, address: &str) -> u64 {
    let new = NewCustomer { first_name: "Mark".into(), emails: vec![Labelled::work(address)], ..Default::default() };
    client.create_customer(&new).await.unwrap().id
}

#[tokio::test]
async fn a_conversation_is_created_read_changed_and_deleted() {
    let (sandbox, client) = rig().await;
    let mark = customer(&client, "mark@example.org").await;
    let grace = customer(&client, "grace@example.org").await;
    let mut new = conversation("Kettle");
    new.threads[0].cc = vec!["boss@example.org".into()];
    new.threads[1].bcc = vec!["archive@example.org".into()];
    new.threads[0].attachments = vec![NewAttachment {
        file_name: "photo.png".into(),
        mime_type: "image/png".into(),
        content: Content::bytes(vec![9; 300_000]),
        hash: ContentHash::default(),
    }];

    let created = client.create_conversation(&new).await.unwrap();

    let told = created.body.unwrap();
    let answer = client.conversation(created.id, Embed::ALL).await.unwrap();
    assert!(answer.server_date.is_some());
    for found in [&told, &answer.value] {
        assert_eq!((found.id, found.subject.as_str(), found.status.as_str()), (created.id, "Kettle", "closed"));
        assert_eq!((found.created_at, found.closed_at), (Some(new.created_at), new.closed_at));
        assert_eq!((found.customer.as_ref().unwrap().id, found.assignee.as_ref().unwrap().id), (Some(mark), Some(2)));
        let kinds: Vec<&str> = found.threads().iter().map(|thread| thread.kind.as_str()).collect();
        assert_eq!(kinds, ["note", "message", "customer"]);
        let first = &found.threads()[2];
        assert_eq!((first.body.as_deref(), first.created_at), (Some("It whistles."), Some(new.created_at)));
        assert_eq!(first.cc, ["boss@example.org"]);
        assert_eq!(found.threads()[1].bcc, ["archive@example.org"]);
        assert_eq!(
            (first.attachments()[0].file_name.as_str(), first.attachments()[0].size),
            ("photo.png", Some(300_000))
        );
        let fields: Vec<&str> =
            found.custom_fields.as_ref().unwrap().iter().map(|field| field.value.as_str()).collect();
        assert_eq!(fields, ["2", "Kettles Ltd"]);
    }
    let mut download = client.download(&told.threads()[2].attachments()[0].file_url).await.unwrap();
    let mut bytes = Vec::new();
    while let Some(piece) = download.piece().await.unwrap() {
        bytes.extend_from_slice(&piece);
    }
    assert!(bytes == vec![9; 300_000]);
    assert!(answer.embedded.tags.is_some() && answer.embedded.timelogs.is_some());
    assert!(client.conversation(created.id, Embed::NOTHING).await.unwrap().threads().is_empty());

    client.update_conversation(created.id, &ConversationChange::customer(grace)).await.unwrap();
    let changes = vec![
        Change::Subject("Loud kettle".into()),
        Change::Status(Status::Active),
        Change::AssignTo(None),
        Change::Mailbox(2),
    ];
    client.update_conversation(created.id, &ConversationChange { by_user: Some(1), changes }).await.unwrap();
    let changed = client.conversation(created.id, Embed::NOTHING).await.unwrap();
    assert_eq!(
        (changed.subject.as_str(), changed.status.as_str(), changed.mailbox_id),
        ("Loud kettle", "active", Some(2))
    );
    assert_eq!(changed.customer.as_ref().unwrap().id, Some(grace));
    assert!(changed.assignee.is_none());

    assert_eq!(client.delete_conversation(created.id).await.unwrap(), Deleted::Deleted);
    assert_eq!(client.delete_conversation(created.id).await.unwrap(), Deleted::WasAbsent);
    assert!(client.conversation(created.id, Embed::THREADS).await.unwrap_err().is_not_found());
    assert!(sandbox.outbox().is_empty(), "nobody is mailed");
}

#[tokio::test]
async fn a_thread_is_appended_without_mail_and_keeps_the_status() {
    let (sandbox, client) = rig().await;
    customer(&client, "mark@example.org").await;
    let id = client.create_conversation(&conversation("Kettle")).await.unwrap().id;
    let mut new = thread(ThreadKind::Message, "And?", "2019-05-03T12:00:00Z");
    new.status = Some(Status::Closed);

    let created = client.create_thread(id, &new).await.unwrap();

    assert_eq!(created.body.unwrap().body.as_deref(), Some("And?"));
    let found = client.conversation(id, Embed::THREADS).await.unwrap();
    assert_eq!(found.status, "closed");
    assert!(found.threads().iter().any(|thread| thread.id == created.id && thread.created_at == Some(new.created_at)));
    assert!(sandbox.outbox().is_empty());
    assert!(client.create_thread(999, &new).await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn only_the_methods_that_say_so_mail() {
    let (sandbox, client) = rig().await;
    customer(&client, "mark@example.org").await;
    let id = client.create_conversation_and_mail_it(&conversation("Live")).await.unwrap().id;
    let after_create = sandbox.outbox().len();
    client.create_thread_and_mail_it(id, &thread(ThreadKind::Message, "Hello!", "2019-05-03T12:00:00Z")).await.unwrap();
    assert!(after_create > 0 && sandbox.outbox().len() > after_create);
}

#[tokio::test]
async fn tags_and_fields_are_set() {
    let (_sandbox, client) = rig().await;
    customer(&client, "mark@example.org").await;
    let id = client.create_conversation(&conversation("Kettle")).await.unwrap().id;

    client.set_tags(id, &["Refund".into(), "vip".into()]).await.unwrap();
    client.set_custom_fields(id, &[(1, "1".into())]).await.unwrap();
    client.set_customer_fields(1, &[(1, "42".into())]).await.unwrap();

    let names = |tags: Vec<wire::Tag>| tags.into_iter().map(|tag| tag.name).collect::<Vec<_>>();
    assert_eq!(names(client.tags(Some(id)).await.unwrap()), ["refund", "vip"]);
    assert_eq!(names(client.tags(None).await.unwrap()), ["refund", "vip"]);
    let second = client.list_tags(None, Page::of(1).next()).await.unwrap();
    assert_eq!((second.page.total_elements, names(second.items)), (2, vec!["vip".to_owned()]));
    assert_eq!(client.list_tags(Some(999), Page::FIRST).await.unwrap().items.len(), 0);
    let found = client.conversation(id, Embed::ALL).await.unwrap();
    assert_eq!(found.custom_fields.as_ref().unwrap()[0].text, "Low");
    assert_eq!(client.customer(1).await.unwrap().customer_fields.as_ref().unwrap()[0].value, "42");
    client.set_tags(id, &[]).await.unwrap();
    assert!(client.tags(Some(id)).await.unwrap().is_empty());
    assert_eq!(client.set_tags(id, &[" ".into()]).await.unwrap_err().progress(), Progress::NotSent);
    assert!(client.set_tags(999, &[]).await.unwrap_err().is_not_found());
    assert_eq!(client.timelogs(id, Page::FIRST).await.unwrap().items.len(), 0);
}

#[tokio::test]
async fn time_logs_are_listed_and_embedded() {
    let (sandbox, client) = rig().await;
    customer(&client, "mark@example.org").await;
    let id = client.create_conversation(&conversation("Kettle")).await.unwrap().id;
    let row = json!({
        "conversationId": id, "conversationStatus": "pending", "userId": 2, "timeSpent": 219, "paused": false,
        "finished": true, "createdAt": "2021-04-21T13:24:01Z", "updatedAt": "2021-04-21T13:43:10Z",
    });
    let load = reqwest::Client::builder().no_proxy().build().unwrap().post(format!("{}/__sandbox/load", sandbox.url()));
    assert!(load.json(&json!({"timelogs": [row]})).send().await.unwrap().status().is_success());

    let listed = client.timelogs(id, Page::FIRST).await.unwrap().items;

    assert_eq!((listed.len(), listed[0].user_id, listed[0].time_spent), (1, Some(2), Some(219)));
    assert_eq!(listed[0].created_at, Some(time("2021-04-21T13:24:01Z")));
    let embedded = client.conversation(id, Embed::ALL).await.unwrap().value.embedded.timelogs.unwrap();
    assert_eq!(embedded.iter().map(|log| log.id).collect::<Vec<_>>(), [listed[0].id]);
}

#[tokio::test]
async fn a_customer_is_created_found_and_changed() {
    let (_sandbox, client) = rig().await;
    let new = NewCustomer {
        first_name: "Mark".into(),
        last_name: "Morrison".into(),
        emails: vec![Labelled::work("mark@example.org"), Labelled { value: "m@example.org".into(), kind: "home" }],
        phones: vec![Labelled { value: "777-777".into(), kind: "mobile" }],
        company: Some("Example, Inc".into()),
        job_title: Some("Clerk".into()),
        notes: Some("A note".into()),
        websites: vec!["https://example.org".into()],
        social_profiles: vec![Labelled { value: "@mark".into(), kind: "telegram" }],
        address: Some(PostalAddress {
            street: "1 Road".into(),
            city: "LA".into(),
            country: "US".into(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let created = client.create_customer(&new).await.unwrap();

    let found = client.list_customers(&CustomerFilter::email("m@example.org"), Page::FIRST).await.unwrap();
    assert_eq!(found.items.iter().map(|customer| customer.id).collect::<Vec<_>>(), [created.id]);
    let found = client.customer(created.id).await.unwrap();
    assert_eq!(found.emails().collect::<Vec<_>>(), ["mark@example.org", "m@example.org"]);
    assert_eq!(found.embedded.phones[0].kind.as_deref(), Some("mobile"));
    assert_eq!(found.embedded.address.address.as_deref(), Some("1 Road"));
    assert_eq!(found.embedded.social_profiles[0].kind.as_deref(), Some("telegram"));

    let taken = client.create_customer(&new).await.unwrap_err();
    assert_eq!((taken.verdict(), taken.path()), (Verdict::Refused, Some("emails")));

    let change = CustomerChange {
        last_name: Some("Moore".into()),
        add_emails: vec![Labelled::work("third@example.org")],
        ..Default::default()
    };
    client.update_customer(created.id, &change).await.unwrap();
    let found = client.customer(created.id).await.unwrap();
    assert_eq!((found.last_name.as_deref(), found.emails().count()), (Some("Moore"), 3));
    assert!(client.customer(999).await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn users_and_webhooks_come_and_go() {
    let (_sandbox, client) = rig().await;
    let new = NewUser {
        first_name: "John".into(),
        last_name: "Doe".into(),
        email: "john@helpdesk.example".into(),
        password: Some("123456789".into()),
        ..Default::default()
    };
    let john = client.create_user(&new).await.unwrap().id;
    assert_eq!(client.user(john).await.unwrap().email, "john@helpdesk.example");
    let filter = UserFilter { email: Some("john@helpdesk.example".into()) };
    assert_eq!(client.users(&filter).await.unwrap().len(), 1);
    assert_eq!(client.create_user(&new).await.unwrap_err().path(), Some("email"));

    assert_eq!(client.delete_user(john, 1, &[(1, 2), (2, 1)]).await.unwrap(), Deleted::Deleted);
    assert!(client.user(john).await.unwrap().is_deleted());
    assert_eq!(client.delete_user(999, 1, &[]).await.unwrap(), Deleted::WasAbsent);
    assert_eq!(client.delete_user(john, 1, &[]).await.unwrap_err().verdict(), Verdict::Refused);

    let new = NewWebhook { url: "http://127.0.0.1:1/x".into(), events: vec!["convo.created".into(), "nope".into()] };
    let webhook = client.create_webhook(&new).await.unwrap();
    assert_eq!(webhook.body.unwrap().events, ["convo.created"]);
    assert_eq!(client.delete_webhook(webhook.id).await.unwrap(), Deleted::Deleted);
    assert_eq!(client.delete_webhook(webhook.id).await.unwrap(), Deleted::WasAbsent);
}

#[tokio::test]
async fn the_directory_holds_mailboxes_fields_and_people() {
    let (_sandbox, client) = rig().await;
    customer(&client, "mark@example.org").await;
    let directory = Directory::fetch(&client).await.unwrap();
    assert_eq!(directory.mailbox_by("billing").unwrap().mailbox.id, 2);
    assert_eq!(directory.field(1, "priority").unwrap().option("high"), Some("2"));
    assert_eq!(directory.user_by("uma@helpdesk.example").unwrap().id, 2);
    assert_eq!(directory.first_administrator().unwrap().id, 1);
    assert_eq!(directory.customer_field("Age"), Some(1));
    assert!(directory.has_tags && directory.server_date.is_some());
    let folders = client.folders(1).await.unwrap();
    assert!(folders.iter().any(|folder| folder.kind == Some(60)));
    let mine = client.list_folders(1, Some(2), None, Page::FIRST).await.unwrap();
    assert!(mine.items.iter().all(|folder| folder.user_id == Some(2)) && !mine.items.is_empty());
    let closed = folders.iter().find(|folder| folder.kind == Some(60)).unwrap().id;
    let by_id = client.list_folders(1, None, Some(closed), Page::FIRST).await.unwrap();
    assert_eq!(by_id.items.iter().map(|folder| folder.id).collect::<Vec<_>>(), [closed]);
    assert!(client.folders(999).await.unwrap_err().is_not_found());
    assert_eq!(client.list_mailboxes(Some(2), Page::FIRST).await.unwrap().items.len(), 2);
    let fields = client.list_custom_fields(1, Page::of(1).next()).await.unwrap();
    assert_eq!(fields.items.iter().map(|field| field.name.as_str()).collect::<Vec<_>>(), ["Vendor"]);
    assert_eq!((fields.page.total_elements, client.custom_fields(2).await.unwrap().len()), (2, 0));
    assert!(client.custom_fields(999).await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn a_server_without_optional_modules_has_a_directory_too() {
    let mut profile = Profile::default();
    (profile.has_tags, profile.has_custom_fields, profile.has_crm, profile.has_time_tracking) =
        (false, false, false, false);
    let (_sandbox, client) = start(Options { profile, ..Options::default() }).await;
    let directory = Directory::fetch(&client).await.unwrap();
    assert!(directory.mailboxes.iter().all(|entry| entry.fields.is_none()));
    assert!(!directory.has_tags && directory.customer_fields.is_empty());
    customer(&client, "mark@example.org").await;
    let created = client.create_conversation(&conversation("Kettle")).await.unwrap();
    assert!(client.set_tags(created.id, &["a".into()]).await.unwrap_err().is_module_off());
    assert!(client.timelogs(created.id, Page::FIRST).await.unwrap_err().is_module_off());
}

#[tokio::test]
async fn a_wrong_key_is_told_from_everything_else() {
    let (sandbox, _) = rig().await;
    for (key, auth, is_right) in [
        ("wrong", Auth::Header, false),
        (sandbox.key(), Auth::Header, true),
        (sandbox.key(), Auth::Query, true),
        (sandbox.key(), Auth::Basic, false),
    ] {
        let target = Target { auth, ..Target::new(sandbox.url(), key.into()).unwrap() };
        match Directory::fetch(&Client::new(target).unwrap()).await {
            Ok(_) => assert!(is_right),
            Err(error) => assert!(!is_right && error.kind() == &ErrorKind::KeyRefused, "{error:?}"),
        }
    }
    let (sandbox, _) = start(Options { accepts_basic: true, ..Options::default() }).await;
    let target = Target { auth: Auth::Basic, ..Target::new(sandbox.url(), sandbox.key().into()).unwrap() };
    assert!(Client::new(target).unwrap().mailboxes().await.is_ok());
}

/// Makes conversations one second apart, without threads to speak of.
async fn fill(client: &Client, count: i64) {
    customer(client, "mark@example.org").await;
    for at in 0..count {
        let mut new = conversation(&format!("Number {at}"));
        new.threads.truncate(1);
        new.custom_fields.clear();
        new.mailbox_id = if at % 3 == 0 { 2 } else { 1 };
        new.created_at = Timestamp::from_second(1_500_000_000 + at).unwrap();
        client.create_conversation(&new).await.unwrap();
    }
}

#[tokio::test]
async fn a_walk_survives_deletions_and_new_rows() {
    let (_sandbox, client) = rig().await;
    fill(&client, 130).await;
    let mut walk = std::pin::pin!(client.conversations(ConversationFilter::default(), 20));
    let mut ids = Vec::new();
    while let Some(row) = walk.try_next().await.unwrap() {
        ids.push(row.id);
        if row.id % 10 == 5 && row.id < 100 {
            for gone in [row.id - 4, row.id - 3, row.id - 2] {
                client.delete_conversation(gone).await.unwrap();
            }
        }
        if row.id == 60 {
            client.create_conversation(&conversation("New")).await.unwrap();
        }
    }
    assert_eq!(ids, (1..=131).collect::<Vec<_>>());
    let customers: Vec<_> = client.customers(CustomerFilter::default(), 20).try_collect().await.unwrap();
    assert_eq!(customers.len(), 1);
}

#[tokio::test]
async fn a_filter_that_the_server_ignores_is_applied_here() {
    let mut profile = Profile::default();
    (profile.filters_creator, profile.lists_statuses, profile.pages_are_fixed) = (false, false, true);
    let (_sandbox, client) = start(Options { profile, ..Options::default() }).await;
    fill(&client, 60).await;
    let by_nobody = ConversationFilter { created_by_user: Some(2), ..Default::default() };
    assert!(client.list_conversations(&by_nobody, Page::FIRST).await.unwrap().page.total_elements == 60, "ignored");
    assert_eq!(client.conversations(by_nobody, 50).count().await, 0);
    let in_billing = ConversationFilter {
        mailbox_ids: vec![2],
        statuses: vec![Status::Closed, Status::Spam],
        created_since: Some(Timestamp::from_second(1_500_000_030).unwrap()),
        ..Default::default()
    };
    let rows: Vec<_> = client.conversations(in_billing, 50).try_collect().await.unwrap();
    assert_eq!(rows.len(), 10);
}

#[tokio::test]
async fn faults_have_the_right_verdicts_and_the_effect_is_as_they_say() {
    let retry_after = Some(Duration::from_secs(3));
    let cases = [
        ("lose-answer", Verdict::Unknown, 1),
        ("reset-before", Verdict::Unknown, 0),
        ("500-before", Verdict::Unknown, 0),
        ("500-after", Verdict::Unknown, 1),
        ("502", Verdict::Unknown, 0),
        ("504", Verdict::Unknown, 1),
        ("blank-200", Verdict::Unknown, 1),
        ("429", Verdict::Throttled { retry_after: None }, 0),
        ("429:3", Verdict::Throttled { retry_after }, 0),
        ("413:100", Verdict::Refused, 0),
    ];
    for (fault, verdict, made) in cases {
        let (sandbox, client) = rig().await;
        customer(&client, "mark@example.org").await;
        sandbox.set_faults(vec![format!("{fault}@POST /conversations*1").parse::<Fault>().unwrap()]);

        let error = client.create_conversation(&conversation("Kettle")).await.unwrap_err();

        assert_eq!(error.verdict(), verdict, "{fault}: {error:?}");
        for _ in 0..100 {
            if sandbox.conversations().len() == made {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(sandbox.conversations().len(), made, "{fault}");
        assert!(client.create_conversation(&conversation("Kettle")).await.is_ok(), "{fault} is over");
    }
}

#[tokio::test]
async fn a_cut_answer_still_names_what_was_made() {
    let (sandbox, client) = rig().await;
    customer(&client, "mark@example.org").await;
    sandbox.set_faults(vec!["cut-answer@POST /conversations*1".parse::<Fault>().unwrap()]);
    let made =
        |sandbox: &Sandbox| sandbox.conversations().first().and_then(|row| row.get("id").and_then(Value::as_u64));
    match client.create_conversation(&conversation("Kettle")).await {
        Ok(created) => assert_eq!((Some(created.id), created.body.is_none()), (made(&sandbox), true)),
        Err(error) => assert_eq!(error.verdict(), Verdict::Unknown),
    }
}

#[tokio::test]
async fn requests_are_counted_and_named_alike_on_both_sides() {
    let (sandbox, client) = rig().await;
    fill(&client, 3).await;
    client.set_tags(1, &["a".into()]).await.unwrap();
    let state = sandbox.state();
    assert_eq!(state["requests"]["POST /conversations"], 3);
    assert_eq!(state["requests"]["PUT /conversations/{id}/tags"], 1);
    let total: u64 = state["requests"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
    assert_eq!(total, client.requests_sent());
}
