/// How a cache is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// It has no tier: every lookup loads.
    Off,
    /// Memory serves alone, as it is meant to.
    InMemory,
    /// Redis takes part, and memory, if there is one, follows what others write.
    RedisUp,
    /// Redis takes part, but the writes of other processes are not heard: memory serves nothing.
    Disconnected {
        /// Why.
        reason: String,
    },
    /// Redis was not reached yet.
    NotConnectedYet,
    /// The cache serves without Redis, and tries to reach it again.
    RedisDown {
        /// Why.
        reason: String,
    },
    /// No copy is served any more, for the rest of the life of the process.
    ServiceEnded {
        /// Why.
        reason: String,
    },
    /// A task of the cache has ended although nobody had stopped it.
    TaskDied {
        /// Which.
        task: &'static str,
    },
}

impl Condition {
    /// Whether all tiers do what they are there for.
    pub fn is_healthy(&self) -> bool {
        matches!(self, Condition::Off | Condition::InMemory | Condition::RedisUp)
    }
}
