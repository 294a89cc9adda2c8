use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use hotshelf_cache::{Absence, Cache, Keys, Read, Region, RegionError, RegionOptions, Slot, Value, WriteError};
use hotshelf_domain::{
    AccountRepository, ApiKey, ApiKeyId, Email, Home, NewApiKey, NewOrganization, NewUser, OrganizationId, Role,
    Secret, Session, SessionId, StoreError, User, UserId,
};
use hotshelf_lifecycle::Tasks;
use hotshelf_session::{Identity, SessionOptions, Sessions, Token, TokenKind, Visitor};
use hotshelf_stats::{AccessMetrics, Stats};
use parking_lot::Mutex;

use crate::api_keys::{KEY, KeyEntry, KeyUses, key_of};
use crate::error::AuthError;
use crate::mailer::Mailer;
use crate::outbox::{Desk, Occasion, Outbox};
use crate::passwords::Passwords;

/// Between two writes of when API keys were used.
const NOTING: Duration = Duration::from_secs(10);
/// Keys whose uses are noted in one write: others wait for it.
const BATCH: usize = 256;

/// Somebody who was let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Who.
    pub identity: Identity,
    /// What may be done: the user's role, or less if that is what the API key has.
    pub role: Role,
    /// By what.
    pub proof: Proof,
}

/// By what somebody was let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// A person's session.
    Session(Visitor),
    /// A program's key.
    ApiKey(ApiKeyId),
}

impl Caller {
    /// Whose products the caller sees.
    pub fn organization(&self) -> OrganizationId {
        self.identity.organization
    }

    fn visiting(visitor: Visitor) -> Self {
        Caller { role: visitor.identity.role, identity: visitor.identity.clone(), proof: Proof::Session(visitor) }
    }

    /// A key that has ended with others of its generation lets nobody in.
    fn with_key(key: KeyEntry, identity: Identity) -> Option<Self> {
        let role = key.role.min(identity.role);
        (key.generation == identity.key_generation).then(|| Caller { role, identity, proof: Proof::ApiKey(key.id) })
    }
}

/// Who may come in, and who decides that. A cheap handle.
///
/// API keys are entries of the cache like sessions: `apikey:<hash>`, void when the key is removed. All of a user's end with
/// their generation, which is in the entry that says who the user is.
#[derive(Clone)]
pub struct Auth(Arc<State>);

struct State {
    sessions: Sessions,
    accounts: AccountRepository,
    cache: Cache<StoreError>,
    keys: Region,
    uses: KeyUses,
    passwords: Passwords,
    outbox: Outbox,
    /// Taken by the task that runs it.
    desk: Mutex<Option<Desk>>,
    metrics: AccessMetrics,
    tasks: Tasks,
}

