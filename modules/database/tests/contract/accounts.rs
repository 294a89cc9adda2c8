//! Sessions, API keys and users in the database: what ends, and that nothing brings it back.
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;
use hotshelf_cache::Fencing;
use hotshelf_database::Database;
use hotshelf_domain::{
    Actor, Area, Areas, AuditAction, AuditQuery, Home, LeavingSessions, NewApiKey, NewSession, NewUser,
    OrganizationDraft, OrganizationId, Role, Session, StoreError, TokenHash, Used, User,
};

use crate::adapter::{Adapter, Storage};

const MOST_SESSIONS: u8 = 100;

struct Accounts {
    accounts: Database,
    ann: User,
    _storage: Storage,
}

fn token_hash(number: u8) -> TokenHash {
    [number; 32]
}

fn import(expires_at: Option<DateTime<Utc>>, scopes: Areas) -> NewApiKey {
    NewApiKey { name: "Import".to_owned(), role: Role::Viewer, expires_at, scopes }
}

/// To the millisecond, as the database keeps it.
fn in_seconds(seconds: i64) -> DateTime<Utc> {
    let time = Utc::now() + TimeDelta::seconds(seconds);
    DateTime::from_timestamp_millis(time.timestamp_millis()).unwrap()
}

impl Accounts {
    async fn new(adapter: Adapter) -> Self {
        let storage = adapter.storage();
        let accounts = storage.open().await;
        let home = Home::In(OrganizationId::BUILT_IN);
        let email = "ann@shop.example".parse().unwrap();
        let password_hash = Some("old".to_owned());
        let ann = NewUser { email, password_hash, home, role: Role::Admin, verified: true };
        let ann = accounts.add_user(ann, None, Actor::default(), Fencing::Fenced).await.unwrap().value;
        Accounts { accounts, ann, _storage: storage }
    }

    async fn open(&self, number: u8, end: DateTime<Utc>, leaving: Vec<TokenHash>) -> Result<Session, StoreError> {
        let new = NewSession {
            token_hash: token_hash(number),
            user_id: self.ann.id,
            generation: self.ann.session_generation,
            client: String::new(),
            expires_at: end,
        };
        let leaving = LeavingSessions { replaced: None, oldest: leaving };
        Ok(self.accounts.open_session(new, leaving, Actor::default(), Fencing::Fenced).await?.value)
    }

    async fn extend(&self, number: u8, expires_at: DateTime<Utc>) {
        let used = Used { token_hash: token_hash(number), at: in_seconds(1), expires_at };
        self.accounts.extend_sessions(vec![used], TimeDelta::seconds(1_000)).await.unwrap();
    }

    async fn end_of(&self, number: u8) -> Option<DateTime<Utc>> {
        self.accounts.session(token_hash(number)).await.unwrap().map(|session| session.expires_at)
    }
}

pub(crate) async fn the_hundred_and_first_session_ends_the_oldest_that_lives_and_no_other(adapter: Adapter) {
    let house = Accounts::new(adapter).await;
    let later = in_seconds(60);
    // What has ended by itself takes nobody's place.
    house.open(200, in_seconds(-1), Vec::new()).await.unwrap();
    for number in 0..MOST_SESSIONS {
        assert!(house.accounts.sessions_without_room(house.ann.id).await.unwrap().is_empty());
        house.open(number, later, Vec::new()).await.unwrap();
    }
    let leaving = house.accounts.sessions_without_room(house.ann.id).await.unwrap();
    assert_eq!(leaving, [token_hash(0)]);
    for wrong in [Vec::new(), vec![token_hash(201)]] {
        let refused = house.open(100, later, wrong).await.unwrap_err();
        assert!(matches!(refused, StoreError::TooManySessions(_)) && refused.changed_nothing(), "{refused}");
    }
    assert!(house.end_of(0).await.is_some());
    house.open(100, later, leaving).await.unwrap();
    assert_eq!(house.end_of(0).await, None);
    assert_eq!(house.accounts.sessions_of(house.ann.id).await.unwrap().len(), usize::from(MOST_SESSIONS));
}

