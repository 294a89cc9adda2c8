//! Bearer tokens of an outside issuer: which users they authenticate, with which rights, and when they are refused.

mod instances;

use std::time::Duration;

use hotshelf_testkit::catalogue::PRODUCTS;
use hotshelf_testkit::token_issuer::{AUDIENCE, ISSUER, SigningKey, claims, key_set, unix_seconds};
use hotshelf_testkit::users::{USERS, add_user, log_in, register, verify};
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
        let trusting = [("JWT_ISSUER", ISSUER), ("JWT_AUDIENCE", AUDIENCE), ("JWT_JWKS", &path)];
        let settings: Vec<_> = trusting.iter().chain(settings).copied().collect();
        Setup { fixture: Fixture::open_with(&settings).await, key, directory }
    }

    fn with(&self, claims: &Value) -> Client {
        self.fixture.with_token(&self.key.token(claims))
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
    register(&setup.fixture, "victim@three.example", "Three").await;
    let victim = setup.of("victim@three.example");
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
    let setup = Setup::open(&[("JWT_ORGANIZATION_CLAIM", "org")]).await;
    for (org, expected) in
        [(json!(1), "viewer"), (json!("1"), "viewer"), (json!(2), "none"), (json!("one"), "none"), (json!(0), "none")]
    {
        let client = setup.with(&and(claims("viewer@one.example"), json!({"org": org})));
        assert_eq!(rights(&client).await, expected, "{org}");
    }
    assert_eq!(rights(&setup.of("viewer@one.example")).await, "none", "it names none");
}

#[tokio::test]
async fn the_first_token_creates_its_user_if_the_settings_say_so() {
    let settings = [("JWT_CREATE_USERS", "true"), ("JWT_ORGANIZATION_CLAIM", "org"), ("JWT_ROLE_CLAIM", "role")];
    let setup = Setup::open(&settings).await;
    let new = |org: i64| and(claims("new@one.example"), json!({"org": org, "role": "editor"}));
    assert_eq!(rights(&setup.with(&new(999))).await, "none", "there is no such organization");
    // Many requests at once make one user.
    let client = setup.with(&new(1));
    let asked = (0..20).map(|_| {
        let client = client.clone();
        tokio::spawn(async move { rights(&client).await })
    });
    for asked in asked.collect::<Vec<_>>() {
        assert_eq!(asked.await.unwrap(), "editor");
    }
    let users = setup.fixture.admin.get(USERS).await.expect(200).json();
    let made: Vec<_> =
        users["users"].as_array().unwrap().iter().filter(|user| user["email"] == "new@one.example").collect();
    assert_eq!((made.len(), &made[0]["role"]), (1, &json!("editor")));
    assert_eq!(rights(&setup.with(&new(setup.fixture.other_organization))).await, "none", "it is of organization 1");
    let entries = audited(&setup, "user.added", &json!(format!("user:{}", made[0]["id"]))).await;
    let [added] = &entries[..] else { panic!("{entries:?}") };
    assert_eq!((&added["organization_id"], &added["origin"]), (&json!(1), &json!("127.0.0.1")));
    assert!(added["credential"].as_str().unwrap().starts_with("jwt:"), "{added}");
}

/// The issuer has verified the address. A user whom an admin has added verifies it with the mail.
#[tokio::test]
async fn a_created_user_takes_over_an_address_that_nobody_has_verified() {
    let setup = Setup::open(&[("JWT_CREATE_USERS", "true"), ("JWT_ORGANIZATION_CLAIM", "org")]).await;
    let token = |email: &str| setup.with(&and(claims(email), json!({"org": 1})));
    register(&setup.fixture, "victim@three.example", "Three").await;
    let squatter = log_in(&setup.fixture, "victim@three.example").await;
    squatter.get(PRODUCTS).await.expect(200);
    assert_eq!(rights(&token("victim@three.example")).await, "viewer");
    squatter.get(PRODUCTS).await.expect(401);

    let added = json!({"email": "added@one.example", "role": "editor"});
    let added = setup.fixture.admin.post(USERS).json(&added).await.expect(201).json();
    assert_eq!(rights(&token("added@one.example")).await, "none");
    setup.fixture.admin.get(&format!("{USERS}/{}", added["user"]["id"])).await.expect(200);
}

/// The entries of the audit log that organization 1 has of this action, on this target.
async fn audited(setup: &Setup, action: &str, target: &Value) -> Vec<Value> {
    let log = setup.fixture.admin.get(&format!("/api/v1/audit?limit=100&action={action}")).await.expect(200).json();
    log["entries"].as_array().unwrap().iter().filter(|entry| entry["target"] == *target).cloned().collect()
}

