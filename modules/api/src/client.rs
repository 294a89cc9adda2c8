//! The client of a connection. Its address comes from the socket; headers count only as far as trusted proxies have
//! written them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::sync::{Arc, OnceLock};

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use hotshelf_ratelimit::Subject;
use ipnet::IpNet;

use crate::unknown_proxy::is_forwarded;

pub(crate) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// Longer chains of proxies are cut.
const MOST_HOPS: usize = 32;

/// Proxies whose `Forwarded` and `X-Forwarded-For` headers are trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

/// An item of the list is neither an address nor a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no address and no network, such as 10.0.0.0/8 or ::1")]
pub struct NoNetwork(String);

/// Addresses and networks, separated by commas; an empty text for none.
impl FromStr for TrustedProxies {
    type Err = NoNetwork;

    fn from_str(text: &str) -> Result<Self, NoNetwork> {
        let network = |text: &str| {
            let address = || text.parse::<IpAddr>().map(IpNet::from);
            text.parse().or_else(|_| address()).map_err(|_| NoNetwork(text.to_owned()))
        };
        match text.trim() {
            "" => Ok(TrustedProxies::default()),
            list => list.split(',').map(|item| network(item.trim())).collect::<Result<_, _>>().map(TrustedProxies),
        }
    }
}

impl TrustedProxies {
    /// The address of the client: walks the chain of proxies backwards, up to the first address that is not a trusted
    /// proxy or that its proxy does not name.
    fn origin(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        if !self.trust(peer) {
            return peer;
        }
        let forwarded = headers.contains_key(header::FORWARDED);
        match (forwarded, headers.contains_key(&X_FORWARDED_FOR)) {
            (false, false) => peer,
            (true, false) => self.walk(peer, headers, &header::FORWARDED, forwarded_for),
            (false, true) => self.walk(peer, headers, &X_FORWARDED_FOR, node),
            (true, true) => {
                // A proxy that writes one header passes on the other as the client sent it.
                let first = self.walk(peer, headers, &header::FORWARDED, forwarded_for);
                let second = self.walk(peer, headers, &X_FORWARDED_FOR, node);
                if first == second { first } else { peer }
            }
        }
    }

    fn walk(&self, peer: IpAddr, headers: &HeaderMap, name: &HeaderName, read: fn(&str) -> Option<IpAddr>) -> IpAddr {
        let lines = headers.get_all(name).iter().rev();
        // Split at every comma, even in quotes: a quote that a client leaves open must not swallow what a proxy
        // appended. Bytes that are no text name no hop.
        let hops = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
        let hops = hops.map(|hop| std::str::from_utf8(hop).unwrap_or("?"));
        let mut believed = peer;
        for hop in hops.map(str::trim).filter(|hop| !hop.is_empty()).take(MOST_HOPS) {
            if !self.trust(believed) {
                break;
            }
            let Some(address) = read(hop) else { break };
            believed = address.to_canonical();
        }
        believed
    }

    /// Whether the address belongs to a trusted proxy.
    pub(crate) fn trust(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// The address in the `for=` of an element of `Forwarded` (RFC 7239).
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))?;
    let value = value.trim();
    node(value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value))
}

/// An address with or without a port; IPv6 in brackets or, without a port, bare. Neither `unknown` nor an obfuscated
/// name.
fn node(text: &str) -> Option<IpAddr> {
    if let Some(rest) = text.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        let good_port = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
        return address.parse::<Ipv6Addr>().ok().filter(|_| good_port).map(IpAddr::from);
    }
    match text.split_once(':') {
        Some((address, port)) if is_port(port) => address.parse::<Ipv4Addr>().ok().map(IpAddr::from),
        _ => text.parse().ok(),
    }
}

fn is_port(text: &str) -> bool {
    match text.strip_prefix('_') {
        Some(made_up) => made_up.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)),
        None => (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

/// The peer of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    address: IpAddr,
    /// Built once per connection.
    subject: Subject,
    /// The field `Host` that was checked first: nearly all requests of a connection have the same.
    known_host: Arc<OnceLock<HeaderValue>>,
}

impl Peer {
    pub(crate) fn new(address: IpAddr) -> Self {
        let address = address.to_canonical();
        Peer { address, subject: Subject::of_address(address), known_host: Arc::default() }
    }

    /// The field `Host` of an earlier request, which the service answers for.
    pub(crate) fn known_host(&self) -> Option<&HeaderValue> {
        self.known_host.get()
    }

    /// Remembers it, unless there is one.
    pub(crate) fn remember_host(&self, host: &HeaderValue) {
        if self.known_host.get().is_none() {
            let _ = self.known_host.set(host.clone());
        }
    }

    /// The address of the client.
    pub(crate) fn address(&self, proxies: &TrustedProxies, headers: &HeaderMap) -> IpAddr {
        proxies.origin(self.address, headers)
    }

    /// Its address, if it is no trusted proxy and yet sends what proxies send.
    pub(crate) fn unknown_proxy(&self, proxies: &TrustedProxies, headers: &HeaderMap) -> Option<IpAddr> {
        (is_forwarded(headers) && !proxies.trust(self.address)).then_some(self.address)
    }

    /// The client that limits per address count.
    pub(crate) fn client(&self, proxies: &TrustedProxies, headers: &HeaderMap) -> Subject {
        match self.address(proxies, headers) {
            address if address == self.address => self.subject.clone(),
            address => Subject::of_address(address),
        }
    }

    /// The network of the client.
    pub(crate) fn network(&self, proxies: &TrustedProxies, headers: &HeaderMap) -> Subject {
        Subject::of_site(proxies.origin(self.address, headers))
    }
}

#[cfg(test)]
mod tests;
