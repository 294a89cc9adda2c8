//! One limit: what it decides about a caller, and what answers say about it. The header fields are those of
//! draft-ietf-httpapi-ratelimit-headers (10 and 11).

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::{IntoResponseParts, ResponseParts};
use bytes::Bytes;
use hotshelf_ratelimit::{Check, Decision, Scope, Standing, Subject};

use crate::problem::Problem;

pub(crate) const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
pub(crate) const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// A limit, and how headers speak of it.
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
        // As long-lived as the process: of one that is shared, every answer would count the users, on whichever core.
        let header = HeaderValue::from_static(header.leak());
        Policy { scope, header, name: name + ";r=" }
    }

    pub(crate) fn check(&self, subject: &Subject) -> Check {
        self.scope.check(subject)
    }

    pub(crate) async fn count(&self, subject: &Subject) -> Result<LimitHeaders, Problem> {
        self.admit(self.check(subject).decision().await)
    }

    /// What is answered to somebody who is certain to be refused.
    pub(super) fn refusal(&self, subject: &Subject) -> Option<Problem> {
        let standing = self.scope.refusal(subject)?;
        self.admit(Decision::Refused(standing)).err()
    }

    /// What the answer is to say, or what is answered instead.
    pub(crate) fn admit(&self, decision: Decision) -> Result<LimitHeaders, Problem> {
        match decision {
            Decision::Allowed(standing) => Ok(LimitHeaders(Some(self.headers(standing)))),
            Decision::Uncounted => Ok(LimitHeaders(None)),
            Decision::Refused(standing) => {
                let retry_after = seconds(standing.reset);
                let (limit, window) = (self.scope.limit().requests(), self.scope.limit().window());
                let many = if limit == 1 { "one request" } else { &format!("{limit} requests") };
                let detail =
                    format!("the rate limit of {many} per {window:?} is exceeded, try again in {retry_after} s");
                let (policy, limit) = self.headers(standing);
                Err(Problem::too_many(detail, retry_after)
                    .with_headers([(RATE_LIMIT_POLICY, policy), (RATE_LIMIT, limit)]))
            }
            Decision::Unavailable { retry_after } => {
                let detail = "the rate limiter is unavailable, try again";
                Err(Problem::unavailable(detail).after(seconds(retry_after)))
            }
        }
    }

    /// The values of `RateLimit-Policy` and `RateLimit`.
    fn headers(&self, standing: Standing) -> (HeaderValue, HeaderValue) {
        let (mut remaining, mut reset) = (itoa::Buffer::new(), itoa::Buffer::new());
        let (remaining, reset) = (remaining.format(standing.remaining), reset.format(seconds(standing.reset)));
        // Of just the right size, it becomes the value as it is.
        let parts: [&[u8]; 4] = [self.name.as_bytes(), remaining.as_bytes(), b";t=", reset.as_bytes()];
        let standing = HeaderValue::from_maybe_shared(Bytes::from(parts.concat()));
        let standing = standing.unwrap_or_else(|_| HeaderValue::from_static(""));
        (self.header.clone(), standing)
    }
}

/// Rounded up: a client that waits so long has waited long enough.
fn seconds(duration: Duration) -> u32 {
    let up = u64::from(duration.subsec_nanos() > 0);
    u32::try_from(duration.as_secs() + up).unwrap_or(u32::MAX).max(1)
}

/// What an answer says about the limit that the request was under: the values of `RateLimit-Policy` and `RateLimit`. A
/// handler returns it in front of the body.
#[must_use = "the client should be told"]
pub(crate) struct LimitHeaders(pub(crate) Option<(HeaderValue, HeaderValue)>);

impl LimitHeaders {
    /// Of a request that was under no limit.
    pub(crate) fn none() -> Self {
        LimitHeaders(None)
    }

    /// Beside what the answer says about other limits.
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
