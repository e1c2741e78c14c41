//! Finds out what became of a create that was never answered. `docs/journal.md` has the table.
//!
//! Promises:
//!
//! - Nothing is sent again before FreeScout has been asked, and absence is believed late: after two empty
//!   looks that lie apart, and a later write of ours that was answered (or a long silence when none is to come).
//! - What is there and whole is adopted; a half that no longer grows is deleted; one that grows is awaited.
//! - A conversation is adopted once: ids that any record has are passed over.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::compare::{Judged, judge, strangers, written};
use super::late::{reads_back, times_of};
use super::line::{Attempts, Failure, Line, Who};
use super::plan::{Plan, digest, kept_subject, marker_in, marker_of, thread_digests};
use crate::finding::codes;
use crate::freescout::{ConversationFilter, ConversationSort, Deleted, Embed, Page, SortOrder, wire};
use crate::journal::{Digest, Intent, RecordRow, Settlement, StepKind, Sweep, ThreadDigests};
use crate::report::Event;

/// A half of which the last write is older than this, by the server's own clock, is quiet at once.
const LONG_QUIET: Duration = Duration::from_secs(600);

/// How often a half has to look the same.
const QUIET_LOOKS: u32 = 3;

/// How many rows are walked for one look-up. More records than this opened in one second of one
/// mailbox are not told apart by looking, but by an end of patience.
const MOST_PAGES: u64 = 40;

/// The wait before the last look is told of if it is longer than this.
const TOLD: Duration = Duration::from_secs(2);

/// What became of a create that was never answered.
#[derive(Debug)]
pub(super) enum Fate {
    /// It took effect; this is its conversation. Something may be missing, if somebody has worked on it since.
    Adopted(Box<wire::Conversation>),
    /// It had no effect, as far as anybody can tell, or half an effect that is deleted: it may be sent again.
    Gone {
        /// Whether a half was deleted.
        was_half: bool,
    },
}

/// What one look has shown.
enum Look {
    Whole(Box<wire::Conversation>),
    Half(Half),
    Nothing,
}

/// A conversation that is ours, and not all of it.
struct Half {
    found: Box<wire::Conversation>,
    signature: Signature,
    age: Option<Duration>,
    /// Whether somebody has worked on it.
    is_touched: bool,
}

/// What changes while a half grows.
type Signature = (u64, usize, usize, Option<Timestamp>);

/// The ids that this run has given to records.
#[derive(Default)]
pub(super) struct Claims {
    ids: Mutex<HashSet<u64>>,
}

impl Claims {
    /// Claims an id; says whether nobody had it.
    pub(super) fn claim(&self, id: u64) -> bool {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner).insert(id)
    }

    fn release(&self, id: u64) {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }
}

