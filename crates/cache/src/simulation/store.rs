//! What a Redis server holds, and what the commands and scripts in `redis/scripts` do to it, line by line. Every key is
//! a string: what the scripts do with other types is left to the tests with a real server.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use hotshelf_redis_client::RedisError;

use super::Defect;
use crate::clock::unix_millis;
use crate::redis::{Agreement, Presence, Renewal, SealedNumber};

#[derive(Clone, Default)]
pub(super) struct Store {
    keys: BTreeMap<String, Held>,
    /// The markers of this turn of the event loop.
    pub(super) marked: BTreeSet<String>,
    pub(super) defect: Option<Defect>,
}

#[derive(Clone)]
struct Held {
    bytes: Bytes,
    ends: Option<u64>,
}

type Answer<T> = Result<T, RedisError>;

impl Store {
    pub(super) fn new(defect: Option<Defect>) -> Self {
        Store { defect, ..Store::default() }
    }

    pub(super) fn get(&mut self, key: &str) -> Option<Bytes> {
        if self.keys.get(key)?.ends.is_some_and(|ends| unix_millis() > ends) {
            self.keys.remove(key);
        }
        Some(self.keys.get(key)?.bytes.clone())
    }

    fn set(&mut self, key: &str, bytes: Bytes, ttl: Option<Duration>) -> Answer<()> {
        let ttl = valid(ttl)?;
        self.keys.insert(key.to_owned(), Held { bytes, ends: ttl.map(|ttl| unix_millis() + ttl) });
        Ok(())
    }

    /// `GETRANGE key 0 last`.
    fn range(&mut self, key: &str, last: isize) -> Bytes {
        let held = self.get(key).unwrap_or_default();
        let last = if last < 0 { held.len() as isize + last } else { last };
        held.slice(..held.len().min((last + 1).max(0) as usize))
    }

    fn mark_if(&mut self, marker: Option<&str>) {
        self.marked.extend(marker.map(str::to_owned));
    }

    pub(super) fn get_or_set(&mut self, key: &str, state: Bytes, ttl: Option<Duration>) -> Answer<Option<Bytes>> {
        valid(ttl)?;
        let held = self.get(key);
        if held.is_none() {
            self.set(key, state, ttl)?;
        }
        Ok(held)
    }

    pub(super) fn fill(
        &mut self,
        key: &str,
        marker: &str,
        expected: Bytes,
        value: Bytes,
        ttl: Duration,
    ) -> Answer<bool> {
        let held = self.range(key, expected.len() as isize - 1);
        let waited = held.first() == Some(&b'W') && expected.first() == Some(&b'L') && held[1..] == expected[1..];
        if held != expected && !waited && self.defect != Some(Defect::FillDoesNotCompare) {
            return Ok(false);
        }
        self.leave(key, value, ttl)?;
        if waited {
            self.mark_if(Some(marker));
        }
        Ok(true)
    }

    fn leave(&mut self, key: &str, value: Bytes, ttl: Duration) -> Answer<()> {
        if value.is_empty() {
            self.keys.remove(key);
            return Ok(());
        }
        self.set(key, value, Some(ttl))
    }

    pub(super) fn fence(&mut self, key: &str, marker: Option<&str>, fence: Bytes, ttl: Duration) -> Answer<bool> {
        let held = self.range(key, fence.len() as isize);
        if is_fence(&held, &fence) && held != fence {
            return Ok(false);
        }
        if self.defect != Some(Defect::FenceDoesNotStand) {
            self.set(key, fence, Some(ttl))?;
        }
        self.mark_if(marker);
        Ok(true)
    }

    pub(super) fn release(
        &mut self,
        key: &str,
        marker: Option<&str>,
        fence: Bytes,
        value: Bytes,
        ttl: Duration,
    ) -> Answer<bool> {
        let held = self.range(key, fence.len() as isize);
        if is_fence(&held, &fence) && held[1..] == fence[1..] {
            let value = if held == fence { value } else { Bytes::new() };
            self.leave(key, value, ttl)?;
            return Ok(true);
        }
        match self.defect {
            Some(Defect::ReleaseSparesWhatStands) => {}
            Some(Defect::OvertakenWriterLeavesItsValue) if is_fence(&held, &fence) => {}
            _ if is_fence(&held, &fence) => self.retag(key, b'O', &held),
            _ => drop(self.keys.remove(key)),
        }
        self.mark_if(marker);
        Ok(false)
    }

    pub(super) fn generations(
        &mut self,
        keys: &[String],
        proposals: Vec<Bytes>,
        renewal: Renewal,
    ) -> Answer<Vec<Bytes>> {
        let current = |(key, proposal): (&String, Bytes)| {
            let held = self.get(key);
            let all = self.defect == Some(Defect::GenerationsOfWritersAreRenewed);
            if held.is_none() || all || renewal.is_due(self.left(key)) {
                self.set(key, held.clone().unwrap_or_else(|| proposal.clone()), Some(renewal.ttl))?;
            }
            Ok(held.unwrap_or(proposal))
        };
        keys.iter().zip(proposals).map(current).collect()
    }

