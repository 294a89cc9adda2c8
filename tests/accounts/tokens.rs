//! Bearer tokens of an outside issuer: whom they let in, and how that ends.

use std::time::Duration;

use hotshelf_testkit::catalogue::PRODUCTS;
use hotshelf_testkit::token_issuer::{AUDIENCE, ISSUER, SigningKey, TokenIssuer, claims, key_set, unix_seconds};
use hotshelf_testkit::users::{USERS, USERS_ON, add_user, create_admin, log_in, register, verify};
use hotshelf_testkit::{Client, PATIENCE, RedisServer, Service, ServiceBuilder, wait_until};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::fixture::Fixture;
use crate::hotshelf;

const REVOKE: &str = "/api/v1/auth/tokens/revoke";
const LOGOUT: &str = "/api/v1/auth/logout";
/// The time by which memory may lag, and the time of the last check on a busy machine.
const LEASE: Duration = Duration::from_millis(1_300);

/// A service that trusts an issuer, whose keys are in a file.
struct Stand {
    fixture: Fixture,
    key: SigningKey,
    directory: TempDir,
}

impl Stand {
    async fn open(settings: &[(&str, &str)]) -> Self {
        let (key, directory) = (SigningKey::ec("e"), tempfile::tempdir().unwrap());
        let path = directory.path().join("keys.json");
        std::fs::write(&path, key_set(&[&key])).unwrap();
        let path = path.display().to_string();
        let trusting = [("JWT_ISSUER", ISSUER), ("JWT_AUDIENCE", AUDIENCE), ("JWT_JWKS", &path)];
        let settings: Vec<_> = trusting.iter().chain(settings).copied().collect();
        Stand { fixture: Fixture::open_with(&settings).await, key, directory }
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
    let stand = Stand::open(&[]).await;
    for (email, expected) in [
        ("viewer@one.example", "viewer"),
        ("Editor@one.example", "editor"),
        ("admin@one.example", "editor"),
        ("nobody@one.example", "none"),
    ] {
        let client = stand.of(email);
        for _ in 0..3 {
            assert_eq!(rights(&client).await, expected, "{email}");
        }
    }
    stand.of("admin@one.example").get(USERS).await.expect(200);
    let refused = stand.of("nobody@one.example").get(PRODUCTS).await.expect(401);
    assert_eq!(refused.header("www-authenticate"), "Bearer error=\"invalid_token\"");
    // The other organization stays its own.
    let theirs = stand.of("admin@two.example").get(USERS).await.expect(200).json();
    assert_eq!(theirs["users"][0]["organization_id"], stand.fixture.other_organization);
    assert!(stand.directory.path().exists());
}

/// An address that somebody has registered with and not verified may be another's.
#[tokio::test]
async fn whoever_takes_an_address_gets_none_of_its_tokens() {
    let stand = Stand::open(&[]).await;
    register(&stand.fixture, "victim@three.example", "Three").await;
    let victim = stand.of("victim@three.example");
    assert_eq!(rights(&victim).await, "none");
    verify(&stand.fixture, &stand.fixture.mails(), "victim@three.example").await;
    assert_eq!(rights(&victim).await, "editor");
}

#[tokio::test]
async fn a_token_manages_nothing_that_outlives_it() {
    let stand = Stand::open(&[]).await;
    let admin = stand.of("admin@one.example");
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
    let stand = Stand::open(&[]).await;
    let viewer = |more: Value| stand.with(&and(claims("viewer@one.example"), more));
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
    let stand = Stand::open(&settings).await;
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
        let client = stand.with(&and(claims(email), json!({"roles": roles})));
        assert_eq!(rights(&client).await, expected, "{email} {roles}");
    }
}

#[tokio::test]
async fn a_token_is_for_the_organization_that_it_names() {
    let stand = Stand::open(&[("JWT_ORGANIZATION_CLAIM", "org")]).await;
    for (org, expected) in
        [(json!(1), "viewer"), (json!("1"), "viewer"), (json!(2), "none"), (json!("one"), "none"), (json!(0), "none")]
    {
        let client = stand.with(&and(claims("viewer@one.example"), json!({"org": org})));
        assert_eq!(rights(&client).await, expected, "{org}");
    }
    assert_eq!(rights(&stand.of("viewer@one.example")).await, "none", "it names none");
}

