//! What a newer archive has for conversations that are done. `docs/delta.md` has the table.
//!
//! Promises:
//!
//! - New entries are appended, each once; what is there is never altered, unless the operator asks for tags, fields or status.
//! - An entry is known by its own id, wherever it stands now, and whichever record has it.
//! - What the archive has otherwise than it was sent is said.

use std::collections::{HashMap, HashSet};

use super::carry::{Carrier, End, Job, pending_appends};
use super::compare::{self, Differences, appended, strangers};
use super::line::{Failure, Halt, Who};
use super::plan::{self, Plan, digest};
use crate::conversation::{Conversation, Status};
use crate::finding::codes;
use crate::freescout::{Change, ConversationChange, Embed, wire};
use crate::journal::{
    ConversationDigests, Elsewhere, Settlement, StepId, StepKind, StepState, ThreadDigests, ThreadRow, ThreadSeen,
};
use crate::mapping::Mapped;
use crate::record::{Origin, RecordId};
use crate::report::Outcome;
use crate::report::figures::counted;

/// The source family whose entries have ids that are their own everywhere: Message-IDs.
const MAIL: &str = "mbox";

/// Equal times are made distinct by whole seconds, so that a new entry can move its neighbours; not by more than this.
const MOST_SHIFT: i64 = 120;

/// Phrases in one finding.
const MOST_PHRASES: usize = 6;

/// What an earlier run has sent.
struct Sent {
    digests: Option<ConversationDigests>,
    threads: Vec<ThreadSeen>,
    /// Appends that were sent and never heard of.
    pending: Vec<StepId>,
    /// The threads whose append had no effect, or none that is known.
    unsettled: HashSet<usize>,
}

impl Sent {
    /// Whether this thread was to be appended and is not, as far as the journal knows.
    fn lacks(&self, ordinal: usize) -> bool {
        let thread = &self.threads[ordinal];
        thread.remote.is_none() && (thread.sent_at.is_none() || self.unsettled.contains(&ordinal))
    }

    fn entries(&self) -> Vec<&str> {
        self.threads.iter().map(|thread| thread.entry.as_str()).collect()
    }
}

impl Carrier {
    /// The record that has the messages of this one already, which the journal does not know: a late message can become the
    /// first of a conversation, and give it its name.
    pub(super) async fn host_of(&self, who: &Who, mapped: &Mapped) -> Result<Option<Elsewhere>, Halt> {
        if !self.had_done || crate::source::family(&who.id.source) != MAIL {
            return Ok(None);
        }
        let id = who.id.clone();
        if self.line.journal.view(move |view| view.is_known(&id)).await? {
            return Ok(None);
        }
        let entries = mapped.conversation.threads.iter().map(|thread| thread.entry.clone()).collect();
        let found = self.line.journal.elsewhere(&who.id, entries).await?;
        let mut counts: HashMap<i64, usize> = HashMap::new();
        for one in &found {
            *counts.entry(one.record.number()).or_default() += 1;
        }
        // The one that has most of it, the oldest of several.
        let host =
            found.into_iter().min_by_key(|one| (std::cmp::Reverse(counts[&one.record.number()]), one.record.number()));
        Ok(host)
    }

    /// Carries a record that the archive has under another id than it was sent with.
    pub(super) async fn carry_joined(
        &self,
        who: Who,
        host: Elsewhere,
        mapped: Mapped,
        slot: tokio::sync::OwnedSemaphorePermit,
    ) -> Result<(RecordId, Origin, End), Halt> {
        if !host.is_done {
            let reason =
                format!("its messages are those of `{}`, which is not done; `retry` that one first", host.id.original);
            let admission = self.admission(&who.id, &who.origin, Vec::new());
            self.line.journal.set_aside(admission, Outcome::Rejected, &reason).await?;
            return Ok((who.id, who.origin, End::set_aside(Outcome::Rejected, reason)));
        }
        let mut job = Job { who: who.clone(), record: host.record, slot: Some(slot), first: None };
        let end = self.bring_up_to_date(&mut job, host.conversation, mapped).await?;
        Ok((who.id, who.origin, end))
    }

    /// Compares what the archive has now with what was sent, and sends what is new.
    pub(super) async fn bring_up_to_date(&self, job: &mut Job, id: u64, mapped: Mapped) -> Result<End, Halt> {
        match self.bring(job, id, mapped).await {
            Ok(end) => Ok(end),
            Err(Failure::Halt(halt)) => Err(halt),
            Err(Failure::Refused(error) | Failure::Unknown(_, _, error)) => {
                let why = format!("its conversation {id} could not be brought up to date: {error}");
                self.bury(job, Some(id), codes::SEND_REFUSED, why).await
            }
        }
    }

