//! The form of what a case expects: which keys there are, and which words can stand there.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::conversation::{Kind, Status, ThreadKind};
use crate::finding::codes;
use crate::mapping::Value;
use crate::mapping::fault::{Fault, alternatives, suggestion};

/// What can stand under a key.
pub(super) enum Form {
    /// A text, a number, a time, or conditions for it.
    Text,
    /// One of these words, or conditions.
    Word(&'static [&'static str]),
    /// A reason: a text, conditions, or `true` for any.
    Reason,
    /// A list of these, conditions for a list of texts, or elements by their numbers.
    List(&'static Form),
    /// A table with these keys.
    Table(&'static [(&'static str, Form)]),
    /// A table with keys that the operator chose.
    Free,
    /// Codes of findings, perhaps with a field behind.
    Findings,
}

/// What can be asked of a text or a list of texts.
pub(super) const CONDITIONS: &[&str] = &["is", "contains", "lacks", "starts", "ends", "length"];

const ATTACHMENT: &[(&str, Form)] = &[("name", Form::Text), ("mime", Form::Text), ("size", Form::Text)];

const THREAD: &[(&str, Form)] = &[
    ("type", Form::Word(ThreadKind::WORDS)),
    ("author", Form::Text),
    ("name", Form::Text),
    ("body", Form::Text),
    ("text", Form::Text),
    ("cc", Form::List(&Form::Text)),
    ("bcc", Form::List(&Form::Text)),
    ("created_at", Form::Text),
    ("attachments", Form::List(&Form::Table(ATTACHMENT))),
];

const CUSTOMER: &[(&str, Form)] = &[
    ("email", Form::Text),
    ("emails", Form::List(&Form::Text)),
    ("first_name", Form::Text),
    ("last_name", Form::Text),
    ("is_stand_in", Form::Text),
    ("phones", Form::List(&Form::Text)),
    ("company", Form::Text),
    ("job_title", Form::Text),
    ("notes", Form::Text),
    ("websites", Form::List(&Form::Text)),
    ("fields", Form::Free),
];

/// The keys of `expect`.
pub(super) const EXPECTED: &[(&str, Form)] = &[
    ("skipped", Form::Reason),
    ("rejected", Form::Reason),
    ("mailbox", Form::Text),
    ("type", Form::Word(Kind::WORDS)),
    ("status", Form::Word(Status::WORDS)),
    ("subject", Form::Text),
    ("customer", Form::Table(CUSTOMER)),
    ("assignee", Form::Text),
    ("created_at", Form::Text),
    ("closed_at", Form::Text),
    ("tags", Form::List(&Form::Text)),
    ("fields", Form::Free),
    ("threads", Form::List(&Form::Table(THREAD))),
    ("findings", Form::Findings),
];

/// Faults of what a case expects; `path` is for messages.
pub(super) fn check(value: &Value<'_>, form: &Form, path: &str, faults: &mut Vec<Fault>) {
    // `false` says of anything that it is not there.
    if value.get_ref().as_bool() == Some(false) {
        return;
    }
    match (form, value.get_ref()) {
        (Form::Table(keys), DeValue::Table(table)) => {
            let names: Vec<&str> = keys.iter().map(|(name, _)| *name).collect();
            for (key, value) in table {
                match keys.iter().find(|(name, _)| *name == key.get_ref().as_ref()) {
                    Some((name, form)) => check(value, form, &format!("{path}.{name}"), faults),
                    None => unknown(key, path, &names, faults),
                }
            }
        }
        (Form::Table(_) | Form::Free, other) if other.as_table().is_none() => {
            faults.push(Fault::error(value.span(), format!("`{path}` is a table, not {}", named(other))));
        }
        (Form::Free, DeValue::Table(table)) => {
            table.values().for_each(|value| check(value, &Form::Text, path, faults));
        }
        (Form::List(of), DeValue::Array(items)) => {
            items.iter().for_each(|item| check(item, of, path, faults));
        }
        (Form::List(of), DeValue::Table(table)) if table.keys().all(is_number) => {
            table.values().for_each(|value| check(value, of, path, faults));
        }
        (Form::List(Form::Table(_)), DeValue::Table(table)) => {
            for key in table.keys().filter(|key| !is_number(key)) {
                let problem = format!("`{path}` has numbers: `{path}.0` is the first");
                faults.push(Fault::error(key.span(), problem));
            }
        }
        (Form::List(_), DeValue::Table(table)) => conditions(table, path, faults),
        (Form::List(_), other) => {
            faults.push(Fault::error(value.span(), format!("`{path}` is a list, not {}", named(other))));
        }
        (Form::Findings, DeValue::Array(items)) => items.iter().for_each(|item| code(item, faults)),
        (Form::Findings, DeValue::Table(table)) => conditions(table, path, faults),
        (Form::Findings, other) => {
            faults.push(Fault::error(value.span(), format!("`{path}` is a list of codes, not {}", named(other))));
        }
        (Form::Word(words), DeValue::String(text)) => word(text, words, &value.span(), faults),
        (_, DeValue::Table(table)) => conditions(table, path, faults),
        (_, other @ DeValue::Array(_)) => {
            faults.push(Fault::error(value.span(), format!("`{path}` is a text, not {}", named(other))));
        }
        _ => {}
    }
}

fn is_number(key: &Spanned<toml::de::DeString<'_>>) -> bool {
    key.get_ref().parse::<usize>().is_ok()
}

fn named(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Table(_) => "a table",
        DeValue::Array(_) => "a list",
        DeValue::Boolean(_) => "`true`",
        _ => "a number or a time",
    }
}

fn unknown(key: &Spanned<toml::de::DeString<'_>>, section: &str, known: &[&str], faults: &mut Vec<Fault>) {
    let problem = format!("unknown key in `{section}`: expected {}", alternatives(known));
    faults.push(Fault { hint: suggestion(key.get_ref(), known), ..Fault::error(key.span(), problem) });
}

fn word(text: &str, words: &[&str], span: &Range<usize>, faults: &mut Vec<Fault>) {
    if !words.contains(&text) {
        let problem = format!("nothing ever becomes `{text}`: expected {}", alternatives(words));
        faults.push(Fault { hint: suggestion(text, words), ..Fault::error(span.clone(), problem) });
    }
}

fn code(item: &Value<'_>, faults: &mut Vec<Fault>) {
    let Some(text) = item.get_ref().as_str() else {
        faults.push(Fault::error(item.span(), "expected the code of a finding in quotes"));
        return;
    };
    let word = text.split(' ').next().unwrap_or_default();
    let known: Vec<&str> = codes::ALL.iter().map(|(code, ..)| *code).collect();
    if !known.contains(&word) {
        let problem = format!("`{word}` is no finding; docs/findings.md lists them");
        faults.push(Fault { hint: suggestion(word, &known), ..Fault::error(item.span(), problem) });
    }
}

fn conditions(table: &DeTable<'_>, path: &str, faults: &mut Vec<Fault>) {
    for (key, value) in table {
        let name = key.get_ref().as_ref();
        if !CONDITIONS.contains(&name) {
            let problem = format!("unknown condition for `{path}`: expected {}", alternatives(CONDITIONS));
            faults.push(Fault { hint: suggestion(name, CONDITIONS), ..Fault::error(key.span(), problem) });
        } else if name == "length" && value.get_ref().as_integer().is_none() {
            faults.push(Fault::error(value.span(), "expected a number of characters or items"));
        }
    }
}
