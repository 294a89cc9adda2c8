//! Every error answer is made here. Handlers return a [`Problem`]; what a lower crate's error means to a client is
//! decided by the `From` implementations below, whose matches are closed: a new error is a compile error here.
//!
//! A problem becomes a response in two steps: [`IntoResponse`] sets the status and carries the problem along, and the
//! pipeline, which knows the request's id, writes the body ([`Problem::write_to`]).

mod body;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hotshelf_accounts::AuthError;
use hotshelf_cache::{DeleteError, WriteError};
use hotshelf_domain::{FieldError, FieldErrors, Invalid, MalformedInput, StoreError, Thousands, shortened};
use hotshelf_product::ProductError;

pub(crate) use body::Dialect;

/// Maximum length (bytes) of a detail. It may quote the request.
const DETAIL_MAX: usize = 1_000;

/// An error response, and its cause for the log.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    detail: String,
    errors: FieldErrors,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// For the log only. Clients never see it.
    cause: Option<String>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Problem {
            status,
            detail: shortened(&detail.into(), DETAIL_MAX),
            errors: FieldErrors::default(),
            headers: Vec::new(),
            cause: None,
        }
    }

    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Problem::new(StatusCode::BAD_REQUEST, detail)
    }

    /// 400 that names every invalid parameter.
    pub(crate) fn bad_parameters(errors: impl Into<FieldErrors>) -> Self {
        let invalid = Invalid(errors.into());
        Problem { errors: invalid.0.clone(), ..Problem::bad_request(invalid.to_string()) }
    }

    /// 401 with this challenge in `WWW-Authenticate` (RFC 6750).
    pub(crate) fn unauthorized(detail: impl Into<String>, challenge: &'static str) -> Self {
        let challenge = HeaderValue::from_static(challenge);
        Problem::new(StatusCode::UNAUTHORIZED, detail).with_headers([(header::WWW_AUTHENTICATE, challenge)])
    }

    /// 405 with the allowed methods in `Allow`.
    pub(crate) fn method_not_allowed(method: &Method, allow: &str) -> Self {
        let detail = format!("{method} is not allowed, use one of {allow}");
        let allow = HeaderValue::from_str(allow).ok().map(|allow| (header::ALLOW, allow));
        Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail).with_headers(allow)
    }

    pub(crate) fn unknown_path(path: &str) -> Self {
        Problem::new(StatusCode::NOT_FOUND, format!("there is no resource at {path}"))
    }

    /// 408 for a body that arrives too slowly. Closes the connection, because the rest of the body would be read as the
    /// next request.
    pub(crate) fn too_slow(detail: impl Into<String>) -> Self {
        Problem::new(StatusCode::REQUEST_TIMEOUT, detail).with_headers([closing()])
    }

    /// Whether a rate limit was exceeded.
    pub(crate) fn is_limit(&self) -> bool {
        self.status == StatusCode::TOO_MANY_REQUESTS
    }

    pub(crate) fn unavailable(detail: impl Into<String>) -> Self {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).after(1)
    }

    /// Tells the client to repeat the request after so many seconds.
    pub(crate) fn after(self, seconds: u32) -> Self {
        self.with_headers([(header::RETRY_AFTER, HeaderValue::from(seconds))])
    }

    pub(crate) fn with_headers(mut self, headers: impl IntoIterator<Item = (HeaderName, HeaderValue)>) -> Self {
        self.headers.extend(headers);
        self
    }

    /// 500 for a defect. The client sees only the request id, under which the log has the cause.
    pub(crate) fn internal(cause: impl ToString) -> Self {
        let detail = "an unexpected error occurred; the log has the cause under the request id";
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail).caused_by(cause)
    }

    fn caused_by(self, cause: impl ToString) -> Self {
        Problem { cause: Some(cause.to_string()), ..self }
    }
}

