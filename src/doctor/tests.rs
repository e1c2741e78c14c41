use futures_util::StreamExt as _;
use serde_json::json;

use super::*;
use crate::freescout::Target;
use crate::journal::Identity;
use crate::sandbox::{self, Fault, Sandbox};
use crate::upload::Stop;

/// Everything that was told, and what was learnt.
struct Looked {
    told: Vec<Diagnosis>,
    learnt: Learnt,
}

impl Looked {
    /// The topics of this grade, each once, in order.
    fn topics(&self, grade: Grade) -> Vec<&'static str> {
        let mut topics: Vec<_> = self.told.iter().filter(|one| one.grade == grade).map(|one| one.topic).collect();
        topics.dedup();
        topics
    }
}

fn client_of(sandbox: &Sandbox) -> Client {
    Client::new(Target::new(sandbox.url(), sandbox.key().into()).unwrap()).unwrap()
}

async fn started(profile: &str, faults: &[&str]) -> Sandbox {
    let faults = faults.iter().map(|spec| spec.parse::<Fault>().unwrap()).collect();
    let options = sandbox::Options { profile: profile.parse().unwrap(), faults, ..sandbox::Options::default() };
    sandbox::start(options).await.unwrap()
}

/// Looks at everything, and experiments in the first mailbox.
async fn look(sandbox: &Sandbox) -> Looked {
    let client = client_of(sandbox);
    let mut told = Vec::new();
    let mut tell = |diagnosis| told.push(diagnosis);
    let options = Options { largest_request: 1 << 20, ..Options::default() };
    let Ok((directory, learnt)) = examine(&client, &options, &mut tell).await else {
        return Looked { told, learnt: Learnt::default() };
    };
    let mailbox = directory.mailboxes[0].mailbox.id;
    let learnt = learnt.and(experiment(&client, &directory, mailbox, &Stop::new(), &mut tell).await);
    Looked { told, learnt }
}

#[tokio::test]
async fn a_sound_server_gives_no_warning_and_is_left_as_it_was() {
    let sandbox = started("default", &[]).await;
    let looked = look(&sandbox).await;
    for grade in [Grade::Warning, Grade::Error] {
        assert_eq!(looked.topics(grade), [""; 0], "{:?}", looked.told);
    }
    let state = sandbox.state();
    for (what, expected) in [("conversations", 0), ("threads", 0), ("attachments", 0), ("outbox", 0), ("customers", 1)]
    {
        assert_eq!(state[what], json!(expected), "{what}");
    }
    let expected =
        Learnt { taken: Some(1 << 20), refused: None, has_custom_numbers: Some(false), takes_imports: Some(true) };
    assert_eq!(looked.learnt, expected);
    // A second examination takes the same customer.
    look(&sandbox).await;
    assert_eq!(sandbox.state()["customers"], json!(1));
}

