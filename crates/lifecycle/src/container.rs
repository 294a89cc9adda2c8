use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use crate::health::{HealthBoard, Phase, Registered};
use crate::{Failure, Module};

/// Holds the modules in the order in which they were built, and starts them.
pub struct Container {
    board: HealthBoard,
    phase: watch::Sender<Phase>,
    shutdown_timeout: Duration,
}

/// A module could not be built or started. The modules built before it have been stopped again.
#[derive(Debug, thiserror::Error)]
#[error("module `{module}` failed to {step}: {cause}")]
pub struct StartError {
    /// The module's name.
    pub module: &'static str,
    /// `init` or `start`.
    pub step: &'static str,
    /// What it said.
    #[source]
    pub cause: Failure,
}

/// Modules that did not stop cleanly; all others did.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.iter().map(|(module, cause)| format!("module `{module}` failed to stop: {cause}")).collect::<Vec<_>>().join("; "))]
pub struct StopError(pub Vec<(&'static str, Failure)>);

impl Container {
    /// An empty container whose whole stop may take `shutdown_timeout`.
    pub fn new(shutdown_timeout: Duration) -> Self {
        let phase = watch::Sender::new(Phase::Starting);
        Container { board: HealthBoard::new(phase.subscribe()), phase, shutdown_timeout }
    }

    /// The health of all modules, also of those that are added later.
    pub fn health(&self) -> HealthBoard {
        self.board.clone()
    }

    /// Builds a module and adds it. It starts after the modules that were added before it, and stops ahead of them.
    /// `name` is short, in lower case and unique: the key in health reports and in errors.
    ///
    /// # Errors
    /// What the module failed with, after the modules that were added before it have been stopped in reverse.
    pub async fn init<M: Module>(
        &mut self,
        name: &'static str,
        build: impl Future<Output = Result<M, Failure>>,
    ) -> Result<Arc<M>, StartError> {
        match build.await {
            Ok(module) => {
                let module = Arc::new(module);
                self.board.add(Registered { name, module: Arc::clone(&module) as Arc<dyn Module> });
                Ok(module)
            }
            Err(cause) => {
                self.roll_back().await;
                Err(StartError { module: name, step: "init", cause })
            }
        }
    }

    /// Starts all modules in order.
    ///
    /// # Errors
    /// The first failure, after all modules have been stopped in reverse.
    pub async fn start(self) -> Result<Running, StartError> {
        for Registered { name, module } in self.board.modules().iter() {
            if let Err(cause) = module.start().await {
                self.roll_back().await;
                return Err(StartError { module: name, step: "start", cause });
            }
            tracing::debug!(module = name, "started");
        }
        self.phase.send_replace(Phase::Running);
        Ok(Running(self))
    }

    async fn roll_back(&self) {
        self.phase.send_replace(Phase::Stopping);
        for (module, cause) in self.stop_all().await {
            tracing::error!(module, %cause, "failed to stop after a failed start");
        }
    }

    async fn stop_all(&self) -> Vec<(&'static str, Failure)> {
        let end = Instant::now() + self.shutdown_timeout;
        let mut failures = Vec::new();
        for Registered { name, module } in self.board.modules().iter().rev() {
            let left = end.saturating_duration_since(Instant::now()).max(self.shutdown_timeout / 10);
            let stopped = timeout(left, module.stop(left)).await;
            match stopped.unwrap_or_else(|_| Err(format!("still busy after {left:?}").into())) {
                Ok(()) => tracing::debug!(module = name, "stopped"),
                Err(cause) => failures.push((*name, cause)),
            }
        }
        failures
    }
}

/// A program whose modules have all started.
pub struct Running(Container);

impl Running {
    /// Stops the modules in reverse order. The time is shared: what one leaves of it is there for the next, and each
    /// gets at least a tenth, so that a module that hangs does not keep the database from closing.
    ///
    /// # Errors
    /// Names each module that failed or ran out of time; the others have been stopped all the same.
    pub async fn stop(self) -> Result<(), StopError> {
        let Running(container) = self;
        container.phase.send_replace(Phase::Stopping);
        for Registered { module, .. } in container.board.modules().iter() {
            module.stopping(container.shutdown_timeout);
        }
        let failures = container.stop_all().await;
        if failures.is_empty() { Ok(()) } else { Err(StopError(failures)) }
    }
}
