//! Password resets and password changes.

use hotshelf_testkit::users::{PASSWORD, log_in};
use hotshelf_testkit::{Client, PATIENCE, wait_until};
use serde_json::json;

use crate::fixture::{Fixture, me};

const FORGOT: &str = "/api/v1/auth/forgot-password";
const RESET: &str = "/api/v1/auth/reset-password";
const CHANGE: &str = "/api/v1/auth/change-password";
const SESSION: &str = "/api/v1/auth/session";

async fn forgot(fixture: &Fixture, email: &str) {
    fixture.post(FORGOT).json(&json!({"email": email})).await.expect(202);
}

/// The mailed tokens.
fn tokens(fixture: &Fixture) -> Vec<String> {
    fixture.mail().split_whitespace().filter(|word| word.starts_with("hsr_")).map(str::to_owned).collect()
}

/// The last mailed token, once there are this many.
async fn mailed(fixture: &Fixture, count: usize) -> String {
    wait_until("the mail is there", PATIENCE, async || tokens(fixture).len() == count).await;
    tokens(fixture).pop().unwrap()
}

async fn reset(client: &Client, token: &str, password: &str) -> u16 {
    client.post(RESET).json(&json!({"token": token, "password": password})).await.status
}

async fn login(client: &Client, password: &str) -> u16 {
    let credentials = json!({"email": "viewer@one.example", "password": password});
    client.post("/api/v1/auth/login").json(&credentials).await.status
}

#[tokio::test]
async fn a_reset_token_works_once_and_ends_all_sessions() {
    let fixture = Fixture::open().await;
    forgot(&fixture, "Viewer@one.example").await;
    let token = mailed(&fixture, 1).await;
    assert!(fixture.mail().contains("To: viewer@one.example\nSubject: Choose a new password\n"), "{}", fixture.mail());
    assert_eq!(reset(&fixture, &token, "short").await, 400);
    fixture.viewer.get(SESSION).await.expect(200);
    assert_eq!(reset(&fixture, &token, "a new password").await, 204);
    fixture.viewer.get(SESSION).await.expect(401);
    assert_eq!((login(&fixture, PASSWORD).await, login(&fixture, "a new password").await), (401, 200));
    assert_eq!(reset(&fixture, &token, "a third password").await, 400);
    assert_eq!(login(&fixture, "a new password").await, 200);
}

#[tokio::test]
async fn one_reset_invalidates_all_reset_tokens() {
    let fixture = Fixture::open().await;
    forgot(&fixture, "viewer@one.example").await;
    let first = mailed(&fixture, 1).await;
    forgot(&fixture, "viewer@one.example").await;
    let second = mailed(&fixture, 2).await;
    assert_ne!(first, second);
    assert_eq!(reset(&fixture, &first, "a new password").await, 204);
    assert_eq!(reset(&fixture, &second, "a third password").await, 400);
}

#[tokio::test]
async fn forgot_password_does_not_show_whether_a_user_exists() {
    let fixture = Fixture::open().await;
    forgot(&fixture, "nobody@one.example").await;
    forgot(&fixture, "viewer@one.example").await;
    mailed(&fixture, 1).await;
    assert!(!fixture.mail().contains("nobody@one.example"));
    fixture.post(FORGOT).json(&json!({"email": "nonsense"})).await.expect(400);
    for token in ["", "hsr_x", fixture.viewer.token().unwrap()] {
        assert_eq!(reset(&fixture, token, "a new password").await, 400);
    }
    // A reset token is no session.
    let token = tokens(&fixture).pop().unwrap();
    fixture.with_token(&token).get(SESSION).await.expect(401);
}

