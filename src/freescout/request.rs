//! What can be sent: conversations, threads, customers, users and webhooks.
//!
//! The types are stricter than FreeScout, which drops, guesses or crashes where it should refuse
//! (`freescout-behaviour.md` 4.2, 5.3, 6.1). What it would lose without a word is refused here,
//! before anything leaves: a reply without a user, an attachment without bytes, a date that MySQL
//! cannot hold.
//!
//! **Nobody is mailed by accident.** `imported` is no field: [`Client::create_conversation`] and
//! [`Client::create_thread`] always send it, as the JSON value `true`, on the conversation and on
//! every thread. Only the two calls whose names say so leave it out.
//!
//! [`Client::create_conversation`]: super::Client::create_conversation
//! [`Client::create_thread`]: super::Client::create_thread

use jiff::Timestamp;
use jiff::civil;

use crate::content::Content;
use crate::conversation::{Kind, Status, ThreadKind};

use super::body::{ContentHash, JsonWriter, Payload};
use super::wire;

/// A conversation to be created, with all its threads.
#[derive(Debug, Clone)]
pub struct NewConversation {
    /// The subject, 1 to 998 characters.
    pub subject: String,
    /// Kind of conversation.
    pub kind: Kind,
    /// The mailbox.
    pub mailbox_id: u64,
    /// Whose conversation it is. Customers are created before, so that two conversations never race for one.
    pub customer_id: u64,
    /// Its final status.
    pub status: Status,
    /// Who works on it. FreeScout leaves it unassigned without a word if there is no such user.
    pub assign_to: Option<u64>,
    /// When it was begun; whole seconds, 1970-01-02 to 2038-01-18.
    pub created_at: Timestamp,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
    /// Custom fields: id and value (for a dropdown the option's id). Unknown ids are dropped by FreeScout.
    pub custom_fields: Vec<(u64, String)>,
    /// Its threads, **oldest first**. On the wire they stand newest first, as FreeScout wants it.
    pub threads: Vec<NewThread>,
}

/// A message, reply or note to be created.
#[derive(Debug, Clone)]
pub struct NewThread {
    /// Kind of thread.
    pub kind: ThreadKind,
    /// Clean HTML.
    pub text: String,
    /// The user who wrote it: for messages and notes, which FreeScout drops without one.
    pub user: Option<u64>,
    /// For a customer's thread its author, for a user's thread the conversation's customer.
    pub customer_id: Option<u64>,
    /// Copy recipients: bare addresses.
    pub cc: Vec<String>,
    /// Blind copy recipients: bare addresses.
    pub bcc: Vec<String>,
    /// When it was written; whole seconds, distinct in the conversation.
    pub created_at: Timestamp,
    /// The conversation's status after it. Give it on every appended thread; a create has one of its own.
    pub status: Option<Status>,
    /// Files.
    pub attachments: Vec<NewAttachment>,
}

/// A file to be attached.
#[derive(Debug, Clone)]
pub struct NewAttachment {
    /// Its name, not blank.
    pub file_name: String,
    /// Its media type, not blank.
    pub mime_type: String,
    /// Its bytes, streamed. A [`Content::Link`] is sent as `fileUrl`: FreeScout fetches it itself,
    /// and leaves the attachment out without a word if it cannot.
    pub content: Content,
    /// Filled when it is sent.
    pub hash: ContentHash,
}

/// Whether FreeScout is told that nobody is to be mailed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Imported {
    Yes,
    No,
}

impl NewConversation {
    /// The exact length of the request's body, in bytes.
    ///
    /// An attachment whose length is not known counts nothing; such a conversation is refused anyway.
    pub fn body_length(&self) -> u64 {
        self.payload(Imported::Yes).length()
    }

