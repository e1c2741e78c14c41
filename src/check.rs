//! What FreeScout would refuse, alter or lose of a conversation, said before anything is sent.
//!
//! Promises:
//!
//! - Pure and cheap: no file is opened, and texts are only measured.
//! - What is said here is what FreeScout does: facts are from core 1.8.235 with the
//!   API & Webhooks module 1.0.87, observed where an item does not say *read*.
//!
//! [`stored_file_name`] and [`stored_address`] are FreeScout's own rewriting of
//! names, for whoever compares an answer with what was sent.

use std::collections::HashSet;

use jiff::Timestamp;

use crate::content::Content;
use crate::conversation::{Author, Conversation, Customer, Kind, Status, Thread};
use crate::finding::{Finding, codes};

mod names;

pub use names::{stored_address, stored_file_name};

/// What FreeScout can hold, each with where that is known from.
pub mod limits {
    use jiff::Timestamp;

    /// Longest subject, in characters; core 1.8.235 cuts it (`Conversation::create`).
    pub const SUBJECT_CHARS: usize = 998;
    /// Longest first name, last name, company and job title, in characters: `VARCHAR(255)`, cut silently by MySQL.
    pub const NAME_CHARS: usize = 255;
    /// Longest address, in bytes: `emails.email`; core 1.8.235 keeps the **last** 191.
    pub const ADDRESS_BYTES: usize = 191;
    /// Longest tag, in characters: `tags.name`.
    pub const TAG_CHARS: usize = 191;
    /// Longest stored media type, in characters: `attachments.mime_type`.
    pub const MIME_CHARS: usize = 127;
    /// Longest file name kept as it is, in bytes (*read*); longer ones are cut to [`CUT_FILE_NAME_CHARS`].
    pub const FILE_NAME_BYTES: usize = 255;
    /// Length of a file name that was cut, in characters with its ending (recorded case `attachments/names`).
    pub const CUT_FILE_NAME_CHARS: usize = 125;
    /// Longest `TEXT` column, in bytes: notes, phones, websites and cc lists; cut silently by MySQL.
    pub const TEXT_BYTES: usize = 65_535;
    /// Longest text that a stock database takes in one statement, in bytes.
    ///
    /// The column is `LONGTEXT`; MariaDB's `max_allowed_packet` is 16 MiB unless raised, and
    /// the statement holds the rest of the row too.
    pub const BODY_BYTES: usize = 16 * 1024 * 1024 - 64 * 1024;
    /// Size of a request that any web server passes on, in bytes: nginx's `client_max_body_size` without a setting.
    pub const REQUEST_BYTES: u64 = 1024 * 1024;
    /// The first date that survives: 1970-01-02T00:00:00Z. Earlier ones read back as year −1.
    pub const FIRST_DATE: Timestamp = Timestamp::constant(86_400, 0);
    /// The last date that survives in every server zone: 2038-01-18T00:00:00Z.
    pub const LAST_DATE: Timestamp = Timestamp::constant(2_147_385_600, 0);
}

/// Everything that FreeScout is known to do to this conversation, with the stock request size.
///
/// Pure; facts from `freescout-behaviour.md` (core 1.8.235, module 1.0.87).
pub fn check(conversation: &Conversation) -> Vec<Finding> {
    check_within(conversation, limits::REQUEST_BYTES)
}

/// The same with another limit for one request, in bytes.
pub fn check_within(conversation: &Conversation, request_bytes: u64) -> Vec<Finding> {
    let mut checker = Checker { conversation, findings: Vec::new() };
    checker.subject();
    checker.customer(&conversation.customer, "customer");
    checker.dates();
    checker.tags();
    for (index, thread) in conversation.threads.iter().enumerate() {
        checker.thread(index, thread);
    }
    checker.people_of_threads();
    checker.size(request_bytes);
    checker.findings
}

/// About how many bytes the JSON of one thread takes, attachments included.
pub fn request_bytes(thread: &Thread) -> u64 {
    /// Keys, dates, author and addresses.
    const FRAME: u64 = 400;
    let files: u64 = thread
        .attachments
        .iter()
        .map(|file| 120 + file.name.len() as u64 + file.content.length().unwrap_or(0).div_ceil(3) * 4)
        .sum();
    FRAME + json_length(&thread.body) + files
}

