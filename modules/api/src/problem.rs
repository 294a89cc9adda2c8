//! Every error answer is made here. Handlers return a [`Problem`]; what a lower crate's error means to a client is
//! decided by the `From` implementations below, whose matches are closed: a new error is a compile error here.
//!
//! A problem becomes a response in two steps: [`IntoResponse`] sets the status and carries the problem along, and the
//! edge, which knows the request's id, writes the body ([`Problem::render`]).

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hotshelf_accounts::AuthError;
use hotshelf_cache::{DeleteError, WriteError};
use hotshelf_domain::{FieldError, FieldErrors, Invalid, MalformedInput, StoreError, Thousands, shortened};
use hotshelf_product::ProductError;
use serde::Serialize;

/// Bytes of a detail. It may repeat what was sent.
const DETAIL_MAX: usize = 1_000;

/// What went wrong, for the client and for the log.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    detail: String,
    errors: FieldErrors,
    /// Seconds after which a client may try again.
    retry_after: Option<u32>,
    /// What the answer says beside.
    headers: Vec<(HeaderName, HeaderValue)>,
    /// For the log only: what a client must not see.
    pub(crate) cause: Option<String>,
}

/// How an error body looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// RFC 9457.
    Problem,
    /// The envelope of the simple clients.
    Envelope,
}

#[derive(Serialize)]
struct ProblemBody<'a> {
    r#type: &'static str,
    title: &'a str,
    status: u16,
    detail: &'a str,
    request_id: &'a str,
    #[serde(skip_serializing_if = "FieldErrors::is_empty")]
    errors: &'a FieldErrors,
    #[serde(skip_serializing_if = "is_zero")]
    more_errors: usize,
}

#[derive(Serialize)]
struct EnvelopeBody<'a> {
    status: &'static str,
    message: &'a str,
    request_id: &'a str,
    #[serde(skip_serializing_if = "FieldErrors::is_empty")]
    errors: &'a FieldErrors,
    #[serde(skip_serializing_if = "is_zero")]
    more_errors: usize,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl Problem {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Problem {
            status,
            detail: shortened(&detail.into(), DETAIL_MAX),
            errors: FieldErrors::default(),
            retry_after: None,
            headers: Vec::new(),
            cause: None,
        }
    }

    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Problem::new(StatusCode::BAD_REQUEST, detail)
    }

    /// Parameters that are out of range or cannot be read, each by name.
    pub(crate) fn bad_parameters(errors: impl Into<FieldErrors>) -> Self {
        let invalid = Invalid(errors.into());
        Problem { errors: invalid.0.clone(), ..Problem::bad_request(invalid.to_string()) }
    }

    /// Nobody knows who asks; `challenge` is how that could be said (RFC 6750).
    pub(crate) fn unauthorized(detail: impl Into<String>, challenge: &'static str) -> Self {
        let headers = vec![(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge))];
        Problem { headers, ..Problem::new(StatusCode::UNAUTHORIZED, detail) }
    }

    /// The route answers these methods, and not that one.
    pub(crate) fn method_not_allowed(method: &Method, allow: &str) -> Self {
        let headers = HeaderValue::from_str(allow).into_iter().map(|allow| (header::ALLOW, allow)).collect();
        let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, format!("this answers {allow}, and not {method}"));
        Problem { headers, ..problem }
    }

    /// What was being sent comes too slowly, or not at all. The rest of it would be taken for the next request.
    pub(crate) fn too_slow(detail: impl Into<String>) -> Self {
        Problem::new(StatusCode::REQUEST_TIMEOUT, detail).with_headers([closing()])
    }

    pub(crate) fn unavailable(detail: impl Into<String>) -> Self {
        Problem { retry_after: Some(1), ..Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail) }
    }

    /// More requests than the caller's limit lets through; after so many seconds there is a place again.
    pub(crate) fn too_many(detail: impl Into<String>, retry_after: u32) -> Self {
        Problem::new(StatusCode::TOO_MANY_REQUESTS, detail).after(retry_after)
    }

    /// To be tried again after so many seconds.
    pub(crate) fn after(self, seconds: u32) -> Self {
        Problem { retry_after: Some(seconds), ..self }
    }

    pub(crate) fn with_headers(self, headers: impl Into<Vec<(HeaderName, HeaderValue)>>) -> Self {
        Problem { headers: headers.into(), ..self }
    }

    /// A defect. The client learns nothing but the request's id; the log has the cause under it.
    pub(crate) fn internal(cause: impl Into<String>) -> Self {
        let problem = Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "an unexpected error; the log has the cause");
        Problem { cause: Some(cause.into()), ..problem }
    }

    fn caused_by(self, cause: impl ToString) -> Self {
        Problem { cause: Some(cause.to_string()), ..self }
    }

    /// The body, and the headers that go with it.
    pub(crate) fn render(&self, request_id: &str, dialect: Dialect) -> (Vec<u8>, &'static str) {
        let (errors, more_errors) = (&self.errors, self.errors.more());
        let rendered = match dialect {
            Dialect::Problem => serde_json::to_vec(&ProblemBody {
                r#type: "about:blank",
                title: title(self.status),
                status: self.status.as_u16(),
                detail: &self.detail,
                request_id,
                errors,
                more_errors,
            }),
            Dialect::Envelope => serde_json::to_vec(&EnvelopeBody {
                status: "error",
                message: &self.detail,
                request_id,
                errors,
                more_errors,
            }),
        };
        let media_type = match dialect {
            Dialect::Problem => "application/problem+json",
            Dialect::Envelope => "application/json",
        };
        (rendered.unwrap_or_default(), media_type)
    }
}

