//! Which fields are accounted for: what is neither used by a rule nor ignored with a reason is lost.

use std::collections::HashMap;
use std::sync::Arc;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use serde_json::{Map, Value};

use super::account::{Account, Fate, Seen};
use super::lint::Mark;
use crate::record::{Person, Record};

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
    reasons: Vec<Reason>,
}

/// An `[ignore]` line.
#[derive(Debug, Clone)]
struct Reason {
    mark: Mark,
    text: Arc<str>,
}

#[derive(Debug, Default)]
struct Node {
    /// Whether this field and all below it are accounted for.
    is_covered: bool,
    /// The `[ignore]` line that says so; `None`: a rule uses it.
    reason: Option<Reason>,
    below: HashMap<String, Node>,
}

impl Node {
    fn cover<'p>(&mut self, path: impl Iterator<Item = &'p str>, reason: Option<&Reason>) {
        let mut node = self;
        for step in path {
            node = node.below.entry(step.to_owned()).or_default();
        }
        node.is_covered = true;
        if node.reason.is_none() {
            node.reason = reason.cloned();
        }
    }

    /// What stands for `key` below this node; a covered node stands for all below it.
    fn at(&self, key: &str) -> Option<&Self> {
        if self.is_covered { Some(self) } else { self.below.get(key).or_else(|| self.below.get("*")) }
    }
}

/// Collects what is used and ignored.
#[derive(Debug, Default)]
pub(super) struct CoverageBuilder {
    used: Node,
    ignored: Vec<(globset::Glob, Reason)>,
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

    /// An `[ignore]` pattern with its reason. A pattern that covers an object covers all below it.
    pub(super) fn ignore(&mut self, pattern: &str, reason: &str, mark: Mark) -> Result<(), globset::Error> {
        let glob = GlobBuilder::new(pattern).build()?;
        let reason = Reason { mark, text: Arc::from(reason) };
        match alternatives(pattern) {
            // Names are looked up much faster than patterns are tried.
            Some(names) => names.iter().for_each(|name| self.used.cover(name.split('.'), Some(&reason))),
            None => self.ignored.push((glob, reason)),
        }
        Ok(())
    }

