//! What is expected, and what is seen: field by field, only what is named.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::shape::CONDITIONS;

/// One thing that is not as expected.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Difference {
    /// Which: `status`, `threads[0].body`.
    pub field: String,
    /// What the case says.
    pub expected: String,
    /// What the mapping gave; `nothing`, if it gave nothing.
    pub got: String,
}

/// The longest text that is shown whole.
const SHOWN_CHARS: usize = 240;

/// How much of a longer text is shown before the place where it differs.
const BEFORE_CHARS: usize = 60;

/// Everything that is not as expected.
pub(super) fn compare(expected: &Value, seen: &Map<String, Value>) -> Vec<Difference> {
    let mut differences = Vec::new();
    let Value::Object(expected) = expected else { return differences };
    let ends = ["skipped", "rejected"];
    let wants_an_end = ends.iter().any(|end| expected.get(*end).is_some_and(|value| value != &Value::Bool(false)));
    if let Some(end) = ends.iter().find(|end| seen.contains_key(**end) && !expected.contains_key(**end)) {
        let wanted = ends.iter().find(|end| expected.contains_key(**end)).unwrap_or(&"a conversation");
        let got = format!("{end}: {}", seen[*end].as_str().unwrap_or_default());
        differences.push(difference("outcome", (*wanted).to_owned(), got));
        return differences;
    }
    if wants_an_end && !ends.iter().any(|end| seen.contains_key(*end)) {
        let wanted = ends.iter().find(|end| expected.contains_key(**end)).copied().unwrap_or_default();
        differences.push(difference("outcome", wanted.to_owned(), "a conversation".to_owned()));
        return differences;
    }
    for (key, expected) in expected {
        match key.as_str() {
            "findings" => findings(expected, &seen[key], &mut differences),
            _ => value(expected, seen.get(key), key, &mut differences),
        }
    }
    differences
}

fn difference(field: &str, expected: String, got: String) -> Difference {
    Difference { field: field.to_owned(), expected, got }
}

fn value(expected: &Value, seen: Option<&Value>, path: &str, out: &mut Vec<Difference>) {
    match (expected, seen) {
        (Value::Bool(false), None) => {}
        // An empty list or table is as good as none.
        (Value::Bool(false), Some(Value::Array(items))) if items.is_empty() => {}
        (Value::Bool(false), Some(Value::Object(items))) if items.is_empty() => {}
        (Value::Bool(true), Some(seen)) if !seen.is_boolean() => {}
        (Value::Object(wanted), Some(Value::Object(seen))) => {
            for (key, expected) in wanted {
                value(expected, seen.get(key), &format!("{path}.{key}"), out);
            }
        }
        (Value::Object(wanted), Some(Value::Array(items))) if is_numbered(wanted) => {
            for (key, expected) in wanted {
                let item = key.parse::<usize>().ok().and_then(|index| items.get(index));
                value(expected, item, &format!("{path}[{key}]"), out);
            }
        }
        (Value::Object(wanted), None) if !wanted.keys().all(|key| CONDITIONS.contains(&key.as_str())) => {
            for (key, expected) in wanted {
                value(expected, None, &format!("{path}.{key}"), out);
            }
        }
        (Value::Object(wanted), seen) if wanted.keys().all(|key| CONDITIONS.contains(&key.as_str())) => {
            conditions(wanted, seen, path, out);
        }
        (Value::Array(wanted), Some(Value::Array(items))) => {
            let is_flat = wanted.iter().chain(items).all(|item| !item.is_object());
            if wanted.len() != items.len() && is_flat {
                out.push(difference(path, shown(expected), shown(&Value::Array(items.clone()))));
                return;
            }
            if wanted.len() != items.len() {
                let count = |count: usize| format!("{count} of them");
                out.push(difference(path, count(wanted.len()), count(items.len())));
            }
            for (index, (expected, seen)) in wanted.iter().zip(items).enumerate() {
                value(expected, Some(seen), &format!("{path}[{index}]"), out);
            }
        }
        (_, Some(seen)) if is_equal(expected, seen) => {}
        (_, seen) => out.push(differing(path, expected, seen)),
    }
}

fn is_numbered(table: &Map<String, Value>) -> bool {
    !table.is_empty() && table.keys().all(|key| key.parse::<usize>().is_ok())
}

/// Equal as texts, or as times.
fn is_equal(expected: &Value, seen: &Value) -> bool {
    let (Some(expected), Some(seen)) = (text(expected), text(seen)) else { return expected == seen };
    let time = |text: &str| text.parse::<Timestamp>().ok();
    expected == seen || time(&expected).is_some_and(|expected| time(&seen) == Some(expected))
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(is) => Some(is.to_string()),
        _ => None,
    }
}

