//! The task that counts in Redis: takes all who wait, asks for them in one go, gives each its decision, and sees to it that
//! nobody waits for a Redis that is away.

use std::collections::BTreeMap;
use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hotshelf_redis_client::{RedisError, RedisOptions};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::gathering::{Batch, Waiters};
use crate::limiter::{Core, Decision, ScopeInner};
use crate::memory::SubjectKey;
use crate::redis::{RedisCounter, Step};

/// Between two looks whether Redis is back.
const PAUSE: Duration = Duration::from_millis(100);
/// The same while the first connection is made, for which decisions wait.
const FIRST_PAUSE: Duration = Duration::from_millis(5);

/// Runs until `stopping`; then, and whenever Redis is away, decisions are made without it. Those that are asked for before
/// the first connection wait for it, as long as it may take.
pub(crate) async fn run(core: Arc<Core>, options: RedisOptions, stopping: CancellationToken) {
    if let Some(redis) = stopping.run_until_cancelled(begin(&core, &options)).await {
        let mut ahead = Ahead::default();
        while let Some(error) = count(&core, &redis, &mut ahead, &stopping).await {
            lose(&core, &error);
            if stopping.run_until_cancelled(find_again(&core, &redis)).await.is_none() {
                break;
            }
        }
        redis.close().await;
    }
    core.decide_in_redis(false);
    decide_without(&core, core.gathering.take());
}

/// Until Redis answers for the first time.
async fn begin(core: &Core, options: &RedisOptions) -> RedisCounter {
    let redis = match RedisCounter::start(options, &core.keys) {
        Ok(redis) => redis,
        Err(error) => {
            lose(core, &error);
            start_after_all(core, options).await
        }
    };
    if core.decides_in_redis()
        && let Err(error) = first_contact(&redis, options.connect_timeout).await
    {
        lose(core, &error);
    }
    if !core.decides_in_redis() {
        find_again(core, &redis).await;
    }
    redis
}

/// Until there is what the options name, such as a certificate.
async fn start_after_all(core: &Core, options: &RedisOptions) -> RedisCounter {
    loop {
        pause(core).await;
        match RedisCounter::start(options, &core.keys) {
            Ok(redis) => return redis,
            Err(error) => {
                core.trouble.failed(error.to_string());
            }
        }
    }
}

/// Until Redis has answered, or had its time to.
async fn first_contact(redis: &RedisCounter, patience: Duration) -> Result<(), RedisError> {
    let begin = Instant::now();
    loop {
        match redis.probe().await {
            Err(_) if begin.elapsed() < patience => sleep(FIRST_PAUSE).await,
            outcome => return outcome,
        }
    }
}

/// Until Redis fails; then tells why. One call is under way at a time: what comes meanwhile shares the next one, and the
/// last one before the stop is finished.
async fn count(
    core: &Core,
    redis: &RedisCounter,
    ahead: &mut Ahead,
    stopping: &CancellationToken,
) -> Option<RedisError> {
    loop {
        let batch = tokio::select! {
            biased;
            () = stopping.cancelled() => return None,
            batch = core.gathering.next() => batch,
            () = ahead.over(core) => ahead.take_over(core),
            error = disconnected(redis) => return Some(error),
        };
        if let Err(error) = decide(core, redis, ahead, batch).await {
            return Some(error);
        }
    }
}

/// Returns when there is no connection any more, so that a loss is told even while nobody asks.
async fn disconnected(redis: &RedisCounter) -> RedisError {
    loop {
        sleep(PAUSE).await;
        if let Err(error) = redis.connected() {
            return error;
        }
    }
}

async fn decide(core: &Core, redis: &RedisCounter, ahead: &mut Ahead, batch: Batch) -> Result<(), RedisError> {
    let sent = core.now();
    let (waiting, steps): (Vec<_>, Vec<_>) = batch.into_iter().filter_map(|of| with_step(core, sent, of)).unzip();
    if steps.is_empty() {
        return Ok(());
    }
    let taken = match redis.take(&steps).await {
        Ok(taken) => taken,
        Err(error) => {
            // Maybe Redis has counted them. Then it has let through less than it thinks.
            decide_without(core, waiting);
            return Err(error);
        }
    };
    core.steps.inc_by(steps.len() as u64);
    let now = core.now();
    for (((key, waiters), step), taken) in waiting.into_iter().zip(steps).zip(taken) {
        let scope = waiters.scope;
        let over = core.memory.note(&key, scope.limit, (sent, now), step.wanted, taken);
        for (waiter, decision) in waiters.decide.into_iter().zip(scope.share_out(taken, step.wanted)) {
            // Whoever does not wait any more has had its place all the same.
            let _ = waiter.send(decision);
        }
        if let Some(over) = over {
            ahead.insert(over, scope, key);
        }
    }
    Ok(())
}

