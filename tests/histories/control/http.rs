//! The plain cache-aside over HTTP, with the API of the service. Pages are not cached: the control tests products.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use axum::{Json, Router};
use fred::interfaces::ClientLike;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Aside;

type Answer = (StatusCode, Json<Value>);

#[derive(Deserialize)]
struct Create {
    name: String,
    stock: i64,
}

#[derive(Deserialize)]
struct Update {
    stock: i64,
}

#[derive(Deserialize)]
struct Window {
    #[serde(default)]
    offset: usize,
    limit: usize,
}

pub(super) fn router(aside: Arc<Aside>) -> Router {
    Router::new()
        .route("/api/v1/products", get(page).post(create))
        .route("/api/v1/products/{id}", get(read).put(update).delete(delete))
        .route("/api/v1/cache/stats", get(stats))
        .with_state(aside)
}

async fn read(State(aside): State<Arc<Aside>>, Path(id): Path<i64>, headers: HeaderMap) -> Answer {
    let product = match headers.contains_key("cache-control") {
        true => aside.truth.find(id),
        false => aside.read(id).await,
    };
    match product {
        Some(product) => (StatusCode::OK, Json(json!({"product": product}))),
        None => not_found(),
    }
}

async fn page(State(aside): State<Arc<Aside>>, Query(Window { offset, limit }): Query<Window>) -> Json<Value> {
    let (products, total) = aside.truth.page(offset, limit);
    Json(json!({"products": products, "total": total, "offset": offset, "limit": limit, "next_cursor": null}))
}

async fn create(State(aside): State<Arc<Aside>>, Json(Create { name, stock }): Json<Create>) -> Answer {
    let product = aside.truth.create(name, stock);
    aside.invalidate(product.id).await;
    (StatusCode::CREATED, Json(json!({"product": product})))
}

async fn update(State(aside): State<Arc<Aside>>, Path(id): Path<i64>, Json(update): Json<Update>) -> Answer {
    let Some(product) = aside.truth.update(id, update.stock) else { return not_found() };
    aside.invalidate(id).await;
    (StatusCode::OK, Json(json!({"product": product})))
}

async fn delete(State(aside): State<Arc<Aside>>, Path(id): Path<i64>) -> Answer {
    if !aside.truth.delete(id) {
        return not_found();
    }
    aside.invalidate(id).await;
    (StatusCode::OK, Json(json!({})))
}

async fn stats(State(aside): State<Arc<Aside>>) -> Json<Value> {
    let state = if aside.redis.is_connected() { "up" } else { "down" };
    Json(json!({"cache_stats": {"l2": {"state": state}}}))
}

fn not_found() -> Answer {
    (StatusCode::NOT_FOUND, Json(json!({})))
}
