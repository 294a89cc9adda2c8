use std::time::Duration;

use async_trait::async_trait;

use crate::{Health, Services};

/// Why a step of a module's life failed. The container adds the module's name.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A part of the program with a life of its own.
///
/// The container calls `init` once, then `start` once, then `stop` once; `stop` also comes after an `init` whose
/// `start` was never reached, when a later module fails. `health` may be called at any time between `init` and the end of
/// `stop`, from many tasks at once.
#[async_trait]
pub trait Module: Send + Sync + 'static {
    /// A short lower-case name, unique in the container: the key in health reports and in errors.
    fn name(&self) -> &'static str;

    /// Builds what the module offers and takes what it needs. Opens nothing that serves traffic.
    async fn init(&self, services: &mut Services) -> Result<(), Failure>;

    /// Opens and spawns.
    async fn start(&self) -> Result<(), Failure> {
        Ok(())
    }

    /// The stop of all modules begins, and is to be over within `patience`. Those that use this one stop before it: what they
    /// wait for must end in time.
    fn stopping(&self, patience: Duration) {
        let _ = patience;
    }

    /// Stops taking work, finishes what is under way and joins every task, in at most `patience`.
    async fn stop(&self, patience: Duration) -> Result<(), Failure> {
        let _ = patience;
        Ok(())
    }

    /// How the module is, in one sentence. Answers within about a second.
    async fn health(&self) -> Health;
}
