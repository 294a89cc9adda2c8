//! For limiting how often somebody may do something, exactly: in any stretch of time as long as a limit's window, all
//! processes that count in one Redis let through the limit together, and no more. Knows nothing of HTTP. May depend on
//! `redis-client`, `stats` and `lifecycle`.
//!
//! ```
//! use std::net::IpAddr;
//! use std::time::Duration;
//! use hotshelf_ratelimit::*;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! // Alone, without Redis.
//! let options = RateLimitOptions { redis: None, prefix: "shop:".to_owned(), on_loss: OnLoss::Local };
//! let limiter = RateLimiter::new(options, &hotshelf_stats::Registry::new()?)?;
//! let logins = limiter.scope("login", Limit::new(1, Duration::from_secs(60))?);
//!
//! let somebody = Subject::of_address(IpAddr::from([203, 0, 113, 9]));
//! let Decision::Allowed(quota) = logins.decide(&somebody).await else { panic!() };
//! assert_eq!(quota.remaining, 0);
//! let Decision::Refused(quota) = logins.decide(&somebody).await else { panic!() };
//! assert!(quota.reset <= Duration::from_millis(60_600));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **What is promised.** A permit counts for the whole window by the clock of Redis, and is free again a hundredth of
//! the window later at most. Permits go to requests in the order in which they came. What Redis forgets (a restart,
//! an eviction, a fail-over) the limit forgets, but no process lets through more than the limit by itself, in a window
//! that is shorter by at most a hundredth and the time of one step in Redis. What happens while Redis is away is
//! [`OnLoss`].
//!
//! **What it costs.** All who wait at the same time share one write to Redis, and those about one subject one step
//! there. A refusal that is certain costs Redis nothing, nor do most requests of a caller who asks often: each step
//! prefetches up to a sixteenth of what is left, for a hundredth of the window and 1 s at most. Memory holds 65,536
//! subjects, of 150 to 700 bytes each.

mod counting;
mod limit;
mod limiter;
mod memory;
mod metrics;
mod redis;
mod scope;
mod subject;
mod subject_state;
mod window;

pub use limit::{Limit, LimitError};
pub use limiter::{OnLoss, RateLimitOptions, RateLimiter};
pub use scope::{Decision, Quota, Scope};
pub use subject::Subject;
