//! Sessions and API keys in the database: what ends, and that nothing brings it back.
#![expect(clippy::unwrap_used, reason = "clippy.toml allows it in test functions, but not in their helpers")]

use chrono::{DateTime, TimeDelta, Utc};
use hotshelf_cache::Fencing;
use hotshelf_domain::{
    AccountRepository, DatabaseOptions, Home, NewApiKey, NewSession, NewUser, OrganizationId, ProductRepository, Role,
    Secret, Session, StoreError, Used, User,
};
use tempfile::TempDir;

const MOST_SESSIONS: u8 = 100;

struct Accounts {
    accounts: AccountRepository,
    ann: User,
    _directory: TempDir,
}

fn secret(number: u8) -> Secret {
    [number; 32]
}

/// To the millisecond, as the database keeps it.
fn in_seconds(seconds: i64) -> DateTime<Utc> {
    let time = Utc::now() + TimeDelta::seconds(seconds);
    DateTime::from_timestamp_millis(time.timestamp_millis()).unwrap()
}

impl Accounts {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let database = DatabaseOptions { path: directory.path().join("products.db"), shared: false };
        let stats = hotshelf_stats::Stats::new().unwrap();
        let accounts = ProductRepository::open(database, &stats).await.unwrap().accounts();
        let home = Home::In(OrganizationId::BUILT_IN);
        let email = "ann@shop.example".parse().unwrap();
        let ann = NewUser { email, password_hash: Some("old".to_owned()), home, role: Role::Admin };
        let ann = accounts.add_user(ann).await.unwrap();
        Accounts { accounts, ann, _directory: directory }
    }

    async fn open(&self, number: u8, end: DateTime<Utc>, leaving: Vec<Secret>) -> Result<Session, StoreError> {
        let new = NewSession {
            secret: secret(number),
            user_id: self.ann.id,
            generation: self.ann.session_generation,
            client: String::new(),
            expires_at: end,
        };
        Ok(self.accounts.open_session(new, leaving, Fencing::Fenced).await?.value)
    }

    async fn extend(&self, number: u8, expires_at: DateTime<Utc>) {
        let used = Used { secret: secret(number), at: Utc::now(), expires_at };
        self.accounts.extend_sessions(vec![used]).await.unwrap();
    }

    async fn end_of(&self, number: u8) -> Option<DateTime<Utc>> {
        self.accounts.session(secret(number)).await.unwrap().map(|session| session.expires_at)
    }
}

#[tokio::test]
async fn the_hundred_and_first_session_ends_the_oldest_that_lives_and_no_other() {
    let house = Accounts::new().await;
    let later = in_seconds(60);
    // What has ended by itself takes nobody's place.
    house.open(200, in_seconds(-1), Vec::new()).await.unwrap();
    for number in 0..MOST_SESSIONS {
        assert!(house.accounts.sessions_without_room(house.ann.id).await.unwrap().is_empty());
        house.open(number, later, Vec::new()).await.unwrap();
    }
    let leaving = house.accounts.sessions_without_room(house.ann.id).await.unwrap();
    assert_eq!(leaving, [secret(0)]);
    for wrong in [Vec::new(), vec![secret(201)]] {
        let refused = house.open(100, later, wrong).await.unwrap_err();
        assert!(matches!(refused, StoreError::TooManySessions(_)) && refused.changed_nothing(), "{refused}");
    }
    assert!(house.end_of(0).await.is_some());
    house.open(100, later, leaving).await.unwrap();
    assert_eq!(house.end_of(0).await, None);
    assert_eq!(house.accounts.sessions_of(house.ann.id).await.unwrap().len(), usize::from(MOST_SESSIONS));
}

#[tokio::test]
async fn no_use_brings_back_what_has_ended() {
    let house = Accounts::new().await;
    let (over, end, later) = (in_seconds(-1), in_seconds(60), in_seconds(120));
    house.open(1, over, Vec::new()).await.unwrap();
    house.open(2, end, Vec::new()).await.unwrap();
    house.extend(1, later).await;
    assert_eq!(house.end_of(1).await, Some(over));
    house.extend(2, later).await;
    house.extend(2, end).await;
    assert_eq!(house.end_of(2).await, Some(later), "none is shortened");
    house.accounts.end_session(secret(2), Fencing::Fenced).await.unwrap();
    house.extend(2, later).await;
    assert_eq!(house.end_of(2).await, None);
}

#[tokio::test]
async fn a_reset_ends_the_keys_and_a_session_that_has_ended_makes_none() {
    let house = Accounts::new().await;
    let accounts = &house.accounts;
    let session = house.open(1, in_seconds(60), Vec::new()).await.unwrap();
    let new = || NewApiKey { name: "Import".to_owned(), role: Role::Viewer };
    let key = accounts.add_api_key(house.ann.id, session.id, new(), secret(11)).await.unwrap();
    accounts.allow_reset(house.ann.id, secret(21), in_seconds(60)).await.unwrap();
    accounts.reset_password(secret(21), "new".to_owned(), Fencing::Fenced).await.unwrap();
    assert_eq!(accounts.api_key(secret(11)).await.unwrap(), None);
    let ann = accounts.user(house.ann.id).await.unwrap().unwrap();
    assert_ne!(ann.key_generation, key.generation, "a copy of the key is of a generation that is over");
    let refused = accounts.add_api_key(ann.id, session.id, new(), secret(12)).await.unwrap_err();
    assert!(matches!(refused, StoreError::SessionsEnded(_)), "{refused}");
}

#[tokio::test]
async fn the_last_use_of_a_key_never_moves_back() {
    let house = Accounts::new().await;
    let session = house.open(1, in_seconds(60), Vec::new()).await.unwrap();
    let new = NewApiKey { name: "Import".to_owned(), role: Role::Viewer };
    let key = house.accounts.add_api_key(house.ann.id, session.id, new, secret(11)).await.unwrap();
    let (earlier, later) = (in_seconds(1), in_seconds(2));
    for at in [earlier, later, earlier] {
        house.accounts.note_api_keys(vec![(key.id, at)]).await.unwrap();
    }
    assert_eq!(house.accounts.api_key(secret(11)).await.unwrap().unwrap().last_used_at, Some(later));
}
