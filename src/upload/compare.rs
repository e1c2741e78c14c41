//! What FreeScout says it has made, beside what was sent.
//!
//! A 201 is a claim, not a proof: FreeScout answers 201 after dropping threads
//! and attachments (`freescout-behaviour.md`, trap 1). The rule is the one of `docs/journal.md`: mailbox, subject, times,
//! status, kind, assignee, customer, who began it, the count, the fields, and every thread with its author, text, copies
//! and files. Pure.

use super::late::reads_back;
use super::plan::{Plan, addresses, bare, kept_subject, marker_in};
use crate::check::stored_file_name;
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
    /// The record's and cut short, but somebody has worked on it since: nothing of it may be deleted.
    Touched,
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

/// Threads as they were written, each beside the one that was sent as far as times tell. In the hour that summer time
/// repeats they come back out of order; then their ids, which ascend as they were written, are the order.
fn beside<'a>(sent: &[NewThread], found: &'a wire::Conversation) -> Vec<&'a wire::Thread> {
    let by_time = written(found.threads());
    let fits = |found: &[&wire::Thread]| sent.iter().zip(found).all(|(s, f)| reads_back(s.created_at, f.created_at));
    if fits(&by_time) {
        return by_time;
    }
    let mut by_id = by_time.clone();
    by_id.sort_by_key(|thread| thread.id);
    if fits(&by_id) { by_id } else { by_time }
}

/// Who a thread is credited to: kind and id.
fn author_of(sent: &NewThread) -> (&'static str, Option<u64>) {
    match sent.user {
        Some(user) => ("user", Some(user)),
        None => ("customer", sent.customer_id),
    }
}

fn is_by(person: &wire::Person, (kind, id): (&str, Option<u64>)) -> bool {
    person.kind == kind && person.id == id
}