    async fn bring(&self, job: &mut Job, id: u64, mapped: Mapped) -> Result<End, Failure> {
        let (line, record) = (&self.line, job.record);
        let (digests, threads, steps, is_begun) = line
            .journal
            .view(move |view| {
                let (digests, threads) = view.sent(record)?;
                Ok((digests, threads, view.steps(record)?, view.is_open(record)?))
            })
            .await?;
        let unsettled = steps.iter().filter(|step| step.step.kind == StepKind::Append && step.state != StepState::Done);
        let unsettled = unsettled.map(|step| step.step.ordinal as usize).collect();
        let sent = Sent { digests, threads, pending: pending_appends(&steps), unsettled };
        let Mapped { mut conversation, mut findings, .. } = mapped;
        if !line.options.staff_may_be_customers {
            findings.extend(self.staff.keep_out(&mut conversation));
        }
        let joins = self.leave_to_others(job, id, &mut conversation, &sent).await?;
        let has_new = has_unsent(&conversation, &sent) || (0..sent.threads.len()).any(|at| sent.lacks(at));
        let plan = match self.plan_of(job, conversation, has_new).await? {
            Ok(plan) => plan,
            Err(reason) if has_new => {
                let message = format!("conversation {id} lacks entries of the archive: {reason}");
                line.note_one(&job.who, codes::DELTA_UNSENT, message).await?;
                return Ok(End::done_before(id));
            }
            Err(reason) => {
                line.note_one(&job.who, codes::DELTA_CHANGED, reason).await?;
                return Ok(End::done_before(id));
            }
        };
        let mut plan = plan;
        let present = plan.align(&sent.entries());
        let changed = changed(&plan, &present, &sent, joins);
        let due = self.due(&plan, &sent);
        let told = |what: &&Changed| {
            !matches!(what, Changed::Tags if due.tags)
                && !matches!(what, Changed::Fields if due.fields)
                && !matches!(what, Changed::Status if due.status)
        };
        let phrases: Vec<String> = changed.iter().filter(told).map(Changed::phrase).collect();
        if !phrases.is_empty() {
            let message = format!("conversation {id} stays as it is: {}", shortened(&phrases));
            line.note_one(&job.who, codes::DELTA_CHANGED, message).await?;
        }
        if has_new || due.any() || is_begun {
            if has_new {
                self.note(findings).await?;
            }
            return self.grow(job, id, plan, &present, sent, due).await;
        }
        self.take_seat(job).await?;
        Ok(End::done_before(id))
    }

    /// From now on the record is passed over, until the archive is another.
    async fn take_seat(&self, job: &Job) -> Result<(), Halt> {
        if let Some(seat) = job.who.origin.seat.as_deref() {
            self.line.journal.seat(job.record, *seat).await?;
        }
        Ok(())
    }

    /// Takes entries out of a conversation that other records have in FreeScout, and says so. Whether there were any.
    async fn leave_to_others(
        &self,
        job: &Job,
        id: u64,
        conversation: &mut Conversation,
        sent: &Sent,
    ) -> Result<bool, Halt> {
        if crate::source::family(&conversation.id.source) != MAIL {
            return Ok(false);
        }
        let own: HashSet<&str> = sent.entries().into_iter().collect();
        let entries = conversation.threads.iter().map(|thread| thread.entry.as_str());
        let unknown: Vec<String> = entries.filter(|entry| !own.contains(entry)).map(str::to_owned).collect();
        if unknown.is_empty() {
            return Ok(false);
        }
        let others = self.line.journal.elsewhere(&conversation.id, unknown).await?;
        let others: Vec<Elsewhere> = others.into_iter().filter(|one| one.record != job.record).collect();
        if others.is_empty() {
            return Ok(false);
        }
        let entries: HashSet<&str> = others.iter().map(|one| one.entry.as_str()).collect();
        conversation.threads.retain(|thread| !entries.contains(thread.entry.as_str()));
        let mut places: Vec<(u64, &str)> =
            others.iter().map(|one| (one.conversation, one.id.original.as_str())).collect();
        places.sort_unstable();
        places.dedup();
        let places: Vec<String> = places.iter().map(|(id, original)| format!("{id} (`{original}`)")).collect();
        let message = format!(
            "the archive now joins conversation {id} with {}, sent apart before; each keeps its own messages, and what is new is added to {id}",
            shortened(&places)
        );
        self.line.note_one(&job.who, codes::DELTA_JOINED, message).await?;
        Ok(true)
    }

