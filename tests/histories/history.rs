//! What is known of the catalogue: every write with the times between which it happened, so that each read can be held
//! against the writes that had been acknowledged before the read was sent.
//!
//! All times are of one monotonic clock. A write is stamped before it is sent and after its answer has come, a read
//! before it is sent: whatever is slow on the way makes reads look fresher and never staler, so no bound needs slack.

mod explanation;
mod judgement;
mod life;
mod listing;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

pub(crate) use judgement::{Claim, Kind, Read, Seen, Verdict};
use life::Life;
pub(crate) use life::{Change, Field, Ticket};
pub(crate) use listing::{Filter, Order, Page, Start, Test};

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

/// Which acknowledgements a reader is taken to have heard of.
type Heard<'a> = &'a dyn Fn(&Ack) -> bool;

/// A create that was sent and whose id nobody knows yet. Names are unique.
#[derive(Debug)]
struct Pending {
    name: String,
    ticket: Ticket,
    values: Vec<Change>,
    /// The highest id that was known when it was sent.
    highest: i64,
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
    tickets: u64,
    /// The highest id that ever was.
    highest: i64,
    /// Reads of *another* instance than the one that wrote may lag by so much.
    lease: Duration,
}

impl History {
    pub(crate) fn new(lease: Duration) -> Self {
        History { lease, ..History::default() }
    }

    fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket { number: self.tickets, sent: Instant::now() }
    }

    /// A create is about to be sent.
    pub(crate) fn creating(&mut self, name: &str, values: Vec<Change>) -> Ticket {
        let (ticket, highest) = (self.ticket(), self.highest);
        self.pending.push(Pending { name: name.to_owned(), ticket, values, highest });
        ticket
    }

    /// A product is there whose create may not have been acknowledged yet.
    pub(crate) fn sighted(&mut self, id: i64, name: &str) {
        let Some(index) = self.pending.iter().position(|pending| pending.name == name) else { return };
        let Pending { ticket, values, .. } = self.pending.swap_remove(index);
        self.lives.insert(id, Life::begin(ticket, values));
        self.highest = self.highest.max(id);
    }

    /// The create of that name was acknowledged.
    pub(crate) fn created(&mut self, name: &str, id: i64, ticket: Ticket, by: usize) {
        self.sighted(id, name);
        let ack = Ack { sent: ticket.sent, at: Instant::now(), by };
        if let Some(life) = self.lives.get_mut(&id) {
            life.born = Some(ack);
            life.written(ticket, 1, ack);
        }
    }

    /// An update is about to be sent.
    pub(crate) fn updating(&mut self, id: i64, changes: Vec<Change>) -> Ticket {
        let ticket = self.ticket();
        if let Some(life) = self.lives.get_mut(&id) {
            life.updating(ticket, changes);
        }
        ticket
    }

    /// The update was acknowledged.
    pub(crate) fn updated(&mut self, id: i64, version: i64, ticket: Ticket, by: usize) {
        if let Some(life) = self.lives.get_mut(&id) {
            life.written(ticket, version, Ack { sent: ticket.sent, at: Instant::now(), by });
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

    /// At rest, where the database shows `there`: writes that never came about are settled, and the dead are forgotten.
    pub(crate) fn settle(&mut self, there: &[Seen]) {
        self.pending.clear();
        self.outages.clear();
        self.lives.retain(|id, _| there.iter().any(|seen| seen.id == *id));
        let now = Instant::now();
        for seen in there {
            if let Some(life) = self.lives.get_mut(&seen.id) {
                life.settle(seen, Ack { sent: now, at: now, by: 0 });
            }
        }
    }
}
