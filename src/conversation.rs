//! A conversation as FreeScout can hold it: plain data, the hub of the engine.
//!
//! Four producers make it (mapping, backup, pull, tests) and three consumers
//! take it (uploader, exporter, check). Mailboxes, users, fields and customers
//! are named by address or name; FreeScout's ids appear only in the uploader.
//!
//! Promises of whoever makes one: threads are oldest first, their times are
//! distinct whole seconds, texts are clean HTML, and no date is left to the server.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::content::Content;
use crate::record::{Origin, RecordId};

/// One conversation with everything that belongs to it.
#[derive(Debug, Clone)]
pub struct Conversation {
    /// The record it was made of.
    pub id: RecordId,
    /// Where that record stands.
    pub origin: Origin,
    /// The mailbox's address or name; `None`: the target's only mailbox.
    pub mailbox: Option<String>,
    /// Kind of conversation.
    pub kind: Kind,
    /// Final status.
    pub status: Status,
    /// 1 to 998 characters, trimmed.
    pub subject: String,
    /// Whose conversation it is.
    pub customer: Customer,
    /// Who works on it; `None`: unassigned.
    pub assignee: Option<UserRef>,
    /// When it was opened; whole seconds.
    pub created_at: Timestamp,
    /// When it was closed; never before the last thread. Set if and only if the status is closed.
    pub closed_at: Option<Timestamp>,
    /// At least one, oldest first, times distinct.
    pub threads: Vec<Thread>,
    /// Lower case, distinct, not empty.
    pub tags: Vec<String>,
    /// Custom fields by name, with the value or the dropdown's label.
    pub fields: Vec<(String, String)>,
}

/// One message, reply or note.
#[derive(Debug, Clone)]
pub struct Thread {
    /// The entry it was made of; unique in the conversation.
    pub entry: String,
    /// Kind of thread.
    pub kind: ThreadKind,
    /// Who wrote it.
    pub author: Author,
    /// The writer's name in the old system, for a user given by address. If the target has no such
    /// user, the default user is credited and `credit_line` of this name goes before the body.
    pub shown_name: Option<String>,
    /// Clean HTML, not blank.
    pub body: String,
    /// Bare addresses, distinct.
    pub cc: Vec<String>,
    /// Bare addresses, distinct.
    pub bcc: Vec<String>,
    /// When it was written; whole seconds, distinct in the conversation.
    pub created_at: Timestamp,
    /// Files with bytes; links without bytes are already lines in the body.
    pub attachments: Vec<Attachment>,
}

/// Who wrote a thread.
#[allow(clippy::large_enum_variant, reason = "most threads are by customers; boxing them would only cost")]
#[derive(Debug, Clone, PartialEq)]
pub enum Author {
    /// A customer; for threads of kind `Customer`.
    Customer(Customer),
    /// A user (an agent); for messages and notes.
    User(UserRef),
}

/// A user of FreeScout, by address.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum UserRef {
    /// The user with this address, in lower case.
    Address(String),
    /// The mapping names nobody: the target's first administrator.
    FirstAdministrator,
}

/// The visible line that names the real writer above a text that is credited to another user.
pub fn credit_line(name: &str) -> String {
    format!("<p><em>{}:</em></p>", crate::html::escape(name))
}

/// A file with its bytes.
#[derive(Debug, Clone)]
pub struct Attachment {
    /// The name to show.
    pub name: String,
    /// The media type, never empty.
    pub mime: String,
    /// The bytes; not empty, their length is known.
    pub content: Content,
}

/// A person outside: what FreeScout calls a customer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Customer {
    /// One key per *person*: the main address in lower case.
    pub key: String,
    /// First name; may be empty.
    pub first_name: String,
    /// Last name; may be empty.
    pub last_name: String,
    /// Bare addresses in lower case, main one first; at least one.
    pub emails: Vec<String>,
    /// Whether the first address is a stand-in (`…@no-address.invalid`).
    pub is_stand_in: bool,
    /// Telephone numbers.
    pub phones: Vec<String>,
    /// The company.
    pub company: Option<String>,
    /// The job title.
    pub job_title: Option<String>,
    /// Notes for agents.
    pub notes: Option<String>,
    /// Web sites.
    pub websites: Vec<String>,
    /// Customer fields by name.
    pub fields: Map<String, Value>,
}

/// A closed list of words that FreeScout's API uses, with parsing and printing.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "lowercase")]
        pub enum $name { $($(#[$vdoc])* $variant,)+ }

        impl $name {
            /// Every word, in FreeScout's order.
            pub const WORDS: &'static [&'static str] = &[$($word),+];

            /// The word that the API uses.
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// The value of an API word, in any case.
            pub fn from_word(word: &str) -> Option<Self> {
                match word.to_ascii_lowercase().as_str() { $($word => Some(Self::$variant),)+ _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.word())
            }
        }
    };
}

words! {
    /// Kind of conversation.
    Kind {
        /// By mail.
        Email = "email",
        /// By telephone.
        Phone = "phone",
        /// By chat; replies written in FreeScout never reach the customer of an imported chat.
        Chat = "chat",
    }
}

words! {
    /// Status of a conversation.
    Status {
        /// Somebody has to act.
        Active = "active",
        /// Waiting for the customer.
        Pending = "pending",
        /// Finished.
        Closed = "closed",
        /// Unwanted.
        Spam = "spam",
    }
}

words! {
    /// Kind of thread.
    ThreadKind {
        /// Written by a customer.
        Customer = "customer",
        /// An agent's reply.
        Message = "message",
        /// Seen by agents only.
        Note = "note",
    }
}
