//! Odd and recorded answers, and what is read of them.

use serde_json::json;

use super::*;

fn conversation(extra: &Value) -> Conversation {
    let mut answer = json!({"id": 1});
    for (key, value) in extra.as_object().unwrap() {
        answer[key] = value.clone();
    }
    serde_json::from_value(answer).unwrap()
}

#[test]
fn an_id_is_all_that_is_needed() {
    let bare = conversation(&json!({}));
    assert_eq!((bare.id, bare.number, bare.subject.as_str(), bare.threads().len()), (1, None, "", 0));
    assert!(serde_json::from_str::<Customer>(r#"{"id":"7"}"#).is_ok_and(|customer| customer.id == 7));
    for answer in ["{}", r#"{"id":null}"#, r#"{"id":"x"}"#, r#"{"id":-1}"#, r#"{"id":1.5}"#, "[]", "1"] {
        assert!(serde_json::from_str::<Conversation>(answer).is_err(), "{answer}");
    }
}

#[test]
fn address_lists_are_read_in_every_form() {
    let cases = [
        (json!(["a@x.org", "b@x.org"]), vec!["a@x.org", "b@x.org"]),
        (json!({"1": "b@x.org"}), vec!["b@x.org"]),
        (json!({"0": "a@x.org", "2": "c@x.org"}), vec!["a@x.org", "c@x.org"]),
        (json!("a@x.org, b@x.org"), vec!["a@x.org", "b@x.org"]),
        (json!(""), vec![]),
        (json!(null), vec![]),
        (json!([]), vec![]),
        (json!([null, "a@x.org", ["b"]]), vec!["a@x.org"]),
    ];
    for (cc, expected) in cases {
        assert_eq!(conversation(&json!({"cc": cc})).cc, expected, "{cc}");
    }
}

#[test]
fn times_are_read_in_every_form_and_lost_ones_are_none() {
    let cases = [
        ("2020-03-16T14:07:23Z", Some(1_584_367_643)),
        ("2021-04-21T13-24-01Z", Some(1_619_011_441)),
        ("2020-03-16T16:07:23+02:00", Some(1_584_367_643)),
        ("2020-03-16T14:07:23.123456Z", Some(1_584_367_643)),
        ("-0001-11-30T00:00:00Z", None),
        ("0000-00-00T00:00:00Z", None),
        ("0000-01-01T00:00:00Z", None),
        ("", None),
        ("yesterday", None),
        ("T", None),
        ("ÄT", None),
    ];
    for (text, seconds) in cases {
        assert_eq!(parse_time(text).map(Timestamp::as_second), seconds, "{text}");
    }
    assert_eq!(conversation(&json!({"createdAt": 5})).created_at, None);
    assert_eq!(show_time("2020-03-16T14:07:23.9Z".parse().unwrap()), "2020-03-16T14:07:23Z");
}

#[test]
fn what_php_gives_for_nothing_is_nothing() {
    let odd = conversation(&json!({
        "assignee": [], "customer": "", "createdBy": null, "customerWaitingSince": [], "customFields": [],
        "_embedded": [], "number": "12", "closedBy": 0, "threadsCount": null, "subject": null, "status": null,
    }));
    assert!(odd.assignee.is_none() && odd.customer.is_none() && odd.customer_waiting_since.is_none());
    assert_eq!(odd.custom_fields.map(|fields| fields.len()), Some(0));
    assert_eq!((odd.number, odd.closed_by, odd.threads_count), (Some(12), Some(0), None));
    let customer: Customer =
        serde_json::from_value(json!({"id": 1, "_embedded": {"address": [], "emails": {"0": {"value": "a@x.org"}}}}))
            .unwrap();
    assert_eq!(customer.emails().collect::<Vec<_>>(), ["a@x.org"]);
    assert_eq!(customer.embedded.address, Address::default());
}

#[test]
fn unknown_keys_survive_a_round_trip() {
    let answer = json!({"id": 1, "newThing": {"a": [1]}, "_embedded": {"threads": [
        {"id": 2, "rating": 5, "_embedded": {"attachments": [{"id": 3, "sha": "x"}], "reactions": []}}
    ], "followers": [7]}});
    let back = serde_json::to_value(serde_json::from_value::<Conversation>(answer).unwrap()).unwrap();
    assert_eq!(back["newThing"]["a"][0], 1);
    assert_eq!(back["_embedded"]["followers"][0], 7);
    assert_eq!(back["_embedded"]["threads"][0]["rating"], 5);
    assert_eq!(back["_embedded"]["threads"][0]["_embedded"]["reactions"], json!([]));
    assert_eq!(back["_embedded"]["threads"][0]["_embedded"]["attachments"][0]["sha"], "x");
}

#[test]
fn a_recorded_answer_survives_a_round_trip_key_by_key() {
    let answer: Value = serde_json::from_str(
        r#"{
        "id": 1, "number": 1, "threadsCount": 1, "type": "email", "folderId": 4, "status": "closed", "state": "published",
        "subject": "Hi there", "preview": "Hello", "mailboxId": 1, "assignee": null,
        "createdBy": {"id": 1, "type": "customer", "firstName": null, "lastName": null, "email": "mark@example.org", "photoUrl": ""},
        "createdAt": "2019-05-01T10:00:00Z", "updatedAt": "2026-01-01T00:00:00Z", "closedBy": null, "closedByUser": null,
        "closedAt": "2019-05-04T10:00:00Z", "userUpdatedAt": null,
        "customerWaitingSince": {"time": "2019-05-01T10:00:00Z", "friendly": "long ago", "latestReplyFrom": "customer"},
        "source": {"type": "api", "via": "customer"}, "cc": [], "bcc": [],
        "customer": {"id": 1, "type": "customer", "firstName": null, "lastName": null, "email": "mark@example.org", "photoUrl": ""},
        "customFields": [{"id": 1, "name": "Priority", "value": "", "text": ""}],
        "_embedded": {"threads": [{
            "id": 1, "type": "customer", "status": "active", "state": "published",
            "action": {"type": "", "text": "started", "associatedEntities": []}, "body": "Hello",
            "source": {"type": "api", "via": "customer"}, "customer": null, "createdBy": null, "assignedTo": null,
            "to": [], "cc": [], "bcc": [], "createdAt": "2019-05-01T10:00:00Z", "openedAt": null,
            "_embedded": {"attachments": [{"id": 1, "fileName": "file.txt", "fileUrl": "https://x", "mimeType": "text/plain", "size": 4}]}
        }]}
    }"#,
    )
    .unwrap();
    let read: Conversation = serde_json::from_value(answer.clone()).unwrap();
    assert!(read.extra.is_empty() && read.embedded.threads[0].extra.is_empty());
    assert_eq!(serde_json::to_value(read).unwrap(), answer);
}

#[test]
fn dropdown_options_are_read_in_every_form() {
    let options = |options: Value| {
        serde_json::from_value::<CustomField>(json!({"id": 1, "type": "dropdown", "options": options})).unwrap()
    };
    let pairs = |field: &CustomField| {
        field.options.iter().map(|(id, label)| format!("{id}={label}")).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(pairs(&options(json!({"3": "High", "1": "Low"}))), "3=High 1=Low");
    assert_eq!(pairs(&options(json!(["Low", "High"]))), "0=Low 1=High");
    assert_eq!(pairs(&options(json!(""))), "");
    assert_eq!(pairs(&options(json!(null))), "");
    let field = options(json!({"1": "low", "2": "LOW", "3": "Ärger"}));
    assert_eq!((field.option("LOW"), field.option(" ärger "), field.option("none")), (Some("2"), Some("3"), None));
}

#[test]
fn deleted_users_and_robots_are_told_by_their_addresses() {
    let user = |email: &str| serde_json::from_value::<User>(json!({"id": 1, "email": email, "role": 1})).unwrap();
    for (email, is_deleted, is_robot) in [
        ("ada@example.org", false, false),
        ("ada@example.org_deleted20240131120000", true, false),
        ("a_very_long_address_that_was_cu_deleted20240131120000", true, false),
        ("is_deleted@example.org", false, false),
        ("fsteam-2212294583@example.org", false, true),
        ("fsworkflow@example.org", false, true),
        ("fsmith@example.org", false, false),
    ] {
        assert_eq!((user(email).is_deleted(), user(email).is_robot()), (is_deleted, is_robot), "{email}");
    }
    assert!(!user("a@x.org").is_admin());
}

#[test]
fn nesting_without_end_is_an_error_and_no_crash() {
    let deep = format!(r#"{{"id":1,"x":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    assert!(serde_json::from_str::<Conversation>(&deep).is_err());
}

/// Reads a recorded row and writes it again; `true` if nothing was lost or changed on the way.
fn survives<T: serde::de::DeserializeOwned + Serialize>(recorded: &Value, of: &str) -> bool {
    let read: T = serde_json::from_value(recorded.clone()).unwrap_or_else(|error| panic!("{of}: {error}"));
    serde_json::to_value(read).unwrap() == *recorded
}

#[test]
fn every_recorded_answer_is_read_and_kept_whole() {
    // What is read into one form and written in that: `cc` as an object, a lost date, a role that is a number,
    // no options. By the name of the case.
    let altered = ["cc-invalid-first", "createdAt-after-2038", "createdAt-before-1970"];
    let mut rows = 0;
    for file in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/contract/cases")).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap().replace("<now>", "2026-01-01T00:00:00Z");
        let cases: Vec<Value> = serde_json::from_str(&text).unwrap();
        for (case, step) in
            cases.iter().flat_map(|case| case["steps"].as_array().unwrap().iter().map(move |step| (case, step)))
        {
            let name = case["name"].as_str().unwrap();
            let answer = &step["answer"]["json"];
            if !matches!(step["answer"]["status"].as_u64(), Some(200 | 201)) {
                continue;
            }
            let path = step["path"].as_str().unwrap().split('?').next().unwrap();
            let lists = answer.get("page").and_then(|_| answer["_embedded"].as_object());
            let single = (path.rsplit('/').find(|part| part.parse::<u64>().is_err()).unwrap_or_default(), answer);
            let found: Vec<(&str, &Value)> = match lists {
                Some(lists) => lists
                    .iter()
                    .flat_map(|(key, rows)| rows.as_array().unwrap().iter().map(|row| (key.as_str(), row)))
                    .collect(),
                None => vec![single],
            };
            for (key, row) in found {
                rows += 1;
                let is_whole = match key {
                    "conversations" => survives::<Conversation>(row, name),
                    "threads" => survives::<Thread>(row, name),
                    "customers" => survives::<Customer>(row, name),
                    "users" => survives::<User>(row, name) || row["role"].is_number(),
                    "mailboxes" => survives::<Mailbox>(row, name),
                    "custom_fields" => survives::<CustomField>(row, name) || row["options"].is_null(),
                    "folders" => survives::<Folder>(row, name),
                    "tags" => survives::<Tag>(row, name),
                    "timelogs" => survives::<Timelog>(row, name),
                    "webhooks" => survives::<Webhook>(row, name),
                    other => panic!("{name}: what is `{other}`?"),
                };
                assert!(is_whole || altered.contains(&name), "{name}: {key} was altered");
            }
        }
    }
    assert!(rows > 200, "{rows} rows");
}
