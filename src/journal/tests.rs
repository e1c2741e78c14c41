use super::*;
use crate::conversation::ThreadKind;
use crate::record::Seat;

fn identity() -> Identity {
    Identity { target: "https://desk.example.org".to_owned(), source: "zendesk".to_owned() }
}

fn admission(original: &str, run: RunId) -> Admission {
    Admission {
        id: RecordId::new("zendesk", original),
        origin: Origin::line(&Arc::from("tickets.json"), 12),
        rules: vec![Arc::from("status"), Arc::from("people.agents")],
        mapping: Some(blake3::hash(b"mapping")),
        run,
        takes_up_dead: false,
    }
}

fn create(mailbox: u64) -> Intent {
    Intent {
        kind: StepKind::Create,
        ordinal: 0,
        digest: [7; 16],
        create: Some(Box::new(CreateRows {
            key: Key { mailbox, opened_at: 1_000_000, digest: [9; 16] },
            digests: ConversationDigests { subject: [1; 8], ..ConversationDigests::default() },
            threads: vec![ThreadRow {
                entry: "<1@example.org>".to_owned(),
                kind: ThreadKind::Customer.word(),
                digests: ThreadDigests { body: [2; 8], ..ThreadDigests::default() },
                attachments: vec![AttachmentRow { name: "a.txt".to_owned(), size: 3, hash: Some([3; 16]) }],
            }],
            carried: 1,
        })),
    }
}

async fn new_record(journal: &Journal, original: &str, run: RunId) -> RecordRow {
    match journal.admit(admission(original, run)).await.unwrap() {
        Admitted::New(record) => record,
        other => panic!("not new: {other:?}"),
    }
}

#[tokio::test]
async fn a_record_goes_from_new_through_in_flight_to_done_and_stays_there() {
    let journal = Journal::in_memory(&identity()).unwrap();
    let run = journal.begin_run("import acme").await.unwrap();
    let record = new_record(&journal, "1", run).await;
    let step = journal.start(record, create(4)).await.unwrap();

    let Admitted::Resumed(open) = journal.admit(admission("1", run)).await.unwrap() else { panic!("not resumed") };
    assert_eq!(open.steps[0].state, StepState::InFlight);
    assert_eq!(open.key.map(|key| key.mailbox), Some(4));
    assert_eq!(journal.counts().await.unwrap().unknown, 1);

    let settlement =
        Settlement { remote: Some(77), number: Some(78), threads: vec![(0, 500, vec![600])], ends_record: true };
    journal.settle(step, settlement).await.unwrap();

    let Admitted::Settled(settled) = journal.admit(admission("1", run)).await.unwrap() else { panic!("not settled") };
    assert_eq!((settled.outcome, settled.conversation), (Outcome::Done, Some(77)));
    let counts = journal.counts().await.unwrap();
    assert_eq!((counts.done, counts.unknown, counts.threads, counts.attachments), (1, 0, 1, 1));
    assert!(journal.is_claimed(77).await.unwrap());
    let ledger = journal
        .view(|view| {
            let mut rows = Vec::new();
            view.ledger(|row| rows.push(row))?;
            Ok(rows)
        })
        .await
        .unwrap();
    assert_eq!(ledger[0].id.to_string(), "zendesk:1");
    assert_eq!(ledger[0].origin.to_string(), "tickets.json:12");
    assert_eq!((ledger[0].conversation, ledger[0].number), (Some(77), Some(78)));
}

#[tokio::test]
async fn digests_come_back_as_they_were_written() {
    let journal = Journal::in_memory(&identity()).unwrap();
    let run = journal.begin_run("import acme").await.unwrap();
    let record = new_record(&journal, "1", run).await;
    journal.start(record, create(4)).await.unwrap();

    let (digests, threads) =
        journal.view(move |view| Ok((view.digests(record)?, view.threads(record)?))).await.unwrap();

    assert_eq!(digests.map(|digests| digests.subject), Some([1; 8]));
    assert_eq!((threads[0].0.as_str(), threads[0].1, threads[0].2.body), ("<1@example.org>", None, [2; 8]));
}

