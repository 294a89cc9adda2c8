//! The service checks that the database is still the one that it opened, and that the keys in Redis belong to it.

use std::fs;
use std::path::{Path, PathBuf};

use hotshelf_testkit::users::{USERS, USERS_ON, create_admin, log_in};
use hotshelf_testkit::{Client, PATIENCE, RedisServer, Service, ServiceBuilder, wait_until};
use serde_json::json;

use crate::hotshelf;
use hotshelf_testkit::ExternalWriter;

const PRODUCT: &str = "/api/v1/products/1";

async fn create(client: &Client) -> String {
    let product = json!({"name": "Cup", "price": 4.5});
    client.post("/api/v1/products").json(&product).await.expect(201).header("etag").to_owned()
}

async fn set_price(client: &Client, price: f64) -> String {
    client.put(PRODUCT).json(&json!({"price": price})).await.expect(200).header("etag").to_owned()
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    PathBuf::from(format!("{}{suffix}", path.display()))
}

fn back_up(service: &Service) -> PathBuf {
    let backup = beside(&service.database(), ".backup");
    ExternalWriter::on_database_of(service).run(&format!("VACUUM INTO '{}'", backup.display()));
    backup
}

/// No write is acknowledged, no read is served, each answer and `/health` give the cause, and the log has it once.
async fn says_that_it_is_another(service: &Service, what: &str) {
    let refused = service.post("/api/v1/products").json(&json!({"name": "Lost", "price": 1})).await.expect(503);
    assert!(refused.text().contains("the database file was replaced"), "{}", refused.text());
    service.get("/health/ready").await.expect(503);
    let health = service.get("/health").await.expect(503).json();
    let message = health["modules"]["database"]["message"].as_str().unwrap().to_owned();
    assert!(message.contains(what), "{message}");
    wait_until("nothing is served from memory", PATIENCE, async || {
        service.get(PRODUCT).await.status == 503 && service.get("/api/v1/products").await.status == 503
    })
    .await;
    let log = service.log();
    let said =
        log.lines().filter(|line| line.contains("ERROR") && line.contains("is not the database that was opened"));
    assert_eq!(said.count(), 1, "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_database_is_noticed_before_a_write_is_acknowledged() {
    let service = hotshelf().start().await;
    create(&service).await;
    service.get(PRODUCT).await.expect(200);
    for suffix in ["", "-wal", "-shm", ".lock"] {
        fs::remove_file(beside(&service.database(), suffix)).unwrap();
    }
    says_that_it_is_another(&service, "was deleted").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_database_is_noticed_without_a_write() {
    let service = hotshelf().start().await;
    create(&service).await;
    let backup = back_up(&service);
    set_price(&service, 5.0).await;
    service.get(PRODUCT).await.expect(200);
    fs::rename(backup, service.database()).unwrap();
    wait_until("readiness is 503", PATIENCE, async || service.get("/health/ready").await.status == 503).await;
    says_that_it_is_another(&service, "is another file now").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_number_after_a_restore_has_another_entity_tag() {
    for redis in [None, Some(RedisServer::start())] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("products.db");
        let mut builder = hotshelf().database(&path);
        if let Some(redis) = &redis {
            builder = builder.redis(redis);
        }
        let mut service = builder.start().await;
        create(&service).await;
        let backup = back_up(&service);
        let lost = set_price(&service, 5.0).await;
        let lost_product = create(&service).await;
        service.get(PRODUCT).await.expect(200);
        service.terminate().await;
        fs::copy(&backup, &path).unwrap();

        service.restart().await;
        assert!(service.log().contains("begins history"), "{}", service.log());
        let found = service.get(PRODUCT).await.expect(200).json();
        assert_eq!((&found["product"]["version"], &found["product"]["price"]), (&json!(1), &json!(4.5)));
        let again = set_price(&service, 6.0).await;
        assert_ne!(again, lost, "both are version 2");
        let found = service.get(PRODUCT).header("if-none-match", &lost).await.expect(200).json();
        assert_eq!(found["product"]["price"], 6.0);
        service.get(PRODUCT).header("if-none-match", &again).await.expect(304);
        service.put(PRODUCT).header("if-match", &lost).json(&json!({"price": 7})).await.expect(412);
        service.put(PRODUCT).header("if-match", &again).json(&json!({"price": 7})).await.expect(200);
        assert!(lost_product.starts_with("W/\"2-1-"), "{lost_product}");
        let next = create(&service).await;
        assert!(next.starts_with("W/\"1000003-1-"), "no id is used again: {next}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_changes_no_entity_tag() {
    let mut service = hotshelf().start().await;
    let tag = create(&service).await;
    service.restart().await;
    service.get(PRODUCT).header("if-none-match", &tag).await.expect(304);
    service.terminate().await;
    service.restart().await;
    service.get(PRODUCT).header("if-none-match", &tag).await.expect(304);
}

fn with_users(redis: &RedisServer, path: &Path) -> ServiceBuilder {
    USERS_ON.iter().fold(hotshelf().redis(redis).database(path), |builder, (name, value)| builder.env(name, value))
}

/// Both services have a user 1 and a product 1, and the same prefix.
#[tokio::test(flavor = "multi_thread")]
async fn two_services_with_one_prefix_use_no_entries_of_each_other() {
    let redis = RedisServer::start();
    let directory = tempfile::tempdir().unwrap();
    let [ours, theirs] = ["ours.db", "theirs.db"].map(|name| with_users(&redis, &directory.path().join(name)));
    create_admin(&ours, "ann@one.example");
    create_admin(&theirs, "eve@two.example");
    let ours = ours.start().await;
    wait_until("our service uses Redis", PATIENCE, async || ours.log().contains("Redis is up")).await;
    let theirs = theirs.start().await;
    wait_until("the other service continues without Redis", PATIENCE, async || {
        theirs.log().contains("another database") && theirs.log().contains("CACHE_PREFIX")
    })
    .await;
    let (ann, eve) = (log_in(&ours, "ann@one.example").await, log_in(&theirs, "eve@two.example").await);
    for (admin, price) in [(&ann, 1.0), (&eve, 2.0)] {
        admin.post("/api/v1/products").json(&json!({"name": "Cup", "price": price})).await.expect(201);
    }
    for _ in 0..3 {
        for (admin, price) in [(&ann, 1.0), (&eve, 2.0)] {
            assert_eq!(admin.get(PRODUCT).await.expect(200).json()["product"]["price"], price);
            admin.get(USERS).await.expect(200);
        }
        let stranger = theirs.client().with_token(ann.token().unwrap());
        stranger.get(USERS).await.expect(401);
        let stranger = ours.client().with_token(eve.token().unwrap());
        stranger.get(USERS).await.expect(401);
    }
    let health = theirs.get("/health").await.expect(200).json();
    assert_eq!(health["status"], "degraded");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_with_another_lock_file_is_noticed_within_a_second() {
    let service = hotshelf().start().await;
    create(&service).await;
    // The write of another process that opens the database without seeing this lock file.
    ExternalWriter::on_database_of(&service).run("UPDATE database_history SET writer = 7");
    wait_until("readiness is 503", PATIENCE, async || service.get("/health/ready").await.status == 503).await;
    says_that_it_is_another(&service, "another process has opened it").await;
}
