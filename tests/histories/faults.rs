//! The faults: each begins under load, lasts for a time, and ends.

use std::time::Duration;

use hotshelf_testkit::Network;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::asked::Asked;
use crate::testbed::Testbed;
use crate::workload::Freshness;

/// Longer than an instance needs to notice any outage of Redis.
const NOTICED: Duration = Duration::from_millis(1200);
/// Longer than the memory lease, so that missed writes are older than it.
const BEYOND_THE_LEASE: Duration = Duration::from_secs(2);
const INSTANCE_PAUSE: Duration = Duration::from_secs(3);
/// A delay that makes a command longer than its timeout, in both directions.
const TOO_SLOW: Duration = Duration::from_millis(80);
/// A delay that makes a command shorter than its timeout on an idle machine, and sometimes longer on a busy one.
const BARELY_IN_TIME: Duration = Duration::from_millis(40);
const REDIS_PAUSE: Duration = Duration::from_secs(5);
const KNOCKS: u32 = 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// Redis is killed and started again with nothing in it.
    RedisEmptied,
    /// Redis is killed and started again with a snapshot from before the last writes.
    RedisFromOldSnapshot,
    /// Redis is suspended (SIGSTOP), and then executes the queued commands.
    RedisPaused,
    RedisFlushed,
    /// One instance is disconnected: nothing arrives before the fault ends.
    CutSilent,
    /// The commands of one instance arrive and are executed, but the answers do not arrive in time.
    CutMute,
    /// The network of one instance becomes slow, then too slow.
    CutSlow,
    /// One instance's connections are half closed.
    CutHalfClosed,
    /// One instance's connections are reset.
    CutReset,
    /// An instance is killed (SIGKILL) in the middle of writes and started again.
    InstanceKilled,
    /// An instance is suspended (SIGSTOP) and resumed.
    InstancePaused,
    /// The primary of the database is killed, and its synchronous standby promoted.
    FailOver,
    /// The primary is suspended (SIGSTOP) and resumed.
    PrimaryPaused,
    /// The pooler between the instances and the database is killed and started again.
    PoolerKilled,
    /// One instance and the database are disconnected: nothing arrives, or no answers, or connections are reset.
    DatabaseCut,
}

impl Fault {
    pub(crate) const ALL: [Fault; 12] = [
        Fault::None,
        Fault::RedisEmptied,
        Fault::RedisFromOldSnapshot,
        Fault::RedisPaused,
        Fault::RedisFlushed,
        Fault::CutSilent,
        Fault::CutMute,
        Fault::CutSlow,
        Fault::CutHalfClosed,
        Fault::CutReset,
        Fault::InstanceKilled,
        Fault::InstancePaused,
    ];

    /// Of a replicated database.
    pub(crate) const OF_DATABASE: [Fault; 4] =
        [Fault::FailOver, Fault::PrimaryPaused, Fault::DatabaseCut, Fault::FailOver];

    /// Of a database behind a pooler.
    pub(crate) const OF_POOLER: [Fault; 5] =
        [Fault::None, Fault::PoolerKilled, Fault::RedisEmptied, Fault::InstancePaused, Fault::PoolerKilled];

