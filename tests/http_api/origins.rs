//! Web pages of other origins: what they may change, and what CORS lets them read.

use hotshelf_testkit::Service;
use hotshelf_testkit::catalogue::{PRODUCTS, create, laptop, path};
use hotshelf_testkit::shapes::problem;
use serde_json::Value;

use crate::hotshelf;

const APP: &str = "https://app.example";

#[tokio::test]
async fn pages_of_other_origins_change_nothing() {
    let service = hotshelf().backend("memory").start().await;
    let product = path(&create(&service, &laptop()).await);
    let own = format!("http://{}", service.address());
    let foreign: &[&[(&str, &str)]] = &[
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[("origin", "http://127.0.0.1")],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "cross-site"), ("origin", &own)],
    ];
    let writes = [
        ("POST", PRODUCTS),
        ("PUT", &product),
        ("PATCH", &product),
        ("DELETE", &product),
        ("POST", "/api/v1/products/bulk"),
        ("POST", "/api/v1/cache/stats/reset"),
        ("POST", "/api/v1/cache/warm"),
        ("DELETE", "/api/v1/cache"),
    ];
    for (method, path) in writes {
        for headers in foreign {
            let request = headers
                .iter()
                .fold(service.request(method, path), |request, (name, value)| request.header(name, value));
            problem(request.json(&laptop()).await, 403);
        }
    }
    for headers in [[("origin", own.as_str())], [("sec-fetch-site", "same-origin")], [("sec-fetch-site", "none")]] {
        let request = headers.iter().fold(service.post(PRODUCTS), |request, (name, value)| request.header(name, value));
        request.json(&laptop()).await.expect(201);
    }
    // Reading is what CORS is for.
    service.get(&product).header("origin", "https://evil.example").await.expect(200);
}

async fn with_cors(origins: &str) -> Service {
    hotshelf().env("CORS_ORIGINS", origins).start().await
}

#[tokio::test]
async fn listed_origins_may_write_and_read() {
    // Browsers write neither capitals nor default ports.
    let service = with_cors("HTTPS://App.example:443, http://localhost:5173").await;
    let created = service.post(PRODUCTS).header("origin", APP).json(&laptop()).await.expect(201);
    let read = service.get(&path(&created.json()["product"])).header("origin", APP).await.expect(200);
    let missing = service.get("/api/v1/products/99").header("origin", APP).await.expect(404);
    for reply in [&created, &read, &missing] {
        assert_eq!(reply.header("access-control-allow-origin"), APP);
        assert_eq!(reply.header("access-control-expose-headers"), "*");
        assert_eq!(reply.find_header("access-control-allow-credentials"), None);
        let vary: Vec<_> =
            reply.headers.get_all("vary").iter().map(|value| value.to_str().unwrap().to_lowercase()).collect();
        assert!(vary.iter().any(|value| value.contains("origin")), "{reply:?}");
    }
    for other in ["https://app.example:8443", "http://app.example", "https://app.example.evil.example", "null"] {
        let refused = service.post(PRODUCTS).header("origin", other).json(&laptop()).await.expect(403);
        assert_eq!(refused.find_header("access-control-allow-origin"), None);
        let read = service.get(PRODUCTS).header("origin", other).await.expect(200);
        assert_eq!(read.find_header("access-control-allow-origin"), None);
        assert!(read.header("vary").to_lowercase().contains("origin"));
    }
}

#[tokio::test]
async fn a_preflight_is_answered() {
    let service = with_cors(APP).await;
    let preflight = service.request("OPTIONS", "/api/v1/products/1").header("origin", APP);
    let preflight = preflight.header("access-control-request-method", "PATCH");
    let reply = preflight.header("access-control-request-headers", "content-type,if-match").await.expect(200);
    assert_eq!(reply.header("access-control-allow-origin"), APP);
    assert!(reply.header("access-control-allow-methods").contains("PATCH"));
    assert_eq!(reply.header("access-control-allow-headers"), "content-type,if-match");
    assert_eq!(reply.header("access-control-max-age"), "600");
}

#[tokio::test]
async fn all_origins_may_be_allowed_without_credentials() {
    let service = with_cors("*").await;
    let reply = service.post(PRODUCTS).header("origin", APP).json(&laptop()).await.expect(201);
    assert_eq!(reply.header("access-control-allow-origin"), "*");
    assert_eq!(reply.find_header("access-control-allow-credentials"), None);
}

#[tokio::test]
async fn origins_that_could_never_match_are_refused() {
    for origins in [
        "https://app.example/",
        "https://app.example/path",
        "app.example",
        "https://bücher.example",
        "null",
        "https://*.example",
    ] {
        let Err(exit) = hotshelf().env("CORS_ORIGINS", origins).try_start().await else { panic!("{origins} is taken") };
        let lines: Vec<_> = exit.log.lines().filter(|line| line.contains("CORS_ORIGINS")).collect();
        assert_eq!(lines.len(), 1, "{}", exit.log);
        assert!(lines[0].contains("no path"), "{}", lines[0]);
    }
}

#[tokio::test]
async fn options_names_the_methods() {
    let service = hotshelf().backend("memory").start().await;
    for (path, expected) in [
        (PRODUCTS, "GET,HEAD,POST,OPTIONS"),
        ("/api/v1/products/bulk", "POST,OPTIONS"),
        ("/health/live", "GET,HEAD,OPTIONS"),
    ] {
        let reply = service.request("OPTIONS", path).await.expect(204);
        assert_eq!((reply.header("allow"), reply.text()), (expected, ""));
        assert_eq!(reply.find_header("accept-patch"), None);
        assert_eq!(problem(service.request("TRACE", path).await, 405)["status"], Value::from(405));
    }
    let product = service.request("OPTIONS", "/api/v1/products/1").await.expect(204);
    assert_eq!(product.header("accept-patch"), "application/merge-patch+json, application/json");
    problem(service.request("OPTIONS", "/nowhere").await, 404);
}
