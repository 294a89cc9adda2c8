//! What caches may store of answers that depend on the caller.

use hotshelf_testkit::catalogue::create_named;
use serde_json::json;

use crate::fixture::Fixture;

#[tokio::test]
async fn no_shared_cache_stores_an_answer() {
    let fixture = Fixture::open().await;
    let cup = create_named(&fixture.admin, "Cup").await;
    let product = format!("/api/v1/products/{}", cup["id"]);
    let stored = [
        product.as_str(),
        "/api/v1/products",
        "/products/1",
        "/api/v1/organizations",
        "/api/v1/organizations/1",
        "/api/v1/schemas/1",
        "/api/v1/cache/stats",
        "/metrics",
        "/api/v1/analytics/catalogue",
    ];
    for path in stored {
        for _ in 0..2 {
            let reply = fixture.admin.get(path).await.expect(200);
            assert_eq!(reply.header("cache-control"), "private, no-cache", "{path}");
            let vary: Vec<_> = reply.headers.get_all("vary").iter().filter_map(|value| value.to_str().ok()).collect();
            assert!(vary.contains(&"authorization, cookie"), "{reply:?}");
        }
    }
    let secret =
        ["/api/v1/users", "/api/v1/users/1", "/api/v1/auth/session", "/api/v1/auth/sessions", "/api/v1/auth/api-keys"];
    for path in secret {
        assert_eq!(fixture.admin.get(path).await.expect(200).header("cache-control"), "no-store", "{path}");
    }
    let key = fixture.admin.post("/api/v1/auth/api-keys").json(&json!({"name": "a program"})).await.expect(201);
    let refused =
        [fixture.service.get(&product).await.expect(401), fixture.viewer.get("/api/v1/users").await.expect(403)];
    for reply in refused.iter().chain([&key]) {
        assert_eq!(reply.header("cache-control"), "no-store", "{reply:?}");
        assert_eq!(reply.header("x-content-type-options"), "nosniff");
    }
}

#[tokio::test]
async fn every_401_names_the_scheme() {
    let fixture = Fixture::open().await;
    for path in ["/api/v1/products", "/api/v1/products/1", "/api/v1/users", "/metrics", "/api/v1/auth/session"] {
        let service = &fixture.service;
        let refused = [
            service.get(path).await,
            service.get(path).header("authorization", "Basic YTpi").await,
            service.get(path).header("authorization", "Bearer hss_unknown").await,
            service.get(path).header("cookie", "__Host-hotshelf_session=hss_unknown").await,
            service.request("OPTIONS", path).await,
        ];
        for reply in refused {
            assert!(reply.expect(401).header("www-authenticate").starts_with("Bearer"), "{path}");
        }
    }
}
