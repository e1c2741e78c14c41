//! Backups that only those read who have a key.

use std::io::Read as _;
use std::path::PathBuf;

use super::*;
use crate::backup::crypt::tests::identity;

/// Identities in files, and a folder encrypted to the first of them.
struct Vault {
    rig: Rig,
    key: PathBuf,
    stranger: PathBuf,
    recipients: Keys,
}

impl Vault {
    async fn with(conversations: u64) -> Self {
        let rig = Rig::with(conversations).await;
        let (key, recipient) = identity(rig.folder.path(), "key.txt");
        let (stranger, _) = identity(rig.folder.path(), "stranger.txt");
        let recipients = Keys::of_recipients(&[recipient], &[]).unwrap();
        Self { rig, key, stranger, recipients }
    }

    fn keys(&self) -> Keys {
        self.recipients.clone().with_identities(&self.key).unwrap()
    }

    fn dir(&self) -> PathBuf {
        self.rig.folder.path().join("b")
    }

    fn backup(&self) -> Backup {
        Backup::open_or_create_for(&self.dir(), &self.keys()).unwrap()
    }

    async fn night(&self, options: &Options) -> Outcome {
        let backup = self.backup();
        let _lock = backup.lock().unwrap();
        run(&backup, &self.rig.client, options, &Stop::new(), &|_| {}).await.unwrap()
    }

    fn is_equal(&self) {
        let snapshot = self.backup().snapshot("latest").unwrap();
        let held = self.rig.sandbox.conversations();
        let rows: Vec<Stored> = snapshot.conversations().unwrap().collect::<Result<_, _>>().unwrap();
        assert_eq!(rows.len(), held.len());
        for (stored, row) in rows.iter().zip(&held) {
            assert_eq!(digest::whole(&stored.raw), digest::whole(row));
        }
    }

    /// Every file of the folder with its bytes.
    fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let files = walkdir::WalkDir::new(self.dir()).into_iter().filter_map(Result::ok);
        let files = files.filter(|file| file.file_type().is_file());
        files.map(|file| (file.path().to_owned(), std::fs::read(file.path()).unwrap())).collect()
    }
}

