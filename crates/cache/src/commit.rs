//! The end of a write: the commit, and what has to follow whatever comes of it.

use std::future::Future;

use crate::key::Key;
use crate::tier::Unsettled;
use crate::value::Value;
use crate::write::{Locked, Write};

/// Why a write was not acknowledged. `E` is what the store fails with.
#[derive(Clone, Debug, thiserror::Error)]
pub enum WriteError<E> {
    /// Another write of the same thing is under way and takes long. Nothing was changed; try again.
    #[error("another write of it is under way, try again")]
    Locked,
    /// The store refused or failed.
    #[error(transparent)]
    Store(E),
    /// The write is in the store, but a cache may go on serving what was there before, so it cannot be acknowledged.
    #[error(transparent)]
    Unsettled(Unsettled),
    /// The write's task died; the log says of what. What it did is unknown.
    #[error("the write broke off")]
    BrokeOff,
}

impl<E> From<Locked> for WriteError<E> {
    fn from(_: Locked) -> Self {
        WriteError::Locked
    }
}

impl<E: Clone + Send + Sync + 'static> Write<E> {
    /// Commits and ends the write.
    ///
    /// `commit` is told whether every tier is barred ([`covered`](Write::covered)); if not, it advances the epoch in the
    /// same transaction and returns it. `changed_nothing` says of a failure whether the store is certain to be as it was.
    /// `leaves` makes the new values by key, for the write-through strategy.
    ///
    /// # Errors
    /// [`WriteError::Store`] and [`WriteError::Unsettled`].
    pub async fn commit<T, F>(
        self,
        commit: impl FnOnce(bool) -> F,
        changed_nothing: impl FnOnce(&E) -> bool,
        leaves: impl FnOnce(&T) -> Vec<(Key, Value)>,
    ) -> Result<T, WriteError<E>>
    where
        F: Future<Output = Result<(T, Option<u64>), E>>,
    {
        match commit(self.covered()).await {
            Ok((result, epoch)) => {
                self.committed(leaves(&result), epoch).await.map_err(WriteError::Unsettled)?;
                Ok(result)
            }
            Err(error) if changed_nothing(&error) => {
                self.unchanged().await;
                Err(WriteError::Store(error))
            }
            Err(error) => {
                // Committed or not, nobody knows: void it all the same. The caller hears of the first failure.
                let _ = self.committed([], None).await;
                Err(WriteError::Store(error))
            }
        }
    }
}
