//! Changes each rule of a mapping in turn, and says which changes no case notices.
//!
//! A change is made in the file's own tree, written out, and loaded like any mapping. One that makes the
//! mapping unusable is noticed by whoever loads it. What a mapping inherits is left alone: it has cases of its own.

use std::ops::{ControlFlow, Range};

use serde::Serialize;
use toml::de::{DeTable, DeValue};

use super::cases::Cases;
use super::extend::{self, Texts};
use super::fault::{self, Fault};
use super::{Mapping, MappingError, Value};
use crate::conversation::{Kind, Status, ThreadKind};

/// Stands for a value that no case expects, wherever any text may stand.
const ANOTHER: &str = "changed@example.org";

/// A field that no record has.
const NO_FIELD: &str = "fields.no_such_field";

/// What changing every rule has shown.
#[derive(Debug, Default)]
pub struct Mutated {
    /// How many changes were tried.
    pub tried: usize,
    /// Those that no case noticed.
    pub unnoticed: Vec<Unnoticed>,
    /// Whether `watch` ended it early.
    pub is_interrupted: bool,
}

/// A change that no case noticed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unnoticed {
    /// The mapping's file.
    pub file: String,
    /// Counted from 1.
    pub line: usize,
    /// Characters, counted from 1.
    pub column: usize,
    /// What was changed.
    pub change: String,
    /// All of it for people, with the source line and a caret; plain text.
    #[serde(skip)]
    pub report: String,
}

/// Changes each rule of a mapping and lets the cases look.
///
/// The cases must pass as things are. `watch` is told how many changes have been tried, of how many, and may end it.
pub fn mutate(
    file_or_name: &str,
    cases: &Cases,
    watch: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
) -> Result<Mutated, MappingError> {
    let (file, text) = extend::read(file_or_name, None)
        .map_err(|(problem, hint)| fault::without_place(file_or_name, &problem, hint.as_deref()))?;
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(&text);
    Mapping::parse(&file, text)?;
    let (root, _) = DeTable::parse_recoverable(text);
    let tree = Node::table(root.get_ref(), text);
    let mut finder = Finder { text, path: Vec::new(), places: Vec::new(), changes: Vec::new() };
    finder.table(&tree);
    let changes = finder.changes;
    let mut mutated = Mutated::default();
    let texts = Texts::of(&file, text);
    for (index, change) in changes.iter().enumerate() {
        if watch(index, changes.len()).is_break() {
            mutated.is_interrupted = true;
            break;
        }
        let mut changed = tree.clone();
        changed.apply(&change.place, &change.edit);
        let Ok(mapping) = Mapping::parse(&file, &changed.document()) else { continue };
        mutated.tried += 1;
        if !cases.notice(&mapping, &change.word) {
            mutated.unnoticed.push(change.told(&texts));
        }
    }
    Ok(mutated)
}

/// A change of one rule.
#[derive(Debug)]
struct Change {
    /// Numbers of members and items, from the root.
    place: Vec<usize>,
    edit: Edit,
    span: Range<usize>,
    said: String,
    /// A case that ends with this word is asked first.
    word: String,
}

#[derive(Debug, Clone)]
enum Edit {
    Delete,
    /// Another value, as TOML.
    Replace(String),
    /// Another key.
    Rename(String),
}

impl Change {
    fn told(&self, texts: &Texts) -> Unnoticed {
        let (file, text, _) = texts.at(0);
        let before = &text[..self.span.start.min(text.len())];
        let fault = Fault::warning("unnoticed", self.span.clone(), self.said.clone());
        Unnoticed {
            file: file.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before.rsplit('\n').next().unwrap_or_default().chars().count() + 1,
            change: self.said.clone(),
            report: fault::block(texts, &fault, "no case notices this change"),
        }
    }
}

/// A mapping's tree, which can be changed and written out again.
#[derive(Debug, Clone)]
struct Node {
    span: Range<usize>,
    form: Form,
}

#[derive(Debug, Clone)]
enum Form {
    /// In the order of the file, which counts for patterns and conditions.
    Table(Vec<(String, Range<usize>, Node)>),
    Array(Vec<Node>),
    /// A text: as it stands, and what it means.
    Text(String, String),
    /// Anything else, as it stands.
    Other(String),
}

impl Node {
    fn of(value: &Value<'_>, text: &str) -> Self {
        let span = value.span();
        let raw = || text[span.clone()].to_owned();
        let form = match value.get_ref() {
            DeValue::Table(table) => return Self { span: span.clone(), ..Self::table(table, text) },
            DeValue::Array(items) => Form::Array(items.iter().map(|item| Self::of(item, text)).collect()),
            DeValue::String(meant) => Form::Text(raw(), meant.as_ref().to_owned()),
            DeValue::Boolean(is) => Form::Other(is.to_string()),
            _ => Form::Other(raw()),
        };
        Self { span, form }
    }

