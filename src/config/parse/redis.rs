//! Where Redis is.

use hotshelf_redis_client::Address;

use super::network::{address_host, remote_port, split_address};
use super::{Refusal, redis_db};
use crate::config::{RedisServers, Secret};

const REDIS_PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

/// `host:port`.
pub(crate) fn redis_addr(text: &str) -> Result<Address, Refusal> {
    let (host, port) = split_address(text);
    let port = remote_port(port.ok_or(Refusal::Malformed)?)?;
    Ok(Address::new(address_host(host)?, port))
}

/// What a `REDIS_URL` says. Parts that it leaves out are `None`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RedisUrl {
    pub(crate) servers: RedisServers,
    pub(crate) tls: bool,
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
    let (encryption, kind) = scheme.split_once('-').unwrap_or((scheme, ""));
    let tls = match encryption {
        "redis" => false,
        "rediss" => true,
        _ => return Err(Refusal::Malformed),
    };
    if rest.contains(['?', '#']) {
        return Err(Refusal::Malformed);
    }
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (credentials, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (username, password) = credentials.split_once(':').unwrap_or((credentials, ""));
    let (servers, db) = match kind {
        "" if scheme == encryption => (RedisServers::One(address(hosts, REDIS_PORT)?), path),
        "sentinel" => behind_sentinels(hosts, path)?,
        "cluster" => (in_cluster(hosts, path)?, ""),
        _ => return Err(Refusal::Malformed),
    };
    Ok(Some(RedisUrl {
        servers,
        tls,
        username: non_empty(percent_decode(username)?),
        password: non_empty(percent_decode(password)?).map(Secret::new),
        db: if db.is_empty() { None } else { Some(redis_db(db)?) },
    }))
}

/// `service`, or `service/db`.
fn behind_sentinels<'a>(hosts: &str, path: &'a str) -> Result<(RedisServers, &'a str), Refusal> {
    let (service, db) = path.split_once('/').unwrap_or((path, ""));
    let service = percent_decode(service)?;
    if service.is_empty() {
        let reason = "name the master behind the hosts, as the sentinels call it: redis-sentinel://host:26379/mymaster";
        return Err(Refusal::Because(reason.to_owned()));
    }
    Ok((RedisServers::Sentinel { sentinels: addresses(hosts, SENTINEL_PORT)?, service }, db))
}

fn in_cluster(hosts: &str, path: &str) -> Result<RedisServers, Refusal> {
    if !path.is_empty() {
        return Err(Refusal::Because(CLUSTERS_HAVE_ONE_DATABASE.to_owned()));
    }
    Ok(RedisServers::Cluster(addresses(hosts, REDIS_PORT)?))
}

/// Also what is wrong with `REDIS_DB` beside a cluster.
pub(crate) const CLUSTERS_HAVE_ONE_DATABASE: &str = "a Redis Cluster has no database but 0: name none";

fn addresses(hosts: &str, default_port: u16) -> Result<Vec<Address>, Refusal> {
    hosts.split(',').map(|host| address(host, default_port)).collect()
}

fn address(text: &str, default_port: u16) -> Result<Address, Refusal> {
    let (host, port) = split_address(text);
    Ok(Address::new(address_host(host)?, port.map_or(Ok(default_port), remote_port)?))
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
