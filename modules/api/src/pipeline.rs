//! What every request passes on its way in and out, in one layer, since each layer of its own would cost a hit an
//! allocation: the request id, the authorizer, the bounds on requests and on bodies under way, the deadline, the catching of panics,
//! the bodies of problems, and the metrics.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{MatchedPath, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use hotshelf_lifecycle::{at_once_for_request, for_request};
use hotshelf_ratelimit::Subject;
use hotshelf_stats::{HttpMetrics, HttpSeries};
use hotshelf_telemetry::RequestTrace;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tracing::{Instrument, Level};

use crate::authorizer::Authorizer;
use crate::body::{JsonBody, check_head};
use crate::caller::Caller;
use crate::limits::{LimitHeaders, RequestLimits};
use crate::negotiation::accepts_json;
use crate::operations::OperationTable;
use crate::problem::{Dialect, Problem, closing};
use crate::uploads::Uploads;

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The target of the access log.
const ACCESS: &str = "hotshelf_access";
/// A caller's id longer than this is replaced: it goes into logs and answers.
const LONGEST_REQUEST_ID: usize = 128;

pub(crate) struct RequestPipeline {
    pub(crate) authorizer: Authorizer,
    operations: Arc<OperationTable>,
    deadline: Duration,
    max_under_way: usize,
    under_way: Semaphore,
    pub(crate) uploads: Uploads,
    metrics: HttpMetrics,
    limits: Arc<RequestLimits>,
    /// Makes the ids of this process differ from those of others.
    id_prefix: u32,
    next_id: AtomicU64,
}

impl RequestPipeline {
    pub(crate) fn new(
        authorizer: Authorizer,
        operations: Arc<OperationTable>,
        limits: Arc<RequestLimits>,
        deadline: Duration,
        max_under_way: usize,
        uploads: Uploads,
        metrics: HttpMetrics,
    ) -> Self {
        let max_under_way = max_under_way.min(Semaphore::MAX_PERMITS);
        RequestPipeline {
            authorizer,
            operations,
            limits,
            deadline,
            max_under_way,
            under_way: Semaphore::new(max_under_way),
            uploads,
            metrics,
            id_prefix: rand::random(),
            next_id: AtomicU64::new(1),
        }
    }

    /// How many requests have a place under the bound just now.
    pub(crate) fn under_way(&self) -> usize {
        self.max_under_way - self.under_way.available_permits()
    }

    /// The caller's id if it sent a sane one, else a new one.
    pub(crate) fn request_id(&self, headers: &HeaderMap) -> HeaderValue {
        let sane = |id: &&HeaderValue| {
            let byte = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
            (1..=LONGEST_REQUEST_ID).contains(&id.len()) && id.as_bytes().iter().all(byte)
        };
        headers.get(&REQUEST_ID).filter(sane).cloned().unwrap_or_else(|| {
            let number = self.next_id.fetch_add(1, Ordering::Relaxed);
            new_id(self.id_prefix, number)
        })
    }

    /// Answers the request by `answering`. Whatever is logged meanwhile carries its id.
    pub(crate) async fn handle(
        &self,
        context: RequestContext<'_>,
        answering: impl Future<Output = Response>,
    ) -> Response {
        let id = Arc::from(context.request_id.to_str().unwrap_or_default());
        for_request(id, self.answer(context, answering)).await
    }

    async fn answer(&self, context: RequestContext<'_>, answering: impl Future<Output = Response>) -> Response {
        let mut response = match context.accepts_json {
            true => answering.instrument(context.trace.span().clone()).await,
            false => Problem::new(StatusCode::NOT_ACCEPTABLE, "this resource is available as application/json only")
                .into_response(),
        };
        if let Some(problem) = response.extensions_mut().remove::<Problem>() {
            write_problem(&mut response, &problem, &context.request_id, context.dialect);
        }
        self.authorizer.keep_private(response.headers_mut());
        response.headers_mut().insert(REQUEST_ID, context.request_id);
        let (status, taken) = (response.status(), context.begin.elapsed());
        match context.answered {
            Some(series) if status == StatusCode::OK => series.record(taken),
            _ => self.metrics.record(context.method, context.route, status.as_str(), taken),
        }
        log_access(context.method, context.route, status, taken);
        context.trace.end(status.as_u16());
        response
    }

