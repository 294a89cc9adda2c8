//! Another program on the service's database file, for changes that no request can make.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::Service;

/// Another connection to the database of a service.
pub struct ExternalWriter(Connection);

/// Counts to that number: a statement that only takes time.
fn counting(to: u64) -> String {
    format!(
        "SELECT count(*) FROM (WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT {to}) SELECT x FROM n)"
    )
}

impl ExternalWriter {
    /// Opens the database file at that path.
    pub fn on_database(path: &Path) -> Self {
        let connection = Connection::open(path).expect("open the database");
        connection.busy_timeout(Duration::from_secs(5)).expect("set the busy timeout");
        ExternalWriter(connection)
    }

    /// Opens the database of a service.
    pub fn on_database_of(service: &Service) -> Self {
        ExternalWriter::on_database(&service.database())
    }

    /// Runs statements without a result.
    #[track_caller]
    pub fn run(&mut self, sql: &str) {
        self.0.execute_batch(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// The number that a query returns.
    #[track_caller]
    pub fn number(&mut self, query: &str) -> i64 {
        self.0.query_row(query, [], |row| row.get(0)).unwrap_or_else(|error| panic!("{query}: {error}"))
    }

    /// From here to [`let_write`](ExternalWriter::let_write), every write of the service waits.
    pub fn hold_writes_up(&mut self) {
        self.run("BEGIN IMMEDIATE");
    }

    /// Ends what [`hold_writes_up`](ExternalWriter::hold_writes_up) began.
    pub fn let_write(&mut self) {
        self.run("ROLLBACK");
    }

    /// Fails if a transaction is open, for reading or for writing, because then the log cannot be moved into the
    /// database.
    #[track_caller]
    pub fn assert_no_transaction_is_left(&mut self) {
        assert_eq!(self.number("PRAGMA wal_checkpoint(TRUNCATE)"), 0, "a transaction is open");
    }

    /// From here to [`restore_products`](ExternalWriter::restore_products), reads and writes of products fail.
    pub fn hide_products(&mut self) {
        self.run("ALTER TABLE products RENAME TO shelved");
    }

    /// From here to [`restore_products`](ExternalWriter::restore_products), each read of a product takes about this
    /// long: a view that counts first replaces the table.
    pub fn slow_reads_down(&mut self, duration: Duration) {
        const SAMPLE: u64 = 200_000;
        let sample = |_| {
            let begin = Instant::now();
            self.number(&counting(SAMPLE));
            begin.elapsed()
        };
        // The fastest sample counts: one that was delayed by other load would make the reads too short.
        let fastest = (0..8).map(sample).min().unwrap_or_default();
        let number = SAMPLE as f64 * duration.as_secs_f64() / fastest.as_secs_f64();
        let slow = counting(number as u64);
        self.hide_products();
        self.run(&format!("CREATE VIEW products AS SELECT * FROM shelved WHERE ({slow}) > 0"));
    }

    /// Gives the table of the products its name back.
    pub fn restore_products(&mut self) {
        self.run("DROP VIEW IF EXISTS products; ALTER TABLE shelved RENAME TO products");
    }
}
