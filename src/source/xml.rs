//! Elements of XML as the objects that the same help desk's JSON has.
//!
//! The form is the one that account exports of that age share: a root that is one element or a list of them, names with
//! hyphens, types and blanks as attributes.
//!
//! ```xml
//! <helpdesk-tickets type="array">
//!   <helpdesk-ticket>
//!     <display-id type="integer">7</display-id> <to-email nil="true"/>
//! ```
//!
//! Promises:
//!
//! - Memory is bounded by the largest element and a limit, whatever the size of the file.
//! - No input whatever panics, nesting is bounded, and entities of a document's own are not expanded.

use std::io::{self, BufRead, BufReader, Read};

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use serde_json::{Map, Number, Value};

use crate::json::{Fault, MAX_DEPTH, Span};

/// How deep elements may lie in each other.
const DEPTH: usize = MAX_DEPTH as usize;

/// A reader that gives no more than so many bytes until it is told to go on.
struct Bounded<R> {
    inner: R,
    left: u64,
}

impl<R: BufRead> Read for Bounded<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let count = available.len().min(bytes.len());
        bytes[..count].copy_from_slice(&available[..count]);
        self.consume(count);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Bounded<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.left == 0 {
            return Err(io::Error::other("an element's text is over the limit"));
        }
        let most = usize::try_from(self.left).unwrap_or(usize::MAX);
        let bytes = self.inner.fill_buf()?;
        Ok(&bytes[..bytes.len().min(most)])
    }

    fn consume(&mut self, count: usize) {
        self.left = self.left.saturating_sub(count as u64);
        self.inner.consume(count);
    }
}

/// An element's name as JSON has it.
fn key(name: &str) -> String {
    name.replace('-', "_")
}

fn attribute(start: &BytesStart<'_>, name: &str) -> Option<String> {
    let found = start.attributes().with_checks(false).flatten().find(|it| it.key.as_ref() == name)?;
    Some(found.value.to_string())
}

/// Whether a root is a list of elements with this name.
fn is_list_of(root: &str, is_array: bool, child: &str) -> bool {
    is_array || root.strip_suffix('s') == Some(child) || (root.ends_with("ies") && child.ends_with('y'))
}

/// Goes through the elements of a file: those of its list, or its root. Gives where each stands and what it is called.
///
/// Ends at the first damage, which it gives back: nothing behind it can be told from what is broken.
pub(super) fn elements<R: Read, E>(
    input: R,
    limit: u64,
    mut each: impl FnMut(Span, &str) -> Result<(), E>,
) -> Result<Option<Fault>, E> {
    let mut reader = Reader::from_reader(Bounded { inner: BufReader::new(input), left: limit });
    let mut buffer = Vec::new();
    let (mut root, mut root_at, mut is_array, mut is_list) = (String::new(), Span::default(), false, None);
    let (mut name, mut begun) = (String::new(), Span::default());
    let (mut depth, mut line) = (0_usize, 1_u64);
    loop {
        let here = Span { offset: reader.buffer_position(), length: 0, line };
        buffer.clear();
        reader.get_mut().left = limit;
        let length_to = |from: Span, end: u64| Span { length: end.saturating_sub(from.offset), ..from };
        let event = match reader.read_event_into(&mut buffer) {
            Ok(event) => event,
            Err(_) => {
                let from = if depth > 1 && is_list == Some(true) { begun } else { here };
                let at = reader.buffer_position();
                let span = length_to(from, at.max(from.offset + 1));
                return Ok(Some(Fault::Broken { span, at }));
            }
        };
        let (opened, is_empty) = match &event {
            Event::Start(start) => (Some(start), false),
            Event::Empty(start) => (Some(start), true),
            Event::Eof if depth == 0 => return Ok(None),
            Event::Eof => {
                let from = if depth > 1 && is_list == Some(true) { begun } else { Span { length: 0, ..here } };
                let span = if depth > 1 { length_to(from, here.offset) } else { from };
                return Ok(Some(Fault::Truncated { span }));
            }
            _ => (None, false),
        };
        let mut closed = usize::from(matches!(event, Event::End(_)));
        if let Some(start) = opened {
            let called = start.name().as_ref().to_owned();
            match depth {
                0 => {
                    is_array = attribute(start, "type").is_some_and(|it| it == "array");
                    (root, root_at) = (called, here);
                }
                1 => {
                    if is_list.is_none() {
                        is_list = Some(is_list_of(&root, is_array, &called));
                    }
                    (name, begun) = (called, here);
                }
                _ => {}
            }
            depth += 1;
            if depth > DEPTH {
                return Ok(Some(Fault::TooDeep { span: if is_list == Some(true) { begun } else { root_at } }));
            }
            closed = usize::from(is_empty);
        }
        drop(event);
        line += memchr::memchr_iter(b'\n', &buffer).count() as u64;
        if closed > 0 && depth > 0 {
            depth -= 1;
            let end = reader.buffer_position();
            match (depth, is_list) {
                (1, Some(true)) => each(length_to(begun, end), &key(&name))?,
                (0, Some(false)) => each(length_to(root_at, end), &key(&root))?,
                _ => {}
            }
        }
    }
}

