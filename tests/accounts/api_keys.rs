//! API keys, by which programs authenticate.

use hotshelf_testkit::users::{PASSWORD, api_key};
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
    ] {
        let problem = fixture.admin.post(KEYS).json(&body).await.expect(400).json();
        assert_eq!(problem["errors"][0]["field"], field, "{body}");
    }
}
