//! The most expensive searches, from a client that does not wait for the answers.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hotshelf_testkit::catalogue::{PRODUCTS, create, create_organization};
use hotshelf_testkit::{Client, Service};
use serde_json::json;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use crate::hotshelf;

/// Each letter begins words of nearly every product.
const LETTERS: &str = "a+b+c+d+e+f+g+h+i+j+k+l";
/// Every read of other clients must be answered within this time, even on a busy machine. Without an attack it takes
/// milliseconds.
const BOUND: Duration = Duration::from_secs(4);
/// For the whole stop; half of it remains for the work in flight.
const STOP: Duration = Duration::from_secs(20);

fn is_long() -> bool {
    std::env::var_os("HOTSHELF_LONG").is_some_and(|value| value == "1")
}

/// A service with many products in organization 1, without a cache.
async fn stocked() -> (TempDir, Service) {
    let directory = tempfile::tempdir().unwrap();
    let products = if is_long() { "400000" } else { "20000" };
    let builder = hotshelf().backend("none").database(&directory.path().join("products.db"));
    let builder = builder.env("SHUTDOWN_TIMEOUT", format!("{}s", STOP.as_secs()));
    let seeded = builder.command(&["seed", "--products", products], "");
    assert!(seeded.status.success(), "{seeded:?}");
    let service = builder.start().await;
    // A refused search would be no attack.
    let search = format!("{PRODUCTS}?organization_id=1&search={LETTERS}&limit=1");
    service.get(&search).await.expect(200);
    (directory, service)
}

/// Sends different searches of organization 1, and closes each connection at once.
fn abandon(address: SocketAddr, searches: usize, from: usize) {
    for number in from..from + searches {
        // The service may refuse it while it sheds load.
        let Ok(mut connection) = TcpStream::connect(address) else { continue };
        let (limit, offset) = (1 + number % 100, number / 100);
        let target = format!("{PRODUCTS}?organization_id=1&search={LETTERS}&limit={limit}&offset={offset}");
        let _ = write!(connection, "GET {target} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    }
}

/// Repeats the searches until the guard is dropped.
struct Attack(Arc<AtomicBool>, Option<std::thread::JoinHandle<()>>);

impl Attack {
    fn on(address: SocketAddr) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&over);
        let work = std::thread::spawn(move || {
            for round in 0.. {
                if seen.load(Ordering::Relaxed) {
                    break;
                }
                abandon(address, 40, 40 * round);
                std::thread::sleep(Duration::from_millis(200));
            }
        });
        Attack(over, Some(work))
    }
}

impl Drop for Attack {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
        if let Some(work) = self.1.take() {
            let _ = work.join();
        }
    }
}

/// The sorted times of sequential reads.
struct Latencies(Vec<Duration>);

impl Latencies {
    fn of(client: &Client, count: usize, target: impl Fn(usize) -> String + Send + 'static) -> JoinHandle<Self> {
        let client = client.clone();
        tokio::spawn(async move {
            let mut all = Vec::with_capacity(count);
            for number in 0..count {
                let begin = Instant::now();
                client.get(&target(number)).await.expect(200);
                all.push(begin.elapsed());
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            all.sort_unstable();
            Latencies(all)
        })
    }

    fn at(&self, percent: usize) -> Duration {
        self.0[(self.0.len() - 1) * percent / 100]
    }

    fn check(&self, what: &str) {
        println!("{what}: p50 {:?}, p99 {:?}, of {} reads", self.at(50), self.at(99), self.0.len());
        assert!(self.at(99) < BOUND, "{what}");
    }
}

/// The reads of other clients: products by their ids, and lists of another organization.
async fn others(service: &Service, organization: i64, what: &str) {
    let count = if is_long() { 2_000 } else { 200 };
    let points = Latencies::of(service, count, |number| format!("{PRODUCTS}/{}", 1 + 7 * number));
    let lists = Latencies::of(service, count, move |number| {
        format!("{PRODUCTS}?organization_id={organization}&order=name&limit={}", 1 + number % 50)
    });
    points.await.unwrap().check(&format!("{what}, products by their ids"));
    lists.await.unwrap().check(&format!("{what}, lists"));
    service.get("/health/ready").await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn searches_of_one_organization_do_not_delay_reads_of_others() {
    let (_directory, service) = stocked().await;
    let organization = create_organization(&service, "Small").await;
    for number in 0..60 {
        let name = format!("Cup {number}");
        create(&service, &json!({"name": name, "price": 5, "organization_id": organization})).await;
    }
    others(&service, organization, "alone").await;
    let attack = Attack::on(service.address());
    others(&service, organization, "beside searches").await;
    drop(attack);
    let left = service.metrics().await;
    for lane in ["find", "keyed", "lists", "watch"] {
        assert_eq!(left.value("db_reads_refused_total", &[("lane", lane)]), 0.0, "{lane}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_ends_in_time_under_a_backlog_of_reads_and_writes() {
    let (_directory, mut service) = stocked().await;
    abandon(service.address(), 240, 0);
    let products: Vec<_> = (0..500).map(|number| json!({"name": format!("Plate {number}"), "price": 3})).collect();
    let body = json!({"products": products});
    let mut writes = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let write = service.post(&format!("{PRODUCTS}/bulk")).json(&body);
        writes.spawn(async move { write.try_send().await.map(|reply| reply.status) });
    }
    let waiting = async || {
        let metrics = service.metrics().await;
        metrics.value("http_requests_under_way", &[]) > 32.0
    };
    hotshelf_testkit::wait_until("the writes are in flight", hotshelf_testkit::PATIENCE, waiting).await;
    let begin = Instant::now();
    service.signal("TERM");
    let exit = service.exit(STOP + Duration::from_secs(5)).await;
    println!("the stop took {:?}", begin.elapsed());
    assert!(exit.success(), "{exit:?}");
    // Each is answered, or refused because the listener is closed.
    while let Some(write) = writes.join_next().await {
        assert!(matches!(write.unwrap(), Ok(201 | 503) | Err(_)));
    }
}
