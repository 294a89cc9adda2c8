//! `Accept-Encoding`: which answers are compressed, and that all clients see the same state.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use hotshelf_testkit::catalogue::{ORGANIZATIONS, PRODUCTS, create, create_many, path, update};
use hotshelf_testkit::shapes::problem;
use hotshelf_testkit::users::{USERS_ON, create_admin, log_in};
use hotshelf_testkit::{Client, Reply, Service};
use serde_json::{Value, json};

use crate::hotshelf;

const CODINGS: [&str; 3] = ["zstd", "br", "gzip"];
const COMPRESSED: &str = "http_compressions_total";
const PAGE: &str = "/api/v1/products?limit=20";

async fn get(client: &Client, path: &str, accept: &str) -> Reply {
    client.get(path).header("accept-encoding", accept).await
}

/// The body of an answer that must have this coding.
#[track_caller]
fn text_of<'a>(reply: &'a Reply, coding: &str) -> &'a str {
    assert_eq!((reply.header("content-encoding"), reply.header("vary")), (coding, "Accept-Encoding"), "{reply:?}");
    assert_eq!(reply.header("content-length"), reply.bytes().len().to_string());
    reply.text()
}

#[track_caller]
fn json_of(reply: &Reply, coding: &str) -> Value {
    text_of(reply, coding);
    reply.json()
}

#[track_caller]
fn is_plain(reply: &Reply, varies: bool) {
    assert_eq!(reply.find_header("content-encoding"), None, "{reply:?}");
    assert_eq!(reply.find_header("vary"), varies.then_some("Accept-Encoding"), "{reply:?}");
}

fn large(number: usize) -> Value {
    let description = "A mug of stoneware with a handle that stays cool, made by hand. ".repeat(15);
    json!({"name": format!("Mug {number}"), "description": description, "price": 7, "stock": 3, "category": "Kitchen"})
}

/// A service whose first page is of 20 large products.
async fn with_a_page() -> Service {
    let service = hotshelf().backend("memory").start().await;
    create_many(&service, &(1..=20).map(large).collect::<Vec<_>>()).await;
    service
}

/// Without what differs from answer to answer.
fn lasting(mut body: Value) -> Value {
    let members = body.as_object_mut().unwrap();
    assert!(members.remove("duration_ms").unwrap().as_f64().unwrap() >= 0.0);
    members.remove("from_cache").unwrap();
    body
}

#[tokio::test]
async fn a_large_answer_has_the_coding_that_its_request_prefers() {
    let service = with_a_page().await;
    for path in [PAGE, "/api/v1/products/1", "/api/v1/products/1/details", "/api/v1/organizations/1/products"] {
        let plain = service.get(path).await.expect(200);
        is_plain(&plain, true);
        for coding in CODINGS {
            for _ in 0..3 {
                let reply = get(&service, path, coding).await.expect(200);
                let body = json_of(&reply, coding);
                assert_eq!(body["from_cache"], true, "{path}");
                assert_eq!(lasting(body), lasting(plain.json()), "{path}");
                let times = if path == PAGE { 4 } else { 2 };
                assert!(times * reply.bytes().len() < plain.bytes().len(), "{path}: {}", reply.bytes().len());
            }
        }
        for refused in ["identity", "deflate", "gzip;q=0", "identity;q=1, br;q=0.5", ""] {
            is_plain(&get(&service, path, refused).await.expect(200), true);
        }
        json_of(&get(&service, path, "gzip;q=0.5, br").await, "br");
        json_of(&get(&service, path, "GZIP, deflate").await, "gzip");
        json_of(&get(&service, path, "gzip, deflate, br, zstd").await, "br");
    }
}

#[tokio::test]
async fn the_first_answer_is_compressed_too_and_says_the_truth() {
    let service = with_a_page().await;
    for path in ["/api/v1/products/1", PAGE, "/api/v1/organizations/1/product-ids"] {
        for from_cache in [false, true] {
            let reply = get(&service, path, "gzip").await.expect(200);
            let body = if path.ends_with("ids") { reply.json() } else { json_of(&reply, "gzip") };
            // The page was loaded; its first product was there already.
            assert_eq!(body["from_cache"], from_cache, "{path}");
        }
    }
}

