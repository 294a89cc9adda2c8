//! Tokens of an outside issuer: whose they are, what they allow, and their revocation. The issuer says who somebody is;
//! which users there are, and what each may do at most, the database says. So the removal of a user, or another role,
//! ends the rights of a token as it ends those of a session.

use chrono::{DateTime, Utc};
use hotshelf_cache::{Read, Value, WriteError};
use hotshelf_database::Database;
use hotshelf_domain::{
    Actor, Areas, AuditCredential, Email, Home, IssuedId, NewUser, OrganizationId, RevokedToken, Role, StoreError,
    TokenHash, User,
};
use hotshelf_issuer::{Claims, Issuer, ValidToken};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use crate::auth::{Auth, AuthMethod, Principal};
use crate::entry::{Identity, IssuedEntry, Revocation};
use crate::error::AuthError;

/// The claim that says whether an address is the user's.
const VERIFIED: &str = "email_verified";
/// The claim with an address.
const EMAIL: &str = "email";

/// How tokens of an outside issuer become users.
#[derive(Clone, Debug)]
pub struct IssuedOptions {
    /// The claim with the e-mail address of the user.
    pub user_claim: String,
    /// The claim with the organization of the user, by its id: the token is for no other one.
    pub organization_claim: Option<String>,
    /// The claim with the user's role there, or with several.
    pub role_claim: Option<String>,
    /// What the roles of the issuer allow here. Without a [`role_claim`](IssuedOptions::role_claim), what the user may.
    pub roles: Vec<(String, Role)>,
    /// Whether a user that is not known yet is made.
    pub create_users: bool,
}

/// The outside issuer, and what its tokens mean here.
pub struct Issued {
    pub(crate) issuer: Issuer,
    options: IssuedOptions,
}

impl Issued {
    /// Of this issuer.
    pub fn new(issuer: Issuer, options: IssuedOptions) -> Self {
        Issued { issuer, options }
    }

    /// What is cached of a token; `None` when it is refused. The reason goes to the log: whoever shows a token that is
    /// not theirs need not know. `by` says from where it is shown, for the audit log.
    pub(crate) async fn load(&self, auth: &Auth, token: &str, by: &Actor) -> Result<Option<Value>, StoreError> {
        let refused = |reason: &str| {
            tracing::debug!(reason, "a token of the issuer is refused");
            Ok(None)
        };
        let valid = match self.issuer.validate(token).await {
            Ok(valid) => valid,
            Err(reason) => return refused(&reason.to_string()),
        };
        let meaning = match self.meaning(&valid.claims) {
            Ok(meaning) => meaning,
            Err(reason) => return refused(reason),
        };
        let revocation = self.revocation_of(token, &valid);
        let by = Actor { credential: Some(AuditCredential::Issued(IssuedId::new(&revocation))), ..by.clone() };
        let Some(user) = self.user(auth, &meaning, &by).await? else { return refused("there is no such user") };
        let (role, organization) = (meaning.role, meaning.organization);
        let entry = IssuedEntry { user: user.id, end: valid.end, key: valid.key, role, organization, revocation };
        Ok(Some(entry.pack()))
    }

    fn meaning(&self, claims: &Claims) -> Result<Meaning, &'static str> {
        let options = &self.options;
        let unverified = match claims.get(VERIFIED) {
            None | Some(Json::Bool(true)) => false,
            // Some issuers write it as a text.
            Some(other) => other.as_str() != Some("true"),
        };
        if options.user_claim == EMAIL && unverified {
            return Err("the e-mail address is not verified");
        }
        let email = claims.text(&options.user_claim).and_then(|text| text.parse().ok());
        let email: Email = email.ok_or("it has no e-mail address")?;
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
        Ok(Meaning { email, organization, role })
    }

    /// The user with the address, who is not let in before it is verified.
    async fn user(&self, auth: &Auth, meaning: &Meaning, by: &Actor) -> Result<Option<User>, StoreError> {
        let find = async || auth.0.database.credentials(meaning.email.clone()).await;
        let known = find().await?;
        let (true, Some(organization)) = (self.options.create_users, meaning.organization) else {
            return Ok(known.map(|(user, _)| user));
        };
        match known {
            // Whoever has registered with the address and never verified it gives it up: the issuer vouches for it.
            None | Some((User { verified: false, .. }, Some(_))) => {}
            // Verified, or added by an admin: then it is for the user to choose a password first.
            Some((user, _)) => return Ok(Some(user)),
        }
        let (home, role) = (Home::In(organization), meaning.role.unwrap_or(Role::Viewer));
        let new = NewUser { email: meaning.email.clone(), password_hash: None, home, role, verified: true };
        match auth.settle(new, by).await {
            Ok(user) => Ok(Some(user)),
            // By another request, at the same time.
            Err(AuthError::Write(WriteError::Store(StoreError::EmailTaken))) => Ok(find().await?.map(|(user, _)| user)),
            Err(AuthError::Write(WriteError::Store(StoreError::NoSuchOrganization(_)))) => Ok(None),
            Err(AuthError::Write(WriteError::Store(error))) => Err(error),
            Err(error) => {
                tracing::warn!(%error, "a user could not be made for a token of the issuer");
                Ok(None)
            }
        }
    }

    /// What a revocation of the token is found by: its id, or, if it has none, itself.
    fn revocation_of(&self, token: &str, valid: &ValidToken) -> TokenHash {
        match &valid.id {
            Some(id) => self.revocation_of_id(id),
            None => Sha256::digest([b"token\0", token.as_bytes()].concat()).into(),
        }
    }

    fn revocation_of_id(&self, id: &str) -> TokenHash {
        Sha256::digest([b"id\0", self.issuer.name().as_bytes(), b"\0", id.as_bytes()].concat()).into()
    }
}

