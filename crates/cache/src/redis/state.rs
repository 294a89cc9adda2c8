//! The four states of a key in Redis and how they read in bytes: absent, a lease, a fence, or a value.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};

use super::compression::{pack, unpack};
use super::seal::{Place, TAG};
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
/// the next reader replaces it. 1 and 2 had no history, 3 and 4 no attribute, 5 and 6 no seal.
const PLAIN: u8 = 7;
const PACKED: u8 = 8;
const PRESENT: u8 = 1;
const ABSENT: u8 = 0;
/// Tag, token, run.
const TAGGED: usize = 1 + 16 + 16;
/// `V`, layout, present, 16 bytes of stamp, history, epoch, generation, revision, expiry, attribute.
const FIELDS: usize = 3 + 16 + 8 + 8 + 16 + 8 + 8 + 8;
/// The fields, and the tag of the seal.
const HEAD: usize = FIELDS + TAG;

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
    /// Foreign: a value of this history whose seal is wrong for this key.
    Unsealed(Bytes),
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
    pub(super) fn seal(&self, place: Place<'_>, value: Option<&Value>) -> Bytes {
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
        let tag = place.tag(&state, payload);
        state.put_slice(&tag);
        state.put_slice(payload);
        state.freeze()
    }
}

/// Takes apart what a key holds in this run of the server and this history. A payload that is not packed shares the
/// bytes that came from the connection.
pub(super) fn open(state: Bytes, run: ServerRunId, history: u64, place: Place<'_>) -> State {
    match state.first() {
        Some(&LEASE | &AWAITED) if state.len() == TAGGED && state.ends_with(&run) => State::Leased(state),
        Some(&FENCE | &OVERTAKEN) if state.len() == TAGGED && state.ends_with(&run) => State::Fenced,
        Some(&VALUE) => open_value(&state, history, place),
        _ => foreign(&state),
    }
}

fn foreign(state: &Bytes) -> State {
    State::Foreign(head(state))
}

fn head(state: &Bytes) -> Bytes {
    state.slice(..state.len().min(HEAD))
}

