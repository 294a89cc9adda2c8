//! Hosts, ports, origins and URLs.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Refusal, whole_number};
use crate::config::{CorsOrigins, RedisEndpoint, Secret};

const REDIS_PORT: u16 = 6379;

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
fn remote_port(text: &str) -> Result<u16, Refusal> {
    whole_number(text).filter(|port| *port != 0).ok_or(Refusal::Malformed)
}

/// `host:port`, an IPv6 address in brackets.
fn split_address(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(':') {
        // In `[::1]` the last colon is part of the address.
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    }
}

fn address_host(text: &str) -> Result<String, Refusal> {
    // Without brackets, nobody can tell the port of `::1:6379` from the address.
    if text.contains(':') && !text.starts_with('[') { Err(Refusal::Malformed) } else { host(text) }
}

pub(crate) fn redis_addr(text: &str) -> Result<RedisEndpoint, Refusal> {
    let (host, port) = split_address(text);
    let port = remote_port(port.ok_or(Refusal::Malformed)?)?;
    Ok(RedisEndpoint { host: address_host(host)?, port, tls: false })
}

/// What a `REDIS_URL` says. Parts that it leaves out are `None`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RedisUrl {
    pub(crate) endpoint: RedisEndpoint,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<Secret>,
    pub(crate) db: Option<u8>,
}

/// `None` for an empty text.
pub(crate) fn redis_url(text: &str) -> Result<Option<RedisUrl>, Refusal> {
    if text.is_empty() {
        return Ok(None);
    }
    let (scheme, rest) = text.split_once("://").ok_or(Refusal::Malformed)?;
    let tls = match scheme {
        "redis" => false,
        "rediss" => true,
        "redis-cluster" | "rediss-cluster" | "redis-sentinel" | "rediss-sentinel" => {
            let reason = format!("{scheme}:// is not supported yet: use redis:// or rediss:// with a single server");
            return Err(Refusal::Because(reason));
        }
        _ => return Err(Refusal::Malformed),
    };
    if rest.contains(['?', '#']) {
        return Err(Refusal::Malformed);
    }
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (credentials, address) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (username, password) = credentials.split_once(':').unwrap_or((credentials, ""));
    let (host, port) = split_address(address);
    Ok(Some(RedisUrl {
        endpoint: RedisEndpoint { host: address_host(host)?, port: port.map_or(Ok(REDIS_PORT), remote_port)?, tls },
        username: non_empty(percent_decode(username)?),
        password: non_empty(percent_decode(password)?).map(Secret::new),
        db: if path.is_empty() { None } else { Some(super::redis_db(path)?) },
    }))
}

fn non_empty(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

/// `%40` becomes `@`. Fails on a `%` without two hexadecimal digits and on bytes that are not UTF-8.
fn percent_decode(text: &str) -> Result<String, Refusal> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(if byte == b'%' {
            let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16)).ok_or(Refusal::Malformed);
            // Two hexadecimal digits fit into a byte.
            (digit()? * 16 + digit()?) as u8
        } else {
            byte
        });
    }
    String::from_utf8(bytes).map_err(|_| Refusal::Malformed)
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
