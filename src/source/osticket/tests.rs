use std::collections::HashSet;
use std::io::Read;

use super::*;
use crate::content::Content;
use crate::record::{Body, Record};
use crate::source::tests::{read, read_files, sample};
use crate::source::{Order, SourceError, detect};

fn by_id<'a>(records: &'a [Record], id: &str) -> &'a Record {
    records.iter().find(|record| record.id.original == id).unwrap()
}

fn count(facts: &Facts, name: &str) -> u64 {
    facts.counts.iter().find(|(known, _)| *known == name).unwrap().1
}

#[test]
fn the_sample_is_read_with_everything_it_holds() {
    let (facts, records) = read("osticket", &sample("osticket"));
    let expected = [
        ("tickets", 6),
        ("messages", 13),
        ("lost_messages", 1),
        ("lost_threads", 1),
        ("task_messages", 1),
        ("persons", 7),
        ("files", 7),
        ("stored_files", 1),
        ("duplicates", 0),
        ("unreadable", 0),
    ];
    assert_eq!(facts.counts, expected);
    assert_eq!(facts.variants, ["mysqldump"]);
    let told: Vec<String> =
        facts.oddities.iter().map(|it| format!("{} {} {}", it.code, it.origin, it.message)).collect();
    insta::assert_snapshot!("facts", told.join("\n"));
    let values: Vec<Value> = records.iter().map(|it| crate::record::json::to_value(it.as_ref().unwrap())).collect();
    insta::assert_json_snapshot!("sample", values);
    let shown = format!("{facts:?}{values:?}");
    assert!(!shown.contains("never read"), "secrets stay where they are");
}

#[test]
fn people_are_listed_with_and_without_tickets() {
    let scratch = tempfile::tempdir().unwrap();
    let (shape, watch) = (crate::source::Shape::default(), |_: u64| std::ops::ControlFlow::Continue(()));
    let reading = Reading { shape: &shape, order: Order::Oldest, index: None, scratch: scratch.path(), watch: &watch };
    let input = Input::open(&[sample("osticket")], scratch.path()).unwrap();
    let people: Vec<_> = OsTicket.people(input, &reading).unwrap().unwrap().map(Result::unwrap).collect();
    let shown: Vec<String> = people
        .iter()
        .map(|it| format!("{} {} {}", it.id, it.person.emails.join(" "), it.person.role.as_deref().unwrap()))
        .collect();
    let expected = [
        "osticket:person-ost_user-1 ann@example.net user",
        "osticket:person-ost_user-2 hanako@example.jp hanako@example.com user",
        "osticket:person-ost_user-3 cal@example.com user",
        "osticket:person-ost_user-5 zoe@example.net user",
        "osticket:person-ost_user-6 never@example.net user",
        "osticket:person-ost_staff-1 sam@example.org agent",
        "osticket:person-ost_staff-2 gil@example.org agent",
    ];
    assert_eq!(shown, expected);
}

#[test]
fn bytes_come_out_of_chunks_in_their_order() {
    let (_, records) = read("osticket", &sample("osticket"));
    let records: Vec<Record> = records.into_iter().map(Result::unwrap).collect();
    let read = |id: &str, name: &str| {
        let attachments = by_id(&records, id).entries.iter().flat_map(|entry| &entry.attachments);
        let content = &attachments.clone().find(|it| it.name == name).unwrap().content;
        let mut bytes = Vec::new();
        content.open().map_err(|error| error.to_string())?.read_to_end(&mut bytes).unwrap();
        assert_eq!(content.length(), Some(bytes.len() as u64));
        Ok::<_, String>(bytes)
    };
    assert_eq!(read("1", "receipt from May.txt").unwrap(), b"Receipt 77\r\nIt's 12.50 \\ 2 lamps.\n");
    assert!(read("1", "lamp.png").unwrap().starts_with(b"\x89PNG\r\n\x1a\n"));
    assert_eq!(read("5", "notes.txt").unwrap(), b"Kept on disk by its own key\n");
    assert_eq!(read("5", "half.txt").unwrap_err(), "the dump holds only 10 of its bytes");
    assert_eq!(read("5", "manual.pdf").unwrap_err(), "osTicket kept it outside the database");
    let long = &by_id(&records, "6").entries[0];
    assert!(matches!(&long.body, Body::Html(html) if html.contains("too long for its table")));
    assert!(long.attachments.is_empty());
}

