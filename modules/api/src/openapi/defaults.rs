//! What all operations have: an id in the path is described alike, and so are the credentials and the errors that do
//! not depend on what an operation does. What is optional is omitted, never `null`.

use axum::http::Method;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::SchemaType;
use utoipa::openapi::{
    Content, ContentBuilder, Header, HeaderBuilder, Object, OpenApi, Ref, RefOr, Required, ResponseBuilder, Schema,
    SecurityRequirement, Type,
};

use super::rules;
use crate::authorizer::is_about_users;
use crate::operations::{Access, OperationTable, methods};
use crate::problem::Dialect;

/// Errors of a request body.
const OF_BODIES: [(&str, &str); 4] = [
    ("400", "the request is invalid: `errors` lists every invalid field"),
    ("408", "the request body arrived too slowly"),
    ("413", "the request body is too large"),
    ("415", "the request body is not application/json"),
];

/// Errors of requests that need credentials.
const OF_CREDENTIALS: [(&str, &str); 2] =
    [("401", "the credentials are missing, invalid, revoked or expired"), ("403", "the caller may not do this")];

/// Adds the parameter `id`, the credentials, the common errors, and the error body to the errors that handlers
/// describe. `with_users`: requests need credentials.
pub(super) fn complete(api: &mut OpenApi, table: &OperationTable, with_users: bool) {
    for (path, item) in &mut api.paths.paths {
        for (method, operation) in methods(item) {
            if path.contains("{id}") {
                operation.parameters.get_or_insert_default().insert(0, RefOr::T(id()));
            }
            for parameter in operation.parameters.iter_mut().flatten() {
                if let RefOr::T(Parameter { schema: Some(schema), .. }) = parameter {
                    never_null(schema);
                }
            }
            let access = Method::try_from(method).ok().and_then(|method| table.find(&method, path).ok());
            let public = !with_users || access.is_some_and(|entry| entry.access == Access::Public);
            let report = access.is_some_and(|entry| entry.access == Access::Report);
            operation.security = Some(match () {
                () if public => Vec::new(),
                () if report => [vec![SecurityRequirement::default()], credentials()].concat(),
                () => credentials(),
            });
            add_errors(path, operation, public || report);
        }
    }
    for schema in api.components.iter_mut().flat_map(|components| components.schemas.values_mut()) {
        if let RefOr::T(Schema::Object(object)) = schema {
            let optional = object.properties.iter_mut().filter(|(name, _)| !object.required.contains(name));
            optional.for_each(|(_, schema)| never_null(schema));
        }
    }
}

fn id() -> Parameter {
    let id = ParameterBuilder::new().name("id").parameter_in(ParameterIn::Path).required(Required::True);
    id.schema(Some(rules::id())).build()
}

fn credentials() -> Vec<SecurityRequirement> {
    ["bearer", "cookie"].map(|scheme| SecurityRequirement::new(scheme, Vec::<String>::new())).into()
}

fn is_null(schema: &RefOr<Schema>) -> bool {
    matches!(schema, RefOr::T(Schema::Object(object)) if object.schema_type == SchemaType::Type(Type::Null))
}

/// Removes `null` from the values that a schema allows.
fn never_null(schema: &mut RefOr<Schema>) {
    let without = |kind: &mut SchemaType| {
        if let SchemaType::Array(kinds) = kind {
            kinds.retain(|kind| *kind != Type::Null);
            if let [one] = kinds.as_slice() {
                *kind = SchemaType::Type(one.clone());
            }
        }
    };
    match schema {
        RefOr::T(Schema::Object(object)) => without(&mut object.schema_type),
        RefOr::T(Schema::Array(array)) => without(&mut array.schema_type),
        RefOr::T(Schema::OneOf(one_of)) => {
            one_of.items.retain(|item| !is_null(item));
            if let [one] = one_of.items.as_slice() {
                *schema = one.clone();
            }
        }
        _ => {}
    }
}

fn add_errors(path: &str, operation: &mut Operation, public: bool) {
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
    let described = |description: &str| ResponseBuilder::new().description(description);
    for (status, description) in OF_BODIES.into_iter().filter(|_| takes_body) {
        add(status, described(description));
    }
    if !bare {
        add("400", described("the request is malformed, or a parameter is invalid"));
        add("406", described("the client accepts no application/json"));
        add("412", described("a precondition of the request does not hold"));
        add("417", described("the client expects something other than 100-continue"));
        add("421", described("the request is for a host that this service does not answer for"));
        add("429", rate_limited());
    }
    if is_about_users(path) {
        add("404", described("the service has no users: it was started with AUTH=off"));
    }
    for (status, description) in OF_CREDENTIALS.into_iter().filter(|_| !public) {
        add(status, described(description));
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
