//! Which revocations there are, who may make them, and where they are recorded.

use hotshelf_testkit::token_issuer::{claims, with_the_other_signature};
use serde_json::json;

use super::{LOGOUT, REVOKE, Setup, and, rights};
use crate::fixture::me;

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

/// The admins of the organization whose user it is see who has revoked the token.
#[tokio::test]
async fn a_revocation_by_an_operator_is_recorded_for_the_organization_of_the_user() {
    let setup = Setup::open(&[]).await;
    let (other, user) = (&setup.fixture.other, me(&setup.fixture.other).await);
    let token = setup.of("admin@two.example");
    assert_eq!(rights(&token).await, "editor");
    setup.fixture.admin.post(REVOKE).json(&json!({"token": token.token().unwrap()})).await.expect(204);
    let log = other.get("/api/v1/audit?limit=100&action=token.revoked").await.expect(200).json();
    let [entry] = &log["entries"].as_array().unwrap()[..] else { panic!("{log}") };
    assert_eq!(
        (&entry["email"], &entry["detail"]),
        (&json!("admin@one.example"), &json!(format!("of user {}", user["id"])))
    );
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
async fn a_revocation_holds_for_every_signature_of_the_token() {
    let setup = Setup::open(&[]).await;
    let token = setup.token(&claims("viewer@one.example"));
    let other = with_the_other_signature(&token);
    assert_ne!(token, other);
    let [token, other] = [token, other].map(|token| setup.fixture.with_token(&token));
    assert_eq!((rights(&token).await, rights(&other).await), ("viewer", "viewer"), "both signatures are good");
    token.post(LOGOUT).await.expect(204);
    assert_eq!((rights(&token).await, rights(&other).await), ("none", "none"));
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

#[tokio::test]
async fn tokens_survive_a_restart_and_so_do_revocations() {
    let mut setup = Setup::open(&[]).await;
    let tokens = ["kept", "revoked"].map(|id| {
        let claims = and(claims("viewer@one.example"), json!({"jti": id}));
        setup.token(&claims)
    });
    setup.fixture.with_token(&tokens[1]).post(LOGOUT).await.expect(204);
    setup.fixture.service.restart().await;
    assert_eq!(rights(&setup.fixture.with_token(&tokens[0])).await, "viewer");
    assert_eq!(rights(&setup.fixture.with_token(&tokens[1])).await, "none");
}
