//! What is written into a journal, row by row. Each function is one short piece of a transaction.

use std::sync::Arc;

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Result, params};

use super::Place;
use crate::finding::{Finding, Severity};
use crate::record::{Origin, RecordId, Seat};
use crate::report::Outcome;

/// A short digest of one field, 8 bytes of BLAKE3: enough to see that something differs, too little to give it away.
pub type Digest = [u8; 8];

/// A record's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordRow(pub(super) i64);

impl RecordRow {
    /// Its number, which ascends in the order in which records were taken up.
    pub fn number(self) -> i64 {
        self.0
    }
}

/// A run's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunId(pub i64);

/// A step's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StepId {
    pub(super) id: i64,
    /// The record it is a step of.
    pub record: RecordRow,
    /// What it does.
    pub kind: StepKind,
    /// Which of its kind, from 0.
    pub ordinal: u32,
}

/// A record that is taken up.
#[derive(Debug, Clone)]
pub struct Admission {
    /// Which.
    pub id: RecordId,
    /// Where it stands, for people.
    pub origin: Origin,
    /// The mapping's rules that fired.
    pub rules: Vec<Arc<str>>,
    /// The hash of the mapping's text.
    pub mapping: Option<blake3::Hash>,
    /// The run that takes it up.
    pub run: RunId,
    /// Whether a dead letter is taken up again.
    pub takes_up_dead: bool,
}

/// What the journal knows of a record that is taken up.
#[derive(Debug, Clone)]
pub enum Admitted {
    /// Nothing was ever sent for it.
    New(RecordRow),
    /// An earlier run, or an earlier try, sent something.
    Resumed(Box<OpenRecord>),
    /// It has its outcome.
    Settled(Settled),
}

/// A record with its outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// Its row.
    pub record: RecordRow,
    /// What became of it.
    pub outcome: Outcome,
    /// FreeScout's id, if there is one.
    pub conversation: Option<u64>,
    /// Why, unless it is done.
    pub reason: Option<String>,
}

/// A record for which something was sent and which has no outcome yet.
#[derive(Debug, Clone)]
pub struct OpenRecord {
    /// Its row.
    pub record: RecordRow,
    /// FreeScout's id, once the create is settled.
    pub conversation: Option<u64>,
    /// Where its conversation is looked for; `None`: the create was never started.
    pub key: Option<Key>,
    /// How many threads the create itself carries, whatever was appended since.
    pub carried: usize,
    /// How often its create was started.
    pub attempts: u32,
    /// Its steps so far, in the order in which they were first started.
    pub steps: Vec<OpenStep>,
}

/// A step as the journal has it.
#[derive(Debug, Clone)]
pub struct OpenStep {
    /// Its row.
    pub step: StepId,
    /// Where it stands.
    pub state: StepState,
    /// When it was last sent, in milliseconds since 1970.
    pub sent_at: Option<i64>,
    /// FreeScout's id of what it made.
    pub remote: Option<u64>,
    /// Of the request.
    pub digest: [u8; 16],
}

/// Where a conversation is looked for. Two records with equal keys are twins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    /// FreeScout's id of the mailbox.
    pub mailbox: u64,
    /// When the conversation was opened, in seconds since 1970.
    pub opened_at: i64,
    /// Subject and threads, as they will read back.
    pub digest: [u8; 16],
}

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StepKind {
    /// Creates the conversation.
    Create,
    /// Adds one thread to it.
    Append,
    /// Gives it back to its own customer.
    Owner,
    /// Sets its tags.
    Tags,
    /// Sets its custom fields.
    Fields,
    /// Deletes half a conversation.
    Delete,
}

impl StepKind {
    pub(super) const ALL: [Self; 6] = [Self::Create, Self::Append, Self::Owner, Self::Tags, Self::Fields, Self::Delete];

    /// The journal's word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Append => "append",
            Self::Owner => "owner",
            Self::Tags => "tags",
            Self::Fields => "fields",
            Self::Delete => "delete",
        }
    }
}

/// Where a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepState {
    /// Known, not started.
    Planned,
    /// About to be sent, or sent; no answer is known.
    InFlight,
    /// Sent, and nobody knows whether it took effect.
    Unknown,
    /// Took effect, and FreeScout's answer is known.
    Done,
    /// Certainly had no effect.
    Refused,
}

