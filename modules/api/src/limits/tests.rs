use std::time::Duration;

use axum::response::IntoResponse;
use hotshelf_ratelimit::{OnLoss, RateLimitOptions};
use hotshelf_stats::Registry;

use super::*;
use crate::problem::Problem;

fn limit(requests: u32, seconds: u64) -> Limit {
    Limit::new(requests, Duration::from_secs(seconds)).unwrap()
}

fn limits() -> (RequestLimits, AccountLimits) {
    let options = RateLimitOptions { redis: None, prefix: String::new(), on_loss: OnLoss::Local };
    let limiter = RateLimiter::new(options, &Registry::new().unwrap()).unwrap();
    let route = |method: &str, path: &str| RouteLimit { method: method.into(), path: path.into(), limit: limit(7, 1) };
    let options = LimitOptions {
        on: true,
        api: limit(100, 60),
        routes: vec![route("GET", "/api/v1/products/{id}"), route("POST", "/api/v1/products")],
        login: limit(2, 60),
        register: limit(1, 3_600),
        forgot_password: limit(1, 3_600),
        guess: limit(2, 60),
        trusted_proxies: TrustedProxies::default(),
    };
    (RequestLimits::new(&options, &limiter), AccountLimits::new(&options, &limiter))
}

#[track_caller]
fn refused(outcome: Result<LimitHeaders, Problem>) -> HeaderMap {
    let response = outcome.err().expect("a refusal").into_response();
    assert_eq!(response.status(), 429);
    response.headers().clone()
}

#[tokio::test]
async fn logins_are_limited_by_address_and_account_together() {
    let ((_, limits), here, there) = (limits(), Subject::new("203.0.113.9"), Subject::new("198.51.100.7"));
    for account in ["ann@example.com", " Ann@Example.COM "] {
        assert!(limits.login(&here, account).await.is_ok());
    }
    let headers = refused(limits.login(&here, "ann@example.com").await);
    assert_eq!(headers["ratelimit-policy"], r#""login";q=2;w=60"#);
    // A place comes back up to a hundredth of the window late.
    let wait = headers["retry-after"].to_str().unwrap();
    assert!(["60", "61"].contains(&wait), "{wait}");
    assert_eq!(headers["ratelimit"], format!("\"login\";r=0;t={wait}"));
    assert!(limits.login(&here, "bob@example.com").await.is_ok(), "another account");
    assert!(limits.login(&there, "ann@example.com").await.is_ok(), "another address");
}

#[tokio::test]
async fn registrations_and_forgotten_passwords_are_limited_by_address_and_apart() {
    let ((_, limits), here, there) = (limits(), Subject::new("203.0.113.9"), Subject::new("198.51.100.7"));
    assert!(limits.register.count(&here).await.is_ok() && limits.forgot_password.count(&here).await.is_ok());
    assert_eq!(refused(limits.register.count(&here).await)["ratelimit-policy"], r#""register";q=1;w=3600"#);
    assert_eq!(
        refused(limits.forgot_password.count(&here).await)["ratelimit-policy"],
        r#""forgot-password";q=1;w=3600"#
    );
    assert!(limits.register.count(&there).await.is_ok());
}

#[test]
fn a_route_has_its_own_limit_or_that_of_all() {
    let (limits, _) = limits();
    let name = |method: Method, route: &str| limits.policy(&method, route).map(|policy| policy.scope.name().to_owned());
    let of = |method: Method, route: &str| name(method, route).unwrap();
    assert_eq!(of(Method::GET, "/api/v1/products/{id}"), "get-api-v1-products-id");
    assert_eq!(of(Method::HEAD, "/api/v1/products/{id}"), "get-api-v1-products-id");
    assert_eq!(of(Method::PUT, "/api/v1/products/{id}"), "api");
    assert_eq!(of(Method::POST, "/api/v1/products"), "post-api-v1-products");
    assert_eq!(of(Method::GET, "unmatched"), "api");
    for exempt in ["/health", "/health/live", "/health/ready", "/metrics"] {
        assert_eq!(name(Method::GET, exempt), None);
    }
}
