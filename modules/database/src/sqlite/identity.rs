//! Detects that the database is no longer the one that was opened. A file can be deleted, replaced or overwritten under
//! a running process, which then goes on to write into what is lost at the next start; and another process can open it
//! that was not told of this one. So every group of writes looks before it is acknowledged, and a heartbeat looks when
//! nobody writes.
//!
//! What was found to be another database stays so until the process ends: what its connections hold in memory fits
//! neither.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
#[cfg(test)]
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use diesel::QueryResult;
use diesel::sqlite::SqliteConnection;
use hotshelf_domain::{History, StoreError};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::connect::connect_to_file;
use super::history::{self, Row};
use super::lock::{DatabaseLock, Record, beside};
use crate::error::SqlError;

/// What an operator has to do. The log that lies beside the file belongs to the database from before.
const PUT_BACK: &str =
    "Stop the service, delete what ends in -wal and -shm, put the database in its place, and start again";

/// Longer than the steps in which any file system notes when a file was written.
const STEP: Duration = Duration::from_millis(20);

/// What a write-ahead log begins with, with checksums of either kind.
const LOG_BEGINS: [[u8; 4]; 2] = [[0x37, 0x7f, 0x06, 0x82], [0x37, 0x7f, 0x06, 0x83]];

/// Device and inode.
type FileId = (u64, u64);

/// When a file was written last, and its length.
type Change = (SystemTime, u64);

/// The database as it was opened.
pub(crate) struct Identity {
    database: PathBuf,
    /// The database, its log, the index of the log, and the lock file.
    files: Vec<(PathBuf, FileId)>,
    lock: DatabaseLock,
    /// This process, if it may write alone.
    writer: Option<i64>,
    history: AtomicU64,
    /// As of the newest commit that is known here. Only grows.
    commits: AtomicI64,
    /// `PRAGMA schema_version`, as the writer's connection has found it last. Only grows.
    schema_version: AtomicI64,
    /// Looked at by the writer only, and so never waited for.
    main_file: Mutex<MainFile>,
    replaced: OnceLock<Replaced>,
    noticed: CancellationToken,
}

/// What was noticed.
struct Replaced {
    error: StoreError,
    /// The file is still the one that was opened, only one beside it is not: what is in its log still belongs to it.
    file_is_ours: bool,
}

/// The file itself, without what is only in the write-ahead log. It changes when the log is moved into it, and holds
/// nothing that a connection would not find.
struct MainFile {
    changed: Change,
    /// `None` until the log was moved for the first time: what is there is from before this process.
    contents: Option<Contents>,
}

/// What a file says of itself.
struct Contents {
    row: Row,
    schema_version: i64,
}

impl Identity {
    /// Of the database that `conn` has just opened and read.
    pub(crate) fn new(database: &Path, lock: DatabaseLock, row: Row) -> io::Result<Self> {
        let files = ["", "-wal", "-shm", ".lock"].map(|suffix| beside(database, suffix));
        let identified = files.into_iter().map(|path| file_id(&path).map(|id| (path, id)));
        let files = identified.collect::<io::Result<_>>()?;
        let changed = change_of(database)?;
        let contents = connect_to_file(database).ok().and_then(|mut conn| Contents::read(&mut conn).ok());
        let contents = contents.filter(|shown| shown.row.writer == row.writer);
        Ok(Identity {
            database: database.to_owned(),
            files,
            lock,
            writer: row.writer,
            history: AtomicU64::new(row.history().get()),
            commits: AtomicI64::new(row.commits),
            schema_version: AtomicI64::new(0),
            main_file: Mutex::new(MainFile { changed, contents }),
            replaced: OnceLock::new(),
            noticed: CancellationToken::new(),
        })
    }

    /// Another history that this process has begun, or found begun by one that shares the database.
    pub(crate) fn adopt(&self, history: History) {
        self.history.store(history.get(), Ordering::Release);
    }

    /// Of the newest commit that is known here.
    pub(crate) fn commits(&self) -> i64 {
        self.commits.load(Ordering::Acquire)
    }

    pub(crate) fn history(&self) -> History {
        History::new(self.history.load(Ordering::Acquire))
    }

    /// Fails once it was noticed that this is not the database any more.
    pub(crate) fn confirm(&self) -> Result<(), StoreError> {
        self.replaced.get().map_or(Ok(()), |replaced| Err(replaced.error.clone()))
    }

    /// Whether what is in the log may be moved into the file.
    pub(crate) fn may_move_the_log(&self) -> bool {
        self.replaced.get().is_none_or(|replaced| replaced.file_is_ours)
    }

