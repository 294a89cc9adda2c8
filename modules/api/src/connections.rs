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

use crate::activity::{Activity, Doing, Order};
use crate::client::TrustedProxies;

/// Connections reserved for probes beside the bound. When all are taken, the oldest is closed.
const RESERVE: usize = 32;
/// How long a reserved connection may be without a request.
const RESERVE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the head of a request may take, unless the idle timeout is shorter.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
const SLOW_HEAD: Duration = Duration::from_secs(1);
/// At a stop: how long a request may take to arrive, and how long a client may stop reading its response.
const LAST_REQUESTS: Duration = Duration::from_millis(250);
const LAST_BYTES: Duration = Duration::from_secs(2);
/// When there is no room, one in this many connections is closed at once, because the search looks at all of them.
const BATCH: usize = 128;

/// Bounds of the open connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ConnectionBounds {
    pub(crate) most: usize,
    /// From one address. Trusted proxies and loopback are exempt.
    pub(crate) most_of_client: usize,
    /// Closes a connection without a request in progress, or whose client does not read its response.
    pub(crate) idle: Duration,
}

pub(crate) struct Connections {
    bounds: ConnectionBounds,
    proxies: TrustedProxies,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    all: HashMap<u64, Entry>,
    next: u64,
    in_reserve: usize,
    of_clients: HashMap<Subject, usize>,
    /// Set at the stop: no new requests, and nothing at all after this time.
    end: Option<Instant>,
}

struct Entry {
    activity: Arc<Activity>,
    /// `None`: exempt from the bound per address.
    client: Option<Subject>,
    in_reserve: bool,
    /// Its state at the last look, and since when it has been in it.
    seen: (Doing, u64),
    since: Instant,
}

/// The slot of a connection; released on drop.
pub(crate) struct Place {
    connections: Arc<Connections>,
    number: u64,
    pub(crate) activity: Arc<Activity>,
    /// A reserved connection: for probes only.
    pub(crate) in_reserve: bool,
}

impl Connections {
    pub(crate) fn new(bounds: ConnectionBounds, proxies: TrustedProxies) -> Self {
        Connections { bounds, proxies, open: Mutex::default() }
    }

    /// The number of open connections.
    pub(crate) fn len(&self) -> usize {
        self.open.lock().all.len()
    }

    /// Admits a connection from that address. If there is no room, the connections that have been idle longest are
    /// closed. If none is idle, the new one is a reserved connection.
    pub(crate) fn enter(self: &Arc<Self>, peer: IpAddr) -> Place {
        let peer = peer.to_canonical();
        let counted = !peer.is_loopback() && !self.proxies.trust(peer);
        let client = counted.then(|| Subject::of_address(peer));
        let mut open = self.open.lock();
        let of_client = client.as_ref().and_then(|client| open.of_clients.get(client).copied()).unwrap_or(0);
        let mut room = open.all.len() - open.in_reserve < self.bounds.most;
        if of_client >= self.bounds.most_of_client {
            room = open.end_waiting(1, client.as_ref()) > 0;
        } else if !room {
            room = open.end_waiting(self.bounds.most.div_ceil(BATCH), None) > 0;
        }
        if !room && open.in_reserve >= RESERVE {
            open.end_oldest_of_reserve();
        }
        let (number, activity) = open.add(client, !room);
        Place { connections: Arc::clone(self), number, activity, in_reserve: !room }
    }

    /// Closes some idle connections, because descriptors have run out.
    pub(crate) fn make_room(&self) {
        self.open.lock().end_waiting(self.bounds.most.div_ceil(BATCH), None);
    }

    /// Closes connections that are idle too long. Returns after the stop, when none is left.
    pub(crate) async fn watch(&self, stopping: CancellationToken) {
        let rest = (self.bounds.idle / 4).clamp(Duration::from_millis(10), Duration::from_secs(1));
        while stopping.run_until_cancelled(sleep(rest)).await.is_some() {
            self.end_overdue();
        }
        while self.end_overdue() > 0 {
            sleep(LAST_REQUESTS / 10).await;
        }
    }

    /// From now on, only requests in progress are answered. Connections that are left after `timeout` are closed.
    pub(crate) fn finish_within(&self, timeout: Duration) {
        let mut open = self.open.lock();
        open.end = Some(Instant::now() + timeout);
        open.all.values().for_each(|entry| entry.activity.order(Order::Finish));
    }

