//! Walks over the tags of HTML without building a tree.
//!
//! Follows the tokenizer of the HTML standard as far as finding where tags,
//! comments and raw texts begin and end, so that it sees the tags that a
//! parser sees. It decides nothing about safety: that is the cleaner's work.

use std::borrow::Cow;

/// A part of HTML.
#[derive(Debug, PartialEq)]
pub(super) enum Piece<'a> {
    /// Text as it stands, entities not decoded.
    Text(&'a str),
    /// A start tag.
    Open(Tag<'a>),
    /// An end tag's name as written.
    Close(&'a str),
}

/// A start tag.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tag<'a> {
    /// The name as written.
    pub name: &'a str,
    /// How many attributes it has.
    pub attribute_count: usize,
    inside: &'a str,
}

impl<'a> Tag<'a> {
    /// Whether it has this name (lower case), in any case.
    pub(super) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// Names and values as written, entities not decoded.
    pub(super) fn attributes(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let (inside, mut at) = (self.inside, 0);
        std::iter::from_fn(move || attribute(inside, &mut at))
    }
}

/// The pieces of some HTML, in order; comments and declarations are left out.
pub(super) struct Scanner<'a> {
    html: &'a str,
    at: usize,
    /// The element whose raw text comes next.
    raw: Option<&'a str>,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(html: &'a str) -> Self {
        Self { html, at: 0, raw: None }
    }

    /// Raw text up to the matching end tag.
    fn raw_text(&mut self, name: &'a str) -> &'a str {
        let bytes = self.html.as_bytes();
        let start = self.at;
        let end = if name.eq_ignore_ascii_case("plaintext") {
            bytes.len()
        } else {
            memchr::memmem::find_iter(&bytes[start..], b"</")
                .map(|found| start + found)
                .find(|&found| {
                    let after = &bytes[found + 2..];
                    after.len() > name.len()
                        && after[..name.len()].eq_ignore_ascii_case(name.as_bytes())
                        && (after[name.len()].is_ascii_whitespace() || matches!(after[name.len()], b'>' | b'/'))
                })
                .unwrap_or(bytes.len())
        };
        self.at = end;
        &self.html[start..end]
    }

    /// The place after a comment that begins at `at` with `<!--`.
    fn after_comment(&self, at: usize) -> usize {
        let bytes = self.html.as_bytes();
        let inside = at + 4;
        // `<!-->` and `<!--->` are whole comments.
        for short in [&b">"[..], b"->"] {
            if bytes[inside..].starts_with(short) {
                return inside + short.len();
            }
        }
        memchr::memmem::find_iter(&bytes[inside..], b"--")
            .map(|found| inside + found + 2)
            .find_map(|end| match bytes[end..] {
                [b'>', ..] => Some(end + 1),
                [b'!', b'>', ..] => Some(end + 2),
                _ => None,
            })
            .unwrap_or(bytes.len())
    }
}

impl<'a> Iterator for Scanner<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        let bytes = self.html.as_bytes();
        if let Some(name) = self.raw.take() {
            let text = self.raw_text(name);
            if !text.is_empty() {
                return Some(Piece::Text(text));
            }
        }
        let start = self.at;
        while self.at < bytes.len() {
            let Some(found) = memchr::memchr(b'<', &bytes[self.at..]) else { break };
            let tag = self.at + found;
            let next = bytes.get(tag + 1).copied().unwrap_or(b' ');
            let is_markup = next.is_ascii_alphabetic()
                || matches!(next, b'!' | b'?')
                || next == b'/' && bytes.get(tag + 2).is_some();
            if !is_markup {
                // A lone `<` is text.
                self.at = tag + 1;
                continue;
            }
            if tag > start {
                self.at = tag;
                return Some(Piece::Text(&self.html[start..tag]));
            }
            return self.markup(tag);
        }
        self.at = bytes.len();
        (start < bytes.len()).then(|| Piece::Text(&self.html[start..]))
    }
}

impl<'a> Scanner<'a> {
    /// The piece that begins with the `<` at `tag`.
    fn markup(&mut self, tag: usize) -> Option<Piece<'a>> {
        let bytes = self.html.as_bytes();
        let is_end = bytes[tag + 1] == b'/';
        let name_start = tag + 1 + usize::from(is_end);
        if !bytes[name_start].is_ascii_alphabetic() {
            self.at = if bytes[tag..].starts_with(b"<!--") {
                self.after_comment(tag)
            } else {
                memchr::memchr(b'>', &bytes[tag..]).map_or(bytes.len(), |end| tag + end + 1)
            };
            return self.next();
        }
        let name_length = bytes[name_start..]
            .iter()
            .position(|byte| byte.is_ascii_whitespace() || matches!(byte, b'/' | b'>'))
            .unwrap_or(bytes.len() - name_start);
        let inside_start = name_start + name_length;
        let name = &self.html[name_start..inside_start];
        let mut at = 0;
        let mut attribute_count = 0;
        let rest = &self.html[inside_start..];
        while attribute(rest, &mut at).is_some() {
            attribute_count += 1;
        }
        if at >= rest.len() {
            // The text ends inside a tag: parsers drop it.
            self.at = bytes.len();
            return None;
        }
        self.at = inside_start + at + 1;
        if is_end {
            return Some(Piece::Close(name));
        }
        const RAW: &[&str] =
            &["script", "style", "textarea", "title", "xmp", "iframe", "noembed", "noframes", "plaintext"];
        self.raw = RAW.iter().any(|raw| name.eq_ignore_ascii_case(raw)).then_some(name);
        Some(Piece::Open(Tag { name, attribute_count, inside: &rest[..at] }))
    }
}

