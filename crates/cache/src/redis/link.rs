//! What the tier asks of a connection to Redis: the steps of the protocol, each atomic on one key, or on those of one
//! slot of a cluster. Fred implements it in production, the simulation under test. Each step is a boxed future, which
//! is little beside a round trip.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use hotshelf_redis_client::RedisError;

use super::seal::SealedNumber;
use super::state::ServerRunId;
use crate::counters::ServerMemory;

/// A connection to one server. It is never repaired: a command that is sent again on a new connection could reach a
/// server whose identity has not been checked. When a link ends, the supervisor opens a new one.
///
/// In a cluster, it is the connections to all primaries, and ends as a whole when one of them does or a slot moves: to
/// the engine they are one server, of which only `publish_marker` and `scan` show that it has parts.
///
/// A step ends within the command's deadline. One that fails may have been carried out all the same, also later.
#[async_trait]
pub(crate) trait Link: Send + Sync + 'static {
    /// Identifies the server's memory: it changes when the server restarts, and when it becomes, or stops being,
    /// another's replica; in a cluster, when that happens to one of its primaries, or a slot goes to another.
    fn server(&self) -> &str;

    /// Identifies the server's process, or the processes of all primaries.
    fn run(&self) -> ServerRunId;

    /// For each part of the server one text, which leads a marker there as its hash tag. There is at least one.
    fn hash_tags(&self) -> &[String];

    /// What the key holds. If that is nothing, it holds `state` from now on, for `ttl` or for ever.
    async fn get_or_set(&self, key: &str, state: Bytes, ttl: Option<Duration>) -> Result<Option<Bytes>, RedisError>;

    /// What the key holds.
    async fn get(&self, key: &str) -> Result<Option<Bytes>, RedisError>;

    /// What each of the keys holds, in their order.
    async fn get_many(&self, keys: Vec<String>) -> Result<Vec<Option<Bytes>>, RedisError>;

    /// Sets the key to `value`, for `ttl`, if it begins with `expected`; nothing as `value` deletes it. A lease that
    /// somebody waits for is as expected as one for which nobody does; those who wait are told by the marker.
    async fn fill(
        &self,
        key: &str,
        marker: &str,
        expected: Bytes,
        value: Bytes,
        ttl: Duration,
    ) -> Result<bool, RedisError>;

    /// Sets the key to `fence`, for `ttl`, unless another fence of this run stands there.
    async fn fence(&self, key: &str, marker: Option<&str>, fence: Bytes, ttl: Duration) -> Result<bool, RedisError>;

    /// Sets the key to `value`, or to nothing, if `fence` still stands there; then `true`. If not, whatever does goes,
    /// unless it is another fence.
    async fn release(
        &self,
        key: &str,
        marker: Option<&str>,
        fence: Bytes,
        value: Bytes,
        ttl: Duration,
    ) -> Result<bool, RedisError>;

    /// What these keys hold, all of one slot. One that holds nothing holds its proposal from now on, for `ttl`. Which
    /// others get that TTL again, [`Renewal`] says.
    async fn generations(
        &self,
        keys: Vec<String>,
        proposals: Vec<Bytes>,
        renewal: Renewal,
    ) -> Result<Vec<Bytes>, RedisError>;

    /// Sets these keys, all of one slot, to the next generations, for `ttl`.
    async fn invalidate(
        &self,
        keys: Vec<String>,
        markers: Vec<String>,
        next: Vec<Bytes>,
        ttl: Duration,
    ) -> Result<(), RedisError>;

    /// Asks the holder of `lease` to tell when it fills: how long the lease may still last, or `None` if it is gone.
    async fn wait(&self, key: &str, lease: Bytes) -> Result<Option<Duration>, RedisError>;

    /// Pushes the marker to all who listen, behind the pushes of everything that was done before where it belongs.
    async fn publish_marker(&self, marker: &str) -> Result<(), RedisError>;

    /// Tells the server who works with its keys, and hears what it knows of others.
    async fn agree_on_epoch(&self, key: &str, presence: &Presence) -> Result<Agreement, RedisError>;

    /// One step of a walk over all keys: the next cursor, "0" at the end, and some keys.
    async fn scan(&self, cursor: String, pattern: &str, count: u32) -> Result<(String, Vec<String>), RedisError>;

    /// Deletes the keys, and tells how many there were.
    async fn unlink(&self, keys: Vec<String>) -> Result<u64, RedisError>;

    /// What the server says about its memory; of several, the sums.
    async fn memory(&self) -> Result<ServerMemory, RedisError>;

    /// Waits until the connection is of no use any more; then tells why.
    async fn lost(&self) -> String;

    /// Ends the connection, without waiting for a server that does not answer.
    async fn close(&self);
}

