//! What is cached, in a form that a hit reads without parsing: numbers of eight bytes, then single bytes.

use bytes::{Buf, BufMut, Bytes};
use chrono::{DateTime, Utc};
use hotshelf_cache::{Key, Value};
use hotshelf_domain::{
    ApiKey, ApiKeyId, Areas, Email, OrganizationId, Role, Session, SessionId, TokenHash, User, UserId,
};
use hotshelf_issuer::KeyName;

use crate::token::{Shown, TokenKind};

/// What the keys of sessions begin with, those of API keys, and those of who somebody is.
pub(crate) const SESSION: &str = "session:";
pub(crate) const API_KEY: &str = "apikey:";
pub(crate) const IDENTITY: &str = "account:";
/// What the keys of tokens of an outside issuer begin with, and those of their revocations.
pub(crate) const ISSUED: &str = "jwt:";
pub(crate) const REVOKED: &str = "revoked:";

/// In the byte of the role. A version that does not know them takes the entry for none, and lets nobody in by it.
const UNVERIFIED: u8 = 0x10;
const SUSPENDED: u8 = 0x20;

/// Who somebody is, and may do what. Invalid as soon as any of it changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Who.
    pub user: UserId,
    /// Where.
    pub organization: OrganizationId,
    /// What there.
    pub role: Role,
    /// Whether the address is known to be the user's.
    pub verified: bool,
    /// Whether the organization is suspended: nothing may be done.
    pub suspended: bool,
    /// Sessions of another generation have ended.
    pub(crate) session_generation: i64,
    /// API keys of another generation have ended.
    pub(crate) key_generation: i64,
    /// The address, as the entry has it.
    email: Bytes,
}

impl Identity {
    /// The address of the user.
    pub fn email(&self) -> &str {
        std::str::from_utf8(&self.email).unwrap_or_default()
    }

    /// The same, as it is stored: the account may be older than the rules for addresses.
    pub fn address(&self) -> Email {
        Email::from_row(self.email().to_owned())
    }

    pub(crate) fn key(user: UserId) -> Key {
        Key::numbered(IDENTITY, user.get())
    }

    pub(crate) fn pack(user: &User) -> Value {
        let numbers = [user.id.get(), user.organization_id.get(), user.session_generation, user.key_generation];
        let flags = if user.verified { 0 } else { UNVERIFIED } | if user.suspended { SUSPENDED } else { 0 };
        pack(numbers, &[&[user.role as u8 | flags], user.email.as_str().as_bytes()].concat())
    }

    /// `None` for what this version would not write, as with the other entries.
    pub(crate) fn unpack(payload: &Bytes) -> Option<Self> {
        let ([user, organization, session_generation, key_generation], rest) = unpack(payload)?;
        let (role, email) = rest.split_first()?;
        Some(Identity {
            user: UserId::new(user)?,
            organization: OrganizationId::new(organization)?,
            role: role_of(*role & !(UNVERIFIED | SUSPENDED))?,
            verified: *role & UNVERIFIED == 0,
            suspended: *role & SUSPENDED != 0,
            session_generation,
            key_generation,
            email: payload.slice_ref(email),
        })
    }
}

/// What a token stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Credential {
    Session(SessionEntry),
    ApiKey(KeyEntry),
    Issued(IssuedEntry),
}

/// What is cached of a session. Its end may have been moved since; it never comes earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SessionEntry {
    pub(crate) id: SessionId,
    pub(crate) user: UserId,
    pub(crate) generation: i64,
    /// Milliseconds since 1970.
    pub(crate) expires_at: i64,
}

/// What is cached of an API key, which never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyEntry {
    pub(crate) id: ApiKeyId,
    pub(crate) user: UserId,
    pub(crate) role: Role,
    pub(crate) scopes: Areas,
    /// Good as long as it is the user's current one.
    pub(crate) generation: i64,
    /// Milliseconds since 1970.
    pub(crate) expires_at: i64,
}

