//! The process dies at each step of a write. Afterwards every read, on another instance or after a restart, agrees with
//! the database, and no entry stays blocked for longer than the TTL of a fence.

mod interrupted;

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::Duration;

use hotshelf_testkit::catalogue::{PRODUCTS, create_named, numbers, path, read, update, wait_for_redis};
use hotshelf_testkit::{Client, PATIENCE, RedisServer, Request, Service, ServiceBuilder, wait_until};
use serde_json::{Value, json};

use crate::hotshelf;
use crate::instances::{cache_status, state, with};

const SIGABRT: i32 = 6;
/// In milliseconds.
const FENCE_LIFE: i64 = 30_000;
const STEPS: [&str; 5] = ["before-fence", "after-fence", "after-commit", "after-release", "before-ack"];
const IMAGE: &str = "https://images.example/1";
const IDS: &str = "/api/v1/organizations/1/product-ids";
const BY_PRICE: &str = "/api/v1/organizations/1/products?order=-price";
/// The product of a create.
const UNKNOWN: &str = "/api/v1/products/3";
const GENERATIONS: &str = "product:{gen}:";
const STRATEGIES: [&str; 2] = ["invalidate", "write_through"];
/// `./test.sh --long` waits until fences expire; otherwise the test makes them expire early.
const LONG: &str = "HOTSHELF_LONG";

/// The interrupted write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Create,
    Update,
    PutDetails,
    Delete,
    BulkDelete,
}

/// The instance that reads afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Survivor {
    /// The process is restarted, with memory alone.
    RestartedWithoutRedis,
    /// The process is restarted, on the same Redis.
    Restarted,
    /// Another instance on the same database; then the process is restarted.
    Other,
}

struct Crash {
    kind: Kind,
    step: &'static str,
    strategy: &'static str,
    survivor: Survivor,
}

impl Crash {
    fn service(&self, database: &Path, redis: &RedisServer) -> ServiceBuilder {
        let service = with(hotshelf(), &[("CACHE_WRITE_STRATEGY", self.strategy), ("AUDIT_RATE", "0")]);
        match self.survivor {
            Survivor::RestartedWithoutRedis => service.backend("memory").database(database),
            Survivor::Restarted => service.redis(redis).database(database),
            Survivor::Other => service.redis(redis).shared_db(database),
        }
    }

    async fn ready(&self, builder: ServiceBuilder) -> Service {
        let service = builder.start().await;
        if self.survivor != Survivor::RestartedWithoutRedis {
            wait_for_redis(&service, "up").await;
        }
        service
    }

    /// The write in flight when the process dies.
    fn write(&self, client: &Client, product: &Value) -> Request {
        match self.kind {
            Kind::Create => client.post(PRODUCTS).json(&json!({"name": "Third", "price": 1})),
            Kind::Update => client.put(&path(product)).json(&json!({"stock": 77, "price": 77})),
            Kind::PutDetails => client.put(&details(product)).json(&json!({"images": [{"url": IMAGE}]})),
            Kind::Delete => client.delete(&path(product)),
            Kind::BulkDelete => client.post(&format!("{PRODUCTS}/bulk-delete")).json(&json!({"ids": [1, 2]})),
        }
    }

    fn deletes(&self) -> bool {
        matches!(self.kind, Kind::Delete | Kind::BulkDelete)
    }

    fn is_committed(&self) -> bool {
        !matches!(self.step, "before-fence" | "after-fence")
    }

    async fn happens(self, redis: &RedisServer) {
        let what = format!("{:?}, {}, {}, {:?}", self.kind, self.step, self.strategy, self.survivor);
        redis.restart();
        let directory = tempfile::tempdir().unwrap();
        let database = directory.path().join("products.db");
        let mut before = self.ready(self.service(&database, redis)).await;
        let product = create_named(&before, "First").await;
        create_named(&before, "Second").await;
        look_at_everything(&before, &product).await;
        let other = match self.survivor {
            Survivor::Other => Some(before),
            _ => {
                assert!(before.terminate().await.success());
                None
            }
        };

        let mut doomed = self.ready(self.service(&database, redis).env("HOTSHELF_TEST_CRASH_AT", self.step)).await;
        look_at_everything(&doomed, &product).await;
        assert!(self.write(&doomed, &product).try_send().await.is_err(), "{what}: it was acknowledged");
        assert_eq!(doomed.exit(PATIENCE).await.signal(), Some(SIGABRT), "{what}");

        if let Some(other) = &other {
            self.agrees_with_the_database(other, &product, &what).await;
        }
        let restarted = self.ready(self.service(&database, redis)).await;
        self.agrees_with_the_database(&restarted, &product, &what).await;
        if self.survivor != Survivor::RestartedWithoutRedis {
            fences_end(redis, &what).await;
        }
        for service in other.iter().chain([&restarted]) {
            let bystander = create_named(service, "Bystander").await;
            assert_eq!(read(service, &bystander).await, bystander, "{what}");
            let page = service.get(&format!("{PRODUCTS}?search=bystander&order=-price")).await.json();
            assert!(page["products"].as_array().unwrap().contains(&bystander), "{what}: {page}");
            if !self.is_committed() || !self.deletes() {
                let last = update(service, &product, &json!({"stock": 99})).await;
                assert_eq!(read(service, &product).await, last, "{what}");
                assert_eq!(service.get(&details(&product)).await.json()["product"], last, "{what}");
            }
        }
    }

