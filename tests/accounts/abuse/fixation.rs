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
        let session = log_in_showing(&fixture, &format!("__Host-hotshelf_session={shown}")).await;
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
        format!("__Host-hotshelf_session={planted}; __Host-hotshelf_session={own}"),
        format!("__Host-hotshelf_session={own}; a=b; __Host-hotshelf_session={planted}"),
    ] {
        fixture.service.get("/api/v1/auth/session").header("cookie", &cookies).await.expect(401);
    }
}

#[tokio::test]
async fn another_site_cannot_write_with_a_users_cookie() {
    let fixture = Fixture::open().await;
    let cookie = format!("__Host-hotshelf_session={}", fixture.admin.token().unwrap());
    let product = json!({"name": "Cup", "price": 1});
    let write = async |site: &str| {
        let request = fixture.service.post("/api/v1/products").header("cookie", &cookie);
        request.header("sec-fetch-site", site).json(&product).await.status
    };
    assert_eq!((write("cross-site").await, write("same-site").await), (403, 403));
    assert_eq!((write("same-origin").await, write("none").await), (201, 201));
    // Browsers that tell no site name an origin.
    let from = async |origin: &str| {
        let request = fixture.service.post("/api/v1/products").header("cookie", &cookie);
        request.header("origin", origin).json(&product).await.status
    };
    assert_eq!((from("https://evil.example").await, from("null").await), (403, 403));
    assert_eq!(from(&format!("https://{}", fixture.address())).await, 201);
    // The token of a header cannot be sent by another site's page.
    let by_token = fixture.admin.post("/api/v1/products").header("origin", "https://evil.example");
    by_token.json(&product).await.expect(201);
    // What needs no credentials may not log a user in as somebody else.
    let login = fixture.service.post("/api/v1/auth/login").header("origin", "https://evil.example");
    login.json(&json!({"email": "viewer@one.example", "password": PASSWORD})).await.expect(403);
    let logout = fixture.service.post("/api/v1/auth/logout").header("cookie", &cookie);
    logout.header("sec-fetch-site", "cross-site").await.expect(403);
    // A form cannot send JSON, and the service accepts nothing else.
    let form = fixture.service.post("/api/v1/auth/login").header("content-type", "application/x-www-form-urlencoded");
    form.body("email=viewer%40one.example&password=x").await.expect(415);
}

#[tokio::test]
async fn no_listed_origin_writes_with_a_users_cookie() {
    let origin = "https://app.example";
    let fixture = Fixture::open_with(&[("CORS_ORIGINS", origin)]).await;
    let cookie = format!("__Host-hotshelf_session={}", fixture.admin.token().unwrap());
    let product = json!({"name": "Cup", "price": 1});
    let write = fixture.service.post("/api/v1/products").header("cookie", &cookie).header("origin", origin);
    write.json(&product).await.expect(403);
    // It may log in, and go on with the token of the answer.
    let login = fixture.service.post("/api/v1/auth/login").header("origin", origin);
    login.json(&json!({"email": "viewer@one.example", "password": PASSWORD})).await.expect(200);
    fixture.admin.post("/api/v1/products").header("origin", origin).json(&product).await.expect(201);
}

#[tokio::test]
async fn the_cookie_belongs_to_this_host() {
    let fixture = Fixture::open().await;
    let token = fixture.viewer.token().unwrap();
    // Another host of the domain can plant a cookie of this name, but not one with the prefix.
    let planted = format!("hotshelf_session={token}");
    fixture.service.get("/api/v1/auth/session").header("cookie", &planted).await.expect(401);
    let own = format!("{planted}x; __Host-hotshelf_session={token}");
    fixture.service.get("/api/v1/auth/session").header("cookie", &own).await.expect(200);

    let plain = Fixture::open_with(&[("SESSION_COOKIE_SECURE", "false")]).await;
    let cookie = format!("hotshelf_session={}", plain.viewer.token().unwrap());
    plain.service.get("/api/v1/auth/session").header("cookie", &cookie).await.expect(200);
}

#[tokio::test]
async fn a_browser_gets_its_token_in_the_cookie_alone() {
    let fixture = Fixture::open().await;
    let credentials = json!({"email": "viewer@one.example", "password": PASSWORD});
    let login = fixture.service.post("/api/v1/auth/login?cookie=true").json(&credentials).await.expect(200);
    assert_eq!(login.json().get("token"), None);
    let cookie = login.header("set-cookie").split(';').next().unwrap();
    let session = fixture.service.get("/api/v1/auth/session").header("cookie", cookie).await.expect(200).json();
    assert_eq!(session["user"], login.json()["user"]);
    let token = cookie.split_once('=').unwrap().1;
    assert!(!login.text().contains(token));
}
