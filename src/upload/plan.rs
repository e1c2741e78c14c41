//! A conversation as it will be sent: names become ids, and what must be found again gets its marks.
//!
//! Pure. The same conversation, directory and customers give the same plan, byte for byte, so that
//! a later run recognises what an earlier one has sent.

use std::collections::{HashMap, HashSet, VecDeque};

use super::compare::is_same;
use crate::content::Content;
use crate::conversation::{Author, Conversation, Customer, Thread, ThreadKind, UserRef, credit_line};
use crate::finding::{Finding, codes};
use crate::freescout::{ContentHash, Directory, NewAttachment, NewConversation, NewThread, wire};
use crate::journal::{AttachmentRow, ConversationDigests, Digest, Key, ThreadDigests, ThreadRow};
use crate::record::RecordId;

/// What stands around the threads of a create, and a little more: ids, times, subject up to 998 characters.
const ENVELOPE: u64 = 8 * 1024;

/// How the marker begins: an HTML comment that FreeScout stores and shows nowhere (`exactly-once.md`).
const MARKER: &str = "<!-- foxferry:";

/// A conversation that is ready to be sent.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    /// The conversation with all its threads, oldest first.
    pub(super) new: NewConversation,
    /// How many of the oldest threads the create carries; the others are appended.
    pub(super) carried: usize,
    /// The tags, set after everything else.
    pub(super) tags: Vec<String>,
    /// The mark in the oldest thread; `None`: the operator wants none.
    pub(super) marker: Option<String>,
    /// Where it is looked for.
    pub(super) key: Key,
    /// What the journal keeps of it.
    pub(super) digests: ConversationDigests,
    /// What the journal keeps of its threads.
    pub(super) rows: Vec<ThreadRow>,
    /// For each thread, how it would go as a note.
    bylines: Vec<Byline>,
}

/// Whose note a thread becomes when it may not go as what it is, and whom the note names.
#[derive(Debug, Clone)]
struct Byline {
    /// The user who is credited; `None`: the target has none.
    user: Option<u64>,
    /// The writer, before the text; `None`: the text says so already.
    name: Option<String>,
}

/// One way in which a thread can have been sent.
#[derive(Debug)]
pub(super) struct Form {
    /// The thread as it was sent.
    pub(super) thread: NewThread,
    /// How many threads before it read alike.
    pub(super) nth: usize,
}

/// The mark of a record: short, and made of nothing but its identity.
pub(super) fn marker_of(id: &RecordId) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(id.source.as_bytes());
    hasher.update(&[0]);
    hasher.update(id.original.as_bytes());
    hasher.finalize().to_hex()[..16].to_owned()
}

/// The mark that a text carries.
pub(super) fn marker_in(text: &str) -> Option<&str> {
    let start = text.rfind(MARKER)? + MARKER.len();
    let (mark, _) = text[start..].split_once("-->")?;
    Some(mark.trim())
}

/// A text as it is compared: without the marker, without blanks at both ends, which FreeScout trims.
pub(crate) fn bare(text: &str) -> &str {
    let text = match text.rfind(MARKER) {
        Some(start) if text[start..].trim_end().ends_with("-->") => &text[..start],
        _ => text,
    };
    text.trim()
}

/// A short digest of one value.
pub(super) fn digest(value: &str) -> Digest {
    let mut digest = Digest::default();
    digest.copy_from_slice(&blake3::hash(value.as_bytes()).as_bytes()[..8]);
    digest
}

/// The mailbox's id, or why there is none.
pub(super) fn mailbox_of(conversation: &Conversation, directory: &Directory) -> Result<u64, String> {
    let found = match &conversation.mailbox {
        Some(name) => directory.mailbox_by(name),
        None => directory.only_mailbox(),
    };
    found.map(|entry| entry.mailbox.id).ok_or_else(|| {
        let known: Vec<_> = directory.mailboxes.iter().map(|entry| format!("`{}`", entry.mailbox.email)).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        match &conversation.mailbox {
            Some(name) => format!("the target has no mailbox `{name}`; it has {known}"),
            None => format!("no rule names a mailbox, and the target has several: {known}"),
        }
    })
}

