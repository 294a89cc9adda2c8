use std::time::Duration;

use crate::service::Warmed;
use hotshelf_lifecycle::Health;
use tokio::time::Instant;

/// What the warming is at.
#[derive(Clone, Debug)]
pub enum Condition {
    /// Nothing was to be done yet.
    Waiting,
    /// A run is under way.
    Running {
        /// Entries that were looked at.
        done: u64,
        /// Of so many.
        total: u64,
    },
    /// The last run came to its end.
    Done {
        /// What it found.
        warmed: Warmed,
        /// How long it took.
        taken: Duration,
        /// When it ended.
        at: Instant,
    },
    /// The last run broke off.
    Failed {
        /// Why.
        cause: String,
        /// When.
        at: Instant,
    },
}

impl Condition {
    /// In one sentence. A run that broke off leaves the service slower than intended, and as right as ever.
    pub(crate) fn health(&self) -> Health {
        match self {
            Condition::Waiting => Health::healthy("nothing to warm yet"),
            Condition::Running { done, total } => Health::healthy(format!("warming, {done} of {total} entries")),
            Condition::Done { warmed: Warmed { loaded, present }, taken, at } => {
                let (all, ago) = (loaded + present, whole_seconds(at.elapsed()));
                Health::healthy(format!("warmed {all} entries {ago:?} ago in {taken:.1?}, {loaded} of them loaded"))
            }
            Condition::Failed { cause, at } => {
                let ago = whole_seconds(at.elapsed());
                Health::degraded(format!("the warming broke off {ago:?} ago ({cause}); it will be tried again"))
            }
        }
    }
}

fn whole_seconds(time: Duration) -> Duration {
    Duration::from_secs(time.as_secs())
}
