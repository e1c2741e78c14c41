//! What FreeScout says it has made, beside what was sent.
//!
//! A 201 is a claim, not a proof: FreeScout answers 201 after dropping threads
//! and attachments (`freescout-behaviour.md`, trap 1). Pure.

use super::plan::{addresses, bare, kept_subject, marker_in};
use crate::freescout::{NewConversation, NewThread, wire};

/// What differs between what was sent and what is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Differences {
    /// Another customer has the conversation; the API can give it back.
    pub(super) customer: bool,
    /// Custom fields are not as sent; the API can set them.
    pub(super) fields: bool,
    /// Threads or attachments are missing, or what shows that a create was cut short. Each a short phrase.
    pub(super) missing: Vec<String>,
    /// Everything else that differs and that the API cannot repair. Each a short phrase.
    pub(super) altered: Vec<String>,
    /// What FreeScout is known to alter. Each a short phrase.
    pub(super) known: Vec<String>,
}

impl Differences {
    /// Whether the record counts as carried.
    pub(super) fn is_none(&self) -> bool {
        !self.customer && !self.fields && self.missing.is_empty() && self.altered.is_empty()
    }

    /// What cannot be repaired, as one sentence.
    pub(super) fn sentence(&self) -> String {
        let mut parts: Vec<&str> = self.missing.iter().chain(&self.altered).map(String::as_str).collect();
        if self.customer {
            parts.push("it belongs to another customer");
        }
        if self.fields {
            parts.push("custom fields are not as sent");
        }
        parts.join("; ")
    }
}

/// What a conversation that was found is to a record whose create was never answered.
#[derive(Debug)]
pub(super) enum Judged {
    /// The record's, with everything it carries.
    Whole,
    /// The record's, cut short or still being written.
    Half,
    /// Somebody else's.
    Foreign,
}

/// Threads as they were written, without line items.
pub(super) fn written(threads: &[wire::Thread]) -> Vec<&wire::Thread> {
    let mut written: Vec<_> = threads.iter().filter(|thread| thread.kind != "lineitem").collect();
    written.sort_by_key(|thread| (thread.created_at, thread.id));
    written
}

fn is_svg(name: &str, mime: &str) -> bool {
    mime.to_ascii_lowercase().contains("svg") || name.to_ascii_lowercase().ends_with(".svg")
}

/// Compares one thread; `place` names it in the phrases.
pub(super) fn compare_thread(sent: &NewThread, found: &wire::Thread, place: &str, differences: &mut Differences) {
    if found.kind != sent.kind.word() {
        differences.altered.push(format!("{place} is a {} instead of a {}", found.kind, sent.kind));
    }
    if found.created_at != Some(sent.created_at) {
        let there = found.created_at.map_or("no time".to_owned(), |time| time.to_string());
        differences.altered.push(format!("{place} has {there} instead of {}", sent.created_at));
    }
    let (kind, id) = match sent.user {
        Some(user) => ("user", Some(user)),
        None => ("customer", sent.customer_id),
    };
    match &found.created_by {
        None => differences.missing.push(format!("the author of {place} is missing")),
        Some(author) if author.kind != kind || author.id != id => {
            differences.altered.push(format!("{place} is credited to somebody else"));
        }
        Some(_) => {}
    }
    if bare(found.body.as_deref().unwrap_or_default()) != bare(&sent.text) {
        differences.altered.push(format!("the text of {place} differs"));
    }
    for (what, sent, found) in [("cc", &sent.cc, &found.cc), ("bcc", &sent.bcc, &found.bcc)] {
        // FreeScout strips what it takes for no address.
        if addresses(sent) != addresses(found) {
            differences.known.push(format!("{what} of {place} is not as sent"));
        }
    }
    let files = found.attachments();
    if files.len() != sent.attachments.len() {
        differences.missing.push(format!(
            "{} of {} attachments of {place} are there",
            files.len(),
            sent.attachments.len()
        ));
        return;
    }
    for (sent, found) in sent.attachments.iter().zip(files) {
        let is_rewritten = is_svg(&sent.file_name, &sent.mime_type);
        if !is_rewritten && found.size.is_some() && found.size != sent.content.length() {
            differences.altered.push(format!("the attachment `{}` of {place} has another size", sent.file_name));
        }
    }
}

