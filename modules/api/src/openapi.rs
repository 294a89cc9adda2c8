//! The OpenAPI document, served at `/api/v1/openapi.json`. Handlers describe their operations. Here are the schemas of
//! bodies that are made of cached bytes or of domain types, and what is the same for all operations.

#[expect(dead_code, reason = "these types describe bodies and are never built")]
mod accounts;
#[expect(dead_code, reason = "these types describe bodies and are never built")]
mod catalogue;
mod defaults;
#[expect(dead_code, reason = "these types describe parameters and are never built")]
mod parameters;

use std::sync::{Arc, LazyLock};

use axum::http::header;
use axum::routing::{self, MethodRouter};
use bytes::Bytes;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Components, OpenApi as Description};
use utoipa::{Modify, OpenApi};

use crate::cookie::SECURE_NAME;
use crate::problem::Problem;
pub(crate) use parameters::*;

/// The schemas of bodies, under the names that they have in the document.
pub(crate) mod schemas {
    pub(crate) use super::accounts::*;
    pub(crate) use super::catalogue::*;
}

#[derive(OpenApi)]
#[openapi(
    info(title = "hotshelf", description = "A product-catalogue service whose heart is a cache that never lies."),
    components(schemas(schemas::Problem)),
    // Nothing with `AUTH=off`, else one of the two.
    security((), ("bearer" = []), ("cookie" = [])),
    modifiers(&SecuritySchemes)
)]
struct Document;

struct SecuritySchemes;

impl Modify for SecuritySchemes {
    fn modify(&self, api: &mut Description) {
        let components = api.components.get_or_insert_with(Components::new);
        let bearer =
            HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("token of a session or of an API key"));
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer.build()));
        components.add_security_scheme("cookie", SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new(SECURE_NAME))));
    }
}

/// The whole document: the operations of the handlers, and what is the same for all of them.
pub(crate) fn document(operations: Description) -> Description {
    let mut document = Document::openapi();
    document.merge(operations);
    defaults::complete(&mut document);
    document
}

/// Serves the document, from the first request on as bytes: `operations` are the operations of the handlers. Built at
/// the start, it would only raise the memory of instances that are never asked for it.
pub(crate) fn route<S: Clone + Send + Sync + 'static>(operations: fn() -> Description) -> MethodRouter<S> {
    let build = move || document(operations()).to_json().map(Bytes::from).map_err(|error| error.to_string());
    let json = Arc::new(LazyLock::new(build));
    routing::get(async move || {
        let json = LazyLock::force(&json).clone().map_err(Problem::internal);
        json.map(|json| ([(header::CONTENT_TYPE, "application/json")], json))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes;

    #[test]
    fn every_operation_names_the_refusals_that_do_not_depend_on_it() {
        let (_, described, _) = routes::operations().into_parts();
        let api = serde_json::to_value(document(described)).unwrap();
        let (mut operations, mut with_body) = (0, 0);
        for (path, item) in api["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let responses = operation["responses"].as_object().unwrap();
                let named = |status: &str| responses.contains_key(status);
                let takes_body = operation.get("requestBody").is_some();
                assert!(named("503"), "{method} {path}");
                assert!(["408", "413", "415"].iter().all(|status| named(status) == takes_body), "{method} {path}");
                assert!(!takes_body || named("400"), "{method} {path}");
                let probed = path.starts_with("/health") || path == "/metrics";
                assert_eq!(named("429"), !probed, "{method} {path}");
                operations += 1;
                with_body += usize::from(takes_body);
            }
        }
        assert!(operations > 40 && with_body > 10, "{operations} {with_body}");
    }
}
