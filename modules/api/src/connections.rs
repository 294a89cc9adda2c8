//! The open connections: bounds their number, evicts idle ones when there is no room, and closes those that are idle
//! too long.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hotshelf_ratelimit::Subject;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::activity::{Activity, CloseOrder, ConnectionState};
use crate::client::TrustedProxies;

mod streams;

pub(crate) use streams::StreamSlot;
use streams::Streams;

/// Connections reserved for probes beside the bound. When all are taken, the oldest is closed.
const MAX_RESERVED: usize = 32;
/// How long a reserved connection may be without a request.
const RESERVED_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the head of a request may take, unless the idle timeout is shorter.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
const SLOW_HEAD: Duration = Duration::from_secs(1);
/// At a stop: how long a request may take to arrive, and how long a client may stop reading its response.
const LAST_REQUESTS: Duration = Duration::from_millis(250);
const LAST_BYTES: Duration = Duration::from_secs(2);
/// When there is no room, one in this many connections is closed at once, because the search looks at all of them.
const EVICTION_SHARE: usize = 128;

/// Bounds of the open connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ConnectionBounds {
    pub(crate) max: usize,
    /// From one address. Trusted proxies and loopback are exempt.
    pub(crate) max_per_client: usize,
    /// Closes a connection without a request in progress, or whose client does not read its response.
    pub(crate) idle: Duration,
    /// Resets a stream of HTTP/2 to which nothing has happened for this time. Longer than any wait of a request.
    pub(crate) stalled: Duration,
}

pub(crate) struct Connections {
    bounds: ConnectionBounds,
    proxies: TrustedProxies,
    open: Mutex<Open>,
    streams: Streams,
}

#[derive(Default)]
struct Open {
    all: HashMap<u64, Entry>,
    next: u64,
    reserved: usize,
    per_client: HashMap<Subject, usize>,
    /// Set at the stop: no new requests, and nothing at all after this time.
    end: Option<Instant>,
}

struct Entry {
    activity: Arc<Activity>,
    /// `None`: exempt from the bound per address.
    client: Option<Subject>,
    reserved: bool,
    /// Its state at the last look, and since when it has been in it.
    seen: (ConnectionState, u64),
    since: Instant,
}

/// The slot of a connection; released on drop.
pub(crate) struct ConnectionGuard {
    connections: Arc<Connections>,
    number: u64,
    /// `None`: exempt from the bounds per address.
    client: Option<Subject>,
    pub(crate) activity: Arc<Activity>,
    /// A reserved connection: for probes only.
    pub(crate) reserved: bool,
}

impl Connections {
    pub(crate) fn new(bounds: ConnectionBounds, proxies: TrustedProxies) -> Self {
        let streams = Streams::new(bounds.max, bounds.max_per_client);
        Connections { bounds, proxies, open: Mutex::default(), streams }
    }

    /// The time after which a stream is reset.
    pub(crate) fn stalled(&self) -> Duration {
        self.bounds.stalled
    }

    /// The number of open connections.
    pub(crate) fn len(&self) -> usize {
        self.open.lock().all.len()
    }

    /// Admits a connection from that address. If there is no room, the connections that have been idle longest are
    /// closed. If none is idle, the new one is a reserved connection.
    pub(crate) fn admit(self: &Arc<Self>, peer: IpAddr) -> ConnectionGuard {
        let peer = peer.to_canonical();
        let counted = !peer.is_loopback() && !self.proxies.trust(peer);
        let client = counted.then(|| Subject::of_address(peer));
        let mut open = self.open.lock();
        let of_client = client.as_ref().and_then(|client| open.per_client.get(client).copied()).unwrap_or(0);
        let mut room = open.all.len() - open.reserved < self.bounds.max;
        if of_client >= self.bounds.max_per_client {
            room = open.close_idle(1, client.as_ref()) > 0;
        } else if !room {
            room = open.close_idle(self.bounds.max.div_ceil(EVICTION_SHARE), None) > 0;
        }
        if !room && open.reserved >= MAX_RESERVED {
            open.close_oldest_reserved();
        }
        let (number, activity) = open.add(client.clone(), !room);
        ConnectionGuard { connections: Arc::clone(self), number, client, activity, reserved: !room }
    }

    /// Closes some idle connections, because descriptors have run out.
    pub(crate) fn make_room(&self) {
        self.open.lock().close_idle(self.bounds.max.div_ceil(EVICTION_SHARE), None);
    }

    /// Closes connections that are idle too long. Returns after the stop, when none is left.
    pub(crate) async fn watch(&self, stopping: CancellationToken) {
        let rest = (self.bounds.idle / 4).clamp(Duration::from_millis(10), Duration::from_secs(1));
        while stopping.run_until_cancelled(sleep(rest)).await.is_some() {
            self.close_overdue();
        }
        while self.close_overdue() > 0 {
            sleep(LAST_REQUESTS / 10).await;
        }
    }

