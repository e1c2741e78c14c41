//! What a thread says: clean HTML, with lines for what could not be carried as a file.

use std::borrow::Cow;
use std::io::Read;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::convert::{Notes, quoted};
use super::rules::{InlineImages, Rules, Threads};
use super::threads::Planned;
use crate::content::Content;
use crate::conversation::{self, Thread};
use crate::finding::codes;
use crate::html;
use crate::record::{self, Body, Entry};

/// A larger image is attached: FreeScout shows the whole text of every thread on one page.
const EMBEDDED_BYTES: u64 = 256 * 1024;

/// How many bytes of images one text may hold.
const EMBEDDED_BYTES_PER_TEXT: u64 = 1024 * 1024;

/// How many characters of an address are shown beside its link.
const SHOWN_ADDRESS: usize = 150;

/// Shown in place of a text.
const NO_TEXT: &str = "<p><em>(no text)</em></p>";

/// Shown in place of a record's messages.
const NO_MESSAGES: &str = "<p><em>(no messages in the archive)</em></p>";

/// The thread of an entry, or the placeholder of a record without any.
pub(super) fn thread(
    rules: &Rules,
    mut planned: Planned,
    entry: Option<Entry>,
    position: usize,
    notes: &mut Notes,
) -> Thread {
    let (id, body, attachments) = match entry {
        Some(entry) => {
            let mut files = Files { position, taken: vec![false; entry.attachments.len()], all: entry.attachments };
            let body = text(&rules.threads, entry.body, &mut files, notes);
            let (lines, attachments) = files.attach(notes);
            let body = match body {
                Some(body) if lines.is_empty() => body,
                Some(body) => body + &lines,
                None if lines.is_empty() => {
                    if attachments.is_empty() {
                        let message = "a message without text shows a line that says so";
                        notes.note_in(codes::MAP_EMPTY_BODY, format!("threads[{position}]"), message);
                    }
                    NO_TEXT.to_owned()
                }
                None => lines,
            };
            (entry.id, body, attachments)
        }
        None => match planned.note.take() {
            // Rules may have put texts of strangers into it.
            Some((name, html)) => (name.to_string(), html::clean(&html).html, Vec::new()),
            None => ("no-messages".to_owned(), NO_MESSAGES.to_owned(), Vec::new()),
        },
    };
    let credit = planned.credit.as_deref().map(conversation::credit_line);
    // Rules may have put values of strangers into links.
    let header = planned.header.map(|header| html::clean(&header).html);
    let footer = planned.footer.map(|footer| html::clean(&footer).html);
    let body = if header.is_none() && credit.is_none() && footer.is_none() {
        body
    } else {
        [header, credit, Some(body), footer].into_iter().flatten().collect()
    };
    Thread {
        entry: id,
        kind: planned.kind,
        author: planned.author,
        shown_name: planned.shown_name,
        body,
        cc: planned.cc,
        bcc: planned.bcc,
        created_at: planned.at,
        attachments,
    }
}

/// The text as clean HTML; `None` when there is nothing to see.
fn text(rules: &Threads, body: Body, files: &mut Files, notes: &mut Notes) -> Option<String> {
    let images = rules.inline_images;
    match shortened(rules, body, files.position, notes) {
        Body::Empty => None,
        Body::Text(text) if text.trim().is_empty() => None,
        Body::Text(text) => Some(html::from_text(&text)),
        Body::Html(text) => {
            let cleaned = html::clean(&text);
            if cleaned.has_lost_something {
                let message = "active or unknown HTML was removed from the text";
                notes.note_in(codes::HTML_CLEANED, format!("threads[{}]", files.position), message);
            }
            let html = match cleaned.content_ids.is_empty() {
                true => cleaned.html,
                false => with_images(&cleaned.html, images, files, notes),
            };
            is_visible(&html).then_some(html)
        }
    }
}

/// The text without what the rules leave out, and as plain text if they want that.
fn shortened(rules: &Threads, body: Body, position: usize, notes: &mut Notes) -> Body {
    let cut = html::Cut { quoted: !rules.keeps_quoted, signature: !rules.keeps_signature };
    let mut body = body;
    if cut.quoted || cut.signature {
        let shorter = match &body {
            Body::Html(text) => html::cut_html(text, cut).map(Body::Html),
            Body::Text(text) => html::cut_text(text, cut).map(Body::Text),
            Body::Empty => None,
        };
        if let Some(shorter) = shorter {
            let message = match cut {
                html::Cut { quoted: true, signature: true } => "quoted text or a signature was left out by `threads`",
                html::Cut { quoted: true, .. } => "quoted text was left out by `threads.quoted`",
                _ => "a signature was left out by `threads.signature`",
            };
            notes.note_in(codes::MAP_DROPPED_PART, format!("threads[{position}]"), message);
            body = shorter;
        }
    }
    match body {
        Body::Html(text) if rules.is_plain => Body::Text(html::to_text(&text)),
        other => other,
    }
}

