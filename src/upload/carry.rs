//! One record's way into FreeScout: people, create, appends, tags, and what is looked at after each.
//!
//! Promises:
//!
//! - A record that cannot be carried is an outcome; only what concerns every record ends the run.
//! - What FreeScout answers is compared with what was sent, and what it lost makes a dead letter
//!   that keeps its conversation.
//! - A record that was begun earlier goes on where its journal rows say, after a look at what is there.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::UploadError;
use super::budget::Budget;
use super::compare::{self, Differences};
use super::customers::Customers;
use super::late::reads_back;
use super::line::{Attempts, Failure, Halt, KeyedLocks, Line, Who};
use super::plan::{self, Plan};
use super::reconcile::{self, Claims, Fate};
use super::staff::Staff;
use crate::finding::{Finding, codes};
use crate::freescout::{ApiError, ConversationChange, Embed, NewConversation, wire};
use crate::journal::{
    Admission, Admitted, CreateRows, Intent, Key, OpenRecord, OpenStep, RecordRow, Settlement, StepId, StepKind,
    StepState,
};
use crate::mapping::{Converted, Mapped};
use crate::record::{Origin, RecordId};
use crate::report::{Event, Outcome, Summary};

/// How many conversations may wait in memory for an unknown outcome while the rest goes on.
const PARKED: usize = 64;

/// What all records of a run share.
pub(super) struct Carrier {
    pub(super) line: Line,
    pub(super) customers: Customers,
    pub(super) staff: Staff,
    pub(super) claims: Claims,
    twins: KeyedLocks<Key>,
    parking: Arc<Semaphore>,
    budget: Budget,
    pub(super) summary: Mutex<Summary>,
    /// Whether the journal had records that are done when the run began: then conversations may have grown.
    pub(super) had_done: bool,
    /// How many records that the reader passed over are counted in the summary.
    passed: AtomicU64,
    /// Whether it was said that the target has no tags.
    has_said_no_tags: AtomicBool,
    /// Held by the first create of a run until FreeScout has shown that it takes imported conversations as such.
    first: Arc<tokio::sync::Mutex<bool>>,
}

/// How a record ends in this run.
pub(super) struct End {
    outcome: Outcome,
    conversation: Option<u64>,
    reason: Option<String>,
    is_from_before: bool,
}

impl End {
    /// It was done before, and there was nothing to do.
    pub(super) fn done_before(conversation: u64) -> Self {
        Self { is_from_before: true, ..Self::done(conversation) }
    }

    pub(super) fn set_aside(outcome: Outcome, reason: String) -> Self {
        Self { outcome, conversation: None, reason: Some(reason), is_from_before: false }
    }

    pub(super) fn done(conversation: u64) -> Self {
        Self { outcome: Outcome::Done, conversation: Some(conversation), reason: None, is_from_before: false }
    }
}

/// One record on its way.
pub(super) struct Job {
    pub(super) who: Who,
    pub(super) record: RecordRow,
    /// A place among those that are worked on; given up while the record is parked.
    pub(super) slot: Option<OwnedSemaphorePermit>,
    /// Held by a record that goes before all others, until FreeScout has answered its create.
    pub(super) first: Option<First>,
}

/// Held by the one create that is under way while nobody knows whether FreeScout takes imported conversations as such:
/// whether it has shown so.
pub(super) type First = tokio::sync::OwnedMutexGuard<bool>;

/// A conversation that is there, and what was seen of it.
struct There {
    id: u64,
    found: Option<wire::Conversation>,
    /// Whether it was made by a request that was not answered, so that others may have seen it first.
    is_adopted: bool,
}

impl Carrier {
    pub(super) fn new(line: Line, is_first_known: bool, budget: Budget) -> Self {
        let staff = Staff::of(&line.directory);
        Self {
            line,
            staff,
            customers: Customers::new(),
            claims: Claims::default(),
            twins: KeyedLocks::new(),
            parking: Arc::new(Semaphore::new(PARKED)),
            budget,
            summary: Mutex::new(Summary::default()),
            had_done: is_first_known,
            passed: AtomicU64::new(0),
            has_said_no_tags: AtomicBool::new(false),
            first: Arc::new(tokio::sync::Mutex::new(is_first_known)),
        }
    }

