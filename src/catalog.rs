//! The on-disk index that groups and orders an archive too big for memory.
//!
//! A source makes one cheap pass and puts a [`Piece`] into the catalog for
//! everything that belongs to a record: which group, when, and where its bytes
//! stand. Sealed, the catalog names the groups in order, and the pieces of a
//! group; the source then cuts records out by position.
//!
//! Promises:
//!
//! - Memory stays bounded: everything but SQLite's cache lies on disk.
//! - A catalog is used again only if it was sealed and its key is equal; any
//!   other file is thrown away and made anew, since an index can always be redone.
//!
//! Groups are known in one of two ways: by a key that each piece carries
//! ([`Catalog::put`]), or by tokens that pieces share ([`Catalog::put_linked`]):
//! pieces with a common token, directly or over others, are one group.
//!
//! Before it is sealed, a catalog also tells copies from originals ([`Catalog::mark_copies`]) and
//! lets a source join what tokens left apart ([`Catalog::join_alike`]).

use std::collections::{HashMap, VecDeque};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use crate::record::Seat;
use crate::source::Order;

mod passing;
mod runs;

pub use passing::{PassOver, SeatSet};

use runs::Runs;

/// Changes whenever a catalog of an older program must not be used again.
const VERSION: u32 = 4;

/// How many groups are fetched at once when iterating.
const PAGE: usize = 256;

/// An index of one archive.
pub struct Catalog {
    db: Connection,
    is_sealed: bool,
    /// The number of the piece put last.
    last_node: i64,
    /// Each token with the number of its piece.
    tokens: Runs,
    /// Each `same` number with its piece's number and kind.
    sames: Runs,
    /// Which linked pieces hang together, once it was worked out.
    unions: Option<Unions>,
    /// A random number that tells this index from every other.
    mark: i64,
    /// Sealed, and not written down as such yet: counts are still kept.
    is_pending: bool,
    /// Deletes a temporary catalog when nobody reads it any more.
    _temporary: Option<Arc<tempfile::TempPath>>,
}

/// Where a part of a record stands, and how it is ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Piece {
    /// What it is, in the source's own numbering (ticket, comment, …).
    pub kind: u8,
    /// Its time in unix seconds, or any number that orders pieces of a group; `i64::MAX` when unknown.
    pub at: i64,
    /// Which of two copies is newer; for the source's own use.
    pub version: i64,
    /// The file, as an index into `Input::files`.
    pub file: u32,
    /// The first byte.
    pub offset: u64,
    /// The length in bytes.
    pub length: u64,
    /// The line, counted from 1, or 0 when the source does not count lines.
    pub line: u64,
    /// Pieces with the same number here may be copies of one thing; 0: no other is like it.
    pub same: i64,
}

/// Pieces that make up one record.
#[derive(Debug, Clone)]
pub struct Group {
    /// The group's number in this catalog.
    pub id: i64,
    /// The earliest time of its pieces.
    pub at: i64,
    /// Its place in the index, for the origin of the record that is made of it.
    pub seat: Seat,
    /// By time, then as they stand in the archive.
    pub pieces: Vec<Piece>,
}

/// The index could not be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogError {
    /// SQLite refused.
    #[error("the index `{path}` failed")]
    Database {
        /// The file, or `(temporary)`.
        path: String,
        /// SQLite's reason.
        #[source]
        cause: rusqlite::Error,
    },
    /// The file could not be made.
    #[error("the index `{path}` cannot be written")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        cause: std::io::Error,
    },
}

impl From<rusqlite::Error> for CatalogError {
    fn from(cause: rusqlite::Error) -> Self {
        Self::Database { path: "(temporary)".to_owned(), cause }
    }
}

/// A stable 63-bit key for a group, token or name.
pub fn key(kind: &str, name: &[u8]) -> i64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(kind.as_bytes());
    hasher.update(&[0]);
    hasher.update(name);
    let bytes = hasher.finalize();
    let first: [u8; 8] = bytes.as_bytes()[..8].try_into().expect("a hash has 32 bytes");
    (u64::from_le_bytes(first) >> 1) as i64
}

impl Catalog {
    /// Opens the catalog kept at `place` if it was sealed for the same `key`, else makes a new one.
    ///
    /// Without a place it is a temporary file in `scratch`.
    pub fn open(place: Option<&Path>, scratch: &Path, key: &str) -> Result<Self, CatalogError> {
        let key = format!("{VERSION} {key}");
        let Some(path) = place else {
            let temporary = tempfile::NamedTempFile::new_in(scratch)
                .map_err(|cause| CatalogError::Io { path: scratch.to_owned(), cause })?
                .into_temp_path();
            let path = temporary.to_path_buf();
            return Self::create(&path, scratch, &key, Some(temporary));
        };
        if path.exists() {
            if let Ok(db) = Connection::open(path)
                && is_sealed_for(&db, &key)
            {
                configure(&db)?;
                let mut catalog = Self::of(db, scratch, None);
                catalog.is_sealed = true;
                catalog.mark = catalog.value("mark")?.and_then(|mark| mark.parse().ok()).unwrap_or_default();
                return Ok(catalog);
            }
            fs::remove_file(path).map_err(|cause| CatalogError::Io { path: path.to_owned(), cause })?;
        }
        Self::create(path, scratch, &key, None)
    }

