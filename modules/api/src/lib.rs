//! For HTTP: routes, parameters, conditional requests, problem responses, and the edge that every request passes.
//! Knows no SQL and no Redis. May depend on `warm`, `product` and all below them.
//!
//! ```
//! use std::time::Duration;
//! use hotshelf_api::{ApiModule, ApiOptions};
//! use hotshelf_lifecycle::Container;
//!
//! let mut container = Container::new(Duration::from_secs(30));
//! // … after `stats`, `database`, `cache`, `product` and `warm`:
//! container.register(ApiModule::new(ApiOptions {
//!     host: "127.0.0.1".to_owned(),
//!     port: 3000,
//!     request_timeout: Duration::from_secs(10),
//!     max_concurrent_requests: 1024,
//!     cors_origins: Vec::new(),
//!     cache_prefix: "product:".to_owned(),
//! }));
//! ```

mod body;
mod conditions;
mod edge;
mod front;
mod module;
mod negotiation;
mod openapi;
mod params;
mod problem;
mod reply;
mod router;
mod routes;
mod server;

pub use module::{ApiModule, ApiOptions};