/// Each profile and fault, the worst grade it is told with, and the topic.
#[tokio::test]
async fn each_profile_and_fault_is_named() {
    let cases: &[(&str, &[&str], Grade, &str)] = &[
        ("modules-off", &[], Grade::Note, "custom-fields"),
        ("modules-off", &[], Grade::Note, "tags"),
        ("modules-off", &[], Grade::Note, "time-tracking"),
        ("modules-off", &[], Grade::Note, "customer-fields"),
        ("module-1.0.67", &[], Grade::Warning, "module"),
        ("ignores-imported", &[], Grade::Error, "imported"),
        ("zone:Europe/Berlin", &[], Grade::Note, "zone"),
        ("default", &["refuse@* /"], Grade::Error, "address"),
        ("default", &["maintenance@* /"], Grade::Error, "address"),
        ("default", &["502@* /"], Grade::Error, "address"),
        ("default", &["429@GET /users"], Grade::Error, "address"),
        ("default", &["blank-200@GET /mailboxes"], Grade::Error, "address"),
        ("default", &["cut-answer@GET /mailboxes"], Grade::Error, "address"),
        ("default", &["no-body@GET /mailboxes"], Grade::Error, "address"),
        ("default", &["lose-answer@GET /mailboxes*1"], Grade::Warning, "reliability"),
        ("default", &["500-before@GET /conversations*1"], Grade::Warning, "reliability"),
        ("default", &["413:300k@* /"], Grade::Warning, "request-size"),
        ("default", &["fail-above:300k@* /"], Grade::Warning, "request-size"),
        ("default", &["cut-body:300k@POST /conversations"], Grade::Error, "request-size"),
        ("default", &["reset-before@POST /conversations"], Grade::Error, "request-size"),
        ("default", &["504@POST /conversations"], Grade::Error, "request-size"),
        ("default", &["500-after@POST /conversations"], Grade::Error, "request-size"),
        ("default", &["die-after-thread:0@POST /conversations"], Grade::Error, "create"),
        ("default", &["die-inside-thread:1@POST /conversations"], Grade::Error, "create"),
        ("default", &["late:500ms@POST /conversations"], Grade::Error, "request-size"),
        ("default", &["grow:10ms@POST /conversations"], Grade::Error, "create"),
        ("default", &["500-before@POST /customers"], Grade::Error, "probe"),
        ("default", &["500-before@DELETE /conversations/{id}"], Grade::Error, "cleaned"),
        ("default", &["500-before@POST /conversations/{id}/threads"], Grade::Error, "append"),
        ("default", &["502@GET /conversations/{id}"], Grade::Error, "read-back"),
    ];
    let wrong: Vec<String> = futures_util::stream::iter(cases)
        .map(|(profile, faults, grade, topic)| async move {
            let sandbox = started(profile, faults).await;
            let looked = look(&sandbox).await;
            let name = format!("{profile} {faults:?}");
            for one in &looked.told {
                assert!(one.grade == Grade::Fine || one.advice.is_some(), "{name}: {one:?}");
            }
            assert_eq!(sandbox.state()["outbox"], json!(0), "{name}");
            let told: Vec<_> = looked.told.iter().filter(|one| one.grade > Grade::Fine).collect();
            let is_named = looked.topics(*grade).contains(topic);
            (!is_named).then(|| format!("{name} is not {grade} of {topic}: {told:#?}"))
        })
        .buffered(8)
        .filter_map(std::future::ready)
        .collect()
        .await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn a_server_that_loses_imported_is_sent_one_message_of_a_customer_and_no_more() {
    let sandbox = started("ignores-imported", &[]).await;
    let looked = look(&sandbox).await;
    assert_eq!(looked.learnt.takes_imports, Some(false));
    let state = sandbox.state();
    assert_eq!((&state["conversations"], &state["outbox"]), (&json!(0), &json!(0)));
}

#[tokio::test]
async fn numbers_that_are_no_ids_are_seen() {
    let sandbox = started("custom-numbers", &[]).await;
    // After the first examination ids have gone on, and numbers have not.
    look(&sandbox).await;
    let looked = look(&sandbox).await;
    assert!(looked.topics(Grade::Note).contains(&"numbers"), "{:?}", looked.told);
    assert_eq!(looked.learnt.has_custom_numbers, Some(true));
}

#[tokio::test]
async fn what_an_interrupted_examination_left_is_removed_by_the_next() {
    let sandbox = started("default", &["500-before@DELETE /conversations/{id}"]).await;
    look(&sandbox).await;
    assert_eq!(sandbox.state()["conversations"], json!(3));
    sandbox.set_faults(Vec::new());
    let looked = look(&sandbox).await;
    assert!(looked.topics(Grade::Note).contains(&"leftovers"), "{:?}", looked.told);
    assert_eq!(sandbox.state()["conversations"], json!(0));
}

#[tokio::test]
async fn the_limit_of_requests_is_found_and_kept() {
    let sandbox = started("default", &["413:700000@* /"]).await;
    let looked = look(&sandbox).await;
    let (taken, refused) = (looked.learnt.taken.unwrap(), looked.learnt.refused.unwrap());
    assert!(taken <= 700_000 && refused > 700_000 && refused - taken <= refused / 16, "{taken} {refused}");

    let identity = Identity { target: "https://x.example.org".to_owned(), source: String::new() };
    let journal = Journal::in_memory(&identity).unwrap();
    looked.learnt.keep(&journal).await.unwrap();
    assert_eq!(journal.fact(facts::REQUEST_BUDGET).await.unwrap(), Some(format!("{taken} below {refused}")));
    assert_eq!(journal.fact(facts::TAKES_IMPORTS).await.unwrap().as_deref(), Some("yes"));
    assert_eq!(journal.fact(facts::CUSTOM_NUMBERS).await.unwrap(), None);
}

#[test]
fn clocks_are_compared() {
    let target = Target::new("http://192.0.2.7/help", "0123456789abcdef".into()).unwrap();
    let client = Client::new(target).unwrap();
    let now = Timestamp::from_second(1_000_000).unwrap();
    for (server, grade) in [(Some(1_000_030), Grade::Fine), (Some(1_000_300), Grade::Warning), (None, Grade::Note)] {
        let mut told = Vec::new();
        let mut tell = |one: Diagnosis| told.push(one);
        let mut desk = Desk::new(&client, &mut tell);
        desk.say_clock(server.map(|at| Timestamp::from_second(at).unwrap()), now);
        desk.say_address();
        assert_eq!(told[0].grade, grade);
        assert_eq!(told[1].grade, Grade::Warning, "the key travels unencrypted");
    }
}
