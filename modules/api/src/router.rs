//! The router and the layers around it.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRef;
use axum::http::{HeaderValue, Method, Uri};
use axum::{Router, middleware};
use hotshelf_domain::Area;
use hotshelf_stats::{MetricsError, Registry};
use tokio_util::sync::CancellationToken;
use tower_http::cors::{AllowHeaders, AllowOrigin, Any, CorsLayer};

use crate::fast_path::{ApiService, ProductFastPath};
use crate::metrics::HttpMetrics;
use crate::openapi;
use crate::operations::{Access, Entry};
use crate::options::ApiOptions;
use crate::pipeline::{self, RequestPipeline};
use crate::problem::Problem;
use crate::routes;
use crate::state::ApiState;

/// The path of the OpenAPI document. The document does not list it.
const OPENAPI_ROUTE: &str = "/api/v1/openapi.json";
/// How long a browser may remember the answer to a preflight request.
const PREFLIGHT_MAX_AGE: Duration = Duration::from_secs(600);

/// Whether the API describes such a route, `GET` and `/api/v1/products/{id}`.
pub fn has_route(method: &str, path: &str) -> bool {
    routes::operations().has(method, path)
}

/// Builds the service. After `stopping`, no request body is waited for.
pub(crate) fn service(
    state: ApiState,
    options: &ApiOptions,
    stopping: CancellationToken,
) -> Result<ApiService, MetricsError> {
    let registry = Registry::from_ref(&state);
    let metrics = HttpMetrics::register(&registry)?;
    let (operations, _, mut table) = routes::operations().into_parts();
    let document =
        Entry { method: "GET", area: Area::Products, access: Access::Public, body_limit: None, conditional: false };
    table.insert(OPENAPI_ROUTE, document);
    let routes = operations.route(OPENAPI_ROUTE, openapi::route(routes::operations, options.users.is_some()));
    let pipeline = Arc::new(RequestPipeline::new(&state, options, table, metrics.clone(), stopping));
    let seen = Arc::clone(&pipeline);
    let help = "Requests under way, but those that memory answers at once";
    registry.watch_gauge("http_requests_under_way", help, &[], move || seen.under_way() as u64);
    let seen = Arc::clone(&pipeline);
    let help = "Bodies of requests that are waited for";
    registry.watch_gauge("http_uploads_under_way", help, &[], move || seen.uploads.under_way() as u64);
    Ok(match cors(&options.cors_origins) {
        // CORS headers depend on each request, so every request must pass the layer.
        Some(cors) => ApiService::new(router(routes, state, pipeline).layer(cors), None),
        None => {
            let products = ProductFastPath::new(&state, Arc::clone(&pipeline), &metrics);
            ApiService::new(router(routes, state, pipeline), Some(products))
        }
    })
}

fn router(routes: Router<ApiState>, state: ApiState, pipeline: Arc<RequestPipeline>) -> Router {
    routes
        .fallback(unknown_path)
        .with_state(state)
        .layer(middleware::from_fn_with_state(pipeline, pipeline::middleware))
}

async fn unknown_path(uri: Uri) -> Problem {
    Problem::unknown_path(uri.path())
}

/// Off unless origins are configured; `*` allows all.
fn cors(origins: &[String]) -> Option<CorsLayer> {
    let origin = match origins {
        [] => return None,
        origins if origins.iter().any(|origin| origin == "*") => AllowOrigin::any(),
        origins => AllowOrigin::list(origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok())),
    };
    let layer = CorsLayer::new()
        .allow_origin(origin)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers(Any)
        .max_age(PREFLIGHT_MAX_AGE);
    Some(layer)
}
