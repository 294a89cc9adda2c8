//! The generations of tags, as Redis keeps them. What depends on several carries one that stands for all.

use std::collections::HashMap;

use bytes::Bytes;
use hotshelf_redis_client::RedisError;
use parking_lot::Mutex;
use xxhash_rust::xxh3::xxh3_128;

use super::RedisTier;
use super::link::{ActiveLink, Renewal};
use super::state::{Generation, NO_GENERATION};
use super::writing::GENERATION_TTL;
use crate::namespace::{EntryRef, Tag};
use crate::rng;

/// Tags whose generations are remembered; with more, all are forgotten.
const MOST_REMEMBERED: usize = 4_096;

/// The generations as they were read or set last. Outdated ones do no harm: what is bound to one is invalid.
#[derive(Default)]
pub(super) struct Generations(Mutex<HashMap<Tag, Generation>>);

impl Generations {
    /// One for all of them, if all are remembered.
    pub(super) fn known<'a>(&self, tags: impl Iterator<Item = &'a Tag>) -> Option<Generation> {
        let known = self.0.lock();
        let generations: Option<Vec<_>> = tags.map(|tag| known.get(tag).copied()).collect();
        generations.map(|generations| one_for_all(&generations))
    }

    fn remember<'a>(&self, generations: impl Iterator<Item = (&'a Tag, Generation)>) {
        let mut known = self.0.lock();
        for (tag, generation) in generations {
            match known.get_mut(tag) {
                Some(known) => *known = generation,
                None => {
                    if known.len() >= MOST_REMEMBERED {
                        known.clear();
                    }
                    known.insert(tag.clone(), generation);
                }
            }
        }
    }
}

impl RedisTier {
    /// The generation that counts now for what depends on the entry's tags; a new one for those that have none.
    pub(super) async fn generation(
        &self,
        link: &ActiveLink,
        entry: &EntryRef,
        absent: bool,
    ) -> Result<Generation, RedisError> {
        let keys = entry.dependencies(absent).map(|tag| self.setup.names.generation(tag)).collect();
        let proposals = entry.dependencies(absent).map(|_| next()).collect();
        let current = link.generations(keys, proposals, renewal(entry, absent)).await?;
        let current: Vec<_> = current.iter().map(from_bytes).collect();
        self.generations.remember(entry.dependencies(absent).zip(current.iter().copied()));
        Ok(one_for_all(&current))
    }

    /// Invalidates what depends on these tags.
    pub(super) async fn invalidate(&self, link: &ActiveLink, tags: &[Tag]) -> Result<(), RedisError> {
        if tags.is_empty() {
            return Ok(());
        }
        let (names, shared) = (&self.setup.names, self.setup.shared);
        let next: Vec<Bytes> = tags.iter().map(|_| next()).collect();
        let markers = tags.iter().filter(|_| shared).map(|tag| names.tag_marker(tag));
        let keys = tags.iter().map(|tag| names.generation(tag)).collect();
        link.invalidate(keys, markers.collect(), next.clone(), GENERATION_TTL).await?;
        self.generations.remember(tags.iter().zip(next.iter().map(from_bytes)));
        Ok(())
    }
}

/// What is filled under a generation now may need it for as long as it is kept. If the generation is lost before,
/// nothing is the worse for it but the hit rate; so it may end, and reads of what does not exist leave nothing that
/// stays.
fn renewal(entry: &EntryRef, absent: bool) -> Renewal {
    // Twice: one that has as much left as a writer's might is not renewed, and one that has much more need not be.
    Renewal { ttl: entry.namespace.longest_kept(absent) + 2 * GENERATION_TTL, of_writers: GENERATION_TTL }
}

fn next() -> Bytes {
    Bytes::copy_from_slice(&rng::bytes())
}

/// Anything but 16 bytes is not ours, and nothing stands under it.
fn from_bytes(bytes: &Bytes) -> Generation {
    bytes[..].try_into().unwrap_or(NO_GENERATION)
}

/// Differs as soon as one of them does. They are thrown with 128 bits, and so many are left.
fn one_for_all(generations: &[Generation]) -> Generation {
    match generations {
        [one] => *one,
        several if several.contains(&NO_GENERATION) => NO_GENERATION,
        several => xxh3_128(several.as_flattened()).to_be_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_stands_for_all() {
        let (a, b, c) = ([1; 16], [2; 16], [3; 16]);
        assert_eq!(one_for_all(&[a]), a);
        assert_eq!(one_for_all(&[a, b]), one_for_all(&[a, b]));
        assert_ne!(one_for_all(&[a, b]), one_for_all(&[a, c]));
        assert_ne!(one_for_all(&[a, b]), one_for_all(&[b, a]));
        assert_eq!(one_for_all(&[a, NO_GENERATION]), NO_GENERATION);
    }

    #[test]
    fn the_remembered_are_bounded() {
        let (known, number) = (Generations::default(), |n: usize| Tag::new(format!("org:{n}")));
        for n in 0..2 * MOST_REMEMBERED {
            known.remember([(&number(n), [7; 16])].into_iter());
        }
        assert!(known.0.lock().len() <= MOST_REMEMBERED);
        let (last, first) = (number(2 * MOST_REMEMBERED - 1), number(0));
        assert_eq!(known.known([&last].into_iter()), Some([7; 16]));
        assert_eq!(known.known([&last, &first].into_iter()), None);
    }
}
