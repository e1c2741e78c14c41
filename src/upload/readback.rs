//! What is read back from FreeScout, as the digests that the journal keeps of what was sent.

use jiff::Timestamp;

use super::late::reads_back;
use super::plan::{digest, kept_subject, thread_digests};
use crate::freescout::wire;
use crate::journal::{ConversationDigests, Digest, ThreadDigests};

/// By how much a time can be late, and not at all.
const SHIFTS: [i64; 3] = [0, 3600, 1800];

fn person(person: Option<&wire::Person>) -> String {
    person.and_then(|person| person.id).map(|id| id.to_string()).unwrap_or_default()
}

fn second(time: Option<Timestamp>) -> Digest {
    digest(&time.map(|time| time.as_second().to_string()).unwrap_or_default())
}

/// A thread's digests.
pub(crate) fn thread(found: &wire::Thread) -> ThreadDigests {
    let author = found.created_by.as_ref();
    let author = author.map(|who| format!("{}:{}", who.kind, who.id.unwrap_or_default())).unwrap_or_default();
    let body = found.body.as_deref().unwrap_or_default();
    let second = found.created_at.map(Timestamp::as_second);
    thread_digests(&found.kind, &author, second, body, &found.cc, &found.bcc)
}

/// A conversation's digests; its custom fields all together.
pub(crate) fn conversation(found: &wire::Conversation) -> ConversationDigests {
    let mut tags: Vec<_> = found.embedded.tags.iter().flatten().map(|tag| tag.name.clone()).collect();
    tags.sort();
    ConversationDigests {
        mailbox: digest(&found.mailbox_id.map(|id| id.to_string()).unwrap_or_default()),
        kind: digest(&found.kind),
        status: digest(&found.status),
        subject: digest(&kept_subject(&found.subject)),
        customer: digest(&person(found.customer.as_ref())),
        assignee: digest(&person(found.assignee.as_ref())),
        created_at: second(found.created_at),
        closed_at: second(found.closed_at),
        tags: digest(&tags.join("\n")),
        fields: digest(""),
    }
}

/// The digest of custom fields, each as `ID=VALUE`.
pub(crate) fn fields<'a>(fields: impl Iterator<Item = &'a String>) -> Digest {
    let mut fields: Vec<&str> = fields.map(String::as_str).collect();
    fields.sort_unstable();
    digest(&fields.join("\n"))
}

/// Whether a time is the one of which this is the digest, as some server reads it back.
pub(crate) fn is_time(found: Option<Timestamp>, sent: &Digest) -> bool {
    let Some(found) = found else { return second(None) == *sent };
    SHIFTS.iter().any(|shift| {
        let sent_at = Timestamp::from_second(found.as_second() - shift).ok();
        second(sent_at) == *sent && sent_at.is_some_and(|sent_at| reads_back(sent_at, Some(found)))
    })
}
