//! Guessing passwords and tokens, with the default limits.

use hotshelf_testkit::users::{PASSWORD, create_admin, mailed, verify};
use hotshelf_testkit::{Client, Reply, Service};
use serde_json::json;
use tempfile::TempDir;

use crate::hotshelf;

const LOGIN: &str = "/api/v1/auth/login";

/// One service that counts in memory. Its clients may set their address, because the test is a trusted proxy.
async fn service() -> (Service, TempDir) {
    service_with(&[]).await
}

async fn service_with(settings: &[(&str, &str)]) -> (Service, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let service = hotshelf().database(&directory.path().join("products.db")).backend("memory");
    let service = service.env("AUTH", "on").env("TRUSTED_PROXIES", "127.0.0.1");
    let service = service.env("MAIL_FILE", directory.path().join("mail.log").display());
    let service = settings.iter().fold(service, |service, (name, value)| service.env(name, value));
    create_admin(&service, "admin@one.example");
    (service.start().await, directory)
}

async fn attempt(client: &Client, from: &str, email: &str, password: &str) -> Reply {
    let credentials = json!({"email": email, "password": password});
    client.post(LOGIN).header("x-forwarded-for", from).json(&credentials).await
}

#[tokio::test]
async fn the_sixth_login_in_a_minute_is_refused_with_the_right_password() {
    let (service, _directory) = service().await;
    for _ in 0..5 {
        attempt(&service, "203.0.113.1", "admin@one.example", "wrong password").await.expect(401);
    }
    for email in ["admin@one.example", " ADMIN@one.example "] {
        let refused = attempt(&service, "203.0.113.1", email, PASSWORD).await.expect(429);
        let wait: u64 = refused.header("retry-after").parse().unwrap();
        assert!((1..=61).contains(&wait), "{wait}");
        assert_eq!(refused.header("ratelimit-policy"), "\"login\";q=5;w=60");
    }
    // Another account from that address, and this account from another address.
    attempt(&service, "203.0.113.1", "nobody@one.example", PASSWORD).await.expect(401);
    let right = attempt(&service, "203.0.113.2", "admin@one.example", PASSWORD).await.expect(200);
    assert_eq!(right.header("ratelimit-policy"), "\"login\";q=5;w=60");
}

#[tokio::test]
async fn logins_to_many_accounts_from_one_address_are_limited() {
    let (service, _directory) = service().await;
    let (mut wrong, mut refused) = (0, 0);
    for number in 0..60 {
        match attempt(&service, "203.0.113.1", &format!("user{number}@one.example"), "a common password").await.status {
            401 => wrong += 1,
            429 => refused += 1,
            other => panic!("{other}"),
        }
    }
    assert_eq!((wrong, refused), (50, 10));
    attempt(&service, "203.0.113.2", "admin@one.example", PASSWORD).await.expect(200);
}

#[tokio::test]
async fn logins_to_one_account_from_many_addresses_are_limited() {
    let (service, _directory) = service_with(&[("RATE_LIMIT_LOGIN", "1/1m")]).await;
    let mut statuses = Vec::new();
    for number in 0..105 {
        let from = format!("198.51.100.{number}");
        statuses.push(attempt(&service, &from, "admin@one.example", "wrong password").await.status);
    }
    assert_eq!(statuses, [[401; 100].as_slice(), &[429; 5]].concat());
}

#[tokio::test]
async fn guessing_tokens_is_limited_and_valid_tokens_are_not() {
    let (service, _directory) = service().await;
    let session = attempt(&service, "203.0.113.1", "admin@one.example", PASSWORD).await.expect(200).json();
    let token = session["token"].as_str().unwrap();
    let ask = async |token: &str| {
        let request = service.get("/api/v1/products").header("x-forwarded-for", "203.0.113.1");
        request.header("authorization", &format!("Bearer {token}")).await.status
    };
    assert_eq!(ask(token).await, 200);
    let mut statuses = Vec::new();
    for number in 0..65 {
        statuses.push(ask(&format!("hss_{number:043}")).await);
    }
    assert_eq!(statuses, [[401; 60].as_slice(), &[429; 5]].concat());
    // A guessing client behind the same proxy locks no user out, whether the session is in memory or not.
    assert_eq!(ask(token).await, 200);
    let second = attempt(&service, "203.0.113.1", "admin@one.example", PASSWORD).await.expect(200).json();
    assert_eq!(ask(second["token"].as_str().unwrap()).await, 200);
}

#[tokio::test]
async fn registrations_and_reset_mails_are_limited_to_three_an_hour() {
    let (service, _directory) = service().await;
    let register = async |number: usize| {
        let registration = json!({"email": format!("user{number}@two.example"), "password": PASSWORD});
        service.post("/api/v1/auth/register").json(&registration).await.status
    };
    let forgot = async || {
        let address = json!({"email": "admin@one.example"});
        service.post("/api/v1/auth/forgot-password").json(&address).await.status
    };
    // Invalid requests do not count.
    service.post("/api/v1/auth/register").json(&json!({})).await.expect(400);
    let (mut registered, mut forgotten) = (Vec::new(), Vec::new());
    for number in 0..4 {
        registered.push(register(number).await);
        forgotten.push(forgot().await);
    }
    assert_eq!(registered, [201, 201, 201, 429]);
    assert_eq!(forgotten, [202, 202, 202, 429]);
}

