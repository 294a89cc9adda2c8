use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use hotshelf_audit::AuditLog;
use hotshelf_cache::{
    Absence, Cache, Committed, EntryRef, Fencing, Keys, Namespace, NamespaceError, NamespaceOptions, Read, Value,
    WriteError,
};
use hotshelf_database::Database;
use hotshelf_domain::{
    Actor, ApiKeyId, Areas, AuditAction, AuditCredential, OrganizationId, Role, SessionId, StoreError, TokenHash,
    UserId,
};
use hotshelf_lifecycle::Tasks;
use parking_lot::Mutex;

use crate::entry::{
    API_KEY, Credential, IDENTITY, ISSUED, Identity, IssuedEntry, KeyEntry, REVOKED, SESSION, SessionEntry,
};
use crate::error::AuthError;
use crate::issued::{Issued, IssuedPrincipal};
use crate::letters::MailLinks;
use crate::mailer::Mailer;
use crate::metrics::AccessMetrics;
use crate::outbox::{MailWorker, Outbox};
use crate::passwords::Passwords;
use crate::registration::Registration;
use crate::token::{Shown, TokenKind};
use crate::uses::{KeyUses, SessionUses};

/// An authenticated caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// Who.
    pub identity: Identity,
    /// What may be done: the user's role, or less if that is what the API key has.
    pub role: Role,
    /// Which parts of the API may be used: all, unless it is an API key with scopes.
    pub scopes: Areas,
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
    /// A token of the outside issuer.
    Issued(IssuedPrincipal),
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

impl Principal {
    /// Whose products the principal sees.
    pub fn organization(&self) -> OrganizationId {
        self.identity.organization
    }
}

/// Options of the accounts.
#[derive(Clone, Debug)]
pub struct AccountOptions {
    /// Of the sessions.
    pub sessions: SessionOptions,
    /// Who may register.
    pub registration: Registration,
    /// The pages that mails lead to.
    pub links: MailLinks,
}

/// How long sessions last, and what is cached.
#[derive(Clone, Copy, Debug)]
pub struct SessionOptions {
    /// A session ends when it was not used for so long.
    pub session_ttl: Duration,
    /// A session ends after so long, however much it is used.
    pub session_max_ttl: Duration,
    /// The TTL of a cached session or API key, and of who somebody is.
    pub entry_ttl: Duration,
    /// How long it is known that there is no such session or API key.
    pub negative_ttl: Duration,
    /// How long past its TTL an entry is used while the database fails.
    pub grace: Duration,
}

/// Who may come in, and who decides that, from memory with the database as the truth. A cheap handle.
///
/// | entry | key | invalid when |
/// |---|---|---|
/// | a session | `session:<hash of its token>` | it ends, or leaves for the newest of a hundred |
/// | an API key | `apikey:<hash of its token>` | it is removed; its end is in the entry |
/// | who somebody is | `account:<user>` | role, address, organization change; all sessions or keys end; it is removed |
/// | an outside issuer's token | `jwt:<hash of it>` | never: its end, its key and its revocation count with each use |
/// | whether such a token is revoked | `revoked:<hash of its id>` | it is revoked |
///
/// All sessions of a user, or all API keys, end with their generation, which is in the entry that says who the user is.
/// Once the end of a session, or another role, was acknowledged, no instance accepts the old one any more. Redis keeps
/// none of these entries: losing it ends no session, and writing to it grants no right.
#[derive(Clone)]
pub struct Auth(pub(crate) Arc<State>);

pub(crate) struct State {
    pub(crate) cache: Cache<StoreError>,
    pub(crate) database: Database,
    sessions: Namespace,
    api_keys: Namespace,
    identities: Namespace,
    issued_tokens: Namespace,
    pub(crate) revocations: Namespace,
    pub(crate) issued: Option<Issued>,
    pub(crate) registration: Registration,
    pub(crate) session_uses: SessionUses,
    pub(crate) key_uses: KeyUses,
    pub(crate) passwords: Passwords,
    pub(crate) outbox: Outbox,
    pub(crate) audit: AuditLog,
    /// Taken by the task that runs it.
    pub(crate) mail_worker: Mutex<Option<MailWorker>>,
    pub(crate) metrics: AccessMetrics,
    pub(crate) tasks: Tasks,
}

