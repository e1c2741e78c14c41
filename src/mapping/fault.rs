//! What is wrong with a mapping, shown with its place, as a person sees it.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use super::MappingError;
use super::expression::nearest;
use super::extend::Texts;
use super::rules::fold;
use crate::finding::Severity;

/// One thing that is wrong, or that only looks so.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    /// An error, or a warning, which only lint tells.
    pub severity: Severity,
    /// What kind of fault, for programs: `fault` for what makes a mapping unusable.
    pub code: &'static str,
    /// Bytes of the mapping's texts.
    pub span: Range<usize>,
    /// What was found and what would be right.
    pub problem: String,
    /// Advice that would work.
    pub hint: Option<String>,
}

impl Fault {
    /// What makes the mapping unusable.
    pub(super) fn error(span: Range<usize>, problem: impl Into<String>) -> Self {
        Self { severity: Severity::Error, code: "fault", span, problem: problem.into(), hint: None }
    }

    /// What only lint tells.
    pub(super) fn warning(code: &'static str, span: Range<usize>, problem: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, code, span, problem: problem.into(), hint: None }
    }
}

/// Words of other help desks, and FreeScout's word for the same.
const SYNONYMS: &[(&str, &str)] = &[
    ("open", "active"),
    ("new", "active"),
    ("solved", "closed"),
    ("resolved", "closed"),
    ("done", "closed"),
    ("hold", "pending"),
    ("on-hold", "pending"),
    ("waiting", "pending"),
    ("junk", "spam"),
    ("mail", "email"),
    ("voice", "phone"),
    ("call", "phone"),
    ("reply", "message"),
    ("agent", "message"),
    ("internal", "note"),
    ("private", "note"),
    ("user", "customer"),
];

/// `a`, `b` or `c`.
pub(super) fn alternatives(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
}

/// The known word that was probably meant.
pub(super) fn suggestion(found: &str, known: &[&str]) -> Option<String> {
    let folded = fold(found);
    let synonym = SYNONYMS.iter().find(|(word, means)| *word == folded && known.contains(means));
    let near = synonym.map(|(_, means)| *means).or_else(|| nearest(found, known.iter().copied()));
    near.map(|near| format!("did you mean `{near}`?"))
}

/// Faults in the order of their places: the operator's own file first.
pub(super) fn sort(faults: &mut [Fault]) {
    faults.sort_by_key(|fault| (fault.span.start, fault.span.end));
}

/// How many faults a report shows: each shows a part of the file, and a megabyte of something else has a fault in every line.
const SHOWN_FAULTS: usize = 100;

/// The first hundred faults as one report, in the order of their places, and how many more there are.
pub(super) fn report(texts: &Texts, mut faults: Vec<Fault>) -> MappingError {
    sort(&mut faults);
    let file = texts.at(0).0;
    let title = |file: &str| format!("could not read the mapping `{file}`");
    let shown = faults.iter().take(SHOWN_FAULTS);
    let mut blocks: Vec<String> =
        shown.map(|fault| block(texts, fault, &title(texts.at(fault.span.start).0))).collect();
    if faults.len() > SHOWN_FAULTS {
        blocks.push(format!("and {} more faults\n", faults.len() - SHOWN_FAULTS));
    }
    MappingError { file: file.to_owned(), report: blocks.join("\n") }
}

/// One fault with its title, place, source line, caret and hint.
pub(super) fn block(texts: &Texts, fault: &Fault, title: &str) -> String {
    let (file, text, base) = texts.at(fault.span.start);
    let start = fault.span.start.saturating_sub(base).min(text.len());
    // An empty span points at nothing; one character makes the place visible.
    let end = fault.span.end.saturating_sub(base).clamp(start, text.len());
    let level = if fault.severity == Severity::Error { Level::ERROR } else { Level::WARNING };
    let group = level.primary_title(title).element(
        Snippet::source(text).path(file).annotation(AnnotationKind::Primary.span(start..end).label(&*fault.problem)),
    );
    let mut rendered = Renderer::plain().render(&[group]);
    rendered.push('\n');
    if let Some(hint) = &fault.hint {
        rendered.push_str("hint: ");
        rendered.push_str(hint);
        rendered.push('\n');
    }
    rendered
}

