//! Guessing tokens and users.

use hotshelf_testkit::users::PASSWORD;
use hotshelf_testkit::{Client, users::api_key};
use serde_json::json;

use crate::fixture::Fixture;

const SESSION: &str = "/api/v1/auth/session";

#[tokio::test]
async fn a_modified_token_is_refused() {
    let fixture = Fixture::open_with(&[("METRICS_OPEN", "true")]).await;
    let key = api_key(&fixture.editor, "editor").await;
    for token in [fixture.viewer.token().unwrap(), key.token().unwrap()] {
        let (head, tail) = token.split_at(token.len() - 1);
        let last = if tail == "A" { "B" } else { "A" };
        let upper = token.to_uppercase();
        for guess in [format!("{head}{last}"), head.to_owned(), format!("{token}A"), upper, token[4..].to_owned()] {
            let refused = fixture.with_token(&guess).get("/api/v1/products").await.expect(401);
            assert_eq!(refused.json()["detail"], "the token is invalid, revoked or expired");
        }
    }
    // A token of one kind is not accepted as the other kind.
    let swapped = fixture.viewer.token().unwrap().replace("hss_", "hsk_");
    fixture.with_token(&swapped).get("/api/v1/products").await.expect(401);
    let metrics = fixture.metrics().await;
    assert!(metrics.value("auth_unknown_tokens_total", &[]) >= 11.0);
}

#[tokio::test]
async fn a_hash_from_the_database_is_no_token() {
    let fixture = Fixture::open().await;
    fixture.viewer.get(SESSION).await.expect(200);
    let hash = sha256_hex(fixture.viewer.token().unwrap());
    for guess in [hash.clone(), format!("hss_{}", &hash[..43]), format!("session:{hash}")] {
        fixture.with_token(&guess).get(SESSION).await.expect(401);
    }
}

/// Read with SQLite directly, as an attacker with a copy of the database would.
fn sha256_hex(text: &str) -> String {
    use std::io::Write;
    use std::process::{Command, Stdio};
    let mut child = Command::new("sha256sum").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    String::from_utf8(output.stdout).unwrap().split_whitespace().next().unwrap().to_owned()
}

/// The time of an answer cannot be tested on a busy machine, but its cause can: a password is also checked for users
/// who do not exist.
#[tokio::test]
async fn a_login_does_the_same_work_for_users_who_do_not_exist() {
    let fixture = Fixture::open_with(&[("METRICS_OPEN", "true")]).await;
    let checks = async || fixture.metrics().await.value("auth_password_checks_total", &[]);
    let attempt = async |email: &str| {
        let credentials = json!({"email": email, "password": "another password"});
        fixture.post("/api/v1/auth/login").json(&credentials).await.expect(401);
    };
    for email in ["viewer@one.example", "nobody@one.example", "no address at all", ""] {
        let before = checks().await;
        attempt(email).await;
        assert_eq!(checks().await - before, 1.0, "{email:?}");
    }
    let added = json!({"email": "without@one.example"});
    fixture.admin.post("/api/v1/users").json(&added).await.expect(201);
    let before = checks().await;
    attempt("without@one.example").await;
    assert_eq!(checks().await - before, 1.0);
}

#[tokio::test]
async fn a_flood_of_logins_does_not_stop_other_requests() {
    let fixture = Fixture::open().await;
    let wrong = json!({"email": "viewer@one.example", "password": "another password"});
    let attempts = (0..150).map(|_| {
        let (client, wrong): (Client, _) = (fixture.client().clone(), wrong.clone());
        tokio::spawn(async move { client.post("/api/v1/auth/login").json(&wrong).await.status })
    });
    let attempts: Vec<_> = attempts.collect();
    // Other requests are answered while passwords are checked.
    for _ in 0..20 {
        fixture.viewer.get("/api/v1/products").await.expect(200);
    }
    let mut refused = 0;
    for attempt in attempts {
        match attempt.await.unwrap() {
            401 => {}
            429 | 503 => refused += 1,
            other => panic!("a login answers {other}"),
        }
    }
    assert!(refused > 0, "no login was refused");
    let right = json!({"email": "editor@one.example", "password": PASSWORD});
    fixture.post("/api/v1/auth/login").json(&right).await.expect(200);
}
