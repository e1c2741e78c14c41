//! Files that extend each other become one tree, in which every value still knows its place.
//!
//! The texts of all files are laid one behind the other, and places are bytes of that whole; so
//! whoever works with the tree need not know that there is more than one file.

use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeArray, DeString, DeTable, DeValue};

use super::expression::nearest;
use super::fault::Fault;
use super::rules::fold;
use super::{BUILT_IN, Value};

/// How many files may extend each other; a longer chain is one that nobody understands.
const LONGEST_CHAIN: usize = 8;

/// A mapping larger than this is not one: the largest real ones are some thousand lines.
const LARGEST_FILE: u64 = 4 * 1024 * 1024;

/// The texts of all files, the operator's own first.
#[derive(Debug, Default)]
pub(super) struct Texts {
    /// All texts, one behind the other.
    pub all: String,
    /// Names as typed, and where their texts stand.
    files: Vec<(String, Range<usize>)>,
}

impl Texts {
    /// One text alone.
    pub(super) fn of(name: &str, text: &str) -> Self {
        let mut texts = Self::default();
        texts.add(name, text);
        texts
    }

    fn add(&mut self, name: &str, text: &str) -> Range<usize> {
        let start = self.all.len();
        self.all.push_str(text);
        let range = start..self.all.len();
        // Between two files something must stand, so that the end of one is not the start of the next.
        self.all.push('\n');
        self.files.push((name.to_owned(), range.clone()));
        range
    }

    /// Each file's text, the operator's own first.
    pub(super) fn each(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(|(_, range)| &self.all[range.clone()])
    }

    /// The file in which a place is: its name, its text, and where the text starts.
    pub(super) fn at(&self, place: usize) -> (&str, &str, usize) {
        let file = self.files.iter().find(|(_, range)| place <= range.end).or(self.files.first());
        file.map_or(("", "", 0), |(name, range)| (name, &self.all[range.clone()], range.start))
    }

    /// The number of the file in which a place is; 0 is the operator's own.
    pub(super) fn file_of(&self, place: usize) -> usize {
        self.files.iter().position(|(_, range)| place <= range.end).unwrap_or_default()
    }

    /// A hash of all texts; of one file alone the hash of its text.
    pub(super) fn hash(&self) -> blake3::Hash {
        if let [(_, range)] = &self.files[..] {
            return blake3::hash(&self.all.as_bytes()[range.clone()]);
        }
        let mut hasher = blake3::Hasher::new();
        for (_, range) in &self.files {
            hasher.update(blake3::hash(&self.all.as_bytes()[range.clone()]).as_bytes());
        }
        hasher.finalize()
    }
}

/// What a name stands for: a built-in mapping's text or a file's, and the name that tells it from others.
pub(super) fn read(name: &str, beside: Option<&Path>) -> Result<(String, String), (String, Option<String>)> {
    if let Some((name, text)) = BUILT_IN.iter().find(|(known, _)| *known == name) {
        return Ok(((*name).to_owned(), (*text).to_owned()));
    }
    let path = match beside {
        Some(folder) if Path::new(name).is_relative() => folder.join(name),
        _ => PathBuf::from(name),
    };
    let bytes = match std::fs::metadata(&path) {
        Ok(found) if found.len() > LARGEST_FILE => {
            return Err((format!("it is larger than any mapping: {} bytes", found.len()), None));
        }
        Ok(_) => std::fs::read(&path),
        Err(error) => Err(error),
    };
    let bytes = bytes.map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            let names: Vec<String> = BUILT_IN.iter().map(|(name, _)| format!("`{name}`")).collect();
            let hint = match nearest(name, BUILT_IN.iter().map(|(name, _)| *name)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the built-in mappings are {}", names.join(", ")),
            };
            ("there is no such file, and no built-in mapping of this name".to_owned(), Some(hint))
        }
        _ => (error.to_string(), None),
    })?;
    let text = String::from_utf8(bytes)
        .map_err(|error| (format!("it is not UTF-8 text, from byte {} on", error.utf8_error().valid_up_to()), None))?;
    Ok((path.display().to_string(), text))
}

/// The texts of a file and of those that it extends. A chain that cannot be followed is a fault.
pub(super) fn gather(file: &str, text: &str, faults: &mut Vec<Fault>) -> Texts {
    let mut texts = Texts::default();
    let mut next = Some((file.to_owned(), text.to_owned()));
    let mut seen: Vec<PathBuf> = Vec::new();
    while let Some((name, text)) = next.take() {
        // Editors on Windows put a mark there, and TOML has no place for it.
        let text = text.strip_prefix('\u{FEFF}').unwrap_or(&text);
        let range = texts.add(&name, text);
        seen.push(identity(&name));
        // Broken TOML is reported when the tree is made.
        let (root, _) = DeTable::parse_recoverable(text);
        if let Some(value) = root.get_ref().get("extends")
            && let Some(wanted) = value.get_ref().as_str()
        {
            match follow(wanted, &name, &seen) {
                Ok(found) => next = Some(found),
                Err((problem, hint)) => {
                    faults.push(Fault { hint, ..Fault::error(moved_range(&value.span(), range.start), problem) });
                }
            }
        }
    }
    texts
}

