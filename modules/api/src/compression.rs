//! Compresses answers (RFC 9110, section 8.4). A body of the cache differs from answer to answer only at its end, which
//! says where it came from and how long that took, so its beginning is compressed once and kept.

mod beginning;
mod coding;
mod encoder;
mod kept;
mod streams;
mod workers;

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use hotshelf_stats::{MetricsError, Registry};
use http_body_util::BodyExt;
use hyper::body::Body as _;

use beginning::Beginning;
pub(crate) use coding::{AcceptedCodings, Coding};
use kept::KeptBeginnings;
use workers::Workers;

use crate::reply::{End, Spliced};

/// Smaller bodies (bytes) fit into a packet as they are. Of a body of the cache, its lasting part counts.
const MIN_SIZE: usize = 1 << 10;
/// Other bodies are compressed if they are larger by so much: no body of the cache has as many bytes beside its lasting
/// part, so that one which was found too small is not compressed after all on another way.
const MARGIN: usize = 1 << 8;
/// Routes whose answers are not compressed, because some contain a token: the size of a compressed answer tells about
/// its content (BREACH).
const SECRET: &str = "/api/v1/auth/";
const ACCEPT_ENCODING: HeaderValue = HeaderValue::from_static("Accept-Encoding");

/// Compresses answers. A cheap handle.
#[derive(Clone)]
pub(crate) struct Compression(Arc<State>);

struct State {
    /// Larger bodies are compressed; `usize::MAX`: none.
    min_size: usize,
    kept: KeptBeginnings,
    workers: Arc<Workers>,
}

/// A body of the cache that is to be compressed, beside the response that has it as it is.
#[derive(Clone)]
struct Uncompressed {
    coding: Coding,
    head: &'static str,
    payload: Bytes,
    /// `None`: there is no end.
    end: Option<End>,
}

/// Marks a response whose body stays the same for as long as the process runs, so that its compressed form is kept.
#[derive(Clone, Copy)]
pub(crate) struct Lasting;

impl Compression {
    /// `on`: whether anything is compressed.
    pub(crate) fn new(on: bool, registry: &Registry) -> Result<Self, MetricsError> {
        let min_size = if on { MIN_SIZE } else { usize::MAX };
        let workers = Arc::new(Workers::new(registry)?);
        let compression = Compression(Arc::new(State { min_size, kept: KeptBeginnings::new(), workers }));
        let seen = compression.clone();
        let help = "Bytes of compressed bodies, and of what they were compressed from, that are kept";
        registry.watch_gauge("http_compressed_kept_bytes", help, &[], move || seen.0.kept.bytes());
        Ok(compression)
    }

    /// Whether a body whose lasting part has this size is compressed for clients that accept it.
    pub(crate) fn applies_to(&self, size: usize) -> bool {
        size > self.0.min_size
    }

    /// Gives the response this body, compressed if the request accepts that and the compressed form is known. If it
    /// is not, [`finish`](Compression::finish) compresses the body.
    pub(crate) fn answer(&self, request: &HeaderMap, body: Spliced<'_>, response: &mut Response) {
        let coding = AcceptedCodings::of(request).best;
        let known = coding.and_then(|coding| self.0.kept.find(coding, body.head, body.payload));
        if let Some((coding, whole)) = coding.zip(known.and_then(|beginning| beginning.with(&body.end.bytes()))) {
            encode(response, coding, whole);
            return;
        }
        *response.body_mut() = Body::from(body.whole());
        if let Some(coding) = coding {
            let Spliced { head, payload, end } = body;
            response.extensions_mut().insert(Uncompressed { coding, head, payload: payload.clone(), end: Some(end) });
        }
    }

    /// Whether the response waits for [`finish`](Compression::finish), which does nothing else for a body of the cache.
    pub(crate) fn is_unfinished(response: &Response) -> bool {
        response.extensions().get::<Uncompressed>().is_some()
    }

    /// What is left of the accepted codings: none if compression is off.
    pub(crate) fn offered_of(&self, accepted: AcceptedCodings) -> AcceptedCodings {
        AcceptedCodings { best: accepted.best.filter(|_| !self.is_off()), ..accepted }
    }

    /// Whether the response is complete but for a coding, which some requests accept. A body of the cache is not: it
    /// is large and says so already, or it is small.
    pub(crate) fn may_compress(&self, route: &str, response: &Response) -> bool {
        let has_content = !matches!(response.status(), StatusCode::NOT_MODIFIED | StatusCode::NO_CONTENT);
        // The cheapest questions first: most answers are small.
        has_content
            && size(response).is_none_or(|size| self.applies_to(size.saturating_sub(MARGIN)))
            && !self.is_off()
            && !route.starts_with(SECRET)
            && !varies_by_coding(response.headers())
    }

