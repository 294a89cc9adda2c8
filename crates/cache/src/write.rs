//! The write protocol: wait for the turn, fence, commit, release, acknowledge.

use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;

use crate::cache::Cache;
use crate::counters::Event;
use crate::epoch::{Committed, Epoch, Fencing};
use crate::instances::{Revocation, Uncommitted};
use crate::key::Key;
use crate::locks::KeyLock;
use crate::namespace::{EntryRef, Tag};
use crate::options::WriteStrategy;
use crate::tier::{Begun, Intent, InvalidationUnconfirmed, Outcome, Token};
use crate::value::Value;

/// How long a writer waits for another one of the same key.
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);

/// Why a write was not acknowledged. `E` is what the database fails with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError<E> {
    /// Another write of the same entry is under way and takes more than two seconds. Nothing was changed; try again.
    #[error("another write of it is under way, try again")]
    Locked,
    /// The database refused or failed.
    #[error(transparent)]
    Store(E),
    /// The write is in the database, but a cache may go on serving what was there before, so it cannot be acknowledged.
    #[error(transparent)]
    InvalidationUnconfirmed(#[from] InvalidationUnconfirmed),
    /// The write's task died; the log says of what. What it did is unknown.
    #[error("the write broke off")]
    BrokeOff,
}

/// A writer's turn at some entries: no other write of this process is at them until it ends. What is read from the
/// database meanwhile changes only if another process writes.
#[must_use = "dropped, it is over"]
pub struct KeyGuard<E> {
    cache: Cache<E>,
    entries: Vec<EntryRef>,
    locks: Vec<KeyLock>,
}

/// A write under way, from before the database is touched until after the commit.
///
/// Whoever does not leave the end to [`commit`](Write::commit) ends it with [`committed`](Write::committed) whenever
/// the database may have changed, and with [`unchanged`](Write::unchanged) only when it certainly did not. Dropped
/// without any of them, the entries are forgotten in this process at once and their fences in Redis end by themselves,
/// in nothing.
#[must_use = "a write that is not ended leaves a fence behind"]
pub struct Write<E> {
    cache: Cache<E>,
    intent: Intent,
    fencing: Fencing,
    /// Until the commit, where other instances have to know of it.
    uncommitted: Option<Uncommitted>,
    /// Of a write without Redis, where nobody is to serve an older value.
    revocation: Option<Revocation>,
    ended: bool,
    _locks: Vec<KeyLock>,
}

impl<E: Clone + Send + Sync + 'static> Cache<E> {
    /// Writes: waits for its turn at the entries, bars every tier from serving or taking copies of them and of what
    /// depends on the tags, commits, invalidates all of that, and returns: acknowledge the write after this.
    ///
    /// `entries` are the entries of what is written; none of something that does not exist yet. `commit` writes to the
    /// database as [`Fencing`] says. From the fences on, the write runs in a task of its own, so that a caller who goes
    /// away cannot cut it in two.
    ///
    /// Costs two round trips to Redis where there is one, or two for some hundreds of entries. That Redis cannot be
    /// reached is no error: then the commit is [`Unfenced`](Fencing::Unfenced).
    ///
    /// # Errors
    /// [`WriteError`].
    pub async fn write<T, F>(
        &self,
        entries: Vec<EntryRef>,
        tags: Vec<Tag>,
        commit: impl FnOnce(Fencing) -> F + Send + 'static,
    ) -> Result<T, WriteError<E>>
    where
        T: Send + 'static,
        F: Future<Output = Result<Committed<T>, E>> + Send,
    {
        self.lock_keys(entries).await?.write(tags, commit).await
    }

    /// Waits for the writes of this process that have one of the entries in common: for a write that has to read the
    /// database before it knows which tags it changes.
    ///
    /// # Errors
    /// [`WriteError::Locked`] when that took more than two seconds.
    pub async fn lock_keys(&self, mut entries: Vec<EntryRef>) -> Result<KeyGuard<E>, WriteError<E>> {
        entries.sort_unstable_by(|one, other| one.key.cmp(&other.key));
        entries.dedup_by(|one, other| one.key == other.key);
        let locks = self.0.locks.lock_all(entries.iter().map(|entry| &entry.key), LOCK_TIMEOUT).await;
        Ok(KeyGuard { cache: self.clone(), entries, locks: locks.ok_or(WriteError::Locked)? })
    }
}