#[tokio::test]
async fn users_are_made_only_where_that_is_wanted() {
    let settings = [("JWT_CREATE_USERS", "true"), ("JWT_ORGANIZATION_CLAIM", "org"), ("JWT_ROLE_CLAIM", "role")];
    let stand = Stand::open(&settings).await;
    let new = |org: i64| and(claims("new@one.example"), json!({"org": org, "role": "editor"}));
    assert_eq!(rights(&stand.with(&new(999))).await, "none", "there is no such organization");
    // Many requests at once make one user.
    let client = stand.with(&new(1));
    let asked = (0..20).map(|_| {
        let client = client.clone();
        tokio::spawn(async move { rights(&client).await })
    });
    for asked in asked.collect::<Vec<_>>() {
        assert_eq!(asked.await.unwrap(), "editor");
    }
    let users = stand.fixture.admin.get(USERS).await.expect(200).json();
    let made: Vec<_> =
        users["users"].as_array().unwrap().iter().filter(|user| user["email"] == "new@one.example").collect();
    assert_eq!((made.len(), &made[0]["role"]), (1, &json!("editor")));
    assert_eq!(rights(&stand.with(&new(stand.fixture.other_organization))).await, "none", "it is of organization 1");
    let entries = audited(&stand, "user.added", &json!(format!("user:{}", made[0]["id"]))).await;
    let [added] = &entries[..] else { panic!("{entries:?}") };
    assert_eq!((&added["organization_id"], &added["origin"]), (&json!(1), &json!("127.0.0.1")));
    assert!(added["credential"].as_str().unwrap().starts_with("jwt:"), "{added}");
}

/// The issuer knows whose an address is. Whom an admin has added decides that with the mail.
#[tokio::test]
async fn a_user_that_is_made_takes_over_an_address_that_nobody_has_verified() {
    let stand = Stand::open(&[("JWT_CREATE_USERS", "true"), ("JWT_ORGANIZATION_CLAIM", "org")]).await;
    let token = |email: &str| stand.with(&and(claims(email), json!({"org": 1})));
    register(&stand.fixture, "victim@three.example", "Three").await;
    let squatter = log_in(&stand.fixture, "victim@three.example").await;
    squatter.get(PRODUCTS).await.expect(200);
    assert_eq!(rights(&token("victim@three.example")).await, "viewer");
    squatter.get(PRODUCTS).await.expect(401);

    let added = json!({"email": "added@one.example", "role": "editor"});
    let added = stand.fixture.admin.post(USERS).json(&added).await.expect(201).json();
    assert_eq!(rights(&token("added@one.example")).await, "none");
    stand.fixture.admin.get(&format!("{USERS}/{}", added["user"]["id"])).await.expect(200);
}

/// The entries of the audit log that organization 1 has of this action, on this target.
async fn audited(stand: &Stand, action: &str, target: &Value) -> Vec<Value> {
    let log = stand.fixture.admin.get(&format!("/api/v1/audit?limit=100&action={action}")).await.expect(200).json();
    log["entries"].as_array().unwrap().iter().filter(|entry| entry["target"] == *target).cloned().collect()
}

