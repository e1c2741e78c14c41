//! Whether a file has the form of a mapping: keys that exist, and values of the right kind.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Value;
use super::fault::{Fault, alternatives, suggestion};
use super::keys::{Form, MAPPING, RULE_KEYS};

/// Faults of form. What words mean is checked where rules are made.
pub(super) fn check(text: &str, root: &DeTable<'_>) -> Vec<Fault> {
    let mut check = Check { text, faults: Vec::new() };
    check.keys(root, "a mapping", &MAPPING.iter().map(|key| key.name).collect::<Vec<_>>());
    for (name, value) in root {
        if let Some(key) = MAPPING.iter().find(|key| key.name == name.get_ref().as_ref()) {
            check.value(value, &key.form, key.name);
        }
    }
    check.faults
}

struct Check<'t> {
    text: &'t str,
    faults: Vec<Fault>,
}

fn article(kind: &str) -> String {
    let article = if kind.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {kind}")
}

impl Check<'_> {
    fn wrong_type(&mut self, value: &Value<'_>, expected: &str) {
        let found = match value.get_ref() {
            DeValue::String(_) => "text".to_owned(),
            other => article(other.type_str()),
        };
        let hint = match value.get_ref() {
            DeValue::Boolean(false) if expected.contains("text") => {
                Some("`false` removes a rule that a mapping inherits; nothing of this name is inherited".to_owned())
            }
            DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) if expected.contains("text") => {
                Some(format!("write it in quotes: `\"{}\"`", &self.text[value.span()]))
            }
            _ => None,
        };
        self.faults.push(Fault { hint, ..Fault::error(value.span(), format!("expected {expected}, found {found}")) });
    }

    /// Faults for keys that the section does not have.
    fn keys(&mut self, table: &DeTable<'_>, section: &str, known: &[&str]) {
        for key in table.keys() {
            let found = key.get_ref().as_ref();
            if !known.contains(&found) {
                let problem = format!("unknown key in {section}: expected {}", alternatives(known));
                self.faults.push(Fault { hint: suggestion(found, known), ..Fault::error(key.span(), problem) });
            }
        }
    }

    fn value(&mut self, value: &Value<'_>, form: &Form, path: &str) {
        match form {
            // What versions and sources there are is said where they are read.
            Form::Any | Form::Version | Form::Shape(_) => {}
            Form::Text | Form::Word(_) | Form::Source => self.text_or(value, "text"),
            Form::Bool => {
                if !value.get_ref().is_bool() {
                    self.wrong_type(value, "`true` or `false`");
                }
            }
            Form::Texts => match value.get_ref() {
                DeValue::Array(items) => items.iter().for_each(|item| self.value(item, &Form::Text, path)),
                _ => self.text_or(value, "text or a list of texts"),
            },
            Form::Table { called, keys } => match value.get_ref().as_table() {
                Some(table) => {
                    let section = called.map_or_else(|| format!("`[{path}]`"), str::to_owned);
                    self.keys(table, &section, &keys.iter().map(|key| key.name).collect::<Vec<_>>());
                    for (name, value) in table {
                        if let Some(key) = keys.iter().find(|key| key.name == name.get_ref().as_ref()) {
                            self.value(value, &key.form, &format!("{path}.{}", key.name));
                        }
                    }
                }
                None if matches!(path, "skip" | "reject") => self.wrong_type(value, "a table with `when` and `reason`"),
                None => self.wrong_type(value, "a table"),
            },
            Form::Map(form) => match value.get_ref().as_table() {
                Some(table) => {
                    for (name, value) in table {
                        self.value(value, form, &format!("{path}.{}", name.get_ref()));
                    }
                }
                None => self.wrong_type(value, "a table"),
            },
            Form::Rule { value: of, further } => self.rule(value, of, further, path),
            Form::OneOrMore(form) => match value.get_ref() {
                DeValue::Array(items) => items.iter().for_each(|item| self.value(item, form, path)),
                _ => self.value(value, form, path),
            },
            Form::TextOr { form, expected } => match value.get_ref() {
                DeValue::Table(_) => self.value(value, form, path),
                _ => self.text_or(value, expected),
            },
            Form::Reasons => match value.get_ref().as_table() {
                Some(table) => self.reasons(table, 0),
                None => self.wrong_type(value, "a table"),
            },
        }
    }

    fn text_or(&mut self, value: &Value<'_>, expected: &str) {
        if !value.get_ref().is_str() {
            self.wrong_type(value, expected);
        }
    }

    fn rule(&mut self, value: &Value<'_>, of: &Form, further: &[super::keys::Key], path: &str) {
        if value.get_ref().is_str() {
            return;
        }
        let Some(table) = value.get_ref().as_table() else {
            self.wrong_type(value, "text or a table with `from`, `table` and `default`");
            return;
        };
        let known: Vec<&str> =
            RULE_KEYS.iter().map(|(name, _)| *name).chain(further.iter().map(|key| key.name)).collect();
        self.keys(table, &format!("`[{path}]`"), &known);
        for (name, value) in table {
            let name = name.get_ref().as_ref();
            let path = format!("{path}.{name}");
            match name {
                "from" | "default" => self.value(value, of, &path),
                "table" | "when" => match value.get_ref().as_table() {
                    Some(values) => values.values().for_each(|value| self.value(value, of, &path)),
                    None if name == "when" => self.wrong_type(value, "a table of conditions and what they give"),
                    None => self.wrong_type(value, "a table"),
                },
                _ => {
                    if let Some(key) = further.iter().find(|key| key.name == name) {
                        self.value(value, &key.form, &path);
                    }
                }
            }
        }
    }

    fn reasons(&mut self, table: &DeTable<'_>, depth: usize) {
        for value in table.values() {
            match value.get_ref() {
                DeValue::String(_) => {}
                DeValue::Table(below) if depth < 16 => self.reasons(below, depth + 1),
                _ => self.wrong_type(value, "text (the reason)"),
            }
        }
    }
}

/// The value of a key.
pub(super) fn get<'a, 'i>(table: &'a DeTable<'i>, key: &str) -> Option<&'a Value<'i>> {
    table.get(key)
}

/// A key with its place, and its value.
pub(super) fn entry<'a, 'i>(
    table: &'a DeTable<'i>,
    key: &str,
) -> Option<(&'a Spanned<toml::de::DeString<'i>>, &'a Value<'i>)> {
    table.get_key_value(key)
}
