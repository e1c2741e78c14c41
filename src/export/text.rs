//! Texts as they are written into tables: HTML as lines of plain text.

use crate::html;

/// A text as lines, as a person would see them.
pub fn lines_of(body: &str) -> String {
    let lines = if memchr::memmem::find(&body.as_bytes().to_ascii_lowercase(), b"<pre").is_some() {
        html::to_lines(body)
    } else {
        // Line ends in HTML are blanks; only its blocks make lines.
        let mut flat = String::with_capacity(body.len());
        for c in body.chars() {
            let is_blank = matches!(c, ' ' | '\n' | '\r' | '\t');
            if !is_blank {
                flat.push(c);
            } else if !flat.ends_with(' ') {
                flat.push(' ');
            }
        }
        html::to_lines(&flat)
    };
    let mut out = String::with_capacity(lines.len());
    let shown = lines.lines().map(|line| line.trim_end().trim_start_matches(' ')).filter(|line| !line.is_empty());
    for line in shown {
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(line);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_becomes_lines() {
        for (html, expected) in [
            ("<p>a\n b</p><p>c<br>d</p>", "a b\nc\nd"),
            ("<div>a</div>  <div>  b &lt;c&gt;</div>", "a\nb <c>"),
            ("<pre>a\n  b</pre>", "a\nb"),
            ("plain", "plain"),
            ("<p>a</p><!-- foxferry:b543885a49e6ca51 -->", "a"),
            ("", ""),
        ] {
            assert_eq!(lines_of(html), expected, "{html}");
        }
    }
}