impl<E: Clone + Send + Sync + 'static> KeyGuard<E> {
    /// As [`Cache::write`], of the entries that were waited for.
    ///
    /// # Errors
    /// [`WriteError`].
    pub async fn write<T, F>(
        self,
        tags: Vec<Tag>,
        commit: impl FnOnce(Fencing) -> F + Send + 'static,
    ) -> Result<T, WriteError<E>>
    where
        T: Send + 'static,
        F: Future<Output = Result<Committed<T>, E>> + Send,
    {
        self.fenced(tags, |write| write.commit(commit)).await
    }

    /// Bars every tier and hands the write to `work`, which ends it, all in a task of its own: for a write that learns
    /// only behind its fences what it changes.
    ///
    /// # Errors
    /// [`WriteError::Locked`] when another process wrote one of the entries for more than two seconds,
    /// [`WriteError::BrokeOff`], and those of `work`.
    pub async fn fenced<T, F>(
        self,
        tags: Vec<Tag>,
        work: impl FnOnce(Write<E>) -> F + Send + 'static,
    ) -> Result<T, WriteError<E>>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, WriteError<E>>> + Send,
    {
        let writes = self.cache.0.writes.clone();
        let writing = writes.spawn(async move { work(self.begin(tags).await?).await });
        writing.await.unwrap_or_else(|error| {
            tracing::error!(%error, "the task of a write died");
            Err(WriteError::BrokeOff)
        })
    }

    /// Bars every tier from serving or taking copies of the entries, and of what depends on the tags.
    pub(crate) async fn begin(self, tags: Vec<Tag>) -> Result<Write<E>, WriteError<E>> {
        let KeyGuard { cache, entries, locks } = self;
        let intent = Intent { entries, tags, token: Token::random(), epoch: Epoch::default() };
        // Without Redis, nothing tells other processes but the epoch.
        let told = !cache.0.shared || cache.0.redis.is_some();
        let fencing = if told { Fencing::Fenced } else { Fencing::Unfenced };
        // From here on, dropping this value undoes what was begun.
        let mut write =
            Write { cache, intent, fencing, uncommitted: None, revocation: None, ended: false, _locks: locks };
        // Memory needs no bar: what is copied from here to the commit is dropped before the write is acknowledged.
        if let Some(redis) = write.cache.0.redis.clone() {
            match redis.begin(&write.intent).await {
                Begun::Fenced { epoch, uncommitted } => {
                    (write.intent.epoch, write.uncommitted) = (epoch, uncommitted);
                }
                Begun::Unfenced => write.fencing = Fencing::Unfenced,
                Begun::Conflict => {
                    write.ended = true;
                    return Err(WriteError::Locked);
                }
            }
        }
        if write.fencing == Fencing::Unfenced {
            write.revoke().await;
        }
        Ok(write)
    }
}

impl<E> Write<E> {
    /// Keeps all other instances from serving what no fence bars. If that fails, so will the commit.
    async fn revoke(&mut self) {
        let Some(instances) = &self.cache.0.instances else { return };
        match instances.revoke().await {
            Ok(revocation) => self.revocation = Some(revocation),
            Err(error) => tracing::debug!(%error, "leases could not be revoked"),
        }
    }

    /// How the database has to be written.
    pub fn fencing(&self) -> Fencing {
        self.fencing
    }

    /// Bars what depends on these tags as well. Costs one round trip to Redis. If that fails, the write is
    /// [`Unfenced`](Fencing::Unfenced) from then on.
    pub async fn also_invalidate(&mut self, tags: Vec<Tag>) {
        if let Some(redis) = &self.cache.0.redis
            && !redis.also_invalidate(&self.intent, &tags).await
        {
            self.fencing = Fencing::Unfenced;
            self.revoke().await;
        }
        self.intent.tags.extend(tags);
    }

