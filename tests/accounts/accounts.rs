//! Registration, login, and the users of an organization.

use hotshelf_testkit::users::{PASSWORD, USERS, add_user, create_admin, log_in, register, verify};
use serde_json::json;

use crate::fixture::{Fixture, me};
use crate::hotshelf;

const LOGIN: &str = "/api/v1/auth/login";
const REGISTER: &str = "/api/v1/auth/register";

#[tokio::test]
async fn registration_creates_an_organization_and_its_admin() {
    let fixture = Fixture::open().await;
    let ann = register(&fixture, " Ann@Shop.Example", "Shop").await;
    assert_eq!((&ann["email"], &ann["role"]), (&json!("ann@shop.example"), &json!("admin")));
    let client = log_in(&fixture, "ANN@shop.example").await;
    assert_eq!(me(&client).await, ann);
    let organizations = client.get("/api/v1/organizations").await.expect(200).json();
    assert_eq!(organizations["organizations"][0]["name"], "Shop");
    assert_eq!(organizations["organizations"].as_array().unwrap().len(), 1);

    let unnamed = json!({"email": "bob@shop.example", "password": PASSWORD});
    let bob = fixture.post(REGISTER).json(&unnamed).await.expect(201).json();
    assert_ne!(bob["user"]["organization_id"], ann["organization_id"]);
    verify(&fixture, &fixture.mails(), "bob@shop.example").await;
    fixture.post(REGISTER).json(&unnamed).await.expect(409);
}

#[tokio::test]
async fn every_invalid_field_of_a_registration_is_named() {
    let fixture = Fixture::open().await;
    let bad = json!({"email": "nobody", "password": "short", "organization": " ", "role": "admin"});
    let problem = fixture.post(REGISTER).json(&bad).await.expect(400).json();
    let fields: Vec<_> = problem["errors"].as_array().unwrap().iter().map(|error| error["field"].as_str()).collect();
    assert_eq!(fields, [Some("role"), Some("email"), Some("password"), Some("organization")]);
    fixture.post(REGISTER).json(&json!([])).await.expect(400);
    fixture.post(REGISTER).body("{}").await.expect(415);
}

#[tokio::test]
async fn a_login_returns_a_token_and_an_equivalent_cookie() {
    let fixture = Fixture::open().await;
    let credentials = json!({"email": "viewer@one.example", "password": PASSWORD});
    let login = fixture.post(LOGIN).json(&credentials).await.expect(200);
    let token = login.json()["token"].as_str().unwrap().to_owned();
    let cookie = format!("__Host-hotshelf_session={token}; Max-Age=34560000; Path=/; HttpOnly; SameSite=Lax; Secure");
    assert_eq!(login.header("set-cookie"), cookie);
    assert_eq!(login.header("cache-control"), "no-store");
    let by_cookie =
        fixture.get("/api/v1/auth/session").header("cookie", &format!("a=b; __Host-hotshelf_session={token}"));
    assert_eq!(by_cookie.await.expect(200).json()["user"], login.json()["user"]);
    let by_header = fixture.with_token(&token).get("/api/v1/auth/session").await.expect(200);
    assert_eq!(by_header.json()["user"], login.json()["user"]);
    let stored = std::fs::read(fixture.database()).unwrap();
    assert!(!stored.windows(token.len()).any(|window| window == token.as_bytes()), "the token is in the database");
}

#[tokio::test]
async fn all_wrong_credentials_get_the_same_answer() {
    let fixture = Fixture::open().await;
    let attempts = [
        ("viewer@one.example", "another password"),
        ("nobody@one.example", PASSWORD),
        ("nonsense", PASSWORD),
        ("", ""),
    ];
    for (email, password) in attempts {
        let refused = fixture.post(LOGIN).json(&json!({"email": email, "password": password})).await.expect(401);
        assert_eq!(refused.json()["detail"], "the e-mail address or the password is wrong");
        assert_eq!(refused.header("www-authenticate"), "Bearer");
    }
}

