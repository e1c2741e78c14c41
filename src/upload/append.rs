//! Threads that a conversation lacks: those that did not fit into its create.
//!
//! Promises:
//!
//! - A thread that the journal knows, or that reads as one of ours, is never sent again.
//! - An append that was never answered is looked for before it is sent again.
//! - Where somebody else has written meanwhile, what is missing goes as notes: FreeScout mails an imported message that
//!   stands below a live reply or a line item (`freescout-behaviour.md`, 5.4).

use std::collections::HashMap;

use super::carry::{Carrier, End, Job};
use super::compare::{appended, strangers};
use super::line::{Attempts, Failure, Halt};
use super::plan::Plan;
use crate::conversation::Status;
use crate::finding::codes;
use crate::freescout::{NewThread, wire};
use crate::journal::{Intent, Settlement, StepId, StepKind};

/// A conversation while threads are appended to it.
struct Filling<'a> {
    job: &'a Job,
    plan: &'a Plan,
    id: u64,
    /// As it was when it was last looked at.
    found: wire::Conversation,
    /// FreeScout's ids of threads that an earlier run has settled, by ordinal.
    known: HashMap<usize, u64>,
    /// Whether somebody else has written in it.
    is_live: bool,
    /// How many threads went as notes.
    notes: usize,
}

impl Filling<'_> {
    fn look(&mut self, found: wire::Conversation) {
        self.found = found;
        self.is_live = self.has_strangers();
    }

    fn has_strangers(&self) -> bool {
        // What the journal knows is ours, even if its text was altered on the way.
        let mut others = self.found.clone();
        others.embedded.threads.retain(|thread| !self.known.values().any(|id| *id == thread.id));
        strangers(self.plan, &others) > 0
    }

    /// The thread, in whatever form it was sent.
    fn there(&self, ordinal: usize) -> Option<wire::Thread> {
        if let Some(id) = self.known.get(&ordinal) {
            return self.found.threads().iter().find(|thread| thread.id == *id).cloned();
        }
        self.plan.forms(ordinal).iter().find_map(|form| appended(&form.thread, form.nth, &self.found)).cloned()
    }

    /// What is to be sent now.
    fn thread(&self, ordinal: usize, appends_messages: bool) -> (NewThread, bool) {
        let mut thread = self.plan.append(ordinal);
        if !self.is_live {
            return (thread, false);
        }
        let customer = self.found.customer.as_ref().and_then(|person| person.id);
        if !appends_messages && let Some(mut note) = self.plan.note(ordinal) {
            // A note leaves status and customer alone, but FreeScout takes the copy recipients from the last thread.
            note.cc = self.found.cc.clone();
            note.customer_id = customer.or(note.customer_id);
            return (note, true);
        }
        // Whoever works on it has the last word about its status.
        thread.status = Status::from_word(&self.found.status).or(thread.status);
        (thread, false)
    }
}

impl Carrier {
    /// Appends what is missing, and says what is there then, and whether some of it went as notes.
    ///
    /// `pending` are appends that an earlier run sent and never heard of. `is_adopted` says that the create was not answered
    /// just now: then somebody else may have written since, and threads that the create should have brought are added too.
    pub(super) async fn append_missing(
        &self,
        job: &Job,
        plan: &Plan,
        id: u64,
        found: wire::Conversation,
        is_adopted: bool,
        pending: &[StepId],
    ) -> Result<Result<(wire::Conversation, bool), End>, Failure> {
        let mut known = HashMap::new();
        if is_adopted {
            let record = job.record;
            let rows = self.line.journal.view(move |view| view.threads(record)).await.map_err(Halt::from)?;
            known.extend(rows.into_iter().enumerate().filter_map(|(ordinal, (_, remote, _))| Some((ordinal, remote?))));
        }
        let mut filling = Filling { job, plan, id, found, known, is_live: false, notes: 0 };
        filling.is_live = is_adopted && filling.has_strangers();
        let is_live = filling.is_live;
        let from = if is_live { 0 } else { plan.carried };
        if from == plan.new.threads.len() {
            return Ok(Ok((filling.found, false)));
        }
        match self.fill(&mut filling, from..plan.new.threads.len(), pending).await? {
            Ok(has_notes) => Ok(Ok((filling.found, has_notes))),
            Err(end) => Ok(Err(end)),
        }
    }

    /// Appends these threads to a conversation that was complete once, and says what is there then. `known` are FreeScout's
    /// ids of threads that it has, by ordinal; the others of the plan are not touched.
    ///
    /// Somebody may have written since: then notes are made of messages, as where a run was interrupted. The conversation
    /// keeps its status, unless `sets_status` says that it gets the plan's and nobody else has worked on it.
    #[allow(clippy::too_many_arguments, reason = "each of another kind")]
    pub(super) async fn append_new(
        &self,
        job: &Job,
        plan: &mut Plan,
        found: wire::Conversation,
        known: HashMap<usize, u64>,
        ordinals: Vec<usize>,
        pending: &[StepId],
        sets_status: bool,
    ) -> Result<Result<wire::Conversation, End>, Failure> {
        let id = found.id;
        if !sets_status && let Some(status) = Status::from_word(&found.status) {
            plan.new.status = status;
        }
        let mut filling = Filling { job, plan, id, found, known, is_live: false, notes: 0 };
        filling.is_live = filling.has_strangers();
        match self.fill(&mut filling, ordinals.into_iter(), pending).await? {
            Ok(_) => Ok(Ok(filling.found)),
            Err(end) => Ok(Err(end)),
        }
    }

