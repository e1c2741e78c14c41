//! Reading mail: real archives, made ones, damaged ones.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::*;
use crate::record::{Body, Record};
use crate::source::{Order, ReadError, Shape};

mod threading;
mod who;

/// An archive of these files, opened.
fn open_with(paths: &[PathBuf], shape: &Shape, order: Order) -> Result<Reader, SourceError> {
    let scratch = tempfile::tempdir().unwrap();
    let input = Input::open(paths, scratch.path()).unwrap();
    let watch = |_: u64| ControlFlow::Continue(());
    Mbox.open(input, &Reading { shape, order, index: None, scratch: scratch.path(), watch: &watch })
}

fn open(path: &Path) -> Result<Reader, SourceError> {
    open_with(&[path.to_owned()], &own_shape(), Order::Oldest)
}

fn own_shape() -> Shape {
    Shape { own: vec!["support@example.org".to_owned()], ..Shape::default() }
}

fn open_text(text: &[u8]) -> Result<Reader, SourceError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.mbox");
    std::fs::write(&path, text).unwrap();
    // The folder may go: open files and the error's text do not need its name.
    let reader = open(&path)?;
    let facts = reader.facts.clone();
    let records: Vec<_> = reader.collect();
    Ok(Reader::new(facts, records.into_iter()))
}

fn records(text: &[u8]) -> Vec<Record> {
    open_text(text).unwrap().collect::<Result<_, _>>().unwrap()
}

fn count(facts: &Facts, name: &str) -> u64 {
    facts.counts.iter().find(|(found, _)| *found == name).map(|(_, count)| *count).unwrap()
}

fn archives() -> Option<PathBuf> {
    let archives = std::env::var_os("FOXFERRY_ARCHIVES").map(PathBuf::from);
    if archives.is_none() {
        println!("skipped: FOXFERRY_ARCHIVES is not set");
    }
    archives
}

const ENVELOPE: &str = "From ann@example.org Mon Jan 15 10:30:00 2024\n";

fn mail(id: &str, more: &str, body: &str) -> String {
    format!(
        "{ENVELOPE}Message-ID: <{id}>\nFrom: ann@example.com\nTo: support@example.org\nDate: Mon, 15 Jan 2024 10:30:00 +0000\n{more}\n{body}\n\n"
    )
}

