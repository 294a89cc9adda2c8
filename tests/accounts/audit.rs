//! The audit log: every way in, every refusal and every change of a right leaves an entry, which its organization sees.

use hotshelf_testkit::catalogue::{PRODUCTS, create_named, path};
use hotshelf_testkit::users::{PASSWORD, USERS, api_key, log_in};
use hotshelf_testkit::{Client, PATIENCE, wait_until};
use serde_json::{Value, json};

use crate::fixture::{Fixture, me};

const AUDIT: &str = "/api/v1/audit";

/// The newest entries that the client sees.
async fn entries(client: &Client, query: &str) -> Vec<Value> {
    let page = client.get(&format!("{AUDIT}?limit=100{query}")).await.expect(200);
    page.json()["entries"].as_array().unwrap().clone()
}

/// The newest entry of that action, once there is one.
async fn entry(client: &Client, action: &str) -> Value {
    let query = format!("&action={action}");
    wait_until(&format!("{action} is recorded"), PATIENCE, async || !entries(client, &query).await.is_empty()).await;
    entries(client, &query).await.swap_remove(0)
}

async fn attempt(client: &Client, email: &str, password: &str, request: &str) -> u16 {
    let credentials = json!({"email": email, "password": password});
    client.post("/api/v1/auth/login").header("x-request-id", request).json(&credentials).await.status
}

#[tokio::test]
async fn logins_are_recorded_whether_they_succeed_or_not() {
    let fixture = Fixture::open().await;
    let viewer = me(&fixture.viewer).await;
    assert_eq!(attempt(&fixture, "Viewer@one.example", PASSWORD, "right").await, 200);
    assert_eq!(attempt(&fixture, "viewer@one.example", "hss_wrong horse", "wrong").await, 401);
    assert_eq!(attempt(&fixture, "nobody@one.example", "hss_wrong horse", "unknown").await, 401);

    let right = entry(&fixture.admin, "login.succeeded").await;
    assert_eq!((&right["user_id"], &right["request_id"]), (&viewer["id"], &json!("right")));
    assert_eq!((&right["outcome"], &right["origin"]), (&json!("done"), &json!("127.0.0.1")));
    assert!(right["credential"].as_str().unwrap().starts_with("session:"), "{right}");
    let failed = async || entries(&fixture.admin, "&action=login.failed").await;
    wait_until("both failures are recorded", PATIENCE, async || failed().await.len() == 2).await;
    let [unknown, wrong] = <[Value; 2]>::try_from(failed().await).unwrap();
    assert_eq!((&wrong["user_id"], &wrong["detail"]), (&viewer["id"], &json!("wrong password")));
    assert_eq!((&wrong["outcome"], &wrong["request_id"]), (&json!("refused"), &json!("wrong")));
    assert_eq!((&unknown["user_id"], &unknown["detail"]), (&Value::Null, &json!("unknown address")));
    assert_eq!((&unknown["email"], &unknown["organization_id"]), (&json!("nobody@one.example"), &Value::Null));

    let log = fixture.service.log();
    let line = log.lines().find(|line| line.contains("hotshelf_audit") && line.contains("request_id=wrong"));
    assert!(line.is_some_and(|line| line.contains("login.failed") && line.contains("INFO")), "{line:?}");
    assert!(!log.contains("wrong horse") && !log.contains("hss_"), "a secret is in the log");
    let whole = fixture.admin.get(&format!("{AUDIT}?limit=100")).await.expect(200);
    assert!(!whole.text().contains("wrong horse") && !whole.text().contains("hss_"), "a secret is in the audit log");
    assert_eq!(whole.header("cache-control"), "no-store");
}

/// An attacker tries passwords, at first one by one.
#[tokio::test]
async fn repeated_failures_are_counted_and_do_not_fill_the_log() {
    let mut fixture = Fixture::open_with(&[("RATE_LIMIT_LOGIN", "5/1h")]).await;
    let (wrong, limited) = (5, 40);
    for _ in 0..wrong {
        assert_eq!(attempt(&fixture, "nobody@one.example", "a wrong password", "a").await, 401);
    }
    for _ in 0..limited {
        assert_eq!(attempt(&fixture, "nobody@one.example", "a wrong password", "a").await, 429);
    }
    entry(&fixture.admin, "login.limited").await;
    // At the stop, what is still to come is written.
    fixture.service.terminate().await;
    fixture.service.restart().await;
    let admin = log_in(&fixture.service, "admin@one.example").await;
    for (action, expected) in [("login.failed", wrong), ("login.limited", limited)] {
        let entries = entries(&admin, &format!("&action={action}")).await;
        assert_eq!(entries.iter().map(|entry| entry["count"].as_i64().unwrap()).sum::<i64>(), expected, "{action}");
        assert!(entries.len() <= 3, "{entries:?}");
    }
}

