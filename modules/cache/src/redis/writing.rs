//! A write's steps in Redis: the fence before the commit, the release after it.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{join, join_all};

use super::RedisTier;
use super::error::RedisError;
use super::link::{Connector, Link};
use super::state::{self, Envelope, Generation, NO_GENERATION};
use crate::chance;
use crate::region::Collection;
use crate::tier::{Begun, Intent, Outcome, Unsettled};
use crate::value::Value;

/// Life of a fence, longer than a write may take in the database. A writer that has died leaves a fence, which ends in
/// nothing: never in the old value.
const FENCE_LIFE: Duration = Duration::from_secs(30);
/// Each generation a writer sets ends by itself after this, and so does what was filled under it: the writer's second
/// one, after its commit, may never come.
pub(crate) const GENERATION_LIFE: Duration = FENCE_LIFE;
/// A writer tries this long to get a fence that another process holds.
const FENCE_PATIENCE: Duration = Duration::from_secs(2);
/// Between two tries, in milliseconds.
const FENCE_PAUSES: std::ops::Range<u64> = 5..25;
/// Released together.
const ORPHANS_A_BEAT: usize = 64;
/// Fences that could not be released in time, to be released later; they also end by themselves.
const MAX_ORPHANS: usize = 1_024;

impl<C: Connector> RedisTier<C> {
    /// The marker by which other processes hear that this key has changed, if there are any.
    fn marker_of(&self, name: &str) -> Option<String> {
        self.setup.shared.then(|| self.setup.names.marker(name))
    }

    /// Makes void what depends on these collections.
    async fn void(&self, link: &C::Link, collections: &[Collection]) -> Result<(), RedisError> {
        let advance = collections.iter().map(|collection| {
            let next: Generation = chance::bytes();
            let name = self.setup.names.generation(collection);
            let marker = self.marker_of(&name);
            async move {
                link.void(&name, marker.as_deref(), Bytes::copy_from_slice(&next), GENERATION_LIFE).await?;
                self.generations.lock().insert(collection.name(), next);
                Ok(())
            }
        });
        join_all(advance).await.into_iter().collect()
    }

    async fn fence(&self, link: &C::Link, intent: &Intent) -> Result<bool, RedisError> {
        let Some(slot) = &intent.slot else { return Ok(true) };
        let name = self.name_of(slot);
        link.fence(&name, self.marker_of(&name).as_deref(), state::fence(intent.token, link.run()), FENCE_LIFE).await
    }

    pub(super) async fn begin_write(&self, intent: &Intent) -> Begun {
        let Some(link) = self.link.load_full() else { return Begun::Uncovered };
        let give_up = tokio::time::Instant::now() + FENCE_PATIENCE;
        let mut voids = &intent.voids[..];
        loop {
            // Once: a generation outlasts the patience of the writer, and each makes every page of all processes void.
            let voids = std::mem::take(&mut voids);
            match join(self.fence(&link, intent), self.void(&link, voids)).await {
                (Ok(true), Ok(())) => return Begun::Fenced { epoch: self.epoch() },
                (Ok(false), Ok(())) if tokio::time::Instant::now() >= give_up => return Begun::Taken,
                (Ok(false), Ok(())) => {
                    tokio::time::sleep(Duration::from_millis(chance::within(FENCE_PAUSES))).await;
                }
                (Err(error), _) | (_, Err(error)) => {
                    // It may be there all the same: the answer may have been lost, or be late.
                    self.survive("fence", &error);
                    self.orphan(intent);
                    return Begun::Uncovered;
                }
            }
        }
    }

    pub(super) async fn finish_write(&self, intent: &Intent, outcome: &Outcome) -> Result<(), Unsettled> {
        let (keep, changed) = match outcome {
            Outcome::Changed { epoch: Some(epoch), covered: false, .. } => {
                // From here on, no lookup of this process takes an older copy for good. What the server holds is void as
                // a whole, and the fence, if it came to stand, is an orphan: waiting for a release would cost the caller
                // a second time-out.
                self.adopt(*epoch);
                return Ok(());
            }
            Outcome::Changed { keep, epoch, covered } => {
                self.adopt(epoch.unwrap_or(0));
                // Not barred before the commit, another process may have written a newer one.
                (keep.as_ref().filter(|_| *covered), true)
            }
            Outcome::Unchanged => (None, false),
        };
        // Without a link there is no command that could fail: its loss has been told already.
        if let Some(link) = self.link.load_full() {
            match self.release(&link, intent, keep).await {
                Ok(()) => return Ok(()),
                Err(error) => self.survive("release", &error),
            }
        }
        self.orphan(intent);
        if changed {
            // The fence may have been set, but is it still there, and were the collections made void? What cannot be
            // confirmed is made void as a whole, on disk, before the write is acknowledged.
            let epoch = self.setup.epoch_store.advance().await.map_err(|cause| Unsettled(cause.to_string()))?;
            self.adopt(epoch);
        }
        Ok(())
    }

    async fn release(&self, link: &C::Link, intent: &Intent, keep: Option<&Value>) -> Result<(), RedisError> {
        let Some(slot) = &intent.slot else { return self.void(link, &intent.voids).await };
        let ttl = slot.region.next_ttl(false);
        let envelope = Envelope { epoch: intent.epoch, generation: NO_GENERATION, ttl };
        let value = keep.map(|value| envelope.seal(Some(value))).unwrap_or_default();
        let (name, fence) = (self.name_of(slot), state::fence(intent.token, link.run()));
        let marker = self.marker_of(&name);
        let release = link.release(&name, marker.as_deref(), fence, value, ttl + slot.region.grace(false));
        let (released, voided) = join(release, self.void(link, &intent.voids)).await;
        released.and(voided)
    }

    /// To be released when Redis answers again; else nobody could write this before the fence ends by itself.
    fn orphan(&self, intent: &Intent) {
        let Some(slot) = &intent.slot else { return };
        let mut orphans = self.orphans.lock();
        if orphans.len() < MAX_ORPHANS {
            orphans.push((self.name_of(slot), intent.token));
        }
    }

    /// Some of them; the others with the next beat. What is not certain to be released stays an orphan.
    pub(super) async fn release_orphans(&self, link: &C::Link) {
        let orphans: Vec<_> = self.orphans.lock().iter().take(ORPHANS_A_BEAT).cloned().collect();
        let released = join_all(orphans.iter().map(|(name, token)| async move {
            let (marker, fence) = (self.marker_of(name), state::fence(*token, link.run()));
            link.release(name, marker.as_deref(), fence, Bytes::new(), FENCE_LIFE).await.is_ok()
        }));
        let released = released.await;
        let done: Vec<_> = orphans.iter().zip(released).filter_map(|(orphan, done)| done.then_some(orphan)).collect();
        self.orphans.lock().retain(|orphan| !done.contains(&orphan));
    }
}
