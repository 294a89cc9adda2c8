//! Every setting, defined once: key, type, default, parser, what is expected, meaning. `--help`, `check-config`,
//! docs/configuration.md and hotshelf.example.toml are printed from it. Where a value goes is in `options.rs`.

use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use hotshelf_accounts::Registration;
use hotshelf_api::{RouteLimit, TrustedProxies};
use hotshelf_cache::{SealKey, Tiers, WriteStrategy};
use hotshelf_database::ServerUrl;
use hotshelf_domain::Role;
use hotshelf_issuer::{KeySource, SignatureAlgorithm};
use hotshelf_ratelimit::{Limit, OnLoss};
use hotshelf_redis_client::Address;
use tracing_subscriber::EnvFilter;

use super::definition::{Definition, settings};
use super::effects::Need::*;
use super::parse::*;
use super::sources::Values;
use super::visibility::Visibility::*;
use crate::logging::LogFormat;

const TTL: &str = "a duration from 1s to 30days, such as 90s, 5m or 1h30m";
const TIMEOUT: &str = "a duration above 0 and up to 1day, such as 100ms, 10s or 1m30s";
const UP_TO_A_MILLION: &str = "a whole number from 1 to 1000000";
const BOOLEAN: &str = "true, false, 1 or 0";
const LIMIT: &str = "requests per window, such as 100/1m: 1 to 1000000000, in whole milliseconds from 1s to 1day";

