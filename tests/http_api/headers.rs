//! The headers that every answer has.

use hotshelf_testkit::catalogue::{PRODUCTS, create, laptop, path};
use hotshelf_testkit::{Reply, exchange};
use serde_json::json;

use crate::hotshelf;

/// The names and values of a reply without those that differ from answer to answer.
fn lasting(reply: &Reply) -> Vec<(String, String)> {
    let differs = ["date", "x-request-id", "cache-status", "content-length"];
    let headers = reply.headers.iter().filter(|(name, _)| !differs.contains(&name.as_str()));
    let mut lasting: Vec<_> =
        headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    lasting.sort();
    lasting
}

#[tokio::test]
async fn every_answer_says_how_it_may_be_stored_and_that_its_type_is_not_to_be_guessed() {
    let service = hotshelf().backend("memory").start().await;
    let product = path(&create(&service, &laptop()).await);
    let kept = [
        "/health",
        "/health/live",
        "/metrics",
        "/api/v1/openapi.json",
        PRODUCTS,
        &product,
        "/products/1",
        "/api/v1/products/1/details",
        "/api/v1/organizations",
        "/api/v1/organizations/1",
        "/api/v1/schemas/1",
        "/api/v1/organizations/1/products",
        "/api/v1/organizations/1/product-ids",
        "/api/v1/analytics/catalogue",
        "/api/v1/cache/stats",
    ];
    for path in kept {
        // The second answer comes from memory.
        for _ in 0..2 {
            let reply = service.get(path).await.expect(200);
            assert_eq!(
                (reply.header("cache-control"), reply.header("x-content-type-options")),
                ("no-cache", "nosniff"),
                "{path}"
            );
            assert!(reply.find_header("date").is_some() && reply.find_header("content-type").is_some(), "{reply:?}");
        }
        let tag = service.get(path).await.find_header("etag").unwrap_or("*").to_owned();
        let unchanged = service.get(path).header("if-none-match", &tag).await.expect(304);
        assert_eq!(unchanged.header("x-content-type-options"), "nosniff");
        assert_eq!(unchanged.header("cache-control"), "no-cache");
    }
    let others = [
        service.post(PRODUCTS).json(&laptop()).await.expect(201),
        service.put(&product).json(&json!({"stock": 1})).await.expect(200),
        service.post(PRODUCTS).json(&json!({})).await.expect(400),
        service.get("/nowhere").await.expect(404),
        service.delete(PRODUCTS).await.expect(405),
        service.get(PRODUCTS).header("accept", "text/html").await.expect(406),
        service.put(&product).header("if-match", "\"x\"").json(&json!({})).await.expect(412),
        service.request("OPTIONS", PRODUCTS).await.expect(204),
    ];
    for reply in others {
        assert_eq!(
            (reply.header("cache-control"), reply.header("x-content-type-options")),
            ("no-store", "nosniff"),
            "{reply:?}"
        );
    }
}

#[tokio::test]
async fn head_has_the_headers_of_get() {
    let service = hotshelf().backend("memory").start().await;
    let product = path(&create(&service, &laptop()).await);
    for path in [
        product.as_str(),
        PRODUCTS,
        "/products/1",
        "/api/v1/schemas/1",
        "/health/live",
        "/api/v1/products/99",
        "/nowhere",
    ] {
        let get = service.get(path).await;
        let head = service.request("HEAD", path).await;
        assert_eq!((head.status, head.text()), (get.status, ""), "{path}");
        assert_eq!(lasting(&head), lasting(&get), "{path}");
        let raw = exchange(
            service.address(),
            &format!("HEAD {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"),
        );
        let (head, body) = raw.split_once("\r\n\r\n").unwrap();
        assert_eq!(body, "", "{raw}");
        assert!(head.to_lowercase().contains("content-length: "), "{raw}");
    }
}

#[tokio::test]
async fn an_answer_without_content_has_no_fields_of_content() {
    let service = hotshelf().backend("memory").start().await;
    let raw = exchange(
        service.address(),
        &format!("OPTIONS {PRODUCTS} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"),
    );
    let lower = raw.to_lowercase();
    assert!(lower.starts_with("http/1.1 204 "), "{raw}");
    for field in ["content-length", "content-type", "transfer-encoding", "content-encoding"] {
        assert!(!lower.contains(&format!("\n{field}:")), "{raw}");
    }
}
