//! Conditional requests (RFC 9110, section 13), and the freshness that a request asks for.
//!
//! All entity tags are weak (`W/"…"`): two answers with the same state of a product differ in `from_cache` and
//! `duration_ms`, and in their content coding. The tag names the state, and changes with each version of it. So
//! `If-Match` takes it with and without `W/`: a tag that is still the current one proves that nothing has changed.

mod tags;

use std::time::SystemTime;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use hotshelf_cache::Read;
use hotshelf_domain::{Expect, FieldError, History, Version, VersionInHistory};

use crate::problem::Problem;
use tags::{Field, Listed, Malformed, listed};

pub(crate) const MIN_VERSION: HeaderName = HeaderName::from_static("x-min-version");

/// The ETag of one version of a product or a schema: `W/"7-3-9f86d081884c7d65"` (id, version, history). A restored
/// database assigns the same version to another state, so the history is part of the tag.
pub(crate) fn version_tag(id: i64, version: u64, history: History) -> HeaderValue {
    let (mut id_digits, mut version_digits) = (itoa::Buffer::new(), itoa::Buffer::new());
    let (id, version) = (id_digits.format(id), version_digits.format(version));
    tag_of(["W/\"", id, "-", version, "-", &history.digits(), "\""].concat())
}

/// The ETag of one state of a page.
pub(crate) fn page_tag(revision: u64) -> HeaderValue {
    tag_of(format!("W/\"{revision:016x}\""))
}

/// Tags have only digits, letters, dashes and quotes, so this cannot fail.
fn tag_of(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("\"\""))
}

/// What the conditions of a read make of its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The answer is sent.
    Proceed,
    /// 304: the client has it.
    NotModified,
    /// 412: `If-Match` does not hold.
    Failed,
}

/// Evaluates the conditions of a read whose answer has this tag, if it has one. The order is that of section 13.2.2;
/// the conditions about dates are ignored, because no answer has a `Last-Modified`.
pub(crate) fn outcome(headers: &HeaderMap, tag: Option<&HeaderValue>) -> Outcome {
    // As of most reads from memory.
    if headers.is_empty() {
        return Outcome::Proceed;
    }
    let tag = tag.map(HeaderValue::as_bytes).map(|tag| tag.strip_prefix(b"W/").unwrap_or(tag));
    let matches = |listed: Listed<'_>| match listed {
        Listed::Any => true,
        Listed::Tag(named) => tag == Some(named),
    };
    // A field that is malformed names nothing: then `If-Match` fails, and the answer to `If-None-Match` is a whole one.
    let names = |name| listed(headers, name).map_while(Result::ok).any(matches);
    if headers.contains_key(header::IF_MATCH) && !names(&header::IF_MATCH) {
        Outcome::Failed
    } else if names(&header::IF_NONE_MATCH) {
        Outcome::NotModified
    } else {
        Outcome::Proceed
    }
}

/// The headers of a conditional read.
pub(crate) fn of_read(method: &Method, headers: &HeaderMap) -> Option<HeaderMap> {
    let conditional =
        method.is_safe() && [header::IF_MATCH, header::IF_NONE_MATCH].iter().any(|name| headers.contains_key(name));
    conditional.then(|| headers.clone())
}

/// Applies the conditions of a read to an answer that may have been made without looking at them.
pub(crate) fn apply(request: &HeaderMap, response: Response) -> Response {
    if response.status() != StatusCode::OK {
        return response;
    }
    match outcome(request, response.headers().get(header::ETAG)) {
        Outcome::Proceed => response,
        Outcome::Failed => failed().into_response(),
        Outcome::NotModified => {
            let mut headers = response.into_parts().0.headers;
            headers.remove(header::CONTENT_TYPE);
            headers.remove(header::CONTENT_LENGTH);
            (StatusCode::NOT_MODIFIED, headers).into_response()
        }
    }
}

