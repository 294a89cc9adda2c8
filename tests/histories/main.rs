//! Histories of the real service, checked against the promise: once a write has been acknowledged, no read that is sent
//! after that returns the state before it. Concurrent clients write and read products, their details, lists and sets of
//! ids on one instance or two, while Redis, the network, and the instances themselves fail. The checker compares each
//! read with the acknowledged writes.
//!
//! Required: no stale read on the instance that wrote, and none with `Cache-Control: no-cache` or `X-Min-Version` on
//! any instance. On another instance, no read lags by more than the memory lease, except for writes that were made
//! without Redis, until their instance reaches Redis again (counted in a column of their own). At rest after each
//! fault, all instances and the database agree on every product, list and set of ids.
//!
//! With users, the same is required of rights ([`auth_workload`]): an ended session, a removed API key or user, and a
//! revoked role are refused on the same instance at once, on another within the memory lease.
//!
//! [`control`] is a plain cache-aside in which the same checker finds stale reads. This shows that the checker works.
//!
//! Each test prints the seed of its workload; `HOTSHELF_SEED=7 cargo test --test histories one_instance` repeats one.
//!
//! Run with `--nocapture`, the tests print their table; it is also in `target/histories.txt`. `HOTSHELF_LONG=1` repeats
//! each fault until 200,000 reads were checked under it.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "the harness panics for the test that uses it")]

mod asked;
mod auth_workload;
mod bodies;
mod control;
mod fault_run;
mod faults;
mod history;
mod load;
mod pooled;
mod replicated;
mod report;
mod rest;
mod testbed;
mod workload;

use std::time::Duration;

use auth_workload::AuthWorkload;
use control::PlainOptions;
use fault_run::FaultRun;
use faults::Fault;
use hotshelf_testkit::ClockFault;
use testbed::{Testbed, USERS_ON};

const WRITE_THROUGH: (&str, &str) = ("CACHE_WRITE_STRATEGY", "write_through");
/// Short TTLs, so that loads and refreshes are always in flight. In the other tests, entries outlast the test, so a
/// stale value stays stale.
const SHORT_LIVES: [(&str, &str); 6] = [
    ("CACHE_TTL", "3s"),
    ("CACHE_TTL_DETAILS", "3s"),
    ("CACHE_LIST_TTL", "2s"),
    ("CACHE_TTL_PAGES", "2s"),
    ("CACHE_TTL_ORG_IDS", "2s"),
    ("CACHE_TTL_SCHEMA_IDS", "3s"),
];

/// The violations of the promise.
async fn broken_promises(topology: &str, instances: usize, environment: &[(&str, &str)]) -> Vec<String> {
    let mut fault_run = FaultRun::new(topology, Testbed::of_hotshelf(instances, environment).await);
    let staff = if environment.contains(&USERS_ON) { Some(fault_run.hire().await) } else { None };
    let mut broken = Vec::new();
    for fault in Fault::ALL {
        let accounts = staff.as_ref().map(|staff| AuthWorkload::open(fault_run.workload(), staff));
        broken.extend(fault_run.run(fault).await.complaints());
        if let Some(accounts) = accounts {
            broken.extend(accounts.close(topology, fault.name()).await.complaints());
        }
    }
    broken
}

async fn broken_under(faults: &[Fault], mut fault_run: FaultRun) -> Vec<String> {
    let mut broken = Vec::new();
    for fault in faults {
        broken.extend(fault_run.run(*fault).await.complaints());
    }
    broken
}

