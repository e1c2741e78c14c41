//! Chooses what of a message is its text; everything else is a file.

use crate::finding::codes;
use crate::html;
use crate::mail::inner::{self, InnerFile};
use crate::mail::mime::{self, Part};
use crate::mail::{File, INNER, Problem, body, names, uuencode};
use crate::record::Body;

/// What is odd about a mail is said so many times; hostile ones would fill a report.
const MOST_PROBLEMS: usize = 20;

/// The text and the files of a message.
pub struct Chosen {
    /// The text: HTML if there is any.
    pub body: Body,
    /// The files in document order.
    pub files: Vec<File>,
}

/// Walks a message as a mail program shows it; `depth` counts signed mails inside of signed mails.
pub fn choose(root: &Part<'_>, problems: &mut Vec<Problem>, depth: usize) -> Chosen {
    let mut walk =
        Walk { pieces: Vec::new(), files: Vec::new(), boxed_text: None, located: Vec::new(), problems, depth };
    walk.part(root, Inside::Start);
    let Walk { pieces, files, boxed_text, located, .. } = walk;
    let body = match (join(pieces), boxed_text) {
        (body, Some(boxed)) if body.is_blank() => boxed,
        (body, _) => body,
    };
    let body = match body {
        Body::Html(html) if !located.is_empty() => Body::Html(html::with_named_images(&html, |address| {
            let is_meant = |location: &str| location == address || location.rsplit('/').next() == Some(address);
            let (_, id) = located.iter().find(|(location, _)| is_meant(location))?;
            Some(format!("cid:{id}"))
        })),
        body => body,
    };
    Chosen { body, files }
}

/// What a part stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inside {
    /// The first text of all, or a form of it: shown even with a name, which some mailers give it.
    Start,
    Mixed,
    /// In `multipart/related`: not the part that is shown, so something that it shows.
    Related,
}

/// How a piece of text was written, the poorest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Form {
    /// For watches, and pages that need a program of the mail reader's (AMP): only where there is nothing else.
    Spare,
    Plain,
    Html,
}

/// A shown piece of text.
struct Piece {
    form: Form,
    text: String,
}

impl Piece {
    fn is_blank(&self) -> bool {
        self.text.trim().is_empty() || self.form != Form::Plain && shows_nothing(&self.text)
    }
}

/// Whether HTML holds neither text nor a picture. A long one is never looked through.
fn shows_nothing(html: &str) -> bool {
    const LONG: usize = 4096;
    let lower = html.to_ascii_lowercase();
    if html.len() > LONG || ["<img", "<style", "<svg", "<table", "background"].iter().any(|shown| lower.contains(shown))
    {
        return false;
    }
    let mut is_tag = false;
    let text = lower.replace("&nbsp;", " ");
    !text.chars().any(|c| {
        match c {
            '<' => is_tag = true,
            '>' => is_tag = false,
            _ => return !is_tag && !c.is_whitespace(),
        }
        false
    })
}

struct Walk<'p> {
    pieces: Vec<Piece>,
    files: Vec<File>,
    /// A text inside `winmail.dat`, for mails that have no other.
    boxed_text: Option<Body>,
    /// Pictures that a page names by where they were (`Content-Location`), and the ids they were given for it.
    located: Vec<(String, String)>,
    problems: &'p mut Vec<Problem>,
    depth: usize,
}

/// What came of opening a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Opening {
    /// Nothing of it is left over.
    Whole,
    /// It is kept beside what was found in it.
    Partly,
    /// It is kept as it is.
    Failed,
}

