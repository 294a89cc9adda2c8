//! Invitations: each lets one person register, in the organization that invites.

use hotshelf_testkit::users::{PASSWORD, USERS, add_user, log_in, mailed};
use hotshelf_testkit::{Client, ExternalWriter};
use serde_json::{Value, json};

use crate::fixture::{Fixture, me};

const INVITATIONS: &str = "/api/v1/invitations";
const REGISTER: &str = "/api/v1/auth/register";

async fn invite(admin: &Client, body: &Value) -> Value {
    admin.post(INVITATIONS).json(body).await.expect(201).json()["invitation"].take()
}

/// The registration by the invitation that was mailed to that address last.
async fn accepted(fixture: &Fixture, email: &str) -> Value {
    let token = mailed(&fixture.mails(), email, "hsi_").await;
    json!({"email": email, "password": PASSWORD, "organization": "New", "invitation": token})
}

#[tokio::test]
async fn an_invitation_lets_one_person_join_with_its_role_once() {
    let fixture = Fixture::open().await;
    let invitation = invite(&fixture.other, &json!({"email": "Carl@two.example", "role": "editor"})).await;
    assert_eq!((&invitation["email"], &invitation["role"]), (&json!("carl@two.example"), &json!("editor")));
    assert_eq!(invitation["organization_id"], fixture.other_organization);
    let listed = fixture.other.get(INVITATIONS).await.expect(200);
    assert_eq!(listed.json()["invitations"], json!([invitation]));
    assert!(!listed.text().contains("hsi_"));
    assert_eq!(fixture.admin.get(INVITATIONS).await.expect(200).json()["invitations"], json!([]));

    let registration = accepted(&fixture, "carl@two.example").await;
    let mut foreign = registration.clone();
    foreign["email"] = json!("thief@two.example");
    fixture.post(REGISTER).json(&foreign).await.expect(400);
    let carl = fixture.post(REGISTER).json(&registration).await.expect(201).json()["user"].take();
    assert_eq!((&carl["organization_id"], &carl["role"]), (&invitation["organization_id"], &json!("editor")));
    assert_eq!(carl["verified"], true);
    assert_eq!(me(&log_in(&fixture, "carl@two.example").await).await, carl);
    assert_eq!(fixture.other.get(INVITATIONS).await.expect(200).json()["invitations"], json!([]));
    fixture.other.delete(&format!("{USERS}/{}", carl["id"])).await.expect(204);
    fixture.post(REGISTER).json(&registration).await.expect(400);
}

#[tokio::test]
async fn an_operator_invites_to_a_new_organization() {
    let fixture = Fixture::open().await;
    let guest = json!({"email": "boss@three.example", "new_organization": true});
    fixture.other.post(INVITATIONS).json(&guest).await.expect(403);
    invite(&fixture.admin, &guest).await;
    let boss = fixture.post(REGISTER).json(&accepted(&fixture, "boss@three.example").await).await.expect(201).json();
    assert_eq!(boss["user"]["role"], "admin");
    assert!(boss["user"]["organization_id"].as_i64() > Some(fixture.other_organization));
    let boss = log_in(&fixture, "boss@three.example").await;
    let organizations = boss.get("/api/v1/organizations").await.expect(200).json();
    assert_eq!(organizations["organizations"][0]["name"], "New");
    let low = json!({"email": "x@three.example", "new_organization": true, "role": "viewer"});
    fixture.admin.post(INVITATIONS).json(&low).await.expect(400);
}

#[tokio::test]
async fn a_revoked_invitation_is_refused_and_so_is_one_that_has_ended() {
    let fixture = Fixture::open().await;
    let invitation = invite(&fixture.other, &json!({"email": "carl@two.example"})).await;
    let registration = accepted(&fixture, "carl@two.example").await;
    let path = format!("{INVITATIONS}/{}", invitation["id"]);
    fixture.admin.delete(&path).await.expect(404);
    fixture.other.delete(&path).await.expect(204);
    fixture.other.delete(&path).await.expect(404);
    fixture.post(REGISTER).json(&registration).await.expect(400);

    invite(&fixture.other, &json!({"email": "dora@two.example"})).await;
    let registration = accepted(&fixture, "dora@two.example").await;
    ExternalWriter::on_database_of(&fixture).run("UPDATE invitations SET expires_at = 1");
    fixture.post(REGISTER).json(&registration).await.expect(400);
}

#[tokio::test]
async fn invitations_end_with_the_rights_of_who_made_them() {
    let fixture = Fixture::open().await;
    let demoted = add_user(&fixture.other, "second@two.example", "admin").await;
    let removed = add_user(&fixture.other, "third@two.example", "admin").await;
    for (admin, guest) in [("second@two.example", "carl@two.example"), ("third@two.example", "dora@two.example")] {
        invite(&log_in(&fixture, admin).await, &json!({"email": guest, "role": "admin"})).await;
    }
    let demotion = json!({"role": "editor"});
    fixture.other.patch(&format!("{USERS}/{}", demoted["id"])).json(&demotion).await.expect(200);
    fixture.other.delete(&format!("{USERS}/{}", removed["id"])).await.expect(204);
    for guest in ["carl@two.example", "dora@two.example"] {
        fixture.post(REGISTER).json(&accepted(&fixture, guest).await).await.expect(400);
    }
    assert_eq!(fixture.other.get(INVITATIONS).await.expect(200).json()["invitations"], json!([]));
}

/// Registrations by one invitation, and its revocation, at the same time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invitation_is_used_or_revoked_but_not_both() {
    let fixture = Fixture::open().await;
    for round in 0..4 {
        let email = format!("guest{round}@two.example");
        let invitation = invite(&fixture.other, &json!({"email": email})).await;
        let registration = accepted(&fixture, &email).await;
        let registering: Vec<_> = (0..3)
            .map(|_| {
                let (client, registration) = (fixture.client().clone(), registration.clone());
                tokio::spawn(async move { client.post(REGISTER).json(&registration).await.status })
            })
            .collect();
        let revoked = fixture.other.delete(&format!("{INVITATIONS}/{}", invitation["id"])).await.status;
        let mut statuses = Vec::new();
        for registering in registering {
            statuses.push(registering.await.unwrap());
        }
        let used = statuses.iter().filter(|status| **status == 201).count();
        assert_eq!((used, revoked), if revoked == 204 { (0, 204) } else { (1, 404) }, "{statuses:?}");
        assert!(statuses.iter().all(|status| [201, 400, 409].contains(status)), "{statuses:?}");
    }
}

#[tokio::test]
async fn what_is_no_invitation_lets_nobody_in() {
    let fixture = Fixture::open().await;
    let refused = json!({"email": "x@y.example", "password": PASSWORD, "invitation": "hsi_x"});
    fixture.post(REGISTER).json(&refused).await.expect(400);
    fixture.post(INVITATIONS).json(&json!({"email": "x@y.example"})).await.expect(401);
    // Somebody who is there needs none.
    fixture.admin.post(INVITATIONS).json(&json!({"email": "admin@two.example"})).await.expect(409);
}
