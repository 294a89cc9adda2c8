//! Checks the identity of the database while no request writes.

use std::sync::Arc;
use std::time::Duration;

use diesel::sqlite::SqliteConnection;
use hotshelf_lifecycle::Tasks;
use parking_lot::Mutex;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};

use super::history;
use super::identity::Identity;
use super::writer::Writer;

/// Between two checks.
const HEARTBEAT: Duration = Duration::from_millis(250);

pub(crate) fn spawn(identity: Arc<Identity>, conn: Arc<Mutex<SqliteConnection>>, writer: Writer, tasks: &Tasks) {
    let stopping = tasks.stopping();
    let checks = async move {
        let mut heartbeats = interval(HEARTBEAT);
        heartbeats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            heartbeats.tick().await;
            if identity.confirm().is_err() {
                continue;
            }
            let (checked, conn) = (Arc::clone(&identity), Arc::clone(&conn));
            if let Err(died) = spawn_blocking(move || check(&checked, &mut conn.lock())).await {
                tracing::error!(%died, "the check of the identity of the database broke off");
            }
            if identity.file_has_changed() {
                // A group with nothing in it checks the file, in turn with the others. The identity keeps the result.
                let _ = writer.enqueue(1, |_| Ok(())).await;
            }
        }
    };
    tasks.spawn_loop("database heartbeat", async move {
        stopping.run_until_cancelled(checks).await;
    });
}

/// The identity keeps the result.
fn check(identity: &Identity, conn: &mut SqliteConnection) {
    let commits = identity.commits();
    if identity.confirm_files().is_err() {
        return;
    }
    match history::current(conn) {
        Ok(row) => drop(identity.confirm_committed(row, commits)),
        // The reads of requests show that the database cannot be read.
        Err(error) => tracing::debug!(%error, "the history of the database cannot be read"),
    }
}