    /// The same sealed index once more, for look-ups by name on another OS thread.
    ///
    /// Notes and counts must be complete: nothing may be written to the index from here on.
    pub fn another(&mut self) -> Result<Self, CatalogError> {
        self.finish()?;
        let path = PathBuf::from(self.db.path().unwrap_or_default());
        let failed = |cause| CatalogError::Database { path: path.display().to_string(), cause };
        // The first connection keeps its lock, which SQLite passes over in a file that does not change.
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(address_of(&path), flags).map_err(failed)?;
        plan_once(&db).map_err(failed)?;
        db.execute_batch("PRAGMA cache_size = -1024;").map_err(failed)?;
        let mut other = Self::of(db, path.parent().unwrap_or(Path::new(".")), None);
        other.is_sealed = true;
        other.mark = self.mark;
        other._temporary.clone_from(&self._temporary);
        Ok(other)
    }

    fn of(db: Connection, scratch: &Path, temporary: Option<tempfile::TempPath>) -> Self {
        let runs = || Runs::new(scratch.to_owned());
        Self {
            db,
            is_sealed: false,
            last_node: 0,
            tokens: runs(),
            sames: runs(),
            unions: None,
            mark: 0,
            is_pending: false,
            _temporary: temporary.map(Arc::new),
        }
    }

    fn create(
        path: &Path,
        scratch: &Path,
        key: &str,
        temporary: Option<tempfile::TempPath>,
    ) -> Result<Self, CatalogError> {
        let failed = |cause| CatalogError::Database { path: path.display().to_string(), cause };
        let db = Connection::open(path).map_err(failed)?;
        configure(&db).map_err(failed)?;
        db.execute_batch(
            "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
             CREATE TABLE piece (
                 node INTEGER PRIMARY KEY, grp INTEGER NOT NULL, kind INTEGER NOT NULL, at INTEGER NOT NULL,
                 version INTEGER NOT NULL, file INTEGER NOT NULL, offset INTEGER NOT NULL,
                 length INTEGER NOT NULL, line INTEGER NOT NULL, same INTEGER NOT NULL) STRICT;
             CREATE TABLE named (name INTEGER NOT NULL, version INTEGER NOT NULL, kind INTEGER NOT NULL, file INTEGER NOT NULL,
                 offset INTEGER NOT NULL, length INTEGER NOT NULL, line INTEGER NOT NULL) STRICT;
             BEGIN;",
        )
        .map_err(failed)?;
        let mut catalog = Self::of(db, scratch, temporary);
        // No later run finds a temporary one again: what stands where in it means nothing to the journal.
        if catalog._temporary.is_none() {
            catalog.mark = fastrand::i64(1..i64::MAX);
        }
        for (name, value) in [("key", key), ("mark", &catalog.mark.to_string())] {
            catalog.db.execute("INSERT INTO meta VALUES (?1, ?2)", [name, value]).map_err(failed)?;
        }
        Ok(catalog)
    }

    /// Whether the catalog is complete, so that the indexing pass can be left out.
    pub fn is_sealed(&self) -> bool {
        self.is_sealed
    }

    /// Puts a piece into the group of this key (see [`key`]).
    pub fn put(&mut self, group: i64, piece: Piece) -> Result<(), CatalogError> {
        self.insert(group, piece)?;
        Ok(())
    }

    /// Puts a piece whose group follows from the tokens it shares with others.
    ///
    /// Gives the piece's number, for [`Catalog::link`].
    pub fn put_linked(&mut self, piece: Piece, tokens: &[i64]) -> Result<i64, CatalogError> {
        // Negative groups are those of linked pieces: at first each is a group of its own.
        let node = self.insert(-(self.last_node + 1), piece)?;
        for &token in tokens {
            self.link(node, token)?;
        }
        Ok(node)
    }

    /// Adds a token to a piece put with [`Catalog::put_linked`].
    pub fn link(&mut self, node: i64, token: i64) -> Result<(), CatalogError> {
        self.tokens.push((token, node)).map_err(unsorted)
    }

    fn insert(&mut self, group: i64, piece: Piece) -> Result<i64, CatalogError> {
        self.last_node += 1;
        let mut insert = self.db.prepare_cached("INSERT INTO piece VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10)")?;
        insert.execute(params![
            self.last_node,
            group,
            piece.kind,
            piece.at,
            piece.version,
            piece.file,
            piece.offset as i64,
            piece.length as i64,
            piece.line as i64,
            piece.same
        ])?;
        if piece.same != 0 {
            self.sames.push((piece.same, self.last_node << 8 | i64::from(piece.kind))).map_err(unsorted)?;
        }
        Ok(self.last_node)
    }

