//! How a connection is opened: the settings that durability and concurrency rest on.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::dsl::sql;
use diesel::migration::MigrationSource;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Integer};
use diesel::sqlite::{Sqlite, SqliteConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use hotshelf_domain::StoreError;

use super::history::{self, Beginning, Opened};
use super::lock::DatabaseLock;
use super::permissions::OWNER_ALONE;
use super::rebuild;
use crate::error::OpenError;
use crate::error::SqlError;

type MigrationResult<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/sqlite");

/// Comes first: without it, the pragmas after it would fail while another connection holds a lock.
const WAIT_FOR_LOCKS: &str = "PRAGMA busy_timeout = 5000;";
/// At the end: the log may as well stay where it is.
const HARDLY_WAIT: &str = "PRAGMA busy_timeout = 500;";
/// FULL: a commit has reached the disk before it returns, so that it survives the loss of power.
const SETTINGS: &str = "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA cache_size = -16384;";
/// What a savepoint needs to undo itself stays in memory: in a file, it would be twice as much writing as the commit.
/// A checkpoint every 32 MB, for many writes come back to the same pages meanwhile.
const WRITER_SETTINGS: &str = "PRAGMA temp_store = MEMORY; PRAGMA wal_autocheckpoint = 8192;";

const SWITCH_PATIENCE: Duration = Duration::from_secs(5);
const SWITCH_PAUSE: Duration = Duration::from_millis(10);

pub(crate) fn connect(url: &str) -> ConnectionResult<SqliteConnection> {
    let mut conn = SqliteConnection::establish(url)?;
    let set_up = conn.batch_execute(WAIT_FOR_LOCKS).and_then(|()| conn.batch_execute(SETTINGS));
    set_up.map_err(ConnectionError::CouldntSetupConfiguration)?;
    Ok(conn)
}

pub(crate) fn connect_writer(url: &str) -> ConnectionResult<SqliteConnection> {
    let mut conn = connect(url)?;
    conn.batch_execute(WRITER_SETTINGS).map_err(ConnectionError::CouldntSetupConfiguration)?;
    Ok(conn)
}

/// A connection that reads the file alone, as it is on disk, without the write-ahead log and without locks.
pub(crate) fn connect_to_file(path: &Path) -> ConnectionResult<SqliteConnection> {
    let path = path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    let mut conn = SqliteConnection::establish(&format!("file:{path}?mode=ro&immutable=1"))?;
    // Without it, a file is refused whose first page names more pages than there are: so a log leaves it that could
    // be moved only in part, as where the disk is full.
    conn.batch_execute("PRAGMA writable_schema = ON").map_err(ConnectionError::CouldntSetupConfiguration)?;
    Ok(conn)
}

/// Moves the write-ahead log into the database file. `false` when others, who read or write it, keep a part of it
/// there.
pub(crate) fn checkpoint(conn: &mut SqliteConnection) -> Result<bool, SqlError> {
    conn.batch_execute(HARDLY_WAIT)?;
    let moved = sql::<(Integer, Integer, Integer)>("PRAGMA wal_checkpoint(TRUNCATE)");
    let (busy, _, _): (i32, i32, i32) = moved.get_result(conn)?;
    Ok(busy == 0)
}

/// Switches to write-ahead logging, runs the migrations and settles the history, on one connection before any other
/// of this process is open. As long as that connection lives, the files beside the database stay.
pub(crate) fn prepare(
    path: &Path,
    url: &str,
    lock: &DatabaseLock,
    shared: bool,
) -> Result<(SqliteConnection, Opened), OpenError> {
    let failed = |cause: String| {
        // Of a full disk SQLite may say no more than that, as it cannot make room for the index of the log.
        let unclear = cause.contains("disk I/O error") || cause.contains("is full");
        let system = if unclear { lock.try_room().err().map(|system| system.to_string()) } else { None };
        let cause = match system {
            Some(system) if !cause.contains(&system) => format!("{cause} ({system})"),
            _ => cause,
        };
        OpenError::Open { database: path.to_owned(), cause }
    };
    // SQLite gives the files beside it the same permissions. One that is there is not opened: to close it again would
    // undo the locks of other connections of this process.
    match OpenOptions::new().create_new(true).write(true).mode(OWNER_ALONE).open(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(failed(error.to_string())),
        _ => {}
    }
    let mut conn = connect(url).map_err(|error| failed(error.to_string()))?;
    switch_to_wal(&mut conn).map_err(|error| failed(error.to_string()))?;
    // Processes that share the database may start at the same time: one migrates, the others wait for it and find it
    // done.
    let migrated: MigrationResult<_> = rebuild::in_turn(&mut conn, |conn| {
        let newer = newer_than_known(conn)?;
        if newer.is_none() {
            conn.run_pending_migrations(MIGRATIONS)?;
        }
        Ok(newer)
    });
    if let Some((found, known)) = migrated.map_err(|error| failed(format!("migration: {error}")))? {
        return Err(OpenError::Newer { database: path.to_owned(), found, known });
    }
    rebuild::run(&mut conn).map_err(|error| failed(format!("migration: {error}")))?;
    let opened = settle_history(&mut conn, lock, shared).map_err(|error| failed(error.to_string()))?;
    announce(path, &opened);
    Ok((conn, opened))
}

/// The newest migration of the database that is not known here, and the newest one known here, if a newer program has
/// been there: what it has changed, this one would break.
fn newer_than_known(conn: &mut SqliteConnection) -> MigrationResult<Option<(String, String)>> {
    let known = MigrationSource::<Sqlite>::migrations(&MIGRATIONS)?;
    let known: Vec<String> = known.iter().map(|migration| migration.name().version().to_string()).collect();
    let applied: Vec<String> = conn.applied_migrations()?.iter().map(ToString::to_string).collect();
    // By version, not by place: a program may bring a migration that is older than the newest one of the database.
    let unknown = applied.into_iter().filter(|version| !known.contains(version)).max();
    Ok(unknown.map(|unknown| (unknown, known.into_iter().max().unwrap_or_default())))
}

/// One process at a time: the record is read and written under the database's own lock on writing.
fn settle_history(conn: &mut SqliteConnection, lock: &DatabaseLock, shared: bool) -> Result<Opened, SqlError> {
    let alone = if shared { None } else { Some(diesel::select(sql::<BigInt>("random()")).get_result(conn)?) };
    let opened = conn.immediate_transaction(|conn| {
        let (record, in_place) = lock.read().unzip();
        let opened = history::open(conn, record, in_place.unwrap_or(false), alone)?;
        lock.write(history::record(conn)?).map_err(|error| StoreError::failed(error.to_string()))?;
        Ok::<_, SqlError>(opened)
    })?;
    if !shared {
        // From then on the file itself has the row by which it is recognized. If not, a later commit moves it there.
        if let Err(error) = conn.batch_execute("PRAGMA wal_checkpoint(PASSIVE)") {
            tracing::debug!(%error, "the log cannot be moved into the file yet");
        }
    }
    Ok(opened)
}

fn announce(path: &Path, opened: &Opened) {
    let (path, history) = (path.display(), opened.row.history());
    match opened.beginning {
        Some(Beginning::Restored) => tracing::warn!(
            "{path} is not what this service has left there: restored from a backup, or moved without its lock file. It \
             begins history {history}: ids go on a million later, entity tags from before do not match, all sessions end"
        ),
        Some(Beginning::Copied) => tracing::warn!("{path} is a copy of another database, and begins history {history}"),
        Some(Beginning::First) | None => {}
    }
}

/// Of several processes that switch at once, all but one fail with "database is locked", whatever their busy timeout.
fn switch_to_wal(conn: &mut SqliteConnection) -> QueryResult<()> {
    let give_up = Instant::now() + SWITCH_PATIENCE;
    loop {
        match conn.batch_execute("PRAGMA journal_mode = WAL;") {
            Err(error) if error.to_string().contains("locked") && Instant::now() < give_up => {
                thread::sleep(SWITCH_PAUSE);
            }
            switched => return switched,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Set in `.cargo/config.toml`. Without it, everything works, and each statement with a limit is parsed at every run.
    #[test]
    fn sqlite_is_compiled_as_it_should_be() {
        let mut conn = SqliteConnection::establish(":memory:").unwrap();
        for option in ["ENABLE_QPSG", "THREADSAFE=2", "DEFAULT_MEMSTATUS=0"] {
            let used = format!("SELECT sqlite_compileoption_used('{option}')");
            assert_eq!(diesel::dsl::sql::<Integer>(&used).get_result::<i32>(&mut conn).unwrap(), 1, "{option}");
        }
    }

    #[test]
    fn a_checkpoint_says_whether_the_log_is_empty() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("products.db");
        let url = path.to_str().unwrap();
        let (_identity, mut first) = crate::sqlite::identity::opened(&path);
        let (mut reader, mut writer) = (connect(url).unwrap(), connect(url).unwrap());
        reader.batch_execute("BEGIN; SELECT epoch FROM copy_epoch").unwrap();
        writer.batch_execute("UPDATE copy_epoch SET epoch = 7").unwrap();
        assert!(!checkpoint(&mut first).unwrap(), "the reader needs what was there before");
        reader.batch_execute("COMMIT").unwrap();
        assert!(checkpoint(&mut first).unwrap());
        assert_eq!(std::fs::metadata(directory.path().join("products.db-wal")).unwrap().len(), 0);
    }
}
