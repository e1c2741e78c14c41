//! Customers: one for each person, with all that is known of them, and none for our own side.

use super::*;

#[tokio::test]
async fn users_and_mailboxes_never_become_customers() {
    let rig = Rig::start().await;
    let mut one = conversation(1, "mark");
    let own = |email: &str| Customer { key: email.to_owned(), emails: vec![email.to_owned()], ..person("ada") };
    one.customer = own(ADA);
    one.threads[0].author = Author::Customer(own(ADA));
    let mut two = conversation(2, "mark");
    two.threads[0].author = Author::Customer(own("support@example.org"));
    let mut three = conversation(3, "mark");
    let both = Customer { emails: vec![ADA.to_owned(), "ada@home.example".to_owned()], ..own(ADA) };
    three.customer = both.clone();
    three.threads[0].author = Author::Customer(both);

    let summary = rig.run(vec![one, two, three]).await;

    assert_eq!(summary.done, 3, "{}", rig.heard.all());
    assert_eq!(rig.heard.count("finding person-is-staff"), 3, "{}", rig.heard.all());
    let mut addresses: Vec<String> = rig
        .sandbox
        .customers()
        .iter()
        .flat_map(|customer| customer["_embedded"]["emails"].as_array().unwrap().clone())
        .map(|email| email["value"].as_str().unwrap().to_owned())
        .collect();
    addresses.sort();
    let (stand_ins, others): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.ends_with("@no-address.invalid"));
    assert_eq!(others, ["ada@home.example", "mark@customers.example"]);
    assert_eq!(stand_ins.len(), 2);
    rig.is_sound(3);
}

#[tokio::test]
async fn staff_may_be_customers_if_the_mapping_says_so() {
    let mut rig = Rig::start().await;
    rig.options.staff_may_be_customers = true;
    let mut one = conversation(1, "mark");
    one.customer = Customer { key: ADA.to_owned(), emails: vec![ADA.to_owned()], ..person("ada") };
    one.threads[0].author = Author::Customer(one.customer.clone());
    assert_eq!(rig.run(vec![one]).await.done, 1, "{}", rig.heard.all());
    assert_eq!(rig.sandbox.conversations()[0]["customer"]["email"], ADA);
}

#[tokio::test]
async fn a_new_customer_has_all_that_is_known_of_them_and_an_old_one_keeps_what_it_has() {
    let rig = Rig::start().await;
    rig.run(vec![conversation(1, "mark")]).await;
    let old = rig.sandbox.customers()[0].clone();
    let mut rich = person("eve");
    rich.last_name = "Miller".to_owned();
    rich.phones = vec!["+49 30 1234".to_owned()];
    rich.company = Some("Mills".to_owned());
    rich.job_title = Some("Miller".to_owned());
    rich.notes = Some("Calls at noon".to_owned());
    rich.websites = vec!["http://mills.example".to_owned()];
    let mut two = conversation(2, "eve");
    two.customer = rich.clone();
    two.threads[0].author = Author::Customer(rich.clone());
    let mut three = conversation(3, "mark");
    let altered = Customer { company: Some("Other".to_owned()), ..person("mark") };
    three.customer = altered.clone();
    three.threads[0].author = Author::Customer(altered);

    // Another journal: the old one is found in FreeScout, not remembered.
    let rig = Rig { journal: Journal::in_memory(&identity()).unwrap(), ..rig };
    assert_eq!(rig.run(vec![two, three]).await.done, 2, "{}", rig.heard.all());

    let customers = rig.sandbox.customers();
    assert_eq!((customers.len(), &customers[0]), (2, &old));
    let eve = &customers[1];
    for (pointer, expected) in [
        ("/firstName", "eve"),
        ("/lastName", "Miller"),
        ("/company", "Mills"),
        ("/jobTitle", "Miller"),
        ("/notes", "Calls at noon"),
        ("/_embedded/emails/0/value", "eve@customers.example"),
        ("/_embedded/phones/0/value", "+49 30 1234"),
        ("/_embedded/websites/0/value", "http://mills.example"),
    ] {
        assert_eq!(eve.pointer(pointer), Some(&Value::from(expected)), "{pointer}: {eve}");
    }
}

#[tokio::test]
async fn the_journal_has_the_hash_of_every_file_that_was_sent() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("acme.ferry");
    let mut rig = Rig::start().await;
    rig.journal = Journal::open(&journal, &identity()).unwrap();
    rig.options.request_budget = 70_000;
    let bytes = |n: usize| vec![b'a' + n as u8; 50_000 + n];
    let mut one = conversation(1, "mark");
    one.threads = (0..4)
        .map(|n| {
            let path = folder.path().join(format!("{n}.bin"));
            std::fs::write(&path, bytes(n)).unwrap();
            let content = Content::File { path: path.into(), length: bytes(n).len() as u64 };
            let mut thread = thread(n, ada(), 60 + n as i64, "<p>See there</p>");
            thread.attachments = vec![Attachment { content, ..file(&format!("{n}.bin"), b"") }];
            thread
        })
        .collect();
    rig.fault(&["lose-answer@POST /conversations*1", "lose-answer@POST /conversations/{id}/threads*1"]);
    let hashes = || {
        let db = rusqlite::Connection::open(&journal).unwrap();
        let mut rows = db.prepare("SELECT hash FROM attachments ORDER BY thread").unwrap();
        let hashes = rows.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap);
        hashes.collect::<Vec<Option<Vec<u8>>>>()
    };
    let expected: Vec<_> = (0..4).map(|n| Some(blake3::hash(&bytes(n)).as_bytes()[..16].to_vec())).collect();

    assert_eq!(rig.run(vec![one.clone()]).await.done, 1, "{}", rig.heard.all());

    rig.journal = Journal::in_memory(&identity()).unwrap();
    drop(faults::open_soon(&journal).await);
    assert_eq!(hashes(), expected);
    // A run that did not live to write them down leaves it to the next, which has only the archive.
    let forget = "UPDATE attachments SET hash = NULL; UPDATE records SET state = 'open';
                  UPDATE steps SET state = 'in flight' WHERE kind = 'append' AND ordinal = 3;
                  UPDATE threads SET remote = NULL WHERE ordinal = 3";
    rusqlite::Connection::open(&journal).unwrap().execute_batch(forget).unwrap();
    rig.journal = faults::open_soon(&journal).await;
    assert_eq!(rig.run(vec![one]).await.done, 1, "{}", rig.heard.all());
    rig.journal = Journal::in_memory(&identity()).unwrap();
    drop(faults::open_soon(&journal).await);
    assert_eq!((hashes(), rig.state("threads")), (expected, 4));
}