    /// Remembers where something can be looked up by name (a user, a group, an organisation).
    pub fn put_named(&mut self, name: i64, piece: Piece) -> Result<(), CatalogError> {
        self.db.prepare_cached("INSERT INTO named VALUES (?1,?2,?3,?4,?5,?6,?7)")?.execute(params![
            name,
            piece.version,
            piece.kind,
            piece.file,
            piece.offset as i64,
            piece.length as i64,
            piece.line as i64
        ])?;
        Ok(())
    }

    /// Keeps a fact beside the index, so that a later run has it without the pass.
    pub fn note(&mut self, name: &str, value: &str) -> Result<(), CatalogError> {
        self.db.execute("INSERT OR REPLACE INTO meta VALUES (?1, ?2)", [&format!("note {name}"), value])?;
        Ok(())
    }

    /// A fact kept by [`Catalog::note`].
    pub fn noted(&self, name: &str) -> Result<Option<String>, CatalogError> {
        self.value(&format!("note {name}"))
    }

    fn value(&self, name: &str) -> Result<Option<String>, CatalogError> {
        let mut select = self.db.prepare_cached("SELECT value FROM meta WHERE name = ?1")?;
        Ok(select.query_row([name], |row| row.get(0)).optional()?)
    }

    /// A number that the whole index has to be gone through for: once, by whoever seals it, and never again.
    fn counted(
        &self,
        name: &str,
        count: impl FnOnce(&Connection) -> rusqlite::Result<i64>,
    ) -> Result<i64, CatalogError> {
        let name = format!("count {name}");
        if let Some(kept) = self.value(&name)?.and_then(|text| text.parse().ok()) {
            return Ok(kept);
        }
        let number = count(&self.db)?;
        if self.is_pending {
            self.db.execute("INSERT OR REPLACE INTO meta VALUES (?1, ?2)", [&name, &number.to_string()])?;
        }
        Ok(number)
    }

    /// Counts distinct `same` numbers among pieces that have one and lack `without`, and asks about those that share one.
    ///
    /// `is_copy` gets pieces with a common number one after the other, in the archive's order, the first
    /// of each set with [`Turn::First`], and gives the bits to add to the `kind` of a copy; 0 is no copy.
    pub fn mark_copies<E: From<CatalogError>>(
        &mut self,
        without: u8,
        mut is_copy: impl FnMut(&Piece, Turn) -> Result<u8, E>,
    ) -> Result<Copies, E> {
        let (distinct, repeated) = self.find_repeated(without)?;
        let mut copies = Copies { distinct, copies: 0 };
        if repeated == 0 {
            return Ok(copies);
        }
        // On disk, too: in an archive that was rebuilt onto itself every other piece is a copy.
        self.db
            .execute_batch("CREATE TEMP TABLE marked (node INTEGER PRIMARY KEY, mark INTEGER NOT NULL)")
            .map_err(CatalogError::from)?;
        {
            let sql = format!(
                "SELECT {COLUMNS}, node FROM piece WHERE same IN (SELECT same FROM repeated) ORDER BY same, node"
            );
            let mut keep = self.db.prepare("INSERT INTO marked VALUES (?1, ?2)").map_err(CatalogError::from)?;
            let mut select = self.db.prepare(&sql).map_err(CatalogError::from)?;
            let mut rows = select.query([]).map_err(CatalogError::from)?;
            let mut before = None;
            while let Some(row) = rows.next().map_err(CatalogError::from)? {
                let piece = piece_of(row).map_err(CatalogError::from)?;
                let turn = if before == Some(piece.same) { Turn::Later } else { Turn::First };
                before = Some(piece.same);
                let mark = is_copy(&piece, turn)?;
                if mark != 0 {
                    let node: i64 = row.get(COLUMN_COUNT).map_err(CatalogError::from)?;
                    copies.copies += keep.execute(params![node, mark]).map_err(CatalogError::from)? as u64;
                }
            }
        }
        self.db
            .execute_batch("UPDATE piece SET kind = kind | marked.mark FROM marked WHERE piece.node = marked.node")
            .map_err(CatalogError::from)?;
        Ok(copies)
    }

    fn find_repeated(&mut self, without: u8) -> Result<(u64, u64), CatalogError> {
        self.db.execute_batch("CREATE TEMP TABLE repeated (same INTEGER PRIMARY KEY)")?;
        let mut insert = self.db.prepare("INSERT OR IGNORE INTO repeated VALUES (?1)")?;
        let (mut distinct, mut repeated) = (0, 0);
        let mut before = None;
        for pair in self.sames.take().map_err(unsorted)? {
            let (same, node_and_kind) = pair.map_err(unsorted)?;
            if before == Some(same) {
                repeated += insert.execute([same])? as u64;
            } else {
                distinct += u64::from(node_and_kind as u8 & without == 0);
            }
            before = Some(same);
        }
        Ok((distinct, repeated))
    }

