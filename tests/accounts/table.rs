//! Every operation, called by every kind of caller.

use std::collections::BTreeSet;

use hotshelf_testkit::catalogue::{PRODUCTS, create_named};
use hotshelf_testkit::users::log_in;
use hotshelf_testkit::{Client, Reply};
use serde_json::{Value, json};

use crate::fixture::Fixture;

/// Operation, body, and the statuses without a token, for a viewer, an editor, an admin (all of organization 1), and
/// the admin of another organization. `{product}` is a product of organization 1, `{user}` one of its users, `{schema}`
/// one of its schemas. The bodies are bad on purpose: 400 and 404 show that the authorizer allowed the request.
#[rustfmt::skip]
const TABLE: &[(&str, &str, [u16; 5])] = &[
    ("GET /api/v1/products", "",                          [401, 200, 200, 200, 200]),
    ("GET /api/v1/products?organization_id=1", "",        [401, 200, 200, 200, 403]),
    ("POST /api/v1/products", "{}",                       [401, 403, 400, 400, 400]),
    ("POST /api/v1/products", PLATE,                      [401, 403, 201, 201, 403]),
    ("GET /api/v1/products/{product}", "",                [401, 200, 200, 200, 404]),
    ("PUT /api/v1/products/{product}", "{}",              [401, 403, 200, 200, 404]),
    ("PATCH /api/v1/products/{product}", "{}",            [401, 403, 200, 200, 404]),
    ("DELETE /api/v1/products/999999", "",                [401, 403, 404, 404, 404]),
    ("DELETE /api/v1/products/{product}", "",             [401, 403, 200, 404, 404]),
    ("GET /api/v1/products/{kept}/details", "",           [401, 200, 200, 200, 404]),
    ("PUT /api/v1/products/{kept}/details", "{}",         [401, 403, 200, 200, 404]),
    ("POST /api/v1/products/bulk", "{}",                  [401, 403, 400, 400, 400]),
    ("POST /api/v1/products/bulk-delete", "{}",           [401, 403, 400, 400, 400]),
    ("GET /products/{kept}", "",                          [401, 200, 200, 200, 404]),
    ("POST /products", "{}",                              [401, 403, 400, 400, 400]),
    ("POST /products", PLATE,                             [401, 403, 201, 201, 403]),
    ("PUT /products/{kept}", "{}",                        [401, 403, 200, 200, 404]),
    ("GET /api/v1/organizations", "",                     [401, 200, 200, 200, 200]),
    ("POST /api/v1/organizations", "{}",                  [401, 403, 403, 400, 403]),
    ("GET /api/v1/organizations/1", "",                   [401, 200, 200, 200, 404]),
    ("GET /api/v1/organizations/{other}", "",             [401, 404, 404, 200, 200]),
    ("PATCH /api/v1/organizations/{other}", RESUMED,      [401, 403, 403, 200, 403]),
    ("DELETE /api/v1/organizations/999999", "",           [401, 403, 403, 404, 403]),
    ("GET /api/v1/organizations/1/products", "",          [401, 200, 200, 200, 404]),
    ("GET /api/v1/organizations/1/product-ids", "",       [401, 200, 200, 200, 404]),
    ("POST /api/v1/schemas", "{}",                        [401, 403, 400, 400, 400]),
    ("POST /api/v1/schemas", SCHEMA,                      [401, 403, 201, 201, 403]),
    ("GET /api/v1/schemas/{schema}", "",                  [401, 200, 200, 200, 404]),
    ("GET /api/v1/schemas/1", "",                         [401, 200, 200, 200, 200]),
    ("PUT /api/v1/schemas/{schema}", "{}",                [401, 403, 200, 200, 404]),
    ("PUT /api/v1/schemas/1", "{}",                       [401, 403, 409, 409, 409]),
    ("GET /api/v1/schemas/{schema}/products", "",         [401, 200, 200, 200, 404]),
    ("GET /api/v1/schemas/1/products", "",                [401, 200, 200, 200, 200]),
    ("GET /api/v1/schemas/{schema}/product-ids", "",      [401, 200, 200, 200, 404]),
    ("GET /api/v1/schemas/1/product-ids", "",             [401, 200, 200, 200, 200]),
    ("GET /api/v1/analytics/catalogue", "",               [401, 403, 403, 200, 403]),
    ("DELETE /api/v1/cache", "",                          [401, 403, 403, 200, 403]),
    ("POST /api/v1/cache/warm", "",                       [401, 403, 403, 202, 403]),
    ("GET /api/v1/cache/stats", "",                       [401, 200, 200, 200, 403]),
    ("POST /api/v1/cache/stats/reset", "",                [401, 403, 403, 200, 403]),
    ("GET /metrics", "",                                  [401, 200, 200, 200, 403]),
    ("GET /health", "",                                   [200, 200, 200, 200, 200]),
    ("GET /health/live", "",                              [200, 200, 200, 200, 200]),
    ("GET /health/ready", "",                             [200, 200, 200, 200, 200]),
    ("GET /api/v1/openapi.json", "",                      [200, 200, 200, 200, 200]),
    ("POST /api/v1/auth/register", "{}",                  [400, 400, 400, 400, 400]),
    ("POST /api/v1/auth/verify", "{}",                    [400, 400, 400, 400, 400]),
    ("POST /api/v1/auth/resend-verification", "",         [401, 202, 202, 202, 202]),
    ("POST /api/v1/auth/login", "{}",                     [400, 400, 400, 400, 400]),
    ("POST /api/v1/auth/forgot-password", "{}",           [400, 400, 400, 400, 400]),
    ("POST /api/v1/auth/reset-password", "{}",            [400, 400, 400, 400, 400]),
    ("POST /api/v1/auth/change-password", "{}",           [401, 400, 400, 400, 400]),
    ("POST /api/v1/auth/tokens/revoke", "{}",             [401, 400, 400, 400, 400]),
    ("GET /api/v1/auth/session", "",                      [401, 200, 200, 200, 200]),
    ("GET /api/v1/auth/sessions", "",                     [401, 200, 200, 200, 200]),
    ("DELETE /api/v1/auth/sessions/999999", "",           [401, 404, 404, 404, 404]),
    ("GET /api/v1/auth/api-keys", "",                     [401, 200, 200, 200, 200]),
    ("POST /api/v1/auth/api-keys", "{}",                  [401, 400, 400, 400, 400]),
    ("DELETE /api/v1/auth/api-keys/999999", "",           [401, 404, 404, 404, 404]),
    ("GET /api/v1/api-keys", "",                          [401, 403, 403, 200, 200]),
    ("DELETE /api/v1/api-keys/999999", "",                [401, 403, 403, 404, 404]),
    ("POST /api/v1/invitations", "{}",                    [401, 403, 403, 400, 400]),
    ("POST /api/v1/invitations", NEW_ORGANIZATION,        [401, 403, 403, 201, 403]),
    ("GET /api/v1/invitations", "",                       [401, 403, 403, 200, 200]),
    ("DELETE /api/v1/invitations/999999", "",             [401, 403, 403, 404, 404]),
    ("GET /api/v1/users", "",                             [401, 403, 403, 200, 200]),
    ("GET /api/v1/users?organization_id={other}", "",     [401, 403, 403, 200, 200]),
    ("GET /api/v1/users?organization_id=1", "",           [401, 403, 403, 200, 403]),
    ("GET /api/v1/users?email=admin@two.example", "",     [401, 403, 403, 200, 200]),
    ("POST /api/v1/users", "{}",                          [401, 403, 403, 400, 400]),
    ("GET /api/v1/users/{user}", "",                      [401, 403, 403, 200, 404]),
    ("PATCH /api/v1/users/{user}", VIEWER,                [401, 403, 403, 200, 404]),
    ("DELETE /api/v1/users/{user}/sessions", "",          [401, 403, 403, 204, 404]),
    ("DELETE /api/v1/users/{user}", "",                   [401, 403, 403, 204, 404]),
    ("GET /api/v1/audit", "",                             [401, 403, 403, 200, 200]),
    ("GET /api/v1/audit?organization_id={other}", "",     [401, 403, 403, 200, 200]),
    ("GET /api/v1/audit?organization_id=1", "",           [401, 403, 403, 200, 403]),
    // These end the session of their caller.
    (LOGOUT, "",                                          [401, 204, 204, 204, 204]),
    (LOGOUT_EVERYWHERE, "",                               [401, 204, 204, 204, 204]),
];

