//! The list of all variables. A new one is a row here, a field of its struct and a line in `assemble`.

use std::path::PathBuf;
use std::time::Duration;

use hotshelf_api::{RouteLimit, TrustedProxies};
use hotshelf_ratelimit::{Limit, OnLoss};
use hotshelf_redis_client::Address;
use tracing_subscriber::EnvFilter;

use super::parse::{self, RedisUrl, Refusal};
use super::secret::{Secret, Visibility};
use super::{CacheBackend, CorsOrigins, LogFormat, Sampler, WriteStrategy};

/// What there is to know about one variable without its type.
#[derive(Clone, Copy)]
pub(crate) struct Variable {
    /// The name in the environment.
    pub(crate) name: &'static str,
    /// The text that is parsed when nothing else is given; empty where a value may be left out.
    pub(crate) default: &'static str,
    pub(crate) visibility: Visibility,
    pub(crate) meaning: &'static str,
    /// What a good value is: completes "expected …".
    pub(crate) expected: &'static str,
    /// Whether an empty environment variable is a value, and not the same as an unset one.
    pub(crate) may_be_empty: bool,
}

impl Variable {
    /// The key in the configuration file.
    pub(crate) fn key(&self) -> String {
        self.name.to_ascii_lowercase()
    }
}

/// A variable together with the way from its text to its value.
pub(crate) struct Setting<T> {
    pub(crate) variable: Variable,
    pub(crate) parse: fn(&str) -> Result<T, Refusal>,
}

/// Turns each row into a [`Setting`] constant of the variable's name, and all rows into [`ALL`].
macro_rules! settings {
    ($($name:ident: $type:ty = $default:literal, $parse:path, $visibility:ident $(, $may_be_empty:expr)?;
       $meaning:literal, $expected:expr;)*) => {
        $(pub(crate) const $name: Setting<$type> = Setting {
            variable: Variable {
                name: stringify!($name),
                default: $default,
                visibility: Visibility::$visibility,
                meaning: $meaning,
                expected: $expected,
                may_be_empty: false $(|| $may_be_empty)?,
            },
            parse: $parse,
        };)*

        /// Every variable, in the order in which people are shown them.
        pub(crate) const ALL: &[Variable] = &[$($name.variable),*];
    };
}

/// Marks the rows in which an empty environment variable is a value.
const MAY_BE_EMPTY: bool = true;

const LIFE: &str = "a duration from 1s to 30days, such as 90s, 5m or 1h30m";
const LIMIT: &str = "requests per window, such as 100/1m: 1 to 1000000000, in whole milliseconds from 1s to 1day";
const TIMEOUT: &str = "a duration above 0 and up to 1day, such as 100ms, 10s or 1m30s";