pub(crate) fn failed() -> Problem {
    Problem::new(StatusCode::PRECONDITION_FAILED, "If-Match names no current entity tag of this resource")
}

/// What a write expects of the product or the schema with this id.
pub(crate) fn expectation(headers: &HeaderMap, id: i64) -> Result<Expect, Problem> {
    let versions = |tags: Vec<&[u8]>| tags.into_iter().filter_map(|tag| version_in(tag, id)).collect::<Vec<_>>();
    let first = match field(headers, &header::IF_MATCH)? {
        Field::Absent => unmodified_since(headers).map(Expect::UnmodifiedSince),
        Field::Any => None,
        Field::Tags(tags) => Some(Expect::OneOf(versions(tags))),
    };
    let second = match field(headers, &header::IF_NONE_MATCH)? {
        Field::Absent => None,
        // Only if there is nothing: then the answer is 404 in any case.
        Field::Any => Some(Expect::OneOf(Vec::new())),
        Field::Tags(tags) => Some(Expect::NoneOf(versions(tags))),
    };
    Ok(match (first, second) {
        (None, None) => Expect::Anything,
        (Some(condition), None) | (None, Some(condition)) => condition,
        (Some(first), Some(second)) => Expect::Both(Box::new(first), Box::new(second)),
    })
}

fn field<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Field<'a>, Problem> {
    Field::of(headers, name).map_err(|Malformed| {
        let name = if *name == header::IF_MATCH { "If-Match" } else { "If-None-Match" };
        Problem::bad_request(format!("{name} must be * or a list of entity tags in double quotes"))
    })
}

/// `None`: the tag belongs to something else.
fn version_in(tag: &[u8], id: i64) -> Option<VersionInHistory> {
    let tag = std::str::from_utf8(tag).ok()?;
    let (version, history) = tag.strip_prefix(&format!("\"{id}-"))?.strip_suffix('"')?.split_once('-')?;
    let digits = version.bytes().all(|byte| byte.is_ascii_digit());
    let version = digits.then(|| version.parse().ok().map(Version::new)).flatten()?;
    Some(VersionInHistory { history: History::from_digits(history)?, version })
}

