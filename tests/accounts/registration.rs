//! Who may register, and what an address counts for before it is verified.

use hotshelf_testkit::users::{PASSWORD, USERS, USERS_ON, add_user, create_admin, log_in, mailed, register, verify};
use hotshelf_testkit::{Client, ExternalWriter, PATIENCE, wait_until};
use serde_json::json;

use crate::fixture::{Fixture, me};
use crate::hotshelf;

const REGISTER: &str = "/api/v1/auth/register";
const VERIFY: &str = "/api/v1/auth/verify";
const LOGIN: &str = "/api/v1/auth/login";
const KEYS: &str = "/api/v1/auth/api-keys";

async fn products(client: &Client) -> u16 {
    client.get("/api/v1/products").await.status
}

#[tokio::test]
async fn an_unverified_user_creates_no_api_key_and_manages_nobody() {
    let fixture = Fixture::open().await;
    let carl = register(&fixture, "carl@three.example", "Three").await;
    assert_eq!(carl["verified"], false);
    let client = log_in(&fixture, "carl@three.example").await;
    client.post("/api/v1/products").json(&json!({"name": "Cup", "price": 1})).await.expect(201);
    let key = json!({"name": "a program"});
    let friend = json!({"email": "friend@three.example", "password": PASSWORD});
    let own = format!("{USERS}/{}", carl["id"]);
    let try_all = async || {
        let mut statuses = Vec::new();
        for (method, path, body) in [
            ("POST", KEYS, &key),
            ("POST", USERS, &friend),
            ("PATCH", own.as_str(), &json!({"role": "admin"})),
            ("POST", "/api/v1/invitations", &json!({"email": "guest@three.example"})),
        ] {
            statuses.push(client.request(method, path).json(body).await.status);
        }
        statuses
    };
    assert_eq!(try_all().await, [403; 4]);

    // The token alone is not enough: whoever reads the mail may not be the one who has registered.
    let token = mailed(&fixture.mails(), "carl@three.example", "hsv_").await;
    let proof = |token: &str, password: &str| json!({"token": token, "password": password});
    for wrong in [proof(&token, "another password"), proof("hsv_x", PASSWORD), proof(client.token().unwrap(), PASSWORD)]
    {
        fixture.post(VERIFY).json(&wrong).await.expect(400);
        assert_eq!(me(&client).await["verified"], false);
    }
    fixture.post(VERIFY).json(&proof(&token, PASSWORD)).await.expect(204);
    assert_eq!(me(&client).await["verified"], true);
    assert_eq!(try_all().await, [201, 201, 200, 201]);
    fixture.post(VERIFY).json(&proof(&token, PASSWORD)).await.expect(400);
}

#[tokio::test]
async fn a_further_mail_verifies_as_well_and_all_tokens_end_with_the_first() {
    let fixture = Fixture::open().await;
    register(&fixture, "carl@three.example", "Three").await;
    let first = mailed(&fixture.mails(), "carl@three.example", "hsv_").await;
    let client = log_in(&fixture, "carl@three.example").await;
    client.post("/api/v1/auth/resend-verification").await.expect(202);
    let another = async || mailed(&fixture.mails(), "carl@three.example", "hsv_").await != first;
    wait_until("the second mail is there", PATIENCE, another).await;
    verify(&fixture, &fixture.mails(), "carl@three.example").await;
    fixture.post(VERIFY).json(&json!({"token": first, "password": PASSWORD})).await.expect(400);
    // To a verified address, none is sent.
    let mails = fixture.mail().matches("hsv_").count();
    client.post("/api/v1/auth/resend-verification").await.expect(202);
    // Mails are sent in order: after this one, all earlier ones have been sent.
    fixture.post("/api/v1/auth/forgot-password").json(&json!({"email": "carl@three.example"})).await.expect(202);
    mailed(&fixture.mails(), "carl@three.example", "hsr_").await;
    assert_eq!(fixture.mail().matches("hsv_").count(), mails);
}

/// Somebody registers with the address of another, who resets the password.
#[tokio::test]
async fn a_reset_by_mail_verifies_the_address_and_ends_what_a_squatter_has() {
    let fixture = Fixture::open().await;
    register(&fixture, "victim@corp.example", "Corp").await;
    let squatter = log_in(&fixture, "victim@corp.example").await;
    squatter.post(KEYS).json(&json!({"name": "ci"})).await.expect(403);
    fixture.post("/api/v1/auth/forgot-password").json(&json!({"email": "victim@corp.example"})).await.expect(202);
    let token = mailed(&fixture.mails(), "victim@corp.example", "hsr_").await;
    let reset = json!({"token": token, "password": "the victim's own"});
    fixture.post("/api/v1/auth/reset-password").json(&reset).await.expect(204);
    assert_eq!(products(&squatter).await, 401);
    fixture.post(LOGIN).json(&json!({"email": "victim@corp.example", "password": PASSWORD})).await.expect(401);
    let session = json!({"email": "victim@corp.example", "password": "the victim's own"});
    let session = fixture.post(LOGIN).json(&session).await.expect(200).json();
    assert_eq!(session["user"]["verified"], true);
    fixture.with_token(session["token"].as_str().unwrap()).post(KEYS).json(&json!({"name": "x"})).await.expect(201);
}

