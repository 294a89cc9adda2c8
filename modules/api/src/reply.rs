//! The responses to reads: bytes from the cache with `from_cache` and `duration_ms` spliced in. Nothing is parsed; the
//! only copy is the one into the send buffer.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hotshelf_cache::Source;
use hotshelf_domain::{History, Version};
use serde::Serialize;
use utoipa::ToSchema;

use crate::compression::{Compression, add_vary};
use crate::conditions::{self, Outcome, version_tag};
use crate::limits::{LimitHeaders, RATE_LIMIT, RATE_LIMIT_POLICY};
use crate::request_id::REQUEST_ID;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// Clients may store a response, but must revalidate it each time.
const REVALIDATE: HeaderValue = HeaderValue::from_static("no-cache");
/// Browsers must not guess another type.
const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
/// Maximum number of headers of a response from the cache.
const HEADERS: usize = 10;
const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// The headers of a 200. Cloning this map and replacing the values that differ costs a third of building it header by
/// header. Those that differ come first, in the order of [`Differing`], so that they are found without a comparison of
/// names.
static ANSWERED: LazyLock<HeaderMap> = LazyLock::new(|| answered(&[]));

/// The same with the headers of a rate limit.
static LIMITED: LazyLock<HeaderMap> = LazyLock::new(|| answered(&[RATE_LIMIT_POLICY, RATE_LIMIT]));

fn answered(limits: &[HeaderName]) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(HEADERS);
    for name in [header::ETAG, CACHE_STATUS, REQUEST_ID].iter().chain(limits) {
        headers.insert(name, HeaderValue::from_static(""));
    }
    headers.insert(header::CONTENT_TYPE, JSON);
    headers.insert(header::CACHE_CONTROL, REVALIDATE);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    headers
}

/// The headers of a response from the cache that differ from answer to answer.
pub(crate) struct Differing {
    pub(crate) tag: HeaderValue,
    pub(crate) request_id: HeaderValue,
    pub(crate) limits: LimitHeaders,
}

/// A body of the cache: `head` and `payload`, which last as long as the entry, and an end that differs from answer to
/// answer.
#[derive(Clone, Copy)]
pub(crate) struct Spliced<'a> {
    pub(crate) head: &'static str,
    pub(crate) payload: &'a Bytes,
    pub(crate) end: End,
}

/// The end of a body: where it came from and, if it `begun` at a known time, how long that took.
#[derive(Clone, Copy)]
pub(crate) struct End {
    pub(crate) source: Source,
    pub(crate) begun: Option<Instant>,
}

impl<'a> Spliced<'a> {
    /// The answer to a request that was begun at that time, with `from_cache` and `duration_ms`.
    pub(crate) fn timed(head: &'static str, payload: &'a Bytes, source: Source, begun: Instant) -> Self {
        Spliced { head, payload, end: End { source, begun: Some(begun) } }
    }

    /// An answer with `from_cache` alone.
    pub(crate) fn untimed(payload: &'a Bytes, source: Source) -> Self {
        Spliced { head: "", payload, end: End { source, begun: None } }
    }

    /// The whole body.
    pub(crate) fn whole(&self) -> Bytes {
        self.end.after(self.head.as_bytes(), self.payload)
    }
}

impl End {
    /// The end alone.
    pub(crate) fn bytes(self) -> Bytes {
        self.after(b"", b"")
    }

    fn after(self, head: &[u8], payload: &[u8]) -> Bytes {
        match self.begun {
            Some(begun) => splice(head, payload, self.source, begun.elapsed()),
            None => splice_origin(payload, self.source),
        }
    }
}

/// Adds the headers that every response has: whether caches may store it, and that its type is not to be guessed.
pub(crate) fn complete(method: &str, response: &mut Response) {
    let storable = [StatusCode::OK, StatusCode::NOT_MODIFIED].contains(&response.status());
    let readable = matches!(method, "GET" | "HEAD") && storable;
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    let default = if readable { REVALIDATE } else { HeaderValue::from_static("no-store") };
    headers.entry(header::CACHE_CONTROL).or_insert(default);
}

/// `head`, `payload`, then `from_cache` and `duration_ms`, then `}`.
fn splice(head: &[u8], payload: &[u8], source: Source, took: Duration) -> Bytes {
    let origin: &[u8] = match source.is_hit() {
        true => b",\"from_cache\":true,\"duration_ms\":",
        false => b",\"from_cache\":false,\"duration_ms\":",
    };
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    let mut digits = itoa::Buffer::new();
    let milliseconds = digits.format(micros / 1_000).as_bytes();
    let digit = |value: u64| b'0' + (value % 10) as u8;
    let fraction = micros % 1_000;
    let fraction = [b'.', digit(fraction / 100), digit(fraction / 10), digit(fraction), b'}'];
    // The vector has exact capacity, so `Bytes` takes it without a copy.
    Bytes::from([head, payload, origin, milliseconds, &fraction].concat())
}

/// A confirmation.
#[derive(Serialize, ToSchema)]
pub(crate) struct Done {
    pub(crate) message: &'static str,
}

/// `payload`, then `from_cache`, then `}`.
pub(crate) fn splice_origin(payload: &[u8], source: Source) -> Bytes {
    let origin: &[u8] = if source.is_hit() { b",\"from_cache\":true}" } else { b",\"from_cache\":false}" };
    Bytes::from([payload, origin].concat())
}

