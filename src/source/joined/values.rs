//! Values at paths of JSON objects: found, and taken out so that what is left over is known.

use serde_json::{Map, Value};

use super::shape::{Path, Take};

/// Every value at a path. A name with dots in it that stands there as a whole wins.
pub(super) fn find<'v>(object: &'v Map<String, Value>, path: &Path) -> Vec<&'v Value> {
    if let Some(value) = object.get(&path.text) {
        return vec![value];
    }
    let Some((first, rest)) = path.parts.split_first() else { return Vec::new() };
    let mut found = Vec::new();
    if first == "*" {
        object.values().for_each(|value| descend(value, rest, &mut found));
    } else if let Some(value) = object.get(first) {
        descend(value, rest, &mut found);
    }
    found
}

fn descend<'v>(value: &'v Value, parts: &[String], found: &mut Vec<&'v Value>) {
    let Some((first, rest)) = parts.split_first() else {
        found.push(value);
        return;
    };
    match value {
        Value::Object(object) if first == "*" => object.values().for_each(|value| descend(value, rest, found)),
        Value::Array(list) if first == "*" => list.iter().for_each(|value| descend(value, rest, found)),
        Value::Object(object) => object.get(first).into_iter().for_each(|value| descend(value, rest, found)),
        Value::Array(list) => {
            let at = first.parse::<usize>().ok().and_then(|at| list.get(at));
            at.into_iter().for_each(|value| descend(value, rest, found));
        }
        _ => {}
    }
}

/// Takes what stands at a path out; objects and lists that become empty go with it.
pub(super) fn remove(object: &mut Map<String, Value>, path: &Path) {
    if object.shift_remove(&path.text).is_none() {
        remove_parts(object, &path.parts);
    }
}

fn remove_parts(object: &mut Map<String, Value>, parts: &[String]) {
    match parts {
        [] => {}
        [only] if only == "*" => object.clear(),
        [only] => {
            object.shift_remove(only);
        }
        [first, rest @ ..] => {
            let keys: Vec<String> = match first.as_str() {
                "*" => object.keys().cloned().collect(),
                key => vec![key.to_owned()],
            };
            for key in keys {
                if let Some(value) = object.get_mut(&key)
                    && remove_below(value, rest)
                {
                    object.shift_remove(&key);
                }
            }
        }
    }
}

/// Whether nothing is left.
fn remove_below(value: &mut Value, parts: &[String]) -> bool {
    match value {
        Value::Object(inner) => {
            remove_parts(inner, parts);
            inner.is_empty()
        }
        Value::Array(list) => {
            match parts {
                [only] if only == "*" => list.clear(),
                [first, rest @ ..] if first == "*" => list.retain_mut(|value| !remove_below(value, rest)),
                // A place in a list is kept, lest the others move.
                _ => {}
            }
            list.is_empty()
        }
        _ => false,
    }
}

/// Texts, numbers and switches as text; nothing for blank ones, lists and objects.
pub(in crate::source) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()).filter(|text| !text.trim().is_empty()),
        // A whole number that went through a spreadsheet or a data frame: `3604.0`.
        Value::Number(number) => Some(match number.as_f64() {
            Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < 9.0e15 => {
                (float as i64).to_string()
            }
            _ => number.to_string(),
        }),
        Value::Bool(word) => Some(word.to_string()),
        _ => None,
    }
}

/// An id, as it is compared.
pub(in crate::source) fn id_of(value: &Value) -> Option<String> {
    scalar(value).map(|text| text.trim().to_owned())
}

/// The id at the first path that holds one.
pub(super) fn id_at(object: &Map<String, Value>, paths: &[Path]) -> Option<String> {
    paths.iter().flat_map(|path| find(object, path)).find_map(id_of)
}

/// Every value that is meant; without `join`, that of the first path that holds something.
pub(super) fn values<'v>(object: &'v Map<String, Value>, take: &Take) -> Vec<&'v Value> {
    let all = take.from.iter().map(|path| {
        let mut found: Vec<&Value> = find(object, path);
        // A list stands for its elements.
        if let [Value::Array(list)] = found[..] {
            found = list.iter().collect();
        }
        found.retain(|value| !is_nothing(value));
        found
    });
    if take.join.is_some() {
        all.flatten().collect()
    } else {
        all.into_iter().find(|found| !found.is_empty()).unwrap_or_default()
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(object) => object.is_empty(),
        _ => false,
    }
}

/// Whether a switch is on; `None` where nothing stands.
pub(super) fn switch(object: &Map<String, Value>, take: &Take) -> Option<bool> {
    let value = values(object, take).into_iter().next()?;
    let text = scalar(value).unwrap_or_default();
    let text = text.trim();
    if !take.is.is_empty() {
        return Some(take.is.iter().any(|word| word.eq_ignore_ascii_case(text)));
    }
    Some(match value {
        Value::Bool(is_on) => *is_on,
        Value::Number(number) => number.as_f64().is_some_and(|number| number != 0.0),
        _ => ["true", "yes", "y", "1", "t", "on", "x"].iter().any(|word| word.eq_ignore_ascii_case(text)),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn path(text: &str) -> Path {
        Path { text: text.to_owned(), parts: text.split('.').map(str::to_owned).collect() }
    }

    #[test]
    fn values_are_found_and_taken_out_at_paths() {
        let table = [
            ("a", json!([1]), json!({"b": {"c": 2, "d": 3}, "e": [{"n": 4, "m": 5}, {"n": 6}], "x.y": 7})),
            ("b.c", json!([2]), json!({"a": 1, "b": {"d": 3}, "e": [{"n": 4, "m": 5}, {"n": 6}], "x.y": 7})),
            ("e.*.n", json!([4, 6]), json!({"a": 1, "b": {"c": 2, "d": 3}, "e": [{"m": 5}], "x.y": 7})),
            ("e.1.n", json!([6]), json!({"a": 1, "b": {"c": 2, "d": 3}, "e": [{"n": 4, "m": 5}, {"n": 6}], "x.y": 7})),
            ("b.*", json!([2, 3]), json!({"a": 1, "e": [{"n": 4, "m": 5}, {"n": 6}], "x.y": 7})),
            ("x.y", json!([7]), json!({"a": 1, "b": {"c": 2, "d": 3}, "e": [{"n": 4, "m": 5}, {"n": 6}]})),
            ("a.b", json!([]), json!({"a": 1, "b": {"c": 2, "d": 3}, "e": [{"n": 4, "m": 5}, {"n": 6}], "x.y": 7})),
        ];
        for (at, expected, left) in table {
            let value = json!({"a": 1, "b": {"c": 2, "d": 3}, "e": [{"n": 4, "m": 5}, {"n": 6}], "x.y": 7});
            let Value::Object(mut object) = value else { unreachable!() };
            let found: Vec<Value> = find(&object, &path(at)).into_iter().cloned().collect();
            assert_eq!(Value::Array(found), expected, "{at}");
            remove(&mut object, &path(at));
            assert_eq!(Value::Object(object), left, "{at}");
        }
    }
}
