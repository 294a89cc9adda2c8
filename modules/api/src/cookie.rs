//! The session cookie of browsers (RFC 6265). Scripts cannot read it.

use std::time::Duration;

use axum::http::{HeaderValue, header};

use crate::options::UserOptions;

/// The names of the cookie that holds a session's token. Browsers accept the first one only from this very host, over
/// TLS and for all paths, so no other host of the domain can plant it.
pub(crate) const SECURE_NAME: &str = "__Host-hotshelf_session";
const PLAIN_NAME: &str = "hotshelf_session";

/// Makes `Set-Cookie` headers.
#[derive(Clone, Copy)]
pub(crate) struct Cookies {
    name: &'static str,
    /// The attributes of every cookie.
    attributes: &'static str,
}

/// The longest lifetime that browsers accept (RFC 6265bis). The service itself decides when a session ends.
const LONGEST: Duration = Duration::from_secs(400 * 24 * 60 * 60);

impl Cookies {
    pub(crate) fn new(options: Option<UserOptions>) -> Self {
        let secure = options.is_none_or(|options| options.cookie_secure);
        let (plain, tls_only) = ("Path=/; HttpOnly; SameSite=Lax", "Path=/; HttpOnly; SameSite=Lax; Secure");
        match secure {
            true => Cookies { name: SECURE_NAME, attributes: tls_only },
            false => Cookies { name: PLAIN_NAME, attributes: plain },
        }
    }

    /// The name of the cookie.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Stores the token in the browser.
    pub(crate) fn keep(&self, token: &str) -> [(header::HeaderName, HeaderValue); 1] {
        self.set(token, LONGEST)
    }

    /// Removes the token from the browser.
    pub(crate) fn forget(&self) -> [(header::HeaderName, HeaderValue); 1] {
        self.set("", Duration::ZERO)
    }

    fn set(&self, value: &str, ttl: Duration) -> [(header::HeaderName, HeaderValue); 1] {
        let cookie = format!("{}={value}; Max-Age={}; {}", self.name, ttl.as_secs(), self.attributes);
        // A token has letters only, so this cannot fail.
        let cookie = HeaderValue::try_from(cookie).unwrap_or_else(|_| HeaderValue::from_static(""));
        [(header::SET_COOKIE, cookie)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_script_and_no_other_site_gets_at_it() {
        let [(_, kept)] = Cookies::new(Some(UserOptions { cookie_secure: true, api_key_ttl: None })).keep("hss_a");
        assert_eq!(kept, "__Host-hotshelf_session=hss_a; Max-Age=34560000; Path=/; HttpOnly; SameSite=Lax; Secure");
        let [(_, forgotten)] = Cookies::new(Some(UserOptions { cookie_secure: false, api_key_ttl: None })).forget();
        assert_eq!(forgotten, "hotshelf_session=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax");
    }
}
