//! What counts as a difference between two readings of the same row.
//!
//! FreeScout's answers hold things that change without anybody changing them: how long ago something was, in words; tokens
//! and hosts in addresses; and names of people, fields and options, which are kept in lists of their own and would make
//! every conversation of an agent new when the agent marries. All of these are left out.

use serde_json::{Map, Value};

use super::format::OURS;

/// Which parts of a row count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// What a list without threads shows.
    Listed,
    /// Everything.
    Whole,
}

/// A digest of what a list without threads shows of a row, in hexadecimal.
pub(super) fn listed(row: &Value) -> String {
    digest(row, Scope::Listed)
}

/// A digest of everything in a row or a part of one, in hexadecimal.
pub(super) fn whole(row: &Value) -> String {
    digest(row, Scope::Whole)
}

fn digest(row: &Value, scope: Scope) -> String {
    let mut hash = blake3::Hasher::new();
    feed(&mut hash, row, scope, "");
    // Half of it: nobody has a reason to forge one, and by chance two meet after 2^64 rows.
    hash.finalize().to_hex()[..32].to_owned()
}

fn feed(hash: &mut blake3::Hasher, value: &Value, scope: Scope, under: &str) {
    match value {
        Value::Null => put(hash, b'n', b""),
        Value::Bool(is) => put(hash, b'b', &[u8::from(*is)]),
        Value::Number(number) => put(hash, b'd', number.to_string().as_bytes()),
        Value::String(text) => put(hash, b's', steady(under, text).as_bytes()),
        Value::Array(items) => {
            put(hash, b'[', b"");
            for item in items {
                feed(hash, item, scope, under);
            }
            put(hash, b']', b"");
        }
        Value::Object(fields) => {
            put(hash, b'{', b"");
            let is_stub = is_person(fields);
            let mut keys: Vec<&String> = fields.keys().collect();
            keys.sort_unstable();
            for key in keys {
                if counts(key, under, is_stub, scope) {
                    put(hash, b'k', key.as_bytes());
                    feed(hash, &fields[key], scope, key);
                }
            }
            put(hash, b'}', b"");
        }
    }
}

fn put(hash: &mut blake3::Hasher, kind: u8, bytes: &[u8]) {
    hash.update(&[kind]);
    hash.update(&(bytes.len() as u64).to_le_bytes());
    hash.update(bytes);
}

/// Whether a key says something about the row itself.
fn counts(key: &str, under: &str, is_stub: bool, scope: Scope) -> bool {
    match key {
        OURS | "friendly" => false,
        "threads" if under == "_embedded" => scope == Scope::Whole,
        "name" | "text" if matches!(under, "customFields" | "customerFields") => false,
        _ if is_stub => matches!(key, "id" | "type"),
        _ => true,
    }
}

/// Whether it is a person inside another row: with a kind, which neither users nor customers have themselves.
fn is_person(fields: &Map<String, Value>) -> bool {
    fields.contains_key("firstName")
        && fields.get("type").and_then(Value::as_str).is_some_and(|kind| matches!(kind, "user" | "customer"))
}

/// An address without host and token; anything else as it is.
fn steady<'a>(key: &str, text: &'a str) -> &'a str {
    if !matches!(key, "fileUrl" | "photoUrl") {
        return text;
    }
    let path = text.find("/storage/").map_or(text, |at| &text[at..]);
    path.rsplit_once("?id=").map_or(path, |(path, _)| path)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn row() -> Value {
        json!({
            "id": 1, "subject": "s", "updatedAt": "2026-01-01T00:00:00Z",
            "customerWaitingSince": {"time": null, "friendly": "2 days ago", "latestReplyFrom": ""},
            "assignee": {"id": 2, "type": "user", "firstName": "Ada", "lastName": "L", "photoUrl": "", "email": "a@x.org"},
            "customFields": [{"id": 3, "name": "Priority", "value": "1", "text": "High"}],
            "_embedded": {"threads": [], "tags": [{"id": 1, "name": "vip"}]},
        })
    }

    fn changed(how: impl FnOnce(&mut Value)) -> Value {
        let mut row = row();
        how(&mut row);
        row
    }

    #[test]
    fn what_nobody_changed_makes_no_difference() {
        for other in [
            changed(|row| row["customerWaitingSince"]["friendly"] = json!("3 days ago")),
            changed(|row| row["assignee"]["lastName"] = json!("Married")),
            changed(|row| row["assignee"]["photoUrl"] = json!("https://x.example/storage/users/a.jpg")),
            changed(|row| row["customFields"][0]["name"] = json!("Urgency")),
            changed(|row| row["_embedded"]["threads"] = json!([{"id": 5}])),
            changed(|row| row["_backup"] = json!({"digest": "x"})),
        ] {
            assert_eq!(listed(&other), listed(&row()), "{other}");
        }
    }

    #[test]
    fn what_somebody_changed_makes_one() {
        for other in [
            changed(|row| row["subject"] = json!("t")),
            changed(|row| row["assignee"]["id"] = json!(4)),
            changed(|row| row["assignee"] = Value::Null),
            changed(|row| row["customFields"][0]["value"] = json!("2")),
            changed(|row| row["_embedded"]["tags"] = json!([])),
            changed(|row| row["unknown"] = json!(1)),
        ] {
            assert_ne!(listed(&other), listed(&row()), "{other}");
        }
        assert_ne!(whole(&changed(|row| row["_embedded"]["threads"] = json!([{"id": 5}]))), whole(&row()));
    }

    #[test]
    fn tokens_and_hosts_make_none() {
        let file = |url: &str| json!({"id": 7, "fileUrl": url});
        assert_eq!(
            whole(&file("https://a.example/storage/attachment/1/2/3/a.pdf?id=7&token=aa")),
            whole(&file("https://b.example/desk/storage/attachment/1/2/3/a.pdf?id=7&token=bb")),
        );
    }
}