#[tokio::test]
async fn a_head_has_the_headers_of_its_get() {
    let service = with_a_page().await;
    service.get(PAGE).await.expect(200);
    let names = |reply: &Reply| reply.headers.keys().map(|name| name.to_string()).collect::<BTreeSet<_>>();
    for coding in CODINGS {
        let get = get(&service, PAGE, coding).await.expect(200);
        let head = service.request("HEAD", PAGE).header("accept-encoding", coding).await.expect(200);
        assert_eq!(head.bytes(), b"");
        assert_eq!(names(&head), names(&get));
        for name in ["content-encoding", "vary", "etag", "content-type"] {
            assert_eq!(head.header(name), get.header(name), "{name}");
        }
        assert!(head.header("content-length").parse::<usize>().unwrap() > 100);
    }
}

#[tokio::test]
async fn a_small_answer_is_compressed_only_if_it_is_refused_otherwise() {
    let service = hotshelf().backend("memory").start().await;
    let product = create(&service, &json!({"name": "Cup", "price": 1})).await;
    for path in [path(&product).as_str(), PRODUCTS, "/health/live"] {
        for _ in 0..2 {
            is_plain(&get(&service, path, "br, gzip, zstd").await.expect(200), false);
            is_plain(&get(&service, path, "br;q=0.5, *").await.expect(200), false);
            json_of(&get(&service, path, "gzip, identity;q=0").await.expect(200), "gzip");
            json_of(&get(&service, path, "gzip;q=0.1, *;q=0").await.expect(200), "gzip");
        }
    }
}

#[tokio::test]
async fn a_request_that_refuses_everything_gets_406_and_changes_nothing() {
    let service = hotshelf().backend("memory").start().await;
    let product = create(&service, &json!({"name": "Cup", "price": 1})).await;
    for refuses in ["*;q=0", "identity;q=0", "identity;q=0, deflate", "identity;q=0, gzip;q=0, *;q=0"] {
        for path in [path(&product).as_str(), PRODUCTS] {
            problem(get(&service, path, refuses).await, 406);
        }
        problem(service.delete(&path(&product)).header("accept-encoding", refuses).await, 406);
    }
    service.get(&path(&product)).await.expect(200);
}

#[tokio::test]
async fn the_tag_of_a_compressed_answer_is_as_good_as_that_of_a_plain_one() {
    let service = with_a_page().await;
    for (round, coding) in ["identity"].into_iter().chain(CODINGS).enumerate() {
        for path in [PAGE, "/api/v1/products/1", "/api/v1/products/1/details"] {
            let tag = get(&service, path, coding).await.expect(200).header("etag").to_owned();
            for other in CODINGS.into_iter().chain(["identity"]) {
                let unchanged = service.get(path).header("accept-encoding", other).header("if-none-match", &tag).await;
                let unchanged = unchanged.expect(304);
                is_plain(&unchanged, true);
                assert_eq!(unchanged.header("etag"), get(&service, path, other).await.header("etag"));
            }
        }
        let tag = get(&service, "/api/v1/products/1", coding).await.expect(200).header("etag").to_owned();
        let change = json!({"price": 10 + round});
        service.put("/api/v1/products/1").header("if-match", &tag).json(&change).await.expect(200);
        problem(service.put("/api/v1/products/1").header("if-match", &tag).json(&change).await, 412);
    }
}

#[tokio::test]
async fn what_is_read_again_is_not_compressed_again() {
    let service = with_a_page().await;
    for path in [PAGE, "/api/v1/products/1", "/api/v1/openapi.json"] {
        for coding in CODINGS {
            get(&service, path, coding).await.expect(200);
            let before = service.metrics().await.value(COMPRESSED, &[]);
            for _ in 0..10 {
                text_of(&get(&service, path, coding).await.expect(200), coding);
            }
            assert_eq!(service.metrics().await.value(COMPRESSED, &[]), before, "{path} {coding}");
        }
    }
    let kept = service.metrics().await.value("http_compressed_kept_bytes", &[]);
    assert!(kept > 0.0 && kept <= f64::from(16 << 20), "{kept}");
}

#[tokio::test]
async fn a_compressed_answer_shows_each_acknowledged_write() {
    let service = with_a_page().await;
    let product = json!({"id": 1});
    for round in 0..30 {
        let name = format!("Mug of round {round}");
        update(&service, &product, &json!({"name": name})).await;
        for coding in CODINGS {
            let page = json_of(&get(&service, PAGE, coding).await.expect(200), coding);
            assert_eq!(page["products"][0]["name"], name, "{coding}");
            let read = json_of(&get(&service, "/api/v1/products/1", coding).await.expect(200), coding);
            assert_eq!(read["product"]["name"], name, "{coding}");
        }
    }
    service.delete("/api/v1/products/1").await.expect(200);
    for coding in CODINGS {
        get(&service, "/api/v1/products/1", coding).await.expect(404);
        let page = json_of(&get(&service, PAGE, coding).await.expect(200), coding);
        assert_eq!((page["total"].as_u64(), page["products"][0]["id"].as_u64()), (Some(19), Some(2)));
    }
}

