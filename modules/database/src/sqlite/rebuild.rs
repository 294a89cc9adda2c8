//! Fills the search index and the keys of names for products that were stored by an older version. It runs once, at the
//! first start after the migration that asks for it, before anything is served.
//!
//! A batch is a transaction, which also notes how far it came: a process that is killed leaves a rebuild that goes on
//! from there, and never one that looks complete. Processes that start at the same time take turns with the batches.

use std::fmt::Display;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use diesel::sqlite::SqliteConnection;

use super::search_index::Entry;
use crate::tables::product_rebuild;

/// Products in one transaction: some tenths of a second.
const BATCH: i64 = 20_000;
/// How often the log says how far it is.
const REPORT: Duration = Duration::from_secs(3);
/// Fewer and larger parts of the index, and pages that are written once; for the time of the rebuild.
const BEGIN: &str = "PRAGMA cache_size = -131072; PRAGMA temp_store = MEMORY;";
const AS_BEFORE: &str = "PRAGMA cache_size = -16384; PRAGMA temp_store = DEFAULT;";
const LARGE_PARTS: &str = "INSERT INTO product_search (product_search, rank) VALUES ('hashsize', 33554432)";
/// The index of names is made last: filled row by row, it would take several times as long. Without the table, nothing
/// is left to do.
const END: &str = "INSERT INTO product_search (product_search, rank) VALUES ('hashsize', 1048576);
    CREATE INDEX products_by_name ON products (organization_id, name_key, id, schema_id, category, deleted_at)
        WHERE deleted_at IS NULL;
    DROP TABLE product_rebuild;";

/// Another process may hold the lock on writing for so long without a commit: to make an index, at most.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Does what is left to do. Of several processes, each returns when all of it is done.
pub(crate) fn run(conn: &mut SqliteConnection) -> QueryResult<()> {
    in_batches(conn, BATCH)
}

fn in_batches(conn: &mut SqliteConnection, size: i64) -> QueryResult<()> {
    if state(conn)?.is_none() {
        return Ok(());
    }
    conn.batch_execute(BEGIN)?;
    let begin = Instant::now();
    let mut reported = begin;
    while in_turn(conn, |conn| batch(conn, size))? {
        if reported.elapsed() >= REPORT {
            reported = Instant::now();
            if let Some((_, done)) = state(conn)? {
                tracing::info!(done, total = total(conn)?, "rebuilding the search index and the order of names");
            }
        }
    }
    conn.batch_execute(AS_BEFORE)?;
    let (products, seconds) = (total(conn)?, begin.elapsed().as_secs_f64());
    if products > 0 {
        tracing::info!(products, seconds, "the search index and the order of names are rebuilt");
    }
    Ok(())
}

/// Runs the work in a transaction, and waits for other processes that do the same as long as they make progress.
pub(crate) fn in_turn<T, E: From<diesel::result::Error> + Display>(
    conn: &mut SqliteConnection,
    work: impl Fn(&mut SqliteConnection) -> Result<T, E>,
) -> Result<T, E> {
    let (mut seen, mut since) = (None, Instant::now());
    loop {
        match conn.immediate_transaction(&work) {
            Err(error) if error.to_string().contains("database is locked") && since.elapsed() < TIMEOUT => {
                tracing::info!("waiting for another process that brings the database up to date");
                let commits = sql::<BigInt>("PRAGMA data_version").get_result::<i64>(conn)?;
                if seen != Some(commits) {
                    (seen, since) = (Some(commits), Instant::now());
                }
            }
            done => return done,
        }
    }
}

/// The next batch; `false` when none is left.
fn batch(conn: &mut SqliteConnection, size: i64) -> QueryResult<bool> {
    let Some((last_id, done)) = state(conn)? else { return Ok(false) };
    if last_id == 0 {
        conn.batch_execute(LARGE_PARTS)?;
    }
    let batch = Entry::after(conn, last_id, size)?;
    let Some(end) = batch.last() else {
        conn.batch_execute(END)?;
        return Ok(false);
    };
    for entry in &batch {
        entry.enter(conn)?;
        entry.set_name_key(conn)?;
    }
    let noted = (product_rebuild::last_id.eq(end.id), product_rebuild::done.eq(done + batch.len() as i64));
    diesel::update(product_rebuild::table).set(noted).execute(conn)?;
    Ok(true)
}

