//! How a connection is opened: the settings that durability and concurrency rest on.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::migration::MigrationSource;
use diesel::prelude::*;
use diesel::sqlite::{Sqlite, SqliteConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use crate::error::OpenError;

type MigrationResult<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");

/// Comes first: without it, the pragmas after it would fail while another connection holds a lock.
const WAIT_FOR_LOCKS: &str = "PRAGMA busy_timeout = 5000;";
/// FULL: a commit has reached the disk before it returns, so that it survives the loss of power.
const SETTINGS: &str = "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA cache_size = -16384;";
/// What a savepoint needs to undo itself stays in memory: in a file, it would be twice as much writing as the commit.
/// A checkpoint every 32 MB, for many writes come back to the same pages meanwhile.
const WRITER_SETTINGS: &str = "PRAGMA temp_store = MEMORY; PRAGMA wal_autocheckpoint = 8192;";

/// Of files that are made: a catalogue has addresses and passwords of its users, if only as hashes.
pub(super) const OWNER_ALONE: u32 = 0o600;

const SWITCH_PATIENCE: Duration = Duration::from_secs(5);
const SWITCH_PAUSE: Duration = Duration::from_millis(10);

pub(super) fn connect(url: &str) -> ConnectionResult<SqliteConnection> {
    let mut conn = SqliteConnection::establish(url)?;
    let set_up = conn.batch_execute(WAIT_FOR_LOCKS).and_then(|()| conn.batch_execute(SETTINGS));
    set_up.map_err(ConnectionError::CouldntSetupConfiguration)?;
    Ok(conn)
}

pub(super) fn connect_writer(url: &str) -> ConnectionResult<SqliteConnection> {
    let mut conn = connect(url)?;
    conn.batch_execute(WRITER_SETTINGS).map_err(ConnectionError::CouldntSetupConfiguration)?;
    Ok(conn)
}

/// Switches to write-ahead logging and runs the migrations, on one connection before any other of this process is open.
pub(super) fn prepare(path: &Path, url: &str) -> Result<(), OpenError> {
    let failed = |cause: String| OpenError::Open { database: path.to_owned(), cause };
    // SQLite gives the files beside it the same permissions.
    let made = OpenOptions::new().create(true).append(true).mode(OWNER_ALONE).open(path);
    made.map_err(|error| failed(error.to_string()))?;
    let mut conn = connect(url).map_err(|error| failed(error.to_string()))?;
    switch_to_wal(&mut conn).map_err(|error| failed(error.to_string()))?;
    // Processes that share the database may start at the same time: one migrates, the others wait for it and find it done.
    let migrated: MigrationResult<_> = conn.immediate_transaction(|conn| {
        let newer = newer_than_known(conn)?;
        if newer.is_none() {
            conn.run_pending_migrations(MIGRATIONS)?;
        }
        Ok(newer)
    });
    match migrated.map_err(|error| failed(format!("migration: {error}")))? {
        None => Ok(()),
        Some((found, known)) => Err(OpenError::Newer { database: path.to_owned(), found, known }),
    }
}

/// The newest migration of the database and the newest one known here, if a newer program has been there: what it has
/// changed, this one would break.
fn newer_than_known(conn: &mut SqliteConnection) -> MigrationResult<Option<(String, String)>> {
    let known = MigrationSource::<Sqlite>::migrations(&MIGRATIONS)?;
    let known: Vec<String> = known.iter().map(|migration| migration.name().version().to_string()).collect();
    let applied: Vec<String> = conn.applied_migrations()?.iter().map(ToString::to_string).collect();
    let newest = |versions: &[String]| versions.iter().max().cloned().unwrap_or_default();
    let newer = applied.iter().any(|version| !known.contains(version));
    Ok(newer.then(|| (newest(&applied), newest(&known))))
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
