//! What an operator can set: one typed struct per concern, read once at start.
//!
//! Environment variables win over an optional `hotshelf.toml`, which wins over the defaults. [`settings`] lists every
//! variable once; the reading, the check for unknown keys, `--help` and `check-config` all follow that list. Whoever
//! holds a [`Config`] may rely on every value in it: what does not parse has stopped the start, with one line per bad
//! value that names the variable, the value, where it came from and what is expected.

mod assemble;
mod effects;
mod layers;
mod parse;
mod problem;
mod report;
mod secret;
mod settings;

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use hotshelf_api::{RouteLimit, TrustedProxies};
use hotshelf_ratelimit::{Limit, OnLoss};
use hotshelf_redis_client::Address;
use hotshelf_telemetry::TraceOptions;
use tracing_subscriber::EnvFilter;

pub(crate) use layers::Values;
use layers::{Environment, Layers};
pub(crate) use problem::Problem;
pub(crate) use secret::Secret;
pub(crate) use settings::help;

/// The whole configuration of one process.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) http: HttpConfig,
    pub(crate) database: DatabaseConfig,
    pub(crate) redis: RedisConfig,
    pub(crate) cache: CacheConfig,
    pub(crate) access: AccessConfig,
    pub(crate) warm: WarmConfig,
    pub(crate) log: LogConfig,
    pub(crate) limits: LimitsConfig,
    /// Where traces go, if anywhere.
    pub(crate) traces: Option<TraceOptions>,
}

/// The listener and the limits of the HTTP interface.
#[derive(Debug, Clone)]
pub(crate) struct HttpConfig {
    /// A host name or an IP address, an IPv6 address without its brackets.
    pub(crate) host: String,
    /// 0 lets the system choose a free port.
    pub(crate) port: u16,
    /// How long a request may take before it is answered with 503.
    pub(crate) request_timeout: Duration,
    /// A connection without a request under way is closed after so long.
    pub(crate) idle_timeout: Duration,
    /// Requests beyond this number are shed with 503. At least 1.
    pub(crate) max_concurrent_requests: usize,
    /// `None` for what the limit of descriptors leaves.
    pub(crate) max_connections: Option<usize>,
    /// `None` for a quarter of all.
    pub(crate) max_connections_per_address: Option<usize>,
    /// Bodies that are waited for at a time. At least 1.
    pub(crate) max_uploads: usize,
    /// Bytes of bodies in memory: 16 MiB to 1 TiB.
    pub(crate) max_upload_bytes: usize,
    /// A body of which nothing comes for so long is refused with 408.
    pub(crate) upload_timeout: Duration,
    pub(crate) cors_origins: CorsOrigins,
    /// How long a stop waits for requests in flight.
    pub(crate) shutdown_timeout: Duration,
}

/// Which web origins may call the service from a browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CorsOrigins {
    /// CORS is off.
    None,
    /// Any origin (`*`).
    Any,
    /// These, each as a browser sends it: `https://shop.example`, lower case, no trailing slash. Never empty.
    Listed(Vec<String>),
}

/// Where the catalogue is stored.
#[derive(Debug, Clone)]
pub(crate) struct DatabaseConfig {
    /// The SQLite file. Relative to the working directory.
    pub(crate) path: PathBuf,
    /// Whether other instances use the same file at the same time.
    pub(crate) shared: bool,
}

/// How to reach Redis, with `REDIS_URL` already weighed against the single variables.
#[derive(Debug, Clone)]
pub(crate) struct RedisConfig {
    pub(crate) servers: RedisServers,
    /// Whether connections are encrypted (`rediss`).
    pub(crate) tls: bool,
    /// The user of the access list.
    pub(crate) username: Option<String>,
    pub(crate) password: Option<Secret>,
    /// Those of the sentinels, `None` without any.
    pub(crate) sentinel_username: Option<String>,
    pub(crate) sentinel_password: Option<Secret>,
    /// The logical database; 0 in a cluster.
    pub(crate) db: u8,
    /// Connections for commands to each server: 1 to 64.
    pub(crate) pool_size: usize,
    /// After this long a cache command counts as failed and the request goes on without it.
    pub(crate) command_timeout: Duration,
    pub(crate) connect_timeout: Duration,
}

/// How the servers of Redis are found. No list is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RedisServers {
    One(Address),
    /// Sentinels, and what they call the master.
    Sentinel {
        sentinels: Vec<Address>,
        service: String,
    },
    /// Some nodes of a cluster.
    Cluster(Vec<Address>),
}

/// What is cached, where and for how long.
#[derive(Debug, Clone)]
pub(crate) struct CacheConfig {
    pub(crate) backend: CacheBackend,
    pub(crate) lives: LivesConfig,
    /// Starts every Redis key of this service. Not empty, printable ASCII, nothing that a key pattern would interpret.
    pub(crate) prefix: String,
    /// Bound of the memory tier in bytes.
    pub(crate) l1_bytes: u64,
    pub(crate) write_strategy: WriteStrategy,
    /// Entries compared with the database each second; 0 turns the audit off.
    pub(crate) audit_rate: f64,
}