    /// Joins linked pieces that tokens left apart.
    ///
    /// `is_leftover` is asked about every linked piece with a `version` other than 0 that shares its group with no
    /// other. All pieces with the `version` of a leftover then go to `choose`, by version and time, each with
    /// its number, and whether it is a leftover; the answer names the piece to join, and the one
    /// that was joined gets the bits of `mark`. Call once, after the pass and before [`Catalog::seal`].
    pub fn join_alike<E: From<CatalogError>>(
        &mut self,
        mark: u8,
        is_leftover: impl Fn(&Piece) -> bool,
        mut choose: impl FnMut(i64, &Piece, bool) -> Result<Option<i64>, E>,
    ) -> Result<u64, E> {
        let mut unions = self.take_unions()?;
        let failed = |cause| CatalogError::from(cause);
        {
            self.db
                .execute_batch(
                    "CREATE TEMP TABLE leftover (version INTEGER PRIMARY KEY);
                     CREATE TEMP TABLE joined (node INTEGER PRIMARY KEY, other INTEGER NOT NULL);",
                )
                .map_err(failed)?;
            let mut keep = self.db.prepare("INSERT INTO joined VALUES (?1, ?2)").map_err(failed)?;
            let sql = format!("SELECT {COLUMNS} FROM piece WHERE node = ?1 AND grp < 0 AND version != 0");
            let mut one = self.db.prepare(&sql).map_err(failed)?;
            let mut insert = self.db.prepare("INSERT OR IGNORE INTO leftover VALUES (?1)").map_err(failed)?;
            for node in (1..=self.last_node).filter(|&node| !unions.has_company(node as u32)) {
                let piece = one.query_row([node], piece_of).optional().map_err(failed)?;
                if let Some(piece) = piece.filter(&is_leftover) {
                    insert.execute([piece.version]).map_err(failed)?;
                }
            }
            let sql = format!(
                "SELECT {COLUMNS}, node FROM piece WHERE grp < 0 AND version IN (SELECT version FROM leftover)
                 ORDER BY version, at, node"
            );
            let mut alike = self.db.prepare(&sql).map_err(failed)?;
            let mut rows = alike.query([]).map_err(failed)?;
            while let Some(row) = rows.next().map_err(failed)? {
                let piece = piece_of(row).map_err(failed)?;
                let node: i64 = row.get(COLUMN_COUNT).map_err(failed)?;
                let is_leftover = !unions.has_company(node as u32) && is_leftover(&piece);
                if let Some(other) = choose(node, &piece, is_leftover)?
                    && unions.root(other as u32) != unions.root(node as u32)
                {
                    keep.execute([node, other]).map_err(failed)?;
                }
            }
        }
        let mut count = 0;
        {
            let mut select = self.db.prepare("SELECT node, other FROM joined").map_err(failed)?;
            let mut rows = select.query([]).map_err(failed)?;
            while let Some(row) = rows.next().map_err(failed)? {
                let (node, other): (i64, i64) = (row.get(0).map_err(failed)?, row.get(1).map_err(failed)?);
                unions.unite(node as u32, other as u32);
                count += 1;
            }
        }
        self.unions = Some(unions);
        self.db
            .execute("UPDATE piece SET kind = kind | ?1 WHERE node IN (SELECT node FROM joined)", [mark])
            .map_err(failed)?;
        Ok(count)
    }

    /// Works out the groups and makes the catalog readable. Call once, after the pass.
    pub fn seal(&mut self) -> Result<(), CatalogError> {
        self.number_linked()?;
        self.db.execute_batch(
            "CREATE INDEX piece_grp ON piece (grp, at, node);
             CREATE TABLE grp (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, first INTEGER NOT NULL) STRICT;
             INSERT INTO grp SELECT grp, min(at), min(node) FROM piece GROUP BY grp;
             CREATE INDEX grp_at ON grp (at, first);
             CREATE INDEX grp_first ON grp (first);
             CREATE INDEX named_name ON named (name, version);",
        )?;
        (self.is_sealed, self.is_pending) = (true, true);
        self.group_count()?;
        Ok(())
    }

    /// Makes the seal lasting. Without a rollback journal nothing may be written from here on.
    fn finish(&mut self) -> Result<(), CatalogError> {
        if std::mem::take(&mut self.is_pending) {
            self.db.execute_batch("INSERT INTO meta VALUES ('sealed', 'yes'); COMMIT;")?;
        }
        Ok(())
    }

    /// Writes down which group each linked piece ended in; most are groups of their own already.
    fn number_linked(&mut self) -> Result<(), CatalogError> {
        let mut unions = self.take_unions()?;
        let mut update = self.db.prepare("UPDATE piece SET grp = ?2 WHERE node = ?1 AND grp < 0")?;
        for node in 1..unions.parent.len() as u32 {
            let root = unions.root(node);
            if root != node {
                update.execute([i64::from(node), -i64::from(root)])?;
            }
        }
        Ok(())
    }

    /// Union-find over the tokens, read in token order so that equal ones are neighbours.
    fn take_unions(&mut self) -> Result<Unions, CatalogError> {
        if let Some(unions) = self.unions.take() {
            return Ok(unions);
        }
        let mut unions = Unions::new(if self.tokens.is_empty() { 0 } else { self.last_node as usize + 1 });
        let mut before: Option<(i64, i64)> = None;
        for pair in self.tokens.take().map_err(unsorted)? {
            let (token, node) = pair.map_err(unsorted)?;
            match before {
                Some((same, first)) if same == token => unions.unite(first as u32, node as u32),
                _ => before = Some((token, node)),
            }
        }
        Ok(unions)
    }