/// Whether HTML shows anything: text other than white space, an image, or a rule.
fn is_visible(html: &str) -> bool {
    let mut rest = html;
    while let Some(open) = rest.find('<') {
        if shows_text(&rest[..open]) {
            return true;
        }
        let tag = &rest[open..];
        if ["<img", "<hr", "<video", "<audio"].iter().any(|shown| tag.starts_with(shown)) {
            return true;
        }
        rest = &tag[tag_length(tag)..];
    }
    shows_text(rest)
}

fn shows_text(text: &str) -> bool {
    let is_blank = |text: &str| text.chars().all(|c| c.is_whitespace() || c == '\u{200B}' || c == '\u{FEFF}');
    !is_blank(text) && (!text.contains("&nbsp;") || !is_blank(&text.replace("&nbsp;", "")))
}

/// How long a tag is, quotes respected; the whole rest if it never ends.
fn tag_length(tag: &str) -> usize {
    let mut quote = None;
    for (at, byte) in tag.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return at + 1,
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), byte) if open == byte => quote = None,
            _ => {}
        }
    }
    tag.len()
}

/// Replaces images that refer to attachments: by their bytes, or by a line that names them.
fn with_images(html: &str, images: InlineImages, files: &mut Files, notes: &mut Notes) -> String {
    let mut output = String::with_capacity(html.len());
    let mut embedded = 0;
    let mut rest = html;
    while let Some(open) = rest.find("<img") {
        let (before, tag) = rest.split_at(open);
        output.push_str(before);
        let length = tag_length(tag);
        let (tag, after) = tag.split_at(length);
        rest = after;
        let Some((start, end)) = cid(tag) else {
            output.push_str(tag);
            continue;
        };
        let id = unescape(&tag[start + 4..end]);
        match files.image(&id) {
            Some(index) => match files.embed(index, images, &mut embedded) {
                Some(data) => {
                    output.push_str(&tag[..start]);
                    output.push_str(&data);
                    output.push_str(&tag[end..]);
                }
                None => {
                    if images == InlineImages::Drop && mime(&files.all[index]).starts_with("image/") {
                        files.taken[index] = true;
                        let message = format!("the image {} was left out by `html`", quoted(&files.all[index].name));
                        notes.note_in(codes::MAP_DROPPED_PART, format!("threads[{}]", files.position), message);
                    }
                    let name = html::escape(&files.all[index].name);
                    output.push_str(&format!("<em>[image: {name}]</em>"));
                }
            },
            None => {
                output.push_str("<em>[an image that is not in the archive]</em>");
                let message = format!("the image {} is not in the archive", quoted(&id));
                notes.note_in(codes::ATTACHMENT_MISSING, format!("threads[{}]", files.position), message);
            }
        }
    }
    output.push_str(rest);
    output
}

/// Where `cid:…` stands in a tag's `src`.
fn cid(tag: &str) -> Option<(usize, usize)> {
    let start = tag.find("src=\"cid:")? + 5;
    let end = start + tag[start..].find('"')?;
    Some((start, end))
}

/// An attribute's value as it was meant: entities and percent signs resolved.
fn unescape(value: &str) -> String {
    let value = value.replace("&amp;", "&");
    if !value.contains('%') {
        return value;
    }
    let bytes = value.as_bytes();
    let mut output = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = (bytes[at] == b'%').then(|| value.get(at + 1..at + 3)).flatten();
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                output.push(byte);
                at += 3;
            }
            None => {
                output.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&output).into_owned()
}

/// The files of one entry on their way into a thread.
struct Files {
    position: usize,
    all: Vec<record::Attachment>,
    /// Which of them are part of the text already.
    taken: Vec<bool>,
}

impl Files {
    fn image(&self, id: &str) -> Option<usize> {
        let is_it = |file: &record::Attachment| file.content_id.as_deref().is_some_and(|known| known == id);
        self.all.iter().position(is_it)
    }

    /// The image as a `data:` address, which FreeScout stores and shows as it is (issue 1018).
    fn embed(&mut self, index: usize, images: InlineImages, embedded: &mut u64) -> Option<String> {
        let file = &self.all[index];
        let length = file.content.length()?;
        let mime = mime(file);
        let is_image = matches!(&*mime, "image/png" | "image/jpeg" | "image/gif" | "image/webp" | "image/bmp");
        let fits = length > 0 && length <= EMBEDDED_BYTES && *embedded + length <= EMBEDDED_BYTES_PER_TEXT;
        if images != InlineImages::Embed || !is_image || !fits {
            return None;
        }
        let mut bytes = Vec::new();
        // One that cannot be read now is attached, and its trouble is met and reported there.
        file.content.open().ok()?.take(EMBEDDED_BYTES + 1).read_to_end(&mut bytes).ok()?;
        if bytes.len() as u64 != length {
            return None;
        }
        *embedded += length;
        self.taken[index] = true;
        Some(format!("data:{mime};base64,{}", STANDARD.encode(&bytes)))
    }

