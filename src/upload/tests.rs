//! The uploader against the sandbox: what a person who moves a help desk may rely on.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::mpsc;

use super::{Options, Stop, UploadError, run};
use crate::content::Content;
use crate::conversation::{Attachment, Author, Conversation, Customer, Kind, Status, Thread, ThreadKind, UserRef};
use crate::finding::Finding;
use crate::freescout::{Client, Directory, Target};
use crate::journal::{Identity, Journal, View};
use crate::mapping::{Converted, Mapped, Rejected, Skipped};
use crate::record::{Origin, RecordId};
use crate::report::{Event, Outcome, Reporter, Summary};
use crate::sandbox::{self, Fault, Fixture, Sandbox};

mod answered;
mod answers;
mod crash;
mod faults;
mod live;
mod pace;
mod people;

const ADA: &str = "ada@example.org";
const T0: i64 = 1_200_000_000;

/// A sandbox, a journal and what is needed to run an upload between them.
struct Rig {
    sandbox: Sandbox,
    client: Client,
    journal: Journal,
    options: Options,
    heard: Arc<Heard>,
}

/// Everything that was reported, as text.
#[derive(Default)]
struct Heard {
    lines: Mutex<Vec<String>>,
}

impl Reporter for Heard {
    fn event(&self, event: &Event<'_>) {
        let line = match event {
            Event::Finding(finding) => format!("finding {}: {}", finding.code, finding.message),
            Event::Outcome { record, outcome, reason, is_from_before, .. } => {
                format!("outcome {record} {outcome:?} {} {is_from_before}", reason.unwrap_or_default())
            }
            Event::Retry { record, .. } => format!("retry {record}"),
            Event::Paused { wait, .. } => format!("paused {}", wait.as_millis()),
            Event::Asleep { .. } => "asleep".to_owned(),
            Event::Resumed { reason, .. } => format!("resumed {reason}"),
            Event::Progress(progress) => {
                format!("progress {} of {:?} ends {}", progress.done, progress.total, progress.ends.is_some())
            }
            Event::Stopping { .. } => "stopping".to_owned(),
            _ => return,
        };
        self.lines.lock().unwrap().push(line);
    }
}

impl Heard {
    fn count(&self, beginning: &str) -> usize {
        self.lines.lock().unwrap().iter().filter(|line| line.starts_with(beginning)).count()
    }

    fn all(&self) -> String {
        self.lines.lock().unwrap().join("\n")
    }
}

fn fixture() -> Fixture {
    Fixture::empty()
        .with_user("root@example.org", "Root", "Admin", true)
        .with_user(ADA, "Ada", "Agent", false)
        .with_mailbox("Support", "support@example.org")
        .with_field("support@example.org", "Number", &[])
        .with_field("support@example.org", "Priority", &["Low", "High"])
}

fn identity() -> Identity {
    Identity { target: "http://sandbox.example".to_owned(), source: "zendesk".to_owned() }
}

impl Rig {
    async fn start() -> Self {
        Self::start_with(sandbox::Options { fixture: fixture(), is_strict: true, ..sandbox::Options::default() }).await
    }

    async fn start_with(options: sandbox::Options) -> Self {
        let sandbox = sandbox::start(options).await.unwrap();
        let target = Target::new(sandbox.url(), sandbox.key().into()).unwrap();
        let client = Client::new(target).unwrap();
        let options = Options {
            concurrency: 4,
            settle: Duration::from_millis(120),
            sweep_after: Duration::from_millis(300),
            ..Options::default()
        };
        let journal = Journal::in_memory(&identity()).unwrap();
        Self { sandbox, client, journal, options, heard: Arc::new(Heard::default()) }
    }

    fn fault(&self, specs: &[&str]) {
        self.sandbox.set_faults(specs.iter().map(|spec| spec.parse::<Fault>().unwrap()).collect());
    }

    async fn try_run(&self, items: Vec<Converted>, stop: &Stop) -> Result<Summary, UploadError> {
        let directory = Directory::fetch(&self.client).await.unwrap();
        self.run_with(&directory, items, stop).await
    }