/// Everybody outside who takes part, each once, the conversation's own customer first.
pub(super) fn people_of(conversation: &Conversation) -> Vec<&Customer> {
    let authors = conversation.threads.iter().filter_map(|thread| match &thread.author {
        Author::Customer(customer) => Some(customer),
        Author::User(_) => None,
    });
    let mut seen = HashSet::new();
    std::iter::once(&conversation.customer)
        .chain(authors)
        .filter(|customer| seen.insert(customer.key.as_str()))
        .collect()
}

impl Plan {
    /// Makes the plan. `customers` has the id of everybody in [`people_of`], by key.
    ///
    /// Fails with a sentence for people if the target has nobody who could be credited.
    pub(super) fn make(
        conversation: Conversation,
        mailbox: u64,
        customers: &HashMap<String, u64>,
        directory: &Directory,
        has_marker: bool,
        findings: &mut Vec<Finding>,
    ) -> Result<Self, String> {
        let about = |finding: Finding| finding.about(&conversation.id, &conversation.origin);
        let id_of = |customer: &Customer| {
            customers.get(&customer.key).copied().ok_or_else(|| format!("`{}` is no customer yet", customer.key))
        };
        let customer_id = id_of(&conversation.customer)?;
        let assign_to = match &conversation.assignee {
            None => None,
            Some(UserRef::FirstAdministrator) => directory.first_administrator().map(|user| user.id),
            Some(UserRef::Address(address)) => {
                let user = directory.user_by(address);
                if user.is_none() {
                    findings.push(about(
                        Finding::new(
                            codes::TARGET_UNKNOWN_USER,
                            format!("the target has no user `{address}`; the conversation is left unassigned"),
                        )
                        .in_field("assignee"),
                    ));
                }
                user.map(|user| user.id)
            }
        };
        let custom_fields = fields_of(&conversation, mailbox, directory, findings);
        let marker = has_marker.then(|| marker_of(&conversation.id));
        let mut threads = Vec::with_capacity(conversation.threads.len());
        let mut rows = Vec::with_capacity(conversation.threads.len());
        let mut bylines = Vec::with_capacity(conversation.threads.len());
        for (at, thread) in conversation.threads.into_iter().enumerate() {
            let (user, customer_id, credit) = match &thread.author {
                Author::Customer(customer) => (None, id_of(customer)?, None),
                Author::User(user) => {
                    let (user, credit) = user_of(user, directory)?;
                    (Some(user), customer_id, credit)
                }
            };
            if let Some(address) = &credit {
                findings.push(
                    Finding::new(
                        codes::TARGET_UNKNOWN_USER,
                        format!(
                            "the target has no user `{address}`; the first administrator was used and the writer named in the text"
                        ),
                    )
                    .about(&conversation.id, &conversation.origin)
                    .in_field(format!("threads[{at}]")),
                );
            }
            bylines.push(byline_of(&thread, user, directory));
            let entry = thread.entry.clone();
            let shown = credit.map(|address| thread.shown_name.clone().unwrap_or(address));
            let new = new_thread(thread, user, customer_id, shown.as_deref());
            rows.push(row_of(&new, entry));
            threads.push(new);
        }
        let key = Key {
            mailbox,
            opened_at: conversation.created_at.as_second(),
            digest: key_digest(&conversation.subject, &rows, marker.as_deref()),
        };
        if let (Some(marker), Some(oldest)) = (&marker, threads.first_mut()) {
            oldest.text.push_str(&format!("{MARKER}{marker} -->"));
        }
        let new = NewConversation {
            subject: conversation.subject,
            kind: conversation.kind,
            mailbox_id: mailbox,
            customer_id,
            status: conversation.status,
            assign_to,
            created_at: conversation.created_at,
            closed_at: conversation.closed_at,
            custom_fields,
            threads,
        };
        let digests = digests_of(&new, &conversation.tags);
        let carried = new.threads.len();
        Ok(Self { new, carried, tags: conversation.tags, marker, key, digests, rows, bylines })
    }

