//! Checks the identity of the database while no request writes.

use std::sync::Arc;
use std::time::Duration;

use diesel::sqlite::SqliteConnection;
use parking_lot::Mutex;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::history;
use super::identity::Identity;
use super::writer::Writer;

/// Between two looks.
const HEARTBEAT: Duration = Duration::from_millis(250);

/// Until `stopping`, or until it is noticed that the database is another one.
pub(crate) async fn run(
    identity: Arc<Identity>,
    conn: Arc<Mutex<SqliteConnection>>,
    writer: Writer,
    stopping: CancellationToken,
) {
    let mut heartbeats = interval(HEARTBEAT);
    heartbeats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let noticed = identity.noticed();
    loop {
        tokio::select! {
            () = stopping.cancelled() => return,
            () = noticed.cancelled() => break,
            _ = heartbeats.tick() => {}
        }
        let (looking, conn) = (Arc::clone(&identity), Arc::clone(&conn));
        let looked = spawn_blocking(move || look(&looking, &mut conn.lock())).await;
        if let Err(died) = looked {
            tracing::error!(%died, "the look after the identity of the database broke off");
        }
        if identity.file_has_changed() {
            // A group with nothing in it looks at the file, in turn with the others, and keeps what it finds.
            let _ = writer.enqueue(1, |_| Ok(())).await;
        }
    }
    stopping.cancelled().await;
}

fn look(identity: &Identity, conn: &mut SqliteConnection) {
    let commits = identity.commits();
    if identity.confirm_files().is_err() {
        return;
    }
    match history::current(conn) {
        // What it finds, it keeps.
        Ok(row) => drop(identity.confirm_committed(row, commits)),
        // A database that cannot be read is for those to tell who want to read it.
        Err(error) => tracing::debug!(%error, "the history of the database cannot be read"),
    }
}
