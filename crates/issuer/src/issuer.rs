//! Whether a token is one of the issuer's, and good now.

use std::sync::Arc;
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

/// Bytes of a token. A longer one is refused before anything of it is read.
pub const LONGEST_TOKEN: usize = 8 << 10;
/// Bytes of the id of a token.
const LONGEST_ID: usize = 256;
/// Tokens that name unknown keys cause no more than one look at the published keys within this time; so long passes
/// also between two attempts while the keys cannot be read.
const PAUSE: Duration = Duration::from_secs(30);
/// While the keys cannot be read, the last ones are good for so long.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// What is expected of tokens, and where the keys are.
#[derive(Clone, Debug)]
pub struct IssuerOptions {
    /// What `iss` has to be.
    pub issuer: String,
    /// One of these has to be in `aud`.
    pub audience: Vec<String>,
    /// Where the keys are published.
    pub keys: KeySource,
    /// How tokens may be signed.
    pub algorithms: Vec<SignatureAlgorithm>,
    /// By how much the clocks may differ.
    pub skew: Duration,
    /// Between two looks at the published keys.
    pub refresh: Duration,
}

/// Tokens cannot be checked.
#[derive(Debug, thiserror::Error)]
#[error("tokens of {issuer} cannot be checked: {cause}")]
pub struct IssuerError {
    issuer: String,
    cause: Failure,
}

/// Why a token is not believed. For the log: whoever shows the token need not know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is over [`LONGEST_TOKEN`].
    #[error("it is too long")]
    TooLong,
    /// It is signed in another way than tokens may be.
    #[error("its algorithm is not allowed")]
    Algorithm,
    /// The issuer publishes no such key.
    #[error("it names no key that the issuer publishes")]
    UnknownKey,
    /// What it is by `jsonwebtoken`: malformed, forged, expired, not good yet, of another issuer or for others.
    #[error("{0}")]
    Invalid(String),
}

/// A token that is one of the issuer's and good now.
#[derive(Clone, Debug, PartialEq)]
pub struct ValidToken {
    /// What it says.
    pub claims: Claims,
    /// Its id (`jti`), if it has one.
    pub id: Option<String>,
    /// From then on it is not good any more, in milliseconds since 1970. Allows for the clocks to differ.
    pub end: i64,
    /// The key that it is signed with. It is good only as long as that is [published](Issuer::publishes).
    pub key: KeyName,
}

/// Checks the tokens of one issuer. A cheap handle.
#[derive(Clone)]
pub struct Issuer(Arc<State>);

struct State {
    options: IssuerOptions,
    reader: Reader,
    keys: ArcSwap<Keys>,
    /// Who holds this looks at the published keys; nobody else does.
    looking: Mutex<Looks>,
    /// That the keys cannot be read, or that there is none.
    trouble: Trouble,
}

#[derive(Default)]
struct Looks {
    last: Option<Instant>,
    last_success: Option<Instant>,
}

impl Issuer {
    /// Knows no keys yet: see [`run`](Issuer::run).
    ///
    /// # Errors
    /// When keys are to be read by `https` and this machine trusts no authority.
    pub fn new(options: IssuerOptions) -> Result<Self, IssuerError> {
        ring_provider::install();
        let failed = |cause| IssuerError { issuer: options.issuer.clone(), cause };
        let reader = Reader::new(options.keys.clone()).map_err(failed)?;
        let (keys, looking, trouble) = (ArcSwap::default(), Mutex::default(), Trouble::default());
        trouble.failed("the keys were not read yet");
        Ok(Issuer(Arc::new(State { options, reader, keys, looking, trouble })))
    }

    /// The name that tokens carry.
    pub fn name(&self) -> &str {
        &self.0.options.issuer
    }

