//! Tokens of an outside issuer: their user, their rights and their revocation. The issuer says who the user is. The
//! database says whether that user exists and which role the user has. So when a user is removed or gets another role,
//! the tokens of the user lose the same rights as the sessions.

use chrono::{DateTime, Utc};
use hotshelf_cache::{Read, Value, WriteError};
use hotshelf_database::Database;
use hotshelf_domain::{
    Actor, Areas, AuditCredential, Email, Home, IssuedId, NewUser, OrganizationId, RevokedToken, Role, StoreError,
    TokenHash, User,
};
use hotshelf_issuer::{Claims, Issuer, Refused, ValidToken};
use hotshelf_lifecycle::Trouble;
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use crate::auth::{Auth, AuthMethod, Principal};
use crate::entry::{Identity, IssuedEntry, Revocation};
use crate::error::AuthError;

/// The claim that says whether the issuer has verified the address (OpenID Connect Core 1.0, section 5.1).
const VERIFIED: &str = "email_verified";
/// The claim with an address.
const EMAIL: &str = "email";

/// Which user and which rights the claims of a token mean.
#[derive(Clone, Debug)]
pub struct IssuedOptions {
    /// The claim with the e-mail address of the user.
    pub user_claim: String,
    /// The claim with the id of the user's organization. If it is set, a token without this claim is refused, and so is
    /// one that names another organization than the user's.
    pub organization_claim: Option<String>,
    /// The claim with a role of the user, or a list of roles. If it is set, a token without a known role is refused.
    pub role_claim: Option<String>,
    /// The role in this service for each role of the issuer. A token has the highest of its roles, but at most the role
    /// of its user. Without a [`role_claim`](IssuedOptions::role_claim), it has the role of its user.
    pub roles: Vec<(String, Role)>,
    /// Whether the first token of an unknown user creates the user.
    pub create_users: bool,
}

/// The outside issuer, and the meaning of its claims.
pub struct Issued {
    pub(crate) issuer: Issuer,
    options: IssuedOptions,
    /// Why users are not created, so that the log says it once.
    creation: Trouble,
}

impl Issued {
    /// Accepts the tokens of this issuer.
    pub fn new(issuer: Issuer, options: IssuedOptions) -> Self {
        Issued { issuer, options, creation: Trouble::default() }
    }

    /// Verifies a token and returns its cache entry; `None` if it is refused. The reason goes to the log only, because
    /// it would help somebody who forges tokens. `by` has the origin of the request, for the audit log.
    pub(crate) async fn load(&self, auth: &Auth, token: &str, by: &Actor) -> Result<Option<Value>, StoreError> {
        let refused = |reason: &str| {
            tracing::debug!(reason, "a token of the issuer is refused");
            Ok(None)
        };
        let valid = match self.issuer.validate(token).await {
            Ok(valid) => valid,
            // The token may be good. So the client has to try again, and this is no guess.
            Err(Refused::NoKeys) => return Err(StoreError::NoIssuerKeys),
            Err(reason) => return refused(&reason.to_string()),
        };
        let meaning = match self.meaning(&valid) {
            Ok(meaning) => meaning,
            Err(reason) => return refused(reason),
        };
        let revocation = self.revocation_of(token, &valid);
        let by = Actor { credential: Some(AuditCredential::Issued(IssuedId::new(&revocation))), ..by.clone() };
        let Some(user) = self.user(auth, &meaning, &by).await? else { return refused("it has no user") };
        let (role, organization) = (meaning.role, meaning.organization);
        let entry = IssuedEntry { user: user.id, end: valid.end, key: valid.key, role, organization, revocation };
        Ok(Some(entry.pack()))
    }