/// Finds out what became of the create of `plan`. `sent` is when it was sent; `None`: in an earlier run.
pub(super) async fn reconcile(
    line: &Line,
    claims: &Claims,
    who: &Who,
    record: RecordRow,
    plan: &Plan,
    sent: Option<Instant>,
) -> Result<Fate, Failure> {
    let mut half: Option<(Signature, u32)> = None;
    let mut first_empty: Option<Instant> = None;
    let mut last_empty: Option<Instant> = None;
    let mut empty_looks = 0_u32;
    loop {
        let begun = Instant::now();
        // Before the look: what took effect between a look and a later write of ours would be missed by both.
        let takes_writes = line.limiter.has_written_since(sent);
        let look = look(line, claims, who, plan).await?;
        let settle = line.settle_time();
        match look {
            Look::Whole(found) => return Ok(Fate::Adopted(found)),
            // A slow answer comes from a server that may be doing anything: it shows nothing.
            Look::Half(Half { found, .. }) if begun.elapsed() > settle => {
                claims.release(found.id);
                line.sleep(settle / 2).await?;
            }
            Look::Nothing if begun.elapsed() > settle => line.sleep(settle / 2).await?,
            Look::Half(Half { found, signature, age, is_touched }) => {
                let id = found.id;
                (first_empty, last_empty, empty_looks) = (None, None, 0);
                let looks = match half {
                    Some((last, looks)) if last == signature => looks + 1,
                    _ => 1,
                };
                half = Some((signature, looks));
                let is_old = looks == 1 && age.is_some_and(|age| age > LONG_QUIET);
                if (looks >= QUIET_LOOKS || is_old) && is_touched {
                    return Ok(Fate::Adopted(found));
                }
                if looks >= QUIET_LOOKS || is_old {
                    delete(line, who, record, id).await?;
                    claims.release(id);
                    let message = format!(
                        "half a conversation, {id}, was left by a request that was never answered; it was deleted and is sent again"
                    );
                    line.note_one(who, codes::SEND_REPLACED, message).await?;
                    return Ok(Fate::Gone { was_half: true });
                }
                claims.release(id);
                line.sleep(settle / 2).await?;
            }
            Look::Nothing => {
                half = None;
                let now = Instant::now();
                let first = *first_empty.get_or_insert(now);
                if last_empty.is_none_or(|last| now - last >= settle) {
                    last_empty = Some(now);
                    empty_looks += 1;
                }
                // A write that was sent later and took effect shows that the database takes writes: under a
                // lock against writing, look-ups answer at once and show nothing.
                let is_believed = empty_looks >= 2 && takes_writes;
                let none_to_come = now - first >= settle * 4 && line.has_no_writes();
                if is_believed || none_to_come {
                    return Ok(Fate::Gone { was_half: false });
                }
                line.sleep(settle).await?;
            }
        }
    }
}

/// Looks for a conversation of which no journal knows whether it was ever sent: once, unless half of it is there.
pub(super) async fn seek(
    line: &Line,
    claims: &Claims,
    who: &Who,
    record: RecordRow,
    plan: &Plan,
) -> Result<Fate, Failure> {
    match look(line, claims, who, plan).await? {
        Look::Whole(found) => Ok(Fate::Adopted(found)),
        Look::Nothing => Ok(Fate::Gone { was_half: false }),
        Look::Half(half) => {
            claims.release(half.found.id);
            reconcile(line, claims, who, record, plan, None).await
        }
    }
}

/// Looks once: by mailbox and time, never by customer, since a half can have another's.
async fn look(line: &Line, claims: &Claims, who: &Who, plan: &Plan) -> Result<Look, Failure> {
    let sent = plan.create();
    let subject = kept_subject(&sent.subject);
    let mut half = None;
    let mut whole: Option<Box<wire::Conversation>> = None;
    for row in rows_at(line, who, sent.mailbox_id, sent.created_at).await? {
        if row.subject.trim() != subject || line.journal.is_claimed(row.id).await? || !claims.claim(row.id) {
            continue;
        }
        let answer = line.read(who, || line.client.conversation(row.id, Embed::THREADS)).await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(Failure::Refused(error)) if error.is_not_found() => {
                claims.release(row.id);
                continue;
            }
            Err(failure) => {
                claims.release(row.id);
                return Err(failure);
            }
        };
        match judge(&sent, plan.marker.as_deref(), &answer.value) {
            Judged::Whole if whole.is_none() => whole = Some(Box::new(answer.value)),
            Judged::Whole => {
                claims.release(row.id);
                let is_ours = plan.marker.is_some() && strangers(plan, &answer.value) == 0;
                surplus(line, who, row.id, is_ours).await?;
            }
            judged @ (Judged::Half | Judged::Touched) if half.is_none() => {
                let found = &answer.value;
                let threads = written(found.threads());
                let attachments = threads.iter().map(|thread| thread.attachments().len()).sum();
                let age = match (answer.server_date, found.updated_at) {
                    (Some(now), Some(updated)) => Duration::try_from(now.duration_since(updated)).ok(),
                    _ => None,
                };
                let signature = (found.id, threads.len(), attachments, found.updated_at);
                let is_touched = matches!(judged, Judged::Touched);
                half = Some(Half { found: Box::new(answer.value), signature, age, is_touched });
            }
            Judged::Half | Judged::Touched | Judged::Foreign => claims.release(row.id),
        }
    }
    if let Some(found) = whole {
        if let Some(half) = half {
            claims.release(half.found.id);
        }
        return Ok(Look::Whole(found));
    }
    Ok(half.map_or(Look::Nothing, Look::Half))
}

