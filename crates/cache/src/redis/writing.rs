//! A write's steps in Redis: the fence before the commit, the release after it.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{join, join_all, try_join};
use hotshelf_lifecycle::Failure;
use hotshelf_redis_client::RedisError;

use super::RedisTier;
use super::link::ActiveLink;
use super::state::{self, Envelope, NO_GENERATION};
use crate::epoch::Fencing;
use crate::key::Key;
use crate::namespace::{EntryRef, Tag};
use crate::rng;
use crate::tier::{Begun, Intent, InvalidationUnconfirmed, Outcome, Token};
use crate::value::Value;

/// Life of a fence, longer than a write may take in the database. A writer that has died leaves a fence, which ends in
/// nothing: never in the old value.
const FENCE_TTL: Duration = Duration::from_secs(30);
/// Each generation a writer sets ends by itself after this, and so does what was filled under it: the writer's second
/// one, after its commit, may never come.
pub(crate) const GENERATION_TTL: Duration = FENCE_TTL;
/// A writer tries this long to get a fence that another process holds.
const FENCE_TIMEOUT: Duration = Duration::from_secs(2);
/// Between two tries, in milliseconds.
const FENCE_PAUSES: std::ops::Range<u64> = 5..25;
/// Entries that are fenced, or released, in one go to Redis and back.
const BATCH: usize = 256;
/// Released together.
const ORPHANS_A_HEARTBEAT: usize = 64;
/// Fences that could not be released in time, to be released later; they also end by themselves.
const MAX_ORPHANS: usize = 8_192;

impl RedisTier {
    /// The marker by which other processes hear that this key has changed, if there are any.
    pub(super) fn marker_of(&self, name: &str) -> Option<String> {
        self.setup.shared.then(|| self.setup.names.marker(name))
    }

