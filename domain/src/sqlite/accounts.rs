//! Users, sessions and API keys: who asks whom, reader or writer. The statements are in the files below.

mod api_keys;
mod resets;
mod sessions;
mod users;

use chrono::{DateTime, Utc};
use diesel::sqlite::SqliteConnection;
use hotshelf_cache::{Committed, Fencing};

use super::rows::{corrupt, time_of};
use super::{SqliteCatalogue, organizations};
use crate::account::{ApiKey, Email, Home, NewApiKey, NewSession, NewUser, Role, Secret, Session, User};
use crate::error::StoreError;
use crate::ids::{ApiKeyId, OrganizationId, SessionId, UserId};
use crate::repository::Used;

impl SqliteCatalogue {
    pub(crate) async fn add_user(&self, new: NewUser) -> Result<User, StoreError> {
        self.writer.submit(move |conn| add_user(conn, &new)).await
    }

    pub(crate) async fn user(&self, id: UserId) -> Result<Option<User>, StoreError> {
        self.readers.keyed.read(move |conn| users::find(conn, id)).await
    }

    pub(crate) async fn credentials(&self, email: Email) -> Result<Option<(User, Option<String>)>, StoreError> {
        self.readers.keyed.read(move |conn| users::credentials(conn, &email)).await
    }

    pub(crate) async fn users(&self, organization: OrganizationId) -> Result<Vec<User>, StoreError> {
        self.readers.keyed.read(move |conn| users::of(conn, organization)).await
    }

    pub(crate) async fn set_role(
        &self,
        id: UserId,
        role: Role,
        fencing: Fencing,
    ) -> Result<Committed<User>, StoreError> {
        self.commit(fencing, move |conn| users::set_role(conn, id, role)).await
    }

    pub(crate) async fn remove_user(&self, id: UserId, fencing: Fencing) -> Result<Committed<()>, StoreError> {
        self.commit(fencing, move |conn| users::remove(conn, id)).await
    }

    pub(crate) async fn set_password(
        &self,
        id: UserId,
        (verified, hash): (String, String),
        keep: SessionId,
        fencing: Fencing,
    ) -> Result<Committed<()>, StoreError> {
        self.commit(fencing, move |conn| {
            users::still_has(conn, id, &verified)?;
            sessions::still_open(conn, id, keep)?;
            set_password(conn, id, &hash, Some(keep))
        })
        .await
    }

    pub(crate) async fn allow_reset(&self, id: UserId, secret: Secret, until: DateTime<Utc>) -> Result<(), StoreError> {
        self.writer
            .submit(move |conn| {
                users::known(conn, id)?;
                resets::insert(conn, id, &secret, until)
            })
            .await
    }

    pub(crate) async fn reset_of(&self, secret: Secret) -> Result<Option<UserId>, StoreError> {
        self.readers.keyed.read(move |conn| resets::user_of(conn, &secret)).await
    }

    pub(crate) async fn reset_password(
        &self,
        secret: Secret,
        hash: String,
        fencing: Fencing,
    ) -> Result<Committed<()>, StoreError> {
        self.commit(fencing, move |conn| {
            let user = resets::user_of(conn, &secret)?.ok_or(StoreError::NoSuchReset)?;
            api_keys::end_all(conn, user)?;
            set_password(conn, user, &hash, None)
        })
        .await
    }

    pub(crate) async fn sessions_without_room(&self, id: UserId) -> Result<Vec<Secret>, StoreError> {
        self.readers.keyed.read(move |conn| sessions::without_room(conn, id)).await
    }

    pub(crate) async fn open_session(
        &self,
        new: NewSession,
        leaving: Vec<Secret>,
        fencing: Fencing,
    ) -> Result<Committed<Session>, StoreError> {
        self.commit(fencing, move |conn| sessions::insert(conn, &new, &leaving)).await
    }

    pub(crate) async fn session(&self, secret: Secret) -> Result<Option<Session>, StoreError> {
        self.readers.keyed.read(move |conn| sessions::find(conn, &secret)).await
    }

