//! The host that a request names: whether it is well-formed (RFC 9112, section 3.2), and whether the service answers
//! for it. A web page can give its own name the address of this machine (DNS rebinding); the name gives it away.

use std::net::{IpAddr, Ipv6Addr};

use axum::http::uri::Scheme;
use axum::http::{HeaderMap, StatusCode, Uri, Version, header};

use crate::problem::Problem;

/// Host names that a service on loopback has in any case, beside the addresses of loopback.
const LOOPBACK: &str = "localhost";
/// Probes name the address under which they reach the service, and learn nothing from it.
const FOR_EVERY_HOST: [&str; 2] = ["/health/live", "/health/ready"];

/// The hosts that the service answers for.
#[derive(Clone, Debug)]
pub(crate) struct Hosts {
    /// Beside loopback, in lower case; `None`: any.
    names: Option<Vec<String>>,
}

/// A host with its port, as `Host` and origins have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Host<'a> {
    name: &'a str,
    port: Option<u16>,
}

impl Hosts {
    pub(crate) fn new(names: Option<&[String]>) -> Self {
        let lower = |name: &String| bare(name).to_ascii_lowercase();
        Hosts { names: names.map(|names| names.iter().map(lower).collect()) }
    }

    /// 400 if the request does not name exactly one well-formed host, 421 if the service does not answer for it.
    pub(crate) fn check(&self, version: Version, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
        let host = target(version, uri, headers)?;
        let answers = host.is_none_or(|host| self.answer_for(host)) || FOR_EVERY_HOST.contains(&uri.path());
        if answers {
            return Ok(());
        }
        let detail = "the service does not answer for this host; HTTP_ALLOWED_HOSTS adds names";
        Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, detail))
    }

    fn answer_for(&self, host: Host<'_>) -> bool {
        let Some(names) = &self.names else { return true };
        let name = bare(host.name);
        let loopback =
            name.eq_ignore_ascii_case(LOOPBACK) || address(name).is_some_and(|address| address.is_loopback());
        let is = |known: &String| {
            known.eq_ignore_ascii_case(name) || address(known).is_some_and(|known| address(name) == Some(known))
        };
        loopback || names.iter().any(is)
    }
}

/// The host of the target: that of its URI if it has one, else that of the field `Host`. `None`: of HTTP/1.0.
fn target<'a>(version: Version, uri: &'a Uri, headers: &'a HeaderMap) -> Result<Option<Host<'a>>, Problem> {
    let mut fields = headers.get_all(header::HOST).iter();
    let field = match (fields.next(), fields.next()) {
        (None, _) if version == Version::HTTP_11 => return Err(Problem::bad_request("the field Host is missing")),
        (None, _) => None,
        (Some(_), Some(_)) => return Err(Problem::bad_request("there must be only one field Host")),
        (Some(value), None) => {
            let host = value.to_str().ok().and_then(Host::parse);
            Some(host.ok_or_else(|| Problem::bad_request("the field Host must be a host and perhaps a port"))?)
        }
    };
    let Some(authority) = uri.authority() else { return Ok(field) };
    let web = uri.scheme().is_none_or(|scheme| *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS);
    let host = Host::parse(authority.as_str()).filter(|_| web);
    let host = host.ok_or_else(|| Problem::bad_request("the target of the request must be a path or a URL of HTTP"))?;
    // HTTP/1.1 has one of them ignored, HTTP/2 has them agree.
    if version == Version::HTTP_2 && field.is_some_and(|field| !field.is(host, None)) {
        return Err(Problem::bad_request("the field Host must agree with :authority"));
    }
    Ok(Some(host))
}

/// The host of the target of a request that was checked.
pub(crate) fn of<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<Host<'a>> {
    let field = || headers.get(header::HOST).and_then(|value| value.to_str().ok());
    Host::parse(uri.authority().map(|authority| authority.as_str()).or_else(field)?)
}

