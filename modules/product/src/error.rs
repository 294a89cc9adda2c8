use hotshelf_cache::{BatchError, Locked, Unsettled, WriteError};
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
    /// A load brought another number of products than it was asked for: a defect of this service. Nothing was served or kept.
    #[error("a load brought {brought} products for {asked} ids")]
    Miscounted {
        /// How many were to be loaded.
        asked: usize,
        /// How many came.
        brought: usize,
    },
}

impl From<BatchError<StoreError>> for ProductError {
    fn from(error: BatchError<StoreError>) -> Self {
        match error {
            BatchError::Load(error) => ProductError::Store(error),
            BatchError::Miscounted { asked, brought } => ProductError::Miscounted { asked, brought },
        }
    }
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