    pub(crate) async fn sessions_of(&self, id: UserId) -> Result<Vec<(Session, Secret)>, StoreError> {
        self.readers.keyed.read(move |conn| sessions::live_of(conn, id)).await
    }

    pub(crate) async fn end_session(&self, secret: Secret, fencing: Fencing) -> Result<Committed<()>, StoreError> {
        self.commit(fencing, move |conn| sessions::remove(conn, &secret)).await
    }

    pub(crate) async fn end_sessions(
        &self,
        id: UserId,
        keep: Option<SessionId>,
        fencing: Fencing,
    ) -> Result<Committed<()>, StoreError> {
        self.commit(fencing, move |conn| sessions::end_all(conn, id, keep)).await
    }

    pub(crate) async fn extend_sessions(&self, used: Vec<Used>) -> Result<(), StoreError> {
        self.writer.submit(move |conn| sessions::extend(conn, &used)).await
    }

    pub(crate) async fn forget_ended(&self) -> Result<usize, StoreError> {
        self.writer
            .submit(|conn| {
                resets::forget_ended(conn)?;
                sessions::forget_ended(conn)
            })
            .await
    }

    pub(crate) async fn live_sessions(&self) -> Result<i64, StoreError> {
        self.readers.keyed.read(sessions::count_live).await
    }

    pub(crate) async fn add_api_key(
        &self,
        id: UserId,
        by: SessionId,
        new: NewApiKey,
        secret: Secret,
    ) -> Result<ApiKey, StoreError> {
        self.writer.submit(move |conn| api_keys::insert(conn, id, by, &new, &secret)).await
    }

    pub(crate) async fn api_key(&self, secret: Secret) -> Result<Option<ApiKey>, StoreError> {
        self.readers.keyed.read(move |conn| api_keys::find(conn, &secret)).await
    }

    pub(crate) async fn api_keys_of(&self, id: UserId) -> Result<Vec<(ApiKey, Secret)>, StoreError> {
        self.readers.keyed.read(move |conn| api_keys::of(conn, id)).await
    }

    pub(crate) async fn remove_api_key(&self, secret: Secret, fencing: Fencing) -> Result<Committed<()>, StoreError> {
        self.commit(fencing, move |conn| api_keys::remove(conn, &secret)).await
    }

    pub(crate) async fn note_api_keys(&self, used: Vec<(ApiKeyId, DateTime<Utc>)>) -> Result<(), StoreError> {
        self.writer.submit(move |conn| api_keys::note(conn, &used)).await
    }
}

fn add_user(conn: &mut SqliteConnection, new: &NewUser) -> Result<User, StoreError> {
    let organization = match &new.home {
        Home::In(organization) if !organizations::is_known(conn, *organization)? => {
            return Err(StoreError::NoSuchOrganization(*organization));
        }
        Home::In(organization) => *organization,
        Home::New(organization) => organizations::insert(conn, organization)?.id,
    };
    users::insert(conn, new, organization)
}

fn set_password(
    conn: &mut SqliteConnection,
    id: UserId,
    hash: &str,
    keep: Option<SessionId>,
) -> Result<(), StoreError> {
    users::set_password(conn, id, hash)?;
    resets::remove_all(conn, id)?;
    sessions::end_all(conn, id, keep)
}

/// Of a row that the service has written.
fn time(milliseconds: i64) -> Result<DateTime<Utc>, StoreError> {
    time_of(milliseconds).ok_or_else(|| corrupt(format!("{milliseconds} in the accounts is no time")))
}

fn role(text: &str) -> Result<Role, StoreError> {
    text.parse().map_err(|_| corrupt(format!("{text:?} in the accounts is no role")))
}

fn secret(bytes: &[u8]) -> Result<Secret, StoreError> {
    bytes.try_into().map_err(|_| corrupt(format!("a secret in the accounts has {} bytes", bytes.len())))
}

fn now() -> i64 {
    Utc::now().timestamp_millis()
}
