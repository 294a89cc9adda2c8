//! Keeps the link: opens it, vouches for the server behind it, watches it, replaces it. The only place where the link
//! changes. It is also the circuit breaker: while there is no link, requests do not even try, and the probe that closes the
//! circuit again is the opening of a new link here, never somebody's request.

use std::sync::Arc;
use std::time::Duration;

use fred::types::ConnectHandle;
use hotshelf_lifecycle::Failure;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use super::RedisTier;
use super::link::{Link, Opened};

/// How often a link is asked whether it is alive; also how soon an epoch that another process has opened is known here.
const BEAT: Duration = Duration::from_millis(250);
/// Beats in a row that may fail.
const MISSED_BEATS: u32 = 2;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

pub(super) async fn run(tier: Arc<RedisTier>, stopping: CancellationToken) {
    let mut pause = FIRST_PAUSE;
    let mut down_since: Option<Instant> = None;
    loop {
        let opened = tokio::select! {
            () = stopping.cancelled() => return,
            opened = open(&tier) => opened,
        };
        match opened {
            Ok((link, connection)) => {
                announce_up(&tier, down_since.take());
                pause = FIRST_PAUSE;
                let reason = watch(&tier, link, connection, &stopping).await;
                if stopping.is_cancelled() {
                    return;
                }
                announce_down(&tier, &mut down_since, reason);
            }
            Err(error) => announce_down(&tier, &mut down_since, error.to_string()),
        }
        tokio::select! {
            () = stopping.cancelled() => return,
            () = sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
        }
    }
}

/// Opens a link and makes sure of the memory behind it before anybody may use it.
async fn open(tier: &RedisTier) -> Result<(Arc<Link>, ConnectHandle), Failure> {
    let Opened { link, server, connection } = Link::open(&tier.options).await?;
    // The same server process, and every write since was either fenced there or has advanced the epoch: its values
    // count. Another process, or the same one restarted, may hold anything: the epoch advances now.
    let vouched = async {
        tier.adopt(tier.epoch_store.reconcile(&server).await?);
        tier.adopt(link.agree_on_epoch(&tier.epoch_name(), tier.epoch()).await?);
        Ok::<_, Failure>(())
    };
    if let Err(error) = vouched.await {
        link.close(connection).await;
        return Err(error);
    }
    Ok((Arc::new(link), connection))
}

/// Publishes the link and returns, with the link taken back, when it is of no use any more.
async fn watch(
    tier: &RedisTier,
    link: Arc<Link>,
    mut connection: ConnectHandle,
    stopping: &CancellationToken,
) -> String {
    tier.link.store(Some(Arc::clone(&link)));
    let mut beats = interval(BEAT);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut missed = 0;
    let reason = loop {
        tokio::select! {
            () = stopping.cancelled() => break "stopping".to_owned(),
            ended = &mut connection => break match ended {
                Ok(Err(error)) => error.to_string(),
                _ => "the connection was closed".to_owned(),
            },
            () = link.troubled.notified() => break "too many commands failed in a row".to_owned(),
            _ = beats.tick() => match link.agree_on_epoch(&tier.epoch_name(), tier.epoch()).await {
                Ok(epoch) => {
                    missed = 0;
                    tier.adopt(epoch);
                    tier.release_orphans(&link).await;
                }
                Err(error) => {
                    missed += 1;
                    tier.survive("beat", &error);
                    if missed == MISSED_BEATS {
                        break format!("no answer: {error}");
                    }
                }
            },
        }
    };
    tier.link.store(None);
    link.close(connection).await;
    reason
}

fn announce_up(tier: &RedisTier, down_since: Option<Instant>) {
    let down = down_since.map(|since| since.elapsed());
    tracing::info!(epoch = tier.epoch(), ?down, "Redis is up");
    *tier.condition.lock() = "Redis is up".to_owned();
}

/// Logs the change, once; what keeps it down goes into the health report.
fn announce_down(tier: &RedisTier, down_since: &mut Option<Instant>, reason: String) {
    if down_since.is_none() {
        *down_since = Some(Instant::now());
        tracing::warn!(reason, "Redis is down; serving without it and trying again");
    }
    *tier.condition.lock() = format!("Redis is down ({reason}); serving without it");
}
