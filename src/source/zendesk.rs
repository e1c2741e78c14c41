//! The `zendesk` source: exports and API dumps of Zendesk Support, in every layout that people have.
//!
//! - The JSON export: one ticket on each line, comments inside.
//! - Pages of the API, saved as they came: `tickets`, `comments` and `audits` of each ticket, `users`, `groups`,
//!   `organizations`, `ticket_fields` and more, with side-loads, search results and incremental pages that overlap.
//! - One array of tickets, one file for each ticket, and single `{"ticket": {…}}` objects.
//!
//! Files of all these kinds may lie in one folder. Bytes of attachments are found as `attachments/ID/…` or
//! `attachments/ID-…`.
//!
//! Promises:
//!
//! - A ticket that stands several times comes once, as its newest copy, with the comments of all copies.
//! - Side conversations are entries that customers did not see; a chat that only audits hold is one entry a message.
//! - The first comment *is* the description; only a ticket without comments has an entry of kind `description`.
//! - A comment that names no ticket is given to one only on firm ground: what its page, its file's name or an audit
//!   says, or that the archive holds one ticket only. Otherwise it is named as lost.
//! - Further fields of a person ([`Person::fields`](crate::record::Person::fields)) stand where the person comes first
//!   in a record: requester, assignee, copied people, authors.
//!
//! `samples/README.md` names the oddities that the sample shows.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::catalog::Catalog;
use crate::finding::codes;
use crate::input::{Head, Input};
use crate::record::{Oddity, Origin};
use crate::source::contacts::Contacts;
use crate::source::{Facts, Reader, Reading, Source, SourceError, lanes};

mod beside;
mod contacts;
mod detect;
mod index;
mod people;
mod records;
mod shape;

use index::{Pass, Totals};
use shape::Kind;
pub(super) use shape::{attachment_in_path, plain_seconds};

/// Changes whenever an index of an older program would be understood otherwise.
const INDEX_VERSION: u32 = 2;

/// The `zendesk` source.
pub struct Zendesk;

impl Source for Zendesk {
    fn name(&self) -> &'static str {
        "zendesk"
    }

    fn recognises(&self, head: &Head) -> bool {
        head.files.iter().any(detect::is_zendesk)
    }

    fn open(&self, input: Input, reading: &Reading<'_>) -> Result<Reader, SourceError> {
        let catalog = indexed(&input, reading)?;
        let notes = catalog.noted("pass")?.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        let (facts, totals, is_single) = facts(&catalog, &input, &notes)?;
        let groups = catalog.into_groups(reading.order);
        let has_unlinked = totals.unlinked > totals.unlinked_bare;
        let make = |catalog| records::Tickets::new(catalog, input.clone(), is_single, has_unlinked);
        lanes::reader(self.name(), facts, &input, groups, make)
    }

    fn people(&self, input: Input, reading: &Reading<'_>) -> Result<Option<Contacts>, SourceError> {
        let catalog = indexed(&input, reading)?;
        Ok(Some(Box::new(contacts::Users::new(catalog, input))))
    }
}

/// The archive's index, made by a pass over it unless it is there already.
fn indexed(input: &Input, reading: &Reading<'_>) -> Result<Catalog, SourceError> {
    let stamp = input.stamp().map_err(|cause| {
        let path = input.files().first().map(|file| file.path.to_path_buf()).unwrap_or_default();
        SourceError::Io { path, cause }
    })?;
    let key = format!("zendesk {INDEX_VERSION} {stamp}");
    let mut catalog = Catalog::open(reading.index, reading.scratch, &key)?;
    if !catalog.is_sealed() {
        let mut pass = Pass::new(input, &mut catalog, reading.watch);
        pass.run()?;
        let notes = notes(&pass);
        catalog.note("pass", &notes)?;
        catalog.seal()?;
    }
    Ok(catalog)
}

/// What the pass found out and the catalog cannot count, as text to keep beside the index.
fn notes(pass: &Pass<'_>) -> String {
    let totals = &pass.totals;
    let oddities = super::joined::noted(&pass.oddities);
    json!({
        "ticket_copies": totals.ticket_copies, "inner_comments": totals.inner_comments,
        "outer_comments": totals.outer_comments, "unlinked": totals.unlinked,
        "unlinked_bare": totals.unlinked_bare, "problems": totals.problems,
        "variants": pass.variants, "oddities": oddities,
    })
    .to_string()
}

