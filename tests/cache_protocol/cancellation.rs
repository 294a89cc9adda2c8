//! A client that disconnects neither leaves leases or fences behind nor interrupts a load or a write.

use std::future::IntoFuture;
use std::time::Duration;

use hotshelf_testkit::catalogue::{create, laptop, lookup, path, read, update};
use hotshelf_testkit::{Client, PATIENCE, RedisServer, wait_until};
use serde_json::json;

use crate::hang_up::Unanswered;
use crate::instances::{Pair, alone, assert_nothing_is_left, cache_status, entry, loads, state};
use hotshelf_testkit::ExternalWriter;

const LOAD: Duration = Duration::from_millis(500);
const CACHED: [&str; 2] = ["redis", "tiered"];

/// Returns when a read of the database has begun, after misses in all tiers. A client that disconnects before that has
/// begun nothing.
async fn wait_for_a_load(client: &Client) {
    let labels = [("type", "product"), ("tier", "l2")];
    let missed = async || client.metrics().await.value("cache_tier_misses_total", &labels) >= 1.0;
    wait_until("the load is in flight", PATIENCE, missed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_continues_without_its_client() {
    let redis = RedisServer::start();
    for backend in CACHED {
        redis.restart();
        let service = alone(backend, &redis, &[]).await;
        let product = create(&service, &laptop()).await;
        let mut outsider = ExternalWriter::on_database(&service.database());
        outsider.slow_reads_down(LOAD);
        let leading = Unanswered::get(service.address(), &path(&product));
        wait_for_a_load(&service).await;
        assert_eq!(state(&redis, &entry(&product)), 'L', "{backend}");
        let waiting = tokio::spawn(service.get(&path(&product)).into_future());
        leading.hang_up();

        assert_eq!(waiting.await.unwrap().expect(200).json()["product"], product);
        assert_eq!(loads(&[&service]).await, 1.0, "{backend}");
        assert_eq!(state(&redis, &entry(&product)), 'V', "{backend}: the loaded value is stored");
        assert!(cache_status(&lookup(&service, &product).await).starts_with("hotshelf; hit"));
        outsider.restore_products();
        assert_nothing_is_left(&redis).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_without_waiting_clients_leaves_no_lease() {
    let redis = RedisServer::start();
    let service = alone("tiered", &redis, &[]).await;
    let product = create(&service, &laptop()).await;
    let mut outsider = ExternalWriter::on_database(&service.database());
    outsider.slow_reads_down(LOAD);
    let all: Vec<_> = (0..20).map(|_| Unanswered::get(service.address(), &path(&product))).collect();
    wait_for_a_load(&service).await;
    all.into_iter().for_each(Unanswered::hang_up);
    outsider.restore_products();
    assert_nothing_is_left(&redis).await;
    outsider.assert_no_transaction_is_left();
    assert_eq!(read(&service, &product).await, product);
    assert_eq!(loads(&[&service]).await, 1.0);
}

/// The waiting clients of another instance disconnect: the load continues, and the next client there is served.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_wait_for_another_instance_may_disconnect() {
    let pair = Pair::start(&[]).await;
    let product = create(&pair.first, &laptop()).await;
    let before = loads(&pair.both()).await;
    let mut outsider = ExternalWriter::on_database(&pair.first.database());
    outsider.slow_reads_down(LOAD);
    let loading = tokio::spawn(pair.first.get(&path(&product)).into_future());
    let in_state = async |wanted| state(&pair.redis, &entry(&product)) == wanted;
    wait_until("the first instance loads", PATIENCE, async || in_state('L').await).await;
    let waiting = Unanswered::get(pair.second.address(), &path(&product));
    wait_until("the second instance waits", PATIENCE, async || in_state('W').await).await;
    waiting.hang_up();
    assert_eq!(read(&pair.second, &product).await, product);
    loading.await.unwrap().expect(200);
    assert_eq!(loads(&pair.both()).await - before, 1.0);
    outsider.restore_products();
    assert_nothing_is_left(&pair.redis).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_is_completed_without_its_client() {
    let redis = RedisServer::start();
    for backend in CACHED {
        redis.restart();
        let service = alone(backend, &redis, &[]).await;
        let product = create(&service, &laptop()).await;
        read(&service, &product).await;
        let mut outsider = ExternalWriter::on_database(&service.database());
        outsider.hold_writes_up();
        let writing = Unanswered::put(service.address(), &path(&product), &json!({"stock": 1}));
        let fenced = async || state(&redis, &entry(&product)) == 'F';
        wait_until("the write is in flight", PATIENCE, fenced).await;
        // A client whose write waits for the first one disconnects as well.
        let queueing = Unanswered::put(service.address(), &path(&product), &json!({"stock": 2}));
        writing.hang_up();
        queueing.hang_up();
        outsider.let_write();

        assert_nothing_is_left(&redis).await;
        let written = async || read(&service, &product).await["version"] != 1;
        wait_until("the write shows", PATIENCE, written).await;
        let last = update(&service, &product, &json!({"stock": 3})).await;
        assert_eq!(read(&service, &product).await, last, "{backend}");
        assert_nothing_is_left(&redis).await;
        outsider.assert_no_transaction_is_left();
    }
}
