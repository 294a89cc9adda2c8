//! Times every command of a connection, around whatever the connection is.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use hotshelf_redis_client::RedisError;
use hotshelf_stats::{Histogram, ServerMemory, Stats};

use super::link::{Agreement, Connector, Link, Presence, Renewal};
use super::state::Run;

/// A connector whose links are timed, or such a link.
pub(crate) struct Timed<T> {
    inner: T,
    timings: Timings,
}

/// By command, as long as somebody waited for it: those that ended in a time-out count as well.
#[derive(Clone)]
struct Timings {
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

impl<C: Connector> Timed<C> {
    pub(crate) fn new(inner: C, stats: &Stats) -> Self {
        let command = |name| stats.redis_command(name);
        let timings = Timings {
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
        };
        Timed { inner, timings }
    }
}

async fn timed<T>(timing: &Histogram, command: impl Future<Output = Result<T, RedisError>>) -> Result<T, RedisError> {
    let _timer = timing.start_timer();
    command.await
}

impl<C: Connector> Connector for Timed<C> {
    type Link = Timed<C::Link>;
    type Ear = C::Ear;

    async fn open(&self) -> Result<Timed<C::Link>, RedisError> {
        Ok(Timed { inner: self.inner.open().await?, timings: self.timings.clone() })
    }

    async fn listen(&self, markers: &str) -> Result<C::Ear, RedisError> {
        self.inner.listen(markers).await
    }
}

impl<L: Link> Link for Timed<L> {
    fn server(&self) -> &str {
        self.inner.server()
    }

    fn run(&self) -> Run {
        self.inner.run()
    }

    fn tags(&self) -> &[String] {
        self.inner.tags()
    }

    async fn get_or_set(&self, key: &str, state: Bytes, life: Option<Duration>) -> Result<Option<Bytes>, RedisError> {
        timed(&self.timings.lookup, self.inner.get_or_set(key, state, life)).await
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>, RedisError> {
        timed(&self.timings.get, self.inner.get(key)).await
    }

    async fn get_many(&self, keys: Vec<String>) -> Result<Vec<Option<Bytes>>, RedisError> {
        timed(&self.timings.get_many, self.inner.get_many(keys)).await
    }

    async fn fill(
        &self,
        key: &str,
        marker: &str,
        expected: Bytes,
        value: Bytes,
        life: Duration,
    ) -> Result<bool, RedisError> {
        timed(&self.timings.fill, self.inner.fill(key, marker, expected, value, life)).await
    }

    async fn fence(&self, key: &str, marker: Option<&str>, fence: Bytes, life: Duration) -> Result<bool, RedisError> {
        timed(&self.timings.fence, self.inner.fence(key, marker, fence, life)).await
    }

    async fn release(
        &self,
        key: &str,
        marker: Option<&str>,
        fence: Bytes,
        value: Bytes,
        life: Duration,
    ) -> Result<bool, RedisError> {
        timed(&self.timings.release, self.inner.release(key, marker, fence, value, life)).await
    }

    async fn generations(
        &self,
        keys: Vec<String>,
        proposals: Vec<Bytes>,
        renewal: Renewal,
    ) -> Result<Vec<Bytes>, RedisError> {
        timed(&self.timings.generations, self.inner.generations(keys, proposals, renewal)).await
    }

    async fn void(
        &self,
        keys: Vec<String>,
        markers: Vec<String>,
        next: Vec<Bytes>,
        life: Duration,
    ) -> Result<(), RedisError> {
        timed(&self.timings.void, self.inner.void(keys, markers, next, life)).await
    }

    async fn wait(&self, key: &str, lease: Bytes) -> Result<Option<Duration>, RedisError> {
        timed(&self.timings.wait, self.inner.wait(key, lease)).await
    }

    async fn mark(&self, marker: &str) -> Result<(), RedisError> {
        timed(&self.timings.mark, self.inner.mark(marker)).await
    }

    async fn agree_on_epoch(&self, key: &str, presence: &Presence) -> Result<Agreement, RedisError> {
        timed(&self.timings.epoch, self.inner.agree_on_epoch(key, presence)).await
    }

    async fn scan(&self, cursor: String, pattern: &str, count: u32) -> Result<(String, Vec<String>), RedisError> {
        timed(&self.timings.scan, self.inner.scan(cursor, pattern, count)).await
    }

    async fn unlink(&self, keys: Vec<String>) -> Result<u64, RedisError> {
        timed(&self.timings.unlink, self.inner.unlink(keys)).await
    }

    /// Not timed: nobody waits for it.
    async fn memory(&self) -> Result<ServerMemory, RedisError> {
        self.inner.memory().await
    }

    async fn lost(&self) -> String {
        self.inner.lost().await
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}