/// With what is asked for those who still wait, and what is given back. Nothing, if there is neither.
fn with_step(
    core: &Core,
    now: u64,
    (key, mut waiters): (SubjectKey, Waiters),
) -> Option<((SubjectKey, Waiters), Step)> {
    let limit = waiters.scope.limit;
    waiters.decide.retain(|waiter| !waiter.is_closed());
    // Those who came while the last step was under way: it has taken places ahead for them.
    let served = waiters.decide.iter().map_while(|_| core.memory.use_reserve(&key, limit, now)).collect::<Vec<_>>();
    for (waiter, standing) in waiters.decide.drain(..served.len()).zip(served) {
        let _ = waiter.send(waiters.scope.counted(Decision::Allowed(standing)));
    }
    let wanted = u32::try_from(waiters.decide.len()).ok()?;
    let (back, ahead) = core.memory.plan(&key, limit, now, wanted);
    let step = Step { key: waiters.scope.key(&key.subject), limit, wanted, ahead, back };
    (wanted > 0 || back.places > 0).then_some(((key, waiters), step))
}

/// Whose places were taken ahead, by the time at which what was not needed is given back.
#[derive(Default)]
struct Ahead(BTreeMap<(u64, u64), (Arc<ScopeInner>, SubjectKey)>);

impl Ahead {
    fn insert(&mut self, over: u64, scope: Arc<ScopeInner>, key: SubjectKey) {
        let others = self.0.range((over, 0)..=(over, u64::MAX)).next_back();
        let place = others.map_or(0, |((_, place), _)| place + 1);
        self.0.insert((over, place), (scope, key));
    }

    /// Waits until something is over. For ever, if nothing was taken ahead.
    async fn over(&self, core: &Core) {
        match self.0.first_key_value() {
            Some(((over, _), _)) => sleep(Duration::from_millis(over.saturating_sub(core.now()))).await,
            None => pending().await,
        }
    }

    /// The subjects of which something is over. Nobody waits for them.
    fn take_over(&mut self, core: &Core) -> Batch {
        let later = self.0.split_off(&(core.now() + 1, 0));
        let over = std::mem::replace(&mut self.0, later).into_values();
        over.map(|(scope, key)| (key, Waiters { scope, decide: Vec::new() })).collect()
    }
}

fn lose(core: &Core, error: &RedisError) {
    core.errors.inc();
    core.decide_in_redis(false);
    if core.trouble.failed(error.to_string()) {
        tracing::warn!(%error, "rate limits are not counted in Redis any more");
    }
}

/// Until Redis counts again. One that fails soon after it was back has to do so for longer each time.
async fn find_again(core: &Core, redis: &RedisCounter) {
    let lasted = loop {
        pause(core).await;
        match redis.probe().await {
            Ok(()) if !core.trouble.stands() => break None,
            Ok(()) => match core.trouble.succeeded() {
                None => {}
                lasted => break lasted,
            },
            Err(error) => {
                core.trouble.failed(error.to_string());
            }
        }
    };
    core.decide_in_redis(true);
    tracing::info!(?lasted, "rate limits are counted in Redis again");
}

/// Between two attempts. Whoever came to wait in the moment of the loss is not kept waiting.
async fn pause(core: &Core) {
    let mut end = pin!(sleep(PAUSE));
    loop {
        tokio::select! {
            () = &mut end => return,
            batch = core.gathering.next() => decide_without(core, batch),
        }
    }
}

fn decide_without(core: &Core, waiting: impl IntoIterator<Item = (SubjectKey, Waiters)>) {
    for (key, Waiters { scope, decide }) in waiting {
        for waiter in decide.into_iter().filter(|waiter| !waiter.is_closed()) {
            let _ = waiter.send(core.without_redis(&scope, &key, core.now()));
        }
    }
}
