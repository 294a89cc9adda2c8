//! Reads by id, gathered. A query by primary key costs SQLite next to nothing; the hop to a blocking thread and back is
//! what it costs. So ids that are asked for while queries are under way are fetched together by the next one, and the
//! hop is shared (the data loader pattern).

use std::sync::Arc;

use hotshelf_lifecycle::Tasks;
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::operation::Operation;
use super::readers::Readers;
use super::rows::find_many;
use crate::error::StoreError;
use crate::ids::ProductId;
use crate::product::Product;

/// Reads that may wait; more are refused at once.
const QUEUE: usize = 4_096;
/// Ids in one query at most.
const BATCH: usize = 128;

type Found = Result<Option<Product>, StoreError>;

struct Ask {
    id: i64,
    reply: oneshot::Sender<Found>,
}

/// A cheap handle on the task that gathers.
#[derive(Clone)]
pub(super) struct PointReads {
    queue: mpsc::Sender<Ask>,
    operation: Operation,
}

impl PointReads {
    /// At most `concurrency` queries run at a time: while all are busy, the next batch grows.
    pub(super) fn spawn(readers: Readers, concurrency: usize, tasks: &Tasks, operation: Operation) -> Self {
        let (queue, mut asks) = mpsc::channel(QUEUE);
        let stopping = tasks.stopping();
        let (slots, queries) = (Arc::new(Semaphore::new(concurrency)), tasks.clone());
        let durations = operation.durations.clone();
        tasks.spawn_loop("point reads", async move {
            loop {
                let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { break };
                let mut batch = Vec::new();
                tokio::select! {
                    received = asks.recv_many(&mut batch, BATCH) => if received == 0 { break },
                    () = stopping.cancelled() => break,
                }
                let (readers, durations) = (readers.clone(), durations.clone());
                queries.spawn(async move {
                    let timer = durations.start_timer();
                    answer(&readers, batch).await;
                    timer.observe_duration();
                    drop(slot);
                });
            }
        });
        PointReads { queue, operation }
    }

    /// The product as it is at some moment after this call began.
    pub(super) async fn find(&self, id: ProductId) -> Found {
        self.operation.shared(self.ask(id)).await
    }

    async fn ask(&self, id: ProductId) -> Found {
        let (reply, found) = oneshot::channel();
        self.queue.try_send(Ask { id: id.get(), reply }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => StoreError::Overloaded("too many reads are waiting"),
            mpsc::error::TrySendError::Closed(_) => StoreError::Closed,
        })?;
        found.await.unwrap_or(Err(StoreError::Closed))
    }
}

async fn answer(readers: &Readers, batch: Vec<Ask>) {
    let mut ids: Vec<i64> = batch.iter().map(|ask| ask.id).collect();
    ids.sort_unstable();
    ids.dedup();
    let found = readers.read(move |conn| find_many(conn, &ids)).await;
    for ask in batch {
        let answer = found.as_ref().map(|products| products.get(&ask.id).cloned()).map_err(StoreError::clone);
        // Whoever asked may be gone.
        drop(ask.reply.send(answer));
    }
}
