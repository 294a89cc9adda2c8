//! Notices a proxy that nobody has put into `TRUSTED_PROXIES`: all of its clients count as one, so that a few of them
//! use up the limits of all. Any client can send such headers, so this changes nothing but what an operator reads.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, header};
use parking_lot::Mutex;

use crate::client::X_FORWARDED_FOR;

/// The log has one warning in this time, and the health report mentions the proxy for so long.
const PERIOD: Duration = Duration::from_secs(60 * 60);

/// The last peer that has sent forwarding headers without being trusted.
#[derive(Default)]
pub(crate) struct UnknownProxy(Mutex<Option<Seen>>);

#[derive(Clone, Copy)]
struct Seen {
    peer: IpAddr,
    at: Instant,
    warned: Instant,
}

/// Whether somebody has forwarded a request, or claims so.
pub(crate) fn is_forwarded(headers: &HeaderMap) -> bool {
    headers.contains_key(header::FORWARDED) || headers.contains_key(X_FORWARDED_FOR)
}

impl UnknownProxy {
    /// Notes a request with forwarding headers of a peer that is not trusted.
    pub(crate) fn note(&self, peer: IpAddr, now: Instant) {
        let mut seen = self.0.lock();
        let warned = seen.map(|seen| seen.warned).filter(|warned| now.duration_since(*warned) < PERIOD);
        *seen = Some(Seen { peer, at: now, warned: warned.unwrap_or(now) });
        drop(seen);
        if warned.is_none() {
            tracing::warn!("{}", sentence(peer));
        }
    }

    /// What the health report says of it.
    pub(crate) fn message(&self, now: Instant) -> Option<String> {
        let seen = *self.0.lock();
        seen.filter(|seen| now.duration_since(seen.at) < PERIOD).map(|seen| sentence(seen.peer))
    }
}

fn sentence(peer: IpAddr) -> String {
    format!(
        "requests from {peer} have forwarding headers, and TRUSTED_PROXIES does not list it: if it is a proxy, its \
         clients share the limits of one address"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_mentioned_for_a_while_and_warned_of_once() {
        let (proxy, start) = (UnknownProxy::default(), Instant::now());
        let peer = IpAddr::from([10, 0, 0, 1]);
        assert_eq!(proxy.message(start), None);
        proxy.note(peer, start);
        proxy.note(peer, start + PERIOD / 2);
        assert_eq!(proxy.0.lock().map(|seen| seen.warned), Some(start));
        assert!(proxy.message(start + PERIOD).is_some_and(|message| message.contains("10.0.0.1")));
        assert_eq!(proxy.message(start + PERIOD * 2), None);
        proxy.note(peer, start + PERIOD);
        assert_eq!(proxy.0.lock().map(|seen| seen.warned), Some(start + PERIOD), "once in each period");
    }
}
