//! The parameters of the list of API keys.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use hotshelf_domain::ApiKeyId;

use super::lists::take_limit;
use super::{QueryReader, id_of};
use crate::problem::Problem;

/// A page of the API keys of an organization.
pub(crate) struct KeyPageQuery {
    pub(crate) after: Option<ApiKeyId>,
    pub(crate) limit: u32,
}

impl<S: Send + Sync> FromRequestParts<S> for KeyPageQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let mut query = QueryReader::from_request_parts(parts, state).await?;
        let cursor = |text: &str| id_of(text).ok_or_else(|| "must be the next_cursor of a page".to_owned());
        let page = KeyPageQuery { after: query.take("cursor", cursor), limit: take_limit(&mut query) };
        query.finish().map_err(Problem::bad_parameters)?;
        Ok(page)
    }
}
