//! The promise: once a write has been acknowledged, no later read returns the value from before it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hotshelf_testkit::{Client, PATIENCE, RedisServer, Service, wait_until};
use serde_json::json;
use tokio::task::JoinSet;

use crate::history::History;
use crate::hotshelf;
use hotshelf_testkit::catalogue::{create, create_named, delete, laptop, path, read, update, wait_for_redis};

const WRITERS: usize = 2;
const READERS: usize = 6;
const WRITES_EACH: usize = 150;

/// Writers change one product, each waiting for its answer, while readers read it.
async fn hammer(client: &Client) {
    let product = create(client, &laptop()).await;
    let history = History::of(client, &product);
    let writing = Arc::new(AtomicBool::new(true));
    let mut writers = JoinSet::new();
    let mut readers = JoinSet::new();
    for _ in 0..WRITERS {
        let history = history.clone();
        writers.spawn(async move {
            for _ in 0..WRITES_EACH {
                history.write().await;
                // The writer itself must see its write.
                history.read().await;
            }
        });
    }
    for _ in 0..READERS {
        let (history, writing) = (history.clone(), writing.clone());
        readers.spawn(async move {
            while writing.load(Ordering::Relaxed) {
                history.read().await;
            }
        });
    }
    while let Some(writer) = writers.join_next().await {
        writer.unwrap();
    }
    writing.store(false, Ordering::Relaxed);
    while let Some(reader) = readers.join_next().await {
        reader.unwrap();
    }
    let committed = 1 + WRITERS * WRITES_EACH;
    assert_eq!(read(client, &product).await["version"], committed, "an acknowledged write was lost");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_read_is_stale_with_the_memory_backend() {
    let service = hotshelf().backend("memory").start().await;
    hammer(&service).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_read_is_stale_without_a_cache() {
    let service = hotshelf().backend("none").start().await;
    hammer(&service).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_read_is_stale_with_the_redis_backend() {
    let redis = RedisServer::start();
    hammer(settled("redis", &redis).await.client()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_read_is_stale_with_both_tiers() {
    let redis = RedisServer::start();
    hammer(settled("tiered", &redis).await.client()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_read_is_stale_when_writes_go_through_to_the_cache() {
    let redis = RedisServer::start();
    let service = hotshelf().redis(&redis).env("CACHE_WRITE_STRATEGY", "write_through").start().await;
    wait_for_redis(&service, "up").await;
    hammer(&service).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_read_is_stale_while_redis_comes_and_goes() {
    let redis = RedisServer::start();
    let service = settled("tiered", &redis).await;
    let client = service.client().clone();
    let hammering = tokio::spawn(async move {
        for _ in 0..3 {
            hammer(&client).await;
        }
    });
    while !hammering.is_finished() {
        redis.save_snapshot();
        redis.restart_from_snapshot();
        // Long enough that Redis is usually found and used again.
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    hammering.await.unwrap();
}

/// Two products whose first versions are in Redis. One is read all the time. The other is not read before Redis is used
/// again, because a read would fill memory and hide the value in Redis.
struct Pair {
    watched: History,
    left_alone: History,
}

impl Pair {
    async fn in_redis(service: &Service, redis: &RedisServer) -> Self {
        let (first, second) = (create_named(service, "First").await, create_named(service, "Second").await);
        let pair = Pair { watched: History::of(service, &first), left_alone: History::of(service, &second) };
        pair.watched.read_product().await;
        pair.left_alone.read_product().await;
        let held = async || redis.keys("product:id:[12]").len() == 2;
        wait_until("Redis holds both", PATIENCE, held).await;
        pair
    }

    async fn write(&self) {
        self.watched.write().await;
        self.left_alone.write().await;
    }

    /// Reads until Redis takes new entries and for a while after that.
    async fn assert_fresh_until_redis_is_used_again(&self, service: &Service, redis: &RedisServer) {
        let probe = create_named(service, "Probe").await;
        let key = format!("product:id:{}", probe["id"]);
        let used_again = async || {
            self.watched.read_product().await;
            update(service, &probe, &json!({"stock": 1})).await;
            read(service, &probe).await;
            !redis.keys(&key).is_empty()
        };
        wait_until("Redis is used again", PATIENCE, used_again).await;
        for _ in 0..20 {
            self.left_alone.read().await;
            self.watched.read().await;
        }
    }
}

/// The fourth fault of a plain cache-aside: Redis returns with an older dump.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_dump_of_redis_brings_no_old_value_back() {
    let redis = RedisServer::start();
    for backend in ["redis", "tiered"] {
        let service = settled(backend, &redis).await;
        let pair = Pair::in_redis(&service, &redis).await;
        redis.save_snapshot();
        pair.write().await;
        redis.restart_from_snapshot();
        pair.assert_fresh_until_redis_is_used_again(&service, &redis).await;
    }
}

/// The third fault: the write that should have invalidated the old value could not reach Redis.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_during_a_redis_outage_is_not_undone_by_its_return() {
    let redis = RedisServer::start();
    for backend in ["redis", "tiered"] {
        let service = settled(backend, &redis).await;
        let pair = Pair::in_redis(&service, &redis).await;
        redis.save_snapshot();
        redis.stop();
        pair.write().await;
        redis.restart_from_snapshot();
        pair.assert_fresh_until_redis_is_used_again(&service, &redis).await;
    }
}

/// The same with a crash of the service: the next process must also know that the write did not reach Redis.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_while_redis_is_away_is_not_undone_after_a_crash() {
    let redis = RedisServer::start();
    for backend in ["redis", "tiered"] {
        let mut service = settled(backend, &redis).await;
        let pair = Pair::in_redis(&service, &redis).await;
        redis.save_snapshot();
        redis.stop();
        pair.write().await;
        service.kill();
        redis.restart_from_snapshot();
        service.restart().await;
        let pair = Pair { watched: pair.watched.seen_by(&service), left_alone: pair.left_alone.seen_by(&service) };
        pair.assert_fresh_until_redis_is_used_again(&service, &redis).await;
    }
}

/// A hanging Redis accepts commands without answering and executes them later: an old value in flight must not arrive
/// after the write that replaced it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_while_redis_hangs_is_not_undone_when_it_resumes() {
    let redis = RedisServer::start();
    for backend in ["redis", "tiered"] {
        let service = settled(backend, &redis).await;
        let pair = Pair::in_redis(&service, &redis).await;
        let late = History::of(&service, &create_named(&service, "On its way when Redis hangs").await);
        redis.pause();
        late.read_product().await;
        late.write().await;
        pair.write().await;
        redis.resume();
        pair.assert_fresh_until_redis_is_used_again(&service, &redis).await;
        late.read().await;
    }
}

/// A service with that backend. Returns when it uses its Redis, if it has one.
async fn settled(backend: &str, redis: &RedisServer) -> Service {
    // Its database is new, so Redis must not hold entries of an earlier one.
    redis.restart();
    let service = hotshelf().backend(backend).redis(redis).start().await;
    if matches!(backend, "redis" | "tiered") {
        wait_for_redis(&service, "up").await;
    }
    service
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_product_stays_deleted() {
    let redis = RedisServer::start();
    for backend in ["memory", "redis", "tiered", "none"] {
        let service = settled(backend, &redis).await;
        for _ in 0..20 {
            let product = create(&service, &laptop()).await;
            let beside: Vec<_> = (0..4).map(|_| tokio::spawn(service.get(&path(&product)).into_future())).collect();
            delete(&service, &product).await;
            service.get(&path(&product)).await.expect(404);
            for reader in beside {
                // These reads ran during the delete and may see either state; their fills must not be served later.
                reader.await.unwrap();
            }
            service.get(&path(&product)).await.expect(404);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_created_product_is_found_after_earlier_misses() {
    let redis = RedisServer::start();
    for backend in ["memory", "redis", "tiered", "none"] {
        let service = settled(backend, &redis).await;
        for id in 1..=20 {
            let asked = format!("/api/v1/products/{id}");
            let early: Vec<_> = (0..4).map(|_| tokio::spawn(service.get(&asked).into_future())).collect();
            let product = create(&service, &laptop()).await;
            assert_eq!(product["id"], id);
            assert_eq!(read(&service, &product).await, product);
            for reader in early {
                reader.await.unwrap();
            }
            assert_eq!(read(&service, &product).await, product);
        }
    }
}
