//! The task that counts in Redis: takes all who wait, asks for them in one go, gives each its decision, and sees to it that
//! nobody waits for a Redis that is away.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hotshelf_redis::{RedisError, RedisOptions};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::gathering::{Batch, Waiters};
use crate::limiter::Core;
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
        while let Some(error) = count(&core, &redis, &stopping).await {
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
    let redis = match RedisCounter::start(options) {
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
        match RedisCounter::start(options) {
            Ok(redis) => return redis,
            Err(error) => *core.trouble.lock() = Some(error.to_string()),
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
async fn count(core: &Core, redis: &RedisCounter, stopping: &CancellationToken) -> Option<RedisError> {
    loop {
        let batch = tokio::select! {
            biased;
            () = stopping.cancelled() => return None,
            batch = core.gathering.next() => batch,
            error = disconnected(redis) => return Some(error),
        };
        if let Err(error) = decide(core, redis, batch).await {
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

async fn decide(core: &Core, redis: &RedisCounter, batch: Batch) -> Result<(), RedisError> {
    let (waiting, steps): (Vec<_>, Vec<_>) = batch.into_iter().filter_map(with_step).unzip();
    let sent = core.now();
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
        core.memory.note(&key, scope.limit, (sent, now), step.wanted, taken);
        for (waiter, decision) in waiters.decide.into_iter().zip(scope.share_out(taken, step.wanted)) {
            // Whoever does not wait any more has had its place all the same.
            let _ = waiter.send(decision);
        }
    }
    Ok(())
}

/// With what is asked for those who still wait, if anybody does.
fn with_step((key, mut waiters): (SubjectKey, Waiters)) -> Option<((SubjectKey, Waiters), Step)> {
    waiters.decide.retain(|waiter| !waiter.is_closed());
    let wanted = u32::try_from(waiters.decide.len()).ok().filter(|wanted| *wanted > 0)?;
    let step = Step { key: waiters.scope.key(&key.subject), limit: waiters.scope.limit, wanted };
    Some(((key, waiters), step))
}

fn lose(core: &Core, error: &RedisError) {
    core.errors.inc();
    *core.trouble.lock() = Some(error.to_string());
    core.decide_in_redis(false);
    tracing::warn!(%error, "rate limits are not counted in Redis any more");
}

/// Until Redis answers again.
async fn find_again(core: &Core, redis: &RedisCounter) {
    loop {
        pause(core).await;
        match redis.probe().await {
            Ok(()) => break,
            Err(error) => *core.trouble.lock() = Some(error.to_string()),
        }
    }
    *core.trouble.lock() = None;
    core.decide_in_redis(true);
    tracing::info!("rate limits are counted in Redis again");
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