impl StepState {
    const ALL: [Self; 5] = [Self::Planned, Self::InFlight, Self::Unknown, Self::Done, Self::Refused];

    /// The journal's word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::InFlight => "in flight",
            Self::Unknown => "unknown",
            Self::Done => "done",
            Self::Refused => "refused",
        }
    }
}

/// A request that is about to be sent.
#[derive(Debug, Clone)]
pub struct Intent {
    /// What it does.
    pub kind: StepKind,
    /// Which of its kind, from 0.
    pub ordinal: u32,
    /// A digest of the request.
    pub digest: [u8; 16],
    /// For a create: where it will be looked for, and what it holds.
    pub create: Option<Box<CreateRows>>,
}

/// What a create is about to send.
#[derive(Debug, Clone)]
pub struct CreateRows {
    /// Where it is looked for.
    pub key: Key,
    /// The conversation's fields.
    pub digests: ConversationDigests,
    /// All threads, oldest first, those that are appended later included.
    pub threads: Vec<ThreadRow>,
    /// How many of them the create itself carries.
    pub carried: usize,
}

/// Digests of a conversation's fields, as they will read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ConversationDigests {
    /// FreeScout's id of the mailbox.
    pub mailbox: Digest,
    /// Kind of conversation.
    pub kind: Digest,
    /// Status.
    pub status: Digest,
    /// Subject.
    pub subject: Digest,
    /// FreeScout's id of the customer.
    pub customer: Digest,
    /// FreeScout's id of the assignee.
    pub assignee: Digest,
    /// When it was opened.
    pub created_at: Digest,
    /// When it was closed.
    pub closed_at: Digest,
    /// Tags, sorted.
    pub tags: Digest,
    /// Custom fields that were sent, by id.
    pub fields: Digest,
}

/// Digests of a thread's fields, as they will read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ThreadDigests {
    /// Kind of thread.
    pub kind: Digest,
    /// `user:ID` or `customer:ID`.
    pub author: Digest,
    /// When it was written.
    pub time: Digest,
    /// The text, trimmed, without the marker.
    pub body: Digest,
    /// Copied people, sorted.
    pub cc: Digest,
    /// Blind copies, sorted.
    pub bcc: Digest,
}

/// Digests as one value, and back: 8 bytes for each field, in the order of the fields.
macro_rules! digests {
    ($name:ident, $count:literal: $($field:ident),+) => {
        impl $name {
            pub(super) fn to_bytes(self) -> Vec<u8> {
                [$(self.$field),+].concat()
            }

            pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
                let mut parts = bytes.as_chunks::<8>().0.iter().copied();
                Some(Self { $($field: parts.next()?),+ })
            }
        }
    };
}

digests!(ConversationDigests, 10: mailbox, kind, status, subject, customer, assignee, created_at, closed_at, tags, fields);
digests!(ThreadDigests, 6: kind, author, time, body, cc, bcc);

/// A thread that was sent or is about to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThreadRow {
    /// The entry's own id in the archive.
    pub entry: String,
    /// Kind of thread, in the API's word.
    pub kind: &'static str,
    /// Its fields.
    pub digests: ThreadDigests,
    /// Its files.
    pub attachments: Vec<AttachmentRow>,
}

/// An attachment that was sent or is about to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttachmentRow {
    /// The name that was sent.
    pub name: String,
    /// Bytes, before base64.
    pub size: u64,
    /// A digest of the bytes, where they were at hand.
    pub hash: Option<[u8; 16]>,
}

/// What FreeScout answered to a step.
#[derive(Debug, Clone, Default)]
pub struct Settlement {
    /// The id of what was made.
    pub remote: Option<u64>,
    /// For a create: the conversation's number.
    pub number: Option<u64>,
    /// Threads by ordinal, with FreeScout's ids of each and of its attachments.
    pub threads: Vec<(u32, u64, Vec<u64>)>,
    /// Whether the record is done with this step.
    pub ends_record: bool,
}

