//! Whether the issuer has signed a token, and whether the token is valid now.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use hotshelf_lifecycle::{Failure, Trouble};
use jsonwebtoken::{Header, TokenData, Validation, decode, decode_header};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::claims::Claims;
use crate::keys::{Key, KeyName, Keys, SignatureAlgorithm};
use crate::ring_provider;
use crate::source::{KeySource, Reader};

/// The most bytes of a token. A longer one is refused before it is parsed.
pub const LONGEST_TOKEN: usize = 8 << 10;
/// The most bytes of the id (`jti`) of a token.
const LONGEST_ID: usize = 256;
/// Tokens that name unknown keys cause at most one request to the issuer within this time. It is also the time between
/// two attempts while the keys cannot be read.
const PAUSE: Duration = Duration::from_secs(30);
/// While the keys cannot be read, the last ones are used for so long.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// Which tokens are accepted, and where the keys are published.
#[derive(Clone, Debug)]
pub struct IssuerOptions {
    /// The value that `iss` must have (RFC 7519, section 4.1.1).
    pub issuer: String,
    /// The values of which one must be in `aud` (RFC 7519, section 4.1.3).
    pub audience: Vec<String>,
    /// Where the keys are published.
    pub keys: KeySource,
    /// The accepted signature algorithms. A token cannot choose another one (RFC 8725, section 3.1).
    pub algorithms: Vec<SignatureAlgorithm>,
    /// By how much the clocks of the issuer and of this machine may differ: `exp`, `nbf` and `iat` allow for it.
    pub skew: Duration,
    /// The interval at which the published keys are read.
    pub refresh: Duration,
}

/// Tokens cannot be checked.
#[derive(Debug, thiserror::Error)]
#[error("tokens of {issuer} cannot be checked: {cause}")]
pub struct IssuerError {
    issuer: String,
    cause: Failure,
}

/// Why a token is refused. For the log only: the client that sends the token must not learn the reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is longer than [`LONGEST_TOKEN`].
    #[error("it is too long")]
    TooLong,
    /// Its `alg` is not one of the accepted algorithms.
    #[error("its algorithm is not allowed")]
    Algorithm,
    /// Its `typ` is that of tokens for another purpose.
    #[error("its type is neither JWT nor at+jwt")]
    Type,
    /// The issuer publishes no key for this `kid` and this algorithm.
    #[error("it names no key that the issuer publishes")]
    UnknownKey,
    /// The keys could not be read yet, so nobody can tell whether it is good.
    #[error("the keys of the issuer are not known")]
    NoKeys,
    /// It has critical extensions (`crit`), of which none is understood here.
    #[error("it has critical extensions")]
    Critical,
    /// It is malformed, forged, expired, not valid yet, of another issuer, or for another audience.
    #[error("{0}")]
    Invalid(String),
}

/// A token that the issuer has signed, and that was valid when it was verified.
#[derive(Clone, Debug, PartialEq)]
pub struct ValidToken {
    /// Its claims.
    pub claims: Claims,
    /// Its id (`jti`), if it has one.
    pub id: Option<String>,
    /// When it was issued (`iat`), in seconds since 1970, if it says so.
    pub issued_at: Option<i64>,
    /// When it expires, in milliseconds since 1970: its `exp` and the skew.
    pub end: i64,
    /// The key that has signed it. The token is valid only while this key is [published](Issuer::publishes).
    pub key: KeyName,
}

/// Verifies the tokens of one issuer. A cheap handle.
#[derive(Clone)]
pub struct Issuer(Arc<State>);

struct State {
    options: IssuerOptions,
    reader: Reader,
    keys: ArcSwap<Keys>,
    /// Its holder reads the published keys. So at most one request to the issuer is in flight.
    reading: Mutex<Reads>,
    /// Whether the last read of the keys has failed, or there was none yet.
    unread: AtomicBool,
    /// Why the keys cannot be read, or that there is none.
    trouble: Trouble,
}

#[derive(Default)]
struct Reads {
    last: Option<Instant>,
    /// The first failure after the last success.
    failing_since: Option<Instant>,
}

impl Reads {
    /// A read has failed. Returns whether the known keys are too old to be used. Their age counts from the first
    /// failure and not from the last success: between two reads there may be more than [`KEPT`].
    fn failed(&mut self, now: Instant) -> bool {
        let since = *self.failing_since.get_or_insert(now);
        now.duration_since(since) >= KEPT
    }
}