    /// Lets the create carry only what fits into `budget` bytes, the oldest threads first and at least one.
    /// Says whether something is left for appending.
    pub(super) fn split(&mut self, budget: u64) -> bool {
        let total = self.new.threads.len();
        if total == 1 || self.new.body_length() <= budget {
            self.carried = total;
            return false;
        }
        let mut length = ENVELOPE;
        self.carried = 0;
        for thread in &self.new.threads {
            length += thread.body_length();
            if self.carried > 0 && length > budget {
                break;
            }
            self.carried += 1;
        }
        self.carried < total
    }

    /// What the create sends.
    pub(super) fn create(&self) -> NewConversation {
        let mut new = self.new.clone();
        new.threads.truncate(self.carried);
        new
    }

    /// Puts the threads into the order in which an earlier archive's were sent, those that are new behind them, oldest first.
    /// Says for each of the earlier ones whether it is still there; one that is not leaves an empty place.
    pub(super) fn align(&mut self, sent: &[&str]) -> Vec<bool> {
        let mut places: HashMap<&str, VecDeque<usize>> = HashMap::new();
        for (at, row) in self.rows.iter().enumerate() {
            places.entry(&row.entry).or_default().push_back(at);
        }
        let found: Vec<Option<usize>> =
            sent.iter().map(|entry| places.get_mut(entry).and_then(VecDeque::pop_front)).collect();
        let mut rest: Vec<usize> = places.into_values().flatten().collect();
        rest.sort_unstable();
        let (mut threads, mut rows, mut bylines): (Vec<_>, Vec<_>, Vec<_>) = (
            std::mem::take(&mut self.new.threads).into_iter().map(Some).collect(),
            std::mem::take(&mut self.rows).into_iter().map(Some).collect(),
            std::mem::take(&mut self.bylines).into_iter().map(Some).collect(),
        );
        let order = found.iter().copied().chain(rest.into_iter().map(Some));
        for (ordinal, at) in order.enumerate() {
            let taken = at.and_then(|at| Some((threads[at].take()?, rows[at].take()?, bylines[at].take()?)));
            let (thread, row, byline) = taken.unwrap_or_else(|| {
                let thread = no_thread();
                let entry = sent.get(ordinal).copied().unwrap_or_default().to_owned();
                (thread.clone(), row_of(&thread, entry), Byline { user: None, name: None })
            });
            self.new.threads.push(thread);
            self.rows.push(row);
            self.bylines.push(byline);
        }
        self.carried = sent.len();
        found.iter().map(Option::is_some).collect()
    }

    /// What an append sends: with the final status, since a thread without one would change it.
    pub(super) fn append(&self, ordinal: usize) -> NewThread {
        let mut thread = self.new.threads[ordinal].clone();
        thread.status = Some(self.new.status);
        thread
    }

    /// What an append sends where somebody else has written since: a note that names the writer. It has no status, so that
    /// it leaves the conversation's as it is. Of notes themselves, and where the target has nobody to write it, `None`.
    pub(super) fn note(&self, ordinal: usize) -> Option<NewThread> {
        let thread = &self.new.threads[ordinal];
        let byline = &self.bylines[ordinal];
        if thread.kind == ThreadKind::Note {
            return None;
        }
        let lead = byline.name.as_deref().map(credit_line).unwrap_or_default();
        Some(NewThread {
            kind: ThreadKind::Note,
            text: format!("{lead}{}", bare(&thread.text)),
            user: Some(byline.user?),
            customer_id: Some(self.new.customer_id),
            cc: Vec::new(),
            bcc: Vec::new(),
            status: None,
            ..thread.clone()
        })
    }

    /// What the journal keeps of a thread that goes as `thread` instead.
    pub(super) fn row_as(&self, ordinal: usize, thread: &NewThread) -> ThreadRow {
        row_of(thread, self.rows[ordinal].entry.clone())
    }

