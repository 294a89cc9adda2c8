//! Connections that are opened but not used.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hotshelf_testkit::{PATIENCE, Service, ServiceBuilder, wait_until};
use serde_json::json;
use tokio::net::TcpStream;

use crate::other_clients::{Times, memory};
use crate::raw_http::{answer, send, unfinished};

const PRODUCTS: &str = "/api/v1/products";
const PROBE: &[u8] = b"GET /health/live HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";

/// The service with at most this many file descriptors.
fn with_descriptors(limit: u32, directory: &Path) -> ServiceBuilder {
    let script: PathBuf = directory.join("hotshelf.sh");
    let run = format!("#!/bin/sh\nulimit -n {limit}\nexec {} \"$@\"\n", env!("CARGO_BIN_EXE_hotshelf"));
    std::fs::write(&script, run).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    Service::builder(script)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_connections_are_closed_when_descriptors_are_few() {
    let directory = tempfile::tempdir().unwrap();
    let service = with_descriptors(256, directory.path()).start().await;
    service.post(PRODUCTS).json(&json!({"name": "Thing", "price": 1})).await.expect(201);
    let mut idle = Vec::new();
    let (mut reads, mut live, mut ready) = (Times::of("lists"), Times::of("/health/live"), Times::of("/health/ready"));
    for number in 0..400 {
        idle.push(TcpStream::connect(service.address()).await.unwrap());
        if number % 10 == 0 {
            // Each probe opens a connection of its own.
            reads.take(service.get(&format!("{PRODUCTS}?offset={number}")).header("connection", "close"), 200).await;
            live.take(service.get("/health/live").header("connection", "close"), 200).await;
            ready.take(service.get("/health/ready").header("connection", "close"), 200).await;
        }
    }
    [reads, live, ready].into_iter().for_each(Times::report);
    let open = service.metrics().await.value("http_connections", &[]);
    let log = service.log();
    println!("{open} connections are open of {}", idle.len());
    assert!(open <= 128.0, "{open}");
    assert!(log.contains("up to 128 connections"), "{log}");
    assert!(log.matches("cannot accept").count() <= 1, "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unfinished_heads_are_closed_and_take_little_memory() {
    let service = Service::builder(env!("CARGO_BIN_EXE_hotshelf")).start().await;
    let (before, _) = memory(&service);
    let (mut live, mut reads) = (Times::of("/health/live"), Times::of("lists"));
    let head = format!("GET /health/live HTTP/1.1\r\nhost: localhost\r\nx-padding: {}", "a".repeat(390_000));
    let mut attack = Vec::new();
    for number in 0..500 {
        attack.push(send(service.address(), head.as_bytes()).await);
        if number % 10 == 0 {
            live.take(service.get("/health/live"), 200).await;
            reads.take(service.get(&format!("{PRODUCTS}?offset={number}")), 200).await;
        }
    }
    let (_, most) = memory(&service);
    [live, reads].into_iter().for_each(Times::report);
    println!("500 heads of 390 kB: {before} MiB before, {most} MiB at most");
    assert!(most < before + 64, "{before} MiB became {most} MiB");
    let refused = answer(attack.swap_remove(0)).await;
    assert!(refused.is_empty() || refused.starts_with("HTTP/1.1 431 "), "{refused}");
}

#[tokio::test]
async fn a_head_without_an_end_is_closed_and_an_idle_connection_stays() {
    let service = Service::builder(env!("CARGO_BIN_EXE_hotshelf")).start().await;
    let idle = TcpStream::connect(service.address()).await.unwrap();
    let slow = send(service.address(), b"GET /health/live HTTP/1.1\r\nhost: localhost\r\nx-padding: a").await;
    assert_eq!(answer(slow).await, "");
    let mut buffer = [0];
    let quiet = tokio::time::timeout(Duration::from_millis(100), idle.peek(&mut buffer)).await;
    assert!(quiet.is_err(), "the idle connection was closed, too");
}

#[tokio::test]
async fn probes_succeed_when_all_connections_are_busy() {
    let service = Service::builder(env!("CARGO_BIN_EXE_hotshelf")).env("MAX_CONNECTIONS", 4);
    let service = service.env("UPLOAD_TIMEOUT", "5m").env("TRUSTED_PROXIES", "127.0.0.1").start().await;
    let mut house = Vec::new();
    wait_until("all connections are busy", PATIENCE, async || {
        house.push(send(service.address(), &unfinished(PRODUCTS, &format!("192.0.2.{}", house.len()))).await);
        let refused =
            answer(send(service.address(), b"GET /api/v1/products HTTP/1.1\r\nhost: localhost\r\n\r\n").await);
        let refused = tokio::time::timeout(Duration::from_millis(500), refused).await.unwrap_or_default();
        refused.starts_with("HTTP/1.1 503 ") && refused.contains("too many connections are open")
    })
    .await;
    for _ in 0..100 {
        let probe = answer(send(service.address(), PROBE).await).await;
        assert!(probe.starts_with("HTTP/1.1 200 OK\r\n"), "{probe}");
    }
}
