//! Pieces of TOML text as a person would write them.

/// A text in quotes.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A key: bare where that is possible.
pub(super) fn key(text: &str) -> String {
    let is_bare = !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if is_bare { text.to_owned() } else { quoted(text) }
}

/// A text of a comment: one line of a bearable length.
pub(super) fn comment(text: &str) -> String {
    const LONGEST: usize = 100;
    let line: String = text
        .split(|c: char| c.is_control() || c.is_whitespace())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
    match line.char_indices().nth(LONGEST) {
        None => line,
        Some((end, _)) => format!("{}…", &line[..end]),
    }
}

/// An expression that reads a field: `priority`, `custom_fields['Order number']`, `fields['Ticket Type']`.
pub(super) fn expression(path: &[String], reserved: &[&str]) -> String {
    let is_name = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    let inner = |text: &str| text.replace('\\', "\\\\").replace('\'', "\\'");
    let mut out = String::new();
    for (at, step) in path.iter().enumerate() {
        match (at, is_name(step)) {
            (0, true) if !reserved.contains(&step.as_str()) => out.push_str(step),
            (0, _) => out.push_str(&format!("fields['{}']", inner(step))),
            (_, true) => out.push_str(&format!(".{step}")),
            (_, false) => out.push_str(&format!("['{}']", inner(step))),
        }
    }
    out
}

/// An `[ignore]` pattern for a path as findings show it; `*` in it stands for ids.
///
/// With `is_exact` nothing in it parts names: for names that have a dot of their own.
pub(super) fn pattern(path: &str, is_exact: bool) -> String {
    let mut out = String::with_capacity(path.len());
    for c in path.chars() {
        match c {
            '?' | '[' | ']' | '{' | '}' => out.push_str(&format!("[{c}]")),
            '.' if is_exact => out.push_str("[.]"),
            '\\' => out.push_str("[\\\\]"),
            c => out.push(c),
        }
    }
    out
}

/// Lines with a comment behind each, set below each other.
#[derive(Debug, Default)]
pub(super) struct Block {
    lines: Vec<(String, String)>,
}

impl Block {
    /// A line, and what stands behind it; either may be empty.
    pub(super) fn line(&mut self, text: impl Into<String>, behind: impl AsRef<str>) {
        self.lines.push((text.into(), comment(behind.as_ref())));
    }

    /// All lines, with the comments in one column as far as that is bearable.
    pub(super) fn text(&self) -> String {
        const WIDEST: usize = 56;
        let width = |text: &str| text.chars().count();
        let with_comment = self.lines.iter().filter(|(_, behind)| !behind.is_empty());
        let column =
            with_comment.map(|(text, _)| width(text)).filter(|width| *width <= WIDEST).max().unwrap_or_default();
        let mut out = String::new();
        for (text, behind) in &self.lines {
            if behind.is_empty() {
                out.push_str(text);
            } else {
                let blank = " ".repeat(column.saturating_sub(width(text)));
                out.push_str(&format!("{text}{blank}  # {behind}"));
            }
            out.push('\n');
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_stay_inside_their_quotes() {
        for name in ["plain", "two words", "a\"b", "a\\b", "a\nb", "\u{1}", "x = 1\n[people]", "ü", ""] {
            let text = format!("{} = {}\n", key(name), quoted(name));
            let table: toml::Table = toml::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}\n{text}"));
            assert_eq!(table.get(name).and_then(|value| value.as_str()), Some(name), "{text}");
        }
        let mut block = Block::default();
        block.line("a = 1", "x\n[people]\nown = 2");
        assert_eq!(block.text(), "a = 1  # x [people] own = 2\n");
    }

    #[test]
    fn expressions_table() {
        let cases: &[(&[&str], &str)] = &[
            (&["priority"], "priority"),
            (&["status"], "fields['status']"),
            (&["Ticket Type"], "fields['Ticket Type']"),
            (&["custom_fields", "Order's number"], "custom_fields['Order\\'s number']"),
            (&["custom_fields", "plan"], "custom_fields.plan"),
        ];
        for (path, expected) in cases {
            let path: Vec<String> = path.iter().map(|step| (*step).to_owned()).collect();
            assert_eq!(expression(&path, &["status"]), *expected);
        }
    }

    #[test]
    fn patterns_fit_their_own_path() {
        for path in ["entry.Beantwortet am", "Tags [list]", "a{b}", "what?", "a.b.c"] {
            for is_exact in [false, true] {
                let glob = globset::Glob::new(&pattern(path, is_exact)).unwrap().compile_matcher();
                assert!(glob.is_match(path), "{path}");
            }
        }
    }
}
