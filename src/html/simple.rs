//! Cleans the HTML that help desks write most, plain paragraphs, without building a tree.
//!
//! Promises:
//!
//! - What it gives is what the cleaner would give, to the byte; whatever is not beyond doubt is left to the cleaner.
//!
//! Beyond doubt is: a few elements that may stay, properly nested and all closed, with no attributes but harmless classes
//! and plain addresses, no block inside a paragraph or inside formatting, and the commonest character references.

use super::{MAX_HTML_BYTES, Use, address};

/// Blocks.
const BLOCKS: &[&str] = &["div", "p"];

/// What stands inside a paragraph.
const INLINE: &[&str] = &["a", "b", "code", "em", "i", "small", "span", "strong", "u"];

/// How deep elements may be nested here.
const DEPTH: usize = 32;

/// Character references, and how the cleaner writes them.
const REFERENCES: &[(&str, &str)] = &[
    ("&amp;", "&amp;"),
    ("&lt;", "&lt;"),
    ("&gt;", "&gt;"),
    ("&quot;", "\""),
    ("&#39;", "'"),
    ("&#x27;", "'"),
    ("&#x2F;", "/"),
    ("&nbsp;", "&nbsp;"),
];

/// The clean HTML; `None` when only the cleaner can tell.
pub(super) fn clean(html: &str) -> Option<String> {
    let bytes = html.as_bytes();
    let is_doubtful = |byte: &u8| *byte < b' ' && !matches!(byte, b'\n' | b'\t');
    // A byte-order mark at the beginning would go.
    if bytes.len() > MAX_HTML_BYTES || html.starts_with('\u{FEFF}') || bytes.iter().any(is_doubtful) {
        return None;
    }
    let mut out = String::with_capacity(html.len() + 16);
    let mut open: Vec<&'static str> = Vec::new();
    let mut rest = html;
    while let Some(at) = memchr::memchr3(b'<', b'&', b'>', rest.as_bytes()) {
        push_text(&mut out, &rest[..at]);
        rest = &rest[at..];
        match rest.as_bytes()[0] {
            b'>' => {
                out.push_str("&gt;");
                rest = &rest[1..];
            }
            b'&' => {
                let (written, kept) = REFERENCES.iter().find(|(written, _)| rest.starts_with(written))?;
                out.push_str(kept);
                rest = &rest[written.len()..];
            }
            _ => {
                let end = memchr::memchr(b'>', rest.as_bytes())?;
                tag(&rest[1..end], &mut open, &mut out)?;
                rest = &rest[end + 1..];
            }
        }
    }
    push_text(&mut out, rest);
    open.is_empty().then_some(out)
}

/// Adds text that holds no markup.
fn push_text(out: &mut String, text: &str) {
    if text.contains('\u{A0}') {
        out.push_str(&text.replace('\u{A0}', "&nbsp;"));
    } else {
        out.push_str(text);
    }
}

/// Adds a tag, of which `inside` stands between its angle brackets.
fn tag(inside: &str, open: &mut Vec<&'static str>, out: &mut String) -> Option<()> {
    if matches!(inside, "br" | "br/" | "br />" | "br /") {
        out.push_str("<br>");
        return Some(());
    }
    if let Some(name) = inside.strip_prefix('/') {
        open.pop_if(|top| *top == name)?;
        out.push_str("</");
        out.push_str(name);
        out.push('>');
        return Some(());
    }
    let (name, attributes) = inside.split_once(' ').unwrap_or((inside, ""));
    let name = match BLOCKS.iter().find(|known| **known == name) {
        // A block ends the paragraph around it, and formatting is opened again in every block.
        Some(name) if open.iter().all(|outer| *outer == "div") => name,
        Some(_) => return None,
        // A link ends the link around it, and so does much formatting with its like.
        None => INLINE.iter().find(|known| **known == name && !open.contains(known))?,
    };
    if open.len() >= DEPTH {
        return None;
    }
    open.push(name);
    out.push('<');
    out.push_str(name);
    if !attributes.is_empty() {
        let (key, value) = attributes.split_once("=\"")?;
        let value = value.strip_suffix('"')?;
        let is_plain = |extra: &[u8]| value.bytes().all(|byte| byte.is_ascii_alphanumeric() || extra.contains(&byte));
        match key {
            "class" if is_plain(b" -_") => {}
            "href" if *name == "a" && is_plain(b":/.-_?=%#@+~,") => {
                let kept = address(value, Use::Link)?;
                if *kept != *value || url::Url::parse(value).is_err() {
                    return None;
                }
                out.push_str(" href=\"");
                out.push_str(value);
                out.push('"');
            }
            _ => return None,
        }
    }
    out.push('>');
    Some(())
}

