//! The counterpart with diesel-async: a pool, and a wrapper that takes each statement to a blocking thread.

use std::time::Instant;

use axum::extract::{Path, State};
use axum::response::Response;
use axum::{Router, routing};
use diesel::sqlite::SqliteConnection;
use diesel_async::RunQueryDsl;
use diesel_async::pooled_connection::deadpool;
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod};
use diesel_async::sync_connection_wrapper::SyncConnectionWrapper;

use super::{CONNECTIONS, answer};
use crate::failure::Failure;
use crate::rows::{connect, live_product};

type Pool = deadpool::Pool<SyncConnectionWrapper<SqliteConnection>>;

pub(crate) async fn bare(database: &str) -> Result<Router, Failure> {
    let mut config = ManagerConfig::default();
    config.recycling_method = RecyclingMethod::Fast;
    config.custom_setup = Box::new(|database| {
        let conn = connect(database).map(SyncConnectionWrapper::new);
        Box::pin(async { conn })
    });
    let manager = AsyncDieselConnectionManager::new_with_config(database, config);
    let pool = Pool::builder(manager).max_size(CONNECTIONS).build()?;
    Ok(Router::new().route("/api/v1/products/{id}", routing::get(get)).with_state(pool))
}

async fn get(State(pool): State<Pool>, Path(id): Path<i64>) -> Response {
    let begin = Instant::now();
    let found = async {
        let mut conn = pool.get().await?;
        Ok(live_product(id).first(&mut conn).await?)
    };
    answer(found.await, begin)
}