/// The length of a text as a JSON string.
fn json_length(text: &str) -> u64 {
    let escaped = count(text, |byte| (byte < 32) | (byte == b'"') | (byte == b'\\'));
    // Those without a short form, such as `\u0001`.
    let long = count(text, |byte| (byte < 8) | (byte == 11) | ((byte > 13) & (byte < 32)));
    text.len() as u64 + escaped + 4 * long + 2
}

/// How many bytes are of a kind.
///
/// Without branches and with sums of one byte, so that the compiler looks at many in one step: every text comes by here.
fn count(text: &str, is_counted: impl Fn(u8) -> bool) -> u64 {
    let in_step = |step: &[u8]| u64::from(step.iter().map(|&byte| u8::from(is_counted(byte))).sum::<u8>());
    text.as_bytes().chunks(255).map(in_step).sum()
}

struct Checker<'a> {
    conversation: &'a Conversation,
    findings: Vec<Finding>,
}

impl Checker<'_> {
    fn find(&mut self, code: &'static str, field: impl Into<String>, message: impl Into<String>) {
        let finding =
            Finding::new(code, message).about(&self.conversation.id, &self.conversation.origin).in_field(field);
        self.findings.push(finding);
    }

    fn subject(&mut self) {
        let length = self.conversation.subject.chars().count();
        if length > limits::SUBJECT_CHARS {
            self.find(
                codes::SUBJECT_CUT,
                "subject",
                format!("the subject has {length} characters; FreeScout keeps the first {}", limits::SUBJECT_CHARS),
            );
        }
        if self.conversation.kind == Kind::Chat {
            self.find(
                codes::CHAT_REPLIES,
                "type",
                "replies that agents write to an imported chat never reach the customer; type `email` would",
            );
        }
    }

    fn customer(&mut self, customer: &Customer, field: &str) {
        let long = [
            ("first_name", Some(&customer.first_name)),
            ("last_name", Some(&customer.last_name)),
            ("company", customer.company.as_ref()),
            ("job_title", customer.job_title.as_ref()),
        ];
        for (name, value) in long {
            let Some(value) = value else { continue };
            let length = value.chars().count();
            if length > limits::NAME_CHARS {
                let message = format!("has {length} characters; FreeScout keeps the first {}", limits::NAME_CHARS);
                self.find(codes::NAME_CUT, format!("{field}.{name}"), message);
            }
            if has_markup(value) {
                self.find(
                    codes::PROFILE_FLATTENED,
                    format!("{field}.{name}"),
                    "FreeScout strips what looks like HTML tags from profiles",
                );
            }
        }
        if let Some(notes) = &customer.notes {
            if notes.len() > limits::TEXT_BYTES {
                let message = format!("{} bytes of notes; FreeScout keeps {}", notes.len(), limits::TEXT_BYTES);
                self.find(codes::NAME_CUT, format!("{field}.notes"), message);
            }
            // Core 1.8.235 (`Customer::setData`, read): tags stripped, white space collapsed.
            if notes.contains(['\n', '\r', '\t']) || notes.contains("  ") || has_markup(notes) {
                self.find(
                    codes::PROFILE_FLATTENED,
                    format!("{field}.notes"),
                    "FreeScout strips tags from a customer's notes and puts their lines into one",
                );
            }
        }
        for (index, address) in customer.emails.iter().enumerate() {
            self.address(address, format!("{field}.emails[{index}]"));
        }
    }

    fn address(&mut self, address: &str, field: String) {
        match stored_address(address) {
            Some(stored) if stored == address.to_lowercase() => {}
            Some(stored) => {
                self.find(
                    codes::PERSON_BAD_ADDRESS,
                    field,
                    format!("FreeScout would make `{stored}` of the address `{address}`"),
                );
            }
            None => {
                self.find(
                    codes::PERSON_BAD_ADDRESS,
                    field,
                    format!("`{address}` is no address to FreeScout, which leaves it out"),
                );
            }
        }
    }

    fn dates(&mut self) {
        let conversation = self.conversation;
        self.date(conversation.created_at, "created_at".to_owned());
        let mut seen = HashSet::new();
        let mut before: Option<Timestamp> = None;
        let mut equal = 0;
        let mut backwards = 0;
        for (index, thread) in conversation.threads.iter().enumerate() {
            self.date(thread.created_at, format!("threads[{index}].created_at"));
            equal += usize::from(!seen.insert(thread.created_at.as_second()));
            backwards += usize::from(before.is_some_and(|before| before > thread.created_at));
            before = Some(thread.created_at);
        }
        if equal + backwards > 0 {
            self.find(
                codes::THREAD_ORDER,
                "threads",
                format!(
                    "{equal} threads have the second of another one and {backwards} come before an older one; \
                     FreeScout shows them in no fixed order"
                ),
            );
        }
        if let Some(closed) = conversation.closed_at {
            self.date(closed, "closed_at".to_owned());
            if before.is_some_and(|last| closed < last) {
                self.find(codes::CLOSED_EARLY, "closed_at", format!("closed at {closed}, before its last thread"));
            }
        } else if conversation.status == Status::Closed {
            self.find(
                codes::CLOSED_EARLY,
                "closed_at",
                "closed without a date; FreeScout would show it on top of its Closed folder",
            );
        }
    }

    fn date(&mut self, date: Timestamp, field: String) {
        if date < limits::FIRST_DATE || date > limits::LAST_DATE {
            self.find(
                codes::TIME_CLAMPED,
                field,
                format!("FreeScout loses the date {date}: it keeps 1970-01-02 to 2038-01-18"),
            );
        }
    }

    fn tags(&mut self) {
        let conversation = self.conversation;
        for tag in &conversation.tags {
            let length = tag.chars().count();
            if length > limits::TAG_CHARS {
                let message = format!("a tag of {length} characters; FreeScout keeps {}", limits::TAG_CHARS);
                self.find(codes::NAME_CUT, "tags", message);
            }
        }
    }

    fn thread(&mut self, index: usize, thread: &Thread) {
        if thread.body.len() > limits::BODY_BYTES {
            self.find(
                codes::TEXT_TOO_LONG,
                format!("threads[{index}].body"),
                format!(
                    "a text of {} bytes; a database with stock settings takes {}",
                    thread.body.len(),
                    limits::BODY_BYTES
                ),
            );
        }
        for (kind, list) in [("cc", &thread.cc), ("bcc", &thread.bcc)] {
            for (at, address) in list.iter().enumerate() {
                self.address(address, format!("threads[{index}].{kind}[{at}]"));
            }
            if list.iter().map(|address| address.len() + 3).sum::<usize>() > limits::TEXT_BYTES {
                self.find(
                    codes::TEXT_TOO_LONG,
                    format!("threads[{index}].{kind}"),
                    format!("{} addresses take more than FreeScout's column holds", list.len()),
                );
            }
        }
        for (at, file) in thread.attachments.iter().enumerate() {
            let field = format!("threads[{index}].attachments[{at}]");
            self.attachment(file, field);
        }
    }

    fn attachment(&mut self, file: &crate::conversation::Attachment, field: String) {
        let name = &file.name;
        match file.content.length() {
            None => {
                self.find(codes::ATTACHMENT_MISSING, field, format!("`{name}` has no bytes in the archive"));
                return;
            }
            Some(0) => {
                self.find(codes::ATTACHMENT_EMPTY, field, format!("`{name}` is empty; FreeScout drops empty files"));
                return;
            }
            // The decoded single byte `0` is false to PHP, and the file is skipped (read).
            Some(1) if matches!(&file.content, Content::Bytes(bytes) if **bytes == *b"0") => {
                self.find(
                    codes::ATTACHMENT_EMPTY,
                    field,
                    format!("`{name}` is the single byte `0`, which FreeScout drops"),
                );
                return;
            }
            Some(_) => {}
        }
        if is_svg(file) {
            self.find(
                codes::ATTACHMENT_REWRITTEN,
                field.clone(),
                format!("FreeScout rewrites the SVG file `{name}`; bytes and size change"),
            );
        }
        let mut stored = stored_file_name(name);
        if is_pdf_with_script(file) {
            stored.push('_');
        }
        if stored != *name {
            self.find(codes::ATTACHMENT_RENAMED, field.clone(), format!("`{name}` will be stored as `{stored}`"));
        }
        if file.mime.chars().count() > limits::MIME_CHARS {
            self.find(
                codes::NAME_CUT,
                format!("{field}.mime"),
                format!("a media type over {} characters is cut", limits::MIME_CHARS),
            );
        }
    }

    /// Customers who write threads but do not own the conversation.
    fn people_of_threads(&mut self) {
        let conversation = self.conversation;
        let mut seen = HashSet::from([&*conversation.customer.key]);
        for (index, thread) in conversation.threads.iter().enumerate() {
            if let Author::Customer(customer) = &thread.author
                && seen.insert(&customer.key)
            {
                self.customer(customer, &format!("threads[{index}].author"));
            }
        }
    }

    fn size(&mut self, limit: u64) {
        let conversation = self.conversation;
        let sizes = || conversation.threads.iter().map(request_bytes);
        let whole: u64 = 1_000 + json_length(&conversation.subject) + sizes().sum::<u64>();
        if whole <= limit {
            return;
        }
        let largest = sizes().max().unwrap_or(0);
        let mut message = format!("about {} for one request of {}", in_kib(whole), in_kib(limit));
        if largest > limit {
            message.push_str(&format!("; one thread alone takes {}, so the server must allow more", in_kib(largest)));
        }
        self.find(codes::REQUEST_TOO_BIG, "threads", message);
    }
}

