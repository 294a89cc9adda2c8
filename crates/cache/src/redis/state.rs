//! The four states of a key in Redis and how they read in bytes: absent, a lease, a fence, or a value.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};

use super::compression::{pack, unpack};
use crate::clock::unix_millis;
use crate::epoch::Epoch;
use crate::tier::Token;
use crate::value::Value;

const LEASE: u8 = b'L';
/// A lease that somebody in another process waits for.
const AWAITED: u8 = b'W';
const FENCE: u8 = b'F';
/// A fence whose writer is to leave nothing: another one has committed since it lost its own fence to this one.
const OVERTAKEN: u8 = b'O';
const VALUE: u8 = b'V';
/// The layouts of values: the payload as it is, or packed. A value of another layout is foreign: nobody reads it, and
/// the next reader replaces it. 1 and 2 had no history, 3 and 4 no attribute.
const PLAIN: u8 = 5;
const PACKED: u8 = 6;
const PRESENT: u8 = 1;
const ABSENT: u8 = 0;
/// Tag, token, run.
const TAGGED: usize = 1 + 16 + 16;
/// `V`, layout, present, 16 bytes of stamp, history, epoch, generation, revision, expiry, attribute.
const HEAD: usize = 3 + 16 + 8 + 8 + 16 + 8 + 8 + 8;

/// The generation of a tag as Redis keeps it: random, so that one that was lost never comes back.
pub(crate) type Generation = [u8; 16];
/// For entries that depend on no tag.
pub(super) const NO_GENERATION: Generation = [0; 16];

/// Names one run of a server. A lease or a fence of another run has come back with a snapshot: whoever set it has lost
/// the connection since, and may have ended long ago. It bars nobody.
pub(crate) type ServerRunId = [u8; 16];

/// The run of the server as one history of a database sees it: leases and fences of another database, or of a history
/// that has ended, bar nobody either.
pub(super) fn run_in(history: u64, run: ServerRunId) -> ServerRunId {
    let history = history.to_be_bytes();
    std::array::from_fn(|i| run[i] ^ history[i % history.len()])
}

pub(super) fn lease(token: Token, run: ServerRunId) -> Bytes {
    tagged(LEASE, token, run)
}

pub(super) fn fence(token: Token, run: ServerRunId) -> Bytes {
    tagged(FENCE, token, run)
}

fn tagged(kind: u8, token: Token, run: ServerRunId) -> Bytes {
    let mut state = BytesMut::with_capacity(TAGGED);
    state.put_u8(kind);
    state.put_slice(&token.0);
    state.put_slice(&run);
    state.freeze()
}

/// What a key holds, as found.
#[derive(Debug)]
pub(super) enum State {
    /// Somebody loads it; their lease.
    Leased(Bytes),
    /// Somebody writes it.
    Fenced,
    Value(Stored),
    /// Nothing that this version wrote in this run of the server. Its first bytes.
    Foreign(Bytes),
}

/// A value and what decides whether it still counts.
#[derive(Debug)]
pub(super) struct Stored {
    /// The first bytes, unique to this value: whoever replaces it shows that it is still there by these.
    pub(super) head: Bytes,
    /// The history of the database that it is a copy of.
    pub(super) history: u64,
    pub(super) epoch: Epoch,
    pub(super) generation: Generation,
    /// What is left of its TTL, zero from its expiry on.
    pub(super) ttl: Duration,
    /// How long ago it expired.
    pub(super) overdue: Duration,
    /// `None`: there is no such thing.
    pub(super) value: Option<Value>,
}

/// What goes around a value.
pub(super) struct Envelope {
    pub(super) history: u64,
    pub(super) epoch: Epoch,
    pub(super) generation: Generation,
    pub(super) ttl: Duration,
}

impl Envelope {
    pub(super) fn seal(&self, value: Option<&Value>) -> Bytes {
        let payload = value.map_or(&[][..], |value| &value.payload);
        let packed = pack(payload);
        let (layout, payload) = packed.as_deref().map_or((PLAIN, payload), |packed| (PACKED, packed));
        let mut state = BytesMut::with_capacity(HEAD + payload.len());
        state.put_u8(VALUE);
        state.put_u8(layout);
        state.put_u8(if value.is_some() { PRESENT } else { ABSENT });
        state.put_slice(&Token::random().0);
        state.put_u64(self.history);
        state.put_u64(self.epoch.get());
        state.put_slice(&self.generation);
        state.put_u64(value.map_or(0, |value| value.revision));
        state.put_u64(unix_millis() + self.ttl.as_millis() as u64);
        state.put_u64(value.map_or(0, |value| value.attribute));
        state.put_slice(payload);
        state.freeze()
    }
}

/// Takes apart what a key holds in this run of the server. A payload that is not packed shares the bytes that came from
/// the connection.
pub(super) fn open(state: Bytes, run: ServerRunId) -> State {
    match state.first() {
        Some(&LEASE | &AWAITED) if state.len() == TAGGED && state.ends_with(&run) => State::Leased(state),
        Some(&FENCE | &OVERTAKEN) if state.len() == TAGGED && state.ends_with(&run) => State::Fenced,
        Some(&VALUE) => open_value(&state).map_or_else(|| foreign(&state), State::Value),
        _ => foreign(&state),
    }
}

