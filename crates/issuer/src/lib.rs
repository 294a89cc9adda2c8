//! For tokens of an outside issuer: bearer tokens in the form of JWTs (RFC 7519), checked with the keys that the issuer
//! publishes (RFC 7517). Knows no users. May depend on `lifecycle`.
//!
//! [`Issuer::validate`] says whether a token is one of the issuer's and good now, and what it claims. What these claims
//! mean is for others. The keys are read from a file or a URL, again and again ([`Issuer::run`]), and when a token
//! names one that is not known, though not each time.

mod claims;
mod issuer;
mod keys;
mod ring_provider;
mod source;

pub use claims::Claims;
pub use issuer::{Issuer, IssuerError, IssuerOptions, LONGEST_TOKEN, Refused, ValidToken};
pub use keys::{KeyName, SignatureAlgorithm};
pub use source::{InvalidKeySource, KeySource};
