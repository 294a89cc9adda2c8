//! Tokens that create their users, and those that must not.

use hotshelf_testkit::catalogue::PRODUCTS;
use hotshelf_testkit::token_issuer::claims;
use hotshelf_testkit::users::{USERS, log_in, register};
use serde_json::{Value, json};

use super::{Setup, and, rights};

const CREATES: (&str, &str) = ("JWT_CREATE_USERS", "true");

#[tokio::test]
async fn the_first_token_creates_its_user_if_the_settings_say_so() {
    let setup = Setup::open(&[CREATES, ("JWT_ROLE_CLAIM", "role")]).await;
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

/// The entries of the audit log that organization 1 has of this action, on this target.
async fn audited(setup: &Setup, action: &str, target: &Value) -> Vec<Value> {
    let log = setup.fixture.admin.get(&format!("/api/v1/audit?limit=100&action={action}")).await.expect(200).json();
    log["entries"].as_array().unwrap().iter().filter(|entry| entry["target"] == *target).cloned().collect()
}

/// The issuer has verified the address. A user whom an admin has added verifies it with the mail.
#[tokio::test]
async fn a_created_user_takes_over_an_address_that_nobody_has_verified() {
    let setup = Setup::open(&[CREATES]).await;
    let token = |email: &str| setup.of(email);
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

/// A token that does not say whether the address is verified is good for a user who exists, but proves nothing.
#[tokio::test]
async fn a_token_that_does_not_say_that_the_address_is_verified_creates_no_user() {
    let setup = Setup::open(&[CREATES]).await;
    let silent = |email: &str| {
        let mut claims = claims(email);
        claims.as_object_mut().unwrap().remove("email_verified");
        setup.with(&claims)
    };
    register(&setup.fixture, "victim@three.example", "Three").await;
    let victim = log_in(&setup.fixture, "victim@three.example").await;
    for email in ["new@one.example", "victim@three.example"] {
        assert_eq!(rights(&silent(email)).await, "none", "{email}");
    }
    victim.get(PRODUCTS).await.expect(200);
    assert_eq!(rights(&setup.of("new@one.example")).await, "viewer");
    assert_eq!(rights(&silent("new@one.example")).await, "viewer", "the user exists now");
}

#[tokio::test]
async fn the_address_that_creates_a_user_is_the_verified_one() {
    let setup = Setup::open(&[CREATES, ("JWT_USER_CLAIM", "name")]).await;
    let named = |name: &str, email: &str| setup.with(&and(claims(email), json!({"name": name})));
    assert_eq!(rights(&named("new@one.example", "else@one.example")).await, "none");
    assert_eq!(rights(&named("new@one.example", "New@one.example")).await, "viewer");
    assert_eq!(rights(&named("new@one.example", "else@one.example")).await, "viewer", "the user exists now");
}

/// The answer does not tell that the organization is full or suspended, and the log tells it once.
#[tokio::test]
async fn an_organization_that_takes_nobody_in_refuses_the_token() {
    let setup = Setup::open(&[CREATES, ("QUOTA_USERS", "1")]).await;
    let new = setup.of("new@two.example");
    for _ in 0..3 {
        let refused = new.get(PRODUCTS).await.expect(401);
        assert_eq!(refused.header("www-authenticate"), "Bearer error=\"invalid_token\"");
    }
    let told = || setup.fixture.log().matches("no user is created for a token of the issuer").count();
    assert_eq!(told(), 1, "{}", setup.fixture.log());
    let organization = format!("/api/v1/organizations/{}", setup.fixture.other_organization);
    let change = json!({"suspended": true, "quotas": {"users": 2}});
    setup.fixture.admin.patch(&organization).json(&change).await.expect(200);
    new.get(PRODUCTS).await.expect(401);
    setup.fixture.admin.patch(&organization).json(&json!({"suspended": false})).await.expect(200);
    assert_eq!(rights(&new).await, "viewer");
    assert_eq!(told(), 1);
}

/// Somebody who was removed registers: neither that nor its end makes the old token good.
#[tokio::test]
async fn a_registration_does_not_revive_the_token_of_a_removed_user() {
    let setup = Setup::open(&[CREATES]).await;
    let token = setup.of("gone@one.example");
    assert_eq!(rights(&token).await, "viewer");
    let users = setup.fixture.admin.get(USERS).await.expect(200).json();
    let gone = users["users"].as_array().unwrap().iter().find(|user| user["email"] == "gone@one.example").unwrap();
    setup.fixture.admin.delete(&format!("{USERS}/{}", gone["id"])).await.expect(204);
    register(&setup.fixture, "gone@one.example", "Gone").await;
    assert_eq!(rights(&token).await, "none");
    log_in(&setup.fixture, "gone@one.example").await.get(PRODUCTS).await.expect(200);
}
