//! Bytes to text, when the label is missing, unknown or a lie.

use std::borrow::Cow;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use charset::Charset;
use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};

/// How far detection reads; a guess does not get better after that.
const DETECT_BYTES: usize = 64 * 1024;

/// Text, and what had to be decided to get it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// The text.
    pub text: String,
    /// Why another charset was used than the one claimed, if so; one clause.
    pub problem: Option<String>,
}

impl Decoded {
    fn fine(text: impl Into<String>) -> Self {
        Self { text: text.into(), problem: None }
    }
}

/// Decodes bytes that claim a charset, or claim none.
///
/// A claim is believed when the bytes bear it out. `us-ascii` counts as no claim, and so does a
/// Latin-1 label on bytes that are UTF-8 with at least one character beyond ASCII: such bytes are
/// never Latin-1 text in practice. Undeclared bytes are UTF-8 if they can be, else guessed.
pub fn decode(bytes: &[u8], label: Option<&str>) -> Decoded {
    let label = label.map(clean_label).filter(|label| !label.is_empty());
    let claimed = label.as_deref().and_then(lookup);
    let is_more_than_ascii = match &claimed {
        Some(Claim::Charset(charset)) => !charset.is_ascii_compatible() || is_escaped(*charset),
        Some(Claim::Hz | Claim::Shifted(_) | Claim::Utf16) => true,
        _ => false,
    };
    if !is_more_than_ascii && bytes.is_ascii() {
        if memchr::memchr(0x1B, bytes).is_some() && looks_like_iso_2022_jp(bytes) {
            return Decoded::fine(encoding_rs::ISO_2022_JP.decode(&without_empty_escapes(bytes)).0);
        }
        // Checking it as a whole is several times as fast as looking for what could be replaced.
        return Decoded::fine(std::str::from_utf8(bytes).unwrap_or_default());
    }
    match (claimed, label) {
        (Some(Claim::Dos(table)), _) => Decoded::fine(decode_dos(bytes, table)),
        (Some(Claim::Hz), _) => Decoded::fine(decode_hz(bytes)),
        (Some(Claim::Shifted(encoding)), _) => Decoded::fine(decode_shifted(bytes, encoding)),
        (Some(Claim::Utf16), _) => decode_utf16(bytes),
        (Some(Claim::Charset(charset)), Some(label)) => decode_claimed(bytes, charset, &label),
        (Some(Claim::Nothing), _) | (None, None) => Decoded::fine(guess(bytes)),
        (_, label) => {
            let label = label.unwrap_or_default();
            Decoded { text: guess(bytes).into_owned(), problem: Some(format!("the charset `{label}` is unknown")) }
        }
    }
}

fn decode_claimed(bytes: &[u8], charset: Charset, label: &str) -> Decoded {
    let is_latin = charset.name() == WINDOWS_1252.name();
    if is_latin && std::str::from_utf8(bytes).is_ok() {
        return Decoded {
            text: String::from_utf8_lossy(bytes).into_owned(),
            problem: Some(format!("the text claims `{label}` and is UTF-8")),
        };
    }
    let bytes = if is_escaped(charset) { without_empty_escapes(bytes) } else { Cow::Borrowed(bytes) };
    let bytes = &*bytes;
    let (text, has_errors) = charset.decode_with_bom_removal(bytes);
    if !has_errors {
        return Decoded::fine(text);
    }
    if charset.name() == UTF_8.name() {
        // One broken character in good UTF-8 is not a reason to read the rest as something else.
        let broken = text.matches('\u{FFFD}').count();
        let good = text.chars().filter(|c| !c.is_ascii() && *c != '\u{FFFD}').count();
        let text = if good > broken { text } else { detect(bytes, Utf8Detection::Deny) };
        return Decoded { text: text.into_owned(), problem: Some(format!("the text claims `{label}` and is not")) };
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(utf8) if !is_escaped(charset) => Cow::Borrowed(utf8),
        _ => text,
    };
    Decoded { text: text.into_owned(), problem: Some(format!("the text claims `{label}` and is not")) }
}

/// UTF-8 if it can be, else whatever the bytes look most like.
pub fn guess(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text.strip_prefix('\u{FEFF}').unwrap_or(text)),
        Err(_) => detect(bytes, Utf8Detection::Allow),
    }
}

