//! SQLite as the engine sees it.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use hotshelf_cache::{Epoch, Instance, Sharers};
use hotshelf_domain::{History, StoreError};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::connect::{checkpoint, connect, prepare};
use super::history;
use super::identity::Identity;
use super::instances::InstanceFile;
use super::lock::DatabaseLock;
use super::permissions::close_to_others;
use super::reader::Reader;
use super::writer::Writer;
use crate::backend::{Backend, KeyedConnection, ListReader, ReadConnection, WriteConnection};
use crate::error::{OpenError, SqlError};
use crate::port::{EpochTx, Tx};

/// A database file.
pub(crate) struct Sqlite {
    url: String,
    identity: Arc<Identity>,
    instances: Arc<InstanceFile>,
    /// The connection that was opened first. As long as one is open, SQLite keeps the files beside the database.
    first: Mutex<SqliteConnection>,
}

impl Sqlite {
    /// Locks, migrates and opens the database.
    pub(crate) fn open(path: &Path, shared: bool) -> Result<Self, OpenError> {
        let path = canonical(path.to_owned())?;
        let url = path.to_str().ok_or_else(|| OpenError::Path(path.clone()))?.to_owned();
        close_to_others(&path);
        let lock = DatabaseLock::acquire(&path, shared)?;
        let (conn, opened) = prepare(&path, &url, &lock, shared)?;
        let identity = Identity::new(&path, lock, opened.row);
        let identity =
            identity.map_err(|error| OpenError::Open { database: path.clone(), cause: error.to_string() })?;
        tracing::info!(path = %path.display(), shared, "database open");
        let instances = Arc::new(InstanceFile::of(&path));
        Ok(Sqlite { url, identity: Arc::new(identity), instances, first: Mutex::new(conn) })
    }

    /// Fails unless what was just opened is the database that was opened first, and not another one that has its name
    /// by now.
    fn of_this<C>(&self, conn: C) -> Result<C, StoreError> {
        self.identity.confirm_files()?;
        Ok(conn)
    }
}

impl Backend for Sqlite {
    fn title(&self) -> String {
        "SQLite".to_owned()
    }

    fn system(&self) -> &'static str {
        "sqlite"
    }

    fn location(&self) -> String {
        self.url.clone()
    }

    fn timeline(&self) -> u32 {
        0
    }

    fn confirm(&self) -> Result<(), StoreError> {
        self.identity.confirm()
    }

    fn open_writer(&self) -> Result<Box<dyn WriteConnection>, StoreError> {
        Ok(Box::new(Writer::open(&self.url, Arc::clone(&self.identity))?))
    }

    fn open_keyed(&self) -> Result<Box<dyn KeyedConnection>, StoreError> {
        let conn = connect(&self.url).map_err(|error| StoreError::failed(error.to_string()))?;
        self.of_this(Box::new(Keyed {
            conn,
            identity: Arc::clone(&self.identity),
            instances: Arc::clone(&self.instances),
        }))
    }

    fn open_lists(&self) -> Result<Box<dyn ListReader>, StoreError> {
        self.of_this(Box::new(Reader::open(&self.url)?))
    }

    fn progress(&self) -> (History, i64) {
        (self.identity.history(), self.identity.commits())
    }

    fn adopt(&self, history: History) {
        self.identity.adopt(history);
    }

    fn replaced(&self) -> CancellationToken {
        self.identity.noticed()
    }

    fn heartbeat(&self) -> bool {
        let identity = &self.identity;
        if identity.confirm().is_err() {
            return false;
        }
        let commits = identity.commits();
        if identity.confirm_files().is_ok() {
            match history::current(&mut self.first.lock()) {
                Ok(row) => drop(identity.confirm_committed(row, commits)),
                // The reads of requests show that the database cannot be read.
                Err(error) => tracing::debug!(%error, "the history of the database cannot be read"),
            }
        }
        identity.file_has_changed()
    }

    fn store_instance(&self, row: &Instance) -> Result<(), StoreError> {
        Ok(self.instances.store(row)?)
    }

    fn remove_instance(&self, name: &str, beat: u64) -> Result<(), StoreError> {
        Ok(self.instances.remove(name, beat)?)
    }

    fn close(&self) -> Result<(), StoreError> {
        self.instances.close();
        // A log must not be moved into a file that it does not belong to.
        if self.identity.may_move_the_log() && !checkpoint(&mut self.first.lock())? {
            tracing::warn!("the write-ahead log stays beside the database: another process is at work on it");
        }
        self.identity.confirm()
    }
}

/// A connection for rows by their keys.
struct Keyed {
    conn: SqliteConnection,
    identity: Arc<Identity>,
    instances: Arc<InstanceFile>,
}

impl ReadConnection for Keyed {}

impl KeyedConnection for Keyed {
    fn tx(&mut self) -> &mut dyn Tx {
        &mut self.conn
    }

    fn current_epoch(&mut self) -> Result<(Epoch, String), SqlError> {
        let known = self.identity.commits();
        let read = |conn: &mut SqliteConnection| Ok::<_, SqlError>((history::current(conn)?, conn.epoch()?));
        let (row, current) = self.conn.transaction(read)?;
        self.identity.confirm_committed(row, known)?;
        Ok(current)
    }

    fn sharers(&mut self) -> Result<Sharers, SqlError> {
        let instances = self.instances.rows()?;
        let (epoch, server) = self.current_epoch()?;
        Ok(Sharers { epoch, server, instances })
    }
}

impl Tx for SqliteConnection {
    fn at_one_moment(&mut self, read: &mut dyn FnMut(&mut dyn Tx) -> Result<(), SqlError>) -> Result<(), SqlError> {
        self.transaction(|conn| read(conn))
    }

    fn probe_read(&mut self) -> Result<(), SqlError> {
        Ok(self.batch_execute("SELECT 1 FROM organization_counts LIMIT 1")?)
    }

    fn probe_write(&mut self) -> Result<(), SqlError> {
        Ok(self.batch_execute("UPDATE write_probe SET probes = probes + 1")?)
    }
}

/// The one name under which every process finds the same lock file: symbolic links are followed, as SQLite does.
fn canonical(path: PathBuf) -> Result<PathBuf, OpenError> {
    match std::fs::metadata(&path) {
        Ok(file) if file.nlink() > 1 => return Err(OpenError::HardLinked { database: path, names: file.nlink() }),
        Ok(_) => {
            return path.canonicalize().map_err(|error| OpenError::Open { database: path, cause: error.to_string() });
        }
        // It is created when it is opened, or that fails and says why.
        Err(_) => {}
    }
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match (directory.canonicalize(), path.file_name()) {
        (Ok(directory), Some(name)) => Ok(directory.join(name)),
        _ => Ok(path),
    }
}
