//! The OpenAPI document, served at `/api/v1/openapi.json`. Handlers describe their operations. Here are the schemas of
//! bodies that are made of cached bytes or of domain types, and what is the same for all operations.

#[expect(dead_code, reason = "these types describe bodies and are never built")]
mod accounts;
#[expect(dead_code, reason = "these types describe bodies and are never built")]
mod catalogue;
mod defaults;
#[expect(dead_code, reason = "these types describe parameters and are never built")]
mod parameters;
mod rules;

use std::sync::{Arc, LazyLock};

use axum::Extension;
use axum::http::header;
use axum::routing::{self, MethodRouter};
use bytes::Bytes;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Components, OpenApi as Description};
use utoipa::{Modify, OpenApi};

use crate::compression::Lasting;
use crate::cookie::SECURE_NAME;
use crate::operations::Operations;
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

/// The whole document: the operations of the handlers, and what is the same for all of them. `with_users`: requests
/// need credentials.
pub(crate) fn document(operations: Operations, with_users: bool) -> Description {
    let (_, described, table) = operations.into_parts();
    let mut document = Document::openapi();
    document.merge(described);
    defaults::complete(&mut document, &table, with_users);
    document
}

/// Serves the document, from the first request on as bytes: `operations` are the operations of the handlers. Built at
/// the start, it would only raise the memory of instances that are never asked for it.
pub(crate) fn route<S: Clone + Send + Sync + 'static>(
    operations: fn() -> Operations,
    with_users: bool,
) -> MethodRouter<S> {
    let build = move || {
        let json = document(operations(), with_users).to_json();
        json.map(Bytes::from).map_err(|error| error.to_string())
    };
    let json = Arc::new(LazyLock::new(build));
    routing::get(async move || {
        let json = LazyLock::force(&json).clone().map_err(Problem::internal);
        json.map(|json| ([(header::CONTENT_TYPE, "application/json")], Extension(Lasting), json))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes;

    #[test]
    fn every_operation_names_the_refusals_that_do_not_depend_on_it() {
        let api = serde_json::to_value(document(routes::operations(), true)).unwrap();
        let (mut operations, mut with_body) = (0, 0);
        for (path, item) in api["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let responses = operation["responses"].as_object().unwrap();
                let named = |status: &str| responses.contains_key(status);
                let takes_body = operation.get("requestBody").is_some();
                assert!(named("503"), "{method} {path}");
                assert!(["408", "413", "415"].iter().all(|status| named(status) == takes_body), "{method} {path}");
                let security = &operation["security"];
                let public = *security == serde_json::json!([]) || security[0] == serde_json::json!({});
                assert!(["401", "403"].iter().all(|status| public || named(status)), "{method} {path}");
                let probed = path.starts_with("/health") || path == "/metrics";
                let of_requests = ["400", "406", "412", "417", "421", "429"];
                assert!(of_requests.iter().all(|status| named(status) != probed), "{method} {path}");
                operations += 1;
                with_body += usize::from(takes_body);
            }
        }
        assert!(operations > 40 && with_body > 10, "{operations} {with_body}");
    }

    #[test]
    fn credentials_are_described_as_they_are_required() {
        let security = |with_users: bool, method: &str, path: &str| {
            let api = serde_json::to_value(document(routes::operations(), with_users)).unwrap();
            api["paths"][path][method]["security"].clone()
        };
        let required = serde_json::json!([{"bearer": []}, {"cookie": []}]);
        let none = serde_json::json!([]);
        assert_eq!(security(true, "get", "/api/v1/products"), required);
        assert_eq!(security(true, "post", "/api/v1/auth/login"), none);
        assert_eq!(security(true, "get", "/health"), serde_json::json!([{}, {"bearer": []}, {"cookie": []}]));
        assert_eq!(security(false, "get", "/api/v1/products"), none);
    }

    #[test]
    fn no_optional_value_may_be_null() {
        let api = serde_json::to_value(document(routes::operations(), true)).unwrap();
        let schemas = &api["components"]["schemas"];
        assert_eq!(schemas["ProductChange"]["properties"]["stock"]["type"], "integer");
        assert_eq!(schemas["Envelope"]["properties"]["data"]["$ref"], "#/components/schemas/EnvelopeData");
        assert_eq!(schemas["ProductPage"]["properties"]["next_cursor"]["type"], serde_json::json!(["string", "null"]));
        let parameters = api["paths"]["/api/v1/products"]["get"]["parameters"].as_array().unwrap();
        assert!(parameters.iter().all(|parameter| parameter["schema"]["type"].is_string()), "{parameters:?}");
    }
}
