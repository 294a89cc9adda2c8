//! Requests with a huge number of errors.

use std::future::IntoFuture;
use std::time::Duration;

use hotshelf_testkit::{Service, ServiceBuilder};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::other_clients::{Times, memory};

fn hotshelf() -> ServiceBuilder {
    Service::builder(env!("CARGO_BIN_EXE_hotshelf")).backend("memory")
}

/// An object with this many unknown fields.
fn unknown_fields(count: usize) -> String {
    let mut object = String::with_capacity(count * 8);
    for number in 0..count {
        object += if number == 0 { "{" } else { "," };
        object += &format!("\"{number:x}\":1");
    }
    object + "}"
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_million_unknown_fields_are_counted_and_not_listed() {
    let service = hotshelf().start().await;
    let (before, _) = memory(&service);
    let body = format!("{{\"products\":[{}]}}", unknown_fields(700_000));
    println!("{} bytes each", body.len());
    let mut live = Times::of("/health/live");
    let mut attack = JoinSet::new();
    for _ in 0..4 {
        let bulk = service.post("/api/v1/products/bulk").header("content-type", "application/json");
        attack.spawn(bulk.body(body.as_str()).into_future());
    }
    while !attack.is_empty() {
        live.take(service.get("/health/live").header("connection", "close"), 200).await;
        while let Some(answered) = attack.try_join_next() {
            let reply = answered.unwrap().expect(201);
            assert!(reply.text().len() < 20_000, "{} bytes", reply.text().len());
            let errors = &reply.json()["errors"][0];
            assert_eq!(errors["errors"].as_array().map(Vec::len), Some(100));
            // The unknown fields, and two missing ones.
            assert_eq!(errors["more_errors"], 700_000 - 100 + 2);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let (_, most) = memory(&service);
    live.report();
    println!("four at a time: {before} MiB before, {most} MiB at most");
    assert!(most < before + 150, "{before} MiB became {most} MiB");
}

#[tokio::test]
async fn no_answer_is_much_longer_than_its_request() {
    let service = hotshelf().start().await;
    let long = "x".repeat(500_000);
    let many = unknown_fields(60_000);
    let names: Vec<String> = (0..60).map(|number| format!("\"{number}{}\":1", "y".repeat(8_000))).collect();
    let large_names = format!("{{{}}}", names.join(","));
    let elements = format!("[{}0]", "0,".repeat(100_000));
    let objects = format!("[{}{{}}]", "{},".repeat(99));
    let query = format!("?{}", "a=1&".repeat(7_000));
    let post = |path: &str, body: String| ("POST", path.to_owned(), body);
    for (method, path, body) in [
        post("/api/v1/products", many.clone()),
        post("/api/v1/products", large_names.clone()),
        post("/products", large_names.clone()),
        post("/api/v1/products", format!("{{\"price\":{long},\"name\":\"{long}\"}}").replace('x', "9")),
        post("/api/v1/products", format!("{{\"fields\":{many}}}")),
        post("/api/v1/products", format!("{{\"images\":{elements}}}")),
        post("/api/v1/products", format!("{{\"images\":{objects}}}")),
        post("/api/v1/products/bulk", format!("{{\"products\":{elements}}}")),
        post("/api/v1/products/bulk", format!("{{\"{long}\":1}}")),
        post("/api/v1/products/bulk", format!("{{\"products\":\"{long}\"}}")),
        post("/api/v1/products/bulk-delete", format!("{{\"ids\":{elements}}}")),
        post("/api/v1/schemas", format!("{{\"name\":\"a\",\"fields\":{objects}}}")),
        post("/api/v1/schemas", format!("{{\"name\":\"a\",\"fields\":[{{\"name\":\"{long}\",\"type\":\"{long}\"}}]}}")),
        post("/api/v1/organizations", unknown_fields(2_000)),
        ("GET", format!("/api/v1/products{query}"), String::new()),
        ("GET", format!("/api/v1/products?{}=1", &long[..30_000]), String::new()),
        ("GET", format!("/api/v1/products?order={}", &long[..30_000]), String::new()),
        ("GET", format!("/{}", &long[..30_000]), String::new()),
    ] {
        let what = format!("{method} {:.60} {:.60}", path, body);
        let request = service.request(method, &path).header("content-type", "application/json");
        let reply = request.body(body).await;
        assert!((400..500).contains(&reply.status), "{what}: {reply:?}");
        // A hundred errors, with names of 200 bytes.
        assert!(reply.text().len() < 40_000, "{what}: {} bytes", reply.text().len());
    }
}

#[tokio::test]
async fn bulk_names_every_invalid_product_and_a_hundred_errors() {
    let service = hotshelf().start().await;
    let body = format!("{{\"products\":[{}{{}}]}}", "{},".repeat(999));
    let bulk = |query: &str| {
        let bulk = service.post(&format!("/api/v1/products/bulk{query}")).header("content-type", "application/json");
        bulk.body(body.as_str())
    };
    let report = bulk("").await.expect(201).json();
    let errors = report["errors"].as_array().unwrap();
    let listed = |bad: &Value| bad["errors"].as_array().unwrap().len();
    assert_eq!((errors.len(), errors.iter().map(listed).sum::<usize>()), (1_000, 1_050));
    assert_eq!((errors[0].get("more_errors"), &errors[999]["more_errors"]), (None, &Value::from(1)));
    let problem = bulk("?atomic=true").await.expect(400).json();
    assert_eq!((listed(&problem), &problem["more_errors"]), (100, &Value::from(1_900)));
}