/// The header of a response that closes the connection.
pub(crate) fn closing() -> (HeaderName, HeaderValue) {
    (header::CONNECTION, HeaderValue::from_static("close"))
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, HeaderMap::from_iter(self.headers.iter().cloned())).into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<Invalid> for Problem {
    fn from(invalid: Invalid) -> Self {
        let detail = match invalid.0.more() {
            0 => "the request is not valid".to_owned(),
            more => {
                let listed = invalid.0.len();
                format!("the request is not valid: {listed} errors are listed, and there are {} more", Thousands(more))
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
        Problem::unavailable("not all entries could be deleted, try again").caused_by(error)
    }
}

impl From<ProductError> for Problem {
    fn from(error: ProductError) -> Self {
        match error {
            ProductError::Write(WriteError::Locked) => {
                Problem::new(StatusCode::CONFLICT, "product is being updated, try again").after(1)
            }
            ProductError::Write(error) => error.into(),
            ProductError::Miscounted { .. } => Problem::internal(error),
        }
    }
}

impl From<AuthError> for Problem {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::RegistrationOff | AuthError::InvitationMissing | AuthError::Suspended => {
                Problem::new(StatusCode::FORBIDDEN, error.to_string())
            }
            AuthError::WrongCredentials => Problem::unauthorized(error.to_string(), "Bearer"),
            AuthError::Busy | AuthError::TooMuchMail => Problem::unavailable(format!("{error}, try again")),
            AuthError::Hash(_) => Problem::internal(error),
            AuthError::NoIssuer => Problem::new(StatusCode::NOT_FOUND, error.to_string()),
            AuthError::NotIssued => Problem::new(StatusCode::BAD_REQUEST, error.to_string()),
            AuthError::NotYours => Problem::new(StatusCode::FORBIDDEN, error.to_string()),
            AuthError::Write(error) => error.into(),
        }
    }
}

impl From<WriteError<StoreError>> for Problem {
    fn from(error: WriteError<StoreError>) -> Self {
        match error {
            WriteError::Locked => Problem::new(StatusCode::CONFLICT, error.to_string()).after(1),
            WriteError::Store(error) => error.into(),
            WriteError::InvalidationUnconfirmed(error) => {
                Problem::unavailable("the write could not be confirmed; check before repeating it").caused_by(error)
            }
            WriteError::BrokeOff => Problem::internal(error),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let with_status = |status| Problem::new(status, error.to_string());
        match &error {
            StoreError::NotFound(id) => Problem::new(StatusCode::NOT_FOUND, format!("Product {id} does not exist")),
            StoreError::NoSuchOrganization(_)
            | StoreError::NoSuchSchema(_)
            | StoreError::NoSuchUser(_)
            | StoreError::NoSuchSession(_)
            | StoreError::NoSuchApiKey(_)
            | StoreError::NoSuchInvitation(_) => with_status(StatusCode::NOT_FOUND),
            StoreError::PreconditionFailed { .. } | StoreError::SchemaPreconditionFailed { .. } => Problem::new(
                StatusCode::PRECONDITION_FAILED,
                format!("the precondition of the request does not hold: {error}"),
            ),
            StoreError::EmailTaken
            | StoreError::LastAdmin(_)
            | StoreError::OrganizationBuiltIn(_)
            | StoreError::QuotaExceeded { .. }
            | StoreError::SchemaBuiltIn(_)
            | StoreError::SchemaInUse { .. } => with_status(StatusCode::CONFLICT),
            StoreError::NotVerified(_)
            | StoreError::NoAdmin(_)
            | StoreError::RemovedSince
            | StoreError::Suspended(_) => with_status(StatusCode::FORBIDDEN),
            StoreError::NoIssuerKeys => Problem::unavailable(format!("{error}, try again")),
            StoreError::VersionConflict { .. }
            | StoreError::TooManySessions(_)
            | StoreError::EmailMoved
            | StoreError::MembersChanged(_) => with_status(StatusCode::CONFLICT).after(1),
            StoreError::Invalid(invalid) => invalid.clone().into(),
            StoreError::InvalidMany(wrong) => {
                let mut errors = FieldErrors::default();
                for (index, invalid) in wrong {
                    for FieldError { field, message } in &invalid.0 {
                        errors.add(&format!("products[{index}].{field}"), message);
                    }
                    errors.add_uncounted(invalid.0.more());
                }
                Problem { errors, ..with_status(StatusCode::BAD_REQUEST) }
            }
            // Parameters are checked before, so only the client can cause a page that does not exist.
            StoreError::NoSuchReset | StoreError::NoSuchProof | StoreError::NotInvited | StoreError::NoSuchPage(_) => {
                with_status(StatusCode::BAD_REQUEST)
            }
            StoreError::SessionsEnded(_) => {
                Problem::unauthorized("the session has ended", "Bearer error=\"invalid_token\"")
            }
            StoreError::Overloaded(_) => {
                Problem::unavailable("the database is overloaded, try again").caused_by(&error)
            }
            StoreError::Replaced { .. } => {
                Problem::unavailable("the database file was replaced, an operator must restart the service")
                    .caused_by(&error)
            }
            StoreError::NotCommitted(_) | StoreError::Unavailable(_) | StoreError::Closed => {
                Problem::unavailable("the database is unavailable, try again").caused_by(&error)
            }
        }
    }
}
