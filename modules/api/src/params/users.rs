//! The query of a list of users.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use hotshelf_domain::{Email, OrganizationId};

use super::{QueryReader, id_of};
use crate::problem::Problem;

pub(crate) struct UserQuery {
    pub(crate) organization: Option<OrganizationId>,
    /// As it is written: accounts may be older than the rules for addresses.
    pub(crate) email: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for UserQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let mut query = QueryReader::from_request_parts(parts, state).await?;
        let positive = |text: &str| id_of(text).ok_or_else(|| "must be a positive integer".to_owned());
        let organization = query.take("organization_id", positive);
        let email = query.take("email", |text| match Email::spellings(text).is_empty() {
            false => Ok(text.to_owned()),
            true => Err("must be an e-mail address, such as ann@shop.example".to_owned()),
        });
        query.finish().map_err(Problem::bad_parameters)?;
        Ok(UserQuery { organization, email })
    }
}
