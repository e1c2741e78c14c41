//! Texts on their way to FreeScout: HTML from strangers is cleaned, plain text becomes HTML.
//!
//! Promises:
//!
//! - What [`clean`], [`from_text`] and [`escape`] give contains no script, no form, no frame, no event handler,
//!   no comment, and no address but `http`, `https`, `mailto`, `tel`, `cid` and images as `data:`.
//! - Time and memory stay proportional to the input, whatever it holds: what is nested deeper, or broken more
//!   cunningly, than any mail program writes is shown as text instead of being parsed.
//! - Visible text is never dropped.
//!
//! FreeScout stores texts as they come and purifies them only when it shows them (`Thread::getCleanBody`,
//! core 1.8.235), and other readers of its database do not; so cleaning is our business.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use ammonia::{Builder, UrlRelative};

pub(crate) mod page;
mod quotes;
mod scan;
mod simple;
mod text;

pub use quotes::{Cut, cut_html, cut_text};
pub(crate) use text::to_lines;
pub use text::{escape, from_text, to_text};

use scan::{Piece, Scanner};

/// Longest HTML that is parsed, in bytes; anything longer is shown as its text.
///
/// The parser needs up to twenty times the input in memory. The longest real
/// mails are texts with photographs as `data:` addresses, which stay below this.
pub const MAX_HTML_BYTES: usize = 32 * 1024 * 1024;

/// Deepest nesting that is parsed; an upper bound is counted, not the exact depth.
///
/// The cleaner is quadratic in depth: 2,000 take 11 ms, 50,000 take five seconds (ammonia 4.2.4). Mail
/// programs stay below 100, but badly closed tags count as nesting too.
const MAX_DEPTH: usize = 2_000;

/// Most attributes of one tag; finding doubles among them is quadratic in html5ever.
const MAX_ATTRIBUTES: usize = 256;

/// Most elements that the parser may have to repeat because formatting was never closed.
///
/// `<b><i><p></p><p></p>` repeats `b` and `i` in every paragraph, so that a
/// small hostile text could become gigabytes.
const MAX_REPEATED: usize = 300_000;

/// HTML that may be shown to an agent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// The clean HTML.
    pub html: String,
    /// Whether anything was removed that is more than formatting (scripts, forms, unknown addresses).
    pub has_lost_something: bool,
    /// The `cid:` names that images in the HTML refer to, decoded, without `cid:`, distinct, in order.
    pub content_ids: Vec<String>,
}

/// Cleans HTML: scripts, forms, event handlers, frames, styles that reach outside, unknown URL schemes.
///
/// Basic formatting, tables, colours, lists and images stay. Comments, classes and style sheets go silently. HTML over
/// [`MAX_HTML_BYTES`], or nested beyond any mail program's, comes back as its text with
/// `has_lost_something` set. Never fails.
pub fn clean(html: &str) -> Cleaned {
    // Without tags, and without the NUL that parsers treat in several ways, there is nothing to clean.
    if memchr::memchr3(b'<', b'&', 0, html.as_bytes()).is_none() {
        return Cleaned { html: html.replace('>', "&gt;"), ..Cleaned::default() };
    }
    if let Some(html) = simple::clean(html) {
        return Cleaned { html, ..Cleaned::default() };
    }
    let survey = survey(html);
    if survey.is_hostile {
        return Cleaned { html: from_text(&to_lines(html)), has_lost_something: true, content_ids: Vec::new() };
    }
    let html = CLEANER.clean(html).to_string();
    let content_ids = content_ids(&html);
    Cleaned { html, has_lost_something: survey.has_active_parts, content_ids }
}

/// Puts other addresses in place of `cid:` images.
///
/// `html` must come from [`clean`]. `address` is asked for each image's decoded content id, and its
/// answer (usually a `data:` address) is put in; on `None` the image stays as it is.
pub fn with_images(html: &str, mut address: impl FnMut(&str) -> Option<String>) -> String {
    if memchr::memmem::find(html.as_bytes(), b"cid:").is_none() {
        return html.to_owned();
    }
    with_sources(html, |name, value| address(&content_id(name, value)?))
}

