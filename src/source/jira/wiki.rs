//! Jira's wiki markup, the common part of it, as HTML.
//!
//! What is not understood stays as it is written: nothing of a text is lost. The notation is that of Jira's own help,
//! "Text formatting notation".

use super::escaped;

/// The HTML of a text in wiki markup.
pub(super) fn html(text: &str) -> String {
    let mut out = String::new();
    let mut open = Open::Nothing;
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let line = line.trim_end();
        let start = line.trim_start();
        if let Some((name, rest)) = block(start) {
            open.switch(Open::Nothing, &mut out);
            let ending = format!("{{{name}}}");
            let mut inside: Vec<&str> = Vec::new();
            let mut tail = "";
            let mut next = Some(rest);
            while let Some(line) = next {
                if let Some((before, after)) = line.split_once(&ending) {
                    inside.push(before);
                    tail = after;
                    break;
                }
                inside.push(line);
                next = lines.next();
            }
            let text = inside.join("\n");
            let text = text.trim_matches('\n');
            match name {
                // A quote may hold markup, but no other quote.
                "quote" | "panel" => out.push_str(&format!("<blockquote>{}</blockquote>", paragraphs(text))),
                _ => out.push_str(&format!("<pre>{}</pre>", escaped(text))),
            }
            if !tail.trim().is_empty() {
                out.push_str(&format!("<p>{}</p>", inline(tail.trim())));
            }
            continue;
        }
        if start.is_empty() {
            open.switch(Open::Nothing, &mut out);
        } else if let Some((level, rest)) = heading(start) {
            open.switch(Open::Nothing, &mut out);
            out.push_str(&format!("<h{level}>{}</h{level}>", inline(rest)));
        } else if start == "----" {
            open.switch(Open::Nothing, &mut out);
            out.push_str("<hr>");
        } else if let Some((list, rest)) = item(start) {
            open.switch(list, &mut out);
            out.push_str(&format!("<li>{}</li>", inline(rest)));
        } else if let Some(rest) = start.strip_prefix("bq. ") {
            open.switch(Open::Nothing, &mut out);
            out.push_str(&format!("<blockquote>{}</blockquote>", inline(rest)));
        } else if start.starts_with('|') && start.len() > 1 {
            open.switch(Open::Table, &mut out);
            out.push_str(&row(start));
        } else {
            let is_further = open == Open::Paragraph;
            open.switch(Open::Paragraph, &mut out);
            if is_further {
                out.push_str("<br>");
            }
            out.push_str(&inline(line));
        }
    }
    open.switch(Open::Nothing, &mut out);
    out
}

/// Lines as paragraphs, without blocks.
fn paragraphs(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(inline).collect();
    lines.join("<br>")
}

/// What is open while lines follow each other.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    Nothing,
    Paragraph,
    Bullets,
    Numbers,
    Table,
}

impl Open {
    fn tag(self) -> Option<&'static str> {
        match self {
            Self::Nothing => None,
            Self::Paragraph => Some("p"),
            Self::Bullets => Some("ul"),
            Self::Numbers => Some("ol"),
            Self::Table => Some("table"),
        }
    }

    fn switch(&mut self, to: Self, out: &mut String) {
        if *self == to {
            return;
        }
        if let Some(tag) = self.tag() {
            out.push_str(&format!("</{tag}>"));
        }
        if let Some(tag) = to.tag() {
            out.push_str(&format!("<{tag}>"));
        }
        *self = to;
    }
}

/// `{code}`, `{code:java}`, `{noformat}`, `{quote}`, `{panel:title=x}`, and what stands behind on the line.
fn block(line: &str) -> Option<(&'static str, &str)> {
    ["code", "noformat", "quote", "panel"].into_iter().find_map(|name| {
        let rest = line.strip_prefix('{')?.strip_prefix(name)?;
        let (parameters, rest) = rest.split_once('}')?;
        (parameters.is_empty() || parameters.starts_with(':')).then_some((name, rest))
    })
}

fn heading(line: &str) -> Option<(u8, &str)> {
    let level = line.strip_prefix('h')?.bytes().next()?;
    let rest = line.get(2..)?.strip_prefix(". ")?;
    (b'1'..=b'6').contains(&level).then(|| (level - b'0', rest))
}

fn item(line: &str) -> Option<(Open, &str)> {
    let (marks, rest) = line.split_once(' ')?;
    let is_list = !marks.is_empty() && marks.bytes().all(|it| matches!(it, b'*' | b'#' | b'-'));
    // A dash alone is one of a list; several are a line, or a signature.
    let list = if marks.ends_with('#') { Open::Numbers } else { Open::Bullets };
    (is_list && (marks == "-" || !marks.contains('-'))).then_some((list, rest))
}

/// `||head||head||` or `|cell|cell|`.
fn row(line: &str) -> String {
    let tag = if line.starts_with("||") { "th" } else { "td" };
    let cells = line.trim_matches('|').split(if tag == "th" { "||" } else { "|" });
    let cells: Vec<String> = cells.map(|cell| format!("<{tag}>{}</{tag}>", inline(cell.trim()))).collect();
    format!("<tr>{}</tr>", cells.concat())
}