#[test]
fn real_archives_hold_as_many_messages_as_counted_by_others() {
    let Some(archives) = archives() else { return };
    let truth = std::fs::read_to_string(archives.join("MBOX-TRUTH.tsv")).unwrap();
    let mut wrong = Vec::new();
    for line in truth.lines().skip(1) {
        let cells: Vec<&str> = line.split('\t').collect();
        let path = archives.join(cells[0]);
        // No rule decides these two.
        if ["unmunged.mbox", "test-attached.mbox"].iter().any(|name| cells[0].ends_with(name)) {
            continue;
        }
        if cells[0].ends_with("test-not-an.mbox") {
            assert!(matches!(open(&path), Err(SourceError::WrongFormat { .. })));
            continue;
        }
        let reader = open(&path).unwrap();
        let names = ["messages", "distinct_message_ids", "without_message_id", "without_date"];
        for (name, cell) in names.into_iter().zip([2, 3, 4, 5]) {
            if count(&reader.facts, name).to_string() != cells[cell] {
                wrong.push(format!("{}: {name} {} instead of {}", cells[0], count(&reader.facts, name), cells[cell]));
            }
        }
        let facts = reader.facts.clone();
        let records: Vec<Record> = reader.collect::<Result<_, _>>().unwrap();
        assert_eq!(records.len() as u64, facts.records, "{}", cells[0]);
        let entries: usize = records.iter().map(|record| record.entries.len()).sum();
        assert_eq!(
            entries as u64,
            count(&facts, "messages") - count(&facts, "duplicates") - count(&facts, "deleted") - count(&facts, "chats"),
            "{}",
            cells[0]
        );
        let ids: BTreeSet<&str> = records.iter().map(|record| record.id.original.as_str()).collect();
        assert_eq!(ids.len(), records.len(), "{}: ids are unique", cells[0]);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_message_of_a_doubled_list_archive_is_in_one_conversation() {
    let Some(archives) = archives() else { return };
    let path = archives.join("mbox/pipermail-twisted-python/2005-May.txt");
    let reader = open(&path).unwrap();
    assert_eq!(count(&reader.facts, "messages"), 714);
    assert_eq!(count(&reader.facts, "distinct_message_ids"), 357);
    assert_eq!(count(&reader.facts, "duplicates"), 357);
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for record in reader {
        for entry in record.unwrap().entries {
            *seen.entry(entry.id).or_default() += 1;
        }
    }
    assert_eq!(seen.len(), 357);
    assert!(seen.values().all(|&times| times == 1));
}

#[test]
fn two_readings_are_equal_and_every_order_has_all() {
    let Some(archives) = archives() else { return };
    let path = archives.join("mbox/pipermail-twisted-python/2014-June.txt");
    let ids = |order| -> Vec<String> {
        let reader = open_with(std::slice::from_ref(&path), &Shape::default(), order).unwrap();
        reader.map(|record| format!("{:?}", record.unwrap())).collect()
    };
    let oldest = ids(Order::Oldest);
    assert_eq!(oldest, ids(Order::Oldest));
    let newest: Vec<String> = ids(Order::Newest).into_iter().rev().collect();
    assert_eq!(oldest, newest);
    let sorted = |ids: Vec<String>| ids.into_iter().collect::<BTreeSet<_>>();
    assert_eq!(sorted(oldest), sorted(ids(Order::Archive)));
}

#[test]
fn an_index_is_used_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.mbox");
    let index = folder.path().join("x.ferry.index");
    std::fs::write(&path, mail("1", "Subject: x\n", "hello") + &mail("1", "Subject: x\n", "hello")).unwrap();
    let shape = own_shape();
    let open = || {
        let input = Input::open(std::slice::from_ref(&path), folder.path()).unwrap();
        let watched = std::cell::Cell::new(0);
        // `watch` is called by the pass alone.
        let calls = std::sync::atomic::AtomicU64::new(0);
        let watch = |_: u64| {
            calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            ControlFlow::Continue(())
        };
        let reading =
            Reading { shape: &shape, order: Order::Oldest, index: Some(&index), scratch: folder.path(), watch: &watch };
        let reader = Mbox.open(input, &reading).unwrap();
        watched.set(calls.load(std::sync::atomic::Ordering::Relaxed));
        let facts = (reader.facts.records, reader.facts.counts.clone(), reader.facts.variants.clone());
        (facts, reader.map(|record| format!("{:?}", record.unwrap())).collect::<Vec<_>>(), watched.get())
    };
    let (facts, records, calls) = open();
    assert!(calls > 0);
    assert_eq!(open(), (facts, records, 0));
}

#[test]
fn an_empty_file_has_no_records() {
    let reader = open_text(b"").unwrap();
    assert_eq!(reader.facts.records, 0);
    assert_eq!(count(&reader.facts, "messages"), 0);
    assert_eq!(reader.count(), 0);
}

#[test]
fn replies_are_one_conversation_however_they_refer() {
    let text = mail("1@x", "Subject: a\n", "one")
        + &mail("2@x", "Subject: Re: a\nIn-Reply-To: Your message <1@x>\n", "two")
        + &mail("3@x", "Subject: other words\nReferences: <0@x>\n <2@x>\n", "three")
        + &mail("4@x", "Subject: a\n", "unrelated, though the subject is the same");
    let found = records(text.as_bytes());
    let ids: Vec<Vec<&str>> = found.iter().map(|r| r.entries.iter().map(|e| e.id.as_str()).collect()).collect();
    assert_eq!(ids, [vec!["1@x", "2@x", "3@x"], vec!["4@x"]]);
    assert_eq!(found[0].id.to_string(), "mbox:1@x");
    assert_eq!(found[0].subject.as_deref(), Some("a"));
}

#[test]
fn a_reply_without_references_joins_by_subject_and_people_within_the_window() {
    let message = |id: &str, from: &str, to: &str, day: u32, subject: &str| {
        format!(
            "{ENVELOPE}Message-ID: <{id}>\nFrom: {from}\nTo: {to}\nDate: {day} Jan 2024 10:30:00 +0000\nSubject: {subject}\n\n{id}\n\n"
        )
    };
    let (ann, bob, us) = ("ann@example.com", "bob@example.com", "Support@example.org");
    let cases = [
        ("an answer", us, ann, 20, "AW: Broken", 1),
        ("no prefix", us, ann, 20, "Broken", 2),
        ("another person", us, bob, 20, "Re: Broken", 2),
        ("another subject", us, ann, 20, "Re: Fixed", 2),
        ("before the question", us, ann, 1, "Re: Broken", 2),
    ];
    for (name, from, to, day, subject, expected) in cases {
        let text = message("1", ann, us, 15, "Broken") + &message("2", from, to, day, subject);
        let found = records(text.as_bytes());
        assert_eq!(found.len(), expected, "{name}");
        let is_said = found.iter().flat_map(|record| &record.oddities).any(|odd| odd.code == codes::READ_SPLIT_THREAD);
        assert_eq!(is_said, expected == 1, "{name}");
    }
    let far = message("1", ann, us, 1, "Broken") + &message("2", us, ann, 1, "Re: Broken").replace("Jan", "Mar");
    assert_eq!(records(far.as_bytes()).len(), 2, "outside the window");
}

#[test]
fn the_servers_threads_win() {
    let text = mail("1@x", "X-GM-THRID: 7\n", "one")
        + &mail("2@x", "X-GM-THRID: 7\nSubject: b\n", "two")
        + &mail("3@x", "X-GM-THRID: 8\nIn-Reply-To: <1@x>\n", "three");
    let sizes: Vec<usize> = records(text.as_bytes()).iter().map(|record| record.entries.len()).collect();
    assert_eq!(sizes, [2, 1]);
}

#[test]
fn copies_count_once_and_equal_ids_on_other_texts_do_not() {
    let text = mail("1@x", "X-Gmail-Labels: Spam\n", "one")
        + &mail("1@x", "X-Gmail-Labels: Inbox,Orders\nReceived: by x; Mon, 15 Jan 2024 10:30:01 +0000\n", "one\n")
        + &mail("1@x", "", "another");
    let reader = open_text(text.as_bytes()).unwrap();
    assert_eq!(count(&reader.facts, "duplicates"), 1);
    assert_eq!(count(&reader.facts, "distinct_message_ids"), 1);
    let found: Vec<Record> = reader.collect::<Result<_, _>>().unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].entries.len(), 2);
    assert_eq!(found[0].entries[0].id, "1@x");
    assert!(found[0].entries[1].id.starts_with("1@x~"));
    assert_eq!(found[0].status, None, "a copy in the inbox is no spam");
    assert_eq!(found[0].tags, ["Orders"]);
}