#[tokio::test]
async fn revocations_are_in_the_audit_log() {
    let stand = Stand::open(&[]).await;
    let editor = |id: &str| stand.with(&and(claims("editor@one.example"), json!({"jti": id})));
    let (out, revoked) = (editor("out"), editor("revoked"));
    assert_eq!((rights(&out).await, rights(&revoked).await), ("editor", "editor"));
    out.post(LOGOUT).await.expect(204);
    for _ in 0..2 {
        stand.fixture.admin.post(REVOKE).json(&json!({"jti": "revoked"})).await.expect(204);
    }
    let entries = async |action: &str| {
        let log = stand.fixture.admin.get(&format!("/api/v1/audit?limit=100&action={action}")).await.expect(200);
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

/// One way after the other, each with a token that was used just before.
#[tokio::test]
async fn a_token_ends_with_what_it_rests_on() {
    let stand = Stand::open(&[]).await;
    let admin = &stand.fixture.admin;
    let person = async |name: &str| {
        let email = format!("{name}@one.example");
        let user = add_user(admin, &email, "editor").await;
        let client = stand.with(&and(claims(&email), json!({"jti": format!("id of {name}")})));
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
    let again = stand.with(&and(claims("by.id@one.example"), json!({"jti": "id of by.id", "more": 1})));
    assert_eq!(rights(&again).await, "none", "another token with the same id");
    assert_eq!(rights(&stand.of("by.id@one.example")).await, "editor", "another token of the user");
    admin.post(REVOKE).json(&json!({"jti": "id of by.id"})).await.expect(204);
}

#[tokio::test]
async fn a_token_without_an_id_can_be_revoked() {
    let stand = Stand::open(&[]).await;
    let (one, other) =
        (stand.of("viewer@one.example"), stand.with(&and(claims("viewer@one.example"), json!({"n": 1}))));
    for client in [&one, &other] {
        assert_eq!(rights(client).await, "viewer");
    }
    one.post(LOGOUT).await.expect(204);
    assert_eq!((rights(&one).await, rights(&other).await), ("none", "viewer"));
}

#[tokio::test]
async fn nobody_revokes_the_tokens_of_others() {
    let stand = Stand::open(&[]).await;
    let victim = stand.with(&and(claims("editor@one.example"), json!({"jti": "known"})));
    assert_eq!(rights(&victim).await, "editor");
    let token = json!({"token": victim.token().unwrap()});
    for other in [&stand.fixture.viewer, &stand.fixture.other, &stand.of("viewer@one.example")] {
        other.post(REVOKE).json(&token).await.expect(403);
        other.post(REVOKE).json(&json!({"jti": "known"})).await.expect(403);
    }
    stand.fixture.editor.post(REVOKE).json(&json!({"jti": "known"})).await.expect(403);
    let key = hotshelf_testkit::users::api_key(&stand.fixture.admin, "admin").await;
    key.post(REVOKE).json(&token).await.expect(403);
    for bad in [json!({}), json!({"token": "a", "jti": "b"}), json!({"jti": ""}), json!({"token": 7}), json!({"x": 1})]
    {
        stand.fixture.admin.post(REVOKE).json(&bad).await.expect(400);
    }
    for bad in ["nonsense", "e30.e30.AA", stand.fixture.admin.token().unwrap()] {
        stand.fixture.admin.post(REVOKE).json(&json!({"token": bad})).await.expect(400);
    }
    assert_eq!(rights(&victim).await, "editor");
}

/// The end counts with each use, not only when the token is checked.
#[tokio::test]
async fn a_token_that_was_checked_ends_in_time() {
    let stand = Stand::open(&[("JWT_SKEW", "0s")]).await;
    let client = stand.with(&and(claims("viewer@one.example"), json!({"exp": unix_seconds() + 3})));
    assert_eq!(rights(&client).await, "viewer");
    wait_until("it has ended", PATIENCE, async || rights(&client).await == "none").await;
}

#[tokio::test]
async fn without_an_issuer_no_token_is_believed() {
    let (fixture, key) = (Fixture::open().await, SigningKey::ec("e"));
    fixture.with_token(&key.token(&claims("admin@one.example"))).get(PRODUCTS).await.expect(401);
    fixture.admin.post(REVOKE).json(&json!({"jti": "x"})).await.expect(404);
}

#[tokio::test]
async fn tokens_survive_a_restart_and_so_do_revocations() {
    let mut stand = Stand::open(&[]).await;
    let tokens = ["kept", "revoked"].map(|id| {
        let claims = and(claims("viewer@one.example"), json!({"jti": id}));
        stand.key.token(&claims)
    });
    stand.fixture.with_token(&tokens[1]).post(LOGOUT).await.expect(204);
    stand.fixture.service.restart().await;
    assert_eq!(rights(&stand.fixture.with_token(&tokens[0])).await, "viewer");
    assert_eq!(rights(&stand.fixture.with_token(&tokens[1])).await, "none");
}

/// Two instances that trust an issuer whose keys are published over HTTP.
struct Two {
    first: Service,
    second: Service,
    admin: Client,
    issuer: TokenIssuer,
    redis: RedisServer,
    _directory: TempDir,
}

impl Two {
    async fn start(keys: &[&SigningKey]) -> Self {
        let (redis, directory) = (RedisServer::start(), tempfile::tempdir().unwrap());
        let issuer = TokenIssuer::start(keys).await;
        let builder = hotshelf().shared_db(&directory.path().join("products.db")).redis(&redis);
        let builder = USERS_ON.iter().fold(builder, |builder, (name, value)| builder.env(name, value));
        let builder: ServiceBuilder = builder
            .env("JWT_ISSUER", ISSUER)
            .env("JWT_AUDIENCE", AUDIENCE)
            .env("JWT_JWKS", issuer.url())
            .env("JWT_JWKS_REFRESH", "1s")
            .env("REDIS_COMMAND_TIMEOUT", "1s");
        create_admin(&builder, "admin@one.example");
        let (first, second) = tokio::join!(builder.clone().start(), builder.start());
        for instance in [&first, &second] {
            let up = async || instance.get("/health").await.json()["modules"]["cache"]["status"] == "healthy";
            wait_until("Redis is up", PATIENCE, up).await;
        }
        let admin = log_in(&first, "admin@one.example").await;
        add_user(&admin, "editor@one.example", "editor").await;
        Two { first, second, admin, issuer, redis, _directory: directory }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_holds_on_every_instance() {
    let key = SigningKey::ed("d");
    let two = Two::start(&[&key]).await;
    for round in 0..5 {
        let token = key.token(&and(claims("editor@one.example"), json!({"jti": format!("round {round}")})));
        let (here, there) = (two.first.with_token(&token), two.second.with_token(&token));
        for _ in 0..3 {
            assert_eq!((rights(&here).await, rights(&there).await), ("editor", "editor"));
        }
        two.admin.post(REVOKE).json(&json!({"jti": format!("round {round}")})).await.expect(204);
        assert_eq!(rights(&here).await, "none");
        wait_until("the other instance refuses it", LEASE, async || rights(&there).await == "none").await;
        for _ in 0..3 {
            assert_eq!((rights(&here).await, rights(&there).await), ("none", "none"));
        }
    }
    let keys = two.redis.keys("*");
    assert!(!keys.iter().any(|key| key.starts_with("product:jwt:") || key.starts_with("product:revoked:")), "{keys:?}");
}

/// A key that is taken back ends what it has signed, also what was checked before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_rotated_under_the_service() {
    let (old, new) = (SigningKey::ec("old"), SigningKey::rsa("new", 0));
    let two = Two::start(&[&old]).await;
    let by = |key: &SigningKey| {
        let token = key.token(&claims("editor@one.example"));
        [two.first.with_token(&token), two.second.with_token(&token)]
    };
    let (old_clients, new_clients) = (by(&old), by(&new));
    for client in &old_clients {
        assert_eq!(rights(client).await, "editor");
    }
    two.issuer.publish(&[&new]);
    for (old, new) in old_clients.iter().zip(&new_clients) {
        wait_until("the old key is refused", PATIENCE, async || rights(old).await == "none").await;
        wait_until("the new key is known", PATIENCE, async || rights(new).await == "editor").await;
    }
    two.issuer.publish_raw("500 Internal Server Error", b"");
    for (instance, client) in [&two.first, &two.second].into_iter().zip(&new_clients) {
        let health = async || instance.get("/health").await.json()["modules"]["accounts"]["status"] == "degraded";
        wait_until("the health report says so", PATIENCE, health).await;
        assert_eq!(rights(client).await, "editor", "the last keys are good");
        instance.get("/health/ready").await.expect(200);
    }
}

/// However many unknown keys are named.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_keys_do_not_reach_the_issuer() {
    let (known, unknown) = (SigningKey::ec("known"), SigningKey::ec("unknown"));
    let issuer = TokenIssuer::start(&[&known]).await;
    let url = issuer.url();
    let settings = [("JWT_ISSUER", ISSUER), ("JWT_AUDIENCE", AUDIENCE), ("JWT_JWKS", &*url)];
    let fixture = Fixture::open_with(&settings).await;
    let viewer = fixture.with_token(&known.token(&claims("viewer@one.example")));
    wait_until("the keys are known", PATIENCE, async || rights(&viewer).await == "viewer").await;
    let before = issuer.requests();
    for number in 0..100 {
        let header = json!({"alg": "ES256", "kid": format!("unknown {number}")});
        let token = unknown.token_with(&header, &claims("viewer@one.example"));
        fixture.with_token(&token).get(PRODUCTS).await.expect(401);
    }
    assert!(issuer.requests() <= before + 1, "{} after {before}", issuer.requests());
    assert_eq!(rights(&viewer).await, "viewer");
}

#[tokio::test]
async fn half_a_configuration_stops_the_start() {
    let with = |settings: &[(&str, &str)]| {
        let builder =
            USERS_ON.iter().chain(settings).fold(hotshelf(), |builder, (name, value)| builder.env(name, value));
        let checked = builder.command(&["check-config"], "");
        (checked.status.success(), String::from_utf8_lossy(&[checked.stdout, checked.stderr].concat()).into_owned())
    };
    let whole = [("JWT_ISSUER", ISSUER), ("JWT_JWKS", "https://id.example/keys"), ("JWT_AUDIENCE", AUDIENCE)];
    assert!(with(&whole).0, "{}", with(&whole).1);
    for (change, named) in [
        (("JWT_JWKS", ""), "JWT_JWKS"),
        (("JWT_AUDIENCE", ""), "JWT_AUDIENCE"),
        (("JWT_JWKS", "http://id.example/keys"), "JWT_JWKS"),
        (("JWT_ALGORITHMS", "HS256"), "JWT_ALGORITHMS"),
        (("JWT_ALGORITHMS", "none"), "JWT_ALGORITHMS"),
        (("JWT_ROLES", "boss=owner"), "JWT_ROLES"),
        (("JWT_ROLES", "boss=admin,boss=viewer"), "JWT_ROLES"),
        (("JWT_CREATE_USERS", "true"), "JWT_CREATE_USERS"),
        (("JWT_SKEW", "2h"), "JWT_SKEW"),
    ] {
        let changed: Vec<_> = whole.iter().filter(|(name, _)| *name != change.0).copied().chain([change]).collect();
        let (good, said) = with(&changed);
        assert!(!good && said.contains(named), "{change:?}: {said}");
    }
}
