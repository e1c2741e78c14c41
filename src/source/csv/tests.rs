//! Tests of the `csv` source as a whole: whole archives in, records out.

use std::path::Path;

use super::*;
use crate::content::Content;
use crate::record::{Body, Place};
use crate::source::{Order, SOURCES, Shape, detect};

/// The records of an archive, or why it cannot be used.
fn open_with(path: &Path, shape: &Shape, order: Order, index: Option<&Path>) -> Result<Reader, SourceError> {
    let scratch = tempfile::tempdir().unwrap();
    let input = Input::open(&[path.to_path_buf()], scratch.path()).unwrap();
    let watch = |_| ControlFlow::Continue(());
    Csv.open(input, &Reading { shape, order, index, scratch: scratch.path(), watch: &watch })
}

fn open(path: &str) -> Result<Reader, SourceError> {
    open_with(&Path::new(env!("CARGO_MANIFEST_DIR")).join(path), &Shape::default(), Order::Oldest, None)
}

/// Reads a table from text under a mapping's `[shape]`.
fn read(text: impl AsRef<[u8]>, shape: &str) -> Result<(Facts, Vec<Result<Record, ReadError>>), SourceError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.csv");
    std::fs::write(&path, text).unwrap();
    let shape: Shape = toml::from_str(shape).unwrap();
    let mut reader = open_with(&path, &shape, Order::Oldest, None)?;
    let facts = reader.facts.clone();
    Ok((facts, reader.by_ref().collect()))
}

fn records(text: impl AsRef<[u8]>) -> Vec<Record> {
    read(text, "").unwrap().1.into_iter().map(Result::unwrap).collect()
}

fn text_of(body: &Body) -> &str {
    match body {
        Body::Text(text) | Body::Html(text) => text,
        Body::Empty => "",
    }
}

fn codes_of(record: &Record) -> Vec<&'static str> {
    record.oddities.iter().map(|oddity| oddity.code).collect()
}

#[test]
fn a_row_is_a_ticket_with_its_answer() {
    let mut reader = open("samples/csv-tickets").unwrap();
    assert_eq!(reader.facts.records, 5);
    assert!(reader.facts.variants.contains(&"delimiter `;`".to_owned()), "{:?}", reader.facts.variants);
    assert!(reader.facts.counts.contains(&("totals_rows", 1)) && reader.facts.counts.contains(&("blank_rows", 1)));
    let first = reader.next().unwrap().unwrap();
    assert_eq!(first.id.to_string(), "csv:0815", "leading zeros stay");
    assert_eq!(first.subject.as_deref(), Some("Bohrer überhitzt"));
    assert_eq!(first.created_at.unwrap().to_string(), "2023-04-03T09:15:00Z");
    assert_eq!(first.tags, ["bohrer", "garantie"]);
    let requester = first.requester.as_ref().unwrap();
    assert_eq!(
        (requester.name.as_deref(), requester.email()),
        (Some("Jürgen Groß"), Some("juergen.gross@example.org"))
    );
    let texts: Vec<_> = first.entries.iter().map(|entry| text_of(&entry.body)).collect();
    assert_eq!(
        texts,
        ["Guten Tag,\n\nder Bohrer wird zu heiß; er riecht auch.\n\nJürgen Groß", "Wir schicken Ihnen einen neuen."]
    );
    assert_eq!(first.entries[1].author.as_ref().unwrap().role.as_deref(), Some("agent"));
    assert_eq!(first.fields.keys().collect::<Vec<_>>(), ["Priorität", "Filiale"]);
    let last = reader.last().unwrap().unwrap();
    assert_eq!(codes_of(&last), [codes::READ_DATE], "an answer older than its question is noted");
    assert_eq!(last.entries[0].created_at, last.entries[1].created_at);
    assert_eq!(last.entries[1].fields["Beantwortet am"], "27.04.2023 10:00", "the date stays as written");
}

