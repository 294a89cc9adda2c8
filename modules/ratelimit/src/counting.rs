//! The task that counts in Redis: takes all requests that wait, asks for them in one go, gives each its decision, and
//! sees to it that nobody waits for a Redis that is away.

use std::collections::HashMap;
use std::convert::Infallible;
use std::iter;
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fred::clients::Client;
use fred::interfaces::KeysInterface;
use futures_util::future::try_join_all;
use hotshelf_redis_client::{Reconnecting, RedisError, RedisOptions, Servers};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};
use tokio::task::yield_now;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::limit::Limit;
use crate::limiter::Core;
use crate::redis::{self, Answer, Step};
use crate::scope::{Decision, Scope};
use crate::subject::Subject;

/// Subjects in one call of the script. It costs Redis some microseconds for each, in which it serves nobody else.
const SUBJECTS_PER_CALL: usize = 32;
/// Between two looks whether Redis is still there, or back.
const PAUSE: Duration = Duration::from_millis(100);
/// The same while the first connection is made, for which decisions wait.
const FIRST_PAUSE: Duration = Duration::from_millis(5);

/// Who waits for a decision of Redis. If this is dropped, it decides without Redis.
pub(crate) type Request = (Scope, Subject, oneshot::Sender<Decision>);

pub(crate) struct Counting {
    core: Arc<Core>,
    options: RedisOptions,
    /// `None` until it could be begun to connect.
    redis: Option<Reconnecting>,
    requests: mpsc::Receiver<Request>,
    /// The subjects that have unused permits.
    prefetched: Batch,
    /// A key of the call that failed last.
    failed: Mutex<String>,
}

/// Subjects by their keys in Redis, and who waits for each, in the order in which they came.
type Batch = HashMap<String, (Scope, Subject, Vec<oneshot::Sender<Decision>>)>;

impl Counting {
    pub(crate) fn new(core: Arc<Core>, options: RedisOptions, requests: mpsc::Receiver<Request>) -> Self {
        Counting { core, options, redis: None, requests, prefetched: Batch::new(), failed: Mutex::default() }
    }

    /// Until it is to stop. Those who still wait then, and whoever comes later, decide without Redis.
    pub(crate) async fn run(mut self, stopping: CancellationToken) {
        stopping.run_until_cancelled(self.count_while_redis_is_there()).await;
        drop(self.requests);
        if let Some(redis) = self.redis {
            redis.close().await;
        }
    }

    /// Decisions wait until Redis has answered for the first time, or had its time to.
    async fn count_while_redis_is_there(&mut self) {
        let (core, begin) = (Arc::clone(&self.core), Instant::now());
        let trouble = &core.trouble;
        loop {
            let probed = self.probe().await;
            if probed.is_ok()
                && let Some(lasted) = trouble.succeeded()
            {
                tracing::info!(?lasted, "rate limits are counted in Redis again");
            }
            let lost = match probed {
                Ok(()) if !trouble.stands() => self.count().await.err(),
                // One that fails again and again is believed later each time.
                Ok(()) => None,
                Err(error) => {
                    let late = trouble.stands() || begin.elapsed() >= self.options.connect_timeout;
                    late.then_some(error)
                }
            };
            if let Some(error) = lost
                && trouble.failed(error.to_string())
            {
                core.metrics.errors.inc();
                tracing::warn!(%error, "rate limits are not counted in Redis any more");
            }
            // Whoever came to wait in the moment of the loss is not kept waiting.
            while trouble.stands() && self.requests.try_recv().is_ok() {}
            sleep(if trouble.stands() { PAUSE } else { FIRST_PAUSE }).await;
        }
    }

    /// Until Redis fails. One step is under way at a time: what comes meanwhile shares the next one.
    async fn count(&mut self) -> Result<Infallible, RedisError> {
        let mut ticks = interval(PAUSE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let (mut requests, mut batch) = (Vec::new(), Batch::default());
            tokio::select! {
                biased;
                _ = ticks.tick() => {
                    // So that a loss is told even while nobody asks.
                    self.client()?;
                    batch = mem::take(&mut self.prefetched);
                }
                Some(request) = self.requests.recv() => {
                    requests.push(request);
                    // Tasks that are ready run first: perhaps they ask, too, and many cost little more than one.
                    yield_now().await;
                }
            }
            requests.extend(iter::from_fn(|| self.requests.try_recv().ok()));
            for (scope, subject, decide) in requests {
                let key = self.core.key(scope.name(), &subject.0);
                batch.entry(key).or_insert_with(|| (scope, subject, Vec::new())).2.push(decide);
            }
            self.step(batch).await?;
        }
    }