/// The end of a key that has none.
const NEVER: i64 = i64::MAX;

impl Credential {
    /// Of the tokens that are a credential.
    pub(crate) fn unpack(shown: Shown, payload: &[u8]) -> Option<Self> {
        match shown {
            Shown::Own(TokenKind::Session, _) => SessionEntry::unpack(payload).map(Credential::Session),
            Shown::Own(TokenKind::ApiKey, _) => KeyEntry::unpack(payload).map(Credential::ApiKey),
            Shown::Own(TokenKind::Reset | TokenKind::Proof | TokenKind::Invitation, _) => None,
            Shown::Issued(_) => IssuedEntry::unpack(payload).map(Credential::Issued),
        }
    }

    pub(crate) fn user(&self) -> UserId {
        match self {
            Credential::Session(session) => session.user,
            Credential::ApiKey(key) => key.user,
            Credential::Issued(token) => token.user,
        }
    }
}

/// What is cached of a verified token of an outside issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IssuedEntry {
    pub(crate) user: UserId,
    /// When it expires, in milliseconds since 1970.
    pub(crate) end: i64,
    /// The key that has signed it.
    pub(crate) key: KeyName,
    /// Its highest role; `None`: the role of its user.
    pub(crate) role: Option<Role>,
    /// The organization that its user must have, if it names one.
    pub(crate) organization: Option<OrganizationId>,
    /// The hash under which a revocation is stored.
    pub(crate) revocation: TokenHash,
}

impl IssuedEntry {
    pub(crate) fn key(token_hash: &TokenHash) -> Key {
        hashed_key(ISSUED, token_hash)
    }

    pub(crate) fn pack(&self) -> Value {
        let organization = self.organization.map_or(0, OrganizationId::get);
        let role = self.role.map_or(ANY_ROLE, |role| role as u8);
        let numbers = [self.user.get(), self.end, self.key.0.cast_signed(), organization];
        pack(numbers, &[&[role][..], &self.revocation].concat())
    }

    fn unpack(payload: &[u8]) -> Option<Self> {
        let ([user, end, key, organization], rest) = unpack(payload)?;
        let (role, revocation) = rest.split_first()?;
        Some(IssuedEntry {
            user: UserId::new(user)?,
            end,
            key: KeyName(key.cast_unsigned()),
            role: if *role == ANY_ROLE { None } else { Some(role_of(*role)?) },
            organization: if organization == 0 { None } else { Some(OrganizationId::new(organization)?) },
            revocation: revocation.try_into().ok()?,
        })
    }
}

/// The byte of a role that says: the role of the user.
const ANY_ROLE: u8 = u8::MAX;

/// The entry that says whether a token of an outside issuer is revoked.
pub(crate) struct Revocation;

impl Revocation {
    pub(crate) fn key(revocation: &TokenHash) -> Key {
        hashed_key(REVOKED, revocation)
    }

    pub(crate) fn pack(is_revoked: bool) -> Value {
        Value::unversioned(Bytes::from_static(if is_revoked { &[1] } else { &[0] }))
    }

    /// Every payload but that of `pack(false)` says yes, so that a damaged entry admits no revoked token.
    pub(crate) fn is_revoked(payload: &[u8]) -> bool {
        payload != [0]
    }
}

impl SessionEntry {
    pub(crate) fn key(token_hash: &TokenHash) -> Key {
        hashed_key(SESSION, token_hash)
    }

    pub(crate) fn pack(session: &Session) -> Value {
        let expires_at = session.expires_at.timestamp_millis();
        pack([session.id.get(), session.user_id.get(), session.generation, expires_at], &[])
    }

    fn unpack(payload: &[u8]) -> Option<Self> {
        let ([id, user, generation, expires_at], []) = unpack(payload)? else { return None };
        Some(SessionEntry { id: SessionId::new(id)?, user: UserId::new(user)?, generation, expires_at })
    }