    pub(super) fn build(self) -> Result<Coverage, globset::Error> {
        let mut set = GlobSetBuilder::new();
        let mut reasons = Vec::new();
        for (glob, reason) in self.ignored {
            set.add(glob);
            reasons.push(reason);
        }
        Ok(Coverage { used: self.used, ignored: set.build()?, reasons })
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

/// Why a value is accounted for, or that it is not.
#[derive(Debug, Clone, Copy)]
enum Verdict<'c> {
    Used,
    /// By the `[ignore]` line of its name.
    Ignored(&'c Reason),
    /// By one pattern of `[ignore]` or more.
    Pattern,
    Lost,
}

impl Coverage {
    /// The paths of a record's values that no rule uses and no pattern ignores, each once, ids as `*`.
    pub(super) fn lost(&self, record: &Record) -> Vec<String> {
        let mut lost = Vec::new();
        self.visit(record, &mut |path, _, verdict| {
            if matches!(verdict, Verdict::Lost) {
                add_lost(&mut lost, path);
            }
        });
        lost
    }

    /// The same, and enters all values of the record into the account on the way.
    pub(super) fn enter(&self, record: &Record, account: &mut Account) -> Vec<String> {
        account.begin(&record.origin);
        let mut lost = Vec::new();
        self.visit(record, &mut |path, seen, verdict| {
            let fate = match verdict {
                Verdict::Used => Fate::Used,
                Verdict::Ignored(reason) => Fate::Ignored(Arc::clone(&reason.text)),
                Verdict::Pattern => self.pattern(path).map_or(Fate::Used, |reason| Fate::Ignored(reason.text.clone())),
                Verdict::Lost => Fate::Lost,
            };
            if fate == Fate::Lost {
                add_lost(&mut lost, path);
            }
            account.field(path, seen, fate);
        });
        lost
    }

    /// The `[ignore]` lines that this record needs. For lint, which asks for all of them and has time.
    pub(super) fn ignoring(&self, record: &Record) -> Vec<Mark> {
        let mut marks = Vec::new();
        self.visit(record, &mut |path, _, verdict| match verdict {
            Verdict::Ignored(reason) => marks.push(reason.mark),
            Verdict::Pattern => {
                marks.extend(self.ignored.matches(path).into_iter().map(|index| self.reasons[index].mark));
            }
            Verdict::Used | Verdict::Lost => {}
        });
        marks
    }

    fn pattern(&self, path: &str) -> Option<&Reason> {
        self.ignored.matches(path).first().map(|&index| &self.reasons[index])
    }

    /// Goes over everything that a record says, blank values aside.
    fn visit<'r>(&self, record: &'r Record, visit: &mut impl FnMut(&str, Seen<'r>, Verdict<'_>)) {
        // These need a rule; what else records have of their own always has a place in a conversation.
        let of_own = [
            ("status", record.status.as_deref()),
            ("channel", record.channel.as_deref()),
            ("url", record.url.as_deref()),
        ];
        let said =
            of_own.into_iter().filter_map(|(name, text)| Some((name, text.filter(|text| !text.trim().is_empty())?)));
        for (name, text) in said {
            visit(name, Seen::Text(text), self.verdict_of(name));
        }
        for tag in &record.tags {
            visit("tags", Seen::Text(tag), self.verdict_of("tags"));
        }
        let mut path = String::new();
        self.fields(&record.fields, Some(&self.used), &mut path, visit, 0);
        // Not by `fields`: those are the record's.
        let (entry, person) = (self.used.below.get("entry"), self.used.below.get("person"));
        let authors = record.entries.iter().filter_map(|entry| entry.author.as_ref());
        let people = record.requester.iter().chain(&record.assignee).chain(authors);
        for Person { fields, .. } in people.filter(|person| !person.fields.is_empty()) {
            "person".clone_into(&mut path);
            self.fields(fields, person, &mut path, visit, 0);
        }
        for one in record.entries.iter().filter(|entry| !entry.fields.is_empty()) {
            "entry".clone_into(&mut path);
            self.fields(&one.fields, entry, &mut path, visit, 0);
        }
    }

    fn verdict_of(&self, name: &str) -> Verdict<'_> {
        // Not by `fields`, of which these are no part.
        match self.used.below.get(name).filter(|node| node.is_covered) {
            Some(Node { reason: Some(reason), .. }) => Verdict::Ignored(reason),
            Some(_) => Verdict::Used,
            None if self.ignored.is_match(name) => Verdict::Pattern,
            None => Verdict::Lost,
        }
    }

    fn fields<'r>(
        &self,
        fields: &'r Map<String, Value>,
        node: Option<&Node>,
        path: &mut String,
        visit: &mut impl FnMut(&str, Seen<'r>, Verdict<'_>),
        depth: usize,
    ) {
        for (key, value) in fields {
            if says_nothing(value) {
                continue;
            }
            let length = path.len();
            if length > 0 {
                path.push('.');
            }
            path.push_str(if is_id(key) { "*" } else { key });
            let below = node.and_then(|node| node.at(key));
            match (below.filter(|below| below.is_covered), value) {
                (Some(Node { reason: Some(reason), .. }), _) => {
                    visit(path, Seen::Value(value), Verdict::Ignored(reason));
                }
                (Some(_), _) => visit(path, Seen::Value(value), Verdict::Used),
                (None, _) if self.ignored.is_match(path.as_str()) => visit(path, Seen::Value(value), Verdict::Pattern),
                (None, Value::Object(inner)) if depth < DEEPEST => self.fields(inner, below, path, visit, depth + 1),
                (None, _) => visit(path, Seen::Value(value), Verdict::Lost),
            }
            path.truncate(length);
        }
    }
}

fn add_lost(lost: &mut Vec<String>, path: &str) {
    if lost.len() < MOST_LOST && !lost.iter().any(|known| known == path) {
        lost.push(path.to_owned());
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