#[cfg(test)]
mod tests {
    use super::super::CLEANER;
    use super::*;

    #[test]
    fn it_gives_what_the_cleaner_gives() {
        let table = [
            "<p>a</p>",
            "<div class=\"zd-comment\"><p>a &amp; b</p>\n<p>c<br/>d</p></div>",
            "<p>a &quot;b&quot; &#39;c&#39; &lt;d&gt; e > f\u{A0}g&nbsp;h</p>",
            "<p><small>Ticket <a href=\"https://example.org/a/1?b=2\">1</a><br>Group: x</small></p>",
            "a\tb <b>c <i>d</i></b>",
        ];
        for html in table {
            assert_eq!(clean(html).as_deref(), Some(&*CLEANER.clean(html).to_string()), "{html}");
        }
    }

    #[test]
    fn what_it_does_not_understand_is_left_to_the_cleaner() {
        let table = [
            "<p>a",
            "a</p>",
            "<p><div>a</div></p>",
            "<b><p>a</p></b>",
            "<b><i>a</b></i>",
            "<a><a>x</a></a>",
            "<P>a</P>",
            "<p onclick=\"x()\">a</p>",
            "<script>a</script>",
            "<p title=\"a>b\">c</p>",
            "a\0b",
            "a\r\nb<br>",
            "a & b<br>",
            "&auml;",
            "&ampx",
            "<a href=\"javascript:x()\">a</a>",
            "<a href=\"/x\">a</a>",
            "<a href=\"https://\">a</a>",
            "<a href=\"x\" href=\"y\">a</a>",
            "\u{FEFF}<p>a</p>",
            "<!-- a -->",
            "<p class=\"a\" id=\"b\">c</p>",
            "<br></br>",
        ];
        for html in table {
            assert_eq!(clean(html), None, "{html}");
        }
    }

    #[test]
    fn anything_made_of_what_it_knows_and_some_more_comes_out_as_from_the_cleaner() {
        const PARTS: &[&str] = &[
            "<p>",
            "</p>",
            "<div>",
            "</div>",
            "<b>",
            "</b>",
            "<i>",
            "</i>",
            "<br>",
            "<span class=\"x\">",
            "</span>",
            "a",
            " ",
            "\n",
            "&amp;",
            "&nbsp;",
            "&",
            ">",
            "ü\u{A0}",
            "<a href=\"http://example.org/%20?x#y\">",
            "</a>",
            "<a href=\"mailto:a@example.org\">",
            "<a href=\"tel:+1\">",
            "<a href=\"https://a b\">",
            "<a href=\"http://[\">",
            "<ul>",
            "<pre>",
            "\t",
            "<",
            "<p >",
            "<small>",
            "</small>",
            "<code>",
            "</code>",
            "&lt",
            "&quot;",
        ];
        let mut random = fastrand::Rng::with_seed(7);
        let mut known = 0;
        for round in 0..60_000 {
            let html: String = if round % 2 == 0 {
                (0..random.usize(1..9)).map(|_| PARTS[random.usize(..PARTS.len())]).collect()
            } else {
                nested(&mut random, 0)
            };
            if let Some(found) = clean(&html) {
                assert_eq!(found, CLEANER.clean(&html).to_string(), "{html}");
                known += 1;
            }
        }
        assert!(known > 10_000, "{known}");
    }

    /// Elements that are closed, mostly where they may stand.
    fn nested(random: &mut fastrand::Rng, depth: usize) -> String {
        let mut html = String::new();
        for _ in 0..random.usize(1..4) {
            let name = match random.usize(..4) {
                0 => BLOCKS[random.usize(..BLOCKS.len())],
                1 => INLINE[random.usize(..INLINE.len())],
                _ => {
                    html.push_str(["x ", "&gt;", "<br>", "\n", " y"][random.usize(..5)]);
                    continue;
                }
            };
            let inner = if depth < 5 { nested(random, depth + 1) } else { String::new() };
            html.push_str(&format!("<{name}>{inner}</{name}>"));
        }
        html
    }
}
