//! The process dies at each step of a write. Afterwards, whoever reads, there or after a restart, reads what the database
//! has; and nothing stays barred for longer than a fence lasts.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::Duration;

use hotshelf_testkit::catalogue::{PRODUCTS, create_named, lookup, path, read, update, wait_for_redis};
use hotshelf_testkit::{Client, PATIENCE, RedisServer, Request, Service, ServiceBuilder, wait_until};
use serde_json::{Value, json};

use crate::hotshelf;
use crate::instances::{cache_status, state, with};
use crate::outsider::Outsider;

const SIGABRT: i32 = 6;
/// In milliseconds.
const FENCE_LIFE: i64 = 30_000;
const STEPS: [&str; 5] = ["before-fence", "after-fence", "after-commit", "after-release", "before-ack"];
const STRATEGIES: [&str; 2] = ["invalidate", "write_through"];
/// `./test.sh --long` waits for the end of fences instead of hurrying it up.
const LONG: &str = "HOTSHELF_LONG";

/// What the write is that does not survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Create,
    Update,
    Delete,
}

/// Who is left to look at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Survivor {
    /// The process starts again, with memory alone.
    RestartedWithoutRedis,
    /// The process starts again, on the same Redis.
    Restarted,
    /// Another instance beside it; and then the process starts again.
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

    /// The write that is under way when the process dies.
    fn write(&self, client: &Client, product: &Value) -> Request {
        match self.kind {
            Kind::Create => client.post(PRODUCTS).json(&json!({"name": "Second", "price": 1})),
            Kind::Update => client.put(&path(product)).json(&json!({"stock": 77})),
            Kind::Delete => client.delete(&path(product)),
        }
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
            if !self.is_committed() || self.kind != Kind::Delete {
                let last = update(service, &product, &json!({"stock": 99})).await;
                assert_eq!(read(service, &product).await, last, "{what}");
            }
        }
    }

    async fn agrees_with_the_database(&self, service: &Service, product: &Value, what: &str) {
        for path in [path(product), format!("{PRODUCTS}/2"), PRODUCTS.to_owned()] {
            let truth = service.get(&path).header("cache-control", "no-cache").await;
            for _ in 0..3 {
                let reply = service.get(&path).await;
                assert_eq!(content(&reply), content(&truth), "{what}: {path}");
            }
        }
        let truth = service.get(&path(product)).header("cache-control", "no-cache").await;
        match (self.kind, self.is_committed()) {
            (Kind::Delete, true) => assert_eq!(truth.status, 404, "{what}"),
            (Kind::Update, true) => assert_eq!(truth.json()["product"]["stock"], 77, "{what}"),
            _ => assert_eq!(truth.json()["product"], *product, "{what}"),
        }
    }
}

/// What the answer says, apart from where it comes from.
fn content(reply: &hotshelf_testkit::Reply) -> (u16, Value, Value) {
    let mut body = reply.json();
    (reply.status, body["product"].take(), body["products"].take())
}

/// Puts it into all caches: the product, that there is no second one, the page.
async fn look_at_everything(service: &Service, product: &Value) {
    for _ in 0..2 {
        lookup(service, product).await;
        service.get(&format!("{PRODUCTS}/2")).await.expect(404);
        service.get(PRODUCTS).await.expect(200);
    }
    assert!(cache_status(&lookup(service, product).await).starts_with("hotshelf; hit"));
}

/// What the dead left in Redis ends by itself: waited for in the long run, otherwise brought about.
async fn fences_end(redis: &RedisServer, what: &str) {
    let barring = || {
        let keys = redis.keys("product:*").into_iter();
        keys.filter(|key| "LWF".contains(state(redis, key))).collect::<Vec<_>>()
    };
    for key in barring() {
        let left = redis.command(&["PTTL", &key]).integer();
        assert!((1..=FENCE_LIFE).contains(&left), "{what}: {key} ends in {left} ms");
        if std::env::var_os(LONG).is_none() {
            redis.command(&["PEXPIRE", &key, "1"]);
        }
    }
    wait_until("fences end", Duration::from_secs(31), async || barring().is_empty()).await;
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
async fn a_delete_and_a_restart() {
    at_each_step(Kind::Delete, Survivor::Restarted, &STRATEGIES[..1]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delete_beside_another_instance() {
    at_each_step(Kind::Delete, Survivor::Other, &STRATEGIES[..1]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_create_and_a_restart() {
    at_each_step(Kind::Create, Survivor::Restarted, &STRATEGIES[..1]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_create_beside_another_instance() {
    at_each_step(Kind::Create, Survivor::Other, &STRATEGIES[..1]).await;
}

/// What others read in the middle of a create that dies after its commit was right when they read it, and may be served
/// for as long as the generation lasts that the writer had set by then. Nobody was told that the product exists.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_read_in_the_middle_of_a_create_that_dies_ends_with_its_generation() {
    const GENERATION: &str = "product:{gen}:products";
    let (redis, directory) = (RedisServer::start(), tempfile::tempdir().unwrap());
    let crash = Crash { kind: Kind::Create, step: "after-commit", strategy: "invalidate", survivor: Survivor::Other };
    let database = directory.path().join("products.db");
    // Without memory, whose copies nobody could hurry up.
    let other = crash.ready(crash.service(&database, &redis).backend("redis")).await;
    let product = create_named(&other, "First").await;
    let mut doomed = crash.ready(crash.service(&database, &redis).env("HOTSHELF_TEST_CRASH_AT", crash.step)).await;
    let mut outsider = Outsider::on_database(&database);
    outsider.hold_writes_up();
    let before = redis.get(GENERATION);
    let creating = tokio::spawn(crash.write(&doomed, &product).try_send());
    wait_until("the write has begun", PATIENCE, async || redis.get(GENERATION) != before).await;
    look_at_everything(&other, &product).await;
    outsider.let_write();
    assert!(creating.await.unwrap().is_err(), "it was acknowledged");
    assert_eq!(doomed.exit(PATIENCE).await.signal(), Some(SIGABRT));

    let left = redis.command(&["PTTL", GENERATION]).integer();
    assert!((1..=FENCE_LIFE).contains(&left), "the generation ends in {left} ms");
    if std::env::var_os(LONG).is_none() {
        redis.command(&["PEXPIRE", GENERATION, "1"]);
    }
    wait_until("the generation ends", Duration::from_secs(31), async || redis.get(GENERATION).is_none()).await;
    crash.agrees_with_the_database(&other, &product, "after the end of the generation").await;
    other.get(&format!("{PRODUCTS}/2")).await.expect(200);
}
