//! The elements of a JSON file: of one list or many documents, on lines or not, at any path.
//!
//! Promises:
//!
//! - Memory is bounded by the limit for one element, not by the file or the list.
//! - On lines a damaged element costs its line only; elsewhere brackets that do not match cost the rest of the file.
//!   Either way the visitor is told.

use std::io::{self, Read, Seek};

use super::{Fault, Scanner, Span};

/// One step of the way to the elements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The member of this name.
    Key(String),
    /// Every member of an object, or element of a list.
    Each,
}

/// What was found.
#[derive(Debug)]
pub enum Found<'a> {
    /// A whole element, with its bytes.
    Element(&'a [u8]),
    /// Something that cannot be cut out.
    Fault(Fault),
}

/// Why walking ended early.
enum Stop<E> {
    Fault(Fault),
    Visitor(E),
}

impl<E> From<Fault> for Stop<E> {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl<E> From<io::Error> for Stop<E> {
    fn from(error: io::Error) -> Self {
        Self::Fault(Fault::Io(error))
    }
}

/// What came of a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Walked {
    /// How many elements there were, damaged ones included.
    pub elements: u64,
    /// Whether each document stood on a line of its own.
    pub is_lines: bool,
    /// Whether damage cost the rest of the file.
    pub is_cut_short: bool,
}

/// Visits every element at a path, in every document of the file.
///
/// Lists are entered wherever they stand on the way, so that `tickets` finds `[{"tickets": […]}]` too, and at its end
/// a list gives its elements and an object is one. Whatever is not on the way is passed over. An element over
/// `limit` bytes is a fault. The visitor's error ends the walk.
pub fn walk<R: Read + Seek, E>(
    scanner: &mut Scanner<R>,
    path: &[Step],
    limit: u64,
    mut visit: impl FnMut(Span, Found<'_>) -> Result<(), E>,
) -> Result<Walked, E> {
    let is_lines = match scanner.look(LOOK) {
        Ok(start) => are_lines(start),
        Err(_) => false,
    };
    scanner.set_lines(is_lines);
    let mut walk = Walk { limit, visit: &mut visit, walked: Walked { is_lines, ..Walked::default() } };
    loop {
        let here = scanner.here();
        match walk.document(scanner, path) {
            Ok(true) => {}
            Ok(false) => return Ok(walk.walked),
            Err(Stop::Visitor(error)) => return Err(error),
            Err(Stop::Fault(fault)) => {
                let is_io = matches!(fault, Fault::Io(_));
                let span = span_of(&fault).unwrap_or(here);
                walk.tell(span, Found::Fault(fault))?;
                if is_io || !is_lines || scanner.skip_line().is_err() {
                    walk.walked.is_cut_short = true;
                    return Ok(walk.walked);
                }
            }
        }
    }
}

/// How much of a file is looked at to tell lines from one document.
const LOOK: usize = 64 * 1024;

/// Whether a file's beginning shows one document on each line.
///
/// A list may have its elements on lines of their own; there lines end in commas. A first line longer than what is
/// looked at counts as a line: a list so long begins with a bracket.
pub(crate) fn are_lines(start: &[u8]) -> bool {
    let mut lines = start.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
    let Some(first) = lines.next() else { return false };
    let is_whole = |line: &[u8]| serde_json::from_slice::<serde::de::IgnoredAny>(line).is_ok();
    let second = lines.next();
    first.starts_with(b"{") && second.is_some_and(|line| line.starts_with(b"{")) && {
        // The first line may be the damaged one.
        is_whole(first) || second.is_some_and(is_whole)
    }
}

fn span_of(fault: &Fault) -> Option<Span> {
    match fault {
        Fault::Truncated { span }
        | Fault::Broken { span, .. }
        | Fault::TooLong { span, .. }
        | Fault::TooDeep { span } => Some(*span),
        Fault::Io(_) => None,
    }
}

struct Walk<'a, V> {
    limit: u64,
    visit: &'a mut V,
    walked: Walked,
}

