//! What was noted and is not in the database yet. The same by the same is one entry each minute, with a count, so that
//! a flood of attempts fills neither the memory nor the disk.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use hotshelf_database::Noted;
use hotshelf_domain::{Actor, AuditRecord};

/// How long the same by the same is counted before it is written again.
const PERIOD: Duration = Duration::from_secs(60);
/// What is told apart within a period. What comes beyond is counted without saying whose it was.
const MOST_TOLD_APART: usize = 1_000;
/// The detail of that.
const BEYOND: &str = "by more callers than are told apart";

/// By what is noted, without the request.
#[derive(Default)]
pub(crate) struct Gathered(HashMap<AuditRecord, Times>);

/// How often something was noted.
#[derive(Default)]
struct Times {
    /// Not written yet.
    count: u32,
    /// The first of those, and its request.
    first: DateTime<Utc>,
    request_id: Option<Arc<str>>,
    /// When the last entry of it was written.
    written: Option<Instant>,
}

impl Times {
    fn add(&mut self, count: u32, request_id: Option<Arc<str>>) {
        if self.count == 0 {
            (self.first, self.request_id) = (Utc::now(), request_id);
        }
        self.count = self.count.saturating_add(count);
    }
}

impl Gathered {
    /// Notes it. `false` when it is counted without saying whose it was.
    pub(crate) fn note(&mut self, mut record: AuditRecord) -> bool {
        let (count, request_id) = (std::mem::replace(&mut record.count, 1), record.actor.request_id.take());
        if self.0.len() < MOST_TOLD_APART || self.0.contains_key(&record) {
            self.0.entry(record).or_default().add(count, request_id);
            return true;
        }
        let action = record.action;
        let beyond = AuditRecord { actor: Actor::default(), action, target: None, detail: None, count: 1 };
        self.0.entry(beyond.with(BEYOND)).or_default().add(count, None);
        false
    }

    /// What is to be written now: what is new at once, and what goes on when its period is over. At the `end`,
    /// everything.
    pub(crate) fn due(&mut self, now: Instant, end: bool) -> Vec<Noted> {
        let is_over = |times: &Times| times.written.is_none_or(|written| now.duration_since(written) >= PERIOD);
        self.0.retain(|_, times| times.count > 0 || !is_over(times));
        let due = self.0.iter().filter(|(_, times)| times.count > 0 && (end || is_over(times)));
        let noted = |(record, times): (&AuditRecord, &Times)| {
            let mut record = AuditRecord { count: times.count, ..record.clone() };
            record.actor.request_id = times.request_id.clone();
            (times.first, record)
        };
        let mut due: Vec<Noted> = due.map(noted).collect();
        due.sort_by_key(|(first, _)| *first);
        due
    }

    /// These were written. What was noted since then waits for the end of its period.
    pub(crate) fn wrote(&mut self, written: Vec<Noted>, now: Instant) {
        for (_, mut record) in written {
            let count = std::mem::replace(&mut record.count, 1);
            record.actor.request_id = None;
            if let Some(times) = self.0.get_mut(&record) {
                times.count = times.count.saturating_sub(count);
                (times.first, times.request_id, times.written) = (Utc::now(), None, Some(now));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use hotshelf_domain::{AuditAction, AuditOrigin};

    use super::*;

    fn failed_login(client: u32, request: &str) -> AuditRecord {
        let origin = Some(AuditOrigin::Client(Ipv4Addr::from_bits(client).into()));
        let actor = Actor { origin, request_id: Some(request.into()), ..Actor::default() };
        actor.does(AuditAction::LoginFailed)
    }

    fn counts(noted: &[Noted]) -> Vec<u32> {
        noted.iter().map(|(_, record)| record.count).collect()
    }

    #[test]
    fn the_same_is_written_at_once_and_then_once_a_minute() {
        let (mut gathered, begin) = (Gathered::default(), Instant::now());
        assert!(gathered.note(failed_login(1, "a")) && gathered.note(failed_login(1, "b")));
        let due = gathered.due(begin, false);
        assert_eq!(counts(&due), [2]);
        assert_eq!(due[0].1.actor.request_id.as_deref(), Some("a"), "the first");
        gathered.note(failed_login(1, "c"));
        gathered.wrote(due, begin);
        assert_eq!(counts(&gathered.due(begin + PERIOD / 2, false)), [0; 0]);
        assert_eq!(counts(&gathered.due(begin + PERIOD / 2, true)), [1], "at the end");
        let due = gathered.due(begin + PERIOD, false);
        assert_eq!(counts(&due), [1]);
        gathered.wrote(due, begin + PERIOD);
        assert_eq!(counts(&gathered.due(begin + 2 * PERIOD, true)), [0; 0]);
        assert!(gathered.0.is_empty(), "nothing is kept of what does not go on");
    }

    #[test]
    fn what_could_not_be_written_is_due_again() {
        let mut gathered = Gathered::default();
        gathered.note(failed_login(1, "a"));
        for _ in 0..2 {
            assert_eq!(counts(&gathered.due(Instant::now(), false)), [1]);
        }
    }

    #[test]
    fn a_flood_by_many_is_counted() {
        let mut gathered = Gathered::default();
        let told_apart = (0..3_000).filter(|client| gathered.note(failed_login(*client, "a"))).count();
        assert_eq!(told_apart, MOST_TOLD_APART);
        assert!(gathered.note(failed_login(7, "b")), "is told apart already");
        let due = gathered.due(Instant::now(), false);
        assert_eq!(due.len(), MOST_TOLD_APART + 1);
        assert_eq!(counts(&due).iter().sum::<u32>(), 3_001);
        let beyond = due.iter().filter(|(_, record)| record.detail.as_deref() == Some(BEYOND));
        assert_eq!(beyond.map(|(_, record)| record.count).collect::<Vec<_>>(), [2_000]);
    }
}
