//! A process as the rest of the world sees it: its name, its connections, and whether it is still alive.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::random;

pub(super) struct Host {
    pub(super) number: usize,
    /// Cancelled when the process dies.
    pub(super) death: CancellationToken,
    /// The newest epoch that the database has told it.
    told: AtomicU64,
    advances: AtomicU64,
    /// The process does not run before.
    pub(super) frozen_until: Mutex<Instant>,
    pub(super) network: Mutex<Network>,
}

/// The way between the process and Redis.
pub(super) struct Network {
    /// Nothing arrives before.
    pub(super) stalled_until: Instant,
    /// No push arrives before.
    pub(super) disconnected_until: Instant,
    /// Each push needs so much longer.
    pub(super) push_lag: Duration,
    /// No connection is made before.
    pub(super) refused_until: Instant,
    pub(super) connections: Vec<Arc<Connection>>,
}

pub(super) struct Connection {
    pub(super) is_subscribed: bool,
    /// Cancelled when the process notices that it is cut.
    pub(super) cut: CancellationToken,
    /// What is still on its way to the server is lost.
    pub(super) reset: AtomicBool,
}

impl Host {
    pub(super) fn new(number: usize) -> Arc<Self> {
        let now = Instant::now();
        let network = Network {
            stalled_until: now,
            disconnected_until: now,
            push_lag: Duration::ZERO,
            refused_until: now,
            connections: Vec::new(),
        };
        Arc::new(Host {
            number,
            death: CancellationToken::new(),
            told: AtomicU64::new(0),
            advances: AtomicU64::new(0),
            frozen_until: Mutex::new(now),
            network: Mutex::new(network),
        })
    }

    pub(super) fn name(&self) -> String {
        format!("p{}", self.number)
    }

    /// Returns when the process runs. Never, when it is dead: its next step in the world does not take place, and what
    /// it would have gone on with in its own memory, nobody sees.
    pub(super) async fn alive(&self) {
        loop {
            let frozen_until = *self.frozen_until.lock();
            if frozen_until <= Instant::now() {
                break;
            }
            random::until(frozen_until).await;
        }
        if self.death.is_cancelled() {
            std::future::pending::<()>().await;
        }
    }

    /// Dies. Of what it has sent, some may still arrive.
    pub(super) fn die(&self) {
        self.death.cancel();
        for connection in self.network.lock().connections.drain(..) {
            connection.reset.store(random::one_in(2), Ordering::Relaxed);
        }
    }

    pub(super) fn told(&self) -> u64 {
        self.told.load(Ordering::Relaxed)
    }

    pub(super) fn hear_of(&self, epoch: u64) {
        self.told.fetch_max(epoch, Ordering::Relaxed);
    }

    pub(super) fn advances(&self) -> u64 {
        self.advances.load(Ordering::Relaxed)
    }

    pub(super) fn count_advance(&self) {
        self.advances.fetch_add(1, Ordering::Relaxed);
    }

    /// Cuts the connections for commands, or those for pushes.
    pub(super) fn cut(&self, hearing: bool) {
        self.network.lock().connections.retain(|connection| {
            if connection.is_subscribed == hearing {
                connection.reset.store(random::one_in(2), Ordering::Relaxed);
                connection.cut.cancel();
            }
            connection.is_subscribed != hearing
        });
    }

    /// Returns at `moment`, or later when the network is stalled then.
    pub(super) async fn passes(&self, moment: Instant, push: bool) {
        let mut moment = moment;
        loop {
            random::until(moment).await;
            let network = self.network.lock();
            moment = network.stalled_until;
            if push {
                moment = moment.max(network.disconnected_until);
            }
            if moment <= Instant::now() {
                return;
            }
        }
    }
}
