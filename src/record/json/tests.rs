use super::*;

fn at() -> Origin {
    Origin::line(&"records.jsonl".into(), 3)
}

fn read_text(text: &str) -> Result<Record, ReadError> {
    read(serde_json::from_str(text).unwrap(), &at(), "records", &Files::none())
}

fn full() -> Value {
    let person = json!({
        "id": "7", "name": "Ada", "emails": ["ada@example.org", "ada@example.net"], "phones": ["+49 30 1"],
        "role": "end-user", "company": "Example", "fields": {"locale": "de"},
    });
    json!({
        "id": "4711", "source": "zendesk", "origin": "tickets.json:12", "subject": " Привет ", "status": "open",
        "channel": "email", "requester": person, "assignee": {"name": "Grace", "role": "agent"},
        "cc": [{"emails": ["c@example.org"]}], "tags": ["a", "ß"], "created_at": "2024-01-31T12:00:00Z",
        "updated_at": "2024-01-31T12:00:00.5Z", "closed_at": "1969-12-31T23:59:59Z", "url": "https://old.example/4711",
        "entries": [
            {
                "id": "e1", "origin": "mail.mbox@99", "kind": "Comment", "is_public": false, "author": person,
                "to": [{"emails": ["t@example.org"]}], "cc": [{"name": "C"}], "bcc": [{"id": "9"}],
                "html": "<p>x</p>", "created_at": "2024-01-31T12:00:00Z",
                "attachments": [
                    {"name": "a.bin", "mime": "image/png", "content_id": "x@y", "is_inline": true, "data": "AAEC/w=="},
                    {"name": "b", "url": "https://old.example/b", "size": 5},
                    {"name": "c", "missing": "deleted", "size": 6},
                ],
                "fields": {"n": [1, {"x": null}]},
            },
            {"id": "e2", "origin": "tickets.json", "kind": "message", "is_public": true, "text": ""},
            {"id": "e3", "origin": "tickets.json:12", "kind": "message", "is_public": true},
        ],
        "fields": {"priority": "high", "nested": {"a": 1.5}},
        "oddities": [{"code": "read-date", "origin": "tickets.json:12", "message": "odd"}],
    })
}

#[test]
fn what_is_written_is_read_back_with_every_field() {
    let record = read(full(), &at(), "records", &Files::none()).unwrap();
    assert_eq!(record.id.to_string(), "zendesk:4711");
    assert_eq!(record.entries[0].attachments[0].content.length(), Some(4));
    assert_eq!(to_value(&record), full());
    let mut line = Vec::new();
    write(&record, &mut line).unwrap();
    assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1, "one line");
    let again = read(serde_json::from_slice(&line).unwrap(), &at(), "records", &Files::none()).unwrap();
    assert_eq!(format!("{again:?}"), format!("{record:?}"));
}

#[test]
fn little_is_enough() {
    let record = read_text(
        r#"{"id": 12, "requester": "ann@example.net", "created_at": "2024-01-31T12:00:00+02:00", "status": null,
            "entries": [{"text": "Hello", "author": {"email": "ann@example.net"}}, {"text": "Hello", "author": {"email": "ann@example.net"}}]}"#,
    )
    .unwrap();
    assert_eq!(record.id.to_string(), "records:12");
    assert_eq!(record.created_at.unwrap().to_string(), "2024-01-31T10:00:00Z");
    assert_eq!(record.requester.unwrap().email(), Some("ann@example.net"));
    assert_eq!(record.origin.to_string(), "records.jsonl:3");
    let ids: Vec<_> = record.entries.iter().map(|entry| entry.id.clone()).collect();
    assert!(ids[0].starts_with("content-") && ids[1] == format!("{}-2", ids[0]), "{ids:?}");
    assert!(record.entries[0].is_public && record.entries[0].kind == "message");
    assert!(record.oddities.is_empty());
}

