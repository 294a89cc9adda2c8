//! How users come in by themselves, and prove their addresses; and invitations.

use chrono::{TimeDelta, Utc};
use hotshelf_cache::{Fencing, WriteError};
use hotshelf_database::Database;
use hotshelf_domain::{
    Actor, Email, Home, Invitation, InvitationId, NewInvitation, NewUser, OrganizationId, Registrant, Role, StoreError,
    User, UserId,
};

use crate::auth::{Auth, SessionPrincipal};
use crate::error::AuthError;
use crate::letters::Letter;
use crate::passwords::Match;
use crate::token::{Token, TokenKind};

/// How long an address may stay unverified after a registration. Then the user is removed.
const UNVERIFIED_TTL: TimeDelta = TimeDelta::hours(24);
/// How long an invitation is good.
const INVITATION_TTL: TimeDelta = TimeDelta::days(7);
/// How often a registration looks again who has the address, when others register with it at the same time.
const ATTEMPTS: usize = 10;
/// Unverified users that are removed between two looks at who they are.
const BATCH: i64 = 100;

/// Who may register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registration {
    /// Nobody: users are added by admins.
    Off,
    /// Whoever has an invitation.
    Invite,
    /// Everybody.
    Open,
}

impl Auth {
    /// Who may register.
    pub fn registration(&self) -> Registration {
        self.0.registration
    }

    /// Makes a user: by an invitation, where that says, and else as the admin of a new organization. Without one, a
    /// mail lets the user prove the address.
    ///
    /// # Errors
    /// [`AuthError::RegistrationOff`] and [`AuthError::InvitationMissing`]; [`StoreError::NotInvited`],
    /// [`StoreError::EmailTaken`], [`AuthError::TooMuchMail`], [`AuthError::Busy`] among others.
    pub async fn register(&self, registrant: Registrant, by: &Actor) -> Result<User, AuthError> {
        let Registrant { email, password, organization, invitation } = registrant;
        let home = match (self.0.registration, invitation) {
            (Registration::Off, _) => return Err(AuthError::RegistrationOff),
            (Registration::Invite, None) => return Err(AuthError::InvitationMissing),
            (Registration::Open, None) => Home::New(organization),
            (_, Some(text)) => match Token::recognize(&text) {
                Some((TokenKind::Invitation, by)) => Home::Invited(by, organization),
                _ => return Err(StoreError::NotInvited.into()),
            },
        };
        // Whoever shows the token of an invitation has read the mail.
        let verified = matches!(home, Home::Invited(..));
        let place = if verified { None } else { Some(self.0.outbox.reserve()?) };
        let password_hash = Some(self.chosen(password, &email, &home).await?);
        let user = self.settle(NewUser { email, password_hash, home, role: Role::Admin, verified }, by).await?;
        if let Some(place) = place {
            place.send(Letter::Proof(user.email.clone()));
        }
        Ok(user)
    }

    /// Stores the user. An address that nobody has verified is taken over: whoever had it ends as by a removal.
    pub(crate) async fn settle(&self, new: NewUser, by: &Actor) -> Result<User, AuthError> {
        for _ in 0..ATTEMPTS {
            let holder = self.0.database.credentials(new.email.clone()).await?;
            let instead_of = match holder {
                None => None,
                Some((holder, _)) if holder.verified => return Err(StoreError::EmailTaken.into()),
                // An admin has added this user, who is to choose a password. Neither a registration, which is open to
                // anybody, nor a token may end that.
                Some((_, None)) if matches!(new.home, Home::New(_) | Home::Issued { .. }) => {
                    return Err(StoreError::EmailTaken.into());
                }
                Some((holder, Some(_) | None)) => Some(holder.id),
            };
            match self.add_instead_of(new.clone(), instead_of, by.clone()).await {
                Err(WriteError::Store(StoreError::EmailMoved)) => {}
                added => return Ok(added?),
            }
        }
        Err(WriteError::Locked.into())
    }

    async fn add_instead_of(
        &self,
        new: NewUser,
        instead_of: Option<UserId>,
        by: Actor,
    ) -> Result<User, WriteError<StoreError>> {
        let Some(holder) = instead_of else {
            // No entry is of what is not there yet.
            let added = self.0.database.add_user(new, None, by, Fencing::Fenced).await;
            return Ok(added.map_err(WriteError::Store)?.value);
        };
        let commit = async move |database: Database, fencing| database.add_user(new, instead_of, by, fencing).await;
        self.write(vec![self.identity_entry(holder)], commit).await
    }