const LOGOUT: &str = "POST /api/v1/auth/logout";
const LOGOUT_EVERYWHERE: &str = "DELETE /api/v1/auth/sessions";

const PLATE: &str = r#"{"name": "Plate", "price": 3, "organization_id": 1}"#;
const SCHEMA: &str = r#"{"name": "Plates", "fields": [], "organization_id": 1}"#;
const NEW_ORGANIZATION: &str = r#"{"email": "guest@three.example", "new_organization": true}"#;
const RESUMED: &str = r#"{"suspended": false}"#;
const VIEWER: &str = r#"{"role": "viewer"}"#;

/// The callers of the statuses.
const NAMES: [Option<&str>; 5] = [
    None,
    Some("viewer@one.example"),
    Some("editor@one.example"),
    Some("admin@one.example"),
    Some("admin@two.example"),
];

/// The pattern of a route, with `{id}` for each placeholder.
fn pattern(operation: &str) -> String {
    let (method, path) = operation.split_once(' ').unwrap();
    let path = path.split('?').next().unwrap();
    let part = |part: &str| {
        let id = part.starts_with('{') || !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if id { "{id}".to_owned() } else { part.to_owned() }
    };
    format!("{method} {}", path.split('/').map(part).collect::<Vec<_>>().join("/"))
}

