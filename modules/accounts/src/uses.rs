//! When sessions and API keys were used. Uses are gathered, and written together past the protocol of the cache; most
//! are not worth a write.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use hotshelf_domain::{ApiKeyId, StoreError, TokenHash, Used};
use parking_lot::Mutex;
use tokio::sync::Notify;

/// Uses that are remembered. With more, all are forgotten, and noted again a little earlier than needed.
const MOST_REMEMBERED: usize = 65_536;
/// Uses in one write: others wait for it.
const BATCH: usize = 256;
/// Uses of one API key within so much time are one.
const KEY_GRAIN: TimeDelta = TimeDelta::minutes(1);
/// Between two writes of uses of sessions at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// The uses of what `K` names. `U` is what is written of one.
pub(crate) struct Uses<K, U>(Mutex<Noted<K, U>>);

struct Noted<K, U> {
    /// The latest of each, written or not.
    latest: HashMap<K, U>,
    waiting: HashMap<K, U>,
}

impl<K: Copy + Eq + Hash, U: Copy> Uses<K, U> {
    pub(crate) fn new() -> Self {
        Uses(Mutex::new(Noted { latest: HashMap::new(), waiting: HashMap::new() }))
    }

    /// Notes a use, unless the latest makes it not worth a write. Returns whether it was noted.
    fn note(&self, key: K, used: U, is_enough: impl Fn(&U) -> bool) -> bool {
        let mut noted = self.0.lock();
        if noted.latest.get(&key).is_some_and(is_enough) {
            return false;
        }
        if noted.latest.len() >= MOST_REMEMBERED {
            noted.latest.clear();
        }
        noted.latest.insert(key, used);
        if noted.waiting.len() < MOST_REMEMBERED {
            noted.waiting.insert(key, used);
        }
        true
    }

    fn take(&self) -> Vec<(K, U)> {
        std::mem::take(&mut self.0.lock().waiting).into_iter().collect()
    }

    /// These wait again, unless there is no room or a later use waits already.
    fn put_back(&self, uses: &[(K, U)]) {
        let mut noted = self.0.lock();
        for (key, used) in uses {
            if noted.waiting.len() < MOST_REMEMBERED {
                noted.waiting.entry(*key).or_insert(*used);
            } else {
                // Its next use counts.
                noted.latest.remove(key);
            }
        }
    }

    /// Writes what waits. `false` when some of it could not be written and waits for the next call.
    pub(crate) async fn write<F>(&self, write: impl Fn(Vec<(K, U)>) -> F) -> bool
    where
        F: Future<Output = Result<(), StoreError>>,
    {
        let mut all = true;
        for uses in self.take().chunks(BATCH) {
            if let Err(error) = write(uses.to_vec()).await {
                tracing::debug!(%error, "uses of sessions or API keys could not be written; trying again");
                self.put_back(uses);
                all = false;
            }
        }
        all
    }
}

/// When API keys were used, to the minute.
pub(crate) type KeyUses = Uses<ApiKeyId, DateTime<Utc>>;

impl KeyUses {
    pub(crate) fn used(&self, key: ApiKeyId, now: DateTime<Utc>) {
        self.note(key, now, |last| now - *last < KEY_GRAIN);
    }
}

/// Sessions go on as long as they are used. A use is written only when it moves the end of the session by more than a
/// hundredth of the TTL: a request in between costs a comparison.
pub(crate) struct SessionUses {
    ttl: TimeDelta,
    /// How long a session lasts, however much it is used.
    max_ttl: TimeDelta,
    /// With the ends that cached sessions do not know yet.
    pub(crate) uses: Uses<TokenHash, Used>,
    wake: Notify,
}

