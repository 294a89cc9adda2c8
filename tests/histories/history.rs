//! The history of the catalogue: every write with the times between which it happened, so that each read can be
//! compared with the writes that were acknowledged before the read was sent.
//!
//! All times are of one monotonic clock. The times of a write are taken before it is sent and after its answer has
//! arrived, that of a read before it is sent. So delays make reads look fresher, never staler, and no bound needs a
//! tolerance.

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

/// This long after an instance has reached Redis again, its writes without Redis have reached the others.
const SETTLING: Duration = Duration::from_secs(1);

/// An acknowledged write.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ack {
    pub(crate) sent: Instant,
    pub(crate) at: Instant,
    /// The instance that acknowledged it.
    pub(crate) by: usize,
}

/// The acknowledgements that a read must include.
type Heard<'a> = &'a dyn Fn(&Ack) -> bool;

/// A create that was sent and whose id is unknown. Names are unique.
#[derive(Debug)]
struct Pending {
    name: String,
    ticket: Ticket,
    values: Vec<Change>,
    /// The highest id that was known when it was sent.
    highest: i64,
}

/// The source of an outage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The test has caused it.
    Fault,
    /// The instance reports it in its statistics.
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

/// The recorder and the checker.
#[derive(Debug, Default)]
pub(crate) struct History {
    lives: BTreeMap<i64, Life>,
    pending: Vec<Pending>,
    outages: Vec<Outage>,
    tickets: u64,
    /// The highest id that was ever used.
    highest: i64,
    /// Reads of *another* instance than the one that wrote may lag by this time.
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

    /// Notes that a create is about to be sent.
    pub(crate) fn creating(&mut self, name: &str, values: Vec<Change>) -> Ticket {
        let (ticket, highest) = (self.ticket(), self.highest);
        self.pending.push(Pending { name: name.to_owned(), ticket, values, highest });
        ticket
    }

    /// Notes a product whose create may not have been acknowledged yet.
    pub(crate) fn sighted(&mut self, id: i64, name: &str) {
        let Some(index) = self.pending.iter().position(|pending| pending.name == name) else { return };
        let Pending { ticket, values, .. } = self.pending.swap_remove(index);
        self.lives.insert(id, Life::begin(ticket, values));
        self.highest = self.highest.max(id);
    }

    /// Notes that the create of that name was acknowledged.
    pub(crate) fn created(&mut self, name: &str, id: i64, ticket: Ticket, by: usize) {
        self.sighted(id, name);
        let ack = Ack { sent: ticket.sent, at: Instant::now(), by };
        if let Some(life) = self.lives.get_mut(&id) {
            life.born = Some(ack);
            life.written(ticket, 1, ack);
        }
    }

    /// Notes that an update is about to be sent.
    pub(crate) fn updating(&mut self, id: i64, changes: Vec<Change>) -> Ticket {
        let ticket = self.ticket();
        if let Some(life) = self.lives.get_mut(&id) {
            life.updating(ticket, changes);
        }
        ticket
    }

    /// Notes that the update was acknowledged.
    pub(crate) fn updated(&mut self, id: i64, version: i64, ticket: Ticket, by: usize) {
        if let Some(life) = self.lives.get_mut(&id) {
            life.written(ticket, version, Ack { sent: ticket.sent, at: Instant::now(), by });
        }
    }

    /// Notes that a delete is about to be sent, possibly again.
    pub(crate) fn deleting(&mut self, id: i64) -> Instant {
        let sent = Instant::now();
        if let Some(life) = self.lives.get_mut(&id) {
            life.deleted.get_or_insert(sent);
        }
        sent
    }

    /// Notes that the delete was acknowledged.
    pub(crate) fn deleted(&mut self, id: i64, sent: Instant, by: usize) {
        if let Some(life) = self.lives.get_mut(&id) {
            life.died.get_or_insert(Ack { sent, at: Instant::now(), by });
        }
    }

    /// Notes that the instance may not reach Redis from that time on.
    pub(crate) fn cut_off(&mut self, instance: usize, since: Instant, source: Source) {
        self.outages.push(Outage { of: instance, source, from: since, to: None });
    }

    /// Notes that the instance uses Redis again.
    pub(crate) fn reached(&mut self, instance: usize, source: Source) {
        let now = Instant::now();
        for outage in &mut self.outages {
            if outage.of == instance && outage.source == source {
                outage.to.get_or_insert(now + SETTLING);
            }
        }
    }

    /// Whether the test blocks the instance from Redis, or did so a moment ago.
    pub(crate) fn is_cut_off(&self, instance: usize) -> bool {
        let open = |outage: &Outage| outage.to.is_none_or(|to| Instant::now() < to);
        self.outages.iter().any(|outage| outage.of == instance && outage.source == Source::Fault && open(outage))
    }

    /// The highest acknowledged version of a product.
    pub(crate) fn acknowledged(&self, id: i64) -> Option<i64> {
        Some(self.lives.get(&id)?.revisions.last()?.version)
    }

    /// The ids of all products that have been seen since the history was settled.
    pub(crate) fn ids(&self) -> Vec<i64> {
        self.lives.keys().copied().collect()
    }

    /// At rest, when the database shows `there`: settles writes that never happened, and forgets deleted products.
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
