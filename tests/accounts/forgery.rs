//! Somebody else writes to the Redis of the service. This gives nobody a right, and shows no organization the data of
//! another.

use hotshelf_testkit::catalogue::{PRODUCTS, create_named};
use hotshelf_testkit::users::{USERS, api_key, log_in};
use hotshelf_testkit::{Client, PATIENCE, RedisServer, wait_until};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::fixture::{Fixture, me};

const SESSION: &str = "/api/v1/auth/session";

/// A service with this `CACHE_BACKEND`, and its Redis.
async fn with_redis(backend: &str) -> (Fixture, RedisServer) {
    let redis = RedisServer::start();
    let fixture = Fixture::open_with(&[("CACHE_BACKEND", backend), ("REDIS_ADDR", redis.address())]).await;
    let up = async || fixture.admin.get("/health").await.json()["modules"]["cache"]["status"] == "healthy";
    wait_until("Redis is up", PATIENCE, up).await;
    (fixture, redis)
}

/// A value in the layout before the seal, with this payload, valid for an hour in the epoch and the history that Redis
/// tells.
fn forged(redis: &RedisServer, payload: &[u8]) -> String {
    let told = redis.get("product:epoch").unwrap();
    let words: Vec<&str> = told.split(' ').collect();
    let epoch: u64 = words[1][..20].parse().unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as u64;
    let mut value = vec![b'V', 5, 1];
    value.extend([7; 16]);
    value.extend(u64::from_str_radix(words[0], 16).unwrap().to_be_bytes());
    value.extend(epoch.to_be_bytes());
    value.extend([0; 16]);
    value.extend(1_u64.to_be_bytes());
    value.extend((now + 3_600_000).to_be_bytes());
    value.extend(0_u64.to_be_bytes());
    value.extend(payload);
    value.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Sets a key to these bytes; `sealed`: in the present layout, with a tag that was made up.
fn set(redis: &RedisServer, key: &str, hex: &str, sealed: bool) {
    const SET: &str = "local bytes = string.gsub(ARGV[1], '..', function(x) return string.char(tonumber(x, 16)) end) \
        if ARGV[2] == '1' then \
            bytes = 'V\\7' .. string.sub(bytes, 3, 75) .. string.rep('t', 16) .. string.sub(bytes, 76) \
        end \
        redis.call('SET', KEYS[1], bytes, 'PX', 3600000)";
    redis.command(&["EVAL", SET, "1", key, hex, if sealed { "1" } else { "0" }]);
}

fn numbers(numbers: [i64; 4]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
}

fn hash(token: &str) -> String {
    Sha256::digest(token).iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn role(client: &Client) -> String {
    me(client).await["role"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn redis_keeps_neither_tokens_nor_rights() {
    for backend in ["redis", "tiered"] {
        let (fixture, redis) = with_redis(backend).await;
        let key = api_key(&fixture.editor, "editor").await;
        for client in [&fixture.viewer, &fixture.editor, &key] {
            for _ in 0..3 {
                client.get(PRODUCTS).await.expect(200);
            }
        }
        let keys = redis.keys("*");
        assert!(
            keys.iter().any(|key| key.starts_with("product:list:") || key.starts_with("product:products:")),
            "{keys:?}"
        );
        let token = fixture.viewer.token().unwrap();
        assert!(!keys.iter().any(|key| key.contains(token)), "{keys:?}");
        for kind in ["session", "apikey", "account"] {
            assert!(!keys.iter().any(|key| key.starts_with(&format!("product:{kind}:"))), "{kind}: {keys:?}");
        }
    }
}

#[tokio::test]
async fn no_right_comes_from_redis() {
    for backend in ["redis", "tiered"] {
        let (fixture, redis) = with_redis(backend).await;
        let user = me(&fixture.viewer).await["id"].as_i64().unwrap();
        let (session, key) = (format!("hss_{}", "s".repeat(43)), format!("hsk_{}", "k".repeat(43)));
        let far = 99_999_999_999_999;
        for sealed in [false, true] {
            // A session and an API key of the admin, who is user 1, and the viewer as an admin.
            let forge = |payload: Vec<u8>| forged(&redis, &payload);
            set(&redis, &format!("product:session:{}", hash(&session)), &forge(numbers([777_777, 1, 1, far])), sealed);
            // The unit tests of the entries make sure that each of them would give the right if it were used.
            let api_key = [&numbers([999, 1, 1, i64::MAX])[..], &[2, 0xff]].concat();
            set(&redis, &format!("product:apikey:{}", hash(&key)), &forge(api_key), sealed);
            let account = [&numbers([user, 1, 1, 1])[..], &[2], b"viewer@one.example"].concat();
            set(&redis, &format!("product:account:{user}"), &forge(account), sealed);
            for token in [&session, &key] {
                fixture.with_token(token).get(USERS).await.expect(401);
            }
            assert_eq!(role(&fixture.viewer).await, "viewer", "{backend}");
            fixture.viewer.post(USERS).json(&json!({"email": "evil@evil.example", "role": "admin"})).await.expect(403);
        }
    }
}

/// Somebody puts everything back that Redis held before a right ended.
#[tokio::test]
async fn what_is_put_back_in_redis_revives_no_right() {
    for backend in ["redis", "tiered"] {
        let (fixture, redis) = with_redis(backend).await;
        let user = me(&fixture.editor).await["id"].clone();
        let ended = log_in(&fixture, "editor@one.example").await;
        for client in [&fixture.editor, &ended] {
            client.get(SESSION).await.expect(200);
            client.get(PRODUCTS).await.expect(200);
        }
        for key in redis.keys("product:*") {
            redis.command(&["COPY", &key, &format!("aside:{key}"), "REPLACE"]);
        }
        ended.post("/api/v1/auth/logout").await.expect(204);
        fixture.admin.patch(&format!("{USERS}/{user}")).json(&json!({"role": "viewer"})).await.expect(200);
        for _ in 0..3 {
            for key in redis.keys("aside:*") {
                redis.command(&["COPY", &key, &key["aside:".len()..], "REPLACE"]);
            }
            ended.get(SESSION).await.expect(401);
            let create = fixture.editor.post(PRODUCTS).json(&json!({"name": "Cup", "price": 1})).await;
            assert_eq!(create.status, 403, "{backend}");
        }
    }
}

/// The header of a product in Redis contains its organization.
#[tokio::test]
async fn a_product_keeps_its_organization() {
    const GIVE_AWAY: &str = "local held = redis.call('GET', KEYS[1]) redis.call('SETRANGE', KEYS[1], 67, \
        string.rep(string.char(0), 7) .. string.char(ARGV[1]))";
    let (fixture, redis) = with_redis("redis").await;
    let theirs = create_named(&fixture.other, "Theirs").await;
    let ours = create_named(&fixture.admin, "Ours").await;
    let path = |product: &serde_json::Value| format!("{PRODUCTS}/{}", product["id"]);
    let entry = |product: &serde_json::Value| format!("product:id:{}", product["id"]);
    for (reader, product) in [(&fixture.other, &theirs), (&fixture.admin, &ours)] {
        reader.get(&path(product)).await.expect(200);
    }
    redis.command(&["EVAL", GIVE_AWAY, "1", &entry(&ours), &fixture.other_organization.to_string()]);
    fixture.other.get(&path(&ours)).await.expect(404);
    fixture.other.delete(&path(&ours)).await.expect(404);
    // The product of one organization under the key of another's.
    fixture.admin.get(&path(&ours)).await.expect(200);
    redis.command(&["COPY", &entry(&ours), &entry(&theirs), "REPLACE"]);
    let read = fixture.other.get(&path(&theirs)).await.expect(200).json();
    assert_eq!(read["product"]["name"], "Theirs");
    let metrics = fixture.admin.metrics().await;
    assert!(metrics.value("cache_errors_total", &[("operation", "seal"), ("tier", "l2")]) >= 2.0);
    let health = fixture.admin.get("/health").await.json();
    assert_eq!(health["modules"]["cache"]["status"], "degraded", "{health}");
    assert!(fixture.log().contains("another seal"));
}