#[test]
fn messages_without_an_id_are_known_by_their_content() {
    let bare = |subject: &str| {
        format!("{ENVELOPE}From: a@b.org\nDate: Mon, 15 Jan 2024 10:30:00 +0000\nSubject: {subject}\n\nx\n\n")
    };
    let text = bare("a") + &bare("b") + &bare("a");
    let reader = open_text(text.as_bytes()).unwrap();
    assert_eq!(count(&reader.facts, "without_message_id"), 3);
    assert_eq!(count(&reader.facts, "duplicates"), 1);
    let ids: Vec<String> = reader.map(|record| record.unwrap().id.original).collect();
    assert_eq!(ids.len(), 2);
    assert!(ids.iter().all(|id| id.starts_with("hash-") && id.len() == 37), "{ids:?}");
}

#[test]
fn deleted_messages_are_left_out_and_counted() {
    let text = mail("1@x", "X-Mozilla-Status: 0009\n", "gone") + &mail("2@x", "X-Mozilla-Status: 0001\n", "here");
    let reader = open_text(text.as_bytes()).unwrap();
    assert_eq!(count(&reader.facts, "deleted"), 1);
    assert_eq!(count(&reader.facts, "messages"), 2);
    assert_eq!(reader.facts.records, 1);
}

#[test]
fn labels_become_tags_and_a_status() {
    let cases = [
        ("Spam", Some("spam"), vec![]),
        ("Papierkorb,Orders/2024", Some("trash"), vec!["Orders/2024"]),
        ("Inbox,\"Smith, Inc\",Opened", None, vec!["Smith, Inc"]),
        ("=?utf-8?Q?Brouillons,Caf=C3=A9?=", Some("draft"), vec!["Café"]),
    ];
    for (labels, status, tags) in cases {
        let found = records(mail("1@x", &format!("X-Gmail-Labels: {labels}\n"), "x").as_bytes());
        assert_eq!(found[0].status.as_deref(), status, "{labels}");
        assert_eq!(found[0].tags, tags, "{labels}");
    }
}

