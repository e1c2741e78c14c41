//! Outlook's `winmail.dat` (TNEF): the files and the text inside it.
//!
//! Promises:
//!
//! - Nothing is taken on trust: every length is held against what is there, and nesting is bounded.
//! - What is damaged gives the files before the damage, and says so in [`Opened::rest`].
//!
//! Facts: MS-OXTNEF for the stream, MS-OXPROPS for the properties' numbers.

use std::borrow::Cow;

use crate::mail::inner::{InnerFile, Opened};
use crate::mail::{charset, rtf};
use crate::record::Body;

/// Begins every stream.
const SIGNATURE: [u8; 4] = [0x78, 0x9F, 0x3E, 0x22];

/// Mails inside of mails inside of mails: deeper ones are left in the stream.
const DEPTH: usize = 4;

/// More files than anybody attaches; the rest is left in the stream.
const MOST_FILES: usize = 1_000;

/// Why a stream is kept that was not understood as a whole.
const UNREAD: &str = "some of its properties cannot be read";

/// Levels of attributes.
const MESSAGE: u8 = 1;
const ATTACHMENT: u8 = 2;

/// Attributes, by the lower half of their number.
mod attribute {
    pub const BODY: u16 = 0x800C;
    pub const MESSAGE_CLASS: u16 = 0x8008;
    pub const SUBJECT: u16 = 0x8004;
    pub const ATTACH_DATA: u16 = 0x800F;
    pub const ATTACH_TITLE: u16 = 0x8010;
    pub const ATTACH_TRANSPORT_NAME: u16 = 0x9001;
    pub const ATTACH_BEGINS: u16 = 0x9002;
    pub const MESSAGE_PROPERTIES: u16 = 0x9003;
    pub const ATTACH_PROPERTIES: u16 = 0x9005;
    pub const CODE_PAGE: u16 = 0x9007;
}

/// Properties, by number.
mod property {
    pub const SUBJECT: u16 = 0x0037;
    pub const BODY: u16 = 0x1000;
    pub const RTF: u16 = 0x1009;
    pub const HTML: u16 = 0x1013;
    pub const DISPLAY_NAME: u16 = 0x3001;
    pub const ATTACH_DATA: u16 = 0x3701;
    pub const ATTACH_NAME: u16 = 0x3704;
    pub const ATTACH_LONG_NAME: u16 = 0x3707;
    pub const ATTACH_MIME: u16 = 0x370E;
    pub const ATTACH_CONTENT_ID: u16 = 0x3712;
    pub const INTERNET_CODE_PAGE: u16 = 0x3FDE;
}

/// Whether these bytes begin as such a stream does.
pub fn is_tnef(bytes: &[u8]) -> bool {
    bytes.starts_with(&SIGNATURE)
}

/// Opens a stream; `None` when it is none.
pub fn open(bytes: &[u8]) -> Option<Opened<'_>> {
    let mut opened = Opened::default();
    let text = read(bytes, 0, &mut opened)?;
    opened.text = text.body();
    Some(opened)
}

/// What a stream says of its message.
#[derive(Default)]
struct Text<'a> {
    subject: Option<String>,
    plain: Option<String>,
    html: Option<String>,
    rtf: Option<Cow<'a, [u8]>>,
}

impl Text<'_> {
    /// HTML, else what the rich text holds, else the plain one.
    fn body(&self) -> Option<Body> {
        let is_said = |text: &&String| !text.trim().is_empty();
        if let Some(html) = self.html.as_ref().filter(is_said) {
            return Some(Body::Html(html.clone()));
        }
        match self.rtf.as_deref().and_then(rtf::unpack).map(|rtf| rtf::read(&rtf)) {
            Some(Body::Html(html)) => Some(Body::Html(html)),
            Some(Body::Text(text)) if !self.plain.as_ref().is_some_and(|plain| is_said(&plain)) => {
                Some(Body::Text(text))
            }
            _ => self.plain.as_ref().filter(is_said).map(|text| Body::Text(text.replace("\r\n", "\n"))),
        }
    }
}

/// A file as its attributes tell of it, bit by bit.
#[derive(Default)]
struct Attached<'a> {
    title: Option<String>,
    transport_name: Option<String>,
    short_name: Option<String>,
    long_name: Option<String>,
    display_name: Option<String>,
    mime: Option<String>,
    content_id: Option<String>,
    data: Option<&'a [u8]>,
    /// What stands in the properties: an object has its kind before it.
    object: Option<(&'a [u8], bool)>,
}