    /// How many groups there are.
    pub fn group_count(&self) -> Result<u64, CatalogError> {
        let sql = "SELECT count(*) FROM grp";
        Ok(self.counted("groups", |db| db.query_row(sql, [], |row| row.get(0)))? as u64)
    }

    /// The pieces under this name, newest version last.
    pub fn named(&self, name: i64) -> Result<Vec<Piece>, CatalogError> {
        let mut select = self.db.prepare_cached(
            "SELECT kind, 0, version, file, offset, length, line, 0 FROM named WHERE name = ?1 ORDER BY version, rowid",
        )?;
        let rows = select.query_map([name], piece_of)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The pieces of one group, by time, then as they stand in the archive.
    pub fn pieces(&self, group: i64) -> Result<Vec<Piece>, CatalogError> {
        let mut select =
            self.db.prepare_cached(&format!("SELECT {COLUMNS} FROM piece WHERE grp = ?1 ORDER BY at, node"))?;
        let rows = select.query_map([group], piece_of)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// How many groups have a piece of this kind as their newest, by version.
    pub fn newest_count(&self, kind: u8) -> Result<u64, CatalogError> {
        let sql = "SELECT count(*) FROM (SELECT kind, max(version) FROM piece GROUP BY grp) WHERE kind = ?1";
        Ok(self.counted(&format!("newest {kind}"), |db| db.query_row(sql, [kind], |row| row.get(0)))? as u64)
    }

    /// How many different names there are for pieces of this kind.
    pub fn name_count(&self, kind: u8) -> Result<u64, CatalogError> {
        let sql = "SELECT count(DISTINCT name) FROM named WHERE kind = ?1";
        Ok(self.counted(&format!("names {kind}"), |db| db.query_row(sql, [kind], |row| row.get(0)))? as u64)
    }

    /// Named pieces of this kind, one for each name, in the archive's order: at most `most` behind the place `after`.
    /// Each comes with its place; 0 is the beginning.
    pub fn named_of(&self, kind: u8, after: i64, most: usize) -> Result<Vec<(i64, Piece)>, CatalogError> {
        let mut select = self.db.prepare_cached(
            "SELECT kind, 0, version, file, offset, length, line, 0, rowid FROM named AS n WHERE kind = ?1 AND rowid > ?2
             AND NOT EXISTS (SELECT 1 FROM named WHERE name = n.name AND kind = ?1 AND rowid < n.rowid)
             ORDER BY rowid LIMIT ?3",
        )?;
        let rows =
            select.query_map(rusqlite::params![kind, after, most as i64], |row| Ok((row.get(8)?, piece_of(row)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// How many named pieces of this kind carry a name that is neither a group nor that of a piece of kind `anchor`,
    /// and the first of them.
    pub fn orphans(&self, kind: u8, anchor: u8) -> Result<(u64, Option<Piece>), CatalogError> {
        let found = |wanted: &'static str| {
            move |db: &Connection| {
                let sql = format!(
                    "SELECT {wanted} FROM named AS n WHERE kind = ?1
                     AND NOT EXISTS (SELECT 1 FROM grp WHERE id = n.name)
                     AND NOT EXISTS (SELECT 1 FROM named WHERE name = n.name AND kind = ?2)"
                );
                db.query_row(&sql, [kind, anchor], |row| row.get(0))
            }
        };
        let count = self.counted(&format!("orphans {kind} {anchor}"), found("count(*)"))?;
        if count == 0 {
            return Ok((0, None));
        }
        let first = self.counted(&format!("first orphan {kind} {anchor}"), found("min(rowid)"))?;
        let sql = "SELECT kind, 0, version, file, offset, length, line, 0 FROM named WHERE rowid = ?1";
        Ok((count as u64, Some(self.db.query_row(sql, [first], piece_of)?)))
    }

    /// All groups in order, with their pieces.
    pub fn into_groups(self, order: Order) -> Groups {
        let passing = PassOver::of(self.mark);
        Groups { catalog: self, order, page: VecDeque::new(), after: None, is_at_end: false, passing }
    }
}

impl Drop for Catalog {
    fn drop(&mut self) {
        // An index that is not lasting is made anew by the next run.
        let _ = self.finish();
    }
}

/// What [`piece_of`] reads, in its order.
const COLUMNS: &str = "kind, at, version, file, offset, length, line, same";

/// How many columns that is.
const COLUMN_COUNT: usize = 8;

fn piece_of(row: &rusqlite::Row<'_>) -> rusqlite::Result<Piece> {
    Ok(Piece {
        kind: row.get(0)?,
        at: row.get(1)?,
        version: row.get(2)?,
        file: row.get(3)?,
        offset: row.get::<_, i64>(4)? as u64,
        length: row.get::<_, i64>(5)? as u64,
        line: row.get::<_, i64>(6)? as u64,
        same: row.get(7)?,
    })
}

fn unsorted(cause: std::io::Error) -> CatalogError {
    CatalogError::Io { path: PathBuf::from("(temporary)"), cause }
}

fn configure(db: &Connection) -> rusqlite::Result<()> {
    plan_once(db)?;
    // Durability is not wanted: an index that was not sealed is made anew. The cache is small, and with it what sorting
    // holds in memory: rows are added at the end, and the system caches what is looked up.
    db.execute_batch(
        "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE;
         PRAGMA cache_size = -2048; PRAGMA temp_store = FILE;",
    )
}

/// Keeps SQLite from planning a statement anew whenever it is given other values, which costs thirty times a look-up.
fn plan_once(db: &Connection) -> rusqlite::Result<()> {
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop)
}

/// A file's address for SQLite, as one that nobody changes.
fn address_of(path: &Path) -> String {
    let mut address = String::from("file:");
    let text = path.to_string_lossy();
    if path.is_absolute() && !text.starts_with('/') {
        // `C:\\` begins a path, and no host.
        address.push_str("///");
    }
    for byte in text.bytes() {
        match byte {
            b'\\' if cfg!(windows) => address.push('/'),
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b':' => address.push(byte.into()),
            byte => {
                let _ = write!(address, "%{byte:02X}");
            }
        }
    }
    address + "?immutable=1"
}

fn is_sealed_for(db: &Connection, key: &str) -> bool {
    let value =
        |name: &str| db.query_row("SELECT value FROM meta WHERE name = ?1", [name], |row| row.get::<_, String>(0)).ok();
    value("sealed").is_some() && value("key").as_deref() == Some(key)
}

/// The groups of a catalog, in order.
pub struct Groups {
    catalog: Catalog,
    order: Order,
    page: VecDeque<Group>,
    /// The last group's place in the order: time and first piece.
    after: Option<(i64, i64)>,
    is_at_end: bool,
    /// Groups that need not come.
    passing: PassOver,
}

impl Groups {
    /// The catalog underneath, for look-ups by name.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// The catalog once more, for an OS thread of its own ([`Catalog::another`]).
    pub fn another_catalog(&mut self) -> Result<Catalog, CatalogError> {
        self.catalog.another()
    }

    /// Which groups are to be passed over: may be said while groups are already coming.
    pub fn passing(&self) -> PassOver {
        self.passing.clone()
    }

    fn fetch_page(&mut self) -> Result<(), CatalogError> {
        self.catalog.finish()?;
        let (is_after, order) = match self.order {
            Order::Oldest => ("(at, first) > (?1, ?2)", "at, first"),
            Order::Newest => ("(at, first) < (?1, ?2)", "at DESC, first DESC"),
            Order::Archive => ("first > ?2 AND ?1 IS NOT NULL", "first"),
        };
        let (at, first) = self.after.unwrap_or(match self.order {
            Order::Newest => (i64::MAX, i64::MAX),
            _ => (i64::MIN, i64::MIN),
        });
        let seats = self.passing.seats();
        let mut places = HashMap::with_capacity(PAGE);
        let mut passed = 0;
        self.is_at_end = true;
        let sql = format!("SELECT id, at, first FROM grp WHERE {is_after} ORDER BY {order}");
        let mut select = self.catalog.db.prepare_cached(&sql)?;
        let mut rows = select.query(params![at, first])?;
        while let Some(row) = rows.next()? {
            let (id, at, number): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            self.after = Some((at, number));
            if seats.is_some_and(|seats| seats.has(number)) {
                passed += u64::from(seats.is_some_and(|seats| seats.counts(number)));
                continue;
            }
            places.insert(id, self.page.len());
            let seat = Seat { index: self.catalog.mark, number, opened: None };
            self.page.push_back(Group { id, at, seat, pieces: Vec::new() });
            if self.page.len() == PAGE {
                self.is_at_end = false;
                break;
            }
        }
        self.passing.add(passed);
        // One statement for all of them: asking for each group by itself costs more than reading its messages.
        let sql = format!(
            "SELECT {COLUMNS}, grp FROM json_each(?1) AS wanted
             CROSS JOIN piece ON grp = wanted.value ORDER BY grp, piece.at, node"
        );
        let ids: Vec<String> = places.keys().map(ToString::to_string).collect();
        let mut select = self.catalog.db.prepare_cached(&sql)?;
        let mut rows = select.query([format!("[{}]", ids.join(","))])?;
        while let Some(row) = rows.next()? {
            if let Some(&place) = places.get(&row.get(COLUMN_COUNT)?) {
                self.page[place].pieces.push(piece_of(row)?);
            }
        }
        Ok(())
    }
}

impl Iterator for Groups {
    type Item = Result<Group, CatalogError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.page.is_empty()
            && !self.is_at_end
            && let Err(error) = self.fetch_page()
        {
            self.is_at_end = true;
            return Some(Err(error));
        }
        self.page.pop_front().map(Ok)
    }
}

/// Which of several pieces with one `same` number is being asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// The first of them.
    First,
    /// Any further one.
    Later,
}

/// What [`Catalog::mark_copies`] counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Copies {
    /// Different `same` numbers.
    pub distinct: u64,
    /// Pieces that were marked.
    pub copies: u64,
}

/// Which pieces hang together. Takes four bytes for each piece, and an eighth of one.
struct Unions {
    parent: Vec<u32>,
    company: Vec<u64>,
}

impl Unions {
    fn new(count: usize) -> Self {
        Self { parent: (0..count as u32).collect(), company: vec![0; count.div_ceil(64)] }
    }

