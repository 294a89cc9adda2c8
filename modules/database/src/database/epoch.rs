//! The epoch of all cached entries, and the history of the database that it counts up in.

use std::sync::Arc;

use hotshelf_cache::{Epoch, EpochStore, Instance, Sharers};
use hotshelf_domain::{History, StoreError};
use hotshelf_lifecycle::{Failure, async_trait};
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use super::Database;
use crate::engine::readers::deadline;
use crate::port::SECRET;
use crate::usecases::epoch;

impl Database {
    /// The history of the database: versions and ids of another one do not count here. One look at memory.
    pub fn history(&self) -> History {
        self.0.backend.progress().0
    }

    /// Cancelled when the database was found not to be the one that was opened ([`StoreError::Replaced`]): by a write
    /// before it is acknowledged, else within half a second. It stays so until the process ends.
    ///
    /// [`StoreError::Replaced`]: hotshelf_domain::StoreError::Replaced
    pub fn replaced(&self) -> CancellationToken {
        self.0.backend.replaced()
    }
}

impl Database {
    /// The secret of the seal: 32 random bytes, which the first call stores in the database. Every process that opens
    /// the database gets the same ones.
    ///
    /// # Errors
    /// As any read or write.
    pub async fn seal_secret(&self) -> Result<[u8; SECRET], StoreError> {
        if let Some(secret) = self.0.readers.keyed.read(|tx| tx.secret()).await? {
            return Ok(secret);
        }
        let new = rand::random();
        self.0.writer.submit(1, move |tx| tx.secret_or(new)).await
    }
}

/// The epoch is a row of the database, so that a write and the epoch it opens are committed together or not at all.
#[async_trait]
impl EpochStore for Database {
    /// The commits of other processes are those of the last heartbeat or the last [`current`](EpochStore::current).
    fn history(&self) -> hotshelf_cache::History {
        let (history, commits) = self.0.backend.progress();
        hotshelf_cache::History { name: history.get(), commits: commits.cast_unsigned() }
    }

    async fn reconcile(&self, server: &str) -> Result<Epoch, Failure> {
        // Most of the time there is nothing to write, and no need to wait in the queue of the writer.
        let (current, known) = self.current().await?;
        if known == server {
            return Ok(current);
        }
        let server = server.to_owned();
        Ok(self.0.writer.submit(1, move |tx| epoch::reconcile(tx, &server)).await?)
    }

    async fn current(&self) -> Result<(Epoch, String), Failure> {
        let read = self.0.readers.watch.read_within(None, deadline(), |conn, _| conn.current_epoch());
        Ok(self.0.operations.epoch.of(read).await?)
    }

    async fn sharers(&self) -> Result<Sharers, Failure> {
        let read = self.0.readers.watch.read_within(None, deadline(), |conn, _| conn.sharers());
        Ok(self.0.operations.epoch.of(read).await?)
    }

    async fn beat(&self, row: &Instance) -> Result<Sharers, Failure> {
        let (backend, row) = (Arc::clone(&self.0.backend), row.clone());
        spawn_blocking(move || backend.store_instance(&row)).await??;
        self.sharers().await
    }

    async fn remove_instance(&self, name: &str, beat: u64) -> Result<(), Failure> {
        let (backend, name) = (Arc::clone(&self.0.backend), name.to_owned());
        Ok(spawn_blocking(move || backend.remove_instance(&name, beat)).await??)
    }

    async fn advance(&self) -> Result<Epoch, Failure> {
        Ok(self.0.writer.submit(1, |tx| tx.advance_epoch()).await?)
    }

    /// Ids go on a million later, every cached entry becomes invalid, and all sessions end.
    async fn begin_history(&self, known: u64) -> Result<Epoch, Failure> {
        let begun = self.0.writer.submit(1, move |tx| tx.begin_history(History::new(known)));
        self.0.backend.adopt(begun.await?);
        Ok(self.current().await?.0)
    }
}
