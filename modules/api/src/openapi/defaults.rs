//! What all operations have: an id in the path is described alike, and so are the errors that do not depend on what an
//! operation does.

use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{KnownFormat, SchemaFormat};
use utoipa::openapi::{
    Content, ContentBuilder, Header, HeaderBuilder, Object, ObjectBuilder, OpenApi, Ref, RefOr, Required,
    ResponseBuilder, Type,
};

use crate::operations::methods;
use crate::problem::Dialect;

/// Errors of a request body.
const OF_BODIES: [(&str, &str); 4] = [
    ("400", "the request is invalid: `errors` lists every invalid field"),
    ("408", "the request body arrived too slowly"),
    ("413", "the request body is too large"),
    ("415", "the request body is not application/json"),
];

/// Adds the parameter `id`, the common errors, and the error body to the errors that handlers describe.
pub(super) fn complete(api: &mut OpenApi) {
    for (path, item) in &mut api.paths.paths {
        for (_, operation) in methods(item) {
            if path.contains("{id}") {
                operation.parameters.get_or_insert_default().insert(0, RefOr::T(id()));
            }
            add_errors(path, operation);
        }
    }
}

fn id() -> Parameter {
    let number = ObjectBuilder::new().schema_type(Type::Integer);
    let number = number.format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64))).minimum(Some(1));
    let id = ParameterBuilder::new().name("id").parameter_in(ParameterIn::Path).required(Required::True);
    id.schema(Some(number)).build()
}

fn add_errors(path: &str, operation: &mut Operation) {
    let takes_body = operation.request_body.is_some();
    let responses = &mut operation.responses.responses;
    // Probes and metrics have no rate limit, and the errors that they describe have bodies of their own.
    let bare = path.starts_with("/health") || path == "/metrics";
    let dialect = Dialect::of(path);
    for (_, response) in responses.iter_mut().filter(|(status, _)| !bare && status.starts_with(['4', '5'])) {
        if let RefOr::T(response) = response
            && response.content.is_empty()
        {
            response.content.insert(dialect.media_type().to_owned(), RefOr::T(body(dialect)));
        }
    }
    let mut add = |status: &str, error: ResponseBuilder| {
        let error = error.content(dialect.media_type(), body(dialect));
        responses.entry(status.to_owned()).or_insert_with(|| error.build().into());
    };
    if !bare {
        add("429", rate_limited());
    }
    for (status, description) in OF_BODIES.into_iter().filter(|_| takes_body) {
        add(status, ResponseBuilder::new().description(description));
    }
    add("503", unavailable());
}

fn body(dialect: Dialect) -> Content {
    let schema = match dialect {
        Dialect::Problem => "Problem",
        Dialect::Envelope => "Envelope",
    };
    ContentBuilder::new().schema(Some(Ref::from_schema_name(schema))).build()
}

fn rate_limited() -> ResponseBuilder {
    ResponseBuilder::new()
        .description("rate limit exceeded")
        .header("Retry-After", header(Type::Integer, "seconds until the next request is allowed"))
        .header("RateLimit-Policy", header(Type::String, "the limit: `\"api\";q=100;w=60` means 100 requests per 60 s"))
        .header(
            "RateLimit",
            header(Type::String, "the state: `\"api\";r=0;t=12` means 0 requests left, the next one in 12 s"),
        )
}

fn unavailable() -> ResponseBuilder {
    ResponseBuilder::new()
        .description("the service is overloaded or shutting down, or the database is unavailable: try again later")
        .header("Retry-After", header(Type::Integer, "seconds until the request should be repeated"))
}

fn header(kind: Type, description: &str) -> Header {
    HeaderBuilder::new().schema(Some(Object::with_type(kind))).description(Some(description)).build()
}
