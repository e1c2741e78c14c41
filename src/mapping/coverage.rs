//! The account of fields: what is neither used by a rule nor ignored with a reason is lost.

use std::collections::HashMap;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use serde_json::{Map, Value};

use super::lint::Mark;
use crate::record::Record;

/// A record of a hostile or strange archive may have thousands of fields; more are not listed.
const MOST_LOST: usize = 50;

/// Deeper than this, an object counts as one value.
const DEEPEST: usize = 6;

/// Which field paths are accounted for.
#[derive(Debug)]
pub(super) struct Coverage {
    used: Node,
    ignored: GlobSet,
    /// Of each pattern in `ignored`.
    marks: Vec<Mark>,
}

#[derive(Debug, Default)]
struct Node {
    /// Whether this field and all below it are accounted for.
    is_covered: bool,
    /// The `[ignore]` line that says so.
    mark: Option<Mark>,
    below: HashMap<String, Node>,
}

impl Node {
    fn cover<'p>(&mut self, path: impl Iterator<Item = &'p str>, mark: Option<Mark>) {
        let mut node = self;
        for step in path {
            node = node.below.entry(step.to_owned()).or_default();
        }
        node.is_covered = true;
        node.mark = node.mark.or(mark);
    }
}

/// Collects what is used and ignored.
#[derive(Debug, Default)]
pub(super) struct CoverageBuilder {
    used: Node,
    ignored: Vec<(globset::Glob, Mark)>,
}

impl CoverageBuilder {
    /// A rule reads this path. `requester.x`, `assignee.x` and `entry.author.x` are all `person.x`.
    pub(super) fn used(&mut self, path: &[String]) {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let mut covered: Vec<&str> = match path[..] {
            ["requester" | "assignee", ref rest @ ..] | ["entry", "author", ref rest @ ..] => {
                std::iter::once("person").chain(rest.iter().copied()).collect()
            }
            ref path => path.to_vec(),
        };
        let at = usize::from(matches!(covered.first(), Some(&"person" | &"entry")));
        if covered.len() > at + 1 && covered[at] == "fields" {
            covered.remove(at);
        }
        // Whoever goes through all fields uses them all.
        if covered == ["fields"] {
            covered.clear();
            self.used.cover(covered.into_iter(), None);
            return;
        }
        // `requester` alone says nothing about the person's further fields.
        if covered.len() > at {
            self.used.cover(covered.into_iter(), None);
        }
    }

    /// An `[ignore]` pattern. A pattern that covers an object covers all below it.
    pub(super) fn ignore(&mut self, pattern: &str, mark: Mark) -> Result<(), globset::Error> {
        let glob = GlobBuilder::new(pattern).build()?;
        match alternatives(pattern) {
            // Names are looked up much faster than patterns are tried.
            Some(names) => names.iter().for_each(|name| self.used.cover(name.split('.'), Some(mark))),
            None => self.ignored.push((glob, mark)),
        }
        Ok(())
    }

    pub(super) fn build(self) -> Result<Coverage, globset::Error> {
        let mut set = GlobSetBuilder::new();
        let mut marks = Vec::new();
        for (glob, mark) in self.ignored {
            set.add(glob);
            marks.push(mark);
        }
        Ok(Coverage { used: self.used, ignored: set.build()?, marks })
    }
}

/// The names that a pattern stands for, if it has nothing but one `{a,b}` at most.
fn alternatives(pattern: &str) -> Option<Vec<String>> {
    if pattern.contains(['*', '?', '[', '\\']) {
        return None;
    }
    let Some((before, rest)) = pattern.split_once('{') else { return Some(vec![pattern.to_owned()]) };
    let (inner, after) = rest.split_once('}')?;
    let is_plain = !inner.contains('{') && !after.contains('{');
    is_plain.then(|| inner.split(',').map(|name| format!("{before}{name}{after}")).collect())
}