/// A record of which late copies must be looked for.
#[derive(Debug, Clone)]
pub struct Sweep {
    /// Its row.
    pub record: RecordRow,
    /// Its identity.
    pub id: RecordId,
    /// The conversation it has.
    pub conversation: Option<u64>,
    /// Where to look.
    pub key: Key,
    /// Not before this time, in milliseconds since 1970.
    pub after: i64,
}

/// A person who was looked for in FreeScout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PersonRow {
    /// FreeScout's id; `None`: asked for, and the answer is not known.
    pub customer: Option<u64>,
    /// Whether this journal's runs made it.
    pub is_ours: bool,
}

/// SQLite's integers are signed; ids and sizes fit all the same.
pub(super) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// An id or size back from SQLite.
pub(super) fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// A column that holds something the program cannot have written.
pub(super) fn bad_column(column: usize, what: &str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, format!("`{what}` is not known").into())
}

pub(super) fn outcome_of(state: &str) -> Option<Outcome> {
    match state {
        "done" => Some(Outcome::Done),
        "skipped" => Some(Outcome::Skipped),
        "rejected" => Some(Outcome::Rejected),
        "dead" => Some(Outcome::Dead),
        _ => None,
    }
}

fn state_of(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Done => "done",
        Outcome::Skipped => "skipped",
        Outcome::Rejected => "rejected",
        Outcome::Dead => "dead",
    }
}

pub(super) fn begin_run(db: &Connection, command: &str, now: i64) -> Result<RunId> {
    db.execute("UPDATE runs SET ending = 'killed' WHERE ended_at IS NULL AND ending IS NULL", [])?;
    db.execute("INSERT INTO runs (command, started_at) VALUES (?1, ?2)", params![command, now])?;
    Ok(RunId(db.last_insert_rowid()))
}

pub(super) fn end_run(db: &Connection, run: RunId, ending: &str, summary: &str, now: i64) -> Result<()> {
    db.execute(
        "UPDATE runs SET ended_at = ?2, ending = ?3, summary = ?4 WHERE id = ?1",
        params![run.0, now, ending, summary],
    )?;
    Ok(())
}

fn file_of(db: &Connection, name: &str) -> Result<i64> {
    let mut find = db.prepare_cached("SELECT id FROM files WHERE name = ?1")?;
    if let Some(id) = find.query_row([name], |row| row.get(0)).optional()? {
        return Ok(id);
    }
    db.execute("INSERT INTO files (name) VALUES (?1)", [name])?;
    Ok(db.last_insert_rowid())
}

fn place_of(place: Place) -> (&'static str, i64) {
    match place {
        Place::Whole => ("whole", 0),
        Place::Line(line) => ("line", signed(line)),
        Place::Byte(byte) => ("byte", signed(byte)),
    }
}

/// A record's row as `admit` and `set_aside` need it.
struct Found {
    row: RecordRow,
    state: String,
    conversation: Option<u64>,
    reason: Option<String>,
    key: Option<Key>,
    attempts: u32,
    seat: Option<Seat>,
    is_grown: bool,
}

fn find(db: &Connection, id: &RecordId) -> Result<Option<Found>> {
    db.prepare_cached(
        "SELECT id, state, conversation, reason, mailbox, opened_at, key_digest, attempts, seat_index, seat, seat_opened, grown
         FROM records WHERE source = ?1 AND original = ?2",
    )?
    .query_row(params![id.source, id.original], |row| {
        Ok(Found {
            row: RecordRow(row.get(0)?),
            state: row.get(1)?,
            conversation: row.get::<_, Option<i64>>(2)?.map(unsigned),
            reason: row.get(3)?,
            key: key_of(row, 4)?,
            attempts: row.get(7)?,
            seat: seat_of(row, 8)?,
            is_grown: row.get(11)?,
        })
    })
    .optional()
}

/// The seat in three columns from `column` on.
fn seat_of(row: &rusqlite::Row<'_>, column: usize) -> Result<Option<Seat>> {
    let index: Option<i64> = row.get(column)?;
    let number: Option<i64> = row.get(column + 1)?;
    let opened = row.get(column + 2)?;
    Ok(index.zip(number).map(|(index, number)| Seat { index, number, opened }))
}