#[test]
fn a_wrong_value_is_refused_with_its_path_and_what_is_right() {
    for (text, expected) in [
        (r#"[1]"#, "it is [1], not a record, which is a JSON object"),
        (r#"{"subject": "x"}"#, "the record has no `id`"),
        (r#"{"id": " "}"#, "the record has no `id`"),
        (r#"{"id": {"a": 1}}"#, r#"`id` is {"a":1}, not a text"#),
        (r#"{"id": 1, "entries": {}}"#, "`entries` is {}, not a list"),
        (r#"{"id": 1, "entries": [1]}"#, "`entries[0]` is 1, not an entry (an object)"),
        (
            r#"{"id": 1, "entries": [{}, {"created_at": "2024-01-31 12:00"}]}"#,
            "`entries[1].created_at` is \"2024-01-31 12:00\", not a time with a zone: `2024-01-31T12:00:00Z` or `2024-01-31T12:00:00+02:00`",
        ),
        (r#"{"id": 1, "created_at": 5}"#, "`created_at` is 5, not a time"),
        (r#"{"id": 1, "entries": [{"is_public": "no"}]}"#, "`entries[0].is_public` is \"no\", not `true` or `false`"),
        (r#"{"id": 1, "requester": "Ann"}"#, "`requester` is \"Ann\", not a person (an object, or an address)"),
        (r#"{"id": 1, "cc": [{"emails": "x"}]}"#, "`cc[0].emails` is \"x\", not a list"),
        (
            r#"{"id": 1, "entries": [{"attachments": [{"data": "%"}]}]}"#,
            "`entries[0].attachments[0].data` is not base64",
        ),
        (
            r#"{"id": 1, "entries": [{"attachments": [{"size": -1}]}]}"#,
            "`entries[0].attachments[0].size` is -1, not a number of bytes",
        ),
        (r#"{"id": 1, "fields": 5}"#, "`fields` is 5, not an object"),
        (r#"{"id": 1, "x": 5, "fields": {"x": 6}}"#, "`x` is no key that records have, and stands in `fields` as well"),
    ] {
        let error = read_text(text).unwrap_err();
        assert!(error.to_string().starts_with(&format!("records.jsonl:3: {expected}")), "{text}: {error}");
    }
    assert_eq!(read_text(r#"{"id": 1, "cc": 1}"#).unwrap_err().record_id().unwrap().to_string(), "records:1");
}

#[test]
fn keys_that_records_do_not_have_are_kept_and_told() {
    let record = read_text(
        r#"{"id": 1, "prio": 3, "subjet": "x", "requester": {"name": "A", "vip": true},
            "entries": [{"boddy": "y", "attachments": [{"name": "a", "hash": "z"}]}]}"#,
    )
    .unwrap();
    assert_eq!((&record.fields["prio"], &record.fields["subjet"]), (&json!(3), &json!("x")));
    assert_eq!(record.requester.unwrap().fields["vip"], json!(true));
    assert_eq!(record.entries[0].fields["boddy"], json!("y"));
    let told: Vec<_> = record.oddities.iter().map(|oddity| oddity.message.as_str()).collect();
    assert_eq!(told.len(), 5, "{told:?}");
    assert!(
        told.contains(&"`subjet` is no key that records have (did you mean `subject`?); it is kept among the fields")
    );
    assert!(record.oddities.iter().all(|oddity| oddity.code == codes::READ_UNKNOWN_KEY));
}

#[test]
fn a_file_outside_of_the_folder_is_never_read() {
    let folder = tempfile::tempdir().unwrap();
    let inside = folder.path().join("archive");
    std::fs::create_dir_all(inside.join("files")).unwrap();
    std::fs::write(folder.path().join("secret"), "secret").unwrap();
    std::fs::write(inside.join("files/a.txt"), "abc").unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(folder.path().join("secret"), inside.join("files/link")).unwrap();
    let files = Files::inside(&inside);
    let content = |name: &str| {
        let value = json!({"id": 1, "entries": [{"attachments": [{"file": name}]}]});
        let mut record = read(value, &at(), "records", &files).unwrap();
        (record.entries.remove(0).attachments.remove(0), record.oddities.len())
    };
    let (attachment, oddities) = content("files/a.txt");
    assert_eq!((attachment.name.as_str(), attachment.content.length(), oddities), ("a.txt", Some(3), 0));
    let absolute = folder.path().join("secret").display().to_string();
    for name in ["../secret", "files/../../secret", &absolute, "files/link", "files", "files/none", "..\\secret", ""] {
        let (attachment, oddities) = content(name);
        assert!(matches!(attachment.content, Content::Missing { .. }), "{name}");
        assert_eq!(oddities, 1, "{name}");
    }
}

#[test]
fn the_schema_knows_every_key_and_the_full_record_fits_it() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let keys = |at: &Value| -> Vec<String> { at["properties"].as_object().unwrap().keys().cloned().collect() };
    let known = |keys: &[&str]| -> Vec<String> { keys.iter().map(|key| (*key).to_owned()).collect() };
    assert_eq!(keys(&schema), known(RECORD_KEYS));
    assert_eq!(keys(&schema["$defs"]["entry"]), known(ENTRY_KEYS));
    assert_eq!(keys(&schema["$defs"]["person"]), known(PERSON_KEYS));
    assert_eq!(keys(&schema["$defs"]["attachment"]), known(ATTACHMENT_KEYS));
    assert_eq!(keys(&schema["properties"]["oddities"]["items"]), known(ODDITY_KEYS));
    fits(&full(), &schema, &schema).unwrap();
    for (text, is_fit) in [
        (r#"{"id": 1}"#, true),
        (r#"{"subject": "x"}"#, false),
        (r#"{"id": 1, "cc": [{"name": "x", "vip": 1}]}"#, false),
        (r#"{"id": 1, "cc": ["a@example.org"]}"#, true),
        (r#"{"id": 1, "created_at": 5}"#, false),
        (r#"{"id": 1, "entries": [{"is_public": "no"}]}"#, false),
        (r#"{"id": 1, "entries": [{"attachments": [{"size": 1.5}]}]}"#, false),
    ] {
        assert_eq!(fits(&serde_json::from_str(text).unwrap(), &schema, &schema).is_ok(), is_fit, "{text}");
    }
}

/// As much of JSON Schema as this schema uses.
fn fits(value: &Value, schema: &Value, root: &Value) -> Result<(), String> {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.strip_prefix("#/$defs/").unwrap();
        assert!(root["$defs"][name].is_object(), "{name}");
        fits(value, &root["$defs"][name], root)?;
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
    let allowed: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().map(|one| one.as_str().unwrap()).collect(),
        _ => vec![kind],
    };
    if !(allowed.contains(&kind) || kind == "integer" && allowed.contains(&"number")) {
        return Err(format!("{value} is none of {allowed:?}"));
    }
    for required in schema["required"].as_array().into_iter().flatten() {
        value.get(required.as_str().unwrap()).ok_or_else(|| format!("{required} is missing"))?;
    }
    for item in value.as_array().into_iter().flatten() {
        fits(item, &schema["items"], root)?;
    }
    for (key, item) in value.as_object().into_iter().flatten() {
        match schema["properties"].get(key) {
            Some(schema) => fits(item, schema, root)?,
            None if schema["additionalProperties"] == false => return Err(format!("{key} is unknown")),
            None => {}
        }
    }
    Ok(())
}
