//! How sessions are extended, and how they end.

use std::time::Duration;

use hotshelf_testkit::users::{USERS, log_in};
use hotshelf_testkit::{Client, PATIENCE, RedisServer, wait_until};
use tokio::time::Instant;

use crate::fixture::{Fixture, me};

const SESSION: &str = "/api/v1/auth/session";
const SESSIONS: &str = "/api/v1/auth/sessions";

async fn is_out(client: &Client) {
    for path in [SESSION, "/api/v1/products", "/api/v1/products/1"] {
        let refused = client.get(path).await.expect(401);
        assert_eq!(refused.header("www-authenticate"), "Bearer error=\"invalid_token\"");
    }
}

#[tokio::test]
async fn a_logout_ends_only_this_session_at_once() {
    let fixture = Fixture::open().await;
    let second = log_in(&fixture, "viewer@one.example").await;
    let out = second.post("/api/v1/auth/logout").await.expect(204);
    assert_eq!(out.header("set-cookie"), "__Host-hotshelf_session=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax; Secure");
    is_out(&second).await;
    second.post("/api/v1/auth/logout").await.expect(401);
    fixture.viewer.get(SESSION).await.expect(200);
}

#[tokio::test]
async fn a_user_sees_and_ends_the_sessions() {
    let fixture = Fixture::open().await;
    let second = log_in(&fixture, "viewer@one.example").await;
    let third = log_in(&fixture, "viewer@one.example").await;
    let sessions = second.get(SESSIONS).await.expect(200).json();
    let current: Vec<_> = sessions["sessions"].as_array().unwrap().iter().map(|one| one["current"] == true).collect();
    assert_eq!(current, [false, true, false]);
    let own = &sessions["sessions"][1];
    assert_eq!(&second.get(SESSION).await.json()["session"]["id"], &own["id"]);

    let path = format!("{SESSIONS}/{}", sessions["sessions"][0]["id"]);
    fixture.other.delete(&path).await.expect(404);
    second.delete(&path).await.expect(204);
    is_out(&fixture.viewer).await;
    third.get(SESSION).await.expect(200);

    third.delete(SESSIONS).await.expect(204);
    is_out(&second).await;
    is_out(&third).await;
    let anew = log_in(&fixture, "viewer@one.example").await;
    assert_eq!(anew.get(SESSIONS).await.json()["sessions"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn an_admin_ends_the_sessions_of_a_user() {
    let fixture = Fixture::open().await;
    let path = format!("{USERS}/{}/sessions", me(&fixture.editor).await["id"]);
    fixture.other.delete(&path).await.expect(404);
    fixture.editor.get(SESSION).await.expect(200);
    fixture.admin.delete(&path).await.expect(204);
    is_out(&fixture.editor).await;
    log_in(&fixture, "editor@one.example").await;
}

#[tokio::test]
async fn a_session_lasts_as_long_as_it_is_used() {
    let fixture = Fixture::open_with(&[("SESSION_TTL", "2s")]).await;
    let idle = log_in(&fixture, "viewer@one.example").await;
    // On a busy machine, two seconds may pass between two uses; then the session rightly ends.
    let mut used = log_in(&fixture, "viewer@one.example").await;
    while !in_use_for(&used, Duration::from_secs(5)).await {
        used = log_in(&fixture, "viewer@one.example").await;
    }
    is_out(&idle).await;
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    is_out(&used).await;
}

#[tokio::test]
async fn a_session_has_an_absolute_end() {
    let fixture = Fixture::open_with(&[("SESSION_MAX_TTL", "3s"), ("SESSION_TTL", "2s")]).await;
    let begun = Instant::now();
    let used = log_in(&fixture, "viewer@one.example").await;
    let opened = Instant::now();
    // Used all the time, it is refused from the end on. It may be refused long before only if there was a pause.
    let mut last = Instant::now();
    loop {
        let sent = Instant::now();
        let status = used.get("/api/v1/products").await.status;
        if status != 200 {
            assert_eq!(status, 401);
            let on_time = begun.elapsed() >= Duration::from_millis(2_900);
            assert!(on_time || last.elapsed() >= Duration::from_secs(1), "{:?}", begun.elapsed());
            break;
        }
        assert!(sent.duration_since(opened) < Duration::from_millis(3_050), "accepted after its end");
        last = sent;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    is_out(&used).await;
}

/// Uses the session for this time, far longer than its TTL. `false` if there was a pause as long as the TTL between two
/// uses.
async fn in_use_for(client: &Client, duration: Duration) -> bool {
    let begun = Instant::now();
    let mut last = begun;
    while begun.elapsed() < duration {
        let reply = client.get("/api/v1/products").await;
        let pause = std::mem::replace(&mut last, Instant::now()).elapsed();
        if pause >= Duration::from_secs(1) {
            return false;
        }
        reply.expect(200);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let session = client.get(SESSION).await;
    if last.elapsed() >= Duration::from_secs(1) {
        return false;
    }
    let end = session.expect(200).json()["session"]["expires_at"].as_str().unwrap().to_owned();
    let left = chrono::DateTime::parse_from_rfc3339(&end).unwrap().to_utc() - chrono::Utc::now();
    assert!(left.num_milliseconds() > 0, "{left}");
    true
}

#[tokio::test]
async fn the_loss_of_redis_neither_ends_nor_restores_a_session() {
    let redis = RedisServer::start();
    let fixture = Fixture::open_with(&[("CACHE_BACKEND", "tiered"), ("REDIS_ADDR", redis.address())]).await;
    let (ended, kept) = (log_in(&fixture, "viewer@one.example").await, log_in(&fixture, "viewer@one.example").await);
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
    let up = async || fixture.admin.get("/health").await.json()["modules"]["cache"]["status"] == "healthy";
    wait_until("Redis is up", PATIENCE, up).await;
    kept.get(SESSION).await.expect(200);
    is_out(&ended).await;
}

#[tokio::test]
async fn sessions_survive_a_restart() {
    let mut fixture = Fixture::open().await;
    let (ended, kept) = (log_in(&fixture, "viewer@one.example").await, fixture.viewer.token().unwrap().to_owned());
    ended.post("/api/v1/auth/logout").await.expect(204);
    fixture.service.restart().await;
    fixture.with_token(&kept).get(SESSION).await.expect(200);
    is_out(&fixture.with_token(ended.token().unwrap())).await;
}
