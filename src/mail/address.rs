//! Addresses as people and programs write them.
//!
//! A lenient scan that never gives up on a whole field: what cannot be an address is kept as a name.

use crate::mail::header;

/// No field lists more people than this; the rest of a longer one is left out.
const MOST: usize = 5_000;

/// A longer name is none; what follows is left out.
const NAME_BYTES: usize = 4096;

/// A longer field was not encoded as a whole.
const WHOLE_BYTES: usize = 16 * 1024;

/// One address of a field.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Address {
    /// The display name, decoded.
    pub name: Option<String>,
    /// The bare address; `None` when the text holds none.
    pub email: Option<String>,
}

/// All addresses of a raw `From`, `To`, `Cc`, … value.
pub fn parse(raw: &[u8]) -> Vec<Address> {
    let text = header::unfold(raw);
    let mut addresses = parse_unfolded(&text);
    // Some mailers encode the field as a whole, address included.
    let has_no_address = addresses.iter().all(|address| address.email.is_none());
    if has_no_address && text.len() <= WHOLE_BYTES && memchr::memmem::find(&text, b"=?").is_some() {
        let decoded = header::decode_words(&text);
        let again = parse_unfolded(decoded.as_bytes());
        if again.iter().any(|address| address.email.is_some()) {
            addresses = again;
        }
    }
    addresses
}

fn parse_unfolded(text: &[u8]) -> Vec<Address> {
    let mut found: Vec<Address> = Vec::new();
    // `Doe, John <j@x>`: a segment that is only a name belongs to the address after it.
    let mut name_before = String::new();
    for segment in Segments::new(text) {
        if found.len() >= MOST {
            break;
        }
        if let Some(several) = segment.several() {
            found.extend(several);
            continue;
        }
        let Some(mut address) = segment.address() else { continue };
        if address.email.is_none() && segment.ends_with_comma {
            let name = address.name.unwrap_or_default();
            if !name_before.is_empty() {
                found.push(Address { name: Some(std::mem::take(&mut name_before)), email: None });
            }
            name_before = name;
            continue;
        }
        if !name_before.is_empty() {
            let before = std::mem::take(&mut name_before);
            match (&address.email, &address.name, segment.has_angle) {
                (Some(_), Some(name), true) => address.name = Some(format!("{before}, {name}")),
                _ => found.push(Address { name: Some(before), email: None }),
            }
        }
        found.push(address);
    }
    if !name_before.is_empty() {
        found.push(Address { name: Some(name_before), email: None });
    }
    found
}

/// What stands between two separators.
#[derive(Debug, Default)]
struct Segment {
    /// Text outside angle brackets and comments, quotes taken off.
    phrase: Vec<u8>,
    /// Text inside the last angle brackets.
    angle: Vec<u8>,
    has_angle: bool,
    comment: Vec<u8>,
    ends_with_comma: bool,
}

/// Cuts a field at commas and semicolons that are not inside quotes, comments or brackets.
struct Segments<'a> {
    text: &'a [u8],
    at: usize,
    word_ends: header::Ends,
}

impl<'a> Segments<'a> {
    fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0, word_ends: header::Ends::default() }
    }
}

impl Iterator for Segments<'_> {
    type Item = Segment;

    fn next(&mut self) -> Option<Segment> {
        if self.at >= self.text.len() {
            return None;
        }
        let mut segment = Segment::default();
        while let Some(&byte) = self.text.get(self.at) {
            self.at += 1;
            match byte {
                b',' => {
                    segment.ends_with_comma = true;
                    break;
                }
                b';' => break,
                b'"' => self.quoted(&mut segment.phrase),
                b'(' => self.comment(&mut segment.comment),
                b'<' => self.angle(&mut segment),
                // The name of a group (`undisclosed-recipients:;`) is nobody's.
                b':' if !segment.phrase.contains(&b'@') && !is_mailto(&segment.phrase) => segment.phrase.clear(),
                b'=' if self.text.get(self.at) == Some(&b'?') => self.encoded_word(&mut segment.phrase),
                _ => segment.phrase.push(byte),
            }
        }
        Some(segment)
    }
}

