//! The bar against stale sets within this process. Loads take time; a write may commit in the middle of one. So whoever
//! wants to keep what it loaded shows the stamp it took before the load, and the stamp no longer fits when a write of
//! that key has finished since ("Scaling Memcache at Facebook", NSDI '13, calls this a lease).

use std::hash::BuildHasher;

use parking_lot::Mutex;

use crate::key::Key;
use crate::region::Region;

/// A power of two. Keys that share a stripe only refuse each other's fills now and then, which costs a load.
const STRIPES: usize = 1_024;

/// What was true of a key before a load began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Stamp {
    epoch: u64,
    pub(crate) generation: u64,
}

pub(crate) struct Epochs {
    stripes: Box<[Mutex<u64>]>,
    hasher: foldhash::fast::RandomState,
}

impl Epochs {
    pub(crate) fn new() -> Self {
        let stripes = (0..STRIPES).map(|_| Mutex::new(0)).collect();
        Epochs { stripes, hasher: foldhash::fast::RandomState::default() }
    }

    fn stripe(&self, key: &Key) -> &Mutex<u64> {
        &self.stripes[self.hasher.hash_one(key) as usize & (STRIPES - 1)]
    }

    pub(crate) fn stamp(&self, region: &Region, key: &Key) -> Stamp {
        // Generation first: if it moves right after, the fill made under this stamp is void on its first read.
        let generation = region.collection().generation();
        Stamp { epoch: *self.stripe(key).lock(), generation }
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

    /// Makes every stamp of the key unfit and runs `change`, both in one step.
    pub(crate) fn advance(&self, key: &Key, change: impl FnOnce()) {
        let mut epoch = self.stripe(key).lock();
        *epoch += 1;
        change();
    }
}