#[tokio::test]
async fn an_admin_manages_only_the_users_of_the_organization() {
    let fixture = Fixture::open().await;
    let users = fixture.admin.get(USERS).await.expect(200).json();
    let emails = |users: &serde_json::Value| -> Vec<String> {
        let users = users["users"].as_array().unwrap().iter();
        users.map(|user| user["email"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(emails(&users), ["admin@one.example", "editor@one.example", "viewer@one.example"]);
    assert_eq!(emails(&fixture.other.get(USERS).await.expect(200).json()), ["admin@two.example"]);

    let added = add_user(&fixture.other, "second@two.example", "editor").await;
    assert_eq!(added["organization_id"], fixture.other_organization);
    let path = format!("{USERS}/{}", added["id"]);
    fixture.admin.get(&path).await.expect(404);
    let promoted = fixture.other.patch(&path).json(&json!({"role": "admin"})).await.expect(200).json();
    assert_eq!(promoted["user"]["role"], "admin");
    let refused = fixture.other.patch(&path).json(&json!({"email": "x@y.example"})).await.expect(400).json();
    assert_eq!(refused["errors"][0]["message"], "can be changed by the user alone");
    fixture.other.delete(&path).await.expect(204);
    fixture.other.get(&path).await.expect(404);
}

#[tokio::test]
async fn the_last_admin_cannot_be_removed_or_demoted() {
    let fixture = Fixture::open().await;
    let path = format!("{USERS}/{}", me(&fixture.other).await["id"]);
    fixture.other.patch(&path).json(&json!({"role": "editor"})).await.expect(409);
    fixture.other.delete(&path).await.expect(409);
    add_user(&fixture.other, "second@two.example", "admin").await;
    fixture.other.patch(&path).json(&json!({"role": "viewer"})).await.expect(200);
    fixture.other.get(USERS).await.expect(403);
}

/// Two admins demote themselves, or remove themselves, at the same time: the second request is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_admins_cannot_both_be_removed() {
    let fixture = Fixture::open().await;
    let path = |id: &serde_json::Value| format!("{USERS}/{id}");
    let first = me(&fixture.other).await["id"].clone();
    for round in 0..4 {
        let email = format!("second{round}@two.example");
        let second = add_user(&fixture.other, &email, "admin").await["id"].clone();
        let client = log_in(&fixture, &email).await;
        let (demote, remove) = (json!({"role": "viewer"}), round % 2 == 0);
        let go = |client: &hotshelf_testkit::Client, id| match remove {
            true => client.delete(&path(id)),
            false => client.patch(&path(id)).json(&demote),
        };
        // Each admin acts on its own user.
        let (one, other) = tokio::join!(go(&fixture.other, &first), go(&client, &second));
        let statuses = [one.status, other.status];
        assert!(statuses.contains(&409), "{statuses:?}");
        if one.status != 409 {
            return;
        }
    }
}

/// A user logs in and creates API keys while an admin removes the user.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_removed_during_a_login_has_no_access() {
    let fixture = Fixture::open().await;
    for round in 0..5 {
        let email = format!("guest{round}@one.example");
        let path = format!("{USERS}/{}", add_user(&fixture.admin, &email, "editor").await["id"]);
        let own = log_in(&fixture, &email).await;
        let credentials = json!({"email": email, "password": PASSWORD});
        let comings: Vec<_> = (0..3)
            .map(|_| {
                let (client, credentials) = (own.clone(), credentials.clone());
                tokio::spawn(async move {
                    let key = json!({"name": "mine"});
                    let (session, key) = tokio::join!(
                        client.post(LOGIN).json(&credentials),
                        client.post("/api/v1/auth/api-keys").json(&key),
                    );
                    [session, key]
                })
            })
            .collect();
        fixture.admin.delete(&path).await.expect(204);
        for coming in comings {
            for reply in coming.await.unwrap() {
                match reply.status {
                    200 | 201 => {
                        let token = reply.json()["token"].as_str().unwrap().to_owned();
                        fixture.with_token(&token).get("/api/v1/products").await.expect(401);
                    }
                    status => assert!([401, 404].contains(&status), "{reply:?}"),
                }
            }
        }
        own.get("/api/v1/products").await.expect(401);
    }
}

#[tokio::test]
async fn a_new_role_and_a_removal_hold_from_the_answer_on() {
    let fixture = Fixture::open().await;
    let path = format!("{USERS}/{}", me(&fixture.editor).await["id"]);
    let key = hotshelf_testkit::users::api_key(&fixture.editor, "editor").await;
    let write = async |client: &hotshelf_testkit::Client| {
        client.post("/api/v1/products").json(&json!({"name": "Cup", "price": 1})).await.status
    };
    for round in 0..5 {
        assert_eq!((write(&fixture.editor).await, write(&key).await), (201, 201), "{round}");
        fixture.admin.patch(&path).json(&json!({"role": "viewer"})).await.expect(200);
        assert_eq!((write(&fixture.editor).await, write(&key).await), (403, 403), "{round}");
        fixture.admin.patch(&path).json(&json!({"role": "editor"})).await.expect(200);
    }
    fixture.admin.delete(&path).await.expect(204);
    assert_eq!((write(&fixture.editor).await, write(&key).await), (401, 401));
    fixture.post(LOGIN).json(&json!({"email": "editor@one.example", "password": PASSWORD})).await.expect(401);
}

#[test]
fn the_command_creates_the_first_admin() {
    let directory = tempfile::tempdir().unwrap();
    let service = hotshelf().database(&directory.path().join("products.db"));
    create_admin(&service, "admin@one.example");
    for (email, input, complaint) in [
        ("admin@one.example", "a long password\n", "there is a user with this e-mail address already"),
        ("nobody", "a long password\n", "--email must be an e-mail address"),
        ("second@one.example", "short\n", "password must be at least 8 characters"),
        ("second@one.example", "", "password must be at least 8 characters"),
    ] {
        let refused = service.command(&["admin", "create", "--email", email], input);
        assert_eq!(refused.status.code(), Some(1), "{email}");
        let said = String::from_utf8(refused.stderr).unwrap();
        let last = said.lines().last().unwrap();
        assert!(last.contains(complaint), "{last}");
    }
}

#[tokio::test]
async fn without_users_the_service_refuses_other_addresses() {
    let open = || hotshelf().env("HTTP_HOST", "0.0.0.0");
    let refused = open().try_start().await.err().expect("it refuses");
    assert_eq!(refused.status.code(), Some(2));
    assert!(refused.log.contains("AUTH=off contradicts HTTP_HOST=0.0.0.0"), "{}", refused.log);
    assert_eq!(refused.log.lines().count(), 1);
    let anyway = open().env("AUTH_OFF_ANYWAY", true).start().await;
    anyway.get("/api/v1/products").await.expect(200);
    assert!(anyway.log().contains("everybody who can reach it can change the catalogue"), "{}", anyway.log());
    open().env("AUTH", "on").start().await.get("/api/v1/products").await.expect(401);
}