/// How long cached entries live: each 1 second to 30 days.
#[derive(Debug, Clone)]
pub(crate) struct LivesConfig {
    pub(crate) product: Duration,
    /// A product with its details.
    pub(crate) details: Duration,
    /// A page of the list of all products.
    pub(crate) list: Duration,
    /// A page of the products of an organization or of a schema.
    pub(crate) pages: Duration,
    /// The ids of all products of an organization.
    pub(crate) org_ids: Duration,
    /// The ids of all products of a schema.
    pub(crate) schema_ids: Duration,
    pub(crate) analytics: Duration,
    /// "Does not exist."
    pub(crate) negative: Duration,
    /// How long past its life a copy is served while the database fails: up to 30 days, 0 for never.
    pub(crate) grace: Duration,
}

/// Which tiers hold cached entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CacheBackend {
    /// Memory in front of Redis.
    Tiered,
    /// Redis alone.
    Redis,
    /// Memory alone.
    Memory,
    /// No cache.
    None,
}

/// What a committed write does to the cached copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WriteStrategy {
    /// Removes it.
    Invalidate,
    /// Replaces it.
    WriteThrough,
}

/// Who may come in.
#[derive(Debug, Clone)]
pub(crate) struct AccessConfig {
    /// Whether callers must be users.
    pub(crate) users: bool,
    /// Whether strangers may come in where they need not.
    pub(crate) off_anyway: bool,
    /// A session ends when it was not used for so long.
    pub(crate) session_ttl: Duration,
    /// Whether browsers send the cookie of a session over encrypted connections only.
    pub(crate) cookie_secure: bool,
    /// Whether statistics and metrics are for everybody.
    pub(crate) metrics_open: bool,
    /// The mail server, with its password.
    pub(crate) smtp_url: Option<Secret>,
    pub(crate) mail_from: String,
    /// Takes the mails where there is no mail server.
    pub(crate) mail_file: PathBuf,
    /// The page that sets a new password.
    pub(crate) reset_url: Option<String>,
}

/// How the cache is warmed.
#[derive(Debug, Clone)]
pub(crate) struct WarmConfig {
    /// From one run to the next; 0 for none but those that are asked for.
    pub(crate) interval: Duration,
    /// The most read products of a run: 1 to 10,000.
    pub(crate) products: usize,
    /// Entries a second at most. Never 0.
    pub(crate) rate: u32,
}

/// What is logged, and how.
#[derive(Debug, Clone)]
pub(crate) struct LogConfig {
    pub(crate) filter: EnvFilter,
    pub(crate) format: LogFormat,
}

/// The names that OpenTelemetry has for ways to choose traces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sampler {
    AlwaysOn,
    AlwaysOff,
    TraceIdRatio,
    ParentBasedAlwaysOn,
    ParentBasedAlwaysOff,
    ParentBasedTraceIdRatio,
}

/// The shape of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// How often who may do what.
#[derive(Debug, Clone)]
pub(crate) struct LimitsConfig {
    /// Whether requests to the API are limited.
    pub(crate) on: bool,
    pub(crate) api: Limit,
    pub(crate) login: Limit,
    pub(crate) register: Limit,
    pub(crate) forgot_password: Limit,
    /// Tokens that nobody has, from one address.
    pub(crate) guess: Limit,
    /// Each an existing route, at most once.
    pub(crate) routes: Vec<RouteLimit>,
    pub(crate) on_loss: OnLoss,
    pub(crate) trusted_proxies: TrustedProxies,
}

impl Config {
    /// Reads the process environment and the configuration file.
    ///
    /// Also returns the effective values with their origins, as `check-config` prints them. Fails with everything that
    /// is wrong at once, so that one start is enough to see it; no [`Problem`] contains a secret.
    pub(crate) fn load() -> Result<(Config, Values), Vec<Problem>> {
        let environment = Environment::of_process().map_err(|problem| vec![problem])?;
        let file = layers::find_file(std::env::var_os("HOTSHELF_CONFIG")).map_err(|problem| vec![problem])?;
        Config::from_layers(Layers { environment, file })
    }

    /// Why nobody should be served like this: strangers could change the catalogue. One line that says what to do.
    pub(crate) fn open_door(&self) -> Option<String> {
        let host = &self.http.host;
        let loopback = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        let open = !self.access.users && !self.access.off_anyway && !loopback;
        open.then(|| {
            format!(
                "AUTH=off contradicts HTTP_HOST={host}: everybody who can reach it could change the catalogue. Set AUTH=on, \
                 or AUTH_OFF_ANYWAY=true if something in front of the service decides who may"
            )
        })
    }

    fn from_layers(layers: Layers) -> Result<(Config, Values), Vec<Problem>> {
        let mut values = layers.merge().map_err(|problem| vec![problem])?;
        let config = assemble::config(&mut values);
        match (config, values.take_problems()) {
            (Some(config), problems) if problems.is_empty() => {
                effects::note(&config, &mut values);
                Ok((config, values))
            }
            (_, problems) => Err(problems),
        }
    }
}

#[cfg(test)]
mod tests;
