//! Slow and large requests.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use hotshelf_testkit::PATIENCE;
use serde_json::json;

use crate::fixture::Fixture;
use hotshelf_testkit::exchange;

#[tokio::test]
async fn a_request_head_sent_byte_by_byte_is_cut_off() {
    let fixture = Fixture::open_with(&[("IDLE_TIMEOUT", "1s")]).await;
    let mut slow: Vec<TcpStream> = (0..50).map(|_| TcpStream::connect(fixture.address()).unwrap()).collect();
    let head = b"GET /api/v1/products HTTP/1.1\r\nhost: localhost\r\nx-padding: ";
    for connection in &mut slow {
        connection.write_all(head).unwrap();
    }
    let begun = Instant::now();
    // A further byte does not extend the deadline.
    while slow.iter_mut().any(|connection| connection.write_all(b"a").is_ok()) {
        assert!(begun.elapsed() < PATIENCE, "still connected");
        fixture.viewer.get("/api/v1/products").await.expect(200);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_body_sent_byte_by_byte_gets_408_in_time() {
    let fixture = Fixture::open_with(&[("UPLOAD_TIMEOUT", "500ms")]).await;
    let mut connection = TcpStream::connect(fixture.address()).unwrap();
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = "POST /api/v1/auth/login HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                content-length: 1000\r\n\r\n{";
    connection.write_all(head.as_bytes()).unwrap();
    let mut answer = [0; 12];
    connection.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 408");
}

#[tokio::test]
async fn a_request_that_is_too_large_is_refused() {
    let fixture = Fixture::open().await;
    let address = fixture.address();
    let get = |line: &str, header: &str| {
        format!("GET {line} HTTP/1.1\r\nhost: localhost\r\n{header}\r\nconnection: close\r\n\r\n")
    };
    let long = "a".repeat(1 << 20);
    for request in [
        get(&format!("/api/v1/products?search={long}"), "a: b"),
        get("/api/v1/products", &format!("authorization: Bearer {long}")),
        get("/api/v1/products", &format!("cookie: __Host-hotshelf_session={long}")),
        get("/api/v1/products", &"a: b\r\n".repeat(10_000)),
    ] {
        let answer = exchange(address, &request);
        let status = answer.split(' ').nth(1).unwrap_or("nothing");
        assert!(["400", "401", "414", "431", "nothing"].contains(&status), "{answer}");
    }
    for (email, password) in [(long.as_str(), "a password"), ("a@b.example", long.as_str())] {
        // The service does not read a refused request to its end, so the connection cannot be used again.
        let login = fixture.post("/api/v1/auth/login").header("connection", "close");
        login.json(&json!({"email": email, "password": password})).await.expect(413);
    }
    let password = "a".repeat(2_000);
    let registration = json!({"email": "a@b.example", "password": password});
    fixture.post("/api/v1/auth/register").json(&registration).await.expect(400);
    fixture.viewer.get("/api/v1/products").await.expect(200);
}
