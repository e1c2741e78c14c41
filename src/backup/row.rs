//! A row of a list as FreeScout wrote it, and what a run wants to know of it, found in one look.
//!
//! The text is kept as it came and never written anew: what goes into a snapshot is FreeScout's own, to the byte.

use jiff::Timestamp;
use serde::de::{Deserialize, Deserializer, Error};
use serde_json::Value;
use serde_json::value::RawValue;

use super::digest::{self, Digests};
use super::files::Names;
use super::format::{self, OURS, Ours};
use super::tree::Tree;
use crate::freescout::wire;

/// A conversation, customer or user.
#[derive(Debug, Clone)]
pub(super) struct Row {
    /// None in what is no row.
    pub id: Option<u64>,
    pub digests: Digests,
    /// The mailbox of a conversation.
    pub mailbox: Option<u64>,
    pub created: Option<Timestamp>,
    pub updated: Option<Timestamp>,
    /// How many threads came with a conversation.
    pub threads: u64,
    /// Files that it names.
    pub names: Names,
    /// As it came, on one line.
    text: Box<str>,
    /// Whether what is ours can be put at the text's end.
    is_plain: bool,
}

impl Row {
    /// Looks at a text, which has to be JSON.
    pub fn of(text: impl Into<Box<str>>) -> serde_json::Result<Self> {
        let text = on_one_line(text.into());
        let tree = Tree::of(&text)?;
        let time = |key: &str| tree.get(key).and_then(Tree::as_str).and_then(wire::parse_time);
        let id_of = |key: &str| tree.get(key).map(Tree::scalar).as_ref().and_then(wire::as_id);
        let is_plain = match &tree {
            Tree::Object(fields) => {
                let count = |key: &str| fields.iter().filter(|(name, _)| name == key).count();
                // Readers of a line object to a key that stands twice.
                count("id") == 1 && count("_embedded") <= 1 && count(OURS) == 0
            }
            _ => false,
        };
        Ok(Self {
            id: id_of("id"),
            digests: digest::both(&tree),
            mailbox: id_of("mailboxId"),
            created: time("createdAt"),
            updated: time("updatedAt"),
            threads: threads_in(&tree),
            names: Names::of(&tree),
            is_plain,
            text,
        })
    }

    /// The row as a line of a snapshot: FreeScout's text, and what is ours behind it.
    pub fn line(&self, ours: &Ours) -> String {
        let before_end = self.text.strip_suffix('}').filter(|_| self.is_plain);
        let (Some(theirs), Ok(ours_text)) = (before_end, serde_json::to_string(ours)) else {
            return format::line_of(self.value(), ours);
        };
        let mut line = String::with_capacity(theirs.len() + OURS.len() + ours_text.len() + 5);
        for part in [theirs, ",\"", OURS, "\":", &ours_text, "}"] {
            line.push_str(part);
        }
        line
    }

    /// The row as a value.
    pub fn value(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }
}

impl<'de> Deserialize<'de> for Row {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::of(Box::<RawValue>::deserialize(from)?).map_err(D::Error::custom)
    }
}

/// How many threads a conversation comes with.
pub(super) fn threads_in(row: &Tree<'_>) -> u64 {
    let threads = row.get("_embedded").and_then(|parts| parts.get("threads"));
    threads.map_or(0, |threads| threads.items().count() as u64)
}

/// JSON without line breaks. Inside texts they are written as escapes, so that all there are stand between values.
fn on_one_line(text: Box<str>) -> Box<str> {
    if memchr::memchr2(b'\n', b'\r', text.as_bytes()).is_none() {
        return text;
    }
    text.replace(['\n', '\r'], " ").into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_is_the_text_as_it_came_with_ours_at_its_end() {
        let ours = Ours { digest: "d".to_owned(), ..Ours::default() };
        for (text, line) in [
            (
                r#"{"id":1,"a":"caf\u00e9\/","n":1.10,"z":{}}"#,
                r#"{"id":1,"a":"caf\u00e9\/","n":1.10,"z":{},"_backup":{"digest":"d"}}"#,
            ),
            ("{\r\n \"id\": 1\n}", r#"{   "id": 1 ,"_backup":{"digest":"d"}}"#),
            // What would stand twice is written anew.
            (r#"{"id":1,"_backup":{"digest":"x"},"b":2}"#, r#"{"id":1,"_backup":{"digest":"d"},"b":2}"#),
            (r#"{"id":1,"id":2}"#, r#"{"id":2,"_backup":{"digest":"d"}}"#),
            ("{}", r#"{"_backup":{"digest":"d"}}"#),
            ("[1]", "[1]"),
        ] {
            let row = Row::of(text).unwrap();
            assert_eq!(row.line(&ours), line, "{text}");
            let mut back: Value = serde_json::from_str(&row.line(&ours)).unwrap();
            if let Some(object) = back.as_object_mut() {
                assert_eq!(object.shift_remove(OURS), Some(json!({"digest": "d"})), "{text}");
            }
        }
        assert!(Row::of(r#"{"id":1"#).is_err());
        let broken_text = "{\"id\":\"a\nb\"}";
        assert!(serde_json::from_str::<Row>(broken_text).is_err(), "a line break inside a text is no JSON");
    }

    #[test]
    fn threads_are_counted_in_a_list_and_in_what_was_one() {
        for (text, count) in [
            (r#"{"_embedded":{"threads":[{},{}]}}"#, 2),
            (r#"{"_embedded":{"threads":{"0":{},"2":{},"5":{}}}}"#, 3),
            (r#"{"_embedded":{"threads":null}}"#, 0),
            (r#"{"_embedded":[]}"#, 0),
            ("{}", 0),
        ] {
            assert_eq!(Row::of(text).unwrap().threads, count, "{text}");
        }
    }
}