#[test]
fn rows_of_messages_become_records_in_order_of_time() {
    let reader = open("samples/csv").unwrap();
    assert_eq!(reader.facts.records, 10);
    let records: Vec<Record> = reader.map(Result::unwrap).collect();
    let by_id = |id: &str| records.iter().find(|record| record.id.original == id).unwrap();
    assert_eq!(records.iter().map(|record| record.entries.len()).sum::<usize>(), 20);
    let first = by_id("HT-2001");
    assert_eq!(first.entries.iter().map(|entry| entry.is_public).collect::<Vec<_>>(), [true, false, true, true]);
    assert_eq!(first.entries[0].cc[0].email(), Some("workshop@example.net"));
    assert!(matches!(first.entries[2].body, Body::Html(_)) && matches!(first.entries[0].body, Body::Text(_)));
    assert!(matches!(first.entries[0].attachments[0].content, Content::File { length, .. } if length > 60));
    assert_eq!(first.entries[2].attachments[0].name, "return label.txt");
    assert_eq!(first.entries[0].id, "m-1");
    let swapped: Vec<_> = by_id("HT-2007").entries.iter().map(|entry| &*entry.id).collect();
    assert_eq!(swapped, ["m-13", "m-14"], "rows come by date");
    assert_eq!(by_id("HT-2007").entries[0].cc.len(), 2);
    let links = &by_id("HT-2009").entries[0].attachments;
    assert!(links.iter().all(|file| matches!(file.content, Content::Link { .. })) && links[1].name == "box-2.jpg");
    assert!(matches!(by_id("HT-2009").entries[1].attachments[0].content, Content::Missing { .. }));
    assert_eq!(by_id("HT-2008").subject, None);
    assert_eq!(by_id("HT-2006").entries[1].author.as_ref().unwrap().role.as_deref(), Some("agent"));
    assert_eq!(by_id("HT-2005").requester.as_ref().unwrap().email(), None);
}

#[test]
fn each_broken_sample_costs_what_is_broken_and_no_more() {
    // (archive, records read, errors, codes of all records)
    type Case<'a> = (&'a str, &'a [&'a str], &'a [&'a str], &'a [&'a str]);
    let table: [Case<'_>; 8] = [
        ("csv-ragged", &["2", "3", "1"], &[], &["read-ragged-row", "read-ragged-row"]),
        ("csv-no-id", &["1", "3"], &["tickets.csv:3: the record has no id"], &[]),
        ("csv-windows-1252", &["1", "2"], &[], &[]),
        ("csv-utf16", &["1", "2"], &[], &[]),
        (
            "csv-unclosed-quote",
            &["1", "3", "4"],
            &["tickets.csv:3: a quote is opened and never closed; the row was set aside"],
            &[],
        ),
        ("csv-latin-mixed", &["1", "2"], &[], &["read-charset"]),
        ("csv-truncated", &["1"], &["tickets.csv:3: a quote is opened and never closed; the row was set aside"], &[]),
        ("csv-rounded-ids", &["1.23457E+14@2", "1.23457E+14@3"], &[], &["read-spreadsheet", "read-spreadsheet"]),
    ];
    for (name, ids, errors, odd) in table {
        let found: Vec<_> = open(&format!("samples/broken/{name}")).unwrap_or_else(|e| panic!("{name}: {e}")).collect();
        let records: Vec<&Record> = found.iter().filter_map(|found| found.as_ref().ok()).collect();
        assert_eq!(records.iter().map(|r| &*r.id.original).collect::<Vec<_>>(), ids, "{name}");
        let said: Vec<_> = found.iter().filter_map(|found| found.as_ref().err()).map(ToString::to_string).collect();
        assert_eq!(said, errors, "{name}");
        assert_eq!(records.iter().flat_map(|r| codes_of(r)).collect::<Vec<_>>(), odd, "{name}");
    }
    for (name, subject) in [("csv-windows-1252", "Grüße"), ("csv-utf16", "Übergröße"), ("csv-latin-mixed", "Grüße")]
    {
        for record in open(&format!("samples/broken/{name}")).unwrap().take(1) {
            assert_eq!(record.unwrap().subject.as_deref(), Some(subject), "{name}");
        }
    }
}