/// Compares one thread; `place` names it in the phrases.
pub(super) fn compare_thread(sent: &NewThread, found: &wire::Thread, place: &str, differences: &mut Differences) {
    if found.kind != sent.kind.word() {
        differences.altered.push(format!("{place} is a {} instead of a {}", found.kind, sent.kind));
    }
    if found.created_at != Some(sent.created_at) {
        let there = found.created_at.map_or("no time".to_owned(), |time| time.to_string());
        if reads_back(sent.created_at, found.created_at) {
            differences.known.push(format!("{place} reads back as {there}: {} {LATE}", sent.created_at));
        } else {
            differences.altered.push(format!("{place} has {there} instead of {}", sent.created_at));
        }
    }
    match &found.created_by {
        None => differences.missing.push(format!("the author of {place} is missing")),
        Some(author) if !is_by(author, author_of(sent)) => {
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
        let name = &sent.file_name;
        if found.size.is_some() && found.size != sent.content.length() {
            if is_svg(name, &sent.mime_type) {
                differences.known.push(format!("the drawing `{name}` of {place} was rewritten"));
            } else {
                differences.altered.push(format!("the attachment `{name}` of {place} has another size"));
            }
        }
        // The renaming that is expected was told before anything was sent.
        if found.file_name != *name && found.file_name != stored_file_name(name) {
            differences.known.push(format!("the attachment `{name}` of {place} is called `{}`", found.file_name));
        }
    }
}

/// Why a time that is later than the one sent is as it should be.
const LATE: &str = "is in the hour that comes twice when summer time ends";

/// Compares a conversation with the request that made it.
pub(super) fn compare(sent: &NewConversation, found: &wire::Conversation) -> Differences {
    let mut differences = Differences::default();
    let threads = beside(&sent.threads, found);
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
    compare_head(sent, found, &mut differences);
    differences
}

/// Compares a complete plan with what is there, where somebody may have worked since.
///
/// What others have written is no difference as long as everything of ours is there; what they have changed is told.
/// `has_notes` says that some of it went as notes.
pub(super) fn compare_there(plan: &Plan, found: &wire::Conversation, has_notes: bool) -> Differences {
    let whole = compare(&plan.new, found);
    if !has_notes && (whole.is_none() || strangers(plan, found) == 0) {
        return whole;
    }
    let mut differences = Differences::default();
    for ordinal in 0..plan.new.threads.len() {
        let place = format!("thread {}", ordinal + 1);
        match plan.forms(ordinal).into_iter().find_map(|form| Some((appended(&form.thread, form.nth, found)?, form))) {
            Some((there, form)) => compare_thread(&form.thread, there, &place, &mut differences),
            None => differences.missing.push(format!("{place} is missing")),
        }
    }
    if !differences.is_none() && !has_notes {
        return whole;
    }
    // Whoever works on it now may change the rest of it.
    let mut head = Differences::default();
    compare_head(&plan.new, found, &mut head);
    differences.known.extend(head.missing.into_iter().chain(head.altered).chain(head.known));
    if head.customer {
        differences.known.push("it belongs to another customer".to_owned());
    }
    if head.fields {
        differences.known.push("custom fields are not as sent".to_owned());
    }
    differences.known.push(match strangers(plan, found) {
        1 => "one thread in it is somebody else's".to_owned(),
        count => format!("{count} threads in it are somebody else's"),
    });
    differences
}

/// How many threads and line items of a conversation are nobody's of ours.
pub(super) fn strangers(plan: &Plan, found: &wire::Conversation) -> usize {
    let forms: Vec<_> = (0..plan.new.threads.len()).flat_map(|ordinal| plan.forms(ordinal)).collect();
    let ours = |thread: &wire::Thread| forms.iter().any(|form| is_same(&form.thread, thread));
    found.threads().iter().filter(|thread| !ours(thread)).count()
}

fn compare_head(sent: &NewConversation, found: &wire::Conversation, differences: &mut Differences) {
    let mut differs = |what: &str, is: bool| {
        if is {
            differences.altered.push(format!("the {what} differs"));
        }
    };
    let is_back = |sent: Option<jiff::Timestamp>, found: Option<jiff::Timestamp>| {
        sent.map_or(found.is_none(), |sent| reads_back(sent, found))
    };
    differs("mailbox", found.mailbox_id != Some(sent.mailbox_id));
    differs("subject", found.subject.trim() != kept_subject(&sent.subject));
    differs("time of opening", !is_back(Some(sent.created_at), found.created_at));
    differs("time of closing", !is_back(sent.closed_at, found.closed_at));
    differs("status", found.status != sent.status.word());
    differs("kind", found.kind != sent.kind.word());
    differs("assignee", found.assignee.as_ref().and_then(|person| person.id) != sent.assign_to);
    for (what, sent, found) in
        [("opening", Some(sent.created_at), found.created_at), ("closing", sent.closed_at, found.closed_at)]
    {
        if let (Some(sent), Some(found)) = (sent, found)
            && found != sent
            && reads_back(sent, Some(found))
        {
            differences.known.push(format!("the time of {what} reads back as {found}: {sent} {LATE}"));
        }
    }
    match (&found.created_by, begun_by(sent)) {
        (None, _) => differences.missing.push("FreeScout does not say who began it".to_owned()),
        (Some(person), Some(author)) if !is_by(person, author) => {
            differences.altered.push("it was begun by somebody else".to_owned());
        }
        _ => {}
    }
    differences.customer = found.customer.as_ref().and_then(|person| person.id) != Some(sent.customer_id);
    let fields = found.custom_fields.as_deref().unwrap_or_default();
    differences.fields = sent
        .custom_fields
        .iter()
        .any(|(id, value)| fields.iter().find(|field| field.id == *id).is_none_or(|field| field.value.trim() != value));
}

/// Who FreeScout says began a conversation. Where notes come first it names whom it wrote last while it had not counted
/// a thread, differently from core to core; then `None`.
fn begun_by(sent: &NewConversation) -> Option<(&'static str, Option<u64>)> {
    sent.threads.first().filter(|thread| thread.kind.word() != "note").map(author_of)
}

/// Whose a conversation is that was found where the record's is looked for.
pub(super) fn judge(sent: &NewConversation, marker: Option<&str>, found: &wire::Conversation) -> Judged {
    let threads = written(found.threads());
    let mark = threads.iter().find_map(|thread| marker_in(thread.body.as_deref()?));
    let is_marked = marker.is_some() && marker == mark;
    if marker.is_some() && mark.is_some() && !is_marked {
        // Another record's.
        return Judged::Foreign;
    }
    // The marker is in the oldest thread, which is written first: threads without it are not ours.
    if marker.is_some() && mark.is_none() && !threads.is_empty() {
        return Judged::Foreign;
    }
    let begins_alike = threads.len() <= sent.threads.len()
        && sent.threads.iter().zip(beside(&sent.threads, found)).all(|(sent, found)| is_same(sent, found));
    if !is_marked && !begins_alike {
        return Judged::Foreign;
    }
    let differences = compare(sent, found);
    if differences.missing.is_empty() && !differences.fields {
        // Without a marker, what else differs makes it somebody else's: two records may begin alike.
        return if is_marked || differences.altered.is_empty() { Judged::Whole } else { Judged::Foreign };
    }
    let has_ours = |sent: &NewThread| threads.iter().any(|thread| is_same(sent, thread));
    if is_marked && is_touched(&sent.threads, found) {
        // Somebody has written in it since.
        return if sent.threads.iter().all(has_ours) { Judged::Whole } else { Judged::Touched };
    }
    Judged::Half
}

/// Whether anything in a conversation is none of the threads that were sent.
fn is_touched(sent: &[NewThread], found: &wire::Conversation) -> bool {
    found.threads().iter().any(|thread| !sent.iter().any(|sent| is_of_time(sent, thread)))
}

/// Ids of threads and attachments as FreeScout gave them, by the ordinal of the thread that was sent.
pub(super) fn remote_ids(sent: &[NewThread], found: &wire::Conversation) -> Vec<(u32, u64, Vec<u64>)> {
    let mut rest = beside(sent, found);
    let ids = |thread: &wire::Thread| thread.attachments().iter().map(|file| file.id.unwrap_or(0)).collect();
    let mut remote = Vec::with_capacity(rest.len());
    for (ordinal, sent) in (0_u32..).zip(sent) {
        // One that is missing, or somebody else's between ours, does not move the others.
        if let Some(at) = rest.iter().position(|found| is_of_time(sent, found)) {
            let thread = rest.remove(at);
            remote.push((ordinal, thread.id, ids(thread)));
        }
    }
    remote
}

/// Whether a thread may be the one that was sent, whatever became of its text: others write now, not then.
fn is_of_time(sent: &NewThread, found: &wire::Thread) -> bool {
    reads_back(sent.created_at, found.created_at) && found.kind == sent.kind.word()
}

/// The thread of a conversation that an append has made, if it has: same time, kind and text. A conversation may say
/// the same thing twice in one second, so the `nth` of those that are alike is asked for, from 0 and the lowest id on.
pub(super) fn appended<'a>(sent: &NewThread, nth: usize, found: &'a wire::Conversation) -> Option<&'a wire::Thread> {
    written(found.threads()).into_iter().filter(|thread| is_same(sent, thread)).nth(nth)
}

/// Whether a thread reads back as the one that was sent, as far as time, kind and text go.
pub(super) fn is_same(sent: &NewThread, found: &wire::Thread) -> bool {
    reads_back(sent.created_at, found.created_at)
        && found.kind == sent.kind.word()
        && bare(found.body.as_deref().unwrap_or_default()) == bare(&sent.text)
}