#[tokio::test]
async fn a_password_change_ends_the_other_sessions_only() {
    let fixture = Fixture::open().await;
    let second = log_in(&fixture, "viewer@one.example").await;
    let wrong = json!({"current_password": "not this", "password": "a new password"});
    let refused = fixture.viewer.post(CHANGE).json(&wrong).await.expect(400).json();
    assert_eq!(refused["errors"][0], json!({"field": "current_password", "message": "is wrong"}));
    second.get(SESSION).await.expect(200);
    let right = json!({"current_password": PASSWORD, "password": "a new password"});
    fixture.viewer.post(CHANGE).json(&right).await.expect(204);
    second.get(SESSION).await.expect(401);
    for _ in 0..3 {
        fixture.viewer.get(SESSION).await.expect(200);
    }
    assert_eq!((login(&fixture, PASSWORD).await, login(&fixture, "a new password").await), (401, 200));
    assert_eq!(fixture.viewer.get("/api/v1/auth/sessions").await.json()["sessions"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_user_added_without_a_password_chooses_one() {
    let fixture = Fixture::open().await;
    let added = json!({"email": "new@one.example"});
    let added = fixture.admin.post("/api/v1/users").json(&added).await.expect(201).json();
    assert_eq!(added["user"]["role"], "viewer");
    let credentials = |password: &str| json!({"email": "new@one.example", "password": password});
    fixture.post("/api/v1/auth/login").json(&credentials("")).await.expect(401);
    let token = mailed(&fixture, 1).await;
    assert_eq!(reset(&fixture, &token, "chosen by me").await, 204);
    let session = fixture.post("/api/v1/auth/login").json(&credentials("chosen by me")).await.expect(200).json();
    let client = fixture.with_token(session["token"].as_str().unwrap());
    assert_eq!(added["user"]["verified"], false);
    let mut chosen = added["user"].clone();
    chosen["verified"] = json!(true);
    assert_eq!(me(&client).await, chosen);
}

#[tokio::test]
async fn the_mail_names_the_page_that_takes_the_token() {
    let fixture = Fixture::open_with(&[("PASSWORD_RESET_URL", "https://shop.example/reset?token=")]).await;
    forgot(&fixture, "viewer@one.example").await;
    let link = async || fixture.mail().contains("https://shop.example/reset?token=hsr_");
    wait_until("the mail is there", PATIENCE, link).await;
}

/// A login with the old password at the same time as a reset.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_overtaken_by_a_reset_opens_no_session() {
    let fixture = Fixture::open().await;
    let mut old = PASSWORD.to_owned();
    for round in 1..=6 {
        forgot(&fixture, "viewer@one.example").await;
        let token = mailed(&fixture, round).await;
        let credentials = json!({"email": "viewer@one.example", "password": old});
        let logins: Vec<_> = (0..4)
            .map(|_| {
                let (client, credentials) = (fixture.client().clone(), credentials.clone());
                tokio::spawn(async move { client.post("/api/v1/auth/login").json(&credentials).await })
            })
            .collect();
        let new = format!("password number {round}");
        assert_eq!(reset(&fixture, &token, &new).await, 204);
        for login in logins {
            let login = login.await.unwrap();
            if login.status == 200 {
                let thief = fixture.with_token(login.json()["token"].as_str().unwrap());
                thief.get(SESSION).await.expect(401);
            } else {
                login.expect(401);
            }
        }
        old = new;
    }
}

/// The owner has a reset mail, the attacker a session and the old password.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_change_overtaken_by_a_reset_changes_nothing() {
    let fixture = Fixture::open().await;
    let mut old = PASSWORD.to_owned();
    for round in 1..=6 {
        let credentials = json!({"email": "viewer@one.example", "password": old});
        let session = fixture.post("/api/v1/auth/login").json(&credentials).await.expect(200).json();
        let thief = fixture.with_token(session["token"].as_str().unwrap());
        forgot(&fixture, "viewer@one.example").await;
        let token = mailed(&fixture, round).await;
        let (by_mail, by_thief) = (format!("by mail {round}"), format!("by the thief {round}"));
        let change = json!({"current_password": old, "password": by_thief});
        let changing = tokio::spawn(async move { thief.post(CHANGE).json(&change).await.status });
        let reset = reset(&fixture, &token, &by_mail).await;
        let changed = changing.await.unwrap();
        // The change may have been first, and invalidated the reset token.
        old = if reset == 204 { by_mail } else { by_thief };
        assert!(reset == 204 || changed == 204, "{reset} {changed}");
        assert_eq!(login(&fixture, &old).await, 200, "{reset} {changed}");
    }
}
