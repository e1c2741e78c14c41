//! The texts of HTML, replaced; its tags, as they are.

use super::Anonymiser;
use crate::html;

/// Attributes that say how something looks, and nothing of anybody.
const KEPT: &[&str] = &[
    "align",
    "bgcolor",
    "border",
    "cellpadding",
    "cellspacing",
    "class",
    "color",
    "colspan",
    "dir",
    "face",
    "height",
    "lang",
    "rel",
    "role",
    "rowspan",
    "size",
    "span",
    "start",
    "style",
    "target",
    "type",
    "valign",
    "width",
];

/// Stands for pictures that are part of a text.
const PICTURE: &str = "data:image/gif;base64,R0lGODlhAQABAAAAACw=";

/// An entity has no more characters.
const LONGEST_ENTITY: usize = 12;

pub(super) fn replace(anonymiser: &mut Anonymiser, html: &str) -> String {
    let mut out = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(open) = rest.find('<') {
        text(anonymiser, &rest[..open], &mut out);
        rest = &rest[open..];
        if let Some(comment) = rest.strip_prefix("<!--") {
            let end = comment.find("-->").unwrap_or(comment.len());
            out.push_str("<!--");
            // `<!--[if mso]>` is no text.
            let is_condition = comment.starts_with('[');
            let head = if is_condition { comment[..end].find('>').map_or(0, |at| at + 1) } else { 0 };
            out.push_str(&comment[..head]);
            out.push_str(&anonymiser.text(&comment[head..end]));
            rest = &comment[end..];
            continue;
        }
        let is_tag = rest[1..].starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '!' | '?'));
        if !is_tag {
            out.push('<');
            rest = &rest[1..];
            continue;
        }
        let (whole, after) = rest.split_at(tag_length(rest));
        tag(anonymiser, whole, &mut out);
        rest = after;
    }
    text(anonymiser, rest, &mut out);
    out
}

/// How long a tag is, quotes respected; the whole rest if it never ends.
fn tag_length(tag: &str) -> usize {
    let mut quote = None;
    for (at, byte) in tag.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return at + 1,
            (None, b'"' | b'\'') if tag.as_bytes()[at - 1] == b'=' => quote = Some(byte),
            (Some(open), byte) if open == byte => quote = None,
            _ => {}
        }
    }
    tag.len()
}

/// A text between tags. References that stand for letters are letters of their words.
fn text(anonymiser: &mut Anonymiser, raw: &str, out: &mut String) {
    let mut pending = String::new();
    let mut rest = raw;
    while let Some(at) = rest.find('&') {
        pending.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest.bytes().take(LONGEST_ENTITY).position(|byte| byte == b';').map_or(1, |end| end + 1);
        let (reference, after) = rest.split_at(end);
        let meant = html::to_text(reference);
        let mut letters = meant.chars();
        match (letters.next(), letters.next()) {
            (Some(letter), None) if letter.is_alphanumeric() => pending.push(letter),
            _ => {
                out.push_str(&anonymiser.text(&pending));
                pending.clear();
                out.push_str(reference);
            }
        }
        rest = after;
    }
    pending.push_str(rest);
    out.push_str(&anonymiser.text(&pending));
}

fn tag(anonymiser: &mut Anonymiser, whole: &str, out: &mut String) {
    let name = whole.find(|c: char| c.is_whitespace() || c == '>').unwrap_or(whole.len());
    out.push_str(&whole[..name]);
    let mut rest = &whole[name..];
    while !rest.is_empty() {
        let start = rest.find(|c: char| !c.is_whitespace()).unwrap_or(rest.len());
        out.push_str(&rest[..start]);
        rest = &rest[start..];
        let end = rest.find(|c: char| c.is_whitespace() || c == '=' || c == '>').unwrap_or(rest.len());
        let attribute = rest[..end].to_ascii_lowercase();
        let Some(value) = rest[end..].strip_prefix('=') else {
            // A word alone, or the end. Something must be taken in any case.
            let end = end.max(rest.chars().next().map_or(0, char::len_utf8));
            out.push_str(&rest[..end]);
            rest = &rest[end..];
            continue;
        };
        out.push_str(&rest[..=end]);
        let (quote, value, after) = match value.chars().next() {
            Some(quote @ ('"' | '\'')) => {
                let inner = &value[1..];
                let close = inner.find(quote).unwrap_or(inner.len());
                (&value[..1], &inner[..close], inner.get(close + 1..).unwrap_or_default())
            }
            _ => {
                let close = value.find(|c: char| c.is_whitespace() || c == '>').unwrap_or(value.len());
                ("", &value[..close], &value[close..])
            }
        };
        out.push_str(quote);
        if KEPT.contains(&attribute.as_str()) && !value.contains("url(") {
            out.push_str(value);
        } else if value.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("data:")) {
            out.push_str(PICTURE);
        } else if value.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("cid:")) {
            out.push_str(&value[..4]);
            out.push_str(&anonymiser.text(&value[4..]));
        } else {
            text(anonymiser, value, out);
        }
        out.push_str(quote);
        rest = after;
    }
}
