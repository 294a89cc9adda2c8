//! For products behind the cache: what is cached under which key, for how long, and what a write invalidates. Knows no
//! HTTP and no SQL. May depend on `cache`, `domain`, `stats` and `lifecycle`.
//!
//! [`ProductService`] is the one handle. Reads return serialized JSON, ready to be sent; writes return what was
//! committed, after no cache can serve anything older.
//!
//! ```
//! # use std::sync::Arc;
//! use hotshelf_cache::{Cache, Read};
//! use hotshelf_database::Database;
//! use hotshelf_domain::{Expect, ProductDraft, StoreError};
//! use hotshelf_product::{Ttls, ProductService};
//!
//! # use hotshelf_cache::{CacheOptions, Consistency, RedisOptions, Tiers, WriteStrategy};
//! # tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
//! # let directory = tempfile::tempdir()?;
//! # let registry = hotshelf_stats::Registry::new()?;
//! # let database = hotshelf_database::DatabaseOptions::at(directory.path().join("products.db"));
//! # let options = CacheOptions { tiers: Tiers::Memory, shared_database: false, memory_bytes: 1 << 20,
//! #     consistency: Consistency::Linearizable,
//! #     write_strategy: WriteStrategy::Invalidate, redis: RedisOptions::default(),
//! #     key_prefix: String::new(), seal_key: None };
//! let repository = Database::open(database, &registry).await?;
//! let cache = Cache::new(options, Arc::new(repository.clone()), StoreError::changed_nothing)?;
//! let products = ProductService::new(cache, repository, Ttls::default(), 0.0)?;
//!
//! let draft = ProductDraft::from_json(br#"{"name": "Cup", "price": 4.5}"#)?;
//! let cup = products.create(draft.into_new()?).await?;
//! let first = products.get(cup.id, Read::default()).await?;
//! let second = products.get(cup.id, Read::default()).await?;
//! assert!(!first.source.is_hit() && second.source.is_hit());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod crash;
mod cursor;
mod error;
mod keys;
mod pages;
mod render;
mod service;
mod tags;
mod top_items;
mod ttls;
mod warming;

pub use cursor::{BadCursor, Cursor};
pub use error::ProductError;
pub use pages::Page;
pub use render::owner_of;
pub use service::{MemberPage, ProductIds, ProductService, Warmed};
pub use ttls::Ttls;
pub use warming::{Condition, WarmError, WarmOptions, Warmer};
