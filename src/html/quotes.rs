//! The quoted mail and the signature at the end of a text, as mail programs mark them.
//!
//! Only what is plainly marked is cut, quoted text only where nothing follows it, and never so much
//! that nothing is left: an answer between quoted lines keeps them.

use std::ops::Range;

use super::scan::{Piece, Scanner, Tag};

/// What is to be cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// The quoted mail below an answer.
    pub quoted: bool,
    /// The writer's signature.
    pub signature: bool,
}

/// Plain text without these parts; `None` if it has none of them, or nothing else.
pub fn cut_text(text: &str, cut: Cut) -> Option<String> {
    let lines: Vec<&str> = text.lines().collect();
    let mut end = lines.len();
    if cut.quoted {
        end = before_quote(&lines[..end]);
    }
    if cut.signature {
        end = before_signature(&lines[..end]);
    }
    if end == lines.len() || lines[..end].iter().all(|line| line.trim().is_empty()) {
        return None;
    }
    Some(lines[..end].join("\n").trim_end().to_owned())
}

/// Lines that announce the mail that was answered, in the languages of the usual mail programs.
const SEPARATORS: &[&str] = &[
    "original message",
    "ursprüngliche nachricht",
    "originalnachricht",
    "message d'origine",
    "message original",
    "mensaje original",
    "messaggio originale",
    "oorspronkelijk bericht",
];

/// Words at the end of `On Monday Ada wrote:`.
const WROTE: &[&str] = &["wrote", "schrieb", "a écrit", "escribió", "ha scritto", "schreef", "escreveu", "skrev"];

/// Names of the head's first line and of its date, as Outlook repeats them.
const HEADS: &[(&str, &str)] = &[
    ("from:", "sent:"),
    ("from:", "date:"),
    ("von:", "gesendet:"),
    ("von:", "datum:"),
    ("de :", "envoyé :"),
    ("de :", "date :"),
    ("de:", "envoyé:"),
    ("de:", "enviado:"),
    ("da:", "inviato:"),
    ("van:", "verzonden:"),
];

/// How many lines a quoted mail's head may take before its date.
const HEAD_LINES: usize = 4;

/// A signature longer than this is none.
const SIGNATURE_LINES: usize = 20;

fn before_quote(lines: &[&str]) -> usize {
    for (at, line) in lines.iter().enumerate() {
        let folded = line.trim().to_lowercase();
        let dashes = folded.trim_matches(['-', '_', ' ']);
        if folded.starts_with("--") && folded.ends_with("--") && SEPARATORS.contains(&dashes) {
            return at;
        }
        let next = || lines[at + 1..].iter().take(HEAD_LINES).map(|line| line.trim().to_lowercase());
        let is_head = HEADS.iter().any(|(first, date)| {
            folded.starts_with(first)
                && folded.contains('@') | folded.contains(' ')
                && next().any(|line| line.starts_with(date))
        });
        if is_head {
            // A rule of underscores often stands above it.
            let is_rule = |line: &&str| !line.trim().is_empty() && line.trim().chars().all(|c| c == '_');
            return if at > 0 && is_rule(&lines[at - 1]) { at - 1 } else { at };
        }
    }
    let is_quoted = |line: &&str| line.starts_with('>');
    let is_blank = |line: &&str| line.trim().is_empty();
    let mut start = lines.len();
    while start > 0 && (is_quoted(&lines[start - 1]) || is_blank(&lines[start - 1])) {
        start -= 1;
    }
    if !lines[start..].iter().any(is_quoted) {
        return lines.len();
    }
    // Who wrote it, in one line or two.
    let says_who = |line: &str| {
        let line = line.trim().trim_end_matches([':', ' ', '\u{a0}']).to_lowercase();
        WROTE.iter().any(|wrote| line.ends_with(wrote) || line.contains(&format!("{wrote} ")))
    };
    if start > 0 && lines[start - 1].trim().ends_with(':') && says_who(lines[start - 1]) {
        start -= 1;
        let is_wrapped = |line: &str| line.trim().len() > 40 && !line.trim_end().ends_with(['.', '!', '?']);
        if start > 0 && lines[start].trim().len() < 40 && is_wrapped(lines[start - 1]) {
            start -= 1;
        }
    }
    start
}

