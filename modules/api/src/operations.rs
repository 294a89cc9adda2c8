//! The operations of the API. Each is declared once, by a handler that describes itself, together with what its caller
//! must be. The router, the description in OpenAPI and the table of the authorizer are all made of these declarations.

use std::collections::HashMap;

use axum::Router;
use axum::http::Method;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

use crate::access::Need;
use crate::body;
use crate::state::ApiState;

/// Operations that are being gathered.
#[derive(Default)]
pub(crate) struct Operations {
    router: OpenApiRouter<ApiState>,
    table: OperationTable,
}

impl Operations {
    /// Adds the operations of one handler, `routes!(handler)`, for callers who are what `need` says.
    pub(crate) fn operation(mut self, need: Need, routes: UtoipaMethodRouter<ApiState>) -> Self {
        for (path, item) in &routes.1.paths {
            for (method, operation) in methods(item) {
                let body_limit = operation.request_body.as_ref().map(|_| body::limit_of(path));
                self.table.insert(path, Entry { method, need, body_limit });
            }
        }
        Operations { router: self.router.routes(routes), ..self }
    }

    pub(crate) fn merge(mut self, other: Operations) -> Self {
        for (path, entries) in other.table.0 {
            self.table.0.entry(path).or_default().extend(entries);
        }
        Operations { router: self.router.merge(other.router), ..self }
    }

    /// Whether there is such an operation.
    pub(crate) fn has(&self, method: &str, path: &str) -> bool {
        self.table.0.get(path).is_some_and(|entries| entries.iter().any(|entry| entry.method == method))
    }

    /// The router, the description without what is the same for all operations, and the table.
    pub(crate) fn into_parts(self) -> (Router<ApiState>, utoipa::openapi::OpenApi, OperationTable) {
        let (router, described) = self.router.split_for_parts();
        (router, described, self.table)
    }
}

/// What the pipeline has to know of an operation before its handler is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) method: &'static str,
    pub(crate) need: Need,
    /// Bytes; `None`: the operation takes no body, and one that comes all the same is not read.
    pub(crate) body_limit: Option<usize>,
}

/// All operations, by path.
#[derive(Default)]
pub(crate) struct OperationTable(HashMap<String, Vec<Entry>>);

/// What the table says of a method and a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Lookup {
    Operation(Entry),
    /// The route answers other methods: these.
    OtherMethods {
        /// As the header `Allow` lists them.
        allow: String,
    },
    /// The route is not in the table.
    Unknown,
}

impl OperationTable {
    pub(crate) fn insert(&mut self, path: &str, entry: Entry) {
        self.0.entry(path.to_owned()).or_default().push(entry);
    }

    pub(crate) fn find(&self, method: &Method, route: &str) -> Lookup {
        let Some(entries) = self.0.get(route) else { return Lookup::Unknown };
        let method = if method == Method::HEAD { "GET" } else { method.as_str() };
        if let Some(entry) = entries.iter().find(|entry| entry.method == method) {
            return Lookup::Operation(*entry);
        }
        let names = entries.iter().map(|entry| if entry.method == "GET" { "GET,HEAD" } else { entry.method });
        Lookup::OtherMethods { allow: names.collect::<Vec<_>>().join(",") }
    }

    /// The most bytes that the body of such a request may have; `None` when it takes none.
    pub(crate) fn body_limit(&self, method: &Method, route: &str) -> Option<usize> {
        match self.find(method, route) {
            Lookup::Operation(entry) => entry.body_limit,
            Lookup::OtherMethods { .. } | Lookup::Unknown => None,
        }
    }
}

/// The operations of a path, by their methods in capitals.
fn methods(item: &PathItem) -> impl Iterator<Item = (&'static str, &Operation)> {
    let PathItem { get, put, post, patch, delete, .. } = item;
    let all = [("GET", get), ("PUT", put), ("POST", post), ("PATCH", patch), ("DELETE", delete)];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_ref()?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes;

    #[test]
    fn an_operation_has_the_need_and_the_body_it_was_declared_with() {
        let (_, _, table) = routes::operations().into_parts();
        let find = |method: Method, route| match table.find(&method, route) {
            Lookup::Operation(entry) => Ok((entry.need, entry.body_limit)),
            Lookup::OtherMethods { allow } => Err(allow),
            Lookup::Unknown => Err("unknown".to_owned()),
        };
        assert_eq!(find(Method::HEAD, "/api/v1/products"), Ok((Need::Viewer, None)));
        assert_eq!(find(Method::POST, "/api/v1/products"), Ok((Need::Editor, Some(1 << 20))));
        assert_eq!(find(Method::POST, "/api/v1/products/bulk"), Ok((Need::Editor, Some(8 << 20))));
        assert_eq!(find(Method::PATCH, "/api/v1/products/{id}"), Ok((Need::Editor, Some(1 << 20))));
        assert_eq!(find(Method::POST, "/api/v1/auth/login"), Ok((Need::Nothing, Some(16 << 10))));
        assert_eq!(find(Method::POST, "/api/v1/auth/logout"), Ok((Need::Session, None)));
        assert_eq!(find(Method::PUT, "/api/v1/products"), Err("GET,HEAD,POST".to_owned()));
        assert_eq!(find(Method::GET, "/nowhere"), Err("unknown".to_owned()));
    }
}