#[test]
fn the_customer_is_whoever_is_not_us() {
    let text = |from: &str, to: &str| format!("{ENVELOPE}Message-ID: <1>\nFrom: {from}\nTo: {to}\n\nx\n");
    let cases = [
        ("Ann <ann@example.com>", "support@example.org", Some("ann@example.com")),
        ("SUPPORT@example.org", "support@example.org, Bob <bob@example.com>", Some("bob@example.com")),
        ("support@example.org", "support@example.org", Some("support@example.org")),
    ];
    for (from, to, expected) in cases {
        let found = records(text(from, to).as_bytes());
        assert_eq!(found[0].requester.as_ref().and_then(|person| person.email()), expected, "{from}");
    }
    let found = records(text("support@example.org", "ann@example.com").as_bytes());
    assert_eq!(found[0].entries[0].author.as_ref().unwrap().role.as_deref(), Some("agent"));
}

#[test]
fn quoted_lines_lose_one_mark_and_files_open_from_their_place() {
    let text = mail(
        "1@x",
        "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n",
        "--b\n\n>From here\n>>From there\n> From nowhere\n--b\nContent-Disposition: attachment; filename=a.bin\nContent-Transfer-Encoding: base64\n\naGVsbG8=\n--b--\n",
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.mbox");
    std::fs::write(&path, mail("0@x", "", "first") + &text).unwrap();
    let found: Vec<Record> = open(&path).unwrap().collect::<Result<_, _>>().unwrap();
    let entry = &found[1].entries[0];
    assert_eq!(entry.body, Body::Text("From here\n>From there\n> From nowhere".to_owned()));
    let content = &entry.attachments[0].content;
    assert_eq!(content.length(), Some(5));
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut content.open().unwrap(), &mut bytes).unwrap();
    assert_eq!(bytes, b"hello");
}

#[test]
fn a_file_that_shrank_is_an_error_for_the_record_and_not_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.mbox");
    let index = folder.path().join("index");
    let text = mail("1@x", "", "one") + &mail("2@x", "", &"two ".repeat(100));
    std::fs::write(&path, &text).unwrap();
    let shape = own_shape();
    let input = Input::open(std::slice::from_ref(&path), folder.path()).unwrap();
    let watch = |_: u64| ControlFlow::Continue(());
    let reading =
        Reading { shape: &shape, order: Order::Oldest, index: Some(&index), scratch: folder.path(), watch: &watch };
    // Index the whole file, then read it cut: the threads start only with the reader below.
    drop(Mbox.open(input.clone(), &reading).unwrap());
    let stamp = index_key(&input.stamp().unwrap(), &shape);
    let catalog = Catalog::open(Some(&index), folder.path(), &stamp).unwrap();
    assert!(catalog.is_sealed());
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(text.len() as u64 - 50).unwrap();
    let found: Vec<_> =
        read::records("mbox", &input, catalog.into_groups(Order::Oldest), &shape, &TimeZone::UTC, 1_000).collect();
    assert_eq!(found.len(), 2);
    assert!(found[0].is_ok());
    assert!(matches!(found[1], Err(ReadError::Truncated { .. })));
}

#[test]
fn a_cut_or_damaged_archive_gives_records_or_errors_and_no_panic() {
    let text = mail("1@x", "Subject: =?utf-8?Q?=C3=A9?=\n", ">From x")
        + &mail(
            "2@x",
            "References: <1@x>\nContent-Type: multipart/mixed; boundary=\"b\"\n",
            "--b\nContent-Type: text/html; charset=utf-8\n\n<p>\n--b\nContent-Transfer-Encoding: base64\nContent-Disposition: attachment; filename*=utf-8''%41\n\nAAAA\n--b--",
        );
    let bytes = text.as_bytes();
    for cut in (0..bytes.len()).step_by(7) {
        if let Ok(reader) = open_text(&bytes[..cut]) {
            let told = reader.facts.records;
            assert_eq!(told, reader.count() as u64, "cut at {cut}");
        }
    }
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..150 {
        let mut damaged = bytes.to_vec();
        for _ in 0..random.usize(1..12) {
            let at = random.usize(..damaged.len());
            damaged[at] = random.u8(..);
        }
        if let Ok(reader) = open_text(&damaged) {
            let told = reader.facts.records;
            assert_eq!(told, reader.count() as u64);
        }
    }
}

#[test]
fn a_folder_of_single_mails_is_no_mbox_though_some_keep_their_separator() {
    let folder = tempfile::tempdir().unwrap();
    let recognises = || {
        let input = Input::open(&[folder.path().to_owned()], folder.path()).unwrap();
        Mbox.recognises(&input.head().unwrap())
    };
    std::fs::write(folder.path().join("1.eml"), mail("1", "", "x")).unwrap();
    std::fs::write(folder.path().join("2.eml"), "Subject: x\n\nx").unwrap();
    assert!(!recognises());
    std::fs::write(folder.path().join("inbox"), mail("2", "", "x")).unwrap();
    assert!(recognises());
}

