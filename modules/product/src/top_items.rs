use std::cell::Cell;
use std::collections::{BTreeSet, HashMap};

use parking_lot::Mutex;

/// One of so many occurrences is counted. A hit in memory takes some microseconds; noting each of them would be a
/// noticeable part of that.
const ONE_IN: u64 = 16;

/// Finds what occurs most often in a stream, in bounded memory: the Space-Saving algorithm (Metwally, Agrawal, El
/// Abbadi: "Efficient Computation of Frequent and Top-k Elements in Data Streams", 2005) on a random sample of the
/// stream.
///
/// With `capacity` counters, whatever makes up more than one part in `capacity` of the sample is among them. Counts are
/// of the sample, and may be too large by what the smallest counter shows.
///
/// [`note`](TopItems::note) costs a few nanoseconds, and some hundred once in 16 times. It never waits: an occurrence
/// that meets another one in the counters is left out of the sample.
pub(crate) struct TopItems {
    counters: Mutex<Counters>,
    capacity: usize,
}

/// Each item is in both.
#[derive(Default)]
struct Counters {
    counts: HashMap<i64, u64>,
    /// By count, the smallest first.
    ranks: BTreeSet<(u64, i64)>,
    /// Grows with each change.
    changes: u64,
}

thread_local! {
    /// The state of a generator of pseudo-random numbers (xorshift64, Marsaglia 2003). Counting every sixteenth instead
    /// would fall into step with clients that ask in turn.
    static DICE: Cell<u64> = Cell::new(seed());
}

/// Differs between threads, and is not 0.
fn seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::thread::current().id()) | 1
}

fn is_sampled() -> bool {
    DICE.with(|dice| {
        let mut state = dice.get();
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        dice.set(state);
        // The high bits are the better ones.
        (state >> 32).is_multiple_of(ONE_IN)
    })
}

impl TopItems {
    /// With so many counters, of about 100 bytes each once it is in use. At least one.
    pub(crate) fn new(capacity: usize) -> Self {
        TopItems { counters: Mutex::default(), capacity: capacity.max(1) }
    }

    /// An occurrence.
    pub(crate) fn note(&self, item: i64) {
        if is_sampled()
            && let Some(mut counters) = self.counters.try_lock()
        {
            counters.add(item, 1, self.capacity);
        }
    }

    /// The items that occurred most often, with their counts, the most frequent first.
    pub(crate) fn top(&self, limit: usize) -> Vec<(i64, u64)> {
        self.counters.lock().ranks.iter().rev().take(limit).map(|&(count, item)| (item, count)).collect()
    }

    /// Adds what was counted at another time.
    pub(crate) fn add(&self, counts: impl IntoIterator<Item = (i64, u64)>) {
        let mut counters = self.counters.lock();
        for (item, count) in counts {
            counters.add(item, count, self.capacity);
        }
    }

    /// Halves all counts, so that what was frequent long ago gives way to what is now.
    pub(crate) fn age(&self) {
        let mut counters = self.counters.lock();
        counters.counts.retain(|_, count| {
            *count /= 2;
            *count > 0
        });
        counters.ranks = counters.counts.iter().map(|(&item, &count)| (count, item)).collect();
        counters.changes += 1;
    }

    /// A number that is another one whenever something has been counted since.
    pub(crate) fn changes(&self) -> u64 {
        self.counters.lock().changes
    }
}

impl Counters {
    fn add(&mut self, item: i64, count: u64, capacity: usize) {
        self.changes += 1;
        let known = match self.counts.get(&item) {
            Some(&known) => {
                self.ranks.remove(&(known, item));
                known
            }
            // A newcomer takes over the smallest counter with its count: it may have occurred that often unseen.
            None if self.counts.len() >= capacity => {
                let Some((smallest, evicted)) = self.ranks.pop_first() else { return };
                self.counts.remove(&evicted);
                smallest
            }
            None => 0,
        };
        let count = known.saturating_add(count);
        self.counts.insert(item, count);
        self.ranks.insert((count, item));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(items: impl IntoIterator<Item = i64>, capacity: usize) -> TopItems {
        let top = TopItems::new(capacity);
        top.add(items.into_iter().map(|item| (item, 1)));
        top
    }

    #[test]
    fn the_most_frequent_come_first() {
        assert_eq!(counted([3, 1, 3, 2, 3, 2], 10).top(2), [(3, 3), (2, 2)]);
    }

    #[test]
    fn what_is_frequent_is_found_among_more_than_there_are_counters() {
        // 1 and 2 make up a quarter each, the rest never comes again.
        let stream = (0..10_000).flat_map(|n| [1, 1_000 + 2 * n, 2, 1_001 + 2 * n]);
        let top = counted(stream, 8).top(2);
        let mut found: Vec<i64> = top.iter().map(|&(item, _)| item).collect();
        found.sort_unstable();
        assert_eq!(found, [1, 2]);
        // Never too small, and too large by at most a share of the stream.
        assert!(top.iter().all(|&(_, count)| (10_000..=10_000 + 40_000 / 8).contains(&count)), "{top:?}");
    }

    #[test]
    fn never_more_than_there_is_room_for() {
        let top = counted(0..1_000, 16);
        assert_eq!(top.top(usize::MAX).len(), 16);
        let counters = top.counters.lock();
        assert_eq!((counters.counts.len(), counters.ranks.len()), (16, 16));
    }

    #[test]
    fn age_lets_new_ones_pass() {
        let top = counted([1; 8].into_iter().chain([2, 3]), 10);
        top.age();
        assert_eq!(top.top(10), [(1, 4)]);
        top.add([(2, 5)]);
        assert_eq!(top.top(1), [(2, 5)]);
    }

    #[test]
    fn about_one_in_sixteen_is_noted() {
        let top = TopItems::new(4);
        let before = top.changes();
        (0..160_000).for_each(|_| top.note(7));
        // Ten times the deviation of so many throws.
        let noted = top.top(1)[0].1;
        assert!((9_000..=11_000).contains(&noted), "{noted}");
        assert_ne!(top.changes(), before);
    }
}
