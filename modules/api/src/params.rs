//! Path and query parameters. Parsing is strict: the problem names every invalid one.

mod api_keys;
mod audit;
mod lists;
mod query;
mod users;

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use hotshelf_domain::{ApiKeyId, FieldError, InvitationId, OrganizationId, ProductId, SchemaId, SessionId, UserId};

use crate::problem::Problem;
pub(crate) use api_keys::KeyPageQuery;
pub(crate) use audit::AuditPageQuery;
pub(crate) use lists::{ListQuery, MemberPageQuery};
pub(crate) use query::QueryReader;
pub(crate) use users::UserQuery;

/// The `{id}` of a path.
pub(crate) struct IdPath<T>(pub(crate) T);

/// An id that a path can contain.
pub(crate) trait Id: Sized {
    fn from_number(number: i64) -> Option<Self>;
}

macro_rules! ids {
    ($($id:ty),*) => {
        $(impl Id for $id {
            fn from_number(number: i64) -> Option<Self> {
                <$id>::new(number)
            }
        })*
    };
}

ids!(ApiKeyId, InvitationId, OrganizationId, ProductId, SchemaId, SessionId, UserId);

impl<T: Id, S: Send + Sync> FromRequestParts<S> for IdPath<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let id = Path::<String>::from_request_parts(parts, state).await.ok();
        id.and_then(|Path(text)| id_of(&text))
            .map(IdPath)
            .ok_or_else(|| Problem::bad_parameters(FieldError::new("id", "must be a positive integer")))
    }
}

/// Digits only: with signs, one resource would have several paths.
pub(crate) fn id_of<T: Id>(text: &str) -> Option<T> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok().and_then(T::from_number)).flatten()
}