/// The last id that was entered, and the number of products up to it; `None` when there is nothing to do.
fn state(conn: &mut SqliteConnection) -> QueryResult<Option<(i64, i64)>> {
    let there = sql::<BigInt>("SELECT count(*) FROM sqlite_schema WHERE name = 'product_rebuild'");
    if there.get_result::<i64>(conn)? == 0 {
        return Ok(None);
    }
    product_rebuild::table.select((product_rebuild::last_id, product_rebuild::done)).first(conn).optional()
}

fn total(conn: &mut SqliteConnection) -> QueryResult<i64> {
    sql::<BigInt>("SELECT coalesce(sum(live), 0) FROM organization_counts").get_result(conn)
}

#[cfg(test)]
mod tests {
    use std::thread;

    use tempfile::TempDir;

    use super::super::connect::connect;
    use super::super::identity::opened;
    use super::*;

    const PRODUCTS: i64 = 1_000;
    /// As the migration leaves a database that had products, of which one is deleted.
    const UNBUILT: &str = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i <= 1000)
        INSERT INTO products SELECT NULL, 'Größe ' || (i % 100), 'Τσάι', 100, 1, 'C' || (i % 3), 1 + i % 2, 1, 1, i, i,
            CASE i WHEN 7 THEN i END, x'' FROM n;
        DELETE FROM search_pending; DROP INDEX products_by_name;
        CREATE TABLE product_rebuild (singleton INTEGER PRIMARY KEY, last_id INTEGER NOT NULL, done INTEGER NOT NULL) STRICT;
        INSERT INTO product_rebuild VALUES (1, 0, 0);";

    fn unbuilt() -> (TempDir, String) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("products.db");
        let url = path.to_str().unwrap().to_owned();
        opened(&path);
        connect(&url).unwrap().immediate_transaction(|conn| conn.batch_execute(UNBUILT)).unwrap();
        (directory, url)
    }

    fn number(conn: &mut SqliteConnection, sql: &'static str) -> i64 {
        diesel::dsl::sql::<BigInt>(sql).get_result(conn).unwrap()
    }

    fn assert_complete(conn: &mut SqliteConnection) {
        assert!(state(conn).unwrap().is_none());
        assert_eq!(number(conn, "SELECT count(*) FROM products WHERE name_key = x'' AND deleted_at IS NULL"), 0);
        assert_eq!(number(conn, "SELECT count(*) FROM product_search_docsize"), PRODUCTS, "each once");
        let in_one = "SELECT count(*) FROM product_search WHERE product_search MATCH '\"0000000000000001grosse\"*'";
        let in_two = "SELECT count(*) FROM product_search WHERE product_search MATCH '\"0000000000000002τσαι\"*'";
        assert_eq!(number(conn, in_one) + number(conn, in_two), PRODUCTS);
        let sought = "SELECT count(*) FROM products INDEXED BY products_by_name WHERE organization_id > 0 AND deleted_at IS NULL";
        assert_eq!(number(conn, sought), PRODUCTS);
        conn.batch_execute("INSERT INTO product_search (product_search) VALUES ('integrity-check')").unwrap();
    }

    #[test]
    fn a_rebuild_that_was_killed_goes_on_where_it_was() {
        let (_directory, url) = unbuilt();
        let mut conn = connect(&url).unwrap();
        for _ in 0..3 {
            assert!(in_turn(&mut conn, |conn| batch(conn, 70)).unwrap());
        }
        // Killed in the middle of a batch: its transaction is never committed.
        conn.batch_execute("BEGIN IMMEDIATE").unwrap();
        assert!(batch(&mut conn, 70).unwrap());
        drop(conn);

        let mut conn = connect(&url).unwrap();
        let (_, done) = state(&mut conn).unwrap().expect("not complete");
        assert_eq!((done, number(&mut conn, "SELECT count(*) FROM product_search_docsize")), (210, 210));
        in_batches(&mut conn, 300).unwrap();
        assert_complete(&mut conn);
    }

    #[test]
    fn processes_that_start_together_share_the_work_and_none_goes_on_before_it_is_done() {
        let (_directory, url) = unbuilt();
        let process = || {
            let mut conn = connect(&url).unwrap();
            in_batches(&mut conn, 10).unwrap();
            assert_complete(&mut conn);
        };
        thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(process))));
    }
}
