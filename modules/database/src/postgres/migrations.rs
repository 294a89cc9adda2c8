//! Brings the tables up to date, one process at a time: the others wait for a row. With nothing pending, no lock is
//! taken.

use std::thread;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::migration::{Migration, MigrationSource, MigrationVersion};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Text};
use diesel_migrations::{EmbeddedMigrations, embed_migrations};

use super::connection::Connection;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/postgres");

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// Made by whoever comes first.
const LOCK: &str =
    "CREATE TABLE IF NOT EXISTS hotshelf_migration_lock (singleton bigint PRIMARY KEY CHECK (singleton = 1));
    INSERT INTO hotshelf_migration_lock VALUES (1) ON CONFLICT DO NOTHING;
    CREATE TABLE IF NOT EXISTS hotshelf_migrations (
        version varchar(50) PRIMARY KEY, run_on timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
        expands boolean NOT NULL DEFAULT false);";
/// The end of the name of a migration that only adds what a program without it does not need to know (the pattern
/// "parallel change", expand and contract): such programs go on with the database, and may be started again.
const EXPANDS: &str = "_expand";
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(50);

/// One that was run, by whichever program.
struct Applied {
    version: String,
    expands: bool,
}

/// What was done.
pub(super) enum Migrated {
    /// So many migrations were run.
    UpToDate(usize),
    /// A newer program was there and did more than to add: the newest migration that is not known here, and the newest
    /// that is.
    Newer { found: String, known: String },
}

pub(super) fn run(conn: &mut Connection) -> Result<Migrated, Failed> {
    let known = MigrationSource::<Pg>::migrations(&MIGRATIONS)?;
    if let Some(outcome) = outcome(&known, &applied(conn)?) {
        return Ok(outcome);
    }
    make_lock(conn)?;
    conn.batch_execute("BEGIN")?;
    let ran = in_turn(conn, &known);
    match &ran {
        Ok(_) => conn.batch_execute("COMMIT")?,
        Err(_) => conn.batch_execute("ROLLBACK")?,
    }
    ran
}

/// With the lock. The groups of instances that are running wait for the row of the history, and so for no table that they
/// have begun to use.
fn in_turn(conn: &mut Connection, known: &[Box<dyn Migration<Pg>>]) -> Result<Migrated, Failed> {
    conn.batch_execute("SELECT singleton FROM hotshelf_migration_lock FOR UPDATE")?;
    if exists(conn, "database_history")? {
        conn.batch_execute("SELECT singleton FROM database_history FOR UPDATE")?;
    }
    let applied = applied(conn)?;
    if let Some(outcome) = outcome(known, &applied) {
        return Ok(outcome);
    }
    let mut ran = 0;
    for migration in known.iter().filter(|migration| !has(&applied, &version(&***migration))) {
        tracing::info!(version = version(&**migration), "migrating the database");
        migration.run(conn)?;
        diesel::sql_query("INSERT INTO hotshelf_migrations (version, expands) VALUES ($1, $2)")
            .bind::<Text, _>(version(&**migration))
            .bind::<Bool, _>(migration.name().to_string().ends_with(EXPANDS))
            .execute(conn)?;
        ran += 1;
    }
    Ok(Migrated::UpToDate(ran))
}

/// What there is to say without running any: `None` when some are pending.
fn outcome(known: &[Box<dyn Migration<Pg>>], applied: &[Applied]) -> Option<Migrated> {
    let known: Vec<String> = known.iter().map(|migration| version(&**migration)).collect();
    let newer = applied.iter().filter(|found| !known.contains(&found.version) && !found.expands);
    if let Some(found) = newer.map(|found| &found.version).max() {
        let known = known.into_iter().max().unwrap_or_default();
        return Some(Migrated::Newer { found: found.clone(), known });
    }
    known.iter().all(|version| has(applied, version)).then_some(Migrated::UpToDate(0))
}

fn has(applied: &[Applied], version: &str) -> bool {
    applied.iter().any(|found| found.version == version)
}

fn version(migration: &dyn Migration<Pg>) -> String {
    let version: MigrationVersion<'_> = migration.name().version();
    version.to_string()
}

fn applied(conn: &mut Connection) -> QueryResult<Vec<Applied>> {
    if !exists(conn, "hotshelf_migrations")? {
        return Ok(Vec::new());
    }
    let found: Vec<(String, bool)> =
        diesel::dsl::sql::<(Text, Bool)>("SELECT version::text, expands FROM hotshelf_migrations").load(conn)?;
    Ok(found.into_iter().map(|(version, expands)| Applied { version, expands }).collect())
}

fn exists(conn: &mut Connection, table: &str) -> QueryResult<bool> {
    diesel::select(diesel::dsl::sql::<Bool>("to_regclass(").bind::<Text, _>(table).sql(") IS NOT NULL"))
        .get_result(conn)
}

/// Two that make a table of one name at once meet in PostgreSQL's own tables: one of them fails.
fn make_lock(conn: &mut Connection) -> QueryResult<()> {
    let mut made = conn.batch_execute(LOCK);
    for _ in 0..TRIES {
        if made.is_ok() {
            break;
        }
        thread::sleep(PAUSE);
        made = conn.batch_execute(LOCK);
    }
    made
}
