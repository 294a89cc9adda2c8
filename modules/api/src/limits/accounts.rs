//! The limits that protect accounts.

use hotshelf_domain::{Email, OrganizationId, UserId};
use hotshelf_ratelimit::{RateLimiter, Subject};

use super::LimitOptions;
use super::policy::{LimitHeaders, Policy};
use crate::problem::Problem;

/// Factor of the limits per client over all accounts, against trying many accounts.
const CLIENT_FACTOR: u32 = 10;
/// Factor of the limits per account over all clients. So large that locking the owner out takes a flood.
const ACCOUNT_FACTOR: u32 = 100;

/// Limits of logins, registrations, mails and guesses. They are always on.
pub(crate) struct AccountLimits {
    login: Policy,
    logins_of_client: Policy,
    logins_into_account: Policy,
    /// Mails with which a password is reset, per address.
    reset_mails: Policy,
    /// Mails with which an address is verified, per user.
    proof_mails: Policy,
    /// Mails to somebody whom an organization adds or invites, per organization and address: no other organization
    /// loses anything by them.
    welcome_mails: Policy,
    added_users: Policy,
    /// Unknown tokens, per client.
    pub(crate) guess: Policy,
    /// Registrations, per network of clients.
    pub(crate) register: Policy,
    /// Requests for a password reset, per client.
    pub(crate) forgot_password: Policy,
}

impl AccountLimits {
    pub(crate) fn new(options: &LimitOptions, limiter: &RateLimiter) -> Self {
        let guard = |name: &str, limit| Policy::new(limiter.guard(name, limit));
        AccountLimits {
            login: guard("login", options.login),
            logins_of_client: guard("login-client", options.login.times(CLIENT_FACTOR)),
            logins_into_account: guard("login-account", options.login.times(ACCOUNT_FACTOR)),
            reset_mails: guard("mail", options.forgot_password),
            proof_mails: guard("verification-mail", options.forgot_password),
            welcome_mails: guard("welcome-mail", options.forgot_password),
            added_users: guard("add-user", options.register.times(CLIENT_FACTOR)),
            guess: guard("token", options.guess),
            register: guard("register", options.register),
            forgot_password: guard("forgot-password", options.forgot_password),
        }
    }

    /// Counts a login: per client and account and, with wider limits, per client and per account. The account is the
    /// address in the request, without regard to case and surrounding space.
    pub(crate) async fn login(&self, client: &Subject, account: &str) -> Result<LimitHeaders, Problem> {
        let account = account_of(account);
        // In this order: a client that is refused already must not create a subject for each account that it makes up.
        let _ = self.logins_of_client.count(client).await?;
        let _ = self.logins_into_account.count(&account).await?;
        self.login.count(&client.and(&account)).await
    }

    /// Counts a password that a logged-in user tries: hashing is expensive.
    pub(crate) async fn password_of(&self, user: UserId) -> Result<LimitHeaders, Problem> {
        self.login.count(&Subject::new(&format!("user:{user}"))).await
    }

    /// Counts a password that a client sends with a token from a mail, for the same reason.
    pub(crate) async fn password_from(&self, client: &Subject) -> Result<LimitHeaders, Problem> {
        self.logins_of_client.count(client).await
    }

    /// Counts a mail to that address. The client must not learn whether it was sent.
    pub(crate) async fn reset_mail(&self, email: &Email) -> Result<(), Problem> {
        self.reset_mails.count(&account_of(email.as_str())).await.map(drop)
    }

    /// Counts a mail that the user asks for.
    pub(crate) async fn proof_mail(&self, user: UserId) -> Result<LimitHeaders, Problem> {
        self.proof_mails.count(&Subject::new(&format!("user:{user}"))).await
    }

    /// Counts a user that the organization adds or invites, and the mail to that address, if there is one.
    pub(crate) async fn add_user(&self, organization: OrganizationId, mail: Option<&Email>) -> Result<(), Problem> {
        let organization = Subject::new(&format!("organization:{organization}"));
        let _ = self.added_users.count(&organization).await?;
        if let Some(email) = mail {
            let _ = self.welcome_mails.count(&organization.and(&account_of(email.as_str()))).await?;
        }
        Ok(())
    }
}

/// The same for all spellings of an address that lead to one account.
fn account_of(text: &str) -> Subject {
    match text.parse::<Email>() {
        Ok(email) => Subject::hashed(email.as_str()),
        Err(_) => Subject::hashed(&text.trim().to_lowercase()),
    }
}
