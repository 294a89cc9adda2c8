//! The epoch of all copies, and the history of the database that it counts up in.

use std::sync::Arc;

use diesel::Connection;
use diesel::sqlite::SqliteConnection;
use hotshelf_cache::{Epoch, EpochStore};
use hotshelf_domain::{History, StoreError};
use hotshelf_lifecycle::{Failure, async_trait};
use tokio_util::sync::CancellationToken;

use super::Database;
use crate::port::EpochTx;
use crate::sqlite::error::SqlError;
use crate::sqlite::history;
use crate::usecases::epoch;

impl Database {
    /// The epoch of all copies, and the server whose memory goes with it, as it was named last.
    ///
    /// # Errors
    /// As [`find`](Database::find).
    pub async fn epoch(&self) -> Result<(Epoch, String), StoreError> {
        let (known, identity) = (self.0.identity.commits(), Arc::clone(&self.0.identity));
        let read = self.0.readers.watch.read(move |conn| {
            let (row, current) =
                conn.transaction(|conn| Ok::<_, SqlError>((history::current(conn)?, conn.epoch()?)))?;
            identity.confirm_committed(row, known)?;
            Ok::<_, SqlError>(current)
        });
        self.0.operations.epoch.of(read).await
    }

    /// Makes every copy void that is of the epoch until now, and returns the new one.
    ///
    /// # Errors
    /// As [`create`](Database::create).
    pub async fn advance_epoch(&self) -> Result<Epoch, StoreError> {
        self.0.writer.submit(SqliteConnection::advance_epoch).await
    }

    /// The epoch that goes with the memory of `server`: the current one when the same server was named last, else a
    /// new one, since another server's memory, or one that was restarted, may hold anything.
    ///
    /// # Errors
    /// As [`create`](Database::create).
    pub async fn reconcile_epoch(&self, server: String) -> Result<Epoch, StoreError> {
        // Most of the time there is nothing to write, and no need to wait for a turn among the writers.
        match self.epoch().await? {
            (epoch, known) if known == server => Ok(epoch),
            _ => self.0.writer.submit(move |conn| epoch::reconcile(conn, &server)).await,
        }
    }

    /// The history of the database: versions and ids of another one do not count here. One look at memory.
    pub fn history(&self) -> History {
        self.0.identity.history()
    }

    /// How many groups of writes were committed in this history, as far as is known here: by other processes, as of
    /// the last heartbeat or the last [`epoch`](Database::epoch). One look at memory.
    pub fn commits(&self) -> u64 {
        self.0.identity.commits().cast_unsigned()
    }

    /// Begins a new history, unless another one than `known` has begun already: somebody knows a later state of this
    /// database than it has itself. Ids go on a million later, every copy is void, and all sessions end.
    ///
    /// # Errors
    /// As [`create`](Database::create).
    pub async fn begin_history(&self, known: History) -> Result<(), StoreError> {
        let begun = self.0.writer.submit(move |conn| {
            // Others who share the database may have found the same.
            if history::current(conn)?.history() == known {
                history::begin(conn, 0)?;
            }
            Ok(history::current(conn)?.history())
        });
        self.0.identity.adopt(begun.await?);
        Ok(())
    }

    /// Cancelled when the database was found not to be the one that was opened ([`StoreError::Replaced`]): by a write
    /// before it is acknowledged, else within half a second. It stays so until the process ends.
    pub fn replaced(&self) -> CancellationToken {
        self.0.identity.noticed()
    }
}

/// The epoch of the cached copies is a row of the database, so that a write and the epoch it opens are committed
/// together or not at all.
#[async_trait]
impl EpochStore for Database {
    fn history(&self) -> hotshelf_cache::History {
        hotshelf_cache::History { name: Database::history(self).get(), commits: self.commits() }
    }

    async fn reconcile(&self, server: &str) -> Result<Epoch, Failure> {
        Ok(self.reconcile_epoch(server.to_owned()).await?)
    }

    async fn current(&self) -> Result<(Epoch, String), Failure> {
        Ok(self.epoch().await?)
    }

    async fn advance(&self) -> Result<Epoch, Failure> {
        Ok(self.advance_epoch().await?)
    }

    async fn begin_history(&self, known: u64) -> Result<Epoch, Failure> {
        Database::begin_history(self, History::new(known)).await?;
        Ok(self.epoch().await?.0)
    }
}
