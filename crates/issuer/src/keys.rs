//! The keys that an issuer publishes. Keys of kinds, strengths and purposes that no token is verified with are passed
//! over: an issuer may publish others, too.

use std::fmt;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind};
use ring::digest::{SHA256, digest};
use serde::Deserialize;

/// Keys beyond this number are passed over.
const MOST_KEYS: usize = 100;
/// Bits of an RSA key: fewer can be broken, more cost too much.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2_048..=8_192;

/// How a token may be signed. The issuer has the private key; nothing that is shared, and nothing at all, is no
/// signature.
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

    /// The name in tokens.
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

/// Which key it is, by what it consists of: a key that is published under another id is the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyName(pub u64);

/// One that tokens are verified with.
#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) id: Option<String>,
    pub(crate) algorithm: SignatureAlgorithm,
    pub(crate) name: KeyName,
    pub(crate) decoding: DecodingKey,
}

/// All that the issuer publishes now.
#[derive(Clone, Default)]
pub(crate) struct Keys(Vec<Key>);

#[derive(Deserialize)]
struct Published {
    keys: Vec<serde_json::Value>,
}

impl Keys {
    /// Of a key set as it is published.
    ///
    /// # Errors
    /// When it is no key set.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        let Published { keys } = serde_json::from_slice(bytes)?;
        Ok(Keys(keys.into_iter().filter_map(Key::read).take(MOST_KEYS).collect()))
    }

    /// The key that verifies a token with this header: by its id, or, if the token names none, the only one.
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

/// Without leading zeros, which some publish, if it is strong enough.
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
