//! Bearer tokens of an outside issuer: which users they authenticate, with which rights, and when they are refused.

mod creation;
mod instances;
mod revocation;

use std::time::Duration;

use hotshelf_testkit::catalogue::PRODUCTS;
use hotshelf_testkit::token_issuer::{AUDIENCE, ISSUER, SigningKey, claims, key_set, unix_seconds};
use hotshelf_testkit::users::{USERS, add_user, register, verify};
use hotshelf_testkit::{Client, PATIENCE, wait_until};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::fixture::Fixture;

const REVOKE: &str = "/api/v1/auth/tokens/revoke";
const LOGOUT: &str = "/api/v1/auth/logout";
/// The memory lease of 1 s, and some time for the last check on a busy machine.
const LEASE: Duration = Duration::from_millis(1_300);

/// A service that trusts an issuer, whose keys are in a file.
struct Setup {
    fixture: Fixture,
    key: SigningKey,
    directory: TempDir,
}

impl Setup {
    async fn open(settings: &[(&str, &str)]) -> Self {
        let (key, directory) = (SigningKey::ec("e"), tempfile::tempdir().unwrap());
        let path = directory.path().join("keys.json");
        std::fs::write(&path, key_set(&[&key])).unwrap();
        let path = path.display().to_string();
        let trusting = [
            ("JWT_ISSUER", ISSUER),
            ("JWT_AUDIENCE", AUDIENCE),
            ("JWT_JWKS", &path),
            ("JWT_ORGANIZATION_CLAIM", "org"),
        ];
        let settings: Vec<_> = trusting.iter().chain(settings).copied().collect();
        Setup { fixture: Fixture::open_with(&settings).await, key, directory }
    }

    fn with(&self, claims: &Value) -> Client {
        self.fixture.with_token(&self.token(claims))
    }

    /// A token of these claims. If they name no organization, it is that of the address.
    fn token(&self, claims: &Value) -> String {
        let elsewhere = claims["email"].as_str().is_some_and(|email| email.ends_with("@two.example"));
        let organization = if elsewhere { self.fixture.other_organization } else { 1 };
        let claims = match claims.get("org") {
            Some(_) => claims.clone(),
            None => and(claims.clone(), json!({"org": organization})),
        };
        self.key.token(&claims)
    }

    fn of(&self, email: &str) -> Client {
        self.with(&claims(email))
    }
}

fn and(mut claims: Value, more: Value) -> Value {
    claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    claims
}

/// The rights of a caller: `none`, `viewer` or `editor`.
async fn rights(client: &Client) -> &'static str {
    match client.post("/api/v1/products/bulk").json(&json!({})).await.status {
        400 => "editor",
        403 => "viewer",
        401 => "none",
        status => panic!("{status}"),
    }
}

#[tokio::test]
async fn a_token_lets_its_user_in() {
    let setup = Setup::open(&[]).await;
    for (email, expected) in [
        ("viewer@one.example", "viewer"),
        ("Editor@one.example", "editor"),
        ("admin@one.example", "editor"),
        ("nobody@one.example", "none"),
    ] {
        let client = setup.of(email);
        for _ in 0..3 {
            assert_eq!(rights(&client).await, expected, "{email}");
        }
    }
    setup.of("admin@one.example").get(USERS).await.expect(200);
    let refused = setup.of("nobody@one.example").get(PRODUCTS).await.expect(401);
    assert_eq!(refused.header("www-authenticate"), "Bearer error=\"invalid_token\"");
    // The other organization stays its own.
    let theirs = setup.of("admin@two.example").get(USERS).await.expect(200).json();
    assert_eq!(theirs["users"][0]["organization_id"], setup.fixture.other_organization);
    assert!(setup.directory.path().exists());
}

/// Somebody may register with the address of another person, and cannot verify it.
#[tokio::test]
async fn an_address_that_is_not_verified_gets_no_rights_of_a_token() {
    let setup = Setup::open(&[]).await;
    let user = register(&setup.fixture, "victim@three.example", "Three").await;
    let victim = setup.with(&and(claims("victim@three.example"), json!({"org": user["organization_id"]})));
    assert_eq!(rights(&victim).await, "none");
    verify(&setup.fixture, &setup.fixture.mails(), "victim@three.example").await;
    assert_eq!(rights(&victim).await, "editor");
}

#[tokio::test]
async fn a_token_manages_nothing_that_outlives_it() {
    let setup = Setup::open(&[]).await;
    let admin = setup.of("admin@one.example");
    for operation in [
        "GET /api/v1/auth/session",
        "GET /api/v1/auth/sessions",
        "DELETE /api/v1/auth/sessions",
        "POST /api/v1/auth/api-keys",
        "POST /api/v1/auth/change-password",
        "POST /api/v1/users",
        "DELETE /api/v1/users/2",
    ] {
        let (method, path) = operation.split_once(' ').unwrap();
        assert_eq!(admin.request(method, path).await.status, 403, "{operation}");
    }
}

