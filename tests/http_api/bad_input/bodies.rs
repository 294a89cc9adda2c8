//! Bodies.

use std::io::{Read, Write};
use std::net::TcpStream;

use hotshelf_testkit::PATIENCE;
use serde_json::{Value, json};

use super::service;
use hotshelf_testkit::catalogue::{PRODUCTS, read};
use hotshelf_testkit::shapes::problem;

/// Bodies that are no JSON, or useless JSON.
fn bad_bodies() -> Vec<Vec<u8>> {
    let deep = |open: &str, close: &str| [open.repeat(100_000), close.repeat(100_000)].concat();
    let within = |field: &str, value: &str| format!(r#"{{"name":"Cup","price":1,"{field}":{value}}}"#);
    let texts = [
        String::new(),
        "{".to_owned(),
        "nonsense".to_owned(),
        "{}{}".to_owned(),
        "\u{feff}{}".to_owned(),
        "{\"name\":\"\\ud800\",\"price\":1}".to_owned(),
        "{'name':'Cup','price':1}".to_owned(),
        "{\"name\":\"Cup\",\"price\":0x10}".to_owned(),
        "{\"name\":\"Cup\",\"price\":NaN}".to_owned(),
        within("price", "1e999999999"),
        within("stock", "99999999999999999999999999"),
        within("stock", "-9223372036854775809"),
        within("organization_id", "1e2"),
        within("schema_id", "-1"),
        within("category", "\"a\\u0000b\""),
        deep("[", "]"),
        deep("{\"a\":", "}"),
        "[".repeat(100_000),
        within("name", &deep("[", "]")),
        within("fields", &deep("{\"a\":", "}").replacen(":}", ":1}", 1)),
        within("fields", &format!("{{\"a\":{}}}", deep("[", "]"))),
        within("images", &deep("[", "]")),
        format!("{{\"products\":{}}}", deep("[", "]")),
        format!("{{\"ids\":{}}}", deep("[", "]")),
    ];
    let bytes = [&b"{\"name\":\"\xff\xfe\",\"price\":1}"[..], b"\xff", b"{\"\xc3\x28\":1}", b"\0\0\0", b"\x1f\x8b\x08"];
    texts.into_iter().map(String::into_bytes).chain(bytes.map(<[u8]>::to_vec)).collect()
}

/// The operations that accept bodies.
const BODIES: [(&str, &str); 11] = [
    ("POST", "/api/v1/products"),
    ("PUT", "/api/v1/products/1"),
    ("PATCH", "/api/v1/products/1"),
    ("PUT", "/api/v1/products/1/details"),
    ("POST", "/api/v1/products/bulk"),
    ("POST", "/api/v1/products/bulk?atomic=true"),
    ("POST", "/api/v1/products/bulk-delete"),
    ("POST", "/api/v1/organizations"),
    ("POST", "/api/v1/schemas"),
    ("PUT", "/api/v1/schemas/2"),
    ("PUT", "/api/v1/schemas/1"),
];

#[tokio::test]
async fn every_operation_with_a_body_refuses_bad_bodies() {
    let service = service().await;
    let before = read(&service, &json!({"id": 1})).await;
    for (method, path) in BODIES {
        for body in bad_bodies() {
            // Each product is refused, not the whole list.
            let list_of_products = body.starts_with(b"{\"products\":[");
            let request = service.request(method, path).header("content-type", "application/json");
            let reply = request.body(body).await;
            if list_of_products && path.ends_with("/bulk") {
                assert_eq!(reply.expect(201).json()["created"], json!([]));
            } else {
                problem(reply, 400);
            }
        }
    }
    assert_eq!(read(&service, &json!({"id": 1})).await, before);
    assert_eq!(service.get(PRODUCTS).await.json()["total"], 1);
}

#[tokio::test]
async fn a_bad_product_in_a_list_is_reported_by_its_index() {
    let service = service().await;
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    let body = format!(
        r#"{{"products":[{{"name":"Cup","price":1,"fields":{{"a":{deep}}}}},{deep},{{"name":"Cup","price":1e999}},
            {{"name":"Cup","price":1}}]}}"#
    );
    let request = service.post("/api/v1/products/bulk").header("content-type", "application/json");
    let told = request.body(body).await.expect(201).json();
    assert_eq!(told["created"], json!([2]));
    let places: Vec<&Value> = told["errors"].as_array().unwrap().iter().map(|error| &error["index"]).collect();
    assert_eq!(places, [0, 1, 2]);
}

#[tokio::test]
async fn every_operation_with_a_body_refuses_ten_megabytes() {
    let service = service().await;
    for (method, path) in BODIES {
        // The answer arrives before the whole body has been sent, so a failure to send the rest is accepted.
        let mut connection = TcpStream::connect(service.address()).unwrap();
        connection.set_read_timeout(Some(PATIENCE)).unwrap();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-type: application/json\r\n\
             content-length: 10485760\r\n\r\n{{\"name\":\"",
            service.address()
        );
        connection.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("application/problem+json"), "{path}: {answer}");

        // Without a declared length.
        let mut connection = TcpStream::connect(service.address()).unwrap();
        connection.set_read_timeout(Some(PATIENCE)).unwrap();
        let head = head.replace("content-length: 10485760", "transfer-encoding: chunked");
        let (head, start) = head.split_once("\r\n\r\n").unwrap();
        let chunk = [b"10000\r\n", &[b' '; 0x10000][..], b"\r\n"].concat();
        connection.write_all(format!("{head}\r\n\r\n{:x}\r\n{start}\r\n", start.len()).as_bytes()).unwrap();
        // The service may close the connection as soon as the body is too large.
        let _ = (0..160).try_for_each(|_| connection.write_all(&chunk));
        let mut answer = Vec::new();
        let _ = connection.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 413 "), "{path}: {answer}");
    }
    assert_eq!(service.get(PRODUCTS).await.expect(200).json()["total"], 1);
}
