//! The limits that protect the ways into an account.

use hotshelf_domain::{OrganizationId, UserId};
use hotshelf_ratelimit::{RateLimiter, Subject};

use super::LimitOptions;
use super::policy::{LimitHeaders, Policy};
use crate::problem::Problem;

/// How much wider the limits are that keep somebody from trying many accounts.
const WIDER: u32 = 10;
/// And many from trying one. So wide, that keeping its owner out takes a flood.
const WIDEST: u32 = 100;

/// They are always on.
pub(crate) struct AccountLimits {
    login: Policy,
    logins_of_client: Policy,
    logins_into_account: Policy,
    guess: Policy,
    mails: Policy,
    added_users: Policy,
    register: Policy,
    forgot_password: Policy,
}

impl AccountLimits {
    pub(crate) fn new(options: &LimitOptions, limiter: &RateLimiter) -> Self {
        let guard = |name: &str, limit| Policy::new(limiter.guard(name, limit));
        AccountLimits {
            login: guard("login", options.login),
            logins_of_client: guard("login-client", options.login.times(WIDER)),
            logins_into_account: guard("login-account", options.login.times(WIDEST)),
            guess: guard("token", options.guess),
            mails: guard("mail", options.forgot_password),
            added_users: guard("add-user", options.register.times(WIDER)),
            register: guard("register", options.register),
            forgot_password: guard("forgot-password", options.forgot_password),
        }
    }

    /// Counts a login: of that client into that account, and, with more room, of that client into whatever accounts,
    /// and into that account from wherever. The account is whatever the client says it is: differences in case and
    /// space around it do not make another one.
    pub(crate) async fn login(&self, client: &Subject, account: &str) -> Result<LimitHeaders, Problem> {
        let account = account_of(account);
        // In this order: who is refused already makes no subjects of all the accounts that come to mind.
        let _ = self.logins_of_client.count(client).await?;
        let _ = self.logins_into_account.count(&account).await?;
        self.login.count(&client.and(&account)).await
    }

    /// Counts a password that somebody who is logged in tries, or has made for others: hashes are dear.
    pub(crate) async fn password_of(&self, user: UserId) -> Result<LimitHeaders, Problem> {
        self.login.count(&Subject::new(&format!("user:{user}"))).await
    }

    /// Counts a mail to that address. Whether it may be sent is for the service to know, not for who asked.
    pub(crate) async fn mail_to(&self, account: &str) -> Result<(), Problem> {
        self.mails.count(&account_of(account)).await.map(drop)
    }

    /// Counts a user who is added to that organization.
    pub(crate) async fn add_user(&self, organization: OrganizationId) -> Result<(), Problem> {
        self.added_users.count(&Subject::new(&format!("organization:{organization}"))).await.map(drop)
    }

    /// Counts a token that nobody has.
    pub(crate) async fn guess(&self, client: &Subject) -> Result<(), Problem> {
        self.guess.count(client).await.map(drop)
    }

    /// What is answered to somebody who has certainly guessed too much.
    pub(crate) fn guesses_used_up(&self, client: &Subject) -> Option<Problem> {
        self.guess.refusal(client)
    }

    /// Counts a registration.
    pub(crate) async fn register(&self, client: &Subject) -> Result<LimitHeaders, Problem> {
        self.register.count(client).await
    }

    /// Counts a forgotten password.
    pub(crate) async fn forgot_password(&self, client: &Subject) -> Result<LimitHeaders, Problem> {
        self.forgot_password.count(client).await
    }
}

fn account_of(text: &str) -> Subject {
    Subject::hashed(&text.trim().to_lowercase())
}
