//! A reader of the query string, parameter by parameter.

use std::str::FromStr;

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use hotshelf_domain::FieldErrors;

use crate::problem::Problem;

/// The parameters that were not read yet, and the errors of those that were.
#[derive(Debug, Default)]
pub(crate) struct QueryReader {
    unread: Vec<(String, String)>,
    errors: FieldErrors,
}

impl<S: Send + Sync> FromRequestParts<S> for QueryReader {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let pairs = Query::<Vec<(String, String)>>::from_request_parts(parts, state).await;
        let Query(unread) =
            pairs.map_err(|error| Problem::bad_request(format!("the query string is malformed: {error}")))?;
        Ok(QueryReader { unread, errors: FieldErrors::default() })
    }
}

impl QueryReader {
    #[cfg(test)]
    pub(crate) fn from_pairs(pairs: &[(&str, &str)]) -> Self {
        let unread = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        QueryReader { unread, errors: FieldErrors::default() }
    }

    /// Reads the parameter of that name, if it is given. `parse` returns the error message.
    pub(crate) fn take<T>(&mut self, name: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let mut given = self.unread.extract_if(.., |(given, _)| given == name).map(|(_, value)| value);
        let (first, another) = (given.next(), given.next().is_some());
        drop(given);
        if another {
            self.error(name, "must be given once");
            return None;
        }
        parse(&first?).map_err(|message| self.error(name, &message)).ok()
    }

    /// As [`take`](QueryReader::take), for a type with `FromStr`, within bounds.
    pub(crate) fn take_if<T: FromStr>(
        &mut self,
        name: &str,
        fits: impl FnOnce(&T) -> bool,
        expectation: &str,
    ) -> Option<T> {
        self.take(name, |text| text.parse().ok().filter(fits).ok_or_else(|| expectation.to_owned()))
    }

    /// Reads a query whose only parameter may be this boolean; `false` by default.
    pub(crate) fn only_flag(mut self, name: &str) -> Result<bool, Problem> {
        let flag = self.take_if(name, |_| true, "must be true or false").unwrap_or(false);
        self.finish().map_err(Problem::bad_parameters)?;
        Ok(flag)
    }

    pub(crate) fn error(&mut self, name: &str, message: &str) {
        self.errors.add(name, message);
    }

    /// Returns all errors, including one for each unknown parameter.
    pub(crate) fn finish(mut self) -> Result<(), FieldErrors> {
        for (name, _) in &self.unread {
            self.errors.add(name, "is not a known parameter");
        }
        if self.errors.is_empty() { Ok(()) } else { Err(self.errors) }
    }
}