impl SessionUses {
    pub(crate) fn new(ttl: Duration, max_ttl: Duration) -> Self {
        let delta = |duration| TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX);
        let (ttl, max_ttl) = (delta(ttl.min(max_ttl)), delta(max_ttl));
        SessionUses { ttl, max_ttl, uses: Uses::new(), wake: Notify::new() }
    }

    /// How long a session lasts, however much it is used.
    pub(crate) fn max_ttl(&self) -> TimeDelta {
        self.max_ttl
    }

    /// When a session ends that is used now, unless it has lasted so long that it ends before.
    pub(crate) fn end_from(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        now.checked_add_signed(self.ttl).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    /// Notes a use of a session that would end at `expires_at` (milliseconds since 1970), as far as its entry knows.
    pub(crate) fn used(&self, token_hash: &TokenHash, expires_at: i64, now: DateTime<Utc>) {
        let expires_anew = self.end_from(now);
        let has_moved =
            |end: i64| expires_anew.timestamp_millis().saturating_sub(end) >= self.grain().as_millis() as i64;
        let used = Used { token_hash: *token_hash, at: now, expires_at: expires_anew };
        let is_enough = |latest: &Used| !has_moved(latest.expires_at.timestamp_millis());
        if has_moved(expires_at) && self.uses.note(*token_hash, used, is_enough) {
            self.wake.notify_one();
        }
    }

    /// Waits until there is something to write, and for what comes together with it.
    pub(crate) async fn gathered(&self) {
        self.wake.notified().await;
        tokio::time::sleep(self.grain().min(LONGEST_PAUSE)).await;
    }

    /// A move of the end by less than this is not worth a write.
    fn grain(&self) -> Duration {
        (self.ttl / 100).to_std().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> [ApiKeyId; 2] {
        [1, 2].map(|id| ApiKeyId::new(id).unwrap())
    }

    fn taken(uses: &KeyUses) -> Vec<(ApiKeyId, DateTime<Utc>)> {
        let mut taken = uses.take();
        taken.sort_unstable();
        taken
    }

    #[test]
    fn uses_of_a_key_within_a_minute_are_one() {
        let (uses, now, [one, other]) = (KeyUses::new(), Utc::now(), keys());
        uses.used(one, now);
        uses.used(one, now + TimeDelta::seconds(59));
        uses.used(other, now);
        assert_eq!(taken(&uses), [(one, now), (other, now)]);
        uses.used(one, now + TimeDelta::seconds(61));
        assert_eq!(taken(&uses), [(one, now + TimeDelta::seconds(61))]);
    }

    #[tokio::test]
    async fn what_was_not_written_waits_for_the_next_attempt() {
        let (uses, now, [one, other]) = (KeyUses::new(), Utc::now(), keys());
        let later = now + TimeDelta::seconds(61);
        uses.used(one, now);
        uses.used(other, now);
        let fails = async |_| {
            uses.used(one, later);
            Err(StoreError::Closed)
        };
        assert!(!uses.write(fails).await);
        assert_eq!(taken(&uses), [(one, later), (other, now)]);
        assert!(uses.write(async |_| Err(StoreError::Closed)).await, "nothing waits");
    }

    #[test]
    fn a_use_is_noted_when_it_moves_the_end() {
        let sessions = SessionUses::new(Duration::from_secs(1_000), Duration::from_secs(10_000));
        let now = Utc::now();
        let end_after = |seconds| (now + TimeDelta::seconds(seconds)).timestamp_millis();
        sessions.used(&[1; 32], end_after(995), now);
        assert_eq!(sessions.uses.take(), []);
        sessions.used(&[1; 32], end_after(985), now);
        let used_at = |at| ([1; 32], Used { token_hash: [1; 32], at, expires_at: at + TimeDelta::seconds(1_000) });
        assert_eq!(sessions.uses.take(), [used_at(now)]);
        // The entry is as it was; the end is not.
        sessions.used(&[1; 32], end_after(985), now + TimeDelta::seconds(5));
        assert_eq!(sessions.uses.take(), []);
        // What was not written waits for the next attempt, and gives way to what came later.
        sessions.uses.put_back(&[used_at(now)]);
        sessions.used(&[2; 32], end_after(985), now);
        assert_eq!(sessions.uses.take().len(), 2);
        let later = now + TimeDelta::seconds(20);
        sessions.used(&[1; 32], end_after(985), later);
        sessions.uses.put_back(&[used_at(now)]);
        assert_eq!(sessions.uses.take(), [used_at(later)]);
    }
}
