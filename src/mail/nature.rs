//! What a mail is besides its text: a delivery report, an automatic answer, list mail; and who really wrote it.
//!
//! Servers and forms write mails on behalf of people. Whoever stands in `From` is then a list, a form or a machine, and
//! the person stands elsewhere in the header. What is decided here is only a mark: what becomes of it is the mapping's.

use crate::mail::Mail;
use crate::mail::address::{self, Address};
use crate::mail::conversation::Own;
use crate::mail::header::{self, Fields};

/// Beginnings of addresses behind which nobody reads.
const NOBODY: &[&str] = &[
    "noreply",
    "no-reply",
    "no_reply",
    "no.reply",
    "donotreply",
    "do-not-reply",
    "do_not_reply",
    "mailer-daemon",
    "postmaster",
    "bounce",
    "notification",
    "nepasrepondre",
    "ne-pas-repondre",
    "nichtantworten",
    "keine-antwort",
    "norespond",
    "no-responder",
    "noresponder",
];

/// Whole names before the `@` under which web sites send what their visitors wrote.
const FORMS: &[&str] = &[
    "form",
    "forms",
    "webform",
    "web-form",
    "contactform",
    "contact-form",
    "kontaktformular",
    "formular",
    "formulaire",
    "wordpress",
    "www-data",
    "wwwrun",
    "apache",
    "website",
    "webmaster",
];

/// More addresses of delivery say nothing new.
const MOST_DELIVERED: usize = 10;

/// How far into a delivery report the address that failed is looked for.
const REPORT_BYTES: usize = 64 * 1024;

/// What kind of message a mail is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Nature {
    /// Somebody wrote it, as far as the header says.
    #[default]
    Message,
    /// A mail server says that a mail did not arrive, or that it did.
    Bounce,
    /// A program answered: out of office, receipts.
    AutoReply,
}

impl Nature {
    /// The entry's kind.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Bounce => "bounce",
            Self::AutoReply => "auto-reply",
        }
    }
}

/// What the header says of a mail besides what [`Mail`] keeps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Traits {
    /// What kind of message it is.
    pub nature: Nature,
    /// The mailing list that it came over: its address, else its id.
    pub list: Option<String>,
    /// Whether it is of Google Groups, where labels are the topic's state.
    pub is_group: bool,
    /// Whose mailbox it was put into, in lower case.
    pub delivered_to: Vec<String>,
    /// Whom the delivery report is about.
    pub failed: Option<Address>,
    /// `X-Original-From`: who stood in `From` before a list wrote itself there.
    original_from: Option<Address>,
    /// `X-Original-Sender`, which Google Groups write on every mail.
    original_sender: Option<Address>,
}

