//! Somebody else on the database file, who can do to the service what no request can.

use std::path::Path;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;

pub(crate) struct Outsider(SqliteConnection);

#[derive(QueryableByName)]
struct Checkpoint {
    #[diesel(sql_type = diesel::sql_types::Integer)]
    busy: i32,
}

/// Counts to that number, which takes time and nothing else.
fn counting(to: u64) -> String {
    format!(
        "SELECT count(*) FROM (WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT {to}) SELECT x FROM n)"
    )
}

impl Outsider {
    pub(crate) fn on_database(path: &Path) -> Self {
        let mut connection = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
        connection.batch_execute("PRAGMA busy_timeout = 5000").unwrap();
        Outsider(connection)
    }

    fn run(&mut self, sql: &str) {
        self.0.batch_execute(sql).unwrap();
    }

    /// From here to [`let_write`](Outsider::let_write), every write of the service waits.
    pub(crate) fn hold_writes_up(&mut self) {
        self.run("BEGIN IMMEDIATE");
    }

    pub(crate) fn let_write(&mut self) {
        self.run("ROLLBACK");
    }

    /// Fails when a transaction stays open, for reading or for writing: then the log cannot be moved into the database.
    pub(crate) fn assert_no_transaction_is_left(&mut self) {
        let checkpoint = diesel::sql_query("PRAGMA wal_checkpoint(TRUNCATE)").get_result::<Checkpoint>(&mut self.0);
        assert_eq!(checkpoint.unwrap().busy, 0, "somebody holds a transaction open");
    }

    /// From here to [`mend`](Outsider::mend), reads and writes of products fail.
    pub(crate) fn break_it(&mut self) {
        self.run("ALTER TABLE products RENAME TO shelved");
    }

    /// From here to [`mend`](Outsider::mend), each read of a product takes about so long: behind the name of the table
    /// is a view that counts first.
    pub(crate) fn slow_reads_down(&mut self, duration: Duration) {
        const SAMPLE: u64 = 200_000;
        let begin = Instant::now();
        self.run(&counting(SAMPLE));
        let number = SAMPLE as f64 * duration.as_secs_f64() / begin.elapsed().as_secs_f64();
        let slow = counting(number as u64);
        self.break_it();
        self.run(&format!("CREATE VIEW products AS SELECT * FROM shelved WHERE ({slow}) > 0"));
    }

    pub(crate) fn mend(&mut self) {
        self.run("DROP VIEW IF EXISTS products; ALTER TABLE shelved RENAME TO products");
    }
}
