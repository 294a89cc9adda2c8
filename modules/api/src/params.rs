//! Path and query parameters, read strictly: every bad one is named.

use std::str::FromStr;

use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use hotshelf_domain::{FieldError, PageRequest, PageStart, ProductId};
use hotshelf_product::Cursor;

use crate::problem::Problem;

const DEFAULT_LIMIT: u32 = 20;
const MAX_LIMIT: u32 = 100;

/// The `{id}` of a path.
pub(crate) struct IdPath(pub(crate) ProductId);

impl<S: Send + Sync> FromRequestParts<S> for IdPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let id = Path::<String>::from_request_parts(parts, state).await.ok();
        id.and_then(|Path(id)| product_id(&id))
            .map(IdPath)
            .ok_or_else(|| Problem::bad_parameters(vec![wrong("id", "must be a positive integer")]))
    }
}

/// Digits only: a sign would give one product several addresses.
pub(crate) fn product_id(text: &str) -> Option<ProductId> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok().and_then(ProductId::new)).flatten()
}

/// The parameters of a list.
pub(crate) struct PageQuery(pub(crate) PageRequest);

impl<S: Send + Sync> FromRequestParts<S> for PageQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let pairs = Query::<Vec<(String, String)>>::from_request_parts(parts, state).await;
        let Query(pairs) = pairs.map_err(|error| Problem::bad_request(format!("the query cannot be read: {error}")))?;
        parse(&pairs).map(PageQuery).map_err(Problem::bad_parameters)
    }
}

fn parse(pairs: &[(String, String)]) -> Result<PageRequest, Vec<FieldError>> {
    let mut query = ListQuery::default();
    for (name, value) in pairs {
        match name.as_str() {
            "offset" => query.set(
                name,
                value,
                |query| &mut query.offset,
                |offset| *offset >= 0,
                "must be an integer of 0 or more",
            ),
            "limit" => {
                let fits = |limit: &u32| (1..=MAX_LIMIT).contains(limit);
                query.set(name, value, |query| &mut query.limit, fits, "must be an integer from 1 to 100");
            }
            "cursor" => {
                query.set(
                    name,
                    value,
                    |query| &mut query.cursor,
                    |_| true,
                    "must be a next_cursor of an earlier answer",
                );
            }
            _ => query.errors.push(wrong(name, "is not a known parameter")),
        }
    }
    if query.cursor.is_some() && query.offset.is_some() {
        query.errors.push(wrong("offset", "must be left out when there is a cursor"));
    }
    if !query.errors.is_empty() {
        return Err(query.errors);
    }
    let start = query.cursor.map_or(PageStart::Offset(query.offset.unwrap_or(0)), Cursor::start);
    Ok(PageRequest { start, limit: query.limit.unwrap_or(DEFAULT_LIMIT) })
}

#[derive(Default)]
struct ListQuery {
    offset: Option<i64>,
    limit: Option<u32>,
    cursor: Option<Cursor>,
    errors: Vec<FieldError>,
}

impl ListQuery {
    fn set<T: FromStr>(
        &mut self,
        name: &str,
        value: &str,
        place: impl Fn(&mut Self) -> &mut Option<T>,
        fits: impl Fn(&T) -> bool,
        expectation: &str,
    ) {
        match value.parse().ok().filter(fits) {
            Some(_) if place(self).is_some() => self.errors.push(wrong(name, "must be given once")),
            Some(value) => *place(self) = Some(value),
            None => self.errors.push(wrong(name, expectation)),
        }
    }
}

fn wrong(field: &str, message: &str) -> FieldError {
    FieldError { field: field.to_owned(), message: message.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &[(&str, &str)]) -> Result<PageRequest, Vec<String>> {
        let pairs: Vec<_> = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        parse(&pairs).map_err(|errors| errors.into_iter().map(|error| error.field).collect())
    }

    #[test]
    fn parameters_have_defaults_and_bounds() {
        assert_eq!(read(&[]), Ok(PageRequest { start: PageStart::Offset(0), limit: 20 }));
        let last = [("offset", "40"), ("limit", "100")];
        assert_eq!(read(&last), Ok(PageRequest { start: PageStart::Offset(40), limit: 100 }));
        for limit in ["0", "101", "-1", "ten", "", "1.5"] {
            assert_eq!(read(&[("limit", limit)]), Err(vec!["limit".to_owned()]), "{limit}");
        }
        assert_eq!(
            read(&[("offset", "-1"), ("limit", "x"), ("page", "2")]),
            Err(["offset", "limit", "page"].map(String::from).to_vec())
        );
        assert_eq!(read(&[("limit", "5"), ("limit", "6")]), Err(vec!["limit".to_owned()]));
        assert_eq!(read(&[("cursor", "nonsense")]), Err(vec!["cursor".to_owned()]));
    }
}
