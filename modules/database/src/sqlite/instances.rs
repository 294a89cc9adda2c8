//! The rows of the processes that share the database file, in a small file beside it. In the database itself, each
//! would wait for the groups of the others, whose writers hand the lock to each other; and a lease does not last as
//! long as that may take.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use hotshelf_cache::{Epoch, Instance};
use hotshelf_domain::StoreError;
use parking_lot::Mutex;
use rusqlite::{Connection, params};

use super::lock::beside;
use super::permissions::OWNER_ALONE;
use crate::error::SqlError;

/// A row has to survive the end of a process, not the loss of power, which ends all processes.
const SETTINGS: &str = "PRAGMA busy_timeout = 400; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
    CREATE TABLE IF NOT EXISTS instances (
        name TEXT PRIMARY KEY, beat INTEGER NOT NULL, epoch INTEGER NOT NULL, redis INTEGER NOT NULL,
        memory INTEGER NOT NULL, revokes INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;";
/// A row that arrives late does not replace a newer one.
const STORE: &str = "INSERT INTO instances VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET
        beat = excluded.beat, epoch = excluded.epoch, redis = excluded.redis, memory = excluded.memory,
        revokes = excluded.revokes
    WHERE beat < excluded.beat";

/// The file. It is opened when it is first needed.
pub(crate) struct InstanceFile {
    path: PathBuf,
    conn: Mutex<Option<Connection>>,
}

impl InstanceFile {
    pub(crate) fn of(database: &Path) -> Self {
        InstanceFile { path: beside(database, ".instances"), conn: Mutex::default() }
    }

    /// All rows.
    pub(crate) fn rows(&self) -> Result<Vec<Instance>, SqlError> {
        self.with(|conn| {
            let mut select = conn.prepare_cached("SELECT name, beat, epoch, redis, memory, revokes FROM instances")?;
            let row = |row: &rusqlite::Row<'_>| {
                let number = |column| row.get(column).map(i64::cast_unsigned);
                Ok(Instance {
                    name: row.get(0)?,
                    beat: number(1)?,
                    epoch: Epoch::new(number(2)?),
                    redis: number(3)?,
                    memory: number(4)?,
                    revokes: row.get(5)?,
                })
            };
            select.query_map([], row)?.collect()
        })
    }

    pub(crate) fn store(&self, row: &Instance) -> Result<(), SqlError> {
        let Instance { name, beat, epoch, redis, memory, revokes } = row;
        let [beat, epoch, redis, memory] = [*beat, epoch.get(), *redis, *memory].map(u64::cast_signed);
        self.with(|conn| {
            conn.prepare_cached(STORE)?.execute(params![name, beat, epoch, redis, memory, revokes]).map(drop)
        })
    }

    /// If it is still the row of that beat.
    pub(crate) fn remove(&self, name: &str, beat: u64) -> Result<(), SqlError> {
        let beat = beat.cast_signed();
        self.with(|conn| {
            let mut delete = conn.prepare_cached("DELETE FROM instances WHERE name = ? AND beat = ?")?;
            delete.execute(params![name, beat]).map(drop)
        })
    }

    pub(crate) fn close(&self) {
        *self.conn.lock() = None;
    }

    fn with<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, SqlError> {
        let mut conn = self.conn.lock();
        let opened = match conn.take() {
            Some(opened) => opened,
            None => self.open()?,
        };
        // One that has failed is not used again: the file may be another one by now.
        let done = work(&opened)?;
        *conn = Some(opened);
        Ok(done)
    }

    fn open(&self) -> Result<Connection, SqlError> {
        let file = OpenOptions::new().create(true).truncate(false).write(true).mode(OWNER_ALONE).open(&self.path);
        file.map_err(|error| StoreError::failed(format!("{}: {error}", self.path.display())))?;
        let conn = Connection::open(&self.path)?;
        conn.execute_batch(SETTINGS)?;
        Ok(conn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(beat: u64, memory: u64) -> Instance {
        Instance { name: "a1".to_owned(), beat, epoch: Epoch::MAX, redis: beat, memory, revokes: memory == 0 }
    }

    #[test]
    fn a_row_that_arrives_late_replaces_and_removes_no_newer_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("products.db");
        let (one, other) = (InstanceFile::of(&path), InstanceFile::of(&path));
        assert_eq!(one.rows().unwrap(), []);
        one.store(&row(2, 2)).unwrap();
        one.store(&row(1, 0)).unwrap();
        one.remove("a1", 1).unwrap();
        assert_eq!(other.rows().unwrap(), [row(2, 2)], "another process sees it");
        one.store(&row(3, 0)).unwrap();
        assert_eq!(other.rows().unwrap(), [row(3, 0)]);
        other.remove("a1", 3).unwrap();
        assert_eq!(one.rows().unwrap(), []);
    }
}
