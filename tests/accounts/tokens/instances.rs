//! Two instances that trust an issuer whose keys are published over HTTP.

use hotshelf_testkit::catalogue::PRODUCTS;
use hotshelf_testkit::token_issuer::{AUDIENCE, ISSUER, SigningKey, TokenIssuer, claims, unix_seconds};
use hotshelf_testkit::users::{USERS, USERS_ON, add_user, create_admin, log_in};
use hotshelf_testkit::{Client, PATIENCE, RedisServer, Service, ServiceBuilder, wait_until};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{LEASE, REVOKE, and, rights};
use crate::fixture::Fixture;
use crate::hotshelf;

/// Two instances that trust an issuer whose keys are published over HTTP.
struct Two {
    first: Service,
    second: Service,
    admin: Client,
    issuer: TokenIssuer,
    redis: RedisServer,
    _directory: TempDir,
}

impl Two {
    async fn start(keys: &[&SigningKey]) -> Self {
        Self::start_with(keys, &[]).await
    }

    async fn start_with(keys: &[&SigningKey], settings: &[(&str, &str)]) -> Self {
        let (redis, directory) = (RedisServer::start(), tempfile::tempdir().unwrap());
        let issuer = TokenIssuer::start(keys).await;
        let builder = hotshelf().shared_db(&directory.path().join("products.db")).redis(&redis);
        let builder = USERS_ON.iter().chain(settings).fold(builder, |builder, (name, value)| builder.env(name, value));
        let builder: ServiceBuilder = builder
            .env("JWT_ISSUER", ISSUER)
            .env("JWT_AUDIENCE", AUDIENCE)
            .env("JWT_JWKS", issuer.url())
            .env("JWT_JWKS_REFRESH", "1s")
            .env("REGISTRATION", "off")
            .env("REDIS_COMMAND_TIMEOUT", "1s");
        create_admin(&builder, "admin@one.example");
        let (first, second) = tokio::join!(builder.clone().start(), builder.start());
        for instance in [&first, &second] {
            let up = async || instance.get("/health").await.json()["modules"]["cache"]["status"] == "healthy";
            wait_until("Redis is up", PATIENCE, up).await;
        }
        let admin = log_in(&first, "admin@one.example").await;
        add_user(&admin, "editor@one.example", "editor").await;
        Two { first, second, admin, issuer, redis, _directory: directory }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_holds_on_every_instance() {
    let key = SigningKey::ed("d");
    let two = Two::start(&[&key]).await;
    for round in 0..5 {
        let token = key.token(&and(claims("editor@one.example"), json!({"jti": format!("round {round}")})));
        let (here, there) = (two.first.with_token(&token), two.second.with_token(&token));
        for _ in 0..3 {
            assert_eq!((rights(&here).await, rights(&there).await), ("editor", "editor"));
        }
        two.admin.post(REVOKE).json(&json!({"jti": format!("round {round}")})).await.expect(204);
        assert_eq!(rights(&here).await, "none");
        wait_until("the other instance refuses it", LEASE, async || rights(&there).await == "none").await;
        for _ in 0..3 {
            assert_eq!((rights(&here).await, rights(&there).await), ("none", "none"));
        }
    }
    let keys = two.redis.keys("*");
    assert!(!keys.iter().any(|key| key.starts_with("product:jwt:") || key.starts_with("product:revoked:")), "{keys:?}");
}

/// A removal holds for the tokens from before it, although they could create the user again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_user_comes_back_by_a_newer_token_only() {
    let key = SigningKey::ed("d");
    let settings = [("JWT_CREATE_USERS", "true"), ("JWT_ORGANIZATION_CLAIM", "org")];
    let two = Two::start_with(&[&key], &settings).await;
    let new = and(claims("new@one.example"), json!({"org": 1}));
    let both = |claims: &Value| {
        let token = key.token(claims);
        [two.first.with_token(&token), two.second.with_token(&token)]
    };
    let mut timeless = new.clone();
    timeless.as_object_mut().unwrap().remove("iat");
    let [here, there] = both(&new);
    assert_eq!((rights(&here).await, rights(&there).await), ("viewer", "viewer"));
    let users = two.admin.get(USERS).await.expect(200).json();
    let user = users["users"].as_array().unwrap().iter().find(|user| user["email"] == "new@one.example").unwrap();
    two.admin.delete(&format!("{USERS}/{}", user["id"])).await.expect(204);
    assert_eq!(rights(&here).await, "none");
    wait_until("the other instance refuses it", LEASE, async || rights(&there).await == "none").await;
    for [here, there] in [[here, there], both(&timeless), both(&and(new.clone(), json!({"n": 1})))] {
        for _ in 0..3 {
            assert_eq!((rights(&here).await, rights(&there).await), ("none", "none"));
        }
    }
    let later = and(new, json!({"iat": unix_seconds() + 1}));
    let [here, there] = both(&later);
    assert_eq!((rights(&here).await, rights(&there).await), ("viewer", "viewer"));
}

/// The tokens of a key that is not published any more are refused, also those that were verified before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_rotated_under_the_service() {
    let (old, new) = (SigningKey::ec("old"), SigningKey::rsa("new", 0));
    let two = Two::start(&[&old]).await;
    let by = |key: &SigningKey| {
        let token = key.token(&claims("editor@one.example"));
        [two.first.with_token(&token), two.second.with_token(&token)]
    };
    let (old_clients, new_clients) = (by(&old), by(&new));
    for client in &old_clients {
        assert_eq!(rights(client).await, "editor");
    }
    two.issuer.publish(&[&new]);
    for (old, new) in old_clients.iter().zip(&new_clients) {
        wait_until("the old key is refused", PATIENCE, async || rights(old).await == "none").await;
        wait_until("the new key is known", PATIENCE, async || rights(new).await == "editor").await;
    }
    two.issuer.publish_raw("500 Internal Server Error", b"");
    for (instance, client) in [&two.first, &two.second].into_iter().zip(&new_clients) {
        let health = async || instance.get("/health").await.json()["modules"]["accounts"]["status"] == "degraded";
        wait_until("the health report says so", PATIENCE, health).await;
        assert_eq!(rights(client).await, "editor", "the last keys are good");
        instance.get("/health/ready").await.expect(200);
    }
}

/// Tokens with many unknown key ids cause at most one request to the issuer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_keys_do_not_reach_the_issuer() {
    let (known, unknown) = (SigningKey::ec("known"), SigningKey::ec("unknown"));
    let issuer = TokenIssuer::start(&[&known]).await;
    let url = issuer.url();
    let settings =
        [("JWT_ISSUER", ISSUER), ("JWT_AUDIENCE", AUDIENCE), ("JWT_JWKS", &*url), ("JWT_ORGANIZATION_CLAIM", "org")];
    let fixture = Fixture::open_with(&settings).await;
    let viewer = fixture.with_token(&known.token(&and(claims("viewer@one.example"), json!({"org": 1}))));
    wait_until("the keys are known", PATIENCE, async || rights(&viewer).await == "viewer").await;
    let before = issuer.requests();
    for number in 0..100 {
        let header = json!({"alg": "ES256", "kid": format!("unknown {number}")});
        let token = unknown.token_with(&header, &claims("viewer@one.example"));
        fixture.with_token(&token).get(PRODUCTS).await.expect(401);
    }
    assert!(issuer.requests() <= before + 1, "{} after {before}", issuer.requests());
    assert_eq!(rights(&viewer).await, "viewer");
}