#[test]
fn a_table_that_needs_a_word_from_the_operator_says_which() {
    let table = [
        ("csv-ambiguous-dates", "can be read in two ways", "dates = \"dmy\""),
        ("csv-unknown-columns", "no column is known to hold the ticket's id", "`Vorgang A`, `Was`, `Wer`"),
        ("csv-two-tables", "`tickets.csv` and `users.csv` are tables with different columns", "tickets.csv"),
    ];
    for (name, problem, hint) in table {
        match open(&format!("samples/broken/{name}")) {
            Err(SourceError::Shape { problem: found, hint: advice, .. }) => {
                assert!(found.contains(problem), "{name}: {found}");
                assert!(advice.contains(hint), "{name}: {advice}");
            }
            Err(other) => panic!("{name}: {other}"),
            Ok(_) => panic!("{name} was opened"),
        }
    }
}

#[test]
fn the_order_of_day_and_month_is_proven_or_said_never_guessed() {
    let rows = "id,subject,created_at\n1,a,03/04/2023\n2,b,13/04/2023\n";
    assert_eq!(records(rows)[0].created_at.unwrap().to_string(), "2023-04-03T00:00:00Z");
    let late = format!("id,subject,created_at\n{}9999,b,04/13/2023\n", "1,a,03/04/2023\n".repeat(1_500));
    assert_eq!(records(late)[0].created_at.unwrap().to_string(), "2023-03-04T00:00:00Z", "the proof may come late");
    let doubtful = "id,subject,created_at\n1,a,03/04/2023\n";
    for (dates, expected) in
        [("dmy", "2023-04-03T00:00:00Z"), ("mdy", "2023-03-04T00:00:00Z"), ("%d/%m/%Y", "2023-04-03T00:00:00Z")]
    {
        let (_, found) = read(doubtful, &format!("csv.dates = \"{dates}\"")).unwrap();
        assert_eq!(found[0].as_ref().unwrap().created_at.unwrap().to_string(), expected);
    }
    let Err(SourceError::Shape { origin, .. }) = read(doubtful, "") else { panic!("it was guessed") };
    assert_eq!(origin.place, Place::Line(2));
    let found = records("id,subject,created_at\n1,a,13/04/2023\n2,b,04/13/2023\n");
    assert_eq!(codes_of(&found[1]), [codes::READ_DATE], "a date against the proof is noted");
    assert_eq!(found[1].fields["created_at"], "04/13/2023", "and kept as written");
}

#[test]
fn dates_without_zone_are_in_the_zone_that_the_mapping_names() {
    let rows = "id,body,created_at\n1,a,2023-07-01 12:00:00\n";
    let (facts, found) = read(rows, "").unwrap();
    assert_eq!(facts.oddities.len(), 1, "UTC was taken for want of a zone");
    assert_eq!(found[0].as_ref().unwrap().created_at.unwrap().to_string(), "2023-07-01T12:00:00Z");
    let (facts, found) = read(rows, "zone = \"Europe/Berlin\"").unwrap();
    assert!(facts.oddities.is_empty());
    assert_eq!(found[0].as_ref().unwrap().created_at.unwrap().to_string(), "2023-07-01T10:00:00Z");
}

#[test]
fn a_wrong_shape_is_answered_with_what_would_be_right() {
    let rows = "Number,Subject,Text\n1,a,b\n";
    let table = [
        ("csv.delimiter = \"ab\"", "not a delimiter"),
        ("csv.charset = \"klingon\"", "not a charset"),
        ("csv.dates = \"german\"", "not a way to write dates"),
        ("zone = \"Mars/Olympus\"", "not a time zone"),
        ("csv.columns.body = \"Texts\"", "no column `Texts`"),
        ("csv.group_by = \"Thread\"", "no column `Thread`"),
    ];
    for (shape, expected) in table {
        let Err(SourceError::Shape { problem, .. }) = read(rows, shape) else { panic!("{shape} was taken") };
        assert!(problem.contains(expected), "{problem}");
    }
    assert!(toml::from_str::<Shape>("csv.columns.bodi = \"Text\"").unwrap_err().to_string().contains("`body`"));
}

