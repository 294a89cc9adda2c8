//! The rows of the error table that are not about validation or conflicts.

use std::io::{Read, Write};
use std::net::TcpStream;

use hotshelf_testkit::PATIENCE;
use serde_json::json;

use crate::hotshelf;
use hotshelf_testkit::catalogue::{PRODUCTS, create, laptop};
use hotshelf_testkit::shapes::problem;

const MIB: usize = 1024 * 1024;

#[tokio::test]
async fn unknown_products_and_unknown_paths_are_not_found() {
    let service = hotshelf().start().await;
    for method in ["GET", "PUT", "PATCH", "DELETE"] {
        let reply = service.request(method, "/api/v1/products/7").json(&json!({"stock": 1})).await;
        let mut body = problem(reply, 404);
        body["request_id"] = json!("…");
        let expected = json!({
            "type": "about:blank", "title": "Not Found", "status": 404, "detail": "Product 7 does not exist",
            "request_id": "…",
        });
        assert_eq!(body, expected);
    }
    for path in ["/", "/nowhere", "/api/v1", "/api/v2/products", "/api/v1/products/7/nowhere", "/API/v1/products"] {
        problem(service.get(path).await, 404);
    }
}

#[tokio::test]
async fn an_unknown_method_is_refused_with_the_allowed_ones() {
    let service = hotshelf().start().await;
    let refused = [
        ("DELETE", PRODUCTS, vec!["GET", "POST"]),
        ("PUT", PRODUCTS, vec!["GET", "POST"]),
        ("POST", "/api/v1/products/1", vec!["DELETE", "GET", "PATCH", "PUT"]),
        ("POST", "/health", vec!["GET"]),
        ("DELETE", "/metrics", vec!["GET"]),
        ("GET", "/api/v1/cache/stats/reset", vec!["POST"]),
    ];
    for (method, path, known) in refused {
        let reply = service.request(method, path).await;
        let mut allowed: Vec<String> = reply.header("allow").split(',').map(|name| name.trim().to_owned()).collect();
        allowed.retain(|name| name != "HEAD" && name != "OPTIONS");
        allowed.sort_unstable();
        assert_eq!(allowed, known, "{method} {path}");
        problem(reply, 405);
    }
}

#[tokio::test]
async fn a_body_over_one_mebibyte_is_too_large() {
    let service = hotshelf().start().await;
    for (size, status) in [(MIB, 201), (MIB + 1, 413)] {
        let mut body = laptop().to_string();
        body.push_str(&" ".repeat(size - body.len()));
        let reply = service.post(PRODUCTS).header("content-type", "application/json").body(body).await;
        if status == 413 {
            problem(reply, 413)
        } else {
            reply.expect(status).json()
        };
    }
}

#[tokio::test]
async fn a_chunked_body_has_the_same_limit() {
    let service = hotshelf().start().await;
    let mut connection = TcpStream::connect(service.address()).unwrap();
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = format!(
        "POST {PRODUCTS} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n\
         transfer-encoding: chunked\r\n\r\n{:x}\r\n",
        MIB + 1
    );
    connection.write_all(head.as_bytes()).unwrap();
    // The chunk never ends, and the answer does not wait for its end.
    connection.write_all(&vec![b' '; MIB + 1]).unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("\"title\":\"Content Too Large\""), "{answer}");
}

#[tokio::test]
async fn a_body_that_is_not_declared_as_json_is_unsupported() {
    let service = hotshelf().start().await;
    let product = create(&service, &laptop()).await;
    for (method, path) in [("POST", PRODUCTS.to_owned()), ("PUT", format!("{PRODUCTS}/{}", product["id"]))] {
        for content_type in ["text/plain", "application/x-www-form-urlencoded", "text/json", "nonsense"] {
            let request = service.request(method, &path).header("content-type", content_type);
            problem(request.body(laptop().to_string()).await, 415);
        }
        problem(service.request(method, &path).body(laptop().to_string()).await, 415);
    }
}

#[tokio::test]
async fn the_content_type_may_carry_parameters_and_any_case() {
    let service = hotshelf().start().await;
    for content_type in ["application/json; charset=utf-8", "Application/JSON"] {
        service.post(PRODUCTS).header("content-type", content_type).body(laptop().to_string()).await.expect(201);
    }
}
