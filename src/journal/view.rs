//! What can be read out of a journal: totals, the ledger, letters, runs, and one record's story.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Result, Row, params};
use serde::Serialize;

use super::rows::{self, key_of, outcome_of, unsigned};
use super::{
    ConversationDigests, Identity, Key, OpenStep, Origin, Place, RecordId, RecordRow, RunId, Settled, Sweep,
    ThreadDigests,
};
use crate::report::Outcome;

/// A journal, for asking. Every answer is the state at that moment.
#[derive(Clone, Copy)]
pub struct View<'a> {
    db: &'a Connection,
}

/// How many records stand where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Counts {
    /// Taken up, without an outcome.
    pub open: u64,
    /// In FreeScout.
    pub done: u64,
    /// Left out by rule.
    pub skipped: u64,
    /// Not sendable.
    pub rejected: u64,
    /// Refused or given up.
    pub dead: u64,
    /// Steps in flight or unknown: what the next run looks up first.
    pub unknown: u64,
    /// People known in FreeScout.
    pub people: u64,
    /// Of those, made by this journal's runs.
    pub people_made: u64,
    /// Threads that FreeScout has named.
    pub threads: u64,
    /// Attachments that FreeScout has named.
    pub attachments: u64,
}

impl Counts {
    /// All records.
    pub fn records(&self) -> u64 {
        self.open + self.done + self.skipped + self.rejected + self.dead
    }
}

/// One line of the ledger: the old id and the new one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerRow {
    /// Which record.
    pub id: RecordId,
    /// Where it stands in the archive.
    pub origin: Origin,
    /// FreeScout's id.
    pub conversation: Option<u64>,
    /// FreeScout's number.
    pub number: Option<u64>,
    /// Its outcome; `None`: it has none yet.
    pub outcome: Option<Outcome>,
}

/// A record that needs somebody's attention, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Which record.
    pub id: RecordId,
    /// Where it stands in the archive.
    pub origin: Origin,
    /// Rejected or dead.
    pub outcome: Outcome,
    /// Why.
    pub reason: String,
    /// FreeScout's id, if something is there.
    pub conversation: Option<u64>,
    /// How often it was sent.
    pub attempts: u32,
}

/// A run that wrote to this journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Its row.
    pub id: RunId,
    /// What was asked for.
    pub command: String,
    /// When it began, in milliseconds since 1970.
    pub started_at: i64,
    /// When it ended; `None`: it runs, or was killed.
    pub ended_at: Option<i64>,
    /// How it ended: `finished`, `interrupted`, `killed`, or the error.
    pub ending: Option<String>,
    /// Its sums, as JSON.
    pub summary: Option<String>,
}

/// How often a code was noticed in a run, with samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FindingCount {
    /// The code.
    pub code: String,
    /// Its severity.
    pub severity: String,
    /// How often.
    pub count: u64,
    /// Record or place, and message, of the first few.
    pub samples: Vec<(String, String)>,
}

/// An open create: where it is looked for.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// The record.
    pub record: RecordRow,
    /// Its identity.
    pub id: RecordId,
    /// Where to look.
    pub key: Key,
}

pub(super) fn origin_of(row: &Row<'_>, column: usize) -> Result<Origin> {
    let file: String = row.get(column)?;
    let kind: String = row.get(column + 1)?;
    let place = unsigned(row.get(column + 2)?);
    let place = match kind.as_str() {
        "line" => Place::Line(place),
        "byte" => Place::Byte(place),
        _ => Place::Whole,
    };
    Ok(Origin { file: Arc::from(file), place, seat: None })
}

pub(super) fn id_of(row: &Row<'_>, column: usize) -> Result<RecordId> {
    let source: String = row.get(column)?;
    let original: String = row.get(column + 1)?;
    Ok(RecordId { source: Arc::from(source), original })
}

pub(super) fn remote(row: &Row<'_>, column: usize) -> Result<Option<u64>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(unsigned))
}

impl<'a> View<'a> {
    pub(super) fn of(db: &'a Connection) -> Self {
        Self { db }
    }