settings! {
    HTTP_HOST: String = "127.0.0.1", parse::host, Open;
        "address to listen on", "a host name or an IP address";
    HTTP_PORT: u16 = "3000", parse::listen_port, Open;
        "port to listen on", "a port number from 0 to 65535 (0 takes any free port)";
    REQUEST_TIMEOUT: Duration = "10s", parse::timeout, Open;
        "deadline of a request", TIMEOUT;
    IDLE_TIMEOUT: Duration = "60s", parse::timeout, Open;
        "connections without a request under way are closed after so long", TIMEOUT;
    SHUTDOWN_TIMEOUT: Duration = "30s", parse::timeout, Open;
        "how long a stop waits for requests in flight", TIMEOUT;
    MAX_CONCURRENT_REQUESTS: usize = "1024", parse::concurrency, Open;
        "requests beyond this number are shed", "a whole number from 1 to 1000000";
    MAX_CONNECTIONS: Option<usize> = "", parse::connections, Open;
        "connections that are open at a time; what the limit of descriptors leaves, up to 16384, when left out",
        "a whole number from 1 to 1000000";
    MAX_CONNECTIONS_PER_ADDRESS: Option<usize> = "", parse::connections, Open;
        "connections from one address; a quarter of all when left out", "a whole number from 1 to 1000000";
    MAX_UPLOADS: usize = "1024", parse::concurrency, Open;
        "bodies that are waited for at a time, a quarter of them from one address", "a whole number from 1 to 1000000";
    MAX_UPLOAD_BYTES: usize = "128MiB", parse::upload_bytes, Open;
        "bytes of bodies in memory, half of them from one address", "a size from 16MiB to 1TiB, such as 128MiB";
    UPLOAD_TIMEOUT: Duration = "10s", parse::timeout, Open;
        "bodies of which nothing comes for so long are refused", TIMEOUT;
    CORS_ORIGINS: CorsOrigins = "", parse::cors_origins, Open, MAY_BE_EMPTY;
        "web origins that may call the service", "* or origins separated by commas, such as https://shop.example";

    DB_PATH: PathBuf = "./products.db", parse::database_path, Open;
        "SQLite file", "the path of a file (no :memory: and no file: address)";
    DATABASE_URL: () = "", parse::database_url, Url;
        "reserved for PostgreSQL, refused for now", "no value";
    SHARED_DB: bool = "false", parse::boolean, Open;
        "several instances share the database", "true, false, 1 or 0";

    REDIS_ADDR: Address = "localhost:6379", parse::redis_addr, Open;
        "Redis server", "host:port, such as localhost:6379 or [::1]:6379";
    REDIS_URL: Option<RedisUrl> = "", parse::redis_url, Url;
        "Redis server as a URL, wins over the other REDIS_ variables",
        "redis://[user:password@]host[:port][/db], redis-sentinel://[…@]host[:port],…/service[/db] or \
         redis-cluster://[…@]host[:port],…, with rediss for TLS, special characters in the password percent-encoded";
    REDIS_PASSWORD: Option<Secret> = "", parse::password, Hidden, MAY_BE_EMPTY;
        "password of the Redis server", "a password";
    REDIS_DB: u8 = "0", parse::redis_db, Open;
        "logical database of the Redis server", "a whole number from 0 to 255";
    REDIS_COMMAND_TIMEOUT: Duration = "100ms", parse::timeout, Open;
        "deadline of a cache command", TIMEOUT;
    REDIS_CONNECT_TIMEOUT: Duration = "1s", parse::timeout, Open;
        "deadline of a connection attempt", TIMEOUT;
    REDIS_POOL_SIZE: usize = "1", parse::pool_size, Open;
        "connections for cache commands to each Redis server", "a whole number from 1 to 64";
    REDIS_USERNAME: Option<String> = "", parse::username, Open, MAY_BE_EMPTY;
        "user of the Redis server's access list", "a user name";
    REDIS_SENTINEL_USERNAME: Option<String> = "", parse::username, Open, MAY_BE_EMPTY;
        "user of the sentinels' access list", "a user name";
    REDIS_SENTINEL_PASSWORD: Option<Secret> = "", parse::password, Hidden, MAY_BE_EMPTY;
        "password of the sentinels", "a password";

    CACHE_BACKEND: CacheBackend = "tiered", parse::cache_backend, Open;
        "tiers of the cache", "tiered, redis, memory or none";
    CACHE_TTL: Duration = "5m", parse::life, Open;
        "life of a cached product", LIFE;
    CACHE_LIST_TTL: Duration = "5m", parse::life, Open;
        "life of a cached list", LIFE;
    CACHE_TTL_DETAILS: Duration = "10m", parse::life, Open;
        "life of the cached details of a product", LIFE;
    CACHE_TTL_PAGES: Duration = "5m", parse::life, Open;
        "life of a cached page of an organization or a schema", LIFE;
    CACHE_TTL_ORG_IDS: Duration = "15m", parse::life, Open;
        "life of the cached product ids of an organization", LIFE;
    CACHE_TTL_SCHEMA_IDS: Duration = "20m", parse::life, Open;
        "life of the cached product ids of a schema", LIFE;
    CACHE_TTL_ANALYTICS: Duration = "1day", parse::life, Open;
        "life of the cached catalogue analytics", LIFE;
    CACHE_NEGATIVE_TTL: Duration = "10s", parse::life, Open;
        "life of a cached \"does not exist\"", LIFE;
    CACHE_GRACE: Duration = "10m", parse::grace, Open;
        "how long past its life a copy is served while the database fails", "a duration from 0s to 30days, such as 10m";
    CACHE_PREFIX: String = "product:", parse::key_prefix, Open;
        "start of every Redis key", "1 to 64 printable ASCII characters, none of them a space or one of * ? [ ] { } \\";
    CACHE_L1_BYTES: u64 = "64MiB", parse::memory_bound, Open;
        "bound of the memory tier", "a size from 1KiB to 1TiB, such as 64MiB";
    CACHE_WRITE_STRATEGY: WriteStrategy = "invalidate", parse::write_strategy, Open;
        "what a write does to the cached copy", "invalidate or write_through";

    AUDIT_RATE: f64 = "1", parse::rate, Open;
        "cached entries compared with the database each second", "a number from 0 (off) to 1000, such as 1 or 0.5";

    AUTH: bool = "off", parse::on_or_off, Open;
        "whether callers must be users", "on or off";
    AUTH_OFF_ANYWAY: bool = "false", parse::boolean, Open;
        "serve everybody who can reach the address, although AUTH=off", "true, false, 1 or 0";
    SESSION_TTL: Duration = "7days", parse::life, Open;
        "life of a session after its last use", LIFE;
    SESSION_COOKIE_SECURE: bool = "true", parse::boolean, Open;
        "browsers send the session's cookie over https alone (or to localhost)", "true, false, 1 or 0";
    METRICS_OPEN: bool = "false", parse::boolean, Open;
        "with AUTH=on, statistics and metrics are for everybody", "true, false, 1 or 0";
    SMTP_URL: Option<Secret> = "", parse::smtp_url, Url;
        "mail server", "smtps://user:password@host[:port] or smtp://…, special characters in the password percent-encoded";
    MAIL_FROM: String = "hotshelf <hotshelf@localhost>", parse::text, Open;
        "whom mails are from", "an e-mail address, such as Shop <shop@shop.example>";
    MAIL_FILE: PathBuf = "./mail.log", parse::file_path, Open;
        "file that takes the mails where there is no SMTP_URL", "the path of a file";
    PASSWORD_RESET_URL: Option<String> = "", parse::link, Open;
        "page that sets a new password; the token is appended", "http:// or https:// and more, such as https://shop.example/reset?token=";
    WARM_INTERVAL: Duration = "1h", parse::interval, Open;
        "pause between two warmings of the cache", "a duration from 0s (off) to 30days, such as 1h";
    WARM_PRODUCTS: usize = "1000", parse::warm_products, Open;
        "most read products that are warmed", "a whole number from 1 to 10000";
    WARM_RATE: u32 = "1000", parse::warm_rate, Open;
        "entries warmed each second at most", "a whole number from 1 to 1000000";

    RUST_LOG: EnvFilter = "info", parse::log_filter, Open;
        "log filter", "a filter such as info or warn,hotshelf=debug";
    LOG_FORMAT: LogFormat = "text", parse::log_format, Open;
        "shape of the log lines", "text or json";

    RATE_LIMIT: bool = "off", parse::on_or_off, Open;
        "whether requests to the API are limited", "on or off";
    RATE_LIMIT_API: Limit = "100/1m", parse::limit, Open;
        "requests to the API, for each caller", LIMIT;
    RATE_LIMIT_LOGIN: Limit = "5/1m", parse::limit, Open;
        "logins from one address to one account", LIMIT;
    RATE_LIMIT_REGISTER: Limit = "3/1h", parse::limit, Open;
        "registrations from one address", LIMIT;
    RATE_LIMIT_FORGOT_PASSWORD: Limit = "3/1h", parse::limit, Open;
        "forgotten passwords from one address", LIMIT;
    RATE_LIMIT_TOKEN: Limit = "60/1m", parse::limit, Open;
        "tokens that nobody has, from one address", LIMIT;
    RATE_LIMIT_ROUTES: Vec<RouteLimit> = "", parse::route_limits, Open, MAY_BE_EMPTY;
        "routes with limits of their own",
        "METHOD path=limit, separated by commas, such as GET /api/v1/products/{id}=1000/1m, POST /api/v1/products=10/1m";
    RATE_LIMIT_ON_LOSS: OnLoss = "local", parse::on_loss, Open;
        "what limits do while Redis is away", "local, open or closed";
    TRUSTED_PROXIES: TrustedProxies = "", parse::trusted_proxies, Open, MAY_BE_EMPTY;
        "proxies whose forwarding headers count",
        "addresses and networks separated by commas, such as 10.0.0.0/8, fd00::/8 or 127.0.0.1";
    OTEL_EXPORTER_OTLP_ENDPOINT: Option<String> = "", parse::collector, Open;
        "collector of OpenTelemetry that traces are sent to", "http://host:port of a collector that takes OTLP over HTTP";
    OTEL_SERVICE_NAME: String = "hotshelf", parse::service_name, Open;
        "name of the service in traces", "1 to 255 characters";
    OTEL_TRACES_SAMPLER: Sampler = "parentbased_always_on", parse::sampler, Open;
        "which traces are sent", "always_on, always_off, traceidratio, or one of them with parentbased_ before it";
    OTEL_TRACES_SAMPLER_ARG: f64 = "1", parse::share, Open;
        "share of the traces that traceidratio sends", "a number from 0 to 1, such as 0.1";
}

/// The variables with meaning and default, for `--help`.
pub(crate) fn help() -> String {
    let width = ALL.iter().map(|variable| variable.name.len()).max().unwrap_or_default();
    let mut text = "Environment variables, which win over hotshelf.toml in the working directory (or the file that\n\
                    HOTSHELF_CONFIG names), where the keys are the same names in lower case:\n"
        .to_owned();
    for Variable { name, meaning, default, .. } in ALL {
        text += &format!("  {name:width$}  {meaning}");
        text += &if default.is_empty() { "\n".to_owned() } else { format!(" [default: {default}]\n") };
    }
    text + "\n`hotshelf check-config` prints the effective values."
}