    /// What comes of `work`, unless too much is under way, it takes too long, or it breaks.
    pub(crate) async fn bounded<T>(&self, probe: bool, work: impl Future<Output = T>) -> Result<T, Problem> {
        let _permit = match self.under_way.try_acquire() {
            Ok(permit) => Some(permit),
            // Probes must get through when nothing else does.
            Err(_) if probe => None,
            Err(_) => return Err(Problem::unavailable("too many requests are under way, try again")),
        };
        // Polled first, so a request that is answered at once never sets the timer.
        match timeout(self.deadline, AssertUnwindSafe(work).catch_unwind()).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(panic)) => Err(Problem::internal(format!("panic: {}", message_of(&*panic)))),
            Err(_) => Err(Problem::unavailable(format!("no answer within {:?}, try again", self.deadline))),
        }
    }
}

/// What is remembered of a request while it is answered.
pub(crate) struct RequestContext<'a> {
    begin: Instant,
    request_id: HeaderValue,
    method: &'static str,
    route: &'a str,
    dialect: Dialect,
    probe: bool,
    /// Whether the caller takes JSON.
    accepts_json: bool,
    trace: RequestTrace,
    /// Of its method and route with status 200, where that need not be looked up.
    answered: Option<&'a HttpSeries>,
}

impl<'a> RequestContext<'a> {
    /// Begins now.
    pub(crate) fn of<B>(request: &Request<B>, route: &'a str, pipeline: &RequestPipeline) -> Self {
        let (path, method) = (request.uri().path(), method_label(request.method()));
        let request_id = pipeline.request_id(request.headers());
        let trace = begin_trace(request, method, route, request_id.to_str().unwrap_or_default());
        RequestContext {
            begin: Instant::now(),
            trace,
            request_id,
            method,
            route,
            dialect: dialect_of(path),
            probe: path.starts_with("/health"),
            accepts_json: accepts_json(request.uri(), request.headers()),
            answered: None,
        }
    }

    /// Counts it there if its status is 200.
    pub(crate) fn counted_by(self, answered: &'a HttpSeries) -> Self {
        RequestContext { answered: Some(answered), ..self }
    }

    /// Began then.
    pub(crate) fn since(self, begin: Instant) -> Self {
        RequestContext { begin, ..self }
    }
}

/// The request as a part of a trace, the caller's if it names one.
pub(crate) fn begin_trace<B>(request: &Request<B>, method: &'static str, route: &str, id: &str) -> RequestTrace {
    RequestTrace::begin(method, route, id, |header| request.headers().get(header)?.to_str().ok())
}

/// As [`log_access`], for a request that was answered before anybody could have logged anything.
pub(crate) fn log_quick_access(request_id: &str, method: &str, route: &str, status: StatusCode, taken: Duration) {
    if tracing::enabled!(target: ACCESS, Level::DEBUG) {
        at_once_for_request(Arc::from(request_id), || log_access(method, route, status, taken));
    }
}

/// The access log: off unless it is asked for by its name, so that a hit need not write a line.
fn log_access(method: &str, route: &str, status: StatusCode, taken: Duration) {
    tracing::debug!(target: ACCESS, method, route, status = status.as_u16(), ?taken, "answered");
}

/// A request for which there is no room: its connection is one of those that are kept for probes.
#[derive(Clone, Copy)]
pub(crate) struct NoRoom;

/// The middleware.
pub(crate) async fn middleware(
    State(pipeline): State<Arc<RequestPipeline>>,
    request: Request<Body>,
    next: Next,
) -> Response {
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let route = matched.as_ref().map(MatchedPath::as_str);
    let context = RequestContext::of(&request, route.unwrap_or("unmatched"), &pipeline);
    let probe = context.probe;
    // Pinned here, it is handed down as a pointer instead of being moved from one future into the next.
    let answering = pin!(async {
        if !probe && request.extensions().get::<NoRoom>().is_some() {
            let problem = Problem::unavailable("too many connections are open, try again");
            return problem.with_headers([closing()]).into_response();
        }
        pipeline.answer_whole(probe, route, request, next).await
    });
    pipeline.handle(context, answering).await
}