#[tokio::test]
async fn changes_of_rights_are_recorded_with_who_made_them() {
    let fixture = Fixture::open().await;
    let admin = me(&fixture.admin).await;
    let new = json!({"email": "fifth@one.example", "role": "viewer", "password": PASSWORD});
    let user = fixture.admin.post(USERS).json(&new).await.expect(201).json()["user"]["id"].clone();
    let path = format!("{USERS}/{user}");
    let fifth = log_in(&fixture, "fifth@one.example").await;
    let key = fifth.post("/api/v1/auth/api-keys").json(&json!({"name": "Import"})).await.expect(201).json();
    fifth.delete(&format!("/api/v1/auth/api-keys/{}", key["api_key"]["id"])).await.expect(204);
    let other = log_in(&fixture, "fifth@one.example").await;
    let session = other.get("/api/v1/auth/session").await.expect(200).json()["session"]["id"].clone();
    fifth.delete(&format!("/api/v1/auth/sessions/{session}")).await.expect(204);
    let passwords = json!({"current_password": PASSWORD, "password": "another battery staple"});
    fifth.post("/api/v1/auth/change-password").json(&passwords).await.expect(204);
    fifth.post("/api/v1/auth/change-password").json(&passwords).await.expect(400);
    fifth.post("/api/v1/auth/logout").await.expect(204);
    fixture.admin.patch(&path).json(&json!({"role": "editor"})).await.expect(200);
    fixture.admin.delete(&format!("{path}/sessions")).await.expect(204);
    fixture.admin.delete(&path).await.expect(204);
    // What is refused has not happened.
    fixture.admin.delete(&format!("{USERS}/{}", admin["id"])).await.expect(409);

    let target = |kind: &str, id: &Value| json!(format!("{kind}:{id}"));
    for (action, by, target) in [
        ("user.added", &admin["id"], target("user", &user)),
        ("user.role_changed", &admin["id"], target("user", &user)),
        ("sessions.ended", &admin["id"], target("user", &user)),
        ("user.removed", &admin["id"], target("user", &user)),
        ("api_key.created", &user, target("api_key", &key["api_key"]["id"])),
        ("api_key.removed", &user, target("api_key", &key["api_key"]["id"])),
        ("session.ended", &user, target("session", &session)),
        ("password.changed", &user, target("user", &user)),
        ("password.change_refused", &user, Value::Null),
    ] {
        let entry = entry(&fixture.admin, action).await;
        assert_eq!((&entry["user_id"], &entry["target"]), (by, &target), "{action}");
        assert_eq!(entry["organization_id"], 1, "{action}");
        assert!(entry["credential"].is_string() && entry["request_id"].is_string(), "{action}: {entry}");
    }
    let logout = entry(&fixture.admin, "logout").await;
    assert_eq!(logout["credential"], logout["target"]);
    let changed = entry(&fixture.admin, "user.role_changed").await;
    assert_eq!(changed["detail"], "fifth@one.example, editor instead of viewer");
    assert_eq!(entries(&fixture.admin, "&action=user.removed").await.len(), 1);
    let first = entries(&fixture.admin, &format!("&user_id={user}&action=login.succeeded")).await;
    assert_eq!(first.len(), 2, "also of a user who is gone");
    let made = entries(&fixture.admin, "&action=user.added").await.pop().unwrap();
    assert_eq!((&made["origin"], &made["organization_id"]), (&json!("command line"), &json!(1)));
}

#[tokio::test]
async fn passwords_by_mail_are_recorded_also_for_addresses_that_nobody_has() {
    let fixture = Fixture::open().await;
    for email in ["viewer@one.example", "nobody@one.example"] {
        fixture.post("/api/v1/auth/forgot-password").json(&json!({"email": email})).await.expect(202);
    }
    let token = || fixture.mail().split_whitespace().find(|word| word.starts_with("hsr_")).map(str::to_owned);
    wait_until("the mail is there", PATIENCE, async || token().is_some()).await;
    let reset = json!({"token": token().unwrap(), "password": "another battery staple"});
    fixture.post("/api/v1/auth/reset-password").json(&reset).await.expect(204);
    fixture.post("/api/v1/auth/reset-password").json(&reset).await.expect(400);
    let user = entry(&fixture.admin, "password.reset").await["user_id"].clone();
    assert_eq!(user, me_by_admin(&fixture, "viewer@one.example").await);
    let refused = entry(&fixture.admin, "password.reset_refused").await;
    assert_eq!((&refused["user_id"], &refused["outcome"]), (&Value::Null, &json!("refused")));
    let requested = async || entries(&fixture.admin, "&action=password.requested").await;
    wait_until("both requests are recorded", PATIENCE, async || requested().await.len() == 2).await;
    let users: Vec<_> = requested().await.iter().map(|entry| entry["user_id"].clone()).collect();
    assert!(users.contains(&user) && users.contains(&Value::Null), "{users:?}");
}

async fn me_by_admin(fixture: &Fixture, email: &str) -> Value {
    let users = fixture.admin.get(USERS).await.expect(200).json();
    let user = users["users"].as_array().unwrap().iter().find(|user| user["email"] == email);
    user.unwrap()["id"].clone()
}

