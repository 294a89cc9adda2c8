//! The round trips of the protocol to Redis: a miss takes two, a write two, a hit in memory none. Operations on many
//! products take round trips per some hundred entries, not per entry.

use std::time::{Duration, Instant};

use hotshelf_testkit::catalogue::{
    PRODUCTS, create, create_many, create_named, delete, laptop, lookup, path, read, update, wait_for_redis,
};
use hotshelf_testkit::{Network, Proxy, RedisServer, Reply, Service};
use serde_json::{Value, json};

use crate::hotshelf;
use crate::instances::{alone, cache_status, entry};

/// The delay of the slowed network in one direction.
const ONE_WAY: Duration = Duration::from_millis(150);
/// The same for tests with many round trips.
const SHORT_WAY: Duration = Duration::from_millis(50);
/// The fastest of several attempts counts, because a busy machine adds delays.
const TRIES: usize = 3;

/// A service behind a network so slow that only round trips take time.
struct Slowed {
    service: Service,
    network: Proxy,
    redis: RedisServer,
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
        Slowed { service, network, redis }
    }

    /// The number of whole round trips of the fastest attempt.
    async fn round_trips(&self, work: impl AsyncFnMut(&Service)) -> u32 {
        self.round_trips_over(ONE_WAY, TRIES, work).await
    }

    async fn round_trips_over(&self, one_way: Duration, tries: usize, mut work: impl AsyncFnMut(&Service)) -> u32 {
        self.network.set(Network::Slow(one_way));
        let mut fastest = Duration::MAX;
        for _ in 0..tries {
            let begin = Instant::now();
            work(&self.service).await;
            fastest = fastest.min(begin.elapsed());
        }
        self.network.set(Network::Whole);
        (fastest.as_secs_f64() / (one_way * 2).as_secs_f64()) as u32
    }

    /// Caches the product, its details and two lists in Redis, with the entries on which they depend.
    async fn is_in_use(&self, product: &Value) {
        for target in [details(product), path(product), IDS.to_owned(), PAGE.to_owned()] {
            self.service.get(&target).await.expect(200);
        }
    }
}

const IDS: &str = "/api/v1/organizations/1/product-ids";
const PAGE: &str = "/api/v1/organizations/1/products?order=-price";

fn details(product: &Value) -> String {
    format!("{}/details", path(product))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_costs_two_round_trips() {
    for strategy in ["invalidate", "write_through"] {
        let slowed = Slowed::start(strategy).await;
        let product = create(&slowed.service, &laptop()).await;
        slowed.is_in_use(&product).await;
        let mut number = 0;
        let updating = async |service: &Service| {
            number += 1;
            update(service, &product, &json!({"name": format!("Laptop {number}"), "price": number, "stock": number}))
                .await;
        };
        assert_eq!(slowed.round_trips(updating).await, 2, "an update of all that lists look at, {strategy}");
        let putting = async |service: &Service| {
            let images = json!({"images": [{"url": "https://images.example/1"}]});
            service.put(&details(&product)).json(&images).await.expect(200);
        };
        assert_eq!(slowed.round_trips(putting).await, 2, "new details, {strategy}");
    }
}

/// With the write-through strategy, a create stores the product. Its id could not be fenced, so the entry is looked up
/// and filled. Sets of ids that are in use are looked up before the write and loaded after it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_create_or_delete_costs_two_round_trips_and_write_through_more() {
    for (strategy, creation, deletion) in [("invalidate", 2, 2), ("write_through", 5, 3)] {
        let slowed = Slowed::start(strategy).await;
        let creating = async |service: &Service| drop(create(service, &laptop()).await);
        assert_eq!(slowed.round_trips(creating).await, creation, "a create, {strategy}");
        let mut doomed = Vec::new();
        for _ in 0..TRIES {
            doomed.push(create(&slowed.service, &laptop()).await);
        }
        let deleting = async |service: &Service| delete(service, &doomed.pop().unwrap()).await;
        assert_eq!(slowed.round_trips(deleting).await, deletion, "a delete, {strategy}");
    }
}

/// Creates this many products.
async fn many(service: &Service, count: usize) -> Vec<i64> {
    create_many(service, &vec![json!({"name": "One of many", "price": 1, "category": "Many"}); count]).await
}