/// Every conversation of a mailbox that was opened at exactly this second, lowest id first; also those that read back an
/// hour late, where a server's summer time may make them so.
async fn rows_at(line: &Line, who: &Who, mailbox: u64, time: Timestamp) -> Result<Vec<wire::Conversation>, Failure> {
    let mut rows: Vec<wire::Conversation> = Vec::new();
    for time in times_of(time) {
        walk_rows(line, who, mailbox, time, &mut rows).await?;
    }
    rows.sort_by_key(|row| row.id);
    rows.dedup_by_key(|row| row.id);
    Ok(rows)
}

async fn walk_rows(
    line: &Line,
    who: &Who,
    mailbox: u64,
    time: Timestamp,
    rows: &mut Vec<wire::Conversation>,
) -> Result<(), Failure> {
    let filter = ConversationFilter {
        mailbox_ids: vec![mailbox],
        created_since: Some(time),
        sort: ConversationSort::CreatedAt,
        order: SortOrder::Ascending,
        ..ConversationFilter::default()
    };
    let mut page = Page::FIRST;
    loop {
        let list = line.read(who, || line.client.list_conversations(&filter, page)).await?;
        let is_full = list.items.len() as u64 >= page.size;
        let are_all_at = list.items.iter().all(|row| row.created_at == Some(time));
        rows.extend(
            list.items.into_iter().filter(|row| row.created_at == Some(time) && row.mailbox_id == Some(mailbox)),
        );
        if !is_full || !are_all_at || page.number >= MOST_PAGES {
            return Ok(());
        }
        page = page.next();
    }
}

/// Deletes a half. That it is going is durable before the request leaves; 404 is a success.
pub(super) async fn delete(line: &Line, who: &Who, record: RecordRow, id: u64) -> Result<(), Failure> {
    line.journal.disown(record).await?;
    let mut request = [0; 16];
    request[..8].copy_from_slice(&id.to_le_bytes());
    let intent = Intent { kind: StepKind::Delete, ordinal: 0, digest: request, create: None };
    let mut attempts = Attempts::new();
    loop {
        match line.write(who, record, &intent, || line.client.delete_conversation(id)).await {
            Ok((step, Deleted::Deleted | Deleted::WasAbsent)) => {
                line.journal.settle(step, Settlement { remote: Some(id), ..Settlement::default() }).await?;
                return Ok(());
            }
            // Deleting again is as good as deleting once.
            Err(Failure::Unknown(_, sent, error)) => {
                attempts.failed(sent);
                if line.is_given_up(&attempts) {
                    return Err(Failure::Refused(error));
                }
                line.wait_to_retry(who, &error.verdict(), attempts.count, &error).await?;
                line.try_again(&mut attempts);
            }
            Err(failure) => return Err(failure),
        }
    }
}

/// A second whole copy: named, and deleted if it is certainly ours alone and the operator allows it.
async fn surplus(line: &Line, who: &Who, id: u64, is_certain: bool) -> Result<(), Failure> {
    let may_delete = is_certain && line.options.deletes_surplus;
    let message = if may_delete {
        match line.write_person(who, || line.client.delete_conversation(id)).await? {
            Ok(_) => format!("a second copy, {id}, was found and deleted"),
            Err(error) => format!("a second copy, {id}, was found and could not be deleted: {error}"),
        }
    } else {
        format!("a second copy, {id}, was found; delete it by hand")
    };
    line.note_one(who, codes::SEND_SURPLUS, message).await?;
    Ok(())
}