#[test]
fn rows_with_one_id_are_one_record_wherever_they_stand() {
    let rows = "case,topic,text,when,room\n7,t,second,2023-01-02,A\n8,u,other,2023-01-01,B\n7,t,first,2023-01-01,C\n7,t,second,2023-01-02,A\n";
    let (_, found) =
        read(rows, "csv = { group_by = \"case\", columns = { subject = \"topic\", entry_at = \"when\" } }").unwrap();
    let seven = found.into_iter().map(Result::unwrap).find(|record| record.id.original == "7").unwrap();
    assert_eq!(seven.entries.iter().map(|entry| text_of(&entry.body)).collect::<Vec<_>>(), ["first", "second"]);
    assert_eq!(codes_of(&seven), [codes::READ_DUPLICATE], "a row that stands there twice counts once");
    assert_eq!(seven.entries[0].fields["room"], "C", "what differs between messages stays with them");
    assert_ne!(seven.entries[0].id, seven.entries[1].id);
}

#[test]
fn several_files_with_the_same_columns_are_one_table() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.csv"), "id,subject,body\n1,a,x\n").unwrap();
    std::fs::write(folder.path().join("b.csv"), "body;id;Subject\ny;2;b\n").unwrap();
    let reader = open_with(folder.path(), &Shape::default(), Order::Archive, None).unwrap();
    let found: Vec<_> = reader
        .map(Result::unwrap)
        .map(|r| (r.id.original, r.subject.unwrap(), text_of(&r.entries[0].body).to_owned()))
        .collect();
    let expected = [("1", "a", "x"), ("2", "b", "y")].map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned()));
    assert_eq!(found, expected);
}

#[test]
fn two_readings_are_equal_and_a_kept_index_is_used_again() {
    let folder = tempfile::tempdir().unwrap();
    let index = folder.path().join("x.index");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/csv-tickets");
    for order in [Order::Oldest, Order::Newest, Order::Archive] {
        let read = || {
            let reader = open_with(&path, &Shape::default(), order, Some(&index)).unwrap();
            (format!("{:?}", reader.facts), reader.map(|record| format!("{:?}", record.unwrap())).collect::<Vec<_>>())
        };
        assert_eq!(read(), read());
    }
    assert!(index.exists());
}

#[test]
fn tables_are_recognised_and_other_formats_are_not() {
    let table: [(&str, &str, bool); 14] = [
        ("t.csv", "id,subject\n1,a\n", true),
        ("t.tsv", "a\tb\nc\td\n", true),
        ("export.txt", "Ticket ID;Subject;Text\n1;a;b\n2;c;d\n", true),
        ("-", "id,subject,body\n1,a,b\n", true),
        ("t.csv", "id,subject\n", true),
        ("t.csv", "just a line\n", false),
        ("a.json", "{\"id\": 1, \"subject\": \"a\"}\n", false),
        ("a.json", "[{\"id\": 1}, {\"id\": 2}]\n", false),
        ("a.mbox", "From a@example.org Mon Jan  2 10:00:00 2023\nSubject: a, b\n\nx, y\n", false),
        ("a.eml", "From: a@example.org\nTo: b@example.org, c@example.org\nSubject: id, body\n\nx\n", false),
        ("a.txt", "Dear all,\n\nplease, read this,\nor not.\n", false),
        ("a.xml", "<tickets><ticket id=\"1\"/></tickets>", false),
        ("a.csv", "PK\u{3}\u{4}\0\0,\0,\n", false),
        ("a.html", "<p>a, b</p>\n<p>c, d</p>", false),
    ];
    for (name, text, expected) in table {
        let head = Head {
            files: vec![HeadFile {
                shown: Arc::from(name),
                length: text.len() as u64,
                start: text.as_bytes().to_vec(),
            }],
        };
        assert_eq!(Csv.recognises(&head), expected, "{name}: {text:?}");
    }
    for folder in ["samples/csv", "samples/csv-tickets"] {
        let input = Input::open(&[Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)], Path::new("/tmp")).unwrap();
        assert_eq!(detect(folder, &input.head().unwrap()).unwrap().name(), "csv");
    }
    assert!(SOURCES.iter().any(|source| source.name() == CSV));
}

