//! A product from the memory tier, against an axum handler that returns the same bytes: what the router's work, the
//! lookup, the headers and the splicing cost.

use std::fs;
use std::path::Path;

use axum::http::header;
use axum::{Router, routing};
use bytes::Bytes;
use hotshelf_testkit::Client;

use crate::bare::BareProcess;
use crate::catalogue::Catalogue;
use crate::failure::Failure;
use crate::load::Workload;
use crate::report::Comparison;
use crate::rounds::{self, Plan};
use crate::service::{self, Lookups};

/// All of them fit into the cache.
pub(crate) const HOT_PRODUCTS: usize = 300;

pub(crate) async fn run(plan: &Plan) -> Result<Comparison, Failure> {
    let catalogue = Catalogue::with(HOT_PRODUCTS)?;
    let service = service::on(&catalogue).backend("memory").start().await;
    let bodies = cached_bodies(&service).await;
    let body = catalogue.file("body.json");
    fs::write(&body, bodies.last().ok_or("no products")?)?;
    let bare = BareProcess::start("hit", &body)?;

    let before = Lookups::of(&service).await?;
    let servers = [("hotshelf, memory tier", service.address()), ("axum, ready bytes", bare.address)];
    let measured = rounds::in_turns(plan, &Workload::reads(HOT_PRODUCTS), &servers).await?;
    before.expect_more(&service, measured[0].answered, 0).await?;
    Ok(Comparison::new("hit", 0.93, measured))
}

/// The bodies of all hot products as the service answers them from its cache, in the order of their ids.
pub(crate) async fn cached_bodies(client: &Client) -> Vec<String> {
    let mut bodies = Vec::new();
    for id in 1..=HOT_PRODUCTS {
        let path = format!("/api/v1/products/{id}");
        client.get(&path).await.expect(200);
        bodies.push(client.get(&path).await.expect(200).text().to_owned());
    }
    bodies
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
