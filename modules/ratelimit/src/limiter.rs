use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use hotshelf_lifecycle::{Failure, Health, Module, Tasks, Trouble, async_trait};
use hotshelf_redis_client::RedisOptions;
use hotshelf_stats::{MetricsError, Registry};
use tokio::sync::mpsc;

use crate::counting::{Counting, Request};
use crate::limit::Limit;
use crate::memory::Memory;
use crate::metrics::RateLimitMetrics;
use crate::scope::Scope;

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
    pub(crate) memory: Arc<Memory>,
    /// To the task that counts in Redis, once it is started.
    queue: OnceLock<mpsc::Sender<Request>>,
    begin: Instant,
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
        let (metrics, memory) = (RateLimitMetrics::register(registry)?, Arc::new(Memory::new()));
        let known = Arc::clone(&memory);
        metrics.watch_subjects(Box::new(move || known.subjects()));
        let (queue, begin) = (OnceLock::new(), Instant::now());
        let (trouble, tasks) = (Trouble::default(), Tasks::default());
        Ok(RateLimiter(Arc::new(Core { options, metrics, memory, queue, begin, trouble, tasks })))
    }

    /// The limit of that name. Limits of one name count together.
    pub fn scope(&self, name: &str, limit: Limit) -> Scope {
        let RateLimitOptions { redis, on_loss, .. } = &self.0.options;
        // Alone, the count in memory is no makeshift.
        Scope::new(&self.0, name, limit, redis.as_ref().map_or(OnLoss::Local, |_| *on_loss))
    }

    /// The same for a limit that guards something: while Redis is away, each process counts for itself, whatever the
    /// others do then.
    pub fn guard(&self, name: &str, limit: Limit) -> Scope {
        Scope::new(&self.0, name, limit, OnLoss::Local)
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
        let meanwhile = match self.0.options.on_loss {
            OnLoss::Local => "each instance counts for itself",
            OnLoss::Open => "nothing is limited",
            OnLoss::Closed => "limited requests are refused",
        };
        match self.0.trouble.cause() {
            Some(trouble) => Health::degraded(format!("Redis is down ({trouble}); {meanwhile}")),
            None if self.0.options.redis.is_some() => Health::healthy("counting in Redis"),
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

    /// Under which Redis counts a subject of a scope.
    pub(crate) fn key(&self, scope: &str, subject: &str) -> String {
        [&self.options.prefix, "ratelimit:", scope, ":", subject].concat()
    }
}
