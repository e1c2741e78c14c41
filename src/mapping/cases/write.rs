//! A real record as a case: nobody's, with what the mapping makes of it.

use serde_json::{Map, Value as Json, json};
use toml::de::{DeTable, DeValue};

use super::observe;
use crate::anonymise::Anonymiser;
use crate::content::Content;
use crate::mapping::{Mapping, extend};
use crate::record::Record;
use crate::record::json as record_json;

/// A longer value gets lines of its own.
const LINE_CHARS: usize = 100;

impl Mapping {
    /// An anonymiser that keeps what the mapping asks for: own domains, words of its tables and conditions.
    ///
    /// With any other, the copy of a record would not take the ways that the record takes.
    pub fn anonymiser(&self, key: [u8; 32]) -> Anonymiser {
        let mut anonymiser = Anonymiser::new(key);
        for own in &self.shape().own {
            anonymiser = if own.trim().starts_with('@') {
                anonymiser.keeping_domain(own)
            } else {
                anonymiser.keeping_value(own)
            };
        }
        let Ok((name, text)) = extend::read(self.file(), None) else { return anonymiser };
        let texts = extend::gather(&name, &text, &mut Vec::new());
        for text in texts.each() {
            let (root, _) = DeTable::parse_recoverable(text);
            anonymiser = keeping(anonymiser, root.get_ref(), true);
        }
        anonymiser
    }

    /// A record and what the mapping makes of it, as the text of a case.
    ///
    /// The record stands there as it is: give it to [`Mapping::anonymiser`] first.
    pub fn case(&self, name: &str, record: &Record) -> String {
        let mut out = format!("[[case]]\nname = {}\n\n", text(name));
        let Json::Object(said) = record_json::to_value(record) else { return out };
        let said = of_record(said, record, self.source());
        table(&mut out, "case.record", &said, Head::Shown);
        let expected = of_outcome(observe::observed(&self.convert(record.clone())));
        out.push('\n');
        table(&mut out, "case.expect", &expected, Head::Shown);
        out
    }
}

/// Keeps keys and texts of a mapping, and the words that its expressions compare with.
fn keeping(mut anonymiser: Anonymiser, table: &DeTable<'_>, is_root: bool) -> Anonymiser {
    for (key, value) in table {
        let key = key.get_ref().as_ref();
        // Reasons are prose.
        if (is_root && key == "ignore") || key == "reason" {
            continue;
        }
        anonymiser = keeping_literals(anonymiser.keeping_value(key), key);
        anonymiser = keeping_value(anonymiser, value.get_ref());
    }
    anonymiser
}

fn keeping_value(anonymiser: Anonymiser, value: &DeValue<'_>) -> Anonymiser {
    match value {
        DeValue::Table(table) => keeping(anonymiser, table, false),
        DeValue::Array(items) => items.iter().fold(anonymiser, |one, item| keeping_value(one, item.get_ref())),
        DeValue::String(text) => keeping_literals(anonymiser.keeping_value(text), text),
        _ => anonymiser,
    }
}

/// Keeps texts in quotes inside of an expression or a template's tags, as a whole and word by word.
fn keeping_literals(mut anonymiser: Anonymiser, text: &str) -> Anonymiser {
    let is_template = text.contains("{{") || text.contains("{%");
    let mut rest = text;
    while !rest.is_empty() {
        let code = if is_template {
            let Some(open) = rest.find(['{']).filter(|open| rest[*open..].len() > 2) else { break };
            let end = match rest.as_bytes()[open + 1] {
                b'{' => "}}",
                b'%' => "%}",
                _ => {
                    rest = &rest[open + 1..];
                    continue;
                }
            };
            let Some(length) = rest[open..].find(end) else { break };
            let code = &rest[open + 2..open + length.max(2)];
            rest = &rest[open + length.max(2)..];
            code
        } else {
            std::mem::take(&mut rest)
        };
        for quote in ['\'', '"'] {
            for literal in code.split(quote).skip(1).step_by(2) {
                anonymiser = anonymiser.keeping_value(literal);
                for word in literal.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty()) {
                    anonymiser = anonymiser.keeping_word(word);
                }
            }
        }
    }
    anonymiser
}