impl RequestPipeline {
    /// In three steps, of which the one in the middle has no place under the bound: whether the request may come in, its body,
    /// and what is to be done. An answer that was refused for its form was not limited; everything else was, before anything
    /// was done for it.
    async fn answer_whole(&self, probe: bool, route: Option<&str>, request: Request<Body>, next: Next) -> Response {
        let (mut parts, body) = request.into_parts();
        let client = self.limits.client(&parts.extensions, &parts.headers);
        let (authorized, counted) = match self.enter(probe, route, &parts, &client).await {
            Ok(entered) => entered,
            Err(problem) => return problem.into_response(),
        };
        let answering = async {
            let caller = authorized?;
            caller.map(|caller: Caller| parts.extensions.insert(caller));
            let served = route.filter(|route| self.authorizer.serves(route));
            let limit = served.and_then(|route| self.operations.body_limit(&parts.method, route));
            let (body, _held) = match limit {
                Some(limit) => {
                    check_head(&parts.headers, limit)?;
                    let (bytes, held) = self.uploads.receive(body, limit, &client).await?;
                    parts.extensions.insert(JsonBody(bytes));
                    (Body::empty(), held)
                }
                None => (body, None),
            };
            let answering = pin!(next.run(Request::from_parts(parts, body)));
            self.bounded(probe, answering).await
        };
        let mut response = answering.await.unwrap_or_else(Problem::into_response);
        counted.add_to(response.headers_mut());
        response
    }

    /// Who comes in, if anybody may, and what the answer says about the limit that the request was under.
    async fn enter(
        &self,
        probe: bool,
        route: Option<&str>,
        parts: &Parts,
        client: &Subject,
    ) -> Result<(Result<Option<Caller>, Problem>, LimitHeaders), Problem> {
        let policy = self.limits.policy(&parts.method, route.unwrap_or("unmatched"));
        let entering = pin!(async {
            // At an address where there is nothing, there is nothing to be guarded.
            let authorized = match route {
                Some(route) => self.authorizer.authorize(&parts.method, route, &parts.headers, client).await,
                None => Ok(None),
            };
            let named = authorized.as_ref().ok().and_then(|caller| caller.as_ref()?.subject());
            let counted = match policy {
                Some(policy) => policy.count(&named.unwrap_or_else(|| client.clone())).await?,
                None => LimitHeaders::none(),
            };
            Ok((authorized, counted))
        });
        self.bounded(probe, entering).await.flatten()
    }
}

/// Eight hexadecimal digits for the process and twelve for the request.
fn new_id(prefix: u32, number: u64) -> HeaderValue {
    let mut id = *b"00000000-000000000000";
    write_hex(&mut id[..8], prefix.into());
    write_hex(&mut id[9..], number);
    HeaderValue::from_bytes(&id).unwrap_or_else(|_| HeaderValue::from_static("unknown"))
}

/// The last digits of the number, as many as there is room for.
fn write_hex(room: &mut [u8], mut number: u64) {
    for digit in room.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(number & 0xf) as usize];
        number >>= 4;
    }
}

fn write_problem(response: &mut Response, problem: &Problem, request_id: &HeaderValue, dialect: Dialect) {
    let request_id = request_id.to_str().unwrap_or_default();
    let status = problem.status.as_u16();
    match &problem.cause {
        Some(cause) if status == 500 => tracing::error!(status, cause, "request failed"),
        // Whatever fails tells the log once that it does, and once that it does not any more.
        Some(cause) => tracing::debug!(status, cause, "request failed"),
        None => tracing::debug!(status, ?problem, "request refused"),
    }
    let (body, media_type) = problem.render(request_id, dialect);
    *response.body_mut() = Body::from(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().remove(header::CONTENT_LENGTH);
}

fn dialect_of(path: &str) -> Dialect {
    let envelope = path == "/products" || path.starts_with("/products/");
    if envelope { Dialect::Envelope } else { Dialect::Problem }
}

/// The label of the metrics: clients can send any word as a method, and each would be a series of its own.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}

fn message_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("of unknown kind")
}