/// Facts, totals, and whether comments that name no ticket can only be those of the archive's only one.
fn facts(catalog: &Catalog, input: &Input, notes: &Value) -> Result<(Facts, Totals, bool), SourceError> {
    let number = |key: &str| notes[key].as_u64().unwrap_or(0);
    let totals = Totals {
        ticket_copies: number("ticket_copies"),
        inner_comments: number("inner_comments"),
        outer_comments: number("outer_comments"),
        unlinked: number("unlinked"),
        unlinked_bare: number("unlinked_bare"),
        problems: number("problems"),
    };
    let texts = |key: &str| notes[key].as_array().map(Vec::as_slice).unwrap_or_default();
    let variants = texts("variants").iter().filter_map(|it| it.as_str().map(str::to_owned)).collect();
    let mut oddities: Vec<Oddity> = texts("oddities").iter().filter_map(oddity).collect();

    let deleted = catalog.newest_count(Kind::Deleted as u8)?;
    let suspended = catalog.newest_count(Kind::Suspended as u8)?;
    let tickets = deleted + catalog.newest_count(Kind::Ticket as u8)?;
    let records = catalog.group_count()?;
    let audits = catalog.name_count(Kind::AuditNumber as u8)?;
    // Comments that name a ticket which is not there; and, if there are several, those that name none.
    let is_single = tickets == 1 && totals.problems == 0;
    let (mut lost, mut first) = catalog.orphans(Kind::Comment as u8, u8::MAX)?;
    if !is_single {
        let (count, piece) = catalog.orphans(Kind::OfAudit as u8, Kind::AuditNumber as u8)?;
        lost += count + totals.unlinked_bare;
        first = first.or(piece);
    }
    let place = |piece: Option<crate::catalog::Piece>| match piece {
        Some(piece) => Origin::line(&input.files()[piece.file as usize].shown, piece.line),
        None => Origin::whole(&Arc::from(".")),
    };
    if lost > 0 {
        let bare = catalog.named(index::unlinked_key())?.first().copied();
        let message = format!(
            "{lost} comments belong to tickets that the archive does not hold, or do not say to which; they are left out"
        );
        oddities.push(Oddity { code: codes::READ_MISSING_PART, origin: place(first.or(bare)), message });
    }
    for kind in [Kind::Audit, Kind::Event] {
        let (count, first) = catalog.orphans(kind as u8, u8::MAX)?;
        if count > 0 {
            let message =
                format!("{count} audits belong to tickets that the archive does not hold; their comments are left out");
            oddities.push(Oddity { code: codes::READ_MISSING_PART, origin: place(first), message });
        }
    }
    let counts = vec![
        ("tickets", tickets),
        ("suspended", suspended),
        ("comments", totals.inner_comments + totals.outer_comments),
        ("lost_comments", lost),
        ("audits", audits),
        ("users", catalog.name_count(Kind::User as u8)?),
        ("attachment_files", catalog.name_count(Kind::File as u8)?),
        ("duplicates", totals.ticket_copies.saturating_sub(tickets)),
        ("deleted", deleted),
        ("unreadable", totals.problems),
    ];
    Ok((Facts { records, counts, variants, oddities }, totals, is_single))
}