#[tokio::test]
async fn the_address_has_to_be_verified() {
    let setup = Setup::open(&[]).await;
    let viewer = |more: Value| setup.with(&and(claims("viewer@one.example"), more));
    for good in [json!({}), json!({"email_verified": "true"})] {
        assert_eq!(rights(&viewer(good)).await, "viewer");
    }
    let mut silent = claims("viewer@one.example");
    silent.as_object_mut().unwrap().remove("email_verified");
    assert_eq!(rights(&setup.with(&silent)).await, "viewer", "an admin has vouched for the address");
    for bad in [
        json!({"email_verified": false}),
        json!({"email_verified": "false"}),
        json!({"email_verified": null}),
        json!({"email_verified": 1}),
        json!({"email": 7}),
        json!({"email": ["viewer@one.example"]}),
        json!({"email": "viewer"}),
    ] {
        assert_eq!(rights(&viewer(bad.clone())).await, "none", "{bad}");
    }
}

#[tokio::test]
async fn a_token_allows_what_its_role_and_its_user_allow() {
    let settings = [("JWT_ROLE_CLAIM", "roles"), ("JWT_ROLES", "reader=viewer,writer=editor,boss=admin")];
    let setup = Setup::open(&settings).await;
    for (email, roles, expected) in [
        ("editor@one.example", json!("writer"), "editor"),
        ("editor@one.example", json!("reader"), "viewer"),
        ("editor@one.example", json!(["reader", "others", "writer"]), "editor"),
        ("viewer@one.example", json!("boss"), "viewer"),
        ("editor@one.example", json!("others"), "none"),
        ("editor@one.example", json!([]), "none"),
        ("editor@one.example", json!("admin"), "none"),
        ("editor@one.example", Value::Null, "none"),
    ] {
        let client = setup.with(&and(claims(email), json!({"roles": roles})));
        assert_eq!(rights(&client).await, expected, "{email} {roles}");
    }
}

#[tokio::test]
async fn a_token_is_for_the_organization_that_it_names() {
    let setup = Setup::open(&[]).await;
    for (org, expected) in [
        (json!(1), "viewer"),
        (json!("1"), "viewer"),
        (json!(2), "none"),
        (json!("one"), "none"),
        (json!(0), "none"),
        (Value::Null, "none"),
    ] {
        let client = setup.with(&and(claims("viewer@one.example"), json!({"org": org})));
        assert_eq!(rights(&client).await, expected, "{org}");
    }
    assert_eq!(rights(&setup.fixture.with_token(&setup.key.token(&claims("viewer@one.example")))).await, "none");
}

/// A token gives its user no more requests, and what it is refused is recorded with the user and the token.
#[tokio::test]
async fn tokens_and_sessions_of_a_user_share_one_rate_limit() {
    const LIMIT: usize = 30;
    let limit = format!("{LIMIT}/1h");
    let setup = Setup::open(&[("RATE_LIMIT", "on"), ("RATE_LIMIT_API", &limit)]).await;
    let token = |id: &str| setup.with(&and(claims("viewer@one.example"), json!({"jti": id})));
    let clients = [setup.fixture.viewer.clone(), token("one"), token("two"), setup.of("viewer@one.example")];
    let mut answered = 0;
    for round in 0..2 * LIMIT {
        let reply = clients[round % clients.len()].post(PRODUCTS).json(&json!({"name": "Cup", "price": 1})).await;
        assert!([403, 429].contains(&reply.status), "{}", reply.status);
        answered += usize::from(reply.status == 403);
    }
    assert_eq!(answered, LIMIT);
    setup.of("editor@one.example").get(PRODUCTS).await.expect(200);

    // The requests of the admin are limited as well, so the test waits for the log of the service.
    let logged = |line: &str| line.contains("operation.refused") && line.contains("credential=jwt:");
    wait_until("the refusal is recorded", PATIENCE, async || setup.fixture.log().lines().any(logged)).await;
    let log = setup.fixture.admin.get("/api/v1/audit?action=operation.refused&limit=100").await.expect(200).json();
    let of_token = |entry: &&Value| entry["credential"].as_str().is_some_and(|by| by.starts_with("jwt:"));
    let recorded = log["entries"].as_array().unwrap().iter().find(of_token).unwrap();
    assert_eq!(recorded["email"], "viewer@one.example");
}

