//! Plain text to HTML and back.

use linkify::{LinkFinder, LinkKind};

use super::scan::{Piece, Scanner, decode};

/// Deepest quotation that is shown as such; further `>` stay as they are.
const MAX_QUOTES: usize = 16;

/// Plain text as HTML: escaped, line ends kept, links made, quoted parts marked.
///
/// Blank lines part paragraphs, lines that begin with `>` become block quotes (16 deep at most), leading
/// and repeated spaces stay visible. Line ends may be LF, CRLF or CR. Blank lines at both ends go.
/// Text without anything visible gives an empty string.
pub fn from_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8 + 16);
    let mut quotes = 0;
    let mut is_in_paragraph = false;
    let mut blank_lines = 0;
    for line in Lines(text) {
        let (depth, line) = unquoted(line);
        if line.trim().is_empty() {
            blank_lines += 1;
            continue;
        }
        if is_in_paragraph && depth == quotes && blank_lines == 0 {
            out.push_str("<br>\n");
        } else {
            if is_in_paragraph {
                out.push_str("</p>\n");
            }
            for _ in depth..quotes {
                out.push_str("</blockquote>\n");
            }
            for _ in quotes..depth {
                out.push_str("<blockquote>\n");
            }
            out.push_str("<p>");
            // One blank line is what parts paragraphs anyway.
            if is_in_paragraph && depth == quotes {
                for _ in 1..blank_lines {
                    out.push_str("<br>\n");
                }
            }
            is_in_paragraph = true;
            quotes = depth;
        }
        blank_lines = 0;
        push_line(&mut out, line.trim_end());
    }
    if is_in_paragraph {
        out.push_str("</p>");
    }
    for _ in 0..quotes {
        out.push_str("\n</blockquote>");
    }
    out
}

/// Escapes text for use inside HTML, element content and attribute values alike.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 16);
    push_escaped(&mut out, text, Spaces::AsTheyAre);
    out
}

/// The visible text of HTML with white space collapsed, for previews and blank checks.
///
/// Images count as nothing; scripts, styles, titles and comments are left out.
pub fn to_text(html: &str) -> String {
    let mut out = String::with_capacity(html.len() / 2);
    let mut is_after_space = true;
    for_visible(html, |part| {
        let Visible::Text(text) = part else {
            if !is_after_space {
                out.push(' ');
                is_after_space = true;
            }
            return;
        };
        for c in text.chars() {
            if c.is_whitespace() || is_invisible(c) {
                if !is_after_space && c.is_whitespace() {
                    out.push(' ');
                    is_after_space = true;
                }
            } else {
                out.push(c);
                is_after_space = false;
            }
        }
    });
    out.truncate(out.trim_end().len());
    out
}

/// The visible text of HTML with the line ends that its blocks make.
pub(crate) fn to_lines(html: &str) -> String {
    let mut out = String::with_capacity(html.len() / 2);
    for_visible(html, |part| match part {
        Visible::Text(text) => out.push_str(text),
        Visible::Break => {
            if !out.is_empty() && !out.ends_with('\n') {
                out.push('\n');
            }
        }
    });
    out
}

/// Characters that take no room: zero-width spaces and joiners, soft hyphens, marks that newsletters pad with.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{AD}' | '\u{34F}' | '\u{200B}' | '\u{200C}' | '\u{2060}' | '\u{FEFF}')
}

enum Visible<'a> {
    Text(&'a str),
    /// A block or line ends here.
    Break,
}

fn for_visible(html: &str, mut see: impl FnMut(Visible<'_>)) {
    /// Elements that do not part words.
    const INLINE: &[&str] = &[
        "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "del", "dfn", "em", "font", "i", "img",
        "ins", "kbd", "mark", "nobr", "q", "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "time",
        "tt", "u", "var", "wbr",
    ];
    const HIDDEN: &[&str] = &["script", "style", "title", "template", "iframe", "object", "noembed", "noframes"];
    let mut hidden: Option<&str> = None;
    for piece in Scanner::new(html) {
        match piece {
            Piece::Text(text) if hidden.is_none() => see(Visible::Text(&decode(text))),
            Piece::Open(tag) => {
                if hidden.is_none() && HIDDEN.iter().any(|name| tag.is(name)) {
                    hidden = Some(tag.name);
                } else if !INLINE.iter().any(|name| tag.is(name)) {
                    see(Visible::Break);
                }
            }
            Piece::Close(name) => {
                if hidden.is_some_and(|hidden| hidden.eq_ignore_ascii_case(name)) {
                    hidden = None;
                } else if !INLINE.iter().any(|known| name.eq_ignore_ascii_case(known)) {
                    see(Visible::Break);
                }
            }
            Piece::Text(_) => {}
        }
    }
}

/// Lines that end with LF, CRLF or CR.
struct Lines<'a>(&'a str);

