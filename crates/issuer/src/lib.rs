//! Verifies bearer tokens of an outside issuer: JWTs (RFC 7519) with a signature (JWS, RFC 7515) by one of the keys
//! that the issuer publishes (JWKS, RFC 7517). It follows the recommendations of RFC 8725. Knows no users. May depend
//! on `lifecycle`.
//!
//! [`Issuer::validate`] says whether the issuer has signed a token that is valid now, and returns its claims. What the
//! claims mean is for the caller. The keys come from a file or a URL. [`Issuer::run`] reads them at regular intervals;
//! a token that names an unknown key makes the issuer read them earlier, at most once in half a minute.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! # let directory = tempfile::tempdir()?;
//! # let file = directory.path().join("keys.json");
//! use std::time::Duration;
//!
//! use hotshelf_issuer::{Issuer, IssuerOptions, KeySource, SignatureAlgorithm};
//! use hotshelf_testkit::token_issuer::{SigningKey, claims, key_set};
//!
//! let key = SigningKey::ed("2026");
//! std::fs::write(&file, key_set(&[&key]))?;
//! let issuer = Issuer::new(IssuerOptions {
//!     issuer: "https://id.example".to_owned(),
//!     audience: vec!["hotshelf".to_owned()],
//!     keys: KeySource::File(file),
//!     algorithms: SignatureAlgorithm::ALL.to_vec(),
//!     skew: Duration::from_secs(60),
//!     refresh: Duration::from_secs(600),
//! })?;
//! let token = issuer.validate(&key.token(&claims("ann@shop.example"))).await?;
//! assert_eq!(token.claims.text("email"), Some("ann@shop.example"));
//!
//! let forged = SigningKey::ed("2026").token(&claims("ann@shop.example"));
//! assert!(issuer.validate(&forged).await.is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod claims;
mod issuer;
mod keys;
mod ring_provider;
mod source;

pub use claims::Claims;
pub use issuer::{Issuer, IssuerError, IssuerOptions, LONGEST_TOKEN, Refused, ValidToken};
pub use keys::{KeyName, SignatureAlgorithm};
pub use source::{InvalidKeySource, KeySource};
