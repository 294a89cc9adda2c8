//! The responses that are the same for all operations.

use utoipa::Modify;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::{
    Content, ContentBuilder, Header, HeaderBuilder, Object, OpenApi, Ref, RefOr, Response, ResponseBuilder, Type,
};

use crate::problem::Dialect;

/// Adds the errors that do not depend on what an operation does, and the error body to those that handlers describe.
pub(super) struct Refusals;

impl Modify for Refusals {
    fn modify(&self, api: &mut OpenApi) {
        for (path, item) in &mut api.paths.paths {
            for operation in operations(item) {
                let takes_body = operation.request_body.is_some();
                let responses = &mut operation.responses.responses;
                if !is_bare(path) {
                    for (status, response) in responses.iter_mut() {
                        add_body(status, response, Dialect::of(path));
                    }
                    responses.entry("429".to_owned()).or_insert_with(|| rate_limited(path).into());
                }
                if takes_body {
                    for (status, description) in OF_BODIES {
                        responses.entry(status.to_owned()).or_insert_with(|| refusal(path, description).build().into());
                    }
                }
                responses.entry("503".to_owned()).or_insert_with(|| unavailable(path).into());
            }
        }
    }
}

/// Errors of a request body.
const OF_BODIES: [(&str, &str); 4] = [
    ("400", "the request is invalid: `errors` lists every invalid field"),
    ("408", "the request body arrived too slowly"),
    ("413", "the request body is too large"),
    ("415", "the request body is not application/json"),
];

/// Whether the path is for probes or Prometheus. These have no rate limit, and the errors that they describe have
/// bodies of their own.
fn is_bare(path: &str) -> bool {
    path.starts_with("/health") || path == "/metrics"
}

fn add_body(status: &str, response: &mut RefOr<Response>, dialect: Dialect) {
    let RefOr::T(response) = response else { return };
    if status.starts_with(['4', '5']) && response.content.is_empty() {
        response.content.insert(dialect.media_type().to_owned(), RefOr::T(content(dialect)));
    }
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

fn refusal(path: &str, description: &str) -> ResponseBuilder {
    let dialect = Dialect::of(path);
    ResponseBuilder::new().description(description).content(dialect.media_type(), content(dialect))
}

fn rate_limited(path: &str) -> Response {
    refusal(path, "rate limit exceeded")
        .header("Retry-After", header(Type::Integer, "seconds until the next request is allowed"))
        .header("RateLimit-Policy", header(Type::String, "the limit: `\"api\";q=100;w=60` means 100 requests per 60 s"))
        .header(
            "RateLimit",
            header(Type::String, "the state: `\"api\";r=0;t=12` means 0 requests left, the next one in 12 s"),
        )
        .build()
}

fn unavailable(path: &str) -> Response {
    refusal(path, "the service is overloaded or shutting down, or the database is unavailable: try again later")
        .header("Retry-After", header(Type::Integer, "seconds until the request should be repeated"))
        .build()
}

fn header(kind: Type, description: &str) -> Header {
    HeaderBuilder::new().schema(Some(Object::with_type(kind))).description(Some(description)).build()
}