impl Issuer {
    /// Knows no keys until [`run`](Issuer::run), or the first token, reads them.
    ///
    /// # Errors
    /// When the keys are at an `https` address and this machine trusts no certificate authority.
    pub fn new(options: IssuerOptions) -> Result<Self, IssuerError> {
        ring_provider::install();
        let failed = |cause| IssuerError { issuer: options.issuer.clone(), cause };
        let reader = Reader::new(options.keys.clone()).map_err(failed)?;
        let (keys, reading, trouble) = (ArcSwap::default(), Mutex::default(), Trouble::default());
        trouble.failed("the keys were not read yet");
        let unread = AtomicBool::new(true);
        Ok(Issuer(Arc::new(State { options, reader, keys, reading, unread, trouble })))
    }

    /// The name of the issuer, as in `iss`.
    pub fn name(&self) -> &str {
        &self.0.options.issuer
    }

    /// Reads the keys at the interval of the options, until `stopping` is cancelled.
    pub async fn run(self, stopping: CancellationToken) {
        loop {
            let Some(read) =
                stopping.run_until_cancelled(async { self.read(&mut *self.0.reading.lock().await).await }).await
            else {
                return;
            };
            let pause = if read { self.0.options.refresh } else { self.0.options.refresh.min(PAUSE) };
            if stopping.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                return;
            }
        }
    }

    /// Why no token, or not every token, can be verified; `None` if the last read of the keys succeeded.
    pub fn trouble(&self) -> Option<String> {
        let cause = self.0.trouble.cause()?;
        Some(format!("the keys of {} ({}): {cause}", self.name(), self.0.options.keys))
    }

    /// Whether the issuer still published this key at the last read. Does no I/O.
    pub fn publishes(&self, key: KeyName) -> bool {
        self.0.keys.load().contains(key)
    }

    /// Verifies a token: its size, type, algorithm and signature, then `iss`, `aud`, `exp` (which is required), `nbf`,
    /// `iat` and `jti`. Does no I/O, except for a token that names an unknown key: then it reads the published keys,
    /// unless that was done in the last half minute.
    ///
    /// # Errors
    /// [`Refused`], with the first reason that applies.
    pub async fn validate(&self, token: &str) -> Result<ValidToken, Refused> {
        if token.len() > LONGEST_TOKEN {
            return Err(Refused::TooLong);
        }
        let invalid = |error: jsonwebtoken::errors::Error| Refused::Invalid(error.to_string());
        let header = decode_header(token).map_err(invalid)?;
        if !header.typ.as_deref().is_none_or(is_bearer_type) {
            return Err(Refused::Type);
        }
        if header.crit.is_some() {
            return Err(Refused::Critical);
        }
        let algorithm = SignatureAlgorithm::of(header.alg).filter(|it| self.0.options.algorithms.contains(it));
        let algorithm = algorithm.ok_or(Refused::Algorithm)?;
        let key = match self.key(&header, algorithm) {
            Some(key) => key,
            None => {
                self.read_for(&header).await;
                self.key(&header, algorithm).ok_or_else(|| self.without_a_key())?
            }
        };
        let decoded: TokenData<Claims> = decode(token, &key.decoding, &self.expected(algorithm)).map_err(invalid)?;
        self.accept(decoded.claims, key.name)
    }

    fn key(&self, header: &Header, algorithm: SignatureAlgorithm) -> Option<Key> {
        self.0.keys.load().find(header.kid.as_deref(), algorithm).cloned()
    }

    /// Why there is no key for a token.
    fn without_a_key(&self) -> Refused {
        let unread = self.0.unread.load(Ordering::Acquire) && self.0.keys.load().len() == 0;
        if unread { Refused::NoKeys } else { Refused::UnknownKey }
    }

    /// Keys that the token itself names or contains (`jwk`, `jku`, `x5u` …) are ignored.
    fn expected(&self, algorithm: SignatureAlgorithm) -> Validation {
        let options = &self.0.options;
        let mut expected = Validation::new(algorithm.algorithm());
        expected.leeway = options.skew.as_secs();
        expected.validate_nbf = true;
        expected.set_issuer(&[&options.issuer]);
        expected.set_audience(&options.audience);
        expected.set_required_spec_claims(&["exp", "iss", "aud"]);
        expected
    }

    /// The rules that `jsonwebtoken` does not check, or less strictly.
    fn accept(&self, claims: Claims, key: KeyName) -> Result<ValidToken, Refused> {
        let refuse = |why: &str| Err(Refused::Invalid(why.to_owned()));
        let skew = i64::try_from(self.0.options.skew.as_secs()).unwrap_or(i64::MAX);
        // `jsonwebtoken` accepts a list that contains the issuer.
        if claims.text("iss") != Some(self.name()) {
            return refuse("it is of another issuer");
        }
        let issued = claims.time("iat");
        if claims.get("iat").is_some() && issued.is_none_or(|issued| issued > now().saturating_add(skew)) {
            return refuse("it was issued in the future");
        }
        let id = claims.text("jti").map(str::to_owned);
        if claims.get("jti").is_some() && id.as_ref().is_none_or(|id| id.is_empty() || id.len() > LONGEST_ID) {
            return refuse("its id is not a text of 1 to 256 bytes");
        }
        let Some(end) = claims.time("exp") else { return refuse("it has no end") };
        let end = end.saturating_add(skew).saturating_mul(1_000);
        Ok(ValidToken { claims, id, issued_at: issued, end, key })
    }

    /// Reads the published keys for a token that names an unknown one, unless they were read within [`PAUSE`].
    async fn read_for(&self, header: &Header) {
        let known = |keys: &Keys| match &header.kid {
            Some(id) => keys.has_id(id),
            // Without a `kid`, more keys would make it less clear which one is meant. So only the first read helps.
            None => keys.len() > 0,
        };
        if known(&self.0.keys.load()) {
            return;
        }
        let mut reads = self.0.reading.lock().await;
        // Another token may have made the issuer read the keys while this one waited for the lock.
        if !known(&self.0.keys.load()) && reads.last.is_none_or(|last| last.elapsed() >= PAUSE) {
            self.read(&mut reads).await;
        }
    }

    /// Reads the published keys. A failed read leaves the known keys in place, for a day. Returns whether it succeeded.
    async fn read(&self, reads: &mut Reads) -> bool {
        let state = &*self.0;
        reads.last = Some(Instant::now());
        let read = match state.reader.read().await {
            Ok(bytes) => Keys::read(&bytes).map_err(|error| format!("no key set: {error}").into()),
            Err(error) => Err(error),
        };
        match read {
            Ok(keys) => {
                reads.failing_since = None;
                let usable = keys.len();
                state.keys.store(Arc::new(keys));
                state.unread.store(false, Ordering::Release);
                if usable == 0 {
                    self.tell("there is no key that a token could be checked with".to_owned());
                } else if state.trouble.succeeded().is_some() {
                    tracing::info!(issuer = self.name(), keys = usable, "the keys of the issuer are read");
                }
                true
            }
            Err(error) => {
                state.unread.store(true, Ordering::Release);
                if reads.failed(Instant::now()) {
                    state.keys.store(Arc::default());
                }
                self.tell(error.to_string());
                false
            }
        }
    }

    fn tell(&self, cause: String) {
        let first = self.0.trouble.cause().is_none_or(|known| known != cause);
        self.0.trouble.failed(&*cause);
        if first {
            tracing::warn!(issuer = self.name(), source = %self.0.options.keys, "the keys of the issuer: {cause}");
        }
    }
}

/// Whether this `typ` is one of a bearer token: `JWT` (RFC 7519) or `at+jwt` (RFC 9068). An issuer signs tokens for
/// other purposes with the same keys, such as `logout+jwt` and `secevent+jwt`, which must not be used as bearer tokens
/// (RFC 8725, section 3.11). A media type is compared without regard to case, and `application/` may be omitted (RFC
/// 7515, section 4.1.9).
fn is_bearer_type(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    matches!(lower.strip_prefix("application/").unwrap_or(&lower), "jwt" | "at+jwt")
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The interval between two reads may be longer than the keys are kept after a failure.
    #[test]
    fn the_keys_are_kept_for_a_day_after_the_first_failure() {
        let (mut reads, day) = (Reads::default(), Duration::from_secs(24 * 60 * 60));
        let last_success = Instant::now();
        let failure = last_success + 7 * day;
        assert!(!reads.failed(failure), "one failed read drops no key");
        assert!(!reads.failed(failure + day - Duration::from_secs(1)));
        assert!(reads.failed(failure + day));
        reads.failing_since = None;
        assert!(!reads.failed(failure + 2 * day), "it has succeeded meanwhile");
    }
}
