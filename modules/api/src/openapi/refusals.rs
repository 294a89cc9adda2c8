//! What refusals are like is the same for all operations, and described in one place.

use utoipa::Modify;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::{
    Content, ContentBuilder, Header, HeaderBuilder, Object, OpenApi, Ref, RefOr, Response, ResponseBuilder, Type,
};

use crate::problem::Dialect;

/// Gives every refusal that a handler describes without a body the body that all have.
pub(super) struct Problems;

impl Modify for Problems {
    fn modify(&self, api: &mut OpenApi) {
        for (path, item) in &mut api.paths.paths {
            let Some(dialect) = dialect_of(path) else { continue };
            for operation in operations(item) {
                for (status, response) in &mut operation.responses.responses {
                    let RefOr::T(response) = response else { continue };
                    if status.starts_with(['4', '5']) && response.content.is_empty() {
                        response.content.insert(dialect.media_type().to_owned(), RefOr::T(content(dialect)));
                    }
                }
            }
        }
    }
}

/// Adds the refusal of a rate limit to every operation that can be limited.
pub(super) struct Limits;

impl Modify for Limits {
    fn modify(&self, api: &mut OpenApi) {
        for (path, item) in &mut api.paths.paths {
            let Some(dialect) = dialect_of(path) else { continue };
            for operation in operations(item) {
                operation.responses.responses.insert("429".to_owned(), RefOr::T(limited(dialect)));
            }
        }
    }
}

/// How the refusals of a path are written. `None`: the path is for probes or for Prometheus, which are under no limit and look at
/// the status alone.
fn dialect_of(path: &str) -> Option<Dialect> {
    let bare = path.starts_with("/health") || path == "/metrics";
    (!bare).then(|| Dialect::of(path))
}

fn content(dialect: Dialect) -> Content {
    let schema = match dialect {
        Dialect::Problem => "Problem",
        Dialect::Envelope => "Envelope",
    };
    ContentBuilder::new().schema(Some(Ref::from_schema_name(schema))).build()
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, patch, delete, .. } = item;
    [get, put, post, patch, delete].into_iter().filter_map(Option::as_mut)
}

fn limited(dialect: Dialect) -> Response {
    ResponseBuilder::new()
        .description("rate limit exceeded")
        .header("Retry-After", header(Type::Integer, "seconds until the next request is allowed"))
        .header("RateLimit-Policy", header(Type::String, "the limit: `\"api\";q=100;w=60` means 100 requests per 60 s"))
        .header(
            "RateLimit",
            header(Type::String, "the state: `\"api\";r=0;t=12` means 0 requests left, the next one in 12 s"),
        )
        .content(dialect.media_type(), content(dialect))
        .build()
}

fn header(kind: Type, description: &str) -> Header {
    HeaderBuilder::new().schema(Some(Object::with_type(kind))).description(Some(description)).build()
}