/// Reads one stream into `opened`; `None` when it is none.
fn read<'a>(bytes: &'a [u8], depth: usize, opened: &mut Opened<'a>) -> Option<Text<'a>> {
    if !is_tnef(bytes) {
        return None;
    }
    let mut text = Text::default();
    let mut page = 1252;
    let mut file: Option<Attached<'_>> = None;
    // The signature and a key that numbers the stream.
    let mut bytes = Bytes { rest: bytes.get(6..).unwrap_or_default() };
    while !bytes.rest.is_empty() {
        let Some((level, name, data)) = bytes.attribute() else {
            opened.rest = Some("it is damaged or cut off");
            break;
        };
        let string = |data: &[u8]| Some(decode(data, page)).filter(|text| !text.is_empty());
        if level == ATTACHMENT && (name == attribute::ATTACH_BEGINS || file.is_none()) {
            finish(file.take(), depth, opened);
            file = Some(Attached::default());
        }
        match (level, name, &mut file) {
            (MESSAGE, attribute::CODE_PAGE, _) => page = Bytes { rest: data }.word().unwrap_or(page),
            (MESSAGE, attribute::SUBJECT, _) => text.subject = string(data),
            (MESSAGE, attribute::BODY, _) => text.plain = string(data),
            (MESSAGE, attribute::MESSAGE_CLASS, _) if !is_plain_mail(data) => {
                opened.rest = Some("it is more than a mail: an appointment, a task, a contact or a form");
            }
            (MESSAGE, attribute::MESSAGE_PROPERTIES, _) => {
                opened.rest = if text.take(data, page) { opened.rest } else { Some(UNREAD) };
            }
            (ATTACHMENT, attribute::ATTACH_TITLE, Some(file)) => file.title = string(data),
            (ATTACHMENT, attribute::ATTACH_TRANSPORT_NAME, Some(file)) => file.transport_name = string(data),
            (ATTACHMENT, attribute::ATTACH_DATA, Some(file)) => file.data = Some(data),
            (ATTACHMENT, attribute::ATTACH_PROPERTIES, Some(file)) => {
                opened.rest = if file.take(data, page) { opened.rest } else { Some(UNREAD) };
            }
            _ => {}
        }
    }
    finish(file, depth, opened);
    Some(text)
}

/// Puts a file among those that were found, what it holds instead of itself where it is a mail.
fn finish<'a>(file: Option<Attached<'a>>, depth: usize, opened: &mut Opened<'a>) {
    let Some(file) = file else { return };
    if opened.files.len() >= MOST_FILES {
        opened.rest = Some("it holds more files than a mail has");
        return;
    }
    let name = file.name();
    if let Some((object, true)) = file.object {
        // What kind of object it is stands in sixteen bytes before it.
        let inner = object.get(16..).unwrap_or_default();
        if depth < DEPTH && is_tnef(inner) {
            let before = opened.files.len();
            if let Some(text) = read(inner, depth + 1, opened) {
                let title = text.subject.clone().filter(|subject| !subject.trim().is_empty()).or(name);
                let title = title.unwrap_or_else(|| "message".to_owned());
                let (bytes, mime, ending) = match text.body() {
                    Some(Body::Html(html)) => (html, "text/html", "html"),
                    Some(Body::Text(text)) => (text, "text/plain", "txt"),
                    _ => (String::new(), "text/plain", "txt"),
                };
                let bytes = Cow::Owned(bytes.into_bytes());
                let name = Some(format!("{title}.{ending}"));
                opened.files.insert(before, InnerFile { name, mime: mime.to_owned(), content_id: None, bytes });
                opened.rest = Some("a mail in it was taken apart");
                return;
            }
        }
        opened.rest = Some("an object in it belongs to another program");
        return;
    }
    let Some(bytes) = file.data.or(file.object.map(|(data, _)| data)) else {
        // A link to a file elsewhere, or nothing but a picture of it.
        opened.rest = Some("a file in it has no content");
        return;
    };
    let mime = file.mime.filter(|mime| mime.contains('/'));
    opened.files.push(InnerFile {
        name,
        mime: mime.unwrap_or_else(|| "application/octet-stream".to_owned()).to_ascii_lowercase(),
        content_id: file.content_id.map(|id| id.trim_matches(['<', '>', ' ']).to_owned()).filter(|id| !id.is_empty()),
        bytes: Cow::Borrowed(bytes),
    });
}