    /// Sends the principal one more mail to prove the address by, unless it is proven.
    ///
    /// # Errors
    /// [`AuthError::TooMuchMail`].
    pub fn resend_proof(&self, principal: &SessionPrincipal) -> Result<(), AuthError> {
        if !principal.identity.verified {
            self.0.outbox.reserve()?.send(Letter::Proof(principal.identity.address()));
        }
        Ok(())
    }

    /// Verifies the address of the user who got this token by mail, and knows the password. With the token alone,
    /// somebody who has registered with another's address could have that other confirm it.
    ///
    /// # Errors
    /// [`StoreError::NoSuchProof`]; [`AuthError::WrongCredentials`] when the password is another; [`AuthError::Busy`].
    pub async fn verify_address(&self, token: &str, password: String, by: Actor) -> Result<(), AuthError> {
        let Some((TokenKind::Proof, token_hash)) = Token::recognize(token) else {
            return Err(StoreError::NoSuchProof.into());
        };
        let user = self.0.database.proof_of(token_hash).await?.ok_or(StoreError::NoSuchProof)?;
        let user = self.0.database.user(user).await?.ok_or(StoreError::NoSuchProof)?;
        let stored = self.0.database.credentials(user.email.clone()).await?;
        let stored = stored.filter(|(holder, _)| holder.id == user.id).and_then(|(_, stored)| stored);
        let compared = self.0.passwords.verify(password, stored.clone()).await?;
        let Some(shown) = stored.filter(|_| compared != Match::Wrong) else { return Err(AuthError::WrongCredentials) };
        let commit = async move |database: Database, fencing| database.verify(token_hash, shown, by, fencing).await;
        Ok(self.write(vec![self.identity_entry(user.id)], commit).await?)
    }

    /// Removes those who registered a day ago and have not verified their addresses, which become free.
    pub(crate) async fn end_unverified(&self) -> Result<(), AuthError> {
        let before = Utc::now() - UNVERIFIED_TTL;
        loop {
            let late = self.0.database.unverified(before, BATCH).await?;
            if late.is_empty() {
                return Ok(());
            }
            for user in late {
                let commit = async move |database: Database, fencing| database.end_unverified(user, fencing).await;
                self.write(vec![self.identity_entry(user)], commit).await?;
            }
        }
    }

    /// Invites somebody by mail to register, in the principal's organization or, with `new_organization`, in one that
    /// is made then.
    ///
    /// # Errors
    /// [`AuthError::RegistrationOff`]; [`AuthError::TooMuchMail`]; [`StoreError::EmailTaken`] among others.
    pub async fn invite(
        &self,
        principal: &SessionPrincipal,
        email: Email,
        role: Role,
        new_organization: bool,
        by: Actor,
    ) -> Result<Invitation, AuthError> {
        if self.0.registration == Registration::Off {
            return Err(AuthError::RegistrationOff);
        }
        let place = self.0.outbox.reserve()?;
        let token = Token::new(TokenKind::Invitation);
        let new = NewInvitation {
            token_hash: token.hash(),
            email: email.clone(),
            organization: principal.identity.organization,
            new_organization,
            role,
            invited_by: principal.identity.user,
            expires_at: Utc::now() + INVITATION_TTL,
        };
        let invitation = self.0.database.invite(new, by).await?;
        place.send(Letter::Invitation { to: email, by: principal.identity.email().to_owned(), token });
        Ok(invitation)
    }

    /// The open invitations of the organization, by id.
    ///
    /// # Errors
    /// When the database failed.
    pub async fn invitations(&self, organization: OrganizationId) -> Result<Vec<Invitation>, AuthError> {
        Ok(self.0.database.invitations(organization).await?)
    }

    /// Revokes an invitation of the organization.
    ///
    /// # Errors
    /// [`StoreError::NoSuchInvitation`] among others.
    pub async fn revoke_invitation(
        &self,
        organization: OrganizationId,
        id: InvitationId,
        by: Actor,
    ) -> Result<(), AuthError> {
        Ok(self.0.database.revoke_invitation(organization, id, by).await?)
    }
}