    /// What is left of the life of a key that is there; `None` if it has no end.
    pub(super) fn left(&self, key: &str) -> Option<Duration> {
        let ends = self.keys.get(key)?.ends?;
        Some(Duration::from_millis(ends.saturating_sub(unix_millis())))
    }

    pub(super) fn invalidate(
        &mut self,
        keys: &[String],
        markers: &[String],
        next: Vec<Bytes>,
        ttl: Duration,
    ) -> Answer<()> {
        for (key, next) in keys.iter().zip(next) {
            if self.defect != Some(Defect::GenerationsStay) {
                self.set(key, next, Some(ttl))?;
            }
        }
        markers.iter().for_each(|marker| self.mark_if(Some(marker)));
        Ok(())
    }

    pub(super) fn wait(&mut self, key: &str, lease: Bytes) -> Answer<Option<Duration>> {
        let held = self.range(key, lease.len() as isize);
        if held.get(1..) != lease.get(1..) || !matches!(held.first(), Some(b'L' | b'W')) {
            return Ok(None);
        }
        self.retag(key, b'W', &held);
        Ok(self.left(key))
    }

    /// Another first byte, for the rest of its life.
    fn retag(&mut self, key: &str, tag: u8, held: &Bytes) {
        let bytes = std::iter::once(tag).chain(held[1..].iter().copied()).collect();
        if let Some(held) = self.keys.get_mut(key) {
            held.bytes = bytes;
        }
    }

    pub(super) fn publish_marker(&mut self, marker: &str) -> Answer<()> {
        if self.defect != Some(Defect::EndsAreToldOnce) || !is_change(marker) {
            self.mark_if(Some(marker));
        }
        Ok(())
    }

    pub(super) fn agree_on_epoch(&mut self, key: &str, presence: &Presence) -> Answer<Agreement> {
        let held = self.get(key).unwrap_or_default();
        let words: Vec<&str> = std::str::from_utf8(&held).unwrap_or_default().split(' ').collect();
        let (own, mut known) =
            (format!("{:016x}", presence.history), [presence.epoch.0.as_str(), presence.commits.0.as_str()]);
        let answer = |[epoch, commits]: [&str; 2]| {
            let number = |word: &str| SealedNumber(word.to_owned());
            Ok(Agreement::Known { epoch: number(epoch), commits: number(commits) })
        };
        if let [history, epoch, commits, process, present_until] = words[..] {
            let present = present_until.parse::<u64>().is_ok_and(|until| until > unix_millis());
            let followed = history == format!("{:016x}", presence.follows) && process == presence.process;
            if present && history != own && !followed {
                return Ok(Agreement::OtherDatabase { history: history.to_owned() });
            }
            let other = present && history == own && process != presence.process;
            if other && !presence.opens {
                return Ok(Agreement::OtherProcess { present_until: present_until.to_owned() });
            }
            if history == own {
                let told = known;
                let counts = |known: &str, told: &str| known.len() == told.len() && known > told;
                let higher = |known, told| if counts(known, told) { known } else { told };
                known = [higher(epoch, known[0]), higher(commits, known[1])];
                if other && (epoch > told[0] || commits > told[1]) {
                    return answer(known);
                }
            }
        }
        let present_until = unix_millis() + presence.lasts.as_millis() as u64;
        let state = format!("{own} {} {} {present_until}", known.join(" "), presence.process);
        let answer = answer(known);
        self.set(key, state.into(), None)?;
        answer
    }

    /// Sets a key as a client that does not follow the protocol.
    pub(super) fn overwrite(&mut self, key: &str, bytes: Bytes) {
        self.keys.insert(key.to_owned(), Held { bytes, ends: Some(unix_millis() + 30_000) });
    }

    pub(super) fn unlink(&mut self, keys: &[String]) -> u64 {
        keys.iter().filter(|key| self.get(key).is_some() && self.keys.remove(*key).is_some()).count() as u64
    }

    pub(super) fn flush(&mut self) {
        self.keys.clear();
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.keys.keys().cloned().collect()
    }
}

/// In milliseconds.
fn valid(ttl: Option<Duration>) -> Answer<Option<u64>> {
    match ttl.map(|ttl| ttl.as_millis() as u64) {
        Some(0) => Err(RedisError::new("ERR invalid expire time in 'set' command")),
        ttl => Ok(ttl),
    }
}

/// Whether `held` is a fence of the same run as `fence`.
fn is_fence(held: &Bytes, fence: &Bytes) -> bool {
    held.len() == fence.len() && matches!(held.first(), Some(b'F' | b'O')) && held.get(17..) == fence.get(17..)
}

/// Whether the marker tells of a change, and does not ask or confirm who has heard of what.
pub(super) fn is_change(marker: &str) -> bool {
    !["}beat:", "}barrier:", "}heard:"].iter().any(|kind| marker.contains(kind))
}
