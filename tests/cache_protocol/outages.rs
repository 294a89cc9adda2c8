//! Outages of Redis: each is logged once and visible to operators, and a slow Redis counts as an outage.

use std::time::Duration;

use hotshelf_testkit::catalogue::{create, laptop, lookup, path, read, statistics, update, wait_for_redis};
use hotshelf_testkit::{Client, Network, PATIENCE, Proxy, RedisServer, Service, wait_until};
use serde_json::{Value, json};

use crate::hotshelf;
use crate::instances::alone;
use crate::readers::Busy;

/// The delay of a network on which every answer arrives after the timeout of a command, 100 ms.
const ONE_WAY: Duration = Duration::from_millis(150);

/// Lines of the log about the begin or the end of an outage.
fn told(service: &Service, what: &str) -> usize {
    service.log().lines().filter(|line| line.contains(what)).count()
}

async fn assert_seen(client: &Client, state: &str) {
    let (status, up) = if state == "up" { ("healthy", 1.0) } else { ("degraded", 0.0) };
    // Rate limits have a connection of their own, which fails and recovers independently.
    let all = async || client.get("/health").await.json()["status"] == status;
    wait_until("all modules have noticed it", PATIENCE, all).await;
    let health = client.get("/health").await.expect(200).json();
    assert_eq!(
        (&health["status"], &health["modules"]["cache"]["status"]),
        (&json!(status), &json!(status)),
        "{health}"
    );
    let message = health["modules"]["cache"]["message"].as_str().unwrap();
    assert!(message.contains(&format!("Redis is {state}")), "{health}");
    assert_eq!(statistics(client).await["l2"]["state"], state);
    assert_eq!(client.metrics().await.value("cache_l2_up", &[]), up);
}

fn busy(service: &Service, product: &Value) -> Busy {
    let mut clients = Busy::new();
    for _ in 0..3 {
        let (client, path) = (service.client().clone(), path(product));
        clients.client(move |step| {
            let request = match step % 10 {
                0 => client.put(&path).json(&json!({"stock": step})),
                _ => client.get(&path),
            };
            async move {
                let reply = request.await;
                assert!(matches!(reply.status, 200 | 409), "{reply:?}");
            }
        });
    }
    clients
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_outage_is_logged_once_and_visible_to_operators() {
    let redis = RedisServer::start();
    for backend in ["redis", "tiered"] {
        redis.restart();
        let service = alone(backend, &redis, &[("REDIS_COMMAND_TIMEOUT", "100ms")]).await;
        let product = create(&service, &laptop()).await;
        assert_seen(&service, "up").await;
        let clients = busy(&service, &product);
        for outage in 1..=3 {
            if outage % 2 == 0 {
                redis.pause()
            } else {
                redis.stop()
            }
            wait_for_redis(&service, "down").await;
            assert_seen(&service, "down").await;
            // Each failed attempt to connect could log the outage again.
            tokio::time::sleep(Duration::from_millis(600)).await;
            assert_eq!((told(&service, "Redis is down"), told(&service, "Redis is up")), (outage, outage));
            if outage % 2 == 0 {
                redis.resume()
            } else {
                redis.restart()
            }
            wait_for_redis(&service, "up").await;
            assert_seen(&service, "up").await;
            assert_eq!((told(&service, "Redis is down"), told(&service, "Redis is up")), (outage, outage + 1));
        }
        assert!(clients.stop().await > 100, "that was no load");
        // Failed commands were counted, not logged.
        let errors = statistics(&service).await["errors"].as_u64().unwrap();
        assert_eq!((told(&service, "WARN hotshelf_cache"), errors > 0), (3, true), "{}", service.log());
        // Rate limits have a connection of their own, and log its outages themselves.
        let others = told(&service, "WARN hotshelf") - 3;
        assert!(others <= 3 && others == told(&service, "WARN hotshelf_ratelimit"), "{}", service.log());
        assert_eq!(told(&service, "ERROR hotshelf"), 0, "{}", service.log());
    }
}

/// The row "slow Redis" of the traps: late answers count as failures, and requests stop using Redis.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_redis_opens_the_circuit() {
    let redis = RedisServer::start();
    let network = Proxy::start(redis.address()).await;
    let service = hotshelf().backend("redis").env("REDIS_ADDR", network.address()).start().await;
    wait_for_redis(&service, "up").await;
    let product = create(&service, &laptop()).await;
    read(&service, &product).await;
    network.set(Network::Slow(ONE_WAY));
    let given_up = async || {
        lookup(&service, &product).await;
        statistics(&service).await["l2"]["state"] == "down"
    };
    wait_until("Redis is not used any more", PATIENCE, given_up).await;
    assert!(service.metrics().await.value("cache_errors_total", &[("tier", "l2")]) > 0.0);
    // Commands in flight arrive.
    tokio::time::sleep(ONE_WAY * 3).await;
    let mut monitor = redis.monitor();
    for _ in 0..20 {
        lookup(&service, &product).await;
    }
    tokio::time::sleep(ONE_WAY * 3).await;
    assert_eq!(monitor.commands_with("product:id:"), Vec::<String>::new(), "requests still use Redis");
    network.set(Network::Whole);
    wait_for_redis(&service, "up").await;
    let product = update(&service, &product, &json!({"stock": 1})).await;
    assert_eq!(read(&service, &product).await, product);
}