    /// The plan of a conversation; nobody is made a customer unless something `is_new`. Inside: why there is none.
    async fn plan_of(
        &self,
        job: &Job,
        conversation: Conversation,
        is_new: bool,
    ) -> Result<Result<Plan, String>, Failure> {
        let line = &self.line;
        if conversation.threads.is_empty() {
            return Ok(Err("the archive has none of its entries any more".to_owned()));
        }
        let mailbox = match plan::mailbox_of(&conversation, &line.directory) {
            Ok(mailbox) => mailbox,
            Err(reason) => return Ok(Err(reason)),
        };
        let mut customers = HashMap::new();
        for person in plan::people_of(&conversation) {
            let customer = if is_new {
                let resolved = self.customers.resolve(line, &job.who, person).await?;
                if resolved.is_new {
                    self.sum(|sum| sum.customers += 1);
                }
                resolved.id
            } else {
                // Nobody's id: what is by somebody unknown was not by him when it was sent.
                self.customers.known(line, person).await?.unwrap_or(0)
            };
            customers.insert(person.key.clone(), customer);
        }
        let mut findings = Vec::new();
        let has_marker = line.options.has_marker;
        let made = Plan::make(conversation, mailbox, &customers, &line.directory, has_marker, &mut findings);
        if is_new {
            self.note(findings).await?;
        }
        Ok(made)
    }

    /// What is to be brought up to date, of what the operator allows.
    fn due(&self, plan: &Plan, sent: &Sent) -> super::Updates {
        let Some(digests) = sent.digests else { return super::Updates::default() };
        let wanted = self.line.options.updates;
        super::Updates {
            tags: wanted.tags && self.line.directory.has_tags && digests.tags != plan.digests.tags,
            fields: wanted.fields && digests.fields != plan.digests.fields,
            status: wanted.status && digests.status != plan.digests.status,
        }
    }

    /// Appends what is new, and brings up to date what is due.
    async fn grow(
        &self,
        job: &mut Job,
        id: u64,
        mut plan: Plan,
        present: &[bool],
        sent: Sent,
        due: super::Updates,
    ) -> Result<End, Failure> {
        let line = &self.line;
        let before = sent.threads.len();
        let is_new = |at: &usize| *at >= before || (sent.lacks(*at) && present[*at]);
        let ordinals: Vec<usize> = (0..plan.new.threads.len()).filter(is_new).collect();
        self.claims.claim(id);
        let embed = Embed { threads: true, tags: due.tags, timelogs: false };
        let found = match line.read(&job.who, || line.client.conversation(id, embed)).await {
            Ok(answer) => answer.value,
            Err(Failure::Refused(error)) if error.is_not_found() => {
                let message = format!(
                    "conversation {id} is no longer in FreeScout, and what is new in the archive was not sent ({} entries)",
                    ordinals.len()
                );
                line.note_one(&job.who, codes::DELTA_UNSENT, message).await?;
                return Ok(End::done_before(id));
            }
            Err(failure) => return Err(failure),
        };
        let rows: Vec<ThreadRow> = plan.rows[before..].to_vec();
        line.journal.grow(job.record, before, rows).await?;
        let known: HashMap<usize, u64> =
            sent.threads.iter().enumerate().filter_map(|(at, thread)| Some((at, thread.remote?))).collect();
        let has_others = {
            let mut others = found.clone();
            others.embedded.threads.retain(|thread| !known.values().any(|id| *id == thread.id));
            strangers(&plan, &others) > 0
        };
        let status = plan.new.status;
        let tags = found.embedded.tags.clone();
        let mut found = found;
        if !ordinals.is_empty() {
            let sets_status = due.status && !has_others;
            let appended =
                self.append_new(job, &mut plan, found, known, ordinals.clone(), &sent.pending, sets_status).await?;
            found = match appended {
                Ok(found) => found,
                Err(end) => return Ok(end),
            };
            let differences = compare_new(&plan, &ordinals, &found);
            for what in &differences.known {
                line.note_one(&job.who, codes::SEND_ALTERED, what.clone()).await?;
            }
            if !differences.is_none() {
                return Ok(self.bury(job, Some(id), codes::SEND_DIFFERS, differences.sentence()).await?);
            }
            let message = format!("conversation {id} got {}", counted(ordinals.len() as u64, "new thread"));
            line.note_one(&job.who, codes::DELTA_APPENDED, message).await?;
        }
        if let Some(digests) = sent.digests {
            let customer = found.customer.as_ref().and_then(|person| person.id);
            let has_moved = super::readback::conversation(&found).customer != digests.customer;
            if has_moved && !has_others && customer.is_some() && plan.digests.customer == digests.customer {
                // A run was killed between an entry of somebody else's, which takes the conversation along, and its return.
                self.give_back(job, id, plan.new.customer_id).await?;
            }
            let tags = tags.into_iter().flatten().map(|tag| tag.name).collect();
            let now = self.update(job, &plan, status, &found, tags, digests, due, has_others).await?;
            if now != digests {
                line.journal.redigest(job.record, now).await?;
                let what = [
                    (now.tags != digests.tags, "tags"),
                    (now.fields != digests.fields, "custom fields"),
                    (now.status != digests.status, "status"),
                ];
                let what: Vec<&str> = what.into_iter().filter(|(is, _)| *is).map(|(_, what)| what).collect();
                if !what.is_empty() {
                    let message = format!("conversation {id} has the archive's {} now", what.join(", "));
                    line.note_one(&job.who, codes::DELTA_UPDATED, message).await?;
                }
            }
        }
        line.journal.finish(job.record).await?;
        self.take_seat(job).await?;
        Ok(End::done(id))
    }

