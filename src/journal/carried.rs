//! What was carried, with everything that is needed to compare it with what is there.

use rusqlite::{Connection, Result, params};

use super::rows::{ConversationDigests, Digest, RecordRow, ThreadDigests, bad_column, outcome_of, unsigned};
use super::view::{View, id_of, origin_of, remote};
use crate::record::{Origin, RecordId};
use crate::report::Outcome;

/// A record that has, or should have, a conversation.
#[derive(Debug, Clone)]
pub struct Carried {
    /// Its row; rows ascend in the order in which records were taken up.
    pub record: RecordRow,
    /// Which record.
    pub id: RecordId,
    /// Where it stands in the archive.
    pub origin: Origin,
    /// Done, or a dead letter that has a conversation.
    pub outcome: Outcome,
    /// FreeScout's id.
    pub conversation: Option<u64>,
    /// The conversation's fields; `None`: an old journal has none.
    pub digests: Option<ConversationDigests>,
    /// Hash of the mapping's text.
    pub mapping: Option<[u8; 16]>,
    /// Its threads, oldest first.
    pub threads: Vec<ThreadSeen>,
}

/// A thread that was sent.
#[derive(Debug, Clone)]
pub struct ThreadSeen {
    /// The entry's own id in the archive.
    pub entry: String,
    /// FreeScout's id.
    pub remote: Option<u64>,
    /// When it was sent, in milliseconds since 1970.
    pub sent_at: Option<i64>,
    /// Its fields.
    pub digests: ThreadDigests,
    /// Its files.
    pub attachments: Vec<AttachmentSeen>,
}

/// An attachment that was sent.
#[derive(Debug, Clone)]
pub struct AttachmentSeen {
    /// The name that was sent.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// A digest of the bytes (BLAKE3, 16 bytes); `None`: they were never at hand.
    pub hash: Option<[u8; 16]>,
    /// FreeScout's id.
    pub remote: Option<u64>,
}

/// A request that changed something, or was to.
#[derive(Debug, Clone)]
pub struct StepTold {
    /// `create`, `append`, …
    pub kind: String,
    /// Which of its kind, from 0.
    pub ordinal: u32,
    /// `in flight`, `unknown`, `done`, `refused`.
    pub state: String,
    /// When it was sent, in milliseconds since 1970.
    pub sent_at: Option<i64>,
    /// When it was settled.
    pub settled_at: Option<i64>,
    /// FreeScout's id of what it made.
    pub remote: Option<u64>,
    /// What FreeScout said, or why nobody knows.
    pub error: Option<String>,
    /// A digest of the request.
    pub digest: Vec<u8>,
}

/// Everything that a journal knows of a record.
#[derive(Debug, Clone)]
pub struct Told {
    /// The record and what was sent.
    pub carried: Carried,
    /// `open`, `done`, `skipped`, `rejected` or `dead`.
    pub state: String,
    /// Why it is skipped, rejected or dead.
    pub reason: Option<String>,
    /// FreeScout's number.
    pub number: Option<u64>,
    /// The mapping's rules that fired.
    pub rules: Vec<String>,
    /// When it was taken up, in milliseconds since 1970.
    pub admitted_at: i64,
    /// When it got its outcome.
    pub settled_at: Option<i64>,
    /// How often its conversation was sent.
    pub attempts: u32,
    /// The run that took it up.
    pub run: Option<i64>,
    /// Its requests, in the order in which they were first sent.
    pub steps: Vec<StepTold>,
}

impl Carried {
    /// A digest of everything that was sent for it, as far as the journal keeps it.
    pub fn sent(&self) -> Digest {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.digests.map(ConversationDigests::to_bytes).unwrap_or_default());
        for thread in &self.threads {
            hasher.update(&thread.digests.to_bytes());
            for file in &thread.attachments {
                hasher.update(&file.size.to_le_bytes());
                hasher.update(&file.hash.unwrap_or_default());
            }
        }
        let mut digest = Digest::default();
        digest.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
        digest
    }
}

