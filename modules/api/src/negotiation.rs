//! Content negotiation: what a client accepts, and what it sends.

use axum::http::{HeaderMap, HeaderValue, Uri, header};

/// Whether the client accepts JSON (RFC 9110, section 12.5.1). `/metrics` is text and answers regardless.
pub(crate) fn accepts_json(uri: &Uri, headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::ACCEPT).iter().peekable();
    values.peek().is_none() || uri.path() == "/metrics" || values.any(admits_json)
}

fn admits_json(value: &HeaderValue) -> bool {
    if value == "*/*" {
        return true;
    }
    let Ok(value) = value.to_str() else { return false };
    value.split(',').any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let media_type = parts.next().unwrap_or_default().to_ascii_lowercase();
        let refused = parts.any(|parameter| {
            let weight = parameter.strip_prefix("q=").or_else(|| parameter.strip_prefix("Q="));
            weight.is_some_and(|weight| weight.parse() == Ok(0.0))
        });
        (media_type == "*/*" || media_type == "application/*" || is_json(&media_type)) && !refused
    })
}

/// Whether the body claims to be JSON, with any parameters.
pub(crate) fn sends_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    is_json(&value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

/// `application/json`, or a type that ends in `+json`.
fn is_json(media_type: &str) -> bool {
    media_type == "application/json" || media_type.starts_with("application/") && media_type.ends_with("+json")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(value: &str) -> bool {
        admits_json(&HeaderValue::from_str(value).expect("a header value"))
    }

    #[test]
    fn json_is_welcome_where_a_range_covers_it() {
        for value in ["*/*", "application/*;q=0.1", "text/html, application/json;q=0.9", "application/problem+json"] {
            assert!(admits(value), "{value}");
        }
        for value in ["text/html", "application/json;q=0", "application/xml, text/*", "", "image/png;q=1.0"] {
            assert!(!admits(value), "{value}");
        }
    }
}
