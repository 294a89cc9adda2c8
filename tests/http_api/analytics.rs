//! `GET /api/v1/analytics/catalogue`, the only answer that may be old.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use hotshelf_testkit::{Client, Network, PATIENCE, Proxy, RedisServer, Service, wait_until};
use serde_json::{Value, json};

use crate::hotshelf;
use hotshelf_testkit::catalogue::{create_many, create_organization, delete, update, wait_for_redis};
use hotshelf_testkit::shapes::{assert_duration_ms, assert_utc, cache_status, fields, invalid_fields};

const CATALOGUE: &str = "/api/v1/analytics/catalogue";
const REFRESH: &str = "/api/v1/analytics/catalogue?refresh=true";

async fn report(client: &Client, path: &str) -> Value {
    client.get(path).await.expect(200).json()
}

async fn loads(client: &Client) -> f64 {
    client.metrics().await.find("cache_loads_total", &[("type", "analytics")]).unwrap_or_default()
}

/// A service with two organizations, one of them without products.
async fn shelf() -> Service {
    let service = hotshelf().backend("memory").start().await;
    let shop = create_organization(&service, "Shop").await;
    create_organization(&service, "Empty").await;
    let product = |organization: i64, price: f64, stock: i64, category: &str| json!({"name": "X", "price": price, "stock": stock, "category": category, "organization_id": organization});
    let products = [
        product(1, 4.5, 0, "Kitchen"),
        product(1, 0.01, 7, "Kitchen"),
        product(1, 999_999_999.99, 1, ""),
        product(shop, 20.0, 0, "Kitchen"),
        product(shop, 30.25, 0, "Office"),
        product(shop, 30.25, 5, "Office"),
    ];
    create_many(&service, &products).await;
    service
}

