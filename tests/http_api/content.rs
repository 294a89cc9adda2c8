//! The content of requests: codings, types, parts, expectations, and what JSON leaves open (RFC 8259, RFC 7396).

use std::io::Write;

use hotshelf_testkit::catalogue::{PRODUCTS, create, create_schema, laptop, path, read};
use hotshelf_testkit::shapes::{invalid_fields, problem};
use hotshelf_testkit::{Reply, Service, exchange};
use serde_json::{Value, json};

use crate::hotshelf;

async fn service() -> Service {
    hotshelf().backend("memory").start().await
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn brotli(text: &[u8]) -> Vec<u8> {
    let mut coded = Vec::new();
    brotli::CompressorWriter::new(&mut coded, 4096, 5, 22).write_all(text).unwrap();
    coded
}

fn zstd(text: &[u8]) -> Vec<u8> {
    zstd::encode_all(text, 3).unwrap()
}

async fn send(service: &Service, path: &str, coding: &str, body: Vec<u8>) -> Reply {
    let request = service.post(path).header("content-type", "application/json");
    request.header("content-encoding", coding).body(body).await
}

type Encode = fn(&[u8]) -> Vec<u8>;

#[tokio::test]
async fn coded_bodies_are_decoded() {
    let service = service().await;
    let laptop = laptop().to_string().into_bytes();
    let products = json!({"products": vec![hotshelf_testkit::catalogue::laptop(); 1_000]}).to_string().into_bytes();
    let codings: [(&str, Encode); 3] = [("gzip", gzip), ("br", brotli), ("zstd", zstd)];
    for (name, coded) in codings {
        send(&service, PRODUCTS, name, coded(&laptop)).await.expect(201);
        send(&service, PRODUCTS, &name.to_uppercase(), coded(&laptop)).await.expect(201);
        let bulk = send(&service, "/api/v1/products/bulk", name, coded(&products)).await.expect(201).json();
        assert_eq!(bulk["created"].as_array().unwrap().len(), 1_000);
        // Two codings, in the order of their application.
        let both = format!("{name}, gzip");
        send(&service, PRODUCTS, &both, gzip(&coded(&laptop))).await.expect(201);
        problem(send(&service, PRODUCTS, name, laptop.clone()).await, 400);
        problem(send(&service, PRODUCTS, name, coded(&laptop)[..20].to_vec()).await, 400);
        problem(send(&service, PRODUCTS, name, [coded(&laptop), b"x".to_vec()].concat()).await, 400);
        problem(send(&service, PRODUCTS, name, Vec::new()).await, 400);
    }
    send(&service, PRODUCTS, "identity", laptop.clone()).await.expect(201);
    send(&service, PRODUCTS, "x-gzip", gzip(&laptop)).await.expect(201);
}

#[tokio::test]
async fn the_limits_of_bodies_count_decoded_bytes() {
    let service = service().await;
    let spaces = |size: usize| {
        let mut body = laptop().to_string().into_bytes();
        body.resize(size, b' ');
        body
    };
    let codings: [(&str, Encode); 3] = [("gzip", gzip), ("br", brotli), ("zstd", zstd)];
    for (name, coded) in codings {
        send(&service, PRODUCTS, name, coded(&spaces(1 << 20))).await.expect(201);
        problem(send(&service, PRODUCTS, name, coded(&spaces((1 << 20) + 1))).await, 413);
        // A thousand times as large as it was sent.
        problem(send(&service, PRODUCTS, name, coded(&spaces(256 << 20))).await, 413);
        problem(send(&service, PRODUCTS, &format!("{name}, gzip"), gzip(&coded(&spaces(64 << 20)))).await, 413);
    }
}

#[tokio::test]
async fn a_coding_that_is_not_known_is_named_by_the_ones_that_are() {
    let service = service().await;
    for coding in ["deflate", "compress", "gzip, deflate", "aes128gcm", "gzip, gzip, gzip"] {
        let reply = send(&service, PRODUCTS, coding, laptop().to_string().into_bytes()).await;
        assert_eq!(reply.header("accept-encoding"), "br, zstd, gzip");
        problem(reply, 415);
    }
    assert_eq!(service.get(PRODUCTS).await.expect(200).json()["total"], 0);
}

#[tokio::test]
async fn a_body_is_json_in_utf8() {
    let service = service().await;
    let of = async |content_type: &str, body: Vec<u8>| {
        service.post(PRODUCTS).header("content-type", content_type).body(body).await
    };
    let plain = laptop().to_string().into_bytes();
    for charset in ["utf-8", "\"UTF-8\"", "us-ascii"] {
        of(&format!("application/json; charset={charset}"), plain.clone()).await.expect(201);
    }
    for other in ["application/json; charset=iso-8859-1", "application/json;charset=utf-16", "application/hal+json"] {
        let reply = of(other, plain.clone()).await;
        assert_eq!(reply.header("accept"), "application/json");
        problem(reply, 415);
    }
    let marked = problem(of("application/json", [b"\xef\xbb\xbf", &plain[..]].concat()).await, 400);
    assert!(marked["detail"].as_str().unwrap().contains("byte order mark"), "{marked}");
    let utf16 = |order: fn(u16) -> [u8; 2]| laptop().to_string().encode_utf16().flat_map(order).collect::<Vec<u8>>();
    for body in [utf16(u16::to_le_bytes), utf16(u16::to_be_bytes), b"{\"name\":\"caf\xe9\",\"price\":1}".to_vec()] {
        problem(of("application/json", body).await, 400);
    }
    assert_eq!(service.get(PRODUCTS).await.expect(200).json()["total"], 3);
}

#[tokio::test]
async fn parts_cannot_be_written() {
    let service = service().await;
    let product = create(&service, &laptop()).await;
    for method in ["PUT", "PATCH"] {
        let part = service.request(method, &path(&product)).header("content-range", "bytes 0-1/20");
        problem(part.json(&json!({"stock": 1})).await, 400);
    }
    assert_eq!(read(&service, &product).await, product);
}

#[tokio::test]
async fn only_100_continue_can_be_expected() {
    let service = service().await;
    let product = path(&create(&service, &laptop()).await);
    for path in [product.as_str(), product.as_str(), PRODUCTS, "/health"] {
        problem(service.get(path).header("expect", "tea").await, 417);
    }
    problem(service.post(PRODUCTS).header("expect", "tea").json(&laptop()).await, 417);
    let body = laptop().to_string();
    let request = |version: &str| {
        format!(
            "POST {PRODUCTS} HTTP/{version}\r\nhost: localhost\r\nexpect: 100-Continue\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let answer = exchange(service.address(), &request("1.1"));
    assert!(answer.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 "), "{answer}");
    // Which a client of HTTP/1.0 would not understand.
    let answer = exchange(service.address(), &request("1.0"));
    assert!(answer.starts_with("HTTP/1.0 201 "), "{answer}");
    // A refusal comes without waiting for the body.
    let refused = request("1.1").replace("application/json", "text/plain").replace(&body, "");
    let answer = exchange(service.address(), &refused);
    assert!(answer.starts_with("HTTP/1.1 415 "), "{answer}");
}

#[tokio::test]
async fn a_name_that_occurs_twice_is_refused_at_any_depth() {
    let service = service().await;
    let schema = create_schema(&service, 1, &json!([{"name": "size", "type": "number"}])).await;
    let mut draft = laptop();
    draft["schema_id"] = json!(schema);
    let product = path(&create(&service, &draft).await);
    let send = async |method: &str, path: &str, body: &str| {
        service.request(method, path).header("content-type", "application/json").body(body).await
    };
    let twice = [
        ("POST", PRODUCTS, r#"{"name":"a","price":1,"price":2}"#, "price"),
        ("POST", "/products", r#"{"name":"a","price":1,"na\u006de":"b"}"#, "name"),
        ("PUT", &product, r#"{"stock":1,"stock":1}"#, "stock"),
        ("PATCH", &product, r#"{"nowhere":1,"nowhere":1}"#, "nowhere"),
        ("PUT", &format!("{product}/details"), r#"{"fields":{"size":1,"size":2}}"#, "fields.size"),
        (
            "PUT",
            &format!("{product}/details"),
            r#"{"images":[{"url":"https://a/b","url":"https://a/c"}]}"#,
            "images[0].url",
        ),
        ("POST", "/api/v1/organizations", r#"{"name":"a","name":"b"}"#, "name"),
        (
            "POST",
            "/api/v1/schemas",
            r#"{"name":"a","fields":[{"name":"b","name":"c","type":"text"}]}"#,
            "fields[0].name",
        ),
    ];
    for (method, path, body, field) in twice {
        let reply = send(method, path, body).await.expect(400);
        let errors = reply.json()["errors"].clone();
        assert!(
            errors.as_array().unwrap().contains(&json!({"field": field, "message": "must occur only once"})),
            "{reply:?}"
        );
    }
    for (path, body) in [
        ("/api/v1/products/bulk", r#"{"products":[{"name":"a","price":1}],"products":[]}"#),
        ("/api/v1/products/bulk-delete", r#"{"ids":[1],"ids":[2]}"#),
    ] {
        let problem = problem(send("POST", path, body).await, 400);
        assert!(problem["detail"].as_str().unwrap().contains("duplicate field"), "{problem}");
    }
    let bulk = send("POST", "/api/v1/products/bulk", r#"{"products":[{"name":"a","price":1,"price":2}]}"#).await;
    assert_eq!(bulk.expect(201).json()["errors"][0]["errors"][0]["field"], "price");
}

#[tokio::test]
async fn integers_may_be_written_with_a_fraction_or_an_exponent() {
    let service = service().await;
    let send = async |method: &str, path: &str, body: &str| {
        service.request(method, path).header("content-type", "application/json").body(body).await
    };
    let whole = r#"{"name":"a","price":1.0,"stock":1.20e2,"organization_id":1.0,"schema_id":10e-1,
        "images":[{"url":"https://a.example/b","position":2.0}]}"#;
    let product = send("POST", PRODUCTS, whole).await.expect(201).json()["product"].take();
    assert_eq!((&product["stock"], &product["price"]), (&json!(120), &json!(1)));
    for wrong in ["1.5", "1e-1", "9223372036854775808", "-9223372036854775809", "1e999999999999", "\"1\""] {
        let body = format!(r#"{{"stock":{wrong}}}"#);
        assert_eq!(invalid_fields(send("PUT", &path(&product), &body).await), ["stock"], "{wrong}");
    }
    problem(send("POST", "/api/v1/products/bulk-delete", r#"{"ids":[1.5]}"#).await, 400);
    let deleted = send("POST", "/api/v1/products/bulk-delete", r#"{"ids":[1.0, 1e0]}"#).await.expect(200).json();
    assert_eq!(deleted, json!({"deleted": [1], "missing": []}));
}

#[tokio::test]
async fn numbers_are_kept_as_they_are_or_refused() {
    let service = service().await;
    let schema = create_schema(&service, 1, &json!([{"name": "size", "type": "number"}])).await;
    let mut draft = laptop();
    draft["schema_id"] = json!(schema);
    let details = format!("{}/details", path(&create(&service, &draft).await));
    let put = async |number: &str| {
        let body = format!(r#"{{"fields":{{"size":{number}}}}}"#);
        service.put(&details).header("content-type", "application/json").body(body).await
    };
    for number in ["0.1", "9007199254740993", "18446744073709551615", "1e300", "-12.5"] {
        let shown = put(number).await.expect(200).json()["fields"]["size"].to_string();
        assert_eq!(shown.parse::<f64>(), number.parse::<f64>());
        assert!(number.contains(['.', 'e']) || shown == number, "{number} became {shown}");
    }
    for number in ["18446744073709551617", "0.30000000000000004440892098500626", "1e-400"] {
        assert_eq!(invalid_fields(put(number).await), ["fields.size"], "{number}");
    }
}

#[tokio::test]
async fn a_merge_patch_removes_what_is_null() {
    let service = service().await;
    let product = create(&service, &laptop()).await;
    let patch = async |method: &str, kind: &str, body: &Value| {
        service.request(method, &path(&product)).header("content-type", kind).body(body.to_string()).await
    };
    let merge = "application/merge-patch+json";
    let removed = json!({"description": null, "stock": null, "category": null, "price": 2});
    let patched = patch("PATCH", merge, &removed).await.expect(200).json()["product"].take();
    let mut expected = read(&service, &product).await;
    assert_eq!(patched, expected);
    assert_eq!(
        (&expected["description"], &expected["stock"], &expected["category"]),
        (&json!(""), &json!(0), &json!(""))
    );
    assert_eq!((expected["name"].take(), expected["price"].take()), (json!("Laptop"), json!(2)));
    for required in ["name", "price", "organization_id", "schema_id"] {
        assert_eq!(invalid_fields(patch("PATCH", merge, &json!({required: null})).await), [required]);
    }
    // It would replace the whole product.
    for whole in [json!(null), json!([]), json!("text")] {
        problem(patch("PATCH", merge, &whole).await, 400);
    }
    // In plain JSON, null is no text.
    assert_eq!(invalid_fields(patch("PATCH", "application/json", &json!({"category": null})).await), ["category"]);
    problem(patch("PUT", merge, &json!({"stock": 1})).await, 415);
    let reply = patch("PATCH", "application/json-patch+json", &json!([])).await;
    assert_eq!(reply.header("accept-patch"), "application/merge-patch+json, application/json");
    problem(reply, 415);
}

#[tokio::test]
async fn content_where_none_is_expected_is_ignored() {
    let service = service().await;
    let product = path(&create(&service, &laptop()).await);
    for (method, path) in
        [("GET", product.as_str()), ("GET", PRODUCTS), ("POST", "/api/v1/cache/stats/reset"), ("DELETE", &product)]
    {
        service.request(method, path).header("content-type", "text/plain").body("not JSON").await.expect(200);
    }
    // The next request on the connection is read from behind it.
    let requests = format!(
        "GET {PRODUCTS} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 3\r\n\r\nabc\
         GET /health/live HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
    );
    let answers = exchange(service.address(), &requests);
    assert_eq!(answers.matches("HTTP/1.1 200 ").count(), 2, "{answers}");
}
