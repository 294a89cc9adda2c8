//! How a connection is opened: the settings that durability and concurrency rest on.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::rebuild;
use crate::error::OpenError;

type MigrationResult = Result<(), Box<dyn std::error::Error + Send + Sync>>;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");

/// Comes first: without it, the pragmas after it would fail while another connection holds a lock.
const WAIT_FOR_LOCKS: &str = "PRAGMA busy_timeout = 5000;";
/// FULL: a commit has reached the disk before it returns, so that it survives the loss of power.
const SETTINGS: &str = "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA cache_size = -16384;";
/// What a savepoint needs to undo itself stays in memory: in a file, it would be twice as much writing as the commit.
/// A checkpoint every 32 MB, for many writes come back to the same pages meanwhile.
const WRITER_SETTINGS: &str = "PRAGMA temp_store = MEMORY; PRAGMA wal_autocheckpoint = 8192;";

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
    let mut conn = connect(url).map_err(|error| failed(error.to_string()))?;
    switch_to_wal(&mut conn).map_err(|error| failed(error.to_string()))?;
    // Processes that share the database may start at the same time: one migrates, the others wait for it and find it done.
    let migrated: MigrationResult =
        rebuild::in_turn(&mut conn, |conn| conn.run_pending_migrations(MIGRATIONS).map(drop));
    migrated.map_err(|error| failed(format!("migration: {error}")))?;
    rebuild::run(&mut conn).map_err(|error| failed(format!("migration: {error}")))?;
    Ok(())
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