/// Marks within a line: bold, links, mentions, files.
fn inline(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    let mut before = ' ';
    while let Some(first) = rest.chars().next() {
        let at_start = !before.is_alphanumeric();
        let found = match first {
            '[' => link(rest),
            '!' if at_start => file(rest),
            '{' => monospaced(rest),
            '*' if at_start => span(rest, '*', "b"),
            '_' if at_start => span(rest, '_', "i"),
            '+' if at_start => span(rest, '+', "u"),
            '\\' if rest.starts_with("\\\\") => Some(("<br>".to_owned(), 2)),
            '\\' => rest[1..]
                .chars()
                .next()
                .filter(|next| "*_-+[]{}!|\\".contains(*next))
                .map(|next| (escaped(next.encode_utf8(&mut [0; 4])), 2)),
            _ => None,
        };
        let length = match found {
            Some((html, length)) => {
                out.push_str(&html);
                length
            }
            None => {
                out.push_str(&escaped(&rest[..first.len_utf8()]));
                first.len_utf8()
            }
        };
        before = rest[..length].chars().next_back().unwrap_or(' ');
        rest = &rest[length..];
    }
    out
}

/// As much of a line as a mark may span; without an end a hostile line would be searched to its end for each beginning.
fn near(text: &str) -> &str {
    const LONGEST: usize = 4_096;
    &text[..text.floor_char_boundary(LONGEST)]
}

/// `*bold*`: no space inside at either end, and no letter behind.
fn span(text: &str, mark: char, tag: &str) -> Option<(String, usize)> {
    let inside = &text[1..];
    let end = near(inside).find(mark)?;
    let (word, behind) = (&inside[..end], inside[end + 1..].chars().next());
    let is_span = !word.is_empty()
        && word.trim() == word
        && !behind.is_some_and(char::is_alphanumeric)
        && !word.contains(['[', '{', '<']);
    is_span.then(|| (format!("<{tag}>{}</{tag}>", escaped(word)), end + 2))
}

/// `{{monospaced}}`, `{color:red}` and its end, which are left out.
fn monospaced(text: &str) -> Option<(String, usize)> {
    if let Some(inside) = text.strip_prefix("{{") {
        let end = near(inside).find("}}")?;
        return Some((format!("<code>{}</code>", escaped(&inside[..end])), end + 4));
    }
    let inside = text.strip_prefix("{color")?;
    let end = near(inside).find('}')?;
    (end == 0 || inside.starts_with(':')).then(|| (String::new(), "{color".len() + end + 1))
}

/// `[text|https://…]`, `[https://…]`, `[~name]`, `[^file]`.
fn link(text: &str) -> Option<(String, usize)> {
    let end = near(text).find(']')?;
    let inside = &text[1..end];
    let length = end + 1;
    if let Some(name) = inside.strip_prefix('~') {
        return Some((format!("@{}", escaped(name.strip_prefix("accountid:").unwrap_or(name))), length));
    }
    if let Some(file) = inside.strip_prefix('^') {
        return Some((format!("[{}]", escaped(file)), length));
    }
    // Behind a second bar stands how it is to be shown.
    let mut parts = inside.split('|');
    let (first, second) = (parts.next()?, parts.next());
    let url = second.unwrap_or(first);
    let is_url = ["https://", "http://", "mailto:"].iter().any(|it| url.starts_with(it));
    is_url.then(|| (format!("<a href=\"{}\">{}</a>", escaped(url), escaped(first)), length))
}

/// `!image.png|thumbnail!`, which is among the attachments.
fn file(text: &str) -> Option<(String, usize)> {
    let end = near(&text[1..]).find('!')?;
    let name = text[1..=end].split('|').next()?;
    let is_name = !name.is_empty() && name.trim() == name && name.contains('.') && !name.contains(['\n', '\t']);
    is_name.then(|| (format!("[{}]", escaped(name)), end + 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_markup_becomes_html_and_the_rest_stays() {
        let table = [
            ("plain", "<p>plain</p>"),
            ("a <b> & c", "<p>a &lt;b&gt; &amp; c</p>"),
            ("one\ntwo\n\nthree", "<p>one<br>two</p><p>three</p>"),
            ("h2. Head\ntext", "<h2>Head</h2><p>text</p>"),
            ("* a\n* b\n# c", "<ul><li>a</li><li>b</li></ul><ol><li>c</li></ol>"),
            ("- a", "<ul><li>a</li></ul>"),
            ("-- \nSam", "<p>--<br>Sam</p>"),
            ("*bold* and _it_, 2*3*4, snake_case_name", "<p><b>bold</b> and <i>it</i>, 2*3*4, snake_case_name</p>"),
            (
                "[here|https://example.org/a] [https://example.org]",
                "<p><a href=\"https://example.org/a\">here</a> <a href=\"https://example.org\">https://example.org</a></p>",
            ),
            ("[x|javascript:alert(1)]", "<p>[x|javascript:alert(1)]</p>"),
            ("[~sam] [~accountid:5b:1] [^a.txt] !b.png|thumbnail!", "<p>@sam @5b:1 [a.txt] [b.png]</p>"),
            ("Hi! Yes! ok", "<p>Hi! Yes! ok</p>"),
            ("{code:java}\nif (a < b) *x*\n{code}\nafter", "<pre>if (a &lt; b) *x*</pre><p>after</p>"),
            ("{noformat}never closed", "<pre>never closed</pre>"),
            ("{quote}a\nb{quote} c", "<blockquote>a<br>b</blockquote><p>c</p>"),
            ("bq. said", "<blockquote>said</blockquote>"),
            ("||A||B||\n|1|2|", "<table><tr><th>A</th><th>B</th></tr><tr><td>1</td><td>2</td></tr></table>"),
            ("{color:red}x{color} {{y}} {other}", "<p>x <code>y</code> {other}</p>"),
            ("----", "<hr>"),
            ("a\\\\b \\*c\\*", "<p>a<br>b *c*</p>"),
            ("日本 *語* [", "<p>日本 <b>語</b> [</p>"),
            ("", ""),
        ];
        for (text, expected) in table {
            assert_eq!(html(text), expected, "{text}");
        }
    }
}