    pub(super) fn sum(&self, change: impl FnOnce(&mut Summary)) {
        change(&mut self.summary.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// The right to be the first create, for a record that is to go before all others. `None`: nobody needs it any more.
    pub(super) async fn first(&self) -> Option<First> {
        let first = Arc::clone(&self.first).lock_owned().await;
        (!*first).then_some(first)
    }

    /// How many records have an outcome, and how many of them from earlier runs.
    pub(super) fn far(&self) -> (u64, u64) {
        self.count_passed();
        let sums = self.summary.lock().unwrap_or_else(PoisonError::into_inner);
        (sums.read, sums.done_before)
    }

    /// Counts what the reader has passed over since it was last asked.
    pub(super) fn count_passed(&self) {
        let passed = self.line.options.passed.passed();
        let records = passed - self.passed.swap(passed, Ordering::Relaxed);
        if records > 0 {
            self.sum(|sum| {
                sum.read += records;
                sum.done += records;
                sum.done_before += records;
            });
            self.line.reporter.event(&Event::PassedOver { records });
        }
    }

    /// Carries one record to its outcome.
    pub(super) async fn carry(
        &self,
        item: Converted,
        slot: OwnedSemaphorePermit,
        first: Option<First>,
    ) -> Result<(), Halt> {
        self.line.reporter.event(&Event::Converted(&item));
        let result = match item {
            Converted::Ready(mapped) => self.carry_ready(*mapped, slot, first).await,
            Converted::Skipped(item) => {
                let end = self.set_aside(&item.id, &item.origin, Outcome::Skipped, &item.reason, item.findings).await;
                end.map(|end| (item.id, item.origin, end))
            }
            Converted::Rejected(item) => {
                let end = self.set_aside(&item.id, &item.origin, Outcome::Rejected, &item.reason, item.findings).await;
                end.map(|end| (item.id, item.origin, end))
            }
        };
        match result {
            Ok((id, origin, end)) => {
                self.sum(|sum| {
                    sum.count(end.outcome);
                    if end.is_from_before && end.outcome == Outcome::Done {
                        sum.done_before += 1;
                    }
                });
                self.line.reporter.event(&Event::Outcome {
                    record: &id,
                    origin: &origin,
                    outcome: end.outcome,
                    conversation: end.conversation,
                    reason: end.reason.as_deref(),
                    is_from_before: end.is_from_before,
                });
                Ok(())
            }
            Err(halt) => {
                self.sum(|sum| sum.unfinished += 1);
                Err(halt)
            }
        }
    }

    pub(super) fn admission(&self, id: &RecordId, origin: &Origin, rules: Vec<Arc<str>>) -> Admission {
        Admission {
            id: id.clone(),
            origin: origin.clone(),
            rules,
            mapping: self.line.options.mapping,
            run: self.line.run,
            takes_up_dead: self.line.options.takes_up_dead,
        }
    }

    pub(super) async fn note(&self, findings: Vec<Finding>) -> Result<(), Halt> {
        self.line.note(findings).await
    }

    async fn set_aside(
        &self,
        id: &RecordId,
        origin: &Origin,
        outcome: Outcome,
        reason: &str,
        findings: Vec<Finding>,
    ) -> Result<End, Halt> {
        let settled = self.line.journal.set_aside(self.admission(id, origin, Vec::new()), outcome, reason).await?;
        self.note(findings).await?;
        Ok(End {
            outcome: settled.outcome,
            conversation: settled.conversation,
            reason: settled.reason,
            is_from_before: settled.outcome != outcome,
        })
    }

    async fn carry_ready(
        &self,
        mapped: Mapped,
        slot: OwnedSemaphorePermit,
        first: Option<First>,
    ) -> Result<(RecordId, Origin, End), Halt> {
        let who = Who { id: mapped.conversation.id.clone(), origin: mapped.conversation.origin.clone() };
        if let Some(host) = self.host_of(&who, &mapped).await? {
            return self.carry_joined(who, host, mapped, slot).await;
        }
        let admission = self.admission(&who.id, &who.origin, mapped.rules.clone());
        let (record, open) = match self.line.journal.admit(admission).await? {
            Admitted::Settled(settled) => {
                if let (Outcome::Done, Some(id)) = (settled.outcome, settled.conversation) {
                    let mut job = Job { who: who.clone(), record: settled.record, slot: Some(slot), first: None };
                    drop(first);
                    let end = self.bring_up_to_date(&mut job, id, mapped).await?;
                    return Ok((who.id, who.origin, end));
                }
                let end = End {
                    outcome: settled.outcome,
                    conversation: settled.conversation,
                    reason: settled.reason,
                    is_from_before: true,
                };
                return Ok((who.id, who.origin, end));
            }
            Admitted::New(record) => (record, None),
            Admitted::Resumed(open) => (open.record, Some(open)),
        };
        let mut job = Job { who: who.clone(), record, slot: Some(slot), first };
        let end = match self.send(&mut job, mapped, open).await {
            Ok(end) => end,
            Err(Failure::Halt(halt)) => return Err(halt),
            // What FreeScout did not want and nobody above had an answer for.
            Err(Failure::Refused(error) | Failure::Unknown(_, _, error)) => {
                self.bury(&job, None, codes::SEND_REFUSED, error.to_string()).await?
            }
        };
        Ok((who.id, who.origin, end))
    }

    /// Makes a dead letter.
    pub(super) async fn bury(
        &self,
        job: &Job,
        conversation: Option<u64>,
        code: &'static str,
        why: String,
    ) -> Result<End, Halt> {
        self.line.journal.bury(job.record, &why).await?;
        self.note(vec![Finding::new(code, why.clone()).about(&job.who.id, &job.who.origin)]).await?;
        Ok(End { outcome: Outcome::Dead, conversation, reason: Some(why), is_from_before: false })
    }

    async fn send(&self, job: &mut Job, mapped: Mapped, open: Option<Box<OpenRecord>>) -> Result<End, Failure> {
        let Mapped { mut conversation, mut findings, rules, .. } = mapped;
        if !self.line.options.staff_may_be_customers {
            findings.extend(self.staff.keep_out(&mut conversation));
        }
        self.note(findings).await?;
        let line = &self.line;
        let mailbox = match plan::mailbox_of(&conversation, &line.directory) {
            Ok(mailbox) => mailbox,
            Err(reason) if open.is_none() => {
                let admission = self.admission(&job.who.id, &job.who.origin, rules);
                line.journal.set_aside(admission, Outcome::Rejected, &reason).await?;
                let end =
                    End { outcome: Outcome::Rejected, conversation: None, reason: Some(reason), is_from_before: false };
                return Ok(end);
            }
            Err(reason) => return Ok(self.bury(job, None, codes::SEND_REFUSED, reason).await?),
        };
        let mut customers = HashMap::new();
        for person in plan::people_of(&conversation) {
            match self.customers.resolve(line, &job.who, person).await {
                Ok(resolved) => {
                    if resolved.is_new {
                        self.sum(|sum| sum.customers += 1);
                    }
                    customers.insert(person.key.clone(), resolved.id);
                }
                Err(Failure::Refused(error)) => {
                    let why = format!("FreeScout does not take the customer `{}`: {error}", person.key);
                    return Ok(self.bury(job, None, codes::SEND_REFUSED, why).await?);
                }
                Err(failure) => return Err(failure),
            }
        }
        let mut findings = Vec::new();
        let made =
            Plan::make(conversation, mailbox, &customers, &line.directory, line.options.has_marker, &mut findings);
        self.note(findings).await?;
        match made {
            Ok(plan) => self.carry_plan(job, plan, open).await,
            Err(reason) => Ok(self.bury(job, None, codes::SEND_REFUSED, reason).await?),
        }
    }

    async fn carry_plan(&self, job: &mut Job, mut plan: Plan, open: Option<Box<OpenRecord>>) -> Result<End, Failure> {
        if plan.split(self.budget.bytes()) {
            let message = format!(
                "it is sent in {} requests: a create with {} of {} threads, and the rest one by one",
                1 + plan.new.threads.len() - plan.carried,
                plan.carried,
                plan.new.threads.len()
            );
            self.note(vec![Finding::new(codes::REQUEST_TOO_BIG, message).about(&job.who.id, &job.who.origin)]).await?;
        }
        let pending = open.as_deref().map(|open| pending_appends(&open.steps)).unwrap_or_default();
        if let Some(open) = &open
            && (1..=plan.new.threads.len()).contains(&open.carried)
        {
            // As it was sent, whatever the budget is now: it will be compared with that.
            plan.carried = open.carried;
        }
        // Two records that would read back alike are never in flight together: nobody could tell which is whose.
        let _twin = self.line.unless_stopped(self.twins.lock(&plan.key)).await?;
        let there = match self.conversation(job, &mut plan, open.as_deref()).await? {
            Ok(there) => there,
            Err(end) => return Ok(end),
        };
        let id = there.id;
        match self.complete(job, &plan, there, &pending).await {
            Err(Failure::Refused(error) | Failure::Unknown(_, _, error)) => {
                let why = format!("its conversation {id} could not be completed: {error}");
                Ok(self.bury(job, Some(id), codes::SEND_REFUSED, why).await?)
            }
            end => end,
        }
    }

    /// The conversation, by whatever it takes: created, adopted, or known from before.
    async fn conversation(
        &self,
        job: &mut Job,
        plan: &mut Plan,
        open: Option<&OpenRecord>,
    ) -> Result<Result<There, End>, Failure> {
        let Some(open) = open else {
            if self.line.options.adopts
                && let Some(there) = self.adopt(job, plan).await?
            {
                return Ok(Ok(there));
            }
            return self.create(job, plan).await;
        };
        let create = open.steps.iter().find(|step| step.step.kind == StepKind::Create);
        if let Some(id) = open.conversation {
            self.claims.claim(id);
            return match self.line.read(&job.who, || self.line.client.conversation(id, Embed::THREADS)).await {
                Ok(answer) => Ok(Ok(There { id, found: Some(answer.value), is_adopted: true })),
                Err(Failure::Refused(error)) if error.is_not_found() => {
                    let why = format!("its conversation {id} is no longer in FreeScout");
                    Ok(Err(self.bury(job, Some(id), codes::SEND_DIFFERS, why).await?))
                }
                Err(failure) => Err(failure),
            };
        }
        let is_open = |state| matches!(state, StepState::InFlight | StepState::Unknown);
        // What was to be deleted may have become whole since, and the old request may still come: never adopted, and
        // gone before anything else is done.
        for step in open.steps.iter().filter(|step| step.step.kind == StepKind::Delete && is_open(step.state)) {
            let id = step.digest.first_chunk().map_or(0, |id| u64::from_le_bytes(*id));
            reconcile::delete(&self.line, &job.who, job.record, id).await?;
        }
        match create {
            Some(create) if is_open(create.state) => {
                match self.settle_unknown(job, plan, create.step, Asked::Before).await? {
                    Some(there) => Ok(Ok(there)),
                    None => self.create(job, plan).await,
                }
            }
            _ => self.create(job, plan).await,
        }
    }

    /// Looks up what became of a create; `None`: it may be sent again.
    async fn settle_unknown(
        &self,
        job: &mut Job,
        plan: &Plan,
        step: StepId,
        asked: Asked,
    ) -> Result<Option<There>, Failure> {
        // Nobody waits for what may take long; the next create is the first then.
        job.first = None;
        // Parked: it keeps its memory and its key, but not its place among those that are worked on.
        let parked = Arc::clone(&self.parking).try_acquire_owned().ok();
        if parked.is_some() {
            job.slot = None;
        }
        let (line, claims) = (&self.line, &self.claims);
        let fate = match asked {
            Asked::Never => reconcile::seek(line, claims, &job.who, job.record, plan).await?,
            Asked::Before => reconcile::reconcile(line, claims, &job.who, job.record, plan, None).await?,
            Asked::At(time) => reconcile::reconcile(line, claims, &job.who, job.record, plan, Some(time)).await?,
        };
        match fate {
            Fate::Adopted(found) => {
                let first = self.line.unless_stopped(self.first()).await?;
                if let Some(mut first) = first {
                    self.require_imported(job, step, &plan.create(), &found).await?;
                    *first = true;
                }
                let message = match asked {
                    Asked::Never => {
                        format!("conversation {} was there already, and this journal had lost it", found.id)
                    }
                    _ => format!("a request that was never answered had made conversation {}", found.id),
                };
                if !matches!(asked, Asked::Never) {
                    self.line.limiter.took_effect();
                }
                self.note(vec![Finding::new(codes::SEND_ADOPTED, message).about(&job.who.id, &job.who.origin)]).await?;
                self.keep_hashes(job, plan, 0..plan.carried).await?;
                self.settle_create(plan, step, found.id, found.number, Some(&found), false).await?;
                Ok(Some(There { id: found.id, found: Some(*found), is_adopted: true }))
            }
            Fate::Gone { was_half: false } if matches!(asked, Asked::Never) => {
                self.line.journal.refused(step, "looked for by `--adopt` and not found").await?;
                Ok(None)
            }
            Fate::Gone { was_half } => {
                // Durable before anything is sent again: however this run ends, late copies are looked for.
                let delay = i64::try_from(self.line.options.sweep_after.as_millis()).unwrap_or(i64::MAX);
                let after = Timestamp::now().as_millisecond().saturating_add(delay);
                self.line.journal.sweep(job.record, Some(after)).await?;
                let why = if was_half { "half of it was there and is deleted" } else { "looked for and not found" };
                self.line.journal.refused(step, why).await?;
                Ok(None)
            }
        }
    }

    /// Looks for a conversation that a journal which is lost knew. `None`: there is none, and it may be sent.
    async fn adopt(&self, job: &mut Job, plan: &mut Plan) -> Result<Option<There>, Failure> {
        // However it was divided then, it has all its threads now.
        let carried = std::mem::replace(&mut plan.carried, plan.new.threads.len());
        let step = self.line.journal.start(job.record, intent_of(plan)).await?;
        let there = self.settle_unknown(job, plan, step, Asked::Never).await?;
        if there.is_none() {
            plan.carried = carried;
        }
        Ok(there)
    }

    async fn create(&self, job: &mut Job, plan: &mut Plan) -> Result<Result<There, End>, Failure> {
        let mut attempts = Attempts::new();
        loop {
            let new = plan.create();
            let intent = intent_of(plan);
            let mut first = match job.first.take() {
                Some(first) => Some(first),
                None => self.line.unless_stopped(self.first()).await?,
            };
            let client = &self.line.client;
            let sent = self.line.write(&job.who, job.record, &intent, || client.create_conversation(&new)).await;
            match sent {
                Ok((step, created)) => {
                    self.claims.claim(created.id);
                    let mut found = created.body;
                    if let Some(first) = &mut first {
                        let there = match found.take() {
                            Some(found) => found,
                            // Created, and not shown: nothing else is sent before it was looked at.
                            None => self.get(job, created.id).await?,
                        };
                        self.require_imported(job, step, &new, &there).await?;
                        **first = true;
                        found = Some(there);
                    }
                    drop(first);
                    if self.budget.worked(new.body_length()) {
                        self.line.remember_budget(&self.budget).await?;
                    }
                    self.keep_hashes(job, plan, 0..plan.carried).await?;
                    let is_clean = found.as_ref().is_some_and(|found| is_spotless(&compare::compare(&new, found)));
                    let ends_record = is_clean && !self.has_more(plan);
                    let number = found.as_ref().and_then(|found| found.number);
                    self.line.saw_number(&job.who, created.id, number).await?;
                    self.settle_create(plan, step, created.id, number, found.as_ref(), ends_record).await?;
                    if ends_record {
                        return Ok(Err(End::done(created.id)));
                    }
                    return Ok(Ok(There { id: created.id, found, is_adopted: false }));
                }
                Err(Failure::Refused(error)) if error.is_about_size() => {
                    drop(first);
                    self.budget.refused(new.body_length());
                    let is_smaller = self.shrink(plan, new.body_length());
                    self.line.remember_budget(&self.budget).await?;
                    if !is_smaller {
                        return Ok(Err(self.bury(job, None, codes::SEND_REFUSED, error.to_string()).await?));
                    }
                }
                Err(Failure::Refused(error)) => {
                    return Ok(Err(self.bury(job, None, codes::SEND_REFUSED, error.to_string()).await?));
                }
                Err(Failure::Unknown(step, sent_at, error)) => {
                    drop(first);
                    attempts.failed(sent_at);
                    if let Some(there) = self.settle_unknown(job, plan, step, Asked::At(sent_at)).await? {
                        return Ok(Ok(there));
                    }
                    if self.line.is_given_up(&attempts) {
                        let why = format!("given up after {} attempts: {error}", attempts.count);
                        return Ok(Err(self.bury(job, None, codes::SEND_REFUSED, why).await?));
                    }
                    // What was cut while it was being sent is too big; so, perhaps, is what a server fails at twice.
                    if error.is_about_size() {
                        self.budget.cut(new.body_length());
                        self.shrink(plan, new.body_length());
                        self.line.remember_budget(&self.budget).await?;
                    } else if attempts.count >= 2 {
                        // A matter of this conversation, not of all.
                        plan.split(new.body_length() / 2);
                    }
                    self.line.wait_to_retry(&job.who, &error.verdict(), attempts.count, &error).await?;
                    self.line.try_again(&mut attempts);
                }
                Err(failure) => return Err(failure),
            }
        }
    }

    /// Ends the run if FreeScout does not show a conversation with the times that were sent.
    async fn require_imported(
        &self,
        job: &Job,
        step: StepId,
        sent: &NewConversation,
        found: &wire::Conversation,
    ) -> Result<(), Failure> {
        if !takes_no_imports(sent, found) {
            return Ok(());
        }
        let why = "FreeScout has not taken it as imported: it shows other times than those sent";
        self.line.journal.settle(step, Settlement { remote: Some(found.id), ..Settlement::default() }).await?;
        self.bury(job, Some(found.id), codes::SEND_DIFFERS, why.to_owned()).await?;
        // Before the next one may be the first.
        self.line.halt.cancel();
        Err(Halt::Fatal(UploadError::NotImported { conversation: found.id }).into())
    }

    /// Divides what was too big at `length` bytes; says whether it can be sent in smaller parts.
    fn shrink(&self, plan: &mut Plan, length: u64) -> bool {
        let carried = plan.carried;
        if plan.split(self.budget.bytes()) && plan.carried < carried {
            return true;
        }
        // It was small already; one more cut for this one alone.
        carried > 1 && plan.split(length / 2) && plan.carried < carried
    }

    async fn settle_create(
        &self,
        plan: &Plan,
        step: StepId,
        id: u64,
        number: Option<u64>,
        found: Option<&wire::Conversation>,
        ends_record: bool,
    ) -> Result<(), Halt> {
        let sent = &plan.new.threads[..plan.carried];
        let threads = found.map(|found| compare::remote_ids(sent, found)).unwrap_or_default();
        self.sum(|sum| {
            sum.threads += plan.carried as u64;
            sum.attachments += plan.new.threads[..plan.carried].iter().map(|t| t.attachments.len() as u64).sum::<u64>();
        });
        let settlement = Settlement { remote: Some(id), number, threads, ends_record };
        self.line.journal.settle(step, settlement).await?;
        Ok(())
    }

    /// Has the journal keep the hashes of what was sent.
    pub(super) async fn keep_hashes(&self, job: &Job, plan: &Plan, threads: Range<usize>) -> Result<(), Halt> {
        let hashes = plan.hashes(threads);
        if !hashes.is_empty() {
            self.line.journal.hash_attachments(job.record, hashes).await?;
        }
        Ok(())
    }

    /// Has the journal keep the hashes of files that were sent by a run that did not live to write them down: made of the
    /// archive, which had the same sizes then. What cannot be read any more stays unknown.
    async fn hash_rest(&self, job: &Job, plan: &Plan) -> Result<(), Halt> {
        let record = job.record;
        let missing = self.line.journal.view(move |view| view.unhashed(record)).await?;
        let mut hashes = Vec::with_capacity(missing.len());
        for (thread, place) in missing {
            let files = plan.new.threads.get(thread as usize).map(|thread| &thread.attachments);
            let Some(file) = files.and_then(|files| files.get(place as usize)) else { continue };
            let content = file.content.clone();
            let hash = tokio::task::spawn_blocking(move || -> std::io::Result<blake3::Hash> {
                let mut hasher = blake3::Hasher::new();
                std::io::copy(&mut content.open()?, &mut hasher)?;
                Ok(hasher.finalize())
            });
            if let Ok(Ok(hash)) = self.line.unless_stopped(hash).await? {
                hashes.extend(hash.as_bytes().first_chunk().map(|hash| (thread, place, *hash)));
            }
        }
        if !hashes.is_empty() {
            self.line.journal.hash_attachments(record, hashes).await?;
        }
        Ok(())
    }

    /// Whether anything follows the create.
    fn has_more(&self, plan: &Plan) -> bool {
        plan.carried < plan.new.threads.len() || !plan.tags.is_empty()
    }

    /// Everything after the create: appends, the customer, fields, tags.
    async fn complete(&self, job: &Job, plan: &Plan, there: There, pending: &[StepId]) -> Result<End, Failure> {
        let There { id, found, is_adopted } = there;
        let mut found = match found {
            Some(found) => found,
            None => self.get(job, id).await?,
        };
        let mut has_notes = false;
        if plan.carried < plan.new.threads.len() || is_adopted {
            match self.append_missing(job, plan, id, found, is_adopted, pending).await? {
                Ok(appended) => (found, has_notes) = appended,
                Err(end) => return Ok(end),
            }
        }
        let mut differences = compare::compare_there(plan, &found, has_notes);
        if differences.customer || differences.fields {
            if differences.customer {
                self.give_back(job, id, plan.new.customer_id).await?;
            }
            if differences.fields {
                let client = &self.line.client;
                let fields = &plan.new.custom_fields;
                let step = self.put(job, StepKind::Fields, || client.set_custom_fields(id, fields)).await?;
                self.line.journal.settle(step, Settlement::default()).await?;
            }
            found = self.get(job, id).await?;
            differences = compare::compare_there(plan, &found, has_notes);
        }
        self.set_tags(job, plan, id).await?;
        if is_adopted {
            self.hash_rest(job, plan).await?;
        }
        self.note(
            differences
                .known
                .iter()
                .map(|what| Finding::new(codes::SEND_ALTERED, what.clone()).about(&job.who.id, &job.who.origin))
                .collect(),
        )
        .await?;
        if !differences.is_none() {
            return Ok(self.bury(job, Some(id), codes::SEND_DIFFERS, differences.sentence()).await?);
        }
        self.line.journal.finish(job.record).await?;
        Ok(End::done(id))
    }

    pub(super) async fn get(&self, job: &Job, id: u64) -> Result<wire::Conversation, Failure> {
        let answer = self.line.read(&job.who, || self.line.client.conversation(id, Embed::THREADS)).await?;
        Ok(answer.value)
    }

    /// A write that may be repeated: its effect is the same however often it happens.
    pub(super) async fn put<F>(&self, job: &Job, kind: StepKind, call: impl Fn() -> F) -> Result<StepId, Failure>
    where
        F: Future<Output = Result<(), ApiError>>,
    {
        let intent = Intent { kind, ordinal: 0, digest: [0; 16], create: None };
        let mut attempts = Attempts::new();
        loop {
            match self.line.write(&job.who, job.record, &intent, &call).await {
                Ok((step, ())) => return Ok(step),
                Err(Failure::Unknown(step, sent, error)) => {
                    attempts.failed(sent);
                    if self.line.is_given_up(&attempts) {
                        return Err(Failure::Unknown(step, sent, error));
                    }
                    self.line.wait_to_retry(&job.who, &error.verdict(), attempts.count, &error).await?;
                    self.line.try_again(&mut attempts);
                }
                Err(failure) => return Err(failure),
            }
        }
    }

    /// Gives the conversation to a customer, its own, without a line item.
    pub(super) async fn give_back(&self, job: &Job, id: u64, customer: u64) -> Result<(), Failure> {
        let change = ConversationChange::customer(customer);
        let step = self.put(job, StepKind::Owner, || self.line.client.update_conversation(id, &change)).await?;
        self.line.journal.settle(step, Settlement::default()).await?;
        Ok(())
    }

    async fn set_tags(&self, job: &Job, plan: &Plan, id: u64) -> Result<(), Failure> {
        if plan.tags.is_empty() {
            return Ok(());
        }
        if !self.line.directory.has_tags {
            if !self.has_said_no_tags.swap(true, Ordering::Relaxed) {
                let message = "the target has no Tags module; tags are left out".to_owned();
                self.note(vec![Finding::new(codes::TARGET_NO_TAGS, message)]).await?;
            }
            return Ok(());
        }
        let client = &self.line.client;
        let step = self.put(job, StepKind::Tags, || client.set_tags(id, &plan.tags)).await?;
        self.line.journal.settle(step, Settlement::default()).await?;
        Ok(())
    }
}

/// When the create was sent of which nobody knows what became.
#[derive(Debug, Clone, Copy)]
enum Asked {
    /// By a run whose journal is lost, if at all.
    Never,
    /// In an earlier run.
    Before,
    /// In this one.
    At(tokio::time::Instant),
}

fn intent_of(plan: &Plan) -> Intent {
    Intent {
        kind: StepKind::Create,
        ordinal: 0,
        digest: plan.key.digest,
        create: Some(Box::new(CreateRows {
            key: plan.key,
            digests: plan.digests,
            threads: plan.rows.clone(),
            carried: plan.carried,
        })),
    }
}

/// Whether nothing at all differs, so that the record may end with its create.
fn is_spotless(differences: &Differences) -> bool {
    differences.is_none() && differences.known.is_empty()
}

/// The appends that an earlier run sent and never heard of.
pub(super) fn pending_appends(steps: &[OpenStep]) -> Vec<StepId> {
    let is_pending = |state| matches!(state, StepState::InFlight | StepState::Unknown);
    let pending = steps.iter().filter(|step| step.step.kind == StepKind::Append && is_pending(step.state));
    pending.map(|step| step.step).collect()
}

/// Whether FreeScout shows other times than those sent, on every thread: the sign that `imported` did not arrive.
fn takes_no_imports(sent: &NewConversation, found: &wire::Conversation) -> bool {
    let threads = compare::written(found.threads());
    let is_back = |found: &&wire::Thread| sent.threads.iter().any(|sent| reads_back(sent.created_at, found.created_at));
    !threads.is_empty() && !threads.iter().any(is_back)
}