/// The one tree that all texts make; nothing, if one of them is not TOML.
pub(super) fn tree<'t>(texts: &'t Texts, faults: &mut Vec<Fault>) -> Option<DeTable<'t>> {
    let mut layers = Vec::new();
    let mut is_toml = true;
    for (_, range) in &texts.files {
        let (root, errors) = DeTable::parse_recoverable(&texts.all[range.clone()]);
        is_toml &= errors.is_empty();
        for error in &errors {
            let span = moved_range(&error.span().unwrap_or(0..0), range.start);
            faults.push(Fault::error(span, error.message().lines().collect::<Vec<_>>().join(", ")));
        }
        layers.push(moved_table(root.into_inner(), range.start));
    }
    let merged = layers.into_iter().rev().reduce(|below, above| merge(below, above, &mut Vec::new()));
    merged.filter(|_| is_toml)
}

/// Two names of one file are one file.
fn identity(name: &str) -> PathBuf {
    if BUILT_IN.iter().any(|(known, _)| *known == name) {
        return PathBuf::from(format!("built-in:{name}"));
    }
    std::fs::canonicalize(name).unwrap_or_else(|_| PathBuf::from(name))
}

fn follow(wanted: &str, by: &str, seen: &[PathBuf]) -> Result<(String, String), (String, Option<String>)> {
    let beside = Path::new(by).parent();
    let (name, text) = read(wanted, beside)?;
    if seen.contains(&identity(&name)) {
        return Err((format!("`{wanted}` is one of those that extend it"), None));
    }
    if seen.len() >= LONGEST_CHAIN {
        return Err((format!("more than {LONGEST_CHAIN} files extend each other"), None));
    }
    Ok((name, text))
}

fn moved_range(range: &Range<usize>, by: usize) -> Range<usize> {
    range.start + by..range.end + by
}

fn moved_table<'t>(table: DeTable<'t>, by: usize) -> DeTable<'t> {
    let mut out = DeTable::new();
    for (key, value) in table {
        let key = Spanned::new(moved_range(&key.span(), by), key.into_inner());
        out.insert(key, moved(value, by));
    }
    out
}

fn moved<'t>(value: Value<'t>, by: usize) -> Value<'t> {
    let span = moved_range(&value.span(), by);
    let value = match value.into_inner() {
        DeValue::Table(table) => DeValue::Table(moved_table(table, by)),
        DeValue::Array(items) => {
            let mut out = DeArray::new();
            items.into_iter().for_each(|item| out.push(moved(item, by)));
            DeValue::Array(out)
        }
        other => other,
    };
    Spanned::new(span, value)
}

/// Whether the table at this path is one rule, which is replaced whole by one with a `from` of its own.
fn is_rule(path: &[String]) -> bool {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    matches!(
        path[..],
        ["mailbox" | "type" | "status" | "subject" | "assignee"]
            | ["threads", "type"]
            | ["fields", _]
            | ["customer", "fields", _]
    )
}

/// Whether keys at this path are compared in any case.
fn is_folded(path: &[String]) -> bool {
    matches!(path.last().map(String::as_str), Some("table" | "skip" | "agents"))
}

/// Lays one file's tables over those of the file that it extends.
fn merge<'t>(mut below: DeTable<'t>, above: DeTable<'t>, path: &mut Vec<String>) -> DeTable<'t> {
    for (key, value) in above {
        let known = find(&below, key.get_ref(), is_folded(path));
        let is_removal = value.get_ref().as_bool() == Some(false);
        let Some(known) = known else {
            below.insert(key, value);
            continue;
        };
        let inherited = below.remove(known.as_str()).expect("it has just been found");
        if is_removal && !inherited.get_ref().is_bool() {
            continue;
        }
        path.push(key.get_ref().to_string());
        let merged = merge_value(inherited, value, path);
        path.pop();
        below.insert(key, merged);
    }
    below
}

fn find(table: &DeTable<'_>, wanted: &DeString<'_>, is_folded: bool) -> Option<String> {
    if table.contains_key(wanted.as_ref()) {
        return Some(wanted.to_string());
    }
    let same = |key: &&Spanned<DeString<'_>>| is_folded && fold(key.get_ref()) == fold(wanted);
    table.keys().find(same).map(|key| key.get_ref().to_string())
}

fn merge_value<'t>(below: Value<'t>, above: Value<'t>, path: &mut Vec<String>) -> Value<'t> {
    let span = above.span();
    let is_list = |value: &Value<'_>| value.get_ref().is_array() || value.get_ref().is_table();
    if matches!(path[..], [ref name] if name == "skip" || name == "reject") && is_list(&below) && is_list(&above) {
        let mut out = DeArray::new();
        for value in [above, below] {
            match value.into_inner() {
                DeValue::Array(items) => items.into_iter().for_each(|item| out.push(item)),
                other => out.push(Spanned::new(span.clone(), other)),
            }
        }
        return Spanned::new(span, DeValue::Array(out));
    }
    let has_own = |value: &Value<'_>| {
        let table = value.get_ref().as_table();
        table.is_some_and(|table| table.contains_key("from") || table.contains_key("template"))
    };
    if !below.get_ref().is_table() || !above.get_ref().is_table() || (is_rule(path) && has_own(&above)) {
        return above;
    }
    match (below.into_inner(), above.into_inner()) {
        (DeValue::Table(below), DeValue::Table(above)) => Spanned::new(span, DeValue::Table(merge(below, above, path))),
        (_, above) => Spanned::new(span, above),
    }
}
