//! A master is killed, or a replica is promoted, while writers and readers use two instances. No acknowledged write is
//! lost, no read is older than the documented bounds for another instance, and Redis is used again without a restart.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hotshelf_testkit::{Client, PATIENCE, wait_until};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::load::Load;
use crate::topology::{Pair, Topology};

/// Measures how long an instance is without Redis.
struct Watch {
    stopping: Arc<AtomicBool>,
    watching: JoinHandle<Duration>,
}

impl Watch {
    fn over(client: &Client) -> Self {
        let (client, stopping) = (client.clone(), Arc::new(AtomicBool::new(false)));
        let told = Arc::clone(&stopping);
        let watching = tokio::spawn(async move {
            let (mut without, mut down_since) = (Duration::ZERO, None);
            while !told.load(Ordering::Relaxed) {
                let up = client.metrics().await.value("cache_l2_up", &[]) > 0.0;
                let since = *down_since.get_or_insert_with(Instant::now);
                if up {
                    down_since = None;
                } else {
                    without = without.max(since.elapsed());
                }
                sleep(Duration::from_millis(10)).await;
            }
            without
        });
        Watch { stopping, watching }
    }

    async fn without(self) -> Duration {
        self.stopping.store(true, Ordering::Relaxed);
        self.watching.await.unwrap()
    }
}

/// Causes the event, and returns when another server is the master and both instances use it.
async fn changes_hands(pair: &Pair, load: &Load, what: &str, happens: impl FnOnce(&Topology)) {
    let written = load.writes();
    wait_until("writes are in flight", PATIENCE, async || load.writes() > written + 100).await;
    let former = pair.redis.master_of_generations();
    let watches = pair.both().map(Watch::over);
    let begin = Instant::now();
    happens(&pair.redis);
    wait_until("another one is the master", PATIENCE, async || pair.redis.is_whole_without(former)).await;
    let promoted = begin.elapsed();
    pair.are_up().await;
    let [first, second] = watches;
    let without = [first.without().await, second.without().await];
    assert!(without.iter().all(|without| !without.is_zero()), "{what}: both instances notice");
    println!(
        "{what}: another master after {promoted:.1?}; without Redis for {without:.2?}; both tiers serve after {:.1?}",
        begin.elapsed()
    );
}

async fn a_master_changes(redis: Topology, kind: &str) {
    let pair = Pair::start(redis, &[("AUDIT_RATE", "20")]).await;
    let load = Load::start(&pair).await;
    let begin = Instant::now();
    changes_hands(&pair, &load, &format!("{kind}, killed"), Topology::kill_master).await;
    pair.redis.mend();
    changes_hands(&pair, &load, &format!("{kind}, handed over"), Topology::fail_over).await;
    let verdict = load.judge(&pair).await;
    println!(
        "{kind}: {} reads and {} writes in {:.1?}, {} writes refused; {} reads lagged, by {:?} at most; {} stale",
        verdict.reads,
        verdict.writes,
        begin.elapsed(),
        verdict.refused,
        verdict.lagging,
        verdict.lag,
        verdict.stale.len()
    );
    assert_eq!(verdict.stale, Vec::<String>::new());
    assert!(verdict.reads > 500 && verdict.writes > 200, "{verdict:?}");
    for instance in pair.both() {
        assert_eq!(instance.metrics().await.find("cache_audit_stale_total", &[]).unwrap_or(0.0), 0.0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_master_behind_sentinels() {
    a_master_changes(Topology::sentinels(), "Sentinel").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_primary_in_a_cluster() {
    a_master_changes(Topology::cluster(), "Cluster").await;
}
