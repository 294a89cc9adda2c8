use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use crate::{Failure, HealthBoard, Module, Phase, Services};

/// Holds the modules in order and starts them.
pub struct Container {
    modules: Vec<Arc<dyn Module>>,
    shutdown_timeout: Duration,
}

/// A module could not be built or started. What had been built before it has been stopped again.
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
        Container { modules: Vec::new(), shutdown_timeout }
    }

    /// Adds a module; it starts after those added before and stops ahead of them.
    pub fn register(&mut self, module: impl Module) -> &mut Self {
        self.modules.push(Arc::new(module));
        self
    }

    /// Initializes all modules in order, then starts them in order.
    ///
    /// # Errors
    /// The first failure, after the modules up to and including the failed one have been stopped in reverse.
    pub async fn start(self) -> Result<Running, StartError> {
        let (phase, watching) = watch::channel(Phase::Starting);
        let modules: Arc<[Arc<dyn Module>]> = self.modules.into();
        let services = Services::new("container");
        let mut running = Running { modules, services, phase, shutdown_timeout: self.shutdown_timeout };
        let board = HealthBoard::new(Arc::clone(&running.modules), watching);
        let provided = running.services.provide(board);
        provided.map_err(|error| StartError { module: "container", step: "init", cause: error.into() })?;

        for (index, module) in Arc::clone(&running.modules).iter().enumerate() {
            running.services.current = module.name();
            if let Err(cause) = module.init(&mut running.services).await {
                running.roll_back(index).await;
                return Err(StartError { module: module.name(), step: "init", cause });
            }
        }
        for module in running.modules.iter() {
            if let Err(cause) = module.start().await {
                running.roll_back(running.modules.len()).await;
                return Err(StartError { module: module.name(), step: "start", cause });
            }
            tracing::debug!(module = module.name(), "started");
        }
        running.services.current = "container";
        running.phase.send_replace(Phase::Running);
        Ok(running)
    }
}

/// A program whose modules have all started.
pub struct Running {
    modules: Arc<[Arc<dyn Module>]>,
    services: Services,
    phase: watch::Sender<Phase>,
    shutdown_timeout: Duration,
}

impl Running {
    /// What the modules have offered, for the program around them.
    pub fn services(&self) -> &Services {
        &self.services
    }

    /// Stops the modules in reverse order. The time is shared: what one leaves of it is there for the next, and each
    /// gets at least a tenth, so that a module that hangs does not keep the database from closing.
    ///
    /// # Errors
    /// Names each module that failed or ran out of time; the others have been stopped all the same.
    pub async fn stop(self) -> Result<(), StopError> {
        self.phase.send_replace(Phase::Stopping);
        self.modules.iter().for_each(|module| module.stopping(self.shutdown_timeout));
        let failures = self.stop_first(self.modules.len()).await;
        if failures.is_empty() { Ok(()) } else { Err(StopError(failures)) }
    }

    async fn roll_back(&self, initialized: usize) {
        self.phase.send_replace(Phase::Stopping);
        for (module, cause) in self.stop_first(initialized).await {
            tracing::error!(module, %cause, "failed to stop after a failed start");
        }
    }

    async fn stop_first(&self, count: usize) -> Vec<(&'static str, Failure)> {
        let end = Instant::now() + self.shutdown_timeout;
        let mut failures = Vec::new();
        for module in self.modules[..count].iter().rev() {
            let patience = end.saturating_duration_since(Instant::now()).max(self.shutdown_timeout / 10);
            let stopped = timeout(patience, module.stop(patience)).await;
            match stopped.unwrap_or_else(|_| Err(format!("still busy after {patience:?}").into())) {
                Ok(()) => tracing::debug!(module = module.name(), "stopped"),
                Err(cause) => failures.push((module.name(), cause)),
            }
        }
        failures
    }
}