/// Compares a conversation with the request that made it.
pub(super) fn compare(sent: &NewConversation, found: &wire::Conversation) -> Differences {
    let mut differences = Differences::default();
    let threads = written(found.threads());
    if threads.len() == sent.threads.len() {
        for (at, (sent, found)) in sent.threads.iter().zip(&threads).enumerate() {
            compare_thread(sent, found, &format!("thread {}", at + 1), &mut differences);
        }
    } else {
        differences.missing.push(format!("{} of {} threads are there", threads.len(), sent.threads.len()));
    }
    let counted = sent.threads.iter().filter(|thread| thread.kind.word() != "note").count() as u64;
    if found.threads_count.is_some_and(|count| count != counted) {
        differences.missing.push("FreeScout has not counted its threads".to_owned());
    }
    if found.created_by.is_none() {
        differences.missing.push("FreeScout does not say who began it".to_owned());
    }
    compare_head(sent, found, &mut differences);
    differences
}

fn compare_head(sent: &NewConversation, found: &wire::Conversation, differences: &mut Differences) {
    let mut differs = |what: &str, is: bool| {
        if is {
            differences.altered.push(format!("the {what} differs"));
        }
    };
    differs("mailbox", found.mailbox_id != Some(sent.mailbox_id));
    differs("subject", found.subject.trim() != kept_subject(&sent.subject));
    differs("time of opening", found.created_at != Some(sent.created_at));
    differs("time of closing", sent.closed_at.is_some() && found.closed_at != sent.closed_at);
    differs("status", found.status != sent.status.word());
    differs("kind", found.kind != sent.kind.word());
    differs("assignee", found.assignee.as_ref().and_then(|person| person.id) != sent.assign_to);
    differences.customer = found.customer.as_ref().and_then(|person| person.id) != Some(sent.customer_id);
    let fields = found.custom_fields.as_deref().unwrap_or_default();
    differences.fields = sent
        .custom_fields
        .iter()
        .any(|(id, value)| fields.iter().find(|field| field.id == *id).is_none_or(|field| field.value.trim() != value));
}

/// Whose a conversation is that was found where the record's is looked for.
pub(super) fn judge(sent: &NewConversation, marker: Option<&str>, found: &wire::Conversation) -> Judged {
    let threads = written(found.threads());
    let mark = threads.iter().find_map(|thread| marker_in(thread.body.as_deref()?));
    let is_marked = match (marker, mark) {
        (Some(wanted), Some(mark)) if wanted == mark => true,
        // Another record's.
        (_, Some(_)) => false,
        (_, None) => false,
    };
    if mark.is_some() && marker.is_some() && !is_marked {
        return Judged::Foreign;
    }
    // The marker is in the oldest thread, which is written first: threads without it are not ours.
    if marker.is_some() && mark.is_none() && !threads.is_empty() {
        return Judged::Foreign;
    }
    let begins_alike = threads.len() <= sent.threads.len()
        && sent.threads.iter().zip(&threads).all(|(sent, found)| is_same(sent, found));
    if !is_marked && !begins_alike {
        return Judged::Foreign;
    }
    let differences = compare(sent, found);
    if differences.missing.is_empty() && !differences.fields {
        // Without a marker, what else differs makes it somebody else's: two records may begin alike.
        if is_marked || differences.altered.is_empty() { Judged::Whole } else { Judged::Foreign }
    } else if is_marked && threads.len() > sent.threads.len() {
        // Somebody has written in it since: it is complete, and nothing of it may be deleted.
        Judged::Whole
    } else {
        Judged::Half
    }
}

/// Ids of threads and attachments as FreeScout gave them, by the ordinal of the thread that was sent.
pub(super) fn remote_ids(found: &wire::Conversation, count: usize) -> Vec<(u32, u64, Vec<u64>)> {
    let threads = written(found.threads());
    if threads.len() != count {
        return Vec::new();
    }
    let ids = |thread: &wire::Thread| thread.attachments().iter().map(|file| file.id.unwrap_or(0)).collect();
    (0_u32..).zip(threads).map(|(ordinal, thread)| (ordinal, thread.id, ids(thread))).collect()
}

/// The thread of a conversation that an append has made, if it has: same time, kind and text. A conversation may say
/// the same thing twice in one second, so the `nth` of those that are alike is asked for, from 0 and the lowest id on.
pub(super) fn appended<'a>(sent: &NewThread, nth: usize, found: &'a wire::Conversation) -> Option<&'a wire::Thread> {
    written(found.threads()).into_iter().filter(|thread| is_same(sent, thread)).nth(nth)
}

/// Whether a thread reads back as the one that was sent, as far as time, kind and text go.
pub(super) fn is_same(sent: &NewThread, found: &wire::Thread) -> bool {
    found.created_at == Some(sent.created_at)
        && found.kind == sent.kind.word()
        && bare(found.body.as_deref().unwrap_or_default()) == bare(&sent.text)
}
