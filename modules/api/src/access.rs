//! Who may do what: one row for each operation. An operation without a row answers nobody.

use std::collections::HashMap;

use axum::http::Method;

/// What a caller must be when users are on (`AUTH=on`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// Anybody.
    Nothing,
    /// Somebody of any role: reading, within the caller's organization.
    Viewer,
    /// Writing, within the caller's organization.
    Editor,
    /// Deciding who may, within the caller's organization.
    Admin,
    /// An admin of the built-in organization: what concerns all organizations.
    Operator,
    /// Somebody of the built-in organization, unless the numbers are open to all.
    Observer,
    /// A person with a session, whatever the role: an API key cannot do what outlives it.
    Person,
    /// An admin, and a person with a session.
    AdminInPerson,
}

use Need::{Admin, AdminInPerson, Editor, Nothing, Observer, Operator, Person, Viewer};

/// Method, route, need.
pub(crate) const ACCESS: &[(&str, &str, Need)] = &[
    ("GET", "/api/v1/products", Viewer),
    ("POST", "/api/v1/products", Editor),
    ("GET", "/api/v1/products/{id}", Viewer),
    ("PUT", "/api/v1/products/{id}", Editor),
    ("PATCH", "/api/v1/products/{id}", Editor),
    ("DELETE", "/api/v1/products/{id}", Editor),
    ("GET", "/api/v1/products/{id}/details", Viewer),
    ("PUT", "/api/v1/products/{id}/details", Editor),
    ("POST", "/api/v1/products/bulk", Editor),
    ("POST", "/api/v1/products/bulk-delete", Editor),
    ("GET", "/products/{id}", Viewer),
    ("POST", "/products", Editor),
    ("PUT", "/products/{id}", Editor),
    ("GET", "/api/v1/organizations", Viewer),
    ("POST", "/api/v1/organizations", Operator),
    ("GET", "/api/v1/organizations/{id}", Viewer),
    ("GET", "/api/v1/organizations/{id}/products", Viewer),
    ("GET", "/api/v1/organizations/{id}/product-ids", Viewer),
    ("POST", "/api/v1/schemas", Editor),
    ("GET", "/api/v1/schemas/{id}", Viewer),
    ("PUT", "/api/v1/schemas/{id}", Editor),
    ("GET", "/api/v1/schemas/{id}/products", Viewer),
    ("GET", "/api/v1/schemas/{id}/product-ids", Viewer),
    // It counts the products of all organizations.
    ("GET", "/api/v1/analytics/catalogue", Operator),
    ("DELETE", "/api/v1/cache", Operator),
    ("POST", "/api/v1/cache/warm", Operator),
    ("GET", "/api/v1/cache/stats", Observer),
    ("POST", "/api/v1/cache/stats/reset", Operator),
    ("GET", "/metrics", Observer),
    ("GET", "/health", Nothing),
    ("GET", "/health/live", Nothing),
    ("GET", "/health/ready", Nothing),
    ("GET", "/api/v1/openapi.json", Nothing),
    ("POST", "/api/v1/auth/register", Nothing),
    ("POST", "/api/v1/auth/login", Nothing),
    ("POST", "/api/v1/auth/forgot-password", Nothing),
    ("POST", "/api/v1/auth/reset-password", Nothing),
    ("POST", "/api/v1/auth/logout", Person),
    ("GET", "/api/v1/auth/session", Person),
    ("GET", "/api/v1/auth/sessions", Person),
    ("DELETE", "/api/v1/auth/sessions", Person),
    ("DELETE", "/api/v1/auth/sessions/{id}", Person),
    ("POST", "/api/v1/auth/change-password", Person),
    ("GET", "/api/v1/auth/api-keys", Person),
    ("POST", "/api/v1/auth/api-keys", Person),
    ("DELETE", "/api/v1/auth/api-keys/{id}", Person),
    ("GET", "/api/v1/users", Admin),
    ("POST", "/api/v1/users", AdminInPerson),
    ("GET", "/api/v1/users/{id}", Admin),
    ("PATCH", "/api/v1/users/{id}", AdminInPerson),
    ("DELETE", "/api/v1/users/{id}", AdminInPerson),
    ("DELETE", "/api/v1/users/{id}/sessions", AdminInPerson),
];

/// What the table says of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// The caller must be that.
    Needs(Need),
    /// The route answers other methods: these.
    OtherMethods {
        /// As the header `Allow` lists them.
        allow: String,
    },
    /// The route is not in the table.
    Unknown,
}

/// The table, by route.
pub(crate) struct Rules(HashMap<&'static str, Vec<(&'static str, Need)>>);

impl Rules {
    pub(crate) fn new() -> Self {
        let mut rules: HashMap<_, Vec<_>> = HashMap::new();
        for (method, route, need) in ACCESS {
            rules.entry(*route).or_default().push((*method, *need));
        }
        Rules(rules)
    }

    pub(crate) fn of(&self, method: &Method, route: &str) -> Rule {
        let Some(methods) = self.0.get(route) else { return Rule::Unknown };
        let method = if method == Method::HEAD { "GET" } else { method.as_str() };
        if let Some((_, need)) = methods.iter().find(|(known, _)| *known == method) {
            return Rule::Needs(*need);
        }
        let names = methods.iter().map(|(method, _)| if *method == "GET" { "GET,HEAD" } else { method });
        Rule::OtherMethods { allow: names.collect::<Vec<_>>().join(",") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openapi;

    /// With this, a route without a row is found by the tests of the service, which walk all rows.
    #[test]
    fn the_table_has_what_is_described() {
        let described = openapi::operations();
        let mut rows: Vec<_> = ACCESS.iter().map(|(method, route, _)| format!("{method} {route}")).collect();
        rows.sort();
        rows.retain(|row| row != "GET /api/v1/openapi.json");
        assert_eq!(rows, described);
    }
}
