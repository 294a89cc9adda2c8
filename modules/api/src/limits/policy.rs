//! One limit: its decisions and its headers, those of draft-ietf-httpapi-ratelimit-headers (10 and 11).

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponseParts, ResponseParts};
use bytes::Bytes;
use hotshelf_ratelimit::{Decision, Quota, Scope, Subject};

use crate::problem::Problem;

pub(crate) const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
pub(crate) const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// A limit with its headers.
#[derive(Clone)]
pub(crate) struct Policy {
    pub(super) scope: Scope,
    /// `"api";q=100;w=60`
    header: HeaderValue,
    /// `"api";r=`
    name: String,
}

impl Policy {
    pub(super) fn new(scope: Scope) -> Self {
        let name = format!("\"{}\"", scope.name());
        let header = format!("{name};q={};w={}", scope.limit().requests(), seconds(scope.limit().window()));
        // Leaked on purpose: clones of a shared value would contend for its reference count on all cores.
        let header = HeaderValue::from_static(header.leak());
        Policy { scope, header, name: name + ";r=" }
    }

    /// Counts a request. Returns its headers, or the refusal.
    pub(crate) async fn count(&self, subject: &Subject) -> Result<LimitHeaders, Problem> {
        self.admit(self.scope.decide(subject).await)
    }

    /// The decision for [`admit`](Policy::admit), if it need not wait for Redis. `None` has counted nothing.
    pub(crate) fn decide_at_once(&self, subject: &Subject) -> Option<Decision> {
        self.scope.decide_at_once(subject)
    }

    /// The refusal of a subject that is certain to be over the limit.
    pub(crate) fn refusal(&self, subject: &Subject) -> Option<Problem> {
        let quota = self.scope.refusal(subject)?;
        self.admit(Decision::Refused(quota)).err()
    }

    /// The headers of an allowed request, or the refusal.
    pub(crate) fn admit(&self, decision: Decision) -> Result<LimitHeaders, Problem> {
        match decision {
            Decision::Allowed(quota) => Ok(LimitHeaders(Some(self.headers(quota)))),
            Decision::Uncounted => Ok(LimitHeaders(None)),
            Decision::Refused(quota) => {
                let retry_after = seconds(quota.reset);
                let (limit, window) = (self.scope.limit().requests(), self.scope.limit().window());
                let many = if limit == 1 { "one request" } else { &format!("{limit} requests") };
                let detail =
                    format!("the rate limit of {many} per {window:?} is exceeded, try again in {retry_after} s");
                let (policy, limit) = self.headers(quota);
                let headers = [(RATE_LIMIT_POLICY, policy), (RATE_LIMIT, limit)];
                Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, detail).after(retry_after).with_headers(headers))
            }
            Decision::Unavailable => Err(Problem::unavailable("the rate limiter is unavailable, try again")),
        }
    }

    /// The values of `RateLimit-Policy` and `RateLimit`.
    fn headers(&self, quota: Quota) -> (HeaderValue, HeaderValue) {
        let (mut remaining, mut reset) = (itoa::Buffer::new(), itoa::Buffer::new());
        let (remaining, reset) = (remaining.format(quota.remaining), reset.format(seconds(quota.reset)));
        // The vector has exact capacity, so it becomes the value without a copy.
        let parts: [&[u8]; 4] = [self.name.as_bytes(), remaining.as_bytes(), b";t=", reset.as_bytes()];
        let values = HeaderValue::from_maybe_shared(Bytes::from(parts.concat()));
        (self.header.clone(), values.unwrap_or_else(|_| HeaderValue::from_static("")))
    }
}

/// Rounds up, so that a client never retries too early.
fn seconds(duration: Duration) -> u32 {
    let up = u64::from(duration.subsec_nanos() > 0);
    u32::try_from(duration.as_secs() + up).unwrap_or(u32::MAX).max(1)
}

/// The values of `RateLimit-Policy` and `RateLimit`; `None`: the request is not limited. Handlers return it in front of
/// the body.
#[must_use = "the client should be told"]
pub(crate) struct LimitHeaders(pub(crate) Option<(HeaderValue, HeaderValue)>);

impl LimitHeaders {
    /// For a request without a limit.
    pub(crate) fn none() -> Self {
        LimitHeaders(None)
    }

    /// Appends the headers to those of other limits.
    pub(crate) fn add_to(self, headers: &mut HeaderMap) {
        if let Some((policy, limit)) = self.0 {
            headers.append(RATE_LIMIT_POLICY, policy);
            headers.append(RATE_LIMIT, limit);
        }
    }
}

impl IntoResponseParts for LimitHeaders {
    type Error = std::convert::Infallible;

    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, Self::Error> {
        self.add_to(parts.headers_mut());
        Ok(parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rounded_up_to_seconds() {
        for (millis, expected) in [(0, 1), (1, 1), (1_000, 1), (1_001, 2), (59_999, 60)] {
            assert_eq!(seconds(Duration::from_millis(millis)), expected);
        }
    }
}
