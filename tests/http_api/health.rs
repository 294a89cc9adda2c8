//! `/health`, `/health/live`, `/health/ready`.

use hotshelf_testkit::{PATIENCE, RedisServer, wait_until};
use serde_json::Value;

use crate::hotshelf;
use hotshelf_testkit::ExternalWriter;
use hotshelf_testkit::catalogue::{PRODUCTS, wait_for_redis};
use hotshelf_testkit::shapes::{assert_utc, fields, problem};

/// The modules that are not healthy, with their messages.
#[track_caller]
fn ailing(health: &Value) -> Vec<String> {
    let modules = health["modules"].as_object().unwrap();
    assert!(!modules.is_empty(), "no modules: {health}");
    for module in modules.values() {
        assert_eq!(fields(module), ["message", "status"], "{health}");
    }
    let ailing = modules.values().filter(|module| module["status"] != "healthy");
    ailing.map(|module| format!("{}: {}", module["status"], module["message"])).collect()
}

#[tokio::test]
async fn a_service_without_failures_is_healthy() {
    let service = hotshelf().backend("memory").start().await;
    let reply = service.get("/health").await.expect(200);
    assert_eq!(reply.header("content-type"), "application/json");
    let health = reply.json();
    assert_eq!(fields(&health), ["modules", "service", "status", "timestamp"]);
    assert_eq!((&health["status"], &health["service"]), (&"healthy".into(), &"hotshelf".into()));
    assert_utc(&health["timestamp"]);
    assert_eq!(ailing(&health), Vec::<String>::new());
}

#[tokio::test]
async fn with_its_redis_it_is_healthy() {
    let redis = RedisServer::start();
    let service = hotshelf().redis(&redis).start().await;
    wait_for_redis(&service, "up").await;
    let health = service.get("/health").await.expect(200).json();
    assert_eq!(health["status"], "healthy", "{health}");
}

#[tokio::test]
async fn without_redis_it_is_degraded_with_the_reason() {
    let service = hotshelf().without_redis().start().await;
    // Degraded from the first answer on; the reason is known after the first attempt to connect.
    let told = async |sentence: &str| {
        let health = service.get("/health").await.expect(200).json();
        assert_eq!(health["status"], "degraded", "{health}");
        ailing(&health).iter().any(|module| module == &format!("\"degraded\": \"{sentence}\""))
    };
    let sentence = "Redis is down (connection refused); serving without it";
    wait_until("the reason is told", PATIENCE, async || told(sentence).await).await;
}

#[tokio::test]
async fn without_a_database_it_is_unhealthy_until_it_is_back() {
    let service = hotshelf().backend("memory").start().await;
    let mut outsider = ExternalWriter::on_database_of(&service);
    outsider.run("ALTER TABLE organization_counts RENAME TO mislaid");

    let health = service.get("/health").await.expect(503).json();
    assert_eq!(health["status"], "unhealthy");
    assert_eq!(health["modules"]["database"]["status"], "unhealthy");
    assert_eq!(ailing(&health).len(), 1, "{health}");
    service.get("/health/ready").await.expect(503);
    service.get("/health/live").await.expect(200);
    let reply = service.get(PRODUCTS).await;
    assert_eq!(reply.header("retry-after"), "1");
    assert_eq!(problem(reply, 503)["detail"], "the database is unavailable, try again");

    outsider.run("ALTER TABLE mislaid RENAME TO organization_counts");
    assert_eq!(service.get("/health").await.expect(200).json()["status"], "healthy");
    service.get("/health/ready").await.expect(200);
    service.get(PRODUCTS).await.expect(200);
}

#[tokio::test]
async fn it_is_live_and_ready_with_or_without_redis() {
    for backend in ["tiered", "redis", "memory", "none"] {
        let service = hotshelf().backend(backend).without_redis().start().await;
        for path in ["/health/live", "/health/ready"] {
            service.get(path).await.expect(200);
        }
    }
}
