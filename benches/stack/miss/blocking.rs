//! The counterpart with diesel itself: a pool, and one hop to a blocking thread for the whole query.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use axum::extract::{Path, State};
use axum::response::Response;
use axum::{Router, routing};
use diesel::RunQueryDsl;
use diesel::sqlite::SqliteConnection;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::{CONNECTIONS, answer};
use crate::failure::Failure;
use crate::rows::{ProductRow, connect, live_product};

struct Pool {
    idle: Mutex<Vec<SqliteConnection>>,
    /// As many as there are idle connections.
    permits: Arc<Semaphore>,
}

pub(crate) async fn bare(database: &str) -> Result<Router, Failure> {
    let idle = (0..CONNECTIONS).map(|_| connect(database)).collect::<Result<_, _>>()?;
    let pool = Arc::new(Pool { idle: Mutex::new(idle), permits: Arc::new(Semaphore::new(CONNECTIONS)) });
    Ok(Router::new().route("/api/v1/products/{id}", routing::get(get)).with_state(pool))
}

async fn get(State(pool): State<Arc<Pool>>, Path(id): Path<i64>) -> Response {
    let begin = Instant::now();
    let found = pool.find(id).await;
    answer(found, begin)
}

impl Pool {
    async fn find(self: &Arc<Self>, id: i64) -> Result<ProductRow, Failure> {
        let permit = Arc::clone(&self.permits).acquire_owned().await?;
        let pool = Arc::clone(self);
        let hop = spawn_blocking(move || {
            let mut conn = pool.idle().pop().ok_or("no connection is idle")?;
            let row = live_product(id).first(&mut conn);
            pool.idle().push(conn);
            drop(permit);
            Ok(row?)
        });
        hop.await?
    }

    fn idle(&self) -> MutexGuard<'_, Vec<SqliteConnection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
