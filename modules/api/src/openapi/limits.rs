//! Rate limits are the same for all routes, and described in one place.

use utoipa::Modify;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::{ContentBuilder, Header, HeaderBuilder, OpenApi, Ref, Response, ResponseBuilder, Type};
use utoipa::openapi::{Object, RefOr};

/// Adds the refusal to every operation that can be limited.
pub(super) struct Limited;

impl Modify for Limited {
    fn modify(&self, api: &mut OpenApi) {
        for (path, item) in &mut api.paths.paths {
            if path.starts_with("/health") || path == "/metrics" {
                continue;
            }
            let refusal = match path.starts_with("/api/") {
                true => refusal("application/problem+json", "Problem"),
                false => refusal("application/json", "Envelope"),
            };
            for (_, operation) in operations(item) {
                operation.responses.responses.insert("429".to_owned(), RefOr::T(refusal.clone()));
            }
        }
    }
}

/// Whether the description has such an operation.
pub(super) fn has(mut api: OpenApi, method: &str, path: &str) -> bool {
    let item = api.paths.paths.get_mut(path);
    item.is_some_and(|item| operations(item).any(|(name, _)| name == method))
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    let PathItem { get, put, post, patch, delete, .. } = item;
    let all = [("GET", get), ("PUT", put), ("POST", post), ("PATCH", patch), ("DELETE", delete)];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

fn refusal(media_type: &str, schema: &str) -> Response {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(schema))).build();
    ResponseBuilder::new()
        .description("more requests than the limit lets through")
        .header("Retry-After", header(Type::Integer, "seconds until one more is let through"))
        .header("RateLimit-Policy", header(Type::String, "the limit: `\"api\";q=100;w=60` is 100 requests in any 60 s"))
        .header("RateLimit", header(Type::String, "`\"api\";r=0;t=12`: 0 requests are left, one more in 12 s"))
        .content(media_type, content)
        .build()
}

fn header(kind: Type, description: &str) -> Header {
    HeaderBuilder::new().schema(Some(Object::with_type(kind))).description(Some(description)).build()
}
