//! Reads by id, gathered. A query by primary key costs SQLite next to nothing; the hop to a blocking thread and back
//! is what it costs. So ids that are asked for while queries are under way are fetched together by the next one, and
//! the hop is shared (the data loader pattern). They run on connections for lists: of `IN (…)` with many values diesel
//! keeps no prepared statement, and to parse it anew is a tenth of such a read.

use std::sync::Arc;

use hotshelf_domain::{Product, ProductId, StoreError};
use hotshelf_lifecycle::Tasks;
use hotshelf_stats::{Histogram, IntCounter};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::timeout_at;

use super::operation::Operation;
use super::readers::{Pool, deadline};
use crate::backend::ListReader;
use crate::metrics::DatabaseMetrics;
use crate::rows::find_listed;

/// Reads that may wait; more are refused at once.
const QUEUE: usize = 4_096;
/// Ids in one query at most.
const BATCH: usize = 128;
/// The name of the queue in the metrics.
const LANE: &str = "find";

type Found = Result<Option<Product>, StoreError>;

struct Ask {
    id: ProductId,
    reply: oneshot::Sender<Found>,
}

/// A cheap handle on the tasks that gather.
#[derive(Clone)]
pub(crate) struct PointReads {
    queue: mpsc::Sender<Ask>,
    operation: Operation,
    full: IntCounter,
    waited: IntCounter,
}

impl PointReads {
    /// At most `concurrency` queries run at a time: while all are busy, the next batch grows.
    pub(crate) fn spawn(
        pool: &Arc<Pool<dyn ListReader>>,
        concurrency: usize,
        tasks: &Tasks,
        operation: Operation,
        metrics: &DatabaseMetrics,
    ) -> Self {
        let (queue, asks) = mpsc::channel(QUEUE);
        let waiting = queue.clone();
        let length = move || (waiting.max_capacity() - waiting.capacity()) as u64;
        metrics.watch_waiting(LANE, length);
        let asks = Arc::new(Mutex::new(asks));
        for _ in 0..concurrency {
            let (asks, pool, stopping) = (Arc::clone(&asks), Arc::clone(pool), tasks.stopping());
            let durations = operation.durations.clone();
            tasks.spawn_loop("point reads", async move {
                while let Some(batch) = stopping.run_until_cancelled(next_batch(&asks)).await.flatten() {
                    answer(&pool, &durations, batch).await;
                }
            });
        }
        let (full, waited) = (metrics.reads_refused(LANE, "full"), metrics.reads_refused(LANE, "waited"));
        PointReads { queue, operation, full, waited }
    }

    /// The product as it is at some moment after this call began.
    pub(crate) async fn find(&self, id: ProductId) -> Found {
        self.operation.shared(self.ask(id)).await
    }

    async fn ask(&self, id: ProductId) -> Found {
        let (reply, found) = oneshot::channel();
        self.queue.try_send(Ask { id, reply }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => {
                self.full.inc();
                StoreError::Overloaded("too many reads are waiting")
            }
            mpsc::error::TrySendError::Closed(_) => StoreError::Closed,
        })?;
        match timeout_at(deadline(), found).await {
            Ok(answered) => answered.unwrap_or(Err(StoreError::Closed)),
            Err(_) => {
                self.waited.inc();
                Err(StoreError::Overloaded("the read waited too long for its turn"))
            }
        }
    }
}

/// Waits for the first ask and takes those that are there with it. `None` when no more can come.
async fn next_batch(asks: &Mutex<mpsc::Receiver<Ask>>) -> Option<Vec<Ask>> {
    let mut batch = Vec::new();
    let received = asks.lock().await.recv_many(&mut batch, BATCH).await;
    (received > 0).then_some(batch)
}

async fn answer(pool: &Arc<Pool<dyn ListReader>>, durations: &Histogram, mut batch: Vec<Ask>) {
    // Nobody waits for these any more.
    batch.retain(|ask| !ask.reply.is_closed());
    if batch.is_empty() {
        return;
    }
    let mut ids: Vec<ProductId> = batch.iter().map(|ask| ask.id).collect();
    ids.sort_unstable();
    ids.dedup();
    let timer = durations.start_timer();
    let found = pool.read(move |conn| find_listed(conn, &ids)).await;
    // Before the answers: whoever has received one finds the read in the metrics.
    timer.observe_duration();
    for ask in batch {
        let answer = found.as_ref().map(|products| products.get(&ask.id).cloned()).map_err(StoreError::clone);
        // Whoever asked may be gone.
        drop(ask.reply.send(answer));
    }
}

#[cfg(test)]
mod tests {
    use tokio_util::sync::CancellationToken;

    use std::sync::Arc;

    use super::super::condition::Condition;
    use super::super::readers::{AnyPool, Readers};
    use super::*;
    use crate::backend::Target;
    use crate::sqlite::Sqlite;

    #[tokio::test]
    async fn what_nobody_waits_for_is_not_read() {
        let directory = tempfile::tempdir().unwrap();
        let backend = Arc::new(Sqlite::open(&directory.path().join("products.db"), false).unwrap());
        let (metrics, ending) = (DatabaseMetrics::unseen(), CancellationToken::new());
        let target = Target { backend, ending };
        let readers = Readers::new(target, &Arc::new(Condition::new()), &metrics);
        let durations = metrics.queries(LANE);
        let (reply, gone) = oneshot::channel();
        drop(gone);
        answer(&readers.point, &durations, vec![Ask { id: ProductId::from_row(1), reply }]).await;
        assert_eq!(readers.point.idle(), 0, "no connection was opened");
        assert_eq!(durations.get_sample_count(), 0);
        let (reply, found) = oneshot::channel();
        answer(&readers.point, &durations, vec![Ask { id: ProductId::from_row(1), reply }]).await;
        assert_eq!(found.await.unwrap().unwrap(), None);
        assert_eq!(durations.get_sample_count(), 1);
        assert_eq!(readers.point.idle(), 1);
    }
}
