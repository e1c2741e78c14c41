//! Runs against a sandbox in this process.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::read::Stored;
use super::*;
use crate::conversation::Author;
use crate::freescout::{Client, Target};
use crate::sandbox::{self, Fixture, Sandbox};
use crate::upload::Stop;

mod encrypted;
#[cfg(unix)]
mod follow;

/// A sandbox and a folder to copy it into.
struct Rig {
    sandbox: Sandbox,
    client: Client,
    http: Http,
    folder: tempfile::TempDir,
}

/// Writes as other people do, without our client.
#[derive(Clone)]
struct Http {
    http: reqwest::Client,
    url: String,
    key: String,
}

impl Http {
    async fn send(&self, method: &str, path: &str, body: Value) -> Value {
        let method = method.parse().unwrap();
        let call =
            self.http.request(method, format!("{}/api{path}", self.url)).header("X-FreeScout-API-Key", &self.key);
        let answer = call.json(&body).send().await.unwrap();
        answer.json().await.unwrap_or_default()
    }

    async fn create(&self, n: u64) -> u64 {
        let (minute, second) = (n / 60 % 60, n % 60);
        let attachments = match n % 10 {
            0 => json!([{"fileName": format!("{n}.txt"), "mimeType": "text/plain", "data": format!("{:08}", n % 70)}]),
            _ => json!([]),
        };
        let body = json!({
            "type": "email", "mailboxId": 1, "subject": format!("Order {n}"), "imported": true, "status": "closed",
            "customer": {"email": format!("ann{}@example.net", n % 40), "firstName": "Ann"},
            "createdAt": format!("2020-01-01T00:{minute:02}:{second:02}Z"), "closedAt": "2020-01-03T00:00:00Z",
            "threads": [
                {"type": "message", "user": 1, "text": format!("<p>Answer {n}</p>"), "createdAt": "2020-01-02T00:00:00Z"},
                {"type": "customer", "text": format!("<p>Question {n}</p>"), "attachments": attachments,
                 "createdAt": format!("2020-01-01T00:{minute:02}:{second:02}Z")},
            ],
        });
        self.send("POST", "/conversations", body).await["id"].as_u64().unwrap_or_default()
    }

    async fn reply(&self, id: u64, text: &str) {
        let body = json!({"type": "customer", "text": text, "imported": true, "status": "active"});
        self.send("POST", &format!("/conversations/{id}/threads"), body).await;
    }
}

impl Rig {
    async fn with(conversations: u64) -> Self {
        Self::of("default", conversations).await
    }

    /// A server of this profile.
    async fn of(profile: &str, conversations: u64) -> Self {
        let fixture = Fixture::default().with_field("Support", "Priority", &["Low", "High"]);
        let profile = profile.parse().unwrap();
        let sandbox =
            sandbox::start(sandbox::Options { fixture, profile, ..sandbox::Options::default() }).await.unwrap();
        let client = Client::new(Target::new(sandbox.url(), sandbox.key().into()).unwrap()).unwrap();
        let http = Http { http: reqwest::Client::new(), url: sandbox.url().into(), key: sandbox.key().into() };
        let rig = Self { sandbox, client, http, folder: tempfile::tempdir().unwrap() };
        for n in 0..conversations {
            rig.http.create(n).await;
        }
        rig
    }

    fn backup(&self) -> Backup {
        Backup::open_or_create(&self.folder.path().join("b")).unwrap()
    }

    async fn night(&self) -> Outcome {
        self.night_with(&Options::default()).await
    }

    async fn night_with(&self, options: &Options) -> Outcome {
        let backup = self.backup();
        let _lock = backup.lock().unwrap();
        run(&backup, &self.client, options, &Stop::new(), &|_| {}).await.unwrap()
    }

    fn latest(&self) -> BTreeMap<u64, Stored> {
        let snapshot = self.backup().snapshot("latest").unwrap();
        let mut rows = BTreeMap::new();
        for row in snapshot.conversations().unwrap() {
            let row = row.unwrap();
            assert!(rows.insert(row.id, row).is_none(), "a conversation twice");
        }
        rows
    }

