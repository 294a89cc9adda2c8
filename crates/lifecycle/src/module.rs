use std::time::Duration;

use async_trait::async_trait;

use crate::Health;

/// Why a module could not be built, started or stopped. The container adds the module's name.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A part of the program that is built with what it needs, started, watched, stopped.
///
/// The container calls `start` once, then `stop` once; `stop` also comes without a `start` when another module fails
/// first. `health` may be called at any time until the end of `stop`, from many tasks at once.
#[async_trait]
pub trait Module: Send + Sync + 'static {
    /// Opens what serves others, and spawns.
    async fn start(&self) -> Result<(), Failure> {
        Ok(())
    }

    /// Called on all modules before the first one stops; the stop is to be over within `timeout`. Work for which other
    /// modules wait must end in time.
    fn stopping(&self, timeout: Duration) {
        let _ = timeout;
    }

    /// Stops taking work, finishes what is under way and joins every task, in at most `timeout`.
    async fn stop(&self, timeout: Duration) -> Result<(), Failure> {
        let _ = timeout;
        Ok(())
    }

    /// How the module is, in one sentence. Answers within about a second.
    async fn health(&self) -> Health;
}