/// What bytes that are not UTF-8 look most like.
pub fn guessed(bytes: &[u8]) -> &'static Encoding {
    guessed_of(bytes, Utf8Detection::Deny)
}

fn guessed_of(bytes: &[u8], utf8: Utf8Detection) -> &'static Encoding {
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
    detector.feed(&bytes[..bytes.len().min(DETECT_BYTES)], true);
    detector.guess(None, utf8)
}

fn detect(bytes: &[u8], utf8: Utf8Detection) -> Cow<'_, str> {
    guessed_of(bytes, utf8).decode_without_bom_handling(bytes).0
}

/// The label of a Windows code page, for formats that number them.
pub fn of_code_page(number: u32) -> String {
    match number {
        1200 => "utf-16le".to_owned(),
        1201 => "utf-16be".to_owned(),
        10_000 => "macintosh".to_owned(),
        10_007 => "x-mac-cyrillic".to_owned(),
        20_127 => "us-ascii".to_owned(),
        20_866 => "koi8-r".to_owned(),
        21_866 => "koi8-u".to_owned(),
        20_932 | 51_932 => "euc-jp".to_owned(),
        28_591..=28_606 => format!("iso-8859-{}", number - 28_590),
        50_220..=50_222 => "iso-2022-jp".to_owned(),
        51_936 | 936 => "gbk".to_owned(),
        51_949 => "euc-kr".to_owned(),
        54_936 => "gb18030".to_owned(),
        65_000 => "utf-7".to_owned(),
        65_001 => "utf-8".to_owned(),
        874 => "windows-874".to_owned(),
        number => format!("cp{number}"),
    }
}

