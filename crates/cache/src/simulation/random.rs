//! What a schedule decides by chance: all of it by the seeded generator, in the order in which it happens.

use std::cell::Cell;
use std::time::Duration;

use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until};

use crate::rng;

thread_local! {
    static CALM: Cell<bool> = const { Cell::new(false) };
}

/// From now on, nothing takes long; or again some of it does.
pub(super) fn calm(calm: bool) {
    CALM.set(calm);
}

pub(super) fn below(end: u64) -> u64 {
    rng::within(0..end)
}

pub(super) fn one_in(n: u64) -> bool {
    below(n) == 0
}

pub(super) fn pick<T: Clone>(from: &[T]) -> T {
    from[below(from.len() as u64) as usize].clone()
}

pub(super) fn up_to(milliseconds: u64) -> Duration {
    Duration::from_millis(below(milliseconds + 1))
}

/// What one step takes: often nothing, mostly little, sometimes much.
pub(super) fn delay() -> Duration {
    match below(60) {
        ..=29 if CALM.get() => up_to(1),
        0 => up_to(150),
        1..=4 => up_to(25),
        5..=29 => up_to(4),
        30..=44 => up_to(1),
        _ => Duration::ZERO,
    }
}

/// Waits until then, and lets a random number of those go first who are ready by then, too.
pub(super) async fn until(moment: Instant) {
    if moment > Instant::now() {
        sleep_until(moment).await;
    }
    for _ in 0..below(3) {
        yield_now().await;
    }
}

/// One step of somebody's way.
pub(super) async fn step() {
    until(Instant::now() + delay()).await;
}