    /// Cancelled when it is noticed that this is not the database any more.
    pub(crate) fn noticed(&self) -> CancellationToken {
        self.noticed.clone()
    }

    /// Whether the files have their places, as the directory says it now.
    pub(crate) fn confirm_files(&self) -> Result<(), StoreError> {
        self.confirm()?;
        // The database comes first: of several that are gone, it is the one that matters.
        for (path, id) in &self.files {
            let what = match file_id(path) {
                Ok(found) if found == *id => continue,
                Ok(_) => "is another file now",
                Err(error) if error.kind() == io::ErrorKind::NotFound => "was deleted",
                // It says nothing about the file that is open.
                Err(error) => {
                    tracing::debug!(%error, path = %path.display(), "the file cannot be looked at");
                    continue;
                }
            };
            let file_is_ours = *path != self.database;
            return Err(self.replace(format!("{} {what}. {PUT_BACK}", path.display()), file_is_ours));
        }
        Ok(())
    }

    /// Whether the log has kept what was just written to it. Another program may have emptied it, and SQLite writes on
    /// where it was, behind nothing.
    fn confirm_log(&self) -> Result<(), StoreError> {
        let Some((path, _)) = self.files.get(1) else { return Ok(()) };
        let mut begin = [0; 4];
        match File::open(path).and_then(|file| file.read_exact_at(&mut begin, 0)) {
            Ok(()) if LOG_BEGINS.contains(&begin) => Ok(()),
            Ok(()) => Err(self.replace(format!("{} was written over. {PUT_BACK}", path.display()), true)),
            // Empty: another program has checkpointed it since, as any user of the database may.
            Err(_) => Ok(()),
        }
    }

    /// Whether the file has changed other than by the commits of this process: the next group looks what it is.
    pub(crate) fn file_has_changed(&self) -> bool {
        let Some(known) = self.main_file.try_lock() else { return false };
        change_of(&self.database).is_ok_and(|changed| changed != known.changed)
    }

    /// Whether what the database says of itself is what this process left there. `commits` is what the caller knew
    /// before it asked.
    pub(crate) fn confirm_row(&self, row: Row, commits: i64) -> Result<(), StoreError> {
        if row.writer != self.writer {
            let how = match self.writer {
                Some(_) => "which this one was not told of. Stop one of them, or start every one with SHARED_DB=true",
                None => "which does not share it. Stop it, or start it with SHARED_DB=true",
            };
            return Err(self.replace(format!("another process has opened it, {how}"), true));
        }
        if row.commits < commits {
            return Err(self.replace(format!("it lacks writes that were acknowledged. {PUT_BACK}"), false));
        }
        // If it is another history, a process that shares the database has begun it.
        self.adopt(row.history());
        Ok(())
    }

    /// As [`confirm_row`](Identity::confirm_row), of what was read outside of a group: it is committed.
    pub(crate) fn confirm_committed(&self, row: Row, commits: i64) -> Result<(), StoreError> {
        self.confirm_row(row, commits)?;
        self.commits.fetch_max(row.commits, Ordering::AcqRel);
        Ok(())
    }

    /// Before a group is written: fails if the file was written over since the last one.
    pub(crate) fn begin_group(&self, conn: &mut SqliteConnection) -> Result<i64, StoreError> {
        self.confirm()?;
        self.confirm_contents()?;
        self.confirm_schema(conn)?;
        Ok(self.commits())
    }

    /// First in the group's transaction.
    pub(crate) fn enter(&self, conn: &mut SqliteConnection, commits: i64) -> Result<(), SqlError> {
        let row = history::count_group(conn)?;
        Ok(self.confirm_row(row, commits + 1)?)
    }

    /// Last in the group's transaction: what is to be recorded when it is committed.
    pub(crate) fn leave(conn: &mut SqliteConnection) -> Result<Record, SqlError> {
        // Read again: one of the group may have begun a history.
        Ok(history::record(conn)?)
    }

    /// After the commit and before any write is acknowledged: fails unless it went where the next start will find it.
    pub(crate) fn end_group(&self, conn: &mut SqliteConnection, record: Record) -> Result<(), StoreError> {
        self.commits.fetch_max(record.commits, Ordering::AcqRel);
        self.confirm_files()?;
        self.confirm_log()?;
        self.confirm_contents()?;
        self.confirm_schema(conn)?;
        if let Err(error) = self.lock.write(record) {
            tracing::debug!(%error, "what was committed could not be recorded in the lock file");
        }
        Ok(())
    }

