//! Counting in Redis: one atomic step for each subject, by a script that also reads the clock there, so that the
//! clocks of the callers play no role.

use fred::clients::Client;
use fred::error::Error;
use fred::interfaces::{KeysInterface, LuaInterface};
use fred::types::Value;
use fred::util::sha1_hash;
use futures_util::future::try_join_all;
use hotshelf_redis_client::{Reconnecting, RedisError, RedisOptions, Servers};
use parking_lot::Mutex;
use tokio::time::timeout;

use crate::limit::Limit;

const TAKE: &str = include_str!("redis/take.lua");
/// Subjects in one call of the script. It costs Redis some microseconds for each, in which it serves nobody else.
const SUBJECTS_PER_CALL: usize = 32;

/// Permits that are wanted for one subject.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) key: String,
    pub(crate) limit: Limit,
    pub(crate) wanted: u32,
    pub(crate) prefetch: u32,
    /// Prefetched before and given back, and their bucket.
    pub(crate) unused: u32,
    pub(crate) bucket: u64,
}

/// What Redis has said to a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The prefetched ones behind those that were wanted.
    pub(crate) granted: u32,
    pub(crate) left: u32,
    /// Until the oldest permit is free again; 0 if none is taken.
    pub(crate) next_free_ms: u64,
    /// In which those granted are counted, and when it is over.
    pub(crate) bucket: u64,
    pub(crate) bucket_left_ms: u64,
}

pub(crate) struct RedisCounter {
    pub(crate) options: RedisOptions,
    redis: Option<Reconnecting>,
    script: String,
    /// What the key of the probe begins with, and a key of the call that failed last: its server is probed.
    probe: String,
    failed: Mutex<String>,
}

impl RedisCounter {
    pub(crate) fn new(options: RedisOptions, probe: String) -> Self {
        RedisCounter { options, redis: None, script: sha1_hash(TAKE), probe, failed: Mutex::default() }
    }

    /// The connection, if there is one. Begins to connect if that has failed so far, such as without a certificate.
    pub(crate) fn client(&mut self) -> Result<Client, RedisError> {
        let redis = match &mut self.redis {
            Some(redis) => redis,
            none => none.insert(Reconnecting::start(&self.options)?),
        };
        redis.client().cloned()
    }

    /// Whether Redis counts: takes a permit that nobody wants, at the server that failed last. That it answers would
    /// say nothing: it may be full, or refuse this user the script.
    pub(crate) async fn probe(&mut self) -> Result<(), RedisError> {
        let client = self.client()?;
        let key = format!("{}{{{}}}", self.probe, self.failed.lock());
        let step = [Step { key, limit: Limit::PROBE, wanted: 1, prefetch: 0, unused: 0, bucket: 0 }];
        let probe = async {
            self.call(&client, &step).await?;
            Ok(client.unlink::<(), _>(step[0].key.as_str()).await?)
        };
        self.within_deadline(probe).await
    }

    /// Takes the steps, all in one write to each server. If one fails, nobody knows which of them were taken.
    pub(crate) async fn take(&mut self, steps: &[Step]) -> Result<Vec<Answer>, RedisError> {
        let client = self.client()?;
        // In a cluster, the keys of a call must be in one slot.
        let cluster = matches!(self.options.servers, Servers::Cluster(_));
        let calls = steps.chunks(if cluster { 1 } else { SUBJECTS_PER_CALL }).map(async |steps| {
            let failed = |error| {
                steps[0].key.clone_into(&mut self.failed.lock());
                error
            };
            self.call(&client, steps).await.map_err(failed)
        });
        Ok(self.within_deadline(try_join_all(calls)).await?.concat())
    }

    async fn call(&self, client: &Client, steps: &[Step]) -> Result<Vec<Answer>, RedisError> {
        let keys = || steps.iter().map(|step| step.key.as_str()).collect::<Vec<_>>();
        let arguments: Vec<Value> = steps.iter().flat_map(Step::arguments).collect();
        let reply: Result<Vec<u64>, Error> = client.evalsha(&self.script, keys(), arguments.clone()).await;
        let reply = match reply {
            // A server that was restarted, or has just taken another's place. It has done nothing yet, and keeps the
            // script from now on.
            Err(error) if error.details().starts_with("NOSCRIPT") => client.eval(TAKE, keys(), arguments).await?,
            reply => reply?,
        };
        let (answers, _) = reply.as_chunks();
        match answers.len() == steps.len() {
            true => Ok(answers.iter().map(Answer::of).collect()),
            false => Err(RedisError::new("the script answered something else than was asked")),
        }
    }

    /// fred has a deadline of its own. This one holds as well when it does not notice that the connection is dead.
    async fn within_deadline<T>(&self, step: impl Future<Output = Result<T, RedisError>>) -> Result<T, RedisError> {
        let deadline = self.options.command_timeout;
        let late = || RedisError::new(format!("no answer within {deadline:?}"));
        timeout(deadline, step).await.unwrap_or_else(|_| Err(late())).map_err(RedisError::with_advice)
    }

    pub(crate) async fn close(&self) {
        if let Some(redis) = &self.redis {
            redis.close().await;
        }
    }
}

impl Step {
    fn arguments(&self) -> [Value; 6] {
        let [limit, wanted, prefetch, unused] =
            [self.limit.requests(), self.wanted, self.prefetch, self.unused].map(u64::from);
        [limit, self.limit.window_ms, wanted, prefetch, unused, self.bucket].map(|number| Value::from(number as i64))
    }
}

impl Answer {
    fn of(&[granted, left, next_free_ms, bucket, bucket_left_ms]: &[u64; 5]) -> Self {
        Answer { granted: granted as u32, left: left as u32, next_free_ms, bucket, bucket_left_ms }
    }
}

#[cfg(test)]
mod tests;