fn before_signature(lines: &[&str]) -> usize {
    // RFC 3676, section 4.3: two dashes and a blank; many programs lose the blank.
    let found = lines.iter().rposition(|line| matches!(*line, "-- " | "--"));
    found.filter(|at| lines.len() - at <= SIGNATURE_LINES).unwrap_or(lines.len())
}

/// HTML without these parts, not cleaned; `None` if it has none of them, or nothing else.
pub fn cut_html(html: &str, cut: Cut) -> Option<String> {
    let parts = parts(html, cut);
    if parts.is_empty() {
        return None;
    }
    let mut out = String::with_capacity(html.len());
    let mut done = 0;
    for part in parts {
        out.push_str(&html[done..part.start]);
        done = part.end;
    }
    out.push_str(&html[done..]);
    (!is_blank_html(&out)).then_some(out)
}

#[derive(Clone, Copy, PartialEq)]
enum Part {
    Quoted,
    Signature,
}

/// What a mail program says of an element.
fn marked(tag: &Tag<'_>) -> Option<Part> {
    if tag.is("img") || tag.is("a") {
        return None;
    }
    for (name, value) in tag.attributes() {
        let has_word = |word: &str| value.split_ascii_whitespace().any(|found| found.eq_ignore_ascii_case(word));
        if name.eq_ignore_ascii_case("class") {
            if ["gmail_quote", "yahoo_quoted", "moz-cite-prefix", "protonmail_quote"].iter().any(|word| has_word(word))
            {
                return Some(Part::Quoted);
            }
            if ["gmail_signature", "moz-signature", "protonmail_signature_block"].iter().any(|word| has_word(word)) {
                return Some(Part::Signature);
            }
        }
        if name.eq_ignore_ascii_case("type") && tag.is("blockquote") && has_word("cite") {
            return Some(Part::Quoted);
        }
        if name.eq_ignore_ascii_case("id") && has_word("signature") {
            return Some(Part::Signature);
        }
    }
    None
}

fn is_blank(text: &str) -> bool {
    text.replace("&nbsp;", " ").chars().all(|c| c.is_whitespace() || matches!(c, '\u{a0}' | '\u{200b}'))
}

fn is_blank_html(html: &str) -> bool {
    Scanner::new(html).all(|piece| match piece {
        Piece::Text(text) => is_blank(text),
        Piece::Open(tag) => !tag.is("img"),
        Piece::Close(_) => true,
    })
}

