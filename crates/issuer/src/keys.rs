//! The keys that an issuer publishes as a JWK set (RFC 7517). Keys of other types, strengths or purposes are ignored
//! (RFC 7517, section 5): an issuer may publish keys for other uses in the same set.

use std::fmt;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind};
use ring::digest::{SHA256, digest};
use serde::Deserialize;

/// Keys after the first so many are ignored, so that finding a key takes bounded time.
const MOST_KEYS: usize = 100;
/// Bits of an RSA key: fewer are not secure (RFC 7518, section 3.3), more make each verification slow.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2_048..=8_192;

/// The signature algorithms that can be accepted. All are asymmetric, so that only the issuer can sign: `none` and the
/// HMAC algorithms, for which a public key could be misused as a secret (RFC 8725, section 2.1), cannot be configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureAlgorithm {
    /// RSA with PKCS #1 v1.5 padding and SHA-256.
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl SignatureAlgorithm {
    /// All of them.
    pub const ALL: [SignatureAlgorithm; 3] =
        [SignatureAlgorithm::Rs256, SignatureAlgorithm::Es256, SignatureAlgorithm::EdDsa];

    /// The name in `alg` (RFC 7518, section 3.1; RFC 8037).
    pub fn name(self) -> &'static str {
        match self {
            SignatureAlgorithm::Rs256 => "RS256",
            SignatureAlgorithm::Es256 => "ES256",
            SignatureAlgorithm::EdDsa => "EdDSA",
        }
    }

    pub(crate) fn of(algorithm: Algorithm) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.algorithm() == algorithm)
    }

    pub(crate) fn algorithm(self) -> Algorithm {
        match self {
            SignatureAlgorithm::Rs256 => Algorithm::RS256,
            SignatureAlgorithm::Es256 => Algorithm::ES256,
            SignatureAlgorithm::EdDsa => Algorithm::EdDSA,
        }
    }

    fn of_key(self) -> KeyAlgorithm {
        match self {
            SignatureAlgorithm::Rs256 => KeyAlgorithm::RS256,
            SignatureAlgorithm::Es256 => KeyAlgorithm::ES256,
            SignatureAlgorithm::EdDsa => KeyAlgorithm::EdDSA,
        }
    }
}

impl fmt::Display for SignatureAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Identifies a key by its algorithm and its public key. A key that is published under another `kid` is the same key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyName(pub u64);

/// A key that verifies signatures.
#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) id: Option<String>,
    pub(crate) algorithm: SignatureAlgorithm,
    pub(crate) name: KeyName,
    pub(crate) decoding: DecodingKey,
}

/// The usable keys that the issuer published at the last read.
#[derive(Clone, Default)]
pub(crate) struct Keys(Vec<Key>);

#[derive(Deserialize)]
struct Published {
    keys: Vec<serde_json::Value>,
}

impl Keys {
    /// Parses a published JWK set.
    ///
    /// # Errors
    /// When the bytes are no JWK set. A single key that cannot be used is no error.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        let Published { keys } = serde_json::from_slice(bytes)?;
        Ok(Keys(keys.into_iter().filter_map(Key::read).take(MOST_KEYS).collect()))
    }

    /// The key for a token with this `kid`; for a token without one, the only key of this algorithm. `None` if several
    /// keys fit, because a key must not be chosen by trying.
    pub(crate) fn find(&self, id: Option<&str>, algorithm: SignatureAlgorithm) -> Option<&Key> {
        let mut fitting =
            self.0.iter().filter(|key| key.algorithm == algorithm && id.is_none_or(|id| key.id.as_deref() == Some(id)));
        let key = fitting.next()?;
        fitting.next().is_none().then_some(key)
    }

    pub(crate) fn has_id(&self, id: &str) -> bool {
        self.0.iter().any(|key| key.id.as_deref() == Some(id))
    }

    pub(crate) fn contains(&self, name: KeyName) -> bool {
        self.0.iter().any(|key| key.name == name)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

impl Key {
    fn read(published: serde_json::Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(published).ok()?;
        let (algorithm, decoding) = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => (SignatureAlgorithm::Rs256, rsa(&DecodingKey::from_jwk(&jwk).ok()?)?),
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
                (SignatureAlgorithm::Es256, of_length(DecodingKey::from_jwk(&jwk).ok()?, 65)?)
            }
            AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
                (SignatureAlgorithm::EdDsa, of_length(DecodingKey::from_jwk(&jwk).ok()?, 32)?)
            }
            _ => return None,
        };
        let common = jwk.common;
        let signs = common.public_key_use.is_none_or(|purpose| purpose == PublicKeyUse::Signature);
        let verifies = common.key_operations.is_none_or(|operations| operations.contains(&KeyOperations::Verify));
        let fits = common.key_algorithm.is_none_or(|named| named == algorithm.of_key());
        let name = name_of(algorithm, &decoding);
        (signs && verifies && fits).then_some(Key { id: common.key_id, algorithm, name, decoding })
    }
}

/// The key without leading zeros, which some issuers publish, if it is strong enough.
fn rsa(key: &DecodingKey) -> Option<DecodingKey> {
    let DecodingKeyKind::RsaModulusExponent { n, e } = key.kind() else { return None };
    let without_zeros = |bytes: &[u8]| bytes[bytes.iter().take_while(|byte| **byte == 0).count()..].to_vec();
    let (n, e) = (without_zeros(n), without_zeros(e));
    let bits = 8 * n.len() - n.first()?.leading_zeros() as usize;
    RSA_BITS.contains(&bits).then(|| DecodingKey::from_rsa_raw_components(&n, &e))
}

fn of_length(key: DecodingKey, length: usize) -> Option<DecodingKey> {
    let fits = key.try_get_as_bytes().is_ok_and(|bytes| bytes.len() == length);
    fits.then_some(key)
}

fn name_of(algorithm: SignatureAlgorithm, key: &DecodingKey) -> KeyName {
    let material = match key.kind() {
        DecodingKeyKind::SecretOrDer(bytes) => bytes.clone(),
        DecodingKeyKind::RsaModulusExponent { n, e } => [&n[..], b":", e].concat(),
    };
    let digest = digest(&SHA256, &[algorithm.name().as_bytes(), b":", &material].concat());
    KeyName(u64::from_be_bytes(std::array::from_fn(|i| digest.as_ref()[i])))
}
