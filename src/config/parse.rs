//! From the text of one variable to its value.

mod limits;
mod network;
mod redis;

use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use tracing_subscriber::EnvFilter;

use super::{CacheBackend, LogFormat, Sampler, Secret, WriteStrategy};

pub(crate) use limits::{limit, on_loss, on_or_off, route_limits, trusted_proxies};
pub(crate) use network::{cors_origins, database_url, host, listen_port};
pub(crate) use redis::{CLUSTERS_HAVE_ONE_DATABASE, RedisUrl, redis_addr, redis_url};

/// Why a text is no value.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It is not what the variable expects.
    Malformed,
    /// It is understood, and cannot be had. The sentence must not repeat a secret.
    Because(String),
}

const ONE_DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The life of a cached entry: 1 second to 30 days.
pub(crate) fn life(text: &str) -> Result<Duration, Refusal> {
    duration(text, Duration::from_secs(1), 30 * ONE_DAY)
}

/// For how long something may be late: nothing to 30 days.
pub(crate) fn grace(text: &str) -> Result<Duration, Refusal> {
    duration(text, Duration::ZERO, 30 * ONE_DAY)
}

/// From one time to the next: up to 30 days, 0 for never.
pub(crate) fn interval(text: &str) -> Result<Duration, Refusal> {
    duration(text, Duration::ZERO, 30 * ONE_DAY)
}

/// Times a second, 0 to 1000.
pub(crate) fn rate(text: &str) -> Result<f64, Refusal> {
    text.parse().ok().filter(|rate| (0.0..=1_000.0).contains(rate)).ok_or(Refusal::Malformed)
}

/// A deadline: more than nothing, at most a day.
pub(crate) fn timeout(text: &str) -> Result<Duration, Refusal> {
    duration(text, Duration::from_nanos(1), ONE_DAY)
}

fn duration(text: &str, min: Duration, max: Duration) -> Result<Duration, Refusal> {
    let duration = humantime::parse_duration(text).map_err(|_| Refusal::Malformed)?;
    if (min..=max).contains(&duration) { Ok(duration) } else { Err(Refusal::Malformed) }
}

pub(crate) fn boolean(text: &str) -> Result<bool, Refusal> {
    match text {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(Refusal::Malformed),
    }
}

/// Something on one line.
pub(crate) fn text(text: &str) -> Result<String, Refusal> {
    let sane = !text.is_empty() && !text.chars().any(char::is_control);
    if sane { Ok(text.to_owned()) } else { Err(Refusal::Malformed) }
}

pub(crate) fn file_path(text: &str) -> Result<PathBuf, Refusal> {
    if text.is_empty() || text.contains('\0') { Err(Refusal::Malformed) } else { Ok(PathBuf::from(text)) }
}

/// Whether the server of `user:password@host:port` is on this machine.
fn is_local(address: &str) -> bool {
    let host = address.rsplit('@').next().unwrap_or_default();
    ["localhost", "127.0.0.1", "[::1]"].iter().any(|local| host.starts_with(local))
}

/// `None` for an empty text. What is behind the scheme, the mailer reads.
pub(crate) fn smtp_url(text: &str) -> Result<Option<Secret>, Refusal> {
    match text.split_once("://") {
        None if text.is_empty() => Ok(None),
        Some(("smtp", address)) if address.contains('@') && !text.contains("tls=required") && !is_local(address) => {
            let reason = "would send its password in clear: use smtps://, or add ?tls=required";
            Err(Refusal::Because(reason.to_owned()))
        }
        Some(("smtp" | "smtps", address)) if !address.is_empty() => Ok(Some(Secret::new(text.to_owned()))),
        _ => Err(Refusal::Malformed),
    }
}

/// `None` for an empty text.
pub(crate) fn link(text: &str) -> Result<Option<String>, Refusal> {
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic());
    match text.split_once("://") {
        None if text.is_empty() => Ok(None),
        Some(("http" | "https", address)) if !address.is_empty() && plain => Ok(Some(text.to_owned())),
        _ => Err(Refusal::Malformed),
    }
}

/// `None` for an empty text.
pub(crate) fn connections(text: &str) -> Result<Option<usize>, Refusal> {
    if text.is_empty() { Ok(None) } else { concurrency(text).map(Some) }
}

pub(crate) fn concurrency(text: &str) -> Result<usize, Refusal> {
    whole_number(text).filter(|number| (1..=1_000_000).contains(number)).ok_or(Refusal::Malformed)
}

pub(crate) fn warm_products(text: &str) -> Result<usize, Refusal> {
    whole_number(text).filter(|number| (1..=10_000).contains(number)).ok_or(Refusal::Malformed)
}

pub(crate) fn warm_rate(text: &str) -> Result<u32, Refusal> {
    whole_number(text).filter(|number| (1..=1_000_000).contains(number)).ok_or(Refusal::Malformed)
}

pub(crate) fn redis_db(text: &str) -> Result<u8, Refusal> {
    whole_number(text).ok_or(Refusal::Malformed)
}

/// Connections to each server of Redis.
pub(crate) fn pool_size(text: &str) -> Result<usize, Refusal> {
    whole_number(text).filter(|number| (1..=64).contains(number)).ok_or(Refusal::Malformed)
}

