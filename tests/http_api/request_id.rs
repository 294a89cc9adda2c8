//! `x-request-id` on every response.

use std::collections::BTreeSet;

use serde_json::json;

use crate::hotshelf;
use hotshelf_testkit::catalogue::PRODUCTS;

#[tokio::test]
async fn every_response_carries_an_id_of_its_own() {
    let service = hotshelf().start().await;
    let replies = [
        service.get("/health").await.expect(200),
        service.get("/metrics").await.expect(200),
        service.get(PRODUCTS).await.expect(200),
        service.get(PRODUCTS).await.expect(200),
        service.get("/products/7").await.expect(404),
        service.get("/nowhere").await.expect(404),
        service.delete(PRODUCTS).await.expect(405),
        service.post(PRODUCTS).json(&json!({})).await.expect(400),
    ];
    let ids: BTreeSet<&str> = replies.iter().map(|reply| reply.header("x-request-id")).collect();
    assert_eq!(ids.len(), replies.len(), "{ids:?}");
    assert!(!ids.contains(""));
}

#[tokio::test]
async fn the_callers_id_is_kept_if_it_is_sane() {
    let service = hotshelf().start().await;
    for id in ["7f3a", "checkout-42", "0b9c6f0e-6a0a-4b37-a7e7-0a1f5f1d2c3b"] {
        let reply = service.get(PRODUCTS).header("x-request-id", id).await;
        assert_eq!(reply.header("x-request-id"), id);
    }
    let reply = service.get("/nowhere").header("x-request-id", "checkout-42").await.expect(404);
    assert_eq!(reply.json()["request_id"], "checkout-42");
}

#[tokio::test]
async fn an_insane_id_is_replaced() {
    let service = hotshelf().start().await;
    for id in ["", " ", "a b\tc", "\"><script>", &"x".repeat(5_000)] {
        let reply = service.get(PRODUCTS).header("x-request-id", id).await.expect(200);
        let answered = reply.header("x-request-id");
        assert!(!answered.is_empty() && answered != id, "{id:?} came back as {answered:?}");
    }
}
