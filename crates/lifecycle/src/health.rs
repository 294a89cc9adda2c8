use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use parking_lot::RwLock;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::Module;

/// No module may make a health report wait longer than this.
const TIMEOUT: Duration = Duration::from_secs(2);

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

/// Which phase the whole program is in.
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
    /// In the order in which they were built.
    pub modules: Vec<(&'static str, Health)>,
}

/// A module under the name it has in health reports and errors.
#[derive(Clone)]
pub(crate) struct Registered {
    pub(crate) name: &'static str,
    pub(crate) module: Arc<dyn Module>,
}

/// Asks the modules how they are. A cheap handle.
#[derive(Clone)]
pub struct HealthBoard {
    modules: Arc<RwLock<Vec<Registered>>>,
    phase: watch::Receiver<Phase>,
}

impl HealthBoard {
    pub(crate) fn new(phase: watch::Receiver<Phase>) -> Self {
        HealthBoard { modules: Arc::default(), phase }
    }

    pub(crate) fn add(&self, module: Registered) {
        self.modules.write().push(module);
    }

    /// In the order in which they were added.
    pub(crate) fn modules(&self) -> Vec<Registered> {
        self.modules.read().clone()
    }

    /// Which phase the program is in.
    pub fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// Asks all modules at the same time; one that does not answer within two seconds is unhealthy.
    pub async fn report(&self) -> Report {
        let modules = join_all(self.modules().iter().map(ask)).await;
        let status = modules.iter().map(|(_, health)| health.status).max().unwrap_or(Status::Healthy);
        Report { status, modules }
    }

    /// The health of one module, `None` when there is no module of that name.
    pub async fn of(&self, name: &str) -> Option<Health> {
        let modules = self.modules();
        let module = modules.iter().find(|module| module.name == name)?;
        Some(ask(module).await.1)
    }
}

async fn ask(Registered { name, module }: &Registered) -> (&'static str, Health) {
    let answer = timeout(TIMEOUT, module.health()).await;
    (name, answer.unwrap_or_else(|_| Health::unhealthy(format!("no answer within {TIMEOUT:?}"))))
}
