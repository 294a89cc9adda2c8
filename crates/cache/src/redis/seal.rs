//! The seal of the values in Redis: an HMAC-SHA256 (RFC 2104) over the name of the key, the header and the payload. A
//! client that can write to Redis, and does not know the secret, can neither make up a value nor move one to another
//! key. It can put back an older value under its own key, until that expires or the epoch advances. So values that must
//! never come back are not stored in Redis (`NamespaceOptions::in_redis`).

use std::fmt;

use ring::digest::SHA256_OUTPUT_LEN;
use ring::hmac::{self, HMAC_SHA256};
use subtle::ConstantTimeEq;

/// Bytes of a tag: the first half of the HMAC, the least that RFC 2104 (section 5) recommends.
pub(super) const TAG: usize = 16;
/// The first byte of the input, so that the tag of a value is never one of a number.
const OF_VALUE: u8 = b'V';
const OF_NUMBER: u8 = b'N';

/// The secret of the seal. Processes read each other's entries in Redis only if they have the same secret.
#[derive(Clone, PartialEq, Eq)]
pub struct SealKey([u8; SHA256_OUTPUT_LEN]);

impl SealKey {
    /// A secret of these bytes, which must be random.
    pub const fn new(bytes: [u8; SHA256_OUTPUT_LEN]) -> Self {
        SealKey(bytes)
    }

    /// A random secret, which no other process has.
    pub(crate) fn random() -> Self {
        SealKey(rand::random())
    }

    /// The secret that makes [`Seal`] accept every tag: a defect for the simulation.
    #[cfg(test)]
    pub(crate) fn unchecked() -> Self {
        SealKey([0; SHA256_OUTPUT_LEN])
    }

    /// A secret derived from a text, which must have at least 128 bits of entropy: the derivation is one HMAC, and does
    /// not slow down guesses.
    pub fn from_secret(secret: &str) -> Self {
        let tag = hmac::sign(&hmac::Key::new(HMAC_SHA256, b"hotshelf: key of the seal"), secret.as_bytes());
        let mut bytes = [0; SHA256_OUTPUT_LEN];
        bytes.iter_mut().zip(tag.as_ref()).for_each(|(byte, tag)| *byte = *tag);
        SealKey(bytes)
    }
}

/// Does not show the secret.
impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealKey(…)")
    }
}

/// Makes and checks tags. The key schedule of the HMAC is prepared once.
pub(crate) struct Seal {
    key: hmac::Key,
    #[cfg(test)]
    unchecked: bool,
}

impl Seal {
    pub(crate) fn new(key: &SealKey) -> Self {
        Seal {
            key: hmac::Key::new(HMAC_SHA256, &key.0),
            #[cfg(test)]
            unchecked: *key == SealKey::unchecked(),
        }
    }

    /// The tag of some parts in a place, which is the prefix and the key. The length of the place is part of the input,
    /// and all but the last of `parts` have fixed lengths, so that no two inputs are the same bytes.
    fn tag(&self, of: u8, place: [&str; 2], parts: [&[u8]; 2]) -> [u8; TAG] {
        let length: usize = place.iter().map(|part| part.len()).sum();
        let mut context = hmac::Context::with_key(&self.key);
        context.update(&[of]);
        context.update(&(length as u64).to_be_bytes());
        place.iter().for_each(|part| context.update(part.as_bytes()));
        parts.iter().for_each(|part| context.update(part));
        let signed = context.sign();
        std::array::from_fn(|i| signed.as_ref()[i])
    }

    fn holds(&self, expected: [u8; TAG], found: &[u8]) -> bool {
        #[cfg(test)]
        if self.unchecked {
            return true;
        }
        expected.ct_eq(found).into()
    }
}

/// The key under which a value is stored. Its tag is valid for this key only.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) seal: &'a Seal,
    pub(super) prefix: &'a str,
    pub(super) key: &'a str,
}

impl Place<'_> {
    /// The tag of a value: of its header, which has a fixed length, and of its payload.
    pub(super) fn tag(&self, header: &[u8], payload: &[u8]) -> [u8; TAG] {
        self.seal.tag(OF_VALUE, [self.prefix, self.key], [header, payload])
    }

    /// Whether the tag is right. Compares in constant time, so that the time tells nothing about the right tag.
    pub(super) fn holds(&self, tag: &[u8], header: &[u8], payload: &[u8]) -> bool {
        self.seal.holds(self.tag(header, payload), tag)
    }
}