    /// In which it matters how long an instance takes a second to be.
    pub(crate) const OF_TIME: [Fault; 5] =
        [Fault::None, Fault::CutSilent, Fault::CutMute, Fault::InstancePaused, Fault::RedisPaused];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Fault::None => "none",
            Fault::RedisEmptied => "Redis killed, empty again",
            Fault::RedisFromOldSnapshot => "Redis killed, old snapshot",
            Fault::RedisPaused => "Redis paused for 5 s",
            Fault::RedisFlushed => "FLUSHALL",
            Fault::CutSilent => "cut off: silence",
            Fault::CutMute => "cut off: answers held",
            Fault::CutSlow => "cut off: delays",
            Fault::CutHalfClosed => "cut off: half closed",
            Fault::CutReset => "cut off: resets",
            Fault::InstanceKilled => "instance killed in writes",
            Fault::InstancePaused => "instance paused for 3 s",
            Fault::FailOver => "primary killed, standby promoted",
            Fault::PrimaryPaused => "primary paused for 3 s",
            Fault::PoolerKilled => "PgBouncer killed",
            Fault::DatabaseCut => "cut off from the database",
        }
    }

    /// For this time after the fault, instances may differ about writes that were never acknowledged: if a writer was
    /// killed between commit and release, older pages stay until its generation expires, 30 s after the write began.
    pub(crate) fn patience(self) -> Duration {
        match self {
            Fault::InstanceKilled => Duration::from_secs(31),
            _ => Duration::ZERO,
        }
    }

    /// Causes the fault for the `strike`-th time, and returns when the testbed is repaired.
    pub(crate) async fn strike(self, testbed: &mut Testbed, strike: usize) {
        let all = testbed.all();
        let victim = strike % all.len();
        match self {
            Fault::None => sleep(NOTICED).await,
            Fault::RedisEmptied => {
                testbed.cut_off(&all);
                testbed.redis.stop();
                sleep(pause(strike)).await;
                testbed.redis.restart();
                testbed.reach_redis(&all).await;
            }
            Fault::RedisFromOldSnapshot => {
                testbed.redis.save_snapshot();
                sleep(NOTICED / 2).await;
                testbed.cut_off(&all);
                testbed.redis.stop();
                sleep(pause(strike)).await;
                testbed.redis.restart_from_snapshot();
                testbed.reach_redis(&all).await;
            }
            Fault::RedisPaused => {
                testbed.cut_off(&all);
                testbed.redis.pause();
                sleep(REDIS_PAUSE).await;
                testbed.redis.resume();
                testbed.reach_redis(&all).await;
            }
            Fault::RedisFlushed => {
                for _ in 0..5 {
                    testbed.redis.command(&["FLUSHALL"]);
                    sleep(NOTICED / 5).await;
                }
            }
            Fault::CutSilent => cut(testbed, strike, &[(Network::Silent, BEYOND_THE_LEASE)]).await,
            Fault::CutMute => cut(testbed, strike, &[(Network::Mute, NOTICED)]).await,
            Fault::CutSlow => {
                let phases = [(Network::Slow(BARELY_IN_TIME), NOTICED), (Network::Slow(TOO_SLOW), NOTICED)];
                cut(testbed, strike, &phases).await;
            }
            Fault::CutHalfClosed => cut(testbed, strike, &[(Network::HalfClosed, NOTICED)]).await,
            Fault::CutReset => cut(testbed, strike, &[(Network::Reset, NOTICED)]).await,
            Fault::InstanceKilled => {
                testbed.cut_off(&[victim]);
                testbed.kill_and_restart(victim, Duration::from_millis(300)).await;
                testbed.reach_redis(&[victim]).await;
            }
            Fault::InstancePaused => pause_instance(testbed, victim).await,
            Fault::FailOver => {
                testbed.replicated().fail_over();
                testbed.reach_database().await;
            }
            Fault::PrimaryPaused => {
                testbed.replicated().pause_primary();
                sleep(INSTANCE_PAUSE).await;
                testbed.replicated().resume_primary();
                testbed.reach_database().await;
            }
            Fault::PoolerKilled => {
                testbed.pooled().end();
                sleep(NOTICED).await;
                testbed.pooled().start_again();
                testbed.reach_database().await;
            }
            Fault::DatabaseCut => {
                for network in [Network::Reset, Network::Mute, Network::Silent] {
                    testbed.replicated().set_network(victim, network);
                    sleep(NOTICED).await;
                    testbed.replicated().set_network(victim, Network::Whole);
                    testbed.reach_database().await;
                }
            }
        }
    }
}

/// The outage of Redis is sometimes short, and sometimes long enough for every instance to notice.
fn pause(strike: usize) -> Duration {
    match strike % 2 {
        0 => NOTICED,
        _ => Duration::from_millis(50),
    }
}

/// Disconnects each instance in turn from Redis, and then all of them, in each of these ways.
async fn cut(testbed: &Testbed, strike: usize, phases: &[(Network, Duration)]) {
    let all = testbed.all();
    let victims = match strike % (all.len() + 1) {
        victim if victim < all.len() => vec![victim],
        _ => all,
    };
    testbed.cut_off(&victims);
    for (network, lasting) in phases {
        testbed.set_network(&victims, *network);
        sleep(*lasting).await;
    }
    testbed.set_network(&victims, Network::Whole);
    testbed.reach_redis(&victims).await;
}

/// In this time the others write, and many requests to the suspended instance wait: it answers them first when it
/// resumes, with a memory that has missed the writes of several seconds.
async fn pause_instance(testbed: &Testbed, victim: usize) {
    testbed.instances[victim].program.signal("STOP");
    let mut knocking = JoinSet::new();
    for knock in 0..KNOCKS {
        for (index, id) in testbed.workload.lasting().into_iter().enumerate() {
            // Each time another third of the products, and the page of all products.
            let asked = match (knock as usize + index) % 3 {
                0 if index == 0 => Asked::all(),
                0 => Asked::Product(id),
                1 if testbed.workload.schemas().is_some() && index == 1 => Asked::Ids(None),
                1 if testbed.workload.schemas().is_some() && index % 6 == 4 => Asked::Details(id),
                _ => continue,
            };
            let workload = std::sync::Arc::clone(&testbed.workload);
            knocking.spawn(async move { workload.read(victim, &asked, Freshness::Cached).await });
        }
        sleep(INSTANCE_PAUSE / KNOCKS).await;
    }
    testbed.instances[victim].program.signal("CONT");
    while let Some(answered) = knocking.join_next().await {
        assert!(answered.unwrap().is_some(), "the resumed instance answers the waiting requests");
    }
    testbed.reach_redis(&[victim]).await;
}
