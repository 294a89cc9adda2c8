//! A product from Redis, against an axum handler that returns the result of one `GET`, on the same server.

use std::path::Path;

use axum::extract::{self, State};
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
use crate::hit::HOT_PRODUCTS;
use crate::load::Workload;
use crate::report::{Aim, Comparison};
use crate::rounds::{self, Contender, Plan, Reads};
use crate::service::{self, BINARY, Running, cached_bodies, wait_for_redis};

pub(crate) async fn run(plan: &Plan) -> Result<Comparison, Failure> {
    let running = start(Path::new(BINARY)).await?;
    let redis = running.redis.as_ref().ok_or("no Redis")?;
    for (body, id) in cached_bodies(&running.service, HOT_PRODUCTS).await?.iter().zip(1..) {
        redis.command(&["SET", &bare_key(id), body]);
    }
    let bare = BareProcess::start("redis", redis.url())?;
    let contenders = [
        Contender::service("hotshelf, Redis tier", &running),
        Contender::bare("axum, one fred GET", &bare, &running.workload),
    ];
    Ok(Comparison::new("redis", Aim::AtLeast(0.9), rounds::in_turns(plan, &contenders).await?))
}

pub(crate) async fn start(build: &Path) -> Result<Running, Failure> {
    let catalogue = Catalogue::with(build, HOT_PRODUCTS)?;
    let redis = RedisServer::start();
    let service = service::on(build, &catalogue).backend("redis").redis(&redis).start().await;
    wait_for_redis(&service).await?;
    cached_bodies(&service, HOT_PRODUCTS).await?;
    let (observer, workload) = (service.client().clone(), Workload::reads(HOT_PRODUCTS));
    Ok(Running { service, observer, workload, reads: Some(Reads::Hits), redis: Some(redis), catalogue })
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

async fn get(State(client): State<Client>, extract::Path(id): extract::Path<i64>) -> Response {
    match client.get::<Option<Bytes>, _>(bare_key(id)).await {
        Ok(Some(body)) => ([(header::CONTENT_TYPE, "application/json")], body).into_response(),
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
