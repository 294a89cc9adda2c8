use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::counting::Request;
use crate::limit::Limit;
use crate::limiter::{Core, OnLoss};
use crate::memory::SubjectState;
use crate::metrics::RateLimitCounters;
use crate::subject::Subject;

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

/// A limit under its name. A cheap handle.
#[derive(Clone)]
pub struct Scope(pub(crate) Arc<ScopeInner>);

pub(crate) struct ScopeInner {
    pub(crate) core: Arc<Core>,
    pub(crate) name: String,
    pub(crate) number: u64,
    pub(crate) limit: Limit,
    pub(crate) on_loss: OnLoss,
    pub(crate) counters: RateLimitCounters,
}

impl Quota {
    pub(crate) fn new(remaining: u32, now: u64, next_free: u64) -> Self {
        Quota { remaining, reset: Duration::from_millis(next_free.saturating_sub(now)) }
    }
}

impl Scope {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Its limit.
    pub fn limit(&self) -> Limit {
        self.0.limit
    }

    /// Asks for a permit, of Redis if need be, within the deadlines of two commands, together with all who ask at the
    /// same time. Whoever goes away before that has taken none.
    pub async fn decide(&self, subject: &Subject) -> Decision {
        if let Some(decision) = self.decide_at_once(subject) {
            return decision;
        }
        let (decide, decided) = oneshot::channel();
        let request = Request { scope: self.clone(), subject: subject.clone(), decide };
        // Dropped, if too many wait already or Redis was lost just now.
        let _ = self.0.core.queue().map(move |queue| queue.try_send(request));
        match decided.await {
            Ok(decision) => self.counted(decision),
            // Redis did not say, and is not asked about this one any more.
            Err(_) => self.decide_without_redis(subject),
        }
    }

    /// The decision, if Redis need not be asked for it. `None` has taken no permit.
    pub fn decide_at_once(&self, subject: &Subject) -> Option<Decision> {
        match self.0.core.queue() {
            Some(_) => self.decide_from_memory(subject).map(|decision| self.counted(decision)),
            None => Some(self.decide_without_redis(subject)),
        }
    }

    /// The quota of a subject that is certain to be refused, without asking for a permit. `None` says nothing.
    pub fn refusal(&self, subject: &Subject) -> Option<Quota> {
        self.with(subject, |state, now| state.refusal(self.0.limit, now, self.0.core.margin))
    }

    /// What prefetched permits and known refusals say.
    pub(crate) fn decide_from_memory(&self, subject: &Subject) -> Option<Decision> {
        self.with(subject, |state, now| state.decide(self.0.limit, now, self.0.core.margin))
    }

    fn decide_without_redis(&self, subject: &Subject) -> Decision {
        self.counted(match self.0.on_loss {
            OnLoss::Open => Decision::Uncounted,
            OnLoss::Closed => Decision::Unavailable,
            OnLoss::Local => self.with(subject, |state, now| {
                // They would come on top of what is let through now, if Redis is soon back. It goes on to count them.
                state.permits.unused = 0;
                state.let_through.decide(self.0.limit, now)
            }),
        })
    }

    fn counted(&self, decision: Decision) -> Decision {
        let counters = &self.0.counters;
        match decision {
            Decision::Allowed(_) => counters.allowed.inc(),
            Decision::Refused(_) => counters.refused.inc(),
            Decision::Uncounted => counters.uncounted.inc(),
            Decision::Unavailable => counters.unavailable.inc(),
        }
        decision
    }

    /// Changes what is known of a subject now.
    pub(crate) fn with<T>(&self, subject: &Subject, change: impl FnOnce(&mut SubjectState, u64) -> T) -> T {
        let core = &self.0.core;
        // Inside of the lock, so that nobody's time goes back.
        core.memory.with((self.0.number, subject.clone()), |state| change(state, core.now()))
    }
}