impl<V> Walk<'_, V> {
    fn tell<E>(&mut self, span: Span, found: Found<'_>) -> Result<(), E>
    where
        V: FnMut(Span, Found<'_>) -> Result<(), E>,
    {
        self.walked.elements += 1;
        (self.visit)(span, found)
    }

    /// One document; false at the end of the file.
    fn document<R: Read + Seek, E>(&mut self, scanner: &mut Scanner<R>, path: &[Step]) -> Result<bool, Stop<E>>
    where
        V: FnMut(Span, Found<'_>) -> Result<(), E>,
    {
        if scanner.peek()?.is_none() {
            return Ok(false);
        }
        self.descend(scanner, path, 0)?;
        // Between documents commas and closing brackets mean nothing, and one that stands there must not end the walk.
        Ok(true)
    }

    fn descend<R: Read + Seek, E>(&mut self, scanner: &mut Scanner<R>, path: &[Step], lists: u32) -> Result<(), Stop<E>>
    where
        V: FnMut(Span, Found<'_>) -> Result<(), E>,
    {
        match (scanner.ahead()?, path) {
            // Lists in lists in lists hold nothing that anybody looks for.
            (Some(b'['), _) if lists < 4 => {
                scanner.enter();
                let rest = match path {
                    [Step::Each, rest @ ..] => rest,
                    path => path,
                };
                while scanner.element()?.is_some() {
                    self.descend(scanner, rest, lists + 1)?;
                }
                Ok(())
            }
            (Some(b'{'), [step, rest @ ..]) => {
                scanner.enter();
                while let Some(key) = scanner.key()? {
                    let is_on_the_way = match step {
                        Step::Each => true,
                        Step::Key(wanted) => *wanted == key,
                    };
                    if is_on_the_way {
                        self.descend(scanner, rest, 0)?;
                    } else {
                        skip(scanner)?;
                    }
                }
                Ok(())
            }
            // The way ends before the path does: nothing is here.
            (_, [_, ..]) => Ok(skip(scanner)?),
            (_, []) => {
                let cut = scanner.value(self.limit);
                let told = match cut {
                    Ok(span) => self.tell(span, Found::Element(scanner.bytes())),
                    // The scanner stands behind these, and what follows is sound.
                    Err(fault @ (Fault::TooLong { .. } | Fault::TooDeep { .. })) => {
                        self.tell(span_of(&fault).unwrap_or_default(), Found::Fault(fault))
                    }
                    Err(fault) => return Err(Stop::Fault(fault)),
                };
                told.map_err(Stop::Visitor)
            }
        }
    }
}

/// Passes over a value without keeping it.
fn skip<R: Read + Seek>(scanner: &mut Scanner<R>) -> Result<(), Fault> {
    match scanner.value(0) {
        Ok(_) | Err(Fault::TooLong { .. } | Fault::TooDeep { .. }) => Ok(()),
        Err(fault) => Err(fault),
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::io::Cursor;

    use super::*;

    fn steps(path: &str) -> Vec<Step> {
        path.split('.')
            .filter(|step| !step.is_empty())
            .map(|step| if step == "*" { Step::Each } else { Step::Key(step.to_owned()) })
            .collect()
    }

    /// `line: bytes` of each element, `line! fault` of what is damaged.
    fn found(text: &str, path: &str) -> Vec<String> {
        let mut scanner = Scanner::new(Cursor::new(text.as_bytes())).unwrap();
        let mut found = Vec::new();
        let walked = walk::<_, Infallible>(&mut scanner, &steps(path), 40, |span, what| {
            found.push(match what {
                Found::Element(bytes) => {
                    let cut = &text.as_bytes()[span.offset as usize..(span.offset + span.length) as usize];
                    assert_eq!(cut, bytes, "the span is where the bytes are");
                    format!("{}: {}", span.line, String::from_utf8_lossy(bytes))
                }
                Found::Fault(fault) => format!("{}! {fault}", span.line),
            });
            Ok(())
        });
        assert_eq!(walked.unwrap().elements, found.len() as u64);
        found
    }

    #[test]
    fn elements_are_found_in_every_layout() {
        let table: &[(&str, &str, &str, &[&str])] = &[
            ("an array", r#"[{"a":1},{"a":2}]"#, "", &[r#"1: {"a":1}"#, r#"1: {"a":2}"#]),
            ("lines", "{\"a\":1}\n\n{\"a\":2}\n", "", &[r#"1: {"a":1}"#, r#"3: {"a":2}"#]),
            ("one object", "\u{feff}{\n\"a\":1}", "", &["1: {\n\"a\":1}"]),
            (
                "pages",
                r#"{"n":2,"t":[{"a":1}]}{"t":[{"a":2}],"x":{"t":[3]}}"#,
                "t",
                &[r#"1: {"a":1}"#, r#"1: {"a":2}"#],
            ),
            ("deeper", r#"{"data":{"t":[{"a":1}]}}"#, "data.t", &[r#"1: {"a":1}"#]),
            ("by key", r#"{"t":{"7":{"a":1},"8":{"a":2}}}"#, "t.*", &[r#"1: {"a":1}"#, r#"1: {"a":2}"#]),
            ("a list of pages", r#"[{"t":[1,2]},{"t":[3]}]"#, "t", &["1: 1", "1: 2", "1: 3"]),
            ("a list that is a member of lines", "{\"t\":[1]}\n{\"t\":[2]}", "t", &["1: 1", "2: 2"]),
            ("each of a list", r#"{"t":[{"c":[1]},{"c":[2]}]}"#, "t.*.c", &["1: 1", "1: 2"]),
            ("nothing there", r#"{"u":[1],"t":5}"#, "t.x", &[]),
            ("nothing", " \n", "", &[]),
        ];
        for (name, text, path, expected) in table {
            assert_eq!(found(text, path), *expected, "{name}");
        }
    }

    #[test]
    fn damage_costs_a_line_or_is_told() {
        let table: &[(&str, &str, &[&str])] = &[
            (
                "a line",
                "{\"a\":1}\n{\"a\":\n{\"a\":3}\n",
                &[r#"1: {"a":1}"#, "2! ends in the middle of a value", r#"3: {"a":3}"#],
            ),
            ("an array", "[{\"a\":1},{\"a\":]},{\"a\":3}]", &[r#"1: {"a":1}"#, "1! byte 14 cannot stand there"]),
            (
                "too long",
                &format!("[{{\"a\":\"{}\"}},{{\"a\":2}}]", "x".repeat(50)),
                &["1! longer than 40 bytes", r#"1: {"a":2}"#],
            ),
            ("the end", "[{\"a\":1},{\"a\"", &[r#"1: {"a":1}"#, "1! ends in the middle of a value"]),
            ("no end", "[{\"a\":1}", &[r#"1: {"a":1}"#, "1! ends in the middle of a value"]),
        ];
        for (name, text, expected) in table {
            assert_eq!(found(text, ""), *expected, "{name}");
        }
    }

    #[test]
    fn no_text_cut_anywhere_makes_it_fail_or_go_on_forever() {
        let text = "{\"t\":[{\"a\":\"\\u00e4\"},[[[[[[1]]]]]]],\"u\":{\"t\":1}}\n]},:{\"t\":[2]}\n";
        for end in 0..=text.len() {
            for path in ["", "t", "t.*", "*.*"] {
                let mut scanner = Scanner::new(Cursor::new(&text.as_bytes()[..end])).unwrap();
                let walked = walk::<_, Infallible>(&mut scanner, &steps(path), 1000, |_, _| Ok(()));
                assert!(walked.unwrap().elements < 20, "{end} {path}");
            }
        }
    }
}
