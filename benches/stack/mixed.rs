//! The load of a shop: many reads of few products, some lists, some updates. Against an ordinary plain cache-aside,
//! which deletes all lists at every write: the gain of tags.

pub(crate) mod aside;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use hotshelf_testkit::Client;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;

use crate::bare::BareProcess;
use crate::catalogue::Catalogue;
use crate::failure::Failure;
use crate::load::Workload;
use crate::report::{Aim, Comparison};
use crate::rounds::{self, Contender, Plan};
use crate::service::{self, BINARY, Running};

const PRODUCTS: usize = 1_000;
const PAGE: usize = 20;
/// The number of prepared requests, from which the load picks.
const REQUESTS: usize = 50_000;
/// The same in every run.
const SEED: u64 = 1;

pub(crate) async fn run(plan: &Plan) -> Result<Comparison, Failure> {
    let (running, theirs) = (start(Path::new(BINARY)).await?, Catalogue::with(Path::new(BINARY), PRODUCTS)?);
    let aside = BareProcess::start("aside", theirs.database())?;
    let contenders = [
        Contender::service("hotshelf, memory tier", &running),
        Contender::bare("axum, moka, diesel: plain cache-aside", &aside, &running.workload),
    ];
    let measured = rounds::in_turns(plan, &contenders).await?;
    for (series, address) in measured.servers.iter().zip([running.service.address(), aside.address]) {
        let [products, lists] = hit_rates(address).await?;
        let (name, products, lists) = (series.name, products * 100.0, lists * 100.0);
        println!("  {name}: {products:.1} % of the products and {lists:.1} % of the pages were hits");
    }
    Ok(Comparison::new("mixed", Aim::AtLeast(1.0), measured))
}

pub(crate) async fn start(build: &Path) -> Result<Running, Failure> {
    let catalogue = Catalogue::with(build, PRODUCTS)?;
    let service = service::on(build, &catalogue).backend("memory").start().await;
    let observer = service.client().clone();
    Ok(Running { service, observer, workload: workload(), reads: None, redis: None, catalogue })
}

/// 90 % reads of products, 5 % of pages, 5 % updates; the n-th product or page is asked for 1/n as often as the first.
fn workload() -> Arc<Workload> {
    let mut dice = SmallRng::seed_from_u64(SEED);
    let (products, pages) = (Skewed::over(PRODUCTS), Skewed::over(PRODUCTS / PAGE));
    let requests = (0..REQUESTS).map(|number| match dice.random_range(0..100) {
        0..90 => get(&format!("/api/v1/products/{}", 1 + products.throw(&mut dice))),
        90..95 => get(&format!("/api/v1/products?offset={}&limit={PAGE}", pages.throw(&mut dice) * PAGE)),
        _ => put(1 + products.throw(&mut dice), number),
    });
    Workload::of(requests.collect(), 200)
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\naccept: */*\r\n\r\n")
}

fn put(id: usize, stock: usize) -> String {
    let body = format!("{{\"stock\":{stock}}}");
    let head = format!("PUT /api/v1/products/{id} HTTP/1.1\r\nhost: localhost\r\naccept: */*\r\n");
    format!("{head}content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// Zipf's distribution with the exponent 1.
struct Skewed {
    cumulative: Vec<f64>,
}

impl Skewed {
    fn over(count: usize) -> Self {
        let mut sum = 0.0;
        let weights = (1..=count).map(|rank| {
            sum += 1.0 / rank as f64;
            sum
        });
        Skewed { cumulative: weights.collect() }
    }

    fn throw(&self, dice: &mut SmallRng) -> usize {
        let all = self.cumulative.last().copied().unwrap_or_default();
        let thrown = dice.random_range(0.0..all);
        self.cumulative.partition_point(|sum| *sum <= thrown)
    }
}

/// The shares of hits among the lookups of products and of pages.
async fn hit_rates(server: SocketAddr) -> Result<[f64; 2], Failure> {
    let stats = Client::new(server).get("/api/v1/cache/stats").await.expect(200).json();
    let rate = |cache: &str| {
        let count = |name: &str| stats["cache_stats"]["caches"][cache][name].as_f64();
        let (hits, misses) = (count("hits")?, count("misses")?);
        Some(hits / (hits + misses))
    };
    let [products, lists] = ["product", "list"].map(rate);
    let missing = || format!("the statistics have changed their shape: {}", Value::to_string(&stats));
    Ok([products.ok_or_else(missing)?, lists.ok_or_else(missing)?])
}
