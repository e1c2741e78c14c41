//! What all exporters promise, on a site made by hand.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::content::Content;
use crate::freescout::MailboxEntry;
use crate::report::Silence;

/// A site and its conversations, from memory.
pub(crate) struct Given {
    pub(crate) site: Site,
    pub(crate) conversations: Vec<Exported>,
    pub(crate) customers: Vec<wire::Customer>,
}

impl Producer for Given {
    fn site(&self) -> &Site {
        &self.site
    }

    fn total(&self) -> Option<u64> {
        Some(self.conversations.len() as u64)
    }

    fn conversations<'a>(
        &'a mut self,
        _: &Selection,
        _: Files,
    ) -> Result<Box<dyn Iterator<Item = Result<Produced, ExportError>> + 'a>, ExportError> {
        Ok(Box::new(self.conversations.drain(..).map(|it| Ok(Produced::Conversation(it)))))
    }

    fn customers<'a>(
        &'a mut self,
        ids: Option<&'a BTreeSet<u64>>,
    ) -> Result<Box<dyn Iterator<Item = Result<wire::Customer, ExportError>> + 'a>, ExportError> {
        let wanted = move |customer: &wire::Customer| ids.is_none_or(|ids| ids.contains(&customer.id));
        Ok(Box::new(self.customers.drain(..).filter(wanted).map(Ok)))
    }
}

/// A conversation with hostile words wherever words can stand.
pub(crate) fn hostile() -> Given {
    let person = json!({"id": 5, "type": "customer", "firstName": "<script>alert(1)</script>", "lastName": "=cmd|'/c calc'!A1", "email": "ann@example.net"});
    let agent = json!({"id": 1, "type": "user", "firstName": "Ada", "lastName": "Admin", "email": "ada@example.org"});
    let conversation: wire::Conversation = serde_json::from_value(json!({
        "id": 7, "number": 7, "type": "email", "status": "closed", "state": "published", "mailboxId": 1,
        "subject": "=HYPERLINK(\"http://evil.example\")</script><script>alert(2)</script>", "customer": person, "assignee": agent, "createdBy": person,
        "createdAt": "2024-01-31T12:00:00Z", "closedAt": "2024-02-01T12:00:00Z",
        "customFields": [{"id": 1, "name": "Priority", "value": "2", "text": "High"}],
        "_embedded": {
            "tags": [{"id": 1, "name": "vip"}, {"id": 2, "name": "-minus"}],
            "threads": [
                {"id": 12, "type": "note", "state": "published", "body": "<p>a note</p>", "createdBy": agent, "createdAt": "2024-01-31T13:00:00Z"},
                {"id": 11, "type": "customer", "state": "published", "createdBy": person, "customer": person, "createdAt": "2024-01-31T12:00:00Z",
                 "body": "<p onclick=\"alert(3)\">Hello<script>alert(4)</script><img src=x onerror=alert(5)></p><a href=\"javascript:alert(6)\">x</a><!-- foxferry:b543885a49e6ca51 -->",
                 "_embedded": {"attachments": [
                     {"id": 3, "fileName": "../../<img src=x onerror=alert(7)>.txt", "fileUrl": "https://x.example/storage/attachment/1/a?id=3&token=sesame", "mimeType": "text/plain", "size": 5},
                     {"id": 4, "fileName": "lost.pdf", "fileUrl": "https://x.example/storage/attachment/2/b?id=4&token=sesame", "mimeType": "application/pdf", "size": 9}]}},
                {"id": 13, "type": "lineitem", "state": "published", "action": {"type": "changed-ticket-status", "text": "Ada closed it"}, "createdAt": "2024-02-01T12:00:00Z"},
            ],
        },
    }))
    .unwrap();
    let mut exported = Exported::new(conversation);
    exported.threads[0].files[0] = Content::bytes(*b"bytes");
    exported.threads[0].files[1] = Content::Missing { reason: "404".to_owned(), claimed_length: Some(9) };
    let mailbox: wire::Mailbox =
        serde_json::from_value(json!({"id": 1, "name": "Support", "email": "support@example.org"})).unwrap();
    let field: wire::CustomField = serde_json::from_value(
        json!({"id": 1, "name": "Priority", "type": "dropdown", "options": {"1": "Low", "2": "High"}}),
    )
    .unwrap();
    let user = json!({"id": 1, "firstName": "Ada", "lastName": "Admin", "email": "ada@example.org", "role": "admin"});
    let customer = json!({"id": 5, "firstName": "Ann", "_embedded": {"emails": [{"value": "ann@example.net"}], "phones": [{"value": "+49 30 1234"}]}});
    Given {
        site: Site {
            url: "https://help.example.org".to_owned(),
            mailboxes: vec![MailboxEntry { mailbox, fields: Some(vec![field]) }],
            users: vec![serde_json::from_value(user).unwrap()],
            taken_at: Some("2024-03-01T00:00:00Z".parse().unwrap()),
        },
        conversations: vec![exported],
        customers: vec![serde_json::from_value(customer).unwrap()],
    }
}

