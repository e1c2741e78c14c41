//! Header fields: cutting them out, unfolding and decoding them.

use std::borrow::Cow;

use memchr::{memchr, memmem};

use crate::mail::{body, charset};

/// A field's name may be this long; a longer "name" is text with a colon somewhere.
const NAME_BYTES: usize = 128;

/// No field has more parameters; a name cut into 200 pieces is a long one.
const MOST_PARAMETERS: usize = 200;

/// One header field as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// The name, in any case.
    pub name: &'a [u8],
    /// The value with its folds, without the line's end.
    pub value: &'a [u8],
}

/// Cuts a message into header fields; afterwards [`Fields::body_start`] says where the body is.
///
/// Lenient: an envelope line (`From `, `>From `), a byte-order mark and blank lines before the first field are
/// skipped; a stray line between fields belongs to the one before; a line that is no field and is
/// followed by none starts the body, blank line or not.
#[derive(Debug, Clone)]
pub struct Fields<'a> {
    data: &'a [u8],
    at: usize,
    is_done: bool,
    /// Whether a line had to be skipped or the blank line was missing.
    pub is_broken: bool,
}

impl<'a> Fields<'a> {
    /// Starts at the beginning of a message.
    pub fn of_message(data: &'a [u8]) -> Self {
        let mut at = if data.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 };
        while at < data.len() && matches!(data[at], b'\n' | b'\r') {
            at += 1;
        }
        while data[at..].starts_with(b"From ") || data[at..].starts_with(b">From ") {
            at = line_end(data, at);
        }
        Self { data, at, is_done: false, is_broken: false }
    }

    /// Starts at the beginning of a part of a message.
    pub fn of_part(data: &'a [u8]) -> Self {
        Self { data, at: 0, is_done: false, is_broken: false }
    }

    /// Where the body starts; call when the iterator has ended.
    pub fn body_start(&self) -> usize {
        self.at.min(self.data.len())
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        loop {
            if self.is_done || self.at >= self.data.len() {
                self.is_done = true;
                return None;
            }
            let start = self.at;
            if let Some(length) = blank_line(self.data, start) {
                self.at = start + length;
                self.is_done = true;
                return None;
            }
            let first_line_end = line_end(self.data, start);
            let Some((name_end, value_start)) = field_name(&self.data[start..first_line_end]) else {
                self.is_broken = true;
                // A boundary: the blank line before the first part was lost.
                if self.data[start..].starts_with(b"--") {
                    self.is_done = true;
                    return None;
                }
                let follows = &self.data[first_line_end..];
                let is_stray = blank_line(self.data, first_line_end).is_none()
                    && (field_name(&follows[..line_end(follows, 0)]).is_some()
                        || matches!(self.data[start], b' ' | b'\t')
                        || has_known_field_near(follows));
                if is_stray {
                    self.at = first_line_end;
                    continue;
                }
                self.is_done = true;
                return None;
            };
            let mut end = first_line_end;
            while end < self.data.len() && matches!(self.data[end], b' ' | b'\t') {
                end = line_end(self.data, end);
            }
            self.at = end;
            let mut value = &self.data[start + value_start..end];
            while let [rest @ .., b'\n' | b'\r'] = value {
                value = rest;
            }
            return Some(Field { name: &self.data[start..start + name_end], value });
        }
    }
}

/// Whether one of the next few lines, before a blank one, is a field that every mail has.
fn has_known_field_near(data: &[u8]) -> bool {
    const LINES: usize = 3;
    const KNOWN: [&[u8]; 8] =
        [b"Subject", b"Date", b"From", b"To", b"Message-ID", b"MIME-Version", b"Content-Type", b"Received"];
    let mut at = 0;
    for _ in 0..LINES {
        if at >= data.len() || blank_line(data, at).is_some() {
            return false;
        }
        let end = line_end(data, at);
        let name = field_name(&data[at..end]).map(|(name_end, _)| &data[at..at + name_end]);
        if name.is_some_and(|name| KNOWN.iter().any(|known| known.eq_ignore_ascii_case(name))) {
            return true;
        }
        at = end;
    }
    false
}

/// The place after the line that starts at `at`.
pub fn line_end(data: &[u8], at: usize) -> usize {
    memchr(b'\n', &data[at..]).map_or(data.len(), |n| at + n + 1)
}

