//! The readers: a pool of connections beside the writer. Each read is one closure on a blocking thread, so that it
//! costs one hop however many statements it runs, and a reader that goes away cannot leave a transaction open.

use std::sync::Arc;
use std::time::Duration;

use diesel::sqlite::SqliteConnection;
use diesel_async::pooled_connection::deadpool::{Pool, PoolError};
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod};
use diesel_async::sync_connection_wrapper::SyncConnectionWrapper;
use futures_util::FutureExt;
use hotshelf_stats::Stats;
use tokio::time::timeout;

use super::condition::Condition;
use super::connect::connect;
use crate::error::StoreError;

type Connection = SyncConnectionWrapper<SqliteConnection>;

/// How long a read may take, waiting for a connection included.
const PATIENCE: Duration = Duration::from_secs(5);

/// A cheap handle on the pool.
#[derive(Clone)]
pub(super) struct Readers {
    pool: Pool<Connection>,
    condition: Option<Arc<Condition>>,
}

impl Readers {
    pub(super) fn new(url: &str, connections: usize) -> Result<Self, String> {
        let mut config = ManagerConfig::default();
        config.recycling_method = RecyclingMethod::Fast;
        config.custom_setup = Box::new(|url| {
            let url = url.to_owned();
            async move {
                let connected = tokio::task::spawn_blocking(move || connect(&url)).await;
                let died = |error| diesel::ConnectionError::BadConnection(format!("{error}"));
                Ok(SyncConnectionWrapper::new(connected.map_err(died)??))
            }
            .boxed()
        });
        let manager = AsyncDieselConnectionManager::new_with_config(url, config);
        let pool = Pool::builder(manager).max_size(connections).build().map_err(|error| error.to_string())?;
        Ok(Readers { pool, condition: None })
    }

    /// The same, who tell it how reads end.
    pub(super) fn noting_in(self, condition: &Arc<Condition>) -> Self {
        Readers { condition: Some(Arc::clone(condition)), ..self }
    }

    pub(super) async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&mut SqliteConnection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let outcome = self.run(query).await;
        if let Some(condition) = &self.condition {
            condition.note_read(&outcome);
        }
        outcome
    }

    async fn run<T: Send + 'static>(
        &self,
        query: impl FnOnce(&mut SqliteConnection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let pool = self.pool.clone();
        // In a task of its own: a query under way cannot be interrupted, and dropping it would wait for its end, on the
        // thread of whoever drops it. Left alone, it gives the connection back when it is done.
        let reading = tokio::spawn(async move {
            let mut conn = pool.get().await.map_err(|error| match error {
                PoolError::Backend(error) => unavailable(error.to_string()),
                other => unavailable(other.to_string()),
            })?;
            conn.spawn_blocking(move |conn| Ok(query(conn))).await?
        });
        match timeout(PATIENCE, reading).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(died)) => Err(unavailable(format!("a read died: {died}"))),
            Err(_) => Err(StoreError::Overloaded("the read took too long")),
        }
    }

    /// Shows in the metrics how many connections are open, and how many of them are at work.
    pub(super) fn show_in(&self, stats: &Stats) {
        let (help, open, busy) = ("Connections of the readers", self.pool.clone(), self.pool.clone());
        stats.watch_gauge("db_connections", help, &[("state", "idle")], move || open.status().available as u64);
        stats.watch_gauge("db_connections", help, &[("state", "in_use")], move || {
            let now = busy.status();
            now.size.saturating_sub(now.available) as u64
        });
    }

    /// Whether the next read has to wait for a connection.
    pub(super) fn are_all_busy(&self) -> bool {
        let now = self.pool.status();
        now.waiting > 0 || (now.size == now.max_size && now.available == 0)
    }

    /// Closes the connections that are not in use; the others follow when they are given back.
    pub(super) fn close(&self) {
        self.pool.close();
    }
}

fn unavailable(cause: String) -> StoreError {
    diesel::result::Error::QueryBuilderError(cause.into()).into()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn it_is_known_when_the_next_read_has_to_wait() {
        let directory = tempfile::tempdir().unwrap();
        let readers = Readers::new(directory.path().join("products.db").to_str().unwrap(), 2).unwrap();
        let (mut ends, mut reading) = (Vec::new(), Vec::new());
        for _ in 0..2 {
            assert!(!readers.are_all_busy());
            let ((begun, begins), (end, ended)) = (mpsc::channel(), mpsc::channel::<()>());
            let readers = readers.clone();
            reading.push(tokio::spawn(async move {
                let wait = move |_: &mut SqliteConnection| {
                    begun.send(()).unwrap();
                    ended.recv().unwrap();
                    Ok(())
                };
                readers.read(wait).await
            }));
            tokio::task::spawn_blocking(move || begins.recv()).await.unwrap().unwrap();
            ends.push(end);
        }
        assert!(readers.are_all_busy());
        ends.iter().for_each(|end| end.send(()).unwrap());
        for read in reading {
            read.await.unwrap().unwrap();
        }
        assert!(!readers.are_all_busy());
    }
}
