//! How much of a value people may see.

/// Shown instead of a secret.
const MASK: &str = "***";

/// How far a value may be shown to people.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Visibility {
    Open,
    /// Nothing of it.
    Hidden,
    /// A URL: everything but the credentials in it.
    Url,
}

impl Visibility {
    /// A value that has parsed, as `check-config` shows it.
    pub(crate) fn show(self, text: &str) -> String {
        match self {
            _ if text.is_empty() => "(empty)".to_owned(),
            Visibility::Open => text.chars().map(escape_control).collect(),
            Visibility::Hidden => MASK.to_owned(),
            Visibility::Url => match (scheme(text), text.rsplit_once('@')) {
                (scheme, Some((_, address))) => format!("{scheme}{MASK}@{address}"),
                (_, None) => text.to_owned(),
            },
        }
    }

    /// Whether a value has a part that may not be shown.
    pub(crate) fn hides(self, text: &str) -> bool {
        match self {
            Visibility::Open => false,
            Visibility::Hidden => !text.is_empty(),
            Visibility::Url => text.contains('@'),
        }
    }

    /// A value that has been refused, on one line and in quotes. Of a URL only the scheme is left: in a malformed one
    /// nobody can tell where the password ends.
    pub(crate) fn quote(self, text: &str) -> String {
        match self {
            _ if text.is_empty() => "\"\"".to_owned(),
            Visibility::Open => format!("{text:?}"),
            Visibility::Hidden => format!("\"{MASK}\""),
            Visibility::Url => format!("\"{}{MASK}\"", scheme(text)),
        }
    }
}

/// `redis://` of `redis://host`; nothing of a text that does not start like a URL.
fn scheme(text: &str) -> &str {
    match text.find("://") {
        Some(end) if text[..end].bytes().all(|b| b.is_ascii_lowercase() || b == b'-') => &text[..end + 3],
        _ => "",
    }
}

fn escape_control(c: char) -> String {
    if c.is_control() { c.escape_default().to_string() } else { c.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_its_credentials() {
        assert_eq!(Visibility::Url.show("redis://app:hunter2@cache:6379/2"), "redis://***@cache:6379/2");
        assert_eq!(Visibility::Url.show("redis://cache"), "redis://cache");
    }

    #[test]
    fn a_refused_url_gives_nothing_away() {
        for text in ["redis://:hunter2", "redis://:hun@ter2", "hunter2", "Hunter2://x", "redis:hunter2@cache"] {
            let quoted = Visibility::Url.quote(text);
            assert!(!quoted.to_lowercase().contains("ter2"), "{text} was quoted as {quoted}");
        }
        assert_eq!(Visibility::Url.quote("redis-cluster://a:hunter2@b"), "\"redis-cluster://***\"");
    }
}
