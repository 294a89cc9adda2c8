//! The options of the HTTP API.

use std::time::Duration;

use crate::limits::LimitOptions;
use crate::uploads::UploadOptions;

/// Options of the HTTP API.
#[derive(Clone, Debug)]
pub struct ApiOptions {
    /// Address or host name to listen on.
    pub host: String,
    /// Port to listen on; 0 takes any that is free.
    pub port: u16,
    /// Requests that take longer get 503.
    pub request_timeout: Duration,
    /// A connection is closed when it had no request in progress for this time, or its client did not read its
    /// response.
    pub idle_timeout: Duration,
    /// While so many requests are in progress, further ones get 503 at once.
    pub max_concurrent_requests: usize,
    /// Maximum number of open connections; `None`: what the limit of descriptors allows, up to 16,384. Beyond it, the
    /// longest idle connection is closed for each new one.
    pub max_connections: Option<usize>,
    /// Maximum number of open connections per address; `None`: a quarter of all. Trusted proxies and loopback are
    /// exempt.
    pub max_connections_per_address: Option<usize>,
    /// Bounds of the request bodies in progress.
    pub uploads: UploadOptions,
    /// Whether answers are compressed for clients that accept it.
    pub compression: bool,
    /// Allowed CORS origins, as browsers write them; empty turns CORS off, `*` allows all.
    pub cors_origins: Vec<String>,
    /// Hosts that requests may name beside loopback; others get 421. `None`: any.
    pub allowed_hosts: Option<Vec<String>>,
    /// The prefix of all cache keys. Operators give patterns of whole keys.
    pub cache_prefix: String,
    /// Rate limits.
    pub limits: LimitOptions,
    /// `Some`: `AUTH=on`, requests must be authenticated.
    pub users: Option<UserOptions>,
    /// Whether statistics and metrics need no authentication, even with `AUTH=on`.
    pub metrics_open: bool,
}

/// Options of user sessions and API keys.
#[derive(Clone, Copy, Debug)]
pub struct UserOptions {
    /// Whether browsers send the session cookie over TLS only.
    pub cookie_secure: bool,
    /// How long an API key may be good; `None`: without an end.
    pub api_key_ttl: Option<Duration>,
}
