//! Whose web pages may send requests that change something: defence in depth beside `SameSite=Lax` for cookies, and the
//! only one with `AUTH=off`, where the browser's user needs no credentials.

use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};

use crate::caller::Caller;
use crate::hosts::{self, Host};
use crate::problem::Problem;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The origins of `CORS_ORIGINS`, as browsers write them; `*` for all.
#[derive(Clone, Debug)]
pub(crate) struct Origins(Vec<String>);

impl Origins {
    pub(crate) fn new(origins: &[String]) -> Self {
        Origins(origins.to_vec())
    }

    /// 403 for a request that changes something and that a page of another origin sent, unless it carries a token:
    /// pages can send one only as far as CORS lets them. Pages of the listed origins may do what needs no cookie.
    pub(crate) fn check(&self, caller: Option<&Caller>, request: &Parts) -> Result<(), Problem> {
        let by_user = matches!(caller, Some(Caller::User(_)));
        let by_token = by_user && request.headers.contains_key(header::AUTHORIZATION);
        if request.method.is_safe() || by_token || !self.is_foreign(request, !by_user) {
            return Ok(());
        }
        Err(Problem::new(StatusCode::FORBIDDEN, "cross-site requests may not change anything"))
    }

    fn is_foreign(&self, request: &Parts, listed_may: bool) -> bool {
        let mut origins = request.headers.get_all(header::ORIGIN).iter();
        let origin = match (origins.next(), origins.next()) {
            (Some(_), Some(_)) => return true,
            (origin, _) => origin,
        };
        if listed_may && origin.is_some_and(|origin| self.lists(origin)) {
            return false;
        }
        // Browsers compare more exactly than a service behind a proxy can, but tell the result over https and on
        // loopback only.
        match request.headers.contains_key(SEC_FETCH_SITE) {
            true => !request.headers.get_all(SEC_FETCH_SITE).iter().all(|site| site == "same-origin" || site == "none"),
            false => origin.is_some_and(|origin| !is_own(origin, request)),
        }
    }

    fn lists(&self, origin: &HeaderValue) -> bool {
        self.0.iter().any(|listed| listed == "*" || listed.as_bytes() == origin.as_bytes())
    }
}

/// Whether the page came from the host that it sends the request to. A proxy may have ended TLS, so the scheme may be
/// either. `null` is nobody's own.
fn is_own(origin: &HeaderValue, request: &Parts) -> bool {
    let own = || {
        let (scheme, host) = origin.to_str().ok()?.split_once("://")?;
        let port = match scheme {
            "http" => 80,
            "https" => 443,
            _ => return None,
        };
        Some(Host::parse(host)?.is(hosts::of(&request.uri, &request.headers)?, Some(port)))
    };
    own().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn allowed(listed: &[&str], caller: Option<Caller>, lines: &[(&str, &str)]) -> bool {
        let listed: Vec<_> = listed.iter().map(|origin| (*origin).to_owned()).collect();
        let mut request = Request::post("/api/v1/cache/warm").header("host", "shop.example:3000");
        for (name, value) in lines {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).expect("a request").into_parts();
        Origins::new(&listed).check(caller.as_ref(), &parts).is_ok()
    }

    #[test]
    fn pages_of_other_origins_change_nothing() {
        let may = |lines: &[(&str, &str)]| allowed(&[], Some(Caller::Anybody), lines);
        assert!(may(&[]));
        for own in ["http://shop.example:3000", "https://SHOP.example.:3000"] {
            assert!(may(&[("origin", own)]), "{own}");
        }
        for other in [
            "null",
            "",
            "https://evil.example",
            "http://shop.example",
            "http://shop.example:3001",
            "shop.example:3000",
            "http://shop.example:3000.evil.example",
            "file://shop.example:3000",
            "http://a.shop.example:3000",
        ] {
            assert!(!may(&[("origin", other)]), "{other}");
        }
        assert!(!may(&[("origin", "http://shop.example:3000"), ("origin", "http://shop.example:3000")]));
        for (site, expected) in
            [("same-origin", true), ("none", true), ("same-site", false), ("cross-site", false), ("x", false)]
        {
            assert_eq!(may(&[("sec-fetch-site", site)]), expected, "{site}");
        }
        // Behind a proxy that does not pass the host on.
        assert!(may(&[("sec-fetch-site", "same-origin"), ("origin", "https://public.example")]));
        assert!(!may(&[("sec-fetch-site", "cross-site"), ("origin", "http://shop.example:3000")]));
    }

    #[test]
    fn pages_of_listed_origins_change_what_needs_no_cookie() {
        let lines = [("origin", "https://app.example"), ("sec-fetch-site", "cross-site")];
        assert!(allowed(&["https://app.example"], Some(Caller::Anybody), &lines));
        assert!(allowed(&["*"], None, &lines));
        assert!(!allowed(&["https://other.example"], Some(Caller::Anybody), &lines));
        assert!(!allowed(&["https://app.example"], Some(Caller::Anybody), &[("origin", "null")]));
    }
}
