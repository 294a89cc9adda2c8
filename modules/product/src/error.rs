use hotshelf_cache::{BatchError, WriteError};
use hotshelf_domain::StoreError;

/// Why the product service could not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ProductError {
    /// The database refused or failed, in a read as in a write; or the write was not acknowledged. Repeating it is safe
    /// where the client sent `If-Match`.
    #[error(transparent)]
    Write(#[from] WriteError<StoreError>),
    /// A load brought another number of products than it was asked for: a defect of this service. Nothing was served or
    /// kept.
    #[error("a load brought {brought} products for {asked} ids")]
    Miscounted {
        /// How many were to be loaded.
        asked: usize,
        /// How many came.
        brought: usize,
    },
}

impl From<StoreError> for ProductError {
    fn from(error: StoreError) -> Self {
        ProductError::Write(WriteError::Store(error))
    }
}

impl From<BatchError<StoreError>> for ProductError {
    fn from(error: BatchError<StoreError>) -> Self {
        match error {
            BatchError::Load(error) => error.into(),
            BatchError::Miscounted { asked, brought } => ProductError::Miscounted { asked, brought },
        }
    }
}