#[tokio::test]
async fn deletions_operations_on_the_cache_and_refusals_are_recorded() {
    let fixture = Fixture::open().await;
    let mut products = Vec::new();
    for name in ["Cup", "Pot", "Pan"] {
        products.push(create_named(&fixture.editor, name).await);
    }
    let key = api_key(&fixture.editor, "editor").await;
    key.delete(&path(&products[0])).await.expect(200);
    key.delete(&path(&products[0])).await.expect(404);
    let ids = [&products[1]["id"], &products[0]["id"], &products[2]["id"]];
    fixture.editor.post("/api/v1/products/bulk-delete").json(&json!({"ids": ids})).await.expect(200);
    fixture.admin.delete("/api/v1/cache?pattern=product:list:*").await.expect(200);
    fixture.admin.post("/api/v1/cache/warm").await.expect(202);
    fixture.admin.post("/api/v1/cache/stats/reset").await.expect(200);
    fixture.admin.post("/api/v1/organizations").json(&json!({"name": "Three"})).await.expect(201);

    let deleted = entry(&fixture.admin, "product.deleted").await;
    assert_eq!(deleted["target"], format!("product:{}", products[0]["id"]));
    assert!(deleted["credential"].as_str().unwrap().starts_with("api_key:"), "{deleted}");
    assert_eq!(entries(&fixture.admin, "&action=product.deleted").await.len(), 1);
    let several = entry(&fixture.admin, "products.deleted").await;
    assert_eq!(several["detail"], format!("{},{}", ids[0], ids[2]));
    assert_eq!(several["count"], 2);
    assert_eq!(entry(&fixture.admin, "cache.deleted").await["detail"], "product:list:*");
    entry(&fixture.admin, "cache.warmed").await;
    entry(&fixture.admin, "statistics.reset").await;
    assert_eq!(entry(&fixture.admin, "organization.created").await["detail"], "Three");

    // By the role, by the organization, and as a key.
    fixture.viewer.post(PRODUCTS).json(&json!({"name": "Cup", "price": 1})).await.expect(403);
    let foreign = json!({"name": "Cup", "price": 1, "organization_id": 1});
    fixture.other.post(PRODUCTS).json(&foreign).await.expect(403);
    key.get("/api/v1/auth/session").await.expect(403);
    let refused = async || entries(&fixture.admin, "&action=operation.refused").await;
    wait_until("the refusals are recorded", PATIENCE, async || refused().await.len() == 3).await;
    let refused = refused().await;
    let targets: Vec<_> = refused.iter().map(|entry| entry["target"].as_str().unwrap()).collect();
    assert_eq!(targets, ["GET /api/v1/auth/session", "POST /api/v1/products", "POST /api/v1/products"]);
    assert_eq!(refused[1]["organization_id"], fixture.other_organization);
}

#[tokio::test]
async fn admins_see_the_entries_of_their_organization_and_operators_all() {
    let fixture = Fixture::open().await;
    let organizations = |entries: &[Value]| {
        let mut seen: Vec<_> = entries.iter().map(|entry| entry["organization_id"].as_i64()).collect();
        seen.sort_unstable();
        seen.dedup();
        seen
    };
    let other = fixture.other_organization;
    assert_eq!(organizations(&entries(&fixture.other, "").await), [Some(other)]);
    assert_eq!(organizations(&entries(&fixture.admin, "").await), [Some(1), Some(other)]);
    let query = format!("&organization_id={other}");
    assert_eq!(entries(&fixture.admin, &query).await, entries(&fixture.other, "").await);
    let page = fixture.admin.get(&format!("{AUDIT}?limit=1")).await.expect(200).json();
    let next = format!("{AUDIT}?limit=1&cursor={}", page["next_cursor"].as_str().unwrap());
    let next = fixture.admin.get(&next).await.expect(200).json();
    assert_ne!(next["entries"][0]["id"], page["entries"][0]["id"]);
    for bad in ["action=login", "since=yesterday", "cursor=x", "limit=0", "offset=1"] {
        fixture.admin.get(&format!("{AUDIT}?{bad}")).await.expect(400);
    }
}

#[tokio::test]
async fn entries_are_kept_for_so_long() {
    let mut fixture = Fixture::open_with(&[("AUDIT_KEPT", "1s")]).await;
    // The service looks for old entries at its start, too.
    wait_until("entries are a second old", PATIENCE, async || {
        let newest = entries(&fixture.admin, "").await.swap_remove(0);
        let at: chrono::DateTime<chrono::Utc> = newest["at"].as_str().unwrap().parse().unwrap();
        chrono::Utc::now() - at > chrono::TimeDelta::milliseconds(1_200)
    })
    .await;
    fixture.service.terminate().await;
    fixture.service.restart().await;
    let admin = log_in(&fixture.service, "admin@one.example").await;
    wait_until("only the new login is left", PATIENCE, async || entries(&admin, "").await.len() <= 1).await;
}

#[tokio::test]
async fn without_users_deletions_are_recorded_by_address() {
    let service = crate::hotshelf().start().await;
    let product = create_named(&service, "Cup").await;
    service.delete(&path(&product)).await.expect(200);
    let deleted = entry(&service, "product.deleted").await;
    assert_eq!((&deleted["origin"], &deleted["user_id"]), (&json!("127.0.0.1"), &Value::Null));
}
