//! The plain cache-aside. A read looks up in the map, loads and sets; a write commits and deletes the product and all
//! pages, because it is unknown which pages show the product.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::{Path as Parameter, Query, State};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router, routing};
use bytes::Bytes;
use chrono::Utc;
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use hotshelf_domain::Product;
use moka::sync::Cache;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

use crate::failure::Failure;
use crate::rows::{ProductRow, connect, failed, live_product, products};

const LIFE: Duration = Duration::from_secs(300);
const READERS: usize = 4;

struct Aside {
    products: Cache<i64, Bytes>,
    pages: Cache<(i64, i64), Bytes>,
    readers: Vec<Mutex<SqliteConnection>>,
    next_reader: AtomicU64,
    writer: Mutex<SqliteConnection>,
    lookups: [[AtomicU64; 2]; 2],
}

#[derive(Deserialize)]
struct Page {
    offset: i64,
    limit: i64,
}

#[derive(Deserialize)]
struct Change {
    stock: i64,
}

#[derive(Serialize)]
struct Written {
    product: Product,
    message: &'static str,
}

pub(crate) async fn bare(database: &Path) -> Result<Router, Failure> {
    let database = database.to_str().ok_or("the path is no UTF-8")?;
    let readers = (0..READERS).map(|_| Ok(Mutex::new(connect(database)?))).collect::<Result<_, Failure>>()?;
    let aside = Arc::new(Aside {
        products: Cache::builder().time_to_live(LIFE).build(),
        pages: Cache::builder().time_to_live(LIFE).build(),
        readers,
        next_reader: AtomicU64::new(0),
        writer: Mutex::new(connect(database)?),
        lookups: Default::default(),
    });
    Ok(Router::new()
        .route("/api/v1/products", routing::get(list))
        .route("/api/v1/products/{id}", routing::get(get).put(update))
        .route("/api/v1/cache/stats", routing::get(stats))
        .with_state(aside))
}

async fn get(State(aside): State<Arc<Aside>>, Parameter(id): Parameter<i64>) -> Response {
    if let Some(body) = aside.counted(0, aside.products.get(&id)) {
        return json_of(body);
    }
    let loaded = aside.read(move |conn| {
        let product = live_product(id).first::<ProductRow>(conn)?.into_product()?;
        Ok(Bytes::from(serde_json::to_vec(&json!({"product": product, "from_cache": false}))?))
    });
    keep(loaded.await, |body| aside.products.insert(id, body))
}

async fn list(State(aside): State<Arc<Aside>>, Query(Page { offset, limit }): Query<Page>) -> Response {
    if let Some(body) = aside.counted(1, aside.pages.get(&(offset, limit))) {
        return json_of(body);
    }
    let loaded = aside.read(move |conn| {
        let live = products::table.filter(products::deleted_at.is_null());
        let total: i64 = live.count().get_result(conn)?;
        let page = live.select(ProductRow::as_select()).order(products::id).offset(offset).limit(limit);
        let rows = page.load::<ProductRow>(conn)?.into_iter().map(ProductRow::into_product);
        let rows = rows.collect::<Result<Vec<Product>, Failure>>()?;
        let body = json!({"products": rows, "total": total, "offset": offset, "limit": limit, "next_cursor": null});
        Ok(Bytes::from(serde_json::to_vec(&body)?))
    });
    keep(loaded.await, |body| aside.pages.insert((offset, limit), body))
}

async fn update(
    State(aside): State<Arc<Aside>>,
    Parameter(id): Parameter<i64>,
    Json(Change { stock }): Json<Change>,
) -> Response {
    let mut conn = aside.writer.lock().await;
    let changes = (
        products::stock.eq(stock),
        products::version.eq(products::version + 1),
        products::updated_at.eq(Utc::now().timestamp_millis()),
    );
    let row = tokio::task::block_in_place(|| {
        diesel::update(products::table.find(id))
            .set(changes)
            .returning(ProductRow::as_returning())
            .get_result(&mut *conn)
    });
    drop(conn);
    aside.products.invalidate(&id);
    aside.pages.invalidate_all();
    let product = row.map_err(Failure::from).and_then(ProductRow::into_product);
    let message = "Product updated successfully";
    product.map_or_else(|failure| failed(&failure), |product| Json(Written { product, message }).into_response())
}

async fn stats(State(aside): State<Arc<Aside>>) -> Json<Value> {
    let count = |cache: usize| {
        let [hits, misses] = &aside.lookups[cache];
        json!({"hits": hits.load(Ordering::Relaxed), "misses": misses.load(Ordering::Relaxed)})
    };
    Json(json!({"cache_stats": {"caches": {"product": count(0), "list": count(1)}}}))
}

impl Aside {
    fn counted(&self, cache: usize, found: Option<Bytes>) -> Option<Bytes> {
        self.lookups[cache][usize::from(found.is_none())].fetch_add(1, Ordering::Relaxed);
        found
    }

    /// On a blocking thread, with one of the connections.
    async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        query: impl FnOnce(&mut SqliteConnection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let aside = Arc::clone(self);
        let turn = self.next_reader.fetch_add(1, Ordering::Relaxed) as usize % READERS;
        spawn_blocking(move || query(&mut aside.readers[turn].blocking_lock())).await?
    }
}

fn keep(loaded: Result<Bytes, Failure>, insert: impl FnOnce(Bytes)) -> Response {
    match loaded {
        Ok(body) => {
            insert(body.clone());
            json_of(body)
        }
        Err(failure) => failed(&failure),
    }
}

fn json_of(body: Bytes) -> Response {
    ([(axum::http::header::CONTENT_TYPE, "application/json")], body).into_response()
}