    /// Tags, fields and status; gives the fields as they are then.
    #[allow(clippy::too_many_arguments, reason = "each of another kind")]
    async fn update(
        &self,
        job: &Job,
        plan: &Plan,
        status: Status,
        found: &wire::Conversation,
        tags: Vec<String>,
        sent: ConversationDigests,
        due: super::Updates,
        has_others: bool,
    ) -> Result<ConversationDigests, Failure> {
        let (line, id) = (&self.line, found.id);
        let mut now = sent;
        if due.fields {
            let fields = &plan.new.custom_fields;
            let step = self.put(job, StepKind::Fields, || line.client.set_custom_fields(id, fields)).await?;
            line.journal.settle(step, Settlement::default()).await?;
            now.fields = plan.digests.fields;
        }
        if due.status && found.status != status.word() {
            if has_others {
                let message =
                    format!("conversation {id} keeps its status `{}`: somebody has worked on it since", found.status);
                line.note_one(&job.who, codes::DELTA_CHANGED, message).await?;
            } else if let Some(user) = plan.new.assign_to.or(line.directory.first_administrator().map(|user| user.id)) {
                let change = ConversationChange { by_user: Some(user), changes: vec![Change::Status(status)] };
                let step = self.put(job, StepKind::Owner, || line.client.update_conversation(id, &change)).await?;
                line.journal.settle(step, Settlement::default()).await?;
            }
        }
        if due.status && !has_others {
            let there = self.get(job, id).await?;
            let read = super::readback::conversation(&there);
            (now.status, now.closed_at) = (read.status, read.closed_at);
        }
        if due.tags {
            let is_as_sent = digest(&joined(tags.clone())) == sent.tags;
            // What agents have added meanwhile stays.
            let mut wanted = if is_as_sent { Vec::new() } else { tags };
            let is_known = |wanted: &[String], tag: &String| wanted.iter().any(|one| one.eq_ignore_ascii_case(tag));
            for tag in &plan.tags {
                if !is_known(&wanted, tag) {
                    wanted.push(tag.clone());
                }
            }
            let step = self.put(job, StepKind::Tags, || line.client.set_tags(id, &wanted)).await?;
            line.journal.settle(step, Settlement::default()).await?;
            now.tags = digest(&joined(wanted));
        }
        Ok(now)
    }
}

fn joined(mut tags: Vec<String>) -> String {
    tags.sort();
    tags.join("\n")
}

/// Whether a conversation has entries that were never planned for it.
fn has_unsent(conversation: &Conversation, sent: &Sent) -> bool {
    let mut known: HashMap<&str, usize> = HashMap::new();
    for entry in sent.entries() {
        *known.entry(entry).or_default() += 1;
    }
    conversation.threads.iter().any(|thread| match known.get_mut(thread.entry.as_str()) {
        Some(count) if *count > 0 => {
            *count -= 1;
            false
        }
        _ => true,
    })
}

/// What was appended, beside what is there.
fn compare_new(plan: &Plan, ordinals: &[usize], found: &wire::Conversation) -> Differences {
    let mut differences = Differences::default();
    for ordinal in ordinals {
        let place = format!("the entry `{}`", plan.rows[*ordinal].entry);
        let there =
            plan.forms(*ordinal).into_iter().find_map(|form| Some((appended(&form.thread, form.nth, found)?, form)));
        match there {
            // A note takes its copies from the conversation.
            Some((there, form)) => compare::compare_thread(&form.thread, there, &place, &mut differences),
            None => differences.missing.push(format!("{place} is missing")),
        }
    }
    differences
}