/// Conditions for a text, or for a list of texts.
fn conditions(wanted: &Map<String, Value>, seen: Option<&Value>, path: &str, out: &mut Vec<Difference>) {
    let items: Option<Vec<String>> =
        seen.and_then(Value::as_array).map(|items| items.iter().filter_map(text).collect());
    let whole = seen.and_then(text);
    let has = |part: &str| match &items {
        Some(items) => items.iter().any(|item| item == part),
        None => whole.as_deref().is_some_and(|whole| whole.contains(part)),
    };
    let first = || items.as_ref().map_or(whole.as_deref(), |items| items.first().map(String::as_str));
    let last = || items.as_ref().map_or(whole.as_deref(), |items| items.last().map(String::as_str));
    for (condition, value) in wanted {
        let parts: Vec<String> = match value {
            Value::Array(parts) => parts.iter().filter_map(text).collect(),
            one => text(one).into_iter().collect(),
        };
        for part in parts {
            let holds = match condition.as_str() {
                "is" => whole.as_ref() == Some(&part),
                "contains" => has(&part),
                "lacks" => !has(&part),
                "starts" => first().is_some_and(|first| first.starts_with(&part)),
                "ends" => last().is_some_and(|last| last.ends_with(&part)),
                _ => {
                    let length = items.as_ref().map(Vec::len);
                    let length = length.unwrap_or_else(|| whole.as_deref().map_or(0, |whole| whole.chars().count()));
                    part == length.to_string()
                }
            };
            if !holds {
                let got = seen.map_or_else(|| "nothing".to_owned(), shown);
                out.push(difference(path, format!("{condition} {}", quoted(&part)), got));
            }
        }
    }
}

/// The codes of findings: those named and no others. A code alone stands for all of its kind.
fn findings(expected: &Value, seen: &Value, out: &mut Vec<Difference>) {
    let Value::Array(wanted) = expected else {
        // Codes alone are what conditions are about.
        let codes = seen.as_array().into_iter().flatten().filter_map(Value::as_str);
        let codes: Vec<Value> =
            codes.flat_map(|code| [code, code.split(' ').next().unwrap_or(code)]).map(Value::from).collect();
        value(expected, Some(&Value::Array(codes)), "findings", out);
        return;
    };
    let wanted: Vec<&str> = wanted.iter().filter_map(Value::as_str).collect();
    let mut seen: Vec<&str> = seen.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    seen.sort_unstable();
    seen.dedup();
    let fits = |wanted: &str, seen: &str| wanted == seen || seen.split(' ').next() == Some(wanted);
    for wanted in &wanted {
        if !seen.iter().any(|seen| fits(wanted, seen)) {
            out.push(difference("findings", format!("`{wanted}`"), "nothing".to_owned()));
        }
    }
    for seen in &seen {
        if !wanted.iter().any(|wanted| fits(wanted, seen)) {
            out.push(difference("findings", "nothing".to_owned(), format!("`{seen}`")));
        }
    }
}

fn differing(path: &str, expected: &Value, seen: Option<&Value>) -> Difference {
    if let (Value::String(expected), Some(Value::String(seen))) = (expected, seen) {
        let same = expected.chars().zip(seen.chars()).take_while(|(one, other)| one == other).count();
        return difference(path, window(expected, same), window(seen, same));
    }
    difference(path, shown(expected), seen.map_or_else(|| "nothing".to_owned(), shown))
}

/// The text, or of a long one what stands around the place where it differs.
fn window(text: &str, place: usize) -> String {
    if text.chars().count() <= SHOWN_CHARS {
        return quoted(text);
    }
    let start = place.saturating_sub(BEFORE_CHARS);
    let part: String = text.chars().skip(start).take(SHOWN_CHARS).collect();
    let before = if start > 0 { "…" } else { "" };
    let after = if text.chars().count() > start + SHOWN_CHARS { "…" } else { "" };
    quoted(&format!("{before}{part}{after}"))
}

fn shown(value: &Value) -> String {
    match value {
        Value::Bool(false) => "nothing".to_owned(),
        Value::Bool(true) => "something".to_owned(),
        Value::String(text) => window(text, 0),
        Value::Array(items) if items.is_empty() => "nothing".to_owned(),
        Value::Array(items) if items.iter().all(|item| !item.is_object()) => {
            items.iter().map(shown).collect::<Vec<_>>().join(", ")
        }
        other => window(&other.to_string(), 0).trim_matches('`').to_owned(),
    }
}

fn quoted(text: &str) -> String {
    format!("`{text}`")
}
