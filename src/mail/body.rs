//! Bodies: transfer encodings with junk in them, and `format=flowed`.

/// Decodes base64 with whatever stands between the letters.
///
/// Anything outside the alphabet is skipped; `=` ends a run, after which another may start, since some mailers join
/// encoded pieces. What follows an end and is not wholly of the alphabet is something else: the footer of a
/// mailing list. [`base64_length`] gives the length of the result without making it.
pub fn decode_base64(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3 + 3);
    for run in Base64Runs::new(text) {
        let (mut bits, mut count) = (0_u32, 0_u32);
        for &byte in run {
            let value = BASE64[usize::from(byte)];
            if value < 64 {
                bits = bits << 6 | u32::from(value);
                count += 1;
                if count == 4 {
                    out.extend_from_slice(&[(bits >> 16) as u8, (bits >> 8) as u8, bits as u8]);
                    (bits, count) = (0, 0);
                }
            }
        }
        end_run(&mut out, bits, count);
    }
    out
}

/// The stretches between the paddings of base64 text.
struct Base64Runs<'a> {
    text: &'a [u8],
    is_first: bool,
    is_done: bool,
}

impl<'a> Base64Runs<'a> {
    fn new(text: &'a [u8]) -> Self {
        Self { text, is_first: true, is_done: false }
    }
}

impl<'a> Iterator for Base64Runs<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.is_done {
            return None;
        }
        let end = memchr::memchr(b'=', self.text);
        let mut run = &self.text[..end.unwrap_or(self.text.len())];
        if !std::mem::take(&mut self.is_first) {
            let pure = pure_lines(run);
            self.is_done = pure.len() < run.len();
            run = pure;
        }
        match end {
            Some(end) => self.text = &self.text[end + 1..],
            None => self.is_done = true,
        }
        Some(run)
    }
}

/// The lines at the beginning that hold nothing but letters of the alphabet and white space at their ends.
fn pure_lines(text: &[u8]) -> &[u8] {
    let is_pure = |line: &[u8]| {
        line.trim_ascii_end().iter().all(|&byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
    };
    let pure = text.split_inclusive(|&byte| byte == b'\n').take_while(|line| is_pure(line));
    &text[..pure.map(<[u8]>::len).sum()]
}

/// Whether text that claims to be base64 is plainly something else: words with spaces between them.
pub fn is_not_base64(text: &[u8]) -> bool {
    const LOOKED_AT: usize = 400;
    let head = text.trim_ascii();
    let head = &head[..head.len().min(LOOKED_AT)];
    let words = head.split(|&byte| byte == b' ').filter(|word| word.len() > 1).count();
    // Words of prose are short, and lines of base64 are 60 to 76 letters without a space.
    words >= 5 && head.len() / words < 16
}

fn end_run(out: &mut Vec<u8>, bits: u32, count: u32) {
    match count {
        2 => out.push((bits >> 4) as u8),
        3 => out.extend_from_slice(&[(bits >> 10) as u8, (bits >> 2) as u8]),
        _ => {}
    }
}

/// How many bytes [`decode_base64`] would give.
pub fn base64_length(text: &[u8]) -> u64 {
    let mut total = 0;
    for run in Base64Runs::new(text) {
        let letters = run.iter().filter(|&&byte| BASE64[usize::from(byte)] < 64).count() as u64;
        total += letters / 4 * 3 + [0, 0, 1, 2][(letters % 4) as usize];
    }
    total
}

/// The value of each base64 letter, 64 for everything else. Both alphabets are read.
const BASE64: [u8; 256] = {
    let mut table = [64; 256];
    let mut n = 0;
    while n < 26 {
        table[b'A' as usize + n] = n as u8;
        table[b'a' as usize + n] = n as u8 + 26;
        n += 1;
    }
    let mut n = 0;
    while n < 10 {
        table[b'0' as usize + n] = n as u8 + 52;
        n += 1;
    }
    table[b'+' as usize] = 62;
    table[b'-' as usize] = 62;
    table[b'/' as usize] = 63;
    table[b'_' as usize] = 63;
    table
};

/// What becomes of white space at the ends of lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    /// It was added on the way and goes (bodies).
    Trimmed,
    /// It is text (encoded words).
    Kept,
}