#[track_caller]
fn assert_none(broken: &[Vec<String>]) {
    let broken = broken.concat();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_instance_keeps_the_promise_under_every_fault() {
    let write_through = [&SHORT_LIVES[..], &[WRITE_THROUGH]].concat();
    let (invalidate, write_through) = tokio::join!(
        broken_promises("one instance, invalidate", 1, &[USERS_ON]),
        broken_promises("one instance, write-through", 1, &write_through),
    );
    assert_none(&[invalidate, write_through]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_instances_keep_the_promise_under_every_fault() {
    let with_users = [&SHORT_LIVES[..], &[USERS_ON]].concat();
    let (invalidate, write_through) = tokio::join!(
        broken_promises("two instances, invalidate", 2, &with_users),
        broken_promises("two instances, write-through", 2, &[WRITE_THROUGH, USERS_ON]),
    );
    assert_none(&[invalidate, write_through]);
}

/// Nothing acknowledged is lost, as the standby is synchronous, and nothing older is read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_instances_keep_the_promise_while_their_database_fails_over() {
    let testbed = Testbed::of_replicated(2, &SHORT_LIVES).await;
    let fault_run = FaultRun::new("two instances, PostgreSQL, standby", testbed);
    assert_none(&[broken_under(&Fault::OF_DATABASE, fault_run).await]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_instances_keep_the_promise_behind_a_pooler() {
    let testbed = Testbed::of_pooled(3, &SHORT_LIVES).await;
    let fault_run = FaultRun::new("three instances, PostgreSQL, PgBouncer", testbed);
    assert_none(&[broken_under(&Fault::OF_POOLER, fault_run).await]);
}

/// The clock of one is a percent slow, so that it takes its memory lease to be longer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_instances_keep_the_promise_with_a_slow_clock() {
    let clock = ClockFault::new(0.99);
    let slow = |instance, service| if instance == 1 { clock.preload(service) } else { service };
    let testbed = Testbed::of_different(2, &SHORT_LIVES, slow).await;
    let fault_run = FaultRun::new("two instances, one clock 1 % slow", testbed);
    assert_none(&[broken_under(&Fault::OF_TIME, fault_run).await]);
}

/// Values in memory expire soon, as usual in a cache-aside with two tiers.
const PLAIN: PlainOptions =
    PlainOptions { memory_life: Duration::from_millis(100), load: Duration::ZERO, hesitation: Duration::ZERO };

async fn assert_convicted(topology: &str, instances: usize, options: PlainOptions, fault: Fault) {
    let row = FaultRun::new(topology, Testbed::of_plain(instances, options).await).run(fault).await;
    assert!(row.tally.stale > 0, "a plain cache-aside had no stale read: {row}");
}

/// A reader stores what it loaded before the write.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plain_cache_aside_is_convicted_of_stale_sets() {
    let slow_database = PlainOptions { load: Duration::from_millis(40), ..PLAIN };
    assert_convicted("control: stale set", 1, slow_database, Fault::None).await;
}

/// The process is killed between commit and delete. The write was not acknowledged, so no read is stale; but the cache
/// stays different from the database.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plain_cache_aside_is_convicted_of_a_crash_before_the_delete() {
    let hesitating = PlainOptions { hesitation: Duration::from_millis(40), ..PLAIN };
    let mut fault_run = FaultRun::new("control: crash", Testbed::of_plain(1, hesitating).await);
    for _ in 0..ATTEMPTS {
        if !fault_run.run(Fault::InstanceKilled).await.disagreements.is_empty() {
            return;
        }
    }
    panic!("a plain cache-aside agreed with its database after each of {ATTEMPTS} crashes");
}

/// The kill may happen between writes, and the next write may repair the cache.
const ATTEMPTS: usize = 10;

/// The delete after the write does not reach Redis.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plain_cache_aside_is_convicted_of_lost_deletes() {
    for fault in [Fault::CutReset, Fault::CutHalfClosed] {
        assert_convicted("control: lost delete", 1, PLAIN, fault).await;
    }
}

/// Redis returns with its values from before the write.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plain_cache_aside_is_convicted_of_trusting_a_snapshot() {
    assert_convicted("control: old snapshot", 1, PLAIN, Fault::RedisFromOldSnapshot).await;
}

/// The memory of one instance gets no pushes about the writes of the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plain_cache_aside_is_convicted_of_deaf_memory() {
    let lasting_memory = PlainOptions { memory_life: Duration::from_secs(10), ..PLAIN };
    assert_convicted("control: deaf memory", 2, lasting_memory, Fault::None).await;
}