    fn meaning(&self, valid: &ValidToken) -> Result<Meaning, &'static str> {
        let (options, claims) = (&self.options, &valid.claims);
        let verified = says_verified(claims);
        if options.user_claim == EMAIL && verified == Some(false) {
            return Err("the e-mail address is not verified");
        }
        let address_in = |claim: &str| claims.text(claim).and_then(|text| text.parse::<Email>().ok());
        let email = address_in(&options.user_claim).ok_or("it has no e-mail address")?;
        // With another claim for the user, `email_verified` is still about `email`.
        let proven = verified == Some(true) && address_in(EMAIL).as_ref() == Some(&email);
        let organization = match &options.organization_claim {
            None => None,
            Some(claim) => Some(organization_of(claims.get(claim)).ok_or("it has no organization")?),
        };
        let role = match &options.role_claim {
            None => None,
            Some(claim) => {
                let role_of = |name: &str| options.roles.iter().find(|(known, _)| known == name).map(|(_, role)| *role);
                Some(claims.texts(claim).filter_map(role_of).max().ok_or("it has no role that means anything here")?)
            }
        };
        Ok(Meaning { email, proven, organization, role, issued_at: valid.issued_at })
    }

    /// The user with the address of the token. Creates the user if the options say so and the token says that the
    /// address is verified. [`IssuedEntry::principal`] refuses a user whose address is not verified here.
    async fn user(&self, auth: &Auth, meaning: &Meaning, by: &Actor) -> Result<Option<User>, StoreError> {
        let find = async || auth.0.database.credentials(meaning.email.clone()).await;
        let known = find().await?;
        let creates = self.options.create_users && meaning.proven;
        let (true, Some(organization)) = (creates, meaning.organization) else {
            return Ok(known.map(|(user, _)| user));
        };
        match known {
            // Somebody has registered with the address and not verified it. The issuer has verified it for this user,
            // who takes the address over.
            None | Some((User { verified: false, .. }, Some(_))) => {}
            // The address is verified, or an admin has added the user, who has to choose a password first.
            Some((user, _)) => return Ok(Some(user)),
        }
        let home = Home::Issued { organization, issued_at: meaning.issued_at };
        let role = meaning.role.unwrap_or(Role::Viewer);
        let new = NewUser { email: meaning.email.clone(), password_hash: None, home, role, verified: true };
        match auth.settle(new, by).await {
            Ok(user) => {
                self.creation.succeeded();
                Ok(Some(user))
            }
            // Another request has created the user meanwhile.
            Err(AuthError::Write(WriteError::Store(StoreError::EmailTaken))) => Ok(find().await?.map(|(user, _)| user)),
            Err(AuthError::Write(WriteError::Store(StoreError::NoSuchOrganization(_) | StoreError::RemovedSince))) => {
                Ok(None)
            }
            Err(AuthError::Write(WriteError::Store(error))) if error.is_failure() => Err(error),
            // The client must not learn from the answer that the organization is full or suspended: the token is
            // refused like any other whose user does not exist.
            Err(AuthError::Write(WriteError::Store(error))) => {
                self.tell(&error);
                Ok(None)
            }
            // Another write has the address, or this one is not confirmed.
            Err(error) => {
                self.tell(&error);
                Err(StoreError::Overloaded("a user could not be created for a token, try again"))
            }
        }
    }

    /// Says why a user is not created. Each request with such a token tries it again, so the log has one line, until a
    /// user is created again.
    fn tell(&self, error: &dyn std::error::Error) {
        if self.creation.failed(error.to_string()) {
            tracing::warn!(%error, "no user is created for a token of the issuer");
        }
    }

    /// The hash under which a revocation of the token is stored: of its id, or of what the issuer has signed of it if
    /// it has no id. The signature is not part of it: anybody can make another good ECDSA signature from one: from
    /// (r, s) the signature (r, n - s).
    fn revocation_of(&self, token: &str, valid: &ValidToken) -> TokenHash {
        match &valid.id {
            Some(id) => self.revocation_of_id(id),
            None => {
                let signed = token.rsplit_once('.').map_or(token, |(signed, _)| signed);
                Sha256::digest([b"token\0", signed.as_bytes()].concat()).into()
            }
        }
    }

    fn revocation_of_id(&self, id: &str) -> TokenHash {
        Sha256::digest([b"id\0", self.issuer.name().as_bytes(), b"\0", id.as_bytes()].concat()).into()
    }
}

/// The meaning of the claims of a token.
struct Meaning {
    email: Email,
    /// Whether the token says that its user has verified this address.
    proven: bool,
    organization: Option<OrganizationId>,
    /// `None`: the role of the user.
    role: Option<Role>,
    /// In seconds since 1970.
    issued_at: Option<i64>,
}

/// Whether the issuer has verified the address in `email`; `None` if the token does not say.
fn says_verified(claims: &Claims) -> Option<bool> {
    // Some issuers send a string instead of a Boolean.
    claims.get(VERIFIED).map(|said| said.as_bool().unwrap_or(said.as_str() == Some("true")))
}

/// An id as a number, or as a string of digits.
fn organization_of(claim: Option<&Json>) -> Option<OrganizationId> {
    let number = match claim? {
        Json::String(digits) => digits.parse().ok()?,
        other => other.as_i64()?,
    };
    OrganizationId::new(number)
}

impl Auth {
    /// Whether tokens of an outside issuer are accepted.
    pub fn accepts_issued(&self) -> bool {
        self.0.issued.is_some()
    }

    pub(crate) fn peek_revoked(&self, revocation: &TokenHash) -> Option<bool> {
        let (value, _) = self.0.cache.peek(&self.0.revocations, &Revocation::key(revocation), Read::default())?;
        Some(Revocation::is_revoked(&value.payload))
    }

