//! Conditional requests (RFC 9110, section 13), and the freshness that a request asks for.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use compact_str::{CompactString, format_compact};
use hotshelf_cache::Read;
use hotshelf_domain::{Expect, FieldError, History, Version};

use crate::problem::Problem;

pub(crate) const MIN_VERSION: HeaderName = HeaderName::from_static("x-min-version");

/// The ETag of one version of a product or a schema: `"7-3-9f86d081884c7d65"` (id, version, history). A restored
/// database assigns the same version to another state, so the history is part of the tag.
pub(crate) fn version_tag(id: i64, version: u64, history: History) -> CompactString {
    let mut digits = itoa::Buffer::new();
    let mut tag = CompactString::const_new("\"");
    tag.push_str(digits.format(id));
    tag.push('-');
    tag.push_str(digits.format(version));
    tag.push('-');
    tag.push_str(&history.digits());
    tag.push('"');
    tag
}

/// The ETag of one state of a page.
pub(crate) fn page_tag(revision: u64) -> CompactString {
    format_compact!("\"{revision:016x}\"")
}

/// The `If-Match` of a request. The comparison is strong, so weak tags match nothing.
pub(crate) fn expectation(headers: &HeaderMap, id: i64, history: History) -> Expect {
    let mut tags = tags(headers, header::IF_MATCH).peekable();
    if tags.peek().is_none() {
        return Expect::Anything;
    }
    let mut versions = Vec::new();
    for tag in tags {
        if tag == "*" {
            return Expect::Anything;
        }
        versions.extend(version_in(tag, id, history));
    }
    Expect::OneOf(versions)
}

/// `None`: the tag belongs to something else, or to another history.
fn version_in(tag: &str, id: i64, history: History) -> Option<Version> {
    let version = tag.strip_prefix(&format!("\"{id}-"))?.strip_suffix(&format!("-{history}\""))?;
    version.parse().ok().map(Version::new)
}

/// Whether `If-None-Match` has this tag, compared weakly.
pub(crate) fn has_already(headers: &HeaderMap, tag: &str) -> bool {
    let mut tags = tags(headers, header::IF_NONE_MATCH);
    tags.any(|sent| sent == "*" || sent.strip_prefix("W/").unwrap_or(sent) == tag)
}

/// The tags of all header fields of that name. Tags of this service have no commas inside of their quotes.
fn tags(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).filter(|tag| !tag.is_empty())
}

/// The freshness that a request asks for: `Cache-Control: no-cache` and `X-Min-Version`.
pub(crate) fn freshness(headers: &HeaderMap) -> Result<Read, Problem> {
    let min_revision = headers.get(&MIN_VERSION).map(min_version).transpose()?;
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

    #[test]
    fn if_match_names_versions() {
        let expect = |values: &[&str]| {
            let values: Vec<String> = values.iter().map(|value| value.replace('@', "-00000000000000a5")).collect();
            expectation(&headers(header::IF_MATCH, &values.iter().map(String::as_str).collect::<Vec<_>>()), 4, HISTORY)
        };
        assert_eq!(expect(&[]), Expect::Anything);
        assert_eq!(expect(&["*"]), Expect::Anything);
        assert_eq!(expect(&["\"4-7@\""]), Expect::OneOf(vec![Version::new(7)]));
        assert_eq!(expect(&["\"4-7@\", \"4-8@\"", "\"4-9@\""]), Expect::OneOf([7, 8, 9].map(Version::new).to_vec()));
        assert_eq!(expect(&[&version_tag(4, 7, HISTORY)]), Expect::OneOf(vec![Version::new(7)]));
        for nothing in ["W/\"4-7@\"", "\"5-7@\"", "4-7@", "\"4-x@\"", "garbage", "\"4-7\"", "\"4-7-00000000000000a6\""]
        {
            assert_eq!(expect(&[nothing]), Expect::OneOf(vec![]), "{nothing}");
        }
    }

    #[test]
    fn if_none_match_compares_weakly() {
        let has = |value: &str| has_already(&headers(header::IF_NONE_MATCH, &[value]), "\"4-7\"");
        assert!(has("\"4-7\"") && has("W/\"4-7\"") && has("\"x\", \"4-7\"") && has("*"));
        assert!(!has("\"4-8\"") && !has("4-7"));
    }

    #[test]
    fn no_cache_is_found_among_other_directives() {
        let bypass = |value: &str| freshness(&headers(header::CACHE_CONTROL, &[value])).expect("readable").bypass;
        assert!(bypass("no-cache") && bypass("max-age=0, No-Cache") && bypass("no-store"));
        assert!(!bypass("max-age=0") && !bypass(""));
    }
}