/// A value that is no date is ignored, as section 13.1.4 demands.
fn unmodified_since(headers: &HeaderMap) -> Option<DateTime<Utc>> {
    let mut values = headers.get_all(header::IF_UNMODIFIED_SINCE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    httpdate::parse_http_date(value.to_str().ok()?).ok().map(|date: SystemTime| date.into())
}

/// Refuses a write whose conditions do not hold or cannot be checked, of an operation that changes nothing with an
/// entity tag. `readable`: its path can be read, so that it has a current representation.
pub(crate) fn check_untagged(headers: &HeaderMap, readable: bool) -> Result<(), Problem> {
    let wanted = match field(headers, &header::IF_MATCH)? {
        Field::Any if !readable => Err("If-Match: * does not hold: there is no representation at this path"),
        Field::Tags(_) => Err("If-Match does not hold: what this operation changes has no entity tag"),
        Field::Absent | Field::Any => Ok(()),
    };
    let unwanted = match field(headers, &header::IF_NONE_MATCH)? {
        Field::Any if readable => Err("If-None-Match: * does not hold: there is a representation at this path"),
        Field::Tags(_) if readable => Err("this operation cannot check If-None-Match: it reads no entity tag"),
        Field::Absent | Field::Any | Field::Tags(_) => Ok(()),
    };
    wanted.and(unwanted).map_err(|reason| Problem::new(StatusCode::PRECONDITION_FAILED, reason))
}

/// The freshness that a request asks for: `Cache-Control: no-cache` and `X-Min-Version`.
pub(crate) fn freshness(headers: &HeaderMap) -> Result<Read, Problem> {
    let mut versions = headers.get_all(&MIN_VERSION).iter();
    let min_revision = versions.next().map(min_version).transpose()?;
    if versions.next().is_some() {
        return Err(Problem::bad_parameters(FieldError::new("X-Min-Version", "must be given once")));
    }
    Ok(Read { bypass: headers.get_all(header::CACHE_CONTROL).iter().any(forbids_caches), min_revision })
}

fn forbids_caches(value: &HeaderValue) -> bool {
    let directives = value.to_str().unwrap_or_default().split(',').map(str::trim);
    directives.into_iter().any(|directive| {
        let name = directive.split('=').next().unwrap_or_default();
        name.eq_ignore_ascii_case("no-cache") || name.eq_ignore_ascii_case("no-store")
    })
}

fn min_version(value: &HeaderValue) -> Result<u64, Problem> {
    value
        .to_str()
        .ok()
        .and_then(|value| value.parse().ok())
        .ok_or_else(|| Problem::bad_parameters(FieldError::new("X-Min-Version", "must be a version number, 0 or more")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: HeaderName, values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (name.clone(), HeaderValue::from_str(value).expect("a value"))).collect()
    }

    const HISTORY: History = History::new(0xa5);

    fn expect(lines: &[(HeaderName, &str)]) -> Result<Expect, u16> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let value = value.replace('@', "-00000000000000a5");
            headers.append(name, HeaderValue::from_str(&value).expect("a value"));
        }
        expectation(&headers, 4).map_err(|problem| problem.status.as_u16())
    }

    fn versions(numbers: &[i64]) -> Vec<VersionInHistory> {
        versions_in(HISTORY, numbers)
    }

    fn versions_in(history: History, numbers: &[i64]) -> Vec<VersionInHistory> {
        numbers.iter().map(|number| VersionInHistory { history, version: Version::new(*number) }).collect()
    }

    #[test]
    fn if_match_names_versions() {
        let expect = |values: &[&str]| {
            let lines: Vec<_> = values.iter().map(|value| (header::IF_MATCH, *value)).collect();
            expect(&lines)
        };
        assert_eq!(expect(&[]), Ok(Expect::Anything));
        assert_eq!(expect(&["*"]), Ok(Expect::Anything));
        assert_eq!(expect(&["\"4-7@\""]), Ok(Expect::OneOf(versions(&[7]))));
        assert_eq!(expect(&["\"4-7@\", W/\"4-8@\"", "\"4-9@\""]), Ok(Expect::OneOf(versions(&[7, 8, 9]))));
        assert_eq!(expect(&[version_tag(4, 7, HISTORY).to_str().unwrap()]), Ok(Expect::OneOf(versions(&[7]))));
        let other = Expect::OneOf(versions_in(History::new(0xa6), &[7]));
        assert_eq!(expect(&["\"4-7-00000000000000a6\""]), Ok(other));
        for nothing in
            ["\"5-7@\"", "\"4-x@\"", "\"4-+7@\"", "\"4-7\"", "\"4-7-a5\"", "\"4-7-00000000000000A5\"", "\"\"", ""]
        {
            assert_eq!(expect(&[nothing]), Ok(Expect::OneOf(vec![])), "{nothing}");
        }
        for malformed in ["4-7@", "garbage", "*, \"4-7@\"", "\"4-7@", "w/\"4-7@\"", "\"4-7@\" \"4-8@\""] {
            assert_eq!(expect(&[malformed]), Err(400), "{malformed}");
        }
    }

    #[test]
    fn conditions_are_combined_in_their_order() {
        use header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE};
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        let since = DateTime::from_timestamp(784_111_777, 0).expect("a time");
        assert_eq!(expect(&[(IF_NONE_MATCH, "*")]), Ok(Expect::OneOf(vec![])));
        assert_eq!(expect(&[(IF_NONE_MATCH, "\"4-7@\"")]), Ok(Expect::NoneOf(versions(&[7]))));
        assert_eq!(expect(&[(IF_NONE_MATCH, "\"other\"")]), Ok(Expect::NoneOf(vec![])));
        assert_eq!(expect(&[(IF_NONE_MATCH, "other")]), Err(400));
        let both = Expect::Both(Expect::OneOf(versions(&[7])).into(), Expect::NoneOf(versions(&[8])).into());
        assert_eq!(expect(&[(IF_NONE_MATCH, "\"4-8@\""), (IF_MATCH, "\"4-7@\"")]), Ok(both));
        assert_eq!(expect(&[(IF_UNMODIFIED_SINCE, date)]), Ok(Expect::UnmodifiedSince(since)));
        let with_match = [(IF_UNMODIFIED_SINCE, date), (IF_MATCH, "\"4-7@\"")];
        assert_eq!(expect(&with_match), Ok(Expect::OneOf(versions(&[7]))));
        for ignored in [(IF_MODIFIED_SINCE, date), (IF_UNMODIFIED_SINCE, "yesterday"), (IF_UNMODIFIED_SINCE, "")] {
            assert_eq!(expect(std::slice::from_ref(&ignored)), Ok(Expect::Anything), "{ignored:?}");
        }
    }

    #[test]
    fn a_read_is_conditional() {
        let tag = HeaderValue::from_static("W/\"4-7\"");
        let of = |name, value: &str| outcome(&headers(name, &[value]), Some(&tag));
        for held in ["\"4-7\"", "W/\"4-7\"", "\"x\", \"4-7\"", "*", "\"a,b\",,\t\"4-7\""] {
            assert_eq!(of(header::IF_NONE_MATCH, held), Outcome::NotModified, "{held}");
            assert_eq!(of(header::IF_MATCH, held), Outcome::Proceed, "{held}");
        }
        for other in ["\"4-8\"", "4-7", "\"4-7", "\"x,\"4-7\"\"", ""] {
            assert_eq!(of(header::IF_NONE_MATCH, other), Outcome::Proceed, "{other}");
            assert_eq!(of(header::IF_MATCH, other), Outcome::Failed, "{other}");
        }
        let untagged = |name, value: &str| outcome(&headers(name, &[value]), None);
        assert_eq!(untagged(header::IF_NONE_MATCH, "\"4-7\""), Outcome::Proceed);
        assert_eq!(untagged(header::IF_NONE_MATCH, "*"), Outcome::NotModified);
        assert_eq!(untagged(header::IF_MATCH, "\"4-7\""), Outcome::Failed);
    }

    #[test]
    fn a_write_without_an_entity_tag_refuses_what_it_cannot_check() {
        let status = |name, value: &str, readable| {
            check_untagged(&headers(name, &[value]), readable).err().map(|problem| problem.status.as_u16())
        };
        let (wanted, unwanted) = (header::IF_MATCH, header::IF_NONE_MATCH);
        for (name, value, readable, expected) in [
            (&wanted, "*", true, None),
            (&wanted, "*", false, Some(412)),
            (&wanted, "\"a\"", true, Some(412)),
            (&wanted, "\"a\"", false, Some(412)),
            (&wanted, "", true, Some(412)),
            (&wanted, "a", true, Some(400)),
            (&unwanted, "*", true, Some(412)),
            (&unwanted, "*", false, None),
            (&unwanted, "\"a\"", true, Some(412)),
            (&unwanted, "\"a\"", false, None),
            (&unwanted, "a", false, Some(400)),
        ] {
            assert_eq!(status(name.clone(), value, readable), expected, "{name}: {value}, {readable}");
        }
    }

    #[test]
    fn no_cache_is_found_among_other_directives() {
        let bypass = |value: &str| freshness(&headers(header::CACHE_CONTROL, &[value])).expect("readable").bypass;
        assert!(bypass("no-cache") && bypass("max-age=0, No-Cache") && bypass("no-store"));
        assert!(!bypass("max-age=0") && !bypass(""));
    }
}
