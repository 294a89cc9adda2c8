//! The writes of one product. A write that was sent may have happened; an acknowledged write has happened.

use std::time::Instant;

use super::{Ack, Heard, Seen};

/// The fields that a write may set. Their values are numbers here, in any representation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Stock,
    Price,
    Category,
    Schema,
    /// A field of the details, as defined by the schema.
    Note,
    /// The product's only image.
    Image,
}

/// A field and its new value.
pub(crate) type Change = (Field, i64);

/// Identifies a write that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(super) number: u64,
    pub(super) sent: Instant,
}

/// An acknowledged version.
#[derive(Debug)]
pub(super) struct Revision {
    pub(super) version: i64,
    pub(super) ack: Ack,
}

/// The values that an acknowledged write has set. Later versions with the same value do not make it newer.
#[derive(Debug)]
struct Value {
    field: Field,
    value: i64,
    version: i64,
    ack: Ack,
}

/// A write without an answer: it may have happened, or may still happen.
#[derive(Debug)]
struct Unanswered {
    ticket: Ticket,
    changes: Vec<Change>,
}

#[derive(Debug)]
pub(super) struct Life {
    created: Instant,
    pub(super) born: Option<Ack>,
    pub(super) deleted: Option<Instant>,
    pub(super) died: Option<Ack>,
    /// Updates that were sent. Each creates at most one version.
    pub(super) updates: i64,
    /// In the order of their versions.
    pub(super) revisions: Vec<Revision>,
    /// In the order of their versions.
    values: Vec<Value>,
    unanswered: Vec<Unanswered>,
}

impl Life {
    /// A product whose create was sent with these values.
    pub(super) fn begin(creation: Ticket, values: Vec<Change>) -> Self {
        Life {
            created: creation.sent,
            born: None,
            deleted: None,
            died: None,
            updates: 0,
            revisions: Vec::new(),
            values: Vec::new(),
            unanswered: vec![Unanswered { ticket: creation, changes: values }],
        }
    }

    pub(super) fn updating(&mut self, ticket: Ticket, changes: Vec<Change>) {
        self.updates += 1;
        self.unanswered.push(Unanswered { ticket, changes });
    }

    /// Notes that the write has created this version.
    pub(super) fn written(&mut self, ticket: Ticket, version: i64, ack: Ack) {
        let place = self.revisions.partition_point(|revision| revision.version <= version);
        self.revisions.insert(place, Revision { version, ack });
        let Some(index) = self.unanswered.iter().position(|unanswered| unanswered.ticket == ticket) else { return };
        let Unanswered { changes, .. } = self.unanswered.swap_remove(index);
        changes.into_iter().for_each(|(field, value)| self.set(Value { field, value, version, ack }));
    }

    fn set(&mut self, value: Value) {
        let place = self.values.partition_point(|other| other.version <= value.version);
        self.values.insert(place, value);
    }

    /// At rest, when no write is in flight and all agree on this state: forgets all older states.
    pub(super) fn settle(&mut self, seen: &Seen, settled: Ack) {
        self.unanswered.clear();
        if self.revisions.last().is_none_or(|newest| newest.version < seen.version) {
            self.revisions.push(Revision { version: seen.version, ack: settled });
        }
        self.revisions = self.revisions.pop().into_iter().collect();
        for &(field, value) in &seen.fields {
            let newest = self.values.iter().rposition(|value| value.field == field);
            let kept = newest.map(|newest| self.values.swap_remove(newest)).filter(|newest| newest.value == value);
            self.values.retain(|value| value.field != field);
            self.values.push(kept.unwrap_or(Value { field, value, version: seen.version, ack: settled }));
        }
        self.values.sort_by_key(|value| value.version);
    }

    pub(super) fn acks(&self) -> impl Iterator<Item = &Ack> {
        self.born.iter().chain(&self.died).chain(self.revisions.iter().map(|revision| &revision.ack))
    }

    pub(super) fn must_be_there(&self, answered: Instant, heard: Heard<'_>) -> bool {
        self.born.as_ref().is_some_and(heard) && self.deleted.is_none_or(|deleted| deleted > answered)
    }

    pub(super) fn may_be_there(&self, answered: Instant, heard: Heard<'_>) -> bool {
        self.created < answered && !self.died.as_ref().is_some_and(heard)
    }

    /// The values that a field may have had.
    pub(super) fn possible(&self, field: Field, answered: Instant, heard: Heard<'_>) -> Vec<i64> {
        let of_field = || self.values.iter().filter(move |value| value.field == field);
        let newest_heard = of_field().collect::<Vec<_>>().iter().rposition(|value| heard(&value.ack));
        let since = of_field().skip(newest_heard.unwrap_or(0)).map(|value| value.value);
        since.chain(self.maybe(field, Some(answered))).collect()
    }

    /// The values that unanswered writes may have set, if sent before that time.
    fn maybe(&self, field: Field, before: Option<Instant>) -> impl Iterator<Item = i64> {
        let sent = move |unanswered: &&Unanswered| before.is_none_or(|before| unanswered.ticket.sent < before);
        let changes = self.unanswered.iter().filter(sent).flat_map(|unanswered| &unanswered.changes);
        changes.filter(move |change| change.0 == field).map(|change| change.1)
    }

    /// Whether a read may have seen this state: not deleted, in an existing version, with the values of that version,
    /// and not older than the known acknowledgements.
    pub(super) fn agrees_with(&self, seen: &Seen, heard: Heard<'_>) -> bool {
        let dead = self.died.as_ref().is_some_and(heard);
        let invented = seen.version < 1 || seen.version > 1 + self.updates;
        let mut newer = self.revisions.iter().rev().take_while(|revision| revision.version > seen.version);
        let outdated = newer.any(|revision| heard(&revision.ack));
        !dead && !invented && !outdated && seen.fields.iter().all(|&change| self.shows(change, seen.version))
    }

    /// Whether that version may have this value: the last one written up to that version, as far as is known.
    fn shows(&self, (field, value): Change, version: i64) -> bool {
        let mut by_then = self.values.iter().rev().filter(|set| set.field == field && set.version <= version);
        by_then.next().is_some_and(|set| set.value == value) || self.maybe(field, None).any(|maybe| maybe == value)
    }

    /// The values that the acknowledged write of that version has set.
    pub(super) fn changes(&self, version: i64) -> Vec<Change> {
        let set = self.values.iter().filter(|value| value.version == version);
        set.map(|value| (value.field, value.value)).collect()
    }

    pub(super) fn unanswered(&self) -> Vec<&[Change]> {
        self.unanswered.iter().map(|unanswered| &unanswered.changes[..]).collect()
    }
}
