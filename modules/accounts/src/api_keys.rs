//! The API keys of a user: made, listed and removed.

use hotshelf_database::Database;
use hotshelf_domain::{ApiKey, ApiKeyId, Email, NewApiKey, StoreError, UserId};

use crate::auth::{Auth, SessionPrincipal};
use crate::error::AuthError;
use crate::letters::{Letter, Notice};
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
    ) -> Result<(Token, ApiKey), AuthError> {
        let token = Token::new(TokenKind::ApiKey);
        let (user, by) = (principal.identity.user, principal.session);
        let key = self.0.database.add_api_key(user, by, new, token.hash()).await?;
        let email = Email::from_row(principal.identity.email().to_owned());
        self.0.outbox.tell(Letter::Notice(email, Notice::KeyCreated(key.name.clone())));
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
    pub async fn remove_api_key(&self, user: UserId, id: ApiKeyId) -> Result<(), AuthError> {
        let keys = self.0.database.api_keys_of(user).await?;
        let (_, token_hash) = keys.into_iter().find(|(key, _)| key.id == id).ok_or(StoreError::NoSuchApiKey(id))?;
        let commit = async move |database: Database, fencing| database.remove_api_key(token_hash, fencing).await;
        Ok(self.write(vec![self.key_entry(&token_hash)], commit).await?)
    }
}