    pub(crate) fn has_ended(&self, now: DateTime<Utc>) -> bool {
        self.expires_at <= now.timestamp_millis()
    }
}

impl KeyEntry {
    pub(crate) fn key(token_hash: &TokenHash) -> Key {
        hashed_key(API_KEY, token_hash)
    }

    pub(crate) fn pack(key: &ApiKey) -> Value {
        let end = key.expires_at.map_or(NEVER, |end| end.timestamp_millis());
        let numbers = [key.id.get(), key.user_id.get(), key.generation, end];
        pack(numbers, &[key.role as u8, key.scopes.to_bits()])
    }

    fn unpack(payload: &[u8]) -> Option<Self> {
        let ([id, user, generation, expires_at], [role, scopes]) = unpack(payload)? else { return None };
        let (id, user, role) = (ApiKeyId::new(id)?, UserId::new(user)?, role_of(*role)?);
        Some(KeyEntry { id, user, role, scopes: Areas::from_bits(*scopes), generation, expires_at })
    }

    pub(crate) fn has_ended(&self, now: DateTime<Utc>) -> bool {
        self.expires_at <= now.timestamp_millis()
    }
}

fn pack<const N: usize>(numbers: [i64; N], rest: &[u8]) -> Value {
    let mut payload = Vec::with_capacity(8 * N + rest.len());
    numbers.into_iter().for_each(|number| payload.put_i64(number));
    payload.put_slice(rest);
    Value::unversioned(payload)
}

fn unpack<const N: usize>(mut payload: &[u8]) -> Option<([i64; N], &[u8])> {
    let numbers = (payload.len() >= 8 * N).then(|| std::array::from_fn(|_| payload.get_i64()))?;
    Some((numbers, payload))
}

fn role_of(byte: u8) -> Option<Role> {
    Role::ALL.get(usize::from(byte)).copied()
}

/// `kind` and the hash of a token in hexadecimal.
fn hashed_key(kind: &str, token_hash: &TokenHash) -> Key {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut key = String::with_capacity(kind.len() + 2 * token_hash.len());
    key.push_str(kind);
    for byte in token_hash {
        key.push(char::from(DIGITS[usize::from(byte >> 4)]));
        key.push(char::from(DIGITS[usize::from(byte & 0xf)]));
    }
    Key::new(key)
}

#[cfg(test)]
mod tests {
    use hotshelf_domain::Area;

    use super::*;

    fn user() -> User {
        User {
            id: UserId::new(7).unwrap(),
            email: "ann@shop.example".parse().unwrap(),
            organization_id: OrganizationId::BUILT_IN,
            role: Role::Editor,
            verified: true,
            suspended: false,
            created_at: Utc::now(),
            session_generation: 3,
            key_generation: 5,
        }
    }

    #[test]
    fn entries_read_back() {
        let user = user();
        let identity = Identity::unpack(&Identity::pack(&user).payload).unwrap();
        assert_eq!((identity.user, identity.organization, identity.role), (user.id, user.organization_id, user.role));
        assert_eq!((identity.session_generation, identity.key_generation), (3, 5));
        assert_eq!((identity.email(), identity.verified), ("ann@shop.example", true));
        let unverified = Identity::unpack(&Identity::pack(&User { verified: false, ..user.clone() }).payload).unwrap();
        assert_eq!((unverified.role, unverified.verified, unverified.suspended), (user.role, false, false));
        let suspended = Identity::unpack(&Identity::pack(&User { suspended: true, ..user.clone() }).payload).unwrap();
        assert_eq!((suspended.role, suspended.verified, suspended.suspended), (user.role, true, true));
        let session = Session {
            id: SessionId::new(9).unwrap(),
            user_id: user.id,
            generation: 3,
            client: String::new(),
            created_at: Utc::now(),
            last_used_at: Utc::now(),
            expires_at: Utc::now(),
        };
        let expires_at = session.expires_at.timestamp_millis();
        let entry = SessionEntry { id: session.id, user: user.id, generation: 3, expires_at };
        assert_eq!(SessionEntry::unpack(&SessionEntry::pack(&session).payload), Some(entry));
    }

