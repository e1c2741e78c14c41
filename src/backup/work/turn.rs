//! From one snapshot to the next without reading anything back: what was sealed is what the next one is compared with.

use jiff::Timestamp;
use rusqlite::OptionalExtension as _;

use super::{Collection, Done, Work};
use crate::backup::BackupError;
use crate::backup::format::Glance;

const COLLECTIONS: [Collection; 2] = [Collection::Conversations, Collection::Customers];

impl Work {
    /// Whether anything that was read since the last snapshot differs from what it holds.
    pub fn differs(&self) -> Done<bool> {
        for name in COLLECTIONS.map(Collection::name) {
            // A row that lacked a file differs when it lacks none any more.
            let sql = format!(
                "SELECT EXISTS (SELECT 1 FROM {name} c LEFT JOIN held_{name} h ON h.id = c.id \
                    WHERE c.place IS NOT NULL AND (h.id IS NULL OR h.content <> c.content OR \
                       (h.digest = '' AND c.incomplete = 0))) \
                 OR EXISTS (SELECT 1 FROM held_{name} WHERE id NOT IN (SELECT id FROM {name}))"
            );
            if self.number(&sql, [])? > 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The snapshot is sealed: its rows are those of the snapshot before, and nothing was read since.
    pub fn turn_over(&self) -> Done<()> {
        for collection in COLLECTIONS {
            let name = collection.name();
            self.execute(&format!("DELETE FROM held_{name} WHERE id NOT IN (SELECT id FROM {name})"), [])?;
            let mut last = -1;
            let next =
                format!("SELECT id, place, length FROM {name} WHERE place IS NOT NULL AND id > ?1 ORDER BY id LIMIT 1");
            loop {
                let found: Option<(i64, i64, i64)> = self
                    .db
                    .prepare_cached(&next)
                    .and_then(|mut sql| {
                        sql.query_row([last], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()
                    })
                    .map_err(self.failed())?;
                let Some((id, place, length)) = found else { break };
                let glance = self.line_at(place as u64, length as usize, Glance::of)?;
                let glance = glance.map_err(|cause| BackupError::Bug { what: cause.to_string() })?;
                let read = glance.ours.read.as_deref().and_then(|read| read.parse::<Timestamp>().ok());
                self.hold(collection, id as u64, &glance.ours, read.map_or(0, Timestamp::as_second))?;
                last = id;
            }
            self.execute(
                &format!(
                    "UPDATE {name} SET place = NULL, content = '', \
                       digest = (SELECT digest FROM held_{name} h WHERE h.id = {name}.id) WHERE place IS NOT NULL"
                ),
                [],
            )?;
        }
        Ok(())
    }

    /// Gives the disk the room of the log back, and of lines that no row names any more.
    pub fn shrink_log(&self) -> Done<()> {
        let sql = "SELECT EXISTS (SELECT 1 FROM conversations WHERE place IS NOT NULL) \
                   OR EXISTS (SELECT 1 FROM customers WHERE place IS NOT NULL)";
        if self.number(sql, [])? == 0 {
            self.throw_lines_away()?;
        }
        self.db.execute_batch("PRAGMA wal_checkpoint(TRUNCATE);").map_err(self.failed())
    }

    /// Forgets a remark.
    pub fn unset_meta(&self, key: &str) -> Done<()> {
        self.execute("DELETE FROM meta WHERE key = ?1", [key]).map(|_| ())
    }
}
