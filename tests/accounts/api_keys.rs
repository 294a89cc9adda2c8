//! API keys, by which programs authenticate.

use chrono::{DateTime, TimeDelta, Utc};
use hotshelf_testkit::users::{PASSWORD, api_key, log_in};
use hotshelf_testkit::{PATIENCE, wait_until};
use serde_json::{Value, json};

use crate::fixture::Fixture;

const KEYS: &str = "/api/v1/auth/api-keys";

#[tokio::test]
async fn an_api_key_is_shown_once_and_works_until_it_is_removed() {
    let fixture = Fixture::open().await;
    let made = fixture.editor.post(KEYS).json(&json!({"name": " Import ", "role": "editor"})).await.expect(201);
    assert_eq!(made.header("cache-control"), "no-store");
    let made = made.json();
    assert_eq!((&made["api_key"]["name"], &made["api_key"]["last_used_at"]), (&json!("Import"), &Value::Null));
    let listed = fixture.editor.get(KEYS).await.expect(200);
    assert_eq!(listed.json()["api_keys"], json!([made["api_key"]]));
    assert!(!listed.text().contains("hsk_"));

    let program = fixture.with_token(made["token"].as_str().unwrap());
    program.post("/api/v1/products").json(&json!({"name": "Cup", "price": 1})).await.expect(201);
    let noted = async || fixture.editor.get(KEYS).await.json()["api_keys"][0]["last_used_at"].is_string();
    wait_until("the use is stored", PATIENCE, noted).await;

    let path = format!("{KEYS}/{}", made["api_key"]["id"]);
    fixture.admin.delete(&path).await.expect(404);
    program.get("/api/v1/products").await.expect(200);
    fixture.editor.delete(&path).await.expect(204);
    program.get("/api/v1/products").await.expect(401);
    fixture.editor.delete(&path).await.expect(404);
}

#[tokio::test]
async fn an_api_key_outlives_the_sessions_of_its_user() {
    let fixture = Fixture::open().await;
    let key = api_key(&fixture.editor, "viewer").await;
    fixture.editor.delete("/api/v1/auth/sessions").await.expect(204);
    key.get("/api/v1/products").await.expect(200);
}

/// An attacker with a session creates API keys while the owner resets the password.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_key_overtaken_by_a_reset_is_invalid() {
    let fixture = Fixture::open().await;
    let mut password = PASSWORD.to_owned();
    for round in 1..=5 {
        let credentials = json!({"email": "viewer@one.example", "password": password});
        let session = fixture.post("/api/v1/auth/login").json(&credentials).await.expect(200).json();
        let thief = fixture.with_token(session["token"].as_str().unwrap());
        fixture.post("/api/v1/auth/forgot-password").json(&json!({"email": "viewer@one.example"})).await.expect(202);
        let tokens = || fixture.mail().split_whitespace().filter(|word| word.starts_with("hsr_")).count();
        wait_until("the mail is there", PATIENCE, async || tokens() == round).await;
        let mail = fixture.mail();
        let token = mail.split_whitespace().rfind(|word| word.starts_with("hsr_")).unwrap();
        let makers: Vec<_> = (0..4)
            .map(|_| {
                let thief = thief.clone();
                tokio::spawn(async move {
                    let mut made = Vec::new();
                    loop {
                        let key = thief.post(KEYS).json(&json!({"name": "mine"})).await;
                        match key.status {
                            201 => made.push(key.json()["token"].as_str().unwrap().to_owned()),
                            // The user may have no more API keys.
                            400 => {}
                            _ => return (key.status, made),
                        }
                    }
                })
            })
            .collect();
        password = format!("password number {round}");
        let reset = json!({"token": token, "password": password});
        fixture.post("/api/v1/auth/reset-password").json(&reset).await.expect(204);
        for maker in makers {
            let (status, made) = maker.await.unwrap();
            assert_eq!(status, 401);
            for key in made {
                fixture.with_token(&key).get("/api/v1/products").await.expect(401);
            }
        }
    }
}

#[tokio::test]
async fn every_invalid_field_of_an_api_key_is_named() {
    let fixture = Fixture::open().await;
    for (body, field) in [
        (json!({}), "name"),
        (json!({"name": " "}), "name"),
        (json!({"name": "x", "role": "owner"}), "role"),
        (json!({"name": "x", "scope": "all"}), "scope"),
        (json!({"name": "x", "scopes": ["everything"]}), "scopes"),
        (json!({"name": "x", "scopes": []}), "scopes"),
        (json!({"name": "x", "expires_at": "2020-01-01T00:00:00Z"}), "expires_at"),
        (json!({"name": "x", "expires_at": 4_102_444_800_i64}), "expires_at"),
    ] {
        let problem = fixture.admin.post(KEYS).json(&body).await.expect(400).json();
        assert_eq!(problem["errors"][0]["field"], field, "{body}");
    }
}