#[test]
fn only_an_mbox_is_recognised() {
    let recognises = |text: &[u8]| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        std::fs::write(&path, text).unwrap();
        Mbox.recognises(&Input::open(&[path], folder.path()).unwrap().head().unwrap())
    };
    assert!(recognises(mail("1", "", "x").as_bytes()));
    assert!(recognises(b"\xEF\xBB\xBF\n\nFrom - \nSubject: x\n\n"));
    for text in ["This isn't an mbox.\n", "From,To,Subject\na,b,c\n", "{\"From \": 1}", "Subject: an eml\n\nx\n"] {
        assert!(!recognises(text.as_bytes()), "{text}");
    }
}

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("samples").join(name)
}

#[test]
fn the_samples_show_what_they_should() {
    let reader = open(&sample("mbox")).unwrap();
    assert_eq!(reader.facts.records, 8);
    assert_eq!(count(&reader.facts, "messages"), 14);
    assert_eq!(count(&reader.facts, "duplicates"), 1);
    assert_eq!(count(&reader.facts, "joined_by_subject"), 1);
    assert!(reader.facts.variants.contains(&"CRLF".to_owned()));
    let found: Vec<Record> = reader.collect::<Result<_, _>>().unwrap();
    let by_id = |id: &str| found.iter().find(|record| record.id.original == id).unwrap();

    let parcel = by_id("parcel-1@mail.example.com");
    let roles: Vec<_> =
        parcel.entries.iter().map(|entry| entry.author.as_ref().unwrap().role.clone().unwrap()).collect();
    assert_eq!(roles, ["customer", "agent", "customer"]);
    assert_eq!(parcel.tags, ["Orders"]);
    assert_eq!(parcel.entries[1].cc[0].name.as_deref(), Some("Depot, North"));
    let Body::Text(reply) = &parcel.entries[1].body else { panic!("text") };
    assert!(reply.contains("on Friday. It will be with you tomorrow before noon.\n"), "{reply}");
    assert!(
        reply.contains("> my parcel 5514 was due on Friday and has not arrived. Can you see where it is?\n"),
        "{reply}"
    );
    assert!(matches!(&parcel.entries[2].body, Body::Html(html) if html.contains("<b>here</b>")));

    let japanese = by_id("toi-1@mail.example.jp");
    assert_eq!(japanese.subject.as_deref(), Some("請求書の住所について"));
    assert_eq!(japanese.requester.as_ref().unwrap().name.as_deref(), Some("佐藤 花子"));
    assert!(matches!(&japanese.entries[0].body, Body::Text(text) if text.contains("請求書の住所を変更して")));

    let cyrillic = by_id("zakaz.77@example.net");
    assert_eq!(cyrillic.subject.as_deref(), Some("Счёт за февраль"));
    assert_eq!(cyrillic.tags, ["Счета", "Ask, then close"]);
    let names: Vec<_> = cyrillic.entries[0].attachments.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, ["счёт.txt", "screen shot of the invoice.png"]);

    let import = by_id("import-trouble@example.com");
    assert_eq!(import.entries.len(), 2, "the copy counts once, and the answer without references is found");
    let Body::Text(text) = &import.entries[0].body else { panic!("text") };
    assert!(
        text.contains("\nFrom line 12 on")
            && text.contains("\n>From the manual")
            && text.contains("\nFrom what I can tell")
    );
    assert!(import.oddities.iter().any(|odd| odd.code == codes::READ_SPLIT_THREAD));

    let image = &by_id("shot-1@example.net").entries[0].attachments[0];
    assert!(image.is_inline);
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut image.content.open().unwrap(), &mut bytes).unwrap();
    assert!(bytes.starts_with(b"\x89PNG"));
    assert_eq!(image.content.length(), Some(bytes.len() as u64));

    assert_eq!(by_id("prize-9000@lottery.example").status.as_deref(), Some("spam"));
    let renewal = by_id("renewal-31@support.example.org");
    assert_eq!(renewal.requester.as_ref().unwrap().email(), Some("gone@nowhere.example.com"));
    assert_eq!(renewal.entries[1].attachments.len(), 2);
    assert_eq!(renewal.entries[1].kind, "bounce");
    let form = found.iter().find(|record| record.id.original.starts_with("hash-")).unwrap();
    assert_eq!(form.requester.as_ref().unwrap().email(), Some("lena@example.com"));
    assert_eq!(form.created_at.unwrap().to_string(), "2024-03-14T16:20:00Z");
    assert!(form.oddities.iter().any(|odd| odd.code == codes::READ_DATE));
}

