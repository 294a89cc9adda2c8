//! Durable creates, against an axum handler that stores each product in a transaction of its own, with the same
//! settings of SQLite: the gain of group commit.

use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Json, Router, routing};
use chrono::Utc;
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use hotshelf_database::{Database, DatabaseOptions};
use hotshelf_domain::{OrganizationId, Price, Product, ProductId, SchemaId, Version};
use hotshelf_stats::Registry;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::bare::BareProcess;
use crate::catalogue::Catalogue;
use crate::failure::Failure;
use crate::load::Workload;
use crate::report::{Aim, Comparison};
use crate::rounds::{self, Contender, Plan};
use crate::rows::{self, ProductRow, connect, failed, products};
use crate::service::{self, BINARY, Running};

pub(crate) const PRODUCT: &str = r#"{"name":"Standing desk lamp","description":"Dimmable LED lamp with a heavy base, three colour temperatures and a shade of brushed steel; 140 cm high","price":89.95,"stock":12,"category":"Home & living"}"#;

pub(crate) async fn run(plan: &Plan) -> Result<Comparison, Failure> {
    let (running, theirs) = (start(Path::new(BINARY)).await?, Catalogue::empty()?);
    let bare = BareProcess::start("create", theirs.database())?;
    let contenders = [
        Contender::service("hotshelf, group commit", &running),
        Contender::bare("axum, one transaction per row", &bare, &running.workload),
    ];
    let measured = rounds::in_turns(plan, &contenders).await?;
    // Killed, not stopped: acknowledged products must be stored all the same.
    let Running { service, catalogue: ours, .. } = running;
    drop((service, bare));
    for (series, catalogue) in measured.servers.iter().zip([&ours, &theirs]) {
        let stored = rows::count(&catalogue.database())?;
        if stored != series.answered {
            let acknowledged = series.answered;
            return Err(format!("{}: {acknowledged} creates acknowledged, {stored} stored", series.name).into());
        }
    }
    Ok(Comparison::new("create", Aim::AtLeast(8.0), measured))
}

pub(crate) async fn start(build: &Path) -> Result<Running, Failure> {
    let catalogue = Catalogue::empty()?;
    let service = service::on(build, &catalogue).backend("memory").start().await;
    let (observer, workload) = (service.client().clone(), Workload::creates(PRODUCT));
    Ok(Running { service, observer, workload, reads: None, redis: None, catalogue })
}

#[derive(Deserialize)]
pub(crate) struct NewProduct {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) price: Price,
    pub(crate) stock: i64,
    pub(crate) category: String,
}

impl NewProduct {
    /// The product that was stored under that id.
    pub(crate) fn stored(&self, id: i64, now: i64) -> Result<Product, Failure> {
        let NewProduct { name, description, price, stock, category } = self;
        let time = chrono::DateTime::from_timestamp_millis(now).ok_or("not a time")?;
        Ok(Product {
            id: ProductId::new(id).ok_or("not an id")?,
            name: name.clone(),
            description: description.clone(),
            price: *price,
            stock: *stock,
            category: category.clone(),
            organization_id: OrganizationId::BUILT_IN,
            schema_id: SchemaId::BUILT_IN,
            version: Version::FIRST,
            created_at: time,
            updated_at: time,
        })
    }
}

#[derive(Serialize)]
pub(crate) struct Created {
    pub(crate) product: Product,
    pub(crate) message: &'static str,
}

type Stored = Result<Product, Failure>;
type Writer = mpsc::Sender<(NewProduct, oneshot::Sender<Stored>)>;

/// The counterpart: one connection on a thread of its own, with a queue in front of it.
pub(crate) async fn bare(database: &Path) -> Result<Router, Failure> {
    prepare(database).await?;
    let mut conn = connect(database.to_str().ok_or("the path is no UTF-8")?)?;
    let (writer, queue) = mpsc::channel::<(NewProduct, oneshot::Sender<Stored>)>();
    thread::spawn(move || {
        for (new, reply) in queue {
            // The client may have disconnected.
            drop(reply.send(insert(&mut conn, &new)));
        }
    });
    Ok(Router::new().route("/api/v1/products", routing::post(create)).with_state(writer))
}

/// Creates the tables, with write-ahead logging, as the service does.
async fn prepare(database: &Path) -> Result<(), Failure> {
    let options = DatabaseOptions::at(database.to_owned());
    Database::open(options, &Registry::new()?).await?.close(Duration::from_secs(5)).await?;
    Ok(())
}

async fn create(State(writer): State<Writer>, Json(new): Json<NewProduct>) -> Response {
    let (reply, stored) = oneshot::channel();
    let stored = async {
        writer.send((new, reply))?;
        stored.await?
    };
    let message = "Product created successfully";
    match stored.await {
        Ok(product) => (StatusCode::CREATED, Json(Created { product, message })).into_response(),
        Err(failure) => failed(&failure),
    }
}

/// A statement outside of a transaction is a transaction of its own.
fn insert(conn: &mut SqliteConnection, new: &NewProduct) -> Stored {
    let now = Utc::now().timestamp_millis();
    let row = (
        products::name.eq(&new.name),
        products::description.eq(&new.description),
        products::price.eq(new.price.minor_units()),
        products::stock.eq(new.stock),
        products::category.eq(&new.category),
        products::organization_id.eq(1),
        products::schema_id.eq(1),
        products::version.eq(1),
        products::created_at.eq(now),
        products::updated_at.eq(now),
    );
    let inserted = diesel::insert_into(products::table).values(row).returning(ProductRow::as_returning());
    inserted.get_result::<ProductRow>(conn)?.into_product()
}
