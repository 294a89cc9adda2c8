//! What the HTTP API is started with.

use std::time::Duration;

use crate::limits::LimitOptions;
use crate::uploads::UploadOptions;

/// Where and how to serve.
#[derive(Clone, Debug)]
pub struct ApiOptions {
    /// Address or host name to listen on.
    pub host: String,
    /// Port to listen on; 0 takes any that is free.
    pub port: u16,
    /// A request that takes longer is answered with 503.
    pub request_timeout: Duration,
    /// A connection without a request under way is closed after so long; so is one whose client takes nothing of its
    /// answer.
    pub idle_timeout: Duration,
    /// While so many requests are under way, further ones are answered with 503 at once.
    pub max_concurrent_requests: usize,
    /// Connections that are open at a time; `None` for what the limit of descriptors leaves, up to 16,384. While there
    /// are so many, the one that was idle longest makes room for the next.
    pub max_connections: Option<usize>,
    /// Of which so many are from one address; `None` for a quarter. Trusted proxies and this machine may have all.
    pub max_connections_per_address: Option<usize>,
    /// Bounds of the bodies that are under way.
    pub uploads: UploadOptions,
    /// Origins that browsers may call from; none turns CORS off, `*` allows all.
    pub cors_origins: Vec<String>,
    /// What all keys of the cache begin with: operators name them in full.
    pub cache_prefix: String,
    /// How often who may do what.
    pub limits: LimitOptions,
    /// Users are on, and whoever asks has to be one.
    pub users: Option<UserOptions>,
    /// With users on, whether the statistics and metrics are for everybody all the same.
    pub metrics_open: bool,
}

/// How users are served.
#[derive(Clone, Copy, Debug)]
pub struct UserOptions {
    /// Whether browsers send that cookie over encrypted connections only.
    pub cookie_secure: bool,
}