    #[test]
    fn entries_of_api_keys_read_back() {
        let end = DateTime::from_timestamp_millis(1_764_000_000_000);
        let some: Areas = [Area::Cache].into_iter().collect();
        for (role, expires_at, scopes) in
            Role::ALL.into_iter().flat_map(|role| [(role, None, Areas::ALL), (role, end, some), (role, None, some)])
        {
            let key = ApiKey {
                id: ApiKeyId::new(4).unwrap(),
                user_id: UserId::new(7).unwrap(),
                name: String::new(),
                role,
                generation: 5,
                created_at: Utc::now(),
                last_used_at: None,
                expires_at,
                scopes,
            };
            let value = KeyEntry::pack(&key);
            let entry = KeyEntry::unpack(&value.payload).unwrap();
            assert_eq!((entry.id, entry.user, entry.role, entry.generation), (key.id, key.user_id, role, 5));
            assert_eq!(
                (entry.scopes, entry.expires_at),
                (scopes, expires_at.map_or(NEVER, |end| end.timestamp_millis()))
            );
            for length in 0..value.payload.len() {
                assert_eq!(KeyEntry::unpack(&value.payload[..length]), None);
            }
        }
    }

    #[test]
    fn entries_of_issued_tokens_read_back() {
        let issued = IssuedEntry {
            user: UserId::new(7).unwrap(),
            end: 1_800_000_000_000,
            key: KeyName(u64::MAX),
            role: None,
            organization: None,
            revocation: [7; 32],
        };
        for role in [None, Some(Role::Viewer), Some(Role::Admin)] {
            for organization in [None, OrganizationId::new(3)] {
                let entry = IssuedEntry { role, organization, ..issued };
                assert_eq!(IssuedEntry::unpack(&entry.pack().payload), Some(entry));
            }
        }
        assert!(Revocation::is_revoked(&Revocation::pack(true).payload) && Revocation::is_revoked(b""));
        assert!(!Revocation::is_revoked(&Revocation::pack(false).payload));
    }

    /// `tests/accounts/forgery.rs` writes these payloads to Redis. They prove something only if they are good.
    #[test]
    fn forged_entries_would_give_rights() {
        let numbers = |numbers: [i64; 4]| numbers.iter().flat_map(|number| number.to_be_bytes()).collect::<Vec<_>>();
        let now = Utc::now();
        let session = SessionEntry::unpack(&numbers([777_777, 1, 1, 99_999_999_999_999])).unwrap();
        assert_eq!((session.user.get(), session.generation, session.has_ended(now)), (1, 1, false));
        let key = KeyEntry::unpack(&[&numbers([999, 1, 1, i64::MAX])[..], &[2, 0xff]].concat()).unwrap();
        assert_eq!((key.user.get(), key.role, key.scopes), (1, Role::Admin, Areas::ALL));
        assert_eq!((key.generation, key.has_ended(now)), (1, false));
        let account = [&numbers([3, 1, 1, 1])[..], &[2], b"viewer@one.example"].concat();
        let identity = Identity::unpack(&Bytes::from(account)).unwrap();
        assert_eq!((identity.role, identity.verified, identity.suspended), (Role::Admin, true, false));
        assert_eq!((identity.session_generation, identity.key_generation), (1, 1));
    }

    #[test]
    fn what_is_no_entry_is_none() {
        for payload in [&b""[..], &[0; 8], &[0; 25], &[0; 64], &[9; 24], &[9; 25], &[9; 33]] {
            assert_eq!(SessionEntry::unpack(payload), None);
            assert_eq!(KeyEntry::unpack(payload), None);
            assert_eq!(IssuedEntry::unpack(payload), None);
            assert_eq!(Identity::unpack(&Bytes::copy_from_slice(payload)), None);
        }
    }
}
