//! Chooses what of a message is its text; everything else is a file.

use crate::finding::codes;
use crate::mail::mime::Part;
use crate::mail::{File, Problem, header};
use crate::record::Body;

/// The text and the files of a message.
pub struct Chosen {
    /// The text: HTML if there is any.
    pub body: Body,
    /// The files in document order.
    pub files: Vec<File>,
}

/// Walks a message as a mail program shows it.
pub fn choose(root: &Part<'_>, problems: &mut Vec<Problem>) -> Chosen {
    let mut walk = Walk { pieces: Vec::new(), files: Vec::new(), problems };
    walk.part(root, Inside::Start);
    let Walk { pieces, files, .. } = walk;
    Chosen { body: join(pieces), files }
}

/// What a part stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inside {
    /// The first text of all, or a form of it: shown even with a name, which some mailers give it.
    Start,
    Mixed,
    /// In `multipart/related`: not the first part, so something the first one shows.
    Related,
}

/// A shown piece of text.
enum Piece {
    Html(String),
    Text(String),
}

impl Piece {
    fn text(&self) -> &str {
        let (Self::Html(text) | Self::Text(text)) = self;
        text
    }
}

struct Walk<'p> {
    pieces: Vec<Piece>,
    files: Vec<File>,
    problems: &'p mut Vec<Problem>,
}

impl Walk<'_> {
    fn part(&mut self, part: &Part<'_>, inside: Inside) {
        match part.mime.as_str() {
            _ if part.children.is_empty() => self.leaf(part, inside),
            "multipart/alternative" => self.alternative(part),
            "multipart/related" => {
                for (n, child) in part.children.iter().enumerate() {
                    self.part(child, if n == 0 { inside } else { Inside::Related });
                }
            }
            _ => {
                for (n, child) in part.children.iter().enumerate() {
                    self.part(child, if n > 0 && inside == Inside::Start { Inside::Mixed } else { inside });
                }
            }
        }
    }

    /// The same text in several forms: HTML if any form has it, else the first that says something.
    fn alternative(&mut self, part: &Part<'_>) {
        let mut best: Option<(u8, Vec<Piece>)> = None;
        for child in &part.children {
            let before = std::mem::take(&mut self.pieces);
            self.part(child, Inside::Start);
            let pieces = std::mem::replace(&mut self.pieces, before);
            let is_blank = |piece: &Piece| piece.text().trim().is_empty();
            let rank = match () {
                () if pieces.iter().all(is_blank) => 0,
                () if pieces.iter().any(|piece| matches!(piece, Piece::Html(_))) => 2,
                () => 1,
            };
            if best.as_ref().is_none_or(|(found, _)| rank > *found) {
                best = Some((rank, pieces));
            }
        }
        self.pieces.extend(best.into_iter().flat_map(|(_, pieces)| pieces));
    }

    fn leaf(&mut self, part: &Part<'_>, inside: Inside) {
        let is_shown = part.is_text() && (inside == Inside::Start || part.file_name().is_none());
        if is_shown && inside != Inside::Related {
            let decoded = part.text();
            if let Some(problem) = decoded.problem {
                self.problems.push(Problem { code: codes::READ_CHARSET, message: problem });
            }
            if !decoded.text.trim().is_empty() {
                let is_html = part.mime == "text/html";
                self.pieces.push(if is_html { Piece::Html(decoded.text) } else { Piece::Text(decoded.text) });
            }
            return;
        }
        let length = part.decoded_length();
        let content_id = part.content_id();
        let name = part.file_name();
        // An empty part with neither name nor id is an accident of the mailer.
        if length == 0 && name.is_none() && content_id.is_none() {
            return;
        }
        let is_inline = part.disposition.value == "inline" && content_id.is_some()
            || inside == Inside::Related && part.disposition.value != "attachment";
        self.files.push(File {
            name: name.unwrap_or_else(|| made_up_name(part, self.files.len() + 1)),
            mime: part.mime.clone(),
            is_inline: is_inline && content_id.is_some(),
            content_id,
            part: part.leaf,
            length,
        });
    }
}

/// A name for a file that came without one.
fn made_up_name(part: &Part<'_>, number: usize) -> String {
    if part.mime == "message/rfc822" {
        let message = part.decoded();
        let mut fields = header::Fields::of_message(&message);
        let subject =
            fields.find(|field| field.name.eq_ignore_ascii_case(b"Subject")).map(|field| header::decode(field.value));
        let subject = subject.unwrap_or_default();
        let safe: String = subject
            .chars()
            .map(|c| if c.is_control() || r#"/\:*?"<>|"#.contains(c) { ' ' } else { c })
            .take(80)
            .collect();
        let safe = safe.split_whitespace().collect::<Vec<_>>().join(" ");
        return if safe.is_empty() { format!("message-{number}.eml") } else { format!("{safe}.eml") };
    }
    let kind = part.mime.split('/').next().unwrap_or("file");
    let ending = match part.mime.as_str() {
        "image/jpeg" | "image/jpg" | "image/pjpeg" => "jpg",
        "image/png" => "png",
        "image/gif" => "gif",
        "image/svg+xml" => "svg",
        "image/webp" => "webp",
        "image/bmp" => "bmp",
        "image/tiff" => "tif",
        "text/html" => "html",
        "text/calendar" => "ics",
        "text/csv" => "csv",
        "text/x-vcard" | "text/vcard" | "text/directory" => "vcf",
        "text/rtf" | "application/rtf" => "rtf",
        "application/pdf" => "pdf",
        "application/zip" => "zip",
        "application/json" => "json",
        "application/pgp-signature" => "asc",
        "application/pgp-encrypted" => "asc",
        "application/pkcs7-signature" | "application/x-pkcs7-signature" => "p7s",
        "application/pkcs7-mime" | "application/x-pkcs7-mime" => "p7m",
        "application/ms-tnef" | "application/vnd.ms-tnef" => return "winmail.dat".to_owned(),
        "message/delivery-status" => return "delivery-status.txt".to_owned(),
        "message/disposition-notification" => return "disposition-notification.txt".to_owned(),
        "text/rfc822-headers" => return "headers.txt".to_owned(),
        mime if mime.starts_with("text/") || mime.starts_with("message/") => "txt",
        _ => "bin",
    };
    let kind = if kind == "application" { "file" } else { kind };
    format!("{kind}-{number}.{ending}")
}

fn join(mut pieces: Vec<Piece>) -> Body {
    if pieces.len() == 1 {
        return match pieces.pop() {
            Some(Piece::Html(html)) => Body::Html(html),
            Some(Piece::Text(text)) => Body::Text(text),
            None => Body::Empty,
        };
    }
    if pieces.is_empty() {
        return Body::Empty;
    }
    if pieces.iter().all(|piece| matches!(piece, Piece::Text(_))) {
        let texts: Vec<_> = pieces.iter().map(|piece| piece.text().trim_end_matches('\n')).collect();
        return Body::Text(texts.join("\n\n"));
    }
    let mut html = String::new();
    for piece in pieces {
        match piece {
            Piece::Html(text) => html.push_str(&text),
            Piece::Text(text) => {
                // The footer of a mailing list, or the text between two pictures.
                html.push_str("<div>");
                for (n, line) in text.trim_end().lines().enumerate() {
                    if n > 0 {
                        html.push_str("<br>\n");
                    }
                    push_escaped(&mut html, line);
                }
                html.push_str("</div>\n");
            }
        }
    }
    Body::Html(html)
}

fn push_escaped(html: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            c => html.push(c),
        }
    }
}
