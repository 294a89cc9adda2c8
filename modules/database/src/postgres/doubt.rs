//! What became of a commit whose answer did not come.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use hotshelf_domain::StoreError;
use tokio::runtime::Handle;

use super::identity::Identity;
use super::link::{Purpose, Server};
use super::open_connection;
use super::writer::{acknowledge, begin};

/// For how long it is asked: fences stand meanwhile, and this process writes nothing else.
const PATIENCE: Duration = Duration::from_secs(8);
const PAUSE: Duration = Duration::from_millis(200);

/// Whether the group with this token was committed.
///
/// # Errors
/// Why it is not known.
pub(super) fn resolve(
    token: i64,
    server: &Arc<Server>,
    identity: &Identity,
    runtime: &Handle,
) -> Result<bool, StoreError> {
    let end = Instant::now() + PATIENCE;
    // Where one of these is found, the group was committed.
    let mut proofs = vec![token];
    loop {
        match ask(&mut proofs, server, identity, runtime) {
            Err(error) if Instant::now() < end => {
                tracing::debug!(%error, "what became of a commit cannot be found out yet");
                thread::sleep(PAUSE);
            }
            known => return known,
        }
    }
}

/// In a group with nothing in it. It begins when the one in doubt has ended, and finds the token of that one or of an
/// earlier one. Its commit, which is later in the log, is on a synchronous replica only if that one is; and it may be in
/// doubt itself, and be found by the next.
fn ask(proofs: &mut Vec<i64>, server: &Arc<Server>, identity: &Identity, runtime: &Handle) -> Result<bool, StoreError> {
    let mut conn = open_connection(server, identity, Purpose::Writing, runtime)?;
    let begun = begin(&mut conn, identity)?;
    let committed = proofs.contains(&begun.previous);
    if committed {
        proofs.push(begun.token);
    }
    conn.commit(PATIENCE).map_err(StoreError::failed)?;
    acknowledge(identity, &begun);
    Ok(committed)
}