/// 200 with a streamed body. It has no ETag, because its state is not known beforehand.
pub(crate) fn streamed(body: Body, source: Source) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, JSON);
    headers.insert(header::CACHE_CONTROL, REVALIDATE);
    headers.insert(CACHE_STATUS, cache_status(source));
    response
}

/// The headers of an answer that was made of a cached value with this tag.
pub(crate) fn cached(tag: HeaderValue, source: Source) -> HeaderMap {
    let headers = [(header::CACHE_CONTROL, REVALIDATE), (CACHE_STATUS, cache_status(source)), (header::ETAG, tag)];
    HeaderMap::from_iter(headers)
}

/// The ETag of a product or a schema, so that the client can update it without reading it again. `history`: as it was
/// before the write. When another has begun since, the tag matches nothing, and the client has to read again; with the
/// new one it could match a version that the client has never seen.
pub(crate) fn tagged(id: i64, version: Version, history: History) -> HeaderMap {
    let version = u64::try_from(version.get()).unwrap_or_default();
    HeaderMap::from_iter([(header::ETAG, version_tag(id, version, history))])
}

/// 200 with the body, 304 if the client has this state, or 412 if it wants another one.
pub(crate) fn cacheable(
    compression: &Compression,
    request: &HeaderMap,
    tag: HeaderValue,
    body: Spliced<'_>,
) -> Response {
    // The pipeline sets the id of the request, and the limits.
    let request_id = HeaderValue::from_static("");
    cacheable_with(compression, request, Differing { tag, request_id, limits: LimitHeaders::none() }, body)
}

/// The same with these headers.
pub(crate) fn cacheable_with(
    compression: &Compression,
    request: &HeaderMap,
    differing: Differing,
    body: Spliced<'_>,
) -> Response {
    let Differing { tag, request_id, limits } = differing;
    let source = body.end.source;
    let compressed = compression.applies_to(body.payload.len());
    let outcome = conditions::outcome(request, Some(&tag));
    if outcome == Outcome::Failed {
        let mut response = conditions::failed().into_response();
        response.headers_mut().insert(REQUEST_ID, request_id);
        limits.add_to(response.headers_mut());
        return response;
    }
    if outcome == Outcome::NotModified {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        let headers = response.headers_mut();
        headers.reserve(HEADERS);
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF);
        headers.insert(header::ETAG, tag);
        headers.insert(header::CACHE_CONTROL, REVALIDATE);
        headers.insert(CACHE_STATUS, cache_status(source));
        headers.insert(REQUEST_ID, request_id);
        limits.add_to(headers);
        if compressed {
            add_vary(headers);
        }
        return response;
    }
    let (policy, limit) = limits.0.unzip();
    let mut headers = if limit.is_some() { LIMITED.clone() } else { ANSWERED.clone() };
    let differing = [tag, cache_status(source), request_id].into_iter().chain(policy).chain(limit);
    headers.values_mut().zip(differing).for_each(|(value, differs)| *value = differs);
    if !compressed {
        let mut response = Response::new(Body::from(body.whole()));
        *response.headers_mut() = headers;
        return response;
    }
    add_vary(&mut headers);
    let mut response = Response::new(Body::empty());
    *response.headers_mut() = headers;
    compression.answer(request, body, &mut response);
    response
}

/// The `Cache-Status` of a response (RFC 9211).
fn cache_status(source: Source) -> HeaderValue {
    let hit = |ttl: Duration, tier: &[u8]| {
        let mut digits = itoa::Buffer::new();
        let ttl = digits.format(ttl.as_secs()).as_bytes();
        let parts: [&[u8]; 4] = [b"hotshelf; hit; ttl=", ttl, b"; detail=", tier];
        HeaderValue::from_maybe_shared(Bytes::from(parts.concat()))
            .unwrap_or_else(|_| HeaderValue::from_static("hotshelf; hit"))
    };
    match source {
        Source::L1 { ttl } => hit(ttl, b"l1"),
        Source::L2 { ttl } => hit(ttl, b"l2"),
        Source::Stale { overdue } => {
            let status = format!("hotshelf; hit; ttl=-{}; detail=stale-if-error", overdue.as_secs());
            HeaderValue::try_from(status).unwrap_or_else(|_| HeaderValue::from_static("hotshelf; hit"))
        }
        Source::Loaded { stored: true } => HeaderValue::from_static("hotshelf; fwd=miss; stored"),
        Source::Loaded { stored: false } => HeaderValue::from_static("hotshelf; fwd=miss"),
        Source::Bypassed => HeaderValue::from_static("hotshelf; fwd=request; detail=database"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_headers_that_differ_come_first() {
        let names = |headers: &HeaderMap| headers.keys().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(names(&ANSWERED)[..3], ["etag", "cache-status", "x-request-id"]);
        assert_eq!(names(&LIMITED)[..5], ["etag", "cache-status", "x-request-id", "ratelimit-policy", "ratelimit"]);
    }

    #[test]
    fn the_duration_has_three_decimals() {
        let hit = Source::L1 { ttl: Duration::ZERO };
        for (took, expected) in [
            (Duration::from_nanos(900), "0.000"),
            (Duration::from_micros(12), "0.012"),
            (Duration::from_micros(412), "0.412"),
            (Duration::from_micros(10_007_050), "10007.050"),
        ] {
            let body = splice(b"{\"product\":", b"{}", hit, took);
            let expected = format!("{{\"product\":{{}},\"from_cache\":true,\"duration_ms\":{expected}}}");
            assert_eq!(body, expected.as_bytes());
        }
    }
}
