use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use hotshelf_cache::{
    Absence, Cache, Committed, EntryRef, Fencing, Key, Keys, Namespace, NamespaceError, NamespaceOptions, Read, Value,
    WriteError,
};
use hotshelf_database::Database;
use hotshelf_domain::{NewSession, Session, SessionId, StoreError, TokenHash, User, UserId};
use hotshelf_lifecycle::Tasks;

use crate::entry::{Identity, Login};
use crate::metrics::AccessMetrics;
use crate::sliding::Sliding;
use crate::token::{Token, TokenKind};

/// Why a session could not be looked up or changed.
pub type SessionError = WriteError<StoreError>;

/// What the keys of sessions begin with, and those of who somebody is.
const LOGIN: &str = "session:";
const IDENTITY: &str = "account:";
/// What a client calls itself is cut off after so many characters.
const LONGEST_CLIENT: usize = 200;
/// Sessions that are extended in one write.
const BATCH: usize = 256;
/// After a write of extensions that failed.
const EXTENSION_RETRY: Duration = Duration::from_secs(2);
/// How often a login looks again who has to leave for it, when others log in as the same user at the same time.
/// Passwords are looked at one or two at a time, so these are few.
const ATTEMPTS: usize = 10;
/// Between two looks at the sessions that have ended by themselves.
const HOUSEKEEPING: Duration = Duration::from_secs(60);

/// How long things live.
#[derive(Clone, Copy, Debug)]
pub struct SessionOptions {
    /// A session ends when it was not used for so long.
    pub session_life: Duration,
    /// How long a copy of a session is good, or of who somebody is.
    pub copy_life: Duration,
    /// How long it is known that there is no such session.
    pub negative_life: Duration,
    /// How long past its life a copy is used while the database fails.
    pub grace: Duration,
}

/// A principal that was authenticated by a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionPrincipal {
    /// Who, and what may be done.
    pub identity: Identity,
    /// By which session.
    pub session: SessionId,
    /// What that is recognized by.
    pub token_hash: TokenHash,
}

/// Sessions, and who is behind them, from memory and Redis with the database as the truth. A cheap handle.
///
/// | entry | key | void when |
/// |---|---|---|
/// | a session | `session:<hash of its token>` | it ends, or leaves for the newest of a hundred |
/// | who somebody is | `account:<user>` | the role changes, all sessions or all API keys end, the user is removed |
///
/// Kept by the protocol of the cache: once the end of a session, or another role, was acknowledged, no instance accepts
/// the old one any more. Losing Redis ends no session.
#[derive(Clone)]
pub struct Sessions(Arc<State>);

struct State {
    cache: Cache<StoreError>,
    accounts: Database,
    logins: Namespace,
    identities: Namespace,
    sliding: Sliding,
    tasks: Tasks,
    metrics: AccessMetrics,
}

impl Sessions {
    /// On this cache and this database.
    ///
    /// # Errors
    /// When somebody else keeps entries under the same keys in this cache.
    pub fn new(
        cache: Cache<StoreError>,
        accounts: Database,
        options: SessionOptions,
        metrics: AccessMetrics,
    ) -> Result<Self, NamespaceError> {
        let SessionOptions { copy_life: ttl, negative_life: negative_ttl, grace, .. } = options;
        // Nobody knows a token before its session is there, nor asks for a user who is not. Lookups are not counted:
        // they are parts of requests, and would make the hit rates of what those are about look better than they are.
        let namespace = |name, keys| {
            let options = NamespaceOptions { name, keys, ttl, negative_ttl, grace, absence: Absence::UntilItExpires };
            Ok(cache.namespace(options)?.uncounted())
        };
        let state = State {
            logins: namespace("session", Keys::Beginning(LOGIN))?,
            identities: namespace("account", Keys::Beginning(IDENTITY))?,
            sliding: Sliding::new(options.session_life),
            tasks: Tasks::default(),
            metrics,
            cache,
            accounts,
        };
        Ok(Sessions(Arc::new(state)))
    }

