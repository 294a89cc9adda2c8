//! A product from the memory tier, against an axum handler that returns the same bytes: the cost of routing, the
//! lookup, the headers and the insertion of `from_cache`.

use std::fs;
use std::path::Path;

use axum::http::header;
use axum::{Router, routing};
use bytes::Bytes;

use crate::bare::BareProcess;
use crate::catalogue::Catalogue;
use crate::failure::Failure;
use crate::load::Workload;
use crate::report::{Aim, Comparison};
use crate::rounds::{self, Contender, Plan, Reads};
use crate::service::{self, BINARY, Running, cached_bodies};

/// All of them fit into the cache.
pub(crate) const HOT_PRODUCTS: usize = 300;

pub(crate) async fn run(plan: &Plan) -> Result<Comparison, Failure> {
    let running = start(Path::new(BINARY)).await?;
    let body = running.catalogue.file("body.json");
    let bodies = cached_bodies(&running.service, HOT_PRODUCTS).await?;
    fs::write(&body, bodies.last().ok_or("no products")?)?;
    let bare = BareProcess::start("hit", &body)?;
    let contenders = [
        Contender::service("hotshelf, memory tier", &running),
        Contender::bare("axum, ready bytes", &bare, &running.workload),
    ];
    Ok(Comparison::new("hit", Aim::AtLeast(0.95), rounds::in_turns(plan, &contenders).await?))
}

pub(crate) async fn start(build: &Path) -> Result<Running, Failure> {
    let catalogue = Catalogue::with(build, HOT_PRODUCTS)?;
    let service = service::on(build, &catalogue).backend("memory").start().await;
    cached_bodies(&service, HOT_PRODUCTS).await?;
    let workload = Workload::reads(HOT_PRODUCTS);
    Ok(Running {
        observer: service.client().clone(),
        service,
        workload,
        reads: Some(Reads::Hits),
        redis: None,
        catalogue,
    })
}

/// The counterpart: the same bytes for every id, with no lookup at all.
pub(crate) async fn bare(body: &Path) -> Result<Router, Failure> {
    let body = Bytes::from(fs::read(body)?);
    let answer = move || {
        let body = body.clone();
        async move { ([(header::CONTENT_TYPE, "application/json")], body) }
    };
    Ok(Router::new().route("/api/v1/products/{id}", routing::get(answer)))
}
