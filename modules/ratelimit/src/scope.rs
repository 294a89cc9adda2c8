use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use xxhash_rust::xxh3::xxh3_64;

use crate::limit::Limit;
use crate::limiter::{Core, OnLoss};
use crate::metrics::RateLimitCounters;
use crate::subject::Subject;
use crate::subject_state::SubjectState;

/// Whether a request may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It may.
    Allowed(Quota),
    /// It may not: the limit is used up.
    Refused(Quota),
    /// It may, and nobody counts: Redis is away, and the limits are [`OnLoss::Open`].
    Uncounted,
    /// It may not: Redis is away, and the limits are [`OnLoss::Closed`]. Another try is worth it after a second.
    Unavailable,
}

/// How much a subject has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Requests that would be let through now.
    pub remaining: u32,
    /// Until one more is: the time after which a refused request may be tried again.
    pub reset: Duration,
}

impl Quota {
    pub(crate) fn new(remaining: u32, now: u64, next_free: u64) -> Self {
        Quota { remaining, reset: Duration::from_millis(next_free.saturating_sub(now)) }
    }
}

/// A limit under its name. A cheap handle.
#[derive(Clone)]
pub struct Scope {
    core: Arc<Core>,
    name: Arc<str>,
    /// Stands for the name in memory.
    number: u64,
    limit: Limit,
    on_loss: OnLoss,
    counters: RateLimitCounters,
}

impl Scope {
    pub(crate) fn new(core: &Arc<Core>, name: &str, limit: Limit, on_loss: OnLoss) -> Self {
        let (number, counters) = (xxh3_64(name.as_bytes()), core.metrics.scope(name));
        Scope { core: Arc::clone(core), name: name.into(), number, limit, on_loss, counters }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its limit.
    pub fn limit(&self) -> Limit {
        self.limit
    }

    /// Asks for a permit, of Redis if need be, within the deadlines of two commands, together with all who ask at the
    /// same time. Whoever goes away before that has taken none.
    pub async fn decide(&self, subject: &Subject) -> Decision {
        if let Some(decision) = self.decide_at_once(subject) {
            return decision;
        }
        let (decide, decided) = oneshot::channel();
        match self.core.queue() {
            // Not sent, if too many wait already.
            Some(queue) => _ = queue.try_send((self.clone(), subject.clone(), decide)),
            // Redis was lost just now.
            None => drop(decide),
        }
        match decided.await {
            Ok(decision) => self.counted(decision),
            // Redis did not say, and is not asked about this one any more.
            Err(_) => self.decide_without_redis(subject),
        }
    }

    /// The decision, if Redis need not be asked for it. `None` has taken no permit.
    pub fn decide_at_once(&self, subject: &Subject) -> Option<Decision> {
        match self.core.queue() {
            Some(_) => self.with(subject, |state, now| state.decide(self.limit, now)).map(|it| self.counted(it)),
            None => Some(self.decide_without_redis(subject)),
        }
    }

    /// The quota of a subject that is certain to be refused, without asking for a permit. `None` says nothing.
    pub fn refusal(&self, subject: &Subject) -> Option<Quota> {
        self.with(subject, |state, now| state.refusal(self.limit, now))
    }

    fn decide_without_redis(&self, subject: &Subject) -> Decision {
        self.counted(match self.on_loss {
            OnLoss::Open => Decision::Uncounted,
            OnLoss::Closed => Decision::Unavailable,
            OnLoss::Local => self.with(subject, |state, now| state.decide_alone(self.limit, now)),
        })
    }

    fn counted(&self, decision: Decision) -> Decision {
        match decision {
            Decision::Allowed(_) => self.counters.allowed.inc(),
            Decision::Refused(_) => self.counters.refused.inc(),
            Decision::Uncounted => self.counters.uncounted.inc(),
            Decision::Unavailable => self.counters.unavailable.inc(),
        }
        decision
    }

    /// Changes what is known of a subject now.
    pub(crate) fn with<T>(&self, subject: &Subject, change: impl FnOnce(&mut SubjectState, u64) -> T) -> T {
        self.core.memory.with((self.number, subject.clone()), |state| change(state, self.core.now()))
    }
}
