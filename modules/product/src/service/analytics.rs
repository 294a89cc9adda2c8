//! The analytics: a report of one moment, kept for a day, made anew when somebody asks for it.

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use hotshelf_cache::{Found, Read, Target, Value};
use hotshelf_domain::{ProductRepository, StoreError};
use parking_lot::Mutex;
use xxhash_rust::xxh3::xxh3_64;

use super::ProductService;
use crate::error::ProductError;
use crate::{keys, render};

/// The rebuilding that is under way, if one is.
#[derive(Default)]
pub(super) struct Rebuild(Mutex<Option<Rebuilding>>);

type Rebuilding = Shared<BoxFuture<'static, Result<Found, ProductError>>>;

impl ProductService {
    /// The report, a JSON object without its closing brace. It may be as old as entries of its kind live.
    ///
    /// # Errors
    /// As [`get`](ProductService::get).
    pub async fn analytics(&self, read: Read) -> Result<Found, ProductError> {
        let repository = self.0.repository.clone();
        let load = move || load_analytics(repository.clone());
        let read = Read { min_revision: None, ..read };
        Ok(self.0.cache.get_or_load(self.0.analytics.slot(keys::analytics()), read, load).await?)
    }

    /// The report made anew, once for all who ask for that at the same time.
    ///
    /// # Errors
    /// [`ProductError::Locked`] when another instance is at it and takes long; as [`get`](ProductService::get).
    pub async fn rebuild_analytics(&self) -> Result<Found, ProductError> {
        let rebuilding = {
            let mut under_way = self.0.rebuild.0.lock();
            let joined = under_way.as_ref().filter(|rebuilding| rebuilding.peek().is_none()).cloned();
            joined.unwrap_or_else(|| {
                let service = self.clone();
                let task = self.0.writes.spawn(async move { service.rebuild().await });
                let rebuilding = async move { task.await.unwrap_or(Err(ProductError::BrokeOff)) };
                under_way.insert(rebuilding.boxed().shared()).clone()
            })
        };
        rebuilding.await
    }

    /// As a write of what the report is kept under, so that no copy of the one before comes back.
    async fn rebuild(&self) -> Result<Found, ProductError> {
        let slot = self.0.analytics.slot(keys::analytics());
        let write = self.0.cache.begin(Target { slots: vec![slot], collections: Vec::new() }).await?;
        write.committed([], None).await?;
        self.analytics(Read::default()).await
    }
}

async fn load_analytics(repository: ProductRepository) -> Result<Option<Value>, StoreError> {
    let payload = render::open_json(&repository.analytics().await?)?;
    Ok(Some(Value { revision: xxh3_64(&payload), payload }))
}
