//! The control: an ordinary plain cache-aside, in which the same checker must find stale reads. It is a fair one: it
//! sets a TTL for each value, deletes the values of its writes from memory and Redis, has timeouts for Redis, and
//! reconnects. It lacks only the protocol of the service.
//!
//! Read: look up in memory, look up in Redis, load, set both. Write: commit, delete both.

mod http;

use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fred::clients::Client as Redis;
use fred::interfaces::{ClientLike, KeysInterface};
use fred::types::Expiration;
use fred::types::config::{Config, ConnectionConfig, PerformanceConfig, ReconnectPolicy};
use hotshelf_testkit::Client;
use serde::{Deserialize, Serialize};
use tokio::runtime::Runtime;
use tokio::time::sleep;

/// The timeout of the service.
const LIFE: i64 = 300;
const COMMAND_TIMEOUT: Duration = Duration::from_millis(100);
const RECONNECT_EVERY_MS: u32 = 100;

#[derive(Clone, Copy, Debug)]
pub(crate) struct PlainOptions {
    /// The TTL of a value in memory.
    pub(crate) memory_life: Duration,
    /// The longest time of a database read.
    pub(crate) load: Duration,
    /// The time between the commit and the delete of the values.
    pub(crate) hesitation: Duration,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Product {
    id: i64,
    name: String,
    stock: i64,
    version: i64,
}

/// The database: its state is committed, and survives every instance.
#[derive(Default)]
pub(crate) struct Truth {
    products: Mutex<(i64, BTreeMap<i64, Product>)>,
}

impl Truth {
    fn find(&self, id: i64) -> Option<Product> {
        self.products.lock().unwrap().1.get(&id).cloned()
    }

    /// A page, and the total.
    fn page(&self, offset: usize, limit: usize) -> (Vec<Product>, usize) {
        let products = &self.products.lock().unwrap().1;
        (products.values().skip(offset).take(limit).cloned().collect(), products.len())
    }

    fn create(&self, name: String, stock: i64) -> Product {
        let (last, products) = &mut *self.products.lock().unwrap();
        *last += 1;
        let product = Product { id: *last, name, stock, version: 1 };
        products.insert(*last, product.clone());
        product
    }

    fn update(&self, id: i64, stock: i64) -> Option<Product> {
        let products = &mut self.products.lock().unwrap().1;
        let product = products.get_mut(&id)?;
        product.stock = stock;
        product.version += 1;
        Some(product.clone())
    }

    fn delete(&self, id: i64) -> bool {
        self.products.lock().unwrap().1.remove(&id).is_some()
    }
}

/// The cache-aside itself.
struct Aside {
    truth: Arc<Truth>,
    redis: Redis,
    memory: Mutex<HashMap<i64, (Instant, Product)>>,
    options: PlainOptions,
}

impl Aside {
    async fn read(&self, id: i64) -> Option<Product> {
        if let Some((until, product)) = self.memory.lock().unwrap().get(&id)
            && Instant::now() < *until
        {
            return Some(product.clone());
        }
        // If Redis fails, it reads from the database.
        if let Ok(Some(copy)) = self.redis.get::<Option<String>, _>(key(id)).await {
            let product: Product = serde_json::from_str(&copy).unwrap();
            self.remember(&product);
            return Some(product);
        }
        let product = self.load(id).await?;
        let copy = serde_json::to_string(&product).unwrap();
        let _: Result<(), _> = self.redis.set(key(id), copy, Some(Expiration::EX(LIFE)), None, false).await;
        self.remember(&product);
        Some(product)
    }

    async fn load(&self, id: i64) -> Option<Product> {
        let product = self.truth.find(id);
        sleep(self.options.load.mul_f64(rand::random_range(0.0..=1.0))).await;
        product
    }

    fn remember(&self, product: &Product) {
        let until = Instant::now() + self.options.memory_life;
        self.memory.lock().unwrap().insert(product.id, (until, product.clone()));
    }

    /// Called after each commit. A failure of Redis is ignored, because the write has happened.
    async fn invalidate(&self, id: i64) {
        sleep(self.options.hesitation).await;
        let _: Result<(), _> = self.redis.del(key(id)).await;
        self.memory.lock().unwrap().remove(&id);
    }
}

fn key(id: i64) -> String {
    format!("plain:{id}")
}

/// One instance. It ends when it is dropped.
pub(crate) struct Plain {
    truth: Arc<Truth>,
    redis_url: String,
    options: PlainOptions,
    /// The runtime of the instance: without it, every request stops at once.
    runtime: Option<Runtime>,
    client: Client,
}

impl Plain {
    pub(crate) fn start(redis: &str, truth: Arc<Truth>, options: PlainOptions) -> Self {
        let redis_url = format!("redis://{redis}");
        let (runtime, client) = launch(&redis_url, &truth, options);
        Plain { truth, redis_url, options, runtime: Some(runtime), client }
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) fn kill(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }

    pub(crate) fn restart(&mut self) {
        self.kill();
        let (runtime, client) = launch(&self.redis_url, &self.truth, self.options);
        (self.runtime, self.client) = (Some(runtime), client);
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        self.kill();
    }
}

fn launch(redis_url: &str, truth: &Arc<Truth>, options: PlainOptions) -> (Runtime, Client) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    // Bound here, so that clients can connect at once.
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.set_nonblocking(true).unwrap();
    let client = Client::new(listener.local_addr().unwrap());
    let truth = Arc::clone(truth);
    let redis_url = redis_url.to_owned();
    runtime.spawn(async move {
        let redis = connect(&redis_url);
        let aside = Aside { truth, redis, memory: Mutex::default(), options };
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        axum::serve(listener, http::router(Arc::new(aside))).await.unwrap();
    });
    (runtime, client)
}

/// It reconnects in the background without end.
fn connect(url: &str) -> Redis {
    let performance = PerformanceConfig { default_command_timeout: COMMAND_TIMEOUT, ..PerformanceConfig::default() };
    let connection = ConnectionConfig { max_command_attempts: 1, ..ConnectionConfig::default() };
    let policy = ReconnectPolicy::new_constant(0, RECONNECT_EVERY_MS);
    let redis = Redis::new(Config::from_url(url).unwrap(), Some(performance), Some(connection), Some(policy));
    redis.connect();
    redis
}
