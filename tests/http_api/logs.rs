//! The log of the service.

use hotshelf_testkit::{PATIENCE, RedisServer, Service, wait_until};
use serde_json::Value;

use crate::hotshelf;
use hotshelf_testkit::ExternalWriter;
use hotshelf_testkit::catalogue::{PRODUCTS, create, laptop, path, read, wait_for_redis};

/// The line with this message, once it is written.
async fn line(service: &Service, message: &str) -> Value {
    let find = || {
        let log = service.log();
        let mut lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.rfind(|line| line["fields"]["message"] == message)
    };
    wait_until(&format!("{message:?} is logged"), PATIENCE, async || find().is_some()).await;
    find().unwrap()
}

#[tokio::test]
async fn logs_can_be_json_line_by_line() {
    let mut service = hotshelf().env("LOG_FORMAT", "json").start().await;
    let product = create(&service, &laptop()).await;
    read(&service, &product).await;
    let log = service.log();
    service.kill();
    assert!(!log.is_empty());
    for line in log.lines() {
        let parsed: Result<serde_json::Value, _> = serde_json::from_str(line);
        assert!(parsed.is_ok_and(|line| line.is_object()), "no JSON: {line}");
    }
}

#[tokio::test]
async fn log_lines_of_a_request_have_its_id() {
    let redis = RedisServer::start();
    let filter = "error,hotshelf_api=debug,hotshelf_cache=debug,hotshelf_access=debug";
    let service = hotshelf().redis(&redis).env("LOG_FORMAT", "json").env("RUST_LOG", filter).start().await;
    wait_for_redis(&service, "up").await;
    let product = create(&service, &laptop()).await;
    let get = async |path: &str, id: &str| service.get(path).header("x-request-id", id).await;

    get(PRODUCTS, "a-page").await.expect(200);
    let answered = line(&service, "answered").await;
    assert_eq!((&answered["request_id"], &answered["fields"]["route"]), (&"a-page".into(), &PRODUCTS.into()));

    get("/api/v1/products?limit=x", "refused").await.expect(400);
    assert_eq!(line(&service, "request refused").await["request_id"], "refused");

    // The product was not read yet, so it is looked up in Redis, where its key has another type.
    service.delete("/api/v1/cache").await.expect(200);
    redis.command(&["LPUSH", &format!("product:id:{}", product["id"]), "x"]);
    get(&path(&product), "of-another-type").await.expect(200);
    assert_eq!(line(&service, "Redis command failed").await["request_id"], "of-another-type");

    let mut outsider = ExternalWriter::on_database_of(&service);
    outsider.run("ALTER TABLE products RENAME TO mislaid");
    get("/api/v1/products/77", "failed").await.expect(503);
    assert_eq!(line(&service, "request failed").await["request_id"], "failed");
    outsider.run("ALTER TABLE mislaid RENAME TO products");
}

#[tokio::test]
async fn a_hit_in_memory_is_in_the_access_log_if_enabled() {
    let filter = "info,hotshelf_access=debug";
    let service = hotshelf().backend("memory").env("LOG_FORMAT", "json").env("RUST_LOG", filter).start().await;
    let product = create(&service, &laptop()).await;
    read(&service, &product).await;
    service.get(&path(&product)).header("x-request-id", "a-hit").await.expect(200);
    let answered = line(&service, "answered").await;
    assert_eq!((&answered["request_id"], &answered["fields"]["status"]), (&"a-hit".into(), &200.into()));

    let text = hotshelf().backend("memory").env("RUST_LOG", filter).start().await;
    text.get("/api/v1/products/77").header("x-request-id", "in-words").await.expect(404);
    let is_there = async || text.log().lines().any(|line| line.ends_with(" request_id=in-words"));
    wait_until("the line ends with the id", PATIENCE, is_there).await;

    let quiet = hotshelf().backend("memory").start().await;
    read(&quiet, &create(&quiet, &laptop()).await).await;
    assert!(!quiet.log().contains("answered"), "{}", quiet.log());
}
