//! The JSON body of a request: how large it may be, and the bytes for the handler. How it comes in is the business of
//! [`crate::uploads`].

use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, Method, StatusCode, header};
use bytes::Bytes;
use http_body_util::BodyExt;

use crate::negotiation::sends_json;
use crate::problem::Problem;

/// Room for a thousand products with details.
const BULK_MAX: usize = 8 << 20;
/// Room for one product with all of its details.
const PRODUCT_MAX: usize = 1 << 20;
/// Room for names, addresses and passwords.
const SMALL_MAX: usize = 16 << 10;

/// What takes no body although others of its method do. A body that comes all the same is not read.
const WITHOUT: [&str; 3] = ["/api/v1/auth/logout", "/api/v1/cache/warm", "/api/v1/cache/stats/reset"];
/// What takes small ones: what strangers may send.
const SMALL: &str = "/api/v1/auth/";

/// The most bytes that the body of such a request may have; `None` when it takes none.
pub(crate) fn limit_of(method: &Method, route: &str) -> Option<usize> {
    let takes_one = [Method::POST, Method::PUT, Method::PATCH].contains(method) && !WITHOUT.contains(&route);
    takes_one.then(|| match route {
        "/api/v1/products/bulk" => BULK_MAX,
        route if route.starts_with(SMALL) => SMALL_MAX,
        _ => PRODUCT_MAX,
    })
}

/// Refuses a body that its own head says is of no use: of another type, or too large.
pub(crate) fn check_head(headers: &HeaderMap, limit: usize) -> Result<(), Problem> {
    if !sends_json(headers) {
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body must be application/json"));
    }
    if declared_length(headers) > limit { Err(too_large(limit)) } else { Ok(()) }
}

fn declared_length(headers: &HeaderMap) -> usize {
    headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok()).unwrap_or(0)
}

pub(crate) fn too_large(limit: usize) -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body must be at most {limit} bytes"))
}

/// The body of a request that takes one, as it was received before the handler was asked.
pub(crate) struct JsonBody(pub(crate) Bytes);

impl<S: Send + Sync> FromRequest<S> for JsonBody {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let body = request.into_body().collect().await;
        body.map(|body| JsonBody(body.to_bytes())).map_err(|error| Problem::internal(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::ACCESS;
    use crate::openapi;

    /// A handler that reads a body without a limit here would read one that nothing bounds.
    #[test]
    fn what_is_described_with_a_body_has_a_limit_and_nothing_else_has() {
        let described = openapi::operations_with_body();
        let limited = ACCESS.iter().filter(|(method, route, _)| {
            limit_of(&Method::from_bytes(method.as_bytes()).expect("a method"), route).is_some()
        });
        let mut limited: Vec<_> = limited.map(|(method, route, _)| format!("{method} {route}")).collect();
        limited.sort();
        assert_eq!(limited, described);
    }

    #[test]
    fn small_bodies_have_small_limits() {
        let limit = |method: Method, route| limit_of(&method, route);
        assert_eq!(limit(Method::POST, "/api/v1/auth/login"), Some(16 << 10));
        assert_eq!(limit(Method::POST, "/api/v1/products"), Some(1 << 20));
        assert_eq!(limit(Method::POST, "/api/v1/products/bulk"), Some(8 << 20));
        assert_eq!(limit(Method::GET, "/api/v1/products"), None);
    }
}