/// The largest bulk delete: thousands of entries, fenced and released in batches of some hundred.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bulk_delete_costs_round_trips_per_batch() {
    for strategy in ["invalidate", "write_through"] {
        let slowed = Slowed::start(strategy).await;
        let mut counted = Vec::new();
        for (count, tries) in [(100, TRIES), (1_000, 1)] {
            let mut doomed = Vec::new();
            for _ in 0..tries {
                doomed.push(many(&slowed.service, count).await);
            }
            let deleting = async |service: &Service| {
                let ids = doomed.pop().unwrap();
                let reply =
                    service.post(&format!("{PRODUCTS}/bulk-delete")).json(&json!({"ids": ids})).await.expect(200);
                assert_eq!(reply.json()["deleted"], json!(ids));
            };
            counted.push(slowed.round_trips_over(SHORT_WAY, tries, deleting).await);
        }
        println!("bulk deletes of 100 and 1,000, {strategy}: {counted:?} round trips");
        // Fences and tags, before the commit and after it. The work itself takes at least half the time of a round
        // trip.
        assert!((3..=6).contains(&counted[0]) && counted[1] <= 40, "{counted:?}, {strategy}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bulk_create_costs_no_more_round_trips_than_a_create() {
    let slowed = Slowed::start("invalidate").await;
    let creating = async |service: &Service| drop(many(service, 200).await);
    assert_eq!(slowed.round_trips(creating).await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn products_by_their_ids_cost_the_round_trips_of_one_product() {
    let slowed = Slowed::start("invalidate").await;
    let ids = many(&slowed.service, 500).await;
    let list: Vec<_> = ids.iter().map(i64::to_string).collect();
    let target = format!("{PRODUCTS}?ids={}", list.join(","));
    let reading = async |status: &str| {
        let reply: Reply = slowed.service.get(&target).await.expect(200);
        assert_eq!(reply.json()["products"].as_array().unwrap().len(), ids.len());
        assert_eq!(cache_status(&reply), status);
    };
    let cold = async |_: &Service| {
        slowed.redis.command(&["FLUSHALL"]);
        reading("hotshelf; fwd=miss; stored").await;
    };
    // Faster than a second: after that, memory would answer with values that were filled in the meantime.
    let cold = slowed.round_trips_over(ONE_WAY * 2 / 3, TRIES, cold).await;
    let warm = slowed.round_trips(async |_: &Service| drop(slowed.service.get(&target).await.expect(200))).await;
    println!("500 products by their ids: {cold} round trips cold, {warm} warm");
    // One finds nothing, one sets the leases, one fills. The work itself takes at least half the time of a round trip.
    assert!((3..=5).contains(&cold) && (1..=2).contains(&warm), "{cold} cold, {warm} warm");
    let mut monitor = slowed.redis.monitor();
    slowed.service.get(&target).await.expect(200);
    let commands = monitor.commands_with("product:id:");
    assert!(commands.len() == 1 && commands[0].contains(r#""MGET""#), "one command for all: {commands:?}");
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
    let mut of_organization = async |order: &str, search: &str| {
        let page = async |service: &Service| {
            limit += 1;
            let target = format!("/api/v1/organizations/1/products?limit={limit}&order={order}&search={search}");
            service.get(&target).await.expect(200);
            slowed.redis.command(&["DEL", &format!("product:total:org=1:search={search}")]);
        };
        slowed.round_trips(page).await
    };
    assert_eq!(of_organization("-price", "").await, 3, "a miss of a page by price");
    assert_eq!(of_organization("-price", "product").await, 5, "a miss of a page and of what has to be counted for it");
    let with_details = async |service: &Service| {
        service.get(&details(&products[1])).await.expect(200);
        slowed.redis.command(&["DEL", &format!("product:{}:details", products[1]["id"])]);
    };
    assert_eq!(slowed.round_trips(with_details).await, 2, "a miss of details");
    let ids = async |service: &Service| {
        service.get(IDS).await.expect(200);
        slowed.redis.command(&["DEL", "product:org:1:products"]);
    };
    assert_eq!(slowed.round_trips(ids).await, 2, "a miss of all ids");
}

/// The same, counted as commands.
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
