//! Reads a request's parameters the way the server's language and framework do.
//!
//! What counts as given, as empty, as a number or as true follows PHP; which of query and body wins, what is
//! trimmed and what a blank becomes follows the framework's global middleware. Nothing here is an error: input that
//! cannot be parsed is empty input.

use serde_json::{Map, Value};

/// The parameters of one request after trimming: query and body merged, keys as they were sent.
pub(super) fn parameters(query: &str, content_type: &str, body: &[u8]) -> Map<String, Value> {
    let mut merged = Map::new();
    form(query, &mut merged);
    let kind = content_type.to_ascii_lowercase();
    if kind.contains("/json") || kind.contains("+json") {
        match serde_json::from_slice::<Value>(body) {
            Ok(Value::Object(map)) => merged.extend(map),
            Ok(Value::Array(list)) => {
                merged.extend(list.into_iter().enumerate().map(|(i, v)| (i.to_string(), v)));
            }
            _ => {}
        }
    } else if kind.starts_with("application/x-www-form-urlencoded")
        && let Ok(text) = std::str::from_utf8(body)
    {
        form(text, &mut merged);
    }
    for (key, value) in &mut merged {
        tidy(key, value);
    }
    merged
}

/// Adds URL-encoded pairs, with `a[b][]` as nested values.
fn form(text: &str, into: &mut Map<String, Value>) {
    for (key, value) in url::form_urlencoded::parse(text.as_bytes()) {
        // PHP drops pairs without a name and limits neither their number here nor their depth beyond reason.
        let mut parts = key.splitn(16, '[');
        let Some(first) = parts.next().filter(|p| !p.is_empty()) else { continue };
        let path: Vec<String> = parts.map(|p| p.trim_end_matches(']').to_owned()).collect();
        let mut at = into.entry(first.to_owned()).or_insert(Value::Null);
        for step in &path {
            if !at.is_object() {
                *at = Value::Object(Map::new());
            }
            let Value::Object(map) = at else { break };
            let step = if step.is_empty() { map.len().to_string() } else { step.clone() };
            at = map.entry(step).or_insert(Value::Null);
        }
        *at = Value::String(value.into_owned());
    }
}

/// Trims every string at any depth and turns empty ones into null; passwords keep their spaces.
fn tidy(key: &str, value: &mut Value) {
    match value {
        Value::String(text) => {
            if !matches!(key, "password" | "password_confirmation") {
                let trimmed = text.trim_matches(is_php_space);
                if trimmed.len() != text.len() {
                    *text = trimmed.to_owned();
                }
            }
            if text.is_empty() {
                *value = Value::Null;
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|v| tidy("", v)),
        Value::Object(map) => map.iter_mut().for_each(|(k, v)| tidy(k, v)),
        _ => {}
    }
}

fn is_php_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\0' | '\x0b')
}

/// The same value with every key in snake case, at any depth.
pub(super) fn snake(value: Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(snake_map(map)),
        Value::Array(list) => Value::Array(list.into_iter().map(snake).collect()),
        other => other,
    }
}

/// The same map with every key in snake case, at any depth.
pub(super) fn snake_map(map: Map<String, Value>) -> Map<String, Value> {
    map.into_iter().map(|(key, value)| (snake_key(key), snake(value))).collect()
}

fn snake_key(key: String) -> String {
    if !key.contains(|c: char| c.is_ascii_uppercase() || c.is_whitespace()) {
        return key;
    }
    let mut out = String::with_capacity(key.len() + 4);
    let mut starts_word = false;
    for (i, c) in key.chars().enumerate() {
        if c.is_whitespace() {
            starts_word = true;
            continue;
        }
        let upper = if starts_word { c.to_ascii_uppercase() } else { c };
        starts_word = false;
        if i > 0 && upper.is_ascii_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(upper.to_ascii_lowercase());
    }
    out
}

/// Whether PHP's `empty` holds: absent, null, false, 0, "0", "" and the empty array.
pub(super) fn is_empty(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null | Value::Bool(false)) => true,
        Some(Value::Bool(true)) => false,
        Some(Value::Number(n)) => n.as_f64() == Some(0.0),
        Some(Value::String(s)) => s.is_empty() || s == "0",
        Some(Value::Array(list)) => list.is_empty(),
        Some(Value::Object(map)) => map.is_empty(),
    }
}

/// A list or an object: both are arrays to the server.
pub(super) fn is_array(value: &Value) -> bool {
    matches!(value, Value::Array(_) | Value::Object(_))
}

