//! What counts as a difference between two readings of the same row.
//!
//! FreeScout's answers hold things that change without anybody changing them: how long ago something was, in words; tokens
//! and hosts in addresses; and names of people, fields and options, which are kept in lists of their own and would make
//! every conversation of an agent new when the agent marries. All of these are left out.

use std::cell::RefCell;
use std::ops::Range;

use serde_json::Value;

use super::format::OURS;
use super::tree::{Fields, Tree, field};

/// The digests of a row, in hexadecimal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Digests {
    /// Of what a list without threads shows.
    pub listed: String,
    /// Of everything.
    pub whole: String,
}

/// A digest of everything in a row or a part of one, in hexadecimal.
pub(super) fn whole(row: &Value) -> String {
    both(&Tree::from(row)).whole
}

/// Both digests of a row.
pub(super) fn both(row: &Tree<'_>) -> Digests {
    thread_local! {
        /// What is hashed; its room is used again for the next row.
        static STEADY: RefCell<Steady> = RefCell::default();
    }
    STEADY.with_borrow_mut(|steady| {
        steady.bytes.clear();
        steady.threads.clear();
        steady.feed(row, "");
        let whole = blake3::hash(&steady.bytes);
        let listed = if steady.threads.is_empty() {
            whole
        } else {
            let mut hash = blake3::Hasher::new();
            let mut at = 0;
            for threads in &steady.threads {
                hash.update(&steady.bytes[at..threads.start]);
                at = threads.end;
            }
            hash.update(&steady.bytes[at..]);
            hash.finalize()
        };
        steady.bytes.shrink_to(1 << 20);
        // Half of it: nobody has a reason to forge one, and by chance two meet after 2^64 rows.
        let shown = |hash: blake3::Hash| hash.to_hex()[..32].to_owned();
        Digests { listed: shown(listed), whole: shown(whole) }
    })
}

/// What is steady in a row, in one form whatever the order of its keys.
#[derive(Default)]
struct Steady {
    bytes: Vec<u8>,
    /// Where threads stand in it, which lists do not show.
    threads: Vec<Range<usize>>,
}

impl Steady {
    fn feed(&mut self, value: &Tree<'_>, under: &str) {
        match value {
            Tree::Null => self.put(b'n', b""),
            Tree::Bool(is) => self.put(b'b', &[u8::from(*is)]),
            Tree::Number(number) => self.put(b'd', number.to_string().as_bytes()),
            Tree::Text(text) => self.put(b's', steady(under, text).as_bytes()),
            Tree::List(items) => {
                self.put(b'[', b"");
                for item in items {
                    self.feed(item, under);
                }
                self.put(b']', b"");
            }
            Tree::Object(fields) => self.feed_object(fields, under),
        }
    }

    fn feed_object(&mut self, fields: &Fields<'_>, under: &str) {
        self.put(b'{', b"");
        let is_stub = is_person(fields);
        let mut counting: Vec<&(_, _)> = fields.iter().filter(|(key, _)| counts(key, under, is_stub)).collect();
        counting.sort_by_key(|(key, _)| key);
        for (at, (key, value)) in counting.iter().enumerate() {
            // A key that stands twice has its last value.
            if counting.get(at + 1).is_some_and(|(next, _)| next == key) {
                continue;
            }
            let start = self.bytes.len();
            self.put(b'k', key.as_bytes());
            self.feed(value, key);
            if key == "threads" && under == "_embedded" {
                // Threads in threads are a part of these.
                self.threads.retain(|inner| inner.start < start);
                self.threads.push(start..self.bytes.len());
            }
        }
        self.put(b'}', b"");
    }

    fn put(&mut self, kind: u8, bytes: &[u8]) {
        self.bytes.push(kind);
        self.bytes.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        self.bytes.extend_from_slice(bytes);
    }
}

/// Whether a key says something about the row itself.
fn counts(key: &str, under: &str, is_stub: bool) -> bool {
    match key {
        OURS | "friendly" => false,
        "name" | "text" if matches!(under, "customFields" | "customerFields") => false,
        _ if is_stub => matches!(key, "id" | "type"),
        _ => true,
    }
}

/// Whether it is a person inside another row: with a kind, which neither users nor customers have themselves.
fn is_person(fields: &Fields<'_>) -> bool {
    field(fields, "firstName").is_some()
        && field(fields, "type").and_then(Tree::as_str).is_some_and(|kind| matches!(kind, "user" | "customer"))
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

    fn listed(row: &Value) -> String {
        both(&Tree::from(row)).listed
    }

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
    fn the_order_of_keys_and_the_form_of_texts_make_none() {
        let digests = |text: &str| both(&Tree::of(text).unwrap());
        let plain = digests(r#"{"id":1,"a":"café/x","_embedded":{"tags":[],"threads":[{"id":2}]}}"#);
        for other in [
            r#"{"_embedded":{"threads":[{"id":2}],"tags":[]},"a":"caf\u00e9\/x","id":1}"#,
            r#"{ "id" : 1, "a":"old", "a" : "caf\u00e9/x", "_embedded":{"tags":[],"threads":[{"id":2}]}}"#,
        ] {
            assert_eq!(digests(other), plain, "{other}");
        }
        let row = |threads: Value| json!({"id": 1, "a": "café/x", "_embedded": {"tags": [], "threads": threads}});
        assert_eq!(plain.whole, whole(&row(json!([{"id": 2}]))));
        assert_eq!(plain.listed, listed(&row(json!([]))));
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
