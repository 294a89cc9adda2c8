//! What is known of the catalogue: every write with the times between which it happened, so that each read can be held
//! against the writes that had been acknowledged before the read was sent.
//!
//! All times are of one monotonic clock. A write is stamped before it is sent and after its answer has come, a read before it
//! is sent: whatever is slow on the way makes reads look fresher and never staler, so no bound needs slack.

mod explanation;
mod judgement;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

pub(crate) use judgement::{Claim, Kind, Page, Read, Seen, Start, Verdict};

/// So long after it reached Redis again, the writes that an instance made without it have reached the others.
const SETTLING: Duration = Duration::from_secs(1);

/// An acknowledged write.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ack {
    pub(crate) sent: Instant,
    pub(crate) at: Instant,
    /// The instance that acknowledged it.
    pub(crate) by: usize,
}

/// A committed state of a product, known by its acknowledgement.
#[derive(Debug)]
struct Revision {
    version: i64,
    stock: i64,
    ack: Ack,
}

/// One product from its first to its last day. What was sent may have happened; what was acknowledged has.
#[derive(Debug)]
struct Life {
    created: Instant,
    born: Option<Ack>,
    deleted: Option<Instant>,
    died: Option<Ack>,
    /// Updates that were sent. Each makes at most one version.
    updates: i64,
    /// In the order of their versions.
    revisions: Vec<Revision>,
}

/// A create that was sent and whose id nobody knows yet. Names are unique.
#[derive(Debug)]
struct Pending {
    name: String,
    sent: Instant,
}

/// Who knows of an outage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The test has made it.
    Fault,
    /// The instance says so, in its statistics.
    Report,
}

/// A time during which an instance may not have reached Redis.
#[derive(Debug)]
struct Outage {
    of: usize,
    source: Source,
    from: Instant,
    /// `None` while it lasts.
    to: Option<Instant>,
}

/// The recorder and the judge.
#[derive(Debug, Default)]
pub(crate) struct History {
    lives: BTreeMap<i64, Life>,
    pending: Vec<Pending>,
    outages: Vec<Outage>,
    /// Reads of *another* instance than the one that wrote may lag by so much.
    lease: Duration,
}

impl History {
    pub(crate) fn new(lease: Duration) -> Self {
        History { lease, ..History::default() }
    }

    /// A create is about to be sent.
    pub(crate) fn creating(&mut self, name: &str) -> Instant {
        let sent = Instant::now();
        self.pending.push(Pending { name: name.to_owned(), sent });
        sent
    }

    /// A product is there whose create may not have been acknowledged yet.
    pub(crate) fn sighted(&mut self, id: i64, name: &str) {
        let Some(index) = self.pending.iter().position(|pending| pending.name == name) else { return };
        let created = self.pending.swap_remove(index).sent;
        let life = Life { created, born: None, deleted: None, died: None, updates: 0, revisions: Vec::new() };
        self.lives.insert(id, life);
    }

    /// The create of that name was acknowledged.
    pub(crate) fn created(&mut self, name: &str, seen: Seen, sent: Instant, by: usize) {
        self.sighted(seen.id, name);
        let ack = Ack { sent, at: Instant::now(), by };
        if let Some(life) = self.lives.get_mut(&seen.id) {
            life.born = Some(ack);
            life.revise(seen, ack);
        }
    }

    /// An update is about to be sent.
    pub(crate) fn updating(&mut self, id: i64) -> Instant {
        if let Some(life) = self.lives.get_mut(&id) {
            life.updates += 1;
        }
        Instant::now()
    }

    /// The update was acknowledged.
    pub(crate) fn updated(&mut self, seen: Seen, sent: Instant, by: usize) {
        if let Some(life) = self.lives.get_mut(&seen.id) {
            life.revise(seen, Ack { sent, at: Instant::now(), by });
        }
    }

    /// A delete is about to be sent, maybe once more.
    pub(crate) fn deleting(&mut self, id: i64) -> Instant {
        let sent = Instant::now();
        if let Some(life) = self.lives.get_mut(&id) {
            life.deleted.get_or_insert(sent);
        }
        sent
    }

    /// The delete was acknowledged.
    pub(crate) fn deleted(&mut self, id: i64, sent: Instant, by: usize) {
        if let Some(life) = self.lives.get_mut(&id) {
            life.died.get_or_insert(Ack { sent, at: Instant::now(), by });
        }
    }

    /// Since then the instance may not reach Redis.
    pub(crate) fn cut_off(&mut self, instance: usize, since: Instant, source: Source) {
        self.outages.push(Outage { of: instance, source, from: since, to: None });
    }

    /// The instance uses Redis again.
    pub(crate) fn reached(&mut self, instance: usize, source: Source) {
        let now = Instant::now();
        for outage in &mut self.outages {
            if outage.of == instance && outage.source == source {
                outage.to.get_or_insert(now + SETTLING);
            }
        }
    }

    /// Whether the test keeps the instance from Redis, or has done so a moment ago.
    pub(crate) fn is_cut_off(&self, instance: usize) -> bool {
        let open = |outage: &Outage| outage.to.is_none_or(|to| Instant::now() < to);
        self.outages.iter().any(|outage| outage.of == instance && outage.source == Source::Fault && open(outage))
    }

    /// The highest version of a product that was acknowledged so far.
    pub(crate) fn acknowledged(&self, id: i64) -> Option<i64> {
        Some(self.lives.get(&id)?.revisions.last()?.version)
    }

    /// The ids of all products that have been seen since the history was settled.
    pub(crate) fn ids(&self) -> Vec<i64> {
        self.lives.keys().copied().collect()
    }

    /// At rest, where the database shows `there`: creates that never came about are settled, and the dead are forgotten.
    pub(crate) fn settle(&mut self, there: &[i64]) {
        self.pending.clear();
        self.outages.clear();
        self.lives.retain(|id, _| there.contains(id));
        for life in self.lives.values_mut() {
            // Where all agree on the newest, the older ones say nothing any more.
            life.revisions = life.revisions.pop().into_iter().collect();
        }
    }
}

impl Life {
    fn revise(&mut self, seen: Seen, ack: Ack) {
        let place = self.revisions.partition_point(|revision| revision.version < seen.version);
        self.revisions.insert(place, Revision { version: seen.version, stock: seen.stock, ack });
    }
}
