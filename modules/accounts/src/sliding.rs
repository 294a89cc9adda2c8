//! Sessions go on as long as they are used. Their uses are gathered and written together, and only when one moves the
//! end by more than a hundredth of the TTL: a request in between costs a comparison.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use hotshelf_domain::{TokenHash, Used};
use parking_lot::Mutex;
use tokio::sync::Notify;

/// Sessions whose ends are remembered. With more, all are forgotten, and written again a little earlier than needed.
const MOST_REMEMBERED: usize = 65_536;
/// Between two writes at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

pub(crate) struct Sliding {
    ttl: TimeDelta,
    noted: Mutex<Noted>,
    wake: Notify,
}

#[derive(Default)]
struct Noted {
    /// Where uses have moved the ends to, in milliseconds since 1970. The copies of these sessions do not know yet.
    ends: HashMap<TokenHash, i64>,
    /// The latest use of each.
    waiting: HashMap<TokenHash, Used>,
}

impl Sliding {
    pub(crate) fn new(ttl: Duration) -> Self {
        let ttl = TimeDelta::from_std(ttl).unwrap_or(TimeDelta::MAX);
        Sliding { ttl, noted: Mutex::default(), wake: Notify::new() }
    }

    /// When a session ends that is used now.
    pub(crate) fn end_from(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        now.checked_add_signed(self.ttl).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    /// Notes a use of a session that would end at `expires_at` (milliseconds since 1970), as far as its copy knows.
    pub(crate) fn used(&self, token_hash: &TokenHash, expires_at: i64, now: DateTime<Utc>) {
        let expires_anew = self.end_from(now);
        let moved = |end: i64| expires_anew.timestamp_millis().saturating_sub(end) >= self.grain().as_millis() as i64;
        if !moved(expires_at) {
            return;
        }
        let mut noted = self.noted.lock();
        if noted.ends.get(token_hash).is_some_and(|end| !moved(*end)) {
            return;
        }
        if noted.ends.len() >= MOST_REMEMBERED {
            noted.ends.clear();
        }
        noted.ends.insert(*token_hash, expires_anew.timestamp_millis());
        if noted.waiting.len() < MOST_REMEMBERED {
            noted.waiting.insert(*token_hash, Used { token_hash: *token_hash, at: now, expires_at: expires_anew });
        }
        drop(noted);
        self.wake.notify_one();
    }

    /// Waits until there is something to write, and for what comes together with it.
    pub(crate) async fn gathered(&self) {
        self.wake.notified().await;
        tokio::time::sleep(self.grain().min(LONGEST_PAUSE)).await;
    }

    /// What waits to be written.
    pub(crate) fn take(&self) -> Vec<Used> {
        std::mem::take(&mut self.noted.lock().waiting).into_values().collect()
    }

    /// These were not written: they wait for the next attempt, unless there is no room or a later use waits already.
    pub(crate) fn put_back(&self, used: &[Used]) {
        let mut noted = self.noted.lock();
        for used in used {
            if noted.waiting.len() < MOST_REMEMBERED {
                noted.waiting.entry(used.token_hash).or_insert(*used);
            } else {
                // Its next use counts.
                noted.ends.remove(&used.token_hash);
            }
        }
        drop(noted);
        self.wake.notify_one();
    }

    /// A move of the end by less than this is not worth a write.
    fn grain(&self) -> Duration {
        (self.ttl / 100).to_std().unwrap_or_default()
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
        let expires_at = now + TimeDelta::seconds(1_000);
        let used = [Used { token_hash: [1; 32], at: now, expires_at }];
        assert_eq!(sliding.take(), used);
        // The copy is as it was; the end is not.
        sliding.used(&[1; 32], end_after(985), now + TimeDelta::seconds(5));
        assert_eq!(sliding.take(), []);
        // What was not written waits for the next attempt, and gives way to what came later.
        sliding.put_back(&used);
        sliding.used(&[2; 32], end_after(985), now);
        assert_eq!(sliding.take().len(), 2);
        sliding.used(&[1; 32], end_after(985), now + TimeDelta::seconds(20));
        sliding.put_back(&used);
        let later = now + TimeDelta::seconds(20);
        let later = [Used { token_hash: [1; 32], at: later, expires_at: later + TimeDelta::seconds(1_000) }];
        assert_eq!(sliding.take(), later);
    }
}
