use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use hotshelf_cache::{
    Absence, Cache, EntryRef, Keys, Namespace, NamespaceError, NamespaceOptions, Read, Value, WriteError,
};
use hotshelf_database::Database;
use hotshelf_domain::{ApiKeyId, Email, OrganizationId, Role, Session, StoreError, TokenHash, User};
use hotshelf_lifecycle::Tasks;
use parking_lot::Mutex;

use crate::api_keys::{KEY, KeyEntry, KeyUses, key_of};
use crate::entry::Identity;
use crate::error::AuthError;
use crate::mailer::Mailer;
use crate::metrics::AccessMetrics;
use crate::outbox::{Desk, Outbox};
use crate::passwords::Passwords;
use crate::sessions::{SessionOptions, SessionPrincipal, Sessions};
use crate::token::{Token, TokenKind};

/// Between two writes of when API keys were used.
const NOTING: Duration = Duration::from_secs(10);
/// Keys whose uses are noted in one write: others wait for it.
const BATCH: usize = 256;

/// An authenticated caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// Who.
    pub identity: Identity,
    /// What may be done: the user's role, or less if that is what the API key has.
    pub role: Role,
    /// How it was authenticated.
    pub method: AuthMethod,
}

/// How a principal was authenticated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthMethod {
    /// A person's session.
    Session(SessionPrincipal),
    /// A program's key.
    ApiKey(ApiKeyId),
}

impl Principal {
    /// Whose products the principal sees.
    pub fn organization(&self) -> OrganizationId {
        self.identity.organization
    }

    fn with_session(principal: SessionPrincipal) -> Self {
        Principal {
            role: principal.identity.role,
            identity: principal.identity.clone(),
            method: AuthMethod::Session(principal),
        }
    }

    /// A key that has ended with others of its generation lets nobody in.
    fn with_key(key: KeyEntry, identity: Identity) -> Option<Self> {
        let role = key.role.min(identity.role);
        (key.generation == identity.key_generation).then(|| Principal {
            role,
            identity,
            method: AuthMethod::ApiKey(key.id),
        })
    }
}

/// Who may come in, and who decides that. A cheap handle.
///
/// API keys are entries of the cache like sessions: `apikey:<hash>`, void when the key is removed. All of a user's end
/// with their generation, which is in the entry that says who the user is.
#[derive(Clone)]
pub struct Auth(pub(crate) Arc<State>);

pub(crate) struct State {
    pub(crate) sessions: Sessions,
    pub(crate) accounts: Database,
    pub(crate) cache: Cache<StoreError>,
    keys: Namespace,
    uses: KeyUses,
    pub(crate) passwords: Passwords,
    pub(crate) outbox: Outbox,
    /// Taken by the task that runs it.
    desk: Mutex<Option<Desk>>,
    metrics: AccessMetrics,
    tasks: Tasks,
}

impl Auth {
    /// On this cache and this database. Copies of API keys live as those of sessions do. `reset_url` is the page that
    /// takes the token for a new password, to which the token is appended.
    ///
    /// # Errors
    /// When other entries of this cache have the same keys.
    pub fn new(
        cache: Cache<StoreError>,
        accounts: Database,
        lives: SessionOptions,
        mailer: Arc<dyn Mailer>,
        reset_url: Option<String>,
        metrics: AccessMetrics,
    ) -> Result<Self, NamespaceError> {
        let sessions = Sessions::new(cache.clone(), accounts.clone(), lives, metrics.clone())?;
        let keys = cache.namespace(NamespaceOptions {
            name: "api_key",
            keys: Keys::Beginning(KEY),
            ttl: lives.copy_life,
            negative_ttl: lives.negative_life,
            grace: lives.grace,
            // Nobody knows a key before it is there.
            absence: Absence::UntilItExpires,
        })?;
        let keys = keys.uncounted();
        let (outbox, desk) = Outbox::new(accounts.clone(), mailer, reset_url, metrics.clone());
        Ok(Auth(Arc::new(State {
            sessions,
            accounts,
            cache,
            keys,
            uses: KeyUses::default(),
            passwords: Passwords::new(metrics.password_checks.clone()),
            outbox,
            desk: Mutex::new(Some(desk)),
            metrics,
            tasks: Tasks::default(),
        })))
    }

    /// Begins the work in the background: mail, and noting the uses of sessions and of API keys.
    pub fn start(&self) {
        self.0.sessions.start();
        if let Some(desk) = self.0.desk.lock().take() {
            self.0.tasks.spawn_loop("mail", desk.run(self.0.tasks.stopping()));
        }
        let (auth, stopping) = (self.clone(), self.0.tasks.stopping());
        self.0.tasks.spawn_loop("API key uses", async move {
            while stopping.run_until_cancelled(tokio::time::sleep(NOTING)).await.is_some() {
                auth.write_uses().await;
            }
            auth.write_uses().await;
        });
    }

    /// Sends the mail that waits and notes the uses that were not yet noted. `false` when that took longer than
    /// `limit`.
    pub async fn stop(&self, limit: Duration) -> bool {
        let (mail, sessions) = tokio::join!(self.0.tasks.stop(limit), self.0.sessions.stop(limit));
        mail && sessions
    }

