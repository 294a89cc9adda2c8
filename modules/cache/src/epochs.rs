//! The bar against stale sets within this process. Loads take time; a write may commit in the middle of one. So whoever
//! wants to keep what it loaded shows the stamp it took before the load, and the stamp no longer fits when a write of
//! that key has finished since ("Scaling Memcache at Facebook", NSDI '13, calls this a lease).

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::chance::Hashing;
use crate::key::Key;
use crate::region::Region;

/// A power of two. Keys that share a stripe only refuse each other's fills now and then, which costs a load.
const STRIPES: usize = 1_024;

/// What was true of a key before a load began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Stamp {
    pub(crate) era: u64,
    epoch: u64,
    pub(crate) generation: u64,
}

pub(crate) struct Epochs {
    /// Copies of an older era are void.
    era: AtomicU64,
    stripes: Box<[Mutex<u64>]>,
    hasher: Hashing,
}

impl Epochs {
    pub(crate) fn new() -> Self {
        let stripes = (0..STRIPES).map(|_| Mutex::new(0)).collect();
        Epochs { era: AtomicU64::new(0), stripes, hasher: Hashing::default() }
    }

    fn stripe(&self, key: &Key) -> &Mutex<u64> {
        &self.stripes[self.hasher.hash_one(key) as usize & (STRIPES - 1)]
    }

    pub(crate) fn stamp(&self, region: &Region, key: &Key) -> Stamp {
        // These first: if they move right after, the fill made under this stamp is void on its first read.
        let (era, generation) = (self.era(), region.collection().generation());
        Stamp { era, epoch: *self.stripe(key).lock(), generation }
    }

    /// Runs `keep` if no write of the key has finished since `stamp`. The stripe is held meanwhile: a write that
    /// finishes now comes before, and the stamp does not fit, or after, and forgets what was kept.
    pub(crate) fn fill(&self, key: &Key, stamp: Stamp, keep: impl FnOnce()) -> bool {
        let epoch = self.stripe(key).lock();
        let fits = *epoch == stamp.epoch;
        if fits {
            keep();
        }
        fits
    }

    pub(crate) fn era(&self) -> u64 {
        self.era.load(Ordering::Acquire)
    }

    /// Makes every copy void, and every one that is yet to be made under a stamp from before.
    pub(crate) fn begin_era(&self) {
        self.era.fetch_add(1, Ordering::AcqRel);
    }

    /// Makes every stamp of the key unfit and runs `change`, both in one step.
    pub(crate) fn advance(&self, key: &Key, change: impl FnOnce()) {
        let mut epoch = self.stripe(key).lock();
        *epoch += 1;
        change();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hotshelf_stats::Stats;

    use super::*;
    use crate::region::{Collection, Depends, RegionOptions};

    fn region() -> Region {
        let (ttl, collection) = (Duration::from_secs(1), Collection::new("things"));
        let options = RegionOptions {
            name: "thing",
            ttl,
            negative_ttl: ttl,
            grace: ttl,
            collection,
            depends: Depends::WhenAbsent,
        };
        Region::new(options, Stats::new().unwrap().cache("thing"))
    }

    fn fills(epochs: &Epochs, key: &Key, stamp: Stamp) -> bool {
        let mut kept = false;
        assert_eq!(epochs.fill(key, stamp, || kept = true), kept, "says what it has done");
        kept
    }

    #[test]
    fn a_write_bars_what_was_loaded_before_it_and_nothing_after_it() {
        let (epochs, region, key) = (Epochs::new(), region(), Key::new("id:1"));
        let before = epochs.stamp(&region, &key);
        assert!(fills(&epochs, &key, before));
        epochs.advance(&key, || {});
        assert!(!fills(&epochs, &key, before));
        assert!(fills(&epochs, &key, epochs.stamp(&region, &key)));
    }

    #[test]
    fn a_write_bars_few_other_keys() {
        let (epochs, region) = (Epochs::new(), region());
        let keys: Vec<_> = (0..1_000).map(|id| Key::numbered("id:", id)).collect();
        let stamps: Vec<_> = keys.iter().map(|key| epochs.stamp(&region, key)).collect();
        epochs.advance(&Key::new("written"), || {});
        let barred = keys.iter().zip(stamps).filter(|(key, stamp)| !fills(&epochs, key, *stamp)).count();
        assert!(barred < 20, "{barred} of 1,000 share one of {STRIPES} stripes");
    }

    #[test]
    fn the_stamp_tells_the_generation() {
        let (epochs, region, key) = (Epochs::new(), region(), Key::new("id:1"));
        let before = epochs.stamp(&region, &key);
        region.collection().advance();
        let after = epochs.stamp(&region, &key);
        assert_ne!(before, after);
        assert!(before.generation < after.generation);
    }
}