/// Only the layout and the history are read before the seal is checked. A value of another history is foreign and not
/// [`State::Unsealed`], because another database, with another secret, has left it.
fn open_value(state: &Bytes, history: u64, place: Place<'_>) -> State {
    let number = |at: usize| u64::from_be_bytes(std::array::from_fn(|i| state[at + i]));
    if state.len() < HEAD || !matches!(state[1], PLAIN | PACKED) || number(19) != history {
        return foreign(state);
    }
    if !place.holds(&state[FIELDS..HEAD], &state[..FIELDS], &state[HEAD..]) {
        return State::Unsealed(head(state));
    }
    let payload = match (state[1], state[2]) {
        (PLAIN, PRESENT) => Some(state.slice(HEAD..)),
        (PACKED, PRESENT) => match unpack(&state[HEAD..]) {
            Some(payload) => Some(payload),
            None => return foreign(state),
        },
        _ => None,
    };
    let (revision, attribute) = (number(51), number(67));
    // The clock decides only how long a copy may live at most, never which of two is newer.
    let (end, now) = (number(59), unix_millis());
    State::Value(Stored {
        head: state.slice(..HEAD),
        history,
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
    use crate::redis::seal::{Seal, SealKey};

    const RUN: ServerRunId = *b"0123456789abcdef";
    const HISTORY: u64 = 5;

    /// Seals values for one key, and reads them there.
    struct Sealer(Seal);

    impl Sealer {
        fn new() -> Self {
            Sealer(Seal::new(&SealKey::new([7; 32])))
        }

        fn place<'a>(&'a self, key: &'a str) -> Place<'a> {
            Place { seal: &self.0, prefix: "p:", key }
        }

        fn seal(&self, generation: Generation, value: Option<&Value>) -> Bytes {
            let envelope =
                Envelope { history: HISTORY, epoch: Epoch::new(3), generation, ttl: Duration::from_secs(300) };
            envelope.seal(self.place("id:7"), value)
        }

        fn open(&self, state: Bytes) -> State {
            open(state, RUN, HISTORY, self.place("id:7"))
        }
    }

    fn value() -> Value {
        Value { payload: Bytes::from_static(b"{\"id\":1}"), revision: 7, attribute: 42 }
    }

    fn large() -> Value {
        Value { payload: b"all alike ".repeat(500).into(), ..value() }
    }

    #[test]
    fn a_value_reads_back_as_it_was_sealed() {
        let sealer = Sealer::new();
        let State::Value(stored) = sealer.open(sealer.seal([9; 16], Some(&value()))) else { panic!("not a value") };
        assert_eq!((stored.history, stored.epoch, stored.generation), (HISTORY, Epoch::new(3), [9; 16]));
        assert_eq!(stored.value, Some(value()));
        assert!(stored.ttl <= Duration::from_secs(300) && stored.ttl > Duration::from_secs(299));

        let State::Value(stored) = sealer.open(sealer.seal([9; 16], None)) else { panic!("not a value") };
        assert_eq!(stored.value, None);
    }

    #[test]
    fn a_large_value_is_packed_and_reads_back_as_it_was() {
        let (sealer, value) = (Sealer::new(), large());
        let sealed = sealer.seal([9; 16], Some(&value));
        assert!(sealed.len() < value.payload.len() / 10, "{} bytes", sealed.len());
        let State::Value(stored) = sealer.open(sealed.clone()) else { panic!("not a value") };
        assert_eq!((stored.value, stored.head.len()), (Some(value), HEAD));
        let mut unknown = sealed.to_vec();
        unknown[1] = PACKED + 1;
        assert!(matches!(sealer.open(unknown.into()), State::Foreign(_)));
    }

    /// The seal covers each byte.
    #[test]
    fn no_byte_can_be_changed() {
        let sealer = Sealer::new();
        for value in [Some(value()), Some(large()), None] {
            let sealed = sealer.seal([9; 16], value.as_ref());
            for at in 0..sealed.len() {
                for bit in 0..8 {
                    let mut changed = sealed.to_vec();
                    changed[at] ^= 1 << bit;
                    let found = sealer.open(changed.clone().into());
                    let head = match found {
                        State::Unsealed(head) | State::Foreign(head) => head,
                        believed => panic!("byte {at}: {believed:?}"),
                    };
                    assert!(changed.starts_with(&head), "a reader replaces what it found");
                }
            }
            for length in 0..sealed.len() {
                assert!(matches!(sealer.open(sealed.slice(..length)), State::Unsealed(_) | State::Foreign(_)));
            }
            let longer = [&sealed[..], b"x"].concat();
            assert!(matches!(sealer.open(longer.into()), State::Unsealed(_)));
        }
    }

    #[test]
    fn a_value_holds_in_its_place_and_its_history_only() {
        let (sealer, other) = (Sealer::new(), Seal::new(&SealKey::new([8; 32])));
        let sealed = sealer.seal([9; 16], Some(&value()));
        let elsewhere = Place { prefix: "q:", ..sealer.place("id:7") };
        let of_another = Place { seal: &other, ..sealer.place("id:7") };
        for place in [sealer.place("id:8"), elsewhere, of_another] {
            assert!(matches!(open(sealed.clone(), RUN, HISTORY, place), State::Unsealed(_)));
        }
        let of_another_history = open(sealed, RUN, HISTORY + 1, sealer.place("id:7"));
        assert!(matches!(of_another_history, State::Foreign(_)), "of a database that was here before: no alarm");
    }

    /// During an upgrade, instances of two versions may share the keys.
    #[test]
    fn a_value_of_an_earlier_layout_is_foreign() {
        let sealer = Sealer::new();
        for value in [value(), large()] {
            let sealed = sealer.seal(NO_GENERATION, Some(&value));
            let without_seal = [&sealed[..FIELDS], &sealed[HEAD..]].concat();
            let without_attribute = [&sealed[..FIELDS - 8], &sealed[HEAD..]].concat();
            for mut held in [sealed.to_vec(), without_seal, without_attribute] {
                for earlier in 1..PLAIN {
                    held[1] = earlier;
                    let found = sealer.open(held.clone().into());
                    assert!(matches!(&found, State::Foreign(head) if held.starts_with(head)), "{earlier}: {found:?}");
                }
            }
        }
    }

    #[test]
    fn two_seals_of_one_value_have_different_heads() {
        let sealer = Sealer::new();
        let head = || match sealer.open(sealer.seal(NO_GENERATION, None)) {
            State::Value(stored) => stored.head,
            other => panic!("{other:?}"),
        };
        assert_ne!(head(), head());
    }

    #[test]
    fn what_others_wrote_is_no_value() {
        let sealer = Sealer::new();
        assert!(matches!(sealer.open(lease(Token::random(), RUN)), State::Leased(_)));
        assert!(matches!(sealer.open(fence(Token::random(), RUN)), State::Fenced));
        for state in [lease, fence] {
            assert!(matches!(sealer.open(state(Token::random(), *b"of another run..")), State::Foreign(_)));
        }
        for foreign in [&b""[..], b"hello", b"Laptop", b"Foreign", b"V", b"V\x07\x01short"] {
            assert!(matches!(sealer.open(Bytes::from_static(foreign)), State::Foreign(_)), "{foreign:?}");
        }
    }
}
