//! The steps that every request passes: request id, authorization, rate limit, body, the bound on concurrent requests,
//! the deadline, panics, the bodies of problems, metrics. They are one layer of middleware, because each further layer
//! would cost an allocation per request.

use std::any::Any;
use std::future::Future;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{FromRef, MatchedPath, State};
use axum::http::request::Parts;
use axum::http::{Method, Request, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use hotshelf_audit::AuditLog;
use hotshelf_domain::{AuditAction, AuditTarget};
use hotshelf_lifecycle::for_request;
use hotshelf_ratelimit::Subject;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::actor::actor;
use crate::authorizer::Authorizer;
use crate::body::{JsonBody, check_length, check_start};
use crate::caller::Caller;
use crate::compression::{Compression, add_vary};
use crate::conditions::{self, check_untagged};
use crate::content::{self, Decoder, check_expectation};
use crate::hosts::Hosts;
use crate::limits::{self, LimitHeaders, RequestLimits};
use crate::metrics::HttpMetrics;
use crate::operations::{Entry, OperationTable};
use crate::options::ApiOptions;
use crate::origins::Origins;
use crate::problem::{Problem, closing};
use crate::reply;
use crate::request_context::{RequestContext, log_access};
use crate::request_id::{REQUEST_ID, RequestIds};
use crate::state::ApiState;
use crate::uploads::Uploads;

/// The shared part of the pipeline.
pub(crate) struct RequestPipeline {
    pub(crate) authorizer: Authorizer,
    pub(crate) hosts: Hosts,
    origins: Origins,
    decoder: Decoder,
    operations: OperationTable,
    deadline: Duration,
    max_under_way: usize,
    under_way: Semaphore,
    pub(crate) uploads: Uploads,
    pub(crate) compression: Compression,
    metrics: HttpMetrics,
    limits: Arc<RequestLimits>,
    audit: AuditLog,
    pub(crate) request_ids: RequestIds,
}

impl RequestPipeline {
    /// After `stopping`, no request body is waited for.
    pub(crate) fn new(
        state: &ApiState,
        options: &ApiOptions,
        operations: OperationTable,
        metrics: HttpMetrics,
        stopping: CancellationToken,
    ) -> Self {
        let max_under_way = options.max_concurrent_requests.min(Semaphore::MAX_PERMITS);
        RequestPipeline {
            authorizer: Authorizer::new(
                FromRef::from_ref(state),
                FromRef::from_ref(state),
                FromRef::from_ref(state),
                options.metrics_open,
            ),
            hosts: Hosts::new(options.allowed_hosts.as_deref()),
            origins: Origins::new(&options.cors_origins),
            decoder: Decoder::new(options.request_timeout),
            operations,
            deadline: options.request_timeout,
            max_under_way,
            under_way: Semaphore::new(max_under_way),
            uploads: Uploads::new(options.uploads, stopping),
            compression: FromRef::from_ref(state),
            metrics,
            limits: FromRef::from_ref(state),
            audit: FromRef::from_ref(state),
            request_ids: RequestIds::default(),
        }
    }

    /// The number of requests that hold a permit of the bound.
    pub(crate) fn under_way(&self) -> usize {
        self.max_under_way - self.under_way.available_permits()
    }

    /// Completes the response of `answering` and records it. Everything that is logged meanwhile carries the request
    /// id.
    pub(crate) async fn handle(
        &self,
        context: RequestContext<'_>,
        answering: impl Future<Output = Response>,
    ) -> Response {
        let id = Arc::from(context.request_id.to_str().unwrap_or_default());
        for_request(id, self.answer(context, answering)).await
    }

    async fn answer(&self, context: RequestContext<'_>, answering: impl Future<Output = Response>) -> Response {
        let codings = self.compression.offered_of(context.codings);
        let mut response = if !context.accepts_json {
            not_acceptable("this resource is available as application/json only")
        } else if codings.nothing() {
            not_acceptable("Accept-Encoding refuses all codings of this resource, and an answer without one")
        } else {
            answering.instrument(context.trace.span().clone()).await
        };
        if let Some(problem) = response.extensions_mut().remove::<Problem>() {
            problem.write_to(&mut response, &context.request_id, context.dialect);
        }
        if self.compression.has_work(codings, context.route, &response) {
            // Boxed, so that the future of a small answer stays small.
            response = Box::pin(self.compression.finish(codings, response)).await;
        }
        // A product has these headers already.
        if context.answered.is_none() || response.status() != StatusCode::OK {
            reply::complete(context.method, &mut response);
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

    /// Authorizes the request, receives its body, calls the handler. The first and the last step hold a permit of the
    /// bound on concurrent requests; a request that waits for its body holds none. The rate limit counts every request
    /// before any work is done for it, except those that get 406.
    async fn answer_whole(&self, probe: bool, route: Option<&str>, request: Request<Body>, next: Next) -> Response {
        let (mut parts, body) = request.into_parts();
        self.limits.look_for_proxy(&parts.extensions, &parts.headers);
        let client = self.limits.client(&parts.extensions, &parts.headers);
        let (address, method) = (self.limits.address(&parts.extensions, &parts.headers), parts.method.clone());
        let (Authorized { caller, verdict }, counted) = match self.enter(probe, route, &parts, (&client, address)).await
        {
            Ok(entered) => entered,
            Err(problem) => return problem.into_response(),
        };
        let answering = async {
            let Expected { body_limit, readable } = verdict?;
            caller.clone().map(|caller| parts.extensions.insert(caller));
            if parts.method == Method::OPTIONS {
                return self.operations.options(route, parts.uri.path());
            }
            let codings = match body_limit {
                Some(limit) => {
                    check_length(&parts.headers, limit)?;
                    content::check(&parts.method, &parts.headers)?
                }
                None => Vec::new(),
            };
            if let Some(readable) = readable {
                check_untagged(&parts.headers, readable)?;
            }
            let conditions = conditions::of_read(&parts.method, &parts.headers);
            let (body, _reservation) = match body_limit {
                Some(limit) => {
                    let (mut bytes, mut reservation) = self.uploads.receive(body, limit, &client).await?;
                    if !codings.is_empty() {
                        bytes = self.decoder.decode(codings, bytes, limit).await?;
                        reservation = self.uploads.count(&client, reservation, bytes.len())?;
                    }
                    check_start(&bytes)?;
                    parts.extensions.insert(JsonBody(bytes));
                    (Body::empty(), reservation)
                }
                None => (body, None),
            };
            let answering = pin!(next.run(Request::from_parts(parts, body)));
            let response = self.bounded(probe, answering).await?;
            Ok(match conditions {
                Some(conditions) => {
                    // A 304 has the fields of the answer that it stands for, but not its size.
                    let varies = self.compression.may_compress(route.unwrap_or_default(), &response);
                    let mut response = conditions::apply(&conditions, response);
                    if varies && response.status() == StatusCode::NOT_MODIFIED {
                        add_vary(response.headers_mut());
                    }
                    response
                }
                None => response,
            })
        };
        let mut response = answering.await.unwrap_or_else(Problem::into_response);
        if response.status() == StatusCode::FORBIDDEN {
            self.note_refusal(caller.as_ref(), address, &method, route.unwrap_or("unmatched"));
        }
        counted.add_to(response.headers_mut());
        response
    }

    /// Notes a 403 in the audit log.
    pub(crate) fn note_refusal(&self, caller: Option<&Caller>, address: Option<IpAddr>, method: &Method, route: &str) {
        let operation = AuditTarget::Operation(format!("{method} {route}").into());
        self.audit.note(actor(caller, address).does(AuditAction::OperationRefused).to(operation));
    }

    /// The outcome of the authorization, and the headers of the rate limit.
    async fn enter(
        &self,
        probe: bool,
        route: Option<&str>,
        parts: &Parts,
        (client, address): (&Subject, Option<IpAddr>),
    ) -> Result<(Authorized, LimitHeaders), Problem> {
        let policy = self.limits.policy(&parts.method, route.unwrap_or("unmatched"));
        let entering = pin!(async {
            let authorized = self.authorize(route, parts, (client, address)).await;
            let counted = limits::count(policy, authorized.caller.as_ref(), client).await?;
            Ok((authorized, counted))
        });
        self.bounded(probe, entering).await.flatten()
    }

    /// Refuses what no operation accepts: unknown expectations, and hosts that the service does not answer for.
    pub(crate) fn check_request(&self, parts: &Parts) -> Result<(), Problem> {
        check_expectation(&parts.headers)?;
        self.hosts.check(parts.version, &parts.uri, &parts.headers)
    }

    async fn authorize(
        &self,
        route: Option<&str>,
        parts: &Parts,
        (client, address): (&Subject, Option<IpAddr>),
    ) -> Authorized {
        match self.identify(route, parts, (client, address)).await {
            Ok((caller, required)) => {
                let verdict = self.check_rights(caller.as_ref(), required, route, parts);
                Authorized { caller, verdict }
            }
            Err(problem) => Authorized { caller: None, verdict: Err(problem) },
        }
    }

    /// The caller, and the operation that is asked for; `None` where no operation is called, which needs no rights.
    async fn identify(
        &self,
        route: Option<&str>,
        parts: &Parts,
        (client, address): (&Subject, Option<IpAddr>),
    ) -> Result<(Option<Caller>, Option<Entry>), Problem> {
        self.check_request(parts)?;
        let Some(route) = route else { return Ok((None, None)) };
        let operation = match parts.method {
            Method::OPTIONS => None,
            _ => Some(self.operations.find(&parts.method, route)?),
        };
        let access =
            operation.map_or_else(|| self.operations.access_to_options(route), |operation: Entry| operation.access);
        let caller = self.authorizer.identify(access, &parts.headers, client, address).await?;
        Ok((caller, operation))
    }

    fn check_rights(
        &self,
        caller: Option<&Caller>,
        operation: Option<Entry>,
        route: Option<&str>,
        parts: &Parts,
    ) -> Result<Expected, Problem> {
        let (Some(operation), Some(route)) = (operation, route) else { return Ok(Expected::default()) };
        self.origins.check(caller, parts)?;
        if let Some(caller) = caller {
            self.authorizer.check((operation.area, operation.access), caller)?;
        }
        Ok(self.expected(operation, route, &parts.method))
    }

    /// What a request has to be like that its caller may send.
    fn expected(&self, operation: Entry, route: &str, method: &Method) -> Expected {
        if !self.authorizer.serves(route) {
            return Expected::default();
        }
        let untagged = !operation.conditional && !method.is_safe();
        let readable = untagged.then(|| self.operations.is_readable(route));
        Expected { body_limit: operation.body_limit, readable }
    }

    /// Runs `work` under the bound on concurrent requests and the deadline. 503 beyond either, 500 for a panic.
    pub(crate) async fn bounded<T>(&self, probe: bool, work: impl Future<Output = T>) -> Result<T, Problem> {
        let _permit = match self.under_way.try_acquire() {
            Ok(permit) => Some(permit),
            // Probes must get through under overload.
            Err(_) if probe => None,
            Err(_) => return Err(Problem::unavailable("too many requests are in progress, try again")),
        };
        // `timeout` polls the work first, so a request that is ready at once never sets the timer.
        match timeout(self.deadline, AssertUnwindSafe(work).catch_unwind()).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(panic)) => Err(Problem::internal(format!("panic: {}", message_of(&*panic)))),
            Err(_) => Err(Problem::unavailable(format!("the request took longer than {:?}, try again", self.deadline))),
        }
    }
}

/// The outcome of an authorization.
struct Authorized {
    /// The caller, if the operation needs one and it is known.
    caller: Option<Caller>,
    /// Why the caller may not send the request, or what it has to be like.
    verdict: Result<Expected, Problem>,
}

/// What a request that may be processed has to be like.
#[derive(Default)]
struct Expected {
    /// Maximum size (bytes) of the body, if the operation takes one.
    body_limit: Option<usize>,
    /// Of a write of something without an entity tag: whether its path can be read.
    readable: Option<bool>,
}

/// Marks a request on a connection that is reserved for probes.
#[derive(Clone, Copy)]
pub(crate) struct ReservedForProbes;

/// The middleware around the router.
pub(crate) async fn middleware(
    State(pipeline): State<Arc<RequestPipeline>>,
    request: Request<Body>,
    next: Next,
) -> Response {
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let route = matched.as_ref().map(MatchedPath::as_str);
    let context = RequestContext::of(&request, route.unwrap_or("unmatched"), &pipeline.request_ids, Instant::now());
    let probe = context.probe;
    // Pinned here, so that the future is passed on as a pointer and not moved.
    let answering = pin!(async {
        if !probe && request.extensions().get::<ReservedForProbes>().is_some() {
            let problem = Problem::unavailable("too many connections are open, try again");
            return problem.with_headers([closing()]).into_response();
        }
        pipeline.answer_whole(probe, route, request, next).await
    });
    pipeline.handle(context, answering).await
}

fn not_acceptable(detail: &str) -> Response {
    Problem::new(StatusCode::NOT_ACCEPTABLE, detail).into_response()
}

fn message_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("of unknown kind")
}
