//! The same on PostgreSQL: products from the database without a cache, against one query of diesel-async for each; and
//! durable creates, against a transaction for each, which writes the same rows.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{Path as Parameter, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Json, Router, routing};
use chrono::Utc;
use diesel::sql_types::{BigInt, Text};
use diesel_async::pooled_connection::AsyncDieselConnectionManager;
use diesel_async::pooled_connection::deadpool;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use hotshelf_domain::words;
use hotshelf_testkit::{PostgresServer, RedisServer};

use crate::bare::BareProcess;
use crate::catalogue::Catalogue;
use crate::create::{Created, NewProduct, PRODUCT};
use crate::failure::Failure;
use crate::hit::HOT_PRODUCTS;
use crate::load::Workload;
use crate::miss::answer;
use crate::report::{Aim, Comparison};
use crate::rounds::{self, Contender, Plan, Reads};
use crate::rows::{ProductRow, failed, live_product_of_server};
use crate::service::{self, BINARY, Running, cached_bodies};

const PRODUCTS: usize = 100_000;
/// More of them make the counterpart no faster on few cores.
const CONNECTIONS: usize = 16;
/// What is acknowledged is on disk.
pub(crate) const DURABLE: [&str; 4] = ["fsync=on", "full_page_writes=on", "shared_buffers=1GB", "max_wal_size=4GB"];

pub(crate) async fn misses(plan: &Plan) -> Result<Comparison, Failure> {
    let server = PostgresServer::start_with(&DURABLE);
    let url = server.url(&server.database());
    seed(&url, PRODUCTS)?;
    let running = start(&url, Workload::reads(PRODUCTS), Some(Reads::Misses), None).await?;
    let bare = BareProcess::start("postgres-miss", &url)?;
    let contenders = [
        Contender::service("hotshelf on PostgreSQL, no cache", &running),
        Contender::bare("axum, diesel-async, pool of 16", &bare, &running.workload),
    ];
    Ok(Comparison::new("postgres-miss", Aim::AtLeast(1.5), rounds::in_turns(plan, &contenders).await?))
}

/// Two instances serve about twice as much, if there are processors for both and for the load.
pub(crate) async fn hits(plan: &Plan) -> Result<Comparison, Failure> {
    let (server, redis) = (PostgresServer::start_with(&DURABLE), RedisServer::start());
    let url = server.url(&server.database());
    seed(&url, HOT_PRODUCTS)?;
    let mut instances = Vec::new();
    for _ in 0..2 {
        let catalogue = Catalogue::empty()?;
        let service = service::on(Path::new(BINARY), &catalogue).env("DATABASE_URL", &url).redis(&redis).start().await;
        let (observer, workload) = (service.client().clone(), Workload::reads(HOT_PRODUCTS));
        service::wait_for_redis(&observer).await?;
        cached_bodies(&observer, HOT_PRODUCTS).await?;
        instances.push(Running { service, observer, workload, reads: Some(Reads::Hits), redis: None, catalogue });
    }
    let one = || instances.iter().map(|running| Contender::service("one instance", running));
    let two = Contender::together("two instances on PostgreSQL, memory tier", one()).ok_or("no instances")?;
    let contenders: Vec<Contender> = [two].into_iter().chain(one().take(1)).collect();
    let enough = std::thread::available_parallelism()?.get() >= 6;
    let aim = if enough { Aim::AtLeast(1.9) } else { Aim::Any };
    Ok(Comparison::new("postgres-hits", aim, rounds::in_turns(plan, &contenders).await?))
}

pub(crate) async fn creates(plan: &Plan) -> Result<Comparison, Failure> {
    let server = PostgresServer::start_with(&DURABLE);
    let (ours, theirs) = (server.database(), server.database());
    let redis = RedisServer::start();
    let running = start(&server.url(&ours), Workload::creates(PRODUCT), None, Some(redis)).await?;
    // The tables of the service.
    seed(&server.url(&theirs), 0)?;
    let bare = BareProcess::start("postgres-create", server.url(&theirs))?;
    let contenders = [
        Contender::service("hotshelf on PostgreSQL, group commit", &running),
        Contender::bare("axum, one transaction per row", &bare, &running.workload),
    ];
    let measured = rounds::in_turns(plan, &contenders).await?;
    drop((running, bare));
    for (series, database) in measured.servers.iter().zip([&ours, &theirs]) {
        let stored: usize = server.ask(database, "SELECT count(*) FROM products").parse()?;
        if stored != series.answered {
            let acknowledged = series.answered;
            return Err(format!("{}: {acknowledged} creates acknowledged, {stored} stored", series.name).into());
        }
    }
    Ok(Comparison::new("postgres-create", Aim::AtLeast(5.0), measured))
}

