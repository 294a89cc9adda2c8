//! How sessions go on, and how they end.

use std::time::Duration;

use hotshelf_testkit::users::{USERS, log_in};
use hotshelf_testkit::{Client, PATIENCE, RedisServer, wait_until};
use tokio::time::Instant;

use crate::house::{House, me};

const SESSION: &str = "/api/v1/auth/session";
const SESSIONS: &str = "/api/v1/auth/sessions";

async fn is_out(client: &Client) {
    for path in [SESSION, "/api/v1/products", "/api/v1/products/1"] {
        let refused = client.get(path).await.expect(401);
        assert_eq!(refused.header("www-authenticate"), "Bearer error=\"invalid_token\"");
    }
}

#[tokio::test]
async fn a_logout_ends_this_session_alone_and_at_once() {
    let house = House::open().await;
    let second = log_in(&house, "viewer@one.example").await;
    let out = second.post("/api/v1/auth/logout").await.expect(204);
    assert_eq!(out.header("set-cookie"), "hotshelf_session=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax; Secure");
    is_out(&second).await;
    second.post("/api/v1/auth/logout").await.expect(401);
    house.viewer.get(SESSION).await.expect(200);
}

#[tokio::test]
async fn a_user_sees_and_ends_the_sessions() {
    let house = House::open().await;
    let second = log_in(&house, "viewer@one.example").await;
    let third = log_in(&house, "viewer@one.example").await;
    let sessions = second.get(SESSIONS).await.expect(200).json();
    let current: Vec<_> = sessions["sessions"].as_array().unwrap().iter().map(|one| one["current"] == true).collect();
    assert_eq!(current, [false, true, false]);
    let own = &sessions["sessions"][1];
    assert_eq!(&second.get(SESSION).await.json()["session"]["id"], &own["id"]);

    let path = format!("{SESSIONS}/{}", sessions["sessions"][0]["id"]);
    house.other.delete(&path).await.expect(404);
    second.delete(&path).await.expect(204);
    is_out(&house.viewer).await;
    third.get(SESSION).await.expect(200);

    third.delete(SESSIONS).await.expect(204);
    is_out(&second).await;
    is_out(&third).await;
    let anew = log_in(&house, "viewer@one.example").await;
    assert_eq!(anew.get(SESSIONS).await.json()["sessions"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn an_admin_ends_the_sessions_of_a_user() {
    let house = House::open().await;
    let path = format!("{USERS}/{}/sessions", me(&house.editor).await["id"]);
    house.other.delete(&path).await.expect(404);
    house.editor.get(SESSION).await.expect(200);
    house.admin.delete(&path).await.expect(204);
    is_out(&house.editor).await;
    log_in(&house, "editor@one.example").await;
}

#[tokio::test]
async fn a_session_lives_as_long_as_it_is_used_and_no_longer() {
    let house = House::open_with(&[("SESSION_TTL", "2s")]).await;
    let idle = log_in(&house, "viewer@one.example").await;
    let used = log_in(&house, "viewer@one.example").await;
    let begun = Instant::now();
    // Far longer than one life, and never as long without a use.
    while begun.elapsed() < Duration::from_secs(5) {
        used.get("/api/v1/products").await.expect(200);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    is_out(&idle).await;
    let end = used.get(SESSION).await.expect(200).json()["session"]["expires_at"].as_str().unwrap().to_owned();
    let left = chrono::DateTime::parse_from_rfc3339(&end).unwrap().to_utc() - chrono::Utc::now();
    assert!(left.num_milliseconds() > 1_000, "{left}");
    tokio::time::sleep_until(Instant::now() + Duration::from_millis(2_100)).await;
    is_out(&used).await;
}

#[tokio::test]
async fn losing_redis_ends_no_session_and_brings_none_back() {
    let redis = RedisServer::start();
    let house = House::open_with(&[("CACHE_BACKEND", "tiered"), ("REDIS_ADDR", redis.address())]).await;
    let (ended, kept) = (log_in(&house, "viewer@one.example").await, log_in(&house, "viewer@one.example").await);
    kept.get(SESSION).await.expect(200);
    ended.get(SESSION).await.expect(200);
    redis.stop();
    kept.get(SESSION).await.expect(200);
    ended.post("/api/v1/auth/logout").await.expect(204);
    is_out(&ended).await;
    redis.restart();
    for _ in 0..20 {
        kept.get(SESSION).await.expect(200);
        is_out(&ended).await;
    }
    let up = async || house.admin.get("/health").await.json()["modules"]["cache"]["status"] == "healthy";
    wait_until("Redis is up", PATIENCE, up).await;
    kept.get(SESSION).await.expect(200);
    is_out(&ended).await;
}

#[tokio::test]
async fn sessions_outlive_the_service() {
    let mut house = House::open().await;
    let (ended, kept) = (log_in(&house, "viewer@one.example").await, house.viewer.token().unwrap().to_owned());
    ended.post("/api/v1/auth/logout").await.expect(204);
    house.service.restart().await;
    house.with_token(&kept).get(SESSION).await.expect(200);
    is_out(&house.with_token(ended.token().unwrap())).await;
}

#[tokio::test]
async fn redis_knows_no_token() {
    let redis = RedisServer::start();
    let house = House::open_with(&[("CACHE_BACKEND", "redis"), ("REDIS_ADDR", redis.address())]).await;
    let up = async || house.admin.get("/health").await.json()["modules"]["cache"]["status"] == "healthy";
    wait_until("Redis is up", PATIENCE, up).await;
    house.viewer.get(SESSION).await.expect(200);
    let keys = redis.keys("product:session:*");
    assert!(!keys.is_empty());
    let token = house.viewer.token().unwrap();
    for key in redis.keys("*") {
        assert!(!key.contains(token), "{key}");
    }
    assert!(keys.iter().all(|key| key.len() == "product:session:".len() + 64), "{keys:?}");
    // A value and its end are set in one step: no crash in between leaves a session that never ends.
    for key in &keys {
        let life = redis.command(&["PTTL", key]).integer();
        assert!(life > 0, "{key} lives {life}");
    }
}
