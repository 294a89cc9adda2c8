//! What stands before the router: the reads of single products, which are most of what a catalogue is asked. They are
//! answered right here, without a route to find; one that memory has also without a future to wait for and without a
//! place under the bound on requests. Everything else goes on to the router.

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::future::RouteFuture;
use futures_util::future::Either;
use hotshelf_domain::ProductId;
use hotshelf_stats::{HttpMetrics, HttpSeries};
use hyper::Request;
use hyper::body::Incoming;
use tower_service::Service;

use crate::conditions::freshness;
use crate::edge::{Edge, Passage, REQUEST_ID, begin_trace, log_quick_access};
use crate::negotiation::accepts_json;
use crate::params::id_of;
use crate::router::AppState;
use crate::routes::products::{PRODUCT_ROUTE, find, product_answer};

/// Answers requests. A cheap handle.
#[derive(Clone)]
pub(crate) struct Front {
    products: Option<Arc<ProductReads>>,
    router: Router,
}

/// Answers `GET /api/v1/products/{id}`.
pub(crate) struct ProductReads {
    app: AppState,
    edge: Arc<Edge>,
    answered: HttpSeries,
    not_modified: HttpSeries,
}

type Answer = Result<Response, Infallible>;
type Waiting = Pin<Box<dyn Future<Output = Answer> + Send>>;

impl Front {
    pub(crate) fn new(router: Router, products: Option<ProductReads>) -> Self {
        Front { products: products.map(Arc::new), router }
    }
}

impl hyper::service::Service<Request<Incoming>> for Front {
    type Response = Response;
    type Error = Infallible;
    type Future = Either<Ready<Answer>, Either<Waiting, RouteFuture<Infallible>>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let begin = Instant::now();
        let read = self.products.as_ref().and_then(|products| Some((products, product_read(&request)?)));
        let Some((products, id)) = read else {
            return Either::Right(Either::Right(self.router.clone().call(request)));
        };
        match products.hit(id, &request, begin) {
            Some(response) => Either::Left(ready(Ok(response))),
            None => Either::Right(Either::Left(Box::pin(Arc::clone(products).fetch(id, request)))),
        }
    }
}

/// The product that this request reads, if that is what it does.
fn product_read<B>(request: &Request<B>) -> Option<ProductId> {
    let text = request.uri().path().strip_prefix("/api/v1/products/")?;
    if request.method() == Method::GET { id_of(text) } else { None }
}

impl ProductReads {
    pub(crate) fn new(app: AppState, edge: Arc<Edge>, metrics: &HttpMetrics) -> Self {
        let series = |status: StatusCode| metrics.series("GET", PRODUCT_ROUTE, status.as_str());
        ProductReads { app, edge, answered: series(StatusCode::OK), not_modified: series(StatusCode::NOT_MODIFIED) }
    }

    /// The answer from memory. There is none where anything is special about the request.
    fn hit<B>(&self, id: ProductId, request: &Request<B>, begin: Instant) -> Option<Response> {
        let headers = request.headers();
        if !accepts_json(request.uri(), headers) {
            return None;
        }
        let (product, source) = self.app.products.peek(id, freshness(headers).ok()?)?;
        let mut response = product_answer(headers, id, &product, source, begin);
        let request_id = self.edge.request_id(headers);
        let id = request_id.to_str().unwrap_or_default();
        let trace = begin_trace(request, "GET", PRODUCT_ROUTE, id);
        let status = response.status();
        let series = if status == StatusCode::OK { &self.answered } else { &self.not_modified };
        let taken = begin.elapsed();
        series.record(taken);
        log_quick_access(id, "GET", PRODUCT_ROUTE, status, taken);
        trace.end(status.as_u16());
        response.headers_mut().insert(REQUEST_ID, request_id);
        Some(response)
    }

    async fn fetch(self: Arc<Self>, id: ProductId, request: Request<Incoming>) -> Answer {
        let passage = Passage::of(&request, PRODUCT_ROUTE, &self.edge);
        let headers: HeaderMap = request.into_parts().0.headers;
        // Pinned here, it is handed down as a pointer instead of being moved from one future into the next.
        let answering = pin!(async { find(&self.app, id, &headers).await.into_response() });
        Ok(self.edge.pass(passage, answering).await)
    }
}
