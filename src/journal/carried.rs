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
        let rows = rows.query_map(params![after, most as i64], |row| {
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
        })?;
        let mut all = rows.collect::<Result<Vec<_>>>()?;
        for carried in &mut all {
            carried.threads = self.threads_seen(carried.record)?;
        }
        Ok(all)
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

/// A record's conversation is gone from FreeScout, by our own hand: nothing of it counts as sent, and a later import may
/// carry it again.
pub(super) fn withdraw(db: &Connection, record: RecordRow, reason: &str, now: i64) -> Result<()> {
    for table in ["steps", "threads", "attachments"] {
        db.execute(&format!("DELETE FROM {table} WHERE record = ?1"), [record.0])?;
    }
    db.execute(
        "UPDATE records SET state = 'skipped', reason = ?2, conversation = NULL, number = NULL, mailbox = NULL,
             opened_at = NULL, key_digest = NULL, digests = NULL, attempts = 0, sweep_after = NULL, settled_at = ?3
         WHERE id = ?1",
        params![record.0, reason, now],
    )?;
    Ok(())
}