/// The length of the line end that stands here, if the line is empty.
fn blank_line(data: &[u8], at: usize) -> Option<usize> {
    match &data[at..] {
        [b'\n', ..] => Some(1),
        [b'\r', b'\n', ..] => Some(2),
        [b'\r', b'\r', b'\n', ..] => Some(3),
        _ => None,
    }
}

/// Where the name ends and the value starts, if the line is a header field.
pub fn field_name(line: &[u8]) -> Option<(usize, usize)> {
    let colon = memchr(b':', &line[..line.len().min(NAME_BYTES)])?;
    let mut name_end = colon;
    while name_end > 0 && matches!(line[name_end - 1], b' ' | b'\t') {
        name_end -= 1;
    }
    let is_name = name_end > 0 && line[..name_end].iter().all(u8::is_ascii_graphic);
    is_name.then_some((name_end, colon + 1))
}

/// The fields of a message or part, for looking up by name.
#[derive(Debug, Clone, Default)]
pub struct Headers<'a> {
    fields: Vec<Field<'a>>,
}

impl<'a> Headers<'a> {
    /// Keeps the fields in their order.
    pub fn new(fields: Vec<Field<'a>>) -> Self {
        Self { fields }
    }

    /// The first value under this name, as it stands.
    pub fn raw(&self, name: &str) -> Option<&'a [u8]> {
        self.fields.iter().find(|field| field.name.eq_ignore_ascii_case(name.as_bytes())).map(|field| field.value)
    }

    /// All values under this name, as they stand.
    pub fn all(&self, name: &str) -> impl DoubleEndedIterator<Item = &'a [u8]> {
        self.fields
            .iter()
            .filter(move |field| field.name.eq_ignore_ascii_case(name.as_bytes()))
            .map(|field| field.value)
    }

    /// The first value under this name, decoded and trimmed; `None` when there is nothing.
    pub fn text(&self, name: &str) -> Option<String> {
        let text = decode(self.raw(name)?);
        let trimmed = text.trim();
        // Most values need no trimming, and are handed on as they were made.
        match trimmed.len() {
            0 => None,
            length if length == text.len() => Some(text),
            _ => Some(trimmed.to_owned()),
        }
    }

    /// Every field in its order.
    pub fn fields(&self) -> &[Field<'a>] {
        &self.fields
    }
}

/// Joins folded lines: the line ends go, the white space stays.
pub fn unfold(value: &[u8]) -> Cow<'_, [u8]> {
    if memchr(b'\n', value).is_none() {
        return Cow::Borrowed(value.trim_ascii());
    }
    Cow::Owned(
        value.iter().copied().filter(|byte| !matches!(byte, b'\n' | b'\r')).collect::<Vec<_>>().trim_ascii().to_vec(),
    )
}

/// Unfolds a value and decodes encoded words and raw 8-bit text in it.
pub fn decode(value: &[u8]) -> String {
    decode_words(&unfold(value))
}

/// Decodes encoded words (RFC 2047) and raw 8-bit text.
///
/// Neighbouring words of one charset are joined as bytes before they are decoded, since mailers
/// cut characters in two.
pub fn decode_words(text: &[u8]) -> String {
    if memmem::find(text, b"=?").is_none() {
        let decoded = match std::str::from_utf8(text) {
            // Only an escape can mean that ASCII is something else.
            Ok(text) if memchr(0x1B, text.as_bytes()).is_none() => text.to_owned(),
            _ => charset::decode(text, None).text,
        };
        return if memchr(b'\t', decoded.as_bytes()).is_some() { decoded.replace('\t', " ") } else { decoded };
    }
    let mut out = String::with_capacity(text.len());
    let mut raw = Raw { whole: text, encoding: None };
    let mut ends = Ends::default();
    let mut pending: Option<(String, Vec<u8>)> = None;
    // Where what has not been said yet begins, and where the next word may.
    let (mut at, mut next) = (0, 0);
    let begin = memmem::Finder::new(b"=?");
    while let Some(start) = begin.find(&text[next..]).map(|n| next + n) {
        let Some((label, bytes, end)) = encoded_word(text, start, &mut ends) else {
            next = start + 2;
            continue;
        };
        let between = &text[at..start];
        // White space between two encoded words is not part of the text.
        if pending.is_none() || !between.trim_ascii().is_empty() {
            flush(&mut pending, &mut out);
            raw.say(between, &mut out);
        }
        match &mut pending {
            Some((same, joined)) if same.eq_ignore_ascii_case(&label) => joined.extend_from_slice(&bytes),
            _ => {
                flush(&mut pending, &mut out);
                pending = Some((label, bytes));
            }
        }
        (at, next) = (end, end);
    }
    flush(&mut pending, &mut out);
    raw.say(&text[at..], &mut out);
    out.replace(['\t', '\r', '\n'], " ")
}

