//! The content of a request: which media types and codings are accepted, and the decoding of a coded body
//! (RFC 9110, section 8).

use std::io::{self, Read};
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use bytes::Bytes;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::body::too_large;
use crate::compression::Coding;
use crate::problem::Problem;

const JSON: &str = "application/json";
const MERGE_PATCH: &str = "application/merge-patch+json";
pub(crate) const ACCEPT_PATCH: HeaderName = HeaderName::from_static("accept-patch");
/// What a `PATCH` takes.
pub(crate) const PATCHES: HeaderValue = HeaderValue::from_static("application/merge-patch+json, application/json");
const CODINGS: HeaderValue = HeaderValue::from_static("br, zstd, gzip");
/// More codings on top of each other serve nobody but an attacker.
const MOST_CODINGS: usize = 2;
/// Of zstd: 8 MiB, the largest window that RFC 9659 lets a decoder of HTTP need.
const WINDOW_LOG: u32 = 23;

/// 417 for an expectation that the service does not know. The server meets `100-continue`.
pub(crate) fn check_expectation(headers: &HeaderMap) -> Result<(), Problem> {
    let met = |value: &HeaderValue| value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"100-continue");
    match headers.get_all(header::EXPECT).iter().all(met) {
        true => Ok(()),
        false => Err(Problem::new(StatusCode::EXPECTATION_FAILED, "only 100-continue can be expected")),
    }
}

/// Refuses a body by its headers, and returns its codings in the order in which they were applied.
pub(crate) fn check(method: &Method, headers: &HeaderMap) -> Result<Vec<Coding>, Problem> {
    if headers.contains_key(header::CONTENT_RANGE) {
        return Err(Problem::bad_request("Content-Range: a part of a resource cannot be written, send the whole body"));
    }
    check_type(method, headers)?;
    codings(headers)
}

/// 415 for other types than JSON and, for a `PATCH`, merge patches. JSON is UTF-8, so a charset may only say that.
fn check_type(method: &Method, headers: &HeaderMap) -> Result<(), Problem> {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let (media_type, parameters) = match (values.next().and_then(|value| value.to_str().ok()), values.next()) {
        (Some(value), None) => value.split_once(';').unwrap_or((value, "")),
        (_, Some(_)) => return Err(Problem::bad_request("there must be only one Content-Type")),
        (None, None) => ("", ""),
    };
    let media_type = media_type.trim();
    let patches = method == Method::PATCH && media_type.eq_ignore_ascii_case(MERGE_PATCH);
    let accepted = (header::ACCEPT, HeaderValue::from_static(JSON));
    if !patches && !media_type.eq_ignore_ascii_case(JSON) {
        let patches = (method == Method::PATCH).then_some((ACCEPT_PATCH, PATCHES));
        return Err(unsupported("the request body must be application/json")
            .with_headers([accepted])
            .with_headers(patches));
    }
    let pairs = parameters.split(';').filter_map(|pair| pair.split_once('='));
    let mut charsets = pairs.filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset")).map(|(_, value)| value);
    let known = |value: &str| {
        let value = value.trim().trim_matches('"');
        value.eq_ignore_ascii_case("utf-8") || value.eq_ignore_ascii_case("us-ascii")
    };
    match charsets.find(|value| !known(value)) {
        Some(other) => {
            let detail = format!("the request body must be UTF-8, not {}", other.trim());
            Err(unsupported(detail).with_headers([accepted]))
        }
        None => Ok(()),
    }
}

/// Whether the body is a merge patch (RFC 7396).
pub(crate) fn is_merge_patch(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().is_some_and(|media_type| media_type.trim().eq_ignore_ascii_case(MERGE_PATCH))
}

fn codings(headers: &HeaderMap) -> Result<Vec<Coding>, Problem> {
    let refused = |detail: &str| unsupported(detail).with_headers([(header::ACCEPT_ENCODING, CODINGS)]);
    let mut codings = Vec::new();
    for value in headers.get_all(header::CONTENT_ENCODING) {
        let value = value.to_str().map_err(|_| refused("the content coding is not known"))?;
        for name in value.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            match Coding::named(name) {
                Some(coding) => codings.push(coding),
                None if name.eq_ignore_ascii_case("identity") => {}
                None => return Err(refused("the content coding of the request body is not supported")),
            }
        }
    }
    if codings.len() > MOST_CODINGS {
        Err(refused("the request body has too many content codings"))
    } else {
        Ok(codings)
    }
}

fn unsupported(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail)
}

/// Decodes request bodies, as many at a time as there are processors.
pub(crate) struct Decoder {
    turns: Semaphore,
    deadline: Duration,
}

impl Decoder {
    pub(crate) fn new(deadline: Duration) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Decoder { turns: Semaphore::new(processors), deadline }
    }

    /// The body without its codings. 413 if it is larger than `limit` then, however small it was sent.
    pub(crate) async fn decode(&self, codings: Vec<Coding>, body: Bytes, limit: usize) -> Result<Bytes, Problem> {
        let Ok(Ok(_turn)) = timeout(self.deadline, self.turns.acquire()).await else {
            return Err(Problem::unavailable("too many request bodies are being decoded, try again"));
        };
        let decoding = spawn_blocking(move || {
            codings.into_iter().rev().try_fold(body, |body, coding| {
                let decoded = coding.decode(&body, limit);
                let decoded = decoded.map_err(|error| Problem::bad_request(format!("the request body: {error}")))?;
                if decoded.len() > limit { Err(too_large(limit)) } else { Ok(Bytes::from(decoded)) }
            })
        });
        decoding.await.map_err(Problem::internal).flatten()
    }
}