#[test]
fn a_blob_of_any_bytes_is_read_as_it_is() {
    let blob: Vec<u8> = (0..=255).chain([b'\'', b'\\', b'\n']).collect();
    let mut quoted = Vec::new();
    for byte in &blob {
        match byte {
            b'\'' | b'"' | b'\\' => quoted.extend([b'\\', *byte]),
            0 => quoted.extend(b"\\0"),
            b'\n' => quoted.extend(b"\\n"),
            other => quoted.push(*other),
        }
    }
    let mut dump = SMALL.as_bytes().to_vec();
    dump.extend(b"INSERT INTO a_attachment (id,object_id,type,file_id) VALUES (1,1,'H',1);\n");
    dump.extend(b"INSERT INTO a_file (id,bk,size,name) VALUES (1,'D',259,'x.bin');\n");
    dump.extend(b"INSERT INTO a_file_chunk (file_id,chunk_id,filedata) VALUES (1,0,'");
    dump.extend(&quoted);
    dump.extend(b"');\n");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.sql"), dump).unwrap();
    let (_, records) = read("osticket", folder.path());
    let content = &records[0].as_ref().unwrap().entries[0].attachments[0].content;
    assert!(matches!(content, Content::Chunks { length: 259, .. }), "{content:?}");
    let mut bytes = Vec::new();
    content.open().unwrap().read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes, blob);
}

/// One ticket with one message, with columns in each statement, as phpMyAdmin writes them.
const SMALL: &str = "-- phpMyAdmin SQL Dump
INSERT INTO `a_thread` (`id`, `object_id`, `object_type`) VALUES\n(1, 1, 'T');
INSERT INTO `a_thread_entry` (`id`, `thread_id`, `type`, `poster`, `body`, `format`, `created`) VALUES
(1, 1, 'M', 'Ann', 'hello', 'text', '2020-01-02 03:04:05');
INSERT INTO `a_ticket` (`ticket_id`, `number`, `status_id`, `source`, `created`) VALUES
(1, '77', 1, 'Web', '2020-01-02 03:04:05');
";

#[test]
fn times_without_a_zone_are_told_with_an_example() {
    let (facts, records) = read_files("osticket", &[("a.sql", SMALL)]);
    assert_eq!(records[0].created_at.unwrap().to_string(), "2020-01-02T03:04:05Z");
    let told = facts.oddities.iter().find(|it| it.code == codes::READ_DATE).unwrap();
    assert!(told.message.contains("ticket 77 was opened 2020-01-02 03:04:05"), "{}", told.message);
    assert_eq!(facts.variants, ["phpMyAdmin"]);
}

#[test]
fn two_help_desks_in_one_archive_are_kept_apart() {
    let other = SMALL.replace("a_t", "b_t").replace("hello", "other");
    let (_, records) = read_files("osticket", &[("a.sql", SMALL), ("b.sql", &other)]);
    let shown: Vec<_> = records.iter().map(|it| (it.id.original.as_str(), it.entries[0].body.clone())).collect();
    let expected = [("a_1", Body::Text("hello".to_owned())), ("b_1", Body::Text("other".to_owned()))];
    assert_eq!(shown, expected);
}

#[test]
fn the_same_help_desk_dumped_twice_counts_once_and_as_it_was_last() {
    let later = SMALL.replace("hello", "hello again").replace("'77'", "'078'");
    let (facts, records) = read_files("osticket", &[("1.sql", SMALL), ("2.sql", &later)]);
    assert_eq!((records.len(), count(&facts, "duplicates")), (1, 1));
    assert_eq!(records[0].fields["number"], "078");
    assert_eq!(records[0].entries.len(), 1);
    assert_eq!(records[0].entries[0].body, Body::Text("hello again".to_owned()));
}