/// The names of what the first element of a document has, whether or not the document ends there.
pub(super) fn keys(text: &[u8]) -> Vec<String> {
    let mut reader = Reader::from_reader(text);
    let mut buffer = Vec::new();
    let (mut root, mut is_array, mut is_list) = (String::new(), false, false);
    let (mut depth, mut keys) = (0_usize, Vec::new());
    loop {
        buffer.clear();
        let Ok(event) = reader.read_event_into(&mut buffer) else { return keys };
        match &event {
            Event::Start(start) | Event::Empty(start) => {
                let called = start.name().as_ref().to_owned();
                match depth {
                    0 => {
                        is_array = attribute(start, "type").is_some_and(|it| it == "array");
                        root = called;
                    }
                    1 => {
                        is_list |= keys.is_empty() && is_list_of(&root, is_array, &called);
                        if !is_list {
                            keys.push(key(&called));
                        }
                    }
                    2 if is_list => keys.push(key(&called)),
                    _ => {}
                }
                if matches!(event, Event::Start(_)) {
                    depth += 1;
                }
            }
            Event::End(_) => {
                depth = depth.saturating_sub(1);
                if depth == usize::from(is_list) && !keys.is_empty() {
                    return keys;
                }
            }
            Event::Eof => return keys,
            _ => {}
        }
        if depth > DEPTH {
            return keys;
        }
    }
}

/// An element that is being read.
struct Open {
    name: String,
    kind: Option<String>,
    is_nil: bool,
    text: String,
    inner: Vec<(String, Value)>,
}

impl Open {
    fn of(start: &BytesStart<'_>) -> Self {
        let is_nil = attribute(start, "nil").is_some_and(|it| it == "true");
        let (name, kind) = (key(start.name().as_ref()), attribute(start, "type"));
        Self { name, kind, is_nil, text: String::new(), inner: Vec::new() }
    }

    fn object(self) -> Map<String, Value> {
        let mut object = Map::new();
        for (name, value) in self.inner {
            match object.get_mut(&name) {
                None => drop(object.insert(name, value)),
                Some(Value::Array(list)) => list.push(value),
                // A name that comes again is a list that does not say so.
                Some(other) => {
                    let first = other.take();
                    *other = Value::Array(vec![first, value]);
                }
            }
        }
        object
    }

    fn value(self) -> Value {
        if self.is_nil {
            return Value::Null;
        }
        let text = self.text.trim();
        match self.kind.as_deref() {
            Some("array") => Value::Array(self.inner.into_iter().map(|(_, value)| value).collect()),
            Some("integer") if text.parse::<i64>().is_ok() => Value::from(text.parse::<i64>().unwrap_or_default()),
            Some("boolean") if text == "true" || text == "false" => Value::Bool(text == "true"),
            Some("float" | "decimal") if let Some(number) = text.parse().ok().and_then(Number::from_f64) => {
                Value::Number(number)
            }
            _ if !self.inner.is_empty() => Value::Object(self.object()),
            _ => Value::String(self.text),
        }
    }
}