async fn ask(client: &Client, operation: &str, body: &str) -> Reply {
    let (method, path) = operation.split_once(' ').unwrap();
    match body {
        "" => client.request(method, path).await,
        body => client.request(method, path).header("content-type", "application/json").body(body).await,
    }
}

#[tokio::test]
async fn every_caller_gets_the_statuses_of_the_table() {
    let fixture = Fixture::open().await;
    let [product, kept] = ["Cup", "Pot"].map(|name| create_named(&fixture.admin, name));
    let (product, kept) = (product.await["id"].clone(), kept.await["id"].clone());
    let schema = fixture.admin.post("/api/v1/schemas").json(&json!({"name": "Cups", "fields": []})).await.expect(201);
    let user = json!({"email": "fifth@one.example", "role": "editor", "password": "a password"});
    let user = fixture.admin.post("/api/v1/users").json(&user).await.expect(201);
    let named: [(&str, &Value); 5] = [
        ("{product}", &product),
        ("{kept}", &kept),
        ("{schema}", &schema.json()["schema"]["id"]),
        ("{user}", &user.json()["user"]["id"]),
        ("{other}", &json!(fixture.other_organization)),
    ];
    let nobody = fixture.client().clone();
    let callers = [&nobody, &fixture.viewer, &fixture.editor, &fixture.admin, &fixture.other].map(Client::clone);
    let mut wrong = Vec::new();
    for (operation, body, expected) in TABLE {
        let path = named.iter().fold((*operation).to_owned(), |path, (name, id)| path.replace(name, &id.to_string()));
        let mut statuses = Vec::new();
        let ends_sessions = [LOGOUT, LOGOUT_EVERYWHERE].contains(operation);
        for (caller, name) in callers.iter().zip(NAMES) {
            let caller = match name {
                Some(name) if ends_sessions => log_in(&fixture, name).await,
                _ => caller.clone(),
            };
            statuses.push(ask(&caller, &path, body).await.status);
        }
        // The admin does not find the object that the editor has deleted.
        if statuses != expected {
            wrong.push(format!("{operation} {body}: {statuses:?} instead of {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "no token, viewer, editor, admin, other organization:\n{}", wrong.join("\n"));
}

#[tokio::test]
async fn every_operation_is_in_the_table() {
    let fixture = Fixture::open().await;
    let description = fixture.get("/api/v1/openapi.json").await.expect(200).json();
    let mut described = BTreeSet::from(["GET /api/v1/openapi.json".to_owned()]);
    for (path, operations) in description["paths"].as_object().unwrap() {
        described
            .extend(operations.as_object().unwrap().keys().map(|method| format!("{} {path}", method.to_uppercase())));
    }
    let table: BTreeSet<_> = TABLE.iter().map(|(operation, _, _)| pattern(operation)).collect();
    assert_eq!(table, described, "left: this table; right: the OpenAPI description");
}

#[tokio::test]
async fn without_users_operations_need_no_token_and_accounts_get_404() {
    let service = crate::hotshelf().start().await;
    for (operation, _, _) in TABLE {
        let status = ask(&service, &operation.replace(['{', '}'], ""), "").await.status;
        assert!(status != 401 && status != 403, "{operation}: {status}");
        if ["/auth/", "/users", "/api-keys", "/invitations"].iter().any(|part| operation.contains(part)) {
            assert_eq!(status, 404, "{operation}");
        }
    }
    service.get(PRODUCTS).header("authorization", "Bearer nonsense").await.expect(200);
}

#[tokio::test]
async fn an_api_key_has_the_rights_of_its_role_and_manages_no_tokens() {
    let fixture = Fixture::open().await;
    let key = hotshelf_testkit::users::api_key(&fixture.admin, "viewer").await;
    key.get(PRODUCTS).await.expect(200);
    key.post(PRODUCTS).json(&json!({"name": "Cup", "price": 1})).await.expect(403);
    key.get("/api/v1/users").await.expect(403);
    let strong = hotshelf_testkit::users::api_key(&fixture.admin, "admin").await;
    strong.get("/api/v1/users").await.expect(200);
    for operation in [
        "PATCH /api/v1/organizations/1",
        "DELETE /api/v1/organizations/1",
        "POST /api/v1/invitations",
        "DELETE /api/v1/invitations/1",
        "POST /api/v1/users",
        "PATCH /api/v1/users/1",
        "DELETE /api/v1/users/1",
        "DELETE /api/v1/users/1/sessions",
        "GET /api/v1/auth/session",
        "POST /api/v1/auth/api-keys",
        "DELETE /api/v1/auth/sessions",
    ] {
        assert_eq!(ask(&strong, operation, "").await.status, 403, "{operation}");
    }
    let beyond = json!({"name": "more", "role": "admin"});
    let refused = fixture.editor.post("/api/v1/auth/api-keys").json(&beyond).await.expect(400).json();
    assert_eq!(refused["errors"][0], json!({"field": "role", "message": "must be at most your own, editor"}));
}

/// The part of the API that an operation belongs to.
fn area(operation: &str) -> &'static str {
    let path = operation.split_once(' ').unwrap().1;
    if path.contains("/product-ids") || path.split('?').next().unwrap().ends_with("/products") {
        return "products";
    }
    let areas = [
        ("/api/v1/auth/", "users"),
        ("/api/v1/users", "users"),
        ("/api/v1/api-keys", "users"),
        ("/api/v1/invitations", "users"),
        ("/api/v1/audit", "audit"),
        ("/api/v1/cache/stats", "statistics"),
        ("/api/v1/analytics", "statistics"),
        ("/metrics", "statistics"),
        ("/api/v1/cache", "cache"),
        ("/api/v1/products", "products"),
        ("/products", "products"),
        ("/api/v1/organizations", "organizations"),
        ("/api/v1/schemas", "schemas"),
    ];
    areas.iter().find(|(start, _)| path.starts_with(start)).unwrap_or_else(|| panic!("{operation} has no area")).1
}

#[tokio::test]
async fn an_api_key_with_scopes_may_use_these_areas_and_no_others() {
    const AREAS: [&str; 7] = ["products", "schemas", "organizations", "users", "cache", "statistics", "audit"];
    let fixture = Fixture::open().await;
    let product = create_named(&fixture.admin, "Cup").await["id"].clone();
    let key = async |scopes: Value| {
        let key = json!({"name": "a program", "role": "admin", "scopes": scopes});
        let made = fixture.admin.post("/api/v1/auth/api-keys").json(&key).await.expect(201).json();
        assert_eq!(made["api_key"]["scopes"], scopes);
        fixture.with_token(made["token"].as_str().unwrap())
    };
    let unrestricted = hotshelf_testkit::users::api_key(&fixture.admin, "admin").await;
    let mut restricted = Vec::new();
    for one in AREAS {
        restricted.push((one, key(json!([one])).await));
    }
    // Products in memory are answered in front of the router.
    for _ in 0..2 {
        unrestricted.get(&format!("{PRODUCTS}/{product}")).await.expect(200);
    }
    let product = product.to_string();
    let named =
        [("{product}", product.as_str()), ("{kept}", &product), ("{other}", "1"), ("{schema}", "1"), ("{user}", "999")];
    let mut wrong = Vec::new();
    for (operation, body, _) in TABLE.iter().filter(|(operation, ..)| *operation != "DELETE /api/v1/products/{product}")
    {
        let operation = named.iter().fold((*operation).to_owned(), |path, (name, id)| path.replace(name, id));
        if ask(fixture.client(), &operation, body).await.status != 401 {
            continue;
        }
        let expected = ask(&unrestricted, &operation, body).await.status;
        for (one, key) in &restricted {
            let expected = if *one == area(&operation) { expected } else { 403 };
            let status = ask(key, &operation, body).await.status;
            if status != expected {
                wrong.push(format!("{one}: {operation}: {status} instead of {expected}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let both = key(json!(["products", "statistics"])).await;
    both.get(PRODUCTS).await.expect(200);
    both.get("/metrics").await.expect(200);
    let refused = both.get("/api/v1/audit").await.expect(403).json();
    assert_eq!(refused["detail"], "this requires an API key with the scope audit");
}