/// The two numbers that processes tell each other through Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counted {
    Epoch,
    Commits,
}

impl Counted {
    fn name(self) -> &'static str {
        match self {
            Counted::Epoch => "epoch",
            Counted::Commits => "commits",
        }
    }
}

/// A number with its seal, as text. It begins with twenty digits, so that scripts can compare the numbers as texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SealedNumber(pub(crate) String);

impl SealedNumber {
    const DIGITS: usize = 20;

    pub(crate) fn new(seal: &Seal, prefix: &str, history: u64, what: Counted, number: u64) -> Self {
        let tag = seal.tag(OF_NUMBER, [prefix, what.name()], [&history.to_be_bytes(), &number.to_be_bytes()]);
        let mut word = format!("{number:0digits$}.", digits = Self::DIGITS);
        tag.iter().for_each(|byte| word.push_str(&format!("{byte:02x}")));
        SealedNumber(word)
    }

    /// The number, if the seal is right for it, in this history.
    pub(crate) fn open(&self, seal: &Seal, prefix: &str, history: u64, what: Counted) -> Option<u64> {
        let number = self.0.get(..Self::DIGITS)?.parse().ok()?;
        let expected = SealedNumber::new(seal, prefix, history, what, number);
        bool::from(expected.0.as_bytes().ct_eq(self.0.as_bytes())).then_some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal() -> Seal {
        Seal::new(&SealKey::new([7; 32]))
    }

    #[test]
    fn a_tag_holds_in_its_place_only() {
        let (seal, other) = (seal(), Seal::new(&SealKey::new([8; 32])));
        let place = |seal, prefix, key| Place { seal, prefix, key };
        let here = place(&seal, "p:", "id:7");
        let tag = here.tag(b"header", b"payload");
        assert!(here.holds(&tag, b"header", b"payload"));
        assert!(!here.holds(&tag, b"headex", b"payload"));
        assert!(!here.holds(&tag, b"header", b"payloae"));
        assert!(!here.holds(&tag[..15], b"header", b"payload"));
        assert!(!here.holds(&[], b"header", b"payload"));
        for there in [place(&seal, "p:", "id:8"), place(&seal, "q:", "id:7"), place(&other, "p:", "id:7")] {
            assert!(!there.holds(&tag, b"header", b"payload"));
        }
    }

    #[test]
    fn a_number_reads_back_in_its_history_only() {
        let seal = seal();
        let number = SealedNumber::new(&seal, "p:", 5, Counted::Epoch, 42);
        assert_eq!(number.open(&seal, "p:", 5, Counted::Epoch), Some(42));
        assert_eq!(number.open(&seal, "p:", 6, Counted::Epoch), None);
        assert_eq!(number.open(&seal, "q:", 5, Counted::Epoch), None);
        assert_eq!(number.open(&seal, "p:", 5, Counted::Commits), None);
        let higher = SealedNumber(number.0.replacen("42", "43", 1));
        assert_eq!(higher.open(&seal, "p:", 5, Counted::Epoch), None);
        for word in ["", "00000000000000000042", "42", "00000000000000000042.", "+0000000000000000042.00"] {
            assert_eq!(SealedNumber(word.to_owned()).open(&seal, "p:", 5, Counted::Epoch), None, "{word}");
        }
        let [ten, nine] = [10, 9].map(|number| SealedNumber::new(&seal, "p:", 5, Counted::Epoch, number));
        assert!(ten.0 > nine.0 && ten.0.len() == nine.0.len());
    }

    #[test]
    fn a_key_is_derived_from_a_secret_and_does_not_show_it() {
        let key = SealKey::from_secret("correct horse battery staple, twice");
        assert_eq!(key, SealKey::from_secret("correct horse battery staple, twice"));
        assert_ne!(key, SealKey::from_secret("correct horse battery staple, thrice"));
        assert_eq!(format!("{key:?}"), "SealKey(…)");
    }
}
