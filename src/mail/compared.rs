//! What other parsers make of real mails, beside what we make of them.
//!
//! Every disagreement with Python's `email` stands in `tests/mail/disagreements.tsv` with who is right and why; one that
//! does not, and a row that has become untrue, fail the test.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use jiff::tz::TimeZone;
use serde_json::Value;

use super::*;

/// The version that the table was made with: others differ in what they make of broken mail.
const PYTHON: &str = "3.11.";

/// All mails of the archives, or none where they are not at hand.
pub(super) fn mails() -> Vec<PathBuf> {
    let Some(folder) = folder() else { return Vec::new() };
    let files = walkdir::WalkDir::new(folder).sort_by_file_name();
    let files = files.into_iter().map(|entry| entry.unwrap()).filter(|entry| entry.file_type().is_file());
    files.map(walkdir::DirEntry::into_path).collect()
}

fn folder() -> Option<PathBuf> {
    let archives = std::env::var_os("FOXFERRY_ARCHIVES");
    if archives.is_none() {
        println!("skipped: FOXFERRY_ARCHIVES is not set");
    }
    archives.map(|archives| Path::new(&archives).join("eml"))
}

/// A file in the repository's `tests/mail`.
fn beside(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mail").join(name)
}

/// Python's answers by file, or `None` where Python is not at hand.
fn answers(folder: &Path) -> Option<BTreeMap<String, Value>> {
    let output = match Command::new("python3").arg(beside("answers.py")).arg(folder).output() {
        Ok(output) => output,
        Err(error) => {
            println!("skipped: python3 cannot be run: {error}");
            return None;
        }
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    let answers = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    Some(answers.map(|answer| (answer["file"].as_str().unwrap().to_owned(), answer)).collect())
}

fn squeeze(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A text without what joining several pieces puts between them, and without white space.
fn bare(text: &str) -> String {
    let mut text = text.to_owned();
    for (from, to) in
        [("<div>", ""), ("</div>", ""), ("<br>", ""), ("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&amp;", "&")]
    {
        text = text.replace(from, to);
    }
    text.split_whitespace().collect()
}

fn people(people: &[Address]) -> Vec<(String, String)> {
    let text = |text: &Option<String>| squeeze(text.as_deref().unwrap_or_default());
    people.iter().map(|person| (text(&person.name), text(&person.email))).collect()
}

fn their_people(answer: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| squeeze(value.as_str().unwrap_or_default());
    let pairs = answer.as_array().into_iter().flatten().map(|pair| (text(&pair[0]), text(&pair[1])));
    // A name that is the address over again is none.
    let pairs = pairs.map(|(name, email)| (if name == email { String::new() } else { name }, email));
    pairs.filter(|(name, email)| !name.is_empty() || !email.is_empty()).collect()
}

fn checksum(bytes: &[u8]) -> u64 {
    let mut sum = flate2::Crc::new();
    sum.update(bytes);
    u64::from(sum.sum())
}

/// What is left of files when those are taken out that both have.
fn unequal_files(message: &[u8], ours: &[File], theirs: &Value) -> (Vec<String>, Vec<String>) {
    let mut ours: Vec<(&File, u64)> =
        ours.iter().map(|file| (file, checksum(&leaf(message.to_vec(), false, file.part).unwrap()))).collect();
    let mut only_theirs = Vec::new();
    for file in theirs.as_array().into_iter().flatten() {
        let is_same = |(our, sum): &(&File, u64)| {
            let is_named = file[0].as_str().is_none_or(|name| squeeze(name) == squeeze(&our.name));
            let is_equal = file[2].as_u64().is_none_or(|length| length == our.length && file[3].as_u64() == Some(*sum));
            is_named && is_equal && file[1].as_str() == Some(our.mime.as_str())
        };
        match ours.iter().position(is_same) {
            Some(at) => drop(ours.remove(at)),
            None => only_theirs.push(format!("{} {} {}", file[0], file[1], file[2])),
        }
    }
    (ours.iter().map(|(file, _)| format!("{:?} {} {}", file.name, file.mime, file.length)).collect(), only_theirs)
}

/// The fields in which a mail is read differently, each with both readings.
fn differences(message: &[u8], theirs: &Value) -> Vec<(&'static str, String)> {
    let mail = Mail::parse(message);
    let headers = Headers::new(header::Fields::of_message(message).collect());
    let date = headers.raw("Date").and_then(|raw| date::parse(raw, &TimeZone::UTC)).map(Timestamp::as_second);
    let mut found = Vec::new();
    let mut compare = |field, ours: String, theirs: String| {
        if ours != theirs {
            found.push((field, format!("we {ours:.300} they {theirs:.300}")));
        }
    };
    let subject = |text: Option<&str>| squeeze(text.unwrap_or_default());
    compare("subject", subject(mail.subject.as_deref()), subject(theirs["subject"].as_str()));
    compare("date", format!("{date:?}"), format!("{:?}", theirs["date"].as_i64()));
    for (field, ours) in [("from", &mail.from), ("to", &mail.to), ("cc", &mail.cc)] {
        compare(field, format!("{:?}", people(ours)), format!("{:?}", their_people(&theirs[field])));
    }
    let (text, is_html) = match &mail.body {
        Body::Html(html) => (html.as_str(), true),
        Body::Text(text) => (text.as_str(), false),
        Body::Empty => ("", false),
    };
    let pieces: Vec<_> = theirs["texts"].as_array().into_iter().flatten().collect();
    let their_text: String = pieces.iter().filter_map(|piece| piece[1].as_str()).collect();
    let is_their_html = pieces.iter().any(|piece| piece[0] == "html" && !bare(piece[1].as_str().unwrap()).is_empty());
    compare("text", format!("{is_html} {}", bare(text)), format!("{is_their_html} {}", bare(&their_text)));
    let (ours, theirs) = unequal_files(message, &mail.files, &theirs["files"]);
    compare("files", format!("{ours:?}"), format!("{theirs:?}"));
    found
}

#[test]
fn real_mails_are_read_as_python_reads_them_but_for_what_the_table_explains() {
    let Some(folder) = folder() else { return };
    let Some(answers) = answers(&folder) else { return };
    let table = std::fs::read_to_string(beside("disagreements.tsv")).unwrap();
    let mut explained: BTreeMap<(String, String), bool> = BTreeMap::new();
    for row in table.lines().filter(|row| !row.starts_with('#') && !row.is_empty()) {
        let cells: Vec<&str> = row.split('\t').collect();
        let [file, field, right, reason] = cells[..] else { panic!("a row has four cells: {row}") };
        assert!(["we", "they", "both", "neither"].contains(&right), "who is right: {row}");
        assert!(reason.len() > 10, "a reason: {row}");
        assert!(explained.insert((file.to_owned(), field.to_owned()), false).is_none(), "twice: {row}");
    }
    let mut unexplained = Vec::new();
    let mails = mails();
    assert_eq!(mails.len(), answers.len());
    for path in &mails {
        let name = path.strip_prefix(&folder).unwrap().to_str().unwrap().replace('\\', "/");
        for (field, difference) in differences(&std::fs::read(path).unwrap(), &answers[&name]) {
            match explained.get_mut(&(name.clone(), field.to_owned())) {
                Some(is_used) => *is_used = true,
                None => unexplained.push(format!("{name}\t{field}\t{difference}")),
            }
        }
    }
    let stale: Vec<_> = explained.iter().filter(|(_, is_used)| !**is_used).map(|(row, _)| row).collect();
    let version = Command::new("python3").arg("--version").output().unwrap().stdout;
    if !String::from_utf8_lossy(&version).contains(PYTHON) {
        println!("skipped: the table is of Python {PYTHON}x; unexplained: {unexplained:#?} stale: {stale:?}");
        return;
    }
    assert!(unexplained.is_empty(), "{} unexplained:\n{}", unexplained.len(), unexplained.join("\n"));
    assert!(stale.is_empty(), "rows that are no longer true: {stale:?}");
    println!("{} mails, {} disagreements, each explained", mails.len(), explained.len());
}

/// What a second parser, in Rust, says of the same: subject, sender, date, and the lengths of files.
fn second_opinion(message: &[u8]) -> Option<[(&'static str, Option<String>, String); 4]> {
    use mail_parser::MimeHeaders;
    let theirs = mail_parser::MessageParser::default().parse(message)?;
    let ours = Mail::parse(message);
    let headers = Headers::new(header::Fields::of_message(message).collect());
    let date = headers.raw("Date").and_then(|raw| date::parse(raw, &TimeZone::UTC));
    let sender = theirs.from().and_then(|from| from.first()).and_then(|from| from.address());
    let our_names: Vec<_> = ours.files.iter().map(|file| squeeze(&file.name)).collect();
    let their_names: Vec<_> = theirs.attachments().filter_map(|part| part.attachment_name()).map(squeeze).collect();
    let missing: Vec<_> = their_names.iter().filter(|name| !our_names.contains(name)).collect();
    let is_known = |text: &&str| !text.contains('\u{FFFD}');
    Some([
        (
            "subject",
            theirs.subject().filter(is_known).map(squeeze),
            squeeze(ours.subject.as_deref().unwrap_or_default()),
        ),
        (
            "from",
            sender.filter(is_known).map(str::to_owned),
            ours.from.first().and_then(|from| from.email.clone()).unwrap_or_default(),
        ),
        (
            "date",
            theirs.date().filter(|date| date.is_valid()).map(|date| date.to_timestamp().to_string()),
            date.map(|date| date.as_second().to_string()).unwrap_or_default(),
        ),
        ("names", Some(String::new()), missing.into_iter().cloned().collect::<Vec<_>>().join(", ")),
    ])
}

#[test]
fn real_mails_are_read_much_as_a_second_parser_reads_them() {
    let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for path in mails() {
        let message = std::fs::read(&path).unwrap();
        for (field, theirs, ours) in second_opinion(&message).into_iter().flatten() {
            let Some(theirs) = theirs else { continue };
            let (agreed, asked) = counts.entry(field).or_default();
            *asked += 1;
            *agreed += usize::from(theirs == ours);
            if theirs != ours {
                println!("{}: {field}: {theirs:?} and {ours:?}", path.display());
            }
        }
    }
    println!("{counts:?}");
    for (field, (agreed, asked)) in counts {
        // The rest was looked at: it is the other that is wrong, or nobody can say.
        assert!(agreed * 100 >= asked * 94, "{field}: {agreed} of {asked}");
    }
}