impl Coverage {
    /// The paths of a record's values that no rule uses and no pattern ignores, each once, ids as `*`.
    pub(super) fn lost(&self, record: &Record) -> Vec<String> {
        let mut lost = Vec::new();
        let mut path = String::new();
        self.walk(&record.fields, Some(&self.used), &mut path, &mut lost, 0);
        let below = |name: &str| self.used.below.get(name);
        let entry = below("entry");
        let person = below("person");
        let mut people = |fields: &Map<String, Value>, lost: &mut Vec<String>| {
            if !fields.is_empty() {
                path.clear();
                path.push_str("person");
                self.walk(fields, person, &mut path, lost, 0);
            }
        };
        for one in record.requester.iter().chain(&record.assignee) {
            people(&one.fields, &mut lost);
        }
        for one in record.entries.iter().filter_map(|entry| entry.author.as_ref()) {
            people(&one.fields, &mut lost);
        }
        for one in &record.entries {
            if !one.fields.is_empty() {
                path.clear();
                path.push_str("entry");
                self.walk(&one.fields, entry, &mut path, &mut lost, 0);
            }
        }
        lost
    }

    /// The `[ignore]` lines that this record needs. For lint, which asks for all of them and has time.
    pub(super) fn ignoring(&self, record: &Record) -> Vec<Mark> {
        let mut marks = Vec::new();
        let below = |name: &str| self.used.below.get(name);
        self.mark(&record.fields, Some(&self.used), "", &mut marks, 0);
        let authors = record.entries.iter().filter_map(|entry| entry.author.as_ref());
        for person in record.requester.iter().chain(&record.assignee).chain(authors) {
            self.mark(&person.fields, below("person"), "person.", &mut marks, 0);
        }
        for entry in &record.entries {
            self.mark(&entry.fields, below("entry"), "entry.", &mut marks, 0);
        }
        marks
    }

    fn mark(
        &self,
        fields: &Map<String, Value>,
        node: Option<&Node>,
        before: &str,
        marks: &mut Vec<Mark>,
        depth: usize,
    ) {
        if let Some(node) = node.filter(|node| node.is_covered) {
            marks.extend(node.mark.filter(|_| !fields.values().all(says_nothing)));
            return;
        }
        for (key, value) in fields {
            if says_nothing(value) {
                continue;
            }
            let below = node.and_then(|node| node.below.get(key).or_else(|| node.below.get("*")));
            if let Some(below) = below.filter(|below| below.is_covered) {
                marks.extend(below.mark);
                continue;
            }
            let path = format!("{before}{}", if is_id(key) { "*" } else { key });
            let matching = self.ignored.matches(&path);
            if !matching.is_empty() {
                marks.extend(matching.into_iter().map(|index| self.marks[index]));
            } else if let Value::Object(inner) = value
                && depth < DEEPEST
            {
                self.mark(inner, below, &format!("{path}."), marks, depth + 1);
            }
        }
    }

    fn walk(
        &self,
        fields: &Map<String, Value>,
        node: Option<&Node>,
        path: &mut String,
        lost: &mut Vec<String>,
        depth: usize,
    ) {
        if node.is_some_and(|node| node.is_covered) {
            return;
        }
        for (key, value) in fields {
            if lost.len() >= MOST_LOST || says_nothing(value) {
                continue;
            }
            let below = node.and_then(|node| node.below.get(key).or_else(|| node.below.get("*")));
            if below.is_some_and(|below| below.is_covered) {
                continue;
            }
            let length = path.len();
            if length > 0 {
                path.push('.');
            }
            path.push_str(if is_id(key) { "*" } else { key });
            if !self.ignored.is_match(path.as_str()) {
                match value {
                    Value::Object(inner) if depth < DEEPEST => self.walk(inner, below, path, lost, depth + 1),
                    _ if lost.iter().any(|known| known == path) => {}
                    _ => lost.push(path.clone()),
                }
            }
            path.truncate(length);
        }
    }
}

fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(items) => items.iter().all(says_nothing),
        Value::Object(fields) => fields.values().all(says_nothing),
        _ => false,
    }
}

/// Keys such as `360012345678` or a UUID are data, not names.
fn is_id(key: &str) -> bool {
    let digits = key.bytes().filter(u8::is_ascii_digit).count();
    !key.is_empty()
        && (digits == key.len() || (key.len() >= 16 && key.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')))
}