    /// Every way in which a thread can have been sent.
    pub(super) fn forms(&self, ordinal: usize) -> Vec<Form> {
        let own = Form { thread: self.new.threads[ordinal].clone(), nth: self.alike_before(ordinal) };
        let note = self.note(ordinal).map(|thread| {
            let is_alike = |at: &usize| self.note(*at).is_some_and(|note| is_alike(&note, &thread));
            let same_second = |at: &usize| self.new.threads[*at].created_at == thread.created_at;
            Form { nth: (0..ordinal).filter(same_second).filter(is_alike).count(), thread }
        });
        std::iter::once(own).chain(note).collect()
    }

    /// The hashes of attachments that were read only while they were sent, of these threads.
    pub(super) fn hashes(&self, ordinals: std::ops::Range<usize>) -> Vec<(u32, u32, [u8; 16])> {
        let mut hashes = Vec::new();
        for ordinal in ordinals {
            let files = self.new.threads[ordinal].attachments.iter().zip(&self.rows[ordinal].attachments);
            for (place, (file, _)) in files.enumerate().filter(|(_, (_, row))| row.hash.is_none()) {
                if let (Ok(thread), Ok(place), Some(hash)) =
                    (u32::try_from(ordinal), u32::try_from(place), file.hash.get())
                {
                    hashes.push((thread, place, hash));
                }
            }
        }
        hashes
    }

    /// Whether any thread stands in a conversation as a note that stands in for it.
    pub(super) fn has_notes_in(&self, found: &wire::Conversation) -> bool {
        let threads = &self.new.threads;
        (0..threads.len())
            .filter_map(|at| self.note(at))
            .any(|note| found.threads().iter().any(|thread| is_same(&note, thread)))
    }

    /// How many threads before this one read like it: same time, kind and text.
    pub(super) fn alike_before(&self, ordinal: usize) -> usize {
        let of = |row: &ThreadRow| (row.digests.kind, row.digests.time, row.digests.body);
        let own = of(&self.rows[ordinal]);
        self.rows[..ordinal].iter().filter(|row| of(row) == own).count()
    }

    /// Whether appended threads belong to other customers, so that the conversation has to be given back.
    pub(super) fn appends_others(&self) -> bool {
        self.new.threads[self.carried..]
            .iter()
            .any(|thread| thread.user.is_none() && thread.customer_id != Some(self.new.customer_id))
    }
}

/// Stands where a thread was that the archive no longer has; never sent.
fn no_thread() -> NewThread {
    NewThread {
        kind: ThreadKind::Note,
        text: String::new(),
        user: None,
        customer_id: None,
        cc: Vec::new(),
        bcc: Vec::new(),
        created_at: jiff::Timestamp::UNIX_EPOCH,
        status: None,
        attachments: Vec::new(),
    }
}

/// The user's id, and the address to be named in the text when somebody else has to stand in.
fn user_of(user: &UserRef, directory: &Directory) -> Result<(u64, Option<String>), String> {
    let stand_in = || {
        directory
            .first_administrator()
            .or_else(|| directory.users.first())
            .map(|user| user.id)
            .ok_or_else(|| "the target has no user who could be credited with a reply".to_owned())
    };
    match user {
        UserRef::FirstAdministrator => Ok((stand_in()?, None)),
        UserRef::Address(address) => match directory.user_by(address) {
            Some(user) => Ok((user.id, None)),
            None => Ok((stand_in()?, Some(address.clone()))),
        },
    }
}

