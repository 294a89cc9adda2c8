//! The faults: each strikes while the load runs, lasts, and ends.

use std::time::Duration;

use hotshelf_testkit::Network;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::asked::Asked;
use crate::testbed::Testbed;
use crate::workload::Freshness;

/// Longer than it takes to notice that Redis is away, whichever way it went.
const NOTICED: Duration = Duration::from_millis(1200);
/// What an instance does not hear of meanwhile is older than the L1 lease.
const BEYOND_THE_LEASE: Duration = Duration::from_secs(2);
const INSTANCE_PAUSE: Duration = Duration::from_secs(3);
/// Longer than the deadline of a command to Redis, there and back.
const TOO_SLOW: Duration = Duration::from_millis(80);
/// Shorter than that on a machine at rest, and on a busy one at times longer.
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
    /// Redis is stopped in its tracks (SIGSTOP) and goes on with what has piled up.
    RedisPaused,
    RedisFlushed,
    /// One instance is cut off: nothing arrives before it ends.
    CutSilent,
    /// One instance's commands arrive and are carried out, the answers do not come back in time.
    CutMute,
    /// The network of one instance becomes slow, then too slow.
    CutSlow,
    /// One instance's connections are half closed.
    CutHalfClosed,
    /// One instance's connections are reset.
    CutReset,
    /// An instance is killed (SIGKILL) in the middle of writes and started again.
    InstanceKilled,
    /// An instance is stopped in its tracks (SIGSTOP) and goes on.
    InstancePaused,
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
        }
    }

    /// So long after it, the instances may not agree on what was never acknowledged: a writer that was killed between
    /// commit and finish leaves pages from before that end with its generation, 30 s after the write began.
    pub(crate) fn patience(self) -> Duration {
        match self {
            Fault::InstanceKilled => Duration::from_secs(31),
            _ => Duration::ZERO,
        }
    }

    /// Strikes once, the `strike`-th time, and returns when the stand is whole again.
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
        }
    }
}

/// Redis is away for a moment at times, and long enough at others for everybody to notice.
fn pause(strike: usize) -> Duration {
    match strike % 2 {
        0 => NOTICED,
        _ => Duration::from_millis(50),
    }
}

/// Cuts one instance after the other off from Redis, and then all of them, in these ways one after the other.
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

/// Meanwhile the others write, and many knock at its door: they are the first to be answered when it wakes, out of a
/// memory that has missed the writes of seconds.
async fn pause_instance(testbed: &Testbed, victim: usize) {
    testbed.instances[victim].program.signal("STOP");
    let mut knocking = JoinSet::new();
    for knock in 0..KNOCKS {
        for (index, id) in testbed.workload.lasting().into_iter().enumerate() {
            // Each time another third of the products, and the page of all of them.
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
        assert!(answered.unwrap().is_some(), "who wakes up answers those who waited");
    }
    testbed.reach_redis(&[victim]).await;
}