    /// The name of a task that has died.
    pub fn ended_task(&self) -> Option<&'static str> {
        self.0.tasks.ended_early().first().copied().or_else(|| self.0.sessions.ended_task())
    }

    /// Who shows this token, if this process' memory knows; otherwise the answer is with
    /// [`authenticate`](Auth::authenticate).
    pub fn peek(&self, token: &str) -> Option<Principal> {
        match Token::recognize(token)? {
            (TokenKind::Session, token_hash) => self.0.sessions.peek(&token_hash).map(Principal::with_session),
            (TokenKind::ApiKey, token_hash) => {
                let (value, _) = self.0.cache.peek(&self.0.keys, &key_of(&token_hash), Read::default())?;
                let key = KeyEntry::unpack(&value.payload)?;
                self.let_in(key, self.0.sessions.peek_identity(key.user)?)
            }
            (TokenKind::Reset, _) => None,
        }
    }

    /// Who shows this token; `None` when nobody has it, or not any more.
    ///
    /// # Errors
    /// [`AuthError::Session`] when the database had to be asked and failed.
    pub async fn authenticate(&self, token: &str) -> Result<Option<Principal>, AuthError> {
        let principal = match Token::recognize(token) {
            Some((TokenKind::Session, token_hash)) => {
                self.0.sessions.find(&token_hash).await?.map(Principal::with_session)
            }
            Some((TokenKind::ApiKey, token_hash)) => self.principal_with(&token_hash).await?,
            Some((TokenKind::Reset, _)) | None => None,
        };
        if principal.is_none() {
            self.0.metrics.unknown_tokens.inc();
        }
        Ok(principal)
    }

    /// Opens a session for whoever knows the password. It takes the same time for users who do not exist.
    ///
    /// # Errors
    /// [`AuthError::WrongCredentials`], [`AuthError::Busy`] among others.
    pub async fn login(
        &self,
        email: &str,
        password: String,
        client: &str,
    ) -> Result<(Token, Session, User), AuthError> {
        let known = match email.parse::<Email>() {
            Ok(email) => self.0.accounts.credentials(email).await?,
            Err(_) => None,
        };
        let (user, stored) = known.map_or((None, None), |(user, stored)| (Some(user), stored));
        let right = self.0.passwords.verify(password, stored).await?;
        let Some(user) = user.filter(|_| right) else {
            self.0.metrics.login(false);
            return Err(AuthError::WrongCredentials);
        };
        let opened = self.0.sessions.open(&user, client).await;
        // The password that was right has ceased to be so meanwhile.
        let ended = matches!(opened, Err(WriteError::Store(StoreError::SessionsEnded(_) | StoreError::NoSuchUser(_))));
        self.0.metrics.login(!ended);
        match opened {
            Err(_) if ended => Err(AuthError::WrongCredentials),
            opened => opened.map(|(token, session)| (token, session, user)).map_err(AuthError::from),
        }
    }

    /// The sessions themselves: to list them and to end them.
    pub fn sessions(&self) -> &Sessions {
        &self.0.sessions
    }

    async fn principal_with(&self, token_hash: &TokenHash) -> Result<Option<Principal>, AuthError> {
        // Copies may be older than each other: the database has the last word before somebody is refused, as with
        // sessions.
        for read in [Read::default(), Read { bypass: true, ..Read::default() }] {
            let Some(key) = self.key(token_hash, read).await? else { return Ok(None) };
            let Some(identity) = self.0.sessions.identity(key.user, read).await? else { return Ok(None) };
            if let Some(principal) = self.let_in(key, identity) {
                return Ok(Some(principal));
            }
        }
        Ok(None)
    }

    async fn key(&self, token_hash: &TokenHash, read: Read) -> Result<Option<KeyEntry>, AuthError> {
        let (accounts, hash_of_load) = (self.0.accounts.clone(), *token_hash);
        let load = move || load_key(accounts.clone(), hash_of_load);
        let found = self.0.cache.get_or_load(self.entry(token_hash), read, load).await?;
        Ok(found.value.and_then(|value| KeyEntry::unpack(&value.payload)))
    }

    /// A use of the key, if it is still good.
    fn let_in(&self, key: KeyEntry, identity: Identity) -> Option<Principal> {
        let principal = Principal::with_key(key, identity)?;
        self.0.uses.note(key.id, Utc::now());
        Some(principal)
    }

    pub(crate) fn entry(&self, token_hash: &TokenHash) -> EntryRef {
        self.0.keys.entry(key_of(token_hash))
    }

    async fn write_uses(&self) {
        for used in self.0.uses.take().chunks(BATCH) {
            if let Err(error) = self.0.accounts.note_api_keys(used.to_vec()).await {
                tracing::debug!(%error, "the last use of some API keys could not be noted; trying again");
                self.0.uses.put_back(used);
            }
        }
    }
}

async fn load_key(accounts: Database, token_hash: TokenHash) -> Result<Option<Value>, StoreError> {
    Ok(accounts.api_key(token_hash).await?.as_ref().map(KeyEntry::pack))
}