impl Traits {
    /// Looks through the header of a message, and through the text of a delivery report.
    pub fn of(message: &[u8], from: Option<&Address>) -> Self {
        let mut traits = Self::default();
        let (mut is_report, mut is_receipt, mut is_auto, mut has_no_return) = (false, false, false, false);
        let (mut list_id, mut failed) = (None, None);
        let value = |raw: &[u8]| header::unfold(raw).trim_ascii().to_ascii_lowercase();
        let contains = |text: &[u8], part: &str| memchr::memmem::find(text, part.as_bytes()).is_some();
        for field in Fields::of_message(message) {
            // Nearly every field is none of these, which its first letter tells.
            let is = |name: &str| field.name.eq_ignore_ascii_case(name.as_bytes());
            match field.name.first().map(u8::to_ascii_lowercase) {
                Some(b'c') if is("Content-Type") => {
                    let kind = value(field.value);
                    if kind.starts_with(b"multipart/report") {
                        is_report |= contains(&kind, "delivery-status");
                        is_receipt |= contains(&kind, "disposition-notification");
                    }
                }
                Some(b'a') if is("Auto-Submitted") => is_auto |= value(field.value).starts_with(b"auto-replied"),
                Some(b'p') if is("Precedence") => {
                    is_auto |= matches!(&*value(field.value), b"auto_reply" | b"auto-reply" | b"autoreply");
                }
                Some(b'r') if is("Return-Path") => has_no_return |= value(field.value) == b"<>",
                Some(b'd') if is("Delivered-To") => traits.deliver(field.value),
                Some(b'e') if is("Envelope-To") => traits.deliver(field.value),
                Some(b'l') if is("List-Id") && list_id.is_none() => list_id = list_name(field.value),
                Some(b'm') if is("Mailing-List") && list_id.is_none() => {
                    list_id = address::parse(field.value).into_iter().find_map(|list| list.email);
                }
                Some(b'x') => {
                    if ["X-Autoreply", "X-Auto-Reply", "X-Autorespond", "X-Mail-Autoreply", "X-Autoreply-From"]
                        .iter()
                        .any(|name| is(name))
                    {
                        is_auto |= value(field.value) != b"no";
                    } else if is("X-Autogenerated") {
                        is_auto |= value(field.value) == b"reply";
                    } else if is("X-Original-To") || is("X-Delivered-To") || is("X-Envelope-To") {
                        traits.deliver(field.value);
                    } else if is("X-BeenThere") {
                        traits.list =
                            address::parse(field.value).into_iter().find_map(|list| list.email).or(traits.list);
                    } else if is("X-Google-Groups") || is("X-Google-Group-Id") {
                        traits.is_group = true;
                    } else if is("X-Original-From") {
                        traits.original_from = with_email(field.value);
                    } else if is("X-Original-Sender") {
                        traits.original_sender = with_email(field.value);
                    } else if is("X-Failed-Recipients") {
                        failed = with_email(field.value);
                        is_report |= failed.is_some();
                    }
                }
                _ => {}
            }
        }
        traits.list = traits.list.take().or(list_id);
        let local = from.and_then(|from| from.email.as_deref()).map(local_part).unwrap_or_default();
        let is_daemon = local == "mailer-daemon" || local == "postmaster" && has_no_return;
        traits.nature = match () {
            () if is_report || is_daemon => Nature::Bounce,
            // Answers of programs have no return path, so that they are never answered themselves.
            () if is_auto || is_receipt || has_no_return => Nature::AutoReply,
            () => Nature::Message,
        };
        if traits.nature == Nature::Bounce {
            traits.failed = failed.or_else(|| failed_recipient(message));
        }
        traits
    }

    fn deliver(&mut self, raw: &[u8]) {
        let text = header::unfold(raw).trim_ascii().to_ascii_lowercase();
        // `mailing list x@y`, and `<x@y>` or several.
        if text.starts_with(b"mailing list") {
            return;
        }
        for email in address::parse(&text).into_iter().filter_map(|to| to.email) {
            if self.delivered_to.len() < MOST_DELIVERED && !self.delivered_to.contains(&email) {
                self.delivered_to.push(email);
            }
        }
    }

    /// Who wrote a mail; `None` for a delivery report, which nobody did.
    ///
    /// Somebody else than `From` says in three cases: a list wrote itself there (`Ann via Support`), and names the person in
    /// `X-Original-From`, `X-Original-Sender` or `Reply-To`; a form of ours or a no-reply address wrote, and
    /// `Reply-To` is the visitor; there is no `From`.
    pub fn author(&self, mail: &Mail, own: &Own) -> Option<Address> {
        if self.nature == Nature::Bounce {
            return None;
        }
        let from = mail.from.first().or(mail.sender.first()).or(mail.reply_to.first())?;
        let from_email = from.email.as_deref().unwrap_or_default();
        let is_other = |address: &&Address| {
            let email = address.email.as_deref().unwrap_or_default();
            !email.is_empty()
                && !email.eq_ignore_ascii_case(from_email)
                && self.list.as_ref().is_none_or(|list| !list.eq_ignore_ascii_case(email))
        };
        let plain_name = from.name.as_deref().and_then(without_via);
        let is_receiver = |address: &&Address| {
            let email = |one: &Address| one.email.as_deref().map(str::to_lowercase);
            mail.to.iter().any(|to| email(to) == email(address))
        };
        let behind_list = || {
            let replies = || mail.reply_to.iter().filter(is_other).find(|address| !is_receiver(address));
            let original = self.original_from.as_ref().or(self.original_sender.as_ref()).filter(is_other);
            plain_name.as_ref()?;
            original.or_else(replies)
        };
        if let Some(person) = self.original_from.as_ref().filter(is_other).or_else(behind_list) {
            let name = person.name.clone().filter(|name| !name.contains('@')).or(plain_name.map(str::to_owned));
            return Some(Address { name, ..person.clone() });
        }
        let is_form = match own.has(from_email) {
            true => is_to_us_alone(mail, own),
            false => is_nobody(from_email) || FORMS.contains(&&*local_part(from_email)),
        };
        let visitor = || {
            let is_person = |address: &&Address| {
                let email = address.email.as_deref().unwrap_or_default();
                !own.has(email) && !is_nobody(email)
            };
            mail.reply_to.iter().filter(is_other).find(is_person)
        };
        if is_form
            && self.list.is_none()
            && let Some(visitor) = visitor()
        {
            return Some(visitor.clone());
        }
        Some(from.clone())
    }
}

