//! Refuses what a real server ignores: fields that nobody knows, for our own tests.

use serde_json::{Map, Value};

use super::answer::Stop;
use super::input::members;

const PERSON: &[&str] = &[
    "id",
    "email",
    "emails",
    "firstName",
    "lastName",
    "phone",
    "phones",
    "photoUrl",
    "photoType",
    "jobTitle",
    "address",
    "notes",
    "company",
    "socialProfiles",
    "websites",
    "country",
    "city",
    "state",
    "zip",
    "background",
];
const THREAD: &[&str] =
    &["type", "text", "customer", "user", "imported", "status", "state", "cc", "bcc", "createdAt", "attachments"];

/// Checks a body of a request to this endpoint, nested objects included; `path` has `{id}` for ids.
pub(super) fn check(method: &str, path: &str, data: &Map<String, Value>) -> Result<(), Stop> {
    let keys: &[&str] = match (method, path) {
        ("POST", "/conversations") => &[
            "subject",
            "type",
            "mailboxId",
            "customer",
            "threads",
            "imported",
            "assignTo",
            "status",
            "state",
            "customFields",
            "createdAt",
            "closedAt",
        ],
        ("POST", "/conversations/{id}/threads") => THREAD,
        ("PUT", "/conversations/{id}") => &["byUser", "status", "assignTo", "mailboxId", "customerId", "subject"],
        ("PUT", "/conversations/{id}/tags") => &["tags"],
        ("PUT", "/conversations/{id}/custom_fields") => &["customFields"],
        ("PUT", "/customers/{id}/customer_fields") => &["customerFields"],
        ("POST", "/customers") => PERSON,
        ("PUT", "/customers/{id}") => {
            let with_more: Vec<&str> = PERSON.iter().copied().chain(["emails_add", "emailsAdd"]).collect();
            return known("", data, &with_more).and_then(|()| nested(data));
        }
        ("POST", "/users") => &[
            "email",
            "firstName",
            "lastName",
            "password",
            "alternateEmails",
            "jobTitle",
            "phone",
            "timezone",
            "photoUrl",
        ],
        ("POST", "/webhooks") => &["url", "events"],
        _ => return Ok(()),
    };
    known("", data, keys)?;
    nested(data)
}

fn nested(data: &Map<String, Value>) -> Result<(), Stop> {
    for (key, value) in data {
        let keys: &[&str] = match key.as_str() {
            "customer" => PERSON,
            "threads" => THREAD,
            "attachments" => &["fileName", "mimeType", "data", "fileUrl"],
            "customFields" | "customerFields" => &["id", "value"],
            "emails" | "phones" | "socialProfiles" | "websites" => &["value", "type"],
            "address" => &["address", "city", "state", "zip", "country", "lines"],
            _ => continue,
        };
        let objects = if value.is_object() { vec![value] } else { members(value) };
        for object in objects.into_iter().filter_map(Value::as_object) {
            known(&format!("{key}."), object, keys)?;
            nested(object)?;
        }
    }
    Ok(())
}

fn known(place: &str, data: &Map<String, Value>, keys: &[&str]) -> Result<(), Stop> {
    match data.keys().find(|key| *key != "api_key" && !keys.contains(&key.as_str())) {
        Some(key) => {
            let message = format!("strict sandbox: `{place}{key}` is a field that FreeScout does not know");
            Err(Stop::refuse(&format!("{place}{key}"), message))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_unknown_field_is_refused_with_its_place() {
        let body = json!({"subject": "x", "threads": [{"text": "x", "created_at": "2020"}]});
        let Value::Object(body) = body else { panic!("it is an object") };
        let refused = check("POST", "/conversations", &body).expect_err("created_at is no field");
        let answer = format!("{:?}", refused.into_answer());
        assert!(answer.contains("threads.created_at"), "{answer}");
    }
}