/// Decodes quoted-printable; an `=` that starts nothing stays as it is.
pub fn decode_quoted_printable(text: &[u8], ends: Ends) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        let (content, line_end) = match line {
            [content @ .., b'\r', b'\n'] => (content, &line[content.len()..]),
            [content @ .., b'\n'] => (content, &line[content.len()..]),
            content => (content, &[][..]),
        };
        let content = if ends == Ends::Trimmed { content.trim_ascii_end() } else { content };
        let (content, is_soft) = match content {
            [content @ .., b'='] if !line_end.is_empty() || ends == Ends::Trimmed => (content, true),
            content => (content, false),
        };
        let mut rest = content;
        while let Some(equals) = memchr::memchr(b'=', rest) {
            out.extend_from_slice(&rest[..equals]);
            let pair = rest.get(equals + 1..equals + 3);
            match pair.and_then(|pair| Some(hex(pair[0])? << 4 | hex(pair[1])?)) {
                Some(byte) => {
                    out.push(byte);
                    rest = &rest[equals + 3..];
                }
                None => {
                    out.push(b'=');
                    rest = &rest[equals + 1..];
                }
            }
        }
        out.extend_from_slice(rest);
        if !is_soft {
            out.extend_from_slice(line_end);
        }
    }
    out
}

/// Decodes the first uuencoded file in the text; `None` when there is none.
pub fn decode_uuencode(text: &[u8]) -> Option<Vec<u8>> {
    let mut lines = text.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii_end);
    lines.find(|line| line.starts_with(b"begin "))?;
    let mut out = Vec::new();
    for line in lines {
        let Some((&first, letters)) = line.split_first() else { break };
        let length = usize::from(first.wrapping_sub(32) & 63);
        if line == b"end" || length == 0 {
            break;
        }
        decode_uuencoded_line(length, letters, &mut out);
    }
    Some(out)
}

/// Decodes the letters of one uuencoded line, which says itself that it holds `length` bytes.
///
/// Spaces at the end of a line stand for zeros, and some programs take them off.
pub fn decode_uuencoded_line(length: usize, letters: &[u8], out: &mut Vec<u8>) {
    let before = out.len();
    for group in letters.chunks(4) {
        let value = |n: usize| u32::from(group.get(n).copied().unwrap_or(32).wrapping_sub(32) & 63);
        let bits = value(0) << 18 | value(1) << 12 | value(2) << 6 | value(3);
        out.extend_from_slice(&[(bits >> 16) as u8, (bits >> 8) as u8, bits as u8]);
    }
    out.resize(before + length, 0);
}

/// The value of a hexadecimal digit in either case.
pub fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

/// Joins the soft line ends of `format=flowed` (RFC 3676); quoted lines keep their `> `.
///
/// `is_delsp`: the space before a soft line end was added on the way (`DelSp=yes`).
pub fn unfold_flowed(text: &str, is_delsp: bool) -> String {
    /// Stands before a signature, and is never soft.
    const SIGNATURE: &str = "-- ";
    let mut out = String::with_capacity(text.len());
    // The depth of the line being joined, if the line before ended softly.
    let mut open: Option<usize> = None;
    for line in text.lines() {
        let depth = line.bytes().take_while(|&byte| byte == b'>').count();
        let content = &line[depth..];
        let content = content.strip_prefix(' ').unwrap_or(content);
        // Nothing is joined to the line before a signature, nor to one of another depth.
        if open.is_some_and(|before| before != depth || content == SIGNATURE) {
            out.push('\n');
            open = None;
        }
        if open.is_none() && depth > 0 {
            out.extend(std::iter::repeat_n('>', depth));
            out.push(' ');
        }
        let is_soft = content.ends_with(' ') && content != SIGNATURE;
        out.push_str(if is_soft && is_delsp { &content[..content.len() - 1] } else { content });
        if is_soft {
            open = Some(depth);
        } else {
            out.push('\n');
            open = None;
        }
    }
    if open.is_none() && !text.ends_with('\n') && out.ends_with('\n') {
        out.pop();
    }
    out
}

