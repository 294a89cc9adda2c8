//! Where Redis is.

use hotshelf_cache::SealKey;
use hotshelf_redis_client::{Address, Credentials, Servers};

use super::network::{address_host, remote_port, split_address};
use super::{Parsed, Refusal, number, optional, refuse};

const REDIS_PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

/// `host:port`.
pub(crate) fn redis_addr(text: &str) -> Parsed<Address> {
    let (host, port) = split_address(text);
    let port = remote_port(port.ok_or(Refusal::Malformed)?)?;
    Ok(Address::new(address_host(host)?, port))
}

/// What a `REDIS_URL` says. Parts that it leaves out are `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RedisUrl {
    /// Sentinels have no credentials yet.
    pub(crate) servers: Servers,
    pub(crate) tls: bool,
    pub(crate) credentials: Credentials,
    pub(crate) database: Option<u8>,
}

/// The fewest characters: 32 hexadecimal digits have 128 bits.
const SHORTEST_SEAL_KEY: usize = 32;

/// The secret of the seal.
pub(crate) fn seal_key(text: &str) -> Parsed<SealKey> {
    match text.chars().count() {
        SHORTEST_SEAL_KEY.. => Ok(SealKey::from_secret(text)),
        _ => Err(Refusal::Malformed),
    }
}

/// One server, sentinels or a cluster, by the scheme.
pub(crate) fn redis_url(text: &str) -> Parsed<RedisUrl> {
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
    let (servers, database) = match kind {
        "" if scheme == encryption => (Servers::One(address(hosts, REDIS_PORT)?), path),
        "sentinel" => behind_sentinels(hosts, path)?,
        "cluster" => (in_cluster(hosts, path)?, ""),
        _ => return Err(Refusal::Malformed),
    };
    let credentials =
        Credentials { username: optional(username, percent_decode)?, password: optional(password, percent_decode)? };
    let database = optional(database, |text| number(text, 0..=u8::MAX))?;
    Ok(RedisUrl { servers, tls, credentials, database })
}

/// `service`, or `service/db`.
fn behind_sentinels<'a>(hosts: &str, path: &'a str) -> Parsed<(Servers, &'a str)> {
    let (service, database) = path.split_once('/').unwrap_or((path, ""));
    let service = percent_decode(service)?;
    if service.is_empty() {
        return refuse(
            "name the master behind the hosts, as the sentinels call it: redis-sentinel://host:26379/mymaster",
        );
    }
    let sentinels = addresses(hosts, SENTINEL_PORT)?;
    Ok((Servers::Sentinel { sentinels, service, credentials: Credentials::default() }, database))
}

fn in_cluster(hosts: &str, path: &str) -> Parsed<Servers> {
    if path.is_empty() {
        addresses(hosts, REDIS_PORT).map(Servers::Cluster)
    } else {
        refuse(CLUSTERS_HAVE_ONE_DATABASE)
    }
}

/// Also what is wrong with `REDIS_DB` beside a cluster.
pub(crate) const CLUSTERS_HAVE_ONE_DATABASE: &str = "a Redis Cluster has database 0 only: leave the number out";

fn addresses(hosts: &str, default_port: u16) -> Parsed<Vec<Address>> {
    hosts.split(',').map(|host| address(host, default_port)).collect()
}

fn address(text: &str, default_port: u16) -> Parsed<Address> {
    let (host, port) = split_address(text);
    Ok(Address::new(address_host(host)?, port.map_or(Ok(default_port), remote_port)?))
}

/// `%40` becomes `@`. Fails on a `%` without two hexadecimal digits and on bytes that are not UTF-8.
fn percent_decode(text: &str) -> Parsed<String> {
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