#[test]
fn tables_of_older_versions_are_read() {
    let dump = "
CREATE TABLE `ost_ticket` (`ticket_id` int, `ticketID` int, `dept_id` int, `priority_id` int, `staff_id` int, `email` text, `name` text, `subject` text, `phone` text, `phone_ext` text, `status` text, `source` text, `closed` datetime, `created` datetime, `updated` datetime);
INSERT INTO `ost_ticket` VALUES (1,815,1,2,1,'ann@example.net','Ann','Lamp','555','7','closed','Email','2010-01-03 00:00:00','2010-01-01 00:00:00','0000-00-00 00:00:00'),(2,816,0,0,0,'bo@example.net','Bo','Wire','','','open','Web',NULL,'2010-02-01 00:00:00',NULL);
CREATE TABLE `ost_ticket_message` (`msg_id` int, `ticket_id` int, `messageId` text, `message` text, `created` datetime);
INSERT INTO `ost_ticket_message` VALUES (1,1,'<a@b>','It is\\nbroken','2010-01-01 00:00:00');
CREATE TABLE `ost_ticket_response` (`response_id` int, `msg_id` int, `ticket_id` int, `staff_id` int, `staff_name` text, `response` text, `created` datetime);
INSERT INTO `ost_ticket_response` VALUES (1,1,1,1,'Sam H','Sent','2010-01-02 00:00:00');
CREATE TABLE `ost_ticket_note` (`note_id` int, `ticket_id` int, `staff_id` int, `source` text, `title` text, `note` text, `created` datetime);
INSERT INTO `ost_ticket_note` VALUES (1,1,0,'system','Closed','By hand','2010-01-03 00:00:00');
CREATE TABLE `ost_ticket_attachment` (`attach_id` int, `ticket_id` int, `ref_id` int, `ref_type` text, `file_size` text, `file_name` text, `file_key` text);
INSERT INTO `ost_ticket_attachment` VALUES (4,1,1,'R','5','x.txt','k');
CREATE TABLE `ost_ticket_thread` (`id` int, `ticket_id` int, `thread_type` text, `poster` text, `body` text, `created` datetime);
INSERT INTO `ost_ticket_thread` VALUES (1,2,'M','Bo','of 1.8','2010-02-01 00:00:00'),(2,9,'M','?','lost','2010-02-01 00:00:00');
CREATE TABLE `ost_department` (`dept_id` int, `dept_name` text);
INSERT INTO `ost_department` VALUES (1,'Support');
CREATE TABLE `ost_staff` (`staff_id` int, `firstname` text, `lastname` text, `email` text);
INSERT INTO `ost_staff` VALUES (1,'Sam','Hill','sam@example.org');
";
    let (facts, records) = read_files("osticket", &[("a.sql", dump)]);
    assert_eq!(
        (count(&facts, "lost_messages"), facts.variants.as_slice()),
        (1, &["tables of 1.9 or older".to_owned()][..])
    );
    let old = by_id(&records, "1");
    let shown: Vec<_> = old.entries.iter().map(|it| (it.id.as_str(), it.kind.as_str(), it.is_public)).collect();
    assert_eq!(shown, [("message-1", "message", true), ("response-1", "response", true), ("note-1", "note", false)]);
    assert_eq!((old.status.as_deref(), old.closed_at.is_some()), (Some("closed"), true));
    assert_eq!((&old.fields["number"], &old.fields["department"]), (&json!("815"), &json!("Support")));
    assert_eq!(old.requester.as_ref().unwrap().phones, ["555 x7"]);
    assert_eq!(old.entries[0].author.as_ref().unwrap().email(), Some("ann@example.net"));
    assert_eq!(old.entries[0].fields["message_id"], "<a@b>");
    assert_eq!(old.entries[1].author.as_ref().unwrap().email(), Some("sam@example.org"));
    assert_eq!(old.entries[1].attachments[0].name, "x.txt");
    assert!(matches!(old.entries[1].attachments[0].content, Content::Missing { .. }));
    assert_eq!(by_id(&records, "2").entries[0].body, Body::Text("of 1.8".to_owned()));
}