/// The archive has another index than when the record was last read.
fn reseat(db: &Connection, found: &Found, seat: Option<&Seat>) -> Result<()> {
    if let Some(seat) = seat.filter(|_| found.seat.as_ref() != seat) {
        db.prepare_cached("UPDATE records SET seat_index = ?2, seat = ?3, seat_opened = ?4 WHERE id = ?1")?
            .execute(params![found.row.0, seat.index, seat.number, seat.opened])?;
    }
    Ok(())
}

/// The key in three columns from `column` on.
pub(super) fn key_of(row: &rusqlite::Row<'_>, column: usize) -> Result<Option<Key>> {
    let mailbox: Option<i64> = row.get(column)?;
    let opened_at: Option<i64> = row.get(column + 1)?;
    let digest: Option<[u8; 16]> = row.get(column + 2)?;
    Ok(match (mailbox, opened_at, digest) {
        (Some(mailbox), Some(opened_at), Some(digest)) => Some(Key { mailbox: unsigned(mailbox), opened_at, digest }),
        _ => None,
    })
}

fn insert(db: &Connection, admission: &Admission, state: &str, reason: Option<&str>, now: i64) -> Result<RecordRow> {
    let file = file_of(db, &admission.origin.file)?;
    let (place_kind, place) = place_of(admission.origin.place);
    let mapping = admission.mapping.map(|hash| hash.as_bytes()[..16].to_vec());
    let seat = admission.origin.seat.as_deref();
    db.prepare_cached(
        "INSERT INTO records (source, original, file, place_kind, place, rules, mapping, state, reason, run,
                              admitted_at, settled_at, seat_index, seat, seat_opened)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)
         ON CONFLICT (source, original) DO UPDATE SET
             file = ?3, place_kind = ?4, place = ?5, rules = ?6, mapping = ?7, state = ?8, reason = ?9, run = ?10,
             settled_at = ?12, seat_index = ?13, seat = ?14, seat_opened = ?15
         RETURNING id",
    )?
    .query_row(
        params![
            admission.id.source,
            admission.id.original,
            file,
            place_kind,
            place,
            admission.rules.join("\n"),
            mapping,
            state,
            reason,
            admission.run.0,
            now,
            (state != "open").then_some(now),
            seat.map(|seat| seat.index),
            seat.map(|seat| seat.number),
            seat.and_then(|seat| seat.opened),
        ],
        |row| row.get(0).map(RecordRow),
    )
}

pub(super) fn admit(db: &Connection, admission: &Admission, now: i64) -> Result<Admitted> {
    let Some(found) = find(db, &admission.id)? else {
        return insert(db, admission, "open", None, now).map(Admitted::New);
    };
    let outcome = outcome_of(&found.state);
    let grows = found.is_grown && (outcome.is_none() || outcome == Some(Outcome::Dead) && admission.takes_up_dead);
    if outcome == Some(Outcome::Done) || grows {
        // It gets its new place when whoever asks has seen what the archive has for it now: `Journal::seat`.
        let (conversation, outcome) = (found.conversation, Outcome::Done);
        return Ok(Admitted::Settled(Settled { record: found.row, outcome, conversation, reason: None }));
    }
    reseat(db, &found, admission.origin.seat.as_deref())?;
    match outcome {
        // Nothing was ever sent for these: a changed mapping may send them now.
        Some(Outcome::Skipped | Outcome::Rejected) => insert(db, admission, "open", None, now).map(Admitted::New),
        Some(Outcome::Dead) if admission.takes_up_dead => {
            insert(db, admission, "open", None, now)?;
            open(db, &found)
        }
        Some(outcome) => Ok(Admitted::Settled(Settled {
            record: found.row,
            outcome,
            conversation: found.conversation,
            reason: found.reason,
        })),
        None => open(db, &found),
    }
}

fn open(db: &Connection, found: &Found) -> Result<Admitted> {
    let steps = steps_of(db, found.row)?;
    if steps.is_empty() {
        return Ok(Admitted::New(found.row));
    }
    let &Found { row, conversation, key, attempts, .. } = found;
    // Appended threads get their time as well, as soon as they are about to be sent; each has a step of its own.
    let sent = "SELECT count(*) FROM threads AS thread WHERE record = ?1 AND sent_at IS NOT NULL AND NOT EXISTS (
         SELECT 1 FROM steps WHERE record = thread.record AND kind = 'append' AND ordinal = thread.ordinal)";
    let carried: i64 = db.prepare_cached(sent)?.query_row([row.0], |row| row.get(0))?;
    let carried = usize::try_from(carried).unwrap_or(0);
    Ok(Admitted::Resumed(Box::new(OpenRecord { record: row, conversation, key, carried, attempts, steps })))
}

