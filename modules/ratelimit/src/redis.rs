//! Counting in Redis: one atomic step for each subject, by a script that also reads the clock there, so that the
//! clocks of the callers play no role.

use std::sync::LazyLock;

use fred::clients::Client;
use fred::error::Error;
use fred::interfaces::LuaInterface;
use fred::types::Value;
use fred::util::sha1_hash;
use hotshelf_redis_client::RedisError;

use crate::limit::Limit;

const TAKE: &str = include_str!("redis/take.lua");
static TAKE_HASH: LazyLock<String> = LazyLock::new(|| sha1_hash(TAKE));

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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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

/// Takes steps by one call of the script: in a cluster, their keys must be in one slot. If it fails, nobody knows
/// whether they were taken.
pub(crate) async fn take(client: &Client, steps: &[Step]) -> Result<Vec<Answer>, RedisError> {
    let keys = || steps.iter().map(|step| step.key.as_str()).collect::<Vec<_>>();
    let arguments: Vec<Value> = steps.iter().flat_map(Step::arguments).collect();
    let reply: Result<Vec<u64>, Error> = client.evalsha(TAKE_HASH.as_str(), keys(), arguments.clone()).await;
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
