//! What SQLite says, by its code.

use hotshelf_domain::StoreError;

use crate::error::SqlError;

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