#[tokio::test]
async fn a_skipped_record_is_taken_up_when_the_rule_is_gone_and_a_done_one_is_never_set_aside() {
    let journal = Journal::in_memory(&identity()).unwrap();
    let run = journal.begin_run("import acme").await.unwrap();
    let settled = journal.set_aside(admission("1", run), Outcome::Skipped, "deleted").await.unwrap();
    assert_eq!(settled.outcome, Outcome::Skipped);

    let record = new_record(&journal, "1", run).await;
    let step = journal.start(record, create(1)).await.unwrap();
    journal.settle(step, Settlement { remote: Some(5), ends_record: true, ..Settlement::default() }).await.unwrap();

    let settled = journal.set_aside(admission("1", run), Outcome::Skipped, "deleted").await.unwrap();
    assert_eq!((settled.outcome, settled.conversation), (Outcome::Done, Some(5)));
}

#[tokio::test]
async fn a_dead_letter_keeps_its_reason_its_place_and_its_conversation() {
    let journal = Journal::in_memory(&identity()).unwrap();
    let run = journal.begin_run("import acme").await.unwrap();
    let record = new_record(&journal, "1", run).await;
    let step = journal.start(record, create(1)).await.unwrap();
    journal.settle(step, Settlement { remote: Some(5), ..Settlement::default() }).await.unwrap();
    journal.bury(record, "a thread is missing").await.unwrap();

    let letters = journal
        .view(|view| {
            let mut letters = Vec::new();
            view.letters(|letter| letters.push(letter))?;
            Ok(letters)
        })
        .await
        .unwrap();

    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].reason, "a thread is missing");
    assert_eq!((letters[0].conversation, letters[0].attempts), (Some(5), 1));
    assert!(matches!(journal.admit(admission("1", run)).await.unwrap(), Admitted::Settled(_)));
    let again = Admission { takes_up_dead: true, ..admission("1", run) };
    assert!(matches!(journal.admit(again).await.unwrap(), Admitted::Resumed(_)));
}

#[tokio::test]
async fn a_record_that_is_done_leaves_no_request_unknown() {
    let journal = Journal::in_memory(&identity()).unwrap();
    let run = journal.begin_run("import acme").await.unwrap();
    let record = new_record(&journal, "1", run).await;
    // The delete of a half, and a change of owner, that a killed run never heard of.
    for kind in [StepKind::Delete, StepKind::Owner] {
        journal.start(record, Intent { kind, ordinal: 0, digest: [0; 16], create: None }).await.unwrap();
    }
    let step = journal.start(record, create(1)).await.unwrap();
    let settlement = Settlement { remote: Some(7), ends_record: true, ..Settlement::default() };
    assert_eq!(journal.counts().await.unwrap().unknown, 3);

    journal.settle(step, settlement).await.unwrap();

    let counts = journal.counts().await.unwrap();
    assert_eq!((counts.done, counts.unknown), (1, 0));
    let states: Vec<_> =
        journal.view(move |view| view.steps(record)).await.unwrap().into_iter().map(|step| step.state).collect();
    assert_eq!(states, [StepState::Done; 3]);
}

#[tokio::test]
async fn a_file_journal_remembers_and_leaves_one_file_and_its_lock() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("acme.ferry");
    let journal = Journal::open(&path, &identity()).unwrap();
    let run = journal.begin_run("import acme").await.unwrap();
    let record = new_record(&journal, "1", run).await;
    journal.start(record, create(1)).await.unwrap();
    drop(journal);

    let mut names: Vec<_> =
        folder.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["acme.ferry", "acme.ferry.lock"]);

    let journal = Journal::open(&path, &identity()).unwrap();
    let open = journal.view(|view| view.open_creates()).await.unwrap();
    assert_eq!(open[0].id.to_string(), "zendesk:1");
}

#[tokio::test]
async fn two_writers_are_refused_and_readers_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("acme.ferry");
    let journal = Journal::open(&path, &identity()).unwrap();
    journal.begin_run("import acme").await.unwrap();

    let error = Journal::open(&path, &identity()).err().unwrap();
    assert!(matches!(error, JournalError::InUse { process: Some(_), .. }), "{error}");
    let reader = Journal::open_read_only(&path).unwrap();
    assert_eq!(reader.ask(|view| view.runs()).unwrap().len(), 1);
    assert_eq!(reader.identity().unwrap(), identity());

    drop(journal);
    assert!(Journal::open(&path, &identity()).is_ok());
}

