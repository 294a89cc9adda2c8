use std::path::PathBuf;

use hotshelf_domain::{Invalid, PageError, StoreError};

/// Why the database cannot be opened; each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process works on this database.
    #[error(
        "{} is in use by another process (lock file {}): stop it, or start every instance with SHARED_DB=true",
        .database.display(), .lock.display()
    )]
    InUse {
        /// The database file.
        database: PathBuf,
        /// The lock file beside it.
        lock: PathBuf,
    },
    /// The lock file could not be made or locked.
    #[error("cannot lock {}: {cause}", .lock.display())]
    Lock {
        /// The lock file.
        lock: PathBuf,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
    /// The file has several names, and each would have a write-ahead log and a lock file of its own.
    #[error(
        "{} has {names} names (hard links): what is written under one is lost under another. Copy the file, or remove the \
         other names",
        .database.display()
    )]
    HardLinked {
        /// The database file.
        database: PathBuf,
        /// How many names it has.
        names: u64,
    },
    /// The path is not text that SQLite accepts.
    #[error("{} is not a valid UTF-8 path", .0.display())]
    Path(PathBuf),
    /// A newer version of the program has changed the database in a way that this one does not know.
    #[error(
        "{} has migration {found}, which this version does not know; it knows migrations up to {known}: start the \
         newer version, or restore the backup from before it", .database.display()
    )]
    Newer {
        /// The database file.
        database: PathBuf,
        /// The newest migration of the database that this program does not know.
        found: String,
        /// The newest migration that this program knows.
        known: String,
    },
    /// The server cannot be reached, or not be used.
    #[error("cannot open the database at {server}: {cause}")]
    Server {
        /// Its hosts and the database.
        server: String,
        /// What went wrong, in the server's words.
        cause: String,
    },
    /// The opening has panicked; always a defect.
    #[error("the opening of the database broke off: {0}")]
    Died(String),
    /// The metrics of the database could not be registered; always a defect.
    #[error("cannot count what the database does: {0}")]
    Metrics(String),
    /// The file is there but cannot be used as a database.
    #[error("cannot open {}: {cause}", .database.display())]
    Open {
        /// The database file.
        database: PathBuf,
        /// What went wrong, in the database's words.
        cause: String,
    },
}

/// Why work on a connection ended early. In here `?` takes what the libraries return and what the rules say; callers
/// outside of this crate see the [`StoreError`] in it, which knows no library.
#[derive(Clone, Debug, thiserror::Error)]
#[error(transparent)]
pub(crate) struct SqlError(pub(crate) StoreError);

impl From<StoreError> for SqlError {
    fn from(error: StoreError) -> Self {
        SqlError(error)
    }
}

impl From<SqlError> for StoreError {
    fn from(error: SqlError) -> Self {
        error.0
    }
}

impl From<Invalid> for SqlError {
    fn from(invalid: Invalid) -> Self {
        StoreError::from(invalid).into()
    }
}

impl From<PageError> for SqlError {
    fn from(error: PageError) -> Self {
        StoreError::from(error).into()
    }
}

impl From<serde_json::Error> for SqlError {
    fn from(error: serde_json::Error) -> Self {
        StoreError::from_serialization(error.to_string()).into()
    }
}

impl From<diesel::result::Error> for SqlError {
    fn from(error: diesel::result::Error) -> Self {
        StoreError::failed(error.to_string()).into()
    }
}
