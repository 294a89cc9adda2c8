use hotshelf_redis_client::RedisOptions;

use crate::redis::SealKey;

/// Which tiers there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tiers {
    /// Memory in front of Redis.
    Tiered,
    /// Redis alone.
    Redis,
    /// Memory alone.
    Memory,
    /// None: every lookup loads.
    None,
}

impl Tiers {
    /// Whether Redis is one of them.
    pub fn have_redis(self) -> bool {
        matches!(self, Tiers::Tiered | Tiers::Redis)
    }
}

/// What a finished write leaves in the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteStrategy {
    /// Nothing: the next read loads.
    Invalidate,
    /// The new value: the next read is a hit.
    WriteThrough,
}

/// What an acknowledged write means for the other processes that share the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Consistency {
    /// No read on any process that starts after the acknowledgement returns what was there before. A write waits until
    /// every process has confirmed that it has heard of it: normally one or two round trips to Redis more, and never
    /// longer than a lease (1 s) because of a process that does not answer.
    #[default]
    Linearizable,
    /// The memory of another process may lag: by a millisecond normally, by a lease (1 s) at most. Writes wait for
    /// nobody.
    Bounded,
}

/// How the cache is built.
#[derive(Clone, Debug)]
pub struct CacheOptions {
    /// Which tiers there are.
    pub tiers: Tiers,
    /// Other processes write to the same database. Memory then serves only while it is certain to hear of their writes
    /// through Redis.
    pub shared_database: bool,
    /// What a write waits for, if they do. The same for all of them.
    pub consistency: Consistency,
    /// Bound of the memory tier in bytes, keys and bookkeeping included.
    pub memory_bytes: u64,
    /// What a finished write leaves.
    pub write_strategy: WriteStrategy,
    /// Where Redis is (version 7 or newer: lookups use `SET … NX GET`), for the tiers that need it. A request waits for
    /// at most one command that fails.
    pub redis: RedisOptions,
    /// In front of every key in Redis.
    pub key_prefix: String,
    /// The secret that seals the values in Redis, the same for all processes that share them. `None`: a random one of
    /// this process, so that no other process, and none after a restart, reads its values.
    pub seal_key: Option<SealKey>,
}

/// The options contradict each other; each kind says what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    /// Memory alone, of a database that others write to.
    #[error(
        "a cache in memory alone cannot hear of the writes of other processes to a shared database: take Redis as well \
         (Tiers::Tiered), or no tier at all (Tiers::None)"
    )]
    SharedMemoryAlone,
}

impl CacheOptions {
    pub(crate) fn check(&self) -> Result<(), OptionsError> {
        match self.tiers {
            Tiers::Memory if self.shared_database => Err(OptionsError::SharedMemoryAlone),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_alone_is_refused_where_others_write() {
        for tiers in [Tiers::Tiered, Tiers::Redis, Tiers::Memory, Tiers::None] {
            for shared_database in [false, true] {
                let options = CacheOptions {
                    tiers,
                    shared_database,
                    consistency: Consistency::Linearizable,
                    memory_bytes: 1 << 20,
                    write_strategy: WriteStrategy::Invalidate,
                    redis: RedisOptions::default(),
                    key_prefix: String::new(),
                    seal_key: None,
                };
                let refused = options.check() == Err(OptionsError::SharedMemoryAlone);
                assert_eq!(refused, shared_database && tiers == Tiers::Memory, "{tiers:?}, {shared_database}");
            }
        }
    }
}