/// Text between encoded words, of which the charset is guessed once for all.
struct Raw<'a> {
    whole: &'a [u8],
    encoding: Option<&'static encoding_rs::Encoding>,
}

impl Raw<'_> {
    fn say(&mut self, text: &[u8], out: &mut String) {
        match std::str::from_utf8(text) {
            Ok(text) => out.push_str(text),
            Err(_) => {
                let encoding = *self.encoding.get_or_insert_with(|| charset::guessed(self.whole));
                out.push_str(&encoding.decode_without_bom_handling(text).0);
            }
        }
    }
}

/// Where the next `?=` stands: looked for once, however many words never end.
#[derive(Debug, Default)]
pub struct Ends {
    /// Nothing stands between the first and the second.
    known: Option<(usize, usize)>,
}

impl Ends {
    /// The place of the first `?=` from a place on.
    pub fn after(&mut self, text: &[u8], from: usize) -> Option<usize> {
        match self.known {
            Some((start, end)) if start <= from && from <= end => {}
            _ => {
                let found = text.get(from..).and_then(|rest| memmem::find(rest, b"?="));
                self.known = Some((from, found.map_or(usize::MAX, |n| from + n)));
            }
        }
        self.known.map(|(_, end)| end).filter(|end| *end != usize::MAX)
    }
}

fn flush(pending: &mut Option<(String, Vec<u8>)>, out: &mut String) {
    if let Some((label, bytes)) = pending.take() {
        out.push_str(&charset::decode(&bytes, Some(&label)).text);
    }
}

/// The charset, the bytes and the end of the encoded word that starts here.
fn encoded_word(text: &[u8], start: usize, ends: &mut Ends) -> Option<(String, Vec<u8>, usize)> {
    const LABEL_BYTES: usize = 64;
    // Longer than any mailer makes.
    const WORD_BYTES: usize = 16 * 1024;
    let label_start = start + 2;
    let label_end = label_start + memchr(b'?', &text[label_start..text.len().min(label_start + LABEL_BYTES)])?;
    let label = std::str::from_utf8(&text[label_start..label_end]).ok()?;
    if label.is_empty() || label.contains(' ') {
        return None;
    }
    let kind = text.get(label_end + 1)?.to_ascii_lowercase();
    if text.get(label_end + 2) != Some(&b'?') {
        return None;
    }
    let content_start = label_end + 3;
    let content_end = ends.after(text, content_start).filter(|end| end - content_start <= WORD_BYTES)?;
    let content = &text[content_start..content_end];
    let bytes = match kind {
        b'b' => body::decode_base64(content),
        b'q' => {
            let spaced: Vec<u8> = content.iter().map(|&byte| if byte == b'_' { b' ' } else { byte }).collect();
            body::decode_quoted_printable(&spaced, body::Ends::Kept)
        }
        _ => return None,
    };
    Some((label.to_owned(), bytes, content_end + 2))
}

/// A value with parameters, as in `Content-Type` and `Content-Disposition`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parameters {
    /// The value before the first `;`, in lower case.
    pub value: String,
    pairs: Vec<(String, Vec<u8>)>,
}

impl Parameters {
    /// Takes a raw header value apart.
    pub fn parse(raw: &[u8]) -> Self {
        let raw = unfold(raw);
        let mut rest: &[u8] = &raw;
        let value_end = memchr(b';', rest).unwrap_or(rest.len());
        let value = String::from_utf8_lossy(rest[..value_end].trim_ascii()).to_ascii_lowercase();
        // `text/plain charset=utf-8` and `text/plain (comment)` do occur.
        let value = value.split([' ', '\t', '(', ',']).next().unwrap_or_default().to_owned();
        rest = &rest[value_end..];
        let mut pairs = Vec::new();
        while let Some(equals) = memchr(b'=', rest)
            && pairs.len() < MOST_PARAMETERS
        {
            let name = rest[..equals].rsplit(|&byte| byte == b';' || byte == b' ' || byte == b'\t');
            let name = name.map(<[u8]>::trim_ascii).find(|name| !name.is_empty()).unwrap_or_default();
            let name = String::from_utf8_lossy(name).to_ascii_lowercase();
            let (value, used) = parameter_value(&rest[equals + 1..]);
            if !name.is_empty() {
                pairs.push((name, value));
            }
            rest = &rest[equals + 1 + used..];
        }
        Self { value, pairs }
    }