    /// Returns the number of connections.
    fn end_overdue(&self) -> usize {
        let (mut open, now) = (self.open.lock(), Instant::now());
        let end = open.end;
        for entry in open.all.values_mut() {
            let (doing, since) = entry.look(now);
            let timeout = match end {
                None => self.timeout(doing, entry.in_reserve),
                Some(end) if end <= now => Some(Duration::ZERO),
                Some(_) => stop_timeout(doing),
            };
            if timeout.is_some_and(|timeout| now - since >= timeout) {
                entry.activity.order(Order::End);
            }
        }
        open.all.len()
    }

    fn timeout(&self, doing: Doing, in_reserve: bool) -> Option<Duration> {
        let idle = self.bounds.idle;
        match doing {
            // Requests and bodies have bounds of their own.
            Doing::Working => None,
            Doing::Idle | Doing::Head if in_reserve => Some(idle.min(RESERVE_TIMEOUT)),
            Doing::Head => Some(idle.min(HEAD_TIMEOUT)),
            Doing::Idle | Doing::Stuck => Some(idle),
        }
    }
}

fn stop_timeout(doing: Doing) -> Option<Duration> {
    match doing {
        Doing::Working => None,
        Doing::Idle | Doing::Head => Some(LAST_REQUESTS),
        Doing::Stuck => Some(LAST_BYTES),
    }
}

/// The order in which connections are evicted, lowest first; `None`: not evicted.
fn expendable(doing: Doing, waited: Duration) -> Option<u8> {
    match doing {
        // A well-behaved client sends its head faster.
        Doing::Head if waited >= SLOW_HEAD => Some(0),
        Doing::Idle => Some(1),
        Doing::Head => Some(2),
        Doing::Working | Doing::Stuck => None,
    }
}

impl Entry {
    /// Its state, and since when, as far as looks have seen.
    fn look(&mut self, now: Instant) -> (Doing, Instant) {
        let seen = self.activity.now();
        if seen != self.seen {
            (self.seen, self.since) = (seen, now);
        }
        (seen.0, self.since)
    }
}

impl Open {
    fn add(&mut self, client: Option<Subject>, in_reserve: bool) -> (u64, Arc<Activity>) {
        let (number, activity) = (self.next, Arc::new(Activity::default()));
        self.next += 1;
        self.in_reserve += usize::from(in_reserve);
        if let Some(client) = &client {
            *self.of_clients.entry(client.clone()).or_default() += 1;
        }
        if self.end.is_some() {
            activity.order(Order::Finish);
        }
        let (seen, since) = (activity.now(), Instant::now());
        let entry = Entry { activity: Arc::clone(&activity), client, in_reserve, seen, since };
        self.all.insert(number, entry);
        (number, activity)
    }

    fn remove(&mut self, number: u64) -> Option<Entry> {
        let entry = self.all.remove(&number)?;
        self.in_reserve -= usize::from(entry.in_reserve);
        if let Some(client) = &entry.client
            && let Some(count) = self.of_clients.get_mut(client)
        {
            *count -= 1;
            if *count == 0 {
                self.of_clients.remove(client);
            }
        }
        Some(entry)
    }

    /// Closes up to `most` idle connections, of one client or of all, the longest idle first. Returns their number.
    fn end_waiting(&mut self, most: usize, of: Option<&Subject>) -> usize {
        let now = Instant::now();
        let candidates = self.all.iter_mut().filter(|(_, entry)| !entry.in_reserve);
        let candidates = candidates.filter(|(_, entry)| of.is_none() || entry.client.as_ref() == of);
        let mut waiting: Vec<_> = candidates
            .filter_map(|(number, entry)| {
                let (doing, since) = entry.look(now);
                Some((expendable(doing, now - since)?, since, *number))
            })
            .collect();
        if waiting.len() > most {
            waiting.select_nth_unstable(most);
            waiting.truncate(most);
        }
        for (_, _, number) in &waiting {
            self.end(*number);
        }
        waiting.len()
    }

    fn end_oldest_of_reserve(&mut self) {
        let reserve = self.all.iter().filter(|(_, entry)| entry.in_reserve);
        if let Some(oldest) = reserve.map(|(number, _)| *number).min() {
            self.end(oldest);
        }
    }

    /// Stops counting the connection; its task ends soon.
    fn end(&mut self, number: u64) {
        if let Some(entry) = self.remove(number) {
            entry.activity.order(Order::End);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.open.lock().remove(self.number);
    }
}

#[cfg(test)]
mod tests;