enum Claim {
    /// A charset of the library.
    Charset(Charset),
    /// A DOS code page: its upper half.
    Dos(&'static str),
    /// Chinese in pairs of ASCII letters between `~{` and `~}` (RFC 1843).
    Hz,
    /// This charset's letters without their upper bit, between two control characters (RFC 1557).
    Shifted(&'static Encoding),
    /// UTF-16 that does not say which byte comes first.
    Utf16,
    /// A label that says no more than none at all.
    Nothing,
}

fn lookup(label: &str) -> Option<Claim> {
    let name = match label {
        "us-ascii" | "ascii" | "ansi_x3.4-1968" | "iso646-us" | "unknown-8bit" | "x-unknown" | "unknown"
        | "default" | "8bit" | "binary" | "none" | "ansi" => return Some(Claim::Nothing),
        "cp437" | "ibm437" | "437" => return Some(Claim::Dos(CP437)),
        "cp850" | "ibm850" | "850" | "cp858" | "ibm00858" => return Some(Claim::Dos(CP850)),
        "cp852" | "ibm852" | "852" => return Some(Claim::Dos(CP852)),
        "cp857" | "ibm857" | "857" => return Some(Claim::Dos(CP857)),
        "cp737" | "ibm737" | "737" => return Some(Claim::Dos(CP737)),
        "cp865" | "ibm865" | "865" => return Some(Claim::Dos(CP865)),
        "hz-gb-2312" | "hz-gb2312" | "hz" => return Some(Claim::Hz),
        "iso-2022-kr" | "csiso2022kr" => return Some(Claim::Shifted(encoding_rs::EUC_KR)),
        "iso-2022-cn" | "iso-2022-cn-ext" => return Some(Claim::Shifted(encoding_rs::GBK)),
        "utf-16" | "utf16" | "ucs-2" | "iso-10646-ucs-2" | "unicode-2-0" => return Some(Claim::Utf16),
        "cp932" | "ms932" | "windows-932" | "cswindows31j" => "shift_jis",
        "cp936" | "ms936" | "windows-936" | "gb2312" | "x-gbk" | "gb_2312-80" | "csgb2312" => "gb18030",
        "cp949" | "ms949" | "windows-949" | "uhc" | "ks_c_5601" | "ks_c_5601_1987" => "euc-kr",
        "cp950" | "ms950" | "windows-950" => "big5",
        "cp1250" | "cp1251" | "cp1252" | "cp1253" | "cp1254" | "cp1255" | "cp1256" | "cp1257" | "cp1258" => label,
        "utf8" | "utf" | "utf-8mb4" | "unicode" | "utf-8-mac" => "utf-8",
        "iso-8859-1-windows-1252" | "latin-1" | "iso8859_1" | "8859-1" | "windows-1252-1" => "iso-8859-1",
        other => other,
    };
    if let Some(charset) = Charset::for_label_no_replacement(name.as_bytes()) {
        return Some(Claim::Charset(charset));
    }
    // `win-1251`, `iso_8859_15`, `iso8859-15` and the like.
    let respelt = name.replace('_', "-").replace("win-", "windows-").replace("iso8859", "iso-8859");
    Encoding::for_label_no_replacement(respelt.as_bytes())
        .map(|encoding| Claim::Charset(Charset::for_encoding(encoding)))
}

/// `"3DUTF-8"`, `'utf-8'`, `charset=utf-8`, `utf-8*en` → `utf-8`.
fn clean_label(label: &str) -> String {
    let mut label = label.trim().trim_matches(['"', '\'', '<', '>', ';', ',', ' ']).to_ascii_lowercase();
    for junk in ["charset=", "3d", "\"", "'"] {
        if let Some(rest) = label.strip_prefix(junk) {
            label = rest.to_owned();
        }
    }
    match label.split_once('*') {
        Some((name, _)) => name.to_owned(),
        None => label,
    }
}

/// Whether text in this charset is ASCII bytes that mean something else.
fn is_escaped(charset: Charset) -> bool {
    charset.name() == encoding_rs::ISO_2022_JP.name()
}

/// Takes out escapes that another follows at once: encoded words that were joined have them, and the library takes
/// them for an attempt to hide something.
fn without_empty_escapes(bytes: &[u8]) -> Cow<'_, [u8]> {
    let is_escape = |at: usize| bytes.get(at) == Some(&0x1B) && matches!(bytes.get(at + 1), Some(b'$' | b'('));
    let empty = memchr::memchr_iter(0x1B, bytes).filter(|&at| is_escape(at) && is_escape(at + 3));
    let empty: Vec<usize> = empty.collect();
    if empty.is_empty() {
        return Cow::Borrowed(bytes);
    }
    let mut out = Vec::with_capacity(bytes.len());
    let mut from = 0;
    for at in empty {
        out.extend_from_slice(&bytes[from..at]);
        from = at + 3;
    }
    out.extend_from_slice(&bytes[from..]);
    Cow::Owned(out)
}

fn looks_like_iso_2022_jp(bytes: &[u8]) -> bool {
    [b"\x1B$B", b"\x1B$@", b"\x1B(J"].iter().any(|escape| memchr::memmem::find(bytes, *escape).is_some())
}

fn decode_hz(bytes: &[u8]) -> String {
    let mut out = Vec::with_capacity(bytes.len());
    let mut is_shifted = false;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        match (byte, bytes.get(at)) {
            (b'~', Some(b'{')) => is_shifted = true,
            (b'~', Some(b'}')) => is_shifted = false,
            (b'~', Some(b'~')) if !is_shifted => out.push(b'~'),
            (b'~', Some(b'\n')) => {}
            (b'\n', _) => {
                is_shifted = false;
                out.push(byte);
                continue;
            }
            (byte, _) => {
                out.push(if is_shifted { byte | 0x80 } else { byte });
                continue;
            }
        }
        at += 1;
    }
    encoding_rs::GBK.decode(&out).0.into_owned()
}

fn decode_shifted(bytes: &[u8], encoding: &'static Encoding) -> String {
    const SHIFT_OUT: u8 = 0x0E;
    const SHIFT_IN: u8 = 0x0F;
    let mut out = Vec::with_capacity(bytes.len());
    let mut is_shifted = false;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        match byte {
            // `ESC $ ) C` says which charset is meant by what follows.
            0x1B if bytes.get(at) == Some(&b'$') => at += 3,
            SHIFT_OUT => is_shifted = true,
            SHIFT_IN => is_shifted = false,
            b'\r' | b'\n' => {
                is_shifted = false;
                out.push(byte);
            }
            byte => out.push(if is_shifted { byte | 0x80 } else { byte }),
        }
    }
    encoding.decode(&out).0.into_owned()
}

