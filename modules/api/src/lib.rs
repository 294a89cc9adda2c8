//! For HTTP: routes, parameters, conditional requests, problem responses, who may use which route, and the edge that every
//! request passes. Knows no SQL and no Redis. May depend on `auth`, `product` and all below them.
//!
//! ```
//! use std::time::Duration;
//! use hotshelf_api::{ApiModule, ApiOptions};
//! use hotshelf_lifecycle::Container;
//!
//! let mut container = Container::new(Duration::from_secs(30));
//! // … after `stats`, `database`, `cache` and `product`:
//! container.register(ApiModule::new(ApiOptions {
//!     host: "127.0.0.1".to_owned(),
//!     port: 3000,
//!     request_timeout: Duration::from_secs(10),
//!     idle_timeout: Duration::from_secs(60),
//!     max_concurrent_requests: 1024,
//!     cors_origins: Vec::new(),
//!     cache_prefix: "product:".to_owned(),
//!     users: None,
//!     metrics_open: false,
//! }));
//! ```

mod access;
mod body;
mod caller;
mod conditions;
mod cookie;
mod edge;
mod front;
mod gate;
mod module;
mod negotiation;
mod openapi;
mod params;
mod problem;
mod reply;
mod router;
mod routes;
mod server;

pub use module::{ApiModule, ApiOptions, UserOptions};