/// A fault that has no place in the text, such as a file that cannot be opened.
pub(super) fn without_place(file: &str, problem: &str, hint: Option<&str>) -> MappingError {
    let hint = hint.map(|hint| format!("hint: {hint}\n")).unwrap_or_default();
    MappingError {
        file: file.to_owned(),
        report: format!("error: could not read the mapping `{file}`: {problem}\n{hint}"),
    }
}

/// Where bytes of a TOML string's value stand in the file: escapes and line ends are counted back.
pub(super) fn inside(text: &str, span: &Range<usize>, value: &Range<usize>) -> Range<usize> {
    let raw = &text[span.clone()];
    let (quote, is_basic) = match raw {
        _ if raw.starts_with("\"\"\"") => ("\"\"\"", true),
        _ if raw.starts_with("'''") => ("'''", false),
        _ if raw.starts_with('"') => ("\"", true),
        _ if raw.starts_with('\'') => ("'", false),
        // A bare key.
        _ => return span.start + value.start..span.start + value.end,
    };
    let mut at = quote.len();
    if quote.len() == 3 {
        at += if raw[at..].starts_with("\r\n") { 2 } else { usize::from(raw[at..].starts_with('\n')) };
    }
    let end_of_text = raw.len().saturating_sub(quote.len());
    let mut decoded = 0;
    let mut start = None;
    while at < end_of_text {
        let (raw_length, value_length) = if is_basic && raw[at..].starts_with('\\') {
            escape(&raw[at..])
        } else {
            let length = raw[at..].chars().next().map_or(1, char::len_utf8);
            (length, length)
        };
        // A line continuation means nothing, and nothing starts there.
        if decoded >= value.start && value_length > 0 && start.is_none() {
            start = Some(at);
        }
        if decoded >= value.end {
            break;
        }
        at += raw_length;
        decoded += value_length;
    }
    let start = start.unwrap_or(at);
    span.start + start..span.start + at.max(start)
}

/// The lengths of an escape: as written, and of what it means.
fn escape(raw: &str) -> (usize, usize) {
    let hex = |digits: usize| {
        let value = raw.get(2..2 + digits).and_then(|hex| u32::from_str_radix(hex, 16).ok()).and_then(char::from_u32);
        (2 + digits, value.map_or(1, char::len_utf8))
    };
    match raw.as_bytes().get(1) {
        Some(b'x') => hex(2),
        Some(b'u') => hex(4),
        Some(b'U') => hex(8),
        Some(b'\n' | b'\r' | b' ' | b'\t') => {
            let blank = raw[1..].len() - raw[1..].trim_start().len();
            (1 + blank, 0)
        }
        _ => (2, 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_inside_strings_are_found_again_in_the_file() {
        let cases: &[(&str, &str)] = &[
            ("'plain HERE'", "basic"),
            ("\"plain HERE\"", "basic"),
            ("\"\\u00e4\\t\\\" HERE \\n\"", "escapes"),
            ("\"ä HERE\"", "two bytes"),
            ("\"\"\"\nfirst\n\\\n   HERE\"\"\"", "line continuation"),
            ("'''\r\nHERE'''", "literal over lines"),
            ("HERE", "bare key"),
        ];
        for (raw, name) in cases {
            let text = format!("key = {raw}");
            let value = match *name {
                "bare key" => "HERE".to_owned(),
                _ => toml::from_str::<toml::Table>(&text).unwrap()["key"].as_str().unwrap().to_owned(),
            };
            let at = value.find("HERE").unwrap();
            let found = inside(&text, &(6..text.len()), &(at..at + 4));
            assert_eq!(&text[found], "HERE", "{name}");
        }
    }

    #[test]
    fn an_end_in_the_middle_of_an_escape_stays_inside_the_text() {
        let text = r#"key = "\u00e4""#;
        assert_eq!(inside(text, &(6..text.len()), &(0..1)), 7..13);
        assert_eq!(inside(text, &(6..text.len()), &(9..12)), 13..13);
    }
}
