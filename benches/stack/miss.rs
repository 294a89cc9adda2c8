//! A product from the database without a cache, against the same query in the two usual ways: diesel-async on a pool,
//! and diesel on a blocking thread. Shows the gain of one query for concurrent reads.

pub(crate) mod asynchronous;
pub(crate) mod blocking;

use std::path::Path;
use std::time::Instant;

use axum::Json;
use axum::response::{IntoResponse, Response};
use hotshelf_domain::Product;
use serde::Serialize;

use crate::bare::BareProcess;
use crate::catalogue::Catalogue;
use crate::failure::Failure;
use crate::load::Workload;
use crate::report::{Aim, Comparison};
use crate::rounds::{self, Contender, Plan, Reads};
use crate::rows::{ProductRow, failed};
use crate::service::{self, BINARY, Running};

const PRODUCTS: usize = 100_000;
/// As many as the service has. More of them make neither counterpart faster on few cores.
const CONNECTIONS: usize = 4;

pub(crate) async fn run(plan: &Plan) -> Result<Comparison, Failure> {
    let running = start(Path::new(BINARY)).await?;
    let database = running.catalogue.database();
    let pooled = BareProcess::start("miss-async", &database)?;
    let blocking = BareProcess::start("miss-blocking", &database)?;
    let contenders = [
        Contender::service("hotshelf, no cache", &running),
        Contender::bare("axum, diesel-async, pool of 4", &pooled, &running.workload),
        Contender::bare("axum, diesel in spawn_blocking, pool of 4", &blocking, &running.workload),
    ];
    Ok(Comparison::new("miss", Aim::AtLeast(2.3), rounds::in_turns(plan, &contenders).await?))
}

pub(crate) async fn start(build: &Path) -> Result<Running, Failure> {
    let catalogue = Catalogue::with(build, PRODUCTS)?;
    let service = service::on(build, &catalogue).backend("none").start().await;
    let (observer, workload) = (service.client().clone(), Workload::reads(PRODUCTS));
    Ok(Running { service, observer, workload, reads: Some(Reads::Misses), redis: None, catalogue })
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

pub(crate) fn answer(found: Result<ProductRow, Failure>, begin: Instant) -> Response {
    found.and_then(|row| view(row, begin)).map_or_else(|failure| failed(&failure), IntoResponse::into_response)
}
