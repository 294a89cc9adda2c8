//! For a cache that is warm before it is asked: what was read most is loaded ahead, after a start and from time to time.
//! Knows no HTTP and no SQL. May depend on `product` and all below it.
//!
//! [`Warmer`] is the one handle. A run takes the first pages and the products that were read most, in batches, at a bounded
//! rate, and waits whenever reads wait for the database. How often products are read is kept in the database, so that the
//! next run of the service knows it.
//!
//! ```
//! # use std::sync::Arc;
//! # use std::time::Duration;
//! use hotshelf_warm::{WarmOptions, Warmer};
//! # use hotshelf_cache::{Cache, CacheOptions, Read, RedisOptions, Tiers, WriteStrategy};
//! # use hotshelf_product::{CatalogueEpoch, Lives, ProductService};
//!
//! # tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
//! # let directory = tempfile::tempdir()?;
//! # let stats = hotshelf_stats::Stats::new()?;
//! # let database = hotshelf_domain::DatabaseOptions { path: directory.path().join("products.db"), shared: false };
//! # let options = CacheOptions { tiers: Tiers::Memory, shared_database: false, memory_bytes: 1 << 20,
//! #     write_strategy: WriteStrategy::Invalidate, redis: RedisOptions::default(), key_prefix: String::new() };
//! # let repository = hotshelf_domain::ProductRepository::open(database, &stats).await?;
//! # let cache = Cache::new(options, Arc::new(CatalogueEpoch::new(repository.clone())), &stats)?;
//! # let products = ProductService::new(cache, repository, Lives::default())?;
//! let options = WarmOptions { interval: Duration::from_secs(3600), products: 1_000, rate: 1_000 };
//! let warmer = Warmer::new(products, stats, options);
//! let warmed = warmer.run().await?;
//! assert_eq!(warmed.loaded, 2); // the first pages of all products and of the built-in organization
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod condition;
mod counts;
mod module;
mod pace;
mod run;
mod warmer;

pub use condition::Condition;
pub use module::WarmModule;
pub use warmer::{WarmError, WarmOptions, Warmer};