/// Products made by `hotshelf seed`, in the tables of the service.
pub(crate) fn seed(url: &str, products: usize) -> Result<Duration, Failure> {
    let begin = Instant::now();
    let mut seed = std::process::Command::new(BINARY);
    seed.args(["seed", "--products", &products.to_string()]).env_clear();
    let seeded = seed.env("DATABASE_URL", url).env("CACHE_BACKEND", "none").output()?;
    if !seeded.status.success() {
        return Err(format!("hotshelf seed failed: {}", String::from_utf8_lossy(&seeded.stderr)).into());
    }
    Ok(begin.elapsed())
}

/// With both tiers if there is a Redis, else without a cache.
async fn start(
    url: &str,
    workload: Arc<Workload>,
    reads: Option<Reads>,
    redis: Option<RedisServer>,
) -> Result<Running, Failure> {
    let catalogue = Catalogue::empty()?;
    let service = service::on(Path::new(BINARY), &catalogue).env("DATABASE_URL", url);
    let service = match &redis {
        Some(redis) => service.redis(redis),
        None => service.backend("none"),
    };
    let service = service.start().await;
    let observer = service.client().clone();
    if redis.is_some() {
        service::wait_for_redis(&observer).await?;
    }
    Ok(Running { service, observer, workload, reads, redis, catalogue })
}

type Pool = deadpool::Pool<AsyncPgConnection>;

fn pool(url: &str) -> Result<Pool, Failure> {
    Ok(Pool::builder(AsyncDieselConnectionManager::new(url)).max_size(CONNECTIONS).build()?)
}

pub(crate) async fn bare_miss(url: &str) -> Result<Router, Failure> {
    Ok(Router::new().route("/api/v1/products/{id}", routing::get(get)).with_state(pool(url)?))
}

async fn get(State(pool): State<Pool>, Parameter(id): Parameter<i64>) -> Response {
    let begin = Instant::now();
    let found = async {
        let mut conn = pool.get().await?;
        Ok(live_product_of_server(id).first::<ProductRow>(&mut conn).await?)
    };
    answer(found.await, begin)
}

pub(crate) async fn bare_create(url: &str) -> Result<Router, Failure> {
    Ok(Router::new().route("/api/v1/products", routing::post(create)).with_state(pool(url)?))
}

async fn create(State(pool): State<Pool>, Json(new): Json<NewProduct>) -> Response {
    let stored = async {
        let mut conn = pool.get().await?;
        conn.transaction(async |conn| insert(conn, &new).await).await
    };
    match stored.await {
        Ok(product) => {
            let message = "Product created successfully";
            (StatusCode::CREATED, Json(Created { product, message })).into_response()
        }
        Err(failure) => failed(&failure),
    }
}

/// The product, its words and both counters, as a service does that has them.
async fn insert(conn: &mut AsyncPgConnection, new: &NewProduct) -> Result<hotshelf_domain::Product, Failure> {
    let now = Utc::now().timestamp_millis();
    let insert = "INSERT INTO products (name, description, price, stock, category, organization_id, schema_id, version, \
                  created_at, updated_at, name_key) VALUES ($1, $2, $3, $4, $5, 1, 1, 1, $6, $6, $7) RETURNING id";
    let row: Id = diesel::sql_query(insert)
        .bind::<Text, _>(&new.name)
        .bind::<Text, _>(&new.description)
        .bind::<BigInt, _>(new.price.minor_units())
        .bind::<BigInt, _>(new.stock)
        .bind::<Text, _>(&new.category)
        .bind::<BigInt, _>(now)
        .bind::<diesel::sql_types::Binary, _>(hotshelf_domain::name_key(&new.name))
        .get_result(conn)
        .await?;
    let found_by = words::stored([&new.name, &new.description, &new.category]);
    let found_by: Vec<String> = found_by.iter().map(|word| format!("'1/{word}'")).collect();
    diesel::sql_query("INSERT INTO product_search VALUES ($1, $2::tsvector)")
        .bind::<BigInt, _>(row.id)
        .bind::<Text, _>(found_by.join(" "))
        .execute(conn)
        .await?;
    let grouped = "INSERT INTO product_counts AS kept VALUES (1, 1, $1, 1, 1) ON CONFLICT (organization_id, schema_id, \
                   category) DO UPDATE SET live = kept.live + 1, in_stock = kept.in_stock + 1";
    diesel::sql_query(grouped).bind::<Text, _>(&new.category).execute(conn).await?;
    let all = "INSERT INTO organization_counts AS kept VALUES (1, 1, 1) ON CONFLICT (organization_id) \
               DO UPDATE SET live = kept.live + 1, in_stock = kept.in_stock + 1";
    diesel::sql_query(all).execute(conn).await?;
    new.stored(row.id, now)
}

#[derive(diesel::QueryableByName)]
struct Id {
    #[diesel(sql_type = BigInt)]
    id: i64,
}
