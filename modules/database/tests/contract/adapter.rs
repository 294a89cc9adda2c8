//! The databases that the suite runs on, and where a test keeps its own.

use std::path::Path;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use hotshelf_database::{Database, DatabaseOptions, Location};
use hotshelf_stats::Registry;
use hotshelf_testkit::PostgresServer;
use tempfile::TempDir;

/// Which database.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Adapter {
    Sqlite,
    Postgres,
}

/// Where the database of one test is; it goes with it.
pub(crate) enum Storage {
    /// The file is in this directory.
    Sqlite(TempDir),
    /// The database of this name, on the server of all tests.
    Postgres(String),
}

impl Adapter {
    /// With no database in it yet.
    pub(crate) fn storage(self) -> Storage {
        match self {
            Adapter::Sqlite => Storage::Sqlite(tempfile::tempdir().expect("a directory")),
            Adapter::Postgres => Storage::Postgres(PostgresServer::shared().database()),
        }
    }
}

impl Storage {
    /// Made when it is not there; opened again when it is.
    pub(crate) async fn open(&self) -> Database {
        match self {
            Storage::Sqlite(directory) => open(&directory.path().join("products.db")).await,
            Storage::Postgres(database) => {
                let url = PostgresServer::shared().url(database).parse().expect("a good address");
                let options = DatabaseOptions::from(Location::Server(url));
                Database::open(options, &Registry::new().expect("a registry")).await.expect("opened")
            }
        }
    }

    /// Somebody else on the database.
    pub(crate) fn outsider(&self, sql: &str) {
        match self {
            Storage::Sqlite(_) => self.connection().batch_execute(sql).unwrap(),
            Storage::Postgres(database) => PostgresServer::shared().run(database, sql),
        }
    }

    /// For statements that are SQLite's own.
    pub(crate) fn connection(&self) -> SqliteConnection {
        let Storage::Sqlite(directory) = self else { panic!("the test is not for SQLite") };
        let path = directory.path().join("products.db");
        let mut connection = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
        connection.batch_execute("PRAGMA busy_timeout = 5000").unwrap();
        connection
    }
}

/// SQLite's file.
pub(crate) async fn open(path: &Path) -> Database {
    let options = DatabaseOptions::at(path.to_owned());
    Database::open(options, &Registry::new().expect("a registry")).await.expect("opened")
}