pub(crate) async fn no_use_brings_back_what_has_ended(adapter: Adapter) {
    let house = Accounts::new(adapter).await;
    let (over, end, later) = (in_seconds(-1), in_seconds(60), in_seconds(120));
    house.open(1, over, Vec::new()).await.unwrap();
    house.open(2, end, Vec::new()).await.unwrap();
    house.extend(1, later).await;
    assert_eq!(house.end_of(1).await, Some(over));
    house.extend(2, later).await;
    house.extend(2, end).await;
    assert_eq!(house.end_of(2).await, Some(later), "none is shortened");
    let begun = house.accounts.session(token_hash(2)).await.unwrap().unwrap().created_at;
    let used = Used { token_hash: token_hash(2), at: in_seconds(2), expires_at: in_seconds(5_000) };
    house.accounts.extend_sessions(vec![used], TimeDelta::seconds(1_000)).await.unwrap();
    assert_eq!(house.end_of(2).await, Some(begun + TimeDelta::seconds(1_000)), "none lasts longer than it may");
    house.accounts.end_session(token_hash(2), Actor::default(), Fencing::Fenced).await.unwrap();
    house.extend(2, later).await;
    assert_eq!(house.end_of(2).await, None);
}

pub(crate) async fn a_reset_ends_the_keys_and_a_session_that_has_ended_makes_none(adapter: Adapter) {
    let house = Accounts::new(adapter).await;
    let accounts = &house.accounts;
    let session = house.open(1, in_seconds(60), Vec::new()).await.unwrap();
    let new = || import(None, Areas::ALL);
    let key = accounts.add_api_key(house.ann.id, session.id, new(), token_hash(11), Actor::default()).await.unwrap();
    accounts.allow_reset(house.ann.id, token_hash(21), in_seconds(60)).await.unwrap();
    accounts.reset_password(token_hash(21), "new".to_owned(), Actor::default(), Fencing::Fenced).await.unwrap();
    assert_eq!(accounts.api_key(token_hash(11)).await.unwrap(), None);
    let ann = accounts.user(house.ann.id).await.unwrap().unwrap();
    assert_ne!(ann.key_generation, key.generation, "a copy of the key is of a generation that is over");
    let refused = accounts.add_api_key(ann.id, session.id, new(), token_hash(12), Actor::default()).await.unwrap_err();
    assert!(matches!(refused, StoreError::SessionsEnded(_)), "{refused}");
}

pub(crate) async fn the_last_use_of_a_key_never_moves_back(adapter: Adapter) {
    let house = Accounts::new(adapter).await;
    let session = house.open(1, in_seconds(60), Vec::new()).await.unwrap();
    let new = import(None, Areas::ALL);
    let key =
        house.accounts.add_api_key(house.ann.id, session.id, new, token_hash(11), Actor::default()).await.unwrap();
    let (earlier, later) = (in_seconds(1), in_seconds(2));
    for at in [earlier, later, earlier] {
        house.accounts.note_api_keys(vec![(key.id, at)]).await.unwrap();
    }
    assert_eq!(house.accounts.api_key(token_hash(11)).await.unwrap().unwrap().last_used_at, Some(later));
}

