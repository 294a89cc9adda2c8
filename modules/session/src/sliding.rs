//! Sessions go on as long as they are used. Their uses are gathered and written together, and only when one moves the end by
//! more than a hundredth of the life: a request in between costs a comparison.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use hotshelf_domain::{Secret, Used};
use parking_lot::Mutex;
use tokio::sync::Notify;

/// Uses that may wait; more are not noted, and those sessions end a little earlier.
const MOST_WAITING: usize = 65_536;
/// Between two writes at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

pub(crate) struct Sliding {
    life: TimeDelta,
    waiting: Mutex<HashMap<Secret, DateTime<Utc>>>,
    wake: Notify,
}

impl Sliding {
    pub(crate) fn new(life: Duration) -> Self {
        let life = TimeDelta::from_std(life).unwrap_or(TimeDelta::MAX);
        Sliding { life, waiting: Mutex::default(), wake: Notify::new() }
    }

    /// When a session ends that is used now.
    pub(crate) fn end_from(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        now.checked_add_signed(self.life).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    /// Notes a use of a session that would end at `expires_at` (milliseconds since 1970).
    pub(crate) fn used(&self, secret: &Secret, expires_at: i64, now: DateTime<Utc>) {
        let moved = self.end_from(now).timestamp_millis().saturating_sub(expires_at);
        if moved < self.grain().as_millis() as i64 {
            return;
        }
        let mut waiting = self.waiting.lock();
        if waiting.len() < MOST_WAITING {
            waiting.insert(*secret, now);
        }
        drop(waiting);
        self.wake.notify_one();
    }

    /// Waits until there is something to write, and for what comes together with it.
    pub(crate) async fn gathered(&self) {
        self.wake.notified().await;
        tokio::time::sleep(self.grain().min(LONGEST_PAUSE)).await;
    }

    /// What waits to be written.
    pub(crate) fn take(&self) -> Vec<Used> {
        let waiting = std::mem::take(&mut *self.waiting.lock());
        waiting.into_iter().map(|(secret, at)| Used { secret, at, expires_at: self.end_from(at) }).collect()
    }

    /// A move of the end by less than this is not worth a write.
    fn grain(&self) -> Duration {
        (self.life / 100).to_std().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_use_is_noted_when_it_moves_the_end() {
        let sliding = Sliding::new(Duration::from_secs(1_000));
        let now = Utc::now();
        let end_after = |seconds| (now + TimeDelta::seconds(seconds)).timestamp_millis();
        sliding.used(&[1; 32], end_after(995), now);
        assert_eq!(sliding.take(), []);
        sliding.used(&[1; 32], end_after(985), now);
        sliding.used(&[1; 32], end_after(985), now);
        let expires_at = now + TimeDelta::seconds(1_000);
        assert_eq!(sliding.take(), [Used { secret: [1; 32], at: now, expires_at }]);
        assert_eq!(sliding.take(), []);
    }
}
