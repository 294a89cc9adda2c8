//! What the columns of accounts hold.

use chrono::{DateTime, Utc};
use hotshelf_domain::{Role, TokenHash};

use crate::error::SqlError;
use crate::rows::{corrupt, time_of};

/// Of a row that the service has written.
pub(super) fn time(milliseconds: i64) -> Result<DateTime<Utc>, SqlError> {
    time_of(milliseconds).ok_or_else(|| corrupt(&format!("{milliseconds} in the accounts is no time")))
}

pub(super) fn role(text: &str) -> Result<Role, SqlError> {
    text.parse().map_err(|_| corrupt(&format!("{text:?} in the accounts is no role")))
}

pub(super) fn token_hash(bytes: &[u8]) -> Result<TokenHash, SqlError> {
    bytes.try_into().map_err(|_| corrupt(&format!("a hash of a token in the accounts has {} bytes", bytes.len())))
}

pub(super) fn now() -> i64 {
    Utc::now().timestamp_millis()
}