pub(crate) async fn the_end_and_the_scopes_of_a_key_are_kept_and_admins_find_it(adapter: Adapter) {
    let house = Accounts::new(adapter).await;
    let (accounts, ann) = (&house.accounts, &house.ann);
    let session = house.open(1, in_seconds(60), Vec::new()).await.unwrap();
    let some: Areas = [Area::Products, Area::Audit].into_iter().collect();
    let mut keys = Vec::new();
    for (number, end, scopes) in
        [(11, None, Areas::ALL), (12, Some(in_seconds(60)), some), (13, Some(in_seconds(-60)), Areas::ALL)]
    {
        let new = import(end, scopes);
        let key = accounts.add_api_key(ann.id, session.id, new, token_hash(number), Actor::default()).await.unwrap();
        assert_eq!((key.expires_at, key.scopes), (end, scopes));
        assert_eq!(accounts.api_key(token_hash(number)).await.unwrap().as_ref(), Some(&key));
        keys.push(key);
    }
    let (home, other) = (ann.organization_id, OrganizationId::new(2).unwrap());
    let page = accounts.api_keys_of_organization(home, Some(keys[0].id), 1).await.unwrap();
    assert_eq!((page.len(), &page[0].key, page[0].email.as_str()), (1, &keys[1], "ann@shop.example"));
    assert_eq!(accounts.api_keys_of_organization(other, None, 100).await.unwrap(), []);
    let found = accounts.api_key_of_organization(home, keys[1].id).await.unwrap();
    assert_eq!(found, Some((keys[1].clone(), token_hash(12))));
    assert_eq!(accounts.api_key_of_organization(other, keys[1].id).await.unwrap(), None);

    assert_eq!(accounts.forget_api_keys(in_seconds(-120)).await.unwrap(), 0);
    assert_eq!(accounts.forget_api_keys(in_seconds(0)).await.unwrap(), 1);
    assert_eq!(accounts.forget_api_keys(in_seconds(0)).await.unwrap(), 0);
    assert_eq!(accounts.api_keys_of(ann.id).await.unwrap().len(), 2);
}

pub(crate) async fn revocations_are_recorded_once_and_forgotten_in_batches(adapter: Adapter) {
    let house = Accounts::new(adapter).await;
    let accounts = &house.accounts;
    // One of them expired less than the largest difference of clocks ago.
    let (expired, just_expired, later) = (in_seconds(-2 * 60 * 60), in_seconds(-60), in_seconds(60));
    let revoke = async |token_hash: TokenHash, end: Option<DateTime<Utc>>| {
        accounts.revoke_token(token_hash, end, None, Actor::default(), Fencing::Fenced).await.unwrap();
    };
    let numbered = |number: u16| {
        let mut token_hash = [7; 32];
        token_hash[..2].copy_from_slice(&number.to_be_bytes());
        token_hash
    };
    // Several at once, so that they share commits; not all, because a bounded number of writes may wait.
    for first in [0, 500, 1_000] {
        join_all((first..first + 500).map(|number| revoke(numbered(number), Some(expired)))).await;
    }
    let (without_end, extended) = (token_hash(1), token_hash(2));
    revoke(without_end, Some(expired)).await;
    revoke(without_end, None).await;
    revoke(extended, Some(expired)).await;
    revoke(extended, Some(later)).await;
    revoke(extended, Some(expired)).await;
    revoke(token_hash(3), Some(just_expired)).await;
    let query = AuditQuery { action: Some(AuditAction::TokenRevoked), limit: 2_000, ..AuditQuery::default() };
    let recorded = accounts.audit_log(query).await.unwrap();
    assert_eq!(recorded.len(), 1_503, "what is revoked already is not recorded again");

    assert_eq!(accounts.forget_ended().await.unwrap(), 1_000);
    assert_eq!(accounts.forget_ended().await.unwrap(), 500);
    assert_eq!(accounts.forget_ended().await.unwrap(), 0);
    for kept in [without_end, extended, token_hash(3)] {
        assert!(accounts.is_revoked(kept).await.unwrap());
    }
    assert!(!accounts.is_revoked(numbered(0)).await.unwrap());
    assert!(!accounts.is_revoked(token_hash(4)).await.unwrap());
}