    /// From now on, only requests in progress are answered. Connections that are left after `timeout` are closed.
    pub(crate) fn finish_within(&self, timeout: Duration) {
        let mut open = self.open.lock();
        open.end = Some(Instant::now() + timeout);
        open.all.values().for_each(|entry| entry.activity.order(CloseOrder::Finish));
    }

    /// Returns the number of connections.
    fn close_overdue(&self) -> usize {
        let (mut open, now) = (self.open.lock(), Instant::now());
        let end = open.end;
        for entry in open.all.values_mut() {
            let (state, since) = entry.look(now);
            let timeout = match end {
                None => self.timeout(state, entry.reserved),
                Some(end) if end <= now => Some(Duration::ZERO),
                Some(_) => stop_timeout(state),
            };
            if timeout.is_some_and(|timeout| now - since >= timeout) {
                entry.activity.order(CloseOrder::End);
            }
        }
        open.all.len()
    }

    fn timeout(&self, state: ConnectionState, reserved: bool) -> Option<Duration> {
        let idle = self.bounds.idle;
        match state {
            // Requests and bodies have bounds of their own.
            ConnectionState::Working => None,
            ConnectionState::Idle | ConnectionState::Head if reserved => Some(idle.min(RESERVED_TIMEOUT)),
            ConnectionState::Head => Some(idle.min(HEAD_TIMEOUT)),
            ConnectionState::Idle | ConnectionState::Stuck => Some(idle),
        }
    }
}

fn stop_timeout(state: ConnectionState) -> Option<Duration> {
    match state {
        ConnectionState::Working => None,
        ConnectionState::Idle | ConnectionState::Head => Some(LAST_REQUESTS),
        ConnectionState::Stuck => Some(LAST_BYTES),
    }
}

/// The order in which connections are evicted, lowest first; `None`: not evicted.
fn eviction_rank(state: ConnectionState, waited: Duration) -> Option<u8> {
    match state {
        // A well-behaved client sends its head faster.
        ConnectionState::Head if waited >= SLOW_HEAD => Some(0),
        ConnectionState::Idle => Some(1),
        ConnectionState::Head => Some(2),
        ConnectionState::Working | ConnectionState::Stuck => None,
    }
}

impl Entry {
    /// Its state, and since when, as far as looks have seen.
    fn look(&mut self, now: Instant) -> (ConnectionState, Instant) {
        let seen = self.activity.now();
        if seen != self.seen {
            (self.seen, self.since) = (seen, now);
        }
        (seen.0, self.since)
    }
}

impl Open {
    fn add(&mut self, client: Option<Subject>, reserved: bool) -> (u64, Arc<Activity>) {
        let (number, activity) = (self.next, Arc::new(Activity::default()));
        self.next += 1;
        self.reserved += usize::from(reserved);
        if let Some(client) = &client {
            *self.per_client.entry(client.clone()).or_default() += 1;
        }
        if self.end.is_some() {
            activity.order(CloseOrder::Finish);
        }
        let (seen, since) = (activity.now(), Instant::now());
        let entry = Entry { activity: Arc::clone(&activity), client, reserved, seen, since };
        self.all.insert(number, entry);
        (number, activity)
    }

    fn remove(&mut self, number: u64) -> Option<Entry> {
        let entry = self.all.remove(&number)?;
        self.reserved -= usize::from(entry.reserved);
        if let Some(client) = &entry.client
            && let Some(count) = self.per_client.get_mut(client)
        {
            *count -= 1;
            if *count == 0 {
                self.per_client.remove(client);
            }
        }
        Some(entry)
    }

    /// Closes up to `max` idle connections, of one client or of all, the longest idle first. Returns their number.
    fn close_idle(&mut self, max: usize, of: Option<&Subject>) -> usize {
        let now = Instant::now();
        let candidates = self.all.iter_mut().filter(|(_, entry)| !entry.reserved);
        let candidates = candidates.filter(|(_, entry)| of.is_none() || entry.client.as_ref() == of);
        let mut waiting: Vec<_> = candidates
            .filter_map(|(number, entry)| {
                let (state, since) = entry.look(now);
                Some((eviction_rank(state, now - since)?, since, *number))
            })
            .collect();
        if waiting.len() > max {
            waiting.select_nth_unstable(max);
            waiting.truncate(max);
        }
        for (_, _, number) in &waiting {
            self.end(*number);
        }
        waiting.len()
    }

    fn close_oldest_reserved(&mut self) {
        let reserved = self.all.iter().filter(|(_, entry)| entry.reserved);
        if let Some(oldest) = reserved.map(|(number, _)| *number).min() {
            self.end(oldest);
        }
    }

    /// Stops counting the connection; its task ends soon.
    fn end(&mut self, number: u64) {
        if let Some(entry) = self.remove(number) {
            entry.activity.order(CloseOrder::End);
        }
    }
}

impl ConnectionGuard {
    /// A place for one more stream of the connection, if there is one.
    pub(crate) fn begin_stream(&self) -> Option<StreamSlot> {
        self.connections.streams.begin(&self.connections, self.client.as_ref())
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.connections.open.lock().remove(self.number);
    }
}

#[cfg(test)]
mod tests;