    async fn run_with(
        &self,
        directory: &Directory,
        items: Vec<Converted>,
        stop: &Stop,
    ) -> Result<Summary, UploadError> {
        let (sender, receiver) = mpsc::channel(64);
        let feed = tokio::spawn(async move {
            for item in items {
                if sender.send(item).await.is_err() {
                    return;
                }
            }
        });
        let heard: Arc<dyn Reporter> = Arc::clone(&self.heard) as Arc<dyn Reporter>;
        let work = run(receiver, &self.client, directory, &self.journal, &self.options, heard, stop);
        let result = tokio::time::timeout(Duration::from_secs(60), work).await.expect("the run never ended");
        feed.await.unwrap();
        result
    }

    async fn run(&self, conversations: Vec<Conversation>) -> Summary {
        self.try_run(conversations.into_iter().map(ready).collect(), &Stop::new()).await.unwrap()
    }

    fn state(&self, key: &str) -> u64 {
        self.sandbox.state()[key].as_u64().unwrap()
    }

    fn requests(&self, key: &str) -> u64 {
        self.sandbox.state()["requests"][key].as_u64().unwrap_or(0)
    }

    fn all_requests(&self) -> u64 {
        self.sandbox.state()["requests"].as_object().unwrap().values().filter_map(Value::as_u64).sum()
    }

    /// Nobody is mailed, nobody is left without an address, and every subject is there once.
    fn is_sound(&self, conversations: usize) {
        let subjects: Vec<_> =
            self.sandbox.conversations().iter().map(|c| c["subject"].as_str().unwrap().to_owned()).collect();
        let mut distinct = subjects.clone();
        distinct.sort();
        distinct.dedup();
        assert_eq!((subjects.len(), distinct.len()), (conversations, conversations), "{}", self.heard.all());
        assert_eq!(self.state("outbox"), 0);
        assert_eq!(self.state("customers_without_email"), 0);
        assert_eq!(self.state("orphans"), 0);
    }

    async fn ask<T: Send + 'static>(&self, ask: impl FnOnce(View<'_>) -> rusqlite::Result<T> + Send + 'static) -> T {
        self.journal.view(ask).await.unwrap()
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(T0 + seconds).unwrap()
}

fn person(name: &str) -> Customer {
    Customer {
        key: format!("{name}@customers.example"),
        first_name: name.to_owned(),
        emails: vec![format!("{name}@customers.example")],
        ..Customer::default()
    }
}

fn thread(entry: usize, author: Author, seconds: i64, body: &str) -> Thread {
    Thread {
        entry: entry.to_string(),
        shown_name: None,
        kind: if matches!(author, Author::Customer(_)) { ThreadKind::Customer } else { ThreadKind::Message },
        author,
        body: body.to_owned(),
        cc: Vec::new(),
        bcc: Vec::new(),
        created_at: at(seconds),
        attachments: Vec::new(),
    }
}

fn ada() -> Author {
    Author::User(UserRef::Address(ADA.to_owned()))
}

/// A closed conversation of two threads, opened `n` minutes after the others' beginning.
fn conversation(n: usize, customer: &str) -> Conversation {
    let begun = i64::try_from(n).unwrap() * 60;
    let id = RecordId::new("zendesk", n.to_string());
    Conversation {
        origin: Origin::line(&Arc::from("tickets.json"), n as u64),
        id,
        mailbox: Some("support@example.org".to_owned()),
        kind: Kind::Email,
        status: Status::Closed,
        subject: format!("Ticket {n}"),
        customer: person(customer),
        assignee: Some(UserRef::Address(ADA.to_owned())),
        created_at: at(begun),
        closed_at: Some(at(begun + 20)),
        threads: vec![
            thread(0, Author::Customer(person(customer)), begun, "<p>It does not work</p>"),
            thread(1, ada(), begun + 10, "<p>Now it does</p>"),
        ],
        tags: Vec::new(),
        fields: Vec::new(),
    }
}

