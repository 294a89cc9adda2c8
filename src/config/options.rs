//! From single settings to the options of the crates, including what two settings say about each other.

use std::fs;

use hotshelf_accounts::{AccountOptions, IssuedOptions, MailLinks, MailOptions, Registration, SessionOptions};
use hotshelf_api::{ApiOptions, LimitOptions, UploadOptions, UserOptions};
use hotshelf_cache::{CacheOptions, Consistency, Tiers};
use hotshelf_database::{DatabaseOptions, Location};
use hotshelf_domain::Quotas;
use hotshelf_issuer::IssuerOptions;
use hotshelf_product::{Ttls, WarmOptions};
use hotshelf_ratelimit::RateLimitOptions;
use hotshelf_redis_client::{Credentials, RedisOptions, Servers};
use hotshelf_telemetry::{Sampling, TraceOptions};

use super::parse::CLUSTERS_HAVE_ONE_DATABASE;
use super::settings::Settings;
use super::sources::Values;
use super::{Config, is_loopback};
use crate::logging::LogOptions;

/// Notes contradictions between settings among the `values`.
pub(super) fn config(s: &Settings, values: &mut Values) -> Config {
    if s.shared_db && s.cache_backend == Tiers::Memory {
        let reason = "contradicts CACHE_BACKEND=memory: a memory-only cache cannot hear the other instances' writes";
        values.refuse("shared_db", reason);
    }
    if s.database_url.is_some() && s.cache_backend == Tiers::Memory {
        let reason = "contradicts CACHE_BACKEND=memory: a memory-only cache cannot hear the other instances' writes";
        values.refuse("database_url", reason);
    }
    let redis = redis(s, values);
    let issued = issued(s, values);
    Config {
        api: api(s),
        database: DatabaseOptions { location: location(s, values), quotas: quotas(s) },
        ttls: ttls(s),
        audit_rate: s.audit_rate,
        audit_kept: s.audit_kept,
        accounts: accounts(s),
        issued,
        mail: mail(s),
        warm: WarmOptions { interval: s.warm_interval, products: s.warm_products, rate: s.warm_rate },
        rate_limits: rate_limits(s, &redis),
        cache: cache(s, redis),
        log: LogOptions { filter: s.rust_log.clone(), format: s.log_format },
        traces: traces(s),
        shutdown_timeout: s.shutdown_timeout,
        allow_insecure: s.auth_off_anyway,
    }
}

fn location(s: &Settings, values: &mut Values) -> Location {
    let Some(url) = s.database_url.clone() else {
        return Location::File { path: s.db_path.clone(), shared: s.shared_db };
    };
    let Some(file) = &s.db_password_file else { return Location::Server(url) };
    if url.has_password() {
        values.refuse("db_password_file", "contradicts the password in DATABASE_URL: leave one of them out");
    }
    match fs::read_to_string(file) {
        Ok(text) => Location::Server(url.with_password(text.lines().next().unwrap_or_default())),
        Err(error) => {
            values.refuse("db_password_file", format!("cannot be read: {error}"));
            Location::Server(url)
        }
    }
}

fn api(s: &Settings) -> ApiOptions {
    let users = UserOptions { cookie_secure: s.session_cookie_secure, api_key_ttl: s.api_key_max_ttl };
    ApiOptions {
        host: s.http_host.clone(),
        port: s.http_port,
        request_timeout: s.request_timeout,
        idle_timeout: s.idle_timeout,
        max_concurrent_requests: s.max_concurrent_requests,
        max_connections: s.max_connections,
        max_connections_per_address: s.max_connections_per_address,
        uploads: UploadOptions { most: s.max_uploads, bytes: s.max_upload_bytes, timeout: s.upload_timeout },
        compression: s.http_compression,
        cors_origins: s.cors_origins.clone(),
        allowed_hosts: allowed_hosts(s),
        cache_prefix: s.cache_prefix.clone(),
        limits: LimitOptions {
            on: s.rate_limit,
            api: s.rate_limit_api,
            routes: s.rate_limit_routes.clone(),
            login: s.rate_limit_login,
            guess: s.rate_limit_token,
            register: s.rate_limit_register,
            forgot_password: s.rate_limit_forgot_password,
            trusted_proxies: s.trusted_proxies.clone(),
        },
        users: s.auth.then_some(users),
        metrics_open: s.metrics_open,
    }
}