impl<'a> Iterator for Lines<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        if self.0.is_empty() {
            return None;
        }
        let bytes = self.0.as_bytes();
        let end = memchr::memchr2(b'\n', b'\r', bytes).unwrap_or(bytes.len());
        let line = &self.0[..end];
        let after = if bytes[end..].starts_with(b"\r\n") { end + 2 } else { (end + 1).min(bytes.len()) };
        self.0 = &self.0[after..];
        Some(line)
    }
}

/// How deep a line is quoted, and what is left of it.
fn unquoted(line: &str) -> (usize, &str) {
    let mut depth = 0;
    let mut rest = line;
    while depth < MAX_QUOTES {
        let next = if depth == 0 { rest } else { rest.strip_prefix(' ').unwrap_or(rest) };
        let Some(after) = next.strip_prefix('>') else { break };
        depth += 1;
        rest = after;
    }
    if depth > 0 { (depth, rest.strip_prefix(' ').unwrap_or(rest)) } else { (0, line) }
}

fn push_line(out: &mut String, line: &str) {
    let may_have_links = memchr::memchr2(b'@', b':', line.as_bytes())
        .is_some_and(|at| line.as_bytes()[at] == b'@' || has_link_sign(&line[at..]));
    if !may_have_links {
        push_escaped(out, line, Spaces::LineStart);
        return;
    }
    FINDER.with(|finder| {
        let mut spaces = Spaces::LineStart;
        for span in finder.spans(line) {
            let text = span.as_str();
            let scheme = match span.kind() {
                Some(LinkKind::Email) => Some("mailto:"),
                Some(LinkKind::Url) if is_web(text) => Some(""),
                _ => None,
            };
            match scheme {
                Some(scheme) => {
                    out.push_str("<a href=\"");
                    out.push_str(scheme);
                    push_escaped(out, text, Spaces::AsTheyAre);
                    out.push_str("\">");
                    push_escaped(out, text, Spaces::AsTheyAre);
                    out.push_str("</a>");
                }
                None => push_escaped(out, text, spaces),
            }
            spaces = Spaces::Visible;
        }
    });
}

fn has_link_sign(text: &str) -> bool {
    memchr::memchr(b'@', text.as_bytes()).is_some() || memchr::memmem::find(text.as_bytes(), b"://").is_some()
}

fn is_web(address: &str) -> bool {
    let start = address.as_bytes();
    [&b"http://"[..], b"https://"]
        .iter()
        .any(|scheme| start.len() > scheme.len() && start[..scheme.len()].eq_ignore_ascii_case(scheme))
}

thread_local! {
    static FINDER: LinkFinder = LinkFinder::new();
}

#[derive(Clone, Copy, PartialEq)]
enum Spaces {
    /// Attribute values, and text that is HTML-formatted elsewhere.
    AsTheyAre,
    /// Repeated spaces stay visible.
    Visible,
    /// The same, and leading ones too.
    LineStart,
}

/// Bytes that may have to be replaced.
static IS_SPECIAL: [bool; 256] = {
    let mut special = [false; 256];
    let mut at = 0;
    let bytes = b"&<>\"'\t \0";
    while at < bytes.len() {
        special[bytes[at] as usize] = true;
        at += 1;
    }
    special
};

/// Whether nothing in the text has to be replaced, wherever it stands.
///
/// Looked at without branches, so that the compiler takes many letters in one step: most lines of mail pass.
fn is_harmless(text: &[u8]) -> bool {
    let Some(((first, after), before)) = text.split_first().zip(text.get(..text.len().saturating_sub(1))) else {
        return true;
    };
    let special = text.iter().fold(0, |found, &byte| {
        let is_markup = (byte == b'&') | (byte == b'<') | (byte == b'>') | (byte == b'"') | (byte == b'\'');
        found | u8::from(is_markup | (byte == b'\t') | (byte == 0))
    });
    let double_space = before.iter().zip(after).fold(0, |found, (&a, &b)| found | u8::from((a == b' ') & (b == b' ')));
    *first != b' ' && special | double_space == 0
}