pub(super) fn steps_of(db: &Connection, record: RecordRow) -> Result<Vec<OpenStep>> {
    db.prepare_cached(
        "SELECT id, kind, ordinal, state, sent_at, remote, digest FROM steps WHERE record = ?1 ORDER BY id",
    )?
    .query_map([record.0], |row| {
        let kind: String = row.get(1)?;
        let state: String = row.get(3)?;
        let kind = StepKind::ALL.into_iter().find(|known| known.word() == kind);
        let state = StepState::ALL.into_iter().find(|known| known.word() == state);
        Ok(OpenStep {
            step: StepId {
                id: row.get(0)?,
                record,
                kind: kind.ok_or_else(|| bad_column(1, "kind"))?,
                ordinal: row.get(2)?,
            },
            state: state.ok_or_else(|| bad_column(3, "state"))?,
            sent_at: row.get(4)?,
            remote: row.get::<_, Option<i64>>(5)?.map(unsigned),
            digest: row.get(6)?,
        })
    })?
    .collect()
}

pub(super) fn set_aside(
    db: &Connection,
    admission: &Admission,
    outcome: Outcome,
    reason: &str,
    now: i64,
) -> Result<Settled> {
    if let Some(found) = find(db, &admission.id)? {
        reseat(db, &found, admission.origin.seat.as_deref())?;
        let earlier = outcome_of(&found.state);
        let is_carried = matches!(earlier, Some(Outcome::Done | Outcome::Dead));
        // What was carried, or begun, is not undone by a rule that came later.
        let is_begun = earlier.is_none() && !steps_of(db, found.row)?.is_empty();
        if is_begun {
            let reason = format!("an earlier run had begun to send it; now: {reason}");
            bury(db, found.row, &reason, now)?;
            let (record, conversation) = (found.row, found.conversation);
            return Ok(Settled { record, outcome: Outcome::Dead, conversation, reason: Some(reason) });
        }
        if let Some(outcome) = earlier.filter(|_| is_carried) {
            let Found { row: record, conversation, reason, .. } = found;
            return Ok(Settled { record, outcome, conversation, reason });
        }
    }
    let record = insert(db, admission, state_of(outcome), Some(reason), now)?;
    Ok(Settled { record, outcome, conversation: None, reason: Some(reason.to_owned()) })
}

pub(super) fn start(db: &Connection, record: RecordRow, intent: &Intent, now: i64) -> Result<StepId> {
    if let Some(create) = &intent.create {
        db.prepare_cached(
            "UPDATE records SET mailbox = ?2, opened_at = ?3, key_digest = ?4, digests = ?5, attempts = attempts + 1
             WHERE id = ?1",
        )?
        .execute(params![
            record.0,
            signed(create.key.mailbox),
            create.key.opened_at,
            create.key.digest,
            create.digests.to_bytes(),
        ])?;
        insert_threads(db, record, create, now)?;
    }
    if intent.kind == StepKind::Append {
        db.prepare_cached("UPDATE threads SET sent_at = ?3 WHERE record = ?1 AND ordinal = ?2")?.execute(params![
            record.0,
            intent.ordinal,
            now
        ])?;
    }
    let id = db
        .prepare_cached(
            "INSERT INTO steps (record, kind, ordinal, state, digest, sent_at)
             VALUES (?1, ?2, ?3, 'in flight', ?4, ?5)
             ON CONFLICT (record, kind, ordinal) DO UPDATE SET
                 state = 'in flight', digest = ?4, sent_at = ?5, settled_at = NULL, remote = NULL, error = NULL
             RETURNING id",
        )?
        .query_row(params![record.0, intent.kind.word(), intent.ordinal, intent.digest, now], |row| row.get(0))?;
    Ok(StepId { id, record, kind: intent.kind, ordinal: intent.ordinal })
}

