//! Counting in Redis: one atomic step for each subject, by a script that also reads the clock there, so that the clocks of
//! the callers play no role.

use std::time::Duration;

use fred::clients::Client;
use fred::error::Error;
use fred::interfaces::{ClientLike, LuaInterface};
use fred::types::Value;
use fred::util::sha1_hash;
use futures_util::future::try_join_all;
use hotshelf_redis::{Reconnecting, RedisError, RedisOptions, Servers};
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
}

impl RedisCounter {
    /// Begins to connect.
    pub(crate) fn start(options: &RedisOptions) -> Result<Self, RedisError> {
        let per_call = match options.servers {
            Servers::One(_) | Servers::Sentinel { .. } => SUBJECTS_PER_CALL,
            // The keys of a call must be in one slot.
            Servers::Cluster(_) => 1,
        };
        let redis = Reconnecting::start(options)?;
        Ok(RedisCounter { redis, take: sha1_hash(TAKE), per_call, deadline: options.command_timeout })
    }

    /// Whether there is a connection, as far as is known without asking.
    pub(crate) fn connected(&self) -> Result<(), RedisError> {
        self.redis.client().map(drop)
    }

    /// Whether there is a Redis that answers.
    pub(crate) async fn probe(&self) -> Result<(), RedisError> {
        let client = self.redis.client()?;
        self.within_deadline(async { client.ping(None).await.map_err(RedisError::from) }).await
    }

    /// Takes the steps, all in one write to each server. If one fails, nobody knows which of them were taken.
    pub(crate) async fn take(&self, steps: &[Step]) -> Result<Vec<Taken>, RedisError> {
        let client = self.redis.client()?;
        let calls = steps.chunks(self.per_call).map(|steps| self.call(client, steps));
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
        timeout(self.deadline, step).await.unwrap_or_else(|_| Err(late()))
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