    /// Why it must not be sent, if so.
    pub(super) fn fault(&self) -> Option<String> {
        let own = date_fault("createdAt", self.created_at)
            .or_else(|| self.closed_at.and_then(|time| date_fault("closedAt", time)));
        own.or_else(|| {
            let mut threads = self.threads.iter().enumerate();
            threads.find_map(|(at, thread)| thread.fault().map(|why| format!("thread {}: {why}", at + 1)))
        })
    }

    pub(super) fn payload(&self, imported: Imported) -> Payload {
        let mut json = JsonWriter::default();
        json.begin_object();
        json.text("type", self.kind.word());
        json.key("mailboxId");
        json.number(self.mailbox_id);
        json.text("subject", &self.subject);
        customer(&mut json, self.customer_id);
        json.key("threads");
        json.begin_array();
        // FreeScout inserts them from the last to the first; oldest first is accepted too, and
        // silently gives the wrong creator, preview and status (`freescout-behaviour.md` 4.4).
        for thread in self.threads.iter().rev() {
            thread.write(&mut json, imported);
        }
        json.end_array();
        if imported == Imported::Yes {
            json.key("imported");
            json.bool(true);
        }
        if let Some(user) = self.assign_to {
            json.key("assignTo");
            json.number(user);
        }
        json.text("status", self.status.word());
        if !self.custom_fields.is_empty() {
            fields(&mut json, "customFields", &self.custom_fields);
        }
        json.text("createdAt", &wire::show_time(self.created_at));
        if let Some(time) = self.closed_at {
            json.text("closedAt", &wire::show_time(time));
        }
        json.end_object();
        json.finish()
    }
}

impl NewThread {
    /// The exact length of the request's body when it is sent alone, in bytes.
    pub fn body_length(&self) -> u64 {
        self.payload(Imported::Yes).length()
    }

    pub(super) fn fault(&self) -> Option<String> {
        if self.kind != ThreadKind::Customer && self.user.is_none() {
            return Some(format!("a {} needs a user; FreeScout drops it without one", self.kind));
        }
        date_fault("createdAt", self.created_at).or_else(|| self.attachments.iter().find_map(NewAttachment::fault))
    }

    pub(super) fn payload(&self, imported: Imported) -> Payload {
        let mut json = JsonWriter::default();
        self.write(&mut json, imported);
        json.finish()
    }

    fn write(&self, json: &mut JsonWriter, imported: Imported) {
        json.begin_object();
        json.text("type", self.kind.word());
        json.text("text", &self.text);
        if let Some(user) = self.user {
            json.key("user");
            json.number(user);
        }
        if let Some(id) = self.customer_id {
            customer(json, id);
        }
        if imported == Imported::Yes {
            // A thread that is appended does not inherit it (section 20).
            json.key("imported");
            json.bool(true);
        }
        if let Some(status) = self.status {
            json.text("status", status.word());
        }
        if !self.cc.is_empty() {
            json.strings("cc", &self.cc);
        }
        if !self.bcc.is_empty() {
            json.strings("bcc", &self.bcc);
        }
        json.text("createdAt", &wire::show_time(self.created_at));
        if !self.attachments.is_empty() {
            json.key("attachments");
            json.begin_array();
            for attachment in &self.attachments {
                attachment.write(json);
            }
            json.end_array();
        }
        json.end_object();
    }
}

impl NewAttachment {
    fn fault(&self) -> Option<String> {
        let name = &self.file_name;
        if name.trim().is_empty() {
            return Some("an attachment has no name; FreeScout drops it".into());
        }
        if self.mime_type.trim().is_empty() {
            return Some(format!("the attachment `{name}` has no media type; FreeScout drops it"));
        }
        match (&self.content, self.content.length()) {
            (Content::Link { .. }, _) => None,
            (_, Some(0)) => Some(format!("the attachment `{name}` is empty; FreeScout drops it")),
            (_, None) => Some(format!("the attachment `{name}` has no bytes")),
            _ => None,
        }
    }

