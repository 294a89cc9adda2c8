//! Which passwords and addresses may be chosen, and how they are compared.

use hotshelf_testkit::ExternalWriter;
use hotshelf_testkit::users::{PASSWORD, USERS, mailed};
use serde_json::json;

use crate::fixture::Fixture;

const REGISTER: &str = "/api/v1/auth/register";
const LOGIN: &str = "/api/v1/auth/login";

#[tokio::test]
async fn what_everybody_tries_first_is_refused_wherever_a_password_is_chosen() {
    let fixture = Fixture::open().await;
    fixture.post("/api/v1/auth/forgot-password").json(&json!({"email": "viewer@one.example"})).await.expect(202);
    let token = mailed(&fixture.mails(), "viewer@one.example", "hsr_").await;
    for weak in [
        "password",
        "12345678",
        "aaaaaaaa",
        "        ",
        "\u{200b}\u{200b}\u{200b}\u{200b}\u{200b}\u{200b}\u{200b}\u{200b}",
        "Password1",
        "ｐａｓｓｗｏｒｄ１",
        "abcdefgh",
        "hotshelf2026",
    ] {
        let new = json!({"email": "carl@three.example", "password": weak});
        fixture.post(REGISTER).json(&new).await.expect(400);
        fixture.admin.post(USERS).json(&new).await.expect(400);
        let reset = json!({"token": token, "password": weak});
        fixture.post("/api/v1/auth/reset-password").json(&reset).await.expect(400);
        let change = json!({"current_password": PASSWORD, "password": weak});
        let refused = fixture.viewer.post("/api/v1/auth/change-password").json(&change).await.expect(400).json();
        assert_eq!(refused["errors"][0]["field"], "password", "{weak}");
    }
    // Of the account itself.
    let own =
        json!({"email": "victoria@corporation.example", "password": "victoria2026", "organization": "Blue Shelves"});
    fixture.post(REGISTER).json(&own).await.expect(400);
    let own =
        json!({"email": "victoria@corporation.example", "password": "blueshelves1", "organization": "Blueshelves"});
    fixture.post(REGISTER).json(&own).await.expect(400);
    let change = json!({"current_password": PASSWORD, "password": "viewer2026"});
    fixture.viewer.post("/api/v1/auth/change-password").json(&change).await.expect(400);
}

#[tokio::test]
async fn a_guest_does_not_choose_the_name_of_the_organization() {
    let fixture = Fixture::open().await;
    let email = "guest@two.example";
    fixture.admin.post("/api/v1/invitations").json(&json!({"email": email})).await.expect(201);
    let invitation = mailed(&fixture.mails(), email, "hsi_").await;
    let register = |password: &str| {
        let guest = json!({"email": email, "password": password, "invitation": invitation});
        fixture.post(REGISTER).json(&guest)
    };
    // It is called "Built-in organization". The refusal does not use the invitation up.
    let refused = register("Organization2026").await.expect(400).json();
    assert_eq!(refused["errors"][0]["field"], "password");
    register(PASSWORD).await.expect(201);
}

#[tokio::test]
async fn a_password_is_the_same_however_a_keyboard_writes_it() {
    let fixture = Fixture::open().await;
    let (composed, decomposed) = ("caf\u{e9} au lait", "cafe\u{301} au lait");
    let dora = json!({"email": "dora@one.example", "password": decomposed});
    fixture.admin.post(USERS).json(&dora).await.expect(201);
    for spelling in [composed, decomposed] {
        let login = json!({"email": "dora@one.example", "password": spelling});
        fixture.post(LOGIN).json(&login).await.expect(200);
    }
}

/// Hashes of an earlier version, of what was typed and with other costs, stay good and are made anew.
#[tokio::test]
async fn older_hashes_stay_good_and_are_made_anew_at_the_next_login() {
    let fixture = Fixture::open().await;
    // argon2id of "correct horse battery" with 8 KiB and one pass.
    let cheap = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$p15c/TOJ3ovY07sMZYG2VvFjxPpwKMT5GPQgPMRev2o";
    let mut database = ExternalWriter::on_database_of(&fixture);
    database.run(&format!("UPDATE users SET password_hash = '{cheap}' WHERE email = 'viewer@one.example'"));
    let login = json!({"email": "viewer@one.example", "password": PASSWORD});
    fixture.post(LOGIN).json(&login).await.expect(200);
    let anew =
        "SELECT count(*) FROM users WHERE email = 'viewer@one.example' AND password_hash LIKE '%$m=19456,t=2,p=1$%'";
    assert_eq!(database.number(anew), 1);
    fixture.post(LOGIN).json(&login).await.expect(200);
}

#[tokio::test]
async fn addresses_that_look_alike_are_one_account_or_none() {
    let fixture = Fixture::open().await;
    // Full width: the same address.
    let full_width = json!({"email": "ｖiewer@one.example", "password": PASSWORD});
    fixture.post(REGISTER).json(&full_width).await.expect(409);
    fixture.post(LOGIN).json(&full_width).await.expect(200);
    for odd in [
        "vi\u{200b}ewer@one.example",
        "viewer\u{202e}@one.example",
        "v\u{456}ewer@one.example",
        "viewer@\u{43e}ne.example",
    ] {
        fixture.post(REGISTER).json(&json!({"email": odd, "password": PASSWORD})).await.expect(400);
        fixture.admin.post(USERS).json(&json!({"email": odd})).await.expect(400);
    }
    // An account from before the rule stays.
    let mut database = ExternalWriter::on_database_of(&fixture);
    database.run("UPDATE users SET email = 'vi\u{200b}ewer@one.example' WHERE email = 'viewer@one.example'");
    let old = json!({"email": "vi\u{200b}ewer@one.example", "password": PASSWORD});
    fixture.post(LOGIN).json(&old).await.expect(200);
    fixture.post("/api/v1/auth/forgot-password").json(&json!({"email": old["email"]})).await.expect(202);
    mailed(&fixture.mails(), "vi\u{200b}ewer@one.example", "hsr_").await;
    // So does one whose address would be stored in another form today.
    database.run("UPDATE users SET email = 'ｅditor@one.example' WHERE email = 'editor@one.example'");
    fixture.post("/api/v1/auth/forgot-password").json(&json!({"email": "ｅditor@one.example"})).await.expect(202);
    mailed(&fixture.mails(), "ｅditor@one.example", "hsr_").await;
}