impl Segments<'_> {
    /// Copies a quoted string without its quotes; an open one ends with the field.
    fn quoted(&mut self, phrase: &mut Vec<u8>) {
        // A quote that is never closed is not a quote: `John "Johnny Doe <j@x>`. The bound keeps hostile fields cheap.
        const QUOTED_BYTES: usize = 1024;
        let rest = &self.text[self.at..self.text.len().min(self.at + QUOTED_BYTES)];
        let mut end = 0;
        while end < rest.len() && rest[end] != b'"' {
            end += if rest[end] == b'\\' { 2 } else { 1 };
        }
        if end >= rest.len() {
            return;
        }
        let mut is_escaped = false;
        for &byte in &rest[..end] {
            if byte == b'\\' && !is_escaped {
                is_escaped = true;
                continue;
            }
            is_escaped = false;
            phrase.push(byte);
        }
        self.at += end + 1;
    }

    fn comment(&mut self, comment: &mut Vec<u8>) {
        let mut depth = 1;
        comment.clear();
        while let Some(&byte) = self.text.get(self.at) {
            self.at += 1;
            match byte {
                b'\\' => {
                    comment.extend(self.text.get(self.at));
                    self.at += 1;
                    continue;
                }
                b'(' => depth += 1,
                b')' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                break;
            }
            comment.push(byte);
        }
    }

    /// Copies what stands in angle brackets; a missing `>` ends with the segment.
    fn angle(&mut self, segment: &mut Segment) {
        let mut inside = Vec::new();
        while let Some(&byte) = self.text.get(self.at) {
            match byte {
                b'>' => {
                    self.at += 1;
                    // `<<a@b>>`
                    while self.text.get(self.at) == Some(&b'>') {
                        self.at += 1;
                    }
                    break;
                }
                // Only a source route (`<@a,@b:c@d>`) has commas inside.
                b',' if !inside.starts_with(b"@") => break,
                b'<' => {}
                // `<pete(his account)@example.org>`
                b'(' => {
                    self.at += 1;
                    self.comment(&mut Vec::new());
                    continue;
                }
                _ => inside.push(byte),
            }
            self.at += 1;
        }
        // `<b>Name</b> <a@b>`: the last brackets with an address win.
        if !segment.has_angle || inside.contains(&b'@') {
            segment.angle = inside;
        }
        segment.has_angle = true;
    }

    /// Copies an encoded word whole, so that commas and quotes inside it do not count.
    fn encoded_word(&mut self, phrase: &mut Vec<u8>) {
        const WORD_BYTES: usize = 4096;
        let start = self.at - 1;
        let rest = &self.text[start..self.text.len().min(start + WORD_BYTES)];
        let mut marks = memchr::memchr_iter(b'?', rest).skip(2);
        let content = marks.next().map_or(rest.len(), |n| n + 1);
        let end = self.word_ends.after(self.text, start + content).map(|end| end + 2 - start);
        match end {
            Some(end) if end <= rest.len() && !rest[..end].contains(&b'<') => {
                phrase.extend_from_slice(&rest[..end]);
                self.at = start + end;
            }
            _ => phrase.push(b'='),
        }
    }
}

impl Segment {
    /// The addresses of `a@b.org c@d.org`: only white space between them.
    fn several(&self) -> Option<Vec<Address>> {
        let tokens = || self.phrase.split(u8::is_ascii_whitespace).filter(|token| !token.is_empty());
        if self.has_angle || tokens().nth(1).is_none() {
            return None;
        }
        tokens().map(|token| Some(Address { name: None, email: Some(email_in(token)?) })).collect()
    }

    fn address(&self) -> Option<Address> {
        let comment = tidy(&self.comment);
        if self.has_angle {
            let email = email_in(&self.angle);
            let name = tidy(&self.phrase).or(comment).filter(|name| Some(name.as_str()) != email.as_deref());
            // `<>` is the sender of bounces; `"a@b" <>` has the address in the wrong place.
            let email = email.or_else(|| email_in(&self.phrase));
            return (email.is_some() || name.is_some()).then_some(Address { name, email });
        }
        let phrase = self.phrase.trim_ascii();
        // A comment alone (`(Empty list)`, `(no To-header on input)`) is nobody.
        if phrase.is_empty() {
            return None;
        }
        if let Some(email) = email_in(phrase) {
            return Some(Address { name: comment, email: Some(email) });
        }
        // `jdoe@test  . example`, which the oldest standard allows.
        if let Some(email) = email_in(&without_space_at_dots(phrase)) {
            return Some(Address { name: comment, email: Some(email) });
        }
        // `John Doe j@x`: the token with the `@` is the address.
        if let Some(token) = phrase.split(u8::is_ascii_whitespace).find(|token| email_in(token).is_some()) {
            let rest: Vec<u8> =
                phrase.split(u8::is_ascii_whitespace).filter(|other| *other != token).collect::<Vec<_>>().join(&b' ');
            return Some(Address { name: tidy(&rest).or(comment), email: email_in(token) });
        }
        // `ann (Ann Lee)` is a user of the machine that the mail was sent on; the comment says who that is.
        let is_user = !phrase.contains(&b' ');
        tidy(phrase).map(|name| Address { name: comment.filter(|_| is_user).or(Some(name)), email: None })
    }
}

