//! From the text of a setting to its value.

mod issuer;
mod network;
mod rate_limits;
mod redis;

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use bytesize::ByteSize;
use tracing_subscriber::EnvFilter;

pub(crate) use issuer::{algorithms, key_source, roles, words};
pub(crate) use network::{allowed_hosts, collector, cors_origins, database_url, host, link, smtp_url};
pub(crate) use rate_limits::{limit, route_limits};
pub(crate) use redis::{CLUSTERS_HAVE_ONE_DATABASE, RedisUrl, redis_addr, redis_url, seal_key};

/// Why a text is no value.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It is not what the setting expects.
    Malformed,
    /// It is understood, and not supported. The sentence must not repeat a secret.
    Because(String),
}

/// A value, or why there is none.
pub(crate) type Parsed<T> = Result<T, Refusal>;

pub(crate) fn refuse<T>(reason: impl Into<String>) -> Parsed<T> {
    Err(Refusal::Because(reason.into()))
}

/// `value` if it is `good`.
fn checked<T>(value: T, good: bool) -> Parsed<T> {
    if good { Ok(value) } else { Err(Refusal::Malformed) }
}

/// `None` for an empty text.
pub(crate) fn optional<T>(text: &str, parse: impl Fn(&str) -> Parsed<T>) -> Parsed<Option<T>> {
    if text.is_empty() { Ok(None) } else { parse(text).map(Some) }
}

/// The value of one of these words.
pub(crate) fn word<T: Copy>(text: &str, words: &[(&str, T)]) -> Parsed<T> {
    words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value).ok_or(Refusal::Malformed)
}

pub(crate) fn boolean(text: &str) -> Parsed<bool> {
    word(text, &[("true", true), ("1", true), ("false", false), ("0", false)])
}

pub(crate) fn on_or_off(text: &str) -> Parsed<bool> {
    word(text, &[("on", true), ("off", false)])
}

/// A whole number. Digits only: `str::parse` alone would also take `+1`.
pub(crate) fn number<N: FromStr + PartialOrd>(text: &str, bounds: RangeInclusive<N>) -> Parsed<N> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|number| digits && bounds.contains(number));
    number.ok_or(Refusal::Malformed)
}

pub(crate) fn decimal(text: &str, bounds: RangeInclusive<f64>) -> Parsed<f64> {
    text.parse().ok().filter(|number| bounds.contains(number)).ok_or(Refusal::Malformed)
}

/// A size in bytes.
pub(crate) fn size<N: TryFrom<u64>>(text: &str, bounds: RangeInclusive<ByteSize>) -> Parsed<N> {
    let size = text.parse().ok().filter(|size| bounds.contains(size));
    size.and_then(|size| N::try_from(size.as_u64()).ok()).ok_or(Refusal::Malformed)
}

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub(crate) fn duration(text: &str, bounds: RangeInclusive<Duration>) -> Parsed<Duration> {
    humantime::parse_duration(text).ok().filter(|duration| bounds.contains(duration)).ok_or(Refusal::Malformed)
}

/// 1 second to 30 days.
pub(crate) fn ttl(text: &str) -> Parsed<Duration> {
    duration(text, SECOND..=30 * DAY)
}

/// Nothing to 30 days.
pub(crate) fn up_to_30_days(text: &str) -> Parsed<Duration> {
    duration(text, Duration::ZERO..=30 * DAY)
}

/// Nothing to an hour.
pub(crate) fn up_to_an_hour(text: &str) -> Parsed<Duration> {
    duration(text, Duration::ZERO..=3_600 * SECOND)
}

/// 1 second to 3650 days.
pub(crate) fn kept(text: &str) -> Parsed<Duration> {
    duration(text, SECOND..=3_650 * DAY)
}

/// A deadline: more than nothing, at most a day.
pub(crate) fn timeout(text: &str) -> Parsed<Duration> {
    duration(text, Duration::from_nanos(1)..=DAY)
}

pub(crate) fn any_text(text: &str) -> Parsed<String> {
    Ok(text.to_owned())
}

/// Text on one line.
pub(crate) fn line(text: &str) -> Parsed<String> {
    checked(text.to_owned(), !text.is_empty() && !text.chars().any(char::is_control))
}

pub(crate) fn service_name(text: &str) -> Parsed<String> {
    checked(text.to_owned(), (1..=255).contains(&text.chars().count()))
}

pub(crate) fn file_path(text: &str) -> Parsed<PathBuf> {
    checked(PathBuf::from(text), !text.is_empty() && !text.contains('\0'))
}

/// A file that every connection of a pool can open: SQLite gives each connection its own `:memory:`, and reads a
/// leading `file:` as a URL.
pub(crate) fn database_path(text: &str) -> Parsed<PathBuf> {
    if text == ":memory:" || text.starts_with("file:") { Err(Refusal::Malformed) } else { file_path(text) }
}

/// Every key of the service starts with the prefix, also the ones it searches by pattern: a prefix with a wildcard
/// would match other services' keys. Braces would put all keys into one slot of a cluster.
pub(crate) fn key_prefix(text: &str) -> Parsed<String> {
    let plain = |byte: u8| byte.is_ascii_graphic() && !br"*?[]{}\".contains(&byte);
    checked(text.to_owned(), (1..=64).contains(&text.len()) && text.bytes().all(plain))
}

/// The client library of Redis is silent unless the filter names it: the cache logs what an operator needs.
pub(crate) fn log_filter(text: &str) -> Parsed<EnvFilter> {
    if text.is_empty() {
        return Err(Refusal::Malformed);
    }
    let silenced = format!("fred=error,{text}");
    EnvFilter::try_new(if text.contains("fred") { text } else { &silenced }).map_err(|_| Refusal::Malformed)
}

/// How OpenTelemetry's names choose traces.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sampler {
    /// `None` for what `OTEL_TRACES_SAMPLER_ARG` says.
    pub(crate) ratio: Option<f64>,
    pub(crate) follow_parent: bool,
}

pub(crate) fn sampler(text: &str) -> Parsed<Sampler> {
    let root = text.strip_prefix("parentbased_");
    let ratios = [("always_on", Some(1.0)), ("always_off", Some(0.0)), ("traceidratio", None)];
    Ok(Sampler { ratio: word(root.unwrap_or(text), &ratios)?, follow_parent: root.is_some() })
}

#[cfg(test)]
mod tests;