/// Puts other addresses in place of images on the web.
///
/// `html` may come from anybody and needs cleaning afterwards. `address` is asked for each image's `http` address, character
/// references decoded; on `None` the image stays as it is.
pub fn with_linked_images(html: &str, mut address: impl FnMut(&str) -> Option<String>) -> String {
    with_sources(html, |name, value| {
        let value = scan::decode(value.trim());
        let is_link = value.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("http"));
        if name.eq_ignore_ascii_case("src") && is_link { address(&value) } else { None }
    })
}

/// Puts other addresses in place of images wherever they are.
///
/// As [`with_linked_images`], but `address` is asked for each image's address, whatever it is.
pub fn with_named_images(html: &str, mut address: impl FnMut(&str) -> Option<String>) -> String {
    with_sources(
        html,
        |name, value| {
            if name.eq_ignore_ascii_case("src") { address(scan::decode(value.trim()).trim()) } else { None }
        },
    )
}

/// Puts in what `new` gives for the attributes of images, by name and value as written.
fn with_sources(html: &str, mut new: impl FnMut(&str, &str) -> Option<String>) -> String {
    let mut out = String::with_capacity(html.len());
    let mut done = 0;
    for piece in Scanner::new(html) {
        let Piece::Open(tag) = piece else { continue };
        if !tag.is("img") {
            continue;
        }
        for (name, value) in tag.attributes() {
            if let Some(new) = new(name, value) {
                let start = value.as_ptr() as usize - html.as_ptr() as usize;
                out.push_str(&html[done..start]);
                out.push_str(&escape(&new));
                done = start + value.len();
            }
        }
    }
    out.push_str(&html[done..]);
    out
}

fn content_ids(html: &str) -> Vec<String> {
    let mut ids: Vec<String> = Vec::new();
    if memchr::memmem::find(html.as_bytes(), b"cid:").is_none() {
        return ids;
    }
    let mut seen = HashSet::new();
    for piece in Scanner::new(html) {
        if let Piece::Open(tag) = piece
            && tag.is("img")
        {
            for id in tag.attributes().filter_map(|(name, value)| content_id(name, value)) {
                if seen.insert(id.clone()) {
                    ids.push(id);
                }
            }
        }
    }
    ids
}

/// The decoded content id, if this is the source of an image inside a mail.
fn content_id(attribute: &str, value: &str) -> Option<String> {
    if !attribute.eq_ignore_ascii_case("src") {
        return None;
    }
    let value = scan::decode(value);
    let value = value.trim();
    let scheme = value.get(..4)?;
    scheme.eq_ignore_ascii_case("cid:").then(|| percent_decoded(&value[4..]))
}