fn in_kib(bytes: u64) -> String {
    format!("{} KiB", bytes.div_ceil(1024))
}

/// Whether PHP's `strip_tags` would find something in a text.
fn has_markup(text: &str) -> bool {
    text.as_bytes().windows(2).any(|pair| pair[0] == b'<' && !pair[1].is_ascii_whitespace())
}

fn is_svg(file: &crate::conversation::Attachment) -> bool {
    file.mime.to_ascii_lowercase().starts_with("image/svg") || file.name.to_ascii_lowercase().ends_with(".svg")
}

/// FreeScout appends `_` to a PDF whose bytes contain `/JavaScript` (wiki FAQ, issue #5412).
///
/// Only looks at bytes that are in memory anyway.
fn is_pdf_with_script(file: &crate::conversation::Attachment) -> bool {
    match &file.content {
        Content::Bytes(bytes) if file.name.to_ascii_lowercase().ends_with(".pdf") => {
            memchr::memmem::find(bytes, b"/JavaScript").is_some()
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::conversation::{Attachment, ThreadKind, UserRef};
    use crate::record::{Origin, RecordId};

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn thread(time: &str) -> Thread {
        Thread {
            entry: time.to_owned(),
            kind: ThreadKind::Message,
            author: Author::User(UserRef::FirstAdministrator),
            shown_name: None,
            body: "<p>x</p>".to_owned(),
            cc: Vec::new(),
            bcc: Vec::new(),
            created_at: at(time),
            attachments: Vec::new(),
        }
    }

    fn conversation() -> Conversation {
        Conversation {
            id: RecordId::new("csv", "1"),
            origin: Origin::line(&Arc::from("a.csv"), 2),
            mailbox: None,
            kind: Kind::Email,
            status: Status::Active,
            subject: "s".to_owned(),
            customer: Customer {
                key: "a@example.org".to_owned(),
                emails: vec!["a@example.org".to_owned()],
                ..Customer::default()
            },
            assignee: None,
            created_at: at("2020-01-01T00:00:00Z"),
            closed_at: None,
            threads: vec![thread("2020-01-01T00:00:00Z"), thread("2020-01-02T00:00:00Z")],
            tags: Vec::new(),
            fields: Vec::new(),
        }
    }

    fn file(name: &str, bytes: &[u8]) -> Attachment {
        Attachment { name: name.to_owned(), mime: "text/plain".to_owned(), content: Content::bytes(bytes) }
    }

    #[test]
    fn a_harmless_conversation_has_no_findings() {
        assert!(check(&conversation()).is_empty());
    }

    #[test]
    fn each_thing_that_freescout_does_is_one_finding() {
        type Change = fn(&mut Conversation);
        let table: [(&str, Change, &str); 22] = [
            (codes::SUBJECT_CUT, |c| c.subject = "ü".repeat(999), "subject"),
            (codes::CHAT_REPLIES, |c| c.kind = Kind::Chat, "type"),
            (codes::NAME_CUT, |c| c.customer.last_name = "x".repeat(256), "customer.last_name"),
            (codes::PROFILE_FLATTENED, |c| c.customer.first_name = "<b>Ada".to_owned(), "customer.first_name"),
            (codes::PROFILE_FLATTENED, |c| c.customer.notes = Some("a\nb".to_owned()), "customer.notes"),
            (codes::NAME_CUT, |c| c.customer.notes = Some("x".repeat(70_000)), "customer.notes"),
            (
                codes::PERSON_BAD_ADDRESS,
                |c| c.customer.emails[0] = "jürgen@example.org".to_owned(),
                "customer.emails[0]",
            ),
            (codes::PERSON_BAD_ADDRESS, |c| c.threads[1].cc = vec!["nobody".to_owned()], "threads[1].cc[0]"),
            (codes::TIME_CLAMPED, |c| c.created_at = at("1969-12-31T00:00:00Z"), "created_at"),
            (codes::TIME_CLAMPED, |c| c.threads[1].created_at = at("2040-01-01T00:00:00Z"), "threads[1].created_at"),
            (codes::THREAD_ORDER, |c| c.threads[1].created_at = c.threads[0].created_at, "threads"),
            (codes::THREAD_ORDER, |c| c.threads[1].created_at = at("2019-01-01T00:00:00Z"), "threads"),
            (codes::CLOSED_EARLY, |c| c.closed_at = Some(at("2020-01-01T12:00:00Z")), "closed_at"),
            (codes::CLOSED_EARLY, |c| c.status = Status::Closed, "closed_at"),
            (codes::NAME_CUT, |c| c.tags = vec!["x".repeat(192)], "tags"),
            (
                codes::ATTACHMENT_EMPTY,
                |c| c.threads[0].attachments = vec![file("a.txt", b"")],
                "threads[0].attachments[0]",
            ),
            (
                codes::ATTACHMENT_EMPTY,
                |c| c.threads[0].attachments = vec![file("a.txt", b"0")],
                "threads[0].attachments[0]",
            ),
            (
                codes::ATTACHMENT_RENAMED,
                |c| c.threads[0].attachments = vec![file("a b.php", b"x")],
                "threads[0].attachments[0]",
            ),
            (
                codes::ATTACHMENT_RENAMED,
                |c| c.threads[0].attachments = vec![file("a.pdf", b"%PDF /JavaScript")],
                "threads[0].attachments[0]",
            ),
            (
                codes::ATTACHMENT_REWRITTEN,
                |c| c.threads[0].attachments = vec![file("a.svg", b"<svg/>")],
                "threads[0].attachments[0]",
            ),
            (
                codes::ATTACHMENT_MISSING,
                |c| {
                    c.threads[0].attachments = vec![Attachment {
                        name: "a".to_owned(),
                        mime: "x/y".to_owned(),
                        content: Content::Missing { reason: "gone".to_owned(), claimed_length: None },
                    }];
                },
                "threads[0].attachments[0]",
            ),
            (codes::REQUEST_TOO_BIG, |c| c.threads[0].attachments = vec![file("a.txt", &[7; 900_000])], "threads"),
        ];
        for (code, change, field) in table {
            let mut conversation = conversation();
            change(&mut conversation);
            let found = check(&conversation);
            assert_eq!(found.len(), 1, "{code} {field}: {found:?}");
            assert_eq!((found[0].code, found[0].field.as_deref()), (code, Some(field)), "{found:?}");
            assert!(!found[0].message.ends_with('.'));
        }
    }

    #[test]
    fn the_dates_of_the_limits_are_the_documented_ones() {
        assert_eq!(limits::FIRST_DATE, at("1970-01-02T00:00:00Z"));
        assert_eq!(limits::LAST_DATE, at("2038-01-18T00:00:00Z"));
    }

    #[test]
    fn a_thread_with_a_file_takes_four_thirds_of_it() {
        let mut one = thread("2020-01-01T00:00:00Z");
        let bare = request_bytes(&one);
        one.attachments.push(file("a", &[1; 300_000]));
        let grown = request_bytes(&one) - bare;
        assert!((400_000..401_000).contains(&grown), "{grown}");
    }

    #[test]
    fn the_length_as_json_is_what_a_writer_makes() {
        let all: String = (0..128_u8).map(char::from).collect();
        for text in
            [String::new(), "hello".repeat(500), "\"\\\n".repeat(200), all.repeat(7), "für 你好\u{1}".to_owned()]
        {
            // DEL stands as it is, and so does everything beyond ASCII.
            assert_eq!(json_length(&text), serde_json::to_string(&text).unwrap().len() as u64, "{text:?}");
        }
    }
}
