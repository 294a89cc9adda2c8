//! The heartbeat of a link: every 250 ms it tells the database and the server that this process is there, learns of
//! newer epochs, and asks for the leases under which cached values are served.

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::try_join_all;
use hotshelf_lifecycle::Failure;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::RedisTier;
use super::link::ActiveLink;
use super::supervisor::{Announced, UNTOLD, agree_on_epoch, keys_of_another, tell_the_end};
use crate::instances::{AskMemory, Asks, Instances, Observed};
use crate::lease::LEASE;

/// How often a link is asked whether it is alive; also how soon an epoch that another process has opened is known here.
pub(super) const HEARTBEAT: Duration = Duration::from_millis(250);
/// Heartbeats in a row that may fail.
const MISSED_HEARTBEATS: u32 = 2;
/// How long the database may take to store the row of this process. A lease begins before that.
const STORE_TIMEOUT: Duration = Duration::from_millis(500);

/// Sends heartbeats until too many in a row have failed; then tells why.
pub(super) async fn keep_beating(tier: &RedisTier, link: &ActiveLink) -> String {
    let mut heartbeats = interval(HEARTBEAT);
    heartbeats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut missed, mut other) = (0, None);
    loop {
        tokio::select! {
            biased;
            _ = heartbeats.tick() => {}
            () = hurried(tier) => heartbeats.reset(),
        }
        match heartbeat(tier, link, &mut other).await {
            Ok(Some(reason)) => return reason,
            Ok(None) => {
                missed = 0;
                tell_the_end(tier);
                tier.release_orphans(link).await;
            }
            Err(error) => {
                missed += 1;
                tier.count_error("beat", &error);
                if missed == MISSED_HEARTBEATS {
                    return format!("no answer: {error}");
                }
            }
        }
    }
}

/// Something has to be told to the other instances at once.
async fn hurried(tier: &RedisTier) {
    match &tier.setup.instances {
        Some(instances) => instances.hurried().await,
        None => std::future::pending().await,
    }
}

/// What the database tells of the other processes.
enum Peers {
    /// They work on the same server.
    Same {
        /// The term of the memory lease that is to be renewed; `None`: it is not.
        renews: Option<u64>,
        observed: Option<Observed>,
    },
    /// Another server's memory goes with the epoch now: what this one holds is not told to them, nor theirs here.
    Another,
    /// It could not be asked. Redis is as good as before, but memory must not take its pushes for complete.
    Unknown,
}

/// A process that is cut off from Redis advances the epoch in the database with its writes.
async fn check_peers(tier: &RedisTier, link: &ActiveLink) -> Peers {
    let term = tier.setup.coherence.lease().term();
    match timeout(HEARTBEAT, tier.setup.epoch_store.current()).await {
        Ok(Ok((_, server))) if server != link.server() => Peers::Another,
        Ok(Ok((epoch, _))) => {
            tier.adopt_history();
            tier.adopt(epoch);
            Peers::Same { renews: tier.setup.shared.then_some(term), observed: None }
        }
        Ok(Err(_)) | Err(_) => Peers::Unknown,
    }
}

/// Tells the other instances what this one has gone over to, asks for leases, and takes the one on what Redis holds.
async fn store_row(tier: &RedisTier, link: &ActiveLink, instances: &Instances, begin: Instant) -> Peers {
    // Before anything else: what is revoked from here on is not renewed.
    let (of_redis, of_memory) = (tier.lease.term(), tier.setup.coherence.lease().term());
    let asks = leases_to_ask_for(tier, instances);
    let observed = match timeout(STORE_TIMEOUT, instances.beat(Some(tier.epoch()), asks)).await {
        Ok(Ok(observed)) if observed.server != link.server() => return Peers::Another,
        Ok(Ok(observed)) => observed,
        Ok(Err(_)) | Err(_) => return Peers::Unknown,
    };
    tier.adopt_history();
    tier.adopt(observed.epoch);
    let revoked = observed.is_revoked();
    if revoked {
        instances.suspend();
    }
    if tier.is_suspended.swap(revoked, Ordering::AcqRel) != revoked {
        instances.hurry();
    }
    if revoked || asks == Asks::NONE {
        return Peers::Same { renews: None, observed: Some(observed) };
    }
    tier.lease.renew(of_redis, begin + LEASE);
    let renews = match asks.memory {
        AskMemory::Again => true,
        AskMemory::NotAgain => false,
        // Without a tier in memory, it tells only whether pushes are heard.
        AskMemory::No => !tier.setup.has_memory && tier.heartbeats.may_begin(),
    };
    Peers::Same { renews: renews.then_some(of_memory), observed: Some(observed) }
}

