//! The databases that the suite runs on, and where a test keeps its own.

use std::path::Path;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use hotshelf_database::{Database, DatabaseOptions};
use hotshelf_stats::Registry;
use tempfile::TempDir;

/// Which database.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Adapter {
    Sqlite,
}

/// Where the database of one test is; it goes with it.
pub(crate) struct Storage {
    directory: TempDir,
}

impl Adapter {
    /// With no database in it yet.
    pub(crate) fn storage(self) -> Storage {
        match self {
            Adapter::Sqlite => Storage { directory: tempfile::tempdir().expect("a directory") },
        }
    }
}

impl Storage {
    /// Made when it is not there; opened again when it is.
    pub(crate) async fn open(&self) -> Database {
        open(&self.directory.path().join("products.db")).await
    }

    /// Somebody else on the database.
    pub(crate) fn outsider(&self, sql: &str) {
        self.connection().batch_execute(sql).unwrap();
    }

    pub(crate) fn connection(&self) -> SqliteConnection {
        let path = self.directory.path().join("products.db");
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
