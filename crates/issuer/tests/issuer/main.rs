//! Which tokens are accepted, and when which keys are known. A test has a key file of its own, or an issuer that
//! publishes keys over HTTP.
#![expect(clippy::unwrap_used, reason = "clippy.toml allows it in test functions, but not in their helpers")]

mod keys;
mod tokens;

use std::time::Duration;

use hotshelf_issuer::{Issuer, IssuerOptions, KeySource, Refused, SignatureAlgorithm, ValidToken};
use hotshelf_testkit::token_issuer::{AUDIENCE, ISSUER, SigningKey, key_set};
use tempfile::TempDir;

fn options(keys: KeySource) -> IssuerOptions {
    IssuerOptions {
        issuer: ISSUER.to_owned(),
        audience: vec![AUDIENCE.to_owned(), "catalogue".to_owned()],
        keys,
        algorithms: SignatureAlgorithm::ALL.to_vec(),
        skew: Duration::from_secs(60),
        refresh: Duration::from_secs(600),
    }
}

/// An issuer whose keys are in a file.
struct Setup {
    issuer: Issuer,
    directory: TempDir,
}

impl Setup {
    fn publishing(keys: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys.json");
        std::fs::write(&path, keys).unwrap();
        Setup { issuer: Issuer::new(options(KeySource::File(path))).unwrap(), directory }
    }

    fn of(keys: &[&SigningKey]) -> Self {
        Self::publishing(&key_set(keys))
    }

    async fn check(&self, token: &str) -> Result<ValidToken, Refused> {
        self.issuer.validate(token).await
    }

    async fn refuses(&self, token: &str, what: &str) {
        let checked = self.check(token).await;
        assert!(checked.is_err(), "{what}: {checked:?}");
    }
}