/// A link that the tier works with.
pub(super) type ActiveLink = Box<dyn Link>;

/// What a process tells of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Presence {
    pub(crate) history: u64,
    /// The history that this one follows, 0 if it has not changed here.
    pub(crate) follows: u64,
    pub(crate) epoch: SealedNumber,
    pub(crate) commits: SealedNumber,
    /// Names the process; those that share the database have one name together.
    pub(crate) process: String,
    /// It takes the place of another process of this history that may still count as present.
    pub(crate) opens: bool,
    /// For how long it counts as present.
    pub(crate) lasts: Duration,
}

impl Presence {
    /// As the script takes it.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let name = |history: u64| format!("{history:016x}");
        vec![
            name(self.history),
            name(self.follows),
            self.epoch.0.clone(),
            self.commits.0.clone(),
            self.process.clone(),
            self.lasts.as_millis().to_string(),
            if self.opens { "open" } else { "beat" }.to_owned(),
        ]
    }
}

/// What the server knows of those who work with its keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Agreement {
    /// They are of this history: the highest epoch and the most commits that any of them has told. The caller has to
    /// check their seals.
    Known { epoch: SealedNumber, commits: SealedNumber },
    /// They are of another database, or of another history of this one.
    OtherDatabase { history: String },
    /// Another process has taken the place of this one. As long as it runs, it renews until when it counts as present.
    OtherProcess { present_until: String },
}

impl Agreement {
    /// As the script tells it.
    pub(crate) fn read(answer: &str) -> Result<Self, RedisError> {
        let nonsense = || RedisError::new(format!("the script `epoch` has answered `{answer}`"));
        let words: Vec<&str> = answer.split(' ').collect();
        let number = |word: &str| SealedNumber(word.to_owned());
        match words[..] {
            ["ok", epoch, commits] => Ok(Agreement::Known { epoch: number(epoch), commits: number(commits) }),
            ["database", history] => Ok(Agreement::OtherDatabase { history: history.to_owned() }),
            ["process", until] => Ok(Agreement::OtherProcess { present_until: until.to_owned() }),
            _ => Err(nonsense()),
        }
    }
}

/// The TTL of a generation that a reader has proposed, and which of those it reads get it again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Renewal {
    pub(crate) ttl: Duration,
    /// The TTL of a generation that a writer has set: one with so little left is not renewed.
    pub(crate) of_writers: Duration,
}

impl Renewal {
    /// Whether a generation with so much left (`None`: it has no end) gets the whole TTL again: it may be a reader's
    /// only, and need not be written again with each read.
    #[cfg(test)]
    pub(crate) fn is_due(self, left: Option<Duration>) -> bool {
        left.is_none_or(|left| left > self.of_writers && left < self.ttl.saturating_sub(self.of_writers))
    }
}

/// Opens connections.
#[async_trait]
pub(crate) trait Connector: Send + Sync + 'static {
    /// A connection for commands.
    async fn open(&self) -> Result<Box<dyn Link>, RedisError>;

    /// A connection that hears every marker which begins with `markers` from now on.
    async fn listen(&self, markers: &str) -> Result<Box<dyn InvalidationStream>, RedisError>;
}

/// What one connection hears of markers.
#[async_trait]
pub(crate) trait InvalidationStream: Send {
    /// The next markers, in the order of the changes; an error when some may have been missed: then it is of no use
    /// any more. Dropped before its end, it has taken none.
    async fn next(&mut self) -> Result<Vec<String>, RedisError>;
}