/// The host names that are allowed beside loopback; `None`: any. Without users, the name is all that tells a request of
/// this machine from that of a web page.
fn allowed_hosts(s: &Settings) -> Option<Vec<String>> {
    match s.http_allowed_hosts.as_slice() {
        [any] if any == "*" => None,
        [] if s.auth || !is_loopback(&s.http_host) => None,
        names => Some(names.to_vec()),
    }
}

/// `REDIS_URL` overrides the single settings for the parts that it has.
fn redis(s: &Settings, values: &mut Values) -> RedisOptions {
    let by = "REDIS_URL";
    let mut redis = RedisOptions {
        servers: Servers::One(s.redis_addr.clone()),
        tls: false,
        credentials: Credentials { username: s.redis_username.clone(), password: s.redis_password.clone() },
        database: s.redis_db,
        pool_size: s.redis_pool_size,
        command_timeout: s.redis_command_timeout,
        connect_timeout: s.redis_connect_timeout,
    };
    let of_sentinels =
        Credentials { username: s.redis_sentinel_username.clone(), password: s.redis_sentinel_password.clone() };
    if let Some(url) = s.redis_url.clone() {
        (redis.servers, redis.tls) = (url.servers, url.tls);
        values.override_with("redis_addr", by);
        if url.credentials.username.is_some() {
            redis.credentials.username = url.credentials.username;
            values.override_with("redis_username", by);
        }
        if url.credentials.password.is_some() {
            redis.credentials.password = url.credentials.password;
            values.override_with("redis_password", by);
        }
        if let Some(database) = url.database {
            redis.database = database;
            values.override_with("redis_db", by);
        }
    }
    if matches!(redis.servers, Servers::Cluster(_)) && redis.database != 0 {
        values.refuse("redis_db", CLUSTERS_HAVE_ONE_DATABASE);
    }
    if let Servers::Sentinel { credentials, .. } = &mut redis.servers {
        *credentials = of_sentinels;
    } else if values.is_good("redis_url") {
        let reason = "there are no sentinels without REDIS_URL=redis-sentinel://…";
        of_sentinels.username.iter().for_each(|_| values.refuse("redis_sentinel_username", reason));
        of_sentinels.password.iter().for_each(|_| values.refuse("redis_sentinel_password", reason));
    }
    redis
}

fn cache(s: &Settings, redis: RedisOptions) -> CacheOptions {
    CacheOptions {
        tiers: s.cache_backend,
        shared_database: s.shared_db || s.database_url.is_some(),
        consistency: Consistency::Bounded,
        memory_bytes: s.cache_l1_bytes,
        write_strategy: s.cache_write_strategy,
        redis,
        key_prefix: s.cache_prefix.clone(),
        seal_key: s.redis_seal_key.clone(),
    }
}

/// Instances that share cached entries share their counts.
fn rate_limits(s: &Settings, redis: &RedisOptions) -> RateLimitOptions {
    RateLimitOptions {
        redis: s.cache_backend.have_redis().then(|| redis.clone()),
        prefix: s.cache_prefix.clone(),
        on_loss: s.rate_limit_on_loss,
    }
}

fn quotas(s: &Settings) -> Quotas {
    Quotas { products: s.quota_products, users: s.quota_users, schemas: s.quota_schemas }
}

