//! What the protocol costs in round trips to Redis: a miss two, a write two, a hit in memory none.

use std::time::{Duration, Instant};

use hotshelf_testkit::catalogue::{
    PRODUCTS, create, create_named, delete, laptop, lookup, read, update, wait_for_redis,
};
use hotshelf_testkit::{Network, Proxy, RedisServer, Service};
use serde_json::json;

use crate::hotshelf;
use crate::instances::{alone, cache_status, entry};

/// One way through the slowed network.
const ONE_WAY: Duration = Duration::from_millis(150);
/// Of several tries the fastest one counts: what a busy machine adds is no round trip.
const TRIES: usize = 3;

/// Behind a network on which round trips are all that takes time.
struct Slowed {
    service: Service,
    network: Proxy,
    _redis: RedisServer,
}

impl Slowed {
    async fn start(strategy: &str) -> Self {
        let redis = RedisServer::start();
        let network = Proxy::start(redis.address()).await;
        let service = hotshelf()
            .backend("redis")
            .env("REDIS_ADDR", network.address())
            .env("REDIS_COMMAND_TIMEOUT", "5s")
            .env("REDIS_CONNECT_TIMEOUT", "5s")
            .env("CACHE_WRITE_STRATEGY", strategy)
            .env("AUDIT_RATE", 0);
        let service = service.start().await;
        wait_for_redis(&service, "up").await;
        Slowed { service, network, _redis: redis }
    }

    /// How many round trips the fastest of these took, whole ones.
    async fn round_trips(&self, mut work: impl AsyncFnMut(&Service)) -> u32 {
        self.network.set(Network::Slow(ONE_WAY));
        let mut fastest = Duration::MAX;
        for _ in 0..TRIES {
            let begin = Instant::now();
            work(&self.service).await;
            fastest = fastest.min(begin.elapsed());
        }
        self.network.set(Network::Whole);
        (fastest.as_secs_f64() / (ONE_WAY * 2).as_secs_f64()) as u32
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_costs_two_round_trips() {
    for strategy in ["invalidate", "write_through"] {
        let slowed = Slowed::start(strategy).await;
        let product = create(&slowed.service, &laptop()).await;
        let updating = async |service: &Service| drop(update(service, &product, &json!({"stock": 1})).await);
        assert_eq!(slowed.round_trips(updating).await, 2, "an update, {strategy}");
        let creating = async |service: &Service| drop(create(service, &laptop()).await);
        assert_eq!(slowed.round_trips(creating).await, 2, "a create, {strategy}");
        let mut doomed = Vec::new();
        for _ in 0..TRIES {
            doomed.push(create(&slowed.service, &laptop()).await);
        }
        let deleting = async |service: &Service| delete(service, &doomed.pop().unwrap()).await;
        assert_eq!(slowed.round_trips(deleting).await, 2, "a delete, {strategy}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_miss_costs_two_round_trips_and_a_hit_one() {
    let slowed = Slowed::start("invalidate").await;
    let mut products = Vec::new();
    for number in 0..TRIES {
        products.push(create_named(&slowed.service, &format!("Product {number}")).await);
    }
    let mut cold = products.clone();
    let missing = async |service: &Service| {
        let reply = lookup(service, &cold.pop().unwrap()).await;
        assert_eq!(cache_status(&reply), "hotshelf; fwd=miss; stored");
    };
    assert_eq!(slowed.round_trips(missing).await, 2, "a miss");
    let hitting = async |service: &Service| drop(read(service, &products[0]).await);
    assert_eq!(slowed.round_trips(hitting).await, 1, "a hit");
    let mut unknown = 100;
    let nothing = async |service: &Service| {
        unknown += 1;
        service.get(&format!("{PRODUCTS}/{unknown}")).await.expect(404);
    };
    assert_eq!(slowed.round_trips(nothing).await, 2, "a miss of what does not exist");
    let mut limit = 10;
    let page = async |service: &Service| {
        limit += 1;
        service.get(&format!("{PRODUCTS}?limit={limit}")).await.expect(200);
    };
    // Two for the page itself, and one for all its products.
    assert_eq!(slowed.round_trips(page).await, 3, "a miss of a page");
}

/// The same, counted in commands.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_miss_is_two_commands_a_write_two_and_a_hit_in_memory_none() {
    let redis = RedisServer::start();
    let service = alone("tiered", &redis, &[("AUDIT_RATE", "0")]).await;
    let product = create(&service, &laptop()).await;
    let mut monitor = redis.monitor();
    let mut commands = || {
        let commands = monitor.commands_with(&format!("{:?}", entry(&product)));
        commands.into_iter().filter(|command| !command.contains(" lua] ")).collect::<Vec<_>>()
    };
    read(&service, &product).await;
    let sent = commands();
    assert_eq!(sent.len(), 2, "a miss: {sent:#?}");
    for _ in 0..10 {
        read(&service, &product).await;
    }
    assert_eq!(commands(), Vec::<String>::new(), "hits in memory");
    update(&service, &product, &json!({"stock": 1})).await;
    let sent = commands();
    assert_eq!(sent.len(), 2, "a write: {sent:#?}");
}
