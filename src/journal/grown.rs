//! Records that are done and grow: a newer archive has more for their conversations.

use rusqlite::{Connection, Result, params};

use super::rows::{ConversationDigests, RecordRow, ThreadRow, insert_thread};
use super::view::{id_of, remote};
use crate::record::{RecordId, Seat};

/// An entry that another record has in FreeScout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elsewhere {
    /// The entry's own id.
    pub entry: String,
    /// The row of the record that has it.
    pub record: RecordRow,
    /// Which record that is.
    pub id: RecordId,
    /// FreeScout's id of its conversation.
    pub conversation: u64,
    /// Whether that record is done, or was before it began to grow.
    pub is_done: bool,
}

pub(super) fn grow(db: &Connection, record: RecordRow, from: usize, threads: &[ThreadRow]) -> Result<()> {
    db.prepare_cached("UPDATE records SET state = 'open', reason = NULL, grown = 1 WHERE id = ?1")?
        .execute([record.0])?;
    for (at, thread) in threads.iter().enumerate() {
        insert_thread(db, record, from + at, thread, None)?;
    }
    Ok(())
}

pub(super) fn redigest(db: &Connection, record: RecordRow, digests: &ConversationDigests) -> Result<()> {
    db.prepare_cached("UPDATE records SET digests = ?2 WHERE id = ?1")?
        .execute(params![record.0, digests.to_bytes()])?;
    Ok(())
}

pub(super) fn seat(db: &Connection, record: RecordRow, seat: &Seat) -> Result<()> {
    db.prepare_cached(
        "UPDATE records SET seat_index = ?2, seat = ?3, seat_opened = ?4
         WHERE id = ?1 AND (seat_index IS NOT ?2 OR seat IS NOT ?3 OR seat_opened IS NOT ?4)",
    )?
    .execute(params![record.0, seat.index, seat.number, seat.opened])?;
    Ok(())
}

pub(super) fn elsewhere(db: &Connection, id: &RecordId, entries: &[String]) -> Result<Vec<Elsewhere>> {
    // Made when it is first needed: most journals never see a second archive, and ids are long.
    db.execute_batch("CREATE INDEX IF NOT EXISTS threads_by_entry ON threads (entry)")?;
    let mut find = db.prepare_cached(
        "SELECT r.id, r.source, r.original, r.conversation, r.state = 'done' OR r.grown = 1
         FROM threads t JOIN records r ON r.id = t.record
         WHERE t.entry = ?1 AND t.remote IS NOT NULL AND r.source = ?2 AND r.original <> ?3
           AND r.conversation IS NOT NULL
         ORDER BY r.id LIMIT 1",
    )?;
    let mut found = Vec::new();
    for entry in entries {
        let mut rows = find.query(params![entry, id.source, id.original])?;
        if let Some(row) = rows.next()? {
            found.push(Elsewhere {
                entry: entry.clone(),
                record: RecordRow(row.get(0)?),
                id: id_of(row, 1)?,
                conversation: remote(row, 3)?.unwrap_or(0),
                is_done: row.get(4)?,
            });
        }
    }
    Ok(found)
}
