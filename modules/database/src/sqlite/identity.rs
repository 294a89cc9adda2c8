//! Whether the database is still the one that was opened. A file can be deleted, replaced or overwritten under a
//! running process, which then goes on to write into what nobody will ever read; and another process can open it that
//! was not told of this one. So every group of writes looks before it is acknowledged, and a heartbeat looks when
//! nobody writes.
//!
//! What was found to be another database stays so until the process ends: what its connections hold in memory fits
//! neither.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use diesel::QueryResult;
use diesel::sqlite::SqliteConnection;
use hotshelf_domain::{History, StoreError};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::connect::connect_to_file;
use super::error::SqlError;
use super::history::{self, Row};
use super::lock::{DatabaseLock, Record};

/// What an operator has to do. The log that lies beside the file belongs to the database from before.
const PUT_BACK: &str =
    "Stop the service, delete what ends in -wal and -shm, put the database in its place, and start again";

/// The database as it was opened.
pub(crate) struct Identity {
    database: PathBuf,
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
    replaced: Mutex<Option<Replaced>>,
    noticed: CancellationToken,
}

/// What was noticed.
struct Replaced {
    error: StoreError,
    /// The file is still the one that was opened, only one beside it is not: what is in its log still belongs to it.
    file_is_ours: bool,
}

/// Longer than the steps in which any file system notes when a file was written.
const STEP: Duration = Duration::from_millis(20);

/// What a write-ahead log begins with, with checksums of either kind.
const LOG_BEGINS: [[u8; 4]; 2] = [[0x37, 0x7f, 0x06, 0x82], [0x37, 0x7f, 0x06, 0x83]];

#[derive(Clone, Copy, PartialEq, Eq)]
struct FileId {
    device: u64,
    inode: u64,
}

/// The file itself, without what is only in the write-ahead log. It changes when the log is moved into it, and holds
/// nothing that a connection would not find.
struct MainFile {
    changed: Change,
    /// Of the row in it.
    commits: i64,
    schema_version: i64,
    /// Whether the row in it is of this process.
    shows_writer: bool,
}

/// What a file says of itself.
struct Contents {
    row: Row,
    schema_version: i64,
}

/// When the file was written last, and its length.
type Change = (SystemTime, u64);