/// The attribute at `at`, which moves on; stops at the `>` that ends the tag, or at the end of the text.
fn attribute<'a>(inside: &'a str, at: &mut usize) -> Option<(&'a str, &'a str)> {
    let bytes = inside.as_bytes();
    let skip = |mut at: usize, also: u8| {
        while at < bytes.len() && (bytes[at].is_ascii_whitespace() || bytes[at] == also) {
            at += 1;
        }
        at
    };
    let start = skip(*at, b'/');
    *at = start;
    if start >= bytes.len() || bytes[start] == b'>' {
        return None;
    }
    // A `=` in front belongs to the name.
    let mut end = start + 1;
    while end < bytes.len() && !bytes[end].is_ascii_whitespace() && !matches!(bytes[end], b'/' | b'>' | b'=') {
        end += 1;
    }
    let name = inside.get(start..end).unwrap_or_default();
    let equals = skip(end, b' ');
    if bytes.get(equals) != Some(&b'=') {
        *at = end;
        return Some((name, ""));
    }
    let value = skip(equals + 1, b' ');
    match bytes.get(value) {
        Some(&quote @ (b'"' | b'\'')) => {
            let length = memchr::memchr(quote, &bytes[value + 1..]);
            let end = length.map_or(bytes.len(), |length| value + 1 + length);
            *at = (end + 1).min(bytes.len());
            Some((name, &inside[value + 1..end]))
        }
        Some(b'>') | None => {
            *at = value;
            Some((name, ""))
        }
        Some(_) => {
            let mut end = value;
            while end < bytes.len() && !bytes[end].is_ascii_whitespace() && bytes[end] != b'>' {
                end += 1;
            }
            *at = end;
            Some((name, &inside[value..end]))
        }
    }
}

/// Decodes character references: all numeric ones, and the names that mail programs write.
///
/// A name that is not known stays as written.
pub(super) fn decode(text: &str) -> Cow<'_, str> {
    let Some(first) = memchr::memchr(b'&', text.as_bytes()) else { return Cow::Borrowed(text) };
    let mut out = String::with_capacity(text.len());
    out.push_str(&text[..first]);
    let mut rest = &text[first..];
    while let Some(after) = rest.strip_prefix('&') {
        match reference(after) {
            Some((decoded, length)) => {
                out.push(decoded);
                rest = &after[length..];
            }
            None => {
                out.push('&');
                rest = after;
            }
        }
        let next = memchr::memchr(b'&', rest.as_bytes()).unwrap_or(rest.len());
        out.push_str(&rest[..next]);
        rest = &rest[next..];
    }
    Cow::Owned(out)
}

/// The character that a reference stands for, and the reference's length without `&`.
fn reference(after: &str) -> Option<(char, usize)> {
    let bytes = after.as_bytes();
    if bytes.first() == Some(&b'#') {
        let (digits, radix) = match bytes.get(1) {
            Some(b'x' | b'X') => (2, 16),
            _ => (1, 10),
        };
        let count = bytes[digits..].iter().take_while(|byte| (**byte as char).is_digit(radix)).count();
        let end = digits + count;
        let code = match u32::from_str_radix(&after[digits..end], radix) {
            Ok(code) => code,
            Err(_) if count > 0 => 0x11_0000,
            Err(_) => return None,
        };
        let decoded = match code {
            // The standard reads these as windows-1252, as old mail programs meant them.
            0x80..=0x9F => encoding_rs::WINDOWS_1252.decode_without_bom_handling(&[code as u8]).0.chars().next()?,
            0 => char::REPLACEMENT_CHARACTER,
            code => char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER),
        };
        return Some((decoded, end + usize::from(bytes.get(end) == Some(&b';'))));
    }
    let end = bytes.iter().take(12).position(|byte| *byte == b';')?;
    let name = &after[..end];
    if let Some(at) = LATIN.iter().position(|known| *known == name) {
        return Some((char::from_u32(0xA0 + at as u32)?, end + 1));
    }
    NAMES.iter().find(|(known, _)| *known == name).map(|(_, decoded)| (*decoded, end + 1))
}

