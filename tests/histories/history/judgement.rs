//! The checker. A read *agrees* with a set of acknowledged writes if its answer is possible after these writes and any
//! others. The age of a stale read follows from the sets with which it agrees.

use std::time::{Duration, Instant};

use super::{Ack, Change, Heard, History, Life, Page};

/// The product in an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) id: i64,
    pub(crate) version: i64,
    /// Its fields, and its details if they were requested.
    pub(crate) fields: Vec<Change>,
}

/// The content of an answer.
#[derive(Clone, Debug)]
pub(crate) enum Claim {
    There(Seen),
    NotThere(i64),
    Page(Page),
}

/// The freshness that the reader requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Any tier may answer.
    Plain,
    /// `Cache-Control: no-cache`, or an `X-Min-Version`: no acknowledged write of any instance may be missing.
    Strict,
}

#[derive(Clone, Debug)]
pub(crate) struct Read {
    pub(crate) sent: Instant,
    pub(crate) answered: Instant,
    /// The instance that answered.
    pub(crate) of: usize,
    pub(crate) kind: Kind,
    pub(crate) claim: Claim,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Fresh,
    /// It misses writes of other instances. The oldest of them was acknowledged this long before the read was sent,
    /// within the lease.
    Lagging(Duration),
    /// The writes that it misses, or at least those that it misses for longer than the lease, were made by other
    /// instances without Redis, and these have not reached Redis yet.
    Excepted(Duration),
    /// It breaks the promise, by this age if a set of writes explains the answer.
    Stale(Option<Duration>),
}

impl History {
    pub(crate) fn judge(&self, read: &Read) -> Verdict {
        let acknowledged = |ack: &Ack| ack.at < read.sent;
        if self.agrees(read, &acknowledged) {
            return Verdict::Fresh;
        }
        let own = |ack: &Ack| acknowledged(ack) && (ack.by == read.of || read.kind == Kind::Strict);
        if !self.agrees(read, &own) {
            return Verdict::Stale(self.lag(read, &|_| false));
        }
        let Some(lag) = self.lag(read, &own) else { return Verdict::Stale(None) };
        let covered = |ack: &Ack| own(ack) || acknowledged(ack) && !self.excepted(ack, read.sent);
        let due = |ack: &Ack| covered(ack) && (own(ack) || read.sent - ack.at > self.lease);
        if !self.agrees(read, &due) {
            return Verdict::Stale(Some(lag));
        }
        match lag > self.lease || self.agrees(read, &covered) {
            true => Verdict::Excepted(lag),
            false => Verdict::Lagging(lag),
        }
    }

    /// The age, when the read was sent, of the oldest acknowledged write that it misses, if it includes the writes of
    /// `certain`.
    fn lag(&self, read: &Read, certain: Heard<'_>) -> Option<Duration> {
        let acks = self.acks(&read.claim).filter(|ack| ack.at < read.sent && !certain(ack));
        let mut acknowledged: Vec<_> = acks.map(|ack| ack.at).collect();
        acknowledged.sort_unstable();
        let agrees_up_to = |newest: Instant| self.agrees(read, &|ack| certain(ack) || ack.at <= newest);
        if !self.agrees(read, certain) {
            return None;
        }
        // The more writes must be included, the fewer answers agree.
        let missed_from = acknowledged.partition_point(|&newest| agrees_up_to(newest));
        Some(read.sent - *acknowledged.get(missed_from)?)
    }

    /// The acknowledged writes that the answer may depend on.
    fn acks(&self, claim: &Claim) -> Box<dyn Iterator<Item = &Ack> + '_> {
        match claim {
            Claim::There(Seen { id, .. }) | Claim::NotThere(id) => {
                Box::new(self.lives.get(id).into_iter().flat_map(Life::acks))
            }
            Claim::Page(_) => Box::new(self.lives.values().flat_map(Life::acks)),
        }
    }

    /// Whether that write was made without Redis, by an instance that had not reached Redis again at that time.
    fn excepted(&self, ack: &Ack, at: Instant) -> bool {
        let open_at = |time: Instant, to: Option<Instant>| to.is_none_or(|to| time < to);
        self.outages.iter().any(|outage| {
            outage.of == ack.by && ack.at > outage.from && open_at(ack.sent, outage.to) && open_at(at, outage.to)
        })
    }

    fn agrees(&self, read: &Read, heard: Heard<'_>) -> bool {
        match &read.claim {
            Claim::There(seen) => self.lives.get(&seen.id).is_some_and(|life| life.agrees_with(seen, heard)),
            Claim::NotThere(id) => !self.lives.get(id).is_some_and(|life| life.must_be_there(read.answered, heard)),
            Claim::Page(page) => self.agrees_with_page(page, read.answered, heard),
        }
    }

    fn agrees_with_page(&self, page: &Page, answered: Instant, heard: Heard<'_>) -> bool {
        let products_agree = || {
            let mut products = page.products.iter();
            products.all(|seen| self.lives.get(&seen.id).is_some_and(|life| life.agrees_with(seen, heard)))
        };
        self.agrees_with_members(page, answered, heard) && products_agree()
    }
}