/// Takes white space off that stands beside a dot or an `@`.
fn without_space_at_dots(text: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::with_capacity(text.len());
    for &byte in text {
        let is_joint = |byte: u8| matches!(byte, b'.' | b'@');
        if is_joint(byte) {
            while out.last().is_some_and(u8::is_ascii_whitespace) {
                out.pop();
            }
        }
        if !byte.is_ascii_whitespace() || !out.last().copied().is_some_and(is_joint) {
            out.push(byte);
        }
    }
    out
}

/// The bare address in a text that is nothing else, undoing what archives do to addresses.
fn email_in(text: &[u8]) -> Option<String> {
    let text = text.trim_ascii();
    let text = if is_mailto_prefix(text) { &text[7..] } else { text };
    // A source route is not part of the address.
    let text = match text {
        [b'@', ..] => memchr::memrchr(b':', text).map_or(text, |cut| &text[cut + 1..]),
        _ => text,
    };
    let text = String::from_utf8_lossy(text);
    let text = text.trim_matches(|c: char| c.is_whitespace() || matches!(c, '\'' | '"' | '<' | '>' | ',' | ';'));
    // Pipermail: `user at host.org`.
    let restored = match text.split_once(" at ") {
        Some((user, host))
            if !text.contains('@') && !user.contains(' ') && host.contains('.') && !host.contains(' ') =>
        {
            format!("{user}@{host}")
        }
        _ => text.to_owned(),
    };
    // `smtp:a@b.org`; and a group's name in brackets (`<Undisclosed:@b.org;>`) has nobody before the `@`.
    let restored = match restored.split_once(':') {
        Some((_, rest)) if !restored.contains('"') && rest.contains('@') => rest.to_owned(),
        _ => restored,
    };
    let (user, host) = restored.rsplit_once('@')?;
    let is_bare = !user.is_empty() && !host.is_empty() && !host.contains(char::is_whitespace);
    // Spaces are allowed only in a quoted user part, and those are left to FreeScout to refuse.
    let is_address = is_bare && !user.contains(char::is_whitespace);
    is_address.then_some(restored)
}

fn is_mailto(phrase: &[u8]) -> bool {
    phrase.trim_ascii().eq_ignore_ascii_case(b"mailto")
}

fn is_mailto_prefix(text: &[u8]) -> bool {
    text.get(..7).is_some_and(|prefix| prefix.eq_ignore_ascii_case(b"mailto:"))
}