/// RFC 2392: a content id in an address is percent-encoded.
fn percent_decoded(text: &str) -> String {
    let hex = |byte: u8| (byte as char).to_digit(16).map(|digit| digit as u8);
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == b'%'
            && let (Some(high), Some(low)) =
                (bytes.get(at + 1).copied().and_then(hex), bytes.get(at + 2).copied().and_then(hex))
        {
            out.push(high << 4 | low);
            at += 3;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// What a look at the tags says before anything is parsed.
struct Survey {
    /// Parsing it would take time or memory out of proportion.
    is_hostile: bool,
    /// It holds something that acts, or points where nothing may point.
    has_active_parts: bool,
}

/// Elements that do something: without them a text is less than it was.
const ACTIVE: &[&str] = &[
    "script", "form", "input", "textarea", "select", "button", "iframe", "frame", "frameset", "object", "embed",
    "applet", "video", "audio", "svg", "math",
];

/// Elements that have no end tag.
const VOID: &[&str] =
    &["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"];

/// Elements that the parser opens again when a block closes over them.
const FORMATTING: &[&str] =
    &["a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u"];

/// Elements whose end tags may be left out; the end of an outer block ends them.
const IMPLIED: &[&str] =
    &["p", "li", "dd", "dt", "option", "td", "th", "tr", "tbody", "thead", "tfoot", "rt", "rp", "colgroup"];

/// Blocks whose end tags close what [`IMPLIED`] lists, and whose start tags close a paragraph.
const BLOCKS: &[&str] = &[
    "p",
    "div",
    "table",
    "ul",
    "ol",
    "dl",
    "li",
    "dd",
    "dt",
    "td",
    "th",
    "tr",
    "tbody",
    "thead",
    "tfoot",
    "blockquote",
    "center",
    "pre",
    "section",
    "article",
    "address",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
];

/// Walks over the tags once, counting an upper bound of what the parser would build.
fn survey(html: &str) -> Survey {
    if html.len() > MAX_HTML_BYTES {
        return Survey { is_hostile: true, has_active_parts: true };
    }
    let mut open: Vec<&str> = Vec::new();
    let mut formatting = 0;
    let mut repeated = 0;
    let mut has_active_parts = false;
    let same = |a: &str, b: &str| a.eq_ignore_ascii_case(b);
    let any = |list: &[&str], name: &str| list.iter().any(|known| name.eq_ignore_ascii_case(known));
    for piece in Scanner::new(html) {
        match piece {
            Piece::Open(tag) => {
                if tag.attribute_count > MAX_ATTRIBUTES {
                    return Survey { is_hostile: true, has_active_parts: true };
                }
                has_active_parts = has_active_parts || is_active(&tag);
                if any(VOID, tag.name) {
                    continue;
                }
                if any(BLOCKS, tag.name) {
                    if open.last().is_some_and(|top| same(top, "p")) {
                        open.pop();
                    }
                    if let Some(top) = open.last()
                        && any(IMPLIED, top)
                        && (same(top, tag.name)
                            || (same(tag.name, "tr") || same(tag.name, "td") || same(tag.name, "th"))
                                && (same(top, "td") || same(top, "th")))
                    {
                        open.pop();
                        if same(tag.name, "tr") && open.last().is_some_and(|top| same(top, "tr")) {
                            open.pop();
                        }
                    }
                    if open.last().is_some_and(|top| any(FORMATTING, top)) {
                        repeated += formatting;
                    }
                }
                if any(FORMATTING, tag.name) {
                    formatting += 1;
                }
                open.push(tag.name);
            }
            Piece::Close(name) => {
                if open.last().is_some_and(|top| same(top, name)) {
                    open.pop();
                    if any(FORMATTING, name) {
                        formatting -= 1;
                    }
                    continue;
                }
                repeated += formatting;
                if any(BLOCKS, name) {
                    let implied = open.iter().rev().take_while(|top| any(IMPLIED, top) && !same(top, name)).count();
                    let at = open.len() - implied;
                    if at > 0 && same(open[at - 1], name) {
                        open.truncate(at - 1);
                    }
                }
            }
            Piece::Text(_) => {}
        }
        if open.len() > MAX_DEPTH || repeated > MAX_REPEATED {
            return Survey { is_hostile: true, has_active_parts: true };
        }
    }
    Survey { is_hostile: false, has_active_parts }
}

fn is_active(tag: &scan::Tag<'_>) -> bool {
    if ACTIVE.iter().any(|name| tag.is(name)) {
        return true;
    }
    tag.attribute_count > 0
        && tag.attributes().any(|(name, value)| match name.len() {
            4 if name.eq_ignore_ascii_case("href") && (tag.is("a") || tag.is("area")) => {
                is_lost_address(&address(&scan::decode(value), Use::Link), value)
            }
            3 if name.eq_ignore_ascii_case("src") && tag.is("img") => {
                is_lost_address(&address(&scan::decode(value), Use::Image), value)
            }
            10 if name.eq_ignore_ascii_case("http-equiv") => value.trim().eq_ignore_ascii_case("refresh"),
            _ => name.len() > 4 && name.as_bytes()[..2].eq_ignore_ascii_case(b"on"),
        })
}

fn is_lost_address(kept: &Option<Cow<'_, str>>, value: &str) -> bool {
    // Addresses inside the page are only formatting: there is no page any more.
    kept.is_none() && !value.trim().is_empty() && !value.trim_start().starts_with('#')
}

#[derive(Clone, Copy, PartialEq)]
enum Use {
    Link,
    Image,
}

/// The address if it may stand there, mended where only the scheme is missing.
fn address(value: &str, used: Use) -> Option<Cow<'_, str>> {
    let trimmed = value.trim_matches(|c: char| c <= ' ');
    // Browsers skip tabs and line ends anywhere in an address.
    let value: Cow<'_, str> = if trimmed.contains(['\t', '\n', '\r']) {
        Cow::Owned(trimmed.replace(['\t', '\n', '\r'], ""))
    } else {
        Cow::Borrowed(trimmed)
    };
    let scheme_end = value
        .bytes()
        .position(|byte| !(byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')))
        .unwrap_or(value.len());
    if value.as_bytes().get(scheme_end) != Some(&b':') {
        return if value.starts_with("//") {
            Some(Cow::Owned(format!("https:{value}")))
        } else if value.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("www.")) {
            Some(Cow::Owned(format!("http://{value}")))
        } else {
            // An address relative to a page that no longer exists would point into FreeScout.
            None
        };
    }
    let scheme = value[..scheme_end].to_ascii_lowercase();
    let is_allowed = match used {
        Use::Link => matches!(&*scheme, "http" | "https" | "mailto" | "tel"),
        Use::Image => {
            matches!(&*scheme, "http" | "https" | "cid")
                || scheme == "data" && is_image_data(value.get(scheme_end + 1..).unwrap_or_default())
        }
    };
    is_allowed.then_some(value)
}

/// Whether a `data:` address holds a picture that cannot act (SVG can).
fn is_image_data(rest: &str) -> bool {
    let kind = rest.split([';', ',']).next().unwrap_or_default().trim().to_ascii_lowercase();
    kind.strip_prefix("image/").is_some_and(|kind| {
        matches!(kind, "png" | "jpeg" | "jpg" | "pjpeg" | "gif" | "webp" | "bmp" | "x-icon" | "tiff" | "avif" | "heic")
    })
}

/// Style properties that only change how a text looks where it stands.
const STYLES: &[&str] = &[
    "color",
    "background-color",
    "font-weight",
    "font-style",
    "font-size",
    "font-family",
    "text-decoration",
    "text-align",
    "text-indent",
    "text-transform",
    "line-height",
    "letter-spacing",
    "vertical-align",
    "white-space",
    "width",
    "height",
    "max-width",
    "min-width",
    "margin",
    "margin-left",
    "margin-right",
    "margin-top",
    "margin-bottom",
    "padding",
    "padding-left",
    "padding-right",
    "padding-top",
    "padding-bottom",
    "border",
    "border-left",
    "border-right",
    "border-top",
    "border-bottom",
    "border-color",
    "border-style",
    "border-width",
    "border-collapse",
    "border-spacing",
    "list-style-type",
    "direction",
    "display",
];

/// The harmless declarations of a `style` attribute, in a grammar so small that nothing can hide in it.
fn style(value: &str) -> Option<String> {
    let mut kept = String::new();
    for declaration in value.split(';') {
        let Some((name, value)) = declaration.split_once(':') else { continue };
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
        if STYLES.contains(&&*name) && !value.is_empty() && is_plain_style_value(value) {
            if !kept.is_empty() {
                kept.push(';');
            }
            kept.push_str(&name);
            kept.push(':');
            kept.push_str(value);
        }
    }
    (!kept.is_empty()).then_some(kept)
}

fn is_plain_style_value(value: &str) -> bool {
    let is_colour_function = || {
        let lower = value.to_ascii_lowercase();
        (lower.starts_with("rgb") || lower.starts_with("hsl")) && lower.matches('(').count() == 1
    };
    let bytes = value.as_bytes();
    bytes.len() <= 200
        && bytes.iter().enumerate().all(|(at, byte)| match byte {
            b'(' | b')' => is_colour_function(),
            // A negative length could lift a text out of its place and over another.
            b'-' => !bytes.get(at + 1).is_some_and(|next| next.is_ascii_digit() || *next == b'.'),
            b' ' | b'#' | b'%' | b'.' | b',' | b'\'' | b'"' | b'!' | b'_' => true,
            byte => byte.is_ascii_alphanumeric(),
        })
}

fn no_relative_address(_address: &str) -> Option<Cow<'_, str>> {
    None
}

