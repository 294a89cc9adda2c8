//! Checks of the forms of the service's answers.

use crate::Reply;
use chrono::{DateTime, Utc};
use serde_json::Value;

/// The names of an object's fields, sorted.
#[track_caller]
pub fn fields(value: &Value) -> Vec<&str> {
    let object = value.as_object().unwrap_or_else(|| panic!("expected an object, got {value}"));
    let mut names: Vec<&str> = object.keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

/// A time of RFC 3339 in UTC, written with `Z`.
#[track_caller]
pub fn assert_utc(value: &Value) {
    let text = value.as_str().unwrap_or_else(|| panic!("expected a time, got {value}"));
    let pattern = "dddd-dd-ddTdd:dd:dd";
    let (seconds, rest) = text.split_at_checked(pattern.len()).unwrap_or_else(|| panic!("no time: {text}"));
    let fits = seconds.chars().zip(pattern.chars()).all(|(found, expected)| match expected {
        'd' => found.is_ascii_digit(),
        separator => found == separator,
    });
    let fraction = rest.strip_suffix('Z').unwrap_or_else(|| panic!("not in UTC: {text}"));
    let fraction_fits = fraction.is_empty()
        || fraction.strip_prefix('.').is_some_and(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()));
    assert!(fits && fraction_fits, "no time of RFC 3339: {text}");
}

/// That time. Compare times and not their texts: one of a whole second has no fraction, and its `Z` sorts behind any.
#[track_caller]
pub fn time(value: &Value) -> DateTime<Utc> {
    assert_utc(value);
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("expected a time, got {value}"))
}

/// A number of milliseconds with 3 decimals, shorter than the timeout of a request.
#[track_caller]
pub fn assert_duration_ms(value: &Value) {
    let duration = value.as_f64().unwrap_or_else(|| panic!("expected milliseconds, got {value}"));
    assert!((0.0..30_000.0).contains(&duration), "{duration} ms");
    let decimals = value.to_string().split_once('.').map_or(0, |(_, decimals)| decimals.len());
    assert!(decimals <= 3, "more than 3 decimals: {value}");
}

/// The parameters of the one member of a `Cache-Status` list, behind the name of this cache.
#[track_caller]
pub fn cache_status(reply: &Reply) -> Vec<String> {
    let mut parts = reply.header("cache-status").split("; ").map(str::to_owned);
    assert_eq!(parts.next().as_deref(), Some("hotshelf"), "{reply:?}");
    parts.collect()
}

/// Checks that a problem of RFC 9457 has exactly the documented form; returns its body.
#[track_caller]
pub fn problem(reply: Reply, status: u16) -> Value {
    let reply = reply.expect(status);
    assert_eq!(reply.header("content-type"), "application/problem+json");
    let body = reply.json();
    let expected: &[&str] = match body.get("errors") {
        Some(_) => &["detail", "errors", "request_id", "status", "title", "type"],
        None => &["detail", "request_id", "status", "title", "type"],
    };
    assert_eq!(fields(&body), expected, "{reply:?}");
    assert_eq!(body["type"], "about:blank");
    assert_eq!(body["title"], title(status));
    assert_eq!(body["status"], status);
    assert_ne!(body["detail"].as_str().unwrap_or_default(), "", "no detail: {reply:?}");
    assert_eq!(body["request_id"], reply.header("x-request-id"));
    body
}

/// The invalid fields in a problem, sorted; each has a message.
#[track_caller]
pub fn invalid_fields(reply: Reply) -> Vec<String> {
    let body = problem(reply, 400);
    let errors = body["errors"].as_array().unwrap_or_else(|| panic!("no errors: {body}"));
    let mut names: Vec<String> = errors.iter().map(|error| named_field(error).to_owned()).collect();
    names.sort_unstable();
    names
}

#[track_caller]
fn named_field(error: &Value) -> &str {
    assert_eq!(fields(error), ["field", "message"]);
    assert_ne!(error["message"].as_str().unwrap_or_default(), "", "{error}");
    error["field"].as_str().unwrap_or_else(|| panic!("the field has no name: {error}"))
}

/// The reason phrase of HTTP.
fn title(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        409 => "Conflict",
        412 => "Precondition Failed",
        // RFC 9110 renamed it from "Payload Too Large".
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        429 => "Too Many Requests",
        503 => "Service Unavailable",
        _ => panic!("no test expects the status {status}"),
    }
}