/// A display name without the quotes that Outlook adds, decoded.
fn tidy(name: &[u8]) -> Option<String> {
    let name = name.trim_ascii();
    let decoded = header::decode_words(&name[..name.len().min(NAME_BYTES)]);
    let name = decoded.trim().trim_matches('"').trim();
    let name = name.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')).unwrap_or(name).trim();
    (!name.is_empty()).then(|| name.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_as_people_write_them() {
        type Expected = &'static [(Option<&'static str>, Option<&'static str>)];
        let cases: &[(&str, &str, Expected)] = &[
            ("bare", "a@b.org", &[(None, Some("a@b.org"))]),
            ("named", "Ann Lee <a@b.org>", &[(Some("Ann Lee"), Some("a@b.org"))]),
            ("quoted comma", "\"Lee, Ann\" <a@b.org>", &[(Some("Lee, Ann"), Some("a@b.org"))]),
            ("unquoted comma", "Lee, Ann <a@b.org>", &[(Some("Lee, Ann"), Some("a@b.org"))]),
            (
                "unquoted comma after another",
                "x@y.org, Lee, Ann <a@b.org>",
                &[(None, Some("x@y.org")), (Some("Lee, Ann"), Some("a@b.org"))],
            ),
            ("missing bracket", "Ann <a@b.org", &[(Some("Ann"), Some("a@b.org"))]),
            (
                "missing bracket, then more",
                "Ann <a@b.org, c@d.org",
                &[(Some("Ann"), Some("a@b.org")), (None, Some("c@d.org"))],
            ),
            ("doubled brackets", "<<a@b.org>>", &[(None, Some("a@b.org"))]),
            ("mailto", "<mailto:a@b.org>", &[(None, Some("a@b.org"))]),
            ("bare mailto", "mailto:a@b.org", &[(None, Some("a@b.org"))]),
            ("comment name", "a@b.org (Ann Lee)", &[(Some("Ann Lee"), Some("a@b.org"))]),
            ("pipermail", "a.lee at b.org (Ann Lee)", &[(Some("Ann Lee"), Some("a.lee@b.org"))]),
            ("group", "Friends: a@b.org, c@d.org;", &[(None, Some("a@b.org")), (None, Some("c@d.org"))]),
            ("empty group", "undisclosed-recipients:;", &[]),
            ("empty brackets", "<>", &[]),
            ("empty", "", &[]),
            ("holes", "a@b.org, , <>", &[(None, Some("a@b.org"))]),
            ("encoded word", "=?utf-8?Q?Zo=C3=AB?= <z@b.org>", &[(Some("Zoë"), Some("z@b.org"))]),
            ("encoded comma", "=?utf-8?Q?Lee,_Ann?= <z@b.org>", &[(Some("Lee, Ann"), Some("z@b.org"))]),
            ("quoted encoded word", "\"=?utf-8?Q?Zo=C3=AB?=\" <z@b.org>", &[(Some("Zoë"), Some("z@b.org"))]),
            ("wholly encoded", "=?utf-8?Q?Zo=C3=AB_=3Cz=40b.org=3E?=", &[(Some("Zoë"), Some("z@b.org"))]),
            ("address as name", "\"a@b.org\" <a@b.org>", &[(None, Some("a@b.org"))]),
            ("apostrophes", "'a@b.org' <a@b.org>", &[(None, Some("a@b.org"))]),
            ("semicolons", "a@b.org; c@d.org", &[(None, Some("a@b.org")), (None, Some("c@d.org"))]),
            ("no brackets", "Ann Lee a@b.org", &[(Some("Ann Lee"), Some("a@b.org"))]),
            ("no address", "Ann Lee", &[(Some("Ann Lee"), None)]),
            ("only a comment", "a@b.org, (that is all)", &[(None, Some("a@b.org"))]),
            ("only spaces between", "a@b.org c@d.org", &[(None, Some("a@b.org")), (None, Some("c@d.org"))]),
            ("a user of the machine", "ann (Ann Lee)", &[(Some("Ann Lee"), None)]),
            ("spaces at dots", "ann . lee @ b . org", &[(None, Some("ann.lee@b.org"))]),
            ("a group in brackets", "<Undisclosed:@b.org;>", &[]),
            ("a kind before it", "SMTP:a@b.org", &[(None, Some("a@b.org"))]),
            ("source route", "<@x.org,@y.org:a@b.org>", &[(None, Some("a@b.org"))]),
            ("broken", "<<broken@@example.com", &[(None, Some("broken@@example.com"))]),
            ("nested comment", "a@b.org (Ann (the boss) Lee)", &[(Some("Ann (the boss) Lee"), Some("a@b.org"))]),
            ("open quote", "Ann \"Lee <a@b.org>", &[(Some("Ann Lee"), Some("a@b.org"))]),
            ("escaped quote", "\"Ann \\\"A\\\" Lee\" <a@b.org>", &[(Some("Ann \"A\" Lee"), Some("a@b.org"))]),
            ("comments inside", "Pete <pete(his account)@b.org(his host)>", &[(Some("Pete"), Some("pete@b.org"))]),
            ("folded", "a@b.org,\r\n\tc@d.org", &[(None, Some("a@b.org")), (None, Some("c@d.org"))]),
        ];
        for (name, text, expected) in cases {
            let expected: Vec<Address> = expected
                .iter()
                .map(|(name, email)| Address { name: name.map(str::to_owned), email: email.map(str::to_owned) })
                .collect();
            assert_eq!(parse(text.as_bytes()), expected, "{name}");
        }
    }
}