    fn write(&self, json: &mut JsonWriter) {
        json.begin_object();
        json.text("fileName", &self.file_name);
        json.text("mimeType", &self.mime_type);
        match (&self.content, self.content.length()) {
            (Content::Link { url, .. }, _) => json.text("fileUrl", url),
            (content, Some(length)) => {
                json.key("data");
                json.base64(&self.file_name, content, length, &self.hash);
            }
            (_, None) => {}
        }
        json.end_object();
    }
}

fn customer(json: &mut JsonWriter, id: u64) {
    json.key("customer");
    json.begin_object();
    json.key("id");
    json.number(id);
    json.end_object();
}

pub(super) fn fields(json: &mut JsonWriter, key: &'static str, fields: &[(u64, String)]) {
    json.key(key);
    json.begin_array();
    for (id, value) in fields {
        json.begin_object();
        json.key("id");
        json.number(*id);
        json.text("value", value);
        json.end_object();
    }
    json.end_array();
}

/// Outside of this MySQL keeps a zero date and says nothing. A day is left at both ends for zones.
fn date_fault(key: &str, time: Timestamp) -> Option<String> {
    let earliest = civil::date(1970, 1, 2).at(0, 0, 0, 0).in_tz("UTC").map(|time| time.timestamp());
    let latest = civil::date(2038, 1, 19).at(0, 0, 0, 0).in_tz("UTC").map(|time| time.timestamp());
    let fits = earliest.is_ok_and(|earliest| time >= earliest) && latest.is_ok_and(|latest| time < latest);
    (!fits).then(|| format!("`{key}` is {time}; FreeScout keeps dates from 1970-01-02 to 2038-01-18 only"))
}

/// One change of a conversation. FreeScout makes them in the order given, each for itself: an error
/// in the third leaves the first two done.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// A new status. Needs `by_user`; adds a line item.
    Status(Status),
    /// A new assignee, `None` for nobody. Needs `by_user`; adds a line item and **notifies agents**.
    /// FreeScout does not look whether the user exists.
    AssignTo(Option<u64>),
    /// Another mailbox. Needs `by_user`; adds a line item.
    Mailbox(u64),
    /// Another customer. Adds a line item only with `by_user`.
    Customer(u64),
    /// Another subject.
    Subject(String),
}

/// What to change in a conversation.
///
/// Line items arm a trap: on core 1.8.235 an imported message appended after one is mailed
/// (`freescout-behaviour.md` 5.4). Without `by_user`, [`Change::Customer`] and [`Change::Subject`] write none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConversationChange {
    /// The user who does it.
    pub by_user: Option<u64>,
    /// What is changed, in this order.
    pub changes: Vec<Change>,
}

impl ConversationChange {
    /// Gives the conversation to another customer, without a line item.
    pub fn customer(id: u64) -> Self {
        Self { by_user: None, changes: vec![Change::Customer(id)] }
    }

    pub(super) fn payload(&self) -> Payload {
        let mut json = JsonWriter::default();
        json.begin_object();
        if let Some(user) = self.by_user {
            json.key("byUser");
            json.number(user);
        }
        for change in &self.changes {
            match change {
                Change::Status(status) => json.text("status", status.word()),
                Change::AssignTo(Some(user)) => {
                    json.key("assignTo");
                    json.number(*user);
                }
                Change::AssignTo(None) => {
                    json.key("assignTo");
                    json.null();
                }
                Change::Mailbox(id) => {
                    json.key("mailboxId");
                    json.number(*id);
                }
                Change::Customer(id) => {
                    json.key("customerId");
                    json.number(*id);
                }
                Change::Subject(subject) => json.text("subject", subject),
            }
        }
        json.end_object();
        json.finish()
    }

