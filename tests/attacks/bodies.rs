//! Bodies that are not sent to their end.

use std::time::Duration;

use hotshelf_testkit::users::{PASSWORD, USERS_ON, create_admin, log_in};
use hotshelf_testkit::{PATIENCE, Service, wait_until};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::other_clients::Times;
use crate::raw_http::{answer, send, unfinished};

const LOGIN: &str = "/api/v1/auth/login";
const PRODUCTS: &str = "/api/v1/products";

async fn under_way(service: &Service) -> f64 {
    service.metrics().await.value("http_uploads_under_way", &[])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_unfinished_bodies_delay_no_other_client() {
    let directory = tempfile::tempdir().unwrap();
    let plain = Service::builder(env!("CARGO_BIN_EXE_hotshelf")).backend("memory");
    let plain = plain.database(&directory.path().join("products.db"));
    let builder = USERS_ON.iter().fold(plain, |builder, (name, value)| builder.env(name, value));
    create_admin(&builder, "admin@one.example");
    // Several addresses, because each may have only a quarter of the bodies; and long enough to observe it.
    let service = builder.env("TRUSTED_PROXIES", "127.0.0.1").env("UPLOAD_TIMEOUT", "5m").start().await;
    let admin = log_in(&service, "admin@one.example").await;
    let mut attack: Vec<TcpStream> = Vec::new();
    for number in 0..1_024 {
        attack.push(send(service.address(), &unfinished(LOGIN, &format!("192.0.2.{}", number / 200))).await);
    }
    wait_until("all bodies are being received", PATIENCE, async || {
        admin.metrics().await.value("http_uploads_under_way", &[]) == 1_024.0
    })
    .await;
    let (mut reads, mut logins, mut writes) = (Times::of("lists"), Times::of("logins"), Times::of("writes"));
    let (mut live, mut ready) = (Times::of("/health/live"), Times::of("/health/ready"));
    let credentials = json!({"email": "admin@one.example", "password": PASSWORD});
    for number in 0..20 {
        reads.take(admin.get(&format!("{PRODUCTS}?offset={number}")), 200).await;
        logins.take(service.post(LOGIN).json(&credentials), 200).await;
        writes.take(admin.post(PRODUCTS).json(&json!({"name": "Thing", "price": 1})), 201).await;
        live.take(service.get("/health/live"), 200).await;
        ready.take(service.get("/health/ready"), 200).await;
    }
    [reads, logins, writes, live, ready].into_iter().for_each(Times::report);
    assert_eq!(admin.metrics().await.value("http_uploads_under_way", &[]), 1_024.0);
}

#[tokio::test]
async fn one_address_may_send_a_quarter_of_the_bodies() {
    let service = Service::builder(env!("CARGO_BIN_EXE_hotshelf")).env("TRUSTED_PROXIES", "127.0.0.1");
    let service = service.env("MAX_UPLOADS", 8).env("UPLOAD_TIMEOUT", "5m").start().await;
    let mut attack = Vec::new();
    for _ in 0..20 {
        attack.push(send(service.address(), &unfinished(PRODUCTS, "192.0.2.1")).await);
    }
    wait_until("two bodies are being received", PATIENCE, async || under_way(&service).await == 2.0).await;
    let mut other = send(service.address(), &unfinished(PRODUCTS, "192.0.2.2")).await;
    wait_until("the body of another address is being received", PATIENCE, async || under_way(&service).await == 3.0)
        .await;
    let rest = format!("{:>99}", "\"name\": \"Thing\", \"price\": 1}");
    let last = "GET /health/live HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    other.write_all(format!("{rest}{last}").as_bytes()).await.unwrap();
    let answer = answer(other).await;
    assert!(answer.starts_with("HTTP/1.1 201 Created\r\n"), "{answer}");
}

#[tokio::test]
async fn a_body_that_does_not_arrive_gets_408() {
    let service = Service::builder(env!("CARGO_BIN_EXE_hotshelf")).env("UPLOAD_TIMEOUT", "300ms").start().await;
    let silent = send(service.address(), &unfinished(PRODUCTS, "x")).await;
    let answer = answer(silent).await;
    assert!(answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{answer}");
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
}

#[tokio::test]
async fn a_refusal_that_needs_no_body_is_sent_before_the_body_arrives() {
    let directory = tempfile::tempdir().unwrap();
    let plain = Service::builder(env!("CARGO_BIN_EXE_hotshelf")).backend("memory");
    let builder = USERS_ON.iter().fold(plain, |builder, (name, value)| builder.env(name, value));
    let service = builder.database(&directory.path().join("products.db")).start().await;
    let head = |line: &str, length: u64, kind: &str| {
        format!("{line} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n{{")
    };
    let json = "application/json";
    for (request, status) in [
        (head("POST /api/v1/products", 100, json), "401"),
        (head("POST /nowhere", 100, json), "404"),
        (head("PATCH /api/v1/auth/login", 100, json), "405"),
        (head("POST /api/v1/auth/login", 100, "text/plain"), "415"),
        (head("POST /api/v1/auth/login", 20_000, json), "413"),
        // The service does not ask for the body either.
        (head("POST /api/v1/products", 100, "application/json\r\nexpect: 100-continue"), "401"),
    ] {
        let answer = answer(send(service.address(), request.as_bytes()).await).await;
        assert_eq!(answer.split(' ').nth(1), Some(status), "{request}: {answer}");
    }
}

#[tokio::test]
async fn a_body_in_chunks_of_one_byte_takes_little_memory() {
    let service = Service::builder(env!("CARGO_BIN_EXE_hotshelf")).start().await;
    let mut request = b"POST /api/v1/products/bulk HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
        content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
        .to_vec();
    request.extend(b"1\r\n \r\n".repeat(300_000));
    request.extend(b"0\r\n\r\n");
    let (before, _) = crate::other_clients::memory(&service);
    let answer = answer(send(service.address(), &request).await).await;
    let (_, most) = crate::other_clients::memory(&service);
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    println!("300,000 chunks of one byte: {before} MiB before, {most} MiB at most");
    assert!(most < before + 25, "{before} MiB became {most} MiB");
    let extensions = format!("1;{}\r\n \r\n", "a".repeat(1 << 20));
    let head = "POST /api/v1/products HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                transfer-encoding: chunked\r\n\r\n";
    let answer = crate::raw_http::answer(send(service.address(), format!("{head}{extensions}").as_bytes()).await).await;
    assert!(!answer.starts_with("HTTP/1.1 2"), "{answer}");
    tokio::time::timeout(Duration::from_secs(20), async { service.get("/health/live").await.expect(200) })
        .await
        .unwrap();
}