fn insert_threads(db: &Connection, record: RecordRow, create: &CreateRows, now: i64) -> Result<()> {
    db.prepare_cached("DELETE FROM threads WHERE record = ?1")?.execute([record.0])?;
    db.prepare_cached("DELETE FROM attachments WHERE record = ?1")?.execute([record.0])?;
    for (ordinal, thread) in create.threads.iter().enumerate() {
        insert_thread(db, record, ordinal, thread, (ordinal < create.carried).then_some(now))?;
    }
    Ok(())
}

/// A thread and its attachments, unless they are there.
pub(super) fn insert_thread(
    db: &Connection,
    record: RecordRow,
    ordinal: usize,
    thread: &ThreadRow,
    sent_at: Option<i64>,
) -> Result<()> {
    let ordinal = signed(ordinal as u64);
    let inserted = db
        .prepare_cached(
            "INSERT OR IGNORE INTO threads (record, ordinal, entry, kind, sent_at, digests) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![record.0, ordinal, thread.entry, thread.kind, sent_at, thread.digests.to_bytes()])?;
    let mut attachment_row = db.prepare_cached(
        "INSERT INTO attachments (record, thread, ordinal, name, size, hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    for (place, attachment) in thread.attachments.iter().enumerate().take_while(|_| inserted > 0) {
        let place = signed(place as u64);
        let size = signed(attachment.size);
        attachment_row.execute(params![record.0, ordinal, place, attachment.name, size, attachment.hash])?;
    }
    Ok(())
}

/// Writes down that a thread goes as something else than was planned.
pub(super) fn alter_thread(db: &Connection, record: RecordRow, ordinal: u32, thread: &ThreadRow) -> Result<()> {
    db.prepare_cached("UPDATE threads SET kind = ?3, digests = ?4 WHERE record = ?1 AND ordinal = ?2")?
        .execute(params![record.0, ordinal, thread.kind, thread.digests.to_bytes()])?;
    Ok(())
}

pub(super) fn hash_attachments(db: &Connection, record: RecordRow, hashes: &[(u32, u32, [u8; 16])]) -> Result<()> {
    let mut row =
        db.prepare_cached("UPDATE attachments SET hash = ?4 WHERE record = ?1 AND thread = ?2 AND ordinal = ?3")?;
    for (thread, place, hash) in hashes {
        row.execute(params![record.0, thread, place, hash])?;
    }
    Ok(())
}

pub(super) fn settle(db: &Connection, step: StepId, settlement: &Settlement, now: i64) -> Result<()> {
    db.prepare_cached("UPDATE steps SET state = 'done', settled_at = ?2, remote = ?3, error = NULL WHERE id = ?1")?
        .execute(params![step.id, now, settlement.remote.map(signed)])?;
    if step.kind == StepKind::Create {
        db.prepare_cached("UPDATE records SET conversation = ?2, number = ?3 WHERE id = ?1")?.execute(params![
            step.record.0,
            settlement.remote.map(signed),
            settlement.number.map(signed),
        ])?;
    }
    for (ordinal, remote, attachments) in &settlement.threads {
        db.prepare_cached("UPDATE threads SET remote = ?3 WHERE record = ?1 AND ordinal = ?2")?.execute(params![
            step.record.0,
            ordinal,
            signed(*remote)
        ])?;
        for (place, remote) in attachments.iter().enumerate() {
            db.prepare_cached("UPDATE attachments SET remote = ?4 WHERE record = ?1 AND thread = ?2 AND ordinal = ?3")?
                .execute(params![step.record.0, ordinal, signed(place as u64), signed(*remote)])?;
        }
    }
    if settlement.ends_record {
        finish(db, step.record, now)?;
    }
    Ok(())
}

pub(super) fn step_state(db: &Connection, step: StepId, state: StepState, why: Option<&str>, now: i64) -> Result<()> {
    let settled_at = (state == StepState::Refused).then_some(now);
    db.prepare_cached("UPDATE steps SET state = ?2, error = ?3, settled_at = ?4 WHERE id = ?1")?.execute(params![
        step.id,
        state.word(),
        why,
        settled_at
    ])?;
    Ok(())
}

/// What FreeScout shows of the record is what was sent. So a request for it that was never answered has had its effect,
/// or did not need to: a half is gone, an owner is right.
pub(super) fn finish(db: &Connection, record: RecordRow, now: i64) -> Result<()> {
    db.prepare_cached(
        "UPDATE steps SET state = 'done', settled_at = ?2 WHERE record = ?1 AND state IN ('in flight', 'unknown')",
    )?
    .execute(params![record.0, now])?;
    db.prepare_cached("UPDATE records SET state = 'done', reason = NULL, settled_at = ?2 WHERE id = ?1")?
        .execute(params![record.0, now])?;
    Ok(())
}

pub(super) fn bury(db: &Connection, record: RecordRow, reason: &str, now: i64) -> Result<()> {
    db.prepare_cached("UPDATE records SET state = 'dead', reason = ?2, settled_at = ?3 WHERE id = ?1")?
        .execute(params![record.0, reason, now])?;
    Ok(())
}

pub(super) fn sweep(db: &Connection, record: RecordRow, after: Option<i64>) -> Result<()> {
    db.prepare_cached("UPDATE records SET sweep_after = ?2 WHERE id = ?1")?.execute(params![record.0, after])?;
    Ok(())
}

pub(super) fn disown(db: &Connection, record: RecordRow) -> Result<()> {
    db.prepare_cached("UPDATE records SET conversation = NULL, number = NULL WHERE id = ?1")?.execute([record.0])?;
    db.prepare_cached("UPDATE threads SET remote = NULL WHERE record = ?1")?.execute([record.0])?;
    db.prepare_cached("UPDATE attachments SET remote = NULL WHERE record = ?1")?.execute([record.0])?;
    Ok(())
}

pub(super) fn fact(db: &Connection, key: &str) -> rusqlite::Result<Option<String>> {
    db.prepare_cached("SELECT value FROM facts WHERE key = ?1")?.query_row([key], |row| row.get(0)).optional()
}

pub(super) fn set_fact(db: &Connection, key: &str, value: &str) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO facts (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
    )?
    .execute([key, value])?;
    Ok(())
}

