use diesel::sqlite::SqliteConnection;
use hotshelf_domain::{Invalid, PageError, StoreError};

use crate::port::{Tx, WriteTx};

/// Why work on a connection ended early. In here `?` takes what diesel and rusqlite return and what the rules say;
/// callers outside of `sqlite/` see the [`StoreError`] in it, which knows no library.
#[derive(Clone, Debug, thiserror::Error)]
#[error(transparent)]
pub(crate) struct SqlError(pub(crate) StoreError);

impl Tx for SqliteConnection {
    type Error = SqlError;
}

impl WriteTx for SqliteConnection {}

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

impl From<rusqlite::Error> for SqlError {
    fn from(error: rusqlite::Error) -> Self {
        let error = match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::OperationInterrupted) => StoreError::Overloaded("the read took too long"),
            Some(rusqlite::ErrorCode::DatabaseBusy) => StoreError::Overloaded("the database is locked"),
            _ => StoreError::failed(error.to_string()),
        };
        error.into()
    }
}