/// `IPM.Microsoft Mail.Note` and `IPM.Note` with what follows them are mails.
fn is_plain_mail(class: &[u8]) -> bool {
    let class = String::from_utf8_lossy(class).to_ascii_lowercase();
    let class = class.trim_end_matches('\0').trim_start_matches("ipm.microsoft mail.").trim_start_matches("ipm.");
    class.is_empty() || class == "note" || class.starts_with("note.")
}

impl<'a> Text<'a> {
    /// Takes the properties in; says whether all could be read.
    fn take(&mut self, data: &'a [u8], page: u32) -> bool {
        let (mut internet_page, mut html) = (None, None);
        let is_whole = properties(data, |number, value| match (number, value) {
            (property::SUBJECT, value) => self.subject = value.text(page).or(self.subject.take()),
            (property::BODY, value) => self.plain = value.text(page).or(self.plain.take()),
            (property::RTF, Value::Bytes(bytes)) => self.rtf = Some(Cow::Borrowed(bytes)),
            (property::HTML, value) => html = Some(value),
            (property::INTERNET_CODE_PAGE, Value::Number(number)) => internet_page = Some(number),
            _ => {}
        });
        self.html = match html {
            Some(Value::Bytes(bytes)) => Some(decode(bytes, internet_page.unwrap_or(65_001))),
            Some(value) => value.text(page),
            None => self.html.take(),
        };
        is_whole
    }
}

impl<'a> Attached<'a> {
    /// Takes the properties in; says whether all could be read.
    fn take(&mut self, data: &'a [u8], page: u32) -> bool {
        properties(data, |number, value| match (number, value) {
            (property::ATTACH_LONG_NAME, value) => self.long_name = value.text(page),
            (property::ATTACH_NAME, value) => self.short_name = value.text(page),
            (property::DISPLAY_NAME, value) => self.display_name = value.text(page),
            (property::ATTACH_MIME, value) => self.mime = value.text(page),
            (property::ATTACH_CONTENT_ID, value) => self.content_id = value.text(page),
            (property::ATTACH_DATA, Value::Bytes(bytes)) => self.object = Some((bytes, false)),
            (property::ATTACH_DATA, Value::Object(bytes)) => self.object = Some((bytes, true)),
            _ => {}
        })
    }

    /// The longest name that is a name: short ones are those of DOS.
    fn name(&self) -> Option<String> {
        let names = [&self.long_name, &self.transport_name, &self.title, &self.short_name, &self.display_name];
        names.into_iter().flatten().map(|name| name.trim()).find(|name| !name.is_empty()).map(str::to_owned)
    }
}

fn decode(bytes: &[u8], page: u32) -> String {
    let text = charset::decode(bytes, Some(&charset::of_code_page(page))).text;
    text.trim_end_matches('\0').to_owned()
}