    /// The copy is what the sandbox holds, to the last key that somebody can change.
    #[track_caller]
    fn is_equal(&self) {
        let rows = self.latest();
        let held = self.sandbox.conversations();
        assert_eq!(rows.len(), held.len());
        for row in held {
            let id = row["id"].as_u64().unwrap();
            let stored = rows.get(&id).unwrap_or_else(|| panic!("{id} is missing"));
            assert_eq!(digest::whole(&stored.raw), digest::whole(&row), "{}\n{row}", stored.raw);
        }
    }

    fn requests(&self) -> BTreeMap<String, u64> {
        serde_json::from_value(self.sandbox.state()["requests"].clone()).unwrap()
    }
}

/// What was asked for between two counts.
fn since(before: &BTreeMap<String, u64>, after: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let count = |(key, count): (&String, &u64)| (key.clone(), count - before.get(key).copied().unwrap_or_default());
    after.iter().map(count).filter(|(_, count)| *count > 0).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_night_copies_everything_and_a_second_asks_for_lists_and_what_differs() {
    let rig = Rig::with(250).await;
    let first = rig.night().await;
    assert_eq!((first.ended, first.counts.conversations, first.counts.threads), (Ended::Sealed, 250, 500));
    assert_eq!((first.counts.customers, first.counts.files, first.failed), (40, 25, 0));
    rig.is_equal();

    rig.http.reply(7, "<p>And now?</p>").await;
    rig.http.send("PUT", "/conversations/8/tags", json!({"tags": ["vip"]})).await;
    rig.http.send("PUT", "/conversations/9/custom_fields", json!({"customFields": [{"id": 1, "value": "2"}]})).await;
    rig.http.send("DELETE", "/conversations/10", json!({})).await;
    rig.http.create(1000).await;
    // Left alone for a while, so that nothing has to be read twice.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let before = rig.requests();
    let second = rig.night().await;
    let asked = since(&before, &rig.requests());

    assert_eq!((second.changes.added, second.changes.changed, second.changes.removed), (1, 3, 1));
    rig.is_equal();
    // Two pages of the list, one of what changed meanwhile, one for the total.
    assert_eq!(asked["GET /conversations"], 4, "{asked:?}");
    assert_eq!(asked["GET /conversations/{id}"], 5, "{asked:?}");
    assert!(asked.keys().all(|call| call.starts_with("GET ")), "{asked:?}");

    let third = rig.night().await;
    assert_eq!((third.changes, third.read), (format::Changes::default(), 0));
    let names = rig.backup().names().unwrap();
    assert_eq!(names.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_exists_throughout_is_there_once_with_all_its_threads_while_others_write() {
    let rig = Rig::with(800).await;
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..2_u64)
        .map(|writer| {
            let (http, stop) = (rig.http.clone(), Arc::clone(&stop));
            tokio::spawn(async move {
                let mut random = fastrand::Rng::with_seed(writer);
                let mut gone = BTreeSet::new();
                let mut n = 10_000 * (writer + 1);
                while !stop.load(Ordering::Relaxed) {
                    n += 1;
                    // Some dozens of changes a second: a busy help desk of a thousand agents.
                    tokio::time::sleep(Duration::from_millis(random.u64(5..50))).await;
                    let id = random.u64(1..=800);
                    match random.u8(..10) {
                        0..3 => {
                            http.create(n).await;
                        }
                        3..8 => http.reply(id, &format!("<p>Reply {n}</p>")).await,
                        8 => {
                            let body = json!({"tags": [format!("t{}", n % 5)]});
                            http.send("PUT", &format!("/conversations/{id}/tags"), body).await;
                        }
                        _ => {
                            gone.insert(id);
                            http.send("DELETE", &format!("/conversations/{id}"), json!({})).await;
                        }
                    }
                }
                gone
            })
        })
        .collect();
    let outcome = rig.night().await;
    assert_eq!((outcome.ended, outcome.failed), (Ended::Sealed, 0));
    stop.store(true, Ordering::Relaxed);
    let mut gone = BTreeSet::new();
    for writer in writers {
        gone.extend(writer.await.unwrap());
    }
    let rows = rig.latest();
    for id in (1..=800).filter(|id| !gone.contains(id)) {
        let row = rows.get(&id).unwrap_or_else(|| panic!("{id} existed throughout and is missing"));
        let threads = row.raw.pointer("/_embedded/threads").and_then(Value::as_array).unwrap();
        assert!(threads.len() >= 2, "{id} has lost threads");
        // Only replies were written, and each is counted in the row: a torn conversation would show here.
        assert_eq!(row.raw["threadsCount"], threads.len(), "{id} is torn: {}", row.raw);
    }
    // With nobody writing, one more night makes it equal.
    rig.night().await;
    rig.is_equal();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_dropped_at_any_instant_goes_on_and_ends_the_same() {
    let rig = Rig::with(300).await;
    for seed in 0..4 {
        let dir = rig.folder.path().join(format!("r{seed}"));
        let backup = Backup::open_or_create(&dir).unwrap();
        let mut random = fastrand::Rng::with_seed(seed);
        let mut drops = 0;
        let outcome = loop {
            let _lock = backup.lock().unwrap();
            let (stop, options) = (Stop::new(), Options { concurrency: 2, ..Options::default() });
            let whole = run(&backup, &rig.client, &options, &stop, &|_| {});
            let patience = Duration::from_millis(random.u64(1..150) + drops * 20);
            match tokio::time::timeout(patience, whole).await {
                Ok(outcome) => break outcome.unwrap(),
                Err(_) => drops += 1,
            }
            // A dropped run leaves work on blocking threads, which goes on beside the next run; a killed one leaves none.
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        assert_eq!((outcome.ended, outcome.counts.conversations, outcome.counts.files), (Ended::Sealed, 300, 30));
        let snapshot = backup.snapshot("latest").unwrap();
        let rows: Vec<Stored> = snapshot.conversations().unwrap().map(Result::unwrap).collect();
        for (row, held) in rows.iter().zip(rig.sandbox.conversations()) {
            assert_eq!(digest::whole(&row.raw), digest::whole(&held), "seed {seed}, {drops} drops");
        }
        assert_eq!(backup.names().unwrap().len(), 1);
        assert!(verify(&backup, Sample::All, |_, _| std::ops::ControlFlow::Continue(())).unwrap().faults.is_empty());
    }
}

fn files_of(dir: &Path) -> Vec<std::path::PathBuf> {
    let files = walkdir::WalkDir::new(dir).sort_by_file_name().into_iter().map(Result::unwrap);
    files
        .filter(|entry| entry.file_type().is_file() && !entry.path().starts_with(dir.join(format::WORK)))
        .map(walkdir::DirEntry::into_path)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_flipped_bit_anywhere_is_found_and_so_is_a_missing_file() {
    let rig = Rig::with(40).await;
    rig.night().await;
    rig.http.reply(3, "<p>again</p>").await;
    rig.night_with(&Options { is_compressed: true, ..Options::default() }).await;
    let backup = rig.backup();
    let faults = || verify(&backup, Sample::All, |_, _| std::ops::ControlFlow::Continue(())).unwrap().faults;
    assert_eq!(faults(), []);
    let files = files_of(backup.dir());
    assert!(files.len() > 15, "{files:?}");
    let mut random = fastrand::Rng::with_seed(1);
    for file in files {
        let whole = std::fs::read(&file).unwrap();
        if whole.is_empty() {
            continue;
        }
        for _ in 0..4 {
            let mut flipped = whole.clone();
            flipped[random.usize(..whole.len())] ^= 1 << random.u8(..8);
            std::fs::write(&file, &flipped).unwrap();
            assert!(!faults().is_empty(), "a flipped bit in {} is not found", file.display());
        }
        let aside = rig.folder.path().join("aside");
        std::fs::rename(&file, &aside).unwrap();
        assert!(!faults().is_empty(), "{} is missing and nobody notices", file.display());
        std::fs::rename(&aside, &file).unwrap();
        std::fs::write(&file, &whole).unwrap();
    }
    assert_eq!(faults(), []);
    std::fs::write(backup.snapshots_dir().join(&backup.names().unwrap()[0]).join("more"), "x").unwrap();
    assert_eq!(faults().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn samples_get_round_to_everything() {
    let rig = Rig::with(60).await;
    rig.night().await;
    let backup = rig.backup();
    let attachment = files_of(&backup.dir().join(format::ATTACHMENTS)).remove(0);
    std::fs::write(&attachment, "wrong---").unwrap();
    let mut found = 0;
    for _ in 0..10 {
        let verified = verify(&backup, Sample::Share(0.2), |_, _| std::ops::ControlFlow::Continue(())).unwrap();
        found += verified.faults.len();
    }
    assert!(found >= 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_file_is_read_again_and_an_attachment_that_is_gone_is_fetched_again() {
    let rig = Rig::with(30).await;
    rig.night().await;
    let backup = rig.backup();
    let shard = backup.snapshot("latest").unwrap().dir().join("conversations/00000000.jsonl");
    let text = std::fs::read_to_string(&shard).unwrap();
    std::fs::write(&shard, text.replace("Question 7<", "Question 8<")).unwrap();
    std::fs::remove_file(files_of(&backup.dir().join(format::ATTACHMENTS)).remove(0)).unwrap();
    rig.night().await;
    rig.is_equal();
    let snapshot = backup.snapshot("latest").unwrap();
    assert_eq!(snapshot.manifest().counts.files, 3);
    for row in snapshot.conversations().unwrap() {
        for held in row.unwrap().ours.held() {
            let format::Held::Here { sha256, .. } = held else { panic!("{held:?}") };
            assert!(format::attachment_path(backup.dir(), &sha256).unwrap().exists());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn images_in_texts_are_copied_from_the_targets_own_storage_alone() {
    let rig = Rig::with(1).await;
    let url = rig.sandbox.conversations()[0]["_embedded"]["threads"][1]["_embedded"]["attachments"][0]["fileUrl"]
        .as_str()
        .unwrap()
        .replace('&', "&amp;");
    let text = format!(
        "<img src=\"{url}\"><img src=\"https://elsewhere.example/storage/a.png\"><img src=\"/storage/none.png\">"
    );
    rig.http.reply(1, &text).await;
    let outcome = rig.night().await;
    let row = &rig.latest()[&1];
    assert_eq!(row.ours.files.len(), 3, "{:?}", row.ours);
    assert_eq!(row.ours.file(&url), row.ours.file("1"));
    assert!(matches!(row.ours.file("/storage/none.png"), Some(format::Held::Missing { .. })), "{:?}", row.ours);
    assert_eq!((outcome.counts.files, outcome.counts.missing_files, outcome.failed), (2, 1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changed_between_two_nights_is_told_conversation_by_conversation() {
    let rig = Rig::with(20).await;
    rig.night().await;
    rig.http.reply(2, "<p>And?</p>").await;
    rig.http.send("PUT", "/conversations/3/tags", json!({"tags": ["vip"]})).await;
    rig.http.send("DELETE", "/conversations/4", json!({})).await;
    rig.http.create(77).await;
    rig.night().await;
    let backup = rig.backup();
    let names = backup.names().unwrap();
    let mut found = Vec::new();
    let (older, newer) = (backup.snapshot(&names[0]).unwrap(), backup.snapshot("latest").unwrap());
    diff(&older, &newer, |each| {
        found.push(each);
        Ok(())
    })
    .unwrap();
    assert_eq!(found.iter().map(|each| each.id).collect::<Vec<_>>(), [2, 3, 4, 21]);
    let Difference::Changed { fields, threads, .. } = &found[0].difference else { panic!("{found:?}") };
    assert!(fields.iter().any(|field| field.field == "status"), "{fields:?}");
    assert_eq!((threads.len(), threads[0].change, threads[0].kind.as_str()), (1, "added", "customer"));
    let Difference::Changed { tags_added, threads, .. } = &found[1].difference else { panic!("{found:?}") };
    assert_eq!((tags_added.as_slice(), threads.len()), (&["vip".to_owned()][..], 0));
    assert!(matches!(found[2].difference, Difference::Removed { threads: 2 }));
    assert!(matches!(found[3].difference, Difference::Added { threads: 2 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn pruning_removes_old_snapshots_and_what_only_they_named() {
    let rig = Rig::with(11).await;
    rig.night().await;
    rig.http.send("DELETE", "/conversations/11", json!({})).await;
    rig.night().await;
    let backup = rig.backup();
    let keep = Keep { daily: 1, ..Keep::default() };
    let listed = prune(&backup, keep, Mode::List).unwrap();
    assert_eq!((listed.removed.len(), listed.attachments, listed.bytes), (1, 1, 6));
    assert_eq!(backup.names().unwrap().len(), 2);
    let done = prune(&backup, keep, Mode::Remove).unwrap();
    assert_eq!(done, listed);
    assert_eq!(backup.names().unwrap(), done.kept);
    assert_eq!(files_of(&backup.dir().join(format::ATTACHMENTS)).len(), 1);
    assert!(verify(&backup, Sample::All, |_, _| std::ops::ControlFlow::Continue(())).unwrap().faults.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_selection_is_copied_alone_and_another_snapshot_may_hold_more() {
    let rig = Rig::with(5).await;
    let outcome =
        rig.night_with(&Options { since: Some("2020-01-01T00:00:03Z".parse().unwrap()), ..Options::default() }).await;
    assert_eq!(outcome.counts.conversations, 2);
    let whole = rig.night().await;
    assert_eq!((whole.counts.conversations, whole.is_incremental), (5, false));
    rig.is_equal();
    let backup = rig.backup();
    let options = Options { mailboxes: vec!["nobody@example.org".into()], ..Options::default() };
    let refused = run(&backup, &rig.client, &options, &Stop::new(), &|_| {}).await.unwrap_err();
    assert!(matches!(refused, BackupError::NoMailbox { .. }), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_of_a_backup_has_the_shape_that_the_uploader_takes() {
    let rig = Rig::with(1).await;
    rig.http.send("PUT", "/conversations/1/tags", json!({"tags": ["vip"]})).await;
    rig.http.send("PUT", "/conversations/1/custom_fields", json!({"customFields": [{"id": 1, "value": "2"}]})).await;
    rig.night().await;
    let snapshot = rig.backup().snapshot("latest").unwrap();
    let restorer = Restorer::of(&snapshot).unwrap();
    let stored = snapshot.conversations().unwrap().next().unwrap().unwrap();
    let made = restorer.conversation(&stored).unwrap();
    let conversation = made.conversation;
    assert_eq!((conversation.id.to_string(), made.state.as_str()), ("freescout:1".to_owned(), "published"));
    assert_eq!(conversation.mailbox.as_deref(), Some("support@sandbox.example"));
    assert_eq!(conversation.customer.emails, ["ann0@example.net"]);
    assert_eq!(
        (conversation.tags, conversation.fields),
        (vec!["vip".into()], vec![("Priority".into(), "High".into())])
    );
    let [question, answer] = &conversation.threads[..] else { panic!("{:?}", conversation.threads) };
    assert_eq!((question.body.as_str(), answer.body.as_str()), ("<p>Question 0</p>", "<p>Answer 0</p>"));
    assert!(matches!(&question.author, Author::Customer(customer) if customer.first_name == "Ann"));
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut question.attachments[0].content.open().unwrap(), &mut bytes).unwrap();
    assert_eq!(bytes.len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stumbles_is_asked_again_and_nothing_is_missing() {
    let rig = Rig::with(120).await;
    let faults = ["500-before@GET /conversations%20", "429:0@GET /%10", "cut-answer@GET /conversations%10"];
    rig.sandbox.set_faults(faults.iter().map(|fault| fault.parse().unwrap()).collect());
    let outcome = rig.night().await;
    assert_eq!((outcome.ended, outcome.failed), (Ended::Sealed, 0));
    rig.is_equal();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_comparison_of_what_was_restored_finds_whatever_differs() {
    let rig = Rig::with(6).await;
    rig.night().await;
    let older = rig.backup().snapshot("latest").unwrap();
    let became = |id| Fate::Became(id);
    let same = compare(&older, &older, became, true).unwrap();
    assert!(same.is_equal(), "{:?}", same.samples);
    assert_eq!((same.conversations, same.threads, same.attachments, same.customers), (6, 12, 1, 6));

    rig.http.reply(2, "<p>More</p>").await;
    rig.http.send("PUT", "/conversations/3/tags", json!({"tags": ["vip"]})).await;
    rig.http.send("PUT", "/conversations/4", json!({"byUser": 1, "subject": "Other"})).await;
    rig.http.send("PUT", "/customers/5", json!({"company": "Acme"})).await;
    rig.http.create(60).await;
    rig.night().await;
    let newer = rig.backup().snapshot("latest").unwrap();
    let fate = |id| if id == 6 { Fate::Lost } else { Fate::Became(id) };
    let compared = compare(&older, &newer, fate, true).unwrap();
    let found: Vec<_> = compared
        .samples
        .iter()
        .map(|unlike| (unlike.what, unlike.id, unlike.fields.iter().map(|field| field.field.as_str()).collect()))
        .collect();
    let expected: Vec<(&str, u64, Vec<&str>)> = vec![
        ("conversation", 2, vec!["status", "threads"]),
        ("conversation", 3, vec!["tags"]),
        ("conversation", 4, vec!["subject"]),
        ("conversation", 6, vec![]),
        ("customer", 5, vec!["company"]),
    ];
    assert_eq!(found, expected);
    assert_eq!((compared.unlike, compared.surplus, compared.is_equal()), (5, 2, false));
}

#[test]
fn only_an_empty_folder_becomes_a_backup_and_one_run_at_a_time_works_in_it() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("thesis.txt"), "x").unwrap();
    assert!(matches!(Backup::open_or_create(folder.path()), Err(BackupError::NotEmpty { .. })));
    assert!(matches!(Backup::open(folder.path()), Err(BackupError::NotABackup { .. })));
    let backup = Backup::open_or_create(&folder.path().join("b")).unwrap();
    let lock = backup.lock().unwrap();
    assert!(matches!(backup.lock(), Err(BackupError::InUse { process: Some(_), .. })));
    drop(lock);
    drop(backup.lock().unwrap());
    std::fs::write(backup.dir().join(MARKER), MARKER_TEXT.replace('1', "9")).unwrap();
    assert!(matches!(Backup::open(backup.dir()), Err(BackupError::Newer { found: 9, .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_of_every_profile_are_copied_whole_and_a_second_night_reads_what_differs() {
    let profiles = [
        "default",
        "modules-off",
        "module-1.0.67",
        "module-1.0.67+modules-off",
        "module-1.0.82",
        "custom-numbers",
        "core-1.8.175",
        "core-1.8.175+module-1.0.67",
        "zone:America/New_York",
    ];
    // Together: most of the time a backup waits for what was just written to be left alone.
    let nights = profiles.map(|profile| async move {
        // More than a page of everything.
        let rig = Rig::of(profile, 230).await;
        let first = rig.night().await;
        let counts = first.counts;
        assert_eq!((counts.conversations, counts.threads, counts.customers), (230, 460, 40), "{profile}");
        assert_eq!((counts.files, counts.missing_files, counts.unsettled, first.failed), (23, 0, 0, 0), "{profile}");
        rig.is_equal();
        rig.http.reply(7, "<p>And now?</p>").await;
        rig.http.send("DELETE", "/conversations/10", json!({})).await;
        rig.http.create(1000).await;
        let second = rig.night().await;
        let changes = second.changes;
        assert_eq!((changes.added, changes.changed, changes.removed), (1, 1, 1), "{profile}");
        rig.is_equal();
        let verified = verify(&rig.backup(), Sample::All, |_, _| std::ops::ControlFlow::Continue(())).unwrap();
        assert_eq!(verified.faults, [], "{profile}");
    });
    futures_util::future::join_all(nights).await;
}
