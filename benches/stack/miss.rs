//! A product from the database with no cache before it, against the same query made the two usual ways: diesel-async
//! on a pool, and diesel on a blocking thread. What gathering concurrent reads into one query gains.

pub(crate) mod asynchronous;
pub(crate) mod blocking;

use std::time::Instant;

use axum::Json;
use axum::response::{IntoResponse, Response};
use hotshelf_domain::Product;
use serde::Serialize;

use crate::bare::BareProcess;
use crate::catalogue::Catalogue;
use crate::failure::Failure;
use crate::load::Workload;
use crate::report::Comparison;
use crate::rounds::{self, Plan};
use crate::rows::{ProductRow, failed};
use crate::service::{self, Lookups};

const PRODUCTS: usize = 100_000;
/// As many as the service has. More of them make neither counterpart faster on few cores.
const CONNECTIONS: usize = 4;

pub(crate) async fn run(plan: &Plan) -> Result<Comparison, Failure> {
    let catalogue = Catalogue::with(PRODUCTS)?;
    let service = service::on(&catalogue).backend("none").start().await;
    let pooled = BareProcess::start("miss-async", catalogue.database())?;
    let blocking = BareProcess::start("miss-blocking", catalogue.database())?;

    let before = Lookups::of(&service).await?;
    let servers = [
        ("hotshelf, no cache", service.address()),
        ("axum, diesel-async, pool of 4", pooled.address),
        ("axum, diesel in spawn_blocking, pool of 4", blocking.address),
    ];
    let measured = rounds::in_turns(plan, &Workload::reads(PRODUCTS), &servers).await?;
    before.expect_more(&service, 0, measured[0].answered).await?;
    Ok(Comparison::new("miss", 1.2, measured))
}

#[derive(Serialize)]
struct View {
    product: Product,
    from_cache: bool,
    duration_ms: f64,
}

fn view(row: ProductRow, begin: Instant) -> Result<Json<View>, Failure> {
    let product = row.into_product()?;
    let micros = begin.elapsed().as_micros();
    Ok(Json(View { product, from_cache: false, duration_ms: micros as f64 / 1_000.0 }))
}

fn answer(found: Result<ProductRow, Failure>, begin: Instant) -> Response {
    found.and_then(|row| view(row, begin)).map_or_else(|failure| failed(&failure), IntoResponse::into_response)
}
