use hotshelf_cache::{Locked, Unsettled, WriteError};
use hotshelf_domain::StoreError;

/// Why the product service could not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ProductError {
    /// Another write of the product is under way and takes long.
    #[error("product is being updated, try again")]
    Locked,
    /// The repository refused or failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The write is in the database, but a cache may go on serving what was there before, so it cannot be
    /// acknowledged. Repeating it is safe where the client sent `If-Match`.
    #[error(transparent)]
    Unsettled(#[from] Unsettled),
    /// The write's task died; the log says of what. What it did is unknown.
    #[error("the write broke off")]
    BrokeOff,
}

impl From<Locked> for ProductError {
    fn from(_: Locked) -> Self {
        ProductError::Locked
    }
}

impl From<WriteError<StoreError>> for ProductError {
    fn from(error: WriteError<StoreError>) -> Self {
        match error {
            WriteError::Locked => ProductError::Locked,
            WriteError::Store(error) => ProductError::Store(error),
            WriteError::Unsettled(error) => ProductError::Unsettled(error),
            WriteError::BrokeOff => ProductError::BrokeOff,
        }
    }
}