    async fn agrees_with_the_database(&self, service: &Service, product: &Value, what: &str) {
        for target in everything(product).iter().map(String::as_str).chain([UNKNOWN]) {
            let truth = service.get(target).header("cache-control", "no-cache").await;
            for _ in 0..3 {
                let reply = service.get(target).await;
                assert_eq!(content(&reply), content(&truth), "{what}: {target}");
            }
        }
        let truth = async |target: &str| service.get(target).header("cache-control", "no-cache").await;
        let (found, ids) = (truth(&path(product)).await, numbers(&truth(IDS).await.json()["ids"]));
        let ids_after = match (self.kind, self.is_committed()) {
            (Kind::Create, true) => &[1, 2, 3][..],
            (Kind::Delete, true) => &[2],
            (Kind::BulkDelete, true) => &[],
            _ => &[1, 2],
        };
        assert_eq!(ids, ids_after, "{what}");
        match (self.kind, self.is_committed()) {
            (Kind::Delete | Kind::BulkDelete, true) => assert_eq!(found.status, 404, "{what}"),
            (Kind::Update, true) => assert_eq!(found.json()["product"]["stock"], 77, "{what}"),
            (Kind::PutDetails, true) => {
                assert_eq!(truth(&details(product)).await.json()["images"][0]["url"], IMAGE, "{what}");
            }
            _ => assert_eq!(found.json()["product"], *product, "{what}"),
        }
    }
}

/// The content of the answer, without its source.
fn content(reply: &hotshelf_testkit::Reply) -> (u16, Value) {
    let mut body = reply.json();
    if let Some(fields) = body.as_object_mut() {
        fields.retain(|name, _| !matches!(name.as_str(), "from_cache" | "duration_ms" | "request_id"));
    }
    (reply.status, body)
}

fn details(product: &Value) -> String {
    format!("{}/details", path(product))
}

/// All cached paths that depend on the product.
fn everything(product: &Value) -> Vec<String> {
    let lists = [PRODUCTS, BY_PRICE, "/api/v1/products?search=first", "/api/v1/products?min_price=50", IDS];
    [path(product), details(product)].into_iter().chain(lists.map(str::to_owned)).collect()
}

/// Fills all caches: the product, the negative entry of a third one, the lists.
async fn look_at_everything(service: &Service, product: &Value) {
    for _ in 0..2 {
        for target in everything(product) {
            service.get(&target).await.expect(200);
        }
        service.get(UNKNOWN).await.expect(404);
    }
    for target in everything(product) {
        assert!(cache_status(&service.get(&target).await).starts_with("hotshelf; hit"), "{target}");
    }
}

/// Fences that the killed process left in Redis expire: the long run waits, otherwise the test makes them expire.
async fn fences_end(redis: &RedisServer, what: &str) {
    let barring = || {
        // Generations are left out: they are random bytes, which may begin with any letter. So are rate limits, whose
        // keys are no strings.
        let is_entry = |key: &String| !key.starts_with(GENERATIONS) && !key.starts_with("product:ratelimit:");
        let entries = redis.keys("product*").into_iter().filter(is_entry);
        entries.filter(|key| "LWF".contains(state(redis, key))).collect::<Vec<_>>()
    };
    for key in barring() {
        let left = redis.command(&["PTTL", &key]).integer();
        assert!((1..=FENCE_LIFE).contains(&left), "{what}: {key} ends in {left} ms");
        if std::env::var_os(LONG).is_none() {
            redis.command(&["PEXPIRE", &key, "1"]);
        }
    }
    wait_until("the fences expire", Duration::from_secs(31), async || barring().is_empty()).await;
}

async fn at_each_step(kind: Kind, survivor: Survivor, strategies: &[&'static str]) {
    let redis = RedisServer::start();
    for step in STEPS {
        for &strategy in strategies {
            Crash { kind, step, strategy, survivor }.happens(&redis).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_and_a_restart_without_redis() {
    at_each_step(Kind::Update, Survivor::RestartedWithoutRedis, &STRATEGIES).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_and_a_restart() {
    at_each_step(Kind::Update, Survivor::Restarted, &STRATEGIES).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_beside_another_instance() {
    at_each_step(Kind::Update, Survivor::Other, &STRATEGIES).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_details_and_a_restart() {
    at_each_step(Kind::PutDetails, Survivor::Restarted, &STRATEGIES[1..]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_details_beside_another_instance() {
    at_each_step(Kind::PutDetails, Survivor::Other, &STRATEGIES).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delete_and_a_restart() {
    at_each_step(Kind::Delete, Survivor::Restarted, &STRATEGIES[..1]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delete_beside_another_instance() {
    at_each_step(Kind::Delete, Survivor::Other, &STRATEGIES).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bulk_delete_and_a_restart() {
    at_each_step(Kind::BulkDelete, Survivor::Restarted, &STRATEGIES[1..]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bulk_delete_beside_another_instance() {
    at_each_step(Kind::BulkDelete, Survivor::Other, &STRATEGIES).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_create_and_a_restart() {
    at_each_step(Kind::Create, Survivor::Restarted, &STRATEGIES[..1]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_create_beside_another_instance() {
    at_each_step(Kind::Create, Survivor::Other, &STRATEGIES).await;
}