#[test]
fn a_broken_row_is_set_aside_and_the_rest_comes() {
    let dump = SMALL.replace("(1, '77'", "(9, 'it's', 1, 'Web', ''),\n(8, '8', 1),\n(1, '77'");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.sql"), dump).unwrap();
    let (facts, records) = read("osticket", folder.path());
    assert_eq!((count(&facts, "tickets"), count(&facts, "unreadable")), (1, 1));
    let errors: Vec<String> = records.iter().filter_map(|it| it.as_ref().err()).map(ToString::to_string).collect();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].starts_with("a.sql:7: a row of `a_ticket`"), "{errors:?}");
    assert!(!errors[0].contains("it's"), "no row is shown");
    assert_eq!(records.iter().flatten().count(), 1);
}

#[test]
fn a_dump_that_was_cut_between_statements_says_so() {
    let dump = format!("-- MySQL dump 10.13\n{SMALL}");
    let (facts, _) = read_files("osticket", &[("a.sql", &dump)]);
    assert!(facts.oddities.iter().any(|it| it.code == codes::READ_TRUNCATED));
    let (facts, _) = read_files("osticket", &[("a.sql", &format!("{dump}-- Dump completed on 2020-01-01\n"))]);
    assert!(!facts.oddities.iter().any(|it| it.code == codes::READ_TRUNCATED));
}

#[test]
fn dumps_are_told_from_other_files() {
    let recognises = |text: &str| {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("x.sql"), text).unwrap();
        let head = Input::open(&[folder.path().to_owned()], folder.path()).unwrap().head().unwrap();
        match detect("x", &head) {
            Ok(source) => source.name() == "osticket",
            Err(SourceError::Unrecognised { .. }) => false,
            Err(error) => panic!("{error}"),
        }
    };
    assert!(recognises(SMALL));
    assert!(recognises("-- x\n\nDROP TABLE IF EXISTS `x_api_key`;\nDROP TABLE IF EXISTS `x_attachment`;"));
    assert!(recognises("/*!40101 SET NAMES utf8 */;\nCREATE TABLE IF NOT EXISTS `thread_entry` (`id` int);"));
    assert!(!recognises(
        "-- MySQL dump\nCREATE TABLE `wp_posts` (`ID` int);\nCREATE TABLE `wp_attachment` (`id` int);"
    ));
    assert!(!recognises("INSERT INTO `glpi_tickets` VALUES (1);"));
    assert!(!recognises("Subject: x\n\nCREATE TABLE `ost_thread_entry` (`id` int);"));
}

#[test]
fn the_sample_cut_or_damaged_anywhere_gives_errors_and_no_panic() {
    let dump = std::fs::read(sample("osticket").join("helpdesk.sql")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("helpdesk.sql");
    let whole = read("osticket", &sample("osticket")).1.len();
    let mut random = fastrand::Rng::with_seed(8);
    // Every byte would take minutes in a debug build; a prime step meets every kind of place.
    for end in (0..dump.len()).step_by(263) {
        std::fs::write(&path, &dump[..end]).unwrap();
        let (facts, records) = read("osticket", folder.path());
        let ids: Vec<String> = records.iter().flatten().map(|record| record.id.to_string()).collect();
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len(), "cut at {end}");
        assert!(records.len() <= whole + 1, "cut at {end}");
        let is_told =
            records.iter().any(Result::is_err) || facts.oddities.iter().any(|it| it.code == codes::READ_TRUNCATED);
        assert!(is_told || end == 0 || facts.records == 0, "cut at {end}: nothing was said");
        let mut damaged = dump.clone();
        for _ in 0..20 {
            let at = random.usize(..damaged.len());
            damaged[at] = *random.choice(b"'\"(),;\\`\n\0\xFF0a").unwrap();
        }
        std::fs::write(&path, &damaged).unwrap();
        let (_, records) = read("osticket", folder.path());
        for record in records.into_iter().flatten() {
            let _ = crate::record::json::to_value(&record);
        }
    }
}