    pub(crate) async fn is_revoked(&self, revocation: TokenHash, read: Read) -> Result<bool, StoreError> {
        let database = self.0.database.clone();
        let load = move || {
            let database = database.clone();
            async move { Ok(Some(Revocation::pack(database.is_revoked(revocation).await?))) }
        };
        let entry = self.0.revocations.entry(Revocation::key(&revocation));
        let found = self.0.cache.get_or_load(entry, read, load).await?;
        Ok(found.value.is_none_or(|value| Revocation::is_revoked(&value.payload)))
    }

    /// Revokes a token of the outside issuer. When this returns, no instance accepts the token any more, with the
    /// exceptions of the promise for several instances. Operators may revoke any token, also by its id alone; admins a
    /// token of a user of their organization; every user their own.
    ///
    /// # Errors
    /// [`AuthError::NoIssuer`] without an issuer; [`AuthError::NotIssued`] if the issuer has not signed the token, or
    /// it is not valid now; [`AuthError::NotYours`] if the principal may not revoke it; and the errors of other writes.
    pub async fn revoke(&self, principal: &Principal, which: RevokedToken, by: Actor) -> Result<(), AuthError> {
        let issued = self.0.issued.as_ref().ok_or(AuthError::NoIssuer)?;
        let is_operator = principal.role == Role::Admin && principal.organization() == OrganizationId::BUILT_IN;
        let (revocation, end, user) = match which {
            RevokedToken::Id(id) if is_operator => (issued.revocation_of_id(&id), None, None),
            RevokedToken::Id(_) => return Err(AuthError::NotYours),
            RevokedToken::Token(token) => {
                let valid = issued.issuer.validate(&token).await.map_err(|reason| match reason {
                    Refused::NoKeys => StoreError::NoIssuerKeys.into(),
                    _ => AuthError::NotIssued,
                })?;
                let meaning = issued.meaning(&valid).map_err(|_| AuthError::NotIssued)?;
                let user = self.0.database.credentials(meaning.email).await?.map(|(user, _)| user);
                let own = |user: &User| user.id == principal.identity.user;
                let is_admin = principal.role == Role::Admin;
                let of_admin = |user: &User| is_admin && user.organization_id == principal.organization();
                if !is_operator && !user.as_ref().is_some_and(|user| own(user) || of_admin(user)) {
                    return Err(AuthError::NotYours);
                }
                (issued.revocation_of(&token, &valid), DateTime::from_timestamp_millis(valid.end), user)
            }
        };
        self.store_revocation(revocation, end, user, by).await
    }

    /// Revokes the token of the principal: a logout. The guarantee is that of [`revoke`](Auth::revoke).
    ///
    /// # Errors
    /// The errors of other writes.
    pub async fn revoke_own(&self, shown: &IssuedPrincipal, by: Actor) -> Result<(), AuthError> {
        self.store_revocation(shown.revocation, DateTime::from_timestamp_millis(shown.end), None, by).await
    }

    async fn store_revocation(
        &self,
        revocation: TokenHash,
        end: Option<DateTime<Utc>>,
        user: Option<User>,
        by: Actor,
    ) -> Result<(), AuthError> {
        let entries = vec![self.0.revocations.entry(Revocation::key(&revocation))];
        let commit =
            async move |database: Database, fencing| database.revoke_token(revocation, end, user, by, fencing).await;
        Ok(self.write(entries, commit).await?)
    }
}

/// The token of a principal that was authenticated by a token of the outside issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedPrincipal {
    /// The hash under which a revocation is stored.
    pub(crate) revocation: TokenHash,
    /// When it expires, in milliseconds since 1970.
    pub(crate) end: i64,
}

impl IssuedPrincipal {
    /// The name of the token in the audit log.
    pub fn credential(&self) -> AuditCredential {
        AuditCredential::Issued(IssuedId::new(&self.revocation))
    }
}

impl IssuedEntry {
    /// The principal, if the token is valid now for this identity. The caller has checked that it is not revoked.
    pub(crate) fn principal(&self, identity: Identity, issuer: &Issuer, now: DateTime<Utc>) -> Option<Principal> {
        let elsewhere = self.organization.is_some_and(|organization| organization != identity.organization);
        // Without this check, somebody who registers with the address of another person would get the rights of that
        // person's tokens.
        let is_good = identity.verified && !elsewhere && issuer.publishes(self.key);
        if !is_good || self.end <= now.timestamp_millis() {
            return None;
        }
        let role = self.role.map_or(identity.role, |role| role.min(identity.role));
        let method = AuthMethod::Issued(IssuedPrincipal { revocation: self.revocation, end: self.end });
        Some(Principal { identity, role, scopes: Areas::ALL, method })
    }
}