    /// Reads the file past the write-ahead log when it has changed: a commit that moved the log into it, or another
    /// program that has put a backup into its place byte by byte, which leaves the inode as it was.
    fn confirm_contents(&self) -> Result<(), StoreError> {
        let mut known = self.main_file.lock();
        let Some((changed, mut found)) = self.settled_contents(&known) else { return Ok(()) };
        if !found.as_ref().is_ok_and(|found| self.wrote(found.row, &known)) {
            // File systems note times in steps: it may have been read while another process was moving the log into
            // it.
            thread::sleep(STEP);
            match self.settled_contents(&known) {
                Some((still, again)) if still == changed => found = again,
                _ => return Ok(()),
            }
            self.confirm_files()?;
        }
        match found {
            Ok(contents) if self.wrote(contents.row, &known) => {
                *known = MainFile { changed, contents: Some(contents) };
                Ok(())
            }
            Ok(_) => Err(self.replace(format!("another database was written over it. {PUT_BACK}"), false)),
            Err(error) => Err(self.replace(format!("it was written over ({error}). {PUT_BACK}"), false)),
        }
    }

    /// Whether the tables in the file are not ahead of those that a connection finds. In a file that `VACUUM INTO` has
    /// made of this very database they are, and its pages are in other places than the log says.
    fn confirm_schema(&self, conn: &mut SqliteConnection) -> Result<(), StoreError> {
        let in_file = self.main_file.lock().contents.as_ref().map_or(0, |contents| contents.schema_version);
        if in_file <= self.schema_version.load(Ordering::Acquire) {
            return Ok(());
        }
        // Asked for after the file was read: a migration since then can only have made it higher.
        let Ok(found) = history::schema_version(conn) else { return Ok(()) };
        self.schema_version.fetch_max(found, Ordering::AcqRel);
        if in_file <= found {
            return Ok(());
        }
        self.confirm_files()?;
        Err(self.replace(format!("a backup of it was written over it. {PUT_BACK}"), false))
    }

    /// What the file says of itself, if it has changed, and does not change again while it is read: another program
    /// may be moving the log into it just now, and will be seen by the next group.
    fn settled_contents(&self, known: &MainFile) -> Option<(Change, Result<Contents, String>)> {
        let changed = change_of(&self.database).ok().filter(|changed| known.changed != *changed)?;
        // A connection that cannot be opened says nothing about the file: there may be no descriptor left.
        let mut conn = connect_to_file(&self.database).ok()?;
        let found = Contents::read(&mut conn).map_err(|error| error.to_string());
        let settled = change_of(&self.database).is_ok_and(|still| still == changed);
        settled.then_some((changed, found))
    }

    /// Whether this process, or the one before it, or one that shares the database, has left that row in the file.
    fn wrote(&self, row: Row, known: &MainFile) -> bool {
        let known = known.contents.as_ref().map(|contents| contents.row);
        if row.writer == self.writer {
            known.is_none_or(|known| row.commits >= known.commits)
        } else {
            known.is_none_or(|known| known.writer != self.writer) && row.commits <= self.commits()
        }
    }

    /// Notes that this is not the database any more, and says so, once.
    fn replace(&self, what: String, file_is_ours: bool) -> StoreError {
        let replaced = self.replaced.get_or_init(|| {
            let error = StoreError::Replaced { database: self.database.clone(), what: what.into() };
            tracing::error!("{error}");
            Replaced { error, file_is_ours }
        });
        self.noticed.cancel();
        replaced.error.clone()
    }
}

impl Contents {
    fn read(conn: &mut SqliteConnection) -> QueryResult<Self> {
        Ok(Contents { row: history::current(conn)?, schema_version: history::schema_version(conn)? })
    }
}

fn file_id(path: &Path) -> io::Result<FileId> {
    fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino()))
}

fn change_of(path: &Path) -> io::Result<Change> {
    let metadata = fs::metadata(path)?;
    Ok((metadata.modified()?, metadata.len()))
}

/// A database that is made and opened for one process alone, with the connection that keeps its files in their places.
#[cfg(test)]
pub(crate) fn opened(path: &Path) -> (Arc<Identity>, SqliteConnection) {
    use super::connect::prepare;

    let lock = DatabaseLock::acquire(path, false).unwrap();
    let (conn, opened) = prepare(path, path.to_str().unwrap(), &lock, false).unwrap();
    (Arc::new(Identity::new(path, lock, opened.row).unwrap()), conn)
}