/// What an archive has otherwise than it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Changed {
    Tags,
    Fields,
    Status,
    /// Something else of the conversation.
    Head(&'static str),
    /// An entry that the archive no longer has.
    Gone(String),
    /// What of which entry.
    Entry(Vec<&'static str>, String),
}

impl Changed {
    fn phrase(&self) -> String {
        match self {
            Self::Tags => "its tags have changed in the archive".to_owned(),
            Self::Fields => "its custom fields have changed in the archive".to_owned(),
            Self::Status => "its status has changed in the archive".to_owned(),
            Self::Head(what) => format!("its {what} has changed in the archive"),
            Self::Gone(entry) => format!("the archive no longer has the entry `{entry}`"),
            Self::Entry(what, entry) => format!("{} of the entry `{entry}` changed in the archive", what.join(", ")),
        }
    }
}

fn shortened(phrases: &[String]) -> String {
    match phrases.len().checked_sub(MOST_PHRASES) {
        None | Some(0) => phrases.join("; "),
        Some(more) => format!("{}; and {more} more", phrases[..MOST_PHRASES].join("; ")),
    }
}

/// What differs; of a conversation that the archive `joins` with others, entries alone.
fn changed(plan: &Plan, present: &[bool], sent: &Sent, joins: bool) -> Vec<Changed> {
    let mut changed = Vec::new();
    if let Some(was) = sent.digests.filter(|_| !joins) {
        let is = &plan.digests;
        let heads = [
            (was.status != is.status, Changed::Status),
            (was.tags != is.tags, Changed::Tags),
            (was.fields != is.fields, Changed::Fields),
            (was.mailbox != is.mailbox, Changed::Head("mailbox")),
            (was.kind != is.kind, Changed::Head("kind")),
            (was.subject != is.subject, Changed::Head("subject")),
            (was.customer != is.customer, Changed::Head("customer")),
            (was.assignee != is.assignee, Changed::Head("assignee")),
            (was.created_at != is.created_at, Changed::Head("time of opening")),
            (was.closed_at != is.closed_at, Changed::Head("time of closing")),
        ];
        changed.extend(heads.into_iter().filter(|(differs, _)| *differs).map(|(_, what)| what));
    }
    for (at, thread) in sent.threads.iter().enumerate() {
        if !present[at] {
            if !joins {
                changed.push(Changed::Gone(thread.entry.clone()));
            }
            continue;
        }
        let own = what_of(plan, at, &plan.rows[at], thread, false);
        let note = plan.note(at).map(|note| plan.row_as(at, &note));
        let is_note = note.is_some_and(|row| what_of(plan, at, &row, thread, true).is_empty());
        if !own.is_empty() && !is_note {
            changed.push(Changed::Entry(own, thread.entry.clone()));
        }
    }
    changed
}

fn what_of(plan: &Plan, at: usize, row: &ThreadRow, thread: &ThreadSeen, is_note: bool) -> Vec<&'static str> {
    let (was, is) = (&thread.digests, &row.digests);
    let files_differ = row.attachments.len() != thread.attachments.len()
        || row
            .attachments
            .iter()
            .zip(&thread.attachments)
            .any(|(is, was)| is.size != was.size || is.hash.zip(was.hash).is_some_and(|(is, was)| is != was));
    let parts = [
        (was.kind != is.kind, "kind"),
        (was.author != is.author, "author"),
        (!is_about(plan, at, was), "time"),
        (was.body != is.body, "text"),
        // A note that stands in for a message has the conversation's.
        (was.cc != is.cc && !is_note, "cc"),
        (was.bcc != is.bcc && !is_note, "bcc"),
        (files_differ, "attachments"),
    ];
    parts.into_iter().filter(|(differs, _)| *differs).map(|(_, what)| what).collect()
}

/// Whether a thread was sent with about the time that it has now.
fn is_about(plan: &Plan, at: usize, was: &ThreadDigests) -> bool {
    let second = plan.new.threads[at].created_at.as_second();
    let shift = i64::try_from(plan.new.threads.len()).unwrap_or(MOST_SHIFT).min(MOST_SHIFT);
    std::iter::once(0)
        .chain((1..=shift).flat_map(|by| [by, -by]))
        .any(|by| digest(&(second + by).to_string()) == was.time)
}