    /// Begins the work in the background: extending, and forgetting what has ended.
    pub fn start(&self) {
        let (sliding, keeping) = (self.clone(), self.clone());
        let stopping = self.0.tasks.stopping();
        self.0.tasks.spawn_loop("session extension", async move {
            while stopping.run_until_cancelled(sliding.0.sliding.gathered()).await.is_some() {
                if !sliding.extend_used().await {
                    stopping.run_until_cancelled(tokio::time::sleep(EXTENSION_RETRY)).await;
                }
            }
            sliding.extend_used().await;
        });
        let stopping = self.0.tasks.stopping();
        self.0.tasks.spawn_loop("session housekeeping", async move {
            loop {
                keeping.keep_house().await;
                if stopping.run_until_cancelled(tokio::time::sleep(HOUSEKEEPING)).await.is_none() {
                    return;
                }
            }
        });
    }

    /// Notes the uses that were not yet noted. `false` when that took longer than `limit`.
    pub async fn stop(&self, limit: Duration) -> bool {
        self.0.tasks.stop(limit).await
    }

    /// The name of a task that has died.
    pub fn ended_task(&self) -> Option<&'static str> {
        self.0.tasks.ended_early().first().copied()
    }

    /// Opens a session for the user as it was when the password was checked, with a token that nobody had before.
    /// `client` is what the client calls itself. Of a hundred sessions, the oldest ends: no instance accepts it from
    /// here on.
    ///
    /// # Errors
    /// [`StoreError::SessionsEnded`] when all sessions were ended since then, as a new password does;
    /// [`StoreError::NoSuchUser`] among others; [`SessionError::Locked`] when too many log in as this user at the same
    /// time.
    pub async fn open(&self, user: &User, client: &str) -> Result<(Token, Session), SessionError> {
        let token = Token::new(TokenKind::Session);
        let client = client.chars().filter(|letter| !letter.is_control()).take(LONGEST_CLIENT).collect();
        let expires_at = self.0.sliding.end_from(Utc::now());
        let (token_hash, generation) = (token.hash(), user.session_generation);
        let new = NewSession { token_hash, user_id: user.id, generation, client, expires_at };
        let mut leaving = Vec::new();
        for _ in 0..ATTEMPTS {
            match self.open_instead_of(new.clone(), leaving).await {
                Err(WriteError::Store(StoreError::TooManySessions(_))) => {
                    let without_room = self.0.accounts.sessions_without_room(user.id).await;
                    leaving = without_room.map_err(WriteError::Store)?;
                }
                opened => return opened.map(|session| (token, session)),
            }
        }
        Err(WriteError::Locked)
    }

    /// Those who leave end as by a logout: their entries are barred before they are deleted.
    async fn open_instead_of(&self, new: NewSession, leaving: Vec<TokenHash>) -> Result<Session, SessionError> {
        let accounts = self.0.accounts.clone();
        if leaving.is_empty() {
            // There is no copy of what is not there yet.
            let opened = accounts.open_session(new, leaving, Fencing::Fenced).await.map_err(WriteError::Store)?;
            return Ok(opened.value);
        }
        let entries = leaving.iter().map(|token_hash| self.login_entry(token_hash)).collect();
        let commit = async move |fencing| accounts.open_session(new, leaving, fencing).await;
        self.0.cache.write(entries, Vec::new(), commit).await
    }

    /// Whose token has this hash, if this process' memory knows; otherwise the answer is with [`find`](Sessions::find).
    pub fn peek(&self, token_hash: &TokenHash) -> Option<SessionPrincipal> {
        let (login, _) = self.0.cache.peek(&self.0.logins, &login_key(token_hash), Read::default())?;
        let login = Login::unpack(&login.payload)?;
        let identity = self.peek_identity(login.user)?;
        self.principal(token_hash, login, identity)
    }

    /// Whose token has this hash; `None` when there is no such session, or not any more. A use: the session goes on.
    ///
    /// # Errors
    /// [`SessionError::Store`] when the database had to be asked and failed.
    pub async fn find(&self, token_hash: &TokenHash) -> Result<Option<SessionPrincipal>, SessionError> {
        // Copies may be older than each other, and the session may have been extended since it was copied: the database
        // has the last word before somebody is refused who was somebody.
        for read in [Read::default(), Read { bypass: true, ..Read::default() }] {
            let Some(login) = self.login(token_hash, read).await? else { return Ok(None) };
            let Some(identity) = self.identity(login.user, read).await? else { return Ok(None) };
            if let Some(principal) = self.principal(token_hash, login, identity) {
                return Ok(Some(principal));
            }
        }
        Ok(None)
    }

    /// Who the user is, if this process' memory knows; otherwise the answer is with [`identity`](Sessions::identity).
    pub(crate) fn peek_identity(&self, user: UserId) -> Option<Identity> {
        let (value, _) = self.0.cache.peek(&self.0.identities, &identity_key(user), Read::default())?;
        Identity::unpack(&value.payload)
    }

    /// The principal's own session, as the database has it.
    ///
    /// # Errors
    /// [`StoreError::NoSuchSession`] among others.
    pub async fn of_principal(&self, principal: &SessionPrincipal) -> Result<Session, SessionError> {
        let session = self.0.accounts.session(principal.token_hash).await.map_err(WriteError::Store)?;
        session.ok_or(WriteError::Store(StoreError::NoSuchSession(principal.session)))
    }

    /// The user's sessions that have not ended, by id.
    ///
    /// # Errors
    /// As [`find`](Sessions::find).
    pub async fn of(&self, user: UserId) -> Result<Vec<Session>, SessionError> {
        let sessions = self.0.accounts.sessions_of(user).await.map_err(WriteError::Store)?;
        Ok(sessions.into_iter().map(|(session, _)| session).collect())
    }

    /// Ends the session of this token. From here on no instance accepts it.
    ///
    /// # Errors
    /// [`SessionError`]; then it may or may not have ended.
    pub async fn end(&self, token_hash: TokenHash) -> Result<(), SessionError> {
        let accounts = self.0.accounts.clone();
        let commit = async move |fencing| accounts.end_session(token_hash, fencing).await;
        self.0.cache.write(vec![self.login_entry(&token_hash)], Vec::new(), commit).await
    }

    /// Ends one of the user's sessions, by its id.
    ///
    /// # Errors
    /// [`StoreError::NoSuchSession`], and as [`end`](Sessions::end).
    pub async fn end_one(&self, user: UserId, id: SessionId) -> Result<(), SessionError> {
        let sessions = self.0.accounts.sessions_of(user).await.map_err(WriteError::Store)?;
        match sessions.into_iter().find(|(session, _)| session.id == id) {
            Some((_, token_hash)) => self.end(token_hash).await,
            None => Err(WriteError::Store(StoreError::NoSuchSession(id))),
        }
    }

    /// Ends all of the user's sessions but the one that `keep` has shown.
    ///
    /// # Errors
    /// As [`end`](Sessions::end).
    pub async fn end_all(&self, user: UserId, keep: Option<&SessionPrincipal>) -> Result<(), SessionError> {
        let (accounts, kept) = (self.0.accounts.clone(), keep.map(|keep| keep.session));
        self.change(user, keep, async move |fencing| accounts.end_sessions(user, kept, fencing).await).await
    }

    /// Changes something about the user that decides who is let in: `commit` does it in the database. `keep` is a
    /// session that is changed with it.
    ///
    /// # Errors
    /// As [`end`](Sessions::end).
    pub(crate) async fn change<T: Send + 'static, F>(
        &self,
        user: UserId,
        keep: Option<&SessionPrincipal>,
        commit: impl FnOnce(Fencing) -> F + Send + 'static,
    ) -> Result<T, SessionError>
    where
        F: Future<Output = Result<Committed<T>, StoreError>> + Send,
    {
        let mut entries = vec![self.0.identities.entry(identity_key(user))];
        entries.extend(keep.map(|keep| self.login_entry(&keep.token_hash)));
        self.0.cache.write(entries, Vec::new(), commit).await
    }

    /// A session that has ended, by itself or with others of its generation, makes nobody a principal.
    fn principal(&self, token_hash: &TokenHash, login: Login, identity: Identity) -> Option<SessionPrincipal> {
        let now = Utc::now();
        if login.has_ended(now) || login.generation != identity.generation {
            return None;
        }
        self.0.sliding.used(token_hash, login.expires_at, now);
        Some(SessionPrincipal { identity, session: login.id, token_hash: *token_hash })
    }

    async fn login(&self, token_hash: &TokenHash, read: Read) -> Result<Option<Login>, SessionError> {
        let (accounts, hash_of_load) = (self.0.accounts.clone(), *token_hash);
        let load = move || load_login(accounts.clone(), hash_of_load);
        let found =
            self.0.cache.get_or_load(self.login_entry(token_hash), read, load).await.map_err(WriteError::Store)?;
        Ok(found.value.and_then(|value| Login::unpack(&value.payload)))
    }

    /// Who the user is; `None` when there is no such user.
    ///
    /// # Errors
    /// As [`find`](Sessions::find).
    pub(crate) async fn identity(&self, user: UserId, read: Read) -> Result<Option<Identity>, SessionError> {
        let accounts = self.0.accounts.clone();
        let load = move || load_identity(accounts.clone(), user);
        let entry = self.0.identities.entry(identity_key(user));
        let found = self.0.cache.get_or_load(entry, read, load).await.map_err(WriteError::Store)?;
        Ok(found.value.and_then(|value| Identity::unpack(&value.payload)))
    }

    fn login_entry(&self, token_hash: &TokenHash) -> EntryRef {
        self.0.logins.entry(login_key(token_hash))
    }

    /// `false` when some of it has to be tried again.
    async fn extend_used(&self) -> bool {
        let mut all = true;
        for used in self.0.sliding.take().chunks(BATCH) {
            // Past the protocol of the cache: a copy that says that its session is over is not believed (see `find`).
            if let Err(error) = self.0.accounts.extend_sessions(used.to_vec()).await {
                tracing::debug!(%error, "sessions could not be extended; trying again");
                self.0.sliding.put_back(used);
                all = false;
            }
        }
        all
    }

    async fn keep_house(&self) {
        let kept = async {
            while self.0.accounts.forget_ended().await? > 0 {}
            self.0.accounts.live_sessions().await
        };
        match kept.await {
            Ok(live) => self.0.metrics.sessions_live.set(live),
            Err(error) => tracing::debug!(%error, "sessions that have ended could not be forgotten; trying again"),
        }
    }
}

fn login_key(token_hash: &TokenHash) -> Key {
    hashed_key(LOGIN, token_hash)
}

fn identity_key(user: UserId) -> Key {
    Key::numbered(IDENTITY, user.get())
}

/// `kind` and the hash of a token in hexadecimal.
pub(crate) fn hashed_key(kind: &str, token_hash: &TokenHash) -> Key {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut key = String::with_capacity(kind.len() + 2 * token_hash.len());
    key.push_str(kind);
    for byte in token_hash {
        key.push(char::from(DIGITS[usize::from(byte >> 4)]));
        key.push(char::from(DIGITS[usize::from(byte & 0xf)]));
    }
    Key::new(key)
}

async fn load_login(accounts: Database, token_hash: TokenHash) -> Result<Option<Value>, StoreError> {
    Ok(accounts.session(token_hash).await?.as_ref().map(Login::pack))
}

async fn load_identity(accounts: Database, user: UserId) -> Result<Option<Value>, StoreError> {
    Ok(accounts.user(user).await?.as_ref().map(Identity::pack))
}
