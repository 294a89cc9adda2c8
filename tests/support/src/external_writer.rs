//! Another program on the service's database file, for changes that no request can make.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::Service;
use crate::postgres::{self, PostgresServer};
use crate::psql::Psql;

/// Another connection to the database of a service.
pub struct ExternalWriter(Database);

enum Database {
    Sqlite(Connection),
    Postgres(Psql),
}

/// Counts to that number: a statement that only takes time.
fn counting(to: u64) -> String {
    format!(
        "SELECT count(*) FROM (WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT {to}) SELECT x FROM n)"
    )
}

impl ExternalWriter {
    /// Opens the database file at that path.
    pub fn on_database(path: &Path) -> Self {
        if postgres::is_chosen()
            && let Some(database) = PostgresServer::shared().known_instead_of(path)
        {
            return ExternalWriter(Database::Postgres(PostgresServer::shared().session(&database)));
        }
        let connection = Connection::open(path).expect("open the database");
        connection.busy_timeout(Duration::from_secs(5)).expect("set the busy timeout");
        ExternalWriter(Database::Sqlite(connection))
    }

    /// Opens the database of a service.
    pub fn on_database_of(service: &Service) -> Self {
        ExternalWriter::on_database(&service.database())
    }

    /// Runs statements without a result.
    #[track_caller]
    pub fn run(&mut self, sql: &str) {
        match &mut self.0 {
            Database::Sqlite(connection) => {
                connection.execute_batch(sql).unwrap_or_else(|error| panic!("{sql}: {error}"))
            }
            Database::Postgres(session) => drop(session.run(sql)),
        }
    }

    /// The number that a query returns.
    #[track_caller]
    pub fn number(&mut self, query: &str) -> i64 {
        match &mut self.0 {
            Database::Sqlite(connection) => {
                connection.query_row(query, [], |row| row.get(0)).unwrap_or_else(|error| panic!("{query}: {error}"))
            }
            Database::Postgres(session) => {
                let lines = session.run(query);
                let number = lines.last().and_then(|line| line.parse().ok());
                number.unwrap_or_else(|| panic!("{query}: {lines:?}"))
            }
        }
    }

    /// From here to [`let_write`](ExternalWriter::let_write), every write of the service waits.
    pub fn hold_writes_up(&mut self) {
        let begin = match &self.0 {
            Database::Sqlite(_) => "BEGIN IMMEDIATE",
            // The row that every group of writes changes first.
            Database::Postgres(_) => "BEGIN; SELECT 1 FROM database_history FOR UPDATE",
        };
        self.run(begin);
    }

    /// Ends what [`hold_writes_up`](ExternalWriter::hold_writes_up) began.
    pub fn let_write(&mut self) {
        self.run("ROLLBACK");
    }

    /// Fails if a transaction is open, for reading or for writing.
    #[track_caller]
    pub fn assert_no_transaction_is_left(&mut self) {
        let open = match &self.0 {
            // Then the log cannot be moved into the database.
            Database::Sqlite(_) => "PRAGMA wal_checkpoint(TRUNCATE)",
            Database::Postgres(_) => {
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'"
            }
        };
        assert_eq!(self.number(open), 0, "a transaction is open");
    }

    /// From here to [`restore_products`](ExternalWriter::restore_products), reads and writes of products fail.
    pub fn hide_products(&mut self) {
        self.run("ALTER TABLE products RENAME TO shelved");
    }

    /// From here to [`restore_products`](ExternalWriter::restore_products), each read of a product takes about this
    /// long: a view that counts first replaces the table.
    pub fn slow_reads_down(&mut self, duration: Duration) {
        if let Database::Postgres(_) = self.0 {
            self.hide_products();
            let seconds = duration.as_secs_f64();
            // Once for each statement.
            return self.run(&format!(
                "CREATE VIEW products AS SELECT * FROM shelved WHERE (SELECT count(*) FROM pg_sleep({seconds})) = 1"
            ));
        }
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
