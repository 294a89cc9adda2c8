//! The operations of the API, as `routes.rs` lists them: handlers with their OpenAPI attributes, and who may use them.
//! The router, the OpenAPI document and the table that the pipeline looks up are built from this list.

use std::collections::HashMap;

use axum::Router;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hotshelf_domain::Area;
use utoipa::openapi::RefOr;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

use crate::body;
use crate::content;
use crate::problem::Problem;
use crate::state::ApiState;

/// Who may use an operation with `AUTH=on`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// No authentication.
    Public,
    /// No authentication. Observers see details.
    Report,
    /// Any role: reads within the caller's organization.
    Viewer,
    /// Role editor: writes within the caller's organization.
    Editor,
    /// Role admin: manages the users of the caller's organization.
    Admin,
    /// Role admin of the built-in organization: operations that concern all organizations.
    Operator,
    /// Any role of the built-in organization, unless the metrics are open to all.
    Observer,
    /// A session of any role: an API key may not do what outlives it.
    Session,
    /// A session, or a token of an outside issuer, of any role: an operation that ends it.
    Ending,
    /// Role admin, by a session, with a verified address.
    AdminSession,
    /// The same of the built-in organization: operations that end rights in other organizations.
    OperatorSession,
}

/// A set of operations.
pub(crate) struct Operations {
    /// Of the operations that are added next.
    area: Area,
    router: OpenApiRouter<ApiState>,
    table: OperationTable,
}

impl Operations {
    /// A set without any, whose first ones will be of this area.
    pub(crate) fn in_area(area: Area) -> Self {
        Operations { area, router: OpenApiRouter::default(), table: OperationTable::default() }
    }

    /// The operations that are added next are of this area: an API key with scopes needs this one.
    pub(crate) fn area(self, area: Area) -> Self {
        Operations { area, ..self }
    }

    /// Adds the operations of one handler, `routes!(handler)`, with who may use them.
    pub(crate) fn operation(mut self, access: Access, mut routes: UtoipaMethodRouter<ApiState>) -> Self {
        for (path, item) in &mut routes.1.paths {
            for (method, operation) in methods(item) {
                let body_limit = operation.request_body.as_ref().map(|_| body::limit_of(path));
                let conditional = parameters(operation).any(|name| name == "If-Match");
                self.table.insert(path, Entry { method, area: self.area, access, body_limit, conditional });
            }
        }
        Operations { router: self.router.routes(routes), ..self }
    }

    /// Whether there is such an operation.
    pub(crate) fn has(&self, method: &str, path: &str) -> bool {
        self.table.0.get(path).is_some_and(|entries| entries.iter().any(|entry| entry.method == method))
    }

    /// The router, the OpenAPI document of the handlers alone, and the table.
    pub(crate) fn into_parts(self) -> (Router<ApiState>, utoipa::openapi::OpenApi, OperationTable) {
        let (router, described) = self.router.split_for_parts();
        (router, described, self.table)
    }
}

/// What the pipeline needs to know of an operation before it calls the handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) method: &'static str,
    pub(crate) area: Area,
    pub(crate) access: Access,
    /// Maximum size (bytes) of the body; `None`: the operation takes no body, and none is read.
    pub(crate) body_limit: Option<usize>,
    /// Whether the handler evaluates the preconditions of a write, because what it changes has an entity tag.
    pub(crate) conditional: bool,
}

/// All operations, by path.
#[derive(Default)]
pub(crate) struct OperationTable(HashMap<String, Vec<Entry>>);

impl OperationTable {
    pub(crate) fn insert(&mut self, path: &str, entry: Entry) {
        self.0.entry(path.to_owned()).or_default().push(entry);
    }

    /// Whether the route can be read.
    pub(crate) fn is_readable(&self, route: &str) -> bool {
        self.0.get(route).is_some_and(|entries| entries.iter().any(|entry| entry.method == "GET"))
    }

