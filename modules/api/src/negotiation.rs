//! Content negotiation: what a client accepts.

use axum::http::{HeaderMap, HeaderValue, Uri, header};

/// Whether the client accepts JSON (RFC 9110, section 12.5.1). `/metrics` is text and answers regardless.
pub(crate) fn accepts_json(uri: &Uri, headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::ACCEPT).iter().peekable();
    values.peek().is_none() || uri.path() == "/metrics" || admits_json(values)
}

/// Of the ranges that cover JSON, the most specific one decides.
fn admits_json<'a>(values: impl Iterator<Item = &'a HeaderValue>) -> bool {
    let mut decisive = (Precedence::None, false);
    for value in values {
        if value == "*/*" {
            decisive = decisive.max((Precedence::Any, true));
            continue;
        }
        for range in value.to_str().unwrap_or_default().split(',') {
            decisive = decisive.max(judge(range));
        }
    }
    decisive.1
}

/// How specific a range is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Precedence {
    /// It does not cover JSON.
    None,
    Any,
    Application,
    Json,
}

/// What a range says about JSON.
fn judge(range: &str) -> (Precedence, bool) {
    let mut parts = range.split(';').map(str::trim);
    let media_type = parts.next().unwrap_or_default().to_ascii_lowercase();
    let precedence = match media_type.as_str() {
        "*/*" => Precedence::Any,
        "application/*" => Precedence::Application,
        // `+json` for clients that name the type of the problems alone, or one of their own.
        other if other == "application/json" || other.starts_with("application/") && other.ends_with("+json") => {
            Precedence::Json
        }
        _ => return (Precedence::None, false),
    };
    let refused = parts.any(|parameter| {
        let weight = parameter.strip_prefix("q=").or_else(|| parameter.strip_prefix("Q="));
        weight.is_some_and(|weight| weight.parse() == Ok(0.0))
    });
    (precedence, !refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(value: &str) -> bool {
        admits_json([HeaderValue::from_str(value).expect("a header value")].iter())
    }

    #[test]
    fn json_is_welcome_where_a_range_covers_it() {
        for value in ["*/*", "*/*;q=0, application/json", "application/*;q=0, application/json;q=0.5"] {
            assert!(admits(value), "{value}");
        }
        for value in ["application/*;q=0.1", "text/html, application/json;q=0.9", "application/problem+json"] {
            assert!(admits(value), "{value}");
        }
        for value in [
            "text/html",
            "application/json;q=0",
            "application/xml, text/*",
            "",
            "image/png;q=1.0",
            "*/*, application/json;q=0",
            "application/*;q=0.000, */*",
        ] {
            assert!(!admits(value), "{value}");
        }
    }
}