#[test]
fn a_journal_of_another_target_or_source_is_refused_and_so_is_another_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("acme.ferry");
    drop(Journal::open(&path, &identity()).unwrap());

    let other = Identity { target: "https://other.example.org".to_owned(), ..identity() };
    assert!(matches!(Journal::open(&path, &other), Err(JournalError::OtherTarget { .. })));
    let other = Identity { source: "mbox".to_owned(), ..identity() };
    assert!(matches!(Journal::open(&path, &other), Err(JournalError::OtherSource { .. })));

    let text = folder.path().join("notes.ferry");
    std::fs::write(
        &text,
        "These are only notes, and long enough that nobody takes them for an empty database. ".repeat(30),
    )
    .unwrap();
    assert!(matches!(Journal::open(&text, &identity()), Err(JournalError::NotAJournal { .. })));
    assert!(matches!(Journal::open_read_only(&text), Err(JournalError::NotAJournal { .. })));

    let foreign = folder.path().join("foreign.ferry");
    Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    assert!(matches!(Journal::open(&foreign, &identity()), Err(JournalError::NotAJournal { .. })));

    let absent = folder.path().join("absent.ferry");
    assert!(matches!(Journal::open_read_only(&absent), Err(JournalError::Missing { .. })));
}

#[test]
fn a_newer_journal_is_refused_and_names_both_versions() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("acme.ferry");
    drop(Journal::open(&path, &identity()).unwrap());
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();

    let error = Journal::open(&path, &identity()).err().unwrap();

    assert!(matches!(error, JournalError::Newer { found: 99, known, .. } if known == MIGRATIONS.len()), "{error}");
}

#[test]
fn a_damaged_journal_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("acme.ferry");
    drop(Journal::open(&path, &identity()).unwrap());
    let mut bytes = std::fs::read(&path).unwrap();
    let half = bytes.len() / 2;
    for byte in &mut bytes[half..half + 8192] {
        *byte = 0x55;
    }
    std::fs::write(&path, bytes).unwrap();

    let error = Journal::open(&path, &identity()).err().unwrap();

    assert!(matches!(error, JournalError::Damaged { .. }), "{error}");
}

#[tokio::test]
async fn an_error_of_the_database_reaches_its_caller_and_everyone_after_it() {
    let journal = Journal::in_memory(&identity()).unwrap();

    let first = journal.writer.run(When::Durable, |db| db.execute("INSERT INTO nowhere VALUES (1)", [])).await;
    let second = journal.begin_run("import acme").await;

    assert!(matches!(first, Err(JournalError::Sqlite { .. })), "{first:?}");
    assert!(matches!(second, Err(JournalError::Sqlite { .. })), "{second:?}");
}

#[tokio::test]
async fn a_full_disk_is_named_with_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("acme.ferry");
    let journal = Journal::open(&path, &identity()).unwrap();
    // A limit on pages is how SQLite itself is made to run out of room.
    journal
        .writer
        .run(When::Durable, |db| {
            let pages: i64 = db.query_row("PRAGMA page_count", [], |row| row.get(0))?;
            db.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))
        })
        .await
        .unwrap();

    let error = journal.begin_run(&"x".repeat(1 << 20)).await.err().unwrap();

    assert!(matches!(error, JournalError::DiskFull { .. }), "{error}");
    assert!(error.to_string().contains("acme.ferry"));
}

#[tokio::test]
async fn findings_are_counted_and_only_a_few_samples_are_kept() {
    let journal = Journal::in_memory(&identity()).unwrap();
    let run = journal.begin_run("import acme").await.unwrap();
    let findings = (0..50).map(|n| Finding::new(crate::finding::codes::TIME_SHIFTED, format!("shift {n}"))).collect();

    journal.note(run, findings).await.unwrap();

    let found = journal.view(move |view| view.findings(run)).await.unwrap();
    assert_eq!((found.len(), found[0].count, found[0].samples.len()), (1, 50, 20));
}

#[tokio::test]
async fn a_run_that_never_ended_is_called_killed_by_the_next() {
    let journal = Journal::in_memory(&identity()).unwrap();
    journal.begin_run("import acme").await.unwrap();
    let second = journal.begin_run("import acme").await.unwrap();
    journal.end_run(second, "finished", "{}".to_owned()).await.unwrap();

    let endings: Vec<_> = journal.view(|view| view.runs()).await.unwrap().into_iter().map(|run| run.ending).collect();

    assert_eq!(endings, [Some("killed".to_owned()), Some("finished".to_owned())]);
}

#[tokio::test]
async fn a_person_is_asked_for_and_then_known() {
    let journal = Journal::in_memory(&identity()).unwrap();
    assert_eq!(journal.person("mark@example.org").await.unwrap(), None);
    journal.ask_person("mark@example.org").await.unwrap();
    assert_eq!(journal.person("mark@example.org").await.unwrap(), Some(PersonRow { customer: None, is_ours: false }));
    journal.settle_person("mark@example.org", 3, true).await.unwrap();
    assert_eq!(journal.person("mark@example.org").await.unwrap(), Some(PersonRow { customer: Some(3), is_ours: true }));
}