/// Looks for late copies of every record that was sent again: no finite wait proves absence, but this makes it hold.
pub(super) async fn sweep(line: &Line, sweeps: Vec<Sweep>) -> Result<(), Failure> {
    for sweep in sweeps {
        let after = Timestamp::from_millisecond(sweep.after).unwrap_or(Timestamp::MIN);
        if let Ok(wait) = Duration::try_from(after.duration_since(Timestamp::now())) {
            if wait > TOLD {
                let reason = "then what was sent again is looked for once more; all else is done";
                line.reporter.event(&Event::Paused { wait, reason });
            }
            line.sleep(wait).await?;
        }
        sweep_one(line, &sweep).await?;
        line.journal.sweep(sweep.record, None).await?;
    }
    Ok(())
}

async fn sweep_one(line: &Line, sweep: &Sweep) -> Result<(), Failure> {
    let origin = crate::record::Origin::whole(&std::sync::Arc::from("journal"));
    let who = Who { id: sweep.id.clone(), origin };
    let Ok(time) = Timestamp::from_second(sweep.key.opened_at) else { return Ok(()) };
    let record = sweep.record;
    let (digests, threads, lowest) = line
        .journal
        .view(move |view| Ok((view.digests(record)?, view.threads(record)?, view.lowest_conversation(record)?)))
        .await?;
    let threads: Vec<ThreadDigests> = threads.into_iter().map(|(_, _, digests)| digests).collect();
    let marker = line.options.has_marker.then(|| marker_of(&sweep.id));
    for row in rows_at(line, &who, sweep.key.mailbox, time).await? {
        let is_same_subject = digests.is_some_and(|digests| digests.subject == digest(row.subject.trim()));
        // What was there before anything was sent for this record, in this run or an earlier one, is not its late copy.
        let is_from_before = lowest.is_some_and(|lowest| row.id < lowest);
        if !is_same_subject || is_from_before || line.journal.is_claimed(row.id).await? {
            continue;
        }
        let answer = match line.read(&who, || line.client.conversation(row.id, Embed::THREADS)).await {
            Ok(answer) => answer,
            Err(Failure::Refused(error)) if error.is_not_found() => continue,
            Err(failure) => return Err(failure),
        };
        let there = written(answer.value.threads());
        let mark = there.iter().find_map(|thread| marker_in(thread.body.as_deref()?));
        let begins_alike =
            there.len() <= threads.len() && there.iter().zip(&threads).all(|(there, sent)| is_alike(there, sent));
        let is_ours = match (&marker, mark) {
            (Some(marker), Some(mark)) => marker == mark,
            (_, Some(_)) => false,
            // A half without threads has no marker yet.
            (Some(_), None) => there.is_empty() && answer.value.created_by.is_none(),
            (None, None) => begins_alike,
        };
        if is_ours {
            // What somebody has written in is not taken away from them.
            let is_untouched =
                answer.value.threads().iter().all(|there| threads.iter().any(|sent| is_alike(there, sent)));
            surplus(line, &who, row.id, marker.is_some() && is_untouched).await?;
        }
    }
    Ok(())
}

fn is_alike(there: &wire::Thread, sent: &ThreadDigests) -> bool {
    let body = there.body.as_deref().unwrap_or_default();
    let found = thread_digests(&there.kind, "", None, body, &there.cc, &there.bcc);
    (found.kind, found.body) == (sent.kind, sent.body) && is_time(there.created_at, sent.time)
}

/// Whether a time is the one that a digest was made of, or the late one that is read back for it.
fn is_time(found: Option<Timestamp>, sent: Digest) -> bool {
    let Some(found) = found else { return false };
    let sent_at = |seconds: i64| {
        let time = Timestamp::from_second(found.as_second() - seconds).ok()?;
        (digest(&time.as_second().to_string()) == sent).then_some(time)
    };
    [0, 1800, 3600].into_iter().find_map(sent_at).is_some_and(|time| reads_back(time, Some(found)))
}
