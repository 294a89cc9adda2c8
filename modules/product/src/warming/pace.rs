use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

/// Between two looks at whether others still wait.
const YIELD: Duration = Duration::from_millis(10);

/// Keeps the warming behind everything else: not faster than its rate, and not while reads wait for the database.
pub(crate) struct Pace<B> {
    entries_a_second: u32,
    others_wait: B,
    next: Instant,
}

impl<B: Fn() -> bool> Pace<B> {
    pub(crate) fn new(entries_a_second: u32, others_wait: B) -> Self {
        Pace { entries_a_second: entries_a_second.max(1), others_wait, next: Instant::now() }
    }

    /// Returns when it is the turn of so many entries.
    pub(crate) async fn turn(&mut self, entries: usize) {
        sleep_until(self.next).await;
        while (self.others_wait)() {
            sleep(YIELD).await;
        }
        let share = entries as f64 / f64::from(self.entries_a_second);
        self.next = Instant::now() + Duration::from_secs_f64(share);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_is_not_faster_than_its_rate() {
        let begin = Instant::now();
        let mut pace = Pace::new(100, || false);
        for _ in 0..11 {
            pace.turn(50).await;
        }
        // The clock of the test stands still but for the waiting. The first has no turn to wait for.
        assert_eq!(begin.elapsed().as_millis(), 5_000);
    }

    #[tokio::test(start_paused = true)]
    async fn it_lets_others_go_first() {
        let (begin, looks) = (Instant::now(), Cell::new(0));
        let others_wait = || {
            looks.set(looks.get() + 1);
            looks.get() <= 30
        };
        Pace::new(1_000, others_wait).turn(1).await;
        assert_eq!((looks.get(), begin.elapsed().as_millis()), (31, 300));
    }
}
