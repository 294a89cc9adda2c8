//! The security schemes.

use utoipa::Modify;
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{Components, OpenApi};

use crate::cookie::COOKIE;

/// Adds the security schemes: a bearer token, a cookie, or nothing with `AUTH=off`.
pub(crate) struct Tokens;

impl Modify for Tokens {
    fn modify(&self, api: &mut OpenApi) {
        let components = api.components.get_or_insert_with(Components::new);
        let bearer =
            HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("token of a session or of an API key"));
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer.build()));
        components.add_security_scheme("cookie", SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new(COOKIE))));
        let none: [&str; 0] = [];
        // One of them, or nothing with `AUTH=off`.
        api.security = Some(vec![
            SecurityRequirement::default(),
            SecurityRequirement::new("bearer", none),
            SecurityRequirement::new("cookie", none),
        ]);
    }
}