    /// Appends threads in this order, gives the conversation back to its customer, and looks at it once more. Says whether
    /// some went as notes.
    async fn fill(
        &self,
        filling: &mut Filling<'_>,
        ordinals: impl Iterator<Item = usize>,
        pending: &[StepId],
    ) -> Result<Result<bool, End>, Failure> {
        let (job, plan, id) = (filling.job, filling.plan, filling.id);
        for ordinal in ordinals {
            match self.append(filling, ordinal, pending).await {
                Ok(()) => {}
                Err(Failure::Refused(error)) => {
                    let why = format!("thread {} could not be appended: {error}", ordinal + 1);
                    return Ok(Err(self.bury(job, Some(id), codes::SEND_REFUSED, why).await?));
                }
                Err(failure) => return Err(failure),
            }
        }
        let live_customer = filling.found.customer.as_ref().and_then(|person| person.id).filter(|_| filling.is_live);
        if plan.appends_others() && (filling.notes == 0 || live_customer.is_none()) {
            self.give_back(job, id, live_customer.unwrap_or(plan.new.customer_id)).await?;
        }
        filling.found = self.get(job, id).await?;
        if filling.notes > 0 {
            let message = format!(
                "somebody else has written in conversation {id} since it was begun: {} of its {} threads went as notes",
                filling.notes,
                plan.new.threads.len()
            );
            self.line.note_one(&job.who, codes::SEND_AS_NOTES, message).await?;
        }
        Ok(Ok(filling.notes > 0 || plan.has_notes_in(&filling.found)))
    }

    /// Appends one thread, unless it is there. What an earlier run sent and never heard of (`pending`) is looked for
    /// as long as what this run sent: its effect may still be coming.
    async fn append(&self, filling: &mut Filling<'_>, ordinal: usize, pending: &[StepId]) -> Result<(), Failure> {
        let number = u32::try_from(ordinal).unwrap_or(u32::MAX);
        if filling.known.contains_key(&ordinal) {
            // It was there. If it no longer is, somebody has taken it away, and the comparison says so.
            return Ok(());
        }
        let pending = pending.iter().find(|step| step.ordinal == number);
        let there = match (filling.there(ordinal), pending) {
            (None, Some(_)) => self.look_for_append(filling, ordinal, None).await?,
            (there, _) => there,
        };
        if let Some(there) = there {
            if let Some(step) = pending {
                self.settle_append(*step, &there).await?;
            }
            return Ok(());
        }
        let mut attempts = Attempts::new();
        loop {
            let (thread, is_note) = filling.thread(ordinal, self.line.options.appends_messages);
            let row = filling.plan.row_as(ordinal, &thread);
            let mut digest = [0; 16];
            digest[..8].copy_from_slice(&row.digests.body);
            let intent = Intent { kind: StepKind::Append, ordinal: number, digest, create: None };
            if filling.is_live {
                self.line.journal.alter_thread(filling.job.record, number, row).await?;
            }
            let (job, id, client) = (filling.job, filling.id, &self.line.client);
            let sent = self.line.write(&job.who, job.record, &intent, || client.create_thread(id, &thread)).await;
            let step = match sent {
                Ok((step, created)) => {
                    let files = created.body.as_ref().map(files_of).unwrap_or_default();
                    let settlement = Settlement {
                        threads: vec![(number, created.id, files)],
                        remote: Some(created.id),
                        ..Settlement::default()
                    };
                    self.line.journal.settle(step, settlement).await?;
                    step
                }
                Err(Failure::Unknown(step, sent, error)) => {
                    attempts.failed(sent);
                    match self.look_for_append(filling, ordinal, Some(sent)).await? {
                        Some(there) => self.settle_append(step, &there).await?,
                        None if self.line.is_given_up(&attempts) => return Err(Failure::Refused(error)),
                        None => {
                            self.line.wait_to_retry(&job.who, &error.verdict(), attempts.count, &error).await?;
                            self.line.try_again(&mut attempts);
                            continue;
                        }
                    }
                    step
                }
                Err(failure) => return Err(failure),
            };
            debug_assert_eq!(step.ordinal, number);
            self.keep_hashes(job, filling.plan, ordinal..ordinal + 1).await?;
            filling.notes += usize::from(is_note);
            self.sum(|sum| {
                sum.threads += 1;
                sum.attachments += thread.attachments.len() as u64;
            });
            return Ok(());
        }
    }

    async fn settle_append(&self, step: StepId, there: &wire::Thread) -> Result<(), Halt> {
        let threads = vec![(step.ordinal, there.id, files_of(there))];
        let settlement = Settlement { threads, remote: Some(there.id), ..Settlement::default() };
        Ok(self.line.journal.settle(step, settlement).await?)
    }

    /// Whether an append that was never answered has taken effect: looked for as a create is. `sent` is when it was
    /// sent; `None`: in an earlier run.
    async fn look_for_append(
        &self,
        filling: &mut Filling<'_>,
        ordinal: usize,
        sent: Option<tokio::time::Instant>,
    ) -> Result<Option<wire::Thread>, Failure> {
        let begun = tokio::time::Instant::now();
        let mut looks = 0;
        loop {
            let takes_writes = self.line.limiter.has_written_since(sent);
            let found = self.get(filling.job, filling.id).await?;
            filling.look(found);
            if let Some(there) = filling.there(ordinal) {
                return Ok(Some(there));
            }
            looks += 1;
            let settle = self.line.settle_time();
            let is_believed = looks >= 2 && takes_writes;
            if is_believed || (begun.elapsed() >= settle * 4 && self.line.has_no_writes()) {
                return Ok(None);
            }
            self.line.sleep(settle).await?;
        }
    }
}

fn files_of(thread: &wire::Thread) -> Vec<u64> {
    thread.attachments().iter().map(|file| file.id.unwrap_or(0)).collect()
}
