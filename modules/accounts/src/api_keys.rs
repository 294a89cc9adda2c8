//! The API keys of a user: made, listed and removed.

use hotshelf_database::Database;
use hotshelf_domain::{
    Actor, ApiKey, ApiKeyId, ApiKeyListing, NewApiKey, OrganizationId, StoreError, TokenHash, UserId,
};

use crate::auth::{Auth, SessionPrincipal};
use crate::error::AuthError;
use crate::letters::Notice;
use crate::token::{Token, TokenKind};

impl Auth {
    /// Makes an API key of the principal's. The token is not kept: it can be shown now and never again.
    ///
    /// # Errors
    /// [`StoreError::SessionsEnded`] when the principal's session has ended meanwhile, [`StoreError::NoSuchUser`] among
    /// others.
    pub async fn add_api_key(
        &self,
        principal: &SessionPrincipal,
        new: NewApiKey,
        actor: Actor,
    ) -> Result<(Token, ApiKey), AuthError> {
        let token = Token::new(TokenKind::ApiKey);
        let (user, by) = (principal.identity.user, principal.session);
        let key = self.0.database.add_api_key(user, by, new, token.hash(), actor).await?;
        self.0.outbox.tell(principal.identity.address(), Notice::KeyCreated(key.name.clone()));
        Ok((token, key))
    }

    /// The user's API keys, by id.
    ///
    /// # Errors
    /// When the database failed.
    pub async fn api_keys(&self, user: UserId) -> Result<Vec<ApiKey>, AuthError> {
        Ok(self.0.database.api_keys_of(user).await?.into_iter().map(|(key, _)| key).collect())
    }

    /// Removes one of the user's API keys. From here on no instance accepts it.
    ///
    /// # Errors
    /// [`StoreError::NoSuchApiKey`] among others.
    pub async fn remove_api_key(&self, user: UserId, id: ApiKeyId, by: Actor) -> Result<(), AuthError> {
        let keys = self.0.database.api_keys_of(user).await?;
        let (_, token_hash) = keys.into_iter().find(|(key, _)| key.id == id).ok_or(StoreError::NoSuchApiKey(id))?;
        self.remove_key(token_hash, by).await
    }

    /// The API keys of all users of an organization, by id, from the first after `after` on.
    ///
    /// # Errors
    /// When the database failed.
    pub async fn api_keys_of_organization(
        &self,
        organization: OrganizationId,
        after: Option<ApiKeyId>,
        limit: u32,
    ) -> Result<Vec<ApiKeyListing>, AuthError> {
        Ok(self.0.database.api_keys_of_organization(organization, after, limit).await?)
    }

    /// Removes an API key of any user of the organization. From here on no instance accepts it.
    ///
    /// # Errors
    /// [`StoreError::NoSuchApiKey`] among others.
    pub async fn remove_api_key_of_organization(
        &self,
        organization: OrganizationId,
        id: ApiKeyId,
        by: Actor,
    ) -> Result<(), AuthError> {
        let found = self.0.database.api_key_of_organization(organization, id).await?;
        let (_, token_hash) = found.ok_or(StoreError::NoSuchApiKey(id))?;
        self.remove_key(token_hash, by).await
    }

    async fn remove_key(&self, token_hash: TokenHash, by: Actor) -> Result<(), AuthError> {
        let commit = async move |database: Database, fencing| database.remove_api_key(token_hash, by, fencing).await;
        Ok(self.write(vec![self.key_entry(&token_hash)], commit).await?)
    }
}