    /// Fences all entries or none. Of two writers that share several, each may come first at some: then both give back
    /// what they have, and their pauses decide.
    async fn fence(&self, link: &ActiveLink, intent: &Intent) -> Result<bool, RedisError> {
        let fence = async |entry: &EntryRef| {
            let (name, fence) = (self.name_of(entry), state::fence(intent.token, self.run(link)));
            link.fence(&name, self.marker_of(&name).as_deref(), fence, FENCE_TTL).await
        };
        let mut fenced = Vec::with_capacity(intent.entries.len());
        for batch in intent.entries.chunks(BATCH) {
            let batch: Result<Vec<bool>, _> = join_all(batch.iter().map(fence)).await.into_iter().collect();
            fenced.extend(batch?);
            if fenced.contains(&false) {
                let own = intent.entries.iter().zip(&fenced).filter_map(|(entry, fenced)| fenced.then_some(entry));
                self.release(link, intent.token, own, |_| None).await?;
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Before the database is written.
    pub(crate) async fn begin(&self, intent: &Intent) -> Begun {
        let Some(link) = self.link.load_full() else { return Begun::Unfenced };
        // Before the fences: whoever opens another server waits until they have had their purpose.
        let uncommitted = self.setup.instances.as_ref().map(|instances| instances.begin_fenced(self.epoch()));
        let give_up = tokio::time::Instant::now() + FENCE_TIMEOUT;
        let mut tags = &intent.tags[..];
        loop {
            // Once: a generation outlasts the timeout of the writer, and each invalidates every page of all processes.
            let tags = std::mem::take(&mut tags);
            match join(self.fence(&link, intent), self.invalidate(&link, tags)).await {
                (Ok(true), Ok(())) if self.fences_are_heard(&link, intent).await => {
                    return Begun::Fenced { epoch: self.epoch(), uncommitted };
                }
                (Ok(true), Ok(())) => {
                    self.orphan(intent);
                    return Begun::Unfenced;
                }
                (Ok(false), Ok(())) if tokio::time::Instant::now() >= give_up => return Begun::Conflict,
                (Ok(false), Ok(())) => {
                    tokio::time::sleep(Duration::from_millis(rng::within(FENCE_PAUSES))).await;
                }
                (Err(error), _) | (_, Err(error)) => {
                    // It may be there all the same: the answer may have been lost, or be late.
                    self.count_error("fence", &error);
                    self.orphan(intent);
                    return Begun::Unfenced;
                }
            }
        }
    }

    /// Waits until no memory serves what is fenced. So nobody reads the old value after somebody has read the new one.
    /// `false` when the other instances are on another server, or the database cannot tell.
    async fn fences_are_heard(&self, link: &ActiveLink, intent: &Intent) -> bool {
        let Some(instances) = self.setup.instances.as_ref().filter(|_| !intent.entries.is_empty()) else { return true };
        intent.entries.iter().for_each(|entry| self.setup.coherence.entry_fenced(&entry.key));
        match self.heard_by_all(link, instances).await {
            Ok(server) => server == link.server(),
            Err(error) => {
                tracing::debug!(%error, "nobody knows who serves what is fenced");
                false
            }
        }
    }

    /// Between the beginning of a write and its commit: invalidates what depends on these as well. `false` when Redis
    /// is out of reach: a write that cannot be told of all that it changes goes on as one that could not be fenced.
    pub(crate) async fn also_invalidate(&self, intent: &Intent, tags: &[Tag]) -> bool {
        let invalidated = match self.link.load_full() {
            Some(link) => {
                self.invalidate(&link, tags).await.inspect_err(|error| self.count_error("void", error)).is_ok()
            }
            None => false,
        };
        if !invalidated {
            self.orphan(intent);
        }
        invalidated
    }

    /// After the commit, before it is acknowledged.
    pub(crate) async fn finish(&self, intent: &Intent, outcome: Outcome<'_>) -> Result<(), InvalidationUnconfirmed> {
        let nothing = HashMap::new();
        let (keep, changed) = match outcome {
            Outcome::Changed { epoch: Some(epoch), fencing: Fencing::Unfenced, .. } => {
                // From here on, no lookup of this process takes an older copy for good. What the server holds is
                // invalid as a whole, and the fences, if they came to stand, are orphans: waiting for a release would
                // cost the caller a second time-out.
                self.adopt(epoch);
                return Ok(());
            }
            Outcome::Changed { keep, epoch, fencing } => {
                epoch.into_iter().for_each(|epoch| self.adopt(epoch));
                // Not barred before the commit, another process may have written a newer one.
                (if fencing == Fencing::Fenced { keep } else { &nothing }, true)
            }
            Outcome::Unchanged => (&nothing, false),
        };
        // Without a link there is no command that could fail: its loss has been told already.
        if let Some(link) = self.link.load_full() {
            match self.end_and_tell(&link, intent, keep, changed).await {
                Ok(true) => return Ok(()),
                Ok(false) => tracing::debug!("the others are on another server, or nobody knows"),
                Err(error) => self.count_error("release", &error),
            }
        }
        self.orphan(intent);
        if changed {
            // The fences may be lost, and the tags may not be invalidated. If that cannot be confirmed, the epoch
            // advances on disk before the write is acknowledged, which invalidates everything.
            let unconfirmed = |cause: Failure| InvalidationUnconfirmed(cause.to_string());
            let epoch = self.setup.epoch_store.advance().await.map_err(unconfirmed)?;
            self.adopt(epoch);
            if let Some(instances) = &self.setup.instances {
                instances.settle(epoch).await.map_err(unconfirmed)?;
            }
        }
        Ok(())
    }

    /// Releases all entries, and makes sure that all other processes know it. `false`: they do not.
    async fn end_and_tell(
        &self,
        link: &ActiveLink,
        intent: &Intent,
        keep: &HashMap<Key, Value>,
        changed: bool,
    ) -> Result<bool, RedisError> {
        let Some(instances) = self.setup.instances.as_ref().filter(|_| changed) else {
            let (ended, is_there) =
                join(self.end(link, intent, keep), self.is_where_the_others_are(link, changed)).await;
            return ended.map(|()| is_there);
        };
        self.end(link, intent, keep).await?;
        // Asked after the release: whoever gets a lease later than the answer has heard of it.
        match self.heard_by_all(link, instances).await {
            Ok(server) => Ok(server == link.server()),
            Err(error) => {
                tracing::debug!(%error, "nobody knows who serves what was written");
                Ok(false)
            }
        }
    }

    /// Whether the other processes, if there are any, still work on the server of this link. After a fail-over, or
    /// while the network is split, they may have gone to another one, where the fences of this write barred nobody:
    /// what they loaded there before its commit is invalid only with another epoch. Asked after the commit, so that one
    /// who goes there later than the answer loads what was committed.
    async fn is_where_the_others_are(&self, link: &ActiveLink, changed: bool) -> bool {
        if !self.setup.shared || !changed {
            return true;
        }
        match self.setup.epoch_store.current().await {
            Ok((epoch, server)) => {
                self.adopt(epoch);
                server == link.server()
            }
            Err(_) => false,
        }
    }

    /// Releases all entries and invalidates the tags, whatever was invalidated since the beginning.
    async fn end(&self, link: &ActiveLink, intent: &Intent, keep: &HashMap<Key, Value>) -> Result<(), RedisError> {
        let value = |entry: &EntryRef| {
            // What depends on a tag is invalid with this very write.
            let value = keep.get(&entry.key).filter(|_| !entry.depends(false) && entry.namespace.in_redis())?;
            let ttl = entry.namespace.next_ttl(false);
            let envelope = Envelope { history: self.history(), epoch: intent.epoch, generation: NO_GENERATION, ttl };
            Some((envelope.seal(self.place(entry), Some(value)), ttl + entry.namespace.grace(false)))
        };
        let release = self.release(link, intent.token, intent.entries.iter(), value);
        let (released, invalidated) = join(release, self.invalidate(link, &intent.tags)).await;
        released.and(invalidated)
    }

    /// Each with what it is to hold from then on, and for how long; or with nothing.
    async fn release<'a>(
        &self,
        link: &ActiveLink,
        token: Token,
        entries: impl Iterator<Item = &'a EntryRef>,
        value: impl Fn(&EntryRef) -> Option<(Bytes, Duration)>,
    ) -> Result<(), RedisError> {
        let entries: Vec<&EntryRef> = entries.collect();
        let release = async |entry: &&EntryRef| {
            let (name, fence) = (self.name_of(entry), state::fence(token, self.run(link)));
            let (value, ttl) = value(entry).unwrap_or((Bytes::new(), FENCE_TTL));
            let marker = self.marker_of(&name);
            let released = link.release(&name, marker.as_deref(), fence, value, ttl);
            match &marker {
                // Somebody may have removed the fence and put it back, so that the memory of another process has loaded
                // the old value meanwhile. The second push invalidates it.
                Some(marker) if !entry.namespace.in_redis() => {
                    try_join(released, link.publish_marker(marker)).await.map(|(released, ())| released)
                }
                _ => released.await,
            }
        };
        for batch in entries.chunks(BATCH) {
            join_all(batch.iter().map(release)).await.into_iter().collect::<Result<Vec<_>, _>>()?;
        }
        Ok(())
    }

    /// To be released when Redis answers again; else nobody could write this before the fence ends by itself.
    fn orphan(&self, intent: &Intent) {
        let mut orphans = self.orphans.lock();
        let room = MAX_ORPHANS.saturating_sub(orphans.len());
        orphans.extend(intent.entries.iter().take(room).map(|entry| (self.name_of(entry), intent.token)));
    }

    /// Some of them; the others with the next heartbeat. What is not certain to be released stays an orphan.
    pub(super) async fn release_orphans(&self, link: &ActiveLink) {
        let orphans: Vec<_> = self.orphans.lock().iter().take(ORPHANS_A_HEARTBEAT).cloned().collect();
        let released = join_all(orphans.iter().map(|(name, token)| async move {
            let (marker, fence) = (self.marker_of(name), state::fence(*token, self.run(link)));
            link.release(name, marker.as_deref(), fence, Bytes::new(), FENCE_TTL).await.is_ok()
        }));
        let released = released.await;
        let done: Vec<_> = orphans.iter().zip(released).filter_map(|(orphan, done)| done.then_some(orphan)).collect();
        self.orphans.lock().retain(|orphan| !done.contains(&orphan));
    }
}