/// Built once: building it costs more than cleaning a small mail.
static CLEANER: LazyLock<Builder<'static>> = LazyLock::new(|| {
    let mut cleaner = Builder::default();
    cleaner
        .add_tags(&["address", "big", "font", "main", "section", "tfoot"])
        .clean_content_tags(HashSet::from(["script", "style", "title", "template", "iframe", "object", "noembed"]))
        .generic_attributes(HashSet::from(["align", "dir", "lang", "style", "title"]))
        .tag_attributes(HashMap::from([
            ("a", HashSet::from(["href", "name"])),
            ("area", HashSet::from(["href", "alt", "coords", "shape"])),
            ("col", HashSet::from(["span", "width"])),
            ("colgroup", HashSet::from(["span", "width"])),
            ("font", HashSet::from(["color", "face", "size"])),
            ("hr", HashSet::from(["size", "width", "color"])),
            ("img", HashSet::from(["alt", "border", "height", "hspace", "src", "vspace", "width"])),
            ("li", HashSet::from(["value"])),
            ("ol", HashSet::from(["start", "type"])),
            ("table", HashSet::from(["bgcolor", "border", "cellpadding", "cellspacing", "height", "width"])),
            ("tbody", HashSet::from(["valign"])),
            ("td", HashSet::from(["bgcolor", "colspan", "height", "nowrap", "rowspan", "valign", "width"])),
            ("th", HashSet::from(["bgcolor", "colspan", "height", "nowrap", "rowspan", "scope", "valign", "width"])),
            ("time", HashSet::from(["datetime"])),
            ("tr", HashSet::from(["bgcolor", "height", "valign"])),
            ("ul", HashSet::from(["type"])),
        ]))
        .url_schemes(HashSet::from(["http", "https", "mailto", "tel", "cid", "data"]))
        // Asked after the attribute filter, which has mended every address that it lets through.
        .url_relative(UrlRelative::Custom(Box::new(no_relative_address)))
        .attribute_filter(|element, attribute, value| match (element, attribute) {
            (_, "style") => style(value).map(Cow::Owned),
            ("img", "src") => address(value, Use::Image),
            (_, "href") => address(value, Use::Link),
            _ => Some(Cow::Borrowed(value)),
        })
        .link_rel(None)
        .strip_comments(true);
    cleaner
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cleaning_keeps_formatting_and_drops_what_acts() {
        // (name, HTML, clean, has lost something)
        let table = [
            ("text", "a > b", "a &gt; b", false),
            ("entities", "a &amp; b &lt; c", "a &amp; b &lt; c", false),
            ("formatting", "<p><b>x</b> <i>y</i></p>", "<p><b>x</b> <i>y</i></p>", false),
            ("script", "a<script>alert(1)</script>b", "ab", true),
            ("style sheet", "<style>p{color:red}</style>x", "x", false),
            ("comment", "a<!-- secret -->b", "ab", false),
            ("conditional comment", "a<!--[if mso]><p>x</p><![endif]-->b", "ab", false),
            ("event handler", "<p onclick=\"x()\">a</p>", "<p>a</p>", true),
            ("javascript link", "<a href=\"javascript:x()\">a</a>", "<a>a</a>", true),
            ("hidden javascript link", "<a href=\"jav&#x61;\nscript:x()\">a</a>", "<a>a</a>", true),
            (
                "link",
                "<a href=\"https://example.org/?a=1&amp;b=2\">a</a>",
                "<a href=\"https://example.org/?a=1&amp;b=2\">a</a>",
                false,
            ),
            ("link without scheme", "<a href=\"//example.org\">a</a>", "<a href=\"https://example.org\">a</a>", false),
            ("www link", "<a href=\"www.example.org\">a</a>", "<a href=\"http://www.example.org\">a</a>", false),
            ("relative link", "<a href=\"/logout\">a</a>", "<a>a</a>", true),
            ("anchor", "<a href=\"#top\">a</a>", "<a>a</a>", false),
            ("form", "<form action=\"x\"><input name=\"a\">t</form>", "t", true),
            ("frame", "a<iframe src=\"http://x\">b</iframe>c", "ac", true),
            ("refresh", "<meta http-equiv=\"refresh\" content=\"0;url=http://x\">a", "a", true),
            ("base", "<base href=\"x-msg://1/\">a", "a", false),
            ("office tag", "<o:p>a</o:p>", "a", false),
            (
                "colours",
                "<span style=\"color:#f00;position:fixed;background:url(http://x)\">a</span>",
                "<span style=\"color:#f00\">a</span>",
                false,
            ),
            ("no style left", "<span style=\"position:fixed\">a</span>", "<span>a</span>", false),
            (
                "rgb",
                "<span style=\"COLOR: rgb(1, 2, 3)\">a</span>",
                "<span style=\"color:rgb(1, 2, 3)\">a</span>",
                false,
            ),
            ("escape in style", "<span style=\"color:\\75rl(x)\">a</span>", "<span>a</span>", false),
            ("negative margin", "<p style=\"margin:-99px\">a</p>", "<p>a</p>", false),
            (
                "data image",
                "<img src=\"data:image/png;base64,AAAA\">",
                "<img src=\"data:image/png;base64,AAAA\">",
                false,
            ),
            ("data svg", "<img src=\"data:image/svg+xml,x\">", "<img>", true),
            ("data page", "<a href=\"data:text/html,x\">a</a>", "<a>a</a>", true),
            ("title is not text", "<html><head><title>T</title></head><body>x</body></html>", "x", false),
            ("unclosed", "<b>a", "<b>a</b>", false),
            (
                "table",
                "<table border=1><tr><td colspan=2>a</td></tr></table>",
                "<table border=\"1\"><tbody><tr><td colspan=\"2\">a</td></tr></tbody></table>",
                false,
            ),
        ];
        for (name, html, expected, lost) in table {
            let cleaned = clean(html);
            assert_eq!(cleaned.html, expected, "{name}");
            assert_eq!(cleaned.has_lost_something, lost, "{name}");
        }
    }

    #[test]
    fn cleaning_twice_changes_nothing_more() {
        for html in
            ["<p>a<p>b", "<b><p>x</b>y</p>", "a &lt;script&gt; b", "<a href='www.example.org'>x</a>", "x &nbsp; y"]
        {
            let once = clean(html);
            assert_eq!(clean(&once.html).html, once.html);
        }
    }

    #[test]
    fn images_inside_a_mail_are_named_and_can_be_replaced() {
        let cleaned = clean(
            "<img alt='cid:no' src='cid:a%40b'><IMG SRC=\"CID:c&amp;d\"> cid:text src=\"cid:x\" <img src=cid:a@b>",
        );
        assert_eq!(cleaned.content_ids, ["a@b", "c&d"]);
        let with = with_images(&cleaned.html, |id| (id == "a@b").then(|| "data:image/png;base64,AA==".to_owned()));
        assert_eq!(with.matches("src=\"data:image/png;base64,AA==\"").count(), 2);
        assert!(with.contains("c&amp;d") && with.contains("cid:text src=\"cid:x\""), "{with}");
    }

    #[test]
    fn images_on_the_web_are_named_decoded_and_can_be_replaced() {
        let html =
            "<p src=http://x/1><IMG alt='a>b' SRC=' https://x/2?a=1&amp;b=2 '><img src=http://x/3><img src='cid:http'>";
        let mut seen = Vec::new();
        let with = with_linked_images(html, |url| {
            seen.push(url.to_owned());
            url.ends_with('2').then(|| "cid:here".to_owned())
        });
        assert_eq!(seen, ["https://x/2?a=1&b=2", "http://x/3"]);
        let expected = "<p src=http://x/1><IMG alt='a>b' SRC='cid:here'><img src=http://x/3><img src='cid:http'>";
        assert_eq!(with, expected);
    }

    #[test]
    fn hostile_html_becomes_text_without_delay() {
        let mut attributes = String::from("<p ");
        for n in 0..50_000 {
            attributes.push_str(&format!("a{n} "));
        }
        attributes.push_str(">attributes</p>");
        let mut formatting = String::new();
        for n in 0..1_000 {
            formatting.push_str(&format!("<b title={n}>"));
        }
        formatting.push_str(&"<p>x".repeat(50_000));
        let cases = [
            ("deep", format!("{}deep", "<div>".repeat(100_000)), "deep"),
            (
                "blocked ends",
                format!("{}blocked", format!("{}<div>{}", "<span>".repeat(200), "</span>".repeat(200)).repeat(200)),
                "blocked",
            ),
            ("formatting", formatting, "x"),
            ("attributes", attributes, "attributes"),
        ];
        for (name, html, text) in cases {
            let cleaned = clean(&html);
            assert!(cleaned.has_lost_something, "{name}");
            assert!(cleaned.html.contains(text), "{name}");
            assert!(!cleaned.html.contains("<div>"), "{name}");
        }
    }

    #[test]
    fn sloppy_but_real_html_is_not_taken_for_hostile() {
        for html in [
            "<p>a".repeat(10_000),
            "<table>".to_owned() + &"<tr><td>a<td>b".repeat(10_000) + "</table>",
            "<ul>".to_owned() + &"<li><p>a".repeat(10_000) + "</ul>",
            "<div><font size=2>a<br></font></div>".repeat(10_000),
            "<b>a</b> <i>b</i>".repeat(10_000),
        ] {
            assert!(!clean(&html).has_lost_something, "{}", &html[..40]);
        }
    }
}
