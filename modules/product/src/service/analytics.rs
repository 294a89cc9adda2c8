//! The analytics: a report of one moment, kept for a day, made anew when somebody asks for it.

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use hotshelf_cache::{Found, Read, Value, Write, WriteError};
use hotshelf_database::Database;
use hotshelf_domain::StoreError;
use parking_lot::Mutex;

use super::ProductService;
use crate::error::ProductError;
use crate::{keys, render};

/// The rebuildings: one goes at a time, and those who ask meanwhile share the next.
#[derive(Default)]
pub(super) struct Rebuilds {
    turn: tokio::sync::Mutex<()>,
    /// The one that has not begun to read. Only such a one is joined: what a rebuilding reads must not be older than
    /// the request that it answers. It leaves this place itself, so that nobody who comes later meets what came of it,
    /// whether those who had asked still wait or not.
    next: Mutex<Option<Rebuilding>>,
}

type Rebuilding = Shared<BoxFuture<'static, Result<Found, ProductError>>>;

/// The place of the next rebuilding, for as long as it may be joined. Dropped, it is free, also if the rebuilding has
/// died.
struct Joinable(ProductService);

impl Drop for Joinable {
    fn drop(&mut self) {
        self.0.0.rebuilds.next.lock().take();
    }
}

impl ProductService {
    /// The report, a JSON object without its closing brace. It may be as old as the TTL of its entry.
    ///
    /// # Errors
    /// As [`get`](ProductService::get).
    pub async fn analytics(&self, read: Read) -> Result<Found, ProductError> {
        let repository = self.0.repository.clone();
        let load = move || load_analytics(repository.clone());
        let read = Read { min_revision: None, ..read };
        Ok(self.0.cache.get_or_load(self.0.analytics.entry(keys::analytics()), read, load).await?)
    }

    /// The report made anew, of a moment after this was called. Those who call at the same time share it.
    ///
    /// # Errors
    /// [`WriteError::Locked`] when another instance is at it and takes long; as [`get`](ProductService::get).
    pub async fn rebuild_analytics(&self) -> Result<Found, ProductError> {
        let rebuilding = {
            let mut next = self.0.rebuilds.next.lock();
            let begin = || {
                let service = self.clone();
                // It goes on without those who asked for it. It waits for this lock before it leaves the place.
                let task = self.0.tasks.spawn(async move { service.rebuild().await });
                async move { task.await.unwrap_or(Err(WriteError::BrokeOff.into())) }.boxed().shared()
            };
            next.get_or_insert_with(begin).clone()
        };
        rebuilding.await
    }

    /// As a write of what the report is kept under, so that no cached one from before comes back.
    async fn rebuild(&self) -> Result<Found, ProductError> {
        let joinable = Joinable(self.clone());
        let _turn = self.0.rebuilds.turn.lock().await;
        let entry = self.0.analytics.entry(keys::analytics());
        let invalidating = async move |write: Write<StoreError>| {
            // What is read from here on is younger than all who have joined. After the write, a load that others have
            // begun meanwhile would do as well.
            drop(joinable);
            Ok(write.committed([], None).await?)
        };
        self.0.cache.lock_keys(vec![entry]).await?.fenced(Vec::new(), invalidating).await?;
        self.analytics(Read::default()).await
    }
}

async fn load_analytics(repository: Database) -> Result<Option<Value>, StoreError> {
    Ok(Some(Value::unversioned(render::open_json(&repository.analytics().await?)?)))
}

#[cfg(test)]
mod tests;
