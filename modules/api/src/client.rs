//! Who is at the other end. The address comes from the socket; what headers say about it counts only as far as it was
//! written by proxies that are trusted.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use axum::http::{HeaderMap, HeaderName, header};
use hotshelf_ratelimit::Subject;
use ipnet::IpNet;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// A longer way was not taken by any request.
const MOST_HOPS: usize = 32;

/// The proxies whose word about the client's address counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

/// Something in the list is neither an address nor a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no address and no network, such as 10.0.0.0/8 or ::1")]
pub struct NoNetwork(String);

/// Addresses and networks, separated by commas; nothing for none.
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
    /// The address from which a request came first, as far as is known: backwards over the proxies that are trusted, to
    /// the first one that is not, or that the one before it does not name.
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
                // A proxy that writes one of them passes on the other as it came: whatever the client has put there.
                let first = self.walk(peer, headers, &header::FORWARDED, forwarded_for);
                let second = self.walk(peer, headers, &X_FORWARDED_FOR, node);
                if first == second { first } else { peer }
            }
        }
    }

    fn walk(&self, peer: IpAddr, headers: &HeaderMap, name: &HeaderName, read: fn(&str) -> Option<IpAddr>) -> IpAddr {
        let lines = headers.get_all(name).iter().rev();
        // Cut at commas, also those in quotes: what a client leaves open at the left must not swallow what a proxy has
        // written behind it. What is no text is no hop either.
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

    /// Whether there is such a proxy at that address.
    pub(crate) fn trust(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// What an element of `Forwarded` (RFC 7239) says behind `for=`.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))?;
    let value = value.trim();
    node(value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value))
}

/// An address, perhaps with a port behind it; one of IPv6 in brackets or, without a port, bare. Not `unknown`, and not
/// a name that the proxy has made up.
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

/// The other end of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    address: IpAddr,
    /// Made once, for all requests of the connection.
    subject: Subject,
}

impl Peer {
    pub(crate) fn new(address: IpAddr) -> Self {
        let address = address.to_canonical();
        Peer { address, subject: Subject::of_address(address) }
    }

    /// Whom limits by address are about: the client.
    pub(crate) fn client(&self, proxies: &TrustedProxies, headers: &HeaderMap) -> Subject {
        match proxies.origin(self.address, headers) {
            address if address == self.address => self.subject.clone(),
            address => Subject::of_address(address),
        }
    }
}

#[cfg(test)]
mod tests;