fn foreign(state: &Bytes) -> State {
    State::Foreign(state.slice(..state.len().min(HEAD)))
}

/// `None` when it is nothing that this version writes.
fn open_value(state: &Bytes) -> Option<Stored> {
    if state.len() < HEAD {
        return None;
    }
    let payload = match (state[1], state[2]) {
        (PLAIN, ABSENT) => None,
        (PLAIN, PRESENT) => Some(state.slice(HEAD..)),
        (PACKED, PRESENT) => Some(unpack(&state[HEAD..])?),
        _ => return None,
    };
    let number = |at: usize| u64::from_be_bytes(std::array::from_fn(|i| state[at + i]));
    let (revision, attribute) = (number(51), number(67));
    // The clock decides only how long a copy may live at most, never which of two is newer.
    let (end, now) = (number(59), unix_millis());
    Some(Stored {
        head: state.slice(..HEAD),
        history: number(19),
        epoch: Epoch::new(number(27)),
        generation: std::array::from_fn(|i| state[35 + i]),
        ttl: Duration::from_millis(end.saturating_sub(now)),
        overdue: Duration::from_millis(now.saturating_sub(end)),
        value: payload.map(|payload| Value { payload, revision, attribute }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: ServerRunId = *b"0123456789abcdef";

    #[test]
    fn a_value_reads_back_as_it_was_sealed() {
        let value = Value { payload: Bytes::from_static(b"{\"id\":1}"), revision: 7, attribute: 42 };
        let envelope =
            Envelope { history: 5, epoch: Epoch::new(3), generation: [9; 16], ttl: Duration::from_secs(300) };
        let State::Value(stored) = open(envelope.seal(Some(&value)), RUN) else { panic!("not a value") };
        assert_eq!((stored.history, stored.epoch, stored.generation), (5, Epoch::new(3), [9; 16]));
        assert_eq!(stored.value, Some(value));
        assert!(stored.ttl <= Duration::from_secs(300) && stored.ttl > Duration::from_secs(299));

        let State::Value(stored) = open(envelope.seal(None), RUN) else { panic!("not a value") };
        assert_eq!(stored.value, None);
    }

    #[test]
    fn a_large_value_is_packed_and_reads_back_as_it_was() {
        let value = Value { payload: b"all alike ".repeat(500).into(), revision: 7, attribute: 42 };
        let envelope =
            Envelope { history: 5, epoch: Epoch::new(3), generation: [9; 16], ttl: Duration::from_secs(300) };
        let sealed = envelope.seal(Some(&value));
        assert!(sealed.len() < value.payload.len() / 10, "{} bytes", sealed.len());
        let State::Value(stored) = open(sealed.clone(), RUN) else { panic!("not a value") };
        assert_eq!((stored.value, stored.head.len()), (Some(value), HEAD));

        let broken = sealed.slice(..sealed.len() - 1);
        assert!(matches!(open(broken, RUN), State::Foreign(head) if head.len() == HEAD));
        let mut unknown = sealed.to_vec();
        unknown[1] = PACKED + 1;
        assert!(matches!(open(unknown.into(), RUN), State::Foreign(_)));
    }

    /// During an upgrade, instances of two versions may share the keys.
    #[test]
    fn a_value_of_an_earlier_layout_is_foreign() {
        let envelope =
            Envelope { history: 5, epoch: Epoch::new(3), generation: NO_GENERATION, ttl: Duration::from_secs(300) };
        for payload in [&b"{\"id\":1}"[..], &b"all alike ".repeat(500)] {
            let value = Value::unversioned(Bytes::copy_from_slice(payload));
            let sealed = envelope.seal(Some(&value));
            let without_attribute = [&sealed[..HEAD - 8], &sealed[HEAD..]].concat();
            for mut held in [sealed.to_vec(), without_attribute] {
                for earlier in 1..=4 {
                    held[1] = earlier;
                    let found = open(held.clone().into(), RUN);
                    assert!(matches!(&found, State::Foreign(head) if held.starts_with(head)), "{earlier}: {found:?}");
                }
            }
        }
    }

    #[test]
    fn two_seals_of_one_value_have_different_heads() {
        let envelope =
            Envelope { history: 5, epoch: Epoch::new(1), generation: NO_GENERATION, ttl: Duration::from_secs(1) };
        let head = |state| match open(state, RUN) {
            State::Value(stored) => stored.head,
            other => panic!("{other:?}"),
        };
        assert_ne!(head(envelope.seal(None)), head(envelope.seal(None)));
    }

    #[test]
    fn what_others_wrote_is_no_value() {
        assert!(matches!(open(lease(Token::random(), RUN), RUN), State::Leased(_)));
        assert!(matches!(open(fence(Token::random(), RUN), RUN), State::Fenced));
        for state in [lease, fence] {
            assert!(matches!(open(state(Token::random(), *b"of another run.."), RUN), State::Foreign(_)));
        }
        for foreign in [&b""[..], b"hello", b"Laptop", b"Foreign", b"V", b"V\x01\x01short"] {
            assert!(matches!(open(Bytes::from_static(foreign), RUN), State::Foreign(_)), "{foreign:?}");
        }
    }
}
