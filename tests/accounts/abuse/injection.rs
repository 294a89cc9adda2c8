//! Injection into headers, mails and logs.

use hotshelf_testkit::users::{PASSWORD, log_in};
use hotshelf_testkit::{PATIENCE, wait_until};
use serde_json::json;

use crate::fixture::Fixture;
use hotshelf_testkit::exchange;

#[tokio::test]
async fn no_part_of_a_request_becomes_a_header_of_the_answer() {
    let fixture = Fixture::open().await;
    let address = fixture.address();
    for head in [
        "GET /api/v1/products/1%0d%0aSet-Cookie:%20a=b HTTP/1.1",
        "GET /api/v1/products?cursor=%0d%0aSet-Cookie:%20a=b HTTP/1.1",
        "GET /nothing%0d%0aSet-Cookie:%20a=b HTTP/1.1",
    ] {
        let answer = exchange(address, &format!("{head}\r\nhost: localhost\r\nconnection: close\r\n\r\n"));
        assert!(!answer.to_lowercase().contains("\nset-cookie"), "{answer}");
    }
    let id =
        "GET /health HTTP/1.1\r\nhost: localhost\r\nx-request-id: a\r\n set-cookie: a=b\r\nconnection: close\r\n\r\n";
    let answer = exchange(address, id);
    assert!(!answer.to_lowercase().contains("\nset-cookie"), "{answer}");
    for id in ["a b", "<script>", "ü", &"a".repeat(200)] {
        let echoed = fixture.get("/health").header("x-request-id", id).await.expect(200);
        assert_ne!(echoed.header("x-request-id"), id);
    }
}

#[tokio::test]
async fn a_mail_goes_to_one_address_with_the_configured_link() {
    let fixture = Fixture::open().await;
    for email in
        ["viewer@one.example\r\nBcc: thief@x.example", "viewer@one.example,thief@x.example", "<viewer@one.example>"]
    {
        fixture.post("/api/v1/auth/forgot-password").json(&json!({"email": email})).await.expect(400);
        let registration = json!({"email": email, "password": PASSWORD});
        fixture.post("/api/v1/auth/register").json(&registration).await.expect(400);
    }
    // The link comes from the configuration, not from the request.
    let forgot = fixture.post("/api/v1/auth/forgot-password").header("host", "thief.example");
    let forgot = forgot.header("x-forwarded-host", "thief.example");
    forgot.json(&json!({"email": "viewer@one.example"})).await.expect(202);
    wait_until("the mail is there", PATIENCE, async || fixture.mail().contains("hsr_")).await;
    assert!(!fixture.mail().contains("thief"), "{}", fixture.mail());
}

#[tokio::test]
async fn the_user_agent_is_shortened_and_plain() {
    let fixture = Fixture::open().await;
    let credentials = json!({"email": "viewer@one.example", "password": PASSWORD});
    let agent = format!("<script>alert(1)</script>\t{}", "x".repeat(500));
    fixture.post("/api/v1/auth/login").header("user-agent", &agent).json(&credentials).await.expect(200);
    let client = log_in(&fixture, "viewer@one.example").await;
    let sessions = client.get("/api/v1/auth/sessions").await.expect(200);
    assert_eq!(sessions.header("content-type"), "application/json");
    let sessions = sessions.json();
    let longest =
        sessions["sessions"].as_array().unwrap().iter().map(|one| one["client"].as_str().unwrap().len()).max();
    assert_eq!(longest, Some(200));
    assert!(!sessions.to_string().contains('\t'));
}
