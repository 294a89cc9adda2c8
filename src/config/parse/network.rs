//! Hosts, ports, origins and URLs.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hotshelf_database::{InvalidUrl, ServerUrl};
use url::Url;

use super::{Parsed, Refusal, checked, number, refuse};

/// A host name or an IP address; an IPv6 address may stand in brackets, and is returned without them.
pub(crate) fn host(text: &str) -> Parsed<String> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let is_address = match bare.len() == text.len() {
        true => bare.parse::<IpAddr>().is_ok(),
        false => bare.parse::<Ipv6Addr>().is_ok(),
    };
    checked(bare.to_owned(), is_address || is_host_name(text))
}

/// Letters, digits and hyphens between dots; underscores too, because container names have them. What ends in a
/// number can only be an IPv4 address, so `10.0.0.256` is no name.
fn is_host_name(text: &str) -> bool {
    let is_label = |label: &str| {
        let inner = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        inner && (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
    };
    let labels: Vec<&str> = text.strip_suffix('.').unwrap_or(text).split('.').collect();
    let ends_in_number = labels.last().is_some_and(|label| label.bytes().all(|byte| byte.is_ascii_digit()));
    text.len() <= 253 && labels.into_iter().all(is_label) && (!ends_in_number || text.parse::<Ipv4Addr>().is_ok())
}

/// A port to connect to.
pub(super) fn remote_port(text: &str) -> Parsed<u16> {
    number(text, 1..=u16::MAX)
}

/// `host:port`, an IPv6 address in brackets.
pub(super) fn split_address(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(':') {
        // In `[::1]` the last colon is part of the address.
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    }
}

pub(super) fn address_host(text: &str) -> Parsed<String> {
    // Without brackets, the port of `::1:6379` cannot be told from the address.
    if text.contains(':') && !text.starts_with('[') { Err(Refusal::Malformed) } else { host(text) }
}

/// The address of a PostgreSQL server.
pub(crate) fn database_url(text: &str) -> Parsed<ServerUrl> {
    text.parse().map_err(|error: InvalidUrl| Refusal::Because(error.to_string()))
}

/// `*`, nothing, or host names separated by commas, without ports: the service answers on any.
pub(crate) fn allowed_hosts(text: &str) -> Parsed<Vec<String>> {
    match text.trim() {
        "" => Ok(Vec::new()),
        "*" => Ok(vec!["*".to_owned()]),
        list => list.split(',').map(|item| Ok(host(item.trim())?.to_ascii_lowercase())).collect(),
    }
}

/// `*`, nothing, or origins separated by commas.
pub(crate) fn cors_origins(text: &str) -> Parsed<Vec<String>> {
    match text.trim() {
        "" => Ok(Vec::new()),
        "*" => Ok(vec!["*".to_owned()]),
        list => list.split(',').map(|item| origin(item.trim())).collect(),
    }
}

/// Scheme, host and perhaps a port, as browsers send it in `Origin`. A path, even a trailing slash, is refused: no
/// browser sends one, so that it would never match.
fn origin(text: &str) -> Parsed<String> {
    let lower = text.to_ascii_lowercase();
    let (scheme, address) = lower.split_once("://").ok_or(Refusal::Malformed)?;
    if scheme != "http" && scheme != "https" {
        return Err(Refusal::Malformed);
    }
    let (host, port) = split_address(address);
    let default = if scheme == "http" { 80 } else { 443 };
    let port = port.map(remote_port).transpose()?.filter(|port| *port != default);
    // As browsers write it: without the default port, an IPv6 address in its shortest form.
    let host = match address_host(host)?.parse::<Ipv6Addr>() {
        Ok(address) => format!("[{address}]"),
        Err(_) => host.to_owned(),
    };
    Ok(port.map_or_else(|| format!("{scheme}://{host}"), |port| format!("{scheme}://{host}:{port}")))
}

/// Of a mail server: `smtps`, or `smtp` with the parameter `tls`. A password travels encrypted, or does not leave this
/// machine.
pub(crate) fn smtp_url(text: &str) -> Parsed<String> {
    let url = url(text)?;
    let parameters: Vec<_> = url.query_pairs().collect();
    let tls = match parameters.as_slice() {
        [] => None,
        [(name, value)] if name == "tls" => Some(value.as_ref()),
        _ => return Err(Refusal::Malformed),
    };
    let encrypted = match (url.scheme(), tls) {
        ("smtps", None | Some("required")) | ("smtp", Some("required")) => true,
        ("smtp", None | Some("opportunistic")) => false,
        _ => return Err(Refusal::Malformed),
    };
    if has_credentials(&url) && !encrypted && !url.host_str().is_some_and(is_local) {
        return refuse("would send its password in clear: use smtps://, or add ?tls=required");
    }
    checked(text.to_owned(), url.fragment().is_none())
}

/// A URL with a host, in one way to write it: parsers differ in what they do with white space.
fn url(text: &str) -> Parsed<Url> {
    let url = Url::parse(text).map_err(|_| Refusal::Malformed)?;
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic());
    let has_host = url.host_str().is_some_and(|host| !host.is_empty());
    checked(url, plain && has_host)
}

fn has_credentials(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

/// Whether the host of a URL is this machine.
fn is_local(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The start of a link to a web page. Credentials in it would only hide which host it leads to.
pub(crate) fn link(text: &str) -> Parsed<String> {
    let url = url(text)?;
    checked(text.to_owned(), matches!(url.scheme(), "http" | "https") && !has_credentials(&url))
}

/// Collectors run beside the service, where nothing has to be encrypted, and pass traces on.
pub(crate) fn collector(text: &str) -> Parsed<String> {
    let url = url(text)?;
    match url.scheme() {
        "http" => checked(text.to_owned(), !has_credentials(&url)),
        "https" => refuse("https:// is not supported: name a collector beside the service, which passes the traces on"),
        _ => Err(Refusal::Malformed),
    }
}