impl Auth {
    /// On these sessions and this database. Copies of API keys live as those of sessions do.
    ///
    /// # Errors
    /// When somebody else keeps entries under the same keys in this cache.
    pub fn new(
        cache: Cache<StoreError>,
        accounts: AccountRepository,
        sessions: Sessions,
        lives: SessionOptions,
        mailer: Arc<dyn Mailer>,
        reset_url: Option<String>,
        stats: &Stats,
    ) -> Result<Self, RegionError> {
        let metrics = stats.access();
        let keys = cache.region(RegionOptions {
            name: "api_key",
            keys: Keys::Beginning(KEY),
            ttl: lives.copy_life,
            negative_ttl: lives.negative_life,
            grace: lives.grace,
            // Nobody knows a key before it is there.
            absence: Absence::ForItsLife,
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

    /// Begins the work in the background: mail, and noting the use of API keys.
    pub fn start(&self) {
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

    /// Sends the mail that waits. `false` when that took longer than `patience`.
    pub async fn stop(&self, patience: Duration) -> bool {
        self.0.tasks.stop(patience).await
    }

    /// The name of a task that has died.
    pub fn ended_task(&self) -> Option<&'static str> {
        self.0.tasks.ended_early().first().copied()
    }

    /// Who shows this token, if this process' memory knows; otherwise the answer is with
    /// [`authenticate`](Auth::authenticate).
    pub fn peek(&self, token: &str) -> Option<Caller> {
        match Token::recognize(token)? {
            (TokenKind::Session, secret) => self.0.sessions.peek(&secret).map(Caller::visiting),
            (TokenKind::ApiKey, secret) => {
                let (value, _) = self.0.cache.peek(&self.0.keys, &key_of(&secret), Read::default())?;
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
    pub async fn authenticate(&self, token: &str) -> Result<Option<Caller>, AuthError> {
        let caller = match Token::recognize(token) {
            Some((TokenKind::Session, secret)) => self.0.sessions.find(&secret).await?.map(Caller::visiting),
            Some((TokenKind::ApiKey, secret)) => self.caller_with(&secret).await?,
            Some((TokenKind::Reset, _)) | None => None,
        };
        if caller.is_none() {
            self.0.metrics.unknown_tokens.inc();
        }
        Ok(caller)
    }

    /// Makes a user, and an organization of which the user is the admin.
    ///
    /// # Errors
    /// [`StoreError::EmailTaken`], [`AuthError::Busy`] among others.
    pub async fn register(
        &self,
        email: Email,
        password: String,
        organization: NewOrganization,
    ) -> Result<User, AuthError> {
        let password_hash = Some(self.0.passwords.hash(password).await?);
        let new = NewUser { email, password_hash, home: Home::New(organization), role: Role::Admin };
        Ok(self.0.accounts.add_user(new).await?)
    }

    /// Adds a user to an organization. Without a password, a mail lets the user choose one.
    ///
    /// # Errors
    /// [`StoreError::EmailTaken`], [`StoreError::NoSuchOrganization`], [`AuthError::TooMuchMail`] and [`AuthError::Busy`] among
    /// others.
    pub async fn add_user(
        &self,
        organization: OrganizationId,
        email: Email,
        role: Role,
        password: Option<String>,
    ) -> Result<User, AuthError> {
        let password_hash = match password {
            Some(password) => Some(self.0.passwords.hash(password).await?),
            None => None,
        };
        let invitation = match &password_hash {
            Some(_) => None,
            None => Some(self.0.outbox.place()?),
        };
        let home = Home::In(organization);
        let user = self.0.accounts.add_user(NewUser { email, password_hash, home, role }).await?;
        if let Some(invitation) = invitation {
            invitation.invite(user.email.clone(), Occasion::Added);
        }
        Ok(user)
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

    /// Lets the user of that address choose a new password, by a mail. Whether there is one, nobody is told, not even by
    /// the time it takes.
    ///
    /// # Errors
    /// [`AuthError::TooMuchMail`], whether there is such a user or not.
    pub fn forgot_password(&self, email: Email) -> Result<(), AuthError> {
        self.0.outbox.place()?.invite(email, Occasion::Forgotten);
        Ok(())
    }

    /// Gives the user who was allowed to by this token a new password. All sessions and API keys of the user end: whoever had the
    /// account before may have made some.
    ///
    /// # Errors
    /// [`StoreError::NoSuchReset`], [`AuthError::Busy`] among others.
    pub async fn reset_password(&self, token: &str, password: String) -> Result<(), AuthError> {
        let Some((TokenKind::Reset, secret)) = Token::recognize(token) else {
            return Err(StoreError::NoSuchReset.into());
        };
        let user = self.0.accounts.reset_of(secret).await?.ok_or(StoreError::NoSuchReset)?;
        let hash = self.0.passwords.hash(password).await?;
        let accounts = self.0.accounts.clone();
        let commit = async move |copies| accounts.reset_password(secret, hash, copies).await;
        Ok(self.0.sessions.change(user, None, commit).await?)
    }

    /// Gives the visitor a new password. All other sessions of the user end. The API keys stay: their owner is here, sees them,
    /// and programs work with them.
    ///
    /// # Errors
    /// [`AuthError::WrongCredentials`] when `current` is not the password until now; [`StoreError::SessionsEnded`] when somebody
    /// else changed it, or ended the session, at the same time; [`AuthError::Busy`] among others.
    pub async fn change_password(&self, visitor: &Visitor, current: String, password: String) -> Result<(), AuthError> {
        let email: Email = visitor.identity.email().parse().map_err(|_| AuthError::WrongCredentials)?;
        let stored = self.0.accounts.credentials(email).await?.and_then(|(_, stored)| stored);
        let right = self.0.passwords.verify(current, stored.clone()).await?;
        let Some(verified) = stored.filter(|_| right) else { return Err(AuthError::WrongCredentials) };
        let hash = self.0.passwords.hash(password).await?;
        let (accounts, user, keep) = (self.0.accounts.clone(), visitor.identity.user, visitor.session);
        let commit = async move |copies| accounts.set_password(user, (verified, hash), keep, copies).await;
        Ok(self.0.sessions.change(user, Some(visitor), commit).await?)
    }

    /// The users of an organization, by id.
    ///
    /// # Errors
    /// When the database failed.
    pub async fn users(&self, organization: OrganizationId) -> Result<Vec<User>, AuthError> {
        Ok(self.0.accounts.users(organization).await?)
    }

    /// The user of an organization.
    ///
    /// # Errors
    /// [`StoreError::NoSuchUser`], also for a user of another organization.
    pub async fn user(&self, organization: OrganizationId, id: UserId) -> Result<User, AuthError> {
        let user = self.0.accounts.user(id).await?.filter(|user| user.organization_id == organization);
        Ok(user.ok_or(StoreError::NoSuchUser(id))?)
    }

    /// Gives a user of the organization another role. From here on no instance grants the old one.
    ///
    /// # Errors
    /// [`StoreError::NoSuchUser`], [`StoreError::LastAdmin`] among others.
    pub async fn set_role(&self, organization: OrganizationId, id: UserId, role: Role) -> Result<User, AuthError> {
        self.user(organization, id).await?;
        let accounts = self.0.accounts.clone();
        let commit = async move |copies| accounts.set_role(id, role, copies).await;
        Ok(self.0.sessions.change(id, None, commit).await?)
    }

    /// Removes a user of the organization, with sessions and keys.
    ///
    /// # Errors
    /// As [`set_role`](Auth::set_role).
    pub async fn remove_user(&self, organization: OrganizationId, id: UserId) -> Result<(), AuthError> {
        self.user(organization, id).await?;
        let accounts = self.0.accounts.clone();
        let commit = async move |copies| accounts.remove_user(id, copies).await;
        Ok(self.0.sessions.change(id, None, commit).await?)
    }

    /// Ends all sessions of a user of the organization.
    ///
    /// # Errors
    /// As [`user`](Auth::user).
    pub async fn end_sessions(&self, organization: OrganizationId, id: UserId) -> Result<(), AuthError> {
        self.user(organization, id).await?;
        Ok(self.0.sessions.end_all(id, None).await?)
    }

    /// Makes an API key of the visitor's. The token is not kept: it can be shown now and never again.
    ///
    /// # Errors
    /// [`StoreError::SessionsEnded`] when the visitor's session has ended meanwhile, [`StoreError::NoSuchUser`] among others.
    pub async fn add_api_key(&self, visitor: &Visitor, new: NewApiKey) -> Result<(Token, ApiKey), AuthError> {
        let token = Token::new(TokenKind::ApiKey);
        let (user, by) = (visitor.identity.user, visitor.session);
        let key = self.0.accounts.add_api_key(user, by, new, token.secret()).await?;
        Ok((token, key))
    }

    /// The user's API keys, by id.
    ///
    /// # Errors
    /// When the database failed.
    pub async fn api_keys(&self, user: UserId) -> Result<Vec<ApiKey>, AuthError> {
        Ok(self.0.accounts.api_keys_of(user).await?.into_iter().map(|(key, _)| key).collect())
    }

    /// Removes one of the user's API keys. From here on no instance accepts it.
    ///
    /// # Errors
    /// [`StoreError::NoSuchApiKey`] among others.
    pub async fn remove_api_key(&self, user: UserId, id: ApiKeyId) -> Result<(), AuthError> {
        let keys = self.0.accounts.api_keys_of(user).await?;
        let (_, secret) = keys.into_iter().find(|(key, _)| key.id == id).ok_or(StoreError::NoSuchApiKey(id))?;
        let accounts = self.0.accounts.clone();
        let commit = async move |copies| accounts.remove_api_key(secret, copies).await;
        Ok(self.0.sessions.write(vec![self.slot(&secret)], commit).await?)
    }

    /// Ends one of the user's sessions.
    ///
    /// # Errors
    /// [`StoreError::NoSuchSession`] among others.
    pub async fn end_session(&self, user: UserId, id: SessionId) -> Result<(), AuthError> {
        Ok(self.0.sessions.end_one(user, id).await?)
    }

    async fn caller_with(&self, secret: &Secret) -> Result<Option<Caller>, AuthError> {
        // Copies may be older than each other: the database has the last word before somebody is refused, as with sessions.
        for read in [Read::default(), Read { bypass: true, ..Read::default() }] {
            let Some(key) = self.key(secret, read).await? else { return Ok(None) };
            let Some(identity) = self.0.sessions.identity(key.user, read).await? else { return Ok(None) };
            if let Some(caller) = self.let_in(key, identity) {
                return Ok(Some(caller));
            }
        }
        Ok(None)
    }

    async fn key(&self, secret: &Secret, read: Read) -> Result<Option<KeyEntry>, AuthError> {
        let (accounts, secret_of_load) = (self.0.accounts.clone(), *secret);
        let load = move || load_key(accounts.clone(), secret_of_load);
        let found = self.0.cache.get_or_load(self.slot(secret), read, load).await?;
        Ok(found.value.and_then(|value| KeyEntry::unpack(&value.payload)))
    }

    /// A use of the key, if it is still good.
    fn let_in(&self, key: KeyEntry, identity: Identity) -> Option<Caller> {
        let caller = Caller::with_key(key, identity)?;
        self.0.uses.note(key.id, Utc::now());
        Some(caller)
    }

    fn slot(&self, secret: &Secret) -> Slot {
        self.0.keys.slot(key_of(secret))
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

async fn load_key(accounts: AccountRepository, secret: Secret) -> Result<Option<Value>, StoreError> {
    Ok(accounts.api_key(secret).await?.as_ref().map(KeyEntry::pack))
}