    fn bytes(&self, name: &str) -> Option<&[u8]> {
        self.pairs.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_slice())
    }

    /// The value of a parameter as bytes: pieces and percent signs put together, nothing else decoded.
    pub fn joined(&self, name: &str) -> Option<Vec<u8>> {
        let plain = || self.bytes(name).map(<[u8]>::to_vec);
        let extended = || self.bytes(&format!("{name}*")).map(|value| percent_decode(extended_value(value).1));
        plain().or_else(extended).or_else(|| self.pieces(name).map(|(_, bytes)| bytes))
    }

    /// The text of a parameter.
    ///
    /// The extended form (`name*`, RFC 2231, with or without continuations) wins over the plain one; in the
    /// plain one encoded words and raw 8-bit text are decoded, which no standard allows and every mailer does.
    pub fn text(&self, name: &str) -> Option<String> {
        if let Some(extended) = self.bytes(&format!("{name}*")) {
            let (label, bytes) = extended_value(extended);
            return Some(charset::decode(&percent_decode(bytes), label.as_deref()).text);
        }
        if let Some(joined) = self.continued(name) {
            return Some(joined);
        }
        self.bytes(name).map(decode_words).filter(|text| !text.is_empty())
    }

    fn continued(&self, name: &str) -> Option<String> {
        let (label, bytes) = self.pieces(name)?;
        Some(match label {
            Some(label) => charset::decode(&bytes, Some(&label)).text,
            None => decode_words(&bytes),
        })
    }

    /// The charset and the bytes of `name*0`, `name*1`, … put together; some mailers count from 1.
    fn pieces(&self, name: &str) -> Option<(Option<String>, Vec<u8>)> {
        let mut label = None;
        let mut bytes = Vec::new();
        let has = |number: usize| self.bytes(&format!("{name}*{number}")).or(self.bytes(&format!("{name}*{number}*")));
        let first = (0..=1).find(|number| has(*number).is_some())?;
        for count in first.. {
            if let Some(segment) = self.bytes(&format!("{name}*{count}*")) {
                let segment = if count == first {
                    let (found, rest) = extended_value(segment);
                    label = found;
                    rest
                } else {
                    segment
                };
                bytes.extend(percent_decode(segment));
            } else if let Some(segment) = self.bytes(&format!("{name}*{count}")) {
                bytes.extend_from_slice(segment);
            } else {
                break;
            }
        }
        Some((label, bytes))
    }
}

/// One parameter's value and how many bytes it took.
fn parameter_value(text: &[u8]) -> (Vec<u8>, usize) {
    let lead = text.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    let Some(b'"') = text.get(lead) else {
        let end = memchr(b';', text).unwrap_or(text.len());
        return (text[..end].trim_ascii().to_vec(), end);
    };
    let mut value = Vec::new();
    let mut at = lead + 1;
    while at < text.len() {
        match text[at] {
            b'"' => return (value, at + 1),
            // A backslash escapes a quote or itself; before anything else it is part of a Windows path.
            b'\\' if matches!(text.get(at + 1), Some(b'"' | b'\\')) => {
                value.push(text[at + 1]);
                at += 2;
            }
            byte => {
                value.push(byte);
                at += 1;
            }
        }
    }
    // The closing quote is missing: the value ends with the parameter.
    let end = memchr(b';', text).unwrap_or(text.len());
    (text[(lead + 1).min(end)..end].trim_ascii().to_vec(), end)
}

/// `utf-8'en'%E2%82%AC` → the charset and the encoded text.
fn extended_value(value: &[u8]) -> (Option<String>, &[u8]) {
    let mut quotes = memchr::memchr_iter(b'\'', value);
    match (quotes.next(), quotes.next()) {
        (Some(first), Some(second)) => {
            (Some(String::from_utf8_lossy(&value[..first]).into_owned()), &value[second + 1..])
        }
        _ => (None, value),
    }
}

fn percent_decode(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let pair = (text[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match pair.and_then(|pair| Some(body::hex(pair[0])? << 4 | body::hex(pair[1])?)) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(text[at]);
                at += 1;
            }
        }
    }
    out
}