    /// One step for each subject. If that fails, Redis may have counted it, and lets through less than it thinks.
    async fn step(&mut self, batch: Batch) -> Result<(), RedisError> {
        let sent = self.core.now();
        let (mut asked, mut steps) = (Vec::new(), Vec::new());
        for (key, (scope, subject, waiters)) in batch {
            let (step, waiters, has_unused) = scope.with(&subject, |state, now| {
                // Some have gone away, and some came too late for what the last step has told.
                let here = waiters.into_iter().filter(|waiter| !waiter.is_closed());
                let undecided: Vec<_> = here
                    .filter_map(|waiter| match state.decide(scope.limit(), now) {
                        Some(decision) => waiter.send(decision).err().and(None),
                        None => Some(waiter),
                    })
                    .collect();
                (state.step(key, scope.limit(), now, undecided.len()), undecided, state.unused > 0)
            });
            if step.wanted > 0 || step.unused > 0 {
                steps.push(step);
                asked.push((scope, subject, waiters));
            } else if has_unused {
                self.prefetched.insert(step.key, (scope, subject, waiters));
            }
        }
        let answers = self.take(&steps).await?;
        self.core.metrics.steps.inc_by(steps.len() as u64);
        for (((scope, subject, mut waiters), step), answer) in asked.into_iter().zip(steps).zip(answers) {
            let has_unused = scope.with(&subject, |state, _| {
                if step.wanted > 0 {
                    state.note(step.limit, answer, sent);
                }
                for waiter in waiters.drain(..) {
                    // Whoever does not wait any more has had its permit all the same.
                    let _ = waiter.send(state.use_permit(step.limit, sent));
                }
                state.unused > 0
            });
            if has_unused {
                self.prefetched.insert(step.key, (scope, subject, waiters));
            }
        }
        Ok(())
    }

    /// The connection, if there is one. Begins to connect if that has failed so far, such as without a certificate.
    fn client(&mut self) -> Result<Client, RedisError> {
        let redis = match &mut self.redis {
            Some(redis) => redis,
            none => none.insert(Reconnecting::start(&self.options)?),
        };
        redis.client().cloned()
    }

    /// Whether Redis counts: takes a permit that nobody wants, at the server that failed last. That it answers would
    /// say nothing: it may be full, or refuse this user the script.
    async fn probe(&mut self) -> Result<(), RedisError> {
        let client = self.client()?;
        let key = self.core.key("probe", &format!("{{{}}}", self.failed.lock()));
        let step = [Step { key, limit: Limit::PROBE, wanted: 1, prefetch: 0, unused: 0, bucket: 0 }];
        let probe = async {
            redis::take(&client, &step).await?;
            Ok(client.unlink::<(), _>(step[0].key.as_str()).await?)
        };
        self.within_deadline(probe).await
    }

    /// Takes the steps, all in one write to each server. If one fails, nobody knows which of them were taken.
    async fn take(&mut self, steps: &[Step]) -> Result<Vec<Answer>, RedisError> {
        let client = self.client()?;
        // In a cluster, the keys of a call must be in one slot.
        let cluster = matches!(self.options.servers, Servers::Cluster(_));
        let calls = steps.chunks(if cluster { 1 } else { SUBJECTS_PER_CALL }).map(async |steps| {
            let answers = redis::take(&client, steps).await;
            if answers.is_err() {
                steps[0].key.clone_into(&mut self.failed.lock());
            }
            answers
        });
        Ok(self.within_deadline(try_join_all(calls)).await?.concat())
    }

    /// fred has a deadline of its own. This one holds as well when it does not notice that the connection is dead.
    async fn within_deadline<T>(&self, step: impl Future<Output = Result<T, RedisError>>) -> Result<T, RedisError> {
        let deadline = self.options.command_timeout;
        let late = || RedisError::new(format!("no answer within {deadline:?}"));
        timeout(deadline, step).await.unwrap_or_else(|_| Err(late())).map_err(RedisError::with_advice)
    }
}
