//! Threads as mails (RFC 5322 and MIME), for mail programs and for our own mail sources.
//!
//! - Message-IDs are the original ones where a journal knows them, else stable: `<freescout.CONVERSATION.THREAD@HOST>`.
//! - `References` and `In-Reply-To` tie a conversation together.
//! - What mail has no words for stands in `X-FreeScout-…` fields. Notes and line items were never mails: they say so in
//!   `X-FreeScout-Type` and at the beginning of their subject.
//! - `X-Gmail-Labels` holds the tags once more, as other readers of mail archives know them.

use std::io::{self, Read as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use mail_builder::MessageBuilder;
use mail_builder::headers::address::Address;
use mail_builder::headers::content_type::ContentType;
use mail_builder::headers::date::Date;
use mail_builder::headers::message_id::MessageId;
use mail_builder::headers::text::Text;
use mail_builder::mime::{BodyPart, MimePart};

use super::hub::{self, Exported, ExportedThread, Site};
use super::{Notes, text};
use crate::content::Content;
use crate::finding::codes;
use crate::freescout::wire;

/// How many earlier mails `References` names at most, beside the first: mail programs need no more.
const MOST_REFERENCES: usize = 20;

/// A mail, ready to be written.
pub(super) struct Mail {
    /// Whose it is, for the line between the mails of an mbox.
    pub(super) sender: String,
    /// When it was written.
    pub(super) at: Timestamp,
    /// Its thread's id.
    pub(super) thread: u64,
    /// The bytes, with CRLF.
    pub(super) bytes: Vec<u8>,
}

/// The mails of a conversation, oldest first, one at a time.
pub(super) struct Mails<'a> {
    site: &'a Site,
    exported: &'a Exported,
    host: String,
    /// Ids of the mails so far.
    ids: Vec<String>,
    next: usize,
}

impl<'a> Mails<'a> {
    pub(super) fn new(site: &'a Site, exported: &'a Exported) -> Self {
        Self { site, exported, host: host_of(&site.url), ids: Vec::new(), next: 0 }
    }

    /// The next mail; `None` after the last.
    pub(super) fn next(&mut self, notes: &mut Notes) -> io::Result<Option<Mail>> {
        let Some(it) = self.exported.threads.get(self.next) else { return Ok(None) };
        self.next += 1;
        let id = self.id_of(it);
        let mail = self.mail(it, &id, notes)?;
        self.ids.push(id);
        Ok(Some(mail))
    }

