//! Session fixation: making a user use a session that the attacker knows.

use hotshelf_testkit::Client;
use hotshelf_testkit::users::{PASSWORD, log_in};
use serde_json::{Value, json};

use crate::fixture::Fixture;

async fn log_in_showing(client: &Client, cookie: &str) -> Value {
    let credentials = json!({"email": "viewer@one.example", "password": PASSWORD});
    client.post("/api/v1/auth/login").header("cookie", cookie).json(&credentials).await.expect(200).json()
}

#[tokio::test]
async fn a_login_never_reuses_a_token() {
    let fixture = Fixture::open().await;
    let planted = format!("hss_{}", "A".repeat(43));
    let own = log_in(&fixture, "viewer@one.example").await;
    let foreign = fixture.other.token().unwrap().to_owned();
    for shown in [planted.as_str(), own.token().unwrap(), &foreign] {
        let session = log_in_showing(&fixture, &format!("hotshelf_session={shown}")).await;
        let token = session["token"].as_str().unwrap();
        assert_ne!(token, shown);
        let email =
            fixture.with_token(token).get("/api/v1/auth/session").await.expect(200).json()["user"]["email"].clone();
        assert_eq!(email, "viewer@one.example");
    }
    fixture.with_token(&planted).get("/api/v1/auth/session").await.expect(401);
    // The session of the same user has ended with the login.
    own.get("/api/v1/auth/session").await.expect(401);
    fixture.viewer.get("/api/v1/auth/session").await.expect(200);
    // The other session still belongs to its user.
    let other = fixture.with_token(&foreign).get("/api/v1/auth/session").await.expect(200).json();
    assert_eq!(other["user"]["email"], "admin@two.example");
}

#[tokio::test]
async fn two_session_cookies_are_refused() {
    let fixture = Fixture::open().await;
    let (own, planted) = (fixture.viewer.token().unwrap(), fixture.other.token().unwrap());
    for cookies in [
        format!("hotshelf_session={planted}; hotshelf_session={own}"),
        format!("hotshelf_session={own}; a=b; hotshelf_session={planted}"),
    ] {
        fixture.service.get("/api/v1/auth/session").header("cookie", &cookies).await.expect(401);
    }
}

#[tokio::test]
async fn another_site_cannot_write_with_a_users_cookie() {
    let fixture = Fixture::open().await;
    let cookie = format!("hotshelf_session={}", fixture.admin.token().unwrap());
    let product = json!({"name": "Cup", "price": 1});
    let write = async |site: &str| {
        let request = fixture.service.post("/api/v1/products").header("cookie", &cookie);
        request.header("sec-fetch-site", site).json(&product).await.status
    };
    assert_eq!((write("cross-site").await, write("same-site").await), (403, 403));
    assert_eq!((write("same-origin").await, write("none").await), (201, 201));
    let logout = fixture.service.post("/api/v1/auth/logout").header("cookie", &cookie);
    logout.header("sec-fetch-site", "cross-site").await.expect(403);
    // A form cannot send JSON, and the service accepts nothing else.
    let form = fixture.service.post("/api/v1/auth/login").header("content-type", "application/x-www-form-urlencoded");
    form.body("email=viewer%40one.example&password=x").await.expect(415);
}
