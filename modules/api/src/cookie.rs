//! The cookie of a session: for browsers, which no script can make hand it out (RFC 6265).

use std::time::Duration;

use axum::http::{HeaderValue, header};

use crate::options::UserOptions;

/// The cookie that browsers keep a session's token in.
pub(crate) const COOKIE: &str = "hotshelf_session";

/// Makes `Set-Cookie` headers.
#[derive(Clone, Copy)]
pub(crate) struct Cookies {
    /// What all of them say.
    attributes: &'static str,
}

/// As long as browsers keep any (RFC 6265bis). When a session ends, the service knows better.
const LONGEST: Duration = Duration::from_secs(400 * 24 * 60 * 60);

impl Cookies {
    pub(crate) fn new(options: Option<UserOptions>) -> Self {
        let plain = "Path=/; HttpOnly; SameSite=Lax";
        let secure = "Path=/; HttpOnly; SameSite=Lax; Secure";
        match options {
            Some(UserOptions { cookie_secure: false }) => Cookies { attributes: plain },
            Some(UserOptions { cookie_secure: true }) | None => Cookies { attributes: secure },
        }
    }

    /// Keeps this token.
    pub(crate) fn keep(&self, token: &str) -> [(header::HeaderName, HeaderValue); 1] {
        self.set(token, LONGEST)
    }

    /// Forgets the token.
    pub(crate) fn forget(&self) -> [(header::HeaderName, HeaderValue); 1] {
        self.set("", Duration::ZERO)
    }

    fn set(&self, value: &str, life: Duration) -> [(header::HeaderName, HeaderValue); 1] {
        let cookie = format!("{COOKIE}={value}; Max-Age={}; {}", life.as_secs(), self.attributes);
        // A token is plain letters.
        let cookie = HeaderValue::try_from(cookie).unwrap_or_else(|_| HeaderValue::from_static(""));
        [(header::SET_COOKIE, cookie)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_script_and_no_other_site_gets_at_it() {
        let [(_, kept)] = Cookies::new(Some(UserOptions { cookie_secure: true })).keep("hss_a");
        assert_eq!(kept, "hotshelf_session=hss_a; Max-Age=34560000; Path=/; HttpOnly; SameSite=Lax; Secure");
        let [(_, forgotten)] = Cookies::new(Some(UserOptions { cookie_secure: false })).forget();
        assert_eq!(forgotten, "hotshelf_session=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax");
    }
}
