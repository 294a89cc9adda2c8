//! The fast path in front of the router: `GET /api/v1/products/{id}`, the bulk of the load of a catalogue. It skips
//! routing. A memory hit also needs no boxed future and no permit of the bound on concurrent requests. Every other
//! request goes to the router.

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::FromRef;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::future::RouteFuture;
use futures_util::future::Either;
use hotshelf_domain::ProductId;
use hotshelf_product::ProductService;
use hotshelf_ratelimit::{Decision, Subject};
use hyper::Request;
use hyper::body::Incoming;
use tower_service::Service as _;

use crate::caller::Caller;
use crate::client::Peer;
use crate::compression::{AcceptedCodings, Compression};
use crate::conditions::{MIN_VERSION, freshness, version_tag};
use crate::limits::{self, LimitHeaders, Policy, RequestLimits};
use crate::metrics::{HttpMetrics, HttpSeries};
use crate::negotiation::accepts_json;
use crate::params::id_of;
use crate::pipeline::{RequestPipeline, ReservedForProbes};
use crate::problem::Problem;
use crate::reply::{Differing, Spliced, cacheable_with};
use crate::request_context::{RequestContext, begin_trace, log_quick_access};
use crate::request_id::REQUEST_ID;
use crate::routes::products::{Asked, PRODUCT_ACCESS, PRODUCT_AREA, PRODUCT_HEAD, PRODUCT_ROUTE, find};
use crate::state::ApiState;

/// Answers all requests: by the fast path where it applies, else by the router. A cheap handle.
#[derive(Clone)]
pub(crate) struct ApiService {
    products: Option<Arc<ProductFastPath>>,
    router: Router,
}

/// Answers `GET /api/v1/products/{id}`.
pub(crate) struct ProductFastPath {
    products: ProductService,
    limits: Arc<RequestLimits>,
    pipeline: Arc<RequestPipeline>,
    /// The rate limit of the route.
    policy: Option<Policy>,
    answered: HttpSeries,
    not_modified: HttpSeries,
}

type Answer = Result<Response, Infallible>;
type Waiting = Pin<Box<dyn Future<Output = Answer> + Send>>;
type Answering = Either<Ready<Answer>, Either<Waiting, RouteFuture<Infallible>>>;

impl ApiService {
    pub(crate) fn new(router: Router, products: Option<ProductFastPath>) -> Self {
        ApiService { products: products.map(Arc::new), router }
    }

    /// As [`call`](ApiService::call), on a connection that is reserved for probes: all other requests are refused.
    pub(crate) fn call_for_probes(&self, peer: &Peer, mut request: Request<Incoming>) -> Answering {
        request.extensions_mut().insert(peer.clone());
        request.extensions_mut().insert(ReservedForProbes);
        Either::Right(Either::Right(self.router.clone().call(request)))
    }

    pub(crate) fn call(&self, peer: &Peer, mut request: Request<Incoming>) -> Answering {
        let begin = Instant::now();
        let read = self.products.as_ref().and_then(|products| Some((products, product_read(&request)?)));
        let Some((products, id)) = read else {
            request.extensions_mut().insert(peer.clone());
            return Either::Right(Either::Right(self.router.clone().call(request)));
        };
        let caller = products.pipeline.authorizer.peek_reader((PRODUCT_AREA, PRODUCT_ACCESS), request.headers());
        let plain = is_plain(request.uri(), request.headers(), peer.known_host());
        let read = |request, counted| ProductRead { id, peer: peer.clone(), request, plain, arrived: begin, counted };
        let fetch = |request| -> Answering {
            Either::Right(Either::Left(Box::pin(Arc::clone(products).fetch(read(request, false)))))
        };
        let Some(caller) = caller else { return fetch(request) };
        let Some(policy) = &products.policy else {
            let looked_up = products.hit((id, plain), &request, peer, &caller, LimitHeaders::none(), (begin, begin));
            return match looked_up {
                Some(response) => products.finish(response),
                None => fetch(request),
            };
        };
        let named = caller.subject();
        let subject = named.unwrap_or_else(|| products.limits.client_of(peer, request.headers()));
        let decision = policy.decide_at_once(&subject);
        // Decided in memory, as it mostly is for a busy caller: then a hit needs no future either.
        if let Some(allowed @ Decision::Allowed(_)) = decision
            && let Ok(headers) = policy.admit(allowed)
            && let Some(response) = products.hit((id, plain), &request, peer, &caller, headers, (begin, begin))
        {
            return products.finish(response);
        }
        let products = Arc::clone(products);
        let answering = products.answer_when_decided(decision, subject, caller, read(request, true));
        Either::Right(Either::Left(Box::pin(answering)))
    }
}

