//! Warming: what was read most is loaded into the cache before it is asked for, after a start and from time to time.
//!
//! [`Warmer`] is the one handle. A run takes the first pages and the products that were read most, in batches, at a
//! bounded rate, and waits whenever reads wait for the database. How often products are read is kept in the database,
//! so that the next run of the service knows it.

mod metrics;
mod module;
mod pace;
mod run;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use hotshelf_lifecycle::{Health, Tasks};
use hotshelf_stats::{MetricsError, Registry};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::error::ProductError;
use crate::service::{ProductService, Warmed};
use metrics::WarmCounters;
use run::Run;

/// What is warmed, and how fast.
#[derive(Clone, Copy, Debug)]
pub struct WarmOptions {
    /// From one run to the next; 0 for none but those that are asked for.
    pub interval: Duration,
    /// The most read products of a run, at most.
    pub products: usize,
    /// Entries a second, at most.
    pub rate: u32,
}

/// Why a run did not come to its end.
#[derive(Clone, Debug, thiserror::Error)]
pub enum WarmError {
    /// Another one is under way.
    #[error("the cache is being warmed already")]
    UnderWay,
    /// The database failed.
    #[error(transparent)]
    Product(#[from] ProductError),
}

/// What the warming is at.
#[derive(Clone, Debug)]
pub enum Condition {
    /// Nothing was to be done yet.
    Waiting,
    /// A run is under way.
    Running {
        /// Entries that were looked at.
        done: u64,
        /// Of so many.
        total: u64,
    },
    /// The last run came to its end.
    Done {
        /// What it found.
        warmed: Warmed,
        /// How long it took.
        taken: Duration,
        /// When it ended.
        at: Instant,
    },
    /// The last run broke off.
    Failed {
        /// Why.
        cause: String,
        /// When.
        at: Instant,
    },
}

impl Condition {
    /// In one sentence. A run that broke off leaves the service slower than intended, and as right as ever.
    pub(crate) fn health(&self) -> Health {
        match self {
            Condition::Waiting => Health::healthy("nothing to warm yet"),
            Condition::Running { done, total } => Health::healthy(format!("warming, {done} of {total} entries")),
            Condition::Done { warmed: Warmed { loaded, present }, taken, at } => {
                let (all, ago) = (loaded + present, whole_seconds(at.elapsed()));
                Health::healthy(format!("warmed {all} entries {ago:?} ago in {taken:.1?}, {loaded} of them loaded"))
            }
            Condition::Failed { cause, at } => {
                let ago = whole_seconds(at.elapsed());
                Health::degraded(format!("the warming broke off {ago:?} ago ({cause}); it will be tried again"))
            }
        }
    }
}

/// Warms the cache. A cheap handle.
///
/// ```
/// # use std::sync::Arc;
/// # use std::time::Duration;
/// use hotshelf_product::{WarmOptions, Warmer};
/// # use hotshelf_cache::{Cache, CacheOptions, Consistency, Read, RedisOptions, Tiers, WriteStrategy};
/// # use hotshelf_product::{Ttls, ProductService};
///
/// # tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
/// # let directory = tempfile::tempdir()?;
/// # let registry = hotshelf_stats::Registry::new()?;
/// # let database = hotshelf_database::DatabaseOptions::at(directory.path().join("products.db"));
/// # let options = CacheOptions { tiers: Tiers::Memory, shared_database: false, memory_bytes: 1 << 20,
/// #     consistency: Consistency::Linearizable,
/// #     write_strategy: WriteStrategy::Invalidate, redis: RedisOptions::default(),
/// #     key_prefix: String::new(), seal_key: None };
/// # let repository = hotshelf_database::Database::open(database, &registry).await?;
/// # let changed_nothing = hotshelf_domain::StoreError::changed_nothing;
/// # let cache = Cache::new(options, Arc::new(repository.clone()), changed_nothing)?;
/// # let products = ProductService::new(cache, repository, Ttls::default(), 0.0)?;
/// let options = WarmOptions { interval: Duration::from_secs(3600), products: 1_000, rate: 1_000 };
/// let warmer = Warmer::new(products, &registry, options)?;
/// let warmed = warmer.run().await?;
/// assert_eq!(warmed.loaded, 2); // the first pages of all products and of the built-in organization
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Warmer(Arc<Inner>);

struct Inner {
    products: ProductService,
    counters: WarmCounters,
    options: WarmOptions,
    condition: watch::Sender<Condition>,
    /// What the counts of reads were at when they were kept last.
    kept: AtomicU64,
    tasks: Tasks,
}

impl Warmer {
    /// Does nothing until it is told to.
    ///
    /// # Errors
    /// When another warmer has registered its metrics.
    pub fn new(products: ProductService, registry: &Registry, options: WarmOptions) -> Result<Self, MetricsError> {
        let inner = Inner {
            kept: AtomicU64::new(products.reads().changes()),
            products,
            counters: WarmCounters::register(registry)?,
            options,
            condition: watch::Sender::new(Condition::Waiting),
            tasks: Tasks::default(),
        };
        Ok(Warmer(Arc::new(inner)))
    }

    /// Begins a run in the background. `false` when one is under way.
    pub fn begin(&self) -> bool {
        let Some(run) = Run::take_turn(self) else { return false };
        let stopping = self.0.tasks.stopping();
        self.0.tasks.spawn(async move {
            // What came of it is in the log and in the health report.
            stopping.run_until_cancelled(run.finish()).await;
        });
        true
    }

    /// Does a run, and returns what it found.
    ///
    /// # Errors
    /// [`WarmError::UnderWay`], or what the database failed with.
    pub async fn run(&self) -> Result<Warmed, WarmError> {
        let run = Run::take_turn(self).ok_or(WarmError::UnderWay)?;
        Ok(run.finish().await?)
    }

    /// What the warming is at, now and whenever it changes.
    pub fn condition(&self) -> watch::Receiver<Condition> {
        self.0.condition.subscribe()
    }
}

fn whole_seconds(time: Duration) -> Duration {
    Duration::from_secs(time.as_secs())
}
