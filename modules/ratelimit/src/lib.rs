//! For limiting how often somebody may do something, exactly: over any stretch of time as long as a limit's window, all
//! processes that count in one Redis together let through the limit and no more. Knows nothing of HTTP. May depend on
//! `redis`, `stats` and `lifecycle`.
//!
//! ```
//! use std::net::IpAddr;
//! use std::time::Duration;
//! use hotshelf_ratelimit::*;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! // Alone, without Redis.
//! let options = RateLimitOptions { redis: None, prefix: "shop:".to_owned(), on_loss: OnLoss::Local };
//! let limiter = RateLimiter::new(options, &hotshelf_stats::Stats::new()?);
//! limiter.start();
//! let logins = limiter.scope("login", Limit::new(1, Duration::from_secs(60))?);
//!
//! let somebody = Subject::of_address(IpAddr::from([203, 0, 113, 9]));
//! let Decision::Allowed(standing) = logins.check(&somebody).decision().await else { panic!() };
//! assert_eq!(standing.remaining, 0);
//! let Decision::Refused(standing) = logins.check(&somebody).decision().await else { panic!() };
//! assert!(standing.reset <= Duration::from_millis(60_060));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **What is promised.** A place that was given counts for the whole window, by the clock of Redis; it comes back a
//! thousandth of the window later at most. Places go to requests in the order in which they came. What Redis forgets (a
//! restart without persistence, an eviction, a fail-over before the replica had heard of it) the limit forgets, except that
//! no process lets through more than the limit by itself. What happens while Redis is away is [`OnLoss`].
//!
//! **What it costs.** All decisions that wait at the same time are one write to Redis, and those about the same subject one
//! step there. Refusals that are certain cost Redis nothing, and neither do most requests of a caller who asks often and has
//! plenty left: up to a sixteenth of that is taken ahead, for a thousandth of the window or 1 s, and then given back. Memory is bounded: 65,536 subjects, about 25 MiB.

mod counting;
mod gathering;
mod limit;
mod limiter;
mod memory;
mod module;
mod options;
mod redis;
mod reserve;
mod subject;
mod window;

pub use limit::{Limit, LimitError};
pub use limiter::{Check, Decision, RateLimiter, Scope, Standing, Waiting};
pub use options::{OnLoss, RateLimitOptions};
pub use subject::Subject;
