use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::Module;

/// No module may make a health report wait longer than this.
const PATIENCE: Duration = Duration::from_secs(2);

/// How well a module does its work, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// All of it.
    Healthy,
    /// Requests are served, with less speed or less safety than intended, or but for a few.
    Degraded,
    /// Requests fail, all of them or those of one kind.
    Unhealthy,
}

impl Status {
    /// `healthy`, `degraded` or `unhealthy`.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Healthy => "healthy",
            Status::Degraded => "degraded",
            Status::Unhealthy => "unhealthy",
        }
    }
}

/// A status and the one sentence that explains it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// How well the module does.
    pub status: Status,
    /// Why, for a person.
    pub message: String,
    /// Whether requests should be sent here: enough of them are served.
    pub ready: bool,
}

impl Health {
    /// All is well.
    pub fn healthy(message: impl Into<String>) -> Self {
        Health { status: Status::Healthy, message: message.into(), ready: true }
    }

    /// Works, but not as intended.
    pub fn degraded(message: impl Into<String>) -> Self {
        Health { status: Status::Degraded, message: message.into(), ready: true }
    }

    /// Does not work.
    pub fn unhealthy(message: impl Into<String>) -> Self {
        Health { status: Status::Unhealthy, message: message.into(), ready: false }
    }

    /// Fails requests of one kind and serves the others, so that it is worse to send none here.
    pub fn impaired(message: impl Into<String>) -> Self {
        Health { ready: true, ..Health::unhealthy(message) }
    }
}

/// Where the whole program is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Modules are being built or started.
    Starting,
    /// Every module has started.
    Running,
    /// The stop has begun; new work should go elsewhere.
    Stopping,
}

/// The health of every module at one moment.
#[derive(Clone, Debug)]
pub struct Report {
    /// The worst of the modules.
    pub status: Status,
    /// In order of registration.
    pub modules: Vec<(&'static str, Health)>,
}

/// Asks the modules how they are. A cheap handle that the container provides to every module.
#[derive(Clone)]
pub struct HealthBoard {
    modules: Arc<[Arc<dyn Module>]>,
    phase: watch::Receiver<Phase>,
}

impl HealthBoard {
    pub(crate) fn new(modules: Arc<[Arc<dyn Module>]>, phase: watch::Receiver<Phase>) -> Self {
        HealthBoard { modules, phase }
    }

    /// Where the program is in its life.
    pub fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// Asks all modules at the same time; one that does not answer within two seconds is unhealthy.
    pub async fn report(&self) -> Report {
        let modules = join_all(self.modules.iter().map(ask)).await;
        let status = modules.iter().map(|(_, health)| health.status).max().unwrap_or(Status::Healthy);
        Report { status, modules }
    }

    /// The health of one module, `None` when there is no module of that name.
    pub async fn of(&self, name: &str) -> Option<Health> {
        let module = self.modules.iter().find(|module| module.name() == name)?;
        Some(ask(module).await.1)
    }
}

async fn ask(module: &Arc<dyn Module>) -> (&'static str, Health) {
    let answer = timeout(PATIENCE, module.health()).await;
    (module.name(), answer.unwrap_or_else(|_| Health::unhealthy(format!("no answer within {PATIENCE:?}"))))
}
