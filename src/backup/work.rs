//! What a run has gathered so far, on disk: a killed run goes on from it.
//!
//! Two files in the backup's folder. `run.sqlite` begins with what the snapshot before holds (ids and digests, no texts), and
//! gets a row for everything that the lists show. The line of whatever was read anew is appended to `run.lines`, and its row
//! says where it lies: a database would write it three times. When a snapshot is sealed both are emptied; deleting
//! them costs only time.
//!
//! A line is written before the row that names it, so that a killed process leaves no row without its line. After a loss of power
//! that may be otherwise: lines behind the place up to which they are known to be on the disk are compared with their
//! digests when the state is opened, and what is not whole is read again.

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension as _, params};
use serde_json::{Map, Value};

use super::BackupError;
use super::digest;
use super::format::{Ours, SHARD, Tally};
use super::tree::Tree;
use crate::freescout::walk::Ids;

mod spool;
mod turn;

use spool::Spool;

/// How the tables are made; another one is thrown away with what it holds.
const LAYOUT: i64 = 2;

const TABLES: [&str; 6] = ["meta", "todo", "held_conversations", "held_customers", "conversations", "customers"];

/// How many bytes of lines may be lost with the power.
const UNSYNCED: u64 = 64 << 20;

/// Up to where lines are known to be on the disk.
const SYNCED: &str = "synced";

/// A kind of row that is kept by id in several files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Collection {
    Conversations,
    Customers,
}

impl Collection {
    pub fn name(self) -> &'static str {
        match self {
            Self::Conversations => "conversations",
            Self::Customers => "customers",
        }
    }
}

/// A conversation that has to be asked for by itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Todo {
    pub id: u64,
    /// How often it was asked for in this run.
    pub attempts: u32,
}

/// What the snapshot before says about a row.
#[derive(Debug, Clone, Default)]
pub(super) struct Before {
    pub digest: String,
    pub files: Map<String, Value>,
}

/// How a shard stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct ShardState {
    pub shard: u64,
    /// Rows that the new snapshot has.
    pub rows: u64,
    /// Of those, rows that were read anew.
    pub new: u64,
    /// Rows that the snapshot before has.
    pub held: u64,
}

/// A row that was read anew.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line<'a> {
    pub text: &'a str,
    pub tally: Tally,
}

/// The state of an unfinished run.
pub(super) struct Work {
    db: Connection,
    path: PathBuf,
    lines: RefCell<Spool>,
    lines_path: PathBuf,
    /// Up to where lines are known to be on the disk.
    synced: Cell<u64>,
}

type Done<T> = Result<T, BackupError>;

