//! For HTTP: routes, parameters, conditional requests, problem responses, who may use which route, and the edge that every
//! request passes. Knows no SQL and no Redis. May depend on `auth`, `warm`, `product` and all below them.
//!
//! ```
//! use std::time::Duration;
//! use hotshelf_api::{ApiModule, ApiOptions, LimitOptions, TrustedProxies, UploadOptions};
//! use hotshelf_lifecycle::Container;
//! use hotshelf_ratelimit::Limit;
//!
//! let mut container = Container::new(Duration::from_secs(30));
//! // … after `stats`, `database`, `cache`, `product`, `warm` and `ratelimit`:
//! container.register(ApiModule::new(ApiOptions {
//!     host: "127.0.0.1".to_owned(),
//!     port: 3000,
//!     request_timeout: Duration::from_secs(10),
//!     idle_timeout: Duration::from_secs(60),
//!     max_concurrent_requests: 1024,
//!     max_connections: None,
//!     max_connections_per_address: None,
//!     uploads: UploadOptions { most: 1024, bytes: 128 << 20, timeout: Duration::from_secs(10) },
//!     cors_origins: Vec::new(),
//!     cache_prefix: "product:".to_owned(),
//!     users: None,
//!     metrics_open: false,
//!     limits: LimitOptions {
//!         on: true,
//!         api: Limit::new(100, Duration::from_secs(60))?,
//!         routes: Vec::new(),
//!         login: Limit::new(5, Duration::from_secs(60))?,
//!         guess: Limit::new(60, Duration::from_secs(60))?,
//!         register: Limit::new(3, Duration::from_secs(3600))?,
//!         forgot_password: Limit::new(3, Duration::from_secs(3600))?,
//!         trusted_proxies: TrustedProxies::default(),
//!     },
//! }));
//! # Ok::<(), hotshelf_ratelimit::LimitError>(())
//! ```

mod access;
mod activity;
mod body;
mod caller;
mod client;
mod conditions;
mod connections;
mod cookie;
mod descriptors;
mod edge;
mod front;
mod gate;
mod limits;
mod module;
mod negotiation;
mod openapi;
mod params;
mod problem;
mod reply;
mod router;
mod routes;
mod server;
mod uploads;

pub use client::{NoNetwork, TrustedProxies};
pub use limits::{LimitOptions, RouteLimit};
pub use module::{ApiModule, ApiOptions, UserOptions};
pub use openapi::has_route;
pub use uploads::UploadOptions;