    /// Keeps the keys up to date, until it is told to stop.
    pub async fn run(self, stopping: CancellationToken) {
        loop {
            let Some(read) =
                stopping.run_until_cancelled(async { self.look(&mut *self.0.looking.lock().await).await }).await
            else {
                return;
            };
            let pause = if read { self.0.options.refresh } else { self.0.options.refresh.min(PAUSE) };
            if stopping.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                return;
            }
        }
    }

    /// Why no token, or not every token, can be checked; `None` if all is well.
    pub fn trouble(&self) -> Option<String> {
        let cause = self.0.trouble.cause()?;
        Some(format!("the keys of {} ({}): {cause}", self.name(), self.0.options.keys))
    }

    /// Whether the issuer publishes this key. One look at memory.
    pub fn publishes(&self, key: KeyName) -> bool {
        self.0.keys.load().contains(key)
    }

    /// Checks a token. Waits only when it names a key that is not known: then the published keys are looked at, if
    /// nobody has done so within half a minute.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn validate(&self, token: &str) -> Result<ValidToken, Refused> {
        if token.len() > LONGEST_TOKEN {
            return Err(Refused::TooLong);
        }
        let invalid = |error: jsonwebtoken::errors::Error| Refused::Invalid(error.to_string());
        let header = decode_header(token).map_err(invalid)?;
        let algorithm = SignatureAlgorithm::of(header.alg).filter(|it| self.0.options.algorithms.contains(it));
        let algorithm = algorithm.ok_or(Refused::Algorithm)?;
        let key = match self.key(&header, algorithm) {
            Some(key) => key,
            None => {
                self.look_for(&header).await;
                self.key(&header, algorithm).ok_or(Refused::UnknownKey)?
            }
        };
        let decoded: TokenData<Claims> = decode(token, &key.decoding, &self.expected(algorithm)).map_err(invalid)?;
        self.accept(decoded.claims, key.name)
    }

    fn key(&self, header: &Header, algorithm: SignatureAlgorithm) -> Option<Key> {
        self.0.keys.load().find(header.kid.as_deref(), algorithm).cloned()
    }

    /// Nothing of what the token says about keys (`jwk`, `jku`, `x5u` …) is looked at.
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

    /// What the library leaves to its callers.
    fn accept(&self, claims: Claims, key: KeyName) -> Result<ValidToken, Refused> {
        let refuse = |why: &str| Err(Refused::Invalid(why.to_owned()));
        let skew = i64::try_from(self.0.options.skew.as_secs()).unwrap_or(i64::MAX);
        // The library takes a list with the issuer among others.
        if claims.text("iss") != Some(self.name()) {
            return refuse("it is of another issuer");
        }
        let issued = claims.time("iat");
        if claims.get("iat").is_some() && issued.is_none_or(|issued| issued > now().saturating_add(skew)) {
            return refuse("it was issued in the future");
        }
        let id = claims.text("jti").map(str::to_owned);
        if claims.get("jti").is_some() && id.as_ref().is_none_or(|id| id.is_empty() || id.len() > LONGEST_ID) {
            return refuse("its id is no short text");
        }
        let Some(end) = claims.time("exp") else { return refuse("it has no end") };
        let end = end.saturating_add(skew).saturating_mul(1_000);
        Ok(ValidToken { claims, id, end, key })
    }

    /// A look at the published keys for a token that names an unknown one, unless there was one just now.
    async fn look_for(&self, header: &Header) {
        let known = |keys: &Keys| match &header.kid {
            Some(id) => keys.has_id(id),
            // It fits none or several: a look would not change that, unless there is none yet.
            None => keys.len() > 0,
        };
        if known(&self.0.keys.load()) {
            return;
        }
        let mut looks = self.0.looking.lock().await;
        // Somebody may have looked while this one waited.
        if !known(&self.0.keys.load()) && looks.last.is_none_or(|last| last.elapsed() >= PAUSE) {
            self.look(&mut looks).await;
        }
    }

    /// Reads the published keys. What cannot be read replaces nothing, for a day.
    async fn look(&self, looks: &mut Looks) -> bool {
        let state = &*self.0;
        looks.last = Some(Instant::now());
        let read = match state.reader.read().await {
            Ok(bytes) => Keys::read(&bytes).map_err(|error| format!("no key set: {error}").into()),
            Err(error) => Err(error),
        };
        match read {
            Ok(keys) => {
                looks.last_success = looks.last;
                let usable = keys.len();
                state.keys.store(Arc::new(keys));
                if usable == 0 {
                    self.tell("there is no key that a token could be checked with".to_owned());
                } else if state.trouble.succeeded().is_some() {
                    tracing::info!(issuer = self.name(), keys = usable, "the keys of the issuer are read");
                }
                true
            }
            Err(error) => {
                if looks.last_success.is_none_or(|success| success.elapsed() >= KEPT) {
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

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
