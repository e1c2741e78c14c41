//! A backup that only those read who have a key, as an operator makes and uses it.

use std::path::PathBuf;
use std::process::Command;

use age::secrecy::ExposeSecret as _;

use crate::place::{KEY, Place, Ran, Sandbox, mbox_of};

/// A new identity in a file, and its recipient.
fn identity(place: &Place, name: &str) -> (PathBuf, String) {
    let identity = age::x25519::Identity::generate();
    let text = format!("# made for a test\n{}\n", identity.to_string().expose_secret());
    (place.write(name, text), identity.to_public().to_string())
}

#[test]
fn every_command_works_on_an_encrypted_folder_with_the_identity_and_says_what_is_missing_without() {
    let place = Place::new();
    let sandbox = Sandbox::start(&place, &[]);
    let archive = place.write("mail.mbox", mbox_of(12));
    Ran::of(&mut sandbox.import(&place, &archive, "-q --no-progress")).exits(0);
    let (path, recipient) = identity(&place, "key.txt");
    let secret = std::fs::read_to_string(&path).unwrap().lines().last().unwrap().to_owned();
    let (_, other) = identity(&place, "other.txt");
    place.write("recipients.txt", format!("# both\n{recipient}\n{other}\n"));

    let backup = |words: &str| -> Ran {
        let mut command: Command = place.command(["backup"]);
        command.args(words.split_whitespace()).args(["--url", &sandbox.url]).env("FREESCOUT_API_KEY", KEY);
        let ran = Ran::of(&mut command);
        assert!(!ran.stdout.contains(&secret) && !ran.stderr.contains(&secret));
        ran
    };
    let refused = backup(&format!("copy --encrypt-to {recipient}")).exits(2);
    assert!(refused.stderr.contains("--identity FILE") && !place.path().join("copy").exists(), "{}", refused.stderr);
    backup(&format!("copy --encrypt-to {secret} --identity key.txt")).exits(2);
    backup("copy --recipients-file recipients.txt --identity key.txt --also csv=tables").exits(0);
    assert!(place.path().join("tables").exists());
    // The folder knows its recipients.
    let second = backup("copy --identity other.txt").exits(0);
    assert!(second.stdout.contains("0 added, 0 changed, 0 removed"), "{}", second.stdout);
    let plain = backup("plain").exits(0);
    assert!(plain.stdout.contains(": 12 conversations"));
    let mixed = backup(&format!("plain --encrypt-to {recipient} --identity key.txt")).exits(2);
    assert!(mixed.stderr.contains("is not encrypted") && mixed.stderr.contains("new folder"), "{}", mixed.stderr);

    for (words, last) in [
        ("backup diff copy 20", "is encrypted"),
        ("backup prune copy --keep-daily 1", "is encrypted"),
        ("backup drill copy", "is encrypted"),
        ("restore copy --sandbox", "is encrypted"),
        ("export copy --format json -o out.json", "is encrypted"),
        ("check copy", "is encrypted"),
    ] {
        let ran = place.run(words).exits(2);
        assert!(ran.stderr.contains(last) && ran.stderr.contains("FOXFERRY_IDENTITY"), "{words}: {}", ran.stderr);
    }
    assert!(place.run("backup list copy").exits(0).stdout.lines().count() == 3);
    let closed = place.run("backup verify copy").exits(0);
    assert!(closed.last_line().ends_with(": sound") && closed.stderr.contains("by their bytes alone"));

    let open = place.run("backup verify copy --identity key.txt").exits(0);
    assert!(open.last_line().ends_with(": sound") && open.stderr.is_empty(), "{}", open.stderr);
    let drilled = place.run("backup drill copy --no-progress --identity other.txt").exits(0);
    assert!(drilled.last_line().ends_with(": equal"), "{}", drilled.stdout);
    let exported = place.run("export copy --format json -o out.json --identity key.txt").exits(0);
    assert_eq!(exported.sums().done, 12);
    let restored = place.run("restore copy --sandbox --identity key.txt").exits(0);
    assert_eq!(restored.sums().done, 12);
    let mut command = place.command(["check", "copy"]);
    let checked = Ran::of(command.env("FOXFERRY_IDENTITY", "key.txt")).exits(0);
    assert_eq!(checked.sums().done, 12);
    let mut command = place.command(["backup", "prune", "copy", "--keep-daily", "1", "--yes"]);
    let pruned = Ran::of(command.env("FOXFERRY_IDENTITY", "key.txt")).exits(0);
    assert!(pruned.last_line().starts_with("1 snapshot removed, 1 stay"), "{}", pruned.stdout);

    for (words, expected) in [
        ("backup verify copy --identity nowhere.txt", "cannot be read"),
        ("backup verify copy --identity recipients.txt", "line 2: not an identity"),
    ] {
        let ran = place.run(words).exits(2);
        assert!(ran.stderr.contains(expected), "{words}: {}", ran.stderr);
    }
    identity(&place, "stranger.txt");
    let ran = place.run("backup verify copy --identity stranger.txt").exits(2);
    assert!(ran.stderr.contains("encrypted to others"), "{}", ran.stderr);
}

/// Whoever reads it in twenty years has the stock tool. Skipped where it is not installed.
#[test]
fn the_stock_tool_opens_every_file() {
    if Command::new("age").arg("--version").output().is_err() {
        println!("skipped: `age` is not installed");
        return;
    }
    let place = Place::new();
    let sandbox = Sandbox::start(&place, &[]);
    let archive = crate::place::sample("zendesk");
    Ran::of(&mut sandbox.import(&place, &archive, "-q --no-progress")).exits(0);
    let (_, recipient) = identity(&place, "key.txt");
    for folder in ["copy", "packed --compress"] {
        let words = format!("backup {folder} --encrypt-to {recipient} --identity key.txt --url {}", sandbox.url);
        Ran::of(place.command(words.split_whitespace()).env("FREESCOUT_API_KEY", KEY)).exits(0);
    }
    let (mut lines, mut attachments) = (0, 0);
    for entry in walkdir::WalkDir::new(place.path()).into_iter().filter_map(Result::ok) {
        let name = entry.file_name().to_string_lossy();
        if !name.ends_with(".age") {
            continue;
        }
        let opened =
            Command::new("age").args(["-d", "-i"]).arg(place.path().join("key.txt")).arg(entry.path()).output();
        let opened = opened.unwrap();
        assert!(opened.status.success(), "{name}: {}", String::from_utf8_lossy(&opened.stderr));
        let is_line = |line: &str| serde_json::from_str::<serde_json::Value>(line).is_ok();
        match &*name {
            name if name.ends_with(".jsonl.age") => {
                assert!(String::from_utf8(opened.stdout).unwrap().lines().all(is_line));
                lines += 1;
            }
            name if name.ends_with(".gz.age") => assert!(opened.stdout.starts_with(&[0x1f, 0x8b])),
            _ => attachments += 1,
        }
    }
    assert!(lines >= 7 && attachments >= 3, "{lines} {attachments}");
}
