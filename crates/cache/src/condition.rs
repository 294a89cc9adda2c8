use std::fmt;

use crate::redis::OTHER_SEAL;

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
    /// Redis is used, and holds values with a wrong seal.
    OtherSeal,
    /// Redis was not reached yet.
    NotConnectedYet,
    /// The cache serves without Redis, and tries to reach it again.
    RedisDown {
        /// Why.
        reason: String,
    },
    /// No entry is served any more, until the process ends.
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

/// In words for operators.
impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Condition::Off => f.write_str("off"),
            Condition::InMemory => f.write_str("in memory"),
            Condition::RedisUp => f.write_str("Redis is up"),
            Condition::Disconnected { reason } => write!(
                f,
                "Redis is up, but the writes of other instances are not heard ({reason}); memory serves nothing"
            ),
            Condition::OtherSeal => write!(f, "Redis is up, but {OTHER_SEAL}"),
            Condition::NotConnectedYet => f.write_str("Redis is not connected yet; serving without it"),
            Condition::RedisDown { reason } => write!(f, "Redis is down ({reason}); serving without it"),
            Condition::ServiceEnded { reason } => f.write_str(reason),
            Condition::TaskDied { task } => write!(f, "task `{task}` has died; restart the service"),
        }
    }
}