    pub(super) fn db(&self) -> &'a Connection {
        self.db
    }

    /// A single number.
    pub(super) fn ask_one(&self, sql: &str) -> Result<i64> {
        self.db.query_row(sql, [], |row| row.get(0))
    }

    /// Whose journal it is.
    pub fn identity(&self) -> Result<Identity> {
        self.db.query_row("SELECT target, source FROM identity", [], |row| {
            Ok(Identity { target: row.get(0)?, source: row.get(1)? })
        })
    }

    /// How many records stand where.
    pub fn counts(&self) -> Result<Counts> {
        let mut counts = Counts::default();
        let mut rows = self.db.prepare_cached("SELECT state, count(*) FROM records GROUP BY state")?;
        let mut rows = rows.query([])?;
        while let Some(row) = rows.next()? {
            let state: String = row.get(0)?;
            let count = unsigned(row.get(1)?);
            match outcome_of(&state) {
                None => counts.open = count,
                Some(Outcome::Done) => counts.done = count,
                Some(Outcome::Skipped) => counts.skipped = count,
                Some(Outcome::Rejected) => counts.rejected = count,
                Some(Outcome::Dead) => counts.dead = count,
            }
        }
        let count = |sql: &str| self.db.query_row(sql, [], |row| row.get(0)).map(unsigned);
        counts.unknown = count("SELECT count(*) FROM steps WHERE state IN ('in flight', 'unknown')")?;
        counts.people = count("SELECT count(*) FROM people WHERE customer IS NOT NULL")?;
        counts.people_made = count("SELECT count(*) FROM people WHERE is_ours = 1")?;
        counts.threads = count("SELECT count(*) FROM threads WHERE remote IS NOT NULL")?;
        counts.attachments = count("SELECT count(*) FROM attachments WHERE remote IS NOT NULL")?;
        Ok(counts)
    }

    /// Whether any record is done.
    pub fn has_done(&self) -> Result<bool> {
        self.db.prepare_cached("SELECT 1 FROM records WHERE state = 'done' LIMIT 1")?.exists([])
    }

    /// Whether this record is done.
    pub fn is_done(&self, id: &RecordId) -> Result<bool> {
        self.db
            .prepare_cached("SELECT 1 FROM records WHERE source = ?1 AND original = ?2 AND state = 'done'")?
            .exists(params![id.source, id.original])
    }

    /// Whether a record has no outcome.
    pub fn is_open(&self, record: RecordRow) -> Result<bool> {
        self.db.prepare_cached("SELECT 1 FROM records WHERE id = ?1 AND state = 'open'")?.exists([record.0])
    }

    /// Whether this record was ever taken up.
    pub fn is_known(&self, id: &RecordId) -> Result<bool> {
        self.db
            .prepare_cached("SELECT 1 FROM records WHERE source = ?1 AND original = ?2")?
            .exists(params![id.source, id.original])
    }

    /// The sources that records come from: a handful at most.
    pub fn sources(&self) -> Result<Vec<String>> {
        let mut next = self.db.prepare_cached("SELECT min(source) FROM records WHERE source > ?1")?;
        let mut sources: Vec<String> = Vec::new();
        while let Some(source) = next.query_row([sources.last().map_or("", String::as_str)], |row| row.get(0))? {
            sources.push(source);
        }
        Ok(sources)
    }

    /// The places in this index of all records that are done, each with the time at which it was opened.
    pub fn done_seats(&self, index: i64, mut each: impl FnMut(i64, Option<i64>)) -> Result<()> {
        let mut rows = self.db.prepare_cached(
            "SELECT seat, seat_opened FROM records WHERE state = 'done' AND seat IS NOT NULL AND seat_index = ?1",
        )?;
        let mut rows = rows.query([index])?;
        while let Some(row) = rows.next()? {
            each(row.get(0)?, row.get(1)?);
        }
        Ok(())
    }

    /// The place in this index of a record; `None`: it is not done, or was read over another index.
    pub fn done_seat_of(&self, id: &RecordId, index: i64) -> Result<Option<i64>> {
        self.db
            .prepare_cached(
                "SELECT seat FROM records
                 WHERE source = ?1 AND original = ?2 AND state = 'done' AND seat IS NOT NULL AND seat_index = ?3",
            )?
            .query_row(params![id.source, id.original, index], |row| row.get(0))
            .optional()
    }

    /// What became of a record; `None`: it was never taken up, or is open.
    pub fn outcome_of(&self, id: &RecordId) -> Result<Option<Settled>> {
        let found = self
            .db
            .prepare_cached("SELECT id, state, conversation, reason FROM records WHERE source = ?1 AND original = ?2")?
            .query_row(params![id.source, id.original], |row| {
                let state: String = row.get(1)?;
                Ok((RecordRow(row.get(0)?), outcome_of(&state), remote(row, 2)?, row.get(3)?))
            })
            .optional()?;
        Ok(found.and_then(|(record, outcome, conversation, reason)| {
            Some(Settled { record, outcome: outcome?, conversation, reason })
        }))
    }

    /// The old-id → new-id table in the order in which records were taken up, one row at a time.
    pub fn ledger(&self, mut each: impl FnMut(LedgerRow)) -> Result<()> {
        let mut rows = self.db.prepare(
            "SELECT r.source, r.original, f.name, r.place_kind, r.place, r.conversation, r.number, r.state
             FROM records r JOIN files f ON f.id = r.file ORDER BY r.id",
        )?;
        let mut rows = rows.query([])?;
        while let Some(row) = rows.next()? {
            let state: String = row.get(7)?;
            each(LedgerRow {
                id: id_of(row, 0)?,
                origin: origin_of(row, 2)?,
                conversation: remote(row, 5)?,
                number: remote(row, 6)?,
                outcome: outcome_of(&state),
            });
        }
        Ok(())
    }

    /// Everything rejected or dead, one at a time.
    pub fn letters(&self, mut each: impl FnMut(Letter)) -> Result<()> {
        let mut rows = self.db.prepare(
            "SELECT r.source, r.original, f.name, r.place_kind, r.place, r.state, r.reason, r.conversation, r.attempts
             FROM records r JOIN files f ON f.id = r.file WHERE r.state IN ('rejected', 'dead') ORDER BY r.id",
        )?;
        let mut rows = rows.query([])?;
        while let Some(row) = rows.next()? {
            let state: String = row.get(5)?;
            each(Letter {
                id: id_of(row, 0)?,
                origin: origin_of(row, 2)?,
                outcome: outcome_of(&state).unwrap_or(Outcome::Dead),
                reason: row.get::<_, Option<String>>(6)?.unwrap_or_default(),
                conversation: remote(row, 7)?,
                attempts: row.get(8)?,
            });
        }
        Ok(())
    }

    /// Every run, oldest first.
    pub fn runs(&self) -> Result<Vec<Run>> {
        self.db
            .prepare("SELECT id, command, started_at, ended_at, ending, summary FROM runs ORDER BY id")?
            .query_map([], |row| {
                Ok(Run {
                    id: RunId(row.get(0)?),
                    command: row.get(1)?,
                    started_at: row.get(2)?,
                    ended_at: row.get(3)?,
                    ending: row.get(4)?,
                    summary: row.get(5)?,
                })
            })?
            .collect()
    }

    /// What a run noticed, by code.
    pub fn findings(&self, run: RunId) -> Result<Vec<FindingCount>> {
        let mut samples = self.db.prepare(
            "SELECT coalesce(record, origin, ''), message FROM samples WHERE run = ?1 AND code = ?2 ORDER BY id",
        )?;
        let mut counts =
            self.db.prepare("SELECT code, severity, count FROM findings WHERE run = ?1 ORDER BY count DESC, code")?;
        counts
            .query_map([run.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
            .map(|row| {
                let (code, severity, count): (String, String, i64) = row?;
                let samples = samples
                    .query_map(params![run.0, code], |row| Ok((row.get(0)?, row.get(1)?)))?
                    .collect::<Result<_>>()?;
                Ok(FindingCount { code, severity, count: unsigned(count), samples })
            })
            .collect()
    }

    /// The steps of a record, in the order in which they were first started.
    pub fn steps(&self, record: RecordRow) -> Result<Vec<OpenStep>> {
        rows::steps_of(self.db, record)
    }

    /// The digests of a record's conversation, as it was last sent; `None`: it never was.
    pub fn digests(&self, record: RecordRow) -> Result<Option<ConversationDigests>> {
        let bytes: Option<Option<Vec<u8>>> =
            self.db.query_row("SELECT digests FROM records WHERE id = ?1", [record.0], |row| row.get(0)).optional()?;
        Ok(bytes.flatten().and_then(|bytes| ConversationDigests::from_bytes(&bytes)))
    }

    /// The threads of a record, oldest first: entry id, FreeScout's id, digests.
    pub fn threads(&self, record: RecordRow) -> Result<Vec<(String, Option<u64>, ThreadDigests)>> {
        self.db
            .prepare_cached("SELECT entry, remote, digests FROM threads WHERE record = ?1 ORDER BY ordinal")?
            .query_map([record.0], |row| {
                let bytes: Vec<u8> = row.get(2)?;
                let digests = ThreadDigests::from_bytes(&bytes).ok_or_else(|| rows::bad_column(2, "digests"))?;
                Ok((row.get(0)?, remote(row, 1)?, digests))
            })?
            .collect()
    }

    /// The attachments of a record of which nobody has written down the hash: thread and place in it, both from 0.
    pub fn unhashed(&self, record: RecordRow) -> Result<Vec<(u32, u32)>> {
        self.db
            .prepare_cached("SELECT thread, ordinal FROM attachments WHERE record = ?1 AND hash IS NULL")?
            .query_map([record.0], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect()
    }

    /// Whether any record has this conversation.
    pub fn is_claimed(&self, conversation: u64) -> Result<bool> {
        self.db.prepare_cached("SELECT 1 FROM records WHERE conversation = ?1")?.exists([rows::signed(conversation)])
    }

    /// The lowest conversation id that was given to a record since the run that took this one up.
    pub fn lowest_conversation(&self, record: RecordRow) -> Result<Option<u64>> {
        let sql = "SELECT min(conversation) FROM records WHERE run >= (SELECT run FROM records WHERE id = ?1)";
        self.db.query_row(sql, [record.0], |row| remote(row, 0))
    }

    /// Creates without a known outcome.
    pub fn open_creates(&self) -> Result<Vec<Attempt>> {
        self.db
            .prepare(
                "SELECT r.id, r.source, r.original, r.mailbox, r.opened_at, r.key_digest
                 FROM steps s JOIN records r ON r.id = s.record
                 WHERE s.state IN ('in flight', 'unknown') AND s.kind IN ('create', 'delete') AND r.state = 'open'
                   AND r.mailbox IS NOT NULL",
            )?
            .query_map([], |row| {
                let key = key_of(row, 3)?.ok_or_else(|| rows::bad_column(3, "key"))?;
                Ok(Attempt { record: RecordRow(row.get(0)?), id: id_of(row, 1)?, key })
            })?
            .collect()
    }

    /// Records of which late copies must be looked for.
    pub fn sweeps(&self) -> Result<Vec<Sweep>> {
        self.db
            .prepare(
                "SELECT id, source, original, conversation, mailbox, opened_at, key_digest, sweep_after
                 FROM records WHERE sweep_after IS NOT NULL ORDER BY id",
            )?
            .query_map([], |row| {
                Ok(Sweep {
                    record: RecordRow(row.get(0)?),
                    id: id_of(row, 1)?,
                    conversation: remote(row, 3)?,
                    key: key_of(row, 4)?.ok_or_else(|| rows::bad_column(4, "key"))?,
                    after: row.get(7)?,
                })
            })?
            .collect()
    }
}
