//! Rich Text Format as Outlook packs it into mails: unpacked, and made HTML or text.
//!
//! Outlook keeps HTML inside RTF (`\fromhtml1`): what it put around it is taken off again. Of other RTF the text
//! comes over, without its looks. Facts: MS-OXRTFCP for the packing, MS-OXRTFEX for HTML inside RTF.

use std::collections::HashMap;

use crate::mail::charset;
use crate::record::Body;

/// What the packing takes for said before the first byte (MS-OXRTFCP, 2.1.2.1).
const PRESET: &[u8] =
    b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \
\\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par \
\\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx";

/// How far back a packed stretch can reach.
const WINDOW: usize = 4096;

/// Deeper groups than any program writes; what lies deeper is left out.
const DEPTH: usize = 500;

/// Unpacks what a mail has as `PidTagRtfCompressed`; `None` when it is nothing of the kind.
///
/// The result is at most nine times as long as what was packed. What is cut off gives what there is.
pub fn unpack(packed: &[u8]) -> Option<Vec<u8>> {
    let length = u32::from_le_bytes(packed.get(4..8)?.try_into().ok()?) as usize;
    let content = packed.get(16..)?;
    match &packed[8..12] {
        b"MELA" => return Some(content[..content.len().min(length)].to_vec()),
        b"LZFu" => {}
        _ => return None,
    }
    let mut window = [b' '; WINDOW];
    window[..PRESET.len()].copy_from_slice(PRESET);
    let mut place = PRESET.len();
    let mut out: Vec<u8> = Vec::new();
    let mut say = |out: &mut Vec<u8>, window: &mut [u8; WINDOW], byte: u8| {
        out.push(byte);
        window[place % WINDOW] = byte;
        place += 1;
        place % WINDOW
    };
    let mut bytes = content.iter().copied();
    let mut next_place = PRESET.len();
    'all: while let Some(flags) = bytes.next() {
        for bit in 0..8 {
            if flags >> bit & 1 == 0 {
                let Some(byte) = bytes.next() else { break 'all };
                next_place = say(&mut out, &mut window, byte);
                continue;
            }
            let (Some(high), Some(low)) = (bytes.next(), bytes.next()) else { break 'all };
            let from = usize::from(high) << 4 | usize::from(low) >> 4;
            // A stretch that would begin where the next byte goes means the end.
            if from == next_place {
                break 'all;
            }
            for n in 0..usize::from(low & 15) + 2 {
                let byte = window[(from + n) % WINDOW];
                next_place = say(&mut out, &mut window, byte);
            }
        }
    }
    out.truncate(length.max(1));
    Some(out)
}

/// The HTML that RTF was made of, else its text; `Empty` when there is none.
pub fn read(rtf: &[u8]) -> Body {
    if !rtf.trim_ascii_start().starts_with(b"{\\rtf") {
        return Body::Empty;
    }
    let mut reader = Reader {
        groups: vec![Group::default()],
        is_html: false,
        code_page: 1252,
        fonts: HashMap::new(),
        waiting: Vec::new(),
        surrogate: None,
        to_skip: 0,
        out: String::new(),
    };
    reader.run(rtf);
    let out = reader.out;
    match reader.is_html {
        _ if out.trim().is_empty() => Body::Empty,
        true => Body::Html(out),
        false => Body::Text(out),
    }
}

/// What holds until the next closing brace.
#[derive(Debug, Clone, Copy)]
struct Group {
    /// It is about the document, and none of its text.
    is_hidden: bool,
    /// It lists fonts.
    is_fonts: bool,
    /// A tag of the HTML.
    is_tag: bool,
    /// What Outlook added to the HTML for readers of RTF.
    is_added: bool,
    /// How many characters stand behind `\u` for readers that do not know it.
    fallback: usize,
    font: i32,
}

impl Default for Group {
    fn default() -> Self {
        Self { is_hidden: false, is_fonts: false, is_tag: false, is_added: false, fallback: 1, font: -1 }
    }
}

struct Reader {
    groups: Vec<Group>,
    is_html: bool,
    code_page: u32,
    /// Code pages of fonts by number.
    fonts: HashMap<i32, u32>,
    /// Bytes in the font's code page: a character may be several of them.
    waiting: Vec<u8>,
    /// The first half of a character that `\u` says in two.
    surrogate: Option<u16>,
    to_skip: usize,
    out: String,
}

impl Reader {
    fn run(&mut self, rtf: &[u8]) {
        let mut at = 0;
        // Groups beyond the bound: only counted.
        let mut too_deep = 0_usize;
        while let Some(&byte) = rtf.get(at) {
            at += 1;
            match byte {
                b'{' if self.groups.len() > DEPTH => too_deep += 1,
                b'{' => {
                    self.flush();
                    self.groups.extend(self.groups.last().copied());
                }
                b'}' if too_deep > 0 => too_deep -= 1,
                b'}' => {
                    self.flush();
                    if self.groups.len() > 1 {
                        self.groups.pop();
                    }
                }
                _ if too_deep > 0 => {}
                b'\\' => at = self.control(rtf, at),
                b'\r' | b'\n' => {}
                byte => self.byte(byte),
            }
        }
        self.flush();
    }

    fn group(&mut self) -> &mut Group {
        if self.groups.is_empty() {
            self.groups.push(Group::default());
        }
        self.groups.last_mut().expect("a group was just put there")
    }

    fn is_said(&mut self) -> bool {
        let is_html = self.is_html;
        let group = self.group();
        let is_left_out = if is_html { group.is_added } else { group.is_tag };
        !group.is_hidden && !is_left_out
    }

    fn byte(&mut self, byte: u8) {
        if self.to_skip > 0 {
            self.to_skip -= 1;
        } else if self.is_said() {
            self.waiting.push(byte);
        }
    }

    fn text(&mut self, text: &str) {
        if self.to_skip > 0 {
            self.to_skip -= 1;
        } else if self.is_said() {
            self.flush();
            self.out.push_str(text);
        }
    }

    fn flush(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let bytes = std::mem::take(&mut self.waiting);
        let font = self.group().font;
        let page = self.fonts.get(&font).copied().unwrap_or(self.code_page);
        if bytes.is_ascii() {
            self.out.push_str(std::str::from_utf8(&bytes).unwrap_or_default());
        } else {
            self.out.push_str(&charset::decode(&bytes, Some(&charset::of_code_page(page))).text);
        }
    }

    /// Obeys what stands behind a backslash; returns where it ends.
    fn control(&mut self, rtf: &[u8], at: usize) -> usize {
        let Some(&first) = rtf.get(at) else { return at };
        if !first.is_ascii_alphabetic() {
            match first {
                b'\'' => {
                    let digit = |at: usize| rtf.get(at).and_then(|&digit| crate::mail::body::hex(digit));
                    if let (Some(high), Some(low)) = (digit(at + 1), digit(at + 2)) {
                        self.byte(high << 4 | low);
                        return at + 3;
                    }
                }
                b'\\' | b'{' | b'}' => self.byte(first),
                b'~' => self.text("\u{A0}"),
                b'_' => self.text("-"),
                b'\r' | b'\n' => self.text("\n"),
                // What a reader does not know it leaves out; what is known is said again by its word.
                b'*' => return self.starred(rtf, at + 1),
                _ => {}
            }
            return at + 1;
        }
        let (word, number, end) = word(rtf, at);
        self.obey(word, number);
        if word == b"bin" {
            return rtf.len().min(end + usize::try_from(number.unwrap_or_default()).unwrap_or_default());
        }
        end
    }

    fn starred(&mut self, rtf: &[u8], at: usize) -> usize {
        let rest = rtf.get(at..).unwrap_or_default();
        let is_word = rest.first() == Some(&b'\\') && rest.get(1).is_some_and(u8::is_ascii_alphabetic);
        if !is_word {
            self.group().is_hidden = true;
            return at;
        }
        let (word, _, end) = word(rtf, at + 1);
        self.flush();
        match word {
            b"htmltag" => self.group().is_tag = true,
            _ => self.group().is_hidden = true,
        }
        end
    }

    fn obey(&mut self, word: &[u8], number: Option<i32>) {
        match word {
            b"fromhtml" => self.is_html = number != Some(0),
            b"htmlrtf" => {
                self.flush();
                self.group().is_added = number != Some(0);
            }
            b"ansicpg" => self.code_page = number.and_then(|page| u32::try_from(page).ok()).unwrap_or(1252),
            b"mac" => self.code_page = 10_000,
            b"pc" => self.code_page = 437,
            b"pca" => self.code_page = 850,
            b"uc" => self.group().fallback = usize::try_from(number.unwrap_or(1)).unwrap_or_default().min(16),
            b"u" => self.unicode(number.unwrap_or_default()),
            b"f" | b"deff" => {
                self.flush();
                self.group().font = number.unwrap_or_default();
            }
            b"plain" => {
                self.flush();
            }
            b"fcharset" | b"cpg" => {
                let group = *self.group();
                let page = if word == b"cpg" { number.and_then(|it| u32::try_from(it).ok()) } else { page(number) };
                if let Some(page) = page.filter(|_| group.is_fonts) {
                    self.fonts.insert(group.font, page);
                }
            }
            b"fonttbl" => {
                self.group().is_hidden = true;
                self.group().is_fonts = true;
            }
            b"colortbl" | b"stylesheet" | b"info" | b"pict" | b"object" | b"header" | b"footer" | b"headerl"
            | b"headerr" | b"headerf" | b"footerl" | b"footerr" | b"footerf" | b"listtable" | b"listoverridetable"
            | b"revtbl" | b"rsidtbl" | b"generator" | b"xmlnstbl" | b"themedata" | b"fldinst" | b"template" => {
                self.flush();
                self.group().is_hidden = true;
            }
            b"par" | b"line" | b"row" | b"sect" | b"page" => self.text("\n"),
            b"tab" | b"cell" => self.text("\t"),
            b"lquote" => self.text("‘"),
            b"rquote" => self.text("’"),
            b"ldblquote" => self.text("“"),
            b"rdblquote" => self.text("”"),
            b"bullet" => self.text("•"),
            b"endash" => self.text("–"),
            b"emdash" => self.text("—"),
            b"emspace" | b"enspace" => self.text(" "),
            _ => {}
        }
    }

    fn unicode(&mut self, number: i32) {
        // The number is a signed one of 16 bits, and large characters are two of them.
        let unit = (number & 0xFFFF) as u16;
        let units = [self.surrogate.take().unwrap_or_default(), unit];
        let is_second = (0xDC00..0xE000).contains(&unit) && units[0] != 0;
        if (0xD800..0xDC00).contains(&unit) {
            self.surrogate = Some(unit);
        } else {
            let text = String::from_utf16_lossy(if is_second { &units } else { &units[1..] });
            self.to_skip = 0;
            self.text(&text);
        }
        self.to_skip = self.group().fallback;
    }
}

/// A control word, its number, and where it ends, the one space after it included.
fn word(rtf: &[u8], at: usize) -> (&[u8], Option<i32>, usize) {
    let rest = &rtf[at..];
    let letters = rest.iter().take(32).take_while(|byte| byte.is_ascii_alphabetic()).count();
    let sign = usize::from(rest.get(letters) == Some(&b'-'));
    let digits = rest[letters + sign..].iter().take(9).take_while(|byte| byte.is_ascii_digit()).count();
    let (number, length) = match digits {
        0 => (None, letters),
        _ => {
            let text = std::str::from_utf8(&rest[letters..letters + sign + digits]).unwrap_or_default();
            (text.parse().ok(), letters + sign + digits)
        }
    };
    let space = usize::from(rest.get(length) == Some(&b' '));
    (&rest[..letters], number, at + length + space)
}

/// The code page of a font's `\fcharset`; `None` for those that go by the document's.
fn page(charset: Option<i32>) -> Option<u32> {
    Some(match charset? {
        77 => 10_000,
        128 => 932,
        129 => 949,
        134 => 936,
        136 => 950,
        161 => 1253,
        162 => 1254,
        163 => 1258,
        177 => 1255,
        178 => 1256,
        186 => 1257,
        204 => 1251,
        222 => 874,
        238 => 1250,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preset_is_as_long_as_the_packing_has_it() {
        assert_eq!(PRESET.len(), 207);
    }

    #[test]
    fn packed_text_is_unpacked_as_far_as_it_goes() {
        let packed = |length: u32, kind: &[u8], content: &[u8]| {
            let mut packed = (content.len() as u32 + 12).to_le_bytes().to_vec();
            packed.extend(length.to_le_bytes());
            packed.extend(kind);
            packed.extend([0; 4]);
            packed.extend(content);
            packed
        };
        // `{\rtf1\ansi` is what the preset begins with: one stretch of 11 from 0, then ` x}`, then the end.
        let content = [0b0001_0001, 0x00, 0x09, b' ', b'x', b'}', 0x0D, 0xD0];
        let content = [&content[..], &[0; 3]].concat();
        assert_eq!(unpack(&packed(14, b"LZFu", &content)).as_deref(), Some(&b"{\\rtf1\\ansi x}"[..]));
        // A stretch that repeats what it is just saying.
        let content = [0b0000_0010, b'a', 0x0C, 0xF8, b'b'];
        assert_eq!(unpack(&packed(99, b"LZFu", &content)).as_deref(), Some(&b"aaaaaaaaaaab"[..]));
        assert_eq!(unpack(&packed(3, b"MELA", b"abcdef")).as_deref(), Some(&b"abc"[..]));
        assert_eq!(unpack(&packed(3, b"ZIPx", b"abcdef")), None);
        assert_eq!(unpack(b"short"), None);
    }

    #[test]
    fn html_and_text_are_taken_out_of_rich_text() {
        let html = |html: &str| Body::Html(html.to_owned());
        let text = |text: &str| Body::Text(text.to_owned());
        let cases: &[(&str, &[u8], Body)] = &[
            ("plain", br"{\rtf1\ansi Hello\par World}", text("Hello\nWorld")),
            ("escapes", br"{\rtf1\ansi a\{b\}c\\d\~e}", text("a{b}c\\d\u{A0}e")),
            ("code page", br"{\rtf1\ansi\ansicpg1251 \'cf\'f0\'e8}", text("При")),
            ("unicode", br"{\rtf1\ansi\uc1 \u8364?\u-10179?\u-8704?}", text("€\u{1F600}")),
            ("two for one", br"{\rtf1\ansi\uc2 \u26085\'93\'fa!}", text("日!")),
            (
                "a font's own",
                br"{\rtf1\ansi\deff0{\fonttbl{\f0 Arial;}{\f1\fcharset128 Gothic;}}\f1 \'93\'fa\f0  x}",
                text("日 x"),
            ),
            ("what is no text", br"{\rtf1{\info{\title T}}{\colortbl;\red0;}{\*\generator G;}x{\pict 00ff}}", text("x")),
            ("a field", br#"{\rtf1{\field{\*\fldinst HYPERLINK "x"}{\fldrslt link}}}"#, text("link")),
            ("raw bytes", b"{\\rtf1 a\\bin3 }}}b}", text("ab")),
            (
                "HTML inside",
                b"{\\rtf1\\ansi\\fromhtml1 {\\*\\htmltag64 <p>}\\htmlrtf {\\b \\htmlrtf0 caf\\'e9\\htmlrtf }\\htmlrtf0 \
                  {\\*\\htmltag84 &nbsp;}\\htmlrtf \\'a0\\htmlrtf0 {\\*\\mhtmltag8 <b>}{\\*\\htmltag72 </p>}}",
                html("<p>café&nbsp;</p>"),
            ),
            ("text inside", br"{\rtf1\ansi\fromtext a\par b}", text("a\nb")),
            ("not at all", b"hello", Body::Empty),
            ("nothing", br"{\rtf1}", Body::Empty),
            ("cut off", br"{\rtf1 {\b bold", text("bold")),
            ("closed too often", br"{\rtf1 a}}}b", text("ab")),
        ];
        for (name, rtf, expected) in cases {
            assert_eq!(read(rtf), *expected, "{name}");
        }
    }

    #[test]
    fn hostile_rich_text_ends() {
        for unit in [&b"{"[..], b"}", b"\\", b"{\\*", b"\\u1?", b"\\'", b"\\bin999999999 ", b"\\f1\\'93", b"\xFF{"] {
            let junk = [b"{\\rtf1 ", unit.repeat(300_000 / unit.len()).as_slice()].concat();
            let _ = read(&junk);
        }
    }
}