/// The text of `text/enriched` and `text/richtext` (RFC 1896) without its commands.
pub fn without_enriched(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    // Inside `<param>` stands what a command needs, and no text.
    let mut is_param = false;
    while let Some(open) = rest.find('<') {
        if !is_param {
            out.push_str(&rest[..open]);
        }
        let command = &rest[open + 1..];
        if let Some(after) = command.strip_prefix('<') {
            out.push('<');
            rest = after;
            continue;
        }
        let length = command.bytes().take(80).position(|byte| byte == b'>');
        let Some(length) = length else {
            out.push('<');
            rest = command;
            continue;
        };
        match command[..length].to_ascii_lowercase().as_str() {
            "param" => is_param = true,
            "/param" => is_param = false,
            "nl" | "np" | "paragraph" | "/paragraph" => out.push('\n'),
            "lt" => out.push('<'),
            _ => {}
        }
        rest = &command[length + 1..];
    }
    if !is_param {
        out.push_str(rest);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_with_junk_in_it() {
        let cases: &[(&[u8], &[u8])] = &[
            (b"aGVsbG8=", b"hello"),
            (b"aGVsbG8", b"hello"),
            (b"aGVs\r\nbG8=\r\n", b"hello"),
            (b"aG!V*s bG8=", b"hello"),
            (b"aGVsbG8=aGVsbG8=", b"hellohello"),
            (b"aGVsbG8=\r\naGVsbG8=\r\n", b"hellohello"),
            (b"aGVsbG8= ignored", b"hello"),
            (b"aGVsbG8=\n____\nA footer of a list\na=b\n", b"hello"),
            (b"aGVsb", b"hel"),
            (b"_-_-", b"\xFF\xEF\xFE"),
            (b"", b""),
            (b"====", b""),
        ];
        for (text, expected) in cases {
            let decoded = decode_base64(text);
            assert_eq!(decoded, *expected, "{}", String::from_utf8_lossy(text));
            assert_eq!(base64_length(text), decoded.len() as u64);
        }
    }

    #[test]
    fn quoted_printable_is_read_with_junk_in_it() {
        let cases: &[(&[u8], &[u8])] = &[
            (b"caf=E9", b"caf\xE9"),
            (b"caf=e9", b"caf\xE9"),
            (b"a=\nb", b"ab"),
            (b"a=\r\nb\r\n", b"ab\r\n"),
            (b"a=  \nb", b"ab"),
            (b"a   \nb", b"a\nb"),
            (b"50=% off =ZZ", b"50=% off =ZZ"),
            (b"a=", b"a"),
            (b"=3D=", b"="),
        ];
        for (text, expected) in cases {
            assert_eq!(decode_quoted_printable(text, Ends::Trimmed), *expected, "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn uuencoded_files_are_read() {
        assert_eq!(decode_uuencode(b"begin 644 cat.txt\n#0V%T\n`\nend\n").as_deref(), Some(&b"Cat"[..]));
        assert_eq!(decode_uuencode(b"text\nbegin 644 x\n#0V%T"), Some(b"Cat".to_vec()));
        assert_eq!(decode_uuencode(b"no file"), None);
        // A line of zeros whose spaces were taken off.
        assert_eq!(decode_uuencode(b"begin 644 x\n%\n`\nend\n"), Some(vec![0; 5]));
    }

    #[test]
    fn enriched_text_loses_its_commands() {
        let cases = [
            ("This is <bold>bold</bold>.", "This is bold."),
            ("<color><param>red</param>x</color> a<<b", "x a<b"),
            ("no command: a < b", "no command: a < b"),
            ("<param>never ended", ""),
        ];
        for (text, expected) in cases {
            assert_eq!(without_enriched(text), expected);
        }
    }

    #[test]
    fn flowed_text_is_joined_by_depth() {
        let cases = [
            ("one \ntwo\nthree\n", false, "one two\nthree\n"),
            ("one \ntwo", true, "onetwo"),
            ("> a \n> b\nc\n", false, "> a b\nc\n"),
            ("> a \nb\n", false, "> a \nb\n"),
            (" stuffed\n From x\n", false, "stuffed\nFrom x\n"),
            ("text\n-- \nAnn\n", false, "text\n-- \nAnn\n"),
            (">> deep \n>> er\n> less\n", false, ">> deep er\n> less\n"),
            ("soft \n-- \nAnn\n", false, "soft \n-- \nAnn\n"),
            ("> soft \n> -- \n> Ann\n", false, "> soft \n> -- \n> Ann\n"),
            ("", false, ""),
        ];
        for (text, is_delsp, expected) in cases {
            assert_eq!(unfold_flowed(text, is_delsp), expected, "{text:?}");
        }
    }
}