#[tokio::test]
async fn an_empty_catalogue_has_a_report() {
    let service = hotshelf().backend("memory").start().await;
    let mut body = report(&service, CATALOGUE).await;
    assert_utc(&body["generated_at"]);
    assert_duration_ms(&body["duration_ms"]);
    (body["generated_at"], body["duration_ms"]) = (json!("now"), json!(0));
    let expected = json!({
        "generated_at": "now", "total": 0, "organizations": [], "categories": [], "from_cache": false, "duration_ms": 0,
    });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn products_are_counted_and_priced_by_organization_and_category() {
    let service = shelf().await;
    let body = report(&service, CATALOGUE).await;
    assert_eq!(fields(&body), ["categories", "duration_ms", "from_cache", "generated_at", "organizations", "total"]);
    assert_eq!(body["total"], 6);
    let expected = json!([
        {"organization_id": 1, "products": 3, "in_stock": 2, "min_price": 0.01, "max_price": 999_999_999.99},
        {"organization_id": 2, "products": 3, "in_stock": 1, "min_price": 20, "max_price": 30.25},
    ]);
    assert_eq!(floats(&body["organizations"]), floats(&expected));
    let category = |organization: i64, category: &str, products: i64, in_stock: i64, min: f64, max: f64| {
        json!({"organization_id": organization, "category": category, "products": products, "in_stock": in_stock,
            "min_price": min, "max_price": max})
    };
    let expected = json!([
        category(1, "", 1, 1, 999_999_999.99, 999_999_999.99),
        category(1, "Kitchen", 2, 1, 0.01, 4.5),
        category(2, "Kitchen", 1, 0, 20.0, 20.0),
        category(2, "Office", 2, 1, 30.25, 30.25),
    ]);
    assert_eq!(floats(&body["categories"]), floats(&expected));
}

/// The same with prices as floating-point numbers: 20 and 20.00 are equal in JSON, but not as a `Value`.
fn floats(reports: &Value) -> Value {
    let mut reports = reports.clone();
    for report in reports.as_array_mut().unwrap() {
        for price in ["min_price", "max_price"] {
            report[price] = json!(report[price].as_f64().unwrap());
        }
    }
    reports
}

#[tokio::test]
async fn a_report_stays_until_a_new_one_is_requested() {
    let service = shelf().await;
    let old = report(&service, CATALOGUE).await;
    update(&service, &json!({"id": 1}), &json!({"price": 5000, "category": "New"})).await;
    delete(&service, &json!({"id": 2})).await;
    let same = report(&service, CATALOGUE).await;
    assert_eq!((&same["from_cache"], &same["generated_at"]), (&json!(true), &old["generated_at"]));
    assert_eq!((&same["total"], &same["categories"]), (&json!(6), &old["categories"]));
    assert_eq!(report(&service, &format!("{CATALOGUE}?refresh=false")).await["from_cache"], true);

    let new = report(&service, REFRESH).await;
    assert_eq!((&new["from_cache"], &new["total"]), (&json!(false), &json!(5)));
    assert!(new["categories"].as_array().unwrap().iter().any(|category| category["category"] == "New"));
    let kept = report(&service, CATALOGUE).await;
    assert_eq!((&kept["from_cache"], &kept["generated_at"]), (&json!(true), &new["generated_at"]));
    assert_eq!(loads(&service).await, 2.0);
    assert_ne!(report(&service, REFRESH).await["generated_at"], new["generated_at"], "a new report for each request");
}

#[tokio::test]
async fn a_report_has_the_headers_for_caches() {
    let service = shelf().await;
    assert_eq!(cache_status(&service.get(CATALOGUE).await.expect(200)), ["fwd=miss", "stored"]);
    let hit = service.get(CATALOGUE).await.expect(200);
    let status = cache_status(&hit);
    assert_eq!((status[0].as_str(), status[2].as_str()), ("hit", "detail=l1"));
    let ttl: u32 = status[1].strip_prefix("ttl=").unwrap().parse().unwrap();
    assert!((76_000..=95_040).contains(&ttl), "a day, more or less: {ttl} s");
    let etag = hit.header("etag");
    assert_eq!(hit.header("cache-control"), "no-cache");
    assert_eq!(service.get(CATALOGUE).header("if-none-match", etag).await.expect(304).text(), "");
    let forced = service.get(CATALOGUE).header("cache-control", "no-cache").await.expect(200);
    assert_eq!(cache_status(&forced), ["fwd=request", "detail=database"]);
    for (query, name) in [("refresh=yes", "refresh"), ("refresh=", "refresh"), ("organization_id=1", "organization_id")]
    {
        assert_eq!(invalid_fields(service.get(&format!("{CATALOGUE}?{query}")).await), [name]);
    }
}

/// A request that the service has received, and whose answer has not been read.
fn sent(client: &Client, path: &str) -> TcpStream {
    let mut connection = TcpStream::connect(client.address()).unwrap();
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", client.address());
    connection.write_all(head.as_bytes()).unwrap();
    connection
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn simultaneous_requests_for_a_new_report_share_one() {
    let redis = RedisServer::start();
    let proxy = Proxy::start(redis.address()).await;
    let service = hotshelf().env("REDIS_ADDR", proxy.address()).start().await;
    wait_for_redis(&service, "up").await;
    report(&service, CATALOGUE).await;
    let before = loads(&service).await;

    // All requests are sent before the service reads the first of them, and its work then takes a while.
    proxy.set(Network::Slow(Duration::from_millis(30)));
    service.signal("STOP");
    let connections: Vec<TcpStream> = (0..50).map(|_| sent(&service, REFRESH)).collect();
    service.signal("CONT");
    let mut reports = Vec::new();
    for mut connection in connections {
        let mut answer = String::new();
        tokio::task::block_in_place(|| connection.read_to_string(&mut answer)).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 "), "{answer}");
        reports.push(serde_json::from_str::<Value>(body).unwrap()["generated_at"].clone());
    }
    assert!(reports.iter().all(|made| *made == reports[0]), "{reports:?}");
    assert_eq!(loads(&service).await, before + 1.0);
}

/// The first client starts the work of the service, and disconnects before the answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disconnected_client_leaves_no_old_report_to_the_next() {
    let redis = RedisServer::start();
    let proxy = Proxy::start(redis.address()).await;
    let service = hotshelf().env("REDIS_ADDR", proxy.address()).env("REDIS_COMMAND_TIMEOUT", "5s").start().await;
    wait_for_redis(&service, "up").await;
    let old = report(&service, CATALOGUE).await;
    let before = loads(&service).await;

    // Redis is used between the load and the answer.
    proxy.set(Network::Slow(Duration::from_millis(100)));
    // The connection is kept alive: the service does not notice the disconnect of a connection with `close`.
    let mut connection = TcpStream::connect(service.address()).unwrap();
    let head = format!("GET {REFRESH} HTTP/1.1\r\nhost: {}\r\n\r\n", service.address());
    connection.write_all(head.as_bytes()).unwrap();
    wait_until("the report is being made", PATIENCE, async || loads(&service).await > before).await;
    drop(connection);
    let kept = async || report(&service, CATALOGUE).await["generated_at"] != old["generated_at"];
    wait_until("the report is cached", PATIENCE, kept).await;
    proxy.set(Network::Whole);

    create_many(&service, &[json!({"name": "X", "price": 1})]).await;
    assert_eq!(report(&service, REFRESH).await["total"], 1);
}