settings! {
    "HTTP" {
        /// Address to listen on. The default can be reached from this machine only.
        http_host: String = "127.0.0.1", host, "a host name or an IP address";

        /// Port to listen on.
        http_port: u16 = "3000", |text| number(text, 0..=u16::MAX),
            "a port number from 0 to 65535 (0 takes any free port)";

        /// Deadline of a request. A request that takes longer is answered with 503.
        request_timeout: Duration = "10s", timeout, TIMEOUT;

        /// A connection without a request in flight is closed after this time. So is one whose client reads nothing of
        /// its response. A download that makes progress is not cut.
        idle_timeout: Duration = "60s", timeout, TIMEOUT;

        /// Time that a stop has to finish the requests in flight.
        shutdown_timeout: Duration = "30s", timeout, TIMEOUT;

        /// Requests beyond this number are answered with 503 at once. Health probes are not. A request counts from when
        /// its body has arrived.
        max_concurrent_requests: usize = "1024", |text| number(text, 1..=1_000_000), UP_TO_A_MILLION;

        /// Open connections at a time. When there are so many, the one that was idle longest is closed for the next.
        /// Empty: what the limit of file descriptors leaves, up to 16384.
        max_connections: Option<usize> = "", |text| optional(text, |text| number(text, 1..=1_000_000)),
            UP_TO_A_MILLION, see: "operations.md#connections";

        /// Open connections from one address. Loopback and trusted proxies are exempt. Empty: a quarter of all.
        max_connections_per_address: Option<usize> = "", |text| optional(text, |text| number(text, 1..=1_000_000)),
            UP_TO_A_MILLION, see: "operations.md#connections";

        /// Compresses answers over 1 KiB for clients that accept br, zstd or gzip.
        http_compression: bool = "on", on_or_off, "on or off", see: "operations.md#compression";

        /// Request bodies that are received at a time. A quarter of them may come from one address. Further ones are
        /// answered with 503.
        max_uploads: usize = "1024", |text| number(text, 1..=1_000_000), UP_TO_A_MILLION;

        /// Memory for request bodies. Half of it may be used by one address. A body that needs more is answered with
        /// 503.
        max_upload_bytes: usize = "128MiB", |text| size(text, ByteSize::mib(16)..=ByteSize::tib(1)),
            "a size from 16MiB to 1TiB, such as 128MiB";

        /// A request body that makes no progress for this time is answered with 408. So is one that is slower than
        /// 8 KiB/s after three times as long.
        upload_timeout: Duration = "10s", timeout, TIMEOUT;

        /// Web origins whose pages may call the service. Empty: none.
        cors_origins: Vec<String> = "", cors_origins,
            "* or origins separated by commas, such as https://shop.example (no path; international names as xn--…)",
            may_be_empty: true, see: "operations.md#hosts-and-origins";

        /// Host names that requests may have in `Host`, beside localhost and the addresses of loopback. Others get 421.
        /// `*`: any. Empty: none with AUTH=off on loopback, so that no web page can reach the service by a name of its
        /// own (DNS rebinding); otherwise any.
        http_allowed_hosts: Vec<String> = "", allowed_hosts,
            "* or host names separated by commas, such as shop.example, hotshelf", may_be_empty: true,
            see: "operations.md#hosts-and-origins";
    }
    "Database" {
        /// SQLite file, created when it does not exist. It has to be on a local disk.
        db_path: PathBuf = "./products.db", database_path, "the path of a file (no :memory: and no file: address)",
            needs: &[SqliteFile];

        /// Other instances use the same database file. Set it on every one of them. PostgreSQL is always shared.
        shared_db: bool = "false", boolean, BOOLEAN, needs: &[SqliteFile], see: "operations.md#several-instances";

        /// Database of a PostgreSQL server (13 or newer), instead of a file. Of several hosts, the primary is used. Connections to other machines are encrypted, and the certificate is verified.
        database_url: Option<ServerUrl> = "", |text| optional(text, database_url),
            "postgres://user:password@host[:port][,host…]/database, with the parameters sslmode (require or disable) and \
             sslrootcert (a file), special characters in the password percent-encoded",
            visibility: Url, see: "operations.md#postgresql";

        /// File with the password of the database, instead of one in `DATABASE_URL`. Its first line counts.
        db_password_file: Option<PathBuf> = "", |text| optional(text, |path| Ok(PathBuf::from(path))),
            "the path of a file", needs: &[Server];
    }
    "Redis" {
        /// Redis server.
        redis_addr: Address = "localhost:6379", redis_addr, "host:port, such as localhost:6379 or [::1]:6379",
            needs: &[Redis];

        /// Redis server, sentinels or cluster as a URL. What the URL says wins over the other settings of Redis.
        /// `service` is the sentinels' name of the master.
        redis_url: Option<RedisUrl> = "", |text| optional(text, redis_url),
            "redis://[user:password@]host[:port][/db], redis-sentinel://[…@]host[:port],…/service[/db] or \
             redis-cluster://[…@]host[:port],…, with rediss for TLS, special characters in the password \
             percent-encoded",
            visibility: Url, needs: &[Redis], see: "operations.md#redis";

        /// Password of Redis. Better kept in the environment than in a file.
        redis_password: Option<String> = "", |text| optional(text, any_text), "a password", visibility: Hidden,
            may_be_empty: true, needs: &[Redis];

        /// Secret that seals the entries in Redis, so that nobody else can forge them: random, and the same on all
        /// instances. Empty: a secret that the database keeps. Better kept in the environment than in a file.
        redis_seal_key: Option<SealKey> = "", |text| optional(text, seal_key),
            "at least 32 characters, such as the output of `openssl rand -hex 32`",
            visibility: Hidden, needs: &[Redis], see: "security.md#redis";

        /// Logical database of Redis.
        redis_db: u8 = "0", |text| number(text, 0..=u8::MAX), "a whole number from 0 to 255", needs: &[Redis];

        /// Deadline of a Redis command. One that takes longer counts as failed, and the request goes on without it.
        redis_command_timeout: Duration = "100ms", timeout, TIMEOUT, needs: &[Redis];

        /// Deadline of an attempt to connect to Redis.
        redis_connect_timeout: Duration = "1s", timeout, TIMEOUT, needs: &[Redis];

        /// Connections for cache commands to each Redis server. Commands share them: one is enough for most.
        redis_pool_size: usize = "1", |text| number(text, 1..=64), "a whole number from 1 to 64", needs: &[Redis],
            see: "operations.md#pool";

        /// User of Redis (ACL).
        redis_username: Option<String> = "", |text| optional(text, any_text), "a user name",
            may_be_empty: true, needs: &[Redis];

        /// User of the sentinels (ACL).
        redis_sentinel_username: Option<String> = "", |text| optional(text, any_text), "a user name",
            may_be_empty: true, needs: &[Redis];

        /// Password of the sentinels.
        redis_sentinel_password: Option<String> = "", |text| optional(text, any_text), "a password", visibility: Hidden,
            may_be_empty: true, needs: &[Redis];
    }
    "Cache" {
        /// Tiers of the cache. `tiered` is memory in front of Redis.
        cache_backend: Tiers = "tiered", |text| word(text, &[
            ("tiered", Tiers::Tiered), ("redis", Tiers::Redis), ("memory", Tiers::Memory), ("none", Tiers::None),
        ]), "tiered, redis, memory or none";

        /// TTL of a cached product. The TTL of each entry, of any kind, varies by up to a tenth.
        cache_ttl: Duration = "5m", ttl, TTL, needs: &[Cache];

        /// TTL of a cached page of all products.
        cache_list_ttl: Duration = "5m", ttl, TTL, needs: &[Cache];

        /// TTL of the cached details of a product.
        cache_ttl_details: Duration = "10m", ttl, TTL, needs: &[Cache];

        /// TTL of a cached page of an organization or a schema.
        cache_ttl_pages: Duration = "5m", ttl, TTL, needs: &[Cache];

        /// TTL of the cached product ids of an organization.
        cache_ttl_org_ids: Duration = "15m", ttl, TTL, needs: &[Cache];

        /// TTL of the cached product ids of a schema.
        cache_ttl_schema_ids: Duration = "20m", ttl, TTL, needs: &[Cache];

        /// TTL of the cached analytics. `?refresh=true` rebuilds them sooner.
        cache_ttl_analytics: Duration = "1day", ttl, TTL, needs: &[Cache];

        /// TTL of a negative entry ("does not exist").
        cache_negative_ttl: Duration = "10s", ttl, TTL, needs: &[Cache];

        /// Grace: how long past its TTL an entry is served while the database fails. An entry that a write has
        /// invalidated is never served.
        cache_grace: Duration = "10m", up_to_30_days, "a duration from 0s to 30days, such as 10m", needs: &[Cache];

        /// Prefix of every Redis key. Services with different databases need different prefixes; two that share one by
        /// mistake do not read each other's entries.
        cache_prefix: String = "product:", key_prefix,
            "1 to 64 printable ASCII characters, none of them a space or one of * ? [ ] { } \\";

        /// Memory for the memory tier, keys and bookkeeping included.
        cache_l1_bytes: u64 = "64MiB", |text| size(text, ByteSize::kib(1)..=ByteSize::tib(1)),
            "a size from 1KiB to 1TiB, such as 64MiB", needs: &[Memory];

        /// What an update leaves in the cache: nothing (`invalidate`) or the new value (`write_through`).
        cache_write_strategy: WriteStrategy = "invalidate", |text| word(text, &[
            ("invalidate", WriteStrategy::Invalidate), ("write_through", WriteStrategy::WriteThrough),
        ]), "invalidate or write_through", needs: &[Cache];

        /// Cached entries that are compared with the database each second. Stale ones are counted, removed and logged.
        audit_rate: f64 = "1", |text| decimal(text, 0.0..=1_000.0), "a number from 0 (off) to 1000, such as 1 or 0.5",
            needs: &[Cache];
    }
    "Users" {
        /// Whether callers must be users. With `off`, the service refuses to listen on an address that is not loopback.
        auth: bool = "off", on_or_off, "on or off", see: "operations.md#users";

        /// Listen on any address although AUTH is off. For a service behind a proxy that authorizes requests.
        auth_off_anyway: bool = "false", boolean, BOOLEAN;

        /// Who may register. Nobody (`off`: admins add users), whoever is invited (`invite`), or everybody (`open`).
        /// Empty: `open` if HTTP_HOST is loopback, else `off`.
        registration: Option<Registration> = "", |text| optional(text, |text| word(text, &[
            ("off", Registration::Off), ("invite", Registration::Invite), ("open", Registration::Open),
        ])), "off, invite or open", needs: &[Users], see: "operations.md#registration";

        /// A session ends when it was not used for this time, accurate to a hundredth.
        session_ttl: Duration = "7days", ttl, TTL, needs: &[Users];

        /// A session ends after this time, however much it is used. When it is made shorter, a session that is older
        /// ends within SESSION_TTL.
        session_max_ttl: Duration = "30days", |text| duration(text, SECOND..=400 * DAY),
            "a duration from 1s to 400days, such as 30days", needs: &[Users];

        /// Browsers send the session cookie over https only (and to localhost).
        session_cookie_secure: bool = "true", boolean, BOOLEAN, needs: &[Users];

        /// How long an API key may be good. One that names no end gets this one. Empty: API keys need no end.
        api_key_max_ttl: Option<Duration> = "", |text| optional(text, kept),
            "a duration from 1s to 3650days, such as 90days", needs: &[Users], see: "security.md#tokens";

        /// With AUTH on, everybody may read statistics and metrics. Otherwise, users of organization 1 may.
        metrics_open: bool = "false", boolean, BOOLEAN;

        /// Mail server. With `smtp://`, a password needs `?tls=required` at the end. Without a mail server, mail is
        /// appended to MAIL_FILE.
        smtp_url: Option<String> = "", |text| optional(text, smtp_url),
            "smtps://user:password@host[:port] or smtp://…, special characters in the password percent-encoded",
            visibility: Url, needs: &[Users];

        /// Sender of mail.
        mail_from: String = "hotshelf <hotshelf@localhost>", line,
            "an e-mail address, such as Shop <shop@shop.example>", needs: &[Users, MailServer];

        /// File that mail is appended to when there is no mail server, for development.
        mail_file: PathBuf = "./mail.log", file_path, "the path of a file", needs: &[Users, NoMailServer];

        /// Page on which a user sets a new password; the token is appended to it. Without one, the mail contains the
        /// bare token.
        password_reset_url: Option<String> = "", |text| optional(text, link),
            "http:// or https:// and more, such as https://shop.example/reset?token=", visibility: Url,
            needs: &[Users];

        /// Page on which a user who has registered verifies the address, with the password; the token is appended to
        /// it. Without one, the mail contains the bare token.
        verification_url: Option<String> = "", |text| optional(text, link),
            "http:// or https:// and more, such as https://shop.example/verify?token=", visibility: Url,
            needs: &[Users];

        /// Page on which somebody who was invited registers; the token is appended to it. Without one, the mail
        /// contains the bare token.
        invitation_url: Option<String> = "", |text| optional(text, link),
            "http:// or https:// and more, such as https://shop.example/register?invitation=", visibility: Url,
            needs: &[Users];
    }
    "Tokens of an outside issuer" {
        /// Issuer whose tokens (JWTs) are accepted beside sessions and API keys: the value of `iss`. Empty: none.
        jwt_issuer: Option<String> = "", |text| optional(text, line),
            "the name of the issuer, such as https://id.example", needs: &[Users],
            see: "security.md#tokens-of-an-outside-issuer";

        /// Where the issuer publishes its keys (JWKS).
        jwt_jwks: Option<KeySource> = "", |text| optional(text, key_source),
            "an https:// URL, an http:// URL on this machine, or the path of a file", needs: &[Users, Issuer];

        /// Names of this service: a token must have one of them in `aud`.
        jwt_audience: Vec<String> = "", words, "names separated by commas", needs: &[Users, Issuer];

        /// Difference that is allowed between the clocks of the issuer and of this machine.
        jwt_skew: Duration = "60s", up_to_an_hour, "a duration from 0s to 1h, such as 60s", needs: &[Users, Issuer];

        /// Algorithms of signatures that are accepted.
        jwt_algorithms: Vec<SignatureAlgorithm> = "RS256,ES256,EdDSA", algorithms,
            "some of RS256, ES256 and EdDSA, separated by commas", needs: &[Users, Issuer];

        /// Interval at which the keys are read. A key that is not published any more is accepted until then, and for
        /// up to a day more while the keys cannot be read.
        jwt_jwks_refresh: Duration = "10m", ttl, TTL, needs: &[Users, Issuer];

        /// Claim with the e-mail address of the user. With `email`, `email_verified` must be true or missing.
        jwt_user_claim: String = "email", line, "the name of a claim", needs: &[Users, Issuer];

        /// Claim with the id of the user's organization. A token for another organization is refused. Empty: not
        /// compared, which is refused while everybody may register.
        jwt_organization_claim: Option<String> = "", |text| optional(text, line), "the name of a claim",
            needs: &[Users, Issuer];

        /// Claim with a role of the user, or a list of roles. The highest that JWT_ROLES names bounds the rights of the
        /// token. Empty: a token has the rights of its user.
        jwt_role_claim: Option<String> = "", |text| optional(text, line), "the name of a claim",
            needs: &[Users, Issuer];

        /// Role in this service for each role of the issuer.
        jwt_roles: Vec<(String, Role)> = "viewer=viewer,editor=editor,admin=admin", roles,
            "pairs such as shop-admin=admin, separated by commas", needs: &[Users, Issuer];

        /// Whether the first token of an unknown user creates the user, in the organization that it names. The token
        /// must have the address in `email`, and `email_verified` must be true.
        jwt_create_users: bool = "false", boolean, BOOLEAN, needs: &[Users, Issuer];
    }
    "Audit log" {
        /// How long the entries of the audit log are kept (who logged in, changed rights, deleted).
        audit_kept: Duration = "90days", kept, "a duration from 1s to 3650days, such as 90days",
            see: "operations.md#audit-log";
    }
    "Quotas" {
        /// Products that an organization may have. Empty: any number. Organization 1 has no quotas, and operators can
        /// give another organization its own.
        quota_products: Option<u32> = "", |text| optional(text, |text| number(text, 0..=u32::MAX)),
            "a whole number from 0 to 4294967295", see: "operations.md#quotas";

        /// Users that an organization may have. Empty: any number.
        quota_users: Option<u32> = "", |text| optional(text, |text| number(text, 1..=u32::MAX)),
            "a whole number from 1 to 4294967295", needs: &[Users], see: "operations.md#quotas";

        /// Schemas that an organization may have. Empty: any number.
        quota_schemas: Option<u32> = "", |text| optional(text, |text| number(text, 0..=u32::MAX)),
            "a whole number from 0 to 4294967295", see: "operations.md#quotas";
    }
    "Warming" {
        /// Interval at which the most read products and the first pages are loaded into the cache.
        /// They are loaded at the start, too. With `0s`, only when a request or a command asks for it.
        warm_interval: Duration = "1h", up_to_30_days, "a duration from 0s (off) to 30days, such as 1h",
            needs: &[Cache], see: "operations.md#warming";

        /// Number of most read products to load.
        warm_products: usize = "1000", |text| number(text, 1..=10_000), "a whole number from 1 to 10000",
            needs: &[Cache];

        /// Entries to load each second at most.
        warm_rate: u32 = "1000", |text| number(text, 1..=1_000_000), UP_TO_A_MILLION, needs: &[Cache];
    }
    "Log" {
        /// Log filter.
        rust_log: EnvFilter = "info", log_filter, "a filter such as info or warn,hotshelf=debug";

        /// Format of log lines: `json` is one object per line.
        log_format: LogFormat = "text", |text| word(text, &[("text", LogFormat::Text), ("json", LogFormat::Json)]),
            "text or json";
    }
    "Rate limits" {
        /// Whether requests to the API are limited.
        rate_limit: bool = "off", on_or_off, "on or off", see: "operations.md#rate-limits";

        /// Requests to the API by one caller, in a sliding window.
        rate_limit_api: Limit = "100/1m", limit, LIMIT, needs: &[Limits];

        /// Logins from one address into one account. This limit and the next three apply whether RATE_LIMIT is on or
        /// off.
        rate_limit_login: Limit = "5/1m", limit, LIMIT, needs: &[Users];

        /// Registrations from one address, of IPv6 from one /48.
        rate_limit_register: Limit = "3/1h", limit, LIMIT, needs: &[Users];

        /// Requests for a new password from one address.
        rate_limit_forgot_password: Limit = "3/1h", limit, LIMIT, needs: &[Users];

        /// Unknown tokens from one address.
        rate_limit_token: Limit = "60/1m", limit, LIMIT, needs: &[Users];

        /// Routes with limits of their own instead of RATE_LIMIT_API. Each is counted separately.
        rate_limit_routes: Vec<RouteLimit> = "", route_limits,
            "METHOD path=limit, separated by commas, such as GET /api/v1/products/{id}=1000/1m, \
             POST /api/v1/products=10/1m",
            may_be_empty: true, needs: &[Limits];

        /// What limits do while Redis is down. Each instance counts for itself (`local`), every request is allowed
        /// (`open`), or none is (`closed`).
        rate_limit_on_loss: OnLoss = "local", |text| word(text, &[
            ("local", OnLoss::Local), ("open", OnLoss::Open), ("closed", OnLoss::Closed),
        ]), "local, open or closed", needs: &[Redis, Limits];

        /// Proxies whose Forwarded and X-Forwarded-For headers are trusted. Empty: none.
        trusted_proxies: TrustedProxies = "", |text| text.parse().map_err(|_| Refusal::Malformed),
            "addresses and networks separated by commas, such as 10.0.0.0/8, fd00::/8 or 127.0.0.1", may_be_empty: true;
    }
    "Traces" {
        /// OpenTelemetry collector that receives traces. Without one, there are no traces.
        otel_exporter_otlp_endpoint: Option<String> = "", |text| optional(text, collector),
            "http://host:port of a collector that takes OTLP over HTTP", visibility: Url, see: "operations.md#traces";

        /// Name of the service in traces.
        otel_service_name: String = "hotshelf", service_name, "1 to 255 characters", needs: &[Traces];

        /// Which traces are sent. With `parentbased_`, the caller's decision wins.
        otel_traces_sampler: Sampler = "parentbased_always_on", sampler,
            "always_on, always_off, traceidratio, or one of them with parentbased_ before it", needs: &[Traces];

        /// Share of the traces that `traceidratio` sends.
        otel_traces_sampler_arg: f64 = "1", |text| decimal(text, 0.0..=1.0), "a number from 0 to 1, such as 0.1",
            needs: &[Traces, SampledByRatio];
    }
}
