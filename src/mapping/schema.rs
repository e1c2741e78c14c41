//! The JSON Schema of mapping files, made of the same description of keys that the loader uses.

use serde_json::{Map, Value, json};

use super::keys::{Form, Key, MAPPING, RULE_KEYS};
use crate::source::SOURCES;

/// The schema (2020-12) that editors check mapping files with while they are typed.
///
/// Name it in a mapping's first line: `#:schema ./mapping.schema.json`. Everything that it refuses the loader
/// refuses too; what words inside expressions mean only the loader knows.
pub fn schema() -> Value {
    let mut root = table(MAPPING);
    let fields = root.as_object_mut().expect("a table's schema is an object");
    fields.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    fields.insert("title".to_owned(), json!("A mapping of foxferry"));
    fields.insert("anyOf".to_owned(), json!([{ "required": ["source"] }, { "required": ["extends"] }]));
    let reasons = json!({
        "type": "object",
        "additionalProperties": { "anyOf": [{ "type": "string", "minLength": 1 }, { "$ref": "#/$defs/reasons" }, { "const": false }] },
    });
    fields.insert("$defs".to_owned(), json!({ "reasons": reasons }));
    root
}

/// A table of known keys and no others.
fn table(keys: &[Key]) -> Value {
    json!({ "type": "object", "properties": properties(keys), "additionalProperties": false })
}

fn properties(keys: &[Key]) -> Map<String, Value> {
    keys.iter().map(|key| (key.name.to_owned(), described(removable(&key.form), key.about))).collect()
}

fn described(mut schema: Value, about: &str) -> Value {
    if let Value::Object(fields) = &mut schema {
        fields.insert("description".to_owned(), json!(about));
    }
    schema
}

/// The form, or `false`, which removes an inherited rule.
fn removable(form: &Form) -> Value {
    match form {
        Form::Version | Form::Source | Form::Bool | Form::Any | Form::Shape(_) => schema_of(form),
        _ => match schema_of(form) {
            Value::Object(mut fields) if fields.len() == 1 && fields.contains_key("anyOf") => {
                if let Some(Value::Array(choices)) = fields.get_mut("anyOf") {
                    choices.push(json!({ "const": false }));
                }
                Value::Object(fields)
            }
            other => json!({ "anyOf": [other, { "const": false }] }),
        },
    }
}

fn schema_of(form: &Form) -> Value {
    match form {
        Form::Version => json!({ "const": 1 }),
        Form::Text => json!({ "type": "string" }),
        Form::Word(words) => json!({ "enum": words }),
        Form::Source => json!({ "enum": SOURCES.iter().map(|source| source.name()).collect::<Vec<_>>() }),
        Form::Bool => json!({ "type": "boolean" }),
        Form::Texts => json!({ "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }] }),
        Form::Table { keys, .. } => table(keys),
        Form::Map(form) => json!({ "type": "object", "additionalProperties": removable(form) }),
        Form::Rule { value, further } => {
            let mut rule = properties(further);
            for (name, about) in RULE_KEYS {
                let form = match *name {
                    "from" => schema_of(&Form::Text),
                    "default" => schema_of(value),
                    _ => json!({ "type": "object", "additionalProperties": removable(value) }),
                };
                rule.insert((*name).to_owned(), described(json!({ "anyOf": [form, { "const": false }] }), about));
            }
            json!({ "anyOf": [
                schema_of(value),
                { "type": "object", "properties": rule, "additionalProperties": false },
            ] })
        }
        Form::OneOrMore(form) => {
            let one = schema_of(form);
            json!({ "anyOf": [one, { "type": "array", "items": one }] })
        }
        Form::TextOr { form, .. } => json!({ "anyOf": [{ "type": "string" }, schema_of(form)] }),
        Form::Reasons => json!({ "$ref": "#/$defs/reasons" }),
        // Readers know their own keys best; those that are here are for completion.
        Form::Shape(keys) => json!({ "type": "object", "properties": properties(keys) }),
        Form::Any => json!({}),
    }
}

#[cfg(test)]
mod tests {
    use super::super::keys::SHAPE;
    use super::*;
    use crate::source::Shape;

    /// What serde says is known, if a key is not.
    fn known_to_serde(section: &str) -> Vec<String> {
        let text = format!("{section}nonsense = 1");
        let error = toml::from_str::<Shape>(&text).unwrap_err();
        error.message().split('`').skip(1).step_by(2).skip(1).map(str::to_owned).collect()
    }

    #[test]
    fn what_editors_know_of_the_shape_is_what_readers_know() {
        let check = |section: &str, keys: &[Key]| {
            let known = known_to_serde(section);
            let described: Vec<&str> = keys.iter().map(|key| key.name).collect();
            assert_eq!(described, known, "in `{section}`");
        };
        check("", SHAPE);
        for key in SHAPE {
            if let Form::Shape(keys) = &key.form {
                check(&format!("[{}]\n", key.name), keys);
            }
        }
    }
}