impl View<'_> {
    /// How many records are done, or dead with a conversation.
    pub fn carried_count(&self) -> Result<u64> {
        let sql = "SELECT count(*) FROM records WHERE state = 'done' OR (state = 'dead' AND conversation IS NOT NULL)";
        self.ask_one(sql).map(unsigned)
    }

    /// At most `most` of the records that are done, or dead with a conversation, behind the row `after`, by row.
    pub fn carried(&self, after: i64, most: usize) -> Result<Vec<Carried>> {
        let mut rows = self.db().prepare_cached(
            "SELECT r.id, r.source, r.original, f.name, r.place_kind, r.place, r.state, r.conversation, r.digests, r.mapping
             FROM records r JOIN files f ON f.id = r.file
             WHERE r.id > ?1 AND (r.state = 'done' OR (r.state = 'dead' AND r.conversation IS NOT NULL))
             ORDER BY r.id LIMIT ?2",
        )?;
        let rows = rows.query_map(params![after, most as i64], carried_of)?;
        let mut all = rows.collect::<Result<Vec<_>>>()?;
        for carried in &mut all {
            carried.threads = self.threads_seen(carried.record)?;
        }
        Ok(all)
    }

    /// The story of every record with this id in the old system (`4711`, `zendesk:4711`), or whose conversation has it as id or
    /// number.
    pub fn story(&self, id: &str) -> Result<Vec<Told>> {
        let number: Option<i64> = id.parse().ok();
        let sql = "SELECT r.id, r.source, r.original, f.name, r.place_kind, r.place, r.state, r.conversation, r.digests, r.mapping,
                    r.reason, r.number, r.rules, r.admitted_at, r.settled_at, r.attempts, r.run
             FROM records r JOIN files f ON f.id = r.file
             WHERE r.original = ?1 OR r.source || ':' || r.original = ?1 OR r.conversation = ?2 OR r.number = ?2 ORDER BY r.id";
        let mut rows = self.db().prepare(sql)?;
        let told = rows.query_map(params![id, number], |row| {
            let state: String = row.get(6)?;
            let rules: String = row.get(12)?;
            Ok(Told {
                carried: carried_of(row)?,
                state,
                reason: row.get(10)?,
                number: remote(row, 11)?,
                rules: rules.lines().map(str::to_owned).collect(),
                admitted_at: row.get(13)?,
                settled_at: row.get(14)?,
                attempts: row.get(15)?,
                run: row.get(16)?,
                steps: Vec::new(),
            })
        })?;
        let mut told = told.collect::<Result<Vec<_>>>()?;
        let mut steps = self.db().prepare(
            "SELECT kind, ordinal, state, sent_at, settled_at, remote, error, digest FROM steps WHERE record = ?1 ORDER BY id",
        )?;
        for one in &mut told {
            one.carried.threads = self.threads_seen(one.carried.record)?;
            let found = steps.query_map([one.carried.record.0], |row| {
                Ok(StepTold {
                    kind: row.get(0)?,
                    ordinal: row.get(1)?,
                    state: row.get(2)?,
                    sent_at: row.get(3)?,
                    settled_at: row.get(4)?,
                    remote: remote(row, 5)?,
                    error: row.get(6)?,
                    digest: row.get(7)?,
                })
            })?;
            one.steps = found.collect::<Result<_>>()?;
        }
        Ok(told)
    }

    /// What was sent for a record: its conversation's fields, and its threads in the order in which they were sent.
    pub fn sent(&self, record: RecordRow) -> Result<(Option<ConversationDigests>, Vec<ThreadSeen>)> {
        Ok((self.digests(record)?, self.threads_seen(record)?))
    }

    /// Every customer that this journal's runs made: address and FreeScout's id.
    pub fn people_made(&self, mut each: impl FnMut(&str, u64)) -> Result<()> {
        let mut rows = self
            .db()
            .prepare("SELECT key, customer FROM people WHERE is_ours = 1 AND customer IS NOT NULL ORDER BY key")?;
        let mut rows = rows.query([])?;
        while let Some(row) = rows.next()? {
            let key: String = row.get(0)?;
            each(&key, unsigned(row.get(1)?));
        }
        Ok(())
    }

    fn threads_seen(&self, record: RecordRow) -> Result<Vec<ThreadSeen>> {
        let mut files = self.db().prepare_cached(
            "SELECT name, size, hash, remote FROM attachments WHERE record = ?1 AND thread = ?2 ORDER BY ordinal",
        )?;
        self.db()
            .prepare_cached(
                "SELECT ordinal, entry, remote, sent_at, digests FROM threads WHERE record = ?1 ORDER BY ordinal",
            )?
            .query_map([record.0], |row| {
                let bytes: Vec<u8> = row.get(4)?;
                let ordinal: i64 = row.get(0)?;
                let attachments = files
                    .query_map(params![record.0, ordinal], |row| {
                        let hash: Option<Vec<u8>> = row.get(2)?;
                        Ok(AttachmentSeen {
                            name: row.get(0)?,
                            size: unsigned(row.get(1)?),
                            hash: hash.and_then(|bytes| bytes.try_into().ok()),
                            remote: remote(row, 3)?,
                        })
                    })?
                    .collect::<Result<_>>()?;
                Ok(ThreadSeen {
                    entry: row.get(1)?,
                    remote: remote(row, 2)?,
                    sent_at: row.get(3)?,
                    digests: ThreadDigests::from_bytes(&bytes).ok_or_else(|| bad_column(4, "digests"))?,
                    attachments,
                })
            })?
            .collect()
    }
}

/// The first ten columns of a query, without threads.
fn carried_of(row: &rusqlite::Row<'_>) -> Result<Carried> {
    let state: String = row.get(6)?;
    let digests: Option<Vec<u8>> = row.get(8)?;
    let mapping: Option<Vec<u8>> = row.get(9)?;
    Ok(Carried {
        record: RecordRow(row.get(0)?),
        id: id_of(row, 1)?,
        origin: origin_of(row, 3)?,
        outcome: outcome_of(&state).unwrap_or(Outcome::Dead),
        conversation: remote(row, 7)?,
        digests: digests.and_then(|bytes| ConversationDigests::from_bytes(&bytes)),
        mapping: mapping.and_then(|bytes| bytes.try_into().ok()),
        threads: Vec::new(),
    })
}

/// A record's conversation is gone from FreeScout, by our own hand: nothing of it counts as sent, and a later import may
/// carry it again.
pub(super) fn withdraw(db: &Connection, record: RecordRow, reason: &str, now: i64) -> Result<()> {
    for table in ["steps", "threads", "attachments"] {
        db.execute(&format!("DELETE FROM {table} WHERE record = ?1"), [record.0])?;
    }
    db.execute(
        "UPDATE records SET state = 'skipped', reason = ?2, conversation = NULL, number = NULL, mailbox = NULL,
             opened_at = NULL, key_digest = NULL, digests = NULL, attempts = 0, sweep_after = NULL, settled_at = ?3, grown = 0
         WHERE id = ?1",
        params![record.0, reason, now],
    )?;
    Ok(())
}