/// Without a mark at its beginning, the zeros of Latin letters say which byte comes first; without zeros it is a lie.
fn decode_utf16(bytes: &[u8]) -> Decoded {
    const LOOKED_AT: usize = 2_000;
    let head = &bytes[..bytes.len().min(LOOKED_AT)];
    let zeros = |first: usize| head.iter().skip(first).step_by(2).filter(|&&byte| byte == 0).count();
    let (high, low) = (zeros(0), zeros(1));
    let encoding = match head {
        [0xFE, 0xFF, ..] => encoding_rs::UTF_16BE,
        [0xFF, 0xFE, ..] => encoding_rs::UTF_16LE,
        _ if high == 0 && low == 0 && std::str::from_utf8(bytes).is_ok() => {
            let problem = Some("the text claims UTF-16 and is not".to_owned());
            return Decoded { text: guess(bytes).into_owned(), problem };
        }
        // RFC 2781: the high byte first, unless the text plainly has it the other way.
        _ if low > high => encoding_rs::UTF_16LE,
        _ => encoding_rs::UTF_16BE,
    };
    Decoded::fine(encoding.decode_with_bom_removal(bytes).0)
}

fn decode_dos(bytes: &[u8], upper: &str) -> String {
    let upper: Vec<char> = upper.chars().collect();
    bytes
        .iter()
        .map(|&byte| match byte {
            0..=0x7F => char::from(byte),
            _ => upper.get(usize::from(byte) - 0x80).copied().unwrap_or('\u{FFFD}'),
        })
        .collect()
}

/// The upper half of code page 437.
const CP437: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀\
αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{A0}";

/// The upper half of code page 850.
const CP850: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜø£Ø×ƒáíóúñÑªº¿®¬½¼¡«»░▒▓│┤ÁÂÀ©╣║╗╝¢¥┐└┴┬├─┼ãÃ╚╔╩╦╠═╬¤ðÐÊËÈıÍÎÏ┘┌█▄¦Ì▀\
ÓßÔÒõÕµþÞÚÛÙýÝ¯´\u{AD}±‗¾¶§÷¸°¨·¹³²■\u{A0}";

/// The upper half of code page 852 (Central Europe).
const CP852: &str = "ÇüéâäůćçłëŐőîŹÄĆÉĹĺôöĽľŚśÖÜŤťŁ×čáíóúĄąŽžĘę¬źČş«»░▒▓│┤ÁÂĚŞ╣║╗╝Żż┐└┴┬├─\
┼Ăă╚╔╩╦╠═╬¤đĐĎËďŇÍÎě┘┌█▄ŢŮ▀ÓßÔŃńňŠšŔÚŕŰýÝţ´\u{AD}˝˛ˇ˘§÷¸°¨˙űŘř■\u{A0}";

/// The upper half of code page 857 (Turkish).
const CP857: &str = "ÇüéâäàåçêëèïîıÄÅÉæÆôöòûùİÖÜø£ØŞşáíóúñÑĞğ¿®¬½¼¡«»░▒▓│┤ÁÂÀ©╣║╗╝¢¥┐└┴┬├─┼ãÃ╚╔╩╦╠═╬\
¤ºªÊËÈ\u{FFFD}ÍÎÏ┘┌█▄¦Ì▀ÓßÔÒõÕµ\u{FFFD}×ÚÛÙìÿ¯´\u{AD}±\u{FFFD}¾¶§÷¸°¨·¹³²■\u{A0}";

/// The upper half of code page 737 (Greek).
const CP737: &str = "ΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩαβγδεζηθικλμνξοπρσςτυφχψ░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴\
┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀ωάέήϊίόύϋώΆΈΉΊΌΎΏ±≥≤ΪΫ÷≈°∙·√ⁿ²■\u{A0}";

