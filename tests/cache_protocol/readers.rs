//! Clients that send requests continuously, or all at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hotshelf_testkit::{Client, Reply};
use tokio::task::JoinSet;

/// Sends this many requests for one path at once, distributed over the instances. Returns the answers; requests without
/// one are left out.
pub(crate) fn storm(instances: &[&Client], path: &str, requests: usize) -> JoinSet<Option<Reply>> {
    let mut storm = JoinSet::new();
    for client in instances.iter().cycle().take(requests) {
        let request = client.get(path);
        storm.spawn(async move { request.try_send().await.ok() });
    }
    storm
}

/// Clients that repeat something until they are told to stop.
pub(crate) struct Busy {
    going: Arc<AtomicBool>,
    clients: JoinSet<usize>,
}

impl Busy {
    pub(crate) fn new() -> Self {
        Busy { going: Arc::new(true.into()), clients: JoinSet::new() }
    }

    /// Adds a client. A panic in `step` is raised when they stop.
    pub(crate) fn client<F>(&mut self, step: impl Fn(usize) -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send,
    {
        let going = Arc::clone(&self.going);
        self.clients.spawn(async move {
            let mut steps = 0;
            while going.load(Ordering::Relaxed) {
                step(steps).await;
                steps += 1;
            }
            steps
        });
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.clients.try_join_next().is_some()
    }

    /// The number of their steps.
    pub(crate) async fn stop(mut self) -> usize {
        self.going.store(false, Ordering::Relaxed);
        let mut steps = 0;
        while let Some(client) = self.clients.join_next().await {
            steps += client.unwrap();
        }
        steps
    }
}
