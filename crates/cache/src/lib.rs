//! Caches values of a database without serving stale ones: a tier in memory, a tier in Redis, and a protocol between
//! reads and writes. Knows nothing of what it caches. May depend on `redis-client` and `lifecycle`.
//!
//! A read is [`Cache::get_or_load`]. A write is [`Cache::write`], and only then the acknowledgement:
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//! use bytes::Bytes;
//! use hotshelf_cache::*;
//!
//! # struct Row;
//! # #[hotshelf_lifecycle::async_trait]
//! # impl EpochStore for Row {
//! #     async fn reconcile(&self, _: &str) -> Result<Epoch, hotshelf_lifecycle::Failure> { Ok(Epoch::new(1)) }
//! #     async fn current(&self) -> Result<(Epoch, String), hotshelf_lifecycle::Failure> { Ok((Epoch::new(1), String::new())) }
//! #     async fn advance(&self) -> Result<Epoch, hotshelf_lifecycle::Failure> { Ok(Epoch::new(1)) }
//! #     fn history(&self) -> History { History { name: 1, commits: 0 } }
//! #     async fn begin_history(&self, _: u64) -> Result<Epoch, hotshelf_lifecycle::Failure> { Ok(Epoch::new(1)) }
//! # }
//! # let epoch_row = Arc::new(Row);
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let options = CacheOptions {
//!     tiers: Tiers::Memory, shared_database: false, consistency: Consistency::Linearizable,
//!     memory_bytes: 64 << 20, write_strategy: WriteStrategy::Invalidate,
//!     redis: RedisOptions::default(), key_prefix: "product:".into(), seal_key: None,
//! };
//! let cache: Cache<std::io::ErrorKind> = Cache::new(options, epoch_row, |_| false)?;
//! let everything = Tag::new("products");
//! let products = cache.namespace(NamespaceOptions {
//!     name: "product", keys: Keys::Beginning("id:"),
//!     ttl: Duration::from_secs(300), negative_ttl: Duration::from_secs(10), grace: Duration::from_secs(600),
//!     absence: Absence::DependsOn(everything.clone()), in_redis: true,
//! })?;
//! let seventh = products.entry(Key::numbered("id:", 7));
//! let load = || async { Ok(Some(Value { payload: Bytes::from_static(b"{}"), revision: 1, attribute: 0 })) };
//!
//! let first = cache.get_or_load(seventh.clone(), Read::default(), load).await.unwrap();
//! let second = cache.get_or_load(seventh.clone(), Read::default(), load).await.unwrap();
//! assert_eq!(first.source, Source::Loaded { stored: true });
//! assert!(second.source.is_hit());
//!
//! cache
//!     .write(vec![seventh.clone()], vec![everything], async |fencing| {
//!         // … write to the database; if `fencing` is `Unfenced`, advance the epoch in the same transaction …
//!         # let _ = fencing;
//!         Ok(Committed::new((), None))
//!     })
//!     .await
//!     .unwrap();
//! // … acknowledge …
//! let third = cache.get_or_load(seventh.clone(), Read::default(), load).await.unwrap();
//! assert!(!third.source.is_hit());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod audit;
mod batch;
mod cache;
mod clock;
mod coherence;
mod condition;
mod counters;
mod epoch;
mod flights;
mod instances;
mod key;
mod key_space;
mod lease;
mod locks;
mod memory;
mod namespace;
mod options;
mod reading;
mod redis;
mod rng;
#[cfg(test)]
mod simulation;
mod tier;
mod value;
mod write;
mod write_counters;

pub use batch::BatchError;
pub use cache::Cache;
pub use condition::Condition;
pub use counters::{Counts, Durations, Event, RedisState, ServerMemory, Statistics, TierLevels};
pub use epoch::{Committed, Epoch, EpochStore, Fencing, History, Instance, InvalidEpoch, Sharers};
pub use hotshelf_redis_client::RedisOptions;
pub use key::Key;
pub use key_space::{Keys, NamespaceError};
pub use namespace::{Absence, EntryRef, Namespace, NamespaceOptions, Tag};
pub use options::{CacheOptions, Consistency, OptionsError, Tiers, WriteStrategy};
pub use redis::SealKey;
pub use tier::{DeleteError, InvalidationUnconfirmed};
pub use value::{Found, Read, Source, Value};
pub use write::{KeyGuard, Write, WriteError};