impl Identity {
    /// Of the database that `conn` has just opened and read.
    pub(crate) fn new(database: &Path, lock: DatabaseLock, row: Row) -> io::Result<Self> {
        let mut files = Vec::new();
        for suffix in ["", "-wal", "-shm"] {
            let mut name = database.as_os_str().to_owned();
            name.push(suffix);
            files.push(PathBuf::from(name));
        }
        files.push(lock.path().to_owned());
        let identified = files.into_iter().map(|path| FileId::of(&path).map(|id| (path, id)));
        let files = identified.collect::<io::Result<_>>()?;
        let main_file = MainFile::of(database, row)?;
        Ok(Identity {
            database: database.to_owned(),
            files,
            lock,
            writer: row.writer,
            history: AtomicU64::new(row.history().get()),
            commits: AtomicI64::new(row.commits),
            schema_version: AtomicI64::new(0),
            main_file: Mutex::new(main_file),
            replaced: Mutex::default(),
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
        // Cancelled means that there is an error to tell; what is asked for all the time is only that flag.
        if !self.noticed.is_cancelled() {
            return Ok(());
        }
        self.replaced.lock().as_ref().map_or(Ok(()), |replaced| Err(replaced.error.clone()))
    }

    /// Whether what is in the log may be moved into the file.
    pub(crate) fn may_move_the_log(&self) -> bool {
        self.replaced.lock().as_ref().is_none_or(|replaced| replaced.file_is_ours)
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
            let what = match FileId::of(path) {
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
            // Empty: somebody has moved it into the file since, as any program may that uses the database.
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
        // Another one only if somebody who belongs here has begun it.
        self.adopt(row.history());
        Ok(())
    }

    /// As [`confirm_row`](Identity::confirm_row), of what was read outside of a group: it is committed.
    pub(crate) fn confirm_committed(&self, row: Row, commits: i64) -> Result<(), StoreError> {
        self.confirm_row(row, commits)?;
        self.commits.fetch_max(row.commits, Ordering::AcqRel);
        Ok(())
    }

    /// Before a group is written: whether somebody has written over the file since the last one.
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
        let row = history::current(conn)?;
        Ok(Record { history: row.history(), commits: row.commits, highest_id: history::highest_id(conn)? })
    }

    /// After the commit and before anybody hears of it: whether that went where it will be found again.
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
        if !self.has_left(&found, &known) {
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
            Ok(Contents { row, schema_version }) if self.wrote(row, &known) => {
                let shows_writer = row.writer == self.writer;
                *known = MainFile { changed, commits: row.commits, schema_version, shows_writer };
                Ok(())
            }
            Ok(_) => Err(self.replace(format!("another database was written over it. {PUT_BACK}"), false)),
            Err(error) => Err(self.replace(format!("it was written over ({error}). {PUT_BACK}"), false)),
        }
    }

    /// Whether the tables in the file are not ahead of those that a connection finds. In a file that `VACUUM INTO` has
    /// made of this very database they are, and its pages are in other places than the log says.
    fn confirm_schema(&self, conn: &mut SqliteConnection) -> Result<(), StoreError> {
        let in_file = self.main_file.lock().schema_version;
        if in_file <= self.schema_version.load(Ordering::Acquire) {
            return Ok(());
        }
        // Asked for after the file was read: whoever has changed the tables since has only moved them on.
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

    fn has_left(&self, found: &Result<Contents, String>, known: &MainFile) -> bool {
        found.as_ref().is_ok_and(|found| self.wrote(found.row, known))
    }

    /// Whether this process, or the one before it, or one that shares the database, has left that row in the file.
    fn wrote(&self, row: Row, known: &MainFile) -> bool {
        match row.writer == self.writer {
            true => row.commits >= known.commits,
            // Until the log was moved for the first time, what is there is from before this process.
            false => !known.shows_writer && row.commits <= self.commits(),
        }
    }

    /// Notes that this is not the database any more, and says so, once.
    fn replace(&self, what: String, file_is_ours: bool) -> StoreError {
        let mut replaced = self.replaced.lock();
        if let Some(Replaced { error, .. }) = &*replaced {
            return error.clone();
        }
        let error = StoreError::Replaced { database: self.database.clone(), what: what.into() };
        tracing::error!("{error}");
        *replaced = Some(Replaced { error: error.clone(), file_is_ours });
        self.noticed.cancel();
        error
    }
}

impl MainFile {
    /// Of the database whose row that is, log and all.
    fn of(database: &Path, row: Row) -> io::Result<Self> {
        let changed = change_of(database)?;
        let shown = connect_to_file(database).ok().and_then(|mut conn| Contents::read(&mut conn).ok());
        let shown = shown.filter(|shown| shown.row.writer == row.writer);
        let (commits, schema_version) =
            shown.as_ref().map_or((0, 0), |shown| (shown.row.commits, shown.schema_version));
        Ok(MainFile { changed, commits, schema_version, shows_writer: shown.is_some() })
    }
}

impl Contents {
    fn read(conn: &mut SqliteConnection) -> QueryResult<Self> {
        Ok(Contents { row: history::current(conn)?, schema_version: history::schema_version(conn)? })
    }
}

impl FileId {
    fn of(path: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(path)?;
        Ok(FileId { device: metadata.dev(), inode: metadata.ino() })
    }
}

/// A database that is made and opened for one process alone, with the connection that keeps its files in their places.
#[cfg(test)]
pub(crate) fn opened(path: &Path) -> (std::sync::Arc<Identity>, SqliteConnection) {
    use super::connect::prepare;

    let lock = DatabaseLock::acquire(path, false).unwrap();
    let (conn, opened) = prepare(path, path.to_str().unwrap(), &lock, false).unwrap();
    (std::sync::Arc::new(Identity::new(path, lock, opened.row).unwrap()), conn)
}

fn change_of(path: &Path) -> io::Result<Change> {
    let metadata = fs::metadata(path)?;
    Ok((metadata.modified()?, metadata.len()))
}
