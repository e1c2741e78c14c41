//! What the server makes of addresses, names and bodies.

use super::input::cut;
use super::store::Addresses;

/// The sanitiser for addresses: something, `@`, something; then every character that no address may hold is
/// dropped, so that a display name runs into the address.
pub(super) fn sanitize_email(given: &str) -> Option<String> {
    let (before, after) = given.split_once('@')?;
    if before.is_empty() || after.is_empty() {
        return None;
    }
    let kept: String = given
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-=?^_`{|}~@.[]".contains(*c))
        .map(|c| c.to_ascii_lowercase())
        .collect();
    let kept = kept.trim_end_matches('.').replace(".@", "@");
    (!kept.is_empty()).then_some(kept)
}

/// Sanitises a list and leaves holes where an entry was no address or was there already.
pub(super) fn sanitize_list<'a>(given: impl Iterator<Item = &'a str>) -> Addresses {
    let mut kept: Vec<(u32, Box<str>)> = Vec::new();
    for (at, entry) in given.enumerate() {
        if let Some(address) = sanitize_email(entry)
            && !kept.iter().any(|(_, k)| **k == *address)
        {
            kept.push((at as u32, address.into()));
        }
    }
    kept.into()
}

/// The first 255 characters of a body as plain text: no tags, no scripts or styles, single spaces.
pub(super) fn preview(body: &str) -> String {
    const LONGEST: usize = 255;
    let mut out = String::new();
    let (mut count, mut rest) = (0, body);
    while count < LONGEST && !rest.is_empty() {
        let bytes = rest.as_bytes();
        // `a < b` is text; a tag starts with a letter, a slash, `!` or `?`.
        let opens = bytes[0] == b'<' && bytes.get(1).is_some_and(|b| b.is_ascii_alphabetic() || b"/!?".contains(b));
        if opens {
            let hidden = ["script", "style"].into_iter().find(|n| starts_tag(rest, n));
            let end = match hidden {
                Some(name) => find_ignoring_case(rest, &format!("</{name}")).and_then(|at| after_tag(rest, at)),
                None => after_tag(rest, 0),
            };
            rest = end.map_or("", |at| &rest[at..]);
            continue;
        }
        let Some(c) = rest.chars().next() else { break };
        rest = &rest[c.len_utf8()..];
        if c == '\0' {
            // Dropped together with the tags.
        } else if c.is_whitespace() {
            if !out.is_empty() && !out.ends_with(' ') {
                out.push(' ');
                count += 1;
            }
        } else {
            out.push(c);
            count += 1;
        }
    }
    out.truncate(out.trim_end().len());
    out
}

fn starts_tag(text: &str, name: &str) -> bool {
    text.get(1..=name.len()).is_some_and(|n| n.eq_ignore_ascii_case(name))
        && text.as_bytes().get(name.len() + 1).is_none_or(|b| !b.is_ascii_alphanumeric())
}

fn after_tag(text: &str, from: usize) -> Option<usize> {
    text[from..].find('>').map(|at| from + at + 1)
}

fn find_ignoring_case(text: &str, wanted: &str) -> Option<usize> {
    text.as_bytes().windows(wanted.len()).position(|w| w.eq_ignore_ascii_case(wanted.as_bytes()))
}

/// What newer cores keep of a name, a company, a note or a part of an address: no tags, every run of white space one
/// space.
pub(super) fn strip_tags(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        let is_tag = rest.as_bytes().get(at + 1).is_some_and(|b| b.is_ascii_alphabetic() || b"/!?".contains(b));
        let end = if is_tag { rest[at..].find('>').map_or(rest.len(), |e| at + e + 1) } else { at + 1 };
        out.push_str(&rest[..if is_tag { at } else { end }]);
        rest = &rest[end..];
    }
    out.push_str(rest);
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What the older core keeps: the text as it came. Both cut it to the column.
pub(super) fn column(text: &str, characters: usize, strips: bool) -> String {
    if strips { cut(&strip_tags(text), characters).to_owned() } else { cut(text, characters).to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_mangled_as_recorded() {
        for (given, want) in [
            ("J D <j@example.org>", Some("jdj@example.org")),
            ("a@x.org,b@x.org", Some("a@x.orgb@x.org")),
            ("MÜller@x.example", Some("mller@x.example")),
            ("a@b", Some("a@b")),
            ("a.@b.", Some("a@b")),
            ("bad", None),
            ("@b", None),
        ] {
            assert_eq!(sanitize_email(given).as_deref(), want, "{given}");
        }
    }

    #[test]
    fn dropped_addresses_leave_holes() {
        let list = sanitize_list(["bad", "a@example.org", "A@example.org", "b@example.org"].into_iter());
        assert_eq!(&*list, &[(1, "a@example.org".into()), (3, "b@example.org".into())]);
    }

    #[test]
    fn a_preview_is_plain_text() {
        for (body, want) in [
            ("<p onclick=\"x()\">a &amp; b</p><script>alert(1)</script><img src=\"x\">", "a &amp; b"),
            ("  one\n\n two <b>three</b>", "one two three"),
            ("1 < 2", "1 < 2"),
            ("<STYLE>p{}</STYLE >x", "x"),
            ("<script>never closed", ""),
        ] {
            assert_eq!(preview(body), want, "{body}");
        }
        assert_eq!(preview(&"é".repeat(300)).chars().count(), 255);
    }

    #[test]
    fn notes_are_flattened() {
        assert_eq!(strip_tags("Nothing <b>special</b>\nto  say, 1 < 2"), "Nothing special to say, 1 < 2");
    }
}