fn leases_to_ask_for(tier: &RedisTier, instances: &Instances) -> Asks {
    if tier.is_suspended.load(Ordering::Acquire) || instances.revokes() {
        return Asks::NONE;
    }
    let memory = match (tier.setup.has_memory, tier.heartbeats.is_listening(), tier.heartbeats.may_begin()) {
        (false, _, _) | (_, false, _) => AskMemory::No,
        // The last one has not come back yet. While it has not, others wait for no lease that is newer than that.
        (true, true, false) => AskMemory::NotAgain,
        (true, true, true) => AskMemory::Again,
    };
    Asks { redis: true, memory }
}

/// Another process that has taken the place of this one. One that runs renews its presence with each of its
/// heartbeats. What is not renewed was the last command of a process that is gone, such as the one that ran before this
/// one, carried out late.
struct OtherProcess {
    present_until: String,
    looks: u32,
}

/// Heartbeats in which another process that runs renews its presence at least once: a second, in which one that was
/// not told of is to be noticed.
const LOOKS_AT_OTHER: u32 = 4;

/// What to make of the other process, `None` until it is known: one that runs stays [`Announced::OtherProcess`]. When
/// it does not renew its presence for enough looks, this process takes its place back.
async fn confirm_other(
    tier: &RedisTier,
    link: &ActiveLink,
    other: &mut Option<OtherProcess>,
    present_until: String,
) -> Result<Option<Announced>, Failure> {
    match other {
        Some(known) if known.present_until != present_until => {
            return Ok(Some(Announced::OtherProcess { present_until }));
        }
        Some(known) => known.looks += 1,
        None => *other = Some(OtherProcess { present_until, looks: 1 }),
    }
    if other.as_ref().is_some_and(|other| other.looks > LOOKS_AT_OTHER) {
        *other = None;
        return agree_on_epoch(tier, link, true).await.map(Some);
    }
    Ok(None)
}

/// Returns why the link is of no use any more, if it is not.
async fn heartbeat(
    tier: &RedisTier,
    link: &ActiveLink,
    other: &mut Option<OtherProcess>,
) -> Result<Option<String>, Failure> {
    let begin = Instant::now();
    let peers = match &tier.setup.instances {
        Some(instances) => store_row(tier, link, instances, begin).await,
        None => check_peers(tier, link).await,
    };
    let (renews, observed) = match peers {
        Peers::Another if tier.setup.shared => {
            return Ok(Some("the other instances are on another server".to_owned()));
        }
        // This process has named its server last, unless another one has come that nobody told of this one.
        Peers::Another => return Ok(Some(tier.setup.coherence.end(UNTOLD))),
        Peers::Same { renews, observed } => (renews, observed),
        Peers::Unknown => (None, None),
    };
    let agreed = match agree_on_epoch(tier, link, false).await? {
        Announced::OtherProcess { present_until } => confirm_other(tier, link, other, present_until).await?,
        agreed => {
            *other = None;
            Some(agreed)
        }
    };
    match agreed {
        None | Some(Announced::Agreed) => {}
        Some(Announced::OtherDatabase { history }) => return Ok(Some(keys_of_another(tier, &history))),
        Some(Announced::OtherProcess { .. }) => return Ok(Some(tier.setup.coherence.end(UNTOLD))),
    }
    if let Some(term) = renews {
        let (names, instance) = (&tier.setup.names, tier.heartbeats.instance());
        let number = tier.heartbeats.begin(begin, term, link.hash_tags());
        let publishing = link
            .hash_tags()
            .iter()
            .map(async |hash_tag| link.publish_marker(&names.heartbeat(instance, number, hash_tag)).await);
        if let Err(error) = try_join_all(publishing).await {
            tier.heartbeats.forget(number);
            return Err(error.into());
        }
    }
    if let (Some(instances), Some(observed)) = (&tier.setup.instances, observed) {
        instances.remove_lapsed(&observed).await;
    }
    Ok(None)
}