    /// Lines for files without bytes, and the files that have some.
    fn attach(self, notes: &mut Notes) -> (String, Vec<conversation::Attachment>) {
        let mut lines = String::new();
        let mut attachments = Vec::new();
        let Self { position, all, taken } = self;
        for (index, file) in all.into_iter().enumerate().filter(|(index, _)| !taken[*index]) {
            let place = || format!("threads[{position}].attachments[{index}]");
            match &file.content {
                Content::Link { url, claimed_length } => {
                    let name = file_name(&file, index);
                    lines.push_str(&missing_line(&name, Some(url), *claimed_length));
                    let message = format!("{} is not in the archive, only a link to it", quoted(&name));
                    notes.note_in(codes::ATTACHMENT_MISSING, place(), message);
                }
                Content::Missing { reason, claimed_length } => {
                    let name = file_name(&file, index);
                    lines.push_str(&missing_line(&name, None, *claimed_length));
                    let message = format!("{} is not in the archive: {reason}", quoted(&name));
                    notes.note_in(codes::ATTACHMENT_MISSING, place(), message);
                }
                content if content.length() == Some(0) => {
                    let name = file_name(&file, index);
                    lines.push_str(&format!("<p><em>Empty file: {}</em></p>", html::escape(&name)));
                    let message = format!("{} is empty and cannot be stored; a line names it", quoted(&name));
                    notes.note_in(codes::ATTACHMENT_EMPTY, place(), message);
                }
                _ => {
                    let mime = mime(&file).into_owned();
                    let name = file_name(&file, index).into_owned();
                    attachments.push(conversation::Attachment { name, mime, content: file.content });
                }
            }
        }
        (lines, attachments)
    }
}

fn missing_line(name: &str, url: Option<&str>, length: Option<u64>) -> String {
    let name = html::escape(name);
    let (name, address) = match url {
        Some(url) if url.starts_with("https://") || url.starts_with("http://") => {
            // Named too: whoever reads it in print or as plain text sees no link.
            let shown: String = crate::fetch::shown(url).chars().take(SHOWN_ADDRESS).collect();
            (format!("<a href=\"{}\">{name}</a>", html::escape(url)), format!(", at {}", html::escape(&shown)))
        }
        _ => (name, String::new()),
    };
    let size = length.map(|length| format!(" ({})", size(length))).unwrap_or_default();
    format!("<p><em>File that was not in the archive: {name}{size}{address}</em></p>")
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{} kB", bytes.div_ceil(1_000)),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000),
    }
}

/// File endings and media types, for archives that name only one of them.
const TYPES: &[(&str, &str)] = &[
    ("bmp", "image/bmp"),
    ("csv", "text/csv"),
    ("doc", "application/msword"),
    ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("eml", "message/rfc822"),
    ("gif", "image/gif"),
    ("gz", "application/gzip"),
    ("html", "text/html"),
    ("ics", "text/calendar"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("json", "application/json"),
    ("log", "text/plain"),
    ("mp3", "audio/mpeg"),
    ("mp4", "video/mp4"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("svg", "image/svg+xml"),
    ("txt", "text/plain"),
    ("webp", "image/webp"),
    ("xls", "application/vnd.ms-excel"),
    ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("xml", "application/xml"),
    ("zip", "application/zip"),
];

/// The media type: the archive's word, else by the name's ending.
fn mime(file: &record::Attachment) -> Cow<'_, str> {
    let claimed = file.mime.as_deref().map(|mime| mime.split(';').next().unwrap_or_default().trim());
    if let Some(mime) = claimed.filter(|mime| mime.contains('/') && !mime.contains(char::is_whitespace)) {
        let is_lower = !mime.bytes().any(|byte| byte.is_ascii_uppercase());
        return if is_lower { Cow::Borrowed(mime) } else { Cow::Owned(mime.to_lowercase()) };
    }
    let ending = file.name.rsplit_once('.').map(|(_, ending)| ending.to_lowercase()).unwrap_or_default();
    let known = TYPES.iter().find(|(known, _)| *known == ending);
    Cow::Borrowed(known.map_or("application/octet-stream", |(_, mime)| mime))
}

/// The name to show; a file without one is called by its number and type.
fn file_name(file: &record::Attachment, index: usize) -> Cow<'_, str> {
    let name = file.name.trim();
    if !name.is_empty() {
        return Cow::Borrowed(name);
    }
    let mime = mime(file);
    let ending = TYPES.iter().find(|(_, known)| *known == mime).map(|(ending, _)| format!(".{ending}"));
    Cow::Owned(format!("attachment-{}{}", index + 1, ending.unwrap_or_default()))
}
