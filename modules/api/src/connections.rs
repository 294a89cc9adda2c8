//! The connections that are open: how many, which one goes when there is no room for another, and which one has done
//! nothing for too long.

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

/// Kept for probes beside the bound. When these are taken, too, the oldest of them goes.
const RESERVE: usize = 32;
/// How long a connection of the reserve may take to ask something.
const RESERVE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the head of a request may take, if idle connections are not closed earlier.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
const SLOW_HEAD: Duration = Duration::from_secs(1);
/// At a stop: how long a request may take that is on its way, and a client to go on taking its answer.
const LAST_REQUESTS: Duration = Duration::from_millis(250);
const LAST_BYTES: Duration = Duration::from_secs(2);
/// When there is no room, so many of those that there may be are closed at once: looking for them is looking at all.
const BATCH: usize = 128;

/// Bounds of the connections that are open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ConnectionBounds {
    pub(crate) most: usize,
    /// From one address, but those of trusted proxies and of this machine.
    pub(crate) most_of_client: usize,
    /// Without a request under way, or with a client that takes nothing of its answer.
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
    /// Nothing new is served, and at that time nothing at all.
    end: Option<Instant>,
}

struct Entry {
    activity: Arc<Activity>,
    /// `None` where connections of one address are not counted.
    client: Option<Subject>,
    in_reserve: bool,
    /// What it was doing when somebody looked last, and since when.
    seen: (Doing, u64),
    since: Instant,
}

/// A connection's place; given back on drop.
pub(crate) struct Place {
    connections: Arc<Connections>,
    number: u64,
    pub(crate) activity: Arc<Activity>,
    /// There was no room: it is for probes alone.
    pub(crate) in_reserve: bool,
}

impl Connections {
    pub(crate) fn new(bounds: ConnectionBounds, proxies: TrustedProxies) -> Self {
        Connections { bounds, proxies, open: Mutex::default() }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.open.lock().all.len()
    }

    /// A place for a connection from there. Where there is no room, connections make some that wait for a request:
    /// those first that have waited longest. If all are at work, the place is one of the reserve.
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

    /// Ends some connections that wait for a request, because descriptors have run out.
    pub(crate) fn make_room(&self) {
        self.open.lock().end_waiting(self.bounds.most.div_ceil(BATCH), None);
    }

    /// Ends what has done nothing for too long, until nothing is left of what there was when it was stopped.
    pub(crate) async fn watch(&self, stopping: CancellationToken) {
        let rest = (self.bounds.idle / 4).clamp(Duration::from_millis(10), Duration::from_secs(1));
        while stopping.run_until_cancelled(sleep(rest)).await.is_some() {
            self.end_overdue();
        }
        while self.end_overdue() > 0 {
            sleep(LAST_REQUESTS / 10).await;
        }
    }

    /// From now on, requests under way are answered and no others; what is left after so long ends then.
    pub(crate) fn finish_within(&self, timeout: Duration) {
        let mut open = self.open.lock();
        open.end = Some(Instant::now() + timeout);
        open.all.values().for_each(|entry| entry.activity.order(Order::Finish));
    }

    /// How many connections were looked at.
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
            // Its bounds are those on requests and on bodies.
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

/// Which connections go first when others need the room; `None` for those that stay.
fn expendable(doing: Doing, waited: Duration) -> Option<u8> {
    match doing {
        // Nobody who means well takes so long for a head.
        Doing::Head if waited >= SLOW_HEAD => Some(0),
        Doing::Idle => Some(1),
        Doing::Head => Some(2),
        Doing::Working | Doing::Stuck => None,
    }
}

impl Entry {
    /// What it is doing, and since when as far as anybody has seen.
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

    /// Ends up to so many connections, of that client or of all, that wait for a request or for the rest of its head,
    /// those that have waited longest first; how many there were.
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

    /// It counts no more from now on; its task ends before long.
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