fn byline_of(thread: &Thread, user: Option<u64>, directory: &Directory) -> Byline {
    match &thread.author {
        Author::Customer(customer) => {
            let name = format!("{} {}", customer.first_name, customer.last_name);
            let address = customer.emails.first().filter(|_| !customer.is_stand_in);
            let name = match (name.trim(), address) {
                ("", Some(address)) => address.clone(),
                ("", None) => customer.key.clone(),
                (name, Some(address)) => format!("{name} ({address})"),
                (name, None) => name.to_owned(),
            };
            let user = user_of(&UserRef::FirstAdministrator, directory).ok().map(|(id, _)| id);
            Byline { user, name: Some(name) }
        }
        Author::User(_) => {
            let known = directory.users.iter().find(|known| Some(known.id) == user);
            let name = known.map(|user| {
                let name = format!(
                    "{} {}",
                    user.first_name.as_deref().unwrap_or_default(),
                    user.last_name.as_deref().unwrap_or_default()
                );
                if name.trim().is_empty() { user.email.clone() } else { name.trim().to_owned() }
            });
            // Somebody who stands in has named the writer already, here or in the mapping.
            let is_named = thread.body.starts_with("<p><em>") || directory_lacks(&thread.author, directory);
            Byline { user, name: name.filter(|_| !is_named) }
        }
    }
}

fn directory_lacks(author: &Author, directory: &Directory) -> bool {
    matches!(author, Author::User(UserRef::Address(address)) if directory.user_by(address).is_none())
}

/// Whether two threads read alike.
fn is_alike(one: &NewThread, other: &NewThread) -> bool {
    one.created_at == other.created_at && one.kind == other.kind && bare(&one.text) == bare(&other.text)
}

fn new_thread(thread: Thread, user: Option<u64>, customer_id: u64, credit: Option<&str>) -> NewThread {
    let text = match credit {
        Some(name) => format!("{}{}", credit_line(name), thread.body),
        None => thread.body,
    };
    let attachments = thread.attachments.into_iter().map(|file| NewAttachment {
        file_name: file.name,
        mime_type: file.mime,
        content: file.content,
        hash: ContentHash::default(),
    });
    NewThread {
        kind: thread.kind,
        text,
        user,
        customer_id: Some(customer_id),
        cc: thread.cc,
        bcc: thread.bcc,
        created_at: thread.created_at,
        status: None,
        attachments: attachments.collect(),
    }
}

/// Custom fields by id, dropdown labels as option ids; what the mailbox does not have is a finding.
fn fields_of(
    conversation: &Conversation,
    mailbox: u64,
    directory: &Directory,
    findings: &mut Vec<Finding>,
) -> Vec<(u64, String)> {
    let mut fields: Vec<(u64, String)> = Vec::new();
    for (name, value) in &conversation.fields {
        let value = value.trim();
        // A blank is dropped by FreeScout and cannot be told from an unset field.
        if value.is_empty() {
            continue;
        }
        let field = directory.field(mailbox, name);
        let known = field.and_then(|field| {
            if !field.is_dropdown() {
                return Some((field.id, value.to_owned()));
            }
            let same = |label: &str| label.trim().to_lowercase() == value.to_lowercase();
            let option = field.options.iter().find(|(_, label)| same(label));
            option.map(|(id, _)| (field.id, id.clone()))
        });
        match known {
            Some(known) if fields.iter().all(|(id, _)| *id != known.0) => fields.push(known),
            Some(_) => {}
            None => {
                let what = match field {
                    None => format!("the mailbox has no custom field `{name}`; its value `{value}` was left out"),
                    Some(_) => format!("the custom field `{name}` has no option `{value}`; it was left unset"),
                };
                findings.push(
                    Finding::new(codes::TARGET_UNKNOWN_FIELD, what)
                        .about(&conversation.id, &conversation.origin)
                        .in_field(format!("fields.{name}")),
                );
            }
        }
    }
    fields
}

/// Addresses as they are compared: as a set, without regard to case.
pub(super) fn addresses(list: &[String]) -> Vec<String> {
    let mut list: Vec<_> = list.iter().map(|address| address.trim().to_lowercase()).collect();
    list.sort();
    list.dedup();
    list
}

fn author_of(thread: &NewThread) -> String {
    match thread.user {
        Some(user) => format!("user:{user}"),
        None => format!("customer:{}", thread.customer_id.unwrap_or_default()),
    }
}