#[tokio::test]
async fn only_done_records_have_their_seats_named_and_another_index_moves_them() {
    let journal = Journal::in_memory(&identity()).unwrap();
    let run = journal.begin_run("import").await.unwrap();
    let seated = |original: &str, index, number, opened| {
        let mut admission = admission(original, run);
        admission.origin.seat = Some(Box::new(Seat { index, number, opened }));
        admission
    };
    for (original, number) in [("1", 10), ("2", 20), ("3", 30)] {
        let Admitted::New(record) = journal.admit(seated(original, 5, number, Some(number * 1_000))).await.unwrap()
        else {
            panic!("not new")
        };
        if original != "2" {
            let step = journal.start(record, create(4)).await.unwrap();
            journal.settle(step, Settlement { ends_record: true, ..Settlement::default() }).await.unwrap();
        }
    }
    let seats = |index| {
        journal.view(move |view| {
            let mut seats = Vec::new();
            view.done_seats(index, |number, opened| seats.push((number, opened)))?;
            Ok((seats, view.done_seat_of(&RecordId::new("zendesk", "3"), index)?))
        })
    };
    assert_eq!(seats(5).await.unwrap(), (vec![(10, Some(10_000)), (30, Some(30_000))], Some(30)));
    assert_eq!(seats(6).await.unwrap(), (vec![], None));

    let admitted = journal.admit(seated("3", 6, 7, None)).await.unwrap();

    // Its new place counts when somebody has seen what the newer archive has for it.
    let Admitted::Settled(settled) = admitted else { panic!("not settled") };
    assert_eq!(seats(6).await.unwrap().1, None);
    journal.seat(settled.record, Seat { index: 6, number: 7, opened: None }).await.unwrap();

    assert_eq!(seats(5).await.unwrap(), (vec![(10, Some(10_000))], None));
    assert_eq!(seats(6).await.unwrap(), (vec![(7, None)], Some(7)));
    // Without an index nothing is known to have moved.
    journal.admit(admission("3", run)).await.unwrap();
    assert_eq!(seats(6).await.unwrap().1, Some(7));
}

#[tokio::test]
async fn a_journal_of_the_first_version_is_read_and_brought_up_to_date() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("old.ferry");
    let old = Connection::open(&path).unwrap();
    old.execute_batch(MIGRATIONS[0]).unwrap();
    old.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
    old.pragma_update(None, "user_version", 1).unwrap();
    let Identity { target, source } = identity();
    old.execute("INSERT INTO identity VALUES (1, ?1, ?2, 0)", [target, source]).unwrap();
    old.execute_batch(
        "INSERT INTO files VALUES (1, 'a.json');
         INSERT INTO records (source, original, file, place_kind, place, rules, state, conversation, admitted_at)
         VALUES ('zendesk', '1', 1, 'line', 1, '', 'done', 77, 0);",
    )
    .unwrap();
    drop(old);
    assert_eq!(Journal::open_read_only(&path).unwrap().counts().unwrap().done, 1);

    let journal = Journal::open(&path, &identity()).unwrap();

    let run = journal.begin_run("import").await.unwrap();
    let Admitted::Settled(settled) = journal.admit(admission("1", run)).await.unwrap() else { panic!("not settled") };
    assert_eq!(settled.conversation, Some(77));
    assert!(journal.has_done().await.unwrap());
}

#[tokio::test]
async fn what_was_learnt_about_the_target_is_kept_for_the_next_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("acme.ferry");
    let journal = Journal::open(&path, &identity()).unwrap();
    assert_eq!(journal.fact("request-budget").await.unwrap(), None);
    journal.set_fact("request-budget", "100").await.unwrap();
    journal.set_fact("request-budget", "50").await.unwrap();
    drop(journal);
    let journal = Journal::open(&path, &identity()).unwrap();
    assert_eq!(journal.fact("request-budget").await.unwrap().as_deref(), Some("50"));
}

#[test]
fn a_journal_of_an_older_version_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("acme.ferry");
    drop(Journal::open(&path, &identity()).unwrap());
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 1).unwrap();
    assert_eq!(Journal::open_read_only(&path).unwrap().counts().unwrap().done, 0);
}
