//! Somebody else on the database file, who can do to the service what no request can.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use hotshelf_testkit::Service;

pub(crate) struct Outsider(SqliteConnection);

impl Outsider {
    pub(crate) fn on_database_of(service: &Service) -> Self {
        let mut connection = SqliteConnection::establish(service.database().to_str().unwrap()).unwrap();
        connection.batch_execute("PRAGMA busy_timeout = 5000").unwrap();
        Outsider(connection)
    }

    pub(crate) fn run(&mut self, sql: &str) {
        self.0.batch_execute(sql).unwrap();
    }

    /// What a query answers that gives one `number`.
    pub(crate) fn number(&mut self, query: &str) -> i64 {
        #[derive(QueryableByName)]
        struct Row {
            #[diesel(sql_type = diesel::sql_types::BigInt)]
            number: i64,
        }
        diesel::sql_query(query).get_result::<Row>(&mut self.0).unwrap().number
    }

    /// From here to [`let_write`](Outsider::let_write), every write of the service waits.
    pub(crate) fn hold_writes_up(&mut self) {
        self.run("BEGIN IMMEDIATE");
    }

    pub(crate) fn let_write(&mut self) {
        self.run("ROLLBACK");
    }
}
