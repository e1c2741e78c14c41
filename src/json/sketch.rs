//! Objects as far as is needed to tell what they are: for a pass that writes down where they stand, and reads them again.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// How long a member's value may be to be kept as it is, in bytes: ids, dates, words and addresses are shorter.
const WHOLE: usize = 512;

/// How much of a longer text is kept, in bytes.
const BEGINNING: usize = 64;

/// An object without its long values.
#[derive(Debug)]
pub struct Sketch {
    /// The members in their order. Of long texts there is the beginning, as it stands in the file; long lists and objects are empty.
    pub object: Map<String, Value>,
    /// Whether nothing was left out.
    pub is_whole: bool,
}

/// Reads an object without its long values; `None` if the bytes are no sound object, which [`parse`](super::parse) may forgive.
///
/// Costs a third of reading it whole. What long values hold is looked at only for where they end.
pub fn sketch(bytes: &[u8]) -> Option<Sketch> {
    serde_json::from_str(std::str::from_utf8(bytes).ok()?).ok()
}

impl<'de> Deserialize<'de> for Sketch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Sketch;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Sketch, A::Error> {
                let mut sketch = Sketch { object: Map::new(), is_whole: true };
                while let Some(key) = members.next_key::<String>()? {
                    let text = members.next_value::<&RawValue>()?.get();
                    let value = match text.as_bytes().first() {
                        Some(first @ (b'"' | b'[' | b'{')) if text.len() > WHOLE => {
                            sketch.is_whole = false;
                            match first {
                                b'"' => Value::from(&text[1..text.floor_char_boundary(BEGINNING)]),
                                b'[' => Value::Array(Vec::new()),
                                _ => Value::Object(Map::new()),
                            }
                        }
                        _ => serde_json::from_str(text).map_err(A::Error::custom)?,
                    };
                    sketch.object.insert(key, value);
                }
                Ok(sketch)
            }
        }

        deserializer.deserialize_map(Members)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn short_values_are_kept_and_long_ones_are_known_by_their_kind() {
        let long = "ä".repeat(400);
        let object = json!({
            "id": 7, "big": 12_345_678_901_234_567_890_u64, "subject": "a\"b", "tags": ["x"], "none": null, "body": long,
            "comments": [{ "body": long }], "via": { "name": long }, "at": "2024-01-01T00:00:00Z",
        });
        let found = sketch(object.to_string().as_bytes()).unwrap();
        assert!(!found.is_whole);
        for key in ["id", "big", "subject", "tags", "none", "at"] {
            assert_eq!(found.object[key], object[key], "{key}");
        }
        assert_eq!(found.object["body"], json!("ä".repeat(31)));
        assert_eq!((&found.object["comments"], &found.object["via"]), (&json!([]), &json!({})));
        let keys = |object: &Map<String, Value>| object.keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(&found.object), keys(object.as_object().unwrap()));
        assert!(sketch(br#"{"id":1,"tags":[]}"#).unwrap().is_whole);
    }

    #[test]
    fn what_is_no_sound_object_is_left_to_the_parser() {
        for text in ["[1]", "7", "", "{\"a\":}", "{\"a\":1", "{\"a\":1}}", "{\"a\":1e999}", "{\"a\":\"\n\"}"] {
            assert!(sketch(text.as_bytes()).is_none(), "{text}");
        }
        assert!(sketch(b"{\"a\":\"\xff\"}").is_none());
    }
}