#[tokio::test]
async fn revocations_are_in_the_audit_log() {
    let setup = Setup::open(&[]).await;
    let editor = |id: &str| setup.with(&and(claims("editor@one.example"), json!({"jti": id})));
    let (out, revoked) = (editor("out"), editor("revoked"));
    assert_eq!((rights(&out).await, rights(&revoked).await), ("editor", "editor"));
    out.post(LOGOUT).await.expect(204);
    for _ in 0..2 {
        setup.fixture.admin.post(REVOKE).json(&json!({"jti": "revoked"})).await.expect(204);
    }
    let entries = async |action: &str| {
        let log = setup.fixture.admin.get(&format!("/api/v1/audit?limit=100&action={action}")).await.expect(200);
        log.json()["entries"].as_array().unwrap().clone()
    };
    let (logouts, revocations) = (entries("logout").await, entries("token.revoked").await);
    assert_eq!((logouts.len(), revocations.len()), (1, 1), "what is revoked already is not recorded again");
    assert_eq!(
        (&logouts[0]["email"], &revocations[0]["email"]),
        (&json!("editor@one.example"), &json!("admin@one.example"))
    );
    assert_eq!(logouts[0]["target"], logouts[0]["credential"]);
    assert!(revocations[0]["target"].as_str().unwrap().starts_with("jwt:"), "{}", revocations[0]);
    assert!(revocations[0]["credential"].as_str().unwrap().starts_with("session:"), "{}", revocations[0]);
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

    let recorded = async || {
        let log = setup.fixture.admin.get("/api/v1/audit?action=operation.refused&limit=100").await.expect(200).json();
        let of_token = |entry: &&Value| entry["credential"].as_str().is_some_and(|by| by.starts_with("jwt:"));
        log["entries"].as_array().unwrap().iter().find(of_token).map(|entry| entry["email"].clone())
    };
    wait_until("the refusal is recorded", PATIENCE, async || recorded().await.is_some()).await;
    assert_eq!(recorded().await, Some(json!("viewer@one.example")));
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

#[tokio::test]
async fn a_token_without_an_id_can_be_revoked() {
    let setup = Setup::open(&[]).await;
    let (one, other) =
        (setup.of("viewer@one.example"), setup.with(&and(claims("viewer@one.example"), json!({"n": 1}))));
    for client in [&one, &other] {
        assert_eq!(rights(client).await, "viewer");
    }
    one.post(LOGOUT).await.expect(204);
    assert_eq!((rights(&one).await, rights(&other).await), ("none", "viewer"));
}

#[tokio::test]
async fn nobody_revokes_the_tokens_of_others() {
    let setup = Setup::open(&[]).await;
    let victim = setup.with(&and(claims("editor@one.example"), json!({"jti": "known"})));
    assert_eq!(rights(&victim).await, "editor");
    let token = json!({"token": victim.token().unwrap()});
    for other in [&setup.fixture.viewer, &setup.fixture.other, &setup.of("viewer@one.example")] {
        other.post(REVOKE).json(&token).await.expect(403);
        other.post(REVOKE).json(&json!({"jti": "known"})).await.expect(403);
    }
    setup.fixture.editor.post(REVOKE).json(&json!({"jti": "known"})).await.expect(403);
    let key = hotshelf_testkit::users::api_key(&setup.fixture.admin, "admin").await;
    key.post(REVOKE).json(&token).await.expect(403);
    for bad in [json!({}), json!({"token": "a", "jti": "b"}), json!({"jti": ""}), json!({"token": 7}), json!({"x": 1})]
    {
        setup.fixture.admin.post(REVOKE).json(&bad).await.expect(400);
    }
    for bad in ["nonsense", "e30.e30.AA", setup.fixture.admin.token().unwrap()] {
        setup.fixture.admin.post(REVOKE).json(&json!({"token": bad})).await.expect(400);
    }
    assert_eq!(rights(&victim).await, "editor");
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

#[tokio::test]
async fn tokens_survive_a_restart_and_so_do_revocations() {
    let mut setup = Setup::open(&[]).await;
    let tokens = ["kept", "revoked"].map(|id| {
        let claims = and(claims("viewer@one.example"), json!({"jti": id}));
        setup.key.token(&claims)
    });
    setup.fixture.with_token(&tokens[1]).post(LOGOUT).await.expect(204);
    setup.fixture.service.restart().await;
    assert_eq!(rights(&setup.fixture.with_token(&tokens[0])).await, "viewer");
    assert_eq!(rights(&setup.fixture.with_token(&tokens[1])).await, "none");
}