pub(super) fn person(db: &Connection, key: &str) -> Result<Option<PersonRow>> {
    db.prepare_cached("SELECT customer, is_ours FROM people WHERE key = ?1")?
        .query_row([key], |row| {
            Ok(PersonRow { customer: row.get::<_, Option<i64>>(0)?.map(unsigned), is_ours: row.get(1)? })
        })
        .optional()
}

pub(super) fn ask_person(db: &Connection, key: &str, now: i64) -> Result<()> {
    db.prepare_cached(
        "INSERT INTO people (key, is_ours, asked_at) VALUES (?1, 0, ?2)
         ON CONFLICT (key) DO UPDATE SET asked_at = ?2, customer = NULL",
    )?
    .execute(params![key, now])?;
    Ok(())
}

pub(super) fn settle_person(db: &Connection, key: &str, customer: u64, is_ours: bool, now: i64) -> Result<()> {
    db.prepare_cached(
        "INSERT INTO people (key, customer, is_ours, asked_at, resolved_at) VALUES (?1, ?2, ?3, ?4, ?4)
         ON CONFLICT (key) DO UPDATE SET customer = ?2, is_ours = ?3, resolved_at = ?4",
    )?
    .execute(params![key, signed(customer), is_ours, now])?;
    Ok(())
}

pub(super) fn note(db: &Connection, run: RunId, findings: &[Finding], samples: i64) -> Result<()> {
    for finding in findings {
        let severity = match finding.severity {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        let count: i64 = db
            .prepare_cached(
                "INSERT INTO findings (run, code, severity, count) VALUES (?1, ?2, ?3, 1)
                 ON CONFLICT (run, code) DO UPDATE SET count = count + 1 RETURNING count",
            )?
            .query_row(params![run.0, finding.code, severity], |row| row.get(0))?;
        if count <= samples {
            db.prepare_cached(
                "INSERT INTO samples (run, code, record, origin, field, message) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                run.0,
                finding.code,
                finding.record.as_ref().map(ToString::to_string),
                finding.origin.as_ref().map(ToString::to_string),
                finding.field,
                finding.message,
            ])?;
        }
    }
    Ok(())
}
