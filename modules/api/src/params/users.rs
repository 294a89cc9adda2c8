//! The query of a list of users.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use hotshelf_domain::{Email, OrganizationId};

use super::{QueryReader, id_of};
use crate::problem::Problem;

pub(crate) struct UserQuery {
    pub(crate) organization: Option<OrganizationId>,
    pub(crate) email: Option<Email>,
}

impl<S: Send + Sync> FromRequestParts<S> for UserQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let mut query = QueryReader::from_request_parts(parts, state).await?;
        let positive = |text: &str| id_of(text).ok_or_else(|| "must be a positive integer".to_owned());
        let organization = query.take("organization_id", positive);
        // Also an address that could not be chosen today.
        let email = query.take("email", |text| match Email::spellings(text).into_iter().next() {
            Some(email) => Ok(email),
            None => text.parse(),
        });
        query.finish().map_err(Problem::bad_parameters)?;
        Ok(UserQuery { organization, email })
    }
}