#[test]
fn each_broken_sample_gives_what_can_be_had() {
    let read =
        |name: &str| -> Vec<Record> { open(&sample("broken").join(name)).unwrap().collect::<Result<_, _>>().unwrap() };
    let text = |record: &Record| match &record.entries[0].body {
        Body::Html(text) | Body::Text(text) => text.trim().to_owned(),
        Body::Empty => String::new(),
    };
    let has = |record: &Record, code: &str| record.oddities.iter().any(|odd| odd.code == code);

    let found = read("mbox-boundary-missing.mbox");
    assert!(text(&found[0]).contains("The text is still here."));
    assert!(has(&found[0], codes::READ_BROKEN_MIME));
    assert_eq!(text(&read("mbox-base64-junk.mbox")[0]), "The text is still here");
    let found = read("mbox-charset-lies.mbox");
    assert_eq!(found.iter().map(text).collect::<Vec<_>>(), ["café crème brûlée", "Grüße", "é"]);
    assert!(found.iter().all(|record| has(record, codes::READ_CHARSET)));
    let found = read("mbox-cut-in-a-message.mbox");
    assert_eq!((found.len(), text(&found[1]).as_str()), (2, "The text is here."));
    assert_eq!(found[1].entries[0].attachments[0].name, "a.pdf");
    let found = read("mbox-dates-impossible.mbox");
    assert!(found.len() == 3 && found.iter().all(|record| has(record, codes::READ_DATE)));
    assert!(found.iter().all(|record| record.created_at.unwrap().to_string().starts_with("2024-03-04")));
    assert_eq!(read("mbox-false-separators.mbox").len(), 2);
    assert_eq!(read("mbox-no-blank-lines.mbox").len(), 3);
    let found = read("mbox-same-id-twice.mbox");
    assert_eq!((found.len(), found[0].entries.len()), (1, 2));
    let found = read("mbox-nested-deep.mbox");
    assert!(has(&found[0], codes::READ_BROKEN_MIME) && text(&found[0]).contains("The innermost text."));
    assert!(read("mbox-empty.mbox").is_empty());
    assert!(matches!(open(&sample("broken/mbox-not-an-mbox.mbox")), Err(SourceError::WrongFormat { .. })));
}

/// Files made on the spot, read by the source that recognises them: its name, what it says, and the records.
fn tree(files: &[(&str, &str)]) -> (&'static str, Facts, Vec<Record>) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let scratch = tempfile::tempdir().unwrap();
    let input = Input::open(&[folder.path().to_owned()], scratch.path()).unwrap();
    let source = crate::source::detect("x", &input.head().unwrap()).unwrap();
    let (shape, watch) = (own_shape(), |_: u64| ControlFlow::Continue(()));
    let reading = Reading { shape: &shape, order: Order::Archive, index: None, scratch: scratch.path(), watch: &watch };
    let reader = source.open(input, &reading).unwrap();
    let facts = reader.facts.clone();
    let records: Vec<Record> = reader.collect::<Result<_, _>>().unwrap();
    assert_eq!(facts.records, records.len() as u64);
    (source.name(), facts, records)
}

fn single(id: &str, more: &str) -> String {
    format!("Message-ID: <{id}>\nFrom: ann@example.com\nTo: support@example.org\nSubject: {id}\n{more}\nText of {id}\n")
}

const DATE: &str = "Date: Mon, 15 Jan 2024 10:30:00 +0000\n";

fn field<'r>(record: &'r Record, name: &str) -> &'r str {
    record.fields.get(name).and_then(Value::as_str).unwrap_or_default()
}