/// The object that an element is; `None`: it is no whole element.
pub(super) fn object(bytes: &[u8]) -> Option<Map<String, Value>> {
    let mut reader = Reader::from_reader(bytes);
    let mut buffer = Vec::new();
    let mut open: Vec<Open> = Vec::new();
    loop {
        buffer.clear();
        let event = reader.read_event_into(&mut buffer).ok()?;
        let mut closed = None;
        match &event {
            Event::Start(start) if open.len() < DEPTH => open.push(Open::of(start)),
            Event::Start(_) | Event::Eof => return None,
            Event::Empty(start) => closed = Some(Open::of(start)),
            Event::End(_) => closed = open.pop(),
            Event::Text(text) => open.last_mut().into_iter().for_each(|it| it.text.push_str(text)),
            Event::CData(text) => open.last_mut().into_iter().for_each(|it| it.text.push_str(text)),
            Event::GeneralRef(name) => {
                let of_number = name.resolve_char_ref().ok().flatten().map(String::from);
                let meant = of_number.unwrap_or_else(|| match &**name {
                    "lt" => "<".to_owned(),
                    "gt" => ">".to_owned(),
                    "amp" => "&".to_owned(),
                    "quot" => "\"".to_owned(),
                    "apos" => "'".to_owned(),
                    other => format!("&{other};"),
                });
                open.last_mut().into_iter().for_each(|it| it.text.push_str(&meant));
            }
            _ => {}
        }
        if let Some(closed) = closed {
            match open.last_mut() {
                None => return Some(closed.object()),
                Some(outer) => {
                    let name = closed.name.clone();
                    outer.inner.push((name, closed.value()));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const LIST: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<helpdesk-tickets type=\"array\">\n  <helpdesk-ticket>\n    \
        <display-id type=\"integer\">7</display-id><spam type=\"boolean\">false</spam><to-email nil=\"true\"/>\n    \
        <subject>R&amp;D &#233; <![CDATA[<b>]]></subject><hours type=\"float\">0.5</hours>\n    \
        <notes type=\"array\"><helpdesk-note><body>hello</body></helpdesk-note></notes>\n  </helpdesk-ticket>\n  \
        <helpdesk-ticket><display-id type=\"integer\">8</display-id></helpdesk-ticket>\n</helpdesk-tickets>\n";

    fn cut(text: &str) -> (Vec<(String, u64, String)>, Option<Fault>) {
        let mut found = Vec::new();
        let damage = elements::<_, ()>(text.as_bytes(), 1 << 20, |span, name| {
            let from = usize::try_from(span.offset).unwrap();
            let to = from + usize::try_from(span.length).unwrap();
            found.push((name.to_owned(), span.line, text[from..to].to_owned()));
            Ok(())
        });
        (found, damage.unwrap())
    }

    #[test]
    fn elements_are_cut_out_and_become_objects() {
        let (found, damage) = cut(LIST);
        assert!(damage.is_none(), "{damage:?}");
        let places: Vec<_> = found.iter().map(|(name, line, _)| (name.as_str(), *line)).collect();
        assert_eq!(places, [("helpdesk_ticket", 3), ("helpdesk_ticket", 8)]);
        let expected = json!({
            "display_id": 7, "spam": false, "to_email": null, "subject": "R&D é <b>", "hours": 0.5,
            "notes": [{"body": "hello"}],
        });
        assert_eq!(Value::Object(object(found[0].2.as_bytes()).unwrap()), expected);
        assert_eq!(keys(LIST.as_bytes()), ["display_id", "spam", "to_email", "subject", "hours", "notes"]);
    }

    #[test]
    fn a_root_may_be_the_element_and_a_list_need_not_say_so() {
        let (found, _) = cut("<helpdesk-ticket><id>1</id><tag>a</tag><tag>b</tag></helpdesk-ticket>");
        assert_eq!(found.len(), 1);
        assert_eq!(Value::Object(object(found[0].2.as_bytes()).unwrap()), json!({"id": "1", "tag": ["a", "b"]}));
        assert_eq!(cut("<users><user><id>1</id></user><user/></users>").0.len(), 2);
        assert_eq!(cut("<companies><company/></companies>").0.len(), 1);
    }

    #[test]
    fn damage_ends_the_file_and_never_panics() {
        for end in 0..LIST.len() {
            let Some(text) = LIST.get(..end) else { continue };
            let (found, damage) = cut(text);
            assert!(found.len() <= 2);
            assert!(damage.is_some() || found.len() == 2 || end < 45, "{end}");
            object(text.as_bytes());
            keys(text.as_bytes());
        }
        let deep = "<a>".repeat(100_000);
        assert!(matches!(cut(&deep).1, Some(Fault::TooDeep { .. })));
        assert!(object(deep.as_bytes()).is_none());
        assert!(cut("<a><b></a>").1.is_some());
        let bomb = "<!DOCTYPE a [<!ENTITY x \"xxxx\">]><a><b>&x;</b></a>";
        assert_eq!(object(cut(bomb).0[0].2.as_bytes()).unwrap()["b"], "&x;");
        let long = format!("<a><b>{}</b></a>", "x".repeat(2 << 20));
        assert!(matches!(cut(&long).1, Some(Fault::Broken { .. })), "no text is over the limit");
    }
}
