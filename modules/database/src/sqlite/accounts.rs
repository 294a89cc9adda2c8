//! The statements on users, sessions and API keys.

pub(crate) mod api_keys;
pub(crate) mod invitations;
pub(crate) mod proofs;
mod removals;
pub(crate) mod resets;
pub(crate) mod revocations;
pub(crate) mod sessions;
pub(crate) mod users;

use chrono::{DateTime, Utc};
use hotshelf_domain::{Role, TokenHash};

use super::error::SqlError;
use super::rows::{corrupt, time_of};

/// Of a row that the service has written.
fn time(milliseconds: i64) -> Result<DateTime<Utc>, SqlError> {
    time_of(milliseconds).ok_or_else(|| corrupt(&format!("{milliseconds} in the accounts is no time")))
}

fn role(text: &str) -> Result<Role, SqlError> {
    text.parse().map_err(|_| corrupt(&format!("{text:?} in the accounts is no role")))
}

fn token_hash(bytes: &[u8]) -> Result<TokenHash, SqlError> {
    bytes.try_into().map_err(|_| corrupt(&format!("a hash of a token in the accounts has {} bytes", bytes.len())))
}

fn now() -> i64 {
    Utc::now().timestamp_millis()
}