/// The name of a user, if there is one.
pub(crate) fn username(text: &str) -> Result<Option<String>, Refusal> {
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

/// Digits only: `str::parse` alone would also take `+1`.
fn whole_number<N: std::str::FromStr>(text: &str) -> Option<N> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// A size in bytes: 1 KiB to 1 TiB.
pub(crate) fn memory_bound(text: &str) -> Result<u64, Refusal> {
    let size: ByteSize = text.parse().map_err(|_| Refusal::Malformed)?;
    if (ByteSize::kib(1)..=ByteSize::tib(1)).contains(&size) { Ok(size.as_u64()) } else { Err(Refusal::Malformed) }
}

/// A size in bytes: 16 MiB, two bodies of the largest kind, to 1 TiB.
pub(crate) fn upload_bytes(text: &str) -> Result<usize, Refusal> {
    let size = memory_bound(text)?;
    let size = (16 << 20 <= size).then(|| usize::try_from(size).ok()).flatten();
    size.ok_or(Refusal::Malformed)
}

/// Every key of the service starts with the prefix, also the ones it searches by pattern: a prefix with a wildcard in
/// it would reach into other people's keys. Braces would put all keys into one slot of a cluster.
pub(crate) fn key_prefix(text: &str) -> Result<String, Refusal> {
    let plain = |byte: u8| byte.is_ascii_graphic() && !br"*?[]{}\".contains(&byte);
    if (1..=64).contains(&text.len()) && text.bytes().all(plain) {
        Ok(text.to_owned())
    } else {
        Err(Refusal::Malformed)
    }
}

/// A file that every connection of a pool can open: SQLite gives each connection its own `:memory:`, and reads a
/// leading `file:` as a URL.
pub(crate) fn database_path(text: &str) -> Result<PathBuf, Refusal> {
    let special = text.is_empty() || text == ":memory:" || text.starts_with("file:") || text.contains('\0');
    if special { Err(Refusal::Malformed) } else { Ok(PathBuf::from(text)) }
}

pub(crate) fn password(text: &str) -> Result<Option<Secret>, Refusal> {
    Ok((!text.is_empty()).then(|| Secret::new(text.to_owned())))
}

pub(crate) fn cache_backend(text: &str) -> Result<CacheBackend, Refusal> {
    match text {
        "tiered" => Ok(CacheBackend::Tiered),
        "redis" => Ok(CacheBackend::Redis),
        "memory" => Ok(CacheBackend::Memory),
        "none" => Ok(CacheBackend::None),
        _ => Err(Refusal::Malformed),
    }
}

pub(crate) fn write_strategy(text: &str) -> Result<WriteStrategy, Refusal> {
    match text {
        "invalidate" => Ok(WriteStrategy::Invalidate),
        "write_through" => Ok(WriteStrategy::WriteThrough),
        _ => Err(Refusal::Malformed),
    }
}

/// Without a word about it, the client library of Redis is silent: what it has to tell is told once by the cache.
pub(crate) fn log_filter(text: &str) -> Result<EnvFilter, Refusal> {
    if text.is_empty() {
        return Err(Refusal::Malformed);
    }
    let silenced = format!("fred=error,{text}");
    EnvFilter::try_new(if text.contains("fred") { text } else { &silenced }).map_err(|_| Refusal::Malformed)
}

pub(crate) fn log_format(text: &str) -> Result<LogFormat, Refusal> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(Refusal::Malformed),
    }
}

/// Collectors stand beside the service, where nothing has to be encrypted, and pass on to wherever traces are kept.
pub(crate) fn collector(text: &str) -> Result<Option<String>, Refusal> {
    if text.starts_with("https://") {
        let reason = "https:// is not supported: name a collector beside the service, which passes the traces on";
        return Err(Refusal::Because(reason.to_owned()));
    }
    let host = text.strip_prefix("http://").map(|rest| rest.split('/').next().unwrap_or_default());
    match host {
        _ if text.is_empty() => Ok(None),
        Some(host) if !host.is_empty() && !text.contains(char::is_whitespace) => Ok(Some(text.to_owned())),
        _ => Err(Refusal::Malformed),
    }
}

pub(crate) fn service_name(text: &str) -> Result<String, Refusal> {
    if (1..=255).contains(&text.chars().count()) { Ok(text.to_owned()) } else { Err(Refusal::Malformed) }
}

pub(crate) fn sampler(text: &str) -> Result<Sampler, Refusal> {
    match text {
        "always_on" => Ok(Sampler::AlwaysOn),
        "always_off" => Ok(Sampler::AlwaysOff),
        "traceidratio" => Ok(Sampler::TraceIdRatio),
        "parentbased_always_on" => Ok(Sampler::ParentBasedAlwaysOn),
        "parentbased_always_off" => Ok(Sampler::ParentBasedAlwaysOff),
        "parentbased_traceidratio" => Ok(Sampler::ParentBasedTraceIdRatio),
        _ => Err(Refusal::Malformed),
    }
}

/// A part of a whole, 0 to 1.
pub(crate) fn share(text: &str) -> Result<f64, Refusal> {
    text.parse().ok().filter(|share| (0.0..=1.0).contains(share)).ok_or(Refusal::Malformed)
}

#[cfg(test)]
mod tests;