/// The digests of a thread that was read back or is about to be sent.
pub(super) fn thread_digests(
    kind: &str,
    author: &str,
    second: Option<i64>,
    body: &str,
    cc: &[String],
    bcc: &[String],
) -> ThreadDigests {
    ThreadDigests {
        kind: digest(kind),
        author: digest(author),
        time: digest(&second.map(|second| second.to_string()).unwrap_or_default()),
        body: digest(bare(body)),
        cc: digest(&addresses(cc).join("\n")),
        bcc: digest(&addresses(bcc).join("\n")),
    }
}

fn row_of(thread: &NewThread, entry: String) -> ThreadRow {
    let attachments = thread.attachments.iter().map(|file| AttachmentRow {
        name: file.file_name.clone(),
        size: file.content.length().unwrap_or(0),
        hash: match &file.content {
            Content::Bytes(bytes) => blake3::hash(bytes).as_bytes()[..16].try_into().ok(),
            // Reading a file only for its hash would double the work of a large import: it is known when it is sent.
            _ => None,
        },
    });
    ThreadRow {
        entry,
        kind: thread.kind.word(),
        digests: thread_digests(
            thread.kind.word(),
            &author_of(thread),
            Some(thread.created_at.as_second()),
            &thread.text,
            &thread.cc,
            &thread.bcc,
        ),
        attachments: attachments.collect(),
    }
}

/// Subject and threads as they will read back. With a marker, no two records have equal keys.
fn key_digest(subject: &str, rows: &[ThreadRow], marker: Option<&str>) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(subject.trim().as_bytes());
    for row in rows {
        let ThreadDigests { kind, author, time, body, cc, bcc } = row.digests;
        for digest in [kind, author, time, body, cc, bcc] {
            hasher.update(&digest);
        }
        for attachment in &row.attachments {
            hasher.update(&attachment.size.to_le_bytes());
        }
    }
    hasher.update(marker.unwrap_or_default().as_bytes());
    let mut digest = [0; 16];
    digest.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    digest
}

/// A subject as FreeScout keeps it.
pub(super) fn kept_subject(subject: &str) -> String {
    subject.trim().chars().take(998).collect::<String>().trim_end().to_owned()
}

fn digests_of(new: &NewConversation, tags: &[String]) -> ConversationDigests {
    let mut tags: Vec<_> = tags.to_vec();
    tags.sort();
    let mut fields: Vec<_> = new.custom_fields.iter().map(|(id, value)| format!("{id}={value}")).collect();
    fields.sort();
    let time = |time: Option<jiff::Timestamp>| time.map(|time| time.as_second().to_string()).unwrap_or_default();
    ConversationDigests {
        mailbox: digest(&new.mailbox_id.to_string()),
        kind: digest(new.kind.word()),
        status: digest(new.status.word()),
        subject: digest(&kept_subject(&new.subject)),
        customer: digest(&new.customer_id.to_string()),
        assignee: digest(&new.assign_to.map(|id| id.to_string()).unwrap_or_default()),
        created_at: digest(&time(Some(new.created_at))),
        closed_at: digest(&time(new.closed_at)),
        tags: digest(&tags.join("\n")),
        fields: digest(&fields.join("\n")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_is_found_again_and_left_out_of_comparisons() {
        let marker = marker_of(&RecordId::new("zendesk", "4711"));
        assert_eq!(marker.len(), 16);
        assert_ne!(marker, marker_of(&RecordId::new("zendesk", "4712")));
        let text = format!("<p>Hello</p>{MARKER}{marker} -->");
        assert_eq!(marker_in(&text), Some(marker.as_str()));
        for (name, text, expected) in [
            ("marked", text.as_str(), "<p>Hello</p>"),
            ("plain", " <p>Hello</p>\n", "<p>Hello</p>"),
            ("quoted in the middle", "<p>a</p><!-- foxferry:00 --><p>b</p>", "<p>a</p><!-- foxferry:00 --><p>b</p>"),
        ] {
            assert_eq!(bare(text), expected, "{name}");
        }
    }
}
