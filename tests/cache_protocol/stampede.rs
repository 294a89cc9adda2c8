//! A thousand requests for an uncached product cause one load.

use std::future::IntoFuture;
use std::time::Duration;

use hotshelf_testkit::catalogue::{create, laptop, path};
use hotshelf_testkit::{Client, PATIENCE, wait_until};
use serde_json::Value;

use crate::instances::{Pair, Settings, entry, loads, state};
use crate::readers::storm;
use hotshelf_testkit::ExternalWriter;

const REQUESTS: usize = 2_000;
/// Allows all of them at once, and a longer timeout for Redis on a machine under such a load.
const LET_THEM_IN: Settings<'static> = &[("MAX_CONCURRENT_REQUESTS", "4000"), ("REDIS_COMMAND_TIMEOUT", "5s")];
/// Long enough that all requests arrive during the load, and far below the TTL of a lease, 3 s.
const LOAD: Duration = Duration::from_millis(500);

/// Sends all requests and checks each answer; returns their number.
async fn all_read(instances: &[&Client], product: &Value, requests: usize) -> usize {
    let mut storm = storm(instances, &path(product), requests);
    let mut answered = 0;
    while let Some(reply) = storm.join_next().await {
        let Some(reply) = reply.unwrap() else { continue };
        assert_eq!(reply.expect(200).json()["product"], *product);
        answered += 1;
    }
    answered
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_requests_over_two_instances_cause_one_load() {
    let pair = Pair::start(LET_THEM_IN).await;
    let product = create(&pair.first, &laptop()).await;
    let before = loads(&pair.both()).await;
    let mut outsider = ExternalWriter::on_database(&pair.first.database());
    outsider.slow_reads_down(LOAD);
    assert_eq!(all_read(&pair.both(), &product, REQUESTS).await, REQUESTS);
    assert_eq!(loads(&pair.both()).await - before, 1.0);
    outsider.restore_products();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_the_loader_is_killed_one_of_the_waiting_readers_loads() {
    let mut pair = Pair::start(LET_THEM_IN).await;
    let product = create(&pair.first, &laptop()).await;
    let before = loads(&[&pair.second]).await;
    let mut outsider = ExternalWriter::on_database(&pair.first.database());
    outsider.slow_reads_down(LOAD * 2);
    let loading = tokio::spawn(pair.first.get(&path(&product)).try_send());
    let leased = async || state(&pair.redis, &entry(&product)) == 'L';
    wait_until("the first instance loads", PATIENCE, leased).await;
    pair.first.signal("STOP");
    assert_eq!(state(&pair.redis, &entry(&product)), 'L', "it was stopped too late");
    outsider.restore_products();

    // One alone first: for all of them to arrive may take longer than the lease of the first instance lasts.
    let waiting = tokio::spawn(pair.second.get(&path(&product)).into_future());
    let waited_for = async || state(&pair.redis, &entry(&product)) == 'W';
    wait_until("the second instance waits", PATIENCE, waited_for).await;
    let second = pair.second.client().clone();
    let others = tokio::spawn({
        let product = product.clone();
        async move { all_read(&[&second], &product, REQUESTS).await }
    });
    pair.first.kill();
    assert!(loading.await.unwrap().is_err(), "a killed service does not answer");
    assert_eq!(waiting.await.unwrap().expect(200).json()["product"], product);
    assert_eq!(others.await.unwrap(), REQUESTS);
    assert_eq!(loads(&[&pair.second]).await - before, 1.0);
}

/// Row "waiting by polling" of the traps: a waiting reader asks once, and is woken.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_is_woken_and_does_not_poll() {
    let pair = Pair::start(&[]).await;
    let product = create(&pair.first, &laptop()).await;
    let mut outsider = ExternalWriter::on_database(&pair.first.database());
    outsider.slow_reads_down(LOAD);
    let mut monitor = pair.redis.monitor();
    let loading = tokio::spawn(pair.first.get(&path(&product)).into_future());
    let leased = async || state(&pair.redis, &entry(&product)) == 'L';
    wait_until("the first instance loads", PATIENCE, leased).await;
    monitor.commands_with("");
    let waiting = pair.second.get(&path(&product)).await;
    assert!(waiting.expect(200).header("cache-status").ends_with("; detail=l2"));
    loading.await.unwrap().expect(200);
    // A lookup, the request to be woken, another lookup; and the fill of the first instance. On a busy machine it may
    // be woken once more in between; polling would send dozens of commands.
    let commands = monitor.commands_with(&format!("{:?}", entry(&product)));
    let sent: Vec<_> = commands.iter().filter(|command| !command.contains(" lua] ")).collect();
    assert!(sent.len() <= 12, "{sent:#?}");
    outsider.restore_products();
}