pub(crate) fn export(name: &str, mut given: Given, to: &Path, options: Options) -> Result<Summary, ExportError> {
    let exporter = by_name(name).unwrap();
    let jobs = [Job { exporter, destination: Destination::Path(to.to_owned()), older: Older::Keep, options }];
    let silence: Arc<dyn Reporter> = Arc::new(Silence);
    run(&mut given, &Selection::default(), &jobs, &silence, &Stop::new())
}

#[test]
fn every_exporter_writes_what_it_is_given_and_counts_it() {
    for exporter in EXPORTERS {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        let options = Options { has_files: true, ..Options::default() };
        let sums = export(exporter.name(), hostile(), &out, options).unwrap();
        assert_eq!((sums.read, sums.done, sums.threads, sums.customers), (1, 1, 3, 1), "{}", exporter.name());
        assert_eq!(
            sums.findings[2],
            u64::from(exporter.wants_files(&Options { has_files: true, ..Options::default() })),
            "{}",
            exporter.name()
        );
        assert!(out.exists(), "{}", exporter.name());
        let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["out"], "{} leaves nothing else behind", exporter.name());
        for entry in walkdir::WalkDir::new(&out) {
            let entry = entry.unwrap();
            if entry.file_type().is_file() {
                let bytes = std::fs::read(entry.path()).unwrap();
                assert!(memchr::memmem::find(&bytes, b"sesame").is_none(), "{}", entry.path().display());
            }
        }
    }
}

#[test]
fn an_export_that_is_stopped_or_fails_leaves_no_half_written_file() {
    struct Fails(Site);
    impl Producer for Fails {
        fn site(&self) -> &Site {
            &self.0
        }
        fn total(&self) -> Option<u64> {
            None
        }
        fn conversations<'a>(
            &'a mut self,
            _: &Selection,
            _: Files,
        ) -> Result<Box<dyn Iterator<Item = Result<Produced, ExportError>> + 'a>, ExportError> {
            let mut given = hostile().conversations.into_iter();
            Ok(Box::new(std::iter::from_fn(move || {
                let gone = || ExportError::Io { path: "x".into(), cause: io::ErrorKind::Other.into() };
                Some(given.next().map_or_else(|| Err(gone()), |it| Ok(Produced::Conversation(it))))
            })))
        }
        fn customers<'a>(
            &'a mut self,
            _: Option<&'a BTreeSet<u64>>,
        ) -> Result<Box<dyn Iterator<Item = Result<wire::Customer, ExportError>> + 'a>, ExportError> {
            Ok(Box::new(std::iter::empty()))
        }
    }
    let silence: Arc<dyn Reporter> = Arc::new(Silence);
    for exporter in EXPORTERS.iter().copied() {
        let folder = tempfile::tempdir().unwrap();
        let job = || Job {
            exporter,
            destination: Destination::Path(folder.path().join("out")),
            older: Older::Keep,
            options: Options::default(),
        };
        let mut fails = Fails(hostile().site);
        assert!(run(&mut fails, &Selection::default(), &[job()], &silence, &Stop::new()).is_err());
        let stop = Stop::new();
        stop.ask();
        let sums = run(&mut hostile(), &Selection::default(), &[job()], &silence, &stop).unwrap();
        assert!(sums.is_interrupted);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{}", exporter.name());
    }
}

