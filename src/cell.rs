//! Cells of tables that a spreadsheet program opens: none is taken for a formula.
//!
//! Promise: [`unguarded`] takes away what [`guarded`] has added, and nothing else.

use std::borrow::Cow;

/// How a cell begins that some spreadsheet program takes for a formula. East Asian ones take full-width signs, too.
const FORMULA_STARTS: &[char] = &['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];

/// Whether a spreadsheet might take a cell for a formula, or whether it begins with our guard itself.
pub fn needs_guard(text: &str) -> bool {
    // What begins with an apostrophe by itself gets one more, so that reading takes away the right one.
    text.starts_with(FORMULA_STARTS) || text.starts_with('\'')
}

/// A cell that no spreadsheet takes for a formula: an apostrophe stands before it where one is needed.
pub fn guarded(text: &str) -> Cow<'_, str> {
    if needs_guard(text) { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}

/// The cell before it was guarded.
pub fn unguarded(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(rest) if needs_guard(rest) => rest,
        _ => cell,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guards_are_reversible() {
        for text in ["=1+1", "+49 30", "-", "@SUM(A1)", "\tx", "\nx", "'quoted", "''", "plain", "", "＝1", "'=1", "a,b"]
        {
            let cell = guarded(text);
            assert!(!cell.starts_with(FORMULA_STARTS), "{cell:?}");
            assert_eq!(unguarded(&cell), text);
        }
        assert_eq!(guarded("4711"), "4711");
        assert_eq!(guarded("=HYPERLINK(\"x\",\"y\")"), "'=HYPERLINK(\"x\",\"y\")");
    }
}
