//! For accounts: who may come in, by a password, a session, an API key or a token of an outside issuer, and what they
//! may do then. Knows no HTTP and no SQL. May depend on `audit`, `cache`, `domain`, `issuer`, `stats` and `lifecycle`.
//!
//! A password is checked once, at the login; after that, a request shows a token, and [`Auth::peek`] answers from
//! memory whose it is. Whatever takes a right away (a logout, another role, a new password, a removed key) is a write
//! by the protocol of the cache: once it was acknowledged, no instance grants that right any more.
//!
//! ```
//! # use std::sync::Arc;
//! # use std::time::Duration;
//! use hotshelf_accounts::{AccessMetrics, AccountOptions, Auth, MailLinks, MailOptions, Registration, SessionOptions};
//! use hotshelf_audit::AuditLog;
//! use hotshelf_database::Database;
//! use hotshelf_domain::{Actor, OrganizationId, Role, StoreError};
//!
//! # use hotshelf_cache::*;
//! # tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
//! # let directory = tempfile::tempdir()?;
//! # let registry = hotshelf_stats::Registry::new()?;
//! # let database = hotshelf_database::DatabaseOptions::at(directory.path().join("products.db"));
//! # let options = CacheOptions { tiers: Tiers::Memory, shared_database: false, memory_bytes: 1 << 20,
//! #     consistency: Consistency::Linearizable,
//! #     write_strategy: WriteStrategy::Invalidate, redis: RedisOptions::default(),
//! #     key_prefix: String::new(), seal_key: None };
//! # let accounts = Database::open(database, &registry).await?;
//! # let cache = Cache::new(options, Arc::new(accounts.clone()), StoreError::changed_nothing)?;
//! # let minute = Duration::from_secs(60);
//! # let (session_ttl, session_max_ttl, entry_ttl, negative_ttl, grace) = (minute, minute, minute, minute, minute);
//! # let sessions = SessionOptions { session_ttl, session_max_ttl, entry_ttl, negative_ttl, grace };
//! let options = AccountOptions { sessions, registration: Registration::Open, links: MailLinks::default() };
//! let mailer = MailOptions::File(directory.path().join("mail.log")).mailer()?;
//! let audit = AuditLog::new(accounts.clone(), Duration::from_secs(86_400), &registry)?;
//! let metrics = AccessMetrics::register(&registry)?;
//! let auth = Auth::new(cache, accounts, options, mailer, None, audit, metrics)?;
//!
//! let (password, by) = ("correct horse".to_owned(), Actor::command_line());
//! let (home, email) = (OrganizationId::BUILT_IN, "ann@shop.example".parse()?);
//! auth.add_user(home, email, Role::Editor, Some(password.clone()), by.clone()).await?;
//! let (token, _, ann) = auth.login("Ann@shop.example", password, "curl", None, &by).await?;
//! let caller = auth.authenticate(token.expose(), Actor::default).await?.expect("somebody");
//! assert_eq!((caller.identity.user, caller.role), (ann.id, Role::Editor));
//! auth.end_session(token.hash(), by).await?;
//! assert_eq!(auth.authenticate(token.expose(), Actor::default).await?, None);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod api_keys;
mod auth;
mod entry;
mod error;
mod issued;
mod letters;
mod mailer;
mod metrics;
mod module;
mod notices;
mod organizations;
mod outbox;
mod password_changes;
mod passwords;
mod registration;
mod sessions;
mod token;
mod users;
mod uses;

pub use auth::{AccountOptions, Auth, AuthMethod, Principal, SessionOptions, SessionPrincipal};
pub use entry::Identity;
pub use error::AuthError;
pub use issued::{Issued, IssuedOptions, IssuedPrincipal};
pub use letters::MailLinks;
pub use mailer::{MailOptions, Mailer};
pub use metrics::AccessMetrics;
pub use registration::Registration;
pub use token::{Token, TokenKind};