impl<'a> Host<'a> {
    /// `None`: not a host with an optional port.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let end = if text.starts_with('[') { text.find(']')? + 1 } else { text.find(':').unwrap_or(text.len()) };
        let (name, rest) = text.split_at(end);
        let port = match rest.strip_prefix(':') {
            None if rest.is_empty() => None,
            None => return None,
            Some("") => None,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => Some(digits.parse().ok()?),
            Some(_) => return None,
        };
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=".contains(&byte);
        let valid = match name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(address) => address.parse::<Ipv6Addr>().is_ok(),
            None => !name.is_empty() && name.bytes().all(plain),
        };
        valid.then_some(Host { name, port })
    }

    /// Whether both are the same host and port, where `default` is the port of one that names none.
    pub(crate) fn is(self, other: Host<'_>, default: Option<u16>) -> bool {
        let same = bare(self.name).eq_ignore_ascii_case(bare(other.name))
            || address(self.name).is_some_and(|own| address(other.name) == Some(own));
        same && self.port.or(default) == other.port.or(default)
    }
}

/// Without the dot that makes a name absolute.
fn bare(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

fn address(name: &str) -> Option<IpAddr> {
    let bare = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
    bare.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn status(names: Option<&[&str]>, target: &str, hosts: &[&'static str]) -> u16 {
        let names = names.map(|names| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        let headers =
            hosts.iter().map(|host| (header::HOST, HeaderValue::from_bytes(host.as_bytes()).expect("a value")));
        let mut map = HeaderMap::new();
        headers.for_each(|(name, value)| _ = map.append(name, value));
        let uri: Uri = target.parse().expect("a target");
        let checked = Hosts::new(names.as_deref()).check(Version::HTTP_11, &uri, &map);
        checked.map_or_else(|problem| problem.status.as_u16(), |()| 200)
    }

    #[test]
    fn a_request_names_one_well_formed_host() {
        for good in
            ["shop.example", "shop.example:80", "SHOP.example.:", "127.0.0.1", "[::1]:3000", "a_b", "xn--bcher-kva"]
        {
            assert_eq!(status(None, "/", &[good]), 200, "{good}");
        }
        let bad = [
            "", ":80", "a b", "a:b", "a:65536", "a:-1", "a@b", "a/b", "http://a", "[::1", "[::g]", "::1", "a,b:1:2",
            "a\"", "bücher",
        ];
        for bad in bad {
            assert_eq!(status(None, "/", &[bad]), 400, "{bad}");
        }
        assert_eq!(status(None, "/", &[]), 400);
        assert_eq!(status(None, "/", &["a", "a"]), 400);
        // The target goes before the field, which must be there all the same.
        assert_eq!(status(Some(&[]), "http://localhost/", &["evil.example"]), 200);
        assert_eq!(status(Some(&[]), "http://evil.example/", &["localhost"]), 421);
        assert_eq!(status(None, "http://localhost/", &[]), 400);
        assert_eq!(status(None, "http://user@localhost/", &["localhost"]), 400);
        assert_eq!(status(None, "ftp://localhost/", &["localhost"]), 400);
    }

    #[test]
    fn a_service_on_loopback_answers_for_loopback_and_for_what_is_added() {
        let names: Option<&[&str]> = Some(&["Shop.example."]);
        for own in
            ["localhost", "LOCALHOST.:3000", "127.0.0.1:3000", "127.1.2.3", "[::1]", "[0:0::1]:80", "shop.EXAMPLE.:8"]
        {
            assert_eq!(status(names, "/", &[own]), 200, "{own}");
        }
        for other in
            ["evil.example", "localhost.evil.example", "xlocalhost", "10.0.0.1", "127.0.0.1.nip.io", "[::2]", "127.1"]
        {
            assert_eq!(status(names, "/", &[other]), 421, "{other}");
            assert_eq!(status(None, "/", &[other]), 200, "{other}");
            assert_eq!(status(names, "/health/live", &[other]), 200, "{other}");
        }
    }

    #[test]
    fn hosts_are_compared_with_their_ports() {
        let is = |one: &'static str, other: &'static str, default| {
            Host::parse(one).expect("a host").is(Host::parse(other).expect("a host"), default)
        };
        assert!(is("Shop.example", "shop.example.:443", Some(443)) && is("[::1]:1", "[0::1]:1", None));
        assert!(!is("shop.example", "shop.example:80", Some(443)) && !is("a", "b", None));
    }
}