/// A request for one product.
struct ProductRead {
    id: ProductId,
    peer: Peer,
    request: Request<Incoming>,
    /// See [`is_plain`].
    plain: bool,
    arrived: Instant,
    /// Whether it was already counted against its rate limit.
    counted: bool,
}

/// The product that the request reads; `None` for any other request.
fn product_read<B>(request: &Request<B>) -> Option<ProductId> {
    let text = request.uri().path().strip_prefix("/api/v1/products/")?;
    if request.method() == Method::GET { id_of(text) } else { None }
}

/// Whether no header influences a response from memory, and there is one `Host`, the known one. One pass over the
/// headers is cheaper than a lookup of each relevant name.
fn is_plain(uri: &Uri, headers: &HeaderMap, known_host: Option<&HeaderValue>) -> bool {
    let matters =
        [header::CACHE_CONTROL, header::IF_NONE_MATCH, header::IF_MATCH, header::EXPECT, MIN_VERSION, REQUEST_ID];
    let mut hosts = 0;
    let plain = headers.iter().all(|(name, value)| match name {
        name if name == header::HOST => {
            hosts += 1;
            Some(value) == known_host
        }
        name if name == header::ACCEPT => value == "*/*",
        // With weights, it may refuse an answer without a coding.
        name if name == header::ACCEPT_ENCODING => !value.as_bytes().contains(&b';'),
        name => !matters.contains(name),
    });
    plain && hosts == 1 && uri.authority().is_none()
}

/// Remembers the host of a request that was checked.
fn remember_host(peer: &Peer, uri: &Uri, headers: &HeaderMap) {
    if let Some(host) = headers.get(header::HOST).filter(|_| uri.authority().is_none()) {
        peer.remember_host(host);
    }
}

impl ProductFastPath {
    pub(crate) fn new(state: &ApiState, pipeline: Arc<RequestPipeline>, metrics: &HttpMetrics) -> Self {
        let series = |status: StatusCode| metrics.series("GET", PRODUCT_ROUTE, status.as_str());
        let limits = Arc::<RequestLimits>::from_ref(state);
        let policy = limits.policy(&Method::GET, PRODUCT_ROUTE).cloned();
        let (answered, not_modified) = (series(StatusCode::OK), series(StatusCode::NOT_MODIFIED));
        ProductFastPath { products: ProductService::from_ref(state), limits, pipeline, policy, answered, not_modified }
    }

    /// The response from memory; `None` if memory has no usable copy or the request needs the full pipeline. `arrived`
    /// is the start of the request for the metrics, `begin` that of the lookup for `duration_ms`.
    fn hit<B>(
        &self,
        (id, plain): (ProductId, bool),
        request: &Request<B>,
        peer: &Peer,
        caller: &Caller,
        limits: LimitHeaders,
        (arrived, begin): (Instant, Instant),
    ) -> Option<Response> {
        let nothing = HeaderMap::new();
        let headers = if plain { &nothing } else { self.checked(request, peer)? };
        if !accepts_json(request.uri(), headers) {
            return None;
        }
        let (product, source) = self.products.peek(id, freshness(headers).ok()?)?;
        if !caller.sees_product(&product) {
            return None;
        }
        let compression = &self.pipeline.compression;
        let asked = if compression.applies_to(product.payload.len()) { request.headers() } else { headers };
        let body = Spliced::timed(PRODUCT_HEAD, &product.payload, source, begin);
        let tag = version_tag(id.get(), product.revision, self.products.history());
        let request_id = self.pipeline.request_ids.id_of(headers);
        let trace = begin_trace(request, "GET", PRODUCT_ROUTE, request_id.to_str().unwrap_or_default());
        let mut response = cacheable_with(compression, asked, Differing { tag, request_id, limits }, body);
        let status = response.status();
        let series = if status == StatusCode::OK { &self.answered } else { &self.not_modified };
        let taken = arrived.elapsed();
        series.record(taken);
        log_quick_access(response.headers(), "GET", PRODUCT_ROUTE, status, taken);
        trace.end(status.as_u16());
        self.pipeline.authorizer.keep_private(response.headers_mut());
        Some(response)
    }

    /// The response, when its body is compressed if it has to be.
    fn finish(self: &Arc<Self>, response: Response) -> Answering {
        if !Compression::is_unfinished(&response) {
            return Either::Left(ready(Ok(response)));
        }
        let products = Arc::clone(self);
        let finishing = async move { Ok(products.pipeline.compression.finish_spliced(response).await) };
        Either::Right(Either::Left(Box::pin(finishing)))
    }