/// The ids in `Message-ID`, `References` or `In-Reply-To`, without angle brackets.
///
/// Prose around them is skipped. A bare token with an `@` counts when no brackets are there at all.
pub fn message_ids(value: &[u8]) -> Vec<&[u8]> {
    let mut ids = Vec::new();
    let mut rest = value;
    while let Some(open) = memchr(b'<', rest) {
        let Some(close) = memchr(b'>', &rest[open..]).map(|n| open + n) else { break };
        let id = rest[open + 1..close].trim_ascii();
        let id = id.strip_prefix(b"<").unwrap_or(id);
        if !id.is_empty() {
            ids.push(id);
        }
        rest = &rest[close + 1..];
    }
    if ids.is_empty() {
        let is_id = |token: &&[u8]| memchr(b'@', token).is_some() && token.len() > 2;
        ids.extend(
            value
                .split(u8::is_ascii_whitespace)
                .map(|token| token.strip_prefix(b"<").unwrap_or(token))
                .filter(is_id)
                .take(1),
        );
    }
    ids
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(message: &str) -> (Vec<(String, String)>, String) {
        let mut fields = Fields::of_message(message.as_bytes());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let found = fields.by_ref().map(|field| (text(field.name), text(field.value))).collect();
        (found, message[fields.body_start()..].to_owned())
    }

    #[test]
    fn fields_and_body_are_found_in_untidy_messages() {
        let cases = [
            ("plain", "A: 1\nB: 2\n\nbody", vec![("A", " 1"), ("B", " 2")], "body"),
            ("CRLF", "A: 1\r\nB: 2\r\n\r\nbody", vec![("A", " 1"), ("B", " 2")], "body"),
            ("folded", "A: 1\n\tmore\n x\n\nbody", vec![("A", " 1\n\tmore\n x")], "body"),
            ("envelope", "From a@b Mon\n>From c\nA: 1\n\nbody", vec![("A", " 1")], "body"),
            ("blank lines first", "\n\r\nA: 1\n\nbody", vec![("A", " 1")], "body"),
            ("byte-order mark", "\u{FEFF}A: 1\n\nbody", vec![("A", " 1")], "body"),
            ("stray line", "A: 1\nstray\nB: 2\n\nbody", vec![("A", " 1"), ("B", " 2")], "body"),
            ("two stray lines", "A: 1\n__\n<x>\nDate: 2\n\nbody", vec![("A", " 1"), ("Date", " 2")], "body"),
            ("no blank line", "A: 1\nthe body\nstarts here", vec![("A", " 1")], "the body\nstarts here"),
            ("no body", "A: 1", vec![("A", " 1")], ""),
            ("space before the colon", "A : 1\n\n", vec![("A", " 1")], ""),
            ("boundary at once", "A: 1\n--b\nB: 2\n\nbody", vec![("A", " 1")], "--b\nB: 2\n\nbody"),
            ("no headers", "just text\nmore", vec![], "just text\nmore"),
            ("empty", "", vec![], ""),
        ];
        for (name, message, expected, body) in cases {
            let (found, rest) = split(message);
            let expected: Vec<_> = expected.into_iter().map(|(a, b)| (a.to_owned(), b.to_owned())).collect();
            assert_eq!(found, expected, "{name}");
            assert_eq!(rest, body, "{name}");
        }
    }

    #[test]
    fn encoded_words_are_decoded_as_mailers_write_them() {
        let cases: &[(&str, &[u8], &str)] = &[
            ("none", b"plain", "plain"),
            ("base64", b"=?utf-8?b?R3LDvMOfZQ==?=", "Grüße"),
            ("quoted", b"=?iso-8859-1?Q?caf=E9_au_lait?=", "café au lait"),
            ("two words", b"=?utf-8?q?a?= =?utf-8?q?b?=", "ab"),
            ("folded words", b"=?utf-8?q?a?=\r\n =?utf-8?q?b?=", "ab"),
            ("word and text", b"Re: =?utf-8?q?=C3=A9?= x", "Re: é x"),
            ("a character cut in two", b"=?utf-8?B?w4M=?= =?utf-8?Q?=C3?= =?utf-8?Q?=A9?=", "Ãé"),
            ("missing padding", b"=?utf-8?B?w6k?=", "é"),
            ("language", b"=?utf-8*fr?Q?=C3=A9?=", "é"),
            ("unknown charset", b"=?x-none?Q?=C3=A9?=", "é"),
            ("spaces inside", b"=?utf-8?Q?a b?=", "a b"),
            ("never ended", b"=?utf-8?Q?abc", "=?utf-8?Q?abc"),
            ("not a word", b"a =? b", "a =? b"),
            ("raw ISO-2022-JP", b"Re: \x1B$BF|K\\\x1B(B", "Re: 日本"),
            ("raw UTF-8", "Grüße".as_bytes(), "Grüße"),
            ("raw Latin-1", b"Gr\xFC\xDFe aus M\xFCnchen", "Grüße aus München"),
            ("Japanese", b"=?ISO-2022-JP?B?GyRCRnxLXBsoQg==?=", "日本"),
            (
                "Japanese in two words",
                b"=?ISO-2022-JP?B?GyRCRnxLXBsoQg==?=\r\n =?ISO-2022-JP?B?GyRCRnxLXBsoQg==?=",
                "日本日本",
            ),
            ("folded text", b"one\r\n two", "one two"),
            ("no space between words", b"=?utf-8?q?a?==?utf-8?q?b?=", "ab"),
        ];
        for (name, value, expected) in cases {
            assert_eq!(decode(value), *expected, "{name}");
        }
    }

    #[test]
    fn the_best_form_of_a_parameter_wins() {
        let cases: &[(&str, &[u8], Option<&str>)] = &[
            ("plain", b"attachment; filename=a.txt", Some("a.txt")),
            ("quoted", b"attachment; filename=\"a; b.txt\"; x=y", Some("a; b.txt")),
            ("extended wins", b"attachment; filename=\"wrong\"; filename*=utf-8''%E2%82%AC.txt", Some("€.txt")),
            ("continued", b"attachment; filename*0=\"one \"; filename*1=two.txt", Some("one two.txt")),
            (
                "continued and cut in a character",
                b"attachment; filename*0*=utf-8''%E2%82; filename*1*=%AC.txt",
                Some("€.txt"),
            ),
            ("encoded word", b"attachment; filename=\"=?utf-8?Q?=C3=A9.txt?=\"", Some("é.txt")),
            ("encoded word without quotes", b"attachment; filename==?utf-8?Q?=C3=A9.txt?=", Some("é.txt")),
            ("raw 8-bit", b"attachment; filename=\"\xC3\xA9.txt\"", Some("é.txt")),
            ("raw Latin-1", b"attachment; filename=\"Gr\xFC\xDFe.txt\"", Some("Grüße.txt")),
            ("continued from one", b"attachment; filename*1=one; filename*2=.txt", Some("one.txt")),
            (
                "continued with encoded words",
                b"attachment; filename*0=\"=?utf-8?B?w6k=?=\"; filename*1=\" =?utf-8?Q?=C3=A9?=\"",
                Some("éé"),
            ),
            ("extended with a charset", b"attachment; filename*=iso-8859-1'de'Gr%FC%DFe.txt", Some("Grüße.txt")),
            ("extended without a charset", b"attachment; filename*=%E2%82%AC.txt", Some("€.txt")),
            ("half extended", b"attachment; filename*0*=utf-8''%E2%82%AC; filename*1=%41.txt", Some("€%41.txt")),
            ("spaces without quotes", b"attachment; filename=my file.txt", Some("my file.txt")),
            ("missing quote", b"attachment; filename=\"a.txt; x=y", Some("a.txt")),
            ("doubled semicolon", b"attachment;; filename=a.txt", Some("a.txt")),
            ("backslash in a path", b"attachment; filename=\"C:\\x\\a.txt\"", Some("C:\\x\\a.txt")),
            ("folded", b"attachment;\r\n\tfilename=\"a.txt\"", Some("a.txt")),
            ("none", b"attachment", None),
        ];
        for (name, value, expected) in cases {
            let parameters = Parameters::parse(value);
            assert_eq!(parameters.value, "attachment", "{name}");
            assert_eq!(parameters.text("filename").as_deref(), *expected, "{name}");
        }
    }

    #[test]
    fn message_ids_are_found_in_prose() {
        let cases: &[(&[u8], &[&str])] = &[
            (b"<a@b>", &["a@b"]),
            (b"<a@b> <c@d>\r\n\t<e@f>", &["a@b", "c@d", "e@f"]),
            (b"Your message of \"Mon\" <a@b>", &["a@b"]),
            (b"a@b", &["a@b"]),
            (b"<>", &[]),
            (b"nothing", &[]),
            (b"<<a@b>>", &["a@b"]),
            (b"<cut", &[]),
        ];
        for (value, expected) in cases {
            let found: Vec<_> = message_ids(value).iter().map(|id| String::from_utf8_lossy(id).into_owned()).collect();
            assert_eq!(found, *expected);
        }
    }
}