fn many(count: usize) -> Vec<Conversation> {
    (0..count).map(|n| conversation(n, &format!("customer{}", n % 5))).collect()
}

fn ready(conversation: Conversation) -> Converted {
    Converted::Ready(Box::new(Mapped {
        conversation,
        findings: Vec::new(),
        rules: vec![Arc::from("status")],
        lines: Vec::new(),
    }))
}

fn file(name: &str, bytes: &[u8]) -> Attachment {
    Attachment { name: name.to_owned(), mime: "text/plain".to_owned(), content: Content::bytes(bytes) }
}

#[tokio::test]
async fn a_conversation_arrives_with_everything_it_carries() {
    let rig = Rig::start().await;
    let mut one = conversation(1, "mark");
    one.tags = vec!["billing".to_owned(), "vip".to_owned()];
    one.fields = vec![("Number".to_owned(), "4711".to_owned()), ("Priority".to_owned(), "high".to_owned())];
    one.threads[0].cc = vec!["boss@customers.example".to_owned()];
    one.threads[1].attachments = vec![file("a.txt", b"abc"), file("b.txt", b"defgh")];
    let mut note = thread(2, ada(), 75, "<p>Only for us</p>");
    note.kind = ThreadKind::Note;
    one.threads.push(note);
    one.closed_at = Some(at(90));

    let summary = rig.run(vec![one]).await;

    assert_eq!(summary.to_string(), "1 read: 1 done, 0 skipped, 0 rejected, 0 dead letters", "{}", rig.heard.all());
    assert_eq!((summary.threads, summary.attachments, summary.customers), (3, 2, 1));
    rig.is_sound(1);
    let there = &rig.sandbox.conversations()[0];
    assert_eq!(there["status"], "closed");
    assert_eq!(there["closedAt"], "2008-01-10T21:21:30+00:00".parse::<Timestamp>().unwrap().to_string());
    assert_eq!(there["assignee"]["email"], ADA);
    assert_eq!(there["customer"]["email"], "mark@customers.example");
    let threads = there["_embedded"]["threads"].as_array().unwrap();
    let kinds: Vec<_> = threads.iter().map(|thread| thread["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["note", "message", "customer"]);
    let tags: Vec<_> = there["_embedded"]["tags"].as_array().unwrap().iter().map(|tag| tag["name"].clone()).collect();
    assert_eq!(tags, ["billing", "vip"]);
    let values: Vec<_> = there["customFields"].as_array().unwrap().iter().map(|f| f["value"].clone()).collect();
    assert_eq!(values, ["4711", "2"]);
    let oldest = threads[2]["body"].as_str().unwrap();
    assert!(oldest.contains("<!-- foxferry:"), "{oldest}");
    assert_eq!(rig.state("attachments"), 2);
    let counts = rig.journal.counts().await.unwrap();
    assert_eq!((counts.done, counts.threads, counts.attachments, counts.people_made), (1, 3, 2, 1));
}

#[tokio::test]
async fn a_second_run_sends_nothing() {
    let rig = Rig::start().await;
    let first = rig.run(many(12)).await;
    let directory = {
        let before = rig.all_requests();
        Directory::fetch(&rig.client).await.unwrap();
        rig.all_requests() - before
    };
    let before = rig.all_requests();

    let second = rig.run(many(12)).await;

    assert_eq!((first.done, first.done_before), (12, 0));
    assert_eq!((second.done, second.done_before, second.requests), (12, 12, 0));
    assert_eq!(rig.all_requests() - before, directory);
    rig.is_sound(12);
}

#[tokio::test]
async fn each_conversation_costs_one_request_and_each_customer_one_more() {
    let rig = Rig::start().await;
    let summary = rig.run(many(20)).await;
    assert_eq!(rig.requests("POST /conversations"), 20);
    assert_eq!(rig.requests("POST /customers"), 5);
    assert_eq!(summary.requests, 25, "{}", rig.sandbox.state());
}

#[tokio::test]
async fn customers_that_many_share_are_made_once_at_eight_in_flight() {
    let mut rig = Rig::start().await;
    rig.options.concurrency = 8;
    rig.fault(&["delay:5ms@* /"]);

    let summary = rig.run((0..80).map(|n| conversation(n, &format!("customer{}", n % 10))).collect()).await;

    assert_eq!(summary.done, 80, "{}", rig.heard.all());
    assert_eq!(rig.requests("POST /customers"), 10);
    assert_eq!(rig.state("customers"), 10);
    rig.is_sound(80);
}

#[tokio::test]
async fn a_customer_who_is_there_is_found_by_any_address_and_not_altered() {
    let rig = Rig::start().await;
    rig.run(vec![conversation(1, "mark")]).await;
    let before = rig.sandbox.customers();
    let mut two = conversation(2, "mark");
    let both = Customer {
        key: "mark@new.example".to_owned(),
        first_name: "Marcus".to_owned(),
        emails: vec!["mark@new.example".to_owned(), "mark@customers.example".to_owned()],
        ..Customer::default()
    };
    two.customer = both.clone();
    two.threads[0].author = Author::Customer(both);

    let summary = rig.run(vec![two]).await;

    assert_eq!((summary.done, summary.customers), (1, 0), "{}", rig.heard.all());
    assert_eq!(rig.sandbox.customers()[0]["firstName"], before[0]["firstName"]);
    assert_eq!(rig.state("customers"), 1);
    let three = Rig { journal: Journal::in_memory(&identity()).unwrap(), ..rig };
    let summary = three.run(vec![conversation(3, "mark")]).await;
    assert_eq!((summary.done, summary.customers, three.state("customers")), (1, 0, 1), "{}", three.heard.all());
}

#[tokio::test]
async fn the_four_outcomes_add_up_and_are_in_the_journal() {
    let rig = Rig::start().await;
    let set_aside = |n: usize| (RecordId::new("zendesk", n.to_string()), Origin::line(&Arc::from("tickets.json"), 9));
    let (id, origin) = set_aside(100);
    let skipped = Skipped { id, origin, reason: "deleted".to_owned(), findings: Vec::new() };
    let (id, origin) = set_aside(101);
    let rejected = Rejected { id, origin, reason: "no messages".to_owned(), findings: Vec::new() };
    let mut nowhere = conversation(2, "eve");
    nowhere.mailbox = Some("sales@example.org".to_owned());
    let items = vec![
        ready(conversation(1, "mark")),
        Converted::Skipped(skipped),
        Converted::Rejected(rejected),
        ready(nowhere),
    ];

    let summary = rig.try_run(items, &Stop::new()).await.unwrap();

    assert_eq!(summary.to_string(), "4 read: 1 done, 1 skipped, 2 rejected, 0 dead letters");
    let letters = rig
        .ask(|view| {
            let mut letters = Vec::new();
            view.letters(|letter| letters.push((letter.outcome, letter.reason)))?;
            Ok(letters)
        })
        .await;
    assert_eq!(letters.len(), 2);
    assert!(
        letters.iter().any(|(_, why)| why.contains("no mailbox `sales@example.org`; it has `support@example.org`"))
    );
    assert!(letters.iter().all(|(outcome, _)| *outcome == Outcome::Rejected));
    assert_eq!(rig.state("customers"), 1, "nobody is made for a record that cannot be sent");
}

#[tokio::test]
async fn an_unknown_agent_is_named_in_the_text() {
    let rig = Rig::start().await;
    let mut one = conversation(1, "mark");
    one.threads[1].author = Author::User(UserRef::Address("gone@old.example".to_owned()));
    one.threads[1].shown_name = Some("Grace Gone".to_owned());

    let summary = rig.run(vec![one]).await;

    assert_eq!(summary.done, 1, "{}", rig.heard.all());
    let threads = rig.sandbox.conversations()[0]["_embedded"]["threads"].clone();
    assert_eq!(threads[0]["body"], "<p><em>Grace Gone:</em></p><p>Now it does</p>");
    assert_eq!(threads[0]["createdBy"]["email"], "root@example.org");
    assert_eq!(rig.heard.count("finding target-unknown-user"), 1);
}

#[tokio::test]
async fn strict_order_gives_numbers_that_follow_time() {
    let mut rig = Rig::start().await;
    rig.options.concurrency = 1;
    rig.run(many(15)).await;
    let subjects: Vec<_> =
        rig.sandbox.conversations().iter().map(|c| c["subject"].as_str().unwrap().to_owned()).collect();
    assert_eq!(subjects, (0..15).map(|n| format!("Ticket {n}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_is_too_big_goes_in_parts_and_ends_equal() {
    let mut rig = Rig::start().await;
    rig.options.request_budget = 100_000;
    let mut one = conversation(1, "mark");
    one.threads = (0..8)
        .map(|n| {
            let author = if n % 2 == 0 { Author::Customer(person("mark")) } else { ada() };
            let mut thread = thread(n, author, 60 + n as i64, &format!("<p>{n}{}</p>", "x".repeat(30_000)));
            thread.attachments = vec![file("log.txt", format!("file {n}").as_bytes())];
            thread
        })
        .collect();
    // The last word is another customer's: the conversation must come back to its own.
    one.threads[7].author = Author::Customer(person("eve"));
    one.threads[7].kind = ThreadKind::Customer;
    one.closed_at = Some(at(100));

    let summary = rig.run(vec![one]).await;

    assert_eq!(summary.done, 1, "{}", rig.heard.all());
    assert_eq!((summary.threads, summary.attachments), (8, 8));
    assert!(rig.requests("POST /conversations/{id}/threads") >= 4);
    let there = &rig.sandbox.conversations()[0];
    assert_eq!((&there["status"], &there["closedAt"]), (&Value::from("closed"), &Value::from(at(100).to_string())));
    assert_eq!(there["customer"]["email"], "mark@customers.example");
    assert_eq!(there["_embedded"]["threads"].as_array().unwrap().len(), 8);
    rig.is_sound(1);
}

#[tokio::test]
async fn a_server_that_takes_less_teaches_a_smaller_budget() {
    let mut rig = Rig::start().await;
    rig.options.request_budget = 10_000_000;
    rig.options.concurrency = 1;
    rig.fault(&["413:200k@POST /conversations"]);
    let big = |n: usize| {
        let mut one = conversation(n, "mark");
        one.threads = (0..8).map(|at| thread(at, ada(), (n * 60 + at) as i64, &"x".repeat(60_000))).collect();
        one
    };

    let summary = rig.run((0..4).map(big).collect()).await;

    assert_eq!(summary.done, 4, "{}", rig.heard.all());
    // Only the first ones are turned away; the others are cut beforehand.
    assert!(rig.requests("POST /conversations") <= 6, "{}", rig.sandbox.state());
    rig.is_sound(4);
}

#[tokio::test]
async fn a_thread_that_alone_is_too_big_makes_a_dead_letter() {
    let rig = Rig::start().await;
    rig.fault(&["413:50k@POST /conversations"]);
    let mut one = conversation(1, "mark");
    one.threads.truncate(1);
    one.threads[0].body = "x".repeat(60_000);

    let summary = rig.run(vec![one, conversation(2, "mark")]).await;

    assert_eq!(summary.to_string(), "2 read: 1 done, 0 skipped, 0 rejected, 1 dead letter", "{}", rig.heard.all());
}

#[tokio::test]
async fn findings_of_the_mapping_are_told_and_counted() {
    let rig = Rig::start().await;
    let mapped = Mapped {
        conversation: conversation(1, "mark"),
        findings: vec![Finding::new(crate::finding::codes::TIME_SHIFTED, "moved by a second")],
        rules: Vec::new(),
        lines: Vec::new(),
    };

    let summary = rig.try_run(vec![Converted::Ready(Box::new(mapped))], &Stop::new()).await.unwrap();

    assert_eq!(summary.findings, [1, 0, 0]);
    assert_eq!(rig.heard.count("finding time-shifted"), 1);
}