#[test]
fn a_maildir_says_where_mails_lie_and_what_was_done_with_them() {
    let mail = |id: &str| single(id, DATE);
    let (source, facts, records) = tree(&[
        ("cur/1700000001.M1.mx:2,RS", &mail("a")),
        ("new/1700000002.M1.mx", &mail("b")),
        ("tmp/1700000003.M1.mx", &mail("never-delivered")),
        (".Sent/cur/1700000004.M1.mx!2,S", &mail("c")),
        (".INBOX.Archive.R&APw-ckgaben/cur/1700000005.M1.mx,S=1:2,F", &mail("d")),
        ("plain/deeper/cur/1700000006.M1.mx;2,", &mail("e")),
        ("cur/1700000007.M1.mx:2,ST", &mail("thrown")),
        (".Junk/new/1700000008.M1.mx", &mail("junk")),
        ("cur/1700000009.M1.mx:2,DS", &mail("unsent")),
        (".Sent/courierimapkeywords/x", "seen\n"),
        (".Sent/maildirfolder", ""),
        ("dovecot-uidlist", "3 V1\n"),
        ("dovecot.index.log", "\u{1}\u{2}"),
    ]);
    assert_eq!((source, facts.oddities.len()), ("maildir", 0), "{:?}", facts.oddities);
    assert_eq!(facts.variants, ["Maildir"]);
    let mut seen: Vec<String> = records
        .iter()
        .map(|it| {
            let flags = it.entries[0].fields.get("mail_flags").and_then(Value::as_str).unwrap_or("-");
            format!("{} {} {} {flags}", it.id, field(it, "folder"), it.status.as_deref().unwrap_or("-"))
        })
        .collect();
    seen.sort();
    assert_eq!(
        seen,
        [
            "maildir:a INBOX - seen replied",
            "maildir:b INBOX - -",
            "maildir:c Sent - seen",
            "maildir:d INBOX/Archive/Rückgaben - flagged",
            "maildir:e plain/deeper - -",
            "maildir:junk Junk spam -",
            "maildir:thrown INBOX trash seen trashed",
            "maildir:unsent INBOX draft seen draft",
        ]
    );
}

#[test]
fn a_copy_in_the_inbox_says_that_a_mail_is_no_spam() {
    let text = single("a", DATE);
    let (_, facts, records) = tree(&[(".Junk/cur/1700000001.M1.mx:2,", &text), ("cur/1700000001.M1.mx:2,", &text)]);
    assert_eq!(count(&facts, "duplicates"), 1);
    assert_eq!((records.len(), records[0].status.as_deref()), (1, None));
}

#[test]
fn the_time_in_a_files_name_is_the_last_resort() {
    let (_, _, records) = tree(&[
        ("cur/1700000000.M1.mx:2,", &single("none", "")),
        ("cur/1600000000.M1.mx:2,", &single("dated", DATE)),
        ("cur/unnamed:2,", &single("nothing", "")),
    ]);
    let by_id = |id: &str| records.iter().find(|record| record.id.original == id).unwrap();
    assert_eq!(by_id("none").created_at.unwrap().to_string(), "2023-11-14T22:13:20Z");
    assert!(by_id("none").oddities[0].message.contains("the one in the file's name was used"));
    assert_eq!(by_id("dated").created_at.unwrap().to_string(), "2024-01-15T10:30:00Z");
    assert_eq!(by_id("nothing").created_at, None);
}

#[test]
fn mails_in_files_of_their_own_are_read_in_every_form() {
    let apple = single("apple", DATE);
    let counted = format!("{}   \n{apple}<?xml version=\"1.0\"?><plist/>", apple.len());
    let (source, facts, records) = tree(&[
        ("a/1.eml", &single("plain", DATE)),
        ("a/b/2.EML", &format!("\u{feff}{}", single("marked", DATE).replace('\n', "\r\n"))),
        ("a/3.eml", &format!("From ann@example.com Tue Jan 16 10:00:00 2024\n{}", single("enveloped", ""))),
        ("4.emlx", &counted),
        ("5", &single("numbered", DATE)),
        ("6.eml", "\n\n  "),
        ("7.eml", "no header at all"),
        ("readme.txt", "Note: what is here\n"),
        ("page.html", "<html>"),
        ("Deleted Items/8.eml", &single("thrown", DATE)),
    ]);
    assert_eq!(source, "eml");
    assert_eq!(facts.variants, ["emlx", "one mail a file"]);
    let said: Vec<String> = facts.oddities.iter().map(|odd| format!("{}: {}", odd.origin, odd.message)).collect();
    assert_eq!(
        said,
        [
            "6.eml: the file is empty and was left out",
            "page.html: the file is no mail and was left out; it starts with `<html>`",
            "readme.txt: the file is no mail and was left out; it starts with `Note: what is here`",
        ]
    );
    let by_id = |id: &str| records.iter().find(|record| record.id.original == id).unwrap();
    assert_eq!(records.len(), 7);
    assert_eq!(by_id("enveloped").created_at.unwrap().to_string(), "2024-01-16T10:00:00Z");
    assert_eq!(field(by_id("marked"), "folder"), "a/b");
    assert_eq!(by_id("numbered").fields.get("folder"), None);
    assert_eq!(by_id("thrown").status.as_deref(), Some("trash"));
    let Body::Text(text) = &by_id("apple").entries[0].body else { panic!("a text") };
    assert_eq!(text.trim(), "Text of apple", "the list behind it is no part of the mail");
    assert!(records.iter().any(|record| record.id.original.starts_with("hash-")), "a mail without any header");
}