    fn table(table: &DeTable<'_>, text: &str) -> Self {
        let mut members: Vec<_> =
            table.iter().map(|(key, value)| (key.get_ref().to_string(), key.span(), Self::of(value, text))).collect();
        members.sort_by_key(|(_, span, _)| span.start);
        Self { span: 0..0, form: Form::Table(members) }
    }

    /// Makes one change. A place that is not there leaves everything as it is.
    fn apply(&mut self, place: &[usize], edit: &Edit) {
        let Some((&index, rest)) = place.split_first() else { return };
        if !rest.is_empty() {
            match &mut self.form {
                Form::Table(members) => members[index].2.apply(rest, edit),
                Form::Array(items) => items[index].apply(rest, edit),
                _ => {}
            }
            return;
        }
        match (&mut self.form, edit) {
            (Form::Table(members), Edit::Delete) => {
                members.remove(index);
            }
            (Form::Array(items), Edit::Delete) => {
                items.remove(index);
            }
            (Form::Table(members), Edit::Replace(raw)) => members[index].2.form = Form::Other(raw.clone()),
            (Form::Array(items), Edit::Replace(raw)) => items[index].form = Form::Other(raw.clone()),
            (Form::Table(members), Edit::Rename(key)) => members[index].0.clone_from(key),
            _ => {}
        }
    }

    /// The whole as a TOML document: a line for each section.
    fn document(&self) -> String {
        let mut out = String::new();
        if let Form::Table(members) = &self.form {
            for (key, _, node) in members {
                out.push_str(&quoted(key));
                out.push_str(" = ");
                node.write(&mut out);
                out.push('\n');
            }
        }
        out
    }

    fn write(&self, out: &mut String) {
        match &self.form {
            Form::Table(members) => {
                out.push_str("{ ");
                for (index, (key, _, node)) in members.iter().enumerate() {
                    out.push_str(if index == 0 { "" } else { ", " });
                    out.push_str(&quoted(key));
                    out.push_str(" = ");
                    node.write(out);
                }
                out.push_str(" }");
            }
            Form::Array(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    out.push_str(if index == 0 { "" } else { ", " });
                    item.write(out);
                }
                out.push(']');
            }
            Form::Text(raw, _) | Form::Other(raw) => out.push_str(raw),
        }
    }
}

/// A text as a TOML string.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// Looks for everything that can be changed.
struct Finder<'t> {
    text: &'t str,
    /// Keys from the root; `#` for the elements of a list.
    path: Vec<String>,
    places: Vec<usize>,
    changes: Vec<Change>,
}