impl Work {
    /// The state in this file, made when there is none.
    pub fn open(path: &Path) -> Done<Self> {
        let open = || -> rusqlite::Result<Connection> {
            let db = Connection::open(path)?;
            db.busy_timeout(std::time::Duration::from_secs(10))?;
            let _: String = db.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
            // What is lost with the power is read again; the file itself stays whole.
            db.pragma_update(None, "synchronous", "NORMAL")?;
            db.pragma_update(None, "cache_size", -8_192)?;
            db.set_prepared_statement_cache_capacity(32);
            if db.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))? != LAYOUT {
                for table in TABLES {
                    db.execute_batch(&format!("DROP TABLE IF EXISTS {table}"))?;
                }
                db.pragma_update(None, "user_version", LAYOUT)?;
            }
            db.execute_batch(
                "CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
                 CREATE TABLE IF NOT EXISTS todo (id INTEGER PRIMARY KEY, due INTEGER NOT NULL, attempts INTEGER NOT NULL);",
            )?;
            for name in ["conversations", "customers"] {
                // `place` is where the line lies; null says that the row is as the snapshot before has it.
                db.execute_batch(&format!(
                    "CREATE TABLE IF NOT EXISTS held_{name}
                        (id INTEGER PRIMARY KEY, digest TEXT NOT NULL, read INTEGER NOT NULL, content TEXT NOT NULL, files TEXT);
                     CREATE TABLE IF NOT EXISTS {name}
                        (id INTEGER PRIMARY KEY, digest TEXT NOT NULL, content TEXT NOT NULL, place INTEGER, length INTEGER,
                         threads INTEGER, files INTEGER, missing INTEGER, unsettled INTEGER, incomplete INTEGER);"
                ))?;
            }
            Ok(db)
        };
        let db = open().map_err(|cause| BackupError::State { path: path.to_path_buf(), cause })?;
        let lines_path = path.with_extension("lines");
        let lines = Spool::open(&lines_path).map_err(BackupError::unwritable(&lines_path))?;
        let work = Self { db, path: path.to_path_buf(), lines: RefCell::new(lines), lines_path, synced: Cell::new(0) };
        work.synced.set(work.meta(SYNCED)?.and_then(|text| text.parse().ok()).unwrap_or(0));
        work.ask_for_lost_lines()?;
        Ok(work)
    }

    /// Forgets rows whose lines were lost with the power. Conversations are asked for again; customers are listed again as a whole.
    fn ask_for_lost_lines(&self) -> Done<()> {
        // A file that is shorter than it was is another one.
        let synced = self.synced.get();
        let synced = if self.lines.borrow().length() < synced { 0 } else { synced };
        let mut is_empty = true;
        for of in [Collection::Conversations, Collection::Customers] {
            let name = of.name();
            let mut lost = Vec::new();
            let sql = format!("SELECT id, content, place, length FROM {name} WHERE place IS NOT NULL ORDER BY place");
            let mut sql = self.db.prepare(&sql).map_err(self.failed())?;
            let mut rows = sql.query([]).map_err(self.failed())?;
            while let Some(row) = rows.next().map_err(self.failed())? {
                is_empty = false;
                let number = |at| row.get::<_, i64>(at).map(|number| number as u64).map_err(self.failed());
                let (id, place, length) = (number(0)?, number(2)?, number(3)?);
                if place + length <= synced {
                    continue;
                }
                let content: String = row.get(1).map_err(self.failed())?;
                let mut lines = self.lines.borrow_mut();
                let is_whole = lines
                    .read(place, length as usize)
                    .is_ok_and(|line| Tree::of(line).is_ok_and(|tree| digest::both(&tree).whole == content));
                if !is_whole {
                    lost.push(id);
                }
            }
            drop(rows);
            if lost.is_empty() {
                continue;
            }
            self.together(|work| {
                for id in lost {
                    work.execute(&format!("DELETE FROM {name} WHERE id = ?1"), [id as i64])?;
                    if of == Collection::Conversations {
                        work.ask(id, 0)?;
                    }
                }
                Ok(())
            })?;
        }
        if is_empty {
            self.throw_lines_away()?;
        }
        Ok(())
    }

    /// No row names a line any more.
    fn throw_lines_away(&self) -> Done<()> {
        self.execute("DELETE FROM meta WHERE key = ?1", [SYNCED])?;
        self.synced.set(0);
        self.lines.borrow_mut().clear().map_err(BackupError::unwritable(&self.lines_path))
    }

    fn failed(&self) -> impl FnOnce(rusqlite::Error) -> BackupError + use<> {
        let path = self.path.clone();
        move |cause| BackupError::State { path, cause }
    }

    fn execute(&self, sql: &str, params: impl rusqlite::Params) -> Done<usize> {
        self.db.prepare_cached(sql).and_then(|mut sql| sql.execute(params)).map_err(self.failed())
    }

    fn number(&self, sql: &str, params: impl rusqlite::Params) -> Done<u64> {
        self.db
            .prepare_cached(sql)
            .and_then(|mut sql| sql.query_row(params, |row| row.get::<_, i64>(0)))
            .map(|number| number.max(0) as u64)
            .map_err(self.failed())
    }

    /// Does all of it or nothing.
    pub fn together<T>(&self, what: impl FnOnce(&Self) -> Done<T>) -> Done<T> {
        self.db.execute_batch("BEGIN IMMEDIATE").map_err(self.failed())?;
        match what(self).and_then(|done| self.keep_lines().map(|()| done)) {
            Ok(done) => {
                self.db.execute_batch("COMMIT").map_err(self.failed())?;
                Ok(done)
            }
            Err(error) => {
                // The first error is the one to tell.
                let _ = self.db.execute_batch("ROLLBACK");
                Err(error)
            }
        }
    }

    /// Writes down the lines that rows of this transaction name.
    fn keep_lines(&self) -> Done<()> {
        let mut lines = self.lines.borrow_mut();
        lines.flush().map_err(BackupError::unwritable(&self.lines_path))?;
        let length = lines.length();
        let synced = self.synced.get();
        if length >= synced + UNSYNCED {
            lines.sync().map_err(BackupError::unwritable(&self.lines_path))?;
            self.synced.set(length);
            drop(lines);
            self.set_meta(SYNCED, &length.to_string())?;
        }
        Ok(())
    }

    /// Forgets everything.
    pub fn clear(&self) -> Done<()> {
        self.together(|work| {
            for table in TABLES {
                work.execute(&format!("DELETE FROM {table}"), [])?;
            }
            Ok(())
        })?;
        self.throw_lines_away()
    }

    /// Gives the disk its room back.
    pub fn shrink(&self) -> Done<()> {
        self.db.execute_batch("VACUUM; PRAGMA wal_checkpoint(TRUNCATE);").map_err(self.failed())
    }

    pub fn meta(&self, key: &str) -> Done<Option<String>> {
        self.db
            .query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0))
            .optional()
            .map_err(self.failed())
    }

    pub fn set_meta(&self, key: &str, value: &str) -> Done<()> {
        self.execute("INSERT OR REPLACE INTO meta VALUES (?1, ?2)", [key, value]).map(|_| ())
    }

    /// Says that the snapshot before has this row.
    pub fn hold(&self, of: Collection, id: u64, ours: &Ours, read: i64) -> Done<()> {
        let files = (!ours.files.is_empty()).then(|| Value::Object(ours.files.clone()).to_string());
        let sql = match of {
            Collection::Conversations => "INSERT OR REPLACE INTO held_conversations VALUES (?1, ?2, ?3, ?4, ?5)",
            Collection::Customers => "INSERT OR REPLACE INTO held_customers VALUES (?1, ?2, ?3, ?4, ?5)",
        };
        // Something that would gain by another try is not the same as what a list shows.
        let digest = if ours.incomplete || ours.unsettled { "" } else { ours.digest.as_str() };
        self.execute(sql, params![id as i64, digest, read, ours.content, files]).map(|_| ())
    }

    pub fn before(&self, of: Collection, id: u64) -> Done<Option<Before>> {
        let sql = match of {
            Collection::Conversations => "SELECT digest, files FROM held_conversations WHERE id = ?1",
            Collection::Customers => "SELECT digest, files FROM held_customers WHERE id = ?1",
        };
        let found = self
            .db
            .prepare_cached(sql)
            .and_then(|mut sql| {
                sql.query_row([id as i64], |row| Ok((row.get::<_, String>(0)?, row.get::<_, Option<String>>(1)?)))
                    .optional()
            })
            .map_err(self.failed())?;
        Ok(found.map(|(digest, files)| Before {
            digest,
            files: files.and_then(|files| serde_json::from_str(&files).ok()).unwrap_or_default(),
        }))
    }

    /// The digest of a row that this run has.
    pub fn digest(&self, of: Collection, id: u64) -> Done<Option<String>> {
        let sql = match of {
            Collection::Conversations => "SELECT digest FROM conversations WHERE id = ?1",
            Collection::Customers => "SELECT digest FROM customers WHERE id = ?1",
        };
        self.db
            .prepare_cached(sql)
            .and_then(|mut sql| sql.query_row([id as i64], |row| row.get(0)).optional())
            .map_err(self.failed())
    }

    /// A row is as the snapshot before has it.
    pub fn keep(&self, of: Collection, id: u64, digest: &str) -> Done<()> {
        let sql = match of {
            Collection::Conversations => {
                "INSERT OR IGNORE INTO conversations (id, digest, content) VALUES (?1, ?2, '')"
            }
            Collection::Customers => "INSERT OR IGNORE INTO customers (id, digest, content) VALUES (?1, ?2, '')",
        };
        self.execute(sql, params![id as i64, digest]).map(|_| ())
    }

    /// A row was read, with so many threads.
    pub fn store(&self, of: Collection, id: u64, ours: &Ours, line: &str, threads: u64) -> Done<()> {
        let sql = match of {
            Collection::Conversations => {
                "INSERT OR REPLACE INTO conversations VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"
            }
            Collection::Customers => {
                "INSERT OR REPLACE INTO customers VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"
            }
        };
        let place = self.lines.borrow_mut().push(line);
        if self.db.is_autocommit() {
            self.keep_lines()?;
        }
        let Tally { threads, files, missing_files, unsettled } = Tally::of(ours, threads);
        let [id, place, length, threads, files, missing, unsettled] =
            [id, place, line.len() as u64, threads, files, missing_files, unsettled].map(|number| number as i64);
        let (digest, content) = (&ours.digest, &ours.content);
        let row = params![id, digest, content, place, length, threads, files, missing, unsettled, ours.incomplete];
        self.execute(sql, row).map(|_| ())
    }

    /// The digest of everything in a row that was read in this run.
    pub fn content(&self, of: Collection, id: u64) -> Done<Option<String>> {
        let sql = match of {
            Collection::Conversations => "SELECT content FROM conversations WHERE id = ?1 AND place IS NOT NULL",
            Collection::Customers => "SELECT content FROM customers WHERE id = ?1 AND place IS NOT NULL",
        };
        self.db
            .prepare_cached(sql)
            .and_then(|mut sql| sql.query_row([id as i64], |row| row.get(0)).optional())
            .map_err(self.failed())
    }

    /// A conversation is gone.
    pub fn forget(&self, id: u64) -> Done<()> {
        self.execute("DELETE FROM conversations WHERE id = ?1", [id as i64])?;
        self.execute("DELETE FROM todo WHERE id = ?1", [id as i64]).map(|_| ())
    }

    pub fn count(&self, of: Collection) -> Done<u64> {
        self.number(&format!("SELECT count(*) FROM {}", of.name()), [])
    }

    pub fn held_count(&self, of: Collection) -> Done<u64> {
        self.number(&format!("SELECT count(*) FROM held_{}", of.name()), [])
    }

    /// Ids of all conversations that this run has.
    pub fn ids(&self) -> Done<Ids> {
        let mut ids = Ids::default();
        let mut sql = self.db.prepare("SELECT id FROM conversations ORDER BY id").map_err(self.failed())?;
        let rows = sql.query_map([], |row| row.get::<_, i64>(0)).map_err(self.failed())?;
        for id in rows {
            ids.insert(id.map_err(self.failed())? as u64);
        }
        Ok(ids)
    }

    /// A conversation has to be asked for, not before `due` (seconds of FreeScout's clock).
    pub fn ask(&self, id: u64, due: i64) -> Done<()> {
        let sql = "INSERT INTO todo VALUES (?1, ?2, 0) ON CONFLICT (id) DO UPDATE SET due = max(due, excluded.due)";
        self.execute(sql, params![id as i64, due]).map(|_| ())
    }

    /// It was asked for, and has to be again.
    pub fn ask_again(&self, id: u64, due: i64) -> Done<()> {
        let sql = "INSERT INTO todo VALUES (?1, ?2, 1) \
                   ON CONFLICT (id) DO UPDATE SET due = excluded.due, attempts = attempts + 1";
        self.execute(sql, params![id as i64, due]).map(|_| ())
    }

    pub fn answered(&self, id: u64) -> Done<()> {
        self.execute("DELETE FROM todo WHERE id = ?1", [id as i64]).map(|_| ())
    }

    pub fn todo_count(&self) -> Done<u64> {
        self.number("SELECT count(*) FROM todo", [])
    }

    /// What is due, oldest first, and else when the next will be.
    pub fn due(&self, now: i64, limit: usize) -> Done<(Vec<Todo>, Option<i64>)> {
        let sql = "SELECT id, attempts FROM todo WHERE due <= ?1 ORDER BY due, id LIMIT ?2";
        let due = self
            .db
            .prepare_cached(sql)
            .and_then(|mut sql| {
                sql.query_map(params![now, limit as i64], |row| {
                    Ok(Todo { id: row.get::<_, i64>(0)? as u64, attempts: row.get(1)? })
                })?
                .collect::<rusqlite::Result<Vec<_>>>()
            })
            .map_err(self.failed())?;
        let next: Option<i64> =
            self.db.query_row("SELECT min(due) FROM todo", [], |row| row.get(0)).map_err(self.failed())?;
        Ok((due, next))
    }

    /// Puts every conversation on the list that the snapshot before has and no list has shown.
    pub fn ask_for_absent(&self) -> Done<usize> {
        self.execute(
            "INSERT OR IGNORE INTO todo SELECT id, 0, 0 FROM held_conversations \
             WHERE id NOT IN (SELECT id FROM conversations)",
            [],
        )
    }

    /// Puts every conversation on the list that this run has and a whole list did not show.
    pub fn ask_for_unlisted(&self, listed: &Ids) -> Done<usize> {
        let mut sql = self.db.prepare("SELECT id FROM conversations ORDER BY id").map_err(self.failed())?;
        let rows = sql.query_map([], |row| row.get::<_, i64>(0)).map_err(self.failed())?;
        let unlisted: rusqlite::Result<Vec<u64>> = rows
            .map(|id| id.map(|id| id as u64))
            .filter(|id| id.as_ref().map_or(true, |id| !listed.contains(*id)))
            .collect();
        let unlisted = unlisted.map_err(self.failed())?;
        for id in &unlisted {
            self.ask(*id, 0)?;
        }
        Ok(unlisted.len())
    }

    /// Forgets customers that were only found unchanged: they are listed again.
    pub fn relist_customers(&self) -> Done<()> {
        self.execute("DELETE FROM customers WHERE place IS NULL", []).map(|_| ())
    }

    /// Puts those on the list that were not read for longest, if that was before `read_before`.
    pub fn ask_for_oldest(&self, count: u64, read_before: i64) -> Done<usize> {
        self.execute(
            "INSERT OR IGNORE INTO todo SELECT h.id, 0, 0 FROM held_conversations h JOIN conversations c ON c.id = h.id \
             WHERE c.place IS NULL AND h.read < ?2 ORDER BY h.read, h.id LIMIT ?1",
            params![count as i64, read_before],
        )
    }

    /// The shards that the new snapshot has, in order.
    pub fn shards(&self, of: Collection) -> Done<Vec<ShardState>> {
        let name = of.name();
        let sql = format!(
            "SELECT id / {SHARD} AS shard, count(*), count(place), \
               (SELECT count(*) FROM held_{name} h WHERE h.id >= c.id / {SHARD} * {SHARD} AND h.id < (c.id / {SHARD} + 1) * {SHARD}) \
             FROM {name} c GROUP BY shard ORDER BY shard"
        );
        let mut sql = self.db.prepare(&sql).map_err(self.failed())?;
        let rows = sql
            .query_map([], |row| {
                let number = |at| row.get::<_, i64>(at).map(|number| number as u64);
                Ok(ShardState { shard: number(0)?, rows: number(1)?, new: number(2)?, held: number(3)? })
            })
            .map_err(self.failed())?;
        rows.collect::<rusqlite::Result<Vec<_>>>().map_err(self.failed())
    }

    /// The rows of a shard in order: those that were read with their line.
    pub fn rows_of(
        &self,
        of: Collection,
        shard: u64,
        mut each: impl FnMut(u64, Option<Line<'_>>) -> Done<()>,
    ) -> Done<()> {
        let sql = format!(
            "SELECT id, place, length, threads, files, missing, unsettled FROM {} WHERE id >= ?1 AND id < ?2 ORDER BY id",
            of.name()
        );
        let mut sql = self.db.prepare_cached(&sql).map_err(self.failed())?;
        let bounds = params![(shard * SHARD) as i64, ((shard + 1) * SHARD) as i64];
        let mut rows = sql.query(bounds).map_err(self.failed())?;
        let mut lines = self.lines.borrow_mut();
        while let Some(row) = rows.next().map_err(self.failed())? {
            let number = |at| row.get::<_, Option<i64>>(at).map(|number| number.unwrap_or(0) as u64);
            let read = || -> rusqlite::Result<(u64, Option<u64>, usize, Tally)> {
                let tally =
                    Tally { threads: number(3)?, files: number(4)?, missing_files: number(5)?, unsettled: number(6)? };
                let place = row.get::<_, Option<i64>>(1)?.map(|place| place as u64);
                Ok((number(0)?, place, number(2)? as usize, tally))
            };
            let (id, place, length, tally) = read().map_err(self.failed())?;
            match place {
                None => each(id, None)?,
                Some(place) => {
                    let text = lines.read(place, length).map_err(BackupError::unreadable(&self.lines_path))?;
                    each(id, Some(Line { text, tally }))?;
                }
            }
        }
        Ok(())
    }

    /// Looks at the line that lies here.
    fn line_at<T>(&self, place: u64, length: usize, look: impl FnOnce(&str) -> T) -> Done<T> {
        let mut lines = self.lines.borrow_mut();
        lines.read(place, length).map(look).map_err(BackupError::unreadable(&self.lines_path))
    }

    /// Every line that was read in this run.
    pub fn each_line(&self, mut each: impl FnMut(&str) -> Done<()>) -> Done<()> {
        for table in ["conversations", "customers"] {
            let sql = format!("SELECT place, length FROM {table} WHERE place IS NOT NULL ORDER BY place");
            let mut sql = self.db.prepare(&sql).map_err(self.failed())?;
            let mut rows = sql.query([]).map_err(self.failed())?;
            let mut lines = self.lines.borrow_mut();
            while let Some(row) = rows.next().map_err(self.failed())? {
                let number = |at| row.get::<_, i64>(at).map(|number| number as u64).map_err(self.failed());
                let (place, length) = (number(0)?, number(1)? as usize);
                each(lines.read(place, length).map_err(BackupError::unreadable(&self.lines_path))?)?;
            }
        }
        Ok(())
    }

    /// How many conversations are new, are not as the snapshot before has them, and are gone.
    pub fn changes(&self) -> Done<(u64, u64, u64)> {
        let added =
            self.number("SELECT count(*) FROM conversations WHERE id NOT IN (SELECT id FROM held_conversations)", [])?;
        let removed =
            self.number("SELECT count(*) FROM held_conversations WHERE id NOT IN (SELECT id FROM conversations)", [])?;
        let changed = self.number(
            "SELECT count(*) FROM conversations c JOIN held_conversations h ON h.id = c.id \
             WHERE c.place IS NOT NULL AND h.content <> c.content",
            [],
        )?;
        Ok((added, changed, removed))
    }
}
