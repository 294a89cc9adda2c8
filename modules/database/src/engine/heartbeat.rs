//! Checks the identity of the database while no request writes.

use std::sync::Arc;
use std::time::Duration;

use hotshelf_lifecycle::Tasks;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};

use super::writer::Writer;
use crate::backend::Backend;

/// Between two checks.
const HEARTBEAT: Duration = Duration::from_millis(250);

pub(crate) fn spawn(backend: Arc<dyn Backend>, writer: Writer, tasks: &Tasks) {
    let stopping = tasks.stopping();
    let checks = async move {
        let mut heartbeats = interval(HEARTBEAT);
        heartbeats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            heartbeats.tick().await;
            let checked = Arc::clone(&backend);
            match spawn_blocking(move || checked.heartbeat()).await {
                Ok(false) => {}
                // A group with nothing in it, in turn with the others. The backend keeps the result.
                Ok(true) => drop(writer.enqueue(1, |_| Ok(())).await),
                Err(died) => tracing::error!(%died, "the check of the identity of the database broke off"),
            }
        }
    };
    tasks.spawn_loop("database heartbeat", async move {
        stopping.run_until_cancelled(checks).await;
    });
}