/// The upper half of code page 865 (Nordic).
const CP865: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜø£Ø₧ƒáíóúñÑªº¿⌐¬½¼¡«¤░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴\
┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{A0}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_in_the_charset_it_is_really_in() {
        type Case = (&'static str, &'static [u8], Option<&'static str>, &'static str, bool);
        let cases: &[Case] = &[
            ("plain", b"hello", None, "hello", false),
            ("undeclared UTF-8", "né".as_bytes(), None, "né", false),
            ("undeclared Latin-1", b"caf\xE9 cr\xE8me br\xFBl\xE9e", None, "café crème brûlée", false),
            ("false us-ascii", "né".as_bytes(), Some("us-ascii"), "né", false),
            ("Latin-1 is windows-1252", b"\x93quoted\x94", Some("ISO-8859-1"), "“quoted”", false),
            ("UTF-8 labelled Latin-1", "Grüße".as_bytes(), Some("iso-8859-1"), "Grüße", true),
            ("Latin-1 labelled UTF-8", b"Gr\xFC\xDFe aus M\xFCnchen", Some("utf-8"), "Grüße aus München", true),
            ("damaged label", "né".as_bytes(), Some("3D\"UTF-8\""), "né", false),
            ("unknown label", "né".as_bytes(), Some("x-made-up"), "né", true),
            ("gb2312 is gbk", b"\xC4\xE3\xBA\xC3", Some("gb2312"), "你好", false),
            ("Korean", b"\xBE\xC8\xB3\xE7", Some("ks_c_5601-1987"), "안녕", false),
            ("cp949", b"\xBE\xC8\xB3\xE7", Some("cp949"), "안녕", false),
            ("cp932", b"\x93\xFA\x96\x7B", Some("cp932"), "日本", false),
            ("ISO-2022-JP", b"\x1B$BF|K\\\x1B(B", Some("ISO-2022-JP"), "日本", false),
            ("undeclared ISO-2022-JP", b"\x1B$BF|K\\\x1B(B", None, "日本", false),
            ("UTF-7", b"Hi +AOk-", Some("utf-7"), "Hi é", false),
            ("DOS", b"Gr\x81\xE1e", Some("cp850"), "Grüße", false),
            ("DOS 437", b"Gr\x81\xE1e", Some("IBM437"), "Grüße", false),
            ("DOS 852", b"\x9D\xA2d\xAB", Some("cp852"), "Łódź", false),
            ("HZ", b"~{<:Ky2;~} a~~b", Some("HZ-GB-2312"), "己所不 a~b", false),
            ("ISO-2022-KR", b"\x1B$)C\x0E>H3g\x0F ok", Some("iso-2022-kr"), "안녕 ok", false),
            ("UTF-16 without a mark", b"\0H\0i\0 \x20\xAC", Some("utf-16"), "Hi €", false),
            ("UTF-16 the other way", b"H\0i\0", Some("utf-16"), "Hi", false),
            ("UTF-16 with a mark", b"\xFF\xFEH\0i\0", Some("UTF-16"), "Hi", false),
            ("UTF-16 that is none", b"Hi there", Some("utf-16"), "Hi there", true),
            ("two lines of ISO-2022-JP", b"\x1B$BF|\x1B(B\n\x1B$BK\\\x1B(B", Some("iso-2022-jp"), "日\n本", false),
            ("quoted label", "né".as_bytes(), Some("\"utf-8\""), "né", false),
            ("label with the word before it", "né".as_bytes(), Some("charset=utf-8"), "né", false),
            ("label spelt otherwise", b"\xCF\xF0\xE8", Some("win-1251"), "При", false),
            ("label with a year", b"caf\xE9", Some("ISO_8859-1:1987"), "café", false),
            ("language suffix", "né".as_bytes(), Some("utf-8*fr"), "né", false),
            ("Cyrillic", b"\xCF\xF0\xE8\xE2\xE5\xF2", Some("windows-1251"), "Привет", false),
        ];
        for (name, bytes, label, expected, has_problem) in cases {
            let decoded = decode(bytes, *label);
            assert_eq!(decoded.text, *expected, "{name}");
            assert_eq!(decoded.problem.is_some(), *has_problem, "{name}: {:?}", decoded.problem);
        }
    }

    #[test]
    fn the_dos_pages_are_whole() {
        for page in [CP437, CP737, CP850, CP852, CP857, CP865] {
            assert_eq!(page.chars().count(), 128, "{page}");
        }
    }
}
