//! Hosts, ports and origins.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Refusal, whole_number};
use crate::config::CorsOrigins;

/// A host name or an IP address; an IPv6 address may stand in brackets, and is returned without them.
pub(crate) fn host(text: &str) -> Result<String, Refusal> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let is_address = match bare.len() == text.len() {
        true => bare.parse::<IpAddr>().is_ok(),
        false => bare.parse::<Ipv6Addr>().is_ok(),
    };
    if is_address || is_host_name(text) { Ok(bare.to_owned()) } else { Err(Refusal::Malformed) }
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

/// A port to listen on; 0 takes any free one.
pub(crate) fn listen_port(text: &str) -> Result<u16, Refusal> {
    whole_number(text).ok_or(Refusal::Malformed)
}

/// A port to connect to.
pub(super) fn remote_port(text: &str) -> Result<u16, Refusal> {
    whole_number(text).filter(|port| *port != 0).ok_or(Refusal::Malformed)
}

/// `host:port`, an IPv6 address in brackets.
pub(super) fn split_address(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(':') {
        // In `[::1]` the last colon is part of the address.
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    }
}

pub(super) fn address_host(text: &str) -> Result<String, Refusal> {
    // Without brackets, nobody can tell the port of `::1:6379` from the address.
    if text.contains(':') && !text.starts_with('[') { Err(Refusal::Malformed) } else { host(text) }
}

/// Only SQLite is there, which `DB_PATH` names; a URL that would be ignored is worse than a start that is refused.
pub(crate) fn database_url(text: &str) -> Result<(), Refusal> {
    let reason = match text.split_once("://") {
        _ if text.is_empty() => return Ok(()),
        Some(("postgres" | "postgresql", _)) => "PostgreSQL is not supported yet: unset DATABASE_URL and use DB_PATH",
        _ => "this kind of database is not supported: unset DATABASE_URL and use DB_PATH, the path of a SQLite file",
    };
    Err(Refusal::Because(reason.to_owned()))
}

/// `*`, nothing, or origins separated by commas.
pub(crate) fn cors_origins(text: &str) -> Result<CorsOrigins, Refusal> {
    match text.trim() {
        "" => Ok(CorsOrigins::None),
        "*" => Ok(CorsOrigins::Any),
        list => list.split(',').map(|item| origin(item.trim())).collect::<Result<_, _>>().map(CorsOrigins::Listed),
    }
}

/// Scheme, host and perhaps a port. A path, even a trailing slash, is refused: no browser sends one, so that it would
/// never match.
fn origin(text: &str) -> Result<String, Refusal> {
    let lower = text.to_ascii_lowercase();
    let (scheme, address) = lower.split_once("://").ok_or(Refusal::Malformed)?;
    if scheme != "http" && scheme != "https" {
        return Err(Refusal::Malformed);
    }
    let (host, port) = split_address(address);
    address_host(host)?;
    port.map(remote_port).transpose()?;
    Ok(lower)
}