    fn has_company(&self, node: u32) -> bool {
        self.company.get(node as usize / 64).is_some_and(|word| word >> (node % 64) & 1 == 1)
    }

    fn root(&mut self, mut node: u32) -> u32 {
        while self.parent[node as usize] != node {
            let grandparent = self.parent[self.parent[node as usize] as usize];
            self.parent[node as usize] = grandparent;
            node = grandparent;
        }
        node
    }

    fn unite(&mut self, a: u32, b: u32) {
        if a == b {
            return;
        }
        for node in [a, b] {
            self.company[node as usize / 64] |= 1 << (node % 64);
        }
        let (a, b) = (self.root(a), self.root(b));
        // The earlier piece stays the root, so that a group's number does not depend on token order.
        let (low, high) = (a.min(b), a.max(b));
        self.parent[high as usize] = low;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(at: i64, offset: u64) -> Piece {
        Piece { at, offset, ..Piece::default() }
    }

    fn offsets(catalog: Catalog, order: Order) -> Vec<Vec<u64>> {
        catalog.into_groups(order).map(|g| g.unwrap().pieces.iter().map(|p| p.offset).collect()).collect()
    }

    #[test]
    fn pieces_with_one_key_are_one_group_in_time_order() {
        let scratch = tempfile::tempdir().unwrap();
        for (order, expected) in [
            (Order::Oldest, vec![vec![3], vec![2, 1]]),
            (Order::Newest, vec![vec![2, 1], vec![3]]),
            (Order::Archive, vec![vec![2, 1], vec![3]]),
        ] {
            let mut catalog = Catalog::open(None, scratch.path(), "k").unwrap();
            catalog.put(key("t", b"a"), piece(30, 1)).unwrap();
            catalog.put(key("t", b"a"), piece(20, 2)).unwrap();
            catalog.put(key("t", b"b"), piece(10, 3)).unwrap();
            catalog.seal().unwrap();
            assert_eq!(catalog.group_count().unwrap(), 2);
            assert_eq!(offsets(catalog, order), expected, "{order:?}");
        }
    }

    #[test]
    fn shared_tokens_join_pieces_over_others() {
        let scratch = tempfile::tempdir().unwrap();
        let mut catalog = Catalog::open(None, scratch.path(), "k").unwrap();
        catalog.put_linked(piece(1, 1), &[100]).unwrap();
        catalog.put_linked(piece(2, 2), &[200]).unwrap();
        catalog.put_linked(piece(3, 3), &[300]).unwrap();
        catalog.put_linked(piece(4, 4), &[200, 100]).unwrap();
        catalog.put_linked(piece(5, 5), &[]).unwrap();
        catalog.seal().unwrap();
        assert_eq!(offsets(catalog, Order::Oldest), [vec![1, 2, 4], vec![3], vec![5]]);
    }

    #[test]
    fn more_groups_than_a_page_come_once_each() {
        let scratch = tempfile::tempdir().unwrap();
        for order in [Order::Oldest, Order::Newest, Order::Archive] {
            let mut catalog = Catalog::open(None, scratch.path(), "k").unwrap();
            for n in 0..3 * PAGE as u64 + 7 {
                catalog.put(key("t", &n.to_le_bytes()), piece(7, n)).unwrap();
            }
            catalog.seal().unwrap();
            let mut seen: Vec<u64> = offsets(catalog, order).into_iter().flatten().collect();
            seen.sort_unstable();
            assert!(seen.iter().copied().eq(0..3 * PAGE as u64 + 7));
        }
    }

    #[test]
    fn groups_that_are_done_are_passed_over_and_counted_in_every_order() {
        let scratch = tempfile::tempdir().unwrap();
        let count = 3 * PAGE as u64 + 7;
        for order in [Order::Oldest, Order::Newest, Order::Archive] {
            for begins_late in [false, true] {
                let mut catalog = Catalog::open(None, scratch.path(), "k").unwrap();
                for n in 0..count {
                    catalog.put(key("t", &n.to_le_bytes()), piece(7, n)).unwrap();
                }
                catalog.seal().unwrap();
                let mut groups = catalog.into_groups(order);
                let passing = groups.passing();
                let mut seen: Vec<_> = groups.by_ref().take(if begins_late { 3 } else { 0 }).collect();
                let mut seats = SeatSet::default();
                // Pieces are numbered from 1; every fifth stays, and every tenth is passed and not counted.
                for number in (1..=count as i64).filter(|number| number % 5 != 0) {
                    seats.insert(number, number % 10 != 1);
                }
                passing.set(seats);
                seen.extend(groups);
                let seen: Vec<_> = seen.into_iter().map(|group| group.unwrap()).collect();
                assert!(seen.iter().all(|group| group.pieces.len() == 1));
                assert!(seen.iter().all(|group| group.seat.number == group.pieces[0].offset as i64 + 1));
                if begins_late {
                    // What was read ahead comes; the rest is passed.
                    let ahead = seen.iter().filter(|group| group.seat.number % 5 != 0).count();
                    assert!(ahead > 0 && ahead < PAGE, "{ahead}");
                } else {
                    assert_eq!(seen.len() as u64, count / 5);
                    let uncounted = (1..=count).filter(|number| number % 10 == 1).count() as u64;
                    assert_eq!(passing.passed(), count - count / 5 - uncounted);
                }
            }
        }
    }

    #[test]
    fn a_sealed_index_can_be_looked_into_from_several_os_threads_whatever_its_name() {
        let scratch = tempfile::tempdir().unwrap();
        for place in [None, Some("a b?c#d%20ä.ferry.index")] {
            let place = place.map(|name| scratch.path().join(name));
            let mut catalog = Catalog::open(place.as_deref(), scratch.path(), "k").unwrap();
            for n in 0..1_000 {
                catalog.put(n + 1, piece(n, 1)).unwrap();
                catalog.put_named(n, Piece { kind: 5, ..piece(n, n as u64) }).unwrap();
            }
            catalog.seal().unwrap();
            let mut groups = catalog.into_groups(Order::Oldest);
            let others = [groups.another_catalog().unwrap(), groups.another_catalog().unwrap()];
            let looking = others.map(|other| {
                std::thread::spawn(move || (0..1_000).all(|n| other.named(n).unwrap()[0].offset == n as u64))
            });
            assert_eq!(groups.count(), 1_000);
            assert!(looking.into_iter().all(|one| one.join().unwrap()));
        }
    }

    #[test]
    fn every_index_has_a_mark_of_its_own_and_keeps_it_and_its_counts() {
        let scratch = tempfile::tempdir().unwrap();
        let place = scratch.path().join("x.ferry.index");
        let mark = || {
            let mut catalog = Catalog::open(Some(&place), scratch.path(), "k").unwrap();
            if !catalog.is_sealed() {
                catalog.put(1, piece(1, 1)).unwrap();
                catalog.put_named(2, Piece { kind: 5, ..piece(1, 9) }).unwrap();
                catalog.seal().unwrap();
            }
            assert_eq!(catalog.group_count().unwrap(), 1);
            let (count, first) = catalog.orphans(5, 9).unwrap();
            assert_eq!((count, first.map(|piece| piece.offset)), (1, Some(9)));
            catalog.into_groups(Order::Oldest).passing().index()
        };
        let first = mark();
        assert_eq!((mark(), first != 0), (first, true));
        fs::remove_file(&place).unwrap();
        assert_ne!(mark(), first);
    }

    #[test]
    fn names_without_a_group_or_anchor_are_orphans() {
        let scratch = tempfile::tempdir().unwrap();
        let mut catalog = Catalog::open(None, scratch.path(), "k").unwrap();
        let of_kind = |kind, offset| Piece { kind, ..piece(0, offset) };
        catalog.put(1, of_kind(1, 1)).unwrap();
        catalog.put(1, Piece { version: 2, ..of_kind(2, 2) }).unwrap();
        for (name, kind, offset) in [(1, 5, 10), (7, 5, 11), (7, 5, 12), (8, 5, 13), (8, 6, 14)] {
            catalog.put_named(name, of_kind(kind, offset)).unwrap();
        }
        catalog.seal().unwrap();
        let (count, first) = catalog.orphans(5, 6).unwrap();
        assert_eq!((count, first.map(|piece| piece.offset)), (2, Some(11)));
        assert_eq!(catalog.orphans(5, 9).unwrap().0, 3);
        assert_eq!(catalog.orphans(9, 9).unwrap(), (0, None));
        assert_eq!((catalog.newest_count(1).unwrap(), catalog.newest_count(2).unwrap()), (0, 1));
        assert_eq!((catalog.name_count(5).unwrap(), catalog.name_count(6).unwrap()), (3, 1));
    }

    #[test]
    fn a_sealed_catalog_is_used_again_only_for_the_same_archive() {
        let scratch = tempfile::tempdir().unwrap();
        let place = scratch.path().join("x.ferry.index");
        let mut catalog = Catalog::open(Some(&place), scratch.path(), "one").unwrap();
        catalog.put(1, piece(1, 1)).unwrap();
        catalog.note("messages", "1").unwrap();
        drop(catalog);
        let mut catalog = Catalog::open(Some(&place), scratch.path(), "one").unwrap();
        assert!(!catalog.is_sealed(), "an unsealed catalog is made anew");
        catalog.put(1, piece(1, 1)).unwrap();
        catalog.note("messages", "1").unwrap();
        catalog.seal().unwrap();
        drop(catalog);
        let catalog = Catalog::open(Some(&place), scratch.path(), "one").unwrap();
        assert!(catalog.is_sealed());
        assert_eq!(catalog.noted("messages").unwrap().as_deref(), Some("1"));
        drop(catalog);
        assert!(!Catalog::open(Some(&place), scratch.path(), "two").unwrap().is_sealed());
    }
}
