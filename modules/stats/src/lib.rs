//! For counting: what the caches, the HTTP server and the database do, as atomic counters that cost a hit nothing
//! but an increment. Read as a JSON snapshot or as a Prometheus page. May depend on `lifecycle` only.
//!
//! ```
//! use hotshelf_stats::Registry;
//!
//! let registry = Registry::new()?;
//! let products = registry.cache("product");
//! products.misses.inc();
//! products.hits_l1.inc();
//! products.hits_l1.inc();
//!
//! let snapshot = registry.snapshot();
//! assert_eq!((snapshot.hits, snapshot.misses, snapshot.hit_rate), (2, 1, 0.667));
//! assert!(registry.page()?.contains(r#"cache_hits_total{tier="l1",type="product"} 2"#));
//! # Ok::<(), hotshelf_stats::MetricsError>(())
//! ```

mod access;
mod cache;
mod http;
mod levels;
mod metrics;
mod module;
mod process;
mod snapshot;
mod top;
mod warming;

pub use access::AccessMetrics;
pub use cache::{CacheCounters, L2State, ServerMemory, TierGauges, TierLevels};
pub use http::{HttpMetrics, HttpSeries};
pub use metrics::{MetricsError, Registry};
pub use prometheus::{Histogram, IntCounter, IntCounterVec};
pub use snapshot::{CacheSnapshot, L1Snapshot, L2Snapshot, StatsSnapshot};
pub use top::TopItems;
pub use warming::WarmCounters;
