//! Two instances on one database and one Redis: a right that is revoked on one is not granted on the other.

use std::time::Duration;

use hotshelf_testkit::catalogue::PRODUCTS;
use hotshelf_testkit::users::{USERS, USERS_ON, add_user, api_key, create_admin, log_in, register};
use hotshelf_testkit::{Client, PATIENCE, RedisServer, Service, wait_until};
use serde_json::json;
use tempfile::TempDir;

use crate::fixture::me;
use crate::hotshelf;

/// The time by which memory may lag, and the time of the last check on a busy machine.
const LEASE: Duration = Duration::from_millis(1_300);
const SESSION: &str = "/api/v1/auth/session";

struct Two {
    first: Service,
    second: Service,
    admin: Client,
    _redis: RedisServer,
    _directory: TempDir,
}

impl Two {
    async fn start() -> Self {
        let (redis, directory) = (RedisServer::start(), tempfile::tempdir().unwrap());
        let builder = hotshelf().shared_db(&directory.path().join("products.db")).redis(&redis);
        let builder = USERS_ON.iter().fold(builder, |builder, (name, value)| builder.env(name, value));
        let builder = builder.env("REDIS_COMMAND_TIMEOUT", "1s");
        create_admin(&builder, "admin@one.example");
        let (first, second) = tokio::join!(builder.clone().start(), builder.start());
        for instance in [&first, &second] {
            let up = async || instance.get("/health").await.json()["modules"]["cache"]["status"] == "healthy";
            wait_until("Redis is up", PATIENCE, up).await;
        }
        let admin = log_in(&first, "admin@one.example").await;
        add_user(&admin, "editor@one.example", "editor").await;
        Two { first, second, admin, _redis: redis, _directory: directory }
    }

    /// The same user on the other instance.
    fn elsewhere(&self, client: &Client) -> Client {
        self.second.with_token(client.token().unwrap())
    }
}

async fn write(client: &Client) -> u16 {
    client.post(PRODUCTS).json(&json!({"name": "Cup", "price": 1})).await.status
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_logout_on_one_instance_holds_on_the_other() {
    let two = Two::start().await;
    for _ in 0..10 {
        let here = log_in(&two.first, "editor@one.example").await;
        let there = two.elsewhere(&here);
        for _ in 0..3 {
            there.get(SESSION).await.expect(200);
        }
        here.post("/api/v1/auth/logout").await.expect(204);
        // The push takes about a millisecond; a read from the database itself needs no push.
        let out = async || there.get(PRODUCTS).await.status == 401;
        wait_until("the other instance refuses it", LEASE, out).await;
        for _ in 0..3 {
            there.get(SESSION).await.expect(401);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspension_on_one_instance_holds_on_the_other() {
    let two = Two::start().await;
    let guest = register(&two.first, "boss@three.example", "Three").await;
    let here = log_in(&two.first, "boss@three.example").await;
    let there = two.elsewhere(&here);
    let organization = format!("/api/v1/organizations/{}", guest["organization_id"]);
    for _ in 0..5 {
        let change = json!({"suspended": false});
        two.admin.patch(&organization).json(&change).await.expect(200);
        wait_until("the user is let in", PATIENCE, async || there.get(PRODUCTS).await.status == 200).await;
        two.admin.patch(&organization).json(&json!({"suspended": true})).await.expect(200);
        here.get(PRODUCTS).await.expect(403);
        wait_until("the other instance refuses it", LEASE, async || there.get(PRODUCTS).await.status == 403).await;
        there.get(SESSION).await.expect(403);
    }
    two.admin.delete(&organization).await.expect(204);
    here.get(PRODUCTS).await.expect(401);
    wait_until("the other instance refuses it", LEASE, async || there.get(PRODUCTS).await.status == 401).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_revoked_on_one_instance_is_revoked_on_the_other() {
    let two = Two::start().await;
    let here = log_in(&two.first, "editor@one.example").await;
    let (there, key) = (two.elsewhere(&here), two.elsewhere(&api_key(&here, "editor").await));
    let path = format!("{USERS}/{}", me(&here).await["id"]);
    for _ in 0..5 {
        two.admin.patch(&path).json(&json!({"role": "editor"})).await.expect(200);
        wait_until("the user may write", PATIENCE, async || write(&there).await == 201 && write(&key).await == 201)
            .await;
        two.admin.patch(&path).json(&json!({"role": "viewer"})).await.expect(200);
        wait_until("the other instance refuses it", LEASE, async || write(&there).await == 403).await;
        assert_eq!((write(&there).await, write(&key).await), (403, 403));
    }
    two.admin.delete(&path).await.expect(204);
    wait_until("the other instance refuses it", LEASE, async || write(&there).await == 401).await;
    assert_eq!(write(&key).await, 401);
}
