use std::collections::HashMap;
use std::time::Duration;

use crate::cache::Cache;
use crate::key::Key;
use crate::locks::KeyLock;
use crate::options::WriteStrategy;
use crate::region::{Collection, Slot};
use crate::tier::{Begun, Intent, Outcome, Token, Unsettled};
use crate::value::Value;

/// How long a writer waits for another one of the same key.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);

/// Another writer had the key for longer than this one would wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("another write of the same key is under way")]
pub struct Locked;

/// What a write will change in the cache.
#[derive(Clone, Debug, Default)]
pub struct Target {
    /// The entries of what is written; none of something that does not exist yet. They are the lock of the write: of two
    /// writes that have one in common, the later waits.
    pub slots: Vec<Slot>,
    /// The collections whose dependent entries become void.
    pub collections: Vec<Collection>,
}

/// A write under way, from before the database is touched until after the commit.
///
/// End it with [`committed`](Write::committed) whenever the database may have changed, with
/// [`unchanged`](Write::unchanged) only when it certainly did not. Dropped without either, the entries are forgotten in
/// this process at once and their fences in Redis end by themselves, in nothing. Run the whole write in a task of its own, so
/// that a caller who goes away cannot cut it in two.
#[must_use = "a write that is not ended leaves a fence behind"]
pub struct Write<E> {
    cache: Cache<E>,
    intent: Intent,
    covered: bool,
    ended: bool,
    _locks: Vec<KeyLock>,
}

/// A writer's turn at some entries: no other write of this process is at them until it ends. What is read from the
/// database meanwhile changes only if another process writes.
#[must_use = "dropped, it is over"]
pub struct Turn<E> {
    cache: Cache<E>,
    slots: Vec<Slot>,
    locks: Vec<KeyLock>,
}

impl<E: Clone + Send + Sync + 'static> Cache<E> {
    /// Begins a write: waits for its turn, then bars every tier from serving or taking copies of the target.
    ///
    /// # Errors
    /// As [`turn`](Cache::turn) and [`Turn::begin`].
    pub async fn begin(&self, target: Target) -> Result<Write<E>, Locked> {
        self.turn(target.slots).await?.begin(target.collections).await
    }

    /// Waits for the writes of this process that have one of the entries in common.
    ///
    /// # Errors
    /// [`Locked`] when that took more than two seconds.
    pub async fn turn(&self, mut slots: Vec<Slot>) -> Result<Turn<E>, Locked> {
        slots.sort_unstable_by(|one, other| one.key.cmp(&other.key));
        slots.dedup_by(|one, other| one.key == other.key);
        let locks = self.0.locks.lock_all(slots.iter().map(|slot| &slot.key), LOCK_PATIENCE).await.ok_or(Locked)?;
        Ok(Turn { cache: self.clone(), slots, locks })
    }
}

impl<E: Clone + Send + Sync + 'static> Turn<E> {
    /// Bars every tier from serving or taking copies of the entries, and of what depends on the collections.
    ///
    /// Costs one round trip to Redis where there is one, or one for some hundreds of entries. That Redis cannot be reached
    /// is no error: see [`covered`](Write::covered).
    ///
    /// # Errors
    /// [`Locked`] when another process wrote one of the entries for more than two seconds.
    pub async fn begin(self, collections: Vec<Collection>) -> Result<Write<E>, Locked> {
        let Turn { cache, slots, locks } = self;
        let intent = Intent { slots, voids: collections, token: Token::random(), epoch: 0 };
        // From here on, dropping this value undoes what was begun.
        // Without Redis, nothing tells other processes but the epoch.
        let covered = !cache.0.shared || cache.0.redis.is_some();
        let mut write = Write { cache, intent, covered, ended: false, _locks: locks };
        // Memory needs no bar: what is copied from here to the commit is dropped before the write is acknowledged.
        let Some(redis) = write.cache.0.redis.clone() else { return Ok(write) };
        match redis.begin(&write.intent).await {
            Begun::Fenced { epoch } => write.intent.epoch = epoch,
            Begun::Uncovered => write.covered = false,
            Begun::Taken => {
                write.ended = true;
                return Err(Locked);
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

    /// Bars what depends on these collections as well: for a write that learns only behind its bars what it changes. Costs
    /// one round trip to Redis. If that fails, the write is not [`covered`](Write::covered) any more.
    pub async fn touch(&mut self, collections: Vec<Collection>) {
        if let Some(redis) = &self.cache.0.redis {
            self.covered &= redis.touch(&self.intent, &collections).await;
        }
        self.intent.voids.extend(collections);
    }

    /// The database has committed, or may have. `values` are the new ones, by key, of what still exists; the write-through
    /// strategy keeps those that depend on no collection. `epoch` is the one that was opened with the write, if it was.
    /// Returns when no tier can serve an older copy any more: acknowledge the write after this.
    ///
    /// # Errors
    /// [`Unsettled`]: do not acknowledge.
    pub async fn committed(
        mut self,
        values: impl IntoIterator<Item = (Key, Value)>,
        epoch: Option<u64>,
    ) -> Result<(), Unsettled> {
        let keeps = self.cache.0.write_strategy == WriteStrategy::WriteThrough;
        let mut keep: HashMap<_, _> = if keeps { values.into_iter().collect() } else { HashMap::new() };
        for slot in &self.intent.slots {
            let counters = slot.region.counters();
            if keep.get(&slot.key).is_some_and(Value::is_too_large) {
                keep.remove(&slot.key);
                counters.too_large.inc();
            }
            counters.deletes.inc();
            counters.invalidations_local.inc();
            counters.sets.inc_by(u64::from(keep.contains_key(&slot.key)));
        }
        // Redis first: memory may copy from it until it has finished.
        let mut settled = Ok(());
        if let Some(redis) = &self.cache.0.redis {
            settled = redis.finish(&self.intent, Outcome::Changed { keep: &keep, epoch, covered: self.covered }).await;
        }
        if let Some(memory) = &self.cache.0.memory {
            memory.finish(&self.intent.slots, &keep);
        }
        self.advance();
        self.ended = true;
        settled
    }

    /// The database is certain to have changed nothing.
    pub async fn unchanged(mut self) {
        // A fence of which nobody knows whether it stands is an orphan already.
        if self.covered
            && let Some(redis) = &self.cache.0.redis
        {
            // What a failure leaves behind is a fence, and that bars only until it ends.
            let _ = redis.finish(&self.intent, Outcome::Unchanged).await;
        }
        self.ended = true;
    }

    /// Lets no later lookup join a load that began before now, nor use a page that was loaded before now.
    fn advance(&self) {
        let epochs = &self.cache.0.epochs;
        self.intent.slots.iter().for_each(|slot| epochs.advance(&slot.key, || {}));
        self.intent.voids.iter().for_each(|collection| epochs.collection_changed(collection.name()));
    }
}

impl<E> Drop for Write<E> {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        for slot in &self.intent.slots {
            self.cache.0.memory.iter().for_each(|memory| memory.forget(&slot.key));
        }
        self.advance();
    }
}