/// What a token means here.
struct Meaning {
    email: Email,
    organization: Option<OrganizationId>,
    /// `None`: what the user may.
    role: Option<Role>,
}

/// A number, or a text of digits.
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

    /// Revokes a token of the outside issuer. From here on no instance accepts it.
    ///
    /// # Errors
    /// [`AuthError::NoIssuer`], [`AuthError::NotIssued`] when it is no token that could be revoked,
    /// [`AuthError::NotYours`], and as other writes.
    pub async fn revoke(&self, principal: &Principal, which: RevokedToken, by: Actor) -> Result<(), AuthError> {
        let issued = self.0.issued.as_ref().ok_or(AuthError::NoIssuer)?;
        let is_operator = principal.role == Role::Admin && principal.organization() == OrganizationId::BUILT_IN;
        let (revocation, end) = match which {
            RevokedToken::Id(id) if is_operator => (issued.revocation_of_id(&id), None),
            RevokedToken::Id(_) => return Err(AuthError::NotYours),
            RevokedToken::Token(token) => {
                let valid = issued.issuer.validate(&token).await.map_err(|_| AuthError::NotIssued)?;
                let meaning = issued.meaning(&valid.claims).map_err(|_| AuthError::NotIssued)?;
                let user = self.0.database.credentials(meaning.email).await?.map(|(user, _)| user);
                let own = |user: &User| user.id == principal.identity.user;
                let is_admin = principal.role == Role::Admin;
                let of_admin = |user: &User| is_admin && user.organization_id == principal.organization();
                if !is_operator && !user.is_some_and(|user| own(&user) || of_admin(&user)) {
                    return Err(AuthError::NotYours);
                }
                (issued.revocation_of(&token, &valid), DateTime::from_timestamp_millis(valid.end))
            }
        };
        self.store_revocation(revocation, end, by).await
    }

    /// Revokes the token that the principal has shown, as a logout ends a session.
    ///
    /// # Errors
    /// As other writes.
    pub async fn revoke_own(&self, shown: &IssuedPrincipal, by: Actor) -> Result<(), AuthError> {
        self.store_revocation(shown.revocation, DateTime::from_timestamp_millis(shown.end), by).await
    }

    async fn store_revocation(
        &self,
        revocation: TokenHash,
        end: Option<DateTime<Utc>>,
        by: Actor,
    ) -> Result<(), AuthError> {
        let entries = vec![self.0.revocations.entry(Revocation::key(&revocation))];
        let commit = async move |database: Database, fencing| database.revoke_token(revocation, end, by, fencing).await;
        Ok(self.write(entries, commit).await?)
    }
}

/// A principal that has shown a token of the outside issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedPrincipal {
    /// By what the token is revoked.
    pub(crate) revocation: TokenHash,
    /// From then on it is not good any more, in milliseconds since 1970.
    pub(crate) end: i64,
}

impl IssuedPrincipal {
    /// What the audit log calls the token.
    pub fn credential(&self) -> AuditCredential {
        AuditCredential::Issued(IssuedId::new(&self.revocation))
    }
}

impl IssuedEntry {
    /// Whom the token is of, if it is good now. `revoked` is not looked at.
    pub(crate) fn principal(&self, identity: Identity, issuer: &Issuer, now: DateTime<Utc>) -> Option<Principal> {
        let elsewhere = self.organization.is_some_and(|organization| organization != identity.organization);
        // Somebody may have registered with an address that is another's.
        let is_good = identity.verified && !elsewhere && issuer.publishes(self.key);
        if !is_good || self.end <= now.timestamp_millis() {
            return None;
        }
        let role = self.role.map_or(identity.role, |role| role.min(identity.role));
        let method = AuthMethod::Issued(IssuedPrincipal { revocation: self.revocation, end: self.end });
        Some(Principal { identity, role, scopes: Areas::ALL, method })
    }
}