/// An oddity out of the notes.
fn oddity(note: &Value) -> Option<Oddity> {
    let code = codes::ALL.iter().find(|(code, ..)| note[0] == *code)?.0;
    let file = Arc::from(note[1].as_str()?);
    let origin = match note[2].as_u64() {
        Some(line) if line > 0 => Origin::line(&file, line),
        _ => Origin::whole(&file),
    };
    Some(Oddity { code, origin, message: note[3].as_str()?.to_owned() })
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::content::Content;
    use crate::record::{Body, Record};
    use crate::source::{Order, ReadError, Shape};

    fn sample(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("samples").join(name)
    }

    fn open(archive: &Path, order: Order, index: Option<&Path>) -> Reader {
        let scratch = tempfile::tempdir().unwrap();
        let shape = Shape::default();
        let reading =
            Reading { shape: &shape, order, index, scratch: scratch.path(), watch: &|_| ControlFlow::Continue(()) };
        Zendesk.open(Input::open(&[archive.to_owned()], scratch.path()).unwrap(), &reading).unwrap()
    }

    fn read(archive: &Path) -> (Facts, Vec<Result<Record, ReadError>>) {
        let reader = open(archive, Order::Oldest, None);
        let facts = reader.facts.clone();
        let records: Vec<_> = reader.collect();
        assert_eq!(facts.records, records.len() as u64, "as many records as were announced");
        (facts, records)
    }

    /// The records of files made on the spot, and the archive's oddities.
    fn read_files(files: &[(&str, &str)]) -> (Facts, Vec<Result<Record, ReadError>>) {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        read(folder.path())
    }

    fn count(facts: &Facts, name: &str) -> u64 {
        facts.counts.iter().find(|(known, _)| *known == name).unwrap().1
    }

    fn codes(record: &Record) -> Vec<&'static str> {
        record.oddities.iter().map(|oddity| oddity.code).collect()
    }

    fn by_id(records: Vec<Result<Record, ReadError>>, id: &str) -> Record {
        records.into_iter().flatten().find(|record| record.id.original == id).unwrap()
    }

    /// `id: texts of its entries` of each record, and `error: …` of what could not be read.
    fn outline(records: &[Result<Record, ReadError>]) -> Vec<String> {
        let line = |record: &Result<Record, ReadError>| match record {
            Err(error) => format!("error: {error}"),
            Ok(record) => {
                let texts: Vec<_> = record
                    .entries
                    .iter()
                    .map(|entry| match &entry.body {
                        Body::Html(text) | Body::Text(text) => text.as_str(),
                        Body::Empty => "",
                    })
                    .collect();
                format!("{}: {}", record.id.original, texts.join(" | "))
            }
        };
        records.iter().map(line).collect()
    }

    #[test]
    fn the_sample_is_read_with_everything_it_holds() {
        let (facts, records) = read(&sample("zendesk"));
        let found = |name| count(&facts, name);
        assert_eq!((found("tickets"), found("deleted"), found("suspended"), found("users")), (13, 2, 1, 12));
        assert_eq!((found("comments"), found("attachment_files"), found("unreadable")), (28, 4, 0));
        let odd: Vec<_> = facts.oddities.iter().map(|odd| (odd.code, &*odd.origin.file, &*odd.message)).collect();
        let expected = "holds nothing that belongs to a ticket (`macros`) and is not read";
        assert_eq!(odd, [("read-ignored", "macros.json", expected)]);
        let records: Vec<Record> = records.into_iter().map(Result::unwrap).collect();
        insta::assert_json_snapshot!("sample", records.iter().map(summary).collect::<Vec<_>>());
    }

    /// What a snapshot keeps of a record: everything but paths of this machine and further fields of people.
    fn summary(record: &Record) -> serde_json::Value {
        let person = |person: &crate::record::Person| {
            json!([person.id, person.name, person.emails, person.phones, person.role, person.company])
        };
        let time = |time: Option<jiff::Timestamp>| time.map(|time| time.to_string());
        json!({
            "id": record.id.to_string(), "origin": record.origin.to_string(), "subject": record.subject,
            "status": record.status, "channel": record.channel, "tags": record.tags, "url": record.url,
            "requester": record.requester.as_ref().map(person), "assignee": record.assignee.as_ref().map(person),
            "cc": record.cc.iter().map(person).collect::<Vec<_>>(),
            "times": [time(record.created_at), time(record.updated_at), time(record.closed_at)],
            "fields": record.fields, "oddities": codes(record),
            "entries": record.entries.iter().map(|entry| json!({
                "id": entry.id, "kind": entry.kind, "is_public": entry.is_public,
                "author": entry.author.as_ref().map(person), "at": time(entry.created_at),
                "to": entry.to.iter().map(person).collect::<Vec<_>>(),
                "cc": entry.cc.iter().map(person).collect::<Vec<_>>(),
                "body": format!("{:?}", entry.body),
                "fields": entry.fields.keys().collect::<Vec<_>>(),
                "attachments": entry.attachments.iter().map(|file| json!([
                    file.name, file.mime, file.is_inline, file.content_id, match &file.content {
                        Content::File { length, .. } => format!("file of {length}"),
                        Content::Link { url, claimed_length } => format!("{url} of {claimed_length:?}"),
                        other => format!("{other:?}"),
                    }
                ])).collect::<Vec<_>>(),
            })).collect::<Vec<_>>(),
        })
    }

    #[test]
    fn two_readings_are_equal_and_the_second_needs_no_pass() {
        let folder = tempfile::tempdir().unwrap();
        let index = folder.path().join("x.ferry.index");
        let texts: Vec<_> = (0..2)
            .map(|_| {
                let reader = open(&sample("zendesk"), Order::Archive, Some(&index));
                let facts = format!("{:?}", reader.facts);
                (facts, reader.map(|record| format!("{record:?}")).collect::<Vec<_>>())
            })
            .collect();
        assert_eq!(texts[0], texts[1]);
        let never = |_| panic!("the index is there already");
        let shape = Shape::default();
        let reading =
            Reading { shape: &shape, order: Order::Newest, index: Some(&index), scratch: folder.path(), watch: &never };
        let input = Input::open(&[sample("zendesk")], folder.path()).unwrap();
        assert_eq!(Zendesk.open(input, &reading).unwrap().count(), 14);
    }

    #[test]
    fn records_come_in_the_order_asked_for() {
        let ids = |order| -> Vec<_> {
            open(&sample("zendesk"), order, None).map(|record| record.unwrap().id.original).collect()
        };
        let oldest = [
            "101",
            "102",
            "103",
            "104",
            "105",
            "106",
            "107",
            "108",
            "109",
            "112",
            "113",
            "110",
            "suspended-4801",
            "111",
        ];
        assert_eq!(ids(Order::Oldest), oldest);
        assert_eq!(ids(Order::Newest), oldest.iter().rev().copied().collect::<Vec<_>>());
        assert_eq!(ids(Order::Archive)[0], "suspended-4801");
        assert_eq!(ids(Order::Archive)[1..4], ["101", "102", "103"]);
    }

    #[test]
    fn an_interrupted_pass_says_so() {
        let scratch = tempfile::tempdir().unwrap();
        let (shape, order) = (Shape::default(), Order::Oldest);
        let reading =
            Reading { shape: &shape, order, index: None, scratch: scratch.path(), watch: &|_| ControlFlow::Break(()) };
        let input = Input::open(&[sample("zendesk")], scratch.path()).unwrap();
        assert!(matches!(Zendesk.open(input, &reading), Err(SourceError::Interrupted)));
    }

    #[test]
    fn images_whose_bytes_are_at_hand_are_shown_from_there() {
        let (_, records) = read(&sample("zendesk"));
        let entry = &by_id(records, "101").entries[0];
        assert!(matches!(&entry.body, Body::Html(html) if html.contains("src=\"cid:attachment-77001@zendesk\"")));
        assert!(entry.attachments[0].is_inline);
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut entry.attachments[0].content.open().unwrap(), &mut bytes).unwrap();
        assert!(bytes.starts_with(b"\x89PNG"));
    }

    const ONE: &str = r#"{"id":1,"subject":"One","status":"open","requester_id":5,"submitter_id":5,"via":{"channel":"web"},
        "description":"first","created_at":"2022-01-01T00:00:00Z","updated_at":"2022-01-01T00:00:00Z"}"#;
    const TWO: &str = r#"{"id":2,"subject":"Two","status":"open","requester_id":5,"submitter_id":5,"via":{"channel":"web"},
        "description":"second","created_at":"2022-01-02T00:00:00Z","updated_at":"2022-01-02T00:00:00Z"}"#;

    fn comment(id: u32, text: &str, more: &str) -> String {
        format!(
            r#"{{"id":{id},"type":"Comment","author_id":5,"body":"{text}","public":true,"created_at":"2022-01-03T00:00:00Z"{more}}}"#
        )
    }

    #[test]
    fn comments_find_their_ticket_in_every_layout() {
        let list = |comments: &[String]| format!("{{\"comments\":[{}],\"meta\":{{}}}}", comments.join(","));
        let both = format!("{{\"tickets\":[{ONE},{TWO}],\"count\":2}}");
        let (a, b) = (comment(10, "a", ""), comment(11, "b", ""));
        type Layout<'a> = (&'a str, Vec<(&'a str, String)>, Vec<&'a str>);
        let cases: Vec<Layout<'_>> = vec![
            (
                "the file's name",
                vec![("tickets.json", both.clone()), ("tickets_2_comments__000.json", list(&[a.clone(), b.clone()]))],
                vec!["1: first", "2: a | b"],
            ),
            (
                "the folder's name",
                vec![("tickets.json", both.clone()), ("tickets/2/comments.json", list(std::slice::from_ref(&a)))],
                vec!["1: first", "2: a"],
            ),
            (
                "the page's ticket_id, behind the comments",
                vec![("tickets.json", both.clone()), ("c.json", format!("{{\"comments\":[{a}],\"ticket_id\":1}}"))],
                vec!["1: a", "2: second"],
            ),
            (
                "the comment's ticket_id",
                vec![("tickets.json", both.clone()), ("c.json", list(&[comment(10, "a", ",\"ticket_id\":\"2\"")]))],
                vec!["1: first", "2: a"],
            ),
            (
                "the ticket beside",
                vec![(
                    "all.json",
                    format!("[{{\"comments\":[{a}],\"ticket\":{ONE}}},{{\"ticket\":{TWO},\"comments\":[{b}]}}]"),
                )],
                vec!["1: a", "2: b"],
            ),
            (
                "an audit that the comment names",
                vec![
                    ("tickets.json", both.clone()),
                    ("c.json", list(&[comment(10, "a", ",\"audit_id\":77")])),
                    (
                        "audits.json",
                        "{\"audits\":[{\"id\":77,\"ticket_id\":2,\"author_id\":5,\"events\":[]}]}".to_owned(),
                    ),
                ],
                vec!["1: first", "2: a"],
            ),
            (
                "the only ticket of the archive",
                vec![
                    ("t.json", format!("{{\"ticket\":{ONE}}}")),
                    ("c.json", list(&[comment(10, "a", ",\"audit_id\":7"), b.clone()])),
                ],
                vec!["1: a | b"],
            ),
            (
                "audits, where there are no pages of comments",
                vec![
                    ("t.json", both.clone()),
                    (
                        "audits.json",
                        r#"{"audits":[{"id":7,"ticket_id":1,"author_id":9,"created_at":"2022-01-03T00:00:00Z","events":[
                            {"id":10,"type":"Comment","author_id":5,"body":"a","public":true},
                            {"id":12,"type":"Change","field_name":"status","value":"solved"}]}]}"#
                            .to_owned(),
                    ),
                ],
                vec!["1: a", "2: second"],
            ),
            (
                "audits that repeat the comments",
                vec![
                    ("1/comments.json", list(std::slice::from_ref(&a))),
                    (
                        "1/audits.json",
                        r#"{"audits":[{"id":7,"ticket_id":1,"events":[{"id":10,"type":"Comment","body":"a again"}]}]}"#
                            .to_owned(),
                    ),
                    ("t.json", both.clone()),
                ],
                vec!["1: a", "2: second"],
            ),
            (
                "inside of the ticket",
                vec![("t.ndjson", format!("{}\n{}\n", inner(ONE, &a), inner(TWO, &b)))],
                vec!["1: a", "2: b"],
            ),
            (
                "one file for each ticket",
                vec![("1.json", inner(ONE, &a)), ("2.json", format!("{{\"ticket\":{}}}", inner(TWO, &b)))],
                vec!["1: a", "2: b"],
            ),
            ("one array", vec![("t.json", format!("[{},{TWO}]", inner(ONE, &a)))], vec!["1: a", "2: second"]),
            (
                "search results",
                vec![("s.json", format!("{{\"results\":[{}],\"count\":1}}", inner(ONE, &a)))],
                vec!["1: a"],
            ),
        ];
        for (name, files, expected) in cases {
            let files: Vec<_> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
            let (facts, records) = read_files(&files);
            assert_eq!(outline(&records), expected, "{name}");
            assert_eq!(count(&facts, "lost_comments"), 0, "{name}: {:?}", facts.oddities);
        }
    }

    /// A ticket on one line with its comment inside.
    fn inner(ticket: &str, comment: &str) -> String {
        let ticket = ticket.replace('\n', " ");
        format!("{},\"comments\":[{comment}]}}", ticket.trim_end_matches('}'))
    }

    #[test]
    fn lost_comments_are_named() {
        let (facts, records) = read(&sample("broken/zendesk-comments-of-nobody"));
        assert_eq!(outline(&records).len(), 2);
        assert_eq!(count(&facts, "lost_comments"), 2);
        let odd: Vec<_> = facts.oddities.iter().map(|odd| (odd.code, odd.origin.to_string())).collect();
        assert_eq!(odd, [("read-missing-part", "comments_7.json:1".to_owned())]);
    }

    #[test]
    fn the_only_ticket_gets_what_names_none_and_nothing_that_names_another() {
        let comments = [comment(10, "a", ",\"audit_id\":7"), comment(11, "b", ",\"ticket_id\":99")].join(",");
        let comments = format!("{{\"comments\":[{comments}]}}");
        let audits = "{\"audits\":[{\"id\":7,\"ticket_id\":1,\"author_id\":5,\"events\":[]}]}";
        for audits in [audits, "{}"] {
            let (facts, records) = read_files(&[("t.json", ONE), ("c.json", &comments), ("a.json", audits)]);
            assert_eq!(outline(&records), ["1: a"]);
            assert_eq!(count(&facts, "lost_comments"), 1);
        }
        // A second ticket that cannot be read may be the one meant.
        let broken = format!("{}\n{{\"id\":2,\"requester_id\":", ONE.replace('\n', " "));
        let (facts, records) = read_files(&[("t.json", &broken), ("c.json", &comments)]);
        assert_eq!(outline(&records)[0], "1: first");
        assert_eq!(count(&facts, "lost_comments"), 2);
    }

    #[test]
    fn of_several_copies_the_newest_counts_with_all_comments() {
        let older = inner(ONE, &comment(10, "a", ""));
        let newer = ONE.replace("One", "Renamed").replace("updated_at\":\"2022-01-01", "updated_at\":\"2022-02-01");
        for files in [[("1.json", &older), ("2.json", &newer)], [("1.json", &newer), ("2.json", &older)]] {
            let (facts, records) = read_files(&files.map(|(name, text)| (name, text.as_str())));
            assert_eq!(outline(&records), ["1: a"]);
            assert_eq!(count(&facts, "duplicates"), 1);
            let record = by_id(records, "1");
            assert_eq!(record.subject.as_deref(), Some("Renamed"));
            assert!(codes(&record).contains(&"read-duplicate"));
        }
    }

    #[test]
    fn a_page_may_be_newer_by_its_generated_timestamp_alone() {
        let newer = ONE.replace("\"id\":1,", "\"id\":1,\"generated_timestamp\":1700000000,").replace("open", "deleted");
        let (facts, records) = read_files(&[("a.json", &newer), ("b.json", ONE)]);
        assert_eq!((count(&facts, "tickets"), count(&facts, "deleted")), (1, 1));
        let record = by_id(records, "1");
        assert_eq!(record.status.as_deref(), Some("deleted"));
        assert!(codes(&record).contains(&"read-deleted"));
    }

    #[test]
    fn the_time_of_closing_comes_from_the_firmest_source() {
        let solved = ONE.replace("open", "solved").replace("updated_at\":\"2022-01-01", "updated_at\":\"2022-09-09");
        let audits = r#"{"audits":[{"id":7,"ticket_id":1,"created_at":"2022-03-03T00:00:00Z","events":[
            {"id":12,"type":"Change","field_name":"status","value":"solved"}]}]}"#;
        let metrics = r#"{"ticket_metrics":[{"id":1,"ticket_id":1,"solved_at":"2022-02-02T00:00:00Z"}]}"#;
        type Files<'a> = &'a [(&'a str, &'a str)];
        let cases: [(Files<'_>, Option<&str>); 5] = [
            (&[("t.json", &solved), ("a.json", audits), ("m.json", metrics)], Some("2022-02-02T00:00:00Z")),
            (&[("t.json", &solved), ("a.json", audits)], Some("2022-03-03T00:00:00Z")),
            (&[("t.json", &solved)], Some("2022-09-09T00:00:00Z")),
            (&[("t.json", ONE), ("m.json", metrics)], None),
            (
                &[(
                    "t.json",
                    &solved.replace("\"id\":1,", "\"id\":1,\"dates\":{\"solved_at\":\"2022-04-04T00:00:00Z\"},"),
                )],
                Some("2022-04-04T00:00:00Z"),
            ),
        ];
        for (files, expected) in cases {
            let record = by_id(read_files(files).1, "1");
            assert_eq!(record.closed_at.map(|time| time.to_string()).as_deref(), expected, "{files:?}");
        }
    }

    #[test]
    fn an_export_that_spells_people_out_needs_no_list_of_users() {
        let text = r#"{"id":7,"subject":"x","status":"open","requester":{"id":5,"name":"Pat","email":"pat@example.org","role":"end-user"},
            "submitter":{"id":6,"name":"Ada","email":"ada@example.org","role":"agent"},"assignee":{"id":6,"name":"Ada"},
            "group":{"id":1,"name":"Support"},"organization":{"id":2,"name":"Acme"},"created_at":"2022-01-01T00:00:00Z",
            "comments":[{"id":1,"author_id":6,"plain_body":"hi","public":false},{"id":2,"author_id":5,"plain_body":"ho","public":true}]}"#;
        let (_, records) = read_files(&[("t.json", &text.replace('\n', " "))]);
        let record = by_id(records, "7");
        assert_eq!(codes(&record), [""; 0]);
        assert_eq!(record.requester.unwrap().email(), Some("pat@example.org"));
        let authors: Vec<_> =
            record.entries.iter().map(|entry| entry.author.as_ref().unwrap().email().unwrap()).collect();
        assert_eq!(authors, ["ada@example.org", "pat@example.org"]);
        assert_eq!((&record.fields["group"], &record.fields["organization"]), (&json!("Support"), &json!("Acme")));
    }

    #[test]
    fn someone_without_an_address_gets_the_one_they_wrote_from() {
        let mail = r#"{"channel":"email","source":{"from":{"address":"pat@example.org","name":"Pat"},"to":{}}}"#;
        let first = ONE.replace("{\"channel\":\"web\"}", mail);
        let users = r#"{"users":[{"id":5,"name":"Pat Field","email":null,"role":"end-user"}]}"#;
        for users in [users, "{\"users\":[]}"] {
            let (_, records) = read_files(&[("1.json", &first), ("2.json", TWO), ("u.json", users)]);
            for record in records {
                assert_eq!(record.unwrap().requester.unwrap().email(), Some("pat@example.org"));
            }
        }
    }

    #[test]
    fn copied_people_are_told_from_followers() {
        let users = r#"{"users":[{"id":5,"name":"Pat","email":"pat@example.org","role":"end-user"},
            {"id":6,"name":"Kim","email":"kim@example.org","role":"end-user"},
            {"id":7,"name":"Ada","email":"ada@example.org","role":"agent"}]}"#;
        let cases = [
            (r#""email_cc_ids":[6],"collaborator_ids":[6,7],"follower_ids":[7],"#, vec!["kim@example.org"]),
            (r#""email_cc_ids":[],"collaborator_ids":[7],"follower_ids":[7],"#, vec![]),
            (r#""email_cc_ids":[],"collaborator_ids":[6,7],"follower_ids":[6,7],"#, vec!["kim@example.org"]),
            (r#""collaborator_ids":[6,7],"#, vec!["kim@example.org", "ada@example.org"]),
        ];
        for (lists, expected) in cases {
            let ticket = ONE.replace("\"id\":1,", &format!("\"id\":1,{lists}"));
            let record = by_id(read_files(&[("t.json", &ticket), ("u.json", users)]).1, "1");
            let found: Vec<_> = record.cc.iter().map(|person| person.email().unwrap()).collect();
            assert_eq!(found, expected, "{lists}");
        }
    }

    #[test]
    fn custom_fields_carry_their_titles_and_no_nulls() {
        let ticket = ONE.replace(
            "\"id\":1,",
            r#""id":1,"custom_fields":[{"id":31,"value":"x"},{"id":32,"value":null},{"id":33,"value":["a","b"]},{"id":34,"value":true},{"id":35,"value":"y"}],
               "fields":[{"id":31,"value":"x"}],"#,
        );
        let fields =
            r#"{"ticket_fields":[{"id":31,"title":"Order"},{"id":33,"title":"Topics"},{"id":35,"title":"Order"}]}"#;
        let record = by_id(read_files(&[("t.json", &ticket), ("f.json", fields)]).1, "1");
        let expected = json!({"Order": "x", "Topics": ["a", "b"], "34": true, "Order (35)": "y"});
        assert_eq!(record.fields["custom_fields"], expected);
        assert!(!record.fields.contains_key("fields"));
    }

    #[test]
    fn unrelated_files_are_ignored_and_named() {
        let (facts, records) = read_files(&[
            ("tickets.json", &format!("{{\"tickets\":[{ONE}],\"sharing_agreements\":[{{\"id\":1}}]}}")),
            ("notes.txt", "these are my notes"),
            ("tags.json", "{\"tags\":[\"a\",\"b\"]}"),
            ("webhooks.json", "{\"webhooks\":[{\"id\":1}]}"),
            ("empty.json", ""),
            ("attachments/5/evil.json", "{\"tickets\":["),
        ]);
        assert_eq!(outline(&records), ["1: first"]);
        let odd: Vec<_> = facts.oddities.iter().map(|odd| format!("{}: {}", odd.origin, odd.message)).collect();
        let expected = [
            "notes.txt: holds no JSON and is not read",
            "tags.json: holds nothing that belongs to a ticket (`tags`) and is not read",
            "webhooks.json: holds nothing that belongs to a ticket (`webhooks`) and is not read",
            "tickets.json: `sharing_agreements` is not read (1 element)",
        ];
        assert_eq!(odd, expected);
        assert!(facts.oddities.iter().all(|odd| odd.code == "read-ignored"));
    }

    #[test]
    fn each_broken_archive_loses_no_more_than_its_defect() {
        let cases: &[(&str, &[&str])] = &[
            (
                "truncated-line",
                &[
                    "1: <p>Text of 1</p>",
                    "2: <p>Text of 2</p>",
                    "error: tickets.json:3: the archive ends in the middle of a record",
                ],
            ),
            (
                "garbled-line",
                &[
                    "1: <p>Text of 1</p>",
                    "3: <p>Text of 3</p>",
                    "error: tickets.json:2: not JSON: trailing comma at line 1 column 41 of the element",
                ],
            ),
            ("blank-lines-and-bom", &["1: <p>Text of 1</p>", "2: <p>Text of 2</p>", "3: <p>Text of 3</p>"]),
            (
                "truncated-page",
                &[
                    "1: <p>Text of 1</p>",
                    "2: <p>Text of 2</p>",
                    "error: tickets.json:1: the archive ends in the middle of a record",
                ],
            ),
            (
                "damaged-array",
                &[
                    "1: <p>Text of 1</p>",
                    "3: <p>Text of 3</p>",
                    "error: tickets.json:2: brackets or quotes do not match at byte 814 of the file",
                ],
            ),
            ("no-id", &["1: <p>Text of 1</p>", "3: <p>Text of 3</p>", "error: tickets.json:1: the record has no id"]),
            ("bad-dates", &["2: <p>Text of 2</p>", "1: <p>Text of 1</p>"]),
            ("half-surrogate", &["1: <p>Text \u{fffd} of 1</p>", "2: <p>Text of 2</p>"]),
            ("latin1", &["1: <p>Text of 1</p>", "2: <p>Text of 2</p>"]),
            (
                "too-deep",
                &[
                    "1: <p>Text of 1</p>",
                    "3: <p>Text of 3</p>",
                    "error: tickets.json:2: the nesting of an element is over the limit of 120 levels",
                ],
            ),
            ("missing-people", &["1: <p>Text of 1</p>", "2: <p>Text of 2</p>"]),
            ("doubled", &["1: <p>Text of 1</p>", "2: <p>Text of 2</p>", "3: <p>Text of 3</p>"]),
            ("null-everywhere", &["2: <p>Text of 2</p>", "1: "]),
        ];
        for (name, expected) in cases {
            let (_, records) = read(&sample(&format!("broken/zendesk-{name}")));
            assert_eq!(outline(&records), *expected, "{name}");
        }
        let odd = |name: &str, id: &str| codes(&by_id(read(&sample(&format!("broken/zendesk-{name}"))).1, id));
        assert_eq!(odd("bad-dates", "1"), ["read-date"]);
        assert_eq!(odd("bad-dates", "2"), ["read-date"]);
        assert_eq!(odd("half-surrogate", "1"), ["read-charset"]);
        assert_eq!(odd("latin1", "1"), ["read-charset"]);
        assert_eq!(by_id(read(&sample("broken/zendesk-latin1")).1, "1").subject.as_deref(), Some("Café"));
        assert_eq!(odd("missing-people", "2"), ["read-missing-person", "read-missing-person"]);
        assert_eq!(odd("doubled", "2"), ["read-duplicate"]);
    }

    /// Cuts and changes every sample everywhere; what matters is that each reading ends, and announces what it yields.
    #[test]
    fn samples_cut_or_changed_anywhere_give_errors_and_no_panic() {
        let texts = [
            inner(ONE, &comment(10, "a \\u00e9", ",\"attachments\":[{\"id\":1}]"))
                + "\n"
                + &inner(TWO, &comment(11, "b", "")),
            format!("{{\"tickets\":[{ONE},{TWO}],\"users\":[{{\"id\":5,\"name\":\"é\"}}]}}"),
            format!("[{ONE},\n{TWO}]"),
            format!("{{\"comments\":[{}],\"ticket\":{ONE}}}", comment(10, "a", "")),
        ];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.json");
        for text in &texts {
            for end in (0..text.len()).step_by(3) {
                std::fs::write(&path, &text.as_bytes()[..end]).unwrap();
                read(&path);
            }
            for at in (0..text.len()).step_by(3) {
                let mut bytes = text.clone().into_bytes();
                bytes[at] = b"{}[]\",\\\n\xff0"[at % 10];
                std::fs::write(&path, &bytes).unwrap();
                read(&path);
            }
        }
        let whole = std::fs::read(sample("zendesk/tickets.json")).unwrap();
        for end in (0..whole.len()).step_by(1999) {
            std::fs::write(&path, &whole[..end]).unwrap();
            let (_, records) = read(&path);
            let lines = whole[..end].iter().filter(|byte| **byte == b'\n').count();
            assert!(records.iter().filter(|record| record.is_ok()).count() >= lines, "cut at {end}");
        }
    }

    #[test]
    fn zendesk_is_recognised_by_its_keys_and_others_are_not() {
        let cases: &[(&str, bool)] = &[
            (ONE, true),
            ("{\"tickets\":[{\"url\":\"https://x.zendesk.com/api/v2/tickets/1.json\",\"id\":1,\"requester_id\":", true),
            ("{\"users\":[{\"url\":\"https://x.zendesk.com/api/v2/users/1.json\",\"id\":1,\"role\":\"agent\"}]}", true),
            (r#"{"comments":[{"id":1,"author_id":2,"html_body":"","public":true}]}"#, true),
            (r#"{"id":7,"requester":{"id":5},"submitter":{},"subject":"x","comments":[]}"#, true),
            (r#"{"broken":"#, false),
            (
                r#"[{"id":1,"requester_id":2,"responder_id":3,"subject":"x","description":"","status":2,"tags":[]}]"#,
                false,
            ),
            (r#"{"tickets":[366,352],"tickets_count":2,"assets":{}}"#, false),
            (r#"{"id":1,"customer_id":2,"owner_id":3,"title":"x","state_id":1,"article_ids":[]}"#, false),
            (r#"{"type":"conversation.list","conversations":[{"type":"conversation","id":"1"}]}"#, false),
            (r#"{"_embedded":{"conversations":[{"id":1,"subject":"x"}]},"_links":{}}"#, false),
            (r#"{"users":[{"id":1,"name":"x","email":"y@example.org"}]}"#, false),
            ("From pat@example.org Mon Jan  1 00:00:00 2022\nSubject: x\n", false),
            ("id,subject,requester_id\n1,x,2\n", false),
        ];
        for (text, expected) in cases {
            let file = crate::input::HeadFile {
                shown: Arc::from("x"),
                length: text.len() as u64,
                start: text.as_bytes().to_vec(),
            };
            assert_eq!(Zendesk.recognises(&Head { files: vec![file] }), *expected, "{text}");
        }
    }

    #[test]
    fn the_real_archives_are_told_apart_and_read() {
        let Some(archives) = std::env::var_os("FOXFERRY_ARCHIVES") else {
            println!("skipped: FOXFERRY_ARCHIVES is not set");
            return;
        };
        let archives = PathBuf::from(archives);
        let scratch = tempfile::tempdir().unwrap();
        for name in ["zendesk/go-zendesk", "helpscout", "freshdesk", "intercom", "zammad", "csv", "eml", "mbox"] {
            let head = Input::open(&[archives.join(name)], scratch.path()).unwrap().head().unwrap();
            assert_eq!(Zendesk.recognises(&head), name.starts_with("zendesk"), "{name}");
        }
        let (facts, records) = read(&archives.join("zendesk/go-zendesk"));
        let records: Vec<Record> = records.into_iter().map(Result::unwrap).collect();
        let mut found: Vec<_> =
            records.iter().map(|record| (record.id.original.as_str(), record.entries.len())).collect();
        found.sort_unstable();
        assert_eq!(found, [("2", 1), ("3", 1), ("4", 1)]);
        let counts =
            ["tickets", "duplicates", "comments", "lost_comments", "audits", "users"].map(|name| count(&facts, name));
        assert_eq!(counts, [3, 3, 2, 2, 1, 4], "{:?}", facts.oddities);
    }
}