impl Finder<'_> {
    fn table(&mut self, node: &Node) {
        let Form::Table(members) = &node.form else { return };
        for (index, (key, key_span, value)) in members.iter().enumerate() {
            self.path.push(key.clone());
            self.places.push(index);
            self.member(key_span, value);
            self.path.pop();
            self.places.pop();
        }
    }

    fn member(&mut self, key: &Range<usize>, value: &Node) {
        let path: Vec<&str> = self.path.iter().map(String::as_str).collect();
        match path[..] {
            // What a reader does with them shows in no record of a case.
            ["version" | "source" | "extends" | "shape"] => return,
            // Reasons are for people.
            ["skip" | "reject", .., "reason"] => return,
            _ => {}
        }
        match &value.form {
            Form::Table(_) if matches!(path[..], ["skip" | "reject"]) => {
                self.delete(key, "removed");
                self.table(value);
            }
            Form::Table(_) => self.table(value),
            Form::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.path.push("#".to_owned());
                    self.places.push(index);
                    self.delete(&item.span, "removed");
                    self.table(item);
                    self.path.pop();
                    self.places.pop();
                }
            }
            Form::Text(_, meant) => self.leaf(key, &value.span, meant),
            Form::Other(raw) => {
                match raw.as_str() {
                    "true" => self.replace(&value.span, "false".to_owned(), "turned to `false`"),
                    // In a file that extends another, `false` removes what is inherited.
                    "false" if self.path.len() > 1 && self.path[0] != "people" && self.path[1] != "cc" => {
                        self.delete(key, "removed");
                    }
                    "false" => self.replace(&value.span, "true".to_owned(), "turned to `true`"),
                    _ => self.delete(key, "removed"),
                }
            }
        }
    }

    fn leaf(&mut self, key: &Range<usize>, value: &Range<usize>, meant: &str) {
        let path: Vec<String> = self.path.clone();
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let parent = if path.len() > 1 { path[path.len() - 2] } else { "" };
        let last = *path.last().unwrap_or(&"");
        match path[..] {
            ["ignore", ..] => self.ignore(key, last),
            ["tags", "from"] => self.delete(value, "removed"),
            _ if parent == "skip" => self.delete(key, "removed"),
            _ if parent == "when" => {
                self.delete(key, "removed");
                self.change(key, Edit::Rename(format!("not ({last})")), "turned into its opposite");
                self.other(value, meant);
            }
            _ if parent == "table" || (parent == "agents" && last != "default") => {
                self.delete(key, "removed");
                self.other(value, meant);
            }
            _ if last == "default" || last == "departed" || last == "user" => self.other(value, meant),
            _ if last == "when" => {
                if !matches!(path[0], "skip" | "reject") {
                    self.delete(key, "removed");
                }
                self.replace(value, quoted(&format!("not ({meant})")), "turned into its opposite");
            }
            _ if last == "from" => self.replace(value, quoted(NO_FIELD), "reads nothing"),
            ["mailbox" | "type" | "status" | "assignee"] => self.other(value, meant),
            _ => {
                self.delete(key, "removed");
                self.template(value, meant);
            }
        }
    }

    /// A pattern with alternatives is a rule for each.
    fn ignore(&mut self, key: &Range<usize>, pattern: &str) {
        let Some((before, rest)) = pattern.split_once('{') else { return self.delete(key, "removed") };
        let Some((inner, after)) = rest.split_once('}') else { return self.delete(key, "removed") };
        let names: Vec<&str> = inner.split(',').collect();
        if names.len() < 2 || inner.contains('{') {
            return self.delete(key, "removed");
        }
        let raw = &self.text[key.clone()];
        let mut from = raw.find('{').unwrap_or_default();
        for (index, name) in names.iter().enumerate() {
            let at = raw[from..].find(name).map_or(0, |at| from + at);
            from = at + name.len();
            let others: Vec<&str> =
                names.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, name)| *name).collect();
            let others = if others.len() == 1 { others[0].to_owned() } else { format!("{{{}}}", others.join(",")) };
            let span = key.start + at..key.start + from;
            self.change(&span, Edit::Rename(format!("{before}{others}{after}")), "removed");
        }
    }

    /// Parts of a template: what it shows, what it asks, what it goes through.
    fn template(&mut self, value: &Range<usize>, meant: &str) {
        let mut at = 0;
        while let Some(open) = meant[at..].find(['{']).map(|open| at + open) {
            let rest = &meant[open..];
            let (end, is_shown) = match rest.as_bytes().get(1) {
                Some(b'{') => ("}}", true),
                Some(b'%') => ("%}", false),
                _ => {
                    at = open + 1;
                    continue;
                }
            };
            let Some(length) = rest.find(end).map(|length| length + 2) else { return };
            let tag = &rest[..length];
            let changed = if is_shown { Some((String::new(), "shows nothing")) } else { opposite(tag) };
            if let Some((changed, said)) = changed {
                let whole = format!("{}{changed}{}", &meant[..open], &meant[open + length..]);
                let span = fault::inside(self.text, value, &(open..open + length));
                self.change(&span, Edit::Replace(quoted(&whole)), said);
            }
            at = open + length;
        }
    }

    /// Another value of the same kind.
    fn other(&mut self, value: &Range<usize>, meant: &str) {
        let path: Vec<&str> = self.path.iter().map(String::as_str).collect();
        let words = match path[..] {
            ["type", ..] => Kind::WORDS,
            ["status", ..] => Status::WORDS,
            ["threads", "type", ..] => ThreadKind::WORDS,
            _ => &[],
        };
        let other = words.iter().find(|word| **word != meant).copied().unwrap_or(ANOTHER);
        let said = if words.is_empty() { "changed".to_owned() } else { format!("changed to `{other}`") };
        self.replace(value, quoted(other), &said);
    }

    fn delete(&mut self, span: &Range<usize>, said: &str) {
        self.change(span, Edit::Delete, said);
    }

    fn replace(&mut self, span: &Range<usize>, raw: String, said: &str) {
        self.change(span, Edit::Replace(raw), said);
    }

    fn change(&mut self, span: &Range<usize>, edit: Edit, said: &str) {
        let word = self.path.iter().rev().find(|step| *step != "#").cloned().unwrap_or_default();
        self.changes.push(Change { place: self.places.clone(), edit, span: span.clone(), said: said.to_owned(), word });
    }
}

/// A condition's opposite, and a loop through nothing.
fn opposite(tag: &str) -> Option<(String, &'static str)> {
    let inner = tag.strip_prefix("{%")?.strip_suffix("%}")?;
    let (left, inner) = inner.strip_prefix('-').map_or(("", inner), |inner| ("-", inner));
    let (right, inner) = inner.strip_suffix('-').map_or(("", inner), |inner| ("-", inner));
    let (word, rest) = inner.trim().split_once(char::is_whitespace)?;
    match word {
        "if" | "elif" => Some((format!("{{%{left} {word} not ({rest}) {right}%}}"), "turned into its opposite")),
        "for" => {
            let (names, _) = rest.split_once(" in ")?;
            Some((format!("{{%{left} for {names} in [] {right}%}}"), "goes through nothing"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
