//! What becomes of the content of mails: encodings, files inside of files, dates.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::place::{Place, Ran, sample};

/// The first entry of each mail of `samples/broken/eml-contents`, and its codes, by Message-ID.
fn mails() -> BTreeMap<String, (Value, Vec<String>)> {
    let place = Place::new();
    let folder = sample("broken").join("eml-contents");
    let ran = Ran::of(place.command(["inspect", "--records"]).arg(folder)).exits(0);
    let records = ran.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let named = records.map(|mut record| {
        let name = record["id"].as_str().unwrap().trim_end_matches("@example.com").to_owned();
        let odd = record["oddities"].as_array().into_iter().flatten();
        let codes = odd.map(|odd| odd["code"].as_str().unwrap().to_owned()).collect();
        (name, (record["entries"][0].take(), codes))
    });
    named.collect()
}

#[test]
fn every_kind_of_content_arrives_where_it_belongs() {
    const UNOPENED: &str = "read-unopened";
    let cases: &[(&str, &str, &[&str], &[&str])] = &[
        ("winmail", "<p>The tea house opens at ten, señor.</p>", &["Menu of the tea house.txt 20"], &[]),
        ("winmail-cut", "The menu is in the file.", &["MENUOF~1.TXT 20", "winmail.dat"], &[UNOPENED]),
        ("uuencoded", "Here are both lists.\n\n\nand\n\n\nBye", &["teas.txt 12", "my cups.txt 55"], &[]),
        ("uuencoded-cut", "Here is the list.\n\nbegin 644 teas.txt\n,9W)E96X*8FQA8VL*", &[], &[]),
        ("smime-encrypted", "", &["smime.p7m 16"], &[UNOPENED]),
        ("pgp-encrypted", "", &["file-1.asc 10", "encrypted.asc 63"], &[UNOPENED]),
        (
            "bounce",
            "Nobody of that name lives here.",
            &["delivery-status.txt", "Your tea ready.eml"],
            &["read-delivery-report"],
        ),
        ("partial", "", &["message-1.txt"], &[UNOPENED]),
        ("apple-double", "The picture.", &["cup.txt 5"], &[]),
        ("three-forms", "<p>Tea at <b>four</b>?</p>", &["text-1.ics"], &[]),
        ("date-in-german", "Um vier.", &[], &[]),
        ("date-in-words", "Soon.", &[], &["read-date"]),
        ("letters-in-pairs", "茶 ~ tea", &[], &[]),
        ("letters-cut", "Zwölf Tassen", &[], &[]),
        ("name-in-pieces", "See the file.", &["茶 of the house.txt 3"], &[]),
        ("footer-behind", "Grüße aus dem Teehaus!", &[], &[]),
        ("place-of-a-picture", "<p>The door:</p><img src=\"cid:location-1\" alt=\"door\">", &["image-1.gif 35"], &[]),
        (
            "flowed",
            "> A long line that was cut.\nMy answer to it is on several lines.\nFrom here on it is short.\n-- \nAda",
            &[],
            &[],
        ),
    ];
    let mails = mails();
    assert_eq!(mails.len(), cases.len());
    for (name, text, files, codes) in cases {
        let (entry, found) = &mails[*name];
        let body = entry["html"].as_str().or(entry["text"].as_str()).unwrap_or_default();
        assert_eq!(body.trim(), *text, "{name}");
        let attachments = entry["attachments"].as_array().map(Vec::as_slice).unwrap_or_default();
        assert_eq!(attachments.len(), files.len(), "{name}: {attachments:?}");
        for (attachment, expected) in attachments.iter().zip(*files) {
            let written = attachment["data"].as_str().unwrap();
            let length = written.len() / 4 * 3 - written.matches('=').count();
            let shown = format!("{} {length}", attachment["name"].as_str().unwrap());
            assert!(shown.starts_with(expected), "{name}: {shown}");
        }
        assert_eq!(found, codes, "{name}");
    }
    assert_eq!(mails["date-in-german"].0["created_at"], "2024-03-15T09:30:00Z");
}

#[test]
fn the_original_is_attached_where_the_mapping_wants_it() {
    let place = Place::new();
    let folder = sample("broken").join("eml-contents");
    let standard = place.run("mapping show mbox").exits(0).stdout;
    let attached = |original: &str| {
        let mapping = format!("{standard}\n[shape.mail]\noriginal = \"{original}\"\n");
        let mapping = place.write("ours.toml", mapping);
        let mut command = place.command(["inspect", "--records", "--mapping"]);
        let ran = Ran::of(command.arg(mapping).arg(&folder)).exits(0);
        let records = ran.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let is_original = |record: &Value| {
            let files = record["entries"][0]["attachments"].as_array().cloned().unwrap_or_default();
            files.last().is_some_and(|file| file["mime"] == "message/rfc822" && file["name"] != "Your tea ready.eml")
        };
        records.filter(is_original).count()
    };
    assert_eq!(attached("never"), 0);
    assert_eq!(attached("odd"), 6);
    assert_eq!(attached("always"), 18);

    let wrong = place.write("wrong.toml", format!("{standard}\n[shape.mail]\noriginal = \"maybe\"\n"));
    let mut command = place.command(["check", "--mapping"]);
    let ran = Ran::of(command.arg(wrong).arg(&folder));
    assert_ne!(ran.code, 0);
    assert!(ran.stderr.contains("original"), "{}", ran.stderr);
}

#[test]
fn all_of_it_goes_into_freescout() {
    let place = Place::new();
    let folder = sample("broken").join("eml-contents");
    let mut command = place.command(["import", "--sandbox"]);
    let ran = Ran::of(command.arg(&folder));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.last_line().starts_with("18 read: 18 done"), "{}", ran.last_line());
    assert!(ran.stderr.contains("14 attachments"), "{}", ran.stderr);
}