fn push_escaped(out: &mut String, text: &str, spaces: Spaces) {
    let bytes = text.as_bytes();
    if is_harmless(bytes) {
        out.push_str(text);
        return;
    }
    let mut done = 0;
    let mut at = 0;
    while at < bytes.len() {
        if !IS_SPECIAL[bytes[at] as usize] {
            at += 1;
            continue;
        }
        let replaced = match bytes[at] {
            b'&' => "&amp;",
            b'<' => "&lt;",
            b'>' => "&gt;",
            b'"' => "&quot;",
            b'\'' => "&#39;",
            // No HTML, XML or SQL text may hold it.
            0 => "\u{FFFD}",
            b'\t' if spaces != Spaces::AsTheyAre => "&nbsp;&nbsp;&nbsp; ",
            b' ' if spaces != Spaces::AsTheyAre
                && (bytes.get(at + 1) == Some(&b' ') || at == 0 && spaces == Spaces::LineStart) =>
            {
                "&nbsp;"
            }
            _ => {
                at += 1;
                continue;
            }
        };
        out.push_str(&text[done..at]);
        out.push_str(replaced);
        at += 1;
        done = at;
    }
    out.push_str(&text[done..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_keeps_its_lines_quotes_and_spaces() {
        let table = [
            ("empty", "", ""),
            ("blank", " \n\r\n\t\n", ""),
            ("one line", "hello", "<p>hello</p>"),
            ("line ends", "a\nb\r\nc\rd", "<p>a<br>\nb<br>\nc<br>\nd</p>"),
            ("paragraphs", "a\n\nb", "<p>a</p>\n<p>b</p>"),
            ("more blank lines", "a\n\n\n\nb\n\n", "<p>a</p>\n<p><br>\n<br>\nb</p>"),
            ("escaped", "<b>&\"'", "<p>&lt;b&gt;&amp;&quot;&#39;</p>"),
            ("spaces", "  a   b c", "<p>&nbsp; a&nbsp;&nbsp; b c</p>"),
            ("one space", " a", "<p>&nbsp;a</p>"),
            ("tab", "a\tb", "<p>a&nbsp;&nbsp;&nbsp; b</p>"),
            (
                "quoted",
                "x:\n> a\n> b\n>> c\nd",
                "<p>x:</p>\n<blockquote>\n<p>a<br>\nb</p>\n<blockquote>\n<p>c</p>\n</blockquote>\n</blockquote>\n<p>d</p>",
            ),
            ("spaced quotes", "> > a", "<blockquote>\n<blockquote>\n<p>a</p>\n</blockquote>\n</blockquote>"),
            ("blank quoted line", "> a\n>\n> b", "<blockquote>\n<p>a</p>\n<p>b</p>\n</blockquote>"),
            (
                "link",
                "see http://example.org/?a=1&b=2.",
                "<p>see <a href=\"http://example.org/?a=1&amp;b=2\">http://example.org/?a=1&amp;b=2</a>.</p>",
            ),
            ("address", "ask ada@example.org!", "<p>ask <a href=\"mailto:ada@example.org\">ada@example.org</a>!</p>"),
            ("no link", "javascript://x file:///etc a:b", "<p>javascript://x file:///etc a:b</p>"),
            ("other script", "日本語 שלום", "<p>日本語 שלום</p>"),
        ];
        for (name, text, expected) in table {
            assert_eq!(from_text(text), expected, "{name}");
        }
    }

    #[test]
    fn quotes_are_bounded_and_nothing_of_them_is_lost() {
        let html = from_text(&format!("{} deep", ">".repeat(100)));
        assert_eq!(html.matches("<blockquote>").count(), MAX_QUOTES);
        assert_eq!(html.matches("&gt;").count(), 100 - MAX_QUOTES);
    }

    #[test]
    fn visible_text_comes_back_with_spaces_collapsed() {
        let table = [
            ("<p>a</p><p>b</p>", "a b"),
            ("a<br>b <b>c</b>d", "a b cd"),
            ("<style>x</style><title>t</title><!-- c -->a&nbsp;&amp; b", "a & b"),
            ("<p>&nbsp;</p>\n<br>", ""),
            ("&zwnj;&#847; &shy;", ""),
            ("<script>if (a < b) </script>x", "x"),
            ("1 < 2", "1 < 2"),
        ];
        for (html, expected) in table {
            assert_eq!(to_text(html), expected, "{html}");
        }
    }

    #[test]
    fn text_made_html_is_clean_and_reads_the_same() {
        for text in ["a <b> & \"c\" http://example.org x@example.org", "  x\n\n> y\n> z", "'<script>'"] {
            let html = from_text(text);
            let cleaned = crate::html::clean(&html);
            assert!(!cleaned.has_lost_something);
            assert_eq!(to_text(&cleaned.html), to_text(&html));
        }
    }
}
