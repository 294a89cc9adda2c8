//! Keeps the link: opens it, vouches for the server behind it, watches it, replaces it. The only place where the link
//! changes. It is also the circuit breaker: while there is no link, requests do not even try, and the probe that closes
//! the circuit again is the opening of a new link here, never somebody's request.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hotshelf_lifecycle::Failure;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::heartbeat::{HEARTBEAT, keep_beating};
use super::link::{ActiveLink, Agreement, Presence};
use super::{Counted, RedisTier, SealedNumber};
use crate::epoch::Epoch;

/// Between two looks at the memory of the server: as often as metrics are usually scraped.
const MEMORY_LOOK: Duration = Duration::from_secs(15);
/// One that finds the database behind, one after it was asked, one of a new history, one that finds another seal, and
/// some to spare.
const MOST_ANNOUNCEMENTS: usize = 6;
/// For how long a process counts as present after its last heartbeat: longer than many heartbeats, so that a pause is
/// not its end.
const PRESENCE: Duration = Duration::from_secs(3);
/// Why nothing is served any more when two processes work on one database and each believes to be alone, or only one
/// does.
pub(crate) const UNTOLD: &str = "another process works on the same database, and the two were not told of each other: stop \
                                 one of them, or tell every one that the database is shared";
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// While another server takes the place of one that has ended, this is what is lost after it has.
const LONGEST_PAUSE: Duration = Duration::from_millis(400);