    /// Commits and ends the write.
    ///
    /// # Errors
    /// [`WriteError::Store`] and [`WriteError::InvalidationUnconfirmed`].
    pub async fn commit<T, F>(self, commit: impl FnOnce(Fencing) -> F) -> Result<T, WriteError<E>>
    where
        F: Future<Output = Result<Committed<T>, E>>,
    {
        match commit(self.fencing).await {
            Ok(Committed { value, epoch, leaves }) => {
                self.committed(leaves, epoch).await?;
                Ok(value)
            }
            Err(error) if (self.cache.0.changed_nothing)(&error) => {
                self.unchanged().await;
                Err(WriteError::Store(error))
            }
            Err(error) => {
                // Committed or not, nobody knows: invalidate it all the same. The caller hears of the first failure.
                let _ = self.committed([], None).await;
                Err(WriteError::Store(error))
            }
        }
    }

    /// The database has committed, or may have. `leaves` and `epoch` are as in [`Committed`]. Returns when no tier can
    /// serve an older copy any more: acknowledge the write after this.
    ///
    /// # Errors
    /// [`InvalidationUnconfirmed`]: do not acknowledge.
    pub async fn committed(
        mut self,
        leaves: impl IntoIterator<Item = (Key, Value)>,
        epoch: Option<Epoch>,
    ) -> Result<(), InvalidationUnconfirmed> {
        self.uncommitted = None;
        let keep = self.kept(leaves);
        // Redis first: memory may copy from it until it has finished.
        let mut confirmed = Ok(());
        if let Some(redis) = &self.cache.0.redis {
            let outcome = Outcome::Changed { keep: &keep, epoch, fencing: self.fencing };
            confirmed = redis.finish(&self.intent, outcome).await;
        }
        if let (Some(instances), Some(epoch)) = (&self.cache.0.instances, epoch) {
            let settled = instances.settle(epoch).await;
            confirmed = confirmed.and(settled.map_err(|cause| InvalidationUnconfirmed(cause.to_string())));
        }
        if let Some(memory) = &self.cache.0.memory {
            memory.finish(&self.intent.entries, &keep);
        }
        self.advance();
        self.ended = true;
        confirmed
    }

    /// What the strategy keeps of these. Counts what happens to the entries.
    fn kept(&self, leaves: impl IntoIterator<Item = (Key, Value)>) -> HashMap<Key, Value> {
        let keeps = self.cache.0.write_strategy == WriteStrategy::WriteThrough;
        let mut keep: HashMap<_, _> = if keeps { leaves.into_iter().collect() } else { HashMap::new() };
        for entry in &self.intent.entries {
            let namespace = &entry.namespace;
            if keep.get(&entry.key).is_some_and(Value::is_too_large) {
                keep.remove(&entry.key);
                namespace.count(Event::TooLarge);
            }
            namespace.count(Event::Delete);
            namespace.count(Event::InvalidationLocal);
            namespace.count_many(Event::Set, u64::from(keep.contains_key(&entry.key)));
        }
        keep
    }

    /// The database is certain to have changed nothing.
    pub async fn unchanged(mut self) {
        // A fence of which nobody knows whether it stands is an orphan already.
        if self.fencing == Fencing::Fenced
            && let Some(redis) = &self.cache.0.redis
        {
            // What a failure leaves behind is a fence, and that bars only until it ends.
            let _ = redis.finish(&self.intent, Outcome::Unchanged).await;
        }
        self.ended = true;
    }

    /// Lets no later lookup join a load that began before now, nor use a page that was loaded before now.
    fn advance(&self) {
        let write_counters = &self.cache.0.write_counters;
        self.intent.entries.iter().for_each(|entry| write_counters.advance(&entry.key, || {}));
        self.intent.tags.iter().for_each(|tag| write_counters.tag_changed(tag.name()));
    }
}

impl<E> Drop for Write<E> {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        for entry in &self.intent.entries {
            self.cache.0.memory.iter().for_each(|memory| memory.forget(&entry.key));
        }
        self.advance();
    }
}
