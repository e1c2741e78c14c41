//! Cases: records, and what a mapping must make of each, in a file beside the mapping.
//!
//! Promises:
//!
//! - Only what a case names is compared; everything else may be as it likes.
//! - A cases file with a fault is refused as a whole, with all its faults and their places.
//! - Running cases has no effect on anything.
//!
//! The file is described in `docs/mapping.md`.

use super::{Mapping, MappingError};
use crate::record::Record;

mod compare;
mod observe;
mod read;
mod shape;
mod write;

pub use compare::Difference;

/// The cases of the built-in mappings.
const BUILT_IN: &[(&str, &str)] = &[
    ("zendesk", include_str!("../../mappings/zendesk.cases.toml")),
    ("freshdesk", include_str!("../../mappings/freshdesk.cases.toml")),
    ("helpscout", include_str!("../../mappings/helpscout.cases.toml")),
    ("intercom", include_str!("../../mappings/intercom.cases.toml")),
    ("zammad", include_str!("../../mappings/zammad.cases.toml")),
    ("osticket", include_str!("../../mappings/osticket.cases.toml")),
    ("jira", include_str!("../../mappings/jira.cases.toml")),
    ("mbox", include_str!("../../mappings/mbox.cases.toml")),
    ("csv", include_str!("../../mappings/csv.cases.toml")),
    ("json", include_str!("../../mappings/json.cases.toml")),
    ("records", include_str!("../../mappings/records.cases.toml")),
    ("freescout", include_str!("../../mappings/freescout.cases.toml")),
    ("freescout-csv", include_str!("../../mappings/freescout-csv.cases.toml")),
    ("freescout-mbox", include_str!("../../mappings/freescout-mbox.cases.toml")),
];

/// What the name of a cases file ends with.
const ENDING: &str = ".cases.toml";

/// The cases of one mapping.
#[derive(Debug)]
pub struct Cases {
    file: String,
    cases: Vec<Case>,
}

/// A record and what must become of it.
#[derive(Debug)]
struct Case {
    name: String,
    line: usize,
    record: Record,
    expected: serde_json::Value,
}

/// How one case ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The case's name; one of several that are made of a table has the table's key behind it.
    pub name: String,
    /// The line of the cases file at which it begins, counted from 1.
    pub line: usize,
    /// What is not as expected; nothing, if the case passed.
    pub differences: Vec<Difference>,
}

impl Verdict {
    /// Whether everything is as expected.
    pub fn has_passed(&self) -> bool {
        self.differences.is_empty()
    }
}

impl Cases {
    /// The cases of a mapping: embedded for a built-in one, else `NAME.cases.toml` beside `NAME.toml`.
    ///
    /// Fails if there is no such file, or it has faults.
    pub fn of(mapping: &Mapping) -> Result<Self, MappingError> {
        if let Some((name, text)) = BUILT_IN.iter().find(|(name, _)| *name == mapping.file()) {
            return Self::parse(&format!("{name}{ENDING}"), text, mapping.source());
        }
        let file = Self::file_beside(mapping.file());
        let bytes = std::fs::read(&file).map_err(|error| {
            let problem = match error.kind() {
                std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
                _ => error.to_string(),
            };
            let hint = "`foxferry mapping case ARCHIVE --only ID` prints a record as a first case";
            unreadable(&file, &problem, Some(hint))
        })?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let problem = format!("it is not UTF-8 text, from byte {} on", error.utf8_error().valid_up_to());
            unreadable(&file, &problem, None)
        })?;
        Self::parse(&file, &text, mapping.source())
    }

    /// The name of the cases file that belongs to a mapping file.
    pub fn file_beside(mapping: &str) -> String {
        let stem = mapping.strip_suffix(".toml").unwrap_or(mapping);
        format!("{stem}{ENDING}")
    }

    /// The mapping file that a cases file belongs to, if the name is that of a cases file.
    pub fn mapping_of(file: &str) -> Option<String> {
        let stem = file.strip_suffix(ENDING)?;
        (!stem.is_empty() && !stem.ends_with(['/', '\\'])).then(|| format!("{stem}.toml"))
    }

    /// Parses cases; `file` is their name for messages, `source` that of records that name none.
    pub fn parse(file: &str, text: &str, source: &str) -> Result<Self, MappingError> {
        let cases = read::read(file, text, source)?;
        Ok(Self { file: file.to_owned(), cases })
    }

    /// The embedded cases: name of the mapping, and text.
    pub fn built_in() -> &'static [(&'static str, &'static str)] {
        BUILT_IN
    }

    /// The name of the file.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// How many cases there are; each line of an `each` table is one.
    pub fn len(&self) -> usize {
        self.cases.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.cases.is_empty()
    }

    /// Lets the mapping convert every record, and compares.
    pub fn run<'a>(&'a self, mapping: &'a Mapping) -> impl Iterator<Item = Verdict> + 'a {
        self.cases.iter().map(|case| Verdict {
            name: case.name.clone(),
            line: case.line,
            differences: case.differences(mapping),
        })
    }

    /// Whether any case tells this mapping from one that passes. Those that speak of `word` are asked first.
    pub(super) fn notice(&self, mapping: &Mapping, word: &str) -> bool {
        let speaks = |case: &&Case| !word.is_empty() && case.name.ends_with(word);
        let others = self.cases.iter().filter(|case| !speaks(case));
        self.cases.iter().filter(speaks).chain(others).any(|case| !case.differences(mapping).is_empty())
    }
}

impl Case {
    fn differences(&self, mapping: &Mapping) -> Vec<Difference> {
        let observed = observe::observed(&mapping.convert(self.record.clone()));
        compare::compare(&self.expected, &observed)
    }
}

fn unreadable(file: &str, problem: &str, hint: Option<&str>) -> MappingError {
    let hint = hint.map(|hint| format!("hint: {hint}\n")).unwrap_or_default();
    let report = format!("error: could not read the cases `{file}`: {problem}\n{hint}");
    MappingError { file: file.to_owned(), report }
}

#[cfg(test)]
mod tests;