#[test]
fn quotes_of_an_mbox_stay_in_a_mail_of_its_own() {
    let text = single("a", DATE).replace("Text of a", ">From the start\nFrom here");
    let (_, _, records) = tree(&[("cur/1.M1.mx:2,", &text), ("x.eml", &single("b", DATE))]);
    let Body::Text(text) = &records.iter().find(|it| it.id.original == "a").unwrap().entries[0].body else { panic!() };
    assert_eq!(text.trim(), ">From the start\nFrom here");
}

#[test]
fn every_kind_of_mail_in_a_tree_is_one_archive() {
    let answer = |id: &str, to: &str| single(id, &format!("{DATE}In-Reply-To: <{to}>\nReferences: <{to}>\n"));
    let (source, facts, records) = tree(&[
        ("Inbox.mbox", &mail("a", "", "one")),
        ("Spam.mbox", &mail("prize", "Subject: won\n", "one")),
        ("saved/b.eml", &answer("b", "a")),
        ("server/cur/1700000001.M1.mx:2,S", &answer("c", "b")),
    ]);
    assert_eq!((source, facts.oddities.len()), ("mbox", 0), "{:?}", facts.oddities);
    let mut sizes: Vec<(&str, usize, Option<&str>)> =
        records.iter().map(|it| (it.id.original.as_str(), it.entries.len(), it.status.as_deref())).collect();
    sizes.sort();
    assert_eq!(sizes, [("a", 3, None), ("prize", 1, Some("spam"))]);
}

#[test]
fn mails_among_the_files_of_another_archive_are_its_attachments() {
    let recognised = |files: &[(&str, &str)]| {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let head = Input::open(&[folder.path().to_owned()], folder.path()).unwrap().head().unwrap();
        [&Mbox as &dyn Source, &Maildir, &Eml].iter().filter(|it| it.recognises(&head)).count()
    };
    let text = single("a", DATE);
    assert_eq!(recognised(&[("tickets.json", "[]"), ("attachments/1/a.eml", &text)]), 0);
    assert_eq!(recognised(&[("tickets.csv", "id,subject\n"), ("files/cur/1", &text)]), 0);
    assert_eq!(recognised(&[("a.eml", &text), ("attachments/x.csv", "a,b\n")]), 1);
}

#[test]
fn no_real_mail_is_lost_and_none_breaks_the_reader() {
    let Some(archives) = archives() else { return };
    let reader = open_with_source(&Eml, &archives.join("eml"));
    let facts = reader.facts.clone();
    // One of the 294 files is hidden, one is empty, and the others are a message each.
    assert_eq!(count(&facts, "messages"), 292);
    let empty: Vec<&str> = facts.oddities.iter().map(|odd| &*odd.origin.file).collect();
    assert_eq!(empty, ["mikel-mail/sample_output_multipart.eml"]);
    let records: Vec<Record> = reader.collect::<Result<_, _>>().unwrap();
    let entries: usize = records.iter().map(|record| record.entries.len()).sum();
    assert_eq!(entries as u64, 292 - count(&facts, "duplicates") - count(&facts, "deleted"));
    for attachment in records.iter().flat_map(|it| &it.entries).flat_map(|it| &it.attachments) {
        let mut bytes = Vec::new();
        attachment.content.open().unwrap().read_to_end(&mut bytes).unwrap();
        assert_eq!(attachment.content.length(), Some(bytes.len() as u64), "{}", attachment.name);
    }
}

fn open_with_source(source: &dyn Source, path: &Path) -> Reader {
    let scratch = tempfile::tempdir().unwrap();
    let (shape, watch) = (own_shape(), |_: u64| ControlFlow::Continue(()));
    let input = Input::open(&[path.to_owned()], scratch.path()).unwrap();
    let reading = Reading { shape: &shape, order: Order::Oldest, index: None, scratch: scratch.path(), watch: &watch };
    source.open(input, &reading).unwrap()
}
