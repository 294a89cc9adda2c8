//! For sessions that end when they are told to: who somebody is that shows a token, answered from memory, coherent across
//! instances, and with the database as the truth. Knows no HTTP, no passwords and no SQL. May depend on `cache`, `domain`,
//! `stats` and `lifecycle`.
//!
//! ```
//! # use std::sync::Arc;
//! # use std::time::Duration;
//! use hotshelf_domain::{Home, NewUser, OrganizationId, ProductRepository, Role};
//! use hotshelf_session::{SessionOptions, Sessions};
//!
//! # use hotshelf_cache::*;
//! # struct Row;
//! # #[hotshelf_lifecycle::async_trait]
//! # impl EpochStore for Row {
//! #     async fn reconcile(&self, _: &str) -> Result<u64, hotshelf_lifecycle::Failure> { Ok(1) }
//! #     async fn current(&self) -> Result<(u64, String), hotshelf_lifecycle::Failure> { Ok((1, String::new())) }
//! #     async fn advance(&self) -> Result<u64, hotshelf_lifecycle::Failure> { Ok(1) }
//! #     fn history(&self) -> History { History { name: 1, commits: 0 } }
//! #     async fn begin_history(&self, _: u64) -> Result<u64, hotshelf_lifecycle::Failure> { Ok(1) }
//! # }
//! # tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
//! # let directory = tempfile::tempdir()?;
//! # let stats = hotshelf_stats::Stats::new()?;
//! # let database = hotshelf_domain::DatabaseOptions { path: directory.path().join("products.db"), shared: false };
//! # let options = CacheOptions { tiers: Tiers::Memory, shared_database: false, memory_bytes: 1 << 20,
//! #     write_strategy: WriteStrategy::Invalidate, redis: RedisOptions::default(), key_prefix: String::new() };
//! let accounts = ProductRepository::open(database, &stats).await?.accounts();
//! # let cache = Cache::new(options, Arc::new(Row), &stats)?;
//! let (minute, week) = (Duration::from_secs(60), Duration::from_secs(7 * 24 * 3600));
//! let options = SessionOptions { session_life: week, copy_life: minute, negative_life: minute, grace: minute };
//! let sessions = Sessions::new(cache, accounts.clone(), options, &stats)?;
//!
//! let home = Home::In(OrganizationId::BUILT_IN);
//! let ann = NewUser { email: "ann@shop.example".parse()?, password_hash: None, home, role: Role::Admin };
//! let ann = accounts.add_user(ann).await?;
//! let (token, _) = sessions.open(&ann, "curl").await?;
//! let visitor = sessions.find(&token.secret()).await?.expect("a session");
//! assert_eq!((visitor.identity.user, visitor.identity.role), (ann.id, Role::Admin));
//! assert_eq!(sessions.peek(&token.secret()), Some(visitor));
//! sessions.end(token.secret()).await?;
//! assert_eq!(sessions.find(&token.secret()).await?, None);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod entry;
mod module;
mod sessions;
mod sliding;
mod token;

pub use entry::Identity;
pub use module::SessionModule;
pub use sessions::{SessionError, SessionOptions, Sessions, Visitor, hashed_key};
pub use token::{Token, TokenKind};