pub(super) async fn run(tier: Arc<RedisTier>, stopping: CancellationToken) {
    let mut pause = FIRST_PAUSE;
    let mut last_server = None;
    loop {
        if tier.setup.coherence.ended().is_some() {
            return stopping.cancelled().await;
        }
        let Some(opened) = stopping.run_until_cancelled(open(&tier, &mut last_server)).await else { return };
        match opened {
            Ok(link) => {
                announce_up(&tier);
                pause = FIRST_PAUSE;
                let reason = watch(&tier, &link, &stopping).await;
                match stopping.is_cancelled() {
                    true => leave(&tier, &link).await,
                    false => announce_down(&tier, reason),
                }
                withdraw(&tier).await;
                // After it was announced: closing a connection to a server that hangs takes time.
                link.close().await;
                if stopping.is_cancelled() {
                    return;
                }
            }
            Err(error) => announce_down(&tier, error.to_string()),
        }
        if stopping.run_until_cancelled(sleep(pause)).await.is_none() {
            return;
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Opens a link and makes sure of the memory behind it before anybody may use it.
async fn open(tier: &RedisTier, last_server: &mut Option<String>) -> Result<Arc<ActiveLink>, Failure> {
    let link = tier.connector.open().await?;
    // The same server process, and every write since was either fenced there or has advanced the epoch: its values
    // count. Another process, or the same one restarted, may hold anything: the epoch advances now.
    let store = &tier.setup.epoch_store;
    let vouched = async {
        let epoch = store.reconcile(link.server()).await?;
        tier.adopt_history();
        tier.adopt(epoch);
        if last_server.as_ref().is_some_and(|last| last != link.server()) {
            // Other processes may have come here first, for them the server is the one named last, and have filled it
            // since with what this one then wrote under fences on the server that it comes from.
            tier.adopt(store.advance().await?);
        }
        *last_server = Some(link.server().to_owned());
        if let Some(instances) = &tier.setup.instances {
            // Whoever still serves what another server holds, or has fenced there what is not committed yet, does not
            // hear of what is written here.
            instances.noted_by_all(tier.epoch()).await?;
        }
        match agree_on_epoch(tier, &link, true).await? {
            Announced::Agreed => Ok(()),
            Announced::OtherDatabase { history } => Err(keys_of_another(tier, &history).into()),
            // Whoever opens takes the place.
            Announced::OtherProcess { .. } => Err("another process came in between".into()),
        }
    };
    if let Err(error) = vouched.await {
        link.close().await;
        return Err(error);
    }
    Ok(Arc::new(link))
}

/// The result of telling the server who this process is.
pub(super) enum Announced {
    Agreed,
    OtherDatabase { history: String },
    OtherProcess { present_until: String },
}

/// Tells the server who this is and the epoch, and learns of one that another process has opened. The database decides.
pub(super) async fn agree_on_epoch(tier: &RedisTier, link: &ActiveLink, opens: bool) -> Result<Announced, Failure> {
    let (store, key) = (&tier.setup.epoch_store, tier.setup.names.epoch());
    let mut asked = false;
    for _ in 0..MOST_ANNOUNCEMENTS {
        let (history, commits) = (tier.history(), told_commits(tier));
        let (epoch, most_commits) =
            match link.agree_on_epoch(&key, &presence(tier, history, commits, opens, PRESENCE)).await? {
                Agreement::Known { epoch, commits } => (epoch, commits),
                Agreement::OtherDatabase { history } => return Ok(Announced::OtherDatabase { history }),
                Agreement::OtherProcess { present_until } => return Ok(Announced::OtherProcess { present_until }),
            };
        let opened =
            |number: SealedNumber, what| number.open(&tier.setup.seal, tier.setup.names.prefix(), history, what);
        let (Some(epoch), Some(most_commits)) = (opened(epoch, Counted::Epoch), opened(most_commits, Counted::Commits))
        else {
            // Somebody else has written these numbers. They are deleted, so that they do not hide those of other
            // processes.
            tier.tell_forgery(&key);
            link.unlink(vec![key.clone()]).await?;
            continue;
        };
        if Epoch::new(epoch) <= tier.epoch() && most_commits <= commits {
            tier.has_agreed.store(true, Ordering::Release);
            return Ok(Announced::Agreed);
        }
        if !asked {
            // Whoever opens an epoch, or commits, does so in the database first.
            asked = true;
            let current = store.reconcile(link.server()).await?;
            tier.adopt_history();
            tier.adopt(current);
            continue;
        }
        // Unless another process, which shares the database, has done so meanwhile.
        let epoch = store.begin_history(history).await?;
        tier.adopt_history();
        tier.adopt(epoch);
        tracing::warn!(
            "the database is older than what Redis knows of it under `{}`: it was put back to an earlier state. It has \
             begun a new history: ids go on a million later, entity tags from before do not match, all sessions end",
            tier.setup.names.prefix()
        );
    }
    Err("what Redis knows of the database changes all the time".into())
}

/// Nobody waits for an instance that serves nothing. If the database cannot be told, others wait until the leases would
/// have ended.
async fn withdraw(tier: &RedisTier) {
    if let Some(instances) = &tier.setup.instances {
        instances.suspend();
        if let Ok(Err(error)) = timeout(HEARTBEAT, instances.withdraw()).await {
            tracing::debug!(%error, "the row of this instance could not be removed");
        }
    }
}

/// How far the database has come is known to Redis when it stops, and nobody waits for a process that is gone.
async fn leave(tier: &RedisTier, link: &ActiveLink) {
    let lasts = if tier.setup.shared { PRESENCE } else { Duration::ZERO };
    let presence = presence(tier, tier.history(), told_commits(tier), false, lasts);
    if let Err(error) = link.agree_on_epoch(&tier.setup.names.epoch(), &presence).await {
        tier.count_error("epoch", &error);
    }
}

/// The number of commits that this process tells.
fn told_commits(tier: &RedisTier) -> u64 {
    // What was committed before the first contact with Redis is no sign that the database is not behind it.
    let first = !tier.setup.shared && !tier.has_agreed.load(Ordering::Acquire);
    match first {
        true => tier.commits_at_start.load(Ordering::Acquire),
        false => tier.setup.epoch_store.history().commits,
    }
}

fn presence(tier: &RedisTier, history: u64, commits: u64, opens: bool, lasts: Duration) -> Presence {
    let process = match tier.setup.shared {
        true => "shared".to_owned(),
        false => tier.heartbeats.instance().to_owned(),
    };
    let sealed = |what, number| SealedNumber::new(&tier.setup.seal, tier.setup.names.prefix(), history, what, number);
    let epoch = sealed(Counted::Epoch, tier.epoch().get());
    let commits = sealed(Counted::Commits, commits);
    Presence { history, follows: tier.follows(), epoch, commits, process, opens, lasts }
}

pub(super) fn keys_of_another(tier: &RedisTier, history: &str) -> String {
    format!(
        "another database (history {history}) is at work with the keys `{}*` there: give one of the two services a \
         CACHE_PREFIX or a Redis of its own",
        tier.setup.names.prefix()
    )
}

/// Publishes the link and returns, with the link taken back, when it is of no use any more.
async fn watch(tier: &RedisTier, link: &Arc<ActiveLink>, stopping: &CancellationToken) -> String {
    tier.link.store(Some(Arc::clone(link)));
    let reason = tokio::select! {
        biased;
        () = stopping.cancelled() => "stopping".to_owned(),
        reason = tier.setup.coherence.end_of_service() => reason,
        reason = link.lost() => reason,
        reason = keep_beating(tier, link) => reason,
        reason = follow_memory(tier, link) => reason,
    };
    *tier.down.lock() = Some(reason.clone());
    tier.link.store(None);
    reason
}

/// Asks the server about its memory, for as long as there is a link. That it does not answer is for the heartbeats to
/// find.
async fn follow_memory(tier: &RedisTier, link: &ActiveLink) -> String {
    let mut looks = interval(MEMORY_LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        match link.memory().await {
            Ok(memory) => *tier.memory.lock() = memory,
            Err(error) => tier.count_error("memory", &error),
        }
    }
}

fn announce_up(tier: &RedisTier) {
    if !tier.outages.stands() {
        tracing::info!(epoch = tier.epoch().get(), "Redis is up");
    }
    tell_the_end(tier);
}

/// Logs that an outage is over: at once, or, if there was one just before, when it has been over for a while.
pub(super) fn tell_the_end(tier: &RedisTier) {
    if let Some(down) = tier.outages.succeeded() {
        tracing::info!(epoch = tier.epoch().get(), ?down, "Redis is up");
    }
}

/// Logs the change, once; what keeps it down goes into the health report.
fn announce_down(tier: &RedisTier, reason: String) {
    if tier.outages.failed(&*reason) {
        tracing::warn!(reason, "Redis is down; serving without it and trying again");
    }
    *tier.down.lock() = Some(reason);
}