/// Whether an address says by its name that nobody reads what is sent there.
pub fn is_nobody(email: &str) -> bool {
    let local = local_part(email);
    NOBODY.iter().any(|word| local.starts_with(word))
}

fn is_to_us_alone(mail: &Mail, own: &Own) -> bool {
    let mut receivers = mail.to.iter().chain(&mail.cc).chain(&mail.bcc).filter_map(|to| to.email.as_deref()).peekable();
    receivers.peek().is_some() && receivers.all(|email| own.has(email))
}

/// What stands before the `@`, in lower case.
fn local_part(email: &str) -> String {
    email.split('@').next().unwrap_or_default().to_lowercase()
}

fn with_email(raw: &[u8]) -> Option<Address> {
    address::parse(raw).into_iter().find(|address| address.email.is_some())
}

/// `Helpers <helpers.lists.example.org>`: what stands in the brackets, else the whole.
fn list_name(raw: &[u8]) -> Option<String> {
    let text = header::decode(raw);
    let inside = text.rsplit_once('<').and_then(|(_, rest)| rest.split_once('>')).map(|(id, _)| id);
    let name = inside.unwrap_or(&text).trim();
    (!name.is_empty()).then(|| name.to_owned())
}

/// The name that a list put itself behind: `'Ann Lee' via Support`, `Ann Lee (via Docs)`.
fn without_via(name: &str) -> Option<&str> {
    let at = [" via ", " (via ", " über ", " por medio de "].iter().filter_map(|via| name.find(via)).min()?;
    let name = name[..at].trim().trim_matches(['\'', '"']).trim();
    (!name.is_empty()).then_some(name)
}

