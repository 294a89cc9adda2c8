use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use hotshelf_lifecycle::{Health, Tasks, Trouble};
use hotshelf_stats::{RateLimitCounters, Stats};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::counting;
use crate::gathering::Gathering;
use crate::limit::Limit;
use crate::memory::{Memory, SubjectKey};
use crate::options::{OnLoss, RateLimitOptions};
use crate::subject::Subject;
use crate::window::Taken;

/// What all keys begin with, behind the prefix.
const KEYS: &str = "ratelimit:";
/// How long a caller is asked to wait while there is nobody who counts.
const PAUSE_ON_LOSS: Duration = Duration::from_secs(1);

/// Whether a request may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It may.
    Allowed(Standing),
    /// It may not: the limit is used up.
    Refused(Standing),
    /// It may, and nobody counts: Redis is away, and the limits are [`OnLoss::Open`].
    Uncounted,
    /// It may not: Redis is away, and the limits are [`OnLoss::Closed`].
    Unavailable {
        /// After this it is worth another try.
        retry_after: Duration,
    },
}

/// How much a subject has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Requests that would be let through now.
    pub remaining: u32,
    /// Until one more is: the time after which a refused request may be tried again.
    pub reset: Duration,
}

/// Limits requests. A cheap handle.
#[derive(Clone)]
pub struct RateLimiter {
    core: Arc<Core>,
    options: Arc<RateLimitOptions>,
    stats: Stats,
    tasks: Tasks,
}

/// A limit under its name. A cheap handle.
#[derive(Clone)]
pub struct Scope {
    core: Arc<Core>,
    inner: Arc<ScopeInner>,
}

pub(crate) struct ScopeInner {
    name: String,
    number: usize,
    pub(crate) limit: Limit,
    on_loss: OnLoss,
    /// What the keys of its subjects begin with.
    keys: String,
    counters: RateLimitCounters,
}

/// What those who ask and the task that counts in Redis share.
pub(crate) struct Core {
    pub(crate) gathering: Gathering,
    pub(crate) memory: Memory,
    scopes: Mutex<Vec<Arc<ScopeInner>>>,
    begin: Instant,
    on_loss: OnLoss,
    /// An answer of Redis is at most this old.
    margin: u64,
    /// Whether decisions wait for Redis, or are made at once.
    in_redis: AtomicBool,
    /// What is wrong with Redis, if something is.
    pub(crate) trouble: Trouble,
    /// What all keys begin with.
    pub(crate) keys: String,
    pub(crate) errors: hotshelf_stats::IntCounter,
    pub(crate) steps: hotshelf_stats::IntCounter,
}

impl RateLimiter {
    /// Counts nothing and connects to nothing until [`start`](RateLimiter::start): decisions wait for it.
    pub fn new(options: RateLimitOptions, stats: &Stats) -> Self {
        let metrics = stats.rate_limits();
        let margin = options.redis.as_ref().map_or(Duration::ZERO, |redis| redis.command_timeout);
        let core = Arc::new(Core {
            gathering: Gathering::default(),
            memory: Memory::new(),
            scopes: Mutex::default(),
            begin: Instant::now(),
            // Alone, the count in memory is no makeshift.
            on_loss: if options.redis.is_some() { options.on_loss } else { OnLoss::Local },
            margin: margin.as_millis() as u64,
            in_redis: AtomicBool::new(options.redis.is_some()),
            trouble: Trouble::default(),
            keys: [&options.prefix, KEYS].concat(),
            errors: metrics.errors(),
            steps: metrics.steps(),
        });
        let watched = Arc::clone(&core);
        metrics.watch_subjects(Box::new(move || watched.memory.subjects()));
        RateLimiter { core, options: Arc::new(options), stats: stats.clone(), tasks: Tasks::default() }
    }

    /// The limit of that name, for all who ask for it. The first limit under a name stays.
    pub fn scope(&self, name: &str, limit: Limit) -> Scope {
        self.scope_with(name, limit, self.core.on_loss)
    }

    /// The same for a limit that guards something: while Redis is away, each process counts for itself, whatever the others
    /// do then.
    pub fn guard(&self, name: &str, limit: Limit) -> Scope {
        self.scope_with(name, limit, OnLoss::Local)
    }

    fn scope_with(&self, name: &str, limit: Limit, on_loss: OnLoss) -> Scope {
        let mut scopes = self.core.scopes.lock();
        let known = scopes.iter().find(|scope| scope.name == name).cloned();
        let inner = known.unwrap_or_else(|| {
            let scope = Arc::new(ScopeInner {
                name: name.to_owned(),
                number: scopes.len(),
                limit,
                on_loss,
                keys: [&self.core.keys, name, ":"].concat(),
                counters: self.stats.rate_limits().scope(name),
            });
            scopes.push(Arc::clone(&scope));
            scope
        });
        Scope { core: Arc::clone(&self.core), inner }
    }

    /// Connects to Redis, in the background. Until that has been tried, decisions wait for it.
    pub fn start(&self) {
        if let Some(options) = &self.options.redis {
            let counting = counting::run(Arc::clone(&self.core), options.clone(), self.tasks.stopping());
            self.tasks.spawn_loop("rate limits", counting);
        }
    }

    /// Ends the connection; then decisions are made as without Redis. `false` when that takes longer than `patience`.
    pub async fn stop(&self, patience: Duration) -> bool {
        self.tasks.stop(patience).await
    }