    /// The operation of that method and route. 405 if the route has other methods only.
    pub(crate) fn find(&self, method: &Method, route: &str) -> Result<Entry, Problem> {
        let Some(entries) = self.0.get(route) else {
            return Err(Problem::internal(format!("no rule says who may use {method} {route}")));
        };
        let name = if method == Method::HEAD { "GET" } else { method.as_str() };
        entries
            .iter()
            .find(|entry| entry.method == name)
            .copied()
            .ok_or_else(|| Problem::method_not_allowed(method, &self.allowed(route)))
    }

    /// Who may ask for the methods of a route: who may call one of them.
    pub(crate) fn access_to_options(&self, route: &str) -> Access {
        let public =
            |entries: &Vec<Entry>| entries.iter().any(|entry| matches!(entry.access, Access::Public | Access::Report));
        if self.0.get(route).is_none_or(public) { Access::Public } else { Access::Viewer }
    }

    /// The methods of a route, separated by commas.
    pub(crate) fn allowed(&self, route: &str) -> String {
        let entries = self.0.get(route).into_iter().flatten();
        let names = entries.map(|entry| if entry.method == "GET" { "GET,HEAD" } else { entry.method });
        names.chain(["OPTIONS"]).collect::<Vec<_>>().join(",")
    }

    /// The answer to `OPTIONS`.
    pub(crate) fn options(&self, route: Option<&str>, path: &str) -> Result<Response, Problem> {
        let allowed = match route {
            Some(route) => self.allowed(route),
            // The service as a whole.
            None if path == "*" => "GET,HEAD,POST,PUT,PATCH,DELETE,OPTIONS".to_owned(),
            None => return Err(Problem::unknown_path(path)),
        };
        let patches = allowed.contains("PATCH").then_some((content::ACCEPT_PATCH, content::PATCHES));
        let allowed = HeaderValue::try_from(allowed).map_err(Problem::internal)?;
        let headers: HeaderMap = patches.into_iter().chain([(header::ALLOW, allowed)]).collect();
        Ok((StatusCode::NO_CONTENT, headers).into_response())
    }
}

/// The operations of a path with their methods in upper case.
pub(crate) fn methods(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    let PathItem { get, put, post, patch, delete, .. } = item;
    let all = [("GET", get), ("PUT", put), ("POST", post), ("PATCH", patch), ("DELETE", delete)];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// The names of the parameters of an operation.
fn parameters(operation: &Operation) -> impl Iterator<Item = &str> {
    operation.parameters.iter().flatten().filter_map(|parameter| match parameter {
        RefOr::T(parameter) => Some(parameter.name.as_str()),
        RefOr::Ref(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes;

    #[test]
    fn an_operation_has_the_access_and_the_body_it_was_declared_with() {
        let (_, _, table) = routes::operations().into_parts();
        let find = |method: Method, route| match table.find(&method, route) {
            Ok(entry) => Ok((entry.access, entry.body_limit)),
            Err(problem) => {
                let response = problem.into_response();
                let allow = response.headers().get("allow").map(|allow| allow.to_str().unwrap().to_owned());
                Err((response.status().as_u16(), allow.unwrap_or_default()))
            }
        };
        assert_eq!(find(Method::HEAD, "/api/v1/products"), Ok((Access::Viewer, None)));
        assert_eq!(find(Method::POST, "/api/v1/products"), Ok((Access::Editor, Some(1 << 20))));
        assert_eq!(find(Method::POST, "/api/v1/products/bulk"), Ok((Access::Editor, Some(8 << 20))));
        assert_eq!(find(Method::PATCH, "/api/v1/products/{id}"), Ok((Access::Editor, Some(1 << 20))));
        assert_eq!(find(Method::POST, "/api/v1/auth/login"), Ok((Access::Public, Some(16 << 10))));
        assert_eq!(find(Method::POST, "/api/v1/auth/logout"), Ok((Access::Ending, None)));
        assert_eq!(find(Method::PUT, "/api/v1/products"), Err((405, "GET,HEAD,POST,OPTIONS".to_owned())));
        assert_eq!(find(Method::GET, "/nowhere"), Err((500, String::new())));
    }
}
