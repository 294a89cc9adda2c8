//! What is cached, in a form that a hit reads without parsing: numbers of fixed length, then the address.

use bytes::{BufMut, Bytes};
use chrono::{DateTime, Utc};
use hotshelf_cache::Value;
use hotshelf_domain::{OrganizationId, Role, Session, SessionId, User, UserId};

/// Who somebody is, and may do what. Void when any of it changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Who.
    pub user: UserId,
    /// Where.
    pub organization: OrganizationId,
    /// What there.
    pub role: Role,
    /// Sessions of another generation have ended.
    pub(crate) generation: i64,
    /// API keys of another generation have ended.
    pub key_generation: i64,
    /// The address, as the entry has it.
    email: Bytes,
}

impl Identity {
    /// The address of the user.
    pub fn email(&self) -> &str {
        std::str::from_utf8(&self.email).unwrap_or_default()
    }

    pub(crate) fn pack(user: &User) -> Value {
        let mut bytes = Vec::with_capacity(33 + user.email.as_str().len());
        bytes.put_i64(user.id.get());
        bytes.put_i64(user.organization_id.get());
        bytes.put_i64(user.session_generation);
        bytes.put_i64(user.key_generation);
        bytes.put_u8(match user.role {
            Role::Viewer => 0,
            Role::Editor => 1,
            Role::Admin => 2,
        });
        bytes.put_slice(user.email.as_str().as_bytes());
        Value::unversioned(bytes)
    }

    /// `None` for what this version would not write.
    pub(crate) fn unpack(payload: &Bytes) -> Option<Self> {
        let (user, rest) = number(payload)?;
        let (organization, rest) = number(rest)?;
        let (generation, rest) = number(rest)?;
        let (key_generation, rest) = number(rest)?;
        let (role, email) = rest.split_first()?;
        Some(Identity {
            user: UserId::new(user)?,
            organization: OrganizationId::new(organization)?,
            role: *Role::ALL.get(usize::from(*role))?,
            generation,
            key_generation,
            email: payload.slice_ref(email),
        })
    }
}

/// What is kept of a session. Its end may have been moved since; it never comes earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SessionEntry {
    pub(crate) id: SessionId,
    pub(crate) user: UserId,
    pub(crate) generation: i64,
    /// Milliseconds since 1970.
    pub(crate) expires_at: i64,
}

impl SessionEntry {
    pub(crate) fn pack(session: &Session) -> Value {
        let mut bytes = Vec::with_capacity(32);
        bytes.put_i64(session.id.get());
        bytes.put_i64(session.user_id.get());
        bytes.put_i64(session.generation);
        bytes.put_i64(session.expires_at.timestamp_millis());
        Value::unversioned(bytes)
    }

    pub(crate) fn unpack(payload: &[u8]) -> Option<Self> {
        let (id, rest) = number(payload)?;
        let (user, rest) = number(rest)?;
        let (generation, rest) = number(rest)?;
        let (expires_at, rest) = number(rest)?;
        let known = rest.is_empty();
        Some(SessionEntry { id: SessionId::new(id)?, user: UserId::new(user)?, generation, expires_at })
            .filter(|_| known)
    }

    pub(crate) fn has_ended(&self, now: DateTime<Utc>) -> bool {
        self.expires_at <= now.timestamp_millis()
    }
}

fn number(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((i64::from_be_bytes(*number), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_read_back() {
        let user = User {
            id: UserId::new(7).unwrap(),
            email: "ann@shop.example".parse().unwrap(),
            organization_id: OrganizationId::BUILT_IN,
            role: Role::Editor,
            created_at: Utc::now(),
            session_generation: 3,
            key_generation: 5,
        };
        let identity = Identity::unpack(&Identity::pack(&user).payload).unwrap();
        assert_eq!((identity.user, identity.organization, identity.role), (user.id, user.organization_id, user.role));
        assert_eq!((identity.generation, identity.key_generation, identity.email()), (3, 5, "ann@shop.example"));
        let session = Session {
            id: SessionId::new(9).unwrap(),
            user_id: user.id,
            generation: 3,
            client: String::new(),
            created_at: Utc::now(),
            last_used_at: Utc::now(),
            expires_at: Utc::now(),
        };
        let login = SessionEntry::unpack(&SessionEntry::pack(&session).payload).unwrap();
        let expected = (session.id, user.id, 3, session.expires_at.timestamp_millis());
        assert_eq!((login.id, login.user, login.generation, login.expires_at), expected);
    }

    #[test]
    fn what_is_no_entry_is_none() {
        for payload in [&b""[..], &[0; 8], &[0; 25], &[0; 64], &[9; 24], &[9; 33]] {
            assert_eq!(SessionEntry::unpack(payload), None);
            assert_eq!(Identity::unpack(&Bytes::copy_from_slice(payload)), None);
        }
    }
}
