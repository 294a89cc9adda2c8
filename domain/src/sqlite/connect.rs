//! How a connection is opened: the settings that durability and concurrency rest on.

use std::path::Path;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use crate::error::OpenError;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");

/// Comes first: without it, the pragmas after it would fail while another connection holds a lock.
const WAIT_FOR_LOCKS: &str = "PRAGMA busy_timeout = 5000;";
/// FULL: a commit has reached the disk before it returns, so that it survives the loss of power.
const SETTINGS: &str = "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA cache_size = -16384;";

pub(super) fn connect(url: &str) -> ConnectionResult<SqliteConnection> {
    let mut conn = SqliteConnection::establish(url)?;
    let set_up = conn.batch_execute(WAIT_FOR_LOCKS).and_then(|()| conn.batch_execute(SETTINGS));
    set_up.map_err(ConnectionError::CouldntSetupConfiguration)?;
    Ok(conn)
}

/// Switches to write-ahead logging and runs the migrations, on one connection before any other is open: several that
/// switch at once fail with "database is locked", whatever their busy timeout.
pub(super) fn prepare(path: &Path, url: &str) -> Result<(), OpenError> {
    let failed = |cause: String| OpenError::Open { database: path.to_owned(), cause };
    let mut conn = connect(url).map_err(|error| failed(error.to_string()))?;
    conn.batch_execute("PRAGMA journal_mode = WAL;").map_err(|error| failed(error.to_string()))?;
    conn.run_pending_migrations(MIGRATIONS).map_err(|error| failed(format!("migration: {error}")))?;
    Ok(())
}