#[tokio::test]
async fn an_unverified_address_is_taken_over_and_a_verified_one_is_not() {
    let fixture = Fixture::open().await;
    let again = json!({"email": "victim@corp.example", "password": "the victim's own"});
    // By another registration.
    let first = register(&fixture, "victim@corp.example", "Corp").await;
    let squatter = log_in(&fixture, "victim@corp.example").await;
    assert_eq!(products(&squatter).await, 200);
    let second = fixture.post(REGISTER).json(&again).await.expect(201).json();
    assert_ne!(second["user"]["id"], first["id"]);
    assert_eq!(products(&squatter).await, 401);
    fixture.post(LOGIN).json(&json!({"email": "victim@corp.example", "password": PASSWORD})).await.expect(401);
    // By an admin.
    let session = fixture.post(LOGIN).json(&again).await.expect(200).json();
    let squatter = fixture.with_token(session["token"].as_str().unwrap());
    assert_eq!(products(&squatter).await, 200);
    add_user(&fixture.admin, "victim@corp.example", "viewer").await;
    assert_eq!(products(&squatter).await, 401);
    // An admin has vouched for it.
    fixture.post(REGISTER).json(&again).await.expect(409);
    fixture.other.post(USERS).json(&again).await.expect(409);
    // One who was added, and is to choose a password, cannot be thrown out by anybody who registers.
    fixture.admin.post(USERS).json(&json!({"email": "new@one.example"})).await.expect(201);
    fixture.post(REGISTER).json(&json!({"email": "new@one.example", "password": PASSWORD})).await.expect(409);
}

#[tokio::test]
async fn the_command_takes_an_unverified_address_over() {
    let mut fixture = Fixture::open().await;
    register(&fixture, "boss@corp.example", "Corp").await;
    let squatter = log_in(&fixture, "boss@corp.example").await.token().unwrap().to_owned();
    fixture.service.terminate().await;
    let database = fixture.directory.path().join("products.db");
    create_admin(&hotshelf().database(&database).backend("memory").env("AUTH", "on"), "boss@corp.example");
    fixture.service.restart().await;
    assert_eq!(products(&fixture.with_token(&squatter)).await, 401);
    assert_eq!(me(&log_in(&fixture, "boss@corp.example").await).await["organization_id"], 1);
}

/// Of registrations with one address at the same time, each is either overtaken by another or the one that stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_registrations_with_one_address_one_stays() {
    let fixture = Fixture::open().await;
    let attempts: Vec<_> = (0..6)
        .map(|number| {
            let client = fixture.client().clone();
            let registration = json!({"email": "carl@three.example", "password": format!("chosen by number {number}")});
            tokio::spawn(async move {
                let status = client.post(REGISTER).json(&registration).await.status;
                (status, registration)
            })
        })
        .collect();
    let mut registrations = Vec::new();
    for attempt in attempts {
        let (status, registration) = attempt.await.unwrap();
        assert!([201, 409].contains(&status), "{status}");
        registrations.push(registration);
    }
    let mut in_use = 0;
    for registration in registrations {
        let login = json!({"email": registration["email"], "password": registration["password"]});
        in_use += usize::from(fixture.post(LOGIN).json(&login).await.status == 200);
    }
    assert_eq!(in_use, 1);
}

#[tokio::test]
async fn an_address_that_is_not_verified_within_a_day_becomes_free() {
    let mut fixture = Fixture::open().await;
    for email in ["late@three.example", "carl@three.example"] {
        register(&fixture, email, "Three").await;
    }
    fixture.admin.post(USERS).json(&json!({"email": "new@one.example"})).await.expect(201);
    verify(&fixture, &fixture.mails(), "carl@three.example").await;
    let late = log_in(&fixture, "late@three.example").await.token().unwrap().to_owned();
    fixture.service.terminate().await;
    // Of all of them.
    let mut database = ExternalWriter::on_database(&fixture.directory.path().join("products.db"));
    database.run("UPDATE users SET created_at = created_at - 25 * 60 * 60 * 1000");
    drop(database);
    fixture.service.restart().await;
    let ended = async || products(&fixture.with_token(&late)).await == 401;
    wait_until("the user is removed", PATIENCE, ended).await;
    log_in(&fixture, "carl@three.example").await;
    let emails = log_in(&fixture, "admin@one.example").await.get(USERS).await.expect(200).text().to_owned();
    assert!(emails.contains("new@one.example"), "{emails}");
    register(&fixture, "late@three.example", "Three").await;
}

#[tokio::test]
async fn registration_can_be_off() {
    let fixture = open_with(&[("REGISTRATION", "off")]).await;
    let (service, admin, _directory) = &fixture;
    let registration = json!({"email": "carl@three.example", "password": PASSWORD});
    let refused = service.post(REGISTER).json(&registration).await.expect(403).json();
    assert_eq!(refused["detail"], "registration is off: an admin of the organization can add users");
    service.post(REGISTER).json(&json!({})).await.expect(403);
    admin.post("/api/v1/invitations").json(&json!({"email": "carl@three.example"})).await.expect(403);
    add_user(admin, "carl@three.example", "viewer").await;
}

#[tokio::test]
async fn registration_is_off_beyond_this_machine_unless_a_setting_says_otherwise() {
    let registration = json!({"email": "carl@three.example", "password": PASSWORD});
    for (settings, status) in [
        (&[("HTTP_HOST", "0.0.0.0")][..], 403),
        (&[("HTTP_HOST", "0.0.0.0"), ("REGISTRATION", "open")], 201),
        (&[], 201),
        (&[("REGISTRATION", "invite")], 403),
    ] {
        let (service, _admin, _directory) = open_with(settings).await;
        service.post(REGISTER).json(&registration).await.expect(status);
    }
}

async fn open_with(settings: &[(&str, &str)]) -> (hotshelf_testkit::Service, Client, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let service = hotshelf().database(&directory.path().join("products.db")).backend("memory");
    let service = service.env("MAIL_FILE", directory.path().join("mail.log").display());
    let service = USERS_ON.iter().chain(settings).fold(service, |service, (name, value)| service.env(name, value));
    create_admin(&service, "admin@one.example");
    let service = service.start().await;
    let admin = log_in(&service, "admin@one.example").await;
    (service, admin, directory)
}