    fn id_of(&self, it: &ExportedThread) -> String {
        let is_mail_id = |id: &&String| {
            id.contains('@') && id.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'<' | b'>'))
        };
        let original = it.old.as_ref().filter(is_mail_id).filter(|id| !self.ids.contains(*id));
        original
            .cloned()
            .unwrap_or_else(|| format!("freescout.{}.{}@{}", self.exported.conversation.id, it.thread.id, self.host))
    }

    fn mail(&self, it: &ExportedThread, id: &str, notes: &mut Notes) -> io::Result<Mail> {
        let (conversation, thread) = (&self.exported.conversation, &it.thread);
        let mailbox = self.site.mailbox(conversation.mailbox_id);
        let own = mailbox.map(|mailbox| (mailbox.name.as_str(), mailbox.email.as_str()));
        let author = super::table::author_of(self.exported, thread);
        let (name, email) = match author {
            Some(author) => (hub::name_of(author), address_of(author)),
            None => own.map_or_else(
                || (String::new(), "nobody@no-address.invalid".to_owned()),
                |(name, email)| (name.to_owned(), email.to_owned()),
            ),
        };
        let at = thread.created_at.or(conversation.created_at).unwrap_or(Timestamp::UNIX_EPOCH);
        let is_internal = thread.kind == "note" || hub::is_line_item(thread);
        let subject = one_line(&conversation.subject);
        let subject = match (is_internal, self.ids.is_empty()) {
            (true, _) => format!("[{}] {subject}", if thread.kind == "note" { "note" } else { "event" }),
            (false, true) => subject,
            (false, false) => format!("Re: {subject}"),
        };
        let mut mail = MessageBuilder::new()
            .message_id(id.to_owned())
            .date(Date::new(at.as_second()))
            .from(person(&name, &email))
            .subject(subject);
        let own_address = || own.map(|(name, email)| person(name, email));
        let customer = || {
            let customer = thread.customer.as_ref().or(conversation.customer.as_ref())?;
            Some(person(&hub::name_of(customer), &address_of(customer)))
        };
        let to = if thread.kind == "customer" || is_internal { own_address() } else { None };
        let named = list(&thread.to).filter(|_| !is_internal);
        if let Some(to) = named.or(to).or_else(customer) {
            mail = mail.to(to);
        }
        if let Some(cc) = list(&thread.cc) {
            mail = mail.cc(cc);
        }
        if let Some(bcc) = list(&thread.bcc) {
            mail = mail.bcc(bcc);
        }
        if let (Some(first), Some(last)) = (self.ids.first(), self.ids.last()) {
            let recent = self.ids.len().saturating_sub(MOST_REFERENCES).max(1);
            let chain = std::iter::once(first).chain(&self.ids[recent..]).cloned();
            mail = mail.in_reply_to(last.clone()).references(MessageId::new_list(chain));
        }
        for (name, value) in self.fields(it, mailbox) {
            mail = mail.header(format!("X-FreeScout-{name}"), Text::new(one_line(&value)));
        }
        let tags: Vec<String> = self.exported.tags().map(label).collect();
        let spam = (conversation.status == "spam").then(|| "Spam".to_owned());
        let labels: Vec<String> = tags.into_iter().chain(spam).collect();
        if !labels.is_empty() {
            mail = mail.header("X-Gmail-Labels", Text::new(labels.join(",")));
        }
        let bytes = mail.body(self.body(it, notes)).write_to_vec()?;
        Ok(Mail { sender: email, at, thread: thread.id, bytes })
    }

    /// What mail has no words for.
    fn fields(&self, it: &ExportedThread, mailbox: Option<&wire::Mailbox>) -> Vec<(&'static str, String)> {
        let (conversation, thread) = (&self.exported.conversation, &it.thread);
        let mut fields = vec![
            ("Conversation", conversation.id.to_string()),
            ("Thread", thread.id.to_string()),
            ("Type", thread.kind.clone()),
            ("Channel", conversation.kind.clone()),
            ("Status", conversation.status.clone()),
            ("State", conversation.state.clone()),
            ("Subject", conversation.subject.clone()),
        ];
        fields.extend(conversation.number.map(|number| ("Number", number.to_string())));
        fields.extend(mailbox.map(|mailbox| ("Mailbox", mailbox.email.clone())));
        let people = [("Customer", &conversation.customer), ("Assignee", &conversation.assignee)];
        for (name, person) in people {
            fields.extend(person.as_ref().map(|person| (name, address_of(person))));
        }
        let times = [("Created", conversation.created_at), ("Closed", conversation.closed_at)];
        fields.extend(times.into_iter().filter_map(|(name, time)| Some((name, wire::show_time(time?)))));
        if let Some(old) = &self.exported.old {
            fields.push(("Old-Id", old.to_string()));
        }
        fields.extend(self.exported.tags().map(|tag| ("Tag", tag.to_owned())));
        for field in conversation.custom_fields.iter().flatten().filter(|field| !hub::field_text(field).is_empty()) {
            fields.push(("Field", format!("{}: {}", field.name, hub::field_text(field))));
        }
        fields.retain(|(_, value)| !value.is_empty());
        fields
    }

    fn body(&self, it: &ExportedThread, notes: &mut Notes) -> MimePart<'static> {
        let mut lost = Vec::new();
        let mut parts = Vec::new();
        for (at, (file, content)) in it.thread.attachments().iter().zip(&it.files).enumerate() {
            match encoded(content) {
                Ok(encoded) => parts.push(part(file, encoded)),
                Err(cause) => {
                    if !matches!(content, Content::Link { .. } | Content::Missing { .. }) {
                        let message =
                            format!("thread {}: `{}` could not be read: {cause}", it.thread.id, file.file_name);
                        notes.tell(codes::EXPORT_FILE_MISSING, self.exported.conversation.id, message);
                    }
                    lost.push((at, file));
                }
            }
        }
        let thread = &it.thread;
        let html = if hub::is_line_item(thread) {
            crate::html::from_text(&super::table::body_of(thread, super::Bodies::Text))
        } else {
            crate::upload::bare(thread.body.as_deref().unwrap_or_default()).to_owned()
        };
        let mut plain = text::lines_of(&html);
        let mut html = html;
        for (_, file) in &lost {
            let name = one_line(&file.file_name);
            plain.push_str(&format!("\n[attachment not exported: {name}]"));
            html.push_str(&format!("<p>[attachment not exported: {}]</p>", crate::html::escape(&name)));
        }
        let shown = MimePart::new(
            multipart("alternative", thread.id),
            BodyPart::Multipart(vec![
                MimePart::new("text/plain", BodyPart::Text(plain.into())),
                MimePart::new("text/html", BodyPart::Text(html.into())),
            ]),
        );
        if parts.is_empty() {
            return shown;
        }
        parts.insert(0, shown);
        MimePart::new(multipart("mixed", thread.id), BodyPart::Multipart(parts))
    }
}