/// `Final-Recipient: rfc822; gone@example.com`, or the original one, which servers do not rewrite.
fn failed_recipient(message: &[u8]) -> Option<Address> {
    let text = &message[..message.len().min(REPORT_BYTES)];
    ["\nOriginal-Recipient:", "\nFinal-Recipient:"].iter().find_map(|name| {
        let at = memchr::memmem::find(text, name.as_bytes())? + name.len();
        let line = &text[at..];
        let line = &line[..memchr::memchr(b'\n', line).unwrap_or(line.len())];
        let address = line.split(|&byte| byte == b';').next_back()?;
        with_email(address)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Mail, Traits) {
        let mail = Mail::parse(text.as_bytes());
        let traits = Traits::of(text.as_bytes(), mail.from.first());
        (mail, traits)
    }

    #[test]
    fn machines_are_told_from_people() {
        let cases = [
            ("From: ann@example.com\n\nx", Nature::Message),
            ("From: MAILER-DAEMON@mx.example.org\n\nx", Nature::Bounce),
            ("From: postmaster@example.org\n\nx", Nature::Message),
            ("Return-Path: <>\nFrom: Postmaster@example.org\n\nx", Nature::Bounce),
            (
                "From: a@b.org\nContent-Type: multipart/report;\n report-type=delivery-status; boundary=b\n\nx",
                Nature::Bounce,
            ),
            ("From: a@b.org\nX-Failed-Recipients: c@d.org\n\nx", Nature::Bounce),
            (
                "From: a@b.org\nContent-Type: multipart/report; report-type=disposition-notification\n\nx",
                Nature::AutoReply,
            ),
            ("From: a@b.org\nAuto-Submitted: auto-replied (vacation)\n\nx", Nature::AutoReply),
            ("From: a@b.org\nAuto-Submitted: auto-generated\n\nx", Nature::Message),
            ("From: a@b.org\nAuto-Submitted: no\n\nx", Nature::Message),
            ("From: a@b.org\nX-Autoreply: yes\n\nx", Nature::AutoReply),
            ("From: a@b.org\nX-Autoreply: no\n\nx", Nature::Message),
            ("From: a@b.org\nPrecedence: auto_reply\n\nx", Nature::AutoReply),
            ("From: a@b.org\nPrecedence: bulk\n\nx", Nature::Message),
            ("Return-Path: <>\nFrom: ann@example.com\n\nx", Nature::AutoReply),
            ("Return-Path: <ann@example.com>\nFrom: ann@example.com\n\nx", Nature::Message),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text).1.nature, expected, "{text}");
        }
    }

    #[test]
    fn the_author_is_the_person_behind_lists_and_forms() {
        const US: &str = "support@example.org";
        let cases = [
            ("a person", "From: ann@x.com\nReply-To: else@x.com", "ann@x.com"),
            (
                "a list",
                "From: 'Ann Lee' via Help <help@example.org>\nX-Original-From: Ann Lee <ann@x.com>",
                "Ann Lee ann@x.com",
            ),
            (
                "a list by sender",
                "From: 'Ann Lee' via Help <help@example.org>\nX-Original-Sender: ann@x.com",
                "Ann Lee ann@x.com",
            ),
            (
                "the sender of a plain list mail",
                "From: Ann <ann@x.com>\nX-Original-Sender: bounce-7@x.com",
                "Ann ann@x.com",
            ),
            (
                "a list by its answers",
                "From: Ann via Talk <talk@lists.x>\nX-BeenThere: talk@lists.x\nReply-To: talk@lists.x, ann@x.com",
                "Ann ann@x.com",
            ),
            (
                "a service",
                "From: \"Ann (via Docs)\" <noreply@docs.x>\nReply-To: Ann Lee <ann@x.com>",
                "Ann Lee ann@x.com",
            ),
            ("via, and nobody known", "From: Ann via Talk <talk@lists.x>", "Ann via Talk talk@lists.x"),
            (
                "a form of ours",
                "From: support@example.org\nTo: support@example.org\nReply-To: lena@x.com",
                "lena@x.com",
            ),
            ("our own answer", "From: support@example.org\nTo: ann@x.com\nReply-To: me@x.com", "support@example.org"),
            (
                "a form",
                "From: wordpress@shop.x\nTo: support@example.org\nReply-To: Lena <lena@x.com>",
                "Lena lena@x.com",
            ),
            ("a form for nobody", "From: noreply@shop.x\nReply-To: no-reply@x.com", "noreply@shop.x"),
            ("a form that answers to us", "From: noreply@shop.x\nReply-To: support@example.org", "noreply@shop.x"),
            ("on behalf", "From: Boss <boss@x.com>\nSender: Helper <helper@x.com>", "Boss boss@x.com"),
            ("a sender only", "Sender: Helper <helper@x.com>", "Helper helper@x.com"),
        ];
        for (name, head, expected) in cases {
            let (mail, traits) = read(&format!("{head}\n\nx"));
            let author = traits.author(&mail, &Own::new(&[US.to_owned()])).unwrap();
            let shown = [author.name, author.email].into_iter().flatten().collect::<Vec<_>>().join(" ");
            assert_eq!(shown, expected, "{name}");
        }
        let (mail, traits) = read("From: MAILER-DAEMON@x.org\n\nFinal-Recipient: rfc822; gone@x.com\n");
        assert_eq!(traits.author(&mail, &Own::default()), None);
        assert_eq!(traits.failed.and_then(|failed| failed.email).as_deref(), Some("gone@x.com"));
    }

    #[test]
    fn lists_and_mailboxes_are_named() {
        let cases = [
            ("List-Id: Talk <talk.lists.example.org>", Some("talk.lists.example.org"), false),
            (
                "List-Id: Talk <talk.lists.example.org>\nX-BeenThere: talk@lists.example.org",
                Some("talk@lists.example.org"),
                false,
            ),
            (
                "Mailing-List: list talk@groups.example; contact talk-owner@groups.example",
                Some("talk@groups.example"),
                false,
            ),
            ("X-Google-Groups: talk\nX-BeenThere: talk@googlegroups.com", Some("talk@googlegroups.com"), true),
            ("From: a@b.org", None, false),
        ];
        for (head, list, is_group) in cases {
            let (_, traits) = read(&format!("{head}\n\nx"));
            assert_eq!((traits.list.as_deref(), traits.is_group), (list, is_group), "{head}");
        }
        let (_, traits) = read(
            "Delivered-To: Support@Example.org\nDelivered-To: mailing list talk@x.org\nX-Original-To: <info@example.org>\n\nx",
        );
        assert_eq!(traits.delivered_to, ["support@example.org", "info@example.org"]);
    }
}