/// The entry of the audit log is for the admins of the user, whoever revokes the token.
pub(crate) async fn a_revocation_is_recorded_for_the_organization_of_the_user(adapter: Adapter) {
    let house = Accounts::new(adapter).await;
    let (accounts, ann) = (&house.accounts, &house.ann);
    let elsewhere = Actor::default().for_organization(OrganizationId::new(7).unwrap());
    for (number, user) in [(1, Some(ann.clone())), (2, None)] {
        let revoke = accounts.revoke_token(token_hash(number), None, user, elsewhere.clone(), Fencing::Fenced);
        revoke.await.unwrap();
    }
    let recorded = async |organization| {
        let action = Some(AuditAction::TokenRevoked);
        let query = AuditQuery { organization, action, limit: 10, ..AuditQuery::default() };
        let entries = accounts.audit_log(query).await.unwrap();
        entries.into_iter().map(|entry| entry.detail).collect::<Vec<_>>()
    };
    assert_eq!(recorded(Some(ann.organization_id)).await, [Some(format!("of user {}", ann.id))]);
    assert_eq!(recorded(elsewhere.organization).await, [None]);
}

/// Only somebody who is trusted can make the tokens from before a removal good again.
pub(crate) async fn a_token_from_before_a_removal_creates_no_user(adapter: Adapter) {
    let house = Accounts::new(adapter).await;
    let accounts = &house.accounts;
    let add = async |home: Home, verified: bool, with_password: bool| {
        let password_hash = with_password.then(|| "hash".to_owned());
        let email = "bob@shop.example".parse().unwrap();
        let bob = NewUser { email, password_hash, home, role: Role::Viewer, verified };
        let holder = accounts.credentials(bob.email.clone()).await.unwrap().map(|(holder, _)| holder.id);
        Ok::<_, StoreError>(accounts.add_user(bob, holder, Actor::default(), Fencing::Fenced).await?.value)
    };
    let organization = OrganizationId::BUILT_IN;
    let by_token = |issued_at| Home::Issued { organization, issued_at };
    let remove = async |user: User| {
        accounts.remove_user(user.id, true, Actor::default(), Fencing::Fenced).await.unwrap();
    };
    let refused = async |issued_at: Option<i64>| {
        let refused = add(by_token(issued_at), true, false).await.unwrap_err();
        assert!(matches!(refused, StoreError::RemovedSince) && refused.changed_nothing(), "{issued_at:?}: {refused}");
    };
    // As long as nobody was removed, the time of the token does not matter.
    remove(add(by_token(None), true, false).await.unwrap()).await;
    let now = Utc::now().timestamp();
    for issued_at in [None, Some(0), Some(now - 1), Some(now - 600)] {
        refused(issued_at).await;
    }
    // A registration that nobody has verified makes no difference, whether it goes on or has ended.
    let named = |name: &str| {
        let draft = OrganizationDraft::from_json(format!(r#"{{"name": "{name}"}}"#).as_bytes()).unwrap();
        draft.into_new().unwrap()
    };
    let found = Home::New(named("Bob"));
    let registered = add(found.clone(), false, true).await.unwrap();
    refused(Some(now - 1)).await;
    accounts.end_unverified(registered.id, Fencing::Fenced).await.unwrap();
    refused(Some(now - 1)).await;
    // A token that was issued later is good, and takes over a registration that was not verified.
    add(found, false, true).await.unwrap();
    remove(add(by_token(Some(now + 60)), true, false).await.unwrap()).await;
    refused(Some(now - 1)).await;
    // The removal of a user whom an admin has added counts, also before the user has chosen a password.
    let added = add(Home::In(organization), false, false).await.unwrap();
    remove(added).await;
    refused(Some(now - 1)).await;
    let other = accounts.create_organization(named("Acme"), Actor::default()).await.unwrap();
    let added = add(Home::In(other.id), true, true).await.unwrap();
    accounts.end_organization(other.id, vec![added.id], Actor::default(), Fencing::Fenced).await.unwrap();
    refused(Some(now - 1)).await;
}