/// The record without what a case need not say, and with `false` where a default would stand otherwise.
fn of_record(mut said: Map<String, Json>, record: &Record, source: &str) -> Map<String, Json> {
    said.shift_remove("origin");
    said.shift_remove("oddities");
    if said.get("source").and_then(Json::as_str) == Some(source) {
        said.shift_remove("source");
    }
    absent(&mut said, &["subject", "requester", "created_at"]);
    let Some(Json::Array(entries)) = said.get_mut("entries") else { return said };
    for (value, entry) in entries.iter_mut().zip(&record.entries) {
        let Json::Object(value) = value else { continue };
        value.shift_remove("origin");
        if entry.is_public {
            value.shift_remove("is_public");
        }
        absent(value, &["author", "created_at"]);
        if !value.contains_key("html") {
            absent(value, &["text"]);
        }
        let Some(Json::Array(files)) = value.get_mut("attachments") else { continue };
        for (value, file) in files.iter_mut().zip(&entry.attachments) {
            let Json::Object(value) = value else { continue };
            if let (Content::Bytes(bytes), true) = (&file.content, value.contains_key("data")) {
                value.shift_remove("data");
                value.insert("size".to_owned(), json!(bytes.len()));
            }
        }
    }
    said
}

fn absent(table: &mut Map<String, Json>, keys: &[&str]) {
    for key in keys {
        table.entry(*key).or_insert(Json::Bool(false));
    }
}

/// What became of it, without what is said twice and without what says nothing.
fn of_outcome(mut seen: Map<String, Json>) -> Map<String, Json> {
    if let Some(Json::Array(findings)) = seen.get_mut("findings") {
        let mut codes: Vec<String> = findings
            .iter()
            .filter_map(Json::as_str)
            .filter_map(|one| one.split(' ').next().map(str::to_owned))
            .collect();
        codes.sort();
        codes.dedup();
        *findings = codes.into_iter().map(Json::from).collect();
    }
    for thread in seen.get_mut("threads").and_then(Json::as_array_mut).into_iter().flatten() {
        if let Json::Object(thread) = thread {
            thread.shift_remove("text");
            thread.shift_remove("created_at");
            thread.retain(|_, value| value.as_array().is_none_or(|items| !items.is_empty()));
        }
    }
    if let Some(Json::Object(customer)) = seen.get_mut("customer") {
        if customer.get("emails").and_then(Json::as_array).is_some_and(|emails| emails.len() == 1) {
            customer.shift_remove("emails");
        }
        customer.retain(|_, value| match value {
            Json::Array(items) => !items.is_empty(),
            Json::Object(fields) => !fields.is_empty(),
            value => *value != Json::Bool(false),
        });
    }
    seen.retain(|_, value| value.as_object().is_none_or(|fields| !fields.is_empty()));
    seen
}

/// Whether a table's head has been written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Head {
    Shown,
    Written,
}

/// A table with its head: what fits into a line first, then tables of its own.
fn table(out: &mut String, path: &str, said: &Map<String, Json>, head: Head) {
    if head == Head::Shown {
        out.push_str(&format!("[{path}]\n"));
    }
    let mut below = Vec::new();
    for (name, value) in said {
        if value.is_null() {
            continue;
        }
        let line = inline(value);
        let is_nested = match value {
            Json::Object(fields) => !fields.is_empty(),
            Json::Array(items) => !items.is_empty() && items.iter().all(Json::is_object),
            _ => false,
        };
        if is_nested && (line.chars().count() > LINE_CHARS || line.contains('\n')) {
            below.push((name, value));
        } else {
            out.push_str(&format!("{} = {line}\n", key(name)));
        }
    }
    for (name, value) in below {
        let path = format!("{path}.{}", key(name));
        match value {
            Json::Object(fields) => table(out, &path, fields, Head::Shown),
            Json::Array(items) => {
                for item in items.iter().filter_map(Json::as_object) {
                    out.push_str(&format!("[[{path}]]\n"));
                    table(out, &path, item, Head::Written);
                }
            }
            _ => {}
        }
    }
}

fn inline(value: &Json) -> String {
    match value {
        Json::Null => "false".to_owned(),
        Json::Bool(is) => is.to_string(),
        // TOML's integers end where those of 64 bits with a sign do.
        Json::Number(number) if number.is_u64() && !number.is_i64() => text(&number.to_string()),
        Json::Number(number) if number.is_f64() => toml::Value::Float(number.as_f64().unwrap_or_default()).to_string(),
        Json::Number(number) => number.to_string(),
        Json::String(said) => text(said),
        Json::Array(items) => {
            let items: Vec<String> = items.iter().filter(|item| !item.is_null()).map(inline).collect();
            format!("[{}]", items.join(", "))
        }
        Json::Object(fields) => {
            let fields = fields.iter().filter(|(_, value)| !value.is_null());
            let fields: Vec<String> =
                fields.map(|(name, value)| format!("{} = {}", key(name), inline(value))).collect();
            if fields.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", fields.join(", ")) }
        }
    }
}

fn text(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn key(name: &str) -> String {
    let is_bare =
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    if is_bare { name.to_owned() } else { basic(name) }
}

/// A key may not have several lines, as texts may.
fn basic(name: &str) -> String {
    let mut out = String::from("\"");
    for c in name.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