/// The members of a list or of an object, in order.
pub(super) fn members(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(list) => list.iter().collect(),
        Value::Object(map) => map.values().collect(),
        _ => Vec::new(),
    }
}

/// The integer that a cast gives: `"12abc"` is 12, `true` is 1, a filled array is 1, words are 0.
pub(super) fn int(value: Option<&Value>) -> i64 {
    match value {
        None | Some(Value::Null | Value::Bool(false)) => 0,
        Some(Value::Bool(true)) => 1,
        Some(Value::Number(n)) => n.as_i64().unwrap_or_else(|| n.as_f64().unwrap_or(0.0) as i64),
        Some(Value::String(s)) => leading_int(s),
        Some(Value::Array(list)) => i64::from(!list.is_empty()),
        Some(Value::Object(map)) => i64::from(!map.is_empty()),
    }
}

/// The number at the start of a text, 0 without one.
pub(super) fn leading_int(text: &str) -> i64 {
    let text = text.trim_start();
    let digits = text.trim_start_matches(['-', '+']);
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    let number: i64 = digits[..end].parse().unwrap_or(0);
    if text.starts_with('-') { -number } else { number }
}

/// The id that a look-up by primary key would compare with; none for what no row can have.
pub(super) fn id(value: &Value) -> Option<u64> {
    if let Value::Number(n) = value
        && n.as_i64().is_none()
    {
        return n.as_u64();
    }
    u64::try_from(int(Some(value))).ok().filter(|id| *id > 0)
}

/// The text of a scalar as it is stored; none for null, an error for what has no text.
pub(super) fn text(value: Option<&Value>) -> Result<Option<String>, NotText> {
    Ok(match value {
        None | Some(Value::Null) => None,
        Some(Value::String(s)) => Some(s.clone()),
        Some(Value::Number(n)) => Some(number_text(n)),
        Some(Value::Bool(true)) => Some("1".to_owned()),
        Some(Value::Bool(false)) => Some("0".to_owned()),
        Some(Value::Array(_) | Value::Object(_)) => return Err(NotText),
    })
}

/// An array stands where the server needs a text: it fails there with a 500.
#[derive(Debug, Clone, Copy)]
pub(super) struct NotText;

fn number_text(n: &serde_json::Number) -> String {
    match n.as_f64() {
        // PHP writes whole floats without a fraction: 12.0 is "12".
        Some(f) if n.is_f64() && f.fract() == 0.0 && f.abs() < 1e15 => format!("{f:.0}"),
        _ => n.to_string(),
    }
}

/// Cuts a text to a number of characters, as a column does.
pub(super) fn cut(text: &str, characters: usize) -> &str {
    match text.char_indices().nth(characters) {
        Some((at, _)) => &text[..at],
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn strings_are_trimmed_and_blanks_become_null_but_passwords_stay() {
        let got = parameters("", "application/json", br#"{"a":" x ","b":"  ","c":[{"d":"\t"}],"password":" p "}"#);
        assert_eq!(Value::Object(got), json!({"a":"x","b":null,"c":[{"d":null}],"password":" p "}));
    }

    #[test]
    fn broken_json_and_other_content_types_are_empty_input() {
        for (kind, body) in [("application/json", "{\"a\":"), ("text/plain", "{\"a\":1}"), ("application/json", "null")]
        {
            assert!(parameters("", kind, body.as_bytes()).is_empty(), "{kind} {body}");
        }
    }

    #[test]
    fn the_body_wins_over_the_query_and_brackets_nest() {
        let got = parameters("a=1&b[2]=7&c[]=x&c[]=y", "application/json", br#"{"a":2}"#);
        assert_eq!(Value::Object(got), json!({"a":2,"b":{"2":"7"},"c":{"0":"x","1":"y"}}));
    }

    #[test]
    fn keys_become_snake_case() {
        for (key, want) in
            [("createdAt", "created_at"), ("emails_add", "emails_add"), ("ID", "i_d"), ("by user", "by_user")]
        {
            assert_eq!(snake_key(key.to_owned()), want);
        }
    }

    #[test]
    fn casts_follow_php() {
        for (value, want) in [
            (json!(true), 1),
            (json!("true"), 0),
            (json!("1"), 1),
            (json!("12ab"), 12),
            (json!([]), 0),
            (json!([0]), 1),
        ] {
            assert_eq!(int(Some(&value)), want, "{value}");
        }
        assert!(is_empty(Some(&json!("0"))) && !is_empty(Some(&json!("00"))));
    }
}