impl Auth {
    /// On this cache and this database. `issued`: the outside issuer whose tokens are accepted, if any.
    ///
    /// # Errors
    /// When other entries of this cache have the same keys.
    pub fn new(
        cache: Cache<StoreError>,
        database: Database,
        options: AccountOptions,
        mailer: Mailer,
        issued: Option<Issued>,
        audit: AuditLog,
        metrics: AccessMetrics,
    ) -> Result<Self, NamespaceError> {
        let AccountOptions { sessions, registration, links } = options;
        let SessionOptions { session_ttl, session_max_ttl, entry_ttl: ttl, negative_ttl, grace } = sessions;
        // Nobody knows a token before it is there, nor asks for a user who is not. Lookups are not counted: they are
        // parts of requests, and would make the hit rates of what those are about look better than they are.
        let namespace = |name, beginning, absence| {
            let keys = Keys::Beginning(beginning);
            // Not in Redis: a client that can write there must neither give anybody a right nor restore an ended one.
            let options = NamespaceOptions { name, keys, ttl, negative_ttl, grace, absence, in_redis: false };
            Ok(cache.namespace(options)?.uncounted())
        };
        let (outbox, mail_worker) = Outbox::new(database.clone(), mailer, links, metrics.clone());
        let state = State {
            sessions: namespace("session", SESSION, Absence::UntilItExpires)?,
            api_keys: namespace("api_key", API_KEY, Absence::UntilItExpires)?,
            identities: namespace("account", IDENTITY, Absence::UntilItExpires)?,
            // A refused token may be accepted later, when its key is published or its user exists.
            issued_tokens: namespace("issued", ISSUED, Absence::NotKept)?,
            revocations: namespace("revoked", REVOKED, Absence::NotKept)?,
            issued,
            registration,
            session_uses: SessionUses::new(session_ttl, session_max_ttl),
            key_uses: KeyUses::new(),
            passwords: Passwords::new(metrics.password_checks.clone()),
            outbox,
            audit,
            mail_worker: Mutex::new(Some(mail_worker)),
            metrics,
            tasks: Tasks::default(),
            cache,
            database,
        };
        Ok(Auth(Arc::new(state)))
    }

    /// Who shows this token, if this process' memory knows; otherwise the answer is with
    /// [`authenticate`](Auth::authenticate). A use: the session goes on.
    pub fn peek(&self, token: &str) -> Option<Principal> {
        let shown = self.recognize(token)?;
        let (cache, read) = (&self.0.cache, Read::default());
        let (value, _) = match shown {
            Shown::Own(TokenKind::Session, hash) => cache.peek(&self.0.sessions, &SessionEntry::key(&hash), read)?,
            Shown::Own(TokenKind::ApiKey, hash) => cache.peek(&self.0.api_keys, &KeyEntry::key(&hash), read)?,
            Shown::Own(TokenKind::Reset | TokenKind::Proof | TokenKind::Invitation, _) => return None,
            Shown::Issued(hash) => cache.peek(&self.0.issued_tokens, &IssuedEntry::key(&hash), read)?,
        };
        let credential = Credential::unpack(shown, &value.payload)?;
        if let Credential::Issued(token) = &credential
            && self.peek_revoked(&token.revocation)?
        {
            return None;
        }
        let (value, _) = cache.peek(&self.0.identities, &Identity::key(credential.user()), read)?;
        self.principal(shown, credential, Identity::unpack(&value.payload)?)
    }

    fn recognize(&self, token: &str) -> Option<Shown> {
        Shown::recognize(token, self.0.issued.is_some())
    }

    /// Who shows this token; `None` when nobody has it, or not any more. A use: the session goes on. `by` says from
    /// where, for the audit log: an API key that is shown after its end is noted.
    ///
    /// # Errors
    /// [`AuthError::Write`] when the database had to be asked and failed.
    pub async fn authenticate(&self, token: &str, by: impl Fn() -> Actor) -> Result<Option<Principal>, AuthError> {
        let principal = match self.recognize(token) {
            Some(shown) => self.find(shown, token, by).await?,
            None => None,
        };
        if principal.is_none() {
            self.0.metrics.unknown_tokens.inc();
        }
        Ok(principal)
    }

    async fn find(&self, shown: Shown, token: &str, by: impl Fn() -> Actor) -> Result<Option<Principal>, StoreError> {
        // Cached entries may be older than each other, and the session may have been extended since it was cached: the
        // database decides before somebody is refused who was somebody.
        for read in [Read::default(), Read { bypass: true, ..Read::default() }] {
            let Some(credential) = self.credential(shown, token, read, &by).await? else { return Ok(None) };
            if let Credential::Issued(token) = &credential
                && self.is_revoked(token.revocation, read).await?
            {
                return Ok(None);
            }
            let Some(identity) = self.identity(credential.user(), read).await? else {
                // Since the token was verified, its user may have been removed and another one may have its address.
                if matches!(credential, Credential::Issued(_)) {
                    continue;
                }
                return Ok(None);
            };
            if let Credential::ApiKey(key) = credential
                && key.has_ended(Utc::now())
            {
                self.note_expired(key, &identity, by());
                return Ok(None);
            }
            if let Some(principal) = self.principal(shown, credential, identity) {
                return Ok(Some(principal));
            }
        }
        Ok(None)
    }

