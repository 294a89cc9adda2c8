use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use hotshelf_lifecycle::{Failure, Health, Module, Tasks, Trouble, async_trait};
use hotshelf_redis_client::RedisOptions;
use hotshelf_stats::{MetricsError, Registry};
use tokio::sync::mpsc;
use xxhash_rust::xxh3::xxh3_64;

use crate::counting::{Counting, Request};
use crate::limit::Limit;
use crate::memory::Memory;
use crate::metrics::RateLimitMetrics;
use crate::scope::{Scope, ScopeInner};

/// More requests do not wait for Redis.
const MOST_WAITING: usize = 16_384;

/// How limits are counted.
#[derive(Clone, Debug)]
pub struct RateLimitOptions {
    /// Where all instances count together; without it, this one counts alone.
    pub redis: Option<RedisOptions>,
    /// In front of every key.
    pub prefix: String,
    /// What to do while Redis is away.
    pub on_loss: OnLoss,
}

/// What a limit does while Redis is away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnLoss {
    /// Each instance counts for itself: all together let through the limit times their number at most.
    Local,
    /// Nobody counts, everything is let through.
    Open,
    /// Nothing is let through.
    Closed,
}

/// Limits requests. A cheap handle. Its start connects; from then on decisions wait until Redis was tried.
#[derive(Clone)]
pub struct RateLimiter(Arc<Core>);

/// What those who ask and the task that counts in Redis share.
pub(crate) struct Core {
    pub(crate) options: RateLimitOptions,
    pub(crate) metrics: RateLimitMetrics,
    pub(crate) memory: Memory,
    /// To the task that counts in Redis, once it is started.
    queue: OnceLock<mpsc::Sender<Request>>,
    begin: Instant,
    /// The most that an answer of Redis takes, in ms.
    pub(crate) margin: u64,
    /// While there is any, decisions are made without Redis.
    pub(crate) trouble: Trouble,
    tasks: Tasks,
}

impl RateLimiter {
    /// A limiter that counts under these options.
    ///
    /// # Errors
    /// When another limiter has registered its metrics.
    pub fn new(options: RateLimitOptions, registry: &Registry) -> Result<Self, MetricsError> {
        let margin = options.redis.as_ref().map_or(Duration::ZERO, |redis| redis.command_timeout);
        let core = Arc::new(Core {
            options,
            metrics: RateLimitMetrics::register(registry)?,
            memory: Memory::default(),
            queue: OnceLock::new(),
            begin: Instant::now(),
            margin: margin.as_millis() as u64,
            trouble: Trouble::default(),
            tasks: Tasks::default(),
        });
        let watched = Arc::downgrade(&core);
        let subjects = move || watched.upgrade().map_or(0, |core| core.memory.subjects());
        core.metrics.watch_subjects(Box::new(subjects));
        Ok(RateLimiter(core))
    }

    /// The limit of that name. Limits of one name count together.
    pub fn scope(&self, name: &str, limit: Limit) -> Scope {
        // Alone, the count in memory is no makeshift.
        let alone = self.0.options.redis.is_none();
        self.scope_with(name, limit, if alone { OnLoss::Local } else { self.0.options.on_loss })
    }

    /// The same for a limit that guards something: while Redis is away, each process counts for itself, whatever the
    /// others do then.
    pub fn guard(&self, name: &str, limit: Limit) -> Scope {
        self.scope_with(name, limit, OnLoss::Local)
    }

    fn scope_with(&self, name: &str, limit: Limit, on_loss: OnLoss) -> Scope {
        let (core, counters) = (Arc::clone(&self.0), self.0.metrics.scope(name));
        let (number, name) = (xxh3_64(name.as_bytes()), name.to_owned());
        Scope(Arc::new(ScopeInner { core, name, number, limit, on_loss, counters }))
    }
}

#[async_trait]
impl Module for RateLimiter {
    async fn start(&self) -> Result<(), Failure> {
        if let Some(redis) = &self.0.options.redis {
            let (queue, requests) = mpsc::channel(MOST_WAITING);
            let counting = Counting::new(Arc::clone(&self.0), redis.clone(), requests);
            let _ = self.0.queue.set(queue);
            self.0.tasks.spawn_loop("rate limits", counting.run(self.0.tasks.stopping()));
        }
        Ok(())
    }

    /// From then on, decisions are made without Redis.
    async fn stop(&self, timeout: Duration) -> Result<(), Failure> {
        if self.0.tasks.stop(timeout).await { Ok(()) } else { Err("a step in Redis was still under way".into()) }
    }

    async fn health(&self) -> Health {
        if let Some(task) = self.0.tasks.ended_early().first() {
            return Health::unhealthy(format!("task `{task}` has died; restart the service"));
        }
        let RateLimitOptions { redis, on_loss, .. } = &self.0.options;
        let meanwhile = match on_loss {
            OnLoss::Local => "each instance counts for itself",
            OnLoss::Open => "nothing is limited",
            OnLoss::Closed => "limited requests are refused",
        };
        match self.0.trouble.cause() {
            Some(trouble) => Health::degraded(format!("Redis is down ({trouble}); {meanwhile}")),
            None if redis.is_some() => Health::healthy("counting in Redis"),
            None => Health::healthy("counting in memory"),
        }
    }
}

impl Core {
    /// Milliseconds since the limiter was made.
    pub(crate) fn now(&self) -> u64 {
        self.begin.elapsed().as_millis() as u64
    }

    /// To the task that counts in Redis; `None` while decisions are made without it.
    pub(crate) fn queue(&self) -> Option<&mpsc::Sender<Request>> {
        self.queue.get().filter(|_| !self.trouble.stands())
    }

    /// What the keys of a scope's subjects begin with.
    pub(crate) fn keys_of(&self, scope: &str) -> String {
        [&self.options.prefix, "ratelimit:", scope, ":"].concat()
    }
}
