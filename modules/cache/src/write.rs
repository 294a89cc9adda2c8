use std::time::Duration;

use crate::cache::Cache;
use crate::key::Key;
use crate::locks::KeyLock;
use crate::options::WriteStrategy;
use crate::region::{Collection, Region};
use crate::tier::{Begun, Intent, Outcome, Slot, Token, Unsettled};
use crate::value::Value;

/// How long a writer waits for another one of the same key.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);

/// Another writer had the key for longer than this one would wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("another write of the same key is under way")]
pub struct Locked;

/// What a write will change in the cache.
#[derive(Clone, Debug)]
pub struct Target<'a> {
    /// The entry of the thing itself; `None` when it does not exist yet.
    pub entry: Option<(&'a Region, Key)>,
    /// The collections whose dependent entries become void.
    pub collections: &'a [Collection],
}

/// A write under way, from before the database is touched until after the commit.
///
/// End it with [`committed`](Write::committed) whenever the database may have changed, with
/// [`unchanged`](Write::unchanged) only when it certainly did not. Dropped without either, the entry is forgotten in
/// this process at once and its fence in Redis ends by itself, in nothing. Run the whole write in a task of its own, so
/// that a caller who goes away cannot cut it in two.
#[must_use = "a write that is not ended leaves a fence behind"]
pub struct Write<E> {
    cache: Cache<E>,
    intent: Intent,
    covered: bool,
    ended: bool,
    _lock: Option<KeyLock>,
}

impl<E: Clone + Send + Sync + 'static> Cache<E> {
    /// Begins a write: waits for its turn, then bars every tier from serving or taking copies of the target.
    ///
    /// Costs one round trip to Redis where there is one. That Redis cannot be reached is no error: see
    /// [`covered`](Write::covered).
    ///
    /// # Errors
    /// [`Locked`] when another writer held the key for more than two seconds.
    pub async fn begin(&self, target: Target<'_>) -> Result<Write<E>, Locked> {
        let slot = target.entry.map(|(region, key)| Slot { region: region.clone(), key });
        let lock = match &slot {
            Some(slot) => Some(self.0.locks.lock(&slot.key, LOCK_PATIENCE).await.ok_or(Locked)?),
            None => None,
        };
        let intent = Intent { slot, voids: target.collections.to_vec(), token: Token::random(), epoch: 0 };
        // From here on, dropping this value undoes what was begun.
        // Without Redis, nothing tells other processes but the epoch.
        let covered = !self.0.shared || self.0.redis.is_some();
        let mut write = Write { cache: self.clone(), intent, covered, ended: false, _lock: lock };
        for tier in &self.0.tiers {
            match tier.begin(&write.intent).await {
                Begun::Fenced { epoch } => write.intent.epoch = write.intent.epoch.max(epoch),
                Begun::Uncovered => write.covered = false,
                Begun::Taken => {
                    write.ended = true;
                    return Err(Locked);
                }
            }
        }
        Ok(write)
    }
}

impl<E> Write<E> {
    /// Whether every tier is barred. If not, one is out of reach that may hold an old copy: advance the epoch
    /// ([`EpochStore`](crate::EpochStore)) in the same transaction as the write, and pass it to
    /// [`committed`](Write::committed).
    pub fn covered(&self) -> bool {
        self.covered
    }

    /// The database has committed, or may have. `value` is the new one, if the thing still exists; the write-through
    /// strategy keeps it. `epoch` is the one that was opened with the write, if it was. Returns when no tier can serve
    /// an older copy any more: acknowledge the write after this.
    ///
    /// # Errors
    /// [`Unsettled`]: do not acknowledge.
    pub async fn committed(mut self, value: Option<Value>, epoch: Option<u64>) -> Result<(), Unsettled> {
        let keep = value.filter(|_| self.cache.0.write_strategy == WriteStrategy::WriteThrough);
        if let Some(slot) = &self.intent.slot {
            slot.region.counters().deletes.inc();
            slot.region.counters().invalidations_local.inc();
            slot.region.counters().sets.inc_by(u64::from(keep.is_some()));
        }
        let outcome = Outcome::Changed { keep, epoch, covered: self.covered };
        let finished = self.finish(&outcome).await;
        self.advance();
        self.ended = true;
        finished
    }

    /// The database is certain to have changed nothing.
    pub async fn unchanged(mut self) {
        // A fence of which nobody knows whether it stands is an orphan already.
        if self.covered {
            // What a failure leaves behind is a fence, and that bars only until it ends.
            let _ = self.finish(&Outcome::Unchanged).await;
        }
        self.ended = true;
    }

    /// Farthest first: a nearer tier may copy from a farther one until that one has finished.
    async fn finish(&self, outcome: &Outcome) -> Result<(), Unsettled> {
        let mut settled = Ok(());
        for tier in self.cache.0.tiers.iter().rev() {
            settled = settled.and(tier.finish(&self.intent, outcome).await);
        }
        settled
    }

    /// Lets no later lookup join a load that began before now, nor use a page that was loaded before now.
    fn advance(&self) {
        if let Some(slot) = &self.intent.slot {
            self.cache.0.epochs.advance(&slot.key, || {});
        }
        self.intent.voids.iter().for_each(Collection::advance);
    }
}

impl<E> Drop for Write<E> {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        if let Some(slot) = &self.intent.slot {
            self.cache.0.tiers.iter().for_each(|tier| tier.forget(&slot.key));
        }
        self.advance();
    }
}