    /// Whether the response has to be [finished](Compression::finish): its body is compressed, or would be for another
    /// request.
    pub(crate) fn has_work(&self, accepted: AcceptedCodings, route: &str, response: &Response) -> bool {
        let refused = accepted.identity_refused && !self.is_off() && !route.starts_with(SECRET);
        Compression::is_unfinished(response)
            || self.may_compress(route, response)
            || refused && !varies_by_coding(response.headers()) && size(response) != Some(0)
    }

    /// Compresses the body, if the request accepts that.
    pub(crate) async fn finish(&self, accepted: AcceptedCodings, mut response: Response) -> Response {
        if Compression::is_unfinished(&response) {
            return self.finish_spliced(response).await;
        }
        add_vary(response.headers_mut());
        let Some(coding) = accepted.best else { return response };
        if size(&response).is_some() {
            return self.compress_whole(coding, accepted.identity_refused, response).await;
        }
        // Each holds the memory of its encoder for as long as the client takes.
        let Some(place) = self.0.workers.try_stream() else { return response };
        let body = std::mem::take(response.body_mut());
        encode(&mut response, coding, streams::compressed(coding, body, Arc::clone(&self.0.workers), place));
        response
    }

    /// The same for a body of the cache.
    pub(crate) async fn finish_spliced(&self, mut response: Response) -> Response {
        if let Some(uncompressed) = response.extensions_mut().remove::<Uncompressed>() {
            self.compress_spliced(uncompressed, &mut response).await;
        }
        response
    }

    fn is_off(&self) -> bool {
        self.0.min_size == usize::MAX
    }

    async fn compress_spliced(&self, uncompressed: Uncompressed, response: &mut Response) {
        let Uncompressed { coding, head, payload, end } = uncompressed;
        let compression = self.clone();
        let compressed = self.0.workers.try_run(move || {
            // Another request may have waited for its turn with the same body.
            if let Some(known) = compression.0.kept.find(coding, head, &payload) {
                return Ok(known);
            }
            let beginning = Arc::new(Beginning::of(coding, [head.as_bytes(), &payload])?);
            compression.0.kept.keep(coding, head, &payload, &beginning);
            Ok(beginning)
        });
        let Some(beginning) = compressed.await else { return };
        if let Some(whole) = beginning.with(&end.map(End::bytes).unwrap_or_default()) {
            encode(response, coding, whole);
        }
    }

    /// `asked`: whatever comes of it, because the request refuses the body as it is.
    async fn compress_whole(&self, coding: Coding, asked: bool, response: Response) -> Response {
        let (parts, body) = response.into_parts();
        let plain = match body.collect().await {
            Ok(collected) => collected.to_bytes(),
            // A body of known size is in memory.
            Err(error) => return Response::from_parts(parts, Body::from_stream(streams::failed(error))),
        };
        let mut response = Response::from_parts(parts, Body::from(plain.clone()));
        if response.extensions_mut().remove::<Lasting>().is_some() {
            if let Some(whole) = self.0.kept.find(coding, "", &plain).and_then(|beginning| beginning.with(b"")) {
                encode(&mut response, coding, whole);
                return response;
            }
            let uncompressed = Uncompressed { coding, head: "", payload: plain, end: None };
            self.compress_spliced(uncompressed, &mut response).await;
            return response;
        }
        let size = plain.len();
        let compressed = self.0.workers.try_run(move || encoder::compress(coding, &plain)).await;
        if let Some(compressed) = compressed.filter(|compressed| asked || compressed.len() < size) {
            encode(&mut response, coding, Bytes::from(compressed));
        }
        response
    }
}

/// The size of the body, if it is known.
fn size(response: &Response) -> Option<usize> {
    response.body().size_hint().exact().map(|size| usize::try_from(size).unwrap_or(usize::MAX))
}

fn varies_by_coding(headers: &HeaderMap) -> bool {
    let names = headers.get(header::VARY).and_then(|vary| vary.to_str().ok()).unwrap_or_default();
    names.split(',').any(|name| name.trim() == ACCEPT_ENCODING)
}

/// Says that the answer depends on `Accept-Encoding`.
pub(crate) fn add_vary(headers: &mut HeaderMap) {
    let joined = headers.get(header::VARY).and_then(|others| {
        let others = others.to_str().ok().filter(|others| !others.is_empty())?;
        HeaderValue::try_from(format!("{others}, Accept-Encoding")).ok()
    });
    headers.insert(header::VARY, joined.unwrap_or(ACCEPT_ENCODING));
}

/// Gives the response this compressed body.
fn encode(response: &mut Response, coding: Coding, body: impl Into<Body>) {
    *response.body_mut() = body.into();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_ENCODING, coding.header());
    headers.remove(header::CONTENT_LENGTH);
}