#[test]
fn columns_are_chosen_by_name_and_a_wrong_one_is_answered_with_the_nearest() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let columns = |names: &[&str]| Options {
        columns: names.iter().map(|name| (*name).to_owned()).collect(),
        ..Options::default()
    };
    export("csv", hostile(), &out, columns(&["subject", "field: Priority", "threads.body"])).unwrap();
    let read = |name: &str| std::fs::read_to_string(out.join(name)).unwrap();
    assert_eq!(
        read("conversations.csv"),
        "\u{FEFF}subject,field: Priority\r\n\"'=HYPERLINK(\"\"http://evil.example\"\")</script><script>alert(2)</script>\",High\r\n"
    );
    assert!(read("threads.csv").starts_with("\u{FEFF}subject,field: Priority,body\r\n"));
    assert!(!out.join("users.csv").exists());
    let error = export("csv", hostile(), &folder.path().join("b"), columns(&["subjekt"])).unwrap_err();
    assert!(matches!(error, ExportError::NoSuchColumn { nearest: Some(nearest), .. } if nearest == "subject"));
    let error = export("csv", hostile(), &folder.path().join("b"), columns(&["threads.bodi"])).unwrap_err();
    assert!(matches!(error, ExportError::NoSuchColumn { nearest: Some(nearest), .. } if nearest == "threads.body"));
}

#[test]
fn long_cells_are_cut_with_the_whole_text_beside_them_or_kept() {
    let long = |count: usize| {
        let mut given = hostile();
        given.conversations[0].threads[0].thread.body = Some("ä".repeat(count));
        given
    };
    let folder = tempfile::tempdir().unwrap();
    let body = |out: &Path| -> String {
        let mut reader = ::csv::Reader::from_path(out.join("threads.csv")).unwrap();
        let at = reader.headers().unwrap().iter().position(|name| name == "body").unwrap();
        reader.records().next().unwrap().unwrap()[at].to_owned()
    };
    let out = folder.path().join("cut");
    let sums = export("csv", long(40_000), &out, Options::default()).unwrap();
    assert_eq!(sums.findings[1], 1);
    assert!(body(&out).ends_with("are in long/threads-11-body.txt]"), "{}", body(&out));
    assert_eq!(std::fs::read_to_string(out.join("long/threads-11-body.txt")).unwrap(), "ä".repeat(40_000));
    let out = folder.path().join("kept");
    export("csv", long(40_000), &out, Options { long_cells: LongCells::Keep, ..Options::default() }).unwrap();
    assert_eq!(body(&out), "ä".repeat(40_000));
}