    /// The headers, if they need no problem: that needs the pipeline.
    fn checked<'a, B>(&self, request: &'a Request<B>, peer: &Peer) -> Option<&'a HeaderMap> {
        let headers = request.headers();
        if headers.contains_key(header::IF_MATCH)
            || headers.contains_key(header::EXPECT)
            // A small answer is compressed there.
            || AcceptedCodings::of(headers).identity_refused
        {
            return None;
        }
        self.pipeline.hosts.check(request.version(), request.uri(), headers).ok()?;
        remember_host(peer, request.uri(), headers);
        Some(headers)
    }

    /// Waits for the decision of the rate limit, then answers from memory or by [`fetch`](ProductFastPath::fetch).
    async fn answer_when_decided(
        self: Arc<Self>,
        decision: Option<Decision>,
        subject: Subject,
        caller: Caller,
        read: ProductRead,
    ) -> Answer {
        let admitted = match (&self.policy, decision) {
            (Some(policy), Some(decision)) => policy.admit(decision),
            (Some(policy), None) => policy.count(&subject).await,
            (None, _) => Ok(LimitHeaders::none()),
        };
        match admitted {
            Ok(headers) => {
                let (limits, begin) = (LimitHeaders::none(), Instant::now());
                let asked = (read.id, read.plain);
                let hit = self.hit(asked, &read.request, &read.peer, &caller, limits, (read.arrived, begin));
                let mut response = match hit {
                    Some(response) if Compression::is_unfinished(&response) => {
                        Box::pin(self.pipeline.compression.finish_spliced(response)).await
                    }
                    Some(response) => response,
                    // Boxed separately, so that the future of a hit stays small.
                    None => Box::pin(self.fetch(read)).await?,
                };
                headers.add_to(response.headers_mut());
                Ok(response)
            }
            Err(problem) => {
                let ids = &self.pipeline.request_ids;
                let context = RequestContext::of(&read.request, PRODUCT_ROUTE, ids, read.arrived);
                Ok(self.pipeline.handle(context, ready(problem.into_response())).await)
            }
        }
    }

    /// Answers through the whole pipeline.
    async fn fetch(self: Arc<Self>, read: ProductRead) -> Answer {
        let ProductRead { id, peer, request, plain, arrived, counted } = read;
        let context = RequestContext::of(&request, PRODUCT_ROUTE, &self.pipeline.request_ids, arrived);
        let context = RequestContext { answered: Some(&self.answered), ..context };
        let request = request.into_parts().0;
        // Pinned here, so that the future is passed on as a pointer and not moved.
        let answering = pin!(self.answer((id, plain), &peer, &request, counted));
        let bounded =
            pin!(async { self.pipeline.bounded(false, answering).await.unwrap_or_else(Problem::into_response) });
        Ok(self.pipeline.handle(context, bounded).await)
    }

    /// Authorizes the caller, counts the request unless it was counted, and loads the product.
    async fn answer(&self, (id, plain): (ProductId, bool), peer: &Peer, request: &Parts, counted: bool) -> Response {
        let (headers, nothing) = (&request.headers, HeaderMap::new());
        if !plain {
            if let Err(problem) = self.pipeline.check_request(request) {
                return problem.into_response();
            }
            remember_host(peer, &request.uri, headers);
        }
        let client = self.limits.client_of(peer, headers);
        let authorizer = &self.pipeline.authorizer;
        let address = Some(self.limits.address_of(peer, headers));
        let identified = authorizer.identify(PRODUCT_ACCESS, headers, &client, address).await;
        let caller = identified.as_ref().ok().and_then(Option::as_ref);
        let limit = match limits::count(self.policy.as_ref().filter(|_| !counted), caller, &client).await {
            Ok(limit) => limit,
            Err(problem) => return problem.into_response(),
        };
        // Pinned for the same reason.
        let finding = pin!(async {
            match &identified {
                Ok(Some(caller)) => match authorizer.check((PRODUCT_AREA, PRODUCT_ACCESS), caller) {
                    Ok(()) => {
                        let conditions = if plain { &nothing } else { headers };
                        let asked = Asked { id, conditions, codings: headers };
                        find(&self.products, &self.pipeline.compression, caller, asked).await.into_response()
                    }
                    Err(problem) => {
                        self.pipeline.note_refusal(Some(caller), address, &Method::GET, PRODUCT_ROUTE);
                        problem.into_response()
                    }
                },
                Ok(None) => Problem::internal("a product was read without a caller").into_response(),
                Err(problem) => problem.clone().into_response(),
            }
        });
        let mut response = finding.await;
        limit.add_to(response.headers_mut());
        response
    }
}
