//! More requests than the service can handle, and requests that take too long: each is answered soon.

use std::future::IntoFuture;

use hotshelf_testkit::{Client, PATIENCE, RedisServer, wait_until};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::hotshelf;
use hotshelf_testkit::ExternalWriter;
use hotshelf_testkit::HalfSentRequest;
use hotshelf_testkit::HeldWrite;
use hotshelf_testkit::catalogue::{PRODUCTS, create, laptop, lookup, path, read, wait_for_redis};
use hotshelf_testkit::shapes::problem;

#[tokio::test]
async fn requests_beyond_the_bound_get_503_and_probes_get_200() {
    let service = hotshelf().env("MAX_CONCURRENT_REQUESTS", 2).start().await;
    let product = create(&service, &laptop()).await;
    let one = HeldWrite::at(&service).await;
    let client = service.client().clone();
    let another = tokio::spawn(async move {
        // The request for the metrics may occupy the second place at this moment.
        loop {
            let reply = client.post(PRODUCTS).json(&laptop()).await;
            if reply.status != 503 {
                return reply;
            }
        }
    });
    let metrics = async || service.get("/metrics").await.status == 503;
    wait_until("both requests are in flight", PATIENCE, metrics).await;
    for request in [service.get(&path(&product)), service.post(PRODUCTS).json(&laptop()), service.get(PRODUCTS)] {
        let reply = request.await;
        assert_eq!(reply.header("retry-after"), "1");
        assert_eq!(problem(reply, 503)["detail"], "too many requests are in progress, try again");
    }
    for probe in ["/health", "/health/live", "/health/ready"] {
        service.get(probe).await.expect(200);
    }
    one.finish().await.expect(201);
    another.await.unwrap().expect(201);
    assert_eq!(read(&service, &product).await, product);
}

#[tokio::test]
async fn an_incomplete_body_takes_no_place_of_a_request() {
    let service = hotshelf().env("MAX_CONCURRENT_REQUESTS", 1).start().await;
    let _bodies: Vec<_> = (0..20).map(|_| HalfSentRequest::to(service.address())).collect();
    service.get(PRODUCTS).await.expect(200);
    create(&service, &laptop()).await;
}

#[tokio::test]
async fn a_request_past_its_deadline_gets_503() {
    let service = hotshelf().env("REQUEST_TIMEOUT", "300ms").start().await;
    let product = create(&service, &laptop()).await;
    let mut outsider = ExternalWriter::on_database_of(&service);
    outsider.hold_writes_up();
    let reply = service.put(&path(&product)).json(&json!({"stock": 1})).await;
    outsider.let_write();
    assert_eq!(reply.header("retry-after"), "1");
    assert_eq!(problem(reply, 503)["detail"], "the request took longer than 300ms, try again");
}

#[tokio::test]
async fn a_request_whose_body_never_ends_gets_408() {
    let service = hotshelf().env("UPLOAD_TIMEOUT", "300ms").start().await;
    let answer = HalfSentRequest::to(service.address()).answer();
    assert!(answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{answer}");
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
}

/// Two concurrent updates of a product, one through each client, while the database accepts no writes. One of them
/// waits for the database, the other gets 409. Returns the outcome of the first.
async fn contend(clients: [&Client; 2], product: &Value, outsider: &mut ExternalWriter) -> Value {
    outsider.hold_writes_up();
    let mut writers = JoinSet::new();
    for client in clients {
        writers.spawn(client.put(&path(product)).json(&json!({"stock": 1})).into_future());
    }
    let refused = writers.join_next().await.unwrap().unwrap();
    for client in clients {
        assert_eq!(lookup(client, product).await.json()["product"], *product, "reads do not wait");
    }
    outsider.let_write();
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(problem(refused, 409)["detail"], "product is being updated, try again");
    writers.join_next().await.unwrap().unwrap().expect(200).json()["product"].take()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_concurrent_update_of_a_product_gets_409() {
    let service = hotshelf().start().await;
    let product = create(&service, &laptop()).await;
    let mut outsider = ExternalWriter::on_database_of(&service);
    let updated = contend([&service, &service], &product, &mut outsider).await;
    assert_eq!(updated["version"], 2);
    assert_eq!(read(&service, &product).await, updated);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_concurrent_update_by_another_instance_gets_409() {
    let redis = RedisServer::start();
    // A long timeout, so that a busy machine causes no outage of Redis.
    let patient = || hotshelf().redis(&redis).env("REDIS_COMMAND_TIMEOUT", "5s");
    let first = patient().env("SHARED_DB", true).start().await;
    let second = patient().shared_db(&first.database()).start().await;
    for instance in [&first, &second] {
        wait_for_redis(instance, "up").await;
    }
    let product = create(&first, &laptop()).await;
    let mut outsider = ExternalWriter::on_database_of(&first);
    let updated = contend([&first, &second], &product, &mut outsider).await;
    assert_eq!(updated["version"], 2);
    for instance in [&first, &second] {
        assert_eq!(read(instance, &product).await, updated);
    }
}