    pub(super) fn fault(&self) -> Option<String> {
        let needs_user = |change: &Change| !matches!(change, Change::Customer(_) | Change::Subject(_));
        if self.by_user.is_none() && self.changes.iter().any(needs_user) {
            return Some("a change of status, assignee or mailbox needs `by_user`".into());
        }
        let same_kind = |a: &Change, b: &Change| std::mem::discriminant(a) == std::mem::discriminant(b);
        let twice = (1..self.changes.len())
            .any(|at| self.changes[..at].iter().any(|earlier| same_kind(earlier, &self.changes[at])));
        twice.then(|| "a change of one kind is given twice".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn thread(kind: ThreadKind, text: &str, at: &str) -> NewThread {
        NewThread {
            kind,
            text: text.into(),
            user: (kind != ThreadKind::Customer).then_some(7),
            customer_id: Some(91),
            cc: Vec::new(),
            bcc: Vec::new(),
            created_at: time(at),
            status: None,
            attachments: Vec::new(),
        }
    }

    fn conversation() -> NewConversation {
        let mut question = thread(ThreadKind::Customer, "<p>Ünglaublich \"laut\"\n\u{1}</p>", "2020-03-16T14:07:23Z");
        question.cc = vec!["grace@example.org".into()];
        question.attachments = vec![
            NewAttachment {
                file_name: "a b.txt".into(),
                mime_type: "text/plain".into(),
                content: Content::bytes(*b"file"),
                hash: ContentHash::default(),
            },
            NewAttachment {
                file_name: "c.pdf".into(),
                mime_type: "application/pdf".into(),
                content: Content::Link { url: "https://old.example.org/c.pdf".into(), claimed_length: None },
                hash: ContentHash::default(),
            },
        ];
        let mut reply = thread(ThreadKind::Message, "Descale it.", "2020-03-16T15:00:00.75Z");
        reply.bcc = vec!["boss@example.org".into()];
        NewConversation {
            subject: "Kettle".into(),
            kind: Kind::Email,
            mailbox_id: 3,
            customer_id: 91,
            status: Status::Closed,
            assign_to: Some(7),
            created_at: time("2020-03-16T14:07:23Z"),
            closed_at: Some(time("2020-03-17T00:00:00Z")),
            custom_fields: vec![(37, "Some text".into()), (18, "3".into())],
            threads: vec![question, reply, thread(ThreadKind::Note, "Again!", "2020-03-16T16:00:00Z")],
        }
    }

    async fn sent(payload: Payload) -> String {
        String::from_utf8(payload.into_bytes().await).unwrap()
    }

    #[tokio::test]
    async fn a_conversation_on_the_wire_is_exactly_this() {
        let expected = concat!(
            r#"{"type":"email","mailboxId":3,"subject":"Kettle","customer":{"id":91},"threads":["#,
            r#"{"type":"note","text":"Again!","user":7,"customer":{"id":91},"imported":true,"createdAt":"2020-03-16T16:00:00Z"},"#,
            r#"{"type":"message","text":"Descale it.","user":7,"customer":{"id":91},"imported":true,"#,
            r#""bcc":["boss@example.org"],"createdAt":"2020-03-16T15:00:00Z"},"#,
            r#"{"type":"customer","text":"<p>Ünglaublich \"laut\"\n\u0001</p>","customer":{"id":91},"imported":true,"#,
            r#""cc":["grace@example.org"],"createdAt":"2020-03-16T14:07:23Z","attachments":["#,
            r#"{"fileName":"a b.txt","mimeType":"text/plain","data":"ZmlsZQ=="},"#,
            r#"{"fileName":"c.pdf","mimeType":"application/pdf","fileUrl":"https://old.example.org/c.pdf"}]}],"#,
            r#""imported":true,"assignTo":7,"status":"closed","#,
            r#""customFields":[{"id":37,"value":"Some text"},{"id":18,"value":"3"}],"#,
            r#""createdAt":"2020-03-16T14:07:23Z","closedAt":"2020-03-17T00:00:00Z"}"#,
        );
        let new = conversation();
        assert_eq!(sent(new.payload(Imported::Yes)).await, expected);
        assert_eq!(new.body_length(), expected.len() as u64);
        assert_eq!(new.fault(), None);
    }

    #[tokio::test]
    async fn imported_is_true_everywhere_or_nowhere() {
        let with: serde_json::Value = serde_json::from_str(&sent(conversation().payload(Imported::Yes)).await).unwrap();
        assert_eq!(with["imported"], true);
        assert!(with["threads"].as_array().unwrap().iter().all(|thread| thread["imported"] == true));
        assert!(!sent(conversation().payload(Imported::No)).await.contains("imported"));
    }

    #[tokio::test]
    async fn an_appended_thread_carries_its_status_and_imported() {
        let mut new = thread(ThreadKind::Message, "x", "2020-03-16T15:00:00Z");
        new.status = Some(Status::Closed);
        let body = sent(new.payload(Imported::Yes)).await;
        assert_eq!(
            body,
            r#"{"type":"message","text":"x","user":7,"customer":{"id":91},"imported":true,"status":"closed","createdAt":"2020-03-16T15:00:00Z"}"#
        );
        assert_eq!(new.body_length(), body.len() as u64);
    }

    #[test]
    fn what_freescout_would_lose_is_refused() {
        type Spoil = fn(&mut NewConversation);
        let cases: [(&str, Spoil); 9] = [
            ("a message needs a user", |new| new.threads[1].user = None),
            ("a note needs a user", |new| new.threads[2].user = None),
            ("`createdAt`", |new| new.created_at = "1969-12-31T00:00:00Z".parse().unwrap()),
            ("`createdAt`", |new| new.threads[0].created_at = "2038-01-19T00:00:00Z".parse().unwrap()),
            ("`closedAt`", |new| new.closed_at = Some("2040-01-01T00:00:00Z".parse().unwrap())),
            ("has no name", |new| new.threads[0].attachments[0].file_name = " ".into()),
            ("has no media type", |new| new.threads[0].attachments[0].mime_type = String::new()),
            ("is empty", |new| new.threads[0].attachments[0].content = Content::bytes(*b"")),
            ("has no bytes", |new| {
                new.threads[0].attachments[0].content =
                    Content::Missing { reason: "lost".into(), claimed_length: None };
            }),
        ];
        for (expected, spoil) in cases {
            let mut new = conversation();
            spoil(&mut new);
            let fault = new.fault().unwrap_or_default();
            assert!(fault.contains(expected), "{expected}: {fault}");
        }
        for ends in ["1970-01-02T00:00:00Z", "2038-01-18T23:59:59Z"] {
            let mut new = conversation();
            new.created_at = time(ends);
            assert_eq!(new.fault(), None);
        }
    }

    #[tokio::test]
    async fn changes_are_made_in_the_order_given() {
        let changes = vec![
            Change::Subject("S".into()),
            Change::AssignTo(None),
            Change::Status(Status::Spam),
            Change::Mailbox(2),
            Change::Customer(5),
        ];
        let change = ConversationChange { by_user: Some(1), changes };
        assert_eq!(
            sent(change.payload()).await,
            r#"{"byUser":1,"subject":"S","assignTo":null,"status":"spam","mailboxId":2,"customerId":5}"#
        );
        assert_eq!(sent(ConversationChange::customer(5).payload()).await, r#"{"customerId":5}"#);
    }

    #[test]
    fn changes_that_need_a_user_are_refused_without_one() {
        for change in [Change::Status(Status::Active), Change::AssignTo(Some(1)), Change::Mailbox(1)] {
            assert!(ConversationChange { by_user: None, changes: vec![change] }.fault().is_some());
        }
        assert_eq!(ConversationChange::customer(5).fault(), None);
        let twice = vec![Change::Customer(1), Change::Customer(2)];
        assert!(ConversationChange { by_user: None, changes: twice }.fault().is_some());
    }
}
