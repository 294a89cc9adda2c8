//! Counting in Redis: one atomic step for each subject, by a script that also reads the clock there, so that the clocks of
//! the callers play no role.

use std::time::Duration;

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
use crate::reserve::GivenBack;
use crate::window::Taken;

const TAKE: &str = include_str!("redis/take.lua");
/// Subjects in one call of the script. It costs Redis some microseconds for each, in which it serves nobody else.
const SUBJECTS_PER_CALL: usize = 32;

/// Places that are wanted for one subject.
pub(crate) struct Step {
    /// The full name of the key.
    pub(crate) key: String,
    pub(crate) limit: Limit,
    pub(crate) wanted: u32,
    /// To be taken ahead, if there are plenty.
    pub(crate) ahead: u32,
    /// Taken ahead before, and not needed.
    pub(crate) back: GivenBack,
}

pub(crate) struct RedisCounter {
    redis: Reconnecting,
    take: String,
    per_call: usize,
    deadline: Duration,
    /// What the keys for trying begin with.
    probes: String,
    /// A key of the call that failed last: where trying again tells something.
    failed: Mutex<String>,
}

impl RedisCounter {
    /// Begins to connect. Keys of its own begin with `keys`.
    pub(crate) fn start(options: &RedisOptions, keys: &str) -> Result<Self, RedisError> {
        let per_call = match options.servers {
            Servers::One(_) | Servers::Sentinel { .. } => SUBJECTS_PER_CALL,
            // The keys of a call must be in one slot.
            Servers::Cluster(_) => 1,
        };
        let redis = Reconnecting::start(options)?;
        let (probes, failed) = (format!("{keys}probe:"), Mutex::default());
        Ok(RedisCounter { redis, take: sha1_hash(TAKE), per_call, deadline: options.command_timeout, probes, failed })
    }

    /// Whether there is a connection, as far as is known without asking.
    pub(crate) fn connected(&self) -> Result<(), RedisError> {
        self.redis.client().map(drop)
    }

    /// Whether Redis counts: takes a place that nobody wants, at the server that failed last, by each command that counting needs. That
    /// it answers would say nothing: it may be full, or refuse this user the script.
    pub(crate) async fn probe(&self) -> Result<(), RedisError> {
        let (client, failed) = (self.redis.client()?, self.failed.lock().clone());
        let key = format!("{}{{{failed}}}", self.probes);
        let step = Step { key: key.clone(), limit: Limit::PROBE, wanted: 1, ahead: 0, back: GivenBack::default() };
        let arguments = || arguments(&step).to_vec();
        // One behind the other: the second finds what the first has left, and the last removes it.
        let evaluated = client.eval::<Vec<u64>, _, _, _>(TAKE, key.as_str(), arguments());
        let called = client.evalsha::<Vec<u64>, _, _, _>(&self.take, key.as_str(), arguments());
        let tried = async {
            let (evaluated, called, removed) = tokio::join!(evaluated, called, client.unlink::<u64, _>(key.as_str()));
            evaluated?;
            called?;
            removed?;
            Ok(())
        };
        self.within_deadline(tried).await
    }

    /// Takes the steps, all in one write to each server. If one fails, nobody knows which of them were taken.
    pub(crate) async fn take(&self, steps: &[Step]) -> Result<Vec<Taken>, RedisError> {
        let client = self.redis.client()?;
        let calls = steps.chunks(self.per_call).map(async |steps| {
            let taken = self.call(client, steps).await;
            if let (Err(_), Some(Step { key, .. })) = (&taken, steps.first()) {
                key.clone_into(&mut self.failed.lock());
            }
            taken
        });
        Ok(self.within_deadline(try_join_all(calls)).await?.concat())
    }

    async fn call(&self, client: &Client, steps: &[Step]) -> Result<Vec<Taken>, RedisError> {
        let keys = || steps.iter().map(|step| step.key.as_str()).collect::<Vec<_>>();
        let arguments: Vec<Value> = steps.iter().flat_map(arguments).collect();
        let reply: Result<Vec<u64>, Error> = client.evalsha(&self.take, keys(), arguments.clone()).await;
        let reply = match reply {
            // A server that was restarted, or has just taken another's place. It has done nothing yet, and keeps the
            // script from now on.
            Err(error) if error.details().starts_with("NOSCRIPT") => client.eval(TAKE, keys(), arguments).await?,
            reply => reply?,
        };
        match taken(&reply) {
            taken if taken.len() == steps.len() => Ok(taken),
            _ => Err(RedisError::new("the script answered something else than was asked")),
        }
    }

    /// fred has a deadline of its own. This one holds as well when it does not notice that the connection is dead.
    async fn within_deadline<T>(&self, step: impl Future<Output = Result<T, RedisError>>) -> Result<T, RedisError> {
        let late = || RedisError::new(format!("no answer within {:?}", self.deadline));
        timeout(self.deadline, step).await.unwrap_or_else(|_| Err(late())).map_err(RedisError::with_advice)
    }

    pub(crate) async fn close(&self) {
        self.redis.close().await;
    }
}

fn arguments(step: &Step) -> [Value; 6] {
    let number = |number: u64| Value::from(i64::try_from(number).unwrap_or(i64::MAX));
    let Step { limit, wanted, ahead, back, .. } = step;
    let (requests, window) = (limit.requests().into(), number(limit.window_ms()));
    [requests, window, (*wanted).into(), (*ahead).into(), back.places.into(), number(back.bucket)]
}

/// Behind the time on Redis' clock, six numbers for each step.
fn taken(reply: &[u64]) -> Vec<Taken> {
    let places = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    let taken = |&[granted, left, wait, ahead, bucket, bucket_ends]: &[u64; 6]| {
        let (granted, left, ahead) = (places(granted), places(left), places(ahead));
        Taken { granted, left, wait, ahead, bucket, bucket_ends }
    };
    let (steps, _) = reply.get(1..).unwrap_or_default().as_chunks();
    steps.iter().map(taken).collect()
}

#[cfg(test)]
mod tests;