/// The names of U+00A0 to U+00FF, in order.
#[rustfmt::skip]
const LATIN: [&str; 96] = [
    "nbsp", "iexcl", "cent", "pound", "curren", "yen", "brvbar", "sect", "uml", "copy", "ordf", "laquo", "not", "shy",
    "reg", "macr", "deg", "plusmn", "sup2", "sup3", "acute", "micro", "para", "middot", "cedil", "sup1", "ordm", "raquo",
    "frac14", "frac12", "frac34", "iquest", "Agrave", "Aacute", "Acirc", "Atilde", "Auml", "Aring", "AElig", "Ccedil",
    "Egrave", "Eacute", "Ecirc", "Euml", "Igrave", "Iacute", "Icirc", "Iuml", "ETH", "Ntilde", "Ograve", "Oacute",
    "Ocirc", "Otilde", "Ouml", "times", "Oslash", "Ugrave", "Uacute", "Ucirc", "Uuml", "Yacute", "THORN", "szlig",
    "agrave", "aacute", "acirc", "atilde", "auml", "aring", "aelig", "ccedil", "egrave", "eacute", "ecirc", "euml",
    "igrave", "iacute", "icirc", "iuml", "eth", "ntilde", "ograve", "oacute", "ocirc", "otilde", "ouml", "divide",
    "oslash", "ugrave", "uacute", "ucirc", "uuml", "yacute", "thorn", "yuml",
];

/// Further names that mail programs write.
#[rustfmt::skip]
const NAMES: &[(&str, char)] = &[
    ("amp", '&'), ("lt", '<'), ("gt", '>'), ("quot", '"'), ("apos", '\''), ("colon", ':'), ("Tab", '\t'), ("NewLine", '\n'),
    ("euro", '€'), ("hellip", '…'), ("ndash", '–'), ("mdash", '—'), ("lsquo", '‘'), ("rsquo", '’'), ("sbquo", '‚'),
    ("ldquo", '“'), ("rdquo", '”'), ("bdquo", '„'), ("bull", '•'), ("trade", '™'), ("larr", '←'), ("uarr", '↑'),
    ("rarr", '→'), ("darr", '↓'), ("lsaquo", '‹'), ("rsaquo", '›'), ("dagger", '†'), ("permil", '‰'), ("oelig", 'œ'),
    ("OElig", 'Œ'), ("scaron", 'š'), ("Scaron", 'Š'), ("Yuml", 'Ÿ'), ("tilde", '˜'), ("circ", 'ˆ'), ("minus", '−'),
    ("ensp", '\u{2002}'), ("emsp", '\u{2003}'), ("thinsp", '\u{2009}'), ("zwnj", '\u{200C}'), ("zwj", '\u{200D}'),
    ("lrm", '\u{200E}'), ("rlm", '\u{200F}'), ("check", '✓'), ("starf", '★'), ("hearts", '♥'),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(html: &str) -> String {
        Scanner::new(html)
            .map(|piece| match piece {
                Piece::Text(text) => format!("[{text}]"),
                Piece::Open(tag) => {
                    let attributes: Vec<_> = tag.attributes().map(|(n, v)| format!(" {n}={v}")).collect();
                    assert_eq!(attributes.len(), tag.attribute_count);
                    format!("<{}{}>", tag.name, attributes.concat())
                }
                Piece::Close(name) => format!("</{name}>"),
            })
            .collect()
    }

    #[test]
    fn tags_begin_and_end_where_a_parser_sees_them() {
        let table = [
            ("plain", "a<b>c</b>", "[a]<b>[c]</b>"),
            ("lone angle", "1 < 2 <3", "[1 < 2 <3]"),
            ("quoted end", "<a title='>' x>y", "<a title=> x=>[y]"),
            ("unquoted", "<a href=x/y>z", "<a href=x/y>[z]"),
            ("spaces", "<a  href = \"x\" / b>", "<a href=x b=>"),
            ("comment", "a<!-- <b> -->c", "[a][c]"),
            ("short comments", "<!--><b><!---><i>", "<b><i>"),
            ("odd comment end", "<!-- x --!><b>", "<b>"),
            ("declaration", "<!DOCTYPE html><?xml a?></ x><b>", "<b>"),
            ("script", "<script>a<b></scriptx></SCRIPT >c", "<script>[a<b></scriptx>]</SCRIPT>[c]"),
            ("unfinished tag", "a<b title=\"", "[a]"),
            ("unfinished comment", "a<!-- b", "[a]"),
            ("end of text", "a</", "[a</]"),
            ("stray quote", "<a \"b'>c", "<a \"b'=>[c]"),
            ("non-ASCII name", "<a é=ü>c", "<a é=ü>[c]"),
        ];
        for (name, html, expected) in table {
            assert_eq!(shown(html), expected, "{name}");
        }
    }

    #[test]
    fn character_references_are_decoded() {
        let table = [
            ("a &amp;&lt; b", "a &< b"),
            ("&auml;&Uuml;&szlig;&yuml;&nbsp;", "äÜßÿ\u{a0}"),
            ("&#65;&#x42;&#67 &#128;", "ABC €"),
            ("&unknown; & &; &#; &#x; &amp", "&unknown; & &; &#; &#x; &amp"),
            ("&#99999999999;&#xD800;&#0;", "\u{FFFD}\u{FFFD}\u{FFFD}"),
        ];
        for (text, expected) in table {
            assert_eq!(decode(text), expected);
        }
    }
}
