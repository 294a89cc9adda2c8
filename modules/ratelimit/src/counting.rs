//! The task that counts in Redis: takes all requests that wait, asks for them in one go, gives each its decision, and
//! sees to it that nobody waits for a Redis that is away.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;
use hotshelf_redis_client::{RedisError, RedisOptions};
use tokio::sync::{mpsc, oneshot};
use tokio::task::yield_now;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use crate::limiter::Core;
use crate::memory::SubjectKey;
use crate::redis::{RedisCounter, Step};
use crate::scope::{Decision, Scope};
use crate::subject::Subject;

/// Between two looks whether Redis is still there, or back.
const PAUSE: Duration = Duration::from_millis(100);
/// The same while the first connection is made, for which decisions wait.
const FIRST_PAUSE: Duration = Duration::from_millis(5);

/// Who waits for a decision of Redis. If this is dropped, it decides without Redis.
pub(crate) struct Request {
    pub(crate) scope: Scope,
    pub(crate) subject: Subject,
    pub(crate) decide: oneshot::Sender<Decision>,
}

pub(crate) struct Counting {
    core: Arc<Core>,
    redis: RedisCounter,
    requests: mpsc::Receiver<Request>,
    /// Whose prefetched permits are to be given back, and when.
    prefetched: HashMap<SubjectKey, (Scope, u64), RandomState>,
}

/// Who waits for each subject, in the order in which they came.
type Batch = HashMap<SubjectKey, (Scope, Vec<oneshot::Sender<Decision>>), RandomState>;

impl Counting {
    pub(crate) fn new(core: Arc<Core>, options: RedisOptions, requests: mpsc::Receiver<Request>) -> Self {
        let redis = RedisCounter::new(options, core.keys_of("probe"));
        Counting { core, redis, requests, prefetched: HashMap::default() }
    }

    /// Until it is to stop. Those who still wait then, and whoever comes later, decide without Redis.
    pub(crate) async fn run(mut self, stopping: CancellationToken) {
        stopping.run_until_cancelled(self.count_while_redis_is_there()).await;
        drop(self.requests);
        self.redis.close().await;
    }

    /// Decisions wait until Redis has answered for the first time, or had its time to.
    async fn count_while_redis_is_there(&mut self) {
        let (core, begin) = (Arc::clone(&self.core), Instant::now());
        loop {
            let lost = match self.redis.probe().await {
                Ok(()) if self.is_back() => Some(self.count().await),
                Err(error) if core.trouble.stands() || begin.elapsed() >= self.redis.options.connect_timeout => {
                    Some(error)
                }
                _ => None,
            };
            if let Some(error) = lost
                && core.trouble.failed(error.to_string())
            {
                core.metrics.errors.inc();
                tracing::warn!(%error, "rate limits are not counted in Redis any more");
            }
            // Whoever came to wait in the moment of the loss is not kept waiting.
            while core.trouble.stands() && self.requests.try_recv().is_ok() {}
            sleep(if core.trouble.stands() { PAUSE } else { FIRST_PAUSE }).await;
        }
    }

    /// Whether Redis is believed to count: one that fails again and again has to do so for longer each time.
    fn is_back(&self) -> bool {
        let lasted = self.core.trouble.succeeded();
        if lasted.is_some() {
            tracing::info!(?lasted, "rate limits are counted in Redis again");
        }
        !self.core.trouble.stands()
    }

    /// Until Redis fails; then tells why. One step is under way at a time: what comes meanwhile shares the next one.
    async fn count(&mut self) -> RedisError {
        let mut ticks = interval(PAUSE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let mut batch = Batch::default();
            tokio::select! {
                biased;
                _ = ticks.tick() => {
                    // So that a loss is told even while nobody asks.
                    if let Err(error) = self.redis.client() {
                        return error;
                    }
                    let now = self.core.now();
                    let over = self.prefetched.extract_if(|_, (_, expiry)| *expiry <= now);
                    batch.extend(over.map(|(key, (scope, _))| (key, (scope, Vec::new()))));
                }
                Some(request) = self.requests.recv() => {
                    // Tasks that are ready run first: perhaps they ask, too, and many cost little more than one.
                    yield_now().await;
                    add_undecided(&mut batch, request);
                }
            }
            while let Ok(request) = self.requests.try_recv() {
                add_undecided(&mut batch, request);
            }
            if let Err(error) = self.step(batch).await {
                return error;
            }
        }
    }

    /// One step for each subject. If that fails, Redis may have counted it, and lets through less than it thinks.
    async fn step(&mut self, batch: Batch) -> Result<(), RedisError> {
        let sent = self.core.now();
        let (mut waiting, mut steps) = (Vec::new(), Vec::new());
        for (key, (scope, mut waiters)) in batch {
            let (subject, limit) = (&key.1, scope.limit());
            let (wanted, unused, prefetch, bucket, used_up) = scope.with(subject, |state, now| {
                let room = state.room(limit, sent, self.core.margin);
                let wanted = room.min(waiters.len() as u32);
                let (unused, prefetch) = state.permits.exchange(sent, wanted);
                (wanted, unused, prefetch.min(room - wanted), state.permits.bucket, state.used_up(limit, now))
            });
            for waiter in waiters.drain(wanted as usize..) {
                let _ = waiter.send(Decision::Refused(used_up));
            }
            if wanted > 0 || unused > 0 {
                let name = self.core.keys_of(scope.name()) + subject.as_str();
                steps.push(Step { key: name, limit, wanted, prefetch, unused, bucket });
                waiting.push((key, scope, waiters));
            }
        }
        let answers = self.redis.take(&steps).await?;
        self.core.metrics.steps.inc_by(steps.len() as u64);
        for (((key, scope, waiters), step), answer) in waiting.into_iter().zip(steps).zip(answers) {
            let (decisions, expiry) = scope.with(&key.1, |state, now| {
                let decisions = state.note(step.limit, sent, now, step.wanted, &answer);
                (decisions, (state.permits.unused > 0).then_some(state.permits.expiry))
            });
            for (waiter, decision) in waiters.into_iter().zip(decisions) {
                // Whoever does not wait any more has had its permit all the same.
                let _ = waiter.send(decision);
            }
            if let Some(expiry) = expiry {
                self.prefetched.insert(key, (scope, expiry));
            }
        }
        Ok(())
    }
}

/// Adds who still waits, and came too late for what the last step has told about its subject.
fn add_undecided(batch: &mut Batch, request: Request) {
    let Request { scope, subject, decide } = request;
    if decide.is_closed() {
        return;
    }
    match scope.decide_from_memory(&subject) {
        Some(decision) => _ = decide.send(decision),
        None => batch.entry((scope.0.number, subject)).or_insert_with(|| (scope, Vec::new())).1.push(decide),
    }
}
