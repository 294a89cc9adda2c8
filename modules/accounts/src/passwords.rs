//! Passwords as argon2id hashes (RFC 9106), which are slow on purpose: made on threads of their own, a few at a time.

use std::sync::Arc;
use std::thread;

use argon2::password_hash::rand_core::OsRng;
use argon2::password_hash::{Error, PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use hotshelf_domain::normalized_password;
use hotshelf_stats::IntCounter;
use tokio::sync::Semaphore;

use crate::error::AuthError;

/// Hashes that may wait for their turn. Each takes some 20 to 50 ms, and 19 MiB of memory when it is made.
const MOST_WAITING: usize = 64;

/// In the form of a hash, of which nobody knows a password: it costs as much to compare with.
const NOBODYS: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$YSBzYWx0IG9mIG5vYm9keQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// What a password is to a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Match {
    Wrong,
    Right,
    /// Right, but the hash should be made anew: it was made in another way.
    Outdated,
}

pub(crate) struct Passwords {
    turns: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    checks: IntCounter,
}

impl Passwords {
    pub(crate) fn new(checks: IntCounter) -> Self {
        // The others are for requests.
        let turns = thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2));
        let waiting = Semaphore::new(MOST_WAITING);
        Passwords { turns: Arc::new(Semaphore::new(turns)), waiting: Arc::new(waiting), checks }
    }

    /// The hash to store of a normalized password, in the PHC string format.
    pub(crate) async fn hash(&self, password: String) -> Result<String, AuthError> {
        self.in_turn(move || hash(&password)).await
    }

    /// Whether that is the password of that hash. Without one, it is not, and that takes as long: how long a login
    /// takes must not tell whether there is such a user.
    pub(crate) async fn verify(&self, password: String, stored: Option<String>) -> Result<Match, AuthError> {
        self.checks.inc();
        self.in_turn(move || {
            let compared = compare(&password, stored.as_deref().unwrap_or(NOBODYS))?;
            Ok(if stored.is_some() { compared } else { Match::Wrong })
        })
        .await
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, AuthError> {
        let waiting = Arc::clone(&self.waiting).try_acquire_owned().map_err(|_| AuthError::Busy)?;
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| AuthError::Busy)?;
        let worked = tokio::task::spawn_blocking(move || {
            // Given back when the work is done, whether anybody still waits for it or not.
            let _turns = (waiting, turn);
            work()
        });
        match worked.await {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(error)) => Err(AuthError::Hash(error.to_string())),
            Err(died) => Err(AuthError::Hash(died.to_string())),
        }
    }
}

fn hash(password: &str) -> Result<String, Error> {
    let salt = SaltString::generate(&mut OsRng);
    Ok(Argon2::default().hash_password(password.as_bytes(), &salt)?.to_string())
}

/// Hashes of before passwords were normalized are of what was typed.
fn compare(typed: &str, stored: &str) -> Result<Match, Error> {
    let normalized = normalized_password(typed);
    if matches(&normalized, stored)? {
        return Ok(if is_current(&PasswordHash::new(stored)?) { Match::Right } else { Match::Outdated });
    }
    Ok(if normalized != typed && matches(typed, stored)? { Match::Outdated } else { Match::Wrong })
}

/// Whether the hash would be made like this today.
fn is_current(stored: &PasswordHash<'_>) -> bool {
    let costs = |params: &Params| (params.m_cost(), params.t_cost(), params.p_cost());
    let today = (Algorithm::Argon2id.ident(), Some(Version::V0x13.into()));
    (stored.algorithm, stored.version) == today
        && Params::try_from(stored).is_ok_and(|params| costs(&params) == costs(&Params::DEFAULT))
}

fn matches(password: &str, stored: &str) -> Result<bool, Error> {
    match Argon2::default().verify_password(password.as_bytes(), &PasswordHash::new(stored)?) {
        Ok(()) => Ok(true),
        Err(Error::Password) => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_hash_knows_its_password() {
        let passwords = Passwords::new(IntCounter::new("checks", "checks").unwrap());
        let stored = passwords.hash("correct horse".to_owned()).await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        let verify = async |password: &str, stored: Option<&String>| {
            passwords.verify(password.to_owned(), stored.cloned()).await.unwrap()
        };
        assert_eq!(verify("correct horse", Some(&stored)).await, Match::Right);
        assert_eq!(verify("ｃorrect horse", Some(&stored)).await, Match::Right);
        assert_eq!(verify("wrong horse", Some(&stored)).await, Match::Wrong);
        assert_eq!(verify("correct horse", None).await, Match::Wrong);
        assert_eq!(passwords.checks.get(), 4);
        let parameters = |hash: &str| hash.rsplitn(3, '$').last().map(str::to_owned);
        assert_eq!(parameters(&stored), parameters(NOBODYS), "both cost the same");
    }

    #[test]
    fn a_hash_that_was_made_in_another_way_is_outdated() {
        let salt = SaltString::generate(&mut OsRng);
        let cheap = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(8, 1, 1, None).unwrap());
        let cheap = cheap.hash_password(b"correct horse", &salt).unwrap().to_string();
        assert_eq!(compare("correct horse", &cheap).unwrap(), Match::Outdated);
        assert_eq!(compare("wrong horse", &cheap).unwrap(), Match::Wrong);
        // As it was typed, before passwords were normalized.
        let decomposed = hash("cafe\u{301} au lait").unwrap();
        assert_eq!(compare("cafe\u{301} au lait", &decomposed).unwrap(), Match::Outdated);
        let composed = hash("caf\u{e9} au lait").unwrap();
        assert_eq!(compare("cafe\u{301} au lait", &composed).unwrap(), Match::Right);
    }

    #[tokio::test]
    async fn with_too_many_waiting_the_next_is_told_so() {
        let passwords = Passwords::new(IntCounter::new("checks", "checks").unwrap());
        let all = Arc::clone(&passwords.waiting).acquire_many_owned(MOST_WAITING as u32).await.unwrap();
        assert!(matches!(passwords.hash(String::new()).await, Err(AuthError::Busy)));
        drop(all);
        assert!(passwords.hash(String::new()).await.is_ok());
    }
}