fn all(backup: &Backup) -> Verified {
    verify(backup, Sample::All, |_, _| std::ops::ControlFlow::Continue(())).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn nights_go_into_an_encrypted_folder_and_nothing_that_was_written_stands_in_it() {
    let vault = Vault::with(24).await;
    vault.night(&Options::default()).await;
    vault.is_equal();
    vault.rig.http.reply(3, "<p>Second night</p>").await;
    vault.rig.http.create(60).await;
    let before = vault.rig.requests();
    vault.night(&Options { is_compressed: true, ..Options::default() }).await;
    assert_eq!(since(&before, &vault.rig.requests()).get("GET /conversations/{id}"), Some(&2));
    vault.is_equal();

    let mut sealed = 0;
    for (path, bytes) in vault.files() {
        for text in ["Question", "Answer", "ann1@example.net", "Order 1", "Second night", "00000000"] {
            let is_there = memchr::memmem::find(&bytes, text.as_bytes()).is_some();
            assert!(!is_there || path.ends_with("manifest.json") || path.ends_with("SHA256SUMS"), "{text}: {path:?}");
        }
        sealed += usize::from(path.extension().is_some_and(|ending| ending == "age"));
        let is_known = ["foxferry-backup.json", "manifest.json", "SHA256SUMS"].iter().any(|name| path.ends_with(name))
            || path.starts_with(vault.dir().join("work"))
            || bytes.starts_with(b"age-encryption.org/v1\n");
        assert!(is_known, "{path:?}");
    }
    assert!(sealed > 12, "{sealed}");
    let snapshot = vault.backup().snapshot("latest").unwrap();
    assert_eq!(snapshot.manifest().version, 2);
    assert!(snapshot.manifest().files.iter().all(|file| file.path.ends_with(".age")), "{:?}", snapshot.manifest());

    // Attachments are as they were, and one that came twice lies there once.
    let mut seen = 0;
    let mut names = BTreeSet::new();
    for row in snapshot.conversations().unwrap() {
        let row = row.unwrap();
        for key in row.ours.files.keys() {
            let Some(format::Held::Here { sha256, content, bytes, .. }) = row.ours.file(key) else { panic!("{key}") };
            let mut back = Vec::new();
            row.file(key).open().unwrap().read_to_end(&mut back).unwrap();
            assert_eq!((back.len() as u64, Some(format::sha256(&back))), (bytes, content.clone()));
            names.insert((content, sha256));
            seen += 1;
        }
    }
    let contents: BTreeSet<_> = names.iter().map(|(content, _)| content).collect();
    assert!(seen >= 3 && contents.len() == names.len(), "{seen} {names:?}");
    let verified = all(&vault.backup());
    assert_eq!((verified.faults.len(), verified.unopened), (0, 0), "{:?}", verified.faults);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_key_bytes_are_verified_and_nothing_is_read() {
    let vault = Vault::with(12).await;
    vault.night(&Options::default()).await;
    let closed = Backup::open(&vault.dir()).unwrap();
    assert!(closed.is_encrypted());
    let verified = all(&closed);
    assert!(verified.faults.is_empty() && verified.unopened > 0, "{verified:?}");
    let snapshot = closed.snapshot("latest").unwrap();
    assert_eq!(snapshot.manifest().counts.conversations, 12);
    assert!(matches!(snapshot.conversations(), Err(BackupError::Locked { .. })));
    assert!(matches!(snapshot.list("users"), Err(BackupError::Locked { .. })));
    assert!(matches!(diff(&snapshot, &snapshot, |_| Ok(())), Err(BackupError::Locked { .. })));
    let keep = Keep { daily: 1, ..Keep::default() };
    assert!(matches!(prune(&closed, keep, Mode::List), Err(BackupError::Locked { .. })));
    let refused = run(&closed, &vault.rig.client, &Options::default(), &Stop::new(), &|_| {}).await;
    assert!(matches!(refused, Err(BackupError::Locked { .. })));
    let strange = Keys::default().with_identities(&vault.stranger).unwrap();
    assert!(matches!(closed.with_identities(&strange), Err(BackupError::WrongIdentity { .. })));

    // A flipped bit is found with the key and without.
    for (path, bytes) in vault.files() {
        if path.extension().is_some_and(|ending| ending == "age") {
            let mut broken = bytes.clone();
            *broken.last_mut().unwrap() ^= 1;
            std::fs::write(&path, broken).unwrap();
            for backup in [Backup::open(&vault.dir()).unwrap(), vault.backup()] {
                let faults = all(&backup).faults;
                assert!(faults.iter().any(|fault| path.ends_with(&fault.path)), "{path:?}: {faults:?}");
            }
            std::fs::write(&path, bytes).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_encrypted_from_its_first_night_or_never_and_to_somebody_who_is_here() {
    let vault = Vault::with(2).await;
    // Nobody here could read it back.
    let nobody = Backup::open_or_create_for(&vault.dir(), &vault.recipients);
    assert!(matches!(nobody, Err(BackupError::Locked { .. })));
    let strange = vault.recipients.clone().with_identities(&vault.stranger).unwrap();
    let strange = Backup::open_or_create_for(&vault.dir(), &strange);
    assert!(matches!(strange, Err(BackupError::WrongIdentity { .. })));
    assert!(!vault.dir().join(MARKER).exists());
    vault.night(&Options::default()).await;
    let (other, to_other) = identity(vault.rig.folder.path(), "other.txt");
    let others = Keys::of_recipients(&[to_other], &[]).unwrap().with_identities(&other).unwrap();
    let refused = Backup::open_or_create_for(&vault.dir(), &others);
    assert!(matches!(refused, Err(BackupError::OtherRecipients { .. })));

    let plain = vault.rig.folder.path().join("plain");
    Backup::open_or_create(&plain).unwrap();
    let refused = Backup::open_or_create_for(&plain, &vault.keys());
    assert!(matches!(refused, Err(BackupError::OtherRecipients { .. })));
    assert_eq!(std::fs::read_to_string(plain.join(MARKER)).unwrap(), MARKER_TEXT);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encrypted_backup_is_diffed_pruned_and_exported_with_the_key() {
    let vault = Vault::with(12).await;
    vault.night(&Options::default()).await;
    vault.rig.http.reply(3, "<p>More</p>").await;
    vault.rig.http.send("DELETE", "/conversations/1", json!(null)).await;
    vault.night(&Options::default()).await;
    let backup = vault.backup();
    let names = backup.names().unwrap();
    let (older, newer) = (backup.snapshot(&names[0]).unwrap(), backup.snapshot("latest").unwrap());
    let mut found = 0;
    diff(&older, &newer, |_| {
        found += 1;
        Ok(())
    })
    .unwrap();
    assert_eq!(found, 2);
    // The first attachment belonged to what was deleted alone.
    let attachments =
        || vault.files().iter().filter(|(path, _)| path.starts_with(vault.dir().join("attachments"))).count();
    let before = attachments();
    let pruned = prune(&backup, Keep { daily: 1, ..Keep::default() }, Mode::Remove).unwrap();
    assert_eq!((pruned.removed.len(), pruned.attachments), (1, 1));
    assert_eq!(attachments(), before - 1);
    assert!(all(&backup).faults.is_empty());
}