impl Walk<'_> {
    fn part(&mut self, part: &Part<'_>, inside: Inside) {
        match part.mime.as_str() {
            "multipart/report" => self.problem(
                codes::READ_DELIVERY_REPORT,
                "it reports on another mail; its status, and that mail or its header, are attachments".to_owned(),
            ),
            "multipart/encrypted" => self.problem(
                codes::READ_UNOPENED,
                "its text is encrypted and stands in an attachment, which needs the key".to_owned(),
            ),
            _ => {}
        }
        match part.mime.as_str() {
            _ if part.children.is_empty() => self.leaf(part, inside),
            "multipart/alternative" => self.alternative(part, inside),
            "multipart/related" => {
                let shown = shown_in_related(part);
                for (n, child) in part.children.iter().enumerate() {
                    self.part(child, if n == shown { inside } else { Inside::Related });
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
    fn alternative(&mut self, part: &Part<'_>, inside: Inside) {
        let mut best: Option<(Option<Form>, Vec<Piece>)> = None;
        for child in &part.children {
            let before = std::mem::take(&mut self.pieces);
            self.part(child, if inside == Inside::Related { inside } else { Inside::Start });
            let pieces = std::mem::replace(&mut self.pieces, before);
            let rank = pieces.iter().filter(|piece| !piece.is_blank()).map(|piece| piece.form).max();
            if best.as_ref().is_none_or(|(found, _)| rank > *found) {
                best = Some((rank, pieces));
            }
        }
        self.pieces.extend(best.into_iter().flat_map(|(_, pieces)| pieces));
    }

    fn leaf(&mut self, part: &Part<'_>, inside: Inside) {
        let is_shown = part.is_text() && (inside == Inside::Start || part.file_name().is_none());
        if is_shown && inside != Inside::Related {
            return self.text(part);
        }
        let opening = if inner::is_box(part) { self.opened(part) } else { Opening::Failed };
        if opening == Opening::Whole {
            return;
        }
        if let Some(why) = unopened(part).filter(|_| opening == Opening::Failed) {
            self.problem(codes::READ_UNOPENED, why);
        }
        let length = part.decoded_length();
        let content_id = part.content_id().or_else(|| self.location(part, inside));
        let name = part.file_name();
        // An empty part with neither name nor id is an accident of the mailer.
        if length == 0 && name.is_none() && content_id.is_none() {
            return;
        }
        let is_inline = part.disposition.value == "inline" && content_id.is_some()
            || inside == Inside::Related && part.disposition.value != "attachment";
        let name = match name {
            Some(name) if part.mime == "message/rfc822" && !name.contains('.') => format!("{name}.eml"),
            Some(name) => name,
            None => names::made_up(part, self.files.len() + 1),
        };
        self.files.push(File {
            name,
            mime: part.mime.clone(),
            is_inline: is_inline && content_id.is_some(),
            content_id,
            part: part.leaf,
            length,
        });
    }

    /// An id for a part that has none, but is named by where it was.
    fn location(&mut self, part: &Part<'_>, inside: Inside) -> Option<String> {
        // More pictures than any page has; each is looked for at each picture of the page.
        const MOST: usize = 200;
        let location = part.headers.text("Content-Location").filter(|_| inside == Inside::Related)?;
        let location = location.split_whitespace().collect::<String>();
        if location.is_empty() || self.located.len() >= MOST {
            return None;
        }
        let id = format!("location-{}", part.leaf);
        self.located.push((location, id.clone()));
        Some(id)
    }

    /// Takes a part in as text; files that stand in it as text become files.
    fn text(&mut self, part: &Part<'_>) {
        let bytes = part.decoded();
        let cut = if part.mime == "text/html" { None } else { uuencode::cut(&bytes) };
        let decoded = part.text_of(cut.as_ref().map_or(&bytes, |cut| &cut.text));
        if let Some(problem) = decoded.problem {
            self.problem(codes::READ_CHARSET, problem);
        }
        for (index, file) in cut.into_iter().flat_map(|cut| cut.files).enumerate() {
            self.inner_file(part, index, file);
        }
        let text = decoded.text;
        if text.trim().is_empty() {
            return;
        }
        self.pieces.push(match part.mime.as_str() {
            "text/html" => Piece { form: Form::Html, text },
            "text/x-amp-html" | "text/watch-html" => Piece { form: Form::Spare, text },
            "text/enriched" | "text/richtext" => Piece { form: Form::Plain, text: body::without_enriched(&text) },
            _ => Piece { form: Form::Plain, text },
        });
    }

    /// Takes in what lies inside a part that only holds other things.
    fn opened(&mut self, part: &Part<'_>) -> Opening {
        let bytes = part.decoded();
        let is_winmail = inner::is_tnef(part);
        let Some(opened) = inner::open(part, &bytes, self.depth) else {
            if is_winmail {
                let why = "`winmail.dat` is not what it claims to be; it is kept as it is".to_owned();
                self.problem(codes::READ_UNOPENED, why);
            }
            return Opening::Failed;
        };
        for (index, file) in opened.files.into_iter().enumerate() {
            self.inner_file(part, index, file);
        }
        if self.boxed_text.is_none() {
            self.boxed_text = opened.text;
        }
        if let Some(rest) = opened.rest.filter(|_| is_winmail) {
            self.problem(codes::READ_UNOPENED, format!("`winmail.dat` is kept beside what was found in it: {rest}"));
        }
        if opened.rest.is_some() { Opening::Partly } else { Opening::Whole }
    }

    fn inner_file(&mut self, part: &Part<'_>, index: usize, file: InnerFile<'_>) {
        let name = file.name.as_deref().map(mime::base_name).filter(|name| !name.is_empty()).map(str::to_owned);
        self.files.push(File {
            name: name.unwrap_or_else(|| names::by_type(&file.mime, self.files.len() + 1)),
            mime: file.mime,
            is_inline: file.content_id.is_some(),
            content_id: file.content_id,
            part: part.leaf + (index + 1) * INNER,
            length: file.bytes.len() as u64,
        });
    }

    fn problem(&mut self, code: &'static str, message: String) {
        let problem = Problem { code, message };
        if !self.problems.contains(&problem) && self.problems.len() < MOST_PROBLEMS {
            self.problems.push(problem);
        }
    }
}

/// Which part of a `multipart/related` is shown: the one it names, else the first, else the first text.
fn shown_in_related(part: &Part<'_>) -> usize {
    let start = part.kind.text("start");
    let start = start.as_deref().map(|id| id.trim_matches(['<', '>', ' ']));
    let named = start.and_then(|id| part.children.iter().position(|child| child.content_id().as_deref() == Some(id)));
    let is_text = |child: &Part<'_>| !child.children.is_empty() || child.is_text();
    named.unwrap_or_else(|| part.children.iter().position(is_text).unwrap_or_default())
}

/// Why a part cannot be shown although it holds text, if so.
fn unopened(part: &Part<'_>) -> Option<String> {
    Some(match part.mime.as_str() {
        "application/pkcs7-mime" | "application/x-pkcs7-mime" => {
            // What is signed was read; this one was too deep, or has no mail in it.
            let is_signed = part.kind.text("smime-type").is_some_and(|kind| kind.eq_ignore_ascii_case("signed-data"));
            let how = if is_signed { "signed as a whole" } else { "encrypted" };
            format!("its text is {how} (S/MIME) and stands in an attachment")
        }
        "message/partial" => {
            let said = |name: &str| part.kind.text(name).unwrap_or_else(|| "?".to_owned());
            let (number, total) = (said("number"), said("total"));
            format!("it is piece {number:.9} of {total:.9} of a mail that was cut up; the piece is an attachment")
        }
        _ => return None,
    })
}

fn join(mut pieces: Vec<Piece>) -> Body {
    if pieces.len() == 1 {
        return match pieces.pop() {
            Some(Piece { form: Form::Plain, text }) => Body::Text(text),
            Some(Piece { text, .. }) => Body::Html(text),
            None => Body::Empty,
        };
    }
    if pieces.is_empty() {
        return Body::Empty;
    }
    if pieces.iter().all(|piece| piece.form == Form::Plain) {
        let texts: Vec<_> = pieces.iter().map(|piece| piece.text.trim_end_matches('\n')).collect();
        return Body::Text(texts.join("\n\n"));
    }
    let mut html = String::new();
    for piece in pieces {
        match piece.form {
            Form::Html | Form::Spare => html.push_str(&piece.text),
            Form::Plain => {
                // The footer of a mailing list, or the text between two pictures.
                html.push_str("<div>");
                for (n, line) in piece.text.trim_end().lines().enumerate() {
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

#[cfg(test)]
mod tests {
    use crate::mail::{INNER, Mail, leaf, smime, tnef};

    use super::*;

    fn parts(kind: &str, parts: &[&str]) -> String {
        let parts: String = parts.iter().map(|part| format!("--b\n{part}\n")).collect();
        format!("Content-Type: multipart/{kind}; boundary=b\n\n{parts}--b--\n")
    }

    const PLAIN: &str = "Content-Type: text/plain\n\nplain";
    const HTML: &str = "Content-Type: text/html\n\n<p>html</p>";

    #[test]
    fn every_kind_of_content_has_its_place() {
        let text = |text: &str| Body::Text(text.to_owned());
        let html = |html: &str| Body::Html(html.to_owned());
        let amp = "Content-Type: text/x-amp-html\n\n<html amp4email>x</html>";
        let enriched = "Content-Type: text/enriched\n\n<bold>rich</bold>";
        let cat = "begin 644 cat.txt\n#0V%T\n`\nend\n";
        type Case = (&'static str, String, Body, &'static [&'static str], &'static [&'static str]);
        let cases: Vec<Case> = vec![
            ("a page for programs of its own", parts("alternative", &[PLAIN, amp]), text("plain"), &[], &[]),
            ("only such a page", parts("alternative", &[amp]), html("<html amp4email>x</html>"), &[], &[]),
            ("enriched text", parts("alternative", &[enriched]), text("rich"), &[], &[]),
            ("enriched text and HTML", parts("alternative", &[enriched, HTML]), html("<p>html</p>"), &[], &[]),
            (
                "HTML that shows nothing",
                parts("alternative", &[PLAIN, "Content-Type: text/html\n\n<html><body>&nbsp;<br></body></html>"]),
                text("plain"),
                &[],
                &[],
            ),
            (
                "an invitation in three forms",
                parts("alternative", &[PLAIN, HTML, "Content-Type: text/calendar; method=REQUEST\n\nBEGIN:VCALENDAR"]),
                html("<p>html</p>"),
                &["text-1.ics"],
                &[],
            ),
            ("a name on the text itself", format!("Content-Type: text/plain; name=\"a.txt\"\n\nhello{}", ""), text("hello"), &[], &[]),
            (
                "text sent as a file",
                "Content-Type: text/plain\nContent-Disposition: attachment; filename=a.txt\n\nhello".into(),
                Body::Empty,
                &["a.txt"],
                &[],
            ),
            ("files in the text", format!("A: b\n\nHello\n{cat}Bye\n{}", cat.replace("cat", "dog")), text("Hello\nBye\n"), &["cat.txt", "dog.txt"], &[]),
            ("a broken file in the text", "A: b\n\nHello\nbegin 644 a\n#0V\n".into(), text("Hello\nbegin 644 a\n#0V\n"), &[], &[]),
            ("yEnc", "A: b\n\n=ybegin line=128 size=1 name=a\nx\n=yend size=1\n".into(), text("=ybegin line=128 size=1 name=a\nx\n=yend size=1\n"), &[], &[]),
            (
                "a delivery report",
                parts("report; report-type=delivery-status", &[PLAIN, "Content-Type: message/delivery-status\n\nAction: failed", "Content-Type: message/rfc822\n\nSubject: Hi\n\nx"]),
                text("plain"),
                &["delivery-status.txt", "Hi.eml"],
                &[codes::READ_DELIVERY_REPORT],
            ),
            (
                "encrypted by PGP",
                parts("encrypted", &["Content-Type: application/pgp-encrypted\n\nVersion: 1", "Content-Type: application/octet-stream; name=encrypted.asc\n\n-----BEGIN PGP MESSAGE-----"]),
                Body::Empty,
                &["file-1.asc", "encrypted.asc"],
                &[codes::READ_UNOPENED],
            ),
            ("PGP in the text", "A: b\n\n-----BEGIN PGP MESSAGE-----\n\nabc\n-----END PGP MESSAGE-----\n".into(), text("-----BEGIN PGP MESSAGE-----\n\nabc\n-----END PGP MESSAGE-----\n"), &[], &[]),
            (
                "encrypted by S/MIME",
                "Content-Type: application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m\nContent-Transfer-Encoding: base64\n\nMIAG".into(),
                Body::Empty,
                &["smime.p7m"],
                &[codes::READ_UNOPENED],
            ),
            (
                "signed by S/MIME",
                parts("signed; protocol=\"application/pkcs7-signature\"", &[PLAIN, "Content-Type: application/pkcs7-signature; name=smime.p7s\n\nMIAG"]),
                text("plain"),
                &["smime.p7s"],
                &[],
            ),
            (
                "signed as a whole by S/MIME",
                format!(
                    "Content-Type: application/pkcs7-mime; smime-type=signed-data; name=smime.p7m\nContent-Transfer-Encoding: base64\n\n{}",
                    base64::Engine::encode(
                        &base64::engine::general_purpose::STANDARD,
                        smime::tests::wrapped(parts("mixed", &[HTML, "Content-Type: text/csv; name=a.csv\n\n1,2"]).as_bytes())
                    )
                ),
                html("<p>html</p>"),
                &["a.csv", "smime.p7m"],
                &[],
            ),
            (
                "a piece of a mail",
                "Content-Type: message/partial; number=1; total=3; id=x\n\nSubject: x\n\nhello".into(),
                Body::Empty,
                &["message-1.txt"],
                &[codes::READ_UNOPENED],
            ),
            (
                "a mail without an ending",
                parts("mixed", &[PLAIN, "Content-Type: message/rfc822; name=\"Fwd your offer\"\n\nSubject: x\n\nhello"]),
                text("plain"),
                &["Fwd your offer.eml"],
                &[],
            ),
            (
                "a page named as the one that is shown",
                parts("related; start=\"<root>\"", &["Content-Type: image/png; name=a.png\nContent-ID: <a>\n\nx", "Content-Type: text/html\nContent-ID: <root>\n\n<img src=cid:a>"]),
                html("<img src=cid:a>"),
                &["a.png"],
                &[],
            ),
            (
                "no end, and parts in parts",
                "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/alternative; boundary=c\n\n--c\n\nplain\n--b\nContent-Type: image/png; name=a.png\n\nx".into(),
                text("plain"),
                &["a.png"],
                &[codes::READ_BROKEN_MIME],
            ),
            ("words that claim to be base64", "Content-Transfer-Encoding: base64\n\nHello there, this is not at all what it claims to be.".into(), text("Hello there, this is not at all what it claims to be."), &[], &[]),
        ];
        for (name, message, body, files, problems) in cases {
            let mail = Mail::parse(message.as_bytes());
            assert_eq!(mail.body, body, "{name}");
            assert_eq!(mail.files.iter().map(|file| file.name.as_str()).collect::<Vec<_>>(), files, "{name}");
            assert_eq!(mail.problems.iter().map(|problem| problem.code).collect::<Vec<_>>(), problems, "{name}");
            for file in &mail.files {
                let found = leaf(message.clone().into_bytes(), false, file.part).unwrap();
                assert_eq!(found.len() as u64, file.length, "{name}");
            }
        }
    }

    fn with_winmail(before: &str, bytes: &[u8]) -> Vec<u8> {
        let header = "Content-Type: multipart/mixed; boundary=b\n\n";
        let head = "--b\nContent-Type: application/ms-tnef; name=winmail.dat\n\n";
        [header.as_bytes(), before.as_bytes(), head.as_bytes(), bytes, b"\n--b--\n"].concat()
    }

    #[test]
    fn winmail_dat_gives_way_to_what_is_in_it() {
        let properties = tnef::tests::list(&[(0x1E, 0x1000, b"Text inside.\0")]);
        let whole = tnef::tests::stream(&[
            (1, 0x9003, properties),
            (2, 0x9002, vec![0; 14]),
            (2, 0x8010, b"C:\\TEMP\\offer.pdf\0".to_vec()),
            (2, 0x800F, b"%PDF".to_vec()),
        ]);
        let names = |mail: &Mail| mail.files.iter().map(|file| file.name.clone()).collect::<Vec<_>>();

        let message = with_winmail("--b\n\nText outside.\n", &whole);
        let mail = Mail::parse(&message);
        assert_eq!(mail.body, Body::Text("Text outside.".to_owned()));
        assert_eq!((names(&mail), mail.problems.len()), (vec!["offer.pdf".to_owned()], 0));
        assert_eq!(mail.files[0].part, 1 + INNER);
        assert_eq!(leaf(message, false, mail.files[0].part).unwrap(), b"%PDF");

        let alone = Mail::parse(&with_winmail("", &whole));
        assert_eq!(alone.body, Body::Text("Text inside.".to_owned()));

        let damaged = Mail::parse(&with_winmail("", &whole[..whole.len() - 10]));
        assert_eq!(names(&damaged), ["winmail.dat"]);
        assert_eq!(damaged.problems[0].code, codes::READ_UNOPENED);

        let another = Mail::parse(&with_winmail("", b"something else"));
        assert_eq!(names(&another), ["winmail.dat"]);
        assert_eq!(another.problems[0].code, codes::READ_UNOPENED);
    }

    #[test]
    fn a_picture_named_by_its_place_is_shown() {
        let message = parts(
            "related",
            &[
                "Content-Type: text/html\n\n<img src=\"logo.gif\"><img src=\"other.gif\">",
                "Content-Type: image/gif\nContent-Location: http://example.org/a/logo.gif\n\nGIF",
            ],
        );
        let mail = Mail::parse(message.as_bytes());
        let [file] = &mail.files[..] else { panic!("one file") };
        assert_eq!((file.is_inline, file.content_id.as_deref()), (true, Some("location-1")));
        let shown = "<img src=\"cid:location-1\"><img src=\"other.gif\">";
        assert_eq!(mail.body, Body::Html(shown.to_owned()));
    }

    #[test]
    fn the_original_is_a_file_like_any_other() {
        let message = b"Subject: Re: a/b\n\nhello".to_vec();
        let mut mail = Mail::parse(&message);
        mail.attach_original(message.len() as u64);
        assert_eq!((mail.files[0].name.as_str(), mail.files[0].mime.as_str()), ("Re a b.eml", "message/rfc822"));
        assert_eq!(leaf(message.clone(), false, mail.files[0].part).unwrap(), message);
    }
}
