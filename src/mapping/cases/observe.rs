//! What became of a record, in the words that cases use.

use serde_json::{Map, Value, json};

use crate::conversation::{Attachment, Author, Conversation, Customer, Thread, UserRef};
use crate::finding::Finding;
use crate::html;
use crate::mapping::Converted;

/// How cases call the user that is credited when a mapping names nobody.
pub(super) const FIRST_ADMINISTRATOR: &str = "first administrator";

/// How cases say that a conversation is assigned to nobody.
pub(super) const NOBODY: &str = "nobody";

/// Everything that a case can name. What is not there has no key.
pub(super) fn observed(converted: &Converted) -> Map<String, Value> {
    let mut seen = Map::new();
    let findings = match converted {
        Converted::Ready(mapped) => {
            conversation(&mut seen, &mapped.conversation);
            &mapped.findings
        }
        Converted::Skipped(skipped) => {
            seen.insert("skipped".to_owned(), json!(skipped.reason));
            &skipped.findings
        }
        Converted::Rejected(rejected) => {
            seen.insert("rejected".to_owned(), json!(rejected.reason));
            &rejected.findings
        }
    };
    seen.insert("findings".to_owned(), findings.iter().map(finding).collect());
    seen
}

/// `code`, or `code field`.
fn finding(finding: &Finding) -> Value {
    match &finding.field {
        Some(field) => json!(format!("{} {field}", finding.code)),
        None => json!(finding.code),
    }
}

fn conversation(seen: &mut Map<String, Value>, conversation: &Conversation) {
    let mut put = |key: &str, value: Value| {
        if !value.is_null() {
            seen.insert(key.to_owned(), value);
        }
    };
    put("mailbox", json!(conversation.mailbox));
    put("type", json!(conversation.kind.word()));
    put("status", json!(conversation.status.word()));
    put("subject", json!(conversation.subject));
    put("customer", customer(&conversation.customer));
    put("assignee", json!(conversation.assignee.as_ref().map_or(NOBODY, user)));
    put("created_at", json!(conversation.created_at.to_string()));
    put("closed_at", json!(conversation.closed_at.map(|time| time.to_string())));
    put("tags", json!(conversation.tags));
    let fields = conversation.fields.iter().map(|(name, value)| (name.clone(), json!(value)));
    put("fields", Value::Object(fields.collect()));
    put("threads", conversation.threads.iter().map(thread).collect());
}

fn user(user: &UserRef) -> &str {
    match user {
        UserRef::Address(address) => address,
        UserRef::FirstAdministrator => FIRST_ADMINISTRATOR,
    }
}

fn customer(customer: &Customer) -> Value {
    let mut seen = Map::new();
    let mut put = |key: &str, value: Value| {
        if !value.is_null() && value != "" {
            seen.insert(key.to_owned(), value);
        }
    };
    put("email", json!(customer.emails.first()));
    put("emails", json!(customer.emails));
    put("first_name", json!(customer.first_name));
    put("last_name", json!(customer.last_name));
    put("is_stand_in", json!(customer.is_stand_in));
    put("phones", json!(customer.phones));
    put("company", json!(customer.company));
    put("job_title", json!(customer.job_title));
    put("notes", json!(customer.notes));
    put("websites", json!(customer.websites));
    put("fields", Value::Object(customer.fields.clone()));
    Value::Object(seen)
}

fn thread(thread: &Thread) -> Value {
    let mut seen = Map::new();
    let mut put = |key: &str, value: Value| {
        if !value.is_null() {
            seen.insert(key.to_owned(), value);
        }
    };
    put("type", json!(thread.kind.word()));
    put(
        "author",
        match &thread.author {
            Author::Customer(customer) => json!(customer.emails.first()),
            Author::User(of) => json!(user(of)),
        },
    );
    put("name", json!(thread.shown_name));
    put("body", json!(thread.body));
    put("text", json!(html::to_text(&thread.body).trim()));
    put("cc", json!(thread.cc));
    put("bcc", json!(thread.bcc));
    put("created_at", json!(thread.created_at.to_string()));
    put("attachments", thread.attachments.iter().map(attachment).collect());
    Value::Object(seen)
}

fn attachment(attachment: &Attachment) -> Value {
    let mut seen = json!({"name": attachment.name, "mime": attachment.mime});
    if let Some(length) = attachment.content.length() {
        seen["size"] = json!(length);
    }
    seen
}
