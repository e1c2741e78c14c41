//! The mails that a real FreeScout would have queued for customers.
//!
//! The queue's rule looks at the conversation, not at the new thread: if the newest-dated reply is not imported, the
//! mail goes out, whatever the new thread says (recorded: an imported message after a line item is mailed).

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Core;
use super::store::{Conversation, Store, code};

/// One job that a real server would have queued because of a request.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Mail {
    pub conversation: u64,
    pub thread: u64,
    /// `reply` or `auto-reply`.
    pub kind: String,
    pub to: String,
    /// A job whose list of threads is empty ends without a mail.
    pub is_mailed: bool,
}

impl Mail {
    pub fn shown(&self) -> Value {
        json!({
            "conversation": self.conversation, "thread": self.thread, "kind": self.kind, "to": self.to,
            "mailed": self.is_mailed,
        })
    }
}

/// Why the server looks at its queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// The first thread of a conversation, by a customer.
    CustomerStarted,
    /// The first thread of a conversation, by a user: a message or a note.
    UserStarted,
    /// A later message.
    UserReplied,
}

/// Queues what this event leads to.
pub(super) fn queue(store: &mut Store, core: Core, conversation: u64, thread: u64, event: Event) {
    let Some(row) = store.conversation(conversation) else { return };
    let mail = match event {
        Event::CustomerStarted => auto_reply(store, row, thread),
        Event::UserStarted | Event::UserReplied => reply(store, core, row, thread),
    };
    store.outbox.extend(mail);
}

fn reply(store: &Store, core: Core, row: &Conversation, thread: u64) -> Option<Mail> {
    let to = row.customer.and_then(|id| store.customers.get(&id)).map_or("", |c| c.main_email()).to_owned();
    if row.kind == code::PHONE && to.is_empty() {
        return None;
    }
    let mut replies = row.threads.iter().filter(|t| t.state == code::PUBLISHED && counts(core, t.kind)).peekable();
    let has_replies = replies.peek().is_some();
    let newest = replies.max_by_key(|t| (t.created, t.id));
    if newest.is_some_and(|t| t.is_imported) {
        return None;
    }
    let is_draft = row.threads.iter().any(|t| t.id == thread && t.state != code::PUBLISHED);
    let is_mailed = has_replies && !is_draft && !to.is_empty();
    Some(Mail { conversation: row.id, thread, kind: "reply".to_owned(), to, is_mailed })
}

/// Newer cores count line items among the replies they look at.
fn counts(core: Core, kind: u8) -> bool {
    matches!(kind, code::CUSTOMER | code::MESSAGE) || (core == Core::V1_8_235 && kind == code::LINE_ITEM)
}

fn auto_reply(store: &Store, row: &Conversation, thread: u64) -> Option<Mail> {
    let mailbox = store.mailboxes.get(&row.mailbox)?;
    if !mailbox.has_auto_reply || row.is_imported || row.status == code::SPAM {
        return None;
    }
    let to = row.customer_email.to_string();
    if to.is_empty() || store.mailboxes.values().any(|m| m.email.eq_ignore_ascii_case(&to)) {
        return None;
    }
    Some(Mail { conversation: row.id, thread, kind: "auto-reply".to_owned(), to, is_mailed: true })
}