#[tokio::test]
async fn the_service_can_bound_how_long_api_keys_are_good() {
    let fixture = Fixture::open_with(&[("API_KEY_MAX_TTL", "1h")]).await;
    let made = fixture.editor.post(KEYS).json(&json!({"name": "Import"})).await.expect(201).json();
    let end: DateTime<Utc> = made["api_key"]["expires_at"].as_str().unwrap().parse().unwrap();
    assert!((end - Utc::now()).num_minutes().abs_diff(60) <= 1, "{end}");
    let late = json!({"name": "Import", "expires_at": (Utc::now() + TimeDelta::hours(2)).to_rfc3339()});
    let refused = fixture.editor.post(KEYS).json(&late).await.expect(400).json();
    assert_eq!(refused["errors"][0]["field"], "expires_at");
    let soon = json!({"name": "Import", "expires_at": (Utc::now() + TimeDelta::minutes(30)).to_rfc3339()});
    fixture.editor.post(KEYS).json(&soon).await.expect(201);
}

#[tokio::test]
async fn admins_see_and_remove_the_api_keys_of_their_organization() {
    const ALL_KEYS: &str = "/api/v1/api-keys";
    let fixture = Fixture::open().await;
    let mut keys = Vec::new();
    for client in [&fixture.editor, &fixture.viewer, &fixture.admin, &fixture.other] {
        keys.push(client.post(KEYS).json(&json!({"name": "Import"})).await.expect(201).json());
    }
    let all = fixture.admin.get(ALL_KEYS).await.expect(200);
    assert!(!all.text().contains("hsk_"));
    assert_eq!(all.header("cache-control"), "no-store");
    let listed = all.json()["api_keys"].as_array().unwrap().clone();
    let emails: Vec<_> = listed.iter().map(|key| key["email"].as_str().unwrap()).collect();
    assert_eq!(emails, ["editor@one.example", "viewer@one.example", "admin@one.example"]);
    let mut own = keys[0]["api_key"].clone();
    own["email"] = json!("editor@one.example");
    assert_eq!(listed[0], own);

    let (mut paged, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = fixture.admin.get(&format!("{ALL_KEYS}?limit=2{cursor}")).await.expect(200).json();
        paged.extend(page["api_keys"].as_array().unwrap().clone());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(paged, listed);

    let program = fixture.with_token(keys[0]["token"].as_str().unwrap());
    program.get("/api/v1/products").await.expect(200);
    let path = format!("{ALL_KEYS}/{}", keys[0]["api_key"]["id"]);
    fixture.other.delete(&path).await.expect(404);
    program.get("/api/v1/products").await.expect(200);
    fixture.admin.delete(&path).await.expect(204);
    program.get("/api/v1/products").await.expect(401);
    fixture.admin.delete(&path).await.expect(404);
    let removed = fixture.admin.get("/api/v1/audit?action=api_key.removed").await.expect(200).json();
    assert_eq!(removed["entries"][0]["target"], format!("api_key:{}", keys[0]["api_key"]["id"]));
}

/// Neither more API keys nor more sessions give a user more requests.
#[tokio::test]
async fn all_api_keys_and_sessions_of_a_user_share_one_rate_limit() {
    const LIMIT: usize = 60;
    let limit = format!("{LIMIT}/1h");
    let fixture = Fixture::open_with(&[("RATE_LIMIT", "on"), ("RATE_LIMIT_API", &limit)]).await;
    let mut clients = vec![fixture.viewer.clone(), log_in(&fixture, "viewer@one.example").await];
    for _ in 0..10 {
        clients.push(api_key(&fixture.viewer, "viewer").await);
    }
    let keys = fixture.viewer.get(KEYS).await.expect(200).json();
    fixture.viewer.delete(&format!("{KEYS}/{}", keys["api_keys"][0]["id"])).await.expect(204);
    clients[2] = api_key(&fixture.viewer, "viewer").await;
    let mut used = 10 + 3;
    for round in 0..2 * LIMIT {
        let client = &clients[round % clients.len()];
        let reply = match round % 3 {
            // What is refused counts, too.
            0 => client.post("/api/v1/products").json(&json!({"name": "Cup", "price": 1})).await,
            _ => client.get("/api/v1/products").await,
        };
        used += usize::from(reply.status != 429);
    }
    assert_eq!(used, LIMIT);
    fixture.editor.get("/api/v1/products").await.expect(200);
}
