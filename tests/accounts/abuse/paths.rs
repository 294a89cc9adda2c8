//! Bypassing the authorizer by the form of a request.

use hotshelf_testkit::catalogue::create_named;

use crate::fixture::Fixture;
use hotshelf_testkit::exchange;

#[tokio::test]
async fn no_spelling_of_a_path_bypasses_the_authorizer() {
    let fixture = Fixture::open().await;
    let cup = create_named(&fixture.admin, "Cup of the house").await;
    // The product is in memory: the fast path in front of the router is authorized, too.
    let path = format!("/api/v1/products/{}", cup["id"]);
    for _ in 0..3 {
        fixture.viewer.get(&path).await.expect(200);
    }
    let id = cup["id"].to_string();
    let percent: String = id.bytes().map(|digit| format!("%{digit:02x}")).collect();
    let targets = [
        path.clone(),
        format!("{path}?"),
        format!("{path}#"),
        format!("{path}/"),
        format!("/{path}"),
        format!("/api/v1//products/{id}"),
        format!("/api/v1/./products/{id}"),
        format!("/health/../api/v1/products/{id}"),
        format!("/health/%2e%2e/api/v1/products/{id}"),
        format!("/api/v1/products/{percent}"),
        format!("/api/v1/products/0{id}"),
        format!("/api/v1/products/+{id}"),
        format!("/api/v1/products/{id};jsessionid=1"),
        format!("/api/v1/products/{id}%00"),
        format!("/API/V1/products/{id}"),
        format!("/api/v1/products%2f{id}"),
        format!("http://localhost/api/v1/products/{id}"),
        format!("http://localhost/health/../api/v1/products/{id}"),
        "/metrics".to_owned(),
        "/api/v1/users".to_owned(),
    ];
    for method in ["GET", "HEAD", "OPTIONS", "TRACE", "get"] {
        for target in &targets {
            let head = format!(
                "{method} {target} HTTP/1.1\r\nhost: localhost\r\nx-original-url: /health\r\n\
                 x-rewrite-url: /health\r\nx-http-method-override: GET\r\nconnection: close\r\n\r\n"
            );
            let answer = exchange(fixture.address(), &head);
            let status: u16 = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
            assert!((400..500).contains(&status), "{method} {target}: {answer}");
            assert!(!answer.contains("Cup of the house"), "{method} {target}: {answer}");
        }
    }
}

#[tokio::test]
async fn a_second_request_cannot_be_hidden_in_the_first() {
    let fixture = Fixture::open_with(&[("IDLE_TIMEOUT", "1s")]).await;
    let hidden = "GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n";
    for framing in [
        format!("content-length: {}\r\ntransfer-encoding: chunked", hidden.len()),
        format!("content-length: 0\r\ncontent-length: {}", hidden.len()),
        "transfer-encoding: identity, chunked\r\ntransfer-encoding: chunked, x".to_owned(),
    ] {
        let request = format!("POST /api/v1/auth/login HTTP/1.1\r\nhost: localhost\r\n{framing}\r\n\r\n{hidden}");
        let answer = exchange(fixture.address(), &request);
        assert!(!answer.contains("alive") && answer.matches("HTTP/1.1 ").count() <= 1, "{framing}: {answer}");
    }
}