    /// Decides whether a credential authenticates this identity now, and with which rights: the only place that does,
    /// for sessions, API keys and tokens of the issuer alike. `None` for a credential that has ended, by itself or with
    /// its generation. Notes the use.
    fn principal(&self, shown: Shown, credential: Credential, identity: Identity) -> Option<Principal> {
        let now = Utc::now();
        match credential {
            Credential::Issued(token) => token.principal(identity, &self.0.issued.as_ref()?.issuer, now),
            Credential::Session(session) => {
                let Shown::Own(_, token_hash) = shown else { return None };
                if session.has_ended(now) || session.generation != identity.session_generation {
                    return None;
                }
                self.0.session_uses.used(&token_hash, session.expires_at, now);
                let (role, session) = (identity.role, session.id);
                let method = AuthMethod::Session(SessionPrincipal { identity: identity.clone(), session, token_hash });
                Some(Principal { identity, role, scopes: Areas::ALL, method })
            }
            Credential::ApiKey(key) => {
                if key.has_ended(now) || key.generation != identity.key_generation {
                    return None;
                }
                self.0.key_uses.used(key.id, now);
                let role = key.role.min(identity.role);
                Some(Principal { identity, role, scopes: key.scopes, method: AuthMethod::ApiKey(key.id) })
            }
        }
    }

    /// The end of a key never moves, so the database would say nothing else.
    fn note_expired(&self, key: KeyEntry, identity: &Identity, by: Actor) {
        let by = Actor {
            user: Some(identity.user),
            email: Some(identity.address()),
            organization: Some(identity.organization),
            credential: Some(AuditCredential::ApiKey(key.id)),
            ..by
        };
        self.0.audit.note(by.does(AuditAction::ApiKeyExpired));
    }

    async fn credential(
        &self,
        shown: Shown,
        token: &str,
        read: Read,
        by: &impl Fn() -> Actor,
    ) -> Result<Option<Credential>, StoreError> {
        let found = match shown {
            Shown::Own(kind, token_hash) => {
                let entry = match kind {
                    TokenKind::Session => self.session_entry(&token_hash),
                    TokenKind::ApiKey => self.key_entry(&token_hash),
                    TokenKind::Reset | TokenKind::Proof | TokenKind::Invitation => return Ok(None),
                };
                let database = self.0.database.clone();
                let load = move || load_credential(database.clone(), kind, token_hash);
                self.0.cache.get_or_load(entry, read, load).await?
            }
            Shown::Issued(token_hash) => {
                let entry = self.0.issued_tokens.entry(IssuedEntry::key(&token_hash));
                let (auth, token, by) = (self.clone(), Arc::<str>::from(token), by());
                let load = move || load_issued(auth.clone(), Arc::clone(&token), by.clone());
                self.0.cache.get_or_load(entry, read, load).await?
            }
        };
        Ok(found.value.and_then(|value| Credential::unpack(shown, &value.payload)))
    }

    async fn identity(&self, user: UserId, read: Read) -> Result<Option<Identity>, StoreError> {
        let database = self.0.database.clone();
        let load = move || load_identity(database.clone(), user);
        let found = self.0.cache.get_or_load(self.identity_entry(user), read, load).await?;
        Ok(found.value.and_then(|value| Identity::unpack(&value.payload)))
    }

    pub(crate) fn session_entry(&self, token_hash: &TokenHash) -> EntryRef {
        self.0.sessions.entry(SessionEntry::key(token_hash))
    }

    pub(crate) fn key_entry(&self, token_hash: &TokenHash) -> EntryRef {
        self.0.api_keys.entry(KeyEntry::key(token_hash))
    }

    pub(crate) fn identity_entry(&self, user: UserId) -> EntryRef {
        self.0.identities.entry(Identity::key(user))
    }

    /// A write of these entries: `commit` does it in the database.
    pub(crate) async fn write<T, F>(
        &self,
        entries: Vec<EntryRef>,
        commit: impl FnOnce(Database, Fencing) -> F + Send + 'static,
    ) -> Result<T, WriteError<StoreError>>
    where
        T: Send + 'static,
        F: Future<Output = Result<Committed<T>, StoreError>> + Send,
    {
        let database = self.0.database.clone();
        self.0.cache.write(entries, Vec::new(), move |fencing| commit(database, fencing)).await
    }
}

async fn load_credential(
    database: Database,
    kind: TokenKind,
    token_hash: TokenHash,
) -> Result<Option<Value>, StoreError> {
    Ok(match kind {
        TokenKind::Session => database.session(token_hash).await?.as_ref().map(SessionEntry::pack),
        TokenKind::ApiKey => database.api_key(token_hash).await?.as_ref().map(KeyEntry::pack),
        TokenKind::Reset | TokenKind::Proof | TokenKind::Invitation => None,
    })
}

async fn load_issued(auth: Auth, token: Arc<str>, by: Actor) -> Result<Option<Value>, StoreError> {
    match &auth.0.issued {
        Some(issued) => issued.load(&auth, &token, &by).await,
        None => Ok(None),
    }
}

async fn load_identity(database: Database, user: UserId) -> Result<Option<Value>, StoreError> {
    Ok(database.user(user).await?.as_ref().map(Identity::pack))
}