    /// One sentence about where limits are counted.
    pub fn health(&self) -> Health {
        if let Some(task) = self.tasks.ended_early().first() {
            return Health::unhealthy(format!("task `{task}` has died; restart the service"));
        }
        let Some(trouble) = self.core.trouble.cause() else {
            return Health::healthy(match self.options.redis {
                Some(_) => "counting in Redis",
                None => "counting in memory",
            });
        };
        let meanwhile = match self.core.on_loss {
            OnLoss::Local => "each instance counts for itself",
            OnLoss::Open => "nothing is limited",
            OnLoss::Closed => "limited requests are refused",
        };
        Health::degraded(format!("Redis is down ({trouble}); {meanwhile}"))
    }
}

impl Scope {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Its limit.
    pub fn limit(&self) -> Limit {
        self.inner.limit
    }

    /// The standing of a subject that is certain to be refused, without asking for a place. `None` says nothing.
    pub fn refusal(&self, subject: &Subject) -> Option<Standing> {
        let key = SubjectKey { scope: self.inner.number, subject: subject.clone() };
        let wait = self.core.memory.refusal(&key, self.inner.limit, self.core.now(), self.core.margin)?;
        Some(Standing { remaining: 0, reset: Duration::from_millis(wait) })
    }

    /// Asks for one place. What is known here is answered at once; for the rest, Redis is asked, together with all who
    /// ask at the same time. A check that is dropped before it is sent has taken no place.
    pub fn check(&self, subject: &Subject) -> Check {
        let key = SubjectKey { scope: self.inner.number, subject: subject.clone() };
        let now = self.core.now();
        if !self.core.decides_in_redis() {
            return Check::Decided(self.core.without_redis(&self.inner, &key, now));
        }
        if let Some(standing) = self.core.memory.use_reserve(&key, self.inner.limit, now) {
            return Check::Decided(self.inner.counted(Decision::Allowed(standing)));
        }
        if let Some(wait) = self.core.memory.refusal(&key, self.inner.limit, now, self.core.margin) {
            return Check::Decided(self.inner.counted(refused(wait)));
        }
        match self.core.gathering.join(&self.inner, &key) {
            Some(decided) => Check::Waiting(Waiting(decided)),
            None => Check::Decided(self.core.without_redis(&self.inner, &key, now)),
        }
    }
}

/// A decision, or what will become one. Await [`decision`](Check::decision) where the difference does not matter.
#[must_use = "the place is taken for somebody"]
pub enum Check {
    /// Known at once.
    Decided(Decision),
    /// When Redis has answered; within twice the deadline of a command.
    Waiting(Waiting),
}

/// A decision that waits for Redis.
pub struct Waiting(oneshot::Receiver<Decision>);

impl Check {
    /// The decision.
    pub async fn decision(self) -> Decision {
        match self {
            Check::Decided(decision) => decision,
            Check::Waiting(waiting) => waiting.await,
        }
    }
}

impl Future for Waiting {
    type Output = Decision;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Decision> {
        let decided = ready!(Pin::new(&mut self.0).poll(context));
        // Whoever would have decided is gone: nobody knows.
        Poll::Ready(decided.unwrap_or(Decision::Unavailable { retry_after: PAUSE_ON_LOSS }))
    }
}

impl Core {
    /// Milliseconds since the limiter was made.
    pub(crate) fn now(&self) -> u64 {
        self.begin.elapsed().as_millis() as u64
    }

    pub(crate) fn decides_in_redis(&self) -> bool {
        self.in_redis.load(Ordering::Acquire)
    }

    pub(crate) fn decide_in_redis(&self, yes: bool) {
        self.in_redis.store(yes, Ordering::Release);
    }

    /// The decision while Redis cannot be asked.
    pub(crate) fn without_redis(&self, scope: &ScopeInner, key: &SubjectKey, now: u64) -> Decision {
        scope.counted(match scope.on_loss {
            OnLoss::Local => allowed_or_refused(self.memory.take(key, scope.limit, now, 1)),
            OnLoss::Open => Decision::Uncounted,
            OnLoss::Closed => Decision::Unavailable { retry_after: PAUSE_ON_LOSS },
        })
    }
}

impl ScopeInner {
    /// The full name of the subject's key in Redis.
    pub(crate) fn key(&self, subject: &Subject) -> String {
        [&self.keys, subject.as_str()].concat()
    }

    pub(crate) fn counted(&self, decision: Decision) -> Decision {
        match decision {
            Decision::Allowed(_) => self.counters.allowed.inc(),
            Decision::Refused(_) => self.counters.refused.inc(),
            Decision::Uncounted => self.counters.uncounted.inc(),
            Decision::Unavailable { .. } => self.counters.unavailable.inc(),
        }
        decision
    }

    /// The decisions for `wanted` requests that took this together: the first ones have the places.
    pub(crate) fn share_out(&self, taken: Taken, wanted: u32) -> impl Iterator<Item = Decision> + use<> {
        let reset = Duration::from_millis(taken.wait);
        self.counters.allowed.inc_by(taken.granted.into());
        self.counters.refused.inc_by(wanted.saturating_sub(taken.granted).into());
        (0..wanted).map(move |place| {
            // Those who had their places before the last one saw more that were left.
            let after = taken.granted.saturating_sub(place + 1);
            match place < taken.granted {
                true => Decision::Allowed(Standing { remaining: taken.left + taken.ahead + after, reset }),
                false => refused(taken.wait),
            }
        })
    }
}

fn allowed_or_refused(taken: Taken) -> Decision {
    match taken.granted {
        0 => refused(taken.wait),
        _ => Decision::Allowed(Standing { remaining: taken.left, reset: Duration::from_millis(taken.wait) }),
    }
}

fn refused(wait: u64) -> Decision {
    Decision::Refused(Standing { remaining: 0, reset: Duration::from_millis(wait) })
}
