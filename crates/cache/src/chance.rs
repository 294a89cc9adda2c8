//! Where the cache throws dice: tokens, jitter, pauses. Under test, the dice of a thread can be loaded, so that a run can
//! be repeated exactly.

use std::ops::Range;

use rand::RngExt;
#[cfg(test)]
use rand::SeedableRng;

/// Where copies, flights and those who wait for them are put. The process throws the dice for it once; under test it is
/// always the same.
#[cfg(not(test))]
pub(crate) type Hashing = foldhash::fast::RandomState;
#[cfg(test)]
pub(crate) type Hashing = foldhash::fast::FixedState;

#[cfg(test)]
thread_local! {
    static LOADED: std::cell::RefCell<Option<rand::rngs::SmallRng>> = const { std::cell::RefCell::new(None) };
}

/// From now on, this thread throws what the seed says.
#[cfg(test)]
pub(crate) fn load(seed: u64) {
    LOADED.with_borrow_mut(|loaded| *loaded = Some(rand::rngs::SmallRng::seed_from_u64(seed)));
}

fn throw<T>(dice: impl Fn(&mut dyn rand::Rng) -> T) -> T {
    #[cfg(test)]
    if let Some(thrown) = LOADED.with_borrow_mut(|loaded| loaded.as_mut().map(|rng| dice(rng))) {
        return thrown;
    }
    dice(&mut rand::rng())
}

pub(crate) fn bytes() -> [u8; 16] {
    throw(|rng| rng.random())
}

pub(crate) fn within(range: Range<u64>) -> u64 {
    throw(|rng| rng.random_range(range.clone()))
}

/// Between 0.9 and 1.1.
pub(crate) fn about_one() -> f64 {
    throw(|rng| rng.random_range(0.9..1.1))
}