fn ttls(s: &Settings) -> Ttls {
    Ttls {
        product: s.cache_ttl,
        details: s.cache_ttl_details,
        list: s.cache_list_ttl,
        pages: s.cache_ttl_pages,
        organization_ids: s.cache_ttl_org_ids,
        schema_ids: s.cache_ttl_schema_ids,
        analytics: s.cache_ttl_analytics,
        negative: s.cache_negative_ttl,
        grace: s.cache_grace,
    }
}

fn accounts(s: &Settings) -> AccountOptions {
    AccountOptions {
        sessions: sessions(s),
        registration: registration(s),
        links: MailLinks {
            reset: s.password_reset_url.clone(),
            verification: s.verification_url.clone(),
            invitation: s.invitation_url.clone(),
        },
    }
}

fn registration(s: &Settings) -> Registration {
    // Beyond this machine, strangers may find the service.
    let default = if is_loopback(&s.http_host) { Registration::Open } else { Registration::Off };
    s.registration.unwrap_or(default)
}

fn sessions(s: &Settings) -> SessionOptions {
    SessionOptions {
        session_ttl: s.session_ttl,
        session_max_ttl: s.session_max_ttl,
        entry_ttl: s.cache_ttl,
        negative_ttl: s.cache_negative_ttl,
        grace: s.cache_grace,
    }
}

/// `None` also if a setting is missing: then the start fails.
fn issued(s: &Settings, values: &mut Values) -> Option<(IssuerOptions, IssuedOptions)> {
    let issuer = s.jwt_issuer.clone()?;
    if s.jwt_jwks.is_none() && values.is_good("jwt_jwks") {
        values.refuse("jwt_jwks", "JWT_ISSUER needs the keys of the issuer");
    }
    if s.jwt_audience.is_empty() && values.is_good("jwt_audience") {
        values
            .refuse("jwt_audience", "JWT_ISSUER needs a name of this service, or tokens for others would be accepted");
    }
    if s.jwt_create_users && s.jwt_organization_claim.is_none() {
        values.refuse("jwt_create_users", "needs JWT_ORGANIZATION_CLAIM: a new user has to belong to an organization");
    }
    // Everybody may become an admin, and the addresses that an admin adds with a password count as verified.
    let anybody_adds = s.auth && registration(s) == Registration::Open;
    if anybody_adds && s.jwt_organization_claim.is_none() && values.is_good("jwt_organization_claim") {
        let why = "JWT_ISSUER needs it, or REGISTRATION=invite or off: with open registration, a stranger can add \
            anybody's address to an organization, where the tokens of that person would be accepted";
        values.refuse("jwt_organization_claim", why);
    }
    let issuer = IssuerOptions {
        issuer,
        audience: s.jwt_audience.clone(),
        keys: s.jwt_jwks.clone()?,
        algorithms: s.jwt_algorithms.clone(),
        skew: s.jwt_skew,
        refresh: s.jwt_jwks_refresh,
    };
    let options = IssuedOptions {
        user_claim: s.jwt_user_claim.clone(),
        organization_claim: s.jwt_organization_claim.clone(),
        role_claim: s.jwt_role_claim.clone(),
        roles: s.jwt_roles.clone(),
        create_users: s.jwt_create_users,
    };
    Some((issuer, options))
}

fn mail(s: &Settings) -> MailOptions {
    match s.smtp_url.clone() {
        Some(url) => MailOptions::Smtp { url, from: s.mail_from.clone() },
        None => MailOptions::File(s.mail_file.clone()),
    }
}

fn traces(s: &Settings) -> Option<TraceOptions> {
    let (sampler, ratio) = (s.otel_traces_sampler, s.otel_traces_sampler_arg);
    let sampling = Sampling { ratio: sampler.ratio.unwrap_or(ratio), follow_parent: sampler.follow_parent };
    let service_name = s.otel_service_name.clone();
    s.otel_exporter_otlp_endpoint.clone().map(|endpoint| TraceOptions { endpoint, service_name, sampling })
}
