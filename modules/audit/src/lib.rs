//! For the audit log: gathers what is no write of its own, such as a failed login, and forgets what is old. Writes are
//! recorded by the database, in their own transactions. May depend on `database`, `domain`, `stats` and `lifecycle`.
//!
//! ```
//! # use std::time::Duration;
//! use hotshelf_audit::AuditLog;
//! use hotshelf_database::{Database, DatabaseOptions};
//! use hotshelf_domain::{Actor, AuditAction, AuditQuery};
//! use hotshelf_lifecycle::Module;
//! use hotshelf_stats::Registry;
//!
//! # tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
//! # let directory = tempfile::tempdir()?;
//! # let registry = Registry::new()?;
//! # let options = DatabaseOptions::at(directory.path().join("products.db"));
//! let database = Database::open(options, &registry).await?;
//! let audit = AuditLog::new(database.clone(), Duration::from_secs(90 * 86_400), &registry)?;
//! audit.start().await?;
//! audit.note(Actor::command_line().does(AuditAction::CacheWarmed));
//! audit.stop(Duration::from_secs(5)).await?;
//! let entries = database.audit_log(AuditQuery { limit: 20, ..AuditQuery::default() }).await?;
//! assert_eq!((entries[0].action.as_str(), entries[0].count), ("cache.warmed", 1));
//! # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
//! ```

mod gathered;
mod log;
mod module;

pub use log::AuditLog;
