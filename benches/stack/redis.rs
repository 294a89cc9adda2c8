//! A product from Redis, against an axum handler that returns what one `GET` finds, on the same server.

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Router, routing};
use bytes::Bytes;
use fred::clients::Client;
use fred::interfaces::{ClientLike, KeysInterface};
use fred::types::config::{Config, TcpConfig};
use fred::types::{Builder, RespVersion};
use hotshelf_testkit::RedisServer;

use crate::bare::BareProcess;
use crate::catalogue::Catalogue;
use crate::failure::Failure;
use crate::hit::{HOT_PRODUCTS, cached_bodies};
use crate::load::Workload;
use crate::report::Comparison;
use crate::rounds::{self, Plan};
use crate::service::{self, Lookups};

pub(crate) async fn run(plan: &Plan) -> Result<Comparison, Failure> {
    let catalogue = Catalogue::with(HOT_PRODUCTS)?;
    let redis = RedisServer::start();
    let service = service::on(&catalogue).backend("redis").redis(&redis).start().await;
    for (body, id) in cached_bodies(&service).await.iter().zip(1..) {
        redis.command(&["SET", &bare_key(id), body]);
    }
    let bare = BareProcess::start("redis", redis.url())?;

    let before = Lookups::of(&service).await?;
    let servers = [("hotshelf, Redis tier", service.address()), ("axum, one fred GET", bare.address)];
    let measured = rounds::in_turns(plan, &Workload::reads(HOT_PRODUCTS), &servers).await?;
    before.expect_more(&service, measured[0].answered, 0).await?;
    Ok(Comparison::new("redis", 0.9, measured))
}

fn bare_key(id: i64) -> String {
    format!("bare:{id}")
}

/// The counterpart: one client, one `GET`, the bytes as they are.
pub(crate) async fn bare(url: &str) -> Result<Router, Failure> {
    let mut config = Config::from_url(url)?;
    config.version = RespVersion::RESP3;
    let mut builder = Builder::from_config(config);
    builder.with_connection_config(|connection| {
        connection.tcp = TcpConfig { nodelay: Some(true), ..TcpConfig::default() };
    });
    let client = builder.build()?;
    client.init().await?;
    Ok(Router::new().route("/api/v1/products/{id}", routing::get(get)).with_state(client))
}

async fn get(State(client): State<Client>, Path(id): Path<i64>) -> Response {
    match client.get::<Option<Bytes>, _>(bare_key(id)).await {
        Ok(Some(body)) => ([(header::CONTENT_TYPE, "application/json")], body).into_response(),
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