/// What an answer says after which nothing more is read from the connection.
pub(crate) fn closing() -> (HeaderName, HeaderValue) {
    (header::CONNECTION, HeaderValue::from_static("close"))
}

/// The phrases of RFC 9110, which has renamed this one since.
fn title(status: StatusCode) -> &'static str {
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => "Content Too Large",
        other => other.canonical_reason().unwrap_or("Error"),
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let retry_after = self.retry_after.map(|seconds| (header::RETRY_AFTER, HeaderValue::from(seconds)));
        let headers = HeaderMap::from_iter(retry_after.into_iter().chain(self.headers.iter().cloned()));
        let mut response = (self.status, headers).into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<Invalid> for Problem {
    fn from(invalid: Invalid) -> Self {
        let detail = match invalid.0.more() {
            0 => "what was sent is not valid".to_owned(),
            more => {
                let listed = invalid.0.len();
                format!(
                    "what was sent is not valid: {listed} errors are listed, and there are {} more",
                    Thousands(more)
                )
            }
        };
        Problem { errors: invalid.0, ..Problem::bad_request(detail) }
    }
}

impl From<MalformedInput> for Problem {
    fn from(malformed: MalformedInput) -> Self {
        Problem::bad_request(malformed.to_string())
    }
}

impl From<DeleteError> for Problem {
    fn from(error: DeleteError) -> Self {
        Problem::unavailable("the entries could not all be deleted, try again").caused_by(error)
    }
}

impl From<ProductError> for Problem {
    fn from(error: ProductError) -> Self {
        match error {
            ProductError::Write(WriteError::Locked) => Problem {
                retry_after: Some(1),
                ..Problem::new(StatusCode::CONFLICT, "product is being updated, try again")
            },
            ProductError::Write(error) => error.into(),
            ProductError::Miscounted { .. } => Problem::internal(error.to_string()),
        }
    }
}

impl From<AuthError> for Problem {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::WrongCredentials => Problem::unauthorized(error.to_string(), "Bearer"),
            AuthError::Busy | AuthError::TooMuchMail => Problem::unavailable(format!("{error}, try again")),
            AuthError::Hash(_) => Problem::internal(error.to_string()),
            AuthError::Session(error) => error.into(),
        }
    }
}

impl From<WriteError<StoreError>> for Problem {
    fn from(error: WriteError<StoreError>) -> Self {
        match error {
            WriteError::Locked => {
                Problem { retry_after: Some(1), ..Problem::new(StatusCode::CONFLICT, error.to_string()) }
            }
            WriteError::Store(error) => error.into(),
            WriteError::InvalidationUnconfirmed(error) => {
                Problem::unavailable("the write could not be confirmed; check before repeating it").caused_by(error)
            }
            WriteError::BrokeOff => Problem::internal(error.to_string()),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::NotFound(id) => Problem::new(StatusCode::NOT_FOUND, format!("Product {id} does not exist")),
            StoreError::PreconditionFailed { .. } => {
                Problem::new(StatusCode::PRECONDITION_FAILED, format!("If-Match does not hold: {error}"))
            }
            StoreError::SchemaPreconditionFailed { .. } => {
                Problem::new(StatusCode::PRECONDITION_FAILED, format!("If-Match does not hold: {error}"))
            }
            StoreError::Overtaken { .. } => {
                Problem { retry_after: Some(1), ..Problem::new(StatusCode::CONFLICT, error.to_string()) }
            }
            StoreError::Invalid(invalid) => invalid.clone().into(),
            StoreError::InvalidMany(wrong) => {
                let mut errors = FieldErrors::default();
                for (index, invalid) in wrong {
                    for FieldError { field, message } in &invalid.0 {
                        errors.add(&format!("products[{index}].{field}"), message);
                    }
                    errors.add_uncounted(invalid.0.more());
                }
                Problem { errors, ..Problem::bad_request(error.to_string()) }
            }
            StoreError::NoSuchOrganization(_) | StoreError::NoSuchSchema(_) => {
                Problem::new(StatusCode::NOT_FOUND, error.to_string())
            }
            StoreError::NoSuchUser(_) | StoreError::NoSuchSession(_) | StoreError::NoSuchApiKey(_) => {
                Problem::new(StatusCode::NOT_FOUND, error.to_string())
            }
            StoreError::EmailTaken | StoreError::LastAdmin(_) => Problem::new(StatusCode::CONFLICT, error.to_string()),
            StoreError::SessionsEnded(_) => {
                Problem::unauthorized("the session has ended", "Bearer error=\"invalid_token\"")
            }
            StoreError::TooManySessions(_) => {
                Problem { retry_after: Some(1), ..Problem::new(StatusCode::CONFLICT, error.to_string()) }
            }
            StoreError::NoSuchReset => Problem::bad_request(error.to_string()),
            // The parameters are checked before; what gets here all the same is the client's doing.
            StoreError::NoSuchPage(error) => Problem::bad_request(error.to_string()),
            StoreError::SchemaBuiltIn(_) | StoreError::SchemaInUse { .. } => {
                Problem::new(StatusCode::CONFLICT, error.to_string())
            }
            StoreError::Overloaded(_) => Problem::unavailable("the database is overloaded, try again").caused_by(error),
            StoreError::Replaced { .. } => Problem::unavailable(
                "the database is not the one that was opened: an operator has to restart the service",
            )
            .caused_by(error),
            StoreError::Unavailable(_) | StoreError::Closed => {
                Problem::unavailable("the database is unavailable, try again").caused_by(error)
            }
        }
    }
}