/// One way after the other, each with a token that was used just before.
#[tokio::test]
async fn a_token_loses_its_rights_with_its_user_and_by_revocation() {
    let setup = Setup::open(&[]).await;
    let admin = &setup.fixture.admin;
    let person = async |name: &str| {
        let email = format!("{name}@one.example");
        let user = add_user(admin, &email, "editor").await;
        let client = setup.with(&and(claims(&email), json!({"jti": format!("id of {name}")})));
        for _ in 0..2 {
            assert_eq!(rights(&client).await, "editor", "{name}");
        }
        (format!("{USERS}/{}", user["id"]), client)
    };
    let (path, removed) = person("removed").await;
    admin.delete(&path).await.expect(204);
    assert_eq!(rights(&removed).await, "none");
    // A new user of that address is somebody else, and is let in as such.
    add_user(admin, "removed@one.example", "viewer").await;
    assert_eq!(rights(&removed).await, "viewer");

    let (path, demoted) = person("demoted").await;
    admin.patch(&path).json(&json!({"role": "viewer"})).await.expect(200);
    assert_eq!(rights(&demoted).await, "viewer");

    let (_, out) = person("out").await;
    out.post(LOGOUT).await.expect(204);
    assert_eq!(rights(&out).await, "none");

    let (_, own) = person("own").await;
    own.post(REVOKE).json(&json!({"token": own.token().unwrap()})).await.expect(204);
    assert_eq!(rights(&own).await, "none");

    let (_, by_admin) = person("by.admin").await;
    admin.post(REVOKE).json(&json!({"token": by_admin.token().unwrap()})).await.expect(204);
    assert_eq!(rights(&by_admin).await, "none");

    let (_, by_id) = person("by.id").await;
    admin.post(REVOKE).json(&json!({"jti": "id of by.id"})).await.expect(204);
    assert_eq!(rights(&by_id).await, "none");
    let again = setup.with(&and(claims("by.id@one.example"), json!({"jti": "id of by.id", "more": 1})));
    assert_eq!(rights(&again).await, "none", "another token with the same id");
    assert_eq!(rights(&setup.of("by.id@one.example")).await, "editor", "another token of the user");
    admin.post(REVOKE).json(&json!({"jti": "id of by.id"})).await.expect(204);
}

#[tokio::test]
async fn a_token_has_no_rights_while_its_organization_is_suspended() {
    let setup = Setup::open(&[]).await;
    let token = setup.of("admin@two.example");
    let organization = format!("/api/v1/organizations/{}", setup.fixture.other_organization);
    let suspend = async |suspended: bool| {
        setup.fixture.admin.patch(&organization).json(&json!({"suspended": suspended})).await.expect(200);
    };
    for _ in 0..2 {
        token.get(USERS).await.expect(200);
        suspend(true).await;
        for _ in 0..2 {
            token.get(USERS).await.expect(403);
        }
        suspend(false).await;
    }
    token.get(USERS).await.expect(200);
}

/// The end counts with each use, not only when the token is verified.
#[tokio::test]
async fn a_verified_token_ends_in_time() {
    let setup = Setup::open(&[("JWT_SKEW", "0s")]).await;
    let client = setup.with(&and(claims("viewer@one.example"), json!({"exp": unix_seconds() + 3})));
    assert_eq!(rights(&client).await, "viewer");
    wait_until("it has ended", PATIENCE, async || rights(&client).await == "none").await;
}

#[tokio::test]
async fn without_an_issuer_no_token_is_accepted() {
    let (fixture, key) = (Fixture::open().await, SigningKey::ec("e"));
    fixture.with_token(&key.token(&claims("admin@one.example"))).get(PRODUCTS).await.expect(401);
    fixture.admin.post(REVOKE).json(&json!({"jti": "x"})).await.expect(404);
}

/// The token may be good: the client has to try again, and has guessed nothing.
#[tokio::test]
async fn while_no_key_is_known_a_token_is_neither_accepted_nor_a_guess() {
    let missing = tempfile::tempdir().unwrap();
    let path = missing.path().join("keys.json");
    let setup = Setup::open(&[("JWT_JWKS", path.to_str().unwrap()), ("JWT_JWKS_REFRESH", "1s")]).await;
    let (viewer, unknown) = (setup.of("viewer@one.example"), ("auth_unknown_tokens_total", []));
    for _ in 0..5 {
        let refused = viewer.get(PRODUCTS).await.expect(503);
        assert_eq!(refused.header("retry-after"), "1");
    }
    let token = json!({"token": viewer.token().unwrap()});
    setup.fixture.admin.post(REVOKE).json(&token).await.expect(503);
    assert_eq!(setup.fixture.admin.metrics().await.value(unknown.0, &unknown.1), 0.0);
    std::fs::write(&path, key_set(&[&setup.key])).unwrap();
    wait_until("the keys are read", PATIENCE, async || viewer.get(PRODUCTS).await.status == 200).await;
}