#[tokio::test]
async fn problems_metrics_and_the_description_are_compressed() {
    let service = with_a_page().await;
    let fields: Vec<_> = (0..50).map(|_| json!({"name": "", "type": "text"})).collect();
    let bad = service.post("/api/v1/schemas").header("accept-encoding", "br");
    let bad = bad.json(&json!({"name": "Mugs", "fields": fields}));
    let bad = bad.await.expect(400);
    assert_eq!(bad.header("content-type"), "application/problem+json");
    assert!(json_of(&bad, "br")["errors"].as_array().unwrap().len() > 10);
    let metrics = get(&service, "/metrics", "gzip").await.expect(200);
    assert!(text_of(&metrics, "gzip").contains("http_requests_total"));
    let described = service.get("/api/v1/openapi.json").await.expect(200).json();
    assert_eq!(json_of(&get(&service, "/api/v1/openapi.json", "zstd").await.expect(200), "zstd"), described);
}

#[tokio::test]
async fn answers_that_may_contain_a_token_are_not_compressed() {
    let builder =
        USERS_ON.into_iter().fold(hotshelf().backend("memory"), |builder, (name, value)| builder.env(name, value));
    let directory = tempfile::tempdir().unwrap();
    let builder = builder.database(&directory.path().join("products.db"));
    create_admin(&builder, "ann@shop.example");
    let service = builder.start().await;
    let ann = log_in(&service, "ann@shop.example").await;
    for _ in 0..10 {
        log_in(&service, "ann@shop.example").await;
    }
    let sessions = get(&ann, "/api/v1/auth/sessions", "gzip").await.expect(200);
    assert!(sessions.bytes().len() > 1024);
    assert_eq!(sessions.find_header("content-encoding"), None);
    let product = create(&ann, &large(1)).await;
    for _ in 0..3 {
        let reply = get(&ann, &path(&product), "gzip").await.expect(200);
        assert_eq!(reply.header("content-encoding"), "gzip");
        assert!(reply.headers.get_all("vary").iter().any(|vary| vary.to_str().unwrap().contains("Accept-Encoding")));
    }
    get(&service, &path(&product), "gzip").await.expect(401);
}

#[tokio::test]
async fn a_stream_is_compressed_piece_by_piece() {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("products.db");
    seed(&database, 50_001);
    let service = hotshelf().backend("memory").database(&database).start().await;
    let ids = format!("{ORGANIZATIONS}/1/product-ids");
    let plain = service.get(&ids).await.expect(200);
    assert_eq!((plain.header("vary"), plain.find_header("content-length")), ("Accept-Encoding", None));
    for coding in CODINGS {
        let reply = get(&service, &ids, coding).await.expect(200);
        assert_eq!((reply.header("content-encoding"), reply.header("vary")), (coding, "Accept-Encoding"));
        assert_eq!(reply.text(), plain.text());
        assert!(2 * reply.bytes().len() < plain.bytes().len());
        let head = service.request("HEAD", &ids).header("accept-encoding", coding).await.expect(200);
        assert_eq!((head.header("content-encoding"), head.bytes()), (coding, &b""[..]));
    }
}

/// Fills a new database with as many products.
fn seed(database: &Path, products: usize) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hotshelf"));
    command.env_clear().env("DB_PATH", database).env("CACHE_BACKEND", "memory").env("RUST_LOG", "error");
    let output = command.args(["seed", "--products", &products.to_string()]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn compression_can_be_turned_off() {
    let service = hotshelf().backend("memory").env("HTTP_COMPRESSION", "off").start().await;
    create_many(&service, &(1..=20).map(large).collect::<Vec<_>>()).await;
    for path in [PAGE, "/api/v1/products/1", "/api/v1/openapi.json", "/metrics"] {
        for _ in 0..2 {
            is_plain(&get(&service, path, "zstd, br, gzip").await.expect(200), false);
        }
    }
    problem(get(&service, PAGE, "gzip, identity;q=0").await, 406);
}
