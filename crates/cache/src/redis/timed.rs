//! Times every command of a link.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use hotshelf_redis_client::RedisError;
use hotshelf_stats::{Histogram, Registry, ServerMemory};

use super::link::{Agreement, Link, Presence, Renewal};
use super::state::ServerRunId;

/// A link, and how long its commands take.
pub(super) struct TimedLink {
    link: Box<dyn Link>,
    timings: Timings,
}

/// By command, as long as somebody waited for it: those that ended in a time-out count as well.
#[derive(Clone)]
pub(super) struct Timings {
    lookup: Histogram,
    get: Histogram,
    get_many: Histogram,
    fill: Histogram,
    fence: Histogram,
    release: Histogram,
    generations: Histogram,
    void: Histogram,
    wait: Histogram,
    mark: Histogram,
    epoch: Histogram,
    scan: Histogram,
    unlink: Histogram,
}

impl Timings {
    pub(super) fn new(registry: &Registry) -> Self {
        let command = |name| registry.redis_command(name);
        Timings {
            lookup: command("lookup"),
            get: command("get"),
            get_many: command("get_many"),
            fill: command("fill"),
            fence: command("fence"),
            release: command("release"),
            generations: command("generations"),
            void: command("void"),
            wait: command("wait"),
            mark: command("mark"),
            epoch: command("epoch"),
            scan: command("scan"),
            unlink: command("unlink"),
        }
    }
}

async fn timed<T>(timing: &Histogram, command: impl Future<Output = Result<T, RedisError>>) -> Result<T, RedisError> {
    let _timer = timing.start_timer();
    command.await
}

impl TimedLink {
    pub(super) fn new(link: Box<dyn Link>, timings: Timings) -> Self {
        TimedLink { link, timings }
    }

    pub(super) fn server(&self) -> &str {
        self.link.server()
    }

    pub(super) fn run(&self) -> ServerRunId {
        self.link.run()
    }

    pub(super) fn hash_tags(&self) -> &[String] {
        self.link.hash_tags()
    }

    pub(super) async fn get_or_set(
        &self,
        key: &str,
        state: Bytes,
        ttl: Option<Duration>,
    ) -> Result<Option<Bytes>, RedisError> {
        timed(&self.timings.lookup, self.link.get_or_set(key, state, ttl)).await
    }

    pub(super) async fn get(&self, key: &str) -> Result<Option<Bytes>, RedisError> {
        timed(&self.timings.get, self.link.get(key)).await
    }

    pub(super) async fn get_many(&self, keys: Vec<String>) -> Result<Vec<Option<Bytes>>, RedisError> {
        timed(&self.timings.get_many, self.link.get_many(keys)).await
    }

    pub(super) async fn fill(
        &self,
        key: &str,
        marker: &str,
        expected: Bytes,
        value: Bytes,
        ttl: Duration,
    ) -> Result<bool, RedisError> {
        timed(&self.timings.fill, self.link.fill(key, marker, expected, value, ttl)).await
    }

    pub(super) async fn fence(
        &self,
        key: &str,
        marker: Option<&str>,
        fence: Bytes,
        ttl: Duration,
    ) -> Result<bool, RedisError> {
        timed(&self.timings.fence, self.link.fence(key, marker, fence, ttl)).await
    }

    pub(super) async fn release(
        &self,
        key: &str,
        marker: Option<&str>,
        fence: Bytes,
        value: Bytes,
        ttl: Duration,
    ) -> Result<bool, RedisError> {
        timed(&self.timings.release, self.link.release(key, marker, fence, value, ttl)).await
    }

    pub(super) async fn generations(
        &self,
        keys: Vec<String>,
        proposals: Vec<Bytes>,
        renewal: Renewal,
    ) -> Result<Vec<Bytes>, RedisError> {
        timed(&self.timings.generations, self.link.generations(keys, proposals, renewal)).await
    }

    pub(super) async fn invalidate(
        &self,
        keys: Vec<String>,
        markers: Vec<String>,
        next: Vec<Bytes>,
        ttl: Duration,
    ) -> Result<(), RedisError> {
        timed(&self.timings.void, self.link.invalidate(keys, markers, next, ttl)).await
    }

    pub(super) async fn wait(&self, key: &str, lease: Bytes) -> Result<Option<Duration>, RedisError> {
        timed(&self.timings.wait, self.link.wait(key, lease)).await
    }

    pub(super) async fn mark(&self, marker: &str) -> Result<(), RedisError> {
        timed(&self.timings.mark, self.link.mark(marker)).await
    }

    pub(super) async fn agree_on_epoch(&self, key: &str, presence: &Presence) -> Result<Agreement, RedisError> {
        timed(&self.timings.epoch, self.link.agree_on_epoch(key, presence)).await
    }

    pub(super) async fn scan(
        &self,
        cursor: String,
        pattern: &str,
        count: u32,
    ) -> Result<(String, Vec<String>), RedisError> {
        timed(&self.timings.scan, self.link.scan(cursor, pattern, count)).await
    }

    pub(super) async fn unlink(&self, keys: Vec<String>) -> Result<u64, RedisError> {
        timed(&self.timings.unlink, self.link.unlink(keys)).await
    }

    /// Not timed: nobody waits for it.
    pub(super) async fn memory(&self) -> Result<ServerMemory, RedisError> {
        self.link.memory().await
    }

    pub(super) async fn lost(&self) -> String {
        self.link.lost().await
    }

    pub(super) async fn close(&self) {
        self.link.close().await;
    }
}
