//! How the bytes of a connection become requests (RFC 9112).

use hotshelf_testkit::catalogue::{PRODUCTS, laptop};
use hotshelf_testkit::{Service, exchange};

use crate::hotshelf;

const HIDDEN: &str = "GET /health/live HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";

async fn service() -> Service {
    hotshelf().backend("memory").env("IDLE_TIMEOUT", "1s").start().await
}

/// The statuses of all answers on a connection with these bytes, until it ends.
fn statuses(service: &Service, bytes: &str) -> Vec<u16> {
    let answers = exchange(service.address(), bytes);
    answers.split("HTTP/1.").skip(1).map(|answer| answer[2..5].parse().unwrap()).collect()
}

#[tokio::test]
async fn ambiguous_framings_are_refused() {
    let service = service().await;
    let length = HIDDEN.len();
    for framing in [
        format!("content-length: 0\r\ncontent-length: {length}"),
        format!("content-length: 0, {length}"),
        format!("content-length: +{length}"),
        format!("content-length: 0x{length:x}"),
        "content-length: -1".to_owned(),
        "content-length: 1 1".to_owned(),
        "content-length:".to_owned(),
        "transfer-encoding: gzip".to_owned(),
        "transfer-encoding: chunked, gzip".to_owned(),
        "transfer-encoding: xchunked".to_owned(),
        "transfer-encoding: chunked\r\ntransfer-encoding: identity".to_owned(),
    ] {
        let request = format!(
            "POST {PRODUCTS} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n{framing}\r\n\r\n{HIDDEN}"
        );
        assert_eq!(statuses(&service, &request), [400], "{framing}");
    }
    // Chunks win over a length, and the connection does not outlive a doubt.
    let both = format!("content-length: {length}\r\ntransfer-encoding: chunked");
    let request = format!("POST {PRODUCTS} HTTP/1.1\r\nhost: localhost\r\n{both}\r\n\r\n0\r\n\r\n{HIDDEN}");
    let answers = statuses(&service, &request);
    assert!(answers.len() == 1 && (400..500).contains(&answers[0]), "{answers:?}");
    // HTTP/1.0 has no chunks.
    let old = format!("POST {PRODUCTS} HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{HIDDEN}");
    assert_eq!(statuses(&service, &old), [400]);
}

#[tokio::test]
async fn chunked_bodies_are_read() {
    let service = service().await;
    let body = laptop().to_string();
    let (start, end) = body.split_at(10);
    let head = format!(
        "POST {PRODUCTS} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         transfer-encoding: Chunked\r\n\r\n"
    );
    let chunks =
        format!("a;name=\"value\"\r\n{start}\r\n{:X}\r\n{end}\r\n0\r\nx-trailer: 1\r\nhost: other\r\n\r\n", end.len());
    assert_eq!(statuses(&service, &format!("{head}{chunks}{HIDDEN}")), [201, 200]);
    for broken in ["g\r\n", "-1\r\n", "10000000000000000\r\n", " 1\r\n{\r\n", "1\r\n{}\r\n"] {
        let answers = statuses(&service, &format!("{head}{broken}{HIDDEN}"));
        assert!(answers.len() <= 1 && answers.iter().all(|status| *status == 400), "{broken:?}: {answers:?}");
    }
}

#[tokio::test]
async fn malformed_heads_are_refused() {
    let service = service().await;
    for head in [
        "GET /health/live HTTP/1.1\r\nhost : localhost",
        "GET /health/live HTTP/1.1\r\nhost: localhost\r\nx: a\r\n b",
        "GET /health/live HTTP/1.1\r\nhost: localhost\r\nx\r\ny: z",
        "GET /health/live HTTP/1.1\r\nhost: localhost\r\nx: a\0b",
        "GET /health/live HTTP/1.1\r\nhost: localhost\r\nx y: z",
        "GET  /health/live HTTP/1.1\r\nhost: localhost",
        "GET /health/live HTTP/2.0\r\nhost: localhost",
        "GET /health/live\r\nhost: localhost",
        "GET health/live HTTP/1.1\r\nhost: localhost",
        "G@T /health/live HTTP/1.1\r\nhost: localhost",
        "GET /health/l\u{e9}ve HTTP/1.1\r\nhost: localhost",
    ] {
        let answers = statuses(&service, &format!("{head}\r\n\r\n"));
        assert!(matches!(answers[..], [400 | 404 | 505]), "{head:?}: {answers:?}");
    }
    let bare = HIDDEN.replace("\r\n", "\n");
    assert_eq!(statuses(&service, &bare), [200]);
    // Empty lines in front of a request.
    assert_eq!(statuses(&service, &format!("\r\n\r\n{HIDDEN}")), [200]);
}

#[tokio::test]
async fn long_heads_are_refused() {
    let service = service().await;
    let target = format!("GET /{} HTTP/1.1\r\nhost: localhost\r\n\r\n", "a".repeat(70_000));
    assert!(matches!(statuses(&service, &target)[..], [] | [414 | 431]));
    let many = format!("GET /health/live HTTP/1.1\r\nhost: localhost\r\n{}\r\n", "x: y\r\n".repeat(101));
    assert_eq!(statuses(&service, &many), [431]);
    let long = format!("GET /health/live HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "a".repeat(100_000));
    assert!(matches!(statuses(&service, &long)[..], [] | [431]));
}

#[tokio::test]
async fn connections_persist_unless_they_are_closed() {
    let service = service().await;
    let get = |version: &str, lines: &str| format!("GET /health/live HTTP/{version}\r\nhost: localhost\r\n{lines}\r\n");
    assert_eq!(
        statuses(&service, &[get("1.1", ""), get("1.1", ""), get("1.1", "connection: close\r\n")].concat()),
        [200; 3]
    );
    assert_eq!(statuses(&service, &[get("1.1", "connection: Close\r\n"), get("1.1", "")].concat()), [200]);
    assert_eq!(statuses(&service, &[get("1.0", ""), get("1.0", "")].concat()), [200]);
    assert_eq!(statuses(&service, &[get("1.0", "connection: keep-alive\r\n"), get("1.0", "")].concat()), [200; 2]);
}
