use std::time::Duration;

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

/// What a finished write leaves in the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteStrategy {
    /// Nothing: the next read loads.
    Invalidate,
    /// The new value: the next read is a hit.
    WriteThrough,
}

/// How the cache is built.
#[derive(Clone, Debug)]
pub struct CacheOptions {
    /// Which tiers there are.
    pub tiers: Tiers,
    /// Other processes write to the same database. Memory then serves only while it is certain to hear of their writes
    /// through Redis.
    pub shared_database: bool,
    /// Bound of the memory tier in bytes, keys and bookkeeping included.
    pub memory_bytes: u64,
    /// What a finished write leaves.
    pub write_strategy: WriteStrategy,
    /// Where Redis is, for the tiers that need it.
    pub redis: RedisOptions,
}

/// How to talk to Redis (version 7 or newer: lookups use `SET … NX GET`).
#[derive(Clone)]
pub struct RedisOptions {
    /// `redis://` or `rediss://` with host and port; credentials and database may be in it.
    pub url: String,
    /// Wins over the one in the URL.
    pub password: Option<String>,
    /// Logical database.
    pub database: u8,
    /// In front of every key.
    pub prefix: String,
    /// What a command may take. A request waits for at most one that fails.
    pub command_timeout: Duration,
    /// What opening a connection may take.
    pub connect_timeout: Duration,
}

impl std::fmt::Debug for RedisOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The URL and the password stay out of logs.
        f.debug_struct("RedisOptions")
            .field("database", &self.database)
            .field("prefix", &self.prefix)
            .field("command_timeout", &self.command_timeout)
            .field("connect_timeout", &self.connect_timeout)
            .finish_non_exhaustive()
    }
}
