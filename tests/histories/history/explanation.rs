//! An explanation of a stale read, for the reader of a failure.

use std::time::Instant;

use super::{Ack, Claim, History, Life, Page, Read, Verdict};

/// The latest writes of each product in question.
const WRITES: usize = 6;

impl History {
    /// The read, and what was written before it; times in seconds before it was sent.
    pub(crate) fn explain(&self, read: &Read, verdict: &Verdict) -> String {
        let Read { sent, answered, of, kind, claim } = read;
        let at = chrono::Utc::now() - sent.elapsed();
        let mut lines = vec![
            format!("{verdict:?}: instance {of} ({kind:?}) answered {claim:?}"),
            format!("  sent at {at}, answered after {:?}. Seconds before it was sent:", *answered - *sent),
        ];
        for outage in &self.outages {
            let (from, to) = (before(*sent, outage.from), outage.to.map(|to| before(*sent, to)));
            lines
                .push(format!("  instance {} without Redis ({:?}) from {from:.3} to {to:?}", outage.of, outage.source));
        }
        let ids = match claim {
            Claim::There(seen) => vec![seen.id],
            Claim::NotThere(id) => vec![*id],
            Claim::Page(page) => self.suspects(page, *answered),
        };
        for id in ids {
            match self.lives.get(&id) {
                Some(life) => lines.extend(life.tell(id, *sent)),
                None => lines.push(format!("  product {id} is unknown")),
            }
        }
        lines.join("\n")
    }

    /// The products that may make a page wrong.
    fn suspects(&self, page: &Page, answered: Instant) -> Vec<i64> {
        let everything = |_: &Ack| true;
        let places = self.places(page, answered, &everything);
        let shown = |id: i64| page.products.iter().find(|seen| seen.id == id);
        let suspect = |id: i64, life: &Life| match shown(id) {
            Some(seen) => !life.agrees_with(seen, &everything),
            None => page.ids.contains(&id) != places[&id].must_be_there,
        };
        let unknown = page.ids.iter().copied().filter(|id| !self.lives.contains_key(id));
        let known = self.lives.iter().filter(|(id, life)| suspect(**id, life)).map(|(&id, _)| id);
        known.chain(unknown).collect()
    }
}

impl Life {
    fn tell(&self, id: i64, sent: Instant) -> Vec<String> {
        let version = |version: i64| format!("version {version} {:?}", self.changes(version));
        let mut written: Vec<_> =
            self.revisions.iter().map(|revision| (version(revision.version), revision.ack)).collect();
        written.extend(self.born.map(|ack| ("created".to_owned(), ack)));
        written.extend(self.died.map(|ack| ("deleted".to_owned(), ack)));
        written.sort_by_key(|(_, ack)| ack.at);
        let mut lines =
            vec![format!("  product {id}: {} updates sent, unanswered {:?}", self.updates, self.unanswered())];
        for (what, ack) in written.split_off(written.len().saturating_sub(WRITES)) {
            let (began, ended) = (before(sent, ack.sent), before(sent, ack.at));
            lines.push(format!("    {what} by {}: sent {began:.4}, acknowledged {ended:.4}", ack.by));
        }
        lines
    }
}

/// The seconds from `time` to `read`; negative if `time` is later.
fn before(read: Instant, time: Instant) -> f64 {
    read.saturating_duration_since(time).as_secs_f64() - time.saturating_duration_since(read).as_secs_f64()
}
