//! Random numbers: tokens, jitter, pauses. Under test, the generator of a thread can be seeded, so that a run can be
//! repeated exactly.

use std::ops::Range;

use rand::RngExt;
#[cfg(test)]
use rand::SeedableRng;

/// Where copies, flights and those who wait for them are put. Drawn once by the process; under test it is
/// always the same.
#[cfg(not(test))]
pub(crate) type Hashing = foldhash::fast::RandomState;
#[cfg(test)]
pub(crate) type Hashing = foldhash::fast::FixedState;

#[cfg(test)]
thread_local! {
    static SEEDED: std::cell::RefCell<Option<rand::rngs::SmallRng>> = const { std::cell::RefCell::new(None) };
}

/// From now on, this thread draws what the seed says.
#[cfg(test)]
pub(crate) fn seed(seed: u64) {
    SEEDED.with_borrow_mut(|rng| *rng = Some(rand::rngs::SmallRng::seed_from_u64(seed)));
}

fn draw<T>(from: impl Fn(&mut dyn rand::Rng) -> T) -> T {
    #[cfg(test)]
    if let Some(drawn) = SEEDED.with_borrow_mut(|seeded| seeded.as_mut().map(|rng| from(rng))) {
        return drawn;
    }
    from(&mut rand::rng())
}

pub(crate) fn bytes() -> [u8; 16] {
    draw(|rng| rng.random())
}

pub(crate) fn within(range: Range<u64>) -> u64 {
    draw(|rng| rng.random_range(range.clone()))
}

/// Between 0.9 and 1.1.
pub(crate) fn about_one() -> f64 {
    draw(|rng| rng.random_range(0.9..1.1))
}