#[test]
fn a_sample_cut_at_any_byte_gives_records_or_errors() {
    let whole = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/csv/messages.csv")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.csv");
    for end in (1..whole.len()).step_by(101) {
        std::fs::write(&path, &whole[..end]).unwrap();
        let Ok(reader) = open_with(&path, &Shape::default(), Order::Archive, None) else { continue };
        let (ok, bad): (Vec<_>, Vec<_>) = reader.partition(Result::is_ok);
        assert!(bad.len() <= 1, "{end}");
        for record in ok.into_iter().map(Result::unwrap) {
            assert!(
                record.id.original.starts_with("HT-")
                    || end < 400
                    || whole[..end].ends_with(record.id.original.as_bytes()),
                "{end}: {}",
                record.id
            );
        }
    }
}

#[test]
fn tags_in_quotes_may_have_separators_inside() {
    for (cell, expected) in [
        ("a, b", &["a", "b"][..]),
        (r#""ask, then close", b"#, &["ask, then close", "b"]),
        (r#"b,"say ""hi"", twice""#, &["b", r#"say "hi", twice"#]),
        (r#"["a", "b, c"]"#, &["a", "b, c"]),
        (r#"5" pipe, "x" y, "cut, off"#, &["5\" pipe", "x\" y", "cut", "off"]),
        (",, a,", &["a"]),
        ("", &[]),
    ] {
        let found = records(format!("id,subject,tags\n1,a,\"{}\"\n", cell.replace('"', "\"\"")));
        assert_eq!(found[0].tags, expected, "{cell}");
    }
}

#[test]
fn spreadsheet_wrappings_of_ids_come_off() {
    let found = records("id,subject\n'0012,a\n\"=\"\"0013\"\"\",b\n\u{a0}14\u{a0},c\n");
    assert_eq!(found.iter().map(|record| &*record.id.original).collect::<Vec<_>>(), ["0012", "0013", "14"]);
}

#[test]
fn a_table_without_texts_says_so_once() {
    let (facts, found) = read("Id,Subject,Created at\n1,a,2023-01-01T00:00:00Z\n", "").unwrap();
    assert_eq!(facts.oddities[0].code, codes::READ_NO_ENTRIES);
    let record = found[0].as_ref().unwrap();
    assert_eq!((record.entries.len(), &record.entries[0].body), (1, &Body::Empty));
}

#[test]
fn every_row_of_the_real_table_is_read() {
    let Ok(archives) = std::env::var("FOXFERRY_ARCHIVES") else {
        println!("skipped: FOXFERRY_ARCHIVES is not set");
        return;
    };
    let path = Path::new(&archives).join("csv/customer_support_tickets.csv");
    let text = std::fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mappings/customer_support_tickets.toml"),
    )
    .unwrap();
    let mapping: toml::Value = toml::from_str(&text).unwrap();
    let shape: Shape = mapping["shape"].clone().try_into().unwrap();
    let reader = open_with(&path, &shape, Order::Oldest, None).unwrap();
    assert_eq!(reader.facts.records, 8_469);
    let (mut count, mut clamped, mut entries) = (0, 0, 0);
    for record in reader {
        let record = record.unwrap();
        count += 1;
        entries += record.entries.len();
        clamped += record.oddities.iter().filter(|oddity| oddity.code == codes::READ_DATE).count();
        assert!(record.created_at.is_some() && record.requester.is_some() && record.subject.is_some());
    }
    assert_eq!((count, entries), (8_469, 8_469 + 2_769));
    assert_eq!(clamped, 1_365, "resolutions that precede the first response");
}