/// With a boundary that no text holds by chance and that is the same in every export.
fn multipart(kind: &str, thread: u64) -> ContentType<'static> {
    let hash = blake3::hash(format!("{kind} {thread}").as_bytes()).to_hex();
    ContentType::new(format!("multipart/{kind}")).attribute("boundary", format!("=_foxferry_{kind}_{}", &hash[..24]))
}

/// Encoded here, so that the bytes stay what they are: libraries turn line ends of texts.
fn encoded(content: &Content) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    content.open()?.read_to_end(&mut bytes)?;
    let text = STANDARD.encode(&bytes);
    let mut lines = Vec::with_capacity(text.len() + text.len() / 38 + 2);
    for line in text.as_bytes().chunks(76) {
        lines.extend_from_slice(line);
        lines.extend_from_slice(b"\r\n");
    }
    Ok(lines)
}

fn part(file: &wire::Attachment, encoded: Vec<u8>) -> MimePart<'static> {
    let name = one_line(&file.file_name);
    let name = if name.is_empty() { "file".to_owned() } else { name };
    MimePart::new(
        ContentType::new(media_type(&file.mime_type)).attribute("name", name.clone()),
        BodyPart::Binary(encoded.into()),
    )
    .attachment(name)
    .transfer_encoding("base64")
}

/// A media type that can stand in a header. Parts that hold parts must not be base64, so those are plain bytes.
fn media_type(claimed: &str) -> String {
    let is_word = |word: &str| {
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
    };
    let claimed = claimed.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match claimed.split_once('/') {
        Some((kind, sub)) if is_word(kind) && is_word(sub) && kind != "message" && kind != "multipart" => claimed,
        _ => "application/octet-stream".to_owned(),
    }
}

/// A person's address, or a stand-in that leads nowhere.
fn address_of(person: &wire::Person) -> String {
    bare(&person.email).unwrap_or_else(|| {
        format!(
            "{}-{}@no-address.invalid",
            if person.kind == "user" { "user" } else { "customer" },
            person.id.unwrap_or(0)
        )
    })
}

/// An address that can stand in a header.
fn bare(address: &str) -> Option<String> {
    let inner = address.rsplit_once('<').and_then(|(_, rest)| rest.split_once('>')).map_or(address, |(inner, _)| inner);
    let inner = inner.trim();
    let is_fine = inner.contains('@')
        && !inner
            .chars()
            .any(|c| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | ',' | ';' | '"' | '(' | ')'));
    is_fine.then(|| inner.to_owned())
}

fn person(name: &str, email: &str) -> Address<'static> {
    let name = one_line(name);
    Address::new_address((!name.is_empty()).then_some(name), email.to_owned())
}

fn list(addresses: &[String]) -> Option<Address<'static>> {
    let all: Vec<_> = addresses.iter().filter_map(|address| bare(address)).map(|email| person("", &email)).collect();
    (!all.is_empty()).then(|| Address::new_list(all))
}

/// A header's value: no line ends, by which a hostile subject could begin a field of its own.
fn one_line(text: &str) -> String {
    let flat: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    flat.trim().to_owned()
}

/// A label as mail archives write it: in quotes where it holds a comma.
fn label(tag: &str) -> String {
    let tag = one_line(tag);
    if tag.contains([',', '"']) { format!("\"{}\"", tag.replace('"', "'")) } else { tag }
}

fn host_of(url: &str) -> String {
    let host = url::Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned));
    host.filter(|host| !host.contains(['[', ':'])).unwrap_or_else(|| "freescout.invalid".to_owned())
}