impl Coding {
    /// At most one byte more than `limit`.
    fn decode(self, mut body: &[u8], limit: usize) -> io::Result<Vec<u8>> {
        if body.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut decoded = Vec::new();
        let most = limit as u64 + 1;
        let _ = match self {
            // Byte by byte: what it has read beyond the end of the stream would be lost, and pass for nothing.
            Coding::Brotli => brotli::Decompressor::new(&mut body, 1).take(most).read_to_end(&mut decoded),
            Coding::Gzip => flate2::bufread::MultiGzDecoder::new(&mut body).take(most).read_to_end(&mut decoded),
            Coding::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(&mut body)?;
                decoder.window_log_max(WINDOW_LOG)?;
                decoder.take(most).read_to_end(&mut decoded)
            }
        }?;
        match decoded.len() <= limit && !body.is_empty() {
            true => Err(io::Error::new(io::ErrorKind::InvalidData, "there is more behind its end")),
            false => Ok(decoded),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const LIMIT: usize = 1 << 20;

    fn coded(coding: Coding, text: &[u8]) -> Vec<u8> {
        let mut coded = Vec::new();
        match coding {
            Coding::Brotli => brotli::CompressorWriter::new(&mut coded, 4096, 5, 22).write_all(text).unwrap(),
            Coding::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(&mut coded, flate2::Compression::default());
                encoder.write_all(text).unwrap();
                encoder.finish().unwrap();
            }
            Coding::Zstd => coded = zstd::encode_all(text, 3).unwrap(),
        }
        coded
    }

    #[test]
    fn each_coding_is_undone_and_bounded() {
        for coding in [Coding::Brotli, Coding::Gzip, Coding::Zstd] {
            let text = b"{\"name\":\"Laptop\"}".repeat(100);
            assert_eq!(coding.decode(&coded(coding, &text), LIMIT).unwrap(), text);
            // A bomb is unpacked up to the limit.
            let bomb = coded(coding, &vec![b' '; 64 << 20]);
            assert!(bomb.len() < 100_000);
            assert_eq!(coding.decode(&bomb, LIMIT).unwrap().len(), LIMIT + 1);
            let whole = coded(coding, &text);
            for end in [0, 1, whole.len() / 2, whole.len() - 1] {
                assert!(coding.decode(&whole[..end], LIMIT).is_err(), "{coding:?}: {end} bytes");
            }
            assert!(coding.decode(&[whole, b"garbage".to_vec()].concat(), LIMIT).is_err(), "{coding:?}");
            assert!(coding.decode(b"{\"name\":\"Laptop\"}", LIMIT).is_err(), "{coding:?}");
        }
    }

    fn status(method: Method, lines: &[(HeaderName, &'static str)]) -> Result<Vec<Coding>, u16> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name, HeaderValue::from_static(value));
        }
        check(&method, &headers).map_err(|problem| problem.status.as_u16())
    }

    #[test]
    fn a_body_is_json_in_utf8() {
        let of = |method, value| status(method, &[(header::CONTENT_TYPE, value)]);
        for value in
            ["application/json", "Application/JSON ; charset=\"UTF-8\"", "application/json;charset=us-ascii;x=y"]
        {
            assert_eq!(of(Method::POST, value), Ok(vec![]), "{value}");
        }
        for value in [
            "",
            "text/json",
            "application/problem+json",
            "application/json-patch+json",
            "application/jsonx",
            "application/json;charset=utf-16",
            "application/json; charset=iso-8859-1",
        ] {
            assert_eq!(of(Method::PATCH, value), Err(415), "{value}");
        }
        assert_eq!(of(Method::PATCH, "application/merge-patch+json"), Ok(vec![]));
        assert_eq!(of(Method::PUT, "application/merge-patch+json"), Err(415));
        assert_eq!(status(Method::POST, &[]), Err(415));
        let json = (header::CONTENT_TYPE, "application/json");
        assert_eq!(status(Method::POST, &[json.clone(), json.clone()]), Err(400));
        assert_eq!(status(Method::PUT, &[json, (header::CONTENT_RANGE, "bytes 0-1/2")]), Err(400));
    }

    #[test]
    fn codings_are_a_list_in_the_order_of_their_application() {
        let of = |value| status(Method::POST, &[(header::CONTENT_TYPE, JSON), (header::CONTENT_ENCODING, value)]);
        assert_eq!(of("GZIP"), Ok(vec![Coding::Gzip]));
        assert_eq!(of("identity, x-gzip ,, zstd"), Ok(vec![Coding::Gzip, Coding::Zstd]));
        assert_eq!(of(""), Ok(vec![]));
        for other in ["deflate", "compress", "br br", "gzip, br, zstd", "*", "gzip;q=1"] {
            assert_eq!(of(other), Err(415), "{other}");
        }
    }
}
