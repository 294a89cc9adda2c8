//! Connections that could delay the stop.

use std::time::{Duration, Instant};

use hotshelf_testkit::{PATIENCE, Service, wait_until};
use tokio::net::TcpStream;

use crate::raw_http::{answer, send, unfinished};

/// Far less than the 30 s for which a stop waits for answers.
const A_MOMENT: Duration = Duration::from_secs(8);

async fn stops_soon(what: &str, mut service: Service) {
    let begun = Instant::now();
    service.signal("TERM");
    let status = service.exit(PATIENCE).await;
    let taken = begun.elapsed();
    println!("{what}: stopped after {taken:.1?}");
    assert!(status.success(), "{what}: {status}");
    assert!(taken < A_MOMENT, "{what}: {taken:?}");
}

async fn started() -> Service {
    Service::builder(env!("CARGO_BIN_EXE_hotshelf")).start().await
}

#[tokio::test]
async fn an_unfinished_head_does_not_delay_the_stop() {
    let service = started().await;
    let _head = send(service.address(), b"GET /health/live HTTP/1.1\r\nhost: localhost").await;
    service.get("/health/live").await.expect(200);
    stops_soon("half a head", service).await;
}

#[tokio::test]
async fn an_unfinished_body_does_not_delay_the_stop() {
    let service = started().await;
    let body = send(service.address(), &unfinished("/api/v1/products", "x")).await;
    wait_until("the body is being received", PATIENCE, async || {
        service.metrics().await.value("http_uploads_under_way", &[]) == 1.0
    })
    .await;
    stops_soon("half a body", service).await;
    let answer = answer(body).await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("the service is shutting down"), "{answer}");
}

#[tokio::test]
async fn an_idle_connection_does_not_delay_the_stop() {
    let service = started().await;
    let _new = TcpStream::connect(service.address()).await.unwrap();
    let _kept_alive = send(service.address(), b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    service.get("/health/live").await.expect(200);
    stops_soon("idle connections", service).await;
}

#[tokio::test]
async fn a_client_that_reads_no_answers_does_not_delay_the_stop() {
    let service = started().await;
    // More than the buffers of both ends can hold.
    let requests = "GET /api/v1/openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(500);
    let deaf = send(service.address(), requests.as_bytes()).await;
    let (mut answers, mut rounds) = (0.0, 0);
    wait_until("no answer is sent any more", PATIENCE, async || {
        let metrics = service.metrics().await;
        let now = metrics.find("http_requests_total", &[("route", "/api/v1/openapi.json")]).unwrap_or_default();
        rounds = if now == answers { rounds + 1 } else { 0 };
        answers = now;
        answers > 0.0 && rounds >= 20
    })
    .await;
    assert!(answers < 500.0, "{answers}");
    stops_soon("a client that reads nothing", service).await;
    drop(deaf);
}