/// The places of the parts to cut, in order.
fn parts(html: &str, cut: Cut) -> Vec<Range<usize>> {
    let offset = |part: &str| part.as_ptr() as usize - html.as_ptr() as usize;
    let mut found: Vec<(Range<usize>, Part)> = Vec::new();
    // The element that is being cut: its name, where it starts, how often its name is open.
    let mut open: Option<(&str, usize, usize, Part)> = None;
    // Where something was said after the last quoted part.
    let mut last_said = 0;
    let mut forwards = false;
    for piece in Scanner::new(html) {
        match (piece, &mut open) {
            (Piece::Open(tag), Some((name, _, depth, _))) => *depth += usize::from(tag.is(&name.to_ascii_lowercase())),
            (Piece::Open(tag), None) => match marked(&tag) {
                Some(part) if (part == Part::Quoted && cut.quoted) || (part == Part::Signature && cut.signature) => {
                    open = Some((tag.name, offset(tag.name) - 1, 1, part));
                    forwards = false;
                }
                _ if tag.is("img") => last_said = offset(tag.name),
                _ => {}
            },
            (Piece::Close(name), Some((opened, start, depth, part))) if name.eq_ignore_ascii_case(opened) => {
                *depth -= 1;
                if *depth == 0 {
                    let after = offset(name) + name.len();
                    let end = html[after..].find('>').map_or(html.len(), |found| after + found + 1);
                    if forwards {
                        // A forwarded mail is what the writer wanted to say.
                        last_said = end;
                    } else {
                        found.push((*start..end, *part));
                    }
                    open = None;
                }
            }
            (Piece::Text(text), Some(_)) => {
                forwards |= text.contains("Forwarded message") || text.contains("Weitergeleitete");
            }
            (Piece::Text(text), None) if !is_blank(text) => last_said = offset(text),
            _ => {}
        }
    }
    if let Some((_, start, _, part)) = open.filter(|_| !forwards) {
        found.push((start..html.len(), part));
    }
    found.retain(|(range, part)| *part == Part::Signature || range.start >= last_said);
    found.into_iter().map(|(range, _)| range).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: Cut = Cut { quoted: true, signature: true };

    #[test]
    fn quoted_mails_and_signatures_are_cut_off_plain_text() {
        let cases: &[(&str, &str, Option<&str>)] = &[
            ("nothing to cut", "Hello\nworld", None),
            ("quote below", "Yes.\n\nOn Monday, Ada wrote:\n> Is it?\n> Really?\n", Some("Yes.")),
            (
                "wrapped attribution",
                "Yes.\n\nOn Monday, 3 March 2024 at 10:00, Ada Lovelace\n<ada@example.org> wrote:\n> Is it?",
                Some("Yes."),
            ),
            ("German", "Ja.\n\nAm 3.3.2024 schrieb Ada:\n> Stimmt es?", Some("Ja.")),
            ("answers between", "> Is it?\nYes.\n> Really?\nYes!", None),
            ("last block only", "> Is it?\nYes.\n> Bye", Some("> Is it?\nYes.")),
            ("nothing but a quote", "> Is it?\n> Really?", None),
            ("separator", "Yes.\n-----Original Message-----\nFrom: Ada\nText", Some("Yes.")),
            ("Outlook", "Yes.\n________\nFrom: Ada <a@example.org>\nSent: Monday\nTo: x\nText", Some("Yes.")),
            ("not a head", "From: here it gets difficult\nWe go on", None),
            ("signature", "Yes.\n-- \nAda\nAnalyst", Some("Yes.")),
            ("signature above a quote", "Yes.\n-- \nAda\n\n> Is it?", Some("Yes.")),
            ("nothing but a signature", "-- \nAda", None),
        ];
        for (name, text, expected) in cases {
            assert_eq!(cut_text(text, BOTH).as_deref(), *expected, "{name}");
        }
        assert_eq!(cut_text("Yes.\n-- \nAda", Cut { quoted: true, signature: false }), None);
    }

    #[test]
    fn quoted_mails_and_signatures_are_cut_out_of_html() {
        let cases: &[(&str, &str, Option<&str>)] = &[
            ("nothing to cut", "<p>Hello</p>", None),
            (
                "Gmail",
                "<div>Yes.</div><div class=\"gmail_quote\"><div>On Monday <div>x</div></div></div>",
                Some("<div>Yes.</div>"),
            ),
            (
                "cite",
                "Yes.<blockquote type='cite'>Is it?<blockquote type=cite>x</blockquote></blockquote> ",
                Some("Yes. "),
            ),
            ("answer below", "<blockquote type='cite'>Is it?</blockquote>Yes.", None),
            ("forwarded", "<div class=gmail_quote>--- Forwarded message ---<br>x</div>", None),
            ("signature", "Yes.<div class='gmail_signature'>Ada</div>", Some("Yes.")),
            ("never closed", "Yes.<div class=gmail_quote>x", Some("Yes.")),
            ("nothing else", "<div class=gmail_quote>x</div>", None),
            ("plain quotation", "As they say: <blockquote>x</blockquote>", None),
        ];
        for (name, html, expected) in cases {
            assert_eq!(cut_html(html, BOTH).as_deref(), *expected, "{name}");
        }
    }
}