/// A property's value, as far as it is of use.
#[derive(Clone, Copy)]
enum Value<'a> {
    Number(u32),
    /// Text in the message's code page.
    Narrow(&'a [u8]),
    /// Text in UTF-16.
    Wide(&'a [u8]),
    Bytes(&'a [u8]),
    Object(&'a [u8]),
    Other,
}

impl Value<'_> {
    fn text(self, page: u32) -> Option<String> {
        let text = match self {
            Self::Narrow(bytes) => decode(bytes, page),
            Self::Wide(bytes) => decode(bytes, 1200),
            _ => return None,
        };
        (!text.is_empty()).then_some(text)
    }
}

/// Shows each property to `see`; says whether all could be read.
fn properties<'a>(data: &'a [u8], mut see: impl FnMut(u16, Value<'a>)) -> bool {
    let mut bytes = Bytes { rest: data };
    let Some(count) = bytes.word() else { return data.is_empty() };
    for _ in 0..count {
        let Some((number, value)) = bytes.property() else { return false };
        see(number, value);
    }
    true
}

/// Bytes that are taken from the front.
struct Bytes<'a> {
    rest: &'a [u8],
}

impl<'a> Bytes<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    fn half(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes(self.take(2)?.try_into().ok()?))
    }

    fn word(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    /// A length, so many bytes, and up to three more, so that the next value begins at a multiple of four.
    fn padded(&mut self) -> Option<&'a [u8]> {
        let length = self.word()? as usize;
        let taken = self.take(length)?;
        let padding = length.next_multiple_of(4) - length;
        self.rest = self.rest.get(padding..).unwrap_or_default();
        Some(taken)
    }

    /// The level, the name and the data of the next attribute; the checksum is passed over.
    fn attribute(&mut self) -> Option<(u8, u16, &'a [u8])> {
        let level = *self.take(1)?.first()?;
        let name = (self.word()? & 0xFFFF) as u16;
        let length = self.word()? as usize;
        let data = self.take(length)?;
        // The last one's may be cut off, which harms nothing.
        self.rest = self.rest.get(2..).unwrap_or_default();
        matches!(level, MESSAGE | ATTACHMENT).then_some((level, name, data))
    }

    fn property(&mut self) -> Option<(u16, Value<'a>)> {
        /// Several values under one number.
        const SEVERAL: u16 = 0x1000;
        let kind = self.half()?;
        let number = self.half()?;
        if number >= 0x8000 {
            // Its name: whose it is, and a number or a text.
            self.take(16)?;
            match self.word()? {
                0 => drop(self.word()?),
                _ => drop(self.padded()?),
            }
        }
        let width = match kind & !SEVERAL {
            0x0002 | 0x0003 | 0x0004 | 0x000A | 0x000B => Some(4),
            0x0005 | 0x0006 | 0x0007 | 0x0014 | 0x0040 => Some(8),
            0x0048 => Some(16),
            0x0001 => Some(0),
            0x001E | 0x001F | 0x000D | 0x0102 => None,
            _ => return None,
        };
        if let Some(width) = width {
            let count = if kind & SEVERAL == 0 { 1 } else { self.word()? as usize };
            let taken = self.take(count.checked_mul(width)?)?;
            let number_of = |bytes: &[u8]| Some(u32::from_le_bytes(bytes.get(..4)?.try_into().ok()?));
            let value = if width == 4 { number_of(taken).map(Value::Number) } else { None };
            return Some((number, value.unwrap_or(Value::Other)));
        }
        // Those of no fixed length say how many there are, be it one.
        let mut value = Value::Other;
        for _ in 0..self.word()? {
            let bytes = self.padded()?;
            value = match kind & !SEVERAL {
                0x001E => Value::Narrow(bytes),
                0x001F => Value::Wide(bytes),
                0x000D => Value::Object(bytes),
                _ => Value::Bytes(bytes),
            };
        }
        Some((number, value))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A stream of attributes, as Outlook writes it.
    pub fn stream(attributes: &[(u8, u16, Vec<u8>)]) -> Vec<u8> {
        let mut out = SIGNATURE.to_vec();
        out.extend([1, 0]);
        for (level, name, data) in attributes {
            out.push(*level);
            out.extend((u32::from(*name) | 0x0006_0000).to_le_bytes());
            out.extend((data.len() as u32).to_le_bytes());
            out.extend(data);
            out.extend(data.iter().fold(0_u16, |sum, byte| sum.wrapping_add(u16::from(*byte))).to_le_bytes());
        }
        out
    }

    /// Properties of no fixed length.
    pub fn list(properties: &[(u16, u16, &[u8])]) -> Vec<u8> {
        let mut out = (properties.len() as u32).to_le_bytes().to_vec();
        for (kind, number, value) in properties {
            out.extend(kind.to_le_bytes());
            out.extend(number.to_le_bytes());
            out.extend(1_u32.to_le_bytes());
            out.extend((value.len() as u32).to_le_bytes());
            out.extend(*value);
            out.extend(vec![0; value.len().next_multiple_of(4) - value.len()]);
        }
        out
    }

    fn wide(text: &str) -> Vec<u8> {
        text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
    }

    fn names(opened: &Opened<'_>) -> Vec<String> {
        opened.files.iter().map(|file| file.name.clone().unwrap_or_default()).collect()
    }

    #[test]
    fn files_have_their_long_names_and_bytes() {
        let begins = || (ATTACHMENT, attribute::ATTACH_BEGINS, vec![0; 14]);
        let long = list(&[
            (0x1F, property::ATTACH_LONG_NAME, &wide("Grüße an alle.txt")),
            (0x1E, property::ATTACH_MIME, b"Text/Plain\0"),
            (0x1E, property::ATTACH_CONTENT_ID, b"<a@b>\0"),
        ]);
        let bytes = stream(&[
            (MESSAGE, 0x9006, vec![0, 0, 1, 0]),
            (MESSAGE, attribute::CODE_PAGE, vec![0xE3, 0x04, 0, 0, 0, 0, 0, 0]),
            (MESSAGE, attribute::MESSAGE_CLASS, b"IPM.Microsoft Mail.Note\0".to_vec()),
            begins(),
            (ATTACHMENT, attribute::ATTACH_TITLE, b"GRSSEA~1.TXT\0".to_vec()),
            (ATTACHMENT, attribute::ATTACH_DATA, b"hello".to_vec()),
            (ATTACHMENT, attribute::ATTACH_PROPERTIES, long),
            begins(),
            (ATTACHMENT, attribute::ATTACH_TITLE, b"\xCF\xF0\xE8.doc\0".to_vec()),
            (ATTACHMENT, attribute::ATTACH_DATA, b"two".to_vec()),
        ]);
        let opened = open(&bytes).unwrap();
        assert_eq!(opened.rest, None);
        assert_eq!(names(&opened), ["Grüße an alle.txt", "При.doc"]);
        let first = &opened.files[0];
        assert_eq!(
            (first.mime.as_str(), first.content_id.as_deref(), &*first.bytes),
            ("text/plain", Some("a@b"), &b"hello"[..])
        );
        assert_eq!(open(b"hello").map(|opened| opened.files.len()), None);
    }

    #[test]
    fn the_richest_text_counts() {
        let rtf = [&[40, 0, 0, 0, 30, 0, 0, 0][..], b"MELA\0\0\0\0{\\rtf1\\ansi rich}"].concat();
        let html = b"<p>caf\xC3\xA9</p>";
        let cases: &[(&str, Vec<u8>, Option<Body>)] = &[
            ("plain", list(&[(0x1E, property::BODY, b"one\r\ntwo\0")]), Some(Body::Text("one\ntwo".into()))),
            (
                "HTML",
                list(&[(0x1E, property::BODY, b"x\0"), (0x102, property::HTML, html)]),
                Some(Body::Html("<p>café</p>".into())),
            ),
            ("only rich text", list(&[(0x102, property::RTF, &rtf)]), Some(Body::Text("rich".into()))),
            ("nothing", list(&[]), None),
        ];
        for (name, properties, expected) in cases {
            let bytes = stream(&[(MESSAGE, attribute::MESSAGE_PROPERTIES, properties.clone())]);
            assert_eq!(open(&bytes).unwrap().text, *expected, "{name}");
        }
    }

    #[test]
    fn a_mail_inside_is_taken_apart() {
        let inner = stream(&[
            (
                MESSAGE,
                attribute::MESSAGE_PROPERTIES,
                list(&[(0x1E, property::SUBJECT, b"Offer\0"), (0x1E, property::BODY, b"See the sheet.\0")]),
            ),
            (ATTACHMENT, attribute::ATTACH_BEGINS, vec![0; 14]),
            (ATTACHMENT, attribute::ATTACH_TITLE, b"sheet.xls\0".to_vec()),
            (ATTACHMENT, attribute::ATTACH_DATA, b"cells".to_vec()),
        ]);
        let object = [vec![7; 16], inner].concat();
        let bytes = stream(&[
            (ATTACHMENT, attribute::ATTACH_BEGINS, vec![0; 14]),
            (ATTACHMENT, attribute::ATTACH_PROPERTIES, list(&[(0x0D, property::ATTACH_DATA, &object)])),
        ]);
        let opened = open(&bytes).unwrap();
        assert_eq!(names(&opened), ["Offer.txt", "sheet.xls"]);
        assert_eq!(&*opened.files[0].bytes, b"See the sheet.");
        assert!(opened.rest.is_some());
    }

    #[test]
    fn what_is_not_understood_is_said() {
        let file = [
            (ATTACHMENT, attribute::ATTACH_BEGINS, vec![0; 14]),
            (ATTACHMENT, attribute::ATTACH_TITLE, b"a.txt\0".to_vec()),
            (ATTACHMENT, attribute::ATTACH_DATA, b"hello".to_vec()),
        ];
        let whole = stream(&file);
        for end in 6..whole.len() {
            let opened = open(&whole[..end]).unwrap();
            assert!(opened.files.is_empty() || opened.rest.is_some() || end + 2 >= whole.len(), "cut at {end}");
        }
        let class = (MESSAGE, attribute::MESSAGE_CLASS, b"IPM.Microsoft Schedule.MtgReq\0".to_vec());
        assert!(open(&stream(&[class])).unwrap().rest.is_some());
        let linked = [(ATTACHMENT, attribute::ATTACH_BEGINS, vec![0; 14])];
        assert!(open(&stream(&linked)).unwrap().rest.is_some());
        let lies = (MESSAGE, attribute::MESSAGE_PROPERTIES, vec![0xFF; 40]);
        assert!(open(&stream(&[lies])).unwrap().rest.is_some());
    }
}