#[tokio::test]
async fn registrations_from_one_site_of_ipv6_are_limited_together() {
    let (service, _directory) = service().await;
    let mut statuses = Vec::new();
    for network in 1..=6 {
        let registration = json!({"email": format!("user{network}@two.example"), "password": PASSWORD});
        let request = service.post("/api/v1/auth/register");
        let request = request.header("x-forwarded-for", &format!("2001:db8:1:{network}::1"));
        statuses.push(request.json(&registration).await.status);
    }
    assert_eq!(statuses, [201, 201, 201, 429, 429, 429]);
}

/// Refused additions use up nothing of whose address they name, and one organization nothing of another.
#[tokio::test]
async fn nobody_uses_up_the_mails_of_another() {
    let (service, directory) = service().await;
    let mails = directory.path().join("mail.log");
    let registration = json!({"email": "mal@two.example", "password": PASSWORD});
    let register = |from: &str| service.post("/api/v1/auth/register").header("x-forwarded-for", from);
    register("203.0.113.1").json(&registration).await.expect(201);
    verify(&service, &mails, "mal@two.example").await;
    let log_in = async |email: &str| {
        let session = attempt(&service, "203.0.113.2", email, PASSWORD).await.expect(200).json();
        service.with_token(session["token"].as_str().unwrap())
    };
    let (mal, admin) = (log_in("mal@two.example").await, log_in("admin@one.example").await);
    for _ in 0..4 {
        mal.post("/api/v1/users").json(&json!({"email": "admin@one.example"})).await.expect(409);
        mal.post("/api/v1/invitations").json(&json!({"email": "admin@one.example"})).await.expect(409);
    }
    service.post("/api/v1/auth/forgot-password").json(&json!({"email": "admin@one.example"})).await.expect(202);
    mailed(&mails, "admin@one.example", "hsr_").await;
    // Mails to one address, of one organization.
    let guest = json!({"email": "guest@one.example"});
    for _ in 0..3 {
        mal.post("/api/v1/invitations").json(&guest).await.expect(201);
    }
    mal.post("/api/v1/invitations").json(&guest).await.expect(429);
    admin.post("/api/v1/users").json(&guest).await.expect(201);
    service.post("/api/v1/auth/forgot-password").json(&guest).await.expect(202);
    let both = async || std::fs::read_to_string(&mails).unwrap().matches("To: guest@one.example").count() == 5;
    hotshelf_testkit::wait_until("all mails are there", hotshelf_testkit::PATIENCE, both).await;
}

#[tokio::test]
async fn a_caller_with_a_token_is_counted_as_a_user() {
    for backend in ["memory", "none"] {
        a_caller_is_a_user_with(backend).await;
    }
}

async fn a_caller_is_a_user_with(backend: &str) {
    let limits = [("RATE_LIMIT", "on"), ("RATE_LIMIT_API", "5/1m"), ("CACHE_BACKEND", backend)];
    let (service, _directory) = service_with(&limits).await;
    let login = attempt(&service, "203.0.113.9", "admin@one.example", PASSWORD).await.expect(200).json();
    let user = service.with_token(login["token"].as_str().unwrap());
    let ask = async |client: &Client, from: &str| {
        client.get("/api/v1/products/1").header("x-forwarded-for", from).await.status
    };
    let mut statuses = Vec::new();
    for number in 0..7 {
        statuses.push(ask(&user, &format!("198.51.100.{number}")).await);
    }
    assert_eq!(statuses, [404, 404, 404, 404, 404, 429, 429]);
    // A request without a token counts for its address.
    assert_eq!(ask(&service, "198.51.100.1").await, 401);
    let refused = user.get("/api/v1/products").await.expect(429);
    assert_eq!(refused.header("ratelimit-policy"), "\"api\";q=5;w=60");
    // A logout has no limit.
    user.post("/api/v1/auth/logout").await.expect(204);
}

#[tokio::test]
async fn password_changes_have_the_same_limit_as_logins() {
    let (service, _directory) = service().await;
    let login = attempt(&service, "203.0.113.1", "admin@one.example", PASSWORD).await.expect(200).json();
    let user = service.with_token(login["token"].as_str().unwrap());
    let guess = json!({"current_password": "a guess", "password": "another password"});
    let mut statuses = Vec::new();
    for _ in 0..6 {
        statuses.push(user.post("/api/v1/auth/change-password").json(&guess).await.status);
    }
    assert_eq!(statuses, [400, 400, 400, 400, 400, 429]);
}

#[tokio::test]
async fn mails_to_one_address_are_limited() {
    let (service, directory) = service_with(&[("RATE_LIMIT_FORGOT_PASSWORD", "3/1h")]).await;
    for number in 0..6 {
        let forgot =
            service.post("/api/v1/auth/forgot-password").header("x-forwarded-for", &format!("198.51.100.{number}"));
        forgot.json(&json!({"email": "admin@one.example"})).await.expect(202);
    }
    let mails =
        || std::fs::read_to_string(directory.path().join("mail.log")).unwrap_or_default().matches("hsr_").count();
    hotshelf_testkit::wait_until("three mails are there", hotshelf_testkit::PATIENCE, async || mails() == 3).await;
    // Mails are sent in order: after this one, all earlier ones have been sent.
    service.post("/api/v1/auth/forgot-password").json(&json!({"email": "nobody@one.example"})).await.expect(202);
    assert_eq!(mails(), 3);
}
