//! Tries each kind of step once, on keys of its own, before a link is used. A server of an older version, or one that
//! does not allow this user all commands, would otherwise be up and serve nothing.

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use fred::interfaces::TrackingInterface;
use futures_util::future::{join_all, try_join_all};
use hotshelf_redis_client::RedisError;

use super::pooled_connection::PooledConnection;
use super::{FredLink, MOVED_ON, says};
use crate::redis::link::{Link, Renewal};
use crate::rng;

/// The first version that answers what a lookup asks for.
const FIRST_VERSION: u32 = 7;
/// What a probe leaves when it is broken off ends by itself.
const TTL: Duration = Duration::from_secs(1);
/// More are not named.
const MOST_NAMED: usize = 3;

const LEASE: Bytes = Bytes::from_static(b"Lprobe");
const VALUE: Bytes = Bytes::from_static(b"Vprobe");
const FENCE: Bytes = Bytes::from_static(b"Fprobe");

/// Why the servers cannot be used.
pub(super) enum Unusable {
    /// That is how they are just now, whoever asks for whatever.
    Now(RedisError),
    /// These steps, and why.
    Refuses(Vec<(&'static str, RedisError)>),
}

/// Tries everything at every server, in one round trip.
pub(super) async fn run(link: &FredLink, prefix: &str, listens: bool) -> Result<(), Unusable> {
    let id: String = rng::bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let (nodes, id) = (link.nodes.iter().zip(link.hash_tags()), &id);
    let probing = nodes.map(|(node, hash_tag)| {
        let subscriber = node.connections.first().filter(|_| listens);
        at_one(link, subscriber, format!("{prefix}probe:{{{hash_tag}}}:{id}"), prefix)
    });
    try_join_all(probing).await.map(drop)
}

type Tried<'a> = Pin<Box<dyn Future<Output = Option<(&'static str, RedisError)>> + Send + 'a>>;

/// The steps are sent one behind the other: the server has done each when it comes to the next.
async fn at_one(
    link: &FredLink,
    subscriber: Option<&PooledConnection>,
    key: String,
    prefix: &str,
) -> Result<(), Unusable> {
    let (other, generation) = (format!("{key}:other"), format!("{key}:generation"));
    let marker = format!("{prefix}chg:{}", &key[prefix.len()..]);
    let (key, other, marker, pattern) = (key.as_str(), other.as_str(), marker.as_str(), format!("{prefix}probe:*"));
    let keys = || vec![key.to_owned(), other.to_owned()];
    let (generations, markers) = (vec![generation.clone()], vec![marker.to_owned()]);
    let renewal = Renewal { ttl: TTL, of_writers: TTL };
    let mut steps: Vec<Tried<'_>> = vec![
        tried("SET … NX GET", link.get_or_set(key, LEASE, Some(TTL)), |held| held.is_none()),
        tried("GET", link.get(key), |held| *held == Some(LEASE)),
        tried("MGET", link.get_many(keys()), |held| *held == [Some(LEASE), None]),
        tried("the script wait", link.wait(key, LEASE), |left| left.is_some()),
        tried("the script fill", link.fill(key, marker, LEASE, VALUE, TTL), |filled| *filled),
        tried("the script fence", link.fence(key, Some(marker), FENCE, TTL), |fenced| *fenced),
        tried("the script release", link.release(key, Some(marker), FENCE, Bytes::new(), TTL), |released| *released),
        tried("the script invalidate", link.invalidate(generations.clone(), markers, vec![VALUE], TTL), |()| true),
        tried("the script generations", link.generations(generations, vec![LEASE], renewal), |held| *held == [VALUE]),
        tried("the script publish_marker", link.publish_marker(marker), |()| true),
        tried("UNLINK", link.unlink(vec![generation]), |removed| *removed == 1),
        tried("SCAN", link.scan("0".to_owned(), &pattern, 1), |_| true),
        tried("INFO", link.memory(), |_| true),
    ];
    // Nothing was switched on. It is as good a question as any whether this may be.
    steps.extend(
        subscriber.map(|pooled| tried("CLIENT TRACKING", pooled.connection.client().stop_tracking(), |()| true)),
    );
    let failed: Vec<_> = join_all(steps).await.into_iter().flatten().collect();
    // Of the server as a whole, and not of this step.
    if let Some((_, error)) = failed.iter().find(|(_, error)| !is_of_the_step(error)) {
        return Err(Unusable::Now(error.clone()));
    }
    if failed.is_empty() { Ok(()) } else { Err(Unusable::Refuses(failed)) }
}

fn tried<'a, T: 'a>(
    name: &'static str,
    step: impl Future<Output = Result<T, impl Into<RedisError>>> + Send + 'a,
    is_right: fn(&T) -> bool,
) -> Tried<'a> {
    Box::pin(async move {
        match step.await {
            Ok(answer) if is_right(&answer) => None,
            Ok(_) => Some((name, RedisError::new("another answer than Redis gives"))),
            Err(error) => Some((name, error.into())),
        }
    })
}

/// Whether it is this step that is not done, and not anything that comes.
fn is_of_the_step(error: &RedisError) -> bool {
    let another_answer = error.to_string().starts_with("another answer");
    error.is_refused() || another_answer || (says(error, &["ERR "]) && !says(error, &MOVED_ON))
}

impl Unusable {
    /// In words that say what to do.
    pub(super) fn of_version(self, version: &str) -> RedisError {
        let failed = match self {
            Unusable::Now(error) => return error,
            Unusable::Refuses(failed) => failed,
        };
        let more = failed.len().saturating_sub(MOST_NAMED);
        let named = failed.iter().take(MOST_NAMED).map(|(name, error)| format!("{name} ({error})"));
        let mut words = format!("Redis {version} refuses {}", named.collect::<Vec<_>>().join(", "));
        if more > 0 {
            words += &format!(" and {more} more");
        }
        if major(version) < FIRST_VERSION {
            words += &format!("; version {FIRST_VERSION} or newer is needed");
        } else if failed.iter().any(|(_, error)| error.is_refused()) {
            words += "; give its user the rights that docs/operations.md lists, ACL LOG names what it lacks";
        }
        RedisError::new(words)
    }
}

/// 0 for what is no version.
pub(super) fn major(version: &str) -> u32 {
    version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or_default()
}