/// Whether a value fits a schema; enough of the language for our own schema. Gives the first misfit.
fn misfit(value: &serde_json::Value, schema: &serde_json::Value, root: &serde_json::Value) -> Option<String> {
    use serde_json::Value;
    if let Some(place) = schema["$ref"].as_str() {
        let target = root.pointer(place.trim_start_matches('#')).unwrap_or_else(|| panic!("no {place}"));
        return misfit(value, target, root);
    }
    for part in schema["allOf"].as_array().into_iter().flatten() {
        if let Some(wrong) = misfit(value, part, root) {
            return Some(wrong);
        }
    }
    if let Some(choices) = schema["anyOf"].as_array() {
        let wrongs: Option<Vec<String>> = choices.iter().map(|choice| misfit(value, choice, root)).collect();
        if let Some(wrongs) = wrongs {
            return Some(wrongs.join(" | "));
        }
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_u64() || number.is_i64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let fits = match &schema["type"] {
        Value::Null => true,
        Value::Array(kinds) => kinds.iter().any(|it| it == kind),
        it => it == kind,
    };
    if !fits || schema.get("const").is_some_and(|it| it != value) {
        return Some(format!("{value} is not {schema}"));
    }
    if let Some(object) = value.as_object() {
        let missing =
            schema["required"].as_array().into_iter().flatten().find(|key| !object.contains_key(key.as_str().unwrap()));
        if let Some(key) = missing {
            return Some(format!("no {key} in {value}"));
        }
        let known = object.iter().filter_map(|(key, value)| Some((value, schema["properties"].get(key)?)));
        return known.filter_map(|(value, schema)| misfit(value, schema, root)).next();
    }
    let items = value.as_array().into_iter().flatten();
    items.filter_map(|item| misfit(item, schema.get("items")?, root)).next()
}

#[test]
fn json_fits_the_schema_and_something_else_does_not() {
    let schema: serde_json::Value = serde_json::from_str(include_str!("../../docs/export.schema.json")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let options = || Options { has_files: true, ..Options::default() };
    let path = folder.path().join("a.json");
    export("json", hostile(), &path, options()).unwrap();
    let mut document: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(misfit(&document, &schema, &schema), None);
    let file = document.pointer("/conversations/0/_embedded/threads/0/_embedded/attachments/0").unwrap();
    assert_eq!(file["content"], "Ynl0ZXM=");
    document["conversations"][0]["_embedded"]["threads"][0]["id"] = json!("eleven");
    assert!(misfit(&document, &schema, &schema).is_some());

    let path = folder.path().join("a.jsonl");
    export("jsonl", hostile(), &path, options()).unwrap();
    let line = json!({"$ref": "#/$defs/line"});
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count(), 5);
    for text in text.lines() {
        let mut value: serde_json::Value = serde_json::from_str(text).unwrap();
        assert_eq!(misfit(&value, &line, &schema), None);
        value["object"] = json!("else");
        assert!(misfit(&value, &line, &schema).is_some());
    }
}

#[test]
fn mails_are_whole_for_another_reader_and_hostile_words_begin_no_field() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mail");
    let mut given = hostile();
    given.conversations[0].conversation.subject = "Hello\r\nX-Evil: yes\r\n\r\nFrom me".to_owned();
    given.conversations[0].threads[0].thread.body = Some("<pre>From here\nto there</pre>".to_owned());
    export("maildir", given, &path, Options::default()).unwrap();
    let mut files: Vec<_> = std::fs::read_dir(path.join("cur")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert_eq!(files.len(), 3);
    let bytes = std::fs::read(&files[0]).unwrap();
    let mail = mail_parser::MessageParser::default().parse(&bytes).unwrap();
    assert_eq!(mail.message_id(), Some("freescout.7.11@help.example.org"));
    assert_eq!(mail.subject(), Some("Hello  X-Evil: yes    From me"));
    assert!(mail.header("X-Evil").is_none());
    assert_eq!(mail.from().unwrap().first().unwrap().address(), Some("ann@example.net"));
    assert_eq!(mail.to().unwrap().first().unwrap().address(), Some("support@example.org"));
    assert_eq!(mail.date().unwrap().to_timestamp(), 1_706_702_400);
    assert_eq!(mail.attachment_count(), 1);
    let file = mail_parser::MimeHeaders::attachment_name(mail.attachment(0).unwrap());
    assert_eq!(
        (file, mail.attachment(0).unwrap().contents()),
        (Some("../../<img src=x onerror=alert(7)>.txt"), &b"bytes"[..])
    );
    assert!(mail.body_html(0).unwrap().contains("From here"));
    let bytes = std::fs::read(&files[1]).unwrap();
    let note = mail_parser::MessageParser::default().parse(&bytes).unwrap();
    assert_eq!(note.in_reply_to().as_text(), Some("freescout.7.11@help.example.org"));
    assert!(note.subject().unwrap().starts_with("[note] "));
    assert_eq!(note.header("X-FreeScout-Type").and_then(|it| it.as_text()), Some("note"));
}
